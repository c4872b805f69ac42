//! A base in this process and the adapters on it, as the arguments name them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::B256;
use eyre::{Result, WrapErr, bail};
use fonte_bindings::Client;
use fonte_types::wire::MAX_MODELS;
use fonte_worker::local::{AdapterEntry, Found, LocalBase, LocalConfig};

use crate::{
    args::engine::Base,
    development::{self, Weights},
    say::say,
};

/// How long after a failure a record is tried to be made again.
const AGAIN: Duration = Duration::from_secs(10);

/// An engine of our own, and what it serves.
pub(crate) struct Own {
    pub(crate) engine: LocalBase,
    pub(crate) base: Weights,
    pub(crate) adapters: Vec<Weights>,
}

/// The base that the arguments name, if they name one, under its name or its folder's, and the adapters that fit it. What
/// does not fit is told and left out.
pub(crate) async fn open(arguments: &Base) -> Result<Option<Own>> {
    let Some(folder) = &arguments.base else { return Ok(None) };
    let reading = || say!("reading the base model {}", "lendo o modelo base {}", folder.display());
    let path = folder.canonicalize().wrap_err_with(reading)?;
    let name = match &arguments.base_name {
        Some(name) => name.clone(),
        None => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let adapters = arguments.adapters.clone();
    let config = config(arguments)?;
    let opening = tokio::task::spawn_blocking(move || -> Result<(LocalBase, Found)> {
        let engine = LocalBase::open(&path, adapters.as_deref(), config)?;
        let found = engine.look(Duration::ZERO)?;
        Ok((engine, found))
    });
    let (engine, found) = opening.await.wrap_err_with(reading)?.wrap_err_with(reading)?;
    tell_refused(&found);
    let artifact = engine.hash();
    let base = Weights { name: public_name(&name), artifact, adapter: B256::ZERO };
    let adapters: Vec<Weights> = found.added.iter().map(|adapter| weights(&engine, adapter)).collect();
    Ok(Some(Own { engine, base, adapters }))
}

/// Most adapters that a worker names to a gateway, beside the base and the quote model.
const MOST_ADAPTERS: usize = MAX_MODELS - 2;

/// The first adapters by their names, as many as a worker may serve; says how many are left out.
pub(crate) fn within_wire(mut adapters: Vec<Weights>) -> Vec<Weights> {
    let left_out = adapters.len().saturating_sub(MOST_ADAPTERS);
    if left_out > 0 {
        adapters.truncate(MOST_ADAPTERS);
        eprintln!(
            "{}",
            say!(
                "{left_out} adapters are left out, since a worker serves {MOST_ADAPTERS}: use several workers",
                "{left_out} adaptadores ficam de fora, pois uma máquina serve {MOST_ADAPTERS}: use várias máquinas"
            )
        );
    }
    adapters
}

fn weights(engine: &LocalBase, adapter: &AdapterEntry) -> Weights {
    let (name, adapter) = (public_name(&adapter.name), B256::from(adapter.hash.0));
    Weights { name, artifact: engine.hash(), adapter }
}

/// Runs until it is dropped: adapters that come into the folder later get a record too, or are told to have none where
/// nobody is to make one. The worker serves what has one.
pub(crate) async fn follow(client: &Client, own: &Own, register: bool) {
    let mut adapters = own.engine.adapters();
    let mut known: BTreeSet<B256> = own.adapters.iter().map(|weights| weights.adapter).collect();
    loop {
        let now = adapters.borrow_and_update().clone();
        let mut failed = false;
        for weights in now.iter().take(MOST_ADAPTERS).map(|adapter| weights(&own.engine, adapter)) {
            if known.contains(&weights.adapter) {
                continue;
            }
            match record(client, &own.base, &weights, register).await {
                Ok(()) => _ = known.insert(weights.adapter),
                Err(error) => {
                    failed = true;
                    let name = &weights.name;
                    eprintln!(
                        "{}",
                        say!(
                            "adapter {name:?} got no record on chain, which is tried again: {error:#}",
                            "o adaptador {name:?} não foi registrado na rede, nova tentativa em breve: {error:#}"
                        )
                    );
                }
            }
        }
        // The sender is the engine's own: it does not go away.
        let changed = adapters.changed();
        if failed {
            let _ = tokio::time::timeout(AGAIN, changed).await;
        } else {
            let _ = changed.await;
        }
    }
}

async fn record(client: &Client, base: &Weights, weights: &Weights, register: bool) -> Result<()> {
    if register {
        development::records(client, base, std::slice::from_ref(weights)).await?;
    } else if development::find(&client.models().await?, weights).is_none() {
        tell_unregistered(weights);
    }
    Ok(())
}

/// Names weights that have no record, with the hashes that one must have, and says what to do.
pub(crate) fn tell_unregistered(weights: &Weights) {
    let Weights { name, artifact, adapter } = weights;
    let hashes = match adapter.is_zero() {
        true => artifact.to_string(),
        false => say!("{adapter} on the base {artifact}", "{adapter} sobre o modelo base {artifact}"),
    };
    eprintln!(
        "{}",
        say!(
            "{name} ({hashes}) has no record on chain and is not served: `fonte model register`, or --register here",
            "{name} ({hashes}) não tem registro na rede e não é servido: `fonte model register`, ou --register aqui"
        )
    );
}

/// How the engine runs.
pub(crate) fn config(arguments: &Base) -> Result<LocalConfig> {
    let profile = arguments.profile.into();
    let mut config = LocalConfig { profile, template_program: template_program(), ..LocalConfig::default() };
    if let Some(threads) = arguments.threads {
        config.threads = threads.into();
    }
    if let Some(memory) = arguments.memory {
        config.memory = (memory as usize) << 20;
    }
    if let Some(context) = arguments.context {
        config.max_context = context as usize;
    }
    if let Some(running) = arguments.running {
        config.max_running = running.into();
    }
    if let Some(memory) = arguments.weight_memory {
        config.limits.weight_bytes = u64::from(memory) << 20;
    }
    if arguments.device != "cpu" {
        if config.profile != LocalConfig::default().profile {
            bail!(say!(
                "--profile is of Fonte's own engine: leave it out with --device {}, which computes in f32",
                "--profile é do motor próprio do Fonte: retire-o com --device {}, que calcula em f32",
                arguments.device
            ));
        }
        #[cfg(feature = "cuda")]
        {
            config.device = Some(arguments.device.clone());
        }
        #[cfg(not(feature = "cuda"))]
        bail!(say!(
            "--device {}: this build knows no device but cpu; build it with `--features cuda`",
            "--device {}: este binário só conhece cpu; compile com `--features cuda`",
            arguments.device
        ));
    }
    Ok(config)
}

/// What renders a base's chat template: this very program, whatever has become of its file since it started.
pub(crate) fn template_program() -> Option<PathBuf> {
    if cfg!(target_os = "linux") { Some("/proc/self/exe".into()) } else { std::env::current_exe().ok() }
}

/// Names the adapters that are left out, and says why.
pub(crate) fn tell_refused(found: &Found) {
    for refused in &found.refused {
        let (name, error) = (&refused.name, &refused.error);
        eprintln!("{}", say!("adapter {name:?} is not served: {error}", "o adaptador {name:?} não é servido: {error}"));
    }
}

/// A name as it is registered: a colon would end it, and llama.cpp's server calls a model by the path of its file.
pub(crate) fn public_name(name: &str) -> String {
    let file = Path::new(name);
    let is_file = file.is_absolute() || file.extension().is_some_and(|extension| extension == "gguf");
    let name = if is_file { file.file_stem().and_then(|stem| stem.to_str()).unwrap_or(name) } else { name };
    name.replace(':', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_names_as_many_adapters_as_the_wire_takes() {
        let adapters = |count: usize| -> Vec<Weights> {
            let one = |index: usize| Weights { name: index.to_string(), artifact: B256::ZERO, adapter: B256::ZERO };
            (0..count).map(one).collect()
        };
        for (count, kept) in [(3, 3), (MOST_ADAPTERS, MOST_ADAPTERS), (MOST_ADAPTERS + 5, MAX_MODELS - 2)] {
            let names: Vec<String> = within_wire(adapters(count)).into_iter().map(|weights| weights.name).collect();
            assert!(names.iter().eq((0..kept).map(|index| index.to_string()).collect::<Vec<_>>().iter()), "{count}");
        }
    }

    #[test]
    fn names_hold_no_colon() {
        assert_eq!(public_name("llama3.2:3b"), "llama3.2-3b");
        assert_eq!(public_name("Qwen/Qwen2.5-7B-Instruct"), "Qwen/Qwen2.5-7B-Instruct");
        assert_eq!(public_name("/srv/models/tiny-chat.gguf"), "tiny-chat");
        assert_eq!(public_name("models/tiny-chat.gguf"), "tiny-chat");
    }
}

//! A base in this process and the adapters on it, as the arguments name them.

use std::path::PathBuf;

use alloy_primitives::B256;
use eyre::{Result, WrapErr, bail};
use fonte_types::wire::MAX_MODELS;
use fonte_worker::local::{Found, LocalBase, LocalConfig};

use crate::{args::engine::Base, development::Weights, say::say};

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
    let config = config(arguments);
    let opening = tokio::task::spawn_blocking(move || -> Result<(LocalBase, Found)> {
        let engine = LocalBase::open(&path, adapters.as_deref(), config)?;
        let found = engine.look()?;
        Ok((engine, found))
    });
    let (engine, found) = opening.await.wrap_err_with(reading)?.wrap_err_with(reading)?;
    tell_refused(&found);
    let artifact = engine.hash();
    let base = Weights { name: public_name(&name), artifact, adapter: B256::ZERO };
    let adapters: Vec<Weights> = found
        .adapters
        .iter()
        .map(|adapter| Weights { name: public_name(&adapter.name), artifact, adapter: B256::from(adapter.hash.0) })
        .collect();
    // Beside the base and the quote model.
    if adapters.len() > MAX_MODELS - 2 {
        bail!(say!(
            "{} adapters are more than a worker may serve, which is {}: use several workers",
            "{} adaptadores são mais do que uma máquina pode servir, que são {}: use várias máquinas",
            adapters.len(),
            MAX_MODELS - 2
        ));
    }
    Ok(Some(Own { engine, base, adapters }))
}

/// How the engine runs.
pub(crate) fn config(arguments: &Base) -> LocalConfig {
    let mut config = LocalConfig { template_program: template_program(), ..LocalConfig::default() };
    if let Some(threads) = arguments.threads {
        config.threads = threads.into();
    }
    if let Some(memory) = arguments.memory {
        config.memory = (memory as usize) << 20;
    }
    config
}

/// What renders a base's chat template: this very program, whatever has become of its file since it started.
pub(crate) fn template_program() -> Option<PathBuf> {
    if cfg!(target_os = "linux") { Some("/proc/self/exe".into()) } else { std::env::current_exe().ok() }
}

/// Names the adapters that are left out, and says why.
pub(crate) fn tell_refused(found: &Found) {
    for (name, error) in &found.refused {
        eprintln!("{}", say!("adapter {name:?} is not served: {error}", "o adaptador {name:?} não é servido: {error}"));
    }
}

/// A name as it is registered: a colon would end it.
pub(crate) fn public_name(name: &str) -> String {
    name.replace(':', "-")
}

#[cfg(test)]
mod tests {
    use super::public_name;

    #[test]
    fn names_hold_no_colon() {
        assert_eq!(public_name("llama3.2:3b"), "llama3.2-3b");
        assert_eq!(public_name("Qwen/Qwen2.5-7B-Instruct"), "Qwen/Qwen2.5-7B-Instruct");
    }
}

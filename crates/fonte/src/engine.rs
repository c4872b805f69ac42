//! `fonte worker` as a worker that runs, external engines for it and for `fonte up`, and the base of `fonte up`.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use alloy_primitives::{B256, keccak256};
use eyre::{Result, WrapErr, bail, eyre};
use fonte_bindings::{Client, ModelRecord, contracts::models::IModels};
use fonte_types::ModelId;
use fonte_worker::{
    AnswerModel, Config, QuoteModel, Worker,
    engine::{Adapters, Engine, EngineConfig, EngineModel, Secret},
    local::{LocalConfig, LocalModel},
};
use serde_json::json;

use crate::{
    args::{
        Common, Up,
        engine::{Engine as EngineArgs, Serve},
    },
    context::{data_dir, signer},
    embedded::{self, FNT},
    keys, network,
    say::say,
};

/// After a connection ended, or failed, the next one is tried this much later.
const AGAIN: Duration = Duration::from_secs(2);

/// How often the adapters are compared with the chain.
const MIRROR: Duration = Duration::from_secs(2);

/// A model that `fonte up` serves beside the quote model: an external engine's, or a base in this process.
#[derive(Clone)]
pub(crate) struct Beside {
    pub(crate) name: String,
    /// Of its record on chain.
    artifact: B256,
    pub(crate) model: Arc<dyn AnswerModel>,
}

/// How long the gateway of `fonte up` waits where engines answer: its own, or those of workers that dial in.
pub(crate) fn patience(up: &Up) -> Duration {
    let engines = up.engine.url.is_some() || up.base.is_some() || up.worker_listen.is_some();
    if engines { Duration::from_secs(up.engine.engine_timeout.saturating_add(10)) } else { Duration::ZERO }
}

/// The engine that the arguments name, if they name one.
fn connect(arguments: &EngineArgs) -> Result<Option<Arc<Engine>>> {
    let Some(url) = &arguments.url else { return Ok(None) };
    let mut config = EngineConfig::new(url);
    config.deadline = Duration::from_secs(arguments.engine_timeout.max(1));
    config.passage_bytes = arguments.engine_passages;
    config.top_log_probs = arguments.engine_logprobs;
    if let Some(variable) = &arguments.engine_key_env {
        let key = std::env::var(variable).ok().filter(|key| !key.is_empty()).ok_or_else(|| {
            eyre!(say!(
                "--engine-key-env names {variable}, which is not set: put the engine's API key there",
                "--engine-key-env indica {variable}, que não está definida: ponha ali a chave do motor"
            ))
        })?;
        config.key = Some(Secret::new(key));
    }
    Ok(Some(Arc::new(Engine::new(config)?)))
}

/// What `fonte up` serves beside the quote model, if anything.
pub(crate) async fn of_up(up: &Up) -> Result<Option<Beside>> {
    match &up.base {
        Some(folder) => base(folder, up.base_name.as_deref()).await.map(Some),
        None => external(up).await,
    }
}

/// A base model, under the name that is given or its folder's. Its artifact is the hash of its files.
async fn base(folder: &Path, name: Option<&str>) -> Result<Beside> {
    let reading = || say!("reading the base model {}", "lendo o modelo base {}", folder.display());
    let path = folder.canonicalize().wrap_err_with(reading)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    // This very program, whatever has become of its file since it started.
    let program = if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
    let config = LocalConfig { template_program: program.ok(), ..LocalConfig::default() };
    let opening = tokio::task::spawn_blocking(move || LocalModel::open(&path, config));
    let model = opening.await.wrap_err_with(reading)?.wrap_err_with(reading)?;
    Ok(Beside { name, artifact: model.hash(), model: Arc::new(model) })
}

/// The engine of `fonte up`, with the model that is named or the only one there is. Its artifact is the hash of its name:
/// nobody can hash weights through an API.
async fn external(up: &Up) -> Result<Option<Beside>> {
    let Some(engine) = connect(&up.engine)? else { return Ok(None) };
    let name = match &up.engine_model {
        Some(name) => name.clone(),
        None => {
            let mut models = engine.models().await.wrap_err_with(|| {
                say!(
                    "asking the engine at {} for its models: start it, or name one with --engine-model",
                    "pedindo os modelos ao motor em {}: inicie-o ou indique um com --engine-model",
                    engine.shown()
                )
            })?;
            if models.len() != 1 {
                bail!(say!(
                    "the engine has {} models ({}): choose one with --engine-model",
                    "o motor tem {} modelos ({}): escolha um com --engine-model",
                    models.len(),
                    models.join(", ")
                ));
            }
            models.remove(0)
        }
    };
    let artifact = keccak256(format!("external engine: {name}"));
    let model = Arc::new(EngineModel::new(engine, &name));
    Ok(Some(Beside { name, artifact, model }))
}

/// The name under which an engine's model is registered: a colon would begin the list of datanets.
fn public_name(name: &str) -> String {
    name.replace(':', "-")
}

/// The development record of such a model, registered if it is not there yet.
pub(crate) async fn development_model(operator: &Client, beside: &Beside) -> Result<ModelRecord> {
    const BASE: u8 = 1;
    let input = IModels::ModelInput {
        name: public_name(&beside.name),
        kind: BASE,
        artifact: beside.artifact,
        adapter: B256::ZERO,
        terms: IModels::Terms {
            priceIn: FNT / 500,
            priceOut: FNT / 50,
            splits: IModels::Splits {
                protocolPpm: 50_000,
                workerPpm: 400_000,
                developerPpm: 50_000,
                dataPpm: 500_000,
                developer: operator.sender().unwrap_or_default(),
            },
            datanets: Vec::new(),
            maxStaleness: 64,
            spanPpm: 1_000_000,
            contextPpm: 0,
            influencePpm: 0,
            minRoyaltyPpm: 0,
            parents: Vec::new(),
            acceptableUse: B256::ZERO,
            acceptableUseUri: String::new(),
        },
        base: 0,
        trained: Vec::new(),
    };
    let record = embedded::registered(operator, input).await?;
    // Receipts would say that other files answered.
    if record.artifact != beside.artifact {
        bail!(say!(
            "model {} is registered with the hash {}, these files have {}: choose another name with --base-name",
            "o modelo {} está registrado com o hash {}, estes arquivos têm {}: escolha outro nome com --base-name",
            record.name,
            record.artifact,
            beside.artifact
        ));
    }
    Ok(record)
}

/// `fonte worker --dial ADDR [--engine URL]`: serves a gateway until Ctrl-C, and comes back when the connection ends.
pub(crate) async fn serve(common: &Common, serve: Serve) -> Result<()> {
    const ACTIVE: u8 = 1;
    let signer = signer(common)?;
    let address = signer.address();
    let client = network::connect(common, None).await?;
    keys::refuse_development(address, client.network())?;
    let record = client.workers_contract().worker(address).call().await?;
    if record.status != ACTIVE {
        bail!(say!(
            "{address} is no active worker: `fonte worker register --slots 2 --engine tolerance --jurisdiction BR`",
            "{address} não é uma máquina ativa: `fonte worker register --slots 2 --engine tolerance --jurisdiction BR`"
        ));
    }
    let dial = serve.dial.clone().ok_or_else(|| eyre!("no --dial"))?;
    let engine = connect(&serve.engine)?;
    let (models, mut adapters) = models(&client, &serve, engine).await?;
    let names: Vec<String> = models.keys().map(ToString::to_string).collect();
    let folder = data_dir(common)?.join("worker").join(address.to_string());
    std::fs::create_dir_all(&folder).wrap_err_with(|| format!("creating {}", folder.display()))?;
    let mut config = Config::new(folder, *client.network(), signer, models);
    config.slots = record.info.slots;
    config.jurisdiction = Some(record.info.jurisdiction.0);
    config.commons = embedded::commons(&client).await?;
    let ledger = Arc::new(network::connect(common, None).await?);
    let worker = Worker::open(config, ledger).wrap_err("opening the worker")?;
    if common.json {
        println!("{}", json!({"worker": address, "models": names, "dial": dial}));
    } else {
        println!(
            "{}",
            say!(
                "worker {address} serves model {} to the gateway at {dial}; Ctrl-C stops it",
                "máquina {address} serve o modelo {} ao gateway em {dial}; Ctrl-C encerra",
                names.join(", ")
            )
        );
    }
    let mirroring = async {
        while !adapters.as_ref().is_none_or(Adapters::is_empty) {
            mirror(&client, adapters.as_mut()).await;
            tokio::time::sleep(MIRROR).await;
        }
        std::future::pending().await
    };
    let result = tokio::select! {
        () = keep_serving(&worker, &dial) => Ok(()),
        () = mirroring => Ok(()),
        ended = tokio::signal::ctrl_c() => ended.wrap_err("waiting for Ctrl-C"),
    };
    if let Some(adapters) = &mut adapters {
        for (model, error) in adapters.unload_all().await {
            eprintln!(
                "{}",
                say!("adapter {model} stays loaded: {error}", "o adaptador {model} continua carregado: {error}")
            );
        }
    }
    result
}

async fn keep_serving(worker: &Worker, dial: &str) {
    loop {
        match tokio::net::TcpStream::connect(dial).await {
            Ok(stream) => match worker.serve(stream).await {
                Ok(()) => tracing::info!(dial, "the gateway closed the connection"),
                Err(error) => tracing::warn!(dial, error = &error as &dyn std::error::Error, "the connection ended"),
            },
            Err(error) => tracing::warn!(dial, %error, "the gateway cannot be reached"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn mirror(client: &Client, adapters: Option<&mut Adapters>) {
    let Some(adapters) = adapters else { return };
    match client.models().await {
        Ok(models) => {
            for (model, error) in adapters.mirror(&models).await {
                tracing::error!(%model, %error, "an adapter is not as the chain wants it in the engine");
            }
        }
        Err(error) => tracing::warn!(%error, "the models cannot be read"),
    }
}

type Served = BTreeMap<ModelId, Arc<dyn AnswerModel>>;

/// What the arguments name, by the chain's records.
async fn models(client: &Client, serve: &Serve, engine: Option<Arc<Engine>>) -> Result<(Served, Option<Adapters>)> {
    const QUOTE: u8 = 0;
    let known = client.models().await?;
    let find = |named: &str| {
        let found = known.iter().find(|model| model.name == named || model.id.to_string() == named);
        found.ok_or_else(|| {
            eyre!(say!(
                "there is no model {named:?} on chain: register it with `fonte model register {named} --kind base`",
                "não existe o modelo {named:?} na rede: registre com `fonte model register {named} --kind base`"
            ))
        })
    };
    let mut models: Served = BTreeMap::new();
    for named in &serve.model {
        let (name, in_engine) = named.split_once('=').unwrap_or((named, named));
        let record = find(name)?;
        let kind = client.models_contract().model(record.id.0).call().await?.kind;
        let model: Arc<dyn AnswerModel> = match (kind, &engine) {
            (QUOTE, _) => Arc::new(QuoteModel),
            (_, Some(engine)) => Arc::new(EngineModel::new(engine.clone(), in_engine)),
            (_, None) => bail!(say!(
                "model {name} has weights: give --engine URL of an engine that runs it",
                "o modelo {name} tem pesos: informe --engine URL de um motor que o execute"
            )),
        };
        models.insert(record.id, model);
    }
    let mut adapters = engine.clone().map(Adapters::new);
    for named in &serve.adapter {
        let parts = named.split_once('=').and_then(|(name, rest)| Some((name, rest.split_once('@')?)));
        let (Some((name, (in_engine, path))), Some(engine), Some(adapters)) = (parts, &engine, &mut adapters) else {
            bail!(say!(
                "{named:?} is no adapter, such as my-style=style@/models/style",
                "{named:?} não é um adaptador, como meu-estilo=estilo@/modelos/estilo"
            ));
        };
        let record = find(name)?;
        if record.adapter.is_zero() {
            bail!(say!("model {name} is no adapter on chain", "o modelo {name} não é um adaptador na rede"));
        }
        adapters.add(record.id, in_engine, path);
        models.insert(record.id, Arc::new(EngineModel::adapter(engine.clone(), in_engine, path)));
    }
    Ok((models, adapters))
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

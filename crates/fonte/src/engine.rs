//! `fonte worker` as a worker that runs, external engines for it and for `fonte up`, and what `fonte up` serves beside the
//! quote model.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{B256, keccak256};
use eyre::{Result, WrapErr, bail, eyre};
use fonte_bindings::Client;
use fonte_types::{EngineClass, ModelId};
use fonte_worker::{
    AnswerModel, Config, QuoteModel, Worker,
    engine::{Adapters, Engine, EngineConfig, EngineModel, Secret},
    local::LocalBase,
};
use serde_json::json;

use crate::{
    args::{
        Common, Up,
        engine::{Engine as EngineArgs, Serve},
    },
    context::{data_dir, signer},
    development::{self, Weights},
    embedded, keys, network,
    own::{self, Own},
    say::say,
};

/// After a connection ended, or failed, the next one is tried this much later.
const AGAIN: Duration = Duration::from_secs(2);

/// How often the adapters are compared with the chain.
const MIRROR: Duration = Duration::from_secs(2);

/// What `fonte up` serves beside the quote model: an external engine's model, or a base in this process and adapters on it.
pub(crate) struct Beside {
    pub(crate) base: Weights,
    pub(crate) adapters: Vec<Weights>,
    /// Of its answers.
    pub(crate) class: EngineClass,
    /// The engine in this process.
    pub(crate) own: Option<LocalBase>,
    /// The engine elsewhere.
    pub(crate) external: Option<Arc<dyn AnswerModel>>,
}

/// How long the gateway of `fonte up` waits where engines answer: its own, or those of workers that dial in.
pub(crate) fn patience(up: &Up) -> Duration {
    let engines = up.engine.url.is_some() || up.base.base.is_some() || up.worker_listen.is_some();
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
    if up.engine.url.is_some() && up.base.base.is_some() {
        bail!(say!(
            "--engine and --base are both given: `fonte up` serves one of the two, a worker of its own the other",
            "--engine e --base foram informados: `fonte up` serve um dos dois, uma máquina própria o outro"
        ));
    }
    match own::open(&up.base).await? {
        Some(own) => Ok(Some(Beside {
            base: own.base,
            adapters: own::within_wire(own.adapters),
            class: own.engine.class(),
            own: Some(own.engine),
            external: None,
        })),
        None => external(up).await,
    }
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
    Ok(Some(Beside {
        base: Weights { name: own::public_name(&name), artifact, adapter: B256::ZERO },
        adapters: Vec::new(),
        class: EngineClass::Tolerance,
        own: None,
        external: Some(model),
    }))
}

/// `fonte worker --dial ADDR [--engine URL | --base DIR]`: serves a gateway until Ctrl-C, and comes back when the connection ends.
pub(crate) async fn serve(common: &Common, serve: Serve) -> Result<()> {
    const ACTIVE: u8 = 1;
    let signer = signer(common)?;
    let address = signer.address();
    let client = network::connect(common, serve.register.then(|| signer.clone())).await?;
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
    let own = own::open(&serve.base).await?;
    let own = own.map(|own| Own { adapters: own::within_wire(own.adapters), ..own });
    let on_device = own.as_ref().is_some_and(|own| own.engine.class() == EngineClass::Tolerance);
    if (engine.is_some() || on_device) && record.info.engine == EngineClass::Exact as u8 {
        bail!(say!(
            "{address} is registered for exact answers, an external engine or a device gives none: `fonte worker register --slots {} --engine tolerance --jurisdiction BR`",
            "{address} está registrada para respostas exatas, que um motor externo ou um dispositivo não dá: `fonte worker register --slots {} --engine tolerance --jurisdiction BR`",
            record.info.slots
        ));
    }
    let (models, mut adapters) = models(&client, &serve, engine).await?;
    let mut ids: BTreeSet<ModelId> = models.keys().copied().collect();
    if let Some(own) = &own {
        ids.extend(own_models(&client, own, serve.register).await?);
    }
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let folder = data_dir(common)?.join("worker").join(address.to_string());
    std::fs::create_dir_all(&folder).wrap_err_with(|| format!("creating {}", folder.display()))?;
    let mut config = Config::new(folder, *client.network(), signer, models);
    config.engine = own.as_ref().map(|own| own.engine.clone());
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
    let following = async {
        match &own {
            Some(own) => own::follow(&client, own, serve.register).await,
            None => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        () = keep_serving(&worker, &dial) => Ok(()),
        () = following => Ok(()),
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

/// The records of the base and of the adapters, by their hashes; with `register` all of them get one. The worker finds them
/// by itself.
async fn own_models(client: &Client, own: &Own, register: bool) -> Result<Vec<ModelId>> {
    if register {
        let records = development::records(client, &own.base, &own.adapters).await?;
        return Ok(records.into_iter().map(|record| record.id).collect());
    }
    let known = client.models().await?;
    let mut models = Vec::new();
    for weights in std::iter::once(&own.base).chain(&own.adapters) {
        match development::find(&known, weights) {
            Some(record) => models.push(record.id),
            None => own::tell_unregistered(weights),
        }
    }
    if models.is_empty() {
        bail!(say!(
            "neither the base nor an adapter has a record on chain: --register makes one, with this key as developer",
            "nem o modelo base nem um adaptador tem registro na rede: --register cria, com esta chave como desenvolvedor"
        ));
    }
    Ok(models)
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

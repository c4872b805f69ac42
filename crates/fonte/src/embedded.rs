//! A whole network in one process: a validator, a gateway and a worker, wired as they would be apart.
//!
//! Start order: genesis (contracts and commons), chain (unless one that runs elsewhere is named), model, gateway, worker. The gateway and the worker speak the
//! wire over an in-memory pair; both read the chain over JSON-RPC like anybody else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256, FixedBytes, U256};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolCall;
use eyre::{Result, WrapErr};
use fonte_bindings::{
    Addresses, Client, ModelRecord,
    contracts::{Allowance, workers::IWorkers::Info},
    genesis::{COMMONS_NAME, Call, Commons, Parameters, commons_calls, predeploys},
};
use fonte_chain::{Chain, ChainConfig, ChainHandle, SetContract};
use fonte_evm::{Genesis, GenesisAccount, GenesisCall, Predeploy};
use fonte_gateway::{Gateway, GatewayConfig, GatewayHandle};
use fonte_types::{DatanetId, EngineClass, ModelId};
use fonte_worker::{AnswerModel, Config as WorkerConfig, QuoteModel, Worker, local::LocalBase};
use tokio::task::JoinSet;

use crate::{
    args::Common,
    development,
    engine::Beside,
    keys, network,
    own::{self, Own},
};

/// One FNT in wei.
pub(crate) const FNT: u128 = 1_000_000_000_000_000_000;

/// What an embedded network is told.
pub(crate) struct EmbeddedConfig {
    pub(crate) data_dir: PathBuf,
    /// A chain that runs elsewhere and has the contracts: none of its own is started.
    pub(crate) elsewhere: Option<Elsewhere>,
    /// Of the contracts, if the network does not exist yet.
    pub(crate) parameters: Parameters,
    pub(crate) listen: SocketAddr,
    pub(crate) rpc_listen: SocketAddr,
    /// Web origins that may call the chain, besides pages of this machine.
    pub(crate) allowed_origins: Vec<String>,
    /// An idle chain makes a block this often, so that challenge windows pass.
    pub(crate) heartbeat: Duration,
    /// A batch is sent this long after its first row; none: only when asked to.
    pub(crate) settle_every: Option<Duration>,
    /// Credits of fewer wei wait.
    pub(crate) minimum_payout: u128,
    /// Where other workers may dial in.
    pub(crate) worker_listen: Option<SocketAddr>,
    /// An answer may take this long, where that is longer than usual.
    pub(crate) patience: Duration,
    /// What is served beside the quote model.
    pub(crate) engine: Option<Beside>,
}

/// Where a chain is, and the contracts on it.
#[derive(Clone, Debug)]
pub(crate) struct Elsewhere {
    pub(crate) rpc_url: String,
    pub(crate) addresses: Addresses,
}

impl Elsewhere {
    /// The chain of `--rpc-url`, where `--network` names one that is not Fonte's own.
    pub(crate) fn of(common: &Common) -> Result<Option<Self>> {
        if common.network.is_none() {
            return Ok(None);
        }
        Ok(Some(Self { rpc_url: common.rpc_url.clone(), addresses: network::addresses(common)? }))
    }
}

impl EmbeddedConfig {
    /// On loopback with free ports, for a run that settles when it says so.
    pub(crate) fn demo(data_dir: PathBuf) -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            data_dir,
            elsewhere: None,
            parameters: Parameters::development(DEVELOPMENT_CHAIN),
            listen: free,
            rpc_listen: free,
            allowed_origins: Vec::new(),
            heartbeat: Duration::from_secs(1),
            settle_every: None,
            minimum_payout: 0,
            worker_listen: None,
            patience: Duration::ZERO,
            engine: None,
        }
    }
}

/// Chain id of development networks.
pub(crate) const DEVELOPMENT_CHAIN: u64 = 36683;

/// A running network; [`Embedded::shutdown`] stops it in reverse order.
pub(crate) struct Embedded {
    pub(crate) chain: ChainAt,
    pub(crate) gateway: Arc<GatewayHandle>,
    /// Sends as the operator: curator of the demo's datanets and owner of the model.
    pub(crate) operator: Client,
    pub(crate) model: ModelRecord,
    /// The engine's model, if there is one, and the adapters on it.
    pub(crate) engine_models: Vec<ModelRecord>,
    own_chain: Option<ChainHandle>,
    serving: tokio::task::JoinHandle<()>,
    /// Registers adapters that come later.
    following: Option<tokio::task::JoinHandle<()>>,
}

/// The network's chain: in this process, or elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct ChainAt {
    rpc_url: String,
    ws_url: Option<String>,
    addresses: Addresses,
}

impl ChainAt {
    pub(crate) fn rpc_url(&self) -> String {
        self.rpc_url.clone()
    }

    /// None where the chain is elsewhere.
    pub(crate) fn ws_url(&self) -> Option<&str> {
        self.ws_url.as_deref()
    }

    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// A connection, which can send if it has a key.
    pub(crate) async fn client(&self, key: Option<PrivateKeySigner>) -> Result<Client> {
        Ok(Client::connect_with(&self.rpc_url, key, self.addresses).await?)
    }
}

/// How often new quote models are looked for.
const MODELS_EVERY: Duration = Duration::from_secs(1);

impl Embedded {
    pub(crate) async fn start(config: EmbeddedConfig) -> Result<Self> {
        let (own_chain, chain) = match &config.elsewhere {
            Some(Elsewhere { rpc_url, addresses }) => {
                (None, ChainAt { rpc_url: rpc_url.clone(), ws_url: None, addresses: *addresses })
            }
            None => {
                let own = start_chain(&config).await?;
                let chain =
                    ChainAt { rpc_url: own.rpc_url(), ws_url: Some(own.ws_url()), addresses: Addresses::predeployed() };
                (Some(own), chain)
            }
        };
        let operator_key = keys::development("operator");
        let operator_address = operator_key.address();
        let operator = chain.client(Some(operator_key)).await?;
        keys::refuse_development(operator_address, operator.network())?;
        let model = development::quote_model(&operator).await?;

        let mut gateway_config =
            GatewayConfig::new(chain.rpc_url(), keys::development("gateway"), config.data_dir.join("gateway"));
        gateway_config.addresses = chain.addresses();
        gateway_config.listen = config.listen;
        gateway_config.worker_listen = config.worker_listen;
        gateway_config.limits.answer_timeout = gateway_config.limits.answer_timeout.max(config.patience);
        let engine_models = match &config.engine {
            Some(beside) => development::records(&operator, &beside.base, &beside.adapters).await?,
            None => Vec::new(),
        };
        gateway_config.settlement.interval = config.settle_every;
        gateway_config.settlement.minimum_payout = config.minimum_payout;
        if config.settle_every.is_none() {
            gateway_config.settlement.keeper_interval = None;
        }
        let gateway = Gateway::start(gateway_config).await.wrap_err("starting the gateway")?;

        let class = config.engine.as_ref().map_or(EngineClass::Exact, |beside| beside.class);
        register_worker(&chain, class).await?;
        let gateway = Arc::new(gateway);
        let folder = config.data_dir.join("worker");
        let mut models: Served = BTreeMap::from([(model.id, Arc::new(QuoteModel) as Arc<dyn AnswerModel>)]);
        let (mut own, mut following) = (None, None);
        if let Some(beside) = config.engine {
            models.extend(engine_models.iter().map(|record| record.id).zip(beside.external));
            if let Some(engine) = beside.own {
                own = Some(engine.clone());
                let (operator, own) = (operator.clone(), Own { engine, base: beside.base, adapters: beside.adapters });
                following = Some(tokio::spawn(async move { own::follow(&operator, &own, true).await }));
            }
        }
        let serving = tokio::spawn(serve_models(Arc::clone(&gateway), chain.clone(), folder, models, own));
        Ok(Self { chain, gateway, operator, model, engine_models, own_chain, serving, following })
    }

    /// Waits until the worker answers from the latest version of every datanet.
    pub(crate) async fn adopted(&self) -> Result<()> {
        let versions = self.operator.versions().await?;
        self.gateway.adopted(&versions).await;
        Ok(())
    }

    /// Waits until the chain in this process has ended by itself, and says why.
    pub(crate) async fn chain_failed(&self) -> String {
        match &self.own_chain {
            Some(chain) => chain.failed().await,
            None => std::future::pending().await,
        }
    }

    pub(crate) async fn shutdown(self) -> Result<()> {
        for task in [Some(self.serving), self.following].into_iter().flatten() {
            task.abort();
            let _ = task.await;
        }
        let gateway = Arc::into_inner(self.gateway).expect("whoever served models has ended");
        gateway.shutdown().await;
        match self.own_chain {
            Some(chain) => chain.shutdown().await.wrap_err("stopping the chain"),
            None => Ok(()),
        }
    }
}

/// The chain in this process.
async fn start_chain(config: &EmbeddedConfig) -> Result<ChainHandle> {
    let parameters = kept_parameters(config)?;
    let genesis = genesis(config, &parameters).await?;
    let mut chain = ChainConfig {
        rpc: config.rpc_listen,
        heartbeat: config.heartbeat,
        set_contract: Some(SetContract {
            address: Addresses::predeployed().validators,
            // At most the contract's own, so that every elected set is adopted before the next one is elected.
            epoch_blocks: parameters.validators.epoch_blocks,
        }),
        ..ChainConfig::development(config.data_dir.join("chain"), genesis)
    };
    chain.rpc_limits.allowed_origins.clone_from(&config.allowed_origins);
    Chain::start(chain).await.wrap_err("starting the chain")
}

/// What a worker answers with.
type Served = BTreeMap<ModelId, Arc<dyn AnswerModel>>;

/// A worker for the first models at once, and one for every quote model that is registered later. All under the one
/// development key, each with texts of its own.
async fn serve_models(
    gateway: Arc<GatewayHandle>,
    chain: ChainAt,
    folder: PathBuf,
    first: Served,
    mut own: Option<LocalBase>,
) {
    let mut workers = JoinSet::new();
    let mut serving = BTreeSet::new();
    let mut wanted = vec![(folder.clone(), first)];
    loop {
        for (folder, models) in wanted.drain(..) {
            let model = models.keys().copied().collect::<Vec<_>>();
            // The first of them is the one with the engine.
            match worker(&chain, folder, models, own.take()).await {
                Ok(worker) => {
                    serving.extend(model.iter().copied());
                    let (ours, theirs) = tokio::io::duplex(1 << 20);
                    gateway.attach_worker(ours);
                    workers.spawn(async move {
                        if let Err(error) = worker.serve(theirs).await {
                            tracing::warn!(%error, ?model, "a worker's connection ended");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, ?model, "no worker for this model"),
            }
        }
        tokio::time::sleep(MODELS_EVERY).await;
        match quote_models(&chain).await {
            Ok(models) => {
                let new = models.into_iter().filter(|model| !serving.contains(model));
                wanted.extend(new.map(|model| {
                    let quote = Arc::new(QuoteModel) as Arc<dyn AnswerModel>;
                    (folder.with_extension(model.to_string()), BTreeMap::from([(model, quote)]))
                }));
            }
            Err(error) => tracing::warn!(%error, "new models could not be looked for"),
        }
    }
}

async fn worker(chain: &ChainAt, folder: PathBuf, models: Served, own: Option<LocalBase>) -> Result<Worker> {
    let chain = chain.client(None).await?;
    let mut config = WorkerConfig::new(folder, *chain.network(), keys::development("worker"), models);
    config.engine = own;
    config.slots = SLOTS;
    config.commons = commons(&chain).await?;
    config.jurisdiction = Some(JURISDICTION);
    Worker::open(config, Arc::new(chain)).wrap_err("opening the worker")
}

/// The datanet of the commons. Genesis makes it; elsewhere there is one once a vote has made it.
pub(crate) async fn commons(chain: &Client) -> Result<Option<DatanetId>> {
    let commons = chain.datanets().await?.into_iter().find(|datanet| datanet.name == COMMONS_NAME);
    Ok(commons.filter(|datanet| datanet.curator == chain.addresses().timelock).map(|datanet| datanet.id))
}

/// Quote models that may answer now.
async fn quote_models(chain: &ChainAt) -> Result<Vec<ModelId>> {
    const QUOTE: u8 = 0;
    let client = chain.client(None).await?;
    let contract = client.models_contract();
    let mut models = Vec::new();
    for id in 1..=contract.modelCount().call().await? {
        if contract.model(id).call().await?.kind == QUOTE && contract.servable(id).call().await?.ok {
            models.push(ModelId(id));
        }
    }
    Ok(models)
}

/// Where the development worker declares to stand; the shipped datanets allow it.
const JURISDICTION: [u8; 2] = *b"BR";

/// Jobs that the development worker takes at once.
const SLOTS: u32 = 8;

/// Registers the development worker for a class of answers, if it is not: gateways give work to registered workers only.
async fn register_worker(chain: &ChainAt, class: EngineClass) -> Result<()> {
    let client = chain.client(Some(keys::development("worker"))).await?;
    let contract = client.workers_contract();
    let address = client.sender().unwrap_or_default();
    let known = contract.worker(address).call().await?;
    if known.status == 1 && known.info.engine == class as u8 {
        return Ok(());
    }
    let info = Info {
        slots: SLOTS,
        engine: class as u8,
        accelerator: 0,
        memoryMib: 0,
        acceleratorMib: 0,
        jurisdiction: FixedBytes(JURISDICTION),
        networkKey: B256::ZERO,
        hardware: "embedded".into(),
        endpoint: String::new(),
    };
    let stake = U256::from(contract.stakePerSlot().call().await?) * U256::from(SLOTS);
    if known.status == 0 {
        client.send("registering the worker", contract.register(info).value(stake)).await?;
    } else {
        // It was told to serve something else than last time.
        client.send("updating the worker", contract.update(info)).await?;
    }
    Ok(())
}

/// The parameters that the network was started with, or these from now on.
fn kept_parameters(config: &EmbeddedConfig) -> Result<Parameters> {
    let path = config.data_dir.join("parameters.json");
    if let Ok(text) = std::fs::read(&path) {
        return serde_json::from_slice(&text).wrap_err_with(|| format!("reading {}", path.display()));
    }
    std::fs::create_dir_all(&config.data_dir).wrap_err_with(|| format!("creating {}", config.data_dir.display()))?;
    let text = serde_json::to_string_pretty(&config.parameters)?;
    std::fs::write(&path, text).wrap_err_with(|| format!("writing {}", path.display()))?;
    Ok(config.parameters.clone())
}

/// The development genesis: funded development keys, the contracts, and the commons before everyone.
async fn genesis(config: &EmbeddedConfig, parameters: &Parameters) -> Result<Genesis> {
    let folder = config.data_dir.join("commons");
    let commons = tokio::task::spawn_blocking(move || {
        let store = fonte_corpus::Store::open(&folder)?;
        fonte_corpus::commons::licences(&store)
    })
    .await
    .wrap_err("building the commons")?
    .wrap_err("building the commons")?;
    let commons = Commons { root: commons.root(), documents: commons.documents(), text_bytes: commons.text_bytes() };
    let fund = |address: Address, fnt: u64| GenesisAccount {
        address,
        balance: U256::from(fnt) * U256::from(FNT),
        ..GenesisAccount::default()
    };
    let at = Addresses::predeployed();
    let commons_coins = [fund(at.timelock, 10_000), fund(at.allowance, FREE_FUND)];
    let people = keys::DEVELOPMENT.iter().map(|name| fund(keys::development(name).address(), 100_000));
    Ok(Genesis {
        chain_id: parameters.chain_id,
        timestamp: 1_767_225_600, // 2026-01-01
        gas_limit: 60_000_000,
        base_fee: 1_000_000_000,
        alloc: people.chain(commons_coins).collect(),
        predeploys: predeploys(parameters)
            .into_iter()
            .map(|contract| Predeploy {
                name: contract.name.to_owned(),
                address: contract.address,
                init_code: contract.init_code,
                value: contract.value,
            })
            .collect(),
        calls: commons_calls(&[commons])
            .into_iter()
            .chain([free_budget()])
            .map(|call| GenesisCall { from: call.from, to: call.to, data: call.data })
            .collect(),
    })
}

/// What the fund of the free allowance begins with, in FNT.
const FREE_FUND: u64 = 1_000;

/// A budget of the free allowance for the development gateway, as a vote would give it one: so questions without an API
/// key are answered from the start.
fn free_budget() -> Call {
    let at = Addresses::predeployed();
    let gateway = keys::development("gateway").address();
    let budget = Allowance::setBudgetCall {
        gateway,
        // The gateway names its own as soon as it runs.
        sessionKey: gateway,
        perPeriod: 10 * FNT,
        period: 24 * 3_600,
    };
    Call { from: at.timelock, to: at.allowance, data: budget.abi_encode().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract's first set is the node of `fonte up`: nobody else could vote, and it could not vote for anybody else.
    #[test]
    fn the_first_seat_is_the_development_validator() {
        let parameters = Parameters::development(DEVELOPMENT_CHAIN);
        let [seat] = &parameters.validators.seats[..] else { panic!("one seat") };
        let keys = fonte_chain::ValidatorKeys::development(0).public().unwrap();
        assert_eq!((seat.consensus_key.as_ref(), seat.network_key.0), (&keys.vote[..], keys.network));
        assert_eq!(seat.operator, keys::development("operator").address());
    }
}

//! A whole network in one process: a validator, a gateway and a worker, wired as they would be apart.
//!
//! Start order: genesis (contracts and commons), chain, model, gateway, worker. The gateway and the worker speak the
//! wire over an in-memory pair; both read the chain over JSON-RPC like anybody else.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use alloy_primitives::{Address, U256, keccak256};
use eyre::{Result, WrapErr};
use fonte_bindings::{
    Client, ModelRecord,
    contracts::{models::IModels, workers::IWorkers},
    genesis::{Commons, Parameters, commons_calls, predeploys},
};
use fonte_chain::{Chain, ChainConfig, ChainHandle};
use fonte_evm::{Genesis, GenesisAccount, GenesisCall, Predeploy};
use fonte_gateway::{Gateway, GatewayConfig, GatewayHandle};
use fonte_worker::{Config as WorkerConfig, Worker};

use crate::keys;

/// One FNT in wei.
pub(crate) const FNT: u128 = 1_000_000_000_000_000_000;

/// Public name of the quote model.
pub(crate) const QUOTE_MODEL: &str = "fonte-quote";

/// What an embedded network is told.
pub(crate) struct EmbeddedConfig {
    pub(crate) data_dir: PathBuf,
    pub(crate) chain_id: u64,
    pub(crate) listen: SocketAddr,
    pub(crate) rpc_listen: SocketAddr,
    /// An idle chain makes a block this often, so that challenge windows pass.
    pub(crate) heartbeat: Duration,
    /// Seconds of the challenge window, besides its three blocks.
    pub(crate) window_seconds: u64,
    /// A batch is sent this long after its first row; none: only when asked to.
    pub(crate) settle_every: Option<Duration>,
}

impl EmbeddedConfig {
    /// On loopback with free ports, for a run that settles when it says so.
    pub(crate) fn demo(data_dir: PathBuf) -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            data_dir,
            chain_id: DEVELOPMENT_CHAIN,
            listen: free,
            rpc_listen: free,
            heartbeat: Duration::from_secs(1),
            window_seconds: 0,
            settle_every: None,
        }
    }
}

/// Chain id of development networks.
pub(crate) const DEVELOPMENT_CHAIN: u64 = 36683;

/// A running network; [`Embedded::shutdown`] stops it in reverse order.
pub(crate) struct Embedded {
    pub(crate) chain: ChainHandle,
    pub(crate) gateway: GatewayHandle,
    /// Sends as the operator: curator of the demo's datanets and owner of the model.
    pub(crate) operator: Client,
    pub(crate) model: ModelRecord,
    serving: tokio::task::JoinHandle<()>,
}

impl Embedded {
    pub(crate) async fn start(config: EmbeddedConfig) -> Result<Self> {
        let genesis = genesis(&config).await?;
        let chain = Chain::start(ChainConfig {
            rpc: config.rpc_listen,
            heartbeat: config.heartbeat,
            ..ChainConfig::development(config.data_dir.join("chain"), genesis)
        })
        .await
        .wrap_err("starting the chain")?;
        let rpc_url = chain.rpc_url();
        let operator = Client::connect(&rpc_url, Some(keys::development("operator"))).await?;
        let model = quote_model(&operator).await?;

        let mut gateway_config =
            GatewayConfig::new(rpc_url.as_str(), keys::development("gateway"), config.data_dir.join("gateway"));
        gateway_config.listen = config.listen;
        gateway_config.settlement.interval = config.settle_every;
        if config.settle_every.is_none() {
            gateway_config.settlement.keeper_interval = None;
        }
        let gateway = Gateway::start(gateway_config).await.wrap_err("starting the gateway")?;

        let worker_chain = Client::connect(&rpc_url, Some(keys::development("worker"))).await?;
        let mut worker_config = WorkerConfig::quote(
            config.data_dir.join("worker"),
            *operator.network(),
            keys::development("worker"),
            model.id,
        );
        worker_config.jurisdiction = Some(JURISDICTION);
        register_worker(&worker_chain, worker_config.slots).await.wrap_err("registering the worker")?;
        let worker = Worker::open(worker_config, std::sync::Arc::new(worker_chain)).wrap_err("opening the worker")?;
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        gateway.attach_worker(ours);
        let serving = tokio::spawn(async move {
            if let Err(error) = worker.serve(theirs).await {
                tracing::warn!(%error, "the worker's connection ended");
            }
        });
        Ok(Self { chain, gateway, operator, model, serving })
    }

    /// Waits until the worker answers from the latest version of every datanet.
    pub(crate) async fn adopted(&self) -> Result<()> {
        let versions = self.operator.versions().await?;
        self.gateway.adopted(&versions).await;
        Ok(())
    }

    pub(crate) async fn shutdown(self) -> Result<()> {
        self.gateway.shutdown().await;
        self.serving.abort();
        let _ = self.serving.await;
        self.chain.shutdown().await.wrap_err("stopping the chain")
    }
}

/// The development genesis: funded development keys, the contracts, and the commons before everyone.
async fn genesis(config: &EmbeddedConfig) -> Result<Genesis> {
    let folder = config.data_dir.join("commons");
    let commons = tokio::task::spawn_blocking(move || {
        let store = fonte_corpus::Store::open(&folder)?;
        fonte_corpus::commons::licences(&store)
    })
    .await
    .wrap_err("building the commons")?
    .wrap_err("building the commons")?;
    let commons = Commons { root: commons.root(), documents: commons.documents(), text_bytes: commons.text_bytes() };
    let parameters = Parameters { window_seconds: config.window_seconds, ..Parameters::development(config.chain_id) };
    let fund = |address: Address, fnt: u64| GenesisAccount {
        address,
        balance: U256::from(fnt) * U256::from(FNT),
        ..GenesisAccount::default()
    };
    Ok(Genesis {
        chain_id: config.chain_id,
        timestamp: 1_767_225_600, // 2026-01-01
        gas_limit: 60_000_000,
        base_fee: 1_000_000_000,
        alloc: keys::DEVELOPMENT.iter().map(|name| fund(keys::development(name).address(), 100_000)).collect(),
        predeploys: predeploys(&parameters)
            .into_iter()
            .map(|contract| Predeploy {
                name: contract.name.to_owned(),
                address: contract.address,
                init_code: contract.init_code,
                value: U256::ZERO,
            })
            .collect(),
        calls: commons_calls(&parameters, &[commons])
            .into_iter()
            .map(|call| GenesisCall { from: call.from, to: call.to, data: call.data })
            .collect(),
    })
}

/// Where the development worker declares to stand; the shipped datanets allow it.
const JURISDICTION: [u8; 2] = *b"BR";

/// Registers the worker with the stake of its slots, unless it is registered: a gateway gives work to no other.
async fn register_worker(worker: &Client, slots: u32) -> Result<()> {
    let address = worker.sender().unwrap_or_default();
    if worker.worker(address).await?.is_some() {
        return Ok(());
    }
    let contract = worker.workers_contract();
    let stake = contract.stakePerSlot().call().await? * u128::from(slots);
    let info = IWorkers::Info {
        slots,
        engine: 0, // exact
        accelerator: 0,
        memoryMib: 0,
        acceleratorMib: 0,
        jurisdiction: JURISDICTION.into(),
        networkKey: Default::default(),
        hardware: String::new(),
        endpoint: String::new(),
    };
    worker.send("the worker's registration", contract.register(info).value(U256::from(stake))).await?;
    Ok(())
}

/// The quote model, registered if it is not there yet.
async fn quote_model(operator: &Client) -> Result<ModelRecord> {
    let find = async || -> Result<Option<ModelRecord>> {
        Ok(operator.models().await?.into_iter().find(|model| model.name == QUOTE_MODEL))
    };
    if let Some(model) = find().await? {
        return Ok(model);
    }
    let input = IModels::ModelInput {
        name: QUOTE_MODEL.into(),
        kind: 0, // Quote: no weights
        artifact: keccak256("fonte-quote 1"),
        adapter: Default::default(),
        terms: IModels::Terms {
            priceIn: FNT / 500,
            priceOut: FNT / 50,
            splits: IModels::Splits {
                protocolPpm: 50_000,
                workerPpm: 200_000,
                developerPpm: 100_000,
                dataPpm: 650_000,
                developer: operator.sender().unwrap_or_default(),
            },
            datanets: Vec::new(),
            maxStaleness: 64,
            spanPpm: 1_000_000,
            contextPpm: 0,
            influencePpm: 0,
        },
    };
    let contract = operator.models_contract();
    operator.send("registering the quote model", contract.register(input)).await?;
    find().await?.ok_or_else(|| eyre::eyre!("the quote model was registered and is not there"))
}

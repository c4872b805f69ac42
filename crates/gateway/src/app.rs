//! What all parts of a running gateway share, and how they are started and stopped.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256};
use fonte_types::{
    DatanetVersion, Network,
    bundle::{ReceiptBundle, SaltedText, Terms},
    wire::SignedAnswer,
};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    answer::unix_now,
    chain::{Chain, ChainError},
    checks,
    config::GatewayConfig,
    contributions::Hosted,
    duties::{self, Duties, Performed},
    error::{chain_of, presentable},
    free, http,
    keys::{ApiKey, KeyError, Keys, Operator},
    metrics::Metrics,
    settlement::{self, PushedBatch, SettledBatch, Settlement, SettlementError},
    store::{Store, StoreError},
    tabs::Tabs,
    workers::Workers,
};

/// A gateway did not start, or a call on its handle failed.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The texts.
    #[error(transparent)]
    Texts(#[from] fonte_corpus::store::StoreError),
    /// The data directory cannot be used.
    #[error("cannot use {}: choose another data directory or repair its permissions", path.display())]
    DataDir {
        /// Which part of it.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: choose another address or stop what listens there")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No API key was made.
    #[error("no API key was made: {0}")]
    Key(String),
    /// The gateway's key did not sign.
    #[error("the gateway's key did not sign")]
    Signer(#[from] alloy_signer::Error),
}

/// Shared by every task of one gateway.
pub(crate) struct App {
    pub(crate) config: GatewayConfig,
    pub(crate) chain: Chain,
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) operator: Operator,
    /// Signs for requests that the commons pay for.
    pub(crate) free_key: ApiKey,
    /// Who has used how much of the free allowance.
    pub(crate) clients: free::Clients,
    pub(crate) duties: Duties,
    pub(crate) tabs: Tabs,
    pub(crate) workers: Workers,
    pub(crate) hosted: Hosted,
    pub(crate) settlement: Settlement,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: http::Limiters,
    /// Answers in progress.
    pub(crate) slots: Arc<Semaphore>,
    /// Under which clients reach this gateway.
    pub(crate) url: String,
    starts: u32,
    requests: AtomicU32,
}

impl App {
    /// A number that no request of this gateway had before: starts in the upper half, requests in the lower.
    pub(crate) fn next_nonce(&self) -> u64 {
        u64::from(self.starts) << 32 | u64::from(self.requests.fetch_add(1, Ordering::Relaxed))
    }
}

/// Starts gateways.
#[derive(Debug)]
pub struct Gateway;

/// A running gateway. [`Self::shutdown`] ends it in order; dropping it aborts its tasks.
pub struct GatewayHandle {
    app: Arc<App>,
    address: SocketAddr,
    worker_address: Option<SocketAddr>,
    operator_key: String,
    stop: CancellationToken,
    server: axum_server::Handle<SocketAddr>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

/// An answer that the caller vouches for: nothing of it is checked. It is stored, countersigned and settled like any
/// other, and its submitter answers for it with the bond.
#[derive(Clone, Debug)]
pub struct UncheckedAnswer {
    /// The model's public name.
    pub model_name: String,
    /// The model's terms.
    pub terms: Terms,
    /// The prompt.
    pub prompt: SaltedText,
    /// The answer.
    pub answer: SaltedText,
    /// What the worker signed.
    pub signed: SignedAnswer,
}

impl Gateway {
    /// Connects to the chain, opens the data directory, goes on with what a crash interrupted, and serves.
    ///
    /// Boxed, not `async fn`: the body would otherwise be compiled anew, with the whole HTTP server, in every crate that
    /// awaits it.
    pub fn start(config: GatewayConfig) -> BoxFuture<'static, Result<GatewayHandle, GatewayError>> {
        Box::pin(Self::run(config))
    }

    async fn run(config: GatewayConfig) -> Result<GatewayHandle, GatewayError> {
        let folder = |name: &str| {
            let path = config.data_dir.join(name);
            std::fs::create_dir_all(&path)
                .and_then(|()| private(&config.data_dir))
                .map_err(|source| GatewayError::DataDir { path: path.clone(), source })?;
            Ok::<_, GatewayError>(path)
        };
        let store = Store::open(&folder("store")?)?;
        let texts = match &config.texts {
            Some(texts) => texts.clone(),
            None => Arc::new(fonte_corpus::Store::open(&folder("texts")?)?),
        };
        let hosted = Hosted::open(texts, config.data_dir.join("incoming"), &store)?;
        let chain =
            Chain::connect(&config.rpc_url, config.addresses, config.key.clone(), config.settlement.inclusion_timeout)
                .await?;
        let keys = Keys::load(&store, config.limits.keys, config.limits.keys_per_payer)?;
        let key_file = config.data_dir.join("operator.key");
        let (operator, operator_key) =
            Operator::open(&key_file).map_err(|source| GatewayError::DataDir { path: key_file.clone(), source })?;
        let allowance = chain.client.addresses().allowance;
        let free_key = keys.own(&store, free::key_name(), allowance, unix_now())?;
        let tabs = Tabs::default();
        for row in store.pending(usize::MAX)? {
            tabs.owe(row.payer, row.fee);
        }
        for batch in store.open_batches()?.iter().filter(|batch| batch.is_on_its_way()) {
            batch.rows().for_each(|row| tabs.owe(row.payer, row.fee));
        }
        let starts = store.count_start()?;
        let bind = |address| async move {
            let listener = TcpListener::bind(address).await;
            let listener = listener.map_err(|source| GatewayError::Listen { address, source })?;
            let bound = listener.local_addr().map_err(|source| GatewayError::Listen { address, source })?;
            Ok::<_, GatewayError>((listener, bound))
        };
        let (listener, address) = bind(config.listen).await?;
        let for_workers = match config.worker_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let worker_address = for_workers.as_ref().map(|(_, address)| *address);
        let url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let app = Arc::new(App {
            workers: Workers::new(*chain.network(), chain.gateway(), config.limits.workers, config.workers.clone()),
            limits: http::Limiters::new(&config.limits),
            slots: Arc::new(Semaphore::new(config.limits.answers)),
            settlement: Settlement::new(),
            metrics: Arc::default(),
            requests: AtomicU32::new(0),
            config,
            chain,
            store,
            keys,
            operator,
            free_key,
            clients: free::Clients::default(),
            duties: Duties::new(),
            tabs,
            hosted,
            url: url.trim_end_matches('/').to_owned(),
            starts,
        });
        let stop = CancellationToken::new();
        let server = axum_server::Handle::new();
        let tasks = Arc::new(Mutex::new(JoinSet::new()));
        {
            let mut tasks = tasks.lock();
            tasks.spawn(http::serve_gateway(app.clone(), listener, server.clone()));
            tasks.spawn(settlement::run_settler(app.clone(), stop.clone()));
            tasks.spawn(settlement::run_keeper(app.clone(), stop.clone()));
        }
        let handle = GatewayHandle { app, address, worker_address, operator_key, stop, server, tasks };
        if let Some((listener, _)) = for_workers {
            handle.accept_workers(listener);
        }
        tracing::info!(%address, gateway = %handle.gateway(), "gateway serves");
        Ok(handle)
    }
}

impl GatewayHandle {
    /// Where HTTP listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL under which clients reach it, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.app.url
    }

    /// The gateway's account.
    pub fn gateway(&self) -> Address {
        self.app.chain.gateway()
    }

    /// The network it serves.
    pub fn network(&self) -> &Network {
        self.app.chain.network()
    }

    /// Where workers dial in, if they may.
    pub fn worker_addr(&self) -> Option<SocketAddr> {
        self.worker_address
    }

    /// The key with which its operator orders adapters to be loaded and unloaded; kept in `operator.key` of the data
    /// directory.
    pub fn operator_key(&self) -> &str {
        &self.operator_key
    }

    /// The texts that it hosts.
    pub fn texts(&self) -> &Arc<fonte_corpus::Store> {
        &self.app.hosted.texts
    }

    /// Serves a worker at the other end of a stream, such as one half of [`tokio::io::duplex`].
    pub fn attach_worker<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let task = serve_worker(self.app.clone(), stream, self.stop.clone());
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    fn accept_workers(&self, listener: TcpListener) {
        let (app, stop) = (self.app.clone(), self.stop.clone());
        self.tasks.lock().spawn(async move {
            let mut connections = JoinSet::new();
            // Of one client half of all there may be.
            let most = app.config.limits.workers.max(1);
            let clients = http::connections::Clients::new(most);
            loop {
                // Twice as many as may be registered: the rest is told so after its greeting.
                let full = connections.len() >= most.saturating_mul(2);
                tokio::select! {
                    accepted = listener.accept(), if !full => match accepted {
                        Ok((stream, from)) => match clients.enter(from) {
                            Ok(place) => {
                                let serving = serve_worker(app.clone(), stream, stop.clone());
                                connections.spawn(async move {
                                    let _place = place;
                                    serving.await;
                                });
                            }
                            Err(error) => tracing::debug!(%from, %error, "a worker's connection is not taken"),
                        },
                        Err(error) => {
                            tracing::warn!(%error, "a worker's connection could not be accepted");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    },
                    Some(_) = connections.join_next() => {}
                    () = stop.cancelled() => break,
                }
            }
            while connections.join_next().await.is_some() {}
        });
    }

    /// Waits until a worker has adopted all of these versions or later ones.
    pub async fn adopted(&self, versions: &[DatanetVersion]) {
        self.adopted_by(1, versions).await;
    }

    /// Waits until this many workers have adopted all of these versions or later ones.
    pub async fn adopted_by(&self, workers: usize, versions: &[DatanetVersion]) {
        self.app.workers.adopted(versions, workers).await;
    }

    /// Connected workers.
    pub fn workers(&self) -> usize {
        self.app.workers.count()
    }

    /// Makes an API key for a payer: the token, shown this once, and the session key that the payer must give a limit.
    pub fn create_api_key(&self, payer: Address) -> Result<(String, Address), GatewayError> {
        let made = self.app.keys.create(&self.app.store, payer, unix_now());
        match made {
            Ok((token, key)) => Ok((token, key.session.address())),
            Err(KeyError::Store(error)) => Err(error.into()),
            Err(other) => Err(GatewayError::Key(other.to_string())),
        }
    }

    /// Settles every receipt that waits; returns the batches that were accepted.
    pub async fn flush_settlement(&self) -> Result<Vec<SettledBatch>, SettlementError> {
        settlement::flush(&self.app).await
    }

    /// Shows what is demanded on chain of this gateway's batches, now; the keeper does it by itself.
    ///
    /// # Errors
    /// As [`Self::flush_settlement`].
    pub async fn answer_demands(&self) -> Result<usize, SettlementError> {
        settlement::answer_demands(&self.app).await
    }

    /// Does what is due for the protocol and anybody may do, now; the keeper does it by itself.
    ///
    /// # Errors
    /// The first of what could not be done; the rest is done all the same.
    pub async fn perform_duties(&self) -> Result<Vec<Performed>, ChainError> {
        duties::perform(&self.app).await
    }

    /// Pays out every batch whose window is over.
    pub async fn push_due(&self) -> Result<Vec<PushedBatch>, SettlementError> {
        settlement::push_due(&self.app).await
    }

    /// Pays out as windows close, until no settled batch is unpaid; returns what was paid out.
    pub async fn push_all(&self) -> Result<Vec<PushedBatch>, SettlementError> {
        let mut pushed = Vec::new();
        loop {
            pushed.extend(self.push_due().await?);
            let open = self.app.store.open_batches()?;
            if !open.iter().any(|batch| !batch.is_on_its_way()) {
                return Ok(pushed);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A stored receipt with its evidence.
    pub fn receipt(&self, id: B256) -> Result<Option<ReceiptBundle>, StoreError> {
        self.app.store.receipt(id)
    }

    /// The next request number of this gateway, for a receipt that is made outside of it.
    pub fn next_nonce(&self) -> u64 {
        self.app.next_nonce()
    }

    /// Countersigns an answer unseen, stores it and puts its row into the next batch. Whoever calls this answers for
    /// the receipt with the gateway's bond: answers that came over the wire are checked instead.
    pub fn countersign_and_store(&self, unchecked: UncheckedAnswer) -> Result<ReceiptBundle, GatewayError> {
        let UncheckedAnswer { model_name, terms, prompt, answer, signed } = unchecked;
        let bundle = checks::countersign(
            &self.app.config.key,
            self.network(),
            &model_name,
            terms,
            checks::Streamed { prompt, text: answer, log_probs: None },
            signed,
            unix_now(),
        )?;
        let row = self.app.store.put_receipt(&bundle)?;
        self.app.tabs.owe(row.payer, row.fee);
        self.app.settlement.row_added();
        Ok(bundle)
    }

    /// Ends connections and tasks; what is journaled is settled after the next start.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.server.graceful_shutdown(Some(Duration::from_secs(2)));
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        while tasks.join_next().await.is_some() {}
    }
}

impl Drop for GatewayHandle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.server.shutdown();
    }
}

async fn serve_worker<S>(app: Arc<App>, stream: S, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    tokio::select! {
        ended = app.workers.serve(stream, app.clone()) => {
            if let Err(error) = ended {
                // The error may quote what the worker sent.
                tracing::warn!(error = presentable(&chain_of(&error)), "a worker's connection ended");
            }
        }
        () = stop.cancelled() => {}
    }
}

/// Session keys lie in there: nobody else may read it.
fn private(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

//! The long-lived worker: configuration, what all connections share, and the wiring of one connection.

mod connection;
mod fetch;
mod follow;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use fonte_inference::model::ContentHash;
use fonte_types::{
    ContributionId, DatanetId, DatanetVersion, ModelId, Network,
    wire::{FrameError, MAX_MODELS},
};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::{
    adoption::{Snapshot, View},
    ledger::Ledger,
    library::{Acquired, Library, LibraryError},
    local::LocalBase,
    model::{AnswerModel, QuoteModel},
};

/// Seconds since 1970, as the caller tells them.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How a worker is set up.
#[derive(Clone)]
pub struct Config {
    /// Folder of texts and indexes; one process uses it.
    pub data_dir: PathBuf,
    /// The network that receipts are bound to.
    pub network: Network,
    /// The worker's key: it signs receipts and can spend nothing of a payer's.
    pub signer: PrivateKeySigner,
    /// What answers, by the number under which it is registered; beside what `engine` serves.
    pub models: BTreeMap<ModelId, Arc<dyn AnswerModel>>,
    /// This worker's own engine, if it has one. Its base and the adapters in its folder are served under the first record on
    /// chain that names their hashes, as they come and go; gateways are told of that, and of what it holds and does.
    pub engine: Option<LocalBase>,
    /// Jobs taken at once.
    pub slots: u32,
    /// The datanet of the commons: named in every receipt, so that boilerplate is nobody's.
    pub commons: Option<DatanetId>,
    /// ISO 3166-1 alpha-2 code of where this worker stands, as it registered; texts whose terms do not allow it are not
    /// answered from. None: it declares nothing, and texts whose terms ask for a place are not answered from.
    pub jurisdiction: Option<[u8; 2]>,
    /// How often the chain is asked for a new block.
    pub poll: Duration,
    /// How often the engine's folder of adapters is looked into. What was written to since then waits for the next look.
    pub look: Duration,
    /// How long to wait before asking a gateway again for a contribution that it did not have.
    pub retry: Duration,
    /// What time it is.
    pub clock: Clock,
}

impl Config {
    /// The quote model under one number, with defaults.
    pub fn quote(data_dir: PathBuf, network: Network, signer: PrivateKeySigner, model: ModelId) -> Self {
        Self::new(data_dir, network, signer, BTreeMap::from([(model, Arc::new(QuoteModel) as Arc<dyn AnswerModel>)]))
    }

    /// Models by their numbers, with defaults: two slots, the chain asked four times a second, the
    /// folder of adapters looked into every two seconds, the system's clock, and the commons where genesis puts them.
    pub fn new(
        data_dir: PathBuf,
        network: Network,
        signer: PrivateKeySigner,
        models: BTreeMap<ModelId, Arc<dyn AnswerModel>>,
    ) -> Self {
        Self {
            data_dir,
            network,
            signer,
            models,
            engine: None,
            slots: 2,
            commons: Some(DatanetId(1)),
            jurisdiction: None,
            poll: Duration::from_millis(250),
            look: Duration::from_secs(2),
            retry: Duration::from_secs(2),
            clock: Arc::new(|| {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                now.map_or(0, |elapsed| elapsed.as_secs())
            }),
        }
    }
}

/// A worker: cheap to clone, all clones are the same one.
#[derive(Clone)]
pub struct Worker {
    shared: Arc<Shared>,
}

/// What answers, by the number under which it is registered.
pub(crate) type Models = BTreeMap<ModelId, Arc<dyn AnswerModel>>;

/// What all connections of a worker share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) library: Library,
    pub(crate) slots: Arc<Semaphore>,
    ledger: Arc<dyn Ledger>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    /// Follows from the chain's records and the engine's folder. Its lock is held while it is made anew: the chain and the
    /// folder may change at the same time.
    models: watch::Sender<Arc<Models>>,
    making: Mutex<()>,
    indexed: Mutex<BTreeSet<ContributionId>>,
    /// Held while a batch is indexed: two gateways may deliver the same contribution.
    indexing: Mutex<()>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The stream failed.
    #[error("the connection to the gateway failed")]
    Io(#[from] std::io::Error),
    /// A frame could not be read.
    #[error("the gateway sent a frame that cannot be read")]
    Frame(#[from] FrameError),
    /// The gateway said something out of place.
    #[error("the gateway broke the protocol: {0}")]
    Protocol(&'static str),
    /// The gateway did not greet in time.
    #[error("the gateway sent no greeting within {0:?}")]
    NoGreeting(Duration),
    /// The gateway speaks another version.
    #[error("the gateway speaks protocol {theirs}, this worker {ours}: use matching releases")]
    OtherProtocol {
        /// Its version.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The worker's key did not sign.
    #[error("the worker's key did not sign")]
    Signer,
    /// The gateway is on another network.
    #[error("the gateway follows network {theirs:?}, this worker {ours:?}: point both at the same chain")]
    OtherNetwork {
        /// Its network.
        theirs: Box<Network>,
        /// Ours.
        ours: Box<Network>,
    },
}

impl Worker {
    /// Opens the worker's folder. Nothing is fetched and nothing is answered until [`Self::serve`].
    ///
    /// # Errors
    /// [`LibraryError`] if the folder cannot be used, is damaged, or is open in another process.
    pub fn open(config: Config, ledger: Arc<dyn Ledger>) -> Result<Self, LibraryError> {
        let library = Library::open(&config.data_dir)?;
        let shared = Shared {
            library,
            slots: Arc::new(Semaphore::new(config.slots as usize)),
            models: watch::Sender::new(Arc::new(config.models.clone())),
            making: Mutex::default(),
            config,
            ledger,
            snapshot: watch::Sender::default(),
            indexed: Mutex::default(),
            indexing: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The worker's address: it stands in every receipt.
    pub fn address(&self) -> Address {
        self.shared.config.signer.address()
    }

    /// The versions it answers from now, ascending.
    pub fn adopted(&self) -> Vec<DatanetVersion> {
        self.shared.snapshot().versions()
    }

    /// Serves one gateway until it closes the connection. Several gateways may be served at once, by several calls.
    ///
    /// # Errors
    /// [`ServeError`] if the connection failed or the gateway broke the protocol; its jobs are forgotten then. The
    /// worker itself stays usable.
    pub async fn serve<S>(&self, stream: S) -> Result<(), ServeError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        connection::serve(self.shared.clone(), stream).await
    }
}

impl Shared {
    /// What jobs are answered by from now on.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    fn subscribe_models(&self) -> watch::Receiver<Arc<Models>> {
        self.models.subscribe()
    }

    /// What answers now. Answers that began keep what they began with.
    pub(crate) fn models(&self) -> Arc<Models> {
        self.models.borrow().clone()
    }

    /// Looks into the engine's folder of adapters, and serves what is there then. Blocks.
    fn look(&self, quiet: Duration) {
        let Some(engine) = &self.config.engine else { return };
        match engine.look(quiet) {
            Ok(found) => {
                found.added.iter().for_each(|adapter| tracing::info!(name = adapter.name, "an adapter came"));
                found.gone.iter().for_each(|adapter| tracing::info!(name = adapter.name, "an adapter went"));
                for refused in &found.refused {
                    let (name, error) = (&refused.name, &refused.error as &dyn std::error::Error);
                    tracing::error!(name, error, "an adapter is not served");
                }
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "adapters cannot be looked for"),
        }
        let _one_at_a_time = self.making.lock();
        let snapshot = self.snapshot();
        self.make_models(&snapshot.view);
    }

    /// Makes the models anew from what the chain says.
    fn make_models(&self, view: &View) {
        let Some(engine) = &self.config.engine else { return };
        let adapters = engine.adapters().borrow().clone();
        let adapters: BTreeSet<ContentHash> = adapters.iter().map(|adapter| adapter.hash).collect();
        let mut models = self.config.models.clone();
        let (mut named, mut left_out) = (BTreeSet::new(), 0_usize);
        for record in view.models.values().filter(|record| record.artifact == engine.hash()) {
            let hash = ContentHash(record.adapter.0);
            let model = match record.is_adapter() {
                false => engine.base(),
                true if adapters.contains(&hash) => engine.adapter(hash),
                true => continue,
            };
            // Of several records the first, which is the one that was there when others copied it.
            if !named.insert(hash) || models.contains_key(&record.id) {
                continue;
            }
            if models.len() < MAX_MODELS {
                models.insert(record.id, Arc::new(model));
            } else {
                left_out += 1;
            }
        }
        let changed = self.models.send_if_modified(|known| {
            let changed = !known.keys().eq(models.keys());
            *known = Arc::new(models);
            changed
        });
        if changed && left_out > 0 {
            tracing::error!(left_out, "a worker serves {MAX_MODELS} models at most: use several for the rest");
        }
    }

    /// Takes a newer view of the chain.
    fn learn(&self, view: View) {
        let _one_at_a_time = self.making.lock();
        // Before the versions: what a gateway hears of as adopted can be asked of what it heard to be served.
        if view.block >= self.snapshot().view.block {
            self.make_models(&view);
        }
        let indexed = self.indexed.lock();
        self.snapshot.send_if_modified(|snapshot| {
            // Two connections may read the chain at different blocks.
            if view.block < snapshot.view.block {
                return false;
            }
            let adopted = view.adoptable(&indexed);
            *snapshot = Arc::new(Snapshot { view: Arc::new(view), adopted });
            true
        });
    }

    /// Indexes contributions whose texts are here, and adopts what that completes. Blocks.
    fn index(&self, batch: &[Acquired]) -> Result<(), LibraryError> {
        {
            let _one_at_a_time = self.indexing.lock();
            self.library.index(batch)?;
        }
        self.mark_indexed(batch.iter().map(|acquired| acquired.record.id));
        Ok(())
    }

    fn mark_indexed(&self, ids: impl IntoIterator<Item = ContributionId>) {
        let mut indexed = self.indexed.lock();
        indexed.extend(ids);
        self.snapshot.send_if_modified(|snapshot| {
            let adopted = snapshot.view.adoptable(&indexed);
            let changed = adopted != snapshot.adopted;
            if changed {
                *snapshot = Arc::new(Snapshot { view: snapshot.view.clone(), adopted });
            }
            changed
        });
    }

    fn is_indexed(&self, id: ContributionId) -> bool {
        self.indexed.lock().contains(&id)
    }
}

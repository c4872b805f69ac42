//! Starting and stopping a chain.

use std::{net::SocketAddr, path::PathBuf};

use alloy_primitives::{B256, TxHash};
use futures::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, watch};

use crate::{
    block::Block,
    config::ChainConfig,
    consensus,
    error::ChainError,
    ledger::{Head, Ledger},
    rpc::{self, RpcServer},
    store::{DirectoryLock, Store},
};

/// Transactions waiting to be passed on to peers.
const GOSSIP_QUEUE: usize = 4_096;

/// The entry point: see [`Chain::start`].
#[derive(Debug)]
pub struct Chain;

impl Chain {
    /// Opens the data directory, joins consensus and serves JSON-RPC.
    ///
    /// Returns once all of that runs. Consensus and RPC have threads of their own, so that the caller
    /// may use any tokio runtime; several chains may run in one process, each in its own directory.
    ///
    /// Boxed, not `async fn`: the body would otherwise be compiled anew, with all of consensus, in every crate that awaits
    /// it.
    pub fn start(config: ChainConfig) -> BoxFuture<'static, Result<ChainHandle, ChainError>> {
        Box::pin(Self::run(config))
    }

    async fn run(config: ChainConfig) -> Result<ChainHandle, ChainError> {
        let validators = config.checked_validators()?;
        let (gossip_tx, gossip_rx) = mpsc::channel(GOSSIP_QUEUE);
        let opening = {
            let config = config.clone();
            tokio::task::spawn_blocking(move || open(&config, gossip_tx))
        };
        let (lock, ledger, genesis, journals) = opening.await.map_err(|panic| ChainError::Consensus {
            reason: format!("opening the data directory panicked: {panic}"),
        })??;
        let genesis_hash = genesis.hash();
        let (votes_id, epochs) = ledger.voting(&config, genesis_hash)?;
        let ended = ledger.ended().clone();
        let mut rpc_config = config.rpc_limits.clone();
        rpc_config.peers = validators.len() - 1;
        let rpc = rpc::start(config.rpc, rpc_config, ledger.clone()).await?;
        let settings = consensus::Settings {
            directory: journals,
            network_id: genesis_hash,
            votes_id,
            keys: config.keys.clone(),
            tip: ledger.head().block.number(),
            epochs,
            listen: config.listen,
            heartbeat: config.heartbeat,
            genesis,
        };
        let consensus = consensus::start(settings, ledger.clone(), gossip_rx, ended.clone()).await;
        let rpc_addr = rpc.address();
        let mut handle = ChainHandle {
            rpc_addr,
            genesis_hash,
            chain_id: config.genesis.chain_id,
            ledger,
            ended,
            parts: Some(Parts { rpc, consensus: None, _lock: lock }),
        };
        match consensus {
            Ok(running) => {
                if let Some(parts) = &mut handle.parts {
                    parts.consensus = Some(running);
                }
                Ok(handle)
            }
            Err(error) => {
                handle.stop().await?;
                Err(error)
            }
        }
    }
}

fn open(
    config: &ChainConfig,
    gossip: mpsc::Sender<alloy_primitives::Bytes>,
) -> Result<(DirectoryLock, Ledger, Block, PathBuf), ChainError> {
    let lock = DirectoryLock::acquire(&config.data_dir)?;
    let store = Store::open(&config.data_dir)?;
    let (ledger, genesis) = Ledger::open(config, store, gossip)?;
    let journals = ledger.store().bind_consensus()?;
    Ok((lock, ledger, genesis, journals))
}

/// A running chain. Dropping it stops it, without waiting; [`Self::shutdown`] waits.
pub struct ChainHandle {
    rpc_addr: SocketAddr,
    genesis_hash: B256,
    chain_id: u64,
    ledger: Ledger,
    ended: watch::Sender<Option<String>>,
    parts: Option<Parts>,
}

struct Parts {
    rpc: RpcServer,
    consensus: Option<consensus::Running>,
    /// Released last, when nothing writes any more.
    _lock: DirectoryLock,
}

impl ChainHandle {
    /// Where JSON-RPC listens, with the real port.
    #[must_use]
    pub const fn rpc_addr(&self) -> SocketAddr {
        self.rpc_addr
    }

    /// The HTTP URL of JSON-RPC.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.rpc_addr)
    }

    /// The WebSocket URL of JSON-RPC.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.rpc_addr)
    }

    /// The chain id.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The last finalized block.
    #[must_use]
    pub fn latest(&self) -> FinalizedBlock {
        FinalizedBlock::of(&self.ledger.head())
    }

    /// Blocks that become final from now on.
    #[must_use]
    pub fn subscribe(&self) -> FinalizedBlocks {
        FinalizedBlocks { receiver: self.ledger.subscribe(), ended: self.ended.subscribe() }
    }

    /// Waits until the chain has ended by itself, and says why. Never returns while all is well.
    pub async fn failed(&self) -> String {
        let mut ended = self.ended.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Stops RPC and consensus and waits for both. Everything finalized is on disk already.
    pub async fn shutdown(mut self) -> Result<(), ChainError> {
        self.stop().await
    }

    async fn stop(&mut self) -> Result<(), ChainError> {
        let Some(parts) = self.parts.take() else {
            return Ok(());
        };
        let joined = tokio::task::spawn_blocking(move || parts.join()).await;
        joined.unwrap_or_else(|panic| Err(ChainError::Consensus { reason: format!("stopping panicked: {panic}") }))
    }
}

impl Drop for ChainHandle {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            parts.rpc.signal();
            if let Some(consensus) = &mut parts.consensus {
                consensus.signal();
            }
            // The lock must outlive the writers, and a destructor must not block an async caller.
            let join = std::thread::Builder::new().name("fonte-chain-stop".into()).spawn(move || parts.join());
            if join.is_err() {
                tracing::error!("no thread to wait for the chain's end; its directory is unlocked early");
            }
        }
    }
}

impl Parts {
    fn join(self) -> Result<(), ChainError> {
        self.rpc.join();
        self.consensus.map_or(Ok(()), consensus::Running::join)
    }
}

impl std::fmt::Debug for ChainHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainHandle")
            .field("rpc_addr", &self.rpc_addr)
            .field("genesis_hash", &self.genesis_hash)
            .finish_non_exhaustive()
    }
}

/// A block that will never be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalizedBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The root of the state after it.
    pub state_root: B256,
    /// Seconds since the epoch.
    pub timestamp: u64,
    /// Its transactions, in order.
    pub transactions: Vec<TxHash>,
}

impl FinalizedBlock {
    fn of(head: &Head) -> Self {
        let header = head.header();
        let transactions = &head.block.inner().body.transactions;
        Self {
            number: header.number,
            hash: head.block.hash(),
            state_root: header.state_root,
            timestamp: header.timestamp,
            transactions: transactions.iter().map(|tx| *tx.tx_hash()).collect(),
        }
    }
}

/// A stream of finalized blocks.
#[derive(Debug)]
pub struct FinalizedBlocks {
    receiver: broadcast::Receiver<std::sync::Arc<Head>>,
    ended: watch::Receiver<Option<String>>,
}

impl FinalizedBlocks {
    /// The next finalized block; `None` when the chain has stopped. A reader that falls far behind
    /// misses blocks, which shows in the numbers.
    pub async fn next(&mut self) -> Option<FinalizedBlock> {
        loop {
            let head = tokio::select! {
                biased;
                head = self.receiver.recv() => head,
                // Also when the handle is gone.
                _ = self.ended.wait_for(Option::is_some) => return None,
            };
            match head {
                Ok(head) => return Some(FinalizedBlock::of(&head)),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

//! The chain's own rules between consensus, mempool, execution and store.
//!
//! Simplex asks for a block on a parent that is notarized but not yet final, so the result of every
//! executed block is kept by hash until a finalized block decides: states share structure, so a
//! candidate costs what it changed. A proposal is executed once, when it is built; verifying and
//! finalizing it later finds the result here. A finalized block is written durably before anyone is
//! told of it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy_consensus::Header;
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxHash};
use fonte_evm::{BlockAttributes, ExecutedBlock, Executor, Genesis, RecoveredBlock, State, Transaction, next_base_fee};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{broadcast, mpsc, watch};
use tracing::{debug, info, warn};

use crate::{
    block::{Block, MAX_TRANSACTION_BYTES_PER_BLOCK},
    committee::{Committee, Reader},
    config::{ChainConfig, ValidatorAddress},
    consensus::{Application, Epochs},
    error::ChainError,
    evidence::DoubleSign,
    mempool::{Mempool, PoolError},
    store::Store,
};

/// States of finalized blocks that answer questions about the past, the latest included.
const KEPT_STATES: usize = 128;
/// Finalized blocks that a slow subscriber may lag behind before it loses some.
const EVENT_BUFFER: usize = 256;
/// How far a block's time may run ahead of this node's clock before it waits.
const MAX_CLOCK_AHEAD: Duration = Duration::from_secs(1);

/// A finalized block and the state after it.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) block: Block,
    pub(crate) state: State,
}

impl Head {
    pub(crate) fn header(&self) -> &Header {
        self.block.header()
    }
}

/// The ledger. Clones share it.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Shared>);

struct Shared {
    executor: Executor,
    store: Store,
    pool: Mempool,
    fee_recipient: Address,
    heartbeat: Duration,
    min_block_interval: Duration,
    /// Executed blocks above the finalized one.
    candidates: Mutex<HashMap<B256, Arc<Candidate>>>,
    /// The last finalized blocks, newest last; never empty.
    recent: RwLock<VecDeque<Arc<Head>>>,
    /// The last finalized number.
    tip: watch::Sender<u64>,
    finalized: broadcast::Sender<Arc<Head>>,
    /// Why consensus has stopped by itself: no block will come any more.
    ended: watch::Sender<Option<String>>,
    /// Transactions for peers; when full, peers learn of a transaction from its block.
    gossip: mpsc::Sender<Bytes>,
    /// When this node proposed last, to keep the least interval.
    last_proposal: Mutex<Option<Instant>>,
    /// Where to read who votes; without one it is always `validators`.
    set_contract: Option<Address>,
    validators: Vec<ValidatorAddress>,
}

struct Candidate {
    block: Block,
    executed: ExecutedBlock,
}

/// What a child is built on.
struct Parent {
    block: Block,
    state: State,
}

/// Why a block is not taken.
#[derive(Debug, thiserror::Error)]
enum Rejected {
    #[error("its parent {0} is not known here")]
    UnknownParent(B256),
    #[error(transparent)]
    Invalid(#[from] fonte_evm::BlockError),
    #[error(transparent)]
    Encoding(#[from] crate::block::BadBlock),
}

impl Ledger {
    /// Opens the store, at genesis if it is new.
    pub(crate) fn open(
        config: &ChainConfig,
        store: Store,
        gossip: mpsc::Sender<Bytes>,
    ) -> Result<(Self, Block), ChainError> {
        let (genesis, block) = build_genesis(&config.genesis)?;
        let chain_id = config.genesis.chain_id;
        let epoch_blocks = config.set_contract.as_ref().map(|contract| contract.epoch_blocks);
        let (tip, state) = store.load(chain_id, epoch_blocks, &genesis, &block)?;
        info!(
            chain_id,
            genesis = %block.hash(),
            tip = tip.number(),
            "chain opened"
        );
        let number = tip.number();
        let pool = Mempool::new(config.mempool.clone(), next_base_fee(tip.header()));
        let head = Arc::new(Head { block: tip, state });
        let ledger = Self(Arc::new(Shared {
            executor: Executor::new(chain_id),
            store,
            pool,
            fee_recipient: config.fee_recipient,
            heartbeat: config.heartbeat,
            min_block_interval: config.min_block_interval,
            candidates: Mutex::default(),
            recent: RwLock::new(VecDeque::from([head])),
            tip: watch::Sender::new(number),
            finalized: broadcast::Sender::new(EVENT_BUFFER),
            ended: watch::Sender::new(None),
            gossip,
            last_proposal: Mutex::new(None),
            set_contract: config.set_contract.as_ref().map(|contract| contract.address),
            validators: config.checked_validators()?,
        }));
        Ok((ledger, block))
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.0.executor
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn pool(&self) -> &Mempool {
        &self.0.pool
    }

    /// The last finalized block.
    pub(crate) fn head(&self) -> Arc<Head> {
        Arc::clone(self.0.recent.read().back().expect("never empty"))
    }

    /// A recent finalized block with its state; `None` where only the block is kept.
    pub(crate) fn head_at(&self, number: u64) -> Option<Arc<Head>> {
        let recent = self.0.recent.read();
        let oldest = recent.front().expect("never empty").block.number();
        let index = usize::try_from(number.checked_sub(oldest)?).ok()?;
        recent.get(index).cloned()
    }

    /// What votes are signed for, and how long who votes stays the same: as the set's contract says, else the genesis hash
    /// and for ever.
    pub(crate) fn voting(&self, config: &ChainConfig, genesis: B256) -> Result<(B256, Epochs), ChainError> {
        let Some(contract) = &config.set_contract else {
            return Ok((genesis, Epochs::Fixed { validators: self.0.validators.len() }));
        };
        let head = self.head();
        let reader = self.reader(&head, contract.address);
        let (seats, candidates) = reader.bounds()?;
        Ok((reader.network_id()?, Epochs::Elected { blocks: contract.epoch_blocks, seats, candidates }))
    }

    fn reader<'a>(&'a self, head: &'a Head, contract: Address) -> Reader<'a> {
        Reader { contract, executor: &self.0.executor, header: head.header(), state: &head.state }
    }

    /// Finalized blocks from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Head>> {
        self.0.finalized.subscribe()
    }

    /// Turns to the reason when consensus stops by itself.
    pub(crate) fn ended(&self) -> &watch::Sender<Option<String>> {
        &self.0.ended
    }

    /// Takes a signed transaction from a user and passes it on to peers.
    pub(crate) fn submit(&self, raw: &[u8]) -> Result<TxHash, PoolError> {
        let hash = self.admit(raw)?;
        if self.0.gossip.try_send(Bytes::copy_from_slice(raw)).is_err() {
            debug!(%hash, "not passed on to peers: the queue is full");
        }
        Ok(hash)
    }

    fn admit(&self, raw: &[u8]) -> Result<TxHash, PoolError> {
        if let Some(reason) = &*self.0.ended.borrow() {
            return Err(PoolError::Ended { reason: reason.clone() });
        }
        let limit = self.0.pool.max_transaction_bytes();
        if raw.len() > limit {
            return Err(PoolError::Oversized { size: raw.len(), limit });
        }
        let tx = Transaction::decode_2718_exact(raw)
            .map_err(|error| PoolError::Refused(format!("invalid transaction encoding: {error}")))?;
        if self.0.pool.contains(tx.tx_hash()) {
            return Err(PoolError::Known);
        }
        self.0.executor.validate_for_pool(&tx)?;
        let tx = fonte_evm::recover(tx)?;
        let (head, sender) = (self.head(), tx.signer());
        let hash = self.0.pool.add(tx, &head.state, head.header().gas_limit)?;
        // A block that became final meanwhile may have used the nonce, and its own cleaning may have come too early.
        let now = self.head();
        if now.block.number() > head.block.number() {
            self.0.pool.finalized(&now.state, [sender], next_base_fee(now.header()));
        }
        Ok(hash)
    }

    /// The state that a path ends on, after executing what lies between.
    fn resolve(&self, path: &[Block]) -> Result<Parent, Rejected> {
        for block in path.iter().rev() {
            self.execute(block)?;
        }
        let parent = path.first().ok_or(Rejected::UnknownParent(B256::ZERO))?;
        self.parent(parent.hash())
    }

    fn parent(&self, hash: B256) -> Result<Parent, Rejected> {
        if let Some(candidate) = self.0.candidates.lock().get(&hash) {
            return Ok(Parent { block: candidate.block.clone(), state: candidate.executed.state.clone() });
        }
        let recent = self.0.recent.read();
        recent
            .iter()
            .rev()
            .find(|head| head.block.hash() == hash)
            .map(|head| Parent { block: head.block.clone(), state: head.state.clone() })
            .ok_or(Rejected::UnknownParent(hash))
    }

    /// Executes a block unless its result is at hand.
    fn execute(&self, block: &Block) -> Result<(), Rejected> {
        if self.knows(block.hash()) {
            return Ok(());
        }
        let parent = self.parent(block.parent())?;
        let recovered = RecoveredBlock::recover(block.inner().clone(), |hash| self.0.pool.sender(hash))?;
        let started = Instant::now();
        let executed = self.0.executor.verify(parent.block.header(), &parent.state, &recovered)?;
        debug!(
            number = block.number(),
            hash = %block.hash(),
            transactions = executed.outcomes.len(),
            elapsed = ?started.elapsed(),
            "executed"
        );
        self.keep(block.clone(), executed);
        Ok(())
    }

    fn keep(&self, block: Block, executed: ExecutedBlock) {
        self.0.candidates.lock().insert(block.hash(), Arc::new(Candidate { block, executed }));
    }

    /// Builds on a parent with what is in the pool; `None` when there is nothing and `force` is off.
    fn build(&self, parent: &Parent, force: bool) -> Result<Option<Block>, Rejected> {
        let base_fee = next_base_fee(parent.block.header());
        let txs = self.0.pool.best(&parent.state, base_fee);
        if txs.is_empty() && !force {
            return Ok(None);
        }
        let attributes = BlockAttributes {
            timestamp: now().as_secs().max(parent.block.header().timestamp),
            beneficiary: self.0.fee_recipient,
            extra_data: Bytes::new(),
            max_bytes: MAX_TRANSACTION_BYTES_PER_BLOCK,
        };
        let started = Instant::now();
        let proposal = self.0.executor.propose(parent.block.header(), &parent.state, attributes, txs)?;
        let hopeless: Vec<TxHash> = proposal
            .skipped
            .iter()
            .filter(|skipped| !skipped.refusal.may_become_valid())
            .map(|skipped| skipped.hash)
            .collect();
        if !hopeless.is_empty() {
            debug!(count = hopeless.len(), "dropped transactions that cannot run");
            self.0.pool.drop_all(&hopeless);
        }
        let executed = proposal.executed;
        if executed.outcomes.is_empty() && !force {
            return Ok(None);
        }
        let block = Block::seal(executed.block.block.clone(), executed.block.hash)?;
        debug!(
            number = block.number(),
            hash = %block.hash(),
            transactions = executed.outcomes.len(),
            elapsed = ?started.elapsed(),
            "proposed"
        );
        self.keep(block.clone(), executed);
        Ok(Some(block))
    }

    /// Waits for work, at most until the heartbeat, and builds.
    async fn propose_when_due(self, path: Vec<Block>) -> Option<Block> {
        let deadline = tokio::time::Instant::now() + self.0.heartbeat;
        let parent = {
            let ledger = self.clone();
            let resolved = tokio::task::spawn_blocking(move || ledger.resolve(&path)).await;
            match resolved.ok()? {
                Ok(parent) => Arc::new(parent),
                Err(error) => {
                    warn!(%error, "cannot build on this parent");
                    return None;
                }
            }
        };
        let last = *self.0.last_proposal.lock();
        if let Some(last) = last {
            tokio::time::sleep_until((last + self.0.min_block_interval).into()).await;
        }
        let mut admissions = self.0.pool.watch();
        loop {
            // Seen before the attempt, so that an admission during it is not missed.
            admissions.borrow_and_update();
            let force = tokio::time::Instant::now() >= deadline;
            let ledger = self.clone();
            let on = Arc::clone(&parent);
            let built = tokio::task::spawn_blocking(move || ledger.build(&on, force)).await;
            match built.ok()? {
                Ok(Some(block)) => {
                    *self.0.last_proposal.lock() = Some(Instant::now());
                    return Some(block);
                }
                Ok(None) => {}
                Err(error) => {
                    warn!(%error, "a block could not be built");
                    return None;
                }
            }
            tokio::select! {
                _ = admissions.changed() => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    async fn judge(self, block: Block, path: Vec<Block>) -> bool {
        if self.knows(block.hash()) {
            return true;
        }
        // A clock that is ahead is a temporary condition: a vote against would be final.
        let ahead = Duration::from_secs(block.header().timestamp).saturating_sub(now() + MAX_CLOCK_AHEAD);
        if !ahead.is_zero() {
            tokio::time::sleep(ahead).await;
        }
        let (number, hash) = (block.number(), block.hash());
        let ledger = self.clone();
        let verdict = tokio::task::spawn_blocking(move || {
            ledger.resolve(&path)?;
            ledger.execute(&block)
        })
        .await;
        match verdict {
            Ok(Ok(())) => true,
            Ok(Err(Rejected::UnknownParent(parent))) => {
                // A finalized block overtook this one's parent. It is final itself, or it has lost:
                // either way consensus will cancel the question.
                debug!(number, %hash, %parent, "not judged: its parent is gone");
                std::future::pending().await
            }
            Ok(Err(error)) => {
                warn!(number, %hash, %error, "refused a block");
                false
            }
            Err(error) => {
                warn!(number, %hash, %error, "judging a block failed");
                std::future::pending().await
            }
        }
    }

    fn apply_finalized(&self, block: Block) -> Result<(), ChainError> {
        let head = self.head();
        let number = block.number();
        if number <= head.block.number() {
            // Delivery is at least once. What is already here must be the same block.
            let mine = self.0.store.header(number)?.map(|header| header.hash_slow());
            return if mine == Some(block.hash()) {
                Ok(())
            } else {
                Err(ChainError::Diverged {
                    number,
                    hash: block.hash(),
                    reason: format!("this node has finalized {mine:?} at that number"),
                })
            };
        }
        let diverged = |reason: String| ChainError::Diverged { number, hash: block.hash(), reason };
        self.execute(&block).map_err(|error| diverged(error.to_string()))?;
        let candidate = self
            .0
            .candidates
            .lock()
            .get(&block.hash())
            .cloned()
            .ok_or_else(|| diverged("its result is not at hand".into()))?;
        crate::crash::point("before-commit", number);
        self.0.store.commit(&candidate.executed, &block)?;
        crate::crash::point("after-commit", number);
        let head = Arc::new(Head { block: block.clone(), state: candidate.executed.state.clone() });
        {
            let mut recent = self.0.recent.write();
            recent.push_back(Arc::clone(&head));
            while recent.len() > KEPT_STATES {
                recent.pop_front();
            }
        }
        // Whatever is at or below the finalized height has lost, or is final and in `recent`.
        self.0.candidates.lock().retain(|_, candidate| candidate.block.number() > number);
        let touched = candidate.executed.diff.accounts.keys().copied();
        self.0.pool.finalized(&head.state, touched, next_base_fee(head.header()));
        self.0.tip.send_replace(number);
        // No receiver is fine: nobody has subscribed.
        let _ = self.0.finalized.send(head);
        Ok(())
    }
}

impl Application for Ledger {
    fn knows(&self, hash: B256) -> bool {
        self.0.candidates.lock().contains_key(&hash)
            || self.0.recent.read().iter().rev().any(|head| head.block.hash() == hash)
    }

    async fn propose(&self, path: Vec<Block>) -> Option<Block> {
        self.clone().propose_when_due(path).await
    }

    async fn verify(&self, block: Block, path: Vec<Block>) -> bool {
        self.clone().judge(block, path).await
    }

    fn finalized(&self, block: Block) -> Result<(), ChainError> {
        self.apply_finalized(block)
    }

    async fn applied(&self, number: u64) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.0.tip.subscribe().wait_for(|tip| *tip >= number).await;
    }

    fn committee(&self, after: u64) -> Result<Committee, ChainError> {
        let head = self.head();
        let parent = if head.block.number() == after {
            head.block.hash()
        } else {
            let header = self.0.store.header(after)?;
            header.map(|header| header.hash_slow()).ok_or_else(|| ChainError::Consensus {
                reason: format!("block {after}, before the first of the epoch, is not here"),
            })?
        };
        match self.0.set_contract {
            Some(contract) => self.reader(&head, contract).committee(after, parent),
            None => Ok(Committee { parent, validators: self.0.validators.clone(), followers: Vec::new() }),
        }
    }

    fn transaction(&self, raw: Bytes) {
        if let Err(error) = self.admit(&raw) {
            debug!(%error, "dropped a peer's transaction");
        }
    }

    fn double_sign(&self, evidence: DoubleSign) {
        warn!(key = %evidence.consensus_key, epoch = %evidence.epoch, view = %evidence.view, fault = ?evidence.fault,
            "a validator signed two conflicting votes");
        if let Err(error) = self.0.store.keep_double_sign(&evidence) {
            // It is lost here, and every other node that saw both votes has it too.
            warn!(%error, "evidence of a double sign could not be kept");
        }
    }
}

fn build_genesis(genesis: &Genesis) -> Result<(ExecutedBlock, Block), ChainError> {
    let executed = genesis.build().map_err(|error| ChainError::Genesis { reason: error.to_string() })?;
    let block = Block::seal(executed.block.block.clone(), executed.block.hash)
        .map_err(|error| ChainError::Genesis { reason: error.to_string() })?;
    Ok((executed, block))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests;

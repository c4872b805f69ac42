//! Transactions waiting for a block: bounded, nonce-ordered per sender, price-ordered across senders.
//!
//! Each sender is recovered once, at admission; blocks that arrive later look the sender up here by
//! transaction hash. A transaction whose nonce leaves a gap waits ("queued") until the gap is filled.
//! Nothing is removed when a block is proposed, since the proposal may lose: selection starts from the
//! nonces of the parent's state, and removal happens at finalization.
//!
//! A sender's balance must cover all that it has waiting, so that nobody holds places, or a block's
//! bytes, with transactions that could not run one after the other.

mod queue;

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeSet, BinaryHeap, HashMap},
    iter::once,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::Transaction as _;
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, TxHash, U256};
use fonte_evm::{MAX_TRANSACTION_BYTES, MIN_BASE_FEE, RecoveredTx, Refusal, State};
use parking_lot::RwLock;
use queue::{Queue, Rank};
use tokio::sync::watch;

/// Bounds of the mempool.
#[derive(Clone, Debug)]
pub struct MempoolConfig {
    /// Transactions held at once.
    pub max_count: usize,
    /// Encoded bytes held at once.
    pub max_bytes: usize,
    /// Transactions of one sender held at once.
    pub max_per_sender: usize,
    /// The largest encoded transaction.
    pub max_transaction_bytes: usize,
    /// How long a transaction may wait.
    pub lifetime: Duration,
}

impl Default for MempoolConfig {
    fn default() -> Self {
        Self {
            max_count: 16_384,
            max_bytes: 64 * 1024 * 1024,
            max_per_sender: 1_024,
            max_transaction_bytes: MAX_TRANSACTION_BYTES,
            lifetime: Duration::from_secs(3 * 60 * 60),
        }
    }
}

/// Why a transaction is not taken. The words are the ones that Ethereum clients look for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PoolError {
    #[error("already known")]
    Known,
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow { next: u64, nonce: u64 },
    #[error("nonce too high: next nonce {next}, tx nonce {nonce}, this node queues {ahead} ahead")]
    NonceTooHigh { next: u64, nonce: u64, ahead: usize },
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}")]
    InsufficientFunds { balance: U256, cost: U256 },
    #[error("insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}")]
    Overdrawn { balance: U256, queued: U256, cost: U256 },
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    #[error("transaction underpriced: {reason}")]
    Underpriced { reason: String },
    #[error("txpool is full")]
    Full,
    #[error("too many transactions of this sender: {limit} are waiting")]
    SenderFull { limit: usize },
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized { size: usize, limit: usize },
    #[error("exceeds block gas limit: tx gas {gas}, block limit {limit}")]
    GasLimit { gas: u64, limit: u64 },
    #[error("this node takes no transactions, its chain has ended: {reason}")]
    Ended { reason: String },
    #[error("{0}")]
    Refused(String),
}

impl From<Refusal> for PoolError {
    /// Stateless refusals, in geth's words where it has some.
    fn from(refusal: Refusal) -> Self {
        Self::Refused(match refusal {
            Refusal::Blob => "transaction type not supported: blob transactions (EIP-4844)".into(),
            Refusal::NoChainId { .. } => "only replay-protected (EIP-155) transactions allowed over RPC".into(),
            Refusal::WrongChain { expected, found } => {
                format!("invalid sender: invalid chain id for signer: have {found} want {expected}")
            }
            Refusal::Signature { .. } => "invalid sender: the signature is invalid".into(),
            Refusal::TooLarge { bytes, max } => {
                format!("oversized data: transaction size {bytes}, limit {max}")
            }
            Refusal::GasAboveCap { gas_limit, cap } => {
                format!("transaction gas limit too high (cap: {cap}, tx: {gas_limit})")
            }
            Refusal::GasTooLow { gas_limit, needed } => {
                format!("intrinsic gas too low: gas {gas_limit}, minimum needed {needed}")
            }
            Refusal::PriorityAboveCap => "max priority fee per gas higher than max fee per gas".into(),
            Refusal::InitCodeTooLarge => "max initcode size exceeded: limit 49152".into(),
            Refusal::NoAuthorizations => "EIP-7702 transaction with empty auth list".into(),
            other => other.to_string(),
        })
    }
}

/// A waiting transaction.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) tx: RecoveredTx,
    pub(crate) hash: TxHash,
    size: usize,
    cost: U256,
    added: Instant,
    /// Order of arrival, which breaks ties of price.
    sequence: u64,
}

impl Pooled {
    pub(crate) fn sender(&self) -> Address {
        self.tx.signer()
    }

    fn nonce(&self) -> u64 {
        self.tx.nonce()
    }

    /// What the proposer earns per gas; `None` below the base fee.
    fn tip(&self, base_fee: u64) -> Option<u128> {
        self.tx.effective_tip_per_gas(base_fee)
    }
}

/// What a replacement must outbid besides the fee cap; of a legacy transaction its whole price, as in geth.
fn tip_cap(tx: &RecoveredTx) -> u128 {
    tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas())
}

/// The pool. Clones share it.
#[derive(Clone)]
pub(crate) struct Mempool(Arc<Shared>);

struct Shared {
    config: MempoolConfig,
    inner: RwLock<Inner>,
    /// Counts admissions; what waits for work waits for a change.
    version: watch::Sender<u64>,
}

struct Inner {
    by_hash: HashMap<TxHash, Arc<Pooled>>,
    by_sender: HashMap<Address, Queue>,
    /// All senders; the first one loses its last transaction first.
    worst: BTreeSet<Place>,
    /// Of the next block.
    base_fee: u64,
    bytes: usize,
    sequence: u64,
}

/// How soon a sender loses its last transaction: by what that is worth, among equals the latest to come first.
type Place = (Rank, Reverse<u64>, Address);

impl Mempool {
    /// Empty; `base_fee` is the next block's.
    pub(crate) fn new(config: MempoolConfig, base_fee: u64) -> Self {
        let inner = Inner {
            by_hash: HashMap::new(),
            by_sender: HashMap::new(),
            worst: BTreeSet::new(),
            base_fee,
            bytes: 0,
            sequence: 0,
        };
        Self(Arc::new(Shared { config, inner: RwLock::new(inner), version: watch::Sender::new(0) }))
    }

    /// Wakes at every admission.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    pub(crate) fn max_transaction_bytes(&self) -> usize {
        self.0.config.max_transaction_bytes
    }

    pub(crate) fn contains(&self, hash: &TxHash) -> bool {
        self.0.inner.read().by_hash.contains_key(hash)
    }

    pub(crate) fn get(&self, hash: &TxHash) -> Option<Arc<Pooled>> {
        self.0.inner.read().by_hash.get(hash).cloned()
    }

    /// The sender of a transaction that was recovered here.
    pub(crate) fn sender(&self, hash: &TxHash) -> Option<Address> {
        self.0.inner.read().by_hash.get(hash).map(|tx| tx.sender())
    }

    /// Takes a transaction whose stateless checks have passed. `state` is the latest one.
    pub(crate) fn add(&self, tx: RecoveredTx, state: &State, block_gas_limit: u64) -> Result<TxHash, PoolError> {
        let config = &self.0.config;
        let hash = *tx.tx_hash();
        let size = tx.encode_2718_len();
        if size > config.max_transaction_bytes {
            return Err(PoolError::Oversized { size, limit: config.max_transaction_bytes });
        }
        if tx.gas_limit() > block_gas_limit {
            return Err(PoolError::GasLimit { gas: tx.gas_limit(), limit: block_gas_limit });
        }
        if tx.max_fee_per_gas() < u128::from(MIN_BASE_FEE) {
            return Err(PoolError::Underpriced {
                reason: format!("max fee per gas {} is below the least base fee {MIN_BASE_FEE}", tx.max_fee_per_gas()),
            });
        }
        let sender = tx.signer();
        let account = state.account(sender).unwrap_or_default();
        let (next, nonce) = (account.nonce, tx.nonce());
        if nonce < next {
            return Err(PoolError::NonceTooLow { next, nonce });
        }
        if nonce - next >= config.max_per_sender as u64 {
            return Err(PoolError::NonceTooHigh { next, nonce, ahead: config.max_per_sender });
        }
        let cost =
            U256::from(tx.gas_limit()).saturating_mul(U256::from(tx.max_fee_per_gas())).saturating_add(tx.value());
        if account.balance < cost {
            return Err(PoolError::InsufficientFunds { balance: account.balance, cost });
        }

        let mut inner = self.0.inner.write();
        if inner.by_hash.contains_key(&hash) {
            return Err(PoolError::Known);
        }
        let waiting = inner.by_sender.get(&sender);
        // A block may have become final since `state` was taken.
        let next = waiting.map_or(next, |queue| queue.next().max(next));
        if nonce < next {
            return Err(PoolError::NonceTooLow { next, nonce });
        }
        let replaced = waiting.and_then(|queue| queue.get(nonce)).cloned();
        if let Some(old) = &replaced {
            let bumped = |old: u128, new: u128| new >= old.saturating_add(old.div_ceil(10));
            if !bumped(old.tx.max_fee_per_gas(), tx.max_fee_per_gas()) || !bumped(tip_cap(&old.tx), tip_cap(&tx)) {
                return Err(PoolError::ReplacementUnderpriced);
            }
        } else if waiting.is_some_and(|queue| queue.len() >= config.max_per_sender) {
            return Err(PoolError::SenderFull { limit: config.max_per_sender });
        }
        let queued = waiting.map_or(U256::ZERO, |queue| queue.cost_beside(next, nonce));
        if account.balance.saturating_sub(queued) < cost {
            return Err(PoolError::Overdrawn { balance: account.balance, queued, cost });
        }
        let sequence = inner.sequence;
        inner.sequence += 1;
        let new = Arc::new(Pooled { hash, size, cost, added: Instant::now(), sequence, tx });
        inner.take_in(config, next, new, replaced)?;
        drop(inner);
        self.0.version.send_modify(|version| *version += 1);
        Ok(hash)
    }

    /// What can run on this state, best paying first, with each sender's nonces in order.
    ///
    /// Without a bound of its own: only who executes them knows which fit, and what is refused must not
    /// take the room of what is not.
    pub(crate) fn best(&self, state: &State, base_fee: u64) -> Best {
        let inner = self.0.inner.read();
        let heads = inner.by_sender.iter().filter_map(|(sender, queue)| {
            let next = state.account(*sender).unwrap_or_default().nonce;
            Head::new(queue.get(next)?, base_fee)
        });
        Best { heads: heads.collect(), pool: self.clone(), base_fee }
    }

    fn follower(&self, tx: &Pooled) -> Option<Arc<Pooled>> {
        let nonce = tx.nonce().checked_add(1)?;
        self.0.inner.read().by_sender.get(&tx.sender())?.get(nonce).cloned()
    }

    /// Drops transactions that can never be executed.
    pub(crate) fn drop_all(&self, hashes: &[TxHash]) {
        let mut inner = self.0.inner.write();
        for hash in hashes {
            if let Some(tx) = inner.by_hash.get(hash).cloned() {
                inner.remove(&tx);
            }
        }
    }

    /// After a block became final: drops what it made stale, what its senders can no longer pay one after
    /// the other, and what has waited too long. `touched` are the accounts that the block changed: besides
    /// its senders also those whose nonce or balance it moved for them (EIP-7702).
    pub(crate) fn finalized(&self, state: &State, touched: impl IntoIterator<Item = Address>, base_fee: u64) {
        let mut inner = self.0.inner.write();
        let mut gone = Vec::new();
        for sender in touched {
            if let Some(queue) = inner.by_sender.get_mut(&sender) {
                let account = state.account(sender).unwrap_or_default();
                gone.extend(queue.advance(account.nonce, account.balance));
            }
        }
        let lifetime = self.0.config.lifetime;
        gone.extend(inner.by_hash.values().filter(|tx| tx.added.elapsed() > lifetime).cloned());
        for tx in gone {
            inner.forget(&tx);
        }
        inner.base_fee = base_fee;
        inner.place_all();
    }

    /// The nonce that follows the transactions of a sender that can run one after the other.
    pub(crate) fn pending_nonce(&self, sender: Address, next: u64) -> u64 {
        let inner = self.0.inner.read();
        inner.by_sender.get(&sender).map_or(next, |queue| queue.end_of_run(next))
    }

    /// (pending, queued): able to run one after the other, and waiting for a gap to be filled.
    pub(crate) fn status(&self, state: &State) -> (usize, usize) {
        let inner = self.0.inner.read();
        let runs = inner.by_sender.iter().map(|(sender, queue)| {
            let next = state.account(*sender).unwrap_or_default().nonce;
            (queue.end_of_run(next) - next) as usize
        });
        let pending = runs.sum();
        (pending, inner.by_hash.len().saturating_sub(pending))
    }
}

impl Inner {
    /// Inserts `new` in place of `replaced`, and evicts until it fits. First goes what cannot run (queued
    /// behind a gap, or below the base fee), then what pays least; always a sender's last nonce, so that no
    /// gap is torn. Never evicts for a worse payer, and nothing at all if `new` is refused.
    fn take_in(
        &mut self,
        config: &MempoolConfig,
        next: u64,
        new: Arc<Pooled>,
        replaced: Option<Arc<Pooled>>,
    ) -> Result<(), PoolError> {
        if new.size > config.max_bytes || config.max_count == 0 {
            return Err(PoolError::Full);
        }
        // What a later nonce pays is had only after those before it.
        let before = self.by_sender.get(&new.sender()).into_iter().flat_map(|queue| queue.until(next, new.nonce()));
        let rank = Rank::of(next, before.chain(once(&new)), self.base_fee);
        let mut removed = Vec::new();
        if let Some(old) = replaced {
            self.remove(&old);
            removed.push((next, old));
        }
        while self.by_hash.len() >= config.max_count || self.bytes + new.size > config.max_bytes {
            let worst = self.worst.iter().find(|(_, _, sender)| *sender != new.sender());
            let refusal = match worst {
                Some((worst, _, sender)) if *worst < rank => {
                    let queue = &self.by_sender[sender];
                    let tx = Arc::clone(queue.last().expect("no queue is empty"));
                    removed.push((queue.next(), Arc::clone(&tx)));
                    self.remove(&tx);
                    continue;
                }
                Some(_) => PoolError::Underpriced { reason: "the pool is full of better paying ones".into() },
                None => PoolError::Full,
            };
            for (next, tx) in removed {
                self.insert(next, tx);
            }
            return Err(refusal);
        }
        self.insert(next, new);
        Ok(())
    }

    /// `next` is the sender's next nonce by the latest state.
    fn insert(&mut self, next: u64, tx: Arc<Pooled>) {
        let sender = tx.sender();
        self.bytes += tx.size;
        self.by_hash.insert(tx.hash, Arc::clone(&tx));
        self.displace(sender);
        self.by_sender.entry(sender).or_default().insert(next, tx);
        self.place(sender);
    }

    fn remove(&mut self, tx: &Pooled) {
        self.displace(tx.sender());
        self.forget(tx);
        self.place(tx.sender());
    }

    /// Leaves the sender's queue, which may be empty now, and its place to the caller.
    fn forget(&mut self, tx: &Pooled) {
        if self.by_hash.remove(&tx.hash).is_none() {
            return;
        }
        self.bytes -= tx.size;
        if let Some(queue) = self.by_sender.get_mut(&tx.sender()) {
            queue.remove(tx.nonce());
        }
    }

    fn displace(&mut self, sender: Address) {
        if let Some(place) = self.place_of(sender) {
            self.worst.remove(&place);
        }
    }

    /// Gives a sender its place; with nothing left it goes.
    fn place(&mut self, sender: Address) {
        match self.place_of(sender) {
            Some(place) => _ = self.worst.insert(place),
            None => _ = self.by_sender.remove(&sender),
        }
    }

    fn place_of(&self, sender: Address) -> Option<Place> {
        let queue = self.by_sender.get(&sender)?;
        Some((queue.rank(self.base_fee), Reverse(queue.last()?.sequence), sender))
    }

    fn place_all(&mut self) {
        self.by_sender.retain(|_, queue| queue.len() > 0);
        self.worst = self.by_sender.keys().filter_map(|sender| self.place_of(*sender)).collect();
    }
}

/// See [`Mempool::best`]. Each next one is looked up when it is asked for, so the pool is not held while
/// a block is built, and who comes meanwhile is counted in.
pub(crate) struct Best {
    heads: BinaryHeap<Head>,
    pool: Mempool,
    base_fee: u64,
}

impl Best {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }
}

impl Iterator for Best {
    type Item = RecoveredTx;

    fn next(&mut self) -> Option<RecoveredTx> {
        let Head { tx, .. } = self.heads.pop()?;
        let follower = self.pool.follower(&tx);
        self.heads.extend(follower.and_then(|tx| Head::new(&tx, self.base_fee)));
        Some(tx.tx.clone())
    }
}

/// The next transaction of one sender, ordered by what it pays, then by arrival.
struct Head {
    tip: u128,
    tx: Arc<Pooled>,
}

impl Head {
    /// `None` below the base fee.
    fn new(tx: &Arc<Pooled>, base_fee: u64) -> Option<Self> {
        Some(Self { tip: tx.tip(base_fee)?, tx: Arc::clone(tx) })
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.tip.cmp(&other.tip).then_with(|| other.tx.sequence.cmp(&self.tx.sequence))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests;

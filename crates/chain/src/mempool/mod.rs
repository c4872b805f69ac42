//! Transactions waiting for a block: bounded, nonce-ordered per sender, price-ordered across senders.
//!
//! Each sender is recovered once, at admission; blocks that arrive later look the sender up here by
//! transaction hash. A transaction whose nonce leaves a gap waits ("queued") until the gap is filled.
//! Nothing is removed when a block is proposed, since the proposal may lose: selection starts from the
//! nonces of the parent's state, and removal happens at finalization.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BinaryHeap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::Transaction as _;
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, TxHash, U256};
use fonte_evm::{MIN_BASE_FEE, RecoveredTx, Refusal, State};
use parking_lot::RwLock;
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
            max_transaction_bytes: 128 * 1024,
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

    fn priority(&self) -> u128 {
        self.tx.max_priority_fee_per_gas().unwrap_or_else(|| self.tx.max_fee_per_gas())
    }
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

#[derive(Default)]
struct Inner {
    by_hash: HashMap<TxHash, Arc<Pooled>>,
    by_sender: HashMap<Address, BTreeMap<u64, Arc<Pooled>>>,
    bytes: usize,
    sequence: u64,
}

impl Mempool {
    pub(crate) fn new(config: MempoolConfig) -> Self {
        Self(Arc::new(Shared { config, inner: RwLock::default(), version: watch::Sender::new(0) }))
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
        let replaced = waiting.and_then(|txs| txs.get(&nonce)).cloned();
        if let Some(old) = &replaced {
            let bumped = |old: u128, new: u128| new >= old.saturating_add(old.div_ceil(10));
            let new_priority = tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas());
            if !bumped(old.tx.max_fee_per_gas(), tx.max_fee_per_gas()) || !bumped(old.priority(), new_priority) {
                return Err(PoolError::ReplacementUnderpriced);
            }
        } else if waiting.is_some_and(|txs| txs.len() >= config.max_per_sender) {
            return Err(PoolError::SenderFull { limit: config.max_per_sender });
        }
        let sequence = inner.sequence;
        inner.sequence += 1;
        let new = Arc::new(Pooled { hash, size, cost, added: Instant::now(), sequence, tx });
        if let Some(old) = &replaced {
            inner.remove(old);
        }
        if let Err(error) = inner.make_room(config, &new, state) {
            // A refused replacement leaves what it would have replaced.
            if let Some(old) = replaced {
                inner.insert(old);
            }
            return Err(error);
        }
        inner.insert(new);
        drop(inner);
        self.0.version.send_modify(|version| *version += 1);
        Ok(hash)
    }

    /// What can run on this state, best paying first, with each sender's nonces in order.
    pub(crate) fn best(&self, state: &State, base_fee: u64, max_bytes: usize) -> Vec<RecoveredTx> {
        let inner = self.0.inner.read();
        let mut heads = BinaryHeap::new();
        for (sender, txs) in &inner.by_sender {
            let next = state.account(*sender).unwrap_or_default().nonce;
            if let Some(tx) = txs.get(&next)
                && let Some(tip) = tx.tip(base_fee)
            {
                heads.push(Head { tip, tx });
            }
        }
        let mut chosen = Vec::new();
        let mut bytes = 0usize;
        while let Some(Head { tx, .. }) = heads.pop() {
            if bytes + tx.size > max_bytes {
                // Later ones of this sender cannot run without it; other senders still may fit.
                continue;
            }
            bytes += tx.size;
            chosen.push(tx.tx.clone());
            let follower = tx.nonce().checked_add(1).and_then(|nonce| inner.by_sender.get(&tx.sender())?.get(&nonce));
            if let Some(tx) = follower
                && let Some(tip) = tx.tip(base_fee)
            {
                heads.push(Head { tip, tx });
            }
        }
        chosen
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

    /// After a block became final: drops what it made stale, what its senders can no longer pay, and
    /// what has waited too long. `touched` are the senders of the block's transactions.
    pub(crate) fn finalized(&self, state: &State, touched: impl IntoIterator<Item = Address>) {
        let mut inner = self.0.inner.write();
        let mut gone = Vec::new();
        for sender in touched {
            let Some(txs) = inner.by_sender.get(&sender) else {
                continue;
            };
            let account = state.account(sender).unwrap_or_default();
            gone.extend(txs.values().filter(|tx| tx.nonce() < account.nonce || tx.cost > account.balance).cloned());
        }
        let lifetime = self.0.config.lifetime;
        gone.extend(inner.by_hash.values().filter(|tx| tx.added.elapsed() > lifetime).cloned());
        for tx in gone {
            inner.remove(&tx);
        }
    }

    /// The nonce that follows the transactions of a sender that can run one after the other.
    pub(crate) fn pending_nonce(&self, sender: Address, next: u64) -> u64 {
        let inner = self.0.inner.read();
        let Some(txs) = inner.by_sender.get(&sender) else {
            return next;
        };
        let mut nonce = next;
        while txs.contains_key(&nonce) {
            nonce += 1;
        }
        nonce
    }

    /// (pending, queued): able to run one after the other, and waiting for a gap to be filled.
    pub(crate) fn status(&self, state: &State) -> (usize, usize) {
        let inner = self.0.inner.read();
        let mut pending = 0;
        for (sender, txs) in &inner.by_sender {
            let mut nonce = state.account(*sender).unwrap_or_default().nonce;
            while txs.contains_key(&nonce) {
                nonce += 1;
                pending += 1;
            }
        }
        (pending, inner.by_hash.len().saturating_sub(pending))
    }
}

impl Inner {
    fn insert(&mut self, tx: Arc<Pooled>) {
        self.bytes += tx.size;
        self.by_sender.entry(tx.sender()).or_default().insert(tx.nonce(), Arc::clone(&tx));
        self.by_hash.insert(tx.hash, tx);
    }

    fn remove(&mut self, tx: &Pooled) {
        if self.by_hash.remove(&tx.hash).is_none() {
            return;
        }
        self.bytes -= tx.size;
        if let Some(txs) = self.by_sender.get_mut(&tx.sender()) {
            txs.remove(&tx.nonce());
            if txs.is_empty() {
                self.by_sender.remove(&tx.sender());
            }
        }
    }

    /// Evicts until `new` fits. First goes what cannot run (queued behind a gap), then what pays least;
    /// always a sender's last nonce, so that no gap is torn. Never evicts for a worse payer.
    fn make_room(&mut self, config: &MempoolConfig, new: &Pooled, state: &State) -> Result<(), PoolError> {
        if new.size > config.max_bytes || config.max_count == 0 {
            return Err(PoolError::Full);
        }
        while self.by_hash.len() >= config.max_count || self.bytes + new.size > config.max_bytes {
            let victim = self
                .by_sender
                .iter()
                .filter(|(sender, _)| **sender != new.sender())
                .filter_map(|(sender, txs)| {
                    let (last, tx) = txs.last_key_value()?;
                    let next = state.account(*sender).unwrap_or_default().nonce;
                    let gapped = last.saturating_sub(next) >= txs.len() as u64;
                    Some((gapped, tx))
                })
                .min_by_key(|(gapped, tx)| (!gapped, tx.priority(), u64::MAX - tx.sequence))
                .map(|(gapped, tx)| (gapped, Arc::clone(tx)));
            match victim {
                Some((gapped, tx)) if gapped || tx.priority() < new.priority() => self.remove(&tx),
                Some(_) => {
                    return Err(PoolError::Underpriced { reason: "the pool is full of better paying ones".into() });
                }
                None => return Err(PoolError::Full),
            }
        }
        Ok(())
    }
}

/// The next transaction of one sender, ordered by what it pays, then by arrival.
struct Head<'a> {
    tip: u128,
    tx: &'a Arc<Pooled>,
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.tip.cmp(&other.tip).then_with(|| other.tx.sequence.cmp(&self.tx.sequence))
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head<'_> {}

#[cfg(test)]
mod tests;

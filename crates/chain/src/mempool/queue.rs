//! The transactions of one sender.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::U256;

use super::Pooled;

/// One sender's transactions by nonce.
#[derive(Default)]
pub(super) struct Queue {
    /// The sender's next nonce when it was looked at last.
    next: u64,
    txs: BTreeMap<u64, Arc<Pooled>>,
}

impl Queue {
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn len(&self) -> usize {
        self.txs.len()
    }

    pub(super) fn get(&self, nonce: u64) -> Option<&Arc<Pooled>> {
        self.txs.get(&nonce)
    }

    pub(super) fn last(&self) -> Option<&Arc<Pooled>> {
        self.txs.last_key_value().map(|(_, tx)| tx)
    }

    /// Those of nonces `from..end`, in order.
    pub(super) fn until(&self, from: u64, end: u64) -> impl Iterator<Item = &Arc<Pooled>> {
        self.txs.range(from..end.max(from)).map(|(_, tx)| tx)
    }

    /// The first nonce from `next` on that is not here.
    pub(super) fn end_of_run(&self, next: u64) -> u64 {
        let mut nonce = next;
        while self.txs.contains_key(&nonce) {
            nonce += 1;
        }
        nonce
    }

    /// The most that can be spent from nonce `next` on, without what stands at `nonce`.
    pub(super) fn cost_beside(&self, next: u64, nonce: u64) -> U256 {
        let others = self.txs.range(next..).filter(|(at, _)| **at != nonce);
        others.fold(U256::ZERO, |sum, (_, tx)| sum.saturating_add(tx.cost))
    }

    pub(super) fn insert(&mut self, next: u64, tx: Arc<Pooled>) {
        self.next = self.next.max(next);
        self.txs.insert(tx.nonce(), tx);
    }

    pub(super) fn remove(&mut self, nonce: u64) {
        self.txs.remove(&nonce);
    }

    /// Notes what the account has become, and tells what is stale, and what can no longer be paid one after
    /// the other.
    pub(super) fn advance(&mut self, next: u64, balance: U256) -> Vec<Arc<Pooled>> {
        self.next = next;
        let mut left = Some(balance);
        let gone = self.txs.values().filter(|tx| {
            if tx.nonce() < next {
                return true;
            }
            left = left.and_then(|left| left.checked_sub(tx.cost));
            left.is_none()
        });
        gone.cloned().collect()
    }

    /// What the last one is worth to a proposer.
    pub(super) fn rank(&self, base_fee: u64) -> Rank {
        Rank::of(self.next, self.txs.range(self.next..).map(|(_, tx)| tx), base_fee)
    }
}

/// What the end of a chain of transactions is worth: it runs after all the others, so no more than the
/// least of them pays. What cannot run, behind a gap or below the base fee, is worth less than all that can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    without_gap: bool,
    tip: Option<u128>,
}

impl Rank {
    /// Of a chain in the order of its nonces, all of them `next` or later.
    pub(super) fn of<'a>(next: u64, chain: impl Iterator<Item = &'a Arc<Pooled>>, base_fee: u64) -> Self {
        let mut rank = Self { without_gap: true, tip: Some(u128::MAX) };
        for (tx, place) in chain.zip(0u64..) {
            rank.without_gap &= tx.nonce() - next == place;
            rank.tip = rank.tip.min(tx.tip(base_fee));
        }
        rank
    }
}

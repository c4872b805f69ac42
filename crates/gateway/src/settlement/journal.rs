//! What is written down of a batch, step by step.

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::store::PendingRow;

/// A batch from its building to its last payout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchRecord {
    /// The gateway's own number.
    pub(crate) number: u64,
    /// One tab per payer.
    pub(crate) tabs: Vec<TabRecord>,
    /// Every transaction that was signed for it. Their vouchers are the same, so at most one can succeed.
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) state: BatchState,
}

/// One payer's rows under a voucher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TabRecord {
    pub(crate) payer: Address,
    #[serde(with = "fonte_types::wei")]
    pub(crate) total: u128,
    pub(crate) nonce: u64,
    pub(crate) signature: Bytes,
    pub(crate) rows: Vec<PendingRow>,
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) hash: B256,
    pub(crate) nonce: u64,
    pub(crate) raw: Bytes,
}

/// How far a batch is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum BatchState {
    /// Signed and written down; perhaps sent, perhaps included.
    Sent,
    /// On chain; credits are pending.
    Settled {
        batch: u64,
        tx: B256,
        block: u64,
        /// Whom it credits.
        payees: Vec<Address>,
        /// Transactions that paid some of them.
        pushed: Vec<B256>,
    },
    /// Paid out, but for what the store keeps as dust.
    Paid { batch: u64, tx: B256, block: u64, pushed: Vec<B256> },
    /// It can never be included; its rows went back into the journal.
    TakenBack { reason: String },
}

impl BatchRecord {
    /// Receipts in the order of the rows on chain.
    pub(crate) fn receipts(&self) -> impl Iterator<Item = B256> + '_ {
        self.rows().map(|row| row.receipt)
    }

    /// Rows in the order on chain.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &PendingRow> {
        self.tabs.iter().flat_map(|tab| &tab.rows)
    }

    /// Fees in all.
    pub(crate) fn fees(&self) -> u128 {
        self.rows().map(|row| row.fee).sum()
    }

    /// Nothing is left to do.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, BatchState::Paid { .. } | BatchState::TakenBack { .. })
    }

    /// Not known to be on chain.
    pub(crate) fn is_on_its_way(&self) -> bool {
        self.state == BatchState::Sent
    }
}

//! Rows of settled batches from the chain alone: the calldata that settled a batch, checked against its root. Whoever
//! settled it need not help, and cannot hide a row by not answering.

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, Bytes, TxHash, U256};
use alloy_provider::Provider;
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::{SolCall, SolEvent};
use fonte_types::{
    merkle::Tree,
    settlement::{Row, read_settle, rows_tree},
};

use crate::{
    client::{Client, ClientError},
    contracts::Settlement,
};

/// Batches that a search for a receipt looks through, newest first: as many as a gateway that settles every minute makes
/// in eleven days. A window is open for minutes to days.
pub const SEARCHED_BATCHES: u64 = 16_384;

/// Places of one transaction at which a call of `settle` may stand.
const SETTLE_CALLS: usize = 64;

/// A settled batch with all its rows.
#[derive(Clone, Debug)]
pub struct SettledBatch {
    /// The contract's number of it.
    pub batch: u64,
    /// The gateway that settled it.
    pub submitter: Address,
    /// When, in seconds since 1970.
    pub settled_at: u64,
    /// By which transaction.
    pub tx: B256,
    rows: Vec<(Address, Row)>,
    tree: Tree,
}

/// A row of a settled batch with what opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledRow {
    /// The contract's number of the batch.
    pub batch: u64,
    /// The gateway that settled it.
    pub submitter: Address,
    /// When, in seconds since 1970.
    pub settled_at: u64,
    /// By which transaction.
    pub tx: B256,
    /// Its index in the batch.
    pub index: u32,
    /// On whose tab it stands.
    pub payer: Address,
    /// The row.
    pub row: Row,
    /// Siblings from the bottom up.
    pub path: Vec<B256>,
}

/// Rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The chain could not be read.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A contract made the call, from something else than the call's own bytes.
    #[error(
        "the rows of batch {batch} do not stand in the calldata of {tx}: only a node that traces calls can show them"
    )]
    Hidden {
        /// The batch.
        batch: u64,
        /// What settled it.
        tx: B256,
    },
    /// The node does not know the transaction.
    #[error("the chain knows batch {0} and not the transaction that settled it: ask a node that keeps all blocks")]
    Forgotten(u64),
}

impl SettledBatch {
    /// Payers and rows in the batch's order.
    pub fn rows(&self) -> &[(Address, Row)] {
        &self.rows
    }

    /// Opens the row at an index.
    pub fn open(&self, index: u32) -> Option<SettledRow> {
        let (payer, row) = self.rows.get(index as usize)?.clone();
        let Self { batch, submitter, settled_at, tx, .. } = *self;
        Some(SettledRow { batch, submitter, settled_at, tx, index, payer, row, path: self.tree.path(index) })
    }

    /// Opens the first row of a receipt.
    pub fn find(&self, receipt: B256) -> Option<SettledRow> {
        let index = self.rows.iter().position(|(_, row)| row.receipt == receipt)?;
        self.open(u32::try_from(index).ok()?)
    }
}

impl Client {
    /// A batch with its rows, which lead to the root that the contract keeps.
    pub async fn settled_batch(&self, batch: u64) -> Result<SettledBatch, RowsError> {
        let kept = self.reading("a batch", self.settlement_contract().batch(batch).call().await)?;
        let block: u64 = kept.settledBlock.to();
        let filter = Filter::new()
            .address(self.addresses().settlement)
            .event_signature(Settlement::Settled::SIGNATURE_HASH)
            .topic1(B256::from(U256::from(batch)))
            .from_block(block)
            .to_block(block);
        let logs = self.reading("the event of a batch", self.provider().get_logs(&filter).await)?;
        let tx = logs.iter().find_map(|log| log.transaction_hash).ok_or(RowsError::Forgotten(batch))?;
        let sent = self.calldata("the transaction of a batch", tx).await?.ok_or(RowsError::Forgotten(batch))?;
        let found = rows_in_calldata(&sent, kept.rowsRoot, kept.rows);
        let rows = found.ok_or(RowsError::Hidden { batch, tx })?;
        let tree = tree(&rows);
        Ok(SettledBatch { batch, submitter: kept.submitter, settled_at: kept.settledAt.to(), tx, rows, tree })
    }

    /// The row that settled a receipt; of several the newest batch's. `hint` is a batch to look into first, whoever named it.
    /// None: it stands in none of the newest [`SEARCHED_BATCHES`].
    pub async fn settled_row(&self, receipt: B256, hint: Option<u64>) -> Result<Option<SettledRow>, RowsError> {
        if let Some(hint) = hint
            && let Ok(batch) = self.settled_batch(hint).await
            && let Some(row) = batch.find(receipt)
        {
            return Ok(Some(row));
        }
        let mut hidden = None;
        for batch in self.newest_batches().await? {
            match self.settled_batch(batch).await {
                Ok(batch) => {
                    if let Some(row) = batch.find(receipt) {
                        return Ok(Some(row));
                    }
                }
                // It may stand in another one.
                Err(error @ (RowsError::Hidden { .. } | RowsError::Forgotten(_))) => hidden = hidden.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        hidden.map_or(Ok(None), Err)
    }

    /// What a transaction carried; none where the node does not know it.
    pub async fn calldata(&self, what: &'static str, tx: TxHash) -> Result<Option<Bytes>, ClientError> {
        let sent = self.reading(what, self.provider().get_transaction_by_hash(tx).await)?;
        Ok(sent.map(|sent| sent.input().clone()))
    }

    /// Numbers of the newest [`SEARCHED_BATCHES`] batches, newest first.
    pub async fn newest_batches(&self) -> Result<impl Iterator<Item = u64> + use<>, ClientError> {
        let count = self.reading("the number of batches", self.settlement_contract().batchCount().call().await)?;
        Ok((count.saturating_sub(SEARCHED_BATCHES) + 1..=count).rev())
    }
}

/// The rows that lead to a batch's root, with their payers, wherever in a transaction's calldata the call of `settle` stands:
/// another contract may have passed it on. `count` is how many the chain says there are.
pub fn rows_in_calldata(calldata: &[u8], root: B256, count: u32) -> Option<Vec<(Address, Row)>> {
    let selector = Settlement::settleCall::SELECTOR;
    let windows = calldata.windows(selector.len()).enumerate();
    let places = windows.filter(|(_, bytes)| *bytes == selector).map(|(at, _)| at);
    places.take(SETTLE_CALLS).find_map(|at| {
        let rows = read_settle(&calldata[at + selector.len()..], count).ok()?;
        let whole = !rows.is_empty() && rows.len() == count as usize;
        (whole && tree(&rows).root() == root).then_some(rows)
    })
}

fn tree(rows: &[(Address, Row)]) -> Tree {
    rows_tree(rows.iter().map(|(payer, row)| (*payer, row)))
}

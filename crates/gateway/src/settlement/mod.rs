//! From countersigned receipts to paid contributors.
//!
//! A row waits in the journal ([`crate::store`]) until a batch takes it (`batch`); the batch is signed, written down
//! and only then sent; when the challenge window is over the keeper pushes everyone's money (`keeper`). At most one
//! batch is on its way at any time, because vouchers are cumulative: the next one builds on what the last one debited.
//! Every step is written down before it is taken and can be taken again, so a kill at any point loses no row and
//! settles none twice.

mod batch;
mod demands;
pub(crate) mod journal;
mod keeper;

pub(crate) use batch::open_row;
pub use batch::{RowJson, RowOpening};

use std::{sync::Arc, time::Instant};

use alloy_primitives::B256;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{app::App, chain::ChainError, store::StoreError};

/// Settling failed; rows stay in the journal.
#[derive(Debug, thiserror::Error)]
pub enum SettlementError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bond does not cover the batch.
    #[error(
        "the bond's free part is {free} wei and this batch locks {needed}: bond {} wei more, or raise settlement.bond_top_up ({allowed} wei)",
        needed.saturating_sub(*free)
    )]
    BondShort {
        /// Free part of the bond.
        free: u128,
        /// What the batch locks.
        needed: u128,
        /// Up to which bond the gateway adds by itself.
        allowed: u128,
    },
    /// The batch does not fit its packed form.
    #[error(transparent)]
    Pack(#[from] fonte_types::settlement::PackError),
    /// A session key could not sign.
    #[error("a session key did not sign")]
    Signer(#[from] alloy_signer::Error),
    /// The contract accepted a batch and did not say under which number.
    #[error("transaction {0} settled no batch: is the settlement contract the one this gateway was built for?")]
    NoBatch(B256),
}

/// A batch on chain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SettledBatch {
    /// The contract's number of it.
    pub batch: u64,
    /// The transaction.
    pub tx: B256,
    /// Its block.
    pub block: u64,
    /// Receipts in it.
    pub rows: usize,
    /// Fees in it.
    #[serde(with = "fonte_types::wei")]
    pub fees: u128,
}

/// One step of the keeper.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PushedBatch {
    /// The contract's number of it.
    pub batch: u64,
    /// Transactions that paid it out.
    pub txs: Vec<B256>,
}

/// What wakes the settler, and keeps flushes apart.
pub(crate) struct Settlement {
    rows: Notify,
    /// Held while a batch is on its way.
    turn: Mutex<()>,
    demands: Mutex<demands::Followed>,
    /// Counts finished batches and pushes, for those who wait.
    progress: watch::Sender<u64>,
}

impl Settlement {
    pub(crate) fn new() -> Self {
        Self { rows: Notify::new(), turn: Mutex::new(()), demands: Mutex::default(), progress: watch::Sender::new(0) }
    }

    /// A row was journaled.
    pub(crate) fn row_added(&self) {
        self.rows.notify_one();
    }

    fn progressed(&self) {
        self.progress.send_modify(|count| *count += 1);
    }
}

/// Settles every pending row; returns the batches that were accepted. Finishes a batch that a crash left on its way.
pub(crate) async fn flush(app: &App) -> Result<Vec<SettledBatch>, SettlementError> {
    let _turn = app.settlement.turn.lock().await;
    let mut settled = Vec::new();
    for record in app.store.open_batches()? {
        settled.extend(batch::resume(app, record).await?);
    }
    while let Some(batch) = batch::settle_next(app).await? {
        settled.push(batch);
    }
    if !settled.is_empty() {
        app.settlement.progressed();
    }
    Ok(settled)
}

/// Pays out every batch whose window is over.
pub(crate) async fn push_due(app: &App) -> Result<Vec<PushedBatch>, SettlementError> {
    let _turn = app.settlement.turn.lock().await;
    let pushed = keeper::push_due(app).await?;
    if !pushed.is_empty() {
        app.settlement.progressed();
    }
    Ok(pushed)
}

/// Shows what is demanded on chain of this gateway's batches; returns how many demands were answered.
pub(crate) async fn answer_demands(app: &App) -> Result<usize, SettlementError> {
    let _turn = app.settlement.turn.lock().await;
    demands::answer_due(app, &mut *app.settlement.demands.lock().await).await
}

/// Makes batches by time and size until told to stop.
pub(crate) async fn run_settler(app: Arc<App>, stop: CancellationToken) {
    let Some(interval) = app.config.settlement.interval else {
        return;
    };
    loop {
        // Rows that a restart found are as good as new ones.
        let waiting = app.store.pending(app.config.settlement.max_rows).map_or(0, |rows| rows.len());
        let open = app.store.open_batches().is_ok_and(|open| open.iter().any(|batch| batch.is_on_its_way()));
        if waiting == 0 && !open {
            tokio::select! {
                () = app.settlement.rows.notified() => {}
                () = stop.cancelled() => return,
            }
        }
        let deadline = Instant::now() + interval;
        while app.store.pending(app.config.settlement.max_rows).is_ok_and(|r| r.len() < app.config.settlement.max_rows)
        {
            tokio::select! {
                () = app.settlement.rows.notified() => {}
                () = tokio::time::sleep_until(deadline.into()) => break,
                () = stop.cancelled() => return,
            }
        }
        if let Err(error) = flush(&app).await {
            app.metrics.settlement_failures.increment();
            tracing::error!(error = &error as &dyn std::error::Error, "settling failed, to be tried again");
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

/// Pays out by time until told to stop.
pub(crate) async fn run_keeper(app: Arc<App>, stop: CancellationToken) {
    let Some(interval) = app.config.settlement.keeper_interval else {
        return;
    };
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = push_due(&app).await {
            app.metrics.settlement_failures.increment();
            tracing::error!(error = &error as &dyn std::error::Error, "paying out failed, to be tried again");
        }
        if let Err(error) = answer_demands(&app).await {
            app.metrics.settlement_failures.increment();
            tracing::error!(error = &error as &dyn std::error::Error, "demands were not answered, to be tried again");
        }
        if let Err(error) = crate::duties::perform(&app).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a duty could not be done, to be tried again");
        }
        if let Err(error) = crate::contributions::sweep(&app).await {
            tracing::error!(error = &error as &dyn std::error::Error, "old uploads could not be removed");
        }
    }
}

//! The keeper: pays out a batch when its challenge window is over.

use alloy_sol_types::SolCall;
use fonte_bindings::contracts::Settlement as Contract;

use super::{PushedBatch, SettlementError, journal::BatchState};
use crate::{app::App, chain::Call};

/// Pays every batch that is due. What a payee has got shows on chain, so a push that was cut off goes on where it was.
pub(super) async fn push_due(app: &App) -> Result<Vec<PushedBatch>, SettlementError> {
    let mut done = Vec::new();
    for mut record in app.store.open_batches()? {
        let BatchState::Settled { batch, tx, block, payees, mut pushed } = record.state.clone() else {
            continue;
        };
        let contract = app.chain.settlement();
        if !app.chain.read("whether a window is over", contract.windowOver(batch).call().await)? {
            continue;
        }
        let mut due = Vec::new();
        for payee in &payees {
            let pending = contract.pendingOf(batch, *payee).call().await;
            if !app.chain.read("a pending credit", pending)?.is_zero() {
                due.push(*payee);
            }
        }
        let exposure = app.chain.read("a batch", contract.batch(batch).call().await)?.exposure;
        // An empty push still frees the bond.
        let chunks: Vec<_> = if due.is_empty() && exposure > 0 {
            vec![Vec::new()]
        } else {
            due.chunks(app.config.settlement.max_push.max(1)).map(<[_]>::to_vec).collect()
        };
        for chunk in chunks {
            let data = Contract::pushCall { id: batch, payees: chunk }.abi_encode().into();
            let call = Call { what: "paying out a batch", to: app.chain.network().settlement, value: 0, data };
            let receipt = app.chain.submit(&call).await?;
            pushed.push(receipt.transaction_hash);
            record.state = BatchState::Settled { batch, tx, block, payees: payees.clone(), pushed: pushed.clone() };
            app.store.put_batch(&record)?;
        }
        tracing::info!(batch, payees = due.len(), "batch paid out");
        app.metrics.pushes.increment();
        record.state = BatchState::Paid { batch, tx, block, pushed: pushed.clone() };
        app.store.put_batch(&record)?;
        done.push(PushedBatch { batch, txs: pushed });
    }
    Ok(done)
}

//! The keeper: pays out a batch when its challenge window is over. Credits below the operator's least payout are left
//! where anybody may push them, and paid once that is lowered.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use fonte_bindings::contracts::Settlement as Contract;

use super::{PushedBatch, SettlementError, journal::BatchState};
use crate::{
    app::App,
    chain::{Call, ChainError},
    store::Dust,
};

/// Pays every batch that is due. What a payee has got shows on chain, so a push that was cut off goes on where it was.
pub(super) async fn push_due(app: &App) -> Result<Vec<PushedBatch>, SettlementError> {
    let minimum = U256::from(app.config.settlement.minimum_payout);
    let mut done = Vec::new();
    for mut record in app.store.open_batches()? {
        let BatchState::Settled { batch, tx, block, payees, mut pushed } = record.state.clone() else {
            continue;
        };
        let contract = app.chain.settlement();
        if !app.chain.read("whether a window is over", contract.windowOver(batch).call().await)? {
            continue;
        }
        let (mut due, mut dust) = (Vec::new(), Vec::new());
        for payee in &payees {
            let pending = pending(app, batch, *payee).await?;
            if pending.is_zero() {
                continue;
            } else if pending < minimum {
                // What is below a setting of 128 bits fits them.
                dust.push(Dust { wei: pending.saturating_to(), batch: record.number, payee: *payee });
            } else {
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
            pushed.push(push(app, batch, chunk).await?);
            record.state = BatchState::Settled { batch, tx, block, payees: payees.clone(), pushed: pushed.clone() };
            app.store.put_batch(&record)?;
        }
        tracing::info!(batch, payees = due.len(), left = dust.len(), "batch paid out");
        app.metrics.pushes.increment();
        record.state = BatchState::Paid { batch, tx, block, pushed: pushed.clone() };
        app.store.put_paid_batch(&record, &dust, &[])?;
        done.push(PushedBatch { batch, txs: pushed });
    }
    done.extend(push_dust(app).await?);
    Ok(done)
}

/// Pays what was left pending under a higher minimum than today's, so much at a time.
async fn push_dust(app: &App) -> Result<Vec<PushedBatch>, SettlementError> {
    let settings = &app.config.settlement;
    let mut by_batch: BTreeMap<u64, Vec<Dust>> = BTreeMap::new();
    for dust in app.store.dust(settings.minimum_payout, settings.max_push.max(1))? {
        by_batch.entry(dust.batch).or_default().push(dust);
    }
    let mut done = Vec::new();
    for (number, dust) in by_batch {
        let Some(mut record) = app.store.batch(number)? else { continue };
        let BatchState::Paid { batch, tx, block, mut pushed } = record.state.clone() else { continue };
        let mut due = Vec::new();
        for dust in &dust {
            // Somebody else may have pushed it.
            if !pending(app, batch, dust.payee).await?.is_zero() {
                due.push(dust.payee);
            }
        }
        if !due.is_empty() {
            tracing::info!(batch, payees = due.len(), "what was left of a batch is paid out");
            let tx = push(app, batch, due).await?;
            pushed.push(tx);
            done.push(PushedBatch { batch, txs: vec![tx] });
        }
        record.state = BatchState::Paid { batch, tx, block, pushed };
        app.store.put_paid_batch(&record, &[], &dust)?;
    }
    Ok(done)
}

/// What a payee is still to get of a batch.
async fn pending(app: &App, batch: u64, payee: Address) -> Result<U256, ChainError> {
    let pending = app.chain.settlement().pendingOf(batch, payee).call().await;
    app.chain.read("a pending credit", pending)
}

/// Pays some payees of a batch.
async fn push(app: &App, batch: u64, payees: Vec<Address>) -> Result<B256, ChainError> {
    let data = Contract::pushCall { id: batch, payees }.abi_encode().into();
    let call = Call { what: "paying out a batch", to: app.chain.network().settlement, value: 0, data };
    Ok(app.chain.submit(&call).await?.transaction_hash)
}

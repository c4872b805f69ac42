//! `eth_subscribe`: new heads, logs, and (never a message) pending transactions.

use alloy_rpc_types_eth::Filter;
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
    core::{SubscriptionResult, to_json_raw_value},
};
use tokio::sync::broadcast::error::RecvError;

use super::{convert, error::invalid_params};
use crate::ledger::Ledger;

/// How long a subscriber that does not read may hold its connection's buffer full.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) async fn serve(
    ledger: Ledger,
    pending: PendingSubscriptionSink,
    kind: &str,
    filter: Filter,
) -> SubscriptionResult {
    // Before the acceptance is sent, so that no block after it is missed.
    let mut finalized = ledger.subscribe();
    let logs = match kind {
        "newHeads" => None,
        "logs" => Some(filter),
        "newPendingTransactions" | "syncing" => {
            // Nothing to tell: what arrives is final at once, and this node serves only what is final.
            let sink = pending.accept().await?;
            sink.closed().await;
            return Ok(());
        }
        other => {
            pending.reject(invalid_params(format!("no {other:?} subscription; there are newHeads and logs"))).await;
            return Ok(());
        }
    };
    let sink = pending.accept().await?;
    loop {
        let head = tokio::select! {
            () = sink.closed() => return Ok(()),
            head = finalized.recv() => head,
        };
        let head = match head {
            Ok(head) => head,
            Err(RecvError::Closed) => return Ok(()),
            // It missed blocks: ending the subscription says so, going on would hide it.
            Err(RecvError::Lagged(missed)) => {
                return Err(format!("the subscriber was too slow and missed {missed} blocks").into());
            }
        };
        match &logs {
            None => send(&sink, &convert::header(&head.block)).await?,
            Some(filter) => {
                if !filter.matches_bloom(head.header().logs_bloom) {
                    continue;
                }
                let receipts = ledger.store().receipts(head.block.number())?;
                for log in convert::logs(&head.block, &receipts, filter) {
                    send(&sink, &log).await?;
                }
            }
        }
    }
}

async fn send(sink: &SubscriptionSink, item: &impl serde::Serialize) -> SubscriptionResult {
    let message = to_json_raw_value(item)?;
    sink.send_timeout(message, PATIENCE).await?;
    Ok(())
}

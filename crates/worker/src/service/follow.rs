//! Follows the chain: whatever a new block changes is known to the next job.

use std::time::Duration;

use super::Shared;
use crate::{adoption::View, ledger::LedgerError};

/// After a failed read the chain is left alone for this long.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub(super) async fn follow(shared: &Shared) {
    let mut known = None;
    loop {
        match look(shared, known).await {
            Ok(block) => {
                known = Some(block);
                tokio::time::sleep(shared.config.poll).await;
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot follow the chain");
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
    }
}

/// Reads the chain if it has a block that is not known yet.
async fn look(shared: &Shared, known: Option<u64>) -> Result<u64, LedgerError> {
    let ledger = &shared.ledger;
    let block = ledger.block_number().await?;
    if known == Some(block) {
        return Ok(block);
    }
    // In this order: see `View::new`.
    let datanets = ledger.datanets().await?;
    let models = ledger.models().await?;
    let contributions = ledger.contributions(fonte_types::ContributionId(1)).await?;
    shared.learn(View::new(block, datanets, contributions, models));
    Ok(block)
}

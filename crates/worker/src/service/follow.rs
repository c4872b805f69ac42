//! Follows the chain: whatever a new block changes is known to the next job.

use std::{sync::Arc, time::Duration};

use fonte_bindings::{Catalogue, Contributions};

use super::Shared;
use crate::{adoption::View, ledger::LedgerError};

/// After a failed read the chain is left alone for this long.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// What was last read of the chain.
struct Known {
    catalogue: Catalogue,
    contributions: Contributions,
}

/// Runs until it is dropped.
pub(super) async fn follow(shared: &Shared) {
    let mut known = None;
    loop {
        match look(shared, &mut known).await {
            Ok(()) => tokio::time::sleep(shared.config.poll).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot follow the chain");
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
    }
}

/// Reads what a block changed, if there is one that is not known yet.
async fn look(shared: &Shared, known: &mut Option<Known>) -> Result<(), LedgerError> {
    let ledger = &shared.ledger;
    // In this order: see `View::new`.
    let catalogue = ledger.catalogue(known.as_ref().map(|known| known.catalogue.clone())).await?;
    if known.as_ref().is_some_and(|known| known.catalogue.block == catalogue.block) {
        return Ok(());
    }
    let contributions = match &known {
        Some(known) if Arc::ptr_eq(&known.catalogue.datanets, &catalogue.datanets) => known.contributions.clone(),
        _ => ledger.contributions(known.as_ref().map(|known| known.contributions.clone())).await?,
    };
    shared.learn(View::new(&catalogue, &contributions));
    *known = Some(Known { catalogue, contributions });
    Ok(())
}

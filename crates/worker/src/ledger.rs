//! What the worker reads from the chain, behind a trait so that tests can play the chain.

use fonte_bindings::{Client, ContributionRecord, DatanetRecord, ModelRecord};
use fonte_types::ContributionId;
use futures::future::{BoxFuture, FutureExt};

/// The chain could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the chain could not be read; it is asked again shortly")]
pub struct LedgerError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A read of the chain.
pub type Reading<'a, T> = BoxFuture<'a, Result<T, LedgerError>>;

/// The chain as a worker reads it. All reads are of final blocks.
pub trait Ledger: Send + Sync + 'static {
    /// Number of the latest block.
    fn block_number(&self) -> Reading<'_, u64>;
    /// Every datanet with its latest version.
    fn datanets(&self) -> Reading<'_, Vec<DatanetRecord>>;
    /// Every revealed contribution from an id on, ascending.
    fn contributions(&self, first: ContributionId) -> Reading<'_, Vec<ContributionRecord>>;
    /// Every registered model with the terms in force.
    fn models(&self) -> Reading<'_, Vec<ModelRecord>>;
}

impl Ledger for Client {
    fn block_number(&self) -> Reading<'_, u64> {
        async { Self::block_number(self).await.map_err(error) }.boxed()
    }

    fn datanets(&self) -> Reading<'_, Vec<DatanetRecord>> {
        async { Self::datanets(self).await.map_err(error) }.boxed()
    }

    fn contributions(&self, first: ContributionId) -> Reading<'_, Vec<ContributionRecord>> {
        async move { Self::contributions(self, first).await.map_err(error) }.boxed()
    }

    fn models(&self) -> Reading<'_, Vec<ModelRecord>> {
        async { Self::models(self).await.map_err(error) }.boxed()
    }
}

fn error(source: fonte_bindings::ClientError) -> LedgerError {
    LedgerError(Box::new(source))
}

//! What the worker reads from the chain, behind a trait so that tests can play the chain.

use fonte_bindings::{Catalogue, Client, Contributions};
use futures::future::{BoxFuture, FutureExt};

/// The chain could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the chain could not be read; it is asked again shortly")]
pub struct LedgerError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A read of the chain.
pub type Reading<'a, T> = BoxFuture<'a, Result<T, LedgerError>>;

/// The chain as a worker reads it. All reads are of final blocks.
pub trait Ledger: Send + Sync + 'static {
    /// Every datanet with its latest version and every model with the terms in force, as of the latest block.
    fn catalogue(&self, known: Option<Catalogue>) -> Reading<'_, Catalogue>;
    /// Every revealed contribution, as of the latest block.
    fn contributions(&self, known: Option<Contributions>) -> Reading<'_, Contributions>;
}

impl Ledger for Client {
    fn catalogue(&self, known: Option<Catalogue>) -> Reading<'_, Catalogue> {
        async move { Self::catalogue(self, known.as_ref()).await.map_err(error) }.boxed()
    }

    fn contributions(&self, known: Option<Contributions>) -> Reading<'_, Contributions> {
        async move { self.contributions_since(known.as_ref()).await.map_err(error) }.boxed()
    }
}

fn error(source: fonte_bindings::ClientError) -> LedgerError {
    LedgerError(Box::new(source))
}

//! Fetches what the chain lists and this host lacks, from the gateway at the other end of one connection.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::Seek,
    sync::Arc,
};

use fonte_bindings::ContributionRecord;
use fonte_corpus::bundle::BundleLimits;
use fonte_types::{ContributionId, wire::ToGateway};
use tokio::{
    io::AsyncWriteExt,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{ServeError, Shared};
use crate::library::{Acquired, LibraryError};

/// Contributions asked for and not yet checked. They are checked side by side, as each waits for the disk.
const IN_FLIGHT: usize = 32;

/// What is indexed at once: one search commit and one trace segment for all of them.
const BATCH: usize = 512;
/// Bytes of text in a batch.
const BATCH_BYTES: u64 = 256 << 20;

/// Room that metadata, salts and the index of a bundle take besides its texts, per document: eight fields of at most
/// 64 KiB.
const PER_DOCUMENT: u64 = 9 * (64 << 10);

/// What the connection's reader hands over.
pub(super) enum Delivery {
    Part(ContributionId, Vec<u8>),
    End(ContributionId, u64),
    Missing(ContributionId),
}

/// A bundle that is arriving, in a file without a name.
struct Incoming {
    acquired: Acquired,
    file: tokio::fs::File,
    bytes: u64,
    limit: u64,
}

struct Fetch {
    shared: Arc<Shared>,
    out: mpsc::Sender<ToGateway>,
    wanted: VecDeque<Acquired>,
    incoming: BTreeMap<ContributionId, Incoming>,
    /// Arrived, being hashed and stored.
    checking: BTreeSet<ContributionId>,
    checks: JoinSet<(Acquired, Result<(), LibraryError>)>,
    /// At most one: merging what has been indexed.
    merging: JoinSet<Result<(), LibraryError>>,
    /// Verified and stored, to be indexed with the others.
    stored: Vec<Acquired>,
    stored_bytes: u64,
    /// When to ask again for what this gateway did not have, or sent wrongly.
    later: BTreeMap<ContributionId, Instant>,
}

/// Runs until the connection ends. Bundles arrive at the speed at which they are written: the reader waits meanwhile.
pub(super) async fn fetch(
    shared: Arc<Shared>,
    out: mpsc::Sender<ToGateway>,
    mut deliveries: mpsc::Receiver<Delivery>,
) -> Result<(), ServeError> {
    let mut changes = shared.subscribe();
    // What is known already counts as a change.
    changes.mark_changed();
    let mut fetch = Fetch {
        shared,
        out,
        wanted: VecDeque::new(),
        incoming: BTreeMap::new(),
        checking: BTreeSet::new(),
        checks: JoinSet::new(),
        merging: JoinSet::new(),
        stored: Vec::new(),
        stored_bytes: 0,
        later: BTreeMap::new(),
    };
    loop {
        let retry = fetch.later.values().min().copied();
        let again = async move {
            match retry {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            delivery = deliveries.recv() => match delivery {
                Some(delivery) => fetch.take(delivery).await?,
                None => return Ok(()),
            },
            Some(checked) = fetch.checks.join_next() => fetch.checked(checked),
            Some(merged) = fetch.merging.join_next() => merged_or_told(merged),
            changed = changes.changed() => match changed {
                Ok(()) => fetch.plan().await?,
                Err(_) => return Ok(()),
            },
            () = again => fetch.plan().await?,
        }
        if !fetch.ask().await {
            return Ok(());
        }
        let full = fetch.stored.len() >= BATCH || fetch.stored_bytes >= BATCH_BYTES;
        if !fetch.stored.is_empty() && (fetch.incoming.is_empty() && fetch.checks.is_empty() || full) {
            fetch.index().await?;
        }
    }
}

impl Fetch {
    /// Finds out what is lacking now. What is here but not in the indexes (after a kill) is indexed without fetching.
    async fn plan(&mut self) -> Result<(), ServeError> {
        let now = Instant::now();
        self.later.retain(|_, at| *at > now);
        let busy: BTreeSet<ContributionId> = self
            .incoming
            .keys()
            .chain(self.later.keys())
            .chain(&self.checking)
            .copied()
            .chain(self.stored.iter().map(|acquired| acquired.record.id))
            .collect();
        let shared = self.shared.clone();
        let sorted = blocking(move || {
            let view = shared.snapshot().view.clone();
            let (mut indexed, mut stored, mut wanted) = (Vec::new(), Vec::new(), VecDeque::new());
            let mut commons_made = false;
            for acquired in view.wanted() {
                let record = &acquired.record;
                if busy.contains(&record.id) || shared.is_indexed(record.id) {
                    continue;
                }
                let is_commons = shared.config.commons == Some(record.membership.datanet);
                if is_commons && !commons_made && !shared.library.holds(record) {
                    commons_made = true;
                    shared.library.make_commons()?;
                }
                if !shared.library.holds(record) {
                    wanted.push_back(acquired);
                } else if shared.library.is_indexed(&acquired)? {
                    indexed.push(record.id);
                } else {
                    stored.push(acquired);
                }
            }
            shared.mark_indexed(indexed);
            Ok((stored, wanted))
        });
        match sorted.await {
            Ok((stored, wanted)) => {
                for acquired in stored {
                    self.add_stored(acquired);
                }
                self.wanted = wanted;
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "cannot see what is lacking"),
        }
        Ok(())
    }

    /// Asks for more, up to the bound. `false` once nobody sends any more.
    async fn ask(&mut self) -> bool {
        while self.incoming.len() + self.checks.len() < IN_FLIGHT {
            let Some(acquired) = self.wanted.pop_front() else { break };
            let contribution = acquired.record.id;
            let file = match tempfile::tempfile_in(&self.shared.config.data_dir) {
                Ok(file) => tokio::fs::File::from_std(file),
                Err(error) => {
                    tracing::error!(%contribution, %error, "cannot write what arrives: check the data folder");
                    self.postpone(contribution);
                    continue;
                }
            };
            let limit = largest(&acquired.record);
            self.incoming.insert(contribution, Incoming { acquired, file, bytes: 0, limit });
            if self.out.send(ToGateway::NeedContribution { contribution }).await.is_err() {
                return false;
            }
        }
        true
    }

    async fn take(&mut self, delivery: Delivery) -> Result<(), ServeError> {
        const UNASKED: ServeError = ServeError::Protocol("it sent a contribution that was not asked for");
        match delivery {
            Delivery::Part(id, part) => {
                let incoming = self.incoming.get_mut(&id).ok_or(UNASKED)?;
                incoming.bytes += part.len() as u64;
                if incoming.bytes > incoming.limit {
                    return Err(ServeError::Protocol("it sent more of a contribution than the chain says there is"));
                }
                incoming.file.write_all(&part).await?;
            }
            Delivery::Missing(id) => {
                self.incoming.remove(&id).ok_or(UNASKED)?;
                tracing::info!(contribution = %id, "the gateway does not hold a contribution; asking again later");
                self.postpone(id);
            }
            Delivery::End(id, bytes) => {
                let mut incoming = self.incoming.remove(&id).ok_or(UNASKED)?;
                if incoming.bytes != bytes {
                    return Err(ServeError::Protocol("a contribution ended before all of it was sent"));
                }
                incoming.file.flush().await?;
                let mut file = incoming.file.into_std().await;
                let (shared, acquired) = (self.shared.clone(), incoming.acquired);
                self.checking.insert(id);
                self.checks.spawn_blocking(move || {
                    let read_back = |source| fonte_corpus::store::StoreError::Io {
                        doing: "read back",
                        path: shared.config.data_dir.clone(),
                        source,
                    };
                    let checked = file
                        .rewind()
                        .map_err(|source| read_back(source).into())
                        .and_then(|()| shared.library.receive(&acquired.record, file));
                    (acquired, checked)
                });
            }
        }
        Ok(())
    }

    fn checked(&mut self, checked: Result<(Acquired, Result<(), LibraryError>), tokio::task::JoinError>) {
        let (acquired, result) = checked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        let id = acquired.record.id;
        self.checking.remove(&id);
        match result {
            Ok(()) => self.add_stored(acquired),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(contribution = %id, error, "a contribution was refused; its version is not adopted");
                self.postpone(id);
            }
        }
    }

    fn add_stored(&mut self, acquired: Acquired) {
        // What is stored may be misstated: that shows when it is indexed.
        self.stored_bytes = self.stored_bytes.saturating_add(acquired.record.text_bytes);
        self.stored.push(acquired);
    }

    async fn index(&mut self) -> Result<(), ServeError> {
        let batch = std::mem::take(&mut self.stored);
        self.stored_bytes = 0;
        let ids: Vec<ContributionId> = batch.iter().map(|acquired| acquired.record.id).collect();
        let shared = self.shared.clone();
        let indexed = blocking(move || {
            // One misstated contribution must not keep the others out.
            let (good, bad): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|acquired| shared.library.is_as_stated(&acquired.record).is_ok());
            shared.index(&good)?;
            Ok(bad)
        });
        match indexed.await {
            Ok(bad) => {
                for acquired in bad {
                    tracing::warn!(contribution = %acquired.record.id, "not what the chain says of it: not adopted");
                    self.postpone(acquired.record.id);
                }
                self.merge();
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "indexing failed; trying again later");
                ids.into_iter().for_each(|id| self.postpone(id));
            }
        }
        Ok(())
    }

    /// What was indexed is adopted by now, and more may come meanwhile. Where that makes another merge due, the next batch's
    /// call finds it.
    fn merge(&mut self) {
        if self.merging.is_empty() {
            let shared = self.shared.clone();
            self.merging.spawn_blocking(move || shared.library.merge());
        }
    }

    fn postpone(&mut self, id: ContributionId) {
        self.later.insert(id, Instant::now() + self.shared.config.retry);
    }
}

/// Bytes that a bundle has at most, by what the chain says of it, which anybody may have written, and by what the store
/// takes.
fn largest(record: &ContributionRecord) -> u64 {
    let besides = (u64::from(record.documents) + 1) * PER_DOCUMENT;
    record.text_bytes.saturating_add(besides).min(BundleLimits::default().bytes)
}

/// Segments that could not be merged answer all the same, and are merged by a later call.
fn merged_or_told(merged: Result<Result<(), LibraryError>, tokio::task::JoinError>) {
    let merged = merged.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    if let Err(error) = merged {
        tracing::error!(error = &error as &dyn std::error::Error, "segments of the trace index could not be merged");
    }
}

/// Runs on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LibraryError> + Send + 'static,
) -> Result<T, LibraryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The runtime is shutting down only after its tasks were dropped, so this is a panic: pass it on.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256};
    use fonte_bindings::client::ContributionStatus;
    use fonte_types::{DatanetId, Version, ids::Membership};

    use super::*;

    #[test]
    fn whatever_the_chain_says_a_bundle_has_a_bound() {
        let record = |documents, text_bytes| ContributionRecord {
            id: ContributionId(1),
            status: ContributionStatus::Accepted,
            root: B256::ZERO,
            documents,
            text_bytes,
            membership: Membership { datanet: DatanetId(1), added: Version(1), withdrawn: None },
            contributor: Address::ZERO,
            payee: Address::ZERO,
        };
        assert_eq!(largest(&record(1, 1000)), 1000 + 2 * PER_DOCUMENT);
        for (documents, text_bytes) in [(u32::MAX, 1), (1, u64::MAX), (u32::MAX, u64::MAX)] {
            assert_eq!(largest(&record(documents, text_bytes)), BundleLimits::default().bytes);
        }
    }
}

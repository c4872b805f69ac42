//! Installed filters (`eth_newFilter` and its kin): bounded in number, forgotten when not polled.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::Filter;
use parking_lot::Mutex;

/// What a filter watches.
#[derive(Clone, Debug)]
pub(super) enum Watch {
    Blocks,
    Logs(Box<Filter>),
    /// Accepted, and always empty: a transaction is final tens of milliseconds after it arrives.
    Pending,
}

struct Installed {
    watch: Watch,
    /// The first block that the next poll reports.
    next: u64,
    polled: Instant,
}

/// The installed filters.
pub(super) struct Filters {
    max: usize,
    lifetime: Duration,
    installed: Mutex<HashMap<U256, Installed>>,
}

impl Filters {
    pub(super) fn new(max: usize, lifetime: Duration) -> Self {
        Self { max, lifetime, installed: Mutex::default() }
    }

    /// Installs a filter that reports from block `next` on; `None` when there are too many.
    pub(super) fn install(&self, watch: Watch, next: u64) -> Option<U256> {
        let mut installed = self.installed.lock();
        installed.retain(|_, filter| filter.polled.elapsed() < self.lifetime);
        if installed.len() >= self.max {
            return None;
        }
        // Random, so that one client cannot guess another's filter.
        let id = U256::from_be_slice(&B256::random()[..16]);
        installed.insert(id, Installed { watch, next, polled: Instant::now() });
        Some(id)
    }

    /// What the filter watches and the first block to report; see [`Self::reported`].
    pub(super) fn poll(&self, id: U256) -> Option<(Watch, u64)> {
        let mut installed = self.installed.lock();
        installed.retain(|_, filter| filter.polled.elapsed() < self.lifetime);
        let filter = installed.get_mut(&id)?;
        filter.polled = Instant::now();
        Some((filter.watch.clone(), filter.next))
    }

    /// It will next report from `next` on.
    pub(super) fn reported(&self, id: U256, next: u64) {
        if let Some(filter) = self.installed.lock().get_mut(&id) {
            filter.next = filter.next.max(next);
        }
    }

    pub(super) fn get(&self, id: U256) -> Option<Watch> {
        let mut installed = self.installed.lock();
        let filter = installed.get_mut(&id)?;
        filter.polled = Instant::now();
        Some(filter.watch.clone())
    }

    pub(super) fn uninstall(&self, id: U256) -> bool {
        self.installed.lock().remove(&id).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_forgotten() {
        let filters = Filters::new(2, Duration::from_secs(60));
        let a = filters.install(Watch::Blocks, 5).unwrap();
        let b = filters.install(Watch::Pending, 5).unwrap();
        assert!(filters.install(Watch::Blocks, 5).is_none());
        assert!(matches!(filters.poll(a), Some((Watch::Blocks, 5))));
        assert!(matches!(filters.poll(a), Some((Watch::Blocks, 5))), "nothing was reported yet");
        filters.reported(a, 9);
        filters.reported(a, 7);
        assert!(matches!(filters.poll(a), Some((Watch::Blocks, 9))));
        assert!(filters.uninstall(b));
        assert!(!filters.uninstall(b));
        assert!(filters.install(Watch::Blocks, 5).is_some());

        let forgetful = Filters::new(1, Duration::ZERO);
        let id = forgetful.install(Watch::Blocks, 0).unwrap();
        assert!(forgetful.poll(id).is_none());
        assert!(forgetful.install(Watch::Blocks, 0).is_some());
    }
}

//! Adapters: registered by content hash without limit, loaded by a thread when a request for one arrives, packed, and kept
//! until memory is short.
//!
//! On a CPU there are two tiers: the source (files, which the system's page cache keeps in memory as it can) and the packed
//! arena. A parsed copy between the two would take as much memory as the arena and save only the packing.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::arena::PackedAdapter;
use crate::model::{Adapter, ContentHash, ModelConfig};

/// Where adapters come from. Called by the engine's loading thread, one at a time.
pub trait AdapterSource: Send + 'static {
    /// Reads and checks the adapter of a registered hash.
    ///
    /// # Errors
    /// Whatever went wrong; the requests that wait for the adapter fail with its words, and the next one tries again. A panic
    /// counts as an error.
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Box<dyn std::error::Error + Send + Sync>>;
}

/// A source without adapters, for a base model alone.
pub struct NoAdapters;

impl AdapterSource for NoAdapters {
    fn load(&self, _: &ContentHash) -> Result<Adapter, Box<dyn std::error::Error + Send + Sync>> {
        Err("this engine has no source of adapters".into())
    }
}

/// Loads that are asked for and not yet answered: as many as the thread can do in the time of a long step, since steps are
/// when it is asked. Each may overshoot the budget until its size is known.
const MAX_LOADING: usize = 8;

enum State {
    Absent,
    Loading,
    Resident(Arc<PackedAdapter>),
}

struct Entry {
    state: State,
    /// Running sequences.
    users: usize,
    pinned: bool,
    used_at: u64,
    /// Its bytes, once it was here: what a hash names does not change.
    size: Option<usize>,
}

impl Entry {
    /// Its bytes, if it is in memory and nobody needs it there.
    fn idle_bytes(&self) -> Option<usize> {
        match &self.state {
            State::Resident(packed) if self.users == 0 && !self.pinned => Some(packed.bytes()),
            _ => None,
        }
    }
}

/// The registered adapters and the thread that loads them.
pub(crate) struct Adapters {
    entries: HashMap<ContentHash, Entry>,
    pinned: BTreeSet<ContentHash>,
    /// In memory, unused and not pinned: the longest unused first.
    idle: BTreeSet<(u64, ContentHash)>,
    idle_bytes: usize,
    /// What each load under way is expected to take. They come in this order.
    loading: VecDeque<usize>,
    bytes: usize,
    /// The sizes that are known of registered ones.
    sizes: BTreeSet<(usize, ContentHash)>,
    pub(crate) loads: u64,
    pub(crate) evictions: u64,
    orders: Option<SyncSender<ContentHash>>,
    loaded: Receiver<(ContentHash, Result<PackedAdapter, String>)>,
    thread: Option<JoinHandle<()>>,
}

/// What became of a load.
pub(crate) struct Loaded {
    pub(crate) hash: ContentHash,
    pub(crate) result: Result<(), String>,
}

impl Adapters {
    pub(crate) fn new(config: ModelConfig, source: impl AdapterSource) -> std::io::Result<Self> {
        let (orders, inbox) = sync_channel::<ContentHash>(MAX_LOADING);
        let (outbox, loaded) = sync_channel(MAX_LOADING);
        let thread = std::thread::Builder::new().name("adapter-loader".into()).spawn(move || {
            for hash in inbox {
                let load = || {
                    (source.load(&hash).map_err(|error| error.to_string()))
                        .and_then(|adapter| check_hash(adapter, hash))
                        .and_then(|adapter| PackedAdapter::pack(&adapter, &config))
                };
                // A thread that died would leave all that wait for an adapter waiting. What a panic may have broken is the
                // source's own, which is only asked again, and what it gives then is checked as ever.
                let result = catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| {
                    Err("the source of adapters panicked, which is a fault of this program".into())
                });
                if outbox.send((hash, result)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self {
            entries: HashMap::new(),
            pinned: BTreeSet::new(),
            idle: BTreeSet::new(),
            idle_bytes: 0,
            loading: VecDeque::new(),
            bytes: 0,
            sizes: BTreeSet::new(),
            loads: 0,
            evictions: 0,
            orders: Some(orders),
            loaded,
            thread: Some(thread),
        })
    }

    /// Makes a hash known. Nothing is read.
    pub(crate) fn register(&mut self, hash: ContentHash) {
        let entry = Entry { state: State::Absent, users: 0, pinned: false, used_at: 0, size: None };
        self.entries.entry(hash).or_insert(entry);
    }

    /// Changes an entry and keeps the set of idle ones in step.
    fn change<T>(&mut self, hash: &ContentHash, act: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.entries.get_mut(hash)?;
        if let Some(bytes) = entry.idle_bytes() {
            self.idle.remove(&(entry.used_at, *hash));
            self.idle_bytes -= bytes;
        }
        let result = act(entry);
        if let Some(bytes) = entry.idle_bytes() {
            self.idle.insert((entry.used_at, *hash));
            self.idle_bytes += bytes;
        }
        Some(result)
    }

    /// Forgets an adapter that no running sequence uses; says whether it did.
    pub(crate) fn unregister(&mut self, hash: &ContentHash) -> bool {
        if self.entries.get(hash).is_none_or(|entry| entry.users > 0) {
            return false;
        }
        self.pin(hash, false);
        self.evict(hash);
        // A load under way is answered to nobody.
        let entry = self.entries.remove(hash);
        if let Some(size) = entry.as_ref().and_then(|entry| entry.size) {
            self.sizes.remove(&(size, *hash));
        }
        entry.is_some()
    }

    /// Takes an adapter out of memory, pinned or not, and keeps it known; says whether it is out.
    pub(crate) fn unload(&mut self, hash: &ContentHash) -> bool {
        self.pin(hash, false);
        if self.entries.get(hash).is_some_and(|entry| entry.idle_bytes().is_some()) {
            self.evict(hash);
        }
        self.is_absent(hash)
    }

    /// Keeps an adapter in memory from its next load on, or no longer; says whether it is registered.
    pub(crate) fn pin(&mut self, hash: &ContentHash, pinned: bool) -> bool {
        let found = self.change(hash, |entry| entry.pinned = pinned).is_some();
        if found && pinned {
            self.pinned.insert(*hash);
        } else {
            self.pinned.remove(hash);
        }
        found
    }

    pub(crate) fn is_registered(&self, hash: &ContentHash) -> bool {
        self.entries.contains_key(hash)
    }

    pub(crate) fn registered(&self) -> usize {
        self.entries.len()
    }

    /// The packed adapter, if it is in memory.
    pub(crate) fn get(&self, hash: &ContentHash) -> Option<&Arc<PackedAdapter>> {
        match &self.entries.get(hash)?.state {
            State::Resident(packed) => Some(packed),
            _ => None,
        }
    }

    /// What a newcomer that uses the adapter adds to the memory that is in use, once it is here.
    pub(crate) fn cost(&self, hash: &ContentHash) -> usize {
        match self.entries.get(hash) {
            Some(entry) if matches!(entry.state, State::Resident(_)) => entry.idle_bytes().unwrap_or(0),
            _ => self.expected(hash),
        }
    }

    /// Whether it was ever here, so that its size is known.
    pub(crate) fn is_known(&self, hash: &ContentHash) -> bool {
        self.entries.get(hash).is_some_and(|entry| entry.size.is_some())
    }

    /// Counts a running sequence in or out; gives the packed adapter, if it is in memory.
    pub(crate) fn count(&mut self, hash: &ContentHash, running: bool, now: u64) -> Option<Arc<PackedAdapter>> {
        self.change(hash, |entry| {
            entry.users = if running { entry.users + 1 } else { entry.users - 1 };
            entry.used_at = now;
        });
        self.get(hash).cloned()
    }

    /// Hashes in memory and their bytes.
    pub(crate) fn resident(&self) -> impl Iterator<Item = (&ContentHash, usize)> {
        self.entries.iter().filter_map(|(hash, entry)| match &entry.state {
            State::Resident(packed) => Some((hash, packed.bytes())),
            _ => None,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What an adapter takes in memory: one that was never here as much as the largest known.
    pub(crate) fn expected(&self, hash: &ContentHash) -> usize {
        let largest = || self.sizes.last().map_or(0, |(size, _)| *size);
        self.entries.get(hash).and_then(|entry| entry.size).unwrap_or_else(largest)
    }

    /// What loads under way may add.
    pub(crate) fn loading_bytes(&self) -> usize {
        self.loading.iter().sum()
    }

    /// Bytes that eviction could free.
    pub(crate) fn idle_bytes(&self) -> usize {
        self.idle_bytes
    }

    /// Bytes of the pinned adapters and this one, as [`Adapters::expected`].
    pub(crate) fn pinned_bytes(&self, with: &ContentHash) -> usize {
        let more = (!self.pinned.contains(with)).then_some(with);
        self.pinned.iter().chain(more).map(|hash| self.expected(hash)).sum()
    }

    pub(crate) fn pinned(&self) -> impl Iterator<Item = &ContentHash> {
        self.pinned.iter()
    }

    /// The unused adapter that was used longest ago, but none that is `wanted`.
    pub(crate) fn oldest(&self, wanted: impl Fn(&ContentHash) -> bool) -> Option<(u64, ContentHash)> {
        self.idle.iter().find(|(_, hash)| !wanted(hash)).copied()
    }

    /// One that no running sequence uses, pinned ones last.
    pub(crate) fn unused(&self) -> Option<ContentHash> {
        let unused = |hash: &&ContentHash| {
            self.entries.get(hash).is_some_and(|entry| entry.users == 0 && matches!(entry.state, State::Resident(_)))
        };
        self.idle.first().map(|(_, hash)| *hash).or_else(|| self.pinned.iter().find(unused).copied())
    }

    pub(crate) fn evict(&mut self, hash: &ContentHash) {
        let state = self.change(hash, |entry| std::mem::replace(&mut entry.state, State::Absent));
        if let Some(State::Resident(packed)) = state {
            self.bytes -= packed.bytes();
            self.evictions += 1;
        }
    }

    pub(crate) fn can_load(&self) -> bool {
        // Of the first nothing is known.
        self.loading.len() < if self.sizes.is_empty() { 1 } else { MAX_LOADING }
    }

    pub(crate) fn is_loading(&self) -> bool {
        !self.loading.is_empty()
    }

    pub(crate) fn is_absent(&self, hash: &ContentHash) -> bool {
        self.entries.get(hash).is_some_and(|entry| matches!(entry.state, State::Absent))
    }

    /// Asks the thread for an absent adapter.
    pub(crate) fn load(&mut self, hash: ContentHash) {
        let expected = self.expected(&hash);
        let Some(entry) = self.entries.get_mut(&hash) else { return };
        // The channel has room for `MAX_LOADING`, and the thread lives as long as this.
        if self.orders.as_ref().is_some_and(|orders| orders.try_send(hash).is_ok()) {
            entry.state = State::Loading;
            self.loading.push_back(expected);
        }
    }

    /// The next finished load, waiting up to `wait` for one.
    pub(crate) fn next_loaded(&mut self, wait: Duration, now: u64) -> Option<Loaded> {
        // The thread is there: it catches the source's panics, and ends only when this is dropped.
        let (hash, result) = self.loaded.recv_timeout(wait).ok()?;
        self.loading.pop_front();
        let mut bytes = 0;
        let result = self.change(&hash, |entry| match (&entry.state, result) {
            // It was unregistered, registered and asked for again, and the first load has come.
            (State::Resident(_), _) => Ok(()),
            (_, Ok(packed)) => {
                bytes = packed.bytes();
                entry.used_at = now;
                entry.size = Some(bytes);
                entry.state = State::Resident(Arc::new(packed));
                Ok(())
            }
            (_, Err(reason)) => {
                entry.state = State::Absent;
                Err(reason)
            }
        });
        if bytes > 0 {
            self.bytes += bytes;
            self.sizes.insert((bytes, hash));
            self.loads += 1;
        }
        let result = result.unwrap_or(Ok(()));
        Some(Loaded { hash, result })
    }
}

fn check_hash(adapter: Adapter, hash: ContentHash) -> Result<Adapter, String> {
    if adapter.hash == hash { Ok(adapter) } else { Err("the source gave an adapter of another hash".into()) }
}

impl Drop for Adapters {
    fn drop(&mut self) {
        // Without a sender the thread's loop ends; what it still holds is dropped with the receiver.
        self.orders = None;
        while self.loaded.recv().is_ok() {}
        if let Some(thread) = self.thread.take() {
            // It catches panics.
            let _ = thread.join();
        }
    }
}

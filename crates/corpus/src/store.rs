//! The content-addressed store: one bundle file per contribution, named by its root, and a log of what the chain says
//! about each contribution.
//!
//! Bundles are written beside their place, made durable and renamed, so a bundle that is there is whole. The log is
//! JSON, one line per change, synced before the call returns; a line cut off by a crash is dropped on opening. Several
//! processes may share a store: writers take turns on the log's lock and read what others wrote first.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{Address, B256};
use fonte_types::{
    ids::{ContributionId, Membership},
    metadata::Metadata,
};
use serde::{Deserialize, Serialize};

use crate::{
    bundle::{Bundle, BundleError, BundleLimits, BundleWriter, Sealed},
    import::Document,
};

/// What the chain says about a contribution, as far as this host has heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContributionRecord {
    /// Its number on chain.
    pub id: ContributionId,
    /// Its root, the name of its bundle.
    pub root: B256,
    /// Datanet and versions.
    pub membership: Membership,
    /// Whose contribution it is.
    pub contributor: Address,
    /// Who is paid.
    pub payee: Address,
    /// The contributor's name where one is known: a label.
    #[serde(default)]
    pub name: String,
    /// Whether the datanet's terms let it be indexed.
    pub indexable: bool,
}

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("cannot {doing} {}: check permissions and free space", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A line in the middle of the log cannot be read.
    #[error("line {line} of {} is damaged: restore the file, or remove it and let it be rebuilt from the chain", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The number is taken by another root.
    #[error(
        "contribution {id} is already recorded with root {known}, not {got}: is this another network's data folder?"
    )]
    Conflict {
        /// The contribution.
        id: ContributionId,
        /// Root on record.
        known: B256,
        /// Root given.
        got: B256,
    },
    /// No record of this contribution.
    #[error("contribution {0} is unknown here: synchronise with the chain first")]
    UnknownContribution(ContributionId),
    /// The texts are not here.
    #[error("the texts of root {0} are not in this store: fetch the bundle from its host")]
    NoBundle(B256),
    /// A bundle was refused.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// The store of one host.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    limits: BundleLimits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    log: File,
    /// Bytes of the log that were read or written.
    read: u64,
    lines: usize,
    records: BTreeMap<ContributionId, ContributionRecord>,
    bundles: Opened,
}

/// Documents of bundles that are kept open, which is some 60 MB of their places; beyond, those not used for longest are
/// opened again.
const MOST_OPENED: usize = 1 << 20;

/// Bundles whose index is in memory.
#[derive(Debug, Default)]
struct Opened {
    bundles: HashMap<B256, (Arc<Bundle>, u64)>,
    documents: usize,
    /// Counts uses.
    clock: u64,
}

impl Opened {
    fn get(&mut self, root: B256) -> Option<Arc<Bundle>> {
        self.clock += 1;
        let (bundle, used) = self.bundles.get_mut(&root)?;
        *used = self.clock;
        Some(bundle.clone())
    }

    fn insert(&mut self, root: B256, bundle: Arc<Bundle>, most: usize) {
        self.remove(root);
        let documents = bundle.documents() as usize;
        while self.documents + documents > most
            && let Some(oldest) = self.bundles.iter().min_by_key(|(_, (_, used))| *used).map(|(root, _)| *root)
        {
            self.remove(oldest);
        }
        self.documents += documents;
        self.bundles.insert(root, (bundle, self.clock));
    }

    fn remove(&mut self, root: B256) {
        if let Some((bundle, _)) = self.bundles.remove(&root) {
            self.documents -= bundle.documents() as usize;
        }
    }
}

impl Store {
    /// Opens the store in a folder, creating it if need be.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_with(root, BundleLimits::default())
    }

    /// Opens the store with limits of its own.
    pub fn open_with(root: &Path, limits: BundleLimits) -> Result<Self, StoreError> {
        for folder in ["bundles", "unfinished"] {
            let path = root.join(folder);
            std::fs::create_dir_all(&path).map_err(|source| io("create", &path, source))?;
        }
        let path = root.join("contributions.jsonl");
        let log = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| io("open", &path, source))?;
        let state = State { log, read: 0, lines: 0, records: BTreeMap::new(), bundles: Opened::default() };
        let store = Self { root: root.to_owned(), limits, state: Mutex::new(state) };
        sweep(&store.root.join("unfinished"), |_| true)?;
        store.locked(|_| Ok(()))?;
        Ok(store)
    }

    /// Begins a bundle. Documents are added one by one; nothing is kept unless [`Self::seal`] is called.
    pub fn begin(&self, contributor: &str) -> Result<Draft, StoreError> {
        let path = self.unfinished();
        let writer = BundleWriter::create(&path, contributor)?;
        Ok(Draft { writer, _file: Unfinished(path.clone()), path })
    }

    /// Finishes a bundle and puts it in its place.
    pub fn seal(&self, draft: Draft) -> Result<Sealed, StoreError> {
        let Draft { writer, _file, path } = draft;
        let sealed = writer.finish()?;
        self.place(&path, sealed.root)?;
        Ok(sealed)
    }

    /// Takes a bundle from another machine: it is stored only if every text in it hashes up to `root`.
    pub fn receive(&self, root: B256, bytes: impl Read) -> Result<Arc<Bundle>, StoreError> {
        let path = self.unfinished();
        let _file = Unfinished(path.clone());
        let mut file = File::create(&path).map_err(|source| io("create", &path, source))?;
        // One byte more than allowed, so that Bundle::open sees and names the excess.
        let mut bytes = bytes.take(self.limits.bytes.saturating_add(1));
        std::io::copy(&mut bytes, &mut file).map_err(|source| io("write", &path, source))?;
        file.sync_all().map_err(|source| io("write", &path, source))?;
        Bundle::open(&path, self.limits)?.verify(root)?;
        self.place(&path, root)?;
        self.bundle(root)
    }

    /// The bundle of a root.
    pub fn bundle(&self, root: B256) -> Result<Arc<Bundle>, StoreError> {
        let mut state = self.state();
        if let Some(bundle) = state.bundles.get(root) {
            return Ok(bundle);
        }
        let path = self.bundle_path(root);
        if !path.exists() {
            return Err(StoreError::NoBundle(root));
        }
        let bundle = Arc::new(Bundle::open(&path, self.limits)?);
        state.bundles.insert(root, bundle.clone(), MOST_OPENED);
        Ok(bundle)
    }

    /// Whether the texts of a root are here.
    pub fn holds(&self, root: B256) -> bool {
        self.bundle_path(root).exists()
    }

    /// The bundle of a recorded contribution.
    pub fn bundle_of(&self, id: ContributionId) -> Result<Arc<Bundle>, StoreError> {
        let root = self.record(id).ok_or(StoreError::UnknownContribution(id))?.root;
        self.bundle(root)
    }

    /// Reads one text of a contribution.
    pub fn text(&self, id: ContributionId, document: u32) -> Result<String, StoreError> {
        Ok(self.bundle_of(id)?.text(document)?)
    }

    /// Path and metadata of one document.
    pub fn describe(&self, id: ContributionId, document: u32) -> Result<(String, Metadata), StoreError> {
        Ok(self.bundle_of(id)?.describe(document)?)
    }

    /// Writes down what the chain says; durable when it returns. Saying the same again changes nothing.
    pub fn put_records(&self, records: &[ContributionRecord]) -> Result<(), StoreError> {
        self.locked(|state| {
            let mut lines = Vec::new();
            let mut changed: BTreeMap<ContributionId, &ContributionRecord> = BTreeMap::new();
            for record in records {
                let known = changed.get(&record.id).copied().or_else(|| state.records.get(&record.id));
                match known {
                    Some(known) if known.root != record.root => {
                        return Err(StoreError::Conflict { id: record.id, known: known.root, got: record.root });
                    }
                    Some(known) if known == record => continue,
                    _ => {}
                }
                changed.insert(record.id, record);
                serde_json::to_writer(&mut lines, record).expect("a record is plain data");
                lines.push(b'\n');
            }
            if lines.is_empty() {
                return Ok(());
            }
            let path = self.log_path();
            let mut write = || {
                state.log.seek(SeekFrom::Start(state.read))?;
                state.log.write_all(&lines)?;
                state.log.sync_data()
            };
            write().map_err(|source| io("write", &path, source))?;
            state.read += lines.len() as u64;
            state.lines += lines.iter().filter(|byte| **byte == b'\n').count();
            state.records.extend(changed.into_iter().map(|(id, record)| (id, record.clone())));
            Ok(())
        })
    }

    /// Marks a contribution as withdrawn from a version on.
    pub fn withdraw(&self, id: ContributionId, from: fonte_types::Version) -> Result<(), StoreError> {
        let mut record = self.record(id).ok_or(StoreError::UnknownContribution(id))?;
        record.membership.withdrawn = Some(from);
        self.put_records(&[record])
    }

    /// Erases the texts and salts of a withdrawn contribution. The record stays.
    pub fn erase(&self, root: B256) -> Result<(), StoreError> {
        self.state().bundles.remove(root);
        let path = self.bundle_path(root);
        match std::fs::remove_file(&path) {
            Ok(()) => sync_folder(&self.root.join("bundles")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(io("remove", &path, source)),
        }
    }

    /// The record of a contribution.
    pub fn record(&self, id: ContributionId) -> Option<ContributionRecord> {
        self.state().records.get(&id).cloned()
    }

    /// All records, in the order of their ids.
    pub fn records(&self) -> Vec<ContributionRecord> {
        self.state().records.values().cloned().collect()
    }

    /// Reads what other processes have written since.
    pub fn refresh(&self) -> Result<(), StoreError> {
        self.locked(|_| Ok(()))
    }

    /// Runs under the log's lock, after reading what others wrote.
    fn locked<T>(&self, act: impl FnOnce(&mut State) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut state = self.state();
        let path = self.log_path();
        state.log.lock().map_err(|source| io("lock", &path, source))?;
        let result = state.catch_up(&path).and_then(|()| act(&mut state));
        let unlocked = state.log.unlock().map_err(|source| io("unlock", &path, source));
        result.and_then(|value| unlocked.map(|()| value))
    }

    /// Puts a bundle where its root says. One that is there stays: labels are not committed, so two files of a root may differ,
    /// and whoever has opened the first reads it by its places.
    fn place(&self, from: &Path, root: B256) -> Result<(), StoreError> {
        let to = self.bundle_path(root);
        self.locked(|_| {
            if to.exists() {
                return Ok(());
            }
            std::fs::rename(from, &to).map_err(|source| io("rename into place", &to, source))?;
            sync_folder(&self.root.join("bundles"))
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // State changes only after the log was written, so a panic elsewhere leaves it consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_path(&self) -> PathBuf {
        self.root.join("contributions.jsonl")
    }

    fn bundle_path(&self, root: B256) -> PathBuf {
        self.root.join("bundles").join(hex::encode(root))
    }

    fn unfinished(&self) -> PathBuf {
        self.root.join("unfinished").join(hex::encode(rand::random::<[u8; 16]>()))
    }
}

impl State {
    /// Reads complete lines from where it stopped, and cuts off a last line that a crash left incomplete.
    fn catch_up(&mut self, path: &Path) -> Result<(), StoreError> {
        let read = |source| io("read", path, source);
        let mut bytes = Vec::new();
        self.log.seek(SeekFrom::Start(self.read)).map_err(read)?;
        self.log.read_to_end(&mut bytes).map_err(read)?;
        let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in bytes[..complete].split_inclusive(|byte| *byte == b'\n') {
            let record: ContributionRecord = serde_json::from_slice(line).map_err(|source| StoreError::Log {
                path: path.to_owned(),
                line: self.lines + 1,
                source,
            })?;
            self.records.insert(record.id, record);
            self.lines += 1;
            self.read += line.len() as u64;
        }
        if complete < bytes.len() {
            self.log.set_len(self.read).map_err(|source| io("repair", path, source))?;
        }
        Ok(())
    }
}

/// A bundle being written. Dropped without [`Store::seal`], it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    writer: BundleWriter,
    _file: Unfinished,
    path: PathBuf,
}

impl Draft {
    /// Adds a document under a fresh random salt. Returns its commitment.
    pub fn add(&mut self, document: &Document) -> Result<B256, BundleError> {
        self.add_salted(document, random_salt())
    }

    /// Adds a document under a given salt: only for texts that everyone must commit alike.
    pub fn add_salted(&mut self, document: &Document, salt: B256) -> Result<B256, BundleError> {
        self.writer.add(document, salt)
    }

    /// Documents added so far.
    pub fn documents(&self) -> usize {
        self.writer.documents()
    }
}

/// A salt or blind from the system's generator.
pub fn random_salt() -> B256 {
    B256::from(rand::random::<[u8; 32]>())
}

/// Removes an unfinished file when it goes; after the rename there is none.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Nothing to do about a failure here; `Store::open` sweeps what is left.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { doing, path: path.to_owned(), source }
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|source| io("sync", path, source))
}

/// Removes what a killed process left behind: unfinished files older than a day, as another process may be writing.
pub(crate) fn sweep(folder: &Path, unfinished: impl Fn(&Path) -> bool) -> Result<(), StoreError> {
    const ABANDONED: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
    let entries = std::fs::read_dir(folder).map_err(|source| io("list", folder, source))?;
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED) && unfinished(&entry.path()) {
            // What cannot be removed only costs space.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels are not committed: another file of the same root must not get under those who read the first.
    #[test]
    fn a_bundle_that_is_there_stays() {
        let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let store = Store::open(folder.path()).expect("a store");
        let mut draft = store.begin("ana").expect("a draft");
        let document = Document { path: "a.md".into(), metadata: Metadata::default(), text: "A text.".into() };
        draft.add(&document).expect("added");
        let root = store.seal(draft).expect("sealed").root;
        let path = store.bundle(root).expect("held").path().to_owned();
        let first = std::fs::read(&path).expect("read");
        let mut second = first.clone();
        assert_eq!(&second[12..15], b"ana");
        second[12..15].copy_from_slice(b"bob");
        let elsewhere = Store::open(other.path()).expect("a store");
        assert_eq!(elsewhere.receive(root, &second[..]).expect("as good a file of the root").contributor(), "bob");
        assert_eq!(store.receive(root, &second[..]).expect("held").contributor(), "ana");
        assert_eq!(std::fs::read(&path).expect("read"), first);
    }

    #[test]
    fn few_bundles_are_kept_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let sealed = |name: &str| {
            let mut draft = store.begin(name).expect("a draft");
            let text = format!("The text of {name}.");
            let document = Document { path: "a.md".into(), metadata: Metadata::default(), text };
            draft.add(&document).expect("added");
            draft.add(&document).expect("added");
            store.seal(draft).expect("sealed").root
        };
        let roots = ["ana", "ben", "cleo"].map(sealed);
        let bundles = roots.map(|root| store.bundle(root).expect("held"));
        let mut opened = Opened::default();
        opened.insert(roots[0], bundles[0].clone(), 4);
        opened.insert(roots[1], bundles[1].clone(), 4);
        assert!(opened.get(roots[0]).is_some());
        opened.insert(roots[2], bundles[2].clone(), 4);
        let open = roots.map(|root| opened.get(root).is_some());
        assert_eq!((open, opened.documents), ([true, false, true], 4), "the one not used for longest is gone");
        opened.remove(roots[0]);
        opened.remove(roots[0]);
        assert_eq!(opened.documents, 2);
    }
}

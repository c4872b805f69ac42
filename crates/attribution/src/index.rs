//! The trace index on disk: a folder of immutable segments and a manifest that names the live ones.
//!
//! Adding documents writes new segments under a temporary name, renames them, then replaces the manifest: that rename
//! is the moment at which they become live. What a killed process left behind is named in no manifest and is removed
//! at the next opening. Readers work on a snapshot and never wait for a writer, and who adds never waits for a merge.

mod estimate;
pub(crate) mod manifest;
mod merge;

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use fonte_types::{ContributionId, DatanetId, evidence::Run};

pub use self::estimate::Estimate;
pub(crate) use self::manifest::Names;
use self::manifest::{Listed, Manifest};
use crate::{
    error::{AddError, Damage, IndexError, TraceError},
    members::{Members, Present},
    owners,
    segment::{self, Builder, MAX_TEXT, MemberScan, Segment},
    spans,
    trace::{MAX_PATTERN_BYTES, MaximalSpan, SpanQuery, TraceIndex},
    view::View,
};

/// A document to be indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its contribution; earlier ids precede later ones whatever the order of adding.
    pub contribution: ContributionId,
    /// Its index in the contribution.
    pub document: u32,
    /// The datanet that the contribution belongs to, handed back to [`Members`].
    pub datanet: DatanetId,
    /// Its bytes, exactly as committed.
    pub text: Vec<u8>,
}

/// How an index is cut into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexConfig {
    /// Most text bytes per segment, one more than the length of each document counted; at most 2 GiB - 1, larger values
    /// are cut. Every query searches every segment, so larger ones answer faster; building takes 5.3 bytes of memory
    /// per byte of a segment's text, and more time per byte where sorting outgrows the caches.
    pub max_segment_bytes: usize,
    /// Segments of one size class are merged when there are this many; at least 2.
    pub merge_at: usize,
}

impl Default for IndexConfig {
    /// 512 MiB per segment, merging by eights. Building takes memory by what there is to build, up to 2.8 GB: a machine
    /// that holds so much text keeps an index of that size in memory to answer quickly.
    fn default() -> Self {
        Self { max_segment_bytes: 512 << 20, merge_at: 8 }
    }
}

/// What a call that writes is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So much of this call's input has been taken in.
    Read {
        /// Documents so far.
        documents: usize,
        /// Bytes of their texts so far.
        bytes: u64,
    },
    /// Segments are about to be rebuilt into one.
    Merge {
        /// How many.
        segments: usize,
        /// Bytes of text together.
        bytes: usize,
    },
    /// Suffixes of a segment are being sorted, which takes nine tenths of the time.
    Sort {
        /// Bytes of text.
        bytes: usize,
    },
    /// The segment is being written.
    Write {
        /// Bytes of text.
        bytes: usize,
    },
    /// The segment is durable and answers queries.
    Live {
        /// Documents in it.
        documents: usize,
        /// Bytes of text.
        bytes: usize,
    },
}

/// What an index holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Live segments.
    pub segments: usize,
    /// Documents that queries see.
    pub documents: usize,
    /// Bytes of their texts.
    pub text_bytes: u64,
    /// Withdrawn documents whose bytes are still on disk.
    pub withdrawn_documents: usize,
    /// Bytes of their texts.
    pub withdrawn_bytes: u64,
    /// Bytes of the segment files.
    pub file_bytes: u64,
}

/// A [`TraceIndex`] over suffix arrays in one folder.
pub struct SuffixIndex {
    folder: PathBuf,
    config: IndexConfig,
    /// What queries see. Replaced as a whole, never changed in place.
    live: RwLock<Arc<Snapshot>>,
    /// Held while documents are added and while the manifest is replaced; nothing where the index was opened for reading.
    writer: Option<Mutex<Writer>>,
    /// Held while segments are rebuilt, by one at a time; always taken before `writer`.
    rebuilding: Mutex<()>,
}

pub(crate) struct Writer {
    manifest: Manifest,
    /// Released when the index is dropped, or by the system when the process dies.
    _lock: File,
}

impl Writer {
    /// The number of a segment to come. It is used whatever comes of it: a manifest on disk may name the file by then.
    fn take_number(&mut self) -> u64 {
        self.manifest.next += 1;
        self.manifest.next - 1
    }
}

/// One state of the index.
struct Snapshot {
    segments: Vec<Arc<Segment>>,
    withdrawn: BTreeSet<ContributionId>,
    /// Which segments hold anything withdrawn; the others need no filter.
    touched: Vec<bool>,
    /// What the manifest says of the names of documents.
    names: Names,
}

impl Snapshot {
    fn new(segments: Vec<Arc<Segment>>, manifest: &Manifest) -> Self {
        let withdrawn = manifest.withdrawn.clone();
        let touched = segments.iter().map(|segment| segment.holds_any(&withdrawn)).collect();
        Self { segments, withdrawn, touched, names: manifest.names }
    }
}

impl SuffixIndex {
    /// Opens the index in `folder` for reading and writing, or starts an empty one there. What a killed build left is
    /// removed. The folder stays locked against other writers until the index is dropped.
    ///
    /// Headers, lengths and document tables are checked now; text, suffix arrays and the rest by 64 KiB chunk before
    /// their first use.
    ///
    /// # Errors
    /// [`IndexError`] when the folder cannot be used, another process writes to it, or a file in it is not what was
    /// written.
    pub fn open(folder: &Path, config: IndexConfig) -> Result<Self, IndexError> {
        fs::create_dir_all(folder).map_err(IndexError::io("create", folder))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(IndexError::io("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IndexError::Locked { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(IndexError::io("lock", &lock_path)(source)),
        }
        let manifest = Manifest::read(folder)?;
        if !Manifest::exists(folder) {
            // Before any segment: one that a killed process left without a manifest would look like a manifest lost.
            manifest.write(folder)?;
        }
        let snapshot = open_segments(folder, &manifest)?;
        manifest.remove_leftovers(folder)?;
        Ok(Self::new(folder, config, snapshot, Some(Writer { manifest, _lock: lock })))
    }

    /// Opens the index in `folder` for queries alone, as it is now, also while another process writes to it. Nothing in
    /// the folder is changed.
    ///
    /// # Errors
    /// [`IndexError`] when there is no index, or a file of it is not what was written.
    pub fn open_read_only(folder: &Path) -> Result<Self, IndexError> {
        let mut seen = None;
        loop {
            if !Manifest::exists(folder) {
                return Err(IndexError::Missing { path: folder.to_owned() });
            }
            let manifest = Manifest::read(folder)?;
            match open_segments(folder, &manifest) {
                // A merge in another process removed a segment since the manifest was read: then there is a newer one.
                Err(IndexError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && seen.as_ref() != Some(&manifest) =>
                {
                    seen = Some(manifest);
                }
                opened => return Ok(Self::new(folder, IndexConfig::default(), opened?, None)),
            }
        }
    }

    fn new(folder: &Path, config: IndexConfig, snapshot: Snapshot, writer: Option<Writer>) -> Self {
        let live = RwLock::new(Arc::new(snapshot));
        let writer = writer.map(Mutex::new);
        Self { folder: folder.to_owned(), config: config.bounded(), live, writer, rebuilding: Mutex::default() }
    }

    /// Adds documents, then merges what has become too small: [`add_unmerged`](Self::add_unmerged) and
    /// [`merge`](Self::merge). Returns how many were added. A call whose documents fill a size class may go on for minutes
    /// to rebuild up to a whole segment ([`IndexConfig::estimate_add`] says so), and most calls rebuild nothing.
    ///
    /// # Errors
    /// [`AddError`]. Segments written before the error stay live.
    pub fn add(&self, documents: impl IntoIterator<Item = Document>) -> Result<usize, AddError> {
        self.add_with_progress(documents, &mut |_| {})
    }

    /// [`add`](Self::add), telling what it is doing.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_with_progress(
        &self,
        documents: impl IntoIterator<Item = Document>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<usize, AddError> {
        let added = self.add_unmerged(documents, progress)?;
        self.merge(progress)?;
        Ok(added)
    }

    /// Adds documents in one new segment, or several where they do not fit into one, and merges nothing, nor waits for a
    /// merge: 1 MB takes as long whatever the index holds. Returns how many were added; they are durable and live then.
    /// Who adds often calls [`merge`](Self::merge) afterwards, from any thread: every query searches every segment.
    ///
    /// The iterator is pulled as segments fill, so that memory stays bounded by one segment. Every call writes and syncs
    /// at least one file: hand over everything there is at once, not document by document.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_unmerged(
        &self,
        documents: impl IntoIterator<Item = Document>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<usize, AddError> {
        let mut writer = self.writer()?;
        let mut builder = Builder::default();
        let mut keys = BTreeSet::new();
        let (mut read, mut bytes) = (0, 0);
        for document in documents {
            let Document { contribution, document, datanet, text } = document;
            self.check(&writer, contribution, document, text.len(), &keys)?;
            let room = text.len() + 1;
            if builder.is_empty() {
                builder = Builder::with_capacity(self.config.max_segment_bytes.max(room));
            } else if builder.text_bytes() + room > self.config.max_segment_bytes {
                // A single document may exceed the configured size and then has a segment to itself.
                let full = std::mem::take(&mut builder);
                self.append(&mut writer, full, progress)?;
                keys.clear();
                builder = Builder::with_capacity(self.config.max_segment_bytes.max(room));
            }
            keys.insert((contribution, document));
            builder.push(contribution, document, datanet, &text);
            read += 1;
            bytes += text.len() as u64;
            progress(Progress::Read { documents: read, bytes });
        }
        if !builder.is_empty() {
            self.append(&mut writer, builder, progress)?;
        }
        Ok(read)
    }

    /// Withdraws contributions: from now on, also after a restart, no query sees them, whatever its
    /// [`Members`] say. Costs one small file. Their bytes leave the disk when their segment is merged, at once where
    /// they are half of it or more, or by [`purge`](Self::purge). Returns how many documents were withdrawn.
    ///
    /// Contributions that are not in the index are noted, too: they can no longer be added.
    ///
    /// # Errors
    /// [`AddError`] when the manifest or a rebuilt segment cannot be written.
    pub fn withdraw(&self, contributions: &BTreeSet<ContributionId>) -> Result<usize, AddError> {
        self.withdraw_with_progress(contributions, &mut |_| {})
    }

    /// [`withdraw`](Self::withdraw), telling what it is doing.
    ///
    /// # Errors
    /// As for [`withdraw`](Self::withdraw).
    pub fn withdraw_with_progress(
        &self,
        contributions: &BTreeSet<ContributionId>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<usize, AddError> {
        let withdrawn = self.withdraw_locked(&mut *self.writer()?, contributions)?;
        self.merge(progress)?;
        Ok(withdrawn)
    }

    /// Removes every withdrawn document from the disk, by rebuilding the segments that hold any. Returns how many were
    /// removed. The contributions stay withdrawn.
    ///
    /// # Errors
    /// [`AddError`] when a segment cannot be read or written; the index then answers as before, and part of the bytes
    /// may still be there.
    pub fn purge(&self, progress: &mut dyn FnMut(Progress)) -> Result<usize, AddError> {
        let _one_at_a_time = self.rebuilding()?;
        self.purge_all(progress)
    }

    /// Removes every document of these contributions from the disk and forgets that they were there: they can be added
    /// again. Queries need no erasure to stop seeing a contribution: that is what [`Members`] and
    /// [`withdraw`](Self::withdraw) are for. Returns how many documents were removed.
    ///
    /// # Errors
    /// As for [`purge`](Self::purge); the contributions are then withdrawn, and partly erased.
    pub fn erase(&self, contributions: &BTreeSet<ContributionId>) -> Result<usize, AddError> {
        let _one_at_a_time = self.rebuilding()?;
        // First the commit, so that no crash brings back half of what was to go. While they are withdrawn, nobody adds them.
        self.withdraw_locked(&mut *self.writer()?, contributions)?;
        let dropped = self.purge_all(&mut |_| {})?;
        let mut writer = self.writer()?;
        let mut manifest = writer.manifest.clone();
        manifest.withdrawn.retain(|id| !contributions.contains(id));
        self.commit(&mut writer, manifest, self.snapshot().segments.clone())?;
        Ok(dropped)
    }

    /// Whether a document of this name is in the index and not withdrawn.
    pub fn contains(&self, contribution: ContributionId, document: u32) -> bool {
        let snapshot = self.snapshot();
        !snapshot.withdrawn.contains(&contribution) && find(&snapshot, contribution, document).is_some()
    }

    /// Whether a contribution was withdrawn.
    pub fn is_withdrawn(&self, contribution: ContributionId) -> bool {
        self.snapshot().withdrawn.contains(&contribution)
    }

    /// A document's bytes, unless it is not there or withdrawn.
    ///
    /// # Errors
    /// [`TraceError::Damaged`].
    pub fn text(&self, contribution: ContributionId, document: u32) -> Result<Option<Vec<u8>>, TraceError> {
        let snapshot = self.snapshot();
        match find(&snapshot, contribution, document) {
            Some((segment, at)) if !snapshot.withdrawn.contains(&contribution) => {
                Ok(Some(segment.document_text(&segment.documents()[at])?.to_vec()))
            }
            _ => Ok(None),
        }
    }

    /// Counts and sizes.
    pub fn stats(&self) -> IndexStats {
        let snapshot = self.snapshot();
        let mut stats = IndexStats::default();
        for (segment, touched) in snapshot.segments.iter().zip(&snapshot.touched) {
            stats.segments += 1;
            stats.file_bytes += segment.file_bytes() as u64;
            for entry in segment.documents() {
                if *touched && snapshot.withdrawn.contains(&entry.contribution) {
                    stats.withdrawn_documents += 1;
                    stats.withdrawn_bytes += u64::from(entry.length);
                } else {
                    stats.documents += 1;
                    stats.text_bytes += u64::from(entry.length);
                }
            }
        }
        stats
    }

    fn check(
        &self,
        writer: &Writer,
        contribution: ContributionId,
        document: u32,
        bytes: usize,
        keys: &BTreeSet<(ContributionId, u32)>,
    ) -> Result<(), AddError> {
        if contribution.0 == 0 || contribution.0 == u64::MAX {
            return Err(AddError::ReservedId(contribution));
        }
        if bytes >= MAX_TEXT {
            return Err(AddError::TooLong { contribution, document, bytes, limit: MAX_TEXT - 1 });
        }
        if writer.manifest.withdrawn.contains(&contribution) {
            return Err(AddError::Withdrawn(contribution));
        }
        if keys.contains(&(contribution, document)) || self.contains(contribution, document) {
            return Err(AddError::Duplicate { contribution, document });
        }
        Ok(())
    }

    fn withdraw_locked(
        &self,
        writer: &mut Writer,
        contributions: &BTreeSet<ContributionId>,
    ) -> Result<usize, IndexError> {
        let mut manifest = writer.manifest.clone();
        let new: BTreeSet<_> = contributions.difference(&manifest.withdrawn).copied().collect();
        let snapshot = self.snapshot();
        let stretches =
            |segment: &Arc<Segment>| -> usize { new.iter().map(|id| segment.contribution_documents(*id).len()).sum() };
        let documents = snapshot.segments.iter().map(stretches).sum();
        if !new.is_empty() {
            manifest.withdrawn.extend(new);
            self.commit(writer, manifest, snapshot.segments.clone())?;
        }
        Ok(documents)
    }

    /// Writes a new segment beside the others.
    fn append(
        &self,
        writer: &mut Writer,
        builder: Builder,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IndexError> {
        let number = writer.take_number();
        let segment = self.write(number, builder, progress)?;
        self.replace(writer, &[], Some((number, segment)), progress)
    }

    /// Puts a segment that was written, if there is one, in place of the segments numbered `numbers`.
    fn replace(
        &self,
        writer: &mut Writer,
        numbers: &[u64],
        with: Option<(u64, Segment)>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IndexError> {
        let mut manifest = writer.manifest.clone();
        let mut segments = self.snapshot().segments.clone();
        let replaced: Vec<PathBuf> = numbers.iter().map(|number| segment_path(&self.folder, *number)).collect();
        manifest.segments.retain(|segment| !numbers.contains(&segment.number));
        segments.retain(|segment| !replaced.iter().any(|path| path == segment.path()));
        let new = with.map(|(number, segment)| (number, Arc::new(segment)));
        if let Some((number, segment)) = &new {
            // By their numbers: others may have come since it got its own.
            let at = manifest.segments.partition_point(|listed| listed.number < *number);
            manifest.segments.insert(at, Listed { number: *number, seal: segment.seal() });
            segments.insert(at, segment.clone());
        }
        self.commit(writer, manifest, segments)?;
        if let Some((_, segment)) = new {
            progress(Progress::Live { documents: segment.documents().len(), bytes: segment.text_bytes() });
        }
        // Queries that began before still hold the mapping; the name is no longer needed.
        for path in replaced {
            fs::remove_file(&path).map_err(IndexError::io("remove", &path))?;
            remove_trees(&path)?;
        }
        Ok(())
    }

    fn write(&self, number: u64, builder: Builder, progress: &mut dyn FnMut(Progress)) -> Result<Segment, IndexError> {
        let path = segment_path(&self.folder, number);
        let temporary = path.with_extension("tmp");
        let bytes = builder.text_bytes();
        progress(Progress::Sort { bytes });
        builder.write(&temporary, || progress(Progress::Write { bytes }))?;
        fs::rename(&temporary, &path)
            // The new name must be on disk before a manifest that mentions it.
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(IndexError::io("rename", &temporary))?;
        Segment::open(&path)
    }

    /// The commit: the manifest is replaced on disk, then what queries see.
    fn commit(&self, writer: &mut Writer, manifest: Manifest, segments: Vec<Arc<Segment>>) -> Result<(), IndexError> {
        manifest.write(&self.folder)?;
        let snapshot = Snapshot::new(segments, &manifest);
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        writer.manifest = manifest;
        Ok(())
    }

    /// What the manifest says of the names of documents.
    pub(crate) fn names(&self) -> Names {
        self.snapshot().names
    }

    /// Writes it down.
    pub(crate) fn set_names(&self, names: Names) -> Result<(), IndexError> {
        let mut writer = self.writer()?;
        let manifest = Manifest { names, ..writer.manifest.clone() };
        self.commit(&mut writer, manifest, self.snapshot().segments.clone())
    }

    /// The live segments, in the order of their numbers.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.snapshot().segments.clone()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refuses where the index was opened for reading.
    pub(crate) fn writable(&self) -> Result<&Mutex<Writer>, IndexError> {
        self.writer.as_ref().ok_or_else(|| IndexError::ReadOnly { path: self.folder.clone() })
    }

    /// A writer that panicked left nothing half done that a manifest names, so its lock can be taken over.
    fn writer(&self) -> Result<MutexGuard<'_, Writer>, IndexError> {
        Ok(self.writable()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who holds it may rebuild segments. One that panicked has replaced none.
    fn rebuilding(&self) -> Result<MutexGuard<'_, ()>, IndexError> {
        self.writable()?;
        Ok(self.rebuilding.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks one state of the index.
    fn ask<T>(&self, members: &dyn Members, query: impl FnOnce(&[View<'_>]) -> T) -> T {
        let snapshot = self.snapshot();
        let present = Present { members, withdrawn: &snapshot.withdrawn };
        let views: Vec<View<'_>> = snapshot
            .segments
            .iter()
            .zip(&snapshot.touched)
            .map(|(segment, touched)| View { segment, members: if *touched { &present } else { members } })
            .collect();
        query(&views)
    }
}

impl TraceIndex for SuffixIndex {
    fn owners(&self, answer: &[u8], prompt: &[u8], members: &dyn Members) -> Result<Vec<Run>, TraceError> {
        self.ask(members, |views| owners::owners(views, answer, prompt))
    }

    fn spans(&self, answer: &[u8], query: SpanQuery, members: &dyn Members) -> Result<Vec<MaximalSpan>, TraceError> {
        self.ask(members, |views| spans::spans(views, answer, query))
    }

    fn count(&self, pattern: &[u8], members: &dyn Members) -> Result<u64, TraceError> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(TraceError::TooLong { what: "pattern", bytes: pattern.len(), limit: MAX_PATTERN_BYTES });
        }
        if pattern.is_empty() {
            return Ok(0);
        }
        self.ask(members, |views| {
            let mut searches: Vec<_> = views.iter().map(|view| segment::Search::new(view.segment, pattern)).collect();
            segment::run(&mut searches)?;
            let mut count = 0;
            for (View { segment, members }, search) in views.iter().zip(&searches) {
                let interval = search.interval();
                count += segment.count_members(pattern, interval, &mut MemberScan::new(*members))?;
            }
            Ok(count)
        })
    }
}

fn open_segments(folder: &Path, manifest: &Manifest) -> Result<Snapshot, IndexError> {
    let open = |listed: &Listed| {
        let path = segment_path(folder, listed.number);
        let segment = Segment::open(&path)?;
        if segment.seal() != listed.seal {
            let damage = Damage::Foreign { found: segment.seal(), expected: listed.seal };
            return Err(IndexError::Damaged { path, damage });
        }
        Ok(Arc::new(segment))
    };
    let segments = manifest.segments.iter().map(open).collect::<Result<_, _>>()?;
    Ok(Snapshot::new(segments, manifest))
}

fn find(snapshot: &Snapshot, contribution: ContributionId, document: u32) -> Option<(&Segment, usize)> {
    snapshot.segments.iter().find_map(|segment| {
        let key = (contribution, document);
        let at = segment.documents().binary_search_by_key(&key, crate::segment::Entry::key).ok()?;
        Some((segment.as_ref(), at))
    })
}

fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("segment-{number:016}.fonte"))
}

/// The file beside a segment that keeps the upper hashes of its proofs.
pub(crate) fn trees_path(segment: &Path) -> PathBuf {
    segment.with_extension("proofs")
}

/// They are unsalted hashes of the segment's text, so they go with it.
pub(crate) fn remove_trees(segment: &Path) -> Result<(), IndexError> {
    let path = trees_path(segment);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(IndexError::io("remove", &path)(error)),
        _ => Ok(()),
    }
}

/// Replaces a file as a whole, durably: a crash leaves the old one or the new one.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), IndexError> {
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(IndexError::io("write", path))
}

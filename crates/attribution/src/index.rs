//! The trace index on disk: a folder of immutable segments and a manifest that names the live ones.
//!
//! Adding documents writes new segments under a temporary name, renames them, then replaces the manifest: that rename
//! is the moment at which they become live. What a killed process left behind is named in no manifest and is removed
//! at the next opening. Readers work on a snapshot and never wait for a writer.

mod manifest;
mod merge;

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use fonte_types::{ContributionId, DatanetId, evidence::Run};

use self::manifest::Manifest;
use crate::{
    error::{AddError, IndexError, TraceError},
    members::Members,
    owners,
    segment::{Builder, MAX_TEXT, Segment},
    spans,
    trace::{MAX_PATTERN_BYTES, MaximalSpan, SpanQuery, TraceIndex},
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
    /// Most text bytes per segment, one more than the length of each document counted. Building takes about 5.3 bytes
    /// of memory per byte of a segment's text. At most 2 GiB - 1, larger values are cut.
    pub max_segment_bytes: usize,
    /// Segments of one size class are merged when there are this many; at least 2.
    pub merge_at: usize,
}

impl Default for IndexConfig {
    /// 128 MiB per segment (700 MB of memory while building), merging by eights.
    fn default() -> Self {
        Self { max_segment_bytes: 128 << 20, merge_at: 8 }
    }
}

/// What an index holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Live segments.
    pub segments: usize,
    /// Documents.
    pub documents: usize,
    /// Bytes of their texts.
    pub text_bytes: u64,
    /// Bytes of the segment files.
    pub file_bytes: u64,
}

/// A [`TraceIndex`] over suffix arrays in one folder, which it holds locked.
pub struct SuffixIndex {
    folder: PathBuf,
    config: IndexConfig,
    /// What queries see. Replaced as a whole, never changed in place.
    live: RwLock<Arc<Vec<Arc<Segment>>>>,
    /// Held while segments are written.
    writer: Mutex<Writer>,
}

struct Writer {
    manifest: Manifest,
    /// Released when the index is dropped, or by the system when the process dies.
    _lock: File,
}

impl SuffixIndex {
    /// Opens the index in `folder`, or starts an empty one there. What a killed build left is removed.
    ///
    /// Headers, lengths and document tables are checked now; text, suffix arrays and the rest by 64 KiB chunk before
    /// their first use.
    ///
    /// # Errors
    /// [`IndexError`] when the folder cannot be used, another process has it open, or a file in it is not what was
    /// written.
    pub fn open(folder: &Path, config: IndexConfig) -> Result<Self, IndexError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| IndexError::Io { action, path, source }
        };
        fs::create_dir_all(folder).map_err(io("create", folder))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(io("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IndexError::Locked { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io("lock", &lock_path)(source)),
        }
        let manifest = Manifest::read(folder)?;
        let live: Vec<Arc<Segment>> = manifest
            .segments
            .iter()
            .map(|number| Segment::open(&segment_path(folder, *number)).map(Arc::new))
            .collect::<Result<_, _>>()?;
        manifest.remove_leftovers(folder)?;
        let config = IndexConfig {
            max_segment_bytes: config.max_segment_bytes.clamp(1, MAX_TEXT),
            merge_at: config.merge_at.max(2),
        };
        Ok(Self {
            folder: folder.to_owned(),
            config,
            live: RwLock::new(Arc::new(live)),
            writer: Mutex::new(Writer { manifest, _lock: lock }),
        })
    }

    /// Adds documents: in one new segment, or several where they do not fit into one, then merges what has become too
    /// small. Returns how many were added; they are durable and live then.
    ///
    /// The iterator is pulled as segments fill, so that memory stays bounded by one segment. Every call writes and syncs
    /// at least one file and may merge: hand over everything there is at once, not document by document.
    ///
    /// # Errors
    /// [`AddError`]. Segments written before the error stay live.
    pub fn add(&self, documents: impl IntoIterator<Item = Document>) -> Result<usize, AddError> {
        let mut writer = self.writer();
        let mut batch: Vec<Document> = Vec::new();
        let mut keys = BTreeSet::new();
        let (mut bytes, mut added) = (0, 0);
        for document in documents {
            self.check(&document, &keys)?;
            let room = document.text.len() + 1;
            if bytes + room > self.config.max_segment_bytes {
                added += self.flush(&mut writer, &mut batch)?;
                keys.clear();
                bytes = 0;
            }
            keys.insert((document.contribution, document.document));
            bytes += room;
            batch.push(document);
        }
        added += self.flush(&mut writer, &mut batch)?;
        self.merge(&mut writer)?;
        Ok(added)
    }

    /// Whether a document of this name is in the index.
    pub fn contains(&self, contribution: ContributionId, document: u32) -> bool {
        holds(&self.snapshot(), contribution, document)
    }

    /// Removes every document of these contributions from the disk, by rebuilding the segments that hold any. Queries
    /// need no erasure to stop seeing a withdrawn contribution: that is what [`Members`] is for. This is for hosts
    /// that must no longer keep the text. Returns how many documents were removed.
    ///
    /// # Errors
    /// [`AddError`] when a segment cannot be read or written; the index is then as before, or partly erased.
    pub fn erase(&self, contributions: &BTreeSet<ContributionId>) -> Result<usize, AddError> {
        let mut writer = self.writer();
        self.erase_locked(&mut writer, contributions)
    }

    /// Counts and sizes.
    pub fn stats(&self) -> IndexStats {
        let mut stats = IndexStats::default();
        for segment in self.snapshot().iter() {
            stats.segments += 1;
            stats.documents += segment.documents().len();
            stats.text_bytes += (segment.text_bytes() - segment.documents().len()) as u64;
            stats.file_bytes += segment.file_bytes() as u64;
        }
        stats
    }

    fn check(&self, document: &Document, keys: &BTreeSet<(ContributionId, u32)>) -> Result<(), AddError> {
        let Document { contribution, document: number, text, .. } = document;
        if contribution.0 == 0 || contribution.0 == u64::MAX {
            return Err(AddError::ReservedId(*contribution));
        }
        if text.len() >= MAX_TEXT {
            let (bytes, limit) = (text.len(), MAX_TEXT - 1);
            return Err(AddError::TooLong { contribution: *contribution, document: *number, bytes, limit });
        }
        if keys.contains(&(*contribution, *number)) || self.contains(*contribution, *number) {
            return Err(AddError::Duplicate { contribution: *contribution, document: *number });
        }
        Ok(())
    }

    /// Writes one segment of the batch and makes it live. A single document may exceed the configured size.
    fn flush(&self, writer: &mut Writer, batch: &mut Vec<Document>) -> Result<usize, AddError> {
        if batch.is_empty() {
            return Ok(0);
        }
        batch.sort_by_key(|document| (document.contribution, document.document));
        let added = batch.len();
        let mut builder = Builder::with_capacity(batch.iter().map(|document| document.text.len() + 1).sum());
        // Each text is dropped as soon as it is copied: the batch is never held twice.
        for Document { contribution, document, datanet, text } in batch.drain(..) {
            builder.push(contribution, document, datanet, &text);
        }
        self.replace(writer, &[], Some(builder))?;
        Ok(added)
    }

    /// The commit: writes `with` as a new segment in place of the segments numbered `numbers`.
    fn replace(&self, writer: &mut Writer, numbers: &[u64], with: Option<Builder>) -> Result<(), IndexError> {
        let mut manifest = writer.manifest.clone();
        manifest.segments.retain(|number| !numbers.contains(number));
        let new = match with.filter(|builder| !builder.is_empty()) {
            None => None,
            Some(builder) => {
                let number = manifest.next;
                manifest.next += 1;
                manifest.segments.push(number);
                let path = segment_path(&self.folder, number);
                let temporary = path.with_extension("tmp");
                builder.write(&temporary)?;
                fs::rename(&temporary, &path)
                    // The new name must be on disk before a manifest that mentions it.
                    .and_then(|()| File::open(&self.folder)?.sync_all())
                    .map_err(|source| IndexError::Io { action: "rename", path: temporary, source })?;
                Some(Arc::new(Segment::open(&path)?))
            }
        };
        manifest.write(&self.folder)?;
        let replaced: Vec<PathBuf> = numbers.iter().map(|number| segment_path(&self.folder, *number)).collect();
        let mut live: Vec<Arc<Segment>> = self.snapshot().iter().cloned().collect();
        live.retain(|segment| !replaced.iter().any(|path| path == segment.path()));
        live.extend(new);
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        writer.manifest = manifest;
        // Queries that began before still hold the mapping; the name is no longer needed.
        for path in replaced {
            fs::remove_file(&path).map_err(|source| IndexError::Io { action: "remove", path, source })?;
        }
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Arc<Vec<Arc<Segment>>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A writer that panicked left nothing half done that a manifest names, so its lock can be taken over.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TraceIndex for SuffixIndex {
    fn owners(&self, answer: &[u8], prompt: &[u8], members: &dyn Members) -> Result<Vec<Run>, TraceError> {
        owners::owners(&self.snapshot(), answer, prompt, members)
    }

    fn spans(&self, answer: &[u8], query: SpanQuery, members: &dyn Members) -> Result<Vec<MaximalSpan>, TraceError> {
        spans::spans(&self.snapshot(), answer, query, members)
    }

    fn count(&self, pattern: &[u8], members: &dyn Members) -> Result<u64, TraceError> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(TraceError::TooLong { what: "pattern", bytes: pattern.len(), limit: MAX_PATTERN_BYTES });
        }
        if pattern.is_empty() {
            return Ok(0);
        }
        let mut count = 0;
        for segment in self.snapshot().iter() {
            let interval = segment.interval(pattern)?;
            count += segment.count_members(pattern, interval, &mut crate::segment::MemberScan::new(members))?;
        }
        Ok(count)
    }
}

fn holds(segments: &[Arc<Segment>], contribution: ContributionId, document: u32) -> bool {
    segments.iter().any(|segment| {
        segment.documents().binary_search_by_key(&(contribution, document), crate::segment::Entry::key).is_ok()
    })
}

fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("segment-{number:016}.fonte"))
}

#[cfg(feature = "fuzzing")]
pub(crate) fn manifest_is_sound(bytes: &[u8]) -> bool {
    Manifest::decode(bytes).is_ok()
}

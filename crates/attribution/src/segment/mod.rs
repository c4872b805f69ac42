//! One immutable segment: documents in commit order, their suffix array, and what makes it quick to ask.
//!
//! Documents are laid out by ascending (contribution, document), so that within a segment *earlier source* means
//! *smaller text position*, and the earliest match of a pattern is the minimum of its suffix array interval.

mod build;
mod format;
mod minima;
mod search;
mod store;

use std::{collections::BTreeSet, ops::Range, path::Path};

use fonte_types::ContributionId;

#[cfg(feature = "fuzzing")]
pub(crate) use self::format::decode_header;
use self::store::Store;
pub(crate) use self::{
    build::Builder,
    format::{Entry, Layout, MAX_TEXT, SEPARATOR, decode_documents, u32_at, u64_at},
    minima::{Bounds, MemberScan},
    search::{Search, common_prefix, common_suffix, run},
};
use crate::{
    error::{Damage, IndexError, TraceError},
    trace::Occurrence,
};

/// A segment open for queries.
pub(crate) struct Segment {
    store: Store,
    documents: Vec<Entry>,
}

/// Ranks `[lo, hi)` of the suffixes that begin with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) lo: usize,
    pub(crate) hi: usize,
}

impl Interval {
    pub(crate) fn len(self) -> usize {
        self.hi - self.lo
    }

    pub(crate) fn is_empty(self) -> bool {
        self.lo >= self.hi
    }
}

impl Segment {
    /// Opens a file; checks header, lengths, checksum table and the whole document table.
    pub(crate) fn open(path: &Path) -> Result<Self, IndexError> {
        let store = Store::open(path)?;
        let damaged = |damage| IndexError::Damaged { path: path.to_owned(), damage };
        let table =
            store.slice(store.layout.documents_at, store.layout.document_bytes()).map_err(|error| match error {
                TraceError::Damaged { damage, .. } => damaged(damage),
                _ => unreachable!("reading bytes fails for damage only"),
            })?;
        let documents = decode_documents(table, store.layout.text_bytes).map_err(damaged)?;
        Ok(Self { documents, store })
    }

    /// Builds a segment that lives in memory only.
    pub(crate) fn in_memory(builder: Builder) -> Result<Self, IndexError> {
        let (bytes, layout) = builder.into_memory()?;
        let table = &bytes[layout.documents_at..layout.documents_at + layout.document_bytes()];
        let documents = decode_documents(table, layout.text_bytes).expect("the builder writes a consistent table");
        Ok(Self { documents, store: Store::in_memory(bytes, layout) })
    }

    pub(crate) fn documents(&self) -> &[Entry] {
        &self.documents
    }

    pub(crate) fn text_bytes(&self) -> usize {
        self.store.layout.text_bytes
    }

    pub(crate) fn file_bytes(&self) -> usize {
        self.store.layout.file_bytes
    }

    /// The checksum over the whole file.
    pub(crate) fn seal(&self) -> u32 {
        self.store.seal
    }

    pub(crate) fn path(&self) -> &Path {
        &self.store.path
    }

    /// Whether any of these documents is here.
    pub(crate) fn holds_any(&self, contributions: &BTreeSet<ContributionId>) -> bool {
        contributions.iter().any(|id| !self.contribution_documents(*id).is_empty())
    }

    /// A document's bytes.
    pub(crate) fn document_text(&self, entry: &Entry) -> Result<&[u8], TraceError> {
        self.store.slice(self.store.layout.text_at + entry.start as usize, entry.length as usize)
    }

    /// Index of the document that holds text position `position`, its separator included.
    pub(crate) fn document_at(&self, position: u32) -> usize {
        self.documents.partition_point(|entry| entry.start <= position) - 1
    }

    /// The documents of one contribution: a stretch of the table.
    pub(crate) fn contribution_documents(&self, contribution: ContributionId) -> Range<usize> {
        let from = self.documents.partition_point(|entry| entry.contribution < contribution);
        let to = self.documents.partition_point(|entry| entry.contribution <= contribution);
        from..to
    }

    /// Text positions `[start, end)` of a stretch of documents.
    pub(crate) fn text_range(&self, documents: &Range<usize>) -> Range<u32> {
        if documents.is_empty() {
            return 0..0;
        }
        self.documents[documents.start].start..self.documents[documents.end - 1].end() + 1
    }

    /// A text position as others name it.
    pub(crate) fn occurrence(&self, position: u32) -> Occurrence {
        let entry = &self.documents[self.document_at(position)];
        Occurrence {
            contribution: entry.contribution,
            document: entry.document,
            offset: u64::from(position - entry.start),
        }
    }

    /// The suffix of rank `rank`, which is below the number of text bytes.
    #[inline]
    pub(crate) fn suffix(&self, rank: usize) -> Result<u32, TraceError> {
        let layout = &self.store.layout;
        let bit = rank * layout.suffix_bits as usize;
        let word = u64_at(self.store.slice(layout.suffixes_at + bit / 8, 8)?, 0);
        let suffix = (word >> (bit % 8)) as u32 & (u32::MAX >> (32 - layout.suffix_bits));
        if suffix as usize >= layout.text_bytes {
            return Err(self.store.damaged(Damage::Inconsistent { what: "suffix", at: rank as u64 }));
        }
        Ok(suffix)
    }

    /// The suffixes of neighbouring ranks, in order of rank.
    pub(crate) fn suffixes(&self, ranks: Range<usize>) -> Result<Vec<u32>, TraceError> {
        ranks.map(|rank| self.suffix(rank)).collect()
    }

    /// Up to `length` bytes of text from `position` on, fewer at the end.
    #[inline]
    pub(crate) fn text(&self, position: u32, length: usize) -> Result<&[u8], TraceError> {
        let length = length.min(self.store.layout.text_bytes - position as usize);
        self.store.slice(self.store.layout.text_at + position as usize, length)
    }
}

//! What proofs need of a segment: the one place where they touch it.

use std::{path::Path, sync::Arc};

use super::verify::{Entry, MAX_PATTERN, Row};
use crate::{
    error::TraceError,
    members::Everyone,
    segment::{Bounds, Interval, MemberScan, Segment, common_prefix},
};

/// A segment as the prover reads it.
#[derive(Clone)]
pub(super) struct Source(Arc<Segment>);

impl Source {
    pub(super) fn new(segment: Arc<Segment>) -> Self {
        Self(segment)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Bytes of the text, separators included; also the number of suffixes.
    pub(super) fn text_bytes(&self) -> u32 {
        u32::try_from(self.0.text_bytes()).expect("a segment's text stays below 2 GiB")
    }

    /// Up to `length` bytes of text from `position` on, fewer at the end.
    pub(super) fn text(&self, position: u32, length: usize) -> Result<&[u8], TraceError> {
        self.0.text(position, length)
    }

    /// Where the suffix of rank `rank` begins.
    pub(super) fn suffix(&self, rank: u32) -> Result<u32, TraceError> {
        self.0.suffix(rank as usize)
    }

    /// Ranks `[lo, hi)` of the suffixes that begin with the pattern; if there are none, `lo` is where it would stand.
    pub(super) fn ranks(&self, pattern: &[u8]) -> Result<(u32, u32), TraceError> {
        let Interval { lo, hi } = self.0.interval(pattern)?;
        let rank = |rank: usize| u32::try_from(rank).expect("there are as many ranks as bytes");
        Ok((rank(lo), rank(hi)))
    }

    /// The smallest text position where the pattern stands within one document, of the suffixes with ranks `[lo, hi)`,
    /// which begin with it.
    pub(super) fn earliest(&self, pattern: &[u8], lo: u32, hi: u32) -> Result<Option<u32>, TraceError> {
        let interval = Interval { lo: lo as usize, hi: hi as usize };
        self.0.earliest(interval, &Bounds::anywhere(pattern.len()), &mut MemberScan::new(&Everyone))
    }

    pub(super) fn documents(&self) -> u32 {
        u32::try_from(self.0.documents().len()).expect("every document has a separator, and the text is below 2 GiB")
    }

    /// A row of the document table.
    pub(super) fn entry(&self, index: u32) -> Entry {
        let entry = &self.0.documents()[index as usize];
        Entry {
            contribution: entry.contribution.0,
            document: entry.document,
            datanet: entry.datanet.0,
            start: entry.start,
            length: entry.length,
        }
    }

    /// The row of a document, if it is in this segment.
    pub(super) fn index_of(&self, contribution: u64, document: u32) -> Option<u32> {
        let found = self
            .0
            .documents()
            .binary_search_by_key(&(contribution, document), |entry| (entry.contribution.0, entry.document));
        found.ok().map(|index| index as u32)
    }

    /// The row of the document that holds a text position, its separator included.
    pub(super) fn index_at(&self, position: u32) -> u32 {
        self.0.document_at(position) as u32
    }

    /// Bytes that the suffixes at two positions share, counted up to the limit of a row, given that they share `known`.
    pub(super) fn shared(&self, a: u32, b: u32, known: usize) -> Result<usize, TraceError> {
        let left = (self.text_bytes() - a.max(b)) as usize;
        let mut shared = known.min(left);
        // Mostly they differ soon, and a short slice is a short check.
        let mut step = 128;
        while shared < left.min(MAX_PATTERN) {
            let length = step.min(left.min(MAX_PATTERN) - shared);
            let from = shared as u32;
            let same = common_prefix(self.text(a + from, length)?, self.text(b + from, length)?);
            shared += same;
            if same < length {
                break;
            }
            step = MAX_PATTERN;
        }
        Ok(shared)
    }

    /// The row of the suffix at `position`, given that it shares at least `known` bytes with the one ranked before it.
    pub(super) fn row(&self, position: u32, previous: Option<u32>, known: usize) -> Result<Row, TraceError> {
        let Some(previous) = previous else { return Ok(Row { position, shared: 0, before: 0 }) };
        let shared = self.shared(position, previous, known)?;
        let before = if shared == MAX_PATTERN || previous + shared as u32 == self.text_bytes() {
            0
        } else {
            self.text(previous + shared as u32, 1)?[0]
        };
        Ok(Row { position, shared: u16::try_from(shared).expect("counted up to the limit of a row"), before })
    }
}

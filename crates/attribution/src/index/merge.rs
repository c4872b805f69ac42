//! Tiered merging: segments of one size class are rebuilt into one when there are enough of them.
//!
//! A byte is rebuilt at most once per class, and classes grow by the factor `merge_at`, so adding stays linear times a
//! logarithm however small the pieces are. Segments are never merged past the configured size.

use std::{collections::BTreeSet, sync::Arc};

use fonte_types::ContributionId;

use super::{SuffixIndex, Writer};
use crate::{
    error::{AddError, TraceError},
    segment::{Builder, Entry, Segment},
};

/// Everything smaller is one class.
const SMALLEST_CLASS: usize = 64 << 10;

impl SuffixIndex {
    /// Merges until no class is full.
    pub(super) fn merge(&self, writer: &mut Writer) -> Result<(), AddError> {
        while let Some(numbers) = self.due(writer) {
            let builder = self.rebuild(writer, &numbers, &BTreeSet::new())?;
            self.replace(writer, &numbers, Some(builder))?;
        }
        Ok(())
    }

    /// Rebuilds every segment that holds one of these contributions without it.
    pub(super) fn erase_locked(
        &self,
        writer: &mut Writer,
        contributions: &BTreeSet<ContributionId>,
    ) -> Result<usize, AddError> {
        let mut erased = 0;
        for (number, segment) in self.numbered(writer) {
            let held: usize = contributions.iter().map(|id| segment.contribution_documents(*id).len()).sum();
            if held > 0 {
                let builder = self.rebuild(writer, &[number], contributions)?;
                self.replace(writer, &[number], Some(builder))?;
                erased += held;
            }
        }
        Ok(erased)
    }

    /// The segments to merge next: the `merge_at` smallest of the smallest full class, fewer if more would not fit.
    fn due(&self, writer: &Writer) -> Option<Vec<u64>> {
        let mut by_size: Vec<(usize, u64)> =
            self.numbered(writer).into_iter().map(|(number, segment)| (segment.text_bytes(), number)).collect();
        by_size.sort_unstable();
        by_size
            .chunk_by(|a, b| self.class(a.0) == self.class(b.0))
            .filter(|class| class.len() >= self.config.merge_at)
            .find_map(|class| {
                let mut room = self.config.max_segment_bytes;
                let fitting = class.iter().take(self.config.merge_at).map_while(|(bytes, number)| {
                    room = room.checked_sub(*bytes)?;
                    Some(*number)
                });
                let numbers: Vec<u64> = fitting.collect();
                (numbers.len() > 1).then_some(numbers)
            })
    }

    fn class(&self, bytes: usize) -> u32 {
        (bytes / SMALLEST_CLASS).max(1).ilog(self.config.merge_at)
    }

    /// The documents of these segments in order, without those of `except`.
    fn rebuild(
        &self,
        writer: &Writer,
        numbers: &[u64],
        except: &BTreeSet<ContributionId>,
    ) -> Result<Builder, TraceError> {
        let segments: Vec<Arc<Segment>> = self
            .numbered(writer)
            .into_iter()
            .filter(|(number, _)| numbers.contains(number))
            .map(|(_, segment)| segment)
            .collect();
        let mut documents: Vec<(&Segment, &Entry)> = segments
            .iter()
            .flat_map(|segment| segment.documents().iter().map(move |entry| (segment.as_ref(), entry)))
            .filter(|(_, entry)| !except.contains(&entry.contribution))
            .collect();
        documents.sort_by_key(|(_, entry)| entry.key());
        let mut builder = Builder::with_capacity(documents.iter().map(|(_, entry)| entry.length as usize + 1).sum());
        for (segment, entry) in documents {
            builder.push(entry.contribution, entry.document, entry.datanet, segment.document_text(entry)?);
        }
        Ok(builder)
    }

    /// Live segments with their numbers: the manifest and the snapshot are in the same order.
    fn numbered(&self, writer: &Writer) -> Vec<(u64, Arc<Segment>)> {
        writer.manifest.segments.iter().copied().zip(self.snapshot().iter().cloned()).collect()
    }
}

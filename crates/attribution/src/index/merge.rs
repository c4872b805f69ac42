//! Tiered merging: segments of one size class are rebuilt into one when there are enough of them.
//!
//! A byte is rebuilt at most once per class, and classes grow by the factor `merge_at`, so adding stays linear times a
//! logarithm however small the pieces are. Segments are never merged past the configured size.
//!
//! Whatever is rebuilt loses its withdrawn documents; a segment that is half withdrawn is rebuilt for that alone.

use std::sync::Arc;

use super::{Progress, SuffixIndex, Writer};
use crate::{
    error::{AddError, TraceError},
    segment::{Builder, Entry, Segment},
};

/// Everything smaller is one class.
const SMALLEST_CLASS: usize = 64 << 10;

impl SuffixIndex {
    /// Merges until no class is full and no segment is half withdrawn.
    pub(super) fn merge(&self, writer: &mut Writer, progress: &mut dyn FnMut(Progress)) -> Result<(), AddError> {
        while let Some(numbers) = self.due(writer) {
            self.rebuild(writer, &numbers, progress)?;
        }
        Ok(())
    }

    /// Rebuilds every segment that holds a withdrawn contribution. Returns how many documents were dropped.
    pub(super) fn purge_locked(
        &self,
        writer: &mut Writer,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<usize, AddError> {
        let mut dropped = 0;
        for (number, segment) in self.numbered(writer) {
            let (documents, _) = withdrawn_in(writer, &segment);
            if documents > 0 {
                self.rebuild(writer, &[number], progress)?;
                dropped += documents;
            }
        }
        Ok(dropped)
    }

    /// The segments to rebuild next: one that is half withdrawn, or the `merge_at` smallest of the smallest full class,
    /// fewer if more would not fit.
    fn due(&self, writer: &Writer) -> Option<Vec<u64>> {
        let numbered = self.numbered(writer);
        let stale = |segment: &Segment| withdrawn_in(writer, segment).1 * 2 >= segment.text_bytes();
        if let Some((number, _)) = numbered.iter().find(|(_, segment)| stale(segment)) {
            return Some(vec![*number]);
        }
        let mut by_size: Vec<(usize, u64)> =
            numbered.into_iter().map(|(number, segment)| (segment.text_bytes(), number)).collect();
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

    /// Puts one segment in place of these, without what is withdrawn.
    fn rebuild(
        &self,
        writer: &mut Writer,
        numbers: &[u64],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), AddError> {
        let builder = self.collect(writer, numbers)?;
        progress(Progress::Merge { segments: numbers.len(), bytes: builder.text_bytes() });
        self.replace(writer, numbers, Some(builder), progress)?;
        Ok(())
    }

    /// The documents of these segments in order, without the withdrawn ones.
    fn collect(&self, writer: &Writer, numbers: &[u64]) -> Result<Builder, TraceError> {
        let segments: Vec<Arc<Segment>> = self
            .numbered(writer)
            .into_iter()
            .filter(|(number, _)| numbers.contains(number))
            .map(|(_, segment)| segment)
            .collect();
        let mut documents: Vec<(&Segment, &Entry)> = segments
            .iter()
            .flat_map(|segment| segment.documents().iter().map(move |entry| (segment.as_ref(), entry)))
            .filter(|(_, entry)| !writer.manifest.withdrawn.contains(&entry.contribution))
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
        writer.manifest.segments.iter().copied().zip(self.snapshot().segments.iter().cloned()).collect()
    }
}

/// How many documents of a segment are withdrawn, and how many bytes of its text they take.
fn withdrawn_in(writer: &Writer, segment: &Segment) -> (usize, usize) {
    let stretches = writer.manifest.withdrawn.iter().map(|id| segment.contribution_documents(*id));
    stretches.fold((0, 0), |(documents, bytes), stretch| {
        (documents + stretch.len(), bytes + segment.text_range(&stretch).len())
    })
}

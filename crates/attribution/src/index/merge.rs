//! Tiered merging: segments of one size class are rebuilt into one when there are enough of them.
//!
//! A byte is rebuilt about once per class, and classes grow by the factor `merge_at`, so adding stays linear times a
//! logarithm: that is what adding costs on average. A single call may rebuild a whole segment. In the smallest class, below
//! 64 KiB times `merge_at`, a byte is rebuilt with every `merge_at - 1` new segments; that much is sorted in milliseconds.
//! Segments are never merged past the configured size.
//!
//! Whatever is rebuilt loses its withdrawn documents; a segment that is half withdrawn is rebuilt for that alone.

use std::sync::Arc;

use super::{IndexConfig, Progress, SuffixIndex, Writer, estimate::Size};
use crate::{
    error::{AddError, TraceError},
    segment::{Builder, Entry, Segment},
};

/// Everything smaller is one class.
const SMALLEST_CLASS: u64 = 64 << 10;

impl SuffixIndex {
    /// Merges until no class is full and no segment is half withdrawn.
    pub(super) fn merge(&self, writer: &mut Writer, progress: &mut dyn FnMut(Progress)) -> Result<(), AddError> {
        loop {
            let sizes: Vec<Size> = self
                .numbered(writer)
                .iter()
                .map(|(number, segment)| Size::new(*number, segment, &writer.manifest.withdrawn))
                .collect();
            let Some(numbers) = due(&self.config, &sizes) else { return Ok(()) };
            self.rebuild(writer, &numbers, progress)?;
        }
    }

    /// Rebuilds every segment that holds a withdrawn contribution. Returns how many documents were dropped.
    pub(super) fn purge_locked(
        &self,
        writer: &mut Writer,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<usize, AddError> {
        let mut dropped = 0;
        for (number, segment) in self.numbered(writer) {
            let withdrawn = Size::new(number, &segment, &writer.manifest.withdrawn).withdrawn_documents;
            if withdrawn > 0 {
                self.rebuild(writer, &[number], progress)?;
                dropped += withdrawn as usize;
            }
        }
        Ok(dropped)
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
        writer
            .manifest
            .segments
            .iter()
            .map(|segment| segment.number)
            .zip(self.snapshot().segments.iter().cloned())
            .collect()
    }
}

/// The segments to rebuild next: one that is half withdrawn, or the `merge_at` smallest of the smallest full class, fewer
/// if more would not fit.
pub(super) fn due(config: &IndexConfig, live: &[Size]) -> Option<Vec<u64>> {
    if let Some(stale) = live.iter().find(|size| size.withdrawn_text * 2 >= size.text) {
        return Some(vec![stale.number]);
    }
    let mut by_size: Vec<(u64, u64)> = live.iter().map(|size| (size.text, size.number)).collect();
    by_size.sort_unstable();
    let class = |text: u64| (text / SMALLEST_CLASS).max(1).ilog(config.merge_at as u64);
    by_size.chunk_by(|a, b| class(a.0) == class(b.0)).filter(|class| class.len() >= config.merge_at).find_map(|class| {
        let mut room = config.max_segment_bytes as u64;
        let fitting = class.iter().take(config.merge_at).map_while(|(bytes, number)| {
            room = room.checked_sub(*bytes)?;
            Some(*number)
        });
        let numbers: Vec<u64> = fitting.collect();
        (numbers.len() > 1).then_some(numbers)
    })
}

//! Tiered merging: segments of one size class are rebuilt into one when there are enough of them.
//!
//! A byte is rebuilt about once per class, and classes grow by the factor `merge_at`, so adding stays linear times a
//! logarithm: that is what adding costs on average. A single merge may rebuild a whole segment. In the smallest class, below
//! 64 KiB times `merge_at`, a byte is rebuilt with every `merge_at - 1` new segments; that much is sorted in milliseconds.
//! Segments are never merged past the configured size.
//!
//! Whatever is rebuilt loses its withdrawn documents; a segment that is half withdrawn is rebuilt for that alone.

use std::{collections::BTreeSet, sync::Arc};

use fonte_types::ContributionId;

use super::{IndexConfig, Progress, SuffixIndex, Writer, estimate::Size};
use crate::{
    error::{AddError, TraceError},
    segment::{Builder, Entry, Segment},
};

/// Everything smaller is one class.
const SMALLEST_CLASS: u64 = 64 << 10;

impl SuffixIndex {
    /// Rebuilds segments until no class is full and no segment is half withdrawn; mostly there is nothing to do. One call
    /// at a time does: others wait for it. Meanwhile documents are added and withdrawn, with the memory that each takes, and
    /// queries answer. Who is interrupted has changed nothing, and the next call begins anew.
    ///
    /// # Errors
    /// [`AddError`] when a segment cannot be read or written; the index then answers as before.
    pub fn merge(&self, progress: &mut dyn FnMut(Progress)) -> Result<(), AddError> {
        let _one_at_a_time = self.rebuilding()?;
        loop {
            let sizes: Vec<Size> = {
                let writer = self.writer()?;
                let withdrawn = &writer.manifest.withdrawn;
                self.numbered(&writer).iter().map(|(number, segment)| Size::new(*number, segment, withdrawn)).collect()
            };
            let Some(numbers) = due(&self.config, &sizes) else { return Ok(()) };
            self.rebuild(&numbers, progress)?;
        }
    }

    /// Rebuilds every segment that holds a withdrawn contribution. Returns how many documents were dropped. Whoever calls
    /// holds `rebuilding`.
    pub(super) fn purge_all(&self, progress: &mut dyn FnMut(Progress)) -> Result<usize, AddError> {
        let (segments, withdrawn) = {
            let writer = self.writer()?;
            (self.numbered(&writer), writer.manifest.withdrawn.clone())
        };
        let mut dropped = 0;
        for (number, segment) in segments {
            let documents = Size::new(number, &segment, &withdrawn).withdrawn_documents;
            if documents > 0 {
                self.rebuild(&[number], progress)?;
                dropped += documents as usize;
            }
        }
        Ok(dropped)
    }

    /// Puts one segment in place of these, without what is withdrawn. Whoever calls holds `rebuilding`, so that they stay
    /// until they are replaced; the writer's lock is held at the beginning and at the end only.
    fn rebuild(&self, numbers: &[u64], progress: &mut dyn FnMut(Progress)) -> Result<(), AddError> {
        let (number, segments, withdrawn) = {
            let mut writer = self.writer()?;
            let all = self.numbered(&writer).into_iter();
            let segments = all.filter(|(number, _)| numbers.contains(number)).map(|(_, segment)| segment).collect();
            (writer.take_number(), segments, writer.manifest.withdrawn.clone())
        };
        let builder = collect(segments, &withdrawn)?;
        progress(Progress::Merge { segments: numbers.len(), bytes: builder.text_bytes() });
        let merged = match builder.is_empty() {
            true => None,
            false => Some((number, self.write(number, builder, progress)?)),
        };
        // What was withdrawn meanwhile is in the new segment as it was in the old ones: no query sees it.
        self.replace(&mut *self.writer()?, numbers, merged, progress)?;
        Ok(())
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

/// The documents of these segments in order, without the withdrawn ones.
fn collect(segments: Vec<Arc<Segment>>, withdrawn: &BTreeSet<ContributionId>) -> Result<Builder, TraceError> {
    let mut documents: Vec<(&Segment, &Entry)> = segments
        .iter()
        .flat_map(|segment| segment.documents().iter().map(move |entry| (segment.as_ref(), entry)))
        .filter(|(_, entry)| !withdrawn.contains(&entry.contribution))
        .collect();
    documents.sort_by_key(|(_, entry)| entry.key());
    let mut builder = Builder::with_capacity(documents.iter().map(|(_, entry)| entry.length as usize + 1).sum());
    for (segment, entry) in documents {
        builder.push(entry.contribution, entry.document, entry.datanet, segment.document_text(entry)?);
    }
    Ok(builder)
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

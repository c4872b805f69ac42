//! What writing takes, before it begins: the same decisions as the writer's, over sizes alone.

use std::collections::BTreeSet;

use fonte_types::ContributionId;

use super::{IndexConfig, SuffixIndex, merge::due};
use crate::segment::{Layout, MAX_TEXT, Segment};

/// What a call that writes takes, before it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Segments that will be written, merged ones included.
    pub segments: u64,
    /// Bytes of text of existing and new segments that will be rebuilt, once for each time.
    pub merged_bytes: u64,
    /// Peak memory of this crate, besides the document that is being handed over. Pages of segment files that are read for
    /// merging are mapped, and come on top where the system counts them.
    pub memory_bytes: u64,
    /// Most disk that is taken at any moment beyond what the index takes now.
    pub disk_bytes: u64,
}

/// A segment as far as it matters for what is written next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) number: u64,
    /// Bytes of text, separators included.
    pub(super) text: u64,
    pub(super) documents: u64,
    /// Of these, withdrawn.
    pub(super) withdrawn_text: u64,
    pub(super) withdrawn_documents: u64,
}

impl Size {
    pub(super) fn new(number: u64, segment: &Segment, withdrawn: &BTreeSet<ContributionId>) -> Self {
        let mut size = Self {
            number,
            text: segment.text_bytes() as u64,
            documents: segment.documents().len() as u64,
            ..Self::default()
        };
        for stretch in withdrawn.iter().map(|id| segment.contribution_documents(*id)) {
            size.withdrawn_documents += stretch.len() as u64;
            size.withdrawn_text += segment.text_range(&stretch).len() as u64;
        }
        size
    }

    /// `None` where no file can be so large.
    fn layout(&self) -> Option<Layout> {
        Layout::new(usize::try_from(self.text).ok()?, usize::try_from(self.documents).ok()?)
    }

    fn file_bytes(&self) -> u64 {
        self.layout().map_or(0, |layout| layout.file_bytes as u64)
    }

    /// The text, four bytes for each suffix, and what is derived from them until it is written.
    fn memory_bytes(&self) -> u64 {
        self.text * 5 + self.layout().map_or(0, |layout| layout.derived_bytes() as u64)
    }
}

impl IndexConfig {
    /// What adding so many documents of so many bytes together to an empty index will take.
    pub fn estimate(self, documents: u64, text_bytes: u64) -> Estimate {
        let mut course = Course::new(self, Vec::new());
        course.add(documents, text_bytes);
        course.merge();
        course.estimate
    }

    /// What [`SuffixIndex::add_unmerged`] will take.
    pub fn estimate_add_unmerged(self, index: &SuffixIndex, documents: u64, text_bytes: u64) -> Estimate {
        let mut course = Course::new(self, index.sizes(&BTreeSet::new()));
        course.add(documents, text_bytes);
        course.estimate
    }

    /// What adding them to this index will take, with the merges that it brings about. What these really are depends on
    /// where documents end, so near a limit it may be one more or less.
    pub fn estimate_add(self, index: &SuffixIndex, documents: u64, text_bytes: u64) -> Estimate {
        let mut course = Course::new(self, index.sizes(&BTreeSet::new()));
        course.add(documents, text_bytes);
        course.merge();
        course.estimate
    }

    /// What withdrawing these contributions will take, with [`SuffixIndex::purge`] or without.
    pub fn estimate_withdraw(
        self,
        index: &SuffixIndex,
        contributions: &BTreeSet<ContributionId>,
        purge: bool,
    ) -> Estimate {
        let mut course = Course::new(self, index.sizes(contributions));
        course.merge();
        if purge {
            let stale = course.live.iter().filter(|size| size.withdrawn_documents > 0);
            let stale: Vec<u64> = stale.map(|size| size.number).collect();
            stale.into_iter().for_each(|number| course.rebuild(&[number]));
        }
        course.estimate
    }

    /// Limits that hold whatever was configured.
    pub(super) fn bounded(self) -> Self {
        Self { max_segment_bytes: self.max_segment_bytes.clamp(1, MAX_TEXT), merge_at: self.merge_at.max(2) }
    }
}

impl SuffixIndex {
    /// The live segments, with these contributions withdrawn, too.
    fn sizes(&self, contributions: &BTreeSet<ContributionId>) -> Vec<Size> {
        let snapshot = self.snapshot();
        let withdrawn = &snapshot.withdrawn | contributions;
        (0..).zip(&snapshot.segments).map(|(number, segment)| Size::new(number, segment, &withdrawn)).collect()
    }
}

/// The states that an index goes through.
struct Course {
    config: IndexConfig,
    live: Vec<Size>,
    next: u64,
    /// Bytes of files at the beginning, and now.
    began: u64,
    disk: u64,
    estimate: Estimate,
}

impl Course {
    fn new(config: IndexConfig, live: Vec<Size>) -> Self {
        let disk = live.iter().map(Size::file_bytes).sum();
        Self {
            config: config.bounded(),
            next: live.len() as u64,
            live,
            began: disk,
            disk,
            estimate: Estimate::default(),
        }
    }

    fn add(&mut self, documents: u64, text_bytes: u64) {
        let text = text_bytes.saturating_add(documents);
        let full = text.min(self.config.max_segment_bytes as u64);
        let mut left = text;
        let mut left_documents = documents;
        while left > 0 {
            let bytes = left.min(full);
            let share = u128::from(left_documents) * u128::from(bytes) / u128::from(left);
            let documents = u64::try_from(share).expect("no more than there are");
            self.write(Size { text: bytes, documents, ..Size::default() });
            (left, left_documents) = (left - bytes, left_documents - documents);
        }
    }

    fn merge(&mut self) {
        while let Some(numbers) = due(&self.config, &self.live) {
            self.rebuild(&numbers);
        }
    }

    fn rebuild(&mut self, numbers: &[u64]) {
        let (old, kept): (Vec<Size>, Vec<Size>) = self.live.iter().partition(|size| numbers.contains(&size.number));
        self.live = kept;
        let sum = |part: fn(&Size) -> u64| old.iter().map(part).sum::<u64>();
        let text = sum(|size| size.text - size.withdrawn_text);
        if text > 0 {
            self.estimate.merged_bytes += text;
            self.write(Size {
                text,
                documents: sum(|size| size.documents - size.withdrawn_documents),
                ..Size::default()
            });
        }
        // The old files go when the new one is there.
        self.disk -= sum(Size::file_bytes);
    }

    fn write(&mut self, size: Size) {
        self.disk += size.file_bytes();
        self.estimate.segments += 1;
        self.estimate.memory_bytes = self.estimate.memory_bytes.max(size.memory_bytes());
        self.estimate.disk_bytes = self.estimate.disk_bytes.max(self.disk.saturating_sub(self.began));
        self.live.push(Size { number: self.next, ..size });
        self.next += 1;
    }
}

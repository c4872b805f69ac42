//! The earliest member in an interval of the suffix array.
//!
//! An interval can hold a hundred thousand copies of a boilerplate line, so it is not scanned: a tree of minima with
//! fan 64 over the suffix array gives the smallest text position at once, and where that one is not a member's, the
//! search goes on best-first. Within a block of 64, positions of non-members are passed over in whole stretches of the
//! document table, so a predicate is asked once per contribution and query.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    ops::Range,
};

use super::{
    Entry, Interval, Segment,
    format::{FAN, SEPARATOR},
    u32_at,
};
use crate::{error::TraceError, members::Members};

/// What one query has learnt about who is a member, per segment.
pub(crate) struct MemberScan<'a> {
    members: &'a dyn Members,
    /// Stretches `[key, value)` of documents of which none is a member's. They may overlap.
    strangers: BTreeMap<usize, usize>,
    /// Stretches of documents of one contribution, which is a member.
    friends: BTreeMap<usize, usize>,
}

impl<'a> MemberScan<'a> {
    pub(crate) fn new(members: &'a dyn Members) -> Self {
        Self { members, strangers: BTreeMap::new(), friends: BTreeMap::new() }
    }

    pub(crate) fn everyone(&self) -> bool {
        self.members.everyone()
    }

    /// Whether a document is a member's.
    pub(crate) fn is_member(&mut self, segment: &Segment, document: usize) -> bool {
        self.next_member(segment, document) == document
    }

    /// The first document from `document` on that is a member's, or the number of documents.
    fn next_member(&mut self, segment: &Segment, document: usize) -> usize {
        if self.members.everyone() || covering(&self.friends, document).is_some() {
            return document;
        }
        let documents = segment.documents();
        let mut next = document;
        while next < documents.len() {
            if covering(&self.friends, next).is_some() {
                break;
            }
            if let Some(end) = covering(&self.strangers, next) {
                next = end;
                continue;
            }
            let Entry { contribution, datanet, .. } = documents[next];
            let alike = |other: &&Entry| other.contribution == contribution && other.datanet == datanet;
            let end = next + documents[next..].iter().take_while(alike).count();
            if self.members.contains(contribution, datanet) {
                self.friends.insert(next, end);
                break;
            }
            next = end;
        }
        if next > document {
            self.strangers.insert(document, next);
        }
        next
    }
}

/// The end of the stretch that holds `document`.
fn covering(stretches: &BTreeMap<usize, usize>, document: usize) -> Option<usize> {
    stretches.range(..=document).next_back().map(|(_, &end)| end).filter(|end| document < *end)
}

/// Which occurrences count: text positions in `positions` with room for `length` bytes in their document.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) positions: Range<u32>,
    pub(crate) length: usize,
}

impl Bounds {
    pub(crate) fn anywhere(length: usize) -> Self {
        Self { positions: 0..u32::MAX, length }
    }
}

impl Segment {
    /// The smallest text position in `interval` that is a member's and within `bounds`.
    pub(crate) fn earliest(
        &self,
        interval: Interval,
        bounds: &Bounds,
        scan: &mut MemberScan<'_>,
    ) -> Result<Option<u32>, TraceError> {
        self.earliest_in_steps(interval, bounds, scan, &mut { usize::MAX }).map(Option::flatten)
    }

    /// The same, or nothing at all after so many nodes of the tree, which are counted down: where a stranger's documents hold
    /// a pattern thousands of times, each block of 64 of them has to be passed over by itself.
    pub(crate) fn earliest_in_steps(
        &self,
        interval: Interval,
        bounds: &Bounds,
        scan: &mut MemberScan<'_>,
        steps: &mut usize,
    ) -> Result<Option<Option<u32>>, TraceError> {
        // Positions at or past `best` do not interest any more.
        let mut best = bounds.positions.end;
        let mut nodes = Vec::new();
        let (mut lo, mut hi, mut level) = (interval.lo, interval.hi, 0);
        loop {
            let (inner_lo, inner_hi) = (lo.div_ceil(FAN), hi / FAN);
            let whole = inner_lo < inner_hi && level < self.store.layout.minima.len();
            let edges = if whole { [lo..inner_lo * FAN, inner_hi * FAN..hi] } else { [lo..hi, hi..hi] };
            for edge in edges {
                if level == 0 {
                    best = self.scan_suffixes(edge, best, bounds, scan)?;
                } else {
                    self.push_nodes(level, edge, best, &mut nodes)?;
                }
            }
            if !whole {
                break;
            }
            (lo, hi, level) = (inner_lo, inner_hi, level + 1);
        }

        let mut queue = BinaryHeap::from(nodes);
        while let Some(Reverse((minimum, level, node))) = queue.pop() {
            if minimum >= best {
                break;
            }
            let Some(left) = steps.checked_sub(1) else { return Ok(None) };
            *steps = left;
            if level == 1 {
                let end = ((node + 1) * FAN).min(self.text_bytes());
                best = self.scan_suffixes(node * FAN..end, best, bounds, scan)?;
            } else {
                let mut children = Vec::with_capacity(FAN);
                let end = ((node + 1) * FAN).min(self.store.layout.minima[level - 2].1);
                self.push_nodes(level - 1, node * FAN..end, best, &mut children)?;
                queue.extend(children);
            }
        }
        Ok(Some((best < bounds.positions.end).then_some(best)))
    }

    /// All text positions in `interval` that are members' and have room for `length` bytes, in no order.
    pub(crate) fn for_each_member(
        &self,
        interval: Interval,
        length: usize,
        scan: &mut MemberScan<'_>,
        mut visit: impl FnMut(u32),
    ) -> Result<(), TraceError> {
        for rank in interval.lo..interval.hi {
            let position = self.suffix(rank)?;
            let document = self.document_at(position);
            if self.has_room(document, position, length) && scan.is_member(self, document) {
                visit(position);
            }
        }
        Ok(())
    }

    /// How often a pattern stands in members' documents, where `interval` is the pattern's.
    pub(crate) fn count_members(
        &self,
        pattern: &[u8],
        interval: Interval,
        scan: &mut MemberScan<'_>,
    ) -> Result<u64, TraceError> {
        // Without a separator in the pattern, no occurrence crosses a document's end.
        if scan.everyone() && !pattern.contains(&SEPARATOR) {
            return Ok((interval.hi - interval.lo) as u64);
        }
        let mut count = 0;
        self.for_each_member(interval, pattern.len(), scan, |_| count += 1)?;
        Ok(count)
    }

    pub(crate) fn has_room(&self, document: usize, position: u32, length: usize) -> bool {
        position as usize + length <= self.documents[document].end() as usize
    }

    /// The smallest position among the suffixes of `ranks` that is below `best` and counts, or `best`.
    fn scan_suffixes(
        &self,
        ranks: Range<usize>,
        best: u32,
        bounds: &Bounds,
        scan: &mut MemberScan<'_>,
    ) -> Result<u32, TraceError> {
        let mut floor = bounds.positions.start;
        let mut suffixes = self.suffixes(ranks)?;
        suffixes.retain(|suffix| *suffix < best);
        loop {
            let smallest = suffixes
                .iter()
                .map(|suffix| if *suffix < floor { u32::MAX } else { *suffix })
                .min()
                .unwrap_or(u32::MAX);
            if smallest >= best {
                return Ok(best);
            }
            let document = self.document_at(smallest);
            let member = scan.next_member(self, document);
            if member == document && self.has_room(document, smallest, bounds.length) {
                return Ok(smallest);
            }
            // Either the document is a stranger's, or the match would cross its end, as would any later one in it.
            match self.documents.get(member.max(document + 1)) {
                Some(next) => floor = next.start,
                None => return Ok(best),
            }
        }
    }

    /// Nodes of one level whose minimum is below `best`.
    fn push_nodes(
        &self,
        level: usize,
        nodes: Range<usize>,
        best: u32,
        into: &mut Vec<Reverse<(u32, usize, usize)>>,
    ) -> Result<(), TraceError> {
        let at = self.store.layout.minima[level - 1].0 + 4 * nodes.start;
        let minima = self.store.slice(at, 4 * nodes.len())?;
        let numbered = minima.chunks_exact(4).map(|minimum| u32_at(minimum, 0)).zip(nodes);
        into.extend(
            numbered.filter(|(minimum, _)| *minimum < best).map(|(minimum, node)| Reverse((minimum, level, node))),
        );
        Ok(())
    }
}

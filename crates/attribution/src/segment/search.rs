//! Finding a pattern: sampled keys narrow the suffix array to a block or two, then suffixes are compared, three at a time.
//!
//! Nearly all the time of a search is waiting for memory, and places that do not depend on each other are waited for
//! together: a node of keys is fetched whole, three suffixes at once, and both ends of an interval are looked for with
//! the same probes as long as they lie between the same two. A search is cut into steps, each of which works on what the
//! one before began to fetch, so that the searches of several segments wait together, too: see [`run`].

use std::{cmp::Ordering, ops::Range};

use super::{
    Interval, Segment,
    format::{FAN, KEY},
    minima::MemberScan,
};
use crate::error::TraceError;

/// Suffixes fetched at once: two rounds settle a block of 64, with as few comparisons as bisecting it. Seven places are
/// prefetched in little more time than one.
const PROBES: usize = 7;
/// Searches that take turns. More would push each other's lines out of the caches, and a core fetches no more at once.
const TURNS: usize = 8;
/// So many strangers' places to either side are looked at for the nearest member's.
const NEIGHBOURS: usize = 64;

impl Segment {
    /// The suffixes that begin with `pattern`, which is not empty.
    pub(crate) fn interval(&self, pattern: &[u8]) -> Result<Interval, TraceError> {
        let mut search = Search::new(self, pattern);
        while !search.step()? {}
        Ok(search.interval())
    }

    /// [`interval`](Self::interval), or how long a prefix of `pattern` stands somewhere in the text at most.
    pub(crate) fn interval_or_longest(&self, pattern: &[u8]) -> Result<Result<Interval, usize>, TraceError> {
        let interval = self.interval(pattern)?;
        if interval.is_empty() { self.longest_around(pattern, interval.lo).map(Err) } else { Ok(Ok(interval)) }
    }

    /// Length of the longest prefix of `pattern` that stands in the text. It may cross a document's end only where
    /// `pattern` itself holds the separator.
    pub(crate) fn longest(&self, pattern: &[u8]) -> Result<usize, TraceError> {
        let mut search = Search::lower(self, pattern);
        while !search.step()? {}
        self.longest_around(pattern, search.rank())
    }

    /// The same, where `rank` is the pattern's place: the two suffixes between which it would stand share the most with it.
    pub(crate) fn longest_around(&self, pattern: &[u8], rank: usize) -> Result<usize, TraceError> {
        let mut longest = 0;
        for neighbour in [rank.checked_sub(1), Some(rank)].into_iter().flatten() {
            if neighbour < self.text_bytes() {
                longest = longest.max(self.shared(neighbour, pattern)?);
            }
        }
        Ok(longest)
    }

    /// Length of the longest prefix of `pattern`, which holds no separator, in a member's document, where `rank` is the
    /// pattern's place: suffixes share the less with it the farther from there, so the nearest member's to either side
    /// decide. Nothing where strangers have all places nearby.
    pub(crate) fn longest_of_members(
        &self,
        pattern: &[u8],
        rank: usize,
        scan: &mut MemberScan<'_>,
    ) -> Result<Option<usize>, TraceError> {
        let before = (rank.saturating_sub(NEIGHBOURS)..rank).rev();
        let after = rank..self.text_bytes().min(rank + NEIGHBOURS);
        let (left, left_bound) = self.nearest_member(before, pattern, scan)?;
        let (right, right_bound) = self.nearest_member(after, pattern, scan)?;
        let longest = left.max(right);
        Ok((left_bound.max(right_bound) <= longest).then_some(longest))
    }

    /// What the first member's suffix of these ranks shares with the pattern, and where none is a member's, what those
    /// behind them share at most: no more than the last of them.
    fn nearest_member(
        &self,
        ranks: impl Iterator<Item = usize>,
        pattern: &[u8],
        scan: &mut MemberScan<'_>,
    ) -> Result<(usize, usize), TraceError> {
        let mut last = None;
        for rank in ranks {
            if scan.is_member(self, self.document_at(self.suffix(rank)?)) {
                return Ok((self.shared(rank, pattern)?, 0));
            }
            last = Some(rank);
        }
        Ok((0, last.map_or(Ok(0), |last| self.shared(last, pattern))?))
    }

    /// How many bytes the suffix of a rank shares with `pattern`.
    fn shared(&self, rank: usize, pattern: &[u8]) -> Result<usize, TraceError> {
        Ok(common_prefix(self.text(self.suffix(rank)?, pattern.len())?, pattern))
    }

    /// How the suffix at `position` compares with all that begin with `pattern`, and how many bytes they share, which are
    /// known to be `skip` or more.
    #[inline]
    fn compare(&self, position: u32, pattern: &[u8], skip: usize) -> Result<(Ordering, usize), TraceError> {
        let text = self.text(position, pattern.len())?;
        let skip = skip.min(text.len());
        let shared = skip + common_prefix(&text[skip..], &pattern[skip..]);
        let order = match (text.get(shared), pattern.get(shared)) {
            (_, None) => Ordering::Equal,
            (Some(byte), Some(wanted)) if byte > wanted => Ordering::Greater,
            _ => Ordering::Less,
        };
        Ok((order, shared))
    }

    /// How many keys of a node, given as a range of a level, pass the test that the first ones pass; as an index into
    /// the level.
    #[inline]
    fn keys_below(&self, level: usize, node: Range<usize>, below: impl Fn(u128) -> bool) -> Result<usize, TraceError> {
        let at = self.store.layout.keys[level].0 + KEY * node.start;
        let keys = self.store.slice(at, KEY * node.len())?.as_chunks::<KEY>().0;
        Ok(node.start + keys.partition_point(|key| below(u128::from_be_bytes(*key))))
    }

    /// Begins to load a node of keys.
    fn touch_keys(&self, level: usize, node: &Range<usize>) {
        let at = self.store.layout.keys[level].0 + KEY * node.start;
        (at..at + KEY * node.len()).step_by(64).for_each(|line| self.store.touch(line));
    }
}

/// The search for a pattern's interval in one segment, cut into steps.
pub(crate) struct Search<'a> {
    segment: &'a Segment,
    pattern: &'a [u8],
    both: bool,
    stage: Stage,
    /// Where the first suffix that is not below the pattern is.
    lower: Gap,
    /// Where the first one past those that begin with it is, once that is known to be another place.
    upper: Option<Gap>,
}

/// What the next step has to work on.
enum Stage {
    /// A node of keys for either bound, mostly the same one.
    Keys {
        level: usize,
        low: Range<usize>,
        high: Range<usize>,
    },
    /// Ranks to be probed.
    Ranks,
    /// Their texts.
    Texts,
    Done,
}

/// A rank looked for is in `lo..=hi`.
#[derive(Clone, Copy, Default)]
struct Gap {
    lo: usize,
    hi: usize,
    /// What the suffixes just below `lo` and at `hi` share with the pattern at least; all between share the lesser.
    low_shared: usize,
    high_shared: usize,
    /// The suffixes of the ranks that are being probed.
    suffixes: [u32; PROBES],
}

impl Gap {
    fn is_closed(&self) -> bool {
        self.lo >= self.hi
    }

    fn probes(&self) -> usize {
        (self.hi - self.lo).min(PROBES)
    }

    /// Probes are spread evenly, or are all there is.
    fn rank(&self, probe: usize) -> usize {
        let ranks = self.hi - self.lo;
        if ranks <= PROBES { self.lo + probe } else { self.lo + ranks * (probe + 1) / (PROBES + 1) }
    }

    fn shared(&self) -> usize {
        self.low_shared.min(self.high_shared)
    }
}

impl<'a> Search<'a> {
    /// For the whole interval of `pattern`, which is not empty.
    pub(crate) fn new(segment: &'a Segment, pattern: &'a [u8]) -> Self {
        let keys = &segment.store.layout.keys;
        let top = 0..keys.last().map_or(0, |level| level.1);
        let stage = Stage::Keys { level: keys.len() - 1, low: top.clone(), high: top };
        Self { segment, pattern, both: true, stage, lower: Gap::default(), upper: None }
    }

    /// For the interval's beginning alone.
    pub(crate) fn lower(segment: &'a Segment, pattern: &'a [u8]) -> Self {
        Self { both: false, ..Self::new(segment, pattern) }
    }

    /// The interval that was found; if it is empty, it lies where the pattern would stand.
    pub(crate) fn interval(&self) -> Interval {
        Interval { lo: self.lower.lo, hi: self.upper.map_or(self.lower.lo, |gap| gap.lo) }
    }

    /// Where it begins.
    pub(crate) fn rank(&self) -> usize {
        self.lower.lo
    }

    /// Goes on, until something has to be waited for. Returns whether the search is over.
    pub(crate) fn step(&mut self) -> Result<bool, TraceError> {
        match &self.stage {
            Stage::Keys { level, low, high } => {
                let (level, low, high) = (*level, low.clone(), high.clone());
                self.descend(level, low, high)?;
            }
            Stage::Ranks => {
                for gap in [Some(&mut self.lower), self.upper.as_mut()].into_iter().flatten() {
                    for probe in 0..gap.probes() {
                        let suffix = self.segment.suffix(gap.rank(probe))?;
                        self.segment.store.touch(self.segment.store.layout.text_at + suffix as usize + gap.shared());
                        gap.suffixes[probe] = suffix;
                    }
                }
                self.stage = Stage::Texts;
            }
            Stage::Texts => self.narrow()?,
            Stage::Done => {}
        }
        Ok(matches!(self.stage, Stage::Done))
    }

    /// From a node of keys to one of the next finer level, or to the ranks below the finest one.
    fn descend(&mut self, level: usize, low: Range<usize>, high: Range<usize>) -> Result<(), TraceError> {
        // A key is its suffix cut or padded with zeros. One below the pattern's lowest key has a suffix below the pattern;
        // one above its highest has a suffix above it that does not begin with it. Keys between say nothing.
        let known = self.pattern.len().min(KEY);
        let mut lowest = [0; KEY];
        lowest[..known].copy_from_slice(&self.pattern[..known]);
        let mut highest = [0xff; KEY];
        highest[..known].copy_from_slice(&self.pattern[..known]);
        let (lowest, highest) = (u128::from_be_bytes(lowest), u128::from_be_bytes(highest));

        let segment = self.segment;
        let rest = if low == high { None } else { Some(high) };
        let end = low.end;
        let first = segment.keys_below(level, low, |key| key < lowest)?;
        let last = segment.keys_below(level, rest.unwrap_or(first..end), |key| key <= highest)?;
        if level > 0 {
            // Of the finer level, key `64 (first - 1)` is below and key `64 first` is not.
            let entries = segment.store.layout.keys[level - 1].1;
            let node = |at: usize| (at * FAN).saturating_sub(FAN - 1)..(at * FAN).min(entries);
            let (low, high) = (node(first), node(last));
            segment.touch_keys(level - 1, &low);
            if high != low {
                segment.touch_keys(level - 1, &high);
            }
            self.stage = Stage::Keys { level: level - 1, low, high };
        } else {
            let from = if first == 0 { 0 } else { (first - 1) * FAN + 1 };
            self.lower = Gap { lo: from, hi: (last * FAN).min(segment.text_bytes()).max(from), ..Gap::default() };
            self.advance();
        }
        Ok(())
    }

    /// Closes in on both bounds with the suffixes that were fetched.
    fn narrow(&mut self) -> Result<(), TraceError> {
        let (segment, pattern) = (self.segment, self.pattern);
        let begins = |gap: &Gap| gap.high_shared == pattern.len();
        match &mut self.upper {
            Some(upper) => {
                close_in(segment, pattern, upper, 0, |order| order != Ordering::Greater)?;
                close_in(segment, pattern, &mut self.lower, 0, |order| order == Ordering::Less)?;
            }
            None => {
                let mut upper = self.lower;
                let first = close_in(segment, pattern, &mut self.lower, 0, |order| order == Ordering::Less)?;
                // The bounds part at the first probe that begins with the pattern.
                if self.both && begins(&self.lower) {
                    close_in(segment, pattern, &mut upper, first, |order| order != Ordering::Greater)?;
                    self.upper = Some(upper);
                }
            }
        }
        self.advance();
        Ok(())
    }

    /// Begins to load the suffixes of the next ranks to be probed, if there are any.
    fn advance(&mut self) {
        let store = &self.segment.store;
        let mut open = false;
        for gap in [Some(&self.lower), self.upper.as_ref()].into_iter().flatten() {
            open |= !gap.is_closed();
            let at = |rank: usize| store.layout.suffixes_at + rank * store.layout.suffix_bits as usize / 8;
            if gap.hi - gap.lo <= FAN {
                // All of it, some four lines: the rounds to come need no more.
                (at(gap.lo)..at(gap.hi)).step_by(64).chain([at(gap.hi)]).for_each(|line| store.touch(line));
            } else {
                (0..gap.probes()).for_each(|probe| store.touch(at(gap.rank(probe))));
            }
        }
        self.stage = if open { Stage::Ranks } else { Stage::Done };
    }
}

/// Bisects a gap's probes from the `first` on, of which the first ones compare as `is_below` says. Returns the first that
/// does not.
fn close_in(
    segment: &Segment,
    pattern: &[u8],
    gap: &mut Gap,
    first: usize,
    is_below: impl Fn(Ordering) -> bool,
) -> Result<usize, TraceError> {
    let before = *gap;
    let (mut from, mut to) = (first, before.probes());
    while from < to {
        let middle = from + (to - from) / 2;
        let (order, shared) = segment.compare(before.suffixes[middle], pattern, gap.shared())?;
        if is_below(order) {
            from = middle + 1;
            (gap.lo, gap.low_shared) = (before.rank(middle) + 1, shared);
        } else {
            to = middle;
            (gap.hi, gap.high_shared) = (before.rank(middle), shared);
        }
    }
    Ok(from)
}

/// Finishes searches in turns, so that one waits for memory while others compare.
pub(crate) fn run(searches: &mut [Search<'_>]) -> Result<(), TraceError> {
    for turn in searches.chunks_mut(TURNS) {
        let mut open = true;
        while open {
            open = false;
            for search in &mut *turn {
                open |= !search.step()?;
            }
        }
    }
    Ok(())
}

/// How many bytes two slices share at their beginning.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let words = a.chunks_exact(8).zip(b.chunks_exact(8));
    let mut shared = 0;
    for (x, y) in words {
        let differing = super::u64_at(x, 0) ^ super::u64_at(y, 0);
        if differing != 0 {
            return shared + (differing.trailing_zeros() / 8) as usize;
        }
        shared += 8;
    }
    shared + a[shared..].iter().zip(&b[shared..]).take_while(|(x, y)| x == y).count()
}

/// How many bytes two slices share at their end.
pub(crate) fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count()
}

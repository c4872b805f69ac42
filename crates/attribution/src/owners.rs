//! Who owns each byte: the earliest-window rule, then canonical runs with their witnesses.
//!
//! The rule and the choice of the witness are specified in `docs/spec/attribution.md` §2; `reference.rs` states them
//! again as plainly as possible, and tests hold the two equal.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

use fonte_types::{
    ContributionId, DatanetId, WINDOW,
    evidence::{Run, Source},
};

use crate::{
    error::{IndexError, TraceError},
    members::Everyone,
    segment::{Bounds, Builder, Interval, MemberScan, Segment, common_prefix, common_suffix},
    trace::{MAX_ANSWER_BYTES, MAX_PROMPT_BYTES},
    view::{self, View},
};

/// Sources in order of precedence: the prompt, contributions by id, nobody.
const PROMPT: u64 = 0;
const NOBODY: u64 = u64::MAX;

/// Neighbouring windows looked up with one search, less one: they share a core of half a window.
const BLOCK: usize = WINDOW / 2;
/// So many occurrences are compared one by one rather than searched for window by window.
pub(crate) const FEW: usize = 256;
/// So many comparisons, or nodes of the tree of minima, cost what a search costs.
const SEARCH: usize = 32;

pub(crate) fn owners(views: &[View<'_>], answer: &[u8], prompt: &[u8]) -> Result<Vec<Run>, TraceError> {
    check_length("answer", answer, MAX_ANSWER_BYTES)?;
    check_length("prompt", prompt, MAX_PROMPT_BYTES)?;
    let prompt = prompt_segment(prompt)?;

    let mut windows = vec![NOBODY; (answer.len() + 1).saturating_sub(WINDOW)];
    let prompt_view = View { segment: &prompt, members: &Everyone };
    prompt_view.own_windows(answer, |_, _| PROMPT, &mut windows)?;
    let contribution = |segment: &Segment, position| segment.occurrence(position).contribution.0;
    let threads = view::threads(views, answer.len());
    if threads < 2 {
        // In order of their first contribution: what an earlier segment settled, a later one need not search.
        let mut ordered = views.to_vec();
        ordered.sort_by_key(|view| view.segment.first_contribution());
        for view in ordered {
            view.own_windows(answer, contribution, &mut windows)?;
        }
    } else {
        let found = view::each(views, threads, |view| {
            let mut windows = windows.clone();
            view.own_windows(answer, contribution, &mut windows)?;
            Ok(windows)
        })?;
        for found in found {
            for (window, found) in windows.iter_mut().zip(found) {
                *window = (*window).min(found);
            }
        }
    }

    let bytes = own_bytes(answer.len(), &windows);
    let mut runs = Vec::new();
    let mut start = 0;
    for stretch in bytes.chunk_by(|a, b| a == b) {
        let end = start + stretch.len();
        match stretch[0] {
            NOBODY => runs.push(Run::nobody(narrow(start), narrow(end))),
            PROMPT => {
                let sources = [(&prompt, 0..prompt.documents().len())];
                witness_stretch(&sources, Source::Prompt, answer, &windows, start..end, &mut runs)?;
            }
            id => {
                let id = ContributionId(id);
                let sources: Vec<_> = views
                    .iter()
                    .map(|view| (view.segment, view.segment.contribution_documents(id)))
                    .filter(|(_, documents)| !documents.is_empty())
                    .collect();
                witness_stretch(&sources, Source::Contribution(id), answer, &windows, start..end, &mut runs)?;
            }
        }
        start = end;
    }
    Ok(runs)
}

pub(crate) fn check_length(what: &'static str, bytes: &[u8], limit: usize) -> Result<(), TraceError> {
    if bytes.len() > limit {
        return Err(TraceError::TooLong { what, bytes: bytes.len(), limit });
    }
    Ok(())
}

/// The prompt as a source like any other: a segment of one document.
fn prompt_segment(prompt: &[u8]) -> Result<Segment, TraceError> {
    let mut builder = Builder::default();
    builder.push(ContributionId(PROMPT), 0, DatanetId(0), prompt);
    Segment::in_memory(builder).map_err(|error| match error {
        IndexError::Sort { bytes, reason } => TraceError::Prompt { bytes, reason },
        _ => unreachable!("building in memory touches no file"),
    })
}

impl Segment {
    fn first_contribution(&self) -> Option<ContributionId> {
        self.documents().first().map(|entry| entry.contribution)
    }
}

impl View<'_> {
    /// Lowers `windows[s]` to the earliest source here that holds the window at `s`.
    ///
    /// Goes from the right, in blocks of 17 windows, which have their middle 16 bytes in common. Where these are absent,
    /// so is every window that holds their shortest absent prefix: text that nobody wrote costs one search per twenty
    /// bytes or so. Otherwise quotes cost one search per 17 bytes: see [`Block`].
    ///
    /// Boilerplate that strangers hold thousands of times before the first member does is dear: see [`Effort`].
    fn own_windows(
        &self,
        answer: &[u8],
        source: impl Fn(&Segment, u32) -> u64,
        windows: &mut [u64],
    ) -> Result<(), TraceError> {
        let segment = self.segment;
        let Some(first) = segment.first_contribution() else { return Ok(()) };
        let mut scan = MemberScan::new(self.members);
        let mut effort = Effort::default();
        let mut wide = BLOCK;
        let mut next = windows.len().checked_sub(1);
        while let Some(last) = next {
            next = last.checked_sub(1);
            if windows[last] <= first.0 {
                continue;
            }
            let begin = last.saturating_sub(wide);
            match segment.interval_or_longest(&answer[last..begin + WINDOW])? {
                // `answer[last..=last + longest]` stands nowhere: the next window that can is the one that ends before.
                Err(longest) => {
                    next = (last + longest).checked_sub(WINDOW);
                    wide = BLOCK;
                }
                Ok(interval) => {
                    let mut block = Block::new(answer, begin, last);
                    if let Some(settled) = block.settle(segment, interval, &mut scan, &mut effort)? {
                        for (window, position) in windows[begin..=last].iter_mut().zip(block.earliest()).skip(settled) {
                            if let Some(position) = position {
                                *window = (*window).min(source(segment, position));
                            }
                        }
                        next = (begin + settled).checked_sub(1);
                        wide = (wide * 4).clamp(1, BLOCK);
                    } else {
                        // Fewer windows have more in common, which stands in fewer places. A single one is settled.
                        wide = (last - begin) / 4;
                        next = Some(last);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Windows `begin..=last` of an answer, which share the bytes from `last` to `begin + 32`: their core.
///
/// Every place of a window is a place of the core. So the earliest place of the core, compared with the answer to both
/// sides, is the earliest of every window that it holds: mostly all of them, and boilerplate in thousands of documents
/// costs no more than a quote. Where it does not hold all, the core's other places are compared as well, if they are few.
struct Block<'a> {
    before: &'a [u8],
    after: &'a [u8],
    core: usize,
    /// Per window its earliest place so far, given as where the core stands; `u32::MAX` while there is none.
    best: [u32; BLOCK + 1],
}

impl<'a> Block<'a> {
    fn new(answer: &'a [u8], begin: usize, last: usize) -> Self {
        let (before, after) = (&answer[begin..last], &answer[begin + WINDOW..last + WINDOW]);
        Self { before, after, core: begin + WINDOW - last, best: [u32::MAX; BLOCK + 1] }
    }

    /// Finds the earliest member's place of windows, given all places of the core. Returns the first window, counted
    /// from `begin`, from which on they are found, or nothing where that would take too much.
    fn settle(
        &mut self,
        segment: &Segment,
        interval: Interval,
        scan: &mut MemberScan<'_>,
        effort: &mut Effort,
    ) -> Result<Option<usize>, TraceError> {
        let windows = self.places().len();
        let most = if windows == 1 { usize::MAX } else { SEARCH.max(effort.last.saturating_mul(windows)) };
        let Some(first) = effort.earliest(segment, interval, self.core, scan, most)? else { return Ok(None) };
        let Some(first) = first else { return Ok(Some(0)) };
        self.compare(segment, first, scan)?;
        let found = self.places().iter().rev().take_while(|place| **place != u32::MAX).count();
        let left = self.places().len() - found;
        // With some found, another block's search costs less than many comparisons.
        if left == 0 || (found > 0 && interval.len() > SEARCH) {
            return Ok(Some(left));
        }
        if interval.len() > FEW {
            return Ok(None);
        }
        for rank in interval.lo..interval.hi {
            self.compare(segment, segment.suffix(rank)?, scan)?;
        }
        Ok(Some(0))
    }

    /// Notes the windows that stand around one place of the core.
    fn compare(&mut self, segment: &Segment, position: u32, scan: &mut MemberScan<'_>) -> Result<(), TraceError> {
        let wide = self.before.len();
        let known = wide.min(position as usize);
        let left = common_suffix(segment.text(position - known as u32, known)?, self.before);
        let right = common_prefix(segment.text(position + self.core as u32, wide)?, self.after);
        // Window `begin + i` needs `wide - i` bytes to the left and `i` to the right.
        if left + right < wide || self.best[wide - left..=right].iter().all(|best| *best <= position) {
            return Ok(());
        }
        let document = segment.document_at(position);
        let entry = segment.documents()[document];
        let Some(room) = (entry.end() as usize).checked_sub(position as usize + self.core) else { return Ok(()) };
        let (left, right) = (left.min((position - entry.start) as usize), right.min(room));
        if left + right >= wide && scan.is_member(segment, document) {
            self.best[wide - left..=right].iter_mut().for_each(|best| *best = (*best).min(position));
        }
        Ok(())
    }

    fn places(&self) -> &[u32] {
        &self.best[..=self.before.len()]
    }

    /// Per window its earliest place, given as where the core stands, which is in the same document.
    fn earliest(&self) -> impl Iterator<Item = Option<u32>> {
        self.places().iter().map(|place| (*place != u32::MAX).then_some(*place))
    }
}

/// What it took to pass over strangers' places, in nodes of the tree of minima, while one answer is looked up in one segment.
///
/// A block that would take too much is cut into smaller ones. But where each window takes as much by itself, that multiplies
/// the work: so a block may take as much as its windows would, by the last that was found. And an answer that holds the same
/// boilerplate again and again has it looked for once.
#[derive(Default)]
struct Effort {
    /// Of the last search that found something, or nothing.
    last: usize,
    /// Those that took many, by the interval and length of the core.
    dear: BTreeMap<(usize, usize, usize), Dear>,
}

/// A search that took many nodes.
struct Dear {
    taken: usize,
    /// What came of it; nothing where it was given up.
    first: Option<Option<u32>>,
}

impl Effort {
    /// The earliest member's place of a core, or nothing at all where more than `most` nodes would have to be looked at.
    fn earliest(
        &mut self,
        segment: &Segment,
        interval: Interval,
        core: usize,
        scan: &mut MemberScan<'_>,
        most: usize,
    ) -> Result<Option<Option<u32>>, TraceError> {
        let key = (interval.lo, interval.hi, core);
        match self.dear.get(&key) {
            Some(Dear { first: Some(first), .. }) => return Ok(Some(*first)),
            Some(dear) if dear.taken >= most => return Ok(None),
            _ => {}
        }
        let mut left = most;
        let first = segment.earliest_in_steps(interval, &Bounds::anywhere(core), scan, &mut left)?;
        let taken = most - left;
        if first.is_some() {
            self.last = taken;
        }
        if taken >= SEARCH {
            self.dear.insert(key, Dear { taken, first });
        }
        Ok(first)
    }
}

/// The earliest source of every byte: the minimum over the windows that cover it.
fn own_bytes(length: usize, windows: &[u64]) -> Vec<u64> {
    let mut bytes = Vec::with_capacity(length);
    // Windows that cover the byte and are not preceded by a better later one, best first.
    let mut covering: VecDeque<usize> = VecDeque::new();
    for byte in 0..length {
        if let Some(&source) = windows.get(byte) {
            while covering.back().is_some_and(|last| windows[*last] >= source) {
                covering.pop_back();
            }
            covering.push_back(byte);
        }
        if covering.front().is_some_and(|first| first + WINDOW <= byte) {
            covering.pop_front();
        }
        bytes.push(covering.front().map_or(NOBODY, |first| windows[*first]));
    }
    bytes
}

/// Splits a stretch of one owner into runs: each takes, at its first byte, the owner's match that reaches farthest
/// right; of several, the one in the smallest document, then at the smallest offset.
fn witness_stretch(
    sources: &[(&Segment, Range<usize>)],
    source: Source,
    answer: &[u8],
    windows: &[u64],
    stretch: Range<usize>,
    runs: &mut Vec<Run>,
) -> Result<(), TraceError> {
    let owner = match source {
        Source::Prompt => PROMPT,
        Source::Contribution(id) => id.0,
        Source::Nobody => NOBODY,
    };
    let mut start = stretch.start;
    while start < stretch.end {
        // Within the stretch no window over `start` has an earlier owner, so those that the owner holds are exactly
        // those it owns. The rightmost reaches farthest, and every match that reaches as far holds it.
        let window = (start.saturating_sub(WINDOW - 1)..=start.min(windows.len() - 1))
            .rev()
            .find(|s| windows[*s] == owner)
            .expect("a byte's owner owns a window over it");
        let mut best: Option<(usize, u32, u32, usize)> = None;
        for (at, (segment, documents)) in sources.iter().enumerate() {
            let reach = best.map_or(WINDOW, |(length, ..)| length);
            if let Some((length, position)) = segment.longest_in(documents, &answer[window..], reach)? {
                let document = segment.occurrence(position).document;
                let rank = (length, Reverse(document));
                if best.is_none_or(|(length, document, ..)| (length, Reverse(document)) < rank) {
                    best = Some((length, document, position, at));
                }
            }
        }
        let (length, document, position, at) = best.expect("the owner of a window holds it");
        let segment = sources[at].0;
        let offset = segment.occurrence(position).offset;
        let before = segment.document_text(&segment.documents()[segment.document_at(position)])?;
        let before = &before[..usize::try_from(offset).expect("an offset in a mapped document fits")];
        let extension = before.iter().rev().zip(answer[..window].iter().rev()).take_while(|(a, b)| a == b).count();
        let match_end = window + length;
        let end = match_end.min(stretch.end);
        runs.push(Run::witnessed(
            narrow(start),
            narrow(end),
            source,
            document,
            narrow(window - extension),
            narrow(match_end),
            offset - extension as u64,
        ));
        start = end;
    }
    Ok(())
}

impl Segment {
    /// The longest prefix of `pattern` that stands in one of these neighbouring documents, if it has at least `least`
    /// bytes, which is no less than a window, and the smallest text position where it does.
    fn longest_in(
        &self,
        documents: &Range<usize>,
        pattern: &[u8],
        least: usize,
    ) -> Result<Option<(usize, u32)>, TraceError> {
        let positions = self.text_range(documents);
        let interval = self.interval(&pattern[..WINDOW])?;
        if interval.len() <= FEW {
            return self.longest_of_few(interval, &positions, pattern, least);
        }
        let mut scan = MemberScan::new(&Everyone);
        let mut first = |length: usize| {
            let interval = self.interval(&pattern[..length])?;
            self.earliest(interval, &Bounds { positions: positions.clone(), length }, &mut scan)
        };
        let mut high = self.longest(pattern)?;
        if high < least {
            return Ok(None);
        }
        // Mostly the owner's match is the longest there is.
        if let Some(position) = first(high)? {
            return Ok(Some((high, position)));
        }
        let mut found = None;
        let mut low = least;
        while low < high {
            let middle = low + (high - low) / 2;
            match first(middle)? {
                Some(position) => {
                    found = Some((middle, position));
                    low = middle + 1;
                }
                None => high = middle,
            }
        }
        Ok(found)
    }

    /// The same by comparing every place of the first window.
    fn longest_of_few(
        &self,
        interval: Interval,
        positions: &Range<u32>,
        pattern: &[u8],
        least: usize,
    ) -> Result<Option<(usize, u32)>, TraceError> {
        let mut best: Option<(usize, Reverse<u32>)> = None;
        for rank in interval.lo..interval.hi {
            let position = self.suffix(rank)?;
            if positions.contains(&position) {
                let room = self.documents()[self.document_at(position)].end() - position;
                let length = common_prefix(self.text(position, room as usize)?, pattern);
                if length >= least {
                    best = best.max(Some((length, Reverse(position))));
                }
            }
        }
        Ok(best.map(|(length, Reverse(position))| (length, position)))
    }
}

fn narrow(position: usize) -> u32 {
    u32::try_from(position).expect("an answer is at most 1 MiB")
}

//! Who owns each byte: the earliest-window rule, then canonical runs with their witnesses.
//!
//! The rule and the choice of the witness are specified in `docs/spec/attribution.md` §2; `reference.rs` states them
//! again as plainly as possible, and tests hold the two equal.

use std::{cmp::Reverse, collections::VecDeque, ops::Range};

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
    /// bytes or so. Where they stand in few places, each place is compared with the answer to both sides, and shows
    /// every window of the block that it holds: quotes cost one search per 17 bytes. Only boilerplate, which stands in
    /// many places, is searched in smaller blocks and in the end window by window.
    fn own_windows(
        &self,
        answer: &[u8],
        source: impl Fn(&Segment, u32) -> u64,
        windows: &mut [u64],
    ) -> Result<(), TraceError> {
        let segment = self.segment;
        let Some(first) = segment.first_contribution() else { return Ok(()) };
        let mut scan = MemberScan::new(self.members);
        let mut block = BLOCK;
        let mut next = windows.len().checked_sub(1);
        while let Some(last) = next {
            next = last.checked_sub(1);
            if windows[last] <= first.0 {
                continue;
            }
            let begin = last.saturating_sub(block);
            match segment.interval_or_longest(&answer[last..begin + WINDOW])? {
                // `answer[last..=last + longest]` stands nowhere: the next window that can is the one that ends before.
                Err(longest) => {
                    next = (last + longest).checked_sub(WINDOW);
                    block = BLOCK;
                }
                Ok(interval) if interval.len() <= FEW => {
                    for (s, position) in
                        (begin..).zip(self.earliest_of_block(answer, begin..=last, interval, &mut scan)?)
                    {
                        if let Some(position) = position {
                            windows[s] = windows[s].min(source(segment, position));
                        }
                    }
                    next = begin.checked_sub(1);
                    block = wider(block);
                }
                Ok(interval) if begin == last => {
                    if let Some(position) = segment.earliest(interval, &Bounds::anywhere(WINDOW), &mut scan)? {
                        windows[last] = windows[last].min(source(segment, position));
                    }
                }
                Ok(_) => {
                    block = narrower(block);
                    next = Some(last);
                }
            }
        }
        Ok(())
    }

    /// For each window of a block the earliest place, where `interval` holds all places of what they have in common.
    /// Places are given as where `answer[last]` would stand, which is in the same document.
    fn earliest_of_block(
        &self,
        answer: &[u8],
        block: std::ops::RangeInclusive<usize>,
        interval: Interval,
        scan: &mut MemberScan<'_>,
    ) -> Result<impl Iterator<Item = Option<u32>> + use<>, TraceError> {
        let segment = self.segment;
        let (begin, last) = (*block.start(), *block.end());
        let (wide, core) = (last - begin, begin + WINDOW - last);
        let (before, after) = (&answer[begin..last], &answer[begin + WINDOW..last + WINDOW]);
        let mut best = [u32::MAX; BLOCK + 1];
        for rank in interval.lo..interval.hi {
            let position = segment.suffix(rank)?;
            let known = wide.min(position as usize);
            let left = common_suffix(segment.text(position - known as u32, known)?, before);
            let right = common_prefix(segment.text(position + core as u32, wide)?, after);
            // Window `begin + i` needs `wide - i` bytes to the left and `i` to the right.
            if left + right < wide || best[wide - left..=right].iter().all(|best| *best <= position) {
                continue;
            }
            let document = segment.document_at(position);
            if !scan.is_member(segment, document) {
                continue;
            }
            let entry = segment.documents()[document];
            let left = left.min((position - entry.start) as usize);
            let Some(room) = (entry.end() as usize).checked_sub(position as usize + core) else { continue };
            let right = right.min(room);
            if left + right >= wide {
                best[wide - left..=right].iter_mut().for_each(|best| *best = (*best).min(position));
            }
        }
        Ok(best.into_iter().take(wide + 1).map(|best| (best != u32::MAX).then_some(best)))
    }
}

fn narrower(block: usize) -> usize {
    block / 4
}

fn wider(block: usize) -> usize {
    (block * 4).clamp(1, BLOCK)
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
    /// bytes, and the smallest text position where it does.
    fn longest_in(
        &self,
        documents: &Range<usize>,
        pattern: &[u8],
        least: usize,
    ) -> Result<Option<(usize, u32)>, TraceError> {
        let positions = self.text_range(documents);
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
}

fn narrow(position: usize) -> u32 {
    u32::try_from(position).expect("an answer is at most 1 MiB")
}

//! Maximal spans: the longest stretches that stand somewhere, how often, and where.
//!
//! They are found from the right with few searches: the rightmost start from which `min_len` bytes match gives an end; the
//! places where that stands, compared with the answer to the left, give the leftmost start that reaches this end, and that
//! pair is maximal. Then the same again to the left of it. The number of searches grows with the number of spans, not with
//! every byte. Segments are searched side by side, so that what one holds spares the others the search within it.
//!
//! Where there are several threads, each does so with its part of the segments, and what lies within another part's span
//! is dropped: a span that is maximal in the whole index stands in some segment, and there it is maximal, too.

use std::ops::Range;

use crate::{
    error::TraceError,
    owners::{FEW, check_length},
    segment::{self, Bounds, Interval, MemberScan, SEPARATOR, Segment, common_suffix},
    trace::{MAX_ANSWER_BYTES, MaximalSpan, Occurrence, SpanQuery},
    view::{self, View},
};

pub(crate) fn spans(views: &[View<'_>], answer: &[u8], query: SpanQuery) -> Result<Vec<MaximalSpan>, TraceError> {
    check_length("answer", answer, MAX_ANSWER_BYTES)?;
    let least = query.min_len.max(1);
    let parts = view::parts(views, answer.len());
    let mut found: Vec<Range<usize>> =
        view::each(&parts, parts.len(), |part| Search::new(part).spans(answer, least))?.into_iter().flatten().collect();
    found.sort_by_key(|span| (span.start, usize::MAX - span.end));
    let mut reached = 0;
    found.retain(|span| {
        let new = span.end > reached;
        reached = reached.max(span.end);
        new
    });

    let described = view::each(&parts, parts.len(), |part| {
        let mut search = Search::new(part);
        found.iter().map(|span| search.describe(&answer[span.clone()], query.max_documents)).collect()
    })?;
    let mut spans: Vec<MaximalSpan> = found
        .into_iter()
        .map(|Range { start, end }| MaximalSpan { start, end, count: 0, documents: Vec::new() })
        .collect();
    for part in described {
        let part: Vec<(u64, Vec<Occurrence>)> = part;
        for (span, (count, documents)) in spans.iter_mut().zip(part) {
            span.count += count;
            span.documents.extend(documents);
        }
    }
    for span in &mut spans {
        span.documents.sort_unstable();
        span.documents.truncate(query.max_documents);
    }
    Ok(spans)
}

/// A search through some segments, and what it has learnt about who is a member.
struct Search<'a> {
    parts: Vec<Part<'a>>,
}

struct Part<'a> {
    segment: &'a Segment,
    scan: MemberScan<'a>,
}

impl<'a> Search<'a> {
    fn new(views: &[View<'a>]) -> Self {
        let part = |view: &View<'a>| Part { segment: view.segment, scan: MemberScan::new(view.members) };
        Self { parts: views.iter().map(part).collect() }
    }

    /// The maximal spans of these segments, from right to left.
    fn spans(&mut self, answer: &[u8], least: usize) -> Result<Vec<Range<usize>>, TraceError> {
        let mut spans = Vec::new();
        let mut next = answer.len().checked_sub(least);
        while let Some(s) = next {
            let longest = self.longest(&answer[s..], least)?;
            if longest < least {
                // `answer[s..=s + longest]` stands nowhere: the next start that can is the one that ends before.
                next = (s + longest).checked_sub(least);
            } else {
                let end = s + longest;
                let start = self.leftmost(answer, s, end)?;
                spans.push(start..end);
                next = start.checked_sub(1);
            }
        }
        Ok(spans)
    }

    /// The longest prefix of `pattern` in members' documents; where that is shorter than `least`, something between it and
    /// `least`.
    fn longest(&mut self, pattern: &[u8], least: usize) -> Result<usize, TraceError> {
        let mut searches: Vec<_> =
            self.parts.iter().map(|part| segment::Search::lower(part.segment, pattern)).collect();
        segment::run(&mut searches)?;
        let ranks: Vec<usize> = searches.iter().map(segment::Search::rank).collect();
        let mut longest = 0;
        for (part, rank) in self.parts.iter_mut().zip(ranks) {
            // What stands in anyone's text bounds what stands in a member's.
            let high = part.segment.longest_around(pattern, rank)?;
            if high > longest {
                longest = longest.max(part.longest(&pattern[..high], rank, least)?);
            }
        }
        Ok(longest)
    }

    /// The smallest start from which the answer up to `end` stands, given that it does from `start`.
    fn leftmost(&mut self, answer: &[u8], start: usize, end: usize) -> Result<usize, TraceError> {
        let mut leftmost = start;
        let intervals = intervals(&self.parts, &answer[start..end])?;
        for (part, interval) in self.parts.iter_mut().zip(intervals) {
            if !interval.is_empty() {
                leftmost = leftmost.min(part.leftmost(answer, start, end, interval)?);
            }
        }
        Ok(leftmost)
    }

    /// Occurrences, and the first one in each of the earliest documents of each segment.
    fn describe(&mut self, pattern: &[u8], max_documents: usize) -> Result<(u64, Vec<Occurrence>), TraceError> {
        let (mut count, mut documents) = (0, Vec::new());
        let intervals = intervals(&self.parts, pattern)?;
        for (part, interval) in self.parts.iter_mut().zip(intervals) {
            count += part.describe(pattern, interval, max_documents, &mut documents)?;
        }
        Ok((count, documents))
    }
}

/// The pattern's interval in each segment.
fn intervals(parts: &[Part<'_>], pattern: &[u8]) -> Result<Vec<Interval>, TraceError> {
    let mut searches: Vec<_> = parts.iter().map(|part| segment::Search::new(part.segment, pattern)).collect();
    segment::run(&mut searches)?;
    Ok(searches.iter().map(segment::Search::interval).collect())
}

impl Part<'_> {
    /// Whether every place in this segment counts, whoever wrote it and wherever its document ends.
    fn all_count(&self, pattern: &[u8]) -> bool {
        self.scan.everyone() && !pattern.contains(&SEPARATOR)
    }

    fn stands(&mut self, pattern: &[u8]) -> Result<bool, TraceError> {
        let interval = self.segment.interval(pattern)?;
        if interval.is_empty() || self.all_count(pattern) {
            return Ok(!interval.is_empty());
        }
        Ok(self.segment.earliest(interval, &Bounds::anywhere(pattern.len()), &mut self.scan)?.is_some())
    }

    /// As for all segments. All of `pattern` stands in someone's text and no longer one does; `rank` is its place.
    fn longest(&mut self, pattern: &[u8], rank: usize, least: usize) -> Result<usize, TraceError> {
        if pattern.len() < least || self.all_count(pattern) {
            return Ok(pattern.len());
        }
        if !pattern.contains(&SEPARATOR)
            && let Some(longest) = self.segment.longest_of_members(pattern, rank, &mut self.scan)?
        {
            return Ok(longest);
        }
        if self.stands(pattern)? {
            return Ok(pattern.len());
        }
        if pattern.len() == least || !self.stands(&pattern[..least])? {
            return Ok(least - 1);
        }
        let (mut low, mut high, mut found) = (least + 1, pattern.len(), least);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.stands(&pattern[..middle])? {
                found = middle;
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(found)
    }

    /// As for all segments, where `interval` is that of the answer from `start` to `end`, and not empty.
    fn leftmost(&mut self, answer: &[u8], start: usize, end: usize, interval: Interval) -> Result<usize, TraceError> {
        if interval.len() > FEW {
            return self.leftmost_of_many(answer, start, end);
        }
        // Whatever reaches farther left continues one of these places.
        let mut farthest = 0;
        let segment = self.segment;
        for position in self.places(interval, end - start)? {
            let entry = &segment.documents()[segment.document_at(position)];
            let known = (position - entry.start).min(u32::try_from(start).expect("an answer is at most 1 MiB"));
            let before = segment.text(position - known, known as usize)?;
            farthest = farthest.max(common_suffix(before, &answer[..start]));
        }
        Ok(start - farthest)
    }

    /// The same with searches alone: gallops left, then bisects.
    fn leftmost_of_many(&mut self, answer: &[u8], start: usize, end: usize) -> Result<usize, TraceError> {
        let (mut good, mut step) = (start, 1);
        let mut bad = None;
        while good > 0 {
            let probe = good.saturating_sub(step);
            if !self.stands(&answer[probe..end])? {
                bad = Some(probe);
                break;
            }
            good = probe;
            step *= 2;
        }
        let mut low = bad.map_or(0, |bad| bad + 1);
        while low < good {
            let middle = low + (good - low) / 2;
            if self.stands(&answer[middle..end])? {
                good = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(good)
    }

    /// Counts, and appends the first occurrence in each of the earliest documents.
    fn describe(
        &mut self,
        pattern: &[u8],
        interval: Interval,
        max_documents: usize,
        documents: &mut Vec<Occurrence>,
    ) -> Result<u64, TraceError> {
        let segment = self.segment;
        let mut left = max_documents;
        if interval.len() <= FEW {
            let mut places = self.places(interval, pattern.len())?;
            places.sort_unstable();
            let mut reached = 0;
            for position in &places {
                if left > 0 && *position >= reached {
                    documents.push(segment.occurrence(*position));
                    reached = segment.documents()[segment.document_at(*position)].end();
                    left -= 1;
                }
            }
            return Ok(places.len() as u64);
        }
        let count = segment.count_members(pattern, interval, &mut self.scan)?;
        let mut bounds = Bounds::anywhere(pattern.len());
        while left > 0
            && let Some(position) = segment.earliest(interval, &bounds, &mut self.scan)?
        {
            documents.push(segment.occurrence(position));
            bounds.positions.start = segment.documents()[segment.document_at(position)].end() + 1;
            left -= 1;
        }
        Ok(count)
    }

    /// The members' places among an interval, in no order.
    fn places(&mut self, interval: Interval, length: usize) -> Result<Vec<u32>, TraceError> {
        let mut places = Vec::with_capacity(interval.len());
        self.segment.for_each_member(interval, length, &mut self.scan, |position| places.push(position))?;
        Ok(places)
    }
}

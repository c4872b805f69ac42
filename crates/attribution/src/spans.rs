//! Maximal spans: the longest stretches that stand somewhere, how often, and where.
//!
//! Each segment is searched by itself, then what lies within a span of another one is dropped: a span that is maximal in
//! the whole index stands in some segment, and there it is maximal, too.
//!
//! Within a segment they are found from the right with few searches: the rightmost start from which `min_len` bytes match
//! gives an end; the places where that stands, compared with the answer to the left, give the leftmost start that reaches
//! this end, and that pair is maximal. Then the same again to the left of it. The number of searches grows with the
//! number of spans, not with every byte.

use std::ops::Range;

use crate::{
    error::TraceError,
    owners::{FEW, check_length},
    segment::{Bounds, Interval, MemberScan, SEPARATOR, common_suffix},
    trace::{MAX_ANSWER_BYTES, MaximalSpan, Occurrence, SpanQuery},
    view::{self, View},
};

pub(crate) fn spans(views: &[View<'_>], answer: &[u8], query: SpanQuery) -> Result<Vec<MaximalSpan>, TraceError> {
    check_length("answer", answer, MAX_ANSWER_BYTES)?;
    let least = query.min_len.max(1);
    let threads = view::threads(views, answer.len());
    let mut found: Vec<Range<usize>> =
        view::each(views, threads, |view| Search::new(view).spans(answer, least))?.into_iter().flatten().collect();
    found.sort_by_key(|span| (span.start, usize::MAX - span.end));
    let mut reached = 0;
    found.retain(|span| {
        let new = span.end > reached;
        reached = reached.max(span.end);
        new
    });

    let described = view::each(views, threads, |view| {
        let mut search = Search::new(view);
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

enum Longest {
    /// No prefix as long as asked for; none longer than this stands in any text.
    TooShort(usize),
    Stands(usize),
}

struct Search<'a> {
    view: View<'a>,
    scan: MemberScan<'a>,
}

impl<'a> Search<'a> {
    fn new(view: &View<'a>) -> Self {
        Self { view: *view, scan: MemberScan::new(view.members) }
    }

    /// The maximal spans of this segment, from right to left.
    fn spans(&mut self, answer: &[u8], least: usize) -> Result<Vec<Range<usize>>, TraceError> {
        let mut spans = Vec::new();
        let mut next = answer.len().checked_sub(least);
        while let Some(s) = next {
            match self.longest(&answer[s..], least)? {
                // As for owners: `answer[s..=s + longest]` stands nowhere.
                Longest::TooShort(longest) => next = (s + longest).checked_sub(least),
                Longest::Stands(longest) => {
                    let end = s + longest;
                    let start = self.leftmost(answer, s, end)?;
                    spans.push(start..end);
                    next = start.checked_sub(1);
                }
            }
        }
        Ok(spans)
    }

    /// Whether every place in this segment counts, whoever wrote it and wherever its document ends.
    fn all_count(&self, pattern: &[u8]) -> bool {
        self.scan.everyone() && !pattern.contains(&SEPARATOR)
    }

    fn stands(&mut self, pattern: &[u8]) -> Result<bool, TraceError> {
        let interval = self.view.segment.interval(pattern)?;
        if interval.is_empty() || self.all_count(pattern) {
            return Ok(!interval.is_empty());
        }
        Ok(self.view.segment.earliest(interval, &Bounds::anywhere(pattern.len()), &mut self.scan)?.is_some())
    }

    /// The longest prefix of `pattern` in members' documents.
    fn longest(&mut self, pattern: &[u8], least: usize) -> Result<Longest, TraceError> {
        // What stands in anyone's text bounds what stands in a member's.
        let high = self.view.segment.longest(pattern)?;
        if high < least {
            return Ok(Longest::TooShort(high));
        }
        if self.all_count(&pattern[..high]) || self.stands(&pattern[..high])? {
            return Ok(Longest::Stands(high));
        }
        // A stranger's text, mostly: say so with one more search.
        if high == least || !self.stands(&pattern[..least])? {
            return Ok(Longest::TooShort(least - 1));
        }
        let (mut low, mut high, mut found) = (least + 1, high, least);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.stands(&pattern[..middle])? {
                found = middle;
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Longest::Stands(found))
    }

    /// The smallest start from which the answer up to `end` stands, given that it does from `start`.
    fn leftmost(&mut self, answer: &[u8], start: usize, end: usize) -> Result<usize, TraceError> {
        let interval = self.view.segment.interval(&answer[start..end])?;
        if interval.len() > FEW {
            return self.leftmost_of_many(answer, start, end);
        }
        // Whatever reaches farther left continues one of these places.
        let mut farthest = 0;
        for position in self.places(interval, end - start)? {
            let segment = self.view.segment;
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

    /// Occurrences, and the first one in each of the earliest documents.
    fn describe(&mut self, pattern: &[u8], max_documents: usize) -> Result<(u64, Vec<Occurrence>), TraceError> {
        let segment = self.view.segment;
        let interval = segment.interval(pattern)?;
        let mut documents: Vec<Occurrence> = Vec::new();
        if interval.len() <= FEW {
            let mut places = self.places(interval, pattern.len())?;
            places.sort_unstable();
            for position in &places {
                let place = segment.occurrence(*position);
                let known = documents.last().is_some_and(|last| last.is_same_document(&place));
                if !known && documents.len() < max_documents {
                    documents.push(place);
                }
            }
            return Ok((places.len() as u64, documents));
        }
        let count = segment.count_members(pattern, interval, &mut self.scan)?;
        let mut bounds = Bounds::anywhere(pattern.len());
        for _ in 0..max_documents {
            let Some(position) = segment.earliest(interval, &bounds, &mut self.scan)? else { break };
            documents.push(segment.occurrence(position));
            bounds.positions.start = segment.documents()[segment.document_at(position)].end() + 1;
        }
        Ok((count, documents))
    }

    /// The members' places among an interval, in no order.
    fn places(&mut self, interval: Interval, length: usize) -> Result<Vec<u32>, TraceError> {
        let mut places = Vec::with_capacity(interval.len());
        self.view.segment.for_each_member(interval, length, &mut self.scan, |position| places.push(position))?;
        Ok(places)
    }
}

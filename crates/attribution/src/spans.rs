//! Maximal spans: the longest stretches that stand somewhere, how often, and where.
//!
//! Found from the right with few searches: the rightmost start from which `min_len` bytes match gives an end, a
//! bisection gives the leftmost start that reaches this end, and that pair is maximal. Then the same again to the left
//! of it. The number of searches grows with the number of spans and the logarithm of their length, not with every byte.

use std::sync::Arc;

use crate::{
    error::TraceError,
    members::Members,
    owners::check_length,
    segment::{Bounds, MemberScan, Segment},
    trace::{MAX_ANSWER_BYTES, MaximalSpan, Occurrence, SpanQuery},
};

pub(crate) fn spans(
    segments: &[Arc<Segment>],
    answer: &[u8],
    query: SpanQuery,
    members: &dyn Members,
) -> Result<Vec<MaximalSpan>, TraceError> {
    check_length("answer", answer, MAX_ANSWER_BYTES)?;
    let least = query.min_len.max(1);
    let mut search =
        Search { segments: segments.iter().map(|segment| (segment.as_ref(), MemberScan::new(members))).collect() };
    let mut spans = Vec::new();
    let mut next = answer.len().checked_sub(least);
    while let Some(s) = next {
        match search.longest(&answer[s..], least)? {
            // As for owners: `answer[s..=s + longest]` stands nowhere.
            Longest::TooShort(longest) => next = (s + longest).checked_sub(least),
            Longest::Stands(longest) => {
                let end = s + longest;
                let start = search.leftmost(answer, s, end)?;
                let (count, documents) = search.describe(&answer[start..end], query.max_documents)?;
                spans.push(MaximalSpan { start, end, count, documents });
                next = start.checked_sub(1);
            }
        }
    }
    spans.reverse();
    Ok(spans)
}

enum Longest {
    /// No prefix as long as asked for; none longer than this stands in any text.
    TooShort(usize),
    Stands(usize),
}

struct Search<'a> {
    segments: Vec<(&'a Segment, MemberScan<'a>)>,
}

impl Search<'_> {
    fn stands(&mut self, pattern: &[u8]) -> Result<bool, TraceError> {
        for (segment, scan) in &mut self.segments {
            let interval = segment.interval(pattern)?;
            if interval.lo < interval.hi
                && segment.earliest(interval, &Bounds::anywhere(pattern.len()), scan)?.is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The longest prefix of `pattern` in members' documents.
    fn longest(&mut self, pattern: &[u8], least: usize) -> Result<Longest, TraceError> {
        // What stands in anyone's text bounds what stands in a member's.
        let mut high = 0;
        for (segment, _) in &self.segments {
            high = high.max(segment.longest(pattern)?);
        }
        if high < least {
            return Ok(Longest::TooShort(high));
        }
        if self.stands(&pattern[..high])? {
            return Ok(Longest::Stands(high));
        }
        // A stranger's text, mostly: say so with one more search.
        if high == least || !self.stands(&pattern[..least])? {
            return Ok(Longest::TooShort(least - 1));
        }
        let (mut low, mut found) = (least + 1, least);
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

    /// The smallest start from which the answer up to `end` stands, given that it does from `start`: gallops left,
    /// then bisects.
    fn leftmost(&mut self, answer: &[u8], start: usize, end: usize) -> Result<usize, TraceError> {
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
        let mut count = 0;
        let mut documents: Vec<Occurrence> = Vec::new();
        for (segment, scan) in &mut self.segments {
            let interval = segment.interval(pattern)?;
            count += segment.count_members(pattern, interval, scan)?;
            let mut bounds = Bounds::anywhere(pattern.len());
            for _ in 0..max_documents {
                let Some(position) = segment.earliest(interval, &bounds, scan)? else { break };
                documents.push(segment.occurrence(position));
                let document = segment.document_at(position);
                bounds.positions.start = segment.documents()[document].end() + 1;
            }
        }
        documents.sort_unstable();
        documents.truncate(max_documents);
        Ok((count, documents))
    }
}

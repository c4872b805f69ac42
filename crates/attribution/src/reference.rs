//! The same three queries as plainly as possible, by comparing everything with everything.
//!
//! This is the specification in code: `docs/spec/attribution.md` §2 and §3 line by line, without an index. The fast
//! path is tested against it. Quadratic and worse: for tests only.

use std::ops::Range;

use fonte_types::{
    ContributionId, WINDOW,
    evidence::{Run, Source},
};

use crate::{Document, MaximalSpan, Members, Occurrence, SpanQuery};

/// Runs of the earliest-window rule. See [`TraceIndex::owners`](crate::TraceIndex::owners).
pub fn owners(documents: &[Document], answer: &[u8], prompt: &[u8], members: &dyn Members) -> Vec<Run> {
    // Every source as (source, document, text), earliest first.
    let mut sources: Vec<(Source, u32, &[u8])> = members_in_order(documents, members)
        .into_iter()
        .map(|document| (Source::Contribution(document.contribution), document.document, document.text.as_slice()))
        .collect();
    sources.insert(0, (Source::Prompt, 0, prompt));

    // The owner of a byte is the earliest source with a window over it.
    let holder = |window: &[u8]| {
        sources.iter().position(|(_, _, text)| text.windows(WINDOW).any(|other| other == window)).unwrap_or(usize::MAX)
    };
    let holders: Vec<usize> = answer.windows(WINDOW).map(holder).collect();
    let owner = |byte: usize| {
        let windows = byte.saturating_sub(WINDOW - 1)..=byte;
        let earliest = windows.filter_map(|s| holders.get(s)).min();
        earliest.and_then(|earliest| sources.get(*earliest)).map_or(Source::Nobody, |(source, ..)| *source)
    };
    let owned: Vec<Source> = (0..answer.len()).map(owner).collect();

    let mut runs = Vec::new();
    let mut start = 0;
    while start < answer.len() {
        let source = owned[start];
        let stretch_end = start + owned[start..].iter().take_while(|other| **other == source).count();
        if source == Source::Nobody {
            runs.push(Run::nobody(start as u32, stretch_end as u32));
            start = stretch_end;
            continue;
        }
        // Of all the owner's matches over this byte: the one that reaches farthest; then the smallest document; then
        // the smallest offset. Sources of one owner stand in the order of their documents.
        let mut best: Option<(Range<usize>, u32, usize)> = None;
        for (_, document, text) in sources.iter().filter(|(other, ..)| *other == source) {
            for at in 0..text.len() {
                let found = match_through(answer, start, text, at);
                if found.len() >= WINDOW && best.as_ref().is_none_or(|(longest, ..)| found.end > longest.end) {
                    let offset = at - (start - found.start);
                    best = Some((found, *document, offset));
                }
            }
        }
        let (found, document, offset) = best.expect("the owner of a byte holds a window over it");
        let end = found.end.min(stretch_end);
        runs.push(Run::witnessed(
            start as u32,
            end as u32,
            source,
            document,
            found.start as u32,
            found.end as u32,
            offset as u64,
        ));
        start = end;
    }
    runs
}

/// Maximal spans. See [`TraceIndex::spans`](crate::TraceIndex::spans).
pub fn spans(documents: &[Document], answer: &[u8], query: SpanQuery, members: &dyn Members) -> Vec<MaximalSpan> {
    let documents = members_in_order(documents, members);
    let mut spans: Vec<MaximalSpan> = Vec::new();
    for start in 0..answer.len() {
        let longest = documents
            .iter()
            .flat_map(|document| (0..document.text.len()).map(|at| common(&answer[start..], &document.text[at..])))
            .max()
            .unwrap_or(0);
        let end = start + longest;
        // A span that starts later is contained in this one unless it reaches farther.
        if longest < query.min_len.max(1) || spans.last().is_some_and(|last| last.end >= end) {
            continue;
        }
        let pattern = &answer[start..end];
        let hits = |document: &Document| -> Vec<usize> {
            (0..document.text.len()).filter(|at| document.text[*at..].starts_with(pattern)).collect()
        };
        let found: Vec<(Occurrence, u64)> = documents
            .iter()
            .filter_map(|document| {
                let hits = hits(document);
                let Document { contribution, document, .. } = **document;
                let offset = *hits.first()? as u64;
                Some((Occurrence { contribution, document, offset }, hits.len() as u64))
            })
            .collect();
        spans.push(MaximalSpan {
            start,
            end,
            count: found.iter().map(|(_, hits)| hits).sum(),
            documents: found.iter().map(|(first, _)| *first).take(query.max_documents).collect(),
        });
    }
    spans
}

/// Occurrences of a pattern. See [`TraceIndex::count`](crate::TraceIndex::count).
pub fn count(documents: &[Document], pattern: &[u8], members: &dyn Members) -> u64 {
    if pattern.is_empty() {
        return 0;
    }
    let hits = |document: &&Document| document.text.windows(pattern.len()).filter(|window| *window == pattern).count();
    members_in_order(documents, members).iter().map(hits).sum::<usize>() as u64
}

fn members_in_order<'a>(documents: &'a [Document], members: &dyn Members) -> Vec<&'a Document> {
    let mut ordered: Vec<&Document> =
        documents.iter().filter(|document| members.contains(document.contribution, document.datanet)).collect();
    ordered.sort_by_key(|document| -> (ContributionId, u32) { (document.contribution, document.document) });
    ordered
}

/// The longest match that puts `answer[byte]` onto `text[at]`, as a range of the answer; empty if these two differ.
fn match_through(answer: &[u8], byte: usize, text: &[u8], at: usize) -> Range<usize> {
    let after = common(&answer[byte..], &text[at..]);
    if after == 0 {
        return byte..byte;
    }
    let before = answer[..byte].iter().rev().zip(text[..at].iter().rev()).take_while(|(a, b)| a == b).count();
    byte - before..byte + after
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

//! The same counts and spans by reading the text from one end to the other, without an index: what it must say, at sizes for
//! which the brute-force reference is too slow. Each reading passes over the texts once, whatever is asked.

use std::collections::HashMap;

use fonte_attribution::{Document, Everyone, MaximalSpan, Members, Occurrence, SpanQuery, SuffixIndex, TraceIndex};

/// What is asked.
pub(crate) struct Questions<'a> {
    pub(crate) patterns: &'a [Vec<u8>],
    pub(crate) asked: &'a [Asked<'a>],
    pub(crate) query: SpanQuery,
}

/// An answer, and whose documents count.
pub(crate) struct Asked<'a> {
    pub(crate) answer: &'a [u8],
    pub(crate) members: &'a dyn Members,
}

/// Counts of the patterns, and the spans of each answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) counts: Vec<u64>,
    pub(crate) spans: Vec<Vec<MaximalSpan>>,
}

impl Questions<'_> {
    pub(crate) fn of_index(&self, index: &SuffixIndex) -> Result<Found, fonte_attribution::TraceError> {
        let counts = self.patterns.iter().map(|pattern| index.count(pattern, &Everyone)).collect::<Result<_, _>>()?;
        let spans = self.asked.iter().map(|asked| index.spans(asked.answer, self.query, asked.members));
        Ok(Found { counts, spans: spans.collect::<Result<_, _>>()? })
    }

    /// From the texts themselves, in the order of their precedence, twice: how far each place of an answer agrees with any
    /// text, then how often and where that stands.
    pub(crate) fn of_texts<T: Iterator<Item = Document>>(&self, mut texts: impl FnMut() -> T) -> Found {
        assert!(self.query.min_len >= PREFIX, "shorter spans would be overlooked");
        let starts = self.asked.iter().enumerate().flat_map(|(answer, asked)| {
            let last = (asked.answer.len() + 1).saturating_sub(self.query.min_len);
            (0..last).map(move |start| (&asked.answer[start..], (answer, start)))
        });
        let needles = Needles::new(starts);
        let mut longest: Vec<Vec<usize>> = self.asked.iter().map(|asked| vec![0; asked.answer.len()]).collect();
        for document in texts() {
            let counts = self.counts(&document);
            needles.each_in(&document.text, |at, (answer, start)| {
                let (rest, text) = (&self.asked[answer].answer[start..], &document.text[at..]);
                let longest = &mut longest[answer][start];
                // Only what agrees farther than anything before is worth measuring.
                let farther = rest.get(..=*longest).is_some_and(|prefix| text.starts_with(prefix));
                if counts[answer] && farther {
                    *longest = common(rest, text);
                }
            });
        }

        // A stretch that starts later is contained in the one before it unless it reaches farther.
        let mut spans: Vec<Vec<MaximalSpan>> = Vec::new();
        for longest in &longest {
            let mut of_answer: Vec<MaximalSpan> = Vec::new();
            for (start, &length) in longest.iter().enumerate().filter(|(_, length)| **length >= self.query.min_len) {
                let end = start + length;
                if of_answer.last().is_none_or(|last| last.end < end) {
                    of_answer.push(MaximalSpan { start, end, count: 0, documents: Vec::new() });
                }
            }
            spans.push(of_answer);
        }

        let of_patterns = self.patterns.iter().enumerate().map(|(at, pattern)| (&pattern[..], Needle::Pattern(at)));
        let of_spans = spans.iter().zip(self.asked).enumerate().flat_map(|(answer, (spans, asked))| {
            let each = spans.iter().enumerate();
            each.map(move |(at, span)| (&asked.answer[span.start..span.end], Needle::Span(answer, at)))
        });
        let needles = Needles::new(of_patterns.chain(of_spans));
        let mut counts = vec![0; self.patterns.len()];
        for document in texts() {
            let members = self.counts(&document);
            needles.each_in(&document.text, |at, needle| match needle {
                Needle::Pattern(pattern) => {
                    counts[pattern] += u64::from(document.text[at..].starts_with(&self.patterns[pattern]));
                }
                Needle::Span(answer, span) => {
                    let span = &mut spans[answer][span];
                    let stands = document.text[at..].starts_with(&self.asked[answer].answer[span.start..span.end]);
                    if !members[answer] || !stands {
                        return;
                    }
                    span.count += 1;
                    let Document { contribution, document, .. } = document;
                    let known = span
                        .documents
                        .last()
                        .is_some_and(|last| (last.contribution, last.document) == (contribution, document));
                    if !known && span.documents.len() < self.query.max_documents {
                        span.documents.push(Occurrence { contribution, document, offset: at as u64 });
                    }
                }
            });
        }
        Found { counts, spans }
    }

    /// For which answers a document counts.
    fn counts(&self, document: &Document) -> Vec<bool> {
        let counts = |asked: &Asked<'_>| asked.members.contains(document.contribution, document.datanet);
        self.asked.iter().map(counts).collect()
    }
}

impl Found {
    pub(crate) fn spans(&self) -> usize {
        self.spans.iter().map(Vec::len).sum()
    }

    /// `Err` with the first thing that the other says otherwise.
    pub(crate) fn equals(&self, other: &Self) -> Result<(), String> {
        let differ = |what: String, a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| {
            Err(format!("{what}: the index says {a:?}, the text {b:?}"))
        };
        for (at, (a, b)) in self.counts.iter().zip(&other.counts).enumerate() {
            if a != b {
                return differ(format!("occurrences of pattern {at}"), a, b);
            }
        }
        for (answer, (a, b)) in self.spans.iter().zip(&other.spans).enumerate() {
            if let Some(at) = (0..a.len().max(b.len())).find(|&at| a.get(at) != b.get(at)) {
                return differ(format!("span {at} of answer {answer}"), &a.get(at), &b.get(at));
            }
        }
        if self == other { Ok(()) } else { Err("not as many were asked for".into()) }
    }
}

#[derive(Clone, Copy)]
enum Needle {
    Pattern(usize),
    Span(usize, usize),
}

/// Needles are at least so long.
const PREFIX: usize = 16;
/// Bits of the filter: 128 KiB, which stay in a core's own cache.
const FILTER: u32 = 20;

/// Needles by their first bytes, behind a filter: of most places of a text one look says that none begins there.
struct Needles<T> {
    filter: Vec<u64>,
    by_prefix: HashMap<[u8; PREFIX], Vec<T>>,
}

impl<T: Copy> Needles<T> {
    fn new<'n>(needles: impl Iterator<Item = (&'n [u8], T)>) -> Self {
        let (mut filter, mut by_prefix) = (vec![0; 1 << (FILTER - 6)], HashMap::<_, Vec<T>>::new());
        for (bytes, needle) in needles {
            let prefix = *bytes.first_chunk().expect("what is looked for is not shorter than its prefix");
            let bit = hash(&prefix);
            filter[bit / 64] |= 1_u64 << (bit % 64);
            by_prefix.entry(prefix).or_default().push(needle);
        }
        Self { filter, by_prefix }
    }

    /// Every place of a text where the first bytes of a needle stand.
    fn each_in(&self, text: &[u8], mut found: impl FnMut(usize, T)) {
        for (at, window) in text.windows(PREFIX).enumerate() {
            let prefix: &[u8; PREFIX] = window.try_into().expect("windows are as long as asked for");
            let bit = hash(prefix);
            if self.filter[bit / 64] >> (bit % 64) & 1 == 0 {
                continue;
            }
            for &needle in self.by_prefix.get(prefix).into_iter().flatten() {
                found(at, needle);
            }
        }
    }
}

/// The upper bits of a product depend on all bits of both halves.
fn hash(prefix: &[u8; PREFIX]) -> usize {
    let (low, high) = prefix.split_at(8);
    let word = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("half of 16 bytes"));
    let mixed = word(low).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word(high);
    (mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> (64 - FILTER)) as usize
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use fonte_attribution::reference;

    use super::*;
    use crate::{Corpus, QUERY, SEED, excerpt, quote, scramble};
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn a_scan_finds_what_the_reference_finds_and_sees_what_differs() {
        let texts = || Corpus::new(80_000, &[], SEED);
        let documents: Vec<Document> = texts().collect();
        let pool: Vec<Vec<u8>> = documents.iter().map(|document| document.text.clone()).collect();
        let mut random = StdRng::seed_from_u64(3);
        let quoting: Vec<Vec<u8>> = (0..2).map(|_| quote(&pool, &mut random)[..400].to_vec()).collect();
        let foreign = scramble(&quoting[0], &mut random);
        let single = excerpt(&pool, 400, &mut random);
        let half = |contribution: fonte_types::ContributionId, _| contribution.0.is_multiple_of(2);
        let of = |answer, members| Asked { answer, members };
        let asked = [
            of(&quoting[0], &Everyone as &dyn Members),
            of(&quoting[1], &Everyone),
            of(&foreign, &Everyone),
            of(single, &Everyone),
            of(&quoting[0], &half),
            of(&quoting[1], &half),
        ];
        // Overlapping occurrences count, and what stands nowhere does, too.
        let mut patterns: Vec<Vec<u8>> =
            (0..20).map(|at| pool[at % pool.len()][at * 7..at * 7 + 20].to_vec()).collect();
        patterns.push(b"stands nowhere at all".to_vec());
        let questions = Questions { patterns: &patterns, asked: &asked, query: QUERY };
        let scanned = questions.of_texts(texts);
        let expected = Found {
            counts: patterns.iter().map(|pattern| reference::count(&documents, pattern, &Everyone)).collect(),
            spans: asked.iter().map(|of| reference::spans(&documents, of.answer, QUERY, of.members)).collect(),
        };
        // Whom nobody but half counts must show, or the members were not asked for.
        assert_ne!(expected.spans[..2], expected.spans[4..]);
        expected.equals(&scanned).unwrap();
        assert!(scanned.spans() > 4 && scanned.counts[0] > 0 && scanned.counts[20] == 0, "{scanned:?}");

        let folder = tempfile::tempdir().unwrap();
        let index = SuffixIndex::open(folder.path(), fonte_attribution::IndexConfig::default()).unwrap();
        // Without one text, counts and spans are others.
        index.add(documents.into_iter().skip(1)).unwrap();
        let told = questions.of_index(&index).unwrap().equals(&scanned).unwrap_err();
        assert!(told.contains("pattern 0"), "{told}");
        let found = |counts, spans| Found { counts, spans };
        let span = MaximalSpan { start: 1, end: 30, count: 2, documents: Vec::new() };
        let other = MaximalSpan { count: 3, ..span.clone() };
        for (a, b) in [
            (found(vec![1], vec![vec![span.clone()]]), found(vec![1], vec![vec![other]])),
            (found(vec![1], vec![vec![span.clone()]]), found(vec![1], vec![vec![]])),
            (found(vec![1], vec![vec![]]), found(vec![1], vec![vec![span]])),
            (found(vec![1, 2], vec![]), found(vec![1], vec![])),
        ] {
            assert!(a.equals(&b).is_err());
        }
    }
}

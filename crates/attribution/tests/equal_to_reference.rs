//! The fast path equals the brute-force reference, on texts made to be hard: small alphabets, copies of copies, long
//! repetitions, separators inside texts, many segments, withdrawn contributions, echoes of the prompt.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use fonte_attribution::{Document, IndexConfig, Members, SpanQuery, SuffixIndex, TraceIndex, reference};
use fonte_types::{
    ContributionId, DatanetId,
    evidence::{Evidence, Run, Source},
};
use proptest::prelude::*;

/// A piece of a text in the making.
#[derive(Clone, Debug)]
enum Piece {
    /// Fresh bytes of a small alphabet.
    Fresh(Vec<u8>),
    /// A stretch of an earlier text.
    Copy { from: usize, start: usize, length: usize },
    /// One byte many times.
    Repeat { byte: u8, length: usize },
}

fn byte() -> impl Strategy<Value = u8> {
    // Two letters, the two bytes of a multi-byte character, and the separator.
    prop_oneof![6 => Just(b'a'), 6 => Just(b'b'), 2 => Just(0xc3), 2 => Just(0xa3), 1 => Just(0xff)]
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        2 => prop::collection::vec(byte(), 0..50).prop_map(Piece::Fresh),
        5 => (any::<prop::sample::Index>(), 0..160_usize, 0..100_usize)
            .prop_map(|(from, start, length)| Piece::Copy { from: from.index(1 << 20), start, length }),
        1 => (byte(), 0..70_usize).prop_map(|(byte, length)| Piece::Repeat { byte, length }),
    ]
}

fn render(pieces: &[Piece], earlier: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Fresh(bytes) => text.extend_from_slice(bytes),
            Piece::Copy { .. } if earlier.is_empty() => {}
            Piece::Copy { from, start, length } => {
                let source = &earlier[from % earlier.len()];
                let start = start % (source.len() + 1);
                text.extend_from_slice(&source[start..(start + length).min(source.len())]);
            }
            Piece::Repeat { byte, length } => text.resize(text.len() + length, *byte),
        }
    }
    text
}

#[derive(Debug)]
struct Scenario {
    documents: Vec<Document>,
    answer: Vec<u8>,
    prompt: Vec<u8>,
    config: IndexConfig,
    /// Documents per call of `add`.
    batch: usize,
    /// Bit i: contribution i is withdrawn.
    withdrawn: u64,
    /// This datanet is not named.
    unnamed: u32,
    query: SpanQuery,
}

impl Scenario {
    fn members(&self) -> impl Members + use<> {
        let (withdrawn, unnamed) = (self.withdrawn, self.unnamed);
        move |contribution: ContributionId, datanet: DatanetId| {
            withdrawn >> contribution.0 & 1 == 0 && datanet.0 != unnamed
        }
    }
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let text = || prop::collection::vec(piece(), 0..5);
    let documents = prop::collection::vec((text(), 1..7_u64), 0..9);
    let layout = (prop_oneof![1..400_usize, Just(1 << 20)], 2..5_usize, 1..5_usize);
    let members = (any::<u64>(), 0..4_u32, any::<bool>());
    (documents, prop::collection::vec(piece(), 0..8), text(), layout, members, 0..40_usize, 0..4_usize).prop_map(
        |(
            documents,
            answer,
            prompt,
            (max_segment_bytes, merge_at, batch),
            (mask, unnamed, all),
            min_len,
            max_documents,
        )| {
            let mut texts: Vec<Vec<u8>> = Vec::new();
            for (pieces, _) in &documents {
                texts.push(render(pieces, &texts));
            }
            let prompt = render(&prompt, &texts);
            let mut sources = texts.clone();
            sources.push(prompt.clone());
            let answer = render(&answer, &sources);
            let documents = documents.iter().zip(texts).enumerate().map(|(at, ((_, contribution), text))| Document {
                contribution: ContributionId(*contribution),
                // Numbers that are neither dense nor in the order of adding.
                document: (at as u32 * 7) % 10,
                datanet: DatanetId(*contribution as u32 % 3 + 1),
                text,
            });
            Scenario {
                documents: documents.collect(),
                answer,
                prompt,
                config: IndexConfig { max_segment_bytes, merge_at },
                batch,
                withdrawn: if all { 0 } else { mask & mask >> 8 },
                unnamed: if all { 0 } else { unnamed },
                query: SpanQuery { min_len, max_documents },
            }
        },
    )
}

/// The conditions that `docs/spec/receipt.md` §2 puts on runs and witnesses.
fn check_witnesses(scenario: &Scenario, runs: &[Run]) -> Result<(), TestCaseError> {
    if scenario.answer.is_empty() {
        prop_assert!(runs.is_empty());
        return Ok(());
    }
    let evidence = Evidence::new(runs.to_vec(), scenario.answer.len() as u32);
    prop_assert!(evidence.is_ok(), "{evidence:?}");
    for run in runs {
        let text = match run.source {
            Source::Nobody => continue,
            Source::Prompt => &scenario.prompt,
            Source::Contribution(id) => {
                let key = (id, run.document);
                &scenario.documents.iter().find(|other| (other.contribution, other.document) == key).unwrap().text
            }
        };
        let matched = &scenario.answer[run.match_start as usize..run.match_end as usize];
        prop_assert_eq!(run.witness_in(text), Some(matched));
    }
    for pair in runs.windows(2) {
        let without_place = |run: &Run| Run { start: 0, end: 0, ..*run };
        prop_assert_ne!(without_place(&pair[0]), without_place(&pair[1]), "neighbours differ in owner or witness");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn owners_spans_and_counts_equal_the_reference(scenario in scenario()) {
        let folder = tempfile::tempdir().unwrap();
        let index = SuffixIndex::open(folder.path(), scenario.config).unwrap();
        for batch in scenario.documents.chunks(scenario.batch) {
            index.add(batch.to_vec()).unwrap();
        }
        let Scenario { documents, answer, prompt, query, .. } = &scenario;
        let members = scenario.members();

        let runs = index.owners(answer, prompt, &members).unwrap();
        prop_assert_eq!(&runs, &reference::owners(documents, answer, prompt, &members));
        check_witnesses(&scenario, &runs)?;

        let spans = index.spans(answer, *query, &members).unwrap();
        prop_assert_eq!(&spans, &reference::spans(documents, answer, *query, &members));
        for pattern in spans.iter().map(|span| &answer[span.start..span.end]).chain(answer.chunks(3)) {
            prop_assert_eq!(index.count(pattern, &members).unwrap(), reference::count(documents, pattern, &members));
        }

        // What is on disk says the same after a restart.
        drop(index);
        let index = SuffixIndex::open(folder.path(), scenario.config).unwrap();
        prop_assert_eq!(index.owners(answer, prompt, &members).unwrap(), runs);
    }
}

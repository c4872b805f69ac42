//! The fast path equals the brute-force reference, on texts made to be hard: small alphabets, copies of copies, long
//! repetitions, separators inside texts, many segments, withdrawn contributions, echoes of the prompt.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;

use fonte_attribution::{
    AddError, Document, Everyone, IndexConfig, Members, SpanQuery, SuffixIndex, TraceIndex, reference,
};
use fonte_types::{
    ContributionId, DatanetId,
    evidence::{Evidence, Run, Source},
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

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
    /// Bit i: contribution i is withdrawn from the index itself, once half of the batches are in.
    tombstones: u64,
    query: SpanQuery,
}

impl Scenario {
    /// What queries see: documents of withdrawn contributions are gone, later ones were refused.
    fn present(&self) -> Vec<Document> {
        let present = |document: &&Document| self.tombstones >> document.contribution.0 & 1 == 0;
        self.documents.iter().filter(present).cloned().collect()
    }

    fn tombstones(&self) -> BTreeSet<ContributionId> {
        (0..64).filter(|bit| self.tombstones >> bit & 1 == 1).map(ContributionId).collect()
    }

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
    let members = (any::<u64>(), 0..4_u32, any::<bool>(), any::<u64>());
    (documents, prop::collection::vec(piece(), 0..8), text(), layout, members, 0..40_usize, 0..4_usize).prop_map(
        |(
            documents,
            answer,
            prompt,
            (max_segment_bytes, merge_at, batch),
            (mask, unnamed, all, tombstones),
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
                tombstones: tombstones & tombstones >> 16 & tombstones >> 32,
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
        let batches: Vec<&[Document]> = scenario.documents.chunks(scenario.batch).collect();
        let (before, after) = batches.split_at(batches.len() / 2);
        for batch in before {
            index.add(batch.to_vec()).unwrap();
        }
        index.withdraw(&scenario.tombstones()).unwrap();
        for batch in after {
            let withdrawn = |document: &&Document| scenario.tombstones().contains(&document.contribution);
            if let Some(refused) = batch.iter().find(withdrawn) {
                let error = index.add([refused.clone()]).unwrap_err();
                prop_assert!(matches!(error, AddError::Withdrawn(id) if id == refused.contribution), "{error}");
            }
            index.add(batch.iter().filter(|document| !withdrawn(document)).cloned()).unwrap();
        }
        let Scenario { answer, prompt, query, .. } = &scenario;
        let documents = &scenario.present();
        prop_assert_eq!(index.stats().documents, documents.len());
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
        prop_assert_eq!(&index.owners(answer, prompt, &members).unwrap(), &runs);
        index.purge(&mut |_| {}).unwrap();
        prop_assert_eq!(index.stats().withdrawn_documents, 0);
        prop_assert_eq!(index.owners(answer, prompt, &members).unwrap(), runs);
        prop_assert_eq!(index.spans(answer, *query, &members).unwrap(), spans);
    }
}

/// Lines that stand in hundreds of places, among texts that stand in one: where the fast path changes from comparing
/// places to searching windows. Answers are long enough to be worth several threads.
#[test]
fn boilerplate_in_many_segments_equals_the_reference() {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut text = |length: usize| -> Vec<u8> { (0..length).map(|_| random.random_range(b'a'..=b'c')).collect() };
        let lines: Vec<Vec<u8>> = [20, 34, 47, 70].into_iter().map(&mut text).collect();
        let own: Vec<Vec<u8>> = (0..40).map(|_| text(60)).collect();
        let documents: Vec<Document> = (0..40_u32)
            .map(|at| {
                let mut bytes = own[at as usize].clone();
                for copy in 0..random.random_range(0..30) {
                    // Whole, cut, or glued to another one.
                    let line = &lines[random.random_range(0..lines.len())];
                    bytes.extend_from_slice(&line[if copy % 3 == 0 { random.random_range(0..20) } else { 0 }..]);
                }
                let contribution = at * 7 % 40 / 2 + 1;
                Document {
                    contribution: ContributionId(contribution.into()),
                    document: at,
                    datanet: DatanetId(contribution % 2),
                    text: bytes,
                }
            })
            .collect();
        let mut answer = Vec::new();
        while answer.len() < 700 {
            let (line, words) = (&lines[random.random_range(0..lines.len())], &own[random.random_range(0..own.len())]);
            answer.extend_from_slice(&line[random.random_range(0..10)..]);
            answer.extend_from_slice(&words[random.random_range(0..20)..random.random_range(20..60)]);
        }
        let folder = tempfile::tempdir().unwrap();
        let segment = if seed % 3 == 0 { 1 << 20 } else { 9_000 };
        let config = IndexConfig { max_segment_bytes: segment, merge_at: 3 };
        let index = SuffixIndex::open(folder.path(), config).unwrap();
        index.add(documents.clone()).unwrap();
        let gone = ContributionId(seed % 20 + 1);
        index.withdraw(&BTreeSet::from([gone])).unwrap();
        let present: Vec<Document> = documents.into_iter().filter(|document| document.contribution != gone).collect();
        let half =
            |contribution: ContributionId, datanet: DatanetId| !contribution.0.is_multiple_of(3) && datanet.0 == 1;
        let members: &dyn Members = if seed % 2 == 0 { &Everyone } else { &half };
        let runs = index.owners(&answer, b"", members).unwrap();
        assert_eq!(runs, reference::owners(&present, &answer, b"", members), "seed {seed}");
        let query = SpanQuery { min_len: 12, max_documents: 7 };
        let spans = index.spans(&answer, query, members).unwrap();
        assert_eq!(spans, reference::spans(&present, &answer, query, members), "seed {seed}");
        for length in [3, 16, 20, 33] {
            for pattern in answer.chunks(length) {
                let expected = reference::count(&present, pattern, members);
                assert_eq!(index.count(pattern, members).unwrap(), expected, "seed {seed}");
            }
        }
    }
}

/// Between the answer's place among the suffixes and the only member's stand more and more strangers' copies, until the
/// nearest member is too far off to be looked for suffix by suffix.
#[test]
fn a_member_behind_many_strangers_is_found() {
    let line = b"Whoever keeps a lock keeps a book of the boats";
    for strangers in [1, 63, 64, 65, 200_u64] {
        let text = |mark: u8, id: u64| [&line[..], &[mark], id.to_string().as_bytes()].concat();
        let document = |id: u64, text: Vec<u8>| Document {
            contribution: ContributionId(id),
            document: 0,
            datanet: DatanetId(if id == 1 { 1 } else { 2 }),
            text,
        };
        let mut documents = vec![document(1, text(b'A', 1))];
        documents
            .extend((0..strangers).flat_map(|n| {
                [document(2 * n + 2, text(b'a', 2 * n + 2)), document(2 * n + 3, text(b'z', 2 * n + 3))]
            }));
        let folder = tempfile::tempdir().unwrap();
        let index = SuffixIndex::open(folder.path(), IndexConfig::default()).unwrap();
        index.add(documents.clone()).unwrap();
        let members = |_: ContributionId, datanet: DatanetId| datanet.0 == 1;
        let answer = [&line[..], b"man's wages"].concat();
        let query = SpanQuery { min_len: 20, max_documents: 3 };
        let spans = index.spans(&answer, query, &members).unwrap();
        assert_eq!(spans, reference::spans(&documents, &answer, query, &members), "{strangers} strangers");
        assert_eq!((spans.len(), spans[0].end, spans[0].count), (1, line.len(), 1), "{strangers} strangers");
    }
}

/// A stranger's table of thousands of lines of one frame, which the answer repeats, too: its places are more than a block of windows
/// may pass over, are passed over for single windows, and are known by then when the frame comes again.
#[test]
fn a_member_behind_a_frame_that_a_stranger_repeats_is_found() {
    let table = |frame: &str, words: &mut dyn Iterator<Item = u32>| -> Vec<u8> {
        words.flat_map(|word| format!("{frame}{word:x}\"").into_bytes()).collect()
    };
    let frame = "</comment>\n  <comment xml:lang=\"";
    let texts = [
        table(frame, &mut (0..6_000)),
        // The whole frame, between other words; all but the end of it; all but the beginning.
        table(frame, &mut (9_000..9_003)),
        table(&frame[..frame.len() - 1], &mut (9_000..9_040)),
        table(&frame[1..], &mut (5_990..6_010)),
    ];
    let documents: Vec<Document> = (1..)
        .zip(texts)
        .map(|(id, text)| Document { contribution: ContributionId(id), document: 0, datanet: DatanetId(1), text })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let index = SuffixIndex::open(folder.path(), IndexConfig::default()).unwrap();
    index.add(documents.clone()).unwrap();
    let answer = table(frame, &mut [17, 9_001, 70_000, 5_995, 18, 9_039, 70_001].into_iter());
    let mut owners = BTreeSet::new();
    for seen in 0..16_u64 {
        let members = |id: ContributionId, _: DatanetId| seen >> (id.0 - 1) & 1 == 1;
        let runs = index.owners(&answer, b"", &members).unwrap();
        assert_eq!(runs, reference::owners(&documents, &answer, b"", &members), "members {seen:04b}");
        owners.extend(runs.iter().map(|run| run.source.code()));
    }
    assert_eq!(owners, (0..=4).collect(), "each owns something, and nobody");
}

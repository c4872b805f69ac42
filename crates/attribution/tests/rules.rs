//! The rules of `docs/spec/attribution.md`, one case each, with the expected bytes worked out by hand.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;

use fonte_attribution::{
    AddError, AttributeError, Document, Everyone, IndexConfig, Occurrence, SpanQuery, SuffixIndex, TraceError,
    TraceIndex, trace_answer,
};
use fonte_types::{
    ContributionId, DatanetId,
    evidence::{Run, Source},
};
use tempfile::TempDir;

fn document(contribution: u64, document: u32, text: &[u8]) -> Document {
    Document { contribution: ContributionId(contribution), document, datanet: DatanetId(1), text: text.to_vec() }
}

fn index(documents: impl IntoIterator<Item = Document>) -> (TempDir, SuffixIndex) {
    let folder = tempfile::tempdir().unwrap();
    let index = SuffixIndex::open(folder.path(), IndexConfig::default()).unwrap();
    index.add(documents).unwrap();
    (folder, index)
}

fn run(span: [u32; 2], contribution: u64, document: u32, matched: [u32; 2], offset: u64) -> Run {
    let source = Source::Contribution(ContributionId(contribution));
    Run::witnessed(span[0], span[1], source, document, matched[0], matched[1], offset)
}

/// 40 bytes that occur nowhere else in these tests.
const RIVER: &[u8] = b"The river Tiete flows away from the sea.";
const COFFEE: &[u8] = b"Coffee trees prefer shade when the soil";

#[test]
fn a_match_of_32_bytes_counts_and_one_of_31_does_not() {
    let (_folder, index) = index([document(1, 0, RIVER)]);
    let owners = |answer: &[u8]| index.owners(answer, b"", &Everyone).unwrap();
    assert_eq!(owners(&RIVER[..32]), [run([0, 32], 1, 0, [0, 32], 0)]);
    assert_eq!(owners(&RIVER[5..37]), [run([0, 32], 1, 0, [0, 32], 5)]);
    assert_eq!(owners(&RIVER[..31]), [Run::nobody(0, 31)]);
    let altered = [&RIVER[..31], b"#", &RIVER[32..]].concat();
    assert_eq!(owners(&altered), [Run::nobody(0, 40)]);
    assert_eq!(owners(b""), []);
}

#[test]
fn the_earlier_contribution_owns_what_both_have() {
    let later = [b"Copied: ", RIVER, b" So it does, and has for ages."].concat();
    // Added in the wrong order, in separate segments.
    let (_folder, index) = index([document(9, 0, &later)]);
    index.add([document(2, 3, RIVER)]).unwrap();
    let runs = index.owners(&later, b"", &Everyone).unwrap();
    // Bytes 0..8 and 48.. lie in windows that only the later one holds.
    assert_eq!(runs, [run([0, 8], 9, 0, [0, 78], 0), run([8, 48], 2, 3, [8, 48], 0), run([48, 78], 9, 0, [0, 78], 0)]);

    let withdrawn = |contribution: ContributionId, _: DatanetId| contribution.0 != 2;
    assert_eq!(index.owners(&later, b"", &withdrawn).unwrap(), [run([0, 78], 9, 0, [0, 78], 0)]);
}

#[test]
fn the_prompt_precedes_everyone() {
    let (_folder, index) = index([document(1, 0, RIVER)]);
    let runs = index.owners(RIVER, &RIVER[4..38], &Everyone).unwrap();
    let echo = Run::witnessed(4, 38, Source::Prompt, 0, 4, 38, 0);
    assert_eq!(runs, [run([0, 4], 1, 0, [0, 40], 0), echo, run([38, 40], 1, 0, [0, 40], 0)]);
    let traced = trace_answer(&index, RIVER, &RIVER[4..38], &Everyone).unwrap();
    assert_eq!(traced.shares.of(ContributionId(1)), 150_000);
    assert_eq!(traced.shares.unattributed_ppm(), 850_000);
}

#[test]
fn no_window_crosses_a_document() {
    // One contribution, two documents that meet at the seam, with and without a separator in the answer.
    let (_folder, index) = index([document(1, 0, &RIVER[..20]), document(1, 1, &RIVER[20..])]);
    for seam in [b"".as_slice(), b"\xff"] {
        let answer = [&RIVER[..20], seam, &RIVER[20..]].concat();
        let length = answer.len() as u32;
        assert_eq!(index.owners(&answer, b"", &Everyone).unwrap(), [Run::nobody(0, length)]);
        let query = SpanQuery { min_len: 20, max_documents: 1 };
        let spans = index.spans(&answer, query, &Everyone).unwrap();
        let places: Vec<(usize, usize)> = spans.iter().map(|span| (span.start, span.end)).collect();
        assert_eq!(places, [(0, 20), (answer.len() - 20, answer.len())]);
        assert_eq!(index.count(&answer[15..25], &Everyone).unwrap(), 0);
    }
}

#[test]
fn a_quote_ends_where_its_document_does() {
    // As they lie in the segment: what is quoted of the one goes on with the other's bytes, to either side.
    let (_folder, index) = index([document(1, 0, RIVER), document(1, 1, COFFEE)]);
    let owners = |answer: &[u8]| index.owners(answer, b"", &Everyone).unwrap();
    let (before, behind) = ([&RIVER[30..], b"\xff", COFFEE].concat(), [RIVER, b"\xff", &COFFEE[..10]].concat());
    assert_eq!(owners(&before), [Run::nobody(0, 11), run([11, 50], 1, 1, [11, 50], 0)]);
    assert_eq!(owners(&behind), [run([0, 40], 1, 0, [0, 40], 0), Run::nobody(40, 51)]);
}

#[test]
fn a_separator_inside_a_document_is_a_byte_like_any_other() {
    let text = [&RIVER[..18], b"\xff\xff", &RIVER[18..]].concat();
    let (_folder, index) = index([document(1, 0, &text), document(1, 1, COFFEE), document(2, 0, &text)]);
    assert_eq!(index.owners(&text, b"", &Everyone).unwrap(), [run([0, 42], 1, 0, [0, 42], 0)]);
    assert_eq!(index.count(b"\xff\xff", &Everyone).unwrap(), 2);
    // Each text ends in a separator of ours, which is no part of it.
    assert_eq!(index.count(b"\xff", &Everyone).unwrap(), 4);
    assert_eq!(index.count(b".\xff", &Everyone).unwrap(), 0);
}

#[test]
fn windows_are_bytes_and_may_split_a_character() {
    let text = "Café, açúcar e pão de queijo: a manhã começa às seis.".as_bytes();
    let (_folder, index) = index([document(1, 0, text)]);
    // From the second byte of `é` on.
    let answer = [b"\xe3", &text[4..40]].concat();
    assert_eq!(index.owners(&answer, b"", &Everyone).unwrap(), [Run::nobody(0, 1), run([1, 37], 1, 0, [1, 37], 4)]);
}

#[test]
fn of_several_witnesses_the_one_that_reaches_farthest_is_named_then_the_first() {
    let (short, long) = (&RIVER[..34], RIVER);
    let (_folder, index) =
        index([document(5, 0, short), document(5, 4, long), document(5, 2, &[b"..", long].concat())]);
    assert_eq!(index.owners(long, b"", &Everyone).unwrap(), [run([0, 40], 5, 2, [0, 40], 2)]);
}

#[test]
fn a_stretch_of_one_owner_is_split_where_its_witness_ends() {
    let glued = [RIVER, COFFEE].concat();
    let (_folder, index) = index([document(3, 0, RIVER), document(3, 1, COFFEE)]);
    let runs = index.owners(&glued, b"", &Everyone).unwrap();
    assert_eq!(runs, [run([0, 40], 3, 0, [0, 40], 0), run([40, 79], 3, 1, [40, 79], 0)]);
}

#[test]
fn spans_count_everywhere_and_list_the_earliest_documents() {
    let twice = [RIVER, b" -- ", RIVER].concat();
    let (_folder, index) = index([document(8, 1, &twice), document(4, 0, &twice), document(6, 0, RIVER)]);
    let answer = [b"He said: \"", RIVER, b"\" Amen."].concat();
    let spans = index.spans(&answer, SpanQuery { min_len: 10, max_documents: 2 }, &Everyone).unwrap();
    assert_eq!(spans.len(), 1);
    assert_eq!((spans[0].start, spans[0].end, spans[0].count), (10, 50, 5));
    let place = |contribution, offset| Occurrence { contribution: ContributionId(contribution), document: 0, offset };
    assert_eq!(spans[0].documents, [place(4, 0), place(6, 0)]);
    assert_eq!(index.count(b"", &Everyone).unwrap(), 0);
}

#[test]
fn many_earlier_strangers_do_not_hide_a_member() {
    let documents = (1..=3_000).map(|contribution| document(contribution, 0, RIVER));
    let (_folder, index) = index(documents);
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let members = |contribution: ContributionId, _: DatanetId| {
        asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        contribution.0 == 2_900
    };
    assert_eq!(index.owners(RIVER, b"", &members).unwrap(), [run([0, 40], 2_900, 0, [0, 40], 0)]);
    // Nine windows, each in 3,000 documents: the predicate is not asked again for each.
    let asked = asked.into_inner();
    assert!(asked <= 2 * 3_000, "asked {asked} times");
}

#[test]
fn bad_documents_are_refused_by_name() {
    let (_folder, index) = index([document(1, 0, RIVER)]);
    for again in [vec![document(1, 0, COFFEE)], vec![document(2, 5, RIVER), document(2, 5, RIVER)]] {
        let number = again[0].document;
        let error = index.add(again).unwrap_err();
        assert!(matches!(error, AddError::Duplicate { document, .. } if document == number), "{error}");
    }
    for id in [0, u64::MAX] {
        assert!(matches!(index.add([document(id, 0, RIVER)]), Err(AddError::ReservedId(found)) if found.0 == id));
    }
    assert_eq!(index.stats().documents, 1);
    assert!(matches!(trace_answer(&index, b"", b"", &Everyone), Err(AttributeError::EmptyAnswer)));
    let long = vec![b'x'; (1 << 20) + 1];
    assert!(matches!(index.owners(&long, b"", &Everyone), Err(TraceError::TooLong { what: "answer", .. })));
    assert!(matches!(index.count(&long, &Everyone), Err(TraceError::TooLong { what: "pattern", .. })));
}

#[test]
fn erased_contributions_are_gone_from_the_disk() {
    let (folder, index) = index([document(1, 0, RIVER), document(2, 0, COFFEE)]);
    index.add([document(1, 1, COFFEE)]).unwrap();
    assert_eq!(index.erase(&BTreeSet::from([ContributionId(1)])).unwrap(), 2);
    assert_eq!(index.owners(COFFEE, b"", &Everyone).unwrap(), [run([0, 39], 2, 0, [0, 39], 0)]);
    assert_eq!(index.count(RIVER, &Everyone).unwrap(), 0);
    assert!(!index.contains(ContributionId(1), 1) && index.contains(ContributionId(2), 0));
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(20).any(|window| window == &RIVER[..20]));
    }
}

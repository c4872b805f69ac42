//! The seam of the span channel: three queries, and the way from runs to shares.

use std::ops::Range;

use fonte_types::{
    ContributionId,
    evidence::{Evidence, EvidenceError, Run},
    shares::Shares,
};

use crate::{error::TraceError, members::Members};

/// Longest answer that is traced.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Longest prompt that is compared with an answer.
pub const MAX_PROMPT_BYTES: usize = 1 << 24;
/// Longest pattern that is counted.
pub const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Everything the span channel asks of an index of documents.
///
/// All positions are byte offsets, ends are exclusive, and no match crosses a document's boundary. Results depend on
/// the set of documents, on the members and on the arguments alone: not on how an index is cut into segments, nor on
/// the order in which documents were added. Queries may run from many threads while documents are added.
pub trait TraceIndex: Send + Sync {
    /// Who owns each byte of `answer`: the canonical runs of `docs/spec/receipt.md` §2 and `docs/spec/attribution.md`.
    ///
    /// The runs partition `answer` (an empty answer has none). The owner of a byte is the earliest source with a
    /// [`WINDOW`](fonte_types::WINDOW)-byte window over it: `prompt` first, then members by contribution id.
    ///
    /// # Errors
    /// [`TraceError::TooLong`] past [`MAX_ANSWER_BYTES`] or [`MAX_PROMPT_BYTES`]; [`TraceError::Damaged`] when a file
    /// of the index fails its checksum. There is no partial answer.
    fn owners(&self, answer: &[u8], prompt: &[u8], members: &dyn Members) -> Result<Vec<Run>, TraceError>;

    /// The maximal spans of `answer`: stretches of at least `query.min_len` bytes that stand in a member's document
    /// and that no longer such stretch contains, in order of their start (and so of their end).
    ///
    /// # Errors
    /// As for [`owners`](Self::owners).
    fn spans(&self, answer: &[u8], query: SpanQuery, members: &dyn Members) -> Result<Vec<MaximalSpan>, TraceError>;

    /// How often `pattern` stands in members' documents, overlapping occurrences included. The empty pattern counts 0.
    ///
    /// # Errors
    /// [`TraceError::TooLong`] past [`MAX_PATTERN_BYTES`], otherwise as for [`owners`](Self::owners).
    fn count(&self, pattern: &[u8], members: &dyn Members) -> Result<u64, TraceError>;
}

/// What [`TraceIndex::spans`] is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanQuery {
    /// Shortest span to report, in bytes; 0 is read as 1.
    pub min_len: usize,
    /// At most this many documents are listed per span; counts are not affected.
    pub max_documents: usize,
}

impl Default for SpanQuery {
    fn default() -> Self {
        Self { min_len: fonte_types::WINDOW, max_documents: 10 }
    }
}

/// A stretch of the answer that stands in some document, and that no longer one contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaximalSpan {
    /// First byte in the answer.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Occurrences in members' documents.
    pub count: u64,
    /// One occurrence, the first, per document; earliest contribution first.
    pub documents: Vec<Occurrence>,
}

/// Where a match stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// The contribution.
    pub contribution: ContributionId,
    /// Index of the document in it.
    pub document: u32,
    /// Byte offset in the document.
    pub offset: u64,
}

/// The whole characters within `range` of `text`, for showing: offsets are bytes and may fall inside a character, whose
/// remaining bytes are left out. Bytes that are no UTF-8 are left as they are.
pub fn whole_characters(text: &[u8], range: Range<usize>) -> Range<usize> {
    // A character has at most three bytes after its first.
    let continues = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let start = range.start + (range.start..range.end.min(range.start + 3)).take_while(continues).count();
    let end = (range.end.saturating_sub(3).max(start)..=range.end).rev().find(|at| !continues(at)).unwrap_or(range.end);
    start..end
}

/// What the span channel says of one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Who owns which bytes, with witnesses.
    pub evidence: Evidence,
    /// What the evidence pays.
    pub shares: Shares,
}

/// Why an answer could not be attributed.
#[derive(Debug, thiserror::Error)]
pub enum AttributeError {
    /// There is nothing to attribute: evidence partitions at least one byte.
    #[error("the answer is empty; an empty answer carries no evidence")]
    EmptyAnswer,
    /// The index could not answer.
    #[error("tracing failed")]
    Trace(#[from] TraceError),
    /// The runs were refused: over the limit for one answer, or a fault of the index.
    #[error("the runs make no evidence")]
    Evidence(#[from] EvidenceError),
}

/// Traces a whole answer: owners, checked as evidence, then shares rounded down.
///
/// # Errors
/// [`AttributeError`] for an empty answer, a failed query or more runs than evidence may hold.
pub fn trace_answer(
    index: &dyn TraceIndex,
    answer: &[u8],
    prompt: &[u8],
    members: &dyn Members,
) -> Result<Traced, AttributeError> {
    if answer.is_empty() {
        return Err(AttributeError::EmptyAnswer);
    }
    let runs = index.owners(answer, prompt, members)?;
    let answer_bytes = u32::try_from(answer.len()).expect("owners refuses answers past 1 MiB");
    let evidence = Evidence::new(runs, answer_bytes)?;
    let shares = Shares::from_evidence(&evidence);
    Ok(Traced { evidence, shares })
}

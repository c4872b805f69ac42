//! Attribution: where an answer's bytes come from, as evidence that anyone can recompute.
//!
//! One answer passes through here once. The worker hands over the answer, its prompt and a predicate that says which
//! contributions the named datanet versions hold; [`TraceIndex::owners`] finds the earliest source of every byte and
//! returns the runs of `docs/spec/receipt.md` §2; [`trace_answer`] checks them and turns them into integer shares.
//! [`TraceIndex::spans`] and [`TraceIndex::count`] show what else matches, how often and where; they pay nobody.
//!
//! The trace index, [`SuffixIndex`], is a directory of immutable, memory-mapped segments: text, document table and
//! suffix array. Adding documents writes a new segment; small segments merge; withdrawing a contribution from a datanet is
//! a filter at query time, [`SuffixIndex::withdraw`] takes it out of the index itself. [`FolderIndex`] is the same over
//! files, named by their paths.
//! Two more channels are seams without an implementation here: [`PassageScorer`] (context) and [`GradientSource`]
//! (influence). All of it is specified in `docs/spec/attribution.md`.
//!
//! This crate generates no text, opens no socket and knows nothing of money. Floating point appears only in the scores
//! of the two seams and never in evidence or shares.
//!
//! ```
//! use fonte_attribution::{Document, Everyone, IndexConfig, SpanQuery, SuffixIndex, TraceIndex, trace_answer};
//! use fonte_types::{ContributionId, DatanetId};
//!
//! let directory = tempfile::tempdir()?;
//! let index = SuffixIndex::open(directory.path(), IndexConfig::default())?;
//! let text = b"Green beans lose a seventh of their weight on the way to the cup.";
//! index.add([Document { contribution: ContributionId(7), document: 0, datanet: DatanetId(1), text: text.to_vec() }])?;
//!
//! let answer = b"Green beans lose a seventh of their weight, says the roaster.";
//! let traced = trace_answer(&index, answer, b"How much weight do beans lose?", &Everyone)?;
//! // 42 bytes up to "weight" are quoted, 19 of 61 are nobody's.
//! assert_eq!(traced.shares.of(ContributionId(7)), 688_524);
//!
//! let query = SpanQuery { min_len: 20, max_documents: 1 };
//! let spans = index.spans(answer, query, &Everyone)?;
//! assert_eq!((spans.len(), spans[0].start, spans[0].end, spans[0].count), (1, 0, 42, 1));
//! assert_eq!(index.count(b"weight", &Everyone)?, 1);
//!
//! // Withdrawn for good: no query sees it, also after a restart.
//! index.withdraw(&[ContributionId(7)].into())?;
//! assert_eq!(index.count(b"weight", &Everyone)?, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit;
mod error;
mod folder;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gradient;
mod index;
mod members;
mod owners;
mod passage;
pub mod proof;
#[cfg(feature = "reference")]
pub mod reference;
mod segment;
mod spans;
mod trace;
mod view;

pub use error::{AddError, Damage, FolderError, IndexError, TraceError};
pub use folder::{FolderIndex, Plan, lies_in};
pub use gradient::{GradientError, GradientIdentity, GradientRow, GradientSource};
pub use index::{Document, Estimate, IndexConfig, IndexStats, Progress, SuffixIndex};
pub use members::{Everyone, Members};
pub use passage::{MAX_PASSAGES, Passage, PassageScorer, PassageSet, ScoreError};
pub use trace::{
    AttributeError, MAX_ANSWER_BYTES, MAX_PATTERN_BYTES, MAX_PROMPT_BYTES, MaximalSpan, Occurrence, SpanQuery,
    TraceIndex, Traced, trace_answer, whole_characters,
};

//! Proofs: what a segment holds, and what it does not, checked by anyone who has 32 bytes of it.
//!
//! A [`SegmentProver`] commits one immutable segment, text, document table and suffix array, in one root. From it come
//! proofs that a window stands in a document, that an earlier contribution has it, that no longer match exists, that a
//! pattern is absent or stands there exactly *n* times: one to two kilobytes each. [`verify`] checks them with nothing
//! but a hash function. `docs/spec/proofs.md` has the bytes, and says what is proved and what is not.
//!
//! Above all: a claim is about *one segment*, whole, including what was withdrawn. An index of S segments has S roots,
//! and *nowhere in the index* takes S proofs. And a root is worth what is known of it: who holds the texts can compute
//! it ([`SegmentProver::of_documents`]), and a wrong one can be refuted by a row and two bytes ([`verify::refute`]).
//!
//! ```
//! use fonte_attribution::{Document, IndexConfig, SuffixIndex, proof::{Claim, ProofError}};
//! use fonte_types::{ContributionId, DatanetId};
//!
//! let directory = tempfile::tempdir()?;
//! let index = SuffixIndex::open(directory.path(), IndexConfig::default())?;
//! let text = b"Green beans lose a seventh of their weight on the way to the cup.".to_vec();
//! index.add([Document { contribution: ContributionId(7), document: 0, datanet: DatanetId(1), text }])?;
//!
//! // Builds the trees beside the segment the first time, maps them afterwards.
//! let provers = index.provers(|_, _| {})?;
//! let [prover] = provers.as_slice() else { panic!("one segment") };
//! let answer = b"beans lose a seventh of their colour";
//! let (length, proof) = prover.prove_longest(answer)?;
//! assert_eq!(&answer[..length as usize], b"beans lose a seventh of their ");
//!
//! // Whoever knows the root needs neither index nor text.
//! let root = prover.root();
//! assert_eq!(proof.verify(root, &Claim::Longest { pattern: answer, length }), Ok(()));
//! let longer = Claim::Longest { pattern: answer, length: length + 1 };
//! assert!(matches!(proof.verify(root, &longer), Err(ProofError::Differs { what: "length", .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod adversary;
pub mod file;
mod prover;
#[cfg(test)]
mod reference;
mod source;
#[cfg(test)]
mod tests;
mod trees;
pub mod verify;

use std::sync::Arc;

use fonte_types::ContributionId;

pub use self::{
    prover::{Proof, SegmentProver},
    verify::{Claim, MAX_PATTERN, MAX_PROOF, ProofError},
};
use crate::{
    error::{IndexError, TraceError},
    index::{SuffixIndex, remove_trees},
    segment::Segment,
};

/// A proof that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The claim could not be stated.
    #[error("nothing can be proved of this pattern")]
    Pattern(#[from] ProofError),
    /// The trees could not be kept beside the segment.
    #[error("the trees could not be read or written")]
    Index(#[from] IndexError),
    /// Two texts of a segment have one name.
    #[error("document {document} of contribution {contribution} is there twice; a segment holds it once")]
    Twice {
        /// The contribution.
        contribution: ContributionId,
        /// The document.
        document: u32,
    },
    /// No segment has this size.
    #[error("a segment's text has 1 to {} bytes with its separators, this one {bytes}", verify::MAX_TEXT)]
    Size {
        /// Its size.
        bytes: u64,
    },
    /// The segment is damaged.
    #[error("the segment could not be read")]
    Trace(#[from] TraceError),
}

impl SuffixIndex {
    /// One prover per live segment, in the order of the index. Trees that are missing, damaged or of another segment are
    /// built and written first, which takes a while ([`proof_memory`](Self::proof_memory) says how much memory);
    /// `progress` gets steps done and steps in all, per segment. An index that was opened for reading proves with the
    /// trees that are there.
    ///
    /// # Errors
    /// [`ProveError`] when a segment is damaged or the trees cannot be written: [`IndexError::ReadOnly`] where the index
    /// was opened for reading.
    pub fn provers(&self, mut progress: impl FnMut(u64, u64)) -> Result<Vec<SegmentProver>, ProveError> {
        let prover = |segment: &Arc<Segment>| {
            if let Some(prover) = SegmentProver::open(segment.clone())? {
                return Ok(prover);
            }
            self.writable()?;
            let prover = SegmentProver::build(segment.clone(), &mut progress)?;
            if !self.segments().iter().any(|live| live.path() == segment.path()) {
                // Merged away meanwhile: its trees came too late to be removed with it.
                remove_trees(segment.path())?;
            }
            Ok(prover)
        };
        self.segments().iter().map(prover).collect()
    }

    /// Most memory that building the trees of one segment takes, in bytes, beside the mapped files.
    pub fn proof_memory(&self) -> u64 {
        self.segments().iter().map(|segment| trees::Trees::build_bytes(segment.text_bytes() as u64)).max().unwrap_or(0)
    }
}

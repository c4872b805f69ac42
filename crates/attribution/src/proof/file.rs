//! Proofs in a file: one claim about an index, with a proof per segment that it takes. JSON, bytes in hexadecimal.
//!
//! ```json
//! {
//!   "format": "fonte-proof-1",
//!   "claim": {"kind": "count", "pattern": "0x6265616e73"},
//!   "segments": [{"root": "0x..", "value": 3, "proof": "0x.."}]
//! }
//! ```
//!
//! `kind` is `here` (with `contribution`, `document`, `offset`), `earlier` (with `before`), `longest`, `absent` or
//! `count`. `value` is the longest match or the count in that segment, and absent from the other three.

use std::collections::BTreeSet;

use alloy_primitives::{B256, Bytes};
use fonte_types::ContributionId;
use serde::{Deserialize, Serialize};

use super::{Claim, Proof, ProofError, ProveError, SegmentProver, verify::Parts};
use crate::trace::Occurrence;

/// The only format there is.
pub const FORMAT: &str = "fonte-proof-1";
/// Longest file that is read.
pub const MAX_FILE: usize = 64 << 20;

/// What is asked of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Does it stand at this place?
    Here(Occurrence),
    /// Does a contribution before this one have it?
    Earlier(ContributionId),
    /// How long is its longest prefix in any document?
    Longest,
    /// Does it stand nowhere?
    Absent,
    /// How often does it stand in the documents?
    Count,
}

/// What the file claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum FileClaim {
    /// The pattern stands at a place.
    Here {
        /// The pattern.
        pattern: Bytes,
        /// The contribution.
        contribution: u64,
        /// The document.
        document: u32,
        /// Byte offset in the document.
        offset: u32,
    },
    /// A contribution with a smaller id has it.
    Earlier {
        /// The pattern.
        pattern: Bytes,
        /// The contribution that it precedes.
        before: u64,
    },
    /// The longest prefix of the pattern in any document, per segment.
    Longest {
        /// The pattern.
        pattern: Bytes,
    },
    /// The pattern stands nowhere.
    Absent {
        /// The pattern.
        pattern: Bytes,
    },
    /// Occurrences of the pattern, per segment.
    Count {
        /// The pattern.
        pattern: Bytes,
    },
}

/// The part of a proof that is about one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentProof {
    /// The segment's root.
    pub root: B256,
    /// The longest match, or the count, in this segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u32>,
    /// The proof's bytes.
    pub proof: Bytes,
}

/// A claim with its proofs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    /// [`FORMAT`].
    pub format: String,
    /// What is claimed.
    pub claim: FileClaim,
    /// One proof where a place is claimed, otherwise one per segment of the index.
    pub segments: Vec<SegmentProof>,
}

/// A claim that holds in all the segments whose roots were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Segments that the claim covers.
    pub segments: usize,
    /// The longest match in any, or the occurrences in all of them; 0 for *absent*, 1 for a place.
    pub value: u64,
}

/// Why a file was refused or could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Too long, or not JSON of this form.
    #[error("this is no proof file")]
    Json(#[from] serde_json::Error),
    /// Too long.
    #[error("a proof file of {bytes} bytes is over the limit of {MAX_FILE}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Another format.
    #[error("the file has the format {found:?}, this program reads {FORMAT:?}")]
    Format {
        /// What it says.
        found: String,
    },
    /// What was to be proved is not so.
    #[error("the index holds no such place; nothing can be proved")]
    NotThere,
    /// Nothing to speak of.
    #[error("there is no segment to prove anything of: the index holds no document, or no root was given")]
    NoSegments,
    /// It stands somewhere.
    #[error("the pattern is not absent: it stands in contribution {}, document {}, at {}", .0.contribution, .0.document, .0.offset)]
    Stands(Occurrence),
    /// A trusted segment is not covered.
    #[error("no proof in the file is about the segment with root {root}; the claim takes one for every segment")]
    Missing {
        /// Its root.
        root: B256,
    },
    /// A proof is about a segment that nobody named.
    #[error("the file's proof {index} is about a segment with root {root}, which is not among the given roots")]
    Unknown {
        /// Position in the file.
        index: usize,
        /// Its root.
        root: B256,
    },
    /// A segment is covered twice, or a place by more than one proof.
    #[error("the file's proof {index} is one too many")]
    TooMany {
        /// Position in the file.
        index: usize,
    },
    /// A value is missing or does not belong.
    #[error("the file's proof {index} has no value where one is due, or one where none is")]
    Value {
        /// Position in the file.
        index: usize,
    },
    /// A proof fails.
    #[error("the file's proof {index} is refused")]
    Refused {
        /// Position in the file.
        index: usize,
        /// Why.
        #[source]
        error: ProofError,
    },
    /// A proof could not be made.
    #[error("the proof could not be made")]
    Prove(#[from] ProveError),
}

impl ProofFile {
    /// Proves what is so about `pattern`, over all the segments of an index.
    ///
    /// # Errors
    /// [`FileError::NotThere`] and [`FileError::Stands`] where the opposite is so, [`FileError::Prove`] where a proof
    /// cannot be made.
    pub fn prove(provers: &[SegmentProver], pattern: &[u8], question: Question) -> Result<Self, FileError> {
        if provers.is_empty() {
            return Err(FileError::NoSegments);
        }
        let bytes = Bytes::copy_from_slice(pattern);
        let mut segments = Vec::new();
        let claim = match question {
            Question::Here(place) => {
                for prover in provers {
                    if let Some(proof) = prover.prove_here(pattern, place)? {
                        segments.push(SegmentProof::new(prover, None, &proof));
                        break;
                    }
                }
                // Offsets within a segment fit 32 bits; one that does not was not found.
                let offset = u32::try_from(place.offset).map_err(|_| FileError::NotThere)?;
                let Occurrence { contribution, document, .. } = place;
                FileClaim::Here { pattern: bytes, contribution: contribution.0, document, offset }
            }
            Question::Earlier(before) => {
                let mut earliest: Option<(Occurrence, SegmentProof)> = None;
                for prover in provers {
                    if let Some((place, proof)) = prover.prove_earlier(pattern, before)?
                        && earliest.as_ref().is_none_or(|(best, _)| place < *best)
                    {
                        earliest = Some((place, SegmentProof::new(prover, None, &proof)));
                    }
                }
                segments.extend(earliest.map(|(_, proof)| proof));
                FileClaim::Earlier { pattern: bytes, before: before.0 }
            }
            Question::Longest => {
                for prover in provers {
                    let (length, proof) = prover.prove_longest(pattern)?;
                    segments.push(SegmentProof::new(prover, Some(length), &proof));
                }
                FileClaim::Longest { pattern: bytes }
            }
            Question::Absent => {
                for prover in provers {
                    match prover.prove_absent(pattern)? {
                        Some(proof) => segments.push(SegmentProof::new(prover, None, &proof)),
                        None => {
                            let found = prover.prove_earlier(pattern, ContributionId(u64::MAX))?;
                            return Err(found.map_or(FileError::NotThere, |(place, _)| FileError::Stands(place)));
                        }
                    }
                }
                FileClaim::Absent { pattern: bytes }
            }
            Question::Count => {
                for prover in provers {
                    let (count, proof) = prover.prove_count(pattern)?;
                    segments.push(SegmentProof::new(prover, Some(count), &proof));
                }
                FileClaim::Count { pattern: bytes }
            }
        };
        if segments.is_empty() && matches!(question, Question::Here(_) | Question::Earlier(_)) {
            return Err(FileError::NotThere);
        }
        Ok(Self { format: FORMAT.into(), claim, segments })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError::TooLong`], [`FileError::Json`], [`FileError::Format`].
    pub fn from_json(json: &[u8]) -> Result<Self, FileError> {
        if json.len() > MAX_FILE {
            return Err(FileError::TooLong { bytes: json.len() });
        }
        let file: Self = serde_json::from_slice(json)?;
        if file.format != FORMAT {
            return Err(FileError::Format { found: file.format });
        }
        Ok(file)
    }

    /// The file's bytes.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("strings, numbers and lists have a JSON form");
        json.push('\n');
        json
    }

    /// Checks the whole claim against the roots of *all* the segments that it is to cover. A place takes one proof in
    /// one of them; everything else exactly one proof for each.
    ///
    /// # Errors
    /// [`FileError`] names the proof that fails, the segment that is not covered or the proof that is not due.
    pub fn verify(&self, roots: &[B256]) -> Result<Verdict, FileError> {
        let trusted: BTreeSet<B256> = roots.iter().copied().collect();
        if trusted.is_empty() {
            return Err(FileError::NoSegments);
        }
        let mut covered = BTreeSet::new();
        let mut value = 0;
        for (index, segment) in self.segments.iter().enumerate() {
            if !trusted.contains(&segment.root) {
                return Err(FileError::Unknown { index, root: segment.root });
            }
            if !covered.insert(segment.root) || (self.is_place() && index > 0) {
                return Err(FileError::TooMany { index });
            }
            let claim = self.claim_about(segment).ok_or(FileError::Value { index })?;
            Proof::from_bytes(segment.proof.to_vec())
                .and_then(|proof| proof.verify(segment.root, &claim))
                .map_err(|error| FileError::Refused { index, error })?;
            let here = u64::from(segment.value.unwrap_or(0));
            value = match self.claim {
                FileClaim::Longest { .. } => here.max(value),
                _ => here + value,
            };
        }
        if self.is_place() {
            if covered.is_empty() {
                return Err(FileError::NotThere);
            }
            return Ok(Verdict { segments: 1, value: 1 });
        }
        match trusted.difference(&covered).next() {
            Some(root) => Err(FileError::Missing { root: *root }),
            None => Ok(Verdict { segments: covered.len(), value }),
        }
    }

    /// Where the pattern stands, by a file that claims a place and was verified.
    pub fn place(&self) -> Option<Occurrence> {
        let [segment] = self.segments.as_slice() else { return None };
        let (contribution, document, offset) = Parts::decode(&segment.proof).ok()?.place()?;
        let place = Occurrence { contribution: ContributionId(contribution), document, offset: offset.into() };
        self.is_place().then_some(place)
    }

    fn is_place(&self) -> bool {
        matches!(self.claim, FileClaim::Here { .. } | FileClaim::Earlier { .. })
    }

    /// `None` where a value is missing or one too many.
    fn claim_about(&self, segment: &SegmentProof) -> Option<Claim<'_>> {
        Some(match (&self.claim, segment.value) {
            (&FileClaim::Here { ref pattern, contribution, document, offset }, None) => {
                Claim::Here { pattern, contribution, document, offset }
            }
            (&FileClaim::Earlier { ref pattern, before }, None) => Claim::Earlier { pattern, before },
            (FileClaim::Longest { pattern }, Some(length)) => Claim::Longest { pattern, length },
            (FileClaim::Absent { pattern }, None) => Claim::Absent { pattern },
            (FileClaim::Count { pattern }, Some(count)) => Claim::Count { pattern, count },
            _ => return None,
        })
    }
}

impl SegmentProof {
    fn new(prover: &SegmentProver, value: Option<u32>, proof: &Proof) -> Self {
        Self { root: prover.root(), value, proof: Bytes::copy_from_slice(proof.as_bytes()) }
    }
}

//! The verifier: a claim, a root of 32 bytes and a few kilobytes of proof; true or refused.
//!
//! It needs `core` and a keccak256 function, nothing else: no index, no allocation, no I/O, no other crate, so that it
//! can be read in one sitting, moved into a light client or rewritten for one. `docs/spec/proofs.md` says what each
//! claim means and why the checks below are enough; the names here are the names there.
//!
//! Where a proof is taken apart is `parts.rs`, how leaves lead to a root `climb.rs`. Everything that the bytes do not
//! have to say is left out of them: how many hashes follow is computed from the sizes and positions that the proof
//! names, and text that the claim already spells is not repeated. So a proof has exactly one encoding, and any other
//! number of bytes is refused.

mod climb;
mod parts;

use core::fmt;

use self::parts::{BOUNDARY, FAULTY_ROW, INTERVAL, PLACE};
pub use self::parts::{
    ENTRY, Entry, LEAF_ROWS, MAX_PATTERN, MAX_PROOF, MAX_TEXT, Parts, ROW, Row, Statement, TEXT_LEAF,
};
pub(crate) use self::{
    climb::{Opened, height, node},
    parts::{row_leaves, rows_in_leaf, rows_leaf, segment_root, text_leaf, text_leaves},
};

/// A keccak256 hash.
pub type Hash = [u8; 32];

/// Ends every document in a segment's text. UTF-8 has no such byte.
pub const SEPARATOR: u8 = 0xff;

/// What is claimed of a segment: all of its documents, whoever withdrew any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// The pattern stands in this document at this offset.
    Here {
        /// One to [`MAX_PATTERN`] bytes, any.
        pattern: &'a [u8],
        /// The contribution.
        contribution: u64,
        /// Index of the document in it.
        document: u32,
        /// Byte offset in the document.
        offset: u32,
    },
    /// The pattern stands in a document of a contribution that precedes another.
    Earlier {
        /// One to [`MAX_PATTERN`] bytes, any.
        pattern: &'a [u8],
        /// A contribution with a smaller id has it.
        before: u64,
    },
    /// The longest prefix of the pattern that stands in any document has exactly this many bytes.
    Longest {
        /// One to [`MAX_PATTERN`] bytes, none of them `ff`.
        pattern: &'a [u8],
        /// Bytes of the longest prefix.
        length: u32,
    },
    /// The pattern stands in no document.
    Absent {
        /// One to [`MAX_PATTERN`] bytes, none of them `ff`.
        pattern: &'a [u8],
    },
    /// The pattern stands in the documents exactly this often, overlapping occurrences included.
    Count {
        /// One to [`MAX_PATTERN`] bytes, none of them `ff`.
        pattern: &'a [u8],
        /// Occurrences.
        count: u32,
    },
}

impl<'a> Claim<'a> {
    /// The pattern that the claim is about.
    pub fn pattern(&self) -> &'a [u8] {
        match *self {
            Self::Here { pattern, .. }
            | Self::Earlier { pattern, .. }
            | Self::Longest { pattern, .. }
            | Self::Absent { pattern }
            | Self::Count { pattern, .. } => pattern,
        }
    }

    fn check_pattern(&self) -> Result<(), ProofError> {
        let pattern = self.pattern();
        if pattern.is_empty() || pattern.len() > MAX_PATTERN {
            return Err(ProofError::PatternLength { got: pattern.len() });
        }
        // A place is checked against the document table. Ranks are not: there, only a pattern without separators is
        // known to stand inside one document wherever it stands in the text.
        let placed = matches!(self, Self::Here { .. } | Self::Earlier { .. });
        match pattern.iter().position(|byte| *byte == SEPARATOR) {
            Some(at) if !placed => Err(ProofError::PatternSeparator { at }),
            _ => Ok(()),
        }
    }
}

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// Fewer or more bytes than what the proof says of itself takes.
    Length {
        /// Bytes given.
        got: usize,
        /// Bytes that were due; for a proof cut short, at least this many.
        expected: usize,
    },
    /// The first byte names no kind of proof.
    Kind(u8),
    /// A number that no segment can give rise to.
    Field {
        /// Which one.
        name: &'static str,
        /// What it says.
        value: u32,
    },
    /// A claim's pattern is empty or too long.
    PatternLength {
        /// Its length.
        got: usize,
    },
    /// A claim about ranks has a pattern with a separator in it.
    PatternSeparator {
        /// Where.
        at: usize,
    },
    /// A proof of another kind than the claim takes.
    Kinds {
        /// Kind of the proof.
        got: u8,
        /// Kind that proves such a claim.
        expected: u8,
    },
    /// The proof is about something else than the claim.
    Differs {
        /// What differs.
        what: &'static str,
        /// What is claimed.
        claimed: u64,
        /// What the proof says.
        proven: u64,
    },
    /// Two places would need different bytes at one position.
    Contradiction {
        /// The position in the segment's text.
        position: u32,
    },
    /// The openings lead to another root: a byte, row, entry or hash is not the segment's.
    Root {
        /// Where they lead.
        got: Hash,
        /// The segment's.
        expected: Hash,
    },
    /// The segment's own bytes show more than was claimed: the match goes on, or there is another occurrence.
    More {
        /// Rank of the suffix that shows it.
        rank: u32,
    },
    /// What a refutation opens is as it should be.
    NoFault,
    /// The pattern does not stand between the two suffixes that the proof names.
    NotBetween {
        /// Rank of the upper one.
        rank: u32,
    },
}

impl fmt::Display for ProofError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { got, expected } => write!(out, "the proof has {got} bytes where {expected} are due"),
            Self::Kind(kind) => write!(out, "no proof is of kind {kind}"),
            Self::Field { name, value } => write!(out, "the proof's {name} cannot be {value}"),
            Self::PatternLength { got } => {
                write!(out, "a pattern has 1 to {MAX_PATTERN} bytes, this one {got}; claim something of a part of it")
            }
            Self::PatternSeparator { at } => {
                write!(out, "byte {at} of the pattern is ff, which only claims of a place may hold; cut it there")
            }
            Self::Kinds { got, expected } => {
                write!(out, "the proof is of kind {got}, such a claim takes one of kind {expected}")
            }
            Self::Differs { what, claimed, proven } => {
                write!(out, "the claimed {what} is {claimed}, the proof is for {proven}")
            }
            Self::Contradiction { position } => {
                write!(out, "the pattern asks for two different bytes at text position {position}")
            }
            Self::Root { got, expected } => {
                out.write_str("the openings lead to the root ")?;
                hex(got, out)?;
                out.write_str(", the segment's is ")?;
                hex(expected, out)
            }
            Self::More { rank } => {
                write!(out, "the segment holds more than is claimed, as the suffix of rank {rank} shows")
            }
            Self::NoFault => out.write_str("what the refutation opens is as it should be"),
            Self::NotBetween { rank } => write!(out, "the pattern does not stand just below the suffix of rank {rank}"),
        }
    }
}

impl core::error::Error for ProofError {}

fn hex(hash: &Hash, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    hash.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

/// Checks `proof` of `claim` against the segment's root, with `keccak256` of the caller's choice.
///
/// # Errors
/// [`ProofError`] says what differs. A refusal is no proof of the contrary.
pub fn verify(
    keccak256: impl Fn(&[u8]) -> Hash,
    root: &Hash,
    claim: &Claim<'_>,
    proof: &[u8],
) -> Result<(), ProofError> {
    claim.check_pattern()?;
    let parts = Parts::decode(proof)?;
    let matched = matched(&parts, claim)?;
    let [next, _] = opened(&parts, &keccak256, root, matched)?;
    check_order(&parts, claim.pattern(), next)
}

/// Checks a proof that the segment with this root is wrong: that its rows do not describe its text, or its documents do
/// not tile it. A segment of which nothing can be refuted is right, so that the other claims mean what they say.
///
/// # Errors
/// [`ProofError`] says what differs; [`ProofError::NoFault`] where what is opened is as it should be.
pub fn refute(keccak256: impl Fn(&[u8]) -> Hash, root: &Hash, proof: &[u8]) -> Result<Statement, ProofError> {
    let parts = Parts::decode(proof)?;
    // The others cannot be opened without a pattern to put in place.
    if let Statement::Place { .. } | Statement::Boundary { .. } | Statement::Interval { .. } = parts.statement {
        return Err(ProofError::Kinds { got: parts.statement.kind(), expected: FAULTY_ROW });
    }
    let next = opened(&parts, &keccak256, root, &[])?;
    if is_faulty(&parts, next)? { Ok(parts.statement) } else { Err(ProofError::NoFault) }
}

/// Checks the openings; returns the byte behind `matched` in each place.
fn opened(
    parts: &Parts<'_>,
    keccak256: &impl Fn(&[u8]) -> Hash,
    root: &Hash,
    matched: &[u8],
) -> Result<[Option<u8>; 2], ProofError> {
    let (got, next) = parts.root(keccak256, matched)?;
    if got == *root { Ok(next) } else { Err(ProofError::Root { got, expected: *root }) }
}

/// Compares what is claimed with what the proof says; returns the part of the pattern that it places in the text.
fn matched<'p>(parts: &Parts<'_>, claim: &Claim<'p>) -> Result<&'p [u8], ProofError> {
    let differs = |what, claimed: u64, proven: u64| {
        if claimed == proven { Ok(()) } else { Err(ProofError::Differs { what, claimed, proven }) }
    };
    let pattern = claim.pattern();
    let bytes = pattern.len() as u64;
    let kinds = |expected| Err(ProofError::Kinds { got: parts.statement.kind(), expected });
    match (*claim, parts.statement) {
        (Claim::Here { contribution, document, offset, .. }, Statement::Place { index, offset: at, length }) => {
            let entry = parts.entry(index);
            differs("contribution", contribution, entry.contribution)?;
            differs("document", document.into(), entry.document.into())?;
            differs("offset", offset.into(), at.into())?;
            differs("pattern length", bytes, length.into())?;
            Ok(pattern)
        }
        (Claim::Earlier { before, .. }, Statement::Place { index, length, .. }) => {
            let entry = parts.entry(index);
            if entry.contribution >= before {
                let (claimed, proven) = (before, entry.contribution);
                return Err(ProofError::Differs { what: "later contribution", claimed, proven });
            }
            differs("pattern length", bytes, length.into())?;
            Ok(pattern)
        }
        // Nothing is longer than the whole pattern, so one place will do.
        (Claim::Longest { length: claimed, .. }, Statement::Place { length, .. }) => {
            differs("length", claimed.into(), length.into())?;
            differs("pattern length", bytes, length.into())?;
            Ok(pattern)
        }
        (
            Claim::Longest { .. } | Claim::Absent { .. } | Claim::Count { count: 0, .. },
            Statement::Boundary { length, .. },
        ) => {
            if let Claim::Longest { length: claimed, .. } = *claim {
                differs("length", claimed.into(), length.into())?;
            }
            // The byte that ends the match is the pattern's, too.
            pattern.get(..length.into()).filter(|matched| matched.len() < pattern.len()).ok_or(ProofError::Differs {
                what: "pattern length",
                claimed: bytes,
                proven: u64::from(length) + 1,
            })
        }
        (Claim::Count { count, .. }, Statement::Interval { lo, hi, length }) => {
            differs("count", count.into(), (hi - lo).into())?;
            differs("pattern length", bytes, length.into())?;
            Ok(pattern)
        }
        (Claim::Here { .. } | Claim::Earlier { .. }, _) => kinds(PLACE),
        (Claim::Longest { length, .. }, _) if u64::from(length) == bytes => kinds(PLACE),
        (Claim::Count { count: 1.., .. }, _) => kinds(INTERVAL),
        (Claim::Longest { .. } | Claim::Absent { .. } | Claim::Count { .. }, _) => kinds(BOUNDARY),
    }
}

/// What the order of the suffixes must show. All bytes and rows are the segment's by now.
fn check_order(parts: &Parts<'_>, pattern: &[u8], next: Option<u8>) -> Result<(), ProofError> {
    match parts.statement {
        // A place is where it is; the others prove no claim and did not get here.
        Statement::Place { .. }
        | Statement::FaultyRow { .. }
        | Statement::Twice { .. }
        | Statement::FaultyEntry { .. }
        | Statement::NoSeparator { .. } => Ok(()),
        Statement::Boundary { rank, upper, length } => {
            let wanted = pattern[usize::from(length)];
            let next = next.expect("a boundary opens the byte behind the match");
            let opened = if upper { rank } else { rank - 1 };
            if next == wanted {
                return Err(ProofError::More { rank: opened });
            }
            let between = if upper {
                // The opened suffix is above the pattern. The one below it parts from it before the pattern does,
                // or at the same byte; it is below the pattern by the byte in which it is below the opened one.
                let row = parts.row(rank);
                if rank > 0 && row.shared == length && row.before == wanted {
                    return Err(ProofError::More { rank: rank - 1 });
                }
                wanted < next && (rank == 0 || row.shared < length || (row.shared == length && row.before < wanted))
            } else {
                // The opened suffix is below the pattern. The one above it parts from it before the pattern does.
                next < wanted && (rank == parts.text_bytes || parts.row(rank).shared < length)
            };
            if between { Ok(()) } else { Err(ProofError::NotBetween { rank }) }
        }
        Statement::Interval { lo, hi, length } => {
            // Both ends begin with the pattern, so all between do; their neighbours outside do not.
            if lo > 0 && parts.row(lo).shared >= length {
                return Err(ProofError::More { rank: lo - 1 });
            }
            if hi < parts.text_bytes && parts.row(hi).shared >= length {
                return Err(ProofError::More { rank: hi });
            }
            Ok(())
        }
    }
}

/// Whether what is opened shows a fault. All bytes, rows and entries are the segment's by now.
fn is_faulty(parts: &Parts<'_>, next: [Option<u8>; 2]) -> Result<bool, ProofError> {
    let text_bytes = parts.text_bytes;
    match parts.statement {
        Statement::Place { .. } | Statement::Boundary { .. } | Statement::Interval { .. } => Ok(false),
        Statement::FaultyRow { rank, at } => {
            let row = parts.row(rank);
            let Some(before) = rank.checked_sub(1) else {
                return Ok(row.position >= text_bytes || row.shared != 0 || row.before != 0);
            };
            let previous = parts.row(before).position;
            let ends = |position: u32| u64::from(position) + u64::from(at) >= u64::from(text_bytes);
            if at > row.shared {
                return Err(ProofError::Field { name: "byte", value: at.into() });
            }
            if at < row.shared {
                // Shared bytes are there and equal.
                return Ok(ends(previous) || ends(row.position) || next[0] != next[1]);
            }
            if usize::from(row.shared) == MAX_PATTERN {
                return Ok(row.before != 0);
            }
            // Then the one before ends, or goes on with a smaller byte, the one that the row names.
            Ok(match next {
                [Some(lower), Some(upper)] => lower != row.before || lower >= upper,
                _ => {
                    let ended = u64::from(previous) + u64::from(at) == u64::from(text_bytes);
                    !ended || ends(row.position) || row.before != 0
                }
            })
        }
        Statement::Twice { lo, hi } => Ok(parts.row(lo).position == parts.row(hi).position),
        Statement::FaultyEntry { index } => {
            let entry = parts.entry(index);
            let behind = |entry: Entry| u64::from(entry.start) + u64::from(entry.length) + 1;
            let starts = match index.checked_sub(1).map(|before| parts.entry(before)) {
                Some(before) => {
                    let ascends = (before.contribution, before.document) < (entry.contribution, entry.document);
                    ascends && behind(before) == u64::from(entry.start)
                }
                None => entry.start == 0,
            };
            let ends = index + 1 < parts.documents || behind(entry) == u64::from(text_bytes);
            Ok(!starts || !ends)
        }
        Statement::NoSeparator { .. } => Ok(next[0] != Some(SEPARATOR)),
    }
}

//! The verifier: a claim, a root of 32 bytes and a few kilobytes of proof; true or refused.
//!
//! It needs `core` and a keccak256 function, nothing else: no index, no allocation, no I/O, no other crate, so that it
//! can be read in one sitting, moved into a light client or rewritten for one. `docs/spec/proofs.md` says what each
//! claim means and why the checks below are enough; the names here are the names there.
//!
//! Everything that the bytes do not have to say is left out of them: how many hashes follow is computed from the sizes
//! and positions that the proof names, and text that the claim already spells is not repeated. So a proof has exactly
//! one encoding, and any other number of bytes is refused.

use core::fmt;

/// A keccak256 hash.
pub type Hash = [u8; 32];

/// Bytes of text per leaf.
pub const TEXT_LEAF: usize = 64;
/// Rows of the suffix array per leaf.
pub const LEAF_ROWS: usize = 16;
/// Bytes of a row: `u32 position ‖ u16 shared ‖ u8 before`.
pub const ROW: usize = 7;
/// Bytes of an entry of the document table: `u64 contribution ‖ u32 document ‖ u32 datanet ‖ u32 start ‖ u32 length`.
pub const ENTRY: usize = 24;
/// Rows count shared bytes up to here, so this is also the longest pattern that a claim may have.
pub const MAX_PATTERN: usize = u16::MAX as usize;
/// Longest text of a segment, separators included.
pub const MAX_TEXT: u32 = i32::MAX as u32;
/// No proof is longer: the largest opens three leaves of rows and both ends of two places.
pub const MAX_PROOF: usize = 8_192;
/// Ends every document in a segment's text. UTF-8 has no such byte.
pub const SEPARATOR: u8 = 0xff;

/// Tags of the preimages, apart from those of `docs/spec/receipt.md`, so that nothing passes for anything else.
pub(super) const TAG_TEXT: u8 = 0x20;
pub(super) const TAG_ROWS: u8 = 0x21;
pub(super) const TAG_ENTRY: u8 = 0x22;
pub(super) const TAG_NODE: u8 = 0x23;
pub(super) const TAG_SEGMENT: u8 = 0x24;

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
    let matched = parts.matched(claim)?;
    let (got, next) = parts.root(&keccak256, matched)?;
    if got != *root {
        return Err(ProofError::Root { got, expected: *root });
    }
    parts.check_order(claim.pattern(), next)
}

/// What a proof says, before any hash is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The pattern stands at an offset in a document.
    Place {
        /// Row of the document table.
        index: u32,
        /// What stands there.
        entry: Entry,
        /// Byte offset in the document.
        offset: u32,
        /// Bytes of the pattern.
        length: u16,
    },
    /// The pattern would stand just below the suffix of rank `rank`, above the one before it, and shares `length` bytes
    /// with one of them, not fewer than with the other.
    Boundary {
        /// Rank of the upper suffix; the number of suffixes if there is none.
        rank: u32,
        /// Whether the upper suffix is the one whose text is opened.
        upper: bool,
        /// Shared bytes.
        length: u16,
    },
    /// The suffixes of ranks `[lo, hi)`, and no others, begin with the pattern.
    Interval {
        /// First rank.
        lo: u32,
        /// One past the last rank.
        hi: u32,
        /// Bytes of the pattern.
        length: u16,
    },
}

impl Statement {
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Place { .. } => PLACE,
            Self::Boundary { .. } => BOUNDARY,
            Self::Interval { .. } => INTERVAL,
        }
    }

    /// The ranks whose rows are opened; at most three.
    pub(super) fn ranks(&self, text_bytes: u32) -> impl Iterator<Item = u32> + use<> {
        let ranks = match *self {
            Self::Place { .. } => [None; 3],
            // The upper row says what the two suffixes share. At either end there is only one suffix.
            Self::Boundary { rank, upper: true, .. } => [Some(rank), None, None],
            Self::Boundary { rank, upper: false, .. } => [Some(rank - 1), Some(rank), None],
            Self::Interval { lo, hi, .. } => [Some(lo), Some(hi - 1), Some(hi)],
        };
        ranks.into_iter().flatten().filter(move |rank| *rank < text_bytes)
    }
}

pub(super) const PLACE: u8 = 1;
pub(super) const BOUNDARY: u8 = 2;
pub(super) const INTERVAL: u8 = 3;

/// A row of the document table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The contribution.
    pub contribution: u64,
    /// Index of the document in it.
    pub document: u32,
    /// Its datanet.
    pub datanet: u32,
    /// First byte in the segment's text.
    pub start: u32,
    /// Its bytes, the separator behind them not counted.
    pub length: u32,
}

impl Entry {
    /// As it is hashed.
    pub fn encode(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..8].copy_from_slice(&self.contribution.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.document.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.datanet.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.start.to_be_bytes());
        bytes[20..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }
}

/// A row of the suffix array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where the suffix begins in the segment's text.
    pub position: u32,
    /// Bytes that it shares with the suffix before it, [`MAX_PATTERN`] at most.
    pub shared: u16,
    /// The first byte in which the suffix before it differs. 0 where that one ends, where `shared` is at its limit, and
    /// in the first row.
    pub before: u8,
}

impl Row {
    /// As it is hashed.
    pub fn encode(&self) -> [u8; ROW] {
        let [a, b, c, d] = self.position.to_be_bytes();
        let [e, f] = self.shared.to_be_bytes();
        [a, b, c, d, e, f, self.before]
    }

    fn decode(bytes: &[u8; ROW]) -> Self {
        let [a, b, c, d, e, f, before] = *bytes;
        Self { position: u32::from_be_bytes([a, b, c, d]), shared: u16::from_be_bytes([e, f]), before }
    }
}

/// A proof taken apart. Its length fits what it says; nothing else is known to be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// Bytes of the segment's text, separators included.
    pub text_bytes: u32,
    /// Documents of the segment.
    pub documents: u32,
    /// What it says.
    pub statement: Statement,
    /// The root of the table that is not opened.
    closed: &'a [u8],
    rows: &'a [u8],
    table_siblings: &'a [u8],
    rest: &'a [u8],
    text_siblings: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes a proof apart. Reads [`MAX_PROOF`] bytes at most.
    ///
    /// # Errors
    /// [`ProofError::Kind`], [`ProofError::Field`] and [`ProofError::Length`].
    pub fn decode(proof: &'a [u8]) -> Result<Self, ProofError> {
        if proof.len() > MAX_PROOF {
            return Err(ProofError::Length { got: proof.len(), expected: MAX_PROOF });
        }
        let mut reader = Reader { bytes: proof, at: 0 };
        let kind = reader.u8()?;
        let text_bytes = reader.u32()?;
        let documents = reader.u32()?;
        let field = |name, value, holds| if holds { Ok(()) } else { Err(ProofError::Field { name, value }) };
        field("text length", text_bytes, (1..=MAX_TEXT).contains(&text_bytes))?;
        field("number of documents", documents, (1..=text_bytes).contains(&documents))?;
        let statement = match kind {
            PLACE => {
                let index = reader.u32()?;
                let entry = reader.entry()?;
                let (offset, length) = (reader.u32()?, reader.u16()?);
                field("document index", index, index < documents)?;
                field("document start", entry.start, entry.start < text_bytes)?;
                field("document length", entry.length, entry.length < text_bytes - entry.start)?;
                field("offset", offset, offset <= entry.length)?;
                field("pattern length", length.into(), (1..=entry.length - offset).contains(&length.into()))?;
                Statement::Place { index, entry, offset, length }
            }
            BOUNDARY => {
                let (rank, upper, length) = (reader.u32()?, reader.u8()?, reader.u16()?);
                field("side", upper.into(), upper <= 1)?;
                let upper = upper == 1;
                field("rank", rank, if upper { rank < text_bytes } else { (1..=text_bytes).contains(&rank) })?;
                Statement::Boundary { rank, upper, length }
            }
            INTERVAL => {
                let (lo, hi, length) = (reader.u32()?, reader.u32()?, reader.u16()?);
                field("last rank", hi, (1..=text_bytes).contains(&hi))?;
                field("first rank", lo, lo < hi)?;
                field("pattern length", length.into(), length > 0)?;
                Statement::Interval { lo, hi, length }
            }
            kind => return Err(ProofError::Kind(kind)),
        };
        let closed = reader.take(32)?;
        let table = Table::of(&statement, text_bytes, documents);
        let rows = if kind == PLACE { &[] } else { reader.take(table.opened.rows(text_bytes) * ROW)? };
        let table_siblings = reader.take(32 * table.opened.siblings(table.leaves))?;
        let mut parts =
            Self { text_bytes, documents, statement, closed, rows, table_siblings, rest: &[], text_siblings: &[] };
        let places = parts.places()?;
        parts.rest = reader.take(places.rest(text_bytes))?;
        parts.text_siblings = reader.take(32 * places.opened.siblings(text_leaves(text_bytes)))?;
        if reader.at != proof.len() {
            return Err(ProofError::Length { got: proof.len(), expected: reader.at });
        }
        Ok(parts)
    }

    /// The opened row of rank `rank`.
    fn row(&self, rank: u32) -> Row {
        let table = Table::of(&self.statement, self.text_bytes, self.documents);
        let at = ROW * table.opened.row_before(rank);
        Row::decode(self.rows[at..at + ROW].try_into().expect("a row was sliced"))
    }

    /// Where the pattern, or its matched prefix, stands in the text, and which leaves that opens.
    fn places(&self) -> Result<Places, ProofError> {
        let start = |position: u32, bytes: u32| {
            let fits = position.checked_add(bytes).is_some_and(|end| end <= self.text_bytes);
            if fits { Ok(position) } else { Err(ProofError::Field { name: "suffix", value: position }) }
        };
        match self.statement {
            Statement::Place { entry, offset, length, .. } => {
                Ok(Places::new([entry.start + offset; 2], length.into(), length.into()))
            }
            Statement::Boundary { rank, upper, length } => {
                // One byte more than is shared: the one that ends the match. There is one, because every text ends with
                // a separator and no match holds any.
                let open = u32::from(length) + 1;
                let position = start(self.row(if upper { rank } else { rank - 1 }).position, open)?;
                Ok(Places::new([position; 2], length.into(), open))
            }
            Statement::Interval { lo, hi, length } => {
                let (first, last) = (self.row(lo).position, self.row(hi - 1).position);
                let length = u32::from(length);
                Ok(Places::new([start(first, length)?, start(last, length)?], length, length))
            }
        }
    }

    /// Compares what is claimed with what the proof says; returns the part of the pattern that it places in the text.
    fn matched<'p>(&self, claim: &Claim<'p>) -> Result<&'p [u8], ProofError> {
        let differs = |what, claimed: u64, proven: u64| {
            if claimed == proven { Ok(()) } else { Err(ProofError::Differs { what, claimed, proven }) }
        };
        let pattern = claim.pattern();
        let bytes = pattern.len() as u64;
        let kinds = |expected| Err(ProofError::Kinds { got: self.statement.kind(), expected });
        match (*claim, self.statement) {
            (
                Claim::Here { contribution, document, offset, .. },
                Statement::Place { entry, offset: at, length, .. },
            ) => {
                differs("contribution", contribution, entry.contribution)?;
                differs("document", document.into(), entry.document.into())?;
                differs("offset", offset.into(), at.into())?;
                differs("pattern length", bytes, length.into())?;
                Ok(pattern)
            }
            (Claim::Earlier { before, .. }, Statement::Place { entry, length, .. }) => {
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
                pattern.get(..length.into()).filter(|matched| matched.len() < pattern.len()).ok_or(
                    ProofError::Differs { what: "pattern length", claimed: bytes, proven: u64::from(length) + 1 },
                )
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

    /// The segment root that the openings lead to with `matched` in its place or places, and the byte behind it where
    /// one was opened.
    fn root(&self, keccak256: &impl Fn(&[u8]) -> Hash, matched: &[u8]) -> Result<(Hash, Option<u8>), ProofError> {
        let table = Table::of(&self.statement, self.text_bytes, self.documents);
        let table_root = {
            let mut rows = self.rows;
            let leaf = |index: u32| {
                if let Statement::Place { entry, .. } = self.statement {
                    let mut preimage = [TAG_ENTRY; 1 + ENTRY];
                    preimage[1..].copy_from_slice(&entry.encode());
                    return Ok(keccak256(&preimage));
                }
                let (first, rest) = rows.split_at(ROW * rows_in_leaf(index, self.text_bytes));
                rows = rest;
                let mut preimage = [TAG_ROWS; 1 + LEAF_ROWS * ROW];
                preimage[1..=first.len()].copy_from_slice(first);
                Ok(keccak256(&preimage[..=first.len()]))
            };
            let siblings = self.table_siblings;
            Climb { leaves: table.leaves, opened: &table.opened, keccak256, leaf, siblings }.root()?
        };
        let places = self.places()?;
        let mut next = None;
        let text_root = {
            let mut rest = self.rest.iter();
            let leaf = |index: u32| {
                let from = index * TEXT_LEAF as u32;
                let mut preimage = [TAG_TEXT; 1 + TEXT_LEAF];
                let bytes = (self.text_bytes - from).min(TEXT_LEAF as u32);
                for (slot, position) in preimage[1..].iter_mut().zip(from..from + bytes) {
                    *slot = match places.byte(position, matched)? {
                        Some(byte) => byte,
                        None => *rest.next().expect("the rest was measured when the proof was taken apart"),
                    };
                    if position == places.starts[0] + places.matched && places.opens > places.matched {
                        next = Some(*slot);
                    }
                }
                Ok(keccak256(&preimage[..=bytes as usize]))
            };
            let leaves = text_leaves(self.text_bytes);
            Climb { leaves, opened: &places.opened, keccak256, leaf, siblings: self.text_siblings }.root()?
        };
        let closed: &Hash = self.closed.try_into().expect("a hash was sliced");
        let (rows_root, entries_root) =
            if let Statement::Place { .. } = self.statement { (closed, &table_root) } else { (&table_root, closed) };
        Ok((segment_root(keccak256, self.text_bytes, self.documents, &text_root, rows_root, entries_root), next))
    }

    /// What the order of the suffixes must show. All bytes and rows are the segment's by now.
    fn check_order(&self, pattern: &[u8], next: Option<u8>) -> Result<(), ProofError> {
        match self.statement {
            Statement::Place { .. } => Ok(()),
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
                    let row = self.row(rank);
                    if rank > 0 && row.shared == length && row.before == wanted {
                        return Err(ProofError::More { rank: rank - 1 });
                    }
                    wanted < next && (rank == 0 || row.shared < length || (row.shared == length && row.before < wanted))
                } else {
                    // The opened suffix is below the pattern. The one above it parts from it before the pattern does.
                    next < wanted && (rank == self.text_bytes || self.row(rank).shared < length)
                };
                if between { Ok(()) } else { Err(ProofError::NotBetween { rank }) }
            }
            Statement::Interval { lo, hi, length } => {
                // Both ends begin with the pattern, so all between do; their neighbours outside do not.
                if lo > 0 && self.row(lo).shared >= length {
                    return Err(ProofError::More { rank: lo - 1 });
                }
                if hi < self.text_bytes && self.row(hi).shared >= length {
                    return Err(ProofError::More { rank: hi });
                }
                Ok(())
            }
        }
    }
}

/// `24 ‖ u32 text bytes ‖ u32 documents ‖ text root ‖ rows root ‖ entries root`.
pub fn segment_root(
    keccak256: &impl Fn(&[u8]) -> Hash,
    text_bytes: u32,
    documents: u32,
    text: &Hash,
    rows: &Hash,
    entries: &Hash,
) -> Hash {
    let mut preimage = [TAG_SEGMENT; 105];
    preimage[1..5].copy_from_slice(&text_bytes.to_be_bytes());
    preimage[5..9].copy_from_slice(&documents.to_be_bytes());
    preimage[9..41].copy_from_slice(text);
    preimage[41..73].copy_from_slice(rows);
    preimage[73..].copy_from_slice(entries);
    keccak256(&preimage)
}

/// `23 ‖ left ‖ right`.
pub(super) fn node(keccak256: &impl Fn(&[u8]) -> Hash, left: &Hash, right: &Hash) -> Hash {
    let mut preimage = [TAG_NODE; 65];
    preimage[1..33].copy_from_slice(left);
    preimage[33..].copy_from_slice(right);
    keccak256(&preimage)
}

pub(super) fn text_leaves(text_bytes: u32) -> u32 {
    text_bytes.div_ceil(TEXT_LEAF as u32)
}

pub(super) fn row_leaves(text_bytes: u32) -> u32 {
    text_bytes.div_ceil(LEAF_ROWS as u32)
}

pub(super) fn rows_in_leaf(index: u32, text_bytes: u32) -> usize {
    (text_bytes as usize - index as usize * LEAF_ROWS).min(LEAF_ROWS)
}

/// The opened table: the suffix array's rows, or the document table.
pub(super) struct Table {
    pub(super) leaves: u32,
    pub(super) opened: Opened,
}

impl Table {
    pub(super) fn of(statement: &Statement, text_bytes: u32, documents: u32) -> Self {
        if let Statement::Place { index, .. } = *statement {
            return Self { leaves: documents, opened: Opened::new([index..index + 1]) };
        }
        let leaf = |rank: u32| rank / LEAF_ROWS as u32;
        let opened = Opened::new(statement.ranks(text_bytes).map(|rank| leaf(rank)..leaf(rank) + 1));
        Self { leaves: row_leaves(text_bytes), opened }
    }
}

/// Where in the text the pattern, or a prefix of it, is placed: at one position or two.
pub(super) struct Places {
    starts: [u32; 2],
    matched: u32,
    opens: u32,
    pub(super) opened: Opened,
}

impl Places {
    /// `matched` bytes of the pattern at each start, `opens` bytes opened from there; they lie inside the text.
    pub(super) fn new(starts: [u32; 2], matched: u32, opens: u32) -> Self {
        let leaf = |position: u32| position / TEXT_LEAF as u32;
        let opened = Opened::new(starts.map(|start| leaf(start)..leaf(start + opens - 1) + 1));
        Self { starts, matched, opens, opened }
    }

    /// The byte that the pattern puts at `position`, if it lies in a place.
    fn byte(&self, position: u32, matched: &[u8]) -> Result<Option<u8>, ProofError> {
        let [first, second] = self.starts.map(|start| matched.get(position.checked_sub(start)? as usize).copied());
        match (first, second) {
            (Some(first), Some(second)) if first != second => Err(ProofError::Contradiction { position }),
            (first, second) => Ok(first.or(second)),
        }
    }

    /// Whether the pattern says what stands at `position`.
    pub(super) fn holds(&self, position: u32) -> bool {
        self.starts.iter().any(|start| position.checked_sub(*start).is_some_and(|at| at < self.matched))
    }

    /// Opened bytes that the pattern does not spell.
    fn rest(&self, text_bytes: u32) -> usize {
        let opened: u32 = self
            .opened
            .stretches()
            .map(|leaves| (leaves.end * TEXT_LEAF as u32).min(text_bytes) - leaves.start * TEXT_LEAF as u32)
            .sum();
        let apart = self.starts[0].abs_diff(self.starts[1]).min(self.matched);
        (opened - self.matched - apart) as usize
    }
}

/// The leaves of a tree that a proof opens: at most three stretches, ascending and apart.
#[derive(Clone, Copy)]
pub(super) struct Opened {
    stretches: [(u32, u32); 3],
    count: usize,
}

impl Opened {
    /// Of up to three ranges in any order, none of them empty.
    pub(super) fn new(ranges: impl IntoIterator<Item = core::ops::Range<u32>>) -> Self {
        let mut all = [(u32::MAX, u32::MAX); 3];
        let mut given = 0;
        for (slot, range) in all.iter_mut().zip(ranges) {
            *slot = (range.start, range.end);
            given += 1;
        }
        all.sort_unstable();
        let mut opened = Self { stretches: all, count: 0 };
        for (start, end) in all.into_iter().take(given) {
            match opened.count.checked_sub(1).map(|last| &mut opened.stretches[last]) {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => {
                    opened.stretches[opened.count] = (start, end);
                    opened.count += 1;
                }
            }
        }
        opened
    }

    pub(super) fn stretches(&self) -> impl Iterator<Item = core::ops::Range<u32>> {
        self.stretches[..self.count].iter().map(|(start, end)| *start..*end)
    }

    /// Whether any leaf in `[from, to)` is opened.
    pub(super) fn touches(&self, from: u64, to: u64) -> bool {
        self.stretches().any(|leaves| u64::from(leaves.start) < to && from < u64::from(leaves.end))
    }

    /// Rows that the opened leaves hold.
    fn rows(&self, text_bytes: u32) -> usize {
        self.stretches().flatten().map(|leaf| rows_in_leaf(leaf, text_bytes)).sum()
    }

    /// How many opened rows precede the one of rank `rank`, which is opened.
    fn row_before(&self, rank: u32) -> usize {
        let leaf = rank / LEAF_ROWS as u32;
        let leaves = self.stretches().flatten().take_while(|opened| *opened < leaf).count();
        leaves * LEAF_ROWS + rank as usize % LEAF_ROWS
    }

    /// Hashes that lead from the opened leaves to the root.
    fn siblings(&self, leaves: u32) -> usize {
        // Each level, bottom up: the nodes above the opened leaves are stretches again, and every stretch lacks at most
        // the node before its first and the one behind its last.
        let mut stretches = *self;
        let (mut width, mut siblings) = (leaves, 0);
        while width > 1 {
            for nodes in stretches.stretches() {
                siblings += usize::from(nodes.start % 2 == 1) + usize::from(nodes.end % 2 == 1 && nodes.end < width);
            }
            width = width.div_ceil(2);
            stretches = Self::new(stretches.stretches().map(|nodes| nodes.start / 2..nodes.end.div_ceil(2)));
        }
        siblings
    }
}

/// From the opened leaves to the root. Hashes of what is not opened come from the proof, left to right.
struct Climb<'a, K, L> {
    leaves: u32,
    opened: &'a Opened,
    keccak256: &'a K,
    leaf: L,
    siblings: &'a [u8],
}

impl<K: Fn(&[u8]) -> Hash, L: FnMut(u32) -> Result<Hash, ProofError>> Climb<'_, K, L> {
    fn root(mut self) -> Result<Hash, ProofError> {
        self.node(height(self.leaves), 0)
    }

    /// The hash of node `index` at `level`; leaves are level 0. At most 31 calls deep.
    fn node(&mut self, level: u32, index: u32) -> Result<Hash, ProofError> {
        let from = u64::from(index) << level;
        if !self.opened.touches(from, from + (1 << level)) {
            let (sibling, rest) =
                self.siblings.split_first_chunk().expect("siblings were counted when the proof was taken apart");
            self.siblings = rest;
            return Ok(*sibling);
        }
        if level == 0 {
            return (self.leaf)(index);
        }
        let left = self.node(level - 1, 2 * index)?;
        if from + (1 << (level - 1)) >= u64::from(self.leaves) {
            // An odd last node moves up unchanged.
            return Ok(left);
        }
        let right = self.node(level - 1, 2 * index + 1)?;
        Ok(node(self.keccak256, &left, &right))
    }
}

/// Levels above the leaves.
pub(super) fn height(leaves: u32) -> u32 {
    leaves.max(1).next_power_of_two().ilog2()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ProofError> {
        let end = self.at + length;
        let taken = self.bytes.get(self.at..end).ok_or(ProofError::Length { got: self.bytes.len(), expected: end })?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProofError> {
        Ok(self.take(N)?.try_into().expect("as many bytes were taken"))
    }

    fn u8(&mut self) -> Result<u8, ProofError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, ProofError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, ProofError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn entry(&mut self) -> Result<Entry, ProofError> {
        Ok(Entry {
            contribution: u64::from_be_bytes(self.array()?),
            document: self.u32()?,
            datanet: self.u32()?,
            start: self.u32()?,
            length: self.u32()?,
        })
    }
}

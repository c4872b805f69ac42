//! The bytes of a proof: what it says, and the openings that belong to that, in one encoding only.

use super::{
    Hash, ProofError,
    climb::{self, Opened},
};

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

/// Tags of the preimages, apart from those of `docs/spec/receipt.md`, so that nothing passes for anything else.
const TEXT: u8 = 0x20;
const ROWS: u8 = 0x21;
const ENTRIES: u8 = 0x22;
const SEGMENT: u8 = 0x24;

/// Kinds of proofs, the first byte of each.
pub(crate) const PLACE: u8 = 1;
pub(crate) const BOUNDARY: u8 = 2;
pub(crate) const INTERVAL: u8 = 3;
pub(crate) const FAULTY_ROW: u8 = 4;
const TWICE: u8 = 5;
const FAULTY_ENTRY: u8 = 6;
const SEPARATION: u8 = 7;

/// What a proof says. The first three are about a pattern, the others say that the segment itself is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The pattern stands at an offset in a document.
    Place {
        /// Row of the document table.
        index: u32,
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
    /// Row `rank` does not describe the suffixes of its rank and the one before: their bytes at `at` show it.
    FaultyRow {
        /// The rank.
        rank: u32,
        /// Bytes from the beginning of both suffixes, not past what the row calls shared.
        at: u16,
    },
    /// Two ranks have the same suffix.
    Twice {
        /// The smaller rank.
        lo: u32,
        /// The larger rank.
        hi: u32,
    },
    /// An entry of the document table does not follow its predecessor's end or name, or the last does not end the text.
    FaultyEntry {
        /// The entry.
        index: u32,
    },
    /// No separator stands behind a document.
    NoSeparator {
        /// The document's entry.
        index: u32,
    },
}

impl Statement {
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Place { .. } => PLACE,
            Self::Boundary { .. } => BOUNDARY,
            Self::Interval { .. } => INTERVAL,
            Self::FaultyRow { .. } => FAULTY_ROW,
            Self::Twice { .. } => TWICE,
            Self::FaultyEntry { .. } => FAULTY_ENTRY,
            Self::NoSeparator { .. } => SEPARATION,
        }
    }

    /// The ranks whose rows are opened; at most three, ascending.
    fn ranks(&self, text_bytes: u32) -> impl Iterator<Item = u32> + use<> {
        let ranks = match *self {
            Self::Place { .. } | Self::FaultyEntry { .. } | Self::NoSeparator { .. } => [None; 3],
            // The upper row says what the two suffixes share. At either end there is only one suffix.
            Self::Boundary { rank, upper: true, .. } => [Some(rank), None, None],
            Self::Boundary { rank, upper: false, .. } => [Some(rank - 1), Some(rank), None],
            Self::Interval { lo, hi, .. } => [Some(lo), Some(hi - 1), Some(hi)],
            Self::FaultyRow { rank, .. } => [rank.checked_sub(1), Some(rank), None],
            Self::Twice { lo, hi } => [Some(lo), Some(hi), None],
        };
        ranks.into_iter().flatten().filter(move |rank| *rank < text_bytes)
    }

    /// The leaves of rows that are opened.
    pub(crate) fn row_leaves(&self, text_bytes: u32) -> Opened {
        let leaf = |rank: u32| rank / LEAF_ROWS as u32;
        Opened::new(self.ranks(text_bytes).map(|rank| leaf(rank)..leaf(rank) + 1))
    }

    /// The entries that are opened; each is a leaf.
    pub(crate) fn entries(&self, documents: u32) -> Opened {
        let range = match *self {
            Self::Place { index, .. } | Self::NoSeparator { index } => Some(index..index + 1),
            // With the one before it: the two must join.
            Self::FaultyEntry { index } => Some(index.saturating_sub(1)..index + 1),
            _ => None,
        };
        debug_assert!(range.as_ref().is_none_or(|range| range.end <= documents));
        Opened::new(range)
    }

    /// Where the text is opened.
    ///
    /// # Errors
    /// [`ProofError::Field`] where a row or an entry leads past the text.
    pub(crate) fn places(
        &self,
        text_bytes: u32,
        row: impl Fn(u32) -> Row,
        entry: impl Fn(u32) -> Entry,
    ) -> Result<Places, ProofError> {
        let fits = |name, position: u32, bytes: u32| {
            let fits = position.checked_add(bytes).is_some_and(|end| end <= text_bytes);
            if fits { Ok(position) } else { Err(ProofError::Field { name, value: position }) }
        };
        let within = |name, value: u32, most: u32| {
            if value <= most { Ok(value) } else { Err(ProofError::Field { name, value }) }
        };
        match *self {
            Self::Place { index, offset, length } => {
                let (entry, length) = (entry(index), u32::from(length));
                fits("document", entry.start, entry.length)?;
                within("offset", offset, entry.length)?;
                within("pattern length", length, entry.length - offset)?;
                Ok(Places::new([entry.start + offset; 2], length, length))
            }
            Self::Boundary { rank, upper, length } => {
                // One byte more than is shared: the one that ends the match. There is one, because every text ends with
                // a separator and no match holds any.
                let open = u32::from(length) + 1;
                let position = fits("suffix", row(if upper { rank } else { rank - 1 }).position, open)?;
                Ok(Places::new([position; 2], length.into(), open))
            }
            Self::Interval { lo, hi, length } => {
                let length = u32::from(length);
                let starts = [row(lo), row(hi - 1)].map(|row| fits("suffix", row.position, length));
                Ok(Places::new([starts[0]?, starts[1]?], length, length))
            }
            Self::FaultyRow { rank, at } => {
                let row_at = |rank| row(rank).position.checked_add(at.into()).filter(|at| *at < text_bytes);
                let pair = rank.checked_sub(1).and_then(row_at).zip(row_at(rank));
                // Where either suffix has no such byte, the rows alone show the fault, if there is one.
                Ok(pair.map_or(Places::NOWHERE, |(a, b)| Places::new([a, b], 0, 1)))
            }
            Self::Twice { .. } | Self::FaultyEntry { .. } => Ok(Places::NOWHERE),
            Self::NoSeparator { index } => {
                let entry = entry(index);
                let end = fits("document", entry.start, entry.length)? + entry.length;
                Ok(Places::new([fits("separator", end, 1)?; 2], 0, 1))
            }
        }
    }

    /// Appends kind, sizes and fields: the beginning of the encoding.
    ///
    /// The rest is: the opened leaves of rows; the opened entries; the hashes that lead from the former, then from the
    /// latter to their roots, or the root itself where nothing is opened; the opened text that the pattern does not
    /// spell; the hashes that lead from it to its root.
    pub(crate) fn encode(&self, text_bytes: u32, documents: u32) -> ([u8; MAX_HEAD], usize) {
        let mut writer = Writer { bytes: [0; MAX_HEAD], at: 0 };
        writer.put(&[self.kind()]);
        writer.put(&text_bytes.to_be_bytes());
        writer.put(&documents.to_be_bytes());
        match *self {
            Self::Place { index, offset, length } => {
                writer.put(&index.to_be_bytes());
                writer.put(&offset.to_be_bytes());
                writer.put(&length.to_be_bytes());
            }
            Self::Boundary { rank, upper, length } => {
                writer.put(&rank.to_be_bytes());
                writer.put(&[upper.into()]);
                writer.put(&length.to_be_bytes());
            }
            Self::Interval { lo, hi, length } => {
                writer.put(&lo.to_be_bytes());
                writer.put(&hi.to_be_bytes());
                writer.put(&length.to_be_bytes());
            }
            Self::FaultyRow { rank, at } => {
                writer.put(&rank.to_be_bytes());
                writer.put(&at.to_be_bytes());
            }
            Self::Twice { lo, hi } => {
                writer.put(&lo.to_be_bytes());
                writer.put(&hi.to_be_bytes());
            }
            Self::FaultyEntry { index } | Self::NoSeparator { index } => writer.put(&index.to_be_bytes()),
        }
        (writer.bytes, writer.at)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<(u32, u32, Self), ProofError> {
        let kind = reader.u8()?;
        let text_bytes = reader.u32()?;
        let documents = reader.u32()?;
        let field = |name, value, holds| if holds { Ok(value) } else { Err(ProofError::Field { name, value }) };
        field("text length", text_bytes, (1..=MAX_TEXT).contains(&text_bytes))?;
        field("number of documents", documents, (1..=text_bytes).contains(&documents))?;
        let index = |value| field("document index", value, value < documents);
        let rank = |name, value, least| field(name, value, (least..text_bytes).contains(&value));
        let length = |value: u16, least| field("pattern length", value.into(), value >= least).map(|_| value);
        let statement = match kind {
            PLACE => {
                Self::Place { index: index(reader.u32()?)?, offset: reader.u32()?, length: length(reader.u16()?, 1)? }
            }
            BOUNDARY => {
                let (value, side) = (reader.u32()?, reader.u8()?);
                let upper = field("side", side.into(), side <= 1)? == 1;
                let fits = if upper { value < text_bytes } else { (1..=text_bytes).contains(&value) };
                Self::Boundary { rank: field("rank", value, fits)?, upper, length: reader.u16()? }
            }
            INTERVAL => {
                let (lo, hi) = (reader.u32()?, reader.u32()?);
                field("last rank", hi, (1..=text_bytes).contains(&hi))?;
                Self::Interval { lo: field("first rank", lo, lo < hi)?, hi, length: length(reader.u16()?, 1)? }
            }
            FAULTY_ROW => Self::FaultyRow { rank: rank("rank", reader.u32()?, 0)?, at: reader.u16()? },
            TWICE => {
                let (lo, hi) = (reader.u32()?, reader.u32()?);
                let hi = rank("second rank", hi, 1)?;
                Self::Twice { lo: field("first rank", lo, lo < hi)?, hi }
            }
            FAULTY_ENTRY => Self::FaultyEntry { index: index(reader.u32()?)? },
            SEPARATION => Self::NoSeparator { index: index(reader.u32()?)? },
            kind => return Err(ProofError::Kind(kind)),
        };
        Ok((text_bytes, documents, statement))
    }
}

/// Longest beginning of an encoding: kind, two sizes, two ranks and a length.
const MAX_HEAD: usize = 19;

/// An entry of the document table.
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

    fn decode(bytes: &[u8]) -> Self {
        let u32_at = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes were sliced"));
        Self {
            contribution: u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes were sliced")),
            document: u32_at(8),
            datanet: u32_at(12),
            start: u32_at(16),
            length: u32_at(20),
        }
    }

    /// `22 ‖ entry`.
    pub(crate) fn leaf(&self, keccak256: &impl Fn(&[u8]) -> Hash) -> Hash {
        let mut preimage = [ENTRIES; 1 + ENTRY];
        preimage[1..].copy_from_slice(&self.encode());
        keccak256(&preimage)
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

    fn decode(bytes: &[u8]) -> Self {
        let [a, b, c, d, e, f, before] = bytes.try_into().expect("a row was sliced");
        Self { position: u32::from_be_bytes([a, b, c, d]), shared: u16::from_be_bytes([e, f]), before }
    }
}

/// `21 ‖ rows`.
pub(crate) fn rows_leaf(keccak256: &impl Fn(&[u8]) -> Hash, rows: &[u8]) -> Hash {
    let mut preimage = [ROWS; 1 + LEAF_ROWS * ROW];
    preimage[1..=rows.len()].copy_from_slice(rows);
    keccak256(&preimage[..=rows.len()])
}

/// `20 ‖ text`.
pub(crate) fn text_leaf(keccak256: &impl Fn(&[u8]) -> Hash, text: &[u8]) -> Hash {
    let mut preimage = [TEXT; 1 + TEXT_LEAF];
    preimage[1..=text.len()].copy_from_slice(text);
    keccak256(&preimage[..=text.len()])
}

/// `24 ‖ u32 text bytes ‖ u32 documents ‖ text root ‖ rows root ‖ entries root`.
pub(crate) fn segment_root(
    keccak256: &impl Fn(&[u8]) -> Hash,
    text_bytes: u32,
    documents: u32,
    [text, rows, entries]: [&Hash; 3],
) -> Hash {
    let mut preimage = [SEGMENT; 105];
    preimage[1..5].copy_from_slice(&text_bytes.to_be_bytes());
    preimage[5..9].copy_from_slice(&documents.to_be_bytes());
    preimage[9..41].copy_from_slice(text);
    preimage[41..73].copy_from_slice(rows);
    preimage[73..].copy_from_slice(entries);
    keccak256(&preimage)
}

pub(crate) fn text_leaves(text_bytes: u32) -> u32 {
    text_bytes.div_ceil(TEXT_LEAF as u32)
}

pub(crate) fn row_leaves(text_bytes: u32) -> u32 {
    text_bytes.div_ceil(LEAF_ROWS as u32)
}

/// Rows in a leaf; the last leaf may have fewer.
pub(crate) fn rows_in_leaf(index: u32, text_bytes: u32) -> usize {
    (text_bytes as usize - index as usize * LEAF_ROWS).min(LEAF_ROWS)
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
    rows: &'a [u8],
    entries: &'a [u8],
    row_siblings: &'a [u8],
    entry_siblings: &'a [u8],
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
        let (text_bytes, documents, statement) = Statement::decode(&mut reader)?;
        let (row_leaves_opened, entries_opened) = (statement.row_leaves(text_bytes), statement.entries(documents));
        let rows: usize = row_leaves_opened.leaves().map(|leaf| rows_in_leaf(leaf, text_bytes)).sum();
        let rows = reader.take(ROW * rows)?;
        let entries = reader.take(ENTRY * entries_opened.leaves().count())?;
        let row_siblings = reader.take(32 * row_leaves_opened.siblings(row_leaves(text_bytes)))?;
        let entry_siblings = reader.take(32 * entries_opened.siblings(documents))?;
        let (rest, text_siblings) = (&[][..], &[][..]);
        let mut parts =
            Self { text_bytes, documents, statement, rows, entries, row_siblings, entry_siblings, rest, text_siblings };
        let places = parts.places()?;
        parts.rest = reader.take(places.rest(text_bytes))?;
        parts.text_siblings = reader.take(32 * places.opened.siblings(text_leaves(text_bytes)))?;
        if reader.at != proof.len() {
            return Err(ProofError::Length { got: proof.len(), expected: reader.at });
        }
        Ok(parts)
    }

    /// The row of rank `rank`, which is opened.
    pub(crate) fn row(&self, rank: u32) -> Row {
        let leaf = rank / LEAF_ROWS as u32;
        let before = self.statement.row_leaves(self.text_bytes).leaves().take_while(|opened| *opened < leaf).count();
        let at = ROW * (before * LEAF_ROWS + rank as usize % LEAF_ROWS);
        Row::decode(&self.rows[at..at + ROW])
    }

    /// An entry, which is opened.
    pub(crate) fn entry(&self, index: u32) -> Entry {
        let before = self.statement.entries(self.documents).leaves().take_while(|opened| *opened < index).count();
        Entry::decode(&self.entries[ENTRY * before..ENTRY * (before + 1)])
    }

    /// The document in which a place is, its contribution first, and the offset in it; nothing for another statement.
    /// It is so where the proof holds.
    pub fn place(&self) -> Option<(u64, u32, u32)> {
        let Statement::Place { index, offset, .. } = self.statement else { return None };
        let Entry { contribution, document, .. } = self.entry(index);
        Some((contribution, document, offset))
    }

    pub(crate) fn places(&self) -> Result<Places, ProofError> {
        self.statement.places(self.text_bytes, |rank| self.row(rank), |index| self.entry(index))
    }

    /// The segment root that the openings lead to with `matched` in its place or places, and the byte behind it in each,
    /// where it was opened.
    pub(crate) fn root(
        &self,
        keccak256: &impl Fn(&[u8]) -> Hash,
        matched: &[u8],
    ) -> Result<(Hash, [Option<u8>; 2]), ProofError> {
        let mut rows = self.rows;
        let opened = self.statement.row_leaves(self.text_bytes);
        let leaves = row_leaves(self.text_bytes);
        let rows_root = climb::root(keccak256, leaves, &opened, self.row_siblings, |index| {
            let (leaf, rest) = rows.split_at(ROW * rows_in_leaf(index, self.text_bytes));
            rows = rest;
            Ok(rows_leaf(keccak256, leaf))
        })?;

        let opened = self.statement.entries(self.documents);
        let entries_root = climb::root(keccak256, self.documents, &opened, self.entry_siblings, |index| {
            Ok(self.entry(index).leaf(keccak256))
        })?;

        let places = self.places()?;
        let mut next = [None; 2];
        let mut rest = self.rest.iter();
        let leaves = text_leaves(self.text_bytes);
        let text_root = climb::root(keccak256, leaves, &places.opened, self.text_siblings, |index| {
            let from = index * TEXT_LEAF as u32;
            let mut text = [0; TEXT_LEAF];
            let bytes = (self.text_bytes - from).min(TEXT_LEAF as u32);
            for (slot, position) in text.iter_mut().zip(from..from + bytes) {
                *slot = match places.byte(position, matched)? {
                    Some(byte) => byte,
                    None => *rest.next().expect("the rest was measured when the proof was taken apart"),
                };
                for (next, start) in next.iter_mut().zip(places.starts) {
                    if places.opens > places.matched && position == start + places.matched {
                        *next = Some(*slot);
                    }
                }
            }
            Ok(text_leaf(keccak256, &text[..bytes as usize]))
        })?;
        let roots = [&text_root, &rows_root, &entries_root];
        Ok((segment_root(keccak256, self.text_bytes, self.documents, roots), next))
    }
}

/// Where in the text the pattern, or a prefix of it, is placed: at one position or two.
pub(crate) struct Places {
    starts: [u32; 2],
    matched: u32,
    opens: u32,
    pub(crate) opened: Opened,
}

impl Places {
    const NOWHERE: Self = Self { starts: [0; 2], matched: 0, opens: 0, opened: Opened::NOTHING };

    /// `matched` bytes of the pattern at each start, `opens` bytes opened from there; they lie inside the text.
    fn new(starts: [u32; 2], matched: u32, opens: u32) -> Self {
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
    pub(crate) fn holds(&self, position: u32) -> bool {
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

struct Writer {
    bytes: [u8; MAX_HEAD],
    at: usize,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
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
}

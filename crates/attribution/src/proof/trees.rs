//! The three Merkle trees of a segment, and the file beside it that keeps them.
//!
//! Everything but the upper levels of the trees can be had from the segment again, so only those are kept, and a sample
//! of what neighbouring suffixes share, without which a row between long copies would take long comparisons. The file is
//! a cache: missing, damaged or written for something else, it is built anew.

use std::{
    fs::{self, File},
    io::Write,
    ops::Range,
    path::Path,
};

use alloy_primitives::{B256, keccak256};
use memmap2::Mmap;

use super::{
    source::Source,
    verify::{self, Hash, LEAF_ROWS, MAX_PATTERN, ROW, Row, TEXT_LEAF, height, row_leaves, rows_in_leaf, text_leaves},
};
use crate::{
    error::{IndexError, TraceError},
    index::trees_path,
    segment::u32_at,
};

const MAGIC: &[u8; 8] = b"FONTEPRF";
const VERSION: u32 = 1;
const HEADER: usize = 64;
/// Lowest kept level of the text tree: below it are 8 leaves, 512 bytes of text.
const TEXT_KEPT: u32 = 3;
/// Lowest kept level of the tree over the rows: below it are 4 leaves, 64 rows.
const ROWS_KEPT: u32 = 2;
/// Of every so many text positions, what its suffix shares with the one ranked before it is kept.
const SAMPLED: usize = 32;

pub(super) fn hash(bytes: &[u8]) -> Hash {
    keccak256(bytes).0
}

/// Levels `kept` and up of a tree, lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Levels {
    leaves: u32,
    kept: u32,
    /// Offset of each level and its nodes.
    levels: Vec<(usize, usize)>,
}

impl Levels {
    /// Placed from `at` on; moves `at` behind.
    fn new(leaves: u32, kept: u32, at: &mut usize) -> Self {
        let mut levels = Vec::new();
        // A small tree may end below the level from which others are kept; its root always is.
        let kept = kept.min(height(leaves));
        for level in kept..=height(leaves) {
            let nodes = (leaves as usize).div_ceil(1 << level);
            levels.push((*at, nodes));
            *at += 32 * nodes;
        }
        Self { leaves, kept, levels }
    }

    fn root_at(&self) -> usize {
        self.levels.last().expect("a tree has a root").0
    }

    /// Fills the levels above the lowest.
    fn climb(&self, bytes: &mut [u8]) {
        for pair in self.levels.windows(2) {
            let ((below, nodes), (above, _)) = (pair[0], pair[1]);
            for (at, node) in (below..below + 32 * nodes).step_by(64).zip((above..).step_by(32)) {
                let children: [u8; 64] = match bytes.get(at..(at + 64).min(below + 32 * nodes)) {
                    Some(two) if two.len() == 64 => two.try_into().expect("two hashes were sliced"),
                    _ => {
                        bytes.copy_within(at..at + 32, node);
                        continue;
                    }
                };
                let (left, right) = children.split_at(32);
                let parent = verify::node(
                    &hash,
                    left.try_into().expect("half of two hashes"),
                    right.try_into().expect("half of two hashes"),
                );
                bytes[node..node + 32].copy_from_slice(&parent);
            }
        }
    }
}

/// Where what lies in the file: a function of two numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    text_bytes: u32,
    documents: u32,
    text: Levels,
    rows: Levels,
    entries: Levels,
    samples_at: usize,
    bytes: usize,
}

impl Layout {
    fn new(text_bytes: u32, documents: u32) -> Self {
        let mut at = HEADER;
        let text = Levels::new(text_leaves(text_bytes), TEXT_KEPT, &mut at);
        let rows = Levels::new(row_leaves(text_bytes), ROWS_KEPT, &mut at);
        let entries = Levels::new(documents, 0, &mut at);
        let samples_at = at;
        let bytes = samples_at + 2 * (text_bytes as usize).div_ceil(SAMPLED);
        Self { text_bytes, documents, text, rows, entries, samples_at, bytes }
    }
}

enum Data {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

/// The trees of one segment.
pub(super) struct Trees {
    layout: Layout,
    data: Data,
}

/// Which of the trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Text,
    Rows,
    Entries,
}

impl Trees {
    /// Memory that building takes beside the file itself, in bytes.
    pub(super) fn build_bytes(text_bytes: u64) -> u64 {
        4 * text_bytes
    }

    /// Opens the file beside the segment. `None` where there is none, or not one that was written whole and for this
    /// segment.
    pub(super) fn open(source: &Source) -> Result<Option<Self>, IndexError> {
        let path = trees_path(source.path());
        let io = |source| IndexError::Io { action: "open", path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let layout = Layout::new(source.text_bytes(), source.documents());
        if file.metadata().map_err(io)?.len() != layout.bytes as u64 {
            // An empty file cannot be mapped.
            return Ok(None);
        }
        // SAFETY: the file is written under a temporary name, renamed and never changed afterwards, under the lock of
        // the index folder, as segments are.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(Self::of(source, layout, Data::Mapped(map)))
    }

    /// The file's bytes, if they are sound and of this segment.
    #[cfg(feature = "fuzzing")]
    pub(super) fn of_bytes(source: &Source, bytes: Vec<u8>) -> Option<Self> {
        Self::of(source, Layout::new(source.text_bytes(), source.documents()), Data::Owned(bytes))
    }

    fn of(source: &Source, layout: Layout, data: Data) -> Option<Self> {
        let trees = Self { layout, data };
        (is_sound(trees.bytes(), &trees.layout) && trees.belongs_to(source).unwrap_or(false)).then_some(trees)
    }

    /// Builds the trees in memory.
    pub(super) fn build(source: &Source, mut progress: impl FnMut(u64, u64)) -> Result<Self, TraceError> {
        let layout = Layout::new(source.text_bytes(), source.documents());
        let mut bytes = vec![0; layout.bytes];
        let total = 3 * u64::from(layout.text_bytes);
        let neighbours = Neighbours::compute(source, |done| progress(done, total))?;
        let done = 2 * u64::from(layout.text_bytes);

        for (sample, slot) in (0..).step_by(SAMPLED).zip(bytes[layout.samples_at..].chunks_exact_mut(2)) {
            slot.copy_from_slice(&neighbours.at(sample).0.to_le_bytes());
        }
        for index in 0..layout.documents {
            let at = layout.entries.levels[0].0 + 32 * index as usize;
            bytes[at..at + 32].copy_from_slice(&entry_leaf(source, index));
        }
        let mut leaves = Vec::new();
        for (block, at) in blocks(&layout.text) {
            for index in block {
                leaves.push(text_leaf(source, index)?);
            }
            bytes[at..at + 32].copy_from_slice(&reduce(&mut leaves));
        }
        for (block, at) in blocks(&layout.rows) {
            for index in block {
                let rows = (0..rows_in_leaf(index, layout.text_bytes)).map(|row| {
                    let position = source.suffix(index * LEAF_ROWS as u32 + row as u32)?;
                    let (shared, before) = neighbours.at(position as usize);
                    Ok(Row { position, shared, before })
                });
                let rows: Vec<Row> = rows.collect::<Result<_, TraceError>>()?;
                leaves.push(rows_leaf(&rows));
            }
            bytes[at..at + 32].copy_from_slice(&reduce(&mut leaves));
            if at.is_multiple_of(1 << 20) {
                let rows = (at - layout.rows.levels[0].0) / 32 * (LEAF_ROWS << ROWS_KEPT);
                progress(done + rows as u64, total);
            }
        }
        for levels in [&layout.text, &layout.rows, &layout.entries] {
            levels.climb(&mut bytes);
        }
        let header = encode_header(&layout, crc32fast::hash(&bytes[HEADER..]));
        bytes[..HEADER].copy_from_slice(&header);
        progress(total, total);
        Ok(Self { layout, data: Data::Owned(bytes) })
    }

    /// Writes the file beside the segment, durably and at once.
    pub(super) fn write(&self, segment: &Path) -> Result<(), IndexError> {
        let path = trees_path(segment);
        let temporary = path.with_extension("proofs.tmp");
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(self.bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            match path.parent() {
                Some(folder) => File::open(folder)?.sync_all(),
                None => Ok(()),
            }
        };
        write().map_err(|source| IndexError::Io { action: "write", path: path.clone(), source })
    }

    /// Bytes of the file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.layout.bytes as u64
    }

    pub(super) fn root(&self) -> B256 {
        let root = |which: Which| self.stored(self.levels(which).root_at());
        let Layout { text_bytes, documents, .. } = self.layout;
        let roots = [&root(Which::Text), &root(Which::Rows), &root(Which::Entries)];
        B256::new(verify::segment_root(&hash, text_bytes, documents, roots))
    }

    /// Appends the hashes that lead from the opened leaves to the root, left to right.
    pub(super) fn siblings(
        &self,
        source: &Source,
        which: Which,
        opened: &verify::Opened,
        out: &mut Vec<u8>,
    ) -> Result<(), TraceError> {
        self.siblings_below(source, which, opened, height(self.levels(which).leaves), 0, out)
    }

    fn siblings_below(
        &self,
        source: &Source,
        which: Which,
        opened: &verify::Opened,
        level: u32,
        index: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), TraceError> {
        let from = u64::from(index) << level;
        if !opened.touches(from, from + (1 << level)) {
            out.extend_from_slice(&self.node(source, which, level, index)?);
        } else if level > 0 {
            self.siblings_below(source, which, opened, level - 1, 2 * index, out)?;
            if from + (1 << (level - 1)) < u64::from(self.levels(which).leaves) {
                self.siblings_below(source, which, opened, level - 1, 2 * index + 1, out)?;
            }
        }
        Ok(())
    }

    /// The hash of a node: kept, or made from the segment again.
    fn node(&self, source: &Source, which: Which, level: u32, index: u32) -> Result<Hash, TraceError> {
        let levels = self.levels(which);
        if let Some(kept) = level.checked_sub(levels.kept) {
            return Ok(self.stored(levels.levels[kept as usize].0 + 32 * index as usize));
        }
        self.made(source, which, level, index)
    }

    /// The hash of a node, made from the segment.
    fn made(&self, source: &Source, which: Which, level: u32, index: u32) -> Result<Hash, TraceError> {
        let leaves = index << level..((index + 1) << level).min(self.levels(which).leaves);
        let mut leaves: Vec<Hash> = match which {
            Which::Text => leaves.map(|leaf| text_leaf(source, leaf)).collect::<Result<_, _>>()?,
            Which::Rows => self.rows(source, self.ranks(level, index))?.chunks(LEAF_ROWS).map(rows_leaf).collect(),
            Which::Entries => leaves.map(|leaf| entry_leaf(source, leaf)).collect(),
        };
        Ok(reduce(&mut leaves))
    }

    /// The rows of one leaf.
    pub(super) fn leaf_rows(&self, source: &Source, leaf: u32) -> Result<Vec<Row>, TraceError> {
        self.rows(source, self.ranks(0, leaf))
    }

    /// The rows of neighbouring ranks.
    fn rows(&self, source: &Source, ranks: Range<u32>) -> Result<Vec<Row>, TraceError> {
        // From the suffix before the first on; nothing precedes the very first.
        let from = ranks.start.saturating_sub(1);
        let positions: Vec<u32> = (from..ranks.end).map(|rank| source.suffix(rank)).collect::<Result<_, _>>()?;
        let skipped = (ranks.start - from) as usize;
        // Karkkainen, Manzini and Puglisi, "Permuted Longest-Common-Prefix Array" (2009): one position on, at most one
        // byte less is shared. The clamp matters for a file of another segment only.
        let known: Vec<u32> = positions
            .iter()
            .map(|position| {
                let at = self.layout.samples_at + 2 * (*position as usize / SAMPLED);
                let sample = u16::from_le_bytes(self.bytes()[at..at + 2].try_into().expect("two bytes were sliced"));
                let known = u32::from(sample).saturating_sub(position % SAMPLED as u32);
                known.min(self.layout.text_bytes - 1 - position)
            })
            .collect();
        // Fetched in a loop of their own: these reads are all over the text, and nothing makes one wait for another.
        let mut fetched = 0;
        for (at, position) in positions.iter().enumerate() {
            fetched ^= source.text(position + known[at], 1)?[0];
            if let Some(shared) = known.get(at + 1).filter(|shared| position + *shared < self.layout.text_bytes) {
                fetched ^= source.text(position + shared, 1)?[0];
            }
        }
        std::hint::black_box(fetched);
        (skipped..positions.len())
            .map(|at| {
                let previous = at.checked_sub(1).map(|before| positions[before]);
                source.row(positions[at], previous, known[at] as usize)
            })
            .collect()
    }

    /// The ranks of the rows under a node.
    fn ranks(&self, level: u32, index: u32) -> Range<u32> {
        let rows = LEAF_ROWS as u64;
        let end = (u64::from(index + 1) << level) * rows;
        (index << level) * LEAF_ROWS as u32..end.min(self.layout.text_bytes.into()) as u32
    }

    fn levels(&self, which: Which) -> &Levels {
        match which {
            Which::Text => &self.layout.text,
            Which::Rows => &self.layout.rows,
            Which::Entries => &self.layout.entries,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Mapped(map) => map,
            Data::Owned(bytes) => bytes,
        }
    }

    fn stored(&self, at: usize) -> Hash {
        self.bytes()[at..at + 32].try_into().expect("a hash was sliced")
    }

    /// Whether the file was written for this segment and not, say, copied from another folder: some blocks of each tree,
    /// made again, must be the kept ones. Checksums have found accidents before.
    fn belongs_to(&self, source: &Source) -> Result<bool, TraceError> {
        for which in [Which::Text, Which::Rows, Which::Entries] {
            let levels = self.levels(which);
            let (at, nodes) = levels.levels[0];
            for block in (0..8).map(|eighth| (nodes - 1) * eighth / 7) {
                if self.made(source, which, levels.kept, block as u32)? != self.stored(at + 32 * block) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The blocks of leaves under the lowest kept level, and where the hash of each goes.
fn blocks(levels: &Levels) -> impl Iterator<Item = (Range<u32>, usize)> + use<> {
    let (at, nodes) = levels.levels[0];
    let (kept, leaves) = (levels.kept, levels.leaves);
    (0..nodes as u32).map(move |block| (block << kept..((block + 1) << kept).min(leaves), at + 32 * block as usize))
}

/// The root over a few leaves, which it uses up. An odd last node moves up unchanged.
fn reduce(nodes: &mut Vec<Hash>) -> Hash {
    while nodes.len() > 1 {
        for at in 0..nodes.len().div_ceil(2) {
            nodes[at] = match nodes.get(2 * at + 1) {
                Some(right) => verify::node(&hash, &nodes[2 * at], right),
                None => nodes[2 * at],
            };
        }
        nodes.truncate(nodes.len().div_ceil(2));
    }
    nodes.pop().expect("a block holds at least one leaf")
}

fn text_leaf(source: &Source, index: u32) -> Result<Hash, TraceError> {
    Ok(verify::text_leaf(&hash, source.text(index * TEXT_LEAF as u32, TEXT_LEAF)?))
}

fn rows_leaf(rows: &[Row]) -> Hash {
    let mut bytes = [0; LEAF_ROWS * ROW];
    for (slot, row) in bytes.chunks_exact_mut(ROW).zip(rows) {
        slot.copy_from_slice(&row.encode());
    }
    verify::rows_leaf(&hash, &bytes[..ROW * rows.len()])
}

fn entry_leaf(source: &Source, index: u32) -> Hash {
    source.entry(index).leaf(&hash)
}

/// What every suffix shares with the one ranked before it, in text order.
struct Neighbours(Vec<u32>);

impl Neighbours {
    /// Karkkainen, Manzini and Puglisi (2009), algorithm Phi: first who ranks before whom, then, in text order, what
    /// they share; each takes up where the one before it left off, so all comparisons together are linear.
    fn compute(source: &Source, mut progress: impl FnMut(u64)) -> Result<Self, TraceError> {
        const NOBODY: u32 = u32::MAX;
        let bytes = source.text_bytes();
        let text = source.text(0, bytes as usize)?;
        let mut before = vec![NOBODY; text.len()];
        let mut previous = NOBODY;
        for rank in 0..bytes {
            let position = source.suffix(rank)?;
            before[position as usize] = previous;
            previous = position;
            if rank.is_multiple_of(1 << 22) {
                progress(rank.into());
            }
        }
        let mut shared = 0;
        for position in 0..text.len() {
            let previous = before[position];
            if previous == NOBODY {
                (before[position], shared) = (0, 0);
                continue;
            }
            let (a, b) = (&text[position..], &text[previous as usize..]);
            let limit = a.len().min(b.len()).min(MAX_PATTERN);
            while shared < limit && a[shared] == b[shared] {
                shared += 1;
            }
            let differing = if shared == MAX_PATTERN { None } else { b.get(shared) };
            before[position] = shared as u32 | u32::from(differing.copied().unwrap_or(0)) << 16;
            shared = shared.saturating_sub(1);
            if position.is_multiple_of(1 << 22) {
                progress(u64::from(bytes) + position as u64);
            }
        }
        Ok(Self(before))
    }

    /// Shared bytes and the byte in which the one before differs.
    fn at(&self, position: usize) -> (u16, u8) {
        let packed = self.0[position];
        ((packed & 0xffff) as u16, (packed >> 16) as u8)
    }
}

fn encode_header(layout: &Layout, body: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&layout.text_bytes.to_le_bytes());
    bytes[16..20].copy_from_slice(&layout.documents.to_le_bytes());
    bytes[20..24].copy_from_slice(&body.to_le_bytes());
    bytes[24..32].copy_from_slice(&(layout.bytes as u64).to_le_bytes());
    let crc = crc32fast::hash(&bytes[..HEADER - 4]);
    bytes[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Whether these are the bytes of a file of this layout, as it was written.
fn is_sound(bytes: &[u8], layout: &Layout) -> bool {
    bytes.len() == layout.bytes
        && bytes[..HEADER] == encode_header(layout, u32_at(bytes, 20))
        && crc32fast::hash(&bytes[HEADER..]) == u32_at(bytes, 20)
}

//! Salted Merkle commitments to texts, and trees over ready-made leaves (`docs/spec/receipt.md`, section 1).

use alloy_primitives::{B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

use crate::metadata::Metadata;

/// Bytes per leaf of a committed text.
pub const CHUNK: usize = 1024;

/// Texts longer than this are refused everywhere (1 GiB); it keeps every index in 32 bits.
pub const MAX_TEXT: u64 = 1 << 30;

/// What a committed text is: part of the preimage, so one kind can never pass for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum TextKind {
    /// A contributed document.
    Document = 2,
    /// An answer.
    Answer = 4,
    /// A prompt.
    Prompt = 5,
}

/// Why an opening was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// The index is outside the tree.
    #[error("index {index} is outside a tree of {leaves} leaves")]
    Index {
        /// Opened index.
        index: u32,
        /// Leaves of the tree.
        leaves: u32,
    },
    /// The path has the wrong number of siblings.
    #[error("a path of {got} siblings does not fit leaf {index} of {leaves}")]
    PathLength {
        /// Opened index.
        index: u32,
        /// Leaves of the tree.
        leaves: u32,
        /// Siblings given.
        got: usize,
    },
    /// A chunk is not as long as its place in the text demands.
    #[error("chunk {index} holds {got} bytes where the text's length demands {expected}")]
    ChunkLength {
        /// Opened index.
        index: u32,
        /// Bytes given.
        got: usize,
        /// Bytes demanded.
        expected: usize,
    },
    /// The text is longer than allowed.
    #[error("a text of {0} bytes is over the limit of {MAX_TEXT}")]
    TooLong(u64),
    /// The recomputed root is another one.
    #[error("the opening leads to {got}, the commitment is {expected}")]
    Root {
        /// Recomputed.
        got: B256,
        /// Committed.
        expected: B256,
    },
}

/// Hash of a leaf: `00 ‖ leafSalt ‖ chunk`.
pub fn leaf(salt: B256, index: u32, chunk: &[u8]) -> B256 {
    leaf_with_salt(leaf_salt(salt, index), chunk)
}

/// The salt of one leaf: revealing it reveals nothing of its neighbours.
pub fn leaf_salt(salt: B256, index: u32) -> B256 {
    let mut bytes = [0; 36];
    bytes[..32].copy_from_slice(salt.as_slice());
    bytes[32..].copy_from_slice(&index.to_be_bytes());
    keccak256(bytes)
}

fn leaf_with_salt(leaf_salt: B256, chunk: &[u8]) -> B256 {
    let mut bytes = Vec::with_capacity(33 + chunk.len());
    bytes.push(0);
    bytes.extend_from_slice(leaf_salt.as_slice());
    bytes.extend_from_slice(chunk);
    keccak256(bytes)
}

fn node(left: B256, right: B256) -> B256 {
    let mut bytes = [0; 65];
    bytes[0] = 1;
    bytes[1..33].copy_from_slice(left.as_slice());
    bytes[33..].copy_from_slice(right.as_slice());
    keccak256(bytes)
}

/// A Merkle tree over given leaves, all levels kept: an odd last node moves up unchanged.
#[derive(Clone, Debug)]
pub struct Tree {
    levels: Vec<Vec<B256>>,
}

impl Tree {
    /// Builds the tree. Panics on no leaves: every committed thing has at least one.
    pub fn new(leaves: Vec<B256>) -> Self {
        assert!(!leaves.is_empty(), "a tree has at least one leaf");
        let mut levels = vec![leaves];
        while levels[levels.len() - 1].len() > 1 {
            let below = &levels[levels.len() - 1];
            let level =
                below.chunks(2).map(|pair| if pair.len() == 2 { node(pair[0], pair[1]) } else { pair[0] }).collect();
            levels.push(level);
        }
        Self { levels }
    }

    /// The root.
    pub fn root(&self) -> B256 {
        self.levels[self.levels.len() - 1][0]
    }

    /// Number of leaves.
    pub fn leaves(&self) -> u32 {
        u32::try_from(self.levels[0].len()).expect("trees are bounded by MAX_TEXT and u32 counts")
    }

    /// Siblings of leaf `index`, from the bottom up.
    pub fn path(&self, index: u32) -> Vec<B256> {
        let mut index = index as usize;
        let mut path = Vec::new();
        for level in &self.levels[..self.levels.len() - 1] {
            if let Some(sibling) = level.get(index ^ 1) {
                path.push(*sibling);
            }
            index /= 2;
        }
        path
    }
}

/// The root that a leaf, its index, the number of leaves and the siblings lead to.
pub fn root_from_path(leaf: B256, index: u32, leaves: u32, path: &[B256]) -> Result<B256, OpeningError> {
    if index >= leaves {
        return Err(OpeningError::Index { index, leaves });
    }
    let wrong_length = || OpeningError::PathLength { index, leaves, got: path.len() };
    let (mut hash, mut at, mut width) = (leaf, index, leaves);
    let mut siblings = path.iter();
    while width > 1 {
        if (at ^ 1) < width {
            let sibling = *siblings.next().ok_or_else(wrong_length)?;
            hash = if at & 1 == 1 { node(sibling, hash) } else { node(hash, sibling) };
        }
        at /= 2;
        width = width / 2 + width % 2;
    }
    if siblings.next().is_some() {
        return Err(wrong_length());
    }
    Ok(hash)
}

/// Number of leaves of a text of `length` bytes.
pub fn leaf_count(length: u64) -> Result<u32, OpeningError> {
    if length > MAX_TEXT {
        return Err(OpeningError::TooLong(length));
    }
    Ok(u32::try_from(length.div_ceil(CHUNK as u64).max(1)).expect("MAX_TEXT / CHUNK fits"))
}

/// `tag ‖ u64 length ‖ extra ‖ root`.
fn text_commitment(kind: TextKind, length: u64, extra: B256, root: B256) -> B256 {
    let mut bytes = [0; 73];
    bytes[0] = kind as u8;
    bytes[1..9].copy_from_slice(&length.to_be_bytes());
    bytes[9..41].copy_from_slice(extra.as_slice());
    bytes[41..].copy_from_slice(root.as_slice());
    keccak256(bytes)
}

/// A text with its salt and tree, ready to be committed and opened.
#[derive(Clone, Debug)]
pub struct CommittedText<'a> {
    kind: TextKind,
    extra: B256,
    salt: B256,
    text: &'a [u8],
    tree: Tree,
}

impl<'a> CommittedText<'a> {
    /// A document: its commitment covers the metadata too.
    pub fn document(text: &'a [u8], metadata: &Metadata, salt: B256) -> Result<Self, OpeningError> {
        Self::new(TextKind::Document, text, metadata.hash(), salt)
    }

    /// An answer.
    pub fn answer(text: &'a [u8], salt: B256) -> Result<Self, OpeningError> {
        Self::new(TextKind::Answer, text, B256::ZERO, salt)
    }

    /// A prompt.
    pub fn prompt(text: &'a [u8], salt: B256) -> Result<Self, OpeningError> {
        Self::new(TextKind::Prompt, text, B256::ZERO, salt)
    }

    fn new(kind: TextKind, text: &'a [u8], extra: B256, salt: B256) -> Result<Self, OpeningError> {
        leaf_count(text.len() as u64)?;
        let leaves = if text.is_empty() {
            vec![leaf(salt, 0, &[])]
        } else {
            text.chunks(CHUNK).zip(0..).map(|(chunk, index)| leaf(salt, index, chunk)).collect()
        };
        Ok(Self { kind, extra, salt, text, tree: Tree::new(leaves) })
    }

    /// The commitment.
    pub fn commitment(&self) -> B256 {
        text_commitment(self.kind, self.text.len() as u64, self.extra, self.tree.root())
    }

    /// Opens the chunk that holds byte `position`.
    pub fn open_at(&self, position: u64) -> Result<TextOpening, OpeningError> {
        let leaves = self.tree.leaves();
        let index = u32::try_from(position / CHUNK as u64).unwrap_or(u32::MAX);
        if index >= leaves {
            return Err(OpeningError::Index { index, leaves });
        }
        let start = index as usize * CHUNK;
        let chunk = &self.text[start..(start + CHUNK).min(self.text.len())];
        Ok(TextOpening {
            kind: self.kind,
            length: self.text.len() as u64,
            extra: self.extra,
            index,
            leaf_salt: leaf_salt(self.salt, index),
            chunk: Bytes::copy_from_slice(chunk),
            path: self.tree.path(index),
        })
    }

    /// Opens the one or two chunks that hold bytes `[start, end)`, which span at most one chunk boundary.
    pub fn open_range(&self, start: u64, end: u64) -> Result<Vec<TextOpening>, OpeningError> {
        let mut openings = vec![self.open_at(start)?];
        if end > start && (end - 1) / CHUNK as u64 != start / CHUNK as u64 {
            openings.push(self.open_at(end - 1)?);
        }
        Ok(openings)
    }
}

/// One opened chunk of a committed text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextOpening {
    /// Kind of the text.
    pub kind: TextKind,
    /// Length of the whole text in bytes.
    pub length: u64,
    /// Metadata hash of a document; zero otherwise.
    pub extra: B256,
    /// Index of the chunk.
    pub index: u32,
    /// Salt of this leaf.
    pub leaf_salt: B256,
    /// The bytes.
    pub chunk: Bytes,
    /// Siblings from the bottom up.
    pub path: Vec<B256>,
}

impl TextOpening {
    /// The commitment that this opening leads to.
    pub fn commitment(&self) -> Result<B256, OpeningError> {
        let leaves = leaf_count(self.length)?;
        let start = u64::from(self.index) * CHUNK as u64;
        if self.index >= leaves {
            return Err(OpeningError::Index { index: self.index, leaves });
        }
        let expected = (self.length - start).min(CHUNK as u64) as usize;
        if self.chunk.len() != expected {
            return Err(OpeningError::ChunkLength { index: self.index, got: self.chunk.len(), expected });
        }
        let root = root_from_path(leaf_with_salt(self.leaf_salt, &self.chunk), self.index, leaves, &self.path)?;
        Ok(text_commitment(self.kind, self.length, self.extra, root))
    }

    /// Checks it against a commitment.
    pub fn verify(&self, expected: B256) -> Result<(), OpeningError> {
        let got = self.commitment()?;
        if got == expected { Ok(()) } else { Err(OpeningError::Root { got, expected }) }
    }
}

/// Root of a contribution: `03 ‖ u32 documents ‖ root` over document commitments.
pub fn contribution_root(tree: &Tree) -> B256 {
    contribution_root_of(tree.leaves(), tree.root())
}

fn contribution_root_of(documents: u32, root: B256) -> B256 {
    let mut bytes = [0; 37];
    bytes[0] = 3;
    bytes[1..5].copy_from_slice(&documents.to_be_bytes());
    bytes[5..].copy_from_slice(root.as_slice());
    keccak256(bytes)
}

/// A document opened inside its contribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentOpening {
    /// Index of the document in its contribution.
    pub index: u32,
    /// Documents in the contribution.
    pub documents: u32,
    /// Siblings from the bottom up.
    pub path: Vec<B256>,
    /// Chunks of the document: one or two neighbours where a stretch is opened, all that its runs need in a bundle.
    pub chunks: Vec<TextOpening>,
}

impl DocumentOpening {
    /// Checks every chunk against the contribution's root on chain.
    pub fn verify(&self, contribution_root: B256) -> Result<(), OpeningError> {
        for chunk in &self.chunks {
            let root = root_from_path(chunk.commitment()?, self.index, self.documents, &self.path)?;
            let got = contribution_root_of(self.documents, root);
            if got != contribution_root || chunk.kind != TextKind::Document {
                return Err(OpeningError::Root { got, expected: contribution_root });
            }
        }
        Ok(())
    }
}

//! Making proofs: find the ranks, copy what the verifier cannot work out for itself.

use std::sync::Arc;

use alloy_primitives::B256;
use fonte_types::ContributionId;

use super::{
    ProveError,
    source::Source,
    trees::{Trees, Which, hash},
    verify::{self, Claim, LEAF_ROWS, MAX_PATTERN, MAX_TEXT, Parts, ProofError, Row, SEPARATOR, Statement, TEXT_LEAF},
};
use crate::{
    error::{IndexError, TraceError},
    index::{Document, trees_path},
    segment::{Builder, Segment, common_prefix},
    trace::Occurrence,
};

/// A proof in its one encoding. Whether it proves anything is what [`verify`](Self::verify) says.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proof(Vec<u8>);

impl Proof {
    /// Takes bytes that have the form of a proof.
    ///
    /// # Errors
    /// [`ProofError`] where the length or a field is impossible; no hash is checked.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ProofError> {
        Parts::decode(&bytes)?;
        Ok(Self(bytes))
    }

    /// The encoding, `docs/spec/proofs.md` §4.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Checks that this proves `claim` of the segment with this root.
    ///
    /// # Errors
    /// [`ProofError`] says what differs.
    pub fn verify(&self, root: B256, claim: &Claim<'_>) -> Result<(), ProofError> {
        verify::verify(hash, &root.0, claim, &self.0)
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Parts::decode(&self.0) {
            Ok(parts) => write!(out, "Proof({:?}, {} bytes)", parts.statement, self.0.len()),
            Err(error) => write!(out, "Proof({error})"),
        }
    }
}

/// Makes proofs over one segment.
pub struct SegmentProver {
    pub(super) source: Source,
    trees: Trees,
    root: B256,
}

impl SegmentProver {
    /// With the trees beside a segment, if they are there.
    pub(super) fn open(segment: Arc<Segment>) -> Result<Option<Self>, ProveError> {
        let source = Source::new(segment);
        let trees = Trees::open(&source)?;
        Ok(trees.map(|trees| Self::new(source, trees)))
    }

    /// Builds the trees and writes them beside the segment. `progress` gets steps done and steps in all.
    pub(super) fn build(segment: Arc<Segment>, progress: impl FnMut(u64, u64)) -> Result<Self, ProveError> {
        let source = Source::new(segment);
        Trees::build(&source, progress)?.write(source.path())?;
        // Read back, so that what is proved with is what the next process will prove with.
        let trees = Trees::open(&source)?.ok_or_else(|| IndexError::Io {
            action: "read back",
            path: trees_path(source.path()),
            source: std::io::ErrorKind::InvalidData.into(),
        })?;
        Ok(Self::new(source, trees))
    }

    /// With its trees' file changed, if that is taken.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn with_trees(&self, change: impl FnOnce(&mut Vec<u8>)) -> Option<Self> {
        let mut bytes = self.trees.bytes().to_vec();
        change(&mut bytes);
        Some(Self::new(self.source.clone(), Trees::of_bytes(&self.source, bytes)?))
    }

    fn new(source: Source, trees: Trees) -> Self {
        let root = trees.root();
        Self { source, trees, root }
    }

    /// Sorts these texts and commits them, in memory: for who holds the texts of a segment and wants to know its root.
    /// The documents may come in any order; no two have the same name.
    ///
    /// # Errors
    /// [`ProveError`] where the texts make no segment.
    pub fn of_documents(documents: &[Document]) -> Result<Self, ProveError> {
        let mut sorted: Vec<&Document> = documents.iter().collect();
        sorted.sort_by_key(|document| (document.contribution, document.document));
        let named_twice = sorted
            .windows(2)
            .find(|pair| (pair[0].contribution, pair[0].document) == (pair[1].contribution, pair[1].document));
        if let Some([Document { contribution, document, .. }, _]) = named_twice {
            return Err(ProveError::Twice { contribution: *contribution, document: *document });
        }
        let bytes: u64 = sorted.iter().map(|document| document.text.len() as u64 + 1).sum();
        if !(1..=u64::from(MAX_TEXT)).contains(&bytes) {
            return Err(ProveError::Size { bytes });
        }
        let mut builder = Builder::with_capacity(bytes as usize);
        for Document { contribution, document, datanet, text } in sorted {
            builder.push(*contribution, *document, *datanet, text);
        }
        let source = Source::new(Arc::new(Segment::in_memory(builder)?));
        let trees = Trees::build(&source, |_, _| {})?;
        Ok(Self::new(source, trees))
    }

    /// The segment's root: it commits its text, its document table and its suffix array.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Bytes of the file that keeps the trees.
    pub fn file_bytes(&self) -> u64 {
        self.trees.file_bytes()
    }

    /// Bytes of the segment's text, separators included.
    pub fn text_bytes(&self) -> u64 {
        self.source.text_bytes().into()
    }

    /// Proves [`Claim::Here`]. `None` where the document is not in this segment or says something else there.
    ///
    /// # Errors
    /// [`ProveError`] for an impossible pattern or a damaged segment.
    pub fn prove_here(&self, pattern: &[u8], place: Occurrence) -> Result<Option<Proof>, ProveError> {
        let Occurrence { contribution, document, offset } = place;
        check_length(pattern)?;
        let Some(index) = self.source.index_of(contribution.0, document) else { return Ok(None) };
        let entry = self.source.entry(index);
        let Some(offset) = u32::try_from(offset).ok().filter(|offset| *offset <= entry.length) else {
            return Ok(None);
        };
        let stands = pattern.len() <= (entry.length - offset) as usize
            && self.source.text(entry.start + offset, pattern.len())? == pattern;
        if !stands {
            return Ok(None);
        }
        let length = pattern.len() as u16;
        Ok(Some(self.assemble(&Statement::Place { index, offset, length })?))
    }

    /// Proves [`Claim::Earlier`]: the earliest place, if its contribution precedes `before`.
    ///
    /// # Errors
    /// As for [`prove_here`](Self::prove_here).
    pub fn prove_earlier(
        &self,
        pattern: &[u8],
        before: ContributionId,
    ) -> Result<Option<(Occurrence, Proof)>, ProveError> {
        check_length(pattern)?;
        let (lo, hi) = self.source.ranks(pattern)?;
        let earliest = if lo < hi { self.source.earliest(pattern, lo, hi)? } else { None };
        let Some(position) = earliest else { return Ok(None) };
        let index = self.source.index_at(position);
        let entry = self.source.entry(index);
        if entry.contribution >= before.0 {
            return Ok(None);
        }
        let (offset, length) = (position - entry.start, pattern.len() as u16);
        let place = Occurrence {
            contribution: ContributionId(entry.contribution),
            document: entry.document,
            offset: offset.into(),
        };
        Ok(Some((place, self.assemble(&Statement::Place { index, offset, length })?)))
    }

    /// The length of the longest prefix of `pattern` in any document, and the proof of [`Claim::Longest`].
    ///
    /// # Errors
    /// As for [`prove_here`](Self::prove_here); also for a pattern with the byte `ff`.
    pub fn prove_longest(&self, pattern: &[u8]) -> Result<(u32, Proof), ProveError> {
        check_ranked(pattern)?;
        let (lo, hi) = self.source.ranks(pattern)?;
        if lo < hi {
            let position = self.source.suffix(lo)?;
            let index = self.source.index_at(position);
            let entry = self.source.entry(index);
            let (offset, length) = (position - entry.start, pattern.len() as u16);
            let proof = self.assemble(&Statement::Place { index, offset, length })?;
            return Ok((length.into(), proof));
        }
        self.prove_boundary(pattern, lo)
    }

    /// Proves [`Claim::Absent`]. `None` where the pattern stands in a document.
    ///
    /// # Errors
    /// As for [`prove_longest`](Self::prove_longest).
    pub fn prove_absent(&self, pattern: &[u8]) -> Result<Option<Proof>, ProveError> {
        check_ranked(pattern)?;
        let (lo, hi) = self.source.ranks(pattern)?;
        if lo < hi { Ok(None) } else { Ok(Some(self.prove_boundary(pattern, lo)?.1)) }
    }

    /// The number of occurrences of `pattern`, and the proof of [`Claim::Count`].
    ///
    /// # Errors
    /// As for [`prove_longest`](Self::prove_longest).
    pub fn prove_count(&self, pattern: &[u8]) -> Result<(u32, Proof), ProveError> {
        check_ranked(pattern)?;
        let (lo, hi) = self.source.ranks(pattern)?;
        if lo == hi {
            return Ok((0, self.prove_boundary(pattern, lo)?.1));
        }
        let length = pattern.len() as u16;
        Ok((hi - lo, self.assemble(&Statement::Interval { lo, hi, length })?))
    }

    /// `pattern` stands nowhere and would have rank `rank`.
    fn prove_boundary(&self, pattern: &[u8], rank: u32) -> Result<(u32, Proof), ProveError> {
        let shared = |rank: Option<u32>| {
            let Some(rank) = rank.filter(|rank| *rank < self.source.text_bytes()) else { return Ok(None) };
            let text = self.source.text(self.source.suffix(rank)?, pattern.len())?;
            Ok::<_, TraceError>(Some(common_prefix(text, pattern) as u16))
        };
        let (below, above) = (shared(rank.checked_sub(1))?, shared(Some(rank))?);
        // Open the one that shares more; at a tie the upper, whose row tells how the lower goes on. Nothing is less
        // than something, so at either end of the array this opens the only neighbour.
        let upper = above >= below;
        let length = below.max(above).expect("a segment holds at least one separator");
        Ok((length.into(), self.assemble(&Statement::Boundary { rank, upper, length })?))
    }

    /// Writes down what a statement takes, true or not: the verifier is there to tell.
    pub(super) fn assemble(&self, statement: &Statement) -> Result<Proof, ProveError> {
        let (text_bytes, documents) = (self.source.text_bytes(), self.source.documents());
        let mut out = Vec::with_capacity(2_048);
        let (head, length) = statement.encode(text_bytes, documents);
        out.extend_from_slice(&head[..length]);
        let (opened_rows, opened_entries) = (statement.row_leaves(text_bytes), statement.entries(documents));
        let mut rows: Vec<(u32, Vec<Row>)> = Vec::new();
        for leaf in opened_rows.leaves() {
            let opened = self.trees.leaf_rows(&self.source, leaf)?;
            out.extend(opened.iter().flat_map(Row::encode));
            rows.push((leaf * LEAF_ROWS as u32, opened));
        }
        let row = |rank: u32| {
            let found = rows.iter().find_map(|(first, rows)| rows.get(rank.checked_sub(*first)? as usize));
            *found.expect("the rows of a statement are opened")
        };
        for index in opened_entries.leaves() {
            out.extend_from_slice(&self.source.entry(index).encode());
        }
        self.trees.siblings(&self.source, Which::Rows, &opened_rows, &mut out)?;
        self.trees.siblings(&self.source, Which::Entries, &opened_entries, &mut out)?;
        let places = statement.places(text_bytes, row, |index| self.source.entry(index))?;
        for leaf in places.opened.leaves() {
            let from = leaf * TEXT_LEAF as u32;
            let text = self.source.text(from, TEXT_LEAF)?;
            out.extend((from..).zip(text).filter(|(position, _)| !places.holds(*position)).map(|(_, byte)| *byte));
        }
        self.trees.siblings(&self.source, Which::Text, &places.opened, &mut out)?;
        Ok(Proof(out))
    }
}

fn check_length(pattern: &[u8]) -> Result<(), ProveError> {
    if pattern.is_empty() || pattern.len() > MAX_PATTERN {
        return Err(ProofError::PatternLength { got: pattern.len() }.into());
    }
    Ok(())
}

fn check_ranked(pattern: &[u8]) -> Result<(), ProveError> {
    check_length(pattern)?;
    match pattern.iter().position(|byte| *byte == SEPARATOR) {
        Some(at) => Err(ProofError::PatternSeparator { at }.into()),
        None => Ok(()),
    }
}

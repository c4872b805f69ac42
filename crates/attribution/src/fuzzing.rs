//! The decoders of everything that is read from disk, for fuzzers: whatever the bytes, each returns, and says whether it
//! took them.

use crate::{folder, index::manifest::Manifest, proof::SegmentProver, segment};

/// Header of a segment file, given the whole file.
pub fn segment_header(bytes: &[u8]) -> bool {
    segment::decode_header(bytes).is_ok()
}

/// A segment's document table over a text of this length.
pub fn document_table(table: &[u8], text_bytes: usize) -> bool {
    segment::decode_documents(table, text_bytes).is_ok()
}

/// The manifest.
pub fn manifest(bytes: &[u8]) -> bool {
    Manifest::decode(bytes).is_ok()
}

/// The table of paths.
pub fn paths(bytes: &[u8]) -> bool {
    folder::decode_paths(bytes).is_ok()
}

/// The file that keeps a segment's proof trees, changed: a prover that works with it, if it was taken.
pub fn proof_trees(prover: &SegmentProver, change: impl FnOnce(&mut Vec<u8>)) -> Option<SegmentProver> {
    prover.with_trees(change)
}

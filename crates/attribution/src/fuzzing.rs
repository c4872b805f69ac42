//! The decoders of everything that is read from disk, for fuzzers: whatever the bytes, each returns, and says whether it
//! took them.

use crate::{folder, index::manifest::Manifest, segment};

/// Header of a segment file, given the whole file.
pub fn segment_header(bytes: &[u8]) -> bool {
    segment::decode_header(bytes).is_ok()
}

/// A segment's document table. The first eight bytes are the length of the text that it tiles.
pub fn document_table(bytes: &[u8]) -> bool {
    let Some((length, table)) = bytes.split_first_chunk() else { return false };
    usize::try_from(u64::from_le_bytes(*length)).is_ok_and(|text| segment::decode_documents(table, text).is_ok())
}

/// The manifest.
pub fn manifest(bytes: &[u8]) -> bool {
    Manifest::decode(bytes).is_ok()
}

/// The table of paths.
pub fn paths(bytes: &[u8]) -> bool {
    folder::decode_paths(bytes).is_ok()
}

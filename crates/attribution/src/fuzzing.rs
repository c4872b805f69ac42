//! Doors to the decoders, for the fuzzer in `examples/fuzz.rs`. Not an interface.

use crate::{index, segment};

/// Reads the header of a segment file.
pub fn segment_header(file: &[u8]) -> bool {
    segment::decode_header(file).is_ok()
}

/// Reads a document table over a text of this length.
pub fn document_table(table: &[u8], text_bytes: usize) -> bool {
    segment::decode_documents(table, text_bytes).is_ok()
}

/// Reads a manifest.
pub fn manifest(bytes: &[u8]) -> bool {
    index::manifest_is_sound(bytes)
}

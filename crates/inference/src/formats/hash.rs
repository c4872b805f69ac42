//! Content hashes of models: `docs/spec/models-files.md` says which bytes in which order.

use std::{collections::BTreeMap, fmt};

use super::{error::FormatError, source::Source};
use crate::model::ContentHash;

const BASE_TAG: &[u8] = b"fonte base 1";
const ADAPTER_TAG: &[u8] = b"fonte adapter 1";

/// Name under which a GGUF file is hashed, whatever it is called.
pub(super) const GGUF_NAME: &str = "model.gguf";

impl fmt::Display for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// 64 hexadecimal digits, with or without `0x`.
pub(super) fn parse(text: &str) -> Option<ContentHash> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(ContentHash(bytes))
}

/// Refuses what was found if something else was asked for.
pub(super) fn check_hash(file: String, expected: Option<ContentHash>, found: ContentHash) -> Result<(), FormatError> {
    match expected {
        Some(expected) if expected != found => Err(FormatError::HashMismatch { file, expected, found }),
        _ => Ok(()),
    }
}

/// The files of a model: name, length and BLAKE3 of each, in the byte order of the names.
#[derive(Debug, Default)]
pub(super) struct Manifest(BTreeMap<String, (u64, [u8; 32])>);

impl Manifest {
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) {
        self.0.insert(name.into(), (bytes.len() as u64, *blake3::hash(bytes).as_bytes()));
    }

    pub(super) fn add_hashed<S: Source + ?Sized>(&mut self, name: &str, tap: Tap<'_, S>) {
        self.0.insert(name.into(), (tap.source.len(), *tap.hasher.finalize().as_bytes()));
    }

    pub(super) fn base_hash(&self) -> ContentHash {
        self.hash(BASE_TAG, &[])
    }

    pub(super) fn adapter_hash(&self, base: ContentHash) -> ContentHash {
        self.hash(ADAPTER_TAG, &base.0)
    }

    fn hash(&self, tag: &[u8], base: &[u8]) -> ContentHash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(tag).update(base).update(&(self.0.len() as u32).to_be_bytes());
        for (name, (len, digest)) in &self.0 {
            hasher.update(&(name.len() as u32).to_be_bytes()).update(name.as_bytes());
            hasher.update(&len.to_be_bytes()).update(digest);
        }
        ContentHash(*hasher.finalize().as_bytes())
    }
}

/// A source whose bytes are hashed as they are read, so that what was hashed is what was used.
pub(super) struct Tap<'a, S: ?Sized> {
    source: &'a mut S,
    hasher: blake3::Hasher,
}

impl<'a, S: Source + ?Sized> Tap<'a, S> {
    /// Continues after `read`, which were read from the source already.
    pub(super) fn after(source: &'a mut S, read: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(read);
        Self { source, hasher }
    }

    /// Reads `bytes` bytes in pieces, each a multiple of `unit` bytes, and hands each to `consume`.
    pub(super) fn stream(
        &mut self,
        bytes: u64,
        unit: usize,
        buffer: &mut Vec<u8>,
        mut consume: impl FnMut(&[u8]),
    ) -> Result<(), FormatError> {
        let piece = (PIECE_BYTES / unit * unit) as u64;
        let mut left = bytes;
        while left > 0 {
            let take = left.min(piece) as usize;
            buffer.resize(take, 0);
            self.source.fill(buffer)?;
            self.hasher.update(buffer);
            consume(buffer);
            left -= take as u64;
        }
        Ok(())
    }
}

/// Bytes read at once.
const PIECE_BYTES: usize = 1 << 18;

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

/// A source whose bytes are hashed as they are read, so that what was hashed is what was used. It reads ahead of what is asked
/// for: many short tensors are few reads, and long pieces are what the hash is fast with.
pub(super) struct Tap<'a, S: ?Sized> {
    source: &'a mut S,
    hasher: blake3::Hasher,
    /// Bytes that the source has left.
    left: u64,
    /// Read and hashed: `from..to` was not yet handed out.
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl<'a, S: Source + ?Sized> Tap<'a, S> {
    /// Continues after `read`, which were read from the source already.
    pub(super) fn after(source: &'a mut S, read: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(read);
        let left = source.len() - read.len() as u64;
        Self { source, hasher, left, buffer: Vec::new(), from: 0, to: 0 }
    }

    /// Reads `bytes` bytes in pieces, each but the last a multiple of `unit` bytes, and hands each to `consume`.
    pub(super) fn stream(
        &mut self,
        bytes: u64,
        unit: usize,
        mut consume: impl FnMut(&[u8]),
    ) -> Result<(), FormatError> {
        let mut wanted = bytes;
        while wanted > 0 {
            let here = self.to - self.from;
            let take = if here as u64 >= wanted { wanted as usize } else { here / unit * unit };
            if take == 0 {
                self.refill(wanted)?;
                continue;
            }
            consume(&self.buffer[self.from..][..take]);
            self.from += take;
            wanted -= take as u64;
        }
        Ok(())
    }

    /// Reads on behind what is there, which is less than a unit.
    fn refill(&mut self, wanted: u64) -> Result<(), FormatError> {
        let kept = self.to - self.from;
        if self.left == 0 {
            let found = self.source.len();
            let needed = found + wanted - kept as u64;
            return Err(FormatError::Truncated { file: self.source.label().into(), needed, found });
        }
        let read = self.left.min(PIECE_BYTES as u64) as usize;
        if self.buffer.len() < kept + read {
            self.buffer.resize(kept + read, 0);
        }
        self.buffer.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, kept + read);
        let piece = &mut self.buffer[kept..self.to];
        self.source.fill(piece)?;
        self.hasher.update(piece);
        self.left -= read as u64;
        Ok(())
    }
}

/// Bytes read at once: half of a core's second level of cache where that is small.
const PIECE_BYTES: usize = 1 << 17;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::source::MemorySource;

    #[test]
    fn tensors_are_handed_out_whole_wherever_pieces_end() {
        let bytes: Vec<u8> =
            (0..3 * PIECE_BYTES as u32 + 77).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let lengths = [1usize, 2, 6, 4096, PIECE_BYTES - 4100, 5, 18, PIECE_BYTES + 34, 1000, 3];
        for unit in [1, 2, 4, 34, 144] {
            let mut source = MemorySource::new("file", &bytes);
            source.fill(&mut [0; 10]).expect("there are ten");
            let mut tap = Tap::after(&mut source, &bytes[..10]);
            let mut at = 10;
            for length in lengths.iter().copied().chain([bytes.len() - 10 - lengths.iter().sum::<usize>()]) {
                let mut found = Vec::new();
                let mut last = true;
                tap.stream(length as u64, unit, |piece| {
                    assert!(last, "only the last piece is no whole number of units");
                    last = piece.len() % unit == 0;
                    found.extend_from_slice(piece);
                })
                .expect("they are there");
                assert!(found == bytes[at..at + length], "{length} bytes from {at}");
                at += length;
            }
            assert!(matches!(tap.stream(1, unit, |_| ()), Err(FormatError::Truncated { .. })));
            assert_eq!(tap.hasher.finalize(), blake3::hash(&bytes));
        }
    }
}

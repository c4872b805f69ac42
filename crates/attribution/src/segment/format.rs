//! The bytes of a segment file (`docs/spec/attribution.md` §4): header, layout, document table.
//!
//! Everything is little-endian. A file is local to one machine and never hashed or signed.

use fonte_types::{ContributionId, DatanetId};

use crate::error::Damage;

pub(crate) const MAGIC: &[u8; 8] = b"FONTESEG";
pub(crate) const VERSION: u32 = 2;
/// Bytes of the header, and the alignment of every section.
pub(crate) const HEADER: usize = 64;
/// Bytes that one checksum covers. Small enough that a cold query reads little, large enough to be cheap.
pub(crate) const CHUNK: usize = 1 << 16;
/// Suffixes per sampled key, and entries per node of the minima tree. 64 packed suffixes fill whole words, whatever
/// their width.
pub(crate) const FAN: usize = 64;
/// Bytes of a sampled key.
pub(crate) const KEY: usize = 16;
/// Ends every document. It stands in no UTF-8 text; where a document holds it anyway, matches are checked against the
/// document table.
pub(crate) const SEPARATOR: u8 = 0xff;
/// Longest text of a segment, separators included: suffixes are `i32`.
pub(crate) const MAX_TEXT: usize = i32::MAX as usize;

const DOCUMENT: usize = 24;

/// One row of the document table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) contribution: ContributionId,
    pub(crate) document: u32,
    pub(crate) datanet: DatanetId,
    /// First byte in the segment's text.
    pub(crate) start: u32,
    pub(crate) length: u32,
}

impl Entry {
    /// One past the last byte; the separator stands there.
    pub(crate) fn end(&self) -> u32 {
        self.start + self.length
    }

    pub(crate) fn key(&self) -> (ContributionId, u32) {
        (self.contribution, self.document)
    }

    fn encode(&self) -> [u8; DOCUMENT] {
        let mut bytes = [0; DOCUMENT];
        bytes[..8].copy_from_slice(&self.contribution.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.document.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.datanet.0.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.start.to_le_bytes());
        bytes[20..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }
}

pub(crate) fn encode_documents(documents: &[Entry]) -> Vec<u8> {
    documents.iter().flat_map(Entry::encode).collect()
}

/// Reads the table and checks that it tiles the text in strictly ascending order of (contribution, document).
pub(crate) fn decode_documents(bytes: &[u8], text_bytes: usize) -> Result<Vec<Entry>, Damage> {
    let mut documents: Vec<Entry> = Vec::with_capacity(bytes.len() / DOCUMENT);
    let mut expected = 0_u64;
    for (at, row) in bytes.chunks_exact(DOCUMENT).enumerate() {
        let inconsistent = |what| Damage::Inconsistent { what, at: at as u64 };
        let entry = Entry {
            contribution: ContributionId(u64_at(row, 0)),
            document: u32_at(row, 8),
            datanet: DatanetId(u32_at(row, 12)),
            start: u32_at(row, 16),
            length: u32_at(row, 20),
        };
        if u64::from(entry.start) != expected {
            return Err(inconsistent("document start"));
        }
        expected += u64::from(entry.length) + 1;
        if expected > text_bytes as u64 {
            return Err(inconsistent("document length"));
        }
        if documents.last().is_some_and(|previous| previous.key() >= entry.key()) {
            return Err(inconsistent("document order"));
        }
        documents.push(entry);
    }
    if expected != text_bytes as u64 {
        return Err(Damage::Inconsistent { what: "document table", at: documents.len() as u64 });
    }
    Ok(documents)
}

/// Where each section of a segment lies: a function of two numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) text_bytes: usize,
    pub(crate) documents: usize,
    pub(crate) documents_at: usize,
    pub(crate) text_at: usize,
    pub(crate) suffixes_at: usize,
    /// Bits per suffix: as few as hold the largest text position.
    pub(crate) suffix_bits: u32,
    /// Offset and number of keys of each level, finest first: every 64th suffix, every 4,096th, ... until they are few.
    pub(crate) keys: Vec<(usize, usize)>,
    /// Offset and number of entries of each level of the minima tree, finest first. Level 0, the suffix array itself,
    /// is not listed.
    pub(crate) minima: Vec<(usize, usize)>,
    pub(crate) checksums_at: usize,
    pub(crate) file_bytes: usize,
}

impl Layout {
    /// `None` where the numbers do not fit a file.
    pub(crate) fn new(text_bytes: usize, documents: usize) -> Option<Self> {
        if text_bytes > MAX_TEXT || documents > text_bytes {
            return None;
        }
        let align = |at: usize| at.checked_next_multiple_of(HEADER);
        let documents_at = HEADER;
        let text_at = align(documents_at.checked_add(documents.checked_mul(DOCUMENT)?)?)?;
        let suffixes_at = align(text_at.checked_add(text_bytes)?)?;
        let suffix_bits = (text_bytes.max(2) - 1).ilog2() + 1;
        // Whole blocks, so that each begins at a byte; one word more, so that a suffix can be read as one word.
        let suffix_bytes = text_bytes.div_ceil(FAN).checked_mul(suffix_bits as usize * 8)?.checked_add(8)?;
        let mut at = align(suffixes_at.checked_add(suffix_bytes)?)?;
        let mut keys = Vec::new();
        let mut entries = text_bytes;
        while keys.is_empty() || entries > FAN {
            entries = entries.div_ceil(FAN);
            keys.push((at, entries));
            at = align(at.checked_add(entries.checked_mul(KEY)?)?)?;
        }
        let mut minima = Vec::new();
        let mut entries = text_bytes;
        while entries > 1 {
            entries = entries.div_ceil(FAN);
            minima.push((at, entries));
            at = align(at.checked_add(entries.checked_mul(4)?)?)?;
        }
        let checksums_at = at;
        let file_bytes = at.checked_add((at - HEADER).div_ceil(CHUNK).checked_mul(4)?)?;
        Some(Self {
            text_bytes,
            documents,
            documents_at,
            text_at,
            suffixes_at,
            suffix_bits,
            keys,
            minima,
            checksums_at,
            file_bytes,
        })
    }

    /// File offset of a block of 64 suffixes.
    #[inline]
    pub(crate) fn suffix_block_at(&self, block: usize) -> usize {
        self.suffixes_at + block * self.suffix_bits as usize * (FAN / 8)
    }

    pub(crate) fn document_bytes(&self) -> usize {
        self.documents * DOCUMENT
    }

    /// Bytes of keys and minima.
    pub(crate) fn derived_bytes(&self) -> usize {
        self.checksums_at - self.keys[0].0
    }

    pub(crate) fn chunks(&self) -> usize {
        (self.checksums_at - HEADER).div_ceil(CHUNK)
    }

    /// For messages.
    pub(crate) fn section(&self, at: usize) -> &'static str {
        match at {
            at if at < self.documents_at => "header",
            at if at < self.text_at => "document table",
            at if at < self.suffixes_at => "text",
            at if at < self.keys[0].0 => "suffix array",
            at if self.minima.first().is_none_or(|&(minima, _)| at < minima) => "sampled keys",
            at if at < self.checksums_at => "minima",
            _ => "checksums",
        }
    }
}

/// The header: magic, version, chunk size, lengths, and the checksums of the checksum table and of itself.
pub(crate) fn encode_header(layout: &Layout, checksums_crc: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&(CHUNK as u32).to_le_bytes());
    bytes[16..24].copy_from_slice(&(layout.text_bytes as u64).to_le_bytes());
    bytes[24..32].copy_from_slice(&(layout.documents as u64).to_le_bytes());
    bytes[32..40].copy_from_slice(&(layout.file_bytes as u64).to_le_bytes());
    bytes[40..44].copy_from_slice(&checksums_crc.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..HEADER - 4]);
    bytes[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads the header of a whole file and checks the lengths; returns the layout and the checksum table's checksum.
pub(crate) fn decode_header(file: &[u8]) -> Result<(Layout, u32), Damage> {
    if file.len() < HEADER {
        return Err(Damage::Length { found: file.len() as u64, expected: HEADER as u64 });
    }
    let bytes = &file[..HEADER];
    if &bytes[..8] != MAGIC {
        return Err(Damage::Magic { expected: "FONTESEG" });
    }
    let version = u32_at(bytes, 8);
    if version != VERSION {
        return Err(Damage::Version { found: version, expected: VERSION });
    }
    if crc32fast::hash(&bytes[..HEADER - 4]) != u32_at(bytes, HEADER - 4) {
        return Err(Damage::Checksum { section: "header", start: 0, end: HEADER as u64 });
    }
    let inconsistent = |what, at| Damage::Inconsistent { what, at };
    if u32_at(bytes, 12) as usize != CHUNK {
        return Err(inconsistent("chunk size", 12));
    }
    let layout = usize::try_from(u64_at(bytes, 16))
        .ok()
        .zip(usize::try_from(u64_at(bytes, 24)).ok())
        .and_then(|(text_bytes, documents)| Layout::new(text_bytes, documents))
        .ok_or(inconsistent("text length", 16))?;
    if u64_at(bytes, 32) != layout.file_bytes as u64 {
        return Err(inconsistent("file length", 32));
    }
    if file.len() != layout.file_bytes {
        return Err(Damage::Length { found: file.len() as u64, expected: layout.file_bytes as u64 });
    }
    Ok((layout, u32_at(bytes, 40)))
}

/// The little-endian word at `at`; the caller knows that it is there.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were sliced"))
}

/// The little-endian double word at `at`; the caller knows that it is there.
#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes were sliced"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header whose own checksum holds, whatever it says.
    fn sealed(mut header: [u8; HEADER]) -> [u8; HEADER] {
        let crc = crc32fast::hash(&header[..HEADER - 4]);
        header[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    #[test]
    fn sections_follow_each_other_and_fill_the_file() {
        for text_bytes in [0, 1, 2, 63, 64, 65, 4_096, 4_097, 1 << 20, MAX_TEXT] {
            let layout = Layout::new(text_bytes, text_bytes / 10).unwrap();
            let mut starts = vec![layout.documents_at, layout.text_at, layout.suffixes_at];
            starts.extend(layout.keys.iter().chain(&layout.minima).map(|level| level.0));
            starts.extend([layout.checksums_at, layout.file_bytes]);
            assert!(starts.is_sorted(), "{starts:?}");
            assert!(starts[..starts.len() - 1].iter().all(|at| at % HEADER == 0));
            assert_eq!(layout.file_bytes - layout.checksums_at, 4 * layout.chunks());
            assert!(text_bytes == 0 || (text_bytes - 1) >> layout.suffix_bits == 0);
            assert!(
                layout.keys[0].0 - layout.suffixes_at >= (text_bytes * layout.suffix_bits as usize).div_ceil(8) + 8
            );
            assert!(layout.keys.last().unwrap().1 <= FAN && layout.minima.last().is_none_or(|level| level.1 == 1));
        }
        assert_eq!(Layout::new(MAX_TEXT + 1, 0), None);
        assert_eq!(Layout::new(5, 6), None);
    }

    proptest! {
        #[test]
        fn headers_that_lie_are_refused(text in any::<u64>(), documents in any::<u64>(), bytes in any::<u64>(), small in any::<bool>()) {
            let mut header = encode_header(&Layout::new(100, 3).unwrap(), 7);
            let (text, documents) = if small { (text % 5_000, documents % 5_000) } else { (text, documents) };
            header[16..24].copy_from_slice(&text.to_le_bytes());
            header[24..32].copy_from_slice(&documents.to_le_bytes());
            header[32..40].copy_from_slice(&bytes.to_le_bytes());
            prop_assert!(decode_header(&sealed(header)).is_err());
        }

        #[test]
        fn document_tables_round_trip_and_random_ones_are_refused(
            lengths in prop::collection::vec(0_u32..50, 0..20),
            noise in prop::collection::vec(any::<u8>(), 24..200),
        ) {
            let mut start = 0;
            let mut documents = Vec::new();
            for (at, length) in lengths.iter().enumerate() {
                let (contribution, document) = (ContributionId(at as u64 / 3 + 1), at as u32 % 3);
                documents.push(Entry { contribution, document, datanet: DatanetId(2), start, length: *length });
                start += length + 1;
            }
            let bytes = encode_documents(&documents);
            prop_assert_eq!(decode_documents(&bytes, start as usize), Ok(documents.clone()));
            prop_assert!(decode_documents(&bytes, start as usize + 1).is_err());
            prop_assert!(decode_documents(&noise, noise.len()).is_err());
            if documents.len() > 1 {
                documents.swap(0, 1);
                prop_assert!(decode_documents(&encode_documents(&documents), start as usize).is_err());
            }
        }
    }
}

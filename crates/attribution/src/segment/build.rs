//! Building a segment: concatenate, sort suffixes on one thread, stream the file out.

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::Path,
};

use fonte_types::{ContributionId, DatanetId, WINDOW};
use libsais::SuffixArrayConstruction;

use super::format::{CHUNK, Entry, FAN, HEADER, KEY, Layout, MAX_TEXT, SEPARATOR, encode_documents, encode_header};
use crate::error::IndexError;

/// Documents in the making: their text concatenated, each ended by the separator.
#[derive(Default)]
pub(crate) struct Builder {
    text: Vec<u8>,
    documents: Vec<Entry>,
}

impl Builder {
    /// With room for `bytes` of text, so that growing does not copy it.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes.min(MAX_TEXT)), documents: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Appends a document; the caller keeps the sum below `MAX_TEXT` and the order ascending.
    pub(crate) fn push(&mut self, contribution: ContributionId, document: u32, datanet: DatanetId, text: &[u8]) {
        let start = u32::try_from(self.text.len()).expect("a segment's text stays below 2 GiB");
        let length = u32::try_from(text.len()).expect("a document fits its segment");
        self.documents.push(Entry { contribution, document, datanet, start, length });
        self.text.extend_from_slice(text);
        self.text.push(SEPARATOR);
    }

    /// Sorts and writes a whole segment file, durably: the caller renames it into place.
    pub(crate) fn write(self, path: &Path) -> Result<(), IndexError> {
        let suffixes = sort_suffixes(&self.text)?;
        let io = |source| IndexError::Io { action: "write", path: path.to_owned(), source };
        let layout = self.layout();
        let file = File::create(path).map_err(io)?;
        let mut out = Checked::new(BufWriter::with_capacity(1 << 20, file));
        let file = (|| {
            out.inner.write_all(&[0; HEADER])?;
            self.sections(&suffixes, &layout, &mut out)?;
            let checksums: Vec<u8> = out.finish().iter().flat_map(|crc| crc.to_le_bytes()).collect();
            out.inner.write_all(&checksums)?;
            out.inner.seek(SeekFrom::Start(0))?;
            out.inner.write_all(&encode_header(&layout, crc32fast::hash(&checksums)))?;
            let file = out.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            Ok(file)
        })()
        .map_err(io)?;
        drop(file);
        Ok(())
    }

    /// The same bytes in memory, without checksums.
    pub(crate) fn into_memory(self) -> Result<(Vec<u8>, Layout), IndexError> {
        let suffixes = sort_suffixes(&self.text)?;
        let layout = self.layout();
        let mut bytes = Vec::with_capacity(layout.checksums_at);
        bytes.resize(HEADER, 0);
        self.sections(&suffixes, &layout, &mut bytes).expect("writing to memory does not fail");
        Ok((bytes, layout))
    }

    fn layout(&self) -> Layout {
        Layout::new(self.text.len(), self.documents.len()).expect("the builder keeps a segment within its limits")
    }

    /// Everything between header and checksum table.
    fn sections(&self, suffixes: &[i32], layout: &Layout, out: &mut impl Write) -> io::Result<()> {
        let mut at = HEADER;
        let mut put = |target: usize, bytes: &[u8], out: &mut dyn Write| -> io::Result<()> {
            out.write_all(&[0; HEADER][..target - at])?;
            out.write_all(bytes)?;
            at = target + bytes.len();
            Ok(())
        };
        put(layout.documents_at, &encode_documents(&self.documents), out)?;
        put(layout.text_at, &self.text, out)?;

        // What is derived from the suffix array is taken while it streams by.
        let mut keys = Vec::with_capacity(suffixes.len().div_ceil(FAN) * KEY);
        let mut minima: Vec<u32> = Vec::with_capacity(suffixes.len().div_ceil(FAN));
        let mut later = LaterCopies::new(&self.text);
        let mut encoded = Vec::with_capacity(CHUNK);
        let mut target = layout.suffixes_at;
        for block in suffixes.chunks(CHUNK / 4) {
            encoded.clear();
            encoded.extend(block.iter().flat_map(|suffix| suffix.to_le_bytes()));
            put(target, &encoded, out)?;
            target += encoded.len();
            for leaf in block.chunks(FAN) {
                let first = leaf[0] as usize;
                let known = &self.text[first..self.text.len().min(first + KEY)];
                keys.extend_from_slice(known);
                keys.resize(keys.len() + KEY - known.len(), 0);
                minima.push(*leaf.iter().min().expect("chunks are not empty") as u32);
                later.next(leaf);
            }
        }
        put(layout.later_at, &later.bits, out)?;
        for &(target, entries) in &layout.keys {
            debug_assert_eq!(entries * KEY, keys.len());
            put(target, &keys, out)?;
            keys = keys.chunks(FAN * KEY).flat_map(|node| &node[..KEY]).copied().collect();
        }
        for &(target, entries) in &layout.minima {
            debug_assert_eq!(entries, minima.len());
            let encoded: Vec<u8> = minima.iter().flat_map(|minimum| minimum.to_le_bytes()).collect();
            put(target, &encoded, out)?;
            minima = minima.chunks(FAN).map(|node| *node.iter().min().expect("chunks are not empty")).collect();
        }
        put(layout.checksums_at, &[], out)
    }
}

/// One thread: under contention libsais' OpenMP mode was several times slower than this.
fn sort_suffixes(text: &[u8]) -> Result<Vec<i32>, IndexError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    SuffixArrayConstruction::for_text(text)
        .in_owned_buffer32()
        .single_threaded()
        .run()
        .map(|sorted| sorted.into_vec())
        .map_err(|error| IndexError::Sort { bytes: text.len(), reason: error.to_string() })
}

/// Marks every position whose window stands at an earlier one, too. Suffixes with a common window are neighbours in the
/// suffix array; all of them but the smallest are marked.
struct LaterCopies<'a> {
    text: &'a [u8],
    bits: Vec<u8>,
    window: [u8; WINDOW],
    /// The smallest position of the current window so far; past the text while there is none.
    smallest: usize,
}

impl<'a> LaterCopies<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, bits: vec![0; text.len().div_ceil(8)], window: [0; WINDOW], smallest: usize::MAX }
    }

    fn next(&mut self, suffixes: &[i32]) {
        // Fetched in a loop of their own: these reads are all over the text, and nothing makes one wait for another.
        let mut windows = [[0; WINDOW]; FAN];
        for (window, suffix) in windows.iter_mut().zip(suffixes) {
            if let Some(known) = self.text.get(*suffix as usize..*suffix as usize + WINDOW) {
                window.copy_from_slice(known);
            }
        }
        for (window, suffix) in windows.iter().zip(suffixes) {
            let position = *suffix as usize;
            if position + WINDOW > self.text.len() {
                // Too near the end for a window; it sorts before its longer relatives and parts no two equal ones.
                continue;
            }
            if self.smallest != usize::MAX && *window == self.window {
                let later = self.smallest.max(position);
                self.bits[later / 8] |= 1 << (later % 8);
                self.smallest = self.smallest.min(position);
            } else {
                self.window = *window;
                self.smallest = position;
            }
        }
    }
}

/// Passes bytes on and keeps one checksum per chunk.
struct Checked<W> {
    inner: W,
    crcs: Vec<u32>,
    current: crc32fast::Hasher,
    filled: usize,
}

impl<W: Write> Checked<W> {
    fn new(inner: W) -> Self {
        Self { inner, crcs: Vec::new(), current: crc32fast::Hasher::new(), filled: 0 }
    }

    fn finish(&mut self) -> Vec<u32> {
        if self.filled > 0 {
            self.close_chunk();
        }
        std::mem::take(&mut self.crcs)
    }

    fn close_chunk(&mut self) {
        self.crcs.push(std::mem::take(&mut self.current).finalize());
        self.filled = 0;
    }
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.filled);
        self.inner.write_all(&bytes[..taken])?;
        self.current.update(&bytes[..taken]);
        self.filled += taken;
        if self.filled == CHUNK {
            self.close_chunk();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sort_suffixes;

    /// Burkhardt and Kärkkäinen's linear check: a permutation, and neighbours in order by first byte, then by the rank
    /// of what follows it.
    fn check(text: &[u8], suffixes: &[i32]) -> Result<(), String> {
        if suffixes.len() != text.len() {
            return Err("length".into());
        }
        let mut rank = vec![usize::MAX; text.len()];
        for (at, &suffix) in suffixes.iter().enumerate() {
            let slot = usize::try_from(suffix).ok().and_then(|suffix| rank.get_mut(suffix)).ok_or("range")?;
            if *slot != usize::MAX {
                return Err(format!("suffix {suffix} twice"));
            }
            *slot = at;
        }
        let follows = |suffix: i32| rank.get(suffix as usize + 1).map_or(0, |rank| rank + 1);
        for pair in suffixes.windows(2) {
            let key = |suffix: i32| (text[suffix as usize], follows(suffix));
            if key(pair[0]) >= key(pair[1]) {
                return Err(format!("suffixes {} and {} are out of order", pair[0], pair[1]));
            }
        }
        Ok(())
    }

    #[test]
    fn the_checker_finds_planted_faults() {
        let text = b"barnabasbabblesaboutbananas";
        let good = sort_suffixes(text).unwrap();
        assert_eq!(check(text, &good), Ok(()));
        for at in 1..good.len() {
            let mut swapped = good.clone();
            swapped.swap(at - 1, at);
            assert!(check(text, &swapped).is_err(), "swap at {at} went unnoticed");
            let mut doubled = good.clone();
            doubled[at] = doubled[at - 1];
            assert!(check(text, &doubled).is_err(), "double at {at} went unnoticed");
        }
    }

    #[test]
    fn sorts_megabytes_of_structured_text() {
        let mut text = Vec::new();
        let mut state = 7_u64;
        while text.len() < 2 << 20 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let repeat = (state >> 40) as usize % 300;
            let from = (state >> 20) as usize % (text.len() + 1);
            let copied = text[from..(from + repeat).min(text.len())].to_vec();
            text.extend_from_slice(&copied);
            text.push((state >> 33) as u8);
        }
        assert_eq!(check(&text, &sort_suffixes(&text).unwrap()), Ok(()));
    }

    proptest! {
        #[test]
        fn sorts_small_alphabets(text in prop::collection::vec(0_u8..3, 0..600)) {
            prop_assert_eq!(check(&text, &sort_suffixes(&text).unwrap()), Ok(()));
        }

        #[test]
        fn sorts_any_bytes(text in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert_eq!(check(&text, &sort_suffixes(&text).unwrap()), Ok(()));
        }
    }
}

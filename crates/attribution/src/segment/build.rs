//! Building a segment: concatenate, sort suffixes on one thread, stream the file out.
//!
//! Sorting takes nearly all the time; what comes after it is sequential and touches each byte once, so that it costs
//! little beside it. Nothing derived here needs a second pass over the text in suffix order, whose cache misses would
//! cost a fifth of the sorting again.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use fonte_types::{ContributionId, DatanetId};
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
        let mut builder = Self::default();
        // Only what is written to takes memory. Where so much cannot be reserved, the text grows as it comes.
        if builder.text.try_reserve_exact(bytes.min(MAX_TEXT)).is_ok() {
            advise_huge_pages(builder.text.spare_capacity_mut());
        }
        builder
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Bytes of text so far, separators included.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Appends a document; the caller keeps the sum below `MAX_TEXT`.
    pub(crate) fn push(&mut self, contribution: ContributionId, document: u32, datanet: DatanetId, text: &[u8]) {
        let start = u32::try_from(self.text.len()).expect("a segment's text stays below 2 GiB");
        let length = u32::try_from(text.len()).expect("a document fits its segment");
        self.documents.push(Entry { contribution, document, datanet, start, length });
        self.text.extend_from_slice(text);
        self.text.push(SEPARATOR);
    }

    /// Lays the documents out in order of precedence, if they did not come in it.
    fn order(&mut self) {
        if self.documents.is_sorted_by_key(Entry::key) {
            return;
        }
        self.documents.sort_unstable_by_key(Entry::key);
        let mut ordered = Self::with_capacity(self.text.len());
        for entry in &self.documents {
            let text = &self.text[entry.start as usize..entry.end() as usize];
            ordered.push(entry.contribution, entry.document, entry.datanet, text);
        }
        *self = ordered;
    }

    /// Sorts and writes a whole segment file, durably: the caller renames it into place. `sorted` is called between.
    pub(crate) fn write(mut self, path: &Path, sorted: impl FnOnce()) -> Result<(), IndexError> {
        self.order();
        let suffixes = sort_suffixes(&self.text)?;
        sorted();
        let io = |source| IndexError::Io { action: "write", path: path.to_owned(), source };
        let layout = self.layout();
        let mut out = Checked::new(File::create(path).map_err(io)?);
        (|| {
            out.file.write_all(&[0; HEADER])?;
            self.sections(&suffixes, &layout, &mut out)?;
            out.seal(&layout)
        })()
        .map_err(io)
    }

    /// The same bytes in memory, without checksums.
    pub(crate) fn into_memory(mut self) -> Result<(Vec<u8>, Layout), IndexError> {
        self.order();
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
        let leaves = suffixes.len().div_ceil(FAN);
        let mut keys = Vec::with_capacity(leaves * KEY);
        let mut minima: Vec<u32> = Vec::with_capacity(leaves);
        let mut packed = Vec::with_capacity(CHUNK + FAN * 4);
        for (block, leaf) in suffixes.chunks(FAN).enumerate() {
            let first = leaf[0] as usize;
            let known = &self.text[first..self.text.len().min(first + KEY)];
            keys.extend_from_slice(known);
            keys.resize(keys.len() + KEY - known.len(), 0);
            minima.push(*leaf.iter().min().expect("chunks are not empty") as u32);
            pack(leaf, layout.suffix_bits, &mut packed);
            if packed.len() >= CHUNK || block + 1 == leaves {
                put(layout.suffix_block_at(block + 1) - packed.len(), &packed, out)?;
                packed.clear();
            }
        }
        put(layout.suffix_block_at(leaves), &[0; 8], out)?;
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
    let mut suffixes: Vec<i32> = Vec::new();
    suffixes.reserve_exact(text.len());
    advise_huge_pages(suffixes.spare_capacity_mut());
    suffixes.resize(text.len(), 0);
    SuffixArrayConstruction::for_text(text)
        .in_borrowed_buffer(&mut suffixes)
        .single_threaded()
        .run()
        .map_err(|error| IndexError::Sort { bytes: text.len(), reason: error.to_string() })?;
    Ok(suffixes)
}

/// Asks for 2 MiB pages: induced sorting jumps about in both arrays, and with pages of 4 KiB most jumps miss the TLB,
/// too. A hint: where it is refused, sorting is slower and nothing else changes.
fn advise_huge_pages<T>(memory: &mut [std::mem::MaybeUninit<T>]) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 2 << 20;
        let range = memory.as_mut_ptr_range();
        let (start, end) = ((range.start as usize).next_multiple_of(PAGE), range.end as usize / PAGE * PAGE);
        if start < end {
            // SAFETY: the pages lie within memory that this process has allocated, and MADV_HUGEPAGE changes neither
            // their content nor their protection.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Appends a block of up to 64 suffixes of `bits` bits each, lowest bit first, as `bits` whole words.
fn pack(block: &[i32], bits: u32, into: &mut Vec<u8>) {
    let end = into.len() + FAN / 8 * bits as usize;
    let (mut word, mut filled) = (0_u64, 0);
    for suffix in block {
        let suffix = *suffix as u64;
        word |= suffix << filled;
        filled += bits;
        if filled >= 64 {
            into.extend_from_slice(&word.to_le_bytes());
            filled -= 64;
            // What did not fit; of a suffix that ended with the word, nothing.
            word = suffix >> (bits - filled);
        }
    }
    if filled > 0 {
        into.extend_from_slice(&word.to_le_bytes());
    }
    into.resize(end, 0);
}

/// Writes a file through, and keeps one checksum per chunk.
struct Checked {
    file: File,
    chunk: Vec<u8>,
    crcs: Vec<u8>,
}

impl Checked {
    fn new(file: File) -> Self {
        Self { file, chunk: Vec::with_capacity(CHUNK), crcs: Vec::new() }
    }

    /// Appends the checksum table, writes the header, and waits until all of it is on disk.
    fn seal(mut self, layout: &Layout) -> io::Result<()> {
        if !self.chunk.is_empty() {
            self.close_chunk()?;
        }
        self.file.write_all(&self.crcs)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&encode_header(layout, crc32fast::hash(&self.crcs)))?;
        self.file.sync_all()
    }

    fn close_chunk(&mut self) -> io::Result<()> {
        self.crcs.extend_from_slice(&crc32fast::hash(&self.chunk).to_le_bytes());
        self.file.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK {
            self.close_chunk()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FAN, pack, sort_suffixes};

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
        fn packed_suffixes_are_read_back(bits in 1_u32..=31, block in prop::collection::vec(0..=i32::MAX, 1..=FAN)) {
            let block: Vec<i32> = block.iter().map(|suffix| suffix & (u32::MAX >> (32 - bits)) as i32).collect();
            let mut packed = Vec::new();
            pack(&block, bits, &mut packed);
            prop_assert_eq!(packed.len(), bits as usize * 8);
            packed.extend([0; 8]);
            for (at, suffix) in block.iter().enumerate() {
                let bit = at * bits as usize;
                let word = u64::from_le_bytes(packed[bit / 8..bit / 8 + 8].try_into().unwrap());
                prop_assert_eq!((word >> (bit % 8)) as u32 & (u32::MAX >> (32 - bits)), *suffix as u32);
            }
        }

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

//! A segment's bytes, verified before their first use.
//!
//! Every 64 KiB chunk of a file has a checksum. It is checked when a query first touches the chunk, and the result is
//! remembered: opening takes milliseconds whatever the size, and no byte is ever used unchecked.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use memmap2::Mmap;

use super::format::{CHUNK, HEADER, Layout, decode_header, u32_at};
use crate::error::{Damage, IndexError, TraceError};

enum Data {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

/// The bytes and what is known of them.
pub(crate) struct Store {
    data: Data,
    pub(crate) layout: Layout,
    pub(crate) path: PathBuf,
    /// The checksum over all checksums, and so over the whole file; nothing for a segment in memory.
    pub(crate) seal: u32,
    /// One bit per chunk whose checksum held. Bits are only ever set, and setting one twice is harmless.
    verified: Box<[AtomicU64]>,
}

impl Store {
    /// Maps a file and checks header, length and checksum table.
    pub(crate) fn open(path: &Path) -> Result<Self, IndexError> {
        let io = |source| IndexError::Io { action: "open", path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let damaged = |damage| IndexError::Damaged { path: path.to_owned(), damage };
        if length < HEADER as u64 {
            return Err(damaged(Damage::Length { found: length, expected: HEADER as u64 }));
        }
        // SAFETY: segment files are written under a temporary name, renamed and never changed afterwards; the index
        // folder is locked against a second writer. Whoever truncates a live file behind our back gets SIGBUS, as with
        // any mapped database.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        // Searches jump about: with pages of 4 KiB nearly every jump misses the TLB, too. A hint, which Linux takes where
        // the file system reads files in pages of 2 MiB.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        let (layout, checksums_crc) = decode_header(&map).map_err(damaged)?;
        if crc32fast::hash(&map[layout.checksums_at..]) != checksums_crc {
            return Err(damaged(Damage::Checksum {
                section: "checksums",
                start: layout.checksums_at as u64,
                end: layout.file_bytes as u64,
            }));
        }
        let verified = (0..layout.chunks().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { data: Data::Mapped(map), layout, path: path.to_owned(), seal: checksums_crc, verified })
    }

    /// Takes bytes that this process has just built, without checksums.
    pub(crate) fn in_memory(data: Vec<u8>, layout: Layout) -> Self {
        let verified = (0..layout.chunks().div_ceil(64)).map(|_| AtomicU64::new(u64::MAX)).collect();
        Self { data: Data::Owned(data), layout, path: PathBuf::from("(memory)"), seal: 0, verified }
    }

    /// `length` bytes from `at` on, which lie between header and checksum table.
    #[inline]
    pub(crate) fn slice(&self, at: usize, length: usize) -> Result<&[u8], TraceError> {
        if length > 0 {
            for chunk in (at - HEADER) / CHUNK..=(at + length - 1 - HEADER) / CHUNK {
                if self.verified[chunk / 64].load(Ordering::Relaxed) >> (chunk % 64) & 1 == 0 {
                    self.verify(chunk)?;
                }
            }
        }
        Ok(&self.bytes()[at..at + length])
    }

    /// Begins to load the byte at `at` into the caches. Does nothing for chunks that are still to be checked: that costs
    /// more than it can save.
    #[inline]
    pub(crate) fn touch(&self, at: usize) {
        let chunk = (at - HEADER) / CHUNK;
        if self.verified.get(chunk / 64).is_some_and(|bits| bits.load(Ordering::Relaxed) >> (chunk % 64) & 1 == 1) {
            prefetch(self.bytes(), at);
        }
    }

    /// An error that names this file.
    #[cold]
    pub(crate) fn damaged(&self, damage: Damage) -> TraceError {
        TraceError::Damaged { path: self.path.clone(), damage }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Mapped(map) => map,
            Data::Owned(bytes) => bytes,
        }
    }

    #[cold]
    fn verify(&self, chunk: usize) -> Result<(), TraceError> {
        let start = HEADER + chunk * CHUNK;
        let end = (start + CHUNK).min(self.layout.checksums_at);
        let expected = u32_at(self.bytes(), self.layout.checksums_at + 4 * chunk);
        if crc32fast::hash(&self.bytes()[start..end]) != expected {
            let section = self.layout.section(start);
            return Err(self.damaged(Damage::Checksum { section, start: start as u64, end: end as u64 }));
        }
        self.verified[chunk / 64].fetch_or(1 << (chunk % 64), Ordering::Relaxed);
        Ok(())
    }
}

/// Asks for the cache line of a byte. A load would do so, too, but what follows a load soon waits for it; what follows this
/// does not.
#[inline]
fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(byte) = bytes.get(at) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and raises no fault, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::hint::black_box(bytes.get(at).copied());
}

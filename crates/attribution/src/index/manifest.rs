//! The manifest: which segments are live. Replacing it is the only commit point of the index.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use super::segment_path;
use crate::{
    error::{Damage, IndexError},
    segment::{u32_at, u64_at},
};

const NAME: &str = "manifest";
const MAGIC: &[u8; 8] = b"FONTEIDX";
const VERSION: u32 = 1;
const HEADER: usize = 24;

/// Live segments, and the number that the next one gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) next: u64,
    pub(super) segments: Vec<u64>,
}

impl Manifest {
    /// Reads the folder's manifest; a folder without one holds an empty index.
    pub(super) fn read(folder: &Path) -> Result<Self, IndexError> {
        let path = folder.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Segments without a manifest are another matter: it was deleted, and starting afresh would erase them.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !has_segments(folder)? => {
                return Ok(Self { next: 0, segments: Vec::new() });
            }
            Err(source) => return Err(IndexError::Io { action: "read", path, source }),
        };
        Self::decode(&bytes).map_err(|damage| IndexError::Damaged { path, damage })
    }

    /// Replaces the folder's manifest, durably.
    pub(super) fn write(&self, folder: &Path) -> Result<(), IndexError> {
        let path = folder.join(NAME);
        let temporary = folder.join("manifest.tmp");
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(&self.encode())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|source| IndexError::Io { action: "write", path: path.clone(), source })
    }

    /// Deletes segments that are not live and temporary files: what a killed writer left.
    pub(super) fn remove_leftovers(&self, folder: &Path) -> Result<(), IndexError> {
        for (path, number) in segment_files(folder)? {
            if number.is_none_or(|number| !self.segments.contains(&number)) {
                fs::remove_file(&path).map_err(|source| IndexError::Io { action: "remove", path, source })?;
            }
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + 8 * self.segments.len() + 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.next.to_le_bytes());
        bytes.extend(self.segments.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let length = |expected: usize| Damage::Length { found: bytes.len() as u64, expected: expected as u64 };
        if bytes.len() < HEADER + 4 {
            return Err(length(HEADER + 4));
        }
        if &bytes[..8] != MAGIC {
            return Err(Damage::Magic { expected: "FONTEIDX" });
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(Damage::Version { found: version, expected: VERSION });
        }
        let count = u32_at(bytes, 12) as usize;
        let expected = HEADER + 8 * count + 4;
        if bytes.len() != expected {
            return Err(length(expected));
        }
        if crc32fast::hash(&bytes[..expected - 4]) != u32_at(bytes, expected - 4) {
            return Err(Damage::Checksum { section: "manifest", start: 0, end: expected as u64 });
        }
        let next = u64_at(bytes, 16);
        let segments: Vec<u64> = (0..count).map(|at| u64_at(bytes, HEADER + 8 * at)).collect();
        for (at, number) in segments.iter().enumerate() {
            if *number >= next || segments[..at].contains(number) {
                return Err(Damage::Inconsistent { what: "segment number", at: at as u64 });
            }
        }
        Ok(Self { next, segments })
    }
}

fn has_segments(folder: &Path) -> Result<bool, IndexError> {
    Ok(segment_files(folder)?.iter().any(|(_, number)| number.is_some()))
}

/// Our files in the folder: segments with their number, temporary files without.
fn segment_files(folder: &Path) -> Result<Vec<(std::path::PathBuf, Option<u64>)>, IndexError> {
    let io = |source| IndexError::Io { action: "list", path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let number = name.strip_prefix("segment-").and_then(|rest| rest.split('.').next()?.parse().ok());
        if let Some(number) = number.filter(|number| segment_path(folder, *number) == folder.join(name)) {
            files.push((folder.join(name), Some(number)));
        } else if name == "manifest.tmp" || (name.starts_with("segment-") && name.ends_with(".tmp")) {
            files.push((folder.join(name), None));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::Manifest;

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let manifest = Manifest { next: 9, segments: vec![3, 8, 5] };
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..length]).is_err(), "length {length}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(Manifest::decode(&longer).is_err());
    }

    #[test]
    fn contradictions_under_a_good_checksum_are_refused() {
        assert!(Manifest::decode(&Manifest { next: 3, segments: vec![3] }.encode()).is_err());
        assert!(Manifest::decode(&Manifest { next: 9, segments: vec![3, 3] }.encode()).is_err());
    }
}

//! The manifest: which segments are live and which contributions are withdrawn. Replacing it is the only commit point of
//! the index.

use std::{collections::BTreeSet, fs, io, path::Path};

use fonte_types::ContributionId;

use super::{replace_file, segment_path};
use crate::{
    error::{Damage, IndexError},
    segment::{u32_at, u64_at},
};

const NAME: &str = "manifest";
const MAGIC: &[u8; 8] = b"FONTEIDX";
const VERSION: u32 = 2;
const HEADER: usize = 32;

/// Live segments, the number that the next one gets, and the withdrawn contributions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(super) next: u64,
    pub(super) segments: Vec<u64>,
    pub(super) withdrawn: BTreeSet<ContributionId>,
}

impl Manifest {
    /// Reads the folder's manifest; a folder without one holds an empty index.
    pub(super) fn read(folder: &Path) -> Result<Self, IndexError> {
        let path = folder.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Segments without a manifest are another matter: it was deleted, and starting afresh would erase them.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !has_segments(folder)? => {
                return Ok(Self::default());
            }
            Err(source) => return Err(IndexError::Io { action: "read", path, source }),
        };
        Self::decode(&bytes).map_err(|damage| IndexError::Damaged { path, damage })
    }

    /// Replaces the folder's manifest, durably.
    pub(super) fn write(&self, folder: &Path) -> Result<(), IndexError> {
        replace_file(&folder.join(NAME), &self.encode())
    }

    /// Whether the folder has one.
    pub(super) fn exists(folder: &Path) -> bool {
        folder.join(NAME).exists()
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
        let mut bytes = Vec::with_capacity(HEADER + 8 * (self.segments.len() + self.withdrawn.len()) + 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(self.withdrawn.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.next.to_le_bytes());
        bytes.extend(self.segments.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(self.withdrawn.iter().flat_map(|id| id.0.to_le_bytes()));
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
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
        let (segments, withdrawn) = (u32_at(bytes, 12) as usize, u64_at(bytes, 16));
        let expected = usize::try_from(withdrawn)
            .ok()
            .and_then(|withdrawn| withdrawn.checked_add(segments)?.checked_mul(8)?.checked_add(HEADER + 4))
            .ok_or(Damage::Inconsistent { what: "number of withdrawn contributions", at: 16 })?;
        if bytes.len() != expected {
            return Err(length(expected));
        }
        if crc32fast::hash(&bytes[..expected - 4]) != u32_at(bytes, expected - 4) {
            return Err(Damage::Checksum { section: "manifest", start: 0, end: expected as u64 });
        }
        let next = u64_at(bytes, 24);
        let mut numbers = bytes[HEADER..expected - 4].chunks_exact(8).map(|number| u64_at(number, 0));
        let segments: Vec<u64> = numbers.by_ref().take(segments).collect();
        let mut sorted = segments.clone();
        sorted.sort_unstable();
        if let Some(at) =
            sorted.iter().enumerate().position(|(at, number)| *number >= next || (at > 0 && sorted[at - 1] == *number))
        {
            return Err(Damage::Inconsistent { what: "segment number", at: at as u64 });
        }
        let withdrawn: Vec<ContributionId> = numbers.map(ContributionId).collect();
        if let Some(at) = withdrawn.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(Damage::Inconsistent { what: "withdrawn contribution", at: at as u64 });
        }
        Ok(Self { next, segments, withdrawn: withdrawn.into_iter().collect() })
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
        } else if name == "manifest.tmp"
            || name == "paths.tmp"
            || (name.starts_with("segment-") && name.ends_with(".tmp"))
        {
            files.push((folder.join(name), None));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use fonte_types::ContributionId;

    use super::Manifest;

    fn manifest(next: u64, segments: &[u64], withdrawn: &[u64]) -> Manifest {
        let withdrawn = withdrawn.iter().map(|id| ContributionId(*id)).collect();
        Manifest { next, segments: segments.to_vec(), withdrawn }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let manifest = manifest(9, &[3, 8, 5], &[2, 77]);
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
        assert!(Manifest::decode(&manifest(3, &[3], &[]).encode()).is_err());
        assert!(Manifest::decode(&manifest(9, &[3, 3], &[]).encode()).is_err());
        // Withdrawn contributions out of order, and counts that lead past every file.
        let mut bytes = manifest(9, &[3], &[5, 6]).encode();
        let end = bytes.len() - 4;
        bytes.swap(end - 16, end - 8);
        let reseal = |bytes: &mut Vec<u8>| {
            let crc = crc32fast::hash(&bytes[..end]);
            bytes[end..].copy_from_slice(&crc.to_le_bytes());
        };
        reseal(&mut bytes);
        assert!(Manifest::decode(&bytes).is_err());
        bytes[16..24].copy_from_slice(&(u64::MAX / 8).to_le_bytes());
        reseal(&mut bytes);
        assert!(Manifest::decode(&bytes).is_err());
    }
}

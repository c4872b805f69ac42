//! The manifest: which segments are live and which contributions are withdrawn. Replacing it is the only commit point of
//! the index.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use fonte_types::ContributionId;

use super::{replace_file, segment_path, trees_path};
use crate::{
    error::{Damage, IndexError},
    segment::{u32_at, u64_at},
};

const NAME: &str = "manifest";
const MAGIC: &[u8; 8] = b"FONTEIDX";
const VERSION: u32 = 3;
const HEADER: usize = 44;
/// A segment's number and seal.
const SEGMENT: usize = 12;

/// Live segments, the number that the next one gets, the withdrawn contributions, and the names of the documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(super) next: u64,
    pub(super) segments: Vec<Listed>,
    pub(super) withdrawn: BTreeSet<ContributionId>,
    pub(super) names: Names,
}

/// A live segment, as the manifest lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) number: u64,
    /// The checksum over its checksums: another file under its number is noticed.
    pub(super) seal: u32,
}

/// How many names `paths` has, and their checksum: another file in its place is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) count: u64,
    pub(crate) crc: u32,
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

    /// Deletes segments that are not live, their trees, and temporary files: what a killed writer left.
    pub(super) fn remove_leftovers(&self, folder: &Path) -> Result<(), IndexError> {
        let live = |number| self.segments.iter().any(|segment| segment.number == number);
        for (path, kind) in our_files(folder)? {
            let kept = match kind {
                Kind::Segment(number) | Kind::Trees(number) => live(number),
                Kind::Temporary => false,
            };
            if !kept {
                fs::remove_file(&path).map_err(|source| IndexError::Io { action: "remove", path, source })?;
            }
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(self.withdrawn.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.next.to_le_bytes());
        bytes.extend_from_slice(&self.names.count.to_le_bytes());
        bytes.extend_from_slice(&self.names.crc.to_le_bytes());
        for Listed { number, seal } in &self.segments {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&seal.to_le_bytes());
        }
        bytes.extend(self.withdrawn.iter().flat_map(|id| id.0.to_le_bytes()));
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let length = |expected: usize| Damage::Length { found: bytes.len() as u64, expected: expected as u64 };
        // Earlier versions were shorter: what they are is said before what they lack.
        if bytes.len() >= 12 && &bytes[..8] == MAGIC && u32_at(bytes, 8) != VERSION {
            return Err(Damage::Version { found: u32_at(bytes, 8), expected: VERSION });
        }
        if bytes.len() < HEADER + 4 {
            return Err(length(HEADER + 4));
        }
        if &bytes[..8] != MAGIC {
            return Err(Damage::Magic { expected: "FONTEIDX" });
        }
        let (segments, withdrawn) = (u32_at(bytes, 12) as usize, u64_at(bytes, 16));
        let expected = usize::try_from(withdrawn)
            .ok()
            .and_then(|withdrawn| {
                withdrawn.checked_mul(8)?.checked_add(segments.checked_mul(SEGMENT)?)?.checked_add(HEADER + 4)
            })
            .ok_or(Damage::Inconsistent { what: "number of withdrawn contributions", at: 16 })?;
        if bytes.len() != expected {
            return Err(length(expected));
        }
        if crc32fast::hash(&bytes[..expected - 4]) != u32_at(bytes, expected - 4) {
            return Err(Damage::Checksum { section: "manifest", start: 0, end: expected as u64 });
        }
        let next = u64_at(bytes, 24);
        let names = Names { count: u64_at(bytes, 32), crc: u32_at(bytes, 40) };
        let (listed, withdrawn) = bytes[HEADER..expected - 4].split_at(SEGMENT * segments);
        let segments: Vec<Listed> = listed
            .chunks_exact(SEGMENT)
            .map(|segment| Listed { number: u64_at(segment, 0), seal: u32_at(segment, 8) })
            .collect();
        let mut sorted: Vec<u64> = segments.iter().map(|segment| segment.number).collect();
        sorted.sort_unstable();
        if let Some(at) =
            sorted.iter().enumerate().position(|(at, number)| *number >= next || (at > 0 && sorted[at - 1] == *number))
        {
            return Err(Damage::Inconsistent { what: "segment number", at: at as u64 });
        }
        let withdrawn: Vec<ContributionId> =
            withdrawn.chunks_exact(8).map(|id| ContributionId(u64_at(id, 0))).collect();
        if let Some(at) = withdrawn.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(Damage::Inconsistent { what: "withdrawn contribution", at: at as u64 });
        }
        Ok(Self { next, segments, withdrawn: withdrawn.into_iter().collect(), names })
    }
}

fn has_segments(folder: &Path) -> Result<bool, IndexError> {
    Ok(our_files(folder)?.iter().any(|(_, kind)| matches!(kind, Kind::Segment(_))))
}

enum Kind {
    Segment(u64),
    Trees(u64),
    Temporary,
}

/// The files of the folder that this index writes, manifest and `paths` apart.
fn our_files(folder: &Path) -> Result<Vec<(PathBuf, Kind)>, IndexError> {
    let io = |source| IndexError::Io { action: "list", path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = folder.join(name);
        let number = name.strip_prefix("segment-").and_then(|rest| rest.split('.').next()?.parse().ok());
        let kind = match number {
            Some(number) if segment_path(folder, number) == path => Kind::Segment(number),
            Some(number) if trees_path(&segment_path(folder, number)) == path => Kind::Trees(number),
            _ if name == "manifest.tmp" || name == "paths.tmp" => Kind::Temporary,
            _ if name.starts_with("segment-") && name.ends_with(".tmp") => Kind::Temporary,
            _ => continue,
        };
        files.push((path, kind));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use fonte_types::ContributionId;

    use super::{Listed, Manifest, Names};

    fn manifest(next: u64, segments: &[u64], withdrawn: &[u64]) -> Manifest {
        let withdrawn = withdrawn.iter().map(|id| ContributionId(*id)).collect();
        let segments = segments.iter().map(|&number| Listed { number, seal: number as u32 ^ 0xabcd }).collect();
        Manifest { next, segments, withdrawn, names: Names { count: 12, crc: 0x1234_5678 } }
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

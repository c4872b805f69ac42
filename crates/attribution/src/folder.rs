//! A trace index over the files of folders: each file one document, named by its path.
//!
//! The order of adding is the precedence: the n-th file ever added is contribution n, its only document number 0. Which
//! path that was stands in a file beside the manifest, which is replaced before documents are added; so every document
//! that a crash leaves behind has its path, and paths without a document are dropped at the next opening. The manifest
//! says how many paths there are and what their checksum is, and is replaced after the file; so the file may have more
//! paths than that, and another file in its place is noticed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use fonte_types::{ContributionId, DatanetId};

use crate::{
    Document, IndexConfig, Progress, SuffixIndex,
    error::{Damage, FolderError, IndexError},
    index::{Names, replace_file},
    segment::{u32_at, u64_at},
};

const NAME: &str = "paths";
const MAGIC: &[u8; 8] = b"FONTEPTH";
const VERSION: u32 = 1;
const HEADER: usize = 20;

/// A [`SuffixIndex`] whose documents are files.
pub struct FolderIndex {
    folder: PathBuf,
    index: SuffixIndex,
    /// Path of contribution n at n - 1.
    paths: Vec<String>,
}

/// Files to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Paths and lengths, in the order of adding.
    pub files: Vec<(String, u64)>,
    /// Files of the folder that are in the index already.
    pub known: usize,
}

impl Plan {
    /// Every regular file in `folder` and below, for an index that is still to be made at `index`. Nothing is made.
    ///
    /// # Errors
    /// [`FolderError`] where a folder cannot be read.
    pub fn afresh(folder: &Path, index: &Path) -> Result<Self, FolderError> {
        Ok(Self { files: files(folder, index)?, known: 0 })
    }

    /// Bytes of the files to be added.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, length)| length).sum()
    }
}

impl FolderIndex {
    /// Opens the index in `folder` for reading and writing, or starts an empty one. See [`SuffixIndex::open`].
    ///
    /// # Errors
    /// [`FolderError`], also where the folder holds an index that was not made from files.
    pub fn open(folder: &Path, config: IndexConfig) -> Result<Self, FolderError> {
        Self::with_paths(folder, SuffixIndex::open(folder, config)?)
    }

    /// Opens the index in `folder` for queries alone. See [`SuffixIndex::open_read_only`].
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_read_only(folder: &Path) -> Result<Self, FolderError> {
        let mut seen = None;
        loop {
            // First the index: whatever it holds, the paths read afterwards name.
            let index = SuffixIndex::open_read_only(folder)?;
            let names = index.names();
            match Self::with_paths(folder, index) {
                // Another process may have replaced both meanwhile.
                Err(FolderError::Index(IndexError::Damaged { damage: Damage::Foreign { .. }, .. }))
                    if seen != Some(names) =>
                {
                    seen = Some(names);
                }
                opened => return opened,
            }
        }
    }

    fn with_paths(folder: &Path, index: SuffixIndex) -> Result<Self, FolderError> {
        let path = folder.join(NAME);
        let mut paths = match fs::read(&path) {
            Ok(bytes) => decode_paths(&bytes).map_err(|damage| IndexError::Damaged { path: path.clone(), damage })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(IndexError::io("read", &path)(source).into()),
        };
        let expected = index.names();
        // Those behind were written for documents that never came.
        paths.truncate(usize::try_from(expected.count).unwrap_or(usize::MAX));
        let found = names(&paths);
        if found != expected && !paths.is_empty() {
            let damage = Damage::Foreign { found: found.crc, expected: expected.crc };
            return Err(IndexError::Damaged { path, damage }.into());
        }
        let known = |count: usize| index.contains(ContributionId(count as u64), 0);
        let withdrawn = |count: usize| index.is_withdrawn(ContributionId(count as u64));
        while !paths.is_empty() && !known(paths.len()) && !withdrawn(paths.len()) {
            paths.pop();
        }
        let named = (1..=paths.len()).filter(|count| known(*count)).count();
        if named != index.stats().documents {
            return Err(FolderError::Unnamed { folder: folder.to_owned() });
        }
        Ok(Self { folder: folder.to_owned(), index, paths })
    }

    /// The index itself, for queries.
    pub fn index(&self) -> &SuffixIndex {
        &self.index
    }

    /// The contribution that a file is, if queries see it.
    pub fn contribution(&self, path: &str) -> Option<ContributionId> {
        self.live().get(plain(Path::new(path)).to_str()?).copied()
    }

    /// The file that a contribution is, if it ever was one.
    pub fn path(&self, contribution: ContributionId) -> Option<&str> {
        let at = usize::try_from(contribution.0).ok()?.checked_sub(1)?;
        self.paths.get(at).map(String::as_str)
    }

    /// Paths of the documents that queries see, with their contributions.
    pub fn live(&self) -> BTreeMap<&str, ContributionId> {
        let numbered = self.paths.iter().zip(1..).map(|(path, id)| (path.as_str(), ContributionId(id)));
        numbered.filter(|(_, id)| self.index.contains(*id, 0)).collect()
    }

    /// Every regular file in `folder` and below that is not in the index yet, by the bytes of its path. Links are not
    /// followed. A file that is there as it was when it was added is left out, so that after a crash the same call adds
    /// what is missing. `progress` gets files and bytes looked at so far.
    ///
    /// # Errors
    /// [`FolderError::Changed`] where a file is no longer what was added, [`FolderError`] where one cannot be read.
    pub fn plan(&self, folder: &Path, progress: &mut dyn FnMut(usize, u64)) -> Result<Plan, FolderError> {
        let live = self.live();
        let mut plan = Plan { files: Vec::new(), known: 0 };
        let mut seen = 0;
        for (at, (path, length)) in files(folder, &self.folder)?.into_iter().enumerate() {
            seen += length;
            match live.get(path.as_str()) {
                None => plan.files.push((path, length)),
                Some(id) if self.index.text(*id, 0)?.is_some_and(|text| same(&text, &path, length)) => plan.known += 1,
                Some(_) => return Err(FolderError::Changed { path: path.into() }),
            }
            progress(at + 1, seen);
        }
        Ok(plan)
    }

    /// Adds files, then merges what is due. Returns how many.
    ///
    /// # Errors
    /// [`FolderError`]. Files of segments written before the error stay in the index; planning again finds the rest.
    pub fn add(&mut self, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<usize, FolderError> {
        let added = self.add_unmerged(plan, progress)?;
        self.index.merge(progress)?;
        Ok(added)
    }

    /// Adds files and merges nothing ([`SuffixIndex::merge`] does). Returns how many; they are durable and answer queries
    /// then.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_unmerged(&mut self, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<usize, FolderError> {
        if plan.files.is_empty() {
            return Ok(0);
        }
        let first = self.paths.len();
        // Names that were dropped are forgotten before others take their place: at every moment the file has those that
        // the manifest counts.
        if self.index.names() != names(&self.paths) {
            self.index.set_names(names(&self.paths))?;
        }
        self.paths.extend(plan.files.iter().map(|(path, _)| path.clone()));
        replace_file(&self.folder.join(NAME), &encode_paths(&self.paths))?;
        self.index.set_names(names(&self.paths))?;
        // The iterator cannot fail, so a file that cannot be read ends it and is reported afterwards.
        let mut unreadable = None;
        let documents = (first + 1..).zip(&self.paths[first..]).map_while(|(id, path)| match fs::read(path) {
            Ok(text) => {
                Some(Document { contribution: ContributionId(id as u64), document: 0, datanet: DatanetId(0), text })
            }
            Err(source) => {
                unreadable = Some(IndexError::io("read", Path::new(path))(source));
                None
            }
        });
        let added = self.index.add_unmerged(documents, progress);
        while self.paths.len() > first && !self.index.contains(ContributionId(self.paths.len() as u64), 0) {
            self.paths.pop();
        }
        let added = added?;
        unreadable.map_or(Ok(added), |error| Err(error.into()))
    }

    /// The files of these paths, or below them, that queries see.
    ///
    /// # Errors
    /// [`FolderError::Unknown`] where nothing of that name is in the index.
    pub fn named(&self, paths: &[PathBuf]) -> Result<BTreeSet<ContributionId>, FolderError> {
        let live = self.live();
        let mut ids = BTreeSet::new();
        for path in paths {
            let mut below = live.iter().filter(|(file, _)| lies_in(file, path)).map(|(_, id)| *id).peekable();
            if below.peek().is_none() {
                return Err(FolderError::Unknown { path: path.clone() });
            }
            ids.extend(below);
        }
        Ok(ids)
    }

    /// Withdraws files, or all files below a folder: no query sees them from now on. With `purge` their bytes leave the
    /// disk at once. Returns how many were withdrawn.
    ///
    /// # Errors
    /// [`FolderError::Unknown`] where nothing of that name is in the index; then nothing is withdrawn.
    pub fn withdraw(
        &self,
        paths: &[PathBuf],
        purge: bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<usize, FolderError> {
        let ids = self.named(paths)?;
        self.index.withdraw_with_progress(&ids, progress)?;
        if purge {
            self.index.purge(progress)?;
        }
        Ok(ids.len())
    }
}

/// Whether a file of an index lies at a path or below it, however that is written: `./texts/` is `texts`.
pub fn lies_in(file: &str, path: &Path) -> bool {
    let path = plain(path);
    // The folder that everything is relative to has no name left.
    let here = path.as_os_str().is_empty() && Path::new(file).is_relative() && !file.starts_with("../");
    here || (!path.as_os_str().is_empty() && Path::new(file).starts_with(path))
}

/// A path without what does not matter: `.` and doubled or trailing slashes. `..` stays: behind a link it leads elsewhere.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// The regular files below a folder, plainly written and in the order of their bytes, without those of the index itself,
/// which may lie among them.
fn files(folder: &Path, index: &Path) -> Result<Vec<(String, u64)>, FolderError> {
    let own = match fs::canonicalize(index) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        own => Some(own.map_err(IndexError::io("open", index))?),
    };
    let mut found = Vec::new();
    walk(folder, own.as_deref(), &mut found)?;
    found.sort();
    Ok(found)
}

fn same(text: &[u8], path: &str, length: u64) -> bool {
    text.len() as u64 == length && fs::read(path).is_ok_and(|now| now == text)
}

fn walk(folder: &Path, except: Option<&Path>, found: &mut Vec<(String, u64)>) -> Result<(), FolderError> {
    let io = |error| FolderError::from(IndexError::io("list", folder)(error));
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let kind = entry.file_type().map_err(io)?;
        if kind.is_dir() {
            let path = entry.path();
            if except.is_none_or(|except| fs::canonicalize(&path).is_ok_and(|path| path != except)) {
                walk(&path, except, found)?;
            }
        } else if kind.is_file() {
            let length = entry.metadata().map_err(io)?.len();
            let path = plain(&entry.path()).into_os_string();
            let path = path.into_string().map_err(|path| FolderError::Name { path: path.into() })?;
            found.push((path, length));
        }
    }
    Ok(())
}

/// What the manifest says of these paths.
fn names(paths: &[String]) -> Names {
    let mut crc = crc32fast::Hasher::new();
    for path in paths {
        crc.update(&(path.len() as u32).to_le_bytes());
        crc.update(path.as_bytes());
    }
    Names { count: paths.len() as u64, crc: crc.finalize() }
}

fn encode_paths(paths: &[String]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(paths.len() as u64).to_le_bytes());
    for path in paths {
        bytes.extend_from_slice(&(path.len() as u32).to_le_bytes());
        bytes.extend_from_slice(path.as_bytes());
    }
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

pub(crate) fn decode_paths(bytes: &[u8]) -> Result<Vec<String>, Damage> {
    if bytes.len() < HEADER + 4 {
        return Err(Damage::Length { found: bytes.len() as u64, expected: HEADER as u64 + 4 });
    }
    if &bytes[..8] != MAGIC {
        return Err(Damage::Magic { expected: "FONTEPTH" });
    }
    let version = u32_at(bytes, 8);
    if version != VERSION {
        return Err(Damage::Version { found: version, expected: VERSION });
    }
    let (body, crc) = bytes.split_at(bytes.len() - 4);
    if crc32fast::hash(body) != u32_at(crc, 0) {
        return Err(Damage::Checksum { section: "paths", start: 0, end: bytes.len() as u64 });
    }
    let count = u64_at(bytes, 12);
    let mut rest = &body[HEADER..];
    let mut paths = Vec::new();
    while !rest.is_empty() {
        let inconsistent = Damage::Inconsistent { what: "path", at: paths.len() as u64 };
        let path = rest.split_at_checked(4).and_then(|(length, after)| {
            let (path, after) = after.split_at_checked(u32_at(length, 0) as usize)?;
            Some((str::from_utf8(path).ok()?, after))
        });
        let Some((path, after)) = path else { return Err(inconsistent) };
        paths.push(path.to_owned());
        rest = after;
    }
    if paths.len() as u64 != count {
        return Err(Damage::Inconsistent { what: "number of paths", at: count });
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_path_tables_are_refused() {
        let paths: Vec<String> = ["a/b.txt", "", "açúcar"].map(String::from).to_vec();
        let bytes = encode_paths(&paths);
        assert_eq!(decode_paths(&bytes), Ok(paths));
        assert_eq!(decode_paths(&encode_paths(&[])), Ok(Vec::new()));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_paths(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(decode_paths(&bytes[..length]).is_err(), "length {length}");
        }
        // Under a good checksum: a length past the end, a count too many, bytes that are no text.
        for (at, value) in [(HEADER, 200), (12, 9), (HEADER + 4, 0xff)] {
            let mut lying = bytes.clone();
            lying[at] = value;
            let end = lying.len() - 4;
            let crc = crc32fast::hash(&lying[..end]);
            lying[end..].copy_from_slice(&crc.to_le_bytes());
            assert!(matches!(decode_paths(&lying), Err(Damage::Inconsistent { .. })), "byte {at}");
        }
    }
}

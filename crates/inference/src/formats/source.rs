//! Where bytes come from: a file in a model's folder, or memory.

use std::{
    fs::File,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use super::error::FormatError;

/// Bytes that can be read in order from the start, whose number is known.
pub(super) trait Source {
    /// Name for messages.
    fn label(&self) -> &str;
    /// Number of bytes, as it was when the source was opened.
    fn len(&self) -> u64;
    /// The next bytes, all of `buffer`.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FormatError>;
}

/// A regular file. Read, not mapped: a mapped file that is cut short by someone else ends the process.
pub(super) struct FileSource {
    label: String,
    file: File,
    len: u64,
    position: u64,
}

impl FileSource {
    /// Opens `name` in `folder`, or `None` if there is none.
    pub(super) fn open(folder: &Path, name: &str) -> Result<Option<Self>, FormatError> {
        let path = folder.join(name);
        let label = path.display().to_string();
        let read = |source| FormatError::Read { file: label.clone(), source };
        let found = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(read)?,
        };
        let path = if found.is_symlink() { hub_blob(folder, &path).map_err(read)? } else { Some(path) };
        let Some(path) = path else { return Err(FormatError::NotRegular { file: label }) };
        // Checked before it is opened, since opening a pipe blocks, and again after, since the name may have moved.
        if !path.metadata().map_err(read)?.is_file() {
            return Err(FormatError::NotRegular { file: label });
        }
        let file = File::open(&path).map_err(read)?;
        let opened = file.metadata().map_err(read)?;
        if !opened.is_file() {
            return Err(FormatError::NotRegular { file: label });
        }
        Ok(Some(Self { label, file, len: opened.len(), position: 0 }))
    }

    /// All of a small file.
    pub(super) fn read_whole(mut self, what: &'static str, limit: u64) -> Result<Vec<u8>, FormatError> {
        read_up_to(&mut self, what, limit)
    }
}

/// All that remains of a source that may have at most `limit` bytes.
pub(super) fn read_up_to(source: &mut impl Source, what: &'static str, limit: u64) -> Result<Vec<u8>, FormatError> {
    let size = source.len();
    if size > limit {
        return Err(FormatError::TooLarge { file: source.label().into(), what, size, limit });
    }
    let mut bytes = vec![0; size as usize];
    source.fill(&mut bytes)?;
    Ok(bytes)
}

impl Source for FileSource {
    fn label(&self) -> &str {
        &self.label
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FormatError> {
        let needed = self.position + buffer.len() as u64;
        self.file.read_exact(buffer).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                FormatError::Truncated { file: self.label.clone(), needed, found: self.len.min(needed - 1) }
            }
            _ => FormatError::Read { file: self.label.clone(), source },
        })?;
        self.position = needed;
        Ok(())
    }
}

/// Bytes in memory, under the name that messages give them.
pub(super) struct MemorySource<'a> {
    label: &'a str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> MemorySource<'a> {
    pub(super) fn new(label: &'a str, bytes: &'a [u8]) -> Self {
        Self { label, bytes, position: 0 }
    }
}

impl Source for MemorySource<'_> {
    fn label(&self) -> &str {
        self.label
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FormatError> {
        let end = self.position.saturating_add(buffer.len());
        let Some(bytes) = self.bytes.get(self.position..end) else {
            return Err(FormatError::Truncated {
                file: self.label.into(),
                needed: end as u64,
                found: self.bytes.len() as u64,
            });
        };
        buffer.copy_from_slice(bytes);
        self.position = end;
        Ok(())
    }
}

/// The one link that is followed: the cache of Hugging Face's client keeps `snapshots/REVISION/NAME` as a link to
/// `blobs/HASH` two folders up. Any other could make the engine read, hash and publish what is not part of the model.
fn hub_blob(folder: &Path, link: &Path) -> io::Result<Option<PathBuf>> {
    let target = link.read_link()?;
    let mut parts = target.components();
    let prefix = [parts.next(), parts.next(), parts.next()];
    let expected = [Component::ParentDir, Component::ParentDir, Component::Normal("blobs".as_ref())];
    let (true, Some(Component::Normal(name)), None) = (prefix == expected.map(Some), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let blob = folder.join("../../blobs").join(name);
    Ok((!blob.symlink_metadata()?.is_symlink()).then_some(blob))
}

//! What can go wrong, with the facts and the next step.

use std::{io, path::PathBuf};

use fonte_types::ContributionId;

/// A query that could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// An argument is over its limit.
    #[error("the {what} has {bytes} bytes, at most {limit} are traced; split it")]
    TooLong {
        /// "answer", "prompt" or "pattern".
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A segment's bytes are not what was written. Nothing is answered from it.
    #[error("segment {} is damaged; remove the index folder and rebuild it from the documents", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        #[source]
        damage: Damage,
    },
    /// The prompt could not be prepared for comparison.
    #[error("suffix sorting a prompt of {bytes} bytes failed: {reason}")]
    Prompt {
        /// Length of the prompt.
        bytes: usize,
        /// What the library said.
        reason: String,
    },
}

/// How bytes differ from what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not one of our files.
    #[error("it does not begin with the magic {expected:?}")]
    Magic {
        /// What should stand there.
        expected: &'static str,
    },
    /// Written by another version of the format.
    #[error("it has format version {found}, this program reads {expected}")]
    Version {
        /// What it says.
        found: u32,
        /// What is read.
        expected: u32,
    },
    /// Truncated or grown.
    #[error("it has {found} bytes where {expected} were written")]
    Length {
        /// Bytes there.
        found: u64,
        /// Bytes expected.
        expected: u64,
    },
    /// A checksum differs.
    #[error("bytes {start}..{end} ({section}) fail their checksum")]
    Checksum {
        /// Which part.
        section: &'static str,
        /// First byte covered.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// A whole file, but another one: of another index, or of this one at another time.
    #[error(
        "it is not the file that the manifest names: that one has the checksum {expected:08x}, this one {found:08x}"
    )]
    Foreign {
        /// Its checksum.
        found: u32,
        /// The checksum in the manifest.
        expected: u32,
    },
    /// Checksums hold, but the content contradicts itself: not written by this program.
    #[error("{what} at {at} contradicts the rest of the file")]
    Inconsistent {
        /// Which field.
        what: &'static str,
        /// Which entry.
        at: u64,
    },
}

/// Opening or writing an index failed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// "open", "write", ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{} is damaged or foreign; remove the index folder and rebuild it from the documents", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        #[source]
        damage: Damage,
    },
    /// There is none.
    #[error("there is no index in {}; build one first", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// It was opened for queries alone.
    #[error("the index in {} was opened for reading", path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes to this index.
    #[error("the index in {} is open in another process; stop that one or choose another folder", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Suffix sorting failed.
    #[error("suffix sorting {bytes} bytes failed: {reason}")]
    Sort {
        /// Length of the text.
        bytes: usize,
        /// What the library said.
        reason: String,
    },
}

impl IndexError {
    /// Names what was tried with which file.
    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Documents could not be added. Those of earlier segments of the same call may already be live; adding the rest, or
/// all of them again with [`contains`](crate::SuffixIndex::contains) as a filter, completes the work.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// A document stands in the index or in the call twice.
    #[error("document {document} of contribution {contribution} is already in the index")]
    Duplicate {
        /// The contribution.
        contribution: ContributionId,
        /// The document.
        document: u32,
    },
    /// Too long for a segment.
    #[error("document {document} of contribution {contribution} has {bytes} bytes, at most {limit} fit; split it")]
    TooLong {
        /// The contribution.
        contribution: ContributionId,
        /// The document.
        document: u32,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// 0 means nobody and 2^64-1 means the prompt.
    #[error("contribution id {0} is reserved")]
    ReservedId(ContributionId),
    /// It was withdrawn, which is for good.
    #[error("contribution {0} was withdrawn from this index; erase it first, or add the text under another id")]
    Withdrawn(ContributionId),
    /// Writing failed.
    #[error("the index could not be extended")]
    Index(#[from] IndexError),
    /// A segment to be merged is damaged.
    #[error("an existing segment could not be read for merging")]
    Trace(#[from] TraceError),
}

/// An index over files could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The index below it.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Files could not be added or withdrawn.
    #[error(transparent)]
    Add(#[from] AddError),
    /// A text in the index could not be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Documents without a path.
    #[error("the index in {} holds documents whose paths are not known; it was made by another program, or its file \
             `paths` was lost: build it again", folder.display())]
    Unnamed {
        /// The folder.
        folder: PathBuf,
    },
    /// A file that is in the index differs from what was added.
    #[error("{} has changed since it was added; withdraw it from the index, then add it again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Nothing to withdraw.
    #[error("{} is not in the index; give a path as it was added", path.display())]
    Unknown {
        /// What was named.
        path: PathBuf,
    },
    /// A name that cannot be shown as text.
    #[error("the name of {} is not UTF-8; rename the file", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
}

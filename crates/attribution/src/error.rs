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
    /// Writing failed.
    #[error("the index could not be extended")]
    Index(#[from] IndexError),
    /// A segment to be merged is damaged.
    #[error("an existing segment could not be read for merging")]
    Trace(#[from] TraceError),
}

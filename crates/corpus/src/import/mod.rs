//! Import: a folder of files becomes documents, one at a time.
//!
//! Taken are `.md`, `.txt`, `.html`, UTF-8 files without an extension, and `.gz` of these. Every other file is named in
//! the report with its reason and its remedy, and the rest goes on. Hidden entries (a leading dot) are passed over, and
//! links are never followed: nothing outside the folder is read.
//!
//! [`Import`] holds one document at a time, so a folder may be far larger than memory; [`import_folder`] collects.

mod html;
mod language;
mod licence;
mod markdown;
mod skip;
mod source;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use fonte_types::metadata::Metadata;

pub use language::detect_language;
pub use licence::{UnknownLicence, check_licence};
pub use skip::{SkipReason, Skipped};

/// A document: what it is called in its folder, what is known of it, and its clean text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Path inside the imported folder, with `/` between its parts. A label: it is not part of the commitment.
    pub path: String,
    /// What is known of it.
    pub metadata: Metadata,
    /// The text, in the form of [`crate::clean()`].
    pub text: String,
}

/// Limits and defaults of an import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Longest clean text of one document, in bytes; decompression stops soon after it.
    pub max_text_bytes: usize,
    /// Folders below the root.
    pub max_depth: usize,
    /// Files looked at.
    pub max_files: usize,
    /// SPDX expression of documents that state none, such as the datanet's.
    pub default_licence: Option<String>,
    /// Language of documents that state none; otherwise it is detected.
    pub default_language: Option<String>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            max_text_bytes: 4 << 20,
            max_depth: 32,
            max_files: 1_000_000,
            default_licence: None,
            default_language: None,
        }
    }
}

/// Why an import did not begin, or was refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The folder cannot be listed.
    #[error("cannot read the folder {}: check that it exists and that you may read it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The default licence is not an SPDX expression.
    #[error(transparent)]
    DefaultLicence(#[from] UnknownLicence),
    /// More files than allowed.
    #[error("{} holds more than {limit} files: import its sub-folders one by one", path.display())]
    TooManyFiles {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// Strict, and something would have been skipped.
    #[error("{} file(s) cannot be imported, and --strict was asked for; the first: {}", .0.len(), .0[0])]
    Refused(Vec<Skipped>),
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files done.
    pub files: usize,
    /// Files found.
    pub files_total: usize,
    /// Bytes done, as on disk.
    pub bytes: u64,
    /// Bytes found, as on disk.
    pub bytes_total: u64,
}

/// One file's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It became a document.
    Document(Document),
    /// It was left out.
    Skipped(Skipped),
}

/// A running import: an iterator over the files of a folder in path order.
#[derive(Debug)]
pub struct Import {
    root: PathBuf,
    options: ImportOptions,
    files: std::vec::IntoIter<Found>,
    progress: Progress,
}

#[derive(Debug)]
struct Found {
    path: String,
    bytes: u64,
    refused: Option<SkipReason>,
}

impl Import {
    /// Lists a folder (paths only) and stands ready to read it.
    pub fn open(root: &Path, options: ImportOptions) -> Result<Self, ImportError> {
        if let Some(licence) = &options.default_licence {
            check_licence(licence)?;
        }
        // The root itself may be a link; below it none is followed.
        let folder = |source| ImportError::Folder { path: root.to_owned(), source };
        let root_path = root.canonicalize().map_err(folder)?;
        std::fs::read_dir(&root_path).map_err(folder)?;
        let mut files = Vec::new();
        let entries = walkdir::WalkDir::new(&root_path)
            .follow_links(false)
            .min_depth(1)
            .max_depth(options.max_depth.saturating_add(1))
            .into_iter()
            .filter_entry(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
        for entry in entries {
            if let Some(found) = Found::from_entry(&root_path, entry, options.max_depth) {
                files.push(found);
            }
            if files.len() > options.max_files {
                return Err(ImportError::TooManyFiles { path: root.to_owned(), limit: options.max_files });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let bytes_total = files.iter().map(|file| file.bytes).sum();
        let progress = Progress { files_total: files.len(), bytes_total, ..Progress::default() };
        Ok(Self { root: root_path, options, files: files.into_iter(), progress })
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }
}

impl Iterator for Import {
    type Item = Imported;

    fn next(&mut self) -> Option<Imported> {
        let found = self.files.next()?;
        self.progress.files += 1;
        self.progress.bytes += found.bytes;
        let result = match found.refused {
            Some(reason) => Err(reason),
            None => source::read(&self.root.join(&found.path), &found.path, &self.options),
        };
        Some(match result {
            Ok(document) => Imported::Document(document),
            Err(reason) => Imported::Skipped(Skipped { path: found.path, reason }),
        })
    }
}

impl Found {
    fn from_entry(root: &Path, entry: Result<walkdir::DirEntry, walkdir::Error>, max_depth: usize) -> Option<Self> {
        let relative = |path: &Path| {
            let path = path.strip_prefix(root).unwrap_or(path);
            path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
        };
        match entry {
            Ok(entry) => {
                let kind = entry.file_type();
                let refused = if kind.is_dir() {
                    if entry.depth() <= max_depth {
                        return None;
                    }
                    Some(SkipReason::TooDeep { limit: max_depth })
                } else if entry.path().to_str().is_none() {
                    Some(SkipReason::Unreadable { error: "its name is not UTF-8".into() })
                } else if kind.is_file() {
                    None
                } else {
                    Some(SkipReason::NotAFile)
                };
                let bytes = if refused.is_none() { entry.metadata().map_or(0, |metadata| metadata.len()) } else { 0 };
                Some(Self { path: relative(entry.path()), bytes, refused })
            }
            Err(error) => Some(Self {
                path: error.path().map(relative).unwrap_or_default(),
                bytes: 0,
                refused: Some(SkipReason::Unreadable { error: error.to_string() }),
            }),
        }
    }
}

/// Everything an import brought.
#[derive(Clone, Debug, Default)]
pub struct ImportReport {
    /// The documents, in path order.
    pub documents: Vec<Document>,
    /// The files left out, in path order.
    pub skipped: Vec<Skipped>,
}

impl ImportReport {
    /// Skipped files by reason ([`SkipReason::code`]).
    pub fn skipped_by_reason(&self) -> BTreeMap<&'static str, usize> {
        count_by_reason(&self.skipped)
    }
}

/// Counts skipped files by [`SkipReason::code`].
pub fn count_by_reason(skipped: &[Skipped]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for skipped in skipped {
        *counts.entry(skipped.reason.code()).or_default() += 1;
    }
    counts
}

/// Whether files that cannot be imported are left out, or refuse the whole folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnBadFile {
    /// Name it and go on.
    Skip,
    /// Import nothing: [`ImportError::Refused`] names them all.
    Refuse,
}

/// Imports a whole folder into memory. For large folders, iterate over [`Import`].
pub fn import_folder(root: &Path, options: ImportOptions, on_bad: OnBadFile) -> Result<ImportReport, ImportError> {
    let mut report = ImportReport::default();
    for imported in Import::open(root, options)? {
        match imported {
            Imported::Document(document) => report.documents.push(document),
            Imported::Skipped(skipped) => report.skipped.push(skipped),
        }
    }
    if on_bad == OnBadFile::Refuse && !report.skipped.is_empty() {
        return Err(ImportError::Refused(report.skipped));
    }
    Ok(report)
}

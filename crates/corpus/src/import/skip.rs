//! Why a file was left out, and what to do about it.

use std::fmt;

use serde::Serialize;

/// A file that did not become a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Path inside the imported folder.
    pub path: String,
    /// Why.
    #[serde(flatten)]
    pub reason: SkipReason,
}

impl Skipped {
    /// What to do so that the file is taken.
    pub fn remedy(&self) -> String {
        self.reason.remedy(&self.path)
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.path, self.reason, self.remedy())
    }
}

/// Why a file did not become a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum SkipReason {
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// First wrong byte.
        at: usize,
    },
    /// Holds zero bytes: not a text.
    #[error("binary")]
    Binary,
    /// Nothing is left after cleaning.
    #[error("empty")]
    Empty,
    /// Longer than allowed.
    #[error("longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// States a licence that is not an SPDX expression.
    #[error("unknown licence {id:?}")]
    UnknownLicence {
        /// What it states.
        id: String,
        /// The closest known id.
        suggestion: Option<String>,
    },
    /// The system refused, or the compressed data is damaged.
    #[error("unreadable: {error}")]
    Unreadable {
        /// What the system said.
        error: String,
    },
    /// A kind of file that is not imported.
    #[error("unsupported kind of file .{extension}")]
    Unsupported {
        /// Its extension.
        extension: String,
    },
    /// A link, a device, a pipe.
    #[error("not a regular file")]
    NotAFile,
    /// Its elements nest too deep.
    #[error("more than {limit} elements are open at once")]
    TooNested {
        /// The limit.
        limit: usize,
    },
    /// A folder below the depth limit.
    #[error("more than {limit} folders deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}

impl SkipReason {
    /// Stable name for counts and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotUtf8 { .. } => "not_utf8",
            Self::Binary => "binary",
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too_large",
            Self::UnknownLicence { .. } => "unknown_licence",
            Self::Unreadable { .. } => "unreadable",
            Self::Unsupported { .. } => "unsupported",
            Self::NotAFile => "not_a_file",
            Self::TooNested { .. } => "too_nested",
            Self::TooDeep { .. } => "too_deep",
        }
    }

    fn remedy(&self, path: &str) -> String {
        match self {
            Self::NotUtf8 { .. } => format!("convert it: iconv -f LATIN1 -t UTF-8 '{path}'"),
            Self::Binary => "export its text as .txt, .md or .html".into(),
            Self::Empty => "write something into it, or remove it".into(),
            Self::TooLarge { .. } => "split it into smaller files, or raise the limit".into(),
            Self::UnknownLicence { suggestion: Some(known), .. } => format!("did you mean {known}?"),
            Self::UnknownLicence { suggestion: None, .. } => {
                "use an id from https://spdx.org/licenses/, or LicenseRef-NAME for terms of your own".into()
            }
            Self::Unreadable { .. } => "check its permissions and that it is complete".into(),
            Self::Unsupported { .. } => "export its text as .txt, .md or .html".into(),
            Self::TooNested { .. } => "close its elements, or export its text as .txt or .md".into(),
            Self::NotAFile => "put the file itself into the folder".into(),
            Self::TooDeep { .. } => "import that folder on its own".into(),
        }
    }
}

//! `fonte index ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::index_proof::{Prove, Verify};

#[derive(Debug, Subcommand)]
pub(crate) enum Index {
    /// Index every file below a folder; after an interruption, the same command goes on where it was.
    Build(Build),
    /// Index another folder's files; earlier files precede later ones, whatever their dates.
    Add(Add),
    /// Take files out: no query sees them from now on.
    Withdraw {
        /// The index.
        index: PathBuf,
        /// Files or folders, by the paths under which they were added.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Remove their bytes from the disk at once, not when segments are merged.
        #[arg(long)]
        erase: bool,
    },
    /// Documents, segments, sizes.
    Stats {
        /// The index.
        index: PathBuf,
    },
    /// How often a text stands in the documents.
    Count {
        /// The index.
        index: PathBuf,
        /// The text, byte for byte; it may begin with a hyphen.
        #[arg(allow_hyphen_values = true, required_unless_present = "text")]
        pattern: Option<String>,
        /// The text, from a file, with every byte of it; - reads it from the standard input.
        #[arg(long, value_name = "FILE", conflicts_with = "pattern")]
        text: Option<PathBuf>,
    },
    /// The longest stretches of a text that stand in documents: how often, and where.
    Trace(Trace),
    /// Whose each byte of a text is: the earliest document that holds a window of 32 bytes over it. With --json each run also
    /// says where it stands there (`offset`, of `match_start`) and which bytes of the text match, beyond the run, too.
    Owners {
        /// The index.
        index: PathBuf,
        /// The text; - reads it from the standard input.
        #[arg(long, value_name = "FILE")]
        text: PathBuf,
    },
    /// Prove what the index holds, or that it holds no more, to whoever has the roots of its segments.
    Prove(Prove),
    /// Check a proof, without the index.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder whose files become the documents.
    pub(crate) folder: PathBuf,
    /// The index: a folder, made if it is not there.
    #[arg(long, value_name = "INDEX")]
    pub(crate) out: PathBuf,
    /// Largest segment in MiB of text: larger ones answer faster and need 5.3 times as much memory to build.
    #[arg(long, default_value_t = 512, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=2047))]
    pub(crate) segment_mib: u16,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The index.
    pub(crate) index: PathBuf,
    /// The folder whose files are added.
    pub(crate) folder: PathBuf,
    /// Largest segment in MiB of text.
    #[arg(long, default_value_t = 512, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=2047))]
    pub(crate) segment_mib: u16,
    /// Leave the merging of segments to the next call without this: it comes after the files are there, and may take long.
    #[arg(long)]
    pub(crate) no_merge: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// The index.
    pub(crate) index: PathBuf,
    /// The text; - reads it from the standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) text: PathBuf,
    /// Shortest stretch in bytes.
    #[arg(long, default_value_t = fonte_types::WINDOW, value_name = "N")]
    pub(crate) min_len: usize,
    /// Most documents named per stretch; counts are not affected.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) max_docs: usize,
}

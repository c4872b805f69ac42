//! A contribution bundle: one contributor's documents with their salts, as stored and as sent between machines.
//!
//! All integers are big-endian. `string` is `u32 length ‖ UTF-8 bytes`.
//!
//! ```text
//! "FONTEB01" ‖ string contributor
//! per document:  salt[32] ‖ string path ‖ 6 strings of metadata ‖ string text
//! per document:  u64 record ‖ u64 text ‖ u32 textBytes ‖ commitment[32]          (offsets from the start)
//! u64 index ‖ u32 documents ‖ root[32] ‖ "FONTEEND"
//! ```
//!
//! The index at the end lets a reader open one document of a large bundle without reading the rest. Whoever receives a
//! bundle calls [`Bundle::verify`], which trusts none of it: it recomputes every commitment from text, metadata and
//! salt. Contributor and paths are labels and are not committed.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use alloy_primitives::{B256, Keccak256, keccak256};
use fonte_types::{
    merkle::{CommittedText, DocumentOpening, OpeningError, Tree, contribution_root},
    metadata::Metadata,
};

use crate::import::Document;

const MAGIC: &[u8; 8] = b"FONTEB01";
const END: &[u8; 8] = b"FONTEEND";
const TRAILER: u64 = 8 + 4 + 32 + 8;
const ENTRY: u64 = 8 + 8 + 4 + 32;

/// Longest label or metadata field.
const MAX_FIELD: usize = 64 << 10;

/// What a reader accepts at most.
#[derive(Clone, Copy, Debug)]
pub struct BundleLimits {
    /// Bytes of the whole bundle.
    pub bytes: u64,
    /// Documents in it.
    pub documents: u32,
    /// Bytes of one text.
    pub text_bytes: u32,
}

impl Default for BundleLimits {
    fn default() -> Self {
        Self { bytes: 1 << 30, documents: 1_000_000, text_bytes: 64 << 20 }
    }
}

/// Why a bundle was refused.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Reading or writing failed.
    #[error("cannot access the bundle {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Not a bundle, or cut short.
    #[error("{} is not a complete contribution bundle ({what}): fetch it again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Over a limit.
    #[error("{what} of {got} is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// A bundle of no documents cannot be committed.
    #[error("a contribution needs at least one document")]
    NoDocuments,
    /// There is no such document.
    #[error("document {document} is outside a contribution of {documents}")]
    NoSuchDocument {
        /// Wanted.
        document: u32,
        /// Held.
        documents: u32,
    },
    /// The bytes of a text do not hold this range.
    #[error("bytes {start}..{end} are not a range of text in document {document}")]
    NoSuchRange {
        /// The document.
        document: u32,
        /// First byte.
        start: usize,
        /// End.
        end: usize,
    },
    /// A document does not hash to its commitment.
    #[error("document {document} ({path}) hashes to {got}, the bundle says {expected}")]
    Document {
        /// Index of the document.
        document: u32,
        /// Its label.
        path: String,
        /// Recomputed.
        got: B256,
        /// Stated.
        expected: B256,
    },
    /// The documents do not add up to the root.
    #[error("the documents add up to root {got}, expected {expected}")]
    Root {
        /// Recomputed.
        got: B256,
        /// Expected.
        expected: B256,
    },
    /// A commitment could not be built.
    #[error(transparent)]
    Opening(#[from] OpeningError),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    record: u64,
    text: u64,
    text_bytes: u32,
    commitment: B256,
}

/// A contribution on disk, opened for reading. It holds the index, not the texts, and no open file.
#[derive(Clone, Debug)]
pub struct Bundle {
    path: PathBuf,
    contributor: String,
    root: B256,
    index_at: u64,
    entries: Vec<Entry>,
}

/// A document of a bundle with what is needed to commit it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaltedDocument {
    /// The document.
    pub document: Document,
    /// Its salt: whoever knows it can open every chunk.
    pub salt: B256,
}

impl Bundle {
    /// Opens a bundle and checks its outer form. What it says is checked by [`Self::verify`].
    pub fn open(path: &Path, limits: BundleLimits) -> Result<Self, BundleError> {
        let io = |source| BundleError::Io { path: path.to_owned(), source };
        let malformed = |what| BundleError::Malformed { path: path.to_owned(), what };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        within("bundle", length, limits.bytes)?;
        if length < 8 + 4 + TRAILER {
            return Err(malformed("too short"));
        }
        let mut trailer = [0; TRAILER as usize];
        file.read_exact_at(&mut trailer, length - TRAILER).map_err(io)?;
        if &trailer[44..] != END {
            return Err(malformed("no end mark"));
        }
        let index_at = u64::from_be_bytes(trailer[..8].try_into().expect("8 bytes"));
        let documents = u32::from_be_bytes(trailer[8..12].try_into().expect("4 bytes"));
        let root = B256::from_slice(&trailer[12..44]);
        within("number of documents", documents.into(), limits.documents.into())?;
        if documents == 0 {
            return Err(BundleError::NoDocuments);
        }
        if index_at.checked_add(u64::from(documents) * ENTRY) != Some(length - TRAILER) {
            return Err(malformed("the index has the wrong size"));
        }
        let mut index = vec![0; (u64::from(documents) * ENTRY) as usize];
        file.read_exact_at(&mut index, index_at).map_err(io)?;
        let entries: Vec<Entry> = index
            .chunks_exact(ENTRY as usize)
            .map(|bytes| Entry {
                record: u64::from_be_bytes(bytes[..8].try_into().expect("8 bytes")),
                text: u64::from_be_bytes(bytes[8..16].try_into().expect("8 bytes")),
                text_bytes: u32::from_be_bytes(bytes[16..20].try_into().expect("4 bytes")),
                commitment: B256::from_slice(&bytes[20..]),
            })
            .collect();
        for entry in &entries {
            within("text", entry.text_bytes.into(), limits.text_bytes.into())?;
            let end = entry.text.checked_add(entry.text_bytes.into());
            if entry.record >= entry.text || end.is_none_or(|end| end > index_at) {
                return Err(malformed("the index points outside"));
            }
        }
        let mut reader = BufReader::new(&file);
        let mut magic = [0; 8];
        reader.read_exact(&mut magic).map_err(io)?;
        if &magic != MAGIC {
            return Err(malformed("no start mark"));
        }
        let contributor = read_string(&mut reader, MAX_FIELD).map_err(|error| error.at(path))?;
        Ok(Self { path: path.to_owned(), contributor, root, index_at, entries })
    }

    /// Recomputes everything from texts, metadata and salts, and compares it with `expected`, the root on chain.
    /// Names the first thing that differs.
    pub fn verify(&self, expected: B256) -> Result<(), BundleError> {
        let mut at = (8 + 4 + self.contributor.len()) as u64;
        for (document, entry) in (0..).zip(&self.entries) {
            if entry.record != at {
                return Err(BundleError::Malformed {
                    path: self.path.clone(),
                    what: "documents do not follow one another",
                });
            }
            let salted = self.document(document)?;
            let text = salted.document.text.as_bytes();
            let got = CommittedText::document(text, &salted.document.metadata, salted.salt)?.commitment();
            if got != entry.commitment {
                let path = salted.document.path;
                return Err(BundleError::Document { document, path, got, expected: entry.commitment });
            }
            at = entry.text + u64::from(entry.text_bytes);
        }
        if at != self.index_at {
            return Err(BundleError::Malformed { path: self.path.clone(), what: "bytes after the last document" });
        }
        let got = contribution_root(&self.tree());
        for stated in [self.root, expected] {
            if got != stated {
                return Err(BundleError::Root { got, expected: stated });
            }
        }
        Ok(())
    }

    /// The contribution's root.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// The contributor's name: a label.
    pub fn contributor(&self) -> &str {
        &self.contributor
    }

    /// Number of documents.
    pub fn documents(&self) -> u32 {
        u32::try_from(self.entries.len()).expect("the count was a u32 when it was read")
    }

    /// Bytes of all texts.
    pub fn text_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.text_bytes)).sum()
    }

    /// Where the bundle lies: these bytes are what is sent to other machines.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commitments of the documents, in order.
    pub fn commitments(&self) -> impl Iterator<Item = B256> + '_ {
        self.entries.iter().map(|entry| entry.commitment)
    }

    /// Reads one document.
    pub fn document(&self, document: u32) -> Result<SaltedDocument, BundleError> {
        let (salt, path, metadata) = self.head(document)?;
        let text = self.text(document)?;
        Ok(SaltedDocument { document: Document { path, metadata, text }, salt })
    }

    /// Path and metadata of one document.
    pub fn describe(&self, document: u32) -> Result<(String, Metadata), BundleError> {
        let (_, path, metadata) = self.head(document)?;
        Ok((path, metadata))
    }

    /// Everything of a record that stands before its text.
    fn head(&self, document: u32) -> Result<(B256, String, Metadata), BundleError> {
        let entry = self.entry(document)?;
        let length = entry.text - entry.record;
        within("description of a document", length, 32 + 7 * (4 + MAX_FIELD as u64) + 4)?;
        let bytes = self.read(entry.record, length)?;
        let parse = |mut bytes: &[u8]| -> Result<_, FormatError> {
            let reader = &mut bytes;
            let mut salt = B256::ZERO;
            reader.read_exact(salt.as_mut_slice())?;
            let path = read_string(reader, MAX_FIELD)?;
            let metadata = Metadata {
                title: read_string(reader, MAX_FIELD)?,
                url: read_string(reader, MAX_FIELD)?,
                author: read_string(reader, MAX_FIELD)?,
                date: read_string(reader, MAX_FIELD)?,
                language: read_string(reader, MAX_FIELD)?,
                licence: read_string(reader, MAX_FIELD)?,
            };
            if *reader != entry.text_bytes.to_be_bytes() {
                return Err(FormatError::Form("a text is not as long as the index says"));
            }
            Ok((salt, path, metadata))
        };
        parse(&bytes).map_err(|error| error.at(&self.path))
    }

    /// Reads bytes of one text. The range must lie within the text and on character boundaries.
    pub fn text_range(&self, document: u32, range: Range<usize>) -> Result<String, BundleError> {
        let entry = self.entry(document)?;
        let no_such = || BundleError::NoSuchRange { document, start: range.start, end: range.end };
        if range.start > range.end || range.end > entry.text_bytes as usize {
            return Err(no_such());
        }
        let bytes = self.read(entry.text + range.start as u64, (range.end - range.start) as u64)?;
        String::from_utf8(bytes).map_err(|_| no_such())
    }

    /// Reads one text.
    pub fn text(&self, document: u32) -> Result<String, BundleError> {
        let bytes = self.entry(document)?.text_bytes as usize;
        self.text_range(document, 0..bytes)
    }

    /// Length of one text.
    pub fn text_len(&self, document: u32) -> Result<usize, BundleError> {
        Ok(self.entry(document)?.text_bytes as usize)
    }

    /// Opens the one or two chunks that hold bytes `range` of a document, up to the contribution's root.
    pub fn open_range(&self, document: u32, range: Range<usize>) -> Result<DocumentOpening, BundleError> {
        let salted = self.document(document)?;
        let text = salted.document.text.as_bytes();
        let committed = CommittedText::document(text, &salted.document.metadata, salted.salt)?;
        Ok(DocumentOpening {
            index: document,
            documents: self.documents(),
            path: self.tree().path(document),
            chunks: committed.open_range(range.start as u64, range.end as u64)?,
        })
    }

    fn tree(&self) -> Tree {
        Tree::new(self.commitments().collect())
    }

    fn entry(&self, document: u32) -> Result<Entry, BundleError> {
        let none = || BundleError::NoSuchDocument { document, documents: self.documents() };
        self.entries.get(document as usize).copied().ok_or_else(none)
    }

    fn read(&self, at: u64, length: u64) -> Result<Vec<u8>, BundleError> {
        let io = |source| BundleError::Io { path: self.path.clone(), source };
        let file = File::open(&self.path).map_err(io)?;
        let mut bytes = vec![0; usize::try_from(length).expect("bounded by the limits of open")];
        file.read_exact_at(&mut bytes, at).map_err(io)?;
        Ok(bytes)
    }
}

/// Writes a bundle document by document, holding one text at a time.
#[derive(Debug)]
pub struct BundleWriter {
    path: PathBuf,
    out: BufWriter<File>,
    at: u64,
    entries: Vec<Entry>,
    content: Keccak256,
}

/// What a finished bundle commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The contribution's root.
    pub root: B256,
    /// Number of documents.
    pub documents: u32,
    /// Bytes of all texts.
    pub text_bytes: u64,
    /// Hash of texts and metadata without salts: the same documents have the same content however often they are drawn
    /// up, so a publication that was cut off is found again.
    pub content: B256,
}

impl BundleWriter {
    /// Begins a bundle at `path`, replacing what is there.
    pub fn create(path: &Path, contributor: &str) -> Result<Self, BundleError> {
        let io = |source| BundleError::Io { path: path.to_owned(), source };
        let contributor = &contributor[..contributor.floor_char_boundary(MAX_FIELD)];
        let mut writer = Self {
            path: path.to_owned(),
            out: BufWriter::new(File::create(path).map_err(io)?),
            at: 0,
            entries: Vec::new(),
            content: Keccak256::new(),
        };
        writer.put(MAGIC)?;
        writer.put_string(contributor)?;
        Ok(writer)
    }

    /// Adds a document under a salt, which must be drawn at random, once per document. Returns its commitment.
    pub fn add(&mut self, document: &Document, salt: B256) -> Result<B256, BundleError> {
        let text_bytes = u32::try_from(document.text.len()).map_err(|_| BundleError::TooLarge {
            what: "text",
            got: document.text.len() as u64,
            limit: u32::MAX.into(),
        })?;
        let metadata = &document.metadata;
        let fields = [
            &document.path,
            &metadata.title,
            &metadata.url,
            &metadata.author,
            &metadata.date,
            &metadata.language,
            &metadata.licence,
        ];
        for field in fields {
            within("metadata field", field.len() as u64, MAX_FIELD as u64)?;
        }
        let commitment = CommittedText::document(document.text.as_bytes(), metadata, salt)?.commitment();
        let record = self.at;
        self.put(salt.as_slice())?;
        for field in fields {
            self.put_string(field)?;
        }
        let text = self.at + 4;
        self.put_string(&document.text)?;
        self.content.update(metadata.hash());
        self.content.update(keccak256(document.text.as_bytes()));
        self.entries.push(Entry { record, text, text_bytes, commitment });
        Ok(commitment)
    }

    /// Documents added so far.
    pub fn documents(&self) -> usize {
        self.entries.len()
    }

    /// Writes index and root, and makes the file durable.
    pub fn finish(mut self) -> Result<Sealed, BundleError> {
        if self.entries.is_empty() {
            return Err(BundleError::NoDocuments);
        }
        let documents = u32::try_from(self.entries.len()).map_err(|_| BundleError::TooLarge {
            what: "number of documents",
            got: self.entries.len() as u64,
            limit: u32::MAX.into(),
        })?;
        let index_at = self.at;
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            self.put(&entry.record.to_be_bytes())?;
            self.put(&entry.text.to_be_bytes())?;
            self.put(&entry.text_bytes.to_be_bytes())?;
            self.put(entry.commitment.as_slice())?;
        }
        let root = contribution_root(&Tree::new(entries.iter().map(|entry| entry.commitment).collect()));
        self.put(&index_at.to_be_bytes())?;
        self.put(&documents.to_be_bytes())?;
        self.put(root.as_slice())?;
        self.put(END)?;
        let io = |source| BundleError::Io { path: self.path.clone(), source };
        self.out.flush().map_err(io)?;
        self.out.get_ref().sync_all().map_err(io)?;
        let text_bytes = entries.iter().map(|entry| u64::from(entry.text_bytes)).sum();
        Ok(Sealed { root, documents, text_bytes, content: self.content.finalize() })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.out.write_all(bytes).map_err(|source| BundleError::Io { path: self.path.clone(), source })?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn put_string(&mut self, string: &str) -> Result<(), BundleError> {
        let length = u32::try_from(string.len()).expect("every string was bounded before");
        self.put(&length.to_be_bytes())?;
        self.put(string.as_bytes())
    }
}

enum FormatError {
    Io(std::io::Error),
    Form(&'static str),
}

impl From<std::io::Error> for FormatError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Form("a record is cut short"),
            _ => Self::Io(error),
        }
    }
}

impl FormatError {
    fn at(self, path: &Path) -> BundleError {
        match self {
            Self::Io(source) => BundleError::Io { path: path.to_owned(), source },
            Self::Form(what) => BundleError::Malformed { path: path.to_owned(), what },
        }
    }
}

fn read_string(reader: &mut impl Read, limit: usize) -> Result<String, FormatError> {
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(FormatError::Form("a field is longer than allowed"));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| FormatError::Form("a field is not UTF-8"))
}

fn within(what: &'static str, got: u64, limit: u64) -> Result<(), BundleError> {
    if got > limit { Err(BundleError::TooLarge { what, got, limit }) } else { Ok(()) }
}

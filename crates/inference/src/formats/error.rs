//! What can be wrong with a file, and what to do about it.

use std::io;

use crate::model::ContentHash;

/// Why a model, an adapter or one of its files was refused. `file` is the path or the label of the bytes.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The operating system did not let us read.
    #[error("{file}: cannot be read; check that it exists and that this user may read it")]
    Read {
        /// File.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A link that leads out of the model, a folder, a device.
    #[error("{file}: is no regular file inside the model's folder; copy the file itself into it")]
    NotRegular {
        /// File.
        file: String,
    },
    /// A number from the file or about it is over a limit.
    #[error("{file}: {what} is {size}, at most {limit} is read; use a smaller one")]
    TooLarge {
        /// File.
        file: String,
        /// What was counted or measured.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The weights take more memory than they may.
    #[error(
        "{file}: its weights take {size} bytes as f32, at most {limit} are allowed; allow more with --weight-memory {}, \
         if this machine has them, or use a smaller model",
        .size.div_ceil(1 << 20)
    )]
    WeightMemory {
        /// File.
        file: String,
        /// Bytes of the weights as f32.
        size: u64,
        /// Bytes that they may take.
        limit: u64,
    },
    /// The file ends before what it promises.
    #[error("{file}: ends at byte {found}, {needed} are needed; copy or download it again")]
    Truncated {
        /// File.
        file: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// No JSON, or not of the expected shape.
    #[error("{file}: is not the JSON expected here; export it again")]
    Json {
        /// File.
        file: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A file that must be there is not.
    #[error("{folder}: has no {file}; {remedy}")]
    MissingFile {
        /// Folder.
        folder: String,
        /// File looked for.
        file: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Two files say the same thing, perhaps differently.
    #[error("{folder}: has both {first} and {second}; remove the one that is not meant")]
    Ambiguous {
        /// Folder.
        folder: String,
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// A field that must be there is not.
    #[error("{file}: has no {field}; export the model again with a current version of its library")]
    MissingField {
        /// File.
        file: String,
        /// Field looked for.
        field: &'static str,
    },
    /// A field has another type or another value than it may have.
    #[error("{file}: {field} is {value}, allowed is {allowed}; correct the file or export it again")]
    Field {
        /// File.
        file: String,
        /// Field.
        field: &'static str,
        /// What it is, shortened.
        value: String,
        /// What it may be.
        allowed: String,
    },
    /// Something that changes results and that Fonte does not compute.
    #[error("{file}: {feature} is not supported; {remedy}")]
    Unsupported {
        /// File.
        file: String,
        /// What.
        feature: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Pickled weights, which run code when they are read.
    #[error("{file}: pickled weights run code when they are read and are never opened; save them as safetensors")]
    Pickle {
        /// File.
        file: String,
    },
    /// The index names a shard that is no plain file name.
    #[error("{file}: {shard:?} is no plain name of a .safetensors file; write the index again")]
    ShardName {
        /// Index.
        file: String,
        /// Name, shortened.
        shard: String,
    },
    /// Index and shard disagree about where a tensor is.
    #[error("{file}: {tensor} and the index disagree; write the shards and the index again together")]
    IndexMismatch {
        /// Shard.
        file: String,
        /// Tensor, shortened.
        tensor: String,
    },
    /// The header of a binary file is broken.
    #[error("{file}: broken header: {fault}; copy it again or write it with another tool")]
    Header {
        /// File.
        file: String,
        /// What is broken.
        fault: HeaderFault,
    },
    /// A tensor that the configuration asks for is not there.
    #[error("{file}: has no tensor {tensor}, which the configuration asks for; check that all shards belong to it")]
    TensorMissing {
        /// File, or folder where the tensor may be in several.
        file: String,
        /// Tensor.
        tensor: String,
    },
    /// A tensor that the configuration does not explain; leaving it out would change the model.
    #[error("{file}: tensor {tensor} is not part of this kind of model; remove it or use a model that is supported")]
    TensorUnexpected {
        /// File.
        file: String,
        /// Tensor, shortened.
        tensor: String,
    },
    /// A tensor of other sizes than the configuration says.
    #[error("{file}: {tensor} is {shape:?}, the configuration asks for {expected:?}; they do not belong together")]
    TensorShape {
        /// File.
        file: String,
        /// Tensor.
        tensor: String,
        /// Sizes in the file.
        shape: Vec<u64>,
        /// Sizes asked for.
        expected: Vec<u64>,
    },
    /// A tensor of numbers that are not decoded here.
    #[error("{file}: {tensor} is of type {dtype}; convert it to one of {allowed}")]
    TensorType {
        /// File.
        file: String,
        /// Tensor.
        tensor: String,
        /// Its type.
        dtype: String,
        /// Types that are decoded.
        allowed: &'static str,
    },
    /// A tensor holds an infinity or something that is no number.
    #[error("{file}: {tensor} is not finite at element {index}; its training diverged or the file is damaged")]
    NotFinite {
        /// File.
        file: String,
        /// Tensor.
        tensor: String,
        /// First such element, from 0.
        index: u64,
    },
    /// The configuration ties the head to the embeddings, and the file brings another head.
    #[error("{file}: embeddings are tied, but lm_head.weight differs from them; set tie_word_embeddings to false")]
    TiedHead {
        /// File.
        file: String,
    },
    /// A regular expression that is too large, or not in the syntax shared with Python.
    #[error("{file}: {field} {pattern:?} cannot be used as a regular expression ({reason}); list the modules instead")]
    Pattern {
        /// File.
        file: String,
        /// Field.
        field: &'static str,
        /// Expression, shortened.
        pattern: String,
        /// Why not.
        reason: String,
    },
    /// An adapter says that it was made for another base model.
    #[error("{file}: is made for base {named}, this base is {base}; load it with the base that it names")]
    OtherBase {
        /// Configuration of the adapter.
        file: String,
        /// Base that the adapter names.
        named: ContentHash,
        /// Base that it was to be loaded on.
        base: ContentHash,
    },
    /// The bytes are not those that were asked for.
    #[error("{file}: hashes to {found}, {expected} was asked for; fetch it again from who registered it")]
    HashMismatch {
        /// File or folder.
        file: String,
        /// Hash asked for.
        expected: ContentHash,
        /// Hash of the bytes.
        found: ContentHash,
    },
    /// The tokenizer cannot be built, or cannot encode or decode.
    #[error("{file}: tokenizer: {reason}; use the tokenizer.json that belongs to this model")]
    Tokenizer {
        /// File.
        file: String,
        /// What its library said, shortened.
        reason: String,
    },
    /// The chat template does not compile, refuses these messages, or runs for too long.
    #[error("{file}: chat template; check the messages, or replace the template")]
    Template {
        /// File.
        file: String,
        /// What its library said.
        source: minijinja::Error,
    },
}

/// What is broken in a binary header. Names are shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The first bytes are not those of the format.
    #[error("does not begin as this format does")]
    Magic,
    /// A version that is not read.
    #[error("version {0} is not read, 2 and 3 are")]
    Version(u32),
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// A name is empty, too long, or has control characters.
    #[error("{0:?} is no name")]
    Name(String),
    /// A name stands there twice.
    #[error("{0:?} stands there twice")]
    Duplicate(String),
    /// A type that the format does not have.
    #[error("{name:?} has the unknown type {kind}")]
    Type {
        /// Tensor or key.
        name: String,
        /// Type.
        kind: String,
    },
    /// More dimensions than are read, or none where some must be.
    #[error("{name:?} has {dimensions} dimensions")]
    Dimensions {
        /// Tensor.
        name: String,
        /// How many.
        dimensions: u64,
    },
    /// Sizes that multiply beyond 64 bits, or to other than what the offsets hold.
    #[error("{0:?} has sizes and offsets that do not agree")]
    Size(String),
    /// Data that overlap, leave a hole, or lie outside of the file.
    #[error("the data of {0:?} do not follow on those before")]
    Offsets(String),
    /// Bytes after the last tensor.
    #[error("{0} bytes after the last tensor")]
    TrailingBytes(u64),
    /// An alignment that is no power of two, or too large.
    #[error("alignment {0} is no power of two up to 65536")]
    Alignment(u64),
}

/// At most 80 characters of a stranger's text, for a message.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

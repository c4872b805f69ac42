//! Files of strangers, read into what [`mod@crate::model`] describes.
//!
//! One base model through here: [`read_base`] reads `config.json` into a [`ModelConfig`](crate::model::ModelConfig), asks
//! it which tensors of which shapes there must be, compares that with the headers of all shards, and only then allocates
//! and reads, hashing the bytes that it decodes. An adapter goes the same way ([`AdapterFiles::open`] checks,
//! [`AdapterFiles::read`] reads, [`AdapterFiles::hash`] only hashes), with the base's shapes as the measure and the base's
//! hash inside its own.
//!
//! Nothing here trusts a length, an offset, a name or a number before it was compared with what it must be, follows a
//! link out of the folder it was given, runs code that a file brings (no pickle, no `trust_remote_code`), or opens a
//! socket. What Fonte does not compute is refused by name instead of being left out silently.
//!
//! Which bytes are hashed, and in which order: `docs/spec/models-files.md`.

mod adapter;
mod adapter_config;
mod base;
mod config;
mod error;
mod generation;
mod gguf;
mod gguf_blocks;
mod gguf_model;
mod hash;
mod json;
mod numbers;
mod pattern;
mod safetensors;
mod shards;
mod slots;
mod source;
mod template;
mod template_process;
mod tokenizer;

pub use adapter::{AdapterFiles, AdapterShape};
pub use adapter_config::AdapterConfig;
pub use base::{Base, hash_base, read_base};
pub use config::parse_config;
pub use error::{FormatError, HeaderFault};
pub use generation::GenerationConfig;
pub use gguf::{Gguf, MetadataValue};
pub use safetensors::{Dtype, Safetensors, TensorEntry};
pub use shards::ShardIndex;
pub use template::{ChatTemplate, Message};
pub use template_process::{RENDER_TEMPLATES, render_templates};
pub use tokenizer::{Detokenizer, Tokenizer};

/// How much memory a file may ask for. Everything else has a constant beside the code that enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a base model's weights once decoded to f32.
    pub weight_bytes: u64,
    /// Bytes of one adapter once decoded to bfloat16.
    pub adapter_bytes: u64,
}

impl Default for Limits {
    /// 16 GiB of weights (4 billion parameters), 1 GiB of adapter.
    fn default() -> Self {
        Self { weight_bytes: 16 << 30, adapter_bytes: 1 << 30 }
    }
}

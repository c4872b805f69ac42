//! What is known of a document besides its text.

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

/// A document's metadata; empty where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Title as shown to readers.
    pub title: String,
    /// Where it was published.
    #[serde(default)]
    pub url: String,
    /// Who wrote it, as the document says.
    #[serde(default)]
    pub author: String,
    /// `YYYY-MM-DD`.
    #[serde(default)]
    pub date: String,
    /// BCP 47 tag, `und` where undetermined.
    #[serde(default)]
    pub language: String,
    /// SPDX expression.
    #[serde(default)]
    pub licence: String,
}

impl Metadata {
    /// Hash over the canonical bytes: the fields in declaration order, each as `u32 length ‖ bytes`.
    pub fn hash(&self) -> B256 {
        let mut bytes = Vec::new();
        for field in [&self.title, &self.url, &self.author, &self.date, &self.language, &self.licence] {
            let length = u32::try_from(field.len()).expect("metadata is bounded far below 4 GiB on import");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(field.as_bytes());
        }
        keccak256(bytes)
    }
}

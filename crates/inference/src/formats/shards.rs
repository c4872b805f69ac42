//! `model.safetensors.index.json`: which tensor stands in which shard.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    error::{FormatError, shorten},
    json::Fields,
    safetensors::{MAX_NAME_BYTES, MAX_TENSORS, Safetensors},
};

/// Longest index, in bytes.
pub(super) const MAX_INDEX_BYTES: u64 = 16 << 20;
/// Most shards of a model; all are open at once while it is read.
pub(super) const MAX_SHARDS: usize = 256;

/// The tensors of each shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIndex {
    /// Names of tensors by the plain file name of their shard.
    pub shards: BTreeMap<String, BTreeSet<String>>,
}

impl ShardIndex {
    /// Reads the bytes of an index. Names of shards are plain file names: no folder, no `..`, nothing hidden.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() as u64 > MAX_INDEX_BYTES {
            let size = bytes.len() as u64;
            return Err(FormatError::TooLarge { file: file.into(), what: "its size", size, limit: MAX_INDEX_BYTES });
        }
        let map = serde_json::from_slice(bytes).map_err(|source| FormatError::Json { file: file.into(), source })?;
        let fields = Fields { file, map: &map };
        let weights = fields.object("weight_map")?.ok_or_else(|| fields.missing("weight_map"))?;
        let too_many = |what, size: usize, limit: usize| FormatError::TooLarge {
            file: file.into(),
            what,
            size: size as u64,
            limit: limit as u64,
        };
        if weights.map.is_empty() {
            return Err(fields.missing("weight_map"));
        }
        if weights.map.len() > MAX_TENSORS {
            return Err(too_many("the number of its tensors", weights.map.len(), MAX_TENSORS));
        }
        let mut shards = BTreeMap::<String, BTreeSet<String>>::new();
        for (tensor, shard) in weights.map {
            if tensor.len() > MAX_NAME_BYTES {
                return Err(too_many("the length of a name", tensor.len(), MAX_NAME_BYTES));
            }
            let Some(shard) = shard.as_str() else {
                return Err(fields.wrong("weight_map", shard, "names of tensors and of shards"));
            };
            if !is_plain_name(shard) {
                return Err(FormatError::ShardName { file: file.into(), shard: shorten(shard) });
            }
            shards.entry(shard.to_owned()).or_default().insert(tensor.clone());
        }
        if shards.len() > MAX_SHARDS {
            return Err(too_many("the number of its shards", shards.len(), MAX_SHARDS));
        }
        Ok(Self { shards })
    }

    /// Refuses a shard whose tensors are not those that the index puts there.
    pub(super) fn check(&self, file: &str, shard: &str, header: &Safetensors) -> Result<(), FormatError> {
        let listed = &self.shards[shard];
        let found: BTreeSet<&str> = header.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        let extra = found.iter().copied().find(|&name| !listed.contains(name));
        let absent = listed.iter().map(String::as_str).find(|name| !found.contains(name));
        match extra.or(absent) {
            None => Ok(()),
            Some(tensor) => Err(FormatError::IndexMismatch { file: file.into(), tensor: shorten(tensor) }),
        }
    }
}

fn is_plain_name(name: &str) -> bool {
    name.len() <= 128
        && name.ends_with(".safetensors")
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

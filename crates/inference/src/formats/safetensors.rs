//! Headers of safetensors files: eight bytes of length, a JSON object of names, types, shapes and offsets, then data.
//!
//! Read by our own code rather than by the crate of that name, because here a header is refused before anything in
//! proportion to its claims is allocated, duplicates and holes are refused, and the file is not mapped.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

use super::{
    error::{FormatError, HeaderFault, shorten},
    source::Source,
};

/// Longest header, in bytes. 65,536 tensors need about 8 MB.
pub(super) const MAX_HEADER_BYTES: u64 = 16 << 20;
/// Most tensors in one file.
pub(super) const MAX_TENSORS: usize = 1 << 16;
/// Longest name of a tensor, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 256;
/// Most dimensions of a tensor.
pub(super) const MAX_DIMENSIONS: usize = 8;

/// Type of a tensor's elements. Only the first three are decoded; the others are known so that offsets can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// Something else, of that many bytes.
    Other(&'static str, u64),
}

impl Dtype {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "F64" => Self::Other("F64", 8),
            "I64" => Self::Other("I64", 8),
            "U64" => Self::Other("U64", 8),
            "C64" => Self::Other("C64", 8),
            "I32" => Self::Other("I32", 4),
            "U32" => Self::Other("U32", 4),
            "I16" => Self::Other("I16", 2),
            "U16" => Self::Other("U16", 2),
            "I8" => Self::Other("I8", 1),
            "U8" => Self::Other("U8", 1),
            "BOOL" => Self::Other("BOOL", 1),
            "F8_E4M3" => Self::Other("F8_E4M3", 1),
            "F8_E5M2" => Self::Other("F8_E5M2", 1),
            "F8_E8M0" => Self::Other("F8_E8M0", 1),
            _ => return None,
        })
    }

    /// Bytes of one element.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other(_, bytes) => bytes,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Other(name, _) => name,
        })
    }
}

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Name.
    pub name: String,
    /// Type of the elements.
    pub dtype: Dtype,
    /// Sizes, outermost first; their product times the bytes of an element is `bytes`.
    pub shape: Vec<u64>,
    /// Bytes of the data.
    pub bytes: u64,
}

/// A checked header: tensors in the order of their data, which follow one another without a hole to the end of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Safetensors {
    /// Bytes before the data.
    pub header_bytes: u64,
    /// Tensors in the order of their data.
    pub tensors: Vec<TensorEntry>,
}

impl Safetensors {
    /// Reads and checks the header at the start of a file of `len` bytes; `bytes` are those of the header at least.
    pub fn parse(file: &str, bytes: &[u8], len: u64) -> Result<Self, FormatError> {
        let mut source = Prefix { file, bytes, len };
        Ok(Self::read(&mut source)?.0)
    }

    /// Reads and checks the header of a source; the second part is its bytes, the length before it included.
    pub(super) fn read(source: &mut (impl Source + ?Sized)) -> Result<(Self, Vec<u8>), FormatError> {
        let len = source.len();
        let mut header = vec![0; 8];
        source.fill(&mut header)?;
        let json_bytes = u64::from_le_bytes(header[..8].try_into().expect("eight bytes"));
        if json_bytes > MAX_HEADER_BYTES {
            let limit = MAX_HEADER_BYTES;
            return Err(FormatError::TooLarge {
                file: source.label().into(),
                what: "its header in bytes",
                size: json_bytes,
                limit,
            });
        }
        if json_bytes > len - 8 {
            return Err(FormatError::Truncated { file: source.label().into(), needed: 8 + json_bytes, found: len });
        }
        header.resize(8 + json_bytes as usize, 0);
        source.fill(&mut header[8..])?;
        let tensors = tensors(source.label(), &header[8..], len - 8 - json_bytes)?;
        Ok((Self { header_bytes: header.len() as u64, tensors }, header))
    }
}

/// Enough of a file to read its header.
struct Prefix<'a> {
    file: &'a str,
    bytes: &'a [u8],
    len: u64,
}

impl Source for Prefix<'_> {
    fn label(&self) -> &str {
        self.file
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FormatError> {
        let Some((bytes, rest)) = self.bytes.split_at_checked(buffer.len()) else {
            let (needed, found) = (buffer.len() as u64, self.bytes.len() as u64);
            return Err(FormatError::Truncated { file: self.file.into(), needed, found });
        };
        buffer.copy_from_slice(bytes);
        self.bytes = rest;
        Ok(())
    }
}

fn tensors(file: &str, json: &[u8], data_bytes: u64) -> Result<Vec<TensorEntry>, FormatError> {
    let broken = |fault| FormatError::Header { file: file.into(), fault };
    if json.first() != Some(&b'{') {
        return Err(broken(HeaderFault::Magic));
    }
    let entries: Entries =
        serde_json::from_slice(json).map_err(|source| FormatError::Json { file: file.into(), source })?;
    if let Some(name) = entries.duplicate {
        return Err(broken(HeaderFault::Duplicate(shorten(&name))));
    }
    let mut found = Vec::with_capacity(entries.tensors.len());
    for (name, raw) in entries.tensors {
        let short = shorten(&name);
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(broken(HeaderFault::Name(short)));
        }
        let Some(dtype) = Dtype::parse(&raw.dtype) else {
            return Err(broken(HeaderFault::Type { name: short, kind: shorten(&raw.dtype) }));
        };
        if raw.shape.len() > MAX_DIMENSIONS {
            let dimensions = raw.shape.len() as u64;
            return Err(broken(HeaderFault::Dimensions { name: short, dimensions }));
        }
        let [begin, end] = raw.data_offsets;
        let bytes = raw.shape.iter().try_fold(dtype.bytes(), |product, &size| product.checked_mul(size));
        if bytes.is_none() || bytes != end.checked_sub(begin) {
            return Err(broken(HeaderFault::Size(short)));
        }
        found.push((begin, TensorEntry { name, dtype, shape: raw.shape, bytes: end - begin }));
    }
    // Empty tensors share their offset with the next one, so they come first.
    found.sort_by(|(one, a), (other, b)| (one, a.bytes, &a.name).cmp(&(other, b.bytes, &b.name)));
    let mut position = 0u64;
    for (begin, tensor) in &found {
        position = match position.checked_add(tensor.bytes) {
            Some(end) if *begin == position && end <= data_bytes => end,
            _ => return Err(broken(HeaderFault::Offsets(shorten(&tensor.name)))),
        };
    }
    if position != data_bytes {
        return Err(broken(HeaderFault::TrailingBytes(data_bytes - position)));
    }
    Ok(found.into_iter().map(|(_, tensor)| tensor).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The object, with its duplicates noticed: a map would silently keep the last.
struct Entries {
    tensors: BTreeMap<String, RawTensor>,
    duplicate: Option<String>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of tensors")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entries, M::Error> {
        let mut entries = Entries { tensors: BTreeMap::new(), duplicate: None };
        let mut metadata = false;
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                if metadata {
                    entries.duplicate = Some(name);
                }
                metadata = true;
                continue;
            }
            if entries.tensors.len() == MAX_TENSORS {
                return Err(M::Error::custom(format_args!("more than {MAX_TENSORS} tensors")));
            }
            let tensor = map.next_value()?;
            if entries.tensors.insert(name.clone(), tensor).is_some() {
                entries.duplicate = Some(name);
            }
        }
        Ok(entries)
    }
}

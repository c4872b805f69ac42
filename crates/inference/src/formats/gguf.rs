//! Headers of GGUF files, versions 2 and 3, little-endian: keys with values, then tensors with types, sizes and offsets.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    error::{FormatError, HeaderFault, shorten},
    gguf_blocks::Kind,
    safetensors::{MAX_NAME_BYTES, MAX_TENSORS},
};

/// Longest header, in bytes: the vocabulary stands in it, about 10 MB for 150,000 tokens with their merges.
pub(super) const MAX_HEADER_BYTES: u64 = 64 << 20;
/// Most keys.
const MAX_KEYS: u64 = 4096;
/// Longest text of a value, in bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;
/// GGUF has at most four dimensions.
const MAX_DIMENSIONS: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;

/// Value of a key. Of lists only the length is kept: no field that is read is one.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// Either float.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
    /// Number of elements.
    List(u64),
}

/// One tensor of a GGUF file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GgufTensor {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Sizes, outermost first; the file has them the other way round.
    pub(super) shape: Vec<u64>,
    /// Bytes of the data.
    pub(super) bytes: u64,
    /// Bytes to pass over before the data, for their alignment.
    pub(super) padding: u64,
}

/// A checked header.
#[derive(Clone, Debug, PartialEq)]
pub struct Gguf {
    /// Keys and values.
    pub metadata: BTreeMap<String, MetadataValue>,
    /// Bytes before the first tensor's padding.
    pub header_bytes: u64,
    /// Tensors in the order of their data, which follow one another up to their alignment.
    pub(super) tensors: Vec<GgufTensor>,
    /// Bytes after the last tensor, less than the alignment.
    pub(super) trailing: u64,
}

impl Gguf {
    /// Reads and checks the header at the start of a file of `len` bytes; `bytes` are its first ones, all or
    /// at least 64 MiB of them.
    pub fn parse(file: &str, bytes: &[u8], len: u64) -> Result<Self, FormatError> {
        let mut reader = Reader { file, bytes, position: 0, len };
        if reader.take(4)? != b"GGUF" {
            return Err(reader.broken(HeaderFault::Magic));
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(reader.broken(HeaderFault::Version(version)));
        }
        let tensors = reader.u64_up_to("the number of its tensors", MAX_TENSORS as u64)?;
        let keys = reader.u64_up_to("the number of its keys", MAX_KEYS)?;
        let mut metadata = BTreeMap::new();
        for _ in 0..keys {
            let key = reader.name()?;
            let kind = reader.u32()?;
            let value = reader.value(&key, kind)?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(reader.broken(HeaderFault::Duplicate(shorten(&key))));
            }
        }
        let alignment = match metadata.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(MetadataValue::Unsigned(bytes)) if bytes.is_power_of_two() && *bytes <= 1 << 16 => *bytes,
            Some(MetadataValue::Unsigned(bytes)) => return Err(reader.broken(HeaderFault::Alignment(*bytes))),
            Some(_) => return Err(reader.broken(HeaderFault::Alignment(0))),
        };
        let mut names = BTreeSet::new();
        let mut found = Vec::new();
        for _ in 0..tensors {
            let (offset, tensor) = reader.tensor()?;
            if !names.insert(tensor.name.clone()) {
                return Err(reader.broken(HeaderFault::Duplicate(shorten(&tensor.name))));
            }
            found.push((offset, tensor));
        }
        let header_bytes = reader.position as u64;
        let (tensors, trailing) = lay_out(&reader, found, alignment, header_bytes)?;
        Ok(Self { metadata, header_bytes, tensors, trailing })
    }
}

/// Puts the tensors in the order of their data and checks that they follow one another up to the alignment.
fn lay_out(
    reader: &Reader<'_>,
    mut found: Vec<(u64, GgufTensor)>,
    alignment: u64,
    header_bytes: u64,
) -> Result<(Vec<GgufTensor>, u64), FormatError> {
    found.sort_by(|(one, a), (other, b)| (one, a.bytes, &a.name).cmp(&(other, b.bytes, &b.name)));
    let data = header_bytes.next_multiple_of(alignment);
    let mut position = header_bytes;
    let mut tensors = Vec::with_capacity(found.len());
    for (offset, mut tensor) in found {
        let offsets = || reader.broken(HeaderFault::Offsets(shorten(&tensor.name)));
        let begin = data.checked_add(offset).ok_or_else(offsets)?;
        if begin != position.next_multiple_of(alignment) {
            return Err(offsets());
        }
        let end = begin.checked_add(tensor.bytes).filter(|&end| end < 1 << 62).ok_or_else(offsets)?;
        if end > reader.len {
            return Err(FormatError::Truncated { file: reader.file.into(), needed: end, found: reader.len });
        }
        tensor.padding = begin - position;
        position = end;
        tensors.push(tensor);
    }
    // A file without tensors may end before the padding.
    let trailing = reader.len.saturating_sub(position);
    if trailing >= alignment {
        return Err(reader.broken(HeaderFault::TrailingBytes(trailing)));
    }
    Ok((tensors, trailing))
}

struct Reader<'a> {
    file: &'a str,
    bytes: &'a [u8],
    position: usize,
    len: u64,
}

impl<'a> Reader<'a> {
    fn broken(&self, fault: HeaderFault) -> FormatError {
        FormatError::Header { file: self.file.into(), fault }
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], FormatError> {
        let needed = (self.position as u64).saturating_add(count);
        if needed > self.bytes.len() as u64 {
            let file = self.file.into();
            let found = self.bytes.len() as u64;
            return Err(match found < self.len {
                true => FormatError::TooLarge { file, what: "its header in bytes", size: needed, limit: found },
                false => FormatError::Truncated { file, needed, found },
            });
        }
        let taken = &self.bytes[self.position..needed as usize];
        self.position = needed as usize;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        Ok(self.take(N as u64)?.try_into().expect("as many as were asked for"))
    }

    fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    fn u64_up_to(&mut self, what: &'static str, limit: u64) -> Result<u64, FormatError> {
        let size = self.u64()?;
        if size > limit {
            return Err(FormatError::TooLarge { file: self.file.into(), what, size, limit });
        }
        Ok(size)
    }

    fn text(&mut self, what: &'static str, limit: u64) -> Result<&'a str, FormatError> {
        let count = self.u64_up_to(what, limit)?;
        let bytes = self.take(count)?;
        std::str::from_utf8(bytes).map_err(|_| self.broken(HeaderFault::Utf8))
    }

    fn name(&mut self) -> Result<String, FormatError> {
        let name = self.text("the length of a name", MAX_NAME_BYTES as u64)?;
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(self.broken(HeaderFault::Name(shorten(name))));
        }
        Ok(name.to_owned())
    }

    fn value(&mut self, key: &str, kind: u32) -> Result<MetadataValue, FormatError> {
        use MetadataValue::{Bool, Float, List, Signed, Text, Unsigned};
        Ok(match kind {
            0 => Unsigned(self.array::<1>()?[0].into()),
            1 => Signed(i8::from_le_bytes(self.array()?).into()),
            2 => Unsigned(u16::from_le_bytes(self.array()?).into()),
            3 => Signed(i16::from_le_bytes(self.array()?).into()),
            4 => Unsigned(self.u32()?.into()),
            5 => Signed(i32::from_le_bytes(self.array()?).into()),
            6 => Float(f32::from_le_bytes(self.array()?).into()),
            7 => Bool(self.array::<1>()?[0] != 0),
            8 => Text(self.text("the length of a text", MAX_TEXT_BYTES)?.to_owned()),
            9 => List(self.list(key)?),
            10 => Unsigned(self.u64()?),
            11 => Signed(i64::from_le_bytes(self.array()?)),
            12 => Float(f64::from_le_bytes(self.array()?)),
            _ => return Err(self.unknown(key, kind)),
        })
    }

    /// Passes over a list; its elements must all be there.
    fn list(&mut self, key: &str) -> Result<u64, FormatError> {
        let kind = self.u32()?;
        let count = self.u64()?;
        let bytes = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => {
                for _ in 0..count {
                    let bytes = self.u64_up_to("the length of a text", MAX_TEXT_BYTES)?;
                    self.take(bytes)?;
                }
                return Ok(count);
            }
            // A list of lists is in no file that is read here.
            _ => return Err(self.unknown(key, kind)),
        };
        self.take(count.saturating_mul(bytes))?;
        Ok(count)
    }

    fn tensor(&mut self) -> Result<(u64, GgufTensor), FormatError> {
        let name = self.name()?;
        let dimensions = self.u32()?;
        if dimensions == 0 || dimensions > MAX_DIMENSIONS {
            let dimensions = dimensions.into();
            return Err(self.broken(HeaderFault::Dimensions { name: shorten(&name), dimensions }));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(self.u64()?);
        }
        let kind = self.u32()?;
        let Some(kind) = Kind::parse(kind) else { return Err(self.unknown(&name, kind)) };
        // The first size is that of a row, which is made of whole blocks.
        let elements = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
        let whole = shape[0].is_multiple_of(kind.block_elements());
        let bytes = elements.and_then(|elements| (elements / kind.block_elements()).checked_mul(kind.block_bytes()));
        let Some(bytes) = bytes.filter(|_| whole) else { return Err(self.broken(HeaderFault::Size(shorten(&name)))) };
        shape.reverse();
        let offset = self.u64()?;
        Ok((offset, GgufTensor { name, kind, shape, bytes, padding: 0 }))
    }

    fn unknown(&self, name: &str, kind: u32) -> FormatError {
        self.broken(HeaderFault::Type { name: shorten(name), kind: kind.to_string() })
    }
}

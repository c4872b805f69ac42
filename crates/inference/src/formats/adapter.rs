//! A PEFT adapter: `adapter_config.json` and `adapter_model.safetensors`, checked against the base before it is read.

use std::{collections::BTreeMap, path::Path};

use super::{
    Limits,
    adapter_config::AdapterConfig,
    base::required,
    error::{FormatError, shorten},
    hash::{Manifest, Tap, check_hash},
    json::MAX_CONFIG_BYTES,
    numbers,
    safetensors::{Dtype, Safetensors},
    slots::module_name,
    source::{FileSource, MemorySource, Source},
};
use crate::model::{Adapter, AdapterModule, ContentHash, Linear, ModelConfig};

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";

/// One adapted linear layer, before its numbers are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdapterShape {
    /// Decoder layer, from 0.
    pub layer: usize,
    /// Which linear of it.
    pub linear: Linear,
    /// Rank.
    pub rank: usize,
    /// `alpha / rank`, or `alpha / sqrt(rank)` with rsLoRA.
    pub scale: f32,
}

/// An adapter whose configuration and header fit the base model, and whose numbers are not yet in memory.
pub struct AdapterFiles<'a> {
    source: Box<dyn Source + Send + 'a>,
    header: Vec<u8>,
    /// The tensors in the order of the file: the module and whether it is `b`.
    tensors: Vec<Part>,
    modules: Vec<AdapterShape>,
    bytes: u64,
    manifest: Manifest,
    base: ContentHash,
}

struct Part {
    name: String,
    dtype: Dtype,
    bytes: u64,
    module: usize,
    is_b: bool,
}

impl AdapterFiles<'static> {
    /// Opens a PEFT folder for the base model with these shapes and this hash.
    pub fn open(folder: &Path, model: &ModelConfig, base: ContentHash, limits: &Limits) -> Result<Self, FormatError> {
        let missing = |file, remedy| FormatError::MissingFile { folder: folder.display().to_string(), file, remedy };
        let config = required(folder, CONFIG, "export the adapter with PEFT's save_pretrained")?;
        let label = folder.join(CONFIG).display().to_string();
        let config = config.read_whole("its size", MAX_CONFIG_BYTES)?;
        let Some(source) = FileSource::open(folder, TENSORS)? else {
            let pickle = folder.join("adapter_model.bin");
            return Err(match pickle.exists() {
                true => FormatError::Pickle { file: pickle.display().to_string() },
                false => missing(TENSORS, "export the adapter with PEFT's save_pretrained"),
            });
        };
        Self::new(&label, &config, Box::new(source), model, base, limits)
    }
}

impl<'a> AdapterFiles<'a> {
    /// The same with the bytes of both files in memory.
    pub fn from_bytes(
        config: &[u8],
        tensors: &'a [u8],
        model: &ModelConfig,
        base: ContentHash,
        limits: &Limits,
    ) -> Result<Self, FormatError> {
        Self::new(CONFIG, config, Box::new(MemorySource::new(TENSORS, tensors)), model, base, limits)
    }

    fn new(
        label: &str,
        config: &[u8],
        mut source: Box<dyn Source + Send + 'a>,
        model: &ModelConfig,
        base: ContentHash,
        limits: &Limits,
    ) -> Result<Self, FormatError> {
        let parsed = AdapterConfig::parse(label, config)?;
        parsed.check_base(base)?;
        let modules = parsed.modules(model)?;
        let bytes = modules.iter().map(|module| bytes_of(module, model)).sum();
        let limit = limits.adapter_bytes;
        if bytes > limit {
            return Err(FormatError::TooLarge { file: label.into(), what: "its memory in bytes", size: bytes, limit });
        }
        let (header, header_bytes) = Safetensors::read(&mut *source)?;
        let tensors = parts(source.label(), header, &modules, model)?;
        let mut manifest = Manifest::default();
        manifest.add(CONFIG, config);
        Ok(Self { source, header: header_bytes, tensors, modules, bytes, manifest, base })
    }

    /// The adapted layers, ascending.
    pub fn modules(&self) -> &[AdapterShape] {
        &self.modules
    }

    /// Bytes of its numbers in memory.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the numbers, rounded to bfloat16, and the content hash of exactly what was read; refuses another hash than
    /// the `expected` one, if there is one.
    pub fn read(self, expected: Option<ContentHash>) -> Result<Adapter, FormatError> {
        let empty = |&AdapterShape { layer, linear, rank, scale }: &AdapterShape| AdapterModule {
            layer,
            linear,
            rank,
            scale,
            a: Vec::new(),
            b: Vec::new(),
        };
        let mut modules: Vec<AdapterModule> = self.modules.iter().map(empty).collect();
        let file = self.source.label().to_owned();
        let found = self.stream(Some(&mut modules))?;
        check_hash(file, expected, found)?;
        Ok(Adapter { hash: found, modules })
    }

    /// The content hash, with every check that [`Self::read`] makes and none of its memory: what registering an adapter
    /// takes.
    pub fn hash(self) -> Result<ContentHash, FormatError> {
        self.stream(None)
    }

    /// Reads the numbers, into the modules if there are any; gives the content hash of all that was read.
    fn stream(mut self, mut modules: Option<&mut [AdapterModule]>) -> Result<ContentHash, FormatError> {
        let file = self.source.label().to_owned();
        let mut passing = Vec::new();
        let mut tap = Tap::after(&mut *self.source, &self.header);
        for part in &self.tensors {
            let kept = modules.as_deref_mut().map(|modules| {
                let module = &mut modules[part.module];
                if part.is_b { &mut module.b } else { &mut module.a }
            });
            let keeps = kept.is_some();
            let numbers = kept.unwrap_or(&mut passing);
            if keeps {
                numbers.reserve_exact((part.bytes / part.dtype.bytes()) as usize);
            }
            let (mut before, mut infinite) = (0, None);
            tap.stream(part.bytes, 4, |bytes| {
                if !keeps {
                    numbers.clear();
                }
                let from = numbers.len();
                decode_bf16(part.dtype, bytes, numbers);
                let read = &numbers[from..];
                if infinite.is_none() && !are_finite(read) {
                    infinite = read.iter().position(|bits| !are_finite(&[*bits])).map(|index| before + index as u64);
                }
                before += read.len() as u64;
            })?;
            if let Some(index) = infinite {
                return Err(FormatError::NotFinite { file, tensor: part.name.clone(), index });
            }
        }
        self.manifest.add_hashed(TENSORS, tap);
        Ok(self.manifest.adapter_hash(self.base))
    }
}

fn bytes_of(module: &AdapterShape, model: &ModelConfig) -> u64 {
    let (rows, columns) = module.linear.shape(model);
    2 * module.rank as u64 * (rows as u64 + columns as u64)
}

/// Matches the tensors of the file with the modules of the configuration, both ways.
fn parts(
    file: &str,
    header: Safetensors,
    modules: &[AdapterShape],
    model: &ModelConfig,
) -> Result<Vec<Part>, FormatError> {
    let mut wanted = BTreeMap::new();
    for (index, module) in modules.iter().enumerate() {
        let (rows, columns) = module.linear.shape(model);
        let name = module_name(module.layer, module.linear);
        let rank = module.rank as u64;
        wanted.insert(format!("base_model.model.{name}.lora_A.weight"), (index, false, vec![rank, columns as u64]));
        wanted.insert(format!("base_model.model.{name}.lora_B.weight"), (index, true, vec![rows as u64, rank]));
    }
    let mut parts = Vec::with_capacity(header.tensors.len());
    for tensor in header.tensors {
        let Some((module, is_b, expected)) = wanted.remove(&tensor.name) else {
            return Err(FormatError::TensorUnexpected { file: file.into(), tensor: shorten(&tensor.name) });
        };
        if tensor.shape != expected {
            let (tensor, shape) = (tensor.name, tensor.shape);
            return Err(FormatError::TensorShape { file: file.into(), tensor, shape, expected });
        }
        if let Dtype::Other(..) = tensor.dtype {
            let dtype = tensor.dtype.to_string();
            let allowed = "F32, F16, BF16";
            return Err(FormatError::TensorType { file: file.into(), tensor: tensor.name, dtype, allowed });
        }
        parts.push(Part { name: tensor.name, dtype: tensor.dtype, bytes: tensor.bytes, module, is_b });
    }
    match wanted.into_keys().next() {
        Some(tensor) => Err(FormatError::TensorMissing { file: file.into(), tensor }),
        None => Ok(parts),
    }
}

/// Whether no bfloat16 has the largest exponent. All are looked at: a loop that ends early is one number at a time.
fn are_finite(numbers: &[u16]) -> bool {
    const EXPONENT: i16 = 0x7f80;
    // Of signed numbers, since the oldest vectors know no other maximum.
    numbers.iter().fold(0, |most: i16, bits| most.max(bits.cast_signed() & EXPONENT)) < EXPONENT
}

/// Appends little-endian numbers as bfloat16, nearest, ties to even.
fn decode_bf16(dtype: Dtype, bytes: &[u8], out: &mut Vec<u16>) {
    let half = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]);
    match dtype {
        Dtype::Bf16 => out.extend(bytes.chunks_exact(2).map(half)),
        Dtype::F16 => out.extend(bytes.chunks_exact(2).map(|pair| numbers::to_bf16(numbers::from_f16(half(pair))))),
        Dtype::F32 | Dtype::Other(..) => out.extend(
            bytes
                .chunks_exact(4)
                .map(|quad| numbers::to_bf16(f32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]]))),
        ),
    }
}

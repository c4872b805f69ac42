//! A base model: a folder as Hugging Face lays it out, or a GGUF file.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Limits,
    config::parse_config,
    error::{FormatError, shorten},
    generation::GenerationConfig,
    gguf_model,
    hash::{GGUF_NAME, Manifest, Tap, check_hash},
    json::MAX_CONFIG_BYTES,
    numbers,
    safetensors::{Dtype, Safetensors, TensorEntry},
    shards::{MAX_INDEX_BYTES, ShardIndex},
    slots::{self, Expected, HEAD, Naming, Slot},
    source::{FileSource, Source},
    template::{self, ChatTemplate},
    tokenizer::{self, Tokenizer},
};
use crate::model::{ContentHash, ModelConfig, Weights};

const CONFIG: &str = "config.json";
const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";
const GENERATION: &str = "generation_config.json";
const SAVE: &str = "export the model with save_pretrained, or give the folder that it is in";

/// The files beside the weights that decide what a text means to the model, with their limits. Part of its hash.
const TEXT_FILES: [(&str, u64); 4] = [
    (GENERATION, MAX_CONFIG_BYTES),
    ("tokenizer.json", tokenizer::MAX_TOKENIZER_BYTES),
    ("tokenizer_config.json", template::MAX_TOKENIZER_CONFIG_BYTES),
    ("chat_template.jinja", template::MAX_TEMPLATE_BYTES),
];

/// A base model in memory, with what turns text into its tokens where the folder has it.
pub struct Base {
    /// Shapes and constants; `eos` is that of `generation_config.json` where it names any.
    pub config: ModelConfig,
    /// Weights.
    pub weights: Weights,
    /// Content hash of the bytes that all this was read from.
    pub hash: ContentHash,
    /// Defaults for sampling.
    pub generation: GenerationConfig,
    /// From `tokenizer.json`; `None` where there is none, as in a GGUF file alone.
    pub tokenizer: Option<Tokenizer>,
    /// From `chat_template.jinja` or `tokenizer_config.json`.
    pub template: Option<ChatTemplate>,
}

/// Reads a base model and hashes what it reads; refuses another hash than the `expected` one, if there is one. `path` is
/// a folder in Hugging Face's layout, a folder with one `.gguf` file and perhaps a `tokenizer.json`, or a `.gguf` file.
pub fn read_base(path: &Path, expected: Option<ContentHash>, limits: &Limits) -> Result<Base, FormatError> {
    let mut manifest = Manifest::default();
    let layout = Layout::find(path)?;
    let (folder, texts) = layout.texts()?;
    texts.iter().for_each(|(name, bytes)| manifest.add(name, bytes));
    let (mut config, weights) = match &layout {
        Layout::HuggingFace { folder, shards } => read_folder(folder, shards, limits, &mut manifest)?,
        Layout::Gguf { folder, name, .. } => {
            gguf_model::read(&mut required(folder, name, SAVE)?, limits, &mut manifest)?
        }
    };
    let text = |name: &str| texts.get(name).map(|bytes| (folder.join(name).display().to_string(), bytes.as_slice()));
    let generation = match text(GENERATION) {
        Some((label, bytes)) => GenerationConfig::parse(&label, bytes, config.vocabulary)?,
        None => GenerationConfig::default(),
    };
    if !generation.eos.is_empty() {
        config.eos = generation.eos.clone();
    }
    let tokenizer = match text("tokenizer.json") {
        Some((label, bytes)) => Some(Tokenizer::parse(&label, bytes, config.vocabulary)?),
        None => None,
    };
    let template = template::find(text("chat_template.jinja"), text("tokenizer_config.json"))?;
    let hash = manifest.base_hash();
    check_hash(path.display().to_string(), expected, hash)?;
    Ok(Base { config, weights, hash, generation, tokenizer, template })
}

/// The content hash of a base model, from its files alone: nothing is decoded, and little memory is used.
pub fn hash_base(path: &Path) -> Result<ContentHash, FormatError> {
    let mut manifest = Manifest::default();
    let layout = Layout::find(path)?;
    let (_, texts) = layout.texts()?;
    texts.iter().for_each(|(name, bytes)| manifest.add(name, bytes));
    let mut whole = |folder: &Path, name: &str, as_name: &str| {
        let mut source = required(folder, name, SAVE)?;
        let len = source.len();
        let mut tap = Tap::after(&mut source, &[]);
        tap.stream(len, 1, |_| ())?;
        manifest.add_hashed(as_name, tap);
        Ok::<_, FormatError>(())
    };
    match &layout {
        Layout::HuggingFace { folder, shards } => {
            whole(folder, CONFIG, CONFIG)?;
            shards.names().try_for_each(|name| whole(folder, name, name))?;
        }
        Layout::Gguf { folder, name, .. } => whole(folder, name, GGUF_NAME)?,
    }
    Ok(manifest.base_hash())
}

/// Opens a file that must be there.
pub(super) fn required(folder: &Path, name: &str, remedy: &'static str) -> Result<FileSource, FormatError> {
    let file = match name {
        CONFIG => CONFIG,
        "adapter_config.json" => "adapter_config.json",
        _ => "file that its index or its name promises",
    };
    FileSource::open(folder, name)?.ok_or_else(|| FormatError::MissingFile {
        folder: folder.display().to_string(),
        file,
        remedy,
    })
}

enum Layout {
    HuggingFace { folder: PathBuf, shards: Shards },
    Gguf { folder: PathBuf, name: String, alone: bool },
}

enum Shards {
    Single,
    Indexed(ShardIndex),
}

impl Shards {
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Single => Box::new([SINGLE].into_iter()),
            Self::Indexed(index) => Box::new(index.shards.keys().map(String::as_str)),
        }
    }
}

impl Layout {
    fn find(path: &Path) -> Result<Self, FormatError> {
        let is_gguf = |name: &Path| name.extension().is_some_and(|extension| extension == "gguf");
        if is_gguf(path) && !path.is_dir() {
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Self::Gguf { folder, name, alone: true });
        }
        let label = || path.display().to_string();
        let read = |source| FormatError::Read { file: label(), source };
        let mut ggufs = Vec::new();
        let mut pickle = None;
        for entry in fs::read_dir(path).map_err(read)? {
            let name = entry.map_err(read)?.file_name().to_string_lossy().into_owned();
            if is_gguf(Path::new(&name)) {
                ggufs.push(name);
            } else if name.starts_with("pytorch_model") && name.ends_with(".bin") {
                pickle = Some(name);
            }
        }
        ggufs.sort();
        let (single, index) = (FileSource::open(path, SINGLE)?, FileSource::open(path, INDEX)?);
        let ambiguous = |first: &str, second: &str| {
            Err(FormatError::Ambiguous { folder: label(), first: first.into(), second: second.into() })
        };
        let shards = match (single, index) {
            (Some(_), Some(_)) => return ambiguous(SINGLE, INDEX),
            (Some(_), None) => Shards::Single,
            (None, Some(index)) => {
                let file = index.label().to_owned();
                Shards::Indexed(ShardIndex::parse(&file, &index.read_whole("its size", MAX_INDEX_BYTES)?)?)
            }
            (None, None) => {
                return match (ggufs.as_slice(), pickle) {
                    ([name], _) => Ok(Self::Gguf { folder: path.into(), name: name.clone(), alone: false }),
                    ([first, second, ..], _) => ambiguous(first, second),
                    ([], Some(pickle)) => Err(FormatError::Pickle { file: path.join(pickle).display().to_string() }),
                    ([], None) => Err(FormatError::MissingFile { folder: label(), file: SINGLE, remedy: SAVE }),
                };
            }
        };
        match ggufs.first() {
            Some(gguf) => ambiguous(SINGLE, gguf),
            None => Ok(Self::HuggingFace { folder: path.into(), shards }),
        }
    }

    /// The files beside the weights; a GGUF file that was named itself stands for itself.
    fn texts(&self) -> Result<(&Path, BTreeMap<&'static str, Vec<u8>>), FormatError> {
        let folder = match self {
            Self::Gguf { folder, alone: true, .. } => return Ok((folder, BTreeMap::new())),
            Self::Gguf { folder, .. } | Self::HuggingFace { folder, .. } => folder,
        };
        let mut texts = BTreeMap::new();
        for (name, limit) in TEXT_FILES {
            if let Some(source) = FileSource::open(folder, name)? {
                texts.insert(name, source.read_whole("its size", limit)?);
            }
        }
        Ok((folder, texts))
    }
}

/// Checks all headers against the configuration, then reads all shards.
fn read_folder(
    folder: &Path,
    shards: &Shards,
    limits: &Limits,
    manifest: &mut Manifest,
) -> Result<(ModelConfig, Weights), FormatError> {
    let label = folder.join(CONFIG).display().to_string();
    let bytes = required(folder, CONFIG, SAVE)?.read_whole("its size", MAX_CONFIG_BYTES)?;
    let config = parse_config(&label, &bytes)?;
    manifest.add(CONFIG, &bytes);

    let expected = slots::expected(&config, Naming::HuggingFace);
    check_memory(&label, &expected, limits)?;
    let mut wanted = expected.clone();
    let mut opened = Vec::new();
    for name in shards.names() {
        let mut source = required(folder, name, "fetch all shards that the index names")?;
        let (header, header_bytes) = Safetensors::read(&mut source)?;
        if let Shards::Indexed(index) = shards {
            index.check(source.label(), name, &header)?;
        }
        for tensor in &header.tensors {
            check_tensor(source.label(), tensor, &mut wanted, &expected, &config)?;
        }
        opened.push((name, source, header, header_bytes));
    }
    if let Some(tensor) = wanted.into_keys().next() {
        return Err(FormatError::TensorMissing { file: folder.display().to_string(), tensor });
    }

    let mut weights = slots::empty_weights(&config);
    let mut tied = TiedHead::default();
    for (name, mut source, header, header_bytes) in opened {
        let file = source.label().to_owned();
        let mut tap = Tap::after(&mut source, &header_bytes);
        for tensor in &header.tensors {
            let mut digest = (config.tied_embeddings && tied.concerns(&tensor.name)).then(blake3::Hasher::new);
            let out = expected.get(&tensor.name).map(|to| slots::destination(&mut weights, to.slot));
            let mut not_finite = None;
            match out {
                None => tap.stream(tensor.bytes, 4, |bytes| {
                    digest.iter_mut().for_each(|digest| _ = digest.update(bytes));
                })?,
                Some(out) => {
                    out.reserve_exact((tensor.bytes / tensor.dtype.bytes()) as usize);
                    tap.stream(tensor.bytes, 4, |bytes| {
                        digest.iter_mut().for_each(|digest| _ = digest.update(bytes));
                        decode(tensor.dtype, bytes, out);
                    })?;
                    not_finite = out.iter().position(|value| !value.is_finite());
                }
            }
            if let Some(index) = not_finite {
                return Err(FormatError::NotFinite { file, tensor: tensor.name.clone(), index: index as u64 });
            }
            if let Some(digest) = digest {
                tied.add(&file, tensor.dtype, *digest.finalize().as_bytes())?;
            }
        }
        manifest.add_hashed(name, tap);
    }
    Ok((config, weights))
}

pub(super) fn check_memory(
    file: &str,
    expected: &BTreeMap<String, Expected>,
    limits: &Limits,
) -> Result<(), FormatError> {
    let (size, limit) = (slots::weight_bytes(expected), limits.weight_bytes);
    if size > limit {
        return Err(FormatError::WeightMemory { file: file.into(), size, limit });
    }
    Ok(())
}

/// Takes a tensor of a shard from those that are wanted, or accepts one of the two that older writers leave behind.
fn check_tensor(
    file: &str,
    tensor: &TensorEntry,
    wanted: &mut BTreeMap<String, Expected>,
    expected: &BTreeMap<String, Expected>,
    config: &ModelConfig,
) -> Result<(), FormatError> {
    let name = &tensor.name;
    // Frequencies that follow from the configuration, saved by transformers before 4.31.
    if name.ends_with(".rotary_emb.inv_freq") {
        return Ok(());
    }
    let shape = match wanted.remove(name) {
        Some(wanted) => wanted.shape,
        None if name == HEAD && config.tied_embeddings => {
            expected[&Naming::HuggingFace.name(Slot::Embedding)].shape.clone()
        }
        // In two shards.
        None if expected.contains_key(name) => {
            return Err(FormatError::IndexMismatch { file: file.into(), tensor: name.clone() });
        }
        None => return Err(FormatError::TensorUnexpected { file: file.into(), tensor: shorten(name) }),
    };
    if tensor.shape != shape {
        let (tensor, found) = (name.clone(), tensor.shape.clone());
        return Err(FormatError::TensorShape { file: file.into(), tensor, shape: found, expected: shape });
    }
    if let Dtype::Other(..) = tensor.dtype {
        let (tensor, dtype) = (name.clone(), tensor.dtype.to_string());
        return Err(FormatError::TensorType { file: file.into(), tensor, dtype, allowed: "F32, F16, BF16" });
    }
    Ok(())
}

/// Some writers save the head beside the embeddings that it is tied to. Then both must be the same bytes: otherwise it
/// is not known which one the model was trained with.
#[derive(Default)]
struct TiedHead(Option<(Dtype, [u8; 32])>);

impl TiedHead {
    fn concerns(&self, name: &str) -> bool {
        name == HEAD || name == Naming::HuggingFace.name(Slot::Embedding)
    }

    fn add(&mut self, file: &str, dtype: Dtype, digest: [u8; 32]) -> Result<(), FormatError> {
        match self.0.replace((dtype, digest)) {
            Some(other) if other != (dtype, digest) => Err(FormatError::TiedHead { file: file.into() }),
            _ => Ok(()),
        }
    }
}

/// Appends little-endian numbers as f32, exactly.
fn decode(dtype: Dtype, bytes: &[u8], out: &mut Vec<f32>) {
    let halves = || bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    match dtype {
        Dtype::Bf16 => out.extend(halves().map(numbers::from_bf16)),
        Dtype::F16 => out.extend(halves().map(numbers::from_f16)),
        Dtype::F32 | Dtype::Other(..) => {
            out.extend(bytes.chunks_exact(4).map(|quad| f32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]])))
        }
    }
}

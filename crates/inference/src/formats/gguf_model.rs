//! A base model in one GGUF file: its keys become a configuration, its tensors weights in Hugging Face's order of rows.
//! Its tokenizer is not read: a `tokenizer.json` beside the file takes its place.

use super::{
    Limits,
    base::check_memory,
    config::{MAX_HEAD_DIM, MAX_HEADS, MAX_LAYERS, MAX_POSITIONS, MAX_VOCABULARY, MAX_WIDTH},
    error::{FormatError, shorten},
    gguf::{Gguf, GgufTensor, MAX_HEADER_BYTES, MetadataValue},
    gguf_blocks::Kind,
    hash::{GGUF_NAME, Manifest, Tap},
    slots::{self, Expected, Naming, Slot},
    source::Source,
};
use crate::model::{Architecture, Linear, ModelConfig, RopeScaling, Weights};

/// Factors of the rotary frequencies that converters compute from the scaling of Llama 3.
const ROPE_FACTORS: &str = "rope_freqs.weight";
const OTHER_MODEL: &str = "use a Llama, Qwen2 or Qwen3 model, or serve it with an external engine";
const DECODED: &str = "F32, F16, BF16, Q8_0, Q4_K, Q5_K, Q6_K";

/// Reads a model and adds its bytes to the manifest.
pub(super) fn read(
    source: &mut impl Source,
    limits: &Limits,
    manifest: &mut Manifest,
) -> Result<(ModelConfig, Weights), FormatError> {
    let file = source.label().to_owned();
    let mut prefix = vec![0; source.len().min(MAX_HEADER_BYTES) as usize];
    source.fill(&mut prefix)?;
    let header = Gguf::parse(&file, &prefix, source.len())?;
    let mut config = config(&file, &header)?;
    let expected = slots::expected(&config, Naming::Gguf);
    check_memory(&file, &expected, limits)?;
    let mut wanted = expected.clone();
    for tensor in &header.tensors {
        check_tensor(&file, tensor, wanted.remove(&tensor.name), &config)?;
    }
    if let Some(tensor) = wanted.into_keys().next() {
        return Err(FormatError::TensorMissing { file, tensor });
    }

    let mut weights = slots::empty_weights(&config);
    let mut factors = Vec::new();
    // What was read with the header is read again from memory.
    let header_bytes = header.header_bytes as usize;
    let mut rest = Continued { read: &prefix[header_bytes..], source };
    let mut tap = Tap::after(&mut rest, &prefix[..header_bytes]);
    for tensor in &header.tensors {
        tap.stream(tensor.padding, 1, |_| ())?;
        let slot = expected.get(&tensor.name).map(|expected| expected.slot);
        let out = slot.map_or(&mut factors, |slot| slots::destination(&mut weights, slot));
        out.reserve_exact(tensor.shape.iter().product::<u64>() as usize);
        let unit = tensor.kind.block_bytes() as usize;
        tap.stream(tensor.bytes, unit, |bytes| tensor.kind.decode(bytes, out))?;
        if let Some(index) = out.iter().position(|value| !value.is_finite()) {
            return Err(FormatError::NotFinite { file, tensor: tensor.name.clone(), index: index as u64 });
        }
        if config.architecture == Architecture::Llama
            && let Some(Slot::Linear(_, linear @ (Linear::Query | Linear::Key))) = slot
        {
            let (_, columns) = linear.shape(&config);
            undo_permutation(out, config.head_dim, columns);
        }
    }
    tap.stream(header.trailing, 1, |_| ())?;
    manifest.add_hashed(GGUF_NAME, tap);
    if !factors.is_empty() {
        config.rope_scaling = scaling_of(&file, &factors, &config)?;
    }
    Ok((config, weights))
}

fn check_tensor(
    file: &str,
    tensor: &GgufTensor,
    wanted: Option<Expected>,
    config: &ModelConfig,
) -> Result<(), FormatError> {
    let expected = match wanted {
        Some(wanted) => wanted.shape,
        None if tensor.name == ROPE_FACTORS && tensor.kind == Kind::F32 => vec![config.head_dim as u64 / 2],
        None => return Err(FormatError::TensorUnexpected { file: file.into(), tensor: shorten(&tensor.name) }),
    };
    // A vector may be written as a matrix of one row, and the other way round.
    let without_ones = |shape: &[u64]| shape.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
    if without_ones(&tensor.shape) != without_ones(&expected) {
        let (tensor, shape) = (tensor.name.clone(), tensor.shape.clone());
        return Err(FormatError::TensorShape { file: file.into(), tensor, shape, expected });
    }
    if !tensor.kind.is_decoded() {
        let (tensor, dtype) = (tensor.name.clone(), tensor.kind.name());
        return Err(FormatError::TensorType { file: file.into(), tensor, dtype, allowed: DECODED });
    }
    Ok(())
}

/// Bytes that were read already, then the others.
struct Continued<'a, S> {
    read: &'a [u8],
    source: &'a mut S,
}

impl<S: Source> Source for Continued<'_, S> {
    fn label(&self) -> &str {
        self.source.label()
    }

    fn len(&self) -> u64 {
        self.source.len()
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FormatError> {
        let (now, later) = buffer.split_at_mut(self.read.len().min(buffer.len()));
        let (taken, left) = self.read.split_at(now.len());
        now.copy_from_slice(taken);
        self.read = left;
        self.source.fill(later)
    }
}

/// llama.cpp's converter lays the rows of each query and key head out in pairs (2j, 2j+1) that rotate together, where
/// Hugging Face has (j, j + head_dim/2). This puts them back. (`LlamaModel.permute` in `convert_hf_to_gguf.py`.)
fn undo_permutation(rows: &mut [f32], head_dim: usize, columns: usize) {
    let half = head_dim / 2;
    let mut head_rows = vec![0.0; head_dim * columns];
    for head in rows.chunks_exact_mut(head_dim * columns) {
        head_rows.copy_from_slice(head);
        for row in 0..head_dim {
            let from = 2 * (row % half) + row / half;
            head[row * columns..][..columns].copy_from_slice(&head_rows[from * columns..][..columns]);
        }
    }
}

fn config(file: &str, header: &Gguf) -> Result<ModelConfig, FormatError> {
    let keys = Keys { file, header, prefix: "general" };
    if let Some(kind) = keys.text("type")?
        && kind != "model"
    {
        return Err(keys.unsupported(format!("a GGUF file of type {}", shorten(kind))));
    }
    let prefix = keys.text("architecture")?.ok_or_else(|| keys.missing("architecture"))?;
    let architecture = match prefix {
        "llama" => Architecture::Llama,
        "qwen2" => Architecture::Qwen2,
        "qwen3" => Architecture::Qwen3,
        other => return Err(keys.unsupported(format!("architecture {}", shorten(other)))),
    };
    let split = Keys { prefix: "split", ..keys };
    if split.integer("count", 0, u64::MAX)?.unwrap_or(1) > 1 {
        return Err(keys.unsupported("a model split into several GGUF files"));
    }
    let keys = Keys { prefix, ..keys };
    if keys.integer("expert_count", 0, u64::MAX)?.unwrap_or(0) > 0 {
        return Err(keys.unsupported("a mixture of experts"));
    }
    let hidden = keys.count("embedding_length", MAX_WIDTH)?;
    let heads = keys.count("attention.head_count", MAX_HEADS)?;
    let kv_heads = keys.integer("attention.head_count_kv", 1, MAX_HEADS)?.map_or(heads, |heads| heads as usize);
    if !heads.is_multiple_of(kv_heads) {
        return Err(keys.wrong("attention.head_count_kv", kv_heads, format!("a divisor of {heads} heads")));
    }
    let head_dim = keys.integer("attention.key_length", 2, MAX_HEAD_DIM)?.map_or(hidden / heads, |dim| dim as usize);
    if head_dim < 2 || head_dim % 2 == 1 || head_dim as u64 > MAX_HEAD_DIM {
        return Err(keys.wrong("attention.key_length", head_dim, format!("an even number from 2 to {MAX_HEAD_DIM}")));
    }
    for field in ["attention.value_length", "rope.dimension_count"] {
        if let Some(other) = keys.integer(field, 0, u64::MAX)?
            && other != head_dim as u64
        {
            return Err(keys.unsupported(format!("{field} {other} with heads of {head_dim}")));
        }
    }
    let max_positions = keys.count("context_length", MAX_POSITIONS)?;
    if let Some(window) = keys.integer("attention.sliding_window", 0, u64::MAX)?
        && (1..max_positions as u64).contains(&window)
    {
        return Err(keys.unsupported("a sliding window shorter than the context"));
    }
    let embedding = header.tensors.iter().find(|tensor| tensor.name == Naming::Gguf.name(Slot::Embedding));
    let vocabulary = match embedding.map(|tensor| tensor.shape.as_slice()) {
        Some(&[vocabulary, _]) if (1..=MAX_VOCABULARY).contains(&vocabulary) => vocabulary,
        Some(_) => return Err(keys.wrong("vocab_size", "out of range", format!("from 1 to {MAX_VOCABULARY}"))),
        None => {
            let tensor = Naming::Gguf.name(Slot::Embedding);
            return Err(FormatError::TensorMissing { file: file.into(), tensor });
        }
    };
    let head = Naming::Gguf.name(Slot::Head);
    let tokens = Keys { prefix: "tokenizer.ggml", ..keys };
    let token = |field| Ok::<_, FormatError>(tokens.integer(field, 0, vocabulary - 1)?.map(|id| id as u32));
    let mut eos: Vec<u32> = token("eos_token_id")?.into_iter().chain(token("eot_token_id")?).collect();
    eos.dedup();
    Ok(ModelConfig {
        architecture,
        vocabulary: vocabulary as usize,
        hidden,
        intermediate: keys.count("feed_forward_length", MAX_WIDTH)?,
        layers: keys.count("block_count", MAX_LAYERS)?,
        heads,
        kv_heads,
        head_dim,
        rms_norm_eps: keys
            .number("attention.layer_norm_rms_epsilon", 1e-12, 1e-1)?
            .ok_or_else(|| keys.missing("attention.layer_norm_rms_epsilon"))? as f32,
        rope_theta: keys.number("rope.freq_base", 1.0, 1e15)?.unwrap_or(10_000.0),
        rope_scaling: scaling(keys)?,
        max_positions,
        tied_embeddings: !header.tensors.iter().any(|tensor| tensor.name == head),
        eos,
        bos: token("bos_token_id")?,
    })
}

fn scaling(keys: Keys<'_>) -> Result<RopeScaling, FormatError> {
    match keys.text("rope.scaling.type")? {
        None | Some("none") => Ok(RopeScaling::None),
        Some("linear") => {
            let factor = keys.number("rope.scaling.factor", 1.0, 1e6)?;
            Ok(RopeScaling::Linear { factor: factor.ok_or_else(|| keys.missing("rope.scaling.factor"))? })
        }
        Some(other) => Err(keys.unsupported(format!("rope scaling {}", shorten(other)))),
    }
}

/// GGUF keeps what Llama 3's scaling makes of each frequency, not its parameters. All published models use 1 and 4 as
/// low and high factors and 8,192 positions, so those are tried; factors that they do not make are refused.
fn scaling_of(file: &str, factors: &[f32], config: &ModelConfig) -> Result<RopeScaling, FormatError> {
    let (low, high, original) = (1.0, 4.0, 8192.0);
    let factor = f64::from(factors.iter().copied().fold(1.0, f32::max)).round();
    let follows = |(index, &found): (usize, &f32)| {
        let exponent = 2.0 * index as f64 / config.head_dim as f64;
        let wavelength = 2.0 * std::f64::consts::PI * config.rope_theta.powf(exponent);
        let smooth = (original / wavelength - low) / (high - low);
        let expected = match smooth {
            smooth if smooth <= 0.0 => factor,
            smooth if smooth >= 1.0 => 1.0,
            smooth => 1.0 / ((1.0 - smooth) / factor + smooth),
        };
        (f64::from(found) / expected - 1.0).abs() < 1e-4
    };
    let is_none = factors.iter().all(|&factor| factor == 1.0);
    if config.rope_scaling != RopeScaling::None || !is_none && !factors.iter().enumerate().all(follows) {
        let remedy = "use the model in Hugging Face's format, which says how they are made";
        let feature = format!("the rotary factors in {ROPE_FACTORS}");
        return Err(FormatError::Unsupported { file: file.into(), feature, remedy });
    }
    Ok(match is_none {
        true => RopeScaling::None,
        false => RopeScaling::Llama3 {
            factor,
            low_frequency_factor: low,
            high_frequency_factor: high,
            original_positions: original as u32,
        },
    })
}

/// Keys with one prefix.
#[derive(Clone, Copy)]
struct Keys<'a> {
    file: &'a str,
    header: &'a Gguf,
    prefix: &'a str,
}

impl<'a> Keys<'a> {
    fn get(self, field: &str) -> Option<&'a MetadataValue> {
        self.header.metadata.get(&format!("{}.{field}", self.prefix))
    }

    fn missing(self, field: &'static str) -> FormatError {
        FormatError::MissingField { file: self.file.into(), field }
    }

    fn wrong(self, field: &'static str, value: impl std::fmt::Debug, allowed: String) -> FormatError {
        FormatError::Field { file: self.file.into(), field, value: shorten(&format!("{value:?}")), allowed }
    }

    fn unsupported(self, feature: impl Into<String>) -> FormatError {
        FormatError::Unsupported { file: self.file.into(), feature: feature.into(), remedy: OTHER_MODEL }
    }

    fn integer(self, field: &'static str, low: u64, high: u64) -> Result<Option<u64>, FormatError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let number = match value {
            MetadataValue::Unsigned(number) => Some(*number),
            MetadataValue::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        match number {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(field, value, format!("a whole number from {low} to {high}"))),
        }
    }

    fn count(self, field: &'static str, high: u64) -> Result<usize, FormatError> {
        Ok(self.integer(field, 1, high)?.ok_or_else(|| self.missing(field))? as usize)
    }

    fn number(self, field: &'static str, low: f64, high: f64) -> Result<Option<f64>, FormatError> {
        match self.get(field) {
            None => Ok(None),
            Some(MetadataValue::Float(number)) if (low..=high).contains(number) => Ok(Some(*number)),
            Some(value) => Err(self.wrong(field, value, format!("a number from {low} to {high}"))),
        }
    }

    fn text(self, field: &'static str) -> Result<Option<&'a str>, FormatError> {
        match self.get(field) {
            None => Ok(None),
            Some(MetadataValue::Text(text)) => Ok(Some(text)),
            Some(value) => Err(self.wrong(field, value, "a text".into())),
        }
    }
}

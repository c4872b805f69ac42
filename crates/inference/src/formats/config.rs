//! `config.json` of Hugging Face's transformers, versions 4 and 5, for Llama, Qwen2 and Qwen3.

use serde_json::Value;

use super::{
    error::{FormatError, shorten},
    json::{Fields, parse_object},
};
use crate::model::{Architecture, ModelConfig, RopeScaling};

/// Largest vocabulary, in tokens. Token ids of today's largest tokenizers need 18 bits.
pub(super) const MAX_VOCABULARY: u64 = 1 << 21;
/// Largest width of anything inside a layer.
pub(super) const MAX_WIDTH: u64 = 1 << 18;
/// Most decoder layers.
pub(super) const MAX_LAYERS: u64 = 512;
/// Most heads in a layer.
pub(super) const MAX_HEADS: u64 = 1024;
/// Widest head.
pub(super) const MAX_HEAD_DIM: u64 = 1024;
/// Longest context, in tokens.
pub(super) const MAX_POSITIONS: u64 = 1 << 24;

const OTHER_MODEL: &str = "use a Llama, Qwen2 or Qwen3 model, or serve it with an external engine";
const PLAIN_WEIGHTS: &str = "use the unquantized model, or a GGUF file of it";

/// Reads the bytes of a `config.json`. Everything that changes what the model computes is either honoured or refused.
pub fn parse_config(file: &str, bytes: &[u8]) -> Result<ModelConfig, FormatError> {
    let map = parse_object(file, bytes)?;
    let fields = Fields { file, map: &map };
    let architecture = architecture(fields)?;
    refuse_unsupported(fields, architecture)?;

    let vocabulary = fields.count("vocab_size", 1, MAX_VOCABULARY)?;
    let hidden = fields.count("hidden_size", 1, MAX_WIDTH)?;
    let layers = fields.count("num_hidden_layers", 1, MAX_LAYERS)?;
    let heads = fields.count("num_attention_heads", 1, MAX_HEADS)?;
    let kv_heads = match (fields.integer("num_key_value_heads", 1, MAX_HEADS)?, architecture) {
        (Some(kv_heads), _) => kv_heads as usize,
        (None, Architecture::Llama) => heads,
        // Qwen's own default is 32, whatever the heads: a file that leaves it out says nothing.
        (None, _) => return Err(fields.missing("num_key_value_heads")),
    };
    if !heads.is_multiple_of(kv_heads) {
        return Err(fields.wrong("num_key_value_heads", &kv_heads.into(), format!("a divisor of {heads} heads")));
    }
    let head_dim = match fields.integer("head_dim", 2, MAX_HEAD_DIM)? {
        Some(head_dim) => head_dim as usize,
        None if architecture == Architecture::Qwen3 => 128,
        None => hidden / heads,
    };
    if head_dim < 2 || !head_dim.is_multiple_of(2) || head_dim as u64 > MAX_HEAD_DIM {
        return Err(fields.wrong("head_dim", &head_dim.into(), format!("an even number from 2 to {MAX_HEAD_DIM}")));
    }
    let max_positions = fields.count("max_position_embeddings", 1, MAX_POSITIONS)?;
    refuse_sliding_window(fields, layers, max_positions)?;
    let (rope_theta, rope_scaling) = rope(fields)?;
    let bos = fields.token_ids("bos_token_id", vocabulary as u64)?;
    if bos.len() > 1 {
        return Err(fields.wrong("bos_token_id", &bos.into(), "one token"));
    }
    Ok(ModelConfig {
        architecture,
        vocabulary,
        hidden,
        intermediate: fields.count("intermediate_size", 1, MAX_WIDTH)?,
        layers,
        heads,
        kv_heads,
        head_dim,
        rms_norm_eps: fields.number("rms_norm_eps", 1e-12, 1e-1)?.unwrap_or(1e-6) as f32,
        rope_theta,
        rope_scaling,
        max_positions,
        tied_embeddings: fields.boolean("tie_word_embeddings")?.unwrap_or(false),
        eos: fields.token_ids("eos_token_id", vocabulary as u64)?,
        bos: bos.first().copied(),
    })
}

fn architecture(fields: Fields<'_>) -> Result<Architecture, FormatError> {
    let kind = fields.text("model_type")?.ok_or_else(|| fields.missing("model_type"))?;
    let (architecture, class) = match kind {
        "llama" => (Architecture::Llama, "LlamaForCausalLM"),
        "qwen2" => (Architecture::Qwen2, "Qwen2ForCausalLM"),
        "qwen3" => (Architecture::Qwen3, "Qwen3ForCausalLM"),
        other => return Err(fields.unsupported(format!("model_type {}", shorten(other)), OTHER_MODEL)),
    };
    if let Some(classes) = fields.array("architectures")?
        && !classes.iter().all(|name| name.as_str() == Some(class))
    {
        let named = shorten(&Value::from(classes).to_string());
        return Err(fields.unsupported(format!("{named} as architecture of {kind}"), OTHER_MODEL));
    }
    Ok(architecture)
}

fn refuse_unsupported(fields: Fields<'_>, architecture: Architecture) -> Result<(), FormatError> {
    if let Some(quantization) = fields.object("quantization_config")? {
        let method = quantization.text("quant_method")?.unwrap_or("unnamed");
        return Err(fields.unsupported(format!("quantization by {}", shorten(method)), PLAIN_WEIGHTS));
    }
    fields.refuse("auto_map", "code brought by the model", OTHER_MODEL)?;
    // Qwen2 always has biases, and transformers does not read this there.
    if architecture != Architecture::Qwen2 {
        fields.refuse("attention_bias", "a bias of the attention layers", OTHER_MODEL)?;
    }
    fields.refuse("mlp_bias", "a bias of the feed-forward", OTHER_MODEL)?;
    if let Some(activation) = fields.text("hidden_act")?
        && activation != "silu"
        && activation != "swish"
    {
        return Err(fields.unsupported(format!("hidden_act {}", shorten(activation)), OTHER_MODEL));
    }
    // Only Qwen's classes know of it; in a Llama file it would be silently without effect.
    if architecture == Architecture::Llama && fields.get("sliding_window").is_some() {
        return Err(fields.unsupported("sliding_window in a Llama model", OTHER_MODEL));
    }
    Ok(())
}

/// A window over the whole context, or one that no layer uses, changes nothing.
fn refuse_sliding_window(fields: Fields<'_>, layers: usize, max_positions: usize) -> Result<(), FormatError> {
    let window = fields.integer("sliding_window", 1, u64::MAX)?.unwrap_or(u64::MAX);
    let types = fields.array("layer_types")?;
    let used_by_types = match types {
        None => false,
        Some(types) if types.len() != layers => {
            return Err(fields.wrong("layer_types", &types.len().into(), format!("{layers} entries")));
        }
        Some(types) => {
            let known = |name: &Value| matches!(name.as_str(), Some("full_attention" | "sliding_attention"));
            if let Some(other) = types.iter().find(|name| !known(name)) {
                return Err(fields.unsupported(format!("layer type {}", shorten(&other.to_string())), OTHER_MODEL));
            }
            types.iter().any(|name| name.as_str() == Some("sliding_attention"))
        }
    };
    let first = fields.integer("max_window_layers", 0, u64::MAX)?.unwrap_or(0);
    let used_by_flag =
        types.is_none() && fields.boolean("use_sliding_window")?.unwrap_or(false) && first < layers as u64;
    if (used_by_types || used_by_flag) && window < max_positions as u64 {
        return Err(fields.unsupported("a sliding window shorter than the context", OTHER_MODEL));
    }
    Ok(())
}

/// Base and stretching of the rotary frequencies: `rope_theta` and `rope_scaling` until transformers 4, both in
/// `rope_parameters` since 5. A file with both spellings must say the same in both.
fn rope(fields: Fields<'_>) -> Result<(f64, RopeScaling), FormatError> {
    turns_all(fields)?;
    let theta = |fields: Fields<'_>| fields.number("rope_theta", 1.0, 1e15);
    let old_theta = theta(fields)?;
    let old = fields.object("rope_scaling")?.map(scaling).transpose()?;
    let Some(parameters) = fields.object("rope_parameters")? else {
        return Ok((old_theta.unwrap_or(10_000.0), old.unwrap_or(RopeScaling::None)));
    };
    let (new_theta, new) = (theta(parameters)?, scaling(parameters)?);
    let agrees = old_theta.is_none_or(|old| new_theta.is_none_or(|new| new == old)) && old.is_none_or(|old| old == new);
    if !agrees {
        let value = Value::from(parameters.map.clone());
        return Err(fields.wrong("rope_parameters", &value, "what rope_theta and rope_scaling say as well"));
    }
    Ok((new_theta.or(old_theta).unwrap_or(10_000.0), new))
}

const REMEDY: &str = "use a model with default, linear or llama3 scaling, or serve it with an external engine";

/// All of a head is turned, wherever a file says otherwise.
fn turns_all(fields: Fields<'_>) -> Result<(), FormatError> {
    match fields.number("partial_rotary_factor", 0.0, 1.0)? {
        Some(part) if part != 1.0 => Err(fields.unsupported("partial_rotary_factor", REMEDY)),
        _ => Ok(()),
    }
}

fn scaling(fields: Fields<'_>) -> Result<RopeScaling, FormatError> {
    turns_all(fields)?;
    let kind = match (fields.text("rope_type")?, fields.text("type")?) {
        (Some(new), Some(old)) if new != old => {
            return Err(fields.wrong("rope_type", &new.into(), format!("{}, as type says", shorten(old))));
        }
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) => "default",
    };
    let factor = |field: &'static str| fields.number(field, 1e-3, 1e6)?.ok_or_else(|| fields.missing(field));
    match kind {
        // Some writers give each kind of layer its own parameters.
        "default" if fields.map.values().any(Value::is_object) => {
            Err(fields.unsupported("rotary parameters for each type of layer", REMEDY))
        }
        "default" => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear { factor: at_least_one(fields, factor("factor")?)? }),
        "llama3" => {
            let (low, high) = (factor("low_freq_factor")?, factor("high_freq_factor")?);
            if high <= low {
                return Err(fields.wrong("high_freq_factor", &high.into(), format!("more than {low}")));
            }
            Ok(RopeScaling::Llama3 {
                factor: at_least_one(fields, factor("factor")?)?,
                low_frequency_factor: low,
                high_frequency_factor: high,
                original_positions: fields.count("original_max_position_embeddings", 1, MAX_POSITIONS)? as u32,
            })
        }
        other => Err(fields.unsupported(format!("rope_type {}", shorten(other)), REMEDY)),
    }
}

fn at_least_one(fields: Fields<'_>, factor: f64) -> Result<f64, FormatError> {
    if factor >= 1.0 { Ok(factor) } else { Err(fields.wrong("factor", &factor.into(), "at least 1")) }
}

//! `generation_config.json`: what the authors of a model sample with.

use serde_json::Value;

use super::{
    error::{FormatError, shorten},
    json::{Fields, parse_object},
};

/// Options of transformers 5 that change which tokens come and that the engine does not have, each with the number at which
/// it changes nothing, if there is one. Many models carry all of them at those values.
const OTHERS: [(&str, Option<f64>); 26] = [
    ("bad_words_ids", None),
    ("begin_suppress_tokens", None),
    ("constraints", None),
    ("diversity_penalty", Some(0.0)),
    ("dola_layers", None),
    ("encoder_no_repeat_ngram_size", Some(0.0)),
    ("encoder_repetition_penalty", Some(1.0)),
    ("epsilon_cutoff", Some(0.0)),
    ("eta_cutoff", Some(0.0)),
    ("exponential_decay_length_penalty", None),
    ("force_words_ids", None),
    ("forced_bos_token_id", None),
    ("forced_eos_token_id", None),
    ("guidance_scale", Some(1.0)),
    ("min_length", Some(0.0)),
    ("min_new_tokens", Some(0.0)),
    ("min_p", Some(0.0)),
    ("no_repeat_ngram_size", Some(0.0)),
    ("num_beams", Some(1.0)),
    ("penalty_alpha", Some(0.0)),
    ("sequence_bias", None),
    ("stop_strings", None),
    ("suppress_tokens", None),
    ("top_h", None),
    ("typical_p", Some(1.0)),
    ("watermarking_config", None),
];

/// Defaults for requests that do not say otherwise. What is absent was not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerationConfig {
    /// Tokens that end an answer; they take the place of those in `config.json`.
    pub eos: Vec<u32>,
    /// Whether to sample at all, rather than to take the likeliest token.
    pub sample: Option<bool>,
    /// Divisor of the logits, from 0 (the likeliest token) to 100.
    pub temperature: Option<f32>,
    /// Probability mass to sample from, above 0, at most 1.
    pub top_p: Option<f32>,
    /// Number of tokens to sample from; 0 is all.
    pub top_k: Option<u32>,
    /// Divisor of positive logits of tokens that were seen, from 0.01 to 100.
    pub repetition_penalty: Option<f32>,
}

impl GenerationConfig {
    /// Reads the bytes of a `generation_config.json` of a model with that many tokens. An option that would change which
    /// tokens come and that there is not is refused by name: answers would not be those of the model as its authors meant it.
    ///
    /// # Errors
    /// [`FormatError`], naming the option.
    pub fn parse(file: &str, bytes: &[u8], vocabulary: usize) -> Result<Self, FormatError> {
        let map = parse_object(file, bytes)?;
        let fields = Fields { file, map: &map };
        for (option, neutral) in OTHERS {
            if fields.get(option).is_some_and(|value| !changes_nothing(value, neutral)) {
                let remedy = "take it out of the file, which makes it another base, or use another model";
                return Err(fields.unsupported(format!("{option} {}", shorten(&map[option].to_string())), remedy));
            }
        }
        let single = |value: f64| value as f32;
        Ok(Self {
            eos: fields.token_ids("eos_token_id", vocabulary as u64)?,
            sample: fields.boolean("do_sample")?,
            temperature: fields.number("temperature", 0.0, 100.0)?.map(single),
            top_p: fields.number("top_p", f64::from(f32::MIN_POSITIVE), 1.0)?.map(single),
            top_k: fields.integer("top_k", 0, u64::from(u32::MAX))?.map(|k| k as u32),
            repetition_penalty: fields.number("repetition_penalty", 0.01, 100.0)?.map(single),
        })
    }
}

/// Whether an option is off: false, empty, or the number that does nothing.
fn changes_nothing(value: &Value, neutral: Option<f64>) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => neutral.is_some() && number.as_f64() == neutral,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

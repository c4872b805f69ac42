//! `generation_config.json`: what the authors of a model sample with.

use super::{
    error::FormatError,
    json::{Fields, parse_object},
};

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
    /// Reads the bytes of a `generation_config.json` of a model with that many tokens.
    pub fn parse(file: &str, bytes: &[u8], vocabulary: usize) -> Result<Self, FormatError> {
        let map = parse_object(file, bytes)?;
        let fields = Fields { file, map: &map };
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

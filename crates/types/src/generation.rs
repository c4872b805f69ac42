//! What an `exact` answer of a model with weights is a function of, written down so that anyone with the same files can
//! compute it again, and the commitment to it (`docs/spec/replay.md`).

use alloy_primitives::{B256, U256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    AnswerReceipt, ContributionId, EngineClass,
    conversation::{self, Role, Turn},
    fees::BYTES_PER_TOKEN,
    wire::{Asked, MAX_ANSWER, MAX_STOP, MAX_STOPS, Sampling},
};

/// How conversation and passages become the prompt's tokens: `docs/spec/engines.md`, 2, then the base's own template.
pub const LAYOUT: u32 = 1;

/// Most tokens of prompt and answer together.
pub const MAX_CONTEXT: u32 = 1 << 20;

/// Most passages that an answer was written from.
pub const MAX_PASSAGES: usize = 256;

/// The arithmetic of an answer: each is another function of the same files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Profile {
    /// Weights and activations in f32.
    F32Exact = 0,
    /// Weights and activations in int8, sums in i32.
    Int8Exact = 1,
}

/// A turn of the conversation as it stands in the committed prompt: its text follows from the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnLength {
    /// Who says it.
    pub role: Role,
    /// Bytes of what is said.
    pub bytes: u32,
}

/// A passage that the model read: a range of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageRange {
    /// Whose it is.
    pub contribution: ContributionId,
    /// Index of the document.
    pub document: u32,
    /// Where it begins in the document's text, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u32,
}

/// All that the answer's tokens are a function of, beside the receipt's seed, and the tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationRecord {
    /// [`LAYOUT`].
    pub layout: u32,
    /// Content hash of the base's files (`docs/spec/models-files.md`).
    pub base: B256,
    /// Content hash of the adapter's files; zero without one.
    pub adapter: B256,
    /// The arithmetic.
    pub profile: Profile,
    /// Most tokens of prompt and answer that the worker's engine takes.
    pub context: u32,
    /// Most tokens that were asked for. The answer has no more of the model's tokens, and no more bytes than four times as
    /// many.
    pub max_tokens: u32,
    /// Thousandths; 0 always takes the likeliest token.
    pub temperature_milli: u32,
    /// Only the likeliest so many; 0 for all.
    pub top_k: u32,
    /// Only the likeliest whose probabilities sum to so many thousandths.
    pub top_p_milli: u32,
    /// Thousandths, taken off the logit of what the answer already has.
    pub presence_milli: i32,
    /// Thousandths, taken off the logit for each time that the answer already has it.
    pub frequency_milli: i32,
    /// Thousandths, by which logits of what prompt or answer have are made less likely; 1000 does nothing.
    pub repetition_milli: u32,
    /// The answer ends before the first of these.
    pub stop: Vec<String>,
    /// The conversation that the committed prompt is the rendering of; empty: the prompt is a text to be continued.
    pub turns: Vec<TurnLength>,
    /// The passages that were laid before the last question, in their order.
    pub passages: Vec<PassageRange>,
    /// Tokens that the model read.
    pub prompt: Vec<u32>,
    /// Tokens that it wrote, the one that ends the answer included.
    pub answer: Vec<u32>,
    /// Commitment to log-probabilities in the bundle; zero where there are none.
    pub log_probs: B256,
}

/// A field of a record that cannot be, or does not fit what stands beside it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct Unfit {
    /// Its name, one of [`GenerationRecord::FIELDS`].
    pub field: &'static str,
    /// What is wrong.
    pub why: String,
}

fn unfit<T>(field: &'static str, why: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit { field, why: why.into() })
}

impl GenerationRecord {
    /// Names of the fields, in the order of [`Self::words`].
    pub const FIELDS: [&'static str; 18] = [
        "layout",
        "base",
        "adapter",
        "profile",
        "context",
        "max_tokens",
        "temperature_milli",
        "top_k",
        "top_p_milli",
        "presence_milli",
        "frequency_milli",
        "repetition_milli",
        "stop",
        "turns",
        "passages",
        "prompt",
        "answer",
        "log_probs",
    ];

    /// The 18 words that are hashed, one per field: integers as such, lists as the hash of their elements.
    pub fn words(&self) -> Vec<B256> {
        let number = |value: u32| B256::from(U256::from(value));
        // Two's complement, as EIP-712 has signed integers.
        let signed = |value: i32| {
            let mut word = [if value < 0 { 0xff } else { 0 }; 32];
            word[28..].copy_from_slice(&value.to_be_bytes());
            B256::from(word)
        };
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
        let tokens =
            |tokens: &[u32]| keccak256(tokens.iter().flat_map(|token| token.to_be_bytes()).collect::<Vec<u8>>());
        let mut stop = Vec::new();
        for text in &self.stop {
            stop.extend(length(text.len()));
            stop.extend(text.as_bytes());
        }
        let mut turns = Vec::new();
        for TurnLength { role, bytes } in &self.turns {
            turns.push(role.code());
            turns.extend(bytes.to_be_bytes());
        }
        let mut passages = Vec::new();
        for PassageRange { contribution, document, offset, bytes } in &self.passages {
            passages.extend(contribution.0.to_be_bytes());
            passages.extend(document.to_be_bytes());
            passages.extend(offset.to_be_bytes());
            passages.extend(bytes.to_be_bytes());
        }
        vec![
            number(self.layout),
            self.base,
            self.adapter,
            number(self.profile as u32),
            number(self.context),
            number(self.max_tokens),
            number(self.temperature_milli),
            number(self.top_k),
            number(self.top_p_milli),
            signed(self.presence_milli),
            signed(self.frequency_milli),
            number(self.repetition_milli),
            keccak256(stop),
            keccak256(turns),
            keccak256(passages),
            tokens(&self.prompt),
            tokens(&self.answer),
            self.log_probs,
        ]
    }

    /// What the evidence carries in the place of the context channel. `salt` is the answer's: without it nobody can try
    /// guesses of a prompt against the hash.
    pub fn commitment(&self, salt: B256) -> B256 {
        commitment_of_words(&self.words(), salt)
    }

    /// Most tokens that the engine writes: those that were asked for, as far as the context has room.
    pub fn token_limit(&self) -> usize {
        (self.max_tokens as usize).min((self.context as usize).saturating_sub(self.prompt.len()))
    }

    /// Most bytes of the answer.
    pub fn byte_limit(&self) -> usize {
        (self.max_tokens as usize).saturating_mul(BYTES_PER_TOKEN).min(MAX_ANSWER)
    }

    /// The conversation; none where the prompt is a text to be continued.
    ///
    /// # Errors
    /// [`Unfit`] where the prompt is not the rendering of such turns.
    pub fn conversation(&self, prompt: &str) -> Result<Vec<Turn>, Unfit> {
        if self.turns.is_empty() {
            return Ok(Vec::new());
        }
        let lengths = self.turns.iter().map(|turn| (turn.role, turn.bytes as usize));
        match conversation::split(prompt, lengths) {
            Some(turns) => Ok(turns),
            None => unfit("turns", "are not those of the prompt"),
        }
    }

    /// Checks every bound, and that the record is of this receipt and prompt. What a model makes of it is another
    /// question.
    ///
    /// # Errors
    /// [`Unfit`] names the first field that cannot be.
    pub fn check(&self, receipt: &AnswerReceipt, prompt: &str) -> Result<(), Unfit> {
        if self.layout != LAYOUT {
            return unfit("layout", format!("is {}, this release knows {LAYOUT}", self.layout));
        }
        if receipt.engine_class != EngineClass::Exact {
            return unfit("profile", "is exact, the receipt's class is tolerance");
        }
        if self.base != receipt.model_hash {
            return unfit("base", format!("is not the receipt's model_hash {}", receipt.model_hash));
        }
        if self.adapter != receipt.adapter_hash {
            return unfit("adapter", format!("is not the receipt's adapter_hash {}", receipt.adapter_hash));
        }
        let number = |field, value: i64, from: i64, to: i64| {
            if (from..=to).contains(&value) { Ok(()) } else { unfit(field, format!("is {value}, not {from} to {to}")) }
        };
        number("context", self.context.into(), 2, MAX_CONTEXT.into())?;
        number("max_tokens", self.max_tokens.into(), 1, u32::MAX.into())?;
        // The engine's own bounds.
        number("temperature_milli", self.temperature_milli.into(), 0, 100_000)?;
        number("top_p_milli", self.top_p_milli.into(), 1, 1000)?;
        number("presence_milli", self.presence_milli.into(), -100_000, 100_000)?;
        number("frequency_milli", self.frequency_milli.into(), -100_000, 100_000)?;
        number("repetition_milli", self.repetition_milli.into(), 1, 100_000)?;
        if self.stop.len() > MAX_STOPS || self.stop.iter().any(|stop| stop.is_empty() || stop.len() > MAX_STOP) {
            return unfit("stop", format!("are not at most {MAX_STOPS} texts of 1 to {MAX_STOP} bytes"));
        }
        self.conversation(prompt)?;
        if self.passages.len() > MAX_PASSAGES || self.passages.iter().any(|passage| passage.bytes == 0) {
            return unfit("passages", format!("are not at most {MAX_PASSAGES} that hold something"));
        }
        number("prompt", self.prompt.len() as i64, 1, i64::from(self.context) - 1)?;
        number("answer", self.answer.len() as i64, 1, self.token_limit() as i64)
    }

    /// Checks that the record does what was asked for. What was left open is the choice of the base's authors.
    ///
    /// # Errors
    /// [`Unfit`] names the first field that does not.
    pub fn obeys(&self, asked: &Asked, max_output_tokens: u32) -> Result<(), Unfit> {
        let same = |field, is: bool| if is { Ok(()) } else { unfit(field, "is not what was asked for") };
        same("max_tokens", self.max_tokens == max_output_tokens)?;
        let Thousandths { temperature, top_p, presence, frequency } = asked.sampling.thousandths();
        same("temperature_milli", temperature.is_none_or(|asked| asked == self.temperature_milli))?;
        same("top_p_milli", top_p.is_none_or(|asked| asked == self.top_p_milli))?;
        same("presence_milli", presence == self.presence_milli)?;
        same("frequency_milli", frequency == self.frequency_milli)?;
        same("stop", self.stop == asked.stop)?;
        same("turns", self.turns == turn_lengths(&asked.turns))
    }
}

/// The commitment that words lead to: `0b ‖ salt ‖ words`.
pub(crate) fn commitment_of_words(words: &[B256], salt: B256) -> B256 {
    let mut bytes = vec![0x0b];
    bytes.extend_from_slice(salt.as_slice());
    words.iter().for_each(|word| bytes.extend_from_slice(word.as_slice()));
    keccak256(bytes)
}

/// A conversation as a record holds it.
pub fn turn_lengths(turns: &[Turn]) -> Vec<TurnLength> {
    let bytes = |turn: &Turn| u32::try_from(turn.text.len()).unwrap_or(u32::MAX);
    turns.iter().map(|turn| TurnLength { role: turn.role, bytes: bytes(turn) }).collect()
}

/// Sampling options as engine and record have them: to the nearest thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thousandths {
    /// What was asked for.
    pub temperature: Option<u32>,
    /// What was asked for, at least 1.
    pub top_p: Option<u32>,
    /// None asked for is none.
    pub presence: i32,
    /// None asked for is none.
    pub frequency: i32,
}

impl Sampling {
    /// The options in thousandths. Clients write decimal fractions with few digits.
    pub fn thousandths(&self) -> Thousandths {
        let milli = |millionths: u32| millionths.saturating_add(500) / 1000;
        let milli_signed = |millionths: i32| millionths.saturating_add(500).div_euclid(1000);
        Thousandths {
            temperature: self.temperature.map(milli),
            top_p: self.top_p.map(|top_p| milli(top_p).max(1)),
            presence: self.presence_penalty.map_or(0, milli_signed),
            frequency: self.frequency_penalty.map_or(0, milli_signed),
        }
    }
}

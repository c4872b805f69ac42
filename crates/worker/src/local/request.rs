//! A question as the engine takes it: tokens, integers and a key. Pure functions of the job, the passages and the base.

use std::collections::BTreeMap;

use alloy_primitives::keccak256;
use fonte_inference::{
    Generation, Sampling,
    formats::{ChatTemplate, FormatError, GenerationConfig, Message, Tokenizer},
};
use fonte_types::conversation::{self, Turn};

use crate::{
    FoundPassage,
    engine::prompt::{self, Laid},
    model::Question,
};

/// The prompt's tokens. Whatever people wrote is guarded: only the template itself says control tokens.
pub(super) fn prompt(
    tokenizer: &Tokenizer,
    template: Option<&ChatTemplate>,
    question: &Question<'_>,
    passages: &[FoundPassage],
) -> Result<Vec<u32>, FormatError> {
    let (messages, template) = match (prompt::lay(&question.asked.turns, question.prompt, passages), template) {
        (Laid::Text(text), _) => return tokenizer.encode(&tokenizer.guard(&text), true),
        (Laid::Messages(messages), None) => return tokenizer.encode(&tokenizer.guard(&plain(&messages)), true),
        (Laid::Messages(messages), Some(template)) => (messages, template),
    };
    let messages: Vec<Message> = messages
        .into_iter()
        .map(|turn| Message { role: turn.role.name().into(), content: tokenizer.guard(&turn.text).into_owned() })
        .collect();
    // Templates write the token that begins a text themselves.
    tokenizer.encode(&template.render(&messages, true, &BTreeMap::new())?, false)
}

/// The layout for bases without a template: `role: text` per message, a blank line between two, `assistant:` at the end.
fn plain(messages: &[Turn]) -> String {
    format!("{}\n\nassistant:", conversation::render(messages))
}

/// How to continue the prompt: what the request says, else what the base's authors say, else the distribution as it is.
/// The answer has at most `max_output_tokens` of the model's tokens, and as many as the context has room for; that it has
/// no more bytes than were reserved is the worker's to see to.
pub(super) fn generation(defaults: &GenerationConfig, question: &Question<'_>, room: usize) -> Generation {
    let asked = &question.asked.sampling;
    // Both are decimal fractions with few digits; to the nearest thousandth.
    let milli = |millionths: u32| (millionths + 500) / 1000;
    let milli_signed = |millionths: i32| (millionths + 500).div_euclid(1000);
    let milli_float = |value: f32| (f64::from(value) * 1000.0).round() as u32;
    let temperature = match asked.temperature {
        Some(temperature) => milli(temperature),
        None if defaults.sample == Some(false) => 0,
        None => defaults.temperature.map_or(1000, milli_float),
    };
    let top_p = asked.top_p.map(milli).or(defaults.top_p.map(milli_float)).unwrap_or(1000);
    let sampling = Sampling {
        temperature_milli: temperature,
        top_k: defaults.top_k.unwrap_or(0),
        top_p_milli: top_p.max(1),
        presence_milli: asked.presence_penalty.map_or(0, milli_signed),
        frequency_milli: asked.frequency_penalty.map_or(0, milli_signed),
        repetition_milli: defaults.repetition_penalty.map_or(1000, milli_float),
    };
    Generation {
        sampling,
        seed: key(question.seed),
        max_tokens: (question.max_output_tokens as usize).clamp(1, room),
        stop: Vec::new(),
        ignore_eos: false,
        logprobs: question.asked.log_probs.map(usize::from),
    }
}

/// The key of the random numbers: of the receipt's seed alone, so that a seed means the same answer every time.
fn key(seed: u64) -> [u8; 32] {
    keccak256([b"fonte sampling 1".as_slice(), &seed.to_be_bytes()].concat()).0
}

#[cfg(test)]
mod tests {
    use fonte_types::{
        conversation::Role,
        wire::{Asked, Sampling as Wanted},
    };
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn made(defaults: &GenerationConfig, sampling: Wanted) -> Generation {
        let (asked, cancelled) = (Asked { sampling, ..Asked::default() }, CancellationToken::new());
        let question = Question {
            prompt: "",
            text: "",
            payer: Default::default(),
            max_output_tokens: 50,
            seed: 7,
            asked: &asked,
            cancelled: &cancelled,
        };
        generation(defaults, &question, 40)
    }

    #[test]
    fn options_become_integers() {
        let nothing = made(&GenerationConfig::default(), Wanted::default());
        assert_eq!(nothing.sampling, Sampling { temperature_milli: 1000, ..Sampling::GREEDY });
        assert_eq!((nothing.max_tokens, nothing.seed), (40, key(7)));
        assert_ne!(key(7), key(8));
        let defaults = GenerationConfig {
            sample: Some(true),
            temperature: Some(0.6),
            top_p: Some(0.95),
            top_k: Some(20),
            repetition_penalty: Some(1.1),
            ..GenerationConfig::default()
        };
        let authors = Sampling {
            temperature_milli: 600,
            top_k: 20,
            top_p_milli: 950,
            repetition_milli: 1100,
            ..Sampling::GREEDY
        };
        assert_eq!(made(&defaults, Wanted::default()).sampling, authors);
        let wanted = Wanted {
            temperature: Some(0),
            top_p: Some(1),
            presence_penalty: Some(-1_500_000),
            frequency_penalty: Some(250_000),
        };
        let asked =
            Sampling { temperature_milli: 0, top_p_milli: 1, presence_milli: -1500, frequency_milli: 250, ..authors };
        assert_eq!(made(&defaults, wanted).sampling, asked);
        let greedy = GenerationConfig { sample: Some(false), temperature: Some(0.6), ..GenerationConfig::default() };
        assert_eq!(made(&greedy, Wanted::default()).sampling.temperature_milli, 0);
    }

    #[test]
    fn the_plain_layout_is_pinned() {
        let turn = |role, text: &str| Turn { role, text: text.into() };
        let text = plain(&[turn(Role::System, "Be brief."), turn(Role::User, "Why?")]);
        assert_eq!(text, "system: Be brief.\n\nuser: Why?\n\nassistant:");
    }
}

//! A question as the engine takes it: tokens, integers and a key. Pure functions of the job, the passages and the base.

use std::collections::BTreeMap;

use alloy_primitives::{B256, keccak256};
use fonte_inference::{
    Generation, Sampling,
    formats::{ChatTemplate, FormatError, GenerationConfig, Message, Tokenizer},
};
use fonte_types::{
    conversation::{self, Turn},
    generation::{GenerationRecord, LAYOUT, PassageRange, Profile, turn_lengths},
};

use crate::{
    FoundPassage,
    engine::prompt::{self, Laid},
    model::Question,
};

/// The prompt's tokens: of a conversation, or of a text to be continued where there are no turns. Whatever people wrote
/// is guarded: only the template itself says control tokens.
pub(crate) fn prompt(
    tokenizer: &Tokenizer,
    template: Option<&ChatTemplate>,
    turns: &[Turn],
    text: &str,
    passages: &[FoundPassage],
) -> Result<Vec<u32>, FormatError> {
    let (messages, template) = match (prompt::lay(turns, text, passages), template) {
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

/// Shortest part of a passage that is read, in bytes: of less nothing could be credited.
const SHORTEST: usize = 32;

/// The passages that the context has room for beside the conversation and the answer, and the prompt that they make. `lay`
/// makes a prompt of passages. Best passages come first, so the last ones go, and the last that stays is cut at the end of a
/// word where not all of it fits: a shorter range of the same document, for whoever lays the prompt out again.
///
/// The answer's room is as many tokens as were asked for, but at most half of what the conversation leaves: `max_tokens` is
/// a limit that clients set high or leave alone, and an answer without its sources is worth less than a shorter one.
pub(super) fn fitted<E>(
    lay: impl Fn(&[FoundPassage]) -> Result<Vec<u32>, E>,
    mut passages: Vec<FoundPassage>,
    context: usize,
    max_tokens: usize,
) -> Result<(Vec<FoundPassage>, Vec<u32>), E> {
    let all = lay(&passages)?;
    if passages.is_empty() || all.len().saturating_add(max_tokens) <= context {
        return Ok((passages, all));
    }
    let bare = lay(&[])?;
    let answer = max_tokens.min(context.saturating_sub(bare.len()) / 2).max(1);
    let limit = context.saturating_sub(answer);
    if all.len() <= limit {
        return Ok((passages, all));
    }
    // How many tokens a passage takes is known only from a whole prompt, as the mark is another one in each. What is kept was
    // laid out and counted; a search by halves tries a dozen.
    let (mut whole, mut over, mut prompt) = (0, passages.len(), bare);
    while over - whole > 1 {
        let middle = whole.midpoint(over);
        let tried = lay(&passages[..middle])?;
        if tried.len() <= limit {
            (whole, prompt) = (middle, tried);
        } else {
            over = middle;
        }
    }
    passages.truncate(whole + 1);
    let text = std::mem::take(&mut passages[whole].text);
    let ends = word_ends(&text);
    let (mut from, mut to, mut end) = (0, ends.len(), None);
    while from < to {
        let middle = from.midpoint(to);
        passages[whole].text = text[..ends[middle]].to_owned();
        let tried = lay(&passages)?;
        if tried.len() <= limit {
            (from, end, prompt) = (middle + 1, Some(ends[middle]), tried);
        } else {
            to = middle;
        }
    }
    match end {
        Some(end) => passages[whole].text = text[..end].to_owned(),
        None => passages.truncate(whole),
    }
    Ok((passages, prompt))
}

/// Where words of a text end, the last one aside, from [`SHORTEST`] on.
fn word_ends(text: &str) -> Vec<usize> {
    let mut inside = false;
    let ends = text.char_indices().filter_map(|(at, letter)| {
        let ended = inside && letter.is_whitespace();
        inside = !letter.is_whitespace();
        (ended && at >= SHORTEST).then_some(at)
    });
    ends.collect()
}

/// The layout for bases without a template: `role: text` per message, a blank line between two, `assistant:` at the end.
fn plain(messages: &[Turn]) -> String {
    format!("{}\n\nassistant:", conversation::render(messages))
}

/// What of a model an answer is a function of.
pub(super) struct Weights {
    pub(super) base: B256,
    /// Zero without one.
    pub(super) adapter: B256,
    pub(super) profile: Profile,
    /// Most tokens of prompt and answer.
    pub(super) context: u32,
}

/// The record of an answer whose tokens are still to be written. How to continue the prompt: what the request says, else
/// what the base's authors say, else the distribution as it is.
pub(super) fn record(
    weights: Weights,
    defaults: &GenerationConfig,
    question: &Question<'_>,
    passages: &[FoundPassage],
    prompt: Vec<u32>,
) -> GenerationRecord {
    let asked = question.asked.sampling.thousandths();
    let (top_k, repetition_milli) = unasked(defaults);
    let temperature = match asked.temperature {
        Some(temperature) => temperature,
        None if defaults.sample == Some(false) => 0,
        None => defaults.temperature.map_or(1000, milli),
    };
    let Weights { base, adapter, profile, context } = weights;
    GenerationRecord {
        layout: LAYOUT,
        base,
        adapter,
        profile,
        context,
        max_tokens: question.max_output_tokens.max(1),
        temperature_milli: temperature,
        top_k,
        top_p_milli: asked.top_p.or(defaults.top_p.map(milli)).unwrap_or(1000).max(1),
        presence_milli: asked.presence,
        frequency_milli: asked.frequency,
        repetition_milli,
        stop: question.asked.stop.clone(),
        turns: turn_lengths(&question.asked.turns),
        passages: passages.iter().map(range).collect(),
        prompt,
        answer: Vec::new(),
        log_probs: B256::ZERO,
    }
}

/// Options that nobody can ask for, as the base's authors chose them: top-k and the repetition penalty in thousandths.
pub(crate) fn unasked(defaults: &GenerationConfig) -> (u32, u32) {
    (defaults.top_k.unwrap_or(0), defaults.repetition_penalty.map_or(1000, milli))
}

/// To the nearest thousandth.
fn milli(value: f32) -> u32 {
    (f64::from(value) * 1000.0).round() as u32
}

fn range(passage: &FoundPassage) -> PassageRange {
    PassageRange {
        contribution: passage.contribution,
        document: passage.document,
        offset: passage.offset as u64,
        // Passages are a few thousand bytes.
        bytes: u32::try_from(passage.text.len()).unwrap_or(u32::MAX),
    }
}

/// How the engine continues the prompt, by the record and the receipt's seed alone. The answer has at most as many of the
/// model's tokens as were asked for and the context has room for; that it has no more bytes, and ends at stop texts, is
/// seen to where its tokens become text.
pub(crate) fn generation(record: &GenerationRecord, seed: u64) -> Generation {
    let sampling = Sampling {
        temperature_milli: record.temperature_milli,
        top_k: record.top_k,
        top_p_milli: record.top_p_milli,
        presence_milli: record.presence_milli,
        frequency_milli: record.frequency_milli,
        repetition_milli: record.repetition_milli,
    };
    Generation {
        sampling,
        seed: key(seed),
        max_tokens: record.token_limit(),
        stop: Vec::new(),
        ignore_eos: false,
        logprobs: None,
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
        let weights = Weights { base: B256::ZERO, adapter: B256::ZERO, profile: Profile::F32Exact, context: 43 };
        let record = record(weights, defaults, &question, &[], vec![1, 2, 3]);
        generation(&record, question.seed)
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

    fn passage(text: &str) -> FoundPassage {
        FoundPassage {
            contribution: fonte_types::ContributionId(1),
            document: 0,
            title: String::new(),
            about: String::new(),
            language: String::new(),
            offset: 0,
            text: text.into(),
        }
    }

    #[test]
    fn passages_are_cut_to_the_context() {
        let words = "Twelve herons sleep on the upper gate of Lock Nine, and eleven of them eat eels. ";
        let passages: Vec<FoundPassage> =
            [90, 31, 200, 5, 400, 77].into_iter().map(|bytes| passage(words.repeat(6)[..bytes].trim_end())).collect();
        // A prompt of bytes: twenty for the question, ten around a passage, and a mark of one to three.
        let lay = |passages: &[FoundPassage]| {
            let bytes: usize = passages.iter().map(|passage| passage.text.len() + 10).sum();
            Ok::<_, ()>(vec![0; 20 + bytes + if passages.is_empty() { 0 } else { 1 + bytes % 3 }])
        };
        let count = |passages: &[FoundPassage]| lay(passages).expect("it lays").len();
        for context in 0..1000 {
            for max_tokens in [1, 30, 100, 5000] {
                let (kept, prompt) = fitted(lay, passages.clone(), context, max_tokens).expect("it lays");
                assert_eq!(prompt.len(), count(&kept), "{context} {max_tokens}");
                let answer = max_tokens.min(context.saturating_sub(20) / 2).max(1);
                if kept.is_empty() {
                    // Not even the shortest part of the best one.
                    assert!(context < 20 + 31 + 10 + answer + 3 + 6, "{context} {max_tokens}");
                    continue;
                }
                assert!(prompt.len() + answer <= context, "{context} {max_tokens}");
                let last = kept.len() - 1;
                assert_eq!(kept[..last], passages[..last]);
                let (cut, text) = (&kept[last].text, &passages[last].text);
                assert!(text.starts_with(cut.as_str()) && (cut == text || cut.len() >= SHORTEST));
                assert!(cut == text || text[cut.len()..].starts_with(' '), "{cut:?}");
                // No word more would fit, give or take the mark.
                let mut more = kept.clone();
                match (cut == text, passages.get(kept.len())) {
                    (true, None) => continue,
                    (true, Some(next)) => more.push(passage(&next.text[..next.text.len().min(41)])),
                    (false, _) => more[last].text = text[..text.len().min(cut.len() + 9)].into(),
                }
                if more.last().is_some_and(|passage| passage.text.len() > SHORTEST) {
                    assert!(count(&more) + answer + 3 > context, "{context} {max_tokens}: {}", kept.len());
                }
            }
        }
    }

    #[test]
    fn the_plain_layout_is_pinned() {
        let turn = |role, text: &str| Turn { role, text: text.into() };
        let text = plain(&[turn(Role::System, "Be brief."), turn(Role::User, "Why?")]);
        assert_eq!(text, "system: Be brief.\n\nuser: Why?\n\nassistant:");
    }
}

//! Answers in the shapes of OpenAI's API: whole and in chunks, of chats and of texts.

use fonte_types::{
    log_probs::{Alternative, LogProbs, TokenLogProb},
    wire::Finish,
};
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answered, unix_now},
    chat::{Chat, Shape},
    citations,
};

/// A finished answer as the API shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) text: String,
    pub(crate) finish: Finish,
    pub(crate) log_probs: Option<LogProbs>,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    /// `message.annotations`, of an answer that cites.
    pub(crate) annotations: Vec<Value>,
    /// The `fonte` object, of an answer with a receipt.
    pub(crate) fonte: Option<Value>,
}

impl Shown {
    /// An answer with a receipt; `base` is the gateway's public URL. Tokens by Fonte's rule: what is paid for.
    pub(crate) fn of(answered: &Answered, base: &str) -> Self {
        let bundle = &answered.bundle;
        let mut fonte = json!(citations::attribution(bundle));
        if let Some(usage) = answered.engine_usage {
            fonte["engine_usage"] = json!(usage);
        }
        if let Some(log_probs) = &bundle.log_probs {
            fonte["log_probs"] = json!(log_probs.commitment());
        }
        Self {
            text: bundle.answer.text.clone(),
            finish: answered.finish,
            log_probs: bundle.log_probs.clone(),
            input_tokens: bundle.receipt.input_tokens.into(),
            output_tokens: bundle.receipt.output_tokens.into(),
            annotations: citations::annotations(bundle, base).iter().map(|annotation| json!(annotation)).collect(),
            fonte: Some(fonte),
        }
    }
}

/// What all parts of a response have in common.
#[derive(Clone, Debug)]
pub(crate) struct Completion {
    shape: Shape,
    id: String,
    created: u64,
    model: String,
    /// Alternatives to show beside each token; none: log-probabilities were not asked for.
    top_log_probs: Option<u8>,
    pub(crate) include_usage: bool,
    /// Several answers: each shows its own receipt.
    several: bool,
}

impl Completion {
    pub(crate) fn of(chat: &Chat) -> Self {
        let prefix = match chat.shape {
            Shape::Chat => "chatcmpl",
            Shape::Text => "cmpl",
        };
        Self {
            shape: chat.shape,
            id: format!("{prefix}-{}", hex::encode(rand::random::<[u8; 12]>())),
            created: unix_now(),
            model: chat.model.clone(),
            top_log_probs: chat.asked.log_probs,
            include_usage: chat.include_usage,
            several: chat.choices > 1,
        }
    }

    /// The response to a request without a stream.
    pub(crate) fn whole(&self, answers: &[(u32, Shown)]) -> Value {
        let mut choices = Vec::with_capacity(answers.len());
        for (index, shown) in answers {
            let tokens = shown.log_probs.as_ref().map_or(&[][..], |log_probs| &log_probs.tokens);
            let mut choice = self.choice(*index, shown, self.log_probs(tokens, &mut 0));
            match self.shape {
                Shape::Chat => {
                    choice["message"] = json!({
                        "role": "assistant",
                        "content": shown.text,
                        "refusal": null,
                        "annotations": shown.annotations,
                    });
                }
                Shape::Text => choice["text"] = json!(shown.text),
            }
            if let (true, Some(fonte)) = (self.several, &shown.fonte) {
                choice["fonte"] = fonte.clone();
            }
            choices.push(choice);
        }
        let mut response = json!({
            "id": self.id,
            "object": match self.shape { Shape::Chat => "chat.completion", Shape::Text => "text_completion" },
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "usage": usage(answers.iter().map(|(_, shown)| shown)),
            "system_fingerprint": null,
        });
        // One answer's receipt where every reader looks for it; of several, each choice has its own.
        if let ([(_, Shown { fonte: Some(fonte), .. })], false) = (answers, self.several) {
            response["fonte"] = fonte.clone();
        }
        response
    }

    /// The first chunk of an answer, where the shape has one.
    pub(crate) fn opening(&self, index: u32) -> Option<Value> {
        let delta = json!({"role": "assistant", "content": ""});
        (self.shape == Shape::Chat)
            .then(|| self.frame(json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": null}])))
    }

    /// A piece of an answer with the log-probabilities of its tokens, the first of which begins at so many characters; none:
    /// there is nothing to show.
    pub(crate) fn piece(&self, index: u32, text: &str, tokens: &[TokenLogProb], offset: &mut usize) -> Option<Value> {
        let log_probs = self.log_probs(tokens, offset);
        if text.is_empty() && log_probs.is_null() {
            return None;
        }
        let mut choice = json!({"index": index, "logprobs": log_probs, "finish_reason": null});
        match self.shape {
            Shape::Chat => choice["delta"] = json!({ "content": text }),
            Shape::Text => choice["text"] = json!(text),
        }
        Some(self.frame(json!([choice])))
    }

    /// The last chunk of an answer: its citations and its receipt.
    pub(crate) fn last(&self, index: u32, shown: &Shown) -> Value {
        let mut choice = self.choice(index, shown, Value::Null);
        match self.shape {
            Shape::Chat => choice["delta"] = json!({"annotations": shown.annotations}),
            Shape::Text => choice["text"] = json!(""),
        }
        let mut chunk = self.frame(json!([choice]));
        if let Some(fonte) = &shown.fonte {
            chunk["fonte"] = fonte.clone();
        }
        chunk
    }

    /// The chunk after the last one, where it was asked for.
    pub(crate) fn usage(&self, answers: &[Shown]) -> Value {
        let mut frame = self.frame(json!([]));
        frame["usage"] = usage(answers.iter());
        frame
    }

    /// Log-probabilities as they were asked for; null where they were not, or where there are none.
    fn log_probs(&self, tokens: &[TokenLogProb], offset: &mut usize) -> Value {
        match self.top_log_probs.filter(|_| !tokens.is_empty()) {
            None => Value::Null,
            Some(top) => match self.shape {
                Shape::Chat => of_chat(tokens, top.into()),
                Shape::Text => of_text(tokens, top.into(), offset),
            },
        }
    }

    fn choice(&self, index: u32, shown: &Shown, log_probs: Value) -> Value {
        let finish_reason = match shown.finish {
            Finish::Stop => "stop",
            Finish::Length => "length",
            Finish::ContentFilter => "content_filter",
        };
        json!({"index": index, "logprobs": log_probs, "finish_reason": finish_reason})
    }

    fn frame(&self, choices: Value) -> Value {
        let mut frame = json!({
            "id": self.id,
            "object": match self.shape { Shape::Chat => "chat.completion.chunk", Shape::Text => "text_completion" },
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if self.include_usage {
            frame["usage"] = Value::Null;
        }
        frame
    }
}

fn usage<'a>(answers: impl Iterator<Item = &'a Shown>) -> Value {
    let (mut input, mut output) = (0, 0);
    for shown in answers {
        input += shown.input_tokens;
        output += shown.output_tokens;
    }
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

/// Natural logarithm; the one place where what was quantised becomes a floating point number again.
fn logarithm(alternative: &Alternative) -> f64 {
    f64::from(alternative.micronats) / 1e6
}

fn token(alternative: &Alternative) -> String {
    String::from_utf8_lossy(&alternative.bytes).into_owned()
}

fn of_chat(tokens: &[TokenLogProb], top: usize) -> Value {
    let entry = |alternative: &Alternative| json!({"token": token(alternative), "logprob": logarithm(alternative), "bytes": alternative.bytes.to_vec()});
    let content: Vec<Value> = tokens
        .iter()
        .map(|token| {
            let mut content = entry(&token.token);
            content["top_logprobs"] = token.top.iter().take(top).map(entry).collect();
            content
        })
        .collect();
    json!({"content": content, "refusal": null})
}

fn of_text(tokens: &[TokenLogProb], top: usize, offset: &mut usize) -> Value {
    let mut offsets = Vec::with_capacity(tokens.len());
    let mut tops = Vec::with_capacity(tokens.len());
    for TokenLogProb { token: written, top: others } in tokens {
        offsets.push(*offset);
        *offset += token(written).chars().count();
        let others = others.iter().take(top).map(|other| (token(other), json!(logarithm(other))));
        tops.push(others.collect::<Map<_, _>>());
    }
    json!({
        "tokens": tokens.iter().map(|written| token(&written.token)).collect::<Vec<_>>(),
        "token_logprobs": tokens.iter().map(|written| logarithm(&written.token)).collect::<Vec<_>>(),
        "top_logprobs": tops,
        "text_offset": offsets,
    })
}

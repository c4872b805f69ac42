//! Log-probabilities out of an engine's chunks, quantised here and nowhere else.

use alloy_primitives::Bytes;
use fonte_types::log_probs::{Alternative, LEAST, LogProbs, MAX_ALTERNATIVES, MAX_LOG_PROBS, TokenLogProb};
use serde_json::Value;

/// A number above 0 by less than this is 0 that was rounded.
const ROUNDING: f64 = 1e-3;

/// Gathers the tokens of a stream. One that cannot be read spoils them all: what is committed to is whole.
#[derive(Default)]
pub(super) struct Collector {
    tokens: Vec<TokenLogProb>,
    bytes: usize,
    spoiled: bool,
}

impl Collector {
    /// Takes a choice's `logprobs` in, in the shape of chat chunks (`content`) or of text completions (`tokens`).
    pub(super) fn take(&mut self, log_probs: Option<&Value>) {
        let Some(log_probs) = log_probs.filter(|log_probs| !log_probs.is_null()) else { return };
        let read = if let Some(content) = log_probs["content"].as_array() {
            content.iter().map(of_chat).collect::<Option<Vec<_>>>()
        } else if log_probs["tokens"].is_array() {
            of_text(log_probs)
        } else {
            // `{"content": null}`: nothing to tell of this chunk.
            return;
        };
        let Some(read) = read else {
            self.spoiled = true;
            return;
        };
        self.bytes += read.iter().map(size).sum::<usize>();
        self.spoiled |= self.bytes > MAX_LOG_PROBS;
        if self.spoiled {
            self.tokens.clear();
        } else {
            self.tokens.extend(read);
        }
    }

    /// What was gathered, if it is any.
    pub(super) fn finish(self) -> Option<LogProbs> {
        (!self.spoiled && !self.tokens.is_empty()).then_some(LogProbs { tokens: self.tokens })
    }
}

/// Bytes of the canonical encoding.
fn size(token: &TokenLogProb) -> usize {
    1 + std::iter::once(&token.token).chain(&token.top).map(|alternative| 8 + alternative.bytes.len()).sum::<usize>()
}

fn of_chat(entry: &Value) -> Option<TokenLogProb> {
    let top = entry["top_logprobs"].as_array().map_or(&[][..], Vec::as_slice);
    let top = top.iter().take(MAX_ALTERNATIVES).map(alternative).collect::<Option<_>>()?;
    Some(TokenLogProb { token: alternative(entry)?, top })
}

fn alternative(entry: &Value) -> Option<Alternative> {
    let bytes = match &entry["bytes"] {
        Value::Array(bytes) => {
            let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
            bytes.iter().map(byte).collect::<Option<Vec<_>>>()?.into()
        }
        _ => Bytes::copy_from_slice(entry["token"].as_str()?.as_bytes()),
    };
    Some(Alternative { bytes, micronats: micronats(&entry["logprob"])? })
}

fn of_text(log_probs: &Value) -> Option<Vec<TokenLogProb>> {
    let tokens = log_probs["tokens"].as_array()?;
    let values = log_probs["token_logprobs"].as_array()?;
    if tokens.len() != values.len() {
        return None;
    }
    let named = |token: &str, value: &Value| {
        Some(Alternative { bytes: Bytes::copy_from_slice(token.as_bytes()), micronats: micronats(value)? })
    };
    let mut read = Vec::with_capacity(tokens.len());
    for (index, (token, value)) in tokens.iter().zip(values).enumerate() {
        // An object by token; sorted as read, since JSON objects have no order: by bytes.
        let top = match &log_probs["top_logprobs"][index] {
            Value::Object(top) => {
                top.iter().take(MAX_ALTERNATIVES).map(|(token, value)| named(token, value)).collect::<Option<_>>()?
            }
            _ => Vec::new(),
        };
        read.push(TokenLogProb { token: named(token.as_str()?, value)?, top });
    }
    Some(read)
}

/// Millionths of a nat, rounded half away from zero, at least [`LEAST`].
fn micronats(value: &Value) -> Option<i32> {
    let value = value.as_f64().filter(|value| *value < ROUNDING)?;
    // In range by the clamp, and whole by the rounding.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of an i32")]
    let rounded = (value * 1e6).round().clamp(f64::from(LEAST), 0.0) as i32;
    Some(rounded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn collect(chunks: &[Value]) -> Option<LogProbs> {
        let mut collector = Collector::default();
        chunks.iter().for_each(|chunk| collector.take(Some(chunk)));
        collector.finish()
    }

    #[test]
    fn quantised_once_and_bounded() {
        let cases = [
            (json!(-0.5), Some(-500_000)),
            (json!(-1.5e-6), Some(-2)),
            (json!(0), Some(0)),
            (json!(1e-7), Some(0)),
            (json!(-9999.0), Some(LEAST)),
            (json!(-1e300), Some(LEAST)),
            (json!(0.5), None),
            (json!(null), None),
            (json!("-1"), None),
        ];
        for (value, expected) in cases {
            assert_eq!(micronats(&value), expected, "{value}");
        }
    }

    #[test]
    fn three_shapes_are_read_and_broken_ones_spoil_the_rest() {
        let chat = json!({"content": [{"token": "\u{fffd}", "bytes": [195], "logprob": -0.1, "top_logprobs": [
            {"token": "a", "bytes": null, "logprob": -2.0}
        ]}]});
        let read = collect(&[chat.clone(), json!({"content": null}), chat.clone()]).expect("two tokens");
        assert_eq!(read.tokens.len(), 2);
        assert_eq!(
            (read.tokens[0].token.bytes.as_ref(), read.tokens[0].top[0].bytes.as_ref()),
            (&[195][..], &b"a"[..])
        );
        let text = json!({"tokens": ["a", "b"], "token_logprobs": [-1.0, -2.0], "text_offset": [0, 1],
                          "top_logprobs": [{"a": -1.0, "z": -3.0}, null]});
        let read = collect(&[text]).expect("two tokens");
        assert_eq!((read.tokens[0].top.len(), read.tokens[1].token.micronats), (2, -2_000_000));
        for broken in [
            json!({"content": [{"token": "a", "logprob": 3.0}]}),
            json!({"content": [{"logprob": -1.0}]}),
            json!({"content": [{"token": "a", "bytes": [256], "logprob": -1.0}]}),
            json!({"tokens": ["a"], "token_logprobs": []}),
        ] {
            assert_eq!(collect(&[chat.clone(), broken.clone(), chat.clone()]), None, "{broken}");
        }
        let long = json!({"content": [{"token": "x".repeat(MAX_LOG_PROBS), "logprob": -1.0}]});
        assert_eq!(collect(&[long]), None);
        assert_eq!(collect(&[Value::Null]), None);
    }
}

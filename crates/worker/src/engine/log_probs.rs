//! Log-probabilities out of an engine's chunks, quantised here and nowhere else.

use alloy_primitives::Bytes;
use fonte_types::log_probs::{Alternative, LEAST, MAX_ALTERNATIVES, TokenLogProb};
use serde_json::Value;

/// A number above 0 by less than this is 0 that was rounded.
const ROUNDING: f64 = 1e-3;

/// Reads the tokens of a stream. A chunk of which one cannot be read ends them: without it, what follows could be anywhere
/// in the answer.
#[derive(Default)]
pub(super) struct Reader {
    ended: bool,
}

impl Reader {
    /// A choice's `logprobs`, in the shape of chat chunks (`content`) or of text completions (`tokens`).
    pub(super) fn read(&mut self, log_probs: Option<&Value>) -> Vec<TokenLogProb> {
        let Some(log_probs) = log_probs.filter(|_| !self.ended) else { return Vec::new() };
        let read = if let Some(content) = log_probs["content"].as_array() {
            content.iter().map(of_chat).collect::<Option<Vec<_>>>()
        } else if log_probs["tokens"].is_array() {
            of_text(log_probs)
        } else {
            // Null, or `{"content": null}`: nothing to tell of this chunk.
            return Vec::new();
        };
        self.ended = read.is_none();
        read.unwrap_or_default()
    }
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

    fn read(chunks: &[Value]) -> Vec<TokenLogProb> {
        let mut reader = Reader::default();
        chunks.iter().flat_map(|chunk| reader.read(Some(chunk))).collect()
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
    fn three_shapes_are_read_and_broken_ones_end_them() {
        let chat = json!({"content": [{"token": "\u{fffd}", "bytes": [195], "logprob": -0.1, "top_logprobs": [
            {"token": "a", "bytes": null, "logprob": -2.0}
        ]}]});
        let both = read(&[chat.clone(), json!({"content": null}), Value::Null, chat.clone()]);
        assert_eq!(both.len(), 2);
        assert_eq!((both[0].token.bytes.as_ref(), both[0].top[0].bytes.as_ref()), (&[195][..], &b"a"[..]));
        let text = json!({"tokens": ["a", "b"], "token_logprobs": [-1.0, -2.0], "text_offset": [0, 1],
                          "top_logprobs": [{"a": -1.0, "z": -3.0}, null]});
        let two = read(&[text]);
        assert_eq!((two[0].top.len(), two[1].token.micronats), (2, -2_000_000));
        for broken in [
            json!({"content": [{"token": "a", "logprob": 3.0}]}),
            json!({"content": [{"logprob": -1.0}]}),
            json!({"content": [{"token": "a", "bytes": [256], "logprob": -1.0}]}),
            json!({"tokens": ["a"], "token_logprobs": []}),
        ] {
            assert_eq!(read(&[chat.clone(), broken.clone(), chat.clone()]), both[..1], "{broken}");
        }
    }
}

//! What an engine said of its own words: log-probabilities, quantised once, and the commitment to them
//! (`docs/spec/engines.md`, 4). Recorded, not proved: only a model that can be replayed could show that they are true.

use alloy_primitives::{B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

/// Most bytes of the canonical encoding; an answer with more carries none.
pub const MAX_LOG_PROBS: usize = 1 << 20;

/// Most alternatives beside a token, as OpenAI's API has it.
pub const MAX_ALTERNATIVES: usize = 20;

/// The least that is written, in millionths of a nat: engines say minus infinity in different ways.
pub const LEAST: i32 = -1_000_000_000;

/// A token and its log-probability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// The token's bytes: a token may be part of a character.
    pub bytes: Bytes,
    /// Natural logarithm of its probability in millionths, from [`LEAST`] to 0.
    pub micronats: i32,
}

/// A token of the answer, and what else might have stood there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLogProb {
    /// The token that was written.
    #[serde(flatten)]
    pub token: Alternative,
    /// The likeliest tokens there, as the engine ranks them; it may be among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<Alternative>,
}

/// Log-probabilities of an answer from its first token on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogProbs {
    /// In the order of the answer.
    pub tokens: Vec<TokenLogProb>,
}

/// Why log-probabilities do not belong to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogProbsError {
    /// A token is not what the answer holds there.
    #[error("token {0} is not what the answer holds there")]
    Token(usize),
    /// A number is out of range.
    #[error("token {0} has a log-probability above 0 or below the least")]
    Range(usize),
    /// Too many alternatives.
    #[error("token {0} has more than {MAX_ALTERNATIVES} alternatives")]
    Alternatives(usize),
    /// Too long.
    #[error("they are longer than {MAX_LOG_PROBS} bytes")]
    TooLong,
    /// None at all: an answer without them says so by leaving them out.
    #[error("there are none")]
    Empty,
}

impl LogProbs {
    /// `0a ‖ u32 tokens ‖ (alternative ‖ u8 alternatives ‖ alternative*)*` with `alternative = u32 length ‖ bytes ‖
    /// i32 micronats`, big-endian.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0x0a];
        bytes.extend_from_slice(&length(self.tokens.len()));
        let put = |bytes: &mut Vec<u8>, alternative: &Alternative| {
            bytes.extend_from_slice(&length(alternative.bytes.len()));
            bytes.extend_from_slice(&alternative.bytes);
            bytes.extend_from_slice(&alternative.micronats.to_be_bytes());
        };
        for token in &self.tokens {
            put(&mut bytes, &token.token);
            bytes.push(u8::try_from(token.top.len()).unwrap_or(u8::MAX));
            token.top.iter().for_each(|alternative| put(&mut bytes, alternative));
        }
        bytes
    }

    /// What the evidence carries: the hash of [`Self::encode`].
    pub fn commitment(&self) -> B256 {
        keccak256(self.encode())
    }

    /// Checks that the tokens are the beginning of an answer, and every bound.
    pub fn check(&self, answer: &[u8]) -> Result<(), LogProbsError> {
        if self.tokens.is_empty() {
            return Err(LogProbsError::Empty);
        }
        let mut rest = answer;
        for (index, token) in self.tokens.iter().enumerate() {
            rest = rest.strip_prefix(token.token.bytes.as_ref()).ok_or(LogProbsError::Token(index))?;
            if token.top.len() > MAX_ALTERNATIVES {
                return Err(LogProbsError::Alternatives(index));
            }
            let all = std::iter::once(&token.token).chain(&token.top);
            if all.into_iter().any(|alternative| !(LEAST..=0).contains(&alternative.micronats)) {
                return Err(LogProbsError::Range(index));
            }
        }
        if self.encode().len() > MAX_LOG_PROBS {
            return Err(LogProbsError::TooLong);
        }
        Ok(())
    }

    /// Those of the tokens that lie within an answer; none where a token is not what the answer holds, or where they
    /// break a bound. An engine may go on beyond what the answer keeps: a stop text, an end mark, a length.
    pub fn within(mut self, answer: &[u8]) -> Option<Self> {
        let mut at = 0;
        let mut kept = 0;
        for token in &self.tokens {
            let end = at + token.token.bytes.len();
            if end > answer.len() {
                break;
            }
            if answer[at..end] != *token.token.bytes {
                return None;
            }
            at = end;
            kept += 1;
        }
        self.tokens.truncate(kept);
        self.check(answer).is_ok().then_some(self)
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, micronats: i32, top: &[(&str, i32)]) -> TokenLogProb {
        let alternative =
            |text: &str, micronats| Alternative { bytes: Bytes::copy_from_slice(text.as_bytes()), micronats };
        TokenLogProb {
            token: alternative(text, micronats),
            top: top.iter().map(|(text, micronats)| alternative(text, *micronats)).collect(),
        }
    }

    #[test]
    fn the_encoding_is_what_the_specification_says() {
        let one = LogProbs { tokens: vec![token("ab", -1, &[("c", LEAST)])] };
        let expected = [
            &[0x0a, 0, 0, 0, 1][..],
            &[0, 0, 0, 2, b'a', b'b', 0xff, 0xff, 0xff, 0xff],
            &[1, 0, 0, 0, 1, b'c', 0xc4, 0x65, 0x36, 0x00],
        ]
        .concat();
        assert_eq!(one.encode(), expected);
        assert_eq!(one.commitment(), keccak256(expected));
        let text = serde_json::to_string(&one).expect("plain");
        assert_eq!(serde_json::from_str::<LogProbs>(&text).expect("the same"), one);
    }

    #[test]
    fn tokens_are_the_answers_beginning() {
        let said = LogProbs { tokens: vec![token("The ", -5, &[]), token("eel", -7, &[]), token("</s>", 0, &[])] };
        let kept = said.clone().within(b"The eel").expect("they are");
        assert_eq!(kept.tokens.len(), 2);
        assert_eq!(kept.check(b"The eel swims"), Ok(()));
        assert_eq!(said.clone().within(b"The cat"), None);
        assert_eq!(said.clone().within(b"Th"), None, "not one token is within");
        assert_eq!(said.check(b"The eel"), Err(LogProbsError::Token(2)));
        let mut high = said.clone();
        high.tokens[1].token.micronats = 1;
        assert_eq!(high.within(b"The eel"), None);
        let many = LogProbs { tokens: vec![token("a", 0, &[("b", 0); 21])] };
        assert_eq!(many.check(b"a"), Err(LogProbsError::Alternatives(0)));
        let long = "x".repeat(MAX_LOG_PROBS);
        assert_eq!(LogProbs { tokens: vec![token("a", 0, &[(&long, 0)])] }.check(b"a"), Err(LogProbsError::TooLong));
        assert_eq!(LogProbs::default().check(b"a"), Err(LogProbsError::Empty));
    }
}

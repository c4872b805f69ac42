//! What an engine said of its own words: log-probabilities, quantised once, and the commitment to them
//! (`docs/spec/engines.md`, 4). Recorded, not proved: only a model that can be replayed could show that they are true.

use alloy_primitives::{B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

/// Most bytes of the canonical encoding: the tokens after that are left out.
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

impl TokenLogProb {
    /// Its part of the canonical encoding, in bytes.
    pub fn encoded_len(&self) -> usize {
        let all = std::iter::once(&self.token).chain(&self.top);
        1 + all.map(|alternative| 8 + alternative.bytes.len()).sum::<usize>()
    }

    /// Whether it breaks a bound that needs no answer to be seen; `index` is its place.
    fn bounded(&self, index: usize) -> Result<(), LogProbsError> {
        if self.top.len() > MAX_ALTERNATIVES {
            return Err(LogProbsError::Alternatives(index));
        }
        let mut all = std::iter::once(&self.token).chain(&self.top);
        match all.all(|alternative| (LEAST..=0).contains(&alternative.micronats)) {
            true => Ok(()),
            false => Err(LogProbsError::Range(index)),
        }
    }
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
            token.bounded(index)?;
        }
        match HEAD + self.tokens.iter().map(TokenLogProb::encoded_len).sum::<usize>() {
            ..=MAX_LOG_PROBS => Ok(()),
            _ => Err(LogProbsError::TooLong),
        }
    }

    /// Those of the tokens, from the first on, that belong to an answer; none where not even the first does. An engine may
    /// go on beyond what the answer keeps: a stop text, an end mark, a length.
    pub fn within(mut self, answer: &[u8]) -> Option<Self> {
        let mut along = Along::default();
        let kept = self.tokens.iter().take_while(|token| along.take(token, answer) == Taken::Belongs).count();
        self.tokens.truncate(kept);
        (kept > 0).then_some(self)
    }
}

/// What precedes the tokens in the canonical encoding: a tag and their number.
const HEAD: usize = 5;

/// Which tokens belong to an answer, told one by one while it is written: those from the first on that are what it holds
/// and break no bound. [`LogProbs::within`] tells the same of the whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Along {
    /// Tokens taken.
    tokens: usize,
    /// Where the next one begins in the answer.
    at: usize,
    /// Bytes of their encoding.
    encoded: usize,
    ended: bool,
}

/// What becomes of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the answer's next.
    Belongs,
    /// Its text is still to come. It is to be asked about again.
    Waits,
    /// It does not belong to the answer, and so none after it does.
    Ends,
}

impl Along {
    /// What becomes of the next token, of an answer of which this is written.
    pub fn take(&mut self, token: &TokenLogProb, answer: &[u8]) -> Taken {
        if self.ended {
            return Taken::Ends;
        }
        let end = self.at + token.token.bytes.len();
        let Some(held) = answer.get(self.at..end) else { return Taken::Waits };
        let encoded = self.encoded + token.encoded_len();
        if *held != *token.token.bytes || token.bounded(self.tokens).is_err() || HEAD + encoded > MAX_LOG_PROBS {
            self.ended = true;
            return Taken::Ends;
        }
        *self = Self { tokens: self.tokens + 1, at: end, encoded, ended: false };
        Taken::Belongs
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
        let before = said.clone().within(b"The cat").expect("the first one is");
        assert_eq!(before.tokens, said.tokens[..1], "what follows another word belongs to another answer");
        assert_eq!(said.clone().within(b"Cats"), None);
        assert_eq!(said.clone().within(b"Th"), None, "not one token is within");
        assert_eq!(said.check(b"The eel"), Err(LogProbsError::Token(2)));
        let mut high = said.clone();
        high.tokens[1].token.micronats = 1;
        assert_eq!(high.check(b"The eel"), Err(LogProbsError::Range(1)));
        assert_eq!(high.within(b"The eel"), Some(before));
        let many = LogProbs { tokens: vec![token("a", 0, &[("b", 0); 21])] };
        assert_eq!(many.check(b"a"), Err(LogProbsError::Alternatives(0)));
        assert_eq!(many.within(b"a"), None);
        assert_eq!(LogProbs::default().check(b"a"), Err(LogProbsError::Empty));
    }

    #[test]
    fn as_many_tokens_as_fit_are_kept() {
        // To the byte: 5 before the tokens, 18 for each "a" with an empty alternative.
        let room = MAX_LOG_PROBS - 5 - 3 * 18;
        let of = |bytes: usize| {
            let mut tokens = vec![token("a", -1, &[("", -2)]); 3];
            tokens.push(token("b", -1, &[(&"x".repeat(bytes - 18), -2)]));
            tokens.push(token("c", -1, &[]));
            LogProbs { tokens }
        };
        for (bytes, kept) in [(room, 4), (room + 1, 3)] {
            let long = of(bytes);
            assert_eq!(long.check(b"aaabc"), Err(LogProbsError::TooLong));
            let within = long.within(b"aaabc").expect("the first ones are");
            assert_eq!((within.tokens.len(), within.check(b"aaabc")), (kept, Ok(())));
            assert!(within.encode().len() <= MAX_LOG_PROBS);
        }
    }

    #[test]
    fn tokens_are_told_as_their_text_comes() {
        let tokens = [token("The ", -5, &[]), token("", -1, &[]), token("eel", -7, &[])];
        let mut along = Along::default();
        assert_eq!(along.take(&tokens[0], b"The"), Taken::Waits);
        assert_eq!(along.take(&tokens[0], b"The e"), Taken::Belongs);
        assert_eq!(along.take(&tokens[1], b"The e"), Taken::Belongs, "a part of a character adds nothing");
        assert_eq!(along.take(&tokens[2], b"The e"), Taken::Waits);
        assert_eq!(along.take(&tokens[2], b"The elk"), Taken::Ends);
        assert_eq!(along.take(&tokens[1], b"The elk"), Taken::Ends, "none after it");
    }
}

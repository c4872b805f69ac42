//! `tokenizer.json`: text to tokens and back.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::Value;

use super::error::{FormatError, shorten};

/// Longest `tokenizer.json`, in bytes. Those of 256,000 tokens take about 30 MB.
pub(super) const MAX_TOKENIZER_BYTES: u64 = 64 << 20;
/// Longest text that is encoded at once, in bytes.
pub(super) const MAX_TEXT_BYTES: u64 = 4 << 20;
/// Stands where a text of a stranger was cut so that a control token cannot be read in it. Unicode reserves it for use
/// inside a program and no text should hold it; where one does, it is dropped.
const GUARD: char = '\u{fdd0}';

/// A tokenizer. Clones share it.
#[derive(Clone)]
pub struct Tokenizer(Arc<Inner>);

struct Inner {
    file: String,
    tokenizer: tokenizers::Tokenizer,
    /// Texts of control tokens, longest first.
    control: Vec<String>,
    /// Ids of control tokens that can be cut, without the one that stands for unknown characters: those write it anyway.
    control_ids: BTreeSet<u32>,
}

/// Of a `tokenizer.json` what its library does not tell.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    model: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Unknown {
    unk_token: Value,
    unk_id: Value,
}

impl Tokenizer {
    /// Reads the bytes of a `tokenizer.json` for a model with that many tokens; every id must be one of its rows.
    pub fn parse(file: &str, bytes: &[u8], vocabulary: usize) -> Result<Self, FormatError> {
        let refused = |reason: String| FormatError::Tokenizer { file: file.into(), reason: shorten(&reason) };
        if bytes.len() as u64 > MAX_TOKENIZER_BYTES {
            let (size, limit) = (bytes.len() as u64, MAX_TOKENIZER_BYTES);
            return Err(FormatError::TooLarge { file: file.into(), what: "its size", size, limit });
        }
        let File { model: Unknown { unk_token, unk_id } } =
            serde_json::from_slice(bytes).map_err(|source| FormatError::Json { file: file.into(), source })?;
        // The library expects in places that what it reads has its shape (`DecoderHelper`, 0.23.2), and panics.
        let mut tokenizer = catch_unwind(|| tokenizers::Tokenizer::from_bytes(bytes))
            .map_err(|_| refused("not of the shape that its library expects".into()))?
            .map_err(|error| refused(error.to_string()))?;
        if let Some((text, id)) = tokenizer.get_vocab(true).into_iter().find(|&(_, id)| id as usize >= vocabulary) {
            return Err(refused(format!("{:?} is token {id} of {vocabulary}", shorten(&text))));
        }
        // Cutting and filling is for batches of training; a prompt is refused when it is too long, never cut.
        tokenizer.with_truncation(None).map_err(|error| refused(error.to_string()))?;
        tokenizer.with_padding(None);
        // The library keeps ten thousand words that it cut, of BPE for every thread that asks, in up to 8 kB each: of a stranger's
        // making they would be gigabytes beside every budget.
        let mut model = tokenizer.get_model().clone();
        model.resize_cache(0);
        tokenizer.with_model(model);
        let mut added = tokenizer.get_added_tokens_decoder();
        added.retain(|_, token| token.special && !token.content.is_empty());
        let unknown = unk_token.as_str().and_then(|text| tokenizer.token_to_id(text)).map(u64::from);
        let unknown = unknown.or(unk_id.as_u64());
        let long = added.iter().filter(|(_, token)| token.content.chars().nth(1).is_some()).map(|(id, _)| *id);
        let control_ids = long.filter(|id| Some(u64::from(*id)) != unknown).collect();
        let mut control: Vec<String> = added.into_values().map(|token| token.content).collect();
        control.sort_by(|one, other| (other.len(), one).cmp(&(one.len(), other)));
        Ok(Self(Arc::new(Inner { file: file.into(), tokenizer, control, control_ids })))
    }

    /// The tokens of a text in which control tokens count as such; `add_special` puts those around it that the tokenizer
    /// was made with. For text that is not a stranger's: a whole prompt after [`Tokenizer::guard`] has seen its parts.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, FormatError> {
        let Inner { file, tokenizer, .. } = &*self.0;
        if text.len() as u64 > MAX_TEXT_BYTES {
            let (size, limit) = (text.len() as u64, MAX_TEXT_BYTES);
            return Err(FormatError::TooLarge { file: file.clone(), what: "a text to encode", size, limit });
        }
        let mut tokens = Vec::new();
        for (index, piece) in text.split(GUARD).enumerate() {
            let encoding = self.asked(|| tokenizer.encode_fast(piece, add_special && index == 0))?;
            tokens.extend_from_slice(encoding.get_ids());
        }
        Ok(tokens)
    }

    /// A stranger's text, marked so that no control token is read in it wherever a template puts it: `<|im_end|>` typed by
    /// a user stays ten characters. So does what only the tokenizer's normalizer makes a control token of; one character that
    /// becomes a whole one is dropped.
    pub fn guard<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut guarded = self.cut_written(text);
        loop {
            // Each time pieces with a control token in them get shorter, by half of that.
            let found = self.find_made(&guarded);
            if found.is_empty() {
                return guarded;
            }
            guarded = Cow::Owned(cut(&guarded, found));
        }
    }

    /// Cuts the control tokens that stand in a text, those inside each other too.
    fn cut_written<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let control = &self.0.control;
        if !text.contains(GUARD) && !control.iter().any(|token| text.contains(token.as_str())) {
            return Cow::Borrowed(text);
        }
        let text = text.replace(GUARD, "");
        let mut guarded = String::with_capacity(text.len() + 16);
        for (start, character) in text.char_indices() {
            guarded.push(character);
            // A token of one character cannot be cut in two, and stands for itself.
            let cut = |token: &String| text[start..].starts_with(token.as_str()) && token.len() > character.len_utf8();
            if control.iter().any(cut) {
                guarded.push(GUARD);
            }
        }
        Cow::Owned(guarded)
    }

    /// Where a text has something of which the tokenizer makes a control token, in bytes.
    fn find_made(&self, text: &str) -> Vec<Range<usize>> {
        let Inner { tokenizer, control_ids, .. } = &*self.0;
        let (mut found, mut start) = (Vec::new(), 0);
        // What is too long, or what the library refuses, is not encoded later either.
        if control_ids.is_empty() || text.len() as u64 > MAX_TEXT_BYTES {
            return found;
        }
        for piece in text.split(GUARD) {
            if let Ok(encoding) = self.asked(|| tokenizer.encode(piece, false)) {
                let places = encoding.get_ids().iter().zip(encoding.get_offsets());
                let control = places.filter(|(id, (from, to))| control_ids.contains(id) && from < to);
                found.extend(control.map(|(_, (from, to))| start + from..start + to));
            }
            start += piece.len() + GUARD.len_utf8();
        }
        found
    }

    /// The text of tokens, without control tokens. Bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, FormatError> {
        let tokenizer = &self.0.tokenizer;
        let special = tokenizer.get_added_vocabulary();
        let is_silent = |&id: &u32| tokenizer.id_to_token(id).is_none_or(|text| special.is_special_token(&text));
        // Of no text at all one of the library's decoders (`BPEDecoder`, 0.23.2) looks for the last piece.
        if tokens.iter().all(is_silent) {
            return Ok(String::new());
        }
        self.asked(|| tokenizer.decode(tokens, true))
    }

    /// The token with this text.
    pub fn token(&self, text: &str) -> Option<u32> {
        self.0.tokenizer.token_to_id(text)
    }

    /// What the library answers. A tokenizer that is not as it expects can make it panic; what it changes while it is asked is a
    /// cache of its own.
    fn asked<T>(&self, ask: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, FormatError> {
        let refused = |reason: &str| FormatError::Tokenizer { file: self.0.file.clone(), reason: shorten(reason) };
        catch_unwind(AssertUnwindSafe(ask))
            .map_err(|_| refused("its library panics on it"))?
            .map_err(|error| refused(&error.to_string()))
    }
}

/// Cuts each of the ascending ranges of a text near its middle, and drops those of one character.
fn cut(text: &str, ranges: Vec<Range<usize>>) -> String {
    let (mut out, mut done) = (String::with_capacity(text.len() + 16), 0);
    for Range { start, end } in ranges {
        // Of one character several tokens may be made.
        if start < done {
            continue;
        }
        let boundary = |at: &usize| text.is_char_boundary(*at);
        let start = (0..=start).rfind(boundary).unwrap_or(0);
        let second = (start + 1..text.len()).find(boundary).unwrap_or(text.len());
        let middle = second.max(start + (end - start) / 2);
        let (keep, next) = match (second..=middle).rfind(boundary) {
            Some(at) if at < end => (at, at),
            _ => (start, second),
        };
        out.push_str(&text[done..keep]);
        if keep > start {
            out.push(GUARD);
        }
        done = next;
    }
    out.push_str(&text[done..]);
    out
}

/// Turns tokens into text as they come, in pieces that are whole characters. The pieces put together are what
/// [`Tokenizer::decode`] makes of all tokens, except where more than 64 of them in a row make no text, or where a
/// SentencePiece tokenizer, on bytes that are none, takes back text that was shown.
///
/// After `text-generation-inference` (`decode_token`): a token's text can depend on the one before it, so the text of the last
/// piece and of what came since is compared with that of the last piece alone.
#[derive(Clone)]
pub struct Detokenizer {
    tokenizer: Tokenizer,
    /// The tokens of the last piece, then those that made no text yet.
    window: Vec<u32>,
    /// How many of the window belong to the last piece.
    shown: usize,
}

/// Tokens without a text that are waited for; a character has at most four bytes.
const MAX_PENDING: usize = 64;

impl Detokenizer {
    /// Starts an answer.
    pub fn new(tokenizer: Tokenizer) -> Self {
        Self { tokenizer, window: Vec::new(), shown: 0 }
    }

    /// Adds a token; the text that is complete now, which may be empty.
    pub fn push(&mut self, token: u32) -> Result<String, FormatError> {
        self.window.push(token);
        self.advance(self.window.len() - self.shown > MAX_PENDING)
    }

    /// The text that was still waited for, with U+FFFD for what is incomplete.
    pub fn finish(mut self) -> Result<String, FormatError> {
        self.advance(true)
    }

    fn advance(&mut self, flush: bool) -> Result<String, FormatError> {
        let before = self.tokenizer.decode(&self.window[..self.shown])?;
        let mut text = self.tokenizer.decode(&self.window)?;
        if text.len() <= before.len() || text.ends_with(char::REPLACEMENT_CHARACTER) && !flush {
            if flush {
                self.window.truncate(self.shown);
            }
            return Ok(String::new());
        }
        let common = before.char_indices().zip(text.chars()).find(|((_, one), other)| one != other);
        let from = common.map_or(before.len(), |((start, _), _)| start);
        self.window.drain(..self.shown);
        self.shown = self.window.len();
        Ok(text.split_off(from))
    }
}

//! What of a model's text becomes the answer: up to the first stop text, and no more than was asked for.
//!
//! Models that know stop texts and limits end by themselves; nothing relies on it.
//!
//! A token's log-probabilities go with its text: held back as long as that is, and not told where it is cut.

use std::collections::VecDeque;

use fonte_types::{
    log_probs::{Along, LogProbs, MAX_LOG_PROBS, Taken, TokenLogProb},
    wire::Finish,
};

use crate::model::Emit;

/// Takes a model's pieces and passes on what belongs to the answer.
pub(crate) struct Writer<'a> {
    stops: &'a [String],
    /// Most bytes.
    most: usize,
    emit: &'a mut Emit<'a>,
    /// The answer so far.
    text: String,
    /// What may turn out to begin a stop text: not passed on yet.
    held: String,
    /// Log-probabilities that were passed on.
    told: LogProbs,
    along: Along,
    /// Those whose text was not passed on yet.
    waiting: VecDeque<TokenLogProb>,
    /// Bytes of all that were taken.
    taken: usize,
    ended: Option<Finish>,
}

/// What a writer passed on in all.
pub(crate) struct Passed {
    pub(crate) text: String,
    /// Why it ends.
    pub(crate) finish: Finish,
    /// None: not one.
    pub(crate) log_probs: Option<LogProbs>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(stops: &'a [String], most: usize, emit: &'a mut Emit<'a>) -> Self {
        Self {
            stops,
            most,
            emit,
            text: String::new(),
            held: String::new(),
            told: LogProbs::default(),
            along: Along::default(),
            waiting: VecDeque::new(),
            taken: 0,
            ended: None,
        }
    }

    /// Takes a piece and the log-probabilities of tokens; `false` when no more is wanted.
    pub(crate) fn push(&mut self, piece: &str, log_probs: &[TokenLogProb]) -> bool {
        if self.ended.is_some() {
            return false;
        }
        for token in log_probs {
            // Of what comes after so many bytes nothing can be told.
            if self.taken <= MAX_LOG_PROBS {
                self.taken += token.encoded_len();
                self.waiting.push_back(token.clone());
            }
        }
        self.held.push_str(piece);
        // What was passed on holds no beginning of a stop text, so none can begin there.
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            self.pass(at);
            self.ended = self.ended.or(Some(Finish::Stop));
            return false;
        }
        let keep = self.begun();
        self.pass(self.held.len() - keep) && self.ended.is_none()
    }

    /// The answer and why it ends, given why the model did.
    pub(crate) fn finish(mut self, model: Finish) -> Passed {
        if self.ended.is_none() {
            self.pass(self.held.len());
        }
        // Tokens that came after their text, or that add nothing to it.
        let due = self.due();
        if !due.is_empty() {
            (self.emit)("", &due);
        }
        let log_probs = (!self.told.tokens.is_empty()).then_some(self.told);
        Passed { text: self.text, finish: self.ended.unwrap_or(model), log_probs }
    }

    /// Bytes at the end of what is held that begin a stop text.
    fn begun(&self) -> usize {
        let longest = self.stops.iter().map(|stop| stop.len() - 1).max().unwrap_or(0).min(self.held.len());
        let begins = |length: &usize| {
            let from = self.held.len() - length;
            self.held.is_char_boundary(from) && self.stops.iter().any(|stop| stop.starts_with(&self.held[from..]))
        };
        (1..=longest).rev().find(begins).unwrap_or(0)
    }

    /// Passes the first bytes of what is held on, as far as the limit allows.
    fn pass(&mut self, bytes: usize) -> bool {
        let room = self.most - self.text.len();
        let passed = if bytes <= room { bytes } else { self.held.floor_char_boundary(room) };
        if passed < bytes {
            self.ended = Some(Finish::Length);
        }
        if passed == 0 {
            return true;
        }
        let piece: String = self.held.drain(..passed).collect();
        self.text.push_str(&piece);
        let due = self.due();
        (self.emit)(&piece, &due)
    }

    /// The log-probabilities of the text that was passed on and not yet told.
    fn due(&mut self) -> Vec<TokenLogProb> {
        let before = self.told.tokens.len();
        while let Some(token) = self.waiting.front() {
            match self.along.take(token, self.text.as_bytes()) {
                Taken::Belongs => self.told.tokens.extend(self.waiting.pop_front()),
                Taken::Waits => break,
                Taken::Ends => self.waiting.clear(),
            }
        }
        self.told.tokens[before..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;
    use fonte_types::log_probs::Alternative;

    use super::*;

    fn write(stops: &[&str], most: usize, pieces: &[&str]) -> (String, Finish, usize) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let (mut streamed, mut told, mut of_model) = (String::new(), Vec::new(), Vec::new());
        let mut emit = |piece: &str, log_probs: &[TokenLogProb]| {
            streamed.push_str(piece);
            told.extend_from_slice(log_probs);
            let said: usize = told.iter().map(|token| token.token.bytes.len()).sum();
            assert!(said <= streamed.len(), "a token before its text: {streamed:?}");
            true
        };
        let mut writer = Writer::new(&stops, most, &mut emit);
        let mut taken = 0;
        for piece in pieces {
            of_model.push(token(piece));
            if !writer.push(piece, &of_model[taken..]) {
                break;
            }
            taken += 1;
        }
        let Passed { text, finish, log_probs } = writer.finish(Finish::Stop);
        assert_eq!(text, streamed, "what is signed is what was streamed");
        assert_eq!(log_probs.clone().map_or_else(Vec::new, |log_probs| log_probs.tokens), told);
        assert_eq!(log_probs, LogProbs { tokens: of_model }.within(text.as_bytes()), "what a replay tells of it");
        (text, finish, taken)
    }

    fn token(text: &str) -> TokenLogProb {
        let token = Alternative { bytes: Bytes::copy_from_slice(text.as_bytes()), micronats: -1 };
        TokenLogProb { token, top: Vec::new() }
    }

    #[test]
    fn a_stop_text_ends_the_answer_wherever_pieces_are_cut() {
        let whole = "one two END three";
        for cut in 0..=whole.len() {
            let (text, finish, _) = write(&["END", "never"], 100, &[&whole[..cut], &whole[cut..]]);
            assert_eq!((text.as_str(), finish), ("one two ", Finish::Stop), "cut at {cut}");
        }
        let bytes: Vec<String> = whole.chars().map(String::from).collect();
        let pieces: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(write(&["END"], 100, &pieces), ("one two ".into(), Finish::Stop, 10));
        // The earliest of several, and one that begins within another's beginning.
        assert_eq!(write(&["three", "two"], 100, &[whole]).0, "one ");
        assert_eq!(write(&["aab"], 100, &["a", "a", "a", "b", "c"]).0, "a");
        // What only begins like a stop text is part of the answer.
        assert_eq!(write(&["END"], 100, &["the EN", "D", "x"]).0, "the ");
        assert_eq!(write(&["END"], 100, &["the EN", "g"]).0, "the ENg");
        assert_eq!(write(&["END"], 100, &["the EN"]).0, "the EN");
        assert_eq!(write(&["é!"], 100, &["caf", "é", "?"]).0, "café?");
    }

    /// What is passed on, piece by piece, as text and number of tokens.
    fn pieces(stops: &[&str], most: usize, pushed: &[(&str, &[TokenLogProb])]) -> Vec<(String, usize)> {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut passed = Vec::new();
        let mut emit = |piece: &str, log_probs: &[TokenLogProb]| {
            passed.push((piece.to_owned(), log_probs.len()));
            true
        };
        let mut writer = Writer::new(&stops, most, &mut emit);
        pushed.iter().take_while(|(piece, log_probs)| writer.push(piece, log_probs)).count();
        writer.finish(Finish::Stop);
        passed
    }

    #[test]
    fn log_probabilities_go_with_their_text() {
        let of = |texts: &[&str]| -> Vec<TokenLogProb> { texts.iter().map(|text| token(text)).collect() };
        let own = |pieces: &[(&str, usize)]| -> Vec<(String, usize)> {
            pieces.iter().map(|(text, tokens)| ((*text).to_owned(), *tokens)).collect()
        };
        let run = |stops: &[&str], most: usize, texts: &[&str]| {
            let tokens = of(texts);
            let pushed: Vec<_> =
                texts.iter().zip(&tokens).map(|(text, token)| (*text, std::slice::from_ref(token))).collect();
            pieces(stops, most, &pushed)
        };
        assert_eq!(run(&[], 99, &["a ", "b ", "c"]), own(&[("a ", 1), ("b ", 1), ("c", 1)]));
        // Held with the text that may be a stop text's beginning: passed on with it, or cut with it.
        assert_eq!(run(&["END"], 99, &["a E", "N", "g", "!"]), own(&[("a ", 0), ("ENg", 3), ("!", 1)]));
        assert_eq!(run(&["END"], 99, &["a ", "E", "ND", "!"]), own(&[("a ", 1)]));
        assert_eq!(run(&["END"], 99, &["a E", "ND", "!"]), own(&[("a ", 0)]), "the token is not whole");
        assert_eq!(run(&["END"], 99, &["a ", "E"]), own(&[("a ", 1), ("E", 1)]), "the end came first");
        assert_eq!(run(&[], 5, &["123", "456"]), own(&[("123", 1), ("45", 0)]));
        // Tokens before their text, after it, and without any.
        let early: &[(&str, &[TokenLogProb])] = &[("a", &of(&["a", "b", "c"])), ("bc", &[]), ("d", &[])];
        assert_eq!(pieces(&[], 99, early), own(&[("a", 1), ("bc", 2), ("d", 0)]));
        let late: &[(&str, &[TokenLogProb])] = &[("ab", &[]), ("c", &of(&["a", "b"])), ("", &of(&["c", ""]))];
        assert_eq!(pieces(&[], 99, late), own(&[("ab", 0), ("c", 2), ("", 2)]));
        // One that is not the answer's ends them.
        let lie: &[(&str, &[TokenLogProb])] = &[("a", &of(&["a"])), ("b", &of(&["x"])), ("c", &of(&["c"]))];
        assert_eq!(pieces(&[], 99, lie), own(&[("a", 1), ("b", 0), ("c", 0)]));
    }

    #[test]
    fn what_waits_for_its_text_is_bounded() {
        let (mut emit, long) = (|_: &str, _: &[TokenLogProb]| true, token(&"x".repeat(MAX_LOG_PROBS / 4)));
        let mut writer = Writer::new(&[], 9, &mut emit);
        for _ in 0..20 {
            assert!(writer.push("", std::slice::from_ref(&long)));
        }
        assert!((4..=5).contains(&writer.waiting.len()), "{}", writer.waiting.len());
    }

    #[test]
    fn no_more_than_was_asked_for_and_whole_characters() {
        assert_eq!(write(&[], 5, &["1234", "5678", "9"]), ("12345".into(), Finish::Length, 1));
        assert_eq!(write(&[], 5, &["1234é"]).0, "1234");
        assert_eq!(write(&[], 8, &["1234", "5678"]), ("12345678".into(), Finish::Stop, 2));
        assert_eq!(write(&["x"], 3, &["12345x"]), ("123".into(), Finish::Length, 0));
        assert_eq!(write(&["x"], 5, &["12345x"]), ("12345".into(), Finish::Stop, 0));
        assert_eq!(write(&["678"], 6, &["123456", "7"]), ("123456".into(), Finish::Length, 2));
    }
}

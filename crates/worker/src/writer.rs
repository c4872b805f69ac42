//! What of a model's text becomes the answer: up to the first stop text, and no more than was asked for.
//!
//! Models that know stop texts and limits end by themselves; nothing relies on it.

use fonte_types::wire::Finish;

/// Takes a model's pieces and passes on what belongs to the answer.
pub(crate) struct Writer<'a> {
    stops: &'a [String],
    /// Most bytes.
    most: usize,
    emit: &'a mut dyn FnMut(&str) -> bool,
    /// The answer so far.
    text: String,
    /// What may turn out to begin a stop text: not passed on yet.
    held: String,
    ended: Option<Finish>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(stops: &'a [String], most: usize, emit: &'a mut dyn FnMut(&str) -> bool) -> Self {
        Self { stops, most, emit, text: String::new(), held: String::new(), ended: None }
    }

    /// Takes a piece; `false` when no more is wanted.
    pub(crate) fn push(&mut self, piece: &str) -> bool {
        if self.ended.is_some() {
            return false;
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
    pub(crate) fn finish(mut self, model: Finish) -> (String, Finish) {
        if self.ended.is_none() {
            self.pass(self.held.len());
        }
        (self.text, self.ended.unwrap_or(model))
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
        (self.emit)(&piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(stops: &[&str], most: usize, pieces: &[&str]) -> (String, Finish, usize) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut streamed = String::new();
        let mut emit = |piece: &str| {
            streamed.push_str(piece);
            true
        };
        let mut writer = Writer::new(&stops, most, &mut emit);
        let taken = pieces.iter().take_while(|piece| writer.push(piece)).count();
        let (text, finish) = writer.finish(Finish::Stop);
        assert_eq!(text, streamed, "what is signed is what was streamed");
        (text, finish, taken)
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

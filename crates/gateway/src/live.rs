//! An answer on its way from whoever writes it to whoever reads it.

use std::sync::Arc;

use fonte_types::{
    log_probs::{LogProbs, MAX_LOG_PROBS, TokenLogProb},
    wire::MAX_ANSWER,
};
use parking_lot::Mutex;
use tokio::sync::watch;

/// An answer as it grows, with the log-probabilities of its tokens. Written by the one who drives the job, who never waits
/// for readers; bounded by [`MAX_ANSWER`] and [`MAX_LOG_PROBS`].
pub(crate) struct Live {
    written: Mutex<Written>,
    /// Counts the pieces.
    pieces: watch::Sender<usize>,
}

#[derive(Default)]
struct Written {
    text: String,
    tokens: Vec<TokenLogProb>,
    /// Bytes of the tokens' encoding.
    encoded: usize,
}

/// How far an answer was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    text: usize,
    tokens: usize,
}

/// A piece is more than an answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooLong {
    #[error("the worker's answer is over {MAX_ANSWER} bytes")]
    Text,
    #[error("the worker's log-probabilities are over {MAX_LOG_PROBS} bytes")]
    LogProbs,
}

impl Live {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { written: Mutex::default(), pieces: watch::Sender::new(0) })
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<usize> {
        self.pieces.subscribe()
    }

    /// What came since a place, which is moved to the end.
    pub(crate) fn since(&self, place: &mut Place) -> (String, Vec<TokenLogProb>) {
        let written = self.written.lock();
        let text = written.text.get(place.text..).unwrap_or_default().to_owned();
        let tokens = written.tokens.get(place.tokens..).unwrap_or_default().to_vec();
        *place = Place { text: written.text.len(), tokens: written.tokens.len() };
        (text, tokens)
    }

    pub(crate) fn push(&self, piece: &str, tokens: &[TokenLogProb]) -> Result<(), TooLong> {
        if piece.is_empty() && tokens.is_empty() {
            return Ok(());
        }
        {
            let mut written = self.written.lock();
            let encoded = written.encoded + tokens.iter().map(TokenLogProb::encoded_len).sum::<usize>();
            if written.text.len() + piece.len() > MAX_ANSWER {
                return Err(TooLong::Text);
            }
            if encoded > MAX_LOG_PROBS {
                return Err(TooLong::LogProbs);
            }
            written.text.push_str(piece);
            written.tokens.extend_from_slice(tokens);
            written.encoded = encoded;
        }
        self.pieces.send_modify(|pieces| *pieces += 1);
        Ok(())
    }

    /// Nothing came yet: whoever reads has seen no word.
    pub(crate) fn is_blank(&self) -> bool {
        *self.pieces.borrow() == 0
    }

    pub(crate) fn text(&self) -> String {
        self.written.lock().text.clone()
    }

    /// All log-probabilities, if there are any.
    pub(crate) fn log_probs(&self) -> Option<LogProbs> {
        let tokens = self.written.lock().tokens.clone();
        (!tokens.is_empty()).then_some(LogProbs { tokens })
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;
    use fonte_types::log_probs::Alternative;

    use super::*;

    #[test]
    fn a_piece_beyond_the_bounds_is_refused_and_not_taken() {
        let token = |bytes: usize| {
            let bytes = Bytes::from(vec![b'x'; bytes]);
            TokenLogProb { token: Alternative { bytes, micronats: 0 }, top: Vec::new() }
        };
        let live = Live::new();
        assert!(live.push("", &[]).is_ok() && live.is_blank(), "nothing is no beginning");
        live.push("a", &[token(MAX_LOG_PROBS - 9 - 10)]).unwrap();
        assert_eq!(live.push("b", &[token(2)]), Err(TooLong::LogProbs));
        live.push("b", &[token(1)]).unwrap();
        assert_eq!(live.push("c", &[token(0)]), Err(TooLong::LogProbs));
        assert_eq!(live.push(&"x".repeat(MAX_ANSWER - 1), &[]), Err(TooLong::Text));
        live.push(&"x".repeat(MAX_ANSWER - 2), &[]).unwrap();
        assert_eq!((live.text().len(), live.log_probs().unwrap().tokens.len()), (MAX_ANSWER, 2));
    }
}

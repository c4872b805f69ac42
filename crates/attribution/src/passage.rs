//! The seam of the context channel: what removing a retrieved passage does to the answer's log-probability.
//!
//! Leave-one-out, exact Shapley values and sparse surrogates are all functions of this one question, so the model's
//! side stays a single method. Nothing implements it in this crate: it needs a model.

use fonte_types::ContributionId;

/// Most passages that one answer is scored over: a [`PassageSet`] is one word.
pub const MAX_PASSAGES: usize = 64;

/// A passage as it stood in the prompt of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Whose it is.
    pub contribution: ContributionId,
    /// Index of the document in the contribution.
    pub document: u32,
    /// First byte in the document.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// Which passages stay in the prompt: bit `i` stands for passage `i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PassageSet(pub u64);

impl PassageSet {
    /// All of the first `count` passages.
    ///
    /// # Panics
    /// If `count` is over [`MAX_PASSAGES`].
    pub fn all(count: usize) -> Self {
        assert!(count <= MAX_PASSAGES, "{count} passages are over the limit of {MAX_PASSAGES}");
        Self(if count == MAX_PASSAGES { u64::MAX } else { (1 << count) - 1 })
    }

    /// Whether passage `index` stays.
    pub fn contains(self, index: usize) -> bool {
        index < MAX_PASSAGES && self.0 >> index & 1 == 1
    }
}

/// A model's view of one answer: how likely it is with some of its passages taken out.
///
/// A scorer is made for one answer: it holds prompt, passages and answer tokens. It is `&mut` because an implementation
/// keeps key-value pages that subsets share.
pub trait PassageScorer {
    /// The passages, in the order in which they stood in the prompt. At most [`MAX_PASSAGES`], fixed for its lifetime.
    fn passages(&self) -> &[Passage];

    /// For each subset, the natural logarithm of the probability (nats, so at most 0) of the whole answer, summed over
    /// its tokens, given the prompt rendered with exactly these passages, everything else unchanged.
    ///
    /// One value per subset, in their order. Sampling plays no part: for engine class `exact` the same call returns the
    /// same bits on every machine, for `tolerance` within the tolerance the model's card states. Scores are quantised
    /// by the attribution method, once, and never here.
    ///
    /// # Errors
    /// [`ScoreError`]; no value is returned for any subset then.
    fn log_probabilities(&mut self, subsets: &[PassageSet]) -> Result<Vec<f64>, ScoreError>;
}

/// Why an answer could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A subset names a passage that there is none of.
    #[error("subset {index} keeps a passage past the {passages} there are")]
    UnknownPassage {
        /// Index of the subset in the call.
        index: usize,
        /// Number of passages.
        passages: usize,
    },
    /// The engine gives no log-probabilities.
    #[error(
        "the engine reports no log-probabilities; choose a model whose engine does, or set the context weight to 0"
    )]
    Unsupported,
    /// A value was not a number, or above zero.
    #[error("the engine returned {value} for subset {index}, not a log-probability")]
    NotAProbability {
        /// Index of the subset in the call.
        index: usize,
        /// What it returned.
        value: f64,
    },
    /// The engine failed.
    #[error("the engine failed")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

//! The seam of the influence channel: projected per-document gradients of an adapter, and those of an answer.
//!
//! Influence is an estimate whatever is built on this; it is shown with its measured linear datamodeling score. Nothing
//! implements the seam in this crate: it needs a model and its training data.

use std::ops::Range;

use fonte_types::ContributionId;

/// Where the gradients come from. Two sources with equal identities return equal gradients, up to the engine class's
/// tolerance; rows of different identities must never be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GradientIdentity {
    /// Hash of the base model.
    pub model: [u8; 32],
    /// Hash of the adapter checkpoint at which gradients are taken.
    pub adapter: [u8; 32],
    /// Seed of the projection.
    pub projection_seed: u64,
    /// Length of a projected gradient, `k`.
    pub dimension: u32,
}

/// Which document a row of the gradient matrix belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradientRow {
    /// Whose it is.
    pub contribution: ContributionId,
    /// Index of the document in the contribution.
    pub document: u32,
}

/// Gradients of an adapter's loss, projected to `k` dimensions.
///
/// A gradient here is that of the summed (not averaged) negative log-likelihood, in nats, over the predicted tokens of
/// one text, with respect to the trainable parameters of the adapter at one checkpoint, multiplied by one fixed `k × p`
/// matrix drawn from `projection_seed`. It is neither clipped nor normalised.
pub trait GradientSource {
    /// Model, checkpoint, projection.
    fn identity(&self) -> GradientIdentity;

    /// The training documents, one row each, in a fixed order (`N` rows).
    fn rows(&self) -> &[GradientRow];

    /// Writes the gradients of training rows `rows` to `out`, row-major: `out.len() == rows.len() × k`.
    ///
    /// # Errors
    /// [`GradientError`]; the content of `out` is unspecified then.
    fn document_gradients(&mut self, rows: Range<usize>, out: &mut [f32]) -> Result<(), GradientError>;

    /// Writes the gradient of `answer`, given `prompt` (whose tokens are not predicted), to `out` (`k` values).
    ///
    /// # Errors
    /// [`GradientError`]; the content of `out` is unspecified then.
    fn answer_gradient(&mut self, prompt: &str, answer: &str, out: &mut [f32]) -> Result<(), GradientError>;
}

/// Why gradients could not be had.
#[derive(Debug, thiserror::Error)]
pub enum GradientError {
    /// Rows past the end.
    #[error("rows {}..{} were asked for, there are {available}", asked.start, asked.end)]
    Rows {
        /// What was asked for.
        asked: Range<usize>,
        /// `N`.
        available: usize,
    },
    /// The buffer does not fit.
    #[error("the buffer holds {found} values where {expected} are written")]
    Shape {
        /// Its length.
        found: usize,
        /// rows × `k`.
        expected: usize,
    },
    /// Infinite or not a number: the checkpoint is broken, or the text has no predicted token.
    #[error("value {index} of the gradient is not finite")]
    NotFinite {
        /// Index in the buffer.
        index: usize,
    },
    /// The engine failed.
    #[error("the engine failed")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

//! The seam of what can answer: a model gets a question and passages, and writes text.

use alloy_primitives::Address;
use fonte_types::{
    ContributionId,
    generation::GenerationRecord,
    log_probs::TokenLogProb,
    wire::{Asked, EngineUsage, Finish, RefusalCode},
};
use tokio_util::sync::CancellationToken;

use crate::{
    library::LibraryError,
    quote::{self, Passage, TooShort},
};

/// One question as a model gets it.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The whole rendered conversation.
    pub prompt: &'a str,
    /// The last user message.
    pub text: &'a str,
    /// Who pays: models that serve several at once are fair among payers, and keep what they cache apart.
    pub payer: Address,
    /// Most tokens to write.
    pub max_output_tokens: u32,
    /// Sampling seed.
    pub seed: u64,
    /// The conversation and the sampling options.
    pub asked: &'a Asked,
    /// Cancelled once nobody waits for the answer: for models that wait themselves. Others learn it from `emit`.
    pub cancelled: &'a CancellationToken,
}

/// What a model says of what it wrote. Tokens are not among it: one rule counts them for all models
/// ([`fonte_types::fees::tokens`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Why it stopped by itself.
    pub finish: Finish,
    /// Tokens as the engine counted them.
    pub engine_usage: Option<EngineUsage>,
    /// What the answer is a function of, by which anyone can compute it again. A model of class `exact` with weights must
    /// tell it.
    pub generation: Option<Box<GenerationRecord>>,
}

/// Takes the pieces of an answer in order: text, and the log-probabilities of the model's next tokens, where it tells any. A
/// token's may come with its text, before or after; the tokens, joined, are the text. Returns `false` when nobody listens
/// any more or the answer has all it may have (a stop text came, or the most tokens), and the model should stop then.
pub type Emit<'a> = dyn FnMut(&str, &[TokenLogProb]) -> bool + 'a;

/// A passage that search brought up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPassage {
    /// Whose it is.
    pub contribution: ContributionId,
    /// Index of the document.
    pub document: u32,
    /// Title of the document.
    pub title: String,
    /// Author and address.
    pub about: String,
    /// BCP 47 tag.
    pub language: String,
    /// Where the text begins in the document, in bytes.
    pub offset: usize,
    /// Clean text.
    pub text: String,
}

/// The passages that a job may use: those of members of the named versions that are not withdrawn and may be quoted.
pub trait Passages {
    /// The best passages for a question, in the order of contributions, documents and places.
    ///
    /// # Errors
    /// [`LibraryError`] if index or store failed.
    fn find(&self, question: &str) -> Result<Vec<FoundPassage>, LibraryError>;

    /// The best passages, best first, as long as their texts together have at most so many bytes: for a model that
    /// reads them all. Each is a passage by itself, without what stands around it.
    ///
    /// # Errors
    /// [`LibraryError`] if index or store failed.
    fn best(&self, question: &str, bytes: usize) -> Result<Vec<FoundPassage>, LibraryError>;

    /// Whether a text is boilerplate: the commons (licence texts, usual notices) hold at least half of its bytes.
    ///
    /// # Errors
    /// [`LibraryError`] if the trace index failed.
    fn boilerplate(&self, text: &str) -> Result<bool, LibraryError>;
}

/// Anything that can answer. Called on a thread where it may block.
pub trait AnswerModel: Send + Sync {
    /// Whether an answer can be replayed bit for bit.
    fn engine_class(&self) -> fonte_types::EngineClass;

    /// Whether it generates text: it samples, and continues any text.
    fn generates(&self) -> bool {
        false
    }

    /// Loads the model into the memory of this worker's own engine and keeps it there, or lets it go; returns once it is
    /// done.
    ///
    /// # Errors
    /// [`ModelError::Refused`]: the model is no adapter of such an engine, cannot be loaded, or is in use.
    fn keep(&self, keep: bool, cancelled: &CancellationToken) -> Result<(), ModelError> {
        let _ = (keep, cancelled);
        let message = "it is no adapter of an engine in this worker: nothing to load or to unload".into();
        Err(ModelError::Refused { code: RefusalCode::Invalid, message })
    }

    /// Answers; hands every piece to `emit`.
    ///
    /// # Errors
    /// [`ModelError`]; what was emitted before it is discarded.
    fn answer(
        &self,
        question: Question<'_>,
        passages: &dyn Passages,
        emit: &mut Emit<'_>,
    ) -> Result<Written, ModelError>;
}

/// Why a model gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The limit is too low for any answer.
    #[error(transparent)]
    TooShort(#[from] TooShort),
    /// The passages could not be had.
    #[error("the passages could not be read")]
    Library(#[from] LibraryError),
    /// The job is refused, in these words; they may go to the payer.
    #[error("{message}")]
    Refused {
        /// What kind of refusal.
        code: RefusalCode,
        /// What and what to do.
        message: String,
    },
}

/// `fonte-quote` behind the seam: see [`crate::quote`].
#[derive(Clone, Copy, Debug, Default)]
pub struct QuoteModel;

impl AnswerModel for QuoteModel {
    fn engine_class(&self) -> fonte_types::EngineClass {
        fonte_types::EngineClass::Exact
    }

    fn answer(
        &self,
        question: Question<'_>,
        passages: &dyn Passages,
        emit: &mut Emit<'_>,
    ) -> Result<Written, ModelError> {
        let found = passages.find(question.text)?;
        let borrowed: Vec<Passage<'_>> = found
            .iter()
            .map(|passage| Passage {
                contribution: passage.contribution,
                document: passage.document,
                title: &passage.title,
                about: &passage.about,
                language: &passage.language,
                text: &passage.text,
                offset: passage.offset,
            })
            .collect();
        let limit = question.max_output_tokens.into();
        let mut failed = None;
        let mut boilerplate = |text: &str| {
            passages.boilerplate(text).unwrap_or_else(|error| {
                failed = Some(error);
                true
            })
        };
        let answer = quote::answer(question.text, &borrowed, &mut boilerplate, limit)?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        for piece in &answer.pieces {
            if !emit(piece, &[]) {
                break;
            }
        }
        Ok(Written::default())
    }
}

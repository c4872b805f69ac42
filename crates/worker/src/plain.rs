//! An answer without a network: no passages, no attribution, no receipt.

use fonte_types::{
    log_probs::LogProbs,
    wire::{EngineUsage, Finish, MAX_ANSWER},
};

use crate::{
    library::LibraryError,
    model::{AnswerModel, Emit, FoundPassage, ModelError, Passages, Question},
    writer::{Passed, Writer},
};

/// What a model wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainAnswer {
    /// The answer, which is what was emitted.
    pub text: String,
    /// Why it ends.
    pub finish: Finish,
    /// Log-probabilities of its tokens, where they were asked for.
    pub log_probs: Option<LogProbs>,
    /// Tokens as the engine counted them.
    pub usage: Option<EngineUsage>,
}

/// Lets a model answer from nothing but the question, up to its first stop text.
///
/// # Errors
/// As [`AnswerModel::answer`].
pub fn answer_plainly(
    model: &dyn AnswerModel,
    question: Question<'_>,
    emit: &mut Emit<'_>,
) -> Result<PlainAnswer, ModelError> {
    let mut writer = Writer::new(&question.asked.stop, MAX_ANSWER, emit);
    let written = model.answer(question, &Nothing, &mut |piece, log_probs| writer.push(piece, log_probs))?;
    let Passed { text, finish, log_probs } = writer.finish(written.finish);
    Ok(PlainAnswer { text, finish, log_probs, usage: written.engine_usage })
}

/// No passages.
struct Nothing;

impl Passages for Nothing {
    fn find(&self, _: &str) -> Result<Vec<FoundPassage>, LibraryError> {
        Ok(Vec::new())
    }

    fn best(&self, _: &str, _: usize) -> Result<Vec<FoundPassage>, LibraryError> {
        Ok(Vec::new())
    }

    fn boilerplate(&self, _: &str) -> Result<bool, LibraryError> {
        Ok(false)
    }
}

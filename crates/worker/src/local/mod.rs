//! Our own engine as a model: a base in memory, answers of class `exact`.
//!
//! One answer goes through here like this. [`LocalModel`] takes the best passages of the datanets that the job may use and
//! lays them out as external engines get them (`engine::prompt`), then the conversation by the base's own chat template
//! (`request`). The engine batches it with whatever else runs, and every token becomes text here as soon as its characters
//! are whole. Who stops waiting stops the request. Tokens are a function of the base's files, prompt, options and seed;
//! `docs/engine.md` says how.

pub(crate) mod request;

use std::{
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::mpsc::RecvTimeoutError,
    time::Duration,
};

use alloy_primitives::B256;
use fonte_inference::{
    Engine, EngineConfig, EngineError, EngineHandle, Event, Finish as Ended, NoAdapters, Payer, Request, Stats, Stream,
    SubmitError, Task,
    formats::{ChatTemplate, Detokenizer, FormatError, GenerationConfig, Limits, Tokenizer, read_base},
};
use fonte_types::{
    EngineClass,
    generation::{GenerationRecord, MAX_CONTEXT, Profile},
    wire::{Finish, RefusalCode},
};

use self::request::Weights;
use crate::model::{AnswerModel, ModelError, Passages, Question, Written};

/// How long a silent engine is waited for before it is looked whether anybody still waits for the answer.
const LOOK: Duration = Duration::from_millis(50);

/// The arithmetic of every answer; receipts name it.
const PROFILE: Profile = Profile::F32Exact;

/// What a base may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalConfig {
    /// Most bytes of passages that it reads for a question.
    pub passage_bytes: usize,
    /// Threads of a pass.
    pub threads: usize,
    /// Bytes for keys and values. The weights are not counted.
    pub memory: usize,
    /// Most tokens of prompt and answer; the model's own limit where that is lower.
    pub max_context: usize,
    /// How much memory its files may ask for.
    pub limits: Limits,
    /// A program that renders the base's chat template when told so (`ChatTemplate::isolated`); without one a template
    /// made for it can hang this process.
    pub template_program: Option<PathBuf>,
}

impl Default for LocalConfig {
    /// 6,000 bytes of passages as for external engines; the rest as the engine has it.
    fn default() -> Self {
        let EngineConfig { threads, memory, max_context, .. } = EngineConfig::default();
        Self { passage_bytes: 6_000, threads, memory, max_context, limits: Limits::default(), template_program: None }
    }
}

/// A base cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Its files cannot be read.
    #[error("the base model cannot be read")]
    Files(#[from] FormatError),
    /// It has no tokenizer.
    #[error("the base model has no tokenizer.json, so no text can be asked of it: put the file into its folder")]
    NoTokenizer,
    /// The engine does not take it.
    #[error("the engine cannot be started")]
    Engine(#[from] EngineError),
    /// No thread for it.
    #[error("the engine's thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// A base model that this process runs.
pub struct LocalModel {
    hash: B256,
    engine: EngineHandle,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    defaults: GenerationConfig,
    /// Tokens that end an answer: no part of its text, whatever the tokenizer calls them.
    ends: Vec<u32>,
    max_context: usize,
    passage_bytes: usize,
    /// Gives each payer a scope of prefixes that no other can guess or meet.
    scopes: RandomState,
}

impl LocalModel {
    /// Reads a base (a folder in Hugging Face's layout, or a GGUF file beside a `tokenizer.json`), and starts an engine for
    /// it. Takes as long as reading and hashing the files.
    ///
    /// # Errors
    /// [`LocalError`], naming what is wrong with the files or settings.
    pub fn open(path: &Path, config: LocalConfig) -> Result<Self, LocalError> {
        let base = read_base(path, None, &config.limits)?;
        let tokenizer = base.tokenizer.ok_or(LocalError::NoTokenizer)?;
        let max_context = config.max_context.min(base.config.max_positions).min(MAX_CONTEXT as usize);
        let ends = base.config.eos.clone();
        let settings = EngineConfig {
            profile: engine_profile(PROFILE),
            threads: config.threads,
            memory: config.memory,
            max_context,
            ..EngineConfig::default()
        };
        let engine = Engine::new(base.config, base.weights, settings, NoAdapters)?;
        Ok(Self {
            hash: B256::from(base.hash.0),
            engine: EngineHandle::spawn(engine).map_err(LocalError::Thread)?,
            tokenizer,
            template: match config.template_program {
                Some(program) => base.template.map(|template| template.isolated(program)),
                None => base.template,
            },
            defaults: base.generation,
            ends,
            max_context,
            passage_bytes: config.passage_bytes,
            scopes: RandomState::new(),
        })
    }

    /// The content hash of the base's files (`docs/spec/models-files.md`): the artifact of its record on chain.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// What the engine does at the moment; none: it has stopped.
    pub fn stats(&self) -> Option<Stats> {
        self.engine.stats()
    }

    /// Puts the question to the engine. The record comes back with all but the answer's tokens.
    fn submit(
        &self,
        question: &Question<'_>,
        passages: &[crate::FoundPassage],
    ) -> Result<(Stream, GenerationRecord), ModelError> {
        let (turns, text) = (&question.asked.turns, question.prompt);
        let prompt =
            request::prompt(&self.tokenizer, self.template.as_ref(), turns, text, passages).map_err(|error| {
                refused(RefusalCode::Invalid, format!("the model cannot be asked this: {}", told(&error)))
            })?;
        if prompt.len() >= self.max_context {
            let (tokens, limit) = (prompt.len(), self.max_context);
            return Err(refused(
                RefusalCode::Invalid,
                format!("the question and its passages are {tokens} tokens, the model reads {limit}: shorten it"),
            ));
        }
        let weights = Weights {
            base: self.hash,
            adapter: B256::ZERO,
            profile: PROFILE,
            context: u32::try_from(self.max_context).unwrap_or(MAX_CONTEXT),
        };
        let record = request::record(weights, &self.defaults, question, passages, prompt.clone());
        let task = Task::Generate(request::generation(&record, question.seed));
        let prefix_scope = self.scopes.hash_one(question.payer);
        let request = Request { payer: Payer(question.payer.0.0), adapter: None, prefix_scope, prompt, task };
        let stream = self.engine.submit(request).map_err(|error| {
            let code = match error {
                SubmitError::Busy { .. } | SubmitError::PayerBusy { .. } => RefusalCode::Busy,
                SubmitError::Stopped => RefusalCode::Engine,
                _ => RefusalCode::Invalid,
            };
            refused(code, error.to_string())
        })?;
        Ok((stream, record))
    }
}

impl AnswerModel for LocalModel {
    fn engine_class(&self) -> EngineClass {
        EngineClass::Exact
    }

    fn generates(&self) -> bool {
        true
    }

    fn answer(
        &self,
        question: Question<'_>,
        passages: &dyn Passages,
        emit: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Written, ModelError> {
        let found = passages.best(question.text, self.passage_bytes)?;
        // Dropped on every way out of here, which cancels what still runs.
        let (stream, mut record) = self.submit(&question, &found)?;
        let mut text = Detokenizer::new(self.tokenizer.clone());
        let undecodable = |error: FormatError| refused(RefusalCode::Engine, told(&error));
        let finish = loop {
            let event = match stream.recv_timeout(LOOK) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) if question.cancelled.is_cancelled() => {
                    return Err(refused(RefusalCode::Engine, "nobody waits for the answer any more".into()));
                }
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(refused(RefusalCode::Engine, SubmitError::Stopped.to_string()));
                }
            };
            match event {
                Event::Token { token, .. } => {
                    record.answer.push(token);
                    if self.ends.contains(&token) {
                        continue;
                    }
                    let piece = text.push(token).map_err(undecodable)?;
                    if !piece.is_empty() && !emit(&piece) {
                        return Ok(Written { generation: Some(Box::new(record)), ..Written::default() });
                    }
                }
                Event::Finished { finish: Ended::Length, .. } => break Finish::Length,
                Event::Finished { .. } => break Finish::Stop,
                Event::Failed { error, .. } => return Err(refused(RefusalCode::Engine, error.to_string())),
                Event::Embedding { .. } => {}
            }
        };
        let rest = text.finish().map_err(undecodable)?;
        if !rest.is_empty() {
            emit(&rest);
        }
        Ok(Written { finish, generation: Some(Box::new(record)), ..Written::default() })
    }
}

/// A record's profile as the engine names it.
pub(crate) fn engine_profile(profile: Profile) -> fonte_inference::Profile {
    match profile {
        Profile::F32Exact => fonte_inference::Profile::F32Exact,
        Profile::Int8Exact => fonte_inference::Profile::Int8Exact,
    }
}

fn refused(code: RefusalCode, message: String) -> ModelError {
    ModelError::Refused { code, message }
}

/// What a payer is told: nothing of where files lie. The rest goes to this worker's log.
fn told(error: &FormatError) -> String {
    tracing::warn!(error = error as &dyn std::error::Error, "a prompt or an answer could not be converted");
    match error {
        FormatError::Template { .. } => "its chat template does not take this conversation",
        FormatError::TooLarge { .. } => "the text is too long",
        _ => "its tokenizer does not take the text",
    }
    .into()
}

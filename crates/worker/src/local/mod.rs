//! Our own engine as models: a base in memory and adapters on it, answers of class `exact`.
//!
//! One answer goes through here like this. [`LocalModel`] takes the best passages of the datanets that the job may use and
//! lays them out as external engines get them (`engine::prompt`), then the conversation by the base's own chat template
//! (`request`). The engine batches it with whatever else runs, of whichever adapter, and every token becomes text here as
//! soon as its characters are whole. Who stops waiting stops the request. Tokens are a function of the base's and the
//! adapter's files, prompt, options and seed; `docs/engine.md` says how.
//!
//! With the feature `candle` a device may compute instead (`LocalConfig::device`). Its answers are of class `tolerance`,
//! without a record to replay.

mod adapters;
pub(crate) mod request;

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::{Arc, mpsc::RecvTimeoutError},
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes};
use fonte_inference::{
    AdapterSource, Engine, EngineConfig, EngineError, EngineHandle, Event, Finish as Ended, Logprobs, NoAdapters,
    Payer, PinError, Request, RunError, Stats, Stream, SubmitError, Task,
    formats::{ChatTemplate, Detokenizer, FormatError, GenerationConfig, Limits, Tokenizer, read_base},
    model::{ContentHash, ModelConfig},
};
#[cfg(feature = "candle")]
use fonte_inference::{DeviceConfig, DeviceEngine};
use fonte_types::{
    EngineClass,
    generation::{GenerationRecord, MAX_CONTEXT, Profile},
    log_probs::{Alternative, TokenLogProb},
    wire::{EngineReport, EngineUsage, Finish, MAX_MODELS, RefusalCode, Resident},
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::adapters::{AdapterEntry, AdapterError, AdapterFolder, FolderSource, Found, Refused, Unlisted};
use self::request::Weights;
use crate::{
    FoundPassage,
    model::{AnswerModel, Emit, ModelError, Passages, Question, Written},
};

/// How long a silent engine is waited for before it is looked whether anybody still waits for the answer.
const LOOK: Duration = Duration::from_millis(50);

/// What a base may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalConfig {
    /// The arithmetic of every answer, which receipts name: each is another function of the same files.
    pub profile: Profile,
    /// Most bytes of passages that it reads for a question.
    pub passage_bytes: usize,
    /// Threads of a pass.
    pub threads: usize,
    /// Bytes for keys and values. The weights are not counted.
    pub memory: usize,
    /// Most tokens of prompt and answer; the model's own limit where that is lower.
    pub max_context: usize,
    /// Requests that are computed together.
    pub max_running: usize,
    /// How much memory its files may ask for.
    pub limits: Limits,
    /// A device that computes instead of our own engine: `cuda`, `cuda:N`, or `cpu` for candle's.
    #[cfg(feature = "candle")]
    pub device: Option<String>,
    /// A program that renders the base's chat template when told so (`ChatTemplate::isolated`); without one a template
    /// made for it can hang this process.
    pub template_program: Option<PathBuf>,
}

impl Default for LocalConfig {
    /// f32, and 6,000 bytes of passages as for external engines; the rest as the engine has it.
    fn default() -> Self {
        let EngineConfig { threads, memory, max_context, max_running, .. } = EngineConfig::default();
        Self {
            profile: Profile::F32Exact,
            passage_bytes: 6_000,
            threads,
            memory,
            max_context,
            max_running,
            limits: Limits::default(),
            #[cfg(feature = "candle")]
            device: None,
            template_program: None,
        }
    }
}

/// The template, rendered by the program if there is one.
pub(crate) fn isolated(template: Option<ChatTemplate>, program: Option<PathBuf>) -> Option<ChatTemplate> {
    match program {
        Some(program) => template.map(|template| template.isolated(program)),
        None => template,
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
    /// The device does not take it.
    #[cfg(feature = "candle")]
    #[error("the device cannot be used")]
    Device(#[from] fonte_inference::DeviceError),
    /// No thread for it.
    #[error("the engine's thread cannot be started")]
    Thread(#[source] std::io::Error),
    /// The adapters cannot be looked for.
    #[error(transparent)]
    Adapters(#[from] Unlisted),
}

/// A base that this process runs, and the adapters on it. One engine computes them all, so that requests of different
/// adapters share a batch. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct LocalBase {
    shared: Arc<Shared>,
}

struct Shared {
    hash: B256,
    profile: Profile,
    class: EngineClass,
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
    adapters: Option<Arc<AdapterFolder>>,
    offered: watch::Sender<Arc<Vec<AdapterEntry>>>,
    /// Taken out of the folder while requests still use them.
    leaving: Mutex<BTreeSet<ContentHash>>,
}

impl LocalBase {
    /// Reads a base (a folder in Hugging Face's layout, or a GGUF file beside a `tokenizer.json`), and starts an engine for
    /// it, with adapters from a folder of PEFT folders. Takes as long as reading and hashing the base's files; adapters are
    /// looked for by [`Self::look`].
    ///
    /// # Errors
    /// [`LocalError`], naming what is wrong with the files or settings.
    pub fn open(path: &Path, adapters: Option<&Path>, config: LocalConfig) -> Result<Self, LocalError> {
        let base = read_base(path, None, &config.limits)?;
        let tokenizer = base.tokenizer.ok_or(LocalError::NoTokenizer)?;
        let max_context = config.max_context.min(base.config.max_positions).min(MAX_CONTEXT as usize);
        let ends = base.config.eos.clone();
        let settings = EngineConfig {
            profile: engine_profile(config.profile),
            threads: config.threads,
            memory: config.memory,
            max_context,
            max_running: config.max_running,
            max_step_tokens: EngineConfig::default().max_step_tokens.max(config.max_running),
            ..EngineConfig::default()
        };
        let adapters = adapters
            .map(|folder| AdapterFolder::new(vec![folder.to_owned()], base.config.clone(), base.hash, config.limits))
            .map(Arc::new);
        let (shapes, weights) = (base.config, base.weights);
        let (engine, class) = match &adapters {
            Some(folder) => start(shapes, weights, settings, FolderSource(folder.clone()), &config)?,
            None => start(shapes, weights, settings, NoAdapters, &config)?,
        };
        let shared = Shared {
            hash: B256::from(base.hash.0),
            class,
            profile: config.profile,
            engine,
            tokenizer,
            template: isolated(base.template, config.template_program),
            defaults: base.generation,
            ends,
            max_context,
            passage_bytes: config.passage_bytes,
            scopes: RandomState::new(),
            adapters,
            offered: watch::Sender::default(),
            leaving: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Looks into the folder of adapters ([`AdapterFolder::look`]): those that came are made known to the engine, which
    /// loads them as requests come; those that went are offered no longer, and answers that they are writing end as they
    /// would have. Those that do not fit the base are told, and the others served.
    ///
    /// # Errors
    /// [`LocalError::Adapters`] where the folder cannot be listed.
    pub fn look(&self, quiet: Duration) -> Result<Found, LocalError> {
        let shared = &self.shared;
        let Some(folder) = &shared.adapters else { return Ok(Found::default()) };
        let mut leaving = shared.leaving.lock();
        let found = folder.look(quiet)?;
        leaving.extend(found.gone.iter().map(|adapter| adapter.hash));
        for AdapterEntry { hash, .. } in &found.added {
            leaving.remove(hash);
            shared.engine.register(*hash);
        }
        // What is still in use is let go by a later look.
        leaving.retain(|hash| !shared.engine.unregister(*hash));
        if !found.added.is_empty() || !found.gone.is_empty() {
            shared.offered.send_replace(Arc::new(folder.entries()));
        }
        Ok(found)
    }

    /// The adapters that the last look left, by their names, and whenever that changes.
    pub fn adapters(&self) -> watch::Receiver<Arc<Vec<AdapterEntry>>> {
        self.shared.offered.subscribe()
    }

    /// The content hash of the base's files (`docs/spec/models-files.md`): the artifact of its record on chain.
    pub fn hash(&self) -> B256 {
        self.shared.hash
    }

    /// Whether its answers can be computed again bit for bit.
    pub fn class(&self) -> EngineClass {
        self.shared.class
    }

    /// The base alone.
    pub fn base(&self) -> LocalModel {
        LocalModel { base: self.clone(), adapter: None }
    }

    /// The base with an adapter that [`Self::look`] found.
    pub fn adapter(&self, hash: ContentHash) -> LocalModel {
        LocalModel { base: self.clone(), adapter: Some(hash) }
    }

    /// What the engine does at the moment; none: it has stopped.
    pub fn stats(&self) -> Option<Stats> {
        self.shared.engine.stats()
    }

    /// The same with the adapters in memory, as it is told to a gateway; none: the engine has stopped. Waits for the end of
    /// the engine's current step.
    pub fn report(&self) -> Option<EngineReport> {
        let stats = self.stats()?;
        let mut resident: Vec<Resident> = self
            .shared
            .engine
            .residency()
            .into_iter()
            .map(|(hash, bytes)| Resident { adapter: B256::from(hash.0), bytes: bytes as u64 })
            .collect();
        resident.sort();
        resident.truncate(MAX_MODELS);
        Some(EngineReport {
            base: self.shared.hash,
            waiting: stats.waiting as u64,
            running: stats.running as u64,
            registered: stats.registered as u64,
            adapter_bytes: stats.adapter_bytes as u64,
            cache_bytes: stats.cache_bytes as u64,
            model_bytes: stats.model_bytes as u64,
            steps: stats.steps,
            prompt_tokens: stats.prompt_tokens,
            cached_tokens: stats.cached_tokens,
            answer_tokens: stats.answer_tokens,
            loads: stats.loads,
            evictions: stats.evictions,
            resident,
        })
    }
}

/// An engine on a thread, and the class of its answers.
fn start(
    shapes: ModelConfig,
    weights: fonte_inference::model::Weights,
    settings: EngineConfig,
    source: impl AdapterSource,
    config: &LocalConfig,
) -> Result<(EngineHandle, EngineClass), LocalError> {
    #[cfg(feature = "candle")]
    if let Some(device) = &config.device {
        let room = DeviceConfig { max_context: settings.max_context, ..DeviceConfig::default() };
        let engine = DeviceEngine::new(shapes, &weights, fonte_inference::device(device)?, room, source)?;
        let failed = |error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the device failed: no answer comes from it until this process is started again");
        };
        let handle = EngineHandle::spawn_on_device(engine, failed).map_err(LocalError::Thread)?;
        return Ok((handle, EngineClass::Tolerance));
    }
    #[cfg(not(feature = "candle"))]
    let _ = config;
    let engine = Engine::new(shapes, weights, settings, source)?;
    Ok((EngineHandle::spawn(engine).map_err(LocalError::Thread)?, EngineClass::Exact))
}

/// A base, or an adapter on it, as a model.
#[derive(Clone)]
pub struct LocalModel {
    base: LocalBase,
    adapter: Option<ContentHash>,
}

impl LocalModel {
    fn shared(&self) -> &Shared {
        &self.base.shared
    }

    /// The content hash of its base.
    pub fn hash(&self) -> B256 {
        self.base.hash()
    }

    /// Puts the question to the engine, with as many of the passages as its context has room for. The record comes back with
    /// all but the answer's tokens.
    fn submit(
        &self,
        question: &Question<'_>,
        passages: Vec<FoundPassage>,
    ) -> Result<(Stream, GenerationRecord), ModelError> {
        let shared = self.shared();
        let (turns, text) = (&question.asked.turns, question.prompt);
        let lay = |passages: &[FoundPassage]| {
            request::prompt(&shared.tokenizer, shared.template.as_ref(), turns, text, passages)
        };
        let (passages, prompt) =
            request::fitted(lay, passages, shared.max_context, question.max_output_tokens as usize)
                .map_err(|error| unaskable(&error))?;
        self.fits("the question without a passage", &prompt)?;
        let weights = Weights {
            base: shared.hash,
            adapter: self.adapter.map_or(B256::ZERO, |hash| B256::from(hash.0)),
            profile: shared.profile,
            context: u32::try_from(shared.max_context).unwrap_or(MAX_CONTEXT),
        };
        let record = request::record(weights, &shared.defaults, question, &passages, prompt.clone());
        let mut generation = request::generation(&record, question.seed);
        // Told beside the tokens, and no reason for another one.
        generation.logprobs = question.asked.log_probs.map(usize::from);
        Ok((self.run(question.payer, prompt, Task::Generate(generation))?, record))
    }

    /// Whether the context has room for a prompt and a token.
    fn fits(&self, what: &str, prompt: &[u32]) -> Result<(), ModelError> {
        let (tokens, limit) = (prompt.len(), self.shared().max_context);
        if tokens < limit {
            return Ok(());
        }
        let message = format!("{what} is {tokens} tokens, the model reads {limit}: shorten it");
        Err(refused(RefusalCode::Invalid, message))
    }

    fn run(&self, payer: Address, prompt: Vec<u32>, task: Task) -> Result<Stream, ModelError> {
        let prefix_scope = self.shared().scopes.hash_one(payer);
        let request = Request { payer: Payer(payer.0.0), adapter: self.adapter, prefix_scope, prompt, task };
        self.shared().engine.submit(request).map_err(|error| {
            let code = match error {
                SubmitError::Busy { .. } | SubmitError::PayerBusy { .. } => RefusalCode::Busy,
                SubmitError::Stopped => RefusalCode::Engine,
                _ => RefusalCode::Invalid,
            };
            refused(code, error.to_string())
        })
    }

    /// The embedding of a text, as wide as the model and of length 1, and its tokens.
    ///
    /// # Errors
    /// [`ModelError::Refused`] for a text that is empty or too long, and for what an answer would be refused for.
    pub fn embed(
        &self,
        text: &str,
        payer: Address,
        cancelled: &CancellationToken,
    ) -> Result<(Vec<f32>, usize), ModelError> {
        let tokenizer = &self.shared().tokenizer;
        let prompt = tokenizer.encode(&tokenizer.guard(text), true).map_err(|error| unaskable(&error))?;
        let tokens = prompt.len();
        self.fits("the text", &prompt)?;
        let stream = self.run(payer, prompt, Task::Embed)?;
        loop {
            match next(&stream, cancelled)? {
                Event::Embedding { vector, .. } => return Ok((vector, tokens)),
                Event::Failed { error, .. } => return Err(failed(&error)),
                Event::Token { .. } | Event::Finished { .. } => {}
            }
        }
    }

    /// A pass of one token, which ends when the adapter is in memory, or tells why it is not.
    fn touch(&self, cancelled: &CancellationToken) -> Result<(), ModelError> {
        let stream = self.run(Address::ZERO, vec![0], Task::Embed)?;
        loop {
            match next(&stream, cancelled)? {
                Event::Finished { .. } => return Ok(()),
                Event::Failed { error, .. } => return Err(failed(&error)),
                Event::Token { .. } | Event::Embedding { .. } => {}
            }
        }
    }
}

/// The next event of a request, unless nobody waits for it any more.
fn next(stream: &Stream, cancelled: &CancellationToken) -> Result<Event, ModelError> {
    loop {
        match stream.recv_timeout(LOOK) {
            Ok(event) => return Ok(event),
            Err(RecvTimeoutError::Timeout) if cancelled.is_cancelled() => {
                return Err(refused(RefusalCode::Engine, "nobody waits for the answer any more".into()));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(refused(RefusalCode::Engine, SubmitError::Stopped.to_string()));
            }
        }
    }
}

impl AnswerModel for LocalModel {
    fn engine_class(&self) -> EngineClass {
        self.base.class()
    }

    fn generates(&self) -> bool {
        true
    }

    fn keep(&self, keep: bool, cancelled: &CancellationToken) -> Result<(), ModelError> {
        let engine = &self.shared().engine;
        let Some(hash) = self.adapter else {
            return Err(refused(RefusalCode::Invalid, "it is a base, which is always in memory".into()));
        };
        if !keep {
            return match engine.unload(hash) {
                true => Ok(()),
                false => Err(refused(RefusalCode::Busy, "the adapter is in use: try again in a moment".into())),
            };
        }
        let pin = || {
            engine.pin(hash, true).map_err(|error| {
                let code = match error {
                    PinError::NoRoom { .. } => RefusalCode::Busy,
                    PinError::UnknownAdapter(_) | PinError::OnDevice => RefusalCode::Invalid,
                    PinError::Stopped => RefusalCode::Engine,
                };
                refused(code, error.to_string())
            })
        };
        pin()?;
        // Its size is known once it is here, and only then whether it may be kept.
        let kept = self.touch(cancelled).and_then(|()| pin());
        if kept.is_err() {
            // An order that failed leaves nothing behind that takes memory from answers. An engine that has stopped keeps
            // nothing either.
            let _ = engine.pin(hash, false);
        }
        kept
    }

    fn answer(
        &self,
        question: Question<'_>,
        passages: &dyn Passages,
        emit: &mut Emit<'_>,
    ) -> Result<Written, ModelError> {
        let shared = self.shared();
        let found = passages.best(question.text, shared.passage_bytes)?;
        // Dropped on every way out of here, which cancels what still runs.
        let (stream, mut record) = self.submit(&question, found)?;
        let mut text = Detokenizer::new(shared.tokenizer.clone());
        let undecodable = |error: FormatError| refused(RefusalCode::Engine, unreadable(&error));
        let finish = loop {
            match next(&stream, question.cancelled)? {
                Event::Token { token, logprobs, .. } => {
                    record.answer.push(token);
                    if shared.ends.contains(&token) {
                        continue;
                    }
                    let before = logprobs.as_ref().map(|_| text.clone());
                    let piece = text.push(token).map_err(undecodable)?;
                    let said = logprobs.zip(before).map(|(logprobs, before)| {
                        alternatives(&shared.tokenizer, &before, &piece, &logprobs).map_err(undecodable)
                    });
                    let said = said.transpose()?;
                    if piece.is_empty() && said.is_none() {
                        continue;
                    }
                    if !emit(&piece, said.as_slice()) {
                        return Ok(written(shared.class, Finish::Stop, record));
                    }
                }
                Event::Finished { finish: Ended::Length, .. } => break Finish::Length,
                Event::Finished { .. } => break Finish::Stop,
                Event::Failed { error, .. } => return Err(failed(&error)),
                Event::Embedding { .. } => {}
            }
        };
        let rest = text.finish().map_err(undecodable)?;
        if !rest.is_empty() {
            emit(&rest, &[]);
        }
        Ok(written(shared.class, finish, record))
    }
}

/// A record's profile as the engine names it.
pub fn engine_profile(profile: Profile) -> fonte_inference::Profile {
    match profile {
        Profile::F32Exact => fonte_inference::Profile::F32Exact,
        Profile::Int8Exact => fonte_inference::Profile::Int8Exact,
    }
}

fn written(class: EngineClass, finish: Finish, record: GenerationRecord) -> Written {
    let usage = EngineUsage { input_tokens: record.prompt.len() as u64, output_tokens: record.answer.len() as u64 };
    // Of what a device wrote nobody can compute the same tokens again.
    let generation = (class == EngineClass::Exact).then(|| Box::new(record));
    Written { finish, engine_usage: Some(usage), generation }
}

/// A token with its log-probabilities. Its bytes are those that it added to the text, which may be none where a character
/// takes several tokens; an alternative's are those that it would have added.
pub(crate) fn alternatives(
    tokenizer: &Tokenizer,
    before: &Detokenizer,
    piece: &str,
    logprobs: &Logprobs,
) -> Result<TokenLogProb, FormatError> {
    let alternative = |text: &str, micronats| Alternative { bytes: Bytes::copy_from_slice(text.as_bytes()), micronats };
    let mut top = Vec::with_capacity(logprobs.top.len());
    for (token, micronats) in &logprobs.top {
        let added = before.clone().push(*token).and_then(|added| match added.is_empty() {
            true => tokenizer.decode(&[*token]),
            false => Ok(added),
        })?;
        top.push(alternative(&added, *micronats));
    }
    Ok(TokenLogProb { token: alternative(piece, logprobs.chosen), top })
}

fn unaskable(error: &FormatError) -> ModelError {
    refused(RefusalCode::Invalid, format!("the model cannot be asked this: {}", unreadable(error)))
}

/// What an asker is told of a request that failed in the engine.
fn failed(error: &RunError) -> ModelError {
    let code = match error {
        // It may fit elsewhere, or later.
        RunError::NoMemory => RefusalCode::Busy,
        _ => RefusalCode::Engine,
    };
    refused(code, error.to_string())
}

fn refused(code: RefusalCode, message: String) -> ModelError {
    ModelError::Refused { code, message }
}

/// What a payer is told: nothing of where files lie. The rest goes to this worker's log.
fn unreadable(error: &FormatError) -> String {
    tracing::warn!(error = error as &dyn std::error::Error, "a prompt or an answer could not be converted");
    match error {
        FormatError::Template { .. } => "its chat template does not take this conversation",
        FormatError::TooLarge { .. } => "the text is too long",
        _ => "its tokenizer does not take the text",
    }
    .into()
}

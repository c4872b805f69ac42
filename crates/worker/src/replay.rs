//! Computing an answer of class `exact` again from its receipt (`docs/spec/replay.md`).
//!
//! One receipt goes through here like this. [`Replayer::open`] reads and hashes the base that the receipt names, and the
//! adapters. [`Replayer::replay`] makes every check of the bundle that needs no model; lays conversation and passages out
//! anew and compares that with the tokens that the worker says it read, so that nothing else can have stood in the prompt;
//! turns the answer's tokens into text and compares it with the answer that was paid for; and lets the engine choose every
//! token again, and say how likely it finds it where the receipt does. What differs is named: which token, what was signed
//! for and what the model says.
//!
//! A replayer asks nobody: where passages come from is the caller's to say, and one that cannot be had is told as such.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::B256;
use fonte_corpus::Bundle;
use fonte_inference::{
    Engine, EngineConfig, EngineHandle, Event, Finish as Ended, Generation, Isa, Logprobs, Payer, Request, RunError,
    SubmitError, Task,
    formats::{ChatTemplate, Detokenizer, FormatError, GenerationConfig, Limits, Tokenizer, hash_base, read_base},
    model::ContentHash,
};
use fonte_types::{
    EngineClass,
    bundle::{Outcome, ReceiptBundle, verify},
    generation::{GenerationRecord, MAX_CONTEXT, PassageRange, Profile},
    log_probs::{LogProbs, TokenLogProb},
    wire::Finish,
};
use serde::Serialize;

use crate::{
    FoundPassage,
    local::{
        AdapterError, AdapterFolder, FolderSource, LocalError, Refused, Unlisted, alternatives, engine_profile,
        isolated, request,
    },
    writer::Writer,
};

/// How a replayer computes. Only `profile` shows in what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayConfig {
    /// The arithmetic that the receipts name.
    pub profile: Profile,
    /// Threads of a pass.
    pub threads: usize,
    /// The instruction set; all compute the same.
    pub isa: Isa,
    /// Bytes for keys, values and adapters. The weights are not counted.
    pub memory: usize,
    /// How much memory the files may ask for.
    pub limits: Limits,
    /// A program that renders the base's chat template: [`crate::local::LocalConfig::template_program`].
    pub template_program: Option<PathBuf>,
}

impl Default for ReplayConfig {
    /// As the engine has it.
    fn default() -> Self {
        let EngineConfig { threads, isa, memory, .. } = EngineConfig::default();
        Self { profile: Profile::F32Exact, threads, isa, memory, limits: Limits::default(), template_program: None }
    }
}

/// A receipt cannot be replayed here: nothing is said of whether it is right.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Class `tolerance`.
    #[error(
        "the receipt's class is tolerance: an engine wrote the answer that promises no bits, so nobody can compute it \
         again; its log-probabilities, where it has any, can only be compared"
    )]
    Tolerance,
    /// No record.
    #[error(
        "the receipt commits to no generation: its answer quotes and no model with weights wrote it; what it quotes is \
         recomputed by `fonte receipt verify --chain`"
    )]
    NoRecord,
    /// The bundle fails its own checks.
    #[error("the bundle does not hold: {differs} {why}; `fonte receipt verify` makes every check")]
    Bundle {
        /// What differs.
        differs: String,
        /// What was found.
        why: String,
    },
    /// Other files.
    #[error(
        "the receipt names base {named}, the files at {path} are {found}: give the folder of the base that answered"
    )]
    Base {
        /// By the receipt.
        named: B256,
        /// Where the files are.
        path: String,
        /// Their hash.
        found: B256,
    },
    /// No such adapter.
    #[error("the receipt names adapter {named}, which is none of the {known} that were given for this base")]
    Adapter {
        /// By the receipt.
        named: B256,
        /// Adapters known.
        known: usize,
    },
    /// Another arithmetic.
    #[error("the receipt names another profile ({named:?}) than the one opened ({opened:?})")]
    Profile {
        /// By the receipt.
        named: Profile,
        /// Of this replayer.
        opened: Profile,
    },
    /// The base or an engine for it could not be had.
    #[error(transparent)]
    Open(#[from] LocalError),
    /// An adapter's folder could not be read.
    #[error("the adapter at {path} cannot be read")]
    AdapterFiles {
        /// The folder.
        path: String,
        /// What is wrong with it.
        #[source]
        source: FormatError,
    },
    /// A folder of adapters could not be listed.
    #[error(transparent)]
    Folder(#[from] Unlisted),
    /// Text could not be converted.
    #[error("the base's tokenizer or template failed")]
    Text(#[from] FormatError),
    /// The engine did not take it.
    #[error("the engine does not take the replay")]
    Submit(#[from] SubmitError),
    /// The engine failed.
    #[error("the engine failed")]
    Run(#[from] RunError),
}

/// A passage as the model read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassageText {
    /// Title of the document.
    pub title: String,
    /// The text of the range.
    pub text: String,
}

/// Why there is no text of a passage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassageFault {
    /// It could not be had: nothing is said of the worker.
    #[error("{0}")]
    Unavailable(String),
    /// The record names what is not there, or what it may not: the worker's fault.
    #[error("{0}")]
    Wrong(String),
}

/// Where a replay finds passages.
pub type Passages<'a> = dyn Fn(&PassageRange) -> Result<PassageText, PassageFault> + 'a;

/// A passage in a contribution's texts, which must have been checked against the root on chain.
///
/// # Errors
/// [`PassageFault::Wrong`] where there is no such range of text.
pub fn passage_in(texts: &Bundle, at: &PassageRange) -> Result<PassageText, PassageFault> {
    let wrong = |error: &dyn std::fmt::Display| PassageFault::Wrong(format!("there is no such text: {error}"));
    let start = usize::try_from(at.offset).map_err(|error| wrong(&error))?;
    let end = start.checked_add(at.bytes as usize).ok_or_else(|| wrong(&"it would end nowhere"))?;
    let text = texts.text_range(at.document, start..end).map_err(|error| wrong(&error))?;
    let (_, metadata) = texts.describe(at.document).map_err(|error| wrong(&error))?;
    Ok(PassageText { title: metadata.title, text })
}

/// A token as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its number.
    pub id: u32,
    /// Its text alone; empty for control tokens and parts of characters.
    pub text: String,
    /// Whether it ends answers.
    pub ends: bool,
}

/// The first place where two lists of tokens differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Place, from 0.
    pub index: usize,
    /// What the worker signed for; none: its list ends there.
    pub committed: Option<Token>,
    /// What is due; none: the list must end there.
    pub computed: Option<Token>,
}

/// Whether the prompt is the documented layout of conversation and passages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum PromptReplay {
    /// Token for token.
    Same,
    /// It is not.
    Differs(Difference),
    /// A passage is not what the record says, or the worker may not have read it.
    WrongPassage {
        /// Place in the record, from 0.
        index: usize,
        /// The passage.
        passage: PassageRange,
        /// What is wrong.
        why: String,
    },
    /// A passage could not be had, so the prompt was not laid out anew.
    NotRendered {
        /// Place in the record, from 0.
        index: usize,
        /// The passage.
        passage: PassageRange,
        /// Why not.
        why: String,
    },
}

/// Whether the answer's tokens are the answer's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TextReplay {
    /// Byte for byte.
    Same,
    /// They are another text.
    Differs {
        /// First byte that differs.
        byte: usize,
    },
}

/// Whether the model writes the answer's tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AnswerReplay {
    /// Each of them, and it ends where the answer does.
    Same,
    /// It writes another one, or ends elsewhere.
    Differs(Difference),
    /// No model with these files can have read the prompt.
    Impossible {
        /// Why.
        why: String,
    },
}

/// Whether the log-probabilities that the receipt commits to are the model's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum LogProbsReplay {
    /// The receipt commits to none.
    None,
    /// All of them, to the millionth. Where the model writes other tokens, those before the first of these.
    Same,
    /// They are not.
    Differs {
        /// Place in the answer of the first token whose own are others, from 0.
        index: usize,
        /// What the worker signed for; none: its list ends there.
        committed: Option<TokenLogProb>,
        /// What the model says; none: there can be none.
        computed: Option<TokenLogProb>,
    },
}

/// Options that nobody asks for are the choice of the base's authors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum OptionsReplay {
    /// They are.
    Same,
    /// One is not.
    Differs {
        /// Which.
        field: &'static str,
        /// What the worker signed for.
        committed: u32,
        /// What the base's files say.
        computed: u32,
    },
}

/// What became of a replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the answer.
    pub answer_tokens: usize,
    /// What the model read.
    pub prompt: PromptReplay,
    /// How it was sampled.
    pub options: OptionsReplay,
    /// What its tokens say.
    pub text: TextReplay,
    /// What it writes.
    pub answer: AnswerReplay,
    /// How likely it finds that.
    pub log_probs: LogProbsReplay,
}

impl Replayed {
    /// Nothing that could be compared differs.
    pub fn holds(&self) -> bool {
        matches!(self.prompt, PromptReplay::Same | PromptReplay::NotRendered { .. })
            && self.options == OptionsReplay::Same
            && self.text == TextReplay::Same
            && self.answer == AnswerReplay::Same
            && matches!(self.log_probs, LogProbsReplay::None | LogProbsReplay::Same)
    }
}

/// A base in memory, and the adapters that were found for it. Any number of receipts, from any number of threads.
pub struct Replayer {
    path: PathBuf,
    base: B256,
    profile: Profile,
    adapters: Vec<ContentHash>,
    engine: EngineHandle,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    defaults: GenerationConfig,
    ends: Vec<u32>,
    vocabulary: usize,
}

impl Replayer {
    /// Reads a base as [`crate::local::LocalBase::open`] does, and hashes adapters: each of the paths is a PEFT folder, or
    /// a folder of them. Their numbers are read when a receipt names them.
    ///
    /// # Errors
    /// [`ReplayError`], naming the files and what is wrong with them. In a folder of adapters those that are none for this
    /// base are passed over.
    pub fn open(path: &Path, adapters: &[PathBuf], config: ReplayConfig) -> Result<Self, ReplayError> {
        let base = read_base(path, None, &config.limits).map_err(LocalError::from)?;
        let tokenizer = base.tokenizer.ok_or(LocalError::NoTokenizer)?;
        let folder = AdapterFolder::new(adapters.to_vec(), base.config.clone(), base.hash, config.limits);
        for Refused { path, error, .. } in folder.look(Duration::ZERO)?.refused {
            match error {
                // It was meant, and is not just one of a folder.
                AdapterError::Files(source) if adapters.contains(&path) => {
                    return Err(ReplayError::AdapterFiles { path: path.display().to_string(), source });
                }
                error => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(folder = %path.display(), error, "passed over");
                }
            }
        }
        let adapters: Vec<ContentHash> = folder.entries().into_iter().map(|adapter| adapter.hash).collect();
        let (ends, vocabulary) = (base.config.eos.clone(), base.config.vocabulary);
        let settings = EngineConfig {
            profile: engine_profile(config.profile),
            isa: config.isa,
            threads: config.threads,
            memory: config.memory,
            max_context: base.config.max_positions.min(MAX_CONTEXT as usize),
            ..EngineConfig::default()
        };
        let source = FolderSource(Arc::new(folder));
        let engine = Engine::new(base.config, base.weights, settings, source).map_err(LocalError::from)?;
        let engine = EngineHandle::spawn(engine).map_err(LocalError::Thread)?;
        adapters.iter().for_each(|hash| engine.register(*hash));
        Ok(Self {
            path: path.to_owned(),
            base: B256::from(base.hash.0),
            profile: config.profile,
            adapters,
            engine,
            tokenizer,
            template: isolated(base.template, config.template_program),
            defaults: base.generation,
            ends,
            vocabulary,
        })
    }

    /// The content hash of the base.
    pub fn base(&self) -> B256 {
        self.base
    }

    /// The adapters that it knows.
    pub fn adapters(&self) -> impl Iterator<Item = B256> + '_ {
        self.adapters.iter().map(|hash| B256::from(hash.0))
    }

    /// Computes an answer again.
    ///
    /// # Errors
    /// [`ReplayError`] where that cannot be done: not an answer of these files, or one whose bundle does not hold.
    pub fn replay(&self, bundle: &ReceiptBundle, passages: &Passages<'_>) -> Result<Replayed, ReplayError> {
        let record = record_of(bundle)?;
        if record.base != self.base {
            return Err(another_base(record, &self.path, self.base));
        }
        if record.profile != self.profile {
            return Err(ReplayError::Profile { named: record.profile, opened: self.profile });
        }
        let adapter = (!record.adapter.is_zero()).then_some(ContentHash(record.adapter.0));
        if adapter.is_some_and(|hash| !self.adapters.contains(&hash)) {
            return Err(ReplayError::Adapter { named: record.adapter, known: self.adapters.len() });
        }
        let prompt = self.prompt(record, &bundle.prompt.text, passages)?;
        let (text, ended) = self.say(record)?;
        // As many alternatives as stand beside the first token; a worker tells as many of each.
        let claimed = bundle.log_probs.as_ref();
        let top = claimed.map(|claimed| claimed.tokens.first().map_or(0, |token| token.top.len()));
        let (answer, computed) = self.answer(record, adapter, bundle.receipt.seed, ended, top)?;
        let log_probs = match claimed {
            None => LogProbsReplay::None,
            Some(claimed) => {
                let complete = answer == AnswerReplay::Same;
                self.log_probs(record, claimed, &computed, complete, bundle.answer.text.as_bytes())?
            }
        };
        Ok(Replayed {
            prompt_tokens: record.prompt.len(),
            answer_tokens: record.answer.len(),
            prompt,
            options: self.options(record),
            text: match first_difference(text.as_bytes(), bundle.answer.text.as_bytes()) {
                None => TextReplay::Same,
                Some(byte) => TextReplay::Differs { byte },
            },
            answer,
            log_probs,
        })
    }

    /// Lays conversation and passages out and compares with what the worker says it read.
    fn prompt(
        &self,
        record: &GenerationRecord,
        text: &str,
        passages: &Passages<'_>,
    ) -> Result<PromptReplay, ReplayError> {
        let mut found = Vec::with_capacity(record.passages.len());
        for (index, passage) in record.passages.iter().enumerate() {
            let passage = *passage;
            let PassageText { title, text } = match passages(&passage) {
                Ok(read) if read.text.len() == passage.bytes as usize => read,
                Ok(read) => {
                    let why = format!("the text has {} bytes, {} were read", read.text.len(), passage.bytes);
                    return Ok(PromptReplay::WrongPassage { index, passage, why });
                }
                Err(PassageFault::Wrong(why)) => return Ok(PromptReplay::WrongPassage { index, passage, why }),
                Err(PassageFault::Unavailable(why)) => return Ok(PromptReplay::NotRendered { index, passage, why }),
            };
            let PassageRange { contribution, document, offset, .. } = passage;
            let (about, language) = (String::new(), String::new());
            found.push(FoundPassage { contribution, document, title, about, language, offset: offset as usize, text });
        }
        let turns = record
            .conversation(text)
            .map_err(|unfit| ReplayError::Bundle { differs: format!("generation.{}", unfit.field), why: unfit.why })?;
        let rendered = request::prompt(&self.tokenizer, self.template.as_ref(), &turns, text, &found)?;
        Ok(match self.compare(&record.prompt, &rendered) {
            None => PromptReplay::Same,
            Some(difference) => PromptReplay::Differs(difference),
        })
    }

    fn options(&self, record: &GenerationRecord) -> OptionsReplay {
        let (top_k, repetition) = request::unasked(&self.defaults);
        let options = [("top_k", record.top_k, top_k), ("repetition_milli", record.repetition_milli, repetition)];
        match options.into_iter().find(|(_, committed, computed)| committed != computed) {
            None => OptionsReplay::Same,
            Some((field, committed, computed)) => OptionsReplay::Differs { field, committed, computed },
        }
    }

    /// The text of the answer's tokens as the worker made it, and at which token it ends, if one of them ends it.
    fn say(&self, record: &GenerationRecord) -> Result<(String, Option<usize>), ReplayError> {
        let mut pass = |_: &str, _: &[TokenLogProb]| true;
        let mut writer = Writer::new(&record.stop, record.byte_limit(), &mut pass);
        let mut text = Detokenizer::new(self.tokenizer.clone());
        let mut ended = None;
        for (index, token) in record.answer.iter().enumerate() {
            if self.ends.contains(token) {
                ended = Some(index);
                break;
            }
            let piece = text.push(*token)?;
            if !piece.is_empty() && !writer.push(&piece, &[]) {
                return Ok((writer.finish(Finish::Stop).text, Some(index)));
            }
        }
        let rest = text.finish()?;
        if !rest.is_empty() {
            writer.push(&rest, &[]);
        }
        Ok((writer.finish(Finish::Stop).text, ended))
    }

    /// Lets the model choose every token of the answer again, and one more where nothing ends it. Tells the log-probabilities
    /// of those tokens that it chooses too, with `top` alternatives.
    fn answer(
        &self,
        record: &GenerationRecord,
        adapter: Option<ContentHash>,
        seed: u64,
        ended: Option<usize>,
        top: Option<usize>,
    ) -> Result<(AnswerReplay, Vec<Logprobs>), ReplayError> {
        let claimed = &record.answer;
        // What can be the model's: to the token that ends the answer, or to one that the model does not have.
        let ends = ended.map_or(claimed.len(), |last| last + 1);
        let known = claimed[..ends].iter().take_while(|token| (**token as usize) < self.vocabulary).count();
        let mut tokens = claimed[..known].to_vec();
        // Where nothing ends it, a token more: the model says which one comes there.
        let probe = known < ends || (ended.is_none() && known < record.token_limit());
        if probe {
            tokens.push(PROBE);
        }
        let generation = Generation { logprobs: top, ..request::generation(record, seed) };
        let task = Task::Replay(generation, tokens);
        let request =
            Request { payer: Payer::default(), adapter, prefix_scope: 0, prompt: record.prompt.clone(), task };
        let stream = match self.engine.submit(request) {
            Ok(stream) => stream,
            Err(error @ (SubmitError::UnknownToken { .. } | SubmitError::TooLong { .. })) => {
                return Ok((AnswerReplay::Impossible { why: error.to_string() }, Vec::new()));
            }
            Err(error) => return Err(error.into()),
        };
        let (mut same, mut told) = (0, Vec::new());
        let (index, computed) = loop {
            match stream.recv() {
                Some(Event::Token { index, logprobs, .. }) => {
                    same = index + 1;
                    told.extend(logprobs.filter(|_| index < known));
                }
                Some(Event::Finished { finish: Ended::Same, .. }) if probe => break (known, Some(PROBE)),
                Some(Event::Finished { finish: Ended::Same, .. }) if known < claimed.len() => break (known, None),
                Some(Event::Finished { finish: Ended::Same, .. }) => return Ok((AnswerReplay::Same, told)),
                Some(Event::Finished { finish: Ended::Differs { index, computed, .. }, .. }) => {
                    break (index, Some(computed));
                }
                Some(Event::Finished { .. }) => break (same, None),
                Some(Event::Failed { error, .. }) => return Err(error.into()),
                Some(Event::Embedding { .. }) => {}
                None => return Err(SubmitError::Stopped.into()),
            }
        };
        let committed = claimed.get(index).map(|id| self.token(*id));
        let difference = Difference { index, committed, computed: computed.map(|id| self.token(id)) };
        Ok((AnswerReplay::Differs(difference), told))
    }

    /// Compares log-probabilities with those that were computed for the answer's tokens: all of them, or the first ones
    /// where the model writes another answer.
    fn log_probs(
        &self,
        record: &GenerationRecord,
        claimed: &LogProbs,
        computed: &[Logprobs],
        complete: bool,
        answer: &[u8],
    ) -> Result<LogProbsReplay, ReplayError> {
        let mut text = Detokenizer::new(self.tokenizer.clone());
        let mut told = LogProbs::default();
        for (token, logprobs) in record.answer.iter().zip(computed).filter(|(token, _)| !self.ends.contains(token)) {
            let before = text.clone();
            let piece = text.push(*token)?;
            told.tokens.push(alternatives(&self.tokenizer, &before, &piece, logprobs)?);
        }
        // As the worker keeps those of the answer. Where tokens are another text, that is told elsewhere.
        let due = told.clone().within(answer).unwrap_or(told).tokens;
        let claimed = &claimed.tokens;
        let both = claimed.len().min(due.len());
        let within = (0..both).find(|index| claimed[*index] != due[*index]);
        let Some(index) = within.or((complete && claimed.len() != due.len()).then_some(both)) else {
            return Ok(LogProbsReplay::Same);
        };
        let (committed, computed) = (claimed.get(index).cloned(), due.get(index).cloned());
        Ok(LogProbsReplay::Differs { index, committed, computed })
    }

    fn compare(&self, committed: &[u32], computed: &[u32]) -> Option<Difference> {
        let index = first_difference(committed, computed)?;
        let token = |tokens: &[u32]| tokens.get(index).map(|id| self.token(*id));
        Some(Difference { index, committed: token(committed), computed: token(computed) })
    }

    fn token(&self, id: u32) -> Token {
        // Only shown: what the tokenizer cannot say alone is shown as nothing.
        let text = self.tokenizer.decode(&[id]).unwrap_or_default();
        Token { id, text, ends: self.ends.contains(&id) }
    }
}

/// Stands where a token is asked for.
const PROBE: u32 = 0;

/// Refuses another base than the receipt's by its hash, for which nothing is decoded and little memory is used: whether an
/// answer can be replayed with gigabytes of files should not take loading them.
///
/// # Errors
/// [`ReplayError::Base`], or [`ReplayError::Open`] where its files cannot be read.
pub fn check_base(path: &Path, record: &GenerationRecord) -> Result<(), ReplayError> {
    let found = B256::from(hash_base(path).map_err(LocalError::from)?.0);
    if found == record.base { Ok(()) } else { Err(another_base(record, path, found)) }
}

fn another_base(record: &GenerationRecord, path: &Path, found: B256) -> ReplayError {
    ReplayError::Base { named: record.base, path: path.display().to_string(), found }
}

/// The record of a receipt that can be replayed, its bundle checked.
///
/// # Errors
/// [`ReplayError`] where it cannot be, or where the bundle does not hold.
pub fn record_of(bundle: &ReceiptBundle) -> Result<&GenerationRecord, ReplayError> {
    if bundle.receipt.engine_class == EngineClass::Tolerance {
        return Err(ReplayError::Tolerance);
    }
    let record = bundle.generation.as_deref().ok_or(ReplayError::NoRecord)?;
    let failed = verify(bundle).checks.into_iter().find_map(|check| match check.outcome {
        Outcome::Failed { differs, why } => Some(ReplayError::Bundle { differs, why }),
        _ => None,
    });
    failed.map_or(Ok(record), Err)
}

fn first_difference<T: PartialEq>(one: &[T], other: &[T]) -> Option<usize> {
    let within = one.iter().zip(other).position(|(one, other)| one != other);
    within.or((one.len() != other.len()).then(|| one.len().min(other.len())))
}

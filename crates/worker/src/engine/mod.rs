//! External engines: a model that runs elsewhere, behind the OpenAI API (vLLM, llama.cpp's server, Ollama, ...).
//!
//! One answer goes through here like this. [`EngineModel`] takes the best passages of the datanets that the job may use,
//! lays them as delimited data before the last question (`prompt`), asks the engine for a stream (`client`, `sse`), and
//! hands every piece on. What the engine says beside its text is believed of nothing that is paid: tokens are counted by
//! Fonte's rule, stop texts and length are enforced by the worker, log-probabilities are kept only as long as their tokens
//! are the answer (`log_probs`). The prompt's format and the commitment are specified in `docs/spec/engines.md`.
//!
//! An engine is not trusted with the worker's memory or time either: every line, body and answer has a limit, silence
//! has one, and so has the whole; and whoever stops waiting stops the engine, since its connection is closed.

mod adapters;
mod client;
mod log_probs;
pub(crate) mod prompt;
mod sse;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fonte_types::{
    EngineClass,
    conversation::Turn,
    log_probs::TokenLogProb,
    wire::{EngineUsage, Finish, RefusalCode},
};
use serde_json::{Value, json};
use tokio::time::Instant;

pub use adapters::Adapters;
pub use client::{ConfigError, Engine, EngineConfig, EngineError, Secret};

use self::{
    client::{Failure, Request},
    prompt::Laid,
    sse::Chunk,
};
use crate::model::{AnswerModel, Emit, ModelError, Passages, Question, Written};

/// A model that an external engine serves.
pub struct EngineModel {
    engine: Arc<Engine>,
    /// The model's name in the engine.
    name: String,
    /// Where the engine finds its adapter, if it is one: it is loaded again when the engine has forgotten it.
    adapter: Option<String>,
    /// The engine takes no `logprobs`: found out once.
    without_log_probs: AtomicBool,
}

impl EngineModel {
    /// A model under its name in the engine.
    pub fn new(engine: Arc<Engine>, name: impl Into<String>) -> Self {
        Self { engine, name: name.into(), adapter: None, without_log_probs: AtomicBool::new(false) }
    }

    /// An adapter that the engine can load from a path of its own.
    pub fn adapter(engine: Arc<Engine>, name: impl Into<String>, path: impl Into<String>) -> Self {
        Self { adapter: Some(path.into()), ..Self::new(engine, name) }
    }

    /// Opens the stream, trying again where that can help: without log-probabilities for an engine that refuses them,
    /// with the adapter loaded for one that lost it.
    fn open(
        &self,
        question: &Question<'_>,
        passages: &[crate::FoundPassage],
        until: Instant,
    ) -> Result<Request, Failure> {
        let mut reloaded = false;
        loop {
            let with_log_probs = !self.without_log_probs.load(Ordering::Relaxed);
            let (path, body) = self.request(question, passages, with_log_probs);
            match self.engine.open(path, &body, question.cancelled, until) {
                Err(Failure::Status { status: 400 | 422, message })
                    if with_log_probs && message.contains("logprob") =>
                {
                    tracing::info!(model = self.name, "the engine takes no logprobs: answers carry none");
                    self.without_log_probs.store(true, Ordering::Relaxed);
                }
                Err(Failure::Status { status: 404, .. }) if self.adapter.is_some() && !reloaded => {
                    reloaded = true;
                    let path = self.adapter.as_deref().unwrap_or_default();
                    self.engine.load_adapter_blocking(&self.name, path, question.cancelled, until)?;
                }
                other => return other,
            }
        }
    }

    fn request(
        &self,
        question: &Question<'_>,
        passages: &[crate::FoundPassage],
        with_log_probs: bool,
    ) -> (&'static str, Value) {
        let asked = question.asked;
        let mut body = json!({
            "model": self.name,
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": question.max_output_tokens,
            // As the client wrote it: OpenAI's seeds are signed.
            "seed": question.seed.cast_signed(),
        });
        let millionths = |value: i64| value as f64 / 1e6;
        let sampling = &asked.sampling;
        let options = [
            ("temperature", sampling.temperature.map(i64::from)),
            ("top_p", sampling.top_p.map(i64::from)),
            ("presence_penalty", sampling.presence_penalty.map(i64::from)),
            ("frequency_penalty", sampling.frequency_penalty.map(i64::from)),
        ];
        for (name, value) in options {
            if let Some(value) = value {
                body[name] = json!(millionths(value));
            }
        }
        if !asked.stop.is_empty() {
            body["stop"] = json!(asked.stop);
        }
        let top = asked.log_probs.unwrap_or(0).max(self.engine.config().top_log_probs);
        match prompt::lay(&asked.turns, question.prompt, passages) {
            Laid::Text(text) => {
                if with_log_probs && top > 0 {
                    body["logprobs"] = json!(top.min(5));
                }
                body["prompt"] = json!(text);
                ("/v1/completions", body)
            }
            Laid::Messages(turns) => {
                if with_log_probs && top > 0 {
                    body["logprobs"] = json!(true);
                    body["top_logprobs"] = json!(top);
                }
                let message = |turn: &Turn| json!({"role": turn.role.name(), "content": turn.text});
                body["messages"] = turns.iter().map(message).collect();
                ("/v1/chat/completions", body)
            }
        }
    }
}

/// What a stream has told so far.
#[derive(Default)]
struct Heard {
    finish: Option<Finish>,
    log_probs: log_probs::Reader,
    usage: Option<EngineUsage>,
}

impl AnswerModel for EngineModel {
    fn engine_class(&self) -> EngineClass {
        EngineClass::Tolerance
    }

    fn generates(&self) -> bool {
        true
    }

    fn answer(
        &self,
        question: Question<'_>,
        passages: &dyn Passages,
        emit: &mut Emit<'_>,
    ) -> Result<Written, ModelError> {
        let until = Instant::now() + self.engine.config().deadline;
        let found = passages.best(question.text, self.engine.config().passage_bytes)?;
        let mut request = self.open(&question, &found, until).map_err(|failure| self.refused(failure))?;
        let mut heard = Heard::default();
        // After the end only the usage is waited for, and not for long.
        let mut until = until;
        loop {
            let chunk = match request.next(question.cancelled, until) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(_) if heard.finish.is_some() => break,
                Err(failure) => return Err(self.refused(failure)),
            };
            let ended = heard.finish.is_some();
            // Whatever an engine says after its end is no part of the answer.
            if let Some((text, log_probs)) = heard.take(chunk)
                && !(text.is_empty() && log_probs.is_empty())
                && !emit(&text, &log_probs)
            {
                return Ok(heard.written(Finish::Stop));
            }
            if !ended && heard.finish.is_some() {
                until = until.min(Instant::now() + AFTER_END);
            }
        }
        match heard.finish {
            Some(finish) => Ok(heard.written(finish)),
            None => Err(self.refused(Failure::Truncated)),
        }
    }
}

/// How long the usage is waited for once an answer has ended.
const AFTER_END: Duration = Duration::from_secs(2);

impl Heard {
    /// Takes a chunk in; returns what of it is part of the answer: text, and log-probabilities.
    fn take(&mut self, chunk: Chunk) -> Option<(String, Vec<TokenLogProb>)> {
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage);
        }
        let choice = chunk.choice.filter(|_| self.finish.is_none())?;
        self.finish = choice.finish;
        let log_probs = match choice.thinking {
            true => Vec::new(),
            false => self.log_probs.read(choice.log_probs.as_ref()),
        };
        Some((choice.text, log_probs))
    }

    fn written(self, finish: Finish) -> Written {
        Written { finish, engine_usage: self.usage, generation: None }
    }
}

impl EngineModel {
    /// What the payer and the gateway are told; the rest goes to this worker's log.
    fn refused(&self, failure: Failure) -> ModelError {
        let code = match &failure {
            Failure::Status { status: 400 | 413 | 422, .. } => RefusalCode::Invalid,
            Failure::Status { status: 429 | 503, .. } => RefusalCode::Busy,
            _ => RefusalCode::Engine,
        };
        let message = failure.to_string();
        if !matches!(failure, Failure::Cancelled) {
            tracing::warn!(model = self.name, engine = self.engine.shown(), message, "the engine gave no answer");
        }
        ModelError::Refused { code, message }
    }
}

//! A running request: what is known of its tokens, and what a row's results do to it.

use crate::cache::Table;
use crate::forward::{Scratch, Want};
use crate::model::ModelConfig;
use crate::request::{Event, Finish, Generation, Logprobs, Request, RequestId, RunError, Task, Usage};
use crate::sample::{History, logprobs, sample};

/// Rows of a continuation that is given, not generated, in one step: each takes a row of logits.
const GIVEN_ROWS: usize = 64;

pub(crate) struct Sequence {
    pub(crate) id: RequestId,
    pub(crate) request: Request,
    pub(crate) table: Table,
    /// Pages that it may come to need.
    pub(crate) reserved: usize,
    /// Prompt, and what of the answer goes through the model.
    pub(crate) tokens: Vec<u32>,
    /// How many of those have keys and values.
    pub(crate) computed: usize,
    cached: usize,
    answered: usize,
    history: History,
    sum: Vec<f64>,
}

/// What a step's rows did to a sequence.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    pub(crate) ended: bool,
}

impl Sequence {
    pub(crate) fn new(id: RequestId, request: Request, table: Table, reserved: usize, cached: usize) -> Self {
        let mut tokens = request.prompt.clone();
        let history = match &request.task {
            Task::Generate(generation) | Task::Replay(generation, _) => History::new(&generation.sampling, &tokens),
            Task::Score(_) | Task::Embed => History::default(),
        };
        if let Task::Replay(_, answer) | Task::Score(answer) = &request.task {
            tokens.extend(&answer[..answer.len() - 1]);
        }
        Self { id, request, table, reserved, tokens, computed: cached, cached, answered: 0, history, sum: Vec::new() }
    }

    /// Tokens that could go through the model now.
    pub(crate) fn pending(&self) -> usize {
        let pending = self.tokens.len() - self.computed;
        let before_answer = self.request.prompt.len().saturating_sub(self.computed + 1);
        pending.min(before_answer + GIVEN_ROWS)
    }

    /// Whether it reads what was given, rather than to write its next token.
    pub(crate) fn is_reading(&self) -> bool {
        self.tokens.len() - self.computed > 1
    }

    /// What is wanted of the row at a position.
    pub(crate) fn want(&self, position: usize) -> Want {
        match self.request.task {
            Task::Embed => Want::Hidden,
            _ if position + 1 >= self.request.prompt.len() => Want::Logits,
            _ => Want::Nothing,
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { prompt: self.request.prompt.len(), cached: self.cached, answer: self.answered }
    }

    pub(crate) fn finished(&self, finish: Finish) -> Event {
        Event::Finished { request: self.id, finish, usage: self.usage() }
    }

    /// Takes the results of its rows: the `index`-th of the pass is that of the row at `position`.
    pub(crate) fn advance(
        &mut self,
        results: impl Iterator<Item = (usize, usize)>,
        scratch: &Scratch,
        config: &ModelConfig,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut logits = Vec::new();
        for (index, position) in results {
            let end = if self.request.task == Task::Embed {
                self.pool(scratch.hidden(index, config.hidden), position, &mut outcome.events)
            } else {
                logits.clear();
                logits.extend(scratch.logits(index, config.vocabulary));
                match self.answer(&logits, position, config, &mut outcome.events) {
                    Some(end) => end,
                    None => {
                        let error = RunError::NotFinite { position: position + 1 };
                        outcome.events.push(Event::Failed { request: self.id, error });
                        outcome.ended = true;
                        break;
                    }
                }
            };
            if let Some(finish) = end {
                outcome.events.push(self.finished(finish));
                outcome.ended = true;
                break;
            }
        }
        outcome
    }

    fn pool(&mut self, hidden: impl Iterator<Item = f32>, position: usize, events: &mut Vec<Event>) -> Option<Finish> {
        if self.sum.is_empty() {
            self.sum.extend(hidden.map(f64::from));
        } else {
            self.sum.iter_mut().zip(hidden).for_each(|(sum, x)| *sum += f64::from(x));
        }
        if position + 1 < self.tokens.len() {
            return None;
        }
        let vector = self.sum.iter().map(|sum| (sum / self.tokens.len() as f64) as f32).collect();
        events.push(Event::Embedding { request: self.id, vector });
        Some(Finish::Done)
    }

    /// The token after `position`. `None` if a logit is not finite; `Some(None)` if the answer goes on.
    fn answer(
        &mut self,
        logits: &[f32],
        position: usize,
        config: &ModelConfig,
        events: &mut Vec<Event>,
    ) -> Option<Option<Finish>> {
        let index = position + 1 - self.request.prompt.len();
        let (token, logprobs, end) = match &self.request.task {
            Task::Generate(generation) => {
                let token = sample(logits, &self.history, &generation.sampling, generation.seed, index as u64)?;
                self.tokens.push(token);
                (token, told(logits, token, generation)?, end(generation, token, index, config))
            }
            Task::Replay(generation, answer) => {
                let token = sample(logits, &self.history, &generation.sampling, generation.seed, index as u64)?;
                if token != answer[index] {
                    return Some(Some(Finish::Differs { index, claimed: answer[index], computed: token }));
                }
                let all = index + 1 == answer.len();
                let end = if all { Some(Finish::Same) } else { end(generation, token, index, config) };
                (token, told(logits, token, generation)?, end)
            }
            Task::Score(answer) => {
                let end = (index + 1 == answer.len()).then_some(Finish::Done);
                (answer[index], Some(logprobs(logits, answer[index], 0)?), end)
            }
            Task::Embed => unreachable!("embeddings want no logits"),
        };
        self.history.push(token);
        self.answered += 1;
        events.push(Event::Token { request: self.id, index, token, logprobs });
        Some(end)
    }
}

/// The log-probabilities that were asked for; the outer `None` is a logit that is not finite.
fn told(logits: &[f32], token: u32, generation: &Generation) -> Option<Option<Logprobs>> {
    match generation.logprobs {
        None => Some(None),
        Some(top) => logprobs(logits, token, top).map(Some),
    }
}

fn end(generation: &Generation, token: u32, index: usize, config: &ModelConfig) -> Option<Finish> {
    if generation.stop.contains(&token) || (!generation.ignore_eos && config.eos.contains(&token)) {
        Some(Finish::Stop)
    } else if index + 1 >= generation.max_tokens {
        Some(Finish::Length)
    } else {
        None
    }
}

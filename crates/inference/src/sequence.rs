//! A running request: what is known of its tokens, and what a row's results do to it.

use crate::cache::Table;
use crate::forward::{Model, Scratch, Want};
use crate::model::ModelConfig;
use crate::request::{Event, Finish, Generation, Request, RequestId, RunError, Task, Usage};
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
            Task::Embed => Want::State,
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

    /// Takes the results of its rows: the row at `position` was the `index`-th that wanted what it wanted. `scores` is a
    /// buffer.
    pub(crate) fn advance(
        &mut self,
        results: impl Iterator<Item = (usize, usize)>,
        scratch: &Scratch,
        model: &Model,
        scores: &mut Vec<i32>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let config = &model.config;
        for (index, position) in results {
            let end = if self.request.task == Task::Embed {
                self.pool(scratch.state(index, config.hidden), position, &mut outcome.events)
            } else if scratch.scores(model.isa, index, config.vocabulary, scores) {
                Ok(self.answer(scores, position, model, &mut outcome.events))
            } else {
                Err(RunError::NotFinite { position: position + 1 })
            };
            let event = match end {
                Ok(None) => continue,
                Ok(Some(finish)) => self.finished(finish),
                Err(error) => Event::Failed { request: self.id, error },
            };
            outcome.events.push(event);
            outcome.ended = true;
            break;
        }
        outcome
    }

    /// Adds a state to the sum, in f64 and in the order of positions, whatever the chunks were; after the last, tells the
    /// sum at length 1, which is the mean at length 1.
    fn pool(
        &mut self,
        state: impl Iterator<Item = f32>,
        position: usize,
        events: &mut Vec<Event>,
    ) -> Result<Option<Finish>, RunError> {
        if self.sum.is_empty() {
            self.sum.extend(state.map(f64::from));
        } else {
            self.sum.iter_mut().zip(state).for_each(|(sum, x)| *sum += f64::from(x));
        }
        if position + 1 < self.tokens.len() {
            return Ok(None);
        }
        let length = self.sum.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
        if !length.is_finite() {
            return Err(RunError::NotFinite { position: position + 1 });
        }
        // States that cancel out to nothing have no direction: the vector stays zero.
        let length = if length > 0.0 { length } else { 1.0 };
        let vector = self.sum.iter().map(|sum| (sum / length) as f32).collect();
        events.push(Event::Embedding { request: self.id, vector });
        Ok(Some(Finish::Done))
    }

    /// The token after `position`; whether the answer ends with it.
    fn answer(&mut self, scores: &[i32], position: usize, model: &Model, events: &mut Vec<Event>) -> Option<Finish> {
        let config = &model.config;
        let index = position + 1 - self.request.prompt.len();
        let told = |token, top| logprobs(scores, token, top);
        let choose = |generation: &Generation, history: &History| {
            sample(model.isa, scores, history, &generation.sampling, generation.seed, index as u64)
        };
        let (token, logprobs, end) = match &self.request.task {
            Task::Generate(generation) => {
                let token = choose(generation, &self.history);
                self.tokens.push(token);
                (token, generation.logprobs.map(|top| told(token, top)), end(generation, token, index, config))
            }
            Task::Replay(generation, answer) => {
                let token = choose(generation, &self.history);
                if token != answer[index] {
                    return Some(Finish::Differs { index, claimed: answer[index], computed: token });
                }
                let all = index + 1 == answer.len();
                let end = if all { Some(Finish::Same) } else { end(generation, token, index, config) };
                (token, generation.logprobs.map(|top| told(token, top)), end)
            }
            Task::Score(answer) => {
                let end = (index + 1 == answer.len()).then_some(Finish::Done);
                (answer[index], Some(told(answer[index], 0)), end)
            }
            Task::Embed => unreachable!("embeddings want no logits"),
        };
        self.history.push(token);
        self.answered += 1;
        events.push(Event::Token { request: self.id, index, token, logprobs });
        end
    }
}

/// Whether an answer ends with the token at an index of it, and why.
pub(crate) fn end(generation: &Generation, token: u32, index: usize, config: &ModelConfig) -> Option<Finish> {
    if generation.stop.contains(&token) || (!generation.ignore_eos && config.eos.contains(&token)) {
        Some(Finish::Stop)
    } else if index + 1 >= generation.max_tokens {
        Some(Finish::Length)
    } else {
        None
    }
}

//! The same models on another device, through candle: for GPUs, which our own kernels do not reach.
//!
//! What is computed is what `forward.rs` computes, in f32, by candle's products and sums. In which order they add is the
//! device's affair, so an answer is of class `tolerance`: nobody can compute it again bit for bit, and no receipt may say
//! so. From the logits on all is ours and integers: rounding, penalties, choice, log-probabilities (`sample.rs`).
//!
//! A [`DeviceEngine`] is asked as an [`Engine`](crate::Engine) is. It has *slots*, one for each answer that is being
//! written. A step reads a chunk of the prompt that came first, and writes a token of every answer: one product for all
//! rows in each linear layer, whatever their adapters, whose low-rank products are a batched one beside it.
//!
//! What our own engine does and this does not: pages (each slot has room for a whole context from the start, each place of
//! an adapter for the largest rank), prefixes, fairness among payers, replay, scores, embeddings, int8. It needs no kernel
//! that candle does not have.

use std::collections::{BTreeSet, VecDeque};

use rayon::prelude::*;

use crate::adapters::AdapterSource;
use crate::engine::{Stats, check_generation};
use crate::kernels::{Isa, elementwise};
use crate::model::{Adapter, ContentHash, ModelConfig, Weights};
use crate::pack::lanes;
use crate::request::{Event, Finish, Generation, Request, RequestId, RunError, SubmitError, Task, Usage};
use crate::sample::{self, History};
use crate::sequence::end;

pub use candle_core::Device;

use self::model::{LowRank, Model};

mod handle;
mod model;
#[cfg(test)]
mod tests;

/// Rows of a prompt that go through the model together. Attention's scores of a chunk take heads x chunk x context numbers.
const CHUNK: usize = 256;

/// Requests that wait for a slot.
const MAX_WAITING: usize = 1024;

/// `cpu`, `cuda` or `cuda:N`, as people name devices.
///
/// # Errors
/// [`DeviceError::Name`], [`DeviceError::NoCuda`], and what the driver says.
pub fn device(name: &str) -> Result<Device, DeviceError> {
    let number = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
    };
    match number {
        Some(_) if !cfg!(feature = "cuda") => Err(DeviceError::NoCuda),
        Some(number) => Ok(Device::new_cuda(number)?),
        None => Err(DeviceError::Name(name.to_owned())),
    }
}

/// What a device has room for. All of it is taken at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConfig {
    /// Answers that are written together.
    pub slots: usize,
    /// Most tokens of prompt and answer; no more than the model has positions.
    pub max_context: usize,
    /// Adapters on the device, at least as many as slots: so one that is wanted always finds a place.
    pub adapters: usize,
    /// The largest rank that an adapter may have.
    pub rank: usize,
}

impl Default for DeviceConfig {
    /// 16 answers of up to 4,096 tokens, 16 adapters of rank up to 64.
    fn default() -> Self {
        Self { slots: 16, max_context: 4096, adapters: 16, rank: 64 }
    }
}

/// Why a device cannot be used, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No device is called so.
    #[error("{0:?} is no device: there are cpu, cuda and cuda:N")]
    Name(String),
    /// CUDA was not compiled in.
    #[error("this build knows no CUDA: build it with the feature `cuda`")]
    NoCuda,
    /// A setting is out of range.
    #[error("{name} is {value}, it must be {range}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Its value.
        value: usize,
        /// What is allowed.
        range: String,
    },
    /// The device, or its driver, failed.
    #[error("the device failed")]
    Device(#[source] Box<candle_core::Error>),
}

impl From<candle_core::Error> for DeviceError {
    fn from(error: candle_core::Error) -> Self {
        Self::Device(Box::new(error))
    }
}

/// A base model and its adapters on a device, writing several answers at once.
pub struct DeviceEngine {
    model: Model,
    settings: DeviceConfig,
    isa: Isa,
    source: Box<dyn AdapterSource>,
    registered: BTreeSet<ContentHash>,
    /// What lies in the model's places of adapters, and when it was last used. Nothing in the first, ever.
    places: Vec<(Option<ContentHash>, u64)>,
    queue: VecDeque<(RequestId, Request)>,
    slots: Vec<Option<Slot>>,
    /// The adapters of the slots' rows side by side, for the next steps of the same slots.
    gathered: Option<(Vec<u32>, LowRank)>,
    events: Vec<Event>,
    next: u64,
    totals: Stats,
}

struct Slot {
    id: RequestId,
    adapter: Option<ContentHash>,
    /// Of its adapter; 0 without one.
    place: usize,
    prompt: usize,
    /// Prompt and answer.
    tokens: Vec<u32>,
    /// How many of those have keys and values.
    computed: usize,
    generation: Generation,
    history: History,
}

impl Slot {
    fn pending(&self) -> usize {
        self.tokens.len() - self.computed
    }

    fn finished(&self, finish: Finish) -> Event {
        let usage = Usage { prompt: self.prompt, cached: 0, answer: self.tokens.len() - self.prompt };
        Event::Finished { request: self.id, finish, usage }
    }
}

impl DeviceEngine {
    /// Copies a checked model to a device, and takes the memory for slots and adapters. Adapters come from `source` as requests
    /// need them.
    ///
    /// # Errors
    /// [`DeviceError::Setting`], and whatever the device says.
    pub fn new(
        config: ModelConfig,
        weights: &Weights,
        device: Device,
        settings: DeviceConfig,
        source: impl AdapterSource,
    ) -> Result<Self, DeviceError> {
        check(&config, &settings)?;
        let model = Model::new(config, weights, device, &settings)?;
        let cache_bytes = settings.slots * settings.max_context * model.token_bytes();
        Ok(Self {
            isa: Isa::best(),
            source: Box::new(source),
            registered: BTreeSet::new(),
            places: vec![(None, 0); settings.adapters + 1],
            queue: VecDeque::new(),
            slots: (0..settings.slots).map(|_| None).collect(),
            gathered: None,
            events: Vec::new(),
            next: 0,
            totals: Stats { model_bytes: model.bytes(), cache_bytes, ..Stats::default() },
            model,
            settings,
        })
    }

    /// The model's shapes.
    pub fn model(&self) -> &ModelConfig {
        &self.model.config
    }

    /// Makes an adapter known. Nothing is read until a request wants it; there is no limit.
    pub fn register(&mut self, hash: ContentHash) {
        self.registered.insert(hash);
    }

    /// Forgets an adapter. Says whether it did: one that is in use, or that waiting requests name, stays.
    pub fn unregister(&mut self, hash: &ContentHash) -> bool {
        self.unload(hash) && self.registered.remove(hash)
    }

    /// Takes an adapter off the device; it stays registered, and the next request loads it again. Says whether it is off: one
    /// in use stays.
    pub fn unload(&mut self, hash: &ContentHash) -> bool {
        let waiting = self.queue.iter().map(|(_, request)| request.adapter);
        if waiting.chain(self.slots.iter().flatten().map(|slot| slot.adapter)).any(|used| used == Some(*hash)) {
            return false;
        }
        self.places.iter_mut().filter(|(held, _)| held.as_ref() == Some(hash)).for_each(|place| *place = (None, 0));
        true
    }

    /// The adapters on the device, and the bytes of a place.
    pub fn residency(&self) -> Vec<(ContentHash, usize)> {
        let bytes = self.model.place_bytes(self.settings.rank);
        self.places.iter().filter_map(|(hash, _)| Some(((*hash)?, bytes))).collect()
    }

    /// Whether a step would do nothing.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.events.is_empty() && self.slots.iter().all(Option::is_none)
    }

    /// Numbers about the engine.
    pub fn stats(&self) -> Stats {
        let resident = self.places.iter().filter(|(hash, _)| hash.is_some()).count();
        Stats {
            waiting: self.queue.len(),
            running: self.slots.iter().flatten().count(),
            registered: self.registered.len(),
            resident,
            adapter_bytes: resident * self.model.place_bytes(self.settings.rank),
            ..self.totals
        }
    }

    /// Takes a request into the queue, whoever pays: the first come is the first served.
    ///
    /// # Errors
    /// A full queue, an unregistered adapter, another task than [`Task::Generate`], and requests that could never run.
    pub fn submit(&mut self, request: Request) -> Result<RequestId, SubmitError> {
        let Task::Generate(generation) = &request.task else { return Err(SubmitError::OnlyGenerates) };
        check_generation(generation)?;
        if request.prompt.is_empty() {
            return Err(SubmitError::Empty("the prompt"));
        }
        if generation.max_tokens == 0 {
            return Err(SubmitError::Empty("the answer"));
        }
        let vocabulary = self.model.config.vocabulary;
        if let Some(token) = request.prompt.iter().find(|token| **token as usize >= vocabulary) {
            return Err(SubmitError::UnknownToken { token: *token, vocabulary });
        }
        let (tokens, limit) = (request.prompt.len().saturating_add(generation.max_tokens), self.settings.max_context);
        if tokens > limit {
            return Err(SubmitError::TooLong { tokens, limit });
        }
        if let Some(hash) = request.adapter.filter(|hash| !self.registered.contains(hash)) {
            return Err(SubmitError::UnknownAdapter(hash));
        }
        let queued = self.queue.len();
        if queued >= MAX_WAITING {
            return Err(SubmitError::Busy { queued });
        }
        let id = RequestId(self.next);
        self.next += 1;
        self.queue.push_back((id, request));
        Ok(id)
    }

    /// Ends a request, waiting or running. The next step tells [`Finish::Cancelled`]; of a request that has ended, nothing.
    pub fn cancel(&mut self, id: RequestId) {
        if let Some(index) = self.queue.iter().position(|(waiting, _)| *waiting == id) {
            let prompt = self.queue.remove(index).map_or(0, |(_, request)| request.prompt.len());
            let usage = Usage { prompt, ..Usage::default() };
            self.events.push(Event::Finished { request: id, finish: Finish::Cancelled, usage });
        }
        for slot in &mut self.slots {
            if let Some(running) = slot.take_if(|running| running.id == id) {
                self.events.push(running.finished(Finish::Cancelled));
            }
        }
    }

    /// Starts what waits while slots last, writes a token of every answer, reads a chunk of the prompt that came first, and tells
    /// what happened.
    ///
    /// # Errors
    /// Whatever the device says; what runs is lost then.
    pub fn step(&mut self) -> Result<Vec<Event>, DeviceError> {
        self.admit()?;
        let reading = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.pending() > 1);
        let next = (0..self.slots.len()).filter(|index| reading(&self.slots[*index]));
        let next = next.min_by_key(|index| self.slots[*index].as_ref().map(|slot| slot.id));
        self.write()?;
        if let Some(index) = next {
            self.read(index)?;
        }
        self.totals.steps += 1;
        for event in &self.events {
            if let Event::Finished { usage, .. } = event {
                self.totals.prompt_tokens += usage.prompt as u64;
                self.totals.answer_tokens += usage.answer as u64;
            }
        }
        Ok(std::mem::take(&mut self.events))
    }

    fn admit(&mut self) -> Result<(), DeviceError> {
        while let Some(free) = self.slots.iter().position(Option::is_none) {
            let Some((id, request)) = self.queue.pop_front() else { break };
            let place = match request.adapter {
                None => 0,
                Some(hash) => match self.place(&hash) {
                    Ok(place) => place,
                    Err(reason) => {
                        let error = RunError::Adapter { hash, reason };
                        self.events.push(Event::Failed { request: id, error });
                        continue;
                    }
                },
            };
            self.places[place].1 = self.totals.steps;
            self.model.clear(free)?;
            let Task::Generate(generation) = request.task else { unreachable!("no other task is taken") };
            let (adapter, tokens) = (request.adapter, request.prompt);
            let (prompt, history) = (tokens.len(), History::new(&generation.sampling, &tokens));
            self.slots[free] = Some(Slot { id, adapter, place, prompt, tokens, computed: 0, generation, history });
        }
        Ok(())
    }

    /// Where an adapter lies, once it is there: over the one that nobody uses and that was wanted least lately.
    fn place(&mut self, hash: &ContentHash) -> Result<usize, String> {
        if let Some(place) = self.places.iter().position(|(held, _)| held.as_ref() == Some(hash)) {
            return Ok(place);
        }
        let adapter = self.source.load(hash).map_err(|error| error.to_string())?;
        fits(&adapter, hash, &self.model.config, self.settings.rank)?;
        let used = |place: &usize| self.slots.iter().flatten().any(|slot| slot.place == *place);
        let free = (1..self.places.len()).filter(|place| !used(place));
        let place = free.min_by_key(|place| (self.places[*place].0.is_some(), self.places[*place].1));
        let place = place.expect("there are as many places as slots, and a slot is free");
        // Whatever becomes of this, what was in the place is no more.
        self.totals.evictions += u64::from(self.places[place].0.take().is_some());
        self.gathered = None;
        self.model.place(&adapter, place).map_err(|error| error.to_string())?;
        self.places[place].0 = Some(*hash);
        self.totals.loads += 1;
        Ok(place)
    }

    /// A row of every slot up to the last that writes. Slots that do not write ride along, which costs less than to move keys
    /// and values together: their row's keys and values go where those of their next token will be written over them.
    fn write(&mut self) -> Result<(), DeviceError> {
        let writes = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.pending() == 1);
        let Some(last) = self.slots.iter().rposition(writes) else { return Ok(()) };
        let (mut rows, mut places) = (Vec::with_capacity(last + 1), Vec::with_capacity(last + 1));
        for slot in &self.slots[..=last] {
            rows.push(slot.as_ref().map_or((0, &[0][..]), |slot| (slot.computed, &slot.tokens[slot.computed..][..1])));
            places.push(slot.as_ref().map_or(0, |slot| slot.place as u32));
        }
        if self.gathered.as_ref().is_none_or(|(of, _)| *of != places) {
            // The old ones go before the new ones come: there may be no room for both.
            self.gathered = None;
            if places.iter().any(|place| *place > 0) {
                let adapters = self.model.gather(&places)?;
                self.gathered = Some((places, adapters));
            }
        }
        let logits = self.model.forward(0, &rows, self.gathered.as_ref().map(|(_, adapters)| adapters))?;
        let logits = logits.flatten_all()?.to_vec1::<f32>()?;
        let (isa, config) = (self.isa, &self.model.config);
        let rows = self.slots[..=last].par_iter_mut().zip(logits.par_chunks_exact(config.vocabulary));
        let rows = rows.filter(|(slot, _)| writes(slot));
        let told: Vec<_> = rows.map(|(slot, logits)| answer(slot, logits, 1, isa, config)).collect();
        self.events.extend(told.into_iter().flatten());
        Ok(())
    }

    /// A chunk of a slot's prompt.
    fn read(&mut self, index: usize) -> Result<(), DeviceError> {
        let Some(slot) = &self.slots[index] else { return Ok(()) };
        let count = slot.pending().min(CHUNK);
        let adapter = self.model.adapter(slot.place)?;
        let chunk = &slot.tokens[slot.computed..][..count];
        let logits = self.model.forward(index, &[(slot.computed, chunk)], adapter.as_ref())?;
        let logits = logits.flatten_all()?.to_vec1::<f32>()?;
        let config = &self.model.config;
        self.events.extend(answer(&mut self.slots[index], &logits, count, self.isa, config));
        Ok(())
    }
}

/// What a pass of `count` tokens and its last logits do to a slot.
fn answer(slot: &mut Option<Slot>, logits: &[f32], count: usize, isa: Isa, config: &ModelConfig) -> Vec<Event> {
    let Some(running) = slot else { return Vec::new() };
    running.computed += count;
    if running.pending() > 0 {
        return Vec::new();
    }
    let (request, generation) = (running.id, &running.generation);
    let mut scores = vec![0; config.vocabulary];
    if !elementwise::quantise_logits(isa, &lanes(logits), 1, 0, &mut scores) {
        let error = RunError::NotFinite { position: running.computed };
        *slot = None;
        return vec![Event::Failed { request, error }];
    }
    let index = running.tokens.len() - running.prompt;
    let token = sample::sample(isa, &scores, &running.history, &generation.sampling, generation.seed, index as u64);
    let logprobs = generation.logprobs.map(|top| sample::logprobs(&scores, token, top));
    let finish = end(generation, token, index, config);
    running.history.push(token);
    running.tokens.push(token);
    let mut events = vec![Event::Token { request, index, token, logprobs }];
    if let Some(finish) = finish {
        events.push(running.finished(finish));
        *slot = None;
    }
    events
}

/// Whether an adapter is what was asked for, and made for the model.
fn fits(adapter: &Adapter, hash: &ContentHash, config: &ModelConfig, rank: usize) -> Result<(), String> {
    if adapter.hash != *hash {
        return Err("the source gave an adapter of another hash".into());
    }
    for module in &adapter.modules {
        let (outputs, inputs) = module.linear.shape(config);
        if !(1..=rank).contains(&module.rank) {
            return Err(format!("a rank of it is {}, the device has room for 1 to {rank}", module.rank));
        }
        let fits = module.a.len() == module.rank * inputs && module.b.len() == outputs * module.rank;
        if module.layer >= config.layers || !fits {
            return Err(format!("its {:?} of layer {} is not of the model's shapes", module.linear, module.layer));
        }
    }
    Ok(())
}

fn check(model: &ModelConfig, settings: &DeviceConfig) -> Result<(), DeviceError> {
    let within = |name, value: usize, from: usize, to: usize| {
        let range = || format!("{from} to {to}");
        if (from..=to).contains(&value) { Ok(()) } else { Err(DeviceError::Setting { name, value, range: range() }) }
    };
    within("slots", settings.slots, 1, 4096)?;
    within("max_context", settings.max_context, 2, model.max_positions)?;
    within("adapters", settings.adapters, settings.slots, 65_536)?;
    within("rank", settings.rank, 1, 1024)
}

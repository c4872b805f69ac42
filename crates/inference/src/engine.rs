//! The engine: requests in, events out, one step at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use crate::adapters::{AdapterSource, Adapters};
use crate::arena::PackedAdapter;
use crate::cache::Cache;
use crate::forward::{Batch, Model, Row, Scratch, Want};
use crate::kernels::Isa;
use crate::model::{ContentHash, ModelConfig, Weights};
use crate::pack::Profile;
use crate::pages::{PAGE_TOKENS, PageId};
use crate::queue::{Queue, Waiting};
use crate::request::{Event, Finish, Generation, PinError, Request, RequestId, RunError, SubmitError, Task};
use crate::sample;
use crate::sequence::{Outcome, Sequence};

#[cfg(test)]
mod tests;

/// Most stop tokens and most likeliest tokens told of one request.
const MAX_STOP: usize = 64;
const MAX_TOP: usize = 20;

/// Waiting requests whose adapters are loaded ahead.
const PREFETCH: usize = 64;

/// A slice of a prompt that a payer reads before the next payer's turn, in tokens.
const SLICE: usize = 16;

/// Pinned adapters may take one of so many bytes of the memory: what is left must do for requests, those of the base alone
/// among them.
const PINNED: usize = 2;

/// How long a step waits for an adapter when there is nothing else to do.
const LOAD_WAIT: Duration = Duration::from_millis(20);

/// How an engine runs. Only `profile` shows in what it computes.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    /// The arithmetic.
    pub profile: Profile,
    /// The instruction set; all compute the same.
    pub isa: Isa,
    /// Threads of a pass, at least 1.
    pub threads: usize,
    /// Bytes for keys, values and adapters together. The model is not counted.
    pub memory: usize,
    /// Most tokens of prompt and answer; no more than the model has positions.
    pub max_context: usize,
    /// Requests that run together.
    pub max_running: usize,
    /// Rows of one step, at least `max_running`. Prompts are read in chunks of what running answers leave of it.
    pub max_step_tokens: usize,
    /// Requests that wait, of all payers.
    pub max_waiting: usize,
    /// Requests that wait, of one payer.
    pub max_waiting_per_payer: usize,
}

impl Default for EngineConfig {
    /// All cores, 2 GiB for keys, values and adapters, 64 requests at a time.
    fn default() -> Self {
        Self {
            profile: Profile::F32Exact,
            isa: Isa::best(),
            threads: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            memory: 2 << 30,
            max_context: 4096,
            max_running: 64,
            max_step_tokens: 256,
            max_waiting: 1024,
            max_waiting_per_payer: 256,
        }
    }
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
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
    /// A matrix is too wide for int8.
    #[error("the model has {width} inputs to a layer, int8 sums are exact up to {limit}: use the f32 profile")]
    TooWide {
        /// Of the widest layer.
        width: usize,
        /// What int8 takes.
        limit: usize,
    },
    /// Threads could not be started.
    #[error("threads of the engine could not be started")]
    Threads(#[source] std::io::Error),
}

/// What is in the engine at the moment, and what it did since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests in the queue.
    pub waiting: usize,
    /// Requests that run.
    pub running: usize,
    /// Adapters known.
    pub registered: usize,
    /// Adapters in memory.
    pub resident: usize,
    /// Bytes of those.
    pub adapter_bytes: usize,
    /// Bytes of keys and values, those of finished prompts included.
    pub cache_bytes: usize,
    /// Bytes of the packed model and its tables.
    pub model_bytes: usize,
    /// Passes through the model.
    pub steps: u64,
    /// Tokens of prompts of finished requests.
    pub prompt_tokens: u64,
    /// Of those, found in the prefix cache.
    pub cached_tokens: u64,
    /// Tokens of answers of finished requests.
    pub answer_tokens: u64,
    /// Adapters loaded.
    pub loads: u64,
    /// Adapters evicted.
    pub evictions: u64,
}

/// A base model and its adapters, serving many requests at once. Whoever owns it calls [`Engine::step`].
pub struct Engine {
    config: EngineConfig,
    model: Model,
    pool: rayon::ThreadPool,
    cache: Cache,
    adapters: Adapters,
    queue: Queue,
    /// Had its turn while its adapter was not here: room for that is kept from then on, until it runs.
    held: Option<RequestId>,
    running: Vec<Sequence>,
    packed: Vec<Option<Arc<PackedAdapter>>>,
    scratch: Scratch,
    events: Vec<Event>,
    next: u64,
    now: u64,
    totals: Stats,
}

impl Engine {
    /// Packs a checked model. Adapters come from `source` as requests need them.
    ///
    /// # Errors
    /// Settings that are out of range, and threads that cannot be started.
    pub fn new(
        model: ModelConfig,
        weights: Weights,
        config: EngineConfig,
        source: impl AdapterSource,
    ) -> Result<Self, EngineError> {
        check(&model, &config)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(config.threads)
            .thread_name(|i| format!("engine-{i}"))
            .build()
            .map_err(|error| EngineError::Threads(std::io::Error::other(error)))?;
        let adapters = Adapters::new(model.clone(), source).map_err(EngineError::Threads)?;
        let cache = Cache::new(&model);
        let model = Model::new(model, weights, config.profile, config.isa, config.max_context);
        let totals = Stats { model_bytes: model.bytes(), ..Stats::default() };
        Ok(Self {
            config,
            model,
            pool,
            cache,
            adapters,
            queue: Queue::default(),
            held: None,
            running: Vec::new(),
            packed: Vec::new(),
            scratch: Scratch::default(),
            events: Vec::new(),
            next: 0,
            now: 0,
            totals,
        })
    }

    /// The model's shapes.
    pub fn model(&self) -> &ModelConfig {
        &self.model.config
    }

    /// Makes an adapter known. Nothing is read until a request wants it; there is no limit.
    pub fn register(&mut self, hash: ContentHash) {
        self.adapters.register(hash);
    }

    /// Forgets an adapter. Says whether it did: one that is in use, or that waiting requests name, stays.
    pub fn unregister(&mut self, hash: &ContentHash) -> bool {
        let wanted = self.queue.iter().any(|waiting| waiting.request.adapter == Some(*hash));
        !wanted && self.adapters.unregister(hash)
    }

    /// Loads an adapter ahead and keeps it in memory, or no longer. Pinned ones may take half of the memory. A size is known
    /// only once an adapter is here: one that is larger than all before it, and then takes them over that half, is let go
    /// again, and pinning it once more says so. What was promised to running requests stays theirs: where it leaves no room, a
    /// pinned adapter that none of them uses goes, and is loaded again when there is some.
    ///
    /// # Errors
    /// [`PinError`]: it is not registered, or there is no room. What was pinned stays so.
    pub fn pin(&mut self, hash: &ContentHash, pinned: bool) -> Result<(), PinError> {
        if !self.adapters.is_registered(hash) {
            return Err(PinError::UnknownAdapter(*hash));
        }
        let (needed, limit) = (self.adapters.pinned_bytes(hash), self.config.memory / PINNED);
        if pinned && needed > limit {
            return Err(PinError::NoRoom { hash: *hash, needed, limit });
        }
        self.adapters.pin(hash, pinned);
        Ok(())
    }

    /// Takes an adapter out of memory, pinned or not; it stays registered, and the next request loads it again. Says whether
    /// it is out: one in use or on its way stays.
    pub fn unload(&mut self, hash: &ContentHash) -> bool {
        self.adapters.unload(hash)
    }

    /// The adapters in memory, and their bytes.
    pub fn residency(&self) -> Vec<(ContentHash, usize)> {
        self.adapters.resident().map(|(hash, bytes)| (*hash, bytes)).collect()
    }

    /// Whether a step would do nothing: nothing waits, runs or loads, and nothing is to be told.
    pub fn is_idle(&self) -> bool {
        let loading = self.adapters.is_loading() || self.adapters.pinned().any(|hash| self.adapters.is_absent(hash));
        self.queue.len() == 0 && self.running.is_empty() && self.events.is_empty() && !loading
    }

    /// Numbers about the engine.
    pub fn stats(&self) -> Stats {
        Stats {
            waiting: self.queue.len(),
            running: self.running.len(),
            registered: self.adapters.registered(),
            resident: self.adapters.resident().count(),
            adapter_bytes: self.adapters.bytes(),
            cache_bytes: self.cache.bytes(),
            loads: self.adapters.loads,
            evictions: self.adapters.evictions,
            ..self.totals
        }
    }

    /// Takes a request into its payer's queue. Its adapter begins to load with the next step.
    ///
    /// # Errors
    /// Full queues, unregistered adapters, and requests that could never run.
    pub fn submit(&mut self, request: Request) -> Result<RequestId, SubmitError> {
        let tokens = self.check(&request)?;
        let queued = self.queue.len();
        if queued >= self.config.max_waiting {
            return Err(SubmitError::Busy { queued });
        }
        let queued = self.queue.of(&request.payer);
        if queued >= self.config.max_waiting_per_payer {
            return Err(SubmitError::PayerBusy { queued });
        }
        let id = RequestId(self.next);
        self.next += 1;
        self.queue.push(Waiting { id, request, tokens });
        Ok(id)
    }

    /// Ends a request, waiting or running. The next step tells [`Finish::Cancelled`]; of a request that has ended, nothing.
    pub fn cancel(&mut self, id: RequestId) {
        if let Some(waiting) = self.queue.remove(id) {
            let usage = crate::request::Usage { prompt: waiting.request.prompt.len(), ..Default::default() };
            self.events.push(Event::Finished { request: id, finish: Finish::Cancelled, usage });
        } else if let Some(index) = self.running.iter().position(|sequence| sequence.id == id) {
            self.events.push(self.running[index].finished(Finish::Cancelled));
            self.end(index);
        }
    }

    /// One pass: admits what fits, reads and writes some tokens of everything that runs, and tells what happened. Waits (at
    /// most 20 ms) only when every request waits for its adapter.
    pub fn step(&mut self) -> Vec<Event> {
        self.now += 1;
        self.collect(Duration::ZERO);
        self.admit();
        self.prefetch();
        if self.running.is_empty() && self.adapters.is_loading() {
            self.collect(LOAD_WAIT);
            self.admit();
            self.prefetch();
        }
        if !self.running.is_empty() {
            self.pass();
        }
        std::mem::take(&mut self.events)
    }

    /// Checks a request; gives its tokens at most.
    fn check(&self, request: &Request) -> Result<usize, SubmitError> {
        let nothing: &[u32] = &[];
        let (answer, given) = match &request.task {
            Task::Generate(generation) => (generation.max_tokens, nothing),
            Task::Replay(_, answer) | Task::Score(answer) => (answer.len(), &answer[..]),
            Task::Embed => (0, nothing),
        };
        if request.prompt.is_empty() {
            return Err(SubmitError::Empty("the prompt"));
        }
        if answer == 0 && request.task != Task::Embed {
            return Err(SubmitError::Empty("the answer"));
        }
        if let Task::Generate(generation) | Task::Replay(generation, _) = &request.task {
            check_generation(generation)?;
        }
        let vocabulary = self.model.config.vocabulary;
        if let Some(token) = request.prompt.iter().chain(given).find(|token| **token as usize >= vocabulary) {
            return Err(SubmitError::UnknownToken { token: *token, vocabulary });
        }
        let tokens = request.prompt.len().saturating_add(answer);
        if tokens > self.config.max_context {
            return Err(SubmitError::TooLong { tokens, limit: self.config.max_context });
        }
        let needed = tokens.div_ceil(PAGE_TOKENS) * self.cache.pages.page_bytes();
        if needed > self.config.memory {
            return Err(SubmitError::TooLarge { needed, budget: self.config.memory });
        }
        match request.adapter {
            Some(hash) if !self.adapters.is_registered(&hash) => Err(SubmitError::UnknownAdapter(hash)),
            _ => Ok(tokens),
        }
    }

    /// Takes in adapters that have been loaded.
    fn collect(&mut self, mut wait: Duration) {
        while self.adapters.is_loading() {
            let Some(loaded) = self.adapters.next_loaded(wait, self.now) else { break };
            wait = Duration::ZERO;
            if let Err(reason) = loaded.result {
                let hash = loaded.hash;
                let failed = self.queue.iter().filter(|waiting| waiting.request.adapter == Some(hash));
                for id in failed.map(|waiting| waiting.id).collect::<Vec<_>>() {
                    self.queue.remove(id);
                    let error = RunError::Adapter { hash, reason: reason.clone() };
                    self.events.push(Event::Failed { request: id, error });
                }
                // Not tried again until somebody asks for it.
                self.adapters.pin(&hash, false);
            } else if self.adapters.pinned_bytes(&loaded.hash) > self.config.memory / PINNED {
                self.adapters.pin(&loaded.hash, false);
            }
            self.claim(0);
        }
    }

    /// Starts waiting requests in the order of their payers' turns, while slots and memory last. One that does not fit holds up
    /// the rest, so that small requests cannot starve it. One whose adapter is not here cannot start, but from its turn on
    /// others only start beside the room for its adapter, so that they cannot starve that either.
    fn admit(&mut self) {
        while self.running.len() < self.config.max_running {
            let promised = self.promised();
            let stays = if self.running.is_empty() { self.committed() } else { 0 };
            if let (Some(id), Some((hash, bytes))) = (self.held, promised)
                && self.adapters.is_known(&hash)
                && stays + bytes > self.config.memory
            {
                self.refuse(id);
                continue;
            }
            let adapters = &self.adapters;
            let ready = |waiting: &Waiting| waiting.request.adapter.is_none_or(|hash| adapters.get(&hash).is_some());
            let turn = self.queue.turn(|waiting| promised.is_none() || ready(waiting));
            let Some((mut id, here)) = turn.map(|waiting| (waiting.id, ready(waiting))) else { break };
            if !here {
                self.held = Some(id);
                continue;
            }
            let (mut used, kept) = self.needs(id, promised);
            if used <= self.config.memory && used + kept > self.config.memory {
                // Only what is kept for another one is in the way: that goes first, once its adapter is here.
                let held = self.held;
                let turn = self.queue.turn(|waiting| Some(waiting.id) == held && ready(waiting));
                let Some(waiting) = turn else { break };
                id = waiting.id;
                used = self.needs(id, promised).0;
            }
            if used > self.config.memory {
                if !self.running.is_empty() {
                    break;
                }
                // Alone, and everything that can go counted as gone: it will never fit.
                self.refuse(id);
                continue;
            }
            let Some(Waiting { request, tokens, .. }) = self.queue.take(id) else { break };
            let (adapter, scope) = (request.adapter, request.prefix_scope);
            let found: &[u32] = if cacheable(&request) { &request.prompt } else { &request.prompt[..1] };
            let table = self.cache.acquire(adapter, scope, found);
            let cached = table.pages.len() * PAGE_TOKENS;
            self.packed.push(adapter.and_then(|hash| self.adapters.count(&hash, true, self.now)));
            self.running.push(Sequence::new(id, request, table, tokens.div_ceil(PAGE_TOKENS), cached));
        }
    }

    /// The adapter that room is kept for, if that is not in use anyway, and the bytes.
    fn promised(&self) -> Option<(ContentHash, usize)> {
        let hash = self.queue.get(self.held?)?.request.adapter?;
        Some((hash, self.adapters.cost(&hash)))
    }

    /// The memory that would be in use if a waiting request ran, and what of the room for `promised` comes on top.
    fn needs(&self, id: RequestId, promised: Option<(ContentHash, usize)>) -> (usize, usize) {
        let Some(Waiting { request, tokens, .. }) = self.queue.get(id) else { return (0, 0) };
        let adapter = request.adapter;
        let found = cacheable(request).then(|| self.cache.shared(adapter, request.prefix_scope, &request.prompt));
        let pages = tokens.div_ceil(PAGE_TOKENS) - found.unwrap_or(0);
        let cost = pages * self.cache.pages.page_bytes() + adapter.map_or(0, |hash| self.adapters.cost(&hash));
        let kept = promised.filter(|(hash, _)| adapter != Some(*hash)).map_or(0, |(_, bytes)| bytes);
        (self.committed() + cost, kept)
    }

    /// Ends a waiting request that does not even fit alone.
    fn refuse(&mut self, id: RequestId) {
        self.queue.remove(id);
        self.events.push(Event::Failed { request: id, error: RunError::NoMemory });
    }

    /// Loads what waiting requests and pins want, as far as there is room beside what is in use and what others wait for.
    fn prefetch(&mut self) {
        let (promised, memory) = (self.promised(), self.config.memory);
        let kept = promised.map(|(hash, _)| hash);
        let pinned = self.adapters.pinned().map(|hash| (*hash, false));
        let queued = self.queue.iter().take(PREFETCH).filter_map(|waiting| waiting.request.adapter);
        let waited_for = kept.into_iter().chain(queued).map(|hash| (hash, true));
        let order: Vec<(ContentHash, bool)> = pinned.chain(waited_for).collect();
        let wanted: HashSet<ContentHash> = order.iter().map(|(hash, _)| *hash).collect();
        let nothing_to_do = self.running.is_empty() && self.queue.len() == 0;
        let mut longest = true;
        for (hash, waited_for) in order {
            if !self.adapters.can_load() {
                break;
            }
            // Of those waited for.
            let first = waited_for && std::mem::take(&mut longest);
            if !self.adapters.is_absent(&hash) {
                continue;
            }
            let expected = self.adapters.expected(&hash);
            // Nothing is pushed out for a pin that would not fit even so, and it keeps nobody from loading.
            let in_use = self.committed() + promised.map_or(0, |(_, bytes)| bytes);
            if !waited_for && !nothing_to_do && in_use + expected > memory {
                continue;
            }
            let expected = expected + self.adapters.loading_bytes();
            let mut fits = self.make_room(expected, |hash| wanted.contains(hash));
            if !fits && first {
                // The longest waiting may push out what later ones wait for.
                fits = self.make_room(expected, |_| false);
            }
            if !fits && (first || nothing_to_do) {
                // Alone it may try its luck.
                fits = self.running.is_empty() && !self.adapters.is_loading();
            }
            if !fits && !waited_for {
                continue;
            }
            if !fits {
                break;
            }
            self.adapters.load(hash);
        }
    }

    /// Memory that running sequences use or may come to use, and pinned adapters.
    fn committed(&self) -> usize {
        let outstanding: usize =
            self.running.iter().map(|sequence| sequence.reserved.saturating_sub(sequence.table.pages.len())).sum();
        let used = self.cache.bytes() + self.adapters.bytes();
        let idle = self.cache.idle_bytes() + self.adapters.idle_bytes();
        used - idle + outstanding * self.cache.pages.page_bytes()
    }

    /// Evicts pages and adapters, the longest unused first, until so many bytes are free; adapters that are `wanted` stay.
    fn make_room(&mut self, bytes: usize, wanted: impl Fn(&ContentHash) -> bool) -> bool {
        while self.cache.bytes() + self.adapters.bytes() + bytes > self.config.memory {
            match (self.cache.oldest(), self.adapters.oldest(&wanted)) {
                (None, None) => return false,
                (Some(page), Some((adapter, _))) if page <= adapter => self.cache.evict(),
                (Some(_), None) => self.cache.evict(),
                (_, Some((_, hash))) => self.adapters.evict(&hash),
            }
        }
        true
    }

    /// How many tokens of each running sequence go through the model now: one of each answer, and of prompts a slice for
    /// each payer in turn until the step is full.
    fn plan(&self) -> Vec<usize> {
        let mut plan: Vec<usize> = self.running.iter().map(|sequence| usize::from(!sequence.is_reading())).collect();
        let mut left = self.config.max_step_tokens - plan.iter().sum::<usize>();
        let mut payers = Vec::new();
        for sequence in self.running.iter().filter(|sequence| sequence.is_reading()) {
            if !payers.contains(&sequence.request.payer) {
                payers.push(sequence.request.payer);
            }
        }
        if payers.is_empty() {
            return plan;
        }
        let turn = self.now as usize % payers.len();
        payers.rotate_left(turn);
        loop {
            let before = left;
            for payer in &payers {
                let of_payer = |i: &usize| {
                    let sequence = &self.running[*i];
                    sequence.is_reading() && sequence.request.payer == *payer && plan[*i] < sequence.pending()
                };
                if let Some(i) = (0..plan.len()).find(of_payer) {
                    let slice = SLICE.min(self.running[i].pending() - plan[i]).min(left);
                    plan[i] += slice;
                    left -= slice;
                }
            }
            if left == 0 || left == before {
                return plan;
            }
        }
    }

    /// Makes room that was reserved: all that no running request uses can go for it, what is kept for the one that had its
    /// turn after the rest, and pinned adapters last.
    fn claim(&mut self, bytes: usize) {
        let kept = self.promised().map(|(hash, _)| hash);
        while !self.make_room(bytes, |hash| Some(*hash) == kept) {
            let Some(hash) = self.adapters.unused() else { break };
            self.adapters.evict(&hash);
        }
    }

    /// Runs the planned rows and lets sequences take their results.
    fn pass(&mut self) {
        let plan = self.plan();
        let mut adapters: Vec<Arc<PackedAdapter>> = Vec::new();
        let mut rows = Vec::new();
        for (table, count) in plan.iter().enumerate() {
            self.grow(table, *count);
            let adapter = self.packed[table].as_ref().map(|packed| {
                let known = adapters.iter().position(|known| Arc::ptr_eq(known, packed));
                known.unwrap_or_else(|| {
                    adapters.push(packed.clone());
                    adapters.len() - 1
                })
            });
            let sequence = &self.running[table];
            for position in sequence.computed..sequence.computed + count {
                let (token, want) = (sequence.tokens[position], sequence.want(position));
                rows.push(Row { token, position, table, adapter, want });
            }
        }
        rows.sort_by_key(|row| row.adapter);

        let tables: Vec<&[PageId]> = self.running.iter().map(|sequence| &sequence.table.pages[..]).collect();
        let batch = Batch { rows: &rows, tables: &tables, adapters: &adapters };
        let (model, pages, scratch) = (&self.model, &mut self.cache.pages, &mut self.scratch);
        self.pool.install(|| model.forward(&batch, pages, scratch));
        self.totals.steps += 1;

        let mut results: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.running.len()];
        let (mut logits, mut states) = (0.., 0..);
        for row in &rows {
            let index = match row.want {
                Want::Nothing => None,
                Want::Logits => logits.next(),
                Want::State => states.next(),
            };
            results[row.table].extend(index.map(|index| (index, row.position)));
        }
        let (scratch, model, now) = (&self.scratch, &self.model, self.now);
        for (sequence, count) in self.running.iter_mut().zip(&plan) {
            sequence.computed += count;
            self.cache.seal(&mut sequence.table, &sequence.tokens[..sequence.computed], now);
        }
        let outcomes: Vec<Outcome> = self.pool.install(|| {
            let tasks = self.running.par_iter_mut().zip(results);
            let advance = |scores: &mut Vec<i32>, (sequence, results): (&mut Sequence, Vec<(usize, usize)>)| {
                sequence.advance(results.into_iter(), scratch, model, scores)
            };
            tasks.map_init(Vec::new, advance).collect()
        });
        let mut ended = Vec::new();
        for (index, outcome) in outcomes.into_iter().enumerate() {
            self.events.extend(outcome.events);
            if outcome.ended {
                ended.push(index);
            }
        }
        for index in ended.into_iter().rev() {
            self.end(index);
        }
    }

    /// Gives a sequence the pages for its next tokens. They were reserved: something can be evicted for them.
    fn grow(&mut self, index: usize, count: usize) {
        let needed = (self.running[index].computed + count).div_ceil(PAGE_TOKENS);
        while self.running[index].table.pages.len() < needed {
            self.claim(self.cache.pages.page_bytes());
            self.cache.grow(&mut self.running[index].table);
        }
    }

    /// Takes a sequence out of the running ones; those after it keep their order.
    fn end(&mut self, index: usize) {
        let sequence = self.running.remove(index);
        self.packed.remove(index);
        let usage = sequence.usage();
        self.totals.prompt_tokens += usage.prompt as u64;
        self.totals.cached_tokens += usage.cached as u64;
        self.totals.answer_tokens += usage.answer as u64;
        if let Some(hash) = sequence.request.adapter {
            self.adapters.count(&hash, false, self.now);
        }
        self.cache.release(sequence.table, self.now);
    }
}

/// Whether cached pages serve a request: embeddings need the states of all tokens.
fn cacheable(request: &Request) -> bool {
    request.task != Task::Embed
}

/// Refuses settings of an answer that are out of range.
pub(crate) fn check_generation(generation: &Generation) -> Result<(), SubmitError> {
    sample::check(&generation.sampling)?;
    let limits = [
        ("stop tokens", generation.stop.len(), MAX_STOP, "at most 64"),
        ("logprobs", generation.logprobs.unwrap_or(0), MAX_TOP, "at most 20"),
    ];
    for (name, value, most, range) in limits {
        if value > most {
            return Err(SubmitError::Sampling { name, value: value as i64, range });
        }
    }
    Ok(())
}

fn check(model: &ModelConfig, config: &EngineConfig) -> Result<(), EngineError> {
    let within = |name, value: usize, from: usize, to: usize| {
        if (from..=to).contains(&value) {
            return Ok(());
        }
        Err(EngineError::Setting { name, value, range: format!("{from} to {to}") })
    };
    within("threads", config.threads, 1, 1024)?;
    within("max_context", config.max_context, 2, model.max_positions)?;
    within("max_running", config.max_running, 1, 4096)?;
    within("max_step_tokens", config.max_step_tokens, config.max_running, 65_536)?;
    within("max_waiting", config.max_waiting, 1, 1 << 20)?;
    within("max_waiting_per_payer", config.max_waiting_per_payer, 1, config.max_waiting)?;
    // 255 x 127 x width must stay below 2^31.
    let (width, limit) = (model.hidden.max(model.intermediate).max(model.heads * model.head_dim), 66_000);
    if config.profile == Profile::Int8Exact && width > limit {
        return Err(EngineError::TooWide { width, limit });
    }
    Ok(())
}

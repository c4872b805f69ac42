//! The device's engine beside our own, on candle's CPU: what is proved here is everything but the device.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::arena::PackedAdapter;
use crate::forward::{self, Batch, Row, Scratch, Want};
use crate::model::{Architecture, Linear, RopeScaling};
use crate::pages::{PAGE_TOKENS, Pages};
use crate::request::{Payer, Sampling};
use crate::{Engine, EngineConfig, EngineHandle, Profile, synthetic};

const CONTEXT: usize = 400;

/// Largest difference of a logit, in parts of the row's largest.
const TOLERANCE: f32 = 1e-4;

/// Three query heads to a key head, widths that are multiples of nothing, every kind of rotary scaling, heads tied and not.
fn models() -> Vec<(ModelConfig, Weights)> {
    let llama3 = RopeScaling::Llama3 {
        factor: 8.0,
        low_frequency_factor: 1.0,
        high_frequency_factor: 4.0,
        original_positions: 64,
    };
    let kinds = [
        (Architecture::Llama, llama3, false),
        (Architecture::Qwen2, RopeScaling::Linear { factor: 2.0 }, true),
        (Architecture::Qwen3, RopeScaling::None, true),
    ];
    let model = |(architecture, rope_scaling, tied_embeddings)| {
        let config = ModelConfig {
            architecture,
            hidden: 40,
            intermediate: 72,
            heads: 6,
            kv_heads: 2,
            head_dim: 20,
            tied_embeddings,
            rope_scaling,
            ..synthetic::config(48, 3, 75)
        };
        let weights = synthetic::weights(&config, 7);
        (config, weights)
    };
    kinds.into_iter().map(model).collect()
}

/// Of various ranks; the last leaves most layers alone.
fn adapters(config: &ModelConfig) -> Vec<Adapter> {
    let mut adapters: Vec<_> = (1..=4)
        .map(|seed| {
            let rank = |layer, linear| 1 + (7 * layer + 5 * linear as usize + seed as usize) % 19;
            synthetic::adapter(config, seed, rank)
        })
        .collect();
    let few = |layer, linear| if layer == 1 && linear == Linear::Value { 9 } else { 0 };
    adapters.push(synthetic::adapter(config, 5, few));
    adapters
}

struct Loaded(HashMap<ContentHash, Adapter>);

impl AdapterSource for Loaded {
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Box<dyn std::error::Error + Send + Sync>> {
        self.0.get(hash).cloned().ok_or_else(|| "its file is gone".into())
    }
}

fn source(adapters: &[Adapter]) -> Loaded {
    Loaded(adapters.iter().map(|adapter| (adapter.hash, adapter.clone())).collect())
}

/// Room for three answers and as many adapters, so that others wait and push each other out.
fn small(config: &ModelConfig, weights: &Weights, adapters: &[Adapter]) -> DeviceEngine {
    let settings = DeviceConfig { slots: 3, max_context: CONTEXT, adapters: 3, rank: 19 };
    let mut engine = DeviceEngine::new(config.clone(), weights, Device::Cpu, settings, source(adapters)).unwrap();
    adapters.iter().for_each(|adapter| engine.register(adapter.hash));
    engine
}

fn prompt(length: usize, seed: usize) -> Vec<u32> {
    (0..length).map(|i| ((i * i + 31 * i + 17 * seed) % 75) as u32).collect()
}

fn request(adapter: Option<ContentHash>, prompt: Vec<u32>, generation: Generation) -> Request {
    Request { payer: Payer::default(), adapter, prefix_scope: 0, prompt, task: Task::Generate(generation) }
}

/// The logits after a text, of our own engine's pass in f32.
fn expected(model: &forward::Model, adapter: Option<&Adapter>, tokens: &[u32]) -> Vec<f32> {
    let packed: Vec<_> =
        adapter.iter().map(|adapter| Arc::new(PackedAdapter::pack(adapter, &model.config).unwrap())).collect();
    let mut pages = Pages::new(&model.config);
    let table: Vec<_> = (0..tokens.len().div_ceil(PAGE_TOKENS)).map(|_| pages.allocate()).collect();
    let row = |(position, token): (usize, &u32)| {
        let want = if position + 1 == tokens.len() { Want::Logits } else { Want::Nothing };
        Row { token: *token, position, table: 0, adapter: adapter.map(|_| 0), want }
    };
    let rows: Vec<Row> = tokens.iter().enumerate().map(row).collect();
    let mut scratch = Scratch::default();
    model.forward(&Batch { rows: &rows, tables: &[&table], adapters: &packed }, &mut pages, &mut scratch);
    scratch.logits(0, model.config.vocabulary)
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) -> f32 {
    let scale = expected.iter().fold(0f32, |largest, logit| largest.max(logit.abs()));
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs() / scale);
    let largest = differences.fold(0f32, f32::max);
    assert!(largest <= TOLERANCE, "{what}: {largest}");
    largest
}

#[test]
fn logits_are_our_own_engines() {
    for (config, weights) in models() {
        let name = config.architecture;
        let adapters = adapters(&config);
        let ours = forward::Model::new(config.clone(), weights.clone(), Profile::F32Exact, Isa::best(), CONTEXT);
        let room = DeviceConfig { slots: 4, max_context: CONTEXT, adapters: 5, rank: 19 };
        let model = Model::new(config.clone(), &weights, Device::Cpu, &room).unwrap();
        for (place, adapter) in (1..).zip(&adapters) {
            model.place(adapter, place).unwrap();
        }
        // Slots with (place of the adapter, length of the prompt), prompts read in two parts.
        let slots = [(2, 17), (0, 5), (5, 300), (3, 2)];
        let mut largest = 0f32;
        for (slot, (place, length)) in slots.into_iter().enumerate() {
            let (prompt, adapter) = (prompt(length, slot), model.adapter(place).unwrap());
            let (head, tail) = prompt.split_at(length / 2);
            model.forward(slot, &[(0, head)], adapter.as_ref()).unwrap();
            let logits = model.forward(slot, &[(head.len(), tail)], adapter.as_ref()).unwrap();
            let adapter = place.checked_sub(1).map(|index| &adapters[index]);
            let found = logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            largest =
                largest.max(assert_close(&found, &expected(&ours, adapter, &prompt), &format!("{name:?} {slot}")));
        }
        // A token of each, together.
        let rows = slots.map(|(_, length)| (length, &[3u32][..]));
        let gathered = model.gather(&slots.map(|(place, _)| place as u32)).unwrap();
        let logits = model.forward(0, &rows, Some(&gathered)).unwrap().to_vec2::<f32>().unwrap();
        for (slot, (place, length)) in slots.into_iter().enumerate() {
            let tokens = [prompt(length, slot), vec![3]].concat();
            let adapter = place.checked_sub(1).map(|index| &adapters[index]);
            let expected = expected(&ours, adapter, &tokens);
            largest = largest.max(assert_close(&logits[slot], &expected, &format!("{name:?} {slot} together")));
        }
        assert!(largest > 0.0, "{name:?}: no difference at all is no other implementation");
    }
}

type Answered = (Vec<u32>, Vec<i32>, Option<Finish>);

/// Tokens, their log-probabilities and the end of each request, in the order in which they were submitted.
fn collect(ids: &[RequestId], events: Vec<Event>, told: &mut [Answered]) {
    for event in events {
        let (tokens, logprobs, end) = &mut told[ids.iter().position(|id| *id == event.request()).unwrap()];
        match event {
            Event::Token { index, token, logprobs: of, .. } => {
                assert_eq!(index, tokens.len());
                tokens.push(token);
                logprobs.extend(of.map(|of| of.chosen));
            }
            Event::Finished { finish, .. } => *end = Some(finish),
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn continuations_are_our_own_engines() {
    for (config, weights) in models() {
        let adapters = adapters(&config);
        let sampling =
            Sampling { temperature_milli: 700, top_p_milli: 950, repetition_milli: 1100, ..Sampling::GREEDY };
        let tokens = |index: usize| if index == 1 { 90 } else { 24 + index };
        // The first prompt is read beside an answer in a later slot, which then outlasts the adapters that come and go.
        let requests: Vec<Request> = [(0, 300), (2, 1), (1, 40), (3, 257), (0, 9), (4, 2), (5, 33), (1, 20), (2, 256)]
            .into_iter()
            .enumerate()
            .map(|(index, (place, length))| {
                let adapter = (place > 0).then(|| synthetic::hash(place));
                let sampling = if index % 3 == 2 { sampling } else { Sampling::GREEDY };
                let (seed, logprobs) = ([index as u8; 32], Some(2));
                let generation = Generation { sampling, seed, logprobs, ..Generation::greedy(tokens(index)) };
                request(adapter, prompt(length, index), generation)
            })
            .collect();

        let settings = EngineConfig { threads: 1, max_context: CONTEXT, ..EngineConfig::default() };
        let mut ours = Engine::new(config.clone(), weights.clone(), settings, source(&adapters)).unwrap();
        adapters.iter().for_each(|adapter| ours.register(adapter.hash));
        let ids: Vec<_> = requests.iter().map(|request| ours.submit(request.clone()).unwrap()).collect();
        let mut expected = vec![Default::default(); requests.len()];
        while !ours.is_idle() {
            collect(&ids, ours.step(), &mut expected);
        }

        let mut engine = small(&config, &weights, &adapters);
        let ids: Vec<_> = requests.iter().map(|request| engine.submit(request.clone()).unwrap()).collect();
        let mut found = vec![Default::default(); requests.len()];
        let mut most = 0;
        while !engine.is_idle() {
            collect(&ids, engine.step().unwrap(), &mut found);
            most = most.max(engine.stats().running);
        }

        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let what = format!("{:?}, request {index}", config.architecture);
            assert_eq!((&found.0, found.2), (&expected.0, expected.2), "{what}");
            assert_eq!((found.0.len(), found.1.len()), (tokens(index), tokens(index)));
            // Millionths; our own engine's are within 25 of the exact ones.
            assert!(found.1.iter().zip(&expected.1).all(|(found, expected)| (found - expected).abs() < 200), "{what}");
        }
        let stats = engine.stats();
        assert_eq!((most, stats.running, stats.waiting, stats.resident), (3, 0, 0, 3));
        assert!(stats.loads >= 5 && stats.evictions == stats.loads - 3, "{stats:?}");
        assert_eq!(stats.answer_tokens, (0..9).map(tokens).sum::<usize>() as u64);
    }
}

/// The next request in its slot, beside a longer answer, sees the keys and values of the broken one behind its mask.
#[test]
fn a_broken_request_leaves_nothing_in_its_slot() {
    for (config, weights) in models() {
        let mut broken = synthetic::adapter(&config, 1, |_, _| 2);
        // Finite, and too large for what is made of it.
        broken.modules.iter_mut().for_each(|module| module.b.fill(0x7f7f));
        let mut engine = small(&config, &weights, std::slice::from_ref(&broken));
        let long = engine.submit(request(None, prompt(200, 1), Generation::greedy(100))).unwrap();
        let breaks = engine.submit(request(Some(broken.hash), prompt(60, 2), Generation::greedy(9))).unwrap();
        let failed = |events: &[Event]| {
            events.iter().any(|event| matches!(event, Event::Failed { request, error: RunError::NotFinite { .. } } if *request == breaks))
        };
        while !failed(&engine.step().unwrap()) {}
        let after = engine.submit(request(None, prompt(5, 3), Generation::greedy(20))).unwrap();
        let mut told = vec![Default::default(); 2];
        while !engine.is_idle() {
            let events = engine.step().unwrap();
            let tokens = events.into_iter().filter(|event| event.request() == after);
            collect(&[after], tokens.collect(), &mut told);
            assert!(!told[0].0.is_empty() || engine.stats().running == 2, "{long:?} is being written meanwhile");
        }
        let mut alone = small(&config, &weights, &[]);
        let id = alone.submit(request(None, prompt(5, 3), Generation::greedy(20))).unwrap();
        while !alone.is_idle() {
            collect(&[id], alone.step().unwrap(), &mut told[1..]);
        }
        let [found, expected] = &told[..] else { unreachable!() };
        assert_eq!((&found.0, found.2), (&expected.0, Some(Finish::Length)), "{:?}", config.architecture);
    }
}

#[test]
fn what_cannot_run_is_refused_in_words() {
    let (config, weights) = models().remove(0);
    let mut adapters = adapters(&config);
    adapters.push(synthetic::adapter(&config, 6, |_, _| 20));
    let mut engine = small(&config, &weights, &adapters);
    let greedy = || Generation::greedy(2);
    let refusals = [
        (request(None, vec![], greedy()), SubmitError::Empty("the prompt")),
        (request(None, vec![1], Generation::greedy(0)), SubmitError::Empty("the answer")),
        (request(None, vec![75], greedy()), SubmitError::UnknownToken { token: 75, vocabulary: 75 }),
        (request(None, vec![1; 399], greedy()), SubmitError::TooLong { tokens: 401, limit: CONTEXT }),
        (request(Some(synthetic::hash(9)), vec![1], greedy()), SubmitError::UnknownAdapter(synthetic::hash(9))),
        (Request { task: Task::Embed, ..request(None, vec![1], greedy()) }, SubmitError::OnlyGenerates),
    ];
    for (request, expected) in refusals {
        assert_eq!(engine.submit(request), Err(expected));
    }
    // What only its files tell.
    engine.register(synthetic::hash(9));
    for (seed, reason) in [(6, "a rank of it is 20, the device has room for 1 to 19"), (9, "its file is gone")] {
        let (hash, reason) = (synthetic::hash(seed), reason.to_owned());
        let id = engine.submit(request(Some(hash), vec![1], greedy())).unwrap();
        let error = RunError::Adapter { hash, reason };
        assert_eq!(engine.step().unwrap(), [Event::Failed { request: id, error }]);
    }
    // The others are served.
    engine.submit(request(None, vec![1, 2], greedy())).unwrap();
    assert!(matches!(engine.step().unwrap()[..], [Event::Token { index: 0, .. }]));
    assert!(matches!(
        engine.step().unwrap()[..],
        [Event::Token { .. }, Event::Finished { finish: Finish::Length, .. }]
    ));
    assert!(engine.is_idle());

    let setting = |settings: DeviceConfig| {
        DeviceEngine::new(config.clone(), &weights, Device::Cpu, settings, source(&[])).err().unwrap().to_string()
    };
    let settings = DeviceConfig { slots: 4, max_context: CONTEXT, adapters: 3, rank: 8 };
    assert_eq!(setting(settings), "adapters is 3, it must be 4 to 65536");
    assert!(device("cpu").unwrap().is_cpu());
    assert_eq!(device("gpu").unwrap_err().to_string(), "\"gpu\" is no device: there are cpu, cuda and cuda:N");
    if cfg!(not(feature = "cuda")) {
        assert!(device("cuda:1").unwrap_err().to_string().contains("the feature `cuda`"));
    }
}

#[test]
fn a_handle_serves_it_as_our_own_engine() {
    let (config, weights) = models().remove(2);
    let adapters = adapters(&config);
    let mut alone = small(&config, &weights, &adapters);
    let handle = EngineHandle::spawn_on_device(small(&config, &weights, &adapters), |error| panic!("{error}")).unwrap();
    let ask = |seed: u64| request(Some(synthetic::hash(seed)), prompt(30, seed as usize), Generation::greedy(20));
    let streams: Vec<_> = (1..=5).map(|seed| handle.submit(ask(seed)).unwrap()).collect();
    // Nobody listens: its slot goes to another.
    drop(handle.submit(request(None, prompt(9, 1), Generation::greedy(390))).unwrap());
    for (seed, stream) in (1..=5).zip(streams) {
        let id = alone.submit(ask(seed)).unwrap();
        let mut told = vec![Default::default()];
        while !alone.is_idle() {
            collect(&[id], alone.step().unwrap(), &mut told);
        }
        let token = |event| if let Event::Token { token, .. } = event { Some(token) } else { None };
        assert_eq!(stream.filter_map(token).collect::<Vec<_>>(), told[0].0, "{seed}");
    }
    assert_eq!(handle.submit(Request { task: Task::Embed, ..ask(1) }).err(), Some(SubmitError::OnlyGenerates));
    let hash = synthetic::hash(5);
    assert!(handle.residency().iter().any(|(held, _)| *held == hash));
    assert!(handle.unload(hash) && handle.residency().iter().all(|(held, _)| *held != hash));
    assert!(handle.unregister(hash));
    assert_eq!(handle.submit(ask(5)).err(), Some(SubmitError::UnknownAdapter(hash)));
}

//! The engine through its public functions, and what it must not leak through its private ones.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::model::{Adapter, Architecture};
use crate::request::{Generation, Logprobs, Payer, Sampling, Usage};
use crate::{EngineHandle, NoAdapters, synthetic};

mod memory;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn model() -> ModelConfig {
    ModelConfig {
        architecture: Architecture::Qwen3,
        heads: 3,
        kv_heads: 1,
        head_dim: 16,
        eos: vec![3],
        max_positions: 512,
        ..synthetic::config(48, 2, 96)
    }
}

/// Adapters by seed, made on demand, with ranks that differ; counts how often it is asked.
struct Source(Arc<AtomicUsize>);

fn make(seed: u64) -> Adapter {
    synthetic::adapter(&model(), seed, |_, linear| [2, 4, 7, 16][(seed as usize + linear as usize) % 4])
}

impl AdapterSource for Source {
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Failure> {
        self.0.fetch_add(1, Ordering::Relaxed);
        match hash.0[0] {
            250 => Err("the disk is on fire".into()),
            251 => Ok(make(1)),
            // About five times as large as the others.
            252 => Ok(synthetic::adapter(&model(), 252, |_, _| 48)),
            _ => Ok(make(u64::from_le_bytes(hash.0[..8].try_into()?))),
        }
    }
}

fn settings() -> EngineConfig {
    EngineConfig { threads: 1, max_context: 256, ..EngineConfig::default() }
}

fn engine(config: EngineConfig) -> (Engine, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let weights = synthetic::weights(&model(), 5);
    let mut engine = Engine::new(model(), weights, config, Source(loads.clone())).unwrap();
    (0..256).for_each(|seed| engine.register(synthetic::hash(seed)));
    (engine, loads)
}

fn request(adapter: Option<u64>, prompt: Vec<u32>, task: Task) -> Request {
    Request { payer: Payer::default(), adapter: adapter.map(synthetic::hash), prefix_scope: 0, prompt, task }
}

fn prompt(seed: u32, len: usize) -> Vec<u32> {
    (0..len as u32).map(|i| (i * i * 7 + i * seed + seed) % 96).collect()
}

/// What a request ended with.
#[derive(Clone, Debug, Default, PartialEq)]
struct Answer {
    tokens: Vec<u32>,
    logprobs: Vec<Option<Logprobs>>,
    vector: Vec<f32>,
    finish: Option<Finish>,
    usage: Usage,
    error: Option<RunError>,
    /// In which order it ended.
    place: usize,
}

/// Steps until nothing is left.
fn finish(engine: &mut Engine) -> BTreeMap<RequestId, Answer> {
    finish_after(engine, Vec::new())
}

/// The same, after steps whose events are given.
fn finish_after(engine: &mut Engine, mut events: Vec<Event>) -> BTreeMap<RequestId, Answer> {
    let mut answers: BTreeMap<RequestId, Answer> = BTreeMap::new();
    let mut place = 0;
    while !engine.is_idle() || !events.is_empty() {
        events.extend(engine.step());
        for event in events.drain(..) {
            let last = event.is_last();
            let answer = answers.entry(event.request()).or_default();
            assert!(answer.finish.is_none() && answer.error.is_none(), "nothing follows the last event");
            match event {
                Event::Token { index, token, logprobs, .. } => {
                    assert_eq!(index, answer.tokens.len());
                    answer.tokens.push(token);
                    answer.logprobs.push(logprobs);
                }
                Event::Embedding { vector, .. } => answer.vector = vector,
                Event::Finished { finish, usage, .. } => (answer.finish, answer.usage) = (Some(finish), usage),
                Event::Failed { error, .. } => answer.error = Some(error),
            }
            if last {
                (answer.place, place) = (place, place + 1);
            }
        }
    }
    answers
}

fn run(engine: &mut Engine, request: Request) -> Answer {
    let id = engine.submit(request).unwrap();
    finish(engine).remove(&id).unwrap()
}

/// Nothing is used any more, and everything can go.
fn check_empty(engine: &mut Engine) {
    assert_eq!(engine.committed(), 0);
    while engine.cache.oldest().is_some() {
        engine.cache.evict();
    }
    assert_eq!((engine.cache.bytes(), engine.cache.idle_bytes()), (0, 0));
}

#[test]
fn an_answer_replays_and_another_is_found_out() {
    let (mut engine, _) = engine(settings());
    let sampling = Sampling { temperature_milli: 900, top_p_milli: 950, presence_milli: 300, ..Sampling::GREEDY };
    let generation = Generation { sampling, seed: [9; 32], logprobs: Some(3), ..Generation::greedy(40) };
    let generation = Generation { ignore_eos: true, ..generation };
    let made = run(&mut engine, request(Some(1), prompt(1, 37), Task::Generate(generation.clone())));
    assert_eq!((made.tokens.len(), made.finish), (40, Some(Finish::Length)));
    assert_eq!(made.usage, Usage { prompt: 37, cached: 0, answer: 40 });

    let replay =
        |adapter, answer: &[u32]| request(adapter, prompt(1, 37), Task::Replay(generation.clone(), answer.into()));
    let same = run(&mut engine, replay(Some(1), &made.tokens));
    assert_eq!((same.finish, &same.tokens, &same.logprobs), (Some(Finish::Same), &made.tokens, &made.logprobs));

    let mut lie = made.tokens.clone();
    lie[17] = (lie[17] + 1) % 96;
    let found = run(&mut engine, replay(Some(1), &lie)).finish;
    assert_eq!(found, Some(Finish::Differs { index: 17, claimed: lie[17], computed: made.tokens[17] }));
    let other = run(&mut engine, replay(Some(2), &made.tokens)).finish;
    assert!(matches!(other, Some(Finish::Differs { .. })), "another adapter's answer: {other:?}");

    let scored = run(&mut engine, request(Some(1), prompt(1, 37), Task::Score(made.tokens.clone())));
    let chosen = |answer: &Answer| answer.logprobs.iter().map(|l| l.as_ref().unwrap().chosen).collect::<Vec<_>>();
    assert_eq!((scored.finish, chosen(&scored)), (Some(Finish::Done), chosen(&made)));
    check_empty(&mut engine);
}

#[test]
fn stop_tokens_end_an_answer() {
    let (mut engine, _) = engine(settings());
    let free = Generation { ignore_eos: true, ..Generation::greedy(30) };
    let all = run(&mut engine, request(None, prompt(2, 9), Task::Generate(free.clone()))).tokens;
    let place = all.iter().position(|token| *token == all[12]).unwrap();
    let stopping = Generation { stop: vec![all[12]], ..free };
    let stopped = run(&mut engine, request(None, prompt(2, 9), Task::Generate(stopping.clone())));
    assert_eq!((stopped.finish, &stopped.tokens[..]), (Some(Finish::Stop), &all[..=place]));
    // A claimed answer that goes on is not the same.
    let replay = run(&mut engine, request(None, prompt(2, 9), Task::Replay(stopping, all)));
    assert_eq!(replay.finish, Some(Finish::Stop));
}

#[test]
fn a_prompt_read_before_is_not_read_again() {
    let (mut engine, _) = engine(settings());
    let ask = |adapter, scope| Request {
        prefix_scope: scope,
        ..request(adapter, prompt(3, 64), Task::Generate(Generation::greedy(8)))
    };
    let first = run(&mut engine, ask(Some(1), 0));
    assert_eq!(first.usage.cached, 0);
    let again = run(&mut engine, ask(Some(1), 0));
    // The last token's logits are wanted, so its page is read again.
    assert_eq!((again.usage.cached, &again.tokens), (48, &first.tokens));
    assert_eq!(run(&mut engine, ask(Some(2), 0)).usage.cached, 0, "keys and values are the adapter's");
    assert_eq!(run(&mut engine, ask(None, 0)).usage.cached, 0);
    assert_eq!(run(&mut engine, ask(Some(1), 1)).usage.cached, 0, "scopes do not see each other");
    // Another ending: only what is common is shared.
    let mut branch = ask(Some(1), 0);
    branch.prompt[20] += 1;
    assert_eq!(run(&mut engine, branch).usage.cached, 16);
    check_empty(&mut engine);
}

#[test]
fn embeddings_are_the_mean_of_a_plain_forward_pass() {
    let (mut engine, _) = engine(settings());
    let weights = synthetic::weights(&model(), 5);
    for adapter in [None, Some(4)] {
        for len in [1, 16, 80] {
            let got = run(&mut engine, request(adapter, prompt(5, len), Task::Embed));
            assert_eq!((got.finish, got.usage.prompt, got.usage.answer), (Some(Finish::Done), len, 0));
            let states = crate::forward::tests::states(&model(), &weights, adapter.map(make).as_ref(), &prompt(5, len));
            let mean: Vec<f64> = (0..48).map(|i| states.iter().map(|state| state[i]).sum::<f64>()).collect();
            let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
            let error: f64 = got.vector.iter().zip(&mean).map(|(g, m)| (f64::from(*g) - m / length).powi(2)).sum();
            assert!(error.sqrt() < 1e-5, "{adapter:?}, {len} tokens: {}", error.sqrt());
            assert_eq!(got.vector.len(), 48);
        }
    }
    check_empty(&mut engine);
}

#[test]
fn embeddings_do_not_depend_on_chunks_company_threads_or_instruction_set() {
    for profile in [Profile::F32Exact, Profile::Int8Exact] {
        let one_by_one = EngineConfig { max_step_tokens: 1, max_running: 1, profile, ..settings() };
        let mut alone = engine(one_by_one).0;
        let asked: Vec<Request> =
            (0..5).map(|i| request((i > 0).then_some(i), prompt(i as u32, 7 + 20 * i as usize), Task::Embed)).collect();
        let expected: Vec<Vec<f32>> = asked.iter().map(|ask| run(&mut alone, ask.clone()).vector).collect();
        assert!(expected.windows(2).all(|pair| pair[0] != pair[1]));
        for isa in Isa::available() {
            for (threads, max_step_tokens) in [(1, 13), (3, 200)] {
                let config = EngineConfig { isa, threads, max_step_tokens, max_running: 12, profile, ..settings() };
                let (mut together, _) = engine(config);
                let mut ids = Vec::new();
                for ask in &asked {
                    // The same prompt is read for an answer too, which leaves its pages to whoever can use them.
                    let task = Task::Generate(Generation { logprobs: Some(2), ..Generation::greedy(4) });
                    together.submit(Request { task, ..ask.clone() }).unwrap();
                    ids.push(together.submit(ask.clone()).unwrap());
                }
                let answers = finish(&mut together);
                let got: Vec<Vec<f32>> = ids.iter().map(|id| answers[id].vector.clone()).collect();
                assert_eq!(got, expected, "{profile:?}, {} on {threads} threads", isa.name());
            }
        }
    }
}

#[test]
fn log_probabilities_do_not_depend_on_what_else_runs() {
    for profile in [Profile::F32Exact, Profile::Int8Exact] {
        let sampling = Sampling { temperature_milli: 800, presence_milli: 900, ..Sampling::GREEDY };
        let generation = |key| {
            let generation = Generation { sampling, seed: [key; 32], logprobs: Some(20), ..Generation::greedy(9) };
            Generation { ignore_eos: true, ..generation }
        };
        let asked: Vec<Request> = (0..5)
            .map(|i| request((i > 0).then_some(i), prompt(i as u32, 7 + 9 * i as usize), Task::Generate(generation(1))))
            .collect();
        let mut alone = engine(EngineConfig { max_step_tokens: 1, max_running: 1, profile, ..settings() }).0;
        let expected: Vec<Answer> = asked.iter().map(|ask| run(&mut alone, ask.clone())).collect();
        for answer in &expected {
            for (token, told) in answer.tokens.iter().zip(&answer.logprobs) {
                let told = told.as_ref().unwrap();
                assert_eq!(told.top.len(), 20);
                assert!(told.top.iter().all(|(id, millionths)| id != token || *millionths == told.chosen));
            }
        }
        for isa in Isa::available() {
            let (mut together, _) = engine(EngineConfig { isa, threads: 3, profile, ..settings() });
            let ids: Vec<RequestId> = asked.iter().map(|ask| together.submit(ask.clone()).unwrap()).collect();
            let answers = finish(&mut together);
            for (id, expected) in ids.iter().zip(&expected) {
                let got = &answers[id];
                assert_eq!((&got.tokens, &got.logprobs), (&expected.tokens, &expected.logprobs), "{}", isa.name());
            }
        }
    }
}

#[test]
fn ten_thousand_adapters_are_registered_and_only_those_used_are_loaded() {
    let (mut engine, loads) = engine(settings());
    (0..10_000).for_each(|seed| engine.register(synthetic::hash(seed)));
    let ids: Vec<RequestId> = (0..20)
        .map(|i| {
            let task = Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(5) });
            engine.submit(request(Some(9_000 + i % 10), prompt(i as u32, 20), task)).unwrap()
        })
        .collect();
    let answers = finish(&mut engine);
    assert!(ids.iter().all(|id| answers[id].tokens.len() == 5));
    let stats = engine.stats();
    assert_eq!((stats.registered, stats.resident, stats.loads), (10_000, 10, 10));
    assert_eq!(loads.load(Ordering::Relaxed), 10);
    // A wrong or a used one stays, an idle one goes.
    assert!(engine.unregister(&synthetic::hash(9_001)));
    assert!(!engine.unregister(&synthetic::hash(9_001)));
    assert_eq!(engine.stats().resident, 9);
}

#[test]
fn memory_stays_within_its_budget_and_everyone_is_served() {
    let page = page();
    // Room for a few adapters of about 40 KiB and a few short sequences.
    let memory = 40 * page + 150_000;
    let (mut engine, _) = engine(EngineConfig { memory, max_running: 8, max_step_tokens: 32, ..settings() });
    let (mut roomy, _) = engine_default();
    let ask = |i: u64| {
        let task = Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(20) });
        Request {
            payer: Payer([i as u8 % 3; 20]),
            ..request((!i.is_multiple_of(4)).then_some(i % 17), prompt(i as u32, 50), task)
        }
    };
    let ids: Vec<RequestId> = (0..60).map(|i| engine.submit(ask(i)).unwrap()).collect();
    let largest = (0..17).map(|seed| PackedAdapter::pack(&make(seed), &model()).unwrap().bytes()).max().unwrap();
    let mut answers: BTreeMap<RequestId, Vec<u32>> = BTreeMap::new();
    let mut finished = 0;
    while !engine.is_idle() {
        for event in engine.step() {
            match event {
                Event::Token { request, token, .. } => answers.entry(request).or_default().push(token),
                Event::Finished { finish, .. } => finished += usize::from(finish == Finish::Length),
                event => panic!("{event:?}"),
            }
        }
        let used = engine.cache.bytes() + engine.adapters.bytes();
        assert!(engine.committed() <= memory);
        assert!(used <= memory + 2 * largest, "{used} of {memory}");
    }
    assert_eq!(finished, 60);
    assert!(engine.stats().evictions > 0, "the test is to press on the budget");
    for (i, id) in ids.iter().enumerate() {
        assert_eq!(run(&mut roomy, ask(i as u64)).tokens, answers[id], "request {i}");
    }
    check_empty(&mut engine);
}

fn engine_default() -> (Engine, Arc<AtomicUsize>) {
    engine(settings())
}

#[test]
fn pinned_adapters_are_loaded_ahead_and_stay() {
    let (mut engine, _) = engine(EngineConfig { memory: 16 * page() + 60_000, ..settings() });
    assert_eq!(engine.pin(&synthetic::hash(1), true), Ok(()));
    let unknown = synthetic::hash(1 << 20);
    assert_eq!(engine.pin(&unknown, true), Err(PinError::UnknownAdapter(unknown)));
    finish(&mut engine);
    assert_eq!(engine.residency().len(), 1);
    for seed in 2..9 {
        let task = Task::Generate(Generation::greedy(2));
        assert_eq!(run(&mut engine, request(Some(seed), prompt(1, 5), task)).error, None);
        assert!(engine.residency().iter().any(|(hash, _)| *hash == synthetic::hash(1)));
    }
}

/// What sixteen tokens take in memory.
fn page() -> usize {
    Cache::new(&model()).pages.page_bytes()
}

/// What an adapter takes in memory.
fn bytes(seed: u64) -> usize {
    PackedAdapter::pack(&make(seed), &model()).unwrap().bytes()
}

#[test]
fn pins_leave_half_of_the_memory_to_requests() {
    // Every fourth has the same ranks. Two of them are more than half of this.
    let memory = 3 * bytes(1);
    let ask = |seed| request(seed, prompt(1, 5), Task::Generate(Generation::greedy(2)));
    let served = |engine: &mut Engine| {
        let answers = [None, Some(9), Some(13)].map(|seed| run(engine, ask(seed)).error);
        assert_eq!(answers, [None, None, None]);
    };
    let (mut known, _) = engine(EngineConfig { memory, ..settings() });
    assert_eq!(known.pin(&synthetic::hash(1), true), Ok(()));
    finish(&mut known);
    let (hash, needed, limit) = (synthetic::hash(5), 2 * bytes(1), memory / 2);
    assert_eq!(known.pin(&hash, true), Err(PinError::NoRoom { hash, needed, limit }));
    // Pinned twice is pinned once.
    assert_eq!(known.pin(&synthetic::hash(1), true), Ok(()));
    served(&mut known);
    assert_eq!(known.pin(&synthetic::hash(1), false), Ok(()));
    assert_eq!(known.pin(&hash, true), Ok(()));
    served(&mut known);

    // Of sizes nothing is known at first: those that turn out not to fit are let go again.
    let (mut unknown, _) = engine(EngineConfig { memory, ..settings() });
    (0..20).for_each(|seed| assert_eq!(unknown.pin(&synthetic::hash(seed), true), Ok(())));
    finish(&mut unknown);
    served(&mut unknown);
    let pinned: Vec<ContentHash> = unknown.adapters.pinned().copied().collect();
    let kept: usize = pinned.iter().map(|hash| unknown.adapters.get(hash).unwrap().bytes()).sum();
    assert!(!pinned.is_empty() && kept <= limit, "{kept} of {limit}");
}

#[test]
fn those_who_wait_load_before_a_pin_that_does_not_fit() {
    // Room for two adapters of one size, and for the pages of one request.
    let memory = 2 * bytes(1) + 6 * page();
    let (mut engine, _) = engine(EngineConfig { memory, max_running: 1, ..settings() });
    let ask = |seed, tokens| {
        let task = Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(tokens) });
        request(Some(seed), prompt(1, 5), task)
    };
    assert_eq!(run(&mut engine, ask(1, 2)).error, None);
    engine.submit(ask(5, 60)).unwrap();
    let mut early = Vec::new();
    while engine.stats().running == 0 {
        early.extend(engine.step());
    }
    assert_eq!(engine.pin(&synthetic::hash(9), true), Ok(()));
    let waiting = [13, 1].map(|seed| engine.submit(ask(seed, 2)).unwrap());
    early.extend(engine.step());
    engine.collect(Duration::from_secs(60));
    let resident = |engine: &Engine, seed| engine.residency().iter().any(|(hash, _)| *hash == synthetic::hash(seed));
    assert!(resident(&engine, 13) && !resident(&engine, 9) && engine.stats().running == 1);
    // In the end all have what they want.
    let answers = finish_after(&mut engine, early);
    assert!(waiting.iter().all(|id| answers[id].error.is_none()));
    assert!(resident(&engine, 9));
}

#[test]
fn the_longest_unused_goes_first() {
    // Adapters of one size: there is room for two, and for the pages of what runs.
    let (mut adapters, _) = engine(EngineConfig { memory: 2 * bytes(1) + 2 * page(), ..settings() });
    for seed in [1, 5, 1, 9] {
        let task = Task::Generate(Generation::greedy(2));
        assert_eq!(run(&mut adapters, request(Some(seed), prompt(1, 5), task)).error, None);
    }
    let mut resident: Vec<ContentHash> = adapters.residency().into_iter().map(|(hash, _)| hash).collect();
    resident.sort();
    assert_eq!(resident, [synthetic::hash(1), synthetic::hash(9)]);

    // Pages: each prompt leaves two full ones, and there is room for six.
    let (mut pages, _) = engine(EngineConfig { memory: 6 * page(), ..settings() });
    let mut read = |seed| {
        let answer = run(&mut pages, request(None, prompt(seed, 33), Task::Generate(Generation::greedy(1))));
        assert_eq!(answer.error, None);
        answer.usage.cached
    };
    assert_eq!([1, 2, 1].map(&mut read), [0, 0, 32]);
    // A page is missing for a third: the end of the second, which was not read again.
    assert_eq!(read(3), 0);
    assert_eq!([1, 2].map(&mut read), [32, 16]);
}

#[test]
fn what_runs_together_shares_its_steps() {
    let (mut engine, _) = engine(settings());
    let task = |tokens| Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(tokens) });
    let ids: Vec<_> = (0..8).map(|i| engine.submit(request(None, prompt(i, 4), task(20))).unwrap()).collect();
    let answers = finish(&mut engine);
    assert!(ids.iter().all(|id| answers[id].tokens.len() == 20));
    // The step that reads the prompts chooses the first tokens.
    assert_eq!(engine.stats().steps, 20);
    // One that comes later joins those that run.
    engine.submit(request(None, prompt(1, 4), task(20))).unwrap();
    let early = (0..5).flat_map(|_| engine.step()).collect();
    engine.submit(request(None, prompt(2, 4), task(15))).unwrap();
    assert_eq!(finish_after(&mut engine, early).len(), 2);
    assert_eq!(engine.stats().steps, 40);
}

#[test]
fn a_long_prompt_is_read_in_chunks_beside_an_answer() {
    let (mut engine, _) = engine(EngineConfig { max_running: 2, max_step_tokens: 13, ..settings() });
    let task = |tokens| Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(tokens) });
    let answering = engine.submit(request(None, prompt(1, 4), task(60))).unwrap();
    assert_eq!(engine.step().len(), 1);
    let reading = engine.submit(request(None, prompt(2, 100), task(1))).unwrap();
    let mut steps = 0;
    loop {
        let events = engine.step();
        let tokens = |id| {
            let its = |event: &&Event| matches!(event, Event::Token { request, .. } if *request == id);
            events.iter().filter(its).count()
        };
        steps += 1;
        assert_eq!(tokens(answering), 1, "in step {steps}");
        if tokens(reading) > 0 {
            break;
        }
    }
    // The answer takes one of the thirteen rows.
    assert_eq!(steps, 100usize.div_ceil(12));
}

#[test]
fn adapters_of_the_queue_are_loaded_before_their_turn() {
    let (mut engine, _) = engine(EngineConfig { max_running: 1, ..settings() });
    let task = Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(200) });
    engine.submit(request(None, prompt(1, 5), task.clone())).unwrap();
    (1..3).for_each(|seed| _ = engine.submit(request(Some(seed), prompt(1, 5), task.clone())).unwrap());
    for resident in [1, 2] {
        // The first one's size tells whether there is room for the second.
        engine.step();
        engine.collect(Duration::from_secs(60));
        let stats = engine.stats();
        assert_eq!((stats.resident, stats.running, stats.waiting), (resident, 1, 2));
    }
}

#[test]
fn adapters_that_do_not_load_fail_their_requests_only() {
    let (mut engine, loads) = engine(settings());
    let ask = |seed| request(Some(seed), prompt(1, 5), Task::Generate(Generation::greedy(3)));
    let ids = [250, 251, 1, 250].map(|seed| engine.submit(ask(seed)).unwrap());
    let answers = finish(&mut engine);
    let reason = |i: usize| answers[&ids[i]].error.as_ref().unwrap().to_string();
    assert!(reason(0).contains("on fire") && reason(3).contains("on fire"));
    assert!(reason(1).contains("another hash"));
    assert_eq!(answers[&ids[2]].error, None);
    let before = loads.load(Ordering::Relaxed);
    assert!(run(&mut engine, ask(250)).error.is_some());
    assert_eq!(loads.load(Ordering::Relaxed), before + 1, "asked for again, tried again");
}

#[test]
fn a_source_that_panics_is_told() {
    /// Panics for one adapter.
    struct Panics;
    impl AdapterSource for Panics {
        fn load(&self, hash: &ContentHash) -> Result<Adapter, Failure> {
            assert_ne!(hash.0[0], 1, "planted");
            Ok(make(u64::from(hash.0[0])))
        }
    }
    let mut engine = Engine::new(model(), synthetic::weights(&model(), 5), settings(), Panics).unwrap();
    (0..5).for_each(|seed| engine.register(synthetic::hash(seed)));
    let ask = |seed| request(Some(seed), vec![1], Task::Generate(Generation::greedy(3)));
    // The first is loaded alone, the others together.
    let ids = [0, 1, 2, 3, 1].map(|seed| engine.submit(ask(seed)).unwrap());
    let (mut errors, mut steps) = (BTreeMap::new(), 0);
    while !engine.is_idle() {
        steps += 1;
        assert!(steps < 10_000, "it waits for ever");
        for event in engine.step() {
            match event {
                Event::Finished { request, .. } => _ = errors.insert(request, String::new()),
                Event::Failed { request, error } => _ = errors.insert(request, error.to_string()),
                _ => {}
            }
        }
    }
    let errors = ids.map(|id| &errors[&id]);
    assert!([0, 2, 3].iter().all(|place| errors[*place].is_empty()), "{errors:?}");
    assert!([1, 4].iter().all(|place| errors[*place].contains("panicked")), "{errors:?}");
    // It goes on, and the one that panicked is tried again.
    assert_eq!(run(&mut engine, ask(4)).error, None);
    assert!(run(&mut engine, ask(1)).error.unwrap().to_string().contains("panicked"));
}

#[test]
fn logits_that_are_not_finite_fail_the_request() {
    let mut weights = synthetic::weights(&model(), 5);
    weights.norm.fill(f32::MAX);
    let mut engine = Engine::new(model(), weights, settings(), NoAdapters).unwrap();
    for task in [Task::Generate(Generation::greedy(3)), Task::Embed] {
        let answer = run(&mut engine, request(None, vec![1, 2], task));
        assert_eq!(answer.error, Some(RunError::NotFinite { position: 2 }));
    }
    check_empty(&mut engine);
}

/// Bytes cannot tell what is no number: without a scale that does, a broken model would answer, and be paid.
#[test]
fn what_is_not_finite_is_found_behind_bytes_too() {
    let broken = |at: usize| {
        let mut weights = synthetic::weights(&model(), 5);
        weights.layers[at].attention_norm.fill(f32::MAX);
        Engine::new(model(), weights, EngineConfig { profile: Profile::Int8Exact, ..settings() }, NoAdapters).unwrap()
    };
    for layer in 0..model().layers {
        let mut engine = broken(layer);
        for task in [Task::Generate(Generation::greedy(3)), Task::Embed] {
            let answer = run(&mut engine, request(None, vec![1, 2], task));
            assert_eq!(answer.error, Some(RunError::NotFinite { position: 2 }), "{layer}");
        }
        check_empty(&mut engine);
    }
}

#[test]
fn what_cannot_run_is_refused() {
    let (mut engine, _) = engine(EngineConfig { memory: 60_000, ..settings() });
    let greedy = |tokens| Task::Generate(Generation::greedy(tokens));
    let mut refused = |request| engine.submit(request).unwrap_err();
    let limit = 256;
    assert_eq!(refused(request(None, vec![], greedy(1))), SubmitError::Empty("the prompt"));
    assert_eq!(refused(request(None, vec![1], greedy(0))), SubmitError::Empty("the answer"));
    assert_eq!(refused(request(None, vec![1], Task::Score(vec![]))), SubmitError::Empty("the answer"));
    let unknown = SubmitError::UnknownToken { token: 96, vocabulary: 96 };
    assert_eq!(refused(request(None, vec![96], greedy(1))), unknown);
    assert_eq!(refused(request(None, vec![1], Task::Score(vec![2, 96]))), unknown);
    assert_eq!(refused(request(None, vec![1; 200], greedy(57))), SubmitError::TooLong { tokens: 257, limit });
    let endless = SubmitError::TooLong { tokens: usize::MAX, limit };
    assert_eq!(refused(request(None, vec![1; 200], greedy(usize::MAX))), endless);
    assert!(matches!(refused(request(None, vec![1; 200], greedy(56))), SubmitError::TooLarge { .. }));
    let hash = synthetic::hash(1 << 30);
    assert_eq!(refused(request(Some(1 << 30), vec![1], greedy(1))), SubmitError::UnknownAdapter(hash));
    let stops = Generation { stop: vec![0; 65], ..Generation::greedy(1) };
    assert!(matches!(refused(request(None, vec![1], Task::Generate(stops))), SubmitError::Sampling { .. }));
}

#[test]
fn queues_are_bounded() {
    let (mut engine, _) = engine(EngineConfig { max_waiting: 5, max_waiting_per_payer: 3, ..settings() });
    let ask =
        |payer| Request { payer: Payer([payer; 20]), ..request(None, vec![1], Task::Generate(Generation::greedy(2))) };
    let mut submit = |payer| engine.submit(ask(payer)).map(drop);
    (0..3).for_each(|_| submit(1).unwrap());
    assert_eq!(submit(1), Err(SubmitError::PayerBusy { queued: 3 }));
    (0..2).for_each(|_| submit(2).unwrap());
    assert_eq!(submit(3), Err(SubmitError::Busy { queued: 5 }));
    assert_eq!(finish(&mut engine).len(), 5);
    engine.submit(ask(3)).unwrap();
}

#[test]
fn one_payer_cannot_crowd_out_another() {
    let (mut engine, _) = engine(EngineConfig { max_running: 4, max_step_tokens: 32, ..settings() });
    let ask = |payer, len| Request {
        payer: Payer([payer; 20]),
        ..request(
            None,
            prompt(u32::from(payer), len),
            Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(8) }),
        )
    };
    let flood: Vec<_> = (0..100).map(|_| engine.submit(ask(1, 40)).unwrap()).collect();
    let early = (0..3).flat_map(|_| engine.step()).collect();
    let late: Vec<_> = (0..10).map(|_| engine.submit(ask(2, 8)).unwrap()).collect();
    let answers = finish_after(&mut engine, early);
    let last = late.iter().map(|id| answers[id].place).max().unwrap();
    // The late payer's requests are a third as long: in its ten turns the other has about three.
    assert!(last < 25, "the last of the late ones ended as number {last}");
    let before = flood.iter().filter(|id| answers[id].place < last).count();
    assert!(before >= 3, "but the flood is served too: {before}");
}

#[test]
fn cancelling_frees_everything() {
    let (mut engine, _) = engine(EngineConfig { max_running: 2, ..settings() });
    let ask = |i: u64| request(Some(i), prompt(i as u32, 60), Task::Generate(Generation::greedy(100)));
    let ids: Vec<_> = (0..4).map(|i| engine.submit(ask(i)).unwrap()).collect();
    let mut early = Vec::new();
    while engine.stats().running < 2 {
        early.extend(engine.step());
    }
    ids.iter().for_each(|id| engine.cancel(*id));
    let answers = finish_after(&mut engine, early);
    assert!(ids.iter().all(|id| answers[id].finish == Some(Finish::Cancelled)));
    engine.cancel(ids[0]);
    assert!(engine.is_idle());
    check_empty(&mut engine);
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |config: EngineConfig| {
        Engine::new(model(), synthetic::weights(&model(), 5), config, NoAdapters).err().expect("refused").to_string()
    };
    assert!(refused(EngineConfig { threads: 0, ..settings() }).contains("threads is 0"));
    assert!(refused(EngineConfig { max_context: 513, ..settings() }).contains("2 to 512"));
    assert!(refused(EngineConfig { max_step_tokens: 63, ..settings() }).contains("max_step_tokens"));
}

#[test]
fn a_handle_serves_from_its_own_thread() {
    let (engine, _) = engine(settings());
    let (mut reference, _) = engine_default();
    let handle = EngineHandle::spawn(engine).unwrap();
    handle.register(synthetic::hash(900));
    assert_eq!(handle.pin(synthetic::hash(900), true), Ok(()));
    let ask = |i: u64| {
        let task = Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(12) });
        request(Some(i % 5), prompt(i as u32, 30), task)
    };
    let streams: Vec<_> = (0..12).map(|i| handle.submit(ask(i)).unwrap()).collect();
    for (i, stream) in streams.into_iter().enumerate() {
        let token = |event| if let Event::Token { token, .. } = event { Some(token) } else { None };
        let tokens: Vec<u32> = stream.filter_map(token).collect();
        assert_eq!(tokens, run(&mut reference, ask(i as u64)).tokens);
    }
    let long = handle.submit(request(None, prompt(1, 9), Task::Generate(Generation::greedy(200)))).unwrap();
    assert!(long.recv().is_some());
    drop(long);
    while handle.stats().unwrap().running > 0 {
        std::thread::yield_now();
    }
    assert!(handle.residency().iter().any(|(hash, _)| *hash == synthetic::hash(900)));
    assert!(handle.unregister(synthetic::hash(77)));
    let refused = handle.submit(request(None, vec![], Task::Embed)).err();
    assert_eq!(refused, Some(SubmitError::Empty("the prompt")));
    drop(handle);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn tokens_do_not_depend_on_what_else_runs(
        asked in prop::collection::vec((prop::option::of(0u64..6), 0u32..5, 1usize..70, 1usize..30, any::<u8>()), 1..14),
        int8: bool,
        threads in 1usize..4,
        max_running in 1usize..9,
        spare in 0usize..40,
        which: prop::sample::Index,
    ) {
        let profile = if int8 { Profile::Int8Exact } else { Profile::F32Exact };
        let isa = *which.get(&Isa::available());
        let max_step_tokens = max_running + spare;
        let config = EngineConfig { profile, isa, threads, max_running, max_step_tokens, ..settings() };
        let (mut together, _) = engine(config);
        let (mut alone, _) = engine(EngineConfig { profile, ..settings() });
        let ask = |&(adapter, seed, len, tokens, key): &(Option<u64>, u32, usize, usize, u8)| {
            let sampling = Sampling { temperature_milli: u32::from(key) * 5, top_k: 40, ..Sampling::GREEDY };
            let generation = Generation { sampling, seed: [key; 32], ..Generation::greedy(tokens) };
            Request { payer: Payer([key % 3; 20]), ..request(adapter, prompt(seed, len), Task::Generate(generation)) }
        };
        let ids: Vec<_> = asked.iter().map(|asked| together.submit(ask(asked)).unwrap()).collect();
        let answers = finish(&mut together);
        for (asked, id) in asked.iter().zip(ids) {
            let one = run(&mut alone, ask(asked));
            prop_assert_eq!((&one.tokens, one.finish), (&answers[&id].tokens, answers[&id].finish));
        }
        check_empty(&mut together);
    }
}

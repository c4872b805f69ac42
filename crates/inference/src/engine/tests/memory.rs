//! Who gets memory when there is too little for all.

use super::*;

/// A request of so many pages, that fills all but the last with its prompt.
fn ask(payer: u8, adapter: Option<u64>, seed: u32, pages: usize) -> Request {
    let (len, tokens) = (16 * (pages - 1) + 2, 3 + seed as usize % 11);
    let task = Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(tokens) });
    Request { payer: Payer([payer; 20]), ..request(adapter, prompt(seed, len), task) }
}

/// A step, after which no more memory is in use than there is.
fn step(engine: &mut Engine) -> Vec<Event> {
    let events = engine.step();
    let (used, memory) = (engine.cache.bytes() + engine.adapters.bytes(), engine.config.memory);
    assert!(used <= memory, "{used} of {memory}");
    events
}

/// Steps until a request ends, while a payer sends one request of the base after the other; says what error it ended with.
fn beside_a_crowd(engine: &mut Engine, id: RequestId, pages: usize) -> Option<RunError> {
    for seed in 0..5000 {
        if engine.stats().waiting < 4 {
            engine.submit(ask(2, None, seed, pages)).unwrap();
        }
        for event in step(engine).into_iter().filter(|event| event.request() == id) {
            match event {
                Event::Finished { .. } => return None,
                Event::Failed { error, .. } => return Some(error),
                _ => {}
            }
        }
    }
    panic!("it waits for ever: {:?}", engine.stats());
}

fn largest() -> usize {
    (1..10).map(bytes).max().unwrap()
}

/// An engine with room for one adapter and so many pages, that knows the size of most adapters and holds none.
fn tight(pages: usize, max_running: usize) -> Engine {
    let memory = largest() + pages * page();
    let (mut engine, _) = engine(EngineConfig { memory, max_running, ..settings() });
    for seed in 1..10 {
        assert_eq!(run(&mut engine, ask(1, Some(seed), 1, 1)).error, None);
        assert!(engine.unload(&synthetic::hash(seed)));
    }
    engine
}

#[test]
fn a_crowd_that_needs_no_adapter_does_not_starve_who_does() {
    // Slots are scarce, or memory only.
    for max_running in [3, 64] {
        let mut engine = tight(4, max_running);
        // More than four pages are in use all the time, so that the largest adapters do not fit.
        assert!(largest() > 4 * page());
        for seed in 0..20 {
            engine.submit(ask(2, None, seed, 3)).unwrap();
            step(&mut engine);
        }
        for adapter in [1, 2, 3, 7] {
            let id = engine.submit(ask(1, Some(adapter), 5, 2)).unwrap();
            assert_eq!(beside_a_crowd(&mut engine, id, 3), None, "{adapter}, {max_running}");
        }
        // One that does not load holds nobody, nor does one that has been told.
        let id = engine.submit(ask(1, Some(250), 5, 2)).unwrap();
        assert!(matches!(beside_a_crowd(&mut engine, id, 3), Some(RunError::Adapter { .. })));
        let (gone, id) = (engine.submit(ask(1, Some(4), 5, 2)).unwrap(), engine.submit(ask(1, Some(5), 5, 2)).unwrap());
        step(&mut engine);
        engine.cancel(gone);
        assert_eq!(beside_a_crowd(&mut engine, id, 3), None);
        finish(&mut engine);
        check_empty(&mut engine);
    }
}

#[test]
fn an_adapter_that_can_never_fit_is_refused() {
    let mut engine = tight(4, 64);
    for _ in 0..2 {
        let id = engine.submit(ask(1, Some(252), 5, 2)).unwrap();
        assert_eq!(beside_a_crowd(&mut engine, id, 3), Some(RunError::NoMemory));
    }
    // The adapter alone would fit, and not with its request's pages.
    let (mut engine, _) = super::engine(EngineConfig { memory: bytes(1) + page(), ..settings() });
    let id = engine.submit(ask(1, Some(1), 5, 2)).unwrap();
    assert_eq!(beside_a_crowd(&mut engine, id, 2), Some(RunError::NoMemory));
}

#[test]
fn many_adapters_for_which_there_is_no_room_take_turns() {
    let mut engine = tight(5, 64);
    let asked: Vec<_> = (0..30u32)
        .map(|i| engine.submit(ask(i as u8 % 3, Some(1 + u64::from(i) % 9), i, 2 + i as usize % 2)).unwrap())
        .collect();
    let mut early = Vec::new();
    for _ in 0..5000 {
        early.extend(step(&mut engine));
        if engine.is_idle() {
            break;
        }
    }
    assert!(engine.is_idle(), "they wait for ever: {:?}", engine.stats());
    let answers = finish_after(&mut engine, early);
    assert!(asked.iter().all(|id| answers[id].finish == Some(Finish::Length)));
}

#[test]
fn who_asks_for_many_adapters_does_not_crowd_out_another() {
    let mut engine = tight(5, 64);
    let flood: Vec<_> = (0..40).map(|i| engine.submit(ask(1, Some(1 + i % 9), i as u32, 3)).unwrap()).collect();
    let mut early = Vec::new();
    for _ in 0..3 {
        early.extend(step(&mut engine));
    }
    let late: Vec<_> = (0..10).map(|i| engine.submit(ask(2, None, i, 3)).unwrap()).collect();
    let answers = finish_after(&mut engine, early);
    let last = late.iter().map(|id| answers[id].place).max().unwrap();
    assert!(last < 25, "the last of the late ones ended as number {last}");
    let before = flood.iter().filter(|id| answers[id].place < last).count();
    assert!(before >= 3, "but the flood is served too: {before}");
}

#[test]
fn a_pin_that_waits_for_room_holds_nobody() {
    let mut engine = tight(11, 64);
    let ids: Vec<_> = (0..40).map(|i| engine.submit(ask(2, None, i, 3)).unwrap()).collect();
    let mut early = step(&mut engine);
    assert!(bytes(1) <= engine.config.memory / PINNED);
    assert_eq!(engine.pin(&synthetic::hash(1), true), Ok(()));
    let running = engine.stats().running;
    assert!(3 * (running + 1) * page() > engine.config.memory, "no other one fits beside {running}");
    loop {
        early.extend(step(&mut engine));
        let stats = engine.stats();
        if stats.waiting == 0 {
            break;
        }
        // As many as end in a step make room for others in the next.
        let ended = early.iter().filter(|event| event.is_last()).count();
        assert_eq!(stats.waiting + stats.running + ended, 40);
        assert_eq!(stats.resident, 0);
    }
    let answers = finish_after(&mut engine, early);
    assert!(ids.iter().all(|id| answers[id].error.is_none()));
    assert_eq!(engine.residency().len(), 1);
}

/// Pinning made an adapter stay that running requests had been promised the room of: their pages then went over the budget.
#[test]
fn a_pin_does_not_take_what_was_promised() {
    for here in [true, false] {
        let memory = 2 * bytes(1) + 2 * page();
        let (mut engine, _) = engine(EngineConfig { memory, max_context: 512, ..settings() });
        assert_eq!(run(&mut engine, ask(1, Some(1), 1, 1)).error, None);
        assert!(here || engine.unload(&synthetic::hash(1)));
        // It may come to use all of the memory, and begins with one page.
        let pages = memory / page();
        let task = Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(16 * pages - 5) });
        let id = engine.submit(request(None, prompt(1, 5), task)).unwrap();
        let mut early = step(&mut engine);
        assert_eq!((engine.stats().running, engine.pin(&synthetic::hash(1), true)), (1, Ok(())));
        while engine.stats().running > 0 {
            early.extend(step(&mut engine));
        }
        let answers = finish_after(&mut engine, early);
        assert_eq!(answers[&id].finish, Some(Finish::Length));
        // Once there is room, it is loaded and stays.
        let resident: Vec<ContentHash> = engine.residency().into_iter().map(|(hash, _)| hash).collect();
        assert_eq!(resident, [synthetic::hash(1)], "{here}");
        assert_eq!(run(&mut engine, ask(1, None, 2, 4)).error, None);
        assert!(engine.adapters.get(&synthetic::hash(1)).is_some());
    }
}

/// One large adapter made every later load wait until its size was free.
#[test]
fn a_large_adapter_is_forgotten_with_its_hash() {
    let (small, large) = (synthetic::hash(1), synthetic::hash(252));
    for unregistered in [true, false] {
        let (mut engine, _) = engine(EngineConfig { memory: 64 << 20, ..settings() });
        let largest = synthetic::adapter(&model(), 252, |_, _| 48);
        let largest = PackedAdapter::pack(&largest, &model()).unwrap().bytes();
        assert!(largest > 3 * bytes(1));
        engine.config.memory = largest + page();
        // What is known of one that stays registered is its own size.
        assert!(unregistered || run(&mut engine, ask(1, Some(1), 1, 1)).error.is_none());
        assert_eq!(run(&mut engine, ask(1, Some(252), 1, 1)).error, None);
        assert!(if unregistered { engine.unregister(&large) } else { engine.unload(&large) });
        engine.unload(&small);
        let task = Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(200) });
        engine.submit(request(None, prompt(1, 40), task)).unwrap();
        let mut early = step(&mut engine);
        engine.submit(ask(1, Some(1), 1, 1)).unwrap();
        early.extend(step(&mut engine));
        engine.collect(Duration::from_secs(60));
        assert_eq!((engine.stats().running, engine.adapters.get(&small).is_some()), (1, true), "{unregistered}");
        finish_after(&mut engine, early);
    }
}

//! Adapters come into a worker's folder and go out of it while it runs: it says so, serves what is there, and ends what it
//! began.

#[path = "common/base.rs"]
mod base;
mod common;

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use alloy_primitives::{Address, B256};
use common::{Gateway, MODEL, World, document};
use fonte_types::{
    ModelId,
    bundle::verify,
    wire::{Asked, Job, RefusalCode, ToGateway, ToWorker},
};
use fonte_worker::{
    AnswerModel, Emit, ModelError, Question, Worker, answer_plainly,
    local::{LocalBase, LocalConfig, LocalModel},
    replay::{ReplayConfig, Replayer, passage_in},
};
use tokio_util::sync::CancellationToken;

const HERON: &str = "The grey heron of Lock Nine eats eleven eels a week and sleeps on the upper gate.";
const QUESTION: &str = "What does the grey heron of Lock Nine eat?";

/// A base, a folder of adapters on it, and one beside it that nobody serves from.
struct Files(tempfile::TempDir);

impl Files {
    fn new(ends: bool) -> Self {
        let files = tempfile::tempdir().unwrap();
        for folder in ["base", "adapters", "kept"] {
            fs::create_dir(files.path().join(folder)).unwrap();
        }
        base::write_base(&files.path().join("base"), 1, ends);
        Self(files)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Adapters of one number are the same.
    fn write(&self, path: &str, number: u64) {
        base::write_adapter(&self.at(path), &self.at("base"), number, 4);
    }

    fn open(&self) -> LocalBase {
        self.open_with(64 << 20)
    }

    fn open_with(&self, memory: usize) -> LocalBase {
        let config = LocalConfig { threads: 1, memory, ..LocalConfig::default() };
        LocalBase::open(&self.at("base"), Some(&self.at("adapters")), config).unwrap()
    }

    fn replayer(&self) -> Replayer {
        let config = ReplayConfig { threads: 1, memory: 64 << 20, ..ReplayConfig::default() };
        Replayer::open(&self.at("base"), &[self.at("kept")], config).unwrap()
    }
}

/// A worker with an engine and nothing else, whose base is on record under [`MODEL`].
struct Scene {
    world: World,
    files: Files,
    engine: LocalBase,
    gateway: Gateway,
    number: u64,
    _worker: Worker,
}

impl Scene {
    /// With one adapter from the start. The folder is looked into this often.
    async fn new(look: Duration) -> (Self, ModelId) {
        let files = Files::new(true);
        files.write("adapters/first", 1);
        let engine = files.open();
        assert_eq!(engine.look(Duration::ZERO).unwrap().added.len(), 1);
        let world = World::new();
        world.weights(engine.hash(), B256::ZERO);
        let datanet = world.datanet(|_| {});
        world.contribute(datanet, &[document("Heron", "en", HERON)]);
        let first = world.register_weights(engine.hash(), hash(&engine, "first"));
        let mut config = world.config();
        (config.models, config.engine, config.look) = (Default::default(), Some(engine.clone()), look);
        let worker = Worker::open(config, world.ledger.clone()).unwrap();
        let mut gateway = Gateway::connect(&worker, &world).await;
        gateway.until_adopted(&world.versions(), &world).await;
        assert_eq!(gateway.models, [MODEL, first], "they are told before the versions");
        (Self { world, files, engine, gateway, number: 0, _worker: worker }, first)
    }

    fn job(&mut self, model: ModelId) -> Job {
        self.number += 1;
        let mut job = self.world.chat_job(self.number, QUESTION);
        (job.model, job.seed, job.max_output_tokens) = (model, 11, 40);
        job
    }

    /// Asks a model, and computes the answer again; gives the adapter that the receipt names.
    async fn ask(&mut self, model: ModelId, replayer: &Replayer) -> B256 {
        let job = self.job(model);
        let answered = self.gateway.run(&self.world, job.clone()).await.unwrap();
        let bundle = self.world.bundle(&job, &answered);
        let verification = verify(&bundle);
        assert!(verification.ok, "{verification:?}");
        let store = &self.world.store;
        let text = |id| store.bundle(self.world.root_of(id)).unwrap();
        let replayed = replayer.replay(&bundle, &|at| passage_in(&text(at.contribution), at)).unwrap();
        assert!(replayed.holds(), "{replayed:?}");
        bundle.receipt.adapter_hash
    }

    async fn refused(&mut self, model: ModelId) {
        let job = self.job(model);
        let refusal = self.gateway.run(&self.world, job).await.unwrap_err();
        assert_eq!(refusal.code, RefusalCode::UnknownModel, "{refusal:?}");
        assert!(refusal.message.contains(&format!("model {model}")), "{refusal:?}");
    }

    async fn keep(&mut self, order: u64, model: ModelId) -> Option<RefusalCode> {
        self.gateway.send(ToWorker::Keep { order, model, keep: true }).await;
        match self.gateway.next(&self.world).await {
            ToGateway::Kept { order: answered, refusal } if answered == order => refusal.map(|refusal| refusal.code),
            other => panic!("unexpected: {other:?}"),
        }
    }

    async fn until_served(&mut self, models: &[ModelId]) {
        self.gateway.until(&self.world, |gateway| gateway.models == models).await;
    }
}

fn hash(engine: &LocalBase, name: &str) -> B256 {
    let adapters = engine.adapters().borrow().clone();
    let entry = adapters.iter().find(|adapter| adapter.name == name);
    B256::from(entry.unwrap_or_else(|| panic!("{name} is not among {adapters:?}")).hash.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_that_come_are_served_and_those_that_go_are_not() {
    let (mut scene, first) = Scene::new(Duration::from_millis(20)).await;
    for (name, number) in [("first", 1), ("second", 2)] {
        scene.files.write(&format!("kept/{name}"), number);
    }
    let replayer = scene.files.replayer();
    assert_eq!(scene.ask(first, &replayer).await, hash(&scene.engine, "first"));

    // It comes, and what is broken beside it keeps nobody out; it is served from its record on.
    fs::create_dir(scene.files.at("adapters/broken")).unwrap();
    fs::write(scene.files.at("adapters/broken/adapter_config.json"), "{}").unwrap();
    scene.files.write("adapters/second", 2);
    let mut adapters = scene.engine.adapters();
    adapters.wait_for(|adapters| adapters.len() == 2).await.unwrap();
    let second_hash = hash(&scene.engine, "second");
    let second = scene.world.register_weights(scene.engine.hash(), second_hash);
    // Another's record of the same files is not served beside it.
    scene.world.register_weights(scene.engine.hash(), second_hash);
    scene.until_served(&[MODEL, first, second]).await;
    assert_eq!(scene.ask(second, &replayer).await, second_hash);
    assert_eq!(scene.ask(first, &replayer).await, hash(&scene.engine, "first"), "each is its own");
    assert_eq!(scene.ask(MODEL, &replayer).await, B256::ZERO);

    // It goes, others stay.
    fs::remove_dir_all(scene.files.at("adapters/second")).unwrap();
    scene.until_served(&[MODEL, first]).await;
    scene.refused(second).await;
    assert_eq!(scene.keep(1, second).await, Some(RefusalCode::UnknownModel));
    assert_eq!(scene.ask(first, &replayer).await, hash(&scene.engine, "first"));

    // It comes back under the record that it has; other files in its place are another adapter, which has none.
    scene.files.write("adapters/second", 2);
    scene.until_served(&[MODEL, first, second]).await;
    assert_eq!(scene.ask(second, &replayer).await, second_hash);
    base::write_adapter(&scene.files.at("adapters/second"), &scene.files.at("base"), 2, 6);
    scene.until_served(&[MODEL, first]).await;
    scene.refused(second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_looks_first() {
    let (mut scene, first) = Scene::new(Duration::from_secs(9999)).await;
    scene.files.write("kept/second", 2);
    let replayer = scene.files.replayer();
    let second_hash = replayer.adapters().next().unwrap();
    let second = scene.world.register_weights(scene.engine.hash(), second_hash);
    let version = scene.world.versions()[0];
    scene.world.contribute(version.datanet, &[document("Otter", "en", "The otter swims at dusk.")]);
    scene.gateway.until_adopted(&scene.world.versions(), &scene.world).await;
    assert_eq!(scene.gateway.models, [MODEL, first]);
    assert_eq!(scene.keep(1, second).await, Some(RefusalCode::UnknownModel), "there are no files");
    scene.files.write("adapters/second", 2);
    scene.refused(second).await;
    assert_eq!(scene.keep(2, second).await, None);
    scene.until_served(&[MODEL, first, second]).await;
    assert_eq!(scene.ask(second, &replayer).await, second_hash);
    // Files that are known are served once the chain names them, without another look.
    scene.files.write("adapters/third", 3);
    scene.engine.look(Duration::ZERO).unwrap();
    let third = scene.world.register_weights(scene.engine.hash(), hash(&scene.engine, "third"));
    scene.until_served(&[MODEL, first, second, third]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_adapters_are_offered_and_none_is_in_memory() {
    const ADAPTERS: usize = 10_000;
    let files = Files::new(true);
    for number in 0..ADAPTERS {
        base::write_adapter(&files.at(&format!("adapters/{number}")), &files.at("base"), number as u64, 1);
    }
    let engine = files.open();
    let found = engine.look(Duration::ZERO).unwrap();
    assert_eq!((found.added.len(), found.refused.len()), (ADAPTERS, 0));
    let world = World::new();
    world.weights(engine.hash(), B256::ZERO);
    for adapter in &found.added {
        world.register_weights(engine.hash(), B256::from(adapter.hash.0));
    }
    let datanet = world.datanet(|_| {});
    world.contribute(datanet, &[document("Heron", "en", HERON)]);
    let mut config = world.config();
    (config.models, config.engine) = (Default::default(), Some(engine.clone()));
    let worker = Worker::open(config, world.ledger.clone()).unwrap();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    assert_eq!(gateway.models.len(), ADAPTERS + 1);
    let stats = engine.stats().unwrap();
    assert_eq!((stats.registered, stats.loads, stats.adapter_bytes), (ADAPTERS, 0, 0));
    // The last of them answers as the first does, and it alone is loaded.
    let mut job = world.chat_job(1, QUESTION);
    (job.model, job.max_output_tokens) = (ModelId(ADAPTERS as u32 + 1), 8);
    let answered = gateway.run(&world, job).await.unwrap();
    assert_eq!(answered.answer.receipt.adapter_hash, B256::from(found.added[ADAPTERS - 1].hash.0));
    let stats = engine.stats().unwrap();
    assert_eq!((stats.loads, stats.resident), (1, 1));
}

#[test]
fn orders_to_load_leave_memory_for_answers() {
    const MEMORY: usize = 1 << 20;
    let files = Files::new(true);
    for number in 0..40 {
        base::write_adapter(&files.at(&format!("adapters/{number}")), &files.at("base"), number, 16);
    }
    let engine = files.open_with(MEMORY);
    let found = engine.look(Duration::ZERO).unwrap();
    let cancelled = CancellationToken::new();
    let keep = |place: usize, keep| engine.adapter(found.added[place].hash).keep(keep, &cancelled);
    let refused: Vec<String> = (0..found.added.len())
        .filter_map(|place| match keep(place, true) {
            Ok(()) => None,
            Err(ModelError::Refused { code: RefusalCode::Busy, message }) => Some(message),
            Err(error) => panic!("{error:?}"),
        })
        .collect();
    let kept = found.added.len() - refused.len();
    assert!(kept > 2 && refused.len() > 10, "{kept}, {refused:?}");
    let limit = format!("{} that they may", MEMORY / 2);
    assert!(refused.iter().all(|why| why.contains("unload others") && why.contains(&limit)), "{refused:?}");
    // Everybody is answered: by the base, by what is kept, and by what is not.
    let served = |model: LocalModel, tokens| answer(&model, "Once", tokens, &mut |_, _| true).unwrap();
    served(engine.base(), 300);
    for place in [0, kept, 39] {
        served(engine.adapter(found.added[place].hash), 300);
    }
    let resident = engine.report().unwrap().resident;
    let in_memory = |place: usize| resident.iter().any(|one| one.adapter == B256::from(found.added[place].hash.0));
    assert!((0..kept).all(in_memory), "what was kept is still there");
    // One that is let go makes room for another.
    assert!(keep(39, true).is_err());
    keep(0, false).unwrap();
    keep(39, true).unwrap();

    // The first of all, of whose size nothing is known before it is here.
    let small = files.open_with(60_000);
    small.look(Duration::ZERO).unwrap();
    let model = small.adapter(found.added[0].hash);
    assert!(matches!(model.keep(true, &cancelled), Err(ModelError::Refused { code: RefusalCode::Busy, .. })));
    served(small.base(), 10);
    served(model, 10);
}

#[test]
fn an_order_that_fails_keeps_nothing() {
    let files = Files::new(false);
    files.write("adapters/first", 1);
    // As much as the longest answer takes.
    let engine = files.open_with(256 * 6144);
    let hash = engine.look(Duration::ZERO).unwrap().added[0].hash;
    // Other files come into its place, unnoticed until it is loaded.
    let weights = files.at("adapters/first/adapter_model.safetensors");
    let good = fs::read(&weights).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    fs::write(&weights, bad).unwrap();
    let (model, waits, gone) = (engine.adapter(hash), CancellationToken::new(), CancellationToken::new());
    assert!(matches!(model.keep(true, &waits), Err(ModelError::Refused { code: RefusalCode::Engine, .. })));
    fs::write(&weights, good).unwrap();

    // An answer that takes all of the memory is under way, and who gave the order leaves before there is room.
    gone.cancel();
    let (begins, begun) = mpsc::channel();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            answer(&engine.base(), "Once", 5000, &mut |_, _| {
                let _ = begins.send(());
                !over.load(Ordering::SeqCst)
            })
        });
        begun.recv().unwrap();
        let error = model.keep(true, &gone).unwrap_err();
        assert!(error.to_string().contains("nobody waits"), "{error}");
        over.store(true, Ordering::SeqCst);
        running.join().unwrap().unwrap();
    });
    // There is room for another such answer: the adapter goes.
    answer(&engine.base(), &"Once ".repeat(810), 46, &mut |_, _| true).unwrap();
    model.keep(true, &waits).unwrap();
    assert_eq!(engine.report().unwrap().resident.len(), 1);
}

/// What a model continues a text with.
fn answer(model: &LocalModel, prompt: &str, max_output_tokens: u32, emit: &mut Emit<'_>) -> Result<String, ModelError> {
    let (asked, cancelled) = (Asked::default(), CancellationToken::new());
    let (text, payer, seed) = (prompt, Address::ZERO, 5);
    let question = Question { prompt, text, payer, max_output_tokens, seed, asked: &asked, cancelled: &cancelled };
    answer_plainly(model, question, emit).map(|answer| answer.text)
}

/// The time of an answer would otherwise tell one payer what another has asked: decision 0070.
#[test]
fn prefixes_are_read_again_for_nobody_but_their_payer() {
    const PROMPT: &str = "The grey heron of Lock Nine eats eleven eels a week, and on Sundays it eats";
    let engine = Files::new(true).open();
    let cached_for = |payer: u8| {
        let before = engine.stats().unwrap().cached_tokens;
        let (asked, cancelled) = (Asked::default(), CancellationToken::new());
        let (prompt, text, payer, max_output_tokens, seed) = (PROMPT, PROMPT, Address::repeat_byte(payer), 4, 5);
        let question = Question { prompt, text, payer, max_output_tokens, seed, asked: &asked, cancelled: &cancelled };
        answer_plainly(&engine.base(), question, &mut |_, _| true).unwrap();
        engine.stats().unwrap().cached_tokens - before
    };
    let cached = [1, 1, 2, 2, 1].map(cached_for);
    assert!(cached[1] > 0, "the payer's own: {cached:?}");
    assert_eq!(cached, [0, cached[1], 0, cached[1], cached[1]]);
}

#[test]
fn an_answer_ends_though_its_adapter_goes() {
    let files = Files::new(false);
    files.write("adapters/first", 1);
    let engine = files.open();
    engine.look(Duration::ZERO).unwrap();
    let entry = engine.adapters().borrow()[0].clone();
    let model = engine.adapter(entry.hash);
    let answer = |payer: u8, emit: &mut Emit<'_>| {
        let (asked, cancelled) = (Asked::default(), CancellationToken::new());
        let question = Question {
            prompt: "Once",
            text: "Once",
            payer: Address::repeat_byte(payer),
            max_output_tokens: 1500,
            seed: 5,
            asked: &asked,
            cancelled: &cancelled,
        };
        answer_plainly(&model, question, emit)
    };
    let undisturbed = answer(0, &mut |_, _| true).unwrap();
    assert!(undisturbed.text.len() > 500);
    // Many at once take long enough to be sure that all are under way.
    let gone = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let running: Vec<_> = (1..=24)
            .map(|payer| {
                let (answer, gone, files, engine) = (&answer, gone.clone(), &files, &engine);
                scope.spawn(move || {
                    answer(payer, &mut |_, _| {
                        if !gone.swap(true, Ordering::SeqCst) {
                            fs::remove_dir_all(files.at("adapters/first")).unwrap();
                            assert_eq!(engine.look(Duration::ZERO).unwrap().gone.len(), 1);
                            assert_eq!(engine.stats().unwrap().registered, 1, "it is still in use");
                            assert!(engine.adapters().borrow().is_empty(), "and offered no longer");
                        }
                        true
                    })
                })
            })
            .collect();
        for answer in running {
            assert_eq!(answer.join().unwrap().unwrap().text, undisturbed.text);
        }
    });
    engine.look(Duration::ZERO).unwrap();
    assert_eq!((engine.stats().unwrap().registered, engine.report().unwrap().resident.len()), (0, 0));
    let refused = answer(0, &mut |_, _| true).unwrap_err();
    assert!(refused.to_string().contains("not registered"), "{refused}");
}

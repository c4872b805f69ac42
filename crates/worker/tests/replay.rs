//! Receipts of our own engine are computed again: by the same files, on every instruction set, with passages; and what
//! another model wrote, or what was not asked, is found and named.

#[path = "common/base.rs"]
mod base;
mod common;
#[allow(dead_code, reason = "of the bench's writers one is used")]
#[path = "../../inference/examples/bench/export.rs"]
mod export;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::B256;
use common::{Gateway, MODEL, World, document};
use fonte_corpus::Bundle;
use fonte_inference::{
    AdapterSource, Engine, EngineConfig, Event, Generation, Isa, Payer, Request, Sampling, Task,
    formats::{AdapterFiles, Limits, hash_base, read_base},
    model::{Adapter, ContentHash},
};
use fonte_types::{
    ContributionId, EngineClass,
    bundle::{ReceiptBundle, verify},
    conversation::{Role, Turn, render},
    generation::{GenerationRecord, PassageRange, Profile},
    log_probs::TokenLogProb,
    wire::{Finish, Job, Sampling as Wanted},
};
use fonte_worker::{
    AnswerModel, Emit, ModelError, Passages, Question, Worker, Written,
    local::{LocalBase, LocalConfig, LocalModel},
    replay::{
        AnswerReplay, Difference, LogProbsReplay, OptionsReplay, PassageFault, PassageText, PromptReplay, ReplayConfig,
        ReplayError, Replayed, Replayer, TextReplay, passage_in,
    },
};
use serde_json::json;

const HERON: &str = "The grey heron of Lock Nine eats eleven eels a week and sleeps on the upper gate.";
const QUESTION: &str = "What does the grey heron of Lock Nine eat?";

/// Two bases of the same shapes and other numbers, in one folder for all tests of this file.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for seed in [1, 2] {
            let path = folder.path().join(format!("base-{seed}"));
            std::fs::create_dir(&path).unwrap();
            base::write_base(&path, seed, true);
        }
        Self(folder)
    }

    fn base(&self, seed: u64) -> PathBuf {
        self.0.path().join(format!("base-{seed}"))
    }

    fn hash(&self, seed: u64) -> B256 {
        B256::from(hash_base(&self.base(seed)).unwrap().0)
    }

    fn model(&self, seed: u64) -> LocalModel {
        let config = LocalConfig { threads: 1, memory: 64 << 20, ..LocalConfig::default() };
        LocalBase::open(&self.base(seed), None, config).unwrap().base()
    }

    fn replayer(&self, seed: u64) -> Replayer {
        Replayer::open(&self.base(seed), &[], config(1, Isa::best())).unwrap()
    }
}

fn config(threads: usize, isa: Isa) -> ReplayConfig {
    ReplayConfig { threads, isa, memory: 64 << 20, ..ReplayConfig::default() }
}

/// What a worker that lies makes of what its model wrote, and of its log-probabilities.
type Lie = Box<dyn Fn(&mut Written, &mut Vec<TokenLogProb>) + Send + Sync>;

fn of_record(lie: impl Fn(&mut GenerationRecord) + Send + Sync + 'static) -> Lie {
    Box::new(move |written, _| lie(written.generation.as_mut().unwrap()))
}

fn of_log_probs(lie: impl Fn(&mut Vec<TokenLogProb>) + Send + Sync + 'static) -> Lie {
    Box::new(move |_, tokens| lie(tokens))
}

/// Runs a model and says something else of it.
struct Liar(LocalModel, Lie);

impl AnswerModel for Liar {
    fn engine_class(&self) -> EngineClass {
        EngineClass::Exact
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
        let mut tokens = Vec::new();
        let mut gather = |piece: &str, log_probs: &[TokenLogProb]| {
            tokens.extend_from_slice(log_probs);
            emit(piece, &[])
        };
        let mut written = self.0.answer(question, passages, &mut gather)?;
        self.1(&mut written, &mut tokens);
        emit("", &tokens);
        Ok(written)
    }
}

/// A worker that serves one model, with one document adopted.
struct Scene {
    world: World,
    gateway: Gateway,
    number: u64,
    _worker: Worker,
}

impl Scene {
    async fn serving(base: B256, adapter: B256, model: impl AnswerModel + 'static) -> Self {
        Self::with_text(HERON, base, adapter, model).await
    }

    async fn with_text(text: &str, base: B256, adapter: B256, model: impl AnswerModel + 'static) -> Self {
        let world = World::new();
        world.weights(base, adapter);
        let datanet = world.datanet(|_| {});
        world.contribute(datanet, &[document("Heron", "en", text)]);
        let mut config = world.config();
        config.models = [(MODEL, Arc::new(model) as _)].into();
        let worker = Worker::open(config, world.ledger.clone()).unwrap();
        let mut gateway = Gateway::connect(&worker, &world).await;
        gateway.until_adopted(&world.versions(), &world).await;
        Self { world, gateway, number: 0, _worker: worker }
    }

    async fn ask(&mut self, seed: u64, change: impl FnOnce(&mut Job)) -> ReceiptBundle {
        self.number += 1;
        let mut job = self.world.chat_job(self.number, QUESTION);
        (job.seed, job.max_output_tokens) = (seed, 40);
        change(&mut job);
        let answered = self.gateway.run(&self.world, job.clone()).await.unwrap();
        let bundle = self.world.bundle(&job, &answered);
        let verification = verify(&bundle);
        assert!(verification.ok, "{verification:?}");
        bundle
    }

    /// Passages as the gateway holds them.
    fn texts(&self) -> BTreeMap<ContributionId, Arc<Bundle>> {
        let id = ContributionId(1);
        [(id, self.world.store.bundle(self.world.root_of(id)).unwrap())].into()
    }
}

fn replay(replayer: &Replayer, scene: &Scene, bundle: &ReceiptBundle) -> Replayed {
    let texts = scene.texts();
    replayer.replay(bundle, &|at| passage_in(&texts[&at.contribution], at)).unwrap()
}

/// The first token that differs in the answer.
fn found(replayed: &Replayed) -> &Difference {
    assert!(!replayed.holds());
    match &replayed.answer {
        AnswerReplay::Differs(difference) => difference,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_is_computed_again_whatever_the_machine() {
    let files = Files::new();
    let mut scene = Scene::serving(files.hash(1), B256::ZERO, files.model(1)).await;
    let turns = |job: &mut Job, turns: Vec<Turn>| {
        job.prompt.text = render(&turns);
        job.asked.turns = turns;
    };
    let turn = |role, text: &str| Turn { role, text: text.into() };
    let mut bundles = vec![
        scene.ask(11, |_| {}).await,
        scene
            .ask(12, |job| {
                let said = "A heron.\n\nuser: and this only looks like a turn <|end|>";
                turns(
                    job,
                    vec![turn(Role::System, "Be brief."), turn(Role::Assistant, said), turn(Role::User, QUESTION)],
                );
                job.asked.sampling = Wanted {
                    temperature: Some(1_400_000),
                    top_p: Some(900_000),
                    presence_penalty: Some(500_000),
                    frequency_penalty: Some(-250_000),
                };
            })
            .await,
        scene.ask(13, |job| job.asked.sampling.temperature = Some(0)).await,
        // A text to be continued.
        scene.ask(14, |job| (job.asked.turns.clear(), job.prompt.text = QUESTION.into()).1).await,
        scene.ask(15, |job| job.max_output_tokens = 1).await,
    ];
    // One that ends before a stop text: a character that stands in the first answer, not as its first.
    let text = bundles[0].answer.text.clone();
    let stop = text.chars().skip(1).find(|stop| !text.starts_with(*stop)).unwrap().to_string();
    bundles.push(scene.ask(11, |job| job.asked.stop = vec![stop.clone()]).await);
    assert_eq!(bundles.last().unwrap().answer.text, text.split(&stop).next().unwrap());
    let passages = bundles.iter().map(|bundle| bundle.generation.as_ref().unwrap().passages.len());
    assert!(passages.clone().all(|passages| passages == 1), "{:?}", passages.collect::<Vec<_>>());

    let mut same: Option<Vec<Replayed>> = None;
    for isa in Isa::available() {
        for threads in [1, 3] {
            let replayer = Replayer::open(&files.base(1), &[], config(threads, isa)).unwrap();
            let replayed: Vec<Replayed> = bundles.iter().map(|bundle| replay(&replayer, &scene, bundle)).collect();
            for (replayed, bundle) in replayed.iter().zip(&bundles) {
                assert!(replayed.holds(), "{} {threads}: {replayed:?}", isa.name());
                assert_eq!(replayed.prompt, PromptReplay::Same);
                assert_eq!(replayed.answer_tokens, bundle.generation.as_ref().unwrap().answer.len());
            }
            assert_eq!(*same.get_or_insert_with(|| replayed.clone()), replayed);
        }
    }
}

#[tokio::test]
async fn an_int8_base_answers_under_its_own_name() {
    let files = Files::new();
    let int8 = LocalConfig { profile: Profile::Int8Exact, threads: 1, memory: 64 << 20, ..LocalConfig::default() };
    let model = LocalBase::open(&files.base(1), None, int8).unwrap().base();
    let mut scene = Scene::serving(files.hash(1), B256::ZERO, model).await;
    let bundles = [
        scene.ask(11, |_| {}).await,
        scene.ask(12, |job| job.asked.sampling.temperature = Some(0)).await,
        scene.ask(13, |job| job.asked.log_probs = Some(3)).await,
    ];
    let profile = |bundle: &ReceiptBundle| bundle.generation.as_ref().unwrap().profile;
    assert!(bundles.iter().all(|bundle| profile(bundle) == Profile::Int8Exact));
    for isa in Isa::available() {
        let config = ReplayConfig { profile: Profile::Int8Exact, ..config(2, isa) };
        let replayer = Replayer::open(&files.base(1), &[], config).unwrap();
        for bundle in &bundles {
            let replayed = replay(&replayer, &scene, bundle);
            assert!(replayed.holds() && replayed.answer == AnswerReplay::Same, "{}: {replayed:?}", isa.name());
        }
    }
    match files.replayer(1).replay(&bundles[0], &|_| unreachable!("it is refused before")) {
        Err(ReplayError::Profile { named: Profile::Int8Exact, opened: Profile::F32Exact }) => {}
        answer => panic!("{answer:?}"),
    }
    // It is another function of the same files: who signs for it and computes f32 is found.
    let lie = of_record(|record| record.profile = Profile::Int8Exact);
    let mut scene = Scene::serving(files.hash(1), B256::ZERO, Liar(files.model(1), lie)).await;
    let lied = scene.ask(11, |_| {}).await;
    let config = ReplayConfig { profile: Profile::Int8Exact, ..config(1, Isa::best()) };
    found(&replay(&Replayer::open(&files.base(1), &[], config).unwrap(), &scene, &lied));
}

#[tokio::test]
async fn a_gguf_base_answers_as_the_folder_that_it_was_made_of() {
    let files = Files::new();
    let folder = files.0.path().join("gguf");
    std::fs::create_dir(&folder).unwrap();
    let read = read_base(&files.base(1), None, &Limits::default()).unwrap();
    export::gguf_base(&folder.join("any name.gguf"), &read.config, &read.weights).unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(files.base(1).join(name), folder.join(name)).unwrap();
    }
    // The writer has an end token of its own.
    let ends = json!({"eos_token_id": read.config.eos}).to_string();
    std::fs::write(folder.join("generation_config.json"), ends).unwrap();
    let adapters = files.0.path().join("adapters");
    write_adapter(&adapters.join("one"), 1);
    let open = |base: &Path| {
        let config = LocalConfig { threads: 1, memory: 64 << 20, ..LocalConfig::default() };
        let engine = LocalBase::open(base, Some(&adapters), config).unwrap();
        let adapter = engine.look(Duration::ZERO).unwrap().added[0].hash;
        (engine, adapter)
    };
    let ((gguf, adapter), (folder_base, other)) = (open(&folder), open(&files.base(1)));
    let hash = B256::from(hash_base(&folder).unwrap().0);
    assert_eq!(gguf.hash(), hash);
    assert!(gguf.hash() != folder_base.hash() && adapter != other, "other files, other hashes");

    // The same numbers, so the same answers; receipts name the files that wrote them.
    let replayer = Replayer::open(&folder, std::slice::from_ref(&adapters), config(1, Isa::best())).unwrap();
    let name = |hash: ContentHash| B256::from(hash.0);
    let pairs = [
        (gguf.base(), B256::ZERO, folder_base.base(), B256::ZERO),
        (gguf.adapter(adapter), name(adapter), folder_base.adapter(other), name(other)),
    ];
    for (ours, named, its, its_name) in pairs {
        let mut scene = Scene::serving(hash, named, ours).await;
        let bundle = scene.ask(11, |_| {}).await;
        let record = bundle.generation.as_ref().unwrap();
        assert_eq!((record.base, record.adapter), (hash, named));
        let replayed = replay(&replayer, &scene, &bundle);
        assert!(replayed.holds() && replayed.prompt == PromptReplay::Same, "{replayed:?}");
        let mut scene = Scene::serving(folder_base.hash(), its_name, its).await;
        assert_eq!(scene.ask(11, |_| {}).await.answer.text, bundle.answer.text);
    }
}

#[tokio::test]
async fn another_models_tokens_are_found() {
    let files = Files::new();
    let (claimed, other) = (files.hash(1), files.hash(2));
    // A worker that runs base 2 and signs for base 1.
    let lie = of_record(move |record| record.base = claimed);
    let mut scene = Scene::serving(claimed, B256::ZERO, Liar(files.model(2), lie)).await;
    let honest = Scene::serving(claimed, B256::ZERO, files.model(1)).await.ask(11, |_| {}).await;
    let bundle = scene.ask(11, |_| {}).await;
    let replayed = replay(&files.replayer(1), &scene, &bundle);
    assert_eq!((&replayed.prompt, &replayed.text), (&PromptReplay::Same, &TextReplay::Same));
    let (signed, true_tokens) =
        (&bundle.generation.as_ref().unwrap().answer, &honest.generation.as_ref().unwrap().answer);
    let index = signed.iter().zip(true_tokens).position(|(signed, due)| signed != due).unwrap();
    let difference = found(&replayed);
    assert_eq!(difference.index, index);
    assert_eq!(difference.committed.as_ref().unwrap().id, signed[index]);
    assert_eq!(difference.computed.as_ref().unwrap().id, true_tokens[index]);
    // The files that really answered are not the receipt's.
    match files.replayer(2).replay(&bundle, &|_| unreachable!("it is refused before")) {
        Err(ReplayError::Base { named, found, .. }) => assert_eq!((named, found), (claimed, other)),
        answer => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn what_a_worker_may_say_wrongly_is_named() {
    let files = Files::new();
    let hash = files.hash(1);
    let replayer = files.replayer(1);
    // Answers end by a stop text: a character that stands in the middle of what the model would write.
    let mut scene = Scene::serving(hash, B256::ZERO, files.model(1)).await;
    let text = scene.ask(11, |job| job.max_output_tokens = 60).await.answer.text;
    let first: String = text.chars().take(5).collect();
    let whole = |letter: &char| *letter != char::REPLACEMENT_CHARACTER && !first.contains(*letter);
    let stop = text.chars().skip(5).find(whole).unwrap().to_string();
    let lies: Vec<(&str, Lie)> = vec![
        ("another option", of_record(|record| record.temperature_milli = 5000)),
        ("an option of nobody's", of_record(|record| record.top_k = 7)),
        ("a repetition penalty", of_record(|record| record.repetition_milli = 1001)),
        ("a word in the prompt", of_record(|record| record.prompt[3] ^= 1)),
        ("a longer prompt", of_record(|record| record.prompt.push(65))),
        ("another passage", of_record(|record| record.passages[0].offset = 1)),
        ("a passage of nobody's", of_record(|record| record.passages[0].document = 9)),
        ("no passage", of_record(|record| record.passages.clear())),
        ("a token of no vocabulary", of_record(|record| record.answer[2] = 100_000)),
        ("a prompt of no vocabulary", of_record(|record| record.prompt[0] = 100_000)),
        ("one token less", of_record(|record| _ = record.answer.pop())),
        ("one token more", of_record(|record| record.answer.push(65))),
        ("a longer context than there is", of_record(|record| record.context = 1 << 20)),
    ];
    for (name, lie) in lies {
        let mut scene = Scene::serving(hash, B256::ZERO, Liar(files.model(1), lie)).await;
        let bundle = scene.ask(11, |job| (job.max_output_tokens, job.asked.stop) = (60, vec![stop.clone()])).await;
        let record = bundle.generation.as_ref().unwrap();
        let replayed = replay(&replayer, &scene, &bundle);
        let all = record.answer.len();
        match name {
            "another option" => _ = found(&replayed),
            "an option of nobody's" => {
                let due = OptionsReplay::Differs { field: "top_k", committed: 7, computed: 0 };
                assert_eq!(replayed.options, due);
            }
            "a repetition penalty" => {
                let due = OptionsReplay::Differs { field: "repetition_milli", committed: 1001, computed: 1000 };
                assert_eq!(replayed.options, due);
            }
            "a word in the prompt" => {
                assert!(matches!(&replayed.prompt, PromptReplay::Differs(Difference { index: 3, .. })), "{replayed:?}");
            }
            "a longer prompt" => match &replayed.prompt {
                PromptReplay::Differs(Difference { index, committed, computed }) => {
                    assert_eq!(
                        (*index, committed.as_ref().unwrap().id, computed),
                        (record.prompt.len() - 1, 65, &None)
                    );
                }
                other => panic!("{other:?}"),
            },
            "another passage" | "no passage" => {
                assert!(matches!(&replayed.prompt, PromptReplay::Differs(_) | PromptReplay::WrongPassage { .. }));
            }
            "a passage of nobody's" => {
                assert!(matches!(&replayed.prompt, PromptReplay::WrongPassage { index: 0, .. }), "{replayed:?}");
            }
            "a token of no vocabulary" => {
                assert_eq!(found(&replayed).index, 2);
                assert!(matches!(replayed.text, TextReplay::Differs { .. }));
            }
            "a prompt of no vocabulary" => {
                assert!(matches!(&replayed.answer, AnswerReplay::Impossible { .. }), "{replayed:?}");
            }
            "one token less" => {
                let Difference { index, committed, computed } = found(&replayed);
                assert_eq!((*index, committed, computed.is_some()), (all, &None, true));
            }
            "one token more" => {
                let Difference { index, committed, computed } = found(&replayed);
                assert_eq!((*index, committed.as_ref().unwrap().id, computed), (all - 1, 65, &None));
            }
            "a longer context than there is" => assert!(replayed.holds(), "it did not matter: {replayed:?}"),
            other => panic!("{other}"),
        }
        assert_eq!(replayed.holds(), name == "a longer context than there is", "{name}: {replayed:?}");
    }
}

#[tokio::test]
async fn log_probabilities_are_computed_again() {
    let files = Files::new();
    let (hash, replayer) = (files.hash(1), files.replayer(1));
    let wanted = |alternatives| move |job: &mut Job| job.asked.log_probs = Some(alternatives);
    let mut scene = Scene::serving(hash, B256::ZERO, files.model(1)).await;
    let silent = scene.ask(11, |_| {}).await;
    assert_eq!(replay(&replayer, &scene, &silent).log_probs, LogProbsReplay::None);
    let honest = scene.ask(11, wanted(3)).await;
    let text = honest.answer.text.clone();
    let stop = text.chars().skip(9).find(|stop| text.chars().take(9).all(|before| before != *stop)).unwrap();
    let mut bundles = vec![honest.clone(), scene.ask(12, wanted(0)).await, scene.ask(13, wanted(20)).await];
    bundles.push(scene.ask(11, |job| (job.asked.log_probs, job.asked.stop) = (Some(2), vec![stop.to_string()])).await);
    for bundle in &bundles {
        let replayed = replay(&replayer, &scene, bundle);
        assert!(replayed.holds() && replayed.log_probs == LogProbsReplay::Same, "{replayed:?}");
    }
    let tokens = honest.log_probs.unwrap().tokens;
    assert!(tokens.len() > 8 && tokens.iter().all(|token| token.top.len() == 3));

    // All say that the honest answer was written, and so it was.
    let lies: Vec<(usize, Lie)> = vec![
        (5, of_log_probs(|tokens| tokens[5].token.micronats -= 1)),
        (0, of_log_probs(|tokens| tokens[0].token.micronats += 1)),
        (7, of_log_probs(|tokens| tokens[7].top[2].micronats -= 1)),
        (6, of_log_probs(|tokens| tokens[6].top.swap(0, 1))),
        (4, of_log_probs(|tokens| _ = tokens[4].top.pop())),
        (2, of_log_probs(|tokens| tokens[2].top[1].bytes = b"eel".into())),
        (3, of_log_probs(|tokens| tokens.truncate(3))),
    ];
    for (place, lie) in lies {
        let mut scene = Scene::serving(hash, B256::ZERO, Liar(files.model(1), lie)).await;
        let bundle = scene.ask(11, wanted(3)).await;
        let replayed = replay(&replayer, &scene, &bundle);
        assert!(replayed.answer == AnswerReplay::Same && replayed.text == TextReplay::Same && !replayed.holds());
        let signed = bundle.log_probs.unwrap().tokens;
        let (committed, computed) = (signed.get(place).cloned(), Some(tokens[place].clone()));
        assert_ne!(committed, computed);
        assert_eq!(replayed.log_probs, LogProbsReplay::Differs { index: place, committed, computed });
    }
    // Of another model's tokens the numbers before the first wrong one are compared.
    let lie = of_record(move |record| record.base = hash);
    let mut scene = Scene::serving(hash, B256::ZERO, Liar(files.model(2), lie)).await;
    let bundle = scene.ask(11, wanted(3)).await;
    let replayed = replay(&replayer, &scene, &bundle);
    match (found(&replayed).index, &replayed.log_probs) {
        (0, LogProbsReplay::Same) => {}
        (wrong, LogProbsReplay::Differs { index, .. }) if *index < wrong => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn passages_are_cut_to_the_context_and_laid_out_again() {
    let files = Files::new();
    let (hash, replayer) = (files.hash(1), files.replayer(1));
    let fact = |number: usize| {
        format!("Heron {number} of Lock Nine eats {} eels a week and sleeps on gate {number}.", number % 7 + 3)
    };
    let text = (0..200).map(fact).collect::<Vec<_>>().join("\n\n");
    // Bytes are tokens here. The conversation takes some sixty, what stands around a passage some seven hundred.
    for (context, max_tokens, least, most) in
        [(4096, 40, 3900, 4056), (2000, 40, 1800, 1960), (2000, 4000, 950, 1040), (700, 40, 40, 100)]
    {
        let config = LocalConfig { max_context: context, threads: 1, memory: 64 << 20, ..LocalConfig::default() };
        let model = LocalBase::open(&files.base(1), None, config).unwrap().base();
        let mut scene = Scene::with_text(&text, hash, B256::ZERO, model).await;
        let bundle = scene.ask(11, |job| job.max_output_tokens = max_tokens).await;
        let record = bundle.generation.as_ref().unwrap();
        let prompt = record.prompt.len();
        assert!((least..=most).contains(&prompt), "{context} {max_tokens}: {prompt}");
        assert_eq!(record.passages.is_empty(), most == 100, "{context} {max_tokens}");
        assert!(record.answer.len() <= context - prompt);
        let replayed = replay(&replayer, &scene, &bundle);
        assert!(replayed.holds() && replayed.prompt == PromptReplay::Same, "{context} {max_tokens}: {replayed:?}");
        // The same again.
        let again = scene.ask(11, |job| job.max_output_tokens = max_tokens).await;
        assert_eq!(again.generation, bundle.generation);
    }
    // Not even the question fits: it is refused as too long, and not as the fault of passages.
    let config = LocalConfig { max_context: 50, threads: 1, memory: 64 << 20, ..LocalConfig::default() };
    let model = LocalBase::open(&files.base(1), None, config).unwrap().base();
    let mut scene = Scene::with_text(&text, hash, B256::ZERO, model).await;
    let job = scene.world.chat_job(1, QUESTION);
    let refusal = scene.gateway.run(&scene.world, job).await.unwrap_err();
    assert!(refusal.message.contains("without a passage"), "{refusal:?}");
}

/// A PEFT folder on q_proj and down_proj of both layers, with seeded random numbers large enough to matter.
fn write_adapter(folder: &Path, seed: u64) {
    const RANK: usize = 4;
    let config = json!({
        "peft_type": "LORA", "r": RANK, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"], "bias": "none",
    });
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    let shapes = [("self_attn.q_proj", 32, 32), ("mlp.down_proj", 32, 48)];
    for (layer, (name, rows, columns)) in (0..2).flat_map(|layer| shapes.map(|shape| (layer, shape))) {
        for (part, shape) in [("A", [RANK, columns]), ("B", [rows, RANK])] {
            let from = data.len();
            for _ in 0..shape[0] * shape[1] {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                data.extend(f32::to_le_bytes((state >> 40) as f32 / (1 << 24) as f32 - 0.5));
            }
            let name = format!("base_model.model.model.layers.{layer}.{name}.lora_{part}.weight");
            header.insert(name, json!({"dtype": "F32", "shape": shape, "data_offsets": [from, data.len()]}));
        }
    }
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
    let header = serde_json::Value::from(header).to_string();
    let tensors = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
    std::fs::write(folder.join("adapter_model.safetensors"), tensors).unwrap();
}

/// One adapter for an engine.
struct One(Adapter);

impl AdapterSource for One {
    fn load(&self, _: &ContentHash) -> Result<Adapter, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.clone())
    }
}

/// A base with an adapter: passages and layout are the base's, the tokens the engine's, which is driven here by hand.
struct Adapted {
    base: LocalModel,
    folder: PathBuf,
    adapter: PathBuf,
    /// What is signed for.
    claimed: B256,
}

impl AnswerModel for Adapted {
    fn engine_class(&self) -> EngineClass {
        EngineClass::Exact
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
        let written = self.base.answer(question, passages, &mut |_, _| true)?;
        let mut record = *written.generation.unwrap();
        let base = read_base(&self.folder, None, &Limits::default()).unwrap();
        let files = AdapterFiles::open(&self.adapter, &base.config, base.hash, &Limits::default()).unwrap();
        let adapter = files.read(None).unwrap();
        let (hash, eos) = (adapter.hash, base.config.eos.clone());
        let settings = EngineConfig { threads: 1, memory: 64 << 20, ..EngineConfig::default() };
        let mut engine = Engine::new(base.config, base.weights, settings, One(adapter)).unwrap();
        engine.register(hash);
        let key = alloy_primitives::keccak256([b"fonte sampling 1".as_slice(), &question.seed.to_be_bytes()].concat());
        let generation = Generation {
            sampling: Sampling { temperature_milli: record.temperature_milli, ..Sampling::GREEDY },
            seed: key.0,
            ..Generation::greedy(record.token_limit())
        };
        let (adapter, prompt, task) = (Some(hash), record.prompt.clone(), Task::Generate(generation));
        let request = Request { payer: Payer::default(), adapter, prefix_scope: 0, prompt, task };
        engine.submit(request).unwrap();
        record.answer.clear();
        while !engine.is_idle() {
            for event in engine.step() {
                match event {
                    Event::Token { token, .. } => record.answer.push(token),
                    Event::Finished { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        let said: Vec<u32> = record.answer.iter().copied().filter(|token| !eos.contains(token)).collect();
        emit(&base.tokenizer.unwrap().decode(&said).unwrap(), &[]);
        record.adapter = self.claimed;
        Ok(Written { generation: Some(Box::new(record)), finish: Finish::Length, ..Written::default() })
    }
}

#[tokio::test]
async fn an_adapters_answer_replays_with_it_and_no_other() {
    let files = Files::new();
    let folder = files.0.path().join("adapters");
    let paths: Vec<PathBuf> = ["one", "other"].map(|name| folder.join(name)).into();
    (1..).zip(&paths).for_each(|(seed, path)| write_adapter(path, seed));
    // Neither an adapter nor in the way.
    std::fs::write(folder.join("notes.txt"), "notes").unwrap();
    std::fs::create_dir(folder.join("broken")).unwrap();
    std::fs::write(folder.join("broken/adapter_config.json"), "{}").unwrap();
    let open = |adapters: &[PathBuf]| Replayer::open(&files.base(1), adapters, config(1, Isa::best()));
    let replayer = open(std::slice::from_ref(&folder)).unwrap();
    let hashes: Vec<B256> =
        paths.iter().map(|path| open(std::slice::from_ref(path)).unwrap().adapters().next().unwrap()).collect();
    assert_eq!(replayer.adapters().collect::<Vec<_>>().len(), 2);
    assert!(open(&[folder.join("broken")]).is_err() && open(&[files.0.path().join("nowhere")]).is_err());

    let adapted = |adapter: usize, claimed: usize| Adapted {
        base: files.model(1),
        folder: files.base(1),
        adapter: paths[adapter].clone(),
        claimed: hashes[claimed],
    };
    let mut scene = Scene::serving(files.hash(1), hashes[0], adapted(0, 0)).await;
    let honest = scene.ask(11, |_| {}).await;
    let replayed = replay(&replayer, &scene, &honest);
    assert!(replayed.holds(), "{replayed:?}");
    match open(&paths[1..]).unwrap().replay(&honest, &|_| unreachable!("it is refused before")) {
        Err(ReplayError::Adapter { named, known: 1 }) => assert_eq!(named, hashes[0]),
        answer => panic!("{answer:?}"),
    }

    // A worker that runs another adapter, or none, and signs for this one.
    let mut scene = Scene::serving(files.hash(1), hashes[0], adapted(1, 0)).await;
    let lied = scene.ask(11, |_| {}).await;
    let difference = found(&replay(&replayer, &scene, &lied)).clone();
    let (signed, due) = (&lied.generation.as_ref().unwrap().answer, &honest.generation.as_ref().unwrap().answer);
    assert_eq!(difference.index, signed.iter().zip(due).position(|(signed, due)| signed != due).unwrap());
    assert_eq!(difference.computed.unwrap().id, due[difference.index]);
    let claimed = hashes[0];
    let none = Liar(files.model(1), of_record(move |record| record.adapter = claimed));
    let mut scene = Scene::serving(files.hash(1), hashes[0], none).await;
    let lied = scene.ask(11, |_| {}).await;
    found(&replay(&replayer, &scene, &lied));
}

#[tokio::test]
async fn what_cannot_be_replayed_says_why() {
    let files = Files::new();
    let replayer = files.replayer(1);
    let mut scene = Scene::serving(files.hash(1), B256::ZERO, files.model(1)).await;
    let bundle = scene.ask(11, |_| {}).await;
    let replay = |bundle: &ReceiptBundle, fault: PassageFault| {
        replayer.replay(bundle, &move |_: &PassageRange| Err::<PassageText, _>(fault.clone()))
    };
    let gone = PassageFault::Unavailable("the gateway does not give it out".into());

    // A passage that cannot be had: the tokens are compared all the same, and it is said.
    let replayed = replay(&bundle, gone.clone()).unwrap();
    assert!(replayed.holds() && replayed.answer == AnswerReplay::Same);
    match &replayed.prompt {
        PromptReplay::NotRendered { index: 0, passage, why } => {
            assert_eq!(*passage, bundle.generation.as_ref().unwrap().passages[0]);
            assert!(why.contains("give it out"));
        }
        other => panic!("{other:?}"),
    }
    // One that the worker may not have read, and one that is not what it says.
    let replayed = replay(&bundle, PassageFault::Wrong("in none of the versions".into())).unwrap();
    assert!(!replayed.holds() && matches!(replayed.prompt, PromptReplay::WrongPassage { index: 0, .. }));
    let short = |_: &PassageRange| Ok(PassageText { title: "Heron".into(), text: "Short.".into() });
    let replayed = replayer.replay(&bundle, &short).unwrap();
    assert!(!replayed.holds() && matches!(replayed.prompt, PromptReplay::WrongPassage { index: 0, .. }));

    // Every changed field is refused before anything is computed, by its name.
    let mut changed = bundle.clone();
    changed.generation.as_mut().unwrap().answer[0] ^= 1;
    match replay(&changed, gone.clone()) {
        Err(ReplayError::Bundle { differs, .. }) => assert_eq!(differs, "generation.answer"),
        other => panic!("{other:?}"),
    }
    let mut changed = bundle.clone();
    changed.receipt.engine_class = EngineClass::Tolerance;
    assert!(matches!(replay(&changed, gone.clone()), Err(ReplayError::Tolerance)));
    let mut changed = bundle.clone();
    (changed.generation, changed.generation_words) = (None, vec![]);
    assert!(matches!(replay(&changed, gone.clone()), Err(ReplayError::NoRecord)));

    // int8 is another model.
    let int8 = ReplayConfig { profile: Profile::Int8Exact, ..config(1, Isa::best()) };
    let other = Replayer::open(&files.base(1), &[], int8).unwrap();
    match other.replay(&bundle, &|_| unreachable!("it is refused before")) {
        Err(ReplayError::Profile { named: Profile::F32Exact, opened: Profile::Int8Exact }) => {}
        other => panic!("{other:?}"),
    }
}

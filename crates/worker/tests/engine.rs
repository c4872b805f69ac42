//! External engines behind a worker: stand-ins in the shapes of three servers, honest, slow, lying, truncated and dying.

mod common;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use alloy_primitives::Address;
use common::{
    Answered, Gateway, MODEL, World, credited, document,
    engine::{Dialect, Received, Reply, StandIn, Step, adapter_call, event, prompt_of, tokens},
};
use fonte_types::{
    ContributionId, EngineClass,
    bundle::verify,
    conversation::{Role, Turn, render},
    receipt::request_id,
    wire::{Asked, EngineUsage, Finish, Job, Refusal, RefusalCode, Sampling, ToGateway, ToWorker},
};
use fonte_worker::{
    AnswerModel, Emit, Ledger, ModelError, Passages, Question, Worker, Written, answer_plainly,
    engine::{Adapters, Engine, EngineConfig, EngineModel, Secret},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const HERON: &str = "The grey heron of Lock Nine eats eleven eels a week and sleeps on the upper gate.";
const QUESTION: &str = "What does the grey heron of Lock Nine eat?";
const KEY: &str = "sk-engine-secret-0123456789";

/// A worker whose only model is an engine's, with one document adopted.
struct Scene {
    world: World,
    gateway: Gateway,
    heron: ContributionId,
    number: u64,
    _worker: Worker,
}

impl Scene {
    async fn of(url: &str, change: impl FnOnce(&mut EngineConfig)) -> Self {
        Self::with(Self::engine(url, change)).await
    }

    fn engine(url: &str, change: impl FnOnce(&mut EngineConfig)) -> Arc<Engine> {
        let mut config = EngineConfig { key: Some(Secret::new(KEY)), ..EngineConfig::new(url) };
        change(&mut config);
        Arc::new(Engine::new(config).unwrap())
    }

    async fn with(engine: Arc<Engine>) -> Self {
        Self::serving(Arc::new(EngineModel::new(engine, "tiny"))).await
    }

    async fn serving(model: Arc<dyn AnswerModel>) -> Self {
        let world = World::new();
        let datanet = world.datanet(|_| {});
        let heron = world.contribute(datanet, &[document("Heron", "en", HERON)]);
        let mut config = world.config();
        config.models = [(MODEL, model)].into();
        let worker = Worker::open(config, world.ledger.clone()).unwrap();
        let mut gateway = Gateway::connect(&worker, &world).await;
        gateway.until_adopted(&world.versions(), &world).await;
        Self { world, gateway, heron, number: 0, _worker: worker }
    }

    fn job(&mut self, change: impl FnOnce(&mut Job)) -> Job {
        self.number += 1;
        let mut job = self.world.chat_job(self.number, QUESTION);
        change(&mut job);
        job
    }

    async fn ask(&mut self, change: impl FnOnce(&mut Job)) -> Result<(Job, Answered), Refusal> {
        let job = self.job(change);
        self.gateway.run(&self.world, job.clone()).await.map(|answered| (job, answered))
    }

    async fn refusal(&mut self) -> Refusal {
        match self.ask(|_| {}).await {
            Err(refusal) => refusal,
            Ok((_, answered)) => panic!("answered: {answered:?}"),
        }
    }
}

/// Says the document's sentence word for word, with words of its own around it.
fn quoting(dialect: Dialect) -> impl Fn(&Received) -> Reply + Send + Sync {
    move |request| {
        assert!(prompt_of(request).contains(HERON), "the passage is not in the prompt: {}", prompt_of(request));
        let answer = format!("I read this: {HERON} É isso.");
        dialect.say(request, &tokens(&answer), "stop")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_engines_are_attributed_and_receipted_alike() {
    for dialect in Dialect::ALL {
        let engine = StandIn::start(quoting(dialect));
        let mut scene = Scene::of(&engine.url(), |_| {}).await;
        let (job, answered) = scene
            .ask(|job| {
                job.seed = 41;
                job.max_output_tokens = 77;
                job.asked.stop = vec!["###".into()];
                job.asked.sampling = Sampling { temperature: Some(250_000), top_p: Some(1), ..Sampling::default() };
                job.asked.sampling.presence_penalty = Some(-500_000);
                job.asked.sampling.frequency_penalty = Some(750_000);
            })
            .await
            .unwrap();
        assert_eq!(answered.text, format!("I read this: {HERON} É isso."), "{dialect:?}");
        assert!(answered.pieces.len() > 5, "streamed, not sent at the end");
        let receipt = &answered.answer.receipt;
        assert_eq!(receipt.engine_class, EngineClass::Tolerance);
        assert_eq!(credited(&answered.answer), BTreeSet::from([scene.heron]));
        // By Fonte's rule, whatever the engine counted.
        assert_eq!(receipt.output_tokens as usize, answered.text.len().div_ceil(4));
        assert_eq!(receipt.input_tokens as usize, job.prompt.text.len().div_ceil(4));
        let told = &answered.answer.told;
        let counted = tokens(&answered.text).len() as u64;
        assert_eq!(told.engine_usage, Some(EngineUsage { input_tokens: 17, output_tokens: counted }), "{dialect:?}");
        assert_eq!(told.finish, Finish::Stop);

        let bundle = scene.world.bundle(&job, &answered);
        let verified = verify(&bundle);
        assert!(verified.ok, "{dialect:?}: {verified:#?}");
        match dialect {
            Dialect::Ollama => {
                assert_eq!(answered.log_probs, None);
                assert!(answered.answer.other_channels.context.is_zero());
            }
            Dialect::Vllm | Dialect::LlamaCpp => {
                let log_probs = answered.log_probs.as_ref().expect("told");
                let each = tokens(&answered.text).into_iter().map(|token| (token.to_owned(), 1));
                assert!(each.eq(answered.pieces.iter().cloned()), "{:?}", answered.pieces);
                assert_eq!(log_probs.tokens.len() as u64, counted);
                assert_eq!((log_probs.tokens[0].token.micronats, log_probs.tokens[0].top.len()), (-250_000, 2));
                assert_eq!(answered.answer.other_channels.context, log_probs.commitment());
                // What was committed to is named when it is changed.
                let mut forged = bundle.clone();
                forged.log_probs.as_mut().unwrap().tokens[3].token.micronats += 1;
                assert_eq!(verify(&forged).differs.as_deref(), Some("log_probs"));
                let mut foreign = bundle.clone();
                foreign.log_probs.as_mut().unwrap().tokens.remove(0);
                assert_eq!(verify(&foreign).differs.as_deref(), Some("log_probs"));
            }
        }

        let asked = engine.last("/v1/chat/completions");
        assert_eq!(asked.authorization.as_deref(), Some(format!("Bearer {KEY}").as_str()));
        let expected = json!({"model": "tiny", "stream": true, "seed": 41, "max_tokens": 77, "stop": ["###"],
            "temperature": 0.25, "top_p": 1e-6, "presence_penalty": -0.5, "frequency_penalty": 0.75, "logprobs": true, "top_logprobs": 5,
            "stream_options": {"include_usage": true}});
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&asked.body[name], value, "{name}");
        }
        assert!(asked.body["messages"][0]["content"].as_str().unwrap().ends_with(QUESTION));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_continued_by_the_engines_own_call() {
    for dialect in [Dialect::Vllm, Dialect::LlamaCpp] {
        let engine = StandIn::start(quoting(dialect));
        let mut scene = Scene::of(&engine.url(), |_| {}).await;
        let (job, answered) = scene.ask(|job| job.asked.turns.clear()).await.unwrap();
        assert_eq!(credited(&answered.answer), BTreeSet::from([scene.heron]));
        assert!(verify(&scene.world.bundle(&job, &answered)).ok);
        let log_probs = answered.log_probs.expect("told");
        assert_eq!(log_probs.tokens[0].top.len(), 2);
        let asked = engine.last("/v1/completions");
        assert_eq!(asked.body["logprobs"], 5);
        assert!(asked.body["prompt"].as_str().unwrap().ends_with(&job.prompt.text));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_read_as_they_are_committed() {
    let engine = StandIn::start(|request| Dialect::Vllm.say(request, &["Yes."], "stop"));
    let mut scene = Scene::of(&engine.url(), |_| {}).await;
    let turns = vec![
        Turn { role: Role::System, text: "Be brief.".into() },
        Turn { role: Role::User, text: "Is there a heron?".into() },
        Turn { role: Role::Assistant, text: "Yes.".into() },
        Turn { role: Role::User, text: QUESTION.into() },
    ];
    let asked = Asked { turns: turns.clone(), ..Asked::default() };
    let (_, answered) = scene
        .ask(|job| {
            job.prompt.text = render(&turns);
            job.asked = asked.clone();
        })
        .await
        .unwrap();
    assert_eq!(answered.text, "Yes.");
    let messages = engine.last("/v1/chat/completions").body["messages"].clone();
    let roles: Vec<&str> = messages.as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    assert_eq!(messages[1]["content"], "Is there a heron?", "passages stand before the last question alone");
    // A prompt that is not what is read would hide what was asked from whoever checks the receipt.
    let refusal = scene.ask(|job| job.asked = asked.clone()).await.unwrap_err();
    assert_eq!(refusal.code, RefusalCode::Invalid, "{refusal:?}");
    let refusal = scene.ask(|job| job.asked.stop = vec!["x".into(); 5]).await.unwrap_err();
    assert_eq!(refusal.code, RefusalCode::Invalid, "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_reads_the_datanets_that_are_named_alone() {
    const OTHER: &str = "The grey heron of Lock Nine eats what the keeper of Lock Ten gives it on Sundays.";
    let engine = StandIn::start(|request| Dialect::Vllm.say(request, &["Yes."], "stop"));
    let mut scene = Scene::of(&engine.url(), |_| {}).await;
    let first = scene.world.versions()[0].datanet;
    let second = scene.world.datanet(|_| {});
    scene.world.contribute(second, &[document("Keeper", "en", OTHER)]);
    scene.gateway.until_adopted(&scene.world.versions(), &scene.world).await;
    for (named, texts) in
        [(vec![first], [true, false]), (vec![second], [false, true]), (vec![first, second], [true; 2])]
    {
        scene.ask(|job| job.datanets = named).await.unwrap();
        let prompt = prompt_of(&engine.last("/v1/chat/completions"));
        assert_eq!([HERON, OTHER].map(|text| prompt.contains(text)), texts, "{prompt}");
    }
}

/// Remembers for whom it answered.
#[derive(Default)]
struct Remembers(Mutex<Vec<Address>>);

impl AnswerModel for Remembers {
    fn engine_class(&self) -> EngineClass {
        EngineClass::Tolerance
    }

    fn answer(&self, question: Question<'_>, _: &dyn Passages, emit: &mut Emit<'_>) -> Result<Written, ModelError> {
        self.0.lock().unwrap().push(question.payer);
        emit("Yes.", &[]);
        Ok(Written::default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_told_who_pays() {
    let model = Arc::<Remembers>::default();
    let mut scene = Scene::serving(model.clone()).await;
    let gateway = scene.world.gateway.address();
    let payers = [Address::repeat_byte(0xa1), Address::repeat_byte(0xb2)];
    for payer in payers {
        scene.ask(|job| (job.payer, job.request_id) = (payer, request_id(payer, gateway, job.nonce))).await.unwrap();
    }
    assert_eq!(*model.0.lock().unwrap(), payers);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_engine_does_wrong_is_a_clear_refusal() {
    let vllm = Dialect::Vllm;
    let some = move |request: &Received| vllm.token(request, "Some words, ");
    type Script = Box<dyn Fn(&Received) -> Reply + Send + Sync>;
    let bytes = |bytes: &[u8]| Step::Send(bytes.to_vec());
    let raw = move |steps: Vec<Step>| -> Script { Box::new(move |_| Reply::stream(steps.clone())) };
    let status =
        |status: u16, body: serde_json::Value| -> Script { Box::new(move |_| Reply::json(status, body.clone())) };
    let error = |message: &str| json!({"error": {"message": message, "type": "x", "param": null, "code": null}});
    let cases: Vec<(&str, RefusalCode, &str, Script)> = vec![
        ("truncated", RefusalCode::Engine, "ended before", Box::new(move |r| Reply::events(&[some(r)]))),
        (
            "done without an end",
            RefusalCode::Engine,
            "ended before",
            Box::new(move |r| Reply::events(&[some(r), "data: [DONE]\n\n".into()])),
        ),
        (
            "dying",
            RefusalCode::Engine,
            "broke off",
            Box::new(move |r| Reply::stream(vec![Step::Send(some(r).into_bytes()), Step::Die])),
        ),
        (
            "half an event",
            RefusalCode::Engine,
            "broke off",
            Box::new(move |r| {
                let half = some(r).into_bytes();
                Reply::stream(vec![Step::Send(half[..half.len() / 2].to_vec()), Step::Die])
            }),
        ),
        (
            "an error within",
            RefusalCode::Engine,
            "out of memory",
            Box::new(move |r| Reply::events(&[some(r), event(&error("out of memory"))])),
        ),
        (
            "giving up",
            RefusalCode::Engine,
            "gave the answer up",
            Box::new(move |r| Reply::events(&[some(r), vllm.ending(r, "abort", &json!(null)).remove(0)])),
        ),
        ("no UTF-8", RefusalCode::Engine, "not UTF-8", raw(vec![bytes(b"data: {\"x\": \"\xc3\x28\"}\n\n")])),
        ("no JSON", RefusalCode::Engine, "not the JSON", raw(vec![bytes(b"data: hello\n\n")])),
        ("a huge line", RefusalCode::Engine, "longer than", raw(vec![Step::Forever(vec![b'x'; 4096])])),
        (
            "endless comments",
            RefusalCode::Engine,
            "longer than",
            raw(vec![Step::Forever([&[b':'; 65_535][..], b"\n"].concat())]),
        ),
        ("nothing", RefusalCode::Engine, "wrote nothing", Box::new(move |r| vllm.say(r, &[], "stop"))),
        (
            "only thoughts",
            RefusalCode::Engine,
            "wrote nothing",
            Box::new(move |r| {
                let thought = json!({"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]});
                let mut events = vec![event(&thought)];
                events.extend(vllm.ending(r, "length", &json!(null)));
                Reply::events(&events)
            }),
        ),
        (
            "a page",
            RefusalCode::Engine,
            "text/html",
            Box::new(|_| Reply { kind: "text/html", ..Reply::stream(vec![Step::Send(b"<html>".to_vec())]) }),
        ),
        ("an error with 200", RefusalCode::Engine, "no such", status(200, error("no such slot"))),
        ("too long", RefusalCode::Invalid, "context", status(400, error("maximum context length is 512 tokens"))),
        ("too large", RefusalCode::Invalid, "413", status(413, error("too large"))),
        ("our key", RefusalCode::Engine, "key", status(401, error(&format!("Incorrect API key provided: {KEY}")))),
        ("our key, quoted", RefusalCode::Engine, "500", status(500, error(&format!("bad header {KEY}")))),
        (
            "no model",
            RefusalCode::Engine,
            "does not know",
            status(404, json!({"object": "error", "message": "no tiny"})),
        ),
        ("busy", RefusalCode::Busy, "try again", status(429, error("slow down"))),
        ("loading", RefusalCode::Busy, "try again", status(503, error("Loading model"))),
        (
            "broken",
            RefusalCode::Engine,
            "500",
            Box::new(|_| Reply { status: 500, kind: "text/html", ..Reply::json(500, json!("<h1>")) }),
        ),
        (
            "elsewhere",
            RefusalCode::Engine,
            "redirects",
            Box::new(|r| {
                let location = (r.path != "/stolen").then(|| "/stolen".to_owned());
                Reply { location, ..Reply::json(307, json!({})) }
            }),
        ),
    ];
    for (name, code, word, script) in cases {
        let engine = StandIn::start(script);
        let mut scene = Scene::of(&engine.url(), |_| {}).await;
        let refusal = scene.refusal().await;
        assert_eq!(refusal.code, code, "{name}: {refusal:?}");
        assert!(refusal.message.contains(word), "{name}: {refusal:?}");
        assert!(!refusal.message.contains(KEY) && refusal.message.len() < 600, "{name}: {refusal:?}");
        assert!(engine.received().iter().all(|received| received.path != "/stolen"), "the key went elsewhere");
        // The slots are free again.
        for _ in 0..3 {
            assert_eq!(scene.refusal().await.code, code, "{name}");
        }
    }
    let nobody = StandIn::start(|_| Reply::json(200, json!({}))).url();
    let refusal = Scene::of(&nobody, |_| {}).await.refusal().await;
    assert_eq!(refusal.code, RefusalCode::Engine, "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_beside_the_text_change_nothing() {
    let vllm = Dialect::Vllm;
    // Usage of any kind and size: the fee follows from the texts.
    for usage in [
        json!({"prompt_tokens": u64::MAX, "completion_tokens": 1_000_000, "total_tokens": 0}),
        json!({"prompt_tokens": -5, "completion_tokens": "many"}),
        json!("none of your business"),
    ] {
        let engine = StandIn::start(move |request| vllm.say_with(request, &["Four ", "eels."], "stop", &usage));
        let mut scene = Scene::of(&engine.url(), |_| {}).await;
        let (job, answered) = scene.ask(|_| {}).await.unwrap();
        let receipt = &answered.answer.receipt;
        assert_eq!(receipt.output_tokens, 3);
        assert_eq!(Some(receipt.fee), job.terms.prices.fee(receipt.input_tokens, 3));
        assert!(verify(&scene.world.bundle(&job, &answered)).ok);
    }
    // More text after the end.
    let engine = StandIn::start(move |request| {
        let mut events = vec![vllm.token(request, "The end.")];
        events.extend(vllm.ending(request, "stop", &json!(null)));
        events.pop();
        events.push(vllm.token(request, " And more."));
        events.extend(vllm.ending(request, "length", &json!(null)));
        Reply::events(&events)
    });
    let (_, answered) = Scene::of(&engine.url(), |_| {}).await.ask(|_| {}).await.unwrap();
    assert_eq!((answered.text.as_str(), answered.answer.told.finish), ("The end.", Finish::Stop));
    // Stop texts that are not obeyed, cut over several tokens.
    let engine = StandIn::start(move |request| vllm.say(request, &["one ", "tw", "o S", "TO", "P three"], "length"));
    let mut scene = Scene::of(&engine.url(), |_| {}).await;
    let (job, answered) = scene.ask(|job| job.asked.stop = vec!["STOP".into()]).await.unwrap();
    assert_eq!((answered.text.as_str(), answered.answer.told.finish), ("one two ", Finish::Stop));
    assert_eq!(answered.log_probs.as_ref().unwrap().tokens.len(), 2, "of what is within the answer");
    assert_eq!(answered.pieces, [("one ".to_owned(), 1), ("tw".to_owned(), 1), ("o ".to_owned(), 0)]);
    assert!(verify(&scene.world.bundle(&job, &answered)).ok);
    // No end, and a limit that is not obeyed.
    let engine =
        StandIn::start(move |request| Reply::stream(vec![Step::Forever(vllm.token(request, "más y ").into_bytes())]));
    let mut scene = Scene::of(&engine.url(), |_| {}).await;
    let (_, answered) = scene.ask(|job| job.max_output_tokens = 5).await.unwrap();
    assert_eq!((answered.text.as_str(), answered.answer.told.finish), ("más y más y más y", Finish::Length));
    assert_eq!(answered.answer.receipt.output_tokens, 5);
    tokio::task::spawn_blocking(move || engine.hung_up(1)).await.unwrap();
    // Log-probabilities that are none, or of other words.
    for lie in
        [json!({"token": "Eel", "logprob": 0.7}), json!({"token": "Cat", "logprob": -0.1}), json!({"token": "Eel"})]
    {
        let engine = StandIn::start(move |request| {
            let chunk = json!({"choices": [{"index": 0, "delta": {"content": "Eel"}, "logprobs": {"content": [lie]}}]});
            let mut events = vec![event(&chunk)];
            events.extend(vllm.ending(request, "stop", &json!(null)));
            Reply::events(&events)
        });
        let (_, answered) = Scene::of(&engine.url(), |_| {}).await.ask(|_| {}).await.unwrap();
        assert_eq!((answered.text.as_str(), answered.log_probs), ("Eel", None));
        assert!(answered.answer.other_channels.context.is_zero());
    }
    // What was told before such a one stands: it is streamed already, and it is the answer's beginning.
    for lie in [json!({"content": [{"token": "sharks", "logprob": -0.1}]}), json!({"content": [{"token": "eels"}]})] {
        let engine = StandIn::start(move |request| {
            let chunk = json!({"choices": [{"index": 0, "delta": {"content": "eels"}, "logprobs": lie}]});
            let mut events = vec![vllm.token(request, "Four "), event(&chunk), vllm.token(request, " a week.")];
            events.extend(vllm.ending(request, "stop", &json!(null)));
            Reply::events(&events)
        });
        let mut scene = Scene::of(&engine.url(), |_| {}).await;
        let (job, answered) = scene.ask(|_| {}).await.unwrap();
        assert_eq!(answered.pieces.iter().map(|(_, tokens)| *tokens).collect::<Vec<_>>(), [1, 0, 0]);
        assert_eq!(answered.text, "Four eels a week.");
        assert_eq!(answered.answer.other_channels.context, answered.log_probs.as_ref().unwrap().commitment());
        assert!(verify(&scene.world.bundle(&job, &answered)).ok);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_engines_are_given_up_and_cancelled_ones_are_told() {
    let hanging = |request: &Received| {
        Reply::stream(vec![Step::Send(Dialect::Vllm.token(request, "Well, ").into_bytes()), Step::Hang])
    };
    let engine = StandIn::start(hanging);
    let mut scene = Scene::of(&engine.url(), |config| config.idle_timeout = Duration::from_millis(300)).await;
    let refusal = scene.refusal().await;
    assert!(refusal.code == RefusalCode::Engine && refusal.message.contains("said nothing"), "{refusal:?}");
    tokio::task::spawn_blocking(move || engine.hung_up(1)).await.unwrap();

    // Never silent for long, and never done.
    let engine = StandIn::start(|_| Reply::stream(vec![Step::Forever(b": still there\n".to_vec())]));
    let mut scene = Scene::of(&engine.url(), |config| config.deadline = Duration::from_millis(300)).await;
    let refusal = scene.refusal().await;
    let (code, message) = (refusal.code, &refusal.message);
    // The size may be reached first.
    assert!(code == RefusalCode::Engine && (message.contains("not done") || message.contains("longer")), "{refusal:?}");

    // Nothing else than the cancellation ends these within the hour.
    let patient = |config: &mut EngineConfig| {
        config.idle_timeout = Duration::from_secs(3600);
        config.deadline = Duration::from_secs(3600);
    };
    // Before the first word, and in the middle: the payer leaves, and the engine's connection is closed.
    for steps in [vec![Step::Hang], vec![Step::Send(b": reading\n\n".to_vec()), Step::Hang]] {
        let engine = Arc::new(StandIn::start(move |_| Reply::stream(steps.clone())));
        let mut scene = Scene::of(&engine.url(), patient).await;
        let job = scene.job(|_| {});
        let number = job.job;
        scene.gateway.send(ToWorker::Job(Box::new(job))).await;
        let waiting = engine.clone();
        tokio::task::spawn_blocking(move || waiting.asked(1)).await.unwrap();
        scene.gateway.send(ToWorker::Cancel { job: number }).await;
        tokio::task::spawn_blocking(move || engine.hung_up(1)).await.unwrap();
    }
    // A gateway that goes away leaves nothing running either.
    let engine = Arc::new(StandIn::start(|_| Reply::stream(vec![Step::Hang])));
    let mut scene = Scene::of(&engine.url(), patient).await;
    let job = scene.job(|_| {});
    scene.gateway.send(ToWorker::Job(Box::new(job))).await;
    let waiting = engine.clone();
    tokio::task::spawn_blocking(move || waiting.asked(1)).await.unwrap();
    scene.gateway.close().await.unwrap();
    tokio::task::spawn_blocking(move || engine.hung_up(1)).await.unwrap();
}

/// Silence is counted from the last word on: each here is shorter than the limit, together they are not.
#[tokio::test(start_paused = true)]
async fn an_answer_may_take_longer_than_a_silence_may() {
    const IDLE: Duration = Duration::from_secs(60);
    let (say, said) = mpsc::channel();
    let said = Arc::new(Mutex::new(said));
    let engine = StandIn::start(move |_| Reply::stream(vec![Step::Each(said.clone())]));
    let config = EngineConfig { idle_timeout: IDLE, deadline: 20 * IDLE, ..EngineConfig::new(engine.url()) };
    let model = EngineModel::new(Arc::new(Engine::new(config).unwrap()), "tiny");
    let (heard, mut hear) = tokio::sync::mpsc::unbounded_channel();
    // While something blocks, the clock stands still unless it is told to go on.
    let answering = tokio::task::spawn_blocking(move || {
        let turns = vec![Turn { role: Role::User, text: QUESTION.into() }];
        let (asked, cancelled) = (Asked { turns, ..Asked::default() }, CancellationToken::new());
        let (prompt, text, payer, max_output_tokens, seed) = (QUESTION, QUESTION, Address::ZERO, 100, 0);
        let question = Question { prompt, text, payer, max_output_tokens, seed, asked: &asked, cancelled: &cancelled };
        answer_plainly(&model, question, &mut |piece, _| heard.send(piece.to_owned()).is_ok())
    });
    let (path, body) = ("/v1/chat/completions".to_owned(), json!({"model": "tiny"}));
    let request = Received { method: "POST".into(), path, authorization: None, body };
    let words = ["One ", "word ", "at ", "a ", "time."];
    for word in words {
        say.send(Dialect::Vllm.token(&request, word).into_bytes()).unwrap();
        assert_eq!(hear.recv().await.as_deref(), Some(word));
        tokio::time::advance(IDLE * 9 / 10).await;
    }
    for event in Dialect::Vllm.ending(&request, "stop", &json!(null)) {
        say.send(event.into_bytes()).unwrap();
    }
    drop(say);
    assert_eq!(answering.await.unwrap().unwrap().text, words.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_log_probabilities_is_asked_once() {
    let engine = StandIn::start(|request| match request.body.get("logprobs") {
        Some(_) => Reply::json(400, json!({"error": {"message": "logprobs is not supported with this model"}})),
        None => Dialect::Vllm.say(request, &["Yes."], "stop"),
    });
    let mut scene = Scene::of(&engine.url(), |_| {}).await;
    for requests in [2, 3] {
        let (_, answered) = scene.ask(|_| {}).await.unwrap();
        assert_eq!((answered.text.as_str(), answered.log_probs), ("Yes.", None));
        assert_eq!(engine.received().len(), requests);
    }
    // Nor where the worker is told not to.
    let engine = StandIn::start(|request| Dialect::Vllm.say(request, &["Yes."], "stop"));
    let mut scene = Scene::of(&engine.url(), |config| config.top_log_probs = 0).await;
    scene.ask(|_| {}).await.unwrap();
    assert_eq!(engine.last("/v1/chat/completions").body.get("logprobs"), None);
    // Unless the client wants them.
    let (_, answered) = scene.ask(|job| job.asked.log_probs = Some(2)).await.unwrap();
    assert!(answered.log_probs.is_some());
    assert_eq!(engine.last("/v1/chat/completions").body["top_logprobs"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_are_in_the_engine_while_the_chain_lets_them_answer() {
    let loaded: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let state = loaded.clone();
    let engine = StandIn::start(move |request| {
        let mut loaded = state.lock().unwrap();
        let call = adapter_call(request, &mut loaded, "/adapters/style");
        call.unwrap_or_else(|| match loaded.contains("style") {
            true => Dialect::Vllm.say(request, &["In style."], "stop"),
            false => Reply::json(404, json!({"error": {"message": "The model `style` does not exist."}})),
        })
    });
    let connected = Scene::engine(&engine.url(), |_| {});
    let mut scene = Scene::serving(Arc::new(EngineModel::adapter(connected.clone(), "style", "/adapters/style"))).await;
    let mut adapters = Adapters::new(connected.clone());
    adapters.add(MODEL, "style", "/adapters/style");
    let models = async |scene: &Scene| scene.world.ledger.catalogue(None).await.unwrap().models;
    assert_eq!(adapters.mirror(&models(&scene).await).await, []);
    assert_eq!(*loaded.lock().unwrap(), BTreeSet::from(["style".to_owned()]));
    assert_eq!(engine.last("/v1/load_lora_adapter").authorization.as_deref(), Some(format!("Bearer {KEY}").as_str()));
    let (_, answered) = scene.ask(|_| {}).await.unwrap();
    assert_eq!(answered.text, "In style.");
    assert_eq!(engine.last("/v1/chat/completions").body["model"], "style");
    // Mirrored already: nothing is sent.
    let before = engine.received().len();
    assert_eq!(adapters.mirror(&models(&scene).await).await, []);
    assert_eq!(engine.received().len(), before);
    // An engine that was started again has forgotten it: the next job brings it back.
    loaded.lock().unwrap().clear();
    assert_eq!(scene.ask(|_| {}).await.unwrap().1.text, "In style.");
    assert!(loaded.lock().unwrap().contains("style"));
    // The chain stops the model.
    let refusal =
        fonte_bindings::client::ModelRefusal { reason: fonte_bindings::client::RefusalReason::Retired, datanet: None };
    scene.world.refuse(Some(refusal));
    assert_eq!(adapters.mirror(&models(&scene).await).await, []);
    assert!(loaded.lock().unwrap().is_empty());
    scene.world.refuse(None);
    assert_eq!(adapters.mirror(&models(&scene).await).await, []);
    assert_eq!(adapters.unload_all().await, []);
    assert!(loaded.lock().unwrap().is_empty());
    // What the engine refuses is told, and tried again.
    let mut wrong = Adapters::new(connected);
    wrong.add(MODEL, "style", "/nowhere");
    for _ in 0..2 {
        let failed = wrong.mirror(&models(&scene).await).await;
        assert!(failed.len() == 1 && failed[0].1.to_string().contains("No adapter found"), "{failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_says_which_of_its_models_generate() {
    let engine = StandIn::start(|_| Reply::json(200, json!({"data": [{"id": "a"}, {"id": "b"}, {"object": "model"}]})));
    let connected = Scene::engine(&engine.url(), |_| {});
    assert_eq!(connected.models().await.unwrap(), ["a", "b"]);
    let world = World::new();
    let mut config = world.config();
    config.models = [(MODEL, Arc::new(EngineModel::new(connected, "a")) as _)].into();
    let worker = Worker::open(config, world.ledger.clone()).unwrap();
    let mut gateway = Gateway::raw(&worker);
    let hello = gateway.receive().await.unwrap();
    assert!(matches!(&hello, ToGateway::Hello { generating, .. } if *generating == [MODEL]), "{hello:?}");
}

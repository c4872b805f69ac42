//! OpenAI's features through gateway, real worker and an engine: a stand-in that says what a test wants to hear.

#[path = "../../../worker/tests/common/engine.rs"]
mod standin;

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use alloy_signer_local::PrivateKeySigner;
use fonte_bindings::Client;
use fonte_gateway::{Gateway, GatewayHandle, Limits};
use fonte_types::bundle;
use fonte_worker::{
    AnswerModel, Config, Worker,
    engine::{Engine, EngineConfig, EngineModel},
};
use serde_json::{Value, json};
use standin::{Dialect, Received, Reply, StandIn, Step, prompt_of, tokens};

use crate::net::{Draft, Net, PATIENCE, PRICE_IN, PRICE_OUT, ask, coins, get, post, until};

const FERRY: &str = "The ferry across the Tanara leaves the northern bank at six in the morning, with forty bicycles.";
pub const QUESTION: &str = "When does the ferry across the Tanara leave?";

/// A network whose one worker serves one model, beside a datanet with one text.
pub struct Scene {
    pub net: Net,
    pub gateway: Arc<GatewayHandle>,
    key: String,
    draft: Draft,
    worker: PrivateKeySigner,
    serving: tokio::task::JoinHandle<()>,
}

impl Scene {
    async fn of(engine: &StandIn) -> Self {
        let engine = Arc::new(Engine::new(EngineConfig::new(engine.url())).unwrap());
        Self::serving(Arc::new(EngineModel::new(engine, "tiny"))).await
    }

    pub async fn serving(model: Arc<dyn AnswerModel>) -> Self {
        Self::serving_on(Net::start().await, model, |_| {}).await
    }

    async fn limited(engine: &StandIn, limit: impl FnOnce(&mut Limits)) -> Self {
        let engine = Arc::new(Engine::new(EngineConfig::new(engine.url())).unwrap());
        Self::serving_on(Net::start().await, Arc::new(EngineModel::new(engine, "tiny")), limit).await
    }

    /// The same with weights: the network's model is a base named tiny, of these files.
    pub async fn serving_base(artifact: B256, model: Arc<dyn AnswerModel>) -> Self {
        let mut net = Net::start().await;
        net.model = net.register_model("tiny", artifact).await;
        Self::serving_on(net, model, |_| {}).await
    }

    async fn serving_on(net: Net, model: Arc<dyn AnswerModel>, limit: impl FnOnce(&mut Limits)) -> Self {
        let mut config = net.config();
        limit(&mut config.limits);
        let gateway = Arc::new(Gateway::start(config).await.unwrap());
        let key = net.api_key(&gateway, coins(5), coins(5)).await;
        let draft = net.draft(net.datanet, "ferry", &[FERRY]);
        net.publish(&gateway, &draft).await;
        let signer = PrivateKeySigner::random();
        net.register_worker_of(model.engine_class(), &signer, 4, *b"BR").await;
        let models = [(net.model, model)].into();
        let mut config = Config::new(net.folder.path().join("worker"), *net.client.network(), signer.clone(), models);
        config.commons = None;
        config.slots = 4;
        let ledger = Client::connect(&net.chain.rpc_url(), None).await.unwrap();
        let worker = Worker::open(config, Arc::new(ledger)).unwrap();
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        gateway.attach_worker(theirs);
        let serving = tokio::spawn(async move {
            let _ = worker.serve(ours).await;
        });
        let version = net.version(net.datanet).await;
        tokio::time::timeout(PATIENCE, gateway.adopted(&[version])).await.unwrap();
        Self { net, gateway, key, draft, worker: signer, serving }
    }

    pub fn worker_address(&self) -> Address {
        self.worker.address()
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub async fn chat(&self, change: impl FnOnce(&mut Value)) -> (u16, Value) {
        let mut body = ask(QUESTION);
        change(&mut body);
        post(&self.gateway, "/v1/chat/completions", Some(&self.key), body).await
    }

    /// Refused for now: when to come back, in seconds.
    async fn turned_away(&self, change: impl FnOnce(&mut Value)) -> u64 {
        let mut body = ask(QUESTION);
        change(&mut body);
        let request = reqwest::Client::new().post(format!("{}/v1/chat/completions", self.gateway.url()));
        let response = request.bearer_auth(&self.key).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 429);
        let after = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["error"]["code"], "rate_limit_exceeded", "{error}");
        after
    }

    /// The data of a stream's events.
    pub async fn stream(&self, path: &str, mut body: Value) -> Vec<String> {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
        let request = reqwest::Client::new().post(format!("{}{path}", self.gateway.url()));
        let response = request.bearer_auth(&self.key).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let text = response.text().await.unwrap();
        text.lines().filter_map(|line| line.strip_prefix("data: ")).map(ToOwned::to_owned).collect()
    }

    /// The texts that the datanet holds, as who checks receipts has them.
    pub fn texts(&self, folder: &std::path::Path) -> Arc<fonte_corpus::Bundle> {
        let store = fonte_corpus::Store::open(folder).unwrap();
        store.receive(self.draft.terms.root, self.draft.file.as_slice()).unwrap()
    }

    pub async fn evidence(&self, receipt: &Value) -> bundle::ReceiptBundle {
        let (status, evidence) =
            get(&self.gateway, &format!("/fonte/v1/receipts/{}", receipt.as_str().unwrap()), None).await;
        assert_eq!(status, 200);
        serde_json::from_value(evidence).unwrap()
    }

    pub async fn end(self) {
        self.serving.abort();
        let _ = self.serving.await;
        Arc::into_inner(self.gateway).expect("nobody else").shutdown().await;
    }
}

/// Quotes the passage, with the seed so that answers differ.
fn quoting(dialect: Dialect) -> impl Fn(&Received) -> Reply + Send + Sync {
    move |request| {
        assert!(prompt_of(request).contains(FERRY));
        let seed = request.body["seed"].to_string();
        let answer = format!("{FERRY} (seed {seed})");
        dialect.say(request, &tokens(&answer), "stop")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engines_answer_is_streamed_receipted_settled_and_paid() {
    let engine = StandIn::start(quoting(Dialect::Vllm));
    let scene = Scene::of(&engine).await;
    let options = |body: &mut Value| {
        body["seed"] = json!(-7);
        body["temperature"] = json!(0.5);
        body["logprobs"] = json!(true);
        body["top_logprobs"] = json!(1);
    };
    let (status, answer) = scene.chat(options).await;
    assert_eq!(status, 200, "{answer}");
    let choice = &answer["choices"][0];
    let text = format!("{FERRY} (seed -7)");
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!(text), &json!("stop")));
    assert_eq!(answer["fonte"]["class"], "tolerance");
    assert_eq!(choice["message"]["annotations"][0]["url_citation"]["url"], "https://ferry.example/0");
    // By Fonte's rule, whatever the engine counted.
    let (input, output) = (format!("user: {QUESTION}").len().div_ceil(4), text.len().div_ceil(4));
    assert_eq!(answer["usage"]["prompt_tokens"], input);
    assert_eq!(answer["usage"]["completion_tokens"], output);
    assert_eq!(answer["fonte"]["engine_usage"]["input_tokens"], 17);
    let fee = (PRICE_IN * input as u128 + PRICE_OUT * output as u128).div_ceil(1000);
    assert_eq!(answer["fonte"]["fee_wei"], fee.to_string());
    let content = choice["logprobs"]["content"].as_array().unwrap();
    let said: String = content.iter().map(|entry| entry["token"].as_str().unwrap()).collect();
    assert_eq!(said, text);
    assert_eq!(
        content[0],
        json!({"token": "The ", "logprob": -0.25, "bytes": b"The ",
                                  "top_logprobs": [{"token": "The ", "logprob": -0.25, "bytes": b"The "}]})
    );
    assert_eq!(engine.last("/v1/chat/completions").body["temperature"], 0.5);

    // The evidence holds them, and is checked by anyone.
    let evidence = scene.evidence(&answer["fonte"]["receipt"]).await;
    let verification = bundle::verify(&evidence);
    assert!(verification.ok, "{verification:?}");
    assert_eq!(json!(evidence.log_probs.as_ref().unwrap().commitment()), answer["fonte"]["log_probs"]);
    assert_eq!(evidence.receipt.seed, (-7_i64).cast_unsigned());

    // The same in a stream, and nothing of log-probabilities where they are not asked for.
    let mut body = ask(QUESTION);
    options(&mut body);
    let events = scene.stream("/v1/chat/completions", body).await;
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let streamed: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(streamed, text);
    let told = |chunk: &Value| chunk["choices"][0]["logprobs"]["content"].as_array().cloned().unwrap_or_default();
    assert_eq!(chunks.iter().flat_map(told).collect::<Vec<_>>(), *content);
    for chunk in &chunks {
        let said: String = told(chunk).iter().map(|entry| entry["token"].as_str().unwrap().to_owned()).collect();
        assert_eq!(
            said,
            chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default(),
            "its own tokens: {chunk}"
        );
    }
    let last = &chunks[chunks.len() - 2];
    assert_eq!(last["choices"][0]["logprobs"], Value::Null);
    assert_eq!((&last["choices"][0]["finish_reason"], &last["fonte"]["class"]), (&json!("stop"), &json!("tolerance")));
    let (_, plain) = scene.chat(|_| ()).await;
    assert_eq!(plain["choices"][0]["logprobs"], Value::Null);
    // No seed: one is drawn, and committed to.
    let drawn = scene.evidence(&plain["fonte"]["receipt"]).await.receipt.seed;
    assert!(plain["choices"][0]["message"]["content"].as_str().unwrap().ends_with(&format!("(seed {drawn})")));

    assert_eq!(scene.gateway.flush_settlement().await.unwrap().len(), 1);
    scene.gateway.push_all().await.unwrap();
    let author = scene.net.client.balance(scene.draft.terms.payee).await.unwrap();
    let ppm = u128::from(evidence.receipt.shares.as_slice()[0].ppm);
    assert!(author >= fee * 600_000 / 1_000_000 * ppm / 1_000_000, "{author}");
    assert!(scene.net.client.balance(scene.worker.address()).await.unwrap() > 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_answers_have_several_receipts() {
    let engine = StandIn::start(quoting(Dialect::LlamaCpp));
    let scene = Scene::of(&engine).await;
    let (status, answer) = scene.chat(|body| (body["n"], body["seed"]) = (json!(3), json!(5))).await;
    assert_eq!(status, 200, "{answer}");
    let choices = answer["choices"].as_array().unwrap();
    let texts: Vec<&str> = choices.iter().map(|choice| choice["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 3);
    let mut receipts = std::collections::BTreeSet::new();
    let mut output = 0;
    for (index, (choice, text)) in choices.iter().zip(&texts).enumerate() {
        assert!(choice["index"] == index && text.ends_with(&format!("(seed {})", 5 + index)), "{choice}");
        receipts.insert(choice["fonte"]["receipt"].as_str().unwrap());
        output += text.len().div_ceil(4);
    }
    assert_eq!((receipts.len(), &answer["usage"]["completion_tokens"]), (3, &json!(output)));
    assert_eq!(answer.get("fonte"), None, "each choice has its own");

    let mut body = ask(QUESTION);
    (body["n"], body["seed"], body["logprobs"]) = (json!(2), json!(5), json!(true));
    let events = scene.stream("/v1/chat/completions", body).await;
    assert_eq!(events.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    for (index, expected) in texts.iter().enumerate().take(2) {
        let own: Vec<&Value> = chunks.iter().filter(|chunk| chunk["choices"][0]["index"] == index).collect();
        let text: String = own.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, *expected);
        let told = own.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"]["content"].as_array()).flatten();
        assert_eq!(told.map(|entry| entry["token"].as_str().unwrap()).collect::<String>(), *expected);
        assert!(own.last().unwrap()["fonte"]["receipt"].is_string());
    }
    let usage = &chunks.last().unwrap()["usage"];
    assert_eq!(usage["completion_tokens"], (texts[0].len().div_ceil(4) + texts[1].len().div_ceil(4)));
    assert_eq!(scene.gateway.flush_settlement().await.unwrap().iter().map(|batch| batch.rows).sum::<usize>(), 5);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_continued() {
    let engine = StandIn::start(|request| {
        assert_eq!(request.path, "/v1/completions");
        Dialect::Vllm.say(request, &tokens(&format!("says: {FERRY} STOP and on")), "length")
    });
    let scene = Scene::of(&engine).await;
    let body = json!({"model": "fonte-quote", "prompt": "The timetable of the ferry across the Tanara", "max_tokens": 100,
                      "logprobs": 2, "stop": "STOP"});
    let (status, answer) = post(&scene.gateway, "/v1/completions", Some(&scene.key), body.clone()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["object"], "text_completion");
    let choice = &answer["choices"][0];
    assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!(format!("says: {FERRY} ")), &json!("stop")));
    assert_eq!(choice["logprobs"]["tokens"][0], "says: ");
    assert_eq!(choice["logprobs"]["text_offset"][1], 6);
    assert_eq!(choice["logprobs"]["top_logprobs"][0], json!({"says: ": -0.25, " other": -1.5}));
    assert_eq!(answer["fonte"]["class"], "tolerance");
    let evidence = scene.evidence(&answer["fonte"]["receipt"]).await;
    assert!(bundle::verify(&evidence).ok && evidence.prompt.text == body["prompt"]);
    let events = scene.stream("/v1/completions", body).await;
    let text: String = events[..events.len() - 1]
        .iter()
        .filter_map(|event| {
            Some(serde_json::from_str::<Value>(event).unwrap()["choices"][0]["text"].as_str()?.to_owned())
        })
        .collect();
    assert_eq!(text, choice["text"].as_str().unwrap());
    let chunks = events[..events.len() - 1].iter().map(|event| serde_json::from_str::<Value>(event).unwrap());
    let told: Vec<Value> = chunks.map(|chunk| chunk["choices"][0]["logprobs"].clone()).collect();
    for field in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
        let parts: Vec<&Value> = told.iter().filter_map(|told| told[field].as_array()).flatten().collect();
        assert_eq!(json!(parts), choice["logprobs"][field], "{field}");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_fails_costs_nothing() {
    let engine = StandIn::start(|request| {
        let question = prompt_of(request);
        let refuse = |status: u16, message: &str| Reply::json(status, json!({"error": {"message": message}}));
        let some = Step::Send(Dialect::Vllm.token(request, "Some words, ").into_bytes());
        match question.rsplit_once("case ").map(|(_, case)| case) {
            Some("dies") => Reply::stream(vec![some, Step::Die]),
            Some("hangs") => Reply::stream(vec![some, Step::Hang]),
            Some("busy") => refuse(429, "slow down"),
            Some("long") => refuse(400, "maximum context length is 512 tokens"),
            Some("broken") => refuse(500, "CUDA error"),
            _ => Dialect::Vllm.say(request, &tokens(FERRY), "length"),
        }
    });
    let scene = Scene::of(&engine).await;
    let case = |name: &'static str| {
        move |body: &mut Value| body["messages"][0]["content"] = json!(format!("{QUESTION} case {name}"))
    };
    for (name, status, code, word) in [
        ("dies", 502, "engine_failed", "broke off"),
        ("busy", 503, "no_worker", "try again"),
        ("long", 400, "invalid_value", "context length"),
        ("broken", 502, "engine_failed", "CUDA"),
    ] {
        let (got, error) = scene.chat(case(name)).await;
        assert_eq!((got, &error["error"]["code"]), (status, &json!(code)), "{name}: {error}");
        assert!(error["error"]["message"].as_str().unwrap().contains(word), "{name}: {error}");
    }
    // In a stream that has begun, the error is its last event.
    let mut body = ask(QUESTION);
    case("dies")(&mut body);
    let events = scene.stream("/v1/chat/completions", body).await;
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "engine_failed", "{last}");

    // A client that leaves a stream: the engine is told, and nothing is owed.
    let mut body = ask(QUESTION);
    case("hangs")(&mut body);
    body["stream"] = json!(true);
    let request = reqwest::Client::new().post(format!("{}/v1/chat/completions", scene.gateway.url()));
    let mut response = request.bearer_auth(&scene.key).json(&body).send().await.unwrap();
    let first = tokio::time::timeout(PATIENCE, response.chunk()).await.unwrap().unwrap().unwrap();
    assert!(first.starts_with(b"data: "));
    drop(response);
    tokio::task::block_in_place(|| engine.hung_up(1));
    let (_, recent) = get(&scene.gateway, "/fonte/v1/receipts", None).await;
    assert_eq!(recent, json!([]));
    assert_eq!(scene.gateway.flush_settlement().await.unwrap(), []);
    let (status, answer) = scene.chat(|_| ()).await;
    assert_eq!((status, &answer["choices"][0]["finish_reason"]), (200, &json!("length")), "{answer}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_answers_at_once_than_there_are_places_for() {
    let engine = StandIn::start(|request| match prompt_of(request).contains("case hangs") {
        true => Reply::stream(vec![Step::Send(Dialect::Vllm.token(request, "Well, ").into_bytes()), Step::Hang]),
        false => Dialect::Vllm.say(request, &tokens(FERRY), "stop"),
    });
    let scene = Scene::limited(&engine, |limits| limits.answers = 1).await;
    assert_eq!(scene.turned_away(|body| body["n"] = json!(2)).await, 1, "two are more than one");
    let mut body = ask(&format!("{QUESTION} case hangs"));
    body["stream"] = json!(true);
    let request = reqwest::Client::new().post(format!("{}/v1/chat/completions", scene.gateway.url()));
    let mut response = request.bearer_auth(&scene.key).json(&body).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    assert_eq!(scene.turned_away(|_| ()).await, 1);
    // Who leaves makes room.
    drop(response);
    let answered = || async { Some(scene.chat(|_| ()).await).filter(|(status, _)| *status == 200) };
    until("there is room", answered).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_answers_in_a_minute_than_a_key_may_have() {
    let engine = StandIn::start(quoting(Dialect::Vllm));
    let scene = Scene::limited(&engine, |limits| limits.answers_per_minute = 1).await;
    // Each answer counts, and the one that would have been within the limit is used up by having asked.
    let after = scene.turned_away(|body| body["n"] = json!(2)).await;
    assert!((1..=60).contains(&after), "{after}");
    assert!((1..=60).contains(&scene.turned_away(|_| ()).await));
    assert!(engine.received().is_empty());
    scene.end().await;
}

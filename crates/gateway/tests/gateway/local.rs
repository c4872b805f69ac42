//! Our own engine through gateway and real worker: a tiny random base answers, exactly.

#[path = "../../../worker/tests/common/base.rs"]
pub mod base;

use std::sync::{Arc, Mutex};

use alloy_primitives::B256;
use fonte_types::{EngineClass, bundle, generation::GenerationRecord};
use fonte_worker::{
    AnswerModel, Emit, ModelError, Passages, Question, Written,
    local::{LocalBase, LocalConfig, LocalModel},
    replay::{AnswerReplay, Difference, PromptReplay, ReplayConfig, Replayer, passage_in},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    engine::{QUESTION, Scene},
    net::{ask, until},
};

const OTHER: &str = "And how many bicycles does the ferry across the Tanara take?";

fn files(seed: u64, ends: bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    base::write_base(folder.path(), seed, ends);
    folder
}

pub fn small() -> LocalConfig {
    LocalConfig { threads: 1, memory: 64 << 20, ..LocalConfig::default() }
}

fn engine(folder: &TempDir) -> LocalBase {
    LocalBase::open(folder.path(), None, small()).unwrap()
}

fn model(folder: &TempDir) -> Arc<LocalModel> {
    Arc::new(engine(folder).base())
}

async fn scene(model: Arc<LocalModel>) -> Scene {
    Scene::serving_base(model.hash(), model).await
}

fn with_seed(seed: i64) -> impl FnOnce(&mut Value) {
    move |body| {
        body["model"] = json!("tiny");
        (body["seed"], body["max_tokens"]) = (json!(seed), json!(40));
    }
}

fn text(answer: &(u16, Value)) -> &str {
    assert_eq!(answer.0, 200, "{}", answer.1);
    answer.1["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_answers_exactly_and_is_paid() {
    let folder = files(1, true);
    let scene = scene(model(&folder)).await;
    let alone = scene.chat(with_seed(11)).await;
    let answer = text(&alone);
    assert!(!answer.is_empty() && answer.len() <= 160, "{answer:?}");
    let told = &alone.1["fonte"];
    assert_eq!(told["class"], "exact");
    assert_eq!(alone.1["usage"]["completion_tokens"], answer.len().div_ceil(4), "paid by bytes");

    // The same in company; other seeds and other questions get other answers.
    let (same, other_seed, other_question, again) = tokio::join!(
        scene.chat(with_seed(11)),
        scene.chat(with_seed(12)),
        scene.chat(|body| {
            with_seed(11)(body);
            body["messages"][0]["content"] = json!(OTHER);
        }),
        scene.chat(with_seed(11)),
    );
    assert_eq!((text(&same), text(&again)), (answer, answer));
    assert!(text(&other_seed) != answer && text(&other_question) != answer);
    // Streamed in whole characters, it is the same text. Pieces that wait for a busy machine go out together, so that it
    // takes more than one try to see them apart there.
    let mut streamed = false;
    for _ in 0..20 {
        let mut body = ask(QUESTION);
        with_seed(11)(&mut body);
        let events = scene.stream("/v1/chat/completions", body).await;
        let pieces: Vec<String> = events[..events.len() - 1]
            .iter()
            .filter_map(|event| {
                let event: Value = serde_json::from_str(event).unwrap();
                Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned())
            })
            .collect();
        assert_eq!(pieces.concat(), answer);
        streamed = pieces.len() > 2;
        if streamed {
            break;
        }
    }
    assert!(streamed, "a stream, not one piece");
    // A stop text ends it; it is cut where it first stands.
    let stop = answer.chars().nth(5).unwrap().to_string();
    let stopped = scene
        .chat(|body| {
            with_seed(11)(body);
            body["stop"] = json!(stop);
        })
        .await;
    let before = answer.split(&stop).next().unwrap();
    if before.is_empty() {
        assert_ne!(stopped.0, 200, "nothing is an answer");
    } else {
        assert_eq!(text(&stopped), before);
    }

    // Log-probabilities change no word, and the evidence commits to them.
    let with_log_probs = scene
        .chat(|body| {
            with_seed(11)(body);
            (body["logprobs"], body["top_logprobs"]) = (json!(true), json!(3));
        })
        .await;
    assert_eq!(text(&with_log_probs), answer);
    let content = with_log_probs.1["choices"][0]["logprobs"]["content"].as_array().unwrap();
    let said: String = content.iter().map(|entry| entry["token"].as_str().unwrap()).collect();
    assert!(answer.starts_with(&said) && said.len() + 4 > answer.len(), "{said:?} of {answer:?}");
    for entry in content {
        let top = entry["top_logprobs"].as_array().unwrap();
        let likeliest = top[0]["logprob"].as_f64().unwrap();
        assert!(top.len() == 3 && likeliest < 0.0 && entry["logprob"].as_f64().unwrap() <= likeliest, "{entry}");
    }
    let logged = scene.evidence(&with_log_probs.1["fonte"]["receipt"]).await;
    assert!(bundle::verify(&logged).ok);
    assert_eq!(json!(logged.log_probs.unwrap().commitment()), with_log_probs.1["fonte"]["log_probs"]);

    let evidence = scene.evidence(&told["receipt"]).await;
    let verification = bundle::verify(&evidence);
    assert!(verification.ok, "{verification:?}");
    assert_eq!((evidence.receipt.seed, evidence.answer.text.as_str()), (11, answer));

    // Anyone with the files and the texts computes each of them again.
    let (store, config) = (tempfile::tempdir().unwrap(), ReplayConfig { memory: 64 << 20, ..ReplayConfig::default() });
    let (texts, replayer) = (scene.texts(store.path()), Replayer::open(folder.path(), &[], config).unwrap());
    let (status, two) = scene.chat(|body| (with_seed(11)(body), body["n"] = json!(2)).1).await;
    assert_eq!(status, 200, "{two}");
    let choices = two["choices"].as_array().unwrap();
    assert!(choices.iter().map(|choice| &choice["message"]["content"]).eq([&json!(answer), &json!(text(&other_seed))]));
    let one_each = [&alone, &other_seed, &other_question, &stopped].into_iter().filter(|answer| answer.0 == 200);
    let receipts: Vec<&Value> =
        one_each.map(|answer| &answer.1["fonte"]).chain(choices.iter().map(|choice| &choice["fonte"])).collect();
    for told in receipts {
        let evidence = scene.evidence(&told["receipt"]).await;
        let replayed = replayer.replay(&evidence, &|at| passage_in(&texts, at)).unwrap();
        assert!(replayed.holds() && replayed.prompt == PromptReplay::Same, "{replayed:?}");
        assert_eq!(evidence.generation.unwrap().passages.len(), 1);
    }

    assert_eq!(scene.gateway.flush_settlement().await.unwrap().len(), 1);
    scene.gateway.push_all().await.unwrap();
    assert!(scene.net.client.balance(scene.worker_address()).await.unwrap() > 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_stops_the_engine() {
    let engine = engine(&files(1, false));
    let scene = scene(Arc::new(engine.base())).await;
    let mut body = ask(QUESTION);
    body["model"] = json!("tiny");
    (body["stream"], body["max_tokens"], body["seed"]) = (json!(true), json!(2500), json!(5));
    let request = reqwest::Client::new().post(format!("{}/v1/chat/completions", scene.gateway.url()));
    let mut response = request.bearer_auth(scene.key()).json(&body).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    let idle = || async { engine.stats().filter(|stats| stats.running + stats.waiting == 0) };
    drop(response);
    let stats = until("the engine is idle", idle).await;
    assert!((1..2400).contains(&stats.answer_tokens), "it was not written to its end: {stats:?}");
    scene.end().await;
}

/// What a worker says of what it did, instead of the truth.
type Say = fn(B256, &mut Option<Box<GenerationRecord>>);

/// A model that runs, and says something else; the hash is that of the base it should be.
struct Liar {
    runs: Arc<LocalModel>,
    claimed: B256,
    say: Mutex<Say>,
}

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
        let mut written = self.runs.answer(question, passages, emit)?;
        let say = *self.say.lock().unwrap();
        say(self.claimed, &mut written.generation);
        Ok(written)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_runs_another_base_is_found_by_a_replay() {
    let (claimed, other) = (files(1, true), files(2, true));
    let hash = model(&claimed).hash();
    let say: Say = |claimed, record| record.as_mut().unwrap().base = claimed;
    let liar = Liar { runs: model(&other), claimed: hash, say: Mutex::new(say) };
    let scene = Scene::serving_base(hash, Arc::new(liar)).await;
    let answer = scene.chat(with_seed(11)).await;
    assert_eq!(answer.0, 200, "nothing in the bundle shows it: {}", answer.1);
    let evidence = scene.evidence(&answer.1["fonte"]["receipt"]).await;
    let store = tempfile::tempdir().unwrap();
    let texts = scene.texts(store.path());
    let replayer =
        Replayer::open(claimed.path(), &[], ReplayConfig { memory: 64 << 20, ..Default::default() }).unwrap();
    let replayed = replayer.replay(&evidence, &|at| passage_in(&texts, at)).unwrap();
    assert!(!replayed.holds() && replayed.prompt == PromptReplay::Same, "{replayed:?}");
    let AnswerReplay::Differs(Difference { index, committed: Some(committed), computed: Some(computed) }) =
        replayed.answer
    else {
        panic!("{replayed:?}")
    };
    assert_eq!(committed.id, evidence.generation.unwrap().answer[index]);
    assert_ne!(committed.id, computed.id);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_say_what_was_asked_is_not_charged() {
    let lies: [(&str, Say); 5] = [
        ("generation", |_, record| *record = None),
        ("generation.temperature_milli", |_, record| record.as_mut().unwrap().temperature_milli = 700),
        ("generation.stop", |_, record| record.as_mut().unwrap().stop.push("never".into())),
        ("generation.max_tokens", |_, record| record.as_mut().unwrap().max_tokens += 1),
        ("generation.passages", |_, record| record.as_mut().unwrap().passages[0].document = 9),
    ];
    let runs = model(&files(1, true));
    let honest: Say = |_, _| ();
    let liar = Arc::new(Liar { claimed: runs.hash(), runs, say: Mutex::new(honest) });
    let scene = Scene::serving_base(liar.claimed, liar.clone()).await;
    let ask = || {
        scene.chat(|body| {
            with_seed(11)(body);
            body["temperature"] = json!(0.5);
        })
    };
    assert_eq!(ask().await.0, 200);
    for (named, lie) in lies {
        *liar.say.lock().unwrap() = lie;
        let (status, answer) = ask().await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 502 && message.contains(&format!("{named}:")), "{named}: {status} {answer}");
    }
    assert_eq!(scene.gateway.flush_settlement().await.unwrap().iter().map(|batch| batch.rows).sum::<usize>(), 1);
    scene.end().await;
}

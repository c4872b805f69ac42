//! Our own engine through gateway and real worker: a tiny random base answers, exactly.

#[path = "../../../worker/tests/common/base.rs"]
pub mod base;

use std::sync::Arc;

use fonte_types::bundle;
use fonte_worker::local::{LocalBase, LocalConfig};
use serde_json::{Value, json};

use crate::{
    engine::{QUESTION, Scene},
    net::{ask, until},
};

const OTHER: &str = "And how many bicycles does the ferry across the Tanara take?";

/// A tiny base, its files already gone: all is in memory.
fn tiny(ends: bool) -> LocalBase {
    let folder = tempfile::tempdir().unwrap();
    base::write_base(folder.path(), 1, ends);
    LocalBase::open(folder.path(), None, small()).unwrap()
}

pub fn small() -> LocalConfig {
    LocalConfig { threads: 1, memory: 64 << 20, ..LocalConfig::default() }
}

fn with_seed(seed: i64) -> impl FnOnce(&mut Value) {
    move |body| (body["seed"], body["max_tokens"]) = (json!(seed), json!(40))
}

fn text(answer: &(u16, Value)) -> &str {
    assert_eq!(answer.0, 200, "{}", answer.1);
    answer.1["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_answers_exactly_and_is_paid() {
    let scene = Scene::serving(Arc::new(tiny(true).base())).await;
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
    // Streamed in whole characters, it is the same text.
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
    assert!(pieces.len() > 2, "a stream, not one piece: {pieces:?}");
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

    assert_eq!(scene.gateway.flush_settlement().await.unwrap().len(), 1);
    scene.gateway.push_all().await.unwrap();
    assert!(scene.net.client.balance(scene.worker_address()).await.unwrap() > 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_stops_the_engine() {
    let engine = tiny(false);
    let scene = Scene::serving(Arc::new(engine.base())).await;
    let mut body = ask(QUESTION);
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

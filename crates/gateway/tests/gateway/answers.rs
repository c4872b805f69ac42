//! Asking over HTTP: answers, their citations, and every way in which a request is refused.

use std::{sync::Arc, time::Duration};

use alloy_primitives::U256;
use alloy_signer_local::PrivateKeySigner;
use fonte_bindings::client::{Policy, ReviewRule};
use fonte_gateway::{Gateway, GatewayHandle};
use fonte_types::{
    bundle,
    log_probs::{Alternative, TokenLogProb},
    wire::RefusalCode,
};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::{
    net::{Net, PATIENCE, PRICE_IN, PRICE_OUT, ask, coins, get, policy, post},
    peer::{Answer, Peer, Tamper, honest, needed},
};

const FIRST: &str =
    "Antes do primeiro estalo há silêncio: os grãos perdem água, e só então se ouve algo no tambor, baixo e seco.";
const SECOND: &str =
    "A river that floods every spring builds its own meadow, and the meadow in turn holds the next flood back.";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_cited_priced_and_kept() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(1), coins(1)).await;
    let (first, second) = (net.draft(net.datanet, "ana", &[FIRST]), net.draft(net.datanet, "rio", &[SECOND]));
    let ids = [net.publish(&gateway, &first).await, net.publish(&gateway, &second).await];
    let peer = Peer::connect(&net, &gateway, &ids, honest()).await;
    gateway.adopted(&[net.version(net.datanet).await]).await;

    let (status, models) = get(&gateway, "/v1/models", None).await;
    assert_eq!((status, &models["data"][0]["id"]), (200, &json!("fonte-quote")));
    let (status, price) = post(&gateway, "/fonte/v1/quote", None, ask("What is heard first?")).await;
    assert_eq!(status, 200, "{price}");
    let input = "user: What is heard first?".len().div_ceil(4) as u128;
    let most = (PRICE_IN * input + PRICE_OUT * 200).div_ceil(1000);
    assert_eq!(price["max_fee_wei"], most.to_string());

    let (status, answer) = post(&gateway, "/v1/chat/completions", Some(&key), ask("What is heard first?")).await;
    assert_eq!(status, 200, "{answer}");
    let message = &answer["choices"][0]["message"];
    let text = message["content"].as_str().unwrap();
    let characters: Vec<char> = text.chars().collect();
    let annotations = message["annotations"].as_array().unwrap();
    assert_eq!(annotations.len(), 2);
    let cited = |index: usize| -> String {
        let citation = &annotations[index]["url_citation"];
        let at = |name: &str| citation[name].as_u64().unwrap() as usize;
        characters[at("start_index")..at("end_index")].iter().collect()
    };
    assert!(first.texts[0].starts_with(&cited(0)) && second.texts[0].starts_with(&cited(1)));
    assert_eq!(annotations[0]["url_citation"]["url"], "https://ana.example/0");
    assert_eq!(annotations[0]["url_citation"]["title"], "ana 0");
    let fonte = &answer["fonte"];
    assert_eq!(fonte["class"], "exact");
    assert_eq!(fonte["shares"].as_array().unwrap().len(), 2);
    let shares = fonte["shares"].as_array().unwrap();
    let share = shares.iter().find(|share| share["contribution"] == json!(ids[1])).unwrap();
    assert_eq!((&share["document"], &share["payee"]), (&json!("rio 0"), &json!(second.terms.payee)));
    let span = |name: &str| share["spans"][0][name].as_u64().unwrap() as usize;
    assert_eq!(characters[span("start")..span("end")].iter().collect::<String>(), cited(1));
    assert!(shares[0]["share_ppm"].as_u64() >= shares[1]["share_ppm"].as_u64(), "largest first");
    let total: u64 = fonte["shares"].as_array().unwrap().iter().map(|s| s["share_ppm"].as_u64().unwrap()).sum();
    assert_eq!(total + fonte["unattributed_ppm"].as_u64().unwrap(), 1_000_000);
    let output = answer["usage"]["completion_tokens"].as_u64().unwrap() as u128;
    let fee = (PRICE_IN * input + PRICE_OUT * output).div_ceil(1000);
    assert_eq!(fonte["fee_wei"], fee.to_string());

    // The evidence is public and complete.
    let id = fonte["receipt"].as_str().unwrap();
    let (status, evidence) = get(&gateway, &format!("/fonte/v1/receipts/{id}"), None).await;
    assert_eq!(status, 200);
    let evidence: bundle::ReceiptBundle = serde_json::from_value(evidence).unwrap();
    let verification = bundle::verify(&evidence);
    assert!(verification.ok, "{verification:?}");
    assert_eq!(evidence.receipt.worker, peer.key.address());
    let (_, standing) = get(&gateway, &format!("/fonte/v1/receipts/{id}/settlement"), None).await;
    assert_eq!((&standing["state"], &standing["fee_wei"]), (&json!("pending"), &json!(fee.to_string())));
    let (_, recent) = get(&gateway, "/fonte/v1/receipts", None).await;
    assert_eq!(recent[0]["receipt"], id);
    let (_, earned) = get(&gateway, &format!("/fonte/v1/earnings/{}", second.terms.payee), None).await;
    let ppm = share["share_ppm"].as_u64().unwrap() as u128;
    let wei = fee * 600_000 / 1_000_000 * ppm / 1_000_000;
    assert_eq!(
        earned["documents"],
        json!([{
            "contribution": ids[1], "index": 0, "document": "rio 0", "url": "https://rio.example/0",
            "answers": 1, "wei": "0", "pending_wei": wei.to_string(),
        }])
    );
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_the_same_and_ends_with_what_it_cites() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(1), coins(1)).await;
    let draft = net.draft(net.datanet, "ana", &[FIRST]);
    let id = net.publish(&gateway, &draft).await;
    let _peer = Peer::connect(&net, &gateway, &[id], honest()).await;
    gateway.adopted(&[net.version(net.datanet).await]).await;

    let mut body = ask("What is heard first?");
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let response = reqwest::Client::new()
        .post(format!("{}/v1/chat/completions", gateway.url()))
        .bearer_auth(&key)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    let events: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> = events[..events.len() - 1].iter().map(|e| serde_json::from_str(e).unwrap()).collect();
    let content: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(draft.texts[0].starts_with(&content) && content.len() >= 77);
    let usage = &chunks[chunks.len() - 1];
    assert_eq!(usage["choices"], json!([]));
    assert!(usage["usage"]["completion_tokens"].as_u64().unwrap() > 0);
    let last = &chunks[chunks.len() - 2];
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["choices"][0]["delta"]["annotations"][0]["url_citation"]["title"], "ana 0");
    let receipt = last["fonte"]["receipt"].as_str().unwrap();
    // When the last chunk was there, evidence and row were.
    let (status, _) = get(&gateway, &format!("/fonte/v1/receipts/{receipt}"), None).await;
    assert_eq!(status, 200);
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_openais_shape_and_cost_nothing() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    // Enough for one answer of 200 tokens, not for two at once.
    let cap = PRICE_OUT * 200 / 1000 + PRICE_OUT / 10;
    let key = net.api_key(&gateway, coins(1), cap).await;
    let poor = net.api_key(&gateway, 0, 0).await;
    let silent = net.create_datanet("silent", policy(|p| p.quote = false)).await;
    let _ = silent;
    let (status, error) = post(&gateway, "/v1/chat/completions", None, ask("x")).await;
    assert_eq!((status, &error["error"]["code"]), (401, &json!("invalid_api_key")));
    let (status, error) =
        post(&gateway, "/v1/chat/completions", Some(&format!("sk-fonte-{}", "0".repeat(64))), ask("x")).await;
    assert_eq!(status, 401, "{error}");
    let mut unknown = ask("x");
    unknown["model"] = json!("gpt-4o");
    let (status, error) = post(&gateway, "/v1/chat/completions", Some(&key), unknown).await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("model_not_found")));
    let (status, error) = post(&gateway, "/v1/chat/completions", Some(&key), ask("x")).await;
    assert_eq!(status, 400, "no reviewed datanet holds anything: {error}");

    let draft = net.draft(net.datanet, "ana", &[FIRST]);
    let id = net.publish(&gateway, &draft).await;
    let mut forbidden = ask("x");
    forbidden["model"] = json!("fonte-quote:silent");
    let (status, error) = post(&gateway, "/v1/chat/completions", Some(&key), forbidden).await;
    assert_eq!((status, &error["error"]["code"]), (403, &json!("datanet_terms")));
    assert!(error["error"]["message"].as_str().unwrap().contains("silent"), "{error}");
    let (status, error) = post(&gateway, "/v1/chat/completions", Some(&poor), ask("x")).await;
    assert_eq!((status, &error["error"]["type"]), (402, &json!("insufficient_quota")), "{error}");
    let (status, error) = post(&gateway, "/v1/chat/completions", Some(&key), ask("x")).await;
    assert_eq!((status, &error["error"]["code"]), (503, &json!("no_worker")), "{error}");

    // A worker that never ends holds the reservation; a client that leaves lets it go.
    let hang: Tamper = Arc::new(|job, answer: &mut Answer| answer.hang = job.question == "hang");
    let mut peer = Peer::connect(&net, &gateway, &[id], hang).await;
    gateway.adopted(&[net.version(net.datanet).await]).await;
    let hanging = tokio::spawn({
        let (url, key) = (gateway.url().to_owned(), key.clone());
        async move {
            let request = reqwest::Client::new().post(format!("{url}/v1/chat/completions"));
            request.bearer_auth(key).json(&ask("hang")).send().await
        }
    });
    tokio::time::timeout(PATIENCE, peer.jobs.wait_for(|jobs| *jobs == 1)).await.unwrap().unwrap();
    let (status, error) = post(&gateway, "/v1/chat/completions", Some(&key), ask("x")).await;
    assert_eq!(status, 402, "the first holds the money: {error}");
    hanging.abort();
    tokio::time::timeout(PATIENCE, peer.cancelled.wait_for(|count| *count == 1)).await.unwrap().unwrap();
    let (status, answer) = post(&gateway, "/v1/chat/completions", Some(&key), ask("x")).await;
    assert_eq!(status, 200, "and lets it go: {answer}");

    let big = reqwest::Client::new()
        .post(format!("{}/v1/chat/completions", gateway.url()))
        .bearer_auth(&key)
        .body(vec![b' '; (2 << 20) + 1])
        .send()
        .await
        .unwrap();
    assert_eq!(big.status(), 413);
    gateway.shutdown().await;
}

/// Waits until no worker is connected.
async fn gone(gateway: &GatewayHandle) {
    let gone = async {
        while gateway.workers() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

fn token(text: &str, micronats: i32) -> TokenLogProb {
    let token = Alternative { bytes: text.as_bytes().to_vec().into(), micronats };
    TokenLogProb { token, top: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_a_check_is_neither_charged_nor_kept() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(10), coins(10)).await;
    let draft = net.draft(net.datanet, "ana", &[FIRST]);
    let id = net.publish(&gateway, &draft).await;
    let cases: Vec<(&str, &str, Tamper)> = vec![
        ("fee", "fee", Arc::new(|_, a: &mut Answer| a.receipt.fee += 1)),
        ("more than reserved", "fee", Arc::new(|_, a: &mut Answer| a.receipt.fee = coins(5))),
        ("tokens", "input_tokens", Arc::new(|_, a: &mut Answer| a.receipt.input_tokens += 1)),
        ("another payer", "payer", Arc::new(|_, a: &mut Answer| a.receipt.payer.0[0] ^= 1)),
        ("another nonce", "nonce", Arc::new(|_, a: &mut Answer| a.receipt.nonce += 1)),
        ("another request", "request_id", Arc::new(|_, a: &mut Answer| a.receipt.request_id.0[0] ^= 1)),
        ("another prompt", "prompt", Arc::new(|_, a: &mut Answer| a.receipt.prompt_root.0[0] ^= 1)),
        ("streamed otherwise", "answer", Arc::new(|_, a: &mut Answer| a.streamed = Some(a.text.to_uppercase()))),
        (
            "log-probabilities that are not the answer's",
            "log_probs",
            Arc::new(|_, a: &mut Answer| {
                a.log_probs = vec![token("Nothing of it", 0)];
                a.commit(&[token("Nothing of it", 0)]);
            }),
        ),
        (
            "other log-probabilities than it streamed",
            "log_probs",
            Arc::new(|_, a: &mut Answer| {
                a.log_probs = vec![token(&a.text[..1], -1)];
                a.commit(&[token(&a.text[..1], -2)]);
            }),
        ),
        (
            "log-probabilities that it commits to nowhere",
            "log_probs",
            Arc::new(|_, a: &mut Answer| {
                a.log_probs = vec![token(&a.text[..1], -1)];
            }),
        ),
        (
            "log-probabilities that it keeps to itself",
            "log_probs",
            Arc::new(|_, a: &mut Answer| {
                a.commit(&[token(&a.text[..1], -2)]);
            }),
        ),
        (
            "more log-probabilities than there may be",
            "log-probabilities",
            Arc::new(|_, a: &mut Answer| {
                a.log_probs = vec![token(&"x".repeat(1 << 20), -1)];
            }),
        ),
        ("other shares", "shares", Arc::new(|_, a: &mut Answer| a.receipt.shares = Default::default())),
        (
            "moved witness",
            "runs",
            Arc::new(|_, a: &mut Answer| {
                a.runs[0].offset += 1;
                let evidence = fonte_types::evidence::Evidence::new(a.runs.clone(), a.receipt.answer_bytes).unwrap();
                a.receipt.evidence_hash = evidence.hash(&Default::default());
            }),
        ),
        ("not opened", "runs", Arc::new(|_, a: &mut Answer| a.cited[0].documents.clear())),
        ("a version of tomorrow", "versions", Arc::new(|_, a: &mut Answer| a.receipt.versions[0].version.0 += 1)),
        ("a made-up root", "root", Arc::new(|_, a: &mut Answer| a.cited[0].root.0[0] ^= 1)),
        ("someone else's name", "contributor", Arc::new(|_, a: &mut Answer| a.cited[0].contributor.0[0] ^= 1)),
        (
            "another key",
            "worker_signature",
            Arc::new(|_, a: &mut Answer| {
                a.signer = alloy_signer_local::PrivateKeySigner::random();
            }),
        ),
        ("from last week", "issued_at", Arc::new(|_, a: &mut Answer| a.receipt.issued_at -= 7 * 86_400)),
    ];
    for (name, word, tamper) in cases {
        let peer = Peer::connect(&net, &gateway, &[id], tamper).await;
        gateway.adopted(&[net.version(net.datanet).await]).await;
        let (status, error) = post(&gateway, "/v1/chat/completions", Some(&key), ask("What is heard first?")).await;
        assert_eq!((status, &error["error"]["code"]), (502, &json!("answer_refused")), "{name}: {error}");
        assert!(error["error"]["message"].as_str().unwrap().contains(word), "{name}: {error}");
        drop(peer);
        gone(&gateway).await;
    }
    let (_, recent) = get(&gateway, "/fonte/v1/receipts", None).await;
    assert_eq!(recent, json!([]));
    assert_eq!(gateway.flush_settlement().await.unwrap(), []);

    // One that streams what it commits to is paid, and who did not ask for log-probabilities is not told them.
    let honest_with: Tamper = Arc::new(|_, a: &mut Answer| {
        a.log_probs = vec![token(&a.text[..1], -1), token(&a.text[1..4], -7)];
        a.commit(&a.log_probs.clone());
    });
    let peer = Peer::connect(&net, &gateway, &[id], honest_with).await;
    gateway.adopted(&[net.version(net.datanet).await]).await;
    let (status, answer) = post(&gateway, "/v1/chat/completions", Some(&key), ask("What is heard first?")).await;
    assert_eq!((status, &answer["choices"][0]["logprobs"]), (200, &json!(null)), "{answer}");
    assert!(answer["fonte"]["log_probs"].is_string());
    drop(peer);
    gone(&gateway).await;

    // A busy worker and one that leaves are passed over.
    let busy: Tamper = Arc::new(|_, a: &mut Answer| a.refuse = Some(RefusalCode::Busy));
    let _busy = Peer::connect(&net, &gateway, &[id], busy).await;
    let good = Peer::connect(&net, &gateway, &[id], honest()).await;
    gateway.adopted_by(2, &[net.version(net.datanet).await]).await;
    for _ in 0..3 {
        let (status, answer) = post(&gateway, "/v1/chat/completions", Some(&key), ask("What is heard first?")).await;
        assert_eq!(status, 200, "{answer}");
    }
    let mut jobs = good.jobs.clone();
    assert_eq!(*jobs.borrow_and_update(), 3);
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_registered_workers_in_the_right_place_are_asked() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(5), coins(5)).await;
    let here = net.create_datanet("local", policy(|policy| policy.jurisdictions = vec![*b"PT"])).await;
    let (draft, local) = (net.draft(net.datanet, "ana", &[FIRST]), net.draft(here, "rui", &[SECOND]));
    let id = net.publish(&gateway, &draft).await;
    let local = net.publish(&gateway, &local).await;
    let chat = async |change: &dyn Fn(&mut serde_json::Value)| {
        let mut body = ask("What is heard first?");
        change(&mut body);
        post(&gateway, "/v1/chat/completions", Some(&key), body).await
    };
    let signer = PrivateKeySigner::random();
    let mut peer = Peer::connect_as(signer.clone(), &net, &gateway, &[], honest()).await;
    let (status, error) = chat(&|_| ()).await;
    assert_eq!((status, &error["error"]["code"]), (503, &json!("no_worker")), "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains("registered"), "{error}");
    assert_eq!(*peer.jobs.borrow_and_update(), 0, "it was asked without a stake");
    assert!(needed(&signer, &net, &gateway, id).await.is_none(), "it was given texts without a stake");
    drop(peer);

    let worker = net.register_worker(&signer, 2, *b"BR").await;
    assert_eq!(needed(&signer, &net, &gateway, id).await.as_ref(), Some(&draft.file));
    let mut peer = Peer::connect_as(signer.clone(), &net, &gateway, &[id, local], honest()).await;
    gateway.adopted(&[net.version(net.datanet).await, net.version(here).await]).await;
    let (status, answer) = chat(&|_| ()).await;
    assert_eq!(status, 200, "{answer}");
    // Its texts may be processed in Portugal alone, and the worker stands in Brazil.
    let (status, error) = chat(&|body| body["model"] = json!("fonte-quote:local")).await;
    assert_eq!((status, &error["error"]["code"]), (403, &json!("datanet_terms")), "{error}");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("datanet \"local\"") && message.contains("only in PT, not in BR"), "{message}");
    assert!(message.contains("(clause \"jurisdictions\")"), "{message}");
    // The payer may say where, too.
    let (status, error) = chat(&|body| body["fonte"] = json!({"jurisdictions": ["PT"]})).await;
    assert_eq!((status, &error["error"]["code"]), (403, &json!("datanet_terms")), "{error}");
    let (status, _) = chat(&|body| body["fonte"] = json!({"jurisdictions": ["BR", "PT"]})).await;
    assert_eq!(status, 200);
    let (status, error) = chat(&|body| body["fonte"] = json!({"jurisdictions": ["Brazil"]})).await;
    assert_eq!((status, &error["error"]["param"]), (400, &json!("fonte.jurisdictions[0]")), "{error}");
    let asked = *peer.jobs.borrow_and_update();
    assert_eq!(asked, 2, "what is refused never reaches the worker");

    let contract = worker.workers_contract();
    worker.send("pausing", contract.setStatus(2).with_cloned_provider()).await.unwrap();
    assert_eq!(chat(&|_| ()).await.0, 503, "a paused worker is left alone");
    worker.send("going on", contract.setStatus(1).with_cloned_provider()).await.unwrap();
    assert_eq!(chat(&|_| ()).await.0, 200);
    gateway.shutdown().await;
}

/// Workers get what they may adopt: nothing that still waits for its review, was withdrawn, or may not be indexed.
#[tokio::test(flavor = "multi_thread")]
async fn texts_go_to_registered_workers_once_they_are_accepted() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let hidden = net.create_datanet("hidden", policy(|policy| policy.index = false)).await;
    let reviewed = |policy: &mut Policy| {
        policy.review = ReviewRule::Reviewers;
        (policy.reviewers, policy.approvals) = (3, 2);
    };
    let reviewed = net.create_datanet("reviewed", policy(reviewed)).await;
    let signer = PrivateKeySigner::random();
    net.register_worker(&signer, 2, *b"BR").await;
    let sent = async |id| needed(&signer, &net, &gateway, id).await.is_some();
    let draft = net.draft(net.datanet, "ana", &[FIRST]);
    let accepted = net.publish(&gateway, &draft).await;
    assert!(sent(accepted).await);
    net.withdraw(&gateway, &draft, accepted).await;
    assert!(!sent(accepted).await, "withdrawn");
    let id = net.publish(&gateway, &net.draft(hidden, "rui", &[SECOND])).await;
    assert!(!sent(id).await, "its datanet forbids indexing");
    let id = net.publish(&gateway, &net.draft(reviewed, "eva", &[SECOND])).await;
    assert!(!sent(id).await, "it waits for its review");
    gateway.shutdown().await;
}

/// One that takes jobs and never begins keeps nobody waiting to the end.
#[tokio::test(flavor = "multi_thread")]
async fn another_worker_is_asked_where_the_first_does_not_begin() {
    let net = Net::start().await;
    let mut config = net.config();
    config.limits.answer_timeout = Duration::from_secs(40);
    let gateway = Gateway::start(config).await.unwrap();
    let key = net.api_key(&gateway, coins(5), coins(5)).await;
    let id = net.publish(&gateway, &net.draft(net.datanet, "ana", &[FIRST])).await;
    let hang: Tamper = Arc::new(|_, answer: &mut Answer| answer.hang = true);
    let mut hanging = Peer::connect(&net, &gateway, &[id], hang).await;
    let _good = Peer::connect(&net, &gateway, &[id], honest()).await;
    gateway.adopted_by(2, &[net.version(net.datanet).await]).await;
    let (status, answer) = post(&gateway, "/v1/chat/completions", Some(&key), ask("What is heard first?")).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(*hanging.jobs.borrow_and_update(), 1, "it was asked first");
    tokio::time::timeout(PATIENCE, hanging.cancelled.wait_for(|count| *count == 1)).await.unwrap().unwrap();
    gateway.shutdown().await;
}

/// Its stake covers fewer jobs at once than it says that it takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gets_no_more_jobs_than_its_stake_covers() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(5), coins(5)).await;
    let id = net.publish(&gateway, &net.draft(net.datanet, "ana", &[FIRST])).await;
    let signer = PrivateKeySigner::random();
    let worker = net.register_worker(&signer, 1, *b"BR").await;
    let hang: Tamper = Arc::new(|job, answer: &mut Answer| answer.hang = job.question == "hang");
    let mut peer = Peer::connect_as(signer, &net, &gateway, &[id], hang).await;
    gateway.adopted(&[net.version(net.datanet).await]).await;
    let request = reqwest::Client::new().post(format!("{}/v1/chat/completions", gateway.url()));
    let hanging = tokio::spawn(request.bearer_auth(&key).json(&ask("hang")).send());
    tokio::time::timeout(PATIENCE, peer.jobs.wait_for(|jobs| *jobs == 1)).await.unwrap().unwrap();

    let (status, error) = post(&gateway, "/v1/chat/completions", Some(&key), ask("What is heard first?")).await;
    assert_eq!((status, &error["error"]["code"]), (503, &json!("no_worker")), "{error}");
    assert_eq!(*peer.jobs.borrow_and_update(), 1, "the second was given beyond the stake");

    let contract = worker.workers_contract();
    let mut info = contract.worker(worker.sender().unwrap()).call().await.unwrap().info;
    info.slots = 2;
    let more = contract.stakePerSlot().call().await.unwrap();
    let call = contract.update(info).value(U256::from(more)).with_cloned_provider();
    worker.send("more stake", call).await.unwrap();
    let (status, answer) = post(&gateway, "/v1/chat/completions", Some(&key), ask("What is heard first?")).await;
    assert_eq!(status, 200, "with stake for two it is given: {answer}");
    hanging.abort();
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_withdrawal_counts_as_gone_and_a_lowered_limit_as_low() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    net.publish(&gateway, &net.draft(net.datanet, "ana", &[FIRST])).await;
    let address = net.payer.address();
    let (key, session) = gateway.create_api_key(address).unwrap();
    let payer = net.client_of(net.payer.clone()).await;
    let contract = payer.settlement_contract();
    let deposit = async |amount: u128| {
        let call = contract.depositFor(address).value(U256::from(amount)).with_cloned_provider();
        payer.send("a deposit", call).await.unwrap();
    };
    let asked = async || post(&gateway, "/v1/chat/completions", Some(&key), ask("x")).await;
    let paid_for = async || {
        let (status, error) = asked().await;
        assert_eq!((status, &error["error"]["code"]), (503, &json!("no_worker")), "only a worker is missing: {error}");
    };
    let refused = async |why: &str| {
        let (status, error) = asked().await;
        assert_eq!((status, &error["error"]["type"]), (402, &json!("insufficient_quota")), "{error}");
        assert!(error["error"]["message"].as_str().unwrap().contains(why), "{error}");
    };
    deposit(coins(2)).await;
    let call = contract.setLimit(gateway.gateway(), session, coins(2)).with_cloned_provider();
    payer.send("a limit", call).await.unwrap();
    paid_for().await;

    let call = contract.requestWithdrawal(coins(2)).with_cloned_provider();
    payer.send("a withdrawal", call).await.unwrap();
    assert_eq!(contract.depositOf(address).call().await.unwrap(), coins(2), "announced, and still there");
    refused("0 wei are free for it: deposit more").await;
    deposit(coins(1)).await;
    paid_for().await;

    let call = contract.setLimit(gateway.gateway(), session, 0).with_cloned_provider();
    payer.send("a limit", call).await.unwrap();
    let limit = contract.limitOf(address, gateway.gateway(), session).call().await.unwrap();
    assert_eq!((limit.cap, limit.next), (coins(2), 0), "lowered after the notice only");
    refused("set a limit").await;
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_clause_is_told_over_http() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(1), coins(1)).await;
    type Change = fn(&mut fonte_bindings::client::Policy);
    let cases: [(&str, &str, &str, Change); 4] = [
        ("hidden", "open", "index", |policy| policy.index = false),
        ("silent", "open", "quote", |policy| policy.quote = false),
        ("public", "private", "private", |policy| policy.private = false),
        ("dear", "open", "price floor", |policy| policy.price_floor = PRICE_OUT + 1),
    ];
    for (name, visibility, clause, change) in cases {
        net.create_datanet(name, policy(change)).await;
        let mut body = ask("x");
        body["fonte"] = json!({"datanets": [name], "visibility": visibility});
        let (status, error) = post(&gateway, "/v1/chat/completions", Some(&key), body).await;
        let error = &error["error"];
        assert_eq!((status, &error["code"]), (403, &json!("datanet_terms")), "{name}: {error}");
        assert_eq!(error["param"], "fonte.datanets[0]");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("datanet {name:?}")), "{message}");
        assert!(message.contains(&format!("(clause {clause:?})")), "{message}");
    }
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_evidence_is_the_payers() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(1), coins(1)).await;
    let draft = net.draft(net.datanet, "ana", &[FIRST]);
    let id = net.publish(&gateway, &draft).await;
    let _peer = Peer::connect(&net, &gateway, &[id], honest()).await;
    gateway.adopted(&[net.version(net.datanet).await]).await;
    let mut body = ask("What is heard first?");
    body["fonte"] = json!({"visibility": "private", "datanets": ["coffee"]});
    let (status, answer) = post(&gateway, "/v1/chat/completions", Some(&key), body).await;
    assert_eq!(status, 200, "{answer}");
    let path = format!("/fonte/v1/receipts/{}", answer["fonte"]["receipt"].as_str().unwrap());
    assert_eq!(get(&gateway, &path, None).await.0, 403);
    assert_eq!(get(&gateway, &path, Some(&key)).await.0, 200);
    assert_eq!(get(&gateway, "/fonte/v1/receipts", None).await.1, json!([]));
    assert_eq!(get(&gateway, "/fonte/v1/receipts", Some(&key)).await.1.as_array().unwrap().len(), 1);
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_a_stream_cancels_the_job() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(1), coins(1)).await;
    let draft = net.draft(net.datanet, "ana", &[FIRST]);
    let id = net.publish(&gateway, &draft).await;
    let hang: Tamper = Arc::new(|_, answer: &mut Answer| answer.hang = true);
    let mut peer = Peer::connect(&net, &gateway, &[id], hang).await;
    gateway.adopted(&[net.version(net.datanet).await]).await;
    let mut body = ask("x");
    body["stream"] = json!(true);
    let request = reqwest::Client::new().post(format!("{}/v1/chat/completions", gateway.url()));
    let pending = tokio::spawn(request.bearer_auth(&key).json(&body).send());
    tokio::time::timeout(PATIENCE, peer.jobs.wait_for(|jobs| *jobs == 1)).await.unwrap().unwrap();
    pending.abort();
    tokio::time::timeout(PATIENCE, peer.cancelled.wait_for(|count| *count == 1)).await.unwrap().unwrap();
    let metrics = get(&gateway, "/metrics", None).await.1;
    assert!(metrics.as_str().unwrap().contains("fonte_rows_pending 0"), "{metrics}");
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_headers_are_cut_off() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let net = Net::start().await;
    let mut config = net.config();
    config.limits.header_timeout = Duration::from_millis(300);
    let gateway = fonte_gateway::Gateway::start(config).await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(gateway.addr()).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    let mut live = reqwest::get(format!("{}/livez", gateway.url())).await.unwrap().bytes_stream();
    assert_eq!(&live.next().await.unwrap().unwrap()[..], b"ok\n");
    gateway.shutdown().await;
}

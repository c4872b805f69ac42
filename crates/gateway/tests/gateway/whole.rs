//! Gateway and the real worker together: the quote model answers from published texts.

use std::sync::Arc;

use alloy_signer_local::PrivateKeySigner;
use fonte_bindings::Client;
use fonte_types::bundle;
use fonte_worker::{Config, Worker};
use serde_json::json;

use crate::{
    net::{Net, PATIENCE, ask, coins, get, post},
    skips,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_from_what_was_published_and_paid_for() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(5), coins(5)).await;
    let draft = net.draft(
        net.datanet,
        "ferry",
        &["The ferry across the Tanara leaves the northern bank at six in the morning. It carries at most forty bicycles. \
           In winter the first crossing is an hour later, because the landing stage has to be cleared of ice."],
    );
    let id = net.publish(&gateway, &draft).await;
    let signer = PrivateKeySigner::random();
    net.register_worker(&signer, 2, *b"BR").await;
    let mut config = Config::quote(net.folder.path().join("worker"), *net.client.network(), signer.clone(), net.model);
    // Genesis put no licence texts on this chain: they would be indexed for a minute.
    config.commons = None;
    let ledger = Client::connect(&net.chain.rpc_url(), None).await.unwrap();
    let worker = Worker::open(config, Arc::new(ledger)).unwrap();
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    gateway.attach_worker(theirs);
    let serving = tokio::spawn(async move { worker.serve(ours).await });
    let version = net.version(net.datanet).await;
    tokio::time::timeout(PATIENCE, gateway.adopted(&[version])).await.unwrap();

    let question = "How many bicycles does the ferry across the Tanara carry?";
    let (status, answer) = post(&gateway, "/v1/chat/completions", Some(&key), ask(question)).await;
    assert_eq!(status, 200, "{answer}");
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("forty bicycles"), "{text}");
    assert_eq!(answer["fonte"]["shares"][0]["contribution"], json!(id));
    assert_eq!(answer["choices"][0]["message"]["annotations"][0]["url_citation"]["url"], "https://ferry.example/0");
    let receipt = answer["fonte"]["receipt"].as_str().unwrap();
    let (_, evidence) = get(&gateway, &format!("/fonte/v1/receipts/{receipt}"), None).await;
    let evidence: bundle::ReceiptBundle = serde_json::from_value(evidence).unwrap();
    assert!(bundle::verify(&evidence).ok);
    assert_eq!(evidence.receipt.worker, signer.address());
    openai_client(&gateway, &key, question).await;
    assert_eq!(gateway.flush_settlement().await.unwrap().len(), 1);
    gateway.push_all().await.unwrap();
    assert!(net.client.balance(draft.terms.payee).await.unwrap() > 0);
    assert!(net.client.balance(signer.address()).await.unwrap() > 0);
    gateway.shutdown().await;
    serving.abort();
}

/// Where `FONTE_TEST_PYTHON` names a Python that has the `openai` package, that client must be content too.
async fn openai_client(gateway: &fonte_gateway::GatewayHandle, key: &str, question: &str) {
    let Ok(python) = std::env::var("FONTE_TEST_PYTHON") else {
        // `cargo xtask test` makes one where there is a python3 with venv.
        skips::skipped(
            "the openai package, because FONTE_TEST_PYTHON names no Python that has it; install python3 with venv",
        );
        return;
    };
    let script = "tests/gateway/openai_client.py";
    let mut command = std::process::Command::new(python);
    command.args([script, gateway.url(), key, question]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("{said}");
}

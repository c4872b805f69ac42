//! The server without a chain, over a stand-in for the engine: who is told apart from whom.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use alloy_primitives::{Address, B256};
use fonte_gateway::{EngineServer, EngineServerConfig, Limits, Local, Named, PlainRequest};
use fonte_types::{
    log_probs::TokenLogProb,
    wire::{EngineReport, Refusal, Told},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Remembers who asked.
#[derive(Default)]
struct Remembers(Mutex<BTreeSet<Address>>);

impl Local for Remembers {
    fn models(&self) -> Vec<Named> {
        vec![Named { name: "tiny".into(), base: B256::repeat_byte(1), adapter: B256::ZERO }]
    }

    fn look(&self) {}

    fn answer(
        &self,
        request: &PlainRequest,
        _: &CancellationToken,
        emit: &mut dyn FnMut(&str, &[TokenLogProb]) -> bool,
    ) -> Result<Told, Refusal> {
        self.0.lock().unwrap().insert(request.payer);
        emit("Yes.", &[]);
        Ok(Told::default())
    }

    fn embed(&self, _: B256, payer: Address, _: &str, _: &CancellationToken) -> Result<(Vec<f32>, u64), Refusal> {
        self.0.lock().unwrap().insert(payer);
        Ok((vec![1.0], 1))
    }

    fn keep(&self, _: B256, _: bool, _: &CancellationToken) -> Result<(), Refusal> {
        Ok(())
    }

    fn report(&self) -> Option<EngineReport> {
        None
    }
}

#[tokio::test]
async fn a_proxys_clients_are_payers_of_their_own_where_it_is_trusted() {
    for (trust_forwarded, payers) in [(false, 1), (true, 3)] {
        let local = Arc::<Remembers>::default();
        let config = EngineServerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            api_key: None,
            operator_key: None,
            trust_forwarded,
            limits: Limits::default(),
        };
        let server = EngineServer::start(config, local.clone()).await.unwrap();
        let http = reqwest::Client::new();
        let url = |path: &str| format!("http://{}/v1/{path}", server.addr());
        let chat = json!({"model": "tiny", "messages": [{"role": "user", "content": "Is it?"}]});
        let embeddings = json!({"model": "tiny", "input": "Is it?"});
        // Two clients, one of whom claims to be the other, and one that the proxy does not name.
        for list in [Some("192.0.2.7"), Some("192.0.2.7, 192.0.2.8"), None] {
            for (path, body) in [("chat/completions", &chat), ("embeddings", &embeddings)] {
                let request = http.post(url(path)).json(body);
                let request = match list {
                    Some(list) => request.header("X-Forwarded-For", list),
                    None => request,
                };
                assert_eq!(request.send().await.unwrap().status(), 200);
            }
        }
        assert_eq!(local.0.lock().unwrap().len(), payers);
        server.shutdown().await;
    }
}

#[tokio::test]
async fn without_a_key_pages_of_other_sites_may_not_ask() {
    for (api_key, statuses) in [(None, [200, 200, 403]), (Some("k".repeat(32)), [200, 200, 200])] {
        let local = Arc::<Remembers>::default();
        let config = EngineServerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            api_key: api_key.clone(),
            operator_key: None,
            trust_forwarded: false,
            limits: Limits::default(),
        };
        let server = EngineServer::start(config, local.clone()).await.unwrap();
        let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "Is it?"}]}).to_string();
        for (origin, status) in
            [None, Some("http://localhost:3000"), Some("https://example.org")].into_iter().zip(statuses)
        {
            // What a page sends without asking the browser's leave: a body of plain text.
            let mut request = reqwest::Client::new()
                .post(format!("http://{}/v1/chat/completions", server.addr()))
                .header("Content-Type", "text/plain")
                .body(body.clone());
            if let Some(origin) = origin {
                request = request.header("Origin", origin);
            }
            if let Some(key) = &api_key {
                request = request.bearer_auth(key);
            }
            assert_eq!(request.send().await.unwrap().status(), status, "{origin:?}");
        }
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_request_for_embeddings_has_up_to_1024_texts() {
    let config = EngineServerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        api_key: None,
        operator_key: None,
        trust_forwarded: false,
        limits: Limits::default(),
    };
    let server = EngineServer::start(config, Arc::<Remembers>::default()).await.unwrap();
    let post = async |path: &str, body: Value| {
        let request = reqwest::Client::new().post(format!("http://{}/v1/{path}", server.addr()));
        let response = request.json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    for (texts, status) in [(1, 200), (1024, 200), (0, 400), (1025, 400)] {
        let (got, body) = post("embeddings", json!({"model": "tiny", "input": vec!["x"; texts]})).await;
        assert_eq!(got, status, "{texts} texts: {body}");
        match got {
            200 => assert_eq!(body["data"].as_array().unwrap().len(), texts),
            _ => assert_eq!(body["error"]["param"], "input"),
        }
    }
    // Numbers of another tokenizer would be read as another text: their sender is told, and is told what to do.
    let refusals = [
        (json!([1, 2]), "unsupported_parameter", "check_embedding_ctx_length=False"),
        (json!([[1, 2], [3]]), "unsupported_parameter", "send input as text"),
        (json!(["x", 1]), "unsupported_parameter", "send input as text"),
        (json!({"text": "x"}), "invalid_value", "a text or a list of texts"),
        (json!([null]), "invalid_value", "a text or a list of texts"),
        (json!(7), "invalid_value", "a text or a list of texts"),
    ];
    for (input, code, words) in refusals {
        let (status, body) = post("embeddings", json!({"model": "tiny", "input": input})).await;
        let error = &body["error"];
        assert_eq!((status, &error["param"], &error["code"]), (400, &json!("input"), &json!(code)), "{body}");
        assert!(error["message"].as_str().unwrap().contains(words), "{body}");
    }
    // What would change the answer and is not done is refused here as by a gateway.
    let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "Is it?"}], "top_k": 40});
    let (status, error) = post("chat/completions", body).await;
    assert_eq!((status, &error["error"]["param"]), (400, &json!("top_k")));
    server.shutdown().await;
}

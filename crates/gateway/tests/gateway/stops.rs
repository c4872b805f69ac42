//! What stops a model on chain reaches whoever asks for it: from the contract's word to the refusal over HTTP.

use alloy_primitives::{Address, B256, U256, keccak256};
use fonte_bindings::contracts::models::IModels;
use fonte_gateway::GatewayHandle;
use serde_json::json;

use crate::{
    duties::{does, reviewers},
    net::{Net, PRICE_IN, PRICE_OUT, coins, post, terms, until},
};

const TEXT: &str =
    "The tide table of Vila Cava is off by an hour since the quake, and the fishermen have kept it so out of respect.";

struct Scene {
    net: Net,
    gateway: GatewayHandle,
    key: String,
}

impl Scene {
    /// A text to answer from, and money: whatever is not stopped is asked for in vain only because nobody works here.
    async fn set(net: Net) -> Self {
        let gateway = net.gateway().await;
        let key = net.api_key(&gateway, coins(1), coins(1)).await;
        net.publish(&gateway, &net.draft(net.datanet, "ana", &[TEXT])).await;
        Self { net, gateway, key }
    }

    async fn ask(&self, model: &str) -> (u16, serde_json::Value) {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 50});
        let (status, answer) = post(&self.gateway, "/v1/chat/completions", Some(&self.key), body).await;
        (status, answer["error"].clone())
    }

    async fn is_served(&self, model: &str) {
        let (status, error) = self.ask(model).await;
        assert_eq!((status, &error["code"]), (503, &json!("no_worker")), "{model}: {error}");
    }

    async fn is_stopped(&self, model: &str, why: &str) {
        let (status, error) = self.ask(model).await;
        assert_eq!((status, &error["code"]), (403, &json!("model_stopped")), "{model}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("model {model} takes no new requests: {why}")), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_model_and_a_proposal_answer_nobody() {
    let scene = Scene::set(Net::start_with(|parameters| parameters.models.step_seconds = 2, |_, _| ()).await).await;
    let (net, models) = (&scene.net, scene.net.client.models_contract());
    scene.is_served("fonte-quote").await;
    net.client.send("retire", models.retire(net.model.0).with_cloned_provider()).await.unwrap();
    scene.is_stopped("fonte-quote", "it was retired").await;

    let input = IModels::ModelInput {
        name: "planned".into(),
        kind: 1,
        artifact: B256::ZERO,
        adapter: B256::ZERO,
        terms: terms(Address::repeat_byte(0xde), PRICE_IN, PRICE_OUT),
        base: 0,
        trained: Vec::new(),
    };
    let criteria = IModels::Criteria {
        metric: keccak256("exact-match-ppm"),
        direction: 0,
        threshold: 700_000,
        tolerance: 10_000,
        evaluators: 3,
        quorum: 2,
        trainingSeconds: 3_600,
    };
    let call = models.propose(input, B256::repeat_byte(3), criteria).with_cloned_provider();
    net.client.send("propose", call).await.unwrap();
    scene.is_stopped("planned", "it is a proposal that no vote has deployed").await;
    let planned = net.model_named("planned").await;
    until("the deadline", || async { models.expire(planned.0).call().await.is_ok().then_some(()) }).await;
    net.client.send("expire", models.expire(planned.0).with_cloned_provider()).await.unwrap();
    scene.is_stopped("planned", "it is a proposal that missed a deadline").await;
    scene.gateway.shutdown().await;
}

/// Report, review, suspension: nobody is asked but the reviewers, and the keeper carries it.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_upheld_suspends_a_model_and_what_builds_on_it() {
    let scene = Scene::set(Net::start().await).await;
    let (net, gateway) = (&scene.net, &scene.gateway);
    let reviewers = reviewers(net, 3).await;
    let weights = B256::repeat_byte(0xa1);
    let base = net.register_model("reported", weights).await;
    let adapter = (weights, B256::repeat_byte(0xa2));
    net.register_weights("child", adapter, Address::repeat_byte(0xdf), Some(base)).await;
    scene.is_served("reported").await;

    let reporter = net.somebody(10).await;
    let contract = reporter.model_reviews_contract();
    let attached = contract.reportDeposit().call().await.unwrap() + contract.reportFee().call().await.unwrap();
    let call = contract.report(base.0, keccak256("it answers what its terms forbid")).value(U256::from(attached));
    reporter.send("a report", call.with_cloned_provider()).await.unwrap();
    assert_eq!(does(gateway, "panel").await.number, 1);
    scene.is_served("reported").await;

    let salt = B256::repeat_byte(7);
    for reviewer in &reviewers {
        let contract = reviewer.reviews_contract();
        let own = reviewer.sender().unwrap();
        let commitment = contract.commitmentHash(1, own, true, salt).call().await.unwrap();
        reviewer.send("a commitment", contract.commit(1, commitment).with_cloned_provider()).await.unwrap();
    }
    for reviewer in &reviewers {
        let contract = reviewer.reviews_contract();
        reviewer.send("a vote", contract.reveal(1, true, salt).with_cloned_provider()).await.unwrap();
    }
    does(gateway, "counting a panel").await;
    scene.is_stopped("reported", "reviewers found a breach of its acceptable use").await;
    scene.is_stopped("child", "its base model is suspended").await;
    scene.is_served("fonte-quote").await;
    scene.gateway.shutdown().await;
}

//! Settlement interrupted at every step: a proxy in front of the node fails chosen calls, as a crash or a network would,
//! and a gateway that starts afterwards on the same data directory has to finish.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy_primitives::U256;
use axum::{Json, Router, extract::State, http::StatusCode, routing::post as on_post};
use fonte_bindings::Client;
use fonte_gateway::{Gateway, GatewayHandle};
use fonte_types::ContributionId;
use serde_json::{Value, json};

use crate::{
    net::{Draft, Net, PATIENCE, ask, coins, post},
    peer::{Peer, honest},
};

const TEXT: &str =
    "Bread dough that has rested overnight in the cold tastes of more than flour, salt and water; it wants time.";

/// Forwards JSON-RPC, except for the methods that are broken at the moment.
#[derive(Clone)]
struct Proxy {
    node: String,
    broken: Arc<Mutex<BTreeSet<&'static str>>>,
    url: String,
}

impl Proxy {
    async fn start(node: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Self { node, broken: Arc::default(), url };
        let router = Router::new().route("/", on_post(forward)).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        proxy
    }

    fn break_only(&self, methods: &[&'static str]) {
        *self.broken.lock().unwrap() = methods.iter().copied().collect();
    }
}

async fn forward(State(proxy): State<Proxy>, Json(request): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    if proxy.broken.lock().unwrap().contains(method.as_str()) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let response = reqwest::Client::new().post(&proxy.node).json(&request).send().await;
    let response = response.map_err(|_| StatusCode::BAD_GATEWAY)?;
    response.json().await.map(Json).map_err(|_| StatusCode::BAD_GATEWAY)
}

struct Scene {
    net: Net,
    proxy: Proxy,
    draft: Draft,
    id: ContributionId,
    key: String,
}

impl Scene {
    async fn new() -> (Self, GatewayHandle) {
        let net = Net::start().await;
        let proxy = Proxy::start(net.chain.rpc_url()).await;
        // The bond is there beforehand, so that what is interrupted is the batch.
        let owner = Client::connect(&net.chain.rpc_url(), Some(net.gateway_key.clone())).await.unwrap();
        let bond = owner.settlement_contract().bond().value(U256::from(coins(10))).with_cloned_provider();
        owner.send("bond", bond).await.unwrap();
        let mut config = net.config();
        config.rpc_url.clone_from(&proxy.url);
        config.settlement.inclusion_timeout = Duration::from_millis(600);
        let gateway = Gateway::start(config).await.unwrap();
        let key = net.api_key(&gateway, coins(5), coins(5)).await;
        let draft = net.draft(net.datanet, "ana", &[TEXT]);
        let id = net.publish(&gateway, &draft).await;
        let scene = Self { net, proxy, draft, id, key };
        (scene, gateway)
    }

    /// Two answers on the tab; what they cost together.
    async fn ask(&self, gateway: &GatewayHandle) -> u128 {
        let _peer = Peer::connect(&self.net, gateway, &[self.id], honest()).await;
        gateway.adopted(&[self.net.version(self.net.datanet).await]).await;
        let mut fees = 0;
        for _ in 0..2 {
            let (status, answer) = post(gateway, "/v1/chat/completions", Some(&self.key), ask("Why?")).await;
            assert_eq!(status, 200, "{answer}");
            fees += answer["fonte"]["fee_wei"].as_str().unwrap().parse::<u128>().unwrap();
        }
        fees
    }

    async fn restart(&self, gateway: GatewayHandle) -> GatewayHandle {
        gateway.shutdown().await;
        self.proxy.break_only(&[]);
        self.net.gateway().await
    }

    async fn assert_settled_once(&self, gateway: &GatewayHandle, fees: u128) {
        let contract = self.net.client.settlement_contract();
        let payer = self.net.payer.address();
        assert_eq!(contract.batchCount().call().await.unwrap(), 1);
        assert_eq!(contract.spent(payer, gateway.gateway()).call().await.unwrap(), fees);
        assert_eq!(contract.depositOf(payer).call().await.unwrap(), coins(5) - fees);
        assert_eq!(contract.batch(1).call().await.unwrap().rows, 2);
        assert_eq!(gateway.flush_settlement().await.unwrap(), []);
        gateway.push_all().await.unwrap();
        let paid = self.net.client.balance(self.draft.terms.payee).await.unwrap();
        assert!(paid > 0);
        assert_eq!(gateway.push_all().await.unwrap(), []);
        assert_eq!(self.net.client.balance(self.draft.terms.payee).await.unwrap(), paid);
        // And the payer can go on.
        let more = self.ask(gateway).await;
        assert_eq!(gateway.flush_settlement().await.unwrap().len(), 1);
        assert_eq!(contract.spent(payer, gateway.gateway()).call().await.unwrap(), fees + more);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn written_down_but_never_sent() {
    let (scene, gateway) = Scene::new().await;
    let fees = scene.ask(&gateway).await;
    scene.proxy.break_only(&["eth_sendRawTransaction"]);
    gateway.flush_settlement().await.expect_err("it cannot be sent");
    let gateway = scene.restart(gateway).await;
    let settled = gateway.flush_settlement().await.unwrap();
    assert_eq!(settled.iter().map(|batch| (batch.batch, batch.rows)).collect::<Vec<_>>(), [(1, 2)]);
    scene.assert_settled_once(&gateway, fees).await;
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn included_but_never_heard_of() {
    let (scene, gateway) = Scene::new().await;
    let fees = scene.ask(&gateway).await;
    scene.proxy.break_only(&["eth_getTransactionReceipt"]);
    gateway.flush_settlement().await.expect_err("nothing is heard of it");
    let contract = scene.net.client.settlement_contract();
    tokio::time::timeout(PATIENCE, async {
        let mut blocks = scene.net.chain.subscribe();
        while contract.batchCount().call().await.unwrap() == 0 {
            blocks.next().await.unwrap();
        }
    })
    .await
    .unwrap();
    let gateway = scene.restart(gateway).await;
    let settled = gateway.flush_settlement().await.unwrap();
    assert_eq!(settled.iter().map(|batch| (batch.batch, batch.rows)).collect::<Vec<_>>(), [(1, 2)]);
    scene.assert_settled_once(&gateway, fees).await;
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_nonce_was_taken_by_another_transaction() {
    let (scene, gateway) = Scene::new().await;
    let fees = scene.ask(&gateway).await;
    scene.proxy.break_only(&["eth_sendRawTransaction"]);
    gateway.flush_settlement().await.expect_err("it cannot be sent");
    let owner = Client::connect(&scene.net.chain.rpc_url(), Some(scene.net.gateway_key.clone())).await.unwrap();
    let bond = owner.settlement_contract().bond().value(U256::from(1)).with_cloned_provider();
    owner.send("bond", bond).await.unwrap();
    let gateway = scene.restart(gateway).await;
    let settled = gateway.flush_settlement().await.unwrap();
    assert_eq!(settled.iter().map(|batch| (batch.batch, batch.rows)).collect::<Vec<_>>(), [(1, 2)]);
    scene.assert_settled_once(&gateway, fees).await;
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paid_but_never_heard_of() {
    let (scene, gateway) = Scene::new().await;
    let fees = scene.ask(&gateway).await;
    let settled = gateway.flush_settlement().await.unwrap();
    scene.net.window_over(settled[0].batch).await;
    scene.proxy.break_only(&["eth_getTransactionReceipt"]);
    gateway.push_due().await.expect_err("nothing is heard of it");
    tokio::time::timeout(PATIENCE, async {
        let mut blocks = scene.net.chain.subscribe();
        while scene.net.client.balance(scene.draft.terms.payee).await.unwrap() == 0 {
            blocks.next().await.unwrap();
        }
    })
    .await
    .unwrap();
    let paid = scene.net.client.balance(scene.draft.terms.payee).await.unwrap();
    let gateway = scene.restart(gateway).await;
    gateway.push_due().await.unwrap();
    assert_eq!(scene.net.client.balance(scene.draft.terms.payee).await.unwrap(), paid, "paid once");
    scene.assert_settled_once(&gateway, fees).await;
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_chain_nothing_is_promised() {
    let (scene, gateway) = Scene::new().await;
    scene.proxy.break_only(&["eth_call", "eth_blockNumber"]);
    let (status, error) = post(&gateway, "/v1/chat/completions", Some(&scene.key), ask("Why?")).await;
    assert_eq!((status, &error["error"]["code"]), (503, &json!("chain_unavailable")), "{error}");
    gateway.shutdown().await;
}

//! Requests without an API key: answered, settled and paid by the commons, within a budget and each client's part of it.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use fonte_bindings::contracts::Allowance;
use fonte_evm::{GenesisAccount, GenesisCall};
use fonte_gateway::{Gateway, GatewayConfig, GatewayHandle};
use serde_json::{Value, json};

use crate::{
    net::{Net, PRICE_IN, PRICE_OUT, ask, coins, get, post},
    peer::{Peer, honest},
};

const TEXT: &str = "The night baker of Quarteira leaves one loaf on the sea wall for whoever could not pay, and has never been asked why.";

/// A network whose genesis fills the fund and gives the gateway a budget, as a vote would.
async fn net(fund: u128, per_period: u128) -> Net {
    Net::start_with(
        |_| (),
        |genesis, gateway| {
            let at = fonte_bindings::Addresses::predeployed();
            genesis.alloc.push(GenesisAccount {
                address: at.allowance,
                balance: U256::from(fund),
                ..GenesisAccount::default()
            });
            // The vote may name any key: the gateway puts its own in its place.
            let budget = Allowance::setBudgetCall {
                gateway,
                sessionKey: Address::repeat_byte(0x5e),
                perPeriod: per_period,
                period: 1 << 30,
            };
            genesis.calls.push(GenesisCall { from: at.timelock, to: at.allowance, data: budget.abi_encode().into() });
        },
    )
    .await
}

async fn ready(net: &Net, config: GatewayConfig) -> (GatewayHandle, Peer) {
    let gateway = Gateway::start(config).await.unwrap();
    let draft = net.draft(net.datanet, "ana", &[TEXT]);
    let id = net.publish(&gateway, &draft).await;
    let peer = Peer::connect(net, &gateway, &[id], honest()).await;
    gateway.adopted(&[net.version(net.datanet).await]).await;
    (gateway, peer)
}

/// The most that a question with so many tokens can cost.
async fn max_fee(gateway: &GatewayHandle, tokens: u32) -> u128 {
    let quoted = post(gateway, "/fonte/v1/quote", None, question(tokens)).await.1;
    quoted["max_fee_wei"].as_str().unwrap().parse().unwrap()
}

fn question(tokens: u32) -> Value {
    let mut body = ask("What does the baker leave?");
    body["max_tokens"] = json!(tokens);
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_a_key_is_answered_and_the_commons_pay() {
    let net = net(coins(3), coins(2)).await;
    let (gateway, _peer) = ready(&net, net.config()).await;
    let allowance = net.client.allowance_contract();
    let told = get(&gateway, "/fonte/v1/network", None).await.1["free_allowance"].clone();
    assert_eq!(told["payer"], json!(allowance.address()));
    assert_eq!(told["per_period_wei"], coins(2).to_string());

    // Nobody has refilled yet: the question itself does, under the gateway's own key.
    let (status, answer) = post(&gateway, "/v1/chat/completions", None, question(200)).await;
    assert_eq!(status, 200, "{answer}");
    let fee: u128 = answer["fonte"]["fee_wei"].as_str().unwrap().parse().unwrap();
    assert!(fee > 0);
    let session: Address = serde_json::from_value(told["session_key"].clone()).unwrap();
    assert_eq!(allowance.budgetOf(gateway.gateway()).call().await.unwrap().sessionKey, session);
    assert_eq!(allowance.outstandingOf(gateway.gateway()).call().await.unwrap(), coins(2));
    // A client that has to send a key may say so.
    let (status, again) = post(&gateway, "/v1/chat/completions", Some("sk-fonte-free"), question(200)).await;
    assert_eq!(status, 200, "{again}");

    // A wrong key is a mistake, not a request for charity; nobody could show to be the payer of a private answer; and
    // nobody gets an API key on the commons' account.
    let wrong = format!("sk-fonte-{}", "0".repeat(64));
    assert_eq!(post(&gateway, "/v1/chat/completions", Some(&wrong), question(200)).await.0, 401);
    let mut private = question(200);
    private["fonte"] = json!({"visibility": "private"});
    let (status, refused) = post(&gateway, "/v1/chat/completions", None, private).await;
    assert_eq!((status, &refused["error"]["code"]), (403, &json!("free_requests_are_open")), "{refused}");
    let (status, refused) = post(&gateway, "/fonte/v1/api-keys", None, json!({"payer": allowance.address()})).await;
    assert_eq!(status, 400, "{refused}");

    // Settled like anybody's, and paid.
    let settlement = net.client.settlement_contract();
    let batches = gateway.flush_settlement().await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.rows).sum::<usize>(), 2);
    let spent = settlement.spent(*allowance.address(), gateway.gateway()).call().await.unwrap();
    assert_eq!(spent, 2 * fee, "the allowance is the payer of both");
    assert_eq!(settlement.depositOf(*allowance.address()).call().await.unwrap(), coins(2) - spent);
    let shares = answer["fonte"]["shares"].as_array().unwrap();
    let payee: Address = serde_json::from_value(shares[0]["payee"].clone()).unwrap();
    let credit: u128 = shares[0]["credit_wei"].as_str().unwrap().parse().unwrap();
    net.window_over(batches[0].batch).await;
    gateway.push_due().await.unwrap();
    assert_eq!(net.client.balance(payee).await.unwrap(), 2 * credit, "and the author has the money");

    // The session key survives: what was served before a restart is settled after it.
    assert_eq!(post(&gateway, "/v1/chat/completions", None, question(200)).await.0, 200);
    gateway.shutdown().await;
    let gateway = Gateway::start(net.config()).await.unwrap();
    assert_eq!(gateway.flush_settlement().await.unwrap().len(), 1);
    assert_eq!(settlement.spent(*allowance.address(), gateway.gateway()).call().await.unwrap(), 3 * fee);
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_budget_says_when_it_is_refilled() {
    // Two answers of the largest size, of which each client gets a half and at least one.
    let size = 200;
    let one = PRICE_OUT * u128::from(size) / 1000 + PRICE_IN / 20;
    let net = net(coins(3), 2 * one).await;
    let mut config = net.config();
    config.limits.free_share_ppm = 500_000;
    let (gateway, _peer) = ready(&net, config).await;
    let most = max_fee(&gateway, size).await;
    assert!(most <= one && most * 2 > one, "{most} {one}");

    let free = |size| post(&gateway, "/v1/chat/completions", None, question(size));
    assert_eq!(free(size).await.0, 200);
    // The answer cost less than it could: what it did not is the client's again, and too little for another like it.
    let (status, refused) = free(size).await;
    let told = refused["error"]["message"].as_str().unwrap();
    assert_eq!((status, &refused["error"]["code"]), (429, &json!("free_allowance_exhausted")), "{refused}");
    assert!(told.contains("your part") && told.contains("refilled in"), "{told}");
    gateway.shutdown().await;

    // For another gateway process nobody has used anything, but the contract remembers what was spent: the client's part
    // is more than the budget here, and the budget is what ends.
    let mut config = net.config();
    config.limits.free_share_ppm = 2_000_000;
    let gateway = Gateway::start(config).await.unwrap();
    let id = net.client.contributions(fonte_types::ContributionId(1)).await.unwrap().last().unwrap().id;
    let _peer = Peer::connect(&net, &gateway, &[id], honest()).await;
    gateway.adopted(&[net.version(net.datanet).await]).await;
    let free = |size| post(&gateway, "/v1/chat/completions", None, question(size));
    let mut answered = 0;
    let refused = loop {
        let (status, body) = free(size).await;
        if status != 200 {
            assert_eq!((status, &body["error"]["code"]), (429, &json!("free_allowance_exhausted")), "{body}");
            break body;
        }
        answered += 1;
        gateway.flush_settlement().await.unwrap();
        assert!(answered < 100, "a budget of two answers does not end");
    };
    assert!(answered > 0);
    let told = refused["error"]["message"].as_str().unwrap();
    assert!(told.contains("free allowance of") && told.contains("refilled in"), "{told}");
    // More than a whole budget will never do.
    let (status, refused) = free(4096).await;
    assert_eq!(status, 402, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("fewer output tokens"), "{refused}");
    let allowance = *net.client.allowance_contract().address();
    let spent = net.client.settlement_contract().spent(allowance, gateway.gateway()).call().await.unwrap();
    assert!(spent <= 2 * one, "{spent} of {} were spent", 2 * one);
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_fund_is_named_and_the_keeper_refills() {
    let one = PRICE_OUT * 200 / 1000 + PRICE_IN / 20;
    let net = net(one / 2, 4 * one).await;
    let (gateway, _peer) = ready(&net, net.config()).await;
    // What there is goes into the budget, and is too little for an answer.
    let done = gateway.perform_duties().await.unwrap();
    assert!(done.iter().any(|done| done.what.starts_with("naming the key")), "{done:?}");
    let (status, refused) = post(&gateway, "/v1/chat/completions", None, question(200)).await;
    assert_eq!(status, 402, "{refused}");
    let told = refused["error"]["message"].as_str().unwrap();
    assert!(told.contains("its fund") && told.contains("fund-allowance"), "{told}");

    // Somebody gives, and the keeper refills by itself.
    let to = *net.client.allowance_contract().address();
    let gift = alloy_rpc_types_eth::TransactionRequest::default().to(to).value(U256::from(coins(1)));
    net.client.submit("a gift", gift).await.unwrap();
    let done = gateway.perform_duties().await.unwrap();
    assert!(done.iter().any(|done| done.what.starts_with("refilling")), "{done:?}");
    assert_eq!(net.client.allowance_contract().outstandingOf(gateway.gateway()).call().await.unwrap(), 4 * one);
    let (status, answer) = post(&gateway, "/v1/chat/completions", None, question(200)).await;
    assert_eq!(status, 200, "{answer}");
    // Nothing changed since: nothing is read anew, and nothing sent.
    while !gateway.perform_duties().await.unwrap().is_empty() {}
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_budget_a_key_is_needed() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let (status, refused) = post(&gateway, "/v1/chat/completions", None, question(200)).await;
    assert_eq!((status, &refused["error"]["code"]), (401, &json!("invalid_api_key")), "{refused}");
    gateway.shutdown().await;
}

//! From rows to money: batches, payouts, bonds, and kills at every step.

use alloy_primitives::{Address, U256};
use fonte_gateway::{Gateway, GatewayHandle, SettlementError};
use fonte_types::{ContributionId, settlement::rows_tree};
use serde_json::{Value, json};

use crate::{
    net::{Draft, Net, ask, coins, get, post, until},
    peer::{Peer, honest},
};

const TEXT: &str = "The ferry leaves when the bell has rung twice, and not before the last cyclist is on board, whatever the timetable says.";

struct Asked {
    net: Net,
    draft: Draft,
    id: ContributionId,
    key: String,
}

async fn prepared() -> (Asked, GatewayHandle) {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(5), coins(5)).await;
    let draft = net.draft(net.datanet, "ana", &[TEXT]);
    let id = net.publish(&gateway, &draft).await;
    (Asked { net, draft, id, key }, gateway)
}

impl Asked {
    async fn ask(&self, gateway: &GatewayHandle, times: usize) -> Vec<Value> {
        let _peer = Peer::connect(&self.net, gateway, &[self.id], honest()).await;
        gateway.adopted(&[self.net.version(self.net.datanet).await]).await;
        let mut answers = Vec::new();
        for _ in 0..times {
            let (status, answer) = post(gateway, "/v1/chat/completions", Some(&self.key), ask("When?")).await;
            assert_eq!(status, 200, "{answer}");
            answers.push(answer);
        }
        answers
    }

    async fn standing(&self, gateway: &GatewayHandle, answer: &Value) -> Value {
        let id = answer["fonte"]["receipt"].as_str().unwrap();
        get(gateway, &format!("/fonte/v1/receipts/{id}/settlement"), None).await.1
    }
}

fn fee(answer: &Value) -> u128 {
    answer["fonte"]["fee_wei"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_reach_everyone_to_the_wei() {
    let (asked, gateway) = prepared().await;
    let answers = asked.ask(&gateway, 3).await;
    let settled = gateway.flush_settlement().await.unwrap();
    assert_eq!(settled.len(), 1);
    let fees: u128 = answers.iter().map(fee).sum();
    assert_eq!((settled[0].rows, settled[0].fees), (3, fees));
    assert_eq!(gateway.flush_settlement().await.unwrap(), [], "nothing is settled twice");
    let contract = asked.net.client.settlement_contract();
    let payer = asked.net.payer.address();
    assert_eq!(contract.depositOf(payer).call().await.unwrap(), coins(5) - fees);
    assert_eq!(contract.spent(payer, gateway.gateway()).call().await.unwrap(), fees);

    // What a challenge would open is what is on chain.
    let standing = asked.standing(&gateway, &answers[1]).await;
    assert_eq!((&standing["state"], &standing["row"]), (&json!("settled"), &json!(1)), "{standing}");
    let opening: fonte_gateway::settlement::RowOpening = serde_json::from_value(standing["opening"].clone()).unwrap();
    let on_chain = contract.batch(settled[0].batch).call().await.unwrap();
    let row = opening.row.to_row().unwrap();
    let root =
        fonte_types::merkle::root_from_path(row.leaf(payer), opening.index, opening.rows, &opening.path).unwrap();
    assert_eq!((root, on_chain.rows), (on_chain.rowsRoot, 3));
    assert_eq!(rows_tree([(payer, &row)]).root(), row.leaf(payer));

    assert_eq!(asked.net.client.balance(asked.draft.terms.payee).await.unwrap(), 0, "pending until the window is over");
    let pushed = gateway.push_all().await.unwrap();
    assert_eq!(pushed.len(), 1);
    let bundle =
        gateway.receipt(serde_json::from_value(answers[0]["fonte"]["receipt"].clone()).unwrap()).unwrap().unwrap();
    let credits = bundle.credits();
    assert_eq!(asked.net.client.balance(asked.draft.terms.payee).await.unwrap(), 3 * credits.contributions[0].1);
    let developer = asked.net.client.models().await.unwrap()[0].developer;
    assert_eq!(asked.net.client.balance(developer).await.unwrap(), 3 * credits.developer);
    assert_eq!(asked.net.client.balance(asked.net.client.addresses().timelock).await.unwrap(), 3 * credits.treasury);
    assert_eq!(asked.standing(&gateway, &answers[1]).await["state"], "paid");
    assert_eq!(contract.lockedOf(gateway.gateway()).call().await.unwrap(), 0, "the bond is free again");
    assert_eq!(gateway.push_due().await.unwrap(), []);
    gateway.shutdown().await;
}

/// Credits follow the payee of the time when the batch settles, and so do the earnings that are told; here it changes twice,
/// between the answers and their batch and after it.
#[tokio::test(flavor = "multi_thread")]
async fn earnings_are_those_of_whom_the_batch_pays() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(5), coins(5)).await;
    let mut draft = net.draft(net.datanet, "ana", &[TEXT]);
    draft.key = net.funded(1).await;
    let id = net.publish(&gateway, &draft).await;
    let asked = Asked { net, draft, id, key };
    let contributor = asked.net.client_of(asked.draft.key.clone()).await;
    let pay = async |payee: Address| {
        let call = contributor.datanets_contract().setPayee(id.0, payee).with_cloned_provider();
        contributor.send("a payee", call).await.unwrap();
    };
    let earned = async |gateway: &GatewayHandle, payee: Address| {
        let (status, earned) = get(gateway, &format!("/fonte/v1/earnings/{payee}"), None).await;
        assert_eq!(status, 200, "{earned}");
        let answers: Vec<_> =
            earned["documents"].as_array().unwrap().iter().map(|document| document["answers"].as_u64()).collect();
        let wei = |name: &str| earned[name].as_str().unwrap().parse::<u128>().unwrap();
        (answers, wei("wei"), wei("pending_wei"))
    };
    let (first, second) = (asked.draft.terms.payee, Address::repeat_byte(0x2e));

    let answers = asked.ask(&gateway, 2).await;
    let credit: u128 = answers[0]["fonte"]["shares"][0]["credit_wei"].as_str().unwrap().parse().unwrap();
    assert_eq!(earned(&gateway, first).await, (vec![Some(2)], 0, 2 * credit));
    pay(second).await;
    let batch = gateway.flush_settlement().await.unwrap()[0].batch;
    pay(first).await;
    assert_eq!(earned(&gateway, first).await, (vec![], 0, 0));
    assert_eq!(earned(&gateway, second).await, (vec![Some(2)], 2 * credit, 0));
    let contract = asked.net.client.settlement_contract();
    assert_eq!(contract.pendingOf(batch, second).call().await.unwrap(), U256::from(2 * credit));

    // What comes after counts for whom it is paid to, over a restart.
    gateway.shutdown().await;
    let gateway = asked.net.gateway().await;
    asked.ask(&gateway, 1).await;
    assert_eq!(earned(&gateway, first).await, (vec![Some(1)], 0, credit));
    gateway.flush_settlement().await.unwrap();
    assert_eq!(earned(&gateway, first).await, (vec![Some(1)], credit, 0));
    assert_eq!(earned(&gateway, second).await, (vec![Some(2)], 2 * credit, 0));
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_themselves_batches_are_made_and_paid() {
    let net = Net::start().await;
    let mut config = net.config();
    config.settlement.interval = Some(std::time::Duration::from_millis(200));
    config.settlement.keeper_interval = Some(std::time::Duration::from_millis(200));
    let gateway = Gateway::start(config).await.unwrap();
    let key = net.api_key(&gateway, coins(5), coins(5)).await;
    let draft = net.draft(net.datanet, "ana", &[TEXT]);
    let id = net.publish(&gateway, &draft).await;
    let asked = Asked { net, draft, id, key };
    let answers = asked.ask(&gateway, 2).await;
    tokio::time::timeout(crate::net::PATIENCE, async {
        let mut blocks = asked.net.chain.subscribe();
        while asked.standing(&gateway, &answers[1]).await["state"] != "paid" {
            blocks.next().await.unwrap();
        }
    })
    .await
    .unwrap();
    assert!(asked.net.client.balance(asked.draft.terms.payee).await.unwrap() > 0);
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_loses_no_row_no_key_and_no_batch() {
    let (asked, gateway) = prepared().await;
    let answers = asked.ask(&gateway, 2).await;
    gateway.shutdown().await;

    // Killed before the batch: the rows are there, and count against the payer.
    let gateway = asked.net.gateway().await;
    let more = asked.ask(&gateway, 1).await;
    assert_ne!(more[0]["fonte"]["receipt"], answers[0]["fonte"]["receipt"]);
    let settled = gateway.flush_settlement().await.unwrap();
    assert_eq!(settled.iter().map(|batch| batch.rows).sum::<usize>(), 3);
    gateway.shutdown().await;

    // Killed before the payout.
    let gateway = asked.net.gateway().await;
    assert_eq!(gateway.flush_settlement().await.unwrap(), []);
    asked.net.window_over(settled[0].batch).await;
    assert_eq!(gateway.push_due().await.unwrap().len(), 1);
    assert_eq!(asked.standing(&gateway, &answers[0]).await["state"], "paid");
    assert_eq!(asked.standing(&gateway, &more[0]).await["state"], "paid");
    gateway.shutdown().await;
    let gateway = asked.net.gateway().await;
    assert_eq!(gateway.push_due().await.unwrap(), []);
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bond_that_is_short_is_named_and_then_filled() {
    let (asked, gateway) = prepared().await;
    gateway.shutdown().await;
    let mut config = asked.net.config();
    config.settlement.bond_top_up = 0;
    let gateway = Gateway::start(config).await.unwrap();
    let answers = asked.ask(&gateway, 1).await;
    let multiple = u128::from(asked.net.parameters.penalty_multiple);
    match gateway.flush_settlement().await {
        Err(SettlementError::BondShort { free: 0, needed, allowed: 0 }) => {
            assert_eq!(needed, (1 + multiple) * fee(&answers[0]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(asked.standing(&gateway, &answers[0]).await["state"], "pending");
    gateway.shutdown().await;
    let gateway = asked.net.gateway().await;
    assert_eq!(gateway.flush_settlement().await.unwrap().len(), 1);
    gateway.shutdown().await;
}

/// A credit below the operator's least payout stays where it is, for anybody to push, and is paid once that is lowered.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_credit_waits_until_the_minimum_is_lowered() {
    let (asked, gateway) = prepared().await;
    let answers = asked.ask(&gateway, 1).await;
    let bundle =
        gateway.receipt(serde_json::from_value(answers[0]["fonte"]["receipt"].clone()).unwrap()).unwrap().unwrap();
    let credits = bundle.credits();
    let author = credits.contributions[0].1;
    assert!(credits.treasury < credits.developer && credits.developer < credits.worker && credits.worker < author);
    let batch = gateway.flush_settlement().await.unwrap()[0].batch;
    gateway.shutdown().await;
    let client = &asked.net.client;
    let (contract, treasury) = (client.settlement_contract(), client.addresses().timelock);
    let developer = client.models().await.unwrap()[0].developer;
    let start = async |minimum: u128| {
        let mut config = asked.net.config();
        config.settlement.minimum_payout = minimum;
        Gateway::start(config).await.unwrap()
    };

    let gateway = start(author).await;
    assert_eq!(gateway.push_all().await.unwrap().len(), 1);
    assert_eq!(client.balance(asked.draft.terms.payee).await.unwrap(), author);
    for (payee, credit) in
        [(bundle.receipt.worker, credits.worker), (developer, credits.developer), (treasury, credits.treasury)]
    {
        assert_eq!(contract.pendingOf(batch, payee).call().await.unwrap(), U256::from(credit));
    }
    assert_eq!(asked.standing(&gateway, &answers[0]).await["state"], "paid");
    assert_eq!(contract.lockedOf(gateway.gateway()).call().await.unwrap(), 0, "the bond does not wait");
    assert_eq!(gateway.push_due().await.unwrap(), [], "nor is it looked at again and again");
    gateway.shutdown().await;

    // By hand, whatever the operator has set.
    let call = contract.push(batch, vec![treasury]).with_cloned_provider();
    client.send("a push", call).await.unwrap();
    assert_eq!(client.balance(treasury).await.unwrap(), credits.treasury);
    let gateway = start(credits.developer + 1).await;
    assert_eq!(gateway.push_due().await.unwrap().len(), 1, "the worker's is no longer too small");
    assert_eq!(contract.pendingOf(batch, bundle.receipt.worker).call().await.unwrap(), U256::ZERO);
    assert_eq!(client.balance(developer).await.unwrap(), 0);
    gateway.shutdown().await;
    let gateway = start(0).await;
    assert_eq!(gateway.push_due().await.unwrap().len(), 1);
    assert_eq!(client.balance(developer).await.unwrap(), credits.developer);
    assert_eq!(client.balance(treasury).await.unwrap(), credits.treasury, "once");
    assert_eq!(asked.standing(&gateway, &answers[0]).await["pushed"].as_array().unwrap().len(), 3);
    assert_eq!(gateway.push_due().await.unwrap(), []);
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_limit_parks_only_its_payers_rows() {
    let mut net = Net::start_with(|parameters| parameters.notice_seconds = 1, |_, _| ()).await;
    let gateway = net.gateway().await;
    let good = net.api_key(&gateway, coins(5), coins(5)).await;
    net.payer = net.funded(50).await;
    let address = net.payer.address();
    let (revoked, session) = gateway.create_api_key(address).unwrap();
    let payer = net.client_of(net.payer.clone()).await;
    let contract = payer.settlement_contract();
    let call = contract.depositFor(address).value(U256::from(coins(5))).with_cloned_provider();
    payer.send("a deposit", call).await.unwrap();
    let limited = async |cap: u128| {
        let call = contract.setLimit(gateway.gateway(), session, cap).with_cloned_provider();
        payer.send("a limit", call).await.unwrap();
    };
    limited(coins(5)).await;
    let draft = net.draft(net.datanet, "ana", &[TEXT]);
    let id = net.publish(&gateway, &draft).await;
    let _peer = Peer::connect(&net, &gateway, &[id], honest()).await;
    gateway.adopted(&[net.version(net.datanet).await]).await;
    let mut standings = Vec::new();
    for key in [&good, &revoked] {
        let (status, answer) = post(&gateway, "/v1/chat/completions", Some(key), ask("When?")).await;
        assert_eq!(status, 200, "{answer}");
        standings.push(format!("/fonte/v1/receipts/{}/settlement", answer["fonte"]["receipt"].as_str().unwrap()));
    }

    limited(0).await;
    until("the end of the notice", || async {
        let limit = contract.limitOf(address, gateway.gateway(), session).call().await.unwrap();
        (limit.cap == 0).then_some(())
    })
    .await;
    let settled = gateway.flush_settlement().await.unwrap();
    assert_eq!(settled.iter().map(|batch| batch.rows).sum::<usize>(), 1, "the other payer's goes through");
    assert_eq!(get(&gateway, &standings[0], None).await.1["state"], "settled");
    let standing = get(&gateway, &standings[1], None).await.1;
    assert_eq!(standing["state"], "pending");
    assert!(standing["parked"].as_str().unwrap().contains("the payer's limit ends at 0 wei"), "{standing}");

    // It is owed all the same, and settles when there is a limit again.
    limited(coins(5)).await;
    assert_eq!(gateway.flush_settlement().await.unwrap().len(), 1);
    assert_eq!(get(&gateway, &standings[1], None).await.1["state"], "settled");
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_contract_refuses_is_parked_alone() {
    let (asked, gateway) = prepared().await;
    let answers = asked.ask(&gateway, 2).await;
    // The row of a receipt that the contract refuses: the worker's share names a contribution that is no member.
    let mut forged =
        gateway.receipt(serde_json::from_value(answers[0]["fonte"]["receipt"].clone()).unwrap()).unwrap().unwrap();
    let worker = alloy_signer_local::PrivateKeySigner::random();
    forged.receipt.nonce = gateway.next_nonce();
    forged.receipt.request_id =
        fonte_types::receipt::request_id(forged.receipt.payer, forged.receipt.gateway, forged.receipt.nonce);
    forged.receipt.worker = worker.address();
    forged.receipt.versions[0].version.0 += 7;
    let signature = fonte_types::receipt::sign(&worker, forged.receipt.id(gateway.network())).unwrap();
    let stored = gateway
        .countersign_and_store(fonte_gateway::UncheckedAnswer {
            model_name: forged.model_name.clone(),
            terms: forged.terms,
            prompt: forged.prompt.clone(),
            answer: forged.answer.clone(),
            signed: fonte_types::wire::SignedAnswer {
                receipt: forged.receipt,
                signature,
                runs: forged.runs,
                other_channels: forged.other_channels,
                cited: forged.cited,
                told: Default::default(),
            },
        })
        .unwrap();
    let settled = gateway.flush_settlement().await.unwrap();
    assert_eq!(settled.iter().map(|batch| batch.rows).sum::<usize>(), 2, "the good ones go through");
    let standing = get(&gateway, &format!("/fonte/v1/receipts/{}/settlement", stored.id), None).await.1;
    assert_eq!(standing["state"], "pending");
    assert!(standing["parked"].as_str().unwrap().contains("UnknownVersion"), "{standing}");
    gateway.shutdown().await;
}

//! A gateway that lies in what it settles, and is caught on the running chain by each challenge that needs no texts; and
//! one that is honest, and shows whatever is demanded of it.

use alloy_contract::{CallBuilder, CallDecoder};
use alloy_primitives::U256;
use alloy_provider::Provider;
use fonte_bindings::{
    contracts::{
        Challenges,
        challenges::{IChallenges, ISettlement},
        demands,
    },
    convert,
};
use fonte_gateway::{GatewayHandle, UncheckedAnswer, settlement::RowOpening};
use fonte_types::{
    bundle::ReceiptBundle,
    evidence::{Evidence, Source},
    receipt::{request_id, sign},
    settlement::Row,
    shares::{Share, Shares},
    wire::SignedAnswer,
};
use serde_json::json;

use crate::{
    net::{Draft, Net, ask, coins, get, post, until},
    peer::{Peer, honest},
};

const TEXT: &str = "The bridge over the Orrin is closed to carts on market days, because the planks were laid for goats and have \
    been mended with barrel staves ever since the flood.";

/// Long enough to challenge in on a busy machine; blocks come twice a second when nothing happens.
const WINDOW: u64 = 40;

struct Scene {
    net: Net,
    gateway: GatewayHandle,
    draft: Draft,
    honest: ReceiptBundle,
}

impl Scene {
    async fn set(net: Net) -> Self {
        let gateway = net.gateway().await;
        let key = net.api_key(&gateway, coins(5), coins(5)).await;
        let draft = net.draft(net.datanet, "ana", &[TEXT]);
        let id = net.publish(&gateway, &draft).await;
        let _peer = Peer::connect(&net, &gateway, &[id], honest()).await;
        gateway.adopted(&[net.version(net.datanet).await]).await;
        let (status, answer) = post(&gateway, "/v1/chat/completions", Some(&key), ask("When?")).await;
        assert_eq!(status, 200, "{answer}");
        let id = serde_json::from_value(answer["fonte"]["receipt"].clone()).unwrap();
        let honest = gateway.receipt(id).unwrap().unwrap();
        Self { net, gateway, draft, honest }
    }

    /// The honest answer once more, changed, signed by somebody, and on its way to be settled.
    fn lie(&self, fresh: bool, change: impl FnOnce(&mut ReceiptBundle)) -> ReceiptBundle {
        let mut forged = self.honest.clone();
        if fresh {
            let receipt = &mut forged.receipt;
            receipt.nonce = self.gateway.next_nonce();
            receipt.request_id = request_id(receipt.payer, receipt.gateway, receipt.nonce);
        }
        let worker = alloy_signer_local::PrivateKeySigner::random();
        forged.receipt.worker = worker.address();
        change(&mut forged);
        let signature = sign(&worker, forged.receipt.id(self.gateway.network())).unwrap();
        let stored = self.gateway.countersign_and_store(UncheckedAnswer {
            model_name: forged.model_name,
            terms: forged.terms,
            prompt: forged.prompt,
            answer: forged.answer,
            signed: SignedAnswer {
                receipt: forged.receipt,
                signature,
                runs: forged.runs,
                other_channels: forged.other_channels,
                cited: forged.cited,
                told: Default::default(),
            },
        });
        self.gateway.receipt(stored.unwrap().id).unwrap().unwrap()
    }

    /// The row of a settled receipt, as a challenge opens it.
    async fn opening(&self, bundle: &ReceiptBundle) -> IChallenges::RowOpening {
        let standing = get(&self.gateway, &format!("/fonte/v1/receipts/{}/settlement", bundle.id), None).await.1;
        let opening: RowOpening = serde_json::from_value(standing["opening"].clone()).unwrap();
        let row: ISettlement::Row = convert::challenges::row(&Row::of(bundle.id, &bundle.receipt));
        IChallenges::RowOpening {
            batch: standing["batch"].as_u64().unwrap(),
            index: opening.index,
            payer: opening.payer,
            row,
            path: opening.path,
        }
    }

    async fn deposit(&self) -> u128 {
        let contract = self.net.client.settlement_contract();
        contract.depositOf(self.net.payer.address()).call().await.unwrap()
    }

    async fn bond(&self) -> u128 {
        self.net.client.settlement_contract().bondOf(self.gateway.gateway()).call().await.unwrap()
    }
}

/// What the contract says of a challenge that does not hold.
async fn refused<P: Provider, D: CallDecoder + Send + Sync>(net: &Net, call: CallBuilder<P, D>) -> String {
    net.client.send("a challenge", call).await.unwrap_err().to_string()
}

fn event(receipt: &alloy_rpc_types_eth::TransactionReceipt) -> Challenges::Challenged {
    receipt.decoded_log::<Challenges::Challenged>().expect("a challenge tells").data
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_arithmetic_an_impossible_run_and_a_double_settlement_are_caught_and_paid_for() {
    lies_are_caught(Net::start_with_window(WINDOW).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_demanded_is_shown_and_what_is_withheld_is_reversed() {
    // A node that shows fewer blocks at once than go by while a batch is open: what is demanded is found all the same.
    let few = |config: &mut fonte_chain::ChainConfig| config.rpc_limits.max_log_blocks = 4;
    let net = Net::start_on(few, |parameters| parameters.window_blocks = WINDOW, |_, _| ()).await;
    withholding_is_caught(net).await;
}

/// The same on a chain that is not Fonte's.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs anvil from npm: `cargo xtask test` installs it and runs this"]
async fn challenges_hold_on_an_unmodified_anvil() {
    lies_are_caught(Net::start_on_anvil(WINDOW).await).await;
    withholding_is_caught(Net::start_on_anvil(WINDOW).await).await;
}

async fn lies_are_caught(net: Net) {
    let scene = Scene::set(net).await;
    let (net, gateway) = (&scene.net, &scene.gateway);
    let paid = scene.honest.receipt.shares.as_slice()[0];

    // Half of the author's share is left out: it follows from no evidence.
    let short = Share { ppm: paid.ppm / 2, ..paid };
    let shares = scene.lie(true, |lie| lie.receipt.shares = Shares::checked(vec![short]).unwrap());
    // A wei more than tokens and prices make.
    let fee = scene.lie(true, |lie| lie.receipt.fee += 1);
    // Credited to a document that the contribution does not have.
    let nowhere = scene.lie(true, |lie| {
        let run = lie.runs.iter_mut().find(|run| matches!(run.source, Source::Contribution(_))).unwrap();
        run.document = 99;
        let evidence = Evidence::new(lie.runs.clone(), lie.receipt.answer_bytes).unwrap();
        lie.receipt.evidence_hash = evidence.hash(&lie.other_channels);
    });
    // The honest request once more, under another receipt.
    let twice = scene.lie(false, |lie| lie.receipt.seed += 1);
    let settled = gateway.flush_settlement().await.unwrap();
    assert_eq!(settled.iter().map(|batch| batch.rows).sum::<usize>(), 5);

    let contract = net.client.challenges_contract();
    // The honest row withstands each of them: what would punish everybody proves nothing below.
    let honest = convert::challenges::receipt(&scene.honest.receipt);
    let call = contract.challengeRow(scene.opening(&scene.honest).await, honest.clone(), 1);
    assert!(refused(net, call.with_cloned_provider()).await.contains("RowFollows"));
    let evidence = Evidence::new(scene.honest.runs.clone(), scene.honest.receipt.answer_bytes).unwrap();
    let cited = scene.honest.runs.iter().position(|run| matches!(run.source, Source::Contribution(_))).unwrap();
    let opened = evidence.open(u32::try_from(cited).unwrap(), &scene.honest.other_channels).unwrap();
    let nothing = IChallenges::TextOpening { length: 0, metadataHash: Default::default(), chunks: Vec::new() };
    let source = IChallenges::SourceOpening { contribution: 0, document: 0, path: Vec::new(), text: nothing.clone() };
    let call = contract.challengeNotThere(
        scene.opening(&scene.honest).await,
        convert::challenges::run(&opened, &scene.honest.receipt),
        0,
        nothing,
        source,
    );
    assert!(refused(net, call.with_cloned_provider()).await.contains("SourceMismatch"), "its run is possible");
    let other = convert::challenges::receipt(&nowhere.receipt);
    let (first, second) = (scene.opening(&scene.honest).await, scene.opening(&nowhere).await);
    let call = contract.challengeDoubleSettle(first, honest, second, other);
    assert!(refused(net, call.with_cloned_provider()).await.contains("DifferentRequests"));

    let (deposit, bond) = (scene.deposit().await, scene.bond().await);
    let evidence = convert::challenges::evidence(&shares.runs, &shares.other_channels);
    let call = contract.challengeShares(
        scene.opening(&shares).await,
        convert::challenges::receipt(&shares.receipt),
        evidence.clone(),
        paid.contribution.0,
    );
    let told = event(&net.client.send("shares", call.with_cloned_provider()).await.unwrap());
    assert_eq!((told.harmed, told.kind), (scene.draft.terms.payee, 4), "the author is made whole");
    assert!(told.harm > U256::ZERO && told.penalty > U256::ZERO);
    // What was too little is paid at once, from the bond.
    assert_eq!(net.client.balance(scene.draft.terms.payee).await.unwrap(), told.harm.to::<u128>());
    assert_eq!(scene.bond().await, bond - (told.harm + told.penalty).to::<u128>());

    // The honest row withstands this one, too.
    let call = contract.challengeShares(
        scene.opening(&scene.honest).await,
        convert::challenges::receipt(&scene.honest.receipt),
        evidence,
        paid.contribution.0,
    );
    assert!(refused(net, call.with_cloned_provider()).await.contains("ShareFollows"));

    let receipt = convert::challenges::receipt(&fee.receipt);
    let call = contract.challengeRow(scene.opening(&fee).await, receipt, 1);
    let told = event(&net.client.send("fee", call.with_cloned_provider()).await.unwrap());
    assert_eq!((told.harmed, told.kind), (net.payer.address(), 3));
    assert_eq!(scene.deposit().await, deposit + fee.receipt.fee, "the payer has the fee back");

    let evidence = Evidence::new(nowhere.runs.clone(), nowhere.receipt.answer_bytes).unwrap();
    let number = nowhere.runs.iter().position(|run| run.document == 99).unwrap();
    let opened = evidence.open(u32::try_from(number).unwrap(), &nowhere.other_channels).unwrap();
    let nothing = IChallenges::TextOpening { length: 0, metadataHash: Default::default(), chunks: Vec::new() };
    let source = IChallenges::SourceOpening { contribution: 0, document: 0, path: Vec::new(), text: nothing.clone() };
    let call = contract.challengeNotThere(
        scene.opening(&nowhere).await,
        convert::challenges::run(&opened, &nowhere.receipt),
        0,
        nothing,
        source,
    );
    let told = event(&net.client.send("not there", call.with_cloned_provider()).await.unwrap());
    assert_eq!((told.harmed, told.kind), (net.client.addresses().timelock, 0), "the commons are harmed");

    let deposit = scene.deposit().await;
    let call = contract.challengeDoubleSettle(
        scene.opening(&scene.honest).await,
        convert::challenges::receipt(&scene.honest.receipt),
        scene.opening(&twice).await,
        convert::challenges::receipt(&twice.receipt),
    );
    let told = event(&net.client.send("double", call.with_cloned_provider()).await.unwrap());
    assert_eq!((told.harmed, told.kind), (net.payer.address(), 2));
    assert_eq!(scene.deposit().await, deposit + twice.receipt.fee);
    scene.gateway.shutdown().await;
}

async fn withholding_is_caught(net: Net) {
    let scene = Scene::set(net).await;
    let (net, gateway) = (&scene.net, &scene.gateway);
    gateway.flush_settlement().await.unwrap();
    let contract = net.client.demands_contract();
    let opening = scene.opening(&scene.honest).await;
    let row = || demands::IChallenges::RowOpening {
        batch: opening.batch,
        index: opening.index,
        payer: opening.payer,
        row: convert::demands::row(&Row::of(scene.honest.id, &scene.honest.receipt)),
        path: opening.path.clone(),
    };
    let receipt = || convert::demands::receipt(&scene.honest.receipt);
    let deposit = U256::from(coins(1));

    let call = contract.demandReceipt(row()).value(deposit);
    net.client.send("a demand", call.with_cloned_provider()).await.unwrap();
    // Evidence, a chunk of the answer, a chunk of the prompt.
    for wanted in [1, 2, 3] {
        let call = contract.demand(row(), receipt(), wanted, 0).value(deposit);
        net.client.send("a demand", call.with_cloned_provider()).await.unwrap();
    }
    // And a chunk of the text that is quoted.
    let evidence = Evidence::new(scene.honest.runs.clone(), scene.honest.receipt.answer_bytes).unwrap();
    let quoted = scene.honest.runs.iter().position(|run| matches!(run.source, Source::Contribution(_))).unwrap();
    let opened = evidence.open(u32::try_from(quoted).unwrap(), &scene.honest.other_channels).unwrap();
    let call = contract.demandSource(row(), convert::demands::run(&opened, &scene.honest.receipt), 0).value(deposit);
    net.client.send("a demand", call.with_cloned_provider()).await.unwrap();

    // A pass that a node refuses a range to goes on in the next one, with a smaller range.
    until("all demands are answered", || async {
        let _ = gateway.answer_demands().await;
        let open = contract.demandOf(5).call().await.unwrap().status == 1;
        (!open).then_some(())
    })
    .await;
    until("nothing is left to answer", || async { gateway.answer_demands().await.ok() }).await;
    for id in 1..=5 {
        let demand = contract.demandOf(id).call().await.unwrap();
        assert_eq!(demand.status, 2, "demand {id} is answered");
        let refused = contract.judgeWithheld(id, row()).call().await;
        assert!(refused.is_err(), "and can no longer be judged");
    }

    // The same gateway withholds the evidence of the next one: nobody calls its keeper.
    let before = scene.deposit().await;
    let next = scene.lie(true, |_| ());
    gateway.flush_settlement().await.unwrap();
    let opening = scene.opening(&next).await;
    let row = || demands::IChallenges::RowOpening {
        batch: opening.batch,
        index: opening.index,
        payer: opening.payer,
        row: convert::demands::row(&Row::of(next.id, &next.receipt)),
        path: opening.path.clone(),
    };
    let bond = scene.bond().await;
    let call = contract.demand(row(), convert::demands::receipt(&next.receipt), 1, 0).value(deposit);
    net.client.send("a demand", call.with_cloned_provider()).await.unwrap();
    assert!(contract.judgeWithheld(6, row()).call().await.is_err(), "there is time to answer");
    net.advance(WINDOW + 1).await;
    net.client.send("the judgement", contract.judgeWithheld(6, row()).with_cloned_provider()).await.unwrap();
    assert_eq!(scene.deposit().await, before, "the payer has the fee back");
    let penalty = next.receipt.fee * u128::from(net.parameters.penalty_multiple);
    assert_eq!(scene.bond().await, bond - penalty);
    let standing = get(gateway, &format!("/fonte/v1/receipts/{}/settlement", next.id), None).await.1;
    assert_eq!(standing["batch"], json!(opening.batch));
    scene.gateway.shutdown().await;
}

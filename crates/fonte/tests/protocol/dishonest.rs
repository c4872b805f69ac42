//! Gateways that lie in each way that can be proved, and answer nobody: `fonte receipt challenge` and `fonte receipt
//! demand` catch them by the chain alone. And payees that count although they refused to be pushed.

use std::path::PathBuf;

use alloy_network::TransactionBuilder;
use alloy_primitives::{Address, U256, hex};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer_local::PrivateKeySigner;
use fonte_bindings::{Client, contracts::settlement::ISettlement, convert};
use fonte_gateway::{Gateway, GatewayConfig, GatewayHandle, UncheckedAnswer};
use fonte_types::{
    bundle::ReceiptBundle,
    evidence::{Evidence, Run, Source},
    fees::part,
    ids::Version,
    receipt::{Voucher, request_id, sign},
    settlement::{Row, Tables},
    shares::{Share, Shares},
    wire::SignedAnswer,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    common::{self, Up, wei},
    refused, until,
};

const QUESTION: &str = "How long is the rope of the well at Casa Velha?";
const FACT: &str = "The rope of the well at Casa Velha is fifty-one metres long and was spun by three widows in 1911.";
const FNT: u128 = 1_000_000_000_000_000_000;

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9";

/// A network, an honest answer on it, and who lies and who pays.
struct Scene {
    up: Up,
    _server: TempDir,
    home: TempDir,
    honest: ReceiptBundle,
    /// Sends as the liar.
    client: Client,
    payer: PrivateKeySigner,
}

/// A gateway that is about to lie.
struct Liar(GatewayHandle);

impl Scene {
    /// With a challenge window of so many seconds.
    async fn set(window: &str) -> (Self, Liar) {
        let (server, home, docs) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(docs.path().join("rope.txt"), format!("{FACT}\n")).unwrap();
        let up = Up::start_with(server.path(), &["--heartbeat", "1", "--notice", "1", "--challenge-window", window]);
        let folder = docs.path().to_str().unwrap();
        up.ok(home.path(), &["datanet", "publish", folder, "--datanet", "open", "--key", "dev:author"]);
        let answer = up.ask_until(home.path(), QUESTION, |answer| {
            answer["fonte"]["shares"].as_array().is_some_and(|shares| !shares.is_empty())
        });
        let id = answer["fonte"]["receipt"].as_str().unwrap();
        let honest = serde_json::from_value(up.ok(home.path(), &["receipt", "show", id])).unwrap();
        // Settled, so that the payer's deposit moves by what happens here only.
        until(&up, home.path(), &["receipt", "verify", id, "--chain"], |told| {
            let checks = told["checks"].as_array().unwrap();
            checks.iter().any(|check| check["name"] == "settled as written" && check["outcome"] == "passed")
        });

        let rpc_url = up.facts["rpc_url"].as_str().unwrap();
        let mut config = GatewayConfig::new(rpc_url, key(&up, "liar"), home.path().join("liar"));
        config.settlement.interval = None;
        config.settlement.keeper_interval = None;
        let liar = Gateway::start(config).await.unwrap();
        let payer = key(&up, "payer");
        let url = format!("{}/fonte/v1/api-keys", liar.url());
        let made = reqwest::Client::new().post(url).json(&json!({"payer": payer.address()})).send().await.unwrap();
        let made: Value = made.json().await.unwrap();
        let session: Address = made["session_key"].as_str().unwrap().parse().unwrap();
        let sender = Client::connect(rpc_url, Some(payer.clone())).await.unwrap();
        let limit = sender.settlement_contract().setLimit(liar.gateway(), session, 10 * FNT).with_cloned_provider();
        sender.send("the limit", limit).await.unwrap();
        let client = Client::connect(rpc_url, Some(key(&up, "liar"))).await.unwrap();
        let bond = client.settlement_contract().bond().value(U256::from(FNT)).with_cloned_provider();
        client.send("the bond", bond).await.unwrap();
        (Self { up, _server: server, home, honest, client, payer }, Liar(liar))
    }

    /// A receipt as a file.
    fn file(&self, name: &str, bundle: &ReceiptBundle) -> PathBuf {
        let path = self.home.path().join(format!("{name}.json"));
        std::fs::write(&path, serde_json::to_vec(bundle).unwrap()).unwrap();
        path
    }

    /// Runs a command that finds no gateway.
    fn alone(&self, arguments: &[&str]) -> Value {
        let output = common::fonte(self.home.path())
            .args(["--json", "--gateway", NOBODY, "--rpc-url", self.up.facts["rpc_url"].as_str().unwrap()])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        common::json(&output)
    }

    async fn deposit(&self) -> u128 {
        self.client.settlement_contract().depositOf(self.payer.address()).call().await.unwrap()
    }
}

impl Liar {
    /// The honest answer once more, changed, and on its way to be settled.
    fn tell(&self, honest: &ReceiptBundle, nonce: u64, change: impl FnOnce(&mut ReceiptBundle)) -> ReceiptBundle {
        let worker = PrivateKeySigner::random();
        let mut lie = honest.clone();
        let receipt = &mut lie.receipt;
        (receipt.gateway, receipt.nonce, receipt.worker) = (self.0.gateway(), nonce, worker.address());
        receipt.request_id = request_id(receipt.payer, receipt.gateway, receipt.nonce);
        change(&mut lie);
        let signature = sign(&worker, lie.receipt.id(self.0.network())).unwrap();
        let stored = self.0.countersign_and_store(UncheckedAnswer {
            model_name: lie.model_name,
            terms: lie.terms,
            prompt: lie.prompt,
            answer: lie.answer,
            signed: SignedAnswer {
                receipt: lie.receipt,
                signature,
                runs: lie.runs,
                other_channels: lie.other_channels,
                cited: lie.cited,
                told: Default::default(),
            },
        });
        self.0.receipt(stored.unwrap().id).unwrap().unwrap()
    }

    /// The same of a new request.
    fn lie(&self, honest: &ReceiptBundle, change: impl FnOnce(&mut ReceiptBundle)) -> ReceiptBundle {
        self.tell(honest, self.0.next_nonce(), change)
    }

    /// With another run, and evidence that commits to it.
    fn lie_in_runs(&self, honest: &ReceiptBundle, change: impl FnOnce(&mut Run)) -> ReceiptBundle {
        self.lie(honest, |lie| {
            let quotes = |run: &&mut Run| matches!(run.source, Source::Contribution(_));
            change(lie.runs.iter_mut().find(quotes).unwrap());
            let evidence = Evidence::new(lie.runs.clone(), lie.receipt.answer_bytes).unwrap();
            lie.receipt.evidence_hash = evidence.hash(&lie.other_channels);
            lie.receipt.shares = Shares::from_evidence(&evidence);
        })
    }

    /// Settles what was told, and answers nobody any more.
    async fn settle_and_vanish(self) -> usize {
        let settled = self.0.flush_settlement().await.unwrap();
        self.0.shutdown().await;
        settled.iter().map(|batch| batch.rows).sum()
    }
}

/// A development key.
fn key(up: &Up, name: &str) -> PrivateKeySigner {
    let keys = up.facts["keys"].as_array().unwrap();
    let found = keys.iter().find(|key| key["name"] == name).unwrap();
    found["private_key"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lie_is_caught_without_the_liars_help() {
    let (scene, liar) = Scene::set("600").await;
    let (up, home, honest) = (&scene.up, scene.home.path(), &scene.honest);
    let paid = honest.receipt.shares.as_slice()[0];
    let author = honest.cited[0].payee;
    let payer = scene.payer.address();
    let commons = scene.client.addresses().timelock;

    let plain = liar.lie(honest, |_| ());
    let lies = [
        // The byte behind the one that is quoted.
        ("shifted", "not_there", "challengeNotThere", commons, liar.lie_in_runs(honest, |run| run.offset += 1)),
        // A document that the contribution does not have.
        ("nowhere", "not_there", "challengeNotThere", commons, liar.lie_in_runs(honest, |run| run.document = 99)),
        // Nobody is credited where the author should be.
        (
            "robbed",
            "earlier",
            "challengeEarlier",
            author,
            liar.lie_in_runs(honest, |run| *run = Run::nobody(run.start, run.end)),
        ),
        // Half of what the runs make.
        (
            "short",
            "shares",
            "challengeShares",
            author,
            liar.lie(honest, |lie| {
                let half = Share { ppm: paid.ppm / 2, ..paid };
                lie.receipt.shares = Shares::checked(vec![half]).unwrap();
            }),
        ),
        // A wei more than tokens and prices make.
        ("dear", "row", "challengeRow", payer, liar.lie(honest, |lie| lie.receipt.fee += 1)),
        // The request of the first once more.
        (
            "again",
            "double_settle",
            "challengeDoubleSettle",
            payer,
            liar.tell(honest, plain.receipt.nonce, |lie| lie.receipt.seed ^= 1),
        ),
    ];
    assert_eq!(liar.settle_and_vanish().await, 7);

    // The truth withstands, settled by whomever.
    let plain_file = scene.file("plain", &plain);
    let plain_file = plain_file.to_str().unwrap();
    for honest in [plain_file, &scene.honest.id.to_string()] {
        let told = up.run(home, &["receipt", "challenge", honest, "--key", "dev:author", "--json"]);
        assert!(!told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
        assert_eq!(common::json(&told)["caught"], false, "{}", String::from_utf8_lossy(&told.stderr));
    }

    for (name, kind, function, harmed, lie) in &lies {
        let file = scene.file(name, lie);
        let mut challenge = vec!["receipt", "challenge", file.to_str().unwrap()];
        if *name == "again" {
            challenge.extend(["--twin", plain_file]);
        }
        // Simulated, without a key; nothing is sent.
        let dry = up.ok(home, &[&challenge[..], &["--dry-run"]].concat());
        assert_eq!((&dry["caught"], &dry["kind"]), (&Value::Null, &json!(kind)), "{name}: {dry}");
        let effect = &dry["effects"][1];
        assert_eq!((&effect["contract"], &effect["function"]), (&json!("Challenges"), &json!(function)), "{name}");
        assert!(effect["gas"].as_u64().unwrap() > 21_000 && effect["depends"].is_null(), "{name}: {effect}");
        let state = scene.client.challenges_contract();
        let row = scene.client.settled_row(lie.id, None).await.unwrap().unwrap();
        assert!(!state.rowState(row.batch, row.index).call().await.unwrap().penalised, "{name}");

        let deposit = scene.deposit().await;
        let caught = scene.alone(&[&challenge[..], &["--key", "dev:author"]].concat());
        assert_eq!((&caught["caught"], &caught["kind"]), (&json!(true), &json!(kind)), "{name}: {caught}");
        assert_eq!(caught["harmed"], json!(harmed), "{name}");
        assert!(wei(&caught["harm_wei"]) > 0 && wei(&caught["penalty_wei"]) > 0, "{name}: {caught}");
        // It was announced: half of the penalty is the challenger's.
        assert!(wei(&caught["burnt_wei"]) < wei(&caught["penalty_wei"]), "{name}: {caught}");
        if *harmed == payer {
            assert_eq!(scene.deposit().await, deposit + lie.receipt.fee, "{name}");
        }
        let again = up.run(home, &[&challenge[..], &["--key", "dev:author"]].concat());
        assert!(!again.status.success(), "{name} was punished twice");
        // Of these two no file shows that they lie; what came of them is told.
        if matches!(*name, "robbed" | "again") {
            let told = scene.alone(&["receipt", "explain", file.to_str().unwrap()]);
            assert_eq!(told["state"], if *name == "again" { "reversed" } else { "settled" }, "{name}: {told}");
            assert_eq!(wei(&told["harm_wei"]) > 0, *name == "robbed", "{name}: {told}");
            let first = &told["paid"][0];
            let back = first["role"] == "payer" && wei(&first["wei"]) == lie.receipt.fee;
            assert_eq!(back, *name == "again", "{name}: {told}");
        }
    }

    // Rows that are not their receipts', and the same receipt once more: the payer signs, the gateway sends what it likes.
    let mut other = plain.clone();
    other.receipt.nonce = plain.receipt.nonce + 1_000;
    other.receipt.request_id = request_id(payer, other.receipt.gateway, other.receipt.nonce);
    other.signed_words = other.receipt.words();
    other.id = other.receipt.id(&other.network);
    let mut dear = Row::of(other.id, &other.receipt);
    dear.fee *= 2;
    settle_by_hand(&scene, &[dear, Row::of(plain.id, &plain.receipt)]).await;
    let other_file = scene.file("other", &other);
    for (file, kind, fee) in
        [(other_file.to_str().unwrap(), "row", 2 * other.receipt.fee), (plain_file, "double_settle", plain.receipt.fee)]
    {
        let deposit = scene.deposit().await;
        let caught = scene.alone(&["receipt", "challenge", file, "--key", "dev:author"]);
        assert_eq!((&caught["kind"], &caught["harmed"]), (&json!(kind), &json!(payer)), "{caught}");
        assert_eq!(scene.deposit().await, deposit + fee);
    }
}

/// Nobody signed what a bundle says of payees, cuts and terms: a copy with others verifies until the chain is asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_file_proves_is_asked_of_the_chain() {
    let (scene, liar) = Scene::set("600").await;
    let (up, home, honest) = (&scene.up, scene.home.path(), &scene.honest);
    let verify = |bundle: &ReceiptBundle, chain: bool| {
        let file = scene.file("copy", bundle);
        let arguments = ["receipt", "verify", file.to_str().unwrap(), "--json", "--chain"];
        common::json(&up.run(home, &arguments[..arguments.len() - usize::from(!chain)]))
    };
    let check = |name: &str, bundle: &ReceiptBundle| {
        let told = verify(bundle, true);
        told["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap().clone()
    };
    let payees = |bundle: &ReceiptBundle| check("payees", bundle);
    let copy = |change: &dyn Fn(&mut ReceiptBundle)| {
        let mut copy = honest.clone();
        change(&mut copy);
        copy
    };
    let stranger = Address::repeat_byte(0xbd);
    let place = |field: &str| format!("cited[{}].{field}", honest.cited[0].contribution);
    let lies = [
        (place("payee"), copy(&|copy| copy.cited[0].payee = stranger)),
        (place("contributor"), copy(&|copy| copy.cited[0].contributor = stranger)),
        (place("curator"), copy(&|copy| copy.cited[0].curator = stranger)),
        (place("curator_ppm"), copy(&|copy| copy.cited[0].curator_ppm += 1)),
        (place("membership"), copy(&|copy| copy.cited[0].membership.withdrawn = Some(Version(u32::MAX - 1)))),
        (
            "terms.splits".into(),
            copy(&|copy| {
                copy.terms.splits.data += 1;
                copy.terms.splits.worker -= 1;
            }),
        ),
        ("model_name".into(), copy(&|copy| copy.model_name.push('x'))),
    ];
    for (differs, lie) in &lies {
        assert_eq!(verify(lie, false)["ok"], true, "{differs}");
        let told = verify(lie, true);
        assert_eq!((&told["ok"], &told["differs"]), (&json!(false), &json!(differs)), "{told}");
    }

    // The author moves on, twice: what was settled was paid as it says, what was not is paid elsewhere, and both hold.
    let waiting = liar.lie(honest, |_| ());
    let (first, second) = (Address::repeat_byte(0x11), Address::repeat_byte(0x22));
    let id = honest.cited[0].contribution.to_string();
    for payee in [first, second] {
        up.ok(home, &["datanet", "payee", &id, &payee.to_string(), "--key", "dev:author"]);
    }
    assert_eq!(payees(honest), json!({"name": "payees", "outcome": "passed"}));
    let mut between = waiting.clone();
    between.cited[0].payee = first;
    for moved in [&waiting, &between] {
        let told = payees(moved);
        assert_eq!(told["outcome"], "passed", "{told}");
        assert!(told["note"].as_str().unwrap().contains(&format!("pays {second}")), "{told}");
    }
    let mut forged = waiting;
    forged.cited[0].payee = stranger;
    assert_eq!(payees(&forged)["differs"], place("payee"));

    // The model gets other terms: what was answered under those of before is as true as it was, settled or not.
    let terms = |bundle: &ReceiptBundle| check("terms on chain", bundle);
    assert_eq!(terms(honest), json!({"name": "terms on chain", "outcome": "passed"}));
    let set = ["model", "terms", "fonte-quote", "--split", "50000,250000,100000,600000", "--price-out", "0.03"];
    up.ok(home, &[&set[..], &["--key", "dev:operator"]].concat());
    until(up, home, &["model", "show", "fonte-quote"], |model| model["payouts"]["data_ppm"] == 600_000);
    let waiting = liar.lie(honest, |_| ());
    for older in [honest, &waiting] {
        let told = terms(older);
        assert_eq!((&told["outcome"], &told["note"]), (&json!("passed"), &json!("the model has other terms by now")));
    }
    // What each pays is explained by what decides it: its batch, the terms of now, or, without a chain, its own words.
    let explain = |bundle: &ReceiptBundle, rpc: &str| {
        let file = scene.file("explained", bundle);
        let words = ["--json", "--gateway", NOBODY, "--rpc-url", rpc, "receipt", "explain", file.to_str().unwrap()];
        let output = common::fonte(home).args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        common::json(&output)
    };
    let rpc = up.facts["rpc_url"].as_str().unwrap();
    let of = |told: &Value, role: &str| {
        let rows: Vec<_> = told["paid"].as_array().unwrap().iter().filter(|row| row["role"] == role).collect();
        assert_eq!(rows.len(), 1, "{told}");
        (wei(&rows[0]["wei"]), rows[0]["payee"].clone())
    };
    let fee = waiting.receipt.fee;
    let own = honest.terms.splits;
    assert!(own.worker != 250_000 && own.data != 600_000);
    let told = explain(honest, rpc);
    assert_eq!(
        (&told["by"], &told["terms_changed"], &told["state"]),
        (&"batch".into(), &false.into(), &"settled".into())
    );
    assert_eq!(of(&told, "worker").0, part(honest.receipt.fee, own.worker));
    assert_eq!(of(&told, "source").1, json!(honest.cited[0].payee), "whom the batch paid, not whom it pays now");
    let told = explain(&waiting, rpc);
    assert_eq!((&told["by"], &told["terms_changed"], &told["state"]), (&"now".into(), &true.into(), &"unknown".into()));
    assert_eq!(of(&told, "worker").0, part(fee, 250_000));
    assert_eq!(of(&told, "source").1, json!(second));
    let told = explain(&waiting, NOBODY);
    assert_eq!((&told["by"], &told["state"]), (&"receipt".into(), &"unknown".into()));
    assert_eq!(of(&told, "worker").0, part(fee, own.worker));

    // Its batch comes after the change, and pays by what is in force then.
    assert_eq!(liar.settle_and_vanish().await, 2);
    let told = terms(&waiting);
    assert!(told["note"].as_str().unwrap().contains("later terms: worker 250000 ppm"), "{told}");
    let told = explain(&waiting, rpc);
    assert_eq!(
        (&told["by"], &told["terms_changed"], &told["state"]),
        (&"batch".into(), &true.into(), &"settled".into())
    );
    let sum: u128 = told["paid"].as_array().unwrap().iter().map(|row| wei(&row["wei"])).sum();
    assert_eq!(sum, fee, "{told}");
    // The contract's own books: this worker has no other row, and the payee's other row was before it was the payee.
    let batch = told["batch"].as_u64().unwrap();
    let contract = scene.client.settlement_contract();
    for (role, payee) in [("worker", waiting.receipt.worker), ("source", second)] {
        let pending = contract.pendingOf(batch, payee).call().await.unwrap();
        let rows = if role == "source" { 2 } else { 1 };
        assert_eq!(pending, U256::from(rows * of(&told, role).0), "{role}: {told}");
    }
    let forged = lies.iter().find(|(differs, _)| differs == "terms.splits").unwrap();
    assert_eq!(terms(&forged.1)["differs"], "terms.splits");
    // The splits of one, the prices of the other.
    let mut mixed = waiting;
    mixed.terms.splits.data -= 50_000;
    mixed.terms.splits.worker += 50_000;
    assert_eq!(terms(&mixed)["differs"], "terms.prices");
}

/// A batch of the liar's that its store knows nothing of.
async fn settle_by_hand(scene: &Scene, rows: &[Row]) {
    let contract = scene.client.settlement_contract();
    let (payer, gateway) = (scene.payer.address(), scene.client.sender().unwrap());
    let spent = contract.spent(payer, gateway).call().await.unwrap();
    let total = spent + rows.iter().map(|row| row.fee).sum::<u128>();
    let voucher = Voucher { payer, gateway, total, nonce: 1_000 };
    let signature = sign(&scene.payer, voucher.digest(scene.client.network())).unwrap();
    let tables = Tables::of(rows).unwrap();
    let mut packed = Vec::new();
    rows.iter().for_each(|row| tables.pack(row, &mut packed).unwrap());
    let count = u32::try_from(rows.len()).unwrap();
    let tab = ISettlement::Tab { payer, total, nonce: 1_000, count, signature, rows: packed.into() };
    let call = contract.settle(convert::tables(&tables), vec![tab]).with_cloned_provider();
    scene.client.send("a batch by hand", call).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_is_demanded_by_its_id_and_judged() {
    let (scene, liar) = Scene::set("15").await;
    let (up, home) = (&scene.up, scene.home.path());
    let plain = liar.lie(&scene.honest, |_| ());
    liar.settle_and_vanish().await;
    let deposit = scene.deposit().await;
    let id = plain.id.to_string();
    let file = scene.file("plain", &plain);
    let file = file.to_str().unwrap();
    let mine = ["--key", "dev:author"];
    let demand = |arguments: &[&str]| scene.alone(&[&["receipt", "demand"][..], arguments, &mine].concat());

    let dry = demand(&[&id, "--dry-run"]);
    assert_eq!(dry["effects"][1]["function"], "demandReceipt", "{dry}");
    assert!(wei(&dry["effects"][1]["value_wei"]) > 0);
    let made = demand(&[&id]);
    assert_eq!((&made["demand"], &made["wanted"], &made["rewarded"]), (&1.into(), &"receipt".into(), &true.into()));
    let made = demand(&[file, "evidence"]);
    assert_eq!((&made["demand"], &made["wanted"]), (&2.into(), &"evidence".into()));
    assert_eq!(demand(&[file, "source"])["demand"], 3);
    refused(up, home, &["receipt", "demand", file, "evidence", "--judge", "--key", "dev:author"], "would fail");
    // With no more than the id, what a receipt commits to can be demanded once somebody has shown the receipt.
    refused(up, home, &["receipt", "demand", &id, "answer", "--key", "dev:author"], "nobody has shown the receipt");
    let contract = scene.client.demands_contract();
    let show = contract.showReceipt(1, convert::demands::receipt(&plain.receipt));
    scene.client.send("the receipt", show.with_cloned_provider()).await.unwrap();
    assert_eq!(demand(&[&id, "answer"])["demand"], 4);

    let judged =
        until(up, home, &["receipt", "demand", file, "evidence", "--judge", "--key", "dev:author"], |judged| {
            judged["reversed"] == true
        });
    assert_eq!(judged["demands"][0]["demand"], 2, "{judged}");
    assert!(wei(&judged["penalty_wei"]) > 0, "{judged}");
    assert_eq!(scene.deposit().await, deposit + plain.receipt.fee, "the payer has the fee back");
    refused(up, home, &["receipt", "demand", file, "--judge", "--key", "dev:author"], "1 were answered");
}

/// A contract that takes coins only from who gives it more gas than a keeper's push does: two words of storage are written.
const RELUCTANT: &str = "68 6001435560015a5500 600052 6009 6017 f3";

#[tokio::test(flavor = "multi_thread")]
async fn claimed_payouts_and_votes_are_counted() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = home.path();
    let up = Up::start_with(server.path(), &["--heartbeat", "1", "--challenge-window", "1"]);
    let figures = up.ok(home, &["chain", "concentration"]);
    for group in ["data_payouts", "compute_payouts"] {
        assert_eq!((&figures[group]["holders"], wei(&figures[group]["sum_wei"])), (&0.into(), 0), "{figures}");
    }
    assert_eq!(wei(&figures["votes"]["supply_wei"]), 0);

    let client = Client::connect(up.facts["rpc_url"].as_str().unwrap(), Some(key(&up, "author"))).await.unwrap();
    let code = hex::decode(RELUCTANT.replace(' ', "")).unwrap();
    let made = client.submit("a reluctant payee", TransactionRequest::default().with_deploy_code(code)).await.unwrap();
    let payee = made.contract_address.unwrap();
    std::fs::write(docs.path().join("rope.txt"), format!("{FACT}\n")).unwrap();
    let folder = docs.path().to_str().unwrap();
    let payee_text = payee.to_string();
    let publish = ["datanet", "publish", folder, "--datanet", "open", "--payee", &payee_text, "--key", "dev:author"];
    up.ok(home, &publish);
    let answer = up.ask_until(home, QUESTION, |answer| {
        answer["fonte"]["shares"].as_array().is_some_and(|shares| !shares.is_empty())
    });
    let credit = wei(&answer["fonte"]["shares"][0]["credit_wei"]);
    until(&up, home, &["account", "balance", &payee_text], |balance| wei(&balance["claimable_wei"]) == credit);
    // The worker's push went through, the author's did not.
    let figures = up.ok(home, &["chain", "concentration"]);
    assert_eq!(figures["data_payouts"]["holders"], 0, "{figures}");
    assert_eq!(figures["compute_payouts"]["holders"], 1, "{figures}");
    let compute = wei(&figures["compute_payouts"]["sum_wei"]);
    assert!(compute > 0 && compute != credit);

    up.ok(home, &["account", "claim", &payee_text, "--key", "dev:author"]);
    let figures = up.ok(home, &["chain", "concentration"]);
    assert_eq!(figures["data_payouts"]["holders"], 1, "{figures}");
    assert_eq!(wei(&figures["data_payouts"]["sum_wei"]), credit);
    assert_eq!(figures["data_payouts"]["nakamoto_third"], 1);
    assert_eq!(figures["compute_payouts"]["holders"], 1);

    up.ok(home, &["gov", "delegate", "--wrap", "3", "--key", "dev:operator"]);
    up.ok(home, &["gov", "delegate", "--wrap", "1", "--key", "dev:author"]);
    let figures = up.ok(home, &["chain", "concentration"]);
    let votes = &figures["votes"];
    assert_eq!((&votes["listed"]["holders"], wei(&votes["supply_wei"])), (&2.into(), 4 * FNT), "{figures}");
    // Three quarters and a quarter: 0.5625 + 0.0625.
    assert_eq!(votes["listed"]["herfindahl_ppm"], 625_000);
    assert_eq!((&votes["nakamoto_third"], &votes["nakamoto_half"]), (&1.into(), &1.into()));
}

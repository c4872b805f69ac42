//! The program as its users run it: `demo`, then `up` with keys, publishing, asking, checking, withdrawing, a kill and a
//! restart. Every process is a real one, on free ports, in folders of its own.

mod common;

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use common::{Up, fonte, json, wei};
use serde_json::Value;

#[test]
fn the_demo_pays_verifies_and_catches_a_liar() {
    let home = tempfile::tempdir().unwrap();
    let output = fonte(home.path()).args(["demo", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    let answers = report["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 5);
    for answer in answers {
        let sources = answer["sources"].as_array().unwrap();
        assert!(!sources.is_empty(), "{answer}");
        let shares: u64 = sources.iter().map(|source| source["share_ppm"].as_u64().unwrap()).sum();
        assert_eq!(shares + answer["unattributed_ppm"].as_u64().unwrap(), 1_000_000);
        let text = answer["answer"].as_str().unwrap();
        for source in sources {
            assert!(wei(&source["paid_wei"]) > 0);
            for span in source["spans"].as_array().unwrap() {
                let range = span["start"].as_u64().unwrap() as usize..span["end"].as_u64().unwrap() as usize;
                assert!(text.as_bytes().get(range).is_some());
            }
        }
    }
    for balance in report["balances"].as_array().unwrap() {
        assert!(wei(&balance["after_wei"]) > wei(&balance["before_wei"]), "{balance}");
    }
    assert!(!report["settlement"].as_array().unwrap().is_empty());
    assert_eq!(report["verify"]["ok"], true);
    assert_eq!(report["tampered"]["ok"], false);
    assert_eq!(report["tampered"]["differs"], "receipt.shares");
    assert_eq!(report["challenge"]["caught"], true);
    assert!(wei(&report["challenge"]["penalty_wei"]) > 0);
    // Copies never earn: the copyists republished what these answers quote.
    for copyist in ["copia-rapida", "content-mill", "repost-daily"] {
        assert!(!output.stdout.windows(copyist.len()).any(|window| window == copyist.as_bytes()), "{copyist} was paid");
    }
}

#[test]
fn the_demo_runs_on_the_readers_own_documents() {
    let (home, docs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, text) in [
        ("ana", "The lighthouse at Punta Brava was lit for the first time on the third of May 1874, by hand.\n"),
        ("bento", "Sourdough starter kept at twelve degrees needs feeding only once in every nine days.\n"),
    ] {
        std::fs::create_dir(docs.path().join(name)).unwrap();
        std::fs::write(docs.path().join(name).join("note.txt"), text).unwrap();
    }
    let output = fonte(home.path())
        .args(["demo", "--json", "--question", "When was the lighthouse at Punta Brava first lit?", "--docs"])
        .arg(docs.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    assert_eq!(report["answers"][0]["sources"][0]["contributor"], "ana");
    assert_eq!(report["challenge"]["caught"], true);
}

const QUESTION: &str = "How heavy is the brass bell of Vila Serena?";
const FACT: &str = "The brass bell of Vila Serena weighs four hundred and twelve kilograms without its yoke.";

fn cites(answer: &Value) -> bool {
    answer["fonte"]["shares"].as_array().is_some_and(|shares| !shares.is_empty())
}

#[test]
fn a_contributor_publishes_is_quoted_is_paid_and_withdraws() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, home) = (server.path(), home.path());
    std::fs::write(
        docs.path().join("bell.md"),
        format!("---\ntitle: The bell\nurl: https://ana.example/bell\nlicense: CC-BY-4.0\n---\n\n{FACT}\n"),
    )
    .unwrap();
    std::fs::write(docs.path().join("bad.txt"), [0xff, 0xfe, 0x00, 0x41]).unwrap();
    std::fs::write(docs.path().join("empty.txt"), "").unwrap();
    std::fs::write(docs.path().join("odd.md"), "---\nlicense: CC-BYE\n---\n\nSome text that is long enough.\n")
        .unwrap();
    let folder = docs.path().to_str().unwrap();

    let up = Up::start(server);
    let key = up.ok(home, &["keys", "new", "ana"]);
    let address = key["address"].as_str().unwrap().to_owned();
    assert_eq!(up.ok(home, &["keys", "list"])[0]["address"], address.as_str());

    // Strict publishes nothing, and says why.
    let strict = up.run(home, &["datanet", "publish", folder, "--datanet", "open", "--key", "ana", "--strict"]);
    assert!(!strict.status.success());
    assert!(
        String::from_utf8_lossy(&strict.stderr).contains("3 file(s)"),
        "{}",
        String::from_utf8_lossy(&strict.stderr)
    );
    assert!(up.ok(home, &["datanet", "show", "open"])["contributions"].as_array().unwrap().is_empty());

    // A publication that is killed twice on its way goes on, and is registered once.
    for patience in [30, 150] {
        let mut half = up
            .command(home)
            .args(["datanet", "publish", folder, "--datanet", "open", "--key", "ana"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(patience)); // not awaited for: this is where the kill falls
        let _ = half.kill();
        half.wait().unwrap();
    }
    let published = up.ok(home, &["datanet", "publish", folder, "--datanet", "open", "--key", "ana"]);
    assert_eq!(published["documents"], 1);
    assert_eq!(published["status"], "accepted");
    assert_eq!(published["skipped"].as_object().unwrap().len(), 3, "{published}");
    let shown = up.ok(home, &["datanet", "show", "open"]);
    assert_eq!(shown["contributions"].as_array().unwrap().len(), 1);

    // Asked, answered with the sentence, attributed to the contributor.
    let answer = up.ask_until(home, QUESTION, cites);
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().contains(FACT));
    let citation = &answer["choices"][0]["message"]["annotations"][0]["url_citation"];
    assert_eq!(citation["url"], "https://ana.example/bell");
    let share = &answer["fonte"]["shares"][0];
    assert_eq!(share["payee"].as_str().unwrap().to_lowercase(), address.to_lowercase());
    let receipt = answer["fonte"]["receipt"].as_str().unwrap();

    // Checked: from the gateway, from a file offline, and not at all once it is changed.
    assert_eq!(up.ok(home, &["receipt", "verify", receipt, "--chain"])["ok"], true);
    let bundle = up.ok(home, &["receipt", "show", receipt]);
    let file = home.join("receipt.json");
    std::fs::write(&file, bundle.to_string()).unwrap();
    let offline = fonte(home).args(["receipt", "verify", "--json"]).arg(&file).output().unwrap();
    assert!(offline.status.success());
    let mut tampered = bundle.clone();
    tampered["receipt"]["seed"] = Value::from(tampered["receipt"]["seed"].as_u64().unwrap() ^ 1);
    std::fs::write(&file, tampered.to_string()).unwrap();
    let refused = fonte(home).args(["receipt", "verify", "--json"]).arg(&file).output().unwrap();
    assert!(!refused.status.success());
    assert_eq!(json(&refused)["differs"], "receipt.seed");
    let explained = up.ok(home, &["receipt", "explain", receipt]);
    assert_eq!(explained["paid"][0]["role"], "source");
    // An honest receipt has nothing to challenge.
    let challenge = up.run(home, &["receipt", "challenge", receipt, "--dry-run", "--json"]);
    assert!(!challenge.status.success());
    assert_eq!(json(&challenge)["caught"], false);

    // Killed and restarted: the money arrives all the same.
    drop(up);
    let up = Up::start(server);
    assert_eq!(up.ok(home, &["datanet", "show", "open"])["contributions"].as_array().unwrap().len(), 1);
    let credit = wei(&share["credit_wei"]);
    let deadline = Instant::now() + Duration::from_secs(90);
    while wei(&up.ok(home, &["account", "balance", &address])["balance_wei"]) < credit {
        assert!(Instant::now() < deadline, "the payment did not arrive");
        std::thread::sleep(Duration::from_millis(200));
    }
    let earned = up.ok(home, &["account", "earnings", &address]);
    assert_eq!(earned["documents"][0]["document"], "The bell");

    // Withdrawn: never quoted again.
    let id = published["contribution"].to_string();
    up.ok(home, &["datanet", "withdraw", &id, "--key", "ana"]);
    let gone = up.ask_until(home, QUESTION, |answer| !cites(answer));
    assert!(!gone["choices"][0]["message"]["content"].as_str().unwrap().contains("four hundred"));
}

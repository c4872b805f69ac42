//! The program as its users run it: `demo`, then `up` with keys, publishing, asking, paying, checking, withdrawing, kills
//! and a restart. Every process is a real one, on free ports, in folders of its own.

mod common;
#[path = "common/lossy.rs"]
mod lossy;
#[path = "../../../xtask/src/skips.rs"]
mod skips;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{Up, fonte, json, wei};
use lossy::Lossy;
use serde_json::Value;

#[test]
fn the_demo_pays_verifies_and_catches_a_liar() {
    let home = tempfile::tempdir().unwrap();
    let output = fonte(home.path()).args(["demo", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    assert_documented(&report);
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

/// The keys that programs read, at every place where they stand.
fn assert_documented(report: &Value) {
    let all = |value: &Value| value.as_array().filter(|list| !list.is_empty()).expect("a list of something").clone();
    let has = |value: &Value, keys: &str| {
        let missing = keys.split(' ').find(|key| value.get(key).is_none());
        assert!(missing.is_none(), "no {missing:?} in {value}");
    };
    has(report, "answers settlement balances verify tampered challenge");
    for answer in all(&report["answers"]) {
        has(&answer, "question answer model receipt sources unattributed_ppm");
        has(&answer["receipt"], "id fee_wei class");
        assert!(answer["receipt"]["id"].as_str().is_some_and(|id| id.starts_with("0x") && id.len() == 66), "{answer}");
        assert!(wei(&answer["receipt"]["fee_wei"]) > 0);
        assert_eq!(answer["receipt"]["class"], "exact");
        for source in all(&answer["sources"]) {
            has(&source, "contribution contributor document payee share_ppm paid_wei channels spans");
            assert!(source["payee"].as_str().is_some_and(|payee| payee.starts_with("0x") && payee.len() == 42));
            has(&source["channels"], "span context influence");
            assert_eq!(source["channels"]["span"], source["share_ppm"]);
            all(&source["spans"]).iter().for_each(|span| has(span, "start end"));
        }
    }
    for settled in all(&report["settlement"]) {
        has(&settled, "tx block");
        assert!(settled["block"].is_u64() && settled["tx"].as_str().is_some_and(|tx| tx.len() == 66), "{settled}");
    }
    all(&report["balances"]).iter().for_each(|balance| has(balance, "payee contributor before_wei after_wei"));
    has(&report["verify"], "ok");
    has(&report["tampered"], "ok differs");
    has(&report["challenge"], "caught penalty_wei");
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

/// The one publication of this home.
fn journaled(home: &Path) -> Value {
    let mut files = fs::read_dir(home.join("publish/journal")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap();
    assert!(files.all(|other| other.extension() != file.extension()), "more than one publication");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// A publication gets as far as its upload, and then the gateway sweeps what nobody revealed.
fn loses_what_was_uploaded(up: &Up, server: &Path, home: &Path, folder: &str) {
    let way = Lossy::cut(up.facts["gateway"].as_str().unwrap(), "/reveal");
    let half = fonte(home)
        .args(["--gateway", &way.url(), "--rpc-url", up.facts["rpc_url"].as_str().unwrap()])
        .args(["datanet", "publish", folder, "--datanet", "open", "--key", "ana"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&half.stderr);
    assert!(!half.status.success() && told.contains("run the same command to go on"), "{told}");
    let publication = journaled(home);
    assert_eq!(publication["state"], "uploaded");
    let root = publication["root"].as_str().unwrap().strip_prefix("0x").unwrap();
    fs::remove_file(server.join("up/gateway/texts/bundles").join(root)).unwrap();
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

    // Killed at each of its steps, when the gateway has done it and the answer is lost: it goes on, and is registered once.
    for (path, state) in [("/contributions/commit", "prepared"), ("/bundle", "committed"), ("/reveal", "uploaded")] {
        if path == "/reveal" {
            loses_what_was_uploaded(&up, server, home, folder);
        }
        let way = Lossy::start(up.facts["gateway"].as_str().unwrap(), path);
        let mut half = fonte(home)
            .args(["--gateway", &way.url(), "--rpc-url", up.facts["rpc_url"].as_str().unwrap()])
            .args(["datanet", "publish", folder, "--datanet", "open", "--key", "ana"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        way.wait();
        // A second one at the same time would commit once more.
        let second = up.run(home, &["datanet", "publish", folder, "--datanet", "open", "--key", "ana"]);
        let told = String::from_utf8_lossy(&second.stderr);
        assert!(!second.status.success() && told.contains("another publication of these texts is under way"), "{told}");
        half.kill().unwrap();
        half.wait().unwrap();
        assert_eq!(journaled(home)["state"], state, "killed at {path}");
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

    // What another contributed to an open datanet its curator takes out, and nobody else.
    fs::write(docs.path().join("clock.md"), "The clock has no hands and tells the hour to nobody.\n").unwrap();
    let published = up.ok(home, &["datanet", "publish", folder, "--datanet", "open", "--key", "ana"]);
    let second = published["contribution"].to_string();
    let refused = up.run(home, &["datanet", "withdraw", &second, "--key", "dev:author"]);
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("may not do this"), "{told}");
    up.ok(home, &["datanet", "withdraw", &second, "--key", "dev:operator"]);
    let shown = up.ok(home, &["datanet", "show", "open"]);
    let of_second = shown["contributions"].as_array().unwrap().iter().find(|c| c["id"] == published["contribution"]);
    assert_eq!(of_second.unwrap()["status"], "withdrawn");

    // Nor trained on: the version that held it is refused by name, the one without it is not.
    let weights = format!("0x{}", "5a".repeat(32));
    let trained_on = |version: &str| {
        let registered = ["model", "register", "late", "--kind", "base", "--artifact", &weights, "--trained", version];
        up.run(home, &[&registered[..], &["--key", "dev:author", "--dry-run"]].concat())
    };
    let refused = trained_on("open@1");
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains(&format!("open@1 holds contribution {id}")) && told.contains("train on open@4"), "{told}");
    let allowed = trained_on("open");
    assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
}

#[test]
fn what_was_refused_or_taken_back_is_published_again_and_nothing_else_is() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (up, home) = (Up::start(server.path()), home.path());
    fs::write(docs.path().join("bell.txt"), format!("{FACT}\n")).unwrap();
    let addresses = ["ana", "bento"].map(|name| up.ok(home, &["keys", "new", name])["address"].clone());
    let [ana, bento] = addresses.each_ref().map(|address| address.as_str().unwrap());
    up.ok(
        home,
        &["datanet", "create", "bells", "--licence", "CC-BY-4.0", "--review", "curator", "--key", "dev:operator"],
    );
    let words = ["datanet", "publish", docs.path().to_str().unwrap(), "--datanet", "bells", "--key", "ana"];
    let publish = |more: &[&str]| up.ok(home, &[&words[..], more].concat());
    let same = |more: &[&str], status: &str, expected: &Value| {
        let published = publish(more);
        assert_eq!((&published["contribution"], published["status"].as_str()), (expected, Some(status)));
        assert_eq!(published["replaces"], Value::Null, "{published}");
    };
    let review = |how: &str, id: &Value| {
        up.ok(home, &["datanet", "review", "bells", how, &id.to_string(), "--key", "dev:operator"]);
    };
    let again = |more: &[&str], replaced: &Value| {
        let published = publish(more);
        assert_eq!((&published["replaces"], published["status"].as_str()), (replaced, Some("pending")), "{published}");
        assert_ne!(&published["contribution"], replaced);
        published
    };

    // A dry run binds nobody; a commit does.
    assert!(up.run(home, &[&words[..], &["--payee", bento, "--dry-run"]].concat()).status.success());
    let first = publish(&[])["contribution"].clone();
    same(&["--payee", ana], "pending", &first);
    let other = up.run(home, &[&words[..], &["--payee", bento]].concat());
    let told = String::from_utf8_lossy(&other.stderr).to_lowercase();
    assert!(!other.status.success() && told.contains(&format!("go on with --payee {ana}").to_lowercase()), "{told}");

    review("--reject", &first);
    let told = up.run(home, &[&words[..], &["--payee", bento, "--dry-run"]].concat());
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains(&format!("contribution {first} is rejected: the texts are published again")), "{told}");
    let second = publish(&["--payee", bento]);
    assert_eq!(second["payee"].as_str().map(str::to_lowercase), Some(bento.to_lowercase()));
    let second = second["contribution"].clone();
    assert_ne!(second, first);
    same(&["--payee", bento], "pending", &second);
    review("--accept", &second);
    same(&["--payee", bento], "accepted", &second);

    up.ok(home, &["datanet", "withdraw", &second.to_string(), "--key", "ana"]);
    let third = again(&[], &second);
    assert_eq!(third["payee"].as_str().map(str::to_lowercase), Some(ana.to_lowercase()));
    assert_eq!(up.ok(home, &["datanet", "show", "bells"])["contributions"].as_array().unwrap().len(), 3);
}

#[test]
fn what_cannot_be_simulated_refuses_a_dry_run() {
    let home = tempfile::tempdir().unwrap();
    let serving = ["worker", "--dial", "127.0.0.1:1", "--key", "dev:author"];
    // Its salt is kept, or the commitment opens nothing.
    let sealing = ["model", "evaluate", "1", "seal", "set.json"];
    for command in [&["demo"][..], &["up"], &["keys", "list"], &["ask", QUESTION], &serving, &sealing] {
        let refused = fonte(home.path()).args(command).arg("--dry-run").output().unwrap();
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && told.contains("has no dry run"), "{command:?}: {told}");
    }
}

#[test]
fn what_may_be_trained_on_is_the_datanets_to_say() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (up, home) = (Up::start(server.path()), home.path());
    fs::write(docs.path().join("bell.txt"), format!("{FACT}\n")).unwrap();
    let folder = docs.path().to_str().unwrap();
    let weights = format!("0x{}", "5a".repeat(32));
    let trained_on = |version: &str| {
        let registered = ["model", "register", "late", "--kind", "base", "--artifact", &weights, "--trained", version];
        up.run(home, &[&registered[..], &["--key", "dev:author", "--dry-run"]].concat())
    };
    let mut made = Vec::new();
    for (name, option) in [("read-only", "--no-train"), ("kept", "--keep")] {
        let create = ["datanet", "create", name, option, "--review", "open", "--key", "dev:author"];
        let datanet = up.ok(home, &create)["datanet"].to_string();
        let published = up.ok(home, &["datanet", "publish", folder, "--datanet", name, "--key", "dev:author"]);
        made.push((datanet, published["contribution"].to_string()));
    }
    let shown = up.ok(home, &["datanet", "show", "read-only"]);
    assert_eq!(
        (&shown["datanet"]["policy"]["train"], &shown["datanet"]["policy"]["quote"]),
        (&false.into(), &true.into())
    );
    let refused = trained_on("read-only");
    let told = String::from_utf8_lossy(&refused.stderr);
    let clause = format!("the licence of datanet {} does not allow training", made[0].0);
    assert!(!refused.status.success() && told.contains(&clause), "{told}");

    // Its licence keeps what is trained on a text that is withdrawn later.
    up.ok(home, &["datanet", "withdraw", &made[1].1, "--key", "dev:author"]);
    let shown = up.ok(home, &["datanet", "show", "kept"]);
    assert_eq!(shown["contributions"][0]["status"], "withdrawn");
    let allowed = trained_on("kept@1");
    assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
}

#[test]
fn what_up_prints_works_by_copy_and_paste() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(docs.path().join("bell.txt"), format!("{FACT}\n")).unwrap();
    let (up, told) = Up::announced(server.path());
    let shell = |line: &str| {
        let program = Path::new(env!("CARGO_BIN_EXE_fonte")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        // Only the ports are not the usual ones.
        let output = Command::new("sh")
            .args(["-c", line])
            .env("PATH", path)
            .env("FONTE_DATA_DIR", home.path())
            .env("FONTE_RPC_URL", up.facts["rpc_url"].as_str().unwrap())
            .env("FONTE_GATEWAY", up.facts["gateway"].as_str().unwrap())
            .env("FONTE_API_KEY", up.facts["api_key"].as_str().unwrap())
            .env("LANG", "C")
            .env_remove("LC_ALL")
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let line = |start: &str| told.lines().find(|line| line.trim_start().starts_with(start)).unwrap();
    let published = shell(&line("fonte datanet publish DIR").replace("DIR", docs.path().to_str().unwrap()));
    assert!(published.contains("1 documents"), "{published}");
    up.ask_until(home.path(), QUESTION, cites);
    let answer = shell(&line("fonte ask '...'").replace("...", QUESTION));
    assert!(answer.contains(FACT), "{answer}");

    if !Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success()) {
        skips::skipped(
            "the curl command that `fonte up` prints, because curl is not on the PATH; install the package curl",
        );
        return;
    }
    let at = told.find("  curl ").unwrap();
    let curl = told[at..].lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    // As printed, then with a question in the place of the dots.
    for (command, expected) in [(curl.clone(), ""), (curl.replace("...", QUESTION), FACT)] {
        let answer = shell(&command);
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{command}: {answer}"));
        let text = answer["choices"][0]["message"]["content"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(!text.is_empty() && text.contains(expected), "{answer}");
        assert!(answer["fonte"]["receipt"].is_string(), "{answer}");
    }
}

#[test]
fn a_payer_imports_a_key_deposits_sets_a_limit_and_revokes_it() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (up, home) = (Up::start(server.path()), home.path());
    let key = up.facts["keys"].as_array().unwrap().iter().find(|key| key["name"] == "author").unwrap();
    let (secret, payer) = (key["private_key"].as_str().unwrap(), key["address"].as_str().unwrap());

    // A key from elsewhere, which has coins.
    let import = |name: &str, secret: &str| {
        let output = fonte(home).args(["keys", "import", name, "--json"]).env("FONTE_SECRET", secret).output().unwrap();
        if output.status.success() {
            return Ok(json(&output));
        }
        Err(String::from_utf8(output.stderr).unwrap())
    };
    assert!(import("buyer", &secret[..65]).unwrap_err().contains("64 hexadecimal digits"));
    assert!(import("../buyer", secret).unwrap_err().contains("is no name for a key"));
    let imported = import("buyer", secret).unwrap();
    assert_eq!((&imported["name"], &imported["address"]), (&Value::from("buyer"), &key["address"]));
    assert!(import("buyer", secret).unwrap_err().contains("there is a key named buyer already"));
    assert_eq!(up.ok(home, &["keys", "show", "buyer"])["address"], payer);
    assert!(
        !fs::read_to_string(home.join("keys/buyer.json")).unwrap().contains(&secret[2..]),
        "it is stored encrypted"
    );
    let wrong = up
        .command(home)
        .args(["account", "deposit", "1", "--key", "buyer"])
        .env("FONTE_PASSWORD", "wrong horse")
        .output()
        .unwrap();
    assert!(!wrong.status.success());

    // Deposits: one's own, and another's.
    let fnt: u128 = 1_000_000_000_000_000_000;
    let deposit_of = |address: &str| wei(&up.ok(home, &["account", "balance", address])["deposit_wei"]);
    let balance_of = |address: &str| wei(&up.ok(home, &["account", "balance", address])["balance_wei"]);
    let coins = balance_of(payer);
    let dry = up.run(home, &["account", "deposit", "2.5", "--key", "buyer", "--dry-run"]);
    assert!(dry.status.success());
    assert_eq!(deposit_of(payer), 0, "a dry run sends nothing");
    let deposited = up.ok(home, &["account", "deposit", "2.5", "--key", "buyer"]);
    assert_eq!((&deposited["payer"], wei(&deposited["deposit_wei"])), (&key["address"], fnt * 5 / 2));
    assert!(deposited["tx"].as_str().unwrap().starts_with("0x"));
    assert!(coins - balance_of(payer) >= fnt * 5 / 2);
    let other = up.ok(home, &["keys", "new", "other"])["address"].as_str().unwrap().to_owned();
    let told = up.run(home, &["account", "deposit", "1", "--payer", &other, "--key", "buyer"]);
    let told = String::from_utf8(told.stdout).unwrap().to_lowercase();
    assert!(told.contains(&format!("deposit of {}: 1 fnt", other.to_lowercase())), "{told}");
    assert_eq!((deposit_of(&other), deposit_of(payer)), (fnt, fnt * 5 / 2));
    for amount in ["much", "1,5", "-1", ""] {
        assert!(!up.run(home, &["account", "deposit", amount, "--key", "buyer"]).status.success(), "{amount:?}");
    }

    // An API key that may spend so much, answers, and is paid from this deposit; without a limit it answers nothing.
    fs::write(docs.path().join("bell.txt"), FACT).unwrap();
    up.ok(home, &["datanet", "publish", docs.path().to_str().unwrap(), "--datanet", "open", "--key", "other"]);
    up.ask_until(home, QUESTION, cites);
    let limit = up.ok(home, &["account", "limit", "0.75", "--key", "buyer"]);
    assert_eq!((&limit["payer"], wei(&limit["limit_wei"])), (&key["address"], fnt * 3 / 4));
    let (api_key, session) = (limit["api_key"].as_str().unwrap(), limit["session_key"].as_str().unwrap());
    let ask = || up.run(home, &["ask", QUESTION, "--model", "fonte-quote:open", "--json", "--api-key", api_key]);
    let answer = json(&ask());
    assert!(cites(&answer), "{answer}");
    let receipt = up.ok(home, &["receipt", "show", answer["fonte"]["receipt"].as_str().unwrap()]);
    assert_eq!(receipt["receipt"]["payer"].as_str().unwrap().to_lowercase(), payer.to_lowercase());
    let revoked = up.ok(home, &["account", "limit", "0", "--session-key", session, "--key", "buyer"]);
    assert_eq!((&revoked["api_key"], wei(&revoked["limit_wei"])), (&Value::Null, 0));
    assert_eq!(revoked["session_key"].as_str(), Some(session));
    let refused = ask();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("402"), "{told}");

    // What was answered before is settled all the same: on chain a lower limit takes a notice to hold.
    let deadline = Instant::now() + Duration::from_secs(60);
    while deposit_of(payer) == fnt * 5 / 2 {
        assert!(Instant::now() < deadline, "the fee was never taken");
        std::thread::sleep(Duration::from_millis(100));
    }
}

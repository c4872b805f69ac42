//! Reviewers, held earnings, stakes, workers, seats, payees, votes and disputes from the command line, on networks of their
//! own.

#[path = "../common/mod.rs"]
mod common;
mod dishonest;
mod dry_runs;
mod votes;

use std::time::{Duration, Instant};

use common::{Up, wei};
use serde_json::{Value, json};

const REVIEWERS: [&str; 3] = ["dev:payer", "dev:liar", "dev:operator"];

/// Runs a command until it succeeds and its answer satisfies a condition.
fn until(up: &Up, home: &std::path::Path, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let output = up.run(home, &[arguments, &["--json"]].concat());
        if output.status.success() {
            let answer = common::json(&output);
            if wanted(&answer) {
                return answer;
            }
        }
        assert!(Instant::now() < deadline, "{arguments:?}: {output:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The panel of a case votes and decides; the gateway's keeper draws it and counts.
fn decide(up: &Up, home: &std::path::Path, case: &str) {
    until(up, home, &["review", "show", case], |answer| answer["stage"] == "voting");
    for key in REVIEWERS {
        up.ok(home, &["review", "vote", case, "approve", "--key", key]);
    }
    for key in REVIEWERS {
        up.ok(home, &["review", "reveal", case, "--key", key]);
    }
    let closed = until(up, home, &["review", "show", case], |answer| answer["stage"] != "voting");
    assert_eq!(closed["approved"], true, "{closed}");
}

fn refused(up: &Up, home: &std::path::Path, arguments: &[&str], needle: &str) {
    let output = up.run(home, arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains(needle), "{arguments:?}: {told}");
}

#[test]
fn reviewers_decide_on_texts_and_on_whose_they_are() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = home.path();
    let (own, borrowed) = (docs.path().join("own"), docs.path().join("borrowed"));
    std::fs::create_dir(&own).unwrap();
    std::fs::create_dir(&borrowed).unwrap();
    std::fs::write(own.join("a.txt"), "The lighthouse of Cabo Branco has a lamp of nine hundred candles since 1921.\n")
        .unwrap();
    std::fs::write(
        borrowed.join("b.txt"),
        "The mill at Rio Fundo ground forty sacks of maize in one single night of March 1950.\n",
    )
    .unwrap();
    let up = Up::start_with(server.path(), &["--heartbeat", "1", "--challenge-window", "1"]);

    refused(&up, home, &["review", "register", "1", "--key", "dev:author"], "is below 10 FNT");
    for key in REVIEWERS {
        assert_eq!(up.ok(home, &["review", "register", "--key", key])["in_pool"], true);
    }

    // A dry run tells the call and sends nothing.
    let create = ["datanet", "create", "reviewed", "--review", "2-of-3", "--curator-cut", "50000", "--keep"];
    let create = [&create[..], &["--key", "dev:operator"]].concat();
    let dry = up.ok(home, &[&create[..], &["--dry-run"]].concat());
    assert_eq!(dry["effects"][0]["arguments"]["policy"]["curatorPpm"], "50000");
    assert!(dry["effects"][0]["gas"].as_u64().unwrap() > 21_000);
    let named = |datanets: &Value| datanets.as_array().unwrap().iter().any(|datanet| datanet["name"] == "reviewed");
    assert!(!named(&up.ok(home, &["datanet", "list"])));
    up.ok(home, &create);
    assert!(named(&up.ok(home, &["datanet", "list"])));
    refused(&up, home, &["datanet", "create", "odd", "--review", "4-of-3", "--key", "dev:operator"], "2-of-3");

    // Two of three reviewers admit a contribution.
    let folder = own.to_str().unwrap();
    let published = up.ok(home, &["datanet", "publish", folder, "--datanet", "reviewed", "--key", "dev:author"]);
    assert_eq!(published["status"], "pending");
    let queue = up.ok(home, &["datanet", "review", "reviewed"]);
    let case = queue["pending"][0]["case"].to_string();
    // Reviewers see which earlier texts it repeats: none.
    let duplicates = &queue["pending"][0]["duplicates"];
    assert!(duplicates["near_duplicates"].as_array().is_some_and(Vec::is_empty), "{queue}");
    let id = published["contribution"].to_string();
    refused(&up, home, &["datanet", "review", "reviewed", "--accept", &id, "--key", "dev:operator"], "would fail");
    decide(&up, home, &case);
    assert_eq!(up.ok(home, &["datanet", "show", "reviewed"])["contributions"][0]["status"], "accepted");
    assert!(up.ok(home, &["datanet", "review", "reviewed"])["pending"].as_array().unwrap().is_empty());
    refused(&up, home, &["datanet", "review", "reviewed", "--accept", &id, "--key", "dev:operator"], "is accepted");

    // What borrowed texts earn is held, and goes to who proves to be their author: not to the uploader.
    let url = "https://Mill.example/story";
    let folder = borrowed.to_str().unwrap();
    up.ok(home, &["datanet", "publish", folder, "--datanet", "open", "--origin", url, "--key", "dev:author"]);
    let author = up.ok(home, &["keys", "new", "miller"])["address"].as_str().unwrap().to_owned();
    let asking = ["datanet", "claim", url, "--author", &author];
    let claim = up.ok(home, &asking);
    assert!(claim["token"].as_str().unwrap().starts_with("fonte-origin=0x"), "{claim}");
    let vault = claim["vault"].as_str().unwrap().to_owned();
    let answer = up.ask_until(home, "How many sacks of maize did the mill at Rio Fundo grind?", |answer| {
        answer["fonte"]["shares"].as_array().is_some_and(|shares| !shares.is_empty())
    });
    let share = &answer["fonte"]["shares"][0];
    assert_eq!(share["payee"].as_str().unwrap().to_lowercase(), vault.to_lowercase());
    let case = up.ok(home, &[&asking[..], &["--ask", "--key", "dev:author"]].concat())["case"].to_string();
    decide(&up, home, &case);
    let held = wei(&share["credit_wei"]);
    until(&up, home, &["account", "balance", &vault], |balance| wei(&balance["balance_wei"]) >= held);
    let granted =
        until(&up, home, &[&asking[..], &["--key", "dev:author"]].concat(), |claim| claim["state"] == "granted");
    assert_eq!(wei(&granted["released_wei"]), held);
    assert_eq!(wei(&up.ok(home, &["account", "balance", &author])["balance_wei"]), held);

    // The reviewers were paid, and collect it.
    let collected = up.ok(home, &["account", "claim", "--key", REVIEWERS[0]]);
    assert!(wei(&collected["reviews_wei"]) > 0, "{collected}");
}

#[test]
fn stakes_seats_and_workers_are_told_and_moved() {
    let (server, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = home.path();
    let up = Up::start_with(server.path(), &["--heartbeat", "1"]);
    let seats = up.ok(home, &["chain", "validators"]);
    let operator = seats["validators"][0]["operator"].as_str().unwrap().to_owned();
    assert_eq!(wei(&seats["validators"][0]["bonded_wei"]), 1_000_000_000_000_000_000_000);

    refused(&up, home, &["chain", "stake", "5", "--key", "dev:author"], "fonte chain validators");
    let staked = up.ok(home, &["chain", "stake", "50", "--on", &operator, "--key", "dev:author"]);
    assert_eq!(wei(&staked["bonded_wei"]), 50_000_000_000_000_000_000);
    let left = up.ok(home, &["chain", "unstake", "20", "--from", &operator, "--key", "dev:author"]);
    assert_eq!(wei(&left["exiting_wei"]), 20_000_000_000_000_000_000);
    refused(&up, home, &["chain", "claim", "--from", &operator, "--key", "dev:author"], "can be taken out");

    let figures = up.ok(home, &["chain", "concentration"]);
    assert_eq!(figures["seats"]["seats"], 1);
    assert_eq!(wei(&figures["seats"]["lowest_stake_wei"]), 1_030_000_000_000_000_000_000);
    assert_eq!(figures["stake"]["herfindahl_ppm"], 1_000_000);

    let key = format!("0x{}", "5a".repeat(32));
    let declared = [
        ("slots", "2", json!(2)),
        ("engine", "tolerance", json!("tolerance")),
        ("accelerator", "cuda", json!("cuda")),
        ("memory", "1024", json!(1024)),
        ("accelerator-memory", "512", json!(512)),
        ("jurisdiction", "BR", json!("BR")),
        ("hardware", "a shed", json!("a shed")),
        ("endpoint", "shed.example:7", json!("shed.example:7")),
        ("network-key", &key, json!(key)),
    ];
    let flags: Vec<String> =
        declared.iter().flat_map(|(flag, value, _)| [format!("--{flag}"), (*value).to_owned()]).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let registered = up.ok(home, &[&["worker", "register", "--key", "dev:author"], &flags[..]].concat());
    let shown = |flag: &str| match flag {
        "memory" => "memory_mib".to_owned(),
        "accelerator-memory" => "accelerator_mib".to_owned(),
        flag => flag.replace('-', "_"),
    };
    assert_eq!(registered["status"], "active");
    for (flag, _, value) in &declared {
        assert_eq!(&registered[shown(flag)], value, "{flag}");
    }
    // An update keeps what it does not name; a first registration has to say where it stands.
    let update = ["worker", "register", "--slots", "3"];
    let updated = up.ok(home, &[&update[..], &["--key", "dev:author"]].concat());
    assert_eq!(updated["slots"], 3);
    for (flag, _, value) in &declared[1..] {
        assert_eq!(&updated[shown(flag)], value, "{flag}");
    }
    let unsaid = up.run(home, &[&update[..], &["--key", "dev:liar"]].concat());
    let told = String::from_utf8_lossy(&unsaid.stderr);
    assert!(!unsaid.status.success() && told.contains("--jurisdiction CODE") && !told.contains("BR"), "{told}");
    refused(&up, home, &[&update[..], &["--jurisdiction", "br", "--key", "dev:liar"]].concat(), "two capital letters");
    // One's own, or all.
    let status = |all: &[&str]| up.ok(home, &[&["worker", "status", "--key", "dev:author"], all].concat());
    assert_eq!(status(&[])["worker"], registered["worker"]);
    let all = status(&["--all"]);
    assert!(all.as_array().unwrap().iter().any(|one| one["worker"] == registered["worker"]), "{all}");
    assert_eq!(up.ok(home, &["worker", "pause", "--key", "dev:author"])["status"], "paused");
    assert_eq!(up.ok(home, &["worker", "leave", "--key", "dev:author"])["status"], "leaving");
    refused(&up, home, &["worker", "withdraw", "--key", "dev:author"], "can be withdrawn from");
    let address = registered["worker"].as_str().unwrap();
    assert_eq!(up.ok(home, &["worker", "status", address])["status"], "leaving");
}

#[test]
fn curators_decide_and_owners_retire() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = home.path();
    let up = Up::start_with(server.path(), &["--heartbeat", "1"]);
    up.ok(home, &["datanet", "create", "curated", "--key", "dev:operator"]);
    let mut ids = Vec::new();
    for (name, text) in [
        ("good", "The ferry of Santa Rita carries nine cows at a time, and the ferryman counts them twice.\n"),
        ("bad", "Buy one, get one free, only today and only here, and tomorrow the same once again for you.\n"),
    ] {
        let folder = docs.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("a.txt"), text).unwrap();
        let publish = ["datanet", "publish", folder.to_str().unwrap(), "--datanet", "curated", "--key", "dev:author"];
        ids.push(up.ok(home, &publish)["contribution"].to_string());
    }
    let decide = ["datanet", "review", "curated", "--accept", &ids[0], "--reject", &ids[1]];
    refused(&up, home, &[&decide[..], &["--key", "dev:author"]].concat(), "would fail");
    let dry = up.ok(home, &[&decide[..], &["--key", "dev:operator", "--dry-run"]].concat());
    let calls: Vec<_> = dry["effects"].as_array().unwrap().iter().map(|effect| effect["function"].clone()).collect();
    assert_eq!(calls, ["acceptBatch", "reject"]);
    let decided = up.ok(home, &[&decide[..], &["--key", "dev:operator"]].concat());
    assert_eq!([decided["accepted"][0].to_string(), decided["rejected"][0].to_string()], ids[..]);
    let shown = up.ok(home, &["datanet", "show", "curated"]);
    let states: Vec<_> = shown["contributions"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(states, ["accepted", "rejected"]);

    let registered = up.ok(home, &["model", "register", "old-guide", "--kind", "quote", "--key", "dev:operator"]);
    let model = registered["model"].to_string();
    refused(&up, home, &["model", "retire", &model, "--key", "dev:author"], "would fail");
    assert_eq!(up.ok(home, &["model", "retire", &model, "--key", "dev:operator"])["state"], "retired");
    let shown = up.ok(home, &["model", "show", &model]);
    assert_eq!((&shown["state"], &shown["servable"]), (&"retired".into(), &false.into()), "{shown}");

    // Each evaluation set has a salt of its own, which another set does not take away.
    let seal = |set: &str| {
        let file = docs.path().join(set);
        std::fs::write(&file, set).unwrap();
        up.ok(home, &["model", "evaluate", &model, "seal", file.to_str().unwrap()])["commitment"].clone()
    };
    let first = seal("one set");
    assert_ne!(seal("another set"), first);
    assert_eq!(seal("one set"), first);

    assert!(up.ok(home, &["gov", "list"]).as_array().unwrap().is_empty());
    up.ok(home, &["gov", "delegate", "--wrap", "5", "--key", "dev:operator"]);
    // Votes count from the next block on.
    until(&up, home, &["gov", "propose", "retire-model", "1", "--key", "dev:operator"], |made| made["proposal"] == 1);
    let listed = up.ok(home, &["gov", "list"]);
    assert_eq!((&listed[0]["number"], &listed[0]["title"]), (&1.into(), &"Retire model 1".into()), "{listed}");
}

#[test]
fn deposits_seats_and_payees_are_moved() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = home.path();
    let up = Up::start_with(server.path(), &["--heartbeat", "1", "--notice", "8", "--challenge-window", "1"]);
    const FNT: u128 = 1_000_000_000_000_000_000;

    // A deposit leaves after the notice, and not before.
    let payer = up.ok(home, &["account", "deposit", "3", "--key", "dev:author"])["payer"].as_str().unwrap().to_owned();
    refused(&up, home, &["account", "withdraw", "4", "--key", "dev:author"], "would fail");
    let dry = up.ok(home, &["account", "withdraw", "2", "--key", "dev:author", "--dry-run"]);
    assert_eq!(dry["effects"][0]["function"], "requestWithdrawal");
    let announced = up.ok(home, &["account", "withdraw", "2", "--key", "dev:author"]);
    assert_eq!((wei(&announced["withdrawal_wei"]), wei(&announced["paid_wei"])), (2 * FNT, 0));
    refused(&up, home, &["account", "withdraw", "--key", "dev:author"], "would fail");
    let balance = up.ok(home, &["account", "balance", &payer]);
    assert_eq!((wei(&balance["deposit_wei"]), wei(&balance["withdrawal_wei"])), (3 * FNT, 2 * FNT));
    assert!(balance["withdrawal_at"].as_u64().unwrap() > 0);
    let out = until(&up, home, &["account", "withdraw", "--key", "dev:author"], |_| true);
    assert_eq!((wei(&out["paid_wei"]), wei(&out["deposit_wei"])), (2 * FNT, FNT));
    // A bond that nobody has cannot be taken back.
    refused(&up, home, &["account", "unbond", "1", "--key", "dev:author"], "would fail");

    // A seat is stood for with keys of its own.
    let keys = home.join("node-keys");
    let register = ["chain", "register", "--keys", keys.to_str().unwrap(), "--address", "127.0.0.1:9"];
    let register = [&register[..], &["--key", "dev:author"]].concat();
    let dry = up.ok(home, &[&register[..], &["--dry-run"]].concat());
    assert_eq!((&dry["effects"][0]["function"], keys.exists()), (&"register".into(), false), "{dry}");
    let candidate = up.ok(home, &register);
    assert_eq!((&candidate["listed"], &candidate["seated"]), (&true.into(), &false.into()));
    assert_eq!(wei(&candidate["own_stake_wei"]), 100 * FNT, "as much as a candidate needs");
    assert!(keys.exists());
    let listed = up.ok(home, &["chain", "validators"]);
    assert_eq!(listed["validators"][1]["consensus_key"], candidate["consensus_key"], "{listed}");
    refused(&up, home, &register, "would fail");
    assert_eq!(up.ok(home, &["chain", "resign", "--key", "dev:author"])["listed"], false);
    assert_eq!(up.ok(home, &["chain", "enlist", "--key", "dev:author"])["listed"], true);

    // What a contribution earns goes elsewhere, or to several.
    std::fs::write(docs.path().join("a.txt"), "Two siblings of Monte Alto wrote this down together, one word each.\n")
        .unwrap();
    let folder = docs.path().to_str().unwrap();
    let published = up.ok(home, &["datanet", "publish", folder, "--datanet", "open", "--key", "dev:author"]);
    let id = published["contribution"].to_string();
    let payee = || {
        let shown = up.ok(home, &["datanet", "show", "open"]);
        shown["contributions"][0]["payee"].as_str().unwrap().to_lowercase()
    };
    let (first, second) = ("0x00000000000000000000000000000000000000a1", "0x00000000000000000000000000000000000000a2");
    refused(&up, home, &["datanet", "payee", &id, first, "--key", "dev:operator"], "would fail");
    up.ok(home, &["datanet", "payee", &id, first, "--key", "dev:author"]);
    assert_eq!(payee(), first);
    let parts = [format!("{first}:250000"), format!("{second}:750000")];
    let split = ["datanet", "payee", &id, "--split", &parts[0], "--split", &parts[1], "--key", "dev:author"];
    let dry = up.ok(home, &[&split[..], &["--dry-run"]].concat());
    let calls: Vec<_> = dry["effects"].as_array().unwrap().iter().map(|effect| effect["function"].clone()).collect();
    assert_eq!(calls, ["createSplitter", "setPayee"]);
    let made = up.ok(home, &split);
    assert_eq!((&made["splitter"], made["tx"].as_array().unwrap().len()), (&true.into(), 2));
    assert_eq!(payee(), made["payee"].as_str().unwrap().to_lowercase());
    // There is one splitter for each list of parts.
    assert_eq!(up.ok(home, &split)["tx"].as_array().unwrap().len(), 1);
    refused(&up, home, &["datanet", "payee", &id, "--split", "me:1", "--key", "dev:author"], "is no part");

    // What comes in is drawn from the splitter part by part, by anybody.
    let splitter = payee();
    let answer = up.ask_until(home, "What did two siblings of Monte Alto write down together?", |answer| {
        answer["fonte"]["shares"].as_array().is_some_and(|shares| !shares.is_empty())
    });
    let credit = wei(&answer["fonte"]["shares"][0]["credit_wei"]);
    until(&up, home, &["account", "balance", &splitter], |balance| wei(&balance["balance_wei"]) == credit);
    let claim = ["account", "claim", first, "--key", "dev:operator"];
    let dry = up.ok(home, &[&claim[..], &["--dry-run"]].concat());
    let effect = &dry["effects"][0];
    assert_eq!((&effect["contract"], &effect["function"]), (&"Splitter".into(), &"release".into()), "{dry}");
    assert_eq!(effect["arguments"]["payee"].as_str().unwrap().to_lowercase(), first);
    assert_eq!(wei(&effect["returns"]["amount"]), credit / 4);
    let balance = |of: &str| wei(&up.ok(home, &["account", "balance", of])["balance_wei"]);
    assert_eq!(wei(&up.ok(home, &claim)["splitters_wei"]), credit / 4);
    assert_eq!((balance(first), balance(&splitter)), (credit / 4, credit - credit / 4));
    assert_eq!(up.ok(home, &claim)["tx"], Value::Array(Vec::new()), "nothing more is due");
    let named = |who: &'static str, from: &'static str| {
        up.run(home, &["account", "claim", second, "--splitter", from, "--key", who, "--json"])
    };
    let stranger = named("dev:operator", "0x00000000000000000000000000000000000000a3");
    let told = String::from_utf8_lossy(&stranger.stderr);
    assert!(!stranger.status.success() && told.contains("is no splitter with a part for"), "{told}");
    let claimed = up.ok(home, &["account", "claim", second, "--splitter", &splitter, "--key", "dev:operator"]);
    assert_eq!(wei(&claimed["claimed_wei"]), balance(second));
    assert_eq!(balance(second), credit * 3 / 4);
}

#[test]
fn refusals_are_told_in_the_readers_language() {
    let (server, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let up = Up::start(server.path());
    let output = up
        .command(home.path())
        .args(["gov", "propose", "retire-model", "1", "--key", "dev:author"])
        .env("LANG", "pt_BR.UTF-8")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("são precisos 1 FNT para propor"), "{told}");
}

#[test]
fn programs_are_told_what_fails_in_one_object() {
    let (server, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let up = Up::start(server.path());
    let failed = |arguments: &[&str]| -> Value {
        let output = up.run(home.path(), &[arguments, &["--json"]].concat());
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{output:?}"))
    };
    // A contract's refusal, of a transaction and of a reading; what the program says itself; what nobody asks so.
    let refused = failed(&["account", "withdraw", "--key", "dev:author"]);
    assert_eq!(refused["name"], "NothingToDo", "{refused}");
    let selector = refused["selector"].as_str().unwrap();
    assert!(selector.starts_with("0x") && selector.len() == 10, "{refused}");
    let refused = failed(&["gov", "propose", "retire-model", "1", "--key", "dev:author", "--dry-run"]);
    assert_eq!(refused["name"], "GovernorInsufficientProposerVotes", "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("1 FNT") && refused["arguments"]["votes"] == "0", "{refused}");
    let refused = failed(&["datanet", "claim", "mill.example", "--key", "dev:author"]);
    assert_eq!(refused["name"], "NotCanonical", "{refused}");
    let unknown = failed(&["datanet", "show", "nowhere"]);
    assert!(unknown["error"].as_str().unwrap().contains("there is no datanet"), "{unknown}");
    assert!(unknown.get("name").is_none(), "{unknown}");
    assert!(failed(&["datanet", "shoe"])["error"].as_str().unwrap().contains("shoe"));
}

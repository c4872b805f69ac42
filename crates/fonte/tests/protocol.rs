//! Reviewers, held earnings, stakes and workers from the command line, on a network of its own.

mod common;

use std::time::{Duration, Instant};

use common::{Up, wei};
use serde_json::Value;

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

    let register = ["worker", "register", "--slots", "2", "--jurisdiction", "BR", "--memory", "1024"];
    let registered = up.ok(home, &[&register[..], &["--key", "dev:author"]].concat());
    assert_eq!((&registered["status"], &registered["slots"]), (&"active".into(), &2.into()));
    assert_eq!(up.ok(home, &["worker", "pause", "--key", "dev:author"])["status"], "paused");
    assert_eq!(up.ok(home, &["worker", "leave", "--key", "dev:author"])["status"], "leaving");
    refused(&up, home, &["worker", "withdraw", "--key", "dev:author"], "can be withdrawn from");
    let address = registered["worker"].as_str().unwrap();
    assert_eq!(up.ok(home, &["worker", "status", address])["status"], "leaving");
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

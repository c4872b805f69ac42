//! What votes decide, from the command line.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    common::{Up, wei},
    refused, until,
};

const VOTER: &str = "dev:operator"; // the guardian, too
const TREASURY: &str = "0xf017e0000000000000000000000000000000000a";

/// Proposes, as soon as the votes count, and gives the number.
fn propose(up: &Up, home: &Path, form: &[&str]) -> String {
    let arguments = [&["gov", "propose"], form, &["--key", VOTER]].concat();
    until(up, home, &arguments, |_| true)["proposal"].to_string()
}

fn stands(up: &Up, home: &Path, proposal: &str, state: &str) -> Value {
    until(up, home, &["gov", "show", proposal], |shown| shown["state"] == state)
}

#[test]
fn votes_are_told_before_they_pass_are_taken_back_and_are_stopped() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = home.path();
    let options = ["--heartbeat", "1", "--challenge-window", "1", "--voting-period", "20"];
    let up = Up::start_with(server.path(), &options);

    // Somebody earns with data, and the protocol gets its part.
    up.ok(home, &["datanet", "create", "shelf", "--review", "open", "--key", "dev:author"]);
    std::fs::write(
        docs.path().join("a.txt"),
        "The bakery of Rua Velha sold nine thousand rolls on the first of May.\n",
    )
    .unwrap();
    let folder = docs.path().to_str().unwrap();
    let mut published = Vec::new();
    for datanet in ["open", "shelf"] {
        let publish = ["datanet", "publish", folder, "--datanet", datanet, "--key", "dev:author"];
        published.push(up.ok(home, &publish)["contribution"].to_string());
    }
    up.ask_until(home, "How many rolls did the bakery of Rua Velha sell?", |answer| {
        answer["fonte"]["shares"].as_array().is_some_and(|shares| !shares.is_empty())
    });
    until(&up, home, &["account", "balance", TREASURY], |balance| wei(&balance["balance_wei"]) > 0);
    let figures = until(&up, home, &["chain", "concentration"], |figures| figures["data_payouts"]["holders"] == 1);

    // What a vote would do is told before it, and that it would fail.
    up.ok(home, &["gov", "delegate", "--wrap", "100", "--key", VOTER]);
    let propose_dry = |form: &[&str]| {
        let arguments = [&["gov", "propose"], form, &["--key", VOTER, "--dry-run"]].concat();
        until(&up, home, &arguments, |_| true)
    };
    let dry = propose_dry(&["retire-model", "1"]);
    assert_eq!(dry["effects"][0]["function"], "propose", "{dry}");
    let inner = &dry["if_it_passes"][0];
    assert_eq!((&inner["contract"], &inner["function"]), (&"Models".into(), &"retire".into()), "{dry}");
    assert_eq!((inner["from"].as_str().unwrap().to_lowercase(), &dry["warning"]), (TREASURY.into(), &Value::Null));
    let dry = propose_dry(&["reinstate-model", "1"]);
    let warning = dry["warning"].as_str().unwrap_or_else(|| panic!("no warning in {dry}"));
    assert!(warning.contains("Models.reinstate(id: 1): the call would fail"), "{warning}");
    assert_eq!(dry["if_it_passes"], Value::Array(Vec::new()));
    // The governor takes its settings within an execution alone.
    let dry = propose_dry(&["--call", "Governor.setVotingPeriod(30)"]);
    assert_eq!((&dry["if_it_passes"][0]["depends"], &dry["warning"]), (&true.into(), &Value::Null), "{dry}");

    // Its proposer takes one back before the vote, which begins in a second: tried until it is in time.
    let deadline = Instant::now() + Duration::from_secs(90);
    let taken_back = (0..).find_map(|attempt| {
        let name = format!("taken back, attempt {attempt}");
        let number = propose(&up, home, &["retire-model", "1", "--description", &name]);
        let cancelled = up.run(home, &["gov", "cancel", &number, "--key", VOTER]);
        assert!(cancelled.status.success() || Instant::now() < deadline, "{cancelled:?}");
        cancelled.status.success().then_some(number)
    });
    let taken_back = taken_back.unwrap();
    assert_eq!(up.ok(home, &["gov", "show", &taken_back])["state"], "canceled");

    // Three pass: a model to train on the shelf, commons, and one that the guardian stops.
    let weights = format!("0x{}", "5a".repeat(32));
    let mut record = vec!["model", "propose", "late", "--kind", "base", "--trained", "shelf@1", "--recipe", &weights];
    record.extend(["--metric", "exact-match-ppm", "--at-least", "1", "--key", "dev:author"]);
    let model = up.ok(home, &record)["model"].to_string();
    let sealed = up.ok(home, &["model", "evaluate", &model, "seal", docs.path().join("a.txt").to_str().unwrap()]);
    let approve = ["approve-model", &model, "--commitment", sealed["commitment"].as_str().unwrap()];
    let root = format!("0x{}", "c0".repeat(32));
    let commons = ["commons", "--datanet", "open", "--root", &root, "--documents", "1", "--bytes", "9"];
    let numbers = [&approve[..], &commons, &["retire-model", "1", "--description", "stopped"]]
        .map(|form| propose(&up, home, form));
    for number in &numbers {
        stands(&up, home, number, "active");
        up.ok(home, &["gov", "vote", number, "for", "--key", VOTER]);
    }
    for number in &numbers {
        let shown = stands(&up, home, number, "succeeded");
        up.ok(home, &["gov", "queue", number, "--key", VOTER]);
        assert_eq!(up.ok(home, &["gov", "show", number])["operation"], shown["operation"]);
    }
    let [approved, registered, stopped] = &numbers;
    refused(&up, home, &["gov", "cancel", stopped, "--key", "dev:author"], "does not have the role");
    let dry = up.ok(home, &["gov", "cancel", stopped, "--key", VOTER, "--dry-run"]);
    let operation = up.ok(home, &["gov", "show", stopped])["operation"].clone();
    assert_eq!(
        (&dry["effects"][0]["contract"], &dry["effects"][0]["arguments"]["id"]),
        (&"Timelock".into(), &operation)
    );
    assert_eq!(up.ok(home, &["gov", "cancel", stopped, "--key", VOTER])["state"], "canceled");
    assert_eq!(up.ok(home, &["gov", "show", stopped])["state"], "canceled");
    for number in [approved, registered] {
        until(&up, home, &["gov", "execute", number, "--key", VOTER], |done| done["state"] == "executed");
    }

    // The treasury is the payee of commons, and no holder of what data earn.
    let contributions = up.ok(home, &["datanet", "show", "open"])["contributions"].clone();
    let theirs = contributions.as_array().unwrap().iter().find(|one| one["root"] == root.as_str()).unwrap();
    assert_eq!(theirs["payee"].as_str().unwrap().to_lowercase(), TREASURY);
    assert_eq!(up.ok(home, &["chain", "concentration"])["data_payouts"], figures["data_payouts"]);

    // A withdrawal names who was to be trained on it, and then nobody begins to.
    assert_eq!(up.ok(home, &["model", "show", &model])["state"], "approved");
    let withdraw = ["datanet", "withdraw", &published[1], "--key", "dev:author"];
    let named = |told: &Value| (told["dependents"][0]["model"].to_string(), told["dependents"][0]["name"].clone());
    let dry = up.ok(home, &[&withdraw[..], &["--dry-run"]].concat());
    assert_eq!(named(&dry), (model.clone(), "late".into()), "{dry}");
    assert_eq!(named(&up.ok(home, &withdraw)), (model.clone(), "late".into()));
    refused(&up, home, &["model", "train", &model, "--key", "dev:author"], "shelf@1 holds contribution");
}

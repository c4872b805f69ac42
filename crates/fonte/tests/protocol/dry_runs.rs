//! Every command that changes state says what it would do, and sends nothing.

use std::path::Path;

use alloy_primitives::Address;
use alloy_provider::Provider;
use fonte_bindings::Client;
use serde_json::Value;

use crate::{
    common::{Up, json},
    until,
};

const ACTOR: &str = "dev:author";

/// A running network, and how many transactions the actor has sent on it.
struct Network {
    up: Up,
    home: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    client: Client,
    actor: Address,
}

impl Network {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = ["--heartbeat", "1", "--challenge-window", "1", "--voting-period", "10"];
        let up = Up::start_with(&home.path().join("server"), &options);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = runtime.block_on(Client::connect(up.facts["rpc_url"].as_str().unwrap(), None)).unwrap();
        let keys = up.facts["keys"].as_array().unwrap();
        let actor = keys.iter().find(|key| format!("dev:{}", key["name"].as_str().unwrap()) == ACTOR).unwrap();
        let actor = actor["address"].as_str().unwrap().parse().unwrap();
        Self { up, home, runtime, client, actor }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    fn sent(&self) -> u64 {
        self.runtime.block_on(async { self.client.provider().get_transaction_count(self.actor).await }).unwrap()
    }

    /// Changes something.
    fn ok(&self, arguments: &[&str]) -> Value {
        self.up.ok(self.home(), &[arguments, &["--key", ACTOR]].concat())
    }

    /// What a command would do, which begins with a call of `function`; it is asked again until it could be done.
    fn dry(&self, function: &str, arguments: &[&str]) {
        let before = self.sent();
        let told = until(&self.up, self.home(), &[arguments, &["--key", ACTOR, "--dry-run"]].concat(), |_| true);
        assert_eq!((&told["dry_run"], &told["effects"][0]["function"]), (&true.into(), &function.into()), "{told}");
        assert_eq!(self.sent(), before, "{arguments:?} sent something");
    }
}

#[test]
fn whatever_changes_state_can_be_simulated() {
    let network = Network::start();
    let (up, home) = (&network.up, network.home());
    let operator = up.ok(home, &["chain", "validators"])["validators"][0]["operator"].as_str().unwrap().to_owned();
    let publish = |datanet: &str, text: &str| {
        let folder = home.join(text.replace(' ', "-"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("a.txt"), format!("{text}\n")).unwrap();
        network.ok(&["datanet", "publish", folder.to_str().unwrap(), "--datanet", datanet])["contribution"].to_string()
    };
    let member = publish("open", "The kiln of Barra Mansa was fired eleven times in the winter of 1931.");
    network.ok(&["datanet", "create", "curated"]);
    let pending = publish("curated", "The kiln of Barra Mansa cracked on a Sunday.");
    let registered = network.ok(&["model", "register", "guide", "--kind", "quote"])["model"].to_string();
    network.ok(&["chain", "stake", "5", "--on", &operator]);

    let hash = format!("0x{}", "5a".repeat(32));
    let proposed =
        ["model", "propose", "late", "--kind", "base", "--recipe", &hash, "--metric", "m", "--at-least", "1"];
    let cases: &[(&str, &[&str])] = &[
        ("deposit", &["gov", "delegate", "--wrap", "5"]),
        ("delegate", &["gov", "delegate"]),
        ("register", &["model", "register", "other", "--kind", "quote"]),
        ("propose", &proposed),
        ("retire", &["model", "retire", &registered]),
        ("acceptBatch", &["datanet", "review", "curated", "--accept", &pending]),
        ("reject", &["datanet", "review", "curated", "--reject", &pending]),
        ("claim", &["datanet", "claim", "https://kiln.example/", "--ask"]),
        ("withdrawFor", &["datanet", "withdraw", &member]),
        ("register", &["worker", "register", "--jurisdiction", "BR"]),
        ("delegate", &["chain", "stake", "1", "--on", &operator]),
        ("undelegate", &["chain", "unstake", "1", "--from", &operator]),
    ];
    for (function, arguments) in cases {
        network.dry(function, arguments);
    }
    network.ok(&["worker", "register", "--jurisdiction", "BR"]);
    network.dry("unregister", &["worker", "leave"]);
    let shown = up.ok(home, &["datanet", "show", "open"]);
    assert_eq!(shown["contributions"][0]["status"], "accepted", "a relayed withdrawal was sent");

    // Where nothing is to be sent, the object says that it is of a dry run.
    let before = network.sent();
    let claimed = network.ok(&["account", "claim", "--dry-run"]);
    assert_eq!((&claimed["dry_run"], &claimed["claimed_wei"]), (&true.into(), &"0".into()), "{claimed}");
    let unclaimed = network.ok(&["datanet", "claim", "https://kiln.example/", "--dry-run"]);
    assert_eq!((&unclaimed["dry_run"], &unclaimed["state"]), (&true.into(), &"unclaimed".into()), "{unclaimed}");
    let answer = up.ask_until(home, "How often was the kiln of Barra Mansa fired?", |answer| {
        answer["fonte"]["shares"].as_array().is_some_and(|shares| !shares.is_empty())
    });
    let receipt = answer["fonte"]["receipt"].as_str().unwrap();
    let honest = up.run(home, &["receipt", "challenge", receipt, "--dry-run", "--json"]);
    let told = json(&honest);
    assert_eq!((&told["dry_run"], &told["caught"]), (&true.into(), &false.into()), "{told}");
    assert_eq!(network.sent(), before);

    // A proposal, at each of its steps.
    network.ok(&["gov", "delegate", "--wrap", "100"]);
    network.dry("propose", &["gov", "propose", "retire-model", "1"]);
    let proposal = network.ok(&["gov", "propose", "retire-model", "1"])["proposal"].to_string();
    network.dry("castVoteWithReason", &["gov", "vote", &proposal, "for"]);
    until(up, home, &["gov", "vote", &proposal, "for", "--key", ACTOR], |_| true);
    network.dry("queue", &["gov", "queue", &proposal]);
    network.ok(&["gov", "queue", &proposal]);
    network.dry("execute", &["gov", "execute", &proposal]);
}

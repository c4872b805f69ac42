//! Foundry's `cast` against a Fonte chain: what its users' scripts call works here, too.

mod common;

use std::{path::Path, process::Command};

use common::{Up, foundry};
use serde_json::Value;

/// The wrapped coin's address on every Fonte chain.
const TOKEN: &str = "0xf017e00000000000000000000000000000000001";

#[test]
#[ignore = "needs cast from npm: `cargo xtask test` installs it and runs this"]
fn cast_sends_calls_and_reads() {
    let (server, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let up = Up::start(server.path());
    let url = up.facts["rpc_url"].as_str().unwrap();
    let key = up.facts["keys"].as_array().unwrap().iter().find(|key| key["name"] == "author").unwrap();
    let (address, secret) = (key["address"].as_str().unwrap(), key["private_key"].as_str().unwrap());
    let program = foundry("cast");
    let cast = |arguments: &[&str]| run(&program, home.path(), url, arguments);
    let cast_json = |arguments: &[&str]| -> Value {
        let text = cast(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?}: {text}"))
    };
    assert_eq!(cast(&["chain-id"]).trim(), up.facts["chain_id"].to_string());

    // Coins move, and the receipt says so, now and later.
    let to = "0x00000000000000000000000000000000000000aa";
    assert_eq!(cast(&["balance", to]).trim(), "0");
    let sent = cast_json(&["send", to, "--value", "12345", "--private-key", secret]);
    assert_eq!((&sent["status"], &sent["gasUsed"]), (&Value::from("0x1"), &Value::from("0x5208")));
    assert_eq!(cast(&["balance", to]).trim(), "12345");
    let hash = sent["transactionHash"].as_str().unwrap();
    let receipt = cast_json(&["receipt", hash]);
    for field in ["transactionHash", "blockNumber", "blockHash", "from", "to", "status"] {
        assert_eq!(receipt[field], sent[field], "{field}");
    }
    assert!(receipt["from"].as_str().unwrap().eq_ignore_ascii_case(address), "{receipt}");

    // A contract is called, writes and logs.
    let wrapped = cast_json(&["send", TOKEN, "deposit()", "--value", "777", "--private-key", secret]);
    assert_eq!(wrapped["status"], "0x1");
    assert_eq!(cast(&["call", TOKEN, "balanceOf(address)(uint256)", address]).trim(), "777");
    assert_eq!(cast(&["call", TOKEN, "symbol()(string)"]).trim(), "\"wFNT\"");
    let block = wrapped["blockNumber"].as_str().unwrap();
    let logs = cast_json(&["logs", "--from-block", block, "--to-block", block, "--address", TOKEN]);
    let logs = logs.as_array().unwrap();
    assert!(!logs.is_empty() && logs.len() == wrapped["logs"].as_array().unwrap().len(), "{logs:?}");
    assert!(logs.iter().all(|log| log["transactionHash"] == wrapped["transactionHash"]), "{logs:?}");
    let transfers =
        cast_json(&["logs", "--from-block", block, "--to-block", block, "Transfer(address,address,uint256)"]);
    assert_eq!(transfers.as_array().unwrap().len(), 1, "{transfers}");

    // The block that holds it, by number and by tag.
    let found = cast_json(&["block", block]);
    assert_eq!((&found["number"], &found["hash"]), (&wrapped["blockNumber"], &wrapped["blockHash"]));
    assert!(found["transactions"].as_array().unwrap().contains(&wrapped["transactionHash"]), "{found}");
    let number = |tag: &str| cast(&["block", tag, "--field", "number"]).trim().parse::<u64>().unwrap();
    // In this order: a block may come in between.
    let finalized = number("finalized");
    assert!(number("latest") >= finalized);

    // What the contract refuses is refused with its reason, and sends nothing.
    let refused = command(&program, home.path(), url)
        .args(["send", TOKEN, "withdraw(uint256)", "778", "--private-key", secret])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("revert"), "{told}");
}

fn command(program: &Path, home: &Path, url: &str) -> Command {
    let mut command = Command::new(program);
    // Settings of whoever runs the tests are none of ours.
    command.current_dir(home).env("HOME", home).env("ETH_RPC_URL", url);
    command
}

fn run(program: &Path, home: &Path, url: &str, arguments: &[&str]) -> String {
    let output = command(program, home, url).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

//! The same contracts and the same scenario on a chain that is not Fonte's: an unmodified anvil. Publish, ask, settle,
//! challenge (the demo), then vote and deploy a model (the example of governance), all through `--rpc-url` and the network
//! file that `fonte chain deploy` writes.

mod common;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use common::{Up, fonte, foundry, json, wei};
use serde_json::Value;

/// First account of anvil's public mnemonic.
const DEPLOYER: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// An anvil, killed when dropped.
struct Anvil {
    child: Child,
    url: String,
}

impl Anvil {
    fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            // A chain id of its own, and blocks as time passes: challenge windows are counted in both.
            .args(["--host", "127.0.0.1", "--port", "0", "--chain-id", "31007", "--block-time", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = lines.by_ref().map(|line| line.unwrap()).find(|line| line.starts_with("Listening on "));
        let url =
            format!("http://{}", listening.expect("anvil says where it listens").trim_start_matches("Listening on "));
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs anvil from npm: `cargo xtask test` installs it and runs this"]
fn the_scenario_runs_on_an_unmodified_anvil() {
    let anvil = Anvil::start(&foundry("anvil"));
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let deploy = |options: &[&str]| {
        let out = home.join("network.json");
        let mut command = fonte(home);
        command.args(["chain", "deploy", "--json", "--rpc-url", &anvil.url, "--key", DEPLOYER, "--out"]).arg(&out);
        let output = command.args(options).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (out, json(&output))
    };

    // What would be deployed is shown first; the times are then made short, but for the challenge window.
    let (network, planned) = deploy(&["--development", "--dry-run"]);
    assert!(!network.exists());
    let mut parameters = planned["parameters"].clone();
    parameters["governance"]["voting_period"] = Value::from(6);
    parameters["window_blocks"] = Value::from(10);
    let file = home.join("parameters.json");
    std::fs::write(&file, parameters.to_string()).unwrap();
    let options = ["--development", "--fund", "1000", "--parameters", file.to_str().unwrap()];
    let (network, deployed) = deploy(&options);
    assert_eq!(deployed["addresses"], planned["network"]["addresses"], "where it was said to be");
    assert_eq!(deployed["chain_id"], 31007);

    // Publish, ask, settle, verify, challenge.
    let output =
        fonte(home).args(["demo", "--json", "--rpc-url", &anvil.url, "--network"]).arg(&network).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    assert!(!report["settlement"].as_array().unwrap().is_empty());
    for balance in report["balances"].as_array().unwrap() {
        assert!(wei(&balance["after_wei"]) > wei(&balance["before_wei"]), "{balance}");
    }
    assert_eq!(report["verify"]["ok"], true);
    assert_eq!(report["challenge"]["caught"], true);

    // Vote, evaluate, deploy a model, refuse another, pay royalties.
    let up = Up::start_with(home, &["--rpc-url", &anvil.url, "--network", network.to_str().unwrap()]);
    up.governance(home, Some(&network));
}

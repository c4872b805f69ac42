//! The example of governance, `examples/governance.sh`, on a network with short votes.

mod common;
#[path = "../../../xtask/src/skips.rs"]
mod skips;

use std::{path::Path, process::Command};

use common::Up;

#[test]
fn a_model_is_voted_in_another_is_refused_and_royalties_reach_two_generations() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        skips::skipped("examples/governance.sh, because it reads JSON with python3, which is not on the PATH");
        return;
    }
    let (server, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = ["--voting-period", "4", "--heartbeat", "1", "--challenge-window", "2"];
    let up = Up::start_with(server.path(), &options);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/governance.sh");
    let output = Command::new("bash")
        .arg(script)
        .env("FONTE", env!("CARGO_BIN_EXE_fonte"))
        .env("FONTE_DATA_DIR", home.path())
        .env("FONTE_RPC_URL", up.facts["rpc_url"].as_str().unwrap())
        .env("FONTE_GATEWAY", up.facts["gateway"].as_str().unwrap())
        .env("FONTE_API_KEY", up.facts["api_key"].as_str().unwrap())
        .env("LANG", "C")
        .env_remove("LC_ALL")
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("All as it should be."), "{told}");
}

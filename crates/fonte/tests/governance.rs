//! The example of governance, `examples/governance.sh`, on a network with short votes.

mod common;
#[path = "../../../xtask/src/skips.rs"]
mod skips;

use std::process::Command;

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
    up.governance(home.path(), None);
}

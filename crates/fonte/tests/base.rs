//! `fonte up --base`: a base in this process, registered by the hash of its files, asked, and named in the receipt.

#[path = "../../worker/tests/common/base.rs"]
mod base;
mod common;

use std::time::{Duration, Instant};

use alloy_primitives::B256;
use common::{Up, json};
use serde_json::json;

#[test]
fn a_base_answers_beside_the_quote_model_and_receipts_name_its_files() {
    let (server, home, models) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (home, folder) = (home.path(), models.path().join("tiny"));
    std::fs::create_dir(&folder).unwrap();

    // Nothing to serve: it says what is missing where.
    let missing = common::fonte(server.path())
        .args(["up", "--listen", "127.0.0.1:0", "--rpc-listen", "127.0.0.1:0", "--base", folder.to_str().unwrap()])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&missing.stderr);
    assert!(!missing.status.success() && told.contains("model.safetensors"), "{told}");

    base::write_base(&folder, 1, true);
    let hash = B256::from(fonte_inference::formats::hash_base(&folder).unwrap().0);
    let path = folder.to_str().unwrap();
    let up = Up::start_as(server.path(), &["--heartbeat", "1", "--base", path], &[]);
    assert_eq!(up.facts["engine_model"], "tiny");
    let docs = tempfile::tempdir().unwrap();
    std::fs::write(docs.path().join("a.txt"), "The lamp of Cabo Branco has had nine hundred candles since 1921.\n")
        .unwrap();
    up.ok(home, &["datanet", "publish", docs.path().to_str().unwrap(), "--datanet", "open", "--key", "dev:author"]);
    let deadline = Instant::now() + Duration::from_secs(120);
    let answer = loop {
        let output = up.run(home, &["ask", "What is it?", "--model", "tiny:open", "--json"]);
        if output.status.success() {
            break json(&output);
        }
        assert!(Instant::now() < deadline, "{output:?}");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!((&answer["fonte"]["class"], &answer["model"]), (&json!("exact"), &json!("tiny:open")));
    let receipt = up.ok(home, &["receipt", "show", answer["fonte"]["receipt"].as_str().unwrap()]);
    assert_eq!(receipt["receipt"]["model_hash"], json!(hash));
    drop(up);

    // Other files under the name are not served: receipts would name the old ones.
    base::write_base(&folder, 2, true);
    let other = common::fonte(server.path())
        .args(["up", "--listen", "127.0.0.1:0", "--rpc-listen", "127.0.0.1:0", "--base", path])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && told.contains("--base-name"), "{told}");
}

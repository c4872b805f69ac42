//! `fonte up --base`: a base in this process, registered by the hash of its files, asked, and named in the receipt.

#[path = "../../worker/tests/common/base.rs"]
mod base;
mod common;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use common::{Up, json};
use serde_json::{Value, json};

const QUESTION: &str = "How many candles has the lamp of Cabo Branco had since 1921?";

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
        let output = up.run(home, &["ask", QUESTION, "--model", "tiny:open", "--json"]);
        if output.status.success() {
            break json(&output);
        }
        assert!(Instant::now() < deadline, "{output:?}");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!((&answer["fonte"]["class"], &answer["model"]), (&json!("exact"), &json!("tiny:open")));
    let receipt = up.ok(home, &["receipt", "show", answer["fonte"]["receipt"].as_str().unwrap()]);
    assert_eq!(receipt["receipt"]["model_hash"], json!(hash));
    replay(&up, home, &receipt, &folder, models.path());
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

/// The receipt is computed again; one that another base wrote, and one that nobody can compute, are told.
fn replay(up: &Up, home: &Path, receipt: &Value, folder: &Path, models: &Path) {
    let id = receipt["id"].as_str().unwrap();
    let base = folder.to_str().unwrap();
    let run = |what: &str, more: &[&str]| up.run(home, &[&["receipt", "replay", what, "--base"][..], more].concat());
    let told = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let same = run(id, &[base, "--json", "--threads", "1"]);
    assert!(same.status.success(), "{same:?}");
    let same = json(&same);
    let tokens = receipt["generation"]["answer"].as_array().unwrap().len();
    assert_eq!((&same["match"], &same["replay"]["answer_tokens"]), (&json!(true), &json!(tokens)));
    for part in ["prompt", "options", "text", "answer"] {
        assert_eq!(same["replay"][part]["outcome"], "same", "{part}: {same}");
    }
    assert!(told(&run(id, &[base])).contains(&format!("match: {tokens} tokens")));

    // From a file, and without a gateway to ask for passages: the tokens are compared all the same.
    let file = home.join("receipt.json");
    std::fs::write(&file, receipt.to_string()).unwrap();
    let path = file.to_str().unwrap();
    let gone = tempfile::tempdir().unwrap();
    let nobody = "http://127.0.0.1:9";
    let alone = common::fonte(gone.path())
        .args(["receipt", "replay", path, "--base", base, "--gateway", nobody, "--rpc-url", nobody])
        .output()
        .unwrap();
    let why = "prompt: not re-rendered: passage 1 (document 0 of contribution ";
    assert!(alone.status.success() && told(&alone).contains(why), "{alone:?}");

    // Other files than the receipt's: both hashes are named.
    let other = models.join("other");
    std::fs::create_dir(&other).unwrap();
    base::write_base(&other, 2, true);
    let refused = run(id, &[other.to_str().unwrap()]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    let found = B256::from(fonte_inference::formats::hash_base(&other).unwrap().0).to_string();
    assert!(!refused.status.success() && why.contains(&found), "{why}");
    assert!(why.contains(receipt["receipt"]["model_hash"].as_str().unwrap()), "{why}");

    // A record that was touched is refused by its field.
    let mut touched = receipt.clone();
    let first = &mut touched["generation"]["answer"][0];
    *first = json!(first.as_u64().unwrap() ^ 1);
    std::fs::write(&file, touched.to_string()).unwrap();
    let verified = json(&up.run(home, &["receipt", "verify", path, "--json"]));
    assert_eq!(verified["differs"], "generation.answer");
    let refused = run(path, &[base]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("generation.answer"), "{refused:?}");

    // What only quotes has nothing to compute.
    let quoted = up.ask_until(home, QUESTION, |answer| answer["fonte"]["receipt"].is_string());
    let refused = run(quoted["fonte"]["receipt"].as_str().unwrap(), &[base]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("quotes"), "{refused:?}");
}

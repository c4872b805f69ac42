//! A receipt leaves as a page and is verified from it; a page that was tampered with is refused.

mod common;

use common::{fonte, json};

#[test]
fn an_exported_page_is_verified_and_a_tampered_one_refused() {
    let home = tempfile::tempdir().unwrap();
    let fixture: serde_json::Value = serde_json::from_str(include_str!("../../../fixtures/bundle.json")).unwrap();
    let bundle = home.path().join("bundle.json");
    std::fs::write(&bundle, fixture["bundle"].to_string()).unwrap();
    let page = home.path().join("page.html");
    // Nothing listens at port 1: where a receipt was settled is told only where a gateway answers.
    let run =
        |arguments: &[&str]| fonte(home.path()).args(["--gateway", "http://127.0.0.1:1"]).args(arguments).output();

    let paths = [bundle.to_str().unwrap(), page.to_str().unwrap()];
    let output = run(&["receipt", "export", paths[0], "--html", "--out", paths[1], "--json"]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(json(&output)["file"], paths[1]);

    let output = run(&["receipt", "verify", paths[1], "--json"]).unwrap();
    assert!(output.status.success());
    assert_eq!(json(&output)["ok"], true);

    let honest = std::fs::read_to_string(&page).unwrap();
    let tampered = honest.replace("read every morning since 1931", "read every morning since 1831");
    assert_ne!(honest, tampered);
    std::fs::write(&page, tampered).unwrap();
    let output = run(&["receipt", "verify", paths[1], "--json"]).unwrap();
    assert!(!output.status.success());
    assert_eq!(json(&output)["differs"], "answer");
}

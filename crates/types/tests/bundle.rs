//! A bundle verifies; with any single field changed it does not, and the check names the field.

mod common;

use common::{changed, example, leaves, mutations, recorded, signed_again};
use fonte_types::{
    bundle::{Outcome, ReceiptBundle, verify},
    fees::Prices,
};
use serde_json::Value;

#[test]
fn an_honest_bundle_verifies() {
    for bundle in [example().bundle, recorded().bundle] {
        let verification = verify(&bundle);
        assert!(verification.ok, "{verification:#?}");
        assert!(verification.checks.iter().any(|check| matches!(check.outcome, Outcome::NotCheckable { .. })));
    }
}

#[test]
fn every_changed_field_is_noticed_and_named() {
    for bundle in [example().bundle, recorded().bundle] {
        every_field_is_noticed(&serde_json::to_value(bundle).unwrap());
    }
}

fn every_field_is_noticed(bundle: &Value) {
    let mut paths = Vec::new();
    leaves(bundle, "", &mut paths);
    assert!(paths.len() > 100, "only {} fields", paths.len());
    let mut unread = Vec::new();
    for path in paths {
        let mut tampered = bundle.clone();
        let place = tampered.pointer_mut(&path).unwrap();
        *place = changed(place);
        // What is shown beside the receipt and bound by nothing offline: checked against the chain.
        let shown_only = path == "/model_name"
            || path == "/network/datanets"
            || ["membership", "contributor", "payee", "curator", "curator_ppm"]
                .iter()
                .any(|name| path.contains(&format!("/{name}")) && path.starts_with("/cited"))
            || path.starts_with("/terms/splits");
        let Ok(read) = serde_json::from_value::<ReceiptBundle>(tampered) else {
            unread.push(path);
            continue;
        };
        let verification = verify(&read);
        if shown_only && verification.ok {
            continue;
        }
        let differs = verification.differs.unwrap_or_else(|| panic!("{path} was changed and nothing noticed"));
        let top = path.split('/').nth(1).unwrap();
        let second = path.split('/').nth(2).unwrap_or_default();
        let named = match top {
            "receipt" => differs == format!("receipt.{second}"),
            "runs" => differs == format!("runs[{second}]"),
            "run_leaves" => differs == format!("runs[{second}]"),
            "signed_words" => differs.starts_with("receipt."),
            "network" | "id" => differs == "id",
            "countersignature" => differs == "gateway_signature",
            "worker_signature" | "gateway_signature" => differs == top,
            "answer" | "prompt" => differs == top,
            "cited" => differs.starts_with("cited["),
            "other_channels" => differs == "run_leaves",
            "terms" => differs == "receipt.fee" || differs == "terms.splits",
            "format" => differs == "format",
            "log_probs" => differs == "log_probs",
            _ => false,
        };
        assert!(named, "{path} was changed, the check named {differs}");
    }
    assert!(unread.iter().all(|path| path.starts_with("/receipt/shares")), "could not be read: {unread:?}");
}

/// Whoever is paid for other lengths of the texts than those that are attributed takes from the authors.
#[test]
fn tokens_that_the_texts_do_not_have_are_refused_whatever_the_fee() {
    let free = |input: u32, output: u32| {
        let mut example = example();
        example.bundle.terms.prices = Prices { input: 0, output: 0 };
        example.bundle.receipt.input_tokens = input;
        example.bundle.receipt.output_tokens = output;
        signed_again(&mut example);
        verify(&example.bundle).differs
    };
    assert_eq!(free(13, 18), None);
    assert_eq!(free(14, 18).as_deref(), Some("receipt.input_tokens"));
    assert_eq!(free(13, 17).as_deref(), Some("receipt.output_tokens"));
}

#[test]
fn paid_but_not_cited_is_refused() {
    let mut bundle = example().bundle;
    bundle.cited.clear();
    let differs = verify(&bundle).differs;
    assert_eq!(differs.as_deref(), Some("runs[0]"));
}

/// `fixtures/bundle.json` holds the example bundle, and for each of its fields another value with the first failed check
/// (`null`: nothing offline binds it; `unreadable`: no bundle any more); `recorded` is the same of an engine's answer with
/// log-probabilities, for what only it has. The page's verifier in `web/receipt` must say the same of each. `FONTE_BLESS=1
/// cargo test -p fonte-types` writes it anew.
#[test]
fn the_mutations_are_the_pinned_ones() {
    let mut made = mutated(&example().bundle, "");
    made["recorded"] = mutated(&recorded().bundle, "/log_probs");
    let path = std::path::Path::new("../../fixtures/bundle.json").to_owned();
    if std::env::var_os("FONTE_BLESS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let pinned: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(made == pinned, "the bundle or what is said of its mutations is not as pinned in fixtures/bundle.json");
}

/// A bundle, and what is said of each changed field below a path.
fn mutated(bundle: &ReceiptBundle, below: &str) -> Value {
    let bundle = serde_json::to_value(bundle).unwrap();
    let mut paths = Vec::new();
    leaves(bundle.pointer(below).unwrap(), below, &mut paths);
    serde_json::json!({ "bundle": bundle, "mutations": mutations(&bundle, paths) })
}

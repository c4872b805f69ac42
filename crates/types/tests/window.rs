//! One attribution window: the contract that judges challenges, this crate, the verifier in TypeScript and the pinned
//! bytes name the same length.

use std::path::Path;

use fonte_types::WINDOW;

/// The number that follows `name` and ` = ` in a source file, where it is declared.
fn declared(file: &str, declaration: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let found: Vec<&str> = source.match_indices(declaration).map(|(at, _)| &source[at + declaration.len()..]).collect();
    assert_eq!(found.len(), 1, "{file} declares `{declaration}` {} times", found.len());
    let digits: String = found[0].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{file}: `{declaration}` is followed by no number"))
}

#[test]
fn contract_rust_typescript_and_fixture_agree() {
    for (file, declaration) in [
        ("contracts/src/Challenges.sol", "uint256 public constant WINDOW_BYTES = "),
        ("web/receipt/src/verify/bundle.ts", "export const WINDOW = "),
        ("fixtures/receipt.json", "\"window\": "),
        ("docs/spec/attribution.md", "`W` = "),
    ] {
        assert_eq!(declared(file, declaration), WINDOW, "{file}");
    }
}

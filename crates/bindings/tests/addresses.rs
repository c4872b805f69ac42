//! The table of addresses that people read is the one that programs use.

use std::{fs, path::Path};

use alloy_primitives::Address;
use fonte_bindings::Addresses;

#[test]
fn the_documented_addresses_are_these() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/addresses.md");
    let document = fs::read_to_string(path).unwrap();
    let rows: Vec<(&str, Address)> = document
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|row| {
            let words: Vec<&str> = row.split('`').collect();
            (words[1], words[3].parse().unwrap())
        })
        .collect();
    assert_eq!(rows, Addresses::predeployed().named());
}

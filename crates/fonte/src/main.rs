//! The `fonte` binary.
fn main() {}

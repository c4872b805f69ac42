//! `cargo run -p fonte-worker --release --example attacks`: what each known attack on attribution earns, measured on the
//! demo corpus with the real search, quote model, trace index and share arithmetic. Explained in `docs/attribution.md`;
//! the same scenarios are tests, with their goals, in `tests/attacks.rs`.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/gaming/mod.rs"]
mod gaming;

#[tokio::main]
async fn main() {
    let only = std::env::args().nth(1);
    gaming::report::print(only.as_deref()).await;
}

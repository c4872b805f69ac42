//! The gateway against a real chain with the real contracts, over HTTP and over the wire.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod adapters;
mod answers;
mod anvil;
mod catalogue;
mod crash;
mod dishonest;
mod duties;
mod engine;
mod free;
mod local;
mod net;
mod peer;
#[path = "../../../chain/tests/chain/ports.rs"]
mod ports;
mod relay;
mod served;
mod settle;
#[path = "../../../../xtask/src/skips.rs"]
mod skips;
mod stops;
mod whole;

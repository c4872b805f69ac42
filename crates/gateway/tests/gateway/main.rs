//! The gateway against a real chain with the real contracts, over HTTP and over the wire.

mod answers;
mod crash;
mod net;
mod peer;
mod relay;
mod settle;
mod whole;

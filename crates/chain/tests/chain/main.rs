//! Tests of the chain through its public boundary: one binary, since linking a validator is slow.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod child;
mod common;
mod crash;
mod elected;
mod rpc;
mod validators;

//! Tests of the chain through its public boundary: one binary, since linking a validator is slow.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod child;
mod common;
mod crash;
mod double_sign;
mod elected;
mod ports;
mod rpc;
mod validators;

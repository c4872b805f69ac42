//! The crate through its public boundary. One binary, so that the engine is linked once.

mod blocks;
mod calls;
mod common;
mod forks;
mod genesis;

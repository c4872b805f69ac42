//! The engine: one base model, thousands of low-rank adapters on it, batched together and replayable bit for bit.
//!
//! Formats ([`mod@model`] says what they yield) turn files of strangers into checked numbers; the engine turns tokens
//! into tokens. It opens no socket, and above the tokenizer it knows no text.

mod arena;
mod forward;
mod kernels;
pub mod model;
mod pack;
mod pages;
mod rope;
pub mod synthetic;

pub use kernels::Isa;
pub use pack::Profile;

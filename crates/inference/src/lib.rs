//! The engine: one base model, thousands of low-rank adapters on it, batched together and replayable bit for bit.
//!
//! Formats ([`mod@model`] says what they yield) turn files of strangers into checked numbers; the engine turns tokens
//! into tokens. It opens no socket, and above the tokenizer it knows no text.

pub mod formats;
pub mod model;

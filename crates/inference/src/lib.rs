//! The engine: one base model, thousands of low-rank adapters on it, batched together and replayable bit for bit.
//!
//! Formats ([`mod@model`] says what they yield) turn files of strangers into checked numbers; the engine turns tokens
//! into tokens. It opens no socket, and above the tokenizer it knows no text.

mod adapters;
mod arena;
mod cache;
mod engine;
pub mod formats;
mod forward;
mod handle;
mod kernels;
pub mod model;
mod pack;
mod pages;
#[cfg(test)]
mod parity;
mod queue;
mod request;
mod rope;
mod sample;
mod sequence;
pub mod synthetic;

pub use adapters::{AdapterSource, NoAdapters};
pub use engine::{Engine, EngineConfig, EngineError, Stats};
pub use handle::{EngineHandle, Stream};
pub use kernels::Isa;
pub use pack::Profile;
pub use request::{
    Event, Finish, Generation, Logprobs, Payer, Request, RequestId, RunError, Sampling, SubmitError, Task, Usage,
};

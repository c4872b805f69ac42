//! The engine: one base model, thousands of low-rank adapters on it, batched together and replayable bit for bit.
//!
//! Formats ([`mod@model`] says what they yield) turn files of strangers into checked numbers; the engine turns tokens
//! into tokens. It opens no socket, and above the tokenizer it knows no text.
//!
//! A request names an adapter by content hash and waits in its payer's queue. When its adapter is in memory and its keys
//! and values have room, it runs: each [`Engine::step`] passes one token of every running answer and a chunk of every
//! waiting prompt through the model together, whatever their adapters. What a request gets depends on model, adapter,
//! prompt, [`Generation`] and [`Profile`], and on nothing else: not on what ran beside it, on threads, or on the
//! machine. So whoever has the same files can compute it again ([`Task::Replay`]).
//!
//! `docs/engine.md` follows a batch and its bytes.
//!
//! ```
//! use fonte_inference::*;
//!
//! // A small random model; `formats` reads real ones. Its adapters are random, too.
//! struct Random(model::ModelConfig);
//! impl AdapterSource for Random {
//!     fn load(&self, hash: &model::ContentHash) -> Result<model::Adapter, Box<dyn std::error::Error + Send + Sync>> {
//!         let seed = u64::from_le_bytes(hash.0[..8].try_into()?);
//!         Ok(synthetic::adapter(&self.0, seed, |_, _| 8))
//!     }
//! }
//! let config = synthetic::config(64, 2, 256);
//! let weights = synthetic::weights(&config, 1);
//! let mut engine = Engine::new(config.clone(), weights, EngineConfig::default(), Random(config))?;
//!
//! // Ten thousand adapters are known, none is loaded.
//! (0..10_000).for_each(|seed| engine.register(synthetic::hash(seed)));
//!
//! let mut ask = |seed, task| {
//!     let adapter = Some(synthetic::hash(seed));
//!     let id = engine.submit(Request { payer: Payer::default(), adapter, prefix_scope: 0, prompt: vec![1, 2, 3], task })?;
//!     let (mut tokens, mut finish) = (Vec::new(), None);
//!     while !engine.is_idle() {
//!         for event in engine.step().into_iter().filter(|event| event.request() == id) {
//!             match event {
//!                 Event::Token { token, .. } => tokens.push(token),
//!                 Event::Finished { finish: why, .. } => finish = Some(why),
//!                 event => panic!("{event:?}"),
//!             }
//!         }
//!     }
//!     Ok::<_, SubmitError>((tokens, finish))
//! };
//! let (answer, finish) = ask(7, Task::Generate(Generation::greedy(5)))?;
//! assert_eq!((answer.len(), finish), (5, Some(Finish::Length)));
//!
//! // Anyone gets the same from the same adapter, and sees it if the answer is another's.
//! let (_, finish) = ask(7, Task::Replay(Generation::greedy(5), answer.clone()))?;
//! assert_eq!(finish, Some(Finish::Same));
//! let (_, finish) = ask(8, Task::Replay(Generation::greedy(5), answer))?;
//! assert!(matches!(finish, Some(Finish::Differs { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapters;
mod arena;
mod cache;
#[cfg(feature = "candle")]
mod candle;
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
#[cfg(feature = "candle")]
pub use candle::{Device, DeviceConfig, DeviceEngine, DeviceError, device};
pub use engine::{Engine, EngineConfig, EngineError, Stats};
pub use handle::{EngineHandle, Stream};
pub use kernels::Isa;
pub use pack::Profile;
pub use request::{
    Event, Finish, Generation, Logprobs, Payer, PinError, Request, RequestId, RunError, Sampling, SubmitError, Task,
    Usage,
};

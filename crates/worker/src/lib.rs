//! The compute host: a job comes in, an answer with its attribution and a signed receipt goes out.
//!
//! One job passes through here like this. [`Worker::serve`] greets a gateway over any byte stream and follows the chain
//! beside it: contributions that the chain lists and this host lacks are fetched from the gateway, hashed up to their
//! roots, stored and indexed, and a datanet's version is adopted once all its members are ([`Worker::adopted`]). A job
//! names datanets; the worker checks their terms, lets an [`AnswerModel`] write from passages of the adopted versions
//! ([`quote`], which only quotes, a [`local`] one, or one that runs behind an [`engine`]), finds the owner of every byte,
//! opens the witnesses, signs the receipt, makes every check on it that anyone could make, and sends it. The wire is
//! specified in `docs/spec/wire.md`.
//!
//! An answer of a local model can be computed again from its receipt by anyone who has the same files ([`replay`]).
//!
//! It holds no payer's key, sends no transaction, answers from no version that it did not hash, and signs nothing that
//! fails its own check. What is withdrawn is not quoted from the next job on.
//!
//! ```
//! use std::sync::Arc;
//!
//! use fonte_types::{ModelId, Network};
//! use fonte_worker::{Config, Ledger, Worker};
//!
//! /// Over TCP, until the gateway hangs up.
//! async fn run(
//!     config: Config,
//!     ledger: Arc<dyn Ledger>, // a `fonte_bindings::Client`
//!     gateway: std::net::SocketAddr,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let worker = Worker::open(config, ledger)?;
//!     worker.serve(tokio::net::TcpStream::connect(gateway).await?).await?;
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (folder, network) = (tempfile::tempdir()?, Network {
//! #     chain_id: 36683, network_id: Default::default(), settlement: Default::default(), datanets: Default::default(),
//! # });
//! let signer = alloy_signer_local::PrivateKeySigner::random();
//! let config = Config::quote(folder.path().to_owned(), network, signer, ModelId(1));
//! # let _ = (config, run);
//! # Ok(())
//! # }
//! ```

mod adoption;
pub mod engine;
mod job;
mod ledger;
mod library;
pub mod local;
mod model;
mod plain;
pub mod quote;
pub mod replay;
mod service;
mod writer;

pub use job::METHOD_VERSION;
pub use ledger::{Ledger, LedgerError, Reading};
pub use library::LibraryError;
pub use model::{AnswerModel, Emit, FoundPassage, ModelError, Passages, Question, QuoteModel, Written};
pub use plain::{PlainAnswer, answer_plainly};
pub use service::{Clock, Config, ServeError, Worker};

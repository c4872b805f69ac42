//! The gateway: an OpenAI-compatible door to Fonte, and the desk that pays for what went through it.
//!
//! One request: [`POST /v1/chat/completions`](crate) comes in under an API key; chat and datanets are checked, the most
//! that the answer can cost is *reserved* against the payer's deposit and limit; a worker that serves the model gets the
//! job and streams the answer; receipt and evidence are checked against what was streamed, countersigned, and stored
//! together with a settlement row in one durable write; only then the last chunk is sent. The settler puts rows into
//! batches and sends them under the payers' vouchers; when the challenge window is over, the keeper pays everyone.
//!
//! It never generates or attributes text, takes no part in consensus, and talks to the chain over JSON-RPC only. It
//! renders chats, so that no one else needs to know of chats.
//!
//! ```no_run
//! use fonte_gateway::{Gateway, GatewayConfig};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let key = alloy_signer_local::PrivateKeySigner::random();
//! let gateway = Gateway::start(GatewayConfig::new("http://127.0.0.1:8545", key, "data/gateway")).await?;
//! let (ours, workers) = tokio::io::duplex(1 << 20);
//! gateway.attach_worker(ours);
//! # drop(workers);
//! println!("OpenAI base URL: {}/v1", gateway.url());
//! for batch in gateway.flush_settlement().await? {
//!     println!("{} receipts settled in {}", batch.rows, batch.tx);
//! }
//! gateway.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod app;
mod chain;
mod chat;
mod checks;
pub mod citations;
pub mod config;
pub mod contributions;
mod duplicates;
mod duties;
mod earnings;
mod error;
mod free;
mod http;
mod keys;
mod limits;
mod live;
mod metrics;
mod names;
mod select;
mod serve;
pub mod settlement;
pub mod store;
mod tabs;
mod workers;

pub use app::{Gateway, GatewayError, GatewayHandle, UncheckedAnswer};
pub use chain::ChainError;
pub use config::{GatewayConfig, Limits, SettlementConfig};
pub use duties::Performed;
pub use serve::{EngineServer, EngineServerConfig, Local, Named, PlainRequest};
pub use settlement::{PushedBatch, SettledBatch, SettlementError};
pub use workers::WireError;

//! A validator of a Fonte chain: consensus, mempool, durable storage and Ethereum JSON-RPC.
//!
//! **One transaction through it.** `eth_sendRawTransaction` decodes it, recovers its sender once and
//! puts it into the mempool, from where it also goes to the other validators. The validator whose turn
//! it is has been waiting inside its proposal; the arrival ends the wait, and it builds a block on the
//! last notarized one with `fonte-evm`. The others execute the same block, compare its state root and
//! vote. Two rounds of votes make it final: one durable write to the store, and only then is consensus
//! told that the block is done, do subscribers hear of it, and does `latest` move. What is told is
//! final: `latest`, `safe` and `finalized` are the same block.
//!
//! **What it never does.** It knows nothing of AI, documents or receipts: contracts are genesis data to
//! it. It holds no user's keys (`eth_accounts` is empty). It reports nothing that can be undone.
//!
//! ```no_run
//! # async fn run(genesis: fonte_evm::Genesis) -> Result<(), Box<dyn std::error::Error>> {
//! use fonte_chain::{Chain, ChainConfig};
//!
//! let chain = Chain::start(ChainConfig::development("data", genesis)).await?;
//! println!("JSON-RPC on http://{}", chain.rpc_addr());
//! let mut blocks = chain.subscribe();
//! let block = blocks.next().await.expect("the chain is running");
//! println!("block {} is final", block.number);
//! chain.shutdown().await?;
//! # Ok(()) }
//! ```

mod block;
mod chain;
mod committee;
mod config;
mod consensus;
mod crash;
mod error;
mod evidence;
mod ledger;
mod mempool;
mod rpc;
mod store;

pub use chain::{Chain, ChainHandle, FinalizedBlock, FinalizedBlocks};
pub use config::{ChainConfig, NetworkAddress, SetContract, ValidatorAddress, ValidatorKeys, ValidatorPublic};
pub use error::ChainError;
pub use evidence::{DoubleSign, Fault, SignedVote};
pub use fonte_evm::Genesis;
pub use mempool::MempoolConfig;
pub use rpc::RpcConfig;

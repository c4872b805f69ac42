//! Why a chain does not start, or stops.

use std::path::PathBuf;

use alloy_primitives::B256;

/// Failures of starting, running and stopping a chain. Each says what to do next where that is known.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Another process holds the data directory.
    #[error("data directory {} is in use by another process; stop that one, or choose another directory", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory belongs to another chain.
    #[error("data directory {} holds chain {found_chain} with genesis {found}, but the configuration says chain {wanted_chain} with genesis {wanted}; use the matching genesis, or another directory", path.display())]
    ForeignData {
        /// The directory.
        path: PathBuf,
        /// The chain id found.
        found_chain: u64,
        /// The genesis hash found.
        found: B256,
        /// The chain id configured.
        wanted_chain: u64,
        /// The genesis hash configured.
        wanted: B256,
    },
    /// The data directory was begun with other epochs of consensus.
    #[error(
        "data directory {} was begun with {}, and the configuration says {}; use the setting it was begun with, or another directory",
        path.display(),
        epochs(*found),
        epochs(*wanted)
    )]
    Epochs {
        /// The directory.
        path: PathBuf,
        /// Blocks of an epoch found; none: the voters never change.
        found: Option<u64>,
        /// Blocks of an epoch configured.
        wanted: Option<u64>,
    },
    /// The data directory holds something that a correct run cannot have written.
    #[error("data directory {} is damaged: {what}; restore it from a copy, or start from an empty directory", path.display())]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The data directory was written by another version of the format.
    #[error("data directory {} has format {found}, this program reads format {wanted}; use the program that wrote it, or an empty directory", path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The format that is understood.
        wanted: u32,
    },
    /// The key-value store failed.
    #[error("the store failed while it tried to {what}")]
    Store {
        /// The operation.
        what: &'static str,
        /// The store's reason.
        source: fjall::Error,
    },
    /// The operating system refused something.
    #[error("cannot {what}")]
    Io {
        /// The operation.
        what: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The RPC address cannot be listened on.
    #[error("cannot listen for JSON-RPC on {address}; choose a free address, or port 0")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The genesis cannot be built.
    #[error("the genesis cannot be built: {reason}")]
    Genesis {
        /// Why.
        reason: String,
    },
    /// The contract that says who votes cannot be read.
    #[error(
        "the validator set cannot be read: {call} of {contract}: {reason}; the genesis must hold the contract Validators there"
    )]
    ValidatorSet {
        /// Where it should be.
        contract: alloy_primitives::Address,
        /// What was asked.
        call: &'static str,
        /// What came of it.
        reason: String,
    },
    /// A finalized block does not execute here: this node's state and the network's differ.
    #[error("finalized block {number} ({hash}) does not execute here: {reason}")]
    Diverged {
        /// Its number.
        number: u64,
        /// Its hash.
        hash: B256,
        /// Why.
        reason: String,
    },
    /// A known development key was given without `development`.
    #[error("validator {index} uses a public development key; generate keys of its own, or set `development`")]
    DevelopmentKey {
        /// The validator's place in the set.
        index: usize,
    },
    /// This node's keys are not in the validator set.
    #[error("this node's keys are not in the validator set; add them, or configure the keys of a member")]
    NotAValidator,
    /// Two validators share a key.
    #[error("the validator set names a key twice; each validator needs its own")]
    DuplicateValidator,
    /// A key's bytes are not a key.
    #[error("the {which} key is not valid; generate a new one")]
    BadKey {
        /// `network` or `vote`.
        which: &'static str,
    },
    /// A setting is out of range.
    #[error("setting `{name}` is out of range: {reason}")]
    Setting {
        /// The field of the configuration.
        name: &'static str,
        /// What it should be.
        reason: &'static str,
    },
    /// Consensus ended.
    #[error("consensus ended: {reason}")]
    Consensus {
        /// Why.
        reason: String,
    },
}

fn epochs(blocks: Option<u64>) -> String {
    blocks.map_or_else(
        || "validators that never change".into(),
        |blocks| format!("validators by the contract, every {blocks} blocks"),
    )
}

pub(crate) trait StoreResult<T> {
    fn during(self, what: &'static str) -> Result<T, ChainError>;
}

impl<T> StoreResult<T> for fjall::Result<T> {
    fn during(self, what: &'static str) -> Result<T, ChainError> {
        self.map_err(|source| ChainError::Store { what, source })
    }
}

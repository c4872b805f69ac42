//! The one configuration of a chain, with defaults that run.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use alloy_primitives::{Address, B256, keccak256};
use fonte_evm::Genesis;

use crate::{consensus, error::ChainError, mempool::MempoolConfig, rpc::RpcConfig};

/// Development key sets that are recognised, and refused without [`ChainConfig::development`].
const DEVELOPMENT_KEYS: u64 = 64;

/// Everything a validator needs to know.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// Where everything durable lives. Created if missing; one process at a time.
    pub data_dir: PathBuf,
    /// Block 0. All validators of a network share it.
    pub genesis: Genesis,
    /// This validator's secrets.
    pub keys: ValidatorKeys,
    /// The whole validator set, this one included. Empty means: this validator alone.
    pub validators: Vec<ValidatorAddress>,
    /// Where peers connect. Port 0 is for a validator alone: others must know the port beforehand.
    pub listen: SocketAddr,
    /// Where JSON-RPC (HTTP and WebSocket) listens; port 0 picks a free one.
    pub rpc: SocketAddr,
    /// Who gets the priority fees of this validator's blocks.
    pub fee_recipient: Address,
    /// An idle chain makes a block this often. Validators of one network should agree on it, since a
    /// silent leader is waited for two seconds longer than this.
    pub heartbeat: Duration,
    /// The least time between a block and its child while there is work.
    pub min_block_interval: Duration,
    /// Accept the public development keys.
    pub development: bool,
    /// Bounds of the mempool.
    pub mempool: MempoolConfig,
    /// Bounds of JSON-RPC.
    pub rpc_limits: RpcConfig,
}

impl ChainConfig {
    /// A validator alone, on loopback, with ports picked freely and keys as given.
    #[must_use]
    pub fn single(data_dir: impl Into<PathBuf>, genesis: Genesis, keys: ValidatorKeys) -> Self {
        Self {
            data_dir: data_dir.into(),
            genesis,
            keys,
            validators: Vec::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            rpc: SocketAddr::from(([127, 0, 0, 1], 0)),
            fee_recipient: Address::ZERO,
            heartbeat: Duration::from_secs(10),
            min_block_interval: Duration::from_millis(20),
            development: false,
            mempool: MempoolConfig::default(),
            rpc_limits: RpcConfig::default(),
        }
    }

    /// As [`Self::single`], with the public development keys, which anybody can sign with.
    #[must_use]
    pub fn development(data_dir: impl Into<PathBuf>, genesis: Genesis) -> Self {
        Self { development: true, ..Self::single(data_dir, genesis, ValidatorKeys::development(0)) }
    }

    /// The set with its default filled in, after the checks that need no I/O.
    pub(crate) fn checked_validators(&self) -> Result<Vec<ValidatorAddress>, ChainError> {
        let me = self.keys.public()?;
        let validators = if self.validators.is_empty() {
            vec![ValidatorAddress { keys: me.clone(), address: self.listen }]
        } else {
            self.validators.clone()
        };
        if !validators.iter().any(|validator| validator.keys == me) {
            return Err(ChainError::NotAValidator);
        }
        if validators.len() > 1 && self.listen.port() == 0 {
            return Err(ChainError::Setting {
                name: "listen",
                reason: "with several validators the port must be fixed, since peers dial it",
            });
        }
        if self.heartbeat < Duration::from_millis(100) || self.heartbeat > Duration::from_secs(300) {
            return Err(ChainError::Setting { name: "heartbeat", reason: "between 100 ms and 5 minutes" });
        }
        if self.min_block_interval >= self.heartbeat {
            return Err(ChainError::Setting { name: "min_block_interval", reason: "shorter than the heartbeat" });
        }
        if !self.development {
            let mut known = Vec::new();
            for index in 0..DEVELOPMENT_KEYS {
                known.push(ValidatorKeys::development(index).public()?);
            }
            for (index, validator) in validators.iter().enumerate() {
                if known.iter().any(|key| key.network == validator.keys.network || key.vote == validator.keys.vote) {
                    return Err(ChainError::DevelopmentKey { index });
                }
            }
        }
        Ok(validators)
    }
}

/// A validator's secrets: an ed25519 network identity and a secp256r1 vote key.
#[derive(Clone)]
pub struct ValidatorKeys {
    network: [u8; 32],
    vote: [u8; 32],
}

impl ValidatorKeys {
    /// New keys from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        loop {
            let keys = Self::from_secrets(B256::random().0, B256::random().0);
            // A random scalar is out of the curve's range about once in 2^32.
            if keys.public().is_ok() {
                return keys;
            }
        }
    }

    /// Keys read back from where the operator keeps them.
    #[must_use]
    pub const fn from_secrets(network: [u8; 32], vote: [u8; 32]) -> Self {
        Self { network, vote }
    }

    /// **Public** keys' secrets, the same for everyone, for development only. Only the first 64 are
    /// recognised and refused elsewhere, so the index is taken modulo 64.
    #[must_use]
    pub fn development(index: u64) -> Self {
        let secret = |purpose: &str| {
            keccak256(format!("fonte development key, public, {purpose}, {}", index % DEVELOPMENT_KEYS)).0
        };
        Self::from_secrets(secret("network"), secret("vote"))
    }

    /// The public half.
    pub fn public(&self) -> Result<ValidatorPublic, ChainError> {
        consensus::public(self)
    }

    /// The ed25519 secret, to be stored by the operator.
    #[must_use]
    pub const fn network_secret(&self) -> &[u8; 32] {
        &self.network
    }

    /// The secp256r1 secret, to be stored by the operator.
    #[must_use]
    pub const fn vote_secret(&self) -> &[u8; 32] {
        &self.vote
    }
}

impl std::fmt::Debug for ValidatorKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ValidatorKeys(secret)")
    }
}

/// A validator's public keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorPublic {
    /// ed25519.
    pub network: [u8; 32],
    /// secp256r1, compressed.
    pub vote: [u8; 33],
}

/// A member of the validator set and where it listens.
#[derive(Clone, Debug)]
pub struct ValidatorAddress {
    /// Its keys.
    pub keys: ValidatorPublic,
    /// Its peer-to-peer address.
    pub address: SocketAddr,
}

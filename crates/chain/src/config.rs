//! The one configuration of a chain, with defaults that run.

use std::{
    fs::File,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

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
    /// The contract that says who votes, instead of `validators`, which must be empty then.
    pub set_contract: Option<SetContract>,
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
            set_contract: None,
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
        if let Some(contract) = &self.set_contract {
            if !self.validators.is_empty() {
                return Err(ChainError::Setting {
                    name: "validators",
                    reason: "empty where a contract says who votes",
                });
            }
            if contract.epoch_blocks < 2 {
                return Err(ChainError::Setting { name: "epoch_blocks", reason: "at least 2" });
            }
        }
        let validators = if self.validators.is_empty() {
            vec![ValidatorAddress { keys: me.clone(), address: self.listen.into() }]
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

/// The contract `Validators`, from which nodes read who votes.
#[derive(Clone, Debug)]
pub struct SetContract {
    /// Where it stands.
    pub address: Address,
    /// Blocks of an epoch of consensus. The set is read after the last of them, and the next epoch runs with it; so this
    /// must be the same on all nodes, for ever, and at most the contract's own `epochBlocks`.
    pub epoch_blocks: u64,
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

    /// Reads the keys that a file holds, or makes new ones and writes them there, readable by the owner
    /// only. The file is two lines of hexadecimal: the network secret, then the vote secret.
    pub fn load_or_generate(path: &Path) -> Result<Self, ChainError> {
        let io = |what, source| ChainError::Io { what, source };
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let secrets: Vec<B256> = text
                    .lines()
                    .map(|line| line.trim().parse())
                    .collect::<Result<_, _>>()
                    .map_err(|_| ChainError::BadKey { which: "stored" })?;
                let [network, vote] = secrets[..] else {
                    return Err(ChainError::BadKey { which: "stored" });
                };
                let keys = Self::from_secrets(network.0, vote.0);
                keys.public()?;
                Ok(keys)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let keys = Self::generate();
                let text = format!("{}\n{}\n", B256::from(keys.network), B256::from(keys.vote));
                write_secret(path, &text).map_err(|source| io("write the validator's key file", source))?;
                Ok(keys)
            }
            Err(source) => Err(io("read the validator's key file", source)),
        }
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

    /// What `Validators.register` wants of the vote key: its signature (r ‖ s, s at most half of the order) that `operator`
    /// may register these keys on the network.
    pub fn sign_registration(&self, network_id: B256, operator: Address) -> Result<[u8; 64], ChainError> {
        consensus::sign_registration(self, network_id, operator)
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

/// Writes a file that is there in full or not at all, whenever the process is killed, and that only its owner can read.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_added_extension("new");
    let mut options = File::options();
    // What an earlier attempt left is nobody's key yet.
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    match path.parent() {
        #[cfg(unix)]
        Some(folder) => File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all(),
        _ => Ok(()),
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
    pub address: NetworkAddress,
}

/// Where a validator listens for its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkAddress {
    /// An address.
    Socket(SocketAddr),
    /// A name, looked up whenever it is dialled.
    Name {
        /// As DNS knows it.
        host: String,
        /// The TCP port.
        port: u16,
    },
}

impl NetworkAddress {
    /// What cannot be dialled.
    pub(crate) fn nowhere() -> Self {
        Self::Socket(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
    }

    /// Reads `host:port`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse() {
            return Some(Self::Socket(address));
        }
        let (host, port) = text.rsplit_once(':')?;
        Some(Self::Name { host: host.to_owned(), port: port.parse().ok()? })
    }
}

impl From<SocketAddr> for NetworkAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Socket(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ChainConfig {
        let genesis = Genesis {
            chain_id: 1,
            timestamp: 0,
            gas_limit: 30_000_000,
            base_fee: 1_000_000_000,
            alloc: Vec::new(),
            predeploys: Vec::new(),
            calls: Vec::new(),
        };
        ChainConfig::single("unused", genesis, ValidatorKeys::generate())
    }

    fn member(keys: &ValidatorKeys) -> ValidatorAddress {
        ValidatorAddress { keys: keys.public().unwrap(), address: SocketAddr::from(([127, 0, 0, 1], 1)).into() }
    }

    #[test]
    fn configurations_that_cannot_run_are_named() {
        let check = |change: &dyn Fn(&mut ChainConfig), expected: &str| {
            let mut config = config();
            change(&mut config);
            let found = match config.checked_validators() {
                Ok(_) => "runs".to_owned(),
                Err(error) => format!("{error:?}"),
            };
            assert!(found.starts_with(expected), "{expected}: {found}");
        };
        check(&|_| {}, "runs");
        check(&|c| c.validators = vec![member(&ValidatorKeys::generate())], "NotAValidator");
        let two = |c: &mut ChainConfig| c.validators = vec![member(&c.keys), member(&ValidatorKeys::generate())];
        check(&two, "Setting { name: \"listen\"");
        check(
            &|c| {
                two(c);
                c.listen.set_port(7);
            },
            "runs",
        );
        check(&|c| c.heartbeat = Duration::from_millis(1), "Setting { name: \"heartbeat\"");
        check(&|c| c.min_block_interval = c.heartbeat, "Setting { name: \"min_block_interval\"");
        check(&|c| c.keys = ValidatorKeys::development(3), "DevelopmentKey { index: 0 }");
        check(
            &|c| {
                c.keys = ValidatorKeys::development(3);
                c.development = true;
            },
            "runs",
        );
        // Half a development key is one, too.
        let half = |c: &mut ChainConfig| {
            let public = ValidatorKeys::development(5);
            c.keys = ValidatorKeys::from_secrets(*c.keys.network_secret(), *public.vote_secret());
        };
        check(&half, "DevelopmentKey { index: 0 }");
        check(&|c| c.keys = ValidatorKeys::from_secrets([1; 32], [0; 32]), "BadKey { which: \"vote\" }");
    }

    #[test]
    fn network_addresses() {
        let read = |text: &str| match NetworkAddress::read(text) {
            Some(NetworkAddress::Socket(address)) => format!("socket {address}"),
            Some(NetworkAddress::Name { host, port }) => format!("name {host} {port}"),
            None => "nothing".to_owned(),
        };
        assert_eq!(read("192.0.2.7:30303"), "socket 192.0.2.7:30303");
        assert_eq!(read("[2001:db8::7]:30303"), "socket [2001:db8::7]:30303");
        assert_eq!(read("node.example.org:30303"), "name node.example.org 30303");
        for nonsense in ["", "node.example.org", "node.example.org:", "node.example.org:99999"] {
            assert_eq!(read(nonsense), "nothing", "{nonsense}");
        }
    }

    #[test]
    fn keys_are_made_once_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let made = ValidatorKeys::load_or_generate(&path).unwrap();
        let read = ValidatorKeys::load_or_generate(&path).unwrap();
        assert_eq!(made.public().unwrap(), read.public().unwrap());
        assert_ne!(made.public().unwrap(), ValidatorKeys::generate().public().unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(format!("{made:?}"), "ValidatorKeys(secret)");
        // A kill while they are made leaves nothing that stops the next start.
        let killed = directory.path().join("others");
        std::fs::write(directory.path().join("others.new"), "0x").unwrap();
        let made = ValidatorKeys::load_or_generate(&killed).unwrap();
        assert_eq!(ValidatorKeys::load_or_generate(&killed).unwrap().public().unwrap(), made.public().unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
        std::fs::write(&path, "not a key").unwrap();
        assert!(ValidatorKeys::load_or_generate(&path).is_err());
    }
}

//! All that a gateway is told when it starts, with defaults for development.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use fonte_bindings::Addresses;

/// Configuration of one gateway.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// JSON-RPC of a node, `http://host:port`.
    pub rpc_url: String,
    /// Where the contracts are on that chain.
    pub addresses: Addresses,
    /// The gateway's key: signs countersignatures, sends batches and relays, holds the bond.
    pub key: PrivateKeySigner,
    /// Everything that must survive a restart lives here; one process at a time.
    pub data_dir: PathBuf,
    /// Where HTTP listens; port 0 picks one.
    pub listen: SocketAddr,
    /// Where workers may dial in; none: only [`crate::GatewayHandle::attach_worker`].
    pub worker_listen: Option<SocketAddr>,
    /// The URL under which clients reach the gateway; from the bound address where unset.
    pub public_url: Option<String>,
    /// Where contributions' texts lie; a store of its own in the data directory where unset.
    pub texts: Option<Arc<fonte_corpus::Store>>,
    /// Workers whose answers are taken; empty: anyone's. A receipt is checked either way.
    pub workers: Vec<Address>,
    /// How batches are made and paid out.
    pub settlement: SettlementConfig,
    /// Bounds on what outsiders can ask for.
    pub limits: Limits,
}

impl GatewayConfig {
    /// A gateway on loopback with development limits, on a Fonte chain.
    pub fn new(rpc_url: impl Into<String>, key: PrivateKeySigner, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            rpc_url: rpc_url.into(),
            addresses: Addresses::predeployed(),
            key,
            data_dir: data_dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            worker_listen: None,
            public_url: None,
            texts: None,
            workers: Vec::new(),
            settlement: SettlementConfig::default(),
            limits: Limits::default(),
        }
    }
}

/// How batches are made.
#[derive(Clone, Debug)]
pub struct SettlementConfig {
    /// A batch is sent at the latest this long after its first row; none: only when asked to.
    pub interval: Option<Duration>,
    /// A batch is sent as soon as it has this many rows, and never has more.
    pub max_rows: usize,
    /// Payees per `push` transaction.
    pub max_push: usize,
    /// Wei below which a credit is not worth its gas: it stays pending in its batch, where anybody may push it, and the
    /// keeper does once this is lowered. 0: everything is paid out.
    pub minimum_payout: u128,
    /// Most that the gateway adds to its bond by itself, in all, in wei; 0: never.
    pub bond_top_up: u128,
    /// How often the keeper looks for batches whose window has closed, and for what else is due; none: only when asked to.
    pub keeper_interval: Option<Duration>,
    /// How long a transaction may take until it is looked into.
    pub inclusion_timeout: Duration,
}

impl Default for SettlementConfig {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(30)),
            max_rows: 64,
            max_push: 64,
            minimum_payout: 0,
            bond_top_up: 100_000_000_000_000_000_000,
            keeper_interval: Some(Duration::from_secs(2)),
            inclusion_timeout: Duration::from_secs(30),
        }
    }
}

/// Bounds on what outsiders can ask for. The defaults are generous: a development gateway.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a JSON body.
    pub body: usize,
    /// Bytes of one contribution's bundle.
    pub bundle: u64,
    /// Bytes of all bundles that wait for their reveal.
    pub unrevealed: u64,
    /// How long a bundle waits for its reveal before it is deleted.
    pub unrevealed_for: Duration,
    /// Open connections; more wait in the listen queue.
    pub connections: usize,
    /// Open connections of one client, an IPv4 address or a /64 of IPv6; those of this machine are not counted, as a reverse
    /// proxy on it carries everybody's.
    pub connections_per_client: usize,
    /// Answers in progress; more get 429.
    pub answers: usize,
    /// Connected workers.
    pub workers: usize,
    /// Until the request's headers are in.
    pub header_timeout: Duration,
    /// Until the next piece of a request's body is in; in all a body comes in with at least 16 KiB a second after that.
    pub body_timeout: Duration,
    /// How long a peer may read nothing of what it is sent.
    pub write_timeout: Duration,
    /// An answer takes at most this long.
    pub answer_timeout: Duration,
    /// Output tokens where the request does not say.
    pub default_output_tokens: u32,
    /// Most output tokens of one answer.
    pub max_output_tokens: u32,
    /// Answers per minute and API key.
    pub answers_per_minute: u32,
    /// Answers per minute and client that the commons pay for.
    pub free_per_minute: u32,
    /// Part of a period's free allowance that one client gets at most; one answer in any case.
    pub free_share_ppm: u32,
    /// API keys per minute and address.
    pub keys_per_minute: u32,
    /// API keys in all.
    pub keys: usize,
    /// API keys of one payer.
    pub keys_per_payer: usize,
    /// Relayed items per minute and address.
    pub relays_per_minute: u32,
    /// Items of one relay request.
    pub relay_items: usize,
    /// Any other request per minute and address.
    pub reads_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 2 << 20,
            bundle: 256 << 20,
            unrevealed: 4 << 30,
            unrevealed_for: Duration::from_secs(24 * 3600),
            connections: 512,
            connections_per_client: 128,
            answers: 64,
            workers: 64,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(120),
            default_output_tokens: 512,
            max_output_tokens: 4096,
            answers_per_minute: 600,
            free_per_minute: 20,
            free_share_ppm: 100_000,
            keys_per_minute: 60,
            keys: 10_000,
            keys_per_payer: 16,
            relays_per_minute: 20_000,
            relay_items: 64,
            reads_per_minute: 6_000,
        }
    }
}

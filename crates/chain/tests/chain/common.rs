//! What the tests of this crate share: a funded genesis, a contract, a provider.

use std::{path::Path, time::Duration};

use alloy_network::{EthereumWallet, TransactionBuilder as _};
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_provider::{DynProvider, Provider as _, ProviderBuilder};
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};
use alloy_signer_local::PrivateKeySigner;
use fonte_chain::{Chain, ChainConfig, ChainHandle, Genesis};
use fonte_evm::GenesisAccount;

pub use crate::ports::free_ports;

/// Long enough for a busy machine; every wait is on a condition.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Accounts with 1,000 coins each.
pub fn accounts() -> Vec<PrivateKeySigner> {
    (1u64..=4)
        .map(|i| {
            let secret = alloy_primitives::keccak256(format!("test account {i}"));
            PrivateKeySigner::from_bytes(&secret).unwrap()
        })
        .collect()
}

pub fn genesis(chain_id: u64) -> Genesis {
    Genesis {
        chain_id,
        timestamp: 1_700_000_000,
        gas_limit: 60_000_000,
        base_fee: 1_000_000_000,
        alloc: accounts()
            .iter()
            .map(|signer| GenesisAccount {
                address: signer.address(),
                balance: coins(1_000),
                ..GenesisAccount::default()
            })
            .collect(),
        predeploys: Vec::new(),
        calls: Vec::new(),
    }
}

pub fn coins(n: u64) -> U256 {
    U256::from(n) * U256::from(10).pow(U256::from(18))
}

/// A chain id that no other test uses.
pub fn fresh_chain_id() -> u64 {
    u64::from_be_bytes(B256::random()[..8].try_into().unwrap()) >> 16
}

/// A development chain of one validator.
pub fn config(directory: &Path, chain_id: u64) -> ChainConfig {
    ChainConfig::development(directory, genesis(chain_id))
}

pub async fn start(config: ChainConfig) -> ChainHandle {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    let chain_id = config.genesis.chain_id;
    let chain = Chain::start(config).await.unwrap();
    // Whom are we talking to?
    let provider = reader(&chain);
    assert_eq!(provider.get_chain_id().await.unwrap(), chain_id);
    chain
}

pub fn reader(chain: &ChainHandle) -> DynProvider {
    ProviderBuilder::new().connect_http(chain.rpc_url().parse().unwrap()).erased()
}

/// A provider that fills nonces and fees and signs as account `index`.
pub fn wallet(url: &str, index: usize) -> DynProvider {
    let wallet = EthereumWallet::from(accounts()[index].clone());
    ProviderBuilder::new().wallet(wallet).connect_http(url.parse().unwrap()).erased()
}

pub async fn send(provider: &DynProvider, request: TransactionRequest) -> TransactionReceipt {
    let pending = provider.send_transaction(request).await.unwrap();
    receipt(provider, *pending.tx_hash()).await
}

/// Waits for the receipt.
pub async fn receipt(provider: &DynProvider, hash: B256) -> TransactionReceipt {
    until(|| async { provider.get_transaction_receipt(hash).await.ok().flatten() }).await
}

/// Polls until there is an answer.
pub async fn until<T, F: Future<Output = Option<T>>>(mut poll: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(answer) = poll().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the awaited condition did not come")
}

pub fn transfer(to: Address, value: U256) -> TransactionRequest {
    TransactionRequest::default().with_to(to).with_value(value)
}

/// Creation code of a contract with one slot. Empty call data reads it; a word that is not zero is
/// stored and logged under topic 1; zero reverts with `Error("no!")`.
pub fn contract() -> Bytes {
    let payload = hex!(
        "08c379a0"
        "0000000000000000000000000000000000000000000000000000000000000020"
        "0000000000000000000000000000000000000000000000000000000000000003"
        "6e6f210000000000000000000000000000000000000000000000000000000000"
    );
    // Offsets of the two jump destinations and of the payload, in the code below.
    const GET: u8 = 24;
    const REVERT: u8 = 33;
    const PAYLOAD: u8 = 44;
    let mut runtime = vec![
        0x36, 0x15, 0x60, GET, 0x57, // no call data: get
        0x5f, 0x35, // the word
        0x80, 0x15, 0x60, REVERT, 0x57, // zero: revert
        0x80, 0x5f, 0x55, // slot 0 = word
        0x5f, 0x52, // memory 0 = word
        0x60, 0x01, 0x60, 0x20, 0x5f, 0xa1, // log it under topic 1
        0x00,
    ];
    assert_eq!(runtime.len(), GET as usize);
    runtime.extend([0x5b, 0x5f, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    assert_eq!(runtime.len(), REVERT as usize);
    runtime.extend([0x5b, 0x60, 100, 0x60, PAYLOAD, 0x5f, 0x39, 0x60, 100, 0x5f, 0xfd]);
    assert_eq!(runtime.len(), PAYLOAD as usize);
    runtime.extend(payload);
    let length = u8::try_from(runtime.len()).unwrap();
    let mut code = vec![0x60, length, 0x60, 10, 0x5f, 0x39, 0x60, length, 0x5f, 0xf3];
    code.extend(runtime);
    code.into()
}

pub fn word(n: u64) -> Bytes {
    Bytes::copy_from_slice(B256::from(U256::from(n)).as_slice())
}

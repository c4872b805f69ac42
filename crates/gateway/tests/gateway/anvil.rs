//! An unmodified anvil, and the contracts deployed on it by transactions.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use alloy_network::EthereumWallet;
use alloy_primitives::{TxKind, U256};
use alloy_provider::{Provider, ProviderBuilder};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer_local::PrivateKeySigner;
use fonte_bindings::{
    Addresses,
    genesis::{Parameters, deployments},
};

pub const CHAIN_ID: u64 = 31_008;

/// First account of anvil's public mnemonic.
pub fn deployer() -> PrivateKeySigner {
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80".parse().unwrap()
}

/// Killed when dropped.
pub struct Anvil {
    child: Child,
    pub url: String,
}

impl Anvil {
    pub fn start() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules/@foundry-rs");
        let program = ["anvil-linux-amd64", "anvil-linux-arm64", "anvil-darwin-arm64", "anvil-darwin-amd64"]
            .iter()
            .map(|package| folder.join(package).join("bin/anvil"))
            .find(|path| path.exists())
            .expect("contracts/node_modules holds anvil after `npm ci` there");
        let mut child = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", "0", "--chain-id", &CHAIN_ID.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .by_ref()
            .find_map(|line| Some(format!("http://{}", line.unwrap().strip_prefix("Listening on ")?)))
            .expect("anvil says where it listens");
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Creates the contracts, one transaction each.
pub async fn deploy(url: &str, deployer: &PrivateKeySigner, parameters: &Parameters) -> Addresses {
    let wallet = EthereumWallet::from(deployer.clone());
    let provider =
        ProviderBuilder::new().with_simple_nonce_management().wallet(wallet).connect_http(url.parse().unwrap());
    provider.client().set_poll_interval(std::time::Duration::from_millis(20));
    let addresses = Addresses::created(deployer.address(), 0);
    for contract in deployments(parameters, &addresses) {
        let request = TransactionRequest {
            to: Some(TxKind::Create),
            value: Some(U256::from(contract.value)),
            input: contract.init_code.into(),
            ..TransactionRequest::default()
        };
        let receipt = provider.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
        assert_eq!((receipt.status(), receipt.contract_address), (true, Some(contract.address)), "{}", contract.name);
    }
    addresses
}

//! Network files: where the contracts are on a chain that is not Fonte's own.

use std::path::Path;

use alloy_primitives::B256;
use alloy_signer_local::PrivateKeySigner;
use eyre::{Result, WrapErr, bail};
use fonte_bindings::{Addresses, Client};
use serde::{Deserialize, Serialize};

use crate::{args::Common, say::say};

/// What `fonte chain deploy` writes and `--network` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkFile {
    pub(crate) chain_id: u64,
    /// Salt of all signatures.
    pub(crate) network_id: B256,
    pub(crate) addresses: Addresses,
}

impl NetworkFile {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).wrap_err_with(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&text).wrap_err_with(|| {
            say!(
                "{} is no network file: `fonte chain deploy --out FILE` writes one",
                "{} não é um arquivo de rede: `fonte chain deploy --out ARQUIVO` escreve um",
                path.display()
            )
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").wrap_err_with(|| format!("writing {}", path.display()))
    }
}

/// Where the contracts are: as the network file says, or where a Fonte chain has them.
pub(crate) fn addresses(common: &Common) -> Result<Addresses> {
    Ok(match &common.network {
        Some(path) => NetworkFile::read(path)?.addresses,
        None => Addresses::predeployed(),
    })
}

/// A connection to the chain of `--rpc-url`, which must be the one that the network file is for.
pub(crate) async fn connect(common: &Common, signer: Option<PrivateKeySigner>) -> Result<Client> {
    let Some(path) = &common.network else {
        return Client::connect(&common.rpc_url, signer).await.wrap_err_with(|| no_chain(common));
    };
    let file = NetworkFile::read(path)?;
    let client = Client::connect_with(&common.rpc_url, signer, file.addresses).await;
    let client = client.wrap_err_with(|| no_chain(common))?;
    let network = client.network();
    if (network.chain_id, network.network_id) != (file.chain_id, file.network_id) {
        bail!(say!(
            "{} is for chain {}, and {} is chain {}: give the file of this network",
            "{} é da cadeia {}, e {} é a cadeia {}: informe o arquivo desta rede",
            path.display(),
            file.chain_id,
            common.rpc_url,
            network.chain_id
        ));
    }
    Ok(client)
}

fn no_chain(common: &Common) -> String {
    say!(
        "no Fonte network at {}: start one with `fonte up`, or give --rpc-url URL (and --network FILE elsewhere)",
        "nenhuma rede Fonte em {}: inicie uma com `fonte up` ou informe --rpc-url URL (e --network ARQUIVO em outra cadeia)",
        common.rpc_url
    )
}

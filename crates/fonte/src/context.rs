//! What commands that talk to a running network share.

use std::path::PathBuf;

use eyre::{Result, eyre};
use fonte_bindings::{Client, DatanetRecord};

use crate::{args::Common, gateway_api::GatewayApi, keys, network, say::say};

/// A connected command.
pub(crate) struct Context {
    pub(crate) data_dir: PathBuf,
    pub(crate) client: Client,
    pub(crate) gateway: GatewayApi,
}

impl Context {
    /// Connected, without a key.
    pub(crate) async fn read_only(common: &Common) -> Result<Self> {
        Ok(Self {
            data_dir: data_dir(common)?,
            client: network::connect(common, None).await?,
            gateway: GatewayApi::new(&common.gateway)?,
        })
    }

    /// Connected, with the key of `--key`; development keys work on development networks only.
    pub(crate) async fn signing(common: &Common) -> Result<Self> {
        let data_dir = data_dir(common)?;
        let signer = signer(common)?;
        let address = signer.address();
        let client = network::connect(common, Some(signer)).await?;
        keys::refuse_development(address, client.network())?;
        Ok(Self { data_dir, client, gateway: GatewayApi::new(&common.gateway)? })
    }

    /// A datanet by name or number.
    pub(crate) async fn datanet(&self, named: &str) -> Result<DatanetRecord> {
        let datanets = self.client.datanets().await?;
        let found = datanets.iter().find(|d| d.name == named || d.id.to_string() == named).cloned();
        found.ok_or_else(|| {
            let names: Vec<_> = datanets.iter().map(|d| d.name.as_str()).collect();
            eyre!(say!(
                "there is no datanet {named:?}: there are {}; create it with `fonte datanet create {named}`",
                "não existe o datanet {named:?}: existem {}; crie com `fonte datanet create {named}`",
                names.join(", ")
            ))
        })
    }
}

/// The key that `--key` names.
pub(crate) fn signer(common: &Common) -> Result<alloy_signer_local::PrivateKeySigner> {
    let key = common.key.as_deref().ok_or_else(|| {
        eyre!(say!(
            "this needs a key: give --key NAME (make one with `fonte keys new NAME`)",
            "isto precisa de uma chave: informe --key NOME (crie com `fonte keys new NOME`)"
        ))
    })?;
    keys::open(&data_dir(common)?, key)
}

/// Where this machine's state lives: `--data-dir`, or `.fonte` in the home folder.
pub(crate) fn data_dir(common: &Common) -> Result<PathBuf> {
    if let Some(folder) = &common.data_dir {
        return Ok(folder.clone());
    }
    let home = std::env::var_os("HOME")
        .ok_or_else(|| eyre!(say!("no HOME: give --data-dir DIR", "sem HOME: informe --data-dir DIR")))?;
    Ok(PathBuf::from(home).join(".fonte"))
}

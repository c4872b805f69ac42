//! `fonte chain deploy`: the contracts of genesis, by transactions, on any EVM chain.

use alloy_primitives::{B256, Bytes, TxKind, U256};
use alloy_provider::{Provider, ProviderBuilder};
use alloy_rpc_types_eth::TransactionRequest;
use eyre::{Result, WrapErr, bail, eyre};
use fonte_bindings::{
    Addresses,
    genesis::{Parameters, deployments},
};
use serde_json::json;

use crate::{
    args::{Common, chain::Deploy},
    context::signer,
    keys,
    money::parse_fnt,
    network::NetworkFile,
    say::say,
};

pub(crate) async fn run(common: &Common, options: Deploy) -> Result<()> {
    let signer = signer(common)?;
    let deployer = signer.address();
    let url = common.rpc_url.parse().map_err(|_| fonte_bindings::ClientError::Url(common.rpc_url.clone()))?;
    let provider = ProviderBuilder::new()
        .with_simple_nonce_management()
        .wallet(alloy_network::EthereumWallet::from(signer))
        .connect_http(url);
    provider.client().set_poll_interval(std::time::Duration::from_millis(50));
    let chain_id = provider.get_chain_id().await.wrap_err_with(|| {
        say!(
            "no chain answers at {}: give --rpc-url URL",
            "nenhuma cadeia responde em {}: informe --rpc-url URL",
            common.rpc_url
        )
    })?;
    let parameters = parameters(&options, chain_id, deployer)?;
    keys::refuse_development(deployer, &parameters.network())?;
    let first = provider.get_transaction_count(deployer).await.wrap_err("reading the deployer's nonce")?;
    let addresses = Addresses::created(deployer, first);
    let file = NetworkFile { chain_id, network_id: parameters.network_id, addresses };
    let contracts = deployments(&parameters, &addresses);
    if common.dry_run {
        if common.json {
            let object = json!({"dry_run": true, "network": file, "parameters": parameters});
            println!("{}", serde_json::to_string_pretty(&object)?);
        } else {
            println!(
                "{}",
                say!("dry run: nothing was sent. It would do this:", "simulação: nada foi enviado. O efeito seria:")
            );
            for contract in &contracts {
                println!("  {}  {:<14} {} B", contract.address, contract.name, contract.init_code.len());
            }
            println!("{}", serde_json::to_string_pretty(&parameters)?);
        }
        return Ok(());
    }
    for (index, contract) in contracts.iter().enumerate() {
        let receipt = send(&provider, first + index as u64, TxKind::Create, contract.value, contract.init_code.clone())
            .await
            .wrap_err_with(|| {
                say!(
                    "deploying {}; the contracts before it are there, but no network file is written: start again",
                    "implantando {}; os contratos anteriores existem, mas nenhum arquivo de rede foi escrito: recomece",
                    contract.name
                )
            })?;
        if receipt.contract_address != Some(contract.address) {
            bail!(
                "{} stands at {:?}, and not at {} as was predicted: did {deployer} send something else meanwhile?",
                contract.name,
                receipt.contract_address,
                contract.address
            );
        }
        if !common.json {
            println!("  {}  {}", contract.address, contract.name);
        }
    }
    if let Some(amount) = &options.fund {
        let amount = U256::from(parse_fnt(amount)?);
        let mut nonce = first + contracts.len() as u64;
        for name in keys::DEVELOPMENT {
            let to = keys::development(name).address();
            if to != deployer {
                send(&provider, nonce, TxKind::Call(to), amount, Bytes::new()).await?;
                nonce += 1;
            }
        }
    }
    file.write(&options.out)?;
    if common.json {
        println!("{}", serde_json::to_string_pretty(&file)?);
    } else {
        println!(
            "{}",
            say!(
                "network file: {} (use it with --network {})",
                "arquivo de rede: {} (use com --network {})",
                options.out.display(),
                options.out.display()
            )
        );
    }
    Ok(())
}

/// The contracts' parameters: as in the file, or the defaults.
fn parameters(options: &Deploy, chain_id: u64, deployer: alloy_primitives::Address) -> Result<Parameters> {
    let mut parameters = match &options.parameters {
        Some(path) => {
            let text = std::fs::read(path).wrap_err_with(|| format!("reading {}", path.display()))?;
            serde_json::from_slice(&text)
                .wrap_err_with(|| format!("{} holds no parameters: see --dry-run --json", path.display()))?
        }
        None if options.development => Parameters::development(chain_id),
        None => Parameters::standard(chain_id, options.network_id.unwrap_or_else(B256::random), deployer),
    };
    if parameters.chain_id != chain_id {
        bail!("the parameters are for chain {}, and this is chain {chain_id}", parameters.chain_id);
    }
    if let Some(guardian) = options.guardian {
        parameters.guardian = guardian;
    }
    Ok(parameters)
}

async fn send(
    provider: &impl Provider,
    nonce: u64,
    to: TxKind,
    value: U256,
    data: Bytes,
) -> Result<alloy_rpc_types_eth::TransactionReceipt> {
    let request = TransactionRequest {
        to: Some(to),
        value: Some(value),
        nonce: Some(nonce),
        input: data.into(),
        ..TransactionRequest::default()
    };
    let receipt = provider.send_transaction(request).await?.get_receipt().await?;
    if receipt.status() { Ok(receipt) } else { Err(eyre!("transaction {} failed", receipt.transaction_hash)) }
}

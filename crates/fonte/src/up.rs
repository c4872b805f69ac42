//! `fonte up`: everything embedded, until Ctrl-C.

use eyre::{Result, WrapErr, bail};
use fonte_bindings::{
    client::{Policy, ReviewRule},
    convert,
    genesis::Parameters,
};
use serde_json::json;

use crate::{
    args::{Common, Up},
    context::data_dir,
    demo::{self, Tell},
    embedded::{DEVELOPMENT_CHAIN, Elsewhere, Embedded, EmbeddedConfig},
    engine,
    gateway_api::GatewayApi,
    keys,
    say::say,
};

pub(crate) async fn run(common: &Common, up: Up) -> Result<()> {
    let home = data_dir(common)?;
    let net = Embedded::start(EmbeddedConfig {
        data_dir: home.join("up"),
        elsewhere: Elsewhere::of(common)?,
        parameters: parameters(&up),
        listen: up.listen,
        rpc_listen: up.rpc_listen,
        allowed_origins: up.allow_origin.clone(),
        heartbeat: std::time::Duration::from_secs(up.heartbeat.max(1)),
        settle_every: Some(std::time::Duration::from_secs(5)),
        minimum_payout: up.minimum_payout,
        worker_listen: up.worker_listen,
        patience: engine::patience(&up),
        engine: engine::of_up(&up).await?,
    })
    .await?;
    let prepared = Box::pin(prepare(&net, &up, &home)).await;
    let api_key = match prepared {
        Ok(api_key) => api_key,
        Err(error) => {
            net.shutdown().await?;
            return Err(error);
        }
    };
    announce(common.json, &net, &api_key)?;
    let ended = tokio::select! {
        asked = tokio::signal::ctrl_c() => {
            asked.wrap_err("waiting for Ctrl-C")?;
            None
        }
        // Nothing is settled any more, so nothing goes on being served: whoever watches the process starts it again.
        reason = net.chain_failed() => Some(reason),
    };
    eprintln!("{}", say!("stopping", "parando"));
    let stopped = net.shutdown().await;
    match ended {
        None => stopped,
        // What stopping says of the chain is the same again.
        Some(reason) => bail!(say!(
            "the chain has ended: {reason}; what was final is kept: put right what it names and start again",
            "a cadeia terminou: {reason}; o que era final está guardado: corrija o que ela diz e inicie de novo"
        )),
    }
}

/// Of a network that people try by hand.
fn parameters(up: &Up) -> Parameters {
    let mut parameters = Parameters::development(DEVELOPMENT_CHAIN);
    parameters.window_seconds = up.challenge_window;
    parameters.notice_seconds = up.notice;
    let governance = &mut parameters.governance;
    governance.voting_period = up.voting_period.max(1);
    governance.late_quorum_extension = governance.late_quorum_extension.min(governance.voting_period.into());
    parameters
}

/// A datanet to publish to, the demo corpus if it was asked for, and a funded payer.
async fn prepare(net: &Embedded, up: &Up, home: &std::path::Path) -> Result<String> {
    let gateway = GatewayApi::new(net.gateway.url())?;
    let datanets = net.operator.datanets().await?;
    if up.with_demo_corpus && !datanets.iter().any(|datanet| datanet.name == "coffee") {
        let folder = tempfile::tempdir().wrap_err("making a folder for the corpus")?;
        let collection = demo::with_shipped(folder.path())?;
        demo::publish(net, &gateway, &collection, &home.join("demo-corpus"), &Tell { quiet: true }).await?;
    }
    if !datanets.iter().any(|datanet| datanet.name == "open") {
        let policy = Policy::permissive("CC-BY-4.0", ReviewRule::Open);
        let contract = net.operator.datanets_contract();
        let call = contract.create("open".into(), convert::policy(&policy));
        net.operator.send("creating the open datanet", call).await?;
    }
    demo::open_account(net, &gateway).await
}

fn announce(json: bool, net: &Embedded, api_key: &str) -> Result<()> {
    let rpc_url = net.chain.rpc_url();
    let gateway = net.gateway.url();
    let network = net.operator.network();
    let development: Vec<_> = keys::DEVELOPMENT
        .iter()
        .map(|name| {
            let key = keys::development(name);
            json!({"name": name, "address": key.address(), "private_key": key.to_bytes()})
        })
        .collect();
    if json {
        let object = json!({
            "rpc_url": rpc_url, "ws_url": net.chain.ws_url(), "gateway": gateway, "openai_base_url": format!("{gateway}/v1"),
            "chain_id": network.chain_id, "network_id": network.network_id, "api_key": api_key, "model": net.model.name,
            "engine_model": net.engine_models.first().map(|model| &model.name),
            "adapters": net.engine_models.iter().skip(1).map(|model| &model.name).collect::<Vec<_>>(),
            "operator_key": net.gateway.operator_key(), "workers_at": net.gateway.worker_addr(),
            "keys": development,
        });
        println!("{object}");
        return Ok(());
    }
    println!("JSON-RPC   {rpc_url}  (chain id {})", network.chain_id);
    println!("OpenAI     {gateway}/v1");
    println!("API key    {api_key}");
    if let Some((model, adapters)) = net.engine_models.split_first() {
        println!("{}", say!("Engine     model {}", "Motor      modelo {}", model.name));
        for adapter in adapters {
            println!("{}", say!("Adapter    {}:{}", "Adaptador  {}:{}", model.name, adapter.name));
        }
        println!("{}", say!("Operator   {}", "Operador   {}", net.gateway.operator_key()));
    }
    if let Some(address) = net.gateway.worker_addr() {
        println!("{}", say!("Workers    --dial {address}", "Máquinas   --dial {address}"));
    }
    println!(
        "\n{}",
        say!(
            "Development keys, funded, known to everyone:",
            "Chaves de desenvolvimento, com saldo, conhecidas por todos:"
        )
    );
    for key in &development {
        println!(
            "  dev:{:<9} {}  {}",
            key["name"].as_str().unwrap_or_default(),
            key["address"].as_str().unwrap_or_default(),
            key["private_key"].as_str().unwrap_or_default()
        );
    }
    println!("\n{}", say!("Try:", "Experimente:"));
    println!("  fonte datanet publish DIR --datanet open --key dev:author");
    println!("  fonte ask '...' --model fonte-quote:open");
    println!(
        "  curl {gateway}/v1/chat/completions -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\\n    -d '{{\"model\":\"fonte-quote:open\",\"messages\":[{{\"role\":\"user\",\"content\":\"...\"}}]}}'"
    );
    println!("\n{}", say!("Ctrl-C stops it; what is settled stays.", "Ctrl-C encerra; o que foi liquidado fica."));
    Ok(())
}

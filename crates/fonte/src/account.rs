//! `fonte account deposit|limit|balance|earnings`, and `fonte ask`.

use alloy_primitives::{Address, U256};
use eyre::{Result, eyre};
use serde_json::{Value, json};

use crate::{
    args::{Account, Ask, Common},
    context::{Context, signer},
    gateway_api::GatewayApi,
    money::{fnt, parse_fnt, percent},
    say::say,
};

pub(crate) async fn run(common: &Common, command: Account) -> Result<()> {
    match command {
        Account::Deposit { amount, payer } => deposit(common, &amount, payer).await,
        Account::Limit { amount, session_key } => limit(common, &amount, session_key).await,
        Account::Balance { address } => balance(common, address).await,
        Account::Earnings { address } => earnings(common, address).await,
    }
}

async fn deposit(common: &Common, amount: &str, payer: Option<Address>) -> Result<()> {
    let wei = parse_fnt(amount)?;
    let context = Context::signing(common).await?;
    let payer = payer.or(context.client.sender()).ok_or_else(|| eyre!("no payer"))?;
    let contract = context.client.settlement_contract();
    let call = contract.depositFor(payer).value(U256::from(wei));
    let receipt = context.client.send("the deposit", call).await?;
    let now = contract.depositOf(payer).call().await?;
    if common.json {
        println!("{}", json!({"payer": payer, "deposit_wei": now.to_string(), "tx": receipt.transaction_hash}));
    } else {
        println!("{}", say!("deposit of {payer}: {} FNT", "depósito de {payer}: {} FNT", fnt(now)));
    }
    Ok(())
}

async fn limit(common: &Common, amount: &str, session_key: Option<Address>) -> Result<()> {
    let cap = parse_fnt(amount)?;
    let context = Context::signing(common).await?;
    let payer = context.client.sender().ok_or_else(|| eyre!("no payer"))?;
    let (api_key, session_key, gateway) = match session_key {
        Some(session_key) => {
            let network = context.gateway.network().await?;
            let gateway = network["gateway"]["address"].as_str().and_then(|a| a.parse().ok());
            (None, session_key, gateway.ok_or_else(|| eyre!("the gateway does not say its address"))?)
        }
        None => {
            let made = context.gateway.api_key(payer).await?;
            (Some(made.api_key), made.session_key, made.gateway)
        }
    };
    let contract = context.client.settlement_contract();
    let call = contract.setLimit(gateway, session_key, cap);
    let receipt = context.client.send("setting the limit", call).await?;
    if common.json {
        println!(
            "{}",
            json!({"payer": payer, "gateway": gateway, "session_key": session_key, "api_key": api_key,
                   "limit_wei": cap.to_string(), "tx": receipt.transaction_hash})
        );
        return Ok(());
    }
    if let Some(api_key) = api_key {
        println!("{}", say!("API key (shown once): {api_key}", "Chave de API (mostrada uma vez): {api_key}"));
    }
    println!(
        "{}",
        say!(
            "gateway {gateway} may spend up to {} FNT of yours in all: that far you trust it",
            "o gateway {gateway} pode gastar até {} FNT seus ao todo: até aí você confia nele",
            fnt(cap)
        )
    );
    Ok(())
}

async fn balance(common: &Common, address: Option<Address>) -> Result<()> {
    let context = Context::read_only(common).await?;
    let address = match address {
        Some(address) => address,
        None => signer(common)?.address(),
    };
    let settlement = context.client.settlement_contract();
    let coins = context.client.balance(address).await?;
    let deposit = settlement.depositOf(address).call().await?;
    let claimable: u128 = settlement.claimable(address).call().await?.saturating_to();
    let bond = settlement.bondOf(address).call().await?;
    if common.json {
        println!(
            "{}",
            json!({"address": address, "balance_wei": coins.to_string(), "deposit_wei": deposit.to_string(),
                   "claimable_wei": claimable.to_string(), "bond_wei": bond.to_string()})
        );
    } else {
        println!("{address}");
        println!("  {} {} FNT", say!("coins    ", "moedas   "), fnt(coins));
        println!("  {} {} FNT", say!("deposit  ", "depósito "), fnt(deposit));
        println!("  {} {} FNT", say!("claimable", "a receber"), fnt(claimable));
        println!("  {} {} FNT", say!("bond     ", "caução   "), fnt(bond));
    }
    Ok(())
}

async fn earnings(common: &Common, address: Option<Address>) -> Result<()> {
    let address = match address {
        Some(address) => address,
        None => signer(common)?.address(),
    };
    let earnings = GatewayApi::new(&common.gateway)?.earnings(address).await?;
    if common.json {
        println!("{}", serde_json::to_string_pretty(&earnings)?);
        return Ok(());
    }
    println!("{}", say!("{address} earned {} FNT", "{address} ganhou {} FNT", wei_text(&earnings["wei"])));
    for document in earnings["documents"].as_array().into_iter().flatten() {
        println!(
            "  {:>14} FNT  {:>5} ×  {}",
            wei_text(&document["wei"]),
            document["answers"],
            document["document"].as_str().unwrap_or_default()
        );
    }
    Ok(())
}

fn wei_text(value: &Value) -> String {
    fnt(value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default())
}

/// `fonte ask`.
pub(crate) async fn ask(common: &Common, ask: Ask) -> Result<()> {
    let gateway = GatewayApi::new(&common.gateway)?;
    let answer = gateway.ask(&ask.api_key, &ask.model, &ask.question, ask.private).await?;
    if common.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
        return Ok(());
    }
    println!("{}\n", answer["choices"][0]["message"]["content"].as_str().unwrap_or_default());
    let fonte = &answer["fonte"];
    for share in fonte["shares"].as_array().into_iter().flatten() {
        println!(
            "  {:>8}  {:>14} FNT  {}  ({})",
            percent(share["share_ppm"].as_u64().and_then(|ppm| u32::try_from(ppm).ok()).unwrap_or_default()),
            wei_text(&share["credit_wei"]),
            share["document"].as_str().unwrap_or_default(),
            share["payee"].as_str().unwrap_or_default()
        );
    }
    println!(
        "{}",
        say!(
            "  fee {} FNT, receipt {}; check it: fonte receipt verify {}",
            "  taxa {} FNT, recibo {}; confira: fonte receipt verify {}",
            wei_text(&fonte["fee_wei"]),
            fonte["receipt"].as_str().unwrap_or_default(),
            fonte["receipt"].as_str().unwrap_or_default()
        )
    );
    Ok(())
}

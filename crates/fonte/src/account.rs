//! `fonte account deposit|limit|balance|earnings|withdraw|unbond|claim|wrap|unwrap`, and `fonte ask`.

use alloy_primitives::{Address, U256};
use alloy_rpc_types_eth::TransactionReceipt;
use eyre::{Result, bail, eyre};
use fonte_bindings::{
    Client,
    contracts::{Origins, Settlement, Splitter},
};
use serde_json::{Value, json};

use crate::{
    args::{Account, Ask, Common},
    context::{Context, signer},
    errors::time,
    gateway_api::GatewayApi,
    money::{fnt, parse_fnt, percent},
    say::say,
    transact::{Step, step, transact, transact_all, unsent},
};

pub(crate) async fn run(common: &Common, command: Account) -> Result<()> {
    match command {
        Account::Deposit { amount, payer } => deposit(common, &amount, payer).await,
        Account::Limit { amount, session_key } => limit(common, &amount, session_key).await,
        Account::Balance { address } => balance(common, address).await,
        Account::Earnings { address } => earnings(common, address).await,
        Account::Withdraw { amount } => withdraw(common, amount).await,
        Account::Unbond { amount } => unbond(common, &amount).await,
        Account::Claim { address, splitter } => claim(common, address, splitter).await,
        Account::Wrap { amount } => wrap(common, &amount).await,
        Account::Unwrap { amount } => unwrap(common, &amount).await,
    }
}

async fn deposit(common: &Common, amount: &str, payer: Option<Address>) -> Result<()> {
    let wei = parse_fnt(amount)?;
    let context = Context::signing(common).await?;
    let payer = payer.or(context.client.sender()).ok_or_else(|| eyre!("no payer"))?;
    let contract = context.client.settlement_contract();
    let call = contract.depositFor(payer).value(U256::from(wei));
    let Some(receipt) = transact(common, &context.client, "the deposit", call).await? else { return Ok(()) };
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
        // A dry run makes no key: what the chain would do is the same for any session key.
        None if common.dry_run => {
            let network = context.gateway.network().await?;
            let gateway = network["gateway"]["address"].as_str().and_then(|a| a.parse().ok());
            (None, payer, gateway.ok_or_else(|| eyre!("the gateway does not say its address"))?)
        }
        None => {
            let made = context.gateway.api_key(payer).await?;
            (Some(made.api_key), made.session_key, made.gateway)
        }
    };
    let contract = context.client.settlement_contract();
    let call = contract.setLimit(gateway, session_key, cap);
    let Some(receipt) = transact(common, &context.client, "setting the limit", call).await? else { return Ok(()) };
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
    let leaving = settlement.withdrawalOf(address).call().await?;
    if common.json {
        println!(
            "{}",
            json!({"address": address, "balance_wei": coins.to_string(), "deposit_wei": deposit.to_string(),
                   "withdrawal_wei": leaving._0.to_string(), "withdrawal_at": leaving._1,
                   "claimable_wei": claimable.to_string(), "bond_wei": bond.to_string()})
        );
    } else {
        println!("{address}");
        println!("  {} {} FNT", say!("coins    ", "moedas   "), fnt(coins));
        println!("  {} {} FNT", say!("deposit  ", "depósito "), fnt(deposit));
        if leaving._0 > 0 {
            let at = time(leaving._1.into());
            let amount = fnt(leaving._0);
            println!(
                "  {}",
                say!(
                    "          of it {amount} FNT leave from {at} on",
                    "          dele {amount} FNT saem a partir de {at}"
                )
            );
        }
        println!("  {} {} FNT", say!("claimable", "a receber"), fnt(claimable));
        println!("  {} {} FNT", say!("bond     ", "caução   "), fnt(bond));
    }
    Ok(())
}

/// Announces a withdrawal from the deposit, or carries it out.
async fn withdraw(common: &Common, amount: Option<String>) -> Result<()> {
    let context = Context::signing(common).await?;
    let own = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let contract = context.client.settlement_contract();
    let sent = match &amount {
        Some(amount) => {
            let call = contract.requestWithdrawal(parse_fnt(amount)?);
            transact(common, &context.client, "announcing the withdrawal", call).await?
        }
        None => transact(common, &context.client, "the withdrawal", contract.withdraw()).await?,
    };
    let Some(receipt) = sent else { return Ok(()) };
    let paid: u128 = receipt.decoded_log::<Settlement::Withdrawn>().map_or(0, |event| event.amount.saturating_to());
    let deposit = contract.depositOf(own).call().await?;
    let leaving = contract.withdrawalOf(own).call().await?;
    if common.json {
        println!(
            "{}",
            json!({"payer": own, "paid_wei": paid.to_string(), "withdrawal_wei": leaving._0.to_string(),
                   "withdrawal_at": leaving._1, "deposit_wei": deposit.to_string(),
                   "tx": receipt.transaction_hash})
        );
    } else if amount.is_some() {
        println!(
            "{}",
            say!(
                "{} FNT can be taken out from {} on, as far as no receipt has used them: fonte account withdraw",
                "{} FNT podem ser retirados a partir de {}, o que nenhum recibo tiver usado: fonte account withdraw",
                fnt(leaving._0),
                time(leaving._1.into())
            )
        );
    } else {
        println!("{}", say!("{} FNT came back, {} stay", "{} FNT voltaram, ficam {}", fnt(paid), fnt(deposit)));
    }
    Ok(())
}

/// Takes back a free part of a gateway's bond.
async fn unbond(common: &Common, amount: &str) -> Result<()> {
    let context = Context::signing(common).await?;
    let own = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let contract = context.client.settlement_contract();
    let call = contract.unbond(parse_fnt(amount)?);
    let Some(receipt) = transact(common, &context.client, "unbonding", call).await? else { return Ok(()) };
    let bond = contract.bondOf(own).call().await?;
    let locked = contract.lockedOf(own).call().await?;
    if common.json {
        println!(
            "{}",
            json!({"gateway": own, "bond_wei": bond.to_string(), "locked_wei": locked.to_string(),
                   "tx": receipt.transaction_hash})
        );
    } else {
        println!(
            "{}",
            say!(
                "bond of {own}: {} FNT, of which batches lock {}",
                "caução de {own}: {} FNT, dos quais lotes prendem {}",
                fnt(bond),
                fnt(locked)
            )
        );
    }
    Ok(())
}

/// Collects whatever waits for an account in any contract.
async fn claim(common: &Common, address: Option<Address>, splitters: Vec<Address>) -> Result<()> {
    let context = Context::signing(common).await?;
    let client = &context.client;
    let account = address.or(client.sender()).ok_or_else(|| eyre!("no account"))?;
    let (settlement, reviews) = (client.settlement_contract(), client.reviews_contract());
    let model_reviews = client.model_reviews_contract();
    let refused: u128 = settlement.claimable(account).call().await?.saturating_to();
    let reviewing: u128 = reviews.claimable(account).call().await?.saturating_to();
    let evaluating: u128 = model_reviews.claimable(account).call().await?.saturating_to();
    let mut steps = Vec::new();
    if refused > 0 {
        steps.push(step("claiming refused payouts", settlement.claimFor(account)));
    }
    if reviewing > 0 {
        steps.push(step("claiming reviewers' fees", reviews.claimFor(account)));
    }
    if evaluating > 0 {
        steps.push(step("claiming evaluators' fees", model_reviews.claimFor(account)));
    }
    let mut split = 0;
    for splitter in owing(client, account, splitters).await? {
        let contract = Splitter::new(splitter, client.provider().clone());
        let due = client.reading("what a splitter owes", contract.due(account).call().await)?;
        if !due.is_zero() {
            split += due.saturating_to::<u128>();
            let call = step("drawing from a splitter", contract.release(account));
            steps.push(Step { contract: Some("Splitter"), ..call });
        }
    }
    let count = steps.len();
    let mut transactions = Vec::new();
    if count > 0 {
        let Some(receipts) = transact_all(common, client, steps).await? else { return Ok(()) };
        transactions.extend(receipts.iter().map(|receipt| receipt.transaction_hash));
    }
    let total = refused + reviewing + evaluating + split;
    if common.json {
        let object = json!({"account": account, "claimed_wei": total.to_string(), "payouts_wei": refused.to_string(),
                            "reviews_wei": reviewing.to_string(), "evaluations_wei": evaluating.to_string(),
                            "splitters_wei": split.to_string(), "tx": transactions});
        println!("{}", unsent(common, object));
    } else if count == 0 {
        println!("{}", say!("nothing waits for {account}", "nada espera por {account}"));
    } else {
        println!("{}", say!("{} FNT went to {account}", "{} FNT foram para {account}", fnt(total)));
    }
    Ok(())
}

/// The splitters that may owe an account something: those named, or all that have a part for it.
async fn owing(client: &Client, account: Address, named: Vec<Address>) -> Result<Vec<Address>> {
    if named.is_empty() {
        let made: Vec<Origins::SplitterCreated> = client.events("the splitters", client.addresses().origins).await?;
        let ours = made.into_iter().filter(|made| made.parts.iter().any(|part| part.payee == account));
        return Ok(ours.map(|made| made.splitter).collect());
    }
    for splitter in &named {
        let part = Splitter::new(*splitter, client.provider()).ppmOf(account).call().await;
        if !part.is_ok_and(|ppm| ppm > 0) {
            bail!(say!(
                "{splitter} is no splitter with a part for {account}: leave out --splitter to find those that are",
                "{splitter} não é um divisor com uma parte de {account}: tire --splitter para achar os que são"
            ));
        }
    }
    Ok(named)
}

async fn wrap(common: &Common, amount: &str) -> Result<()> {
    let context = Context::signing(common).await?;
    let value = U256::from(parse_fnt(amount)?);
    let token = context.client.token_contract();
    let sent = transact(common, &context.client, "wrapping coins", token.deposit().value(value)).await?;
    print_wrapped(common, &context, sent).await
}

async fn unwrap(common: &Common, amount: &str) -> Result<()> {
    let context = Context::signing(common).await?;
    let value = U256::from(parse_fnt(amount)?);
    let token = context.client.token_contract();
    let sent = transact(common, &context.client, "unwrapping coins", token.withdraw(value)).await?;
    print_wrapped(common, &context, sent).await
}

async fn print_wrapped(common: &Common, context: &Context, sent: Option<TransactionReceipt>) -> Result<()> {
    let Some(receipt) = sent else { return Ok(()) };
    let own = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let wrapped: u128 = context.client.token_contract().balanceOf(own).call().await?.saturating_to();
    if common.json {
        println!("{}", json!({"account": own, "wrapped_wei": wrapped.to_string(), "tx": receipt.transaction_hash}));
    } else {
        println!("{}", say!("{own} holds {} wrapped FNT", "{own} tem {} FNT embrulhados", fnt(wrapped)));
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
    println!(
        "{}",
        say!(
            "{address} earned {} FNT; {} FNT are expected of answers that wait for their batch",
            "{address} ganhou {} FNT; {} FNT são esperados de respostas que aguardam o seu lote",
            wei_text(&earnings["wei"]),
            wei_text(&earnings["pending_wei"])
        )
    );
    for document in earnings["documents"].as_array().into_iter().flatten() {
        println!(
            "  {:>14} FNT  {:>14} FNT  {:>5} ×  {}",
            wei_text(&document["wei"]),
            wei_text(&document["pending_wei"]),
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
    let answer = gateway.ask(ask.api_key.as_deref(), &ask.model, &ask.question, ask.private).await?;
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

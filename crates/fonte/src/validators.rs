//! `fonte chain validators|stake|unstake|claim|elect`.

use alloy_primitives::{Address, U256};
use eyre::{Result, eyre};
use fonte_bindings::contracts::Validators;
use serde_json::json;

use crate::{
    args::Common,
    context::Context,
    errors::time,
    money::{fnt, parse_fnt},
    say::say,
    transact::transact,
};

/// Seats, candidates, and when the next election may be.
pub(crate) async fn list(common: &Common) -> Result<()> {
    let context = Context::read_only(common).await?;
    let contract = context.client.validators_contract();
    let epoch = contract.epoch().call().await?;
    let seats = contract.setOf(epoch).call().await?;
    let candidates = contract.candidates().call().await?;
    let end = contract.epochEnd().call().await?;
    let (until_block, until_time): (u64, u64) = (end.untilBlock.saturating_to(), end.untilTime.saturating_to());
    let mut rows = Vec::new();
    for seat in &seats {
        let validator = contract.validator(seat.operator).call().await?;
        rows.push(json!({
            "operator": seat.operator, "seated": true, "listed": validator.listed, "jailed": validator.jailed,
            "bonded_wei": validator.bonded.to_string(), "own_stake_wei": validator.ownStake.to_string(),
            "consensus_key": seat.consensusKey, "network_key": seat.networkKey, "network_address": seat.networkAddress,
        }));
    }
    for candidate in candidates.iter().filter(|candidate| !candidate.seated) {
        let validator = contract.validator(candidate.operator).call().await?;
        rows.push(json!({
            "operator": candidate.operator, "seated": false, "listed": true, "jailed": validator.jailed,
            "eligible": candidate.eligible, "bonded_wei": validator.bonded.to_string(),
            "own_stake_wei": validator.ownStake.to_string(), "consensus_key": validator.consensusKey,
            "network_key": validator.networkKey, "network_address": validator.networkAddress,
        }));
    }
    if common.json {
        let object =
            json!({"epoch": epoch, "ends_after_block": until_block, "ends_after": until_time, "validators": rows});
        println!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(());
    }
    println!(
        "{}",
        say!(
            "epoch {epoch}: {} seats, {} candidates; it may end after block {until_block} and {}",
            "época {epoch}: {} cadeiras, {} candidatos; pode acabar depois do bloco {until_block} e de {}",
            seats.len(),
            candidates.len(),
            time(until_time.into())
        )
    );
    for row in rows {
        let bonded: u128 = row["bonded_wei"].as_str().and_then(|wei| wei.parse().ok()).unwrap_or_default();
        let role = if row["seated"] == true { say!("seat     ", "cadeira  ") } else { say!("candidate", "candidato") };
        println!("  {role}  {}  {:>16} FNT", row["operator"].as_str().unwrap_or_default(), fnt(bonded));
    }
    Ok(())
}

pub(crate) async fn stake(common: &Common, amount: &str, on: Option<Address>) -> Result<()> {
    let context = Context::signing(common).await?;
    let operator = on.or(context.client.sender()).ok_or_else(|| eyre!("no validator"))?;
    let value = U256::from(parse_fnt(amount)?);
    let contract = context.client.validators_contract();
    let call = contract.delegate(operator).value(value);
    let Some(receipt) = transact(common, &context.client, "staking", call).await? else { return Ok(()) };
    print_delegation(common, &context, operator, receipt.transaction_hash).await
}

pub(crate) async fn unstake(common: &Common, amount: &str, from: Option<Address>) -> Result<()> {
    let context = Context::signing(common).await?;
    let operator = from.or(context.client.sender()).ok_or_else(|| eyre!("no validator"))?;
    let contract = context.client.validators_contract();
    let call = contract.undelegate(operator, parse_fnt(amount)?);
    let Some(receipt) = transact(common, &context.client, "taking the stake off", call).await? else { return Ok(()) };
    print_delegation(common, &context, operator, receipt.transaction_hash).await
}

pub(crate) async fn claim(common: &Common, from: Option<Address>) -> Result<()> {
    let context = Context::signing(common).await?;
    let operator = from.or(context.client.sender()).ok_or_else(|| eyre!("no validator"))?;
    let contract = context.client.validators_contract();
    let call = contract.claim(operator);
    let Some(receipt) = transact(common, &context.client, "taking the stake out", call).await? else { return Ok(()) };
    let paid = receipt.decoded_log::<Validators::Claimed>().map_or(0, |event| event.paid);
    if common.json {
        println!("{}", json!({"operator": operator, "paid_wei": paid.to_string(), "tx": receipt.transaction_hash}));
    } else {
        println!("{}", say!("{} FNT came back", "{} FNT voltaram", fnt(paid)));
    }
    Ok(())
}

async fn print_delegation(
    common: &Common,
    context: &Context,
    operator: Address,
    tx: alloy_primitives::B256,
) -> Result<()> {
    let own = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let standing = context.client.validators_contract().delegation(operator, own).call().await?;
    if common.json {
        println!(
            "{}",
            json!({"operator": operator, "delegator": own, "bonded_wei": standing.bonded.to_string(),
                   "exiting_wei": standing.exiting.to_string(), "claimable_at": standing.claimableAt, "tx": tx})
        );
        return Ok(());
    }
    println!(
        "{}",
        say!("{own} has {} FNT staked on {operator}", "{own} tem {} FNT apostados em {operator}", fnt(standing.bonded))
    );
    if standing.exiting > 0 {
        let when = match standing.claimableAt {
            0 => say!("after this epoch and the unbonding", "depois desta época e da espera"),
            at => say!("from {} on", "a partir de {}", time(at.into())),
        };
        println!(
            "{}",
            say!(
                "{} FNT are leaving, and can be claimed {when}: fonte chain claim --from {operator}",
                "{} FNT estão saindo, e podem ser retirados {when}: fonte chain claim --from {operator}",
                fnt(standing.exiting)
            )
        );
    }
    Ok(())
}

pub(crate) async fn elect(common: &Common) -> Result<()> {
    let context = Context::signing(common).await?;
    let contract = context.client.validators_contract();
    let call = contract.endEpoch();
    let Some(receipt) = transact(common, &context.client, "the election", call).await? else { return Ok(()) };
    let elected = receipt.decoded_log::<Validators::Elected>();
    let failed = receipt.decoded_log::<Validators::ElectionFailed>();
    let epoch = contract.epoch().call().await?;
    let operators = contract.operatorsOf(epoch).call().await?;
    if common.json {
        println!(
            "{}",
            json!({"epoch": epoch, "failed": failed.is_some(), "operators": operators,
                   "joins": elected.as_ref().map(|e| e.joins.to_string()), "leaves": elected.as_ref().map(|e| e.leaves.to_string()),
                   "tx": receipt.transaction_hash})
        );
        return Ok(());
    }
    match failed {
        Some(failed) => println!(
            "{}",
            say!(
                "epoch {epoch} keeps its set: {} candidates stood, {} are needed",
                "a época {epoch} mantém o conjunto: {} candidatos, são precisos {}",
                failed.eligible,
                failed.needed
            )
        ),
        None => println!("{}", say!("epoch {epoch}: {} seats", "época {epoch}: {} cadeiras", operators.len())),
    }
    for operator in operators {
        println!("  {operator}");
    }
    Ok(())
}

//! `fonte chain register|enlist|resign`: standing for a validator's seat.

use std::path::Path;

use alloy_contract::{CallBuilder, CallDecoder};
use alloy_primitives::{B256, U256};
use alloy_provider::Provider;
use eyre::{Result, WrapErr, eyre};
use fonte_chain::ValidatorKeys;
use serde_json::json;

use crate::{
    args::Common,
    context::Context,
    money::{fnt, parse_fnt},
    say::say,
    transact::transact,
};

/// Registers the keys of a node under the account of `--key`, which may differ from both.
pub(crate) async fn register(common: &Common, amount: Option<String>, keys: &Path, address: String) -> Result<()> {
    let context = Context::signing(common).await?;
    let operator = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let contract = context.client.validators_contract();
    let stake = match amount {
        Some(amount) => parse_fnt(&amount)?,
        None => {
            let least = contract.parameters().call().await?;
            least.minimumStake.max(least.minimumOwnStake)
        }
    };
    // A dry run writes nothing: any keys that nobody has show the effect.
    let keys = if common.dry_run && !keys.exists() {
        ValidatorKeys::generate()
    } else {
        ValidatorKeys::load_or_generate(keys).wrap_err_with(|| format!("the keys in {}", keys.display()))?
    };
    let public = keys.public()?;
    let proof = keys.sign_registration(context.client.network().network_id, operator)?;
    let (r, s) = (B256::from_slice(&proof[..32]), B256::from_slice(&proof[32..]));
    let call = contract.register(public.vote.into(), public.network.into(), address, r, s).value(U256::from(stake));
    stand(common, &context, "the registration", call).await
}

/// Makes a registered operator a candidate again.
pub(crate) async fn enlist(common: &Common) -> Result<()> {
    let context = Context::signing(common).await?;
    stand(common, &context, "the candidacy", context.client.validators_contract().enlist()).await
}

/// Ends a candidacy.
pub(crate) async fn resign(common: &Common) -> Result<()> {
    let context = Context::signing(common).await?;
    stand(common, &context, "the resignation", context.client.validators_contract().resign()).await
}

/// Sends a call of an operator, and says how it stands then.
async fn stand<P: Provider, D: CallDecoder + Send + Sync>(
    common: &Common,
    context: &Context,
    what: &'static str,
    call: CallBuilder<P, D>,
) -> Result<()> {
    let Some(receipt) = transact(common, &context.client, what, call).await? else { return Ok(()) };
    let operator = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let validator = context.client.validators_contract().validator(operator).call().await?;
    if common.json {
        println!(
            "{}",
            json!({"operator": operator, "listed": validator.listed, "seated": validator.seated,
                   "bonded_wei": validator.bonded.to_string(), "own_stake_wei": validator.ownStake.to_string(),
                   "consensus_key": validator.consensusKey, "network_key": validator.networkKey,
                   "network_address": validator.networkAddress, "tx": receipt.transaction_hash})
        );
        return Ok(());
    }
    let role = match (validator.listed, validator.seated) {
        (true, true) => say!("a candidate with a seat", "candidato com cadeira"),
        (true, false) => say!("a candidate", "candidato"),
        (false, true) => {
            say!("no candidate, with a seat until an election", "não candidato, com cadeira até uma eleição")
        }
        (false, false) => say!("no candidate", "não candidato"),
    };
    println!("{}", say!("{operator} is {role}, with {} FNT", "{operator} é {role}, com {} FNT", fnt(validator.bonded)));
    Ok(())
}

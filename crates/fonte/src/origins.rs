//! `fonte datanet claim URL`, and the vaults that hold what texts of others earn.

use alloy_primitives::{Address, B256, U256, keccak256};
use eyre::{Result, eyre};
use fonte_bindings::contracts::Origins;
use serde_json::{Value, json};

use crate::{
    args::Common,
    context::{Context, signer},
    money::fnt,
    say::say,
    transact::{step, transact, transact_all, unsent},
};

/// The vault of a web address: payee of texts from it that are not their uploader's. Where it will be, if it is not there
/// yet: it can be paid all the same.
pub(crate) async fn vault(common: &Common, context: &Context, url: &str) -> Result<Address> {
    let url = &canonical(url);
    let contract = context.client.origins_contract();
    let vault = contract.vaultOf(url.clone()).call().await?;
    if !contract.isVault(vault).call().await? && !common.dry_run {
        // Coins that are pushed to an address without code would arrive, but its claim names a registered origin.
        let signing = Context::signing(common).await?;
        let contract = signing.client.origins_contract();
        transact(common, &signing.client, "registering the origin", contract.register(url.clone())).await?;
    }
    Ok(vault)
}

/// An address as the contract takes it, as far as it can be made without guessing: scheme and host in lower case, no
/// default port, a slash at the end. The contract says what else is wrong.
fn canonical(url: &str) -> String {
    let Some((scheme, rest)) = url.trim().split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.to_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    let slash = if path.is_empty() || path.ends_with('/') { "" } else { "/" };
    format!("{}://{host}/{path}{slash}", scheme.to_lowercase())
}

/// Where a claim stands, and the next step of it.
pub(crate) async fn claim(common: &Common, url: &str, author: Option<Address>, ask: bool) -> Result<()> {
    let url = &canonical(url);
    let context = Context::read_only(common).await?;
    let author = match author {
        Some(author) => author,
        None => signer(common)?.address(),
    };
    let contract = context.client.origins_contract();
    contract.checkUrl(url.to_owned()).call().await?;
    let id = keccak256(url.as_bytes());
    if ask {
        return open(common, url, author).await;
    }
    let vault = contract.vaultOf(url.to_owned()).call().await?;
    let held = context.client.balance(vault).await?;
    let registered = contract.isVault(vault).call().await?;
    let owner = if registered { contract.originOf(id).call().await?.author } else { Address::ZERO };
    if owner == author && held > 0 {
        return release(common, &context, id, url).await;
    }
    let claims: Vec<Origins::ClaimOpened> =
        context.client.events("the claims", context.client.addresses().origins).await?;
    let latest = claims.into_iter().rev().find(|claim| claim.origin == id && claim.author == author);
    if let Some(open) = latest.filter(|_| owner != author) {
        return conclude(common, &context, open.caseId, id, url).await;
    }
    let token = contract.tokenOf(url.to_owned(), author).call().await?;
    let terms = contract.claimTerms(url.to_owned(), author).call().await?;
    let fee: u128 = terms.fee.saturating_to();
    let object = json!({"url": url, "author": author, "vault": vault, "held_wei": held.to_string(), "token": token,
                        "owner": (!owner.is_zero()).then_some(owner), "fee_wei": fee.to_string(), "state": "unclaimed"});
    if common.json {
        println!("{}", unsent(common, object));
    } else if owner == author {
        println!("{}", say!("{url} is yours, and its vault holds nothing", "{url} é seu, e o cofre está vazio"));
    } else {
        println!("{token}");
        println!(
            "{}",
            say!(
                "{} FNT wait for the author of {url}. Publish the line above there, then: fonte datanet claim {url} --ask ({} reviewers look, for {} FNT)",
                "{} FNT esperam pelo autor de {url}. Publique a linha acima lá e depois: fonte datanet claim {url} --ask ({} revisores conferem, por {} FNT)",
                fnt(held),
                terms.n,
                fnt(fee)
            )
        );
    }
    Ok(())
}

async fn open(common: &Common, url: &str, author: Address) -> Result<()> {
    let context = Context::signing(common).await?;
    let contract = context.client.origins_contract();
    let fee = contract.claimTerms(url.to_owned(), author).call().await?.fee;
    let call = contract.claim(url.to_owned(), author).value(fee);
    let Some(receipt) = transact(common, &context.client, "the claim", call).await? else { return Ok(()) };
    let event = receipt
        .decoded_log::<Origins::ClaimOpened>()
        .ok_or_else(|| eyre!("the claim was made and no event says so"))?;
    if common.json {
        println!(
            "{}",
            json!({"url": url, "author": author, "case": event.caseId, "token": event.token, "state": "asked",
                   "tx": receipt.transaction_hash})
        );
    } else {
        println!(
            "{}",
            say!(
                "reviewers decide in case {} (fonte review show {}); then again: fonte datanet claim {url}",
                "os revisores decidem no caso {} (fonte review show {}); depois de novo: fonte datanet claim {url}",
                event.caseId,
                event.caseId
            )
        );
    }
    Ok(())
}

/// Takes the vault of a granted claim, and what it holds; or says what is missing.
async fn conclude(common: &Common, context: &Context, case: u64, origin: B256, url: &str) -> Result<()> {
    let outcome = context.client.reviews_contract().outcome(case).call().await?;
    if !(outcome.isFinal && outcome.approved) {
        let state = if outcome.isFinal { "refused" } else { "asked" };
        if common.json {
            println!("{}", unsent(common, json!({"url": url, "case": case, "state": state})));
        } else if outcome.isFinal {
            println!(
                "{}",
                say!(
                    "the reviewers refused case {case}: publish the token, and ask again with --ask",
                    "os revisores recusaram o caso {case}: publique o código e peça de novo com --ask"
                )
            );
        } else {
            println!(
                "{}",
                say!(
                    "case {case} is not decided for good: fonte review show {case}",
                    "o caso {case} ainda não está decidido: fonte review show {case}"
                )
            );
        }
        return Ok(());
    }
    let signing = Context::signing(common).await?;
    let contract = signing.client.origins_contract();
    let vault = contract.vaultOf(url.to_owned()).call().await?;
    let mut steps = vec![step("taking the vault", contract.conclude(case))];
    let held = context.client.balance(vault).await?;
    if held > 0 {
        steps.push(step("releasing the earnings", contract.release(origin)));
    }
    let Some(receipts) = transact_all(common, &signing.client, steps).await? else { return Ok(()) };
    print_released(common, url, U256::from(held), json!(receipts.last().map(|receipt| receipt.transaction_hash)));
    Ok(())
}

async fn release(common: &Common, context: &Context, origin: B256, url: &str) -> Result<()> {
    let vault = context.client.origins_contract().vaultOf(url.to_owned()).call().await?;
    let held = context.client.balance(vault).await?;
    let signing = Context::signing(common).await?;
    let contract = signing.client.origins_contract();
    let call = contract.release(origin);
    let Some(receipt) = transact(common, &signing.client, "releasing the earnings", call).await? else { return Ok(()) };
    print_released(common, url, U256::from(held), json!(receipt.transaction_hash));
    Ok(())
}

fn print_released(common: &Common, url: &str, amount: U256, tx: Value) {
    if common.json {
        println!("{}", json!({"url": url, "state": "granted", "released_wei": amount.to_string(), "tx": tx}));
    } else {
        println!(
            "{}",
            say!(
                "{url} is yours: {} FNT were released",
                "{url} é seu: {} FNT foram liberados",
                fnt(amount.saturating_to())
            )
        );
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn addresses_are_brought_into_the_contracts_form() {
        for (written, canonical_form) in [
            ("https://mill.example/story", "https://mill.example/story/"),
            ("HTTPS://Mill.Example:443", "https://mill.example/"),
            ("https://mill.example/Story/", "https://mill.example/Story/"),
            ("mill.example", "mill.example"),
        ] {
            assert_eq!(canonical(written), canonical_form);
        }
    }
}

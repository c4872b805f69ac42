//! `fonte chain concentration`: who could capture what, at which cost. The contract computes; what it cannot enumerate
//! (delegates, payees) is read from events here.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};
use eyre::Result;
use fonte_bindings::{
    Client,
    contracts::{Datanets, FonteToken, Settlement, Workers, concentration::IConcentration::Figures},
};
use serde_json::{Value, json};

use crate::{
    args::Common,
    context::Context,
    money::{fnt, percent},
    say::say,
};

pub(crate) async fn show(common: &Common) -> Result<()> {
    let context = Context::read_only(common).await?;
    let client = &context.client;
    let contract = client.concentration_contract();
    let costs = contract.seatCosts().call().await?;
    let stake = contract.stake().call().await?;
    let votes = contract.votes(delegates(client).await?).call().await?;
    let (data, compute) = payouts(client).await?;
    let (data, compute) = (indices(client, data).await?, indices(client, compute).await?);
    if common.json {
        let object = json!({
            "seats": {
                "seats": number(costs.seats), "lowest_stake_wei": costs.lowestStake.to_string(),
                "third": {"seats": number(costs.thirdSeats), "cost_wei": costs.thirdCost.to_string()},
                "two_thirds": {"seats": number(costs.twoThirdsSeats), "cost_wei": costs.twoThirdsCost.to_string()},
            },
            "stake": figures(&stake), "data_payouts": data, "compute_payouts": compute,
            "votes": {
                "listed": figures(&votes.listed), "supply_wei": votes.supply.to_string(),
                "herfindahl_ppm": {"least": number(votes.herfindahlLow), "most": number(votes.herfindahlHigh)},
                "nakamoto_third": number(votes.nakamotoThird), "nakamoto_half": number(votes.nakamotoHalf),
            },
        });
        println!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(());
    }
    println!(
        "{}",
        say!(
            "{} seats, lowest elected stake {} FNT",
            "{} cadeiras, menor aposta eleita {} FNT",
            costs.seats,
            fnt(costs.lowestStake.saturating_to())
        )
    );
    let third: u128 = costs.thirdCost.saturating_to();
    let decide: u128 = costs.twoThirdsCost.saturating_to();
    println!(
        "  {}",
        say!(
            "to stop the chain   {} seats, {} FNT",
            "para parar a cadeia {} cadeiras, {} FNT",
            costs.thirdSeats,
            fnt(third)
        )
    );
    println!(
        "  {}",
        say!(
            "to decide alone     {} seats, {} FNT",
            "para decidir só     {} cadeiras, {} FNT",
            costs.twoThirdsSeats,
            fnt(decide)
        )
    );
    let two_thirds = say!("more than two thirds", "mais de dois terços");
    line(&say!("stake", "apostas"), &figures(&stake), &two_thirds);
    let votes_line = json!({
        "holders": number(votes.listed.holders), "herfindahl_ppm": number(votes.herfindahlHigh),
        "nakamoto_third": number(votes.nakamotoThird), "nakamoto_two_thirds": number(votes.nakamotoHalf),
        "sum_wei": votes.supply.to_string(),
    });
    line(&say!("votes", "votos"), &votes_line, &say!("more than half", "mais da metade"));
    line(&say!("data payouts", "pagos a dados"), &data, &two_thirds);
    line(&say!("compute payouts", "pagos a máquinas"), &compute, &two_thirds);
    println!(
        "{}",
        say!(
            "Accounts are counted, and nobody can tell how many are one person: every figure is the best case. Payouts name \
             who was paid, not what for: a payee of data counts with all it got, also as a developer or worker. The \
             treasury is left out.",
            "Contam-se contas, e ninguém sabe quantas são uma só pessoa: cada número é o melhor caso. Os pagamentos dizem a \
             quem, não por quê: quem recebe por dados conta com tudo o que recebeu, também por desenvolver ou computar. O \
             tesouro fica de fora."
        )
    );
    Ok(())
}

/// One quantity in a line. Of votes the last figure is for more than half, and the index is the upper bound.
fn line(name: &str, figures: &Value, most: &str) {
    let index = figures["herfindahl_ppm"].as_u64().and_then(|ppm| u32::try_from(ppm).ok()).unwrap_or_default();
    println!(
        "  {name:<17} {}",
        say!(
            "{} holders; more than a third: {}; {most}: {}; Herfindahl {}",
            "{} titulares; mais de um terço: {}; {most}: {}; Herfindahl {}",
            figures["holders"],
            figures["nakamoto_third"],
            figures["nakamoto_two_thirds"],
            percent(index)
        )
    );
}

fn number(value: U256) -> u64 {
    value.saturating_to()
}

fn figures(of: &Figures) -> Value {
    json!({
        "holders": number(of.holders), "sum_wei": of.sum.to_string(), "herfindahl_ppm": number(of.herfindahl),
        "nakamoto_third": number(of.nakamotoThird), "nakamoto_two_thirds": number(of.nakamotoTwoThirds),
    })
}

/// Everybody who was ever delegated to, ascending.
async fn delegates(client: &Client) -> Result<Vec<Address>> {
    let changes: Vec<FonteToken::DelegateVotesChanged> =
        client.events("the delegations", client.addresses().token).await?;
    Ok(changes.into_iter().map(|change| change.delegate).collect::<BTreeSet<_>>().into_iter().collect())
}

/// What has been paid to payees of contributions, and to workers, pushed or claimed. The chain's events name payees, not what
/// for: who is both is counted in both, and a developer who is a payee too with all of it.
async fn payouts(client: &Client) -> Result<(Vec<U256>, Vec<U256>)> {
    let at = client.addresses();
    let paid: Vec<Settlement::Paid> = client.events("the payouts", at.settlement).await?;
    let revealed: Vec<Datanets::Revealed> = client.events("the contributions", at.datanets).await?;
    let moved: Vec<Datanets::PayeeSet> = client.events("the payees", at.datanets).await?;
    let registered: Vec<Workers::Registered> = client.events("the workers", at.workers).await?;
    let mut contributors: BTreeSet<Address> = revealed.into_iter().map(|event| event.payee).collect();
    contributors.extend(moved.into_iter().map(|event| event.payee));
    // The payee of commons is the treasury, which gets the protocol's part of every fee: not for data.
    contributors.remove(&at.timelock);
    let workers: BTreeSet<Address> = registered.into_iter().map(|event| event.worker).collect();
    // What a payee refused, and has claimed since.
    let claimed: Vec<Settlement::Claimed> = client.events("the claims", at.settlement).await?;
    let mut sums: BTreeMap<Address, U256> = BTreeMap::new();
    let paid = paid.into_iter().map(|event| (event.payee, event.amount));
    for (payee, amount) in paid.chain(claimed.into_iter().map(|event| (event.payee, event.amount))) {
        let sum = sums.entry(payee).or_default();
        *sum = sum.saturating_add(amount);
    }
    let of =
        |group: &BTreeSet<Address>| sums.iter().filter(|(who, _)| group.contains(*who)).map(|(_, sum)| *sum).collect();
    Ok((of(&contributors), of(&workers)))
}

/// The same figures as the contract's own, by the contract's own functions.
async fn indices(client: &Client, amounts: Vec<U256>) -> Result<Value> {
    let contract = client.concentration_contract();
    let sum: U256 = amounts.iter().sum();
    let herfindahl = contract.herfindahl(amounts.clone()).call().await?;
    let third = contract.nakamoto(amounts.clone(), U256::from(1), U256::from(3)).call().await?;
    let two_thirds = contract.nakamoto(amounts.clone(), U256::from(2), U256::from(3)).call().await?;
    Ok(json!({
        "holders": amounts.len(), "sum_wei": sum.to_string(), "herfindahl_ppm": number(herfindahl),
        "nakamoto_third": number(third), "nakamoto_two_thirds": number(two_thirds),
    }))
}

//! The checks that need the chain. What its answers mean for a receipt is decided by the `judge_` functions, as
//! `docs/spec/receipt.md`, 5, says and as the receipt's page does; `fixtures/on_chain.json` holds both to it.

use alloy_primitives::{Address, B256, aliases::U96};
use eyre::Result;
use fonte_bindings::{Client, RowsError, contracts::Datanets, convert};
use fonte_types::{
    Network,
    bundle::{Check, CitedContribution, Outcome, ReceiptBundle, Terms},
    fees::Splits,
    ids::{DatanetVersion, Membership, ModelId},
};

use crate::{challenge::row_fault, gateway_api::SettlementState};

/// A version of a model's terms.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct TermsVersion {
    /// Seconds since 1970 from which it applies; 0 for the first, which applies since ever.
    since: u64,
    #[cfg_attr(test, serde(flatten))]
    terms: Terms,
}

impl TermsVersion {
    /// Whether it applied all the time that counts, so that none before it did.
    fn precedes(&self, issued: u64) -> bool {
        self.since == 0 || self.since.saturating_add(GRACE) <= issued
    }
}

/// What a model is registered with.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct Model {
    name: String,
    /// The terms in force.
    now: Terms,
    /// Newest first, as far back as a receipt's time needs.
    versions: Vec<TermsVersion>,
}

/// Seconds around a receipt's time within which terms count, as `Challenges.PRICE_GRACE` has it.
const GRACE: u64 = 3_600;
/// Versions of a model's terms that are looked through for one receipt.
const MAX_TERMS: usize = 64;

/// What a contribution is registered with, and its datanet.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct Registered {
    root: B256,
    contributor: Address,
    membership: Membership,
    curator: Address,
    curator_ppm: u32,
}

/// Whom a contribution pays: in the receipt's batch, or before there is one, now.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct Payee {
    payee: Address,
    /// Whether the one that the receipt names is, or ever was, its payee.
    named_was: bool,
}

fn failed(differs: impl Into<String>, why: impl Into<String>) -> Outcome {
    Outcome::Failed { differs: differs.into(), why: why.into() }
}

fn missing(without: impl Into<String>) -> Outcome {
    Outcome::NotCheckable { without: without.into() }
}

/// Makes them all.
pub(crate) async fn chain_checks(
    client: &Client,
    bundle: &ReceiptBundle,
    standing: Option<&SettlementState>,
) -> Result<Vec<Check>> {
    let network = judge_network(&bundle.network, client);
    let on_it = network == Outcome::HOLDS;
    let mut checks = vec![Check { name: "network", outcome: network }];
    let mut batch = None;
    for name in ["settled as written", "terms on chain", "contributions on chain", "payees"] {
        let outcome = match name {
            _ if !on_it => missing("a node of this receipt's network"),
            "settled as written" => {
                let (outcome, number) = settled(client, bundle, standing).await?;
                if let Some(number) = number {
                    batch = Some(client.settlement_contract().batch(number).call().await?);
                }
                outcome
            }
            "terms on chain" => terms(client, bundle, batch.as_ref().map(|batch| batch.settledAt.to())).await?,
            "contributions on chain" => contributions(client, bundle).await?,
            _ => payees(client, bundle, batch.as_ref().map(|batch| batch.payeeClock)).await?,
        };
        checks.push(Check { name, outcome });
    }
    Ok(checks)
}

pub(super) fn judge_network(named: &Network, client: &Client) -> Outcome {
    let here = client.network();
    let same = [
        ("chain_id", named.chain_id == here.chain_id),
        ("network_id", named.network_id == here.network_id),
        ("settlement", named.settlement == here.settlement),
        ("datanets", named.datanets == here.datanets),
    ];
    match same.iter().find(|(_, same)| !same) {
        None => Outcome::HOLDS,
        Some((field, _)) => failed(format!("network.{field}"), format!("{} is another network", client.url())),
    }
}

async fn terms(client: &Client, bundle: &ReceiptBundle, settled_at: Option<u64>) -> Result<Outcome> {
    let model = model(client, bundle.receipt.model, issued_by(bundle, settled_at)).await?;
    Ok(judge_terms(bundle, model.as_ref(), settled_at))
}

async fn model(client: &Client, id: ModelId, issued: u64) -> Result<Option<Model>> {
    let models = client.models_contract();
    let count = models.termsCount(id.0).call().await?;
    if count == 0 {
        return Ok(None);
    }
    let model = models.model(id.0).call().await?;
    let mut versions = Vec::new();
    for number in (1..=count).rev().take(MAX_TERMS) {
        let read = models.termsOf(id.0, number).call().await?;
        let since = if number == 1 { 0 } else { read._1 };
        let version = TermsVersion { since, terms: convert::terms(&read._0) };
        let is_last = version.precedes(issued);
        versions.push(version);
        if is_last {
            break;
        }
    }
    Ok(Some(Model { name: model.name, now: convert::terms(&model.terms), versions }))
}

/// When a receipt was issued, as the contract sees it: never after its batch.
fn issued_by(bundle: &ReceiptBundle, settled_at: Option<u64>) -> u64 {
    bundle.receipt.issued_at.min(settled_at.unwrap_or(u64::MAX))
}

/// By the terms that the contract holds the fee against: those in force from `GRACE` before the receipt's time to `GRACE`
/// after, and not after the batch.
fn judge_terms(bundle: &ReceiptBundle, model: Option<&Model>, settled_at: Option<u64>) -> Outcome {
    let Some(model) = model else { return failed("receipt.model", "the chain knows no such model") };
    let named = bundle.terms;
    let issued = issued_by(bundle, settled_at);
    let latest = issued.saturating_add(GRACE).min(settled_at.unwrap_or(u64::MAX));
    let begun: Vec<_> = model.versions.iter().filter(|version| version.since <= latest).collect();
    let last = begun.iter().position(|version| version.precedes(issued));
    let in_force = &begun[..last.map_or(begun.len(), |last| last + 1)];
    if !in_force.iter().any(|version| version.terms == named) {
        return if last.is_none() {
            missing("a search further back: all versions of the terms that were read are newer")
        } else if in_force.iter().any(|version| version.terms.splits == named.splits) {
            failed("terms.prices", "the model's terms then had other prices")
        } else {
            failed("terms.splits", "the model's terms then had other splits")
        };
    }
    if bundle.model_name != model.name {
        return failed("model_name", format!("the chain calls it {}", model.name));
    }
    let paid = settled_at.and_then(|at| model.versions.iter().find(|version| version.since <= at));
    let note = match paid.map(|version| version.terms.splits) {
        Some(splits) if splits != named.splits => {
            let Splits { worker, developer, data, .. } = splits;
            format!("its batch paid by later terms: worker {worker} ppm, developer {developer}, data {data}")
        }
        _ if model.now != named => "the model has other terms by now".into(),
        _ => return Outcome::HOLDS,
    };
    Outcome::Passed { note: Some(note) }
}

async fn contributions(client: &Client, bundle: &ReceiptBundle) -> Result<Outcome> {
    let datanets = client.datanets().await?;
    for cited in &bundle.cited {
        let registered = client.contribution(cited.contribution).await?.and_then(|record| {
            let datanet = datanets.iter().find(|datanet| datanet.id == record.membership.datanet)?;
            let (curator, curator_ppm) = (datanet.curator, datanet.policy.curator_ppm);
            let (root, contributor, membership) = (record.root, record.contributor, record.membership);
            Some(Registered { root, contributor, membership, curator, curator_ppm })
        });
        let outcome = judge_contribution(cited, registered.as_ref(), &bundle.receipt.versions);
        if outcome != Outcome::HOLDS {
            return Ok(outcome);
        }
    }
    Ok(Outcome::HOLDS)
}

fn judge_contribution(
    cited: &CitedContribution,
    registered: Option<&Registered>,
    versions: &[DatanetVersion],
) -> Outcome {
    let place = format!("cited[{}]", cited.contribution);
    let Some(registered) = registered else { return failed(place, "the chain knows no such contribution") };
    if registered.root != cited.root {
        return failed(place, format!("its root on chain is {}", registered.root));
    }
    if registered.contributor != cited.contributor {
        return failed(format!("{place}.contributor"), format!("{} signed it", registered.contributor));
    }
    if !registered.membership.is_member_of_any(versions) {
        return failed(place, "it is in none of the named versions");
    }
    // It may have been withdrawn since; what was withdrawn stays so.
    let (named, due) = (&cited.membership, &registered.membership);
    let since = named.withdrawn.is_none() || named.withdrawn == due.withdrawn;
    if named.datanet != due.datanet || named.added != due.added || !since {
        let (datanet, added) = (due.datanet, due.added.0);
        return failed(
            format!("{place}.membership"),
            format!("the chain has it in datanet {datanet} from version {added} on"),
        );
    }
    if registered.curator != cited.curator {
        return failed(format!("{place}.curator"), format!("the chain names {}", registered.curator));
    }
    if registered.curator_ppm != cited.curator_ppm {
        let cut = registered.curator_ppm;
        return failed(format!("{place}.curator_ppm"), format!("the datanet's cut is {cut} ppm"));
    }
    Outcome::HOLDS
}

/// The chain's own words: the gateway says where to look first. With the batch, where it was settled as written.
async fn settled(
    client: &Client,
    bundle: &ReceiptBundle,
    standing: Option<&SettlementState>,
) -> Result<(Outcome, Option<u64>)> {
    match client.settled_row(bundle.id, standing.and_then(|standing| standing.batch)).await {
        Ok(None) => Ok((missing("a settlement: it waits for its batch"), None)),
        Ok(Some(settled)) => Ok(match row_fault(&bundle.receipt, &settled) {
            None => (Outcome::HOLDS, Some(settled.batch)),
            Some(field) => (failed("row", format!("batch {} settled another {field} for it", settled.batch)), None),
        }),
        Err(error @ (RowsError::Hidden { .. } | RowsError::Forgotten(_))) => {
            Ok((missing(format!("another node: {error}")), None))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whom the cited contributions pay: as the batch noted it, or before the settlement, now.
async fn payees(client: &Client, bundle: &ReceiptBundle, clock: Option<U96>) -> Result<Outcome> {
    let datanets = client.datanets_contract();
    let mut verdict = Outcome::HOLDS;
    for cited in &bundle.cited {
        let id = cited.contribution.0;
        let now = datanets.contribution(id).call().await?.payee;
        let payee = match clock {
            Some(clock) => datanets.payeeAt(id, clock).call().await?,
            None => now,
        };
        let Some(named_was) = was_payee(client, cited, &[payee, now]).await? else {
            return Ok(missing("another node: this one no longer has all changes of payees"));
        };
        let judged = judge_payee(cited, &Payee { payee, named_was });
        if matches!(judged, Outcome::Failed { .. }) {
            return Ok(judged);
        }
        if verdict == Outcome::HOLDS {
            verdict = judged;
        }
    }
    Ok(verdict)
}

/// Whether the payee that the receipt names ever was one; `None` where the node cannot tell. Only where there were several
/// changes are old events needed.
async fn was_payee(client: &Client, cited: &CitedContribution, known: &[Address]) -> Result<Option<bool>> {
    let datanets = client.datanets_contract();
    let id = cited.contribution.0;
    let first = datanets.payeeAt(id, Default::default()).call().await?;
    if first == cited.payee || known.contains(&cited.payee) {
        return Ok(Some(true));
    }
    let changes = datanets.payeeNonce(id).call().await?;
    if changes < 2 {
        return Ok(Some(false));
    }
    let all = client.events::<Datanets::PayeeSet>("the payees", client.addresses().datanets).await?;
    let own: Vec<Address> = all.iter().filter(|set| set.contribution == id).map(|set| set.payee).collect();
    let is_named = own.contains(&cited.payee);
    Ok((is_named || own.len() as u64 >= changes).then_some(is_named))
}

/// An author may send what is to come to another address at any time: only a payee that never was one is a lie.
fn judge_payee(cited: &CitedContribution, found: &Payee) -> Outcome {
    let (id, due, named) = (cited.contribution, found.payee, cited.payee);
    if due == named {
        return Outcome::HOLDS;
    }
    if !found.named_was {
        return failed(format!("cited[{id}].payee"), format!("the chain pays {due}, and never paid {named} for it"));
    }
    let note = format!("contribution {id} pays {due}: its payee changed, {named} was another time's");
    Outcome::Passed { note: Some(note) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Deserialize)]
    struct OnChain {
        model: Option<Model>,
        contribution: Option<Registered>,
        payee: Payee,
        settled_at: Option<u64>,
    }

    #[derive(Deserialize)]
    struct Case {
        #[serde(default)]
        receipt: BTreeMap<String, Value>,
        #[serde(default)]
        chain: BTreeMap<String, Value>,
        check: Option<String>,
        differs: Option<String>,
        #[serde(default)]
        noted: bool,
    }

    fn changed<T: for<'a> Deserialize<'a>>(of: &Value, changes: &BTreeMap<String, Value>) -> T {
        let mut of = of.clone();
        for (path, value) in changes {
            *of.pointer_mut(path).unwrap() = value.clone();
        }
        serde_json::from_value(of).unwrap()
    }

    #[test]
    fn a_chain_that_says_otherwise_is_told_from_one_that_moved_on() {
        let read = |text| serde_json::from_str::<Value>(text).unwrap();
        let receipt = &read(include_str!("../../../../fixtures/bundle.json"))["bundle"];
        let pinned = read(include_str!("../../../../fixtures/on_chain.json"));
        let cases: Vec<Case> = serde_json::from_value(pinned["cases"].clone()).unwrap();
        assert!(cases.len() > 40);
        for case in cases {
            let what = format!("{:?} {:?}", case.receipt, case.chain);
            let bundle: ReceiptBundle = changed(receipt, &case.receipt);
            let chain: OnChain = changed(&pinned["chain"], &case.chain);
            let [cited] = &bundle.cited[..] else { panic!("one is cited") };
            let versions = &bundle.receipt.versions;
            let verdicts = [
                ("terms on chain", judge_terms(&bundle, chain.model.as_ref(), chain.settled_at)),
                ("contributions on chain", judge_contribution(cited, chain.contribution.as_ref(), versions)),
                ("payees", judge_payee(cited, &chain.payee)),
            ];
            let failed = verdicts.iter().find_map(|(name, outcome)| match outcome {
                Outcome::Failed { differs, .. } => Some((*name, differs.as_str())),
                _ => None,
            });
            assert_eq!(failed, case.check.as_deref().zip(case.differs.as_deref()), "{what}");
            let noted = verdicts.iter().any(|(_, outcome)| matches!(outcome, Outcome::Passed { note: Some(_) }));
            assert_eq!(noted, case.noted, "{what}");
        }
    }
}

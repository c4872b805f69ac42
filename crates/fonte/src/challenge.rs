//! Recomputing a receipt's attribution from the texts, and turning a fault into a challenge on chain.

use std::{path::Path, sync::Arc};

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolValue;
use eyre::{Result, WrapErr, bail, eyre};
use fonte_attribution::{
    Document, IndexConfig, SuffixIndex,
    audit::{Fault, faults},
};
use fonte_bindings::{Client, ContributionRecord, contracts::challenges::IChallenges, convert};
use fonte_corpus::{Bundle, Store};
use fonte_types::{
    ContributionId, DatanetId, WINDOW,
    bundle::{ReceiptBundle, Terms},
    evidence::{Evidence, Source},
    merkle::CommittedText,
    settlement::Row,
    shares::Shares,
};
use serde::Serialize;

use crate::gateway_api::{GatewayApi, SettlementState};

/// The texts of the versions that a receipt names, checked against the chain, and an index over them.
pub(crate) struct Auditor {
    index: SuffixIndex,
    store: Store,
    members: Vec<ContributionRecord>,
}

/// What an auditor found, and can prove on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The evidence is not what the texts say.
    Text(Fault),
    /// The share of this contribution does not follow from the evidence.
    Shares(ContributionId),
    /// The fee does not follow from the token counts and the model's prices.
    Fee,
}

/// What in a receipt does not follow from its own evidence, in the order in which it is challenged.
fn bad_arithmetic(bundle: &ReceiptBundle) -> Option<Finding> {
    let receipt = &bundle.receipt;
    let due = match Evidence::new(bundle.runs.clone(), receipt.answer_bytes) {
        Ok(evidence) => Shares::from_evidence(&evidence),
        // Runs that do not partition the answer give nobody a share.
        Err(_) => Shares::default(),
    };
    let named = due.as_slice().iter().chain(receipt.shares.as_slice()).map(|share| share.contribution);
    let wrong = named.into_iter().find(|id| due.of(*id) != receipt.shares.of(*id));
    if let Some(contribution) = wrong {
        return Some(Finding::Shares(contribution));
    }
    let fee = bundle.terms.prices.fee(receipt.input_tokens, receipt.output_tokens);
    (fee != Some(receipt.fee)).then_some(Finding::Fee)
}

/// What became of a challenge.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Challenged {
    pub(crate) caught: bool,
    pub(crate) kind: &'static str,
    /// The run in question; none where the row as a whole is.
    pub(crate) run: Option<u32>,
    pub(crate) answer_start: u32,
    pub(crate) answer_end: u32,
    /// Who was credited, and who should have been.
    pub(crate) credited: String,
    pub(crate) rightful: String,
    pub(crate) harmed: Address,
    #[serde(with = "fonte_types::wei")]
    pub(crate) harm_wei: u128,
    #[serde(with = "fonte_types::wei")]
    pub(crate) penalty_wei: u128,
    #[serde(with = "fonte_types::wei")]
    pub(crate) burnt_wei: u128,
    pub(crate) tx: B256,
}

impl Auditor {
    /// Fetches what is missing, checks every text against its root on chain, and indexes it.
    pub(crate) async fn prepare(
        folder: &Path,
        client: &Client,
        gateway: &GatewayApi,
        bundle: &ReceiptBundle,
    ) -> Result<Self> {
        let records = client.contributions(ContributionId(1)).await?;
        let members: Vec<_> =
            records.into_iter().filter(|r| r.membership.is_member_of_any(&bundle.receipt.versions)).collect();
        let store = Store::open(&folder.join("store")).wrap_err("opening the auditor's store")?;
        for member in &members {
            fetch(&store, gateway, member).await?;
        }
        let index_folder = folder.join(format!("index-{}", bundle.id));
        let index = SuffixIndex::open(&index_folder, IndexConfig::default()).wrap_err("opening the auditor's index")?;
        if index.stats().documents == 0 {
            let documents = documents(&store, &members)?;
            index.add(documents).wrap_err("indexing the texts")?;
        }
        Ok(Self { index, store, members })
    }

    fn is_member(&self, contribution: ContributionId, datanet: DatanetId) -> bool {
        self.members.iter().any(|m| m.id == contribution && m.membership.datanet == datanet)
    }

    fn bundle(&self, contribution: ContributionId) -> Result<Arc<Bundle>> {
        let member = self.members.iter().find(|member| member.id == contribution);
        let member = member.ok_or_else(|| eyre!("contribution {contribution} is in none of the named versions"))?;
        Ok(self.store.bundle(member.root)?)
    }

    /// Everything provable against the receipt; nothing for an honest one.
    pub(crate) fn findings(&self, bundle: &ReceiptBundle) -> Result<Vec<Finding>> {
        let texts =
            |contribution, document| self.bundle(contribution).ok()?.text(document).ok().map(String::into_bytes);
        let members = |contribution, datanet| self.is_member(contribution, datanet);
        let faults = faults(bundle, &self.index, &texts, &members).wrap_err("recomputing the attribution")?;
        Ok(faults.into_iter().map(Finding::Text).chain(bad_arithmetic(bundle)).collect())
    }

    /// Sends the challenge that a finding calls for, and waits until it is final. It is announced first, by a seal that
    /// tells nothing: who copies it out of the mempool gets no reward.
    pub(crate) async fn challenge(
        &self,
        client: &Client,
        bundle: &ReceiptBundle,
        standing: &SettlementState,
        finding: Finding,
    ) -> Result<Challenged> {
        let row = row_opening(bundle, standing)?;
        let contract = client.challenges_contract();
        let (kind, number, rightful, call) = match finding {
            Finding::Text(Fault::NotThere { run: number, position }) => {
                let run = bundle.runs.get(number as usize).ok_or_else(|| eyre!("there is no run {number}"))?;
                let answer = open_answer(bundle, position, position + 1)?;
                let offset = run.offset + u64::from(position - run.match_start);
                let source = self.open_source(bundle, run.source, run.document, offset, offset + 1)?;
                let opened = run_opening(bundle, number)?;
                let call = contract.challengeNotThere(row, opened, position, answer, source);
                ("not_there", Some(number), Source::Nobody, call.into_transaction_request())
            }
            Finding::Text(Fault::Earlier { run: number, position, source, document, offset }) => {
                let window = WINDOW as u32;
                let answer = open_answer(bundle, position, position + window)?;
                let opened = self.open_source(bundle, source, document, offset, offset + u64::from(window))?;
                let run = run_opening(bundle, number)?;
                let call = contract.challengeEarlier(row, run, position, offset, answer, opened);
                ("earlier", Some(number), source, call.into_transaction_request())
            }
            Finding::Shares(contribution) => {
                let receipt = convert::challenges::receipt(&bundle.receipt);
                let evidence = convert::challenges::evidence(&bundle.runs, &bundle.other_channels);
                let call = contract.challengeShares(row, receipt, evidence, contribution.0);
                ("shares", None, Source::Contribution(contribution), call.into_transaction_request())
            }
            Finding::Fee => {
                let receipt = convert::challenges::receipt(&bundle.receipt);
                let version = terms_version(client, bundle, standing).await?;
                let call = contract.challengeRow(row, receipt, version);
                ("row", None, Source::Nobody, call.into_transaction_request())
            }
        };
        let challenger = client.sender().ok_or_else(|| eyre!("a challenge needs a key"))?;
        let data = call.input.input().cloned().unwrap_or_default();
        let seal = keccak256((challenger, keccak256(&data)).abi_encode());
        client.send("announcing the challenge", contract.announce(seal)).await?;
        let receipt = client.submit("the challenge", call).await?;
        let event = receipt
            .decoded_log::<fonte_bindings::contracts::challenges::Challenges::Challenged>()
            .ok_or_else(|| eyre!("the challenge was accepted and said nothing"))?;
        let challenged = number.and_then(|number| bundle.runs.get(number as usize));
        Ok(Challenged {
            caught: true,
            kind,
            run: number,
            answer_start: challenged.map_or(0, |run| run.start),
            answer_end: challenged.map_or(bundle.receipt.answer_bytes, |run| run.end),
            credited: challenged.map_or_else(|| "as the receipt says".into(), |run| describe(run.source)),
            rightful: describe(rightful),
            harmed: event.harmed,
            harm_wei: event.harm.saturating_to(),
            penalty_wei: event.penalty.saturating_to(),
            burnt_wei: event.burnt.saturating_to(),
            tx: receipt.transaction_hash,
        })
    }

    fn open_source(
        &self,
        bundle: &ReceiptBundle,
        source: Source,
        document: u32,
        start: u64,
        end: u64,
    ) -> Result<IChallenges::SourceOpening> {
        match source {
            Source::Nobody => bail!("nobody holds no text"),
            Source::Prompt => {
                let prompt = CommittedText::prompt(bundle.prompt.text.as_bytes(), bundle.prompt.salt)?;
                Ok(IChallenges::SourceOpening {
                    contribution: source.code(),
                    document: 0,
                    path: Vec::new(),
                    text: convert::challenges::text(&prompt.open_range(start, end)?),
                })
            }
            Source::Contribution(id) => {
                let range = usize::try_from(start)?..usize::try_from(end)?;
                let opening = self.bundle(id)?.open_range(document, range)?;
                Ok(IChallenges::SourceOpening {
                    contribution: source.code(),
                    document,
                    path: opening.path.clone(),
                    text: convert::challenges::text(&opening.chunks),
                })
            }
        }
    }
}

/// A contribution's texts, from the store or else from the gateway, checked against their root on chain.
pub(crate) async fn fetch(store: &Store, gateway: &GatewayApi, member: &ContributionRecord) -> Result<Arc<Bundle>> {
    if store.holds(member.root) {
        return Ok(store.bundle(member.root)?);
    }
    let bytes = gateway
        .bundle(member.id)
        .await
        .wrap_err_with(|| format!("contribution {} cannot be audited without its texts", member.id))?;
    store
        .receive(member.root, bytes.as_slice())
        .wrap_err_with(|| format!("the texts of contribution {} do not lead to its root on chain", member.id))
}

/// A source in words.
pub(crate) fn describe(source: Source) -> String {
    match source {
        Source::Nobody => "nobody".into(),
        Source::Prompt => "prompt".into(),
        Source::Contribution(id) => id.to_string(),
    }
}

fn documents(store: &Store, members: &[ContributionRecord]) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    for member in members {
        let bundle = store.bundle(member.root)?;
        for document in 0..bundle.documents() {
            documents.push(Document {
                contribution: member.id,
                document,
                datanet: member.membership.datanet,
                text: bundle.text(document)?.into_bytes(),
            });
        }
    }
    Ok(documents)
}

fn open_answer(bundle: &ReceiptBundle, start: u32, end: u32) -> Result<IChallenges::TextOpening> {
    let answer = CommittedText::answer(bundle.answer.text.as_bytes(), bundle.answer.salt)?;
    Ok(convert::challenges::text(&answer.open_range(start.into(), end.into())?))
}

/// The version of the model's terms that was in force when the grace after the receipt's time, or the batch, came.
async fn terms_version(client: &Client, bundle: &ReceiptBundle, standing: &SettlementState) -> Result<u32> {
    let batch = standing.batch.ok_or_else(|| eyre!("the receipt is not settled"))?;
    let settled: u64 = client.settlement_contract().batch(batch).call().await?.settledAt.to();
    let grace: u64 = client.challenges_contract().PRICE_GRACE().call().await?.saturating_to();
    let until = bundle.receipt.issued_at.saturating_add(grace).min(settled);
    let models = client.models_contract();
    let model = bundle.receipt.model.0;
    for version in (1..=models.termsCount(model).call().await?).rev() {
        if models.termsOf(model, version).call().await?._1 <= until {
            return Ok(version);
        }
    }
    bail!("model {model} had no terms at that time")
}

fn run_opening(bundle: &ReceiptBundle, number: u32) -> Result<IChallenges::RunOpening> {
    let evidence = Evidence::new(bundle.runs.clone(), bundle.receipt.answer_bytes)?;
    let opening = evidence.open(number, &bundle.other_channels).ok_or_else(|| eyre!("there is no run {number}"))?;
    Ok(convert::challenges::run(&opening, &bundle.receipt))
}

fn row_opening(bundle: &ReceiptBundle, standing: &SettlementState) -> Result<IChallenges::RowOpening> {
    let (Some(batch), Some(opening)) = (standing.batch, standing.opening.as_ref()) else {
        bail!("receipt {} is {}: only a settled one can be challenged", bundle.id, standing.state);
    };
    let row = Row::of(bundle.id, &bundle.receipt);
    Ok(IChallenges::RowOpening {
        batch,
        index: opening.index,
        payer: bundle.receipt.payer,
        row: convert::challenges::row(&row),
        path: opening.path.clone(),
    })
}

/// The model's terms as registered now, to compare with the bundle's.
pub(crate) async fn registered_terms(client: &Client, bundle: &ReceiptBundle) -> Result<Option<Terms>> {
    let models = client.models().await?;
    Ok(models.into_iter().find(|model| model.id == bundle.receipt.model).map(|model| model.terms))
}

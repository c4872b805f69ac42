//! The call that proves a finding, and what came of it.

use alloy_primitives::{Address, B256, keccak256};
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};
use alloy_sol_types::SolValue;
use eyre::{Result, bail, eyre};
use fonte_attribution::audit::Fault;
use fonte_bindings::{
    Client, SettledRow,
    contracts::challenges::{Challenges, IChallenges},
    convert,
};
use fonte_types::{
    AnswerReceipt, DatanetId, WINDOW,
    bundle::ReceiptBundle,
    evidence::{Run, RunOpening},
    fees::Prices,
    merkle::{CommittedText, Tree},
};
use serde::Serialize;

use super::{
    auditor::Auditor,
    finding::{Finding, Judged, Offer, Terms, describe, judge_fee},
};
use crate::transact::{Step, refusal, step};

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

/// A finding about a receipt and the row that settled it, to be proved on chain.
pub(crate) struct Proof<'a> {
    pub(crate) bundle: &'a ReceiptBundle,
    pub(crate) settled: &'a SettledRow,
    pub(crate) finding: &'a Finding,
    /// Only what is wrong with the texts needs them.
    pub(crate) auditor: Option<&'a Auditor>,
}

impl Proof<'_> {
    /// The challenge, announced first by a seal that tells nothing: who copies it out of the mempool gets no reward. One
    /// that the contract would refuse is refused here, before anything is announced.
    pub(crate) async fn steps(&self, client: &Client) -> Result<Vec<Step>> {
        let call = self.call(client).await?;
        client.simulate("the challenge", call.clone()).await.map_err(refusal)?;
        let seal = seal(client.sender().unwrap_or_default(), &call);
        let announcement = step("announcing the challenge", client.challenges_contract().announce(seal));
        Ok(vec![announcement, Step { what: "the challenge", request: call, contract: None }])
    }

    /// What the contract said of it.
    pub(crate) fn outcome(&self, receipt: &TransactionReceipt) -> Result<Challenged> {
        let event = receipt
            .decoded_log::<Challenges::Challenged>()
            .ok_or_else(|| eyre!("the challenge was accepted and said nothing"))?;
        let run = self.finding.run();
        let challenged = run.and_then(|number| self.bundle.runs.get(number as usize));
        Ok(Challenged {
            caught: true,
            kind: self.finding.kind(),
            run,
            answer_start: challenged.map_or(0, |run| run.start),
            answer_end: challenged.map_or(self.bundle.receipt.answer_bytes, |run| run.end),
            credited: challenged.map_or_else(|| "as the receipt says".into(), |run| describe(run.source)),
            rightful: describe(self.finding.rightful()),
            harmed: event.harmed,
            harm_wei: event.harm.saturating_to(),
            penalty_wei: event.penalty.saturating_to(),
            burnt_wei: event.burnt.saturating_to(),
            tx: receipt.transaction_hash,
        })
    }

    async fn call(&self, client: &Client) -> Result<TransactionRequest> {
        let Self { bundle, settled, .. } = self;
        let contract = client.challenges_contract();
        let row = convert::challenges::opening(settled);
        let receipt = || convert::challenges::receipt(&bundle.receipt);
        Ok(match self.finding {
            Finding::Text(Fault::NotThere { run: number, position }) => {
                let run = bundle.runs.get(*number as usize).ok_or_else(|| eyre!("there is no run {number}"))?;
                // Beyond the end of the text, its last byte shows where that is.
                let shown = (*position).min(u32::try_from(bundle.answer.text.len())?.saturating_sub(1));
                let answer = open_answer(bundle, shown, shown + 1)?;
                let offset = run.offset.saturating_add(u64::from(position - run.match_start));
                let source = self.auditor()?.open_byte(bundle, run.source, run.document, offset)?;
                let opened = self.open_run(*number)?;
                contract.challengeNotThere(row, opened, *position, answer, source).into_transaction_request()
            }
            Finding::Text(Fault::Earlier { run: number, position, source, document, offset }) => {
                let window = WINDOW as u32;
                let answer = open_answer(bundle, *position, position + window)?;
                let end = offset + u64::from(window);
                let opened = self.auditor()?.open_source(bundle, *source, *document, *offset, end)?;
                let run = self.open_run(*number)?;
                contract.challengeEarlier(row, run, *position, *offset, answer, opened).into_transaction_request()
            }
            Finding::Impossible { run } => {
                let text = IChallenges::TextOpening { length: 0, metadataHash: B256::ZERO, chunks: Vec::new() };
                let source =
                    IChallenges::SourceOpening { contribution: 0, document: 0, path: Vec::new(), text: text.clone() };
                contract.challengeNotThere(row, self.open_run(*run)?, 0, text, source).into_transaction_request()
            }
            Finding::NoPartition | Finding::Shares(_) => {
                let evidence = convert::challenges::evidence(&bundle.runs, &bundle.other_channels);
                let contribution = match self.finding {
                    Finding::Shares(contribution) => contribution.0,
                    _ => 0,
                };
                contract.challengeShares(row, receipt(), evidence, contribution).into_transaction_request()
            }
            Finding::Row(_) | Finding::Fee => {
                let grace = grace(client).await?;
                let terms = terms_of(client, &bundle.receipt, settled.settled_at, grace).await?;
                let judged = judge_fee(&bundle.receipt, settled.settled_at, grace, &terms);
                contract.challengeRow(row, receipt(), judged.version).into_transaction_request()
            }
            Finding::Twice(twin) => {
                let other = convert::challenges::opening(&twin.row);
                let (own, others) = ((row, receipt()), (other, convert::challenges::receipt(&twin.receipt)));
                // The later one is reversed.
                let order = |row: &SettledRow| (row.batch, row.index);
                let (first, second) = if order(settled) < order(&twin.row) { (own, others) } else { (others, own) };
                contract.challengeDoubleSettle(first.0, first.1, second.0, second.1).into_transaction_request()
            }
        })
    }

    fn auditor(&self) -> Result<&Auditor> {
        self.auditor.ok_or_else(|| eyre!("a fault of the texts cannot be shown without them"))
    }

    fn open_run(&self, number: u32) -> Result<IChallenges::RunOpening> {
        Ok(convert::challenges::run(&open_run(self.bundle, number)?, &self.bundle.receipt))
    }
}

/// Opens a run of the evidence as it was committed: what is to be shown may be that it is none.
pub(crate) fn open_run(bundle: &ReceiptBundle, number: u32) -> Result<RunOpening> {
    let run = *bundle.runs.get(number as usize).ok_or_else(|| eyre!("there is no run {number}"))?;
    let tree = Tree::new(bundle.runs.iter().map(Run::leaf).collect());
    let (runs, path) = (tree.leaves(), tree.path(number));
    Ok(RunOpening { run, index: number, runs, path, others: bundle.other_channels })
}

/// What announces a call of somebody without telling it (`ISeals`).
pub(crate) fn seal(sender: Address, call: &TransactionRequest) -> B256 {
    let data = call.input.input().cloned().unwrap_or_default();
    keccak256((sender, keccak256(&data)).abi_encode())
}

fn open_answer(bundle: &ReceiptBundle, start: u32, end: u32) -> Result<IChallenges::TextOpening> {
    let answer = CommittedText::answer(bundle.answer.text.as_bytes(), bundle.answer.salt)?;
    Ok(convert::challenges::text(&answer.open_range(start.into(), end.into())?))
}

/// Seconds around a receipt's time whose prices count.
pub(super) async fn grace(client: &Client) -> Result<u64> {
    Ok(client.challenges_contract().PRICE_GRACE().call().await?.saturating_to())
}

/// The versions of a model's terms that can have made a receipt's fee. What the treasury curates is commons, which every
/// answer may name.
pub(super) async fn terms_of(client: &Client, receipt: &AnswerReceipt, settled_at: u64, grace: u64) -> Result<Terms> {
    let models = client.models_contract();
    let id = receipt.model.0;
    let treasury = client.settlement_contract().treasury().call().await?;
    let mut commons = client.datanets().await?;
    commons.retain(|datanet| datanet.curator == treasury);
    let commons: Vec<DatanetId> = commons.iter().map(|datanet| datanet.id).collect();
    let count = models.termsCount(id).call().await?;
    if count == 0 {
        bail!("the chain knows no model {}", receipt.model);
    }
    let read = async |version| -> Result<Offer> {
        let read = models.termsOf(id, version).call().await?;
        let (allowed, since) = (read._0.datanets, read._1);
        let allowed = allowed.into_iter().map(DatanetId);
        Ok(Offer {
            since,
            prices: Prices { input: read._0.priceIn, output: read._0.priceOut },
            datanets: (allowed.len() > 0).then(|| allowed.chain(commons.iter().copied()).collect()),
        })
    };
    Terms::around(Judged::of(receipt, settled_at, grace), count, read).await
}

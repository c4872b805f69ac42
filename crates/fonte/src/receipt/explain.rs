//! `fonte receipt explain`: who, in which role, worth what, paid how much. A receipt shows the terms that made its fee;
//! what it pays is decided when its batch is settled, by the terms and payees of that time, and may be taken back by a
//! challenge. So the chain is asked, and where it cannot be, that is said.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use eyre::{Result, bail, ensure, eyre};
use fonte_bindings::Client;
use fonte_types::{
    ContributionId, PPM,
    bundle::{CitedContribution, Outcome, ReceiptBundle, verify},
    evidence::Source,
    fees::{Splits, credits, part},
    settlement::Row,
    shares::{Share, Shares},
};
use serde_json::{Value, json};

use super::on_chain::judge_network;
use crate::{
    args::Common,
    challenge::describe,
    gateway_api::SettlementState,
    money::{fnt, percent},
    network,
    say::say,
};

/// What decides how much a row pays.
#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    /// The batch that settled it.
    Batch(u64),
    /// The terms and payees of now: it is in no batch yet.
    Now,
    /// The receipt's own words: the chain could not be asked.
    Receipt { why: String },
}

/// What a row pays, and by what.
#[derive(Clone, Debug)]
struct Payment {
    by: By,
    fee: u128,
    payer: Address,
    worker: Address,
    worker_ppm: u32,
    data_ppm: u32,
    /// Developers of the model and of those it comes from, with their parts of the fee.
    developers: Vec<(Option<Address>, u32)>,
    shares: Shares,
    /// Who earns by the contributions that have shares.
    earners: BTreeMap<ContributionId, Earners>,
    /// Whether the terms of the receipt split its fee otherwise.
    is_changed: bool,
    /// All of it went back to the payer.
    reversed: bool,
    /// What a gateway's bond has paid for wrong runs or shares of the row; what these had been credited is taken back.
    harm: u128,
}

#[derive(Clone, Copy, Debug, Default)]
struct Earners {
    payee: Address,
    curator: Address,
    curator_ppm: u32,
}

impl Earners {
    fn cited(cited: &CitedContribution) -> Self {
        Self { payee: cited.payee, curator: cited.curator, curator_ppm: cited.curator_ppm }
    }
}

/// Asks the chain, if it answers, and tells. Nothing is said of what does not verify: its sums need not add up.
pub(super) async fn run(common: &Common, bundle: &ReceiptBundle, standing: Option<&SettlementState>) -> Result<()> {
    check(bundle)?;
    let payment = match on_chain(common, bundle, standing).await {
        Ok(payment) => payment,
        Err(error) => Payment::of_receipt(bundle, format!("{error:#}")),
    };
    print(common.json, bundle, standing, &payment)
}

fn check(bundle: &ReceiptBundle) -> Result<()> {
    if let Some(differs) = verify(bundle).differs {
        bail!(say!(
            "the receipt does not hold: {differs} differs, so it explains nothing; `fonte receipt verify` says why",
            "o recibo não confere: {differs} difere, portanto não explica nada; `fonte receipt verify` diz por quê"
        ));
    }
    Ok(())
}

async fn on_chain(common: &Common, bundle: &ReceiptBundle, standing: Option<&SettlementState>) -> Result<Payment> {
    let client = network::connect(common, None).await?;
    if let Outcome::Failed { why, .. } = judge_network(&bundle.network, &client) {
        bail!(why);
    }
    let Some(settled) = client.settled_row(bundle.id, standing.and_then(|standing| standing.batch)).await? else {
        let row = Row::of(bundle.id, &bundle.receipt);
        return Payment::of_row(&client, By::Now, bundle, &row, bundle.receipt.payer).await;
    };
    let mut payment = Payment::of_row(&client, By::Batch(settled.batch), bundle, &settled.row, settled.payer).await?;
    let state = client.challenges_contract().rowState(settled.batch, settled.index).call().await?;
    (payment.reversed, payment.harm) = (state.reversed, state.harmed);
    Ok(payment)
}

impl Payment {
    fn of_receipt(bundle: &ReceiptBundle, why: String) -> Self {
        let splits = bundle.terms.splits;
        let cited = bundle.cited.iter().map(|cited| (cited.contribution, Earners::cited(cited)));
        Self {
            by: By::Receipt { why },
            fee: bundle.receipt.fee,
            payer: bundle.receipt.payer,
            worker: bundle.receipt.worker,
            worker_ppm: splits.worker,
            data_ppm: splits.data,
            developers: vec![(None, splits.developer)],
            shares: bundle.receipt.shares.clone(),
            earners: cited.collect(),
            is_changed: false,
            reversed: false,
            harm: 0,
        }
    }

    /// As the contract settles, or settled, this row: which need not be the receipt's, if its gateway lies.
    async fn of_row(client: &Client, by: By, bundle: &ReceiptBundle, row: &Row, payer: Address) -> Result<Self> {
        let (models, datanets) = (client.models_contract(), client.datanets_contract());
        let (payouts, clock) = match by {
            By::Batch(batch) => {
                let batch = client.settlement_contract().batch(batch).call().await?;
                let at: u64 = batch.settledAt.to();
                (models.payoutsAt(row.model, at).call().await?, Some(batch.payeeClock))
            }
            _ => (models.payouts(row.model).call().await?, None),
        };
        let shares = row.shares.iter().map(|packed| -> Result<Share> {
            let packed = u128::try_from(*packed)?;
            let contribution = ContributionId(u64::try_from(packed >> 32)?);
            Ok(Share { contribution, ppm: u32::try_from(packed & 0xffff_ffff)? })
        });
        let shares = Shares::checked(shares.collect::<Result<_>>()?)?;
        let directory = client.datanets().await?;
        let mut earners = BTreeMap::new();
        for share in shares.as_slice() {
            let id = share.contribution;
            let record = client.contribution(id).await?.ok_or_else(|| eyre!("the chain knows no contribution {id}"))?;
            let payee = match clock {
                Some(clock) => datanets.payeeAt(id.0, clock).call().await?,
                None => record.payee,
            };
            let datanet = directory.iter().find(|datanet| datanet.id == record.membership.datanet);
            let (curator, curator_ppm) =
                datanet.map_or((Address::ZERO, 0), |datanet| (datanet.curator, datanet.policy.curator_ppm));
            earners.insert(id, Earners { payee, curator, curator_ppm });
        }
        let developers: Vec<_> = payouts.developers.iter().map(|part| (Some(part.payee), part.ppm)).collect();
        let developed: u64 = developers.iter().map(|(_, ppm)| u64::from(*ppm)).sum();
        let parts = u64::from(payouts.workerPpm) + u64::from(payouts.dataPpm) + developed;
        ensure!(parts <= u64::from(PPM), "the chain says that model {} pays out {parts} ppm", row.model);
        let named = bundle.terms.splits;
        Ok(Self {
            by,
            fee: row.fee,
            payer,
            worker: row.worker,
            worker_ppm: payouts.workerPpm,
            data_ppm: payouts.dataPpm,
            is_changed: (named.worker, u64::from(named.developer), named.data)
                != (payouts.workerPpm, developed, payouts.dataPpm),
            developers,
            shares,
            earners,
            reversed: false,
            harm: 0,
        })
    }

    /// Who gets what, in the order in which it is told. Each part is rounded down as the contract rounds it.
    fn rows(&self, bundle: &ReceiptBundle) -> Vec<(Value, String)> {
        if self.reversed {
            let (payer, wei) = (self.payer, self.fee);
            return vec![(
                json!({"role": "payer", "who": payer, "wei": wei.to_string()}),
                say!(
                    "payer       {payer} — {} FNT, back in its deposit",
                    "pagador     {payer} — {} FNT, de volta no depósito",
                    fnt(wei)
                ),
            )];
        }
        // The developers' parts are rounded one by one.
        let developers: Vec<_> = self.developers.iter().map(|(payee, ppm)| (*payee, part(self.fee, *ppm))).collect();
        let splits = Splits {
            protocol: PPM - self.worker_ppm - self.data_ppm,
            worker: self.worker_ppm,
            developer: 0,
            data: self.data_ppm,
        };
        let earners = |id| self.earners.get(&id).copied().unwrap_or_default();
        let paid = credits(self.fee, &splits, &self.shares, |id| earners(id).curator_ppm);
        let treasury = paid.treasury - developers.iter().map(|(_, wei)| wei).sum::<u128>();

        let mut rows: Vec<(Value, String)> = Vec::new();
        for (share, (contribution, wei)) in self.shares.as_slice().iter().zip(&paid.contributions) {
            let cited = bundle.cited.iter().find(|cited| cited.contribution == *contribution);
            let titles = cited.map(titles).unwrap_or_default();
            let who = cited.map(|cited| cited.contributor).unwrap_or_default();
            let payee = earners(*contribution).payee;
            let bytes: u32 =
                bundle.runs.iter().filter(|r| r.source == Source::Contribution(*contribution)).map(|r| r.bytes()).sum();
            rows.push((
                json!({"role": "source", "who": who, "payee": payee, "contribution": contribution, "documents": titles,
                       "bytes": bytes, "share_ppm": share.ppm, "wei": wei.to_string()}),
                say!(
                    "source      contribution {contribution} by {who}: {} — {bytes} bytes, {} of the data pool, {} FNT to {payee}",
                    "fonte       contribuição {contribution} de {who}: {} — {bytes} bytes, {} do fundo de dados, {} FNT para {payee}",
                    titles.join("; "),
                    percent(share.ppm),
                    fnt(*wei)
                ),
            ));
        }
        for (contribution, wei) in paid.curators.iter().filter(|(_, wei)| *wei > 0) {
            let curator = earners(*contribution).curator;
            rows.push((
                json!({"role": "curator", "who": curator, "contribution": contribution, "wei": wei.to_string()}),
                say!(
                    "curator     {curator} — {} FNT, the cut of the datanet of contribution {contribution}",
                    "curadoria   {curator} — {} FNT, a parte do datanet da contribuição {contribution}",
                    fnt(*wei)
                ),
            ));
        }
        rows.push((
            json!({"role": "worker", "who": self.worker, "wei": paid.worker.to_string()}),
            say!("machine     {} — {} FNT", "máquina     {} — {} FNT", self.worker, fnt(paid.worker)),
        ));
        let model = &bundle.model_name;
        for (payee, wei) in developers {
            let to = payee.map(|payee| format!(" ({payee})")).unwrap_or_default();
            rows.push((
                json!({"role": "developer", "model": model, "payee": payee, "wei": wei.to_string()}),
                say!(
                    "model       {model} — {} FNT to its developer{to}",
                    "modelo      {model} — {} FNT para quem o desenvolveu{to}",
                    fnt(wei)
                ),
            ));
        }
        let unattributed = self.shares.unattributed_ppm();
        rows.push((
            json!({"role": "treasury", "unattributed_ppm": unattributed, "wei": treasury.to_string()}),
            say!(
                "commons     protocol, dust and {} that no source explains — {} FNT",
                "comum       protocolo, centavos e {} que nenhuma fonte explica — {} FNT",
                percent(unattributed),
                fnt(treasury)
            ),
        ));
        rows
    }

    /// Where it stands: the gateway's word, but for what the chain itself has said.
    fn state<'a>(&self, standing: Option<&'a SettlementState>) -> &'a str {
        match (standing, &self.by) {
            _ if self.reversed => "reversed",
            (Some(standing), _) => standing.state.as_str(),
            (None, By::Batch(_)) => "settled",
            (None, _) => "unknown",
        }
    }

    /// What the figures follow from.
    fn basis(&self) -> Vec<String> {
        let mut told = vec![match &self.by {
            By::Batch(batch) => {
                say!("as batch {batch} settled it", "como o lote {batch} pagou")
            }
            By::Now => say!(
                "by the terms and payees of now; those of the time when its batch is settled decide",
                "pelos termos e recebedores de agora; decidem os do momento em que o lote for pago"
            ),
            By::Receipt { why } => say!(
                "by the receipt's own words: what it was really paid, the chain would say ({why})",
                "pelas palavras do próprio recibo: o que foi pago de fato, a cadeia diria ({why})"
            ),
        }];
        if self.is_changed {
            told.push(say!(
                "the model's terms have changed since: the receipt names other parts",
                "os termos do modelo mudaram desde então: o recibo traz outras partes"
            ));
        }
        if self.reversed {
            told.push(say!("a challenge has reversed it", "uma contestação o desfez"));
        } else if self.harm > 0 {
            told.push(say!(
                "a challenge has corrected it since: {} FNT were paid for the harm from the gateway's bond",
                "uma contestação o corrigiu depois: {} FNT foram pagos pelo dano, da caução do gateway",
                fnt(self.harm)
            ));
        }
        told
    }
}

fn print(json: bool, bundle: &ReceiptBundle, standing: Option<&SettlementState>, payment: &Payment) -> Result<()> {
    let (rows, state) = (payment.rows(bundle), payment.state(standing));
    if json {
        let rows: Vec<_> = rows.into_iter().map(|(row, _)| row).collect();
        let (by, batch) = match payment.by {
            By::Batch(batch) => ("batch", Some(batch)),
            By::Now => ("now", None),
            By::Receipt { .. } => ("receipt", None),
        };
        let object = json!({"receipt": bundle.id, "fee_wei": payment.fee.to_string(), "state": state, "paid": rows,
                            "by": by, "batch": batch, "terms_changed": payment.is_changed,
                            "harm_wei": payment.harm.to_string()});
        println!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(());
    }
    let (id, fee): (B256, _) = (bundle.id, fnt(payment.fee));
    println!("{}", say!("receipt {id}: fee {fee} FNT, {state}", "recibo {id}: taxa {fee} FNT, {state}"));
    for line in payment.basis() {
        println!("  ({line})");
    }
    for (_, line) in rows {
        println!("  {line}");
    }
    for run in bundle.runs.iter().filter(|run| run.source != Source::Nobody) {
        let text = bundle.answer.text.get(run.start as usize..run.end as usize).unwrap_or("…");
        println!("  [{:>4}..{:<4}] {} «{}»", run.start, run.end, describe(run.source), text.trim());
    }
    Ok(())
}

/// Titles of the documents that the answer quotes. An opened chunk proves the title of its document; nothing else does.
fn titles(cited: &CitedContribution) -> Vec<&str> {
    let opened = cited.documents.iter().filter(|document| !document.opening.chunks.is_empty());
    opened.map(|document| document.metadata.title.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned() -> ReceiptBundle {
        let pinned: Value = serde_json::from_str(include_str!("../../../../fixtures/bundle.json")).unwrap();
        serde_json::from_value(pinned["bundle"].clone()).unwrap()
    }

    #[test]
    fn a_title_that_nothing_proves_is_not_told() {
        let mut bundle = pinned();
        let mut forged = bundle.cited[0].documents[0].clone();
        forged.metadata.title = "The king's own words".into();
        (forged.opening.index, forged.opening.chunks) = (forged.opening.index + 1, Vec::new());
        let proven = bundle.cited[0].documents[0].metadata.title.clone();
        bundle.cited[0].documents.push(forged);
        assert!(verify(&bundle).ok, "no check speaks of it");
        assert_eq!(titles(&bundle.cited[0]), [proven]);
    }

    #[test]
    fn only_what_verifies_is_explained() {
        let bundle = pinned();
        check(&bundle).unwrap();
        let refused = |change: fn(&mut ReceiptBundle), differs: &str| {
            let mut hostile = bundle.clone();
            change(&mut hostile);
            let error = check(&hostile).unwrap_err().to_string();
            assert!(error.contains(&format!("{differs} differs")), "{error}");
        };
        refused(|bundle| bundle.terms.splits.worker = u32::MAX, "terms.splits");
        refused(|bundle| (bundle.runs[0].start, bundle.runs[0].end) = (9, 1), "runs[0]");
    }

    #[test]
    fn parts_add_up_to_the_fee_and_follow_the_terms_that_paid() {
        let bundle = pinned();
        let sum = |payment: &Payment| -> u128 {
            let rows = payment.rows(&bundle);
            rows.iter().map(|(row, _)| row["wei"].as_str().unwrap().parse::<u128>().unwrap()).sum()
        };
        let of = |payment: &Payment, role: &str| -> Vec<u128> {
            let rows = payment.rows(&bundle);
            let rows = rows.iter().filter(|(row, _)| row["role"] == role);
            rows.map(|(row, _)| row["wei"].as_str().unwrap().parse().unwrap()).collect()
        };
        let own = Payment::of_receipt(&bundle, "nobody was asked".into());
        let credits = bundle.credits();
        assert_eq!(of(&own, "worker"), [credits.worker]);
        assert_eq!(of(&own, "developer"), [credits.developer]);
        assert_eq!(of(&own, "treasury"), [credits.treasury]);
        assert_eq!(of(&own, "source"), credits.contributions.iter().map(|(_, wei)| *wei).collect::<Vec<_>>());
        assert_eq!(sum(&own), bundle.receipt.fee);

        // Later terms, with a parent: of a fee of 999,999 wei each of two developers loses a fraction of a wei.
        let (first, second) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let mut paid = Payment { fee: 999_999, worker_ppm: 0, data_ppm: 1, by: By::Batch(3), ..own.clone() };
        paid.developers = vec![(Some(first), 500_001), (Some(second), 499_998)];
        assert_eq!(of(&paid, "developer"), [500_000, 499_997]);
        assert_eq!((of(&paid, "worker"), sum(&paid)), (vec![0], 999_999));
        assert_eq!((paid.state(None), own.state(None)), ("settled", "unknown"));

        // Nobody has anything of a reversed row.
        let reversed = Payment { reversed: true, ..paid };
        assert_eq!((of(&reversed, "payer"), sum(&reversed)), (vec![999_999], 999_999));
        assert_eq!(reversed.state(None), "reversed");
    }
}

//! What the demo found, as one JSON object and as a story.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use eyre::{Result, bail};
use fonte_types::{
    ContributionId, EngineClass,
    bundle::{Outcome, ReceiptBundle, Verification},
    evidence::Source,
};
use serde::Serialize;

use super::{Contributor, Tell};
use crate::{
    challenge::Challenged,
    money::{fnt, percent},
    say::say,
};

#[derive(Default, Serialize)]
pub(super) struct Report {
    pub(super) answers: Vec<Answer>,
    pub(super) settlement: Vec<Settled>,
    pub(super) balances: Vec<Balance>,
    pub(super) verify: Verified,
    pub(super) tampered: Tampered,
    pub(super) challenge: Option<Caught>,
}

#[derive(Serialize)]
pub(super) struct Answer {
    pub(super) question: String,
    pub(super) answer: String,
    model: String,
    receipt: ReceiptShort,
    pub(super) sources: Vec<SourceRow>,
    pub(super) unattributed_ppm: u32,
}

#[derive(Serialize)]
struct ReceiptShort {
    id: B256,
    #[serde(with = "fonte_types::wei")]
    fee_wei: u128,
    class: EngineClass,
}

#[derive(Serialize)]
pub(super) struct SourceRow {
    contribution: ContributionId,
    contributor: String,
    document: String,
    payee: Address,
    share_ppm: u32,
    #[serde(with = "fonte_types::wei")]
    paid_wei: u128,
    channels: Channels,
    spans: Vec<Span>,
}

/// Scores per channel in ppm; null where a channel was not computed.
#[derive(Serialize)]
struct Channels {
    span: u32,
    context: Option<u32>,
    influence: Option<u32>,
}

/// Bytes of the answer.
#[derive(Serialize)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Serialize)]
pub(super) struct Settled {
    tx: B256,
    block: u64,
}

#[derive(Serialize)]
pub(super) struct Balance {
    payee: Address,
    contributor: String,
    #[serde(with = "fonte_types::wei")]
    before_wei: u128,
    #[serde(with = "fonte_types::wei")]
    after_wei: u128,
}

#[derive(Default, Serialize)]
pub(super) struct Verified {
    pub(super) ok: bool,
}

#[derive(Default, Serialize)]
pub(super) struct Tampered {
    pub(super) ok: bool,
    pub(super) differs: Option<String>,
}

/// A challenge that succeeded, and the rightful payee's balance around it.
#[derive(Serialize)]
pub(super) struct Caught {
    #[serde(flatten)]
    pub(super) challenged: Challenged,
    pub(super) receipt: B256,
    #[serde(with = "fonte_types::wei")]
    pub(super) harmed_before_wei: u128,
    #[serde(with = "fonte_types::wei")]
    pub(super) harmed_after_wei: u128,
    #[serde(with = "fonte_types::wei")]
    pub(super) bond_before_wei: u128,
    #[serde(with = "fonte_types::wei")]
    pub(super) bond_after_wei: u128,
}

impl Report {
    pub(super) fn add_answer(
        &mut self,
        question: &str,
        bundle: &ReceiptBundle,
        contributors: &BTreeMap<ContributionId, Contributor>,
    ) {
        let receipt = &bundle.receipt;
        let paid = bundle.credits();
        let sources = receipt
            .shares
            .as_slice()
            .iter()
            .zip(paid.contributions)
            .map(|(share, (contribution, paid_wei))| {
                let cited = bundle.cited.iter().find(|cited| cited.contribution == contribution);
                let runs: Vec<_> =
                    bundle.runs.iter().filter(|r| r.source == Source::Contribution(contribution)).collect();
                // The document that most of the bytes came from.
                let mut bytes: BTreeMap<u32, u32> = BTreeMap::new();
                for run in &runs {
                    *bytes.entry(run.document).or_default() += run.bytes();
                }
                let main =
                    bytes.iter().max_by_key(|(index, bytes)| (**bytes, std::cmp::Reverse(**index))).map(|b| *b.0);
                let document = cited
                    .and_then(|c| c.documents.iter().find(|d| Some(d.opening.index) == main))
                    .map_or_else(String::new, |d| d.metadata.title.clone());
                SourceRow {
                    contribution,
                    contributor: contributors.get(&contribution).map_or_else(|| "commons".into(), |c| c.name.clone()),
                    document,
                    payee: cited.map(|c| c.payee).unwrap_or_default(),
                    share_ppm: share.ppm,
                    paid_wei,
                    channels: Channels { span: share.ppm, context: None, influence: None },
                    spans: runs.iter().map(|run| Span { start: run.start, end: run.end }).collect(),
                }
            })
            .collect();
        self.answers.push(Answer {
            question: question.to_owned(),
            answer: bundle.answer.text.clone(),
            model: bundle.model_name.clone(),
            receipt: ReceiptShort { id: bundle.id, fee_wei: receipt.fee, class: receipt.engine_class },
            sources,
            unattributed_ppm: receipt.shares.unattributed_ppm(),
        });
    }

    pub(super) fn add_settlement(&mut self, tx: B256, block: u64) {
        self.settlement.push(Settled { tx, block });
    }

    /// Everyone who is credited, once each.
    pub(super) fn payees(&self) -> Vec<Address> {
        let mut payees: Vec<_> = self.answers.iter().flat_map(|a| a.sources.iter().map(|s| s.payee)).collect();
        payees.sort();
        payees.dedup();
        payees
    }

    pub(super) fn set_balances(
        &mut self,
        payees: &[Address],
        before: &BTreeMap<Address, u128>,
        after: &BTreeMap<Address, u128>,
        contributors: &BTreeMap<ContributionId, Contributor>,
    ) {
        let name = |payee: &Address| {
            contributors.values().find(|c| c.payee == *payee).map_or_else(|| "commons".to_owned(), |c| c.name.clone())
        };
        let of = |balances: &BTreeMap<Address, u128>, payee| balances.get(payee).copied().unwrap_or_default();
        self.balances = payees
            .iter()
            .map(|payee| Balance {
                payee: *payee,
                contributor: name(payee),
                before_wei: of(before, payee),
                after_wei: of(after, payee),
            })
            .collect();
    }

    /// What the demo promises must have happened, to the wei.
    pub(super) fn check(&self) -> Result<()> {
        for balance in &self.balances {
            let paid: u128 = self
                .answers
                .iter()
                .flat_map(|answer| &answer.sources)
                .filter(|source| source.payee == balance.payee)
                .map(|source| source.paid_wei)
                .sum();
            let came = balance.after_wei.saturating_sub(balance.before_wei);
            // The treasury also gets the protocol's part and the dust.
            let short = if balance.contributor == "commons" { came < paid } else { came != paid };
            if short {
                bail!("{} was owed {paid} wei and got {came}", balance.contributor);
            }
        }
        if !self.verify.ok {
            bail!("an honest receipt did not verify");
        }
        if self.tampered.ok || self.tampered.differs.is_none() {
            bail!("a tampered receipt was not refused by name");
        }
        if let Some(caught) = &self.challenge {
            let came = caught.harmed_after_wei.saturating_sub(caught.harmed_before_wei);
            if !caught.challenged.caught || came < caught.challenged.harm_wei || came == 0 {
                bail!("the lie was proven, yet its victim got {came} wei of {}", caught.challenged.harm_wei);
            }
        } else if self.answers.iter().any(|answer| answer.sources.iter().any(|s| s.contributor != "commons")) {
            bail!("no lie was challenged");
        }
        Ok(())
    }
}

impl Tell {
    pub(super) fn answer(&self, answer: &Answer) {
        if self.quiet {
            return;
        }
        println!("\n  ? {}", answer.question);
        for line in answer.answer.lines().filter(|line| !line.is_empty()) {
            println!("  > {line}");
        }
        for source in &answer.sources {
            println!(
                "    {:>9}  {:<24} {:<44} {:>16} FNT",
                percent(source.share_ppm),
                source.contributor,
                shorten(&source.document, 44),
                fnt(source.paid_wei)
            );
        }
        println!(
            "    {:>9}  {}",
            percent(answer.unattributed_ppm),
            say!("no source: to the commons", "sem fonte: para o bem comum")
        );
    }

    pub(super) fn balances(&self, report: &Report) {
        for balance in &report.balances {
            self.line(&format!(
                "{:<24} {}  {} -> {} FNT",
                balance.contributor,
                balance.payee,
                fnt(balance.before_wei),
                fnt(balance.after_wei)
            ));
        }
    }

    pub(super) fn verification(&self, id: B256, verification: &Verification) {
        if self.quiet {
            return;
        }
        println!("  {}", say!("receipt {id}", "recibo {id}"));
        for check in &verification.checks {
            match &check.outcome {
                Outcome::Passed { .. } => println!("    ok  {}", check.name),
                Outcome::Failed { differs, why } => println!("    NO  {}: {differs}: {why}", check.name),
                Outcome::NotCheckable { without } => {
                    println!(
                        "    ?   {}: {}",
                        check.name,
                        say!("not checkable without {without}", "não verificável sem {without}")
                    );
                }
            }
        }
    }

    pub(super) fn challenge(&self, caught: &Caught, contributors: &BTreeMap<ContributionId, Contributor>) {
        let challenged = &caught.challenged;
        let name = |id: &str| {
            id.parse().ok().and_then(|id| contributors.get(&id)).map_or_else(|| id.to_owned(), |c| c.name.clone())
        };
        self.line(&say!(
            "it credited bytes {}..{} of an answer to a later copy; they are {}'s",
            "creditou os bytes {}..{} de uma resposta a uma cópia posterior; são de {}",
            challenged.answer_start,
            challenged.answer_end,
            name(&challenged.rightful)
        ));
        self.line(&say!(
            "one window of 32 bytes, opened on chain, proved it: {}",
            "uma janela de 32 bytes, aberta na cadeia, provou: {}",
            challenged.tx
        ));
        self.line(&say!(
            "{} got {} FNT out of the liar's bond ({} -> {} FNT); {} FNT were burnt",
            "{} recebeu {} FNT da caução do mentiroso ({} -> {} FNT); {} FNT foram queimados",
            name(&challenged.rightful),
            fnt(caught.harmed_after_wei - caught.harmed_before_wei),
            fnt(caught.bond_before_wei),
            fnt(caught.bond_after_wei),
            fnt(challenged.burnt_wei)
        ));
    }
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

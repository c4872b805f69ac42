//! Answering demands: whoever audits an open receipt and is not given its evidence may demand it on chain, and a demand
//! that nobody answers reverses the row (`docs/spec/settlement.md`, withheld). So the keeper shows what is demanded of
//! this gateway's own batches, at the demander's expense.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use alloy_sol_types::SolCall;
use fonte_bindings::{
    client::LOG_BLOCKS,
    contracts::{Demands, demands::IDemands},
    convert,
};
use fonte_types::{
    bundle::ReceiptBundle,
    merkle::{CHUNK, CommittedText},
};

use super::{
    SettlementError,
    journal::{BatchRecord, BatchState},
};
use crate::{
    app::App,
    chain::{Call, ChainError},
};

/// Places in `IDemands.Wanted`; the next is a chunk of a source.
const RECEIPT: u8 = 0;
const EVIDENCE: u8 = 1;
const ANSWER: u8 = 2;
const PROMPT: u8 = 3;
/// Place of `Open` in `IDemands.Status`.
const OPEN: u8 = 1;

/// What a keeper remembers of demands between passes; all of it can be found again.
#[derive(Default)]
pub(super) struct Followed {
    /// Blocks below this one have been searched for demands of the batches below.
    next: u64,
    /// How often the range was halved: a node may refuse one that holds too many events.
    halved: u32,
    /// Batches that are not paid out, by the contract's number.
    open: BTreeMap<u64, BatchRecord>,
    /// Demands of these batches that may still want an answer, by their number.
    waiting: BTreeMap<u64, IDemands::Demand>,
}

/// How a demand stands.
enum Outcome {
    Shown,
    /// It was answered or judged, or is of no row of ours.
    Over,
    /// What is demanded is not here: it may come.
    Missing,
}

/// Shows what is demanded of the batches that are not paid out; returns how many demands were answered.
pub(super) async fn answer_due(app: &App, followed: &mut Followed) -> Result<usize, SettlementError> {
    if followed.open.is_empty() {
        followed.next = u64::MAX;
    }
    let mut open = BTreeMap::new();
    for record in app.store.open_batches()? {
        if let BatchState::Settled { batch, block, .. } = record.state {
            // Something may have been demanded of it before this gateway heard that it is settled.
            if !followed.open.contains_key(&batch) {
                followed.next = followed.next.min(block);
            }
            open.insert(batch, record);
        }
    }
    followed.open = open;
    followed.waiting.retain(|_, demand| followed.open.contains_key(&demand.batch));
    if followed.open.is_empty() {
        return Ok(0);
    }
    let read = followed.follow(app).await;
    let mut answered = 0;
    let waiting: Vec<u64> = followed.waiting.keys().copied().collect();
    for id in waiting {
        let demand = &followed.waiting[&id];
        match answer(app, &followed.open[&demand.batch], id, demand).await {
            Ok(Outcome::Missing) => {}
            Ok(outcome) => {
                answered += usize::from(matches!(outcome, Outcome::Shown));
                followed.waiting.remove(&id);
            }
            // One demand that cannot be answered must not keep the others from it.
            Err(error) => tracing::error!(demand = id, %error, "a demand is not answered"),
        }
    }
    read?;
    Ok(answered)
}

impl Followed {
    /// Reads of demands up to the latest block, in parts that a node answers: its bound on a range must not end this
    /// gateway's answers while an old batch is open.
    async fn follow(&mut self, app: &App) -> Result<(), ChainError> {
        let client = &app.chain.client;
        let (at, latest) = (client.addresses().demands, client.block_number().await?);
        while self.next <= latest {
            let last = latest.min(self.next + (LOG_BLOCKS >> self.halved).max(1) - 1);
            match client.events_between::<Demands::Demanded>("the demands on chain", at, self.next, last).await {
                Ok(events) => {
                    let ours = events.into_iter().filter(|event| self.open.contains_key(&event.demand.batch));
                    self.waiting.extend(ours.map(|event| (event.id, event.demand)));
                }
                Err(error) => {
                    self.halved = (self.halved + 1).min(LOG_BLOCKS.ilog2());
                    return Err(error.into());
                }
            }
            self.halved = self.halved.saturating_sub(1);
            self.next = last + 1;
        }
        Ok(())
    }
}

/// Answers one demand.
async fn answer(
    app: &App,
    record: &BatchRecord,
    id: u64,
    demand: &IDemands::Demand,
) -> Result<Outcome, SettlementError> {
    let now = app.chain.client.demands_contract().demandOf(id).call().await;
    if app.chain.read("a demand", now)?.status != OPEN {
        return Ok(Outcome::Over);
    }
    let Some(row) = record.rows().nth(demand.row as usize) else { return Ok(Outcome::Over) };
    let Some(bundle) = app.store.receipt(row.receipt)? else { return Ok(Outcome::Missing) };
    let Some(data) = shown(app, id, demand, &bundle) else {
        tracing::error!(demand = id, receipt = %bundle.id, "what is demanded is not here");
        return Ok(Outcome::Missing);
    };
    let to = app.chain.client.addresses().demands;
    app.chain.submit(&Call { what: "showing what was demanded", to, value: 0, data: data.into() }).await?;
    tracing::info!(demand = id, receipt = %bundle.id, "a demand was answered");
    Ok(Outcome::Shown)
}

/// The call that shows what is demanded; none where this gateway does not have it.
fn shown(app: &App, id: u64, demand: &IDemands::Demand, bundle: &ReceiptBundle) -> Option<Vec<u8>> {
    let text = |committed: &CommittedText<'_>| {
        let opening = committed.open_at(u64::from(demand.chunk) * CHUNK as u64).ok()?;
        let text = convert::demands::text(&[opening]);
        Some(Demands::showTextCall { id, path: Vec::new(), text }.abi_encode())
    };
    match demand.wanted {
        RECEIPT => {
            let receipt = convert::demands::receipt(&bundle.receipt);
            Some(Demands::showReceiptCall { id, receipt }.abi_encode())
        }
        EVIDENCE => {
            let evidence = convert::demands::evidence(&bundle.runs, &bundle.other_channels);
            Some(Demands::showEvidenceCall { id, evidence }.abi_encode())
        }
        ANSWER => text(&CommittedText::answer(bundle.answer.text.as_bytes(), bundle.answer.salt).ok()?),
        PROMPT => text(&CommittedText::prompt(bundle.prompt.text.as_bytes(), bundle.prompt.salt).ok()?),
        _ => source(app, id, demand),
    }
}

/// The demanded chunk of a contribution that this gateway hosts.
fn source(app: &App, id: u64, demand: &IDemands::Demand) -> Option<Vec<u8>> {
    let texts = app.hosted.texts.bundle(B256::from(demand.expected)).ok()?;
    let length = texts.text_len(demand.document).ok()?;
    let start = (demand.chunk as usize * CHUNK).min(length.saturating_sub(1));
    let opening = texts.open_range(demand.document, start..start + 1).ok()?;
    let text = convert::demands::text(&opening.chunks);
    Some(Demands::showTextCall { id, path: opening.path.clone(), text }.abi_encode())
}

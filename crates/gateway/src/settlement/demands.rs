//! Answering demands: whoever audits an open receipt and is not given its evidence may demand it on chain, and a demand
//! that nobody answers reverses the row (`docs/spec/settlement.md`, withheld). So the keeper shows what is demanded of
//! this gateway's own batches, at the demander's expense.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use alloy_provider::Provider;
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::{SolCall, SolEvent};
use fonte_bindings::{
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

/// Shows what is demanded of the batches that are not paid out; returns how many demands were answered.
pub(super) async fn answer_due(app: &App) -> Result<usize, SettlementError> {
    let mut open = BTreeMap::new();
    let mut since = u64::MAX;
    for record in app.store.open_batches()? {
        if let BatchState::Settled { batch, block, .. } = record.state {
            since = since.min(block);
            open.insert(batch, record);
        }
    }
    if open.is_empty() {
        return Ok(0);
    }
    let filter = Filter::new()
        .address(app.chain.client.addresses().demands)
        .event_signature(Demands::Demanded::SIGNATURE_HASH)
        .from_block(since);
    let logs = app.chain.provider().get_logs(&filter).await;
    let logs = logs.map_err(|error| ChainError::Rpc { what: "the demands on chain", why: error.to_string() })?;
    let mut answered = 0;
    for demanded in logs.iter().filter_map(|log| Demands::Demanded::decode_log(&log.inner).ok()) {
        let Some(record) = open.get(&demanded.demand.batch) else { continue };
        match answer(app, record, demanded.id, &demanded.demand).await {
            Ok(true) => answered += 1,
            Ok(false) => {}
            // One demand that cannot be answered must not keep the others from it.
            Err(error) => tracing::error!(demand = demanded.id, %error, "a demand is not answered"),
        }
    }
    Ok(answered)
}

/// Answers one demand; `false`: it needs no answer any more, or there is none here.
async fn answer(app: &App, record: &BatchRecord, id: u64, demand: &IDemands::Demand) -> Result<bool, SettlementError> {
    let now = app.chain.client.demands_contract().demandOf(id).call().await;
    if app.chain.read("a demand", now)?.status != OPEN {
        return Ok(false);
    }
    let Some(row) = record.rows().nth(demand.row as usize) else { return Ok(false) };
    let Some(bundle) = app.store.receipt(row.receipt)? else { return Ok(false) };
    let Some(data) = shown(app, id, demand, &bundle) else {
        tracing::error!(demand = id, receipt = %bundle.id, "what is demanded is not here");
        return Ok(false);
    };
    let to = app.chain.client.addresses().demands;
    app.chain.submit(&Call { what: "showing what was demanded", to, value: 0, data: data.into() }).await?;
    tracing::info!(demand = id, receipt = %bundle.id, "a demand was answered");
    Ok(true)
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

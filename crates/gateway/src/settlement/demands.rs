//! Answering demands: whoever audits an open receipt and is not given its evidence may demand it on chain, and a demand
//! that nobody answers reverses the row (`docs/spec/settlement.md`, withheld). So the keeper shows what is demanded of
//! this gateway's own batches, at the demander's expense.

use alloy_primitives::B256;
use alloy_provider::Provider;
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::{SolCall, SolEvent};
use fonte_bindings::{
    contracts::{
        Demands,
        demands::{IChallenges, IDemands},
    },
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

/// Shows what is demanded of the batches whose window is open; returns how many demands were answered.
pub(super) async fn answer_due(app: &App) -> Result<usize, SettlementError> {
    let mut answered = 0;
    for record in app.store.open_batches()? {
        let BatchState::Settled { batch, block, .. } = record.state else { continue };
        for demanded in demanded_of(app, batch, block).await? {
            match answer(app, &record, &demanded).await {
                Ok(true) => answered += 1,
                Ok(false) => {}
                // One demand that cannot be answered must not keep the others from it.
                Err(error) => tracing::error!(demand = demanded.demand, %error, "a demand is not answered"),
            }
        }
    }
    Ok(answered)
}

async fn demanded_of(app: &App, batch: u64, from: u64) -> Result<Vec<Demands::Demanded>, SettlementError> {
    let filter = Filter::new()
        .address(app.chain.client.addresses().demands)
        .event_signature(Demands::Demanded::SIGNATURE_HASH)
        .topic2(alloy_primitives::U256::from(batch))
        .from_block(from);
    let logs = app.chain.provider().get_logs(&filter).await;
    let logs = logs.map_err(|error| ChainError::Rpc { what: "the demands of a batch", why: error.to_string() })?;
    Ok(logs.iter().filter_map(|log| Demands::Demanded::decode_log(&log.inner).ok()).map(|log| log.data).collect())
}

/// Answers one demand; `false`: it needs no answer any more.
async fn answer(app: &App, record: &BatchRecord, demanded: &Demands::Demanded) -> Result<bool, SettlementError> {
    let contract = app.chain.client.demands_contract();
    let id = demanded.demand;
    let demand = app.chain.read("a demand", contract.demandOf(id).call().await)?;
    if demand.status != IDemands::Status::Open as u8 {
        return Ok(false);
    }
    let Some(row) = record.rows().nth(demanded.row as usize) else { return Ok(false) };
    let Some(bundle) = app.store.receipt(row.receipt)? else { return Ok(false) };
    let Some(data) = shown(app, id, &demand, &bundle)? else {
        tracing::error!(demand = id, receipt = %bundle.id, "what is demanded is not here");
        return Ok(false);
    };
    let to = app.chain.client.addresses().demands;
    app.chain.submit(&Call { what: "showing what was demanded", to, value: 0, data: data.into() }).await?;
    tracing::info!(demand = id, receipt = %bundle.id, "a demand was answered");
    Ok(true)
}

/// The call that shows what is demanded; none where this gateway does not have it.
fn shown(
    app: &App,
    id: u64,
    demand: &IDemands::Demand,
    bundle: &ReceiptBundle,
) -> Result<Option<Vec<u8>>, SettlementError> {
    let text = |committed: Result<CommittedText<'_>, fonte_types::merkle::OpeningError>| {
        let at = u64::from(demand.chunk) * CHUNK as u64;
        let opening = committed.ok()?.open_at(at).ok()?;
        Some(
            Demands::showTextCall { demand: id, path: Vec::new(), text: convert::demands::text(&[opening]) }
                .abi_encode(),
        )
    };
    Ok(match demand.wanted {
        wanted if wanted == IDemands::Wanted::Receipt as u8 => {
            let receipt = convert::demands::receipt(&bundle.receipt);
            Some(Demands::showReceiptCall { demand: id, receipt }.abi_encode())
        }
        wanted if wanted == IDemands::Wanted::Evidence as u8 => {
            let evidence = IChallenges::Evidence {
                runs: bundle.runs.iter().flat_map(|run| run.packed()).collect(),
                contextHash: bundle.other_channels.context,
                influenceHash: bundle.other_channels.influence,
            };
            Some(Demands::showEvidenceCall { demand: id, evidence }.abi_encode())
        }
        wanted if wanted == IDemands::Wanted::Answer as u8 => {
            text(CommittedText::answer(bundle.answer.text.as_bytes(), bundle.answer.salt))
        }
        wanted if wanted == IDemands::Wanted::Prompt as u8 => {
            text(CommittedText::prompt(bundle.prompt.text.as_bytes(), bundle.prompt.salt))
        }
        _ => source(app, id, demand),
    })
}

/// The demanded chunk of a contribution that this gateway hosts.
fn source(app: &App, id: u64, demand: &IDemands::Demand) -> Option<Vec<u8>> {
    let texts = app.hosted.texts.bundle(B256::from(demand.expected)).ok()?;
    let length = texts.text_len(demand.document).ok()?;
    let start = (demand.chunk as usize * CHUNK).min(length.saturating_sub(1));
    let opening = texts.open_range(demand.document, start..start + 1).ok()?;
    let call =
        Demands::showTextCall { demand: id, path: opening.path.clone(), text: convert::demands::text(&opening.chunks) };
    Some(call.abi_encode())
}

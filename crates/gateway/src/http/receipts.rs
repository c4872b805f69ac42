//! Receipts, where they stand, and what documents earned.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use axum::{Json, extract::State, http::HeaderMap};
use fonte_types::{Visibility, bundle::ReceiptBundle};
use serde::{Deserialize, Serialize};

use super::{Options, Segment, authenticate};
use crate::{
    app::App,
    earnings::DocumentEarnings,
    error::ApiError,
    settlement::{RowOpening, journal::BatchState, open_row},
    store::ReceiptSummary,
};

type SharedApp = State<Arc<App>>;

/// Most entries of a list.
const MAX_LIST: usize = 200;

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<usize>,
}

/// `GET /fonte/v1/receipts`: the newest, of open requests and of the caller's own.
pub(super) async fn recent(
    State(app): SharedApp,
    headers: HeaderMap,
    Options(page): Options<Page>,
) -> Result<Json<Vec<ReceiptSummary>>, ApiError> {
    let caller = authenticate(&app, &headers).ok().map(|key| key.payer);
    let mut newest = app.store.recent(page.limit.unwrap_or(50).min(MAX_LIST))?;
    newest.retain(|receipt| receipt.visibility == Visibility::Open || Some(receipt.payer) == caller);
    Ok(Json(newest))
}

fn find(app: &App, headers: &HeaderMap, id: B256) -> Result<ReceiptBundle, ApiError> {
    let unknown = || ApiError::not_found("receipt_not_found", format!("there is no receipt {id} here"));
    let bundle = app.store.receipt(id)?.ok_or_else(unknown)?;
    if bundle.receipt.visibility == Visibility::Private {
        let caller = authenticate(app, headers).ok();
        if caller.is_none_or(|key| key.payer != bundle.receipt.payer) {
            return Err(ApiError::forbidden(
                "private_receipt",
                "the evidence of a private request is for its payer: send their API key",
            ));
        }
    }
    Ok(bundle)
}

/// `GET /fonte/v1/receipts/{id}`: all that is needed to check it offline.
pub(super) async fn bundle(
    State(app): SharedApp,
    headers: HeaderMap,
    Segment(id): Segment<B256>,
) -> Result<Json<ReceiptBundle>, ApiError> {
    find(&app, &headers, id).map(Json)
}

/// How far a receipt's payment is.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum PaymentState {
    /// Its row waits for a batch.
    Pending,
    /// Its batch is sent and not yet on chain.
    Sent,
    /// On chain, in its challenge window.
    Settled,
    /// Paid out, but for credits below what the keeper pays at least.
    Paid,
}

/// Where a receipt stands.
#[derive(Serialize)]
pub(super) struct Standing {
    receipt: B256,
    state: PaymentState,
    #[serde(with = "fonte_types::wei")]
    fee_wei: u128,
    /// Why the last attempt to settle it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    parked: Option<String>,
    /// The contract's number of the batch.
    batch: Option<u64>,
    row: Option<u32>,
    tx: Option<B256>,
    block: Option<u64>,
    /// Transactions that paid the batch out.
    pushed: Vec<B256>,
    /// What a challenge opens.
    opening: Option<RowOpening>,
}

/// `GET /fonte/v1/receipts/{id}/settlement`
pub(super) async fn settlement(State(app): SharedApp, Segment(id): Segment<B256>) -> Result<Json<Standing>, ApiError> {
    let unknown = || ApiError::not_found("receipt_not_found", format!("there is no receipt {id} here"));
    let fee_wei = app.store.receipt(id)?.ok_or_else(unknown)?.receipt.fee;
    let mut standing = Standing {
        receipt: id,
        state: PaymentState::Pending,
        fee_wei,
        parked: None,
        batch: None,
        row: None,
        tx: None,
        block: None,
        pushed: Vec::new(),
        opening: None,
    };
    let Some(place) = app.store.place(id)? else {
        standing.parked = app.store.pending_row(id)?.map(|row| row.parked).filter(|why| !why.is_empty());
        return Ok(Json(standing));
    };
    let record = app
        .store
        .batch(place.batch)?
        .ok_or_else(|| ApiError::internal(&format!("batch {} of receipt {id} is missing", place.batch)))?;
    standing.row = Some(place.row);
    match &record.state {
        BatchState::Sent | BatchState::TakenBack { .. } => standing.state = PaymentState::Sent,
        BatchState::Settled { batch, tx, block, pushed, .. } => {
            standing.state = PaymentState::Settled;
            (standing.batch, standing.tx, standing.block) = (Some(*batch), Some(*tx), Some(*block));
            standing.pushed.clone_from(pushed);
        }
        BatchState::Paid { batch, tx, block, pushed } => {
            standing.state = PaymentState::Paid;
            (standing.batch, standing.tx, standing.block) = (Some(*batch), Some(*tx), Some(*block));
            standing.pushed.clone_from(pushed);
        }
    }
    standing.opening = open_row(&app, &record, place.row).map_err(|error| ApiError::internal(&error))?;
    Ok(Json(standing))
}

/// What a payee's documents earned here.
#[derive(Serialize)]
pub(super) struct Earnings {
    payee: Address,
    #[serde(with = "fonte_types::wei")]
    wei: u128,
    #[serde(with = "fonte_types::wei")]
    pending_wei: u128,
    documents: Vec<DocumentEarnings>,
}

/// `GET /fonte/v1/earnings/{address}`: credited by this gateway's batches, and expected of its next, per document, most
/// first.
pub(super) async fn earnings(
    State(app): SharedApp,
    Segment(payee): Segment<Address>,
    Options(page): Options<Page>,
) -> Result<Json<Earnings>, ApiError> {
    let mut documents = app.store.earnings(payee, usize::MAX)?;
    let wei = documents.iter().map(|document| document.wei).sum();
    let pending_wei = documents.iter().map(|document| document.pending_wei).sum();
    documents.truncate(page.limit.unwrap_or(MAX_LIST).min(10_000));
    Ok(Json(Earnings { payee, wei, pending_wei, documents }))
}

//! What this gateway is part of, and how it is.

use std::sync::Arc;

use axum::{Json, extract::State, http::header, response::IntoResponse};
use serde_json::{Value, json};

use crate::{app::App, chain::ChainError, error::ApiError, free, metrics};

type SharedApp = State<Arc<App>>;

/// The text format of Prometheus.
pub(crate) const METRICS: &str = "text/plain; version=0.0.4";

/// `GET /fonte/v1/network`
pub(super) async fn network(State(app): SharedApp) -> Result<Json<Value>, ApiError> {
    let directory = app.chain.directory().await?;
    let network = app.chain.network();
    let budget = free::budget(&app).await?;
    Ok(Json(json!({
        "chain_id": network.chain_id,
        "network_id": network.network_id,
        "block": directory.block,
        "gateway": {"address": app.chain.gateway(), "url": app.url},
        "rpc_url": app.config.rpc_url,
        "contracts": app.chain.client.addresses(),
        "models": *directory.models,
        "datanets": *directory.datanets,
        "workers": app.workers.count(),
        "free_allowance": {
            "payer": app.free_key.payer,
            "session_key": app.free_key.session.address(),
            "per_period_wei": budget.per_period.to_string(),
            "next_period": budget.until,
            "api_key": free::TOKEN,
        },
        "limits": {
            "bundle_bytes": app.config.limits.bundle,
            "relay_items": app.config.limits.relay_items,
            "max_output_tokens": app.config.limits.max_output_tokens,
            "datanets_per_answer": crate::select::MAX_DATANETS,
        },
        "note": "addresses, amounts and which datanet was used are public on chain; texts, prompts and answers never are",
    })))
}

/// `GET /livez`
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the chain answers and a worker is connected.
pub(super) async fn readyz(State(app): SharedApp) -> Result<&'static str, ApiError> {
    app.chain.client.block_number().await.map_err(ChainError::from)?;
    if app.workers.count() == 0 {
        return Err(ApiError::unavailable("no_worker", "no worker is connected: start one"));
    }
    Ok("ok\n")
}

/// `GET /metrics`
pub(super) async fn metrics(State(app): SharedApp) -> Result<impl IntoResponse, ApiError> {
    let pending = app.store.pending(100_000)?;
    let open = app.store.open_batches()?.len() as u64;
    let gauges = [
        ("fonte_workers", "connected workers", app.workers.count() as u64),
        ("fonte_rows_pending", "receipts that wait for a batch", pending.len() as u64),
        (
            "fonte_rows_parked",
            "receipts that could not be settled yet",
            pending.iter().filter(|row| !row.parked.is_empty()).count() as u64,
        ),
        ("fonte_batches_open", "batches that are not paid out", open),
        ("fonte_answer_slots_free", "answers that could start now", app.slots.available_permits() as u64),
    ];
    let engines: Vec<_> = (app.workers.all().iter())
        .filter_map(|peer| Some((format!("worker=\"{}\",connection=\"{}\"", peer.worker, peer.id), peer.engine()?)))
        .collect();
    let text = app.metrics.render(&gauges) + &metrics::engines(&engines);
    Ok(([(header::CONTENT_TYPE, METRICS)], text))
}

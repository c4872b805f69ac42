//! Contributions over HTTP: relayed for people who have only a key, and read back by auditors.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{ConnectInfo, State},
    http::header,
    response::{IntoResponse, Response},
};
use fonte_types::ContributionId;
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::{Segment, read_json, take};
use crate::{
    app::App,
    contributions::{self, CommitItem, Committed, RevealItem, Revealed, Uploaded, WithdrawRequest},
    error::ApiError,
};

type SharedApp = State<Arc<App>>;
type Caller = ConnectInfo<SocketAddr>;

fn bounded<T>(app: &App, caller: SocketAddr, items: &[T]) -> Result<(), ApiError> {
    let limit = app.config.limits.relay_items;
    if items.is_empty() || items.len() > limit {
        return Err(ApiError::malformed(format!("send from 1 to {limit} items, not {}", items.len())));
    }
    take(&app.limits.relays, caller.ip(), u32::try_from(items.len()).unwrap_or(u32::MAX))
}

/// `POST /fonte/v1/contributions/commit`
pub(super) async fn commit(
    State(app): SharedApp,
    ConnectInfo(caller): Caller,
    body: Body,
) -> Result<Json<Vec<Committed>>, ApiError> {
    let items: Vec<CommitItem> = read_json(&app.config.limits, body).await?;
    bounded(&app, caller, &items)?;
    contributions::commit(&app, &items).await.map(Json)
}

/// `PUT /fonte/v1/contributions/{id}/bundle`
pub(super) async fn upload(
    State(app): SharedApp,
    ConnectInfo(caller): Caller,
    Segment(id): Segment<ContributionId>,
    body: Body,
) -> Result<Json<Uploaded>, ApiError> {
    take(&app.limits.relays, caller.ip(), 1)?;
    contributions::upload(&app, id, body).await.map(Json)
}

/// `POST /fonte/v1/contributions/reveal`
pub(super) async fn reveal(
    State(app): SharedApp,
    ConnectInfo(caller): Caller,
    body: Body,
) -> Result<Json<Vec<Revealed>>, ApiError> {
    let items: Vec<RevealItem> = read_json(&app.config.limits, body).await?;
    bounded(&app, caller, &items)?;
    contributions::reveal(&app, items).await.map(Json)
}

/// `POST /fonte/v1/contributions/{id}/withdraw`
pub(super) async fn withdraw(
    State(app): SharedApp,
    ConnectInfo(caller): Caller,
    Segment(id): Segment<ContributionId>,
    body: Body,
) -> Result<Json<Revealed>, ApiError> {
    take(&app.limits.relays, caller.ip(), 1)?;
    let request: WithdrawRequest = read_json(&app.config.limits, body).await?;
    contributions::withdraw(&app, id, &request).await.map(Json)
}

/// `GET /fonte/v1/contributions/{id}/duplicates`: reads every hosted text, so it costs as much as many relays.
pub(super) async fn duplicates(
    State(app): SharedApp,
    ConnectInfo(caller): Caller,
    Segment(id): Segment<ContributionId>,
) -> Result<Json<crate::duplicates::Report>, ApiError> {
    const UNITS: u32 = 100;
    take(&app.limits.relays, caller.ip(), UNITS)?;
    crate::duplicates::report(&app, id).await.map(Json)
}

/// `GET /fonte/v1/contributions/{id}`
pub(super) async fn show(State(app): SharedApp, Segment(id): Segment<ContributionId>) -> Result<Json<Value>, ApiError> {
    let Some(fact) = app.chain.contribution(id).await? else {
        let commit = app.store.commit(id)?.ok_or_else(|| {
            ApiError::not_found(
                "contribution_not_found",
                format!("contribution {id} was neither revealed nor committed here"),
            )
        })?;
        return Ok(Json(json!({
            "id": id,
            "status": "committed",
            "commitment": commit.commitment,
            "block": commit.block,
            "tx": commit.tx,
        })));
    };
    let directory = app.chain.directory().await?;
    let datanet = directory.datanets.iter().find(|datanet| datanet.id == fact.membership.datanet);
    let hosted = app.hosted.texts.bundle(fact.root).ok();
    Ok(Json(json!({
        "id": id,
        "status": fact.status,
        "datanet": fact.membership.datanet,
        "datanet_name": datanet.map(|datanet| &datanet.name),
        "licence": datanet.map(|datanet| &datanet.policy.licence),
        "added": fact.membership.added,
        "withdrawn": fact.membership.withdrawn,
        "root": fact.root,
        "documents": fact.documents,
        "text_bytes": fact.text_bytes,
        "contributor": fact.contributor,
        "payee": fact.payee,
        "name": hosted.as_ref().map(|bundle| bundle.contributor()),
        "hosted": hosted.is_some(),
    })))
}

/// `GET /fonte/v1/contributions/{id}/bundle`
pub(super) async fn download(
    State(app): SharedApp,
    Segment(id): Segment<ContributionId>,
) -> Result<Response, ApiError> {
    let path = contributions::public_bundle(&app, id).await?;
    let failed = |error: std::io::Error| ApiError::internal(&error);
    let file = tokio::fs::File::open(&path).await.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}

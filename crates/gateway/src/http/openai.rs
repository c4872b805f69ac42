//! The OpenAI API, prices, and API keys.

use std::sync::Arc;

use alloy_primitives::Address;
use axum::{
    Json,
    body::Body,
    extract::{ConnectInfo, State},
    http::HeaderMap,
    response::Response,
};
use fonte_bindings::ModelRecord;
use fonte_types::wei;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Segment,
    completion::Shown,
    payer, read_json,
    respond::{self, Drive},
    take,
};
use crate::{
    answer::{self, Quoted, unix_now},
    app::App,
    chain::Directory,
    chat::{Chat, ChatBody, Request},
    error::ApiError,
    keys::KeyError,
    workers::Offer,
};

type SharedApp = State<Arc<App>>;

/// `GET /v1/models`
pub(super) async fn models(State(app): SharedApp) -> Result<Json<Value>, ApiError> {
    let directory = app.chain.directory().await?;
    let offers = app.workers.offers();
    let models: Vec<_> = directory.models.iter().map(|model| describe(model, &directory, &offers)).collect();
    Ok(Json(json!({"object": "list", "data": models})))
}

/// `GET /v1/models/{model}`
pub(super) async fn model(State(app): SharedApp, Segment(name): Segment<String>) -> Result<Json<Value>, ApiError> {
    let directory = app.chain.directory().await?;
    let (model, _) = answer::find(&app, &directory, &name)?;
    Ok(Json(describe(model, &directory, &app.workers.offers())))
}

fn describe(model: &ModelRecord, directory: &Directory, offers: &[Arc<Offer>]) -> Value {
    let base = directory.models.iter().find(|base| !base.is_adapter() && base.artifact == model.artifact);
    json!({
        "id": model.name,
        "object": "model",
        "created": 0,
        "owned_by": model.developer,
        "parent": base.filter(|_| model.is_adapter()).map(|base| &base.name),
        "fonte": {
            "model": model.id,
            "artifact": model.artifact,
            "adapter": model.is_adapter().then_some(model.adapter),
            "terms": model.terms,
            "datanets": model.datanets,
            // Connected ones that serve it now. With none it is on record and cannot be asked here.
            "workers": offers.iter().filter(|offer| offer.models.contains(&model.id)).count(),
        },
    })
}

fn check<B: Request>(app: &App, body: B) -> Result<Chat, ApiError> {
    let limits = &app.config.limits;
    body.check(limits.default_output_tokens, limits.max_output_tokens)
}

/// `POST /v1/chat/completions`, `POST /v1/completions`: answers once, or as often as the body asks for, each time with a
/// fee and a receipt of its own.
pub(super) async fn complete<B: Request>(
    State(app): SharedApp,
    ConnectInfo(caller): ConnectInfo<std::net::SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let key = payer(&app, &headers, caller).await?;
    let body: B = read_json(&app.config.limits, body).await?;
    let chat = check(&app, body)?;
    let choices = chat.choices;
    if choices > 1 {
        let limit = if key.client.is_some() { &app.limits.free } else { &app.limits.answers };
        take(limit, key.hash, choices - 1)?;
    }
    let slots = respond::slots(&app.slots, &chat)?;
    let quoted = answer::quote(&app, chat).await?;
    let mut drives: Vec<Drive> = Vec::with_capacity(choices as usize);
    for choice in 0..choices {
        let seed = quoted.seed.wrapping_add(choice.into());
        let accepted = answer::accept(&app, key.clone(), Quoted { seed, ..quoted.clone() }).await?;
        let app = app.clone();
        drives.push(Box::new(move |live| {
            Box::pin(async move {
                let answered = answer::drive(&app, accepted, &live).await?;
                Ok(Shown::of(&answered, &app.url))
            })
        }));
    }
    respond::respond(&quoted.chat, drives, slots).await
}

/// A price before the call.
#[derive(Serialize)]
pub(super) struct Price {
    model: String,
    input_tokens: u32,
    max_output_tokens: u32,
    /// The most that the answer can cost: this is reserved.
    #[serde(with = "wei")]
    max_fee_wei: u128,
    max_fee_fnt: String,
    #[serde(with = "wei")]
    input_wei_per_1000_tokens: u128,
    #[serde(with = "wei")]
    output_wei_per_1000_tokens: u128,
    datanets: Vec<fonte_types::DatanetVersion>,
}

/// `POST /fonte/v1/quote`: takes the body of a chat completion, answers with its price.
pub(super) async fn quote(State(app): SharedApp, body: Body) -> Result<Json<Price>, ApiError> {
    let body: ChatBody = read_json(&app.config.limits, body).await?;
    let quoted = answer::quote(&app, check(&app, body)?).await?;
    let prices = quoted.model.terms.prices;
    Ok(Json(Price {
        input_tokens: quoted.input_tokens,
        max_output_tokens: quoted.chat.max_output_tokens,
        max_fee_wei: quoted.max_fee,
        max_fee_fnt: wei::display_fnt(quoted.max_fee),
        input_wei_per_1000_tokens: prices.input,
        output_wei_per_1000_tokens: prices.output,
        datanets: quoted.selection.latest(),
        model: quoted.chat.model,
    }))
}

#[derive(Deserialize)]
pub(super) struct KeyRequest {
    payer: Address,
}

/// `POST /fonte/v1/api-keys`
pub(super) async fn create_key(
    State(app): SharedApp,
    ConnectInfo(caller): ConnectInfo<std::net::SocketAddr>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    take(&app.limits.keys, caller.ip(), 1)?;
    let request: KeyRequest = read_json(&app.config.limits, body).await?;
    if request.payer.is_zero() {
        return Err(ApiError::invalid("payer", "the payer is the address whose deposit pays"));
    }
    if request.payer == app.free_key.payer {
        return Err(ApiError::invalid("payer", "the commons pay for requests without an API key: send none"));
    }
    make_room(&app).await?;
    let task = app.clone();
    let made = tokio::task::spawn_blocking(move || task.keys.create(&task.store, request.payer, unix_now()))
        .await
        .map_err(|error| ApiError::internal(&error))?;
    let (token, key) = made.map_err(|error| match error {
        KeyError::Store(error) => error.into(),
        full => ApiError::forbidden("too_many_keys", full.to_string()),
    })?;
    Ok(Json(json!({
        "api_key": token,
        "payer": key.payer,
        "session_key": key.session.address(),
        "gateway": app.chain.gateway(),
        "settlement": app.chain.network().settlement,
        "next": format!(
            "deposit for {} and call setLimit({}, {}, cap) on {} from it: this gateway can then spend up to cap",
            key.payer,
            app.chain.gateway(),
            key.session.address(),
            app.chain.network().settlement
        ),
    })))
}

/// Where there is no room for another key, lets go of the oldest that no limit ever came for on chain.
async fn make_room(app: &App) -> Result<(), ApiError> {
    // Limits that came and were not used yet are noted on the way, some at a time.
    const MOST_ASKED: usize = 16;
    for _ in 0..MOST_ASKED {
        let Some(oldest) = app.keys.oldest_without_limit() else { break };
        let (_, cap) = app.chain.spent_and_cap(oldest.payer, oldest.session.address()).await?;
        if cap == 0 {
            app.keys.forget(&app.store, oldest.hash)?;
            break;
        }
        app.keys.note_limit(&app.store, oldest.hash)?;
    }
    Ok(())
}

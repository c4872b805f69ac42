//! The OpenAI API, prices, and API keys.

use std::sync::Arc;

use alloy_primitives::Address;
use axum::{
    Json,
    body::Body,
    extract::{ConnectInfo, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use fonte_types::wei;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Segment, completion::Completion, payer, read_json, sse, take};
use crate::{
    answer::{self, Live, Quoted, unix_now},
    app::App,
    chat::{Chat, ChatBody, TextBody},
    error::ApiError,
    keys::{ApiKey, KeyError},
};

type SharedApp = State<Arc<App>>;

/// `GET /v1/models`
pub(super) async fn models(State(app): SharedApp) -> Result<Json<Value>, ApiError> {
    let directory = app.chain.directory().await?;
    let models: Vec<_> = directory.models.iter().map(describe).collect();
    Ok(Json(json!({"object": "list", "data": models})))
}

/// `GET /v1/models/{model}`
pub(super) async fn model(State(app): SharedApp, Segment(name): Segment<String>) -> Result<Json<Value>, ApiError> {
    let directory = app.chain.directory().await?;
    let base = name.split(':').next().unwrap_or(&name);
    let model = directory.models.iter().find(|model| model.name == base);
    model
        .map(describe)
        .map(Json)
        .ok_or_else(|| ApiError::not_found("model_not_found", format!("there is no model {name:?}: see /v1/models")))
}

fn describe(model: &fonte_bindings::ModelRecord) -> Value {
    json!({
        "id": model.name,
        "object": "model",
        "created": 0,
        "owned_by": model.developer,
        "fonte": {
            "model": model.id,
            "terms": model.terms,
            "datanets": model.datanets,
        },
    })
}

fn check(app: &App, body: ChatBody) -> Result<Chat, ApiError> {
    let limits = &app.config.limits;
    body.check(limits.default_output_tokens, limits.max_output_tokens)
}

/// `POST /v1/chat/completions`
pub(super) async fn chat(
    State(app): SharedApp,
    ConnectInfo(caller): ConnectInfo<std::net::SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let key = payer(&app, &headers, caller).await?;
    let body: ChatBody = read_json(&app, body).await?;
    let chat = check(&app, body)?;
    complete(app, key, chat).await
}

/// `POST /v1/completions`
pub(super) async fn text(
    State(app): SharedApp,
    ConnectInfo(caller): ConnectInfo<std::net::SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let key = payer(&app, &headers, caller).await?;
    let body: TextBody = read_json(&app, body).await?;
    let limits = &app.config.limits;
    let chat = body.check(limits.default_output_tokens, limits.max_output_tokens)?;
    complete(app, key, chat).await
}

/// Answers a checked request: once, or as often as it asks for, each time with a fee and a receipt of its own.
async fn complete(app: Arc<App>, key: ApiKey, chat: Chat) -> Result<Response, ApiError> {
    let choices = chat.choices;
    if choices > 1 {
        let limit = if key.client.is_some() { &app.limits.free } else { &app.limits.answers };
        take(limit, key.hash, choices - 1)?;
    }
    let slots = app.slots.clone().try_acquire_many_owned(choices).map_err(|_| {
        ApiError::too_many(
            std::time::Duration::from_secs(1),
            "this gateway has as many answers in progress as it takes: try again in a moment",
        )
    })?;
    let quoted = answer::quote(&app, chat).await?;
    let request = Completion::of(&quoted.chat);
    let stream = quoted.chat.stream;
    let mut accepted = Vec::with_capacity(choices as usize);
    for choice in 0..choices {
        let seed = quoted.seed.wrapping_add(choice.into());
        accepted.push(answer::accept(&app, key.clone(), Quoted { seed, ..quoted.clone() }).await?);
    }
    if stream {
        return sse::stream(app, accepted, request, slots).await;
    }
    let driven = accepted.into_iter().map(|accepted| async {
        let live = Live::new();
        answer::drive(&app, accepted, &live).await
    });
    let results = futures::future::join_all(driven).await;
    drop(slots);
    // What one choice fails with does not take the others away: they are paid for.
    let mut answers = Vec::with_capacity(results.len());
    let mut failed = None;
    for (index, result) in (0..).zip(results) {
        match result {
            Ok(answered) => answers.push((index, answered)),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) if answers.is_empty() => Err(error),
        _ => Ok(Json(request.whole(&answers, &app.url)).into_response()),
    }
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
    let body: ChatBody = read_json(&app, body).await?;
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
        model: quoted.chat.model_asked,
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
    let request: KeyRequest = read_json(&app, body).await?;
    if request.payer.is_zero() {
        return Err(ApiError::invalid("payer", "the payer is the address whose deposit pays"));
    }
    if request.payer == app.free_key.payer {
        return Err(ApiError::invalid("payer", "the commons pay for requests without an API key: send none"));
    }
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

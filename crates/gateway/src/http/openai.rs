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
use fonte_types::{bundle::ReceiptBundle, wei};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Segment, payer, read_json, sse, take};
use crate::{
    answer::{self, Live, unix_now},
    app::App,
    chat::{Chat, ChatBody},
    citations,
    error::ApiError,
    keys::KeyError,
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
    let stream = body.stream.unwrap_or(false);
    let usage = body.stream_options.as_ref().is_some_and(|options| options.include_usage);
    let slot = app.slots.clone().try_acquire_owned().map_err(|_| {
        ApiError::too_many(
            std::time::Duration::from_secs(1),
            "this gateway has as many answers in progress as it takes: try again in a moment",
        )
    })?;
    let quoted = answer::quote(&app, check(&app, body)?).await?;
    let model = quoted.chat.model_asked.clone();
    let accepted = answer::accept(&app, key, quoted).await?;
    if stream {
        return sse::stream(app, accepted, model, usage, slot).await;
    }
    let live = Live::new();
    let bundle = answer::drive(&app, accepted, &live).await?;
    drop(slot);
    let id = completion_id(&bundle);
    Ok(Json(json!({
        "id": id,
        "object": "chat.completion",
        "created": bundle.receipt.issued_at,
        "model": model,
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant",
                "content": bundle.answer.text,
                "refusal": null,
                "annotations": citations::annotations(&bundle, &app.url),
            },
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": usage_of(&bundle),
        "system_fingerprint": null,
        "fonte": citations::attribution(&bundle),
    }))
    .into_response())
}

fn completion_id(bundle: &ReceiptBundle) -> String {
    format!("chatcmpl-{}", hex::encode(&bundle.id[..12]))
}

pub(super) fn usage_of(bundle: &ReceiptBundle) -> Value {
    let (input, output) = (bundle.receipt.input_tokens, bundle.receipt.output_tokens);
    json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": u64::from(input) + u64::from(output),
    })
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

//! A model server without a chain: the gateway's HTTP over models of this process. No payer, no passages, no receipt.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256, keccak256};
use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::Engine as _;
use fonte_types::{
    log_probs::TokenLogProb,
    wire::{Asked, EngineReport, MAX_PROMPT, Refusal, RefusalCode, Told},
};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    answer::unix_now,
    app::GatewayError,
    chat::{Chat, ChatBody, OneOrMany, Request, Shape, TextBody},
    config::Limits,
    error::ApiError,
    http::{
        self, Segment, bearer,
        completion::Shown,
        operator::Order,
        read_json,
        respond::{self, Drive},
    },
    keys::{Operator, random_operator_key},
    live::Live,
    metrics::{self, Metrics},
    names::{self, Entry},
};

/// Most texts of one request for embeddings.
const MAX_INPUTS: usize = 1024;

/// Texts of one request that are with the engine at the same time.
const INPUTS_AT_ONCE: usize = 16;

/// A base and the adapters on it, in this process. Called on threads where it may block.
pub trait Local: Send + Sync + 'static {
    /// What can be asked for now: the base first.
    fn models(&self) -> Vec<Named>;

    /// Looks for adapters that came or went since.
    fn look(&self);

    /// Answers; hands every piece to `emit` in order, with the log-probabilities of its tokens where they are asked for. It
    /// returns `false` once nobody listens.
    ///
    /// # Errors
    /// Why there is no answer. What was emitted before is discarded.
    fn answer(
        &self,
        request: &PlainRequest,
        cancelled: &CancellationToken,
        emit: &mut dyn FnMut(&str, &[TokenLogProb]) -> bool,
    ) -> Result<Told, Refusal>;

    /// The embedding of a text, of length 1, and its tokens.
    ///
    /// # Errors
    /// Why there is none.
    fn embed(
        &self,
        adapter: B256,
        payer: Address,
        text: &str,
        cancelled: &CancellationToken,
    ) -> Result<(Vec<f32>, u64), Refusal>;

    /// Loads an adapter and keeps it in memory, or lets it go.
    ///
    /// # Errors
    /// Why that was not done.
    fn keep(&self, adapter: B256, keep: bool, cancelled: &CancellationToken) -> Result<(), Refusal>;

    /// What the engine holds and does; none: it has stopped.
    fn report(&self) -> Option<EngineReport>;
}

/// A model as it can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Content hash of the base.
    pub base: B256,
    /// Content hash of the adapter; zero: it is the base itself.
    pub adapter: B256,
}

/// One answer that is asked for.
#[derive(Clone, Debug)]
pub struct PlainRequest {
    /// Content hash of the adapter; zero: the base itself.
    pub adapter: B256,
    /// Whom the engine is to be fair to, and whose prefixes it shares: made of the caller's address.
    pub payer: Address,
    /// The whole conversation as text.
    pub prompt: String,
    /// The last user message.
    pub question: String,
    /// Most tokens to write.
    pub max_output_tokens: u32,
    /// Sampling seed.
    pub seed: u64,
    /// The conversation in turns and the options.
    pub asked: Asked,
}

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct EngineServerConfig {
    /// Where it listens; port 0 picks one.
    pub listen: SocketAddr,
    /// The key that every request must carry; none: anyone who reaches the server may ask, but for web pages of other sites.
    pub api_key: Option<String>,
    /// The key for orders to load and unload; none: one is drawn.
    pub operator_key: Option<String>,
    /// Whether callers are told apart by the last address of `X-Forwarded-For` where a proxy on this machine calls. Without
    /// it all of a proxy's clients are one payer, and share its part of the queue and its prefixes.
    pub trust_forwarded: bool,
    /// Bounds on what callers can ask for.
    pub limits: Limits,
}

/// A running server. [`Self::shutdown`] ends it in order; dropping it closes its connections.
pub struct EngineServer {
    address: SocketAddr,
    operator_key: String,
    server: axum_server::Handle<SocketAddr>,
    task: tokio::task::JoinHandle<()>,
}

struct Server {
    local: Arc<dyn Local>,
    limits: Limits,
    api_key: Option<B256>,
    operator: Operator,
    slots: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    started: u64,
}

type Shared = State<Arc<Server>>;

impl EngineServer {
    /// Listens and serves.
    ///
    /// # Errors
    /// [`GatewayError::Listen`] if the address cannot be used.
    pub async fn start(config: EngineServerConfig, local: Arc<dyn Local>) -> Result<Self, GatewayError> {
        let refused = |source| GatewayError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let operator_key = config.operator_key.unwrap_or_else(random_operator_key);
        let metrics: Arc<Metrics> = Arc::default();
        let shared = Arc::new(Server {
            local,
            api_key: config.api_key.map(keccak256),
            operator: Operator::with(&operator_key),
            slots: Arc::new(Semaphore::new(config.limits.answers)),
            metrics: metrics.clone(),
            limits: config.limits.clone(),
            started: unix_now(),
        });
        let server = axum_server::Handle::new();
        let (limits, trust, handle) = (config.limits, config.trust_forwarded, server.clone());
        let task =
            tokio::spawn(async move { http::serve(routes(shared), &limits, trust, metrics, listener, handle).await });
        Ok(Self { address, operator_key, server, task })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The key for orders to load and unload.
    pub fn operator_key(&self) -> &str {
        &self.operator_key
    }

    /// Ends connections: answers in progress are given a moment.
    pub async fn shutdown(mut self) {
        self.server.graceful_shutdown(Some(Duration::from_secs(2)));
        let _ = (&mut self.task).await;
    }
}

impl Drop for EngineServer {
    fn drop(&mut self) {
        self.server.shutdown();
    }
}

fn routes(server: Arc<Server>) -> Router {
    let quick = Router::new()
        .route("/v1/models", get(models))
        .route("/v1/models/{model}", get(model))
        .route("/v1/load_lora_adapter", post(load))
        .route("/v1/unload_lora_adapter", post(unload))
        .route("/fonte/v1/residency", get(residency))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .layer(http::quick());
    let slow = Router::new()
        .route("/v1/chat/completions", post(complete::<ChatBody>))
        .route("/v1/completions", post(complete::<TextBody>))
        .route("/v1/embeddings", post(embeddings));
    let routes = Router::new().merge(quick).merge(slow);
    let routes = match server.api_key {
        Some(_) => routes,
        None => routes.layer(middleware::from_fn(http::pages::of_this_machine)),
    };
    routes.with_state(server)
}

impl Server {
    /// Lets those pass who have the key, where there is one.
    fn admit(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match self.api_key {
            Some(key) if bearer(headers).map(keccak256) != Some(key) => Err(ApiError {
                message: "the API key is missing or wrong: send `Authorization: Bearer KEY`".into(),
                ..ApiError::bad_key()
            }),
            _ => Ok(()),
        }
    }

    fn find(&self, asked: &str) -> Result<Named, ApiError> {
        let mut models = self.local.models();
        let entries: Vec<Entry<'_>> = models
            .iter()
            .map(|model| Entry { name: &model.name, artifact: model.base, adapter: model.adapter, served: true })
            .collect();
        match names::resolve(&entries, |_| false, asked)? {
            (place, datanets) if datanets.is_empty() => Ok(models.swap_remove(place)),
            _ => Err(names::unknown(asked)),
        }
    }

    fn describe(&self, model: &Named, base: &str) -> Value {
        let is_adapter = !model.adapter.is_zero();
        json!({
            "id": model.name,
            "object": "model",
            "created": self.started,
            "owned_by": "local",
            "parent": is_adapter.then_some(base),
            "fonte": {"artifact": model.base, "adapter": is_adapter.then_some(model.adapter)},
        })
    }
}

/// `GET /v1/models`
async fn models(State(server): Shared, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    server.admit(&headers)?;
    let models = server.local.models();
    let base = models.first().map_or("", |base| &base.name);
    let data: Vec<Value> = models.iter().map(|model| server.describe(model, base)).collect();
    Ok(Json(json!({"object": "list", "data": data})))
}

/// `GET /v1/models/{model}`
async fn model(
    State(server): Shared,
    headers: HeaderMap,
    Segment(name): Segment<String>,
) -> Result<Json<Value>, ApiError> {
    server.admit(&headers)?;
    let model = server.find(&name)?;
    let models = server.local.models();
    Ok(Json(server.describe(&model, models.first().map_or("", |base| &base.name))))
}

/// `POST /v1/chat/completions`, `POST /v1/completions`
async fn complete<B: Request>(
    State(server): Shared,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    server.admit(&headers)?;
    let body: B = read_json(&server.limits, body).await?;
    let chat = body.check(server.limits.default_output_tokens, server.limits.max_output_tokens)?;
    if !chat.datanets.is_empty() {
        return Err(ApiError::invalid("fonte.datanets", "there are no datanets here: a gateway has them"));
    }
    let model = server.find(&chat.model)?;
    let slots = respond::slots(&server.slots, &chat)?;
    let drives = (0..chat.choices).map(|choice| drive(&server, &chat, model.adapter, caller.ip(), choice)).collect();
    respond::respond(&chat, drives, slots).await
}

/// One of the answers to a request. Dropping its future stops the engine's work on it.
fn drive(server: &Arc<Server>, chat: &Chat, adapter: B256, caller: IpAddr, choice: u32) -> Drive {
    // Where nobody says otherwise, asking again gives another answer.
    let seed = chat.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())).wrapping_add(choice.into());
    let request = PlainRequest {
        adapter,
        payer: payer(caller),
        prompt: chat.prompt.clone(),
        question: chat.question.clone(),
        max_output_tokens: chat.max_output_tokens,
        seed,
        asked: chat.asked.clone(),
    };
    let param = match chat.shape {
        Shape::Chat => "messages",
        Shape::Text => "prompt",
    };
    let server = server.clone();
    Box::new(move |live: Arc<Live>| {
        Box::pin(async move {
            let (written, local) = (live.clone(), server.local.clone());
            let told = blocking(server.limits.answer_timeout, param, move |cancelled| {
                // An answer of this process has the bounds of a worker's.
                local.answer(&request, cancelled, &mut |piece, log_probs| {
                    written.push(piece, log_probs).is_ok() && !cancelled.is_cancelled()
                })
            })
            .await?;
            server.metrics.answers.increment();
            let usage = told.engine_usage.unwrap_or_default();
            Ok(Shown {
                text: live.text(),
                finish: told.finish,
                log_probs: live.log_probs(),
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                ..Shown::default()
            })
        })
    })
}

/// Does work that blocks; whoever stops waiting for it cancels it. `param` is what is wrong where the work finds it so.
async fn blocking<T: Send + 'static>(
    limit: Duration,
    param: &'static str,
    work: impl FnOnce(&CancellationToken) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, ApiError> {
    let cancelled = CancellationToken::new();
    let _guard = cancelled.clone().drop_guard();
    let work = tokio::task::spawn_blocking(move || work(&cancelled));
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(done)) => done.map_err(|refusal| refused(refusal, param)),
        Ok(Err(error)) => Err(ApiError::internal(&error)),
        Err(_) => Err(ApiError::timed_out(format!("no answer within {} s", limit.as_secs()))),
    }
}

fn refused(refusal: Refusal, param: &str) -> ApiError {
    match refusal.code {
        RefusalCode::Busy => ApiError::unavailable("busy", refusal.message),
        RefusalCode::Invalid | RefusalCode::Terms => ApiError::invalid(param, refusal.message),
        RefusalCode::UnknownModel | RefusalCode::NotAdopted => ApiError::not_found("model_not_found", refusal.message),
        RefusalCode::Engine | RefusalCode::Internal => ApiError {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: Some("engine_failed"),
            ..ApiError::bad_answer(refusal.message)
        },
    }
}

/// Callers are told apart by their address.
fn payer(caller: IpAddr) -> Address {
    Address::from_word(keccak256(caller.to_string()))
}

/// The part of the body of a request for embeddings that means something here.
#[derive(Debug, Deserialize)]
struct EmbeddingsBody {
    model: String,
    /// A text or a list of texts; of OpenAI's API also token numbers, or lists of them.
    input: Value,
    #[serde(default)]
    encoding_format: Option<String>,
    #[serde(default)]
    dimensions: Option<i64>,
}

/// `POST /v1/embeddings`: mean-pooled, of length 1.
async fn embeddings(
    State(server): Shared,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    server.admit(&headers)?;
    let body: EmbeddingsBody = read_json(&server.limits, body).await?;
    let unsupported = |param: &'static str, message: &str| ApiError {
        code: Some("unsupported_parameter"),
        ..ApiError::invalid(param, message)
    };
    let tokens = has_numbers(&body.input);
    let texts = match serde_json::from_value(body.input) {
        Ok(OneOrMany::One(text)) => vec![text],
        Ok(OneOrMany::Many(texts)) => texts,
        // Clients that send them have them of OpenAI's tokenizer: to this base they would be another text.
        Err(_) if tokens => {
            return Err(unsupported(
                "input",
                "token numbers mean another text to every tokenizer, and are not taken: send input as text \
                 (LangChain's OpenAIEmbeddings does with check_embedding_ctx_length=False)",
            ));
        }
        Err(_) => return Err(ApiError::invalid("input", "input is a text or a list of texts")),
    };
    if texts.is_empty() || texts.len() > MAX_INPUTS {
        return Err(ApiError::invalid("input", format!("input has from 1 to {MAX_INPUTS} texts")));
    }
    if texts.iter().any(|text| text.is_empty() || text.len() > MAX_PROMPT) {
        return Err(ApiError::invalid("input", format!("a text has from 1 to {MAX_PROMPT} bytes")));
    }
    if body.dimensions.is_some() {
        return Err(unsupported("dimensions", "embeddings are as wide as the model: leave dimensions out"));
    }
    let base64 = match body.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(ApiError::invalid("encoding_format", "encoding_format is float or base64")),
    };
    let adapter = server.find(&body.model)?.adapter;
    let _slot = server.slots.clone().try_acquire_owned().map_err(|_| {
        ApiError::too_many(
            Duration::from_secs(1),
            "as many answers are in progress here as may be: try again in a moment",
        )
    })?;
    let embed = |text: String| {
        let (local, payer) = (server.local.clone(), payer(caller.ip()));
        blocking(server.limits.answer_timeout, "input", move |cancelled| local.embed(adapter, payer, &text, cancelled))
    };
    let embedded: Vec<(Vec<f32>, u64)> =
        futures::stream::iter(texts).map(embed).buffered(INPUTS_AT_ONCE).try_collect().await?;
    let tokens: u64 = embedded.iter().map(|(_, tokens)| tokens).sum();
    let data: Vec<Value> = (0..)
        .zip(&embedded)
        .map(|(index, (vector, _))| {
            let embedding = if base64 { json!(in_base64(vector)) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    Ok(Json(json!({"object": "list", "data": data, "model": body.model, "usage": usage})))
}

/// Whether an input has token numbers where texts could be.
fn has_numbers(input: &Value) -> bool {
    let items = |value: &Value| value.as_array().is_some_and(|items| items.iter().any(Value::is_number));
    items(input) || input.as_array().is_some_and(|lists| lists.iter().any(items))
}

/// The numbers' bytes, little-endian, as OpenAI's clients read them.
fn in_base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// `POST /v1/load_lora_adapter`: has an adapter in memory and keeps it there. One that came into the folder since is found.
async fn load(State(server): Shared, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    order(&server, &headers, body, true).await
}

/// `POST /v1/unload_lora_adapter`: it is no longer kept; the next request loads it again.
async fn unload(State(server): Shared, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    order(&server, &headers, body, false).await
}

async fn order(server: &Arc<Server>, headers: &HeaderMap, body: Body, keep: bool) -> Result<Json<Value>, ApiError> {
    server.operator.check(headers)?;
    let order: Order = read_json(&server.limits, body).await?;
    // Adapters may have come or gone since the last look.
    let local = server.local.clone();
    tokio::task::spawn_blocking(move || local.look()).await.map_err(|error| ApiError::internal(&error))?;
    let model = order.meant(|named| server.find(named))?;
    if model.adapter.is_zero() {
        return Err(ApiError::invalid("lora_name", format!("model {} is no adapter", model.name)));
    }
    let (local, adapter) = (server.local.clone(), model.adapter);
    blocking(server.limits.answer_timeout, "lora_name", move |cancelled| local.keep(adapter, keep, cancelled)).await?;
    Ok(Json(json!({"name": model.name, "adapter": model.adapter})))
}

/// The engine's report, which waits for the end of its step.
async fn report(server: &Server) -> Result<EngineReport, ApiError> {
    let local = server.local.clone();
    let report = tokio::task::spawn_blocking(move || local.report()).await;
    let report = report.map_err(|error| ApiError::internal(&error))?;
    report.ok_or_else(|| ApiError::unavailable("engine_stopped", "the engine has stopped: start the server again"))
}

/// `GET /fonte/v1/residency`: a gateway's answer, with this process as the one worker.
async fn residency(State(server): Shared, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    server.admit(&headers)?;
    let engine = report(&server).await?;
    let bytes: BTreeMap<B256, u64> =
        engine.resident.iter().map(|resident| (resident.adapter, resident.bytes)).collect();
    let models: Vec<Value> = server
        .local
        .models()
        .iter()
        .map(|model| {
            let bytes = bytes.get(&model.adapter);
            json!({
                "name": model.name,
                "adapter": (!model.adapter.is_zero()).then_some(model.adapter),
                "resident": model.adapter.is_zero() || bytes.is_some(),
                "bytes": bytes,
            })
        })
        .collect();
    Ok(Json(json!({"workers": [{"models": models, "engine": engine}]})))
}

/// `GET /readyz`: the engine runs.
async fn ready(State(server): Shared) -> Result<&'static str, ApiError> {
    report(&server).await.map(|_| "ok\n")
}

/// `GET /metrics`
async fn metrics_text(State(server): Shared) -> Result<impl IntoResponse, ApiError> {
    let engine = report(&server).await?;
    let gauges = [("fonte_answer_slots_free", "answers that could start now", server.slots.available_permits() as u64)];
    let label = format!("base=\"{}\"", engine.base);
    let text = server.metrics.render_served(&gauges) + &metrics::engines(&[(label, engine)]);
    Ok(([(header::CONTENT_TYPE, http::METRICS)], text))
}

//! The HTTP server: routes, bounds and what every response has in common.

pub(crate) mod completion;
pub(crate) mod connections;
mod forwarded;
mod network;
mod openai;
pub(crate) mod operator;
pub(crate) mod pages;
mod receipts;
mod relay;
pub(crate) mod respond;
mod sse;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, FromRequestParts, Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tower_http::{
    cors::{Any, CorsLayer},
    timeout::TimeoutLayer,
};

use self::connections::Bounded;
pub(crate) use self::network::METRICS;
use crate::{
    app::App,
    chat::{ChatBody, TextBody},
    config::Limits,
    error::ApiError,
    free,
    keys::ApiKey,
    limits::RateLimit,
    metrics::Metrics,
};

/// Requests other than answers and uploads end within this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Buckets per kind of request.
pub(crate) struct Limiters {
    answers: RateLimit<alloy_primitives::B256>,
    free: RateLimit<alloy_primitives::B256>,
    keys: RateLimit<IpAddr>,
    relays: RateLimit<IpAddr>,
}

impl Limiters {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            answers: RateLimit::new(limits.answers_per_minute),
            free: RateLimit::new(limits.free_per_minute),
            keys: RateLimit::new(limits.keys_per_minute),
            relays: RateLimit::new(limits.relays_per_minute),
        }
    }
}

fn take<K: std::hash::Hash + Eq + Copy>(limit: &RateLimit<K>, caller: K, units: u32) -> Result<(), ApiError> {
    limit.take(caller, units, Instant::now()).map_err(|wait| {
        ApiError::too_many(wait, format!("too many requests: try again in {} s", wait.as_secs().max(1)))
    })
}

/// What every server has, whatever it serves.
struct Front {
    metrics: Arc<Metrics>,
    /// Whether a proxy on this machine says who calls.
    trust_forwarded: bool,
    /// Requests of any kind.
    reads: RateLimit<IpAddr>,
}

/// Serves a gateway until the handle says stop.
pub(crate) async fn serve_gateway(app: Arc<App>, listener: TcpListener, handle: axum_server::Handle<SocketAddr>) {
    let (limits, metrics) = (app.config.limits.clone(), app.metrics.clone());
    serve(router(app), &limits, false, metrics, listener, handle).await;
}

/// Serves routes until the handle says stop, with what all requests have in common around them. With `trust_forwarded` the
/// caller is whom a proxy on this machine names.
pub(crate) async fn serve(
    routes: Router,
    limits: &Limits,
    trust_forwarded: bool,
    metrics: Arc<Metrics>,
    listener: TcpListener,
    handle: axum_server::Handle<SocketAddr>,
) {
    let front = Arc::new(Front { metrics, trust_forwarded, reads: RateLimit::new(limits.reads_per_minute) });
    let cors =
        CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any).expose_headers([REQUEST_ID.clone()]);
    let routes = routes
        .fallback(|| async { ApiError::not_found("unknown_url", "there is nothing at this URL") })
        .method_not_allowed_fallback(|| async {
            ApiError { status: StatusCode::METHOD_NOT_ALLOWED, ..ApiError::malformed("this URL takes another method") }
        })
        .layer(middleware::from_fn_with_state(front, common))
        .layer(cors);
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let mut server = axum_server::Server::<SocketAddr>::from_listener(listener)
        .acceptor(Bounded::new(limits))
        .first_request_timeout(limits.header_timeout)
        .http1_only()
        .handle(handle);
    server.http_builder().http1().header_read_timeout(limits.header_timeout);
    if let Err(error) = server.serve(service).await {
        tracing::error!(%error, "the HTTP server ended");
    }
}

fn router(app: Arc<App>) -> Router {
    let quick_routes = Router::new()
        .route("/v1/models", get(openai::models))
        .route("/v1/models/{model}", get(openai::model))
        .route("/fonte/v1/quote", post(openai::quote))
        .route("/fonte/v1/api-keys", post(openai::create_key))
        .route("/fonte/v1/network", get(network::network))
        .route("/fonte/v1/receipts", get(receipts::recent))
        .route("/fonte/v1/receipts/{id}", get(receipts::bundle))
        .route("/fonte/v1/receipts/{id}/settlement", get(receipts::settlement))
        .route("/fonte/v1/earnings/{address}", get(receipts::earnings))
        .route("/fonte/v1/contributions/commit", post(relay::commit))
        .route("/fonte/v1/contributions/reveal", post(relay::reveal))
        .route("/fonte/v1/contributions/{id}", get(relay::show))
        .route("/fonte/v1/contributions/{id}/withdraw", post(relay::withdraw))
        .route("/fonte/v1/contributions/{id}/duplicates", get(relay::duplicates))
        .route("/livez", get(network::livez))
        .route("/readyz", get(network::readyz))
        .route("/metrics", get(network::metrics))
        .route("/fonte/v1/residency", get(operator::residency))
        .route("/v1/load_lora_adapter", post(operator::load))
        .route("/v1/unload_lora_adapter", post(operator::unload))
        .layer(quick());
    // These have their own bounds on time: an answer's, and one per piece of a body.
    let slow = Router::new()
        .route("/v1/chat/completions", post(openai::complete::<ChatBody>))
        .route("/v1/completions", post(openai::complete::<TextBody>))
        .route("/fonte/v1/contributions/{id}/bundle", put(relay::upload).get(relay::download));
    let routes = Router::new().merge(quick_routes).merge(slow);
    // A gateway with a public URL is for everybody's pages, wherever it listens.
    let routes = if app.config.listen.ip().is_loopback() && app.config.public_url.is_none() {
        routes.layer(middleware::from_fn_with_state(app.clone(), pages::of_this_machine_or_with_key))
    } else {
        routes
    };
    routes.with_state(app)
}

/// The bound on time of requests that have no other.
pub(crate) fn quick() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT)
}

/// What every request gets: a number, a place in the counts, and a bucket for its caller.
async fn common(
    State(front): State<Arc<Front>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = if front.trust_forwarded { forwarded::caller(peer, request.headers()) } else { peer };
    // Whatever counts or tells callers apart goes by the client: a subscriber of IPv6 has more addresses than can be counted.
    let caller = SocketAddr::new(forwarded::client_of(caller.ip()), caller.port());
    request.extensions_mut().insert(ConnectInfo(caller));
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .filter(|id| id.len() <= 64 && id.to_str().is_ok_and(|id| id.chars().all(|c| c.is_ascii_graphic())))
        .cloned()
        .unwrap_or_else(|| {
            let id = format!("req_{}", hex::encode(rand::random::<[u8; 12]>()));
            HeaderValue::from_str(&id).expect("hex is a header value")
        });
    front.metrics.requests.increment();
    let mut response = match take(&front.reads, caller.ip(), 1) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        front.metrics.errors.increment();
        tracing::debug!(id = ?id, status = %response.status(), "request refused");
    }
    response.headers_mut().insert(REQUEST_ID.clone(), id);
    response
}

/// Reads a JSON body within the limits of size and time.
pub(crate) async fn read_json<T: DeserializeOwned>(limits: &Limits, body: Body) -> Result<T, ApiError> {
    let limit = limits.body;
    let mut bytes = Vec::new();
    let mut stream = body.into_data_stream();
    let pace = Pace::new(limits.body_timeout);
    loop {
        let next = tokio::time::timeout_at(pace.until(bytes.len() as u64), stream.next());
        let piece = next.await.map_err(|_| ApiError {
            status: StatusCode::REQUEST_TIMEOUT,
            ..ApiError::malformed("the request's body stalled: send it again")
        })?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|error| ApiError::malformed(format!("the request's body broke off: {error}")))?;
        if bytes.len() + piece.len() > limit {
            return Err(ApiError::too_large(limit as u64));
        }
        bytes.extend_from_slice(&piece);
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::malformed(format!("the body is not the JSON that is expected here: {error}")))
}

/// Bytes a second that a body comes in with at least. Slower than any link that is still in use, and so fast that nobody
/// holds a connection for days with a body that never ends.
const SLOWEST_BODY: u64 = 16 << 10;

/// Until when the next piece of a body must be in.
pub(crate) struct Pace {
    begun: tokio::time::Instant,
    patience: Duration,
}

impl Pace {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { begun: tokio::time::Instant::now(), patience }
    }

    /// The earlier of two: `patience` from now, and `patience` after when this much is in at [`SLOWEST_BODY`].
    pub(crate) fn until(&self, received: u64) -> tokio::time::Instant {
        let due = self.begun + Duration::from_secs(received / SLOWEST_BODY) + self.patience;
        due.min(tokio::time::Instant::now() + self.patience)
    }
}

/// A part of the path, refused in the shape of every other error.
pub(crate) struct Segment<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segment<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|error| ApiError::invalid("url", error.body_text()))
    }
}

/// The query, likewise.
struct Options<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Options<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|error| ApiError::invalid("query", error.body_text()))
    }
}

/// The token that a request carries.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    Some(value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer "))?.trim())
}

/// The API key of a request.
fn authenticate(app: &App, headers: &HeaderMap) -> Result<ApiKey, ApiError> {
    bearer(headers).and_then(|token| app.keys.find(token)).ok_or_else(ApiError::bad_key)
}

/// Who pays for an answer: the payer of its API key, or without one the commons. Counts it against the rate limit.
async fn payer(app: &App, headers: &HeaderMap, caller: SocketAddr) -> Result<ApiKey, ApiError> {
    let free = headers
        .get(header::AUTHORIZATION)
        .is_none_or(|value| value.to_str().is_ok_and(|value| value.split_whitespace().nth(1) == Some(free::TOKEN)));
    if !free {
        let key = authenticate(app, headers)?;
        take(&app.limits.answers, key.hash, 1)?;
        return Ok(key);
    }
    let key = free::payer(app, caller.ip());
    take(&app.limits.free, key.hash, 1)?;
    free::offered(app).await?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_comes_in_steadily_or_not_at_all() {
        let patience = Duration::from_secs(20);
        let pace = Pace::new(patience);
        let begun = tokio::time::Instant::now();
        assert_eq!(pace.until(0), begun + patience);
        // A byte in every 19 seconds is not enough.
        tokio::time::advance(Duration::from_secs(19)).await;
        assert_eq!(pace.until(1), begun + patience);
        // Who is slow and steady has time, who was fast has no more than the patience.
        assert_eq!(pace.until(5 * SLOWEST_BODY), begun + Duration::from_secs(25));
        assert_eq!(pace.until(1 << 30), begun + Duration::from_secs(39));
    }
}

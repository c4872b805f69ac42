//! Which web pages may call. A node on loopback can be reached by every page that the user's browser
//! shows: CORS covers HTTP, but browsers do not apply it to WebSockets, so the origin is checked here.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::{Either, Ready, ready};
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use tower::{Layer, Service};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// Whether an `Origin` header names this machine or an allowed site.
fn allowed(origin: &[u8], extra: &[String]) -> bool {
    let Ok(origin) = std::str::from_utf8(origin) else {
        return false;
    };
    if extra.iter().any(|site| site == "*" || site == origin) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    // A browser extension (a wallet) is installed by the user and talks to whatever they choose.
    if scheme.ends_with("-extension") {
        return true;
    }
    if scheme != "http" && scheme != "https" {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.ends_with(".localhost") || host == "127.0.0.1" || host == "::1"
}

/// CORS headers for allowed origins.
pub(super) fn cors(extra: &[String]) -> CorsLayer {
    let extra: Arc<[String]> = extra.into();
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| allowed(origin.as_bytes(), &extra)))
        .allow_methods(Any)
        .allow_headers(Any)
}

/// Refuses requests, WebSocket upgrades included, of origins that are not allowed.
#[derive(Clone)]
pub(super) struct OriginGuard {
    extra: Arc<[String]>,
}

impl OriginGuard {
    pub(super) fn new(extra: &[String]) -> Self {
        Self { extra: extra.into() }
    }
}

impl<S> Layer<S> for OriginGuard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, extra: Arc::clone(&self.extra) }
    }
}

/// The service behind [`OriginGuard`].
#[derive(Clone)]
pub(super) struct Guarded<S> {
    inner: S,
    extra: Arc<[String]>,
}

impl<S, B> Service<HttpRequest<B>> for Guarded<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse>,
{
    type Response = HttpResponse;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<HttpResponse, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        match request.headers().get("origin") {
            Some(origin) if !allowed(origin.as_bytes(), &self.extra) => {
                let mut response = HttpResponse::new(HttpBody::from("this origin may not call; see `allowed_origins`"));
                if let Ok(forbidden) = 403u16.try_into() {
                    *response.status_mut() = forbidden;
                }
                Either::Right(ready(Ok(response)))
            }
            _ => Either::Left(self.inner.call(request)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn origins() {
        let check = |origin: &str, extra: &[&str], expected: bool| {
            let extra: Vec<String> = extra.iter().map(|site| (*site).to_owned()).collect();
            assert_eq!(allowed(origin.as_bytes(), &extra), expected, "{origin}");
        };
        check("http://localhost:8080", &[], true);
        check("https://127.0.0.1", &[], true);
        check("http://[::1]:3000", &[], true);
        check("http://app.localhost:1", &[], true);
        check("chrome-extension://abcdef", &[], true);
        check("https://example.org", &[], false);
        check("https://localhost.example.org", &[], false);
        check("https://127.0.0.1.example.org", &[], false);
        check("null", &[], false);
        check("file://", &[], false);
        check("https://example.org", &["https://example.org"], true);
        check("https://example.com", &["https://example.org"], false);
        check("https://example.com", &["*"], true);
    }
}

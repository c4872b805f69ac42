//! Which web pages may call. A server that asks for no key is as open as whoever can reach it, and every page that a browser
//! on this machine shows can reach a port on loopback. CORS headers do not help: the request is carried out either way. So
//! the origin is checked.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{Method, header::ORIGIN},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::authenticate;
use crate::{app::App, error::ApiError};

/// Whether a request comes from a page of another site than this machine.
fn is_foreign(request: &Request) -> bool {
    request.headers().get(ORIGIN).is_some_and(|origin| !origin.to_str().is_ok_and(is_of_this_machine))
}

/// Whether an origin is this machine, or an extension that the browser's user installed.
fn is_of_this_machine(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    if scheme.ends_with("-extension") {
        return true;
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let here = host == "localhost" || host.ends_with(".localhost") || host == "127.0.0.1" || host == "::1";
    here && (scheme == "http" || scheme == "https")
}

fn refused() -> Response {
    let message =
        "pages of other sites may not call this server without a key: send a key, or open the page from localhost";
    ApiError::forbidden("foreign_origin", message).into_response()
}

/// In front of a server that asks for no key: only pages of this machine may call.
pub(crate) async fn of_this_machine(request: Request, next: Next) -> Response {
    if is_foreign(&request) {
        return refused();
    }
    next.run(request).await
}

/// In front of a gateway on loopback: what costs something there (answers of the commons, relays, keys) is for pages of this
/// machine, and for whoever sends a key. What only reads is for all.
pub(super) async fn of_this_machine_or_with_key(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    if !reads && is_foreign(&request) {
        let headers = request.headers();
        if authenticate(&app, headers).is_err() && app.operator.check(headers).is_err() {
            return refused();
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_foreign() {
        let here = [
            "http://localhost:8080",
            "https://127.0.0.1",
            "http://[::1]:3000",
            "http://app.localhost:1",
            "moz-extension://abcdef",
        ];
        for origin in here {
            assert!(is_of_this_machine(origin), "{origin}");
        }
        let elsewhere = [
            "https://example.org",
            "https://localhost.example.org",
            "https://127.0.0.1.example.org",
            "null",
            "file://",
            "ftp://localhost",
            "",
        ];
        for origin in elsewhere {
            assert!(!is_of_this_machine(origin), "{origin}");
        }
    }
}

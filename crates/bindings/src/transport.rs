//! A bound on what one client asks of a node at a time, and on how long it waits.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use alloy_json_rpc::{RequestPacket, ResponsePacket};
use alloy_transport::{TransportError, TransportErrorKind, TransportFut};
use tokio::sync::Semaphore;
use tower::{Layer, Service};

/// Requests under way at once. HTTP/1.1 takes a connection for each, nodes take a bounded number of them, and one that waits to
/// be accepted waits until another has been idle for long: a burst would hang for minutes beside idle connections.
const AT_ONCE: usize = 64;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts [`Bounded`] around a transport.
pub(crate) struct Bound;

impl<S> Layer<S> for Bound {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Bounded { inner, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// A transport whose requests wait for each other. All clones share the places.
#[derive(Clone)]
pub(crate) struct Bounded<S> {
    inner: S,
    places: Arc<Semaphore>,
}

impl<S> Service<RequestPacket> for Bounded<S>
where
    S: Service<RequestPacket, Response = ResponsePacket, Error = TransportError, Future = TransportFut<'static>>
        + Clone
        + Send
        + 'static,
{
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        // What was polled to be ready is what must be called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let places = self.places.clone();
        Box::pin(async move {
            let _place = places.acquire_owned().await.expect("the semaphore is never closed");
            tokio::time::timeout(PATIENCE, inner.call(request)).await.unwrap_or_else(|_| {
                let seconds = PATIENCE.as_secs();
                Err(TransportErrorKind::custom_str(&format!("the node did not answer within {seconds} s")))
            })
        })
    }
}

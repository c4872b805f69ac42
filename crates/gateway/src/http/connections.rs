//! Connections: how many there are in all and of one client, and for how long one may not read what it is sent.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep},
};

use super::forwarded::client_of;
use crate::config::Limits;

/// Accepts at most so many connections; the next one waits until one ends.
#[derive(Clone)]
pub(super) struct Bounded {
    places: Arc<Semaphore>,
    clients: Clients,
    write_timeout: Duration,
}

impl Bounded {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.connections)),
            clients: Clients::new(limits.connections_per_client),
            write_timeout: limits.write_timeout,
        }
    }
}

impl<S: Send + 'static> axum_server::accept::Accept<TcpStream, S> for Bounded {
    type Stream = Counted;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Counted, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Self { places, clients, write_timeout } = self.clone();
        Box::pin(async move {
            let of_client = clients.enter(stream.peer_addr()?)?;
            // A connection that finds no place soon is closed, not kept: the queue itself must stay bounded.
            let place = tokio::time::timeout(Duration::from_secs(5), places.acquire_owned())
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
                .map_err(|_| io::Error::from(io::ErrorKind::NotConnected))?;
            stream.set_nodelay(true)?;
            let stalled = Stalled { patience: write_timeout, since: None };
            Ok((Counted { stream, stalled, _of_client: of_client, _place: place }, service))
        })
    }
}

/// Open connections by client, so that one alone cannot take all places.
#[derive(Clone)]
pub(crate) struct Clients {
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of a client.
pub(crate) struct OfClient {
    client: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Clients {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// This machine is not counted: a reverse proxy on it carries everybody's connections.
    pub(crate) fn enter(&self, peer: SocketAddr) -> io::Result<Option<OfClient>> {
        if peer.ip().to_canonical().is_loopback() {
            return Ok(None);
        }
        let client = client_of(peer.ip());
        let mut open = self.open.lock();
        let count = open.entry(client).or_default();
        if *count >= self.most {
            return Err(io::Error::other("the client has as many connections open as it may"));
        }
        *count += 1;
        Ok(Some(OfClient { client, open: self.open.clone() }))
    }
}

impl Drop for OfClient {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

/// A connection with its places. One whose peer does not read for too long fails.
pub(super) struct Counted {
    stream: TcpStream,
    stalled: Stalled,
    _of_client: Option<OfClient>,
    _place: OwnedSemaphorePermit,
}

/// Since when nothing could be written.
struct Stalled {
    patience: Duration,
    since: Option<Pin<Box<Sleep>>>,
}

impl Stalled {
    /// Hands on what a write came to; an error where it has waited for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.since = None;
            return written;
        }
        let patience = self.patience;
        let since = self.since.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + patience)));
        ready!(since.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.stalled.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.stalled.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[test]
    fn one_client_cannot_take_all_places() {
        let clients = Clients::new(2);
        let enter = |address: &str| clients.enter(SocketAddr::new(address.parse().unwrap(), 5));
        let first = enter("2001:db8::1").expect("a place");
        let _second = enter("2001:db8::2").expect("a place");
        assert!(enter("2001:db8::3").is_err(), "one subscriber, whatever the address");
        assert!(enter("192.0.2.7").is_ok() && enter("::ffff:192.0.2.7").is_ok());
        drop(first);
        let _third = enter("2001:db8::3").expect("a place is free again");
        // A proxy on this machine carries everybody.
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"].repeat(3) {
            assert!(enter(address).expect("uncounted").is_none(), "{address}");
        }
        assert_eq!(clients.open.lock().len(), 1, "who left is forgotten");
    }

    #[tokio::test]
    async fn who_does_not_read_is_cut_off() {
        let limits = Limits { write_timeout: Duration::from_millis(200), ..Limits::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let deaf = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let accepted = axum_server::accept::Accept::accept(&Bounded::new(&limits), stream, ());
        let (mut counted, ()) = accepted.await.unwrap();
        let cut_off = async {
            loop {
                if let Err(error) = counted.write_all(&[0; 1 << 16]).await {
                    return error;
                }
            }
        };
        let error = tokio::time::timeout(Duration::from_secs(60), cut_off).await.expect("it does not wait for ever");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(deaf);
    }
}

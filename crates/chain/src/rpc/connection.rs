//! One connection: counted for as long as it is open, read from only as fast as its answers are taken, and closed when they
//! are not taken at all.
//!
//! jsonrpsee starts a task for every message of a WebSocket, and each keeps its answer until there is room in the
//! connection's queue. So what bounds them stands around it: below it [`Wire`], which reads nothing while much is under way,
//! and above it [`Paced`], which lets few calls run at once and none while answers wait to be written.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use jsonrpsee::{
    MethodResponse,
    core::middleware::{Batch, Notification, RpcServiceT},
    types::Request,
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::Sleep,
};
use tower::Layer;

/// Calls of one connection that run at once.
const RUNNING: usize = 4;
/// Calls of one connection that have been read and not answered; what comes after them waits in the socket.
const UNANSWERED: usize = 64;
/// Bytes of answers that wait to be written while the next call may run.
const UNWRITTEN: usize = 1024 * 1024;

/// What one connection has under way.
pub(super) struct Flow {
    running: Semaphore,
    /// Some of what waited was written.
    written: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    unanswered: usize,
    unwritten: usize,
    /// The client does not take what is written at the moment.
    blocked: bool,
    /// It did not for too long.
    dead: bool,
    reader: Option<Waker>,
}

impl Flow {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { running: Semaphore::new(RUNNING), written: Notify::new(), state: Mutex::default() })
    }

    /// Waits for a call's turn to run; it counts until what comes back is dropped.
    async fn turn(&self) -> (Unanswered<'_>, SemaphorePermit<'_>) {
        self.state.lock().unanswered += 1;
        let unanswered = Unanswered(self);
        let running = self.running.acquire().await.expect("the semaphore is never closed");
        loop {
            let mut written = std::pin::pin!(self.written.notified());
            written.as_mut().enable();
            if self.state.lock().unwritten <= UNWRITTEN {
                return (unanswered, running);
            }
            written.await;
        }
    }

    /// Counts what will be written, before it can be.
    fn answered(&self, response: &MethodResponse) {
        if response.is_method_call() || response.is_batch() {
            self.state.lock().unwritten += response.as_json().get().len();
        }
    }

    /// Whether the connection may be read from now; else its reader is woken when it may.
    fn poll_readable(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.lock();
        // Also while it waits for the socket: it must hear of the end.
        state.reader = Some(cx.waker().clone());
        if state.dead {
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        } else if state.blocked || state.unanswered >= UNANSWERED {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// A call that has been read.
struct Unanswered<'a>(&'a Flow);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.unanswered -= 1);
    }
}

/// Makes calls wait for their turn.
#[derive(Clone)]
pub(super) struct Pace(pub(super) Arc<Flow>);

impl<S> Layer<S> for Pace {
    type Service = Paced<S>;

    fn layer(&self, inner: S) -> Paced<S> {
        Paced { inner, flow: Arc::clone(&self.0) }
    }
}

/// The service behind [`Pace`].
#[derive(Clone)]
pub(super) struct Paced<S> {
    inner: S,
    flow: Arc<Flow>,
}

impl<S> RpcServiceT for Paced<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type BatchResponse = MethodResponse;
    type NotificationResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let Self { inner, flow } = self.clone();
        async move {
            let _turn = flow.turn().await;
            let response = inner.call(request).await;
            flow.answered(&response);
            response
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let Self { inner, flow } = self.clone();
        async move {
            let _turn = flow.turn().await;
            let response = inner.batch(batch).await;
            flow.answered(&response);
            response
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

/// The socket, with its place among the connections.
pub(super) struct Wire {
    stream: TcpStream,
    flow: Arc<Flow>,
    /// How long a client may take nothing of what is written.
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, place: OwnedSemaphorePermit, flow: Arc<Flow>, patience: Duration) -> Self {
        Self { stream, flow, patience, stalled: None, _place: place }
    }

    /// Notes how a write went, and ends one that goes nowhere for too long.
    fn wrote(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = outcome {
            self.stalled = None;
            let bytes = *outcome.as_ref().unwrap_or(&0);
            self.flow.change(|state| {
                state.unwritten = state.unwritten.saturating_sub(bytes);
                state.blocked = false;
            });
            self.flow.written.notify_waiters();
            return Poll::Ready(outcome);
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        self.flow.state.lock().blocked = true;
        ready!(stalled.as_mut().poll(cx));
        self.flow.change(|state| state.dead = true);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.flow.poll_readable(cx))?;
        Pin::new(&mut this.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.wrote(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

//! One connection: counted for as long as it is open, read from only as fast as its answers are taken, and closed when they
//! are not taken at all.
//!
//! jsonrpsee starts a task for every message of a WebSocket, and each keeps its answer until there is room in the
//! connection's queue. So what bounds them stands around it: below it [`Wire`], which reads nothing while much is under way,
//! and above it [`Paced`], which lets few calls run at once and none while answers wait to be written. [`Places`] counts
//! connections, and where there are too many lets go of one that is only kept open.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
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

/// Clients keep connections that they do not use, for 90 s and more. One that was not used for this long is closed where
/// another client waits for a place.
const UNUSED: Duration = Duration::from_secs(1);

/// The places of connections, and the HTTP ones that have one.
pub(super) struct Places {
    free: Arc<Semaphore>,
    open: Mutex<BTreeMap<u64, Arc<Flow>>>,
}

/// A connection on the list of [`Places`] until it is dropped.
pub(super) struct Listed {
    places: Arc<Places>,
    number: u64,
}

impl Places {
    pub(super) fn new(count: u32) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(count as usize)), open: Mutex::default() })
    }

    /// Waits for a place, and where there is none has the connection closed that was not used for the longest time.
    pub(super) async fn take(&self) -> OwnedSemaphorePermit {
        loop {
            let free = Arc::clone(&self.free).acquire_owned();
            if let Ok(place) = tokio::time::timeout(UNUSED / 10, free).await {
                return place.expect("the semaphore is never closed");
            }
            let open = self.open.lock();
            let unused = open.values().filter_map(|flow| Some((flow.state.lock().unused?, flow)));
            if let Some((since, flow)) = unused.min_by_key(|(since, _)| *since)
                && since.elapsed() >= UNUSED
            {
                flow.leave.notify_one();
            }
        }
    }

    pub(super) fn list(self: &Arc<Self>, number: u64, flow: Arc<Flow>) -> Listed {
        self.open.lock().insert(number, flow);
        Listed { places: Arc::clone(self), number }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.places.open.lock().remove(&self.number);
    }
}

/// What one connection has under way.
pub(super) struct Flow {
    running: Semaphore,
    /// Some of what waited was written.
    written: Notify,
    /// Its place is wanted.
    pub(super) leave: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    unanswered: usize,
    unwritten: usize,
    /// Since when nothing was asked and nothing is owed.
    unused: Option<Instant>,
    /// The client does not take what is written at the moment.
    blocked: bool,
    /// It did not for too long.
    dead: bool,
    reader: Option<Waker>,
}

impl Flow {
    pub(super) fn new() -> Arc<Self> {
        let state = State { unused: Some(Instant::now()), ..State::default() };
        let (written, leave) = (Notify::new(), Notify::new());
        Arc::new(Self { running: Semaphore::new(RUNNING), written, leave, state: Mutex::new(state) })
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
                if state.unwritten == 0 && state.unanswered == 0 {
                    state.unused = Some(Instant::now());
                }
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
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.flow.state.lock().unused = None;
        }
        outcome
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

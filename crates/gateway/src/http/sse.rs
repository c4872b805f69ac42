//! Streamed answers: server-sent events in the shape of OpenAI's chunks.
//!
//! Each answer is driven by a task of its own that never waits for the client: it appends to memory, and the stream
//! reads from there. A client that leaves drops the stream, which aborts the tasks, which cancels the work. At a gateway
//! that lets the reservations go; unless evidence and row are being written at that moment, which is finished and then
//! owed.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures::{
    Stream, StreamExt,
    stream::{self, FuturesUnordered},
};
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::JoinHandle,
};

use super::{
    completion::{Completion, Shown},
    respond::Drive,
};
use crate::{
    error::ApiError,
    live::{Live, Place},
};

/// So that proxies keep the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

type Outcome = Result<Shown, ApiError>;

struct Driven(JoinHandle<Outcome>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Answers with a stream, or with a plain error if nothing was streamed yet.
pub(super) async fn stream(
    drives: Vec<Drive>,
    request: Completion,
    slots: OwnedSemaphorePermit,
) -> Result<Response, ApiError> {
    let (request, slots) = (Arc::new(request), Arc::new(slots));
    let mut choices: Vec<Choice> =
        (0..).zip(drives).map(|(index, drive)| Choice::begin(drive, index, request.clone(), slots.clone())).collect();
    // A refusal that comes before the first word is a plain HTTP error, with its status.
    let mut beginnings: FuturesUnordered<_> = choices.iter_mut().map(Choice::begun).collect();
    let mut refusal = None;
    while let Some(begun) = beginnings.next().await {
        match begun {
            Ok(()) => {
                refusal = None;
                break;
            }
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    drop(beginnings);
    if let Some(error) = refusal {
        return Err(error);
    }
    let several = choices.len();
    let answers: Arc<Mutex<Vec<Shown>>> = Arc::default();
    let streams: Vec<_> = choices.into_iter().map(|choice| choice.into_stream(answers.clone()).boxed()).collect();
    let ending = stream::once(async move {
        let answers = answers.lock();
        let mut events = Vec::new();
        // A stream that failed ends with the failure.
        if answers.len() == several {
            if request.include_usage {
                events.push(Event::default().data(request.usage(&answers).to_string()));
            }
            events.push(Event::default().data("[DONE]"));
        }
        stream::iter(events)
    });
    let events = stream::select_all(streams).chain(ending.flatten()).map(Ok::<_, Infallible>);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

enum State {
    Opening,
    Running,
    Ended,
}

/// One answer of a stream.
struct Choice {
    index: u32,
    request: Arc<Completion>,
    live: Arc<Live>,
    pieces: watch::Receiver<usize>,
    done: watch::Receiver<()>,
    driven: Driven,
    outcome: Option<Outcome>,
    /// How much of the answer was sent.
    sent: Place,
    /// Where the next token begins, in characters: text completions tell it.
    offset: usize,
    state: State,
}

impl Choice {
    fn begin(drive: Drive, index: u32, request: Arc<Completion>, slots: Arc<OwnedSemaphorePermit>) -> Self {
        let live = Live::new();
        let pieces = live.subscribe();
        let work = drive(live.clone());
        let (finished, done) = watch::channel(());
        let driven = Driven(tokio::spawn(async move {
            let _slots = slots;
            let _finished = finished;
            work.await
        }));
        let (sent, state) = (Place::default(), State::Opening);
        Self { index, request, live, pieces, done, driven, outcome: None, sent, offset: 0, state }
    }

    /// Waits for the first word, or for a refusal before it.
    async fn begun(&mut self) -> Result<(), ApiError> {
        let ended_first = tokio::select! {
            biased;
            _ = self.pieces.changed() => false,
            _ = self.done.changed() => true,
        };
        if ended_first {
            self.finish().await;
            if let (Some(Err(error)), true) = (&self.outcome, self.live.is_blank()) {
                return Err(error.clone());
            }
        }
        Ok(())
    }

    fn into_stream(self, answers: Arc<Mutex<Vec<Shown>>>) -> impl Stream<Item = Event> {
        stream::unfold((self, answers), |(mut choice, answers)| async move {
            let event = choice.next(&answers).await?;
            Some((event, (choice, answers)))
        })
    }

    async fn next(&mut self, answers: &Mutex<Vec<Shown>>) -> Option<Event> {
        if matches!(self.state, State::Opening) {
            self.state = State::Running;
            if let Some(opening) = self.request.opening(self.index) {
                return Some(Event::default().data(opening.to_string()));
            }
        }
        match self.state {
            State::Opening | State::Running => Some(self.running(answers).await),
            State::Ended => None,
        }
    }

    async fn running(&mut self, answers: &Mutex<Vec<Shown>>) -> Event {
        loop {
            let (piece, tokens) = self.live.since(&mut self.sent);
            // Log-probabilities that nobody asked for are no piece.
            if let Some(piece) = self.request.piece(self.index, &piece, &tokens, &mut self.offset) {
                return Event::default().data(piece.to_string());
            }
            if self.outcome.is_none() && self.driven.0.is_finished() {
                self.finish().await;
                // What was written between the last look and the end.
                continue;
            }
            if let Some(outcome) = self.outcome.take() {
                self.state = State::Ended;
                return match outcome {
                    Ok(shown) => {
                        let last = self.request.last(self.index, &shown);
                        answers.lock().push(shown);
                        Event::default().data(last.to_string())
                    }
                    Err(error) => Event::default().data(error.body().to_string()),
                };
            }
            tokio::select! {
                changed = self.pieces.changed() => if changed.is_err() { self.finish().await },
                ended = self.done.changed() => if ended.is_err() { self.finish().await },
            }
        }
    }

    /// The driver has let go of its ends: its result is there.
    async fn finish(&mut self) {
        if self.outcome.is_none() {
            self.outcome = Some(match (&mut self.driven.0).await {
                Ok(result) => result,
                Err(error) => Err(ApiError::internal(&error)),
            });
        }
    }
}

//! A streamed answer: server-sent events in the shape of OpenAI's chunks.
//!
//! The answer is driven by a task of its own that never waits for the client: it appends to memory, and the stream
//! reads from there. A client that leaves drops the stream, which aborts the task, which cancels the job and lets the
//! reservation go; unless evidence and row are being written at that moment, which is finished and then owed.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use fonte_types::bundle::ReceiptBundle;
use futures::{Stream, stream};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::JoinHandle,
};

use super::openai::usage_of;
use crate::{
    answer::{Accepted, Live, drive, unix_now},
    app::App,
    citations,
    error::ApiError,
};

/// So that proxies keep the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Driven(JoinHandle<Result<Arc<ReceiptBundle>, ApiError>>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Answers with a stream, or with a plain error if nothing was streamed yet.
pub(super) async fn stream(
    app: Arc<App>,
    accepted: Accepted,
    model: String,
    include_usage: bool,
    slot: OwnedSemaphorePermit,
) -> Result<Response, ApiError> {
    let live = Live::new();
    let mut length = live.subscribe();
    let (task_app, task_live) = (app.clone(), live.clone());
    let (finished, done) = watch::channel(());
    let mut driven = Driven(tokio::spawn(async move {
        let _slot = slot;
        let _finished = finished;
        drive(&task_app, accepted, &task_live).await
    }));
    // A refusal that comes before the first word is a plain HTTP error, with its status.
    let mut ended = done.clone();
    let ended_first = tokio::select! {
        biased;
        _ = length.changed() => false,
        _ = ended.changed() => true,
    };
    let mut outcome = None;
    if ended_first {
        let result = join(&mut driven).await;
        if let (Err(error), true) = (&result, live.since(0).is_empty()) {
            return Err(error.clone());
        }
        outcome = Some(result);
    }
    let chunks = Chunks {
        app,
        live,
        length,
        done,
        driven,
        outcome,
        id: format!("chatcmpl-{}", hex::encode(rand::random::<[u8; 12]>())),
        model,
        created: unix_now(),
        include_usage,
        sent: 0,
        queue: Vec::new(),
        state: State::Opening,
    };
    Ok(Sse::new(chunks.into_stream()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

async fn join(driven: &mut Driven) -> Result<Arc<ReceiptBundle>, ApiError> {
    match (&mut driven.0).await {
        Ok(result) => result,
        Err(error) => Err(ApiError::internal(&error)),
    }
}

enum State {
    Opening,
    Running,
    Ended,
}

struct Chunks {
    app: Arc<App>,
    live: Arc<Live>,
    length: watch::Receiver<usize>,
    done: watch::Receiver<()>,
    driven: Driven,
    outcome: Option<Result<Arc<ReceiptBundle>, ApiError>>,
    id: String,
    model: String,
    created: u64,
    include_usage: bool,
    /// Bytes of the answer that were sent.
    sent: usize,
    /// Events to send before anything else, last first.
    queue: Vec<Event>,
    state: State,
}

impl Chunks {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut chunks| async move {
            let event = chunks.next().await?;
            Some((Ok(event), chunks))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.queue.pop() {
            return Some(event);
        }
        match self.state {
            State::Opening => {
                self.state = State::Running;
                Some(self.chunk(json!({"role": "assistant", "content": ""}), Value::Null))
            }
            State::Running => Some(self.running().await),
            State::Ended => None,
        }
    }

    async fn running(&mut self) -> Event {
        loop {
            let piece = self.live.since(self.sent);
            if !piece.is_empty() {
                self.sent += piece.len();
                return self.chunk(json!({ "content": piece }), Value::Null);
            }
            if self.outcome.is_none() && self.driven.0.is_finished() {
                self.outcome = Some(join(&mut self.driven).await);
                // What was written between the last look and the end.
                continue;
            }
            if let Some(outcome) = self.outcome.take() {
                self.state = State::Ended;
                return self.last(outcome);
            }
            tokio::select! {
                changed = self.length.changed() => if changed.is_err() { self.finish().await },
                ended = self.done.changed() => if ended.is_err() { self.finish().await },
            }
        }
    }

    /// The driver has let go of its ends: its result is there.
    async fn finish(&mut self) {
        if self.outcome.is_none() {
            self.outcome = Some(join(&mut self.driven).await);
        }
    }

    /// What ends a stream; the rest of it is queued.
    fn last(&mut self, outcome: Result<Arc<ReceiptBundle>, ApiError>) -> Event {
        let end = Event::default().data("[DONE]");
        let bundle = match outcome {
            Ok(bundle) => bundle,
            Err(error) => return Event::default().data(error.body().to_string()),
        };
        self.queue.push(end);
        if self.include_usage {
            let mut usage = self.frame(json!([]));
            usage["usage"] = usage_of(&bundle);
            self.queue.push(Event::default().data(usage.to_string()));
        }
        let mut chunk = self.frame(json!([{
            "index": 0,
            "delta": {"annotations": citations::annotations(&bundle, &self.app.url)},
            "logprobs": null,
            "finish_reason": "stop",
        }]));
        chunk["fonte"] = json!(citations::attribution(&bundle));
        Event::default().data(chunk.to_string())
    }

    fn chunk(&self, delta: Value, finish_reason: Value) -> Event {
        let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]);
        Event::default().data(self.frame(choices).to_string())
    }

    fn frame(&self, choices: Value) -> Value {
        let mut frame = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if self.include_usage {
            frame["usage"] = Value::Null;
        }
        frame
    }
}

//! From answers in the making to a response, streamed or whole, whoever writes them.

use std::sync::Arc;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    completion::{Completion, Shown},
    sse,
};
use crate::{chat::Chat, error::ApiError, live::Live};

/// Begins to write one answer, and ends with it. Dropping the future ends the work.
pub(crate) type Drive = Box<dyn FnOnce(Arc<Live>) -> BoxFuture<'static, Result<Shown, ApiError>> + Send>;

/// Places for the answers of a request; none left is 429.
pub(crate) fn slots(slots: &Arc<Semaphore>, chat: &Chat) -> Result<OwnedSemaphorePermit, ApiError> {
    slots.clone().try_acquire_many_owned(chat.choices).map_err(|_| {
        ApiError::too_many(
            std::time::Duration::from_secs(1),
            "as many answers are in progress here as may be: try again in a moment",
        )
    })
}

/// Answers once for each drive.
pub(crate) async fn respond(
    chat: &Chat,
    drives: Vec<Drive>,
    slots: OwnedSemaphorePermit,
) -> Result<Response, ApiError> {
    let request = Completion::of(chat);
    if chat.stream {
        return sse::stream(drives, request, slots).await;
    }
    let results = futures::future::join_all(drives.into_iter().map(|drive| drive(Live::new()))).await;
    drop(slots);
    // What one choice fails with does not take the others away: they are paid for.
    let mut answers = Vec::with_capacity(results.len());
    let mut failed = None;
    for (index, result) in (0..).zip(results) {
        match result {
            Ok(shown) => answers.push((index, shown)),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) if answers.is_empty() => Err(error),
        _ => Ok(Json(request.whole(&answers)).into_response()),
    }
}

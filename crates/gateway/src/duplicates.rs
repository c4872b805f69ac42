//! Which earlier texts a contribution repeats, for whoever reviews it. The texts of what still waits for a review are
//! not open, so the host of them measures, and says how much of what stands where; it says no word of a text.

use std::sync::Arc;

use alloy_primitives::B256;
use fonte_bindings::client::ContributionStatus;
use fonte_corpus::{
    Store as Texts,
    bundle::BundleError,
    near_duplicates::{Comparison, MAX_NEW_BYTES, NearDuplicate, TooLarge},
    store::StoreError,
};
use fonte_types::ContributionId;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{app::App, error::ApiError};

/// Why the texts could not be compared.
#[derive(Debug, thiserror::Error)]
enum CompareError {
    #[error("a hosted text could not be read")]
    Store(#[from] StoreError),
    #[error("a hosted text could not be read")]
    Bundle(#[from] BundleError),
    #[error("a text is too large to be compared")]
    TooLarge(#[from] TooLarge),
    #[error("nobody waits for the report any more")]
    Cancelled,
}

/// One report reads every hosted text, so there is one at a time.
static ONE_AT_A_TIME: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);

/// What was compared, and what was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    contribution: ContributionId,
    /// Earlier contributions that stand or wait, and how many of them this gateway hosts.
    earlier: usize,
    compared: usize,
    /// Pairs, by new document, the most repeated first.
    near_duplicates: Vec<NearDuplicate>,
}

/// Compares a hosted contribution with every hosted earlier one of any datanet: a copy in another datanet would be paid
/// by requests that do not name the original's.
pub(crate) async fn report(app: &App, id: ContributionId) -> Result<Report, ApiError> {
    let unknown = || ApiError::not_found("contribution_not_found", format!("contribution {id} is not hosted here"));
    let fact = app.chain.contribution(id).await?.ok_or_else(unknown)?;
    if !app.hosted.texts.holds(fact.root) {
        return Err(unknown());
    }
    // Before the chain is read: whoever waits for a turn holds nothing. The turn ends with the work, not with the request,
    // which a client can end at any time.
    let turn = ONE_AT_A_TIME.acquire().await.map_err(|error| ApiError::internal(&error))?;
    let stands = |status| matches!(status, ContributionStatus::Accepted | ContributionStatus::Pending);
    let all = app.chain.contributions().await?;
    let earlier: Vec<_> = all.range(..id).map(|(_, other)| other).filter(|other| stands(other.status)).collect();
    let texts = app.hosted.texts.clone();
    let count = earlier.len();
    let hosted: Vec<_> =
        earlier.into_iter().map(|other| (other.id, other.root)).filter(|(_, root)| texts.holds(*root)).collect();
    let compared = hosted.len();
    let cancelled = CancellationToken::new();
    let _guard = cancelled.clone().drop_guard();
    let work = move || {
        let _turn = turn;
        compare(&texts, fact.root, &hosted, &cancelled)
    };
    let near_duplicates = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiError::internal(&error))?
        .map_err(|error| ApiError::internal(&error))?;
    Ok(Report { contribution: id, earlier: count, compared, near_duplicates })
}

/// Reads the new texts in parts that a comparison takes, and the earlier ones one by one for each part.
fn compare(
    texts: &Arc<Texts>,
    root: B256,
    earlier: &[(ContributionId, B256)],
    cancelled: &CancellationToken,
) -> Result<Vec<NearDuplicate>, CompareError> {
    let bundle = texts.bundle(root)?;
    let mut found = Vec::new();
    let mut next = 0;
    while next < bundle.documents() {
        let first = next;
        let (mut part, mut bytes) = (Vec::new(), 0);
        while next < bundle.documents() {
            let text = bundle.text(next)?;
            if bytes + text.len() > MAX_NEW_BYTES && !part.is_empty() {
                break;
            }
            bytes += text.len();
            part.push(text);
            next += 1;
        }
        let mut comparison = Comparison::new(part.iter().map(String::as_str))?;
        for (id, root) in earlier {
            let other = texts.bundle(*root)?;
            for document in 0..other.documents() {
                if cancelled.is_cancelled() {
                    return Err(CompareError::Cancelled);
                }
                comparison.with(*id, document, &other.text(document)?);
            }
        }
        found.extend(comparison.finish().into_iter().map(|mut pair| {
            pair.document += first;
            pair
        }));
    }
    Ok(found)
}

//! Auditing a receipt: where does its evidence differ from what the texts say?
//!
//! The auditor holds the texts of the named versions, recomputes the owners and compares byte by byte. What it finds is
//! exactly what the chain can be shown: a byte that the credited source does not hold, or a window of an earlier source.

use fonte_types::{
    ContributionId, WINDOW,
    bundle::ReceiptBundle,
    evidence::{Run, Source},
};

use crate::{error::TraceError, members::Members, trace::TraceIndex};

/// A provable fault of a receipt's evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The credited source does not hold the answer's byte at `position` where run `run` says.
    NotThere {
        /// Index of the run.
        run: u32,
        /// Byte of the answer, inside the run's match.
        position: u32,
    },
    /// The window of the answer at `position` touches run `run` and stands in an earlier source.
    Earlier {
        /// Index of the run.
        run: u32,
        /// First byte of the window in the answer.
        position: u32,
        /// The earlier source; never nobody.
        source: Source,
        /// Its document (0 for the prompt).
        document: u32,
        /// Where the window stands in it.
        offset: u64,
    },
}

/// Gives the text of a document, if the auditor holds it.
pub trait Texts {
    /// The clean text of document `document` of a contribution.
    fn text(&self, contribution: ContributionId, document: u32) -> Option<Vec<u8>>;
}

impl<F: Fn(ContributionId, u32) -> Option<Vec<u8>>> Texts for F {
    fn text(&self, contribution: ContributionId, document: u32) -> Option<Vec<u8>> {
        self(contribution, document)
    }
}

/// The first fault of the bundle's evidence, one per run at most and in their order; an honest receipt has none.
///
/// # Errors
/// As [`TraceIndex::owners`].
pub fn faults(
    bundle: &ReceiptBundle,
    index: &dyn TraceIndex,
    texts: &dyn Texts,
    members: &dyn Members,
) -> Result<Vec<Fault>, TraceError> {
    let answer = bundle.answer.text.as_bytes();
    let prompt = bundle.prompt.text.as_bytes();
    let honest = index.owners(answer, prompt, members)?;
    Ok(bundle
        .runs
        .iter()
        .zip(0..)
        .filter_map(|(run, number)| {
            earlier(run, number, &honest).or_else(|| not_there(run, number, answer, prompt, texts))
        })
        .collect())
}

/// The first byte of the run whose true owner comes before the claimed one, and a window that shows it.
fn earlier(run: &Run, number: u32, honest: &[Run]) -> Option<Fault> {
    let window = WINDOW as u32;
    let truth =
        honest.iter().find(|truth| truth.end > run.start && truth.start < run.end && truth.source < run.source)?;
    let byte = truth.start.max(run.start);
    // Inside the true owner's match, over the byte: exists because the match is at least a window long and holds it.
    let position = byte.min(truth.match_end - window).max(truth.match_start);
    Some(Fault::Earlier {
        run: number,
        position,
        source: truth.source,
        document: truth.document,
        offset: truth.offset + u64::from(position - truth.match_start),
    })
}

fn not_there(run: &Run, number: u32, answer: &[u8], prompt: &[u8], texts: &dyn Texts) -> Option<Fault> {
    let text = match run.source {
        Source::Nobody => return None,
        Source::Prompt => prompt.to_vec(),
        Source::Contribution(id) => texts.text(id, run.document)?,
    };
    let position = (run.match_start..run.match_end).find(|position| {
        let at = usize::try_from(run.offset + u64::from(position - run.match_start)).ok();
        let held = at.and_then(|at| text.get(at));
        held.is_none() || held != answer.get(*position as usize)
    })?;
    Some(Fault::NotThere { run: number, position })
}

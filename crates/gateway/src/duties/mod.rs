//! What anybody may do for the protocol, and somebody must: the keeper ends epochs of validators, moves review cases and
//! evaluation rounds on, marks models that were trained on what is withdrawn, carries evidence of double signing to the
//! chain, and refills this gateway's budget of the free allowance.
//!
//! Nothing of it is written down: what is due stands on chain, so a restart looks again and a duty that somebody else did
//! is no duty any more. Whether it is due is the contract's word, asked by estimating the call: what would be refused is
//! not sent, and costs nothing. A pass happens once per block at most, reads and sends a bounded number of things, and
//! goes on in the next one.

mod cases;
mod elections;
mod evidence;
mod rounds;
mod withdrawals;

use alloy_primitives::{Address, B256, Bytes};
use tokio::sync::Mutex;

use crate::{
    app::App,
    chain::{Call, ChainError, HeadFacts},
    free,
};

/// Transactions of one pass at most.
const MAX_SENT: usize = 16;
/// Cases, rounds, and models for a withdrawal that one pass looks at; and as many cases again that it has not seen yet.
const MAX_READ: usize = 64;

/// Something that was due and is done.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Performed {
    /// What.
    pub what: &'static str,
    /// Whose: a number of a case or model, zero where there is but one.
    pub number: u64,
    /// The transaction.
    pub tx: B256,
}

/// What a keeper remembers between passes; all of it can be found again.
pub(crate) struct Duties(Mutex<State>);

#[derive(Default)]
struct State {
    /// The block that is being looked at.
    begun: Option<u64>,
    /// The last block that was looked at to the end.
    finished: Option<u64>,
    cases: cases::Cases,
    rounds: rounds::Rounds,
    evidence: evidence::Evidence,
    withdrawals: withdrawals::Withdrawals,
}

impl Duties {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }
}

/// Does what is due. One kind that fails does not keep the others from being done; the first failure is returned.
pub(crate) async fn perform(app: &App) -> Result<Vec<Performed>, ChainError> {
    let mut state = app.duties.0.lock().await;
    let head = app.chain.head().await?;
    if state.finished == Some(head.number) {
        return Ok(Vec::new());
    }
    let fresh = state.begun.replace(head.number) != Some(head.number);
    let number = head.number;
    let mut pass = Pass { app, head, fresh, done: Vec::new() };
    let State { cases, rounds, evidence, withdrawals, .. } = &mut *state;
    let outcomes = [
        evidence.report(&mut pass).await.map(|()| true),
        elections::end_epoch(&mut pass).await.map(|()| true),
        free::keep(&mut pass).await.map(|()| true),
        cases.advance(&mut pass).await,
        rounds.advance(&mut pass).await,
        withdrawals.advance(&mut pass).await,
    ];
    let mut finished = pass.may_send();
    let done = pass.done;
    for outcome in outcomes {
        finished &= outcome?;
    }
    if finished {
        state.finished = Some(number);
    }
    Ok(done)
}

/// One look at what is due.
pub(crate) struct Pass<'a> {
    pub(crate) app: &'a App,
    pub(crate) head: HeadFacts,
    /// The first at this block.
    fresh: bool,
    done: Vec<Performed>,
}

impl Pass<'_> {
    /// Whether this pass may send more.
    fn may_send(&self) -> bool {
        self.done.len() < MAX_SENT
    }

    /// Sends a call if the contract takes it now; whether it did.
    pub(crate) async fn attempt(
        &mut self,
        what: &'static str,
        number: u64,
        to: Address,
        data: Vec<u8>,
    ) -> Result<bool, ChainError> {
        if !self.may_send() {
            return Ok(false);
        }
        match self.app.chain.submit(&Call { what, to, value: 0, data: Bytes::from(data) }).await {
            Ok(receipt) => {
                let tx = receipt.transaction_hash;
                tracing::info!(what, number, %tx, "a duty is done");
                self.app.metrics.duties.increment();
                self.done.push(Performed { what, number, tx });
                Ok(true)
            }
            // Not due, or somebody else was faster.
            Err(ChainError::Reverted { reason, .. }) => {
                tracing::debug!(what, number, reason, "not due");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

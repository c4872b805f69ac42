//! Cases of the contract `Reviews`: seat, close, finish; deliver what a consumer failed to take; and return the deposits
//! of reports about models.

use std::{collections::BTreeSet, ops::Bound};

use alloy_primitives::Address;
use alloy_sol_types::SolCall;
use fonte_bindings::contracts::{ModelReviews, Reviews};

use super::{MAX_READ, Pass};
use crate::chain::ChainError;

/// Places in `IReviews.Stage`.
const SEATING: u8 = 1;
const VOTING: u8 = 2;
const DECIDED: u8 = 3;
const FAILED: u8 = 4;
const FINAL: u8 = 5;

/// Which cases are not final, as far as they have been looked at.
#[derive(Default)]
pub(super) struct Cases {
    /// Cases up to this number are in `open`, final, or in `unseen`.
    known: u64,
    /// Cases 1 to this one have not been looked at since the start.
    unseen: u64,
    open: BTreeSet<u64>,
    /// After which open case the next pass begins.
    last: u64,
    /// Open cases that wait for their turn at the present block.
    left: usize,
}

impl Cases {
    /// Moves on what can be moved on; whether all there is has been looked at.
    pub(super) async fn advance(&mut self, pass: &mut Pass<'_>) -> Result<bool, ChainError> {
        let app = pass.app;
        let contract = app.chain.client.reviews_contract();
        let count = app.chain.read("the number of review cases", contract.caseCount().call().await)?;
        if self.known == 0 {
            self.unseen = count;
        } else {
            self.open.extend(self.known + 1..=count);
        }
        self.known = count;
        // The newest first: old ones are mostly final.
        for _ in 0..MAX_READ.min(usize::try_from(self.unseen).unwrap_or(usize::MAX)) {
            let stage = contract.stageOf(self.unseen).call().await;
            if app.chain.read("the stage of a review case", stage)? != FINAL {
                self.open.insert(self.unseen);
            }
            self.unseen -= 1;
        }
        let after = self.open.range((Bound::Excluded(self.last), Bound::Unbounded));
        if pass.fresh {
            self.left = self.open.len();
        }
        let now = self.left.min(MAX_READ);
        let due: Vec<u64> = after.chain(self.open.range(..=self.last)).take(now).copied().collect();
        for case in due {
            if !pass.may_send() {
                return Ok(false);
            }
            (self.last, self.left) = (case, self.left - 1);
            if move_on(pass, case).await? {
                self.open.remove(&case);
            }
        }
        Ok(self.left == 0 && self.unseen == 0)
    }
}

/// Does what a case waits for; whether nothing can come any more.
async fn move_on(pass: &mut Pass<'_>, id: u64) -> Result<bool, ChainError> {
    let app = pass.app;
    let contract = app.chain.client.reviews_contract();
    let case = app.chain.read("a review case", contract.caseOf(id).call().await)?;
    let at = *contract.address();
    let late = pass.head.timestamp > case.deadline;
    match case.stage {
        // No block: it is named once the time to appeal is over.
        SEATING if pass.head.number > case.seedBlock && (case.seedBlock != 0 || late) => {
            pass.attempt("drawing a panel", id, at, Reviews::seatCall { id }.abi_encode()).await?;
        }
        VOTING => {
            pass.attempt("counting a panel's votes", id, at, Reviews::closeCall { id }.abi_encode()).await?;
        }
        DECIDED if late => {
            pass.attempt("ending a case", id, at, Reviews::finishCall { id }.abi_encode()).await?;
        }
        // Without an appeal only the fallback can decide.
        FAILED if late && case.appellant != Address::ZERO => {
            pass.attempt("ending a case", id, at, Reviews::finishCall { id }.abi_encode()).await?;
        }
        FINAL => {
            if case.undelivered {
                let data = Reviews::deliverCall { id }.abi_encode();
                pass.attempt("delivering a decision", id, at, data).await?;
            }
            let reports = app.chain.client.addresses().model_reviews;
            if case.consumer == reports {
                let data = ModelReviews::finishReportCall { caseId: id }.abi_encode();
                pass.attempt("returning the deposit of a report", id, reports, data).await?;
            }
            return Ok(true);
        }
        _ => {}
    }
    Ok(false)
}

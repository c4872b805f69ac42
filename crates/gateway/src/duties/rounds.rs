//! Rounds of the contract `ModelReviews`: draw the evaluators, count their scores, and make those pay who stood alone or
//! kept silent.

use std::collections::BTreeMap;

use alloy_sol_types::SolCall;
use fonte_bindings::contracts::{ModelReviews, model_reviews::IModelReviews::Round};

use super::{MAX_READ, Pass};
use crate::chain::ChainError;

/// Places in `IModelReviews.Phase`.
const OPENED: u8 = 1;
const COUNTING: u8 = 4;
const STOOD: u8 = 5;
const FAILED: u8 = 6;

/// Which rounds are over, as far as they have been looked at.
#[derive(Default)]
pub(super) struct Rounds {
    /// The last model that was looked at.
    last: u32,
    /// Models that wait for their turn at the present block.
    left: u32,
    /// How many rounds of a model are over and done with.
    done: BTreeMap<u32, u32>,
}

impl Rounds {
    /// Looks at the next models, and moves their rounds on; whether these were all.
    pub(super) async fn advance(&mut self, pass: &mut Pass<'_>) -> Result<bool, ChainError> {
        let app = pass.app;
        let models = app.chain.client.models_contract().modelCount().call().await;
        let models = app.chain.read("the number of models", models)?;
        let contract = app.chain.client.model_reviews_contract();
        if pass.fresh {
            self.left = models;
        }
        for _ in 0..self.left.min(u32::try_from(MAX_READ).unwrap_or(u32::MAX)) {
            if !pass.may_send() {
                return Ok(false);
            }
            self.left -= 1;
            let model = if self.last >= models { 1 } else { self.last + 1 };
            self.last = model;
            let rounds = app.chain.read("a model's rounds", contract.roundCount(model).call().await)?;
            for number in self.done.get(&model).copied().unwrap_or_default() + 1..=rounds {
                if !move_on(pass, model, number).await? {
                    break;
                }
                self.done.insert(model, number);
            }
        }
        Ok(self.left == 0)
    }
}

/// Does what a round waits for; whether nothing can come any more.
async fn move_on(pass: &mut Pass<'_>, model: u32, number: u32) -> Result<bool, ChainError> {
    let app = pass.app;
    let contract = app.chain.client.model_reviews_contract();
    let round = app.chain.read("an evaluation round", contract.round(model, number).call().await)?;
    let at = *contract.address();
    match round.phase {
        OPENED if pass.head.number > round.drawBlock => {
            let data = ModelReviews::drawCall { model }.abi_encode();
            pass.attempt("drawing evaluators", model.into(), at, data).await?;
        }
        COUNTING => {
            let data = ModelReviews::closeCall { model }.abi_encode();
            pass.attempt("counting an evaluation", model.into(), at, data).await?;
        }
        STOOD | FAILED => return penalize(pass, model, number, &round).await,
        _ => {}
    }
    Ok(false)
}

/// Tries everybody who promised a score: the contract says who owes. Whether all were tried.
async fn penalize(pass: &mut Pass<'_>, model: u32, number: u32, round: &Round) -> Result<bool, ChainError> {
    let app = pass.app;
    let contract = app.chain.client.model_reviews_contract();
    for seat in &round.seats {
        let vote = app.chain.read("an evaluator's score", contract.voteOf(model, number, *seat).call().await)?;
        if vote.commitment.is_zero() || vote.penalized {
            continue;
        }
        if !pass.may_send() {
            return Ok(false);
        }
        let data = ModelReviews::penalizeCall { model, number, evaluator: *seat }.abi_encode();
        pass.attempt("penalizing an evaluator", model.into(), *contract.address(), data).await?;
    }
    Ok(true)
}

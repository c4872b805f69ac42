//! Epochs of the contract `Validators`: `docs/spec/validators.md`, section 3.

use alloy_sol_types::SolCall;
use fonte_bindings::contracts::Validators;

use super::Pass;
use crate::chain::ChainError;

/// Ends the epoch when its time is over. Where nobody has any stake nobody can be elected or wait for an epoch's end, as
/// on a chain that is not Fonte's own: there it would only cost.
pub(super) async fn end_epoch(pass: &mut Pass<'_>) -> Result<(), ChainError> {
    let app = pass.app;
    let contract = app.chain.client.validators_contract();
    let end = app.chain.read("the end of the validators' epoch", contract.epochEnd().call().await)?;
    if end.untilBlock.saturating_to::<u64>() > pass.head.number
        || end.untilTime.saturating_to::<u64>() > pass.head.timestamp
    {
        return Ok(());
    }
    let at = *contract.address();
    if app.chain.client.balance(at).await? == 0 {
        return Ok(());
    }
    pass.attempt("ending the validators' epoch", 0, at, Validators::endEpochCall {}.abi_encode()).await?;
    Ok(())
}

//! Double signs that this gateway's node has seen: `docs/spec/validators.md`, section 5.

use std::collections::BTreeSet;

use alloy_primitives::Bytes;
use alloy_provider::Provider;
use alloy_sol_types::SolCall;
use fonte_bindings::evidence::DoubleSign;

use super::Pass;
use crate::chain::ChainError;

/// Whose evidence has been dealt with.
#[derive(Default)]
pub(super) struct Evidence {
    handled: BTreeSet<Bytes>,
    /// The node is not Fonte's, and knows of no evidence.
    unknown: bool,
}

impl Evidence {
    /// Reports everybody of whom the node has evidence and who is not jailed yet.
    pub(super) async fn report(&mut self, pass: &mut Pass<'_>) -> Result<(), ChainError> {
        if self.unknown {
            return Ok(());
        }
        let app = pass.app;
        let asked = app.chain.provider().raw_request::<_, Vec<DoubleSign>>("fonte_doubleSigns".into(), ()).await;
        let found = match asked {
            Ok(found) => found,
            // It answered that it does not know the question.
            Err(error) if error.as_error_resp().is_some() => {
                self.unknown = true;
                return Ok(());
            }
            Err(error) => return Err(ChainError::Rpc { what: "evidence of double signing", why: error.to_string() }),
        };
        let contract = app.chain.client.validators_contract();
        for evidence in found {
            if self.handled.contains(&evidence.consensus_key) || !pass.may_send() {
                continue;
            }
            let operator = contract.operatorOf(evidence.consensus_key.clone()).call().await;
            let operator = app.chain.read("whose a consensus key is", operator)?;
            let data = evidence.report(operator).abi_encode();
            // Refused: nobody registered the key, it is jailed already, or its time is over. None of it passes.
            pass.attempt("reporting a double sign", 0, *contract.address(), data).await?;
            self.handled.insert(evidence.consensus_key);
        }
        Ok(())
    }
}

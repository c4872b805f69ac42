//! Who votes, read from the contract `Validators` (`docs/spec/validators.md`): each epoch of consensus runs with the set
//! that is in force after the last block before it. Past sets stay in the contract, so all of this is read from the newest
//! state, at a restart as well as while running.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall;
use fonte_evm::{CallOutcome, CallRequest, Executor, Header, State};

use crate::{
    config::{NetworkAddress, ValidatorAddress, ValidatorPublic},
    error::ChainError,
};

/// The contract as the compiler described it.
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from the ABI, of which reading is a part"
)]
mod contract {
    alloy_sol_types::sol!(Validators, "../../contracts/artifacts/Validators.json");
}
use contract::Validators;

/// Who votes in one epoch of consensus.
#[derive(Clone, Debug)]
pub(crate) struct Committee {
    /// The last block before the epoch.
    pub(crate) parent: B256,
    /// The seats.
    pub(crate) validators: Vec<ValidatorAddress>,
    /// Candidates without a seat: they follow, so that they are up to date when they get one.
    pub(crate) followers: Vec<ValidatorAddress>,
}

/// The contract as of one state.
pub(crate) struct Reader<'a> {
    pub(crate) contract: Address,
    pub(crate) executor: &'a Executor,
    pub(crate) header: &'a Header,
    pub(crate) state: &'a State,
}

impl Reader<'_> {
    /// What its votes are signed for.
    pub(crate) fn network_id(&self) -> Result<B256, ChainError> {
        self.call(Validators::networkIdCall {})
    }

    /// The most seats and candidates there can be.
    pub(crate) fn bounds(&self) -> Result<(u32, u32), ChainError> {
        let parameters = self.call(Validators::parametersCall {})?;
        Ok((parameters.maxSeats, parameters.maxCandidates))
    }

    /// The set in force after block `after`, whose hash is `parent`.
    pub(crate) fn committee(&self, after: u64, parent: B256) -> Result<Committee, ChainError> {
        let epoch = self.call(Validators::epochAtBlockCall { number: after })?;
        let mut validators = Vec::new();
        for seat in self.call(Validators::setOfCall { number: epoch })? {
            validators.push(member(&seat.consensusKey, seat.networkKey, &seat.networkAddress)?);
        }
        let mut followers = Vec::new();
        for candidate in self.call(Validators::candidatesCall {})? {
            let found = self.call(Validators::validatorCall { operator: candidate.operator })?;
            let follower = member(&found.consensusKey, found.networkKey, &found.networkAddress)?;
            if validators.iter().all(|validator| validator.keys.network != follower.keys.network) {
                followers.push(follower);
            }
        }
        Ok(Committee { parent, validators, followers })
    }

    fn call<C: SolCall>(&self, call: C) -> Result<C::Return, ChainError> {
        let unreadable =
            |reason: String| ChainError::ValidatorSet { contract: self.contract, call: C::SIGNATURE, reason };
        let request = CallRequest { to: Some(self.contract), data: call.abi_encode().into(), ..CallRequest::default() };
        match self.executor.call(self.state, self.header, &request) {
            Ok(CallOutcome::Success { output, .. }) => {
                C::abi_decode_returns(&output).map_err(|error| unreadable(error.to_string()))
            }
            Ok(other) => Err(unreadable(format!("{other:?}"))),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }
}

/// An address that nobody can read is not dialled; its owner may dial.
fn member(vote: &Bytes, network: B256, address: &str) -> Result<ValidatorAddress, ChainError> {
    let vote = vote.as_ref().try_into().map_err(|_| ChainError::BadKey { which: "vote" })?;
    Ok(ValidatorAddress {
        keys: ValidatorPublic { network: network.0, vote },
        address: NetworkAddress::read(address).unwrap_or_else(NetworkAddress::nowhere),
    })
}

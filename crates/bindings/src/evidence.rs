//! Evidence of double signing as a node tells it by `fonte_doubleSigns` (`docs/spec/validators.md`, section 5), and as the
//! contract `Validators` takes it.

use alloy_primitives::{Address, B256, Bytes, U64};
use serde::Deserialize;

use crate::contracts::{Validators, validators::IValidators};

/// What two votes prove together, numbered as in `IValidators.Fault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Two notarize votes for different proposals.
    ConflictingNotarize = 0,
    /// Two finalize votes for different proposals.
    ConflictingFinalize = 1,
    /// A nullify vote first, a finalize vote second.
    NullifyFinalize = 2,
}

/// A vote without its kind, epoch and view.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SignedVote {
    /// View of the proposal's parent.
    pub parent: U64,
    /// Block hash.
    pub payload: B256,
    /// First half of the signature.
    pub r: B256,
    /// Second half.
    pub s: B256,
}

/// Two conflicting votes of one validator.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DoubleSign {
    /// Whose: secp256r1, compressed.
    pub consensus_key: Bytes,
    /// What they prove.
    pub fault: Fault,
    /// Consensus's epoch.
    pub epoch: U64,
    /// Consensus's view.
    pub view: U64,
    /// One vote.
    pub first: SignedVote,
    /// The other.
    pub second: SignedVote,
}

impl DoubleSign {
    /// The call that reports `operator`, whose key it is.
    pub fn report(&self, operator: Address) -> Validators::reportCall {
        Validators::reportCall {
            operator,
            fault: self.fault as u8,
            epoch_: self.epoch.to(),
            view_: self.view.to(),
            first: vote(&self.first),
            second: vote(&self.second),
        }
    }
}

fn vote(vote: &SignedVote) -> IValidators::Vote {
    IValidators::Vote { parent: vote.parent.to(), payload: vote.payload, r: vote.r, s: vote.s }
}

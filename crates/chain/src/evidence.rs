//! Evidence of double signing, as a node keeps and tells it. What becomes of it is not this crate's business: the
//! contract `Validators` takes it (`docs/spec/validators.md`, section 5), and whoever carries it there is paid for it.

use alloy_primitives::{B256, Bytes, U64};
use serde::{Deserialize, Serialize};

/// What two votes prove together, numbered as in `IValidators.Fault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedVote {
    /// View of the proposal's parent; 0 in a nullify vote.
    pub parent: U64,
    /// Block hash; 0 in a nullify vote.
    pub payload: B256,
    /// First half of the signature.
    pub r: B256,
    /// Second half, at most half of the curve's order.
    pub s: B256,
}

/// Two votes of one epoch and view of consensus that one validator signed and may not both sign. Both signatures hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DoubleSign {
    /// Whose: secp256r1, compressed, 33 bytes.
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

//! Picks the double signs out of what consensus reports, checks them, and turns them into [`DoubleSign`].
//!
//! Simplex compares every vote that it receives with the earlier one of its signer in the same view, and reports a
//! conflict before it has checked the later signature; so it is checked here. Its types keep the two votes to
//! themselves, but are encoded as one vote after the other.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{B256, Bytes, U64};
use commonware_actor::Feedback;
use commonware_codec::{DecodeExt as _, Encode, Error as CodecError};
use commonware_consensus::{
    Epochable as _, Reporter, Viewable as _,
    simplex::types::{Activity, Attributable as _, Finalize, Notarize, Nullify, Proposal},
};
use commonware_cryptography::certificate::{Attestation, Scheme as _};
use commonware_parallel::Sequential;
use commonware_runtime::tokio::Context;
use commonware_utils::ordered::Quorum as _;
use parking_lot::Mutex;
use tracing::warn;

use super::{Application, Digest, PublicKey, Scheme};
use crate::evidence::{DoubleSign, Fault, SignedVote};

/// One epoch's witness.
pub(super) struct Witness<A> {
    application: A,
    scheme: Scheme,
    /// The vote key behind each network key of the epoch.
    voters: Arc<BTreeMap<PublicKey, [u8; 33]>>,
    /// What verification asks for, and this scheme does not use.
    rng: Arc<Mutex<Context>>,
}

impl<A: Application> Witness<A> {
    pub(super) fn new(
        application: A,
        scheme: Scheme,
        voters: Arc<BTreeMap<PublicKey, [u8; 33]>>,
        rng: Context,
    ) -> Self {
        Self { application, scheme, voters, rng: Arc::new(Mutex::new(rng)) }
    }

    fn key_of(&self, activity: &Activity<Scheme, Digest>) -> Option<[u8; 33]> {
        let signer = match activity {
            Activity::ConflictingNotarize(evidence) => evidence.signer(),
            Activity::ConflictingFinalize(evidence) => evidence.signer(),
            Activity::NullifyFinalize(evidence) => evidence.signer(),
            _ => return None,
        };
        self.voters.get(self.scheme.participants().key(signer)?).copied()
    }
}

impl<A: Clone> Clone for Witness<A> {
    fn clone(&self) -> Self {
        Self {
            application: self.application.clone(),
            scheme: self.scheme.clone(),
            voters: Arc::clone(&self.voters),
            rng: Arc::clone(&self.rng),
        }
    }
}

impl<A: Application> Reporter for Witness<A> {
    type Activity = Activity<Scheme, Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        let Some(key) = self.key_of(&activity) else {
            return Feedback::Ok;
        };
        // Whoever sends an unsigned conflict is blocked by consensus, so nobody gets much work done here.
        if !activity.verify(&mut *self.rng.lock(), &self.scheme, &Sequential) {
            warn!("a conflicting vote whose signature does not hold");
            return Feedback::Ok;
        }
        match double_sign(key, &activity) {
            Ok(Some(evidence)) => self.application.double_sign(evidence),
            Ok(None) => {}
            Err(error) => warn!(%error, "a double sign could not be read"),
        }
        Feedback::Ok
    }
}

/// The evidence in an activity, if it is one.
pub(super) fn double_sign(
    key: [u8; 33],
    activity: &Activity<Scheme, Digest>,
) -> Result<Option<DoubleSign>, CodecError> {
    let (fault, epoch, view, first, second) = match activity {
        Activity::ConflictingNotarize(evidence) => {
            let (a, b) = <(Notarize<Scheme, Digest>, Notarize<Scheme, Digest>)>::decode(evidence.encode())?;
            let votes = (vote(Some(&a.proposal), &a.attestation)?, vote(Some(&b.proposal), &b.attestation)?);
            (Fault::ConflictingNotarize, evidence.epoch(), evidence.view(), votes.0, votes.1)
        }
        Activity::ConflictingFinalize(evidence) => {
            let (a, b) = <(Finalize<Scheme, Digest>, Finalize<Scheme, Digest>)>::decode(evidence.encode())?;
            let votes = (vote(Some(&a.proposal), &a.attestation)?, vote(Some(&b.proposal), &b.attestation)?);
            (Fault::ConflictingFinalize, evidence.epoch(), evidence.view(), votes.0, votes.1)
        }
        Activity::NullifyFinalize(evidence) => {
            let (a, b) = <(Nullify<Scheme>, Finalize<Scheme, Digest>)>::decode(evidence.encode())?;
            let votes = (vote(None, &a.attestation)?, vote(Some(&b.proposal), &b.attestation)?);
            (Fault::NullifyFinalize, evidence.epoch(), evidence.view(), votes.0, votes.1)
        }
        _ => return Ok(None),
    };
    let (epoch, view) = (U64::from(epoch.get()), U64::from(view.get()));
    Ok(Some(DoubleSign { consensus_key: Bytes::copy_from_slice(&key), fault, epoch, view, first, second }))
}

fn vote(proposal: Option<&Proposal<Digest>>, attestation: &Attestation<Scheme>) -> Result<SignedVote, CodecError> {
    let unreadable = || CodecError::Invalid("vote", "the signature is no point of its curve");
    let signature = attestation.signature.get().ok_or_else(unreadable)?;
    let (r, s) = signature.as_ref().split_at_checked(32).ok_or_else(unreadable)?;
    Ok(SignedVote {
        parent: U64::from(proposal.map_or(0, |proposal| proposal.parent.get())),
        payload: proposal.map_or(B256::ZERO, |proposal| B256::from(proposal.payload.0)),
        r: B256::try_from(r).map_err(|_| unreadable())?,
        s: B256::try_from(s).map_err(|_| unreadable())?,
    })
}

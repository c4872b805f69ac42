//! Key derivation: the only place where secret bytes become commonware keys.

use alloy_primitives::{Address, B256};
use commonware_codec::{Copying, DecodeExt, Encode};
use commonware_cryptography::{Signer as _, ed25519, secp256r1::standard as p256};

use crate::config::{ValidatorKeys, ValidatorPublic};
use crate::error::ChainError;

/// The network identity key.
pub(super) fn network(secret: &[u8; 32]) -> Result<ed25519::PrivateKey, ChainError> {
    ed25519::PrivateKey::decode(Copying(secret)).map_err(|_| ChainError::BadKey { which: "network" })
}

/// The vote key. Zero and values above the curve order are refused.
pub(super) fn vote(secret: &[u8; 32]) -> Result<p256::PrivateKey, ChainError> {
    p256::PrivateKey::decode(Copying(secret)).map_err(|_| ChainError::BadKey { which: "vote" })
}

pub(super) fn network_public(key: &[u8; 32]) -> Result<ed25519::PublicKey, ChainError> {
    ed25519::PublicKey::decode(Copying(key)).map_err(|_| ChainError::BadKey { which: "network" })
}

pub(super) fn vote_public(key: &[u8; 33]) -> Result<p256::PublicKey, ChainError> {
    p256::PublicKey::decode(Copying(key)).map_err(|_| ChainError::BadKey { which: "vote" })
}

/// The public half of a validator's keys.
pub(crate) fn public(keys: &ValidatorKeys) -> Result<ValidatorPublic, ChainError> {
    let network = network(keys.network_secret())?.public_key().encode();
    let vote = vote(keys.vote_secret())?.public_key().encode();
    Ok(ValidatorPublic {
        network: network.as_ref().try_into().map_err(|_| ChainError::BadKey { which: "network" })?,
        vote: vote.as_ref().try_into().map_err(|_| ChainError::BadKey { which: "vote" })?,
    })
}

/// The vote key's word that `operator` may register it together with the network key: r ‖ s over what
/// `Validators.registrationDigest` hashes.
pub(crate) fn sign_registration(
    keys: &ValidatorKeys,
    network_id: B256,
    operator: Address,
) -> Result<[u8; 64], ChainError> {
    let message = [operator.as_slice(), &public(keys)?.network].concat();
    let signature = vote(keys.vote_secret())?.sign(&super::namespace(network_id, b"validator"), &message);
    Ok(signature.as_ref().try_into().expect("a signature of secp256r1 is 64 bytes"))
}

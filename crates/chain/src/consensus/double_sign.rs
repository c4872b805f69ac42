//! Conflicting votes as commonware makes them, pinned in `fixtures/double_sign.json`, which the tests of the contract
//! `Validators` read too: so what the chain slashes for is what consensus signs. `FONTE_BLESS=1` writes the file anew; a
//! change there is a change of commonware's vote format or of the namespace, and the contract must follow.

use std::path::Path;

use alloy_primitives::{Address, B256, b256, hex, keccak256};
use commonware_consensus::{
    simplex::types::{
        Activity, ConflictingFinalize, ConflictingNotarize, Finalize, Notarize, Nullify, NullifyFinalize, Proposal,
    },
    types::{Epoch, Round, View},
};
use commonware_parallel::Sequential;
use commonware_utils::{TryCollect as _, ordered::BiMap, test_rng};
use serde_json::{Value, json};

use super::{Digest, Scheme, keys, votes_namespace, witness};
use crate::{config::ValidatorKeys, evidence::SignedVote};

pub(super) const NETWORK: B256 = b256!("0x00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f");
const VALIDATORS: u64 = 5;

pub(super) fn scheme(signer: u64, network: B256) -> Scheme {
    let pairs: BiMap<_, _> = (0..VALIDATORS)
        .map(|index| {
            let public = ValidatorKeys::development(index).public().unwrap();
            (keys::network_public(&public.network).unwrap(), keys::vote_public(&public.vote).unwrap())
        })
        .try_collect()
        .unwrap();
    let vote = keys::vote(ValidatorKeys::development(signer).vote_secret()).unwrap();
    Scheme::signer(&votes_namespace(network), pairs, vote).unwrap()
}

fn operator(index: u64) -> Address {
    Address::from_word(keccak256(format!("operator {index}")))
}

fn proposal(epoch: u64, view: u64, parent: u64, payload: &str) -> Proposal<Digest> {
    let round = Round::new(Epoch::new(epoch), View::new(view));
    Proposal::new(round, View::new(parent), commonware_cryptography::sha256::Digest(keccak256(payload).0))
}

fn vote(vote: &SignedVote) -> Value {
    json!({"parent": vote.parent.to::<u64>(), "payload": vote.payload, "r": vote.r, "s": vote.s})
}

/// One pair of votes by `signer`, as a node tells it; `fault` numbers as in `IValidators.Fault`.
fn pair(signer: u64, fault: u8, a: &Proposal<Digest>, b: &Proposal<Digest>) -> Value {
    let scheme = scheme(signer, NETWORK);
    let activity = match fault {
        0 => Activity::ConflictingNotarize(ConflictingNotarize::new(
            Notarize::sign(&scheme, a.clone()).unwrap(),
            Notarize::sign(&scheme, b.clone()).unwrap(),
        )),
        1 => Activity::ConflictingFinalize(ConflictingFinalize::new(
            Finalize::sign(&scheme, a.clone()).unwrap(),
            Finalize::sign(&scheme, b.clone()).unwrap(),
        )),
        _ => Activity::NullifyFinalize(NullifyFinalize::new(
            Nullify::sign::<Digest>(&scheme, b.round).unwrap(),
            Finalize::sign(&scheme, b.clone()).unwrap(),
        )),
    };
    assert!(activity.verify(&mut test_rng(), &scheme, &Sequential));
    let told = witness::double_sign([2; 33], &activity).unwrap().unwrap();
    assert_eq!((told.fault as u8, told.consensus_key.as_ref()), (fault, &[2; 33][..]));
    json!({
        "signer": signer, "fault": fault, "epoch": told.epoch.to::<u64>(), "view": told.view.to::<u64>(),
        "first": vote(&told.first), "second": vote(&told.second),
    })
}

/// Numbers around every length of a varint that matters, and the greatest.
fn fixture() -> Value {
    let validators: Vec<Value> = (0..VALIDATORS)
        .map(|index| {
            let keys = ValidatorKeys::development(index);
            let public = keys.public().unwrap();
            let proof = keys.sign_registration(NETWORK, operator(index)).unwrap();
            json!({
                "operator": operator(index),
                "consensusKey": hex::encode_prefixed(public.vote),
                "networkKey": B256::from(public.network),
                "r": B256::from_slice(&proof[..32]),
                "s": B256::from_slice(&proof[32..]),
            })
        })
        .collect();
    let proposals = [
        (proposal(0, 1, 0, "a"), proposal(0, 1, 0, "b")),
        (proposal(3, 127, 126, "a"), proposal(3, 127, 125, "a")),
        (proposal(127, 128, 127, "c"), proposal(127, 128, 126, "d")),
        (proposal(128, 16_383, 16_382, "e"), proposal(128, 16_383, 16_382, "f")),
        (proposal(u64::from(u32::MAX), 16_384, 0, "g"), proposal(u64::from(u32::MAX), 16_384, 1, "h")),
        (proposal(u64::MAX, u64::MAX, u64::MAX - 1, "i"), proposal(u64::MAX, u64::MAX, 1 << 62, "j")),
    ];
    let mut pairs = Vec::new();
    for (index, (a, b)) in proposals.iter().enumerate() {
        for fault in 0..3 {
            pairs.push(pair((index as u64 + u64::from(fault)) % VALIDATORS, fault, a, b));
        }
    }
    json!({ "networkId": NETWORK, "validators": validators, "pairs": pairs })
}

#[test]
fn conflicting_votes_are_as_pinned() {
    let fixture = fixture();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/double_sign.json");
    if std::env::var_os("FONTE_BLESS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&fixture).unwrap() + "\n").unwrap();
    }
    let pinned: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(fixture, pinned, "votes are not as pinned in fixtures/double_sign.json");
}

/// A vote of one network is none of another, so evidence cannot be carried over.
#[test]
fn a_vote_counts_on_its_network_alone() {
    let elsewhere = scheme(0, B256::with_last_byte(1));
    let vote = Notarize::sign(&elsewhere, proposal(0, 1, 0, "a")).unwrap();
    assert!(vote.verify(&mut test_rng(), &elsewhere, &Sequential));
    assert!(!vote.verify(&mut test_rng(), &scheme(0, NETWORK), &Sequential));
}

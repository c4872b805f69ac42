//! The verifier compiles by itself, without the standard library, an allocator or this crate, and verifies.

#![no_std]

#[allow(dead_code, unreachable_pub, unused_imports, reason = "half of it is for the prover")]
#[path = "../src/proof/verify/mod.rs"]
mod verify;

use alloy_primitives::keccak256;
use fonte_attribution::{Document, proof::SegmentProver};
use fonte_types::{ContributionId, DatanetId};

#[test]
fn it_verifies_without_this_crate() {
    let text = b"Green beans lose a seventh of their weight on the way to the cup.".into();
    let document = Document { contribution: ContributionId(7), document: 0, datanet: DatanetId(1), text };
    let prover = SegmentProver::of_documents(&[document]).unwrap();
    let pattern = b"beans lose a sixth";
    let (length, proof) = prover.prove_longest(pattern).unwrap();
    assert_eq!(&pattern[..length as usize], b"beans lose a s");

    let root = prover.root().0;
    let keccak256 = |bytes: &[u8]| keccak256(bytes).0;
    assert_eq!(verify::verify(keccak256, &root, &verify::Claim::Longest { pattern, length }, proof.as_bytes()), Ok(()));
    let absent = verify::Claim::Absent { pattern };
    assert_eq!(verify::verify(keccak256, &root, &absent, proof.as_bytes()), Ok(()));
    assert!(verify::verify(keccak256, &[7; 32], &absent, proof.as_bytes()).is_err());
}

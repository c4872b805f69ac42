//! Every truth has its proof, no falsehood has one, the trees are the plain ones, and wrong segments are refuted.

use fonte_types::{ContributionId, DatanetId};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    Claim, ProofError, SegmentProver,
    adversary::{Tries, Truth, attack, documents, pattern},
    reference::Plain,
    trees::hash,
    verify::{self, Parts, SEPARATOR, Statement},
};
use crate::{Document, Occurrence};

#[test]
fn no_statement_proves_a_falsehood() {
    let mut random = StdRng::seed_from_u64(11);
    let tries: Vec<Tries> = (0..25).map(|_| attack(&mut |below| random.random_range(0..below), 9)).collect();
    // That nothing false passed means something only if much that is true did.
    let accepted: u64 = tries.iter().map(|tries| tries.accepted).sum();
    assert!(accepted > 150, "{accepted}");
}

#[test]
fn every_truth_has_its_proof() {
    let mut random = StdRng::seed_from_u64(12);
    for round in 0..400 {
        let documents = documents(&mut |below| random.random_range(0..below), [5, 40, 300][round % 3]);
        let prover = SegmentProver::of_documents(&documents).unwrap();
        let root = prover.root();
        for _ in 0..20 {
            let pattern = pattern(&mut |below| random.random_range(0..below), &documents);
            let truth = Truth::of(&documents, &pattern);
            for &(contribution, document, at) in &truth.places {
                let place = Occurrence { contribution: ContributionId(contribution), document, offset: at as u64 };
                let proof = prover.prove_here(&pattern, place).unwrap().unwrap();
                let claim = Claim::Here { pattern: &pattern, contribution, document, offset: at as u32 };
                assert_eq!(proof.verify(root, &claim), Ok(()), "{documents:?}");
            }
            for before in 0..5 {
                let earlier = prover.prove_earlier(&pattern, ContributionId(before)).unwrap();
                let first = truth.places.first().filter(|place| place.0 < before);
                let place =
                    earlier.as_ref().map(|(place, _)| (place.contribution.0, place.document, place.offset as usize));
                assert_eq!(place, first.copied(), "{documents:?}");
                if let Some((_, proof)) = earlier {
                    assert_eq!(proof.verify(root, &Claim::Earlier { pattern: &pattern, before }), Ok(()));
                }
            }
            if let Some(at) = pattern.iter().position(|byte| *byte == SEPARATOR) {
                let refused = Some(ProofError::PatternSeparator { at });
                let of = |error| match error {
                    super::ProveError::Pattern(error) => Some(error),
                    _ => None,
                };
                assert_eq!(prover.prove_longest(&pattern).map_err(of).err(), Some(refused));
                assert_eq!(prover.prove_count(&pattern).map_err(of).err(), Some(refused));
                assert_eq!(prover.prove_absent(&pattern).map_err(of).err(), Some(refused));
                continue;
            }
            let (length, proof) = prover.prove_longest(&pattern).unwrap();
            assert_eq!(length as usize, truth.longest, "{pattern:?} in {documents:?}");
            assert_eq!(proof.verify(root, &Claim::Longest { pattern: &pattern, length }), Ok(()), "{documents:?}");
            let (count, proof) = prover.prove_count(&pattern).unwrap();
            assert_eq!(count as usize, truth.count, "{pattern:?} in {documents:?}");
            assert_eq!(proof.verify(root, &Claim::Count { pattern: &pattern, count }), Ok(()), "{documents:?}");
            let absent = prover.prove_absent(&pattern).unwrap();
            assert_eq!(absent.is_some(), truth.count == 0);
            if let Some(proof) = absent {
                assert_eq!(proof.verify(root, &Claim::Absent { pattern: &pattern }), Ok(()));
            }
        }
    }
}

/// The trees and the prover against the plain commitment: same roots, same bytes.
#[test]
fn proofs_are_byte_for_byte_the_plain_ones() {
    let mut random = StdRng::seed_from_u64(13);
    for round in 0..150 {
        let documents = documents(&mut |below| random.random_range(0..below), [3, 60, 900][round % 3]);
        let prover = SegmentProver::of_documents(&documents).unwrap();
        let plain = Plain::of(&documents);
        assert_eq!(prover.root().0, plain.root(), "{documents:?}");
        let bytes = plain.text.len() as u32;
        for _ in 0..30 {
            let (lo, length) = (random.random_range(0..bytes), random.random_range(1..40));
            let hi = random.random_range(lo + 1..=bytes);
            let index = random.random_range(0..plain.entries.len() as u32);
            for statement in [
                Statement::Boundary { rank: lo, upper: true, length: length - 1 },
                Statement::Boundary { rank: hi, upper: false, length: length - 1 },
                Statement::Interval { lo, hi, length },
                Statement::Place { index, offset: random.random_range(0..20), length },
                Statement::FaultyRow { rank: lo, at: length - 1 },
                Statement::FaultyEntry { index },
                Statement::NoSeparator { index },
            ] {
                let made = prover.assemble(&statement).ok().map(|proof| proof.as_bytes().to_vec());
                assert_eq!(made, plain.assemble(&statement), "{statement:?} over {documents:?}");
                if let Some(made) = made {
                    assert_eq!(Parts::decode(&made).map(|parts| parts.statement), Ok(statement));
                }
            }
        }
    }
}

/// Changes a segment so that something about it is wrong.
fn lie(random: &mut StdRng, plain: &mut Plain) {
    // An earlier lie may have led past the text.
    let last = plain.text.len() - 1;
    let mut suffixes: Vec<usize> = plain.rows.iter().map(|row| last.min(row.position as usize)).collect();
    let (a, b) = (random.random_range(0..suffixes.len()), random.random_range(0..suffixes.len()));
    let entry = random.random_range(0..plain.entries.len());
    match random.random_range(0..10) {
        // Suffixes in another order, or one for another; the rows honest about the neighbours.
        0 => {
            suffixes.swap(a, b);
            plain.rows = Plain::rows_of(&plain.text, &suffixes);
        }
        1 => {
            suffixes[a] = suffixes[b];
            plain.rows = Plain::rows_of(&plain.text, &suffixes);
        }
        2 => {
            let moved = suffixes.remove(a);
            suffixes.insert(b, moved);
            plain.rows = Plain::rows_of(&plain.text, &suffixes);
        }
        // One field of one row.
        3 => plain.rows[a].position = random.random_range(0..2 * suffixes.len() as u32),
        4 => plain.rows[a].shared = random.random_range(0..suffixes.len() as u16 + 3),
        5 => plain.rows[a].before = random.random(),
        // A byte of text under the rows of another; or of a separator.
        6 => plain.text[a] = b"ab\xff"[random.random_range(0..3)],
        // The document table.
        7 => plain.entries[entry].start += random.random_range(0..3),
        8 => plain.entries[entry].length = random.random_range(0..suffixes.len() as u32),
        _ => {
            let other = random.random_range(0..plain.entries.len());
            (plain.entries[entry].contribution, plain.entries[entry].document) =
                (plain.entries[other].contribution, plain.entries[other].document);
        }
    }
}

/// Whether a segment is what its text and documents make it.
fn is_right(plain: &Plain) -> bool {
    let mut suffixes: Vec<usize> = (0..plain.text.len()).collect();
    suffixes.sort_by_key(|at| &plain.text[*at..]);
    let mut at = 0;
    let tiles = plain.entries.iter().all(|entry| {
        let starts = entry.start == at;
        at = entry.start.saturating_add(entry.length).saturating_add(1);
        starts && plain.text.get(at as usize - 1) == Some(&SEPARATOR)
    });
    let names: Vec<_> = plain.entries.iter().map(|entry| (entry.contribution, entry.document)).collect();
    plain.rows == Plain::rows_of(&plain.text, &suffixes)
        && tiles
        && at as usize == plain.text.len()
        && names.is_sorted_by(|a, b| a < b)
}

#[test]
fn every_wrong_segment_is_refuted_and_no_right_one() {
    let mut random = StdRng::seed_from_u64(14);
    let (mut refuted, mut kinds) = (0, std::collections::BTreeSet::new());
    for _ in 0..4_000 {
        let mut plain = Plain::of(&documents(&mut |below| random.random_range(0..below), 12));
        let lies = random.random_range(0..3);
        for _ in 0..lies {
            lie(&mut random, &mut plain);
        }
        let fault = plain.fault();
        assert_eq!(fault.is_none(), is_right(&plain), "{fault:?} {plain:?}");
        let root = plain.root();
        if let Some(statement) = fault {
            let proof = plain.assemble(&statement).unwrap();
            assert_eq!(verify::refute(hash, &root, &proof), Ok(statement), "{plain:?}");
            // It is about this root alone.
            assert!(matches!(verify::refute(hash, &[1; 32], &proof), Err(ProofError::Root { .. })));
            refuted += 1;
            kinds.insert(proof[0]);
        } else {
            // Nothing that can be said against a right segment is believed.
            let bytes = plain.text.len() as u32;
            let rows = (0..bytes).flat_map(|rank| (0..20).map(move |at| Statement::FaultyRow { rank, at }));
            let twice = (1..bytes).flat_map(|hi| (0..hi).map(move |lo| Statement::Twice { lo, hi }));
            let entries = (0..plain.entries.len() as u32)
                .flat_map(|index| [Statement::FaultyEntry { index }, Statement::NoSeparator { index }]);
            // All of them would take minutes.
            for statement in rows.chain(twice).chain(entries).filter(|_| random.random_bool(0.03)) {
                let proof = plain.assemble(&statement).unwrap();
                assert!(verify::refute(hash, &root, &proof).is_err(), "{statement:?} {plain:?}");
            }
        }
    }
    assert!(refuted > 1_500, "{refuted}");
    assert_eq!(kinds.into_iter().collect::<Vec<u8>>(), [4, 5, 6, 7]);
}

/// The fuzzer's first find: a proof about a pattern, handed to `refute`, asked for bytes that nobody had given.
#[test]
fn proofs_of_claims_refute_nothing() {
    let text = b"abracadabra".to_vec();
    let document = Document { contribution: ContributionId(1), document: 0, datanet: DatanetId(1), text };
    let prover = SegmentProver::of_documents(&[document]).unwrap();
    for statement in [
        Statement::Place { index: 0, offset: 2, length: 5 },
        Statement::Boundary { rank: 3, upper: true, length: 1 },
        Statement::Interval { lo: 2, hi: 4, length: 2 },
    ] {
        let proof = prover.assemble(&statement).unwrap();
        let error = verify::refute(hash, &prover.root().0, proof.as_bytes()).unwrap_err();
        assert!(matches!(error, ProofError::Kinds { .. }), "{error}");
    }
}

/// A wrong segment can make a falsehood pass; that is what refutations are for.
#[test]
fn a_claim_is_worth_what_its_root_is() {
    let text = b"abracadabra".to_vec();
    let document = Document { contribution: ContributionId(1), document: 0, datanet: DatanetId(1), text };
    let mut plain = Plain::of(&[document]);
    // Both places of "bra" moved to the end, past "ra".
    let mut suffixes: Vec<usize> = plain.rows.iter().map(|row| row.position as usize).collect();
    let (bra, others): (Vec<usize>, Vec<usize>) = suffixes.iter().partition(|at| plain.text[**at] == b'b');
    suffixes = [others, bra].concat();
    plain.rows = Plain::rows_of(&plain.text, &suffixes);
    let absent = Claim::Absent { pattern: b"bra" };
    let rank = plain.rows.iter().position(|row| plain.text[row.position as usize] == b'c').unwrap() as u32;
    let proof = plain.assemble(&Statement::Boundary { rank, upper: true, length: 0 }).unwrap();
    assert_eq!(verify::verify(hash, &plain.root(), &absent, &proof), Ok(()));
    let refutation = plain.assemble(&plain.fault().unwrap()).unwrap();
    assert!(verify::refute(hash, &plain.root(), &refutation).is_ok());
}

use std::collections::BTreeMap;

use alloy_trie::{HashBuilder, Nibbles, proof::verify_proof};
use proptest::prelude::*;

use super::*;

/// The root that alloy-trie's hash builder gives for the same pairs.
fn reference_root(pairs: &BTreeMap<B256, U256>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in pairs {
        builder.add_leaf(Nibbles::unpack(key), &alloy_rlp::encode(value));
    }
    builder.root()
}

fn check(trie: &Trie<U256>, pairs: &BTreeMap<B256, U256>) {
    assert_eq!(trie.root(), reference_root(pairs));
    for (key, value) in pairs {
        assert_eq!(trie.get(key), Some(value));
    }
}

/// Keys that collide on purpose: few distinct nibbles, so branches, long extensions and embedded nodes all occur.
fn crowded_key() -> impl Strategy<Value = B256> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(0x10), Just(0x11)];
    prop_oneof![
        // Differs at the start.
        proptest::collection::vec(byte.clone(), 2).prop_map(|head| {
            let mut key = B256::ZERO;
            key[..2].copy_from_slice(&head);
            key
        }),
        // Differs at the end: leaves short enough to stand inside their parent.
        proptest::collection::vec(byte, 2).prop_map(|tail| {
            let mut key = B256::repeat_byte(7);
            key[30..].copy_from_slice(&tail);
            key
        }),
        any::<[u8; 32]>().prop_map(B256::from),
    ]
}

fn value() -> impl Strategy<Value = Option<U256>> {
    prop_oneof![
        2 => Just(None),
        2 => (1u64..200).prop_map(|small| Some(U256::from(small))),
        2 => any::<[u8; 32]>().prop_map(|bytes| Some(U256::from_be_bytes(bytes).max(U256::from(1)))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn equals_the_reference_after_every_step(steps in proptest::collection::vec((crowded_key(), value()), 1..60)) {
        let mut trie = Trie::default();
        let mut pairs = BTreeMap::new();
        for (key, value) in steps {
            match value {
                Some(value) => { trie.insert(&key, value); pairs.insert(key, value); }
                None => { trie.remove(&key); pairs.remove(&key); }
            }
            check(&trie, &pairs);
        }
        // Emptying collapses every branch in turn.
        for key in pairs.clone().into_keys() {
            trie.remove(&key);
            pairs.remove(&key);
            check(&trie, &pairs);
        }
        prop_assert_eq!(trie.root(), EMPTY_ROOT_HASH);
    }

    #[test]
    fn versions_do_not_see_each_other(
        base in proptest::collection::vec((crowded_key(), value()), 1..30),
        left in proptest::collection::vec((crowded_key(), value()), 1..30),
        right in proptest::collection::vec((crowded_key(), value()), 1..30),
    ) {
        let run = |trie: &mut Trie<U256>, pairs: &mut BTreeMap<B256, U256>, steps: &[(B256, Option<U256>)]| {
            for (key, value) in steps {
                match value {
                    Some(value) => { trie.insert(key, *value); pairs.insert(*key, *value); }
                    None => { trie.remove(key); pairs.remove(key); }
                }
            }
        };
        let (mut base_trie, mut base_pairs) = (Trie::default(), BTreeMap::new());
        run(&mut base_trie, &mut base_pairs, &base);
        let base_root = base_trie.root();
        let (mut left_trie, mut left_pairs) = (base_trie.clone(), base_pairs.clone());
        run(&mut left_trie, &mut left_pairs, &left);
        let (mut right_trie, mut right_pairs) = (base_trie.clone(), base_pairs.clone());
        run(&mut right_trie, &mut right_pairs, &right);
        check(&right_trie, &right_pairs);
        check(&left_trie, &left_pairs);
        check(&base_trie, &base_pairs);
        prop_assert_eq!(base_trie.root(), base_root);
        drop(left_trie);
        check(&right_trie, &right_pairs);
    }

    #[test]
    fn proofs_verify_and_bind_the_value(
        pairs in proptest::collection::btree_map(crowded_key(), value().prop_map(|v| v.unwrap_or(U256::from(5))), 0..40),
        probe in crowded_key(),
    ) {
        let mut trie = Trie::default();
        for (key, value) in &pairs {
            trie.insert(key, *value);
        }
        let root = trie.root();
        for key in pairs.keys().chain([&probe]) {
            let expected = pairs.get(key).map(alloy_rlp::encode);
            let proof = trie.proof(key);
            verify_proof(root, Nibbles::unpack(key), expected, &proof).expect("our proof is accepted");
            let wrong = Some(alloy_rlp::encode(U256::from(0xdead_beef_u64)));
            prop_assert!(verify_proof(root, Nibbles::unpack(key), wrong, &proof).is_err());
        }
    }
}

#[test]
fn the_empty_root_is_ethereums() {
    let root = Trie::<U256>::default().root();
    assert_eq!(root, keccak256([0x80]));
    assert_eq!(root, alloy_primitives::b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"));
}

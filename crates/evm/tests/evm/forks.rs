//! Snapshots of competing blocks never see each other, diffs carry everything, and the root is Ethereum's.

use std::collections::BTreeMap;

use crate::common::*;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_trie::{Nibbles, proof::verify_proof};
use fonte_evm::{ExecutedBlock, RecoveredTx};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Action {
    /// To one of few strangers, perhaps nothing at all: touching an empty account must not create it (EIP-161).
    Transfer {
        to: u8,
        wei: u64,
    },
    Store {
        slot: u64,
        value: u64,
    },
    Deploy {
        byte: u8,
    },
    Ephemeral {
        wei: u64,
    },
    Revert,
    Log,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => (0u8..4, prop_oneof![Just(0u64), 1..1_000u64]).prop_map(|(to, wei)| Action::Transfer { to, wei }),
        5 => (0u64..6, 0u64..3).prop_map(|(slot, value)| Action::Store { slot, value }),
        1 => any::<u8>().prop_map(|byte| Action::Deploy { byte }),
        1 => (0u64..5).prop_map(|wei| Action::Ephemeral { wei }),
        1 => Just(Action::Revert),
        1 => Just(Action::Log),
    ]
}

type Plan = Vec<Vec<(u8, Action)>>;

/// Up to three blocks of up to six transactions from four senders.
fn plan() -> impl Strategy<Value = Plan> {
    proptest::collection::vec(proptest::collection::vec((0u8..4, action()), 0..6), 1..4)
}

fn transactions(parent: &ExecutedBlock, actions: &[(u8, Action)]) -> Vec<RecoveredTx> {
    let mut nonces = BTreeMap::new();
    let mut next_nonce = |sender: u8| {
        let nonce = nonces
            .entry(sender)
            .or_insert_with(|| parent.state.account(key(sender).address()).map_or(0, |account| account.nonce));
        *nonce += 1;
        *nonce - 1
    };
    actions
        .iter()
        .map(|(sender, action)| {
            let nonce = next_nonce(*sender);
            let transaction = match action {
                Action::Transfer { to, wei } => call(nonce, Address::with_last_byte(0xa0 + to), *wei, Bytes::new()),
                Action::Store { slot, value } => call(nonce, STORE, 0, words(&[*slot, *value])),
                Action::Deploy { byte } => {
                    let mut transaction = call(nonce, STORE, 0, deploys(&[0x60, *byte, 0x00]));
                    transaction.to = TxKind::Create;
                    transaction
                }
                Action::Ephemeral { wei } => call(nonce, EPHEMERAL, *wei, Bytes::new()),
                Action::Revert => call(nonce, REVERTS, 0, Bytes::new()),
                Action::Log => call(nonce, LOGGER, 0, words(&[nonce])),
            };
            signed(&key(*sender), transaction)
        })
        .collect()
}

/// Extends `parent` block by block, checking each root against alloy-trie over plain rows kept by diffs alone.
fn extend(parent: &ExecutedBlock, rows: &Flat, plan: &Plan) -> (ExecutedBlock, Flat) {
    let (mut head, mut rows) = (parent.clone(), rows.clone());
    for actions in plan {
        let (block, skipped) = next(&head, transactions(&head, actions));
        assert_eq!(skipped, []);
        rows.apply(&block.diff);
        assert_eq!(rows.root(), block.header().state_root);
        head = block;
    }
    (head, rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn forks_do_not_leak(trunk in plan(), left in plan(), right in plan()) {
        let zero = genesis().build().expect("genesis");
        let mut rows = Flat::default();
        rows.apply(&zero.diff);
        let (trunk, trunk_rows) = extend(&zero, &rows, &trunk);
        let trunk_root = trunk.state.root();

        // Two forks, block by block on the same trunk; then the left one loses.
        let (left_head, left_rows) = extend(&trunk, &trunk_rows, &left);
        let (right_head, right_rows) = extend(&trunk, &trunk_rows, &right);
        prop_assert_eq!(left_head.state.root(), left_rows.root());
        drop(left_head);
        prop_assert_eq!(right_head.state.root(), right_rows.root());
        prop_assert_eq!(trunk.state.root(), trunk_root);

        // From scratch: the trunk rebuilt from rows, as after a restart, gives the same blocks and the same rows.
        let reloaded = ExecutedBlock { state: trunk_rows.load(), ..trunk.clone() };
        prop_assert_eq!(reloaded.state.root(), trunk_root);
        let (again, again_rows) = extend(&reloaded, &trunk_rows, &right);
        prop_assert_eq!(again.hash(), right_head.hash());
        prop_assert_eq!(&again_rows, &right_rows);

        // Every read through the snapshot is the row.
        for (address, account) in &right_rows.accounts {
            prop_assert_eq!(right_head.state.account(*address), Some(*account));
            for slot in 0..6 {
                let row = right_rows.storage.get(address).and_then(|slots| slots.get(&U256::from(slot)));
                prop_assert_eq!(right_head.state.storage(*address, U256::from(slot)), row.copied().unwrap_or_default());
            }
        }
        for last in 0xa0..0xa4 {
            let address = Address::with_last_byte(last);
            prop_assert_eq!(right_head.state.account(address), right_rows.accounts.get(&address).copied());
        }
        // Applying diffs to a snapshot is the same as executing.
        let mut replayed = trunk.state.clone();
        let mut head = trunk.clone();
        for actions in &right {
            let (block, _) = next(&head, transactions(&head, actions));
            replayed = replayed.apply(&block.diff).expect("a diff fits its parent");
            prop_assert_eq!(replayed.root(), block.header().state_root);
            head = block;
        }
    }
}

#[test]
fn proofs_of_accounts_and_slots_verify() {
    let zero = genesis().build().expect("genesis");
    let store = |nonce, slot, value| signed(&key(0), call(nonce, STORE, 0, words(&[slot, value])));
    let (block, _) = next(&zero, (1..20).map(|n| store(n - 1, n, 1_000 + n)).collect());
    let slots: Vec<U256> = (0..25).map(U256::from).collect();
    for address in [STORE, key(0).address(), Address::with_last_byte(0x99)] {
        let proof = block.state.proof(address, &slots);
        let key = |bytes: &[u8]| Nibbles::unpack(alloy_primitives::keccak256(bytes));
        let account = proof.account.map(|account| {
            alloy_rlp::encode(alloy_trie::TrieAccount {
                nonce: account.nonce,
                balance: account.balance,
                storage_root: proof.storage_root,
                code_hash: account.code_hash,
            })
        });
        assert_eq!(account.is_some(), address != Address::with_last_byte(0x99));
        verify_proof(block.header().state_root, key(address.as_slice()), account, &proof.nodes).expect("account proof");
        for slot in proof.slots {
            let expected = (!slot.value.is_zero()).then(|| alloy_rlp::encode(slot.value));
            verify_proof(proof.storage_root, key(&slot.slot.to_be_bytes::<32>()), expected, &slot.nodes)
                .expect("slot proof");
            let stored = address == STORE && slot.slot > U256::ZERO && slot.slot < U256::from(20);
            assert_eq!(slot.value, if stored { slot.slot + U256::from(1_000) } else { U256::ZERO });
        }
    }
}

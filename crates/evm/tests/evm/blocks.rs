//! Blocks: what a transaction changes, what the header commits to, what is refused and by which name.

use crate::common::*;
use alloy_consensus::{
    Header, Receipt, SignableTransaction, Transaction as _, TxEip1559, TxEip2930, TxEip4844, TxEip4844Variant,
    TxEip7702, TxLegacy, proofs,
};
use alloy_eips::{eip2935::HISTORY_STORAGE_ADDRESS, eip7702::Authorization};
use alloy_primitives::{Address, B256, Bloom, Bytes, Signature, TxKind, U256, address, b256, keccak256};
use alloy_signer::SignerSync;
use fonte_evm::{
    BlockError, MAX_BLOCK_BYTES, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_GAS, MIN_BASE_FEE, RecoveredBlock, Refusal,
    Transaction, next_base_fee, recover,
};

const STRANGER: Address = address!("00000000000000000000000000000000005712a9");

#[test]
fn a_transfer_moves_value_pays_the_tip_and_burns_the_base_fee() {
    let parent = genesis().build().expect("genesis");
    let mut flat = Flat::default();
    flat.apply(&parent.diff);
    assert_eq!(parent.header().state_root, flat.root());

    let (block, skipped) = next(&parent, vec![signed(&key(0), call(0, STRANGER, 5_000, Bytes::new()))]);
    assert_eq!(skipped, []);
    let header = block.header();
    assert_eq!((header.number, header.gas_used), (1, 21_000));
    // Genesis was empty, so the base fee fell by an eighth.
    let base_fee = BASE_FEE - BASE_FEE / 8;
    assert_eq!(header.base_fee_per_gas, Some(base_fee));

    let outcome = &block.outcomes[0];
    assert_eq!(outcome.effective_gas_price, u128::from(base_fee) + 1_000);
    assert_eq!((outcome.gas_used, outcome.contract_address), (21_000, None));
    let price = U256::from(base_fee + 1_000);
    let sender = block.state.account(key(0).address()).expect("the sender exists");
    assert_eq!(sender.nonce, 1);
    assert_eq!(sender.balance, U256::from(ETHER) - U256::from(5_000) - price * U256::from(21_000));
    assert_eq!(block.state.account(STRANGER).expect("paid").balance, U256::from(5_000));
    assert_eq!(block.state.account(BENEFICIARY).expect("tipped").balance, U256::from(21_000 * 1_000));

    // The roots, computed by other code from what must have happened.
    flat.apply(&block.diff);
    assert_eq!(header.state_root, flat.root());
    let receipt = Receipt::<alloy_primitives::Log> { status: true.into(), cumulative_gas_used: 21_000, logs: vec![] };
    let receipt = fonte_evm::ReceiptEnvelope::Eip1559(receipt.with_bloom());
    assert_eq!(header.receipts_root, proofs::calculate_receipt_root(&[receipt]));
    assert_eq!(header.transactions_root, proofs::calculate_transaction_root(&block.block.block.body.transactions));
    assert_eq!(header.parent_hash, keccak256(alloy_rlp::encode(parent.header())));
}

#[test]
fn logs_reach_receipt_bloom_and_index() {
    let parent = genesis().build().expect("genesis");
    let (block, _) = next(
        &parent,
        vec![
            signed(&key(0), call(0, LOGGER, 0, words(&[11]))),
            signed(&key(1), call(0, REVERTS, 0, Bytes::new())),
            signed(&key(2), call(0, LOGGER, 0, words(&[22]))),
        ],
    );
    let outcomes = &block.outcomes;
    assert!(outcomes[0].receipt.status() && !outcomes[1].receipt.status() && outcomes[2].receipt.status());
    assert_eq!([0, 1, 2].map(|i| outcomes[i].first_log_index), [0, 1, 1]);
    assert_eq!(outcomes[1].receipt.logs().len(), 0);
    let log = &outcomes[2].receipt.logs()[0];
    assert_eq!((log.address, log.topics()), (LOGGER, &[B256::with_last_byte(0x77)][..]));
    assert_eq!(log.data.data[..32], words(&[22])[..]);
    assert_eq!(log.data.data[44..], key(2).address()[..]);
    let gas: Vec<u64> = outcomes.iter().map(|outcome| outcome.receipt.cumulative_gas_used()).collect();
    assert_eq!(gas[2], outcomes.iter().map(|outcome| outcome.gas_used).sum::<u64>());
    assert_eq!(gas[2], block.header().gas_used);
    let mut bloom = Bloom::ZERO;
    bloom.accrue_log(log);
    assert_eq!(block.header().logs_bloom, bloom);
}

#[test]
fn every_header_field_is_checked_and_named() {
    let parent = genesis().build().expect("genesis");
    let (block, _) = next(&parent, vec![signed(&key(0), call(0, LOGGER, 0, words(&[1])))]);
    type Plant = fn(&mut Header);
    let plants: &[(&str, Plant)] = &[
        ("number", |h| h.number += 1),
        ("parent_hash", |h| h.parent_hash = B256::ZERO),
        ("gas_limit", |h| h.gas_limit += 1),
        ("base_fee_per_gas", |h| h.base_fee_per_gas = Some(MIN_BASE_FEE)),
        ("base_fee_per_gas", |h| h.base_fee_per_gas = None),
        ("mix_hash", |h| h.mix_hash = B256::ZERO),
        ("difficulty", |h| h.difficulty = U256::from(1)),
        ("nonce", |h| h.nonce = 1u64.to_be_bytes().into()),
        ("ommers_hash", |h| h.ommers_hash = B256::ZERO),
        ("withdrawals_root", |h| h.withdrawals_root = None),
        ("blob_gas_used", |h| h.blob_gas_used = Some(1)),
        ("excess_blob_gas", |h| h.excess_blob_gas = None),
        ("parent_beacon_block_root", |h| h.parent_beacon_block_root = Some(B256::with_last_byte(1))),
        ("requests_hash", |h| h.requests_hash = None),
        ("block_access_list_hash", |h| h.block_access_list_hash = Some(B256::ZERO)),
        ("slot_number", |h| h.slot_number = Some(0)),
        ("transactions_root", |h| h.transactions_root = B256::ZERO),
        ("gas_used", |h| h.gas_used -= 1),
        ("receipts_root", |h| h.receipts_root = B256::ZERO),
        ("logs_bloom", |h| h.logs_bloom = Bloom::ZERO),
        ("state_root", |h| h.state_root = B256::ZERO),
        // What the proposer chooses shows in what follows from it.
        ("state_root", |h| h.beneficiary = Address::ZERO),
    ];
    for (name, plant) in plants {
        let mut bad = block.block.clone();
        plant(&mut bad.block.header);
        match executor().verify(parent.header(), &parent.state, &bad) {
            Err(BlockError::Field { field, number, .. }) => {
                assert_eq!(field, *name);
                assert_eq!(number, 1);
            }
            other => panic!("{name}: {:?}", other.map(|executed| executed.hash())),
        }
    }

    let verify = |plant: &dyn Fn(&mut RecoveredBlock)| {
        let mut bad = block.block.clone();
        plant(&mut bad);
        executor().verify(parent.header(), &parent.state, &bad).expect_err("planted")
    };
    let at = parent.header().timestamp;
    assert_eq!(verify(&|bad| bad.block.header.timestamp = at - 1), BlockError::Timestamp { parent: at, found: at - 1 });
    assert!(matches!(
        verify(&|bad| bad.block.header.extra_data = vec![0; 33].into()),
        BlockError::ExtraData { bytes: 33, max: 32 }
    ));
    assert!(matches!(
        verify(&|bad| bad.block.body.ommers.push(Header::default())),
        BlockError::ForeignBody { what: "ommers" }
    ));
    assert!(matches!(verify(&|bad| bad.block.body.withdrawals = None), BlockError::ForeignBody { .. }));
    assert!(matches!(
        verify(&|bad| bad.block.body.transactions.clear()),
        BlockError::Field { field: "transactions_root", .. }
    ));
    // A sender that did not sign is caught by what it would change.
    assert!(matches!(
        verify(&|bad| bad.senders[0] = key(1).address()),
        BlockError::Field { field: "receipts_root" | "logs_bloom" | "state_root", .. }
    ));
    // A transaction twice: the second has a used nonce.
    let twice = verify(&|bad| {
        let again = bad.block.body.transactions[0].clone();
        bad.block.body.transactions.push(again);
        bad.senders.push(key(0).address());
        bad.block.header.transactions_root = proofs::calculate_transaction_root(&bad.block.body.transactions);
    });
    let BlockError::Transaction { index: 1, refusal, .. } = twice else { panic!("{twice}") };
    assert_eq!(*refusal, Refusal::NonceTooLow { expected: 1, found: 0 });
}

#[test]
fn blocks_may_share_a_second() {
    let parent = genesis().build().expect("genesis");
    let mut same = attributes(&parent);
    same.timestamp = parent.header().timestamp;
    let block = executor().propose(parent.header(), &parent.state, same, []).expect("same second").executed;
    executor().verify(parent.header(), &parent.state, &block.block).expect("verifies");
}

#[test]
fn what_does_not_fit_is_skipped_by_name_and_changes_nothing() {
    let parent = genesis().build().expect("genesis");
    let transfer = |nonce| call(nonce, STRANGER, 1, Bytes::new());
    let poor = key(100);
    let with = |change: &dyn Fn(&mut TxEip1559)| {
        let mut transaction = transfer(0);
        change(&mut transaction);
        signed(&key(0), transaction)
    };
    let base_fee = next_base_fee(parent.header());
    let cases = vec![
        (signed(&key(0), transfer(3)), Refusal::NonceTooHigh { expected: 0, found: 3 }, true),
        (
            signed(&poor, transfer(0)),
            Refusal::InsufficientFunds {
                balance: U256::ZERO,
                needed: U256::from(200_000u64) * U256::from(10 * u128::from(BASE_FEE)) + U256::from(1),
            },
            true,
        ),
        (
            with(&|t| {
                t.max_fee_per_gas = u128::from(base_fee) - 1;
                t.max_priority_fee_per_gas = 0
            }),
            Refusal::FeeBelowBase { max_fee: u128::from(base_fee) - 1, base_fee },
            true,
        ),
        (with(&|t| t.max_priority_fee_per_gas = t.max_fee_per_gas + 1), Refusal::PriorityAboveCap, false),
        (with(&|t| t.gas_limit = 20_999), Refusal::GasTooLow { gas_limit: 20_999, needed: 21_000 }, false),
        (
            with(&|t| t.gas_limit = MAX_TRANSACTION_GAS + 1),
            Refusal::GasAboveCap { gas_limit: MAX_TRANSACTION_GAS + 1, cap: 1 << 24 },
            false,
        ),
        (with(&|t| t.chain_id = 1), Refusal::WrongChain { expected: CHAIN_ID, found: 1 }, false),
        (
            with(&|t| {
                t.to = TxKind::Create;
                t.input = vec![0; 49_153].into();
                t.gas_limit = MAX_TRANSACTION_GAS
            }),
            Refusal::InitCodeTooLarge,
            false,
        ),
    ];
    let offered: Vec<_> = cases.iter().map(|(transaction, ..)| transaction.clone()).collect();
    let (block, skipped) = next(&parent, offered);
    let (empty, _) = next(&parent, vec![]);
    assert_eq!(block.hash(), empty.hash(), "nothing was taken, so nothing differs");
    assert_eq!(skipped.len(), cases.len());
    for ((transaction, refusal, keep), skipped) in cases.into_iter().zip(skipped) {
        assert_eq!(skipped.refusal, refusal);
        assert_eq!(skipped.hash, *transaction.tx_hash());
        assert_eq!(skipped.sender, transaction.signer());
        assert_eq!(skipped.refusal.may_become_valid(), keep, "{refusal}");
    }

    // Taken ones among refused ones keep their order, and a used nonce is refused for good.
    let (block, skipped) =
        next(&parent, vec![signed(&key(0), transfer(0)), signed(&key(0), transfer(0)), signed(&key(0), transfer(1))]);
    assert_eq!(block.outcomes.len(), 2);
    assert_eq!(skipped[0].refusal, Refusal::NonceTooLow { expected: 1, found: 0 });
    assert!(!skipped[0].refusal.may_become_valid());
}

/// Whoever empties their account first cannot run the rest: it is not even tried, and others get the room.
#[test]
fn what_follows_a_refused_one_is_left_out_untried() {
    let parent = genesis().build().expect("genesis");
    let fee = 200_000 * 10 * BASE_FEE;
    let mut offered = vec![signed(&key(0), call(0, STRANGER, ETHER - fee, Bytes::new()))];
    for nonce in 1..=20 {
        let mut large = call(nonce, STRANGER, 0, vec![0; 130_000].into());
        large.gas_limit = MAX_TRANSACTION_GAS;
        if nonce > 1 {
            // What would be told of it, if it were tried.
            large.max_priority_fee_per_gas = large.max_fee_per_gas + 1;
        }
        offered.push(signed(&key(0), large));
    }
    offered.push(signed(&key(1), call(0, STRANGER, 1, Bytes::new())));
    let (block, skipped) = next(&parent, offered);
    assert_eq!(block.outcomes.len(), 2);
    assert!(matches!(skipped[0].refusal, Refusal::InsufficientFunds { .. }), "{:?}", skipped[0]);
    for (found, skipped) in (2..=20).zip(&skipped[1..]) {
        assert_eq!(skipped.refusal, Refusal::NonceTooHigh { expected: 1, found });
    }
}

#[test]
fn pool_validation_refuses_foreign_envelopes_by_name() {
    let legacy = TxLegacy {
        chain_id: None,
        gas_limit: 21_000,
        gas_price: 2 * u128::from(BASE_FEE),
        to: TxKind::Call(STRANGER),
        ..TxLegacy::default()
    };
    let validate = |transaction: &Transaction| executor().validate_for_pool(transaction);
    assert_eq!(validate(&sign(&key(0), legacy.clone())), Err(Refusal::NoChainId { expected: CHAIN_ID }));
    assert_eq!(validate(&sign(&key(0), TxLegacy { chain_id: Some(CHAIN_ID), ..legacy.clone() })), Ok(()));
    let blob: TxEip4844Variant = TxEip4844Variant::TxEip4844(TxEip4844 { chain_id: CHAIN_ID, ..TxEip4844::default() });
    assert_eq!(validate(&sign(&key(0), blob)), Err(Refusal::Blob));
    let mut large = call(0, STRANGER, 0, vec![0; MAX_TRANSACTION_BYTES].into());
    large.gas_limit = MAX_TRANSACTION_GAS;
    assert!(matches!(validate(&sign(&key(0), large)), Err(Refusal::TooLarge { max: MAX_TRANSACTION_BYTES, .. })));
    let none = TxEip7702 { chain_id: CHAIN_ID, gas_limit: 100_000, ..TxEip7702::default() };
    assert_eq!(validate(&sign(&key(0), none)), Err(Refusal::NoAuthorizations));
    // EIP-7623: 1,000 bytes of call data that are not zero cost at least 21,000 + 40 gas each.
    let mut floor = call(0, STRANGER, 0, vec![1; 1_000].into());
    floor.gas_limit = 60_000;
    assert_eq!(validate(&sign(&key(0), floor)), Err(Refusal::GasTooLow { gas_limit: 60_000, needed: 61_000 }));

    // High s: the same signature mirrored (EIP-2) is nobody's.
    let transaction = call(0, STRANGER, 1, Bytes::new());
    let signature = key(0).sign_hash_sync(&transaction.signature_hash()).expect("signing");
    let order = U256::from_be_bytes(b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").0);
    let mirrored = Signature::new(signature.r(), order - signature.s(), !signature.v());
    let mirrored: Transaction = transaction.into_signed(mirrored).into();
    assert!(matches!(recover(mirrored), Err(Refusal::Signature { .. })));
}

#[test]
fn all_accepted_envelopes_execute_with_their_receipt_type() {
    let parent = genesis().build().expect("genesis");
    let price = 2 * u128::from(BASE_FEE);
    let to = TxKind::Call(STRANGER);
    // STORE's code runs as the code of key(7), who authorizes it.
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: STORE, nonce: 0 };
    let signature = key(7).sign_hash_sync(&authorization.signature_hash()).expect("signing");
    let (block, skipped) = next(
        &parent,
        vec![
            signed(
                &key(0),
                TxLegacy { chain_id: Some(CHAIN_ID), gas_limit: 21_000, gas_price: price, to, ..TxLegacy::default() },
            ),
            signed(
                &key(1),
                TxEip2930 { chain_id: CHAIN_ID, gas_limit: 21_000, gas_price: price, to, ..TxEip2930::default() },
            ),
            signed(&key(2), call(0, STRANGER, 1, Bytes::new())),
            signed(
                &key(3),
                TxEip7702 {
                    chain_id: CHAIN_ID,
                    gas_limit: 200_000,
                    max_fee_per_gas: price,
                    to: key(7).address(),
                    authorization_list: vec![authorization.into_signed(signature)],
                    input: words(&[4, 44]),
                    ..TxEip7702::default()
                },
            ),
        ],
    );
    assert_eq!(skipped, []);
    let types: Vec<u8> = block.outcomes.iter().map(|outcome| outcome.receipt.tx_type() as u8).collect();
    assert_eq!(types, [0, 1, 2, 4]);
    assert!(block.outcomes.iter().all(|outcome| outcome.receipt.status()));
    assert_eq!(block.state.storage(key(7).address(), U256::from(4)), U256::from(44));
    let mut flat = Flat::default();
    flat.apply(&parent.diff);
    flat.apply(&block.diff);
    assert_eq!(flat.root(), block.header().state_root);
    assert_eq!(flat.load().root(), block.header().state_root);
}

#[test]
fn blocks_end_at_the_gas_limit_and_at_the_byte_limit() {
    let parent = genesis().build().expect("genesis");
    // Each asks for 2^24 gas, of which three would fit, and uses 21,000.
    let transactions = (0..8).map(|index| {
        let mut transaction = call(0, STRANGER, 1, Bytes::new());
        transaction.gas_limit = MAX_TRANSACTION_GAS;
        transaction.max_fee_per_gas = u128::from(BASE_FEE);
        signed(&key(index), transaction)
    });
    let (block, skipped) = next(&parent, transactions.collect());
    assert_eq!((block.outcomes.len(), skipped.len()), (8, 0), "what is not used is given back");

    let full: Vec<_> = (0..2).map(|index| signed(&key(index), call(0, STRANGER, 1, vec![0; 1_000].into()))).collect();
    let mut narrow = attributes(&parent);
    narrow.max_bytes = 1024 + 1_500;
    let proposal = executor().propose(parent.header(), &parent.state, narrow, full).expect("proposes");
    assert_eq!(proposal.executed.outcomes.len(), 1);
    assert!(matches!(proposal.skipped[0].refusal, Refusal::BlockFull { unit: "bytes", .. }));
    assert!(alloy_rlp::encode(&proposal.executed.block.block).len() <= 1024 + 1_500);
    assert_eq!(MAX_BLOCK_BYTES, 8_388_608);

    // A block with little room: each burner loops until its gas is gone.
    let mut small = genesis();
    small.gas_limit = MAX_TRANSACTION_GAS;
    small.alloc.push(fonte_evm::GenesisAccount { address: STRANGER, code: hex("5b5f56"), ..Default::default() });
    let parent = small.build().expect("genesis");
    let burn = |index, gas_limit| {
        let mut transaction = call(0, STRANGER, 0, Bytes::new());
        transaction.gas_limit = gas_limit;
        transaction.max_fee_per_gas = u128::from(BASE_FEE);
        signed(&key(index), transaction)
    };
    let (block, skipped) = next(&parent, vec![burn(0, MAX_TRANSACTION_GAS - 30_000), burn(1, 30_001), burn(2, 30_000)]);
    assert_eq!(skipped[0].refusal, Refusal::BlockFull { needed: 30_001, left: 30_000, unit: "gas" });
    assert_eq!(block.header().gas_used, MAX_TRANSACTION_GAS);
    // A full block asks for no more.
    let mut pool = [burn(0, MAX_TRANSACTION_GAS), burn(1, 30_000)].into_iter();
    let proposal =
        executor().propose(parent.header(), &parent.state, attributes(&parent), &mut pool).expect("proposes");
    assert_eq!((proposal.executed.outcomes.len(), proposal.skipped.len(), pool.len()), (1, 0, 1));
    // A full block raises the fee by an eighth.
    let fee = block.header().base_fee_per_gas.expect("London and later");
    assert_eq!(next_base_fee(block.header()), fee + fee / 8);
}

#[test]
fn base_fee_follows_eip_1559_down_to_the_floor() {
    let after = |base_fee, gas_limit, gas_used| {
        next_base_fee(&Header { base_fee_per_gas: Some(base_fee), gas_limit, gas_used, ..Header::default() })
    };
    // By hand: change = base_fee * |used - target| / target / 8, target = limit / 2.
    assert_eq!(after(1_000_000_000, 20_000_000, 10_000_000), 1_000_000_000);
    assert_eq!(after(1_000_000_000, 20_000_000, 9_000_000), 987_500_000);
    assert_eq!(after(1_000_000_000, 20_000_000, 20_000_000), 1_125_000_000);
    assert_eq!(after(1_000_000_000, 20_000_000, 0), 875_000_000);
    assert_eq!(after(1_072_671_875, 18_000_000, 9_000_000), 1_072_671_875);
    assert_eq!(after(1_049_238_967, 10_000_000, 5_000_001), 1_049_238_993);
    assert_eq!(after(MIN_BASE_FEE, 60_000_000, 0), MIN_BASE_FEE);
    assert_eq!(after(MIN_BASE_FEE + 1, 60_000_000, 0), MIN_BASE_FEE);
    assert_eq!(after(MIN_BASE_FEE, 60_000_000, 60_000_000), MIN_BASE_FEE + MIN_BASE_FEE / 8);
}

#[test]
fn contracts_see_block_hashes() {
    // BLOCKHASH(calldata word) into slot 0.
    let mut with_reader = genesis();
    with_reader.alloc.push(fonte_evm::GenesisAccount {
        address: STRANGER,
        code: hex("5f35405f5500"),
        ..Default::default()
    });
    let zero = with_reader.build().expect("genesis");
    let (one, _) = next(&zero, vec![]);
    let (two, _) = next(&one, vec![signed(&key(0), call(0, STRANGER, 0, words(&[1])))]);
    assert_eq!(B256::from(two.state.storage(STRANGER, U256::ZERO)), one.hash());
    let (three, _) = next(&two, vec![signed(&key(0), call(1, STRANGER, 0, words(&[0])))]);
    assert_eq!(B256::from(three.state.storage(STRANGER, U256::ZERO)), zero.hash());
    // EIP-2935 keeps them in state: slot = number mod 8191.
    for block in [&zero, &one, &two] {
        let number = U256::from(block.header().number);
        assert_eq!(B256::from(three.state.storage(HISTORY_STORAGE_ADDRESS, number)), block.hash());
    }
}

#[test]
fn senders_are_recovered_once_and_in_parallel() {
    let parent = genesis().build().expect("genesis");
    let transactions: Vec<_> =
        (0..80u64).map(|index| signed(&key((index % 8) as u8), call(index / 8, STRANGER, 1, Bytes::new()))).collect();
    let (block, skipped) = next(&parent, transactions.clone());
    assert_eq!(skipped, []);
    let mut asked = std::cell::Cell::new(0);
    let again = RecoveredBlock::recover(block.block.block.clone(), |hash| {
        asked.set(asked.get() + 1);
        // The pool knows the first half.
        transactions[..40].iter().find(|known| known.tx_hash() == hash).map(|known| known.signer())
    })
    .expect("all signatures are good");
    assert_eq!(again, block.block);
    assert_eq!(*asked.get_mut(), 80);
    // The encoded block survives the wire.
    let bytes = alloy_rlp::encode(&block.block.block);
    let decoded: fonte_evm::Block = alloy_rlp::Decodable::decode(&mut bytes.as_slice()).expect("our encoding");
    assert_eq!(decoded, block.block.block);
    assert_eq!(decoded.body.transactions[79].nonce(), 9);
}

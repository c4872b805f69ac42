use alloy_consensus::{SignableTransaction as _, TxEip1559, TxLegacy};
use alloy_primitives::{Signature, TxKind};
use fonte_evm::{Account, StateLoader, Transaction};
use proptest::prelude::*;

use super::*;

const GWEI: u128 = 1_000_000_000;
const BASE_FEE: u64 = 1_000_000_000;

fn sender(n: u8) -> Address {
    Address::repeat_byte(n)
}

/// The pool never looks at signatures: admission recovers before.
fn tx(from: u8, nonce: u64, max_fee: u128, tip: u128) -> RecoveredTx {
    let tx = TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(Address::ZERO),
        ..TxEip1559::default()
    };
    signed(from, tx.into_signed(signature(from)).into())
}

fn signature(from: u8) -> Signature {
    Signature::new(U256::from(from), U256::ONE, false)
}

fn signed(from: u8, tx: Transaction) -> RecoveredTx {
    RecoveredTx::new_unchecked(tx, sender(from))
}

/// Senders 1 to 9, each with the same next nonce and plenty of money; sender 9 is poor.
fn state(nonce: u64) -> State {
    let mut loader = StateLoader::new();
    for n in 1..=9 {
        let balance = if n == 9 { U256::from(21_000 * GWEI) } else { U256::from(u128::MAX) };
        let account = Account { nonce, balance, ..Account::default() };
        loader.account(sender(n), account);
    }
    loader.finish().unwrap()
}

fn pool(change: impl FnOnce(&mut MempoolConfig)) -> Mempool {
    let mut config = MempoolConfig::default();
    change(&mut config);
    Mempool::new(config, BASE_FEE)
}

fn add(pool: &Mempool, tx: RecoveredTx) -> Result<TxHash, PoolError> {
    pool.add(tx, &state(0), 30_000_000)
}

/// (sender, nonce) of what would go into the next block.
fn order(pool: &Mempool, state: &State) -> Vec<(u8, u64)> {
    pool.best(state, BASE_FEE).map(|tx| (tx.signer()[0], tx.nonce())).collect()
}

#[test]
fn nonces_in_order_and_better_payers_first() {
    let pool = pool(|_| {});
    for (from, nonce, tip) in [(1, 1, 50), (2, 0, 20), (1, 0, 10), (3, 0, 30), (3, 2, 99)] {
        add(&pool, tx(from, nonce, 100 * GWEI, tip * GWEI)).unwrap();
    }
    // 1's nonce 1 pays 50 but cannot pass its nonce 0, and 3's nonce 2 has a gap before it.
    assert_eq!(order(&pool, &state(0)), [(3, 0), (2, 0), (1, 0), (1, 1)]);
    assert_eq!(pool.status(&state(0)), (4, 1));
    assert_eq!(pool.pending_nonce(sender(1), 0), 2);
    assert_eq!(pool.pending_nonce(sender(3), 0), 1);
    // On a parent that holds the nonces 0, what follows comes next, with nothing removed.
    assert_eq!(order(&pool, &state(1)), [(1, 1)]);
    assert_eq!(order(&pool, &state(2)), [(3, 2)]);
}

#[test]
fn equal_payers_in_order_of_arrival_and_none_below_the_base_fee() {
    let pool = pool(|_| {});
    for from in [4, 2, 7] {
        add(&pool, tx(from, 0, 10 * GWEI, GWEI)).unwrap();
    }
    add(&pool, tx(5, 0, GWEI - 1, 0)).unwrap();
    assert_eq!(order(&pool, &state(0)), [(4, 0), (2, 0), (7, 0)]);
}

#[test]
fn replacement_needs_ten_percent_of_both() {
    let cases =
        [(110, 11, true), (200, 20, true), (109, 11, false), (110, 10, false), (109, 12, false), (100, 10, false)];
    for (max_fee, tip, taken) in cases {
        let pool = pool(|_| {});
        let old = add(&pool, tx(1, 0, 100 * GWEI, 10 * GWEI)).unwrap();
        let new = tx(1, 0, max_fee * GWEI, tip * GWEI);
        let same = *new.tx_hash() == old;
        let outcome = add(&pool, new);
        let expected = match (taken, same) {
            (true, _) => None,
            (false, true) => Some(PoolError::Known),
            (false, false) => Some(PoolError::ReplacementUnderpriced),
        };
        assert_eq!(outcome.clone().err(), expected, "{max_fee} {tip}");
        assert_eq!(pool.contains(&old), !taken);
        assert_eq!(order(&pool, &state(0)), [(1, 0)]);
    }
}

#[test]
fn refusals() {
    let pool = pool(|config| config.max_per_sender = 3);
    let refused = |tx, state: &State| pool.add(tx, state, 30_000_000).unwrap_err();
    assert_eq!(refused(tx(1, 4, GWEI, 0), &state(5)), PoolError::NonceTooLow { next: 5, nonce: 4 });
    assert!(matches!(refused(tx(1, 3, GWEI, 0), &state(0)), PoolError::NonceTooHigh { ahead: 3, .. }));
    assert!(matches!(refused(tx(9, 0, GWEI + 1, 0), &state(0)), PoolError::InsufficientFunds { .. }));
    assert!(matches!(refused(tx(1, 0, u128::from(MIN_BASE_FEE) - 1, 0), &state(0)), PoolError::Underpriced { .. }));
    let limited = pool.add(tx(1, 0, GWEI, 0), &state(0), 20_000).unwrap_err();
    assert!(matches!(limited, PoolError::GasLimit { .. }));
    // What a sender has waiting is paid one after the other, out of one balance.
    add(&pool, tx(9, 1, GWEI / 2, 0)).unwrap();
    add(&pool, tx(9, 0, GWEI / 2, 0)).unwrap();
    let cost = U256::from(21_000 * GWEI / 2);
    let overdrawn = PoolError::Overdrawn { balance: cost * U256::from(2), queued: cost * U256::from(2), cost };
    assert_eq!(refused(tx(9, 2, GWEI / 2, 0), &state(0)), overdrawn);
    // A replacement costs its own, without what it replaces; and what has run is paid.
    assert!(matches!(refused(tx(9, 1, GWEI, 0), &state(0)), PoolError::Overdrawn { queued, .. } if queued == cost));
    pool.add(tx(9, 2, GWEI / 2, 0), &state(1), 30_000_000).unwrap();
    for nonce in 0..3 {
        add(&pool, tx(1, nonce, GWEI, 0)).unwrap();
    }
    assert!(matches!(refused(tx(1, 3, GWEI, 0), &state(1)), PoolError::SenderFull { limit: 3 }));
}

#[test]
fn a_full_pool_drops_gapped_ones_then_the_worst_payer_and_never_for_a_worse_one() {
    let pool = pool(|config| config.max_count = 3);
    add(&pool, tx(1, 0, 100 * GWEI, 10 * GWEI)).unwrap();
    let gapped = add(&pool, tx(2, 1, 100 * GWEI, 90 * GWEI)).unwrap();
    let worst = add(&pool, tx(3, 0, 100 * GWEI, 5 * GWEI)).unwrap();
    add(&pool, tx(4, 0, 100 * GWEI, GWEI)).unwrap();
    assert!(!pool.contains(&gapped));
    let refused = add(&pool, tx(5, 0, 100 * GWEI, GWEI)).unwrap_err();
    assert!(matches!(refused, PoolError::Underpriced { .. }));
    add(&pool, tx(6, 0, 100 * GWEI, 6 * GWEI)).unwrap();
    add(&pool, tx(7, 0, 100 * GWEI, 7 * GWEI)).unwrap();
    assert!(!pool.contains(&worst));
    assert_eq!(order(&pool, &state(0)), [(1, 0), (7, 0), (6, 0)]);
}

#[test]
fn a_tail_is_worth_what_comes_before_it() {
    let pool = pool(|config| config.max_count = 3);
    add(&pool, tx(1, 0, 100 * GWEI, GWEI)).unwrap();
    let tail = add(&pool, tx(1, 1, 100 * GWEI, 90 * GWEI)).unwrap();
    let better = add(&pool, tx(2, 0, 100 * GWEI, 5 * GWEI)).unwrap();
    // Another such tail pushes nobody out, and the first one protects nobody.
    let refused = add(&pool, tx(1, 2, 100 * GWEI, 95 * GWEI)).unwrap_err();
    assert!(matches!(refused, PoolError::Underpriced { .. }), "{refused}");
    let gapped = add(&pool, tx(3, 1, 100 * GWEI, 95 * GWEI)).unwrap_err();
    assert!(matches!(gapped, PoolError::Underpriced { .. }), "{gapped}");
    add(&pool, tx(3, 0, 100 * GWEI, 6 * GWEI)).unwrap();
    assert!(!pool.contains(&tail) && pool.contains(&better));
    assert_eq!(order(&pool, &state(0)), [(3, 0), (2, 0), (1, 0)]);
}

#[test]
fn a_legacy_transaction_is_worth_what_is_left_above_the_base_fee() {
    let base_fee = 50 * BASE_FEE;
    let legacy = |from, price| {
        let tx = TxLegacy {
            chain_id: Some(1),
            gas_limit: 21_000,
            gas_price: price,
            to: TxKind::Call(Address::ZERO),
            ..TxLegacy::default()
        };
        signed(from, tx.into_signed(signature(from)).into())
    };
    let pool = pool(|config| config.max_count = 2);
    pool.finalized(&state(0), [], base_fee);
    let two = add(&pool, legacy(1, 52 * GWEI)).unwrap();
    add(&pool, tx(2, 0, 100 * GWEI, 5 * GWEI)).unwrap();
    add(&pool, tx(3, 0, 100 * GWEI, 3 * GWEI)).unwrap();
    assert!(!pool.contains(&two));
    // Above the base fee no longer, the best offer is worth nothing.
    pool.finalized(&state(0), [], 101 * BASE_FEE);
    add(&pool, legacy(4, 102 * GWEI)).unwrap();
    add(&pool, legacy(5, 102 * GWEI)).unwrap();
    assert!(matches!(add(&pool, tx(6, 0, 100 * GWEI, 99 * GWEI)), Err(PoolError::Underpriced { .. })));
}

#[test]
fn a_refused_one_evicts_nobody() {
    let large = |tip| {
        let tx = TxEip1559 {
            chain_id: 1,
            gas_limit: 30_000_000,
            max_fee_per_gas: 100 * GWEI,
            max_priority_fee_per_gas: tip,
            to: TxKind::Call(Address::ZERO),
            input: vec![1; one() * 3 / 2].into(),
            ..TxEip1559::default()
        };
        signed(7, tx.into_signed(signature(7)).into())
    };
    let pool = pool(|config| config.max_bytes = 4 * one());
    let waiting: Vec<TxHash> =
        (1..=4).map(|from| add(&pool, tx(from, 0, 100 * GWEI, u128::from(from) * GWEI)).unwrap()).collect();
    // It needs the room of three, and only two pay less.
    let refused = add(&pool, large(5 * GWEI / 2)).unwrap_err();
    assert!(matches!(refused, PoolError::Underpriced { .. }), "{refused}");
    assert!(waiting.iter().all(|hash| pool.contains(hash)));
    assert_eq!(order(&pool, &state(0)), [(4, 0), (3, 0), (2, 0), (1, 0)]);
    add(&pool, large(7 * GWEI / 2)).unwrap();
    assert_eq!(order(&pool, &state(0)), [(4, 0), (7, 0)]);
}

#[test]
fn whoever_comes_while_a_block_is_built_is_counted_in() {
    let pool = pool(|_| {});
    add(&pool, tx(1, 0, 100 * GWEI, 9 * GWEI)).unwrap();
    add(&pool, tx(2, 0, 100 * GWEI, 5 * GWEI)).unwrap();
    let mut best = pool.best(&state(0), BASE_FEE).map(|tx| (tx.signer()[0], tx.nonce()));
    add(&pool, tx(1, 1, 100 * GWEI, 7 * GWEI)).unwrap();
    assert_eq!(best.next(), Some((1, 0)));
    assert_eq!(best.collect::<Vec<_>>(), [(1, 1), (2, 0)]);
}

/// The size of a small transaction.
fn one() -> usize {
    tx(1, 0, 100 * GWEI, GWEI).encode_2718_len()
}

#[test]
fn finality_drops_what_it_made_stale_or_unpayable() {
    let pool = pool(|_| {});
    for nonce in 0..3 {
        add(&pool, tx(1, nonce, 10 * GWEI, 0)).unwrap();
    }
    let mut loader = StateLoader::new();
    let account = Account { nonce: 1, balance: U256::from(21_000 * 10 * GWEI - 1), ..Account::default() };
    loader.account(sender(1), account);
    let poorer = loader.finish().unwrap();
    pool.finalized(&state(1), [sender(1)], BASE_FEE);
    assert_eq!(pool.status(&state(1)), (2, 0));
    // Either could be paid, but not both.
    let account = Account { nonce: 1, balance: U256::from(2 * 21_000 * 10 * GWEI - 1), ..Account::default() };
    let mut loader = StateLoader::new();
    loader.account(sender(1), account);
    let poor = loader.finish().unwrap();
    pool.finalized(&poor, [sender(1)], BASE_FEE);
    assert_eq!(pool.status(&poor), (1, 0));
    pool.finalized(&poorer, [sender(1)], BASE_FEE);
    assert_eq!(pool.status(&poorer), (0, 0));

    let forgetful = super::tests::pool(|config| config.lifetime = Duration::ZERO);
    add(&forgetful, tx(1, 0, GWEI, 0)).unwrap();
    forgetful.finalized(&state(0), [], BASE_FEE);
    assert_eq!(forgetful.status(&state(0)), (0, 0));
}

proptest! {
    /// Whatever arrives: the bounds hold, the indexes agree, and each sender's nonces come in order
    /// without gaps.
    #[test]
    fn bounds_and_indexes_hold(
        arrivals in prop::collection::vec((1u8..8, 0u64..6, 1u128..200, 0u128..200), 1..80),
        max_count in 1usize..12,
    ) {
        let max_bytes = one() * 10;
        let pool = pool(|config| {
            config.max_count = max_count;
            config.max_bytes = max_bytes;
            config.max_per_sender = 4;
        });
        for (from, nonce, max_fee, tip) in arrivals {
            // Refusals are part of it.
            let _ = add(&pool, tx(from, nonce, max_fee * GWEI, tip.min(max_fee) * GWEI));
            let inner = pool.0.inner.read();
            prop_assert!(inner.by_hash.len() <= max_count);
            prop_assert!(inner.bytes <= max_bytes);
            let bytes: usize = inner.by_hash.values().map(|tx| tx.size).sum();
            prop_assert_eq!(inner.bytes, bytes);
            let by_sender: usize = inner.by_sender.values().map(Queue::len).sum();
            prop_assert_eq!(inner.by_hash.len(), by_sender);
            prop_assert!(inner.by_sender.values().all(|queue| queue.len() > 0 && queue.len() <= 4));
            let places = inner.by_sender.keys().filter_map(|sender| inner.place_of(*sender));
            prop_assert_eq!(&places.collect::<BTreeSet<_>>(), &inner.worst);
        }
        let mut next: HashMap<u8, u64> = HashMap::new();
        for (from, nonce) in order(&pool, &state(0)) {
            let expected = next.entry(from).or_default();
            prop_assert_eq!(nonce, *expected);
            *expected += 1;
        }
    }
}

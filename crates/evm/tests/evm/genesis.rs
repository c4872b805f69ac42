//! Genesis: constructors really run, in place, and whatever fails is named.

use crate::common::*;
use alloy_primitives::{Address, Bytes, U256, address, keccak256};
use fonte_evm::{
    CallOutcome, CallRequest, ExecutedBlock, Genesis, GenesisAccount, GenesisCall, GenesisError, Predeploy, StateLoader,
};

const AT: Address = address!("000000000000000000000000000000000000f001");
const SYSTEM: Address = address!("fffffffffffffffffffffffffffffffffffffffe");

/// Runtime code that returns a word baked into it: PUSH32 word PUSH0 MSTORE PUSH1 20 PUSH0 RETURN.
fn returns(word: U256) -> Bytes {
    [&[0x7f][..], &word.to_be_bytes::<32>(), &hex("5f5260205ff3")].concat().into()
}

/// A constructor as a compiler would write it: slots 0 to 3 are `address(this)`, the argument, `msg.value` and
/// `msg.sender`; the runtime code carries the argument as an immutable.
fn init_code(argument: u64) -> Bytes {
    let template = returns(U256::ZERO);
    let mut code = hex("305f55").to_vec(); // SSTORE(0, ADDRESS)
    code.extend(hex("6020602038035f39")); // CODECOPY(0, CODESIZE - 32, 32)
    code.extend(hex("5f51600155")); // SSTORE(1, MLOAD(0))
    code.extend(hex("34600255")); // SSTORE(2, CALLVALUE)
    code.extend(hex("33600355")); // SSTORE(3, CALLER)
    let tail = [
        &[0x60, template.len() as u8, 0x60][..],
        &hex("602039"),
        &hex("5f51602152"),
        &[0x60, template.len() as u8],
        &hex("6020f3"),
    ];
    let offset = code.len() + tail.iter().map(|part| part.len()).sum::<usize>() + 1;
    code.extend(tail[0]); // CODECOPY(32, offset, length)
    code.push(offset as u8);
    code.extend(tail[1..].concat()); // MSTORE(33, MLOAD(0)) RETURN(32, length)
    assert_eq!(code.len(), offset);
    code.extend(template);
    code.extend(words(&[argument]));
    code.into()
}

fn predeploy(init_code: Bytes) -> Predeploy {
    Predeploy { name: "Token".to_owned(), address: AT, init_code, value: U256::ZERO }
}

fn with(predeploys: Vec<Predeploy>, calls: Vec<GenesisCall>) -> Genesis {
    Genesis { predeploys, calls, ..genesis() }
}

fn check_rows(block: &ExecutedBlock) {
    let mut rows = Flat::default();
    rows.apply(&block.diff);
    assert_eq!(rows.root(), block.header().state_root);
    assert_eq!(rows.load().root(), block.header().state_root);
    assert_eq!(block.state.root(), block.header().state_root);
    // No creation code stays behind.
    assert!(block.diff.code.keys().all(|hash| { rows.accounts.values().any(|account| account.code_hash == *hash) }));
    assert!(block.diff.accounts.values().all(Option::is_some) && block.diff.wiped.is_empty());
}

#[test]
fn a_constructor_runs_in_place() {
    let paid = Predeploy { value: U256::from(7), ..predeploy(init_code(0xbeef)) };
    let block = with(vec![paid], vec![]).build().expect("builds");
    check_rows(&block);
    let slots = [0, 1, 2, 3].map(|slot| block.state.storage(AT, U256::from(slot)));
    let word = |address: Address| U256::from_be_slice(address.as_slice());
    assert_eq!(slots, [word(AT), U256::from(0xbeef), U256::from(7), word(SYSTEM)]);
    let account = block.state.account(AT).expect("deployed");
    assert_eq!((account.nonce, account.balance), (1, U256::from(7)));
    assert_eq!(account.code_hash, keccak256(returns(U256::from(0xbeef))));
    assert_eq!(block.state.code(AT), returns(U256::from(0xbeef)));
    assert_eq!(block.state.account(SYSTEM), None);

    let request = CallRequest { to: Some(AT), ..CallRequest::default() };
    match executor().call(&block.state, block.header(), &request) {
        Ok(CallOutcome::Success { output, .. }) => assert_eq!(output, words(&[0xbeef])),
        other => panic!("{other:?}"),
    }
    // And the chain goes on from it.
    let (one, _) = next(&block, vec![signed(&key(0), call(0, STORE, 0, words(&[1, 2])))]);
    assert_eq!(one.header().parent_hash, block.hash());
}

#[test]
fn contracts_created_by_a_constructor_get_their_usual_address() {
    // CREATE(0, 0, 0), then return one byte of code.
    let block = with(vec![predeploy(hex("5f5f5ff05060005f5360015ff3"))], vec![]).build().expect("builds");
    check_rows(&block);
    assert_eq!(block.state.account(AT.create(1)).expect("child").nonce, 1);
    assert_eq!(block.state.account(AT).expect("parent").nonce, 2);
}

#[test]
fn the_same_genesis_is_the_same_block_and_another_chain_is_another() {
    let one = with(vec![predeploy(init_code(1))], vec![]);
    assert_eq!(one.build().expect("builds").hash(), one.build().expect("builds").hash());
    let elsewhere = Genesis { chain_id: CHAIN_ID + 1, ..one.clone() };
    assert_ne!(one.build().expect("builds").hash(), elsewhere.build().expect("builds").hash());
    let json = serde_json::to_string(&one).expect("serializes");
    assert_eq!(serde_json::from_str::<Genesis>(&json).expect("our own"), one);
    let diff = one.build().expect("builds").diff;
    let json = serde_json::to_string(&diff).expect("serializes");
    assert_eq!(serde_json::from_str::<fonte_evm::StateDiff>(&json).expect("our own"), diff);
}

#[test]
fn calls_come_from_whom_they_say_and_cost_nothing() {
    let by = |from, to, data| GenesisCall { from, to, data };
    let block = with(
        vec![],
        vec![
            by(key(0).address(), STORE, words(&[5, 6])),
            by(REVERTS, STORE, words(&[7, 8])),
            by(REVERTS, STORE, words(&[5, 0])),
        ],
    )
    .build()
    .expect("builds");
    check_rows(&block);
    assert_eq!(block.state.storage(STORE, U256::from(5)), U256::ZERO);
    assert_eq!(block.state.storage(STORE, U256::from(7)), U256::from(8));
    let caller = block.state.account(key(0).address()).expect("allocated");
    assert_eq!((caller.nonce, caller.balance), (0, U256::from(ETHER)));
}

#[test]
fn failures_are_named() {
    let build = |predeploys, calls| with(predeploys, calls).build().expect_err("planted").to_string();
    assert_eq!(
        build(vec![predeploy(reverts("nope"))], vec![]),
        format!("the constructor of Token ({AT}) reverted: nope")
    );
    assert!(build(vec![predeploy(hex("fe"))], vec![]).contains("halted: "));
    assert!(build(vec![predeploy(hex("00"))], vec![]).contains("returns nothing"));
    assert!(build(vec![predeploy(Bytes::new())], vec![]).contains("creation code is empty"));
    // RETURN(0, 24577) and a first byte of 0xef.
    assert!(build(vec![predeploy(hex("6160015ff3"))], vec![]).contains("24577 bytes, at most 24576"));
    assert!(build(vec![predeploy(hex("60ef5f5360015ff3"))], vec![]).contains("0xef"));
    assert!(build(vec![predeploy(deploys(&[0])), predeploy(deploys(&[0]))], vec![]).contains("given twice"));
    let from = key(0).address();
    let call = |to, data| vec![GenesisCall { from, to, data }];
    assert_eq!(
        build(vec![], call(REVERTS, Bytes::new())),
        format!("genesis call 0 from {from} to {REVERTS} reverted: no")
    );
    assert!(build(vec![], call(AT, Bytes::new())).contains("no contract"));

    let low = Genesis { base_fee: 1, ..genesis() };
    assert_eq!(low.build().expect_err("planted"), GenesisError::BaseFee { base_fee: 1 });
    let small = Genesis { gas_limit: 21_000, ..genesis() };
    assert_eq!(small.build().expect_err("planted"), GenesisError::GasLimit { gas_limit: 21_000 });
    let mut twice = genesis();
    twice.alloc.push(GenesisAccount { address: STORE, nonce: 1, ..Default::default() });
    assert_eq!(twice.build().expect_err("planted"), GenesisError::Duplicate { address: STORE });
}

#[test]
fn a_damaged_store_is_refused() {
    let block = genesis().build().expect("builds");
    let mut rows = Flat::default();
    rows.apply(&block.diff);
    let mut loader = StateLoader::new();
    loader.account(STORE, rows.accounts[&STORE]);
    assert!(loader.finish().expect_err("its code is missing").to_string().contains("names code"));
    let mut loader = StateLoader::new();
    loader.storage(STORE, U256::from(1), U256::from(1));
    assert!(loader.finish().expect_err("its account is missing").to_string().contains("no such account"));
    // A changed row gives another root.
    rows.accounts.get_mut(&STORE).expect("there").nonce += 1;
    assert_ne!(rows.load().root(), block.header().state_root);
}

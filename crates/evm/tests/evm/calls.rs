//! Calls and estimates: nothing changes, gas is bounded, refusals and reverts are told apart.

use crate::common::*;
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, Bytes, TxKind, U256, address, hex as bytes};
use alloy_signer::SignerSync as _;
use fonte_evm::{
    AccountOverride, CallError, CallOutcome, CallRequest, ExecutedBlock, GenesisAccount, MAX_CALL_GAS,
    MAX_TRANSACTION_GAS, Refusal, StorageOverride, revert_reason,
};

/// Loops for ever.
const LOOPS: Address = address!("0000000000000000000000000000000000005801");
/// Passes its call data on to STORE, and reverts if that fails.
const FORWARDS: Address = address!("0000000000000000000000000000000000005802");
/// Gives the slot that its call data names.
const LOADS: Address = address!("0000000000000000000000000000000000005803");

/// SHA-256 of "fonte", r, s, x, y: signed once with OpenSSL and a throw-away key.
const P256: &str = "3e303c336a58c084f16e8e7c55f0bbeab90b1777ba08d44f8b116e8f674658af9cdcd78ca75a03770b5d429fb1396d2b336b81e10227cc6f39329ec0ea6ae936c13c7b22a474048ed72401412b17a07b7feb7ab34b6e23dccda95b746d84ddfa599be212d74d104b42e3d865cd2abe81b91629ad85724f2aba26432392d4984d4eab68cedeeb9e34166739d55234a985734e667d2348546f3b55ebb7300b6db6";

fn chain() -> ExecutedBlock {
    let mut genesis = genesis();
    for (address, code) in [
        (LOOPS, hex("5b5f56")),
        (FORWARDS, hex("365f5f375f5f365f5f6157015af11560145700005b5f5ffd")),
        (LOADS, hex("5f35545f5260205ff3")),
    ] {
        genesis.alloc.push(GenesisAccount { address, code, nonce: 1, ..GenesisAccount::default() });
    }
    genesis.build().expect("genesis")
}

fn run(chain: &ExecutedBlock, request: &CallRequest) -> Result<CallOutcome, CallError> {
    let before = chain.state.root();
    let outcome = executor().call(&chain.state, chain.header(), request);
    assert_eq!(chain.state.root(), before);
    outcome
}

fn to(to: Address, data: Bytes) -> CallRequest {
    CallRequest { from: key(0).address(), to: Some(to), data, ..CallRequest::default() }
}

fn output(outcome: Result<CallOutcome, CallError>) -> Bytes {
    match outcome {
        Ok(CallOutcome::Success { output, .. }) => output,
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_end_in_three_ways_or_cannot_begin() {
    let chain = chain();
    match run(&chain, &to(LOGGER, words(&[3]))) {
        Ok(CallOutcome::Success { logs, gas_used, .. }) => {
            assert_eq!(logs.len(), 1);
            assert!(gas_used > 21_000);
        }
        other => panic!("{other:?}"),
    }
    match run(&chain, &to(REVERTS, Bytes::new())) {
        Ok(CallOutcome::Revert { output, .. }) => {
            assert_eq!(revert_reason(&output).as_deref(), Some("no"))
        }
        other => panic!("{other:?}"),
    }
    let greedy = CallRequest { gas: Some(u64::MAX), ..to(LOOPS, Bytes::new()) };
    match run(&chain, &greedy) {
        Ok(CallOutcome::Halt { gas_used, reason }) => {
            assert_eq!(gas_used, MAX_CALL_GAS);
            assert!(reason.to_lowercase().contains("gas"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let unaffordable = CallRequest { value: U256::from(2) * U256::from(ETHER), ..to(LOGGER, Bytes::new()) };
    assert!(matches!(
        run(&chain, &unaffordable),
        Err(CallError::Refused(Refusal::InsufficientFunds { balance, .. })) if balance == U256::from(ETHER)
    ));
    let cheap = CallRequest { max_fee_per_gas: Some(1), gas: Some(100_000), ..to(LOGGER, Bytes::new()) };
    assert!(matches!(
        run(&chain, &cheap),
        Err(CallError::Refused(Refusal::FeeBelowBase { max_fee: 1, base_fee: BASE_FEE }))
    ));
    let starved = CallRequest { gas: Some(20_000), ..to(LOGGER, Bytes::new()) };
    assert!(matches!(run(&chain, &starved), Err(CallError::Refused(Refusal::GasTooLow { .. }))));
    // A contract may be the caller, and nobody in particular too.
    output(run(&chain, &CallRequest { from: STORE, ..to(LOGGER, Bytes::new()) }));
    output(run(&chain, &CallRequest { from: Address::ZERO, ..to(LOGGER, Bytes::new()) }));
    // A creation gives the code it would deploy.
    let create = CallRequest { to: None, ..to(STORE, deploys(&[0x5f, 0x00])) };
    assert_eq!(output(run(&chain, &create)), hex("5f00"));
}

#[test]
fn estimates_are_enough_and_close() {
    let chain = chain();
    let estimate =
        |chain: &ExecutedBlock, request: &CallRequest| executor().estimate_gas(&chain.state, chain.header(), request);
    let transfer = CallRequest { value: U256::from(1), ..to(key(1).address(), Bytes::new()) };
    assert_eq!(estimate(&chain, &transfer), Ok(21_000));

    // Store, clear (refund), through a forwarding call (63/64 rule), and a creation.
    let (stored, _) = next(&chain, vec![signed(&key(1), call(0, STORE, 0, words(&[1, 9])))]);
    for request in [
        to(STORE, words(&[2, 9])),
        to(STORE, words(&[1, 0])),
        to(FORWARDS, words(&[3, 9])),
        to(FORWARDS, words(&[1, 0])),
        CallRequest { to: None, ..to(STORE, deploys(&[0x5f, 0x00])) },
    ] {
        let gas = estimate(&stored, &request).expect("succeeds");
        let mut transaction = call(0, STORE, 0, request.data.clone());
        transaction.to = request.to.map_or(TxKind::Create, TxKind::Call);
        transaction.gas_limit = gas;
        let (block, skipped) = next(&stored, vec![signed(&key(0), transaction.clone())]);
        assert_eq!(skipped, []);
        assert!(block.outcomes[0].receipt.status(), "{request:?} with {gas}");
        // Close: two in a hundred less is too little.
        transaction.gas_limit = gas - gas / 50;
        let (block, skipped) = next(&stored, vec![signed(&key(0), transaction)]);
        assert!(!skipped.is_empty() || !block.outcomes[0].receipt.status(), "{request:?} with less than {gas}");
    }

    assert_eq!(
        estimate(&chain, &to(REVERTS, Bytes::new())).expect_err("reverts").to_string(),
        "execution reverted: no"
    );
    assert!(matches!(
        estimate(&chain, &to(LOOPS, Bytes::new())),
        Err(CallError::DoesNotSucceed { gas_limit: MAX_TRANSACTION_GAS, .. })
    ));
    // With a price, no more gas than the balance buys.
    let priced = CallRequest { max_fee_per_gas: Some(u128::from(ETHER) / 100_000), ..to(LOOPS, Bytes::new()) };
    assert!(matches!(estimate(&chain, &priced), Err(CallError::DoesNotSucceed { gas_limit: 100_000, .. })));
    let poor = CallRequest { from: Address::with_last_byte(0x42), ..priced };
    assert!(matches!(estimate(&chain, &poor), Err(CallError::Refused(_))));
}

#[test]
fn overrides_pretend_and_leave_no_trace() {
    let zero = chain();
    let (chain, _) = next(&zero, vec![signed(&key(1), call(0, STORE, 0, words(&[1, 9])))]);
    let pretend = |change: AccountOverride, request: CallRequest| CallRequest {
        overrides: [(request.to.expect("a call"), change)].into(),
        ..request
    };
    let load = |change| output(run(&chain, &pretend(change, to(STORE, words(&[1])))));
    let code = Some(hex("5f35545f5260205ff3"));
    assert_eq!(load(AccountOverride { code: code.clone(), ..Default::default() }), words(&[9]));
    let slots = [(U256::from(2), U256::from(5))];
    let patched = AccountOverride { code: code.clone(), slots: slots.into(), ..Default::default() };
    assert_eq!(load(patched.clone()), words(&[9]));
    assert_eq!(load(AccountOverride { storage: StorageOverride::Replace, ..patched.clone() }), words(&[0]));
    assert_eq!(output(run(&chain, &pretend(patched, to(STORE, words(&[2]))))), words(&[5]));
    // Money for somebody who has none.
    let nobody = Address::with_last_byte(0x42);
    let mut rich = CallRequest { from: nobody, value: U256::from(1), ..to(key(0).address(), Bytes::new()) };
    assert!(run(&chain, &rich).is_err());
    let balance = AccountOverride { balance: Some(U256::from(1)), ..Default::default() };
    rich.overrides = [(nobody, balance)].into();
    output(run(&chain, &rich));
    let bad = AccountOverride { code: Some(hex("ef0100")), ..Default::default() };
    assert!(matches!(run(&chain, &pretend(bad, to(STORE, Bytes::new()))), Err(CallError::Overrides(_))));
    assert_eq!(output(run(&chain, &to(LOADS, words(&[1])))), words(&[0]));
}

#[test]
fn authorizations_are_part_of_a_call() {
    let chain = chain();
    let account = key(1);
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: LOADS, nonce: 0 };
    let signature = account.sign_hash_sync(&authorization.signature_hash()).expect("signing a hash");
    let plain = to(account.address(), words(&[1]));
    let call = CallRequest { authorizations: vec![authorization.into_signed(signature)], ..plain.clone() };
    // The account answers with the code that it takes on, and each authorization costs gas.
    assert_eq!(output(run(&chain, &plain)), Bytes::new());
    assert_eq!(output(run(&chain, &call)), words(&[0]));
    let estimate = |request: &CallRequest| executor().estimate_gas(&chain.state, chain.header(), request);
    assert!(estimate(&call).expect("succeeds") > estimate(&plain).expect("succeeds") + 12_500);
    let create = CallRequest { to: None, ..call };
    assert!(matches!(run(&chain, &create), Err(CallError::Refused(Refusal::Invalid { .. }))));
}

#[test]
fn the_machine_speaks_osaka() {
    let chain = chain();
    // P256VERIFY (EIP-7951) at 0x100.
    let verify = address!("0000000000000000000000000000000000000100");
    let vector: Bytes = bytes::decode(P256).expect("hex").into();
    assert_eq!(output(run(&chain, &to(verify, vector.clone()))), words(&[1]));
    let mut wrong = vector.to_vec();
    wrong[0] ^= 1;
    assert_eq!(output(run(&chain, &to(verify, wrong.into()))), Bytes::new());
    // CLZ (EIP-7939): PUSH1 1 CLZ.
    let clz = AccountOverride { code: Some(hex("60011e5f5260205ff3")), ..Default::default() };
    let request = CallRequest { overrides: [(STORE, clz)].into(), ..to(STORE, Bytes::new()) };
    assert_eq!(output(run(&chain, &request)), words(&[255]));
    // CHAINID.
    let id = AccountOverride { code: Some(hex("465f5260205ff3")), ..Default::default() };
    let request = CallRequest { overrides: [(STORE, id)].into(), ..to(STORE, Bytes::new()) };
    assert_eq!(output(run(&chain, &request)), words(&[CHAIN_ID]));
}

#[test]
fn revert_reasons_are_read_and_garbage_is_not() {
    let panic = [&[0x4e, 0x48, 0x7b, 0x71][..], &words(&[0x11])].concat();
    assert_eq!(revert_reason(&panic).as_deref(), Some("panic 0x11"));
    let error = |tail: &[u8]| [&[0x08, 0xc3, 0x79, 0xa0][..], tail].concat();
    let text = [&words(&[32, 2])[..], b"hi"].concat();
    assert_eq!(revert_reason(&error(&text)).as_deref(), Some("hi"));
    for garbage in [&[][..], &words(&[32]), &words(&[32, 1]), &words(&[32, u64::MAX]), &[0xff; 64]] {
        assert_eq!(revert_reason(&error(garbage)), None);
    }
    assert_eq!(revert_reason(&[1, 2, 3]), None);
    assert_eq!(revert_reason(&words(&[1])), None);
}

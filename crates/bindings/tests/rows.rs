//! Rows of a batch are found in calldata by their root.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use fonte_bindings::{
    contracts::{Settlement, settlement::ISettlement},
    convert,
    rows::rows_in_calldata,
};
use fonte_types::settlement::{Row, Tables, rows_tree};

#[test]
fn rows_are_found_by_their_root_wherever_the_call_stands() {
    let payer = Address::repeat_byte(1);
    let rows: Vec<Row> = (0..3)
        .map(|seed| Row {
            receipt: B256::repeat_byte(seed),
            model: 1,
            worker: Address::repeat_byte(2),
            fee: 1_000 + u128::from(seed),
            versions: vec![1 << 32 | 4],
            shares: vec![U256::from(9_u128 << 32 | 500_000)],
        })
        .collect();
    let tables = Tables::of(&rows).unwrap();
    let encoded = |rows: &[Row]| {
        let mut packed = Vec::new();
        rows.iter().for_each(|row| tables.pack(row, &mut packed).unwrap());
        let count = u32::try_from(rows.len()).unwrap();
        let (signature, rows) = (vec![7; 65].into(), packed.into());
        let tab = ISettlement::Tab { payer, total: 9, nonce: 1, count, signature, rows };
        Settlement::settleCall { tables: convert::tables(&tables), tabs: vec![tab] }.abi_encode()
    };
    let tree = rows_tree(rows.iter().map(|row| (payer, row)));
    let expected: Vec<_> = rows.iter().map(|row| (payer, row.clone())).collect();
    let call = encoded(&rows);
    assert_eq!(rows_in_calldata(&call, tree.root(), 3).unwrap(), expected);
    // Passed on by another contract, behind a call that is not the one.
    let wrapped = [&[0xab; 7][..], &encoded(&rows[..1]), &[0xcd; 33], &call, &[0; 20]].concat();
    assert_eq!(rows_in_calldata(&wrapped, tree.root(), 3).unwrap(), expected);
    for (input, root, count) in [
        (call.as_slice(), B256::ZERO, 3),
        (call.as_slice(), tree.root(), 2),
        (call.as_slice(), tree.root(), 4),
        (&call[..call.len() - 10], tree.root(), 3),
        (&call[..0], tree.root(), 0),
    ] {
        assert!(rows_in_calldata(input, root, count).is_none());
    }
}

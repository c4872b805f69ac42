//! Rows are read back from the calldata that settled them, whoever wrote it.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolValue, sol};
use fonte_types::settlement::{Row, Tables, UnpackError, read_settle};
use proptest::{collection::vec, prelude::*};

sol! {
    struct SolTables {
        uint64[] sources;
        uint64[] versions;
        uint32[] models;
        address[] workers;
    }
    struct SolTab {
        address payer;
        uint128 total;
        uint64 nonce;
        uint32 count;
        bytes signature;
        bytes rows;
    }
}

fn rows() -> impl Strategy<Value = Row> {
    let share = (1..u64::MAX, 0..1u32 << 24);
    (any::<[u8; 32]>(), 0..4u32, 0..3u8, any::<u128>(), vec(any::<u64>(), 0..=16), vec(share, 0..=16)).prop_map(
        |(receipt, model, worker, fee, versions, shares)| Row {
            receipt: receipt.into(),
            model,
            worker: Address::repeat_byte(worker),
            fee,
            versions,
            shares: shares.into_iter().map(|(id, ppm)| U256::from(u128::from(id) << 32 | u128::from(ppm))).collect(),
        },
    )
}

/// The rows with their payers, the tables, each tab's packed rows, and the arguments of the call.
type Encoded = (Vec<(Address, Row)>, Tables, Vec<Vec<u8>>, Vec<u8>);

/// Up to four tabs of up to four rows, as a gateway encodes them.
fn encoded(tabs: &[Vec<Row>]) -> Encoded {
    let tables = Tables::of(tabs.iter().flatten()).expect("few");
    let (mut settled, mut packed, mut sol_tabs) = (Vec::new(), Vec::new(), Vec::new());
    for (index, rows) in tabs.iter().enumerate() {
        let payer = Address::repeat_byte(0x70 + u8::try_from(index).expect("few"));
        let mut bytes = Vec::new();
        for row in rows {
            tables.pack(row, &mut bytes).expect("in the tables");
            settled.push((payer, row.clone()));
        }
        packed.push(bytes.clone());
        sol_tabs.push(SolTab {
            payer,
            total: u128::MAX,
            nonce: 7,
            count: u32::try_from(rows.len()).expect("few"),
            signature: Bytes::from(vec![0xab; 65]),
            rows: bytes.into(),
        });
    }
    let sol_tables = SolTables {
        sources: tables.sources.clone(),
        versions: tables.versions.clone(),
        models: tables.models.clone(),
        workers: tables.workers.clone(),
    };
    (settled, tables, packed, (sol_tables, sol_tabs).abi_encode_params())
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked(tabs in vec(vec(rows(), 1..=4), 1..=4)) {
        let (settled, tables, packed, arguments) = encoded(&tabs);
        for (rows, bytes) in tabs.iter().zip(&packed) {
            let count = u32::try_from(rows.len()).expect("few");
            prop_assert_eq!(&tables.unpack(count, bytes).expect("as packed"), rows);
            prop_assert_eq!(tables.unpack(count + 1, bytes), Err(UnpackError::Row(rows.len())));
            let cut = &bytes[..bytes.len() - 1];
            prop_assert_eq!(tables.unpack(count, cut), Err(UnpackError::Row(rows.len() - 1)));
            let longer = [bytes.as_slice(), &[0]].concat();
            prop_assert_eq!(tables.unpack(count, &longer), Err(UnpackError::Rest(1)));
        }
        let most = u32::try_from(settled.len()).expect("few");
        prop_assert_eq!(read_settle(&arguments, most), Ok(settled.clone()));
        prop_assert_eq!(read_settle(&arguments, most - 1), Err(UnpackError::Arguments));
        // What is behind the arguments is not theirs: a call may stand in the calldata of another.
        prop_assert_eq!(read_settle(&[arguments.as_slice(), &[1; 40]].concat(), most), Ok(settled));
    }

    /// Whatever the bytes say: an answer or an error, and never more rows than there are.
    #[test]
    fn damaged_arguments_are_bounded(
        tabs in vec(vec(rows(), 1..=3), 1..=3),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (settled, _, _, mut arguments) = encoded(&tabs);
        let most = u32::try_from(settled.len()).expect("few");
        for (at, byte) in damage {
            let at = at.index(arguments.len());
            arguments[at] = byte;
        }
        let read = read_settle(&arguments, most);
        prop_assert!(read.map_or(0, |rows| rows.len()) <= settled.len());
        let short = &arguments[..cut.index(arguments.len())];
        prop_assert!(read_settle(short, most).map_or(0, |rows| rows.len()) <= settled.len());
    }
}

/// Fifteen thousand tabs that share half a megabyte of rows would be gigabytes, were they copied.
#[test]
fn offsets_into_one_place_cost_nothing() {
    let word = |number: u32| U256::from(number).to_be_bytes::<32>();
    const TABS: u32 = 15_000;
    let mut arguments = [word(64), word(64 + 5 * 32)].concat();
    // Four empty lists, all at one word of zero.
    arguments.extend([word(128); 4].concat());
    arguments.extend(word(0));
    arguments.extend(word(TABS));
    for _ in 0..TABS {
        arguments.extend(word(TABS * 32));
    }
    arguments.extend([word(0), word(0), word(0), word(1), word(0), word(6 * 32), word(500_000)].concat());
    arguments.extend(vec![0; 500_000]);
    assert_eq!(read_settle(&arguments, TABS - 1), Err(UnpackError::Arguments));
    assert_eq!(read_settle(&arguments, TABS), Err(UnpackError::Row(0)));
}

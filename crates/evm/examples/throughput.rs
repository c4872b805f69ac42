//! How fast blocks of token transfers execute, and what the state root costs.
//!
//! `cargo run --release -p fonte-evm --example throughput -- [transfers per block] [accounts] [blocks]`
//!
//! Times are of the processor where the system tells them (Linux), so that a busy machine does not change them; recovery
//! runs on all cores and is timed by the clock.
//!
//! The token is hand-assembled (balance check, two slots, a `Transfer` log): leaner than OpenZeppelin's by some hundreds
//! of instructions, with the same storage traffic.

use std::time::{Duration, Instant};

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use fonte_evm::{
    BlockAttributes, Executor, Genesis, GenesisAccount, MAX_BLOCK_BYTES, RecoveredBlock, RecoveredTx, State,
    StateLoader, recover,
};

const CHAIN_ID: u64 = 1;
const TOKEN: Address = Address::repeat_byte(0x70);
/// `transfer(address,uint256)` over `balance[keccak256(address)]`; the selector is not looked at.
const TOKEN_CODE: &str = "335f5260205f208054602435808210605a5780910390915560043\
    55f5260205f20805482019055\
    5f52600435337fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef60205fa3\
    60015f5260205ff35b5f5ffd";

fn main() {
    let argument =
        |index, default| std::env::args().nth(index).map_or(default, |text| text.parse::<u64>().expect("a number"));
    let (transfers, accounts, blocks) = (argument(1, 4_000), argument(2, 20_000), argument(3, 5));

    let keys: Vec<PrivateKeySigner> = (0..transfers.min(accounts))
        .map(|index| PrivateKeySigner::from_bytes(&keccak256(index.to_be_bytes())).expect("a hash is a valid key"))
        .collect();
    let address = |index: u64| match keys.get(index as usize) {
        Some(key) => key.address(),
        None => Address::from_word(keccak256(index.to_be_bytes())),
    };
    let mut alloc: Vec<GenesisAccount> = (0..accounts)
        .map(|index| GenesisAccount {
            address: address(index),
            balance: U256::from(10u64.pow(18)),
            ..GenesisAccount::default()
        })
        .collect();
    alloc.push(GenesisAccount {
        address: TOKEN,
        nonce: 1,
        code: hex::decode(TOKEN_CODE.replace(char::is_whitespace, "")).expect("hex").into(),
        storage: (0..accounts)
            .map(|index| (keccak256(address(index).into_word()).into(), U256::from(1_000_000)))
            .collect(),
        ..GenesisAccount::default()
    });
    let genesis = Genesis {
        chain_id: CHAIN_ID,
        timestamp: 0,
        gas_limit: 1_000_000_000,
        base_fee: 1_000_000_000,
        alloc,
        predeploys: vec![],
        calls: vec![],
    };
    let start = cpu();
    let mut head = genesis.build().expect("genesis");
    println!("genesis of {accounts} accounts and as many slots: {:?}", cpu() - start);

    let start = cpu();
    let mut loader = StateLoader::new();
    for (address, account) in &head.diff.accounts {
        loader.account(*address, account.expect("genesis deletes nothing"));
    }
    for (address, slots) in &head.diff.storage {
        for (slot, value) in slots {
            loader.storage(*address, *slot, *value);
        }
    }
    for code in head.diff.code.values() {
        loader.code(code.clone()).expect("stored code");
    }
    let loaded: State = loader.finish().expect("complete rows");
    assert_eq!(loaded.root(), head.header().state_root);
    println!("loading it from rows, with the root: {:?}", cpu() - start);

    let executor = Executor::new(CHAIN_ID);
    let mut random = 88_172_645_463_325_252_u64;
    let (mut propose, mut verify, mut senders, mut trie) = (vec![], vec![], vec![], vec![]);
    for round in 0..blocks {
        let transactions: Vec<RecoveredTx> = (0..transfers)
            .map(|index| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let from = index % keys.len() as u64;
                let nonce = round * transfers.div_ceil(keys.len() as u64) + index / keys.len() as u64;
                transfer(&keys[from as usize], nonce, address(random % accounts))
            })
            .collect();
        let attributes = BlockAttributes {
            timestamp: head.header().timestamp,
            beneficiary: Address::ZERO,
            extra_data: Bytes::new(),
            max_bytes: MAX_BLOCK_BYTES,
        };
        let start = cpu();
        let proposal = executor.propose(head.header(), &head.state, attributes, transactions).expect("proposes");
        propose.push(cpu() - start);
        assert!(proposal.skipped.is_empty(), "{:?}", proposal.skipped.first());
        let block = proposal.executed;
        assert!(block.outcomes.iter().all(|outcome| outcome.receipt.logs().len() == 1));

        let start = Instant::now();
        let recovered = RecoveredBlock::recover(block.block.block.clone(), |_| None).expect("signed");
        senders.push(start.elapsed());
        let start = cpu();
        executor.verify(head.header(), &head.state, &recovered).expect("verifies");
        verify.push(cpu() - start);
        let start = cpu();
        let state = head.state.apply(&block.diff).expect("fits");
        assert_eq!(state.root(), block.header().state_root);
        trie.push(cpu() - start);
        if round == 0 {
            println!(
                "{transfers} transfers: {} gas each, {} accounts and {} slots change",
                block.header().gas_used / transfers,
                block.diff.accounts.len(),
                block.diff.storage.values().map(|slots| slots.len()).sum::<usize>()
            );
        }
        head = block;
    }
    for (name, times) in [
        ("propose: execute, roots, header", propose),
        ("verify: the same, checked", verify),
        ("of which state trie and its root", trie),
        ("recover all senders, all cores", senders),
    ] {
        report(name, times, transfers);
    }
}

/// Time that this thread had a processor; the time of day where the system does not tell.
fn cpu() -> Duration {
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok());
    match nanoseconds {
        Some(nanoseconds) => Duration::from_nanos(nanoseconds),
        None => std::time::UNIX_EPOCH.elapsed().expect("the clock is past 1970"),
    }
}

fn report(name: &str, mut times: Vec<Duration>, transfers: u64) {
    times.sort();
    let median = times[times.len() / 2];
    println!("{name}: median {median:?}, {:.0} transfers/s", transfers as f64 / median.as_secs_f64());
}

fn transfer(key: &PrivateKeySigner, nonce: u64, to: Address) -> RecoveredTx {
    let input = [&hex!("a9059cbb")[..], to.into_word().as_slice(), B256::from(U256::from(1)).as_slice()].concat();
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(TOKEN),
        input: input.into(),
        ..TxEip1559::default()
    };
    let signature = key.sign_hash_sync(&transaction.signature_hash()).expect("signs");
    recover(transaction.into_signed(signature).into()).expect("signed")
}

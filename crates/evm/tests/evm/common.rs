//! Keys, transactions and hand-assembled contracts that the tests share.
#![allow(unreachable_pub)] // A test binary has no outside.

use std::collections::BTreeMap;

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use fonte_evm::{
    Account, BlockAttributes, ExecutedBlock, Executor, Genesis, GenesisAccount, MAX_BLOCK_BYTES, RecoveredTx, Skipped,
    State, StateDiff, Transaction, recover,
};

pub const CHAIN_ID: u64 = 7_301;
pub const GAS_LIMIT: u64 = 60_000_000;
pub const BASE_FEE: u64 = 1_000_000_000;
pub const GENESIS_TIME: u64 = 1_700_000_000;
pub const BENEFICIARY: Address = address!("00000000000000000000000000000000000fee00");
pub const ETHER: u64 = 1_000_000_000_000_000_000;
/// `store(slot, value)`: calldata is two words; no calldata reverts.
pub const STORE: Address = address!("0000000000000000000000000000000000005701");
/// Creates a contract that stores something and destroys itself, all in one transaction.
pub const EPHEMERAL: Address = address!("0000000000000000000000000000000000005702");
/// Logs its caller and the first word of its calldata under topic 0x77.
pub const LOGGER: Address = address!("0000000000000000000000000000000000005703");
/// Always reverts with `Error("no")`.
pub const REVERTS: Address = address!("0000000000000000000000000000000000005704");

pub fn executor() -> Executor {
    Executor::new(CHAIN_ID)
}

pub fn key(index: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(index + 1)).expect("a small number is a valid key")
}

pub fn genesis() -> Genesis {
    let rich = (0..8).map(|index| GenesisAccount {
        address: key(index).address(),
        balance: U256::from(ETHER),
        ..GenesisAccount::default()
    });
    let contracts = [
        (STORE, hex("3615600c576020355f3555005b5f5ffd")),
        (EPHEMERAL, ephemeral()),
        // PUSH0 CALLDATALOAD PUSH0 MSTORE CALLER PUSH1 20 MSTORE PUSH1 77 PUSH1 40 PUSH0 LOG1 STOP
        (LOGGER, hex("5f355f5233602052607760405fa100")),
        (REVERTS, reverts("no")),
    ];
    let code = contracts.into_iter().map(|(address, code)| GenesisAccount {
        address,
        code,
        nonce: 1,
        ..GenesisAccount::default()
    });
    Genesis {
        chain_id: CHAIN_ID,
        timestamp: GENESIS_TIME,
        gas_limit: GAS_LIMIT,
        base_fee: BASE_FEE,
        alloc: rich.chain(code).collect(),
        predeploys: Vec::new(),
        calls: Vec::new(),
    }
}

pub fn hex(text: &str) -> Bytes {
    alloy_primitives::hex::decode(text).expect("hex").into()
}

/// Runtime code that reverts with `Error(text)`, for texts of up to 32 bytes.
pub fn reverts(text: &str) -> Bytes {
    let mut word = [0u8; 32];
    word[..text.len()].copy_from_slice(text.as_bytes());
    let mut code = hex("6308c379a060e01b5f526020600452").to_vec();
    code.extend([0x60, text.len() as u8, 0x60, 0x24, 0x52]);
    code.push(0x7f);
    code.extend(word);
    code.extend(hex("60445260645ffd"));
    code.into()
}

/// Creates a child whose init code stores 1 at slot 1 and self-destructs to address 0xdead.
fn ephemeral() -> Bytes {
    // PUSH1 1 PUSH1 1 SSTORE PUSH2 dead SELFDESTRUCT
    let child = hex("600160015561deadff");
    let mut code = vec![0x60 + child.len() as u8 - 1];
    code.extend(&child);
    // PUSH0 MSTORE PUSH1 len PUSH1 (32 - len) CALLVALUE CREATE STOP
    code.extend([0x5f, 0x52, 0x60, child.len() as u8, 0x60, 32 - child.len() as u8, 0x34, 0xf0, 0x00]);
    code.into()
}

/// Init code that deploys `runtime` as it is.
pub fn deploys(runtime: &[u8]) -> Bytes {
    let mut code = vec![0x60, runtime.len() as u8, 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3];
    code.extend(runtime);
    code.into()
}

pub fn words(words: &[u64]) -> Bytes {
    words.iter().flat_map(|word| U256::from(*word).to_be_bytes::<32>()).collect::<Vec<_>>().into()
}

/// A type-2 transaction that tests change before they sign it.
pub fn call(nonce: u64, to: Address, value: u64, input: Bytes) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 10 * u128::from(BASE_FEE),
        max_priority_fee_per_gas: 1_000,
        to: TxKind::Call(to),
        value: U256::from(value),
        access_list: Default::default(),
        input,
    }
}

pub fn sign<T>(key: &PrivateKeySigner, transaction: T) -> Transaction
where
    T: SignableTransaction<alloy_primitives::Signature>,
    Transaction: From<alloy_consensus::Signed<T>>,
{
    let signature = key.sign_hash_sync(&transaction.signature_hash()).expect("signing a hash");
    transaction.into_signed(signature).into()
}

pub fn signed<T>(key: &PrivateKeySigner, transaction: T) -> RecoveredTx
where
    T: SignableTransaction<alloy_primitives::Signature>,
    Transaction: From<alloy_consensus::Signed<T>>,
{
    recover(sign(key, transaction)).expect("we signed it")
}

pub fn attributes(parent: &ExecutedBlock) -> BlockAttributes {
    BlockAttributes {
        timestamp: parent.header().timestamp + 1,
        beneficiary: BENEFICIARY,
        extra_data: Bytes::new(),
        max_bytes: MAX_BLOCK_BYTES,
    }
}

/// Proposes, and has the verifier agree.
pub fn next(parent: &ExecutedBlock, transactions: Vec<RecoveredTx>) -> (ExecutedBlock, Vec<Skipped>) {
    let proposal = executor()
        .propose(parent.header(), &parent.state, attributes(parent), transactions)
        .expect("proposing on a valid parent");
    let executed = proposal.executed;
    let verified =
        executor().verify(parent.header(), &parent.state, &executed.block).expect("a proposed block verifies");
    assert_eq!(verified.hash(), executed.hash());
    assert_eq!(verified.diff, executed.diff);
    assert_eq!(verified.outcomes, executed.outcomes);
    (executed, proposal.skipped)
}

/// What a store would hold: plain rows, changed by nothing but diffs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flat {
    pub accounts: BTreeMap<Address, Account>,
    pub storage: BTreeMap<Address, BTreeMap<U256, U256>>,
    pub code: BTreeMap<B256, Bytes>,
}

impl Flat {
    pub fn apply(&mut self, diff: &StateDiff) {
        self.code.extend(diff.code.clone());
        for address in &diff.wiped {
            self.storage.remove(address);
        }
        for (address, account) in &diff.accounts {
            match account {
                Some(account) => {
                    self.accounts.insert(*address, *account);
                }
                None => {
                    self.accounts.remove(address);
                    self.storage.remove(address);
                }
            }
        }
        for (address, slots) in &diff.storage {
            let stored = self.storage.entry(*address).or_default();
            for (slot, value) in slots {
                if value.is_zero() {
                    stored.remove(slot);
                } else {
                    stored.insert(*slot, *value);
                }
            }
        }
        self.storage.retain(|_, slots| !slots.is_empty());
    }

    /// The root as alloy-trie computes it from the rows.
    pub fn root(&self) -> B256 {
        let empty = BTreeMap::new();
        state_root_unhashed(self.accounts.iter().map(|(address, account)| {
            let slots = self.storage.get(address).unwrap_or(&empty);
            let storage_root = storage_root_unhashed(slots.iter().map(|(slot, value)| (B256::from(*slot), *value)));
            (
                *address,
                TrieAccount {
                    nonce: account.nonce,
                    balance: account.balance,
                    storage_root,
                    code_hash: account.code_hash,
                },
            )
        }))
    }

    /// The state rebuilt as a store would at start.
    pub fn load(&self) -> State {
        let mut loader = fonte_evm::StateLoader::new();
        for (address, slots) in &self.storage {
            for (slot, value) in slots {
                loader.storage(*address, *slot, *value);
            }
        }
        for (address, account) in &self.accounts {
            loader.account(*address, *account);
        }
        for code in self.code.values() {
            loader.code(code.clone()).expect("stored code is well-formed");
        }
        loader.finish().expect("the rows are complete")
    }
}

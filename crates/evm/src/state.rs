//! The world state: an immutable snapshot per block, and the difference between two of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    sync::Arc,
};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Encodable;
use revm::{Database, bytecode::Bytecode, database::states::bundle_state::BundleState, state::AccountInfo};
use serde::{Deserialize, Serialize};

use crate::trie::{Trie, Value};

/// How many ancestors `BLOCKHASH` can see.
pub const BLOCK_HASH_WINDOW: u64 = 256;

/// An account without its storage and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// In wei.
    pub balance: U256,
    /// `keccak256("")` where there is no code.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl Account {
    /// Whether EIP-161 lets this account not exist.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }
}

/// Everything that a block changed, in plain keys and in order: what a store writes, and what [`State::apply`] replays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateDiff {
    /// New contents; `None` where the account is gone. Then it left no storage, or is among `wiped`.
    pub accounts: BTreeMap<Address, Option<Account>>,
    /// Accounts whose earlier storage is gone as a whole: delete their rows before writing `storage`.
    pub wiped: BTreeSet<Address>,
    /// Changed slots; zero where the slot is cleared.
    pub storage: BTreeMap<Address, BTreeMap<U256, U256>>,
    /// Code that an account of this diff names and that may be new.
    pub code: BTreeMap<B256, Bytes>,
}

impl StateDiff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.wiped.is_empty() && self.storage.is_empty()
    }

    /// Adds what changed after this diff.
    pub(crate) fn extend(&mut self, later: StateDiff) {
        for address in later.wiped {
            self.storage.remove(&address);
            self.wiped.insert(address);
        }
        for (address, account) in later.accounts {
            if account.is_none() {
                self.storage.remove(&address);
            }
            self.accounts.insert(address, account);
        }
        for (address, slots) in later.storage {
            self.storage.entry(address).or_default().extend(slots);
        }
        self.code.extend(later.code);
    }

    /// The changes that revm collected over a block.
    pub(crate) fn from_bundle(bundle: BundleState) -> Self {
        let mut diff = Self::default();
        for (address, account) in bundle.state {
            let wiped = account.was_destroyed();
            if account.original_info.is_none() && account.info.is_none() {
                continue; // Born and gone within the block.
            }
            if account.is_info_changed() {
                let info = account.info.as_ref();
                diff.accounts.insert(
                    address,
                    info.map(|info| Account { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash }),
                );
                if account.is_contract_changed()
                    && let Some(info) = info
                    && info.code_hash != KECCAK256_EMPTY
                    && let Some(code) = info.code.as_ref().or(bundle.contracts.get(&info.code_hash))
                {
                    diff.code.insert(info.code_hash, code.original_bytes());
                }
            }
            if wiped && account.original_info.is_some() {
                diff.wiped.insert(address);
            }
            if account.info.is_none() {
                continue;
            }
            let slots: BTreeMap<U256, U256> = account
                .storage
                .into_iter()
                .filter(|(_, slot)| if wiped { !slot.present_value.is_zero() } else { slot.is_changed() })
                .map(|(key, slot)| (key, slot.present_value))
                .collect();
            if !slots.is_empty() {
                diff.storage.insert(address, slots);
            }
        }
        diff
    }
}

/// Why rows or a diff do not make a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// An account names code that is nowhere.
    #[error("account {address} names code {code_hash}, which is not in the state; restore the store from a peer")]
    MissingCode {
        /// The account.
        address: Address,
        /// The code it names.
        code_hash: B256,
    },
    /// Storage of an account that does not exist.
    #[error("storage of {address} is given, but there is no such account; restore the store from a peer")]
    OrphanStorage {
        /// The account.
        address: Address,
    },
    /// Bytes that are no code.
    #[error("code {code_hash} is malformed")]
    MalformedCode {
        /// Its hash.
        code_hash: B256,
    },
}

/// The world after some block: immutable, shared, cheap to clone.
///
/// Each block yields a new `State` that shares all unchanged nodes with its parent, so competing blocks cannot see each
/// other's writes, and dropping a losing block's state frees what only it held.
#[derive(Debug, Clone, Default)]
pub struct State {
    accounts: Trie<AccountLeaf>,
    /// By code hash, shared by all accounts. Never hashed: here the trie serves as a persistent map. Codes are kept for
    /// good, as clearing them would need reference counts.
    codes: Trie<Bytecode>,
    block_hashes: Arc<BTreeMap<u64, B256>>,
}

#[derive(Debug, Clone, Default)]
struct AccountLeaf {
    account: Account,
    storage: Trie<U256>,
}

impl Value for AccountLeaf {
    fn encode(&self, out: &mut Vec<u8>) {
        let root = self.storage.root();
        let account = &self.account;
        alloy_rlp::Header {
            list: true,
            payload_length: account.nonce.length()
                + account.balance.length()
                + root.length()
                + account.code_hash.length(),
        }
        .encode(out);
        account.nonce.encode(out);
        Encodable::encode(&account.balance, out);
        root.encode(out);
        account.code_hash.encode(out);
    }
}

impl State {
    /// The Ethereum state root.
    pub fn root(&self) -> B256 {
        self.accounts.root()
    }

    /// The account at `address`.
    pub fn account(&self, address: Address) -> Option<Account> {
        self.leaf(address).map(|leaf| leaf.account)
    }

    /// A storage slot; zero where nothing is stored.
    pub fn storage(&self, address: Address, slot: U256) -> U256 {
        self.leaf(address).map_or(U256::ZERO, |leaf| leaf.slot(slot))
    }

    /// The root of an account's storage.
    pub fn storage_root(&self, address: Address) -> Option<B256> {
        self.leaf(address).map(|leaf| leaf.storage.root())
    }

    /// The code at `address`; empty where there is none.
    pub fn code(&self, address: Address) -> Bytes {
        self.leaf(address).and_then(|leaf| self.code_by_hash(&leaf.account.code_hash)).unwrap_or_default()
    }

    /// Code by its hash.
    pub fn code_by_hash(&self, code_hash: &B256) -> Option<Bytes> {
        self.codes.get(code_hash).map(Bytecode::original_bytes)
    }

    /// The hash of block `number`, if it is among the last [`BLOCK_HASH_WINDOW`].
    pub fn block_hash(&self, number: u64) -> Option<B256> {
        self.block_hashes.get(&number).copied()
    }

    /// The state that `diff` makes of this one.
    pub fn apply(&self, diff: &StateDiff) -> Result<State, StateError> {
        let mut next = self.clone();
        for (hash, code) in &diff.code {
            next.insert_code(*hash, code.clone())?;
        }
        let touched: BTreeSet<Address> =
            diff.accounts.keys().chain(diff.storage.keys()).chain(&diff.wiped).copied().collect();
        for address in touched {
            let key = keccak256(address);
            let slots = diff.storage.get(&address);
            let existing = next.accounts.get(&key).cloned();
            let mut leaf = match diff.accounts.get(&address) {
                Some(None) => {
                    next.accounts.remove(&key);
                    continue;
                }
                Some(Some(account)) => {
                    if account.code_hash != KECCAK256_EMPTY && next.codes.get(&account.code_hash).is_none() {
                        return Err(StateError::MissingCode { address, code_hash: account.code_hash });
                    }
                    AccountLeaf { account: *account, storage: existing.map(|leaf| leaf.storage).unwrap_or_default() }
                }
                None => existing.ok_or(StateError::OrphanStorage { address })?,
            };
            if diff.wiped.contains(&address) {
                leaf.storage = Trie::default();
            }
            for (slot, value) in slots.into_iter().flatten() {
                leaf.set_slot(*slot, *value);
            }
            next.accounts.insert(&key, leaf);
        }
        Ok(next)
    }

    /// The same state, remembering the hash of block `number` and forgetting those out of the window.
    pub(crate) fn with_block_hash(mut self, number: u64, hash: B256) -> State {
        let hashes = Arc::make_mut(&mut self.block_hashes);
        hashes.insert(number, hash);
        while hashes.len() as u64 > BLOCK_HASH_WINDOW {
            hashes.pop_first();
        }
        self
    }

    /// Proofs of an account and of some of its slots, as `eth_getProof` gives them.
    pub fn proof(&self, address: Address, slots: &[U256]) -> AccountProof {
        let key = keccak256(address);
        let leaf = self.accounts.get(&key);
        let empty = Trie::default();
        let storage = leaf.map_or(&empty, |leaf| &leaf.storage);
        AccountProof {
            address,
            account: leaf.map(|leaf| leaf.account),
            storage_root: storage.root(),
            nodes: self.accounts.proof(&key),
            slots: slots
                .iter()
                .map(|slot| {
                    let key = slot_key(*slot);
                    SlotProof {
                        slot: *slot,
                        value: storage.get(&key).copied().unwrap_or_default(),
                        nodes: storage.proof(&key),
                    }
                })
                .collect(),
        }
    }

    fn leaf(&self, address: Address) -> Option<&AccountLeaf> {
        self.accounts.get(&keccak256(address))
    }

    fn insert_code(&mut self, code_hash: B256, code: Bytes) -> Result<(), StateError> {
        if self.codes.get(&code_hash).is_none() {
            // Checked: malformed EIP-7702 designators would panic otherwise.
            let code = Bytecode::new_raw_checked(code).map_err(|_| StateError::MalformedCode { code_hash })?;
            self.codes.insert(&code_hash, code);
        }
        Ok(())
    }
}

impl AccountLeaf {
    fn slot(&self, slot: U256) -> U256 {
        self.storage.get(&slot_key(slot)).copied().unwrap_or_default()
    }

    fn set_slot(&mut self, slot: U256, value: U256) {
        let key = slot_key(slot);
        if value.is_zero() {
            self.storage.remove(&key);
        } else {
            self.storage.insert(&key, value);
        }
    }
}

fn slot_key(slot: U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

/// A Merkle proof of one account (its value, or that there is none) and of some slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProof {
    /// Whose.
    pub address: Address,
    /// `None` is proved too.
    pub account: Option<Account>,
    /// Root that the slots' proofs start from.
    pub storage_root: B256,
    /// RLP nodes from the state root down.
    pub nodes: Vec<Bytes>,
    /// One per slot asked for, in that order.
    pub slots: Vec<SlotProof>,
}

/// A Merkle proof of one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotProof {
    /// Which slot.
    pub slot: U256,
    /// Zero where nothing is stored.
    pub value: U256,
    /// RLP nodes from the storage root down.
    pub nodes: Vec<Bytes>,
}

/// Builds a [`State`] from a store's plain rows, in any order.
#[derive(Debug, Default)]
pub struct StateLoader {
    state: State,
    accounts: BTreeMap<Address, AccountLeaf>,
    known: BTreeSet<Address>,
}

impl StateLoader {
    /// Nothing loaded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An account's row.
    pub fn account(&mut self, address: Address, account: Account) -> &mut Self {
        self.accounts.entry(address).or_default().account = account;
        self.known.insert(address);
        self
    }

    /// A slot's row.
    pub fn storage(&mut self, address: Address, slot: U256, value: U256) -> &mut Self {
        self.accounts.entry(address).or_default().set_slot(slot, value);
        self
    }

    /// A code's row. Its hash is computed here, so that a damaged row cannot pass for another code.
    pub fn code(&mut self, code: Bytes) -> Result<&mut Self, StateError> {
        self.state.insert_code(keccak256(&code), code)?;
        Ok(self)
    }

    /// The hash of a block; the last [`BLOCK_HASH_WINDOW`] are needed for `BLOCKHASH`.
    pub fn block_hash(&mut self, number: u64, hash: B256) -> &mut Self {
        self.state = std::mem::take(&mut self.state).with_block_hash(number, hash);
        self
    }

    /// The state. Compare its root with the last block's header: that is what shows a damaged store.
    pub fn finish(self) -> Result<State, StateError> {
        let mut state = self.state;
        for (address, leaf) in self.accounts {
            if !self.known.contains(&address) {
                return Err(StateError::OrphanStorage { address });
            }
            let code_hash = leaf.account.code_hash;
            if code_hash != KECCAK256_EMPTY && state.codes.get(&code_hash).is_none() {
                return Err(StateError::MissingCode { address, code_hash });
            }
            state.accounts.insert(&keccak256(address), leaf);
        }
        Ok(state)
    }
}

/// What revm reads from while it executes one block.
///
/// It remembers each account's leaf, so that the thousands of slot reads of one token hash its address once.
pub(crate) struct Reader<'a> {
    state: &'a State,
    leaves: HashMap<Address, Option<&'a AccountLeaf>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(state: &'a State) -> Self {
        Self { state, leaves: HashMap::new() }
    }

    fn leaf(&mut self, address: Address) -> Option<&'a AccountLeaf> {
        let state = self.state;
        *self.leaves.entry(address).or_insert_with(|| state.leaf(address))
    }
}

impl Database for Reader<'_> {
    type Error = Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        let state = self.state;
        Ok(self.leaf(address).map(|leaf| AccountInfo {
            balance: leaf.account.balance,
            nonce: leaf.account.nonce,
            code_hash: leaf.account.code_hash,
            account_id: None,
            // Code comes along already analysed: it is shared, so this is a reference count.
            code: Some(state.codes.get(&leaf.account.code_hash).cloned().unwrap_or_default()),
        }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.state.codes.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, Infallible> {
        Ok(self.leaf(address).map_or(U256::ZERO, |leaf| leaf.slot(index)))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Infallible> {
        Ok(self.state.block_hash(number).unwrap_or_default())
    }
}

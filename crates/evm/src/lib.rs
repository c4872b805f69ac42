//! The state transition: `(state, block) -> (state root, outcomes)`, on revm.
//!
//! # API (being filled in; these signatures are what `fonte-chain` builds on)
//!
//! ```text
//! // --- state: an immutable, cheaply cloned snapshot (persistent Merkle-Patricia trie, nodes shared by Arc).
//! // Every block has its own `State`; forks share structure, dropping a `State` drops the loser. No overlay chain to
//! // walk: the snapshot after a block answers every read. Rebuilt at start from flat rows by `StateLoader`.
//! #[derive(Clone)] struct State
//! impl State {
//!     fn root(&self) -> B256;
//!     fn account(&self, Address) -> Option<Account>;            // nonce, balance, code_hash, storage_root()
//!     fn storage(&self, Address, slot: U256) -> U256;
//!     fn code(&self, Address) -> Bytes;  fn code_by_hash(&self, &B256) -> Option<Bytes>;
//!     fn block_hash(&self, number: u64) -> Option<B256>;        // the last 256
//!     fn apply(&self, &StateDiff) -> Result<State, StateError>; // recompute a post-state from a stored diff
//!     fn proof(&self, Address, slots: &[U256]) -> AccountProof; // eth_getProof
//! }
//! struct StateLoader; // ::new() .account(addr, Account) .storage(addr, slot, value) .code(Bytes) .block_hash(n, h)
//!                     // .finish() -> Result<State, StateError>; any order
//! struct Account { nonce: u64, balance: U256, code_hash: B256 }
//!
//! // --- what the store writes for a finalized block (plain keys, ordered)
//! struct StateDiff { accounts: BTreeMap<Address, Option<Account>>, wiped: BTreeSet<Address>,
//!                    storage: BTreeMap<Address, BTreeMap<U256, U256>>,   // zero = delete the row
//!                    code: BTreeMap<B256, Bytes> }
//!
//! // --- blocks and transactions (alloy-consensus types, Ethereum RLP and hashes)
//! type Transaction = alloy_consensus::TxEnvelope;     type RecoveredTx = Recovered<Transaction>;
//! type Block = alloy_consensus::Block<Transaction>;   // Header = alloy_consensus::Header, hash = header.hash_slow()
//! struct RecoveredBlock { block: Block, hash: B256, senders: Vec<Address> }
//! impl RecoveredBlock { fn recover(block: Block, known: impl Fn(&TxHash) -> Option<Address>) -> Result<Self, BlockError>; }
//! fn recover(tx: Transaction) -> Result<RecoveredTx, Refusal>;
//! fn next_base_fee(parent: &Header) -> u64;
//!
//! // --- the executor: one per chain id, no other state
//! #[derive(Clone, Copy)] struct Executor;             // Executor::new(chain_id)
//! impl Executor {
//!     fn validate_for_pool(&self, tx: &Transaction) -> Result<(), Refusal>;  // stateless: type, chain id, gas, size
//!     fn propose(&self, parent: &Header, state: &State, BlockAttributes, txs: impl IntoIterator<Item = RecoveredTx>)
//!         -> Result<Proposal, BlockError>;            // Proposal { executed: ExecutedBlock, skipped: Vec<Skipped> }
//!     fn verify(&self, parent: &Header, state: &State, &RecoveredBlock) -> Result<ExecutedBlock, BlockError>;
//!     fn call(&self, state: &State, header: &Header, &CallRequest) -> Result<CallOutcome, CallError>;
//!     fn estimate_gas(&self, state: &State, header: &Header, &CallRequest) -> Result<u64, CallError>;
//! }
//! struct BlockAttributes { timestamp: u64, beneficiary: Address, extra_data: Bytes, max_bytes: usize }
//! struct ExecutedBlock { block: RecoveredBlock, outcomes: Vec<TransactionOutcome>, diff: StateDiff, state: State }
//! struct TransactionOutcome { hash: TxHash, receipt: ReceiptEnvelope, gas_used: u64, effective_gas_price: u128,
//!                             contract_address: Option<Address>, first_log_index: u64 }
//! struct Skipped { hash: TxHash, sender: Address, refusal: Refusal }  // Refusal::may_become_valid() -> bool: keep or drop
//! enum Refusal { NonceTooLow{..}, NonceTooHigh{..}, InsufficientFunds{..}, FeeBelowBase{..}, BlockFull{..}, .. }
//!
//! // --- genesis
//! struct Genesis { chain_id, timestamp, gas_limit, base_fee, alloc: Vec<GenesisAccount>, predeploys: Vec<Predeploy>,
//!                  calls: Vec<GenesisCall> }   // serde
//! impl Genesis { fn build(&self) -> Result<ExecutedBlock, GenesisError>; } // block 0, diff = the whole state
//! ```

mod block;
mod call;
mod execute;
mod genesis;
mod state;
mod transaction;
mod trie;

pub use alloy_consensus::{Header, ReceiptEnvelope};
pub use block::{
    Block, BlockAttributes, BlockError, MAX_BLOCK_BYTES, MAX_EXTRA_DATA, MIN_BASE_FEE,
    RecoveredBlock, next_base_fee,
};
pub use call::{
    AccountOverride, CallError, CallOutcome, CallRequest, MAX_CALL_GAS, StorageOverride,
    revert_reason,
};
pub use execute::{ExecutedBlock, Executor, Proposal, SPEC, Skipped, TransactionOutcome};
pub use genesis::{Genesis, GenesisAccount, GenesisCall, GenesisError, Predeploy};
pub use state::{
    Account, AccountProof, BLOCK_HASH_WINDOW, SlotProof, State, StateDiff, StateError, StateLoader,
};
pub use transaction::{
    MAX_TRANSACTION_BYTES, MAX_TRANSACTION_GAS, RecoveredTx, Refusal, Transaction, recover,
};

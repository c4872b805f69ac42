//! The state transition of a Fonte chain: `(state, block) -> (state root, outcomes)`, on revm, under Osaka's rules.
//!
//! **One block through it.** [`Genesis::build`] gives block 0 and its [`State`]. A proposer hands the parent's header, the
//! state after it and transactions from its pool to [`Executor::propose`]: what fits becomes an [`ExecutedBlock`], the rest
//! comes back as [`Skipped`] with the [`Refusal`]. The other validators find the senders ([`RecoveredBlock::recover`]) and
//! execute it too ([`Executor::verify`]), which fails with the first thing that differs. Each `ExecutedBlock` carries the
//! world after it, for its children and for reads, and a [`StateDiff`], for the store. [`Executor::call`] and
//! [`Executor::estimate_gas`] answer tools.
//!
//! **State.** A [`State`] is an immutable snapshot: a persistent Merkle-Patricia trie whose nodes are shared between
//! versions. Competing blocks each have their own, so nothing leaks between forks, and dropping a loser's snapshot is all
//! the clean-up there is; recent snapshots are cheap to keep for historical reads and proofs. The whole state is in memory,
//! some 300 bytes per account or slot; the store holds plain rows, from which [`StateLoader`] rebuilds it at start.
//!
//! **Ethereum's, except**: no blobs, no replay-unprotected transactions, the base fee has a floor ([`MIN_BASE_FEE`]),
//! several blocks may share a second, `PREVRANDAO` is the hash of the parent's hash (foreseeable: no randomness), and the
//! gas limit is fixed at genesis. The beacon root of EIP-4788 is zero and its contract is absent.
//!
//! **Never**: network, clock, files, randomness. The same inputs give the same outputs on every machine.
//!
//! ```
//! use alloy_primitives::{Address, U256, bytes};
//! use fonte_evm::{BlockAttributes, CallOutcome, CallRequest, Executor, Genesis, MAX_BLOCK_BYTES, Predeploy};
//!
//! let contract = Address::with_last_byte(0x42);
//! let genesis = Genesis {
//!     chain_id: 36_683,
//!     timestamp: 1_700_000_000,
//!     gas_limit: 60_000_000,
//!     base_fee: 1_000_000_000,
//!     alloc: vec![],
//!     predeploys: vec![Predeploy {
//!         name: "Answer".into(),
//!         address: contract,
//!         // A constructor that stores 7 in slot 0 and deploys code returning that slot.
//!         init_code: bytes!("60075f556008601060003960086000f35f545f5260205ff3"),
//!         value: U256::ZERO,
//!     }],
//!     calls: vec![],
//! }
//! .build()?;
//!
//! // The next block, by a proposer, checked by a validator.
//! let executor = Executor::new(36_683);
//! let attributes = BlockAttributes {
//!     timestamp: 1_700_000_001,
//!     beneficiary: Address::ZERO,
//!     extra_data: Default::default(),
//!     max_bytes: MAX_BLOCK_BYTES,
//! };
//! let proposal = executor.propose(genesis.header(), &genesis.state, attributes, [])?;
//! let block = executor.verify(genesis.header(), &genesis.state, &proposal.executed.block)?;
//! assert_eq!(block.header().parent_hash, genesis.hash());
//!
//! let request = CallRequest { to: Some(contract), ..CallRequest::default() };
//! let CallOutcome::Success { output, .. } = executor.call(&block.state, block.header(), &request)? else {
//!     panic!("the contract returns");
//! };
//! assert_eq!(U256::from_be_slice(&output), U256::from(7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
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
    Block, BlockAttributes, BlockError, MAX_BLOCK_BYTES, MAX_EXTRA_DATA, MIN_BASE_FEE, RecoveredBlock, next_base_fee,
};
pub use call::{AccountOverride, CallError, CallOutcome, CallRequest, MAX_CALL_GAS, StorageOverride, revert_reason};
pub use execute::{ExecutedBlock, Executor, Proposal, SPEC, Skipped, TransactionOutcome};
pub use genesis::{Genesis, GenesisAccount, GenesisCall, GenesisError, Predeploy};
pub use state::{Account, AccountProof, BLOCK_HASH_WINDOW, SlotProof, State, StateDiff, StateError, StateLoader};
pub use transaction::{MAX_TRANSACTION_BYTES, MAX_TRANSACTION_GAS, RecoveredTx, Refusal, Transaction, recover};

//! Block 0: balances, contracts whose constructors really run, and first calls.

use std::collections::{BTreeMap, BTreeSet};

use alloy_consensus::{Header, ReceiptEnvelope, proofs};
use alloy_eips::eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, TxKind, U256, keccak256};
use revm::{
    ExecuteCommitEvm, ExecuteEvm,
    context::{ContextSetters, TxEnv},
    context_interface::{JournalTr, result::ExecutionResult},
    handler::{EthFrame, Handler, MainnetHandler, SYSTEM_ADDRESS},
    interpreter::interpreter::EthInterpreter,
    primitives::eip170::MAX_CODE_SIZE,
};
use serde::{Deserialize, Serialize};

use crate::{
    block::{self, MIN_BASE_FEE},
    call::failure,
    execute::{ExecutedBlock, Machine, into_diff, machine},
    state::{Account, State, StateDiff, StateError},
    transaction::MAX_TRANSACTION_GAS,
};

/// Gas for each constructor and call of the genesis block. Nobody pays for it; it only bounds a loop gone wrong.
const GENESIS_GAS: u64 = 1_000_000_000;

/// What a chain starts from. The same genesis always gives the same block 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Genesis {
    /// EIP-155 id of the chain.
    pub chain_id: u64,
    /// Seconds since the epoch.
    pub timestamp: u64,
    /// Of every block.
    pub gas_limit: u64,
    /// Of block 0; at least [`MIN_BASE_FEE`].
    pub base_fee: u64,
    /// Accounts with what they hold.
    #[serde(default)]
    pub alloc: Vec<GenesisAccount>,
    /// Contracts, whose constructors run in this order.
    #[serde(default)]
    pub predeploys: Vec<Predeploy>,
    /// Calls that run after them, in this order.
    #[serde(default)]
    pub calls: Vec<GenesisCall>,
}

/// An account given as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenesisAccount {
    /// Whose.
    pub address: Address,
    /// In wei.
    #[serde(default)]
    pub balance: U256,
    /// Transactions it shall seem to have sent.
    #[serde(default)]
    pub nonce: u64,
    /// Runtime code.
    #[serde(default)]
    pub code: Bytes,
    /// Slots.
    #[serde(default)]
    pub storage: BTreeMap<U256, U256>,
}

/// A contract at an address chosen beforehand, built by its own constructor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Predeploy {
    /// For messages.
    pub name: String,
    /// Where it shall stand; the constructor sees it as `address(this)`.
    pub address: Address,
    /// Creation code with the constructor's arguments appended. `msg.sender` is the system address of EIP-4788.
    pub init_code: Bytes,
    /// Wei created for it and sent along.
    #[serde(default)]
    pub value: U256,
}

/// A call in the genesis block. It costs nothing and counts no nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenesisCall {
    /// `msg.sender`; may be a contract.
    pub from: Address,
    /// Called.
    pub to: Address,
    /// Call data.
    pub data: Bytes,
}

/// Why a genesis gives no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The base fee is under the floor.
    #[error("base fee {base_fee} is below the floor of {MIN_BASE_FEE} wei; raise it")]
    BaseFee {
        /// Given.
        base_fee: u64,
    },
    /// The gas limit would not let every allowed transaction in.
    #[error("gas limit {gas_limit} is below {MAX_TRANSACTION_GAS}, what one transaction may use; raise it")]
    GasLimit {
        /// Given.
        gas_limit: u64,
    },
    /// Two entries claim one address.
    #[error("{address} is given twice; keep one entry")]
    Duplicate {
        /// The address.
        address: Address,
    },
    /// Balances that add up to more than 2^256.
    #[error("the balances overflow at {address}")]
    Overflow {
        /// Where.
        address: Address,
    },
    /// A constructor did not return.
    #[error("the constructor of {name} ({address}) {reason}")]
    Constructor {
        /// Of the predeploy.
        name: String,
        /// Of the predeploy.
        address: Address,
        /// `reverted: …` or `halted: …`.
        reason: String,
    },
    /// A constructor returned something that may not be deployed.
    #[error("the code of {name} ({address}) {reason}")]
    Code {
        /// Of the predeploy.
        name: String,
        /// Of the predeploy.
        address: Address,
        /// What is wrong with it.
        reason: String,
    },
    /// A call failed.
    #[error("genesis call {index} from {from} to {to} {reason}")]
    Call {
        /// Position in the list.
        index: usize,
        /// Caller.
        from: Address,
        /// Called.
        to: Address,
        /// `reverted: …` or `halted: …`.
        reason: String,
    },
    /// Malformed code.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Genesis {
    /// Builds block 0. The diff of the result is the whole state.
    ///
    /// Beside what is listed, the block hash history contract of EIP-2935 stands at its address.
    pub fn build(&self) -> Result<ExecutedBlock, GenesisError> {
        if self.base_fee < MIN_BASE_FEE {
            return Err(GenesisError::BaseFee { base_fee: self.base_fee });
        }
        if self.gas_limit < MAX_TRANSACTION_GAS {
            return Err(GenesisError::GasLimit { gas_limit: self.gas_limit });
        }
        let mut building = Building {
            chain_id: self.chain_id,
            header: Header {
                timestamp: self.timestamp,
                gas_limit: self.gas_limit,
                base_fee_per_gas: Some(self.base_fee),
                // Two chains with the same accounts and different ids have different blocks 0.
                extra_data: [b"fonte ".as_slice(), &self.chain_id.to_be_bytes()].concat().into(),
                ..block::empty_header()
            },
            state: State::default(),
            diff: StateDiff::default(),
        };
        building.apply(self.allocation()?)?;
        for predeploy in &self.predeploys {
            building.deploy(predeploy)?;
        }
        for (index, call) in self.calls.iter().enumerate() {
            building.call(index, call)?;
        }
        building.finish()
    }

    /// The accounts given as they are.
    fn allocation(&self) -> Result<StateDiff, GenesisError> {
        let history = GenesisAccount {
            address: HISTORY_STORAGE_ADDRESS,
            nonce: 1,
            code: HISTORY_STORAGE_CODE.clone(),
            ..GenesisAccount::default()
        };
        let mut diff = StateDiff::default();
        for given in self.alloc.iter().chain([&history]) {
            let code_hash = if given.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&given.code) };
            let account = Account { nonce: given.nonce, balance: given.balance, code_hash };
            if account.is_empty() {
                continue;
            }
            if diff.accounts.insert(given.address, Some(account)).is_some() {
                return Err(GenesisError::Duplicate { address: given.address });
            }
            if !given.code.is_empty() {
                diff.code.insert(code_hash, given.code.clone());
            }
            let slots: BTreeMap<U256, U256> = given
                .storage
                .iter()
                .filter(|(_, value)| !value.is_zero())
                .map(|(slot, value)| (*slot, *value))
                .collect();
            if !slots.is_empty() {
                diff.storage.insert(given.address, slots);
            }
        }
        Ok(diff)
    }
}

/// Block 0 in the making.
struct Building {
    chain_id: u64,
    header: Header,
    state: State,
    /// Everything since the empty state.
    diff: StateDiff,
}

impl Building {
    fn apply(&mut self, diff: StateDiff) -> Result<(), StateError> {
        self.state = self.state.apply(&diff)?;
        self.diff.extend(diff);
        Ok(())
    }

    /// Runs the creation code as the code of its own address, then replaces it by what it returns. So storage lands in
    /// place, `address(this)` is right, and immutables are in the returned code.
    fn deploy(&mut self, predeploy: &Predeploy) -> Result<(), GenesisError> {
        let address = predeploy.address;
        let before = self.state.account(address).unwrap_or_default();
        if before.nonce != 0 || before.code_hash != KECCAK256_EMPTY {
            return Err(GenesisError::Duplicate { address });
        }
        let mut purse = self.state.account(SYSTEM_ADDRESS).unwrap_or_default();
        purse.balance = purse.balance.checked_add(predeploy.value).ok_or(GenesisError::Overflow { address })?;
        let init_hash = keccak256(&predeploy.init_code);
        let code_error = |reason: String| GenesisError::Code { name: predeploy.name.clone(), address, reason };
        if predeploy.init_code.is_empty() {
            return Err(code_error("is missing: the creation code is empty".to_owned()));
        }
        let mut prepared = StateDiff::default();
        prepared.accounts.insert(
            address,
            Some(Account {
                nonce: 1, // As of any contract (EIP-161), so that contracts it creates get their usual addresses.
                code_hash: init_hash,
                ..before
            }),
        );
        prepared.code.insert(init_hash, predeploy.init_code.clone());
        if !predeploy.value.is_zero() {
            prepared.accounts.insert(SYSTEM_ADDRESS, Some(purse));
        }
        self.apply(prepared)?;

        let code = self
            .run(SYSTEM_ADDRESS, address, predeploy.value, Bytes::new())
            .map_err(|reason| GenesisError::Constructor { name: predeploy.name.clone(), address, reason })?;
        if code.is_empty() {
            return Err(code_error("is empty: the creation code returns nothing".to_owned()));
        }
        if code.len() > MAX_CODE_SIZE {
            return Err(code_error(format!(
                "has {} bytes, at most {MAX_CODE_SIZE} may be deployed (EIP-170)",
                code.len()
            )));
        }
        if code[0] == 0xef {
            return Err(code_error("begins with 0xef, which may not be deployed (EIP-3541)".to_owned()));
        }
        let code_hash = keccak256(&code);
        let mut deployed = StateDiff::default();
        let account = self.state.account(address).unwrap_or_default();
        deployed.accounts.insert(address, Some(Account { code_hash, ..account }));
        deployed.code.insert(code_hash, code);
        Ok(self.apply(deployed)?)
    }

    fn call(&mut self, index: usize, call: &GenesisCall) -> Result<(), GenesisError> {
        let failed = |reason| GenesisError::Call { index, from: call.from, to: call.to, reason };
        if self.state.code(call.to).is_empty() {
            return Err(failed("finds no contract there".to_owned()));
        }
        self.run(call.from, call.to, U256::ZERO, call.data.clone()).map(drop).map_err(failed)
    }

    /// A call that costs nothing, counts no nonce and may come from anyone. Gives what it returned, or how it failed.
    fn run(&mut self, from: Address, to: Address, value: U256, data: Bytes) -> Result<Bytes, String> {
        let state = self.state.clone();
        let mut machine = machine(self.chain_id, &state, &self.header);
        // A value is taken from a loaded account; a system call by itself does not load its caller.
        machine.ctx.journaled_state.load_account(from).map_err(|error| error.to_string())?;
        machine.ctx.set_tx(TxEnv {
            caller: from,
            kind: TxKind::Call(to),
            value,
            data,
            gas_limit: GENESIS_GAS,
            chain_id: Some(self.chain_id),
            ..TxEnv::default()
        });
        type Rules<'a> = MainnetHandler<Machine<'a>, <Machine<'a> as ExecuteEvm>::Error, EthFrame<EthInterpreter>>;
        let result = Rules::default().run_system_call(&mut machine).map_err(|error| error.to_string())?;
        match result {
            ExecutionResult::Success { output, .. } => {
                machine.commit_inner();
                let diff = into_diff(&mut machine);
                drop(machine);
                self.apply(diff).map_err(|error| error.to_string())?;
                Ok(output.into_data())
            }
            other => Err(failure(&other)),
        }
    }

    fn finish(self) -> Result<ExecutedBlock, GenesisError> {
        let mut diff = self.diff;
        // Creation codes and accounts that came and went are no part of the state.
        diff.accounts.retain(|_, account| account.is_some());
        diff.wiped.clear();
        for slots in diff.storage.values_mut() {
            slots.retain(|_, value| !value.is_zero());
        }
        diff.storage.retain(|_, slots| !slots.is_empty());
        let named: BTreeSet<B256> = diff.accounts.values().flatten().map(|account| account.code_hash).collect();
        diff.code.retain(|hash, _| named.contains(hash));
        // Built anew from the diff, so that a store that holds the diff holds this state.
        let state = State::default().apply(&diff)?;
        let header = Header {
            state_root: state.root(),
            transactions_root: block::transactions_root(&[]),
            receipts_root: proofs::calculate_receipt_root::<ReceiptEnvelope>(&[]),
            ..self.header
        };
        Ok(ExecutedBlock::new(header, Vec::new(), Vec::new(), Vec::new(), diff, state))
    }
}

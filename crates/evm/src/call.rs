//! Calls that change nothing: `eth_call` and `eth_estimateGas`.

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, Log, TxKind, U256, keccak256};
use revm::{
    ExecuteEvm,
    context::TxEnv,
    context_interface::{
        either::Either,
        result::{EVMError, ExecutionResult, HaltReason},
    },
};

use crate::{
    execute::{Executor, machine},
    state::{State, StateDiff, StateError},
    transaction::{self, MAX_TRANSACTION_GAS, Refusal},
};

/// The most gas a call may burn; requests for more are cut down to it.
pub const MAX_CALL_GAS: u64 = 50_000_000;

/// What a plain transfer costs: no transaction costs less.
pub(crate) const TRANSFER_GAS: u64 = 21_000;

/// What a call with value gives its callee on top.
const CALL_STIPEND: u64 = 2_300;

/// A call from outside, as a wallet or tool describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// Who calls; the zero address where nobody is named.
    pub from: Address,
    /// `None` creates a contract.
    pub to: Option<Address>,
    /// Defaults to, and is cut down to, [`MAX_CALL_GAS`].
    pub gas: Option<u64>,
    /// Fee cap per gas; without one the call is free and the base fee is not checked.
    pub max_fee_per_gas: Option<u128>,
    /// Priority fee; `None` for a legacy price.
    pub max_priority_fee_per_gas: Option<u128>,
    /// In wei.
    pub value: U256,
    /// Call data, or creation code.
    pub data: Bytes,
    /// Slots to warm up.
    pub access_list: AccessList,
    /// Accounts that take on code before the call (EIP-7702).
    pub authorizations: Vec<SignedAuthorization>,
    /// What to pretend of some accounts.
    pub overrides: BTreeMap<Address, AccountOverride>,
}

/// What a call shall find in an account instead of what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountOverride {
    /// Instead of the balance.
    pub balance: Option<U256>,
    /// Instead of the nonce.
    pub nonce: Option<u64>,
    /// Instead of the code.
    pub code: Option<Bytes>,
    /// Whether `slots` is all the storage there is (`state`), or is laid over it (`stateDiff`).
    pub storage: StorageOverride,
    /// Slots and their values.
    pub slots: BTreeMap<U256, U256>,
}

/// How overridden slots relate to the storage that is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StorageOverride {
    /// Other slots stay as they are.
    #[default]
    Patch,
    /// Other slots are zero.
    Replace,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// It returned.
    Success {
        /// Return data; for a creation the deployed code.
        output: Bytes,
        /// Including the intrinsic gas.
        gas_used: u64,
        /// Emitted logs.
        logs: Vec<Log>,
    },
    /// The contract refused.
    Revert {
        /// Revert data: see [`revert_reason`].
        output: Bytes,
        /// Including the intrinsic gas.
        gas_used: u64,
    },
    /// The machine stopped: out of gas, invalid opcode and the like.
    Halt {
        /// In the machine's words.
        reason: String,
        /// All the gas there was.
        gas_used: u64,
    },
}

/// Why a call or an estimate gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The call cannot begin: too little balance, a fee below the base fee and the like.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Estimating: it reverts however much gas it gets.
    #[error("execution reverted{}", revert_reason(.output).map(|reason| format!(": {reason}")).unwrap_or_default())]
    Reverted {
        /// Revert data.
        output: Bytes,
    },
    /// Estimating: it needs more gas than it may have, or fails otherwise.
    #[error("the call does not succeed within {gas_limit} gas: {reason}")]
    DoesNotSucceed {
        /// The most that was tried.
        gas_limit: u64,
        /// How it ended.
        reason: String,
    },
    /// The overrides are not a possible state.
    #[error(transparent)]
    Overrides(#[from] StateError),
}

impl Executor {
    /// Runs a call on `state`, in the environment of the block `header`, and forgets what it changed.
    pub fn call(&self, state: &State, header: &Header, request: &CallRequest) -> Result<CallOutcome, CallError> {
        let state = overridden(state, request)?;
        let gas = request.gas.unwrap_or(MAX_CALL_GAS).min(MAX_CALL_GAS);
        let result = self.run(&state, header, request, gas)?;
        let gas_used = result.tx_gas_used();
        Ok(match result {
            ExecutionResult::Success { output, logs, .. } => {
                CallOutcome::Success { output: output.into_data(), gas_used, logs }
            }
            ExecutionResult::Revert { output, .. } => CallOutcome::Revert { output, gas_used },
            ExecutionResult::Halt { reason, .. } => CallOutcome::Halt { reason: reason.to_string(), gas_used },
        })
    }

    /// The gas limit with which the call succeeds as a transaction: enough, and at most about 1.6 % too much.
    pub fn estimate_gas(&self, state: &State, header: &Header, request: &CallRequest) -> Result<u64, CallError> {
        let state = overridden(state, request)?;
        let mut high = request.gas.unwrap_or(u64::MAX).min(MAX_TRANSACTION_GAS).min(header.gas_limit);
        if let Some(price) = request.max_fee_per_gas.filter(|price| *price > 0) {
            let balance = state.account(request.from).unwrap_or_default().balance;
            let affordable = balance.saturating_sub(request.value) / U256::from(price);
            high = high.min(affordable.saturating_to());
        }
        let result = self.run(&state, header, request, high)?;
        let used = match result {
            ExecutionResult::Success { gas, .. } => gas,
            ExecutionResult::Revert { output, .. } => return Err(CallError::Reverted { output }),
            ExecutionResult::Halt { reason, .. } => {
                return Err(CallError::DoesNotSucceed { gas_limit: high, reason: reason.to_string() });
            }
        };
        // What is spent before refunds is needed, and mostly enough. Where it is not, a call kept back 1/64 of its gas or
        // looks at what is left: the next guess allows for that.
        let spent = used.total_gas_spent().max(used.floor_gas());
        let mut low = TRANSFER_GAS - 1;
        for guess in [spent, spent.saturating_add(CALL_STIPEND) / 63 * 64 + 64] {
            if low < guess && guess < high {
                self.bisect(&state, header, request, guess, &mut low, &mut high)?;
            }
        }
        if low < spent {
            low = low.max(spent - 1);
        }
        while high - low > 1 && high - low > high / 64 {
            let middle = low + (high - low) / 2;
            self.bisect(&state, header, request, middle, &mut low, &mut high)?;
        }
        Ok(high)
    }

    fn bisect(
        &self,
        state: &State,
        header: &Header,
        request: &CallRequest,
        gas: u64,
        low: &mut u64,
        high: &mut u64,
    ) -> Result<(), CallError> {
        let enough = match self.run(state, header, request, gas) {
            Ok(result) => result.is_success(),
            Err(CallError::Refused(Refusal::GasTooLow { .. })) => false,
            Err(other) => return Err(other),
        };
        *(if enough { high } else { low }) = gas;
        Ok(())
    }

    fn run(
        &self,
        state: &State,
        header: &Header,
        request: &CallRequest,
        gas: u64,
    ) -> Result<ExecutionResult, CallError> {
        let mut machine = machine(self.chain_id(), state, header);
        let price = request.max_fee_per_gas.unwrap_or_default();
        let config = &mut machine.ctx.cfg;
        config.disable_nonce_check = true;
        config.disable_block_gas_limit = true;
        config.disable_eip3607 = true;
        config.disable_base_fee = price == 0;
        config.tx_gas_limit_cap = Some(MAX_CALL_GAS);
        let kind = request.to.map_or(TxKind::Create, TxKind::Call);
        let authorizes = !request.authorizations.is_empty();
        if authorizes && kind.is_create() {
            let reason = "with authorizations (EIP-7702) it must name whom it calls".to_owned();
            return Err(CallError::Refused(Refusal::Invalid { reason }));
        }
        let environment = TxEnv {
            tx_type: match request.max_priority_fee_per_gas {
                _ if authorizes => 4,
                Some(_) => 2,
                None => 1,
            },
            caller: request.from,
            gas_limit: gas,
            gas_price: price,
            gas_priority_fee: request.max_priority_fee_per_gas,
            kind,
            value: request.value,
            data: request.data.clone(),
            // A creation's address depends on it.
            nonce: state.account(request.from).unwrap_or_default().nonce,
            chain_id: Some(self.chain_id()),
            access_list: request.access_list.clone(),
            blob_hashes: Vec::new(),
            max_fee_per_blob_gas: 0,
            authorization_list: request.authorizations.iter().cloned().map(Either::Left).collect(),
        };
        machine.transact_one(environment).map_err(|error| {
            CallError::Refused(match error {
                EVMError::Transaction(invalid) => {
                    transaction::refusal(invalid, price, header.base_fee_per_gas.unwrap_or_default())
                }
                other => Refusal::Invalid { reason: other.to_string() },
            })
        })
    }
}

/// The state with the request's overrides laid over it. Snapshots make this a few path copies.
fn overridden(state: &State, request: &CallRequest) -> Result<State, StateError> {
    let mut diff = StateDiff::default();
    for (address, change) in &request.overrides {
        let mut account = state.account(*address).unwrap_or_default();
        account.balance = change.balance.unwrap_or(account.balance);
        account.nonce = change.nonce.unwrap_or(account.nonce);
        if let Some(code) = &change.code {
            account.code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(code) };
            if !code.is_empty() {
                diff.code.insert(account.code_hash, code.clone());
            }
        }
        if change.storage == StorageOverride::Replace {
            diff.wiped.insert(*address);
        }
        diff.accounts.insert(*address, Some(account));
        diff.storage.insert(*address, change.slots.clone());
    }
    state.apply(&diff)
}

/// How an unsuccessful execution ended, for people.
pub(crate) fn failure(result: &ExecutionResult<HaltReason>) -> String {
    match result {
        ExecutionResult::Success { .. } => "succeeded".to_owned(),
        ExecutionResult::Revert { output, .. } => match revert_reason(output) {
            Some(reason) => format!("reverted: {reason}"),
            None => format!("reverted with {output}"),
        },
        ExecutionResult::Halt { reason, .. } => format!("halted: {reason}"),
    }
}

/// The text of Solidity's `Error(string)` or `Panic(uint256)`; `None` for other revert data.
pub fn revert_reason(output: &[u8]) -> Option<String> {
    /// `keccak256("Error(string)")[..4]`
    const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
    /// `keccak256("Panic(uint256)")[..4]`
    const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];
    let (selector, data) = output.split_at_checked(4)?;
    let word = |at: usize| data.get(at..at.checked_add(32)?).map(U256::from_be_slice);
    if selector == PANIC {
        return Some(format!("panic 0x{:02x}", word(0)?));
    }
    if selector != ERROR {
        return None;
    }
    let start = usize::try_from(word(0)?).ok()?;
    let length = usize::try_from(word(start)?).ok()?;
    let text = start.checked_add(32)?;
    let bytes = data.get(text..text.checked_add(length)?)?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

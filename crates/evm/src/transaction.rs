//! Transactions: which are taken, why others are not, and who sent them.

use alloy_consensus::{
    Transaction as _, TxEnvelope, TxType,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, TxHash, U256};
use revm::{
    context::TxEnv,
    context_interface::{cfg::gas::calculate_initial_tx_gas_for_tx, either::Either, result::InvalidTransaction},
    primitives::hardfork::SpecId,
};

/// A signed transaction in any of Ethereum's envelopes. Blob transactions decode, and are refused by name.
pub type Transaction = TxEnvelope;

/// A transaction with its sender, recovered once.
pub type RecoveredTx = Recovered<Transaction>;

/// The most gas one transaction may ask for (EIP-7825).
pub const MAX_TRANSACTION_GAS: u64 = 1 << 24;

/// The most bytes one transaction may have: evidence of 8,192 runs, which must be shown in one, has 294,912.
pub const MAX_TRANSACTION_BYTES: usize = 320 * 1024;

/// Why a transaction is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Blobs need a data layer that Fonte does not have.
    #[error("blob transactions (EIP-4844) are not accepted; send the data as call data")]
    Blob,
    /// Without a chain id a signature could be replayed here from another chain.
    #[error("the transaction names no chain id; sign it for chain {expected} (EIP-155)")]
    NoChainId {
        /// This chain.
        expected: u64,
    },
    /// Signed for another chain.
    #[error("the transaction is for chain {found}, this is chain {expected}")]
    WrongChain {
        /// This chain.
        expected: u64,
        /// Theirs.
        found: u64,
    },
    /// The signature gives no sender.
    #[error("the signature of {hash} is invalid")]
    Signature {
        /// Of the transaction.
        hash: TxHash,
    },
    /// Larger than [`MAX_TRANSACTION_BYTES`].
    #[error("the transaction has {bytes} bytes, at most {max} are accepted")]
    TooLarge {
        /// Encoded size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Asks for more gas than a transaction may.
    #[error("the gas limit {gas_limit} exceeds the {cap} a transaction may use")]
    GasAboveCap {
        /// Asked for.
        gas_limit: u64,
        /// The limit.
        cap: u64,
    },
    /// Too little gas to begin.
    #[error("the gas limit {gas_limit} is below the {needed} that this transaction needs before it runs")]
    GasTooLow {
        /// Asked for.
        gas_limit: u64,
        /// Intrinsic gas, or the floor for its call data.
        needed: u64,
    },
    /// The nonce was used.
    #[error("nonce {found} was used, the next of this account is {expected}")]
    NonceTooLow {
        /// The account's next.
        expected: u64,
        /// The transaction's.
        found: u64,
    },
    /// A gap before the nonce.
    #[error("nonce {found} is ahead, the next of this account is {expected}")]
    NonceTooHigh {
        /// The account's next.
        expected: u64,
        /// The transaction's.
        found: u64,
    },
    /// The balance does not cover value and the greatest fee.
    #[error("the account has {balance} wei, the transaction may cost {needed}")]
    InsufficientFunds {
        /// The sender's balance.
        balance: U256,
        /// Value plus gas limit times fee cap.
        needed: U256,
    },
    /// Offers less than the block's base fee.
    #[error("the fee cap is {max_fee} wei per gas, the base fee is {base_fee}")]
    FeeBelowBase {
        /// Offered.
        max_fee: u128,
        /// Of this block.
        base_fee: u64,
    },
    /// Priority fee above the fee cap.
    #[error("the priority fee exceeds the fee cap")]
    PriorityAboveCap,
    /// No room left in this block.
    #[error("the transaction needs {needed} {unit}, the block has {left} left")]
    BlockFull {
        /// Asked for.
        needed: u64,
        /// What is left.
        left: u64,
        /// `gas` or `bytes`.
        unit: &'static str,
    },
    /// EIP-3607: contracts send no transactions.
    #[error("the sender has code (EIP-3607)")]
    SenderHasCode,
    /// Creation code above the limit of EIP-3860.
    #[error("the creation code exceeds 49152 bytes (EIP-3860)")]
    InitCodeTooLarge,
    /// An EIP-7702 transaction without authorizations.
    #[error("the authorization list is empty (EIP-7702)")]
    NoAuthorizations,
    /// Anything else that the engine refuses.
    #[error("the transaction is invalid: {reason}")]
    Invalid {
        /// In the engine's words.
        reason: String,
    },
}

impl Refusal {
    /// Whether the same transaction may be taken in a later block: keep it in the pool, otherwise drop it.
    pub fn may_become_valid(&self) -> bool {
        matches!(
            self,
            Self::NonceTooHigh { .. }
                | Self::InsufficientFunds { .. }
                | Self::FeeBelowBase { .. }
                | Self::BlockFull { .. }
        )
    }
}

/// Recovers the sender: the slow step (tens of microseconds), to be done once per transaction.
///
/// High-`s` signatures are refused (EIP-2).
pub fn recover(transaction: Transaction) -> Result<RecoveredTx, Refusal> {
    match transaction.recover_signer() {
        Ok(sender) => Ok(Recovered::new_unchecked(transaction, sender)),
        Err(_) => Err(Refusal::Signature { hash: *transaction.tx_hash() }),
    }
}

/// What can be said of a transaction without any state: type, chain id, size, gas.
pub(crate) fn validate(transaction: &Transaction, chain_id: u64) -> Result<(), Refusal> {
    if transaction.tx_type() == TxType::Eip4844 {
        return Err(Refusal::Blob);
    }
    let bytes = transaction.encode_2718_len();
    if bytes > MAX_TRANSACTION_BYTES {
        return Err(Refusal::TooLarge { bytes, max: MAX_TRANSACTION_BYTES });
    }
    match transaction.chain_id() {
        None => return Err(Refusal::NoChainId { expected: chain_id }),
        Some(found) if found != chain_id => {
            return Err(Refusal::WrongChain { expected: chain_id, found });
        }
        Some(_) => {}
    }
    let gas_limit = transaction.gas_limit();
    if gas_limit > MAX_TRANSACTION_GAS {
        return Err(Refusal::GasAboveCap { gas_limit, cap: MAX_TRANSACTION_GAS });
    }
    if let Some(priority) = transaction.max_priority_fee_per_gas()
        && priority > transaction.max_fee_per_gas()
    {
        return Err(Refusal::PriorityAboveCap);
    }
    if transaction.is_create() && transaction.input().len() > revm::primitives::eip3860::MAX_INITCODE_SIZE {
        return Err(Refusal::InitCodeTooLarge);
    }
    if transaction.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(Refusal::NoAuthorizations);
    }
    let gas = calculate_initial_tx_gas_for_tx(environment(transaction, Address::ZERO), SpecId::OSAKA, None);
    let needed = gas.initial_total_gas().max(gas.floor_gas());
    if gas_limit < needed {
        return Err(Refusal::GasTooLow { gas_limit, needed });
    }
    Ok(())
}

/// The transaction as the engine takes it.
pub(crate) fn environment(transaction: &Transaction, sender: Address) -> TxEnv {
    TxEnv {
        tx_type: transaction.tx_type() as u8,
        caller: sender,
        gas_limit: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
        kind: transaction.kind(),
        value: transaction.value(),
        data: transaction.input().clone(),
        nonce: transaction.nonce(),
        chain_id: transaction.chain_id(),
        access_list: transaction.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: transaction.max_priority_fee_per_gas(),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: transaction
            .authorization_list()
            .unwrap_or_default()
            .iter()
            .cloned()
            .map(Either::Left)
            .collect(),
    }
}

/// The engine's refusal in our words.
pub(crate) fn refusal(error: InvalidTransaction, max_fee: u128, base_fee: u64) -> Refusal {
    match error {
        InvalidTransaction::NonceTooLow { tx, state } => Refusal::NonceTooLow { expected: state, found: tx },
        InvalidTransaction::NonceTooHigh { tx, state } => Refusal::NonceTooHigh { expected: state, found: tx },
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            Refusal::InsufficientFunds { balance: *balance, needed: *fee }
        }
        InvalidTransaction::GasPriceLessThanBasefee => Refusal::FeeBelowBase { max_fee, base_fee },
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => Refusal::PriorityAboveCap,
        InvalidTransaction::RejectCallerWithCode => Refusal::SenderHasCode,
        InvalidTransaction::CreateInitCodeSizeLimit => Refusal::InitCodeTooLarge,
        InvalidTransaction::EmptyAuthorizationList => Refusal::NoAuthorizations,
        InvalidTransaction::TxGasLimitGreaterThanCap { gas_limit, cap } => Refusal::GasAboveCap { gas_limit, cap },
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            Refusal::GasTooLow { gas_limit, needed: initial_gas }
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            Refusal::GasTooLow { gas_limit, needed: gas_floor }
        }
        other => Refusal::Invalid { reason: other.to_string() },
    }
}

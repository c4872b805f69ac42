//! Blocks: Ethereum's header and body, the rules between a header and its parent, and senders.

use std::num::NonZeroUsize;

use alloy_consensus::{
    Block as AlloyBlock, BlockBody, EMPTY_OMMER_ROOT_HASH, Header, proofs,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::{
    eip1559::{BaseFeeParams, calc_next_block_base_fee},
    eip7685::EMPTY_REQUESTS_HASH,
};
use alloy_primitives::{Address, B64, B256, Bytes, TxHash, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::EMPTY_ROOT_HASH;

use crate::transaction::{RecoveredTx, Refusal, Transaction};

/// An Ethereum block: header, transactions, no ommers, an empty list of withdrawals.
pub type Block = AlloyBlock<Transaction>;

/// The base fee never falls below this (wei per gas): idle blocks would bring it to 7 wei, and spam would be free.
pub const MIN_BASE_FEE: u64 = 1_000_000;

/// The most bytes an encoded block may have (EIP-7934).
pub const MAX_BLOCK_BYTES: usize = 8 << 20;

/// The most extra data a header may carry.
pub const MAX_EXTRA_DATA: usize = 32;

/// What the proposer chooses about a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockAttributes {
    /// Seconds since the epoch; not before the parent's. Several blocks may share a second.
    pub timestamp: u64,
    /// Who gets the priority fees.
    pub beneficiary: Address,
    /// At most [`MAX_EXTRA_DATA`] bytes.
    pub extra_data: Bytes,
    /// How large the encoded block may become; [`MAX_BLOCK_BYTES`] at most.
    pub max_bytes: usize,
}

/// Why a block is not valid on its parent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// A header field is not what execution gives.
    #[error("block {number}: {field} is {found}, execution gives {expected}")]
    Field {
        /// Of the block.
        number: u64,
        /// The first header field that differs.
        field: &'static str,
        /// Ours.
        expected: String,
        /// The header's.
        found: String,
    },
    /// A transaction may not stand where it stands.
    #[error("block {number}: transaction {index} ({hash}) is refused: {refusal}")]
    Transaction {
        /// Of the block.
        number: u64,
        /// Position in the block.
        index: usize,
        /// Of the transaction.
        hash: TxHash,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// Time runs backwards.
    #[error("timestamp {found} is before the parent's {parent}")]
    Timestamp {
        /// The parent's.
        parent: u64,
        /// The block's.
        found: u64,
    },
    /// Too much extra data.
    #[error("extra data has {bytes} bytes, at most {max} are allowed")]
    ExtraData {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The block is too large.
    #[error("the block has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Ommers or withdrawals, which Fonte does not have.
    #[error("the block carries {what}, which this chain does not have")]
    ForeignBody {
        /// `ommers` or `withdrawals`.
        what: &'static str,
    },
    /// The call that stores the parent's hash (EIP-2935) did not succeed.
    #[error("the system call to {contract} failed: {reason}")]
    SystemCall {
        /// Called.
        contract: Address,
        /// Why.
        reason: String,
    },
    /// No header can follow.
    #[error("block number {number} has no successor")]
    NumberOverflow {
        /// Of the parent.
        number: u64,
    },
    /// The changes do not fit the state: a defect of this program, not of the block.
    #[error(transparent)]
    State(#[from] crate::state::StateError),
}

/// A block whose senders are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredBlock {
    /// The block.
    pub block: Block,
    /// `keccak256(rlp(header))`.
    pub hash: B256,
    /// Of each transaction, in order.
    pub senders: Vec<Address>,
}

impl RecoveredBlock {
    /// Finds the senders: `known` answers for transactions recovered before (the mempool's), the others are recovered
    /// here, on all cores where there are many.
    pub fn recover(block: Block, known: impl Fn(&TxHash) -> Option<Address>) -> Result<Self, BlockError> {
        let transactions = &block.body.transactions;
        let mut senders: Vec<Option<Address>> =
            transactions.iter().map(|transaction| known(transaction.tx_hash())).collect();
        recover_missing(transactions, &mut senders);
        let senders = senders
            .into_iter()
            .enumerate()
            .map(|(index, sender)| {
                sender.ok_or_else(|| {
                    let hash = *transactions[index].tx_hash();
                    BlockError::Transaction {
                        number: block.header.number,
                        index,
                        hash,
                        refusal: Box::new(Refusal::Signature { hash }),
                    }
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { hash: block.header.hash_slow(), block, senders })
    }

    /// The block's header.
    pub fn header(&self) -> &Header {
        &self.block.header
    }

    /// The transactions with their senders.
    pub fn transactions(&self) -> impl Iterator<Item = Recovered<&Transaction>> {
        self.block
            .body
            .transactions
            .iter()
            .zip(&self.senders)
            .map(|(transaction, sender)| Recovered::new_unchecked(transaction, *sender))
    }
}

/// Recovers on threads where that pays: a recovery takes some 60 µs, a thread about as much to start.
fn recover_missing(transactions: &[Transaction], senders: &mut [Option<Address>]) {
    let missing = senders.iter().filter(|sender| sender.is_none()).count();
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = cores.min(missing / 16).max(1);
    let fill = |transactions: &[Transaction], senders: &mut [Option<Address>]| {
        for (transaction, sender) in transactions.iter().zip(senders) {
            if sender.is_none() {
                *sender = transaction.recover_signer().ok();
            }
        }
    };
    if threads == 1 {
        return fill(transactions, senders);
    }
    let chunk = transactions.len().div_ceil(threads);
    std::thread::scope(|scope| {
        for (transactions, senders) in transactions.chunks(chunk).zip(senders.chunks_mut(chunk)) {
            scope.spawn(move || fill(transactions, senders));
        }
    });
}

/// The base fee of the block after `parent`: EIP-1559 with a floor of [`MIN_BASE_FEE`].
pub fn next_base_fee(parent: &Header) -> u64 {
    calc_next_block_base_fee(
        parent.gas_used,
        parent.gas_limit,
        parent.base_fee_per_gas.unwrap_or(MIN_BASE_FEE),
        BaseFeeParams::ethereum(),
    )
    .max(MIN_BASE_FEE)
}

/// The header after `parent` as far as it is known before execution; roots, bloom and gas are empty.
pub(crate) fn child_header(
    parent: &Header,
    parent_hash: B256,
    attributes: &BlockAttributes,
) -> Result<Header, BlockError> {
    if attributes.timestamp < parent.timestamp {
        return Err(BlockError::Timestamp { parent: parent.timestamp, found: attributes.timestamp });
    }
    if attributes.extra_data.len() > MAX_EXTRA_DATA {
        return Err(BlockError::ExtraData { bytes: attributes.extra_data.len(), max: MAX_EXTRA_DATA });
    }
    let number = parent.number.checked_add(1).ok_or(BlockError::NumberOverflow { number: parent.number })?;
    Ok(Header {
        parent_hash,
        number,
        timestamp: attributes.timestamp,
        beneficiary: attributes.beneficiary,
        extra_data: attributes.extra_data.clone(),
        gas_limit: parent.gas_limit,
        base_fee_per_gas: Some(next_base_fee(parent)),
        // Derived, so that a proposer cannot grind it: different in every block, but foreseeable. No randomness.
        mix_hash: keccak256(parent_hash),
        ..empty_header()
    })
}

/// A header with the constants of this chain.
pub(crate) fn empty_header() -> Header {
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        difficulty: U256::ZERO,
        nonce: B64::ZERO,
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

/// A body of this chain.
pub(crate) fn body(transactions: Vec<Transaction>) -> BlockBody<Transaction> {
    BlockBody { transactions, ommers: Vec::new(), withdrawals: Some(Default::default()) }
}

/// Refuses what the header's roots do not cover or this chain does not have.
pub(crate) fn check_body(block: &Block) -> Result<(), BlockError> {
    if !block.body.ommers.is_empty() {
        return Err(BlockError::ForeignBody { what: "ommers" });
    }
    if block.body.withdrawals.as_ref().is_none_or(|withdrawals| !withdrawals.is_empty()) {
        return Err(BlockError::ForeignBody { what: "withdrawals, or no list of them" });
    }
    let bytes = block.length();
    if bytes > MAX_BLOCK_BYTES {
        return Err(BlockError::TooLarge { bytes, max: MAX_BLOCK_BYTES });
    }
    Ok(())
}

/// The root that commits to a block's transactions.
pub(crate) fn transactions_root(transactions: &[Transaction]) -> B256 {
    proofs::calculate_transaction_root(transactions)
}

/// Fails with the first field in which `found` differs from `expected`.
pub(crate) fn compare(expected: &Header, found: &Header) -> Result<(), BlockError> {
    // Taken apart, so that a field added to the header cannot be forgotten here.
    let Header {
        parent_hash,
        ommers_hash,
        beneficiary,
        state_root,
        transactions_root,
        receipts_root,
        logs_bloom,
        difficulty,
        number,
        gas_limit,
        gas_used,
        timestamp,
        extra_data,
        mix_hash,
        nonce,
        base_fee_per_gas,
        withdrawals_root,
        blob_gas_used,
        excess_blob_gas,
        parent_beacon_block_root,
        requests_hash,
        block_access_list_hash,
        slot_number,
    } = expected;
    let check = |field: &'static str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
        let (expected, found_text) = (format!("{expected:?}"), format!("{found:?}"));
        if expected == found_text {
            Ok(())
        } else {
            Err(BlockError::Field { number: *number, field, expected, found: found_text })
        }
    };
    if expected == found {
        return Ok(());
    }
    check("number", number, &found.number)?;
    check("parent_hash", parent_hash, &found.parent_hash)?;
    check("timestamp", timestamp, &found.timestamp)?;
    check("beneficiary", beneficiary, &found.beneficiary)?;
    check("extra_data", extra_data, &found.extra_data)?;
    check("gas_limit", gas_limit, &found.gas_limit)?;
    check("base_fee_per_gas", base_fee_per_gas, &found.base_fee_per_gas)?;
    check("mix_hash", mix_hash, &found.mix_hash)?;
    check("difficulty", difficulty, &found.difficulty)?;
    check("nonce", nonce, &found.nonce)?;
    check("ommers_hash", ommers_hash, &found.ommers_hash)?;
    check("withdrawals_root", withdrawals_root, &found.withdrawals_root)?;
    check("blob_gas_used", blob_gas_used, &found.blob_gas_used)?;
    check("excess_blob_gas", excess_blob_gas, &found.excess_blob_gas)?;
    check("parent_beacon_block_root", parent_beacon_block_root, &found.parent_beacon_block_root)?;
    check("requests_hash", requests_hash, &found.requests_hash)?;
    check("block_access_list_hash", block_access_list_hash, &found.block_access_list_hash)?;
    check("slot_number", slot_number, &found.slot_number)?;
    check("transactions_root", transactions_root, &found.transactions_root)?;
    check("gas_used", gas_used, &found.gas_used)?;
    check("receipts_root", receipts_root, &found.receipts_root)?;
    check("logs_bloom", logs_bloom, &found.logs_bloom)?;
    check("state_root", state_root, &found.state_root)
}

/// Splits recovered transactions into a block's body and its senders.
pub(crate) fn split(transactions: Vec<RecoveredTx>) -> (Vec<Transaction>, Vec<Address>) {
    transactions.into_iter().map(Recovered::into_parts).unzip()
}

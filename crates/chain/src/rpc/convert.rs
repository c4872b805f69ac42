//! Stored blocks in the shapes of the Ethereum API.

use alloy_consensus::{Transaction as _, transaction::Recovered};
use alloy_eips::eip2718::Typed2718 as _;
use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::{Block as RpcBlock, BlockTransactions, Filter, Header, Log, Transaction, TransactionReceipt};

use crate::{block::Block, store::StoredReceipt};

pub(super) fn header(block: &Block) -> Header {
    Header {
        hash: block.hash(),
        inner: block.header().clone(),
        // Ethereum's clients expect the field; there has never been any work here.
        total_difficulty: Some(U256::ZERO),
        size: Some(U256::from(block.encoded().len())),
    }
}

pub(super) fn block(block: &Block, receipts: &[StoredReceipt], full: bool) -> RpcBlock {
    let body = &block.inner().body;
    let transactions = if full {
        BlockTransactions::Full(
            (0..body.transactions.len()).filter_map(|index| transaction(block, receipts, index)).collect(),
        )
    } else {
        BlockTransactions::Hashes(body.transactions.iter().map(|tx| *tx.tx_hash()).collect())
    };
    RpcBlock::new(header(block), transactions).with_withdrawals(body.withdrawals.clone())
}

pub(super) fn transaction(block: &Block, receipts: &[StoredReceipt], index: usize) -> Option<Transaction> {
    let tx = block.inner().body.transactions.get(index)?;
    let header = block.header();
    Some(Transaction {
        inner: Recovered::new_unchecked(tx.clone(), receipts.get(index)?.sender),
        block_hash: Some(block.hash()),
        block_number: Some(header.number),
        transaction_index: Some(index as u64),
        effective_gas_price: Some(tx.effective_gas_price(header.base_fee_per_gas)),
        block_timestamp: Some(header.timestamp),
    })
}

/// A transaction that waits in the pool.
pub(super) fn pending(tx: &fonte_evm::RecoveredTx) -> Transaction {
    Transaction {
        inner: tx.clone(),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    }
}

pub(super) fn receipts(block: &Block, stored: &[StoredReceipt]) -> Vec<TransactionReceipt> {
    let header = block.header();
    let mut log_index = 0;
    let mut gas_before = 0;
    block
        .inner()
        .body
        .transactions
        .iter()
        .zip(stored)
        .enumerate()
        .map(|(index, (tx, stored))| {
            let cumulative = stored.receipt.cumulative_gas_used();
            let gas_used = cumulative.saturating_sub(gas_before);
            gas_before = cumulative;
            let hash = *tx.tx_hash();
            let inner = stored.receipt.clone().map_logs(|log| {
                let log = place(block, hash, index as u64, log_index, log);
                log_index += 1;
                log
            });
            TransactionReceipt {
                inner,
                transaction_hash: hash,
                transaction_index: Some(index as u64),
                block_hash: Some(block.hash()),
                block_number: Some(header.number),
                gas_used,
                effective_gas_price: tx.effective_gas_price(header.base_fee_per_gas),
                blob_gas_used: None,
                blob_gas_price: None,
                from: stored.sender,
                to: tx.to(),
                contract_address: tx.is_create().then(|| stored.sender.create(tx.nonce())),
            }
        })
        .collect()
}

/// The logs of a block that match, in order.
pub(super) fn logs(block: &Block, stored: &[StoredReceipt], filter: &Filter) -> Vec<Log> {
    let mut found = Vec::new();
    let mut log_index = 0;
    let transactions = &block.inner().body.transactions;
    for (index, (tx, stored)) in transactions.iter().zip(stored).enumerate() {
        debug_assert_eq!(tx.ty(), stored.receipt.tx_type() as u8);
        for log in stored.receipt.logs() {
            if filter.matches(log) {
                found.push(place(block, *tx.tx_hash(), index as u64, log_index, log.clone()));
            }
            log_index += 1;
        }
    }
    found
}

/// About what a log takes in an answer: two hex digits a byte, and the names of its fields.
pub(super) fn log_bytes(log: &Log) -> usize {
    const FIELDS: usize = 500;
    FIELDS + log.topics().len() * 69 + log.data().data.len() * 2
}

fn place(block: &Block, transaction: B256, transaction_index: u64, log_index: u64, log: alloy_primitives::Log) -> Log {
    Log {
        inner: log,
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        block_timestamp: Some(block.header().timestamp),
        transaction_hash: Some(transaction),
        transaction_index: Some(transaction_index),
        log_index: Some(log_index),
        removed: false,
    }
}

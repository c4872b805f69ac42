//! Keys and values of the store's rows. Numbers are big-endian, so that rows lie in order.

use alloy_consensus::ReceiptEnvelope;
use alloy_eips::eip2718::{Decodable2718 as _, Encodable2718 as _};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Decodable as _, RlpDecodable, RlpEncodable};
use fonte_evm::Account;

/// A row that cannot be read back.
#[derive(Debug, thiserror::Error)]
#[error("a row of `{table}` cannot be read")]
pub(crate) struct BadRow {
    pub(crate) table: &'static str,
}

pub(super) fn slot_key(address: Address, slot: U256) -> [u8; 52] {
    let mut key = [0; 52];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&slot.to_be_bytes::<32>());
    key
}

pub(super) fn read_slot(key: &[u8], value: &[u8]) -> Result<(Address, U256, U256), BadRow> {
    let bad = BadRow { table: "storage" };
    if key.len() != 52 || value.is_empty() || value.len() > 32 {
        return Err(bad);
    }
    Ok((Address::from_slice(&key[..20]), U256::from_be_slice(&key[20..]), U256::from_be_slice(value)))
}

#[derive(RlpEncodable, RlpDecodable)]
struct AccountRow {
    nonce: u64,
    balance: U256,
    code_hash: B256,
}

pub(super) fn account(account: &Account) -> Vec<u8> {
    alloy_rlp::encode(AccountRow { nonce: account.nonce, balance: account.balance, code_hash: account.code_hash })
}

pub(super) fn read_account(key: &[u8], value: &[u8]) -> Result<(Address, Account), BadRow> {
    let bad = || BadRow { table: "accounts" };
    let address = Address::try_from(key).map_err(|_| bad())?;
    let row: AccountRow = alloy_rlp::decode_exact(value).map_err(|_| bad())?;
    Ok((address, Account { nonce: row.nonce, balance: row.balance, code_hash: row.code_hash }))
}

/// What is kept of a transaction beside the transaction itself.
#[derive(Clone, Debug)]
pub(crate) struct StoredReceipt {
    pub(crate) sender: Address,
    pub(crate) receipt: ReceiptEnvelope,
}

#[derive(RlpEncodable, RlpDecodable)]
struct ReceiptRow {
    sender: Address,
    receipt: Bytes,
}

pub(super) fn receipts<'a>(rows: impl IntoIterator<Item = (Address, &'a ReceiptEnvelope)>) -> Vec<u8> {
    let rows: Vec<ReceiptRow> = rows
        .into_iter()
        .map(|(sender, receipt)| ReceiptRow { sender, receipt: receipt.encoded_2718().into() })
        .collect();
    alloy_rlp::encode(rows)
}

pub(super) fn read_receipts(mut value: &[u8]) -> Result<Vec<StoredReceipt>, BadRow> {
    let bad = || BadRow { table: "receipts" };
    let rows = Vec::<ReceiptRow>::decode(&mut value).map_err(|_| bad())?;
    rows.into_iter()
        .map(|row| {
            let receipt = ReceiptEnvelope::decode_2718_exact(&row.receipt).map_err(|_| bad())?;
            Ok(StoredReceipt { sender: row.sender, receipt })
        })
        .collect()
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) block: u64,
    pub(crate) index: u32,
}

impl Place {
    pub(super) fn encode(self) -> [u8; 12] {
        let mut row = [0; 12];
        row[..8].copy_from_slice(&self.block.to_be_bytes());
        row[8..].copy_from_slice(&self.index.to_be_bytes());
        row
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, BadRow> {
        let row: &[u8; 12] = row.try_into().map_err(|_| BadRow { table: "transactions" })?;
        let (block, index) = row.split_at(8);
        Ok(Self { block: number(block)?, index: u32::from_be_bytes(index.try_into().expect("12 - 8 = 4 bytes")) })
    }
}

pub(super) fn number(row: &[u8]) -> Result<u64, BadRow> {
    row.try_into().map(u64::from_be_bytes).map_err(|_| BadRow { table: "numbers" })
}

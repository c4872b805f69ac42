//! The gateway's database: receipts with their evidence, rows on their way into batches, batches, keys.
//!
//! One embedded store (fjall) instead of files beside files, because what belongs together must become durable
//! together: a receipt, its row and its earnings are one atomic, synced write, so a crash loses either nothing or an
//! answer that was never charged. The store's lock keeps a second process out.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
};

use alloy_primitives::{Address, B256};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, PersistMode};
use fonte_types::{ContributionId, bundle::ReceiptBundle};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    earnings::{self, DocumentEarnings, Earned},
    keys::KeyRecord,
    settlement::journal::BatchRecord,
};

/// The gateway's own store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the gateway's store failed: free disk space and restart; what was promised is on disk")]
    Database(#[from] fjall::Error),
    /// A record cannot be read.
    #[error("record {key} of {table} is damaged: restore the data directory from a backup")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The key in hex.
        key: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The same receipt a second time.
    #[error("receipt {0} is already stored")]
    Duplicate(B256),
}

/// A row that waits for a batch: the receipt it stands for and whose tab it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRow {
    /// Place in the journal.
    pub sequence: u64,
    /// The receipt.
    pub receipt: B256,
    /// Whose tab.
    pub payer: Address,
    /// The fee.
    #[serde(with = "fonte_types::wei")]
    pub fee: u128,
    /// Why the last attempt to settle it failed; empty: none did.
    #[serde(default)]
    pub parked: String,
}

/// In which batch a receipt was put, and at which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The gateway's number of the batch.
    pub batch: u64,
    /// Index of the row.
    pub row: u32,
}

/// One line of the list of receipts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptSummary {
    /// The receipt.
    pub receipt: B256,
    /// Who asked.
    pub payer: Address,
    /// The model.
    pub model: String,
    /// The fee.
    #[serde(with = "fonte_types::wei")]
    pub fee_wei: u128,
    /// Whether the evidence is public.
    pub visibility: fonte_types::Visibility,
    /// Unix seconds.
    pub issued_at: u64,
}

/// A contribution that this gateway relayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RelayedCommit {
    pub(crate) commitment: B256,
    pub(crate) block: u64,
    pub(crate) tx: B256,
}

/// A bundle that waits for its reveal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) root: B256,
    pub(crate) id: ContributionId,
    pub(crate) bytes: u64,
    /// Unix seconds.
    pub(crate) at: u64,
}

/// A credit that was below the least payout when its batch was paid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dust {
    pub(crate) wei: u128,
    /// The gateway's number of the batch.
    pub(crate) batch: u64,
    pub(crate) payee: Address,
}

impl Dust {
    /// By amount first, so that what a lower minimum makes due is the end of the table.
    fn key(&self) -> [u8; 44] {
        let mut key = [0; 44];
        key[..16].copy_from_slice(&self.wei.to_be_bytes());
        key[16..24].copy_from_slice(&self.batch.to_be_bytes());
        key[24..].copy_from_slice(self.payee.as_slice());
        key
    }

    fn of(key: &[u8]) -> Option<Self> {
        let (wei, rest) = key.split_first_chunk()?;
        let (batch, payee) = rest.split_first_chunk()?;
        Some(Self {
            wei: u128::from_be_bytes(*wei),
            batch: u64::from_be_bytes(*batch),
            payee: Address::try_from(payee).ok()?,
        })
    }
}

/// The tables.
pub(crate) struct Store {
    database: Database,
    receipts: Keyspace,
    order: Keyspace,
    rows: Keyspace,
    batches: Keyspace,
    open_batches: Keyspace,
    dust: Keyspace,
    places: Keyspace,
    earnings: Keyspace,
    keys: Keyspace,
    commits: Keyspace,
    uploads: Keyspace,
    meta: Keyspace,
    /// Serialises writes that read a counter first.
    sequence: parking_lot::Mutex<u64>,
}

impl Store {
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let database = Database::builder(folder).open()?;
        let table = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        let (receipts, order, rows) = (table("receipts")?, table("order")?, table("rows")?);
        let (batches, open_batches, dust) = (table("batches")?, table("open_batches")?, table("dust")?);
        let (places, earnings, keys) = (table("places")?, table("earnings")?, table("keys")?);
        let (commits, uploads, meta) = (table("commits")?, table("uploads")?, table("meta")?);
        let last = match order.last_key_value() {
            Some(entry) => u64_of(&entry.key()?),
            None => 0,
        };
        Ok(Self {
            database,
            receipts,
            order,
            rows,
            batches,
            open_batches,
            dust,
            places,
            earnings,
            keys,
            commits,
            uploads,
            meta,
            sequence: parking_lot::Mutex::new(last),
        })
    }

    /// How often this data directory was opened, this time included: the upper half of every request's nonce.
    pub(crate) fn count_start(&self) -> Result<u32, StoreError> {
        let starts = self.meta.get("starts")?.map_or(0, |bytes| u64_of(&bytes)).saturating_add(1);
        let mut batch = self.durable();
        batch.insert(&self.meta, "starts", starts.to_be_bytes());
        batch.commit()?;
        Ok(u32::try_from(starts).unwrap_or(u32::MAX))
    }

    /// Keeps evidence, row and earnings in one durable write.
    pub(crate) fn put_receipt(&self, bundle: &ReceiptBundle) -> Result<PendingRow, StoreError> {
        let mut sequence = self.sequence.lock();
        if self.receipts.contains_key(bundle.id)? {
            return Err(StoreError::Duplicate(bundle.id));
        }
        let row = PendingRow {
            sequence: *sequence + 1,
            receipt: bundle.id,
            payer: bundle.receipt.payer,
            fee: bundle.receipt.fee,
            parked: String::new(),
        };
        let summary = ReceiptSummary {
            receipt: bundle.id,
            payer: bundle.receipt.payer,
            model: bundle.model_name.clone(),
            fee_wei: bundle.receipt.fee,
            visibility: bundle.receipt.visibility,
            issued_at: bundle.receipt.issued_at,
        };
        let key = row.sequence.to_be_bytes();
        let mut batch = self.durable();
        batch.insert(&self.receipts, bundle.id.as_slice(), json(bundle));
        batch.insert(&self.order, key, json(&summary));
        batch.insert(&self.rows, key, json(&row));
        self.write_earnings(&mut batch, &[], &earnings::expected(bundle))?;
        batch.commit()?;
        *sequence = row.sequence;
        Ok(row)
    }

    pub(crate) fn receipt(&self, id: B256) -> Result<Option<ReceiptBundle>, StoreError> {
        get(&self.receipts, "receipts", id.as_slice())
    }

    /// The newest receipts, newest first.
    pub(crate) fn recent(&self, limit: usize) -> Result<Vec<ReceiptSummary>, StoreError> {
        let newest = self.order.iter().rev().take(limit);
        newest.map(|entry| read("order", entry.into_inner()?)).collect()
    }

    /// Rows that are in no batch, oldest first.
    pub(crate) fn pending(&self, limit: usize) -> Result<Vec<PendingRow>, StoreError> {
        let rows = self.rows.iter().take(limit);
        rows.map(|entry| read("rows", entry.into_inner()?)).collect()
    }

    /// Notes why rows could not be settled; they stay pending.
    pub(crate) fn park(&self, rows: &[PendingRow]) -> Result<(), StoreError> {
        let mut batch = self.durable();
        for row in rows {
            batch.insert(&self.rows, row.sequence.to_be_bytes(), json(row));
        }
        Ok(batch.commit()?)
    }

    /// Moves rows out of the journal into a new batch, in one durable write.
    pub(crate) fn put_new_batch(&self, record: &BatchRecord, taken: &[PendingRow]) -> Result<(), StoreError> {
        let mut batch = self.durable();
        for row in taken {
            batch.remove(&self.rows, row.sequence.to_be_bytes());
        }
        for (receipt, row) in record.receipts().zip(0..) {
            let place = Place { batch: record.number, row };
            batch.insert(&self.places, receipt.as_slice(), json(&place));
        }
        self.write_batch(&mut batch, record);
        Ok(batch.commit()?)
    }

    /// Puts the rows of a batch that can never be included back into the journal.
    pub(crate) fn take_back_batch(&self, record: &BatchRecord, rows: &[PendingRow]) -> Result<(), StoreError> {
        let mut batch = self.durable();
        for row in rows {
            batch.insert(&self.rows, row.sequence.to_be_bytes(), json(row));
            batch.remove(&self.places, row.receipt.as_slice());
        }
        self.write_batch(&mut batch, record);
        Ok(batch.commit()?)
    }

    /// Replaces a batch's record.
    pub(crate) fn put_batch(&self, record: &BatchRecord) -> Result<(), StoreError> {
        let mut batch = self.durable();
        self.write_batch(&mut batch, record);
        Ok(batch.commit()?)
    }

    /// Replaces the record of a batch that is on chain; `expected` is what its receipts had let expect, `settled` what it
    /// credits.
    pub(crate) fn put_settled_batch(
        &self,
        record: &BatchRecord,
        expected: &[Earned],
        settled: &[Earned],
    ) -> Result<(), StoreError> {
        // Receipts add to the same sums.
        let _one_writer = self.sequence.lock();
        let mut batch = self.durable();
        self.write_earnings(&mut batch, expected, settled)?;
        self.write_batch(&mut batch, record);
        Ok(batch.commit()?)
    }

    fn write_earnings(&self, batch: &mut WriteBatch, less: &[Earned], more: &[Earned]) -> Result<(), StoreError> {
        let mut sums: BTreeMap<[u8; 32], DocumentEarnings> = BTreeMap::new();
        for (earned, is_more) in less.iter().map(|earned| (earned, false)).chain(more.iter().map(|more| (more, true))) {
            let key = earnings_key(earned.payee, earned.contribution, earned.index);
            if let Entry::Vacant(place) = sums.entry(key) {
                let sum = get(&self.earnings, "earnings", &key)?;
                place.insert(sum.unwrap_or_else(|| DocumentEarnings::none(earned)));
            }
            let sum = sums.get_mut(&key).expect("it is there now");
            if is_more { sum.add(earned) } else { sum.subtract(earned) }
        }
        for (key, sum) in sums {
            if sum.answers == 0 {
                batch.remove(&self.earnings, key);
            } else {
                batch.insert(&self.earnings, key, json(&sum));
            }
        }
        Ok(())
    }

    /// Replaces a batch's record, and notes which of its credits are dust now and which no longer are.
    pub(crate) fn put_paid_batch(&self, record: &BatchRecord, left: &[Dust], gone: &[Dust]) -> Result<(), StoreError> {
        let mut batch = self.durable();
        for dust in left {
            batch.insert(&self.dust, dust.key(), []);
        }
        for dust in gone {
            batch.remove(&self.dust, dust.key());
        }
        self.write_batch(&mut batch, record);
        Ok(batch.commit()?)
    }

    /// Dust of at least so many wei, the smallest first; at most `limit`.
    pub(crate) fn dust(&self, least: u128, limit: usize) -> Result<Vec<Dust>, StoreError> {
        let mut found = Vec::new();
        for entry in self.dust.range(least.to_be_bytes()..).take(limit) {
            found.extend(Dust::of(&entry.key()?));
        }
        Ok(found)
    }

    fn write_batch(&self, batch: &mut WriteBatch, record: &BatchRecord) {
        let key = record.number.to_be_bytes();
        batch.insert(&self.batches, key, json(record));
        if record.is_closed() {
            batch.remove(&self.open_batches, key);
        } else {
            batch.insert(&self.open_batches, key, []);
        }
    }

    pub(crate) fn batch(&self, number: u64) -> Result<Option<BatchRecord>, StoreError> {
        get(&self.batches, "batches", &number.to_be_bytes())
    }

    /// Batches that still need work, oldest first.
    pub(crate) fn open_batches(&self) -> Result<Vec<BatchRecord>, StoreError> {
        let mut open = Vec::new();
        for entry in self.open_batches.iter() {
            let number = u64_of(&entry.key()?);
            open.extend(self.batch(number)?);
        }
        Ok(open)
    }

    /// Number for the next batch.
    pub(crate) fn next_batch(&self) -> Result<u64, StoreError> {
        Ok(match self.batches.last_key_value() {
            Some(entry) => u64_of(&entry.key()?) + 1,
            None => 1,
        })
    }

    pub(crate) fn place(&self, receipt: B256) -> Result<Option<Place>, StoreError> {
        get(&self.places, "places", receipt.as_slice())
    }

    /// The row of a receipt while it is in no batch.
    pub(crate) fn pending_row(&self, receipt: B256) -> Result<Option<PendingRow>, StoreError> {
        for entry in self.rows.iter() {
            let row: PendingRow = read("rows", entry.into_inner()?)?;
            if row.receipt == receipt {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// What a payee's documents earned, most first; at most `limit`.
    pub(crate) fn earnings(&self, payee: Address, limit: usize) -> Result<Vec<DocumentEarnings>, StoreError> {
        let mut all = Vec::new();
        for entry in self.earnings.prefix(payee.as_slice()) {
            let earned: DocumentEarnings = read("earnings", entry.into_inner()?)?;
            all.push(earned);
        }
        all.sort_by_key(|earned| {
            (std::cmp::Reverse(earned.wei + earned.pending_wei), earned.contribution, earned.index)
        });
        all.truncate(limit);
        Ok(all)
    }

    pub(crate) fn put_key(&self, hash: B256, record: &KeyRecord) -> Result<(), StoreError> {
        let mut batch = self.durable();
        batch.insert(&self.keys, hash.as_slice(), json(record));
        Ok(batch.commit()?)
    }

    pub(crate) fn forget_key(&self, hash: B256) -> Result<(), StoreError> {
        let mut batch = self.durable();
        batch.remove(&self.keys, hash.as_slice());
        Ok(batch.commit()?)
    }

    pub(crate) fn all_keys(&self) -> Result<Vec<(B256, KeyRecord)>, StoreError> {
        let mut all = Vec::new();
        for entry in self.keys.iter() {
            let (key, value) = entry.into_inner()?;
            let hash = B256::from_slice(&key);
            all.push((hash, read("keys", (key, value))?));
        }
        Ok(all)
    }

    pub(crate) fn put_commits(&self, commits: &[(ContributionId, RelayedCommit)]) -> Result<(), StoreError> {
        let mut batch = self.durable();
        for (id, commit) in commits {
            batch.insert(&self.commits, id.0.to_be_bytes(), json(commit));
        }
        Ok(batch.commit()?)
    }

    pub(crate) fn commit(&self, id: ContributionId) -> Result<Option<RelayedCommit>, StoreError> {
        get(&self.commits, "commits", &id.0.to_be_bytes())
    }

    /// Notes a bundle that waits for its reveal.
    pub(crate) fn put_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        let mut batch = self.durable();
        batch.insert(&self.uploads, upload.root.as_slice(), json(upload));
        Ok(batch.commit()?)
    }

    /// The bundle was revealed or deleted.
    pub(crate) fn forget_upload(&self, root: B256) -> Result<(), StoreError> {
        let mut batch = self.durable();
        batch.remove(&self.uploads, root.as_slice());
        Ok(batch.commit()?)
    }

    /// The bundle of a root, if it waits for its reveal.
    pub(crate) fn upload(&self, root: B256) -> Result<Option<Upload>, StoreError> {
        get(&self.uploads, "uploads", root.as_slice())
    }

    /// Bundles that wait for their reveal.
    pub(crate) fn uploads(&self) -> Result<Vec<Upload>, StoreError> {
        self.uploads.iter().map(|entry| read("uploads", entry.into_inner()?)).collect()
    }

    fn durable(&self) -> WriteBatch {
        self.database.batch().durability(Some(PersistMode::SyncAll))
    }
}

fn earnings_key(payee: Address, contribution: ContributionId, document: u32) -> [u8; 32] {
    let mut key = [0; 32];
    key[..20].copy_from_slice(payee.as_slice());
    key[20..28].copy_from_slice(&contribution.0.to_be_bytes());
    key[28..].copy_from_slice(&document.to_be_bytes());
    key
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("records are plain data with string keys")
}

fn get<T: DeserializeOwned>(table: &Keyspace, name: &'static str, key: &[u8]) -> Result<Option<T>, StoreError> {
    table.get(key)?.map(|value| parse(name, key, &value)).transpose()
}

fn read<T: DeserializeOwned>(name: &'static str, (key, value): fjall::KvPair) -> Result<T, StoreError> {
    parse(name, &key, &value)
}

fn parse<T: DeserializeOwned>(table: &'static str, key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|source| StoreError::Damaged { table, key: hex::encode(key), source })
}

fn u64_of(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}

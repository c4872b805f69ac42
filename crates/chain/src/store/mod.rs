//! What survives a restart: one fjall database, one synced batch per finalized block.
//!
//! A block's batch holds everything that the block adds: changed accounts, slots and code, header,
//! body, receipts, the indexes of transactions and hashes, and the new tip. fjall applies a batch as a
//! whole or not at all, so the tip row says exactly which block the rows belong to.

mod rows;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use alloy_consensus::Header;
use alloy_primitives::{B256, TxHash};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use fonte_evm::{BLOCK_HASH_WINDOW, ExecutedBlock, State, StateLoader};

use crate::{
    block::{Block, decode_header},
    error::{ChainError, StoreResult as _},
    evidence::DoubleSign,
};

pub(crate) use rows::{BadRow, Place, StoredReceipt};

/// Changes with every change of the rows' meaning.
const FORMAT: u32 = 1;

const FORMAT_KEY: &[u8] = b"format";
const CHAIN_KEY: &[u8] = b"chain";
const GENESIS_KEY: &[u8] = b"genesis";
/// Blocks of an epoch of consensus; without a row the voters never change.
const EPOCHS_KEY: &[u8] = b"epochs";
const TIP_KEY: &[u8] = b"tip";
/// Names this data directory, and stands in the consensus files' directory too.
const INSTANCE_KEY: &[u8] = b"instance";
/// Set once the consensus files exist.
const BOUND_KEY: &[u8] = b"bound";

/// The durable chain. Clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    path: PathBuf,
    db: Database,
    meta: Keyspace,
    accounts: Keyspace,
    storage: Keyspace,
    codes: Keyspace,
    headers: Keyspace,
    blocks: Keyspace,
    receipts: Keyspace,
    transactions: Keyspace,
    hashes: Keyspace,
    double_signs: Keyspace,
}

/// Held while a process uses a data directory, the consensus files included.
pub(crate) struct DirectoryLock(#[allow(dead_code, reason = "unlocks when dropped")] File);

impl DirectoryLock {
    /// Creates the directory if needed and locks it against other processes and other chains.
    pub(crate) fn acquire(directory: &Path) -> Result<Self, ChainError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| ChainError::Io { what: "create the data directory", source })?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join("lock"))
            .map_err(|source| ChainError::Io { what: "open the data directory's lock file", source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(std::fs::TryLockError::WouldBlock) => Err(ChainError::Locked { path: directory.to_owned() }),
            Err(std::fs::TryLockError::Error(source)) => {
                Err(ChainError::Io { what: "lock the data directory", source })
            }
        }
    }
}

impl Store {
    /// Opens the database below `directory`, whose lock the caller holds.
    pub(crate) fn open(directory: &Path) -> Result<Self, ChainError> {
        let path = directory.join("state");
        let db = match Database::builder(&path).worker_threads(1).open() {
            Ok(db) => db,
            Err(fjall::Error::Locked) => return Err(ChainError::Locked { path }),
            Err(source @ fjall::Error::Io(_)) => {
                return Err(ChainError::Store { what: "open the database", source });
            }
            Err(error) => {
                return Err(ChainError::Damaged { path, what: format!("the database does not open: {error}") });
            }
        };
        let keyspace = |name| db.keyspace(name, KeyspaceCreateOptions::default).during("open a table");
        Ok(Self {
            meta: keyspace("meta")?,
            accounts: keyspace("accounts")?,
            storage: keyspace("storage")?,
            codes: keyspace("codes")?,
            headers: keyspace("headers")?,
            blocks: keyspace("blocks")?,
            receipts: keyspace("receipts")?,
            transactions: keyspace("transactions")?,
            hashes: keyspace("hashes")?,
            double_signs: keyspace("double_signs")?,
            path: directory.to_owned(),
            db,
        })
    }

    /// Brings an empty store to the genesis, or checks that a used one belongs to it, and gives the
    /// state after the last finalized block.
    ///
    /// `epoch_blocks` is how long voters stay the same, none: for ever. What consensus keeps is cut into epochs, so a
    /// directory is bound to the number it began with.
    pub(crate) fn load(
        &self,
        chain_id: u64,
        epoch_blocks: Option<u64>,
        genesis: &ExecutedBlock,
        block: &Block,
    ) -> Result<(Block, State), ChainError> {
        let Some(format) = self.meta.get(FORMAT_KEY).during("read the format")? else {
            if !self.meta.is_empty().during("read the meta table")? {
                return Err(self.damaged("the format is missing"));
            }
            self.commit_with(genesis, block, Some((chain_id, epoch_blocks)))?;
            return Ok((block.clone(), genesis.state.clone()));
        };
        let format =
            format.as_ref().try_into().map(u32::from_be_bytes).map_err(|_| self.damaged("the format is unreadable"))?;
        if format != FORMAT {
            return Err(ChainError::Format { path: self.path.clone(), found: format, wanted: FORMAT });
        }
        let found_chain = self.meta_number(CHAIN_KEY)?;
        let found = self
            .meta
            .get(GENESIS_KEY)
            .during("read the genesis hash")?
            .and_then(|row| B256::try_from(row.as_ref()).ok())
            .ok_or_else(|| self.damaged("the genesis hash is missing"))?;
        if found_chain != chain_id || found != block.hash() {
            return Err(ChainError::ForeignData {
                path: self.path.clone(),
                found_chain,
                found,
                wanted_chain: chain_id,
                wanted: block.hash(),
            });
        }
        let row = self.meta.get(EPOCHS_KEY).during("read the length of an epoch")?;
        let began = row.map(|row| rows::number(&row)).transpose().map_err(|error| self.damaged(&error.to_string()))?;
        if began != epoch_blocks {
            return Err(ChainError::Epochs { path: self.path.clone(), found: began, wanted: epoch_blocks });
        }
        let tip = self.meta_number(TIP_KEY)?;
        let tip = self.block(tip)?.ok_or_else(|| self.damaged("the last block's row is missing"))?;
        let state = self.load_state(tip.number())?;
        if state.root() != tip.header().state_root {
            return Err(self.damaged(&format!(
                "the state root is {}, but block {} says {}",
                state.root(),
                tip.number(),
                tip.header().state_root
            )));
        }
        Ok((tip, state))
    }

    /// Ties the consensus files to this store. They hold this validator's votes: without them, or with
    /// another run's, it could vote twice in one view, so both are refused.
    pub(crate) fn bind_consensus(&self) -> Result<PathBuf, ChainError> {
        let directory = self.path.join("consensus");
        let marker = directory.join("instance");
        let instance = self
            .meta
            .get(INSTANCE_KEY)
            .during("read the instance")?
            .ok_or_else(|| self.damaged("the instance is missing"))?;
        let bound = self.meta.get(BOUND_KEY).during("read the binding")?.is_some();
        match std::fs::read(&marker) {
            Ok(found) if found == *instance => {}
            Ok(_) if !bound => write_marker(&directory, &marker, &instance)?,
            Ok(_) => {
                return Err(self.damaged("the consensus files belong to another data directory"));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !bound => {
                write_marker(&directory, &marker, &instance)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.damaged(
                    "the consensus files are missing; a validator that forgot its votes must not vote again",
                ));
            }
            Err(source) => {
                return Err(ChainError::Io { what: "read the consensus files' marker", source });
            }
        }
        if !bound {
            let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
            batch.insert(&self.meta, BOUND_KEY, b"1".as_slice());
            batch.commit().during("bind the consensus files")?;
        }
        Ok(directory.join("journals"))
    }

    /// Writes a finalized block and everything that it changed, and returns when that is durable.
    pub(crate) fn commit(&self, executed: &ExecutedBlock, block: &Block) -> Result<(), ChainError> {
        self.commit_with(executed, block, None)
    }

    fn commit_with(
        &self,
        executed: &ExecutedBlock,
        block: &Block,
        new_chain: Option<(u64, Option<u64>)>,
    ) -> Result<(), ChainError> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        let number = block.number().to_be_bytes();
        if let Some((chain_id, epoch_blocks)) = new_chain {
            batch.insert(&self.meta, FORMAT_KEY, FORMAT.to_be_bytes());
            batch.insert(&self.meta, CHAIN_KEY, chain_id.to_be_bytes());
            batch.insert(&self.meta, GENESIS_KEY, block.hash().as_slice());
            batch.insert(&self.meta, INSTANCE_KEY, B256::random().as_slice());
            if let Some(blocks) = epoch_blocks {
                batch.insert(&self.meta, EPOCHS_KEY, blocks.to_be_bytes());
            }
        }
        let diff = &executed.diff;
        // All rows of a batch carry one sequence number, so that a key may stand in it only once: old rows
        // of a wiped account are removed unless they are written again below.
        let gone = diff.accounts.iter().filter(|(_, account)| account.is_none()).map(|(address, _)| address);
        for address in diff.wiped.iter().chain(gone) {
            for row in self.storage.prefix(address.as_slice()) {
                let key = row.key().during("read the rows of a wiped account")?;
                let slot = alloy_primitives::U256::from_be_slice(key.get(20..).unwrap_or_default());
                let rewritten = diff.storage.get(address).is_some_and(|slots| slots.contains_key(&slot));
                if !rewritten {
                    batch.remove(&self.storage, key);
                }
            }
        }
        for (address, account) in &diff.accounts {
            match account {
                Some(account) => {
                    batch.insert(&self.accounts, address.as_slice(), rows::account(account));
                }
                None => batch.remove(&self.accounts, address.as_slice()),
            }
        }
        for (address, slots) in &diff.storage {
            for (slot, value) in slots {
                let key = rows::slot_key(*address, *slot);
                if value.is_zero() {
                    batch.remove(&self.storage, key);
                } else {
                    batch.insert(&self.storage, key, value.to_be_bytes_trimmed_vec());
                }
            }
        }
        for (hash, code) in &diff.code {
            batch.insert(&self.codes, hash.as_slice(), code.as_ref());
        }
        batch.insert(&self.headers, number, alloy_rlp::encode(block.header()));
        batch.insert(&self.blocks, number, block.encoded().as_ref());
        let senders = executed.block.senders.iter().copied();
        let outcomes = executed.outcomes.iter().map(|outcome| &outcome.receipt);
        batch.insert(&self.receipts, number, rows::receipts(senders.zip(outcomes)));
        for (index, outcome) in (0..).zip(&executed.outcomes) {
            let place = Place { block: block.number(), index };
            batch.insert(&self.transactions, outcome.hash.as_slice(), place.encode());
        }
        batch.insert(&self.hashes, block.hash().as_slice(), number);
        batch.insert(&self.meta, TIP_KEY, number);
        batch.commit().during("write a finalized block")
    }

    /// The header of a finalized block.
    pub(crate) fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        let Some(row) = self.headers.get(number.to_be_bytes()).during("read a header")? else {
            return Ok(None);
        };
        decode_header(&row).map(Some).map_err(|_| self.damaged(&format!("the header of block {number} is unreadable")))
    }

    /// A finalized block.
    pub(crate) fn block(&self, number: u64) -> Result<Option<Block>, ChainError> {
        let Some(row) = self.blocks.get(number.to_be_bytes()).during("read a block")? else {
            return Ok(None);
        };
        Block::load(alloy_primitives::Bytes::copy_from_slice(&row))
            .map(Some)
            .map_err(|error| self.damaged(&format!("block {number}: {error}")))
    }

    /// The number of a finalized block.
    pub(crate) fn number_of(&self, hash: &B256) -> Result<Option<u64>, ChainError> {
        let row = self.hashes.get(hash.as_slice()).during("read a block's number")?;
        row.map(|row| rows::number(&row)).transpose().map_err(|error| self.damaged(&error.to_string()))
    }

    /// The receipts of a finalized block, in order.
    pub(crate) fn receipts(&self, number: u64) -> Result<Vec<StoredReceipt>, ChainError> {
        let row = self.receipts.get(number.to_be_bytes()).during("read receipts")?;
        row.map_or(Ok(Vec::new()), |row| {
            rows::read_receipts(&row).map_err(|error| self.damaged(&format!("block {number}: {error}")))
        })
    }

    /// Where a finalized transaction stands.
    pub(crate) fn place(&self, hash: &TxHash) -> Result<Option<Place>, ChainError> {
        let row = self.transactions.get(hash.as_slice()).during("look a transaction up")?;
        row.map(|row| Place::decode(&row)).transpose().map_err(|error| self.damaged(&error.to_string()))
    }

    /// Keeps evidence durably: the first of each key, since no key can be punished twice. So there are at most as many
    /// rows as there were validators.
    pub(crate) fn keep_double_sign(&self, evidence: &DoubleSign) -> Result<(), ChainError> {
        let key = evidence.consensus_key.as_ref();
        if self.double_signs.contains_key(key).during("look for evidence")? {
            return Ok(());
        }
        let row = serde_json::to_vec(evidence).map_err(|error| self.damaged(&error.to_string()))?;
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.double_signs, key, row);
        batch.commit().during("keep evidence of a double sign")
    }

    /// All evidence that this node has seen, by key.
    pub(crate) fn double_signs(&self) -> Result<Vec<DoubleSign>, ChainError> {
        let mut all = Vec::new();
        for row in self.double_signs.iter() {
            let (_, row) = row.into_inner().during("read evidence")?;
            all.push(serde_json::from_slice(&row).map_err(|_| self.damaged("a row of evidence is unreadable"))?);
        }
        Ok(all)
    }

    fn load_state(&self, tip: u64) -> Result<State, ChainError> {
        let bad = |error: BadRow| self.damaged(&error.to_string());
        let mut loader = StateLoader::new();
        for row in self.codes.iter() {
            let (_, code) = row.into_inner().during("load code")?;
            loader
                .code(alloy_primitives::Bytes::copy_from_slice(&code))
                .map_err(|error| self.damaged(&error.to_string()))?;
        }
        for row in self.accounts.iter() {
            let (key, value) = row.into_inner().during("load accounts")?;
            let (address, account) = rows::read_account(&key, &value).map_err(bad)?;
            loader.account(address, account);
        }
        for row in self.storage.iter() {
            let (key, value) = row.into_inner().during("load storage")?;
            let (address, slot, value) = rows::read_slot(&key, &value).map_err(bad)?;
            loader.storage(address, slot, value);
        }
        // The window includes the tip itself, which the next block's BLOCKHASH can see.
        for number in (tip + 1).saturating_sub(BLOCK_HASH_WINDOW)..=tip {
            let header = self
                .header(number)?
                .ok_or_else(|| self.damaged(&format!("the header of block {number} is missing")))?;
            loader.block_hash(number, header.hash_slow());
        }
        loader.finish().map_err(|error| self.damaged(&error.to_string()))
    }

    fn meta_number(&self, key: &'static [u8]) -> Result<u64, ChainError> {
        let row = self.meta.get(key).during("read the meta table")?;
        row.and_then(|row| rows::number(&row).ok())
            .ok_or_else(|| self.damaged(&format!("`{}` is missing or unreadable", String::from_utf8_lossy(key))))
    }

    fn damaged(&self, what: &str) -> ChainError {
        ChainError::Damaged { path: self.path.clone(), what: what.to_owned() }
    }
}

fn write_marker(directory: &Path, marker: &Path, instance: &[u8]) -> Result<(), ChainError> {
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(marker, instance)?;
        File::open(marker)?.sync_all()?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|source| ChainError::Io { what: "mark the consensus files", source })
}

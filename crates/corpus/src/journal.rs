//! The publication journal: how far each publication has come, so that a killed one goes on where it stopped.
//!
//! One file per publication, named by what is published where by whom, replaced atomically at each step. Root, salts
//! (in the store's bundle) and blind are fixed before anything is sent, so a step that was sent but not written down is
//! sent again with the same bytes: the chain sees one commit, never two. For the time of a publication its process holds a
//! [`Lock`] on it, as two that ran at once would commit twice.

use std::{
    fs::{File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, keccak256};
use fonte_types::ids::{ContributionId, DatanetId};
use serde::{Deserialize, Serialize};

use crate::{
    bundle::Sealed,
    store::{Draft, Store, StoreError, io, random_salt, sweep, sync_folder},
};

/// How far a publication has come. Steps only go forward, one at a time, except that a lapsed commit starts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PublishState {
    /// The bundle is sealed; nothing was sent, or the answer to the commit was lost.
    Prepared,
    /// The commit is on chain.
    Committed {
        /// Number the chain gave it.
        contribution: ContributionId,
        /// Block of the commit: the reveal must come within the chain's period from here.
        block: u64,
    },
    /// The host has the texts.
    Uploaded {
        /// The contribution.
        contribution: ContributionId,
        /// Block of the commit.
        block: u64,
    },
    /// The reveal is on chain.
    Revealed {
        /// The contribution.
        contribution: ContributionId,
        /// Block of the reveal.
        block: u64,
    },
    /// Accepted into a version, or waiting for review: nothing is left to do here.
    Done {
        /// The contribution.
        contribution: ContributionId,
    },
}

impl PublishState {
    /// The contribution's number, once it has one.
    pub fn contribution(self) -> Option<ContributionId> {
        match self {
            Self::Prepared => None,
            Self::Committed { contribution, .. }
            | Self::Uploaded { contribution, .. }
            | Self::Revealed { contribution, .. }
            | Self::Done { contribution } => Some(contribution),
        }
    }

    fn step(self) -> u8 {
        match self {
            Self::Prepared => 0,
            Self::Committed { .. } => 1,
            Self::Uploaded { .. } => 2,
            Self::Revealed { .. } => 3,
            Self::Done { .. } => 4,
        }
    }
}

/// One publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Name of its file: hash of datanet, contributor and content.
    pub key: B256,
    /// Where to.
    pub datanet: DatanetId,
    /// Whose.
    pub contributor: Address,
    /// Root of the sealed bundle.
    pub root: B256,
    /// Number of documents.
    pub documents: u32,
    /// Bytes of all texts.
    pub text_bytes: u64,
    /// Hides the root in the commit until the reveal.
    pub blind: B256,
    /// Who is to be paid, part of the commit as well; absent in files from before it was written down.
    #[serde(default)]
    pub payee: Option<Address>,
    /// How far it has come.
    #[serde(flatten)]
    pub state: PublishState,
}

/// Why the journal refused.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read.
    #[error("{} is damaged: remove it and publish again (a commit already sent lapses by itself)", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Another process, or another caller in this one, holds the lock.
    #[error("another publication of these texts is under way: wait until it has ended, then run the command again")]
    UnderWay,
    /// The step does not follow.
    #[error("publication {key} is {from:?}; it cannot become {to:?}")]
    Step {
        /// The publication.
        key: B256,
        /// Where it stands.
        from: PublishState,
        /// What was asked for.
        to: PublishState,
    },
}

/// The right to go on with one publication. The system takes it back when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The journal of one host.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Opens the journal in a folder, creating it if need be.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        std::fs::create_dir_all(folder).map_err(|source| io("create", folder, source))?;
        // Never the file of a lock: who made it anew would hold another one.
        sweep(folder, |path| path.extension().is_none_or(|extension| extension != "json" && extension != "lock"))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Seals a draft and begins its publication, or finds the one that was begun with the same content; the bundle to
    /// publish is the one named by [`Publication::root`], and who is paid [`Publication::payee`]. The lock is to be held
    /// until the publication ends.
    ///
    /// # Errors
    /// [`JournalError::UnderWay`] while the lock is held.
    pub fn begin(
        &self,
        store: &Store,
        datanet: DatanetId,
        contributor: Address,
        payee: Address,
        draft: Draft,
    ) -> Result<(Publication, Lock), JournalError> {
        let sealed = store.seal(draft)?;
        let lock = match self.lock(publication_key(datanet, contributor, sealed.content)) {
            Ok(lock) => lock,
            Err(error) => {
                store.erase(sealed.root)?;
                return Err(error);
            }
        };
        let publication = self.prepare(datanet, contributor, payee, &sealed)?;
        if publication.root != sealed.root {
            store.erase(sealed.root)?;
        }
        Ok((publication, lock))
    }

    fn lock(&self, key: B256) -> Result<Lock, JournalError> {
        let path = self.path(key).with_extension("lock");
        let file = File::create(&path).map_err(|source| io("create", &path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(JournalError::UnderWay),
            Err(TryLockError::Error(source)) => Err(io("lock", &path, source).into()),
        }
    }

    /// The publication of a sealed bundle: the one that was begun before with the same content, or a new one.
    ///
    /// Where one was begun before, its root (and so its salts) is the one to go on with, and the new bundle is surplus.
    /// Without the lock of [`Self::begin`], two callers may both begin.
    pub fn prepare(
        &self,
        datanet: DatanetId,
        contributor: Address,
        payee: Address,
        sealed: &Sealed,
    ) -> Result<Publication, JournalError> {
        let key = publication_key(datanet, contributor, sealed.content);
        if let Some(mut begun) = self.get(key)? {
            // The commit binds the payee. One whose answer was lost lapses by itself where another is named now.
            if begun.state == PublishState::Prepared && begun.payee != Some(payee) {
                begun.payee = Some(payee);
                self.write(&begun)?;
            }
            return Ok(begun);
        }
        let publication = Publication {
            key,
            datanet,
            contributor,
            root: sealed.root,
            documents: sealed.documents,
            text_bytes: sealed.text_bytes,
            blind: random_salt(),
            payee: Some(payee),
            state: PublishState::Prepared,
        };
        self.write(&publication)?;
        Ok(publication)
    }

    /// Writes down that a step was done; durable when it returns. Saying the same again changes nothing.
    pub fn advance(&self, publication: &mut Publication, to: PublishState) -> Result<(), JournalError> {
        let from = publication.state;
        if from == to {
            return Ok(());
        }
        let same = from.contribution().is_none_or(|contribution| to.contribution() == Some(contribution));
        if to.step() != from.step() + 1 || !same {
            return Err(JournalError::Step { key: publication.key, from, to });
        }
        self.replace(publication, to)
    }

    /// Starts over after a commit lapsed unrevealed: same root and salts, a new commit.
    pub fn restart(&self, publication: &mut Publication) -> Result<(), JournalError> {
        let from = publication.state;
        if from.step() >= 3 {
            return Err(JournalError::Step { key: publication.key, from, to: PublishState::Prepared });
        }
        self.replace(publication, PublishState::Prepared)
    }

    /// Forgets a publication that came to nothing: the same content begins a new one, with salts and a blind of its own.
    pub fn forget(&self, publication: Publication) -> Result<(), JournalError> {
        let path = self.path(publication.key);
        std::fs::remove_file(&path).map_err(|source| io("remove", &path, source))?;
        Ok(sync_folder(&self.folder)?)
    }

    /// One publication.
    pub fn get(&self, key: B256) -> Result<Option<Publication>, JournalError> {
        self.read(&self.path(key))
    }

    /// All publications.
    pub fn all(&self) -> Result<Vec<Publication>, JournalError> {
        let list = |source| io("list", &self.folder, source);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(list)? {
            let path = entry.map_err(list)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                paths.push(path);
            }
        }
        paths.sort();
        paths.iter().filter_map(|path| self.read(path).transpose()).collect()
    }

    fn replace(&self, publication: &mut Publication, to: PublishState) -> Result<(), JournalError> {
        let next = Publication { state: to, ..publication.clone() };
        self.write(&next)?;
        *publication = next;
        Ok(())
    }

    fn read(&self, path: &Path) -> Result<Option<Publication>, JournalError> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| JournalError::Damaged { path: path.to_owned(), source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io("read", path, source).into()),
        }
    }

    fn write(&self, publication: &Publication) -> Result<(), JournalError> {
        let path = self.path(publication.key);
        // A name of its own, so that two processes never write into one file.
        let beside = path.with_extension(hex::encode(rand::random::<[u8; 8]>()));
        let bytes = serde_json::to_vec_pretty(publication).expect("a publication is plain data");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&beside, &path)
        };
        write().map_err(|source| io("write", &path, source))?;
        Ok(sync_folder(&self.folder)?)
    }

    fn path(&self, key: B256) -> PathBuf {
        self.folder.join(format!("{}.json", hex::encode(key)))
    }
}

/// Names a publication: `H(u32 datanet ‖ contributor[20] ‖ content[32])`.
fn publication_key(datanet: DatanetId, contributor: Address, content: B256) -> B256 {
    let mut bytes = [0; 56];
    bytes[..4].copy_from_slice(&datanet.0.to_be_bytes());
    bytes[4..24].copy_from_slice(contributor.as_slice());
    bytes[24..].copy_from_slice(content.as_slice());
    keccak256(bytes)
}

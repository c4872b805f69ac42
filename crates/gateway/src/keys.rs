//! API keys: a random token for the client, and behind it a session key that the gateway holds for one payer.
//!
//! Only the token's hash is kept. A fresh key is harmless: the payer must first let its session key sign vouchers, on
//! chain and up to a cap. Whoever then holds the token spends up to that cap, and the gateway could too: that is what a
//! payer trusts a gateway with.
//!
//! Anybody may have keys made, in any payer's name. So a key that no limit ever came for on chain counts against no payer,
//! and where a gateway has as many keys as it takes, the oldest of them makes room.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use alloy_primitives::{Address, B256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use axum::http::HeaderMap;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::{
    error::ApiError,
    http::bearer,
    store::{Store, StoreError},
};

/// What stands before every token.
const PREFIX: &str = "sk-fonte-";

/// What is kept of a key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) payer: Address,
    /// Signs vouchers.
    session_key: B256,
    pub(crate) created_at: u64,
    /// A limit was seen on chain for it: it stays.
    #[serde(default)]
    limited: bool,
}

/// A key that opened the door.
#[derive(Clone)]
pub(crate) struct ApiKey {
    /// Hash of the token: the name of the key inside the gateway.
    pub(crate) hash: B256,
    pub(crate) payer: Address,
    pub(crate) session: PrivateKeySigner,
    /// Where the commons pay: whom the gateway counts the request for.
    pub(crate) client: Option<IpAddr>,
}

/// All keys of this gateway, in memory and in the store.
pub(crate) struct Keys {
    all: RwLock<HashMap<B256, Held>>,
    limit: usize,
    per_payer: usize,
}

struct Held {
    key: ApiKey,
    created_at: u64,
    limited: bool,
}

impl Held {
    fn new(hash: B256, session: PrivateKeySigner, record: &KeyRecord) -> Self {
        let key = ApiKey { hash, payer: record.payer, session, client: None };
        Self { key, created_at: record.created_at, limited: record.limited }
    }

    fn record(&self) -> KeyRecord {
        KeyRecord {
            payer: self.key.payer,
            session_key: self.key.session.to_bytes(),
            created_at: self.created_at,
            limited: self.limited,
        }
    }
}

/// No key was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("this gateway holds {0} API keys and takes no more: use one that you have, or another gateway")]
    Full(usize),
    #[error("payer {payer} has {held} API keys with a limit here: use one of them")]
    FullForPayer { payer: Address, held: usize },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keys {
    pub(crate) fn load(store: &Store, limit: usize, per_payer: usize) -> Result<Self, StoreError> {
        let mut all = HashMap::new();
        for (hash, record) in store.all_keys()? {
            match PrivateKeySigner::from_bytes(&record.session_key) {
                Ok(session) => {
                    all.insert(hash, Held::new(hash, session, &record));
                }
                Err(error) => tracing::error!(%hash, %error, "a stored session key is damaged and left out"),
            }
        }
        Ok(Self { all: RwLock::new(all), limit, per_payer })
    }

    /// Makes a key for a payer; the token is returned this once.
    pub(crate) fn create(&self, store: &Store, payer: Address, now: u64) -> Result<(String, ApiKey), KeyError> {
        let token = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
        let hash = hash_of(&token);
        let mut all = self.all.write();
        if all.len() >= self.limit {
            return Err(KeyError::Full(all.len()));
        }
        let held = all.values().filter(|held| held.limited && held.key.payer == payer).count();
        if held >= self.per_payer {
            return Err(KeyError::FullForPayer { payer, held });
        }
        let key = Self::add(&mut all, store, hash, KeyRecord::fresh(payer, now, false))?;
        Ok((token, key))
    }

    /// The key kept under a name that is no token's hash, made if there is none of this payer.
    pub(crate) fn own(&self, store: &Store, hash: B256, payer: Address, now: u64) -> Result<ApiKey, StoreError> {
        let mut all = self.all.write();
        match all.get_mut(&hash).filter(|held| held.key.payer == payer) {
            Some(known) => {
                known.limited = true;
                Ok(known.key.clone())
            }
            None => Self::add(&mut all, store, hash, KeyRecord::fresh(payer, now, true)),
        }
    }

    fn add(
        all: &mut HashMap<B256, Held>,
        store: &Store,
        hash: B256,
        (record, session): (KeyRecord, PrivateKeySigner),
    ) -> Result<ApiKey, StoreError> {
        store.put_key(hash, &record)?;
        let held = Held::new(hash, session, &record);
        let key = held.key.clone();
        all.insert(hash, held);
        Ok(key)
    }

    /// A limit stands on chain for a key: it makes room for none.
    pub(crate) fn note_limit(&self, store: &Store, hash: B256) -> Result<(), StoreError> {
        if self.all.read().get(&hash).is_none_or(|held| held.limited) {
            return Ok(());
        }
        let mut all = self.all.write();
        let Some(held) = all.get_mut(&hash) else { return Ok(()) };
        held.limited = true;
        store.put_key(hash, &held.record())
    }

    /// The key to let go of first where there is no room: the oldest that no limit was seen for.
    pub(crate) fn oldest_without_limit(&self) -> Option<ApiKey> {
        let all = self.all.read();
        if all.len() < self.limit {
            return None;
        }
        let oldest = all.values().filter(|held| !held.limited).min_by_key(|held| (held.created_at, held.key.hash));
        oldest.map(|held| held.key.clone())
    }

    /// Lets go of a key, unless a limit was seen for it meanwhile.
    pub(crate) fn forget(&self, store: &Store, hash: B256) -> Result<(), StoreError> {
        let mut all = self.all.write();
        if all.get(&hash).is_some_and(|held| !held.limited) {
            store.forget_key(hash)?;
            all.remove(&hash);
        }
        Ok(())
    }

    /// The key of a token. The map is searched by the token's hash, so timing tells nothing about any token.
    pub(crate) fn find(&self, token: &str) -> Option<ApiKey> {
        if !token.starts_with(PREFIX) || token.len() != PREFIX.len() + 64 {
            return None;
        }
        self.all.read().get(&hash_of(token)).map(|held| held.key.clone())
    }

    /// Session keys of a payer that may have a limit: those that one was seen for, and the oldest of the others, which may
    /// be from before that was noted.
    pub(crate) fn sessions_of(&self, payer: Address) -> Vec<PrivateKeySigner> {
        let all = self.all.read();
        let mut keys: Vec<&Held> = all.values().filter(|held| held.key.payer == payer).collect();
        keys.sort_by_key(|held| (!held.limited, held.created_at));
        let limited = keys.iter().filter(|held| held.limited).count();
        keys.truncate(limited + self.per_payer);
        keys.into_iter().map(|held| held.key.session.clone()).collect()
    }
}

impl KeyRecord {
    /// With a fresh session key.
    fn fresh(payer: Address, now: u64, limited: bool) -> (Self, PrivateKeySigner) {
        let session = PrivateKeySigner::random();
        (Self { payer, session_key: session.to_bytes(), created_at: now, limited }, session)
    }
}

/// The operator's key: it may order what only whoever runs this server may.
pub(crate) struct Operator(B256);

impl Operator {
    /// With a key that somebody else has chosen.
    pub(crate) fn with(key: &str) -> Self {
        Self(hash_of(key))
    }

    /// With the key in a file that only its owner can read, made if it is not there; and the key.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, String)> {
        let key = match fs::read_to_string(path) {
            Ok(key) => key.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = random_operator_key();
                let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
                file.write_all(key.as_bytes())?;
                file.sync_all()?;
                key
            }
            Err(error) => return Err(error),
        };
        if key.len() < MIN_OPERATOR_KEY {
            return Err(io::Error::other(format!("the operator's key has less than {MIN_OPERATOR_KEY} characters")));
        }
        Ok((Self::with(&key), key))
    }

    /// Lets the operator pass. Hashes are compared, so timing tells nothing about the key.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match bearer(headers) {
            Some(key) if hash_of(key) == self.0 => Ok(()),
            Some(_) => {
                Err(ApiError::forbidden("operators_only", "this is the operator's to do: send the operator's key"))
            }
            None => Err(ApiError {
                message: "this is the operator's to do: send `Authorization: Bearer ...` with the operator's key"
                    .into(),
                ..ApiError::bad_key()
            }),
        }
    }
}

/// Shortest key of an operator, in bytes.
const MIN_OPERATOR_KEY: usize = 16;

/// A fresh key for an operator.
pub(crate) fn random_operator_key() -> String {
    format!("sk-fonte-operator-{}", hex::encode(rand::random::<[u8; 32]>()))
}

/// Tokens carry 32 random bytes, so a plain hash is enough: there is nothing to guess.
fn hash_of(token: &str) -> B256 {
    keccak256(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_restart_and_are_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let payer = Address::repeat_byte(7);
        let (token, session) = {
            let store = Store::open(folder.path()).expect("opens");
            let keys = Keys::load(&store, 3, 1).expect("loads");
            let (token, key) = keys.create(&store, payer, 5).expect("first");
            keys.create(&store, payer, 6).expect("in anybody's name, as long as no limit is on it");
            keys.note_limit(&store, key.hash).expect("noted");
            keys.note_limit(&store, B256::ZERO).expect("of no key");
            let third = keys.create(&store, payer, 7).err().expect("over the payer's limit");
            assert!(matches!(third, KeyError::FullForPayer { held: 1, .. }), "{third}");
            assert!(keys.oldest_without_limit().is_none(), "there is room");
            keys.create(&store, Address::ZERO, 4).expect("another payer");
            let full = keys.create(&store, Address::ZERO, 8).err().expect("over the limit");
            assert!(matches!(full, KeyError::Full(3)), "{full}");
            (token, key.session.address())
        };
        let bytes = walk(folder.path());
        assert!(
            !bytes.windows(64).any(|window| token.as_bytes().ends_with(window)),
            "the token itself is nowhere on disk"
        );
        let store = Store::open(folder.path()).expect("opens again");
        let keys = Keys::load(&store, 3, 1).expect("loads again");
        let found = keys.find(&token).expect("known");
        assert_eq!((found.payer, found.session.address()), (payer, session));
        assert_eq!(keys.sessions_of(payer).len(), 2);
        let mut other = token.clone();
        other.replace_range(9..10, if &token[9..10] == "0" { "1" } else { "0" });
        assert!(keys.find(&other).is_none());
        assert!(keys.find("sk-fonte-").is_none());

        // Those without a limit make room, the oldest first; the one with a limit stays.
        for payer in [Address::ZERO, payer] {
            let oldest = keys.oldest_without_limit().expect("one without a limit");
            assert_eq!(oldest.payer, payer);
            keys.forget(&store, oldest.hash).expect("forgotten");
            keys.create(&store, Address::repeat_byte(9), 9).expect("there is room");
        }
        keys.forget(&store, found.hash).expect("nothing to do");
        drop(keys);
        let keys = Keys::load(&store, 3, 1).expect("loads again");
        assert!(keys.find(&token).is_some());
        assert_eq!(keys.sessions_of(payer).len(), 1);
        assert_eq!(
            keys.sessions_of(Address::repeat_byte(9)).len(),
            1,
            "of many that may be anybody's, few are asked for"
        );
    }

    #[test]
    fn the_operators_key_is_made_once_and_read_by_nobody_else() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("operator.key");
        let (operator, key) = Operator::open(&path).expect("made");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let (again, same) = Operator::open(&path).expect("read");
        assert_eq!(key, same);
        let with =
            |value: &str| HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, value.parse().expect("a value"))]);
        for operator in [&operator, &again] {
            operator.check(&with(&format!("Bearer {key}"))).expect("the operator");
            let status = |headers: &HeaderMap| operator.check(headers).expect_err("somebody else").status.as_u16();
            assert_eq!(status(&with(&format!("Bearer {}", random_operator_key()))), 403);
            assert_eq!((status(&HeaderMap::new()), status(&with(&key))), (401, 401));
        }
        fs::write(&path, "short").expect("writable");
        assert!(Operator::open(&path).is_err());
    }

    fn walk(folder: &std::path::Path) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            if entry.path().is_dir() {
                bytes.extend(walk(&entry.path()));
            } else {
                bytes.extend(std::fs::read(entry.path()).expect("readable"));
            }
        }
        bytes
    }
}

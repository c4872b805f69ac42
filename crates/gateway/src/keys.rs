//! API keys: a random token for the client, and behind it a session key that the gateway holds for one payer.
//!
//! Only the token's hash is kept. A fresh key is harmless: the payer must first let its session key sign vouchers, on
//! chain and up to a cap. Whoever then holds the token spends up to that cap, and the gateway could too: that is what a
//! payer trusts a gateway with.

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
    all: RwLock<HashMap<B256, ApiKey>>,
    limit: usize,
    per_payer: usize,
}

/// No key was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("this gateway holds {0} API keys and takes no more: use one that you have, or another gateway")]
    Full(usize),
    #[error("payer {payer} has {held} API keys here: use one of them")]
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
                    let payer = record.payer;
                    all.insert(hash, ApiKey { hash, payer, session, client: None });
                }
                Err(error) => tracing::error!(%hash, %error, "a stored session key is damaged and left out"),
            }
        }
        Ok(Self { all: RwLock::new(all), limit, per_payer })
    }

    /// Makes a key for a payer; the token is returned this once.
    pub(crate) fn create(&self, store: &Store, payer: Address, now: u64) -> Result<(String, ApiKey), KeyError> {
        let token = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
        let session = PrivateKeySigner::random();
        let hash = hash_of(&token);
        let record = KeyRecord { payer, session_key: session.to_bytes(), created_at: now };
        let mut all = self.all.write();
        if all.len() >= self.limit {
            return Err(KeyError::Full(all.len()));
        }
        let held = all.values().filter(|key| key.payer == payer).count();
        if held >= self.per_payer {
            return Err(KeyError::FullForPayer { payer, held });
        }
        store.put_key(hash, &record)?;
        let key = ApiKey { hash, payer, session, client: None };
        all.insert(hash, key.clone());
        Ok((token, key))
    }

    /// The key kept under a name that is no token's hash, made if there is none of this payer.
    pub(crate) fn own(&self, store: &Store, hash: B256, payer: Address, now: u64) -> Result<ApiKey, StoreError> {
        let mut all = self.all.write();
        if let Some(known) = all.get(&hash).filter(|key| key.payer == payer) {
            return Ok(known.clone());
        }
        let session = PrivateKeySigner::random();
        store.put_key(hash, &KeyRecord { payer, session_key: session.to_bytes(), created_at: now })?;
        let key = ApiKey { hash, payer, session, client: None };
        all.insert(hash, key.clone());
        Ok(key)
    }

    /// The key of a token. The map is searched by the token's hash, so timing tells nothing about any token.
    pub(crate) fn find(&self, token: &str) -> Option<ApiKey> {
        if !token.starts_with(PREFIX) || token.len() != PREFIX.len() + 64 {
            return None;
        }
        self.all.read().get(&hash_of(token)).cloned()
    }

    /// All session keys of a payer.
    pub(crate) fn sessions_of(&self, payer: Address) -> Vec<PrivateKeySigner> {
        let all = self.all.read();
        all.values().filter(|key| key.payer == payer).map(|key| key.session.clone()).collect()
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
            let keys = Keys::load(&store, 3, 2).expect("loads");
            let (token, key) = keys.create(&store, payer, 5).expect("first");
            keys.create(&store, payer, 5).expect("second");
            let third = keys.create(&store, payer, 5).err().expect("over the payer's limit");
            assert!(matches!(third, KeyError::FullForPayer { held: 2, .. }), "{third}");
            keys.create(&store, Address::ZERO, 5).expect("another payer");
            let full = keys.create(&store, Address::ZERO, 5).err().expect("over the limit");
            assert!(matches!(full, KeyError::Full(3)), "{full}");
            (token, key.session.address())
        };
        let bytes = walk(folder.path());
        assert!(
            !bytes.windows(64).any(|window| token.as_bytes().ends_with(window)),
            "the token itself is nowhere on disk"
        );
        let store = Store::open(folder.path()).expect("opens again");
        let keys = Keys::load(&store, 3, 2).expect("loads again");
        let found = keys.find(&token).expect("known");
        assert_eq!((found.payer, found.session.address()), (payer, session));
        assert_eq!(keys.sessions_of(payer).len(), 2);
        let mut other = token.clone();
        other.replace_range(9..10, if &token[9..10] == "0" { "1" } else { "0" });
        assert!(keys.find(&other).is_none());
        assert!(keys.find("sk-fonte-").is_none());
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

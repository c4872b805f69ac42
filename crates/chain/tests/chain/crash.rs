//! What survives a kill: everything that was told to be final.
//!
//! A child process (`child.rs`) runs the chain. It is killed at points inside the commit of a block
//! (`FONTE_TEST_CRASH`, which aborts) and at arbitrary moments under load (SIGKILL).

use std::{path::Path, time::Duration};

use alloy_primitives::{Address, B256, U256};
use alloy_provider::{DynProvider, Provider as _};
use fonte_chain::{Chain, ChainConfig, ChainError};

use crate::{child::Node, common::*};

/// What the chain said was final: number, hash and state root of each block.
async fn history(provider: &DynProvider) -> Vec<(B256, B256)> {
    let latest = provider.get_block_number().await.unwrap();
    let mut blocks = Vec::new();
    for number in 0..=latest {
        let block = provider.get_block_by_number(number.into()).await.unwrap().unwrap();
        blocks.push((block.header.hash, block.header.state_root));
    }
    blocks
}

/// Restarts in this process and checks that `before` is still there, that the nonce is at least
/// `nonce`, and that the chain goes on.
async fn resumes(directory: &Path, chain_id: u64, before: &[(B256, B256)], nonce: u64) -> u64 {
    let chain = start(config(directory, chain_id)).await;
    // Another account than the one that sent before: blocks that were under way may still become final
    // and use its nonces.
    let provider = wallet(&chain.rpc_url(), 1);
    let after = history(&provider).await;
    assert!(after.len() >= before.len(), "{} < {}", after.len(), before.len());
    assert_eq!(&after[..before.len()], before);
    let sender = accounts()[0].address();
    assert!(provider.get_transaction_count(sender).await.unwrap() >= nonce);
    for _ in 0..2 {
        assert!(send(&provider, transfer(Address::repeat_byte(3), U256::ONE)).await.status());
    }
    let latest = provider.get_transaction_count(sender).await.unwrap();
    chain.shutdown().await.unwrap();
    latest
}

/// The points exist only in builds with debug assertions.
#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn killed_inside_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let chain_id = fresh_chain_id();
    let mut nonce = 0;
    for place in ["before-commit", "after-commit"] {
        let (before, crash_at) = {
            let chain = start(config(dir.path(), chain_id)).await;
            let provider = wallet(&chain.rpc_url(), 0);
            send(&provider, transfer(Address::repeat_byte(3), U256::ONE)).await;
            let before = history(&provider).await;
            chain.shutdown().await.unwrap();
            nonce += 1;
            let next = before.len() as u64;
            (before, next)
        };
        // At least two blocks ahead: blocks that consensus finalized and the store had not yet
        // applied may be delivered while the child starts.
        let mut node = Node::start(dir.path(), chain_id, &[("FONTE_TEST_CRASH", format!("{place}@{}", crash_at + 2))]);
        let provider = wallet(&node.url, 0);
        for _ in 0..20 {
            let sent = provider.send_transaction(transfer(Address::repeat_byte(3), U256::ONE)).await;
            let Ok(pending) = sent else { break };
            let hash = *pending.tx_hash();
            let answer = async {
                loop {
                    match provider.get_transaction_receipt(hash).await {
                        Ok(Some(_)) => return true,
                        Ok(None) => tokio::time::sleep(Duration::from_millis(5)).await,
                        Err(_) => return false,
                    }
                }
            };
            if !tokio::time::timeout(PATIENCE, answer).await.unwrap() {
                break;
            }
            nonce += 1;
        }
        node.exited().await;
        nonce = resumes(dir.path(), chain_id, &before, nonce).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load() {
    let dir = tempfile::tempdir().unwrap();
    let chain_id = fresh_chain_id();
    let mut nonce = 0;
    for round in 0..5u64 {
        let node = Node::start(dir.path(), chain_id, &[]);
        let provider = wallet(&node.url, 0);
        let me = accounts()[0].address();
        let sending = {
            let provider = provider.clone();
            tokio::spawn(async move {
                let request = transfer(Address::repeat_byte(3), U256::ONE);
                while provider.send_transaction(request.clone()).await.is_ok() {}
            })
        };
        // Let it get into its stride, then a little further each round, to hit other moments.
        let target = nonce + 20;
        until(|| async {
            let count = provider.get_transaction_count(me).await.unwrap();
            (count >= target).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        let before = history(&provider).await;
        let told = provider.get_transaction_count(me).await.unwrap();
        node.kill();
        sending.abort();
        nonce = resumes(dir.path(), chain_id, &before, told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time_and_one_chain_per_directory() {
    let dir = tempfile::tempdir().unwrap();
    let chain_id = fresh_chain_id();
    let chain = start(config(dir.path(), chain_id)).await;
    let second = Chain::start(config(dir.path(), chain_id)).await.unwrap_err();
    assert!(matches!(second, ChainError::Locked { .. }), "{second}");
    chain.shutdown().await.unwrap();

    let other = Chain::start(config(dir.path(), chain_id + 1)).await.unwrap_err();
    assert!(matches!(other, ChainError::ForeignData { .. }), "{other}");
    let mut richer = config(dir.path(), chain_id);
    richer.genesis.alloc[0].balance += U256::ONE;
    let other = Chain::start(richer).await.unwrap_err();
    assert!(matches!(other, ChainError::ForeignData { .. }), "{other}");

    // The right one still starts.
    let chain = start(config(dir.path(), chain_id)).await;
    chain.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_chain_stops_and_frees_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let chain_id = fresh_chain_id();
    let mut blocks = {
        let chain = start(config(dir.path(), chain_id)).await;
        chain.subscribe()
    };
    tokio::time::timeout(PATIENCE, async { while blocks.next().await.is_some() {} }).await.unwrap();
    let chain = until(|| async { Chain::start(config(dir.path(), chain_id)).await.ok() }).await;
    chain.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let chain_id = fresh_chain_id();
    let chain = start(config(dir.path(), chain_id)).await;
    let provider = wallet(&chain.rpc_url(), 0);
    send(&provider, transfer(Address::repeat_byte(3), U256::ONE)).await;
    chain.shutdown().await.unwrap();
    {
        // Somebody edits a balance.
        let db = fjall::Database::builder(dir.path().join("state")).open().unwrap();
        let accounts = db.keyspace("accounts", Default::default).unwrap();
        let key = Address::repeat_byte(3);
        let mut row = accounts.get(key.as_slice()).unwrap().unwrap().to_vec();
        // RLP of [nonce, balance, code hash]: list prefix, 0x80, 0x01, ...
        assert_eq!(row[1..3], [0x80, 0x01]);
        row[2] = 0x02;
        accounts.insert(key.as_slice(), row).unwrap();
        db.persist(fjall::PersistMode::SyncAll).unwrap();
    }
    let error = Chain::start(config(dir.path(), chain_id)).await.unwrap_err();
    let ChainError::Damaged { what, .. } = &error else {
        panic!("{error}");
    };
    assert!(what.contains("state root"), "{what}");

    // The consensus files of another run do not fit this store.
    let one = tempfile::tempdir().unwrap();
    let two = tempfile::tempdir().unwrap();
    for dir in [&one, &two] {
        start(config(dir.path(), chain_id)).await.shutdown().await.unwrap();
    }
    std::fs::remove_dir_all(one.path().join("consensus")).unwrap();
    std::fs::rename(two.path().join("consensus"), one.path().join("consensus")).unwrap();
    let error = Chain::start(config(one.path(), chain_id)).await.unwrap_err();
    assert!(matches!(error, ChainError::Damaged { .. }), "{error}");
    // Nor may they be missing: a validator that forgot its votes could vote twice.
    std::fs::remove_dir_all(one.path().join("consensus")).unwrap();
    let error = Chain::start(config(one.path(), chain_id)).await.unwrap_err();
    assert!(matches!(error, ChainError::Damaged { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn development_keys_are_refused_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let config = ChainConfig { development: false, ..config(dir.path(), fresh_chain_id()) };
    let error = Chain::start(config).await.unwrap_err();
    assert!(matches!(error, ChainError::DevelopmentKey { index: 0 }), "{error}");
}

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702};
use alloy_eips::{eip2718::Encodable2718 as _, eip7702::Authorization};
use alloy_network::TxSignerSync as _;
use alloy_primitives::{TxKind, U256};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use fonte_evm::GenesisAccount;

use super::*;

const CHAIN: u64 = 7;

fn signer(n: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(n)).unwrap()
}

fn pay(from: u8, nonce: u64, to: Address, value: u64) -> Vec<u8> {
    sign(from, transfer(nonce, to, value))
}

fn transfer(nonce: u64, to: Address, value: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        value: U256::from(value),
        ..TxEip1559::default()
    }
}

fn sign<T: SignableTransaction<alloy_primitives::Signature> + 'static>(from: u8, mut tx: T) -> Vec<u8>
where
    Transaction: From<alloy_consensus::Signed<T>>,
{
    let signature = signer(from).sign_transaction_sync(&mut tx).unwrap();
    Transaction::from(tx.into_signed(signature)).encoded_2718()
}

/// A contract that gives its whole balance to whoever calls it.
const GIVES: Address = Address::repeat_byte(0x61);
/// Sends nothing; its account runs the code of [`GIVES`] (EIP-7702).
const DELEGATED: u8 = 4;

struct Node {
    ledger: Ledger,
    genesis: Block,
    gossip: mpsc::Receiver<Bytes>,
    directory: tempfile::TempDir,
}

fn config(directory: &std::path::Path) -> ChainConfig {
    let genesis = Genesis {
        chain_id: CHAIN,
        timestamp: 1_700_000_000,
        gas_limit: 30_000_000,
        base_fee: 1_000_000_000,
        alloc: (1..=DELEGATED)
            .map(|n| GenesisAccount {
                address: signer(n).address(),
                balance: U256::from(10).pow(U256::from(20)),
                code: if n == DELEGATED { [&[0xef, 1, 0], GIVES.as_slice()].concat().into() } else { Bytes::new() },
                ..GenesisAccount::default()
            })
            .chain([GenesisAccount {
                address: GIVES,
                nonce: 1,
                // CALL(GAS, CALLER, SELFBALANCE, nothing in, nothing out)
                code: alloy_primitives::bytes!("5f5f5f5f47335af100"),
                ..GenesisAccount::default()
            }])
            .collect(),
        predeploys: Vec::new(),
        calls: Vec::new(),
    };
    let mut config = ChainConfig::development(directory, genesis);
    config.heartbeat = Duration::from_millis(200);
    config
}

fn node() -> Node {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let (sender, gossip) = mpsc::channel(16);
    let store = Store::open(directory.path()).unwrap();
    let (ledger, genesis) = Ledger::open(&config, store, sender).unwrap();
    Node { ledger, genesis, gossip, directory }
}

fn balance(state: &State, address: Address) -> U256 {
    state.account(address).unwrap_or_default().balance
}

#[tokio::test]
async fn forks_do_not_see_each_other_and_losers_go() {
    let (a, b) = (node(), node());
    let to = Address::repeat_byte(0x42);
    // Two leaders propose different children of genesis, and one of them a grandchild.
    a.ledger.submit(&pay(1, 0, to, 5)).unwrap();
    let a1 = a.ledger.propose(vec![a.genesis.clone()]).await.unwrap();
    a.ledger.submit(&pay(1, 1, to, 7)).unwrap();
    let a2 = a.ledger.propose(vec![a1.clone(), a.genesis.clone()]).await.unwrap();
    b.ledger.submit(&pay(2, 0, to, 11)).unwrap();
    let b1 = b.ledger.propose(vec![b.genesis.clone()]).await.unwrap();
    assert_eq!((a1.number(), a2.number(), b1.number()), (1, 2, 1));
    assert_eq!(a2.parent(), a1.hash());

    // A third holds all of them at once.
    let c = node();
    assert!(c.ledger.verify(b1.clone(), vec![c.genesis.clone()]).await);
    // The grandchild comes before its parent was judged: the path leads back to what is known.
    let path = vec![a1.clone(), c.genesis.clone()];
    assert!(c.ledger.verify(a2.clone(), path).await);
    for (block, expected) in [(&a1, 5), (&a2, 12), (&b1, 11)] {
        let parent = c.ledger.parent(block.hash()).unwrap();
        assert_eq!(balance(&parent.state, to), U256::from(expected));
        assert_eq!(parent.state.root(), block.header().state_root);
    }
    assert_eq!(balance(&c.ledger.head().state, to), U256::ZERO);

    // The one that loses cannot be finalized any more, nor be built on.
    c.ledger.finalized(a1.clone()).unwrap();
    assert_eq!(balance(&c.ledger.head().state, to), U256::from(5));
    assert!(!c.ledger.knows(b1.hash()));
    assert!(matches!(c.ledger.parent(b1.hash()), Err(Rejected::UnknownParent(_))));
    assert!(matches!(c.ledger.finalized(b1.clone()), Err(ChainError::Diverged { .. })));
    // Delivery is at least once.
    c.ledger.finalized(a1.clone()).unwrap();
    c.ledger.finalized(a2.clone()).unwrap();
    c.ledger.finalized(a1.clone()).unwrap();
    assert_eq!(c.ledger.head().block, a2);
    assert!(c.ledger.0.candidates.lock().is_empty());

    // What was finalized is what a restart finds.
    let Node { ledger, directory, .. } = c;
    drop(ledger);
    let store = Store::open(directory.path()).unwrap();
    let (again, _) = Ledger::open(&config(directory.path()), store, mpsc::channel(1).0).unwrap();
    assert_eq!(again.head().block, a2);
    assert_eq!(balance(&again.head().state, to), U256::from(12));
    assert_eq!(again.head().state.root(), a2.header().state_root);
}

#[tokio::test]
async fn a_transaction_ends_the_wait_and_reaches_peers() {
    let mut node = node();
    let started = Instant::now();
    let empty = node.ledger.propose(vec![node.genesis.clone()]).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert!(empty.inner().body.transactions.is_empty());

    let raw = pay(1, 0, Address::ZERO, 1);
    let proposing = {
        let ledger = node.ledger.clone();
        let path = vec![empty, node.genesis.clone()];
        tokio::spawn(async move { ledger.propose(path).await })
    };
    tokio::task::yield_now().await;
    node.ledger.submit(&raw).unwrap();
    let block = proposing.await.unwrap().unwrap();
    assert_eq!(block.inner().body.transactions.len(), 1);
    assert_eq!(node.gossip.recv().await.unwrap(), raw);
    assert_eq!(node.ledger.submit(&raw), Err(PoolError::Known));
}

#[tokio::test]
async fn changed_blocks_are_refused() {
    let (a, b) = (node(), node());
    a.ledger.submit(&pay(1, 0, Address::ZERO, 1)).unwrap();
    let block = a.ledger.propose(vec![a.genesis.clone()]).await.unwrap();
    // Another byte anywhere is no block, or a block under another hash.
    let bytes = block.encoded().to_vec();
    let (mut decoded, mut judged) = (0, 0);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        if let Ok(changed) = Block::decode(changed.into()) {
            assert_ne!(changed.hash(), block.hash(), "byte {at}");
            decoded += 1;
            // Another time is as good; everything else follows from the parent and the body.
            let same_time = changed.header().timestamp == block.header().timestamp;
            if decoded % 20 == 1 && same_time && changed.parent() == b.genesis.hash() && changed.number() == 1 {
                judged += 1;
                let verdict = b.ledger.verify(changed, vec![b.genesis.clone()]);
                assert!(!verdict.await, "byte {at}");
            }
        }
    }
    // The header's free bytes were among them.
    assert!(decoded > 100 && judged > 5, "{decoded} {judged}");
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Block::decode(longer.into()).is_err());
    assert_eq!(Block::decode(bytes.into()).unwrap(), block);
}

#[tokio::test]
async fn time_ahead_waits_instead_of_voting_against() {
    let node = node();
    let parent = Parent { block: node.genesis.clone(), state: node.ledger.head().state.clone() };
    let attributes = BlockAttributes {
        timestamp: now().as_secs() + 3,
        beneficiary: Address::ZERO,
        extra_data: Bytes::new(),
        max_bytes: 100_000,
    };
    let executor = node.ledger.executor();
    let proposal = executor.propose(parent.block.header(), &parent.state, attributes, Vec::new()).unwrap();
    let block = Block::seal(proposal.executed.block.block.clone(), proposal.executed.block.hash).unwrap();
    let started = Instant::now();
    assert!(node.ledger.verify(block, vec![node.genesis.clone()]).await);
    assert!(started.elapsed() > Duration::from_millis(900));
}

/// One sender's transactions fill a block by themselves, and the first of them cannot run: somebody else emptied the account
/// in the same block. The block goes to those that pay less.
#[tokio::test]
async fn what_cannot_run_takes_no_room() {
    let node = node();
    let empty = TxEip1559 {
        gas_limit: 100_000,
        max_priority_fee_per_gas: 3_000_000_000,
        ..transfer(0, signer(DELEGATED).address(), 0)
    };
    node.ledger.submit(&sign(1, empty)).unwrap();
    let (mut left, mut nonce) = (MAX_TRANSACTION_BYTES_PER_BLOCK, 0);
    for bytes in [130_000, 10_000, 1_000, 0] {
        loop {
            let filler = TxEip1559 {
                gas_limit: 21_000 + 16 * bytes as u64,
                max_priority_fee_per_gas: 2_000_000_000,
                input: vec![0; bytes].into(),
                ..transfer(nonce, Address::ZERO, 0)
            };
            let raw = sign(DELEGATED, filler);
            let Some(rest) = left.checked_sub(raw.len()) else { break };
            node.ledger.submit(&raw).unwrap();
            (left, nonce) = (rest, nonce + 1);
        }
    }
    let last = TxEip1559 { gas_limit: 30_000, input: vec![0; 300].into(), ..transfer(0, Address::ZERO, 1) };
    let last = node.ledger.submit(&sign(2, last)).unwrap();
    let block = node.ledger.propose(vec![node.genesis.clone()]).await.unwrap();
    let senders: Vec<Address> =
        block.inner().body.transactions.iter().map(|tx| fonte_evm::recover(tx.clone()).unwrap().signer()).collect();
    assert_eq!(senders, [signer(1).address(), signer(2).address()]);
    assert_eq!(*block.inner().body.transactions[1].tx_hash(), last);
    // Once that is final, they are gone: their sender's balance changed, though it sent nothing.
    assert_eq!(node.ledger.pool().status(&node.ledger.head().state), (nonce as usize + 2, 0));
    node.ledger.finalized(block).unwrap();
    assert_eq!(node.ledger.pool().status(&node.ledger.head().state), (0, 0));
}

/// An authorization that somebody else sends uses a nonce of its signer, whose own transaction of that nonce is dead then.
#[tokio::test]
async fn a_used_authorization_cleans_the_pool() {
    let (proposer, node) = (node(), node());
    let authorization = Authorization { chain_id: U256::from(CHAIN), address: GIVES, nonce: 0 };
    let signature = signer(2).sign_hash_sync(&authorization.signature_hash()).unwrap();
    let tx = TxEip7702 {
        chain_id: CHAIN,
        gas_limit: 100_000,
        max_fee_per_gas: 10_000_000_000,
        authorization_list: vec![authorization.into_signed(signature)],
        to: Address::ZERO,
        ..TxEip7702::default()
    };
    proposer.ledger.submit(&sign(1, tx)).unwrap();
    let block = proposer.ledger.propose(vec![proposer.genesis.clone()]).await.unwrap();
    node.ledger.submit(&pay(2, 0, Address::ZERO, 1)).unwrap();
    let alive = node.ledger.submit(&pay(2, 1, Address::ZERO, 1)).unwrap();
    node.ledger.finalized(block).unwrap();
    assert_eq!(node.ledger.pool().status(&node.ledger.head().state), (1, 0));
    assert!(node.ledger.pool().contains(&alive));
}

#[tokio::test]
async fn an_ended_chain_takes_no_transactions() {
    let node = node();
    let raw = pay(1, 0, Address::ZERO, 1);
    node.ledger.ended().send_replace(Some("the disk is full".to_owned()));
    let refused = node.ledger.submit(&raw).unwrap_err().to_string();
    assert!(refused.contains("ended") && refused.contains("the disk is full"), "{refused}");
    assert!(!node.ledger.pool().contains(&alloy_primitives::keccak256(&raw)));
}

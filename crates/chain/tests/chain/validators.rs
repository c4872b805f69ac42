//! Four validators over TCP: the same code as one.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    child::{MEMBER, Node},
    common::*,
};
use alloy_primitives::{Address, U256};
use alloy_provider::Provider as _;
use fonte_chain::{ChainConfig, ChainHandle, ValidatorAddress, ValidatorKeys};

pub fn member(index: usize, ports: &[u16], directory: &Path, chain_id: u64) -> ChainConfig {
    let validators = (0u64..)
        .zip(ports)
        .map(|(index, port)| ValidatorAddress {
            keys: ValidatorKeys::development(index).public().unwrap(),
            address: SocketAddr::from(([127, 0, 0, 1], *port)).into(),
        })
        .collect();
    ChainConfig {
        keys: ValidatorKeys::development(index as u64),
        validators,
        listen: SocketAddr::from(([127, 0, 0, 1], ports[index])),
        heartbeat: Duration::from_secs(1),
        ..config(directory, chain_id)
    }
}

async fn reaches(chain: &ChainHandle, number: u64) {
    until(|| std::future::ready((chain.latest().number >= number).then_some(()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_agree_and_a_killed_one_catches_up() {
    let chain_id = fresh_chain_id();
    let ports = free_ports(4);
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut chains = Vec::new();
    for (index, dir) in dirs.iter().enumerate().take(3) {
        chains.push(start(member(index, &ports, dir.path(), chain_id)).await);
    }
    let numbers: Vec<String> = [3].iter().chain(&ports).map(u16::to_string).collect();
    let environment = [(MEMBER, numbers.join(","))];
    let node = Node::start(dirs[3].path(), chain_id, &environment);
    for chain in &chains {
        reaches(chain, 2).await;
    }

    // A transaction given to one validator becomes final, whoever leads, on all of them.
    let to = Address::repeat_byte(0x44);
    let urls: Vec<String> = chains.iter().map(ChainHandle::rpc_url).chain([node.url.clone()]).collect();
    let mut times = Vec::new();
    for (index, url) in urls.iter().enumerate() {
        let provider = wallet(url, index);
        let started = Instant::now();
        send(&provider, transfer(to, U256::from(10))).await;
        times.push(started.elapsed());
    }
    println!("send -> receipt with four validators: {times:?}");
    for url in &urls {
        let provider = wallet(url, 0);
        until(|| async { (provider.get_balance(to).await.unwrap() == U256::from(40)).then_some(()) }).await;
    }

    // One is killed: three of four are still a quorum, though its turns take longer.
    let killed_at = chains[0].latest().number;
    node.kill();
    let provider = wallet(&chains[0].rpc_url(), 0);
    for _ in 0..6 {
        send(&provider, transfer(to, U256::from(10))).await;
    }
    let target = chains[0].latest().number;
    assert!(target > killed_at);

    // It returns, and has the same blocks.
    let back = start(member(3, &ports, dirs[3].path(), chain_id)).await;
    reaches(&back, target).await;
    for number in 0..=target {
        let mine = reader(&back).get_block_by_number(number.into()).await.unwrap().unwrap();
        let theirs = reader(&chains[1]).get_block_by_number(number.into()).await.unwrap().unwrap();
        assert_eq!(mine.header, theirs.header);
    }
    // And takes part again: with another one lost, there is no quorum without it.
    let gone = chains.pop().unwrap();
    gone.shutdown().await.unwrap();
    let now = back.latest().number;
    reaches(&back, now + 4).await;
    let provider = wallet(&back.rpc_url(), 3);
    send(&provider, transfer(to, U256::from(10))).await;

    chains.push(back);
    for chain in chains {
        chain.shutdown().await.unwrap();
    }
}

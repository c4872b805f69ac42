//! The set that votes is read from the contract `Validators`, and changes while the chain runs.

use std::{net::SocketAddr, path::Path, time::Duration};

use crate::{
    child::{ALONE, Node},
    common::*,
};
use alloy_network::TransactionBuilder as _;
use alloy_primitives::{Address, B256, U256};
use alloy_provider::Provider as _;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::{SolCall as _, SolConstructor as _, sol};
use fonte_chain::{ChainConfig, ChainHandle, Genesis, SetContract, ValidatorKeys};
use fonte_evm::Predeploy;

pub const CONTRACT: Address = Address::new([0xf0, 0x17, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
const NETWORK: B256 = B256::repeat_byte(0x5a);
const EPOCH_BLOCKS: u64 = 6;

sol!(Validators, "../../contracts/artifacts/Validators.json");

pub fn keys(index: usize) -> ValidatorKeys {
    ValidatorKeys::development(index as u64)
}

/// Seats 0 to 2 belong to nobody who acts; seat 3 to the second account, which resigns.
pub fn operator(index: usize) -> Address {
    if index == 3 { accounts()[1].address() } else { Address::repeat_byte(0xb0 + index as u8) }
}

fn elected_genesis(chain_id: u64, ports: &[u16]) -> Genesis {
    let coin: u128 = coins(1).to();
    let parameters = IValidators::Parameters {
        maxSeats: 4,
        maxCandidates: 8,
        minimumStake: coin,
        minimumOwnStake: coin,
        epochBlocks: EPOCH_BLOCKS,
        epochSeconds: 1,
        evidenceSeconds: 3600,
        unbondingSeconds: 7200,
        slashPpm: 100_000,
        rewardPpm: 500_000,
    };
    let seats: Vec<IValidators::GenesisSeat> = (0..ports.len().min(4))
        .map(|index| {
            let public = keys(index).public().unwrap();
            IValidators::GenesisSeat {
                operator: operator(index),
                stake: 10 * coin,
                consensusKey: public.vote.into(),
                networkKey: public.network.into(),
                // One is known by its name.
                networkAddress: format!("{}:{}", if index == 1 { "localhost" } else { "127.0.0.1" }, ports[index]),
            }
        })
        .collect();
    let value = coins(10 * seats.len() as u64);
    let mut genesis = genesis(chain_id);
    genesis.predeploys.push(Predeploy {
        name: "Validators".into(),
        address: CONTRACT,
        init_code: [
            Validators::BYTECODE.as_ref(),
            &Validators::constructorCall { networkId_: NETWORK, p: parameters, seats }.abi_encode(),
        ]
        .concat()
        .into(),
        value,
    });
    genesis
}

pub fn node(index: usize, ports: &[u16], directory: &Path, chain_id: u64) -> ChainConfig {
    ChainConfig {
        keys: keys(index),
        set_contract: Some(SetContract { address: CONTRACT, epoch_blocks: EPOCH_BLOCKS }),
        listen: SocketAddr::from(([127, 0, 0, 1], ports[index])),
        heartbeat: Duration::from_millis(400),
        ..ChainConfig::development(directory, elected_genesis(chain_id, ports))
    }
}

/// The only seat of a network, whose set so never changes.
pub fn alone(directory: &Path, chain_id: u64) -> ChainConfig {
    ChainConfig { heartbeat: Duration::from_millis(100), ..node(0, &[0], directory, chain_id) }
}

pub async fn reaches(chain: &ChainHandle, number: u64) {
    until(|| std::future::ready((chain.latest().number >= number).then_some(()))).await;
}

pub fn to_contract(data: Vec<u8>, value: U256) -> TransactionRequest {
    TransactionRequest::default().with_to(CONTRACT).with_input(data).with_value(value).with_gas_limit(3_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_changes_hands_while_the_chain_runs() {
    let chain_id = fresh_chain_id();
    let ports = free_ports(5);
    let dirs: Vec<_> = (0..5).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut chains = Vec::new();
    for (index, dir) in dirs.iter().enumerate() {
        chains.push(start(node(index, &ports, dir.path(), chain_id)).await);
    }
    reaches(&chains[0], 1).await;

    // A newcomer registers, and the operator of seat 3 resigns.
    let newcomer = accounts()[0].address();
    let public = keys(4).public().unwrap();
    let proof = keys(4).sign_registration(NETWORK, newcomer).unwrap();
    let register = Validators::registerCall {
        consensusKey: public.vote.into(),
        networkKey: public.network.into(),
        networkAddress: format!("127.0.0.1:{}", ports[4]),
        r: B256::from_slice(&proof[..32]),
        s: B256::from_slice(&proof[32..]),
    };
    let url = chains[0].rpc_url();
    assert!(send(&wallet(&url, 0), to_contract(register.abi_encode(), coins(20))).await.status());
    assert!(send(&wallet(&url, 1), to_contract(Validators::resignCall {}.abi_encode(), U256::ZERO)).await.status());

    // As a candidate the newcomer may connect from the next epoch of consensus on, and catches up without a vote.
    reaches(&chains[0], 2 * EPOCH_BLOCKS).await;
    reaches(&chains[4], chains[0].latest().number).await;

    // The election gives it the seat.
    let receipt = send(&wallet(&url, 2), to_contract(Validators::endEpochCall {}.abi_encode(), U256::ZERO)).await;
    assert!(receipt.status());
    let provider = reader(&chains[0]);
    let call = to_contract(Validators::operatorsOfCall { number: 1 }.abi_encode(), U256::ZERO);
    let holders = Validators::operatorsOfCall::abi_decode_returns(&provider.call(call).await.unwrap()).unwrap();
    assert!(holders.contains(&newcomer) && !holders.contains(&operator(3)), "{holders:?}");

    // Consensus follows at its next epoch.
    let elected = receipt.block_number.unwrap();
    let last = (elected / EPOCH_BLOCKS + 1) * EPOCH_BLOCKS - 1;
    for index in [0, 1, 2, 4] {
        reaches(&chains[index], last + 2).await;
    }

    // Without the one that left and one of the others, three of four are left: only with the newcomer's vote is that a
    // quorum of the new set, and without it neither set has one.
    chains.remove(3).shutdown().await.unwrap();
    chains.remove(0).shutdown().await.unwrap();
    let before = chains[0].latest().number;
    let sender = wallet(&chains[0].rpc_url(), 2);
    let to = Address::repeat_byte(0x77);
    for _ in 0..3 {
        assert!(send(&sender, transfer(to, U256::from(5))).await.status());
    }
    reaches(&chains[2], before + 2 * EPOCH_BLOCKS).await;
    assert_eq!(reader(&chains[2]).get_balance(to).await.unwrap(), U256::from(15));

    // One that comes back finds its epoch by the contract, and the same blocks.
    let back = start(node(0, &ports, dirs[0].path(), chain_id)).await;
    reaches(&back, chains[0].latest().number).await;
    let number = before + 1;
    let at = |chain: &ChainHandle| {
        let provider = reader(chain);
        async move { provider.get_block_by_number(number.into()).await.unwrap().unwrap().header.hash }
    };
    assert_eq!(at(&back).await, at(&chains[2]).await);
    chains.push(back);
    for chain in chains {
        chain.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_alone_goes_on_through_its_epochs_after_kills() {
    const KILLS: usize = 4;
    let chain_id = fresh_chain_id();
    let dir = tempfile::tempdir().unwrap();
    let mut before = 0;
    for _ in 0..KILLS {
        let node = Node::start(dir.path(), chain_id, &[(ALONE, "1".into())]);
        let provider = wallet(&node.url, 0);
        // More than an epoch each time, and killed wherever it is then.
        let goal = before + 2 * EPOCH_BLOCKS + 1;
        let number = || async { provider.get_block_number().await.ok().filter(|number| *number >= goal) };
        before = until(number).await;
        node.kill();
    }
    let chain = start(alone(dir.path(), chain_id)).await;
    assert!(chain.latest().number >= before, "nothing that was told is lost");
    reaches(&chain, before + 2 * EPOCH_BLOCKS).await;
    let epochs = usize::try_from(chain.latest().number / EPOCH_BLOCKS).unwrap();
    chain.shutdown().await.unwrap();
    // Votes of ended epochs are gone, but for those that a kill kept from being deleted.
    let folders = std::fs::read_dir(dir.path().join("consensus/journals")).unwrap();
    let votes = folders.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("consensus"));
    let votes = votes.count();
    assert!((1..=KILLS + 2).contains(&votes) && votes < epochs, "{votes} of {epochs} epochs are kept");
}

/// A contract that is not there is an error that says so, not a chain that nobody can vote in.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_contract_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let config = ChainConfig {
        set_contract: Some(SetContract { address: Address::repeat_byte(1), epoch_blocks: 8 }),
        ..config(dir.path(), fresh_chain_id())
    };
    let Err(error) = fonte_chain::Chain::start(config).await else { panic!("there is no such contract") };
    let error = error.to_string();
    assert!(error.contains("the genesis must hold the contract Validators there"), "{error}");
}

/// What consensus keeps is cut into epochs: a directory goes on with those it was begun with, or is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_its_epochs() {
    let chain_id = fresh_chain_id();
    let ports = free_ports(5);
    let dir = tempfile::tempdir().unwrap();
    // One seat of four makes no block, and need not.
    start(node(0, &ports, dir.path(), chain_id)).await.shutdown().await.unwrap();
    let told = async |config| fonte_chain::Chain::start(config).await.err().map(|error| error.to_string());
    let set_contract = Some(SetContract { address: CONTRACT, epoch_blocks: EPOCH_BLOCKS + 1 });
    let other = ChainConfig { set_contract, ..node(0, &ports, dir.path(), chain_id) };
    let error = told(other).await.expect("other epochs are refused");
    assert!(error.contains("every 6 blocks") && error.contains("every 7 blocks"), "{error}");
    let fixed = ChainConfig { set_contract: None, ..node(0, &ports, dir.path(), chain_id) };
    let error = told(fixed).await.expect("a fixed set is refused");
    assert!(error.contains("never change"), "{error}");
    start(node(0, &ports, dir.path(), chain_id)).await.shutdown().await.unwrap();
}

//! The set that votes is read from the contract `Validators`, and changes while the chain runs.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::common::*;
use alloy_network::TransactionBuilder as _;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::Provider as _;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::{SolCall as _, SolValue as _, sol};
use fonte_chain::{ChainConfig, ChainHandle, Genesis, SetContract, ValidatorKeys};
use fonte_evm::Predeploy;

const CONTRACT: Address = Address::new([0xf0, 0x17, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
const NETWORK: B256 = B256::repeat_byte(0x5a);
const EPOCH_BLOCKS: u64 = 6;

sol! {
    struct Parameters {
        uint32 maxSeats;
        uint32 maxCandidates;
        uint128 minimumStake;
        uint128 minimumOwnStake;
        uint64 epochBlocks;
        uint64 epochSeconds;
        uint64 evidenceSeconds;
        uint64 unbondingSeconds;
        uint32 slashPpm;
        uint32 rewardPpm;
    }
    struct GenesisSeat {
        address operator;
        uint128 stake;
        bytes consensusKey;
        bytes32 networkKey;
        string networkAddress;
    }
    function register(bytes consensusKey, bytes32 networkKey, string networkAddress, bytes32 r, bytes32 s) external payable;
    function resign() external;
    function endEpoch() external;
    function epoch() external view returns (uint64);
    function operatorsOf(uint64 number) external view returns (address[] memory);
}

fn keys(index: usize) -> ValidatorKeys {
    ValidatorKeys::development(index as u64)
}

/// Seats 0 to 2 belong to nobody who acts; seat 3 to the second account, which resigns.
fn operator(index: usize) -> Address {
    if index == 3 { accounts()[1].address() } else { Address::repeat_byte(0xb0 + index as u8) }
}

fn elected_genesis(chain_id: u64, ports: &[u16]) -> Genesis {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts/Validators.json");
    let artifact: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let code: Bytes = artifact["bytecode"].as_str().unwrap().parse().unwrap();
    let coin: u128 = coins(1).to();
    let parameters = Parameters {
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
    let seats: Vec<GenesisSeat> = (0..4)
        .map(|index| {
            let public = keys(index).public().unwrap();
            GenesisSeat {
                operator: operator(index),
                stake: 10 * coin,
                consensusKey: public.vote.into(),
                networkKey: public.network.into(),
                networkAddress: format!("127.0.0.1:{}", ports[index]),
            }
        })
        .collect();
    let mut genesis = genesis(chain_id);
    genesis.predeploys.push(Predeploy {
        name: "Validators".into(),
        address: CONTRACT,
        init_code: [code.as_ref(), &(NETWORK, parameters, seats).abi_encode_params()].concat().into(),
        value: coins(40),
    });
    genesis
}

fn node(index: usize, ports: &[u16], directory: &Path, chain_id: u64) -> ChainConfig {
    ChainConfig {
        keys: keys(index),
        set_contract: Some(SetContract { address: CONTRACT, epoch_blocks: EPOCH_BLOCKS }),
        listen: SocketAddr::from(([127, 0, 0, 1], ports[index])),
        heartbeat: Duration::from_millis(400),
        ..ChainConfig::development(directory, elected_genesis(chain_id, ports))
    }
}

async fn reaches(chain: &ChainHandle, number: u64) {
    until(|| std::future::ready((chain.latest().number >= number).then_some(()))).await;
}

fn to_contract(data: Vec<u8>, value: U256) -> TransactionRequest {
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
    let register = registerCall {
        consensusKey: public.vote.into(),
        networkKey: public.network.into(),
        networkAddress: format!("127.0.0.1:{}", ports[4]),
        r: B256::from_slice(&proof[..32]),
        s: B256::from_slice(&proof[32..]),
    };
    let url = chains[0].rpc_url();
    assert!(send(&wallet(&url, 0), to_contract(register.abi_encode(), coins(20))).await.status());
    assert!(send(&wallet(&url, 1), to_contract(resignCall {}.abi_encode(), U256::ZERO)).await.status());

    // As a candidate the newcomer may connect from the next epoch of consensus on, and catches up without a vote.
    reaches(&chains[0], 2 * EPOCH_BLOCKS).await;
    reaches(&chains[4], chains[0].latest().number).await;

    // The election gives it the seat.
    let receipt = send(&wallet(&url, 2), to_contract(endEpochCall {}.abi_encode(), U256::ZERO)).await;
    assert!(receipt.status());
    let provider = reader(&chains[0]);
    let call = to_contract(operatorsOfCall { number: 1 }.abi_encode(), U256::ZERO);
    let holders = operatorsOfCall::abi_decode_returns(&provider.call(call).await.unwrap()).unwrap();
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

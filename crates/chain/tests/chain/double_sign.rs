//! A validator that really votes twice: its evidence is kept, told, and slashes it on the running chain.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use alloy_provider::Provider as _;
use alloy_sol_types::SolCall as _;
use fonte_chain::{ChainConfig, ChainHandle, DoubleSign, SignedVote};

use crate::{
    common::*,
    elected::{CONTRACT, IValidators, Validators, keys, node, operator, reaches, to_contract},
};

/// Validator that leads the first view: consensus takes turns in the order of the network keys, from the second on.
fn first_leader() -> usize {
    let mut order: Vec<usize> = (0..4).collect();
    order.sort_by_key(|index| keys(*index).public().unwrap().network);
    order[1]
}

async fn told(chain: &ChainHandle) -> Vec<DoubleSign> {
    reader(chain).raw_request("fonte_doubleSigns".into(), ()).await.unwrap()
}

/// Votes twice in view 1, until the witness has seen both.
///
/// Two of four are no quorum, so the view does not end. Its leader begins with an empty directory every time, as an
/// operator does who restores a machine without its votes: it forgets its proposal and makes another.
async fn caught(liar: usize, witness: &ChainHandle, ports: &[u16], chain_id: u64) -> DoubleSign {
    for life in 1..20 {
        let dir = tempfile::tempdir().unwrap();
        let config =
            ChainConfig { fee_recipient: Address::repeat_byte(life), ..slow(liar, ports, dir.path(), chain_id) };
        let twin = start(config).await;
        let seen = async {
            loop {
                if let [evidence] = &told(witness).await[..] {
                    return evidence.clone();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // It proposes after a heartbeat; should it have found the witness later than that, another life will do.
        let seen = tokio::time::timeout(Duration::from_secs(4), seen).await;
        twin.shutdown().await.unwrap();
        if let Ok(evidence) = seen {
            return evidence;
        }
    }
    panic!("the leader of view 1 voted twice and nobody saw it");
}

/// With time to find each other before the first proposal.
fn slow(index: usize, ports: &[u16], directory: &std::path::Path, chain_id: u64) -> ChainConfig {
    ChainConfig { heartbeat: Duration::from_millis(1500), ..node(index, ports, directory, chain_id) }
}

fn vote(vote: &SignedVote) -> IValidators::Vote {
    IValidators::Vote { parent: vote.parent.to(), payload: vote.payload, r: vote.r, s: vote.s }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_votes_twice_is_caught_and_slashed() {
    let chain_id = fresh_chain_id();
    let ports = free_ports(5);
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let liar = first_leader();
    let honest: Vec<usize> = (0..4).filter(|index| *index != liar).collect();
    let witness = start(slow(honest[0], &ports, dirs[honest[0]].path(), chain_id)).await;
    assert_eq!(told(&witness).await, []);
    let evidence = caught(liar, &witness, &ports, chain_id).await;
    assert_eq!(evidence.consensus_key.as_ref(), keys(liar).public().unwrap().vote);
    assert_ne!(evidence.first.payload, evidence.second.payload);
    assert_eq!((evidence.epoch.to::<u64>(), evidence.view.to::<u64>()), (0, 1));

    // The witness keeps it over a restart, and the three that are honest go on without the liar.
    witness.shutdown().await.unwrap();
    let mut chains = Vec::new();
    for index in &honest {
        chains.push(start(slow(*index, &ports, dirs[*index].path(), chain_id)).await);
    }
    assert_eq!(told(&chains[0]).await, std::slice::from_ref(&evidence));
    assert_eq!(told(&chains[1]).await, [], "who saw one vote knows nothing");
    reaches(&chains[0], 2).await;

    let provider = wallet(&chains[0].rpc_url(), 0);
    let report = Validators::reportCall {
        operator: operator(liar),
        fault: evidence.fault as u8,
        epoch_: evidence.epoch.to(),
        view_: evidence.view.to(),
        first: vote(&evidence.first),
        second: vote(&evidence.second),
    };
    let before = provider.get_balance(CONTRACT).await.unwrap();
    assert!(send(&provider, to_contract(report.abi_encode(), U256::ZERO)).await.status());
    // A tenth of its ten coins, of which half pays the reporter and half is burnt.
    assert_eq!(provider.get_balance(CONTRACT).await.unwrap(), before - coins(1));
    let call = to_contract(Validators::validatorCall { operator: operator(liar) }.abi_encode(), U256::ZERO);
    let found = Validators::validatorCall::abi_decode_returns(&provider.call(call).await.unwrap()).unwrap();
    assert!(found.jailed && !found.listed);
    let again = provider.call(to_contract(report.abi_encode(), U256::ZERO)).await;
    assert!(again.is_err(), "one slash is all");
    for chain in chains {
        chain.shutdown().await.unwrap();
    }
}

//! What a Fonte chain starts with.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};
use fonte_types::Network;
use serde::{Deserialize, Serialize};

use crate::{
    addresses,
    contracts::{Challenges, Datanets, FonteToken, Models, Settlement, Workers},
};

/// Parameters of the protocol contracts, fixed at genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Salt of all signatures: no two networks share it.
    pub network_id: B256,
    /// Receives the protocol's part, what no source explains, and dust.
    pub treasury: Address,
    /// May register commons contributions; the genesis calls come from it.
    pub registrar: Address,
    /// Blocks within which a commit must be revealed.
    pub reveal_blocks: u64,
    /// Blocks of the challenge window.
    pub window_blocks: u64,
    /// Seconds of the challenge window.
    pub window_seconds: u64,
    /// Seconds of notice before deposits leave, limits shrink and terms change.
    pub notice_seconds: u64,
    /// Penalty of a proven challenge, in fees.
    pub penalty_multiple: u32,
    /// What a worker stakes for each job that it does at once, in wei.
    pub stake_per_slot: u128,
    /// Seconds that a stake waits on its way out.
    pub unbonding_seconds: u64,
}

impl Parameters {
    /// A development network: a challenge window of three blocks.
    pub fn development(chain_id: u64) -> Self {
        Self {
            chain_id,
            network_id: keccak256(("fonte development network", chain_id).abi_encode_params()),
            treasury: Address::from_word(keccak256("fonte development treasury")),
            registrar: REGISTRAR,
            reveal_blocks: 5_000,
            window_blocks: 3,
            window_seconds: 0,
            notice_seconds: 60,
            penalty_multiple: 2,
            stake_per_slot: 1_000_000_000_000_000_000,
            unbonding_seconds: 60,
        }
    }

    /// The network as signatures name it.
    pub fn network(&self) -> Network {
        Network {
            chain_id: self.chain_id,
            network_id: self.network_id,
            settlement: addresses::SETTLEMENT,
            datanets: addresses::DATANETS,
        }
    }
}

/// Sender of the genesis calls: an address without a key.
pub const REGISTRAR: Address = alloy_primitives::address!("f017e000000000000000000000000000000000ff");

/// A contract that exists from genesis on: its constructor runs at its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predeploy {
    /// For messages.
    pub name: &'static str,
    /// Where.
    pub address: Address,
    /// Creation code with the constructor's arguments.
    pub init_code: Bytes,
}

/// The protocol's contracts in the order in which they are constructed.
pub fn predeploys(parameters: &Parameters) -> Vec<Predeploy> {
    let with = |code: &Bytes, arguments: Vec<u8>| Bytes::from([code.as_ref(), &arguments].concat());
    vec![
        Predeploy { name: "FonteToken", address: addresses::FONTE_TOKEN, init_code: FonteToken::BYTECODE.clone() },
        Predeploy {
            name: "Datanets",
            address: addresses::DATANETS,
            init_code: with(
                &Datanets::BYTECODE,
                Datanets::constructorCall {
                    networkId_: parameters.network_id,
                    registrar_: parameters.registrar,
                    treasury_: parameters.treasury,
                    revealBlocks_: parameters.reveal_blocks,
                }
                .abi_encode(),
            ),
        },
        Predeploy {
            name: "Models",
            address: addresses::MODELS,
            init_code: with(
                &Models::BYTECODE,
                Models::constructorCall {
                    datanets_: addresses::DATANETS,
                    noticeSeconds_: parameters.notice_seconds.max(1),
                }
                .abi_encode(),
            ),
        },
        Predeploy {
            name: "Settlement",
            address: addresses::SETTLEMENT,
            init_code: with(
                &Settlement::BYTECODE,
                Settlement::constructorCall {
                    networkId_: parameters.network_id,
                    datanets_: addresses::DATANETS,
                    models_: addresses::MODELS,
                    challenges_: addresses::CHALLENGES,
                    treasury_: parameters.treasury,
                    windowBlocks_: parameters.window_blocks,
                    windowSeconds_: parameters.window_seconds,
                    noticeSeconds_: parameters.notice_seconds,
                    penaltyMultiple_: parameters.penalty_multiple,
                }
                .abi_encode(),
            ),
        },
        Predeploy {
            name: "Challenges",
            address: addresses::CHALLENGES,
            init_code: with(
                &Challenges::BYTECODE,
                Challenges::constructorCall { settlement_: addresses::SETTLEMENT }.abi_encode(),
            ),
        },
        Predeploy {
            name: "Workers",
            address: addresses::WORKERS,
            init_code: with(
                &Workers::BYTECODE,
                Workers::constructorCall {
                    governance_: parameters.treasury,
                    stakePerSlot_: parameters.stake_per_slot,
                    unbondingSeconds_: parameters.unbonding_seconds,
                }
                .abi_encode(),
            ),
        },
    ]
}

/// A call that the genesis block makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Sender.
    pub from: Address,
    /// Receiver.
    pub to: Address,
    /// Data.
    pub data: Bytes,
}

/// A contribution that belongs to everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commons {
    /// Merkle root.
    pub root: B256,
    /// Number of documents.
    pub documents: u32,
    /// Bytes of text.
    pub text_bytes: u64,
}

/// Creates the commons datanet (number 1, curated by the registrar, which has no key) and registers its contributions,
/// which so precede everyone's.
pub fn commons_calls(parameters: &Parameters, commons: &[Commons]) -> Vec<Call> {
    let call = |data: Vec<u8>| Call { from: parameters.registrar, to: addresses::DATANETS, data: data.into() };
    let create = Datanets::createCall {
        name: COMMONS_NAME.into(),
        policy: crate::convert::policy(&crate::client::Policy {
            // Indexed so that its windows count, but never quoted as an answer.
            quote: false,
            ..crate::client::Policy::permissive("CC0-1.0", crate::client::ReviewRule::Curator)
        }),
    };
    let mut calls = vec![call(create.abi_encode())];
    calls.extend(commons.iter().map(|contribution| {
        call(
            Datanets::registerCommonsCall {
                net: 1,
                root: contribution.root,
                documents: contribution.documents,
                textBytes: contribution.text_bytes,
            }
            .abi_encode(),
        )
    }));
    calls
}

/// Name of the commons datanet.
pub const COMMONS_NAME: &str = "commons";

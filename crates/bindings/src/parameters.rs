//! Parameters of the protocol contracts: fixed when a network starts, but for those that a vote may change.

use alloy_primitives::{Address, B256, Bytes, U256, b256, bytes, keccak256};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolValue;
use fonte_types::{Network, wei};
use serde::{Deserialize, Serialize};

use crate::addresses::Addresses;

/// Everything that the constructors take, besides each other's addresses. The timelock is treasury and registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Salt of all signatures: no two networks share it.
    pub network_id: B256,
    /// May cancel what waits in the timelock; zero: nobody.
    pub guardian: Address,
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
    /// Votes and what follows from them.
    pub governance: Governance,
    /// Staked reviewers.
    pub reviews: Reviews,
    /// The lives of models.
    pub models: Models,
    /// Compute workers.
    pub workers: Workers,
    /// Who votes on blocks.
    pub validators: Validators,
}

/// Votes, and what waits after them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Governance {
    /// Seconds between a proposal and its vote.
    pub voting_delay: u64,
    /// Seconds of a vote.
    pub voting_period: u32,
    /// Votes that a proposer needs, in wei of wrapped coins.
    #[serde(with = "wei")]
    pub proposal_threshold: u128,
    /// Part of the wrapped supply that makes a quorum.
    pub quorum_ppm: u32,
    /// Votes that make a quorum at least.
    #[serde(with = "wei")]
    pub minimum_quorum: u128,
    /// A vote stays open so many seconds after it reached its quorum.
    pub late_quorum_extension: u64,
    /// Seconds in the timelock.
    pub timelock_seconds: u64,
}

/// Staked reviewers and their panels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviews {
    /// Least stake.
    #[serde(with = "wei")]
    pub minimum_stake: u128,
    /// Seconds to commit, to reveal, to appeal.
    pub period_seconds: u64,
    /// Seconds that a failed appeal waits for the governance.
    pub patience_seconds: u64,
    /// Seconds before a stake comes back; more than nine periods and the patience.
    pub unbonding_seconds: u64,
    /// Seats of the first panel on an origin.
    pub claim_reviewers: u8,
}

/// The voted record of models, their evaluation and reports about them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// Seconds between a withdrawal and the end of new requests.
    pub grace_seconds: u64,
    /// Seconds of each state that waits for somebody.
    pub step_seconds: u64,
    /// Seconds to commit a score.
    pub commit_seconds: u64,
    /// Seconds to reveal it.
    pub reveal_seconds: u64,
    /// For each seat of an evaluation.
    #[serde(with = "wei")]
    pub evaluation_fee: u128,
    /// What an outlier loses.
    #[serde(with = "wei")]
    pub penalty: u128,
    /// What a report of abuse deposits.
    #[serde(with = "wei")]
    pub report_deposit: u128,
    /// What a report pays the reviewers.
    #[serde(with = "wei")]
    pub report_fee: u128,
    /// Seats that decide on a report.
    pub report_reviewers: u8,
    /// Approvals that uphold it.
    pub report_approvals: u8,
}

/// The register of workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// For each job at a time.
    #[serde(with = "wei")]
    pub stake_per_slot: u128,
    /// Seconds before it comes back.
    pub unbonding_seconds: u64,
}

/// Seats, stakes and elections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validators {
    /// Seats at most.
    pub max_seats: u32,
    /// Candidates at most.
    pub max_candidates: u32,
    /// That a candidate needs in all.
    #[serde(with = "wei")]
    pub minimum_stake: u128,
    /// That a candidate needs of its own.
    #[serde(with = "wei")]
    pub minimum_own_stake: u128,
    /// Blocks of an epoch at least.
    pub epoch_blocks: u64,
    /// Seconds of an epoch at least.
    pub epoch_seconds: u64,
    /// Seconds that a key answers for its votes after it lost its seat.
    pub evidence_seconds: u64,
    /// Seconds before stake comes back; more than the above.
    pub unbonding_seconds: u64,
    /// Part of the stake that a double sign costs.
    pub slash_ppm: u32,
    /// Part of the operator's own loss that the reporter gets.
    pub reward_ppm: u32,
    /// The first set.
    pub seats: Vec<Seat>,
}

impl Validators {
    /// Wei that the first set stakes.
    pub fn staked(&self) -> U256 {
        self.seats.iter().map(|seat| U256::from(seat.stake)).sum()
    }
}

/// A member of the first set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// Whose stake it is.
    pub operator: Address,
    /// Its stake.
    #[serde(with = "wei")]
    pub stake: u128,
    /// secp256r1, compressed.
    pub consensus_key: Bytes,
    /// ed25519.
    pub network_key: B256,
    /// Where its node listens.
    pub network_address: String,
}

const FNT: u128 = 1_000_000_000_000_000_000;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

impl Parameters {
    /// A development network: a challenge window of three blocks, votes within a minute, small stakes, and one validator
    /// with the public development keys.
    pub fn development(chain_id: u64) -> Self {
        let operator = development_operator();
        Self {
            chain_id,
            network_id: keccak256(("fonte development network", chain_id).abi_encode_params()),
            guardian: operator,
            reveal_blocks: 5_000,
            window_blocks: 3,
            window_seconds: 0,
            notice_seconds: 60,
            penalty_multiple: 2,
            governance: Governance {
                voting_delay: 1,
                voting_period: 30,
                proposal_threshold: FNT,
                quorum_ppm: 40_000,
                minimum_quorum: FNT,
                late_quorum_extension: 5,
                timelock_seconds: 1,
            },
            reviews: Reviews {
                minimum_stake: 10 * FNT,
                period_seconds: 30,
                patience_seconds: 60,
                unbonding_seconds: 600,
                claim_reviewers: 3,
            },
            models: Models {
                grace_seconds: 60,
                step_seconds: HOUR,
                commit_seconds: 60,
                reveal_seconds: 60,
                evaluation_fee: FNT / 10,
                penalty: FNT,
                report_deposit: FNT,
                report_fee: FNT / 10,
                report_reviewers: 3,
                report_approvals: 2,
            },
            workers: Workers { stake_per_slot: FNT, unbonding_seconds: 60 },
            validators: Validators {
                // A node keeps room for messages of as many as there may be: few, on one machine.
                max_seats: 7,
                max_candidates: 10,
                minimum_stake: 100 * FNT,
                minimum_own_stake: 10 * FNT,
                epoch_blocks: 100,
                epoch_seconds: 30,
                evidence_seconds: 300,
                unbonding_seconds: 600,
                slash_ppm: 50_000,
                reward_ppm: 100_000,
                seats: vec![development_seat(operator)],
            },
        }
    }

    /// A network that is meant: times in which people can read, object and leave.
    pub fn standard(chain_id: u64, network_id: B256, operator: Address) -> Self {
        let development = Self::development(chain_id);
        Self {
            chain_id,
            network_id,
            guardian: operator,
            reveal_blocks: 5_000,
            window_blocks: 100,
            window_seconds: DAY,
            notice_seconds: 2 * DAY,
            penalty_multiple: 2,
            governance: Governance {
                voting_delay: DAY,
                voting_period: 5 * DAY as u32,
                proposal_threshold: 1_000 * FNT,
                quorum_ppm: 40_000,
                minimum_quorum: 100_000 * FNT,
                late_quorum_extension: 2 * DAY,
                timelock_seconds: 2 * DAY,
            },
            reviews: Reviews {
                minimum_stake: 1_000 * FNT,
                period_seconds: DAY,
                patience_seconds: 14 * DAY,
                unbonding_seconds: 28 * DAY,
                claim_reviewers: 5,
            },
            models: Models {
                grace_seconds: 30 * DAY,
                step_seconds: 14 * DAY,
                commit_seconds: 3 * DAY,
                reveal_seconds: DAY,
                evaluation_fee: 10 * FNT,
                penalty: 200 * FNT,
                report_deposit: 100 * FNT,
                report_fee: 50 * FNT,
                report_reviewers: 5,
                report_approvals: 3,
            },
            workers: Workers { stake_per_slot: 10 * FNT, unbonding_seconds: 7 * DAY },
            validators: Validators {
                max_seats: 64,
                max_candidates: 128,
                minimum_stake: 10_000 * FNT,
                minimum_own_stake: 1_000 * FNT,
                epoch_blocks: 1_000,
                epoch_seconds: DAY,
                evidence_seconds: 14 * DAY,
                unbonding_seconds: 21 * DAY,
                slash_ppm: 50_000,
                reward_ppm: 100_000,
                // Elsewhere than on its own chain the contract elects nobody's node: one seat without stake holds its place.
                seats: development
                    .validators
                    .seats
                    .into_iter()
                    .map(|seat| Seat { operator, stake: 0, ..seat })
                    .collect(),
            },
        }
    }

    /// The network as signatures name it, on a Fonte chain.
    pub fn network(&self) -> Network {
        let at = Addresses::predeployed();
        Network {
            chain_id: self.chain_id,
            network_id: self.network_id,
            settlement: at.settlement,
            datanets: at.datanets,
        }
    }
}

/// Account of the development key named operator.
fn development_operator() -> Address {
    PrivateKeySigner::from_bytes(&keccak256("fonte development key: operator"))
        .expect("a hash is a valid key but for odds of one in 2^128")
        .address()
}

/// The development validator number 0. Its keys are those that `fonte_chain` derives for it: a test of
/// `fonte` compares the two.
fn development_seat(operator: Address) -> Seat {
    Seat {
        operator,
        stake: 1_000 * FNT,
        consensus_key: bytes!("03b43813bc9d29bfd88462d55a9309fd25e972e25aafa7661e53a60a2f5c051148"),
        network_key: b256!("f56bac522a8c61df6212a7a9053f483ac5dd04ff640f84a5a6833a2718b799bd"),
        network_address: "127.0.0.1:0".into(),
    }
}

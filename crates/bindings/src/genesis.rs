//! What a Fonte chain starts with, and what `fonte chain deploy` brings to any other.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};

use crate::{
    addresses::Addresses,
    contracts::{
        Allowance, Challenges, Concentration, Datanets, Demands, FonteGovernor, FonteToken, ModelReviews, Models,
        Origins, Reviews, Settlement, Timelock, Validators, Workers, governor::IFonteGovernor, model_reviews,
        validators::IValidators,
    },
};

pub use crate::parameters::Parameters;

/// A contract that exists from genesis on: its constructor runs at its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predeploy {
    /// For messages.
    pub name: &'static str,
    /// Where.
    pub address: Address,
    /// Creation code with the constructor's arguments.
    pub init_code: Bytes,
    /// Wei that the constructor takes: the stakes of the first validators.
    pub value: U256,
}

/// The protocol's contracts as a Fonte chain has them, in the order in which they are constructed.
pub fn predeploys(parameters: &Parameters) -> Vec<Predeploy> {
    deployments(parameters, &Addresses::predeployed())
}

/// The protocol's contracts at given addresses, in the order of [`Addresses::named`]: constructors call nobody, so each
/// may name contracts that come after it.
pub fn deployments(parameters: &Parameters, at: &Addresses) -> Vec<Predeploy> {
    at.named()
        .into_iter()
        .map(|(name, address)| {
            let (code, arguments) = constructor(name, parameters, at);
            let value = if name == "Validators" { parameters.validators.staked() } else { U256::ZERO };
            Predeploy { name, address, init_code: Bytes::from([code.as_ref(), &arguments].concat()), value }
        })
        .collect()
}

/// A contract's creation code and the arguments of its constructor.
fn constructor(name: &str, p: &Parameters, at: &Addresses) -> (Bytes, Vec<u8>) {
    match name {
        "FonteToken" => (FonteToken::BYTECODE.clone(), Vec::new()),
        "Datanets" => (
            Datanets::BYTECODE.clone(),
            Datanets::constructorCall {
                networkId_: p.network_id,
                registrar_: at.timelock,
                treasury_: at.timelock,
                revealBlocks_: p.reveal_blocks,
                reviews_: at.reviews,
                origins_: at.origins,
            }
            .abi_encode(),
        ),
        "Models" => (
            Models::BYTECODE.clone(),
            Models::constructorCall {
                datanets_: at.datanets,
                modelReviews_: at.model_reviews,
                governance_: at.timelock,
                noticeSeconds_: p.notice_seconds.max(1),
                graceSeconds_: p.models.grace_seconds,
                stepSeconds_: p.models.step_seconds,
            }
            .abi_encode(),
        ),
        "Settlement" => (
            Settlement::BYTECODE.clone(),
            Settlement::constructorCall {
                networkId_: p.network_id,
                datanets_: at.datanets,
                models_: at.models,
                challenges_: at.challenges,
                demands_: at.demands,
                treasury_: at.timelock,
                windowBlocks_: p.window_blocks,
                windowSeconds_: p.window_seconds,
                noticeSeconds_: p.notice_seconds,
                penaltyMultiple_: p.penalty_multiple,
            }
            .abi_encode(),
        ),
        "Challenges" => (
            Challenges::BYTECODE.clone(),
            Challenges::constructorCall { settlement_: at.settlement, demands_: at.demands }.abi_encode(),
        ),
        "Demands" => (
            Demands::BYTECODE.clone(),
            Demands::constructorCall { settlement_: at.settlement, challenges_: at.challenges }.abi_encode(),
        ),
        "Reviews" => (
            Reviews::BYTECODE.clone(),
            Reviews::constructorCall {
                governance_: at.timelock,
                treasury_: at.timelock,
                datanets_: at.datanets,
                origins_: at.origins,
                evaluations_: at.model_reviews,
                minimumStake_: p.reviews.minimum_stake,
                periodSeconds_: p.reviews.period_seconds,
                patienceSeconds_: p.reviews.patience_seconds,
                unbondingSeconds_: p.reviews.unbonding_seconds,
            }
            .abi_encode(),
        ),
        "Origins" => (
            Origins::BYTECODE.clone(),
            Origins::constructorCall {
                networkId_: p.network_id,
                reviews_: at.reviews,
                claimReviewers_: p.reviews.claim_reviewers,
            }
            .abi_encode(),
        ),
        "Workers" => (
            Workers::BYTECODE.clone(),
            Workers::constructorCall {
                governance_: at.timelock,
                stakePerSlot_: p.workers.stake_per_slot,
                unbondingSeconds_: p.workers.unbonding_seconds,
            }
            .abi_encode(),
        ),
        "Validators" => (
            Validators::BYTECODE.clone(),
            Validators::constructorCall {
                networkId_: p.network_id,
                p: IValidators::Parameters {
                    maxSeats: p.validators.max_seats,
                    maxCandidates: p.validators.max_candidates,
                    minimumStake: p.validators.minimum_stake,
                    minimumOwnStake: p.validators.minimum_own_stake,
                    epochBlocks: p.validators.epoch_blocks,
                    epochSeconds: p.validators.epoch_seconds,
                    evidenceSeconds: p.validators.evidence_seconds,
                    unbondingSeconds: p.validators.unbonding_seconds,
                    slashPpm: p.validators.slash_ppm,
                    rewardPpm: p.validators.reward_ppm,
                },
                seats: p
                    .validators
                    .seats
                    .iter()
                    .map(|seat| IValidators::GenesisSeat {
                        operator: seat.operator,
                        stake: seat.stake,
                        consensusKey: seat.consensus_key.clone(),
                        networkKey: seat.network_key,
                        networkAddress: seat.network_address.clone(),
                    })
                    .collect(),
            }
            .abi_encode(),
        ),
        "Timelock" => (
            Timelock::BYTECODE.clone(),
            Timelock::constructorCall {
                minDelay: U256::from(p.governance.timelock_seconds),
                governor: at.governor,
                guardian_: p.guardian,
            }
            .abi_encode(),
        ),
        "FonteGovernor" => (
            FonteGovernor::BYTECODE.clone(),
            FonteGovernor::constructorCall {
                token_: at.token,
                timelock_: at.timelock,
                p: IFonteGovernor::Parameters {
                    votingDelay: p.governance.voting_delay.try_into().unwrap_or_default(),
                    votingPeriod: p.governance.voting_period,
                    proposalThreshold: U256::from(p.governance.proposal_threshold),
                    quorumPpm: U256::from(p.governance.quorum_ppm),
                    minimumQuorum: U256::from(p.governance.minimum_quorum),
                    lateQuorumExtension: p.governance.late_quorum_extension.try_into().unwrap_or_default(),
                },
            }
            .abi_encode(),
        ),
        "Allowance" => (
            Allowance::BYTECODE.clone(),
            Allowance::constructorCall { settlement_: at.settlement, governance_: at.timelock }.abi_encode(),
        ),
        "Concentration" => (
            Concentration::BYTECODE.clone(),
            Concentration::constructorCall { validators_: at.validators, token_: at.token }.abi_encode(),
        ),
        "ModelReviews" => (
            ModelReviews::BYTECODE.clone(),
            ModelReviews::constructorCall {
                models_: at.models,
                reviews_: at.reviews,
                treasury_: at.timelock,
                p: model_reviews::ModelReviews::Parameters {
                    commitSeconds: p.models.commit_seconds,
                    revealSeconds: p.models.reveal_seconds,
                    evaluationFee: p.models.evaluation_fee,
                    penalty: p.models.penalty,
                    reportDeposit: p.models.report_deposit,
                    reportFee: p.models.report_fee,
                    reportReviewers: p.models.report_reviewers,
                    reportApprovals: p.models.report_approvals,
                },
            }
            .abi_encode(),
        ),
        other => unreachable!("the list of addresses names no {other}"),
    }
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

/// Creates the commons datanet (number 1, curated by the timelock) and registers its contributions,
/// which so precede everyone's.
pub fn commons_calls(commons: &[Commons]) -> Vec<Call> {
    let at = Addresses::predeployed();
    let call = |data: Vec<u8>| Call { from: at.timelock, to: at.datanets, data: data.into() };
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

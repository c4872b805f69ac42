//! Between the vocabulary and what the contracts' ABI generates: the same fields under generated names.

use alloy_primitives::{Address, FixedBytes};
use fonte_types::{
    ContributionId, DatanetId, EngineClass, ModelId, Version,
    bundle::Terms,
    fees::{Prices, Splits},
    ids::Membership,
    receipt::ContributionTerms,
    settlement::Tables,
};

use crate::{
    client::{
        ContributionRecord, ContributionStatus, DatanetRecord, ModelRecord, ModelRefusal, Policy, RefusalReason,
        ReviewRule, WorkerRecord,
    },
    contracts::{IDatanets, models::IModels, settlement::ISettlement, workers::IWorkers},
};

/// A policy as the contract takes it.
pub fn policy(policy: &Policy) -> IDatanets::Policy {
    let flags = [policy.index, policy.train, policy.quote, policy.private, policy.keep];
    IDatanets::Policy {
        licence: policy.licence.clone(),
        flags: flags.iter().enumerate().map(|(bit, on)| u8::from(*on) << bit).sum(),
        review: policy.review as u8,
        reviewers: policy.reviewers,
        approvals: policy.approvals,
        curatorPpm: policy.curator_ppm,
        priceFloor: policy.price_floor,
        jurisdictions: policy.jurisdictions.iter().map(|code| FixedBytes(*code)).collect(),
    }
}

/// A datanet as read.
pub fn datanet(id: DatanetId, datanet: IDatanets::Datanet) -> DatanetRecord {
    let flag = |bit: u8| datanet.policy.flags & (1 << bit) != 0;
    DatanetRecord {
        id,
        policy: Policy {
            licence: datanet.policy.licence.clone(),
            index: flag(0),
            train: flag(1),
            quote: flag(2),
            private: flag(3),
            keep: flag(4),
            review: match datanet.policy.review {
                0 => ReviewRule::Open,
                2 => ReviewRule::Reviewers,
                _ => ReviewRule::Curator,
            },
            reviewers: datanet.policy.reviewers,
            approvals: datanet.policy.approvals,
            curator_ppm: datanet.policy.curatorPpm,
            price_floor: datanet.policy.priceFloor,
            jurisdictions: datanet.policy.jurisdictions.iter().map(|code| code.0).collect(),
        },
        name: datanet.name,
        curator: datanet.curator,
        version: Version(datanet.version),
    }
}

/// A contribution as read; `None` where there is nothing to read.
pub fn contribution(read: IDatanets::Contribution) -> Option<ContributionRecord> {
    let status = match read.status {
        1 => ContributionStatus::Pending,
        2 => ContributionStatus::Accepted,
        3 => ContributionStatus::Withdrawn,
        4 => ContributionStatus::Rejected,
        _ => return None,
    };
    Some(ContributionRecord {
        id: ContributionId(read.id),
        status,
        root: read.root,
        documents: read.documents,
        text_bytes: read.textBytes,
        membership: Membership {
            datanet: DatanetId(read.datanet),
            added: Version(read.added),
            withdrawn: (status == ContributionStatus::Withdrawn).then_some(Version(read.withdrawn)),
        },
        contributor: read.contributor,
        payee: read.payee,
    })
}

/// A model as read. `trained` holds the versions that its own weights were trained on, datanet << 32 | version, ascending.
pub fn model(id: ModelId, model: IModels::Model, trained: &[u64], refusal: Option<ModelRefusal>) -> ModelRecord {
    let mut trained: Vec<_> = trained.iter().map(|packed| DatanetId((packed >> 32) as u32)).collect();
    trained.dedup();
    ModelRecord {
        id,
        name: model.name,
        artifact: model.artifact,
        adapter: model.adapter,
        developer: model.terms.splits.developer,
        terms: terms(&model.terms),
        datanets: model.terms.datanets.into_iter().map(DatanetId).collect(),
        trained,
        max_staleness: model.terms.maxStaleness,
        refusal,
    }
}

/// Splits and prices of a model's terms.
pub fn terms(terms: &IModels::Terms) -> Terms {
    Terms {
        splits: Splits {
            protocol: terms.splits.protocolPpm,
            worker: terms.splits.workerPpm,
            developer: terms.splits.developerPpm,
            data: terms.splits.dataPpm,
        },
        prices: Prices { input: terms.priceIn, output: terms.priceOut },
    }
}

/// Why a model takes no new requests, by its place in `IModels.Reason`.
pub fn refusal(reason: u8, datanet: u32) -> ModelRefusal {
    let reason = match reason {
        2 => RefusalReason::NotDeployed,
        3 => RefusalReason::Expired,
        4 => RefusalReason::Suspended,
        5 => RefusalReason::Retired,
        6 => RefusalReason::Withdrawn,
        7 => RefusalReason::BaseSuspended,
        8 => RefusalReason::BaseWithdrawn,
        _ => RefusalReason::Other,
    };
    ModelRefusal { reason, datanet: (datanet != 0).then_some(DatanetId(datanet)) }
}

/// A worker as read; `None` where it is not registered.
pub fn worker(worker: &IWorkers::Worker) -> Option<WorkerRecord> {
    let status = worker.status;
    (status != 0).then_some(WorkerRecord {
        active: status == ACTIVE,
        slots: worker.info.slots,
        engine: if worker.info.engine == EngineClass::Exact as u8 {
            EngineClass::Exact
        } else {
            EngineClass::Tolerance
        },
        jurisdiction: worker.info.jurisdiction.0,
    })
}

/// Place of `Active` in `IWorkers.Status`.
const ACTIVE: u8 = 1;

/// What a reveal opens.
pub fn reveal(terms: &ContributionTerms, contributor: Address) -> IDatanets::Reveal {
    IDatanets::Reveal {
        datanet: terms.datanet.0,
        root: terms.root,
        documents: terms.documents,
        textBytes: terms.text_bytes,
        contributor,
        payee: terms.payee,
        blind: terms.blind,
        deadline: terms.deadline,
    }
}

/// A batch's tables.
pub fn tables(tables: &Tables) -> ISettlement::Tables {
    ISettlement::Tables {
        sources: tables.sources.clone(),
        versions: tables.versions.clone(),
        models: tables.models.clone(),
        workers: tables.workers.clone(),
    }
}

/// Conversions into the types of one contract's module: the generated types of two contracts are not the same, even where
/// the interface that declares them is.
macro_rules! openings {
    ($name:ident, $what:literal) => {
        #[doc = $what]
        pub mod $name {
            use alloy_primitives::{B256, Bytes};
            use fonte_types::{
                evidence::{OtherChannels, Run, RunOpening},
                merkle::TextOpening,
                receipt::AnswerReceipt,
                settlement::Row,
            };

            use crate::{
                contracts::$name::{IChallenges, ISettlement},
                rows::SettledRow,
            };

            /// A settled row, opened.
            pub fn opening(settled: &SettledRow) -> IChallenges::RowOpening {
                IChallenges::RowOpening {
                    batch: settled.batch,
                    index: settled.index,
                    payer: settled.payer,
                    row: row(&settled.row),
                    path: settled.path.clone(),
                }
            }

            /// A row.
            pub fn row(row: &Row) -> ISettlement::Row {
                ISettlement::Row {
                    receipt: row.receipt,
                    model: row.model,
                    worker: row.worker,
                    fee: row.fee,
                    versions: row.versions.clone(),
                    shares: row.shares.clone(),
                }
            }

            /// A receipt.
            pub fn receipt(receipt: &AnswerReceipt) -> IChallenges::AnswerReceipt {
                let signed = receipt.to_signed();
                IChallenges::AnswerReceipt {
                    requestId: signed.requestId,
                    payer: signed.payer,
                    gateway: signed.gateway,
                    nonce: signed.nonce,
                    worker: signed.worker,
                    model: signed.model,
                    modelHash: signed.modelHash,
                    adapterHash: signed.adapterHash,
                    engineClass: signed.engineClass,
                    visibility: signed.visibility,
                    versions: signed
                        .versions
                        .iter()
                        .map(|v| IChallenges::DatanetVersion { datanet: v.datanet, version: v.version })
                        .collect(),
                    promptRoot: signed.promptRoot,
                    answerRoot: signed.answerRoot,
                    answerBytes: signed.answerBytes,
                    inputTokens: signed.inputTokens,
                    outputTokens: signed.outputTokens,
                    seed: signed.seed,
                    fee: signed.fee,
                    methodVersion: signed.methodVersion,
                    shares: signed
                        .shares
                        .iter()
                        .map(|s| IChallenges::Share { contribution: s.contribution, ppm: s.ppm })
                        .collect(),
                    evidenceHash: signed.evidenceHash,
                    issuedAt: signed.issuedAt,
                }
            }

            /// The whole evidence of a receipt.
            pub fn evidence(runs: &[Run], others: &OtherChannels) -> IChallenges::Evidence {
                IChallenges::Evidence {
                    runs: runs.iter().flat_map(Run::packed).collect(),
                    contextHash: others.context,
                    influenceHash: others.influence,
                }
            }

            /// A run opened in a receipt's evidence.
            pub fn run(opening: &RunOpening, of: &AnswerReceipt) -> IChallenges::RunOpening {
                let run = opening.run;
                IChallenges::RunOpening {
                    receipt: receipt(of),
                    runs: opening.runs,
                    contextHash: opening.others.context,
                    influenceHash: opening.others.influence,
                    index: opening.index,
                    run: IChallenges::Run {
                        start: run.start,
                        end: run.end,
                        contribution: run.source.code(),
                        document: run.document,
                        matchStart: run.match_start,
                        matchEnd: run.match_end,
                        offset: run.offset,
                    },
                    path: opening.path.clone(),
                }
            }

            /// One or two neighbouring chunks of one text.
            pub fn text(chunks: &[TextOpening]) -> IChallenges::TextOpening {
                IChallenges::TextOpening {
                    length: chunks.first().map_or(0, |chunk| chunk.length),
                    metadataHash: chunks.first().map_or(B256::ZERO, |chunk| chunk.extra),
                    chunks: chunks
                        .iter()
                        .map(|chunk| IChallenges::Chunk {
                            index: chunk.index,
                            salt: chunk.leaf_salt,
                            data: Bytes::clone(&chunk.chunk),
                            path: chunk.path.clone(),
                        })
                        .collect(),
                }
            }
        }
    };
}

openings!(challenges, "For `Challenges`.");
openings!(demands, "For `Demands`.");

//! What a gateway checks before it countersigns (`docs/spec/wire.md`), without asking anyone.
//!
//! Two halves: that the receipt answers *this* request, which only the gateway knows; and everything that anybody can
//! check on the finished bundle ([`fonte_types::bundle::verify`]), run here before it leaves the house. What the chain
//! says about the cited contributions is compared by the caller, through [`check_cited`].

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use fonte_types::{
    AnswerReceipt, ContributionId, DatanetId, DatanetVersion, EngineClass, ModelId, Network, Visibility,
    bundle::{self, BUNDLE_VERSION, CitedContribution, ReceiptBundle, SaltedText, Terms},
    fees::BYTES_PER_TOKEN,
    generation::{GenerationRecord, PassageRange},
    log_probs::LogProbs,
    receipt::{self, Countersignature},
    wire::{Asked, SignedAnswer},
};

use crate::chain::ContributionFacts;

/// Most seconds by which a worker's clock may be off.
const CLOCK_SKEW: u64 = 600;

/// The request that an answer must answer.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) payer: Address,
    pub(crate) gateway: Address,
    pub(crate) nonce: u64,
    pub(crate) worker: Address,
    /// What the worker declared on chain: it may answer better than that, not worse.
    pub(crate) engine: EngineClass,
    pub(crate) model: ModelId,
    pub(crate) model_hash: B256,
    pub(crate) adapter_hash: B256,
    pub(crate) terms: Terms,
    /// Datanets that may be named.
    pub(crate) datanets: Vec<DatanetId>,
    /// The versions that the worker said it adopted.
    pub(crate) adopted: Vec<DatanetVersion>,
    pub(crate) visibility: Visibility,
    pub(crate) seed: u64,
    pub(crate) input_tokens: u32,
    pub(crate) max_output_tokens: u32,
    /// The request as a language model takes it.
    pub(crate) asked: Asked,
    /// The worker says that the model generates.
    pub(crate) generates: bool,
    /// What was reserved.
    pub(crate) max_fee: u128,
    pub(crate) now: u64,
}

/// Why an answer was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("{field} of the receipt is not this request's: {why}")]
    Request { field: &'static str, why: String },
    #[error("{differs}: {why}")]
    Bundle { differs: String, why: String },
    #[error("contribution {contribution} is cited with another {field} than the chain's")]
    Cited { contribution: ContributionId, field: &'static str },
}

/// Checks that a receipt answers this request, and under its terms.
pub(crate) fn check_request(expected: &Expected, receipt: &AnswerReceipt) -> Result<(), Rejection> {
    let other = |field, why: String| Err(Rejection::Request { field, why });
    macro_rules! same {
        ($field:ident, $value:expr) => {
            if receipt.$field != $value {
                return other(stringify!($field), format!("{:?} where {:?} was asked", receipt.$field, $value));
            }
        };
    }
    same!(payer, expected.payer);
    same!(gateway, expected.gateway);
    same!(nonce, expected.nonce);
    same!(worker, expected.worker);
    same!(model, expected.model);
    same!(model_hash, expected.model_hash);
    same!(adapter_hash, expected.adapter_hash);
    same!(visibility, expected.visibility);
    same!(seed, expected.seed);
    same!(input_tokens, expected.input_tokens);
    if receipt.engine_class as u8 > expected.engine as u8 {
        let (class, declared) = (receipt.engine_class, expected.engine);
        return other("engine_class", format!("{class:?} from a worker that is registered for {declared:?}"));
    }
    // One rule for every model, so that a worker cannot pad a fee with tokens that nobody can count.
    let counted = receipt.answer_bytes.div_ceil(BYTES_PER_TOKEN as u32);
    if receipt.output_tokens != counted {
        return other("output_tokens", format!("{} where the answer's bytes make {counted}", receipt.output_tokens));
    }
    if receipt.output_tokens > expected.max_output_tokens {
        return other("output_tokens", format!("{} are over {}", receipt.output_tokens, expected.max_output_tokens));
    }
    if receipt.fee > expected.max_fee {
        return other("fee", format!("{} is over the reserved {}", receipt.fee, expected.max_fee));
    }
    if receipt.issued_at.abs_diff(expected.now) > CLOCK_SKEW {
        return other("issued_at", format!("{} is more than {CLOCK_SKEW} s away", receipt.issued_at));
    }
    if !receipt.versions.is_sorted_by(|a, b| a.datanet < b.datanet) {
        return other("versions", "they do not ascend by datanet".into());
    }
    for version in &receipt.versions {
        if !expected.datanets.contains(&version.datanet) {
            return other("versions", format!("datanet {} was not asked for", version.datanet));
        }
        if !expected.adopted.contains(version) {
            return other(
                "versions",
                format!("version {} of datanet {} was not adopted", version.version, version.datanet),
            );
        }
    }
    Ok(())
}

/// Checks that an answer that can be replayed says how, and that it was written as this request asked.
pub(crate) fn check_generation(
    expected: &Expected,
    class: EngineClass,
    record: Option<&GenerationRecord>,
) -> Result<(), Rejection> {
    let rejected = |differs, why| Err(Rejection::Bundle { differs, why });
    match record {
        Some(record) => record
            .obeys(&expected.asked, expected.max_output_tokens)
            .or_else(|unfit| rejected(format!("generation.{}", unfit.field), unfit.why)),
        None if expected.generates && class == EngineClass::Exact => {
            rejected("generation".into(), "is missing: an exact answer says what it is a function of".into())
        }
        None => Ok(()),
    }
}

/// Checks that log-probabilities were streamed if the evidence commits to some. Without a record they alone can stand where it
/// does, and whether they are those is seen on the bundle.
pub(crate) fn check_log_probs(streamed: &Streamed, answer: &SignedAnswer) -> Result<(), Rejection> {
    let committed = !answer.other_channels.context.is_zero();
    if committed && streamed.log_probs.is_none() && answer.told.generation.is_none() {
        let (differs, why) = ("log_probs".into(), "were committed and are missing".into());
        return Err(Rejection::Bundle { differs, why });
    }
    Ok(())
}

/// Checks by the chain that the passages which a model read are of the versions that the receipt names.
pub(crate) fn check_passages(
    record: &GenerationRecord,
    versions: &[DatanetVersion],
    facts: &BTreeMap<ContributionId, ContributionFacts>,
) -> Result<(), Rejection> {
    for PassageRange { contribution, document, .. } in &record.passages {
        let member = facts.get(contribution).filter(|fact| fact.membership.is_member_of_any(versions));
        if member.is_none_or(|fact| *document >= fact.documents) {
            return Err(Rejection::Bundle {
                differs: "generation.passages".into(),
                why: format!("document {document} of contribution {contribution} is in none of the named versions"),
            });
        }
    }
    Ok(())
}

/// What was read and what was written, as it was streamed: the receipt must commit to it.
pub(crate) struct Streamed {
    pub(crate) prompt: SaltedText,
    pub(crate) text: SaltedText,
    pub(crate) log_probs: Option<LogProbs>,
}

/// Puts the bundle together and signs it.
pub(crate) fn countersign(
    signer: &impl alloy_signer::SignerSync,
    network: &Network,
    model_name: &str,
    terms: Terms,
    streamed: Streamed,
    answer: SignedAnswer,
    now: u64,
) -> Result<ReceiptBundle, alloy_signer::Error> {
    let id = answer.receipt.id(network);
    let countersignature = Countersignature {
        receipt: id,
        answer_root: answer.receipt.answer_root,
        fee: answer.receipt.fee,
        countersigned_at: now,
    };
    Ok(ReceiptBundle {
        format: BUNDLE_VERSION,
        id,
        network: *network,
        model_name: model_name.to_owned(),
        terms,
        signed_words: answer.receipt.words(),
        worker_signature: answer.signature,
        gateway_signature: receipt::sign(signer, countersignature.digest(network))?,
        countersignature,
        prompt: streamed.prompt,
        answer: streamed.text,
        run_leaves: bundle::run_leaves(&answer.runs),
        runs: answer.runs,
        other_channels: answer.other_channels,
        log_probs: streamed.log_probs,
        generation_words: answer.told.generation.as_deref().map(GenerationRecord::words).unwrap_or_default(),
        generation: answer.told.generation,
        cited: answer.cited,
        receipt: answer.receipt,
    })
}

/// Everything that anyone can check on a bundle.
pub(crate) fn check_bundle(bundle: &ReceiptBundle) -> Result<(), Rejection> {
    let verification = bundle::verify(bundle);
    for check in verification.checks {
        if let bundle::Outcome::Failed { differs, why } = check.outcome {
            return Err(Rejection::Bundle { differs, why });
        }
    }
    Ok(())
}

/// Compares what the worker says about the contributions with what the chain says.
pub(crate) fn check_cited(
    cited: &[CitedContribution],
    facts: &BTreeMap<ContributionId, ContributionFacts>,
) -> Result<(), Rejection> {
    for contribution in cited {
        let id = contribution.contribution;
        let other = |field| Err(Rejection::Cited { contribution: id, field });
        let Some(fact) = facts.get(&id) else {
            return other("id");
        };
        if contribution.root != fact.root {
            return other("root");
        }
        if contribution.contributor != fact.contributor {
            return other("contributor");
        }
        if contribution.membership.datanet != fact.membership.datanet
            || contribution.membership.added != fact.membership.added
        {
            return other("membership");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use fonte_types::{
        PPM, Version,
        fees::{Prices, Splits},
        shares::Shares,
    };

    use super::*;

    fn expected() -> Expected {
        Expected {
            payer: Address::repeat_byte(1),
            gateway: Address::repeat_byte(2),
            nonce: 7,
            worker: Address::repeat_byte(3),
            engine: EngineClass::Exact,
            model: ModelId(4),
            model_hash: B256::repeat_byte(5),
            adapter_hash: B256::ZERO,
            terms: Terms {
                splits: Splits { protocol: PPM, worker: 0, developer: 0, data: 0 },
                prices: Prices { input: 1, output: 1 },
            },
            datanets: vec![DatanetId(1), DatanetId(2)],
            adopted: vec![
                DatanetVersion { datanet: DatanetId(1), version: Version(1) },
                DatanetVersion { datanet: DatanetId(2), version: Version(9) },
            ],
            visibility: Visibility::Open,
            seed: 11,
            input_tokens: 20,
            max_output_tokens: 30,
            asked: Asked::default(),
            generates: false,
            max_fee: 1000,
            now: 1_800_000_000,
        }
    }

    fn honest(expected: &Expected) -> AnswerReceipt {
        AnswerReceipt {
            request_id: receipt::request_id(expected.payer, expected.gateway, expected.nonce),
            payer: expected.payer,
            gateway: expected.gateway,
            nonce: expected.nonce,
            worker: expected.worker,
            model: expected.model,
            model_hash: expected.model_hash,
            adapter_hash: expected.adapter_hash,
            engine_class: EngineClass::Exact,
            visibility: expected.visibility,
            versions: expected.adopted.clone(),
            prompt_root: B256::ZERO,
            answer_root: B256::ZERO,
            answer_bytes: 101,
            input_tokens: expected.input_tokens,
            output_tokens: 26,
            seed: expected.seed,
            fee: 1000,
            method_version: 1,
            shares: Shares::default(),
            evidence_hash: B256::ZERO,
            issued_at: expected.now,
        }
    }

    #[test]
    fn a_receipt_for_another_request_is_refused_by_field() {
        let expected = expected();
        check_request(&expected, &honest(&expected)).expect("honest");
        type Change = fn(&mut AnswerReceipt);
        let planted: [(&str, Change); 18] = [
            ("payer", |r| r.payer = Address::ZERO),
            ("gateway", |r| r.gateway = Address::ZERO),
            ("nonce", |r| r.nonce += 1),
            ("worker", |r| r.worker = Address::ZERO),
            ("model", |r| r.model = ModelId(5)),
            ("model_hash", |r| r.model_hash = B256::ZERO),
            ("adapter_hash", |r| r.adapter_hash = B256::repeat_byte(1)),
            ("engine_class", |r| r.engine_class = EngineClass::Tolerance),
            ("visibility", |r| r.visibility = Visibility::Private),
            ("seed", |r| r.seed += 1),
            ("input_tokens", |r| r.input_tokens += 1),
            // More tokens than the answer has bytes for, within what was reserved: a padded fee.
            ("output_tokens", |r| r.output_tokens = 30),
            ("output_tokens", |r| r.output_tokens = 25),
            // Honestly counted, but more than was allowed.
            ("output_tokens", |r| (r.answer_bytes, r.output_tokens) = (124, 31)),
            ("fee", |r| r.fee = 1001),
            ("issued_at", |r| r.issued_at -= CLOCK_SKEW + 1),
            ("versions", |r| r.versions.reverse()),
            ("versions", |r| r.versions[1].version = Version(8)),
        ];
        for (field, change) in planted {
            let mut receipt = honest(&expected);
            change(&mut receipt);
            match check_request(&expected, &receipt) {
                Err(Rejection::Request { field: named, .. }) => assert_eq!(named, field),
                other => panic!("a wrong {field} gave {other:?}"),
            }
        }
    }

    #[test]
    fn a_worker_may_answer_better_than_it_declared() {
        let expected = Expected { engine: EngineClass::Tolerance, ..expected() };
        for engine_class in [EngineClass::Exact, EngineClass::Tolerance] {
            check_request(&expected, &AnswerReceipt { engine_class, ..honest(&expected) }).expect("declared");
        }
    }
}

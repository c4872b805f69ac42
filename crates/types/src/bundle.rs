//! Everything that one receipt claims, in one file, and the checks that anyone can make on it offline.
//!
//! [`verify`] never stops at the first fault: it makes every check and says of each whether it passed, what differs, or
//! without what it cannot be made. A changed field is named, because the bundle carries the words that were signed and
//! the leaves that were committed beside the values they stand for.

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::{
    DatanetId, Network,
    evidence::{Evidence, OtherChannels, Run, Source},
    fees::{self, Credits, Prices, Splits},
    generation::{GenerationRecord, commitment_of_words},
    ids::{ContributionId, Membership},
    log_probs::LogProbs,
    merkle::{CHUNK, CommittedText, DocumentOpening},
    metadata::Metadata,
    receipt::{AnswerReceipt, Countersignature, id_of_words, recover, request_id},
    shares::Shares,
};

/// Format version of the bundle.
pub const BUNDLE_VERSION: u32 = 1;

/// A salted text in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaltedText {
    /// The text.
    pub text: String,
    /// Its salt.
    pub salt: B256,
}

/// A contribution that the evidence names, with the parts of its documents that the witnesses need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CitedContribution {
    /// Its id.
    pub contribution: ContributionId,
    /// Merkle root on chain.
    pub root: B256,
    /// Datanet, and from which to which version.
    pub membership: Membership,
    /// Who signed it.
    pub contributor: Address,
    /// Who is paid.
    pub payee: Address,
    /// Who curates its datanet, and is paid the curator's cut.
    pub curator: Address,
    /// The curator's cut of what the contribution earns, in ppm.
    pub curator_ppm: u32,
    /// Cited documents.
    pub documents: Vec<CitedDocument>,
}

/// A cited document: its metadata and the opened chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CitedDocument {
    /// Metadata, committed with the text.
    pub metadata: Metadata,
    /// Opened chunks, each once, ascending.
    pub opening: DocumentOpening,
}

/// The model's terms under which the receipt was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How the fee is split.
    pub splits: Splits,
    /// Prices.
    pub prices: Prices,
}

/// One receipt with all that is needed to check it offline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptBundle {
    /// [`BUNDLE_VERSION`].
    pub format: u32,
    /// The receipt's id.
    pub id: B256,
    /// The network it is bound to.
    pub network: Network,
    /// The model's public name.
    pub model_name: String,
    /// The model's terms.
    pub terms: Terms,
    /// The receipt.
    pub receipt: AnswerReceipt,
    /// The words that were signed, field by field.
    pub signed_words: Vec<B256>,
    /// The worker's signature.
    pub worker_signature: Bytes,
    /// The gateway's countersignature.
    pub countersignature: Countersignature,
    /// The gateway's signature.
    pub gateway_signature: Bytes,
    /// The prompt.
    pub prompt: SaltedText,
    /// The answer.
    pub answer: SaltedText,
    /// The runs.
    pub runs: Vec<Run>,
    /// The leaves that were committed for the runs.
    pub run_leaves: Vec<B256>,
    /// Hashes of the other channels.
    pub other_channels: OtherChannels,
    /// What the runs cite.
    pub cited: Vec<CitedContribution>,
    /// The engine's log-probabilities, where it told them: their hash is `other_channels.context`, or stands in
    /// `generation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_probs: Option<LogProbs>,
    /// What the answer is a function of, where our own engine wrote it: `other_channels.context` commits to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Box<GenerationRecord>>,
    /// The words that were committed for it, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generation_words: Vec<B256>,
}

impl ReceiptBundle {
    /// What settling the receipt pays to whom, under the terms in the bundle.
    pub fn credits(&self) -> Credits {
        let cut = |id| self.cited.iter().find(|cited| cited.contribution == id).map_or(0, |cited| cited.curator_ppm);
        fees::credits(self.receipt.fee, &self.terms.splits, &self.receipt.shares, cut)
    }
}

/// How one check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Passed {
        /// What else was found.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// It does not.
    Failed {
        /// The first thing that differs, as a path into the bundle.
        differs: String,
        /// What was found.
        why: String,
    },
    /// It cannot be made with what is at hand.
    NotCheckable {
        /// What is missing.
        without: String,
    },
}

impl Outcome {
    /// It holds, and that is all.
    pub const HOLDS: Self = Self::Passed { note: None };
}

/// One check and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// All checks of one bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// No check failed.
    pub ok: bool,
    /// The first thing that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
    /// Every check.
    pub checks: Vec<Check>,
}

impl Verification {
    /// Sums up a list of checks.
    pub fn of(checks: Vec<Check>) -> Self {
        let differs = checks.iter().find_map(|check| match &check.outcome {
            Outcome::Failed { differs, .. } => Some(differs.clone()),
            _ => None,
        });
        Self { ok: differs.is_none(), differs, checks }
    }
}

type Verdict = Result<(), (String, String)>;
type Make = fn(&ReceiptBundle) -> Verdict;

fn fail<T>(differs: impl Into<String>, why: impl ToString) -> Result<T, (String, String)> {
    Err((differs.into(), why.to_string()))
}

/// Makes every check that needs nothing but the bundle.
pub fn verify(bundle: &ReceiptBundle) -> Verification {
    let mut checks: Vec<Check> = OFFLINE
        .iter()
        .map(|(name, check)| Check {
            name,
            outcome: match check(bundle) {
                Ok(()) => Outcome::HOLDS,
                Err((differs, why)) => Outcome::Failed { differs, why },
            },
        })
        .collect();
    checks.push(Check {
        name: "completeness",
        outcome: Outcome::NotCheckable {
            without: "the texts of the named versions: that no earlier contribution shares a window".into(),
        },
    });
    Verification::of(checks)
}

/// Offline checks, in the order in which they are made: what names a field precisely comes first.
const OFFLINE: [(&str, Make); 14] = [
    ("format", check_format),
    ("receipt fields", check_fields),
    ("receipt id", check_id),
    ("worker signature", check_worker),
    ("countersignature", check_countersignature),
    ("request id", check_request),
    ("prompt", check_prompt),
    ("answer", check_answer),
    ("evidence", check_evidence),
    ("witnesses", check_witnesses),
    ("membership", check_membership),
    ("shares", check_shares),
    ("tokens", check_tokens),
    ("fee", check_fee),
];

fn check_format(bundle: &ReceiptBundle) -> Verdict {
    if bundle.format != BUNDLE_VERSION {
        return fail("format", format!("format {} is not {BUNDLE_VERSION}: use a matching release", bundle.format));
    }
    Ok(())
}

fn check_fields(bundle: &ReceiptBundle) -> Verdict {
    let words = bundle.receipt.words();
    if bundle.signed_words.len() != words.len() {
        return fail("signed_words", format!("{} words, {} were signed", bundle.signed_words.len(), words.len()));
    }
    for ((name, word), signed) in AnswerReceipt::FIELDS.iter().zip(&words).zip(&bundle.signed_words) {
        if word != signed {
            return fail(format!("receipt.{name}"), "is not what was signed");
        }
    }
    Ok(())
}

fn check_id(bundle: &ReceiptBundle) -> Verdict {
    let id = id_of_words(&bundle.signed_words, &bundle.network);
    if id != bundle.id {
        return fail("id", format!("the signed words on this network lead to {id}"));
    }
    Ok(())
}

fn check_worker(bundle: &ReceiptBundle) -> Verdict {
    match recover(&bundle.worker_signature, id_of_words(&bundle.signed_words, &bundle.network)) {
        Ok(signer) if signer == bundle.receipt.worker => Ok(()),
        Ok(signer) => fail("worker_signature", format!("{signer} signed, the receipt names {}", bundle.receipt.worker)),
        Err(error) => fail("worker_signature", error),
    }
}

fn check_countersignature(bundle: &ReceiptBundle) -> Verdict {
    let counter = &bundle.countersignature;
    match recover(&bundle.gateway_signature, counter.digest(&bundle.network)) {
        Ok(signer) if signer == bundle.receipt.gateway => {}
        Ok(signer) => {
            return fail(
                "gateway_signature",
                format!("{signer} signed this countersignature, the receipt names {}", bundle.receipt.gateway),
            );
        }
        Err(error) => return fail("gateway_signature", error),
    }
    if counter.receipt != bundle.id {
        return fail("countersignature.receipt", "names another receipt");
    }
    if counter.answer_root != bundle.receipt.answer_root {
        return fail("countersignature.answer_root", "names another answer");
    }
    if counter.fee != bundle.receipt.fee {
        return fail("countersignature.fee", format!("{} where the receipt says {}", counter.fee, bundle.receipt.fee));
    }
    Ok(())
}

fn check_request(bundle: &ReceiptBundle) -> Verdict {
    let receipt = &bundle.receipt;
    if receipt.request_id != request_id(receipt.payer, receipt.gateway, receipt.nonce) {
        return fail("receipt.request_id", "does not follow from payer, gateway and nonce");
    }
    Ok(())
}

fn check_prompt(bundle: &ReceiptBundle) -> Verdict {
    let prompt = CommittedText::prompt(bundle.prompt.text.as_bytes(), bundle.prompt.salt)
        .or_else(|error| fail("prompt.text", error))?;
    if prompt.commitment() != bundle.receipt.prompt_root {
        return fail("prompt", "text and salt do not lead to receipt.prompt_root");
    }
    Ok(())
}

fn check_answer(bundle: &ReceiptBundle) -> Verdict {
    let text = bundle.answer.text.as_bytes();
    let answer = CommittedText::answer(text, bundle.answer.salt).or_else(|error| fail("answer.text", error))?;
    if answer.commitment() != bundle.receipt.answer_root {
        return fail("answer", "text and salt do not lead to receipt.answer_root");
    }
    if text.len() != bundle.receipt.answer_bytes as usize {
        return fail("receipt.answer_bytes", format!("the answer has {} bytes", text.len()));
    }
    Ok(())
}

fn evidence_of(bundle: &ReceiptBundle) -> Result<Evidence, (String, String)> {
    Evidence::new(bundle.runs.clone(), bundle.receipt.answer_bytes).or_else(|error| fail("runs", error))
}

fn check_evidence(bundle: &ReceiptBundle) -> Verdict {
    for (index, (run, leaf)) in bundle.runs.iter().zip(&bundle.run_leaves).enumerate() {
        if run.leaf() != *leaf {
            return fail(format!("runs[{index}]"), "is not the run that was committed");
        }
    }
    if bundle.runs.len() != bundle.run_leaves.len() || bundle.runs.is_empty() {
        return fail("runs", format!("{} runs where {} were committed", bundle.runs.len(), bundle.run_leaves.len()));
    }
    let evidence = evidence_of(bundle)?;
    if evidence.hash(&bundle.other_channels) != bundle.receipt.evidence_hash {
        return fail("run_leaves", "runs and other channels do not lead to receipt.evidence_hash");
    }
    let committed = match &bundle.generation {
        Some(generation) => check_generation(bundle, generation)?,
        None if bundle.generation_words.is_empty() => bundle.other_channels.context,
        None => return fail("generation", "is missing, its words are there"),
    };
    match &bundle.log_probs {
        Some(log_probs) => {
            log_probs.check(bundle.answer.text.as_bytes()).or_else(|error| fail("log_probs", error))?;
            if log_probs.commitment() != committed {
                return fail("log_probs", "are not those that were committed");
            }
        }
        None if bundle.generation.is_some() && !committed.is_zero() => {
            return fail("log_probs", "were committed and are missing");
        }
        None => {}
    }
    Ok(())
}

/// The record is what was committed, and of this receipt. Returns the commitment to log-probabilities in it.
fn check_generation(bundle: &ReceiptBundle, generation: &GenerationRecord) -> Result<B256, (String, String)> {
    let words = generation.words();
    if bundle.generation_words.len() != words.len() {
        let (got, due) = (bundle.generation_words.len(), words.len());
        return fail("generation_words", format!("{got} words, {due} were committed"));
    }
    for ((field, word), committed) in GenerationRecord::FIELDS.iter().zip(&words).zip(&bundle.generation_words) {
        if word != committed {
            return fail(format!("generation.{field}"), "is not what was committed");
        }
    }
    if commitment_of_words(&words, bundle.answer.salt) != bundle.other_channels.context {
        return fail("generation_words", "do not lead to other_channels.context");
    }
    let fits = generation.check(&bundle.receipt, &bundle.prompt.text);
    fits.or_else(|unfit| fail(format!("generation.{}", unfit.field), unfit.why))?;
    Ok(generation.log_probs)
}

fn check_witnesses(bundle: &ReceiptBundle) -> Verdict {
    let answer = bundle.answer.text.as_bytes();
    for cited in &bundle.cited {
        let of_it = |run: &&Run| run.source == Source::Contribution(cited.contribution);
        if !bundle.runs.iter().any(|run| of_it(&run)) {
            return fail(format!("cited[{}]", cited.contribution), "no run names this contribution");
        }
        for document in &cited.documents {
            let place = || format!("cited[{}].documents[{}]", cited.contribution, document.opening.index);
            document.opening.verify(cited.root).or_else(|error| fail(place(), error))?;
            let metadata = document.metadata.hash();
            if document.opening.chunks.iter().any(|chunk| chunk.extra != metadata) {
                return fail(format!("{}.metadata", place()), "is not the metadata that was committed");
            }
            if !document.opening.chunks.is_sorted_by(|a, b| a.index < b.index) {
                return fail(place(), "its chunks do not ascend");
            }
        }
    }
    for (index, run) in bundle.runs.iter().enumerate() {
        let place = || format!("runs[{index}]");
        let Some(claimed) = answer.get(run.match_start as usize..run.match_end as usize) else {
            return fail(place(), "its match lies outside the answer");
        };
        match run.source {
            Source::Nobody => {}
            Source::Prompt => {
                if run.witness_in(bundle.prompt.text.as_bytes()) != Some(claimed) {
                    return fail(place(), "the prompt does not hold these bytes there");
                }
            }
            Source::Contribution(id) => {
                let cited = bundle.cited.iter().find(|cited| cited.contribution == id);
                let document = cited.and_then(|cited| cited.documents.iter().find(|d| d.opening.index == run.document));
                let Some(document) = document else {
                    return fail(place(), format!("document {} of contribution {id} is not opened", run.document));
                };
                if let Some(position) = first_difference(run, claimed, &document.opening) {
                    return fail(
                        place(),
                        format!("document {} of contribution {id} does not hold answer byte {position}", run.document),
                    );
                }
            }
        }
    }
    Ok(())
}

/// First answer position whose byte the opened chunks, which ascend, do not confirm. Chunk by chunk: runs may be many, and
/// each may name a match as long as the answer.
fn first_difference(run: &Run, claimed: &[u8], opening: &DocumentOpening) -> Option<u64> {
    let held_from = |at: u64| {
        let index = opening.chunks.binary_search_by_key(&(at / CHUNK as u64), |chunk| chunk.index.into()).ok()?;
        opening.chunks[index].chunk.get((at % CHUNK as u64) as usize..)
    };
    let mut step = 0;
    while step < claimed.len() {
        let at = run.offset.checked_add(step as u64);
        let held = at.and_then(held_from).unwrap_or_default();
        let held = &held[..held.len().min(claimed.len() - step)];
        let due = &claimed[step..step + held.len()];
        if held.is_empty() || held != due {
            let same = held.iter().zip(due).take_while(|(held, due)| held == due).count();
            return Some(u64::from(run.match_start) + (step + same) as u64);
        }
        step += held.len();
    }
    None
}

fn check_membership(bundle: &ReceiptBundle) -> Verdict {
    for share in bundle.receipt.shares.as_slice() {
        let Some(cited) = bundle.cited.iter().find(|cited| cited.contribution == share.contribution) else {
            return fail(format!("cited[{}]", share.contribution), "is paid but not cited");
        };
        if !cited.membership.is_member_of_any(&bundle.receipt.versions) {
            let DatanetId(datanet) = cited.membership.datanet;
            return fail(
                format!("cited[{}].membership", share.contribution),
                format!("datanet {datanet} at the named version does not hold it"),
            );
        }
    }
    Ok(())
}

fn check_shares(bundle: &ReceiptBundle) -> Verdict {
    if Shares::from_evidence(&evidence_of(bundle)?) != bundle.receipt.shares {
        return fail("receipt.shares", "do not follow from the runs");
    }
    Ok(())
}

/// What the payer pays for is the text that is attributed, and no other length of it.
fn check_tokens(bundle: &ReceiptBundle) -> Verdict {
    for (field, text, stated) in [
        ("receipt.input_tokens", &bundle.prompt.text, bundle.receipt.input_tokens),
        ("receipt.output_tokens", &bundle.answer.text, bundle.receipt.output_tokens),
    ] {
        let counted = fees::tokens(text);
        if counted != stated {
            return fail(field, format!("the text has {counted} tokens of four bytes"));
        }
    }
    Ok(())
}

fn check_fee(bundle: &ReceiptBundle) -> Verdict {
    if !bundle.terms.splits.is_whole() {
        return fail("terms.splits", "do not add up to 1000000");
    }
    match bundle.terms.prices.fee(bundle.receipt.input_tokens, bundle.receipt.output_tokens) {
        Some(fee) if fee == bundle.receipt.fee => Ok(()),
        Some(fee) => fail("receipt.fee", format!("tokens and prices lead to {fee} wei")),
        None => fail("terms.prices", "are too large"),
    }
}

/// The leaves of runs, as a bundle carries them.
pub fn run_leaves(runs: &[Run]) -> Vec<B256> {
    runs.iter().map(Run::leaf).collect()
}

//! One job: checks, answer, attribution, receipt. Blocks; knows nothing of connections.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes};
use fonte_bindings::client::{Place, Use};
use fonte_types::{
    AnswerReceipt, ContributionId, DatanetId, DatanetVersion,
    bundle::{self, BUNDLE_VERSION, Outcome, ReceiptBundle, SaltedText, run_leaves},
    conversation,
    evidence::OtherChannels,
    fees,
    generation::GenerationRecord,
    log_probs::{LogProbs, TokenLogProb},
    merkle::CommittedText,
    receipt::{Countersignature, MAX_VERSIONS, request_id, sign},
    wire::{
        Frame, Job, MAX_ANSWER, MAX_PROMPT, MAX_STOP, MAX_STOPS, Refusal, RefusalCode, SignedAnswer, ToGateway, Told,
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    adoption::Snapshot,
    model::{Emit, ModelError, Question},
    service::Shared,
    writer::{Passed, Writer},
};

/// Version of the attribution method that receipts name: the span channel of `docs/spec/attribution.md` with shares by
/// `docs/spec/receipt.md`, nothing from context or influence.
pub const METHOD_VERSION: u32 = 1;

/// Answers a job and signs for it. Pieces of the answer go to `emit` as they are written; it returns `false` once nobody
/// wants them. What is signed for is what they add up to, text and log-probabilities.
pub(crate) fn answer(
    shared: &Shared,
    gateway: Address,
    job: &Job,
    cancelled: &CancellationToken,
    emit: &mut Emit<'_>,
) -> Result<SignedAnswer, Refusal> {
    check_form(gateway, job)?;
    // One snapshot for the whole job: what is withdrawn later does not change this answer.
    let snapshot = shared.snapshot();
    let models = shared.models();
    let (Some(model), Some(record)) = (models.get(&job.model), snapshot.view.models.get(&job.model)) else {
        return Err(refuse(
            RefusalCode::UnknownModel,
            format!("this worker does not serve model {}: ask one that names it", job.model),
        ));
    };
    if let Some(refusal) = &record.refusal {
        let datanet = refusal.datanet.and_then(|id| snapshot.view.datanets.get(&id));
        let why = refusal.in_words(datanet.map(|datanet| datanet.name.as_str()));
        return Err(Refusal {
            code: RefusalCode::Terms,
            message: format!("model {} takes no new requests: {why}", record.name),
            datanet: refusal.datanet,
        });
    }
    for id in &record.trained {
        let Some(datanet) = snapshot.view.datanets.get(id) else { continue };
        if let Some(clause) = datanet.policy.forbids_weights(job.visibility, place(shared)) {
            let (model, name) = (&record.name, &datanet.name);
            return Err(Refusal {
                code: RefusalCode::Terms,
                message: format!(
                    "model {model} was trained on datanet {name:?}, whose terms forbid this request: {clause}"
                ),
                datanet: Some(*id),
            });
        }
    }
    if record.terms != job.terms {
        return Err(invalid(format!(
            "the fee was reserved under other terms than model {} has on chain: read them again",
            job.model
        )));
    }
    let versions = versions_for(shared, job, &snapshot)?;
    for version in &versions {
        let latest = snapshot.view.datanets.get(&version.datanet).map_or(version.version, |datanet| datanet.version);
        if !record.is_fresh_enough(version.version, latest) {
            return Err(Refusal {
                code: RefusalCode::NotAdopted,
                message: format!(
                    "version {} of datanet {} is adopted here, {latest} is the latest, and model {} may be at most {} \
                     behind: try again shortly",
                    version.version, version.datanet, job.model, record.max_staleness
                ),
                datanet: Some(version.datanet),
            });
        }
    }

    let readable: BTreeSet<DatanetId> = job.datanets.iter().copied().collect();
    let allowed = |id: ContributionId| {
        let Some(contribution) = snapshot.view.contributions.get(&id) else { return false };
        let membership = &contribution.membership;
        readable.contains(&membership.datanet)
            && membership.withdrawn.is_none()
            && membership.is_member_of_any(&versions)
            && snapshot.view.datanets.get(&membership.datanet).is_some_and(|datanet| datanet.policy.quote)
    };
    let question = Question {
        prompt: &job.prompt.text,
        text: &job.question,
        payer: job.payer,
        max_output_tokens: job.max_output_tokens,
        seed: job.seed,
        asked: &job.asked,
        cancelled,
    };
    let most = (job.max_output_tokens as usize).saturating_mul(fees::BYTES_PER_TOKEN).min(MAX_ANSWER);
    let mut writer = Writer::new(&job.asked.stop, most, emit);
    let passages = shared.library.passages(&allowed, shared.config.commons);
    let mut write = |piece: &str, log_probs: &[TokenLogProb]| writer.push(piece, log_probs);
    let written = model.answer(question, &passages, &mut write).map_err(|error| match error {
        ModelError::TooShort(_) => invalid(error.to_string()),
        ModelError::Library(_) => internal("the model failed", &error),
        ModelError::Refused { code, message } => refuse(code, message),
    })?;
    let Passed { text, finish, log_probs } = writer.finish(written.finish);
    if text.is_empty() {
        return Err(refuse(
            RefusalCode::Engine,
            "the model wrote nothing that is an answer: nothing is charged".into(),
        ));
    }

    let members = |id: ContributionId, _: DatanetId| {
        let contribution = snapshot.view.contributions.get(&id);
        contribution.is_some_and(|contribution| contribution.membership.is_member_of_any(&versions))
    };
    let traced = shared
        .library
        .trace(&text, &job.prompt.text, &members)
        .map_err(|error| internal("the answer could not be attributed", &error))?;
    let committed = |text: Result<CommittedText<'_>, _>| {
        text.map(|text| text.commitment()).map_err(|error| internal("a text could not be committed", &error))
    };
    let prompt_root = committed(CommittedText::prompt(job.prompt.text.as_bytes(), job.prompt.salt))?;
    let answer_root = committed(CommittedText::answer(text.as_bytes(), job.answer_salt))?;
    let (input_tokens, output_tokens) = (fees::tokens(&job.prompt.text), fees::tokens(&text));
    let fee = job
        .terms
        .prices
        .fee(input_tokens, output_tokens)
        .ok_or_else(|| invalid("the model's prices are too large for a fee".into()))?;
    let mut context = log_probs.as_ref().map_or(B256::ZERO, LogProbs::commitment);
    let generation = written.generation.map(|mut generation| {
        generation.log_probs = context;
        context = generation.commitment(job.answer_salt);
        generation
    });
    let other_channels = OtherChannels { context, influence: B256::ZERO };
    let receipt = AnswerReceipt {
        request_id: job.request_id,
        payer: job.payer,
        gateway,
        nonce: job.nonce,
        worker: shared.config.signer.address(),
        model: job.model,
        model_hash: record.artifact,
        adapter_hash: record.adapter,
        engine_class: model.engine_class(),
        visibility: job.visibility,
        versions,
        prompt_root,
        answer_root,
        answer_bytes: traced.evidence.answer_bytes(),
        input_tokens,
        output_tokens,
        seed: job.seed,
        fee,
        method_version: METHOD_VERSION,
        shares: traced.shares,
        evidence_hash: traced.evidence.hash(&other_channels),
        issued_at: (shared.config.clock)(),
    };
    let cited = shared
        .library
        .cite(traced.evidence.runs(), &snapshot.view.contributions, &snapshot.view.datanets)
        .map_err(|error| internal("the cited texts could not be opened", &error))?;
    let signature = sign(&shared.config.signer, receipt.id(&shared.config.network))
        .map_err(|error| internal("the receipt could not be signed", &error))?;
    let told = Told { finish, engine_usage: written.engine_usage, generation };
    let runs = traced.evidence.runs().to_vec();
    let answer = SignedAnswer { receipt, signature, runs, other_channels, cited, told };
    check_own(shared, job, &record.name, (&text, log_probs), &answer)?;
    Ok(answer)
}

fn check_form(gateway: Address, job: &Job) -> Result<(), Refusal> {
    if job.prompt.text.len() > MAX_PROMPT || job.question.len() > MAX_PROMPT {
        return Err(invalid(format!("the prompt is over {MAX_PROMPT} bytes: shorten the conversation")));
    }
    if job.request_id != request_id(job.payer, gateway, job.nonce) {
        return Err(invalid("the request id does not follow from payer, gateway and nonce".into()));
    }
    if job.datanets.is_empty() {
        return Err(invalid("no datanet is named: name at least one to answer from".into()));
    }
    if !job.terms.splits.is_whole() {
        return Err(invalid("the terms' splits do not add up to 1000000".into()));
    }
    let asked = &job.asked;
    // What is read must be what is committed: echo is judged by it, and it is what the fee counts.
    if !asked.turns.is_empty() && conversation::render(&asked.turns) != job.prompt.text {
        return Err(invalid("the conversation does not render to the prompt".into()));
    }
    if asked.stop.len() > MAX_STOPS || asked.stop.iter().any(|stop| stop.is_empty() || stop.len() > MAX_STOP) {
        return Err(invalid(format!("at most {MAX_STOPS} stop texts of 1 to {MAX_STOP} bytes are taken")));
    }
    Ok(())
}

/// Where this worker processes texts.
fn place(shared: &Shared) -> Place {
    shared.config.jurisdiction.map_or(Place::Undeclared, Place::In)
}

/// The versions that the receipt will name: the adopted ones of the job's datanets, and the commons.
fn versions_for(shared: &Shared, job: &Job, snapshot: &Snapshot) -> Result<Vec<DatanetVersion>, Refusal> {
    let commons = shared.config.commons;
    let mut used = BTreeSet::new();
    for id in &job.datanets {
        let of = |code, message| Refusal { code, message, datanet: Some(*id) };
        let Some(datanet) = snapshot.view.datanets.get(id) else {
            return Err(of(RefusalCode::NotAdopted, format!("there is no datanet {id} on chain")));
        };
        if commons != Some(*id) {
            let intended =
                Use { visibility: job.visibility, price_output: job.terms.prices.output, place: place(shared) };
            if let Some(clause) = datanet.policy.forbids(&intended) {
                let message = format!("the terms of datanet {:?} forbid this request: {clause}", datanet.name);
                return Err(of(RefusalCode::Terms, message));
            }
        }
        if !snapshot.adopted.contains_key(id) {
            let message = format!("no version of datanet {} is adopted here yet: try again shortly", datanet.name);
            return Err(of(RefusalCode::NotAdopted, message));
        }
        used.insert(*id);
    }
    // Licence texts precede everyone, whatever was asked for. A network without a commons has none to name.
    if let Some(commons) = commons.filter(|commons| snapshot.view.datanets.contains_key(commons)) {
        if !snapshot.adopted.contains_key(&commons) {
            let message = "the commons are not adopted here yet: try again shortly".into();
            return Err(Refusal { code: RefusalCode::NotAdopted, message, datanet: Some(commons) });
        }
        used.insert(commons);
    }
    if used.len() > MAX_VERSIONS {
        return Err(invalid(format!(
            "{} datanets are over the limit of {MAX_VERSIONS} versions: name fewer",
            used.len()
        )));
    }
    let versions = snapshot.versions();
    Ok(versions.into_iter().filter(|version| used.contains(&version.datanet)).collect())
}

/// Makes every check that the gateway and later anyone will make, before anything is signed for: a worker answers with
/// its bond for what it sends.
fn check_own(
    shared: &Shared,
    job: &Job,
    model_name: &str,
    (text, log_probs): (&str, Option<LogProbs>),
    answer: &SignedAnswer,
) -> Result<(), Refusal> {
    let receipt = &answer.receipt;
    let id = receipt.id(&shared.config.network);
    let bundle = ReceiptBundle {
        format: BUNDLE_VERSION,
        id,
        network: shared.config.network,
        model_name: model_name.to_owned(),
        terms: job.terms,
        receipt: receipt.clone(),
        signed_words: receipt.words(),
        worker_signature: answer.signature.clone(),
        countersignature: Countersignature {
            receipt: id,
            answer_root: receipt.answer_root,
            fee: receipt.fee,
            countersigned_at: receipt.issued_at,
        },
        gateway_signature: Bytes::new(),
        prompt: job.prompt.clone(),
        answer: SaltedText { text: text.to_owned(), salt: job.answer_salt },
        runs: answer.runs.clone(),
        run_leaves: run_leaves(&answer.runs),
        other_channels: answer.other_channels,
        cited: answer.cited.clone(),
        log_probs,
        generation_words: answer.told.generation.as_deref().map(GenerationRecord::words).unwrap_or_default(),
        generation: answer.told.generation.clone(),
    };
    // The gateway has not signed yet.
    let failed = bundle::verify(&bundle)
        .checks
        .into_iter()
        .find(|check| check.name != "countersignature" && matches!(check.outcome, Outcome::Failed { .. }));
    if let Some(check) = failed {
        tracing::error!(?check, receipt = %id, "an answer failed its own check and is not sent");
        return Err(refuse(RefusalCode::Internal, format!("the answer failed its own check of the {}", check.name)));
    }
    let done = Frame::<ToGateway>::Message(ToGateway::Done { job: job.job, answer: Box::new(answer.clone()) });
    done.encode().map_err(|error| internal("the evidence does not fit a frame: ask for a shorter answer", &error))?;
    Ok(())
}

fn refuse(code: RefusalCode, message: String) -> Refusal {
    Refusal { code, message, datanet: None }
}

fn invalid(message: String) -> Refusal {
    refuse(RefusalCode::Invalid, message)
}

/// What went wrong goes to this worker's log; the gateway learns only that it did.
fn internal(what: &str, error: &dyn std::error::Error) -> Refusal {
    let mut causes = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    tracing::error!(what, error = causes.join(": "), "a job failed");
    refuse(RefusalCode::Internal, what.to_owned())
}

//! One answer from the payer's promise to the journaled row: reserve, ask a worker, check, countersign, keep.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::B256;
use fonte_bindings::{ModelRecord, client::WorkerRecord};
use fonte_types::{
    bundle::{ReceiptBundle, SaltedText},
    fees,
    generation::MAX_PASSAGES,
    receipt::request_id,
    wire::{EngineUsage, Finish, Job, Refusal, RefusalCode, SignedAnswer},
};

use crate::{
    app::App,
    chain::Directory,
    chat::{Chat, DatanetRef},
    checks::{self, Expected, Rejection, Streamed},
    error::{ApiError, presentable},
    free,
    keys::ApiKey,
    live::Live,
    names::{self, Entry},
    select::{Selection, select},
    tabs::{NotReserved, Reservation},
    workers::{JobEvent, Peer, RunningJob},
};

/// Most contributions that an answer's evidence may cite: 16 are paid, small ones besides are only shown.
const MAX_CITED: usize = 1024;

/// How long a request waits for a worker to adopt the latest versions before an older one will do.
const ADOPTION: Duration = Duration::from_secs(2);

/// The part of the time for an answer within which a worker begins, where there is another one to ask.
const BEGINNING: u32 = 4;

/// A request with its price.
#[derive(Clone)]
pub(crate) struct Quoted {
    pub(crate) chat: Chat,
    pub(crate) model: ModelRecord,
    pub(crate) selection: Selection,
    pub(crate) input_tokens: u32,
    pub(crate) max_fee: u128,
    /// Of the first answer; each further one has the next.
    pub(crate) seed: u64,
}

/// A quoted request whose fee is held.
pub(crate) struct Accepted {
    pub(crate) quoted: Quoted,
    pub(crate) key: ApiKey,
    reservation: Reservation,
}

/// An answer that is kept, and what was told of it besides.
#[derive(Clone)]
pub(crate) struct Answered {
    pub(crate) bundle: Arc<ReceiptBundle>,
    pub(crate) finish: Finish,
    pub(crate) engine_usage: Option<EngineUsage>,
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// The model that a request means, and the datanets that stand in its name.
pub(crate) fn find<'a>(
    app: &App,
    directory: &'a Directory,
    asked: &str,
) -> Result<(&'a ModelRecord, Vec<DatanetRef>), ApiError> {
    let offers = app.workers.offers();
    let served = |model: &ModelRecord| offers.iter().any(|offer| offer.models.contains(&model.id));
    let entries: Vec<_> = directory.models.iter().map(|model| Entry::of(model, served(model))).collect();
    let is_datanet = |name: &str| directory.datanets.iter().any(|datanet| datanet.name == name);
    let (place, datanets) = names::resolve(&entries, is_datanet, asked)?;
    Ok((&directory.models[place], datanets))
}

/// Finds model and datanets, and the most that the answer can cost.
pub(crate) async fn quote(app: &App, mut chat: Chat) -> Result<Quoted, ApiError> {
    let directory = app.chain.directory().await?;
    let (model, datanets) = find(app, &directory, &chat.model)?;
    chat.name_datanets(datanets)?;
    check_options(app, model, &chat)?;
    let selection = select(&directory, model, &chat)?;
    let input_tokens = fees::tokens(&chat.prompt);
    let max_fee = model
        .terms
        .prices
        .fee(input_tokens, chat.max_output_tokens)
        .ok_or_else(|| ApiError::invalid("model", format!("the prices of {:?} overflow", model.name)))?;
    // Where nobody says otherwise, asking again gives another answer; 31 bits are a seed to every engine.
    let seed = chat.seed.unwrap_or_else(|| u64::from(rand::random::<u32>() >> 1));
    Ok(Quoted { model: model.clone(), selection, input_tokens, max_fee, seed, chat })
}

/// Refuses what a model that only quotes cannot do, where ignoring it would mislead. What merely has no effect on such a
/// model (temperature, penalties, a seed) is ignored.
fn check_options(app: &App, model: &ModelRecord, chat: &Chat) -> Result<(), ApiError> {
    if app.workers.generates(model.id) != Some(false) {
        return Ok(());
    }
    let unsupported = |param: &str, message: String| {
        Err(ApiError { code: Some("unsupported_parameter"), ..ApiError::invalid(param, message) })
    };
    if chat.choices != 1 {
        return unsupported("n", format!("{} always gives the same answer: leave n out or set it to 1", model.name));
    }
    if chat.asked.log_probs.is_some() {
        return unsupported(
            "logprobs",
            format!("{} quotes and has no log-probabilities: leave logprobs out", model.name),
        );
    }
    Ok(())
}

/// Holds the fee, or says what is missing.
pub(crate) async fn accept(app: &App, key: ApiKey, quoted: Quoted) -> Result<Accepted, ApiError> {
    let mut share = match key.client {
        Some(client) => Some(free::admit(app, client, &quoted).await?),
        None => None,
    };
    let mut refilled = false;
    loop {
        let epoch = app.tabs.epoch();
        let funds = app.chain.funds(key.payer, key.session.address()).await?;
        if funds.cap > 0 {
            app.keys.note_limit(&app.store, key.hash)?;
        }
        match app.tabs.reserve(key.payer, quoted.max_fee, funds.spendable(), epoch) {
            Ok(reservation) => {
                let reservation = reservation.shared(share.take());
                return Ok(Accepted { quoted, key, reservation });
            }
            // A batch settled between the two: what was read may count its fees twice or not at all.
            Err(NotReserved::Stale) => continue,
            Err(NotReserved::Insufficient { available }) if key.client.is_some() => {
                free::refill_for(app, &quoted, available, refilled).await?;
                refilled = true;
            }
            Err(NotReserved::Insufficient { available }) => {
                let (payer, session) = (key.payer, key.session.address());
                let missing = if funds.cap == 0 {
                    format!("set a limit for session key {session} of gateway {} on chain", app.chain.gateway())
                } else if funds.deposit < funds.cap.saturating_sub(funds.spent) {
                    format!("deposit more for {payer}")
                } else {
                    format!("raise the limit of session key {session}, now {} wei in all", funds.cap)
                };
                return Err(ApiError::insufficient(format!(
                    "this answer may cost {} wei and {available} wei are free for it: {missing}, or allow fewer output tokens",
                    quoted.max_fee
                )));
            }
        }
    }
}

enum Attempt {
    Finished(Answered),
    /// Another worker may do it.
    Next(Refusal),
}

/// Gets the answer: when this returns, evidence and row are on disk and the fee is owed; or nothing is owed.
pub(crate) async fn drive(app: &Arc<App>, accepted: Accepted, live: &Live) -> Result<Answered, ApiError> {
    let work = async {
        let Accepted { quoted, key, reservation } = accepted;
        wait_for_adoption(app, &quoted).await;
        let nonce = app.next_nonce();
        let salts = (B256::from(rand::random::<[u8; 32]>()), B256::from(rand::random::<[u8; 32]>()));
        let mut reservation = Some(reservation);
        let mut last = None;
        let directory = app.chain.directory().await?;
        let (mut candidates, mut kept) = (Vec::new(), None);
        for peer in app.workers.serving(quoted.model.id) {
            let record = app.chain.worker(&directory, peer.worker).await?.filter(|record| record.active);
            match record {
                None => kept = kept.or(Some(Kept::Unregistered)),
                Some(record) => match quoted.selection.kept_from(record.jurisdiction, &directory) {
                    Some(why) => kept = Some(Kept::Terms(why)),
                    None => candidates.push((peer, record)),
                },
            }
        }
        // Stable: the least busy stays first among the current.
        candidates.sort_by_key(|(peer, _)| !quoted.selection.is_current(&peer.adopted()));
        let mut left = candidates.len();
        for (peer, record) in candidates {
            left -= 1;
            // The last one has all the time that there is.
            let patience = (left > 0).then_some(app.config.limits.answer_timeout / BEGINNING);
            let worker = (&peer, &record, patience);
            let attempt = attempt(app, &quoted, &key, nonce, salts, worker, live, &mut reservation).await?;
            let Some(attempt) = attempt else {
                continue;
            };
            match attempt {
                Attempt::Finished(answered) => return Ok(answered),
                Attempt::Next(refusal) => last = Some(refusal),
            }
        }
        Err(no_worker(app, &quoted, last, kept))
    };
    tokio::time::timeout(app.config.limits.answer_timeout, work).await.unwrap_or_else(|_| {
        Err(ApiError::timed_out(format!(
            "no answer within {} s: nothing is charged",
            app.config.limits.answer_timeout.as_secs()
        )))
    })
}

async fn wait_for_adoption(app: &App, quoted: &Quoted) {
    let peers = app.workers.serving(quoted.model.id);
    if peers.iter().any(|peer| quoted.selection.is_current(&peer.adopted())) {
        return;
    }
    let latest = quoted.selection.latest();
    // Nothing to do when it takes longer: an older version, or a refusal, follows.
    let _ = tokio::time::timeout(ADOPTION, app.workers.adopted(&latest, 1)).await;
}

/// Why a connected worker was passed over.
enum Kept {
    Unregistered,
    Terms(String),
}

fn no_worker(app: &App, quoted: &Quoted, last: Option<Refusal>, kept: Option<Kept>) -> ApiError {
    if let (None, Some(Kept::Terms(why))) = (&last, &kept) {
        return ApiError::forbidden("datanet_terms", why);
    }
    let nobody = || {
        ApiError::unavailable("no_worker", format!("no worker serves {}: start one, or try later", quoted.model.name))
    };
    match last {
        // It was taken from the worker a moment ago.
        Some(refusal) if refusal.code == RefusalCode::UnknownModel => nobody(),
        Some(refusal) => refused(&refusal),
        None if matches!(kept, Some(Kept::Unregistered)) => ApiError::unavailable(
            "no_worker",
            format!(
                "no worker that serves {} is registered and active on chain: `fonte worker register`",
                quoted.model.name
            ),
        ),
        None if app.workers.serving(quoted.model.id).is_empty() => nobody(),
        None => {
            let names: Vec<_> = quoted.selection.latest().iter().map(|v| v.datanet.to_string()).collect();
            ApiError::unavailable(
                "no_worker",
                format!(
                    "no free worker has adopted the datanets that this needs ({}): try again in a moment",
                    names.join(", ")
                ),
            )
        }
    }
}

/// A worker's refusal as the client is told it.
pub(crate) fn refused(refusal: &Refusal) -> ApiError {
    let message = presentable(&refusal.message);
    match refusal.code {
        RefusalCode::Terms => ApiError::forbidden("datanet_terms", message),
        RefusalCode::Invalid => ApiError::invalid("messages", message),
        RefusalCode::Busy | RefusalCode::NotAdopted | RefusalCode::UnknownModel => {
            ApiError::unavailable("no_worker", message)
        }
        RefusalCode::Engine => {
            let message = format!("{message}; nothing is charged");
            ApiError { code: Some("engine_failed"), ..ApiError::bad_answer(message) }
        }
        RefusalCode::Internal => ApiError::bad_answer("the worker failed: nothing is charged, try again"),
    }
}

/// Asks one worker. None: it could not be asked.
#[expect(clippy::too_many_arguments, reason = "one call site; a struct would only name the same things twice")]
async fn attempt(
    app: &Arc<App>,
    quoted: &Quoted,
    key: &ApiKey,
    nonce: u64,
    (prompt_salt, answer_salt): (B256, B256),
    (peer, registered, patience): (&Arc<Peer>, &WorkerRecord, Option<Duration>),
    live: &Live,
    reservation: &mut Option<Reservation>,
) -> Result<Option<Attempt>, ApiError> {
    let adopted = peer.adopted();
    let Some(datanets) = quoted.selection.for_worker(&quoted.model, &adopted, registered.jurisdiction) else {
        return Ok(None);
    };
    let prompt = SaltedText { text: quoted.chat.prompt.clone(), salt: prompt_salt };
    let gateway = app.chain.gateway();
    let job = Job {
        job: 0,
        request_id: request_id(key.payer, gateway, nonce),
        payer: key.payer,
        nonce,
        model: quoted.model.id,
        terms: quoted.model.terms,
        datanets: datanets.clone(),
        prompt: prompt.clone(),
        question: quoted.chat.question.clone(),
        answer_salt,
        max_output_tokens: quoted.chat.max_output_tokens,
        seed: quoted.seed,
        visibility: quoted.chat.visibility,
        asked: quoted.chat.asked.clone(),
    };
    let Some(mut running) = peer.start(job, registered.slots).await else {
        return Ok(None);
    };
    let answer = match collect(&mut running, live, patience).await? {
        Ok(answer) => answer,
        Err(refusal)
            if live.is_blank() && refusal.code != RefusalCode::Terms && refusal.code != RefusalCode::Invalid =>
        {
            app.metrics.retries.increment();
            return Ok(Some(Attempt::Next(refusal)));
        }
        Err(refusal) => return Err(refused(&refusal)),
    };
    // The worker may have adopted more while it answered.
    let mut versions = peer.adopted();
    versions.extend(adopted);
    let expected = Expected {
        payer: key.payer,
        gateway,
        nonce,
        worker: running.worker(),
        engine: registered.engine,
        model: quoted.model.id,
        model_hash: quoted.model.artifact,
        adapter_hash: quoted.model.adapter,
        terms: quoted.model.terms,
        datanets,
        adopted: versions,
        visibility: quoted.chat.visibility,
        seed: quoted.seed,
        input_tokens: quoted.input_tokens,
        max_output_tokens: quoted.chat.max_output_tokens,
        asked: quoted.chat.asked.clone(),
        generates: running.generates(),
        max_fee: quoted.max_fee,
        now: unix_now(),
    };
    let text = SaltedText { text: live.text(), salt: answer_salt };
    let streamed = Streamed { prompt, text, log_probs: live.log_probs() };
    let held = reservation.take().expect("only a finished attempt takes it, and then no other follows");
    let (finish, engine_usage) = (answer.told.finish, answer.told.engine_usage);
    let bundle = keep(app, &quoted.model, expected, streamed, *answer, held).await?;
    Ok(Some(Attempt::Finished(Answered { bundle, finish, engine_usage })))
}

/// Reads a job to its end, which begins within `patience`; none: whenever.
async fn collect(
    running: &mut RunningJob,
    live: &Live,
    mut patience: Option<Duration>,
) -> Result<Result<Box<SignedAnswer>, Refusal>, ApiError> {
    loop {
        let event = match patience.take() {
            None => running.next().await,
            Some(patience) => match tokio::time::timeout(patience, running.next()).await {
                Ok(event) => event,
                Err(_) => {
                    let message = format!("the worker did not begin within {} s", patience.as_secs());
                    return Ok(Err(Refusal { code: RefusalCode::Busy, message, datanet: None }));
                }
            },
        };
        match event {
            Some(JobEvent::Delta(piece, tokens)) => live
                .push(&piece, &tokens)
                .map_err(|error| ApiError::bad_answer(format!("{error}: nothing is charged")))?,
            Some(JobEvent::Done(answer)) => return Ok(Ok(answer)),
            Some(JobEvent::Refused(refusal)) => return Ok(Err(refusal)),
            None => return Ok(Err(crate::workers::gone())),
        }
    }
}

/// Checks an answer, countersigns it, and makes evidence, row and debt durable.
async fn keep(
    app: &Arc<App>,
    model: &ModelRecord,
    expected: Expected,
    streamed: Streamed,
    mut answer: SignedAnswer,
    reservation: Reservation,
) -> Result<Arc<ReceiptBundle>, ApiError> {
    let worker = expected.worker;
    let refuse = |rejection: Rejection| {
        let rejection = presentable(&rejection.to_string());
        tracing::warn!(%worker, rejection, "answer refused");
        app.metrics.rejected.increment();
        ApiError::bad_answer(format!("the worker's answer failed a check and is not charged: {rejection}"))
    };
    checks::check_request(&expected, &answer.receipt).map_err(refuse)?;
    let record = answer.told.generation.as_deref();
    checks::check_generation(&expected, answer.receipt.engine_class, record).map_err(refuse)?;
    checks::check_log_probs(&streamed, &answer).map_err(refuse)?;
    if answer.cited.len() > MAX_CITED {
        return Err(refuse(Rejection::Bundle {
            differs: "cited".into(),
            why: format!("{} contributions are over the limit of {MAX_CITED}", answer.cited.len()),
        }));
    }
    let read = record.into_iter().flat_map(|record| &record.passages).take(MAX_PASSAGES);
    let ids: BTreeSet<_> =
        answer.cited.iter().map(|cited| cited.contribution).chain(read.map(|passage| passage.contribution)).collect();
    let mut facts = BTreeMap::new();
    for id in ids {
        facts.extend(app.chain.contribution(id).await?.map(|fact| (id, fact)));
    }
    checks::check_cited(&answer.cited, &facts).map_err(refuse)?;
    if let Some(record) = record {
        checks::check_passages(record, &answer.receipt.versions, &facts).map_err(refuse)?;
    }
    let directory = app.chain.directory().await?;
    for cited in &mut answer.cited {
        // Payee and withdrawal can change at any time and are bound by no signature: what the chain says counts.
        if let Some(fact) = facts.get(&cited.contribution) {
            cited.payee = fact.payee;
            cited.membership = fact.membership;
        }
        if let Some(datanet) = directory.datanets.iter().find(|datanet| datanet.id == cited.membership.datanet) {
            cited.curator = datanet.curator;
            cited.curator_ppm = datanet.policy.curator_ppm;
        }
    }
    // Hashing and the synced write would block the executor. Once begun, it ends, whoever stops listening.
    let (task, name, network) = (app.clone(), model.name.clone(), *app.chain.network());
    let kept = tokio::task::spawn_blocking(move || {
        let bundle =
            checks::countersign(&task.config.key, &network, &name, expected.terms, streamed, answer, expected.now)
                .map_err(|error| ApiError::internal(&error))?;
        if let Err(rejection) = checks::check_bundle(&bundle) {
            return Ok(Err(rejection));
        }
        task.store.put_receipt(&bundle)?;
        reservation.settle(bundle.receipt.fee);
        task.settlement.row_added();
        Ok::<_, ApiError>(Ok(Arc::new(bundle)))
    })
    .await
    .map_err(|error| ApiError::internal(&error))??;
    let bundle = kept.map_err(refuse)?;
    app.metrics.answers.increment();
    app.metrics.fees.add(bundle.receipt.fee);
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_words_are_few_and_in_one_line() {
        let message = format!("no\u{1b}[2J\n2026 INFO all is well{}", "x".repeat(8 << 20));
        for code in [RefusalCode::Busy, RefusalCode::Engine, RefusalCode::Terms, RefusalCode::Invalid] {
            let told = refused(&Refusal { code, message: message.clone(), datanet: None }).message;
            assert!(told.starts_with("no [2J 2026 INFO") && told.len() < 400, "{told}");
        }
    }
}

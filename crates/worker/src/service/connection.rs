//! One connection: a reader that hands out, a writer that takes in order, and a task per job.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use fonte_types::{
    ModelId,
    log_probs::TokenLogProb,
    receipt::{greeting_digest, sign},
    wire::{Frame, Job, MAX_FRAME, PROTOCOL, Refusal, RefusalCode, ToGateway, ToWorker},
};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinSet,
};
use tokio_util::{
    codec::{Framed, LengthDelimitedCodec},
    sync::CancellationToken,
};

use super::{
    Models, ServeError, Shared,
    fetch::{Delivery, fetch},
    follow::follow,
};
use crate::{job::answer, model::ModelError};

/// Time to greet.
const GREETING: Duration = Duration::from_secs(10);

/// How often the gateway is told of the engine, where something has changed.
const REPORT: Duration = Duration::from_secs(1);

/// Orders of the gateway's operator that are carried out at once.
const ORDERS: usize = 4;

/// How often the chain is read before an order for a model without a record is refused.
const READS: u32 = 8;

/// Messages that wait for the gateway to read. When they are full, jobs and fetches wait.
const OUTGOING: usize = 64;

/// Text that may be too long for one frame together with its log-probabilities. Each fits by itself.
const LONG: usize = 64 << 10;

/// Pieces of contributions that wait to be written. When they are full, the reader waits.
const DELIVERIES: usize = 8;

type Reader<S> = SplitStream<Framed<S, LengthDelimitedCodec>>;
type Writer<S> = SplitSink<Framed<S, LengthDelimitedCodec>, Bytes>;

pub(super) async fn serve<S>(shared: Arc<Shared>, stream: S) -> Result<(), ServeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let codec =
        LengthDelimitedCodec::builder().big_endian().length_field_length(4).max_frame_length(MAX_FRAME).new_codec();
    let (mut writer, mut reader) = Framed::new(stream, codec).split();
    let offered = offer(&shared.models());
    let (models, generating) = offered.clone();
    let (worker, slots) = (shared.config.signer.address(), shared.config.slots);
    send(&mut writer, ToGateway::Hello { protocol: PROTOCOL, worker, models, slots, generating }).await?;
    let (gateway, nonce) = greeting(&shared, &mut reader).await?;
    let digest = greeting_digest(gateway, nonce, &shared.config.network);
    let signature = sign(&shared.config.signer, digest).map_err(|_| ServeError::Signer)?;
    send(&mut writer, ToGateway::Proof { signature }).await?;

    let (out, outgoing) = mpsc::channel(OUTGOING);
    let (deliver, deliveries) = mpsc::channel(DELIVERIES);
    let mut jobs =
        Jobs { shared: shared.clone(), gateway, out: out.clone(), running: HashMap::new(), tasks: JoinSet::new() };
    let (report_out, mut orders) = (out.clone(), Orders::new(shared.clone(), out.clone()));
    // Everything of this connection runs inside this select; when one part ends, the others are dropped.
    let result = tokio::select! {
        result = read(&mut reader, &mut jobs, &mut orders, deliver) => result,
        result = write(&mut writer, outgoing) => result,
        result = fetch(shared.clone(), out.clone(), deliveries) => result,
        () = follow(&shared) => Ok(()),
        () = announce(&shared, offered, out) => Ok(()),
        () = look(&shared) => Ok(()),
        () = report(&shared, report_out) => Ok(()),
    };
    orders.end().await;
    jobs.end().await;
    result
}

/// Who the gateway is, and what it wants signed.
async fn greeting<S>(shared: &Shared, reader: &mut Reader<S>) -> Result<(Address, B256), ServeError>
where
    S: AsyncRead + AsyncWrite,
{
    let first = tokio::time::timeout(GREETING, reader.next()).await.map_err(|_| ServeError::NoGreeting(GREETING))?;
    let Some(first) = first else { return Err(ServeError::Protocol("it closed the connection without a greeting")) };
    match Frame::decode(&first?)? {
        Frame::Message(ToWorker::Hello { protocol, .. }) if protocol != PROTOCOL => {
            Err(ServeError::OtherProtocol { theirs: protocol, ours: PROTOCOL })
        }
        Frame::Message(ToWorker::Hello { network, .. }) if network != shared.config.network => {
            Err(ServeError::OtherNetwork { theirs: Box::new(network), ours: Box::new(shared.config.network) })
        }
        Frame::Message(ToWorker::Hello { gateway, nonce, .. }) => Ok((gateway, nonce)),
        _ => Err(ServeError::Protocol("its first message is no greeting")),
    }
}

async fn send<S>(writer: &mut Writer<S>, message: ToGateway) -> Result<(), ServeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Ok(writer.send(Frame::Message(message).encode()?.into()).await?)
}

async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    writer: &mut Writer<S>,
    mut outgoing: mpsc::Receiver<ToGateway>,
) -> Result<(), ServeError> {
    while let Some(message) = outgoing.recv().await {
        send(writer, message).await?;
    }
    Ok(())
}

/// The models, and those of them that generate.
type Offer = (Vec<ModelId>, Vec<ModelId>);

fn offer(models: &Models) -> Offer {
    let generating = models.iter().filter(|(_, model)| model.generates()).map(|(id, _)| *id);
    (models.keys().copied().collect(), generating.collect())
}

/// Says which models are served and which versions they answer from: at once, and whenever that changes.
async fn announce(shared: &Shared, mut offered: Offer, out: mpsc::Sender<ToGateway>) {
    let (mut snapshots, mut catalogues) = (shared.subscribe(), shared.subscribe_models());
    let mut said = None;
    loop {
        // The chain's models are known before its versions: read the other way round, none is told of too early.
        let versions = snapshots.borrow_and_update().versions();
        let now = offer(&catalogues.borrow_and_update());
        if now != offered {
            offered = now.clone();
            if out.send(ToGateway::Models { models: now.0, generating: now.1 }).await.is_err() {
                return;
            }
        }
        if said.as_ref() != Some(&versions) {
            said = Some(versions.clone());
            if out.send(ToGateway::Adopted { versions }).await.is_err() {
                return;
            }
        }
        let changed = tokio::select! {
            changed = snapshots.changed() => changed,
            changed = catalogues.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Looks for adapters that came or went.
async fn look(shared: &Arc<Shared>) {
    while shared.config.engine.is_some() {
        let (looking, quiet) = (shared.clone(), shared.config.look);
        if let Err(error) = tokio::task::spawn_blocking(move || looking.look(quiet)).await {
            tracing::error!(%error, "looking for adapters failed");
        }
        tokio::time::sleep(shared.config.look).await;
    }
    std::future::pending().await
}

/// Tells what the engine holds and does: at once, and whenever that has changed.
async fn report(shared: &Shared, out: mpsc::Sender<ToGateway>) {
    let mut said = None;
    while let Some(engine) = shared.config.engine.clone() {
        // The engine answers between two steps.
        let report = tokio::task::spawn_blocking(move || engine.report()).await.ok().flatten();
        if let Some(report) = report.filter(|report| said.as_ref() != Some(report)) {
            said = Some(report.clone());
            if out.send(ToGateway::Engine(report)).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(REPORT).await;
    }
    std::future::pending().await
}

async fn read<S>(
    reader: &mut Reader<S>,
    jobs: &mut Jobs,
    orders: &mut Orders,
    deliver: mpsc::Sender<Delivery>,
) -> Result<(), ServeError>
where
    S: AsyncRead + AsyncWrite,
{
    loop {
        let frame = tokio::select! {
            frame = reader.next() => frame,
            Some(finished) = jobs.tasks.join_next() => {
                jobs.finish(finished);
                continue;
            }
        };
        let Some(frame) = frame else { return Ok(()) };
        let delivery = match Frame::decode(&frame?)? {
            Frame::Part(contribution, bytes) => Delivery::Part(contribution, bytes),
            Frame::Message(ToWorker::ContributionEnd { contribution, bytes }) => Delivery::End(contribution, bytes),
            Frame::Message(ToWorker::ContributionMissing { contribution }) => Delivery::Missing(contribution),
            Frame::Message(ToWorker::Job(job)) => {
                jobs.start(*job).await;
                continue;
            }
            Frame::Message(ToWorker::Cancel { job }) => {
                jobs.cancel(job);
                continue;
            }
            Frame::Message(ToWorker::Keep { order, model, keep }) => {
                orders.start(order, model, keep).await;
                continue;
            }
            Frame::Message(ToWorker::Hello { .. }) => return Err(ServeError::Protocol("it greeted twice")),
        };
        if deliver.send(delivery).await.is_err() {
            return Ok(());
        }
    }
}

/// The jobs of one connection.
struct Jobs {
    shared: Arc<Shared>,
    gateway: Address,
    out: mpsc::Sender<ToGateway>,
    /// Stops a job.
    running: HashMap<u64, CancellationToken>,
    /// Each returns the number of its job.
    tasks: JoinSet<u64>,
}

impl Jobs {
    async fn start(&mut self, job: Job) {
        let number = job.job;
        let refusal = if self.running.contains_key(&number) {
            refusal(RefusalCode::Invalid, format!("job {number} is running already: number jobs afresh"))
        } else {
            match self.shared.slots.clone().try_acquire_owned() {
                Ok(permit) => return self.spawn(job, permit),
                Err(_) => refusal(
                    RefusalCode::Busy,
                    format!("all {} slots are taken: try again or ask another worker", self.shared.config.slots),
                ),
            }
        };
        // A closed connection is noticed by the reader.
        let _ = self.out.send(ToGateway::Refused { job: number, refusal }).await;
    }

    fn spawn(&mut self, job: Job, permit: OwnedSemaphorePermit) {
        let number = job.job;
        let cancelled = CancellationToken::new();
        self.running.insert(number, cancelled.clone());
        let (shared, gateway, out) = (self.shared.clone(), self.gateway, self.out.clone());
        self.tasks.spawn(async move {
            let (stop, deltas) = (cancelled.clone(), out.clone());
            let work = tokio::task::spawn_blocking(move || {
                let delta = |text: &str, log_probs: &[TokenLogProb]| {
                    let delta = ToGateway::Delta { job: number, text: text.to_owned(), log_probs: log_probs.to_vec() };
                    !stop.is_cancelled() && deltas.blocking_send(delta).is_ok()
                };
                let mut emit = |text: &str, log_probs: &[TokenLogProb]| match text.len() > LONG && !log_probs.is_empty()
                {
                    true => delta(text, &[]) && delta("", log_probs),
                    false => delta(text, log_probs),
                };
                answer(&shared, gateway, &job, &stop, &mut emit)
            });
            let message = match work.await {
                Ok(Ok(answer)) => ToGateway::Done { job: number, answer: Box::new(answer) },
                Ok(Err(refusal)) => ToGateway::Refused { job: number, refusal },
                Err(error) => {
                    tracing::error!(job = number, %error, "a job failed");
                    let refusal = refusal(RefusalCode::Internal, "the worker failed: try another one".into());
                    ToGateway::Refused { job: number, refusal }
                }
            };
            // The slot is free before the gateway hears of it.
            drop(permit);
            if !cancelled.is_cancelled() {
                let _ = out.send(message).await;
            }
            number
        });
    }

    fn cancel(&mut self, job: u64) {
        if let Some(cancelled) = self.running.get(&job) {
            cancelled.cancel();
        }
    }

    fn finish(&mut self, finished: Result<u64, tokio::task::JoinError>) {
        match finished {
            Ok(job) => {
                self.running.remove(&job);
            }
            Err(error) => tracing::error!(%error, "a job's task failed"),
        }
    }

    /// Stops all jobs and waits for their threads.
    async fn end(mut self) {
        self.running.values().for_each(CancellationToken::cancel);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What the gateway's operator wants loaded and unloaded.
struct Orders {
    shared: Arc<Shared>,
    out: mpsc::Sender<ToGateway>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Orders {
    fn new(shared: Arc<Shared>, out: mpsc::Sender<ToGateway>) -> Self {
        Self { shared, out, stop: CancellationToken::new(), tasks: JoinSet::new() }
    }

    async fn start(&mut self, order: u64, model: ModelId, keep: bool) {
        while self.tasks.try_join_next().is_some() {}
        if self.tasks.len() < ORDERS {
            let (shared, stop, out) = (self.shared.clone(), self.stop.clone(), self.out.clone());
            self.tasks.spawn(async move {
                let done = tokio::task::spawn_blocking(move || carry_out(&shared, model, keep, &stop)).await;
                let refusal = match done {
                    Ok(Ok(())) => None,
                    Ok(Err(ModelError::Refused { code, message })) => Some(refusal(code, message)),
                    Ok(Err(error)) => Some(refusal(RefusalCode::Internal, error.to_string())),
                    Err(error) => {
                        tracing::error!(order, %error, "an order failed");
                        Some(refusal(RefusalCode::Internal, "the worker failed".into()))
                    }
                };
                let _ = out.send(ToGateway::Kept { order, refusal }).await;
            });
            return;
        }
        let message = format!("{ORDERS} adapters are being loaded already: try again in a moment");
        let refused = refusal(RefusalCode::Busy, message);
        // A closed connection is noticed by the reader.
        let _ = self.out.send(ToGateway::Kept { order, refusal: Some(refused) }).await;
    }

    /// Stops waiting for what is being loaded.
    async fn end(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Carries out an order, for an adapter that came a moment ago too. Blocks.
fn carry_out(shared: &Shared, model: ModelId, keep: bool, stop: &CancellationToken) -> Result<(), ModelError> {
    shared.look(Duration::ZERO);
    // The gateway may know of a block that this worker is about to read: the adapter's record may be new, too.
    for _ in 0..READS {
        if let Some(model) = shared.models().get(&model) {
            return model.keep(keep, stop);
        }
        std::thread::sleep(shared.config.poll);
    }
    let message = format!("this worker does not serve model {model}: it has no such files");
    Err(ModelError::Refused { code: RefusalCode::UnknownModel, message })
}

fn refusal(code: RefusalCode, message: String) -> Refusal {
    Refusal { code, message, datanet: None }
}

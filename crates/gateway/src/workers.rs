//! Connections to workers: greeting, adoption, jobs and contributions' bytes, as in `docs/spec/wire.md`.
//!
//! Each connection has one task that reads, one that writes and one that sends contributions, joined in
//! [`Workers::serve`]. Queues are bounded: a job's events wait for the one who asked (who only appends to memory), which
//! makes the reader wait, which makes the worker wait; contributions that are asked for beyond the queue end the
//! connection, because no honest worker asks for that many at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use fonte_types::{
    ContributionId, DatanetId, DatanetVersion, ModelId, Network,
    log_probs::TokenLogProb,
    receipt::{greeting_digest, recover},
    wire::{
        EngineReport, Frame, FrameError, Job, MAX_FRAME, MAX_MODELS, PART, PROTOCOL, Refusal, RefusalCode,
        SignedAnswer, ToGateway, ToWorker,
    },
};
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    sync::{mpsc, oneshot},
};
use tokio_util::{
    codec::{Framed, LengthDelimitedCodec},
    sync::CancellationToken,
};

/// Events of one job that wait for the one who asked; then the connection's reader waits.
const JOB_QUEUE: usize = 64;
/// Frames that wait to be written; then whoever adds one waits.
const OUT_QUEUE: usize = 64;
/// Contributions that may be asked for ahead of being sent.
const NEED_QUEUE: usize = 65_536;
/// Most datanets that a worker may adopt.
const MAX_ADOPTED: usize = 65_536;
/// How long a worker may take to load an adapter that the operator wants.
const ORDER: Duration = Duration::from_secs(60);
/// Until the greeting is over and the worker has shown that its key is its own.
const GREETING: Duration = Duration::from_secs(10);
/// How long a worker may be connected that is not registered and active on chain.
const REGISTRATION: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What a gateway knows of workers and contributions.
pub(crate) trait Facts: Send + Sync + 'static {
    /// Whether a worker is registered and active on chain; none: the chain could not be asked.
    fn is_active(&self, worker: Address) -> impl Future<Output = Option<bool>> + Send;

    /// The file that holds a contribution's bundle; none where this gateway does not have it, or where workers have no use
    /// for it.
    fn bundle_file(&self, contribution: ContributionId) -> impl Future<Output = Option<std::path::PathBuf>> + Send;
}

/// What happens to a job.
#[derive(Debug)]
pub(crate) enum JobEvent {
    Delta(String, Vec<TokenLogProb>),
    Done(Box<SignedAnswer>),
    Refused(Refusal),
}

/// A worker's connection ended, and why.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The transport failed.
    #[error("the connection to the worker failed")]
    Io(#[from] std::io::Error),
    /// A frame was refused.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer did something that the wire does not allow.
    #[error("the worker broke the wire's rules: {0}")]
    Rules(&'static str),
    /// This gateway takes no more workers, or not this one.
    #[error("the worker is not taken: {0}")]
    NotTaken(&'static str),
}

/// All connected workers.
pub(crate) struct Workers {
    network: Network,
    gateway: Address,
    limit: usize,
    /// Empty: anyone.
    allowed: Vec<Address>,
    next: AtomicU64,
    peers: Mutex<BTreeMap<u64, Arc<Peer>>>,
    changed: tokio::sync::watch::Sender<u64>,
}

/// One connected worker.
pub(crate) struct Peer {
    pub(crate) id: u64,
    pub(crate) worker: Address,
    slots: u32,
    out: mpsc::Sender<Frame<ToWorker>>,
    /// Numbers jobs and orders.
    next_job: AtomicU64,
    /// It was registered and active on chain when that was last looked at.
    active: AtomicBool,
    /// Its place is given to another.
    displaced: CancellationToken,
    state: Mutex<PeerState>,
}

/// What a worker serves, by its own word.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    pub(crate) models: BTreeSet<ModelId>,
    /// Those of them that generate.
    generating: BTreeSet<ModelId>,
}

impl Offer {
    fn new(models: Vec<ModelId>, generating: Vec<ModelId>) -> Result<Arc<Self>, WireError> {
        if models.len() > MAX_MODELS || generating.len() > models.len() {
            return Err(WireError::Rules("it offers more models than a worker may"));
        }
        Ok(Arc::new(Self { models: models.into_iter().collect(), generating: generating.into_iter().collect() }))
    }
}

#[derive(Default)]
struct PeerState {
    offer: Arc<Offer>,
    adopted: Vec<DatanetVersion>,
    jobs: HashMap<u64, mpsc::Sender<JobEvent>>,
    /// Orders that it has not answered yet.
    orders: HashMap<u64, oneshot::Sender<Option<Refusal>>>,
    /// What it last told of its own engine.
    engine: Option<Arc<EngineReport>>,
    gone: bool,
}

/// A job given to a worker. Dropping it before its end cancels it.
pub(crate) struct RunningJob {
    peer: Arc<Peer>,
    job: u64,
    /// The worker said of the model that it generates, when the job began: what is said later is of later jobs.
    generates: bool,
    events: mpsc::Receiver<JobEvent>,
    ended: bool,
}

impl RunningJob {
    /// What happens next; none: the worker went away.
    pub(crate) async fn next(&mut self) -> Option<JobEvent> {
        let event = self.events.recv().await;
        if !matches!(event, Some(JobEvent::Delta(..))) {
            self.ended = true;
        }
        event
    }

    /// Who works on it.
    pub(crate) fn worker(&self) -> Address {
        self.peer.worker
    }

    /// Whether its model generates text, by the worker's word.
    pub(crate) fn generates(&self) -> bool {
        self.generates
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.peer.state.lock().jobs.remove(&self.job);
        if !self.ended {
            // A full queue means that the worker does not read: its connection will not last, and a late `done` is
            // ignored.
            let _ = self.peer.out.try_send(Frame::Message(ToWorker::Cancel { job: self.job }));
        }
    }
}

impl Peer {
    /// What it adopted.
    pub(crate) fn adopted(&self) -> Vec<DatanetVersion> {
        self.state.lock().adopted.clone()
    }

    /// What it serves now.
    pub(crate) fn offer(&self) -> Arc<Offer> {
        self.state.lock().offer.clone()
    }

    /// Jobs that it takes at once, by its own word.
    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    /// What it last told of its own engine; none: it has none.
    pub(crate) fn engine(&self) -> Option<Arc<EngineReport>> {
        self.state.lock().engine.clone()
    }

    /// Has it load an adapter and keep it, or let it go, and waits until it has.
    pub(crate) async fn keep(&self, model: ModelId, keep: bool) -> Result<(), Refusal> {
        let order = self.next_job.fetch_add(1, Ordering::Relaxed);
        let (done, waiting) = oneshot::channel();
        self.state.lock().orders.insert(order, done);
        let sent = self.out.send(Frame::Message(ToWorker::Keep { order, model, keep })).await;
        let answer = match sent {
            Ok(()) => tokio::time::timeout(ORDER, waiting).await,
            Err(_) => Ok(Ok(Some(gone()))),
        };
        self.state.lock().orders.remove(&order);
        match answer {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(refusal))) => Err(refusal),
            Ok(Err(_)) => Err(gone()),
            Err(_) => {
                let message = format!("the worker did not answer within {} s", ORDER.as_secs());
                Err(Refusal { code: RefusalCode::Engine, message, datanet: None })
            }
        }
    }

    fn load(&self) -> usize {
        self.state.lock().jobs.len()
    }

    /// Gives it a job; none: it has gone or takes no more, by what it said or by the slots that its stake covers. `job.job`
    /// is set here.
    pub(crate) async fn start(self: &Arc<Self>, mut job: Job, staked: u32) -> Option<RunningJob> {
        let (events, receiver) = mpsc::channel(JOB_QUEUE);
        job.job = self.next_job.fetch_add(1, Ordering::Relaxed);
        let generates = {
            let mut state = self.state.lock();
            if state.gone || state.jobs.len() >= self.slots.min(staked) as usize {
                return None;
            }
            state.jobs.insert(job.job, events);
            state.offer.generating.contains(&job.model)
        };
        let running = RunningJob { peer: self.clone(), job: job.job, generates, events: receiver, ended: false };
        let sent = self.out.send(Frame::Message(ToWorker::Job(Box::new(job)))).await;
        sent.ok().map(|()| running)
    }
}

/// Of a worker whose connection ended.
pub(crate) fn gone() -> Refusal {
    Refusal { code: RefusalCode::Internal, message: "the worker went away".into(), datanet: None }
}

impl Workers {
    pub(crate) fn new(network: Network, gateway: Address, limit: usize, allowed: Vec<Address>) -> Self {
        Self {
            network,
            gateway,
            limit,
            allowed,
            next: AtomicU64::new(1),
            peers: Mutex::default(),
            changed: tokio::sync::watch::Sender::new(0),
        }
    }

    /// Workers that serve a model, the least busy first.
    pub(crate) fn serving(&self, model: ModelId) -> Vec<Arc<Peer>> {
        let peers = self.peers.lock();
        let mut serving: Vec<_> = peers.values().filter(|peer| peer.offer().models.contains(&model)).cloned().collect();
        serving.sort_by_key(|peer| (peer.load(), peer.id));
        serving
    }

    /// What each of the workers serves.
    pub(crate) fn offers(&self) -> Vec<Arc<Offer>> {
        self.peers.lock().values().map(|peer| peer.offer()).collect()
    }

    /// Workers with an engine of their own on this base, by their word.
    pub(crate) fn with_base(&self, base: B256) -> Vec<Arc<Peer>> {
        let peers = self.peers.lock();
        peers.values().filter(|peer| peer.engine().is_some_and(|engine| engine.base == base)).cloned().collect()
    }

    /// Whether a model generates text, by the word of those who serve it; none: nobody does.
    pub(crate) fn generates(&self, model: ModelId) -> Option<bool> {
        let serving: Vec<_> = self.offers().into_iter().filter(|offer| offer.models.contains(&model)).collect();
        (!serving.is_empty()).then(|| serving.iter().any(|offer| offer.generating.contains(&model)))
    }

    /// All connected workers, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.peers.lock().values().cloned().collect()
    }

    /// Number of connected workers.
    pub(crate) fn count(&self) -> usize {
        self.peers.lock().len()
    }

    /// Waits until this many workers have adopted all of these versions or later ones.
    pub(crate) async fn adopted(&self, versions: &[DatanetVersion], workers: usize) {
        let mut changed = self.changed.subscribe();
        loop {
            let current = |peer: &&Arc<Peer>| {
                let adopted = peer.adopted();
                versions.iter().all(|version| at_least(&adopted, version.datanet, version.version))
            };
            if self.peers.lock().values().filter(current).count() >= workers {
                return;
            }
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Runs a worker's connection until it ends.
    pub(crate) async fn serve<S, F>(&self, stream: S, facts: Arc<F>) -> Result<(), WireError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        F: Facts,
    {
        let codec = LengthDelimitedCodec::builder().length_field_type::<u32>().max_frame_length(MAX_FRAME).new_codec();
        let (mut sink, mut source) = Framed::new(stream, codec).split::<Bytes>();
        let greeting = async {
            let frame = source.next().await.ok_or(WireError::Rules("it left without a greeting"))??;
            match Frame::<ToGateway>::decode(&frame)? {
                Frame::Message(ToGateway::Hello { protocol, worker, models, slots, generating }) => {
                    if protocol != PROTOCOL {
                        return Err(WireError::Rules("it speaks another protocol: run the same release"));
                    }
                    if slots == 0 {
                        return Err(WireError::Rules("it offers no slots"));
                    }
                    Ok((worker, slots, Offer::new(models, generating)?))
                }
                _ => Err(WireError::Rules("its first message is no hello")),
            }
        };
        // Both halves of the greeting end by then.
        let deadline = tokio::time::Instant::now() + GREETING;
        let late = |_| WireError::Rules("its greeting took too long");
        let (worker, slots, offer) = tokio::time::timeout_at(deadline, greeting).await.map_err(late)??;
        if !self.allowed.is_empty() && !self.allowed.contains(&worker) {
            return Err(WireError::NotTaken("it is not on this gateway's list"));
        }
        let nonce = B256::from(rand::random::<[u8; 32]>());
        let proof = async {
            let hello = ToWorker::Hello { protocol: PROTOCOL, network: self.network, gateway: self.gateway, nonce };
            sink.send(Frame::Message(hello).encode()?.into()).await?;
            let frame = source.next().await.ok_or(WireError::Rules("it left without a proof of its address"))??;
            let Frame::Message(ToGateway::Proof { signature }) = Frame::<ToGateway>::decode(&frame)? else {
                return Err(WireError::Rules("its second message is no proof of its address"));
            };
            if recover(&signature, greeting_digest(self.gateway, nonce, &self.network)) != Ok(worker) {
                return Err(WireError::Rules("the key that it signs with is not of the address that it names"));
            }
            Ok(())
        };
        tokio::time::timeout_at(deadline, proof).await.map_err(late)??;
        let (out, mut queue) = mpsc::channel::<Frame<ToWorker>>(OUT_QUEUE);
        let peer = Arc::new(Peer {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            worker,
            slots: slots.min(4096),
            out: out.clone(),
            next_job: AtomicU64::new(1),
            active: AtomicBool::new(facts.is_active(worker).await == Some(true)),
            displaced: CancellationToken::new(),
            state: Mutex::new(PeerState { offer, ..PeerState::default() }),
        });
        let _registered = self.register(&peer)?;
        tracing::info!(%worker, slots, "worker connected");

        let write = async {
            while let Some(frame) = queue.recv().await {
                sink.send(frame.encode()?.into()).await?;
            }
            Ok::<_, WireError>(())
        };
        let (need, mut needed) = mpsc::channel::<ContributionId>(NEED_QUEUE);
        let supply = async {
            while let Some(contribution) = needed.recv().await {
                supply(&out, &peer, facts.as_ref(), contribution).await?;
            }
            Ok::<_, WireError>(())
        };
        let look = async {
            let mut inactive = Duration::ZERO;
            while inactive < REGISTRATION {
                tokio::time::sleep(LOOK).await;
                match facts.is_active(worker).await {
                    Some(true) => inactive = Duration::ZERO,
                    Some(false) => inactive += LOOK,
                    None => continue,
                }
                peer.active.store(inactive.is_zero(), Ordering::Relaxed);
            }
            Err(WireError::NotTaken("it is not registered and active on chain"))
        };
        let read = async {
            while let Some(frame) = source.next().await {
                let Frame::Message(message) = Frame::<ToGateway>::decode(&frame?)? else {
                    return Err(WireError::Rules("it sent a part"));
                };
                self.handle(&peer, message, &need).await?;
            }
            Ok(())
        };
        // The reader ends with the connection; the others only by an error, as this function holds their queues.
        tokio::select! {
            ended = read => ended,
            ended = write => ended,
            ended = supply => ended,
            ended = look => ended,
            () = peer.displaced.cancelled() => Err(WireError::NotTaken("a registered worker needs its place")),
        }
    }

    async fn handle(
        &self,
        peer: &Peer,
        message: ToGateway,
        need: &mpsc::Sender<ContributionId>,
    ) -> Result<(), WireError> {
        let (job, event) = match message {
            ToGateway::Hello { .. } | ToGateway::Proof { .. } => return Err(WireError::Rules("it greeted twice")),
            ToGateway::Models { models, generating } => {
                peer.state.lock().offer = Offer::new(models, generating)?;
                return Ok(());
            }
            ToGateway::Adopted { versions } => {
                if versions.len() > MAX_ADOPTED || !versions.is_sorted_by(|a, b| a.datanet < b.datanet) {
                    return Err(WireError::Rules("the adopted versions do not ascend by datanet, or are too many"));
                }
                peer.state.lock().adopted = versions;
                self.changed.send_modify(|count| *count += 1);
                return Ok(());
            }
            ToGateway::NeedContribution { contribution } => {
                return need
                    .try_send(contribution)
                    .map_err(|_| WireError::Rules("it asked for too many contributions at once"));
            }
            ToGateway::Kept { order, refusal } => {
                // Nobody may wait for it any more.
                if let Some(waiting) = peer.state.lock().orders.remove(&order) {
                    let _ = waiting.send(refusal);
                }
                return Ok(());
            }
            ToGateway::Engine(report) => {
                if report.resident.len() > MAX_MODELS {
                    return Err(WireError::Rules("it tells of more adapters than it may serve"));
                }
                peer.state.lock().engine = Some(Arc::new(report));
                return Ok(());
            }
            ToGateway::Delta { job, text, log_probs } => (job, JobEvent::Delta(text, log_probs)),
            ToGateway::Done { job, answer } => (job, JobEvent::Done(answer)),
            ToGateway::Refused { job, refusal } => (job, JobEvent::Refused(refusal)),
        };
        let last = !matches!(event, JobEvent::Delta(..));
        let events = {
            let mut state = peer.state.lock();
            if last { state.jobs.remove(&job) } else { state.jobs.get(&job).cloned() }
        };
        // Nobody waits for a cancelled job.
        if let Some(events) = events {
            let _ = events.send(event).await;
        }
        Ok(())
    }

    /// Takes a peer onto the list. Where that is full, a registered worker gets the place of one that is not, or of one that
    /// has several: a key costs nothing.
    fn register(&self, peer: &Arc<Peer>) -> Result<Registered<'_>, WireError> {
        let mut peers = self.peers.lock();
        if peers.len() >= self.limit {
            let spare = |other: &&Arc<Peer>| {
                let connections = peers.values().filter(|peer| peer.worker == other.worker).count();
                connections > 1 || !other.active.load(Ordering::Relaxed)
            };
            let spare = peers.values().find(spare).filter(|_| peer.active.load(Ordering::Relaxed)).cloned();
            let spare = spare.ok_or(WireError::NotTaken("the gateway has all the workers that it takes"))?;
            peers.remove(&spare.id);
            spare.displaced.cancel();
        }
        peers.insert(peer.id, peer.clone());
        Ok(Registered { workers: self, peer: peer.clone() })
    }
}

/// Takes the peer off the list when its connection ends, however it ends.
struct Registered<'a> {
    workers: &'a Workers,
    peer: Arc<Peer>,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.workers.peers.lock().remove(&self.peer.id);
        let jobs = {
            let mut state = self.peer.state.lock();
            state.gone = true;
            (std::mem::take(&mut state.jobs), std::mem::take(&mut state.orders))
        };
        // Dropping the senders tells those who wait.
        drop(jobs);
        self.workers.changed.send_modify(|count| *count += 1);
        tracing::info!(worker = %self.peer.worker, "worker disconnected");
    }
}

/// Sends one contribution in parts.
async fn supply<F: Facts>(
    out: &mpsc::Sender<Frame<ToWorker>>,
    peer: &Peer,
    facts: &F,
    contribution: ContributionId,
) -> Result<(), WireError> {
    let closed = |_| WireError::Rules("its connection closed while a contribution was sent");
    let missing = Frame::Message(ToWorker::ContributionMissing { contribution });
    // Who has just registered need not wait for the next look.
    let active = peer.active.load(Ordering::Relaxed) || facts.is_active(peer.worker).await == Some(true);
    let path = if active { facts.bundle_file(contribution).await } else { None };
    let Some(path) = path else {
        return out.send(missing).await.map_err(closed);
    };
    let mut file = match tokio::fs::File::open(&path).await {
        Ok(file) => file,
        Err(error) => {
            tracing::error!(%contribution, %error, "a bundle cannot be read");
            return out.send(missing).await.map_err(closed);
        }
    };
    let mut sent = 0_u64;
    loop {
        let mut part = Vec::with_capacity(PART);
        (&mut file).take(PART as u64).read_to_end(&mut part).await?;
        if part.is_empty() {
            break;
        }
        sent += part.len() as u64;
        out.send(Frame::Part(contribution, part)).await.map_err(closed)?;
    }
    out.send(Frame::Message(ToWorker::ContributionEnd { contribution, bytes: sent })).await.map_err(closed)
}

/// Whether a datanet is among the adopted ones, at this version or a later one.
pub(crate) fn at_least(adopted: &[DatanetVersion], datanet: DatanetId, version: fonte_types::Version) -> bool {
    adopted.iter().any(|has| has.datanet == datanet && has.version >= version)
}

#[cfg(test)]
mod tests {
    use alloy_signer_local::PrivateKeySigner;
    use fonte_types::receipt::sign;

    use super::*;

    /// Workers that are registered; nothing is hosted.
    struct Registry(Vec<Address>);

    impl Facts for Registry {
        async fn is_active(&self, worker: Address) -> Option<bool> {
            Some(self.0.contains(&worker))
        }

        async fn bundle_file(&self, _: ContributionId) -> Option<std::path::PathBuf> {
            None
        }
    }

    type Wire = Framed<tokio::io::DuplexStream, LengthDelimitedCodec>;

    fn gateway(limit: usize) -> Workers {
        let at = Address::repeat_byte;
        let network = Network { chain_id: 1, network_id: B256::ZERO, settlement: at(1), datanets: at(2) };
        Workers::new(network, at(3), limit, Vec::new())
    }

    fn wire() -> (Wire, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(MAX_FRAME);
        let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec();
        (Framed::new(ours, codec), theirs)
    }

    async fn say(wire: &mut Wire, message: ToGateway) -> bool {
        let frame = Frame::Message(message).encode().expect("it fits a frame");
        wire.send(Bytes::from(frame)).await.is_ok()
    }

    /// Greets as the worker of an address, and signs with a key for a gateway.
    async fn greet(wire: &mut Wire, worker: Address, signer: &PrivateKeySigner, of: &Workers, models: Vec<ModelId>) {
        let hello =
            ToGateway::Hello { protocol: PROTOCOL, worker, models: models.clone(), slots: 1, generating: models };
        say(wire, hello).await;
        let Some(Ok(frame)) = wire.next().await else { return };
        let Ok(Frame::Message(ToWorker::Hello { network, nonce, .. })) = Frame::decode(&frame) else {
            panic!("no greeting")
        };
        let signature = sign(signer, greeting_digest(of.gateway, nonce, &network)).expect("a key in memory signs");
        say(wire, ToGateway::Proof { signature }).await;
    }

    /// So many models with the longest numbers.
    fn ids(count: usize) -> Vec<ModelId> {
        (u32::MAX - count as u32..u32::MAX).map(ModelId).collect()
    }

    /// A worker that offers one list after the other: how many models the gateway knew it to serve after each, and how the
    /// connection ended.
    async fn offering(offers: &[Vec<ModelId>]) -> (Vec<usize>, Result<(), WireError>) {
        let (workers, key) = (gateway(1), PrivateKeySigner::random());
        let registry = Registry(vec![key.address()]);
        let (mut wire, theirs) = wire();
        let known = || workers.all().first().map_or(0, |peer| peer.offer().models.len());
        let worker = async {
            let mut served = Vec::new();
            for models in offers {
                if served.is_empty() {
                    greet(&mut wire, key.address(), &key, &workers, models.clone()).await;
                } else {
                    let (models, generating) = (models.clone(), models.clone());
                    say(&mut wire, ToGateway::Models { models, generating }).await;
                }
                // What answers this was read after the models.
                if !say(&mut wire, ToGateway::NeedContribution { contribution: ContributionId(1) }).await {
                    return served;
                }
                loop {
                    let Some(Ok(frame)) = wire.next().await else { return served };
                    if let Ok(Frame::Message(ToWorker::ContributionMissing { .. })) = Frame::decode(&frame) {
                        break;
                    }
                }
                served.push(known());
            }
            drop(wire);
            served
        };
        tokio::join!(worker, workers.serve(theirs, Arc::new(registry)))
    }

    #[tokio::test]
    async fn what_a_worker_serves_changes_within_bounds() {
        let (served, ended) = offering(&[ids(MAX_MODELS), ids(3), ids(0), ids(MAX_MODELS)]).await;
        assert_eq!(served, [MAX_MODELS, 3, 0, MAX_MODELS]);
        ended.expect("it kept to the rules");
        for (offers, good) in [(vec![ids(MAX_MODELS + 1)], 0), (vec![ids(1), ids(MAX_MODELS + 1)], 1)] {
            let (served, ended) = offering(&offers).await;
            assert_eq!(served.len(), good);
            assert!(matches!(ended, Err(WireError::Rules(rule)) if rule.contains("more models")), "{good}");
        }
    }

    #[tokio::test]
    async fn an_address_is_proved() {
        let (mine, other) = (PrivateKeySigner::random(), PrivateKeySigner::random());
        let registry = Arc::new(Registry(vec![mine.address(), other.address()]));
        let (here, elsewhere) = (gateway(4), Workers { gateway: Address::repeat_byte(9), ..gateway(4) });
        for (worker, of, taken) in [(&mine, &here, true), (&other, &here, false), (&mine, &elsewhere, false)] {
            let (mut wire, theirs) = wire();
            let greeting = async {
                greet(&mut wire, worker.address(), &mine, of, ids(1)).await;
                say(&mut wire, ToGateway::NeedContribution { contribution: ContributionId(1) }).await;
                let answered = wire.next().await.is_some();
                drop(wire);
                answered
            };
            let (answered, ended) = tokio::join!(greeting, here.serve(theirs, registry.clone()));
            assert_eq!(answered, taken);
            assert_eq!(ended.is_ok(), taken, "{ended:?}");
        }
        // Nothing is told or taken before the proof, and not for ever.
        let (mut wire, theirs) = wire();
        let (worker, generating) = (mine.address(), Vec::new());
        say(&mut wire, ToGateway::Hello { protocol: PROTOCOL, worker, models: ids(1), slots: 1, generating }).await;
        say(&mut wire, ToGateway::NeedContribution { contribution: ContributionId(1) }).await;
        let ended = here.serve(theirs, registry.clone()).await;
        assert!(matches!(ended, Err(WireError::Rules(rule)) if rule.contains("no proof")), "{ended:?}");
        assert_eq!(here.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_greet_or_register_is_left() {
        let key = PrivateKeySigner::random();
        let workers = gateway(1);
        let (wire_of_none, theirs) = wire();
        let ended = workers.serve(theirs, Arc::new(Registry(Vec::new()))).await;
        assert!(matches!(ended, Err(WireError::Rules(rule)) if rule.contains("too long")), "{ended:?}");
        drop(wire_of_none);

        let begun = tokio::time::Instant::now();
        let (mut wire, theirs) = wire();
        let greeting = greet(&mut wire, key.address(), &key, &workers, ids(1));
        let ((), ended) = tokio::join!(greeting, workers.serve(theirs, Arc::new(Registry(Vec::new()))));
        assert!(matches!(ended, Err(WireError::NotTaken(why)) if why.contains("registered")), "{ended:?}");
        assert!((REGISTRATION..REGISTRATION * 2).contains(&begun.elapsed()));
    }

    #[tokio::test]
    async fn a_registered_worker_gets_the_place_of_one_that_is_not() {
        let keys: Vec<_> = (0..3).map(|_| PrivateKeySigner::random()).collect();
        let registry = Arc::new(Registry(keys[1..].iter().map(PrivateKeySigner::address).collect()));
        let workers = Arc::new(gateway(1));
        let connect = |key: &PrivateKeySigner| {
            let (mut wire, theirs) = wire();
            let (serving, registry, of) = (workers.clone(), registry.clone(), workers.clone());
            let serving = tokio::spawn(async move { serving.serve(theirs, registry).await });
            let key = key.clone();
            async move {
                greet(&mut wire, key.address(), &key, &of, ids(1)).await;
                (wire, serving)
            }
        };
        let listed = |worker: Address| {
            let workers = workers.clone();
            async move {
                while !workers.all().iter().any(|peer| peer.worker == worker) {
                    tokio::task::yield_now().await;
                }
            }
        };
        let (_idle, ended) = connect(&keys[0]).await;
        listed(keys[0].address()).await;
        // Another that is not registered does not get it, a registered one does, and keeps it.
        let (_more, refused) = connect(&PrivateKeySigner::random()).await;
        assert!(matches!(refused.await.unwrap(), Err(WireError::NotTaken(_))));
        let (_wire, serving) = connect(&keys[1]).await;
        listed(keys[1].address()).await;
        assert!(matches!(ended.await.unwrap(), Err(WireError::NotTaken(_))));
        let (_late, refused) = connect(&keys[2]).await;
        assert!(matches!(refused.await.unwrap(), Err(WireError::NotTaken(_))));
        assert_eq!(workers.count(), 1);
        serving.abort();
    }
}

//! The only module that names a commonware type: Simplex consensus, its block store ("marshal") and
//! authenticated peer-to-peer transport, behind the small [`Application`] trait.
//!
//! The runtime owns its threads and blocks the thread that starts it, so it lives on a thread of its
//! own. One validator and many run the same code: with one, every quorum is met by its own vote.
//!
//! Pacing. A leader with nothing to propose waits inside `propose`, which Simplex allows up to the
//! leader timeout; the application answers within the heartbeat and the leader timeout is set above
//! it. So an idle chain makes one block per heartbeat and no nullifications, and a transaction ends
//! the wait at once.

mod codec;
#[cfg(test)]
mod double_sign;
mod keys;
mod schemes;
mod witness;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::{Arc, mpsc as sync_mpsc},
    thread::JoinHandle,
    time::Duration,
};

use alloy_primitives::{B256, Bytes};
use codec::{Digest, Wire, digest};
use commonware_actor::Feedback;
use commonware_broadcast::buffered;
use commonware_consensus::{
    Application as MarshalApplication, Reporter, Reporters,
    marshal::{
        self, Update,
        ancestry::Ancestry,
        core::Actor as MarshalActor,
        resolver::p2p as resolver,
        standard::{Inline, Standard},
    },
    simplex::{
        self, ForwardPolicy, SkipBudget, SkipPolicy, elector::RoundRobin, scheme::secp256r1::Scheme as VoteScheme,
        types::Context as SimplexContext,
    },
    types::{Epoch, Epocher as _, FixedEpocher, ViewDelta},
};
use commonware_cryptography::{
    ChaCha20Poly1305, Digested, Sha256, Signer as _,
    certificate::{Scheme as _, Verifier as _},
    ed25519, secp256r1,
};
use commonware_p2p::{
    Address as PeerAddress, AddressableManager as _, AddressableTrackedPeers, Ingress, Receiver as _, Recipients,
    Sender as _,
    authenticated::lookup,
    max_message_size,
    utils::mux::{self, Builder as _, Muxer},
};
use commonware_parallel::Sequential;
use commonware_runtime::{
    Handle, Quota, Runner as _, Spawner as _, Storage as _, Supervisor as _, buffer::paged::CacheRef, tokio as runtime,
};
use commonware_storage::{archive::prunable, translator::TwoCap};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{
    Acknowledgement as _, Hostname, NZDuration, NZU16, NZU32, NZU64, NZUsize, TryCollect as _,
    ordered::{BiMap, Map},
    union,
    vec::NonEmptyVec,
};
use futures::StreamExt as _;
use schemes::Schemes;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, error, info, warn};
use witness::Witness;

use crate::block::Block;
use crate::committee::Committee;
use crate::config::{NetworkAddress, ValidatorKeys};
use crate::error::ChainError;
use crate::evidence::DoubleSign;

pub(crate) use keys::{public, sign_registration};

type PublicKey = ed25519::PublicKey;
type Scheme = VoteScheme<PublicKey>;
type Context = SimplexContext<Digest, PublicKey>;

/// Messages an actor's mailbox holds before commonware's own overflow policy applies.
const MAILBOX: NonZeroUsize = NZUsize!(1024);
/// Finalized blocks handed to the application before the first is acknowledged.
const MAX_PENDING_ACKS: NonZeroUsize = NZUsize!(16);
/// Ancestors an application is asked to execute at once; further behind, it waits for finalization.
const MAX_PATH: usize = 64;
/// The largest transaction that is passed on to peers; the mempool's own limit is below it.
const MAX_GOSSIP_BYTES: usize = 256 * 1024;

/// What a chain does with consensus. Every method may be called for blocks that lose.
pub(crate) trait Application: Clone + Send + Sync + 'static {
    /// Whether the state after this block is at hand, so that the walk over ancestors can stop.
    fn knows(&self, hash: B256) -> bool;

    /// Builds a child of `path[0]`. `path` leads back from the parent to the first known block.
    /// Waits for work, at most for the heartbeat. `None` gives the turn away.
    fn propose(&self, path: Vec<Block>) -> impl Future<Output = Option<Block>> + Send;

    /// Judges a block whose parent is `path[0]`. `false` is final, so what may still change waits.
    fn verify(&self, block: Block, path: Vec<Block>) -> impl Future<Output = bool> + Send;

    /// Applies a finalized block durably. Called in order, on a thread of its own, at least once per
    /// block. An error stops the chain.
    fn finalized(&self, block: Block) -> Result<(), ChainError>;

    /// Waits until a block of at least this number is applied.
    fn applied(&self, number: u64) -> impl Future<Output = ()> + Send;

    /// Who votes in the epoch that begins after block `after`. Asked only when that block is applied.
    fn committee(&self, after: u64) -> Result<Committee, ChainError>;

    /// A transaction from a peer; bad ones are dropped.
    fn transaction(&self, raw: Bytes);

    /// A validator signed two conflicting votes. May come again.
    fn double_sign(&self, evidence: DoubleSign);
}

/// What consensus needs to run.
pub(crate) struct Settings {
    pub(crate) directory: PathBuf,
    /// Separates networks: part of every handshake.
    pub(crate) network_id: B256,
    /// Separates networks: part of every vote.
    pub(crate) votes_id: B256,
    pub(crate) keys: ValidatorKeys,
    /// The last block that the application has applied.
    pub(crate) tip: u64,
    pub(crate) epochs: Epochs,
    pub(crate) listen: SocketAddr,
    /// The longest that `propose` waits.
    pub(crate) heartbeat: Duration,
    pub(crate) genesis: Block,
}

/// How long the voters stay the same.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Epochs {
    /// For ever. This node must be one of them.
    Fixed { validators: usize },
    /// For so many blocks; then the application is asked again. A node that is not one of them follows.
    Elected { blocks: u64, seats: u32, candidates: u32 },
}

impl Epochs {
    fn blocks(self) -> u64 {
        match self {
            Self::Fixed { .. } => u64::MAX >> 1,
            Self::Elected { blocks, .. } => blocks,
        }
    }

    /// The epoch that begins right after a block, if one does.
    fn begins_after(self, number: u64) -> Option<Epoch> {
        let next = number.checked_add(1)?;
        next.is_multiple_of(self.blocks()).then(|| Epoch::new(next / self.blocks()))
    }

    /// The last block before an epoch.
    fn before(self, epoch: Epoch) -> u64 {
        (epoch.get() * self.blocks()).saturating_sub(1)
    }

    /// The most that may vote, and the most that may connect: the contract's own bounds, where it decides.
    fn most(self) -> (u32, usize) {
        match self {
            Self::Fixed { validators } => {
                (u32::try_from(validators).expect("a validator set is far below 2^32"), validators)
            }
            Self::Elected { seats, candidates, .. } => (seats, seats as usize + candidates as usize),
        }
    }
}

/// A running consensus thread.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ChainError>>>,
}

impl Running {
    /// Asks the thread to stop. Idempotent; does not wait.
    pub(crate) fn signal(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A closed receiver means that the thread has already ended.
            let _ = stop.send(());
        }
    }

    /// Stops and waits for the thread. Blocks, so call it from a blocking context.
    pub(crate) fn join(mut self) -> Result<(), ChainError> {
        self.signal();
        match self.thread.take() {
            None => Ok(()),
            Some(thread) => {
                thread.join().unwrap_or_else(|panic| Err(ChainError::Consensus { reason: panic_text(&*panic) }))
            }
        }
    }
}

/// Starts consensus and returns when its actors run.
///
/// `ended` turns to the reason when consensus stops by itself. `gossip` yields transactions to pass on.
pub(crate) async fn start<A: Application>(
    settings: Settings,
    application: A,
    gossip: mpsc::Receiver<Bytes>,
    ended: watch::Sender<Option<String>>,
) -> Result<Running, ChainError> {
    let prepared = Prepared::new(settings, &application)?;
    let (stop_tx, stop_rx) = oneshot::channel();
    let (ready_tx, ready_rx) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("fonte-consensus".into())
        .spawn(move || {
            let outcome =
                std::panic::catch_unwind(AssertUnwindSafe(|| run(prepared, application, gossip, stop_rx, ready_tx)));
            let outcome = outcome.unwrap_or_else(|panic| Err(ChainError::Consensus { reason: panic_text(&*panic) }));
            if let Err(error) = &outcome {
                error!(%error, "consensus ended");
                ended.send_replace(Some(error.to_string()));
            }
            outcome
        })
        .map_err(|source| ChainError::Io { what: "start the consensus thread", source })?;
    let mut running = Running { stop: Some(stop_tx), thread: Some(thread) };
    if ready_rx.await.is_ok() {
        return Ok(running);
    }
    // The thread ended before its actors ran: join it for the reason (it has finished, or is about to).
    let thread = running.thread.take().expect("the thread was set just above");
    match tokio::task::spawn_blocking(move || thread.join()).await {
        Ok(Ok(Err(error))) => Err(error),
        Ok(Err(panic)) => Err(ChainError::Consensus { reason: panic_text(&*panic) }),
        Ok(Ok(Ok(()))) | Err(_) => {
            Err(ChainError::Consensus { reason: "the consensus thread ended while starting".into() })
        }
    }
}

/// Settings with the keys decoded and the present set checked, so that `run` cannot fail on them.
struct Prepared {
    settings: Settings,
    signer: ed25519::PrivateKey,
    voter: Voter,
    schemes: Schemes,
    first: Opening,
}

impl Prepared {
    fn new(settings: Settings, application: &impl Application) -> Result<Self, ChainError> {
        let signer = keys::network(settings.keys.network_secret())?;
        let voter = Voter {
            namespace: votes_namespace(settings.votes_id),
            vote: keys::vote(settings.keys.vote_secret())?,
            epochs: settings.epochs,
        };
        let schemes = Schemes::default();
        let present = settings.tip.saturating_add(1) / settings.epochs.blocks();
        for epoch in present.saturating_sub(schemes::EPOCHS_BACK)..present {
            let epoch = Epoch::new(epoch);
            let past = voter.opening(epoch, &application.committee(settings.epochs.before(epoch))?)?;
            schemes.insert(epoch, &past.scheme);
        }
        let present = Epoch::new(present);
        let first = voter.opening(present, &application.committee(settings.epochs.before(present))?)?;
        if matches!(settings.epochs, Epochs::Fixed { .. })
            && (first.scheme.me().is_none() || first.validators.position(&signer.public_key()).is_none())
        {
            return Err(ChainError::NotAValidator);
        }
        Ok(Self { settings, signer, voter, schemes, first })
    }
}

/// What turns a committee into an epoch of consensus.
#[derive(Clone)]
struct Voter {
    namespace: Vec<u8>,
    vote: secp256r1::standard::PrivateKey,
    epochs: Epochs,
}

/// An epoch that can be entered.
struct Opening {
    epoch: Epoch,
    parent: Digest,
    /// Signs if this node has a seat, else only verifies.
    scheme: Scheme,
    /// The vote key behind each network key.
    voters: Arc<BTreeMap<PublicKey, [u8; 33]>>,
    validators: Map<PublicKey, PeerAddress>,
    followers: Map<PublicKey, PeerAddress>,
}

impl Voter {
    fn opening(&self, epoch: Epoch, committee: &Committee) -> Result<Opening, ChainError> {
        let mut seen = BTreeSet::new();
        let mut validators = Vec::with_capacity(committee.validators.len());
        let mut pairs = Vec::with_capacity(committee.validators.len());
        let mut voters = BTreeMap::new();
        for validator in &committee.validators {
            let network = keys::network_public(&validator.keys.network)?;
            let voter = keys::vote_public(&validator.keys.vote)?;
            if !seen.insert(validator.keys.network.to_vec()) || !seen.insert(validator.keys.vote.to_vec()) {
                return Err(ChainError::DuplicateValidator);
            }
            validators.push((network.clone(), peer_address(&validator.address)));
            voters.insert(network.clone(), validator.keys.vote);
            pairs.push((network, voter));
        }
        let mut followers = Vec::with_capacity(committee.followers.len());
        for follower in &committee.followers {
            followers.push((keys::network_public(&follower.keys.network)?, peer_address(&follower.address)));
        }
        let pairs: BiMap<PublicKey, secp256r1::standard::PublicKey> =
            pairs.into_iter().try_collect().map_err(|_| ChainError::DuplicateValidator)?;
        Ok(Opening {
            epoch,
            parent: digest(committee.parent),
            scheme: Scheme::signer(&self.namespace, pairs.clone(), self.vote.clone())
                .unwrap_or_else(|| Scheme::verifier(&self.namespace, pairs)),
            voters: Arc::new(voters),
            validators: validators.into_iter().try_collect().map_err(|_| ChainError::DuplicateValidator)?,
            followers: followers.into_iter().try_collect().map_err(|_| ChainError::DuplicateValidator)?,
        })
    }
}

/// How a peer is dialled. Where it connects from does not matter: the handshake says who it is.
fn peer_address(address: &NetworkAddress) -> PeerAddress {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    match address {
        NetworkAddress::Socket(address) => PeerAddress::Symmetric(*address),
        // What is no name cannot be dialled; its owner may dial.
        NetworkAddress::Name { host, port } => match Hostname::new(host.as_str()) {
            Ok(host) => PeerAddress::Asymmetric { ingress: Ingress::Dns { host, port: *port }, egress: nowhere },
            Err(_) => PeerAddress::Symmetric(nowhere),
        },
    }
}

/// What votes are signed under. The contract `Validators` builds the same bytes (`docs/spec/validators.md`).
fn votes_namespace(network_id: B256) -> Vec<u8> {
    namespace(network_id, b"consensus")
}

fn namespace(network_id: B256, use_: &[u8]) -> Vec<u8> {
    union(&union(b"fonte-", network_id.as_slice()), use_)
}

fn run<A: Application>(
    prepared: Prepared,
    application: A,
    gossip: mpsc::Receiver<Bytes>,
    stop: oneshot::Receiver<()>,
    ready: oneshot::Sender<()>,
) -> Result<(), ChainError> {
    // Bounded by MAX_PENDING_ACKS: marshal holds further blocks back until the first is acknowledged.
    let (deliver, delivered) = sync_mpsc::channel();
    let (failed_tx, failed_rx) = oneshot::channel();
    // Bounded by the epochs that the blocks of MAX_PENDING_ACKS can end.
    let (open, openings) = mpsc::unbounded_channel();
    let finalizer = {
        let application = application.clone();
        let voter = prepared.voter.clone();
        std::thread::Builder::new()
            .name("fonte-finalizer".into())
            .spawn(move || finalize(application, voter, delivered, open, failed_tx))
            .map_err(|source| ChainError::Io { what: "start the finalizer thread", source })?
    };
    let config =
        runtime::Config::new().with_storage_directory(prepared.settings.directory.clone()).with_worker_threads(2);
    let outcome = runtime::Runner::new(config).start(async |context| {
        serve(context, prepared, application, gossip, stop, ready, deliver, openings, failed_rx).await
    });
    // The runtime is gone and with it the sender, so the finalizer drains its queue and ends.
    finalizer.join().map_err(|panic| ChainError::Consensus { reason: panic_text(&*panic) })?;
    outcome
}

type Delivery = (Block, commonware_utils::acknowledgement::Exact);

/// Applies finalized blocks in order and acknowledges each only once it is durable. After the last block of an epoch it
/// reads who votes in the next.
fn finalize<A: Application>(
    application: A,
    voter: Voter,
    blocks: sync_mpsc::Receiver<Delivery>,
    open: mpsc::UnboundedSender<Opening>,
    failed: oneshot::Sender<ChainError>,
) {
    for (block, ack) in blocks {
        let number = block.number();
        let applied = application.finalized(block).and_then(|()| {
            let next = voter.epochs.begins_after(number);
            next.map(|epoch| voter.opening(epoch, &application.committee(number)?)).transpose()
        });
        match applied {
            Ok(next) => {
                if let Some(next) = next {
                    // The receiver is gone only when consensus is already stopping.
                    let _ = open.send(next);
                }
                ack.acknowledge();
            }
            Err(error) => {
                error!(number, %error, "a finalized block could not be applied");
                // As above.
                let _ = failed.send(error);
                return;
            }
        }
    }
}

#[allow(clippy::too_many_arguments)]
async fn serve<A: Application>(
    context: runtime::Context,
    prepared: Prepared,
    application: A,
    gossip: mpsc::Receiver<Bytes>,
    stop: oneshot::Receiver<()>,
    ready: oneshot::Sender<()>,
    deliver: sync_mpsc::Sender<Delivery>,
    mut openings: mpsc::UnboundedReceiver<Opening>,
    failed: oneshot::Receiver<ChainError>,
) -> Result<(), ChainError> {
    let Prepared { settings, signer, voter: _, schemes, first } = prepared;
    let me = signer.public_key();
    let (count, peers) = settings.epochs.most();
    let limit = NonZeroUsize::MIN.saturating_add(peers);
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer,
            synchrony_bound: Duration::from_secs(5),
            max_handshake_age: Duration::from_secs(10),
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let largest = max_message_size(&[
        mux::prefixed(simplex::max_payload_size::<Scheme, Digest>(count)),
        marshal::max_payload_size::<Standard<Wire>, Scheme>(count, &()),
        MAX_GOSSIP_BYTES,
    ]);
    let mut network_config = lookup::Config {
        // The handshake says who it is, wherever it comes from: a name has no address to compare with.
        bypass_ip_check: true,
        // Networks stand on one machine, or behind one address, too.
        allow_private_ips: true,
        allowed_handshake_rate_per_ip: Quota::per_second(NZU32!(16)),
        // Who starts again is needed at once.
        peer_connection_cooldown: Duration::from_secs(1),
        dial_frequency: Duration::from_millis(500),
        ping_frequency: Duration::from_secs(5),
        ..lookup::Config::recommended(
            handshake,
            &namespace(settings.network_id, b"p2p"),
            settings.listen,
            limit,
            largest,
            MAILBOX,
        )
    };
    // Every channel's mailbox has room for a burst of each peer of each remembered set, taken at the start: where the
    // contract allows many, bursts are smaller and one set before the present is remembered.
    let burst = match settings.epochs {
        Epochs::Fixed { .. } => NZU32!(2_000),
        Epochs::Elected { .. } => {
            network_config.tracked_peer_sets = NZUsize!(2);
            NZU32!(500)
        }
    };
    let (mut network, mut oracle) = lookup::Network::new(context.child("network"), network_config);
    let quota = Quota::per_second(burst);
    let votes = network.register(0, quota);
    let certificates = network.register(1, quota);
    let resolutions = network.register(2, quota);
    let broadcasts = network.register(3, quota);
    let backfill = network.register(4, quota);
    let transactions = network.register(5, Quota::per_second(burst.saturating_mul(NZU32!(2))));

    let cache = CacheRef::new(NZU16!(4096), NZUsize!(8192));
    let resolver = resolver::init(
        context.child("resolver"),
        resolver::Config {
            public_key: me.clone(),
            peer_provider: oracle.clone(),
            blocker: oracle.clone(),
            mailbox_size: MAILBOX,
            fetch_timeout: NZDuration!(Duration::from_secs(1)),
            fetch_retry_delay: Duration::from_millis(50),
            priority_requests: false,
            priority_responses: false,
        },
        backfill,
    );
    let (buffer, buffer_mailbox) = buffered::Engine::new(
        context.child("buffer"),
        buffered::Config {
            public_key: me,
            mailbox_size: MAILBOX,
            deque_size: 16,
            priority: true,
            codec_config: (),
            peer_provider: oracle.clone(),
            strategy: Sequential,
        },
    );
    let certificate_codec = Scheme::certificate_codec_config_unbounded();
    let finalizations = prunable::Archive::init(
        context.child("finalizations"),
        archive("finalizations", cache.clone(), certificate_codec),
    )
    .await
    .map_err(|error| storage_error("finalizations", &error))?;
    let blocks = prunable::Archive::init(context.child("blocks"), archive("blocks", cache.clone(), ()))
        .await
        .map_err(|error| storage_error("blocks", &error))?;

    schemes.insert(first.epoch, &first.scheme);
    let genesis = Wire(settings.genesis);
    let genesis_digest = digest(genesis.0.hash());
    let epocher = FixedEpocher::new(settings.epochs.blocks().try_into().expect("checked with the configuration"));
    let (marshal_actor, marshal_mailbox, _) = MarshalActor::init(
        context.child("marshal"),
        finalizations,
        blocks,
        marshal::Config {
            provider: schemes.clone(),
            epocher: epocher.clone(),
            start: marshal::Start::Genesis(Digested::precomputed(genesis, genesis_digest)),
            partition_prefix: "marshal".into(),
            mailbox_size: MAILBOX,
            view_retention: ViewDelta::new(100),
            prunable_items_per_section: NZU64!(1024),
            page_cache: cache.clone(),
            replay_buffer: NZUsize!(1 << 20),
            key_write_buffer: NZUsize!(1 << 20),
            value_write_buffer: NZUsize!(1 << 20),
            block_codec_config: (),
            max_repair: NZUsize!(32),
            max_pending_acks: MAX_PENDING_ACKS,
            strategy: Sequential,
        },
    )
    .await;
    let inline =
        Inline::new(context.child("inline"), Adapter(application.clone()), marshal_mailbox.clone(), epocher.clone());
    let marshal = marshal_actor.start(Sink(deliver), buffer_mailbox, resolver);
    let buffer = buffer.start(broadcasts);
    let leader_timeout = settings.heartbeat + Duration::from_secs(2);
    let certification_timeout = leader_timeout + Duration::from_secs(2);
    // Each epoch has its own channels, so that votes of one are never taken for votes of another.
    let (votes, mut vote_channels, mut ahead) =
        Muxer::builder(context.child("votes"), votes.0, votes.1).with_backup().build();
    let (certificates, mut certificate_channels) =
        Muxer::builder(context.child("certificates"), certificates.0, certificates.1).build();
    let (resolutions, mut resolution_channels) =
        Muxer::builder(context.child("resolutions"), resolutions.0, resolutions.1).build();
    let muxers = [votes.start(), certificates.start(), resolutions.start()];
    let witnessing = application.clone();
    let epochs = context.child("epochs").spawn(move |context| async move {
        let mut opening = first;
        loop {
            let Opening { epoch, parent, scheme, voters, validators, followers } = opening;
            info!(%epoch, validators = validators.len(), votes = scheme.me().is_some(), "an epoch of consensus begins");
            oracle.track(epoch.get(), AddressableTrackedPeers::new(validators, followers));
            let witness = Witness::new(witnessing.clone(), scheme.clone(), voters, context.child("witness"));
            let engine = simplex::Engine::new(
                context.child("engine").with_attribute("epoch", epoch),
                simplex::Config {
                    scheme,
                    elector: RoundRobin::<Sha256>::default(),
                    blocker: oracle.clone(),
                    automaton: inline.clone(),
                    relay: inline.clone(),
                    reporter: Reporters::from((inline.clone(), witness)),
                    partition: partition(epoch),
                    mailbox_size: MAILBOX,
                    epoch,
                    floor: simplex::Floor::Genesis(parent),
                    replay_buffer: NZUsize!(1 << 20),
                    write_buffer: NZUsize!(1 << 20),
                    leader_timeout,
                    certification_timeout,
                    timeout_retry: Duration::from_secs(5),
                    fetch_timeout: NZDuration!(Duration::from_secs(1)),
                    fetch_retry_delay: Duration::from_millis(50),
                    view_retention: ViewDelta::new(100),
                    // A leader that has not been heard of for this long loses its turn at once, so that a
                    // dead validator costs its leader timeout once and not every round.
                    skip: SkipPolicy::Enabled {
                        timeout: certification_timeout.max(Duration::from_secs(5)) + Duration::from_secs(1),
                        budget: SkipBudget::Participants,
                    },
                    page_cache: cache.clone(),
                    strategy: Sequential,
                    forward: ForwardPolicy::Disabled,
                    track_historical_votes: false,
                },
            );
            let channel = epoch.get();
            let (Ok(votes), Ok(certificates), Ok(resolutions)) = (
                vote_channels.register(channel).await,
                certificate_channels.register(channel).await,
                resolution_channels.register(channel).await,
            ) else {
                return "the network ended".to_owned();
            };
            let mut engine = engine.start(votes, certificates, resolutions);
            opening = loop {
                tokio::select! {
                    Some(next) = openings.recv() => {
                        // Delivery is at least once: what has begun does not begin again.
                        if next.epoch > epoch {
                            break next;
                        }
                    }
                    Some((theirs, (peer, _))) = ahead.recv() => {
                        // Somebody votes in a later epoch: this node lacks the end of its own.
                        if theirs > channel
                            && let Some(last) = epocher.last(epoch)
                        {
                            debug!(%epoch, theirs, "behind a peer: asking it for the end of the epoch");
                            marshal_mailbox.hint_finalized(last, NonEmptyVec::new(peer));
                        }
                    }
                    outcome = &mut engine => return format!("consensus ended by itself in epoch {epoch}: {outcome:?}"),
                }
            };
            // After its last block an epoch only repeats that block. Who lacks it asks marshal.
            engine.abort();
            let _ = engine.await;
            // Nor are its votes needed any more: its last block is applied, so no start enters it again.
            if let Err(error) = context.remove(&partition(epoch), None).await {
                debug!(%epoch, %error, "the votes of an ended epoch stay on disk");
            }
            schemes.insert(opening.epoch, &opening.scheme);
        }
    });
    let (mut gossip_out, mut gossip_in) = transactions;
    let outbound = context.child("gossip_out").spawn(move |_| async move {
        let mut gossip = gossip;
        while let Some(raw) = gossip.recv().await {
            if raw.len() <= MAX_GOSSIP_BYTES {
                // Best effort: a peer that misses it gets the transaction in a block.
                let _ = gossip_out.send(Recipients::All, raw.0, false);
            }
        }
        // Nobody submits any more: wait to be stopped.
        std::future::pending::<()>().await;
    });
    let inbound = context.child("gossip_in").spawn(move |_| async move {
        while let Ok((peer, raw)) = gossip_in.recv().await {
            let raw: bytes::Bytes = raw.into();
            debug!(%peer, bytes = raw.len(), "transaction from a peer");
            // Recovering who sent it and finding it a place takes too long for a thread that votes. One at a time: what
            // comes faster is held back, and then dropped, by the channel.
            let application = application.clone();
            let admitted = tokio::task::spawn_blocking(move || application.transaction(raw.into()));
            if let Err(error) = admitted.await {
                warn!(%peer, %error, "taking in a transaction failed");
            }
        }
        std::future::pending::<()>().await;
    });
    let network = network.start();
    // Nobody may be waiting any more, when the caller gave up starting.
    let _ = ready.send(());

    let actors = Handle::select([buffer, marshal, network, outbound, inbound]);
    let muxers = Handle::select(muxers);
    tokio::select! {
        // Also taken when the owner dropped its side without a word.
        _ = stop => Ok(()),
        Ok(error) = failed => Err(error),
        outcome = epochs => Err(ChainError::Consensus {
            reason: outcome.unwrap_or_else(|error| format!("the epochs ended by themselves: {error:?}")),
        }),
        outcome = muxers => Err(ChainError::Consensus { reason: format!("a multiplexer ended by itself: {outcome:?}") }),
        outcome = actors => Err(ChainError::Consensus {
            reason: format!("an actor ended by itself: {outcome:?}"),
        }),
    }
}

/// Where an epoch's votes are kept.
fn partition(epoch: Epoch) -> String {
    if epoch.is_zero() { "consensus".into() } else { format!("consensus-{epoch}") }
}

fn archive<C>(name: &str, page_cache: CacheRef, codec_config: C) -> prunable::Config<TwoCap, C> {
    prunable::Config {
        translator: TwoCap,
        metadata_partition: format!("{name}-metadata"),
        key_partition: format!("{name}-key"),
        key_page_cache: page_cache,
        value_partition: format!("{name}-value"),
        compression: None,
        codec_config,
        items_per_section: NZU64!(1024),
        key_write_buffer: NZUsize!(1 << 20),
        value_write_buffer: NZUsize!(1 << 20),
        replay_buffer: NZUsize!(1 << 20),
    }
}

fn storage_error(what: &str, error: &dyn std::fmt::Display) -> ChainError {
    ChainError::Consensus { reason: format!("cannot open the consensus archive `{what}`: {error}") }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}

/// Hands finalized blocks to the finalizer thread.
#[derive(Clone)]
struct Sink(sync_mpsc::Sender<Delivery>);

impl Reporter for Sink {
    type Activity = Update<Wire>;

    fn report(&mut self, update: Self::Activity) -> Feedback {
        if let Update::Block(block, ack) = update
            && self.0.send((block.inner().0.clone(), ack)).is_err()
        {
            warn!("a finalized block arrived after the finalizer had ended");
            return Feedback::Closed;
        }
        Feedback::Ok
    }
}

/// [`Application`] as marshal calls it.
#[derive(Clone)]
struct Adapter<A>(A);

impl<A: Application> Adapter<A> {
    /// The blocks from the stream's next one back to the first whose state is known.
    /// `None` when the stream ends first or the path is too long.
    async fn path(&self, ancestry: &mut impl Ancestry<Wire>) -> Option<Vec<Block>> {
        let mut path = Vec::new();
        loop {
            let block = ancestry.next().await?.inner().0.clone();
            let known = self.0.knows(block.hash());
            path.push(block);
            if known {
                return Some(path);
            }
            if path.len() > MAX_PATH {
                return None;
            }
        }
    }
}

impl<E: Send + Sync + 'static, A: Application> MarshalApplication<E> for Adapter<A> {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = Wire;
    type Input = ();

    async fn propose(&mut self, _: (E, Context), mut ancestry: impl Ancestry<Wire>, _: ()) -> Option<Digested<Wire>> {
        let path = self.path(&mut ancestry).await?;
        let block = self.0.propose(path).await?;
        let digest = digest(block.hash());
        Some(Digested::precomputed(Wire(block), digest))
    }

    async fn verify(&mut self, _: (E, Context), ancestry: impl Ancestry<Wire>) -> bool {
        loop {
            let mut walk = ancestry.clone();
            let Some(block) = walk.next().await else {
                return false;
            };
            let block = block.inner().0.clone();
            if let Some(path) = self.path(&mut walk).await {
                return self.0.verify(block, path).await;
            }
            // Too far behind to execute on: finalized blocks arrive in order and close the gap.
            let Some(target) = block.number().checked_sub(MAX_PATH as u64 / 2) else {
                return false;
            };
            self.0.applied(target).await;
        }
    }
}

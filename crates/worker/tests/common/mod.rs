//! A world for tests: documents as a gateway holds them, a chain in memory, and a gateway that follows a script.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod engine;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256};
use alloy_signer_local::PrivateKeySigner;
use fonte_attribution::IndexError;
use fonte_bindings::{
    Catalogue, ContributionRecord, Contributions, DatanetRecord, ModelRecord,
    client::{ContributionStatus, ModelRefusal, Policy, ReviewRule},
};
use fonte_corpus::{Document, ImportOptions, Store, import::OnBadFile};
use fonte_types::{
    ContributionId, DatanetId, DatanetVersion, ModelId, Network, Version, Visibility,
    bundle::{BUNDLE_VERSION, ReceiptBundle, SaltedText, Terms, run_leaves},
    conversation::{Role, Turn},
    fees::{Prices, Splits},
    generation::GenerationRecord,
    ids::Membership,
    log_probs::LogProbs,
    metadata::Metadata,
    receipt::{Countersignature, greeting_digest, recover, request_id, sign},
    wire::{Asked, Frame, Job, MAX_FRAME, PART, PROTOCOL, Refusal, SignedAnswer, ToGateway, ToWorker},
};
use fonte_worker::{Config, Ledger, LibraryError, Reading, ServeError, Worker};
use futures::{SinkExt, StreamExt};
use tokio::{io::DuplexStream, task::JoinHandle};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

/// The model of every test.
pub const MODEL: ModelId = ModelId(1);

/// What a test waits for at most.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn demo_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo")
}

pub fn network() -> Network {
    Network {
        chain_id: 36683,
        network_id: B256::repeat_byte(7),
        settlement: Address::repeat_byte(4),
        datanets: Address::repeat_byte(2),
    }
}

pub fn terms() -> Terms {
    Terms {
        splits: Splits { protocol: 50_000, worker: 300_000, developer: 50_000, data: 600_000 },
        prices: Prices { input: 1_000_000_000, output: 4_000_000_000 },
    }
}

/// The chain.
#[derive(Default)]
struct State {
    block: u64,
    datanets: Vec<DatanetRecord>,
    contributions: Vec<ContributionRecord>,
    models: Vec<ModelRecord>,
}

pub struct MemoryLedger(Mutex<State>);

impl Ledger for MemoryLedger {
    fn catalogue(&self, _: Option<Catalogue>) -> Reading<'_, Catalogue> {
        let state = self.0.lock().unwrap();
        let catalogue = Catalogue::new(state.block, state.datanets.clone(), state.models.clone());
        Box::pin(async { Ok(catalogue) })
    }

    fn contributions(&self, _: Option<Contributions>) -> Reading<'_, Contributions> {
        let state = self.0.lock().unwrap();
        let contributions = Contributions::new(state.block, state.contributions.clone());
        Box::pin(async { Ok(contributions) })
    }
}

/// Documents, chain and keys.
pub struct World {
    pub folder: tempfile::TempDir,
    pub ledger: Arc<MemoryLedger>,
    pub store: Store,
    pub gateway: PrivateKeySigner,
    pub payer: Address,
    /// Paths of the demo corpus by contribution and document.
    pub paths: BTreeMap<(ContributionId, u32), String>,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = ModelRecord {
            id: MODEL,
            name: "fonte-quote".into(),
            artifact: B256::repeat_byte(9),
            adapter: B256::ZERO,
            developer: Address::repeat_byte(5),
            terms: terms(),
            datanets: Vec::new(),
            trained: Vec::new(),
            max_staleness: 64,
            refusal: None,
        };
        let state = State { block: 1, models: vec![model], ..State::default() };
        Self {
            store: Store::open(&folder.path().join("gateway")).unwrap(),
            ledger: Arc::new(MemoryLedger(Mutex::new(state))),
            gateway: PrivateKeySigner::random(),
            payer: Address::repeat_byte(6),
            paths: BTreeMap::new(),
            folder,
        }
    }

    /// The whole demo corpus, committed in its order, in datanets 1 to 3.
    pub fn demo() -> Self {
        let mut world = Self::new();
        let names = ["coffee", "health", "rivers"].map(|name| (name, world.datanet(|_| {})));
        let order: serde_json::Value =
            serde_json::from_slice(&std::fs::read(demo_folder().join("order.json")).unwrap()).unwrap();
        for folder in order["order"].as_array().unwrap() {
            let folder = folder.as_str().unwrap();
            let datanet = names.iter().find(|(name, _)| folder.starts_with(name)).unwrap().1;
            let report =
                fonte_corpus::import_folder(&demo_folder().join(folder), ImportOptions::default(), OnBadFile::Refuse)
                    .unwrap();
            let id = world.contribute(datanet, &report.documents);
            for (index, document) in (0..).zip(&report.documents) {
                world.paths.insert((id, index), format!("{folder}/{}", document.path));
            }
        }
        world
    }

    fn chain<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.ledger.0.lock().unwrap();
        state.block += 1;
        change(&mut state)
    }

    /// Changes how many versions behind the model may answer from.
    pub fn max_staleness(&self, versions: u32) {
        self.chain(|state| state.models[0].max_staleness = versions);
    }

    /// Says what the model was trained on.
    pub fn train(&self, datanets: &[DatanetId]) {
        self.chain(|state| state.models[0].trained = datanets.to_vec());
    }

    /// Gives the model weights: the hashes of its base and of its adapter, zero without one.
    pub fn weights(&self, base: B256, adapter: B256) {
        self.chain(|state| (state.models[0].artifact, state.models[0].adapter) = (base, adapter));
    }

    /// Registers another model with weights, under the terms of the first.
    pub fn register_weights(&self, base: B256, adapter: B256) -> ModelId {
        self.chain(|state| {
            let id = ModelId(state.models.len() as u32 + 1);
            let name = format!("model-{id}");
            let record = ModelRecord { id, name, artifact: base, adapter, ..state.models[0].clone() };
            state.models.push(record);
            id
        })
    }

    /// Stops the model, or lets it go on.
    pub fn refuse(&self, refusal: Option<ModelRefusal>) {
        self.chain(|state| state.models[0].refusal = refusal);
    }

    pub fn datanet(&self, change: impl FnOnce(&mut Policy)) -> DatanetId {
        let mut policy = Policy::permissive("CC-BY-4.0", ReviewRule::Open);
        change(&mut policy);
        self.chain(|state| {
            let id = DatanetId(state.datanets.len() as u32 + 1);
            state.datanets.push(DatanetRecord {
                id,
                name: format!("net-{id}"),
                curator: Address::ZERO,
                version: Version(0),
                policy,
            });
            id
        })
    }

    /// Publishes documents; they are members from the next version on.
    pub fn contribute(&self, datanet: DatanetId, documents: &[Document]) -> ContributionId {
        let mut draft = self.store.begin("somebody").unwrap();
        for document in documents {
            draft.add(document).unwrap();
        }
        let sealed = self.store.seal(draft).unwrap();
        self.register(datanet, sealed.root, sealed.documents, sealed.text_bytes)
    }

    pub fn register(&self, datanet: DatanetId, root: B256, documents: u32, text_bytes: u64) -> ContributionId {
        self.chain(|state| {
            let version = &mut state.datanets[datanet.0 as usize - 1].version;
            version.0 += 1;
            let added = *version;
            let id = ContributionId(state.contributions.len() as u64 + 1);
            state.contributions.push(ContributionRecord {
                id,
                status: ContributionStatus::Accepted,
                root,
                documents,
                text_bytes,
                membership: Membership { datanet, added, withdrawn: None },
                contributor: Address::repeat_byte(id.0 as u8),
                payee: Address::repeat_byte(id.0 as u8),
            });
            id
        })
    }

    pub fn withdraw(&self, id: ContributionId) {
        self.chain(|state| {
            let record = state.contributions.iter_mut().find(|record| record.id == id).unwrap();
            let version = &mut state.datanets[record.membership.datanet.0 as usize - 1].version;
            version.0 += 1;
            record.membership.withdrawn = Some(*version);
            record.status = ContributionStatus::Withdrawn;
        });
    }

    /// The latest versions on chain.
    pub fn versions(&self) -> Vec<DatanetVersion> {
        let state = self.ledger.0.lock().unwrap();
        let version = |record: &DatanetRecord| DatanetVersion { datanet: record.id, version: record.version };
        state.datanets.iter().map(version).filter(|version| version.version != Version(0)).collect()
    }

    pub fn root_of(&self, id: ContributionId) -> B256 {
        self.ledger.0.lock().unwrap().contributions[id.0 as usize - 1].root
    }

    pub fn config(&self) -> Config {
        let mut config = Config::quote(self.folder.path().join("worker"), network(), PrivateKeySigner::random(), MODEL);
        config.commons = None;
        config.poll = Duration::from_millis(5);
        config.retry = Duration::from_millis(20);
        config.clock = Arc::new(|| 1_700_000_000);
        config
    }

    /// Whatever a worker before it still writes in the background ends first: one that was dropped lets go of its files only then.
    pub fn worker(&self) -> Worker {
        let began = Instant::now();
        loop {
            match Worker::open(self.config(), self.ledger.clone()) {
                Err(LibraryError::Index(IndexError::Locked { .. })) if began.elapsed() < Duration::from_secs(30) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                opened => return opened.unwrap(),
            }
        }
    }

    pub fn job(&self, number: u64, question: &str) -> Job {
        let nonce = number + 1000;
        Job {
            job: number,
            request_id: request_id(self.payer, self.gateway.address(), nonce),
            payer: self.payer,
            nonce,
            model: MODEL,
            terms: terms(),
            datanets: self.versions().iter().map(|version| version.datanet).collect(),
            prompt: SaltedText { text: format!("user: {question}"), salt: B256::repeat_byte(1) },
            question: question.into(),
            answer_salt: B256::repeat_byte(2),
            max_output_tokens: 1000,
            seed: 0,
            visibility: Visibility::Open,
            asked: Asked::default(),
        }
    }

    /// A job for a model with weights: the question is its one turn.
    pub fn chat_job(&self, number: u64, question: &str) -> Job {
        let mut job = self.job(number, question);
        job.asked.turns = vec![Turn { role: Role::User, text: question.into() }];
        job
    }

    /// What the gateway makes of an answer: everything in one file, countersigned.
    pub fn bundle(&self, job: &Job, answered: &Answered) -> ReceiptBundle {
        let answer = &answered.answer;
        let id = answer.receipt.id(&network());
        let countersignature = Countersignature {
            receipt: id,
            answer_root: answer.receipt.answer_root,
            fee: answer.receipt.fee,
            countersigned_at: 1_700_000_001,
        };
        ReceiptBundle {
            format: BUNDLE_VERSION,
            id,
            network: network(),
            model_name: "fonte-quote".into(),
            terms: job.terms,
            signed_words: answer.receipt.words(),
            receipt: answer.receipt.clone(),
            worker_signature: answer.signature.clone(),
            countersignature,
            gateway_signature: sign(&self.gateway, countersignature.digest(&network())).unwrap(),
            prompt: job.prompt.clone(),
            answer: SaltedText { text: answered.text.clone(), salt: job.answer_salt },
            run_leaves: run_leaves(&answer.runs),
            runs: answer.runs.clone(),
            other_channels: answer.other_channels,
            cited: answer.cited.clone(),
            log_probs: answered.log_probs.clone(),
            generation_words: answer.told.generation.as_deref().map(GenerationRecord::words).unwrap_or_default(),
            generation: answer.told.generation.clone(),
        }
    }
}

pub fn document(title: &str, language: &str, text: &str) -> Document {
    let metadata = Metadata { title: title.into(), language: language.into(), ..Metadata::default() };
    Document { path: format!("{title}.md"), metadata, text: fonte_corpus::clean(text) }
}

/// An answer as the gateway has it at the end.
#[derive(Clone, Debug)]
pub struct Answered {
    pub text: String,
    /// The log-probabilities of all pieces.
    pub log_probs: Option<LogProbs>,
    /// As they came: a text, and how many tokens were told with it.
    pub pieces: Vec<(String, usize)>,
    pub answer: SignedAnswer,
}

/// The gateway's end of one connection.
pub struct Gateway {
    framed: Framed<DuplexStream, LengthDelimitedCodec>,
    serving: JoinHandle<Result<(), ServeError>>,
    bundles: BTreeMap<ContributionId, Option<Vec<u8>>>,
    pub adopted: Vec<DatanetVersion>,
    /// What it serves, as it last said.
    pub models: Vec<ModelId>,
    pub asked_for: Vec<ContributionId>,
    next: u64,
}

fn framed(stream: DuplexStream) -> Framed<DuplexStream, LengthDelimitedCodec> {
    Framed::new(stream, LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec())
}

impl Gateway {
    /// Connects without a greeting.
    pub fn raw(worker: &Worker) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let worker = worker.clone();
        Self {
            framed: framed(ours),
            serving: tokio::spawn(async move { worker.serve(theirs).await }),
            bundles: BTreeMap::new(),
            adopted: Vec::new(),
            models: Vec::new(),
            asked_for: Vec::new(),
            next: 0,
        }
    }

    /// Connects and greets.
    pub async fn connect(worker: &Worker, world: &World) -> Self {
        let mut gateway = Self::raw(worker);
        match gateway.receive().await.unwrap() {
            ToGateway::Hello { protocol: PROTOCOL, worker: address, models, .. } if address == worker.address() => {
                gateway.models = models;
            }
            other => panic!("unexpected: {other:?}"),
        }
        let (address, nonce) = (world.gateway.address(), B256::random());
        gateway.send(ToWorker::Hello { protocol: PROTOCOL, network: network(), gateway: address, nonce }).await;
        match gateway.receive().await.unwrap() {
            ToGateway::Proof { signature } => {
                assert_eq!(recover(&signature, greeting_digest(address, nonce, &network())), Ok(worker.address()));
            }
            other => panic!("unexpected: {other:?}"),
        }
        gateway
    }

    /// Sends these bytes for a contribution, or says that it is missing.
    pub fn instead(&mut self, id: ContributionId, bytes: Option<Vec<u8>>) {
        self.bundles.insert(id, bytes);
    }

    pub async fn send(&mut self, message: ToWorker) {
        self.frame(Frame::Message(message)).await;
    }

    pub async fn frame(&mut self, frame: Frame<ToWorker>) {
        self.try_frame(frame).await.unwrap();
    }

    pub async fn try_frame(&mut self, frame: Frame<ToWorker>) -> std::io::Result<()> {
        self.framed.send(bytes::Bytes::from(frame.encode().unwrap())).await
    }

    pub async fn bytes(&mut self, bytes: &[u8]) {
        self.framed.send(bytes).await.unwrap();
    }

    /// The next message of any kind; `None` when the worker hung up.
    pub async fn receive(&mut self) -> Option<ToGateway> {
        let frame = tokio::time::timeout(PATIENCE, self.framed.next()).await.expect("the worker is silent")?;
        match Frame::decode(&frame.unwrap()).unwrap() {
            Frame::Message(message) => Some(message),
            Frame::Part(..) => panic!("a worker sends no parts"),
        }
    }

    /// The next message about a job; what else the worker wants is done on the way.
    pub async fn next(&mut self, world: &World) -> ToGateway {
        loop {
            if let Some(about_a_job) = self.step(world).await {
                return about_a_job;
            }
        }
    }

    /// Takes a message, does what it wants, and gives it back where it is about a job or an order.
    async fn step(&mut self, world: &World) -> Option<ToGateway> {
        match self.receive().await.expect("the worker hung up") {
            ToGateway::Adopted { versions } => self.adopted = versions,
            ToGateway::Models { models, .. } => self.models = models,
            ToGateway::Engine(_) => {}
            ToGateway::NeedContribution { contribution } => self.serve(contribution, world).await,
            other => return Some(other),
        }
        None
    }

    /// Does what the worker wants until this holds.
    pub async fn until(&mut self, world: &World, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            if let Some(other) = self.step(world).await {
                panic!("unexpected: {other:?}");
            }
        }
    }

    async fn serve(&mut self, contribution: ContributionId, world: &World) {
        self.asked_for.push(contribution);
        let bytes = match self.bundles.get(&contribution) {
            Some(instead) => instead.clone(),
            None => {
                let bundle = world.store.bundle(world.root_of(contribution)).unwrap();
                Some(std::fs::read(bundle.path()).unwrap())
            }
        };
        let Some(bytes) = bytes else { return self.send(ToWorker::ContributionMissing { contribution }).await };
        for part in bytes.chunks(PART) {
            self.frame(Frame::Part(contribution, part.to_vec())).await;
        }
        self.send(ToWorker::ContributionEnd { contribution, bytes: bytes.len() as u64 }).await;
    }

    /// Serves the worker until it has adopted exactly these versions.
    pub async fn until_adopted(&mut self, versions: &[DatanetVersion], world: &World) {
        self.until(world, |gateway| gateway.adopted == versions).await;
    }

    /// Serves the worker until it has asked for a contribution so many times.
    pub async fn until_asked(&mut self, id: ContributionId, times: usize, world: &World) {
        let asked = |gateway: &Self| gateway.asked_for.iter().filter(|asked| **asked == id).count();
        self.until(world, |gateway| asked(gateway) >= times).await;
    }

    pub async fn ask(&mut self, world: &World, question: &str) -> Answered {
        self.next += 1;
        let job = world.job(self.next, question);
        self.run(world, job).await.unwrap_or_else(|refusal| panic!("{question}: {refusal:?}"))
    }

    /// Runs one job to its end.
    pub async fn run(&mut self, world: &World, job: Job) -> Result<Answered, Refusal> {
        let number = job.job;
        self.next = self.next.max(number);
        self.send(ToWorker::Job(Box::new(job))).await;
        let (mut text, mut pieces, mut tokens) = (String::new(), Vec::new(), Vec::new());
        loop {
            match self.next(world).await {
                ToGateway::Delta { job, text: piece, log_probs } if job == number => {
                    text.push_str(&piece);
                    pieces.push((piece, log_probs.len()));
                    tokens.extend(log_probs);
                }
                ToGateway::Done { job, answer } if job == number => {
                    let log_probs = (!tokens.is_empty()).then_some(LogProbs { tokens });
                    return Ok(Answered { text, log_probs, pieces, answer: *answer });
                }
                ToGateway::Refused { job, refusal } if job == number => return Err(refusal),
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// Hangs up and returns how the worker's side ended.
    pub async fn close(self) -> Result<(), ServeError> {
        drop(self.framed);
        tokio::time::timeout(PATIENCE, self.serving).await.expect("the worker does not hang up").unwrap()
    }

    /// Waits until the worker hangs up by itself.
    pub async fn ended(mut self) -> ServeError {
        let end = tokio::time::timeout(PATIENCE, &mut self.serving).await.expect("the worker does not hang up");
        end.unwrap().expect_err("the worker hung up without a reason")
    }
}

/// Contributions that an answer credits.
pub fn credited(answer: &SignedAnswer) -> BTreeSet<ContributionId> {
    answer.receipt.shares.as_slice().iter().map(|share| share.contribution).collect()
}

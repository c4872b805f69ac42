//! The other end of the wire: a peer that quotes the beginning of a document, and lies where a test tells it to.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::B256;
use alloy_signer_local::PrivateKeySigner;
use bytes::Bytes;
use fonte_corpus::{Store, bundle::Bundle};
use fonte_gateway::GatewayHandle;
use fonte_types::{
    AnswerReceipt, ContributionId, DatanetVersion, EngineClass, ModelId,
    bundle::{CitedContribution, CitedDocument},
    evidence::{Evidence, OtherChannels, Run, Source},
    log_probs::{LogProbs, TokenLogProb},
    merkle::CommittedText,
    receipt::{greeting_digest, sign},
    shares::Shares,
    wire::{Frame, Job, MAX_FRAME, PROTOCOL, Refusal, RefusalCode, SignedAnswer, ToGateway, ToWorker, Told},
};
use futures::{SinkExt, StreamExt};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::net::{Net, PATIENCE};

impl Answer {
    /// Has the receipt commit to log-probabilities, whatever is streamed.
    pub fn commit(&mut self, log_probs: &[TokenLogProb]) {
        self.other_channels.context = LogProbs { tokens: log_probs.to_vec() }.commitment();
        let evidence = Evidence::new(self.runs.clone(), self.text.len() as u32).unwrap();
        self.receipt.evidence_hash = evidence.hash(&self.other_channels);
    }
}

/// What a peer does with an answer before it is signed and sent.
pub type Tamper = Arc<dyn Fn(&Job, &mut Answer) + Send + Sync>;

/// An answer in the making.
pub struct Answer {
    pub text: String,
    pub receipt: AnswerReceipt,
    pub runs: Vec<Run>,
    pub cited: Vec<CitedContribution>,
    /// Streamed instead of `text`.
    pub streamed: Option<String>,
    /// Streamed with the second half of the text.
    pub log_probs: Vec<TokenLogProb>,
    pub other_channels: OtherChannels,
    /// Instead of answering.
    pub refuse: Option<RefusalCode>,
    /// Never ends.
    pub hang: bool,
    /// Closes the connection instead of ending.
    pub leave: bool,
    /// Signs instead of the worker's key.
    pub signer: PrivateKeySigner,
}

pub struct Peer {
    pub key: PrivateKeySigner,
    pub cancelled: tokio::sync::watch::Receiver<u64>,
    pub jobs: tokio::sync::watch::Receiver<u64>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn honest() -> Tamper {
    Arc::new(|_, _| ())
}

impl Peer {
    /// Connects, fetches the contributions, checks them against the chain, adopts the datanets' latest versions.
    pub async fn connect(net: &Net, gateway: &GatewayHandle, contributions: &[ContributionId], tamper: Tamper) -> Self {
        let key = PrivateKeySigner::random();
        net.register_worker(&key, 2, *b"BR").await;
        Self::connect_as(key, net, gateway, contributions, tamper).await
    }

    /// The same with a key that is registered, or not, by the caller.
    pub async fn connect_as(
        key: PrivateKeySigner,
        net: &Net,
        gateway: &GatewayHandle,
        contributions: &[ContributionId],
        tamper: Tamper,
    ) -> Self {
        let mut framed = greet(&key, net, gateway).await;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut held: BTreeMap<ContributionId, (Arc<Bundle>, CitedContribution)> = BTreeMap::new();
        let mut versions: BTreeMap<_, DatanetVersion> = BTreeMap::new();
        for id in contributions {
            let record = net.client.contribution(*id).await.unwrap().unwrap();
            let bytes = fetch(&mut framed, *id).await.expect("the gateway hosts it");
            let bundle = store.receive(record.root, bytes.as_slice()).unwrap();
            let cited = CitedContribution {
                contribution: *id,
                root: record.root,
                membership: record.membership,
                contributor: record.contributor,
                payee: record.payee,
                // The gateway asks the chain.
                curator: Default::default(),
                curator_ppm: 0,
                documents: Vec::new(),
            };
            held.insert(*id, (bundle, cited));
            let version = net.version(record.membership.datanet).await;
            versions.insert(version.datanet, version);
        }
        let versions: Vec<_> = versions.into_values().collect();
        send(&mut framed, ToGateway::Adopted { versions: versions.clone() }).await;
        // What is answered to this was read after the adoption.
        assert_eq!(fetch(&mut framed, ContributionId(u64::MAX)).await, None);
        let (count, cancelled) = tokio::sync::watch::channel(0);
        let (started, jobs) = tokio::sync::watch::channel(0);
        let (network, signer, model) = (*net.client.network(), key.clone(), net.model);
        let gateway_address = gateway.gateway();
        let task = tokio::spawn(async move {
            let _folder = folder;
            while let Some(frame) = next(&mut framed).await {
                match frame {
                    Frame::Message(ToWorker::Cancel { .. }) => count.send_modify(|count| *count += 1),
                    Frame::Message(ToWorker::Job(job)) => {
                        started.send_modify(|count| *count += 1);
                        let mut answer = write(&job, &held, &versions, &signer, model, gateway_address);
                        tamper(&job, &mut answer);
                        if answer.hang {
                            continue;
                        }
                        if let Some(code) = answer.refuse {
                            let refusal = Refusal { code, message: "the test says so".into(), datanet: None };
                            send(&mut framed, ToGateway::Refused { job: job.job, refusal }).await;
                            continue;
                        }
                        let streamed = answer.streamed.clone().unwrap_or(answer.text);
                        let half = streamed.floor_char_boundary(streamed.len() / 2);
                        for (piece, log_probs) in [(&streamed[..half], vec![]), (&streamed[half..], answer.log_probs)] {
                            send(&mut framed, ToGateway::Delta { job: job.job, text: piece.into(), log_probs }).await;
                        }
                        if answer.leave {
                            return;
                        }
                        let signature = sign(&answer.signer, answer.receipt.id(&network)).unwrap();
                        let signed = SignedAnswer {
                            receipt: answer.receipt,
                            signature,
                            runs: answer.runs,
                            other_channels: answer.other_channels,
                            cited: answer.cited,
                            told: Told::default(),
                        };
                        send(&mut framed, ToGateway::Done { job: job.job, answer: Box::new(signed) }).await;
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        Self { key, cancelled, jobs, task }
    }
}

/// What a gateway sends a worker that needs a contribution; none: it has nothing for it.
pub async fn needed(key: &PrivateKeySigner, net: &Net, gateway: &GatewayHandle, id: ContributionId) -> Option<Vec<u8>> {
    let mut framed = greet(key, net, gateway).await;
    fetch(&mut framed, id).await
}

/// Connects, and shows that the key is its own.
async fn greet(key: &PrivateKeySigner, net: &Net, gateway: &GatewayHandle) -> Wire {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    gateway.attach_worker(theirs);
    let mut framed = Framed::new(ours, codec());
    let (worker, models) = (key.address(), vec![net.model]);
    let hello = ToGateway::Hello { protocol: PROTOCOL, worker, models, slots: 2, generating: Vec::new() };
    send(&mut framed, hello).await;
    match next(&mut framed).await {
        Some(Frame::Message(ToWorker::Hello { network, nonce, gateway, .. })) => {
            assert_eq!(network, *net.client.network());
            let signature = sign(key, greeting_digest(gateway, nonce, &network)).unwrap();
            send(&mut framed, ToGateway::Proof { signature }).await;
        }
        other => panic!("no hello but {other:?}"),
    }
    framed
}

async fn fetch(framed: &mut Wire, id: ContributionId) -> Option<Vec<u8>> {
    send(framed, ToGateway::NeedContribution { contribution: id }).await;
    let mut bytes = Vec::new();
    loop {
        match next(framed).await {
            Some(Frame::Part(part_of, part)) => {
                assert_eq!(part_of, id);
                bytes.extend(part);
            }
            Some(Frame::Message(ToWorker::ContributionEnd { contribution, bytes: sent })) => {
                assert_eq!((contribution, sent), (id, bytes.len() as u64));
                return Some(bytes);
            }
            Some(Frame::Message(ToWorker::ContributionMissing { contribution })) => {
                assert_eq!(contribution, id);
                return None;
            }
            other => panic!("{other:?}"),
        }
    }
}

type Wire = Framed<tokio::io::DuplexStream, LengthDelimitedCodec>;

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec()
}

async fn send(framed: &mut Wire, message: ToGateway) {
    // The gateway may have closed the connection: the test sees that elsewhere.
    let _ = framed.send(Bytes::from(Frame::Message(message).encode().unwrap())).await;
}

async fn next(framed: &mut Wire) -> Option<Frame<ToWorker>> {
    let frame = tokio::time::timeout(PATIENCE, framed.next()).await.ok()??.ok()?;
    Some(Frame::decode(&frame).unwrap())
}

/// Quotes the first 80 bytes of the first document of each contribution, the second one after a blank line.
fn write(
    job: &Job,
    held: &BTreeMap<ContributionId, (Arc<Bundle>, CitedContribution)>,
    versions: &[DatanetVersion],
    signer: &PrivateKeySigner,
    model: ModelId,
    gateway: alloy_primitives::Address,
) -> Answer {
    let (mut text, mut runs, mut cited) = (String::new(), Vec::new(), Vec::new());
    for (id, (bundle, contribution)) in held {
        if !job.datanets.contains(&contribution.membership.datanet) {
            continue;
        }
        if !text.is_empty() {
            let start = text.len() as u32;
            text.push_str("\n\n");
            runs.push(Run::nobody(start, text.len() as u32));
        }
        let document = bundle.document(0).unwrap().document;
        let quote = &document.text[..document.text.floor_char_boundary(80)];
        let start = text.len() as u32;
        text.push_str(quote);
        let end = text.len() as u32;
        runs.push(Run::witnessed(start, end, Source::Contribution(*id), 0, start, end, 0));
        let mut contribution = contribution.clone();
        contribution.documents.push(CitedDocument {
            metadata: document.metadata.clone(),
            opening: bundle.open_range(0, 0..quote.len()).unwrap(),
        });
        cited.push(contribution);
    }
    let evidence = Evidence::new(runs.clone(), text.len() as u32).unwrap();
    let prompt = CommittedText::prompt(job.prompt.text.as_bytes(), job.prompt.salt).unwrap();
    let (input_tokens, output_tokens) = (job.prompt.text.len().div_ceil(4) as u32, text.len().div_ceil(4) as u32);
    let receipt = AnswerReceipt {
        request_id: job.request_id,
        payer: job.payer,
        gateway,
        nonce: job.nonce,
        worker: signer.address(),
        model,
        model_hash: B256::ZERO,
        adapter_hash: B256::ZERO,
        engine_class: EngineClass::Exact,
        visibility: job.visibility,
        versions: versions.iter().filter(|v| job.datanets.contains(&v.datanet)).copied().collect(),
        prompt_root: prompt.commitment(),
        answer_root: CommittedText::answer(text.as_bytes(), job.answer_salt).unwrap().commitment(),
        answer_bytes: text.len() as u32,
        input_tokens,
        output_tokens,
        seed: job.seed,
        fee: job.terms.prices.fee(input_tokens, output_tokens).unwrap(),
        method_version: 1,
        shares: Shares::from_evidence(&evidence),
        evidence_hash: evidence.hash(&OtherChannels::default()),
        issued_at: std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(),
    };
    Answer {
        text,
        receipt,
        runs,
        cited,
        streamed: None,
        log_probs: Vec::new(),
        other_channels: OtherChannels::default(),
        refuse: None,
        hang: false,
        leave: false,
        signer: signer.clone(),
    }
}

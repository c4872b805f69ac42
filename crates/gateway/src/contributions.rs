//! Contributions of people who have only a key: the gateway pays the gas of commit, reveal and withdrawal, and hosts
//! the texts.
//!
//! A bundle is stored before its reveal is relayed, and only if its texts hash up to its root: nothing is ever
//! registered whose text is lost. Everything can be asked for twice with the same outcome.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::{SolCall, SolEvent};
use fonte_bindings::{client::ContributionStatus, contracts::Datanets as Contract, convert, genesis::COMMONS_NAME};
use fonte_corpus::{Store as Texts, bundle::Bundle, store::StoreError as TextsError};
use fonte_types::{ContributionId, DatanetId, Version, receipt::ContributionTerms};
use futures::StreamExt;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

use crate::{
    answer::unix_now,
    app::App,
    chain::{Call, ChainError, ContributionFacts},
    error::{ApiError, chain_of},
    http::Pace,
    store::{RelayedCommit, Store, StoreError, Upload},
};

/// A commitment with fewer blocks than this until it expires is committed anew.
const MIN_BLOCKS_LEFT: u64 = 20;

/// Reveals per transaction: far below a block's gas.
const REVEALS: usize = 16;

/// A commitment to relay.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct CommitItem {
    /// What [`ContributionTerms::commitment`] says.
    pub commitment: B256,
}

/// A commitment on chain.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Committed {
    /// The commitment.
    pub commitment: B256,
    /// The id that the chain drew.
    pub id: ContributionId,
    /// Last block of a reveal.
    pub reveal_by: u64,
    /// Block of the commit; null where someone else relayed it.
    pub block: Option<u64>,
    /// Transaction of the commit.
    pub tx: Option<B256>,
}

/// A reveal to relay.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RevealItem {
    /// The id that the commit drew.
    pub id: ContributionId,
    /// What was committed.
    pub terms: ContributionTerms,
    /// Who signed.
    pub contributor: Address,
    /// Signature over [`ContributionTerms::digest`].
    pub signature: Bytes,
}

/// How one reveal ended.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Revealed {
    /// The contribution.
    pub id: ContributionId,
    /// Whether it is registered.
    pub ok: bool,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<ContributionStatus>,
    /// First version that holds it, 0 while it waits for the curator.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub added: Option<Version>,
    /// The transaction; null where it was registered before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tx: Option<B256>,
    /// Its block.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub block: Option<u64>,
    /// Why it is not registered, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// An accepted upload.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Uploaded {
    /// The id it was sent for.
    pub id: ContributionId,
    /// Its root: every text hashes up to it.
    pub root: B256,
    /// Documents.
    pub documents: u32,
    /// Bytes of text.
    pub text_bytes: u64,
}

/// A withdrawal to relay.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct WithdrawRequest {
    /// Unix seconds after which the signature is void.
    pub deadline: u64,
    /// Signature over [`fonte_types::receipt::withdrawal_digest`].
    pub signature: Bytes,
}

/// Texts, and how many bytes of them wait for their reveal.
pub(crate) struct Hosted {
    pub(crate) texts: Arc<Texts>,
    incoming: PathBuf,
    waiting: Arc<Mutex<u64>>,
    /// Uploads of one root take turns: the second finds what the first stored, and is not counted.
    turns: [Mutex<()>; 16],
    /// Building the licence texts takes a second: once is enough.
    commons: tokio::sync::OnceCell<Option<B256>>,
}

impl Hosted {
    pub(crate) fn open(texts: Arc<Texts>, incoming: PathBuf, store: &Store) -> Result<Self, crate::GatewayError> {
        // What a killed upload left.
        match std::fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(crate::GatewayError::DataDir { path: incoming, source: error });
            }
            _ => {}
        }
        std::fs::create_dir_all(&incoming)
            .map_err(|source| crate::GatewayError::DataDir { path: incoming.clone(), source })?;
        let waiting = store.uploads()?.iter().map(|upload| upload.bytes).sum();
        Ok(Self {
            texts,
            incoming,
            waiting: Arc::new(Mutex::new(waiting)),
            turns: Default::default(),
            commons: Default::default(),
        })
    }

    fn turn(&self, root: B256) -> &Mutex<()> {
        &self.turns[usize::from(root[0]) % self.turns.len()]
    }

    /// Notes an upload. From now on its bytes are counted by the row, in the place of an older one.
    fn note(&self, store: &Store, upload: &Upload, counted: Waiting) -> Result<(), StoreError> {
        let mut waiting = self.waiting.lock();
        let replaced = store.upload(upload.root)?;
        store.put_upload(upload)?;
        *waiting = waiting.saturating_sub(replaced.map_or(0, |old| old.bytes));
        drop(waiting);
        counted.keep();
        Ok(())
    }

    /// The bundle of a root waits no more, and is counted no more.
    fn settle(&self, store: &Store, root: B256) -> Result<(), StoreError> {
        let mut waiting = self.waiting.lock();
        if let Some(upload) = store.upload(root)? {
            store.forget_upload(root)?;
            *waiting = waiting.saturating_sub(upload.bytes);
        }
        Ok(())
    }
}

/// Bytes of an upload that count against the limit, until they are settled or let go.
struct Waiting {
    bytes: u64,
    total: Arc<Mutex<u64>>,
}

impl Waiting {
    fn grow(&mut self, by: u64, limit: u64) -> bool {
        let mut total = self.total.lock();
        if total.saturating_add(by) > limit {
            return false;
        }
        *total += by;
        self.bytes += by;
        true
    }

    fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut total = self.total.lock();
        *total = total.saturating_sub(self.bytes);
    }
}

impl crate::workers::Facts for App {
    async fn is_active(&self, worker: Address) -> Option<bool> {
        match self.chain.client.worker(worker).await {
            Ok(record) => Some(record.is_some_and(|record| record.active)),
            Err(error) => {
                tracing::warn!(%worker, %error, "a worker's registration could not be looked up");
                None
            }
        }
    }

    async fn bundle_file(&self, contribution: ContributionId) -> Option<PathBuf> {
        match adoptable_file(self, contribution).await {
            Ok(path) => path,
            Err(error) => {
                tracing::warn!(%contribution, %error, "a worker's contribution could not be looked up");
                None
            }
        }
    }
}

/// The file of a bundle that workers adopt: an accepted contribution of a datanet that may be indexed.
async fn adoptable_file(app: &App, id: ContributionId) -> Result<Option<PathBuf>, ApiError> {
    let Some(fact) = app.chain.contribution(id).await? else { return Ok(None) };
    let directory = app.chain.directory().await?;
    let datanet = directory.datanets.iter().find(|datanet| datanet.id == fact.membership.datanet);
    if fact.status != ContributionStatus::Accepted || !datanet.is_some_and(|datanet| datanet.policy.index) {
        return Ok(None);
    }
    file_of(app, id).await
}

async fn file_of(app: &App, id: ContributionId) -> Result<Option<PathBuf>, ApiError> {
    let Some(fact) = app.chain.contribution(id).await? else {
        return Ok(None);
    };
    if !app.hosted.texts.holds(fact.root) && is_commons(app, fact.membership.datanet).await? {
        let root = app.hosted.commons.get_or_init(|| build_commons(app.hosted.texts.clone())).await;
        if *root != Some(fact.root) {
            return Ok(None);
        }
    }
    match app.hosted.texts.bundle(fact.root) {
        Ok(bundle) => Ok(Some(bundle.path().to_owned())),
        Err(TextsError::NoBundle(_)) => Ok(None),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

async fn is_commons(app: &App, datanet: DatanetId) -> Result<bool, ApiError> {
    let directory = app.chain.directory().await?;
    Ok(directory.datanets.iter().any(|record| record.id == datanet && record.name == COMMONS_NAME))
}

/// Everyone can make the licence texts: they need not be uploaded.
async fn build_commons(texts: Arc<Texts>) -> Option<B256> {
    let built = tokio::task::spawn_blocking(move || fonte_corpus::commons::licences(&texts)).await;
    match built {
        Ok(Ok(bundle)) => Some(bundle.root()),
        Ok(Err(error)) => {
            tracing::error!(%error, "the licence texts could not be stored");
            None
        }
        Err(error) => {
            tracing::error!(%error, "building the licence texts failed");
            None
        }
    }
}

/// Commits, or finds the ids that hold the commitments already.
pub(crate) async fn commit(app: &App, items: &[CommitItem]) -> Result<Vec<Committed>, ApiError> {
    let contract = app.chain.datanets();
    let height = app.chain.client.block_number().await.map_err(ChainError::from)?;
    let mut known: BTreeMap<B256, Committed> = BTreeMap::new();
    let mut fresh = Vec::new();
    for item in items {
        if known.contains_key(&item.commitment) || fresh.contains(&item.commitment) {
            continue;
        }
        let held = app.chain.read("a commitment", contract.commitmentOf(item.commitment).call().await)?;
        let (id, reveal_by) = (ContributionId(held._0), held._1);
        if id.0 != 0 && reveal_by >= height.saturating_add(MIN_BLOCKS_LEFT) {
            let relayed = app.store.commit(id)?;
            known.insert(
                item.commitment,
                Committed {
                    commitment: item.commitment,
                    id,
                    reveal_by,
                    block: relayed.as_ref().map(|commit| commit.block),
                    tx: relayed.map(|commit| commit.tx),
                },
            );
        } else {
            fresh.push(item.commitment);
        }
    }
    if !fresh.is_empty() {
        let receipt = app
            .chain
            .submit(&Call {
                what: "committing contributions",
                to: app.chain.network().datanets,
                value: 0,
                data: Contract::commitBatchCall { commitments: fresh }.abi_encode().into(),
            })
            .await?;
        let (tx, block) = (receipt.transaction_hash, receipt.block_number.unwrap_or_default());
        let mut notes = Vec::new();
        for log in receipt.inner.logs().iter().filter(|log| log.address() == app.chain.network().datanets) {
            let Ok(event) = Contract::Committed::decode_log(&log.inner) else {
                continue;
            };
            let id = ContributionId(event.contribution);
            let commitment = event.commitment;
            notes.push((id, RelayedCommit { commitment, block, tx }));
            let committed = Committed { commitment, id, reveal_by: event.revealBy, block: Some(block), tx: Some(tx) };
            known.insert(commitment, committed);
        }
        app.store.put_commits(&notes)?;
    }
    items
        .iter()
        .map(|item| {
            known.get(&item.commitment).cloned().ok_or_else(|| {
                ApiError::internal(&format!("commitment {} is missing from the chain's events", item.commitment))
            })
        })
        .collect()
}

/// Takes a bundle from the network, and keeps it if every text in it hashes up to its root.
pub(crate) async fn upload(app: &Arc<App>, id: ContributionId, body: axum::body::Body) -> Result<Uploaded, ApiError> {
    let contract = app.chain.datanets();
    let count = app.chain.read("the number of contributions", contract.contributionCount().call().await)?;
    if id.0 == 0 || id.0 > count {
        return Err(ApiError::not_found(
            "contribution_not_found",
            format!("contribution {id} was never committed: commit first"),
        ));
    }
    let limits = &app.config.limits;
    let path = app.hosted.incoming.join(hex::encode(rand::random::<[u8; 16]>()));
    let incoming = RemovedOnDrop(path.clone());
    let mut waiting = Waiting { bytes: 0, total: app.hosted.waiting.clone() };
    let failed = |error: std::io::Error| ApiError::internal(&error);
    let mut file = tokio::fs::File::create(&path).await.map_err(failed)?;
    let mut body = body.into_data_stream();
    let pace = Pace::new(limits.body_timeout);
    loop {
        let piece = tokio::time::timeout_at(pace.until(waiting.bytes), body.next())
            .await
            .map_err(|_| ApiError::timed_out("the upload stalled: send it again"))?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|error| ApiError::malformed(format!("the upload broke off: {error}")))?;
        if waiting.bytes + piece.len() as u64 > limits.bundle {
            return Err(ApiError::too_large(limits.bundle));
        }
        if !waiting.grow(piece.len() as u64, limits.unrevealed) {
            return Err(ApiError::unavailable(
                "storage_full",
                "too many bundles wait for their reveal here: reveal what you sent, or use another gateway",
            ));
        }
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    drop(file);
    // What is stored must be counted: once begun, this ends, whoever stops listening.
    let task = app.clone();
    tokio::task::spawn_blocking(move || store_upload(&task, id, &incoming, waiting))
        .await
        .map_err(|error| ApiError::internal(&error))?
}

/// Stores what was uploaded, if every text in it hashes up to its root. Blocks.
fn store_upload(app: &App, id: ContributionId, file: &RemovedOnDrop, waiting: Waiting) -> Result<Uploaded, ApiError> {
    let refused = |error: &dyn std::error::Error| ApiError::invalid("body", chain_of(error));
    let (hosted, limits) = (&app.hosted, fonte_corpus::bundle::BundleLimits::default());
    let stated = Bundle::open(&file.0, limits).map_err(|error| refused(&error))?;
    let root = stated.root();
    let uploaded = Uploaded { id, root, documents: stated.documents(), text_bytes: stated.text_bytes() };
    let _turn = hosted.turn(root).lock();
    if hosted.texts.holds(root) {
        return Ok(uploaded);
    }
    let bytes = std::fs::File::open(&file.0).map_err(|error| ApiError::internal(&error))?;
    // Noted before it is stored: what a crash leaves is swept like what nobody reveals.
    hosted.note(&app.store, &Upload { root, id, bytes: waiting.bytes, at: unix_now() }, waiting)?;
    if let Err(error) = hosted.texts.receive(root, bytes) {
        hosted.settle(&app.store, root)?;
        return Err(match error {
            TextsError::Bundle(error) => refused(&error),
            other => ApiError::internal(&other),
        });
    }
    Ok(uploaded)
}

struct RemovedOnDrop(PathBuf);

impl Drop for RemovedOnDrop {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Relays reveals. Each item has its own outcome; what is registered already counts as done.
pub(crate) async fn reveal(app: &App, items: Vec<RevealItem>) -> Result<Vec<Revealed>, ApiError> {
    let mut results: BTreeMap<usize, Revealed> = BTreeMap::new();
    let mut ready = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match check_reveal(app, item).await? {
            Check::Done(fact) => {
                note_registered(app, item, &fact).await?;
                results.insert(index, done(&fact, None, None));
            }
            Check::Refused(why) => {
                results.insert(index, refused(item.id, why));
            }
            Check::Ready => ready.push(index),
        }
    }
    for chunk in ready.chunks(REVEALS) {
        let mut chunk = chunk.to_vec();
        if let Err(ChainError::Reverted { .. }) = app.chain.estimate(&reveal_call(app, &items, &chunk)).await {
            // All or none on chain: find out which ones the contract refuses.
            let mut good = Vec::new();
            for index in chunk {
                let item = &items[index];
                match app.chain.estimate(&reveal_call(app, &items, &[index])).await {
                    Ok(_) => good.push(index),
                    Err(ChainError::Reverted { reason, .. }) => {
                        // Someone may have relayed the same reveal in the meantime.
                        let outcome = match check_reveal(app, item).await? {
                            Check::Done(fact) => done(&fact, None, None),
                            _ => refused(item.id, format!("the contract refuses the reveal: {reason}")),
                        };
                        results.insert(index, outcome);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            chunk = good;
        }
        if chunk.is_empty() {
            continue;
        }
        let receipt = app.chain.submit(&reveal_call(app, &items, &chunk)).await?;
        for index in chunk {
            let item = &items[index];
            let outcome = match app.chain.contribution(item.id).await? {
                Some(fact) => {
                    note_registered(app, item, &fact).await?;
                    app.metrics.relayed.increment();
                    done(&fact, Some(receipt.transaction_hash), receipt.block_number)
                }
                None => refused(item.id, "the reveal was included and left no trace".into()),
            };
            results.insert(index, outcome);
        }
    }
    Ok(results.into_values().collect())
}

enum Check {
    Ready,
    Done(ContributionFacts),
    Refused(String),
}

/// All that is asked of a reveal before gas is spent on it.
async fn check_reveal(app: &App, item: &RevealItem) -> Result<Check, ApiError> {
    let terms = &item.terms;
    if let Some(fact) = app.chain.contribution(item.id).await? {
        let same =
            fact.root == terms.root && fact.contributor == item.contributor && fact.membership.datanet == terms.datanet;
        return Ok(if same {
            Check::Done(fact)
        } else {
            Check::Refused(format!("contribution {} was revealed with other contents", item.id))
        });
    }
    let bundle = match app.hosted.texts.bundle(terms.root) {
        Ok(bundle) => bundle,
        Err(TextsError::NoBundle(root)) => {
            return Ok(Check::Refused(format!(
                "no bundle with root {root} is here: send it to /fonte/v1/contributions/{}/bundle first",
                item.id
            )));
        }
        Err(error) => return Err(ApiError::internal(&error)),
    };
    if bundle.documents() != terms.documents || bundle.text_bytes() != terms.text_bytes {
        return Ok(Check::Refused(format!(
            "the bundle holds {} documents and {} bytes, the terms say {} and {}",
            bundle.documents(),
            bundle.text_bytes(),
            terms.documents,
            terms.text_bytes
        )));
    }
    Ok(Check::Ready)
}

fn reveal_call(app: &App, items: &[RevealItem], chosen: &[usize]) -> Call {
    let chosen: Vec<_> = chosen.iter().map(|index| &items[*index]).collect();
    let data = Contract::revealBatchCall {
        ids: chosen.iter().map(|item| item.id.0).collect(),
        openings: chosen.iter().map(|item| convert::reveal(&item.terms, item.contributor)).collect(),
        signatures: chosen.iter().map(|item| item.signature.clone()).collect(),
    };
    Call { what: "revealing contributions", to: app.chain.network().datanets, value: 0, data: data.abi_encode().into() }
}

fn done(fact: &ContributionFacts, tx: Option<B256>, block: Option<u64>) -> Revealed {
    Revealed {
        id: fact.id,
        ok: true,
        status: Some(fact.status),
        added: Some(fact.membership.added),
        tx,
        block,
        error: None,
    }
}

fn refused(id: ContributionId, why: String) -> Revealed {
    Revealed { id, ok: false, status: None, added: None, tx: None, block: None, error: Some(why) }
}

/// The bundle waits no more, and the text store learns what the chain says of it.
async fn note_registered(app: &App, item: &RevealItem, fact: &ContributionFacts) -> Result<(), ApiError> {
    app.hosted.settle(&app.store, item.terms.root)?;
    let directory = app.chain.directory().await?;
    let indexable = directory.datanets.iter().find(|d| d.id == fact.membership.datanet).is_some_and(|d| d.policy.index);
    let Ok(bundle) = app.hosted.texts.bundle(fact.root) else {
        return Ok(());
    };
    let record = fonte_corpus::ContributionRecord {
        id: fact.id,
        root: fact.root,
        membership: fact.membership,
        contributor: fact.contributor,
        payee: fact.payee,
        name: bundle.contributor().to_owned(),
        indexable,
    };
    app.hosted.texts.put_records(&[record]).map_err(|error| ApiError::internal(&error))
}

/// Relays a withdrawal.
pub(crate) async fn withdraw(app: &App, id: ContributionId, request: &WithdrawRequest) -> Result<Revealed, ApiError> {
    let unknown = || ApiError::not_found("contribution_not_found", format!("contribution {id} was not revealed"));
    let fact = app.chain.contribution(id).await?.ok_or_else(unknown)?;
    let (mut tx, mut block) = (None, None);
    if fact.status != ContributionStatus::Withdrawn {
        let call =
            Contract::withdrawForCall { id: id.0, deadline: request.deadline, signature: request.signature.clone() };
        let receipt = app
            .chain
            .submit(&Call {
                what: "withdrawing a contribution",
                to: app.chain.network().datanets,
                value: 0,
                data: call.abi_encode().into(),
            })
            .await?;
        (tx, block) = (Some(receipt.transaction_hash), receipt.block_number);
    }
    let fact = app.chain.contribution(id).await?.ok_or_else(unknown)?;
    if let (Some(withdrawn), true) = (fact.membership.withdrawn, app.hosted.texts.record(id).is_some()) {
        app.hosted.texts.withdraw(id, withdrawn).map_err(|error| ApiError::internal(&error))?;
    }
    Ok(done(&fact, tx, block))
}

/// Deletes bundles that were never revealed, and texts that were withdrawn once no window is open that may need them.
pub(crate) async fn sweep(app: &App) -> Result<(), ApiError> {
    let now = unix_now();
    for upload in app.store.uploads()? {
        if now.saturating_sub(upload.at) < app.config.limits.unrevealed_for.as_secs() {
            continue;
        }
        // Someone else may have revealed it: what is registered is never deleted here.
        let registered = app.chain.contribution(upload.id).await?.is_some_and(|fact| fact.root == upload.root)
            || app.hosted.texts.records().iter().any(|record| record.root == upload.root);
        // Somebody is sending it again: the next sweep looks.
        let Some(_turn) = app.hosted.turn(upload.root).try_lock() else { continue };
        if app.store.upload(upload.root)? != Some(upload) {
            continue;
        }
        if !registered {
            app.hosted.texts.erase(upload.root).map_err(|error| ApiError::internal(&error))?;
        }
        app.hosted.settle(&app.store, upload.root)?;
    }
    if app.store.open_batches()?.is_empty() && app.store.pending(1)?.is_empty() {
        let records = app.hosted.texts.records();
        for record in records.iter().filter(|record| record.membership.withdrawn.is_some()) {
            let shared = records.iter().any(|r| r.root == record.root && r.membership.withdrawn.is_none());
            if !shared && app.hosted.texts.holds(record.root) {
                tracing::info!(contribution = %record.id, "withdrawn texts are erased");
                app.hosted.texts.erase(record.root).map_err(|error| ApiError::internal(&error))?;
            }
        }
    }
    Ok(())
}

/// The file of a bundle that anyone may read: an accepted contribution of a datanet that may be quoted.
pub(crate) async fn public_bundle(app: &App, id: ContributionId) -> Result<PathBuf, ApiError> {
    let unknown = || ApiError::not_found("contribution_not_found", format!("contribution {id} is not hosted here"));
    let fact = app.chain.contribution(id).await?.ok_or_else(unknown)?;
    let directory = app.chain.directory().await?;
    let open = directory
        .datanets
        .iter()
        .any(|datanet| datanet.id == fact.membership.datanet && (datanet.policy.quote || datanet.name == COMMONS_NAME));
    if fact.status != ContributionStatus::Accepted || !open {
        return Err(ApiError::forbidden(
            "not_public",
            format!(
                "the texts of contribution {id} are not open: it is {:?}, or its datanet forbids quoting",
                fact.status
            ),
        ));
    }
    file_of(app, id).await?.ok_or_else(unknown)
}

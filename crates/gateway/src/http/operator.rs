//! Adapters in the workers' memory: who has which, and the operator's orders to load and unload.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::B256;
use axum::{Json, body::Body, extract::State, http::HeaderMap};
use fonte_bindings::ModelRecord;
use fonte_types::{
    DatanetId,
    wire::{EngineReport, Refusal, RefusalCode},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::read_json;
use crate::{
    answer::{self, refused},
    app::App,
    chain::Directory,
    error::{ApiError, presentable},
    names,
    workers::Peer,
};

type SharedApp = State<Arc<App>>;

/// The body of vLLM's calls. An adapter is meant by its content hash, or by a name as requests use it.
#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    lora_name: String,
    /// Where vLLM takes a path, the content hash; both must mean the same adapter.
    #[serde(default)]
    lora_path: Option<String>,
}

impl Order {
    /// What is meant, by a look-up of names; names and hashes must agree.
    pub(crate) fn meant<T: PartialEq>(&self, find: impl Fn(&str) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let named = find(&self.lora_name)?;
        if let Some(path) = &self.lora_path
            && find(path)? != named
        {
            let message = format!("{:?} is not {path:?}: name the adapter once, by its content hash", self.lora_name);
            return Err(ApiError::invalid("lora_path", message));
        }
        Ok(named)
    }
}

/// `POST /v1/load_lora_adapter`: every worker that serves the adapter has it in memory, and keeps it there.
pub(super) async fn load(State(app): SharedApp, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    order(&app, &headers, body, true).await
}

/// `POST /v1/unload_lora_adapter`: no worker keeps it; the next request loads it again.
pub(super) async fn unload(State(app): SharedApp, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    order(&app, &headers, body, false).await
}

async fn order(app: &App, headers: &HeaderMap, body: Body, keep: bool) -> Result<Json<Value>, ApiError> {
    app.operator.check(headers)?;
    let order: Order = read_json(&app.config.limits, body).await?;
    let directory = app.chain.directory().await?;
    let id = order.meant(|named| match answer::find(app, &directory, named)? {
        (model, datanets) if datanets.is_empty() => Ok(model.id),
        _ => Err(names::unknown(named)),
    })?;
    let model = directory.models.iter().find(|model| model.id == id).expect("found in there just now");
    if !model.is_adapter() {
        return Err(ApiError::invalid("lora_name", format!("model {} is no adapter", model.name)));
    }
    let mut peers = app.workers.serving(id);
    if peers.is_empty() && keep {
        // It may have come into a worker's folder a moment ago: who carries out an order looks first.
        peers = app.workers.with_base(model.artifact);
    }
    let nobody = || {
        let message = format!("no connected worker serves adapter {}: start one with --adapters", model.name);
        ApiError::unavailable("no_worker", message)
    };
    if peers.is_empty() {
        return Err(nobody());
    }
    let orders = peers.iter().map(|peer| async { (peer.worker, peer.keep(id, keep).await) });
    let results = futures::future::join_all(orders).await;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let mut first: Option<Refusal> = None;
    for (worker, result) in results {
        match result {
            Ok(()) => done.push(worker),
            Err(refusal) => {
                let message = presentable(&refusal.message);
                failed.push(json!({"worker": worker, "code": refusal.code, "message": message}));
                first = first.or(Some(refusal));
            }
        }
    }
    if let (true, Some(refusal)) = (done.is_empty(), &first) {
        return Err(if refusal.code == RefusalCode::UnknownModel { nobody() } else { refused(refusal) });
    }
    Ok(Json(json!({"model": id, "name": model.name, "adapter": model.adapter, "workers": done, "failed": failed})))
}

/// `GET /fonte/v1/residency`: which worker serves what, and which adapters it has in memory.
pub(super) async fn residency(State(app): SharedApp) -> Result<Json<Value>, ApiError> {
    let directory = app.chain.directory().await?;
    // What a worker tells of that is not on chain says nothing to anybody, and would be as much as it likes.
    let known = Known {
        datanets: directory.datanets.iter().map(|datanet| datanet.id).collect(),
        adapters: directory.models.iter().map(|model| model.adapter).collect(),
    };
    let workers: Vec<Value> = app.workers.all().iter().map(|peer| describe(peer, &directory, &known)).collect();
    Ok(Json(json!({ "workers": workers })))
}

/// What is on chain.
struct Known {
    datanets: BTreeSet<DatanetId>,
    adapters: BTreeSet<B256>,
}

fn describe(peer: &Peer, directory: &Directory, known: &Known) -> Value {
    let engine = peer.engine();
    let offer = peer.offer();
    let resident = engine.iter().flat_map(|engine| &engine.resident);
    let bytes: BTreeMap<B256, u64> = resident.map(|resident| (resident.adapter, resident.bytes)).collect();
    let served: Vec<&ModelRecord> = directory.models.iter().filter(|model| offer.models.contains(&model.id)).collect();
    let models: Vec<Value> = served
        .iter()
        .map(|model| {
            let adapter = model.is_adapter().then_some(model.adapter);
            let bytes = adapter.and_then(|adapter| bytes.get(&adapter));
            json!({
                "model": model.id,
                "name": model.name,
                "adapter": adapter,
                // A base is always there; of what an engine elsewhere holds nothing is known.
                "resident": engine.as_ref().map(|_| adapter.is_none() || bytes.is_some()),
                "bytes": bytes,
            })
        })
        .collect();
    let mut adopted = peer.adopted();
    adopted.retain(|version| known.datanets.contains(&version.datanet));
    let engine = engine.map(|engine| {
        let mut engine = EngineReport::clone(&engine);
        engine.resident.retain(|resident| known.adapters.contains(&resident.adapter));
        engine
    });
    json!({
        "worker": peer.worker, "slots": peer.slots(), "adopted": adopted, "models": models, "engine": engine,
    })
}

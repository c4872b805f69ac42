//! Adapters mirrored into an engine: what the chain lets answer is loaded there, what it stops is unloaded.
//!
//! Only the worker's own configuration says which adapter has which name and path; no request from outside loads
//! anything, and the calls carry the engine's key.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fonte_bindings::ModelRecord;
use fonte_types::ModelId;

use super::client::{Engine, EngineError};

/// The adapters of one engine.
pub struct Adapters {
    engine: Arc<Engine>,
    /// Name and path in the engine, by the number on chain.
    configured: BTreeMap<ModelId, (String, String)>,
    loaded: BTreeSet<ModelId>,
}

impl Adapters {
    /// None yet.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, configured: BTreeMap::new(), loaded: BTreeSet::new() }
    }

    /// Adds one: its number on chain, its name in the engine, and where the engine finds it.
    pub fn add(&mut self, model: ModelId, name: impl Into<String>, path: impl Into<String>) {
        self.configured.insert(model, (name.into(), path.into()));
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.configured.is_empty()
    }

    /// Loads those that may answer and are not loaded, unloads those that may not. Returns what failed; it is tried
    /// again with the next call.
    pub async fn mirror(&mut self, models: &[ModelRecord]) -> Vec<(ModelId, EngineError)> {
        let mut failed = Vec::new();
        for (id, (name, path)) in &self.configured {
            let answers = models.iter().any(|model| model.id == *id && model.refusal.is_none());
            let done = match (answers, self.loaded.contains(id)) {
                (true, false) => self.engine.load_adapter(name, path).await,
                (false, true) => self.engine.unload_adapter(name).await,
                _ => continue,
            };
            match done {
                Ok(()) if answers => {
                    tracing::info!(model = %id, name, "adapter loaded into the engine");
                    self.loaded.insert(*id);
                }
                Ok(()) => {
                    tracing::info!(model = %id, name, "adapter unloaded from the engine");
                    self.loaded.remove(id);
                }
                Err(error) => failed.push((*id, error)),
            }
        }
        failed
    }

    /// Unloads all that were loaded; what fails stays with the engine.
    pub async fn unload_all(&mut self) -> Vec<(ModelId, EngineError)> {
        self.mirror(&[]).await
    }
}

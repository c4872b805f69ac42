//! Datanets and models, read again only when the chain says that they have changed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_provider::Provider;
use alloy_rpc_types_eth::{BlockId, Filter};
use fonte_types::ModelId;
use futures::{StreamExt, TryStreamExt};

use crate::{
    client::{Client, ClientError, DatanetRecord, LOG_BLOCKS, ModelRecord},
    convert,
};

/// How long "nothing has changed" is believed: nodes behind one address need not be at one height.
const BELIEVED: Duration = Duration::from_secs(300);

/// Models that are read at the same time: there may be an adapter for every customer.
const MODELS_AT_ONCE: usize = 16;

/// Every datanet and model as of a block or a later one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The block.
    pub block: u64,
    /// Every datanet. Not read anew, it is the same `Arc`, and no contribution has changed either.
    pub datanets: Arc<Vec<DatanetRecord>>,
    /// Every model with the terms in force.
    pub models: Arc<Vec<ModelRecord>>,
    /// Seconds since 1970 of the next change of a model that no event will tell.
    changes_at: Option<u64>,
    read: Instant,
}

impl Catalogue {
    /// As a chain in a test has it.
    pub fn new(block: u64, datanets: Vec<DatanetRecord>, models: Vec<ModelRecord>) -> Self {
        let (datanets, models) = (Arc::new(datanets), Arc::new(models));
        Self { block, datanets, models, changes_at: None, read: Instant::now() }
    }
}

/// What a catalogue has to be read anew of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Changes {
    datanets: bool,
    models: bool,
}

const ALL: Changes = Changes { datanets: true, models: true };

impl Client {
    /// The catalogue as of the latest block. Of what is known it reads again only what events since then name, and models
    /// where announced terms or a grace have come due: with hundreds of models that is one call per block and not a thousand.
    pub async fn catalogue(&self, known: Option<&Catalogue>) -> Result<Catalogue, ClientError> {
        let latest = self.reading("the latest block", self.provider().get_block(BlockId::latest()).await)?;
        let (block, now) = latest.map_or((0, 0), |block| (block.header.number, block.header.timestamp));
        let changes = match known {
            Some(known) if known.block == block => return Ok(known.clone()),
            Some(known) => self.changes(known, block, now).await,
            None => ALL,
        };
        // Datanets first: a model that is read later may be of a later block, and names no datanet that is not here yet only
        // until the next block.
        let datanets = match known.filter(|_| !changes.datanets) {
            Some(known) => known.datanets.clone(),
            None => Arc::new(self.datanets().await?),
        };
        let (models, changes_at) = match known.filter(|_| !changes.models) {
            Some(known) => (known.models.clone(), known.changes_at),
            None => {
                let (models, changes_at) = self.models_until(now).await?;
                (Arc::new(models), changes_at)
            }
        };
        let read = known.filter(|_| changes != ALL).map_or_else(Instant::now, |known| known.read);
        Ok(Catalogue { block, datanets, models, changes_at, read })
    }

    /// Every registered model.
    pub async fn models(&self) -> Result<Vec<ModelRecord>, ClientError> {
        Ok(self.models_until(0).await?.0)
    }

    /// The same, and when a record changes next without an event, after `now` in seconds since 1970: announced terms come into
    /// force, or the grace of one that was trained on a withdrawn text ends.
    async fn models_until(&self, now: u64) -> Result<(Vec<ModelRecord>, Option<u64>), ClientError> {
        let contract = self.models_contract();
        let count = self.reading("the number of models", contract.modelCount().call().await)?;
        let read = |id| {
            let (model, life, servable) = (contract.model(id), contract.life(id), contract.servable(id));
            let (terms, contract) = (contract.termsCount(id), &contract);
            async move {
                let (model, life, servable, terms) =
                    tokio::join!(model.call(), life.call(), servable.call(), terms.call());
                let model = self.reading("a model", model)?;
                let life = self.reading("a model's life", life)?;
                let servable = self.reading("whether a model may answer", servable)?;
                let last = self.reading("the number of a model's terms", terms)?;
                // At most one version of them is announced and not in force.
                let announced = match model.termsVersion < last {
                    true => Some(self.reading("a model's next terms", contract.termsOf(id, last).call().await)?._1),
                    false => None,
                };
                let changes = announced.into_iter().chain([life.stopsAt]).filter(|at| *at > now).min();
                let refusal = (!servable.ok).then(|| convert::refusal(servable.reason, servable.datanet));
                Ok::<_, ClientError>((convert::model(ModelId(id), model, &life.trained, refusal), life.base, changes))
            }
        };
        let mut models: Vec<ModelRecord> = Vec::with_capacity(count as usize);
        let mut changes_at: Option<u64> = None;
        let mut reading = futures::stream::iter(1..=count).map(read).buffered(MODELS_AT_ONCE);
        while let Some((mut model, base, changes)) = reading.try_next().await? {
            changes_at = changes_at.into_iter().chain(changes).min();
            // A base is registered before what stands on it: its list is whole.
            if let Some(base) = base.checked_sub(1).and_then(|index| models.get(index as usize)) {
                model.trained.extend(&base.trained);
                model.trained.sort_unstable();
                model.trained.dedup();
            }
            models.push(model);
        }
        Ok((models, changes_at))
    }

    /// What has changed since a catalogue was read; everything, where that cannot be told.
    async fn changes(&self, known: &Catalogue, block: u64, now: u64) -> Changes {
        let first = known.block + 1;
        if block < first || block - known.block > LOG_BLOCKS || known.read.elapsed() > BELIEVED {
            return ALL;
        }
        let (datanets, models) = (*self.datanets_contract().address(), *self.models_contract().address());
        let filter = Filter::new().address(vec![datanets, models]).from_block(first).to_block(block);
        let Ok(logs) = self.provider().get_logs(&filter).await else { return ALL };
        Changes {
            datanets: logs.iter().any(|log| log.address() == datanets),
            models: logs.iter().any(|log| log.address() == models) || known.changes_at.is_some_and(|at| at <= now),
        }
    }
}

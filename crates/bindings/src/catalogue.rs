//! Datanets, models and contributions, of which only those are read again that the chain's events name: there may be an
//! adapter for every customer and a contribution for every post.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use alloy_provider::Provider;
use alloy_rpc_types_eth::{BlockId, Filter, Log};
use alloy_sol_types::SolEvent;
use fonte_types::{ContributionId, DatanetId, ModelId};
use futures::{StreamExt, TryStreamExt};

use crate::{
    client::{Client, ClientError, ContributionRecord, DatanetRecord, LOG_BLOCKS, ModelRecord},
    contracts::Datanets,
    convert,
};

/// How long "nothing has changed" is believed: nodes behind one address need not be at one height.
const BELIEVED: Duration = Duration::from_secs(300);

/// Records that are read at the same time.
const AT_ONCE: usize = 16;

/// Contributions read in one call.
const PAGE: u64 = 256;

/// Contributions that did not change and are read all the same, where that saves a call.
const GAP: u64 = 16;

/// Every datanet and model as of a block or a later one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The block.
    pub block: u64,
    /// Every datanet, by its id from 1 on. Where it is the same `Arc`, no contribution has changed either.
    pub datanets: Arc<Vec<DatanetRecord>>,
    /// Every model with the terms in force, by its id from 1 on.
    pub models: Arc<Vec<ModelRecord>>,
    origins: Arc<Vec<Origin>>,
    read: Instant,
}

/// What, besides events of its own, a model's record follows from.
#[derive(Clone, Debug, Default)]
struct Origin {
    /// 0: it stands on none.
    base: u32,
    /// Datanets that its own weights were trained on, ascending.
    trained: Vec<DatanetId>,
    /// Seconds since 1970 of the next change that no event will tell.
    changes_at: Option<u64>,
}

/// Every revealed contribution as of a block or a later one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Contributions {
    /// The block.
    pub block: u64,
    /// Where none has changed, it is the same `Arc`.
    pub by_id: Arc<BTreeMap<ContributionId, ContributionRecord>>,
    read: Instant,
}

impl Catalogue {
    /// As a chain in a test has it.
    pub fn new(block: u64, datanets: Vec<DatanetRecord>, models: Vec<ModelRecord>) -> Self {
        let origins = models.iter().map(|_| Origin::default()).collect();
        Self::read_now(block, Arc::new(datanets), (Arc::new(models), Arc::new(origins)))
    }

    fn read_now(
        block: u64,
        datanets: Arc<Vec<DatanetRecord>>,
        (models, origins): (Arc<Vec<ModelRecord>>, Arc<Vec<Origin>>),
    ) -> Self {
        Self { block, datanets, models, origins, read: Instant::now() }
    }
}

impl Contributions {
    /// As a chain in a test has them.
    pub fn new(block: u64, records: impl IntoIterator<Item = ContributionRecord>) -> Self {
        let by_id = Arc::new(records.into_iter().map(|record| (record.id, record)).collect());
        Self { block, by_id, read: Instant::now() }
    }
}

/// What of a catalogue has to be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Changes {
    /// Some contribution has changed, or some datanet.
    contributed: bool,
    datanets: BTreeSet<u32>,
    models: BTreeSet<u32>,
}

impl Client {
    /// The catalogue as of the latest block. Of what is known it reads again only what events since then name, what stands on
    /// that, and models where announced terms or a grace have come due; everything, where that cannot be told.
    pub async fn catalogue(&self, known: Option<&Catalogue>) -> Result<Catalogue, ClientError> {
        let latest = self.reading("the latest block", self.provider().get_block(BlockId::latest()).await)?;
        let (block, now) = latest.map_or((0, 0), |block| (block.header.number, block.header.timestamp));
        if let Some(known) = known {
            if known.block == block {
                return Ok(known.clone());
            }
            if let Some(changes) = self.changes(known, block, now).await
                && let Some(catalogue) = self.changed(known, &changes, block, now).await?
            {
                return Ok(catalogue);
            }
        }
        // Datanets first: a model that is read later may be of a later block, and names no datanet that is not here yet only
        // until the next block.
        let datanets = Arc::new(self.datanets().await?);
        let (models, origins) = self.models_at(now).await?;
        Ok(Catalogue::read_now(block, datanets, (Arc::new(models), Arc::new(origins))))
    }

    /// What is known with what has changed; none: the ids of what is new leave a gap.
    async fn changed(
        &self,
        known: &Catalogue,
        changes: &Changes,
        block: u64,
        now: u64,
    ) -> Result<Option<Catalogue>, ClientError> {
        let mut next = Catalogue { block, ..known.clone() };
        if changes.contributed {
            let mut datanets = known.datanets.to_vec();
            for record in self.read_datanets(changes.datanets.iter().copied()).await? {
                if !put(&mut datanets, record.id.0, record) {
                    return Ok(None);
                }
            }
            next.datanets = Arc::new(datanets);
        }
        if !changes.models.is_empty() {
            let (mut models, mut origins) = (known.models.to_vec(), known.origins.to_vec());
            for (model, origin) in self.read_models(changes.models.iter().copied(), now).await? {
                let id = model.id.0;
                if !put(&mut models, id, model) || !put(&mut origins, id, origin) {
                    return Ok(None);
                }
            }
            inherit(&mut models, &origins, changes.models.iter().copied());
            (next.models, next.origins) = (Arc::new(models), Arc::new(origins));
        }
        Ok(Some(next))
    }

    /// Every datanet.
    pub async fn datanets(&self) -> Result<Vec<DatanetRecord>, ClientError> {
        let count = self.datanets_contract().datanetCount().call().await;
        self.read_datanets(1..=self.reading("the number of datanets", count)?).await
    }

    async fn read_datanets(&self, ids: impl Iterator<Item = u32> + Send) -> Result<Vec<DatanetRecord>, ClientError> {
        let contract = self.datanets_contract();
        let read = |id| {
            let datanet = contract.datanet(id);
            async move { Ok(convert::datanet(DatanetId(id), self.reading("a datanet", datanet.call().await)?)) }
        };
        futures::stream::iter(ids).map(read).buffered(AT_ONCE).try_collect().await
    }

    /// Every registered model.
    pub async fn models(&self) -> Result<Vec<ModelRecord>, ClientError> {
        Ok(self.models_at(0).await?.0)
    }

    /// The same, with what they follow from after `now` in seconds since 1970.
    async fn models_at(&self, now: u64) -> Result<(Vec<ModelRecord>, Vec<Origin>), ClientError> {
        let count = self.reading("the number of models", self.models_contract().modelCount().call().await)?;
        let (mut models, origins): (Vec<_>, Vec<_>) = self.read_models(1..=count, now).await?.into_iter().unzip();
        inherit(&mut models, &origins, 1..=count);
        Ok((models, origins))
    }

    /// Models without what their bases were trained on.
    async fn read_models(
        &self,
        ids: impl Iterator<Item = u32> + Send,
        now: u64,
    ) -> Result<Vec<(ModelRecord, Origin)>, ClientError> {
        let contract = self.models_contract();
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
                // Announced terms come into force, or the grace of one that was trained on a withdrawn text ends.
                let changes_at = announced.into_iter().chain([life.stopsAt]).filter(|at| *at > now).min();
                let refusal = (!servable.ok).then(|| convert::refusal(servable.reason, servable.datanet));
                let record = convert::model(ModelId(id), model, &life.trained, refusal);
                let origin = Origin { base: life.base, trained: record.trained.clone(), changes_at };
                Ok::<_, ClientError>((record, origin))
            }
        };
        futures::stream::iter(ids).map(read).buffered(AT_ONCE).try_collect().await
    }

    /// What has changed since a catalogue was read; none, where that cannot be told.
    async fn changes(&self, known: &Catalogue, block: u64, now: u64) -> Option<Changes> {
        let contracts = [*self.datanets_contract().address(), *self.models_contract().address()];
        let logs = self.events_since(known.block, known.read, block, Filter::new().address(contracts.to_vec())).await?;
        let mut changes = Changes::default();
        for log in &logs {
            if log.address() == contracts[0] {
                changes.contributed = true;
                changes.datanets.extend(changed_datanet(log));
            } else {
                // The first of every event of `Models`.
                changes.models.insert(indexed(log, 1)?);
            }
        }
        let numbered = || (1..).zip(known.origins.iter());
        let is_due = |origin: &Origin| origin.changes_at.is_some_and(|at| at <= now);
        changes.models.extend(numbered().filter(|(_, origin)| is_due(origin)).map(|(id, _)| id));
        // A base has a lower id than what stands on it, and stops it too.
        for (id, origin) in numbered() {
            if changes.models.contains(&origin.base) {
                changes.models.insert(id);
            }
        }
        Some(changes)
    }

    /// Every revealed contribution as of the latest block. Of what is known it reads again only what events since then name;
    /// everything, where that cannot be told.
    pub async fn contributions_since(&self, known: Option<&Contributions>) -> Result<Contributions, ClientError> {
        // Before them: what changes while they are read is read again the next time.
        let block = self.block_number().await?;
        if let Some(known) = known {
            if known.block == block {
                return Ok(known.clone());
            }
            if let Some(changed) = self.changed_contributions(known, block).await {
                let mut by_id = known.by_id.clone();
                for (first, count) in calls(&changed) {
                    let page = self.contributions_page(first, count).await?;
                    Arc::make_mut(&mut by_id).extend(page.into_iter().map(|record| (record.id, record)));
                }
                return Ok(Contributions { block, by_id, read: known.read });
            }
        }
        Ok(Contributions::new(block, self.contributions(ContributionId(1)).await?))
    }

    /// Which contributions have changed; none, where that cannot be told.
    async fn changed_contributions(&self, known: &Contributions, block: u64) -> Option<BTreeSet<u64>> {
        let filter = Filter::new().address(*self.datanets_contract().address()).event_signature(vec![
            Datanets::Revealed::SIGNATURE_HASH,
            Datanets::Accepted::SIGNATURE_HASH,
            Datanets::Rejected::SIGNATURE_HASH,
            Datanets::Withdrawn::SIGNATURE_HASH,
            Datanets::PayeeSet::SIGNATURE_HASH,
        ]);
        let logs = self.events_since(known.block, known.read, block, filter).await?;
        logs.iter().map(|log| indexed(log, 1)).collect()
    }

    /// Events of the blocks after `known` until `block`; none, where `known` was read long ago or they cannot be had.
    async fn events_since(&self, known: u64, read: Instant, block: u64, filter: Filter) -> Option<Vec<Log>> {
        let first = known + 1;
        if block < first || block - known > LOG_BLOCKS || read.elapsed() > BELIEVED {
            return None;
        }
        self.provider().get_logs(&filter.from_block(first).to_block(block)).await.ok()
    }

    /// Every revealed contribution with an id of at least `first`, ascending.
    pub async fn contributions(&self, first: ContributionId) -> Result<Vec<ContributionRecord>, ClientError> {
        let count = self.datanets_contract().contributionCount().call().await;
        let count = self.reading("the number of contributions", count)?;
        let mut records = Vec::new();
        let mut next = first.0.max(1);
        while next <= count {
            records.extend(self.contributions_page(next, PAGE).await?);
            next += PAGE;
        }
        Ok(records)
    }

    async fn contributions_page(&self, first: u64, count: u64) -> Result<Vec<ContributionRecord>, ClientError> {
        let limit = alloy_primitives::U256::from(count);
        let page = self.datanets_contract().contributions(first, limit).call().await;
        Ok(self.reading("contributions", page)?.into_iter().filter_map(convert::contribution).collect())
    }
}

/// Puts a record at its id, of which the first is 1, if it is there or the next.
fn put<T>(records: &mut Vec<T>, id: u32, record: T) -> bool {
    match (id as usize).checked_sub(1) {
        Some(index) if index < records.len() => records[index] = record,
        Some(index) if index == records.len() => records.push(record),
        _ => return false,
    }
    true
}

/// Adds to these models, ascending, what their bases were trained on. A base has a lower id: its own list is whole.
fn inherit(models: &mut [ModelRecord], origins: &[Origin], ids: impl Iterator<Item = u32>) {
    for id in ids {
        let index = id as usize - 1;
        let Some(base) = origins[index].base.checked_sub(1).and_then(|base| models.get(base as usize)) else {
            continue;
        };
        let mut trained = base.trained.clone();
        trained.extend(&origins[index].trained);
        trained.sort_unstable();
        trained.dedup();
        models[index].trained = trained;
    }
}

/// The datanet whose record an event of `Datanets` changes, if it does: it is created, or has another version.
fn changed_datanet(log: &Log) -> Option<u32> {
    match *log.topic0()? {
        Datanets::Created::SIGNATURE_HASH => indexed(log, 1),
        Datanets::Accepted::SIGNATURE_HASH | Datanets::Withdrawn::SIGNATURE_HASH => indexed(log, 2),
        _ => None,
    }
}

/// An indexed id of an event.
fn indexed<T: TryFrom<u64>>(log: &Log, topic: usize) -> Option<T> {
    let word: &B256 = log.topics().get(topic)?;
    let (high, low) = word.split_last_chunk::<8>()?;
    high.iter().all(|byte| *byte == 0).then(|| T::try_from(u64::from_be_bytes(*low)).ok())?
}

/// First and number of the contributions to read, so that all of these are among them.
fn calls(ids: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut calls: Vec<(u64, u64)> = Vec::new();
    for id in ids {
        match calls.last_mut() {
            Some((first, count)) if id - *first < PAGE && id - (*first + *count - 1) <= GAP => *count = id - *first + 1,
            _ => calls.push((*id, 1)),
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_read_in_one_call() {
        let calls = |ids: &[u64]| calls(&ids.iter().copied().collect());
        assert_eq!(calls(&[]), []);
        assert_eq!(calls(&[7]), [(7, 1)]);
        assert_eq!(calls(&[3, 4, 5, 5 + GAP, 6 + 2 * GAP]), [(3, 3 + GAP), (6 + 2 * GAP, 1)]);
        let many: Vec<u64> = (10..10 + 2 * PAGE + 1).collect();
        assert_eq!(calls(&many), [(10, PAGE), (10 + PAGE, PAGE), (10 + 2 * PAGE, 1)]);
    }

    #[test]
    fn a_record_takes_the_place_of_its_id_and_leaves_no_gap() {
        let mut records = vec!['a', 'b'];
        assert!(put(&mut records, 1, 'c') && put(&mut records, 3, 'd'));
        assert_eq!(records, ['c', 'b', 'd']);
        assert!(!put(&mut records, 0, 'e') && !put(&mut records, 5, 'e'));
        assert_eq!(records, ['c', 'b', 'd']);
    }
}

//! Records of models that a development network makes for itself: what is served gets a record, if it has none.

use alloy_primitives::{Address, B256, keccak256};
use eyre::{Result, bail};
use fonte_bindings::{Client, ModelRecord, contracts::models::IModels};

use crate::{embedded::FNT, say::say};

/// Public name of the quote model.
pub(crate) const QUOTE_MODEL: &str = "fonte-quote";

/// Of the contract's kinds.
const QUOTE: u8 = 0;
const BASE: u8 = 1;
const ADAPTER: u8 = 2;

/// What an adapter grants its base, in ppm of the fee: half of its developer's part.
const ROYALTY: u64 = 50_000;

/// What a model that has weights is called and made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Weights {
    pub(crate) name: String,
    /// Content hash of the base.
    pub(crate) artifact: B256,
    /// Content hash of the adapter; zero: it is none.
    pub(crate) adapter: B256,
}

/// How a fee is divided, in ppm.
struct Parts {
    worker: u32,
    developer: u32,
    data: u32,
}

/// What all development models have in common; the protocol gets 50,000 ppm.
fn terms(developer: Address, parts: Parts, parents: Vec<u64>) -> IModels::Terms {
    IModels::Terms {
        priceIn: FNT / 500,
        priceOut: FNT / 50,
        splits: IModels::Splits {
            protocolPpm: 50_000,
            workerPpm: parts.worker,
            developerPpm: parts.developer,
            dataPpm: parts.data,
            developer,
        },
        datanets: Vec::new(),
        maxStaleness: 64,
        spanPpm: 1_000_000,
        contextPpm: 0,
        influencePpm: 0,
        minRoyaltyPpm: 0,
        parents,
        acceptableUse: B256::ZERO,
        acceptableUseUri: String::new(),
    }
}

/// The record of the quote model.
pub(crate) async fn quote_model(operator: &Client) -> Result<ModelRecord> {
    let find = async || -> Result<Option<ModelRecord>> {
        Ok(operator.models().await?.into_iter().find(|model| model.name == QUOTE_MODEL))
    };
    if let Some(model) = find().await? {
        return Ok(model);
    }
    let parts = Parts { worker: 200_000, developer: 100_000, data: 650_000 };
    let terms = terms(operator.sender().unwrap_or_default(), parts, Vec::new());
    let weights = Weights { name: QUOTE_MODEL.into(), artifact: keccak256("fonte-quote 1"), adapter: B256::ZERO };
    register(operator, QUOTE, &weights, terms, 0).await?;
    find().await?.ok_or_else(|| eyre::eyre!("model {QUOTE_MODEL} was registered and is not there"))
}

/// The records of a base and of adapters on it, registered with the sender as developer where there is none: a base under
/// its name, an adapter by its hash, with the base as its parent. In the order of what was asked for.
pub(crate) async fn records(operator: &Client, base: &Weights, adapters: &[Weights]) -> Result<Vec<ModelRecord>> {
    let mut known = operator.models().await?;
    let developer = operator.sender().unwrap_or_default();
    if !known.iter().any(|model| model.name == base.name) {
        let parts = Parts { worker: 400_000, developer: 50_000, data: 500_000 };
        register(operator, BASE, base, terms(developer, parts, Vec::new()), 0).await?;
        known = operator.models().await?;
    }
    let base_record = known.iter().find(|model| model.name == base.name).cloned();
    let Some(base_record) = base_record else { bail!("model {} was registered and is not there", base.name) };
    // Receipts would say that other files answered.
    if base_record.artifact != base.artifact || base_record.is_adapter() {
        bail!(say!(
            "model {} is registered with the hash {}, these files have {}: choose another name with --base-name",
            "o modelo {} está registrado com o hash {}, estes arquivos têm {}: escolha outro nome com --base-name",
            base_record.name,
            base_record.artifact,
            base.artifact
        ));
    }
    let mut registered = false;
    for adapter in adapters.iter().filter(|adapter| find(&known, adapter).is_none()) {
        let parts = Parts { worker: 400_000, developer: 100_000, data: 450_000 };
        let parents = vec![u64::from(base_record.id.0) << 32 | ROYALTY];
        register(operator, ADAPTER, adapter, terms(developer, parts, parents), base_record.id.0).await?;
        registered = true;
    }
    if registered {
        known = operator.models().await?;
    }
    let mut records = vec![base_record];
    for adapter in adapters {
        let Some(record) = find(&known, adapter) else {
            bail!("adapter {} was registered and is not there", adapter.name);
        };
        records.push(record.clone());
    }
    Ok(records)
}

/// The record of weights, by their hashes: of several the first, which is the one that was there when others copied it.
pub(crate) fn find<'a>(known: &'a [ModelRecord], weights: &Weights) -> Option<&'a ModelRecord> {
    known.iter().find(|model| model.artifact == weights.artifact && model.adapter == weights.adapter)
}

async fn register(operator: &Client, kind: u8, weights: &Weights, terms: IModels::Terms, base: u32) -> Result<()> {
    let input = IModels::ModelInput {
        name: weights.name.clone(),
        kind,
        artifact: weights.artifact,
        adapter: weights.adapter,
        terms,
        base,
        trained: Vec::new(),
    };
    operator.send("registering a model", operator.models_contract().register(input)).await?;
    Ok(())
}

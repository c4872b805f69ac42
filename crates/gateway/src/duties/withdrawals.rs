//! Withdrawals: what was trained on a contribution is marked once that is withdrawn, so that it stops when the grace is
//! over (`docs/spec/models.md`, section 6).
//!
//! The one duty that is found by events: no contract lists what was withdrawn. After a start they are read from the first
//! block on, a few ranges of blocks in each pass. A model may be registered later and name an old version that held what is
//! withdrawn: it is a dependent like any other, so registrations are followed too.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use fonte_bindings::{
    client::LOG_BLOCKS,
    contracts::{Datanets, Models},
};

use super::{MAX_READ, Pass};
use crate::chain::ChainError;

/// Ranges of blocks that one pass reads events of.
const MAX_RANGES: usize = 8;
/// Models that are asked for at once.
const PAGE: usize = 64;
/// In `Datanets`: what was trained before a withdrawal stays lawful.
const FLAG_KEEP: u8 = 16;

/// What was withdrawn, and which models have been looked at for it.
#[derive(Default)]
pub(super) struct Withdrawals {
    /// Blocks below this one have been searched.
    next: u64,
    /// How often the range was halved: a node may refuse one that holds too many events.
    halved: u32,
    datanets: BTreeMap<u32, Datanet>,
    /// Datanets with something to look at, in turn: none keeps the others waiting.
    due: VecDeque<u32>,
}

/// The withdrawals of one datanet.
#[derive(Default)]
struct Datanet {
    /// What the licence says of trained models; none: it was not asked yet.
    keeps: Option<bool>,
    /// In the order in which they were withdrawn: the first stops a model soonest, and the later need no transaction.
    withdrawn: Vec<Withdrawn>,
    /// Which of them is looked at next; past their end: none.
    at: usize,
    /// It stands among those with something to look at.
    waits: bool,
}

struct Withdrawn {
    contribution: u64,
    /// Models trained on the datanet that were looked at. Their list only grows.
    seen: usize,
}

impl Withdrawals {
    /// Marks what has to be marked; whether all there is has been looked at.
    pub(super) async fn advance(&mut self, pass: &mut Pass<'_>) -> Result<bool, ChainError> {
        let all = self.follow(pass).await?;
        let mut reads = MAX_READ;
        while let Some(id) = self.due.front().copied() {
            if reads == 0 || !pass.may_send() {
                return Ok(false);
            }
            let datanet = self.datanets.entry(id).or_default();
            if datanet.look(pass, id, &mut reads).await? {
                datanet.waits = false;
                self.due.pop_front();
            } else {
                self.due.rotate_left(1);
            }
        }
        Ok(all)
    }

    /// Reads of withdrawals and registrations up to the block of this pass; whether it came so far.
    async fn follow(&mut self, pass: &Pass<'_>) -> Result<bool, ChainError> {
        let client = &pass.app.chain.client;
        let at = client.addresses();
        for _ in 0..MAX_RANGES {
            if self.next > pass.head.number {
                break;
            }
            let last = pass.head.number.min(self.next + (LOG_BLOCKS >> self.halved).max(1) - 1);
            let read = tokio::try_join!(
                client.events_between::<Datanets::Withdrawn>("withdrawals", at.datanets, self.next, last),
                client.events_between::<Models::BuiltOn>("registrations of models", at.models, self.next, last),
            );
            let (withdrawn, built) = match read {
                Ok(events) => events,
                Err(error) => {
                    self.halved = (self.halved + 1).min(LOG_BLOCKS.ilog2());
                    return Err(error.into());
                }
            };
            self.halved = self.halved.saturating_sub(1);
            for event in withdrawn {
                let datanet = self.datanets.entry(event.datanet).or_default();
                if datanet.keeps != Some(true) {
                    datanet.withdrawn.push(Withdrawn { contribution: event.contribution, seen: 0 });
                    datanet.wait(event.datanet, &mut self.due);
                }
            }
            for version in built.into_iter().flat_map(|event| event.trained) {
                let id = (version >> 32) as u32;
                if let Some(datanet) = self.datanets.get_mut(&id) {
                    datanet.at = 0;
                    datanet.wait(id, &mut self.due);
                }
            }
            self.next = last + 1;
        }
        Ok(self.next > pass.head.number)
    }
}

impl Datanet {
    fn wait(&mut self, id: u32, due: &mut VecDeque<u32>) {
        if !std::mem::replace(&mut self.waits, true) {
            due.push_back(id);
        }
    }

    /// Looks at the next models for one withdrawal, and marks those that were trained on it; whether nothing is left.
    async fn look(&mut self, pass: &mut Pass<'_>, id: u32, reads: &mut usize) -> Result<bool, ChainError> {
        let app = pass.app;
        if self.keeps.is_none() {
            let licence = app.chain.datanets().licenceOf(id).call().await;
            let keeps = app.chain.read("a datanet's licence", licence)?._0 & FLAG_KEEP != 0;
            self.keeps = Some(keeps);
        }
        if self.keeps == Some(true) {
            self.withdrawn = Vec::new();
        }
        let Some(withdrawn) = self.withdrawn.get_mut(self.at) else {
            return Ok(true);
        };
        let (contract, contribution) = (app.chain.client.models_contract(), withdrawn.contribution);
        let page = contract.dependents(id, contribution, U256::from(withdrawn.seen), U256::from(PAGE)).call().await;
        let page = app.chain.read("the models trained on a contribution", page)?;
        *reads = reads.saturating_sub(1);
        for model in &page {
            // Zero: trained on versions that did not hold it.
            if *model != 0 {
                if *reads == 0 || !pass.may_send() {
                    return Ok(false);
                }
                *reads -= 1;
                let data = Models::markWithdrawnCall { id: *model, contribution }.abi_encode();
                if !pass.attempt("marking a withdrawal", (*model).into(), *contract.address(), data).await? {
                    let life = contract.life(*model).call().await;
                    if app.chain.read("the life of a model", life)?.stopsAt == 0 {
                        // Refused for another reason than that it stops already, which may pass: not in this pass.
                        *reads = 0;
                        return Ok(false);
                    }
                }
            }
            withdrawn.seen += 1;
        }
        if page.len() < PAGE {
            self.at += 1;
        }
        Ok(self.at == self.withdrawn.len())
    }
}

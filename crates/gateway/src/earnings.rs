//! What documents earn. A receipt lets expect it; the batch that settles the receipt decides, by the model's terms and the
//! payees of its own time: whoever changes a payee in between earns from then on, however old the answer is.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use fonte_types::{
    ContributionId, ModelId, PPM,
    bundle::ReceiptBundle,
    fees::{Credits, Splits, credits},
};
use serde::{Deserialize, Serialize};

use crate::citations::documents_of;

/// What one document has earned for one payee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentEarnings {
    /// The contribution.
    pub(crate) contribution: ContributionId,
    /// Index of the document in it.
    pub(crate) index: u32,
    /// Its title.
    pub(crate) document: String,
    /// Its URL, empty where unknown.
    pub(crate) url: String,
    /// Answers that quoted it.
    pub(crate) answers: u64,
    /// Credited by batches, challenges not counted.
    #[serde(with = "fonte_types::wei")]
    pub(crate) wei: u128,
    /// Expected of answers that are in no settled batch yet.
    #[serde(with = "fonte_types::wei", default)]
    pub(crate) pending_wei: u128,
}

impl DocumentEarnings {
    /// Nothing yet, of the document of `earned`.
    pub(crate) fn none(earned: &Earned) -> Self {
        Self {
            contribution: earned.contribution,
            index: earned.index,
            document: earned.document.clone(),
            url: earned.url.clone(),
            answers: 0,
            wei: 0,
            pending_wei: 0,
        }
    }

    fn part(&mut self, earned: &Earned) -> &mut u128 {
        if earned.is_settled { &mut self.wei } else { &mut self.pending_wei }
    }

    pub(crate) fn add(&mut self, earned: &Earned) {
        self.answers += 1;
        *self.part(earned) += earned.wei;
    }

    /// Saturates: sums of a store that an earlier version wrote name nothing as pending.
    pub(crate) fn subtract(&mut self, earned: &Earned) {
        self.answers = self.answers.saturating_sub(1);
        let part = self.part(earned);
        *part = part.saturating_sub(earned.wei);
    }
}

/// What one answer earns for a payee by one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earned {
    pub(crate) payee: Address,
    pub(crate) contribution: ContributionId,
    pub(crate) index: u32,
    document: String,
    url: String,
    wei: u128,
    is_settled: bool,
}

/// The terms of a batch's time, as far as contributions earn by them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// Part of the fee that goes to the contributions, in ppm, for each model.
    pub(crate) data_ppm: BTreeMap<ModelId, u32>,
    /// Who earns by a contribution.
    pub(crate) payees: BTreeMap<ContributionId, Address>,
    /// The cut of its datanet's curator, in ppm.
    pub(crate) curator_ppm: BTreeMap<ContributionId, u32>,
}

/// By the receipt's own terms and payees.
pub(crate) fn expected(bundle: &ReceiptBundle) -> Vec<Earned> {
    let payee = |id| bundle.cited.iter().find(|cited| cited.contribution == id).map(|cited| cited.payee);
    by_document(bundle, &bundle.credits(), payee, false)
}

/// By the terms of the batch that settled it.
pub(crate) fn settled(bundle: &ReceiptBundle, terms: &Terms) -> Vec<Earned> {
    let receipt = &bundle.receipt;
    let data = terms.data_ppm.get(&receipt.model).copied().unwrap_or_default().min(PPM);
    // Only what contributions earn is asked for, and that depends on no other part.
    let splits = Splits { protocol: PPM - data, worker: 0, developer: 0, data };
    let cut = |id| terms.curator_ppm.get(&id).copied().unwrap_or_default();
    let credits = credits(receipt.fee, &splits, &receipt.shares, cut);
    by_document(bundle, &credits, |id| terms.payees.get(&id).copied(), true)
}

/// A contribution's credit, split over its documents by their bytes; what rounding leaves goes to the first.
fn by_document(
    bundle: &ReceiptBundle,
    credits: &Credits,
    payee: impl Fn(ContributionId) -> Option<Address>,
    is_settled: bool,
) -> Vec<Earned> {
    let mut earned = Vec::new();
    for (contribution, credit) in &credits.contributions {
        let Some(payee) = payee(*contribution) else {
            continue;
        };
        let documents = documents_of(bundle, *contribution);
        let total: u64 = documents.iter().map(|document| document.bytes).sum();
        let mut rest = *credit;
        let first = earned.len();
        for document in documents {
            let wei = share_of(*credit, document.bytes, total);
            rest -= wei;
            earned.push(Earned {
                payee,
                contribution: *contribution,
                index: document.index,
                document: document.title,
                url: document.url,
                wei,
                is_settled,
            });
        }
        if let Some(first) = earned.get_mut(first) {
            first.wei += rest;
        }
    }
    earned
}

/// `amount × bytes / total`, rounded down, without overflow.
fn share_of(amount: u128, bytes: u64, total: u64) -> u128 {
    let (bytes, total) = (u128::from(bytes), u128::from(total.max(1)));
    (amount / total) * bytes + (amount % total) * bytes / total
}

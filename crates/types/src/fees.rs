//! From a fee to amounts (`docs/spec/shares.md`). Every division rounds down; the treasury takes the rest.

use serde::{Deserialize, Serialize};

use crate::{PPM, ids::ContributionId, shares::Shares};

/// How a model's fee is split, in ppm; the four parts add up to one million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splits {
    /// To the commons treasury.
    pub protocol: u32,
    /// To the worker.
    pub worker: u32,
    /// To the model's developer.
    pub developer: u32,
    /// To the contributions.
    pub data: u32,
}

impl Splits {
    /// Whether the parts add up to one million.
    pub fn is_whole(&self) -> bool {
        [self.protocol, self.worker, self.developer, self.data].into_iter().map(u64::from).sum::<u64>()
            == u64::from(PPM)
    }
}

/// The token rule (`docs/spec/wire.md`, "Tokens"): four bytes of UTF-8 are a token, rounded up, whoever answers. Anyone
/// counts the same from the texts.
pub fn tokens(text: &str) -> u32 {
    u32::try_from(text.len().div_ceil(BYTES_PER_TOKEN)).unwrap_or(u32::MAX)
}

/// Bytes of UTF-8 in a token.
pub const BYTES_PER_TOKEN: usize = 4;

/// A model's prices in wei per 1,000 tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// Per 1,000 input tokens.
    #[serde(with = "crate::wei")]
    pub input: u128,
    /// Per 1,000 output tokens.
    #[serde(with = "crate::wei")]
    pub output: u128,
}

impl Prices {
    /// The fee of a request, rounded up to a wei; `None` if it does not fit.
    pub fn fee(&self, input_tokens: u32, output_tokens: u32) -> Option<u128> {
        let input = self.input.checked_mul(input_tokens.into())?;
        let output = self.output.checked_mul(output_tokens.into())?;
        Some(input.checked_add(output)?.div_ceil(1000))
    }
}

/// What one row pays to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credits {
    /// The data pool before it is shared.
    pub data_pool: u128,
    /// To the worker.
    pub worker: u128,
    /// To the developer.
    pub developer: u128,
    /// To the contributions, in the order of the shares, the curators' cuts taken off.
    pub contributions: Vec<(ContributionId, u128)>,
    /// To the curators of these contributions' datanets, in the same order.
    pub curators: Vec<(ContributionId, u128)>,
    /// To the treasury: protocol part, unattributed part and dust.
    pub treasury: u128,
}

/// `amount × ppm / 10^6`, rounded down, without overflow for any `amount`.
pub fn part(amount: u128, ppm: u32) -> u128 {
    let million = u128::from(PPM);
    (amount / million) * u128::from(ppm) + (amount % million) * u128::from(ppm) / million
}

/// Splits a fee. `curator_ppm` tells the cut of the curator of a contribution's datanet: it is taken from the
/// contribution's credit, so that a cut costs nobody else anything.
pub fn credits(fee: u128, splits: &Splits, shares: &Shares, curator_ppm: impl Fn(ContributionId) -> u32) -> Credits {
    debug_assert!(splits.is_whole());
    let data_pool = part(fee, splits.data);
    let (worker, developer) = (part(fee, splits.worker), part(fee, splits.developer));
    let (mut contributions, mut curators, mut paid) = (Vec::new(), Vec::new(), 0);
    for share in shares.as_slice() {
        let credit = part(data_pool, share.ppm);
        let cut = part(credit, curator_ppm(share.contribution).min(PPM));
        contributions.push((share.contribution, credit - cut));
        curators.push((share.contribution, cut));
        paid += credit;
    }
    Credits { data_pool, worker, developer, treasury: fee - worker - developer - paid, contributions, curators }
}

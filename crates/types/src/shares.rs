//! From credited bytes to integer shares, and never a penny more than there is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    PPM,
    evidence::{Evidence, Source},
    ids::ContributionId,
};

/// Most contributions that one receipt pays.
pub const MAX_SHARES: usize = 16;

/// One contribution's part of the data pool, in ppm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Who is credited.
    pub contribution: ContributionId,
    /// Parts per million of the data pool.
    pub ppm: u32,
}

impl Share {
    /// One word as the settlement contract reads it: `contribution << 32 | ppm`.
    pub fn packed(self) -> u128 {
        u128::from(self.contribution.0) << 32 | u128::from(self.ppm)
    }
}

/// A receipt's shares: largest first, ties by smaller id, at most 16, none of them zero, in all at most one million.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Shares(Vec<Share>);

/// Why a list of shares was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharesError {
    /// Too many.
    #[error("{0} shares are over the limit of {MAX_SHARES}")]
    TooMany(usize),
    /// Out of order, doubled or zero.
    #[error("share {index} is zero, out of order or names a contribution twice")]
    Order {
        /// Index of the first offending share.
        index: usize,
    },
    /// More than the pool.
    #[error("the shares add up to {0} ppm")]
    Sum(u64),
}

impl Shares {
    /// `floor(10^6 × bytes / answerBytes)` per contribution; what is cut off stays unattributed.
    pub fn from_evidence(evidence: &Evidence) -> Self {
        let mut bytes: BTreeMap<ContributionId, u64> = BTreeMap::new();
        for run in evidence.runs() {
            if let Source::Contribution(id) = run.source {
                *bytes.entry(id).or_default() += u64::from(run.bytes());
            }
        }
        let total = u64::from(evidence.answer_bytes());
        let mut shares: Vec<Share> = bytes
            .into_iter()
            .map(|(contribution, bytes)| Share {
                contribution,
                ppm: u32::try_from(bytes * u64::from(PPM) / total).expect("a part of the answer is at most the whole"),
            })
            .filter(|share| share.ppm > 0)
            .collect();
        shares.sort_by_key(|share| (std::cmp::Reverse(share.ppm), share.contribution));
        shares.truncate(MAX_SHARES);
        Self(shares)
    }

    /// Checks order, bounds and sum of a list that came from outside.
    pub fn checked(shares: Vec<Share>) -> Result<Self, SharesError> {
        if shares.len() > MAX_SHARES {
            return Err(SharesError::TooMany(shares.len()));
        }
        let key = |share: &Share| (std::cmp::Reverse(share.ppm), share.contribution);
        for (index, share) in shares.iter().enumerate() {
            let ordered = index == 0 || key(&shares[index - 1]) < key(share);
            let fresh = shares[..index].iter().all(|earlier| earlier.contribution != share.contribution);
            if share.ppm == 0 || share.contribution.0 == 0 || !ordered || !fresh {
                return Err(SharesError::Order { index });
            }
        }
        let sum: u64 = shares.iter().map(|share| u64::from(share.ppm)).sum();
        if sum > u64::from(PPM) {
            return Err(SharesError::Sum(sum));
        }
        Ok(Self(shares))
    }

    /// The shares, largest first.
    pub fn as_slice(&self) -> &[Share] {
        &self.0
    }

    /// The share of one contribution, 0 if it has none.
    pub fn of(&self, contribution: ContributionId) -> u32 {
        self.0.iter().find(|share| share.contribution == contribution).map_or(0, |share| share.ppm)
    }

    /// What no source explains, dust included.
    pub fn unattributed_ppm(&self) -> u32 {
        PPM - self.0.iter().map(|share| share.ppm).sum::<u32>()
    }
}

impl<'de> Deserialize<'de> for Shares {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::checked(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

//! Asking about one's own texts: what comes back of what was paid.

use fonte_types::fees::credits;

use super::{PRICES, SPLITS};

/// Gas per row of a batch of 1,000 rows over 20 payees (`contracts/snapshots/settle.json`).
pub const GAS_PER_ROW: u128 = 9_728_918 / 1000;
/// Least base fee of the chain, in wei (`crates/evm/src/block.rs`); it is burnt.
pub const BASE_FEE: u128 = 1_000_000;
/// Gas of registering a model, once (`contracts/snapshots/models.json`).
pub const REGISTER_GAS: u128 = 359_579;

/// Which of the fee's receivers the asker is, besides being the author.
#[derive(Clone, Copy, Debug)]
pub struct Roles {
    pub name: &'static str,
    pub worker: bool,
    pub developer: bool,
    /// Who submits the batch pays its gas.
    pub gateway: bool,
    /// Whether the model is the asker's own, made for this: no part for the protocol.
    pub own_terms: bool,
}

impl Roles {
    /// Whether all of the fee comes back, and somebody else pays for the batch: an answer then costs nothing.
    pub fn breaks_even(self) -> bool {
        self.worker && self.developer && self.own_terms && !self.gateway
    }

    /// Wei spent before the first answer, and gone: gas of the model's registration. A deposit and a worker's stake come back.
    pub fn once(self) -> u128 {
        if self.own_terms { REGISTER_GAS * BASE_FEE } else { 0 }
    }
}

pub const ROLES: [Roles; 5] = [
    Roles { name: "author", worker: false, developer: false, gateway: false, own_terms: false },
    Roles { name: "author, worker", worker: true, developer: false, gateway: false, own_terms: false },
    Roles {
        name: "author, worker, developer, gateway",
        worker: true,
        developer: true,
        gateway: true,
        own_terms: false,
    },
    Roles {
        name: "the same, model without protocol part",
        worker: true,
        developer: true,
        gateway: true,
        own_terms: true,
    },
    Roles {
        name: "the same at somebody else's gateway",
        worker: true,
        developer: true,
        gateway: false,
        own_terms: true,
    },
];

/// Wei paid (fee and gas) and wei back, of one answer of `input` and `output` tokens with these shares, all of them the
/// asker's.
pub fn dealt(roles: Roles, input: u32, output: u32, shares: &fonte_types::shares::Shares) -> (u128, u128) {
    let mut splits = SPLITS;
    if roles.own_terms {
        splits.data += splits.protocol;
        splits.protocol = 0;
    }
    let fee = PRICES.fee(input, output).unwrap();
    let paid = credits(fee, &splits, shares, |_| 0);
    let back = paid.contributions.iter().map(|(_, wei)| wei).sum::<u128>()
        + if roles.worker { paid.worker } else { 0 }
        + if roles.developer { paid.developer } else { 0 };
    let gas = if roles.gateway { GAS_PER_ROW * BASE_FEE } else { 0 };
    (fee + gas, back)
}

/// Shares of an answer that is wholly one contribution's.
pub fn all_of_it() -> fonte_types::shares::Shares {
    let contribution = fonte_types::ContributionId(1);
    fonte_types::shares::Shares::checked(vec![fonte_types::shares::Share { contribution, ppm: 1_000_000 }]).unwrap()
}

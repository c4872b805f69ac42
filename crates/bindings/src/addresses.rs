//! Where the contracts are.

use alloy_primitives::{Address, address};
use serde::{Deserialize, Serialize};

/// The contracts' addresses on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// The wrapped coin, which votes.
    pub token: Address,
    /// Datanets and contributions.
    pub datanets: Address,
    /// Models, their terms and their lives.
    pub models: Address,
    /// Deposits, batches, payouts, bonds.
    pub settlement: Address,
    /// Judges challenges; the only one that `Settlement` lets move credits.
    pub challenges: Address,
    /// Staked reviewers and their cases.
    pub reviews: Address,
    /// Earnings held for the authors of unverified addresses.
    pub origins: Address,
    /// Registered workers and their stakes.
    pub workers: Address,
    /// Validators, delegated stake, elections.
    pub validators: Address,
    /// Where decisions wait before anybody may execute them; treasury and registrar too.
    pub timelock: Address,
    /// Proposals and votes.
    pub governor: Address,
    /// Requests that the commons pay for.
    pub allowance: Address,
    /// Figures on who could capture what.
    pub concentration: Address,
    /// What reviewers judge about models: scores, and reports of abuse.
    pub model_reviews: Address,
    /// Demands for withheld evidence.
    pub demands: Address,
}

/// Number of contracts.
pub(crate) const COUNT: usize = 15;

impl Addresses {
    /// Where a Fonte chain has them from genesis on.
    pub const fn predeployed() -> Self {
        Self {
            token: address!("f017e00000000000000000000000000000000001"),
            datanets: address!("f017e00000000000000000000000000000000002"),
            models: address!("f017e00000000000000000000000000000000003"),
            settlement: SETTLEMENT,
            challenges: address!("f017e00000000000000000000000000000000005"),
            reviews: address!("f017e00000000000000000000000000000000006"),
            origins: address!("f017e00000000000000000000000000000000007"),
            workers: address!("f017e00000000000000000000000000000000008"),
            validators: address!("f017e00000000000000000000000000000000009"),
            timelock: address!("f017e0000000000000000000000000000000000a"),
            governor: address!("f017e0000000000000000000000000000000000b"),
            allowance: address!("f017e0000000000000000000000000000000000c"),
            concentration: address!("f017e0000000000000000000000000000000000d"),
            model_reviews: address!("f017e0000000000000000000000000000000000e"),
            demands: address!("f017e0000000000000000000000000000000000f"),
        }
    }

    /// Where `deployer` puts them if it creates them one after the other, in the order of [`Addresses::named`], from the
    /// transaction with nonce `first` on.
    pub fn created(deployer: Address, first: u64) -> Self {
        let at = |index: u64| deployer.create(first + index);
        Self {
            token: at(0),
            datanets: at(1),
            models: at(2),
            settlement: at(3),
            challenges: at(4),
            reviews: at(5),
            origins: at(6),
            workers: at(7),
            validators: at(8),
            timelock: at(9),
            governor: at(10),
            allowance: at(11),
            concentration: at(12),
            model_reviews: at(13),
            demands: at(14),
        }
    }

    /// Each with the name of its contract, in the order of their creation.
    pub fn named(&self) -> [(&'static str, Address); COUNT] {
        [
            ("FonteToken", self.token),
            ("Datanets", self.datanets),
            ("Models", self.models),
            ("Settlement", self.settlement),
            ("Challenges", self.challenges),
            ("Reviews", self.reviews),
            ("Origins", self.origins),
            ("Workers", self.workers),
            ("Validators", self.validators),
            ("Timelock", self.timelock),
            ("FonteGovernor", self.governor),
            ("Allowance", self.allowance),
            ("Concentration", self.concentration),
            ("ModelReviews", self.model_reviews),
            ("Demands", self.demands),
        ]
    }

    /// The contract of this name; the governor's short name will do.
    pub fn of(&self, contract: &str) -> Option<Address> {
        let contract = if contract == "Governor" { "FonteGovernor" } else { contract };
        self.named().into_iter().find(|(name, _)| *name == contract).map(|(_, address)| address)
    }

    /// The name of the contract at an address.
    pub fn name_of(&self, address: Address) -> Option<&'static str> {
        self.named().into_iter().find(|(_, at)| *at == address).map(|(name, _)| name)
    }
}

/// Settlement on a Fonte chain.
pub const SETTLEMENT: Address = address!("f017e00000000000000000000000000000000004");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predeploys_are_numbered_in_the_order_of_their_names() {
        for (index, (name, address)) in Addresses::predeployed().named().into_iter().enumerate() {
            assert_eq!(address[19] as usize, index + 1, "{name}");
            assert_eq!(Addresses::predeployed().of(name), Some(address));
            assert_eq!(Addresses::predeployed().name_of(address), Some(name));
        }
    }

    #[test]
    fn created_addresses_follow_the_deployers_nonces() {
        let deployer = Address::repeat_byte(7);
        for (index, (name, address)) in Addresses::created(deployer, 5).named().into_iter().enumerate() {
            assert_eq!(address, deployer.create(5 + index as u64), "{name}");
        }
    }
}

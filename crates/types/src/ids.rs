//! Distinct ids are distinct types.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    };
}

id!(
    /// A contribution, numbered by the chain when it was committed: the smaller id came first. 0 is nobody.
    ContributionId(u64)
);
id!(
    /// A datanet, numbered from 1.
    DatanetId(u32)
);
id!(
    /// A version of a datanet, numbered from 1; 0 is the empty datanet.
    Version(u32)
);
id!(
    /// A registered model, numbered from 1.
    ModelId(u32)
);

/// A datanet at a version: what a worker says it answered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DatanetVersion {
    /// The datanet.
    pub datanet: DatanetId,
    /// Its version.
    pub version: Version,
}

impl DatanetVersion {
    /// One word as the settlement contract reads it: `datanet << 32 | version`.
    pub fn packed(self) -> u64 {
        u64::from(self.datanet.0) << 32 | u64::from(self.version.0)
    }
}

/// Where a contribution stands in its datanet: one storage slot on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The datanet it belongs to.
    pub datanet: DatanetId,
    /// First version it belongs to; 0 while it was not accepted.
    pub added: Version,
    /// First version it no longer belongs to.
    pub withdrawn: Option<Version>,
}

impl Membership {
    /// `added <= version < withdrawn`, in the same datanet.
    pub fn is_member(&self, of: DatanetVersion) -> bool {
        self.datanet == of.datanet
            && self.added != Version(0)
            && self.added <= of.version
            && self.withdrawn.is_none_or(|withdrawn| of.version < withdrawn)
    }

    /// Whether it is a member of any of these versions.
    pub fn is_member_of_any(&self, versions: &[DatanetVersion]) -> bool {
        versions.iter().any(|version| self.is_member(*version))
    }
}

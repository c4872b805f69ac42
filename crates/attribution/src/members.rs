//! Who may be credited: a predicate over contributions, evaluated at query time.

use std::collections::BTreeSet;

use fonte_types::{ContributionId, DatanetId};

/// The contributions that a query sees.
///
/// The worker builds one per answer from the versions it names (`added <= version < withdrawn`), so that withdrawing a
/// contribution needs no change to any index. Any `Fn(ContributionId, DatanetId) -> bool` is one.
///
/// It must be a pure function for the duration of a query and cheap (it is asked at most once per contribution and
/// segment in which a match stood, and not at all for [`Everyone`]).
pub trait Members: Sync {
    /// Whether this contribution, filed under this datanet when it was added, is a member.
    fn contains(&self, contribution: ContributionId, datanet: DatanetId) -> bool;

    /// `true` promises that [`contains`](Self::contains) always is; counts then need no filtering.
    fn everyone(&self) -> bool {
        false
    }
}

/// Every contribution in the index.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everyone;

impl Members for Everyone {
    fn contains(&self, _: ContributionId, _: DatanetId) -> bool {
        true
    }

    fn everyone(&self) -> bool {
        true
    }
}

/// Those of a query's members that were not withdrawn from the index.
pub(crate) struct Present<'a> {
    pub(crate) members: &'a dyn Members,
    pub(crate) withdrawn: &'a BTreeSet<ContributionId>,
}

impl Members for Present<'_> {
    fn contains(&self, contribution: ContributionId, datanet: DatanetId) -> bool {
        !self.withdrawn.contains(&contribution) && self.members.contains(contribution, datanet)
    }
}

impl<F: Fn(ContributionId, DatanetId) -> bool + Sync> Members for F {
    fn contains(&self, contribution: ContributionId, datanet: DatanetId) -> bool {
        self(contribution, datanet)
    }
}

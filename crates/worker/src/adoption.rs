//! Which versions may be answered from: a pure function of what the chain says and of what is indexed here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fonte_bindings::{Catalogue, ContributionRecord, Contributions, DatanetRecord, ModelRecord};
use fonte_corpus::bundle::BundleLimits;
use fonte_types::{ContributionId, DatanetId, DatanetVersion, ModelId, Version};

use crate::library::Acquired;

/// What the chain says, read at one time.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) block: u64,
    pub(crate) datanets: BTreeMap<DatanetId, DatanetRecord>,
    pub(crate) contributions: Arc<BTreeMap<ContributionId, ContributionRecord>>,
    pub(crate) models: BTreeMap<ModelId, ModelRecord>,
}

/// What jobs are answered by: the chain's word and the adopted versions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) view: Arc<View>,
    pub(crate) adopted: BTreeMap<DatanetId, Version>,
}

impl View {
    /// Datanets are read before contributions, so a version read here never holds a contribution that is not.
    pub(crate) fn new(catalogue: &Catalogue, contributions: &Contributions) -> Self {
        Self {
            block: catalogue.block,
            datanets: catalogue.datanets.iter().map(|record| (record.id, record.clone())).collect(),
            contributions: contributions.by_id.clone(),
            models: catalogue.models.iter().map(|record| (record.id, record.clone())).collect(),
        }
    }

    /// Members of the latest versions of datanets that may be indexed, but those that no store takes: what a contribution
    /// says of its size, anybody may have written.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = Acquired> + '_ {
        let limits = BundleLimits::default();
        let fits = move |record: &&ContributionRecord| {
            record.documents <= limits.documents && record.text_bytes <= limits.bytes
        };
        self.contributions.values().filter(fits).filter_map(|record| {
            let datanet = self.datanets.get(&record.membership.datanet)?;
            let latest = DatanetVersion { datanet: datanet.id, version: datanet.version };
            let member = datanet.policy.index && record.membership.is_member(latest);
            member.then(|| Acquired { record: record.clone(), searchable: datanet.policy.quote })
        })
    }

    /// The latest version of each datanet all of whose members are indexed.
    pub(crate) fn adoptable(&self, indexed: &BTreeSet<ContributionId>) -> BTreeMap<DatanetId, Version> {
        let mut lacking: BTreeMap<DatanetId, Vec<&ContributionRecord>> = BTreeMap::new();
        for record in self.contributions.values().filter(|record| !indexed.contains(&record.id)) {
            lacking.entry(record.membership.datanet).or_default().push(record);
        }
        let best = |datanet: &DatanetRecord| {
            let lacking = lacking.get(&datanet.id).map_or(&[][..], Vec::as_slice);
            let mut version = datanet.version;
            // A lacking member rules out every version from its own on, until it is withdrawn.
            while let Some(added) = lacking
                .iter()
                .filter(|record| record.membership.is_member(DatanetVersion { datanet: datanet.id, version }))
                .map(|record| record.membership.added)
                .min()
            {
                version = Version(added.0 - 1);
            }
            (version != Version(0)).then_some((datanet.id, version))
        };
        self.datanets.values().filter(|datanet| datanet.policy.index).filter_map(best).collect()
    }
}

impl Snapshot {
    /// The adopted versions, ascending.
    pub(crate) fn versions(&self) -> Vec<DatanetVersion> {
        self.adopted.iter().map(|(datanet, version)| DatanetVersion { datanet: *datanet, version: *version }).collect()
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256};
    use fonte_bindings::client::{ContributionStatus, Policy, ReviewRule};
    use fonte_types::ids::Membership;

    use super::*;

    fn datanet(id: u32, version: u32, index: bool) -> DatanetRecord {
        DatanetRecord {
            id: DatanetId(id),
            name: String::new(),
            curator: Address::ZERO,
            version: Version(version),
            policy: Policy { index, ..Policy::permissive("CC-BY-4.0", ReviewRule::Open) },
        }
    }

    fn member(id: u64, datanet: u32, added: u32, withdrawn: Option<u32>) -> ContributionRecord {
        ContributionRecord {
            id: ContributionId(id),
            status: ContributionStatus::Accepted,
            root: B256::ZERO,
            documents: 1,
            text_bytes: 1,
            membership: Membership {
                datanet: DatanetId(datanet),
                added: Version(added),
                withdrawn: withdrawn.map(Version),
            },
            contributor: Address::ZERO,
            payee: Address::ZERO,
        }
    }

    #[test]
    fn a_version_is_adopted_only_with_all_its_members() {
        let contributions =
            vec![member(1, 1, 1, None), member(2, 1, 2, Some(4)), member(3, 1, 3, None), member(4, 2, 1, None)];
        let datanets = vec![datanet(1, 4, true), datanet(2, 1, false), datanet(3, 0, true)];
        let view = View::new(&Catalogue::new(9, datanets, Vec::new()), &Contributions::new(9, contributions));
        let adopted = |indexed: &[u64]| {
            let indexed = indexed.iter().map(|id| ContributionId(*id)).collect();
            view.adoptable(&indexed).get(&DatanetId(1)).map_or(0, |version| version.0)
        };
        assert_eq!(adopted(&[]), 0);
        assert_eq!(adopted(&[1]), 1);
        assert_eq!(adopted(&[1, 2]), 2);
        // The one that was withdrawn by version 4 is not needed for it.
        assert_eq!(adopted(&[1, 3]), 4);
        assert_eq!(adopted(&[1, 2, 3]), 4);
        assert_eq!(adopted(&[2, 3]), 0);
        // Not indexable, or empty: never adopted.
        assert_eq!(view.adoptable(&[1, 2, 3, 4].map(ContributionId).into()).len(), 1);
        assert_eq!(wanted(&view), [1, 3]);
    }

    fn wanted(view: &View) -> Vec<u64> {
        view.wanted().map(|acquired| acquired.record.id.0).collect()
    }

    #[test]
    fn what_no_store_takes_is_not_asked_for() {
        let sized = |id, documents, text_bytes| ContributionRecord { documents, text_bytes, ..member(id, 1, 1, None) };
        let limits = BundleLimits::default();
        let contributions = vec![
            sized(1, limits.documents, limits.bytes),
            sized(2, limits.documents + 1, 1),
            sized(3, u32::MAX, 1),
            sized(4, 1, limits.bytes + 1),
            sized(5, 1, u64::MAX),
        ];
        let catalogue = Catalogue::new(9, vec![datanet(1, 1, true)], Vec::new());
        let view = View::new(&catalogue, &Contributions::new(9, contributions));
        assert_eq!(wanted(&view), [1]);
        // They are still members: no version with them is adopted.
        assert!(view.adoptable(&[ContributionId(1)].into()).is_empty());
    }
}

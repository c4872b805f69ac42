//! Who could sign in which epoch, for the certificates of blocks that arrive late.

use std::{collections::BTreeMap, sync::Arc};

use commonware_consensus::types::Epoch;
use commonware_cryptography::certificate::{Provider, Scoped};
use parking_lot::RwLock;

use super::Scheme;

/// Epochs before the present one whose certificates can still be verified here.
pub(super) const EPOCHS_BACK: u64 = 16;

/// The schemes of the last epochs. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Schemes(Arc<RwLock<BTreeMap<Epoch, Arc<Scheme>>>>);

impl Schemes {
    /// Forgets those of epochs that are too far back from this one.
    pub(super) fn insert(&self, epoch: Epoch, scheme: &Scheme) {
        let mut schemes = self.0.write();
        schemes.insert(epoch, Arc::new(scheme.clone()));
        *schemes = schemes.split_off(&Epoch::new(epoch.get().saturating_sub(EPOCHS_BACK)));
    }
}

impl Provider for Schemes {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.0.read().get(&epoch).cloned().map(Scoped::scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::double_sign;

    #[test]
    fn old_epochs_are_forgotten() {
        let schemes = Schemes::default();
        let scheme = double_sign::scheme(0, double_sign::NETWORK);
        for epoch in 0..40 {
            schemes.insert(Epoch::new(epoch), &scheme);
        }
        let known: Vec<u64> = (0..50).filter(|epoch| schemes.scoped(Epoch::new(*epoch)).is_some()).collect();
        assert_eq!(known, (39 - EPOCHS_BACK..40).collect::<Vec<_>>());
    }
}

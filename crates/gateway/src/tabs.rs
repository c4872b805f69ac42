//! What each payer owes and has reserved, so that no answer is begun that could not be paid.
//!
//! `owed` is the fee of rows that are journaled but not yet settled on chain; `reserved` is held for answers in progress.
//! Money that a payer could still spend is `funds - owed - reserved`, where `funds` was read from the chain. A batch that
//! settles lowers both `owed` and the chain's figure: [`Tabs::epoch`] tells a stale reading from a fresh one, so a fee is
//! never left out of both.

use std::{collections::HashMap, sync::Arc};

use alloy_primitives::Address;
use parking_lot::Mutex;

#[derive(Default)]
struct State {
    epoch: u64,
    tabs: HashMap<Address, Tab>,
}

#[derive(Clone, Copy, Default)]
struct Tab {
    owed: u128,
    reserved: u128,
}

/// All tabs of this gateway.
#[derive(Clone, Default)]
pub(crate) struct Tabs(Arc<Mutex<State>>);

/// Why nothing was reserved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotReserved {
    /// The payer's funds do not cover it.
    Insufficient { available: u128 },
    /// A batch was settled since the funds were read.
    Stale,
}

impl Tabs {
    /// Changes whenever a batch settles; read it before the chain.
    pub(crate) fn epoch(&self) -> u64 {
        self.0.lock().epoch
    }

    /// Holds `amount` of `funds`, which were read at `epoch`.
    pub(crate) fn reserve(
        &self,
        payer: Address,
        amount: u128,
        funds: u128,
        epoch: u64,
    ) -> Result<Reservation, NotReserved> {
        let mut state = self.0.lock();
        if state.epoch != epoch {
            return Err(NotReserved::Stale);
        }
        let tab = state.tabs.get(&payer).copied().unwrap_or_default();
        let available = funds.saturating_sub(tab.owed).saturating_sub(tab.reserved);
        if available < amount {
            return Err(NotReserved::Insufficient { available });
        }
        state.tabs.entry(payer).or_default().reserved += amount;
        Ok(Reservation { tabs: self.clone(), payer, amount, share: None })
    }

    /// Adds a fee that is owed without a reservation: rows found in the journal at start.
    pub(crate) fn owe(&self, payer: Address, fee: u128) {
        self.0.lock().tabs.entry(payer).or_default().owed += fee;
    }

    /// The fees of a batch were settled, or given up.
    pub(crate) fn settled(&self, fees: impl IntoIterator<Item = (Address, u128)>) {
        let mut state = self.0.lock();
        state.epoch += 1;
        for (payer, fee) in fees {
            if let Some(tab) = state.tabs.get_mut(&payer) {
                tab.owed = tab.owed.saturating_sub(fee);
                if tab.owed == 0 && tab.reserved == 0 {
                    state.tabs.remove(&payer);
                }
            }
        }
    }

    /// `(owed, reserved)` of a payer.
    #[cfg(test)]
    pub(crate) fn of(&self, payer: Address) -> (u128, u128) {
        let tab = self.0.lock().tabs.get(&payer).copied().unwrap_or_default();
        (tab.owed, tab.reserved)
    }
}

/// Money held for one answer; dropping it lets the money go.
pub(crate) struct Reservation {
    tabs: Tabs,
    payer: Address,
    amount: u128,
    share: Option<Share>,
}

/// What else counts an answer's fee: it is told what was not used in the end.
pub(crate) struct Share {
    unused: u128,
    release: Option<Box<dyn FnOnce(u128) + Send + Sync>>,
}

impl Share {
    /// Counts `amount`; `release` is called once, with what of it was not kept.
    pub(crate) fn new(amount: u128, release: impl FnOnce(u128) + Send + Sync + 'static) -> Self {
        Self { unused: amount, release: Some(Box::new(release)) }
    }

    /// Counts `fee` for good.
    pub(crate) fn keep(&mut self, fee: u128) {
        self.unused = self.unused.saturating_sub(fee);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            release(self.unused);
        }
    }
}

impl Reservation {
    /// The same, counted elsewhere too.
    pub(crate) fn shared(mut self, share: Option<Share>) -> Self {
        self.share = share;
        self
    }

    /// Turns the reservation into a debt of `fee`.
    pub(crate) fn settle(mut self, fee: u128) {
        if let Some(share) = &mut self.share {
            share.keep(fee);
        }
        let mut state = self.tabs.0.lock();
        state.tabs.entry(self.payer).or_default().owed += fee;
        drop(state);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.tabs.0.lock();
        if let Some(tab) = state.tabs.get_mut(&self.payer) {
            tab.reserved = tab.reserved.saturating_sub(self.amount);
            if tab.owed == 0 && tab.reserved == 0 {
                state.tabs.remove(&self.payer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYER: Address = Address::repeat_byte(1);

    #[test]
    fn reservations_owe_settle_and_let_go() {
        let tabs = Tabs::default();
        let first = tabs.reserve(PAYER, 60, 100, 0).expect("covered");
        assert_eq!(tabs.reserve(PAYER, 50, 100, 0).err(), Some(NotReserved::Insufficient { available: 40 }));
        first.settle(10);
        assert_eq!(tabs.of(PAYER), (10, 0));
        let second = tabs.reserve(PAYER, 90, 100, 0).expect("covered");
        drop(second);
        assert_eq!(tabs.of(PAYER), (10, 0));
        tabs.settled([(PAYER, 10)]);
        assert_eq!(tabs.of(PAYER), (0, 0));
        assert_eq!(
            tabs.reserve(PAYER, 1, 100, 0).err(),
            Some(NotReserved::Stale),
            "funds read before the settlement count for nothing"
        );
        tabs.reserve(PAYER, 90, 90, tabs.epoch()).expect("fresh funds");
        assert!(tabs.0.lock().tabs.is_empty(), "nothing is kept of nobody");
    }
}

//! Requests that the commons pay for: whoever sends no API key is served from this gateway's budget of `Allowance`
//! (`docs/spec/governance.md`, the free allowance).
//!
//! To settlement `Allowance` is a payer like any other, with a session key that this gateway holds. What a gateway may
//! spend in a period is the contract's word; whom it serves is its own: each client gets a part of a period's budget at
//! most, so the first one to come cannot take it all. Free requests are open, since nobody could show to be the payer.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolCall;
use fonte_bindings::contracts::Allowance;
use fonte_types::{Visibility, wei};
use parking_lot::Mutex;

use crate::{
    answer::{Quoted, unix_now},
    app::App,
    chain::{Call, ChainError},
    duties::Pass,
    error::ApiError,
    keys::ApiKey,
    tabs::Share,
};

/// What a client may send where it must send some key.
pub(crate) const TOKEN: &str = "sk-fonte-free";

/// Clients that are counted at most; those of past periods go first.
const MAX_CLIENTS: usize = 65_536;

/// This gateway's budget, as the contract has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Wei per period; zero: there is none.
    pub(crate) per_period: u128,
    /// Start of the running period, and of the next.
    pub(crate) since: u64,
    pub(crate) until: u64,
    session: Address,
}

/// Who has used how much of the running period's budget.
#[derive(Clone, Default)]
pub(crate) struct Clients(Arc<Mutex<Counted>>);

#[derive(Default)]
struct Counted {
    since: u64,
    used: HashMap<IpAddr, u128>,
}

impl Clients {
    /// Counts `amount` for a client, whose part of the period's budget is `most`; its first answer may cost more.
    fn hold(&self, client: IpAddr, since: u64, amount: u128, most: u128) -> Option<Share> {
        let mut counted = self.0.lock();
        if counted.since != since {
            *counted = Counted { since, used: HashMap::new() };
        }
        if counted.used.len() >= MAX_CLIENTS && !counted.used.contains_key(&client) {
            return None;
        }
        let used = counted.used.get(&client).copied().unwrap_or_default();
        let sum = used.checked_add(amount)?;
        if used > 0 && sum > most {
            return None;
        }
        counted.used.insert(client, sum);
        let clients = self.clone();
        Some(Share::new(amount, move |unused| clients.release(client, since, unused)))
    }

    fn release(&self, client: IpAddr, since: u64, amount: u128) {
        let mut counted = self.0.lock();
        if counted.since == since
            && let Some(used) = counted.used.get_mut(&client)
        {
            *used = used.saturating_sub(amount);
            // Requests that came to nothing take no place.
            if *used == 0 {
                counted.used.remove(&client);
            }
        }
    }
}

/// Reads this gateway's budget.
pub(crate) async fn budget(app: &App) -> Result<Budget, ChainError> {
    let contract = app.chain.client.allowance_contract();
    let read = contract.budgetOf(app.chain.gateway()).call().await;
    let read = app.chain.read("this gateway's budget of the free allowance", read)?;
    // As the contract counts: a period that is over has begun the next one.
    let passed = unix_now().saturating_sub(read.since).checked_div(read.period).unwrap_or_default();
    let since = read.since.saturating_add(passed.saturating_mul(read.period));
    let until = since.saturating_add(read.period);
    Ok(Budget { per_period: read.perPeriod, since, until, session: read.sessionKey })
}

/// The commons as the payer of a request without a key.
pub(crate) fn payer(app: &App, client: IpAddr) -> ApiKey {
    // Clients do not share a bucket of the rate limit.
    let hash = keccak256(format!("free {client}"));
    ApiKey { hash, client: Some(client), ..app.free_key.clone() }
}

/// An error if the commons do not pay here.
pub(crate) async fn offered(app: &App) -> Result<(), ApiError> {
    if budget(app).await?.per_period == 0 {
        return Err(ApiError::bad_key());
    }
    Ok(())
}

/// Counts a request for its client, before anything is reserved.
pub(crate) async fn admit(app: &App, client: IpAddr, quoted: &Quoted) -> Result<Share, ApiError> {
    if quoted.chat.visibility == Visibility::Private {
        return Err(ApiError::forbidden(
            "free_requests_are_open",
            "the commons pay for open requests only: send an API key to ask privately",
        ));
    }
    let budget = budget(app).await?;
    if budget.per_period < quoted.max_fee {
        return Err(ApiError::insufficient(format!(
            "this answer may cost {} FNT, and the free allowance of this gateway is {} FNT per period: allow fewer output tokens, or send an API key",
            wei::display_fnt(quoted.max_fee),
            wei::display_fnt(budget.per_period)
        )));
    }
    let most = budget.per_period / 1_000_000 * u128::from(app.config.limits.free_share_ppm);
    app.clients.hold(client, budget.since, quoted.max_fee, most).ok_or_else(|| {
        later(
            &budget,
            format!(
                "your part of this gateway's free allowance is used up: one client gets {} FNT per period",
                wei::display_fnt(most)
            ),
        )
    })
}

/// Refills the budget for a request that needs more than the `available` wei, or says why it cannot be; once for each
/// request, since others may use up what was refilled for it.
pub(crate) async fn refill_for(app: &App, quoted: &Quoted, available: u128, again: bool) -> Result<(), ApiError> {
    let budget = budget(app).await?;
    let contract = app.chain.client.allowance_contract();
    let refillable = contract.refillable(app.chain.gateway()).call().await;
    let refillable = app.chain.read("what the free allowance may be refilled by", refillable)?;
    let need = quoted.max_fee;
    if !again && refillable > 0 && available.saturating_add(refillable) >= need {
        // Somebody else's refill makes this one needless, and is as good.
        match refill(app, &budget).await {
            Ok(()) | Err(ChainError::Reverted { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    let (need, left) = (wei::display_fnt(need), wei::display_fnt(available));
    let each = wei::display_fnt(budget.per_period);
    let fund = app.chain.client.balance(*contract.address()).await.map_err(ChainError::from)?;
    if refillable == fund && fund < quoted.max_fee {
        return Err(ApiError::insufficient(format!(
            "this answer may cost {need} FNT, {left} FNT are left of this gateway's free allowance, and its fund ({}) holds {} FNT: a vote can fill it (`fonte gov propose fund-allowance`); until then send an API key",
            contract.address(),
            wei::display_fnt(fund)
        )));
    }
    Err(later(
        &budget,
        format!(
            "this answer may cost {need} FNT, and {left} FNT are left of this gateway's free allowance of {each} FNT"
        ),
    ))
}

/// 429 until the next period.
fn later(budget: &Budget, why: String) -> ApiError {
    let wait = Duration::from_secs(budget.until.saturating_sub(unix_now()).max(1));
    ApiError {
        code: Some("free_allowance_exhausted"),
        ..ApiError::too_many(
            wait,
            format!(
                "{why}: it is refilled in {} s (at {} UTC seconds), or send an API key",
                wait.as_secs(),
                budget.until
            ),
        )
    }
}

/// Refills the budget, under this gateway's own session key.
async fn refill(app: &App, budget: &Budget) -> Result<(), ChainError> {
    let to = *app.chain.client.allowance_contract().address();
    let send = async |what, data: Vec<u8>| app.chain.submit(&Call { what, to, value: 0, data: data.into() }).await;
    let own = app.free_key.session.address();
    if budget.session != own {
        send(NAMING, Allowance::setSessionKeyCall { sessionKey: own }.abi_encode()).await?;
    }
    send(REFILLING, Allowance::refillCall { gateway: app.chain.gateway() }.abi_encode()).await?;
    Ok(())
}

const NAMING: &str = "naming the key that signs for the free allowance";
const REFILLING: &str = "refilling the free allowance";

/// The keeper's part: this gateway's own key signs for its budget, and a quarter of it never waits to be refilled.
pub(crate) async fn keep(pass: &mut Pass<'_>) -> Result<(), ChainError> {
    let app = pass.app;
    let budget = budget(app).await?;
    if budget.per_period == 0 {
        return Ok(());
    }
    let contract = app.chain.client.allowance_contract();
    let (at, own) = (*contract.address(), app.free_key.session.address());
    if budget.session != own {
        let data = Allowance::setSessionKeyCall { sessionKey: own }.abi_encode();
        pass.attempt(NAMING, 0, at, data).await?;
    }
    let refillable = contract.refillable(app.chain.gateway()).call().await;
    if app.chain.read("what the free allowance may be refilled by", refillable)? >= (budget.per_period / 4).max(1) {
        let data = Allowance::refillCall { gateway: app.chain.gateway() }.abi_encode();
        pass.attempt(REFILLING, 0, at, data).await?;
    }
    Ok(())
}

/// The name under which the session key of the free allowance is kept: no token's hash, since it is none of a token.
pub(crate) fn key_name() -> B256 {
    keccak256("session key of the free allowance")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0, 0, 0, 0));

    #[test]
    fn a_client_gets_its_part_of_each_period() {
        let clients = Clients::default();
        let first = clients.hold(CLIENT, 10, 60, 50).expect("the first answer may cost more than the part");
        assert!(clients.hold(CLIENT, 10, 1, 50).is_none(), "the part is used up");
        assert!(clients.hold(IpAddr::from([1, 2, 3, 4]), 10, 50, 50).is_some(), "clients do not share");
        // It cost 20 in the end.
        let mut first = first;
        first.keep(20);
        drop(first);
        let second = clients.hold(CLIENT, 10, 30, 50).expect("30 of 50 are left");
        assert!(clients.hold(CLIENT, 10, 1, 50).is_none());
        drop(second);
        let third = clients.hold(CLIENT, 10, 30, 50).expect("what was not used is back");
        let fourth = clients.hold(CLIENT, 20, 50, 50).expect("a new period begins anew");
        drop(third);
        assert!(clients.hold(CLIENT, 20, 1, 50).is_none(), "what a past period held is not given back to this one");
        drop(fourth);
        assert!(clients.0.lock().used.is_empty(), "who used nothing in the end takes no place");
    }
}

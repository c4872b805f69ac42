//! Proposals as the chain has them: what was proposed is in events, how it stands in the governor.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use eyre::{Result, eyre};
use fonte_bindings::{Client, abi, contracts::governor::FonteGovernor};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::{errors, money::fnt, say::say};

/// A proposal.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Proposal {
    /// Its place among all, from 1.
    pub(crate) number: usize,
    #[serde(serialize_with = "decimal")]
    pub(crate) id: U256,
    pub(crate) proposer: Address,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) state: State,
    pub(crate) vote_start: u64,
    pub(crate) vote_end: u64,
    /// When it can be executed; 0: not queued.
    pub(crate) executable_at: u64,
    #[serde(with = "fonte_types::wei")]
    pub(crate) votes_for: u128,
    #[serde(with = "fonte_types::wei")]
    pub(crate) votes_against: u128,
    #[serde(with = "fonte_types::wei")]
    pub(crate) votes_abstain: u128,
    /// For and abstentions that it needs; of now, where the vote has not begun.
    #[serde(with = "fonte_types::wei")]
    pub(crate) quorum: u128,
    pub(crate) calls: Vec<Value>,
    #[serde(skip)]
    pub(crate) content: Content,
}

/// What the governor asks for again when a proposal is queued or executed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) targets: Vec<Address>,
    pub(crate) values: Vec<U256>,
    pub(crate) data: Vec<Bytes>,
    pub(crate) description: String,
}

impl Content {
    pub(crate) fn description_hash(&self) -> B256 {
        keccak256(self.description.as_bytes())
    }
}

/// The id of a proposal in the timelock, which the guardian cancels by.
pub(crate) async fn operation(client: &Client, content: &Content) -> Result<B256> {
    let mut salt = content.description_hash();
    salt.iter_mut().zip(client.addresses().governor).for_each(|(byte, of)| *byte ^= of);
    let Content { targets, values, data, .. } = content.clone();
    let asked = client.timelock_contract().hashOperationBatch(targets, values, data, B256::ZERO, salt).call().await;
    Ok(client.reading("a proposal's id in the timelock", asked)?)
}

/// In the order of the contract's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Pending,
    Active,
    Canceled,
    Defeated,
    Succeeded,
    Queued,
    Expired,
    Executed,
}

impl State {
    fn of(value: u8) -> Result<Self> {
        use State::*;
        let states = [Pending, Active, Canceled, Defeated, Succeeded, Queued, Expired, Executed];
        states.get(usize::from(value)).copied().ok_or_else(|| eyre!("the governor knows a state {value}"))
    }

    pub(crate) fn word(self) -> String {
        errors::word("proposal", self as usize)
    }
}

/// All proposals, in the order in which they were made, without how they stand.
pub(crate) async fn created(client: &Client) -> Result<Vec<FonteGovernor::ProposalCreated>> {
    Ok(client.events("the proposals", client.addresses().governor).await?)
}

/// A proposal by its number or id.
pub(crate) async fn find(client: &Client, named: &str) -> Result<Proposal> {
    let all = created(client).await?;
    let index = match named.trim_start_matches('#').parse::<usize>() {
        Ok(number) if number <= all.len() => number.checked_sub(1),
        _ => named.parse::<U256>().ok().and_then(|id| all.iter().position(|proposal| proposal.proposalId == id)),
    };
    let count = all.len();
    let found = index.and_then(|index| Some((index, all.into_iter().nth(index)?)));
    let Some((index, event)) = found else {
        return Err(eyre!(say!(
            "there is no proposal {named}: there are {count}, see `fonte gov list`",
            "não existe a proposta {named}: existem {count}, veja `fonte gov list`"
        )));
    };
    standing(client, index + 1, event).await
}

/// How a proposal stands.
pub(crate) async fn standing(
    client: &Client,
    number: usize,
    event: FonteGovernor::ProposalCreated,
) -> Result<Proposal> {
    let governor = client.governor_contract();
    let id = event.proposalId;
    let state = client.reading("a proposal's state", governor.state(id).call().await)?;
    let votes = client.reading("a proposal's votes", governor.proposalVotes(id).call().await)?;
    let deadline = client.reading("a proposal's deadline", governor.proposalDeadline(id).call().await)?;
    let eta = client.reading("a proposal's time of execution", governor.proposalEta(id).call().await)?;
    let snapshot: u64 = event.voteStart.saturating_to();
    // The governor looks up the past only; before the vote begins, a moment ago is the best forecast.
    let asked = U256::from(snapshot.min(client.now().await?.saturating_sub(1)));
    let quorum = client.reading("a proposal's quorum", governor.quorum(asked).call().await)?;
    let calls = event
        .targets
        .iter()
        .zip(&event.values)
        .zip(&event.calldatas)
        .map(|((to, value), data)| call(client, *to, *value, data))
        .collect();
    Ok(Proposal {
        number,
        id,
        proposer: event.proposer,
        title: event.description.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned(),
        state: State::of(state)?,
        vote_start: snapshot,
        vote_end: deadline.saturating_to(),
        executable_at: eta.saturating_to(),
        votes_for: votes.forVotes.saturating_to(),
        votes_against: votes.againstVotes.saturating_to(),
        votes_abstain: votes.abstainVotes.saturating_to(),
        quorum: quorum.saturating_to(),
        calls,
        description: event.description.clone(),
        content: Content {
            targets: event.targets,
            values: event.values,
            data: event.calldatas,
            description: event.description,
        },
    })
}

/// A call of a proposal.
pub(crate) fn call(client: &Client, to: Address, value: U256, data: &Bytes) -> Value {
    let name = client.addresses().name_of(to);
    match name.and_then(|name| abi::decode_call(name, data)) {
        Some(call) => json!({"contract": call.contract, "function": call.name, "arguments": call.object(),
                             "text": format!("{}.{call}", call.contract), "value_wei": value.to_string()}),
        None => json!({"to": to, "name": name, "data": data, "value_wei": value.to_string()}),
    }
}

/// A call of a proposal in words.
pub(crate) fn call_text(call: &Value) -> String {
    let what = match call["text"].as_str() {
        Some(text) => text.to_owned(),
        None => {
            let to = call["name"].as_str().or(call["to"].as_str()).unwrap_or_default();
            format!("{to} {}", call["data"].as_str().filter(|data| *data != "0x").unwrap_or_default())
        }
    };
    let value: u128 = call["value_wei"].as_str().and_then(|value| value.parse().ok()).unwrap_or_default();
    if value == 0 { what } else { say!("{what} with {} FNT", "{what} com {} FNT", fnt(value)) }
}

/// Ids have 77 digits: more than JSON numbers hold.
fn decimal<S: Serializer>(id: &U256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&id.to_string())
}

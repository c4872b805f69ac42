//! `fonte gov propose|list|show|delegate|vote|queue|execute|cancel`.

use alloy_primitives::{Address, Bytes, U256};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::SolCall;
use eyre::{Result, bail, eyre};
use fonte_bindings::{
    Client, abi,
    contracts::{Allowance, Datanets, FonteGovernor, Models},
};
use serde_json::{Value, json};

use crate::{
    args::{
        Common,
        gov::{Form, Gov, Propose, Support},
    },
    context::Context,
    errors::time,
    money::{fnt, parse_fnt},
    proposals::{self, Content, Proposal, State},
    say::say,
    transact::{
        Forecast, Step, forecast, print_lines, show as show_effects, step, transact, transact_all, unsimulated,
    },
};

pub(crate) async fn run(common: &Common, command: Gov) -> Result<()> {
    match command {
        Gov::Propose(propose) => self::propose(common, propose).await,
        Gov::List => list(common).await,
        Gov::Show { proposal } => show(common, &proposal).await,
        Gov::Delegate { delegate, wrap } => self::delegate(common, delegate, wrap).await,
        Gov::Vote { proposal, support, reason } => vote(common, &proposal, support, reason).await,
        Gov::Queue { proposal } => queue(common, &proposal).await,
        Gov::Execute { proposal } => execute(common, &proposal).await,
        Gov::Cancel { proposal } => cancel(common, &proposal).await,
    }
}

async fn propose(common: &Common, propose: Propose) -> Result<()> {
    let context = Context::signing(common).await?;
    let client = &context.client;
    let (calls, title) = match propose.form {
        Some(form) => {
            let (call, title) = typed(&context, form).await?;
            (vec![call], title)
        }
        None => {
            let calls = propose.call.iter().map(|text| written(client, text)).collect::<Result<Vec<_>>>()?;
            (calls, propose.call.join("; "))
        }
    };
    let mut content = Content { description: propose.description.unwrap_or(title), ..Content::default() };
    for Called { to, value, data } in calls {
        content.targets.push(to);
        content.values.push(value);
        content.data.push(data);
    }
    let outcome = outcome(client, &content).await?;
    let warning = outcome.refused.as_ref().map(|why| {
        let call = (content.targets.iter().zip(&content.values).zip(&content.data)).nth(outcome.effects.len());
        let call = call.map(|((to, value), data)| proposals::call_text(&proposals::call(client, *to, *value, data)));
        say!("warning: executed now, {}: {why}", "aviso: executada agora, {}: {why}", call.unwrap_or_default())
    });
    let governor = client.governor_contract();
    let Content { targets, values, data, description } = content;
    let call = governor.propose(targets, values, data, description);
    if common.dry_run {
        let facts = json!({"if_it_passes": outcome.effects, "warning": warning});
        show_effects(common, client, &[step("the proposal", call)], &facts, "").await?;
        if !common.json {
            println!("{}", say!("if it passes, the timelock would do this:", "se passar, o timelock faria isto:"));
            print_lines(&outcome.effects);
            warning.iter().for_each(|warning| println!("  {warning}"));
        }
        return Ok(());
    }
    let Some(receipt) = transact(common, client, "the proposal", call).await? else { return Ok(()) };
    let event = receipt
        .decoded_log::<FonteGovernor::ProposalCreated>()
        .ok_or_else(|| eyre!("the proposal was made and no event says so"))?
        .data;
    let number = proposals::created(client).await?.iter().position(|p| p.proposalId == event.proposalId);
    let number = number.map_or(0, |index| index + 1);
    let (start, end): (u64, u64) = (event.voteStart.saturating_to(), event.voteEnd.saturating_to());
    if common.json {
        println!(
            "{}",
            json!({"proposal": number, "id": event.proposalId.to_string(), "vote_start": start, "vote_end": end,
                   "warning": warning, "tx": receipt.transaction_hash})
        );
    } else {
        warning.iter().for_each(|warning| println!("{warning}"));
        println!(
            "{}",
            say!(
                "proposal {number}: the vote runs from {} to {}; then: fonte gov vote {number} for",
                "proposta {number}: a votação vai de {} a {}; depois: fonte gov vote {number} for",
                time(start.into()),
                time(end.into())
            )
        );
    }
    Ok(())
}

/// What the timelock would do if it executed a proposal now.
async fn outcome(client: &Client, content: &Content) -> Result<Forecast> {
    let at = client.addresses();
    let mut steps = Vec::with_capacity(content.targets.len());
    for ((to, value), data) in content.targets.iter().zip(&content.values).zip(&content.data) {
        let request = TransactionRequest::default().from(at.timelock).to(*to).value(*value).input(data.clone().into());
        steps.push(Step { what: "the call", request, contract: None });
    }
    // The governor takes its settings within an execution alone, which cannot be simulated before the vote.
    if content.targets.contains(&at.governor) {
        return Ok(Forecast { effects: steps.iter().map(|step| unsimulated(client, step)).collect(), refused: None });
    }
    forecast(client, &steps).await
}

/// A call that the timelock is to make.
struct Called {
    to: Address,
    value: U256,
    data: Bytes,
}

/// A call as people write it.
fn written(client: &Client, text: &str) -> Result<Called> {
    let (contract, data) = abi::parse_call(text)?;
    let to = client.addresses().of(contract).ok_or_else(|| eyre!("{contract} has no address"))?;
    Ok(Called { to, value: U256::ZERO, data })
}

/// A call in one of the usual forms, with a title.
async fn typed(context: &Context, form: Form) -> Result<(Called, String)> {
    let at = context.client.addresses();
    let call = |to: Address, data: Vec<u8>| Called { to, value: U256::ZERO, data: data.into() };
    Ok(match form {
        Form::ApproveModel { model, commitment } => {
            let name = context.client.models_contract().model(model).call().await?.name;
            let data = Models::approveCall { id: model, evaluationCommitment: commitment }.abi_encode();
            (call(at.models, data), format!("Approve model {model}, {name}"))
        }
        Form::DeployModel { model } => {
            let name = context.client.models_contract().model(model).call().await?.name;
            (call(at.models, Models::deployCall { id: model }.abi_encode()), format!("Deploy model {model}, {name}"))
        }
        Form::RetireModel { model } => {
            (call(at.models, Models::retireCall { id: model }.abi_encode()), format!("Retire model {model}"))
        }
        Form::ReinstateModel { model } => {
            (call(at.models, Models::reinstateCall { id: model }.abi_encode()), format!("Reinstate model {model}"))
        }
        Form::Commons { datanet, root, documents, bytes } => {
            let net = context.datanet(&datanet).await?;
            let data = Datanets::registerCommonsCall { net: net.id.0, root, documents, textBytes: bytes }.abi_encode();
            (call(at.datanets, data), format!("Register {root} as commons in datanet {}", net.name))
        }
        Form::FundAllowance { amount } => {
            let value = U256::from(parse_fnt(&amount)?);
            (
                Called { to: at.allowance, value, data: Bytes::new() },
                format!("Fund the free allowance with {amount} FNT"),
            )
        }
        Form::AllowanceBudget { gateway, session_key, per_period, period } => {
            let data = Allowance::setBudgetCall {
                gateway,
                sessionKey: session_key,
                perPeriod: parse_fnt(&per_period)?,
                period,
            };
            let title = format!("Free allowance of {per_period} FNT every {period} s through gateway {gateway}");
            (call(at.allowance, data.abi_encode()), title)
        }
    })
}

async fn list(common: &Common) -> Result<()> {
    let context = Context::read_only(common).await?;
    let mut all = Vec::new();
    for (index, event) in proposals::created(&context.client).await?.into_iter().enumerate() {
        all.push(proposals::standing(&context.client, index + 1, event).await?);
    }
    if common.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for proposal in all {
        println!("{:>4}  {:<10} {}", proposal.number, proposal.state.word(), proposal.title);
    }
    Ok(())
}

async fn show(common: &Common, named: &str) -> Result<()> {
    let context = Context::read_only(common).await?;
    let proposal = proposals::find(&context.client, named).await?;
    let evaluations = evaluations(&context, &proposal).await?;
    if common.json {
        let mut object = serde_json::to_value(&proposal)?;
        object["evaluations"] = json!(evaluations);
        object["operation"] = json!(proposals::operation(&context.client, &proposal.content).await?);
        println!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(());
    }
    println!("{} {}: {}", say!("proposal", "proposta"), proposal.number, proposal.state.word());
    println!("{}\n", proposal.description);
    for call in &proposal.calls {
        println!("  {}", proposals::call_text(call));
    }
    for evaluation in &evaluations {
        println!(
            "  {}",
            say!(
                "model {}: score {}, voted: {} {}; {}",
                "modelo {}: nota {}, votado: {} {}; {}",
                evaluation["model"],
                evaluation["score"].as_str().unwrap_or_default(),
                evaluation["direction"].as_str().unwrap_or_default(),
                evaluation["threshold"].as_str().unwrap_or_default(),
                if evaluation["met"] == true { say!("met", "atingida") } else { say!("MISSED", "NÃO atingida") }
            )
        );
    }
    let votes = [
        (say!("for", "a favor"), proposal.votes_for),
        (say!("against", "contra"), proposal.votes_against),
        (say!("abstain", "abstenções"), proposal.votes_abstain),
        (say!("quorum", "quórum"), proposal.quorum),
    ];
    for (name, amount) in votes {
        println!("  {name:<11} {} FNT", fnt(amount));
    }
    println!(
        "  {}",
        say!(
            "vote from {} to {}",
            "votação de {} a {}",
            time(proposal.vote_start.into()),
            time(proposal.vote_end.into())
        )
    );
    println!("  {}", next(&proposal));
    Ok(())
}

/// What can be done now.
fn next(proposal: &Proposal) -> String {
    let number = proposal.number;
    match proposal.state {
        State::Pending => say!(
            "next: wait for the vote; before it the proposer can take it back: fonte gov cancel {number}",
            "agora: espere a votação; antes dela quem propôs pode retirá-la: fonte gov cancel {number}"
        ),
        State::Active => say!(
            "next: fonte gov vote {number} for|against|abstain",
            "agora: fonte gov vote {number} for|against|abstain"
        ),
        State::Succeeded => say!("next: fonte gov queue {number}", "agora: fonte gov queue {number}"),
        State::Queued => say!(
            "next: fonte gov execute {number}, from {} on; the guardian can stop it: fonte gov cancel {number}",
            "agora: fonte gov execute {number}, a partir de {}; o guardião pode impedir: fonte gov cancel {number}",
            time(proposal.executable_at.into())
        ),
        State::Canceled | State::Defeated | State::Expired | State::Executed => say!("this is its end", "este é o fim"),
    }
}

/// For each model that the proposal would deploy: its score against what was voted.
async fn evaluations(context: &Context, proposal: &Proposal) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for (to, data) in proposal.content.targets.iter().zip(&proposal.content.data) {
        if *to != context.client.addresses().models {
            continue;
        }
        let Ok(call) = Models::deployCall::abi_decode(data) else { continue };
        let life = context.client.models_contract().life(call.id).call().await?;
        let (score, threshold) = (life.score, life.criteria.threshold);
        let at_least = life.criteria.direction == 0;
        found.push(json!({
            "model": call.id, "score": score.to_string(), "threshold": threshold.to_string(),
            "direction": if at_least { "at least" } else { "at most" }, "evaluation": life.evaluation,
            "recorded": !life.evaluation.is_zero(),
            "met": !life.evaluation.is_zero() && if at_least { score >= threshold } else { score <= threshold },
        }));
    }
    Ok(found)
}

async fn delegate(common: &Common, delegate: Option<Address>, wrap: Option<String>) -> Result<()> {
    let context = Context::signing(common).await?;
    let client = &context.client;
    let own = client.sender().ok_or_else(|| eyre!("no key"))?;
    let delegate = delegate.unwrap_or(own);
    let token = client.token_contract();
    let mut steps = Vec::new();
    if let Some(amount) = &wrap {
        steps.push(step("wrapping coins", token.deposit().value(U256::from(parse_fnt(amount)?))));
    }
    steps.push(step("the delegation", token.delegate(delegate)));
    let Some(receipts) = transact_all(common, client, steps).await? else { return Ok(()) };
    let tx = receipts.last().map(|receipt| receipt.transaction_hash);
    let votes: u128 = token.getVotes(delegate).call().await?.saturating_to();
    if common.json {
        println!("{}", json!({"delegate": delegate, "votes_wei": votes.to_string(), "tx": tx}));
    } else {
        println!(
            "{}",
            say!(
                "{delegate} has {} FNT of votes, in proposals whose vote begins from now on",
                "{delegate} tem {} FNT de votos, nas propostas cuja votação começa de agora em diante",
                fnt(votes)
            )
        );
    }
    Ok(())
}

async fn vote(common: &Common, named: &str, support: Support, reason: Option<String>) -> Result<()> {
    let context = Context::signing(common).await?;
    let client = &context.client;
    let proposal = proposals::find(client, named).await?;
    let own = client.sender().ok_or_else(|| eyre!("no key"))?;
    let weight: u128 = match proposal.state {
        State::Active => {
            let at = U256::from(proposal.vote_start);
            client.governor_contract().getVotes(own, at).call().await?.saturating_to()
        }
        _ => u128::MAX, // the contract says why not
    };
    if weight == 0 {
        bail!(say!(
            "{own} had no votes when the vote began: wrap coins and delegate (`fonte gov delegate --wrap FNT`) before the next",
            "{own} não tinha votos quando a votação começou: embrulhe moedas e delegue (`fonte gov delegate --wrap FNT`) antes da próxima"
        ));
    }
    let governor = client.governor_contract();
    let call = governor.castVoteWithReason(proposal.id, support as u8, reason.unwrap_or_default());
    let Some(receipt) = transact(common, client, "the vote", call).await? else { return Ok(()) };
    if common.json {
        println!(
            "{}",
            json!({"proposal": proposal.number, "support": format!("{support:?}").to_lowercase(),
                   "weight_wei": weight.to_string(), "tx": receipt.transaction_hash})
        );
    } else {
        println!("{}", say!("voted with {} FNT", "votado com {} FNT", fnt(weight)));
    }
    Ok(())
}

async fn queue(common: &Common, named: &str) -> Result<()> {
    let context = Context::signing(common).await?;
    let client = &context.client;
    let proposal = proposals::find(client, named).await?;
    let hash = proposal.content.description_hash();
    let Content { targets, values, data, .. } = proposal.content;
    let governor = client.governor_contract();
    let call = governor.queue(targets, values, data, hash);
    let Some(receipt) = transact(common, client, "queueing the proposal", call).await? else { return Ok(()) };
    let eta: u64 = governor.proposalEta(proposal.id).call().await?.saturating_to();
    if common.json {
        println!("{}", json!({"proposal": proposal.number, "executable_at": eta, "tx": receipt.transaction_hash}));
    } else {
        println!(
            "{}",
            say!(
                "proposal {} waits in the timelock until {}; then: fonte gov execute {}",
                "a proposta {} espera no timelock até {}; depois: fonte gov execute {}",
                proposal.number,
                time(eta.into()),
                proposal.number
            )
        );
    }
    Ok(())
}

async fn execute(common: &Common, named: &str) -> Result<()> {
    let context = Context::signing(common).await?;
    let client = &context.client;
    let proposal = proposals::find(client, named).await?;
    let hash = proposal.content.description_hash();
    let Content { targets, values, data, .. } = proposal.content;
    let governor = client.governor_contract();
    let call = governor.execute(targets, values, data, hash);
    let Some(receipt) = transact(common, client, "executing the proposal", call).await? else { return Ok(()) };
    if common.json {
        println!("{}", json!({"proposal": proposal.number, "state": "executed", "tx": receipt.transaction_hash}));
    } else {
        println!(
            "{}",
            say!(
                "proposal {} is executed in {}",
                "proposta {} executada em {}",
                proposal.number,
                receipt.transaction_hash
            )
        );
        for call in &proposal.calls {
            println!("  {}", proposals::call_text(call));
        }
    }
    Ok(())
}

/// Takes a proposal back before its vote, which only its proposer can; or out of the timelock, which only the guardian can.
async fn cancel(common: &Common, named: &str) -> Result<()> {
    let context = Context::signing(common).await?;
    let client = &context.client;
    let proposal = proposals::find(client, named).await?;
    let sent = if proposal.state == State::Queued {
        let operation = proposals::operation(client, &proposal.content).await?;
        transact(common, client, "stopping the proposal", client.timelock_contract().cancel(operation)).await?
    } else {
        let hash = proposal.content.description_hash();
        let Content { targets, values, data, .. } = proposal.content;
        let governor = client.governor_contract();
        transact(common, client, "taking the proposal back", governor.cancel(targets, values, data, hash)).await?
    };
    let Some(receipt) = sent else { return Ok(()) };
    if common.json {
        println!("{}", json!({"proposal": proposal.number, "state": "canceled", "tx": receipt.transaction_hash}));
    } else {
        let number = proposal.number;
        println!("{}", say!("proposal {number} is cancelled", "proposta {number} cancelada"));
    }
    Ok(())
}

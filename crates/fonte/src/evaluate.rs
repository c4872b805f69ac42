//! `fonte model evaluate MODEL seal|unseal|open|draw|commit|reveal|close|status|penalize`.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;
use eyre::{Result, bail, eyre};
use fonte_bindings::contracts::{ModelReviews, models::IModels::Life};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    args::{Common, model::Evaluate},
    context::Context,
    errors::{time, word},
    model::{find, hash_of, hash_of_file, moved, signing},
    money::fnt,
    say::say,
    sealed,
    transact::transact,
};

/// What hides an evaluation set.
#[derive(Debug, Serialize, Deserialize)]
struct SealedSet {
    evaluation_set: B256,
    salt: B256,
}

/// What hides a score.
#[derive(Debug, Serialize, Deserialize)]
struct SealedScore {
    score: i128,
    report: B256,
    salt: B256,
}

pub(crate) async fn run(common: &Common, named: &str, step: Evaluate) -> Result<()> {
    match step {
        Evaluate::Seal { file } => seal(common, named, &file).await,
        Evaluate::Unseal { url } => unseal(common, named, url).await,
        Evaluate::Open => open(common, named).await,
        Evaluate::Draw => draw(common, named).await,
        Evaluate::Commit { score, report } => commit(common, named, score, &report).await,
        Evaluate::Reveal => reveal(common, named).await,
        Evaluate::Close => close(common, named).await,
        Evaluate::Status => status(common, named).await,
        Evaluate::Penalize { evaluator, round } => penalize(common, named, evaluator, round).await,
    }
}

async fn seal(common: &Common, named: &str, file: &std::path::Path) -> Result<()> {
    let context = Context::read_only(common).await?;
    let model = find(&context.client, named).await?;
    let evaluation_set = hash_of_file(file)?;
    let (folder, chain) = (&context.data_dir, context.client.network().chain_id);
    // A set has one salt: whoever asks again may have lost a commitment that is voted on already.
    let known: Vec<SealedSet> = sealed::all(folder, chain, &format!("evaluation-{model}-"))?;
    let known = known.into_iter().find(|known| known.evaluation_set == evaluation_set);
    let sealed = known.unwrap_or_else(|| SealedSet { evaluation_set, salt: B256::random() });
    let commitment = keccak256((sealed.evaluation_set, sealed.salt).abi_encode());
    let path = sealed::path(folder, chain, &set_name(model, commitment));
    sealed::keep(&path, &sealed)?;
    if common.json {
        println!("{}", json!({"model": model, "evaluation_set": evaluation_set, "commitment": commitment}));
    } else {
        println!("{commitment}");
        println!(
            "{}",
            say!(
                "the salt is in {}; next: fonte gov propose approve-model {model} --commitment {commitment}",
                "o sal está em {}; agora: fonte gov propose approve-model {model} --commitment {commitment}",
                path.display()
            )
        );
    }
    Ok(())
}

/// Sets have files of their own: one that is sealed later must not take the salt of one that was voted on.
fn set_name(model: u32, commitment: B256) -> String {
    format!("evaluation-{model}-{commitment}")
}

async fn unseal(common: &Common, named: &str, url: String) -> Result<()> {
    let (context, model) = signing(common, named).await?;
    let contract = context.client.models_contract();
    let commitment = contract.life(model).call().await?.evaluationCommitment;
    if commitment.is_zero() {
        bail!(say!(
            "model {model} has no commitment to open: a vote gives it one (fonte gov propose approve-model)",
            "o modelo {model} não tem compromisso a abrir: uma votação o dá (fonte gov propose approve-model)"
        ));
    }
    let chain = context.client.network().chain_id;
    let sealed: SealedSet = sealed::read(&sealed::path(&context.data_dir, chain, &set_name(model, commitment)))?;
    let call = contract.revealEvaluation(model, sealed.evaluation_set, sealed.salt, url);
    moved(common, &context, model, "opening the evaluation set", call).await
}

async fn open(common: &Common, named: &str) -> Result<()> {
    let (context, model) = signing(common, named).await?;
    let seats = context.client.models_contract().life(model).call().await?.criteria.evaluators;
    let contract = context.client.model_reviews_contract();
    let fee = contract.evaluationFee().call().await?;
    let call = contract.open(model).value(U256::from(fee) * U256::from(seats));
    let Some(receipt) = transact(common, &context.client, "opening a round", call).await? else { return Ok(()) };
    let event = receipt
        .decoded_log::<ModelReviews::Opened>()
        .ok_or_else(|| eyre!("the round was opened and no event says so"))?;
    let paid: u128 = event.paid.saturating_to();
    if common.json {
        println!(
            "{}",
            json!({"model": model, "round": event.round, "draw_block": event.drawBlock, "paid_wei": paid.to_string(),
                   "tx": receipt.transaction_hash})
        );
    } else {
        println!(
            "{}",
            say!(
                "round {} is paid for ({} FNT); after block {}: fonte model evaluate {model} draw",
                "rodada {} paga ({} FNT); depois do bloco {}: fonte model evaluate {model} draw",
                event.round,
                fnt(paid),
                event.drawBlock
            )
        );
    }
    Ok(())
}

async fn draw(common: &Common, named: &str) -> Result<()> {
    let (context, model) = signing(common, named).await?;
    let contract = context.client.model_reviews_contract();
    let call = contract.draw(model);
    let Some(receipt) = transact(common, &context.client, "drawing the evaluators", call).await? else {
        return Ok(());
    };
    let drawn = receipt.decoded_log::<ModelReviews::Drawn>();
    let seats = drawn.as_ref().map(|event| event.seats.clone()).unwrap_or_default();
    let (commit, reveal) = drawn.as_ref().map_or((0, 0), |event| (event.commitUntil, event.revealUntil));
    if common.json {
        println!(
            "{}",
            json!({"model": model, "drawn": drawn.is_some(), "seats": seats, "commit_until": commit,
                   "reveal_until": reveal, "tx": receipt.transaction_hash})
        );
    } else if drawn.is_none() {
        println!(
            "{}",
            say!(
                "nobody could be drawn any more: open another round",
                "já não era possível sortear: abra outra rodada"
            )
        );
    } else {
        for seat in &seats {
            println!("  {seat}");
        }
        println!(
            "{}",
            say!(
                "commit until {}, reveal until {}",
                "compromisso até {}, revelação até {}",
                time(commit.into()),
                time(reveal.into())
            )
        );
    }
    Ok(())
}

/// The file of an evaluator's score.
async fn score_path(context: &Context, model: u32) -> Result<(std::path::PathBuf, u32, Address)> {
    let round = context.client.model_reviews_contract().roundCount(model).call().await?;
    let evaluator = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let name = format!("score-{model}-{round}-{evaluator}");
    Ok((sealed::path(&context.data_dir, context.client.network().chain_id, &name), round, evaluator))
}

async fn commit(common: &Common, named: &str, score: i128, report: &str) -> Result<()> {
    let (context, model) = signing(common, named).await?;
    let (path, round, evaluator) = score_path(&context, model).await?;
    let sealed = SealedScore { score, report: hash_of(report)?, salt: B256::random() };
    let hidden = (U256::from(model), U256::from(round), evaluator, score, sealed.report, sealed.salt);
    let commitment = keccak256(hidden.abi_encode());
    let contract = context.client.model_reviews_contract();
    let call = contract.commitScore(model, commitment);
    if !common.dry_run {
        // A score that was committed before stays: the contract takes one commitment, and this must not lose its salt.
        let known = contract.voteOf(model, round, evaluator).call().await?.commitment;
        if known.is_zero() {
            sealed::keep(&path, &sealed)?;
        }
    }
    let Some(receipt) = transact(common, &context.client, "committing the score", call).await? else { return Ok(()) };
    if common.json {
        println!(
            "{}",
            json!({"model": model, "round": round, "evaluator": evaluator, "commitment": commitment,
                   "tx": receipt.transaction_hash})
        );
    } else {
        println!(
            "{}",
            say!(
                "committed; score and salt are in {}; then: fonte model evaluate {model} reveal",
                "registrado; nota e sal estão em {}; depois: fonte model evaluate {model} reveal",
                path.display()
            )
        );
    }
    Ok(())
}

async fn reveal(common: &Common, named: &str) -> Result<()> {
    let (context, model) = signing(common, named).await?;
    let (path, round, evaluator) = score_path(&context, model).await?;
    let sealed: SealedScore = sealed::read(&path)?;
    let contract = context.client.model_reviews_contract();
    let call = contract.revealScore(model, sealed.score, sealed.report, sealed.salt);
    let Some(receipt) = transact(common, &context.client, "revealing the score", call).await? else { return Ok(()) };
    if common.json {
        println!(
            "{}",
            json!({"model": model, "round": round, "evaluator": evaluator, "score": sealed.score.to_string(),
                   "report": sealed.report, "tx": receipt.transaction_hash})
        );
    } else {
        println!("{}", say!("score {} revealed", "nota {} revelada", sealed.score));
    }
    Ok(())
}

async fn close(common: &Common, named: &str) -> Result<()> {
    let (context, model) = signing(common, named).await?;
    let contract = context.client.model_reviews_contract();
    let call = contract.close(model);
    let Some(receipt) = transact(common, &context.client, "closing the round", call).await? else { return Ok(()) };
    let event = receipt
        .decoded_log::<ModelReviews::Closed>()
        .ok_or_else(|| eyre!("the round was closed and no event says so"))?;
    let life = context.client.models_contract().life(model).call().await?;
    let met = event.stands && met(&life);
    if common.json {
        println!(
            "{}",
            json!({"model": model, "round": event.round, "stands": event.stands, "median": event.median.to_string(),
                   "agreeing": event.agreeing.to_string(), "met": met, "tx": receipt.transaction_hash})
        );
    } else if !event.stands {
        println!("{}", say!("no quorum agreed: open another round", "sem quórum de acordo: abra outra rodada"));
    } else if met {
        println!(
            "{}",
            say!(
                "score {}, which meets what was voted; next: fonte gov propose deploy-model {model}",
                "nota {}, que atinge o que foi votado; agora: fonte gov propose deploy-model {model}",
                event.median
            )
        );
    } else {
        println!(
            "{}",
            say!(
                "score {}, which MISSES what was voted ({}): it cannot be deployed",
                "nota {}, que NÃO atinge o que foi votado ({}): não pode ser implantado",
                event.median,
                life.criteria.threshold
            )
        );
    }
    Ok(())
}

/// Whether the score on record is what was voted.
fn met(life: &Life) -> bool {
    let at_least = life.criteria.direction == 0;
    if at_least { life.score >= life.criteria.threshold } else { life.score <= life.criteria.threshold }
}

async fn status(common: &Common, named: &str) -> Result<()> {
    const PHASES: [&str; 7] = ["none", "opened", "committing", "revealing", "counting", "stood", "failed"];
    let context = Context::read_only(common).await?;
    let model = find(&context.client, named).await?;
    let contract = context.client.model_reviews_contract();
    let count = contract.roundCount(model).call().await?;
    let mut rounds = Vec::new();
    for number in 1..=count {
        let round = contract.round(model, number).call().await?;
        let mut seats = Vec::new();
        for seat in &round.seats {
            let vote = contract.voteOf(model, number, *seat).call().await?;
            seats.push(json!({
                "evaluator": seat, "committed": !vote.commitment.is_zero(), "revealed": vote.revealed,
                "score": vote.revealed.then(|| vote.score.to_string()), "penalized": vote.penalized,
            }));
        }
        if !common.json {
            println!(
                "{}",
                say!("round {number}: {}", "rodada {number}: {}", word("evaluation_phase", round.phase.into()))
            );
            for seat in &seats {
                println!(
                    "  {} {}",
                    seat["evaluator"].as_str().unwrap_or_default(),
                    seat["score"].as_str().unwrap_or("…")
                );
            }
        }
        rounds.push(json!({
            "round": number, "phase": PHASES.get(usize::from(round.phase)), "draw_block": round.drawBlock,
            "commit_until": round.commitUntil, "reveal_until": round.revealUntil, "payer": round.payer,
            "fee_wei": round.fee.to_string(), "median": round.median.to_string(), "seats": seats,
        }));
    }
    if common.json {
        let life = context.client.models_contract().life(model).call().await?;
        let met = (!life.evaluation.is_zero()).then(|| met(&life));
        println!("{}", serde_json::to_string_pretty(&json!({"model": model, "rounds": rounds, "met": met}))?);
    }
    Ok(())
}

async fn penalize(common: &Common, named: &str, evaluator: Address, round: Option<u32>) -> Result<()> {
    let (context, model) = signing(common, named).await?;
    let contract = context.client.model_reviews_contract();
    let round = match round {
        Some(round) => round,
        None => contract.roundCount(model).call().await?,
    };
    let call = contract.penalize(model, round, evaluator);
    let Some(receipt) = transact(common, &context.client, "the penalty", call).await? else { return Ok(()) };
    let amount: u128 = receipt.decoded_log::<ModelReviews::Penalized>().map_or(0, |event| event.amount.saturating_to());
    if common.json {
        println!(
            "{}",
            json!({"model": model, "round": round, "evaluator": evaluator, "amount_wei": amount.to_string(),
                   "tx": receipt.transaction_hash})
        );
    } else {
        println!("{}", say!("{evaluator} lost {} FNT", "{evaluator} perdeu {} FNT", fnt(amount)));
    }
    Ok(())
}

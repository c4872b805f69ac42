//! `fonte review register|list|show|seat|vote|reveal|close|appeal|finish|leave|unstake`: the pool of staked reviewers.

use alloy_contract::CallBuilder;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_provider::DynProvider;
use alloy_sol_types::SolValue;
use eyre::{Result, bail, eyre};
use fonte_bindings::contracts::{Reviews, reviews::IReviews};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    args::{
        Common,
        review::{Review, Verdict},
    },
    context::Context,
    errors::{time, word},
    money::{fnt, parse_fnt},
    say::say,
    sealed,
    transact::transact,
};

type Contract = Reviews::ReviewsInstance<DynProvider>;

/// What hides a vote.
#[derive(Debug, Serialize, Deserialize)]
struct SealedVote {
    approve: bool,
    salt: B256,
}

pub(crate) async fn run(common: &Common, command: Review) -> Result<()> {
    match command {
        Review::Register { amount } => register(common, amount).await,
        Review::List { open } => list(common, open).await,
        Review::Show { case } => {
            let context = Context::read_only(common).await?;
            print(common, &case_object(&context, case).await?, Value::Null)
        }
        Review::Seat { case } => move_on(common, case, "drawing the panel", |contract| contract.seat(case)).await,
        Review::Vote { case, vote } => self::vote(common, case, vote).await,
        Review::Reveal { case } => reveal(common, case).await,
        Review::Close { case } => move_on(common, case, "counting the votes", |contract| contract.close(case)).await,
        Review::Appeal { case } => {
            let context = Context::signing(common).await?;
            let contract = context.client.reviews_contract();
            let deposit = contract.appealDeposit(case).call().await?;
            let call = contract.appeal(case).value(U256::from(deposit));
            moved(common, &context, case, "the appeal", call).await
        }
        Review::Finish { case } => move_on(common, case, "ending the case", |contract| contract.finish(case)).await,
        Review::Leave => change(common, "leaving the pool", |contract| contract.unregister()).await,
        Review::Unstake => change(common, "taking the stake out", |contract| contract.unstake()).await,
    }
}

async fn register(common: &Common, amount: Option<String>) -> Result<()> {
    let context = Context::signing(common).await?;
    let contract = context.client.reviews_contract();
    let value = match amount {
        Some(amount) => parse_fnt(&amount)?,
        None => contract.minimumStake().call().await?,
    };
    membership(common, &context, "registering as a reviewer", contract.register().value(U256::from(value))).await
}

/// Sends a call of the key that changes its place in the pool.
async fn change<D: alloy_contract::CallDecoder + Send + Sync>(
    common: &Common,
    what: &'static str,
    call: impl FnOnce(&Contract) -> CallBuilder<&DynProvider, D>,
) -> Result<()> {
    let context = Context::signing(common).await?;
    membership(common, &context, what, call(&context.client.reviews_contract())).await
}

/// Sends a call of the key that moves a case on.
async fn move_on<D: alloy_contract::CallDecoder + Send + Sync>(
    common: &Common,
    case: u64,
    what: &'static str,
    call: impl FnOnce(&Contract) -> CallBuilder<&DynProvider, D>,
) -> Result<()> {
    let context = Context::signing(common).await?;
    moved(common, &context, case, what, call(&context.client.reviews_contract())).await
}

/// Sends a call that changes the caller's place in the pool, and says how it stands then.
async fn membership<P: alloy_provider::Provider, D: alloy_contract::CallDecoder + Send + Sync>(
    common: &Common,
    context: &Context,
    what: &'static str,
    call: CallBuilder<P, D>,
) -> Result<()> {
    let Some(receipt) = transact(common, &context.client, what, call).await? else { return Ok(()) };
    let own = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let reviewer = context.client.reviews_contract().reviewerOf(own).call().await?;
    if common.json {
        println!(
            "{}",
            json!({"reviewer": own, "stake_wei": reviewer.stake.to_string(), "in_pool": reviewer.place != 0,
                   "seats": reviewer.seats, "leaves_at": reviewer.leavesAt, "tx": receipt.transaction_hash})
        );
    } else {
        let place = if reviewer.place == 0 {
            say!("not in the pool", "fora do grupo")
        } else {
            say!("in the pool", "no grupo")
        };
        println!("{}", say!("{own}: stake {} FNT, {place}", "{own}: caução {} FNT, {place}", fnt(reviewer.stake)));
        if reviewer.leavesAt != 0 {
            println!(
                "  {}",
                say!(
                    "the stake can be taken out from {} on: fonte review unstake",
                    "a caução pode ser retirada a partir de {}: fonte review unstake",
                    time(reviewer.leavesAt.into())
                )
            );
        }
    }
    Ok(())
}

/// Sends a call that moves a case on, and says where it stands then.
async fn moved<P: alloy_provider::Provider, D: alloy_contract::CallDecoder + Send + Sync>(
    common: &Common,
    context: &Context,
    case: u64,
    what: &'static str,
    call: CallBuilder<P, D>,
) -> Result<()> {
    let Some(receipt) = transact(common, &context.client, what, call).await? else { return Ok(()) };
    print(common, &case_object(context, case).await?, json!(receipt.transaction_hash))
}

const STAGES: [&str; 6] = ["unknown", "seating", "voting", "decided", "failed", "final"];
const VOTES: [&str; 5] = ["none", "seated", "committed", "approved", "rejected"];

/// A case with its panel, as JSON.
async fn case_object(context: &Context, number: u64) -> Result<Value> {
    let contract = context.client.reviews_contract();
    let case: IReviews::Case = contract.caseOf(number).call().await?;
    if case.stage == 0 {
        bail!(say!(
            "there is no case {number}: see `fonte review list`",
            "não existe o caso {number}: veja `fonte review list`"
        ));
    }
    let outcome = contract.outcome(number).call().await?;
    let about = subject(context, number, &case).await?;
    let mut panel = Value::Null;
    if case.panel != 0 {
        let seated = contract.panel(case.panel).call().await?;
        let mut seats = Vec::with_capacity(seated.members.len());
        for member in &seated.members {
            let vote = contract.voteOf(case.panel, *member).call().await?.vote;
            seats.push(json!({"reviewer": member, "vote": VOTES.get(usize::from(vote))}));
        }
        panel = json!({"panel": case.panel, "approvals": seated.approvals, "commit_by": seated.commitBy,
                       "reveal_by": seated.revealBy, "seats": seats});
    }
    Ok(json!({
        "case": number, "stage": STAGES.get(usize::from(case.stage)), "about": about, "subject": case.subject,
        "consumer": context.client.addresses().name_of(case.consumer), "reviewers": case.reviewers,
        "approvals": case.approvals, "approved": case.approved, "final": outcome.isFinal, "seed_block": case.seedBlock,
        "deadline": case.deadline, "fees_wei": case.fees.to_string(), "panel": panel,
    }))
}

/// What a case is about, where its consumer is one that this command knows.
async fn subject(context: &Context, number: u64, case: &IReviews::Case) -> Result<Value> {
    let at = context.client.addresses();
    Ok(if case.consumer == at.datanets {
        json!({"contribution": context.client.datanets_contract().contributionOf(number).call().await?})
    } else if case.consumer == at.origins {
        let claim = context.client.origins_contract().claimOf(number).call().await?;
        let origin = context.client.origins_contract().originOf(claim.origin).call().await?;
        json!({"url": origin.url, "author": claim.author})
    } else if case.consumer == at.model_reviews {
        json!({"model": context.client.model_reviews_contract().reportOf(number).call().await?.model})
    } else {
        Value::Null
    })
}

fn print(common: &Common, case: &Value, tx: Value) -> Result<()> {
    if common.json {
        let mut object = case.clone();
        if !tx.is_null() {
            object["tx"] = tx;
        }
        println!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(());
    }
    let stage = STAGES.iter().position(|stage| case["stage"] == *stage).unwrap_or_default();
    let about = fonte_bindings::abi::plain(&case["about"]);
    println!(
        "{}",
        say!("case {} about {about}: {}", "caso {} sobre {about}: {}", case["case"], word("review_stage", stage))
    );
    if matches!(case["stage"].as_str(), Some("decided" | "final")) {
        let decision =
            if case["approved"] == true { say!("approved", "aprovado") } else { say!("refused", "recusado") };
        println!("  {decision}");
    }
    for seat in case["panel"]["seats"].as_array().into_iter().flatten() {
        let vote = VOTES.iter().position(|vote| seat["vote"] == *vote).unwrap_or_default();
        println!("  {}  {}", seat["reviewer"].as_str().unwrap_or_default(), word("review_vote", vote));
    }
    println!("  {}", next(case));
    Ok(())
}

/// What can be done now.
fn next(case: &Value) -> String {
    let number = &case["case"];
    let at = |value: &Value| time(value.as_u64().unwrap_or_default().into());
    match case["stage"].as_str() {
        // The block is named after the time to appeal, so that no appellant chooses it.
        Some("seating") if case["seed_block"] == 0 => say!(
            "next: fonte review seat {number} after {}, which names a block, and again after that block",
            "agora: fonte review seat {number} depois de {}, que define um bloco, e de novo depois desse bloco",
            at(&case["deadline"])
        ),
        Some("seating") => say!(
            "next: fonte review seat {number}, after block {}",
            "agora: fonte review seat {number}, depois do bloco {}",
            case["seed_block"]
        ),
        Some("voting") => say!(
            "next: fonte review vote {number} approve|reject until {}, then reveal until {}, then close",
            "agora: fonte review vote {number} approve|reject até {}, depois reveal até {}, depois close",
            at(&case["panel"]["commit_by"]),
            at(&case["panel"]["reveal_by"])
        ),
        Some("decided") => say!(
            "next: fonte review appeal {number} until {}, or finish after it",
            "agora: fonte review appeal {number} até {}, ou finish depois",
            at(&case["deadline"])
        ),
        Some("failed") => say!(
            "no panel could decide: the curator or the governance does",
            "nenhum painel pôde decidir: decide o curador ou a governança"
        ),
        _ => say!("this is its end", "este é o fim"),
    }
}

async fn list(common: &Common, open: bool) -> Result<()> {
    let context = Context::read_only(common).await?;
    let contract = context.client.reviews_contract();
    let count = contract.caseCount().call().await?;
    let pool: u64 = contract.reviewerCount().call().await?.saturating_to();
    let mut cases = Vec::new();
    for number in 1..=count {
        let case = case_object(&context, number).await?;
        if !open || case["final"] == false {
            cases.push(case);
        }
    }
    if common.json {
        println!("{}", serde_json::to_string_pretty(&json!({"reviewers": pool, "cases": cases}))?);
        return Ok(());
    }
    println!("{}", say!("{pool} reviewers in the pool", "{pool} revisores no grupo"));
    for case in cases {
        print(common, &case, Value::Null)?;
    }
    Ok(())
}

/// The file of a vote, the panel and the voter.
async fn vote_path(context: &Context, case: u64) -> Result<(std::path::PathBuf, u64, Address)> {
    let panel = context.client.reviews_contract().caseOf(case).call().await?.panel;
    let own = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let name = format!("vote-{case}-{panel}-{own}");
    Ok((sealed::path(&context.data_dir, context.client.network().chain_id, &name), panel, own))
}

async fn vote(common: &Common, case: u64, verdict: Verdict) -> Result<()> {
    let context = Context::signing(common).await?;
    let contract = context.client.reviews_contract();
    let (path, panel, own) = vote_path(&context, case).await?;
    let sealed = SealedVote { approve: verdict == Verdict::Approve, salt: B256::random() };
    let hidden = (U256::from(case), U256::from(panel), own, sealed.approve, sealed.salt);
    let commitment = keccak256(hidden.abi_encode());
    if !common.dry_run {
        let known = contract.voteOf(panel, own).call().await?.commitment;
        if known.is_zero() {
            sealed::keep(&path, &sealed)?;
        }
    }
    let call = contract.commit(case, commitment);
    let Some(receipt) = transact(common, &context.client, "committing the vote", call).await? else { return Ok(()) };
    if common.json {
        println!(
            "{}",
            json!({"case": case, "panel": panel, "reviewer": own, "commitment": commitment, "tx": receipt.transaction_hash})
        );
    } else {
        println!(
            "{}",
            say!(
                "committed; vote and salt are in {}; then: fonte review reveal {case}",
                "registrado; voto e sal estão em {}; depois: fonte review reveal {case}",
                path.display()
            )
        );
    }
    Ok(())
}

async fn reveal(common: &Common, case: u64) -> Result<()> {
    let context = Context::signing(common).await?;
    let contract = context.client.reviews_contract();
    let (path, _, _) = vote_path(&context, case).await?;
    let sealed: SealedVote = sealed::read(&path)?;
    let call = contract.reveal(case, sealed.approve, sealed.salt);
    moved(common, &context, case, "revealing the vote", call).await
}

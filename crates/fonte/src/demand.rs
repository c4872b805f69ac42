//! `fonte receipt demand`: what a settled receipt commits to and nobody shows, demanded on chain; and the judgement of what
//! stayed withheld (`docs/spec/settlement.md`, withheld).

use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::SolCall;
use eyre::{Result, bail, eyre};
use fonte_bindings::{
    Client, SettledRow,
    contracts::{Challenges, Demands, demands::IChallenges, demands::IDemands},
    convert,
};
use fonte_types::{bundle::ReceiptBundle, evidence::Source, merkle::CHUNK};
use serde_json::json;

use crate::{
    args::{Common, Demand, Wanted},
    challenge::{open_run, seal, settled_row},
    context::Context,
    errors::{time, word},
    money::fnt,
    receipt::load,
    say::say,
    transact::{Step, refusal, step, transact_all},
};

/// Places in `IDemands.Status`.
const OPEN: u8 = 1;
const ANSWERED: u8 = 2;

/// What is attached beyond what a demand needs now, in percent: the base fee may rise before it is included, and the rest
/// comes back.
const DEPOSIT_MARGIN: u8 = 25;

/// Demands, or judges; `false` where a judgement reversed nothing.
pub(crate) async fn run(common: &Common, demand: Demand) -> Result<bool> {
    let bundle = load(common, &demand.receipt).await;
    // Of what is withheld there may be no more than the id.
    let known = bundle.as_ref().ok().map(|bundle| bundle.id);
    let Some(receipt) = known.or_else(|| demand.receipt.parse().ok()) else { return bundle.map(|_| false) };
    let context = Context::signing(common).await?;
    let Some(settled) = settled_row(&context, receipt).await? else {
        bail!(say!(
            "receipt {receipt} stands in no settled batch: only what was paid for can be demanded",
            "o recibo {receipt} não está em nenhum lote pago: só se exige o que foi pago"
        ));
    };
    if demand.judge {
        return judge(common, &context.client, receipt, &settled, demand.wanted).await;
    }
    let call = call(&context.client, bundle, &settled, &demand).await?;
    self::demand(common, &context.client, receipt, demand.wanted, call).await?;
    Ok(true)
}

/// The demand, with its deposit.
async fn call(
    client: &Client,
    bundle: Result<ReceiptBundle>,
    settled: &SettledRow,
    demand: &Demand,
) -> Result<TransactionRequest> {
    let contract = client.demands_contract();
    let row = convert::demands::opening(settled);
    let wanted = demand.wanted as u8;
    if demand.wanted == Wanted::Receipt {
        let deposit = deposit(client, wanted, 0).await?;
        return Ok(contract.demandReceipt(row).value(deposit).into_transaction_request());
    }
    if demand.wanted == Wanted::Source {
        // The run is opened in evidence that somebody has shown.
        let bundle = bundle?;
        let quotes = |source| matches!(source, Source::Contribution(_));
        let first = || (0..).zip(&bundle.runs).find(|(_, run)| quotes(run.source)).map(|(number, _)| number);
        let number = demand.run.or_else(first).ok_or_else(|| {
            eyre!(say!("the answer quotes no contribution", "a resposta não cita nenhuma contribuição"))
        })?;
        let opening = open_run(&bundle, number)?;
        let chunk = match demand.chunk {
            Some(chunk) => chunk,
            None => u32::try_from(opening.run.offset / CHUNK as u64)?,
        };
        let run = convert::demands::run(&opening, &bundle.receipt);
        let deposit = deposit(client, wanted, 0).await?;
        return Ok(contract.demandSource(row, run, chunk).value(deposit).into_transaction_request());
    }
    let shown = match bundle {
        Ok(bundle) => convert::demands::receipt(&bundle.receipt),
        Err(error) => shown_receipt(client, settled).await?.ok_or_else(|| {
            error.wrap_err(say!(
                "nobody has shown the receipt yet: demand it first, with `fonte receipt demand {}`",
                "ninguém mostrou o recibo ainda: exija-o antes, com `fonte receipt demand {}`",
                demand.receipt
            ))
        })?,
    };
    let deposit = deposit(client, wanted, shown.answerBytes).await?;
    let call = contract.demand(row, shown, wanted, demand.chunk.unwrap_or_default());
    Ok(call.value(deposit).into_transaction_request())
}

async fn deposit(client: &Client, wanted: u8, answer_bytes: u32) -> Result<U256> {
    let need = client.demands_contract().depositFor(wanted, answer_bytes).call().await?;
    Ok(need + need * U256::from(DEPOSIT_MARGIN) / U256::from(100))
}

/// The receipt that somebody showed on chain when it was demanded.
async fn shown_receipt(client: &Client, settled: &SettledRow) -> Result<Option<IChallenges::AnswerReceipt>> {
    let demands = demands_of(client, settled, Wanted::Receipt).await?;
    let Some((id, _)) = demands.into_iter().find(|(_, demand)| demand.status == ANSWERED) else { return Ok(None) };
    let answers = client.logs::<Demands::Answered>("the answers to demands", client.addresses().demands).await?;
    let answer = answers.iter().find(|answer| answer.inner.demand == id);
    let Some(tx) = answer.and_then(|answer| answer.transaction_hash) else { return Ok(None) };
    let shown = client.calldata("the answer to a demand", tx).await?;
    Ok(shown.and_then(|shown| Some(Demands::showReceiptCall::abi_decode(&shown).ok()?.receipt)))
}

/// The demands for one kind of thing of a row, as they stand now.
async fn demands_of(client: &Client, settled: &SettledRow, wanted: Wanted) -> Result<Vec<(u64, IDemands::Demand)>> {
    let contract = client.demands_contract();
    let made: Vec<Demands::Demanded> = client.events("the demands", client.addresses().demands).await?;
    let mut demands = Vec::new();
    for Demands::Demanded { id, demand } in made {
        if (demand.batch, demand.row, demand.wanted) == (settled.batch, settled.index, wanted as u8) {
            demands.push((id, contract.demandOf(id).call().await?));
        }
    }
    Ok(demands)
}

async fn demand(
    common: &Common,
    client: &Client,
    receipt: B256,
    wanted: Wanted,
    call: TransactionRequest,
) -> Result<()> {
    // Refused before it is announced.
    client.simulate("the demand", call.clone()).await.map_err(refusal)?;
    let contract = client.demands_contract();
    let announcement = contract.announce(seal(client.sender().unwrap_or_default(), &call));
    let steps =
        vec![step("announcing the demand", announcement), Step { what: "the demand", request: call, contract: None }];
    let Some(receipts) = transact_all(common, client, steps).await? else { return Ok(()) };
    let sent = receipts.last().ok_or_else(|| eyre!("no demand was sent"))?;
    let made = sent.decoded_log::<Demands::Demanded>();
    let Demands::Demanded { id, demand } = made.ok_or_else(|| eyre!("the demand was made and no event says so"))?.data;
    if common.json {
        println!(
            "{}",
            json!({"receipt": receipt, "batch": demand.batch, "row": demand.row, "wanted": name(wanted),
                   "chunk": demand.chunk, "demand": id, "deposit_wei": demand.deposit.to_string(),
                   "due_block": demand.dueBlock, "due_time": demand.dueTime, "rewarded": demand.rewarded,
                   "tx": sent.transaction_hash})
        );
        return Ok(());
    }
    println!(
        "{}",
        say!(
            "demand {id}: {} of receipt {receipt}, with a deposit of {} FNT; to be shown until block {} and {}, else:",
            "exigência {id}: {} do recibo {receipt}, com depósito de {} FNT; a mostrar até o bloco {} e {}, senão:",
            word("wanted", usize::from(demand.wanted)),
            fnt(demand.deposit),
            demand.dueBlock,
            time(demand.dueTime.into())
        )
    );
    println!("  fonte receipt demand {receipt} {} --judge", name(wanted));
    Ok(())
}

fn name(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Receipt => "receipt",
        Wanted::Evidence => "evidence",
        Wanted::Answer => "answer",
        Wanted::Prompt => "prompt",
        Wanted::Source => "source",
    }
}

/// Judges the open demands whose time is over.
async fn judge(common: &Common, client: &Client, receipt: B256, settled: &SettledRow, wanted: Wanted) -> Result<bool> {
    let contract = client.demands_contract();
    let (mut steps, mut refused, mut answered) = (Vec::new(), None, 0);
    for (id, demand) in demands_of(client, settled, wanted).await? {
        answered += usize::from(demand.status == ANSWERED);
        if demand.status != OPEN {
            continue;
        }
        let step = step("the judgement", contract.judgeWithheld(id, convert::demands::opening(settled)));
        match client.simulate(step.what, step.request.clone()).await {
            Ok(_) => steps.push(step),
            Err(error) => refused = refused.or(Some(refusal(error))),
        }
    }
    if steps.is_empty() {
        return Err(refused.unwrap_or_else(|| {
            eyre!(say!(
                "no demand for this is open ({answered} were answered): `fonte receipt demand {receipt} {}` makes one",
                "nenhuma exigência disto está aberta ({answered} foram atendidas): `fonte receipt demand {receipt} {}` faz uma",
                name(wanted)
            ))
        }));
    }
    let Some(receipts) = transact_all(common, client, steps).await? else { return Ok(true) };
    let (mut judged, mut reversed, mut penalty) = (Vec::new(), false, 0_u128);
    for sent in &receipts {
        if let Some(withheld) = sent.decoded_log::<Demands::Withheld>() {
            reversed |= withheld.reversed;
            judged.push(json!({"demand": withheld.demand, "reversed": withheld.reversed, "tx": sent.transaction_hash}));
        }
        if let Some(challenged) = sent.decoded_log::<Challenges::Challenged>() {
            penalty = penalty.saturating_add(challenged.penalty.saturating_to());
        }
    }
    if common.json {
        println!(
            "{}",
            json!({"receipt": receipt, "wanted": name(wanted), "reversed": reversed,
                   "penalty_wei": penalty.to_string(), "demands": judged})
        );
    } else if reversed {
        println!(
            "{}",
            say!(
                "withheld: the row is reversed, its payer has the fee back, penalty {} FNT",
                "sonegado: a linha foi desfeita, quem pagou tem a taxa de volta, multa {} FNT",
                fnt(penalty)
            )
        );
    } else {
        println!(
            "{}",
            say!(
                "the row could no longer be reversed; the deposits are back",
                "a linha já não podia ser desfeita; os depósitos voltaram"
            )
        );
    }
    Ok(reversed)
}

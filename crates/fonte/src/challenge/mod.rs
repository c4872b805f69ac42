//! `fonte receipt challenge`: recomputes a receipt from the texts and from the chain, and proves what is wrong with it.
//! Whom it accuses need not help: the row that settled it is read from the chain.

mod auditor;
mod finding;
mod proof;

use std::time::Duration;

use alloy_primitives::B256;
use eyre::{Result, WrapErr, bail};
use fonte_bindings::{Client, RowsError, SettledRow};
use fonte_types::bundle::ReceiptBundle;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    args::Common,
    context::Context,
    money::fnt,
    receipt::load,
    say::say,
    transact::{show, transact_all, unsent},
};

pub(crate) use auditor::{Auditor, fetch};
pub(crate) use finding::{Finding, check_opens, describe, row_fault};
use finding::{Twin, judge_fee, without_texts};
pub(crate) use proof::{Challenged, Proof, open_run, seal};
use proof::{grace, terms_of};

/// Batches that are looked through for another row of the same request, newest first.
const TWIN_BATCHES: usize = 256;

/// How long a gateway may take for what only helps: the accused must not hold up its own challenge.
const HINT_PATIENCE: Duration = Duration::from_secs(10);

/// Receipts of the same payer that the gateway is asked for to see whether one is of the same request.
const TWIN_RECEIPTS: usize = 64;

/// Challenges a receipt; `false` where there is nothing to challenge. `twins` are other receipts, that may be of the same
/// request.
pub(crate) async fn run(common: &Common, receipt: &str, twins: &[String]) -> Result<bool> {
    let bundle = load(common, receipt).await?;
    let mut given = Vec::with_capacity(twins.len());
    for twin in twins {
        given.push(load(common, twin).await?);
    }
    // What would be proved does not depend on who proves it.
    let keyless = common.dry_run && common.key.is_none();
    let context = if keyless { Context::read_only(common).await? } else { Context::signing(common).await? };
    check_opens(&bundle)?;
    let folder = context.data_dir.join("audit");
    let auditor = Auditor::prepare(&folder, &context.client, &context.gateway, &bundle).await;
    let mut findings = match &auditor {
        Ok(auditor) => auditor.findings(&bundle)?,
        // Much can be proved without the texts.
        Err(_) => without_texts(&bundle, &auditor::members(&context.client, &bundle).await?),
    };
    let settled = settled_row(&context, bundle.id).await?;
    if let Some(settled) = &settled {
        findings.extend(of_row(&context.client, &bundle, settled).await?);
        if findings.is_empty() {
            findings.extend(twice(&context, &bundle, settled, &given).await?);
        }
    }
    let Some(finding) = findings.first() else {
        auditor.wrap_err("nothing is wrong that can be seen without the texts")?;
        return nothing(common);
    };
    let Some(settled) = settled else {
        bail!(say!(
            "{}; its row is in no batch yet, and only a settled receipt can be challenged",
            "{}; a linha ainda não está em nenhum lote, e só se contesta um recibo já pago",
            finding.told(&bundle)
        ));
    };
    let proof = Proof { bundle: &bundle, settled: &settled, finding, auditor: auditor.as_ref().ok() };
    let steps = proof.steps(&context.client).await?;
    if common.dry_run {
        let about = json!({"caught": null, "kind": finding.kind(), "run": finding.run(), "batch": settled.batch,
                           "row": settled.index, "rightful": describe(finding.rightful())});
        show(common, &context.client, &steps, &about, &finding.told(&bundle)).await?;
        return Ok(true);
    }
    let receipts = transact_all(common, &context.client, steps).await?.unwrap_or_default();
    let Some(last) = receipts.last() else { bail!("the challenge was not sent") };
    print(common, &proof.outcome(last)?, &finding.told(&bundle))?;
    Ok(true)
}

/// The row that settled a receipt, from the chain; the gateway may tell where to look first, and is not believed.
pub(crate) async fn settled_row(context: &Context, receipt: B256) -> Result<Option<SettledRow>, RowsError> {
    let asked = timeout(HINT_PATIENCE, context.gateway.settlement(receipt)).await;
    let hint = asked.ok().and_then(Result::ok).and_then(|standing| standing.batch);
    context.client.settled_row(receipt, hint).await
}

/// What is wrong with the row itself, or its fee.
async fn of_row(client: &Client, bundle: &ReceiptBundle, settled: &SettledRow) -> Result<Option<Finding>> {
    if let Some(field) = row_fault(&bundle.receipt, settled) {
        return Ok(Some(Finding::Row(field)));
    }
    let grace = grace(client).await?;
    let terms = terms_of(client, &bundle.receipt, settled.settled_at, grace).await?;
    let judged = judge_fee(&bundle.receipt, settled.settled_at, grace, &terms);
    Ok((!judged.follows).then_some(Finding::Fee))
}

/// Another row of the same request: of a receipt that was given, of the same receipt, or of one that the gateway shows.
async fn twice(
    context: &Context,
    bundle: &ReceiptBundle,
    settled: &SettledRow,
    given: &[ReceiptBundle],
) -> Result<Option<Finding>> {
    let client = &context.client;
    let own = &bundle.receipt;
    let same = |other: &ReceiptBundle| {
        (other.receipt.payer, other.receipt.gateway, other.receipt.nonce) == (own.payer, own.gateway, own.nonce)
            && other.receipt.id(client.network()) == other.id
    };
    let twin = |row, receipt| Some(Finding::Twice(Box::new(Twin { row, receipt })));
    for other in given.iter().filter(|other| same(other) && other.id != bundle.id) {
        if let Some(row) = client.settled_row(other.id, None).await? {
            return Ok(twin(row, other.receipt.clone()));
        }
    }
    let api_key = std::env::var("FONTE_API_KEY").ok();
    // One that does not answer is not asked again and again.
    let mut asks = match timeout(HINT_PATIENCE, context.gateway.network()).await {
        Ok(Ok(_)) => TWIN_RECEIPTS,
        _ => 0,
    };
    for batch in client.newest_batches().await?.take(TWIN_BATCHES) {
        // Rows that cannot be read accuse nobody here.
        let Ok(batch) = client.settled_batch(batch).await else { continue };
        if batch.submitter != own.gateway {
            continue;
        }
        for (index, (payer, row)) in (0..).zip(batch.rows()) {
            if *payer != own.payer || (batch.batch, index) == (settled.batch, settled.index) {
                continue;
            }
            let Some(opened) = batch.open(index) else { continue };
            if row.receipt == bundle.id {
                return Ok(twin(opened, own.clone()));
            }
            if asks > 0 {
                asks -= 1;
                let asked = timeout(HINT_PATIENCE, context.gateway.receipt(row.receipt, api_key.as_deref())).await;
                let other = asked.ok().and_then(Result::ok);
                if let Some(other) = other.filter(|other| other.id == row.receipt && same(other)) {
                    return Ok(twin(opened, other.receipt));
                }
            }
        }
    }
    Ok(None)
}

fn nothing(common: &Common) -> Result<bool> {
    if common.json {
        println!("{}", unsent(common, json!({"caught": false})));
    } else {
        println!(
            "{}",
            say!(
                "every byte is credited as the texts say: nothing to challenge",
                "cada byte está creditado como dizem os textos: nada a contestar"
            )
        );
    }
    Ok(false)
}

fn print(common: &Common, challenged: &Challenged, why: &str) -> Result<()> {
    if common.json {
        println!("{}", serde_json::to_string_pretty(challenged)?);
        return Ok(());
    }
    println!(
        "{}",
        say!(
            "caught: {why}; {} got {} FNT, penalty {} FNT ({})",
            "pego: {why}; {} recebeu {} FNT, multa {} FNT ({})",
            challenged.harmed,
            fnt(challenged.harm_wei),
            fnt(challenged.penalty_wei),
            challenged.tx
        )
    );
    Ok(())
}

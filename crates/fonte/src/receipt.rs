//! `fonte receipt show|verify|explain|export`; the other commands about receipts have files of their own.

mod on_chain;

use std::path::Path;

use alloy_primitives::B256;
use eyre::{Result, bail, eyre};
use fonte_types::{
    bundle::{Check, CitedContribution, Outcome, ReceiptBundle, Verification, verify},
    evidence::Source,
};
use serde_json::{Value, json};

use crate::{
    args::{Common, Receipt},
    challenge::{self, Auditor, describe},
    context::Context,
    demand, export,
    gateway_api::{GatewayApi, SettlementState},
    money::{fnt, percent},
    replay,
    say::say,
};

pub(crate) use on_chain::chain_checks;

/// Runs a receipt command; `false` where the answer is no (a receipt that fails, nothing to challenge).
pub(crate) async fn run(common: &Common, command: Receipt) -> Result<bool> {
    match command {
        Receipt::Show { receipt } => {
            let bundle = load(common, &receipt).await?;
            println!("{}", serde_json::to_string_pretty(&bundle)?);
            Ok(true)
        }
        Receipt::Verify { receipt, chain } => {
            let bundle = load(common, &receipt).await?;
            let mut checks = verify(&bundle).checks;
            if chain {
                let context = Context::read_only(common).await?;
                let standing = context.gateway.settlement(bundle.id).await.ok();
                checks.retain(|check| check.name != "completeness");
                checks.extend(chain_checks(&context.client, &bundle, standing.as_ref()).await?);
                checks.push(completeness(&context, &bundle).await);
            }
            let verification = Verification::of(checks);
            print_verification(common.json, &verification)?;
            Ok(verification.ok)
        }
        Receipt::Explain { receipt } => {
            let bundle = load(common, &receipt).await?;
            let standing = GatewayApi::new(&common.gateway)?.settlement(bundle.id).await.ok();
            explain(common.json, &bundle, standing.as_ref())?;
            Ok(true)
        }
        Receipt::Export { receipt, html: _, out } => {
            let bundle = load(common, &receipt).await?;
            let standing = GatewayApi::new(&common.gateway)?.settlement(bundle.id).await.ok();
            let written = export::write(&bundle, standing.as_ref(), out)?;
            if common.json {
                println!("{}", json!({"receipt": bundle.id, "file": written}));
            } else {
                println!("{}", written.display());
            }
            Ok(true)
        }
        Receipt::Replay(arguments) => {
            let bundle = load(common, &arguments.receipt).await?;
            replay::run(common, arguments, bundle).await
        }
        Receipt::Challenge { receipt, twin } => challenge::run(common, &receipt, &twin).await,
        Receipt::Demand(arguments) => demand::run(common, arguments).await,
    }
}

/// Reads a bundle from a file, or asks the gateway for an id.
pub(crate) async fn load(common: &Common, receipt: &str) -> Result<ReceiptBundle> {
    let path = Path::new(receipt);
    if path.exists() {
        return export::read(path);
    }
    let id: B256 = receipt.parse().map_err(|_| {
        eyre!(say!(
            "{receipt:?} is neither a file nor a receipt's id (0x and 64 hexadecimal digits)",
            "{receipt:?} não é um arquivo nem o id de um recibo (0x e 64 dígitos hexadecimais)"
        ))
    })?;
    GatewayApi::new(&common.gateway)?.receipt(id, std::env::var("FONTE_API_KEY").ok().as_deref()).await
}

/// Recomputes the attribution from the texts.
async fn completeness(context: &Context, bundle: &ReceiptBundle) -> Check {
    let audited = async {
        let folder = context.data_dir.join("audit");
        let auditor = Auditor::prepare(&folder, &context.client, &context.gateway, bundle).await?;
        auditor.findings(bundle)
    };
    let outcome = match audited.await {
        Ok(findings) => match findings.first() {
            None => Outcome::HOLDS,
            Some(fault) => {
                Outcome::Failed { differs: "runs".into(), why: format!("the texts say otherwise: {fault:?}") }
            }
        },
        Err(error) => Outcome::NotCheckable { without: format!("the texts of the named versions: {error:#}") },
    };
    Check { name: "completeness", outcome }
}

pub(crate) fn print_verification(json: bool, verification: &Verification) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(verification)?);
        return Ok(());
    }
    for check in &verification.checks {
        match &check.outcome {
            Outcome::Passed { note: None } => println!("  ok      {}", check.name),
            Outcome::Passed { note: Some(note) } => println!("  ok      {}: {note}", check.name),
            Outcome::Failed { differs, why } => println!("  FAILED  {}: {differs}: {why}", check.name),
            Outcome::NotCheckable { without } => {
                println!(
                    "  {}  {}: {}",
                    say!("?     ", "?     "),
                    check.name,
                    say!("not checkable without {without}", "não verificável sem {without}")
                );
            }
        }
    }
    match &verification.differs {
        None => println!("{}", say!("the receipt holds", "o recibo confere")),
        Some(differs) => println!(
            "{}",
            say!("the receipt does NOT hold: {differs} differs", "o recibo NÃO confere: {differs} difere")
        ),
    }
    Ok(())
}

/// Who, in which role, worth what, paid how much. Nothing is said of what does not verify: its sums need not add up.
fn explain(json: bool, bundle: &ReceiptBundle, standing: Option<&SettlementState>) -> Result<()> {
    if let Some(differs) = verify(bundle).differs {
        bail!(say!(
            "the receipt does not hold: {differs} differs, so it explains nothing; `fonte receipt verify` says why",
            "o recibo não confere: {differs} difere, portanto não explica nada; `fonte receipt verify` diz por quê"
        ));
    }
    let receipt = &bundle.receipt;
    let paid = bundle.credits();
    let state = standing.map_or("unknown", |standing| standing.state.as_str());
    let mut rows: Vec<(Value, String)> = Vec::new();
    for (share, (contribution, wei)) in receipt.shares.as_slice().iter().zip(&paid.contributions) {
        let cited = bundle.cited.iter().find(|cited| cited.contribution == *contribution);
        let titles = cited.map(titles).unwrap_or_default();
        let who = cited.map(|c| c.contributor).unwrap_or_default();
        let payee = cited.map(|c| c.payee).unwrap_or_default();
        let bytes: u32 =
            bundle.runs.iter().filter(|r| r.source == Source::Contribution(*contribution)).map(|r| r.bytes()).sum();
        rows.push((
            json!({"role": "source", "who": who, "payee": payee, "contribution": contribution, "documents": titles,
                   "bytes": bytes, "share_ppm": share.ppm, "wei": wei.to_string()}),
            say!(
                "source      contribution {contribution} by {who}: {} — {bytes} bytes, {} of the data pool, {} FNT to {payee}",
                "fonte       contribuição {contribution} de {who}: {} — {bytes} bytes, {} do fundo de dados, {} FNT para {payee}",
                titles.join("; "),
                percent(share.ppm),
                fnt(*wei)
            ),
        ));
    }
    for (contribution, wei) in paid.curators.iter().filter(|(_, wei)| *wei > 0) {
        let curator =
            bundle.cited.iter().find(|c| c.contribution == *contribution).map(|c| c.curator).unwrap_or_default();
        rows.push((
            json!({"role": "curator", "who": curator, "contribution": contribution, "wei": wei.to_string()}),
            say!(
                "curator     {curator} — {} FNT, the cut of the datanet of contribution {contribution}",
                "curadoria   {curator} — {} FNT, a parte do datanet da contribuição {contribution}",
                fnt(*wei)
            ),
        ));
    }
    rows.push((
        json!({"role": "worker", "who": receipt.worker, "wei": paid.worker.to_string()}),
        say!("machine     {} — {} FNT", "máquina     {} — {} FNT", receipt.worker, fnt(paid.worker)),
    ));
    rows.push((
        json!({"role": "developer", "model": bundle.model_name, "wei": paid.developer.to_string()}),
        say!(
            "model       {} — {} FNT to its developer",
            "modelo      {} — {} FNT para quem o desenvolveu",
            bundle.model_name,
            fnt(paid.developer)
        ),
    ));
    rows.push((
        json!({"role": "treasury", "unattributed_ppm": receipt.shares.unattributed_ppm(), "wei": paid.treasury.to_string()}),
        say!(
            "commons     protocol, dust and {} that no source explains — {} FNT",
            "comum       protocolo, centavos e {} que nenhuma fonte explica — {} FNT",
            percent(receipt.shares.unattributed_ppm()),
            fnt(paid.treasury)
        ),
    ));
    if json {
        let rows: Vec<_> = rows.into_iter().map(|(row, _)| row).collect();
        let object = json!({"receipt": bundle.id, "fee_wei": receipt.fee.to_string(), "state": state, "paid": rows});
        println!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(());
    }
    println!(
        "{}",
        say!("receipt {}: fee {} FNT, {state}", "recibo {}: taxa {} FNT, {state}", bundle.id, fnt(receipt.fee))
    );
    for (_, line) in rows {
        println!("  {line}");
    }
    for run in bundle.runs.iter().filter(|run| run.source != Source::Nobody) {
        let text = bundle.answer.text.get(run.start as usize..run.end as usize).unwrap_or("…");
        println!("  [{:>4}..{:<4}] {} «{}»", run.start, run.end, describe(run.source), text.trim());
    }
    Ok(())
}

/// Titles of the documents that the answer quotes. An opened chunk proves the title of its document; nothing else does.
fn titles(cited: &CitedContribution) -> Vec<&str> {
    let opened = cited.documents.iter().filter(|document| !document.opening.chunks.is_empty());
    opened.map(|document| document.metadata.title.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_that_nothing_proves_is_not_told() {
        let text = include_str!("../../../fixtures/bundle.json");
        let pinned: Value = serde_json::from_str(text).unwrap();
        let mut bundle: ReceiptBundle = serde_json::from_value(pinned["bundle"].clone()).unwrap();
        let mut forged = bundle.cited[0].documents[0].clone();
        forged.metadata.title = "The king's own words".into();
        (forged.opening.index, forged.opening.chunks) = (forged.opening.index + 1, Vec::new());
        let proven = bundle.cited[0].documents[0].metadata.title.clone();
        bundle.cited[0].documents.push(forged);
        assert!(verify(&bundle).ok, "no check speaks of it");
        assert_eq!(titles(&bundle.cited[0]), [proven]);
    }

    #[test]
    fn only_what_verifies_is_explained() {
        let text = include_str!("../../../fixtures/bundle.json");
        let pinned: Value = serde_json::from_str(text).unwrap();
        let bundle: ReceiptBundle = serde_json::from_value(pinned["bundle"].clone()).unwrap();
        explain(true, &bundle, None).unwrap();
        let refused = |change: fn(&mut ReceiptBundle), differs: &str| {
            let mut hostile = bundle.clone();
            change(&mut hostile);
            let error = explain(true, &hostile, None).unwrap_err().to_string();
            assert!(error.contains(&format!("{differs} differs")), "{error}");
        };
        refused(|bundle| bundle.terms.splits.worker = u32::MAX, "terms.splits");
        refused(|bundle| (bundle.runs[0].start, bundle.runs[0].end) = (9, 1), "runs[0]");
    }
}

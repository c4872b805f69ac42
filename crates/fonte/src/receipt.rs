//! `fonte receipt show|verify|explain|export`; the other commands about receipts have files of their own.

mod explain;
mod on_chain;

use std::path::Path;

use alloy_primitives::B256;
use eyre::{Result, eyre};
use fonte_types::bundle::{Check, Outcome, ReceiptBundle, Verification, verify};
use serde_json::json;

use crate::{
    args::{Common, Receipt},
    challenge::{self, Auditor},
    context::Context,
    demand, export,
    gateway_api::GatewayApi,
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
            explain::run(common, &bundle, standing.as_ref()).await?;
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

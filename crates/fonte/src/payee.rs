//! `fonte datanet payee`: who is paid for a contribution from now on, an account or a splitter among several.

use alloy_primitives::Address;
use alloy_provider::Provider;
use eyre::{Result, bail};
use fonte_bindings::contracts::origins::ISplitter::Part;
use serde_json::json;

use crate::{
    args::Common,
    context::Context,
    say::say,
    transact::{step, transact_all},
};

/// Names the payee; or the splitter of these parts, which is made if it is not there.
pub(crate) async fn set(common: &Common, contribution: u64, payee: Option<Address>, split: &[String]) -> Result<()> {
    let parts = split.iter().map(|part| read(part)).collect::<Result<Vec<_>>>()?;
    let context = Context::signing(common).await?;
    let client = &context.client;
    let mut steps = Vec::new();
    let payee = match payee {
        Some(payee) => payee,
        None => {
            let origins = client.origins_contract();
            let splitter = origins.splitterOf(parts.clone()).call().await?;
            let code = client.provider().get_code_at(splitter).await;
            if client.reading("a splitter", code)?.is_empty() {
                steps.push(step("making the splitter", origins.createSplitter(parts)));
            }
            splitter
        }
    };
    steps.push(step("naming the payee", client.datanets_contract().setPayee(contribution, payee)));
    let Some(receipts) = transact_all(common, client, steps).await? else { return Ok(()) };
    let transactions: Vec<_> = receipts.iter().map(|receipt| receipt.transaction_hash).collect();
    if common.json {
        println!(
            "{}",
            json!({"contribution": contribution, "payee": payee, "splitter": !split.is_empty(), "tx": transactions})
        );
    } else {
        println!(
            "{}",
            say!(
                "contribution {contribution} pays {payee}: in batches that are settled from now on",
                "a contribuição {contribution} paga a {payee}: nos lotes pagos de agora em diante"
            )
        );
    }
    Ok(())
}

/// An account and its part.
fn read(text: &str) -> Result<Part> {
    let part = text.split_once(':').and_then(|(payee, ppm)| Some((payee.parse().ok()?, ppm.parse().ok()?)));
    let Some((payee, ppm)) = part else {
        bail!(say!(
            "{text:?} is no part: give an account and its ppm, such as 0x5FbDB2315678afecb367f032d93F642f64180aa3:250000",
            "{text:?} não é uma parte: informe uma conta e seu ppm, como 0x5FbDB2315678afecb367f032d93F642f64180aa3:250000"
        ));
    };
    Ok(Part { payee, ppm })
}

//! `fonte receipt export`: a receipt as one page that verifies itself in any browser (`web/receipt`).
//!
//! The page is built once and committed; here only two data blocks are filled in, so nothing of a receipt ever becomes
//! markup or script. The same page can be read back: `fonte receipt verify page.html` checks what stands in it.

use std::path::{Path, PathBuf};

use alloy_primitives::B256;
use eyre::{Result, WrapErr, bail, eyre};
use fonte_types::bundle::ReceiptBundle;
use serde::Serialize;

use crate::{gateway_api::SettlementState, say::say};

/// The built page, with `null` where the data goes.
const PAGE: &str = include_str!("../../../web/receipt/artifact/receipt.html");

/// Opening tags of the data blocks.
const RECEIPT: &str = r#"<script type="application/json" id="receipt">"#;
const SETTLEMENT: &str = r#"<script type="application/json" id="settlement">"#;
const END: &str = "</script>";

/// The page of one receipt.
pub(crate) fn page(bundle: &ReceiptBundle, standing: Option<&SettlementState>) -> Result<String> {
    fill(&fill(PAGE, RECEIPT, bundle)?, SETTLEMENT, &standing)
}

/// The bundle in an exported page; `None` where the text is no such page.
pub(crate) fn bundle_in(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once(RECEIPT)?;
    Some(rest.split_once(END)?.0)
}

/// Writes the page to `out`, or to a file named by the receipt's id in the current folder.
pub(crate) fn write(
    bundle: &ReceiptBundle,
    standing: Option<&SettlementState>,
    out: Option<PathBuf>,
) -> Result<PathBuf> {
    let out = out.unwrap_or_else(|| PathBuf::from(file_name(bundle.id)));
    if out.is_dir() {
        bail!(say!("{} is a folder: name a file", "{} é uma pasta: informe um arquivo", out.display()));
    }
    std::fs::write(&out, page(bundle, standing)?).wrap_err_with(|| format!("writing {}", out.display()))?;
    Ok(out)
}

/// Reads a bundle from a JSON file or an exported page.
pub(crate) fn read(path: &Path) -> Result<ReceiptBundle> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("reading {}", path.display()))?;
    serde_json::from_str(bundle_in(&text).unwrap_or(&text))
        .wrap_err_with(|| say!("{} is not a receipt bundle", "{} não é um pacote de recibo", path.display()))
}

fn file_name(id: B256) -> String {
    let id = id.to_string();
    format!("receipt-{}.html", &id[2..10])
}

/// Puts JSON into the empty block that `tag` opens. A `<` inside JSON stands in a string only; escaped, it can neither end
/// the block nor open a comment.
fn fill(page: &str, tag: &str, value: &impl Serialize) -> Result<String> {
    let json = serde_json::to_string(value).wrap_err("writing the receipt as JSON")?.replace('<', "\\u003c");
    let empty = format!("{tag}null{END}");
    let (before, after) = page.split_once(&empty).ok_or_else(|| eyre!("the page has no block {tag}"))?;
    Ok(format!("{before}{tag}{json}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> ReceiptBundle {
        let fixture: serde_json::Value = serde_json::from_str(include_str!("../../../fixtures/bundle.json")).unwrap();
        serde_json::from_value(fixture["bundle"].clone()).unwrap()
    }

    #[test]
    fn a_page_can_be_read_back() {
        let bundle = example();
        let page = page(&bundle, None).unwrap();
        let read: ReceiptBundle = serde_json::from_str(bundle_in(&page).unwrap()).unwrap();
        assert_eq!(read, bundle);
        assert!(page.contains(&format!("{SETTLEMENT}null{END}")));
        assert_eq!(bundle_in(&serde_json::to_string(&bundle).unwrap()), None);
    }

    #[test]
    fn no_text_of_a_receipt_becomes_markup() {
        let hostile = "</script><script>alert(1)</script><!-- <script \u{2028} %SCRIPT% $& null";
        let mut bundle = example();
        bundle.prompt.text = hostile.into();
        bundle.cited[0].documents[0].metadata.title = hostile.into();
        let made = page(&bundle, None).unwrap();
        // Nothing was added but the block's content, which holds no `<` at all.
        assert_eq!(made.matches('<').count(), PAGE.matches('<').count());
        let read: ReceiptBundle = serde_json::from_str(bundle_in(&made).unwrap()).unwrap();
        assert_eq!(read.prompt.text, hostile);
    }
}

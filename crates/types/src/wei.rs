//! Amounts in JSON are decimal strings: a number would lose digits in most readers.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// `#[serde(with = "fonte_types::wei")]` for a `u128` amount.
pub fn serialize<S: Serializer>(wei: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(wei)
}

/// Reads a decimal string.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom(format!("{text:?} is not an amount in wei")))
}

/// Writes wei as FNT with up to 18 decimals, without trailing zeros: `1500000000000000000` is `1.5`.
pub fn display_fnt(wei: u128) -> String {
    const UNIT: u128 = 1_000_000_000_000_000_000;
    let (whole, rest) = (wei / UNIT, wei % UNIT);
    if rest == 0 {
        return whole.to_string();
    }
    let decimals = format!("{rest:018}");
    format!("{whole}.{}", decimals.trim_end_matches('0'))
}

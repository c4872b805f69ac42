//! Amounts as people write them.

use eyre::Result;
use fonte_types::wei::display_fnt;

use crate::say::say;

/// Reads FNT with up to 18 decimals into wei: `2.5` is 2,500,000,000,000,000,000.
pub(crate) fn parse_fnt(text: &str) -> Result<u128> {
    let wrong = || {
        eyre::eyre!(say!(
            "{text:?} is no amount: write FNT with at most 18 decimals, such as 2.5",
            "{text:?} não é um valor: escreva FNT com até 18 decimais, como 2.5"
        ))
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) || decimals.len() > 18 {
        return Err(wrong());
    }
    format!("{whole}{decimals:0<18}").parse().map_err(|_| wrong())
}

/// FNT with at most eight significant decimals, for reading.
pub(crate) fn fnt(wei: u128) -> String {
    let full = display_fnt(wei);
    match full.split_once('.') {
        Some((whole, decimals)) if decimals.len() > 9 => format!("{whole}.{}…", &decimals[..9]),
        _ => full,
    }
}

/// Parts per million as a percentage with two decimals, rounded down.
pub(crate) fn percent(ppm: u32) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        assert_eq!(parse_fnt("2.5").unwrap(), 2_500_000_000_000_000_000);
        assert_eq!(parse_fnt("0.000000000000000001").unwrap(), 1);
        for wrong in ["", ".", "1.", "-1", "1e3", "1,5", "0.0000000000000000001", "99999999999999999999999"] {
            assert_eq!(parse_fnt(wrong).is_err(), wrong != "1.", "{wrong:?}");
        }
        assert_eq!(fnt(1_500_000_000_000_000_000), "1.5");
        assert_eq!(fnt(123_456_789_123_456_789), "0.123456789…");
        assert_eq!(percent(312_345), "31.23 %");
    }
}

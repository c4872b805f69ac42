//! Licence ids: SPDX expressions, checked against the list, with the closest known id where one is not on it.

/// A licence id that is not on the SPDX list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("licence {id:?} is not an SPDX expression{}", .suggestion.as_ref().map(|s| format!("; did you mean {s}?")).unwrap_or_default())]
pub struct UnknownLicence {
    /// What the document or the option said.
    pub id: String,
    /// The closest known id.
    pub suggestion: Option<String>,
}

/// Checks an SPDX expression (`MIT`, `CC-BY-4.0`, `MIT OR Apache-2.0`, `LicenseRef-mine`) and returns it trimmed.
pub fn check_licence(expression: &str) -> Result<String, UnknownLicence> {
    let expression = expression.trim();
    match spdx::Expression::parse(expression) {
        Ok(_) => Ok(expression.to_owned()),
        Err(error) => {
            let wrong = expression.get(error.span.clone()).filter(|wrong| !wrong.is_empty()).unwrap_or(expression);
            let suggestion = closest(wrong)
                .map(|known| expression.replacen(wrong, known, 1))
                .filter(|suggestion| spdx::Expression::parse(suggestion).is_ok());
            Err(UnknownLicence { id: expression.chars().take(80).collect(), suggestion })
        }
    }
}

/// The SPDX id that a licence's well-known address stands for.
pub(crate) fn licence_of_url(url: &str) -> Option<String> {
    let address = url.trim().trim_start_matches("https://").trim_start_matches("http://").trim_start_matches("www.");
    let (host, path) = address.split_once('/')?;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let id = match (host, parts.as_slice()) {
        ("creativecommons.org", ["publicdomain", "zero", version, ..]) => format!("CC0-{version}"),
        ("creativecommons.org", ["publicdomain", "mark", ..]) => "CC-PDDC".to_owned(),
        ("creativecommons.org", ["licenses", kind, version, ..]) => {
            format!("CC-{}-{version}", kind.to_ascii_uppercase())
        }
        ("spdx.org" | "opensource.org", ["licenses" | "license", id, ..]) => {
            let id = id.trim_end_matches(".html").trim_end_matches(".php");
            closest_ignoring_case(id)?.to_owned()
        }
        ("gnu.org", ["licenses", page, ..]) => match page.trim_end_matches(".en.html").trim_end_matches(".html") {
            "gpl" | "gpl-3.0" => "GPL-3.0-or-later".to_owned(),
            "fdl" | "fdl-1.3" => "GFDL-1.3-or-later".to_owned(),
            _ => return None,
        },
        ("apache.org", ["licenses", page, ..]) if page.starts_with("LICENSE-2.0") => "Apache-2.0".to_owned(),
        _ => return None,
    };
    check_licence(&id).ok()
}

fn closest_ignoring_case(id: &str) -> Option<&'static str> {
    spdx::identifiers::LICENSES.iter().map(|licence| licence.name).find(|name| name.eq_ignore_ascii_case(id))
}

fn closest(wrong: &str) -> Option<&'static str> {
    if wrong.len() > 64 {
        return None;
    }
    // Common misspellings first ("Apache 2", "GPLv3"), as long as they explain the whole of it.
    if let Some((licence, explained)) = spdx::imprecise_license_id(wrong)
        && explained == wrong.len()
        && !licence.is_deprecated()
    {
        return Some(licence.name);
    }
    let wanted = wrong.to_ascii_lowercase();
    spdx::identifiers::LICENSES
        .iter()
        .filter(|licence| licence.flags & spdx::flags::IS_DEPRECATED == 0)
        .map(|licence| (distance(&wanted, &licence.name.to_ascii_lowercase()), licence.name))
        .min()
        .filter(|(distance, _)| *distance <= wanted.len().div_ceil(2))
        .map(|(_, name)| name)
}

/// Levenshtein distance over bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

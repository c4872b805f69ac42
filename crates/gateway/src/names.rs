//! What a request may call a model: `model`, `base:adapter`, either by name or by content hash, and `:datanet+datanet`
//! after it.
//!
//! Names are not unique on chain. Of several, those count that somebody serves here; a name of a model that is no adapter
//! means the first that was registered. Adapters of one name are told apart by their base, or by their hash: a request
//! that could mean two of them is refused with the choices.

use alloy_primitives::B256;
use fonte_bindings::ModelRecord;

use crate::{chat::DatanetRef, error::ApiError, select::MAX_DATANETS};

/// Shortest beginning of a hash that is looked for, in hexadecimal digits.
const MIN_DIGITS: usize = 8;

/// Names of choices that a refusal lists.
const MAX_CHOICES: usize = 8;

/// A model as names see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    /// Content hash of the base.
    pub(crate) artifact: B256,
    /// Content hash of the adapter; zero: it is none.
    pub(crate) adapter: B256,
    /// Somebody here serves it.
    pub(crate) served: bool,
}

impl<'a> Entry<'a> {
    pub(crate) fn of(model: &'a ModelRecord, served: bool) -> Self {
        Self { name: &model.name, artifact: model.artifact, adapter: model.adapter, served }
    }

    fn is_adapter(&self) -> bool {
        !self.adapter.is_zero()
    }

    /// Whether it is called so, by name or by at least the beginning of its own hash.
    fn is_called(&self, named: &str) -> bool {
        let own = if self.is_adapter() { self.adapter } else { self.artifact };
        self.name == named || !own.is_zero() && begins(&own, named)
    }
}

/// Whether a hash begins with these digits.
fn begins(hash: &B256, digits: &str) -> bool {
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    digits.len() >= MIN_DIGITS
        && hex::encode(hash).get(..digits.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(digits))
}

/// The place of the model that is meant, and the datanets that are named after it. `is_datanet` knows datanets by name.
pub(crate) fn resolve(
    models: &[Entry<'_>],
    is_datanet: impl Fn(&str) -> bool,
    asked: &str,
) -> Result<(usize, Vec<DatanetRef>), ApiError> {
    let parts: Vec<&str> = asked.split(':').take(4).collect();
    let written = || {
        ApiError::invalid(
            "model",
            "a model is written name, base:adapter, name:datanet+datanet or base:adapter:datanet",
        )
    };
    if parts.len() > 3 || parts.iter().any(|part| part.is_empty()) {
        return Err(written());
    }
    let model = one(models, parts[0], asked)?;
    let Some(second) = parts.get(1) else { return Ok((model, Vec::new())) };
    let adapter = if models[model].is_adapter() { None } else { on_base(models, model, second, asked)? };
    match (adapter, parts.get(2)) {
        (Some(_), None) if is_datanet(second) => Err(ambiguous(
            asked,
            &[format!("adapter {second:?} of {}", parts[0]), format!("datanet {second:?}")],
            "name the adapter by its hash, or the datanet by its number or in fonte.datanets",
        )),
        (Some(adapter), None) => Ok((adapter, Vec::new())),
        (Some(adapter), Some(third)) => Ok((adapter, datanets(third).ok_or_else(written)?)),
        (None, None) => Ok((model, datanets(second).ok_or_else(written)?)),
        (None, Some(_)) => Err(unknown(asked)),
    }
}

fn datanets(named: &str) -> Option<Vec<DatanetRef>> {
    let one = |name: &str| match name.parse() {
        _ if name.is_empty() => None,
        Ok(id) => Some(DatanetRef::Id(id)),
        Err(_) => Some(DatanetRef::Name(name.to_owned())),
    };
    // One more than may be named: that is refused, and what follows is not looked at.
    named.split('+').take(MAX_DATANETS + 1).map(one).collect()
}

/// Those of the places that count: the served, if there are any.
fn counting(models: &[Entry<'_>], places: Vec<usize>) -> Vec<usize> {
    let served: Vec<usize> = places.iter().copied().filter(|place| models[*place].served).collect();
    if served.is_empty() { places } else { served }
}

/// The model with a name or a hash.
fn one(models: &[Entry<'_>], named: &str, asked: &str) -> Result<usize, ApiError> {
    let places = |meant: &dyn Fn(&Entry<'_>) -> bool| -> Vec<usize> {
        (0..models.len()).filter(|place| meant(&models[*place])).collect()
    };
    // A name that looks like a hash is a name.
    let mut found = places(&|entry| entry.name == named);
    if found.is_empty() {
        found = places(&|entry| entry.is_called(named));
    }
    let found = counting(models, found);
    let first = *found.first().ok_or_else(|| unknown(asked))?;
    if models[first].name == named
        && let Some(plain) = found.iter().find(|place| !models[**place].is_adapter())
    {
        return Ok(*plain);
    }
    same(models, first, &found, asked)
}

/// The adapter of a base with a name or a hash, if there is one.
fn on_base(models: &[Entry<'_>], base: usize, named: &str, asked: &str) -> Result<Option<usize>, ApiError> {
    let artifact = models[base].artifact;
    let of_base = |place: &usize| {
        let entry = &models[*place];
        entry.is_adapter() && entry.artifact == artifact && !artifact.is_zero() && entry.is_called(named)
    };
    let found = counting(models, (0..models.len()).filter(of_base).collect());
    found.first().map(|first| same(models, *first, &found, asked)).transpose()
}

/// The first of several places, if they all hold the same files.
fn same(models: &[Entry<'_>], first: usize, found: &[usize], asked: &str) -> Result<usize, ApiError> {
    let files = |place: usize| (models[place].artifact, models[place].adapter);
    if found.iter().all(|place| files(*place) == files(first)) {
        return Ok(first);
    }
    let choices: Vec<String> = found.iter().map(|place| full_name(models, *place)).collect();
    Err(ambiguous(asked, &choices, "ask for one of these"))
}

/// A name that means this model alone: `base:hash` for an adapter.
fn full_name(models: &[Entry<'_>], place: usize) -> String {
    let entry = &models[place];
    if !entry.is_adapter() {
        return format!("{} ({})", entry.name, entry.artifact);
    }
    let base = models.iter().find(|model| !model.is_adapter() && model.artifact == entry.artifact);
    let others = models.iter().filter(|model| {
        model.is_adapter()
            && model.artifact == entry.artifact
            && model.name == entry.name
            && model.adapter != entry.adapter
    });
    let base = base.map_or_else(|| entry.artifact.to_string(), |base| base.name.to_owned());
    if others.count() == 0 { format!("{base}:{}", entry.name) } else { format!("{base}:{}", entry.adapter) }
}

/// Nothing is called so.
pub(crate) fn unknown(asked: &str) -> ApiError {
    ApiError {
        param: Some("model".into()),
        ..ApiError::not_found("model_not_found", format!("there is no model {asked:?}: see /v1/models"))
    }
}

fn ambiguous(asked: &str, choices: &[String], remedy: &str) -> ApiError {
    let more = if choices.len() > MAX_CHOICES { ", ..." } else { "" };
    let choices: Vec<&str> = choices.iter().take(MAX_CHOICES).map(String::as_str).collect();
    ApiError {
        code: Some("ambiguous_model"),
        ..ApiError::invalid("model", format!("{asked:?} could be {}{more}: {remedy}", choices.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &'static str, artifact: u8, adapter: u8, served: bool) -> Entry<'static> {
        Entry { name, artifact: B256::repeat_byte(artifact), adapter: B256::repeat_byte(adapter), served }
    }

    fn models() -> [Entry<'static>; 9] {
        [
            entry("quote", 0, 0, true),
            entry("tiny", 0xa1, 0, true),
            entry("formal", 0xa1, 0x11, true),
            entry("brief", 0xa1, 0x12, true),
            entry("large", 0xb1, 0, true),
            entry("brief", 0xb1, 0x13, true),
            // Retrained: the old one is served no longer.
            entry("warm", 0xa1, 0x14, false),
            entry("warm", 0xa1, 0x15, true),
            // Registered again by somebody else.
            entry("formal", 0xa1, 0x11, true),
        ]
    }

    fn asked(name: &str) -> Result<(usize, Vec<DatanetRef>), ApiError> {
        resolve(&models(), |name| ["coffee", "formal", "quote"].contains(&name), name)
    }

    fn datanet(name: &str) -> DatanetRef {
        DatanetRef::Name(name.into())
    }

    #[test]
    fn names_hashes_and_datanets() {
        let hash = |byte: u8| hex::encode(B256::repeat_byte(byte));
        let cases = [
            ("quote".to_owned(), 0, vec![]),
            ("quote:coffee+2".into(), 0, vec![datanet("coffee"), DatanetRef::Id(2)]),
            ("tiny".into(), 1, vec![]),
            ("formal".into(), 2, vec![]),
            ("tiny:brief".into(), 3, vec![]),
            ("large:brief".into(), 5, vec![]),
            ("large:brief:coffee+x".into(), 5, vec![datanet("coffee"), datanet("x")]),
            ("tiny:coffee".into(), 1, vec![datanet("coffee")]),
            // No adapter of this base, but a datanet.
            ("large:formal".into(), 4, vec![datanet("formal")]),
            ("formal:coffee".into(), 2, vec![datanet("coffee")]),
            ("warm".into(), 7, vec![]),
            (hash(0xb1), 4, vec![]),
            (format!("0x{}", hash(0x13)), 5, vec![]),
            (hash(0x14)[..8].to_uppercase(), 6, vec![]),
            (format!("tiny:{}", hash(0x11)), 2, vec![]),
            (format!("{}:brief:3", hash(0xa1)), 3, vec![DatanetRef::Id(3)]),
        ];
        for (name, place, datanets) in cases {
            assert_eq!(asked(&name).expect(&name), (place, datanets), "{name}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_unknown_is_refused() {
        let brief = asked("brief").expect_err("two bases have one");
        assert!(brief.message.contains("tiny:brief, large:brief"), "{brief}");
        let formal = asked("tiny:formal").expect_err("a datanet is called so, too");
        assert_eq!((formal.status.as_u16(), formal.code), (400, Some("ambiguous_model")));
        assert!(formal.message.contains("adapter \"formal\" of tiny") && formal.message.contains("number"), "{formal}");
        let mut both = models();
        both[6].served = true;
        let warm = resolve(&both, |_| false, "tiny:warm").expect_err("two are served");
        let choice = format!("tiny:{}", B256::repeat_byte(0x14));
        assert!(warm.message.contains(&choice), "{warm}");
        for unknown in ["huge", "1111111", "tiny:brief:a:b", "huge:brief", "large:none:coffee", &hex::encode([0; 32])] {
            let status = asked(unknown).expect_err(unknown).status.as_u16();
            assert_eq!(status, if unknown.matches(':').count() > 2 { 400 } else { 404 }, "{unknown}");
        }
        for malformed in ["", ":", "tiny:", "quote:a++b", "tiny:brief:", "tiny:brief:+"] {
            assert_eq!(asked(malformed).expect_err(malformed).param.as_deref(), Some("model"), "{malformed}");
        }
    }
}

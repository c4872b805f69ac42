//! What contracts refuse, in sentences for people: the facts, and the next step.

mod table;

use alloy_primitives::hex;
use eyre::Report;
use fonte_bindings::{
    ClientError,
    abi::{self, Decoded, plain},
};
use serde_json::{Value, json};

use crate::{
    money::{fnt, percent},
    say::{portuguese, say},
};

/// One error of the contracts in both languages. `{field}` stands for a field of the error, `{field:fnt}` for wei as FNT,
/// `{field:time}` for seconds as a date, `{field:ppm}` for a percentage, `{field:text}` for bytes that are letters, and
/// `{field:LIST}` for the words of an enumeration ([`table::WORDS`]).
pub(crate) struct Sentence {
    /// The error's name, or `Contract.name` where contracts mean different things by it.
    pub(crate) error: &'static str,
    pub(crate) english: &'static str,
    pub(crate) portuguese: &'static str,
}

/// The words of an enumeration, in the order of its values.
pub(crate) struct Words {
    pub(crate) list: &'static str,
    pub(crate) english: &'static [&'static str],
    pub(crate) portuguese: &'static [&'static str],
}

/// A revert's data as a sentence, if a contract of the protocol (`called` first) or the compiler declares the error.
pub(crate) fn sentence(called: Option<&str>, data: &[u8]) -> Option<String> {
    let error = abi::decode_error(called, data)?;
    Some(told(&error, portuguese()).unwrap_or_else(|| error.to_string()))
}

/// A transaction that a contract would refuse, in a sentence.
pub(crate) fn refused(error: &ClientError) -> Option<String> {
    let ClientError::Refused { what, contract, data, .. } = error else { return None };
    let sentence = sentence(*contract, data)?;
    Some(say!("{what} would fail: {sentence}", "a rede recusaria: {sentence}"))
}

/// What went wrong, in words: the first refusal of a contract below the error, or all that was tried.
pub(crate) fn in_words(report: &Report) -> String {
    let refusal = report.chain().find_map(|error| match error.downcast_ref() {
        Some(error) => refused(error),
        None => sentence(None, &error.downcast_ref::<alloy_contract::Error>()?.as_revert_data()?),
    });
    refusal.unwrap_or_else(|| format!("{report:#}"))
}

/// What went wrong, for programs: in words, and where a contract threw it its selector, name and arguments.
pub(crate) fn object(report: &Report) -> Value {
    let mut object = json!({"error": in_words(report)});
    let thrown = report.chain().find_map(|error| match error.downcast_ref() {
        Some(ClientError::Refused { contract, data, .. }) => Some((*contract, data.clone())),
        _ => Some((None, error.downcast_ref::<alloy_contract::Error>()?.as_revert_data()?)),
    });
    if let Some((contract, data)) = thrown {
        object["selector"] = json!(data.get(..4).map(hex::encode_prefixed));
        if let Some(error) = abi::decode_error(contract, &data) {
            object["name"] = json!(error.name);
            object["arguments"] = error.object();
        }
    }
    object
}

/// The words of an enumeration for one of its values.
pub(crate) fn word(list: &str, value: usize) -> String {
    let words = table::WORDS.iter().find(|words| words.list == list);
    let word = words.and_then(|w| if portuguese() { w.portuguese.get(value) } else { w.english.get(value) });
    word.map_or_else(|| value.to_string(), ToString::to_string)
}

fn told(error: &Decoded, portuguese: bool) -> Option<String> {
    let qualified = format!("{}.{}", error.contract, error.name);
    let named = |name: &str| table::sentences().find(|sentence| sentence.error == name);
    let sentence = named(&qualified).or_else(|| named(&error.name))?;
    Some(fill(if portuguese { sentence.portuguese } else { sentence.english }, error))
}

fn fill(template: &str, error: &Decoded) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, from)) = rest.split_once('{') {
        text.push_str(before);
        let Some((field, after)) = from.split_once('}') else { break };
        let (name, form) = field.split_once(':').unwrap_or((field, ""));
        text.push_str(&error.argument(name).map_or_else(|| format!("{{{field}}}"), |value| shown(value, form)));
        rest = after;
    }
    text.push_str(rest);
    text
}

fn shown(value: &Value, form: &str) -> String {
    let text = plain(value);
    let number = || text.parse::<u128>().ok();
    match form {
        "" => Some(text.clone()),
        "fnt" => Some(format!("{} FNT", number().map_or_else(|| text.clone(), fnt))),
        "ppm" => number().and_then(|ppm| u32::try_from(ppm).ok()).map(percent),
        "time" => number().map(time),
        "text" => hex::decode(text.trim_start_matches("0x"))
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(|word| word.trim_end_matches('\0').to_owned()),
        list => number().map(|value| word(list, usize::try_from(value).unwrap_or(usize::MAX))),
    }
    .unwrap_or(text)
}

/// Seconds since 1970 as a date and time of day, in UTC.
pub(crate) fn time(seconds: u128) -> String {
    let at = i64::try_from(seconds).ok().and_then(|s| ::time::OffsetDateTime::from_unix_timestamp(s).ok());
    let format = ::time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    at.and_then(|at| at.format(&format).ok()).unwrap_or_else(|| seconds.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every error that a contract of the protocol can throw has a sentence in both languages, whose fields it has.
    #[test]
    fn every_error_of_every_contract_is_told() {
        let (mut faults, mut used) = (Vec::new(), BTreeSet::new());
        for contract in abi::contracts() {
            for error in contract.abi.errors() {
                let qualified = format!("{}.{}", contract.name, error.name);
                let named = |name: &str| table::sentences().find(|sentence| sentence.error == name);
                let Some(sentence) = named(&qualified).or_else(|| named(&error.name)) else {
                    faults.push(format!("no sentence for {}.{}", contract.name, error.signature()));
                    continue;
                };
                used.insert(sentence.error);
                let example = Decoded {
                    contract: contract.name.into(),
                    name: error.name.clone(),
                    arguments: error
                        .inputs
                        .iter()
                        .map(|input| (input.name.clone(), Value::String("1".into())))
                        .collect(),
                };
                for text in [told(&example, false), told(&example, true)].into_iter().flatten() {
                    if text.contains('{') {
                        faults.push(format!("{qualified} has no such field: {text}"));
                    }
                }
            }
        }
        let standard = ["Error", "Panic"];
        for sentence in table::sentences() {
            if !used.contains(sentence.error) && !standard.contains(&sentence.error) {
                faults.push(format!("no contract throws {}", sentence.error));
            }
            if sentence.english == sentence.portuguese {
                faults.push(format!("{} is told in one language", sentence.error));
            }
            for text in [sentence.english, sentence.portuguese] {
                for form in
                    text.split('{').skip(1).filter_map(|part| part.split_once('}')?.0.split_once(':')).map(|f| f.1)
                {
                    if !["fnt", "ppm", "time", "text"].contains(&form) && !table::WORDS.iter().any(|w| w.list == form) {
                        faults.push(format!("{}: no such form: {form}", sentence.error));
                    }
                }
            }
        }
        for words in table::WORDS {
            assert_eq!(words.english.len(), words.portuguese.len(), "{}", words.list);
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn fields_are_shown_as_what_they_are() {
        let value = |text: &str| Value::String(text.into());
        assert_eq!(shown(&value("1500000000000000000"), "fnt"), "1.5 FNT");
        assert_eq!(shown(&value("1767225600"), "time"), "2026-01-01 00:00:00 UTC");
        assert_eq!(shown(&value("50000"), "ppm"), "5.00 %");
        assert_eq!(shown(&value("0x4252"), "text"), "BR");
        assert_eq!(shown(&value("many"), "fnt"), "many FNT");
    }
}

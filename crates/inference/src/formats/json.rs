//! JSON objects of strangers: one field at a time, each with its type, its range and its name in the message.

use serde_json::{Map, Value};

use super::error::{FormatError, shorten};

/// Longest `config.json` and its like, in bytes.
pub(super) const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Parses an object. `serde_json` nests at most 128 deep and takes the last of two equal keys, as Python does.
pub(super) fn parse_object(file: &str, bytes: &[u8]) -> Result<Map<String, Value>, FormatError> {
    if bytes.len() as u64 > MAX_CONFIG_BYTES {
        let size = bytes.len() as u64;
        return Err(FormatError::TooLarge { file: file.into(), what: "its size", size, limit: MAX_CONFIG_BYTES });
    }
    serde_json::from_slice(bytes).map_err(|source| FormatError::Json { file: file.into(), source })
}

/// An object and the file that it stands in. A field that is `null` counts as absent, as Python's writers mean it.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) file: &'a str,
    pub(super) map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn get(self, field: &'static str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn wrong(self, field: &'static str, value: &Value, allowed: impl Into<String>) -> FormatError {
        FormatError::Field {
            file: self.file.into(),
            field,
            value: shorten(&value.to_string()),
            allowed: allowed.into(),
        }
    }

    pub(super) fn missing(self, field: &'static str) -> FormatError {
        FormatError::MissingField { file: self.file.into(), field }
    }

    pub(super) fn unsupported(self, feature: impl Into<String>, remedy: &'static str) -> FormatError {
        FormatError::Unsupported { file: self.file.into(), feature: feature.into(), remedy }
    }

    /// A whole number in `[low, high]`.
    pub(super) fn integer(self, field: &'static str, low: u64, high: u64) -> Result<Option<u64>, FormatError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(field, value, format!("a whole number from {low} to {high}"))),
        }
    }

    /// A whole number in `[low, high]` that must be there.
    pub(super) fn count(self, field: &'static str, low: u64, high: u64) -> Result<usize, FormatError> {
        Ok(self.integer(field, low, high)?.ok_or_else(|| self.missing(field))? as usize)
    }

    /// A finite number in `[low, high]`.
    pub(super) fn number(self, field: &'static str, low: f64, high: f64) -> Result<Option<f64>, FormatError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(field, value, format!("a number from {low} to {high}"))),
        }
    }

    pub(super) fn boolean(self, field: &'static str) -> Result<Option<bool>, FormatError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.wrong(field, value, "true or false"))
    }

    pub(super) fn text(self, field: &'static str) -> Result<Option<&'a str>, FormatError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong(field, value, "a text"))
    }

    pub(super) fn object(self, field: &'static str) -> Result<Option<Fields<'a>>, FormatError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let map = value.as_object().ok_or_else(|| self.wrong(field, value, "an object"))?;
        Ok(Some(Fields { file: self.file, map }))
    }

    pub(super) fn array(self, field: &'static str) -> Result<Option<&'a [Value]>, FormatError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let list = value.as_array().ok_or_else(|| self.wrong(field, value, "a list"))?;
        Ok(Some(list))
    }

    /// A token id, or a list of at most 64 of them, all below `vocabulary`.
    pub(super) fn token_ids(self, field: &'static str, vocabulary: u64) -> Result<Vec<u32>, FormatError> {
        let Some(value) = self.get(field) else { return Ok(Vec::new()) };
        let wrong = || self.wrong(field, value, format!("a token below {vocabulary}, or a list of at most 64"));
        let id = |value: &Value| match value.as_u64() {
            Some(id) if id < vocabulary => u32::try_from(id).map_err(|_| wrong()),
            _ => Err(wrong()),
        };
        match value {
            Value::Array(list) if list.len() <= 64 => list.iter().map(id).collect(),
            Value::Array(_) => Err(wrong()),
            _ => Ok(vec![id(value)?]),
        }
    }

    /// Refuses a field that is there and neither false, nor empty.
    pub(super) fn refuse(self, field: &'static str, feature: &str, remedy: &'static str) -> Result<(), FormatError> {
        let harmless = match self.get(field) {
            None | Some(Value::Bool(false)) => true,
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::String(text)) => text.is_empty(),
            Some(_) => false,
        };
        if harmless { Ok(()) } else { Err(self.unsupported(format!("{feature} ({field})"), remedy)) }
    }
}

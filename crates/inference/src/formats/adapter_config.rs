//! `adapter_config.json` of PEFT: which linear layers an adapter changes, with which rank and scale.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Number, Value};

use super::{
    adapter::AdapterShape,
    config::MAX_LAYERS,
    error::{FormatError, shorten},
    hash,
    json::{Fields, parse_object},
    pattern::{Pattern, is_suffix},
    slots::module_name,
};
use crate::model::{ContentHash, Linear, ModelConfig};

/// Highest rank. Nothing is padded to it: an adapter costs its own bytes.
pub(super) const MAX_RANK: u64 = 2048;
/// Most entries of a list or a pattern table: every linear layer of a deep model.
const MAX_ENTRIES: usize = 7 * MAX_LAYERS as usize;
/// Most keys that are expressions rather than names.
const MAX_EXPRESSIONS: usize = 64;
/// Largest `lora_alpha`, either way.
const MAX_ALPHA: f64 = 1e6;

const PLAIN_LORA: &str = "train or export it as plain LoRA on the attention and feed-forward layers";

/// Fields that change nothing here: records, training, or options of what is refused by another field.
const HARMLESS: [&str; 13] = [
    "auto_mapping",
    "base_model_name_or_path",
    "ensure_weight_tying",
    "eva_config",
    "fan_in_fan_out",
    "inference_mode",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
];
/// Fields that are read.
const READ: [&str; 14] = [
    "alpha_pattern",
    "bias",
    "exclude_modules",
    "fonte_base",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "peft_type",
    "r",
    "rank_pattern",
    "target_modules",
    "use_rslora",
    "use_dora",
];

/// A configuration whose every field is honoured, harmless, or empty.
#[derive(Clone, Debug)]
pub struct AdapterConfig {
    file: String,
    rank: usize,
    alpha: f64,
    rslora: bool,
    ranks: Vec<(Pattern, usize)>,
    alphas: Vec<(Pattern, f64)>,
    targets: Modules,
    excluded: Option<Modules>,
    layers: Option<Vec<u64>>,
    base: Option<ContentHash>,
}

#[derive(Clone, Debug)]
enum Modules {
    AllLinear,
    Names(Vec<String>),
    Expression(Pattern),
}

impl Modules {
    fn names(&self, name: &str) -> bool {
        matches!(self, Self::Names(names) if names.iter().any(|entry| entry == name))
    }

    fn contains(&self, name: &str) -> bool {
        match self {
            Self::AllLinear => name.ends_with("_proj"),
            Self::Names(names) => names.iter().any(|suffix| is_suffix(name, suffix)),
            Self::Expression(pattern) => pattern.matches(name),
        }
    }
}

impl AdapterConfig {
    /// Reads the bytes of an `adapter_config.json`. What is not honoured is refused by name, fields of PEFT's future too.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, FormatError> {
        let map = parse_object(file, bytes)?;
        let fields = Fields { file, map: &map };
        refuse_unsupported(fields)?;
        let rslora = fields.boolean("use_rslora")?.unwrap_or(false);
        let rank = fields.count("r", 1, MAX_RANK)?;
        let alpha = fields.number("lora_alpha", -MAX_ALPHA, MAX_ALPHA)?.ok_or_else(|| fields.missing("lora_alpha"))?;
        let tables: Tables =
            serde_json::from_slice(bytes).map_err(|source| FormatError::Json { file: file.into(), source })?;
        let ranks = patterns(fields, "rank_pattern", tables.rank_pattern, |number| {
            number.as_u64().filter(|rank| (1..=MAX_RANK).contains(rank)).map(|rank| rank as usize)
        })?;
        let alphas = patterns(fields, "alpha_pattern", tables.alpha_pattern, |number| {
            number.as_f64().filter(|alpha| alpha.abs() <= MAX_ALPHA)
        })?;
        let targets = modules(fields, "target_modules")?.ok_or_else(|| fields.missing("target_modules"))?;
        let layers = layers(fields, &targets)?;
        let base = match fields.text("fonte_base")? {
            None => None,
            Some(text) => match hash::parse(text) {
                Some(base) => Some(base),
                None => return Err(fields.wrong("fonte_base", &text.into(), "64 hexadecimal digits")),
            },
        };
        let excluded = modules(fields, "exclude_modules")?;
        Ok(Self { file: file.into(), rank, alpha, rslora, ranks, alphas, targets, excluded, layers, base })
    }

    /// Refuses a base model other than the one that the configuration names in `fonte_base`, if it names one.
    pub(super) fn check_base(&self, base: ContentHash) -> Result<(), FormatError> {
        match self.base {
            Some(named) if named != base => Err(FormatError::OtherBase { file: self.file.clone(), named, base }),
            _ => Ok(()),
        }
    }

    /// The linear layers that are adapted in a model of these shapes, ascending. Rank and scale follow PEFT 0.21
    /// (`LoraModel._create_and_replace`): the first matching key of a pattern table wins, in the order of the file.
    pub fn modules(&self, model: &ModelConfig) -> Result<Vec<AdapterShape>, FormatError> {
        // `all-linear` of PEFT leaves the head out; every other way of naming it or the embeddings would adapt them.
        for other in ["lm_head", "model.embed_tokens"] {
            if self.contains(other) {
                let feature = format!("an adapter of {other}");
                return Err(FormatError::Unsupported { file: self.file.clone(), feature, remedy: PLAIN_LORA });
            }
        }
        let mut modules = Vec::new();
        for layer in 0..model.layers {
            let transformed = self.layers.as_ref().is_none_or(|layers| layers.contains(&(layer as u64)));
            for linear in Linear::ALL {
                let name = module_name(layer, linear);
                // Named in full it is adapted, whatever `layers_to_transform` says (`check_target_module_exists`).
                if !self.contains(&name) || !transformed && !self.targets.names(&name) {
                    continue;
                }
                let rank = first(&self.ranks, &name).unwrap_or(self.rank);
                let alpha = first(&self.alphas, &name).unwrap_or(self.alpha);
                let divisor = if self.rslora { (rank as f64).sqrt() } else { rank as f64 };
                modules.push(AdapterShape { layer, linear, rank, scale: (alpha / divisor) as f32 });
            }
        }
        if modules.is_empty() {
            let allowed = "names of linear layers that this base model has".into();
            let value = shorten(&format!("{:?}", self.targets));
            return Err(FormatError::Field { file: self.file.clone(), field: "target_modules", value, allowed });
        }
        Ok(modules)
    }

    fn contains(&self, name: &str) -> bool {
        self.targets.contains(name) && !self.excluded.as_ref().is_some_and(|modules| modules.contains(name))
    }
}

fn first<T: Copy>(table: &[(Pattern, T)], name: &str) -> Option<T> {
    table.iter().find(|(pattern, _)| pattern.matches(name)).map(|&(_, value)| value)
}

fn refuse_unsupported(fields: Fields<'_>) -> Result<(), FormatError> {
    match fields.text("peft_type")? {
        Some("LORA") => {}
        Some(other) => return Err(fields.unsupported(format!("peft_type {}", shorten(other)), PLAIN_LORA)),
        None => return Err(fields.missing("peft_type")),
    }
    for (field, feature) in [
        ("use_dora", "DoRA"),
        ("modules_to_save", "a fully trained module"),
        ("lora_bias", "a bias of the adapter"),
        ("alora_invocation_tokens", "activated LoRA"),
        ("trainable_token_indices", "trained tokens"),
        ("target_parameters", "an adapter of bare parameters"),
        ("layer_replication", "replicated layers"),
    ] {
        fields.refuse(field, feature, PLAIN_LORA)?;
    }
    if let Some(bias) = fields.text("bias")?
        && bias != "none"
    {
        return Err(fields.unsupported(format!("bias {}", shorten(bias)), PLAIN_LORA));
    }
    // The other ways to begin (PiSSA, OLoRA, CorDA, LoftQ, ...) change the base model's weights when PEFT loads them.
    match fields.get("init_lora_weights") {
        None | Some(Value::Bool(_)) => {}
        Some(Value::String(name)) if ["gaussian", "eva", "orthogonal"].contains(&name.as_str()) => {}
        Some(other) => {
            return Err(fields.unsupported(format!("init_lora_weights {}", shorten(&other.to_string())), PLAIN_LORA));
        }
    }
    for field in fields.map.keys() {
        if !HARMLESS.contains(&field.as_str()) && !READ.contains(&field.as_str()) {
            refuse_unknown(fields, field)?;
        }
    }
    Ok(())
}

fn refuse_unknown(fields: Fields<'_>, field: &str) -> Result<(), FormatError> {
    let empty = match &fields.map[field] {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    if empty { Ok(()) } else { Err(fields.unsupported(format!("the option {}", shorten(field)), PLAIN_LORA)) }
}

fn modules(fields: Fields<'_>, field: &'static str) -> Result<Option<Modules>, FormatError> {
    match fields.get(field) {
        None => Ok(None),
        Some(Value::String(text)) if text == "all-linear" && field == "target_modules" => Ok(Some(Modules::AllLinear)),
        Some(Value::String(text)) => Ok(Some(Modules::Expression(Pattern::full(fields.file, field, text)?))),
        Some(Value::Array(list)) if list.len() <= MAX_ENTRIES => {
            let names = list.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            let names = names.ok_or_else(|| fields.wrong(field, &fields.map[field], "names of modules"))?;
            Ok(Some(Modules::Names(names)))
        }
        Some(other) => Err(fields.wrong(field, other, format!("an expression or at most {MAX_ENTRIES} names"))),
    }
}

/// `layers_to_transform`, which PEFT only honours beside a list of names, and refuses beside a text.
fn layers(fields: Fields<'_>, targets: &Modules) -> Result<Option<Vec<u64>>, FormatError> {
    let Some(value) = fields.get("layers_to_transform") else { return Ok(None) };
    let layers = match value {
        Value::Array(list) if list.is_empty() => return Ok(None),
        Value::Array(list) if list.len() <= MAX_LAYERS as usize => list.iter().map(Value::as_u64).collect(),
        Value::Array(_) => None,
        one => one.as_u64().map(|layer| vec![layer]),
    };
    let layers = layers.ok_or_else(|| fields.wrong("layers_to_transform", value, "numbers of layers"))?;
    if !matches!(targets, Modules::Names(_)) {
        return Err(fields.wrong("layers_to_transform", value, "absent where target_modules is not a list"));
    }
    let layers_name = |value: &Value| value.as_str() == Some("layers");
    match fields.get("layers_pattern") {
        None => {}
        Some(Value::String(text)) if text.is_empty() || text == "layers" => {}
        Some(Value::Array(list)) if list.iter().all(layers_name) => {}
        Some(other) => return Err(fields.wrong("layers_pattern", other, "absent, or layers")),
    }
    Ok(Some(layers))
}

fn patterns<T>(
    fields: Fields<'_>,
    field: &'static str,
    table: Option<Ordered>,
    convert: impl Fn(&Number) -> Option<T>,
) -> Result<Vec<(Pattern, T)>, FormatError> {
    let entries = table.unwrap_or_default().0;
    let mut expressions = 0;
    let mut patterns = Vec::new();
    for (key, value) in &entries {
        let converted = match value {
            Value::Number(number) => convert(number),
            _ => None,
        };
        let converted = converted.ok_or_else(|| fields.wrong(field, value, "numbers in their range"))?;
        let pattern = Pattern::suffix(fields.file, field, key)?;
        expressions += usize::from(matches!(pattern, Pattern::Expression(_)));
        if expressions > MAX_EXPRESSIONS || patterns.len() == MAX_ENTRIES {
            let allowed = format!("at most {MAX_ENTRIES} names and {MAX_EXPRESSIONS} expressions");
            return Err(fields.wrong(field, &entries.len().into(), allowed));
        }
        patterns.push((pattern, converted));
    }
    Ok(patterns)
}

#[derive(Deserialize)]
struct Tables {
    rank_pattern: Option<Ordered>,
    alpha_pattern: Option<Ordered>,
}

/// An object in the order of the file, which decides between two keys that match. Of two equal keys the last one's value counts,
/// as in Python.
#[derive(Default)]
struct Ordered(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of numbers")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Ordered, M::Error> {
                let (mut entries, mut places) = (Vec::new(), HashMap::new());
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    let place = *places.entry(key.clone()).or_insert(entries.len());
                    if place == entries.len() {
                        entries.push((key, value));
                    } else {
                        entries[place].1 = value;
                    }
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

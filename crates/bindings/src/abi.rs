//! The contracts' ABIs as data: calls, events and errors by their names, for people to read, and calls as people write
//! them.

use std::sync::OnceLock;

use alloy_dyn_abi::{DynSolType, DynSolValue, EventExt, FunctionExt, JsonAbiExt, Specifier};
use alloy_json_abi::{JsonAbi, Param, StateMutability};
use alloy_primitives::{Bytes, LogData, hex};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A contract and its ABI.
#[derive(Debug)]
pub struct Contract {
    /// Its name.
    pub name: &'static str,
    /// What can be called, emitted and thrown.
    pub abi: JsonAbi,
}

macro_rules! artifacts {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../contracts/artifacts/", $name, ".json")))),*]
    };
}

/// Every contract of the protocol.
pub fn contracts() -> &'static [Contract] {
    #[derive(Deserialize)]
    struct Artifact {
        abi: JsonAbi,
    }
    static CONTRACTS: OnceLock<Vec<Contract>> = OnceLock::new();
    CONTRACTS.get_or_init(|| {
        artifacts![
            "FonteToken",
            "Datanets",
            "Models",
            "Settlement",
            "Challenges",
            "Reviews",
            "Origins",
            "Workers",
            "Validators",
            "Timelock",
            "FonteGovernor",
            "Allowance",
            "Concentration",
            "ModelReviews",
            "Demands",
            // Made by Origins, one for each origin and each list of parts: they have no addresses of their own.
            "Vault",
            "Splitter",
        ]
        .into_iter()
        .map(|(name, text)| {
            let artifact: Artifact = serde_json::from_str(text).expect("artifacts are committed and tested");
            Contract { name, abi: artifact.abi }
        })
        .collect()
    })
}

/// A contract by its name; the governor's short name will do.
pub fn contract(name: &str) -> Option<&'static Contract> {
    let name = if name == "Governor" { "FonteGovernor" } else { name };
    contracts().iter().find(|contract| contract.name == name)
}

/// A call, an event, an error or a call's results, with its arguments by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Contract whose ABI names it (of an error: the first that declares it).
    pub contract: String,
    /// Its name.
    pub name: String,
    /// Each argument's name and value: numbers as decimal text, structs as objects.
    pub arguments: Vec<(String, Value)>,
}

impl Decoded {
    /// An argument.
    pub fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments.iter().find(|(named, _)| named == name).map(|(_, value)| value)
    }

    /// The arguments as one JSON object.
    pub fn object(&self) -> Value {
        Value::Object(self.arguments.iter().cloned().collect::<Map<_, _>>())
    }
}

impl std::fmt::Display for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}(", self.name)?;
        for (index, (name, value)) in self.arguments.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name}: {}", plain(value))?;
        }
        write!(f, ")")
    }
}

/// A value without the quotes of JSON around its texts.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {}", plain(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// A contract's error, if one of the protocol's contracts declares it: `called` first, because contracts may mean
/// different things by one name. `Error(string)` and `Panic(uint256)` count.
pub fn decode_error(called: Option<&str>, data: &[u8]) -> Option<Decoded> {
    let (selector, body) = data.split_at_checked(4)?;
    for contract in called.and_then(contract).into_iter().chain(contracts()) {
        for error in contract.abi.errors() {
            if error.selector().as_slice() == selector
                && let Ok(values) = error.abi_decode_input(body)
            {
                return Some(decoded(contract.name, &error.name, &error.inputs, &values));
            }
        }
    }
    let standard = |name: &str, field: &str, ty: DynSolType| {
        let value = ty.abi_decode(body).ok()?;
        let arguments = vec![(field.to_owned(), json(None, &value))];
        Some(Decoded { contract: String::new(), name: name.into(), arguments })
    };
    match selector {
        [0x08, 0xc3, 0x79, 0xa0] => standard("Error", "message", DynSolType::String),
        [0x4e, 0x48, 0x7b, 0x71] => standard("Panic", "code", DynSolType::Uint(256)),
        _ => None,
    }
}

/// A revert in one line for logs and machines: the error by name with its fields, or the bytes.
pub fn revert_reason(data: &[u8]) -> String {
    decode_error(None, data).map_or_else(|| format!("reverted with 0x{}", hex::encode(data)), |error| error.to_string())
}

/// A call to a contract, by the contract's name.
pub fn decode_call(called: &str, data: &[u8]) -> Option<Decoded> {
    let contract = contract(called)?;
    let (selector, body) = data.split_at_checked(4)?;
    let function = contract.abi.functions().find(|function| function.selector().as_slice() == selector)?;
    let values = function.abi_decode_input(body).ok()?;
    Some(decoded(contract.name, &function.name, &function.inputs, &values))
}

/// What a call to a contract returned; nothing where it returns nothing.
pub fn decode_return(called: &str, data: &[u8], returned: &[u8]) -> Option<Decoded> {
    let contract = contract(called)?;
    let function = contract.abi.functions().find(|function| Some(function.selector().as_slice()) == data.get(..4))?;
    let values = function.abi_decode_output(returned).ok()?;
    Some(decoded(contract.name, &function.name, &function.outputs, &values)).filter(|d| !d.arguments.is_empty())
}

/// An event of a contract.
pub fn decode_event(emitter: &str, log: &LogData) -> Option<Decoded> {
    let contract = contract(emitter)?;
    let event = contract.abi.events().find(|event| log.topics().first() == Some(&event.selector()))?;
    let values = event.decode_log(log).ok()?;
    let (mut indexed, mut body) = (values.indexed.iter(), values.body.iter());
    let arguments = event
        .inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let value = if input.indexed { indexed.next() } else { body.next() }?;
            Some((argument_name(&input.name, index), json(Some(&input.components), value)))
        })
        .collect::<Option<_>>()?;
    Some(Decoded { contract: contract.name.into(), name: event.name.clone(), arguments })
}

/// A call could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Not of the form.
    #[error("{0:?} is no call: write Contract.function(arguments), such as Allowance.defund(1000)")]
    Form(String),
    /// Unknown contract.
    #[error("there is no contract {name:?}: there are {known}")]
    Contract {
        /// As written.
        name: String,
        /// Names of all.
        known: String,
    },
    /// Unknown function.
    #[error("{contract} has no function {name:?} that changes something: it has {known}")]
    Function {
        /// Contract.
        contract: &'static str,
        /// As written.
        name: String,
        /// Signatures of all.
        known: String,
    },
    /// Arguments that do not fit.
    #[error("the arguments of {signature} cannot be read from {written:?}")]
    Arguments {
        /// What is wanted.
        signature: String,
        /// As written.
        written: String,
    },
}

/// Reads `Contract.function(arguments)`, arguments as in Solidity: numbers (`2 ether` too), addresses, 0x bytes, texts in
/// double quotes, lists in `[]`, structs in `()`. Gives the contract's name and the call data.
pub fn parse_call(text: &str) -> Result<(&'static str, Bytes), CallError> {
    let text = text.trim();
    let form = || CallError::Form(text.into());
    let (called, rest) = text.split_once('(').ok_or_else(form)?;
    let (name, function_name) = called.split_once('.').ok_or_else(form)?;
    let written = rest.strip_suffix(')').ok_or_else(form)?.trim();
    let found = contract(name).ok_or_else(|| CallError::Contract {
        name: name.into(),
        known: contracts().iter().map(|contract| contract.name).collect::<Vec<_>>().join(", "),
    })?;
    let changing = || {
        found
            .abi
            .functions()
            .filter(|function| !matches!(function.state_mutability, StateMutability::View | StateMutability::Pure))
    };
    let candidates: Vec<_> = changing().filter(|function| function.name == function_name).collect();
    if candidates.is_empty() {
        return Err(CallError::Function {
            contract: found.name,
            name: function_name.into(),
            known: changing().map(|function| function.signature()).collect::<Vec<_>>().join(", "),
        });
    }
    for function in &candidates {
        let types: Result<Vec<_>, _> = function.inputs.iter().map(Specifier::resolve).collect();
        let Ok(types) = types else { continue };
        let values = if types.is_empty() && written.is_empty() {
            Some(Vec::new())
        } else {
            match DynSolType::Tuple(types).coerce_str(&format!("({written})")) {
                Ok(DynSolValue::Tuple(values)) => Some(values),
                _ => None,
            }
        };
        if let Some(data) = values.and_then(|values| function.abi_encode_input(&values).ok()) {
            return Ok((found.name, data.into()));
        }
    }
    let signature = candidates.iter().map(|function| function.signature()).collect::<Vec<_>>().join(" or ");
    Err(CallError::Arguments { signature, written: written.into() })
}

fn decoded(contract: &str, name: &str, parameters: &[Param], values: &[DynSolValue]) -> Decoded {
    let arguments = parameters
        .iter()
        .zip(values)
        .enumerate()
        .map(|(index, (parameter, value))| {
            (argument_name(&parameter.name, index), json(Some(&parameter.components), value))
        })
        .collect();
    Decoded { contract: contract.into(), name: name.into(), arguments }
}

/// Nameless arguments are numbered from 0.
fn argument_name(name: &str, index: usize) -> String {
    if name.is_empty() { index.to_string() } else { name.to_owned() }
}

/// A value as JSON: numbers as decimal text (they exceed 53 bits), bytes as 0x, structs as objects where their fields'
/// names are known.
fn json(components: Option<&[Param]>, value: &DynSolValue) -> Value {
    match value {
        DynSolValue::Bool(value) => Value::Bool(*value),
        DynSolValue::Int(value, _) => Value::String(value.to_string()),
        DynSolValue::Uint(value, _) => Value::String(value.to_string()),
        DynSolValue::FixedBytes(word, size) => Value::String(hex::encode_prefixed(&word[..*size])),
        DynSolValue::Address(address) => Value::String(address.to_string()),
        DynSolValue::Function(function) => Value::String(hex::encode_prefixed(function)),
        DynSolValue::Bytes(bytes) => Value::String(hex::encode_prefixed(bytes)),
        DynSolValue::String(text) => Value::String(text.clone()),
        DynSolValue::Array(items) | DynSolValue::FixedArray(items) => {
            Value::Array(items.iter().map(|item| json(components, item)).collect())
        }
        DynSolValue::Tuple(items) => match components.filter(|components| components.len() == items.len()) {
            Some(components) => Value::Object(
                components
                    .iter()
                    .zip(items)
                    .enumerate()
                    .map(|(index, (field, item))| {
                        (argument_name(&field.name, index), json(Some(&field.components), item))
                    })
                    .collect(),
            ),
            None => Value::Array(items.iter().map(|item| json(None, item)).collect()),
        },
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use alloy_sol_types::{SolCall, SolError, SolEvent};

    use super::*;
    use crate::{
        addresses::Addresses,
        contracts::{Datanets, Settlement},
    };

    #[test]
    fn every_artifact_is_read_and_named_as_its_address() {
        for (name, _) in Addresses::predeployed().named() {
            assert!(contract(name).is_some(), "{name}");
        }
        // And those that Origins makes, as many as it likes.
        assert_eq!(contracts().len(), crate::addresses::COUNT + 2);
    }

    #[test]
    fn errors_calls_results_and_events_are_named() {
        let error = Settlement::BondShort { have: U256::from(1), need: U256::from(2) }.abi_encode();
        let error = decode_error(None, &error).unwrap();
        assert_eq!((error.name.as_str(), error.to_string().as_str()), ("BondShort", "BondShort(have: 1, need: 2)"));
        assert_eq!(error.argument("need"), Some(&Value::String("2".into())));
        let text = [hex::decode("08c379a0").unwrap(), DynSolValue::String("no".into()).abi_encode()].concat();
        assert_eq!(revert_reason(&text), "Error(message: no)");
        assert_eq!(revert_reason(&[1, 2, 3, 4, 5]), "reverted with 0x0102030405");
        assert_eq!(revert_reason(&[]), "reverted with 0x");

        let call = Datanets::acceptBatchCall { ids: vec![3, 4] }.abi_encode();
        let decoded = decode_call("Datanets", &call).unwrap();
        assert_eq!(decoded.to_string(), "acceptBatch(ids: [3, 4])");
        assert_eq!(decode_call("Settlement", &call), None);
        let count = Datanets::datanetCountCall {}.abi_encode();
        let returned = decode_return("Datanets", &count, &U256::from(5).to_be_bytes::<32>());
        assert_eq!(returned.unwrap().arguments, [("0".to_owned(), Value::String("5".into()))]);

        let event = Datanets::Accepted { contribution: 9, datanet: 2, version: 7 };
        let decoded = decode_event("Datanets", &event.encode_log_data()).unwrap();
        assert_eq!(decoded.to_string(), "Accepted(contribution: 9, datanet: 2, version: 7)");
    }

    #[test]
    fn calls_are_read_as_people_write_them() {
        let (name, data) = parse_call("Datanets.acceptBatch([3, 4])").unwrap();
        assert_eq!(name, "Datanets");
        assert_eq!(data, Bytes::from(Datanets::acceptBatchCall { ids: vec![3, 4] }.abi_encode()));
        let (_, data) = parse_call(" Settlement.withdraw() ").unwrap();
        assert_eq!(data, Bytes::from(Settlement::withdrawCall {}.abi_encode()));
        for (wrong, needle) in [
            ("Datanets", "is no call"),
            ("Datanets.accept(3", "is no call"),
            ("Nobody.accept(3)", "there is no contract"),
            ("Datanets.nothing(3)", "has no function"),
            ("Datanets.datanetCount()", "has no function"),
            ("Datanets.accept(many)", "cannot be read"),
            ("Datanets.accept(1, 2)", "cannot be read"),
        ] {
            let error = parse_call(wrong).unwrap_err().to_string();
            assert!(error.contains(needle), "{wrong}: {error}");
        }
    }
}

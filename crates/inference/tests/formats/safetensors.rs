use fonte_inference::formats::{Dtype, FormatError, HeaderFault, Safetensors, ShardIndex};
use serde_json::json;

use super::files::{raw_safetensors, safetensors, tensor};

fn parse(bytes: &[u8]) -> Result<Safetensors, FormatError> {
    Safetensors::parse("t.safetensors", bytes, bytes.len() as u64)
}

fn fault(header: &str, data: usize) -> HeaderFault {
    match parse(&raw_safetensors(header, &vec![0; data])) {
        Err(FormatError::Header { fault, .. }) => fault,
        other => panic!("{header}: {other:?}"),
    }
}

#[test]
fn a_header_is_read_in_the_order_of_the_data() {
    let bytes = safetensors(&[tensor("b", "BF16", &[2, 3]), tensor("a", "F32", &[5]), tensor("c", "F16", &[])]);
    let found = parse(&bytes).unwrap();
    let names: Vec<_> = found.tensors.iter().map(|t| (t.name.as_str(), t.dtype, t.shape.clone(), t.bytes)).collect();
    let expected = [("b", Dtype::Bf16, vec![2, 3], 12), ("a", Dtype::F32, vec![5], 20), ("c", Dtype::F16, vec![], 2)];
    assert_eq!(names, expected);
    assert_eq!(found.header_bytes + 34, bytes.len() as u64);
    // The header alone is enough when the length of the file is known.
    let header = &bytes[..found.header_bytes as usize];
    assert_eq!(Safetensors::parse("t", header, bytes.len() as u64).unwrap(), found);
    // Trailing spaces are how writers align the data; no tensor at all is a file too.
    assert!(parse(&raw_safetensors("{}    ", &[])).unwrap().tensors.is_empty());
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    let bytes = safetensors(&[tensor("a", "F32", &[2]), tensor("b", "F16", &[3])]);
    for end in 0..bytes.len() {
        let found = parse(&bytes[..end]);
        let refused = matches!(
            found,
            Err(FormatError::Truncated { .. } | FormatError::Header { fault: HeaderFault::Offsets(_), .. })
        );
        assert!(refused, "{end}: {found:?}");
    }
    let longer = [&bytes[..], &[0]].concat();
    let found = parse(&longer);
    assert!(matches!(found, Err(FormatError::Header { fault: HeaderFault::TrailingBytes(1), .. })), "{found:?}");
}

#[test]
fn hostile_headers() {
    let one = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    let name = "a".to_owned();
    assert_eq!(fault("[]", 0), HeaderFault::Magic);
    assert_eq!(fault(" {}", 0), HeaderFault::Magic);
    let unknown = HeaderFault::Type { name: name.clone(), kind: "F7".into() };
    assert_eq!(fault(&one("F7", "[1]", "[0,4]"), 4), unknown);
    assert_eq!(fault(&one("F32", "[2]", "[0,4]"), 4), HeaderFault::Size(name.clone()));
    assert_eq!(fault(&one("F32", "[1]", "[4,0]"), 4), HeaderFault::Size(name.clone()));
    let overflow = one("F32", "[4294967296,4294967296,4]", "[0,0]");
    assert_eq!(fault(&overflow, 0), HeaderFault::Size(name.clone()));
    assert_eq!(fault(&one("F32", "[1]", "[4,8]"), 8), HeaderFault::Offsets(name.clone()));
    let far = one("F32", "[4611686018427387903]", "[0,18446744073709551612]");
    assert_eq!(fault(&far, 8), HeaderFault::Offsets(name.clone()));
    let deep = HeaderFault::Dimensions { name: name.clone(), dimensions: 9 };
    assert_eq!(fault(&one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4), deep);

    let entry = |name: &str, begin, end| {
        format!(r#""{name}":{{"dtype":"U8","shape":[{}],"data_offsets":[{begin},{end}]}}"#, end - begin)
    };
    let overlap = format!("{{{},{}}}", entry("a", 0, 4), entry("b", 3, 6));
    assert_eq!(fault(&overlap, 6), HeaderFault::Offsets("b".into()));
    // An overlap and a hole that make up for each other.
    let both = format!("{{{},{},{}}}", entry("a", 0, 4), entry("b", 3, 6), entry("c", 7, 8));
    assert_eq!(fault(&both, 8), HeaderFault::Offsets("b".into()));
    let hole = format!("{{{},{}}}", entry("a", 0, 2), entry("b", 4, 6));
    assert_eq!(fault(&hole, 6), HeaderFault::Offsets("b".into()));
    let twice = format!("{{{},{}}}", entry("a", 0, 2), entry("a", 2, 4));
    assert_eq!(fault(&twice, 4), HeaderFault::Duplicate(name));
    assert_eq!(fault(&format!("{{{}}}", entry("", 0, 2)), 2), HeaderFault::Name(String::new()));
    assert_eq!(fault(&format!("{{{}}}", entry("\\u0000", 0, 2)), 2), HeaderFault::Name("\0".into()));
    let long = "n".repeat(257);
    assert!(matches!(fault(&format!("{{{}}}", entry(&long, 0, 2)), 2), HeaderFault::Name(name) if name.len() < 90));

    for json in [r#"{"a":3}"#, r#"{"a":{"dtype":"F32"}}"#, &one("F32", "[-1]", "[0,4]"), &one("F32", "[1]", "[0]"), "{"]
    {
        assert!(matches!(parse(&raw_safetensors(json, &[0; 4])), Err(FormatError::Json { .. })), "{json}");
    }
    let more = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"strides":[1]}}"#;
    assert!(matches!(parse(&raw_safetensors(more, &[0])), Err(FormatError::Json { .. })));
}

#[test]
fn a_length_beyond_the_file_or_the_limit_is_refused_before_it_is_allocated() {
    let with_length = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    let found = parse(&with_length(3));
    assert!(matches!(found, Err(FormatError::Truncated { needed: 11, found: 10, .. })), "{found:?}");
    for length in [u64::MAX, 1 << 40, (16 << 20) + 1] {
        let found = parse(&with_length(length));
        assert!(matches!(found, Err(FormatError::TooLarge { size, .. }) if size == length), "{found:?}");
    }
}

#[test]
fn an_index_names_plain_files_only() {
    let index = |map: serde_json::Value| ShardIndex::parse("i", json!({ "weight_map": map }).to_string().as_bytes());
    let found = index(json!({ "a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-1.safetensors" })).unwrap();
    assert_eq!(found.shards.len(), 2);
    assert_eq!(found.shards["m-1.safetensors"].iter().collect::<Vec<_>>(), ["a", "c"]);
    for name in [
        "../m.safetensors",
        "/etc/m.safetensors",
        "a/m.safetensors",
        "a\\m.safetensors",
        "..safetensors",
        ".safetensors",
        "m.bin",
        "m.safetensors\0",
        "ä.safetensors",
        "",
        &format!("{}.safetensors", "m".repeat(128)),
    ] {
        let found = index(json!({ "a": name }));
        assert!(matches!(found, Err(FormatError::ShardName { .. })), "{name}: {found:?}");
    }
    assert!(matches!(index(json!({ "a": 3 })), Err(FormatError::Field { field: "weight_map", .. })));
    assert!(matches!(index(json!({})), Err(FormatError::MissingField { field: "weight_map", .. })));
    let many: serde_json::Map<_, _> = (0..257).map(|i| (format!("t{i}"), json!(format!("m{i}.safetensors")))).collect();
    assert!(matches!(index(many.into()), Err(FormatError::TooLarge { size: 257, .. })));
    assert!(matches!(index(json!({ "n".repeat(257): "m.safetensors" })), Err(FormatError::TooLarge { .. })));
    let text = json!({ "weight_map": { "a": "m.safetensors" } }).to_string();
    for end in 0..text.len() {
        let found = ShardIndex::parse("i", &text.as_bytes()[..end]);
        assert!(matches!(found, Err(FormatError::Json { .. })), "{end}");
    }
}

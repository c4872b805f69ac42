use fonte_inference::{
    formats::{AdapterConfig, AdapterFiles, AdapterShape, FormatError, Limits},
    model::{Adapter, ContentHash, Linear},
};
use serde_json::{Value, json};

use super::files::{
    BASE, Tensor, adapter_config, adapter_tensors, bf16, bytes_of, folder, model, numbers, safetensors, shapes, with,
    write,
};

/// What [`adapter_config`] adapts: q_proj and down_proj of both layers at rank 3.
const MODULES: [(usize, &str, usize, usize, usize); 4] = [
    (0, "self_attn.q_proj", 3, 32, 12),
    (0, "mlp.down_proj", 3, 12, 10),
    (1, "self_attn.q_proj", 3, 32, 12),
    (1, "mlp.down_proj", 3, 12, 10),
];

fn read(config: &Value, tensors: &[Tensor]) -> Result<Adapter, FormatError> {
    let (config, tensors) = (config.to_string(), safetensors(tensors));
    let open = || AdapterFiles::from_bytes(config.as_bytes(), &tensors, &model(), BASE, &Limits::default());
    let read = open()?.read(None);
    // Hashing refuses what reading refuses, in the same words.
    let words = |error: &FormatError| error.to_string();
    let due = read.as_ref().map(|adapter| adapter.hash).map_err(words);
    assert_eq!(open()?.hash().map_err(|error| words(&error)), due);
    read
}

fn modules(config: &Value) -> Result<Vec<AdapterShape>, FormatError> {
    AdapterConfig::parse("adapter_config.json", config.to_string().as_bytes())?.modules(&model())
}

#[test]
fn numbers_read_back_exactly_in_every_type() {
    for dtype in ["F32", "F16", "BF16"] {
        let adapter = read(&adapter_config(), &adapter_tensors(dtype, &MODULES)).unwrap();
        assert_eq!(shapes(&adapter), [(0, 3, 2.0), (0, 3, 2.0), (1, 3, 2.0), (1, 3, 2.0)]);
        for (module, (layer, name, rank, rows, columns)) in adapter.modules.iter().zip(MODULES) {
            let name = format!("base_model.model.model.layers.{layer}.{name}");
            assert_eq!(module.a, bf16(&format!("{name}.lora_A.weight"), rank * columns), "{dtype} {name}");
            assert_eq!(module.b, bf16(&format!("{name}.lora_B.weight"), rows * rank), "{dtype} {name}");
        }
    }
}

#[test]
fn f32_is_rounded_to_the_nearest_even_bfloat16() {
    let mut tensors = adapter_tensors("F32", &MODULES);
    let mut values = numbers("x", 36);
    let cases = [(0x3f80_8000, 0x3f80), (0x3f81_8000, 0x3f82), (0x3f80_8001, 0x3f81), (0xbf80_7fff, 0xbf80), (1, 0)];
    for (value, (bits, _)) in values.iter_mut().zip(cases) {
        *value = f32::from_bits(bits);
    }
    tensors[0].bytes = bytes_of("F32", &values);
    let adapter = read(&adapter_config(), &tensors).unwrap();
    assert_eq!(adapter.modules[0].a[..5], cases.map(|(_, rounded)| rounded));
    // The largest f32 has no finite neighbour among bfloat16.
    values[7] = f32::MAX;
    tensors[0].bytes = bytes_of("F32", &values);
    let found = read(&adapter_config(), &tensors);
    assert!(matches!(found, Err(FormatError::NotFinite { index: 7, .. })), "{found:?}");
}

#[test]
fn scales_ranks_and_patterns() {
    let rslora = with(with(adapter_config(), "use_rslora", json!(true)), "r", json!(4));
    assert_eq!(modules(&rslora).unwrap()[0].scale, 3.0);

    let patterns = with(
        with(adapter_config(), "rank_pattern", json!({ "layers.1.mlp.down_proj": 5, "q_proj": 2 })),
        "alpha_pattern",
        json!({ r"layers\.[0-9]\.self_attn\.q_proj": 7.5 }),
    );
    let found: Vec<_> = modules(&patterns).unwrap().iter().map(|m| (m.layer, m.linear, m.rank, m.scale)).collect();
    assert_eq!(
        found,
        [
            (0, Linear::Query, 2, 3.75),
            (0, Linear::Down, 3, 2.0),
            (1, Linear::Query, 2, 3.75),
            (1, Linear::Down, 5, 1.2)
        ]
    );
    // Of two keys that match, the first in the file decides, in either order of the alphabet; of two equal ones the last.
    for (text, rank) in [
        (r#"{"z_proj|q_proj": 2, "q_proj": 4}"#, 2),
        (r#"{"q_proj": 4, "a_proj|q_proj": 2}"#, 4),
        (r#"{"q_proj": 4, "down_proj": 4, "q_proj": 2}"#, 2),
    ] {
        let text = adapter_config().to_string().replace(r#""rank_pattern":{}"#, &format!(r#""rank_pattern":{text}"#));
        let parsed = AdapterConfig::parse("c", text.as_bytes()).unwrap();
        assert_eq!(parsed.modules(&model()).unwrap()[0].rank, rank);
    }
    // A key matches whole parts of a name.
    let other = with(adapter_config(), "rank_pattern", json!({ "roj": 2, "1.mlp": 2, "_proj": 2 }));
    assert!(modules(&other).unwrap().iter().all(|module| module.rank == 3));
}

#[test]
fn targets_are_names_or_an_expression() {
    let count = |target: Value| modules(&with(adapter_config(), "target_modules", target)).map(|found| found.len());
    assert_eq!(count(json!("all-linear")).unwrap(), 14);
    assert_eq!(count(json!(["self_attn.q_proj", "up_proj"])).unwrap(), 4);
    assert_eq!(count(json!(["model.layers.1.mlp.up_proj", "nothing"])).unwrap(), 1);
    assert_eq!(count(json!(r"model\.layers\.\d+\.mlp\.(up|down)_proj")).unwrap(), 4);
    assert_eq!(count(json!(r".*\.(q|v)_proj")).unwrap(), 4);
    for none in [json!(["proj"]), json!("q_proj"), json!("model"), json!([])] {
        assert!(matches!(count(none.clone()), Err(FormatError::Field { field: "target_modules", .. })), "{none}");
    }
    for (target, named) in
        [(json!(["q_proj", "lm_head"]), "lm_head"), (json!(".*"), "lm_head"), (json!(["embed_tokens"]), "embed")]
    {
        let found = count(target);
        assert!(
            matches!(&found, Err(FormatError::Unsupported { feature, .. }) if feature.contains(named)),
            "{found:?}"
        );
    }
    for pattern in
        ["(", "a)|(b", r"(?<=x)y", r"(a)\1", "((a{1000}){1000}){1000}", &"(".repeat(5000), &"a?".repeat(3000)]
    {
        let found = count(json!(pattern));
        assert!(matches!(found, Err(FormatError::Pattern { field: "target_modules", .. })), "{pattern}: {found:?}");
    }
    assert!(matches!(count(json!([3])), Err(FormatError::Field { .. })));
    assert!(matches!(count(Value::Null), Err(FormatError::MissingField { field: "target_modules", .. })));

    let excluded = with(adapter_config(), "exclude_modules", json!(["layers.0.mlp.down_proj"]));
    assert_eq!(modules(&excluded).unwrap().len(), 3);
    let excluded = with(adapter_config(), "exclude_modules", json!(r".*\.0\..*"));
    assert!(modules(&excluded).unwrap().iter().all(|module| module.layer == 1));
}

#[test]
fn layers_to_transform() {
    let layers = |value: Value| modules(&with(adapter_config(), "layers_to_transform", value));
    for (value, expected) in [(json!(1), vec![1, 1]), (json!([0]), vec![0, 0]), (json!([]), vec![0, 0, 1, 1])] {
        let found: Vec<_> = layers(value).unwrap().iter().map(|module| module.layer).collect();
        assert_eq!(found, expected);
    }
    for wrong in [json!("1"), json!([-1]), json!(vec![0; 600])] {
        assert!(matches!(layers(wrong), Err(FormatError::Field { field: "layers_to_transform", .. })));
    }
    assert!(matches!(layers(json!(7)), Err(FormatError::Field { field: "target_modules", .. })), "no such layer");
    let one = with(adapter_config(), "layers_to_transform", json!(1));
    assert!(modules(&with(one.clone(), "layers_pattern", json!("layers"))).is_ok());
    let found = modules(&with(one.clone(), "layers_pattern", json!("h")));
    assert!(matches!(found, Err(FormatError::Field { field: "layers_pattern", .. })));
    for text in [".*q_proj", "all-linear"] {
        let found = modules(&with(one.clone(), "target_modules", json!(text)));
        assert!(matches!(found, Err(FormatError::Field { field: "layers_to_transform", .. })), "{text}");
    }
    // Named in full, in a layer that is not listed.
    let named = with(one, "target_modules", json!(["model.layers.0.mlp.up_proj", "q_proj", "layers.0.mlp.down_proj"]));
    let found: Vec<_> = modules(&named).unwrap().iter().map(|module| (module.layer, module.linear)).collect();
    assert_eq!(found, [(0, Linear::Up), (1, Linear::Query)]);
}

#[test]
fn what_is_not_computed_is_refused_by_name() {
    for (field, value, named) in [
        ("peft_type", json!("IA3"), "IA3"),
        ("use_dora", json!(true), "DoRA"),
        ("modules_to_save", json!(["lm_head"]), "modules_to_save"),
        ("lora_bias", json!(true), "lora_bias"),
        ("bias", json!("all"), "bias all"),
        ("alora_invocation_tokens", json!([1, 2]), "activated LoRA"),
        ("trainable_token_indices", json!([3]), "trainable_token_indices"),
        ("target_parameters", json!(["a.b"]), "target_parameters"),
        ("layer_replication", json!([[0, 1]]), "layer_replication"),
        ("init_lora_weights", json!("pissa"), "pissa"),
        ("init_lora_weights", json!("olora"), "olora"),
        ("use_qalora", json!(true), "use_qalora"),
        ("loftq_config", json!({ "loftq_bits": 4 }), "loftq_config"),
        ("megatron_config", json!({ "x": 1 }), "megatron_config"),
        ("an_option_of_next_year", json!(1), "an_option_of_next_year"),
    ] {
        let found = modules(&with(adapter_config(), field, value));
        let is_named = matches!(&found, Err(FormatError::Unsupported { feature, .. }) if feature.contains(named));
        assert!(is_named, "{field}: {found:?}");
    }
    let empty = with(with(adapter_config(), "an_option_of_next_year", Value::Null), "loftq_config", json!({}));
    assert!(modules(&empty).is_ok());
}

#[test]
fn values_are_bounded() {
    for (field, value) in [
        ("r", json!(0)),
        ("r", json!(2049)),
        ("r", json!(1.5)),
        ("lora_alpha", json!(1e7)),
        ("lora_alpha", json!("16")),
        ("use_rslora", json!(1)),
        ("rank_pattern", json!({ "q_proj": 0 })),
        ("rank_pattern", json!({ "q_proj": [1] })),
        ("alpha_pattern", json!({ "q_proj": -1e9 })),
        ("fonte_base", json!("xyz")),
    ] {
        let found = modules(&with(adapter_config(), field, value));
        assert!(
            matches!(&found, Err(FormatError::Field { field: named, .. }) if *named == field),
            "{field}: {found:?}"
        );
    }
    let many: serde_json::Map<_, _> = (0..65).map(|index| (format!("[q]{index}"), json!(1))).collect();
    let found = modules(&with(adapter_config(), "rank_pattern", many.into()));
    assert!(matches!(found, Err(FormatError::Field { field: "rank_pattern", .. })));
    for field in ["r", "lora_alpha", "peft_type"] {
        let found = modules(&with(adapter_config(), field, Value::Null));
        assert!(matches!(&found, Err(FormatError::MissingField { field: named, .. }) if *named == field), "{found:?}");
    }
    let text = adapter_config().to_string();
    for end in 0..text.len() {
        assert!(matches!(AdapterConfig::parse("c", &text.as_bytes()[..end]), Err(FormatError::Json { .. })), "{end}");
    }
    let limits = Limits { adapter_bytes: 100, ..Limits::default() };
    let bytes = safetensors(&adapter_tensors("F32", &MODULES));
    let found = AdapterFiles::from_bytes(text.as_bytes(), &bytes, &model(), BASE, &limits).map(|_| ());
    let size = 2 * 2 * 3 * (32 + 12 + 12 + 10);
    assert!(matches!(found, Err(FormatError::TooLarge { size: found, limit: 100, .. }) if found == size), "{found:?}");
}

#[test]
fn tensors_must_be_those_of_the_configuration() {
    let tensors = adapter_tensors("F32", &MODULES);
    for (index, tensor) in tensors.iter().enumerate() {
        let rest = [&tensors[..index], &tensors[index + 1..]].concat();
        let found = read(&adapter_config(), &rest);
        assert!(
            matches!(&found, Err(FormatError::TensorMissing { tensor: named, .. }) if *named == tensor.name),
            "{found:?}"
        );
    }
    let more = adapter_tensors("F32", &[(0, "self_attn.k_proj", 3, 16, 12)]);
    let found = read(&adapter_config(), &[&tensors[..], &more[..1]].concat());
    assert!(
        matches!(&found, Err(FormatError::TensorUnexpected { tensor, .. }) if tensor.contains("k_proj")),
        "{found:?}"
    );
    // Another rank than the configuration's; sizes of another base.
    for module in
        [(0, "self_attn.q_proj", 4, 32, 12), (0, "self_attn.q_proj", 3, 33, 12), (0, "self_attn.q_proj", 3, 32, 13)]
    {
        let found = read(&adapter_config(), &[&adapter_tensors("F32", &[module])[..], &tensors[2..]].concat());
        assert!(matches!(found, Err(FormatError::TensorShape { .. })), "{module:?}: {found:?}");
    }
    let mut wrong = tensors.clone();
    wrong[0].dtype = "U32";
    assert!(matches!(read(&adapter_config(), &wrong), Err(FormatError::TensorType { .. })));
    for dtype in ["F32", "F16", "BF16"] {
        let mut wrong = adapter_tensors(dtype, &MODULES);
        let last = wrong[3].bytes.len();
        // The sign and the exponent of the last element: all ones, which is no number or infinite in every type.
        wrong[3].bytes[last - 2..].fill(0xff);
        let found = read(&adapter_config(), &wrong);
        assert!(matches!(found, Err(FormatError::NotFinite { index: 35, .. })), "{dtype}: {found:?}");
    }
    let config = adapter_config().to_string();
    let bytes = safetensors(&tensors);
    for end in 0..bytes.len() {
        let found = AdapterFiles::from_bytes(config.as_bytes(), &bytes[..end], &model(), BASE, &Limits::default());
        assert!(matches!(found.map(|_| ()), Err(FormatError::Truncated { .. } | FormatError::Header { .. })), "{end}");
    }
}

#[test]
fn an_adapter_is_bound_to_its_base() {
    let tensors = safetensors(&adapter_tensors("F32", &MODULES));
    let named = with(adapter_config(), "fonte_base", json!("07".repeat(32))).to_string();
    let open = |base| AdapterFiles::from_bytes(named.as_bytes(), &tensors, &model(), base, &Limits::default());
    let adapter = open(BASE).unwrap().read(None).unwrap();
    let other = ContentHash([8; 32]);
    let found = open(other).map(|_| ());
    assert!(matches!(found, Err(FormatError::OtherBase { named: BASE, base, .. }) if base == other), "{found:?}");

    let mut preimage = b"fonte adapter 1".to_vec();
    preimage.extend(BASE.0);
    preimage.extend([0, 0, 0, 2]);
    for (name, bytes) in [("adapter_config.json", named.as_bytes()), ("adapter_model.safetensors", &tensors)] {
        preimage.extend((name.len() as u32).to_be_bytes());
        preimage.extend(name.as_bytes());
        preimage.extend((bytes.len() as u64).to_be_bytes());
        preimage.extend(blake3::hash(bytes).as_bytes());
    }
    assert_eq!(adapter.hash, ContentHash(*blake3::hash(&preimage).as_bytes()));

    // Without a name in the file the hash still differs from base to base.
    let config = adapter_config().to_string();
    let hash = |base, expected| {
        let files = AdapterFiles::from_bytes(config.as_bytes(), &tensors, &model(), base, &Limits::default());
        files.unwrap().read(expected).map(|adapter| adapter.hash)
    };
    let found = hash(BASE, None).unwrap();
    assert_eq!(hash(BASE, Some(found)).unwrap(), found);
    assert!(matches!(hash(other, Some(found)), Err(FormatError::HashMismatch { expected, .. }) if expected == found));
}

#[test]
fn folders() {
    let (config, tensors) = (adapter_config().to_string(), safetensors(&adapter_tensors("F32", &MODULES)));
    let folder = folder(&[("adapter_config.json", config.as_bytes()), ("adapter_model.safetensors", &tensors)]);
    let open = || AdapterFiles::open(folder.path(), &model(), BASE, &Limits::default());
    let files = open().unwrap();
    assert_eq!((files.modules().len(), files.bytes()), (4, 2 * 2 * 3 * (32 + 12 + 12 + 10)));
    let from_memory =
        AdapterFiles::from_bytes(config.as_bytes(), &tensors, &model(), BASE, &Limits::default()).unwrap();
    assert_eq!(files.read(None).unwrap(), from_memory.read(None).unwrap());

    // Cut between opening and reading.
    let files = open().unwrap();
    write(folder.path(), "adapter_model.safetensors", &tensors[..tensors.len() - 1]);
    assert!(matches!(files.read(None), Err(FormatError::Truncated { .. })));
    std::fs::remove_file(folder.path().join("adapter_model.safetensors")).unwrap();
    assert!(matches!(open().map(|_| ()), Err(FormatError::MissingFile { file: "adapter_model.safetensors", .. })));
    write(folder.path(), "adapter_model.bin", b"");
    assert!(matches!(open().map(|_| ()), Err(FormatError::Pickle { .. })));
    std::fs::remove_file(folder.path().join("adapter_config.json")).unwrap();
    assert!(matches!(open().map(|_| ()), Err(FormatError::MissingFile { file: "adapter_config.json", .. })));
}

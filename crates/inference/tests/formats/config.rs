use fonte_inference::{
    formats::{FormatError, GenerationConfig, parse_config},
    model::{Architecture, ModelConfig, RopeScaling},
};
use serde_json::{Value, json};

use super::files::{config, with};

fn parse(config: &Value) -> Result<ModelConfig, FormatError> {
    parse_config("config.json", config.to_string().as_bytes())
}

#[test]
fn all_fields_of_the_three_families() {
    for (kind, architecture) in
        [("llama", Architecture::Llama), ("qwen2", Architecture::Qwen2), ("qwen3", Architecture::Qwen3)]
    {
        let expected = ModelConfig {
            architecture,
            vocabulary: 21,
            hidden: 12,
            intermediate: 10,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            head_dim: 8,
            rms_norm_eps: 1e-5,
            rope_theta: 20000.0,
            rope_scaling: RopeScaling::None,
            max_positions: 64,
            tied_embeddings: false,
            eos: vec![2, 3],
            bos: Some(1),
        };
        assert_eq!(parse(&config(kind)).unwrap(), expected);
    }
}

#[test]
fn what_is_left_out_is_what_transformers_takes() {
    let bare = json!({
        "model_type": "llama", "vocab_size": 21, "hidden_size": 12, "intermediate_size": 10, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 64, "eos_token_id": 2, "bos_token_id": null,
    });
    let found = parse(&bare).unwrap();
    assert_eq!((found.kv_heads, found.head_dim, found.rms_norm_eps, found.rope_theta), (2, 6, 1e-6, 10000.0));
    assert_eq!((found.tied_embeddings, found.eos, found.bos), (false, vec![2], None));
    let qwen3 = with(with(config("qwen3"), "head_dim", Value::Null), "eos_token_id", Value::Null);
    assert_eq!((parse(&qwen3).unwrap().head_dim, parse(&qwen3).unwrap().eos), (128, vec![]));
}

#[test]
fn rotary_parameters_in_both_spellings() {
    let llama3 = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    });
    let expected = RopeScaling::Llama3 {
        factor: 8.0,
        low_frequency_factor: 1.0,
        high_frequency_factor: 4.0,
        original_positions: 32,
    };
    let old = with(config("llama"), "rope_scaling", llama3.clone());
    let found = parse(&old).unwrap();
    assert_eq!((found.rope_theta, found.rope_scaling), (20000.0, expected.clone()));

    let parameters = with(llama3.clone(), "rope_theta", json!(500000.0));
    let new = with(with(config("llama"), "rope_theta", Value::Null), "rope_parameters", parameters.clone());
    let found = parse(&new).unwrap();
    assert_eq!((found.rope_theta, found.rope_scaling), (500000.0, expected));

    // Both, and not the same.
    for (field, value) in [("rope_theta", json!(20000.0)), ("rope_scaling", json!({"type": "linear", "factor": 2.0}))] {
        let both = with(new.clone(), field, value);
        assert!(matches!(parse(&both), Err(FormatError::Field { field: "rope_parameters", .. })), "{field}");
    }
    let both = with(with(new, "rope_theta", json!(500000.0)), "rope_scaling", llama3);
    assert!(parse(&both).is_ok());

    let linear = with(config("qwen2"), "rope_scaling", json!({ "type": "linear", "factor": 2.5 }));
    assert_eq!(parse(&linear).unwrap().rope_scaling, RopeScaling::Linear { factor: 2.5 });
    let default = with(config("qwen2"), "rope_parameters", json!({ "rope_type": "default", "rope_theta": 20000.0 }));
    assert_eq!(parse(&default).unwrap().rope_scaling, RopeScaling::None);

    for other in ["dynamic", "yarn", "longrope"] {
        let other = with(config("llama"), "rope_scaling", json!({ "rope_type": other, "factor": 2.0 }));
        assert!(
            matches!(parse(&other), Err(FormatError::Unsupported { feature, .. }) if feature.contains("rope_type"))
        );
    }
    for (field, value) in [("factor", json!(0.5)), ("high_freq_factor", json!(1.0)), ("low_freq_factor", json!("x"))] {
        let wrong = with(old["rope_scaling"].clone(), field, value);
        let found = parse(&with(config("llama"), "rope_scaling", wrong));
        assert!(matches!(found, Err(FormatError::Field { field: named, .. }) if named == field), "{field}: {found:?}");
    }
    let partial = with(config("llama"), "rope_scaling", json!({ "type": "default", "partial_rotary_factor": 0.5 }));
    assert!(matches!(parse(&partial), Err(FormatError::Unsupported { .. })));
    let nested = with(config("llama"), "rope_parameters", json!({ "full_attention": { "rope_type": "default" } }));
    assert!(matches!(parse(&nested), Err(FormatError::Unsupported { .. })));
}

#[test]
fn what_would_change_results_is_refused_by_name() {
    for (kind, field, value, named) in [
        ("llama", "model_type", json!("mistral"), "model_type mistral"),
        ("llama", "architectures", json!(["LlamaForSequenceClassification"]), "LlamaForSequenceClassification"),
        ("llama", "quantization_config", json!({ "quant_method": "gptq" }), "gptq"),
        ("llama", "auto_map", json!({ "AutoModel": "x.Y" }), "auto_map"),
        ("llama", "attention_bias", json!(true), "attention_bias"),
        ("qwen3", "attention_bias", json!(true), "attention_bias"),
        ("llama", "mlp_bias", json!(true), "mlp_bias"),
        ("llama", "hidden_act", json!("gelu"), "gelu"),
        ("llama", "sliding_window", json!(16), "sliding_window"),
        ("llama", "partial_rotary_factor", json!(0.5), "partial_rotary_factor"),
        ("qwen2", "layer_types", json!(["full_attention", "linear_attention"]), "linear_attention"),
    ] {
        let found = parse(&with(config(kind), field, value));
        let is_named = matches!(&found, Err(FormatError::Unsupported { feature, .. }) if feature.contains(named));
        assert!(is_named, "{field}: {found:?}");
    }
}

#[test]
fn a_sliding_window_must_be_without_effect() {
    let window = |extra: Value| {
        let mut config = with(config("qwen2"), "sliding_window", json!(16));
        config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        parse(&config)
    };
    let full = json!(["full_attention", "full_attention"]);
    let mixed = json!(["full_attention", "sliding_attention"]);
    for harmless in [
        json!({}),
        json!({ "use_sliding_window": false, "max_window_layers": 0 }),
        json!({ "use_sliding_window": true, "max_window_layers": 2 }),
        json!({ "use_sliding_window": true, "max_window_layers": 0, "sliding_window": 64 }),
        json!({ "layer_types": full, "use_sliding_window": true }),
        json!({ "layer_types": mixed, "sliding_window": 64 }),
    ] {
        assert!(window(harmless.clone()).is_ok(), "{harmless}");
    }
    for harmful in [
        json!({ "use_sliding_window": true, "max_window_layers": 1 }),
        json!({ "use_sliding_window": true }),
        json!({ "layer_types": mixed }),
    ] {
        assert!(matches!(window(harmful.clone()), Err(FormatError::Unsupported { .. })), "{harmful}");
    }
    let short = json!({ "layer_types": ["full_attention"] });
    assert!(matches!(window(short), Err(FormatError::Field { field: "layer_types", .. })));
}

#[test]
fn sizes_are_bounded() {
    for (field, value) in [
        ("vocab_size", json!(0)),
        ("vocab_size", json!(1u64 << 40)),
        ("hidden_size", json!(-4)),
        ("hidden_size", json!(12.5)),
        ("intermediate_size", json!(u64::MAX)),
        ("num_hidden_layers", json!(513)),
        ("num_attention_heads", json!("4")),
        ("num_key_value_heads", json!(3)),
        ("head_dim", json!(7)),
        ("head_dim", json!(2048)),
        ("max_position_embeddings", json!(0)),
        ("rms_norm_eps", json!(0.0)),
        ("rope_theta", json!(0.5)),
        ("tie_word_embeddings", json!("yes")),
        ("eos_token_id", json!(21)),
        ("eos_token_id", json!([1, -1])),
        ("eos_token_id", json!(vec![1; 65])),
        ("bos_token_id", json!([1, 2])),
    ] {
        let found = parse(&with(config("llama"), field, value.clone()));
        assert!(
            matches!(&found, Err(FormatError::Field { field: named, .. }) if *named == field),
            "{field}: {found:?}"
        );
    }
    for (kind, field) in [("llama", "vocab_size"), ("llama", "model_type"), ("qwen2", "num_key_value_heads")] {
        let found = parse(&with(config(kind), field, Value::Null));
        assert!(matches!(&found, Err(FormatError::MissingField { field: named, .. }) if *named == field), "{found:?}");
    }
    let long = format!("{}{}", config("llama"), " ".repeat(1 << 20));
    assert!(matches!(parse_config("c", long.as_bytes()), Err(FormatError::TooLarge { .. })));
    for text in ["", "[]", "{\"model_type\": NaN}", &"[".repeat(200)] {
        assert!(matches!(parse_config("c", text.as_bytes()), Err(FormatError::Json { .. })), "{text}");
    }
}

#[test]
fn every_truncation_of_a_config_is_refused() {
    let text = config("llama").to_string();
    for end in 0..text.len() {
        assert!(matches!(parse_config("c", &text.as_bytes()[..end]), Err(FormatError::Json { .. })), "{end}");
    }
}

#[test]
fn generation_defaults() {
    let text = json!({
        "eos_token_id": [4, 5], "do_sample": true, "temperature": 0.6, "top_p": 0.95, "top_k": 20,
        "repetition_penalty": 1.1, "transformers_version": "5",
    });
    let parse = |value: &Value| GenerationConfig::parse("g", value.to_string().as_bytes(), 21);
    let expected = GenerationConfig {
        eos: vec![4, 5],
        sample: Some(true),
        temperature: Some(0.6),
        top_p: Some(0.95),
        top_k: Some(20),
        repetition_penalty: Some(1.1),
    };
    assert_eq!(parse(&text).unwrap(), expected);
    assert_eq!(parse(&json!({})).unwrap(), GenerationConfig::default());
    // As older versions of transformers write it: everything, at the values that do nothing.
    let mut neutral = text.clone();
    for (field, value) in [
        ("bad_words_ids", Value::Null),
        ("begin_suppress_tokens", json!([])),
        ("diversity_penalty", json!(0.0)),
        ("encoder_repetition_penalty", json!(1.0)),
        ("epsilon_cutoff", json!(0.0)),
        ("guidance_scale", json!(1)),
        ("min_length", json!(0)),
        ("min_p", json!(0.0)),
        ("no_repeat_ngram_size", json!(0)),
        ("num_beams", json!(1)),
        ("sequence_bias", json!({})),
        ("stop_strings", json!("")),
        ("typical_p", json!(1.0)),
        ("watermarking_config", json!(false)),
        // What says nothing of which tokens come.
        ("max_new_tokens", json!(2048)),
        ("pad_token_id", json!(7)),
        ("use_cache", json!(true)),
        ("chat_format", json!("chatml")),
        ("length_penalty", json!(2.0)),
    ] {
        neutral[field] = value;
    }
    assert_eq!(parse(&neutral).unwrap(), expected);
    for (field, value) in [
        ("min_p", json!(0.1)),
        ("typical_p", json!(0.9)),
        ("typical_p", json!(0)),
        ("no_repeat_ngram_size", json!(3)),
        ("num_beams", json!(4)),
        ("bad_words_ids", json!([[1, 2]])),
        ("forced_eos_token_id", json!(0)),
        ("suppress_tokens", json!([5])),
        ("stop_strings", json!(["x".repeat(1000)])),
        ("watermarking_config", json!({"bias": 2.0})),
        ("guidance_scale", json!("1")),
        ("top_h", json!(true)),
    ] {
        let found = parse(&with(text.clone(), field, value));
        match &found {
            Err(FormatError::Unsupported { feature, .. }) if feature.starts_with(&format!("{field} ")) => {
                assert!(feature.len() < 120, "{feature}");
            }
            _ => panic!("{field}: {found:?}"),
        }
    }
    for (field, value) in [
        ("temperature", json!(-1)),
        ("top_p", json!(0.0)),
        ("top_p", json!(1.5)),
        ("top_k", json!(-1)),
        ("repetition_penalty", json!(0)),
        ("eos_token_id", json!("x")),
        ("do_sample", json!(1)),
    ] {
        let found = parse(&with(text.clone(), field, value));
        assert!(
            matches!(&found, Err(FormatError::Field { field: named, .. }) if *named == field),
            "{field}: {found:?}"
        );
    }
}

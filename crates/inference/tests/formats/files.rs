//! Writers of small models. They know the formats from their specifications, not from the readers.

use std::{collections::BTreeMap, fs, path::Path};

use fonte_inference::model::{Adapter, ContentHash, LayerWeights, ModelConfig, Weights};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A tensor to write: name, type, shape, bytes.
#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

/// Numbers that depend on the name alone, multiples of 1/64 below 2: exact in every float type that is read.
pub(crate) fn numbers(name: &str, count: usize) -> Vec<f32> {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
    let mut state = name.bytes().fold(14_695_981_039_346_656_037, step) % 2_147_483_647;
    let mut next = || {
        state = (state * 48_271 + 11) % 2_147_483_647;
        (state >> 8) as i64 % 128 - 64
    };
    (0..count).map(|_| next() as f32 / 64.0).collect()
}

pub(crate) fn bytes_of(dtype: &str, values: &[f32]) -> Vec<u8> {
    let half = |value: f32| {
        // Multiples of 1/64 below 2 are normal half-precision numbers, or zero.
        let bits = value.to_bits();
        let sign = (bits >> 16 & 0x8000) as u16;
        if value == 0.0 { sign } else { sign | ((bits >> 13 & 0x3_ffff) as i32 - (112 << 10)) as u16 }
    };
    match dtype {
        "F32" => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        "BF16" => values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect(),
        "F16" => values.iter().flat_map(|&value| half(value).to_le_bytes()).collect(),
        other => panic!("no writer of {other}"),
    }
}

pub(crate) fn tensor(name: &str, dtype: &'static str, shape: &[usize]) -> Tensor {
    let bytes = bytes_of(dtype, &numbers(name, shape.iter().product()));
    Tensor { name: name.into(), dtype, shape: shape.into(), bytes }
}

/// A safetensors file with these tensors, their data in the same order.
pub(crate) fn safetensors(tensors: &[Tensor]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for tensor in tensors {
        let offsets = [data.len(), data.len() + tensor.bytes.len()];
        data.extend(&tensor.bytes);
        header.insert(
            tensor.name.clone(),
            json!({ "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": offsets }),
        );
    }
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    raw_safetensors(&Value::from(header).to_string(), &data)
}

pub(crate) fn raw_safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// Two layers, grouped heads, and every size different from every other.
pub(crate) fn config(kind: &str) -> Value {
    let class = match kind {
        "llama" => "LlamaForCausalLM",
        "qwen2" => "Qwen2ForCausalLM",
        _ => "Qwen3ForCausalLM",
    };
    json!({
        "architectures": [class], "model_type": kind, "vocab_size": 21, "hidden_size": 12, "intermediate_size": 10,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "rms_norm_eps": 1e-5,
        "rope_theta": 20000.0, "max_position_embeddings": 64, "tie_word_embeddings": false, "hidden_act": "silu",
        "bos_token_id": 1, "eos_token_id": [2, 3],
    })
}

/// The tensors of [`config`], in the order in which their names sort.
pub(crate) fn base_tensors(kind: &str, dtype: &'static str, tied: bool) -> Vec<Tensor> {
    let mut shapes = BTreeMap::from([
        ("model.embed_tokens.weight".to_owned(), vec![21, 12]),
        ("model.norm.weight".to_owned(), vec![12]),
    ]);
    if !tied {
        shapes.insert("lm_head.weight".into(), vec![21, 12]);
    }
    for layer in 0..2 {
        let mut add = |name: &str, shape: &[usize]| {
            shapes.insert(format!("model.layers.{layer}.{name}"), shape.to_vec());
        };
        add("input_layernorm.weight", &[12]);
        add("post_attention_layernorm.weight", &[12]);
        add("self_attn.q_proj.weight", &[32, 12]);
        add("self_attn.k_proj.weight", &[16, 12]);
        add("self_attn.v_proj.weight", &[16, 12]);
        add("self_attn.o_proj.weight", &[12, 32]);
        add("mlp.gate_proj.weight", &[10, 12]);
        add("mlp.up_proj.weight", &[10, 12]);
        add("mlp.down_proj.weight", &[12, 10]);
        if kind == "qwen2" {
            add("self_attn.q_proj.bias", &[32]);
            add("self_attn.k_proj.bias", &[16]);
            add("self_attn.v_proj.bias", &[16]);
        }
        if kind == "qwen3" {
            add("self_attn.q_norm.weight", &[8]);
            add("self_attn.k_norm.weight", &[8]);
        }
    }
    shapes.iter().map(|(name, shape)| tensor(name, dtype, shape)).collect()
}

/// What [`base_tensors`] must be read as.
pub(crate) fn base_weights(kind: &str, tied: bool) -> Weights {
    let layer = |layer: usize| {
        let part = |name: &str, count| numbers(&format!("model.layers.{layer}.{name}"), count);
        LayerWeights {
            attention_norm: part("input_layernorm.weight", 12),
            feed_forward_norm: part("post_attention_layernorm.weight", 12),
            linears: [
                part("self_attn.q_proj.weight", 32 * 12),
                part("self_attn.k_proj.weight", 16 * 12),
                part("self_attn.v_proj.weight", 16 * 12),
                part("self_attn.o_proj.weight", 12 * 32),
                part("mlp.gate_proj.weight", 10 * 12),
                part("mlp.up_proj.weight", 10 * 12),
                part("mlp.down_proj.weight", 12 * 10),
            ],
            qkv_bias: (kind == "qwen2").then(|| {
                [
                    part("self_attn.q_proj.bias", 32),
                    part("self_attn.k_proj.bias", 16),
                    part("self_attn.v_proj.bias", 16),
                ]
            }),
            qk_norm: (kind == "qwen3")
                .then(|| [part("self_attn.q_norm.weight", 8), part("self_attn.k_norm.weight", 8)]),
        }
    };
    Weights {
        embedding: numbers("model.embed_tokens.weight", 21 * 12),
        layers: vec![layer(0), layer(1)],
        norm: numbers("model.norm.weight", 12),
        head: (!tied).then(|| numbers("lm_head.weight", 21 * 12)),
    }
}

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// A whole model of one shard.
pub(crate) fn model_folder(config: &Value, tensors: &[Tensor]) -> TempDir {
    folder(&[("config.json", config.to_string().as_bytes()), ("model.safetensors", &safetensors(tensors))])
}

/// The same config with one field replaced, or removed by `null`.
pub(crate) fn with(mut config: Value, field: &str, value: Value) -> Value {
    config.as_object_mut().unwrap().insert(field.into(), value);
    config
}

pub(crate) const BASE: ContentHash = ContentHash([7; 32]);

pub(crate) fn model() -> ModelConfig {
    fonte_inference::formats::parse_config("config.json", config("llama").to_string().as_bytes()).unwrap()
}

pub(crate) fn adapter_config() -> Value {
    json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 3, "lora_alpha": 6, "lora_dropout": 0.1, "bias": "none",
        "target_modules": ["q_proj", "down_proj"], "use_rslora": false, "use_dora": false, "modules_to_save": null,
        "rank_pattern": {}, "alpha_pattern": {}, "layers_to_transform": null, "fan_in_fan_out": false,
        "init_lora_weights": true, "base_model_name_or_path": "somewhere", "peft_version": "0.21.2",
    })
}

/// The tensors of an adapter: layer, linear as in the file, rank, rows, columns.
pub(crate) fn adapter_tensors(dtype: &'static str, modules: &[(usize, &str, usize, usize, usize)]) -> Vec<Tensor> {
    let parts = modules.iter().flat_map(|&(layer, name, rank, rows, columns)| {
        let name = format!("base_model.model.model.layers.{layer}.{name}");
        [
            tensor(&format!("{name}.lora_A.weight"), dtype, &[rank, columns]),
            tensor(&format!("{name}.lora_B.weight"), dtype, &[rows, rank]),
        ]
    });
    parts.collect()
}

/// Values of an adapter's module as bfloat16 bits.
pub(crate) fn bf16(name: &str, count: usize) -> Vec<u16> {
    numbers(name, count).into_iter().map(|value| (value.to_bits() >> 16) as u16).collect()
}

/// Modules of an adapter, for comparing shapes.
pub(crate) fn shapes(adapter: &Adapter) -> Vec<(usize, usize, f32)> {
    adapter.modules.iter().map(|module| (module.layer, module.rank, module.scale)).collect()
}

pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).unwrap();
}

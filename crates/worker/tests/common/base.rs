//! A tiny base model with seeded random weights, written as Hugging Face lays one out, and adapters on it, as PEFT does.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{fs, path::Path};

use fonte_inference::{
    formats::parse_config,
    model::{Linear, ModelConfig},
    synthetic,
};
use serde_json::{Map, Value, json};

/// Bytes are tokens, and one token ends an answer.
const VOCABULARY: usize = 258;
const END: usize = 257;
const HIDDEN: usize = 32;

/// Writes `config.json`, `model.safetensors`, `tokenizer.json` and `tokenizer_config.json` into an existing folder. One that
/// never ends writes until it may not.
pub(crate) fn write_base(folder: &Path, seed: u64, ends: bool) {
    let mut config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": HIDDEN,
        "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 4096, "tie_word_embeddings": true,
        "hidden_act": "silu",
    });
    if ends {
        config["eos_token_id"] = json!(END);
    }
    let template = "{% for m in messages %}<|end|>{{ m.role }}\n{{ m.content }}\n{% endfor %}<|end|>assistant\n";
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer().to_string()).unwrap();
    let text = json!({"chat_template": template, "eos_token": "<|end|>"});
    fs::write(folder.join("tokenizer_config.json"), text.to_string()).unwrap();
    fs::write(folder.join("model.safetensors"), weights(seed)).unwrap();
}

/// Writes a random adapter of one rank on every linear layer of a base that [`write_base`] wrote, into a folder that it makes.
pub(crate) fn write_adapter(folder: &Path, base: &Path, seed: u64, rank: usize) {
    let config: ModelConfig = parse_config("config.json", &fs::read(base.join("config.json")).unwrap()).unwrap();
    fs::create_dir_all(folder).unwrap();
    let settings = json!({
        "peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank,
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    });
    fs::write(folder.join("adapter_config.json"), settings.to_string()).unwrap();
    let (mut header, mut data) = (Map::new(), Vec::new());
    for module in synthetic::adapter(&config, seed, |_, _| rank).modules {
        let name = match module.linear {
            Linear::Query => "self_attn.q_proj",
            Linear::Key => "self_attn.k_proj",
            Linear::Value => "self_attn.v_proj",
            Linear::Output => "self_attn.o_proj",
            Linear::Gate => "mlp.gate_proj",
            Linear::Up => "mlp.up_proj",
            Linear::Down => "mlp.down_proj",
        };
        let (outputs, inputs) = module.linear.shape(&config);
        for (part, shape, values) in [("A", [rank, inputs], module.a), ("B", [outputs, rank], module.b)] {
            let from = data.len();
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            let name = format!("base_model.model.model.layers.{}.{name}.lora_{part}.weight", module.layer);
            header.insert(name, json!({"dtype": "BF16", "shape": shape, "data_offsets": [from, data.len()]}));
        }
    }
    let header = Value::from(header).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
    fs::write(folder.join("adapter_model.safetensors"), bytes).unwrap();
}

fn weights(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let (mut header, mut data) = (Map::new(), Vec::new());
    let mut add = |name: String, shape: &[usize]| {
        let from = data.len();
        let norm = name.ends_with("norm.weight");
        for _ in 0..shape.iter().product() {
            let value = if norm { 1.0 } else { random() / (HIDDEN as f32).sqrt() * 2.0 };
            data.extend(f32::to_le_bytes(value));
        }
        header.insert(name, json!({"dtype": "F32", "shape": shape, "data_offsets": [from, data.len()]}));
    };
    add("model.embed_tokens.weight".into(), &[VOCABULARY, HIDDEN]);
    add("model.norm.weight".into(), &[HIDDEN]);
    for layer in 0..2 {
        let mut part = |name: &str, shape: &[usize]| add(format!("model.layers.{layer}.{name}.weight"), shape);
        part("input_layernorm", &[HIDDEN]);
        part("post_attention_layernorm", &[HIDDEN]);
        part("self_attn.q_proj", &[32, HIDDEN]);
        part("self_attn.k_proj", &[16, HIDDEN]);
        part("self_attn.v_proj", &[16, HIDDEN]);
        part("self_attn.o_proj", &[HIDDEN, 32]);
        part("mlp.gate_proj", &[48, HIDDEN]);
        part("mlp.up_proj", &[48, HIDDEN]);
        part("mlp.down_proj", &[HIDDEN, 48]);
    }
    let header = Value::from(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// GPT-2's letters for bytes, each a token: printable ones stand for themselves, the others follow from 256 on.
fn tokenizer() -> Value {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut other = 255;
    let mut letter = |byte: u8| {
        if printable(byte) {
            return char::from(byte);
        }
        other += 1;
        char::from_u32(other).unwrap()
    };
    let vocabulary: Map<String, Value> = (0..=255).map(|byte| (letter(byte).to_string(), json!(byte))).collect();
    let end = json!({"id": END, "content": "<|end|>", "special": true, "single_word": false, "lstrip": false,
                     "rstrip": false, "normalized": false});
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "added_tokens": [end],
        "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": vocabulary, "merges": []},
    })
}

//! The benchmark's models and adapters as files: a Hugging Face folder, PEFT folders, and GGUF for llama.cpp, so that peers
//! compute with the same numbers.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use fonte_inference::model::{Adapter, Linear, ModelConfig, Weights};
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn Error>>;

/// A tensor to write. Shapes are `[outputs, inputs]`.
struct Tensor {
    name: String,
    shape: Vec<usize>,
    data: Data,
}

enum Data {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
}

impl Data {
    fn bytes(&self) -> usize {
        match self {
            Self::F32(values) => 4 * values.len(),
            Self::Bf16(values) => 2 * values.len(),
        }
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Self::F32(values) => values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes())),
            Self::Bf16(values) => values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes())),
        }
    }
}

/// Names of a linear layer: of its group and itself in Hugging Face's files, of itself in GGUF.
fn names(linear: Linear) -> (&'static str, &'static str, &'static str) {
    match linear {
        Linear::Query => ("self_attn", "q_proj", "attn_q"),
        Linear::Key => ("self_attn", "k_proj", "attn_k"),
        Linear::Value => ("self_attn", "v_proj", "attn_v"),
        Linear::Output => ("self_attn", "o_proj", "attn_output"),
        Linear::Gate => ("mlp", "gate_proj", "ffn_gate"),
        Linear::Up => ("mlp", "up_proj", "ffn_up"),
        Linear::Down => ("mlp", "down_proj", "ffn_down"),
    }
}

/// A Llama as transformers reads it.
pub(crate) fn base(folder: &Path, config: &ModelConfig, weights: &Weights) -> Outcome {
    fs::create_dir_all(folder)?;
    let json = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "torch_dtype": "float32",
        "vocab_size": config.vocabulary, "hidden_size": config.hidden, "intermediate_size": config.intermediate,
        "num_hidden_layers": config.layers, "num_attention_heads": config.heads, "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim, "rms_norm_eps": config.rms_norm_eps, "rope_theta": config.rope_theta,
        "max_position_embeddings": config.max_positions, "tie_word_embeddings": config.tied_embeddings,
        "bos_token_id": null, "eos_token_id": null,
    });
    fs::write(folder.join("config.json"), json.to_string())?;
    let tensor = |name: String, shape: &[usize], values: &[f32]| Tensor {
        name,
        shape: shape.into(),
        data: Data::F32(values.to_vec()),
    };
    let mut tensors = vec![
        tensor("model.embed_tokens.weight".into(), &[config.vocabulary, config.hidden], &weights.embedding),
        tensor("model.norm.weight".into(), &[config.hidden], &weights.norm),
    ];
    for (i, layer) in weights.layers.iter().enumerate() {
        let name = |rest: &str| format!("model.layers.{i}.{rest}.weight");
        tensors.push(tensor(name("input_layernorm"), &[config.hidden], &layer.attention_norm));
        tensors.push(tensor(name("post_attention_layernorm"), &[config.hidden], &layer.feed_forward_norm));
        for (linear, values) in Linear::ALL.into_iter().zip(&layer.linears) {
            let (outputs, inputs) = linear.shape(config);
            let (group, own, _) = names(linear);
            tensors.push(tensor(name(&format!("{group}.{own}")), &[outputs, inputs], values));
        }
    }
    safetensors(&folder.join("model.safetensors"), &tensors)
}

/// An adapter as PEFT saves it, of one rank.
pub(crate) fn adapter(folder: &Path, config: &ModelConfig, adapter: &Adapter) -> Outcome {
    fs::create_dir_all(folder)?;
    let first = adapter.modules.first().ok_or("an adapter of nothing")?;
    let modules: Vec<&str> = Linear::ALL.into_iter().map(|linear| names(linear).1).collect();
    let json = json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": first.rank, "lora_alpha": first.scale * first.rank as f32,
        "target_modules": modules, "bias": "none", "lora_dropout": 0.0,
    });
    fs::write(folder.join("adapter_config.json"), json.to_string())?;
    let mut tensors = Vec::new();
    for module in &adapter.modules {
        let (outputs, inputs) = module.linear.shape(config);
        let (group, own, _) = names(module.linear);
        let name = |side| format!("base_model.model.model.layers.{}.{group}.{own}.lora_{side}.weight", module.layer);
        let (a, b) = (Data::Bf16(module.a.clone()), Data::Bf16(module.b.clone()));
        tensors.push(Tensor { name: name("A"), shape: vec![module.rank, inputs], data: a });
        tensors.push(Tensor { name: name("B"), shape: vec![outputs, module.rank], data: b });
    }
    safetensors(&folder.join("adapter_model.safetensors"), &tensors)
}

fn safetensors(path: &Path, tensors: &[Tensor]) -> Outcome {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for tensor in tensors {
        let begin = end;
        end += tensor.data.bytes();
        let dtype = if matches!(tensor.data, Data::F32(_)) { "F32" } else { "BF16" };
        header
            .insert(tensor.name.clone(), json!({"dtype": dtype, "shape": tensor.shape, "data_offsets": [begin, end]}));
    }
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    let header = Value::from(header).to_string();
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    tensors.iter().try_for_each(|tensor| tensor.data.write(&mut out))?;
    Ok(out.flush()?)
}

/// A value of GGUF's metadata.
enum Meta {
    U32(u32),
    F32(f32),
    Text(String),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
}

/// The same base for llama.cpp, with a vocabulary that says nothing: tokens are asked for by number.
pub(crate) fn gguf_base(path: &Path, config: &ModelConfig, weights: &Weights) -> Outcome {
    let token = |id: usize| match id {
        0 => "<unk>".into(),
        1 => "<s>".into(),
        2 => "</s>".into(),
        3..259 => format!("<0x{:02X}>", id - 3),
        _ => format!("t{id}"),
    };
    let kind = |id: usize| match id {
        0 => 2,
        1 | 2 => 3,
        3..259 => 6,
        _ => 1,
    };
    let count = |value: usize| Meta::U32(value as u32);
    let meta = [
        ("general.architecture", Meta::Text("llama".into())),
        ("llama.block_count", count(config.layers)),
        ("llama.context_length", count(config.max_positions)),
        ("llama.embedding_length", count(config.hidden)),
        ("llama.feed_forward_length", count(config.intermediate)),
        ("llama.attention.head_count", count(config.heads)),
        ("llama.attention.head_count_kv", count(config.kv_heads)),
        ("llama.attention.key_length", count(config.head_dim)),
        ("llama.attention.value_length", count(config.head_dim)),
        ("llama.attention.layer_norm_rms_epsilon", Meta::F32(config.rms_norm_eps)),
        ("llama.rope.dimension_count", count(config.head_dim)),
        ("llama.rope.freq_base", Meta::F32(config.rope_theta as f32)),
        ("llama.vocab_size", count(config.vocabulary)),
        ("general.file_type", Meta::U32(0)),
        ("tokenizer.ggml.model", Meta::Text("llama".into())),
        ("tokenizer.ggml.tokens", Meta::Texts((0..config.vocabulary).map(token).collect())),
        ("tokenizer.ggml.scores", Meta::F32s((0..config.vocabulary).map(|id| -(id as f32)).collect())),
        ("tokenizer.ggml.token_type", Meta::I32s((0..config.vocabulary).map(kind).collect())),
        ("tokenizer.ggml.bos_token_id", Meta::U32(1)),
        ("tokenizer.ggml.eos_token_id", Meta::U32(2)),
    ];
    let tensor =
        |name: String, shape: &[usize], values: Vec<f32>| Tensor { name, shape: shape.into(), data: Data::F32(values) };
    let mut tensors = vec![
        tensor("token_embd.weight".into(), &[config.vocabulary, config.hidden], weights.embedding.clone()),
        tensor("output_norm.weight".into(), &[config.hidden], weights.norm.clone()),
    ];
    for (i, layer) in weights.layers.iter().enumerate() {
        tensors.push(tensor(format!("blk.{i}.attn_norm.weight"), &[config.hidden], layer.attention_norm.clone()));
        tensors.push(tensor(format!("blk.{i}.ffn_norm.weight"), &[config.hidden], layer.feed_forward_norm.clone()));
        for (linear, values) in Linear::ALL.into_iter().zip(&layer.linears) {
            let (outputs, inputs) = linear.shape(config);
            let name = format!("blk.{i}.{}.weight", names(linear).2);
            tensors.push(tensor(name, &[outputs, inputs], permuted(values, linear, inputs, config)));
        }
    }
    gguf(path, &meta, &tensors)
}

/// An adapter for llama.cpp, in f32 as its own converter writes them.
pub(crate) fn gguf_adapter(path: &Path, config: &ModelConfig, adapter: &Adapter) -> Outcome {
    let first = adapter.modules.first().ok_or("an adapter of nothing")?;
    let meta = [
        ("general.architecture", Meta::Text("llama".into())),
        ("general.type", Meta::Text("adapter".into())),
        ("adapter.type", Meta::Text("lora".into())),
        ("adapter.lora.alpha", Meta::F32(first.scale * first.rank as f32)),
    ];
    let wide = |values: &[u16]| values.iter().map(|bits| f32::from_bits(u32::from(*bits) << 16)).collect::<Vec<_>>();
    let mut tensors = Vec::new();
    for module in &adapter.modules {
        let (outputs, inputs) = module.linear.shape(config);
        let name = |side| format!("blk.{}.{}.weight.lora_{side}", module.layer, names(module.linear).2);
        let b = permuted(&wide(&module.b), module.linear, module.rank, config);
        tensors.push(Tensor { name: name("a"), shape: vec![module.rank, inputs], data: Data::F32(wide(&module.a)) });
        tensors.push(Tensor { name: name("b"), shape: vec![outputs, module.rank], data: Data::F32(b) });
    }
    gguf(path, &meta, &tensors)
}

/// Rows of query and key as llama.cpp turns them, components (2j, 2j + 1) together; Hugging Face's are (j, j + half).
fn permuted(values: &[f32], linear: Linear, columns: usize, config: &ModelConfig) -> Vec<f32> {
    if !matches!(linear, Linear::Query | Linear::Key) {
        return values.to_vec();
    }
    let half = config.head_dim / 2;
    let heads = values.chunks_exact(config.head_dim * columns);
    heads
        .flat_map(|head| {
            (0..half).flat_map(move |j| [j, j + half]).flat_map(move |row| &head[row * columns..][..columns])
        })
        .copied()
        .collect()
}

fn gguf(path: &Path, meta: &[(&str, Meta)], tensors: &[Tensor]) -> Outcome {
    const ALIGNMENT: usize = 32;
    let mut head = b"GGUF\x03\0\0\0".to_vec();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    };
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend((meta.len() as u64).to_le_bytes());
    for (key, value) in meta {
        text(&mut head, key);
        let kind = |out: &mut Vec<u8>, kind: u32| out.extend(kind.to_le_bytes());
        let list = |out: &mut Vec<u8>, of: u32, count: usize| {
            kind(out, 9);
            kind(out, of);
            out.extend((count as u64).to_le_bytes());
        };
        match value {
            Meta::U32(value) => {
                kind(&mut head, 4);
                head.extend(value.to_le_bytes());
            }
            Meta::F32(value) => {
                kind(&mut head, 6);
                head.extend(value.to_le_bytes());
            }
            Meta::Text(value) => {
                kind(&mut head, 8);
                text(&mut head, value);
            }
            Meta::Texts(values) => {
                list(&mut head, 8, values.len());
                values.iter().for_each(|value| text(&mut head, value));
            }
            Meta::F32s(values) => {
                list(&mut head, 6, values.len());
                values.iter().for_each(|value| head.extend(value.to_le_bytes()));
            }
            Meta::I32s(values) => {
                list(&mut head, 5, values.len());
                values.iter().for_each(|value| head.extend(value.to_le_bytes()));
            }
        }
    }
    let mut offset = 0;
    for tensor in tensors {
        text(&mut head, &tensor.name);
        head.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().rev().for_each(|size| head.extend((*size as u64).to_le_bytes()));
        head.extend(if matches!(tensor.data, Data::F32(_)) { 0u32 } else { 30 }.to_le_bytes());
        head.extend((offset as u64).to_le_bytes());
        offset += tensor.data.bytes().next_multiple_of(ALIGNMENT);
    }
    head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(&head)?;
    for tensor in tensors {
        tensor.data.write(&mut out)?;
        let padding = tensor.data.bytes().next_multiple_of(ALIGNMENT) - tensor.data.bytes();
        out.write_all(&[0; ALIGNMENT][..padding])?;
    }
    Ok(out.flush()?)
}

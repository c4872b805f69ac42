//! Where each tensor of a base model belongs, what it is called, and which sizes it has.

use std::collections::BTreeMap;

use crate::model::{Architecture, LayerWeights, Linear, ModelConfig, Weights};

/// One tensor of a base model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Embedding,
    Norm,
    Head,
    AttentionNorm(usize),
    FeedForwardNorm(usize),
    Linear(usize, Linear),
    /// Bias of query, key or value: 0, 1, 2.
    Bias(usize, usize),
    /// Norm of each head's query or key: 0, 1.
    HeadNorm(usize, usize),
}

/// What a format calls the tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    HuggingFace,
    Gguf,
}

impl Naming {
    pub(super) fn name(self, slot: Slot) -> String {
        let (layer, hugging_face, gguf) = match slot {
            Slot::Embedding => (None, "model.embed_tokens.weight", "token_embd.weight"),
            Slot::Norm => (None, "model.norm.weight", "output_norm.weight"),
            Slot::Head => (None, HEAD, "output.weight"),
            Slot::AttentionNorm(layer) => (Some(layer), "input_layernorm.weight", "attn_norm.weight"),
            Slot::FeedForwardNorm(layer) => (Some(layer), "post_attention_layernorm.weight", "ffn_norm.weight"),
            Slot::Bias(layer, 0) => (Some(layer), "self_attn.q_proj.bias", "attn_q.bias"),
            Slot::Bias(layer, 1) => (Some(layer), "self_attn.k_proj.bias", "attn_k.bias"),
            Slot::Bias(layer, _) => (Some(layer), "self_attn.v_proj.bias", "attn_v.bias"),
            Slot::HeadNorm(layer, 0) => (Some(layer), "self_attn.q_norm.weight", "attn_q_norm.weight"),
            Slot::HeadNorm(layer, _) => (Some(layer), "self_attn.k_norm.weight", "attn_k_norm.weight"),
            Slot::Linear(layer, linear) => {
                let (hugging_face, gguf) = match linear {
                    Linear::Query => ("self_attn.q_proj.weight", "attn_q.weight"),
                    Linear::Key => ("self_attn.k_proj.weight", "attn_k.weight"),
                    Linear::Value => ("self_attn.v_proj.weight", "attn_v.weight"),
                    Linear::Output => ("self_attn.o_proj.weight", "attn_output.weight"),
                    Linear::Gate => ("mlp.gate_proj.weight", "ffn_gate.weight"),
                    Linear::Up => ("mlp.up_proj.weight", "ffn_up.weight"),
                    Linear::Down => ("mlp.down_proj.weight", "ffn_down.weight"),
                };
                (Some(layer), hugging_face, gguf)
            }
        };
        match (self, layer) {
            (Self::HuggingFace, None) => hugging_face.into(),
            (Self::HuggingFace, Some(layer)) => format!("model.layers.{layer}.{hugging_face}"),
            (Self::Gguf, None) => gguf.into(),
            (Self::Gguf, Some(layer)) => format!("blk.{layer}.{gguf}"),
        }
    }
}

/// Name of the output head in Hugging Face's files.
pub(super) const HEAD: &str = "lm_head.weight";

/// Name of a linear layer as `transformers` calls the module, which is what patterns of adapters match.
pub(super) fn module_name(layer: usize, linear: Linear) -> String {
    let name = Naming::HuggingFace.name(Slot::Linear(layer, linear));
    name.strip_suffix(".weight").expect("a weight").to_owned()
}

/// A tensor that a model of this configuration has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) slot: Slot,
    /// Sizes, outermost first.
    pub(super) shape: Vec<u64>,
}

impl Expected {
    pub(super) fn elements(&self) -> u64 {
        self.shape.iter().product()
    }
}

/// All tensors of a model by their names. Sizes are bounded by those of the configuration, so nothing overflows.
pub(super) fn expected(config: &ModelConfig, naming: Naming) -> BTreeMap<String, Expected> {
    let mut tensors = BTreeMap::new();
    let mut add = |slot, shape: &[usize]| {
        let shape = shape.iter().map(|&size| size as u64).collect();
        tensors.insert(naming.name(slot), Expected { slot, shape });
    };
    add(Slot::Embedding, &[config.vocabulary, config.hidden]);
    add(Slot::Norm, &[config.hidden]);
    if !config.tied_embeddings {
        add(Slot::Head, &[config.vocabulary, config.hidden]);
    }
    for layer in 0..config.layers {
        add(Slot::AttentionNorm(layer), &[config.hidden]);
        add(Slot::FeedForwardNorm(layer), &[config.hidden]);
        for linear in Linear::ALL {
            let (rows, columns) = linear.shape(config);
            add(Slot::Linear(layer, linear), &[rows, columns]);
        }
        match config.architecture {
            Architecture::Llama => {}
            Architecture::Qwen2 => {
                for (index, linear) in [Linear::Query, Linear::Key, Linear::Value].into_iter().enumerate() {
                    add(Slot::Bias(layer, index), &[linear.shape(config).0]);
                }
            }
            Architecture::Qwen3 => (0..2).for_each(|index| add(Slot::HeadNorm(layer, index), &[config.head_dim])),
        }
    }
    tensors
}

/// Bytes of all those tensors as f32.
pub(super) fn weight_bytes(tensors: &BTreeMap<String, Expected>) -> u64 {
    tensors.values().map(|tensor| tensor.elements().saturating_mul(4)).fold(0, u64::saturating_add)
}

/// Weights without a number in them.
pub(super) fn empty_weights(config: &ModelConfig) -> Weights {
    let layer = LayerWeights {
        qkv_bias: (config.architecture == Architecture::Qwen2).then(Default::default),
        qk_norm: (config.architecture == Architecture::Qwen3).then(Default::default),
        ..LayerWeights::default()
    };
    Weights {
        embedding: Vec::new(),
        layers: vec![layer; config.layers],
        norm: Vec::new(),
        head: (!config.tied_embeddings).then(Vec::new),
    }
}

/// Where a tensor of [`expected`] goes in [`empty_weights`] of the same configuration.
pub(super) fn destination(weights: &mut Weights, slot: Slot) -> &mut Vec<f32> {
    const SAME: &str = "slots and weights come from the same configuration";
    match slot {
        Slot::Embedding => &mut weights.embedding,
        Slot::Norm => &mut weights.norm,
        Slot::Head => weights.head.as_mut().expect(SAME),
        Slot::AttentionNorm(layer) => &mut weights.layers[layer].attention_norm,
        Slot::FeedForwardNorm(layer) => &mut weights.layers[layer].feed_forward_norm,
        Slot::Linear(layer, linear) => &mut weights.layers[layer].linears[linear as usize],
        Slot::Bias(layer, index) => &mut weights.layers[layer].qkv_bias.as_mut().expect(SAME)[index],
        Slot::HeadNorm(layer, index) => &mut weights.layers[layer].qk_norm.as_mut().expect(SAME)[index],
    }
}

//! What a model is, once its files were read and checked: shapes, weights, adapters. Formats write it, the engine reads
//! it, and nothing else passes between the two.

/// Family of a decoder-only transformer. All share RMSNorm, rotary positions and a SwiGLU feed-forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Llama 2 and 3.
    Llama,
    /// Qwen2 and 2.5: biases on query, key and value.
    Qwen2,
    /// Qwen3: RMSNorm on each head's query and key.
    Qwen3,
}

/// How rotary frequencies are stretched beyond the trained context.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Positions divided by the factor.
    Linear {
        /// Divisor of positions, at least 1.
        factor: f64,
    },
    /// Llama 3.1: low frequencies divided by `factor`, high ones kept, those between blended.
    Llama3 {
        /// Divisor of low frequencies.
        factor: f64,
        /// Wavelengths above `original / low` are low frequencies.
        low_frequency_factor: f64,
        /// Wavelengths below `original / high` are high frequencies.
        high_frequency_factor: f64,
        /// Context length of the original training, in tokens.
        original_positions: u32,
    },
}

/// Shapes and constants of a model. All were checked: every field is positive and bounded, `heads` is a multiple of
/// `kv_heads`, `head_dim` is even.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Family.
    pub architecture: Architecture,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward.
    pub intermediate: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Added under the root of RMSNorm.
    pub rms_norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Stretching of the rotary frequencies.
    pub rope_scaling: RopeScaling,
    /// Longest context in tokens.
    pub max_positions: usize,
    /// Whether the output head is the embedding matrix.
    pub tied_embeddings: bool,
    /// Tokens that end an answer.
    pub eos: Vec<u32>,
    /// Token that begins a context, if there is one.
    pub bos: Option<u32>,
}

/// A linear layer of a decoder layer, as adapters name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Linear {
    /// `q_proj`: [heads x head_dim, hidden].
    Query,
    /// `k_proj`: [kv_heads x head_dim, hidden].
    Key,
    /// `v_proj`: [kv_heads x head_dim, hidden].
    Value,
    /// `o_proj`: [hidden, heads x head_dim].
    Output,
    /// `gate_proj`: [intermediate, hidden].
    Gate,
    /// `up_proj`: [intermediate, hidden].
    Up,
    /// `down_proj`: [hidden, intermediate].
    Down,
}

impl Linear {
    /// All seven, in the order of a forward pass.
    pub const ALL: [Self; 7] = [Self::Query, Self::Key, Self::Value, Self::Output, Self::Gate, Self::Up, Self::Down];

    /// Rows (outputs) and columns (inputs) in a model of these shapes.
    pub fn shape(self, config: &ModelConfig) -> (usize, usize) {
        let (queries, keys) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        match self {
            Self::Query => (queries, config.hidden),
            Self::Key | Self::Value => (keys, config.hidden),
            Self::Output => (config.hidden, queries),
            Self::Gate | Self::Up => (config.intermediate, config.hidden),
            Self::Down => (config.hidden, config.intermediate),
        }
    }
}

/// The weights of one decoder layer, row-major, `[outputs, inputs]` as in [`Linear::shape`], all finite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerWeights {
    /// RMSNorm before attention, `[hidden]`.
    pub attention_norm: Vec<f32>,
    /// RMSNorm before the feed-forward, `[hidden]`.
    pub feed_forward_norm: Vec<f32>,
    /// The linear layers in the order of [`Linear::ALL`].
    pub linears: [Vec<f32>; 7],
    /// Qwen2: biases of query, key and value.
    pub qkv_bias: Option<[Vec<f32>; 3]>,
    /// Qwen3: RMSNorm of each head's query and key, `[head_dim]` each.
    pub qk_norm: Option<[Vec<f32>; 2]>,
}

/// A whole base model in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// `[vocabulary, hidden]`.
    pub embedding: Vec<f32>,
    /// Layers, first to last.
    pub layers: Vec<LayerWeights>,
    /// RMSNorm before the head, `[hidden]`.
    pub norm: Vec<f32>,
    /// `[vocabulary, hidden]`; `None` where embeddings are tied.
    pub head: Option<Vec<f32>>,
}

/// A 32-byte content hash: BLAKE3 over what `formats` documents for bases and adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// One adapted linear layer: `y += scale * B (A x)`. Values are bfloat16 bits, all finite.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterModule {
    /// Decoder layer, from 0.
    pub layer: usize,
    /// Which linear of it.
    pub linear: Linear,
    /// Rows of `a`, columns of `b`; at least 1.
    pub rank: usize,
    /// `alpha / rank`, or `alpha / sqrt(rank)` with rsLoRA.
    pub scale: f32,
    /// `[rank, inputs]`, row-major.
    pub a: Vec<u16>,
    /// `[outputs, rank]`, row-major.
    pub b: Vec<u16>,
}

/// A low-rank adapter, modules in ascending order of (layer, linear), none twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// Content hash of the files it was read from.
    pub hash: ContentHash,
    /// Adapted layers.
    pub modules: Vec<AdapterModule>,
}

//! Seeded random models and adapters, for benchmarks and tests: the shapes of real ones, and nothing learned.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::model::{
    Adapter, AdapterModule, Architecture, ContentHash, LayerWeights, Linear, ModelConfig, RopeScaling, Weights,
};

/// A Llama of the given width, depth and vocabulary: heads of 64 where that divides the width, else of 48, else of 16, and a
/// feed-forward of 8/3 the width, rounded up to 64.
pub fn config(hidden: usize, layers: usize, vocabulary: usize) -> ModelConfig {
    let head_dim = [64, 48, 16].into_iter().find(|width| hidden.is_multiple_of(*width)).unwrap_or(hidden);
    ModelConfig {
        architecture: Architecture::Llama,
        vocabulary,
        hidden,
        intermediate: (hidden * 8 / 3).next_multiple_of(64),
        layers,
        heads: hidden / head_dim,
        kv_heads: hidden / head_dim,
        head_dim,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        rope_scaling: RopeScaling::None,
        max_positions: 4096,
        tied_embeddings: true,
        eos: vec![],
        bos: None,
    }
}

/// Random weights for a model: normalised so that activations neither vanish nor explode, biases and norms present where
/// the architecture has them.
pub fn weights(config: &ModelConfig, seed: u64) -> Weights {
    let mut random = Random::new(seed, 0);
    let hidden = config.hidden;
    let layer = |random: &mut Random| LayerWeights {
        attention_norm: random.near_one(hidden),
        feed_forward_norm: random.near_one(hidden),
        linears: Linear::ALL.map(|linear| {
            let (outputs, inputs) = linear.shape(config);
            random.numbers(outputs * inputs, 1.7 / (inputs as f32).sqrt())
        }),
        qkv_bias: (config.architecture == Architecture::Qwen2).then(|| {
            [Linear::Query, Linear::Key, Linear::Value].map(|linear| random.numbers(linear.shape(config).0, 0.5))
        }),
        qk_norm: (config.architecture == Architecture::Qwen3)
            .then(|| [(); 2].map(|()| random.near_one(config.head_dim))),
    };
    Weights {
        // Logits then spread by about 2, as those of a trained model do.
        embedding: random.numbers(config.vocabulary * hidden, 3.5 / (hidden as f32).sqrt()),
        layers: (0..config.layers).map(|_| layer(&mut random)).collect(),
        norm: random.near_one(hidden),
        head: (!config.tied_embeddings)
            .then(|| random.numbers(config.vocabulary * hidden, 3.5 / (hidden as f32).sqrt())),
    }
}

/// A random adapter on every linear layer, of the rank that `rank` gives for (layer, linear); 0 leaves it out. Its hash is
/// made of the seed, and is no hash of any file.
pub fn adapter(config: &ModelConfig, seed: u64, rank: impl Fn(usize, Linear) -> usize) -> Adapter {
    let mut random = Random::new(seed, 1);
    let mut modules = Vec::new();
    for layer in 0..config.layers {
        for linear in Linear::ALL {
            let rank = rank(layer, linear);
            if rank == 0 {
                continue;
            }
            let (outputs, inputs) = linear.shape(config);
            modules.push(AdapterModule {
                layer,
                linear,
                rank,
                scale: 2.0,
                a: random.bfloats(rank * inputs, 1.0 / (inputs as f32).sqrt()),
                b: random.bfloats(outputs * rank, 0.5 / rank as f32),
            });
        }
    }
    Adapter { hash: hash(seed), modules }
}

/// The hash that [`adapter`] gives for a seed.
pub fn hash(seed: u64) -> ContentHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    ContentHash(bytes)
}

struct Random(ChaCha8Rng);

impl Random {
    fn new(seed: u64, stream: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Self(random)
    }

    /// Uniform in `-scale..scale`.
    fn numbers(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| (self.0.next_u32() as i32) as f32 / 2_147_483_648.0 * scale).collect()
    }

    fn near_one(&mut self, count: usize) -> Vec<f32> {
        self.numbers(count, 0.2).into_iter().map(|x| 1.0 + x).collect()
    }

    fn bfloats(&mut self, count: usize, scale: f32) -> Vec<u16> {
        self.numbers(count, scale).into_iter().map(|x| (x.to_bits() >> 16) as u16).collect()
    }
}

//! A base model, adapters, keys and values as tensors of a device, and the pass through them.

use candle_core::{D, DType, Device, Result, Tensor};

use super::DeviceConfig;
use crate::model::{Adapter, Linear, ModelConfig, Weights};
use crate::rope::Rope;

/// The tensors of a model, with room for the keys and values of slots and for adapters in numbered places, of which the
/// first stays zero: the adapter of rows that have none.
pub(super) struct Model {
    pub(super) config: ModelConfig,
    device: Device,
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    head: Tensor,
    cosines: Tensor,
    sines: Tensor,
}

struct Layer {
    norms: [Tensor; 2],
    /// `[outputs, inputs]`, in the order of [`Linear::ALL`].
    linears: [Tensor; 7],
    qkv_bias: Option<[Tensor; 3]>,
    qk_norm: Option<[Tensor; 2]>,
    /// `[slots, kv_heads, max_context, head_dim]` each.
    keys: Tensor,
    values: Tensor,
    /// `A` and scaled `B` of each linear: `[places, rank, inputs]` and `[places, outputs, rank]`, zero beyond an adapter's rank.
    adapters: [[Tensor; 2]; 7],
}

/// `A` and `B` of each row (or of the only sequence), of each linear of each layer.
pub(super) type LowRank = Vec<[[Tensor; 2]; 7]>;

impl Model {
    pub(super) fn new(config: ModelConfig, weights: &Weights, device: Device, room: &DeviceConfig) -> Result<Self> {
        let c = &config;
        let matrix =
            |values: &[f32], outputs: usize, inputs: usize| Tensor::from_slice(values, (outputs, inputs), &device);
        let vector = |values: &Vec<f32>| Tensor::from_slice(values, values.len(), &device);
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &device);
        let places = |linear: Linear| -> Result<[Tensor; 2]> {
            let (outputs, inputs) = linear.shape(c);
            Ok([zeros(&[room.adapters + 1, room.rank, inputs])?, zeros(&[room.adapters + 1, outputs, room.rank])?])
        };
        let mut layers = Vec::with_capacity(c.layers);
        for layer in &weights.layers {
            let linear = |linear: Linear| {
                let (outputs, inputs) = linear.shape(c);
                matrix(&layer.linears[linear as usize], outputs, inputs)
            };
            let cache = || zeros(&[room.slots, c.kv_heads, room.max_context, c.head_dim]);
            layers.push(Layer {
                norms: [vector(&layer.attention_norm)?, vector(&layer.feed_forward_norm)?],
                linears: each(Linear::ALL.map(linear))?,
                qkv_bias: layer.qkv_bias.as_ref().map(|biases| each(biases.each_ref().map(vector))).transpose()?,
                qk_norm: layer.qk_norm.as_ref().map(|norms| each(norms.each_ref().map(vector))).transpose()?,
                keys: cache()?,
                values: cache()?,
                adapters: each(Linear::ALL.map(places))?,
            });
        }
        let embedding = matrix(&weights.embedding, c.vocabulary, c.hidden)?;
        let head = match &weights.head {
            Some(head) => matrix(head, c.vocabulary, c.hidden)?,
            // Tied: the same memory.
            None => embedding.clone(),
        };
        // The same tables as our own engine's.
        let rope = Rope::new(c, room.max_context);
        let (cosines, sines): (Vec<_>, Vec<_>) = (0..room.max_context).map(|position| rope.at(position)).unzip();
        let turns = |table: Vec<&[f32]>| matrix(&table.concat(), room.max_context, c.head_dim / 2);
        let (norm, cosines, sines) = (vector(&weights.norm)?, turns(cosines)?, turns(sines)?);
        Ok(Self { device, embedding, layers, norm, head, cosines, sines, config })
    }

    /// Bytes of the weights and tables.
    pub(super) fn bytes(&self) -> usize {
        let layers = self.layers.iter().flat_map(|layer| {
            let biases = layer.qkv_bias.iter().flatten().chain(layer.qk_norm.iter().flatten());
            layer.linears.iter().chain(&layer.norms).chain(biases)
        });
        let untied = (!self.config.tied_embeddings).then_some(&self.head);
        let numbers = layers.chain([&self.embedding, &self.norm, &self.cosines, &self.sines]).chain(untied);
        numbers.map(Tensor::elem_count).sum::<usize>() * size_of::<f32>()
    }

    /// Bytes of the keys and values of a token.
    pub(super) fn token_bytes(&self) -> usize {
        2 * self.config.layers * self.config.kv_heads * self.config.head_dim * size_of::<f32>()
    }

    /// Bytes of a place.
    pub(super) fn place_bytes(&self, rank: usize) -> usize {
        let widths =
            Linear::ALL.iter().map(|linear| linear.shape(&self.config)).map(|(outputs, inputs)| outputs + inputs);
        widths.sum::<usize>() * rank * self.config.layers * size_of::<f32>()
    }

    /// Forgets a slot's keys and values. What lies beyond a sequence is masked, but a number that is none comes through a mask:
    /// infinity less infinity, none times zero.
    pub(super) fn clear(&self, slot: usize) -> Result<()> {
        for cache in self.layers.iter().flat_map(|layer| [&layer.keys, &layer.values]) {
            cache.slice_set(&cache.narrow(0, slot, 1)?.zeros_like()?, 0, slot)?;
        }
        Ok(())
    }

    /// Copies an adapter, whose shapes were checked, into a place.
    pub(super) fn place(&self, adapter: &Adapter, place: usize) -> Result<()> {
        for (index, layer) in self.layers.iter().enumerate() {
            for (linear, [to_a, to_b]) in Linear::ALL.into_iter().zip(&layer.adapters) {
                let (outputs, inputs) = linear.shape(&self.config);
                let rank = to_a.dim(1)?;
                let (mut a, mut b) = (vec![0.0; rank * inputs], vec![0.0; outputs * rank]);
                let mut modules = adapter.modules.iter();
                if let Some(module) = modules.find(|module| (module.layer, module.linear) == (index, linear)) {
                    a.iter_mut().zip(&module.a).for_each(|(to, bits)| *to = wide(*bits));
                    for (to, from) in b.chunks_exact_mut(rank).zip(module.b.chunks_exact(module.rank)) {
                        to.iter_mut().zip(from).for_each(|(to, bits)| *to = module.scale * wide(*bits));
                    }
                }
                to_a.slice_set(&Tensor::from_vec(a, (1, rank, inputs), &self.device)?, 0, place)?;
                to_b.slice_set(&Tensor::from_vec(b, (1, outputs, rank), &self.device)?, 0, place)?;
            }
        }
        Ok(())
    }

    /// The adapter of one place; none of the first.
    pub(super) fn adapter(&self, place: usize) -> Result<Option<LowRank>> {
        (place > 0).then(|| self.each_adapter(|adapters| adapters.narrow(0, place, 1))).transpose()
    }

    /// The adapters of several places side by side, copied, as a batched product takes them.
    pub(super) fn gather(&self, places: &[u32]) -> Result<LowRank> {
        let places = Tensor::from_slice(places, places.len(), &self.device)?;
        self.each_adapter(|adapters| adapters.index_select(&places, 0))
    }

    fn each_adapter(&self, of: impl Fn(&Tensor) -> Result<Tensor>) -> Result<LowRank> {
        let of_layer = |layer: &Layer| each(layer.adapters.each_ref().map(|[a, b]| Ok([of(a)?, of(b)?])));
        self.layers.iter().map(of_layer).collect()
    }

    /// Passes tokens through the model, `(position of the first, tokens)` for each slot from the `first` on, as many of
    /// each; the logits after the last token of each, `[slots, vocabulary]`. Linear layers see all rows at once.
    pub(super) fn forward(&self, first: usize, rows: &[(usize, &[u32])], adapters: Option<&LowRank>) -> Result<Tensor> {
        let c = &self.config;
        let (n, count, group) = (rows.len(), rows[0].1.len(), c.heads / c.kv_heads);
        let longest = rows.iter().map(|(from, _)| from + count).max().unwrap_or(count);
        let positions: Vec<u32> = rows.iter().flat_map(|(from, _)| *from as u32..(from + count) as u32).collect();
        let seen = |position: &u32, key: usize| if key <= *position as usize { 0.0 } else { f32::NEG_INFINITY };
        let mask: Vec<f32> =
            positions.iter().flat_map(|position| (0..longest).map(move |key| seen(position, key))).collect();
        let mask = Tensor::from_vec(mask, (n, 1, count, longest), &self.device)?;
        let tokens: Vec<u32> = rows.iter().flat_map(|(_, tokens)| *tokens).copied().collect();
        let tokens = Tensor::from_vec(tokens, n * count, &self.device)?;
        let positions = Tensor::from_vec(positions, n * count, &self.device)?;
        let turns = |table: &Tensor| table.index_select(&positions, 0)?.reshape((n, 1, count, c.head_dim / 2));
        let turns = [turns(&self.cosines)?, turns(&self.sines)?];
        let places = positions.reshape((n, 1, count, 1))?;
        let places = places.broadcast_as((n, c.kv_heads, count, c.head_dim))?.contiguous()?;

        let mut x = self.embedding.index_select(&tokens, 0)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let linear = |which: Linear, x: &Tensor| -> Result<Tensor> {
                let mut y = x.matmul(&layer.linears[which as usize].t()?)?;
                if let Some(bias) = layer.qkv_bias.as_ref().and_then(|biases| biases.get(which as usize)) {
                    y = y.broadcast_add(bias)?;
                }
                let Some(adapters) = adapters else { return Ok(y) };
                // y + B (A x), each sequence's own, as one batched product: "Gather-BMM" in Chen et al., Punica (2023).
                let [a, b] = &adapters[index][which as usize];
                let low = x.reshape((n, count, ()))?.matmul(&a.t()?)?.matmul(&b.t()?)?;
                y + low.reshape((n * count, ()))?
            };
            let normed = self.norm(&x, &layer.norms[0])?;
            let heads = |which: Linear, heads: usize, norm: Option<&Tensor>| -> Result<Tensor> {
                let mut y = linear(which, &normed)?.reshape((n, count, heads, c.head_dim))?;
                if let Some(norm) = norm {
                    y = self.norm(&y, norm)?;
                }
                y.transpose(1, 2)?.contiguous()
            };
            let norms = layer.qk_norm.as_ref();
            let query = rotate(&heads(Linear::Query, c.heads, norms.map(|norms| &norms[0]))?, &turns)?;
            let key = rotate(&heads(Linear::Key, c.kv_heads, norms.map(|norms| &norms[1]))?, &turns)?;
            let value = heads(Linear::Value, c.kv_heads, None)?;
            let remember = |cache: &Tensor, new: &Tensor| -> Result<Tensor> {
                let cache = cache.narrow(0, first, n)?;
                cache.scatter_set(&places, new, 2)?;
                cache.narrow(2, 0, longest)
            };
            let (keys, values) = (remember(&layer.keys, &key)?, remember(&layer.values, &value)?);

            // The query heads that share a key head are rows of one product.
            let query = query.reshape((n, c.kv_heads, group * count, c.head_dim))?;
            let scores = (query.matmul(&keys.t()?)? * (1.0 / f64::from(c.head_dim as u32).sqrt()))?;
            let scores = scores.reshape((n, c.heads, count, longest))?.broadcast_add(&mask)?;
            let parts = softmax(&scores)?.reshape((n, c.kv_heads, group * count, longest))?;
            let attended = parts.matmul(&values)?.reshape((n, c.heads, count, c.head_dim))?;
            let attended = attended.transpose(1, 2)?.reshape((n * count, c.heads * c.head_dim))?;
            x = (x + linear(Linear::Output, &attended)?)?;

            let normed = self.norm(&x, &layer.norms[1])?;
            let wide = (linear(Linear::Gate, &normed)?.silu()? * linear(Linear::Up, &normed)?)?;
            x = (x + linear(Linear::Down, &wide)?)?;
        }
        let last = x.reshape((n, count, c.hidden))?.narrow(1, count - 1, 1)?.squeeze(1)?.contiguous()?;
        self.norm(&last, &self.norm)?.matmul(&self.head.t()?)
    }

    /// RMSNorm (Zhang and Sennrich, 2019) of the last dimension: `x / sqrt(mean(x^2) + eps) * weight`.
    fn norm(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        x.broadcast_div(&(mean + f64::from(self.config.rms_norm_eps))?.sqrt()?)?.broadcast_mul(weight)
    }
}

/// Rotary positions (Su et al., 2021), the pairs being the two halves of a head, as Llama's and Qwen's weights have them.
fn rotate(x: &Tensor, [cosines, sines]: &[Tensor; 2]) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let left = (a.broadcast_mul(cosines)? - b.broadcast_mul(sines)?)?;
    let right = (b.broadcast_mul(cosines)? + a.broadcast_mul(sines)?)?;
    Tensor::cat(&[left, right], D::Minus1)
}

fn softmax(x: &Tensor) -> Result<Tensor> {
    let powers = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)
}

/// A bfloat16 is the upper half of an f32.
fn wide(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// All of them, or the first error.
fn each<T, const N: usize>(results: [Result<T>; N]) -> Result<[T; N]> {
    let values: Vec<T> = results.into_iter().collect::<Result<_>>()?;
    Ok(values.try_into().unwrap_or_else(|_| unreachable!("as many values as results")))
}

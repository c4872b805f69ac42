//! The benchmark's Llama in candle: prefill and batched decode in f32, timed as Fonte's own bench times them.
//!
//! `candle-peer NAME FOLDER REPEATS` reads what `bench --export FOLDER` wrote. Tokens per second of CPU time, one thread.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use candle_core::{D, DType, Device, Tensor};
use candle_nn::{ops, rotary_emb};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PROMPT: usize = 32;
const STEPS: usize = 24;

struct Layer {
    norms: [Tensor; 2],
    /// Query, key, value, output, gate, up, down.
    linears: [Tensor; 7],
}

struct Model {
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    heads: usize,
    head_dim: usize,
    eps: f32,
    cosines: Tensor,
    sines: Tensor,
}

/// Keys and values of each layer, `[batch, heads, tokens, head_dim]`.
type Cache = Vec<Option<(Tensor, Tensor)>>;

impl Model {
    fn read(folder: &Path) -> Outcome<Self> {
        let config: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("config.json"))?)?;
        let number = |name: &str| config[name].as_f64().ok_or(format!("no {name}"));
        let tensors: HashMap<String, Tensor> =
            candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu)?;
        let get = |name: String| tensors.get(&name).cloned().ok_or(format!("no {name}"));
        let head_dim = number("head_dim")? as usize;
        let layers = (0..number("num_hidden_layers")? as usize)
            .map(|i| {
                let get = |rest: &str| get(format!("model.layers.{i}.{rest}.weight"));
                Ok(Layer {
                    norms: [get("input_layernorm")?, get("post_attention_layernorm")?],
                    linears: [
                        get("self_attn.q_proj")?,
                        get("self_attn.k_proj")?,
                        get("self_attn.v_proj")?,
                        get("self_attn.o_proj")?,
                        get("mlp.gate_proj")?,
                        get("mlp.up_proj")?,
                        get("mlp.down_proj")?,
                    ],
                })
            })
            .collect::<Result<_, String>>()?;
        let theta = number("rope_theta")?;
        let angles: Vec<f32> = (0..512)
            .flat_map(|position| {
                (0..head_dim / 2).map(move |i| (position as f64 * theta.powf(-2.0 * i as f64 / head_dim as f64)) as f32)
            })
            .collect();
        let angles = Tensor::from_vec(angles, (512, head_dim / 2), &Device::Cpu)?;
        Ok(Self {
            embedding: get("model.embed_tokens.weight".into())?,
            norm: get("model.norm.weight".into())?,
            layers,
            heads: number("num_attention_heads")? as usize,
            head_dim,
            eps: number("rms_norm_eps")? as f32,
            cosines: angles.cos()?,
            sines: angles.sin()?,
        })
    }

    /// The logits after each row's last token; `tokens` is `[batch, count]`, all rows at the same position.
    fn forward(&self, tokens: &Tensor, cache: &mut Cache) -> Outcome<Tensor> {
        let (batch, count) = tokens.dims2()?;
        let from = cache[0].as_ref().map_or(Ok(0), |(keys, _)| keys.dim(2))?;
        let (cosines, sines) = (self.cosines.narrow(0, from, count)?, self.sines.narrow(0, from, count)?);
        let mask: Vec<f32> =
            (0..count).flat_map(|i| (0..count).map(move |j| if j > i { f32::NEG_INFINITY } else { 0.0 })).collect();
        let mask = Tensor::from_vec(mask, (count, count), &Device::Cpu)?;
        let linear = |x: &Tensor, w: &Tensor| -> candle_core::Result<Tensor> { x.matmul(&w.t()?) };
        let mut x = self.embedding.index_select(&tokens.flatten_all()?, 0)?;
        for (layer, cache) in self.layers.iter().zip(cache) {
            let [query, key, value, output, gate, up, down] = &layer.linears;
            let normed = ops::rms_norm(&x, &layer.norms[0], self.eps)?;
            let heads = |w: &Tensor| -> candle_core::Result<Tensor> {
                linear(&normed, w)?.reshape((batch, count, self.heads, self.head_dim))?.transpose(1, 2)?.contiguous()
            };
            let q = rotary_emb::rope(&heads(query)?, &cosines, &sines)?;
            let k = rotary_emb::rope(&heads(key)?, &cosines, &sines)?;
            let v = heads(value)?;
            let (k, v) = match cache.take() {
                Some((keys, values)) => (Tensor::cat(&[&keys, &k], 2)?, Tensor::cat(&[&values, &v], 2)?),
                None => (k, v),
            };
            let mut scores = (q.matmul(&k.t()?)? * (1.0 / (self.head_dim as f64).sqrt()))?;
            if count > 1 {
                scores = scores.broadcast_add(&mask)?;
            }
            let attended = ops::softmax_last_dim(&scores)?.matmul(&v)?;
            *cache = Some((k, v));
            let attended = attended.transpose(1, 2)?.reshape((batch * count, self.heads * self.head_dim))?;
            x = (x + linear(&attended, output)?)?;
            let normed = ops::rms_norm(&x, &layer.norms[1], self.eps)?;
            let wide = (ops::silu(&linear(&normed, gate)?)? * linear(&normed, up)?)?;
            x = (x + linear(&wide, down)?)?;
        }
        let last = x.reshape((batch, count, ()))?.narrow(1, count - 1, 1)?.squeeze(1)?.contiguous()?;
        Ok(linear(&ops::rms_norm(&last, &self.norm, self.eps)?, &self.embedding)?)
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder, repeats] = &arguments[..] else { return Err("candle-peer NAME FOLDER REPEATS".into()) };
    let (model, repeats) = (Model::read(&Path::new(folder).join("base"))?, repeats.parse()?);
    let mut number = 1u64;
    let mut prompt = |batch: usize, count: usize| {
        let mut next = || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((number >> 33) % 32_000) as u32
        };
        Tensor::from_vec((0..batch * count).map(|_| next()).collect(), (batch, count), &Device::Cpu)
    };
    let empty = || -> Cache { (0..model.layers.len()).map(|_| None).collect() };
    let mut rates = Vec::new();
    for _ in 0..repeats {
        let tokens = prompt(1, 256)?;
        let before = cpu()?;
        model.forward(&tokens, &mut empty())?;
        rates.push(256.0 / (cpu()? - before));
    }
    report(name, "prefill", rates);
    for batch in [1, 16, 64] {
        let mut rates = Vec::new();
        for _ in 0..repeats {
            let mut cache = empty();
            let mut logits = model.forward(&prompt(batch, PROMPT)?, &mut cache)?;
            let before = cpu()?;
            for _ in 0..STEPS {
                let tokens = logits.argmax(D::Minus1)?.to_dtype(DType::U32)?.reshape((batch, 1))?;
                logits = model.forward(&tokens, &mut cache)?;
            }
            rates.push((batch * STEPS) as f64 / (cpu()? - before));
        }
        report(name, &format!("decode {batch}"), rates);
    }
    Ok(())
}

fn report(name: &str, what: &str, mut rates: Vec<f64>) {
    rates.sort_by(f64::total_cmp);
    let (slowest, fastest, median) = (rates[0], rates[rates.len() - 1], rates[rates.len() / 2]);
    println!("  {what}: {median:.0} tok/s of CPU ({slowest:.0} to {fastest:.0})");
    println!("row candle {name} f32 {what} = {median:.4}");
}

/// Seconds of CPU time of all threads, as Linux tells it.
fn cpu() -> Outcome<f64> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

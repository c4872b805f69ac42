//! The forward pass against one written in f64 with plain loops, and against itself in other company.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{Adapter, Architecture, ContentHash, RopeScaling};
use crate::synthetic;

/// A small model whose widths are multiples of nothing.
fn config(architecture: Architecture) -> ModelConfig {
    ModelConfig {
        architecture,
        vocabulary: 75,
        hidden: 40,
        intermediate: 72,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 20,
        tied_embeddings: architecture != Architecture::Llama,
        rope_scaling: RopeScaling::Linear { factor: 2.0 },
        ..synthetic::config(48, 2, 75)
    }
}

const ALL: [Architecture; 3] = [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3];

/// Adapters of various ranks; the third leaves most layers alone.
fn adapters(config: &ModelConfig) -> Vec<Adapter> {
    vec![
        synthetic::adapter(config, 1, |_, _| 4),
        synthetic::adapter(config, 2, |layer, linear| 1 + (7 * layer + 5 * linear as usize) % 19),
        synthetic::adapter(config, 3, |layer, linear| if layer == 1 && linear == Linear::Value { 9 } else { 0 }),
    ]
}

type Vector = Vec<f64>;

fn matrix(w: &[f32], x: &[f64]) -> Vector {
    w.chunks_exact(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum()).collect()
}

/// The logits after every token, in f64, as the formulas say.
fn reference(config: &ModelConfig, weights: &Weights, adapter: Option<&Adapter>, tokens: &[u32]) -> Vec<Vector> {
    let head = weights.head.as_ref().unwrap_or(&weights.embedding);
    states(config, weights, adapter, tokens).iter().map(|state| matrix(head, state)).collect()
}

/// The last layer's states after the final norm, likewise.
pub(crate) fn states(
    config: &ModelConfig,
    weights: &Weights,
    adapter: Option<&Adapter>,
    tokens: &[u32],
) -> Vec<Vector> {
    let norm = |x: &[f64], weight: &[f32]| -> Vector {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let root = (mean + f64::from(config.rms_norm_eps)).sqrt();
        x.iter().zip(weight).map(|(x, weight)| x / root * f64::from(*weight)).collect()
    };
    let linear = |layer: usize, linear: Linear, x: &[f64]| -> Vector {
        let mut y = matrix(&weights.layers[layer].linears[linear as usize], x);
        if let (Some(biases), true) = (&weights.layers[layer].qkv_bias, (linear as usize) < 3) {
            y.iter_mut().zip(&biases[linear as usize]).for_each(|(y, bias)| *y += f64::from(*bias));
        }
        let modules = adapter.into_iter().flat_map(|adapter| &adapter.modules);
        for module in modules.filter(|module| (module.layer, module.linear) == (layer, linear)) {
            let wide = |x: &[u16]| x.iter().map(|x| f32::from_bits(u32::from(*x) << 16)).collect::<Vec<_>>();
            let delta = matrix(&wide(&module.b), &matrix(&wide(&module.a), x));
            y.iter_mut().zip(delta).for_each(|(y, delta)| *y += f64::from(module.scale) * delta);
        }
        y
    };
    let factor = match config.rope_scaling {
        RopeScaling::None => 1.0,
        RopeScaling::Linear { factor } => factor,
        RopeScaling::Llama3 { .. } => panic!("the reference scales linearly"),
    };
    let d = config.head_dim;
    let rotate = |x: &mut [f64], position: usize| {
        for head in x.chunks_exact_mut(d) {
            for i in 0..d / 2 {
                let angle = position as f64 / factor * config.rope_theta.powf(-2.0 * i as f64 / d as f64);
                let (a, b) = (head[i], head[i + d / 2]);
                head[i] = a * angle.cos() - b * angle.sin();
                head[i + d / 2] = b * angle.cos() + a * angle.sin();
            }
        }
    };
    let head_norm =
        |x: Vector, weight: &[f32]| x.chunks_exact(d).flat_map(|head| norm(head, weight)).collect::<Vector>();
    let row = |w: &[f32], i: u32| -> Vector {
        w[i as usize * config.hidden..][..config.hidden].iter().map(|x| f64::from(*x)).collect()
    };

    let mut hidden: Vec<Vector> = tokens.iter().map(|token| row(&weights.embedding, *token)).collect();
    for (index, layer) in weights.layers.iter().enumerate() {
        let (mut keys, mut values): (Vec<Vector>, Vec<Vector>) = (Vec::new(), Vec::new());
        for (position, h) in hidden.iter_mut().enumerate() {
            let x = norm(h, &layer.attention_norm);
            let [mut q, mut k, v] = [Linear::Query, Linear::Key, Linear::Value].map(|which| linear(index, which, &x));
            if let Some([query_norm, key_norm]) = &layer.qk_norm {
                (q, k) = (head_norm(q, query_norm), head_norm(k, key_norm));
            }
            rotate(&mut q, position);
            rotate(&mut k, position);
            keys.push(k);
            values.push(v);
            let mut attended = Vec::new();
            for (head, q) in q.chunks_exact(d).enumerate() {
                let from = head / (config.heads / config.kv_heads) * d;
                let scores = keys.iter().map(|k| q.iter().zip(&k[from..]).map(|(q, k)| q * k).sum::<f64>());
                let weights: Vector = scores.map(|score| (score / (d as f64).sqrt()).exp()).collect();
                let sum: f64 = weights.iter().sum();
                attended.extend(
                    (0..d).map(|i| {
                        weights.iter().zip(&values).map(|(weight, v)| weight * v[from + i]).sum::<f64>() / sum
                    }),
                );
            }
            let out = linear(index, Linear::Output, &attended);
            h.iter_mut().zip(out).for_each(|(h, out)| *h += out);
            let x = norm(h, &layer.feed_forward_norm);
            let gate = linear(index, Linear::Gate, &x);
            let up = linear(index, Linear::Up, &x);
            let wide: Vector = gate.iter().zip(&up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
            let out = linear(index, Linear::Down, &wide);
            h.iter_mut().zip(out).for_each(|(h, out)| *h += out);
        }
    }
    hidden.iter().map(|h| norm(h, &weights.norm)).collect()
}

/// A sequence: its tokens and which adapter.
type Sequence = (Vec<u32>, Option<usize>);

/// Runs sequences together, each in its own chunks, and gives the logits after every token. A round in which nobody has a token
/// is followed by one in which everybody has.
fn run(
    model: &Model,
    adapters: &[Arc<PackedAdapter>],
    sequences: &[Sequence],
    mut chunk: impl FnMut(usize) -> usize,
) -> Vec<Vec<Vec<u32>>> {
    let mut pages = Pages::new(&model.config);
    // Pages of the sequences interleave, and one belongs to nobody.
    pages.allocate();
    let mut tables: Vec<Vec<PageId>> = vec![Vec::new(); sequences.len()];
    let mut logits: Vec<Vec<Vec<u32>>> = vec![Vec::new(); sequences.len()];
    let mut scratch = Scratch::default();
    let mut stalled = false;
    while (0..sequences.len()).any(|i| logits[i].len() < sequences[i].0.len()) {
        let mut rows = Vec::new();
        for (table, (tokens, adapter)) in sequences.iter().enumerate() {
            let from = logits[table].len();
            let to = (from + chunk(table).max(usize::from(stalled))).min(tokens.len());
            for (position, token) in tokens.iter().enumerate().take(to).skip(from) {
                if position.is_multiple_of(PAGE_TOKENS) {
                    tables[table].push(pages.allocate());
                }
                rows.push(Row { token: *token, position, table, adapter: *adapter, want: Want::Logits });
            }
        }
        rows.sort_by_key(|row| row.adapter);
        stalled = rows.is_empty();
        if stalled {
            continue;
        }
        let tables: Vec<&[PageId]> = tables.iter().map(|table| &table[..]).collect();
        model.forward(&Batch { rows: &rows, tables: &tables, adapters }, &mut pages, &mut scratch);
        for (i, row) in rows.iter().enumerate() {
            logits[row.table].push(scratch.logits(i, model.config.vocabulary).into_iter().map(f32::to_bits).collect());
        }
    }
    logits
}

fn on_threads<T: Send>(threads: usize, act: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(act)
}

fn packed(config: &ModelConfig) -> Vec<Arc<PackedAdapter>> {
    adapters(config).iter().map(|adapter| Arc::new(PackedAdapter::pack(adapter, config).unwrap())).collect()
}

#[test]
fn logits_are_those_of_the_formulas() {
    for architecture in ALL {
        let config = config(architecture);
        let weights = synthetic::weights(&config, 7);
        let model = Model::new(config.clone(), weights.clone(), Profile::F32Exact, Isa::best(), 64);
        let tokens: Vec<u32> = (0..40).map(|i| (i * i * 31 + 5) % 75).collect();
        for adapter in [None, Some(0), Some(1), Some(2)] {
            let got = &run(&model, &packed(&config), &[(tokens.clone(), adapter)], |_| 9)[0];
            let adapters = adapters(&config);
            let expected = reference(&config, &weights, adapter.map(|i| &adapters[i]), &tokens);
            for (got, expected) in got.iter().zip(&expected) {
                let size = expected.iter().map(|x| x * x).sum::<f64>().sqrt();
                let error = got.iter().zip(expected).map(|(g, e)| (f64::from(f32::from_bits(*g)) - e).powi(2));
                let error = error.sum::<f64>().sqrt() / size;
                assert!(error < 1e-5, "{architecture:?} {adapter:?}: {error}");
            }
        }
    }
}

/// The logits of every architecture, profile and adapter, as one number.
fn fingerprint(isa: Isa) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for architecture in ALL {
        for profile in [Profile::F32Exact, Profile::Int8Exact] {
            let config = config(architecture);
            let model = Model::new(config.clone(), synthetic::weights(&config, 7), profile, isa, 64);
            let tokens: Vec<u32> = (0..20).map(|i| (i * i * 31 + 5) % 75).collect();
            let sequences = [None, Some(0), Some(1)].map(|adapter| (tokens.clone(), adapter));
            for bits in run(&model, &packed(&config), &sequences, |_| 5).into_iter().flatten().flatten() {
                // FNV-1a, by words.
                hash = (hash ^ u64::from(bits)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
    hash
}

/// What every machine must compute, whatever its instruction set. If a change moves this number, receipts signed before it
/// no longer replay: it is a new profile, not a new build.
#[test]
fn every_instruction_set_computes_the_pinned_bits() {
    for isa in Isa::available() {
        println!("{}", isa.name());
        assert_eq!(format!("{:016x}", fingerprint(isa)), "37cf0a5080224e66", "{}", isa.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn company_chunks_and_threads_change_no_bit(
        architecture in prop::sample::select(&ALL[..]),
        int8: bool,
        sequences in prop::collection::vec((prop::collection::vec(0u32..75, 1..50), prop::option::of(0usize..3)), 1..12),
        chunks in prop::collection::vec(0usize..30, 1..9),
        threads in 1usize..4,
        which: prop::sample::Index,
    ) {
        let config = config(architecture);
        let profile = if int8 { Profile::Int8Exact } else { Profile::F32Exact };
        let isa = *which.get(&Isa::available());
        let model = Model::new(config.clone(), synthetic::weights(&config, 7), profile, isa, 64);
        let adapters = packed(&config);
        let mut turn = 0;
        let mut chunk = |_| {
            turn += 1;
            // Some rounds give a sequence nothing.
            chunks[turn % chunks.len()]
        };
        let together = on_threads(threads, || run(&model, &adapters, &sequences, &mut chunk));
        let reference = Model::new(config.clone(), synthetic::weights(&config, 7), profile, Isa::best(), 64);
        for (sequence, together) in sequences.iter().zip(together) {
            let alone = on_threads(1, || run(&reference, &adapters, std::slice::from_ref(sequence), |_| 1));
            prop_assert!(alone[0] == together, "{} on {threads} threads", isa.name());
        }
    }
}

#[test]
fn an_adapter_of_another_shape_is_refused() {
    let config = config(Architecture::Llama);
    let mut adapter = adapters(&config).remove(0);
    adapter.hash = ContentHash([1; 32]);
    let refused = |adapter: &Adapter| PackedAdapter::pack(adapter, &config).err().expect("refused");
    let mut wrong = adapter.clone();
    wrong.modules[3].a.pop();
    assert!(refused(&wrong).contains("shapes"));
    let mut wrong = adapter.clone();
    wrong.modules[0].layer = 2;
    assert!(refused(&wrong).contains("layer 2"));
    let mut wrong = adapter.clone();
    wrong.modules[1] = wrong.modules[0].clone();
    assert!(refused(&wrong).contains("twice"));
    let mut wrong = adapter;
    wrong.modules[0].rank = 0;
    assert!(refused(&wrong).contains("rank 0"));
}

//! Every kernel, on every instruction set of this machine, against loops that say what it computes: bit for bit.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

#[path = "../../../../xtask/src/skips.rs"]
mod skips;

use super::soon::Soon;
use super::{Isa, LANE, Lane, attention, elementwise, lora, math};
use crate::arena::PackedAdapter;
use crate::model::{Adapter, AdapterModule, ContentHash, Linear, ModelConfig};
use crate::pack::{Activations, PackedLinear, Profile, lanes, panels};

struct Random(ChaCha8Rng);

impl Random {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn vector(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (self.0.next_u32() as i32) as f32 / 1e9).collect()
    }

    fn bfloats(&mut self, count: usize) -> Vec<u16> {
        self.vector(count).into_iter().map(|x| (x.to_bits() >> 16) as u16).collect()
    }
}

/// Rows as panels.
fn to_panels(x: &[f32], rows: usize) -> Vec<Lane> {
    let columns = x.len() / rows;
    let mut out = vec![Lane::ZERO; rows * panels(columns)];
    for (row, values) in x.chunks_exact(columns).enumerate() {
        for (column, value) in values.iter().enumerate() {
            out[column / LANE * rows + row].0[column % LANE] = *value;
        }
    }
    out
}

/// Panels as rows.
fn to_rows(x: &[Lane], rows: usize, columns: usize) -> Vec<f32> {
    let at = |row: usize, column: usize| x[column / LANE * rows + row].0[column % LANE];
    (0..rows).flat_map(|row| (0..columns).map(move |column| at(row, column))).collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Sixteen chains, then the tree: the reduction of the module's documentation.
fn reduce(terms: impl Iterator<Item = (f32, f32)>) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (i, (a, b)) in terms.enumerate() {
        lanes[i % 16] = a.mul_add(b, lanes[i % 16]);
    }
    for step in [8, 4, 2, 1] {
        for i in 0..step {
            lanes[i] += lanes[i + step];
        }
    }
    lanes[0]
}

fn chain(terms: impl Iterator<Item = (f32, f32)>) -> f32 {
    terms.fold(0.0, |sum, (a, b)| a.mul_add(b, sum))
}

/// Where an instruction set is missing, every test that compares all of them passes without having seen it.
#[test]
fn what_is_not_compared_here_is_told() {
    let absent: Vec<&str> = [("avx2", Isa::avx2()), ("avx512", Isa::avx512())]
        .iter()
        .filter(|(_, isa)| isa.is_none())
        .map(|(n, _)| *n)
        .collect();
    if !absent.is_empty() {
        let compared: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
        skips::noticed(&format!(
            "kernels were compared on {} alone: this machine has no {}",
            compared.join(" and "),
            absent.join(" and no ")
        ));
    }
    assert_eq!(absent.len() + Isa::available().len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_product_is_one_chain_per_output(rows in 1usize..40, inputs in 1usize..90, outputs in 1usize..80, seed: u64) {
        let mut random = Random::new(seed);
        let (x, w) = (random.vector(rows * inputs), random.vector(outputs * inputs));
        let mut expected = Vec::new();
        for x in x.chunks_exact(inputs) {
            for w in w.chunks_exact(inputs) {
                expected.push(chain(x.iter().copied().zip(w.iter().copied())));
            }
        }
        let packed = PackedLinear::pack(&w, outputs, inputs, Profile::F32Exact);
        let row = packed.row(outputs - 1).unwrap().collect::<Vec<_>>();
        prop_assert_eq!(&row, &w[(outputs - 1) * inputs..]);
        for isa in Isa::available() {
            let mut activations = Activations::default();
            activations.resize(rows, inputs);
            activations.lanes.copy_from_slice(&to_panels(&x, rows));
            let mut y = vec![Lane([f32::NAN; 16]); rows * 2 * packed.panels()];
            packed.product(isa, &activations, 0, &mut y, Soon::default());
            prop_assert_eq!(bits(&to_rows(&y, rows, outputs)), bits(&expected), "{}", isa.name());
        }
    }

    #[test]
    fn an_int8_product_is_the_integer_sum_times_both_scales(
        rows in 1usize..30, inputs in 1usize..200, outputs in 1usize..80, seed: u64,
    ) {
        let mut random = Random::new(seed);
        let (mut x, w) = (random.vector(rows * inputs), random.vector(outputs * inputs));
        x[..inputs].fill(0.0);
        let quantise = |row: &[f32]| {
            let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
            let bytes = row.iter().map(|x| (x * inverse).round_ties_even() as i32).collect::<Vec<_>>();
            (bytes, most / 127.0)
        };
        let mut expected = Vec::new();
        for x in x.chunks_exact(inputs).map(quantise) {
            for w in w.chunks_exact(inputs).map(quantise) {
                let sum: i32 = x.0.iter().zip(&w.0).rev().map(|(x, w)| x * w).sum();
                expected.push(sum as f32 * (x.1 * w.1));
            }
        }
        let packed = PackedLinear::pack(&w, outputs, inputs, Profile::Int8Exact);
        for isa in Isa::available() {
            let mut activations = Activations::default();
            activations.resize(rows, inputs);
            activations.lanes.copy_from_slice(&to_panels(&x, rows));
            activations.quantise(isa);
            let mut y = vec![Lane([f32::NAN; 16]); rows * 2 * packed.panels()];
            packed.product(isa, &activations, 0, &mut y, Soon::default());
            prop_assert_eq!(bits(&to_rows(&y, rows, outputs)), bits(&expected), "{}", isa.name());
        }
    }

    #[test]
    fn an_adapter_adds_b_a_x(
        rank in 1usize..40, count in 1usize..3, spare in 0usize..3, heads in 1usize..9, seed: u64,
    ) {
        let config = ModelConfig { heads, kv_heads: heads, ..crate::synthetic::config(96, 1, 32) };
        let (outputs, inputs) = Linear::Query.shape(&config);
        let mut random = Random::new(seed);
        let (a, b) = (random.bfloats(rank * inputs), random.bfloats(outputs * rank));
        let module = AdapterModule { layer: 0, linear: Linear::Query, rank, scale: 0.3, a, b };
        let adapter = Adapter { hash: ContentHash([0; 32]), modules: vec![module.clone()] };
        let packed = PackedAdapter::pack(&adapter, &config).unwrap();

        let rows = count + spare;
        let (x, y) = (random.vector(rows * inputs), random.vector(rows * outputs));
        let wide = |bits: &u16| f32::from_bits(u32::from(*bits) << 16);
        let mut expected = y.clone();
        for row in spare..rows {
            let x = &x[row * inputs..][..inputs];
            let z = module.a.chunks_exact(inputs).map(|a| 0.3 * reduce(a.iter().map(wide).zip(x.iter().copied())));
            let z = z.collect::<Vec<_>>();
            for (y, b) in expected[row * outputs..][..outputs].iter_mut().zip(module.b.chunks_exact(rank)) {
                *y = b.iter().map(wide).zip(&z).fold(*y, |sum, (b, z)| b.mul_add(*z, sum));
            }
        }
        let view = packed.module(0, Linear::Query, &config).unwrap();
        for isa in Isa::available() {
            let stride = rank.next_multiple_of(2) + 3;
            let mut z = vec![f32::NAN; count * stride];
            let next = &view.a[..view.a.len() / 2];
            lora::shrink(
                isa, &to_panels(&x, rows), rows, spare, count, view.a, rank, view.scale, &mut z, stride, next,
            );
            let mut out = to_panels(&y, rows);
            // In two calls, as two threads would.
            let (left, right) = out.split_at_mut((4 * rows).min(panels(outputs) * rows));
            let lines = left.len() / rows * rank.div_ceil(2);
            lora::expand(isa, &z, stride, count, &view.b[..lines], rank, left, rows, spare, &[]);
            lora::expand(isa, &z, stride, count, &view.b[lines..], rank, right, rows, spare, view.b);
            prop_assert_eq!(bits(&to_rows(&out, rows, outputs)), bits(&expected), "{}", isa.name());
        }
    }

    #[test]
    fn attention_is_softmax_over_the_tokens_so_far(head_dim in 1usize..70, tokens in 1usize..150, seed: u64) {
        let mut random = Random::new(seed);
        let query = random.vector(head_dim);
        let count = tokens.div_ceil(16);
        let (keys, values) = (random.vector(count * 16 * head_dim), random.vector(count * 16 * head_dim));
        let key = |t: usize| &keys[t * head_dim..][..head_dim];
        let scale = 1.0 / (head_dim as f32).sqrt();

        let scores: Vec<f32> = (0..tokens)
            .map(|t| chain(query.iter().copied().zip(key(t).iter().copied())) * scale)
            .collect();
        let most = scores.iter().copied().fold(f32::MIN, f32::max);
        let weights: Vec<f32> = scores.iter().map(|score| math::exp(score - most)).collect();
        let inverse = 1.0 / reduce(weights.iter().map(|weight| (*weight, 1.0)));
        let expected: Vec<f32> = (0..head_dim)
            .map(|d| chain((0..tokens).map(|t| (weights[t], values[t * head_dim + d]))) * inverse)
            .collect();

        let lanes = attention::page_lanes(head_dim);
        let mut pages = vec![vec![Lane([f32::MAX; 16]); lanes]; count];
        // Tokens beyond the query's are there too: they must not count.
        for t in 0..count * 16 {
            attention::write_page(&mut pages[t / 16], t % 16, key(t), &values[t * head_dim..][..head_dim]);
        }
        let pages: Vec<&[Lane]> = pages.iter().map(|page| &page[..]).collect();
        for isa in Isa::available() {
            let mut out = vec![Lane::ZERO; head_dim.div_ceil(LANE)];
            attention::attention(isa, &query, &pages, tokens, scale, &mut Vec::new(), &mut out, &pages[1..]);
            let out: Vec<f32> = out.iter().flat_map(|lane| lane.0).take(head_dim).collect();
            prop_assert_eq!(bits(&out), bits(&expected), "{}", isa.name());
        }
    }

    #[test]
    fn elementwise_kernels_are_their_formulas(rows in 1usize..6, columns in 1usize..70, seed: u64) {
        let mut random = Random::new(seed);
        let (x, y, weight) = (random.vector(rows * columns), random.vector(rows * columns), random.vector(columns));
        let norm = |x: &[f32]| {
            let scale = 1.0 / (reduce(x.iter().map(|x| (*x, *x))) / columns as f32 + 1e-5).sqrt();
            x.iter().zip(&weight).map(|(x, weight)| x * scale * weight).collect::<Vec<_>>()
        };
        let normed: Vec<f32> = x.chunks_exact(columns).flat_map(norm).collect();
        let gated: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x / (1.0 + math::exp(-x)) * y).collect();
        let (cosine, sine) = (random.vector(columns), random.vector(columns));
        let pair = random.vector(2 * columns);
        let turned: Vec<f32> = (0..2 * columns)
            .map(|i| match i.checked_sub(columns) {
                None => pair[i] * cosine[i] - pair[i + columns] * sine[i],
                Some(j) => pair[i] * cosine[j] + pair[j] * sine[j],
            })
            .collect();
        for isa in Isa::available() {
            let mut out = vec![Lane([f32::NAN; 16]); rows * panels(columns)];
            elementwise::rms_norm(isa, &to_panels(&x, rows), rows, columns, &lanes(&weight), 1e-5, &mut out);
            prop_assert_eq!(bits(&to_rows(&out, rows, columns)), bits(&normed), "{}", isa.name());
            prop_assert!(out.iter().flat_map(|lane| lane.0).all(|x| !x.is_nan()), "padding is zero");

            let mut vector = x[..columns].to_vec();
            elementwise::rms_norm_vector(isa, &mut vector, &weight, 1e-5);
            prop_assert_eq!(bits(&vector), bits(&normed[..columns]), "{}", isa.name());

            let mut out = to_panels(&x, rows);
            elementwise::swiglu(isa, &mut out, &to_panels(&y, rows));
            prop_assert_eq!(bits(&to_rows(&out, rows, columns)), bits(&gated), "{}", isa.name());

            let mut vector = pair.clone();
            elementwise::rotate(isa, &mut vector, &cosine, &sine);
            prop_assert_eq!(bits(&vector), bits(&turned), "{}", isa.name());
        }
    }
}

/// Distance in units in the last place of the f32 nearest to `exact`.
fn ulps(x: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    let unit = f64::from(f32::from_bits(nearest.abs().to_bits() + 1) - nearest.abs());
    (f64::from(x) - exact).abs() / unit
}

#[test]
fn exp_and_silu_keep_their_bounds() {
    let (mut exp, mut silu) = (0.0f64, 0.0f64);
    // Every 401st f32 of either sign up to 87.
    for bits in (0..87.0f32.to_bits()).step_by(401) {
        for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
            exp = exp.max(ulps(math::exp(x), f64::from(x).exp()));
            if x.abs() > 1e-30 {
                silu = silu.max(ulps(math::silu(x), f64::from(x) / (1.0 + (-f64::from(x)).exp())));
            }
        }
    }
    println!("exp {exp:.3} ulp, silu {silu:.3} ulp");
    assert!(exp <= 2.0 && silu <= 4.0, "exp {exp}, silu {silu}");
    assert_eq!(math::exp(0.0), 1.0);
    assert!(math::exp(f32::NEG_INFINITY) > 0.0 && math::exp(f32::INFINITY).is_finite());
    assert!(math::exp(f32::NAN) > 0.0);
}

#[test]
fn table_functions_keep_their_bounds() {
    let mut worst = [0.0f64; 3];
    for i in 0..400_000u32 {
        let x = f64::from(i) * 0.737;
        let (sine, cosine) = math::sin_cos(x);
        worst[0] = worst[0].max((sine - x.sin()).abs()).max((cosine - x.cos()).abs());
        let x = f64::from(i) / 1000.0 - 200.0;
        worst[1] = worst[1].max((math::exp64(x) / x.exp() - 1.0).abs());
        let x = f64::from(i + 1) * 1.37e-3;
        worst[2] = worst[2].max((math::ln(x) - x.ln()).abs());
    }
    println!("{worst:?}");
    assert!(worst.iter().all(|error| *error <= 2e-15), "{worst:?}");
}

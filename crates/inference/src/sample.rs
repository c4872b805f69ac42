//! From logits to a token, in integers: the same everywhere, and nothing but the request decides it.
//!
//! Logits are rounded to multiples of 2^-16 (ties to even) and stay integers from there. Penalties are applied; the
//! difference to the largest is divided by the temperature (rounded down); a weight of 32 fractional bits is looked up for
//! it; top-k and top-p keep the likeliest (of equals the lowest ids); a 64-bit number of ChaCha20, keyed by the seed, with
//! the token's index as stream, is scaled to the sum of the kept weights; and the kept tokens are walked in ascending order
//! of their ids until their weights pass it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::kernels::{Isa, elementwise, math};
use crate::request::{Logprobs, Sampling, SubmitError};

/// Units of a quantised logit in one.
const ONE: i64 = 65_536;

/// How often tokens occurred, for penalties.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// In the answer.
    answer: HashMap<u32, u32>,
    /// In prompt or answer; only where repetition is penalised.
    seen: Option<std::collections::HashSet<u32>>,
}

impl History {
    pub(crate) fn new(sampling: &Sampling, prompt: &[u32]) -> Self {
        let seen = (sampling.repetition_milli != 1000).then(|| prompt.iter().copied().collect());
        Self { answer: HashMap::new(), seen }
    }

    pub(crate) fn push(&mut self, token: u32) {
        *self.answer.entry(token).or_default() += 1;
        if let Some(seen) = &mut self.seen {
            seen.insert(token);
        }
    }
}

/// Refuses settings that are out of range.
pub(crate) fn check(sampling: &Sampling) -> Result<(), SubmitError> {
    let within = |name, value: i64, from: i64, to: i64, range| {
        if (from..=to).contains(&value) { Ok(()) } else { Err(SubmitError::Sampling { name, value, range }) }
    };
    let Sampling { temperature_milli, top_k: _, top_p_milli, presence_milli, frequency_milli, repetition_milli } =
        *sampling;
    within("temperature_milli", temperature_milli.into(), 0, 100_000, "0 to 100000")?;
    within("top_p_milli", top_p_milli.into(), 1, 1000, "1 to 1000")?;
    within("presence_milli", presence_milli.into(), -100_000, 100_000, "-100000 to 100000")?;
    within("frequency_milli", frequency_milli.into(), -100_000, 100_000, "-100000 to 100000")?;
    within("repetition_milli", repetition_milli.into(), 1, 100_000, "1 to 100000")
}

/// The token at `index` of an answer, from logits in multiples of 2^-16.
pub(crate) fn sample(
    isa: Isa,
    scores: &[i32],
    history: &History,
    sampling: &Sampling,
    seed: [u8; 32],
    index: u64,
) -> u32 {
    if *sampling == Sampling::GREEDY {
        return elementwise::likeliest(isa, scores);
    }
    let mut scores: Vec<i64> = scores.iter().map(|score| i64::from(*score)).collect();
    penalise(&mut scores, history, sampling);
    let most = scores.iter().copied().max().unwrap_or(0);
    if sampling.temperature_milli == 0 {
        return scores.iter().position(|score| *score == most).unwrap_or(0) as u32;
    }
    let temperature = i64::from(sampling.temperature_milli);
    let weigh = |score: i64| weight(((most - score) * 1000 / temperature) as u64);
    let mut kept: Vec<(i64, u32)> = scores.into_iter().zip(0..).filter(|(score, _)| weigh(*score) > 0).collect();
    let order = |(score, id): &(i64, u32)| (Reverse(*score), *id);
    let mut cut = false;
    let k = sampling.top_k as usize;
    if k > 0 && k < kept.len() {
        kept.select_nth_unstable_by_key(k - 1, order);
        kept.truncate(k);
        cut = true;
    }
    if sampling.top_p_milli < 1000 {
        let total: u64 = kept.iter().map(|(score, _)| weigh(*score)).sum();
        let wanted = (u128::from(total) * u128::from(sampling.top_p_milli)).div_ceil(1000) as u64;
        nucleus(&mut kept, wanted, order, weigh);
        cut = true;
    }
    if cut {
        kept.sort_unstable_by_key(|(_, id)| *id);
    }
    let total: u64 = kept.iter().map(|(score, _)| weigh(*score)).sum();
    let mut random = ChaCha20Rng::from_seed(seed);
    random.set_stream(index);
    let mut left = ((u128::from(random.next_u64()) * u128::from(total)) >> 64) as u64;
    for (score, id) in kept {
        let weight = weigh(score);
        if left < weight {
            return id;
        }
        left -= weight;
    }
    unreachable!("a number below the sum of the weights falls on one of them")
}

/// Keeps the shortest beginning, in order, whose weights reach `wanted`. Sorts only as many as that may take.
fn nucleus<K: Ord>(
    kept: &mut Vec<(i64, u32)>,
    wanted: u64,
    order: impl Fn(&(i64, u32)) -> K + Copy,
    weigh: impl Fn(i64) -> u64,
) {
    let mut size = 64;
    loop {
        if size < kept.len() {
            kept.select_nth_unstable_by_key(size - 1, order);
        } else {
            size = kept.len();
        }
        if kept[..size].iter().map(|(score, _)| weigh(*score)).sum::<u64>() >= wanted {
            break;
        }
        size *= 4;
    }
    kept.truncate(size);
    kept.sort_unstable_by_key(order);
    let mut sum = 0;
    let enough = kept.iter().position(|(score, _)| {
        sum += weigh(*score);
        sum >= wanted
    });
    kept.truncate(enough.map_or(kept.len(), |last| last + 1));
}

fn penalise(scores: &mut [i64], history: &History, sampling: &Sampling) {
    let repetition = i64::from(sampling.repetition_milli);
    for id in history.seen.iter().flatten() {
        if let Some(score) = scores.get_mut(*id as usize) {
            *score = if *score > 0 { *score * 1000 / repetition } else { *score * repetition / 1000 };
        }
    }
    let (presence, frequency) = (i64::from(sampling.presence_milli), i64::from(sampling.frequency_milli));
    if (presence, frequency) == (0, 0) {
        return;
    }
    for (id, count) in &history.answer {
        if let Some(score) = scores.get_mut(*id as usize) {
            *score -= (presence + frequency * i64::from(*count)) * ONE / 1000;
        }
    }
}

/// e^(-x / 65536) with 32 fractional bits, from two tables of 2^-f for the upper and lower byte of the fraction.
fn weight(x: u64) -> u64 {
    static TABLES: LazyLock<[[u64; 256]; 2]> = LazyLock::new(|| {
        [256.0, 65_536.0].map(|steps: f64| {
            let power = |i: usize| math::exp64(-std::f64::consts::LN_2 * i as f64 / steps);
            std::array::from_fn(|i| (power(i) * 4_294_967_296.0).round_ties_even() as u64)
        })
    });
    // x times log2 e, which is 6,196,328,019 / 2^32. Beyond 33 powers of two nothing is left.
    let x = x.min(33 << 16);
    let exponent = (x * 6_196_328_019) >> 32;
    let (whole, upper, lower) = (exponent >> 16, (exponent >> 8) & 255, exponent & 255);
    let product = u128::from(TABLES[0][upper as usize]) * u128::from(TABLES[1][lower as usize]);
    ((product >> 32) as u64) >> whole
}

/// Log-probabilities of a token and of the likeliest ones, from logits in multiples of 2^-16: the logit's distance to the
/// largest, less the logarithm of the sum of all weights, rounded to the nearest millionth (ties up).
pub(crate) fn logprobs(scores: &[i32], token: u32, top: usize) -> Logprobs {
    let most = i64::from(scores.iter().copied().max().unwrap_or(0));
    let sum = scores.iter().map(|score| weight((most - i64::from(*score)) as u64)).sum();
    let at = |id: u32| {
        let units = ((i128::from(scores[id as usize]) - i128::from(most)) << 16) - i128::from(ln(sum));
        ((units * 1_000_000 + (1 << 31)) >> 32).clamp(-1_000_000_000, 0) as i32
    };
    let mut ids: Vec<u32> = (0..scores.len() as u32).collect();
    let order = |id: &u32| (Reverse(scores[*id as usize]), *id);
    let top = top.min(ids.len());
    if top > 0 && top < ids.len() {
        ids.select_nth_unstable_by_key(top - 1, order);
    }
    ids.truncate(top);
    ids.sort_unstable_by_key(order);
    Logprobs { chosen: at(token), top: ids.into_iter().map(|id| (id, at(id))).collect() }
}

/// The natural logarithm of `x / 2^32`, at least 1, with 32 fractional bits: that of base 2, bit by bit (a number between 1
/// and 2 is squared; where the square is 2 or more, the bit is set and the square halved), times ln 2, rounded down.
fn ln(x: u64) -> u64 {
    let zeros = x.leading_zeros();
    let mut mantissa = u128::from(x << zeros);
    let mut log2 = u64::from(31 - zeros);
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 63;
        let bit = (mantissa >> 64) as u64;
        mantissa >>= bit;
        log2 = 2 * log2 + bit;
    }
    // ln 2 is 2,977,044,472 / 2^32.
    ((u128::from(log2) * 2_977_044_472) >> 32) as u64
}

#[cfg(test)]
mod tests;

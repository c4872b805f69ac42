//! Norms, activations, quantisation: code over arrays of sixteen, vectorised by the compiler.

use super::simd::{Lane, Simd, Words};
use super::{LANE, kernel, math};

/// The sum of sixteen lanes: `a[i] += a[i + 8]`, then 4, 2, 1.
#[inline(always)]
pub(crate) fn tree(mut a: [f32; 16]) -> f32 {
    for step in [8, 4, 2, 1] {
        for i in 0..step {
            a[i] += a[i + step];
        }
    }
    a[0]
}

kernel! {
    /// RMSNorm of each row of the panels `x` (`columns` of them, zero beyond): `x / sqrt(mean(x^2) + eps) * weight`.
    fn rms_norm(x: &[Lane], rows: usize, columns: usize, weight: &[Lane], eps: f32, out: &mut [Lane]) = rms_norm_body
}

#[inline(always)]
fn rms_norm_body<S: Simd>(_: S, x: &[Lane], rows: usize, columns: usize, weight: &[Lane], eps: f32, out: &mut [Lane]) {
    for row in 0..rows {
        let mut squares = [0.0f32; 16];
        for panel in x.chunks_exact(rows) {
            let panel = &panel[row].0;
            for i in 0..16 {
                squares[i] = panel[i].mul_add(panel[i], squares[i]);
            }
        }
        let scale = inverse_root(squares, columns, eps);
        for ((panel, weight), out) in x.chunks_exact(rows).zip(weight).zip(out.chunks_exact_mut(rows)) {
            for i in 0..16 {
                out[row].0[i] = panel[row].0[i] * scale * weight.0[i];
            }
        }
    }
}

#[inline(always)]
fn inverse_root(squares: [f32; 16], columns: usize, eps: f32) -> f32 {
    1.0 / (tree(squares) / columns as f32 + eps).sqrt()
}

kernel! {
    /// [`rms_norm`] of one vector that is not in panels, in place.
    fn rms_norm_vector(x: &mut [f32], weight: &[f32], eps: f32) = rms_norm_vector_body
}

#[inline(always)]
fn rms_norm_vector_body<S: Simd>(_: S, x: &mut [f32], weight: &[f32], eps: f32) {
    let mut squares = [0.0f32; 16];
    for chunk in x.chunks(LANE) {
        for (sum, value) in squares.iter_mut().zip(chunk) {
            *sum = value.mul_add(*value, *sum);
        }
    }
    let scale = inverse_root(squares, x.len(), eps);
    for (value, weight) in x.iter_mut().zip(weight) {
        *value = *value * scale * weight;
    }
}

kernel! {
    /// Rotary positions, in place: `x[i], x[i + half]` turned by the angle whose cosine and sine are given, for each head.
    fn rotate(x: &mut [f32], cosine: &[f32], sine: &[f32]) = rotate_body
}

#[inline(always)]
fn rotate_body<S: Simd>(_: S, x: &mut [f32], cosine: &[f32], sine: &[f32]) {
    for head in x.chunks_exact_mut(2 * cosine.len()) {
        let (low, high) = head.split_at_mut(cosine.len());
        for (((a, b), cosine), sine) in low.iter_mut().zip(high).zip(cosine).zip(sine) {
            (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
        }
    }
}

kernel! {
    /// `gate = silu(gate) * up`.
    fn swiglu(gate: &mut [Lane], up: &[Lane]) = swiglu_body
}

#[inline(always)]
fn swiglu_body<S: Simd>(_: S, gate: &mut [Lane], up: &[Lane]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        for i in 0..16 {
            gate.0[i] = math::silu(gate.0[i]) * up.0[i];
        }
    }
}

kernel! {
    /// `x += y`.
    fn add(x: &mut [Lane], y: &[Lane]) = add_body
}

#[inline(always)]
fn add_body<S: Simd>(s: S, x: &mut [Lane], y: &[Lane]) {
    // Left to the compiler, this becomes gathers and scatters over several lanes.
    for (x, y) in x.iter_mut().zip(y) {
        s.store(s.add(s.load(x), s.load(y)), x);
    }
}

kernel! {
    /// Quantises each row of the panels `x` to bytes, `round(x * 127 / max|x|) + 128`, in panels of 64 columns (the word at
    /// `column / 64 * rows + row`), and gives each row's scale, `max|x| / 127`; not a number where one of `x` is not finite, as
    /// bytes could not tell that.
    fn quantise(x: &[Lane], rows: usize, scales: &mut [f32], out: &mut [Words]) = quantise_body
}

#[inline(always)]
fn quantise_body<S: Simd>(_: S, x: &[Lane], rows: usize, scales: &mut [f32], out: &mut [Words]) {
    for row in 0..rows {
        let (mut most, mut zeros) = ([0.0f32; 16], [0.0f32; 16]);
        for panel in x.chunks_exact(rows) {
            for ((most, zero), value) in most.iter_mut().zip(&mut zeros).zip(&panel[row].0) {
                let size = value.abs();
                *most = if size > *most { size } else { *most };
                // What is not finite makes this not a number.
                *zero += value * 0.0;
            }
        }
        let most = most.into_iter().fold(0.0, |a, b| if b > a { b } else { a });
        scales[row] = most / 127.0 + zeros.into_iter().sum::<f32>();
        let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
        for (quarters, out) in x.chunks(4 * rows).zip(out.chunks_exact_mut(rows)) {
            let mut bytes = [[0u32; 4]; 16];
            for (panel, bytes) in quarters.chunks_exact(rows).zip(bytes.chunks_exact_mut(4)) {
                for (value, byte) in panel[row].0.iter().zip(bytes.as_flattened_mut()) {
                    // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even, and leaves it in the low bits.
                    *byte = (value * inverse + 12_582_912.0).to_bits().wrapping_add(128) & 0xff;
                }
            }
            out[row].0 = bytes.map(|b| b[0] | b[1] << 8 | b[2] << 16 | b[3] << 24);
        }
    }
}

kernel! {
    /// The logits of a row of panels as multiples of 2^-16, ties to even, within a billion; says whether all are finite.
    fn quantise_logits(x: &[Lane], rows: usize, row: usize, out: &mut [i32]) -> bool = quantise_logits_body
}

#[inline(always)]
fn quantise_logits_body<S: Simd>(s: S, x: &[Lane], rows: usize, row: usize, out: &mut [i32]) -> bool {
    let mut zeros = [0.0f32; 16];
    for (panel, out) in x.chunks_exact(rows).zip(out.chunks_mut(LANE)) {
        // Panels are as far apart as pages where there are many rows: no hardware reads ahead.
        s.prefetch(panel.as_ptr().wrapping_add(8 * rows + row));
        let logits = panel[row].0;
        let mut scores = [0; 16];
        for i in 0..16 {
            // What is not finite makes this not a number.
            zeros[i] += logits[i] * 0.0;
            scores[i] = integer(logits[i] * 65_536.0);
        }
        match <&mut [i32; LANE]>::try_from(&mut *out) {
            Ok(out) => *out = scores,
            Err(_) => out.copy_from_slice(&scores[..out.len()]),
        }
    }
    zeros == [0.0; 16]
}

/// The nearest integer, ties to even, within a billion. The language's conversion saturates, which the compiler does one number
/// at a time.
#[inline(always)]
fn integer(x: f32) -> i32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: what is added to it is rounded to an integer in its low bits.
    let x = if x > -1e9 { x } else { -1e9 };
    let x = if x < 1e9 { x } else { 1e9 };
    // In two parts: multiples of 2^16, and what is left of x, which is exact and at most 2^15.
    let high = x.mul_add(1.0 / 65_536.0, ROUND);
    let low = (high - ROUND).mul_add(-65_536.0, x) + ROUND;
    let part = |x: f32| x.to_bits().wrapping_sub(ROUND.to_bits());
    (part(high) << 16).wrapping_add(part(low)) as i32
}

kernel! {
    /// The lowest index of the largest score.
    fn likeliest(scores: &[i32]) -> u32 = likeliest_body
}

#[inline(always)]
fn likeliest_body<S: Simd>(_: S, scores: &[i32]) -> u32 {
    let most = scores.iter().fold(i32::MIN, |most, score| most.max(*score));
    let chunk = scores.chunks(64).position(|chunk| chunk.iter().fold(false, |found, score| found | (*score == most)));
    let from = chunk.unwrap_or(0) * 64;
    let within = scores[from..].iter().position(|score| *score == most).unwrap_or(0);
    (from + within) as u32
}

//! Low-rank adapters: `z = scale * A x`, then `y += B z`, one row at a time, each row with its own adapter.
//!
//! Both matrices are bfloat16 and read as one stream of lines. `A`: for each group of up to eight ranks, for each sixteen
//! inputs, the group's pairs of ranks. `B`: for each group of up to four panels of outputs, for each pair of ranks, the
//! group's panels. An odd rank is padded to even with zeros.

use super::kernel;
use super::simd::{Lane, Simd, Words};

/// Ranks of a group of `A`.
pub(crate) const RANKS: usize = 8;

/// Panels of a group of `B`.
pub(crate) const PANELS: usize = 4;

kernel! {
    /// `z[j] = scale * (sixteen-lane reduction of A[j] x)` for `row` and, where there are two, the row after it, whose
    /// results begin at `stride`. `next` is what will be read after this; it is prefetched.
    fn shrink(
        x: &[Lane], rows: usize, row: usize, count: usize, a: &[Words], rank: usize, scale: f32, z: &mut [f32], stride: usize,
        next: &[Words],
    ) = shrink_body
}

#[inline(always)]
fn shrink_body<S: Simd>(
    s: S,
    x: &[Lane],
    rows: usize,
    row: usize,
    count: usize,
    a: &[Words],
    rank: usize,
    scale: f32,
    z: &mut [f32],
    stride: usize,
    next: &[Words],
) {
    if count == 2 {
        shrink_rows::<S, 2>(s, x, rows, row, a, rank, scale, z, stride, next);
    } else {
        shrink_rows::<S, 1>(s, x, rows, row, a, rank, scale, z, stride, next);
    }
}

#[inline(always)]
fn shrink_rows<S: Simd, const R: usize>(
    s: S,
    x: &[Lane],
    rows: usize,
    row: usize,
    mut a: &[Words],
    rank: usize,
    scale: f32,
    z: &mut [f32],
    stride: usize,
    mut next: &[Words],
) {
    let panels = x.len() / rows;
    for from in (0..rank).step_by(RANKS) {
        let pairs = (rank - from).min(RANKS).div_ceil(2);
        let (group, after) = a.split_at(panels * pairs);
        let (soon, later) = next.split_at(next.len().min(group.len()));
        let z = &mut z[from..];
        match pairs {
            1 => shrink_group::<S, R, 1>(s, x, rows, row, group, scale, z, stride, soon),
            2 => shrink_group::<S, R, 2>(s, x, rows, row, group, scale, z, stride, soon),
            3 => shrink_group::<S, R, 3>(s, x, rows, row, group, scale, z, stride, soon),
            _ => shrink_group::<S, R, 4>(s, x, rows, row, group, scale, z, stride, soon),
        }
        (a, next) = (after, later);
    }
}

#[inline(always)]
fn shrink_group<S: Simd, const R: usize, const P: usize>(
    s: S,
    x: &[Lane],
    rows: usize,
    row: usize,
    a: &[Words],
    scale: f32,
    z: &mut [f32],
    stride: usize,
    next: &[Words],
) {
    let mut acc = [[s.splat(0.0); 8]; R];
    let mut soon = next.chunks(P);
    for (panel, a) in x.chunks_exact(rows).zip(a.as_chunks::<P>().0) {
        for line in soon.next().unwrap_or_default() {
            s.prefetch(line);
        }
        let mut x = [s.splat(0.0); R];
        for r in 0..R {
            x[r] = s.load(&panel[row + r]);
        }
        for p in 0..P {
            let (low, high) = s.widen(&a[p]);
            for r in 0..R {
                acc[r][2 * p] = s.fma(low, x[r], acc[r][2 * p]);
                acc[r][2 * p + 1] = s.fma(high, x[r], acc[r][2 * p + 1]);
            }
        }
    }
    for r in 0..R {
        let sums = s.sums(acc[r]);
        for (z, sum) in z[r * stride..].iter_mut().zip(&sums[..2 * P]) {
            *z = scale * sum;
        }
    }
}

kernel! {
    /// `y = fma chain over the ranks of B z`, from `y`, for `row` and, where there are two, the row after it. `y` is the
    /// panels that `b` has groups for; `z` has an even number of ranks.
    fn expand(
        z: &[f32], stride: usize, count: usize, b: &[Words], rank: usize, y: &mut [Lane], rows: usize, row: usize,
        next: &[Words],
    ) = expand_body
}

#[inline(always)]
fn expand_body<S: Simd>(
    s: S,
    z: &[f32],
    stride: usize,
    count: usize,
    b: &[Words],
    rank: usize,
    y: &mut [Lane],
    rows: usize,
    row: usize,
    next: &[Words],
) {
    if count == 2 {
        expand_rows::<S, 2>(s, z, stride, b, rank, y, rows, row, next);
    } else {
        expand_rows::<S, 1>(s, z, stride, b, rank, y, rows, row, next);
    }
}

#[inline(always)]
fn expand_rows<S: Simd, const R: usize>(
    s: S,
    z: &[f32],
    stride: usize,
    mut b: &[Words],
    rank: usize,
    y: &mut [Lane],
    rows: usize,
    row: usize,
    mut next: &[Words],
) {
    let pairs = rank.div_ceil(2);
    let z: [&[[f32; 2]]; R] = std::array::from_fn(|r| z[r * stride..][..2 * pairs].as_chunks::<2>().0);
    for y in y.chunks_mut(PANELS * rows) {
        let panels = y.len() / rows;
        let (group, after) = b.split_at(panels * pairs);
        let (soon, later) = next.split_at(next.len().min(group.len()));
        match panels {
            1 => expand_group::<S, R, 1>(s, z, group, y, rows, row, soon),
            2 => expand_group::<S, R, 2>(s, z, group, y, rows, row, soon),
            3 => expand_group::<S, R, 3>(s, z, group, y, rows, row, soon),
            _ => expand_group::<S, R, 4>(s, z, group, y, rows, row, soon),
        }
        (b, next) = (after, later);
    }
}

#[inline(always)]
fn expand_group<S: Simd, const R: usize, const P: usize>(
    s: S,
    z: [&[[f32; 2]]; R],
    b: &[Words],
    y: &mut [Lane],
    rows: usize,
    row: usize,
    next: &[Words],
) {
    let mut acc = [[s.splat(0.0); P]; R];
    for r in 0..R {
        for p in 0..P {
            acc[r][p] = s.load(&y[p * rows + row + r]);
        }
    }
    let mut soon = next.chunks(P);
    for (k, b) in b.as_chunks::<P>().0.iter().enumerate() {
        for line in soon.next().unwrap_or_default() {
            s.prefetch(line);
        }
        let mut pair = [[s.splat(0.0); 2]; R];
        for r in 0..R {
            pair[r] = [s.splat(z[r][k][0]), s.splat(z[r][k][1])];
        }
        for p in 0..P {
            let (low, high) = s.widen(&b[p]);
            for r in 0..R {
                acc[r][p] = s.fma(low, pair[r][0], acc[r][p]);
                acc[r][p] = s.fma(high, pair[r][1], acc[r][p]);
            }
        }
    }
    for r in 0..R {
        for p in 0..P {
            s.store(acc[r][p], &mut y[p * rows + row + r]);
        }
    }
}

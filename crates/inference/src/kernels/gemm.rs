//! Matrix products of a few rows with packed weights.

use super::kernel;
use super::simd::{Bytes, Lane, Simd, Words};
use super::soon::Soon;

/// Weights of 32 outputs, in the order in which a product reads them: for each input the 32 outputs (f32), for each four
/// inputs four bytes of each of the 32 outputs (int8).
pub(crate) const PANEL: usize = 32;

/// With so few rows, a product waits for memory: weights are prefetched so many lines ahead, across the ends of panels.
const FEW: usize = 4;
const AHEAD: usize = 96;

kernel! {
    /// For 32 outputs (`w`: `[inputs][2]` lanes) and all rows of the panels `x`: `y = fma chain over the inputs`, from 0.
    /// `y` is two panels. `soon` is what is read after this: many rows leave memory idle meanwhile.
    fn product(x: &[Lane], rows: usize, w: &[Lane], y: &mut [Lane], soon: &mut Soon<'_>) = product_body
}

/// Calls `$tile` with the number of rows as a constant.
macro_rules! tiles {
    ($rows:expr, $tile:ident, $s:expr, $($argument:expr),*) => {
        match $rows {
            1 => $tile::<S, 1>($s, $($argument),*),
            2 => $tile::<S, 2>($s, $($argument),*),
            3 => $tile::<S, 3>($s, $($argument),*),
            4 => $tile::<S, 4>($s, $($argument),*),
            5 if S::ROWS >= 5 => $tile::<S, 5>($s, $($argument),*),
            6 if S::ROWS >= 6 => $tile::<S, 6>($s, $($argument),*),
            7 if S::ROWS >= 7 => $tile::<S, 7>($s, $($argument),*),
            8 if S::ROWS >= 8 => $tile::<S, 8>($s, $($argument),*),
            9 if S::ROWS >= 9 => $tile::<S, 9>($s, $($argument),*),
            10 if S::ROWS >= 10 => $tile::<S, 10>($s, $($argument),*),
            11 if S::ROWS >= 11 => $tile::<S, 11>($s, $($argument),*),
            12 if S::ROWS >= 12 => $tile::<S, 12>($s, $($argument),*),
            _ => unreachable!("tiles have at most S::ROWS rows"),
        }
    };
}

/// Splits rows into tiles of nearly equal size, none above `most`: (first row, rows) of each.
#[inline(always)]
fn split(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(most).max(1);
    (0..count).map(move |i| {
        let (from, to) = (rows * i / count, rows * (i + 1) / count);
        (from, to - from)
    })
}

#[inline(always)]
fn product_body<S: Simd>(s: S, x: &[Lane], rows: usize, w: &[Lane], y: &mut [Lane], soon: &mut Soon<'_>) {
    for (row, count) in split(rows, S::ROWS) {
        tiles!(count, product_tile, s, x, rows, row, w, y, soon);
    }
}

#[inline(always)]
fn product_tile<S: Simd, const R: usize>(
    s: S,
    x: &[Lane],
    rows: usize,
    row: usize,
    w: &[Lane],
    y: &mut [Lane],
    soon: &mut Soon<'_>,
) {
    if S::COLUMNS == 2 {
        product_columns::<S, R, 2>(s, x, rows, row, w, 0, y, soon);
    } else {
        product_columns::<S, R, 1>(s, x, rows, row, w, 0, y, soon);
        product_columns::<S, R, 1>(s, x, rows, row, w, 1, y, soon);
    }
}

#[inline(always)]
fn product_columns<S: Simd, const R: usize, const C: usize>(
    s: S,
    x: &[Lane],
    rows: usize,
    row: usize,
    w: &[Lane],
    column: usize,
    y: &mut [Lane],
    soon: &mut Soon<'_>,
) {
    let mut acc = [[s.splat(0.0); C]; R];
    let (blocks, rest) = w.as_chunks::<32>();
    let mut panels = x.chunks_exact(rows);
    for block in blocks {
        let x = tile_rows::<Lane, R>(panels.next(), row);
        let lines = if R <= FEW { &[][..] } else { soon.next(16) };
        for i in 0..16 {
            if R <= FEW {
                for c in column..column + C {
                    s.prefetch(block[2 * i + c..].as_ptr().wrapping_add(AHEAD));
                }
            } else if let Some(line) = lines.get(i) {
                s.prefetch(line);
            }
            let mut w = [s.splat(0.0); C];
            for c in 0..C {
                w[c] = s.load(&block[2 * i + column + c]);
            }
            for r in 0..R {
                let x = s.splat(x[r].0[i]);
                for c in 0..C {
                    acc[r][c] = s.fma(x, w[c], acc[r][c]);
                }
            }
        }
    }
    if !rest.is_empty() {
        let x = tile_rows::<Lane, R>(panels.next(), row);
        for (i, w) in rest.chunks_exact(2).enumerate() {
            for r in 0..R {
                let x = s.splat(x[r].0[i]);
                for c in 0..C {
                    acc[r][c] = s.fma(x, s.load(&w[column + c]), acc[r][c]);
                }
            }
        }
    }
    for c in 0..C {
        let y = &mut y[(column + c) * rows + row..][..R];
        for r in 0..R {
            s.store(acc[r][c], &mut y[r]);
        }
    }
}

#[inline(always)]
fn tile_rows<T, const R: usize>(panel: Option<&[T]>, row: usize) -> &[T; R] {
    let panel = panel.expect("x has a panel for every sixteen inputs");
    panel[row..row + R].try_into().expect("a slice of R")
}

kernel! {
    /// The same of bytes: `y = sum over inputs of (x - 128) * w` as integers, times the product of the row's scale and the
    /// output's. `sums` are those of each output's weights. Exact until the last step while inputs are below 66,000.
    fn product_i8(
        x: &[Words], rows: usize, x_scales: &[f32], w: &[Bytes], sums: &[i32; 32], w_scales: &[f32; 32], y: &mut [Lane],
    ) = product_i8_body
}

#[inline(always)]
fn product_i8_body<S: Simd>(
    s: S,
    x: &[Words],
    rows: usize,
    x_scales: &[f32],
    w: &[Bytes],
    sums: &[i32; 32],
    w_scales: &[f32; 32],
    y: &mut [Lane],
) {
    for (row, count) in split(rows, S::ROWS) {
        tiles!(count, product_i8_tile, s, x, rows, row, x_scales, w, sums, w_scales, y);
    }
}

#[inline(always)]
fn product_i8_tile<S: Simd, const R: usize>(
    s: S,
    x: &[Words],
    rows: usize,
    row: usize,
    x_scales: &[f32],
    w: &[Bytes],
    sums: &[i32; 32],
    w_scales: &[f32; 32],
    y: &mut [Lane],
) {
    if S::COLUMNS == 2 {
        product_i8_columns::<S, R, 2>(s, x, rows, row, x_scales, w, 0, sums, w_scales, y);
    } else {
        product_i8_columns::<S, R, 1>(s, x, rows, row, x_scales, w, 0, sums, w_scales, y);
        product_i8_columns::<S, R, 1>(s, x, rows, row, x_scales, w, 1, sums, w_scales, y);
    }
}

#[inline(always)]
fn product_i8_columns<S: Simd, const R: usize, const C: usize>(
    s: S,
    x: &[Words],
    rows: usize,
    row: usize,
    x_scales: &[f32],
    w: &[Bytes],
    column: usize,
    sums: &[i32; 32],
    w_scales: &[f32; 32],
    y: &mut [Lane],
) {
    let mut acc = [[s.zero_i32(); C]; R];
    for (block, panel) in w.chunks(32).zip(x.chunks_exact(rows)) {
        let x = tile_rows::<Words, R>(Some(panel), row);
        for (i, w) in block.chunks_exact(2).enumerate().take(16) {
            if R <= FEW {
                for c in column..column + C {
                    s.prefetch(w[c..].as_ptr().wrapping_add(AHEAD));
                }
            }
            for r in 0..R {
                for c in 0..C {
                    acc[r][c] = s.dot4(acc[r][c], x[r].0[i], &w[column + c]);
                }
            }
        }
    }
    for c in 0..C {
        let from = 16 * (column + c);
        let (sums, w_scales) = (&sums[from..from + 16], &w_scales[from..from + 16]);
        let y = &mut y[(column + c) * rows + row..][..R];
        for r in 0..R {
            let found = s.store_i32(acc[r][c]);
            let scale = x_scales[row + r];
            for i in 0..16 {
                let sum = found[i].wrapping_sub(S::BYTES_ABOVE.wrapping_mul(sums[i]));
                y[r].0[i] = sum as f32 * (scale * w_scales[i]);
            }
        }
    }
}

//! Attention of one query over the pages of its sequence.
//!
//! A page holds sixteen tokens of a head: keys transposed, so that the lane of a component is sixteen tokens, and values
//! as they are, so that the lane is sixteen components. Neither product needs a horizontal sum, and heads of any width cost
//! their width.

use super::elementwise::tree;
use super::simd::{Lane, Simd};
use super::{LANE, kernel, math};

/// Tokens of a page.
pub(crate) const PAGE: usize = LANE;

/// Lanes of a page for one head: `head_dim` of keys, then sixteen tokens of values.
pub(crate) fn page_lanes(head_dim: usize) -> usize {
    head_dim + PAGE * head_dim.div_ceil(LANE)
}

/// Writes the key and value of one token into a page.
pub(crate) fn write_page(page: &mut [Lane], slot: usize, key: &[f32], value: &[f32]) {
    let (keys, values) = page.split_at_mut(key.len());
    for (lane, key) in keys.iter_mut().zip(key) {
        lane.0[slot] = *key;
    }
    let width = value.len().div_ceil(LANE);
    for (lane, value) in values[slot * width..].iter_mut().zip(value.chunks(LANE)) {
        lane.0[..value.len()].copy_from_slice(value);
    }
}

kernel! {
    /// Softmax attention of `query` over the first `tokens` tokens of `pages`, into `out`.
    ///
    /// Scores are chains over the components, times `scale`; their maximum is taken off; the sum of the exponentials is
    /// sixteen chains over the pages; a component of the result is one chain over the tokens, over that sum.
    /// `scores` is room for a lane per page. `next` is what will be read after this; it is prefetched.
    fn attention(
        query: &[f32], pages: &[&[Lane]], tokens: usize, scale: f32, scores: &mut Vec<Lane>, out: &mut [Lane],
        next: &[&[Lane]],
    ) = attention_body
}

#[inline(always)]
fn attention_body<S: Simd>(
    s: S,
    query: &[f32],
    pages: &[&[Lane]],
    tokens: usize,
    scale: f32,
    scores: &mut Vec<Lane>,
    out: &mut [Lane],
    next: &[&[Lane]],
) {
    scores.clear();
    let (fours, rest) = pages.as_chunks::<4>();
    let (next_fours, next_rest) = next.as_chunks::<4>();
    let mut soon = next_fours.iter();
    for pages in fours {
        score::<S, 4>(s, query, pages, scores, soon.next().map_or(&[], |pages| &pages[..]));
    }
    let mut soon = next_rest.chunks(1);
    for page in rest {
        score::<S, 1>(s, query, &[page], scores, soon.next().unwrap_or_default());
    }
    // Plain loops over whole lanes, without branches: the compiler makes vectors of them.
    let mut mosts = [f32::MIN; 16];
    for (lane, first) in scores.iter_mut().zip((0..).step_by(PAGE)) {
        let counted = counted(tokens, first);
        for i in 0..16 {
            lane.0[i] *= scale;
            let score = if (i as u32) < counted { lane.0[i] } else { f32::MIN };
            mosts[i] = if score > mosts[i] { score } else { mosts[i] };
        }
    }
    let most = mosts.into_iter().fold(f32::MIN, |most, score| if score > most { score } else { most });
    let mut sums = [0.0; 16];
    for (lane, first) in scores.iter_mut().zip((0..).step_by(PAGE)) {
        let counted = counted(tokens, first);
        let mut weights = [0.0; 16];
        for i in 0..16 {
            weights[i] = math::exp(lane.0[i] - most);
        }
        for i in 0..16 {
            lane.0[i] = if (i as u32) < counted { weights[i] } else { 0.0 };
            sums[i] += lane.0[i];
        }
    }
    let inverse = 1.0 / tree(sums);
    let width = out.len();
    let mut column = 0;
    for out in out.chunks_mut(4) {
        match out.len() {
            1 => gather::<S, 1>(s, query.len(), pages, tokens, scores, width, column, inverse, out, next),
            2 => gather::<S, 2>(s, query.len(), pages, tokens, scores, width, column, inverse, out, next),
            3 => gather::<S, 3>(s, query.len(), pages, tokens, scores, width, column, inverse, out, next),
            _ => gather::<S, 4>(s, query.len(), pages, tokens, scores, width, column, inverse, out, next),
        }
        column += out.len();
    }
}

/// How many tokens of the page that begins with token `first` count: beyond the query's own position a page holds another
/// token, or none yet.
#[inline(always)]
fn counted(tokens: usize, first: usize) -> u32 {
    tokens.saturating_sub(first).min(PAGE) as u32
}

#[inline(always)]
fn score<S: Simd, const P: usize>(s: S, query: &[f32], pages: &[&[Lane]; P], scores: &mut Vec<Lane>, next: &[&[Lane]]) {
    let keys: [&[Lane]; P] = pages.map(|page| &page[..query.len()]);
    let mut acc = [s.splat(0.0); P];
    for (d, q) in query.iter().enumerate() {
        for page in next {
            s.prefetch(page.as_ptr().wrapping_add(d));
        }
        let q = s.splat(*q);
        for p in 0..P {
            acc[p] = s.fma(q, s.load(&keys[p][d]), acc[p]);
        }
    }
    for acc in acc {
        let mut lane = Lane::ZERO;
        s.store(acc, &mut lane);
        scores.push(lane);
    }
}

#[inline(always)]
fn gather<S: Simd, const W: usize>(
    s: S,
    head_dim: usize,
    pages: &[&[Lane]],
    tokens: usize,
    weights: &[Lane],
    width: usize,
    column: usize,
    inverse: f32,
    out: &mut [Lane],
    next: &[&[Lane]],
) {
    let mut acc = [s.splat(0.0); W];
    let mut left = tokens;
    let mut soon = next.iter();
    for (page, weights) in pages.iter().zip(weights) {
        let values = &page[head_dim..];
        let mut soon = soon.next().unwrap_or(page).as_ptr().wrapping_add(head_dim + column);
        for (token, weight) in values.chunks_exact(width).zip(&weights.0).take(left) {
            let weight = s.splat(*weight);
            let token = &token[column..column + W];
            for w in 0..W {
                s.prefetch(soon.wrapping_add(w));
            }
            soon = soon.wrapping_add(width);
            for w in 0..W {
                acc[w] = s.fma(weight, s.load(&token[w]), acc[w]);
            }
        }
        left = left.saturating_sub(PAGE);
    }
    for w in 0..W {
        let mut lane = Lane::ZERO;
        s.store(acc[w], &mut lane);
        out[w] = Lane(lane.0.map(|x| x * inverse));
    }
}

//! An adapter packed for the kernels: one contiguous allocation, in the order in which a forward pass reads it.

use crate::kernels::lora::{PANELS, RANKS};
use crate::kernels::{LANE, Words};
use crate::model::{Adapter, Linear, ModelConfig};
use crate::pack::panels;

/// Linear layers that read the same activations: their `A` come first, then their `B`.
pub(crate) const GROUPS: [&[Linear]; 4] =
    [&[Linear::Query, Linear::Key, Linear::Value], &[Linear::Output], &[Linear::Gate, Linear::Up], &[Linear::Down]];

/// An adapter in memory, ready to be used by any row of any batch.
pub(crate) struct PackedAdapter {
    arena: Box<[Words]>,
    modules: Box<[[Option<Module>; 7]]>,
    /// The largest rank, rounded up to even.
    pub(crate) rank: usize,
}

/// Where a module lies in the arena, in lines.
#[derive(Clone, Copy)]
struct Module {
    a: u32,
    b: u32,
    rank: u16,
    scale: f32,
}

/// A module of a packed adapter.
pub(crate) struct ModuleView<'a> {
    pub(crate) a: &'a [Words],
    pub(crate) b: &'a [Words],
    pub(crate) rank: usize,
    pub(crate) scale: f32,
}

/// Lines that a module takes: (A, B).
fn lines(rank: usize, linear: Linear, config: &ModelConfig) -> (usize, usize) {
    let (outputs, inputs) = linear.shape(config);
    (rank.div_ceil(2) * panels(inputs), rank.div_ceil(2) * panels(outputs))
}

impl PackedAdapter {
    /// Packs an adapter, or says in words why it does not fit the model.
    pub(crate) fn pack(adapter: &Adapter, config: &ModelConfig) -> Result<Self, String> {
        let mut sorted = vec![[None; 7]; config.layers];
        for module in &adapter.modules {
            let (outputs, inputs) = module.linear.shape(config);
            let (layer, linear, rank) = (module.layer, module.linear, module.rank);
            if layer >= config.layers {
                return Err(format!("it adapts layer {layer}, the model has {}", config.layers));
            }
            if rank == 0 || rank > outputs.max(inputs) {
                return Err(format!(
                    "rank {rank} of {linear:?} in layer {layer} is not between 1 and the layer's width"
                ));
            }
            if module.a.len() != rank * inputs || module.b.len() != outputs * rank {
                return Err(format!("the shapes of {linear:?} in layer {layer} are not the model's"));
            }
            if sorted[layer][linear as usize].replace(module).is_some() {
                return Err(format!("{linear:?} in layer {layer} is adapted twice"));
            }
        }
        let count: usize = (adapter.modules.iter()).map(|m| lines(m.rank, m.linear, config)).map(|(a, b)| a + b).sum();
        // Lines are 64 bytes: this bounds an adapter to 256 GiB, and ranks were bounded by widths.
        let fits = u32::try_from(count).is_ok() && adapter.modules.iter().all(|m| m.rank <= usize::from(u16::MAX));
        if !fits {
            return Err(format!("{count} lines of 64 bytes are more than an arena holds"));
        }
        // Written once, from the first line to the last.
        let mut arena = Vec::with_capacity(count);
        let mut modules = vec![[None; 7]; config.layers];
        for (layer, sorted) in sorted.iter().enumerate() {
            for group in GROUPS {
                for linear in group.iter().map(|linear| *linear as usize) {
                    let Some(module) = sorted[linear] else { continue };
                    let (a, rank, scale) = (arena.len() as u32, module.rank as u16, module.scale);
                    modules[layer][linear] = Some(Module { a, b: 0, rank, scale });
                    pack_a(&module.a, module.rank, module.linear.shape(config).1, &mut arena);
                }
                for linear in group.iter().map(|linear| *linear as usize) {
                    let (Some(module), Some(packed)) = (sorted[linear], &mut modules[layer][linear]) else { continue };
                    packed.b = arena.len() as u32;
                    pack_b(&module.b, module.rank, module.linear.shape(config).0, &mut arena);
                }
            }
        }
        debug_assert_eq!(arena.len(), count);
        let rank = adapter.modules.iter().map(|module| module.rank.next_multiple_of(2)).max().unwrap_or(0);
        Ok(Self { arena: arena.into_boxed_slice(), modules: modules.into(), rank })
    }

    /// Its bytes, for the budget: its numbers in bfloat16, ranks rounded up to even and widths to 32, and a table.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.arena[..]) + size_of_val(&self.modules[..]) + size_of::<Self>()
    }

    /// The module on a linear layer, if that is adapted.
    pub(crate) fn module(&self, layer: usize, linear: Linear, config: &ModelConfig) -> Option<ModuleView<'_>> {
        let module = self.modules[layer][linear as usize]?;
        let rank = usize::from(module.rank);
        let (a, b) = lines(rank, linear, config);
        Some(ModuleView {
            a: &self.arena[module.a as usize..][..a],
            b: &self.arena[module.b as usize..][..b],
            rank,
            scale: module.scale,
        })
    }
}

/// Appends the lines of `A`, each of which holds sixteen inputs of two ranks.
fn pack_a(a: &[u16], rank: usize, inputs: usize, lines: &mut Vec<Words>) {
    let row = |j: usize| a.get(j * inputs..(j + 1) * inputs).unwrap_or_default();
    for from in (0..rank).step_by(RANKS) {
        for panel in 0..panels(inputs) {
            for j in (from..rank.min(from + RANKS)).step_by(2) {
                let (low, high) = (sixteen(row(j), panel), sixteen(row(j + 1), panel));
                let mut line = Words([0; LANE]);
                for ((word, low), high) in line.0.iter_mut().zip(&low).zip(&high) {
                    *word = u32::from(*low) | u32::from(*high) << 16;
                }
                lines.push(line);
            }
        }
    }
}

/// Sixteen numbers of a row; zeros beyond its end.
#[inline(always)]
fn sixteen(row: &[u16], panel: usize) -> [u16; LANE] {
    let rest = row.get(panel * LANE..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk() {
        return *whole;
    }
    let mut padded = [0; LANE];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

/// Appends the lines of `B`, each of which holds sixteen outputs of two ranks.
fn pack_b(b: &[u16], rank: usize, outputs: usize, lines: &mut Vec<Words>) {
    let panels = panels(outputs);
    for first in (0..panels).step_by(PANELS) {
        for j in (0..rank).step_by(2) {
            for panel in first..panels.min(first + PANELS) {
                let rows = b.get(panel * LANE * rank..).unwrap_or_default();
                let mut line = Words([0; LANE]);
                // Rows beyond the last, and the last rank of an odd number, are zeros.
                for (word, row) in line.0.iter_mut().zip(rows.chunks_exact(rank)) {
                    *word = match &row[j..] {
                        [low, high, ..] => u32::from(*low) | u32::from(*high) << 16,
                        [low] => u32::from(*low),
                        [] => 0,
                    };
                }
                lines.push(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same for lines of zeros, word by word: where each number goes.
    fn plain_a(a: &[u16], rank: usize, inputs: usize, lines: &mut [Words]) {
        let panels = panels(inputs);
        for (j, rows) in (0..rank).step_by(2).zip(a.chunks(2 * inputs)) {
            let from = j / RANKS * RANKS;
            let pairs = (rank - from).min(RANKS).div_ceil(2);
            let group = &mut lines[from / 2 * panels..][..pairs * panels];
            for (row, shift) in rows.chunks_exact(inputs).zip([0, 16]) {
                for (line, bits) in group.iter_mut().skip((j - from) / 2).step_by(pairs).zip(row.chunks(LANE)) {
                    for (word, bits) in line.0.iter_mut().zip(bits) {
                        *word |= u32::from(*bits) << shift;
                    }
                }
            }
        }
    }

    fn plain_b(b: &[u16], rank: usize, outputs: usize, lines: &mut [Words]) {
        let (panels, pairs) = (panels(outputs), rank.div_ceil(2));
        for (panel, rows) in b.chunks(LANE * rank).enumerate() {
            let first = panel / PANELS * PANELS;
            let width = (panels - first).min(PANELS);
            let group = &mut lines[first * pairs..][..width * pairs];
            for (lane, row) in rows.chunks_exact(rank).enumerate() {
                for (line, bits) in group.iter_mut().skip(panel - first).step_by(width).zip(row.chunks(2)) {
                    line.0[lane] = u32::from(bits[0]) | bits.get(1).map_or(0, |bits| u32::from(*bits) << 16);
                }
            }
        }
    }

    #[test]
    fn lines_are_what_the_plain_loops_write() {
        for rank in [1usize, 2, 3, 7, 8, 9, 15, 16, 17, 64] {
            for width in [1, 15, 16, 17, 31, 32, 33, 64, 65, 100, 288] {
                let numbers: Vec<u16> = (0..rank * width).map(|i| (i as u16).wrapping_mul(40_503) | 1).collect();
                let count = rank.div_ceil(2) * panels(width);
                for (plain, fast, what) in [(plain_a as Plain, pack_a as Fast, "A"), (plain_b, pack_b, "B")] {
                    let (mut expected, mut found) = (vec![Words([0; 16]); count], Vec::new());
                    plain(&numbers, rank, width, &mut expected);
                    fast(&numbers, rank, width, &mut found);
                    assert_eq!(found, expected, "{what}, rank {rank}, width {width}");
                }
            }
        }
    }

    type Plain = fn(&[u16], usize, usize, &mut [Words]);
    type Fast = fn(&[u16], usize, usize, &mut Vec<Words>);
}

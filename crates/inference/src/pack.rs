//! Base weights in the order in which products read them.

use crate::kernels::gemm::{self, PANEL};
use crate::kernels::soon::Soon;
use crate::kernels::{Bytes, Isa, LANE, Lane, Words, elementwise};

/// The arithmetic of the base model's linear layers. Both give the same bits on every machine; they are two models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Weights and activations in f32, one fused chain per output.
    F32Exact,
    /// Weights in int8 with a scale per output, activations quantised per token, sums in i32. Adapters, attention and norms
    /// stay f32.
    Int8Exact,
}

/// Panels of sixteen columns that `columns` take, an even number.
pub(crate) fn panels(columns: usize) -> usize {
    columns.div_ceil(PANEL) * 2
}

/// A vector padded with zeros to whole panels.
pub(crate) fn lanes(values: &[f32]) -> Vec<Lane> {
    let mut lanes = vec![Lane::ZERO; panels(values.len())];
    for (lane, chunk) in lanes.iter_mut().zip(values.chunks(LANE)) {
        lane.0[..chunk.len()].copy_from_slice(chunk);
    }
    lanes
}

/// Activations of some rows in panels, with their quantised form where the profile wants it.
#[derive(Default)]
pub(crate) struct Activations {
    pub(crate) rows: usize,
    pub(crate) lanes: Vec<Lane>,
    words: Vec<Words>,
    scales: Vec<f32>,
}

impl Activations {
    /// Makes room; what was in it is not kept, and nothing is cleared.
    pub(crate) fn resize(&mut self, rows: usize, columns: usize) {
        self.rows = rows;
        self.lanes.resize(rows * panels(columns), Lane::ZERO);
    }

    pub(crate) fn quantise(&mut self, isa: Isa) {
        self.scales.resize(self.rows, 0.0);
        self.words.resize(self.rows * (self.lanes.len() / self.rows).div_ceil(4), Words([0; 16]));
        elementwise::quantise(isa, &self.lanes, self.rows, &mut self.scales, &mut self.words);
    }
}

/// A linear layer's weights, `[outputs, inputs]`, packed in panels of 32 outputs.
pub(crate) struct PackedLinear {
    pub(crate) outputs: usize,
    inputs: usize,
    weights: Packed,
}

enum Packed {
    F32(Vec<Lane>),
    Int8 { weights: Vec<Bytes>, sums: Vec<[i32; PANEL]>, scales: Vec<[f32; PANEL]> },
}

impl PackedLinear {
    pub(crate) fn pack(weights: &[f32], outputs: usize, inputs: usize, profile: Profile) -> Self {
        assert_eq!(weights.len(), outputs * inputs, "a checked model has the weights that its shapes say");
        let packed = match profile {
            Profile::F32Exact => pack_f32(weights, outputs, inputs),
            Profile::Int8Exact => pack_int8(weights, outputs, inputs),
        };
        Self { outputs, inputs, weights: packed }
    }

    /// Panels of 32 outputs.
    pub(crate) fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    pub(crate) fn bytes(&self) -> usize {
        match &self.weights {
            Packed::F32(lanes) => size_of_val(&lanes[..]),
            Packed::Int8 { weights, sums, scales } => {
                size_of_val(&weights[..]) + size_of_val(&sums[..]) + size_of_val(&scales[..])
            }
        }
    }

    /// The product with `x` for consecutive panels of 32 outputs, from `first` on; as many as `y` has room for.
    pub(crate) fn product(&self, isa: Isa, x: &Activations, first: usize, y: &mut [Lane], mut soon: Soon<'_>) {
        for (panel, y) in (first..).zip(y.chunks_exact_mut(2 * x.rows)) {
            match &self.weights {
                Packed::F32(weights) => {
                    let size = 2 * self.inputs;
                    gemm::product(isa, &x.lanes, x.rows, &weights[panel * size..][..size], y, &mut soon);
                }
                Packed::Int8 { weights, sums, scales } => {
                    let size = 2 * self.inputs.div_ceil(4);
                    let weights = &weights[panel * size..][..size];
                    gemm::product_i8(isa, &x.words, x.rows, &x.scales, weights, &sums[panel], &scales[panel], y);
                }
            }
        }
    }

    /// The weights of one output, read back from the panels; `None` where they were quantised.
    pub(crate) fn row(&self, output: usize) -> Option<impl Iterator<Item = f32> + '_> {
        let Packed::F32(lanes) = &self.weights else { return None };
        let panel = &lanes[output / PANEL * 2 * self.inputs..][..2 * self.inputs];
        let (lane, index) = (output % PANEL / LANE, output % LANE);
        Some(panel.iter().skip(lane).step_by(2).map(move |lane| lane.0[index]))
    }
}

fn pack_f32(weights: &[f32], outputs: usize, inputs: usize) -> Packed {
    let mut lanes = vec![Lane::ZERO; outputs.div_ceil(PANEL) * inputs * 2];
    for (output, row) in weights.chunks_exact(inputs).enumerate() {
        let panel = &mut lanes[output / PANEL * inputs * 2..][..inputs * 2];
        let (lane, index) = (output % PANEL / LANE, output % LANE);
        for (input, weight) in row.iter().enumerate() {
            panel[2 * input + lane].0[index] = *weight;
        }
    }
    Packed::F32(lanes)
}

fn pack_int8(weights: &[f32], outputs: usize, inputs: usize) -> Packed {
    let (count, size) = (outputs.div_ceil(PANEL), 2 * inputs.div_ceil(4));
    let mut bytes = vec![Bytes([[0; 4]; 16]); count * size];
    let mut sums = vec![[0; PANEL]; count];
    let mut scales = vec![[0.0; PANEL]; count];
    for (output, row) in weights.chunks_exact(inputs).enumerate() {
        let (panel, column) = (output / PANEL, output % PANEL);
        let most = row.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
        scales[panel][column] = most / 127.0;
        let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
        for (input, weight) in row.iter().enumerate() {
            let quantised = (weight * inverse).round_ties_even() as i8;
            bytes[panel * size + input / 4 * 2 + column / LANE].0[column % LANE][input % 4] = quantised;
            sums[panel][column] += i32::from(quantised);
        }
    }
    Packed::Int8 { weights: bytes, sums, scales }
}

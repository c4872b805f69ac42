//! Rotary positions: tables of cosines and sines, generated once, from own arithmetic.

use crate::kernels::math::{exp64, ln, sin_cos};
use crate::model::{ModelConfig, RopeScaling};

/// `cosine[position][i]` and `sine[position][i]` of `position * frequency[i]`, for the two halves of a head.
pub(crate) struct Rope {
    half: usize,
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Rope {
    /// Tables for `positions` positions.
    pub(crate) fn new(config: &ModelConfig, positions: usize) -> Self {
        let frequencies = frequencies(config);
        let mut rope = Self { half: frequencies.len(), cosines: Vec::new(), sines: Vec::new() };
        for position in 0..positions {
            for frequency in &frequencies {
                // The angle is rounded to f32 as in the implementations that models were trained with.
                let (sine, cosine) = sin_cos(f64::from(position as f32 * frequency));
                rope.cosines.push(cosine as f32);
                rope.sines.push(sine as f32);
            }
        }
        rope
    }

    pub(crate) fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.half..(position + 1) * self.half;
        (&self.cosines[range.clone()], &self.sines[range])
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.cosines[..]) + size_of_val(&self.sines[..])
    }
}

/// `theta^(-2 i / head_dim)`, stretched as the model says, rounded to f32.
fn frequencies(config: &ModelConfig) -> Vec<f32> {
    let log = ln(config.rope_theta);
    (0..config.head_dim / 2)
        .map(|i| {
            let frequency = f64::from(exp64(-log * (2 * i) as f64 / config.head_dim as f64) as f32);
            scaled(frequency, &config.rope_scaling) as f32
        })
        .collect()
}

fn scaled(frequency: f64, scaling: &RopeScaling) -> f64 {
    match *scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        // Llama 3.1's published rule: by wavelength, with a linear blend between the two bounds.
        RopeScaling::Llama3 { factor, low_frequency_factor: low, high_frequency_factor: high, original_positions } => {
            let original = f64::from(original_positions);
            let wavelength = std::f64::consts::TAU / frequency;
            if wavelength > original / low {
                frequency / factor
            } else if wavelength < original / high {
                frequency
            } else {
                let blend = (original / wavelength - low) / (high - low);
                (1.0 - blend) * frequency / factor + blend * frequency
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rope_scaling: RopeScaling) -> ModelConfig {
        ModelConfig { head_dim: 64, rope_theta: 500_000.0, rope_scaling, ..crate::synthetic::config(64, 1, 32) }
    }

    #[test]
    fn plain_frequencies_are_powers_of_theta() {
        for (i, frequency) in frequencies(&config(RopeScaling::None)).into_iter().enumerate() {
            let expected = 500_000f64.powf(-(i as f64) / 32.0) as f32;
            assert!((frequency - expected).abs() <= expected * f32::EPSILON, "{i}: {frequency} {expected}");
        }
    }

    #[test]
    fn llama3_keeps_high_frequencies_divides_low_ones_and_blends_between() {
        let plain = frequencies(&config(RopeScaling::None));
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_frequency_factor: 1.0,
            high_frequency_factor: 4.0,
            original_positions: 8192,
        };
        let stretched = frequencies(&config(scaling));
        let mut kinds = [0; 3];
        for (plain, stretched) in plain.iter().zip(&stretched) {
            let wavelength = std::f32::consts::TAU / plain;
            if wavelength < 2048.0 {
                kinds[0] += 1;
                assert_eq!(stretched, plain);
            } else if wavelength > 8192.0 {
                kinds[1] += 1;
                assert_eq!(*stretched, plain / 8.0);
            } else {
                kinds[2] += 1;
                let smooth = (8192.0 / wavelength - 1.0) / 3.0;
                let expected = plain * (smooth + (1.0 - smooth) / 8.0);
                assert!((stretched - expected).abs() < 1e-5 * expected, "{stretched} {expected}");
            }
        }
        assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
        let linear = frequencies(&config(RopeScaling::Linear { factor: 4.0 }));
        assert!(linear.iter().zip(&plain).all(|(a, b)| *a == b / 4.0));
    }

    #[test]
    fn tables_turn_by_the_angle() {
        let config = config(RopeScaling::None);
        let rope = Rope::new(&config, 5000);
        for position in [0, 1, 17, 4999] {
            let (cosines, sines) = rope.at(position);
            for (i, frequency) in frequencies(&config).into_iter().enumerate() {
                let angle = f64::from(position as f32 * frequency);
                assert!((f64::from(cosines[i]) - angle.cos()).abs() < 1e-7);
                assert!((f64::from(sines[i]) - angle.sin()).abs() < 1e-7);
            }
        }
    }
}

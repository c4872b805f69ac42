//! Elementary functions from IEEE operations alone, so that they give the same bits everywhere.
//!
//! The f32 ones run inside kernels and are written to be vectorised by the compiler; the f64 ones make tables and run
//! rarely. Errors are measured against the platform's libm by `kernels/tests.rs`: at most 2 units in the last place for
//! [`exp`] (over the whole range of results that are normal numbers), 4 for [`silu`], and 2e-15 absolute for
//! [`sin_cos`], relative for [`exp64`], [`ln`] absolute.

use std::f64::consts::{FRAC_PI_2, LN_2, LOG2_E};

/// Adding this and taking it away rounds to an integer (ties to even), whose low bits stand in the sum's mantissa.
const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23

/// e^x. Arguments below -87.3 give e^-87.3 (the smallest normal number) and above 88.3 give e^88.3; NaN gives the former.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let x = if x > -87.3 { x } else { -87.3 };
    let x = if x < 88.3 { x } else { 88.3 };
    // x = n ln 2 + r, with ln 2 in two parts, the first short enough that its products with n are exact (Cody, Waite).
    let shifted = x.mul_add(LOG2_E as f32, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    // Taylor on |r| <= ln 2 / 2: the first term left out is below 6e-9.
    let mut p = 1.0 / 5040.0;
    p = r.mul_add(p, 1.0 / 720.0);
    p = r.mul_add(p, 1.0 / 120.0);
    p = r.mul_add(p, 1.0 / 24.0);
    p = r.mul_add(p, 1.0 / 6.0);
    p = r.mul_add(p, 0.5);
    p = r.mul_add(p, 1.0);
    p = r.mul_add(p, 1.0);
    // n is in -126..=127: the exponent of a normal number.
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    p * f32::from_bits(exponent << 23)
}

/// x / (1 + e^-x).
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// e^x for |x| < 700.
pub(crate) fn exp64(x: f64) -> f64 {
    let n = (x * LOG2_E).round_ties_even();
    let r = n.mul_add(-LN_2, x);
    // What LN_2 lacks of ln 2.
    let r = n.mul_add(-2.319_046_813_846_3e-17, r);
    let mut p = 1.0;
    for k in (1..=18).rev() {
        p = (r / f64::from(k)).mul_add(p, 1.0);
    }
    p * f64::from_bits(((n as i64 + 1023) as u64) << 52)
}

/// The natural logarithm of a positive normal number.
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)), and the argument is below 0.172.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut series = 0.0;
    for k in (0..14).rev() {
        series = square.mul_add(series, 1.0 / f64::from(2 * k + 1));
    }
    (exponent as f64).mul_add(LN_2, 2.0 * s * series)
}

/// Sine and cosine for |x| < 2^24.
pub(crate) fn sin_cos(x: f64) -> (f64, f64) {
    let n = (x * std::f64::consts::FRAC_2_PI).round_ties_even();
    // pi / 2 in three parts; the products of the first are not exact, but fused.
    let r = n.mul_add(-FRAC_PI_2, x);
    let r = n.mul_add(-6.123_233_995_736_766e-17, r);
    let square = r * r;
    let (mut sine, mut cosine) = (1.0, 1.0);
    for k in (1..=9).rev() {
        let k = f64::from(2 * k);
        sine = (-square / (k * (k + 1.0))).mul_add(sine, 1.0);
        cosine = (-square / (k * (k - 1.0))).mul_add(cosine, 1.0);
    }
    let sine = r * sine;
    match (n as i64).rem_euclid(4) {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

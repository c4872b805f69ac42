//! The arithmetic of a forward pass: the same bits on every machine, in every batch, in every chunk, on any number of
//! threads.
//!
//! Each kernel is written once, over the vectors of [`simd::Simd`], and compiled for each instruction set. What makes
//! the three agree is not a test but the rules they are written under; the tests (`kernels/tests.rs`) hold them to it:
//!
//! * Only operations that IEEE 754 defines to the bit: `+ - * /`, square root, fused multiply-add, and integers. No
//!   libm, no approximate reciprocals, no fast-math.
//! * A *product* (matrix times vector, attention) is one chain per output: `acc = fma(x[k], w[k], acc)`, k ascending.
//!   Vectors run across outputs, so that no width shows in a result.
//! * A *reduction* (norms, softmax sums, the rank side of adapters) is sixteen chains, of the elements whose index is the
//!   same modulo 16, then `a[i] += a[i + 8]`, `4`, `2`, `1`.
//! * Nothing depends on which rows share a call, or on which thread computes which output.
//!
//! Matrices of activations lie in *panels*: sixteen columns of all rows, then the next sixteen: the lane at
//! `column / 16 * rows + row` holds the columns of `row`. Columns are padded to 32 with zeros. So a thread owns whole
//! columns as one contiguous slice, and nothing here needs shared mutable memory.

// A kernel takes slices, strides and counts; and loops over lanes are written over lanes, with several arrays at once.
#![allow(clippy::too_many_arguments, clippy::needless_range_loop)]

pub(crate) mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod elementwise;
pub(crate) mod gemm;
pub(crate) mod lora;
pub(crate) mod math;
mod simd;
pub(crate) mod soon;
#[cfg(test)]
mod tests;

pub(crate) use simd::{Bytes, Lane, Portable, Words};

/// Columns of a panel.
pub(crate) const LANE: usize = 16;

/// An instruction set that the kernels are compiled for. All give the same bits; a value exists only where the machine
/// has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(pub(crate) Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Portable(Portable),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
}

impl Isa {
    /// Plain Rust, for any machine. On one with fused multiply-add in its baseline (aarch64) this is fast, on x86-64 it is
    /// the slow path.
    pub fn portable() -> Self {
        Self(Kind::Portable(Portable))
    }

    /// AVX2 with FMA, where the machine has them.
    pub fn avx2() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return avx2::Avx2::detect().map(|token| Self(Kind::Avx2(token)));
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// AVX-512 (F, BW, DQ, VL) with VNNI, where the machine has them.
    pub fn avx512() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return avx512::Avx512::detect().map(|token| Self(Kind::Avx512(token)));
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// The fastest that this machine has.
    pub fn best() -> Self {
        Self::avx512().or_else(Self::avx2).unwrap_or_else(Self::portable)
    }

    /// All that this machine has, the portable one first.
    pub fn available() -> Vec<Self> {
        [Some(Self::portable()), Self::avx2(), Self::avx512()].into_iter().flatten().collect()
    }

    /// For reports: `portable`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
        }
    }
}

/// Declares a kernel: a function that takes an [`Isa`] first and runs `body`, compiled for that instruction set.
macro_rules! kernel {
    ($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:ident) => {
        $(#[$meta])*
        pub(crate) fn $name(isa: $crate::kernels::Isa, $($argument: $type),*) $(-> $result)? {
            use $crate::kernels::Kind;
            #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
            fn avx512(token: $crate::kernels::avx512::Avx512, $($argument: $type),*) $(-> $result)? {
                $body(token, $($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
            fn avx2(token: $crate::kernels::avx2::Avx2, $($argument: $type),*) $(-> $result)? {
                $body(token, $($argument),*)
            }
            match isa.0 {
                Kind::Portable(token) => $body(token, $($argument),*),
                // SAFETY: a token of `Avx2` exists only where `detect` found the features that the function enables.
                #[cfg(target_arch = "x86_64")]
                Kind::Avx2(token) => unsafe { avx2(token, $($argument),*) },
                // SAFETY: as above, for `Avx512`.
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512(token) => unsafe { avx512(token, $($argument),*) },
            }
        }
    };
}
pub(crate) use kernel;

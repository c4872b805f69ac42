//! The lanes as one 512-bit register.

use std::arch::x86_64::*;

use super::simd::{Bytes, Lane, Simd, Words};

/// Proof that the machine has AVX-512 F, BW, DQ, VL and VNNI: only [`Avx512::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma");
        found.then_some(Self(()))
    }
}

/// An intrinsic, or several.
macro_rules! intrinsics {
    ($body:expr) => {
        // SAFETY: the methods below take an `Avx512`, which exists only where `detect` found every feature that they
        // use. Loads and stores go through references to 64 bytes that are aligned to 64.
        unsafe { $body }
    };
}

impl Simd for Avx512 {
    // 12 x 2 accumulators, two vectors of weights and a broadcast fit the 32 registers.
    const ROWS: usize = 12;
    const COLUMNS: usize = 2;
    const BYTES_ABOVE: i32 = 128;
    type F = __m512;
    type I = __m512i;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        intrinsics!(_mm512_set1_ps(x))
    }

    #[inline(always)]
    fn load(self, from: &Lane) -> __m512 {
        intrinsics!(_mm512_load_ps(from.0.as_ptr()))
    }

    #[inline(always)]
    fn store(self, x: __m512, to: &mut Lane) {
        intrinsics!(_mm512_store_ps(to.0.as_mut_ptr(), x))
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        intrinsics!(_mm512_add_ps(a, b))
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        intrinsics!(_mm512_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn widen(self, from: &Words) -> (__m512, __m512) {
        intrinsics!({
            let pairs = _mm512_load_si512(from.0.as_ptr().cast());
            let high = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            (_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs)), _mm512_castsi512_ps(high))
        })
    }

    // Each step adds the lanes that the specification adds, of two vectors at once; the last puts the sums in order.
    #[inline(always)]
    fn sums(self, x: [__m512; 8]) -> [f32; 8] {
        intrinsics!({
            let eights = |a, b| {
                _mm512_add_ps(_mm512_shuffle_f32x4::<0b01_00_01_00>(a, b), _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b))
            };
            let fours = |a, b| {
                _mm512_add_ps(_mm512_shuffle_f32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b))
            };
            let u = fours(eights(x[0], x[1]), eights(x[2], x[3]));
            let v = fours(eights(x[4], x[5]), eights(x[6], x[7]));
            let twos =
                _mm512_add_ps(_mm512_shuffle_ps::<0b01_00_01_00>(u, v), _mm512_shuffle_ps::<0b11_10_11_10>(u, v));
            let ones = _mm512_add_ps(
                _mm512_shuffle_ps::<0b10_00_10_00>(twos, twos),
                _mm512_shuffle_ps::<0b11_01_11_01>(twos, twos),
            );
            let mut sums = Lane::ZERO;
            _mm512_store_ps(sums.0.as_mut_ptr(), ones);
            let [a, e, _, _, b, f, _, _, c, g, _, _, d, h, _, _] = sums.0;
            [a, b, c, d, e, f, g, h]
        })
    }

    #[inline(always)]
    fn prefetch<T>(self, line: *const T) {
        // Prefetches do not fault.
        intrinsics!(_mm_prefetch::<_MM_HINT_T1>(line.cast()))
    }

    #[inline(always)]
    fn zero_i32(self) -> __m512i {
        intrinsics!(_mm512_setzero_si512())
    }

    #[inline(always)]
    fn dot4(self, acc: __m512i, x: u32, w: &Bytes) -> __m512i {
        intrinsics!(_mm512_dpbusd_epi32(acc, _mm512_set1_epi32(x as i32), _mm512_load_si512(w.0.as_ptr().cast())))
    }

    #[inline(always)]
    fn store_i32(self, x: __m512i) -> [i32; 16] {
        let mut out = [0; 16];
        intrinsics!(_mm512_storeu_si512(out.as_mut_ptr().cast(), x));
        out
    }
}

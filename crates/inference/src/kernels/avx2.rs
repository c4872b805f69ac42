//! The lanes as two 256-bit registers.

use std::arch::x86_64::*;

use super::simd::{Bytes, Lane, Simd, Words};

/// Proof that the machine has AVX2 and FMA: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

/// An intrinsic, or several. Nothing that holds vectors goes through a closure, here or in a kernel (`map`, `from_fn`): a
/// closure is a function without the instruction set, and where it is not inlined every vector goes through memory.
macro_rules! intrinsics {
    ($body:expr) => {
        // SAFETY: the methods below take an `Avx2`, which exists only where `detect` found AVX2 and FMA. Loads and stores
        // go through references to 64 bytes, 32 at a time; the aligned ones through types aligned to 64.
        unsafe { $body }
    };
}

impl Simd for Avx2 {
    // 6 x 2 accumulators, two vectors of weights and a broadcast fit the 16 registers.
    const ROWS: usize = 6;
    const COLUMNS: usize = 1;
    const BYTES_ABOVE: i32 = 0;
    type F = [__m256; 2];
    type I = [__m256i; 2];

    #[inline(always)]
    fn splat(self, x: f32) -> [__m256; 2] {
        [intrinsics!(_mm256_set1_ps(x)); 2]
    }

    #[inline(always)]
    fn load(self, from: &Lane) -> [__m256; 2] {
        let (low, high) = from.0.split_at(8);
        intrinsics!([_mm256_load_ps(low.as_ptr()), _mm256_load_ps(high.as_ptr())])
    }

    #[inline(always)]
    fn store(self, x: [__m256; 2], to: &mut Lane) {
        let (low, high) = to.0.split_at_mut(8);
        intrinsics!({
            _mm256_store_ps(low.as_mut_ptr(), x[0]);
            _mm256_store_ps(high.as_mut_ptr(), x[1]);
        })
    }

    #[inline(always)]
    fn add(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        intrinsics!([_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn fma(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        intrinsics!([_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])])
    }

    #[inline(always)]
    fn widen(self, from: &Words) -> ([__m256; 2], [__m256; 2]) {
        let (low, high) = from.0.split_at(8);
        intrinsics!({
            let mask = _mm256_set1_epi32(0xffff_0000_u32 as i32);
            let low = _mm256_load_si256(low.as_ptr().cast());
            let high = _mm256_load_si256(high.as_ptr().cast());
            let lower = [_mm256_slli_epi32::<16>(low), _mm256_slli_epi32::<16>(high)];
            let upper = [_mm256_and_si256(low, mask), _mm256_and_si256(high, mask)];
            (
                [_mm256_castsi256_ps(lower[0]), _mm256_castsi256_ps(lower[1])],
                [_mm256_castsi256_ps(upper[0]), _mm256_castsi256_ps(upper[1])],
            )
        })
    }

    // Each step adds the lanes that the specification adds, of two vectors at once; the last puts the sums in order.
    #[inline(always)]
    fn sums(self, x: [[__m256; 2]; 8]) -> [f32; 8] {
        intrinsics!({
            let mut eights = [_mm256_setzero_ps(); 8];
            for i in 0..8 {
                eights[i] = _mm256_add_ps(x[i][0], x[i][1]);
            }
            let fours =
                |a, b| _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
            let twos = |a, b| {
                _mm256_add_ps(_mm256_shuffle_ps::<0b01_00_01_00>(a, b), _mm256_shuffle_ps::<0b11_10_11_10>(a, b))
            };
            let u = twos(fours(eights[0], eights[1]), fours(eights[2], eights[3]));
            let v = twos(fours(eights[4], eights[5]), fours(eights[6], eights[7]));
            let ones =
                _mm256_add_ps(_mm256_shuffle_ps::<0b10_00_10_00>(u, v), _mm256_shuffle_ps::<0b11_01_11_01>(u, v));
            let mut sums = [0.0; 8];
            _mm256_storeu_ps(sums.as_mut_ptr(), ones);
            let [a, c, e, g, b, d, f, h] = sums;
            [a, b, c, d, e, f, g, h]
        })
    }

    #[inline(always)]
    fn prefetch<T>(self, line: *const T) {
        // Prefetches do not fault.
        intrinsics!(_mm_prefetch::<_MM_HINT_T1>(line.cast()))
    }

    #[inline(always)]
    fn zero_i32(self) -> [__m256i; 2] {
        [intrinsics!(_mm256_setzero_si256()); 2]
    }

    // `maddubs` adds pairs of products of an unsigned and a signed byte and saturates at 2^15. As sizes times signs
    // (|w| times q with the sign of w) a pair is at most 2 x 127 x 127, which is below.
    #[inline(always)]
    fn dot4(self, acc: [__m256i; 2], x: u32, w: &Bytes) -> [__m256i; 2] {
        let (low, high) = w.0.split_at(8);
        intrinsics!({
            let q = _mm256_set1_epi32((x ^ 0x8080_8080) as i32);
            let ones = _mm256_set1_epi16(1);
            let (low, high) = (_mm256_load_si256(low.as_ptr().cast()), _mm256_load_si256(high.as_ptr().cast()));
            let lower = _mm256_maddubs_epi16(_mm256_abs_epi8(low), _mm256_sign_epi8(q, low));
            let upper = _mm256_maddubs_epi16(_mm256_abs_epi8(high), _mm256_sign_epi8(q, high));
            [
                _mm256_add_epi32(acc[0], _mm256_madd_epi16(lower, ones)),
                _mm256_add_epi32(acc[1], _mm256_madd_epi16(upper, ones)),
            ]
        })
    }

    #[inline(always)]
    fn store_i32(self, x: [__m256i; 2]) -> [i32; 16] {
        let mut out = [0; 16];
        for (half, to) in x.into_iter().zip(out.chunks_exact_mut(8)) {
            intrinsics!(_mm256_storeu_si256(to.as_mut_ptr().cast(), half));
        }
        out
    }
}

//! Sixteen virtual lanes: the vector that every kernel is written over, and its plain meaning.

/// Sixteen numbers, aligned as a cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Lane(pub(crate) [f32; 16]);

impl Lane {
    pub(crate) const ZERO: Self = Self([0.0; 16]);
}

/// Sixteen words of 32 bits. For adapters, a word holds a pair of bfloat16: the low half of word `i` is lane `i` of one
/// vector, the high half that of the next; one load, one shift and one mask make two vectors of f32 of it. For int8, a
/// word holds four consecutive quantised activations of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Words(pub(crate) [u32; 16]);

/// Four signed bytes for each of sixteen lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Bytes(pub(crate) [[i8; 4]; 16]);

/// Sixteen lanes of f32 (`F`) and of i32 (`I`). [`Portable`] says what each operation means; the others do the same, bit
/// for bit.
pub(crate) trait Simd: Copy + Send + Sync {
    /// Rows of a tile of a matrix product, at most 12.
    const ROWS: usize;
    /// Lanes of columns of a tile, 1 or 2.
    const COLUMNS: usize;
    /// How much the bytes that [`Simd::dot4`] multiplies with are above the signed numbers that they stand for: 128, or 0
    /// where it takes that off itself.
    const BYTES_ABOVE: i32;
    type F: Copy;
    type I: Copy;

    fn splat(self, x: f32) -> Self::F;
    fn load(self, from: &Lane) -> Self::F;
    fn store(self, x: Self::F, to: &mut Lane);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The two vectors of bfloat16 in a line, as f32.
    fn widen(self, from: &Words) -> (Self::F, Self::F);
    /// For each vector the sum of its lanes: `a[i] += a[i + 8]`, then 4, 2, 1.
    fn sums(self, x: [Self::F; 8]) -> [f32; 8];
    /// Brings a cache line towards the core. No meaning; the pointer may point anywhere.
    fn prefetch<T>(self, line: *const T);

    fn zero_i32(self) -> Self::I;
    /// `acc[i] += sum over b of (x[b] - 128 + BYTES_ABOVE) * w[i][b]`, with `x` four unsigned bytes from 1 on and `w` from -127
    /// on. Nothing saturates.
    fn dot4(self, acc: Self::I, x: u32, w: &Bytes) -> Self::I;
    fn store_i32(self, x: Self::I) -> [i32; 16];
}

/// The specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portable;

impl Simd for Portable {
    const ROWS: usize = 4;
    const COLUMNS: usize = 1;
    const BYTES_ABOVE: i32 = 128;
    type F = [f32; 16];
    type I = [i32; 16];

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 16] {
        [x; 16]
    }

    #[inline(always)]
    fn load(self, from: &Lane) -> [f32; 16] {
        from.0
    }

    #[inline(always)]
    fn store(self, x: [f32; 16], to: &mut Lane) {
        to.0 = x;
    }

    #[inline(always)]
    fn add(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn fma(self, a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }

    #[inline(always)]
    fn widen(self, from: &Words) -> ([f32; 16], [f32; 16]) {
        (from.0.map(|pair| f32::from_bits(pair << 16)), from.0.map(|pair| f32::from_bits(pair & 0xffff_0000)))
    }

    #[inline(always)]
    fn sums(self, x: [[f32; 16]; 8]) -> [f32; 8] {
        x.map(super::elementwise::tree)
    }

    #[inline(always)]
    fn prefetch<T>(self, _: *const T) {}

    #[inline(always)]
    fn zero_i32(self) -> [i32; 16] {
        [0; 16]
    }

    #[inline(always)]
    fn dot4(self, acc: [i32; 16], x: u32, w: &Bytes) -> [i32; 16] {
        let x = x.to_le_bytes();
        std::array::from_fn(|i| {
            let products = (0..4).map(|b| i32::from(x[b]) * i32::from(w.0[i][b]));
            products.fold(acc[i], |sum, product| sum.wrapping_add(product))
        })
    }

    #[inline(always)]
    fn store_i32(self, x: [i32; 16]) -> [i32; 16] {
        x
    }
}

//! The blocks that GGUF stores numbers in, and what numbers they are. Layouts: ggml's `ggml-common.h`; formulas: its
//! `dequantize_row_*` reference functions.

use super::numbers::{from_bf16, from_f16};

/// Type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F32,
    F16,
    Bf16,
    /// 32 bytes with a scale.
    Q8_0,
    /// 256 numbers of 4 bits; eight 6-bit scales and minima.
    Q4K,
    /// 256 numbers of 5 bits; eight 6-bit scales and minima. Part of files called Q4_K_S.
    Q5K,
    /// 256 numbers of 6 bits; sixteen 8-bit scales. Part of files called Q4_K_M.
    Q6K,
    /// Known to ggml, not decoded: number, elements and bytes of a block.
    Other(u32, u64, u64),
}

impl Kind {
    pub(super) fn parse(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::F32,
            1 => Self::F16,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            2 => Self::Other(2, 32, 18),
            3 => Self::Other(3, 32, 20),
            6 => Self::Other(6, 32, 22),
            7 => Self::Other(7, 32, 24),
            10 => Self::Other(10, 256, 84),
            11 => Self::Other(11, 256, 110),
            20 => Self::Other(20, 32, 18),
            23 => Self::Other(23, 256, 136),
            24 => Self::Other(24, 1, 1),
            25 => Self::Other(25, 1, 2),
            26 => Self::Other(26, 1, 4),
            27 | 28 => Self::Other(number, 1, 8),
            _ => return None,
        })
    }

    pub(super) fn block_elements(self) -> u64 {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
            Self::Other(_, elements, _) => elements,
        }
    }

    pub(super) fn block_bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Other(_, _, bytes) => bytes,
        }
    }

    /// Name in ggml, or its number.
    pub(super) fn name(self) -> String {
        match self {
            Self::F32 => "F32".into(),
            Self::F16 => "F16".into(),
            Self::Bf16 => "BF16".into(),
            Self::Q8_0 => "Q8_0".into(),
            Self::Q4K => "Q4_K".into(),
            Self::Q5K => "Q5_K".into(),
            Self::Q6K => "Q6_K".into(),
            Self::Other(number, ..) => format!("{number} of ggml"),
        }
    }

    pub(super) fn is_decoded(self) -> bool {
        !matches!(self, Self::Other(..))
    }

    /// Appends the numbers of whole blocks.
    pub(super) fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        let blocks = bytes.chunks_exact(self.block_bytes() as usize);
        match self {
            Self::F32 => out.extend(blocks.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))),
            Self::F16 => out.extend(blocks.map(half)),
            Self::Bf16 => out.extend(blocks.map(|bytes| from_bf16(u16::from_le_bytes([bytes[0], bytes[1]])))),
            Self::Q8_0 => blocks.for_each(|block| {
                let scale = half(block);
                out.extend(block[2..].iter().map(|&byte| scale * f32::from(byte as i8)));
            }),
            Self::Q4K => blocks.for_each(|block| q4_k(block, None, &block[16..], out)),
            Self::Q5K => blocks.for_each(|block| q4_k(block, Some(&block[16..48]), &block[48..], out)),
            Self::Q6K => blocks.for_each(|block| q6_k(block, out)),
            Self::Other(..) => unreachable!("refused before its data are read"),
        }
    }
}

fn half(bytes: &[u8]) -> f32 {
    from_f16(u16::from_le_bytes([bytes[0], bytes[1]]))
}

/// Four pairs of groups of 32: the low four bits of 32 bytes, then their high four bits; the fifth bits of group `g` are
/// bit `g` of the 32 bytes of `fifth`.
fn q4_k(block: &[u8], fifth: Option<&[u8]>, low: &[u8], out: &mut Vec<f32>) {
    let (scale, minimum) = (half(block), half(&block[2..]));
    for (group, nibbles) in (0..8).map(|group| (group, &low[group / 2 * 32..][..32])) {
        let (group_scale, group_minimum) = scale_and_minimum(&block[4..16], group);
        let (scale, minimum) = (scale * f32::from(group_scale), minimum * f32::from(group_minimum));
        for (index, &byte) in nibbles.iter().enumerate() {
            let nibble = if group % 2 == 0 { byte & 15 } else { byte >> 4 };
            let high = fifth.map_or(0, |fifth| fifth[index] >> group & 1);
            out.push(scale * f32::from(nibble | high << 4) - minimum);
        }
    }
}

/// Eight scales and eight minima of six bits in twelve bytes: ggml's `get_scale_min_k4`.
fn scale_and_minimum(packed: &[u8], group: usize) -> (u8, u8) {
    if group < 4 {
        return (packed[group] & 63, packed[group + 4] & 63);
    }
    let low = packed[group + 4];
    (low & 15 | packed[group - 4] >> 6 << 4, low >> 4 | packed[group] >> 6 << 4)
}

/// Two halves of 128; in each, 64 bytes of low bits, 32 bytes of high bits, 8 scales.
fn q6_k(block: &[u8], out: &mut Vec<f32>) {
    let (low, high, scales, scale) = (&block[..128], &block[128..192], &block[192..208], half(&block[208..]));
    for part in 0..2 {
        let (low, high, scales) = (&low[part * 64..], &high[part * 32..], &scales[part * 8..]);
        for quarter in 0..4 {
            for index in 0..32 {
                let byte = low[quarter % 2 * 32 + index];
                let nibble = if quarter < 2 { byte & 15 } else { byte >> 4 };
                let bits = nibble | (high[index] >> (2 * quarter) & 3) << 4;
                let group = scales[quarter * 2 + index / 16] as i8;
                out.push(scale * f32::from(group) * f32::from(bits as i8 - 32));
            }
        }
    }
}

//! From opened leaves to a root: which leaves are opened, and the hashes that are not.

use super::{Hash, ProofError};

/// `23 ‖ left ‖ right`.
const NODE: u8 = 0x23;

/// The hash of two nodes.
pub(crate) fn node(keccak256: &impl Fn(&[u8]) -> Hash, left: &Hash, right: &Hash) -> Hash {
    let mut preimage = [NODE; 65];
    preimage[1..33].copy_from_slice(left);
    preimage[33..].copy_from_slice(right);
    keccak256(&preimage)
}

/// Levels above the leaves.
pub(crate) fn height(leaves: u32) -> u32 {
    leaves.max(1).next_power_of_two().ilog2()
}

/// The leaves of a tree that a proof opens: at most three stretches, ascending and apart.
#[derive(Clone, Copy)]
pub(crate) struct Opened {
    stretches: [(u32, u32); 3],
    count: usize,
}

impl Opened {
    /// No leaf at all.
    pub(crate) const NOTHING: Self = Self { stretches: [(u32::MAX, u32::MAX); 3], count: 0 };

    /// Of up to three ranges in any order, none of them empty.
    pub(crate) fn new(ranges: impl IntoIterator<Item = core::ops::Range<u32>>) -> Self {
        let mut all = [(u32::MAX, u32::MAX); 3];
        let mut given = 0;
        for (slot, range) in all.iter_mut().zip(ranges) {
            *slot = (range.start, range.end);
            given += 1;
        }
        all.sort_unstable();
        let mut opened = Self { stretches: all, count: 0 };
        for (start, end) in all.into_iter().take(given) {
            match opened.count.checked_sub(1).map(|last| &mut opened.stretches[last]) {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => {
                    opened.stretches[opened.count] = (start, end);
                    opened.count += 1;
                }
            }
        }
        opened
    }

    pub(crate) fn stretches(&self) -> impl Iterator<Item = core::ops::Range<u32>> {
        self.stretches[..self.count].iter().map(|(start, end)| *start..*end)
    }

    /// The opened leaves, ascending.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = u32> {
        self.stretches().flatten()
    }

    /// Whether any leaf in `[from, to)` is opened.
    pub(crate) fn touches(&self, from: u64, to: u64) -> bool {
        self.stretches().any(|leaves| u64::from(leaves.start) < to && from < u64::from(leaves.end))
    }

    /// Hashes that lead from the opened leaves to the root; the root itself where nothing is opened.
    pub(crate) fn siblings(&self, leaves: u32) -> usize {
        if self.count == 0 {
            return 1;
        }
        // Each level, bottom up: the nodes above the opened leaves are stretches again, and every stretch lacks at most
        // the node before its first and the one behind its last.
        let mut stretches = *self;
        let (mut width, mut siblings) = (leaves, 0);
        while width > 1 {
            for nodes in stretches.stretches() {
                siblings += usize::from(nodes.start % 2 == 1) + usize::from(nodes.end % 2 == 1 && nodes.end < width);
            }
            width = width.div_ceil(2);
            stretches = Self::new(stretches.stretches().map(|nodes| nodes.start / 2..nodes.end.div_ceil(2)));
        }
        siblings
    }
}

/// Climbs from the opened leaves, asked for in ascending order, to the root of a tree with `leaves` leaves. Hashes of what
/// is not opened are taken from `siblings`, left to right, of which there are [`Opened::siblings`].
pub(crate) fn root(
    keccak256: &impl Fn(&[u8]) -> Hash,
    leaves: u32,
    opened: &Opened,
    siblings: &[u8],
    leaf: impl FnMut(u32) -> Result<Hash, ProofError>,
) -> Result<Hash, ProofError> {
    Climb { leaves, opened, keccak256, leaf, siblings }.node(height(leaves), 0)
}

struct Climb<'a, K, L> {
    leaves: u32,
    opened: &'a Opened,
    keccak256: &'a K,
    leaf: L,
    siblings: &'a [u8],
}

impl<K: Fn(&[u8]) -> Hash, L: FnMut(u32) -> Result<Hash, ProofError>> Climb<'_, K, L> {
    /// The hash of node `index` at `level`; leaves are level 0. At most 32 calls deep.
    fn node(&mut self, level: u32, index: u32) -> Result<Hash, ProofError> {
        let from = u64::from(index) << level;
        if !self.opened.touches(from, from + (1 << level)) {
            let (sibling, rest) =
                self.siblings.split_first_chunk().expect("siblings were counted when the proof was taken apart");
            self.siblings = rest;
            return Ok(*sibling);
        }
        if level == 0 {
            return (self.leaf)(index);
        }
        let left = self.node(level - 1, 2 * index)?;
        if from + (1 << (level - 1)) >= u64::from(self.leaves) {
            // An odd last node moves up unchanged.
            return Ok(left);
        }
        let right = self.node(level - 1, 2 * index + 1)?;
        Ok(node(self.keccak256, &left, &right))
    }
}

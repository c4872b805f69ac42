//! Rows read back from the calldata that settled them, so that a row can be opened without the help of who settled it.
//!
//! Whoever settles writes these bytes, and may lie in them as anywhere. Nothing is copied before it is known to be needed,
//! and no length is believed: what is read is bounded by the bytes at hand and by the number of rows that the chain tells.

use alloy_primitives::{Address, B256, U256};

use super::{Row, Tables};
use crate::{receipt::MAX_VERSIONS, shares::MAX_SHARES};

/// Bytes of a packed row before its versions.
const HEAD: usize = 54;
const WORD: usize = 32;
/// Bytes of a tab before what it points to.
const TAB: usize = 6 * WORD;

/// Bytes are not what a settlement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// A row ends early or names what is not in the tables.
    #[error("row {0} ends early or names something that is not in the tables")]
    Row(usize),
    /// There is something behind the last row.
    #[error("{0} bytes are behind the last row")]
    Rest(usize),
    /// The arguments are cut off, or name more rows than there are.
    #[error("these are not the arguments of a settlement of so many rows")]
    Arguments,
}

impl Tables {
    /// Reads back `count` rows that were packed one after the other by [`Tables::pack`], as the contract reads them: to the
    /// last byte.
    pub fn unpack(&self, count: u32, bytes: &[u8]) -> Result<Vec<Row>, UnpackError> {
        // No capacity by `count`, which nobody has checked yet: every row takes its bytes.
        let (mut rows, mut rest) = (Vec::new(), bytes);
        for index in 0..count as usize {
            let (row, behind) = self.unpack_one(rest).ok_or(UnpackError::Row(index))?;
            rows.push(row);
            rest = behind;
        }
        if rest.is_empty() { Ok(rows) } else { Err(UnpackError::Rest(rest.len())) }
    }

    fn unpack_one<'a>(&self, bytes: &'a [u8]) -> Option<(Row, &'a [u8])> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let (versions, shares) = (usize::from(head[52]), usize::from(head[53]));
        if versions > MAX_VERSIONS || shares > MAX_SHARES {
            return None;
        }
        let (named, rest) = rest.split_at_checked(2 * versions)?;
        let (credited, rest) = rest.split_at_checked(5 * shares)?;
        let row = Row {
            receipt: B256::from_slice(&head[..32]),
            fee: u128::from_be_bytes(head[32..48].try_into().ok()?),
            model: *self.models.get(place(&head[48..50]))?,
            worker: *self.workers.get(place(&head[50..52]))?,
            versions: named.chunks_exact(2).map(|at| self.versions.get(place(at)).copied()).collect::<Option<_>>()?,
            shares: credited
                .chunks_exact(5)
                .map(|share| {
                    let ppm = u32::from_be_bytes([0, share[2], share[3], share[4]]);
                    Some(U256::from(u128::from(*self.sources.get(place(&share[..2]))?) << 32 | u128::from(ppm)))
                })
                .collect::<Option<_>>()?,
        };
        Some((row, rest))
    }
}

/// An index of 16 bits.
fn place(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |place, byte| place << 8 | usize::from(*byte))
}

/// The rows of a batch with their payers, in the order of its tree, from the arguments of `settle(Tables,Tab[])` behind the
/// selector. `most` is how many rows the chain says there are: more are refused.
pub fn read_settle(arguments: &[u8], most: u32) -> Result<Vec<(Address, Row)>, UnpackError> {
    let data = Calldata(arguments);
    let tables = data.tables().ok_or(UnpackError::Arguments)?;
    let mut rows = Vec::new();
    for tab in data.tabs(most).ok_or(UnpackError::Arguments)? {
        if tab.count as usize > most as usize - rows.len() {
            return Err(UnpackError::Arguments);
        }
        rows.extend(tables.unpack(tab.count, tab.rows)?.into_iter().map(|row| (tab.payer, row)));
    }
    Ok(rows)
}

struct TabBytes<'a> {
    payer: Address,
    count: u32,
    rows: &'a [u8],
}

/// ABI-encoded arguments. An offset may lead anywhere in them, several to one place, too: so nothing is copied but what the
/// bytes themselves bound.
struct Calldata<'a>(&'a [u8]);

impl<'a> Calldata<'a> {
    fn tables(&self) -> Option<Tables> {
        let at = self.follow(0, 0)?;
        Some(Tables {
            sources: self.list(self.follow(at, at)?, |word| Some(u64::from_be_bytes(low(word)?)))?,
            versions: self.list(self.follow(at, at + WORD)?, |word| Some(u64::from_be_bytes(low(word)?)))?,
            models: self.list(self.follow(at, at + 2 * WORD)?, |word| Some(u32::from_be_bytes(low(word)?)))?,
            workers: self.list(self.follow(at, at + 3 * WORD)?, |word| Some(Address::from(low(word)?)))?,
        })
    }

    /// At most as many as there are rows: every tab has one.
    fn tabs(&self, most: u32) -> Option<Vec<TabBytes<'a>>> {
        let at = self.follow(0, WORD)?;
        let count = self.small(at)?;
        if count > most as usize {
            return None;
        }
        let base = at + WORD;
        (0..count)
            .map(|index| {
                let tab = self.follow(base, base + index * WORD)?;
                self.0.get(tab..tab.checked_add(TAB)?)?;
                let rows = self.follow(tab, tab + 5 * WORD)?;
                let length = self.small(rows)?;
                Some(TabBytes {
                    payer: Address::from(low(self.word(tab)?)?),
                    count: u32::from_be_bytes(low(self.word(tab + 3 * WORD)?)?),
                    rows: self.0.get(rows + WORD..(rows + WORD).checked_add(length)?)?,
                })
            })
            .collect()
    }

    fn list<T>(&self, at: usize, read: impl Fn(&[u8]) -> Option<T>) -> Option<Vec<T>> {
        let length = self.small(at)?.checked_mul(WORD)?;
        self.0.get(at + WORD..(at + WORD).checked_add(length)?)?.chunks_exact(WORD).map(read).collect()
    }

    fn word(&self, at: usize) -> Option<&'a [u8]> {
        self.0.get(at..at.checked_add(WORD)?)
    }

    /// A place or a length; none has more than 32 bits.
    fn small(&self, at: usize) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(low(self.word(at)?)?)).ok()
    }

    /// Where the offset at `at` leads, counted from `base`. That is inside: sums of such places do not overflow.
    fn follow(&self, base: usize, at: usize) -> Option<usize> {
        base.checked_add(self.small(at)?).filter(|place| *place < self.0.len())
    }
}

/// The low bytes of a word whose others are zero.
fn low<const N: usize>(word: &[u8]) -> Option<[u8; N]> {
    let (high, low) = word.split_at_checked(WORD - N)?;
    high.iter().all(|byte| *byte == 0).then(|| low.try_into().ok())?
}

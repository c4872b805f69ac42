//! Rows of a batch as the settlement contract reads them (`docs/spec/settlement.md`).

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256, keccak256};

use crate::{merkle::Tree, receipt::AnswerReceipt};

mod calldata;

pub use calldata::{UnpackError, read_settle};

alloy_sol_types::sol! {
    /// One settled receipt.
    #[derive(Debug, PartialEq, Eq)]
    struct Row {
        /// The receipt's id.
        bytes32 receipt;
        /// Model, whose splits apply.
        uint32 model;
        /// Who answered.
        address worker;
        /// Fee in wei.
        uint128 fee;
        /// `datanet << 32 | version`.
        uint64[] versions;
        /// `contribution << 32 | ppm`.
        uint256[] shares;
    }
}

impl Row {
    /// The row of a receipt.
    pub fn of(id: B256, receipt: &AnswerReceipt) -> Self {
        Self {
            receipt: id,
            model: receipt.model.0,
            worker: receipt.worker,
            fee: receipt.fee,
            versions: receipt.versions.iter().map(|version| version.packed()).collect(),
            shares: receipt.shares.as_slice().iter().map(|share| U256::from(share.packed())).collect(),
        }
    }

    /// `H(07 ‖ payer ‖ receipt ‖ u32 model ‖ worker ‖ u128 fee ‖ u8 versions ‖ u8 shares ‖ (u32 datanet ‖ u32 version)* ‖
    /// (u64 contribution ‖ u32 ppm)*)`, big-endian.
    pub fn leaf(&self, payer: Address) -> B256 {
        let count = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
        let mut bytes = vec![7];
        bytes.extend_from_slice(payer.as_slice());
        bytes.extend_from_slice(self.receipt.as_slice());
        bytes.extend_from_slice(&self.model.to_be_bytes());
        bytes.extend_from_slice(self.worker.as_slice());
        bytes.extend_from_slice(&self.fee.to_be_bytes());
        bytes.extend_from_slice(&[count(self.versions.len()), count(self.shares.len())]);
        for version in &self.versions {
            bytes.extend_from_slice(&version.to_be_bytes());
        }
        for share in &self.shares {
            // 64 bits of contribution and 32 of ppm are the low 96 bits of the word.
            bytes.extend_from_slice(&share.to_be_bytes::<32>()[20..]);
        }
        keccak256(bytes)
    }
}

/// The tree over a batch's rows, in the order of tabs and rows.
pub fn rows_tree<'a>(rows: impl IntoIterator<Item = (Address, &'a Row)>) -> Tree {
    Tree::new(rows.into_iter().map(|(payer, row)| row.leaf(payer)).collect())
}

/// What the rows of a batch name, each thing once: packed rows point into these lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Contributions, strictly increasing.
    pub sources: Vec<u64>,
    /// Each `datanet << 32 | version`, strictly increasing.
    pub versions: Vec<u64>,
    /// Models, strictly increasing.
    pub models: Vec<u32>,
    /// Workers, strictly increasing.
    pub workers: Vec<Address>,
}

/// A row does not fit the packed form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// Indices are 16 bits wide.
    #[error("a batch names more than 65535 {0}: settle fewer rows at once")]
    TooMany(&'static str),
    /// The row names something that is not in the tables, or a share above 24 bits.
    #[error("a row cannot be packed: {0}")]
    Row(&'static str),
}

impl Tables {
    /// The tables of these rows.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Result<Self, PackError> {
        let (mut sources, mut versions, mut models, mut workers) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for row in rows {
            sources.extend(row.shares.iter().map(|share| (*share >> 32usize).saturating_to::<u64>()));
            versions.extend(row.versions.iter().copied());
            models.insert(row.model);
            workers.insert(row.worker);
        }
        let most = usize::from(u16::MAX);
        for (name, count) in [("contributions", sources.len()), ("versions", versions.len())] {
            if count > most {
                return Err(PackError::TooMany(name));
            }
        }
        if models.len().max(workers.len()) > most {
            return Err(PackError::TooMany("models or workers"));
        }
        Ok(Self {
            sources: sources.into_iter().collect(),
            versions: versions.into_iter().collect(),
            models: models.into_iter().collect(),
            workers: workers.into_iter().collect(),
        })
    }

    /// Appends a row: `receipt[32] ‖ u128 fee ‖ u16 model ‖ u16 worker ‖ u8 versions ‖ u8 shares ‖ (u16 version)* ‖
    /// (u16 source ‖ u24 ppm)*`, big-endian, every index into these tables.
    pub fn pack(&self, row: &Row, out: &mut Vec<u8>) -> Result<(), PackError> {
        fn place<T: Ord>(list: &[T], wanted: &T, name: &'static str) -> Result<[u8; 2], PackError> {
            let index = list.binary_search(wanted).map_err(|_| PackError::Row(name))?;
            Ok(u16::try_from(index).map_err(|_| PackError::TooMany(name))?.to_be_bytes())
        }
        let count = |length: usize, name| u8::try_from(length).map_err(|_| PackError::Row(name));
        out.extend_from_slice(row.receipt.as_slice());
        out.extend_from_slice(&row.fee.to_be_bytes());
        out.extend_from_slice(&place(&self.models, &row.model, "its model")?);
        out.extend_from_slice(&place(&self.workers, &row.worker, "its worker")?);
        out.push(count(row.versions.len(), "its versions")?);
        out.push(count(row.shares.len(), "its shares")?);
        for version in &row.versions {
            out.extend_from_slice(&place(&self.versions, version, "a version")?);
        }
        for share in &row.shares {
            let source = (*share >> 32usize).saturating_to::<u64>();
            let ppm = (*share & U256::from(u32::MAX)).saturating_to::<u32>();
            if ppm >> 24 != 0 {
                return Err(PackError::Row("a share"));
            }
            out.extend_from_slice(&place(&self.sources, &source, "a contribution")?);
            out.extend_from_slice(&ppm.to_be_bytes()[1..]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(model: u32, worker: u8, versions: &[u64], shares: &[(u64, u32)]) -> Row {
        Row {
            receipt: B256::repeat_byte(0xab),
            model,
            worker: Address::repeat_byte(worker),
            fee: 0x0102,
            versions: versions.to_vec(),
            shares: shares.iter().map(|(id, ppm)| U256::from(u128::from(*id) << 32 | u128::from(*ppm))).collect(),
        }
    }

    #[test]
    fn rows_are_packed_byte_by_byte() {
        let rows = [row(7, 9, &[3 << 32 | 5], &[(40, 0x0a_0b0c), (2, 1)]), row(1, 8, &[], &[])];
        let tables = Tables::of(&rows).expect("few");
        assert_eq!((&tables.sources[..], &tables.models[..]), (&[2, 40][..], &[1, 7][..]));
        let mut bytes = Vec::new();
        tables.pack(&rows[0], &mut bytes).expect("in the tables");
        let mut expected = vec![0xab; 32];
        expected.extend([0; 14]);
        // Fee, second model, second worker, one version, two shares, version 0, source 1 and ppm, source 0 and ppm.
        expected.extend([1, 2, 0, 1, 0, 1, 1, 2, 0, 0, 0, 1, 0x0a, 0x0b, 0x0c, 0, 0, 0, 0, 1]);
        assert_eq!(bytes, expected);
        assert_eq!(tables.pack(&row(2, 8, &[], &[]), &mut bytes), Err(PackError::Row("its model")));
        let wide = row(1, 8, &[], &[(2, 1 << 24)]);
        assert_eq!(Tables::of([&wide]).expect("few").pack(&wide, &mut Vec::new()), Err(PackError::Row("a share")));
    }
}

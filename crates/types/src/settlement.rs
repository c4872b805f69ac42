//! Rows of a batch as the settlement contract reads them (`docs/spec/settlement.md`).

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;

use crate::{merkle::Tree, receipt::AnswerReceipt};

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

    /// `H(07 ‖ abi.encode(payer, row))`.
    pub fn leaf(&self, payer: Address) -> B256 {
        let mut bytes = vec![7];
        bytes.extend_from_slice(&(payer, self.clone()).abi_encode_params());
        keccak256(bytes)
    }
}

/// The tree over a batch's rows, in the order of tabs and rows.
pub fn rows_tree<'a>(rows: impl IntoIterator<Item = (Address, &'a Row)>) -> Tree {
    Tree::new(rows.into_iter().map(|(payer, row)| row.leaf(payer)).collect())
}

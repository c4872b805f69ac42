//! Fonte's vocabulary: ids, committed texts, answer receipts, evidence and shares, and the checks on them.
//!
//! One answer passes through here three times: the worker commits its texts ([`merkle`]), writes down who owns which
//! byte ([`evidence`]) and signs an [`AnswerReceipt`]; the gateway countersigns; and anyone recomputes all of it from a
//! [`bundle::ReceiptBundle`]. Bytes are specified in `docs/spec/receipt.md` and pinned by `fixtures/receipt.json`.
//!
//! This crate does no I/O, reads no clock, draws no randomness and holds no floating point number.
//!
//! ```
//! use fonte_types::{evidence::{Evidence, Run, Source}, ids::ContributionId, shares::Shares};
//!
//! let runs = vec![Run::witnessed(0, 40, Source::Contribution(ContributionId(7)), 0, 0, 40, 12), Run::nobody(40, 50)];
//! let evidence = Evidence::new(runs, 50)?;
//! let shares = Shares::from_evidence(&evidence);
//! assert_eq!(shares.of(ContributionId(7)), 800_000);
//! assert_eq!(shares.unattributed_ppm(), 200_000);
//! # Ok::<(), fonte_types::evidence::EvidenceError>(())
//! ```

pub mod bundle;
pub mod conversation;
pub mod evidence;
pub mod fees;
pub mod generation;
pub mod ids;
pub mod log_probs;
pub mod merkle;
pub mod metadata;
pub mod receipt;
pub mod settlement;
pub mod shares;
pub mod wei;
pub mod wire;

pub use ids::{ContributionId, DatanetId, DatanetVersion, ModelId, Version};
pub use receipt::{AnswerReceipt, EngineClass, Network, Visibility};

/// Length in bytes of the window that proves a span: a byte is attributed only through a shared window this long.
pub const WINDOW: usize = 32;

/// Shares, splits and weights are parts per million.
pub const PPM: u32 = 1_000_000;

//! `fonte review`.

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Review {
    /// Stake FNT to be drawn as a reviewer and evaluator.
    Register {
        /// Amount in FNT; the least that is needed otherwise.
        amount: Option<String>,
    },
    /// The cases, and who sits on them.
    List {
        /// Only those that wait for something.
        #[arg(long)]
        open: bool,
    },
    /// A case.
    Show {
        /// Its number.
        case: u64,
    },
    /// Draw the panel of a case. Anyone may.
    Seat {
        /// Its number.
        case: u64,
    },
    /// Commit to a vote; vote and salt stay on this machine until they are revealed.
    Vote {
        /// Number of the case.
        case: u64,
        /// The vote.
        #[arg(value_enum)]
        vote: Verdict,
    },
    /// Reveal the vote.
    Reveal {
        /// Number of the case.
        case: u64,
    },
    /// Count the votes. Anyone may.
    Close {
        /// Number of the case.
        case: u64,
    },
    /// Appeal a decision to a larger panel, with a deposit.
    Appeal {
        /// Number of the case.
        case: u64,
    },
    /// End a case that nobody appealed in time. Anyone may.
    Finish {
        /// Number of the case.
        case: u64,
    },
    /// Leave the pool; the stake waits.
    Leave,
    /// Take the stake out, once its wait is over.
    Unstake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verdict {
    Approve,
    Reject,
}

//! `fonte chain`.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Chain {
    /// Deploy the contracts on any EVM chain, the one of --rpc-url, and write a network file.
    Deploy(Deploy),
    /// The validators: seats, candidates, stake, and when the next election may be.
    Validators,
    /// Stake FNT on a validator.
    Stake {
        /// Amount in FNT.
        amount: String,
        /// Whose seat it supports; the key itself otherwise.
        #[arg(long, value_name = "ADDRESS")]
        on: Option<Address>,
    },
    /// Take stake off a validator; it waits, and stays at risk, until the unbonding is over.
    Unstake {
        /// Amount in FNT.
        amount: String,
        /// Whose; the key itself otherwise.
        #[arg(long, value_name = "ADDRESS")]
        from: Option<Address>,
    },
    /// Take out stake whose unbonding is over.
    Claim {
        /// On whom it was staked; the key itself otherwise.
        #[arg(long, value_name = "ADDRESS")]
        from: Option<Address>,
    },
    /// Stand for a seat: registers the keys of a validator's node, with a stake of its own.
    Register {
        /// Amount in FNT; as much as a candidate needs otherwise.
        amount: Option<String>,
        /// The file of the node's keys, made if it is not there. Keep it: a node votes with it, and keys are registered once.
        #[arg(long, value_name = "FILE")]
        keys: PathBuf,
        /// Where other validators reach the node.
        #[arg(long, value_name = "HOST:PORT")]
        address: String,
    },
    /// Be a candidate again, after resigning.
    Enlist,
    /// Stand no more: the seat goes at an election, and the stake is taken off like any (unstake, claim).
    Resign,
    /// End the epoch, if its time is over, and elect the next set. Anyone may.
    Elect,
    /// Who could capture what, at which cost: seats, stake, votes, payouts.
    Concentration,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// Where to write the network file, for --network.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Salt of all signatures; drawn if it is not given.
    #[arg(long, value_name = "HASH", conflicts_with = "development")]
    pub(crate) network_id: Option<B256>,
    /// A development network: short times, and the public development keys are accepted.
    #[arg(long)]
    pub(crate) development: bool,
    /// Give each development key so many FNT of the chain's coin (with --development).
    #[arg(long, value_name = "FNT", requires = "development")]
    pub(crate) fund: Option<String>,
    /// Who may cancel what waits in the timelock; the deployer otherwise.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) guardian: Option<Address>,
    /// A JSON file with the parameters of the contracts; defaults otherwise, which --dry-run prints.
    #[arg(long, value_name = "FILE")]
    pub(crate) parameters: Option<PathBuf>,
}

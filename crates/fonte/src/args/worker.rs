//! `fonte worker`.

use alloy_primitives::{Address, B256};
use clap::{Args, Subcommand, ValueEnum};

/// Without a command: serve.
#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    pub(crate) command: Option<Worker>,
    #[command(flatten)]
    pub(crate) serve: super::engine::Serve,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Worker {
    /// Register the key as a worker, with its stake, or change what it declares.
    Register(Register),
    /// Where a worker stands; all active ones without an address and a key.
    Status {
        /// The worker; the key itself otherwise.
        #[arg(conflicts_with = "all")]
        worker: Option<Address>,
        /// All active ones, also where a key is set.
        #[arg(long)]
        all: bool,
    },
    /// Take no work for now.
    Pause,
    /// Take work again.
    Resume,
    /// End the registration; the stake waits.
    Leave,
    /// Take the stake out, once its wait is over.
    Withdraw,
}

/// In the order of the contract's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Replayable bit for bit.
    Exact,
    /// A GPU or an external engine.
    Tolerance,
}

/// In the order of the contract's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accelerator {
    None,
    Cuda,
    Rocm,
    Metal,
    Other,
}

#[derive(Debug, Args)]
pub(crate) struct Register {
    /// Jobs at once; each needs stake.
    #[arg(long, default_value_t = 1)]
    pub(crate) slots: u32,
    /// Class of its answers.
    #[arg(long, value_enum, default_value = "exact")]
    pub(crate) engine: Engine,
    /// What computes beside the CPU.
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) accelerator: Accelerator,
    /// Main memory in MiB; that of this machine otherwise.
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u32>,
    /// Memory of the accelerator in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    pub(crate) accelerator_memory: u32,
    /// Where it stands, ISO 3166-1 alpha-2: declared, nobody can prove it. Needed once: an update keeps it otherwise.
    #[arg(long, value_name = "CODE")]
    pub(crate) jurisdiction: Option<String>,
    /// What the machine is.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) hardware: String,
    /// Where gateways reach it; empty if it dials them.
    #[arg(long, value_name = "HOST:PORT", default_value = "")]
    pub(crate) endpoint: String,
    /// Its ed25519 key on the network, if it has one.
    #[arg(long, value_name = "KEY")]
    pub(crate) network_key: Option<B256>,
}

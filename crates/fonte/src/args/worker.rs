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

/// What is not given stays as it was declared; of a worker that is new it is what each line says, or nothing.
#[derive(Debug, Args)]
pub(crate) struct Register {
    /// Jobs at once; each needs stake. One at first.
    #[arg(long)]
    pub(crate) slots: Option<u32>,
    /// Class of its answers: exact at first.
    #[arg(long, value_enum)]
    pub(crate) engine: Option<Engine>,
    /// What computes beside the CPU.
    #[arg(long, value_enum)]
    pub(crate) accelerator: Option<Accelerator>,
    /// Main memory in MiB: this machine's at first.
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u32>,
    /// Memory of the accelerator in MiB.
    #[arg(long, value_name = "MIB")]
    pub(crate) accelerator_memory: Option<u32>,
    /// Where it stands, ISO 3166-1 alpha-2: declared, nobody can prove it. Needed once.
    #[arg(long, value_name = "CODE")]
    pub(crate) jurisdiction: Option<String>,
    /// What the machine is.
    #[arg(long, value_name = "TEXT")]
    pub(crate) hardware: Option<String>,
    /// Where gateways reach it; empty if it dials them.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) endpoint: Option<String>,
    /// Its ed25519 key on the network, if it has one.
    #[arg(long, value_name = "KEY")]
    pub(crate) network_key: Option<B256>,
}

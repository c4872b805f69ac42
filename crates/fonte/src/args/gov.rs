//! `fonte gov`.

use alloy_primitives::{Address, B256};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Gov {
    /// Propose a vote: one of the forms below, or any calls.
    Propose(Propose),
    /// All proposals.
    List,
    /// A proposal: what it would do, how the vote stands, when what can be done.
    Show {
        /// Its number in the list, or its id.
        proposal: String,
    },
    /// Let an account vote with your wrapped coins (your own address, too, has to be named once).
    Delegate {
        /// Who votes; the key itself otherwise.
        delegate: Option<Address>,
        /// Wrap so many FNT first: only wrapped coins vote.
        #[arg(long, value_name = "FNT")]
        wrap: Option<String>,
    },
    /// Vote.
    Vote {
        /// Its number in the list, or its id.
        proposal: String,
        /// The vote.
        #[arg(value_enum)]
        support: Support,
        /// Why, on chain for everybody to read.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Put a proposal that passed into the timelock.
    Queue {
        /// Its number in the list, or its id.
        proposal: String,
    },
    /// Execute a proposal whose time in the timelock is over.
    Execute {
        /// Its number in the list, or its id.
        proposal: String,
    },
    /// Take a proposal back before its vote, with its proposer's key; or stop it in the timelock, with the guardian's.
    Cancel {
        /// Its number in the list, or its id.
        proposal: String,
    },
}

/// In the order of the contract's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Support {
    Against,
    For,
    Abstain,
}

#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
pub(crate) struct Propose {
    /// A call that the timelock makes if the vote passes, such as 'Workers.setStakePerSlot(2 ether)'; several are made in
    /// order.
    #[arg(long, value_name = "CALL", required = true)]
    pub(crate) call: Vec<String>,
    /// The proposal's text, kept on chain; its first line is its title.
    #[arg(long, value_name = "TEXT", global = true)]
    pub(crate) description: Option<String>,
    #[command(subcommand)]
    pub(crate) form: Option<Form>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Form {
    /// Approve a proposed model, and fix the commitment to its evaluation set.
    ApproveModel {
        /// Number of the model.
        model: u32,
        /// What `fonte model evaluate ID seal FILE` printed.
        #[arg(long, value_name = "HASH")]
        commitment: B256,
    },
    /// Deploy a model whose evaluation is on record.
    DeployModel {
        /// Number of the model.
        model: u32,
    },
    /// Retire a model.
    RetireModel {
        /// Number of the model.
        model: u32,
    },
    /// Lift a model's suspension.
    ReinstateModel {
        /// Number of the model.
        model: u32,
    },
    /// Register a contribution that belongs to everyone.
    Commons {
        /// Name or number of the datanet.
        #[arg(long)]
        datanet: String,
        /// Merkle root of its documents.
        #[arg(long)]
        root: B256,
        /// Number of documents.
        #[arg(long)]
        documents: u32,
        /// Bytes of text.
        #[arg(long)]
        bytes: u64,
    },
    /// Move coins from the treasury into the fund of the free allowance.
    FundAllowance {
        /// Amount in FNT.
        amount: String,
    },
    /// Give a gateway a budget of the free allowance.
    AllowanceBudget {
        /// The gateway.
        gateway: Address,
        /// The key that signs its vouchers.
        #[arg(long, value_name = "ADDRESS")]
        session_key: Address,
        /// FNT per period.
        #[arg(long, value_name = "FNT")]
        per_period: String,
        /// Seconds of a period.
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        period: u64,
    },
}

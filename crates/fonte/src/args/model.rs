//! `fonte model`.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// All models.
    List,
    /// A model: terms, lineage, life, and why it may not answer.
    Show {
        /// Name or number.
        model: String,
    },
    /// Register a model without a vote: a quote model answers at once, weights only requests that name them.
    Register(Register),
    /// Propose weights to be trained: the begin of the voted record.
    Propose(Box<Propose>),
    /// Begin to train an approved model.
    Train {
        /// Name or number.
        model: String,
    },
    /// Put the trained weights on record.
    Submit {
        /// Name or number.
        model: String,
        #[command(flatten)]
        weights: Weights,
    },
    /// The evaluation, step by step.
    Evaluate {
        /// Name or number.
        model: String,
        #[command(subcommand)]
        step: Evaluate,
    },
    /// Announce new terms; they apply after the notice.
    Terms {
        /// Name or number.
        model: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Retire a model, or take a proposal back, for good.
    Retire {
        /// Name or number.
        model: String,
    },
    /// End a model's state whose deadline has passed.
    Expire {
        /// Name or number.
        model: String,
    },
    /// Report a breach of a model's acceptable use; reviewers decide, and a deposit answers for it.
    Report {
        /// Name or number.
        model: String,
        /// The report: its hash goes on chain.
        #[arg(long, value_name = "FILE")]
        reason: PathBuf,
    },
    /// Show that a contribution that the model was trained on has been withdrawn.
    MarkWithdrawn {
        /// Name or number.
        model: String,
        /// Number of the contribution.
        contribution: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Quote,
    Base,
    Adapter,
}

/// Hashes of weights: given, or of files.
#[derive(Debug, Args)]
pub(crate) struct Weights {
    /// Base weights: their content hash; a file is hashed with keccak256, which does for external engines only.
    #[arg(long, value_name = "FILE|HASH")]
    pub(crate) artifact: Option<String>,
    /// Adapter: its content hash; a file is hashed with keccak256, which does for external engines only.
    #[arg(long, value_name = "FILE|HASH")]
    pub(crate) adapter: Option<String>,
}

// The command of the same name is a group, too.
#[derive(Debug, Args)]
#[group(id = "NewTerms")]
pub(crate) struct Terms {
    /// FNT per 1,000 input tokens.
    #[arg(long, value_name = "FNT", default_value = "0.002")]
    pub(crate) price_in: String,
    /// FNT per 1,000 output tokens.
    #[arg(long, value_name = "FNT", default_value = "0.02")]
    pub(crate) price_out: String,
    /// How a fee is divided, in ppm that sum to 1,000,000.
    #[arg(long, value_name = "PROTOCOL,WORKER,DEVELOPER,DATA", default_value = "50000,200000,100000,650000")]
    pub(crate) split: String,
    /// Who gets the developer's part; the key itself otherwise.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) developer: Option<Address>,
    /// A datanet that it answers from, by name or number; may be given several times.
    #[arg(long, value_name = "DATANET")]
    pub(crate) datanet: Vec<String>,
    /// How many versions behind a datanet's latest an answer may be.
    #[arg(long, value_name = "VERSIONS", default_value_t = 64)]
    pub(crate) max_staleness: u32,
    /// A model that this one builds on, and its royalty in ppm of the fee; may be given several times.
    #[arg(long, value_name = "MODEL:PPM")]
    pub(crate) parent: Vec<String>,
    /// Least royalty, in ppm of the fee, that a model built on this one must grant.
    #[arg(long, value_name = "PPM", default_value_t = 0)]
    pub(crate) min_royalty: u32,
    /// Acceptable-use terms: a file, or its hash.
    #[arg(long, value_name = "FILE|HASH")]
    pub(crate) acceptable_use: Option<String>,
    /// Where to read them.
    #[arg(long, value_name = "URL", default_value = "")]
    pub(crate) acceptable_use_url: String,
}

#[derive(Debug, Args)]
pub(crate) struct Origin {
    /// Its name.
    pub(crate) name: String,
    /// What it is made of.
    #[arg(long, value_enum, default_value = "adapter")]
    pub(crate) kind: Kind,
    /// The base model that its weights build on, by name or number; it must be among the parents.
    #[arg(long, value_name = "MODEL")]
    pub(crate) base: Option<String>,
    /// A datanet version trained on, such as coffee@7 (without @: the latest); may be given several times.
    #[arg(long, value_name = "DATANET@VERSION")]
    pub(crate) trained: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Register {
    #[command(flatten)]
    pub(crate) origin: Origin,
    #[command(flatten)]
    pub(crate) weights: Weights,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

#[derive(Debug, Args)]
pub(crate) struct Propose {
    #[command(flatten)]
    pub(crate) origin: Origin,
    #[command(flatten)]
    pub(crate) terms: Terms,
    /// The training recipe: a file, or its hash.
    #[arg(long, value_name = "FILE|HASH")]
    pub(crate) recipe: String,
    /// Name of the metric, such as exact-match-ppm: its hash goes on chain.
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: String,
    /// The score must be at least this.
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true, required_unless_present = "at_most")]
    pub(crate) at_least: Option<i128>,
    /// The score must be at most this.
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true, conflicts_with = "at_least")]
    pub(crate) at_most: Option<i128>,
    /// Scores further than this from the median are outliers.
    #[arg(long, value_name = "SCORE", default_value_t = 0)]
    pub(crate) tolerance: u128,
    /// Evaluators to draw.
    #[arg(long, value_name = "SEATS", default_value_t = 3)]
    pub(crate) evaluators: u8,
    /// Scores within the tolerance that make a result; more than half of the seats.
    #[arg(long, value_name = "SEATS", default_value_t = 2)]
    pub(crate) quorum: u8,
    /// Seconds to train.
    #[arg(long, value_name = "SECONDS", default_value_t = 1_209_600)]
    pub(crate) training_time: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Evaluate {
    /// Commit to an evaluation set before the vote: prints the commitment, and keeps the salt on this machine.
    Seal {
        /// The evaluation set.
        file: PathBuf,
    },
    /// Open the commitment, once the weights are on record.
    Unseal {
        /// Where the evaluation set can be read.
        #[arg(long, value_name = "URL", default_value = "")]
        url: String,
    },
    /// Pay for a round of evaluators.
    Open,
    /// Seat the evaluators of the round.
    Draw,
    /// Commit to a score, as an evaluator; score and salt stay on this machine until they are revealed.
    Commit {
        /// The score, in the metric's unit.
        #[arg(long, allow_hyphen_values = true)]
        score: i128,
        /// The report that explains it: its hash goes on chain.
        #[arg(long, value_name = "FILE|HASH")]
        report: String,
    },
    /// Reveal the score.
    Reveal,
    /// End the round: a median that a quorum agrees with is the score on record.
    Close,
    /// How the rounds stand.
    Status,
    /// Take stake from an evaluator who was an outlier, or committed and kept silent.
    Penalize {
        /// The evaluator.
        evaluator: Address,
        /// The round; the latest otherwise.
        #[arg(long)]
        round: Option<u32>,
    },
}

/// What a file or a hash names.
pub(crate) fn parse_hash(text: &str) -> Option<B256> {
    (text.len() == 66 && text.starts_with("0x")).then(|| text.parse().ok())?
}

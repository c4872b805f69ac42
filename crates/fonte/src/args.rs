//! The command line.

pub(crate) mod chain;
pub(crate) mod engine;
pub(crate) mod gov;
pub(crate) mod index;
pub(crate) mod model;
pub(crate) mod review;
pub(crate) mod worker;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// answer -> why -> who got paid -> check it yourself.
#[derive(Debug, Parser)]
#[command(name = "fonte", version, about, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Print one JSON object instead of text; what fails prints one on standard error: {"error": "..."}, with the contract's
    /// "selector", "name" and "arguments" where a contract refused.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Where keys, publications and, for `up`, the whole network live.
    #[arg(long, global = true, env = "FONTE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The chain's JSON-RPC.
    #[arg(long, global = true, env = "FONTE_RPC_URL", default_value = "http://127.0.0.1:8545", value_name = "URL")]
    pub(crate) rpc_url: String,
    /// Where the contracts are, if the chain is not Fonte's own: the file that `fonte chain deploy` wrote.
    #[arg(long, global = true, env = "FONTE_NETWORK", value_name = "FILE")]
    pub(crate) network: Option<PathBuf>,
    /// The gateway.
    #[arg(long, global = true, env = "FONTE_GATEWAY", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(crate) gateway: String,
    /// The key to sign with: a keystore's name, dev:NAME, or 0x and 64 hexadecimal digits.
    #[arg(long, global = true, env = "FONTE_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Simulate, print what would happen, and send nothing.
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the main job on an embedded network, then exit.
    Demo(Demo),
    /// Run everything embedded until Ctrl-C; prints URLs, keys and an API key.
    Up(Box<Up>),
    /// Keys: encrypted keystores on this machine.
    #[command(subcommand)]
    Keys(Keys),
    /// Datanets: create, publish, list, show, review, claim, withdraw, payee.
    #[command(subcommand)]
    Datanet(Datanet),
    /// Ask a question.
    Ask(Ask),
    /// Receipts: show, verify, explain, export, replay, challenge, demand.
    #[command(subcommand)]
    Receipt(Receipt),
    /// Money: deposit, limit, balance, earnings, withdraw, unbond, claim, wrap, unwrap.
    #[command(subcommand)]
    Account(Account),
    /// Models: list, propose, train, evaluate, retire, report.
    #[command(subcommand)]
    Model(Box<model::Model>),
    /// Votes: propose, vote, queue, execute, cancel, delegate.
    #[command(subcommand)]
    Gov(gov::Gov),
    /// Compute workers: serve a gateway, or register, status, pause, leave.
    Worker(Box<worker::WorkerArgs>),
    /// Staked reviewers and their cases.
    #[command(subcommand)]
    Review(review::Review),
    /// The engine by itself: serve the OpenAI API, bench.
    #[command(subcommand)]
    Engine(Box<engine::EngineCommand>),
    /// A trace index over your files: build, add, withdraw, stats, count, trace, owners, prove, verify.
    #[command(subcommand)]
    Index(index::Index),
    /// The chain: deploy the contracts elsewhere, validators, stake, concentration of power.
    #[command(subcommand)]
    Chain(chain::Chain),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Your own documents instead of the shipped corpus: each sub-folder is one contributor.
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: Option<PathBuf>,
    /// A question; may be given several times.
    #[arg(long, value_name = "Q")]
    pub(crate) question: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Where gateway and OpenAI API listen.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Where the chain's JSON-RPC listens.
    #[arg(long, default_value = "127.0.0.1:8545", value_name = "ADDR")]
    pub(crate) rpc_listen: SocketAddr,
    /// A web origin that may call the JSON-RPC, besides pages of this machine; null: pages opened from a file, such as
    /// exported receipts; may be given several times.
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,
    /// Seconds of a vote, when the network is started for the first time.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) voting_period: u32,
    /// Seconds of the challenge window besides its three blocks, when the network is started for the first time.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub(crate) challenge_window: u64,
    /// Seconds of notice before a deposit leaves or a limit falls, when the network is started for the first time.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) notice: u64,
    /// An idle chain makes a block this often, and contracts see time pass.
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    pub(crate) heartbeat: u64,
    /// Wei below which the keeper leaves a credit pending, until it is started with less or somebody else pushes it.
    #[arg(long, default_value_t = 0, value_name = "WEI")]
    pub(crate) minimum_payout: u128,
    /// Start with the shipped demo corpus published.
    #[arg(long)]
    pub(crate) with_demo_corpus: bool,
    /// Where other workers may dial in: `fonte worker --dial ADDR`.
    #[arg(long, value_name = "ADDR")]
    pub(crate) worker_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) engine: engine::Engine,
    /// The engine's model to serve, by its name there; the engine's only one otherwise.
    #[arg(long, value_name = "NAME", requires = "engine")]
    pub(crate) engine_model: Option<String>,
    #[command(flatten)]
    pub(crate) base: engine::Base,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key and store it encrypted (keystore v3).
    New {
        /// Its name.
        name: String,
    },
    /// Store a given private key encrypted; it is read from FONTE_SECRET or asked for.
    Import {
        /// Its name.
        name: String,
    },
    /// The stored keys.
    List,
    /// Address of a key.
    Show {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Datanet {
    /// Create a datanet; the key becomes its curator.
    Create(DatanetCreate),
    /// Publish a folder: .md, .txt, .html, UTF-8 files without extension, and .gz of these.
    Publish(DatanetPublish),
    /// All datanets.
    List,
    /// A datanet and its contributions.
    Show {
        /// Name or number.
        datanet: String,
    },
    /// What waits for a decision; with --accept or --reject, decide as the curator.
    Review {
        /// Name or number.
        datanet: String,
        /// Number of a contribution to admit; may be given several times.
        #[arg(long, value_name = "CONTRIBUTION")]
        accept: Vec<u64>,
        /// Number of a contribution to refuse; may be given several times.
        #[arg(long, value_name = "CONTRIBUTION")]
        reject: Vec<u64>,
    },
    /// Claim the earnings of texts at a web address that others uploaded: prints the token to publish there, then asks
    /// the reviewers, then pays.
    Claim {
        /// The address in canonical form, such as `https://ana.example/post`.
        url: String,
        /// Whose earnings they are; the key's otherwise.
        #[arg(long, value_name = "ADDRESS")]
        author: Option<alloy_primitives::Address>,
        /// The token is published: ask the reviewers (their fee is attached).
        #[arg(long)]
        ask: bool,
    },
    /// Take a contribution back: no later version holds it.
    Withdraw {
        /// Number of the contribution.
        contribution: u64,
    },
    /// Name another payee for what a contribution earns from now on; its contributor's key signs, and pays the gas.
    Payee {
        /// Number of the contribution.
        contribution: u64,
        /// Who is paid.
        #[arg(required_unless_present = "split")]
        payee: Option<alloy_primitives::Address>,
        /// Split it instead: an account and its part in ppm; may be given up to 16 times, in all 1,000,000.
        #[arg(long, value_name = "ADDRESS:PPM", conflicts_with = "payee")]
        split: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DatanetCreate {
    /// Its name.
    pub(crate) name: String,
    /// SPDX expression that applies to documents which state none.
    #[arg(long, default_value = "CC-BY-4.0", value_name = "SPDX")]
    pub(crate) licence: String,
    /// Who admits contributions: open (anyone), curator (you), or k-of-n staked reviewers, such as 2-of-3.
    #[arg(long, default_value = "curator", value_name = "open|curator|K-of-N")]
    pub(crate) review: String,
    /// Your cut of what its contributions earn, in ppm.
    #[arg(long, default_value_t = 0, value_name = "PPM")]
    pub(crate) curator_cut: u32,
    /// Least price, in FNT, of 1,000 output tokens of a model that may use it.
    #[arg(long, default_value = "0", value_name = "FNT")]
    pub(crate) price_floor: String,
    /// Models trained on a contribution stay lawful after it is withdrawn.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Models may not be trained on it.
    #[arg(long)]
    pub(crate) no_train: bool,
    /// Answers may not quote it.
    #[arg(long)]
    pub(crate) no_quote: bool,
    /// Private requests may not use it.
    #[arg(long)]
    pub(crate) no_private: bool,
    /// ISO 3166-1 alpha-2 code of a jurisdiction whose rules it declares; may be given several times.
    #[arg(long, value_name = "CODE")]
    pub(crate) jurisdiction: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DatanetPublish {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// The datanet, by name or number.
    #[arg(long, value_name = "DATANET")]
    pub(crate) datanet: String,
    /// Name to publish under; the folder's name otherwise.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Who is paid; the signing key otherwise.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "origin")]
    pub(crate) payee: Option<alloy_primitives::Address>,
    /// The web address that the texts are from, if they are not yours: what they earn is held for its author.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// Publish nothing if any file cannot be published.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The question.
    pub(crate) question: String,
    /// The API key; without one the commons pay, where the gateway has a budget of the free allowance.
    #[arg(long, env = "FONTE_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// The model; fonte-quote:NAME restricts it to a datanet.
    #[arg(long, default_value = "fonte-quote", value_name = "MODEL")]
    pub(crate) model: String,
    /// Evidence for the payer only.
    #[arg(long)]
    pub(crate) private: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Receipt {
    /// The receipt and what it rests on.
    Show {
        /// File or id.
        receipt: String,
    },
    /// Recompute it: each check passed, failed (naming what differs) or not checkable without something.
    Verify {
        /// File or id.
        receipt: String,
        /// Make the checks that need the chain, too.
        #[arg(long)]
        chain: bool,
    },
    /// Who, in which role, worth what, paid how much.
    Explain {
        /// File or id.
        receipt: String,
    },
    /// Write it as one page that verifies itself in any browser, offline.
    Export {
        /// File or id.
        receipt: String,
        /// As an HTML page.
        #[arg(long, required = true)]
        html: bool,
        /// Where to; receipt-XXXXXXXX.html in this folder otherwise.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Compute an answer of class exact again with the model's files, and print a match or the first token that differs.
    Replay(Replay),
    /// Recompute it from the texts of the named versions and from the chain, and challenge it on chain if it is wrong.
    Challenge {
        /// File or id.
        receipt: String,
        /// Another receipt, file or id, that may be of the same request; may be given several times.
        #[arg(long, value_name = "RECEIPT")]
        twin: Vec<String>,
    },
    /// Demand on chain what a settled receipt commits to and nobody shows; what is withheld is judged and its row reversed.
    Demand(Demand),
}

#[derive(Debug, Args)]
pub(crate) struct Demand {
    /// File or id; the id is enough to demand the receipt itself.
    pub(crate) receipt: String,
    /// What: the receipt otherwise.
    #[arg(value_enum, default_value_t)]
    pub(crate) wanted: Wanted,
    /// The chunk of 1,024 bytes of an answer, a prompt or a source; of a source the first that is quoted otherwise.
    #[arg(long, value_name = "N")]
    pub(crate) chunk: Option<u32>,
    /// The run whose source is demanded; the first of a contribution otherwise.
    #[arg(long, value_name = "N")]
    pub(crate) run: Option<u32>,
    /// Judge the demands for this that nobody answered in time. Anyone may.
    #[arg(long, conflicts_with_all = ["chunk", "run"])]
    pub(crate) judge: bool,
}

/// In the order of the contract's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wanted {
    #[default]
    Receipt,
    Evidence,
    Answer,
    Prompt,
    Source,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// File or id.
    pub(crate) receipt: String,
    /// The base that answered: a folder in Hugging Face's layout, or a GGUF file in one with a tokenizer.json.
    #[arg(long, value_name = "DIR")]
    pub(crate) base: PathBuf,
    /// The adapter that answered: a PEFT folder. May be given several times.
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Vec<PathBuf>,
    /// A folder of PEFT folders, of which the receipt names one.
    #[arg(long, value_name = "DIR")]
    pub(crate) adapters: Option<PathBuf>,
    /// Threads of a pass; all cores otherwise. The result is the same.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Most memory of the base's weights in MiB, read as f32: four bytes a parameter; 16,384 otherwise.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) weight_memory: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Add coins to a payer's deposit (the key's, unless another is named).
    Deposit {
        /// Amount in FNT, such as 2.5.
        amount: String,
        /// Whose deposit.
        #[arg(long, value_name = "ADDRESS")]
        payer: Option<alloy_primitives::Address>,
    },
    /// Get an API key from the gateway and let it spend up to a limit.
    Limit {
        /// Cumulative limit in FNT; 0 revokes.
        amount: String,
        /// Change the limit of this session key instead of making an API key.
        #[arg(long, value_name = "ADDRESS")]
        session_key: Option<alloy_primitives::Address>,
    },
    /// Coins, deposit, limit and what has been spent.
    Balance {
        /// Whose; the key's otherwise.
        address: Option<alloy_primitives::Address>,
    },
    /// What each document has earned.
    Earnings {
        /// Whose; the key's otherwise.
        address: Option<alloy_primitives::Address>,
    },
    /// Take coins out of the deposit: with an amount, announce it; without, take out what was announced, after the notice.
    Withdraw {
        /// Amount in FNT.
        amount: Option<String>,
    },
    /// Take back a part of a gateway's bond that no open batch locks; the gateway's key signs.
    Unbond {
        /// Amount in FNT.
        amount: String,
    },
    /// Collect what waits: refused payouts, reviewers' and evaluators' fees, returned deposits, parts in splitters.
    Claim {
        /// Whose; the key's otherwise.
        address: Option<alloy_primitives::Address>,
        /// A splitter to draw the part from; all that name the account otherwise. May be given several times.
        #[arg(long, value_name = "ADDRESS")]
        splitter: Vec<alloy_primitives::Address>,
    },
    /// Wrap coins: only wrapped ones vote.
    Wrap {
        /// Amount in FNT.
        amount: String,
    },
    /// Unwrap coins.
    Unwrap {
        /// Amount in FNT.
        amount: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn every_command_is_well_formed() {
        Cli::command().debug_assert();
    }
}

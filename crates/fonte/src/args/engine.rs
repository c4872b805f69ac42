//! `--engine` and `--base` of `fonte up`, `fonte worker` as a worker that runs, and `fonte engine`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use fonte_types::generation;

/// An external engine.
#[derive(Clone, Debug, Args)]
#[group(id = "engine_options")]
pub(crate) struct Engine {
    /// An engine that speaks the OpenAI API (vLLM, llama.cpp's server, Ollama), such as `http://127.0.0.1:8000`.
    #[arg(id = "engine", long = "engine", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Name of the environment variable that holds the engine's API key.
    #[arg(long, value_name = "VAR", requires = "engine")]
    pub(crate) engine_key_env: Option<String>,
    /// An answer of the engine takes at most this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) engine_timeout: u64,
    /// Most bytes of passages that the engine reads for a question.
    #[arg(long, value_name = "BYTES", default_value_t = 6_000)]
    pub(crate) engine_passages: usize,
    /// Alternatives beside each token whose log-probabilities are committed to, where the engine tells them; 0: none.
    #[arg(long, value_name = "TOKENS", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=20))]
    pub(crate) engine_logprobs: u8,
}

/// The arithmetic of a base, by the names that receipts have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Weights and activations in f32.
    F32Exact,
    /// Weights and activations in int8, sums in i32: faster, and a byte a weight instead of four. The same seed gives
    /// another answer.
    Int8Exact,
}

impl From<Profile> for generation::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::F32Exact => Self::F32Exact,
            Profile::Int8Exact => Self::Int8Exact,
        }
    }
}

/// A base in this process, and adapters on it.
#[derive(Clone, Debug, Args)]
#[group(id = "base_options")]
pub(crate) struct Base {
    /// A base model to serve in this process: a folder in Hugging Face's layout, or a GGUF file in one with a
    /// tokenizer.json.
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<PathBuf>,
    /// The name of the base; its folder's otherwise.
    #[arg(long, value_name = "NAME", requires = "base")]
    pub(crate) base_name: Option<String>,
    /// A folder of adapters on the base: each a folder as PEFT saves it, which gives it its name.
    #[arg(long, value_name = "DIR", requires = "base")]
    pub(crate) adapters: Option<PathBuf>,
    /// The arithmetic of the base. Receipts name it.
    #[arg(long, value_enum, value_name = "PROFILE", default_value_t = Profile::F32Exact, requires = "base")]
    pub(crate) profile: Profile,
    /// Threads of the engine; one per core otherwise.
    #[arg(long, value_name = "N", requires = "base", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Memory of the engine in MiB for keys, values and adapters; 2,048 otherwise. The base is not counted.
    #[arg(id = "engine_memory", long = "engine-memory", value_name = "MIB", requires = "base",
          value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub(crate) memory: Option<u32>,
    /// Most memory of the base's weights in MiB, read as f32: four bytes a parameter, in either profile; 16,384 otherwise.
    #[arg(long, value_name = "MIB", requires = "base", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) weight_memory: Option<u32>,
    /// Most tokens of a prompt and its answer, where the model reads as many; 4,096 otherwise.
    #[arg(long, value_name = "TOKENS", requires = "base",
          value_parser = clap::value_parser!(u32).range(2..=i64::from(generation::MAX_CONTEXT)))]
    pub(crate) context: Option<u32>,
    /// Requests that are computed together; more wait. 64 otherwise.
    #[arg(long, value_name = "N", requires = "base", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) running: Option<u16>,
    /// What computes: cpu is Fonte's own engine, with exact answers; cuda or cuda:N a GPU, with answers of class tolerance, in
    /// builds with the feature `cuda`.
    #[arg(long, value_name = "DEVICE", requires = "base", default_value = "cpu")]
    pub(crate) device: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EngineCommand {
    /// The OpenAI API over a base and its adapters, without a chain: no payer, no receipt.
    Serve(EngineServe),
    /// Tokens per second and delays of first tokens, in this process.
    Bench(EngineBench),
}

#[derive(Debug, Args)]
pub(crate) struct EngineServe {
    #[command(flatten)]
    pub(crate) base: Base,
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Name of the environment variable that holds the key which every request must carry.
    #[arg(long, value_name = "VAR")]
    pub(crate) api_key_env: Option<String>,
    /// Name of the environment variable that holds the key for loading and unloading adapters; one is drawn otherwise.
    #[arg(long, value_name = "VAR")]
    pub(crate) operator_key_env: Option<String>,
    /// Answers in progress at once; more get 429.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) max_answers: u32,
    /// Tell callers apart by the last address of X-Forwarded-For, which a reverse proxy on this machine writes. Only what comes
    /// from loopback is believed.
    #[arg(long)]
    pub(crate) trust_forwarded: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EngineBench {
    #[command(flatten)]
    pub(crate) base: Base,
    /// Requests under way at the same time: each that ends is followed by the next.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) concurrency: u32,
    /// Requests in all; they take the adapters in turn.
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests: u32,
    /// Tokens of each prompt, random ones.
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) prompt: u32,
    /// Tokens of each answer.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) answer: u32,
}

/// A worker that serves one gateway.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) engine: Engine,
    #[command(flatten)]
    pub(crate) base: Base,
    /// Register the base and the adapters that have no record on chain, with the key as their developer.
    #[arg(long, requires = "base")]
    pub(crate) register: bool,
    /// Where the gateway takes workers: what `fonte up --worker-listen ADDR` printed.
    #[arg(long, value_name = "HOST:PORT", required = true)]
    pub(crate) dial: Option<String>,
    /// A registered model to serve, by name or number; NAME=ENGINE_NAME where the engine calls it otherwise. Quote models
    /// need no engine. May be given several times.
    #[arg(long, value_name = "MODEL", default_value = "fonte-quote")]
    pub(crate) model: Vec<String>,
    /// A registered adapter: it is loaded into the engine (vLLM's calls) while the chain lets it answer. May be given
    /// several times.
    #[arg(long, value_name = "MODEL=ENGINE_NAME@PATH", requires = "engine")]
    pub(crate) adapter: Vec<String>,
}

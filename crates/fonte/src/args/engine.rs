//! `--engine` of `fonte up`, and `fonte worker` as a worker that runs.

use clap::Args;

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

/// A worker that serves one gateway.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) engine: Engine,
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

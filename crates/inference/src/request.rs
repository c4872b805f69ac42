//! What is asked of the engine and what it answers. Tokens and integers; text is the caller's.

use std::fmt;

use crate::model::ContentHash;

/// Names a request from [`crate::Engine::submit`] on. Never used twice by one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who pays. The engine only tells payers apart, to be fair among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payer(pub [u8; 20]);

/// One piece of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Whose queue it waits in.
    pub payer: Payer,
    /// A registered adapter; `None` is the base model.
    pub adapter: Option<ContentHash>,
    /// Requests share the keys and values of a common prompt only within a scope: how fast a prompt is read tells whether
    /// another one began like it. Callers give one scope to those who may know that of each other.
    pub prefix_scope: u64,
    /// At least one token.
    pub prompt: Vec<u32>,
    /// What to do with it.
    pub task: Task,
}

/// What to do with a prompt.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Continue it.
    Generate(Generation),
    /// Continue it again and compare with an earlier answer, at the speed of reading a prompt. Ends at the first token that
    /// differs.
    Replay(Generation, Vec<u32>),
    /// The log-probability of each token of a given continuation.
    Score(Vec<u32>),
    /// An embedding of the prompt: the mean of the last layer's states after the final norm, at length 1. The head is not
    /// computed, and nothing is read from the prefix cache.
    Embed,
}

/// How to continue a prompt. The tokens are a function of model, adapter, prompt and this.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// How to choose among the logits.
    pub sampling: Sampling,
    /// Key of the random numbers: bound to the receipt, so that the answer can be computed again.
    pub seed: [u8; 32],
    /// Most tokens to generate, at least 1.
    pub max_tokens: usize,
    /// Tokens that end the answer, besides the model's own; the last token told.
    pub stop: Vec<u32>,
    /// Whether the model's own end tokens are ignored.
    pub ignore_eos: bool,
    /// Tell log-probabilities, and of how many of the likeliest tokens (at most 20) beside the chosen one.
    pub logprobs: Option<usize>,
}

/// How to choose a token. Integers, so that a receipt can hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Thousandths; 0 always takes the likeliest.
    pub temperature_milli: u32,
    /// Only the likeliest so many; 0 for all.
    pub top_k: u32,
    /// Only the likeliest whose probabilities sum to so many thousandths; 1000 for all.
    pub top_p_milli: u32,
    /// Taken off the logit of every token that the answer already has, thousandths.
    pub presence_milli: i32,
    /// Taken off the logit for each time that the answer already has the token, thousandths.
    pub frequency_milli: i32,
    /// Divides positive and multiplies negative logits of tokens that prompt or answer already have, thousandths; 1000 does
    /// nothing.
    pub repetition_milli: u32,
}

impl Sampling {
    /// Always the likeliest token; of equals the one with the lowest id.
    pub const GREEDY: Self = Self {
        temperature_milli: 0,
        top_k: 0,
        top_p_milli: 1000,
        presence_milli: 0,
        frequency_milli: 0,
        repetition_milli: 1000,
    };
}

impl Generation {
    /// Greedy, up to so many tokens, nothing else.
    pub fn greedy(max_tokens: usize) -> Self {
        Self { sampling: Sampling::GREEDY, seed: [0; 32], max_tokens, stop: vec![], ignore_eos: false, logprobs: None }
    }
}

/// What happened to a request in a step. Tokens come in order, and after [`Event::Finished`] or [`Event::Failed`] nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The next token.
    Token {
        /// Of which request.
        request: RequestId,
        /// Place in the answer, from 0.
        index: usize,
        /// The token: generated, replayed or scored.
        token: u32,
        /// Where it was asked for.
        logprobs: Option<Logprobs>,
    },
    /// The result of [`Task::Embed`].
    Embedding {
        /// Of which request.
        request: RequestId,
        /// As wide as the model, of length 1 (or all zeros, if the states cancel out): sums in f64 in the order of
        /// positions, divided by the root of the sum of their squares, rounded to f32. The same bits everywhere.
        vector: Vec<f32>,
    },
    /// The request is done.
    Finished {
        /// Which.
        request: RequestId,
        /// Why.
        finish: Finish,
        /// What it took.
        usage: Usage,
    },
    /// The request could not be done.
    Failed {
        /// Which.
        request: RequestId,
        /// Why.
        error: RunError,
    },
}

impl Event {
    /// Which request it is about.
    pub fn request(&self) -> RequestId {
        match self {
            Self::Token { request, .. }
            | Self::Embedding { request, .. }
            | Self::Finished { request, .. }
            | Self::Failed { request, .. } => *request,
        }
    }

    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Finished { .. } | Self::Failed { .. })
    }
}

/// Natural logarithms of probabilities in millionths, -10^9 to 0, of the model's own distribution: before temperature, cuts
/// and penalties. Integers made of integers, as `docs/engine.md` says, so that they can be committed to and compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logprobs {
    /// Of the token.
    pub chosen: i32,
    /// Of the likeliest tokens, in descending order, ties by id.
    pub top: Vec<(u32, i32)>,
}

/// Why a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// With a token that ends answers.
    Stop,
    /// With `max_tokens`.
    Length,
    /// All of a continuation was scored, or all of a prompt embedded.
    Done,
    /// A replay agreed with all tokens of the answer.
    Same,
    /// A replay found another token.
    Differs {
        /// Place in the answer.
        index: usize,
        /// The answer's token.
        claimed: u32,
        /// The model's.
        computed: u32,
    },
    /// [`crate::Engine::cancel`] was called.
    Cancelled,
}

/// What a request took, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt.
    pub prompt: usize,
    /// Of those, found in the prefix cache.
    pub cached: usize,
    /// Generated, replayed or scored.
    pub answer: usize,
}

/// Why a request was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full.
    #[error("{queued} requests are waiting, which is all the engine keeps: try again later")]
    Busy {
        /// Requests in the queue.
        queued: usize,
    },
    /// This payer's part of the queue is full.
    #[error("this payer has {queued} requests waiting, which is all one may have: try again later")]
    PayerBusy {
        /// The payer's requests in the queue.
        queued: usize,
    },
    /// The adapter was not registered.
    #[error("adapter {} is not registered: register it first", Hex(.0))]
    UnknownAdapter(ContentHash),
    /// The prompt, or the continuation, is empty.
    #[error("{0} has no tokens: give at least one")]
    Empty(&'static str),
    /// A token is not of the vocabulary.
    #[error("token {token} is not below the vocabulary's {vocabulary}: was it made by another tokenizer?")]
    UnknownToken {
        /// The token.
        token: u32,
        /// Tokens there are.
        vocabulary: usize,
    },
    /// Prompt and answer are longer than the context.
    #[error("{tokens} tokens of prompt and answer, the context has {limit}: shorten the prompt or ask for fewer")]
    TooLong {
        /// Tokens asked for.
        tokens: usize,
        /// Tokens there can be.
        limit: usize,
    },
    /// Not even alone would it fit the memory budget.
    #[error(
        "{needed} bytes of keys and values are more than the budget of {budget} allows: raise it or ask for fewer tokens"
    )]
    TooLarge {
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that there are.
        budget: usize,
    },
    /// A sampling setting is out of range.
    #[error("{name} is {value}, it must be {range}")]
    Sampling {
        /// Which.
        name: &'static str,
        /// Its value.
        value: i64,
        /// What is allowed.
        range: &'static str,
    },
    /// A device only continues prompts.
    #[cfg(feature = "candle")]
    #[error("an engine on a device only continues prompts: ask one of our own")]
    OnlyGenerates,
    /// The engine's thread is gone.
    #[error("the engine has stopped: start it again")]
    Stopped,
}

/// Why an adapter is not pinned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// The adapter was not registered.
    #[error("adapter {} is not registered: register it first", Hex(.0))]
    UnknownAdapter(ContentHash),
    /// Requests would be left too little memory.
    #[error(
        "adapter {} is not kept: with it kept adapters would take {needed} bytes of the {limit} that they may, half of the \
         engine's memory: unload others, or give the engine more memory",
        Hex(.hash)
    )]
    NoRoom {
        /// Which.
        hash: ContentHash,
        /// Bytes of the pinned adapters with this one; where a size is not known yet, that of the largest seen.
        needed: usize,
        /// Bytes that pinned adapters may take.
        limit: usize,
    },
    /// The engine's thread is gone.
    #[error("the engine has stopped: start it again")]
    Stopped,
    /// The engine is on a device, where nothing is kept ahead.
    #[error("adapters come to a device as they are asked for: there is nothing to load ahead")]
    OnDevice,
}

/// Why a request failed after it was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The adapter could not be read or does not fit the model.
    #[error("adapter {} could not be loaded: {reason}", Hex(.hash))]
    Adapter {
        /// Which.
        hash: ContentHash,
        /// What the source or the packing said.
        reason: String,
    },
    /// Keys, values and adapter do not fit beside what is pinned.
    #[error("the memory budget has no room for this request beside pinned adapters: unpin some or raise the budget")]
    NoMemory,
    /// A logit, or a state of an embedding, is infinite or not a number.
    #[error("the model's numbers are not finite after {position} tokens: its weights or the adapter's are unusable")]
    NotFinite {
        /// Tokens of the context.
        position: usize,
    },
    /// The engine's thread is gone.
    #[error("the engine has stopped: start it again")]
    Stopped,
}

/// The first eight bytes of a hash, in hexadecimal.
pub(crate) struct Hex<'a>(pub(crate) &'a ContentHash);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

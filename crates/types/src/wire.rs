//! What gateway and worker say to each other (`docs/spec/wire.md`): message types and their frames, without any I/O.
//!
//! A frame is `u32 length ‖ u8 tag ‖ body`: tag `J` is one JSON message, tag `P` a part of a contribution's bytes
//! (`u64 contribution ‖ bytes`). A reader refuses a frame longer than [`MAX_FRAME`] before it reads it.

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::{
    Network,
    bundle::{CitedContribution, SaltedText, Terms},
    conversation::Turn,
    evidence::{OtherChannels, Run},
    generation::GenerationRecord,
    ids::{ContributionId, DatanetId, DatanetVersion, ModelId},
    log_probs::TokenLogProb,
    receipt::{AnswerReceipt, Visibility},
};

/// Version of the wire; peers with another one part.
pub const PROTOCOL: u32 = 5;

/// Longest frame in bytes, the length field not counted.
pub const MAX_FRAME: usize = 8 << 20;

/// Most bytes of a contribution in one part.
pub const PART: usize = 1 << 20;

/// Longest prompt in bytes.
pub const MAX_PROMPT: usize = 256 << 10;

/// Longest answer in bytes.
pub const MAX_ANSWER: usize = 1 << 20;

/// Most models of one worker, and most adapters that it tells to be in memory: a list of either is far below
/// [`MAX_FRAME`].
pub const MAX_MODELS: usize = 16_384;

/// Gateway to worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// First message, in answer to the worker's.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The network; both sides must mean the same one.
        network: Network,
        /// The gateway's address.
        gateway: Address,
        /// Drawn at random for this connection: what the worker signs. Of an earlier protocol there is none.
        #[serde(default)]
        nonce: B256,
    },
    /// Answer this.
    Job(Box<Job>),
    /// Stop working on a job; no reply is due.
    Cancel {
        /// The job.
        job: u64,
    },
    /// The operator wants an adapter in the memory of the worker's own engine, or out of it; one `kept` is due.
    Keep {
        /// Number of the order on this connection.
        order: u64,
        /// The adapter, by its model.
        model: ModelId,
        /// Load it now and keep it; otherwise let it go.
        keep: bool,
    },
    /// All parts of a contribution were sent.
    ContributionEnd {
        /// The contribution.
        contribution: ContributionId,
        /// Bytes in all.
        bytes: u64,
    },
    /// The gateway does not hold a contribution.
    ContributionMissing {
        /// The contribution.
        contribution: ContributionId,
    },
}

/// One request as the worker gets it. The gateway has rendered the chat and reserved the fee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Number of the job on this connection.
    pub job: u64,
    /// `H(abi.encode(payer, gateway, nonce))`.
    pub request_id: B256,
    /// Who pays.
    pub payer: Address,
    /// The request's number.
    pub nonce: u64,
    /// Model asked for.
    pub model: ModelId,
    /// The model's terms as the gateway reserved the fee under.
    pub terms: Terms,
    /// Datanets that may be used.
    pub datanets: Vec<DatanetId>,
    /// The whole conversation as text: what is committed and what echo is judged by.
    pub prompt: SaltedText,
    /// The last user message.
    pub question: String,
    /// Salt for the answer's commitment.
    pub answer_salt: B256,
    /// Most tokens to write.
    pub max_output_tokens: u32,
    /// Sampling seed.
    pub seed: u64,
    /// Who may see the evidence.
    pub visibility: Visibility,
    /// What a model that generates needs besides.
    #[serde(default)]
    pub asked: Asked,
}

/// The request as a language model takes it. A model that only quotes needs none of it but the stop texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The conversation whose rendering is the prompt; empty: the prompt is a text to be continued as it stands.
    #[serde(default)]
    pub turns: Vec<Turn>,
    /// How to sample.
    #[serde(default)]
    pub sampling: Sampling,
    /// The answer ends before the first of these.
    #[serde(default)]
    pub stop: Vec<String>,
    /// Alternatives wanted beside each token's log-probability; none: no log-probabilities are wanted.
    #[serde(default)]
    pub log_probs: Option<u8>,
}

/// Most stop texts of a request, as OpenAI's API has it.
pub const MAX_STOPS: usize = 4;

/// Longest stop text in bytes.
pub const MAX_STOP: usize = 256;

/// Sampling options in millionths; what is left out is the engine's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling {
    /// From 0 to 2,000,000.
    #[serde(default)]
    pub temperature: Option<u32>,
    /// From 1 to 1,000,000.
    #[serde(default)]
    pub top_p: Option<u32>,
    /// From -2,000,000 to 2,000,000.
    #[serde(default)]
    pub presence_penalty: Option<i32>,
    /// From -2,000,000 to 2,000,000.
    #[serde(default)]
    pub frequency_penalty: Option<i32>,
}

/// Worker to gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToGateway {
    /// First message.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The worker's address.
        worker: Address,
        /// Models it serves now, at most [`MAX_MODELS`]; there may be none yet.
        models: Vec<ModelId>,
        /// Jobs it takes at once.
        slots: u32,
        /// Those of the models that generate: they sample, continue any text, and may tell log-probabilities.
        #[serde(default)]
        generating: Vec<ModelId>,
    },
    /// Second message: the worker's address is its own. Until then it is given nothing.
    Proof {
        /// Over [`crate::receipt::greeting_digest`] of the gateway's greeting.
        signature: Bytes,
    },
    /// The models that it serves from now on, in the place of those that it named before. Jobs that it has go on.
    Models {
        /// At most [`MAX_MODELS`].
        models: Vec<ModelId>,
        /// Those of them that generate.
        #[serde(default)]
        generating: Vec<ModelId>,
    },
    /// The versions it answers from now: every text in them was hashed against the chain.
    Adopted {
        /// Ascending by datanet.
        versions: Vec<DatanetVersion>,
    },
    /// Asks for a contribution's bytes.
    NeedContribution {
        /// The contribution.
        contribution: ContributionId,
    },
    /// An order was carried out, or not.
    Kept {
        /// The order.
        order: u64,
        /// Why it was not.
        #[serde(default)]
        refusal: Option<Refusal>,
    },
    /// What the worker's own engine holds and does: shown, not checked, not paid.
    Engine(EngineReport),
    /// The next piece of the answer.
    Delta {
        /// The job.
        job: u64,
        /// Text to append.
        text: String,
        /// Log-probabilities of the next tokens, whose text has come with this piece or before: those of all pieces
        /// together are what the evidence commits to, in the place of the context channel or in the record that stands there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        log_probs: Vec<TokenLogProb>,
    },
    /// The answer is complete.
    Done {
        /// The job.
        job: u64,
        /// Receipt, evidence and what it cites.
        answer: Box<SignedAnswer>,
    },
    /// The job is not answered; nothing is owed.
    Refused {
        /// The job.
        job: u64,
        /// Why.
        refusal: Refusal,
    },
}

/// What the worker stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedAnswer {
    /// The receipt.
    pub receipt: AnswerReceipt,
    /// Signature over the receipt's id.
    pub signature: Bytes,
    /// The span evidence.
    pub runs: Vec<Run>,
    /// Hashes of the other channels.
    pub other_channels: OtherChannels,
    /// Openings of what the runs cite.
    pub cited: Vec<CitedContribution>,
    /// How the answer came about.
    #[serde(default)]
    pub told: Told,
}

/// What a worker tells of an answer besides what it signs for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Why the answer ends where it does.
    #[serde(default)]
    pub finish: Finish,
    /// Tokens as the engine counted them: shown, not checked, not paid.
    #[serde(default)]
    pub engine_usage: Option<EngineUsage>,
    /// What an `exact` answer of a model with weights is a function of; the evidence commits to it in the place of the
    /// context channel.
    #[serde(default)]
    pub generation: Option<Box<GenerationRecord>>,
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done, or a stop text came.
    #[default]
    Stop,
    /// The most tokens were reached.
    Length,
    /// The engine withheld the rest.
    ContentFilter,
}

/// What is in an engine at the moment, and what it did since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineReport {
    /// Content hash of its base.
    pub base: B256,
    /// Requests in the queue.
    pub waiting: u64,
    /// Requests that run.
    pub running: u64,
    /// Adapters known.
    pub registered: u64,
    /// Bytes of adapters in memory.
    pub adapter_bytes: u64,
    /// Bytes of keys and values.
    pub cache_bytes: u64,
    /// Bytes of the packed base.
    pub model_bytes: u64,
    /// Passes through the model.
    pub steps: u64,
    /// Tokens of prompts of finished requests.
    pub prompt_tokens: u64,
    /// Of those, found in the prefix cache.
    pub cached_tokens: u64,
    /// Tokens of answers of finished requests.
    pub answer_tokens: u64,
    /// Adapters loaded.
    pub loads: u64,
    /// Adapters evicted.
    pub evictions: u64,
    /// Adapters in memory, ascending by hash; at most [`MAX_MODELS`].
    pub resident: Vec<Resident>,
}

/// An adapter in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resident {
    /// Its content hash.
    pub adapter: B256,
    /// Its bytes.
    pub bytes: u64,
}

/// Tokens as an engine counts them, by its own tokenizer and with the passages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineUsage {
    /// Read.
    pub input_tokens: u64,
    /// Written, thoughts included.
    pub output_tokens: u64,
}

/// Why a job was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Machine-readable.
    pub code: RefusalCode,
    /// For people: what and what to do.
    pub message: String,
    /// The datanet whose terms forbid it, if that is why.
    pub datanet: Option<DatanetId>,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// All slots are taken.
    Busy,
    /// The worker does not serve the model.
    UnknownModel,
    /// A named datanet has no adopted version here.
    NotAdopted,
    /// A datanet's terms forbid it.
    Terms,
    /// The job is malformed or over a limit.
    Invalid,
    /// The engine behind the model failed; the message says how.
    Engine,
    /// The worker failed.
    Internal,
}

/// One decoded frame body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<M> {
    /// A message.
    Message(M),
    /// Part of a contribution's bytes.
    Part(ContributionId, Vec<u8>),
}

/// A frame was refused.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Over [`MAX_FRAME`].
    #[error("a frame of {0} bytes is over the limit of {MAX_FRAME}")]
    TooLong(usize),
    /// Unknown tag or truncated part.
    #[error("a frame with tag {tag:?} of {length} bytes is malformed")]
    Malformed {
        /// First byte, if there is one.
        tag: Option<u8>,
        /// Length of the body.
        length: usize,
    },
    /// Not the expected JSON.
    #[error("a message could not be read")]
    Json(#[from] serde_json::Error),
}

impl<M: Serialize + for<'de> Deserialize<'de>> Frame<M> {
    /// The frame's bytes without the length field.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let mut bytes;
        match self {
            Self::Message(message) => {
                bytes = vec![b'J'];
                serde_json::to_writer(&mut bytes, message)?;
            }
            Self::Part(contribution, part) => {
                bytes = vec![b'P'];
                bytes.extend_from_slice(&contribution.0.to_be_bytes());
                bytes.extend_from_slice(part);
            }
        }
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLong(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads a frame's bytes without the length field.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLong(bytes.len()));
        }
        match bytes.split_first() {
            Some((b'J', json)) => Ok(Self::Message(serde_json::from_slice(json)?)),
            Some((b'P', part)) if part.len() >= 8 => {
                let (id, bytes) = part.split_at(8);
                let id = u64::from_be_bytes(id.try_into().expect("split at 8"));
                Ok(Self::Part(ContributionId(id), bytes.to_vec()))
            }
            other => Err(FrameError::Malformed { tag: other.map(|(tag, _)| *tag), length: bytes.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_probs::{Alternative, LEAST, MAX_ALTERNATIVES, MAX_LOG_PROBS};

    #[test]
    fn the_longest_lists_of_models_fit_a_frame() {
        let models: Vec<ModelId> = (u32::MAX - MAX_MODELS as u32..u32::MAX).map(ModelId).collect();
        let resident = Resident { adapter: B256::repeat_byte(0xff), bytes: u64::MAX };
        let report = EngineReport { resident: vec![resident; MAX_MODELS], ..EngineReport::default() };
        let (worker, generating) = (Address::repeat_byte(1), models.clone());
        for message in [
            ToGateway::Hello { protocol: PROTOCOL, worker, models: models.clone(), slots: 1, generating },
            ToGateway::Models { generating: models.clone(), models },
            ToGateway::Engine(report),
        ] {
            let bytes = Frame::Message(message.clone()).encode().expect("it fits");
            // A gateway holds one frame of each worker at a time: far from the limit is cheaper.
            assert!(bytes.len() < MAX_FRAME / 2, "{}", bytes.len());
            assert_eq!(Frame::decode(&bytes).expect("the same"), Frame::Message(message));
        }
    }

    #[test]
    fn the_longest_pieces_fit_a_frame() {
        // As many bytes of JSON as can be made of one: escapes, and tokens of nothing.
        let nothing = Alternative { bytes: Bytes::new(), micronats: LEAST };
        let token = TokenLogProb { token: nothing.clone(), top: vec![nothing; MAX_ALTERNATIVES] };
        let log_probs = vec![token.clone(); MAX_LOG_PROBS / token.encoded_len()];
        for (text, log_probs) in [("\u{1}".repeat(MAX_ANSWER), Vec::new()), ("\u{1}".repeat(64 << 10), log_probs)] {
            let delta = ToGateway::Delta { job: u64::MAX, text, log_probs };
            let bytes = Frame::Message(delta.clone()).encode().expect("it fits");
            assert_eq!(Frame::decode(&bytes).expect("the same"), Frame::Message(delta));
        }
    }
}

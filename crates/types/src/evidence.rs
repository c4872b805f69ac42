//! Evidence of the span channel: runs that partition the answer, each with its witness (`docs/spec/receipt.md`, 2).

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    WINDOW,
    ids::ContributionId,
    merkle::{OpeningError, Tree, root_from_path},
};

/// Most runs that an answer's evidence may have.
pub const MAX_RUNS: usize = 8_192;

/// Where a witness must end: chunks are numbered by 32 bits, and beyond nothing can be opened or demanded.
pub const WITNESS_END: u64 = 1 << 42;

/// Whom a byte of an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The prompt: an echo, unpaid. It comes before every contribution.
    Prompt,
    /// A contribution.
    Contribution(ContributionId),
    /// No source shares a window over the byte.
    Nobody,
}

impl Source {
    /// As the run leaf writes it.
    pub fn code(self) -> u64 {
        match self {
            Self::Nobody => 0,
            Self::Prompt => u64::MAX,
            Self::Contribution(id) => id.0,
        }
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nobody => serializer.serialize_str("nobody"),
            Self::Prompt => serializer.serialize_str("prompt"),
            Self::Contribution(id) => serializer.serialize_u64(id.0),
        }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Name(String),
            Id(u64),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Name(name) if name == "nobody" => Ok(Self::Nobody),
            Raw::Name(name) if name == "prompt" => Ok(Self::Prompt),
            Raw::Id(id) if id != 0 && id != u64::MAX => Ok(Self::Contribution(ContributionId(id))),
            _ => Err(serde::de::Error::custom("a source is \"nobody\", \"prompt\" or a contribution id")),
        }
    }
}

/// A stretch of answer bytes `[start, end)` with one owner and the match that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Owner.
    pub source: Source,
    /// Index of the document in the contribution (0 for the prompt).
    pub document: u32,
    /// The match in the answer begins here, at or before `start`.
    pub match_start: u32,
    /// The match in the answer ends here, at or after `end`.
    pub match_end: u32,
    /// Byte offset in the document at which the match begins.
    pub offset: u64,
}

/// Why evidence was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The runs do not partition the answer.
    #[error("run {index} starts at byte {start} where {expected} was due")]
    Gap {
        /// Index of the run.
        index: usize,
        /// Its start.
        start: u32,
        /// Where the previous one ended.
        expected: u32,
    },
    /// The runs end elsewhere than the answer.
    #[error("the runs end at byte {end} of an answer of {answer_bytes} bytes")]
    Length {
        /// End of the last run.
        end: u32,
        /// Length of the answer.
        answer_bytes: u32,
    },
    /// A run's witness is malformed.
    #[error("run {index} has a malformed witness: {reason}")]
    Witness {
        /// Index of the run.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// Too many runs.
    #[error("{0} runs are over the limit of {MAX_RUNS}")]
    TooMany(usize),
}

impl Run {
    /// A run that nobody is credited for.
    pub fn nobody(start: u32, end: u32) -> Self {
        Self { start, end, source: Source::Nobody, document: 0, match_start: 0, match_end: 0, offset: 0 }
    }

    /// A run with its witness.
    pub fn witnessed(
        start: u32,
        end: u32,
        source: Source,
        document: u32,
        match_start: u32,
        match_end: u32,
        offset: u64,
    ) -> Self {
        Self { start, end, source, document, match_start, match_end, offset }
    }

    /// Number of answer bytes.
    pub fn bytes(&self) -> u32 {
        self.end - self.start
    }

    /// `start ‖ end ‖ contribution ‖ document ‖ matchStart ‖ matchEnd ‖ offset`, big-endian.
    pub fn packed(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        bytes[..4].copy_from_slice(&self.start.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.end.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.source.code().to_be_bytes());
        bytes[16..20].copy_from_slice(&self.document.to_be_bytes());
        bytes[20..24].copy_from_slice(&self.match_start.to_be_bytes());
        bytes[24..28].copy_from_slice(&self.match_end.to_be_bytes());
        bytes[28..].copy_from_slice(&self.offset.to_be_bytes());
        bytes
    }

    /// The run's leaf: `08` and the packed run.
    pub fn leaf(&self) -> B256 {
        let mut bytes = [8; 37];
        bytes[1..].copy_from_slice(&self.packed());
        keccak256(bytes)
    }

    /// The bytes of `text` that the witness names, if they lie inside it.
    pub fn witness_in<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(self.offset).ok()?;
        let length = self.match_end.checked_sub(self.match_start)? as usize;
        text.get(start..start.checked_add(length)?)
    }

    fn check_witness(&self, index: usize, answer_bytes: u32) -> Result<(), EvidenceError> {
        let refuse = |reason| Err(EvidenceError::Witness { index, reason });
        if self.source == Source::Nobody {
            let zero = self.document == 0 && self.match_start == 0 && self.match_end == 0 && self.offset == 0;
            return if zero { Ok(()) } else { refuse("nobody's runs carry zeros") };
        }
        if self.match_start > self.start || self.end > self.match_end || self.match_end > answer_bytes {
            return refuse("the run does not lie inside its match");
        }
        if ((self.match_end - self.match_start) as usize) < WINDOW {
            return refuse("the match is shorter than a window");
        }
        let end = self.offset.checked_add(u64::from(self.match_end - self.match_start));
        if end.is_none_or(|end| end > WITNESS_END) {
            return refuse("the witness lies where no text can be opened");
        }
        Ok(())
    }
}

/// Well-formed runs over a whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Evidence {
    runs: Vec<Run>,
}

/// The channels' hashes that stand beside the span root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherChannels {
    /// Hash of the context channel's evidence; zero until it settles.
    pub context: B256,
    /// Hash of the influence channel's evidence; zero until it settles.
    pub influence: B256,
}

impl Evidence {
    /// Checks that the runs partition `[0, answer_bytes)` and that every witness is well-formed.
    pub fn new(runs: Vec<Run>, answer_bytes: u32) -> Result<Self, EvidenceError> {
        if runs.len() > MAX_RUNS {
            return Err(EvidenceError::TooMany(runs.len()));
        }
        let mut expected = 0;
        for (index, run) in runs.iter().enumerate() {
            if run.start != expected || run.end <= run.start {
                return Err(EvidenceError::Gap { index, start: run.start, expected });
            }
            run.check_witness(index, answer_bytes)?;
            expected = run.end;
        }
        if expected != answer_bytes || runs.is_empty() {
            return Err(EvidenceError::Length { end: expected, answer_bytes });
        }
        Ok(Self { runs })
    }

    /// The runs in order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Bytes of the answer.
    pub fn answer_bytes(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.end)
    }

    fn tree(&self) -> Tree {
        Tree::new(self.runs.iter().map(Run::leaf).collect())
    }

    /// The hash that the receipt carries.
    pub fn hash(&self, others: &OtherChannels) -> B256 {
        let tree = self.tree();
        evidence_hash(tree.leaves(), tree.root(), others)
    }

    /// Opens run `index`.
    pub fn open(&self, index: u32, others: &OtherChannels) -> Option<RunOpening> {
        let run = *self.runs.get(index as usize)?;
        let tree = self.tree();
        Some(RunOpening { run, index, runs: tree.leaves(), path: tree.path(index), others: *others })
    }
}

fn evidence_hash(runs: u32, span_root: B256, others: &OtherChannels) -> B256 {
    let mut bytes = [0; 101];
    bytes[0] = 6;
    bytes[1..5].copy_from_slice(&runs.to_be_bytes());
    bytes[5..37].copy_from_slice(span_root.as_slice());
    bytes[37..69].copy_from_slice(others.context.as_slice());
    bytes[69..].copy_from_slice(others.influence.as_slice());
    keccak256(bytes)
}

/// One run opened inside the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOpening {
    /// The run.
    pub run: Run,
    /// Its index.
    pub index: u32,
    /// Number of runs.
    pub runs: u32,
    /// Siblings from the bottom up.
    pub path: Vec<B256>,
    /// The other channels' hashes.
    pub others: OtherChannels,
}

impl RunOpening {
    /// Checks it against the receipt's evidence hash.
    pub fn verify(&self, expected: B256) -> Result<(), OpeningError> {
        let root = root_from_path(self.run.leaf(), self.index, self.runs, &self.path)?;
        let got = evidence_hash(self.runs, root, &self.others);
        if got == expected { Ok(()) } else { Err(OpeningError::Root { got, expected }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_ends_where_texts_can_be_opened() {
        let of = |offset| {
            let run = Run::witnessed(0, 40, Source::Contribution(ContributionId(7)), 0, 0, 40, offset);
            Evidence::new(vec![run], 40).map(|_| ())
        };
        assert_eq!(of(WITNESS_END - 40), Ok(()));
        for beyond in [WITNESS_END - 39, u64::MAX - 39, u64::MAX] {
            assert!(matches!(of(beyond), Err(EvidenceError::Witness { index: 0, .. })), "{beyond}");
        }
    }
}

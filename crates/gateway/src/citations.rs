//! From evidence to what a reader sees: annotations in the answer, and the `fonte` object beside it.
//!
//! All indices here count characters (Unicode scalar values), as OpenAI's `url_citation` does; evidence counts bytes.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use fonte_types::{
    ContributionId, EngineClass,
    bundle::ReceiptBundle,
    evidence::{Run, Source},
};
use serde::Serialize;

/// One entry of `message.annotations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// Always `url_citation`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where, and what is cited.
    pub url_citation: UrlCitation,
}

/// A stretch of the answer and its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UrlCitation {
    /// First character.
    pub start_index: usize,
    /// One past the last character.
    pub end_index: usize,
    /// The document's URL, or where this gateway describes its contribution.
    pub url: String,
    /// The document's title.
    pub title: String,
}

/// The `fonte` object of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attribution {
    /// The receipt's id.
    pub receipt: B256,
    /// The fee.
    #[serde(with = "fonte_types::wei")]
    pub fee_wei: u128,
    /// How far the answer can be replayed.
    pub class: EngineClass,
    /// Who is paid for it, largest share first.
    pub shares: Vec<SourceShare>,
    /// What no source explains.
    pub unattributed_ppm: u32,
}

/// One contribution's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceShare {
    /// Its id.
    pub contribution: ContributionId,
    /// Title of the document that most of it came from.
    pub document: String,
    /// Who signed the contribution.
    pub contributor: Address,
    /// Who is paid.
    pub payee: Address,
    /// Part of the data pool.
    pub share_ppm: u32,
    /// What it is credited, in wei: pending until the challenge window is over.
    #[serde(with = "fonte_types::wei")]
    pub credit_wei: u128,
    /// The score in each channel; null where a channel was not computed.
    pub channels: Channels,
    /// Its stretches of the answer, in characters.
    pub spans: Vec<Span>,
    /// The documents behind it, most bytes first.
    pub documents: Vec<SourceDocument>,
}

/// Scores per channel in ppm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Channels {
    /// Proved.
    pub span: Option<u32>,
    /// Audited.
    pub context: Option<u32>,
    /// An estimate.
    pub influence: Option<u32>,
}

/// A stretch of the answer, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// First character.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

/// A document behind a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceDocument {
    /// Its index in the contribution.
    pub index: u32,
    /// Its title.
    pub title: String,
    /// Its URL, empty where unknown.
    pub url: String,
    /// Answer bytes credited through it.
    pub bytes: u64,
}

/// Annotations of an answer; `base` is the gateway's public URL.
pub fn annotations(bundle: &ReceiptBundle, base: &str) -> Vec<Annotation> {
    let positions = Characters::of(&bundle.answer.text);
    stretches(&bundle.runs)
        .into_iter()
        .map(|(contribution, document, start, end)| {
            let metadata = bundle
                .cited
                .iter()
                .find(|cited| cited.contribution == contribution)
                .and_then(|cited| cited.documents.iter().find(|d| d.opening.index == document))
                .map(|document| &document.metadata);
            let url = metadata
                .map(|metadata| metadata.url.clone())
                .filter(|url| !url.is_empty())
                .unwrap_or_else(|| format!("{base}/fonte/v1/contributions/{contribution}"));
            Annotation {
                kind: "url_citation",
                url_citation: UrlCitation {
                    start_index: positions.start(start),
                    end_index: positions.end(end),
                    url,
                    title: metadata.map_or_else(String::new, |metadata| metadata.title.clone()),
                },
            }
        })
        .collect()
}

/// The `fonte` object of an answer.
pub fn attribution(bundle: &ReceiptBundle) -> Attribution {
    let positions = Characters::of(&bundle.answer.text);
    let stretches = stretches(&bundle.runs);
    let credits = bundle.credits();
    let shares = bundle
        .receipt
        .shares
        .as_slice()
        .iter()
        .zip(&credits.contributions)
        .map(|(share, (_, credit))| {
            let cited = bundle.cited.iter().find(|cited| cited.contribution == share.contribution);
            let documents = documents_of(bundle, share.contribution);
            SourceShare {
                contribution: share.contribution,
                document: documents.first().map_or_else(String::new, |document| document.title.clone()),
                contributor: cited.map_or(Address::ZERO, |cited| cited.contributor),
                payee: cited.map_or(Address::ZERO, |cited| cited.payee),
                share_ppm: share.ppm,
                credit_wei: *credit,
                channels: Channels { span: Some(share.ppm), context: None, influence: None },
                spans: stretches
                    .iter()
                    .filter(|(contribution, ..)| *contribution == share.contribution)
                    .map(|(_, _, start, end)| Span { start: positions.start(*start), end: positions.end(*end) })
                    .collect(),
                documents,
            }
        })
        .collect();
    Attribution {
        receipt: bundle.id,
        fee_wei: bundle.receipt.fee,
        class: bundle.receipt.engine_class,
        shares,
        unattributed_ppm: bundle.receipt.shares.unattributed_ppm(),
    }
}

/// The documents through which a contribution is credited, most bytes first.
pub(crate) fn documents_of(bundle: &ReceiptBundle, contribution: ContributionId) -> Vec<SourceDocument> {
    let mut bytes: BTreeMap<u32, u64> = BTreeMap::new();
    for run in &bundle.runs {
        if run.source == Source::Contribution(contribution) {
            *bytes.entry(run.document).or_default() += u64::from(run.bytes());
        }
    }
    let cited = bundle.cited.iter().find(|cited| cited.contribution == contribution);
    let mut documents: Vec<_> = bytes
        .into_iter()
        .map(|(index, bytes)| {
            let metadata = cited
                .and_then(|cited| cited.documents.iter().find(|d| d.opening.index == index))
                .map(|document| &document.metadata);
            SourceDocument {
                index,
                title: metadata.map_or_else(String::new, |metadata| metadata.title.clone()),
                url: metadata.map_or_else(String::new, |metadata| metadata.url.clone()),
                bytes,
            }
        })
        .collect();
    documents.sort_by_key(|document| (std::cmp::Reverse(document.bytes), document.index));
    documents
}

/// Neighbouring runs of one document become one stretch: a reader sees sources, not witnesses.
fn stretches(runs: &[Run]) -> Vec<(ContributionId, u32, u32, u32)> {
    let mut stretches: Vec<(ContributionId, u32, u32, u32)> = Vec::new();
    for run in runs {
        let Source::Contribution(id) = run.source else {
            continue;
        };
        match stretches.last_mut() {
            Some((last, document, _, end)) if *last == id && *document == run.document && *end == run.start => {
                *end = run.end;
            }
            _ => stretches.push((id, run.document, run.start, run.end)),
        }
    }
    stretches
}

/// Byte positions to character indices.
struct Characters {
    /// First byte of every character.
    starts: Vec<u32>,
}

impl Characters {
    fn of(text: &str) -> Self {
        Self { starts: text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect() }
    }

    /// Index of the character that holds byte `at`.
    fn start(&self, at: u32) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// One past the character that holds the byte before `at`.
    fn end(&self, at: u32) -> usize {
        self.starts.partition_point(|start| *start < at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_characters_and_neighbours_join() {
        let positions = Characters::of("aé漢z");
        assert_eq!((positions.start(0), positions.end(1)), (0, 1));
        assert_eq!((positions.start(1), positions.end(3)), (1, 2));
        assert_eq!((positions.start(2), positions.end(4)), (1, 3), "a cut character counts whole");
        assert_eq!((positions.start(6), positions.end(7)), (3, 4));

        let source = Source::Contribution(ContributionId(4));
        let runs = [
            Run::witnessed(0, 40, source, 1, 0, 40, 5),
            Run::witnessed(40, 80, source, 1, 40, 80, 500),
            Run::nobody(80, 90),
            Run::witnessed(90, 130, source, 2, 90, 130, 0),
        ];
        assert_eq!(stretches(&runs), [(ContributionId(4), 1, 0, 80), (ContributionId(4), 2, 90, 130)]);
    }
}

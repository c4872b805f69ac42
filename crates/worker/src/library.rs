//! What this host holds: texts, the search index and the trace index over them, in one folder.
//!
//! Everything here blocks; the service calls it from blocking tasks. A contribution is in the library once its bundle
//! hashes up to its root, the trace index holds every document of it, and, where it may be quoted, the search index holds
//! it too. Each step is skipped where it is already done, so a killed build is completed by repeating it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Read,
    ops::Range,
    path::Path,
    sync::Arc,
};

use alloy_primitives::Address;
use fonte_attribution::{
    AddError, AttributeError, Document, IndexConfig, IndexError, Members, SuffixIndex, Traced, trace_answer,
};
use fonte_bindings::{ContributionRecord, DatanetRecord};
use fonte_corpus::{
    Bundle, SearchIndex, Store,
    bundle::BundleError,
    search::{Query, SearchError},
    store::StoreError,
};
use fonte_types::{
    ContributionId, DatanetId,
    bundle::{CitedContribution, CitedDocument},
    evidence::{Run, Source},
    merkle::{CHUNK, CommittedText, DocumentOpening, OpeningError, Tree},
};

use crate::model::{FoundPassage, Passages};

/// Passages that are read for one question.
const PASSAGES: usize = 48;

/// Passages that search brings up for them: copies of one another count once, so that publishing a text ten times pushes
/// nobody off the shelf.
const CANDIDATES: usize = 4 * PASSAGES;

/// Percent of two passages' different words, of both together, that they share at least where one is a copy.
const SAME_PASSAGE: usize = 70;

/// A document up to this size is read whole; of a longer one, the surroundings of what was found.
const WHOLE: usize = 32 << 10;

/// Bytes read on either side of a passage of a long document.
const AROUND: usize = 2 << 10;

/// The library failed.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The store of texts.
    #[error("the store of texts failed")]
    Store(#[from] StoreError),
    /// A bundle could not be read.
    #[error("a stored contribution could not be read")]
    Bundle(#[from] BundleError),
    /// The search index.
    #[error("the search index failed")]
    Search(#[from] SearchError),
    /// The trace index could not be opened.
    #[error("the trace index failed")]
    Index(#[from] IndexError),
    /// The trace index could not be extended.
    #[error("the trace index could not be extended")]
    Add(#[from] AddError),
    /// An answer could not be traced.
    #[error("the answer could not be attributed")]
    Attribute(#[from] AttributeError),
    /// A witness could not be opened.
    #[error("a cited text could not be opened")]
    Opening(#[from] OpeningError),
    /// A bundle is not what the chain says.
    #[error(
        "contribution {id} has {documents} documents and {text_bytes} bytes of text where the chain says \
         {chain_documents} and {chain_bytes}: its contributor misstated it and it is not adopted"
    )]
    Misstated {
        /// The contribution.
        id: ContributionId,
        /// Documents in the bundle.
        documents: u32,
        /// Bytes in the bundle.
        text_bytes: u64,
        /// Documents on chain.
        chain_documents: u32,
        /// Bytes on chain.
        chain_bytes: u64,
    },
    /// A run names a contribution that is not known.
    #[error("the evidence names contribution {0}, which the chain does not list")]
    Unlisted(ContributionId),
}

/// A contribution to be indexed.
#[derive(Clone, Debug)]
pub(crate) struct Acquired {
    pub(crate) record: ContributionRecord,
    /// Whether its passages may be searched and quoted.
    pub(crate) searchable: bool,
}

/// Texts and indexes of one host.
pub(crate) struct Library {
    store: Store,
    search: SearchIndex,
    trace: SuffixIndex,
}

impl Library {
    pub(crate) fn open(folder: &Path) -> Result<Self, LibraryError> {
        Ok(Self {
            store: Store::open(&folder.join("store"))?,
            search: SearchIndex::open(&folder.join("search"))?,
            trace: SuffixIndex::open(&folder.join("trace"), IndexConfig::default())?,
        })
    }

    /// Whether the texts are here and verified.
    pub(crate) fn holds(&self, record: &ContributionRecord) -> bool {
        self.store.holds(record.root)
    }

    /// Takes a bundle in if every text in it hashes up to the root on chain.
    pub(crate) fn receive(&self, record: &ContributionRecord, bytes: impl Read) -> Result<(), LibraryError> {
        let bundle = self.store.receive(record.root, bytes)?;
        check(record, &bundle)
    }

    /// Computes the licence commons, which every node has alike, so that nobody has to send it.
    pub(crate) fn make_commons(&self) -> Result<(), LibraryError> {
        fonte_corpus::commons::licences(&self.store)?;
        Ok(())
    }

    /// Whether a stored bundle has as many documents and bytes as the chain says.
    pub(crate) fn is_as_stated(&self, record: &ContributionRecord) -> Result<(), LibraryError> {
        let bundle = self.store.bundle(record.root)?;
        check(record, &bundle)
    }

    /// Puts contributions whose texts are here into the indexes: one trace segment and one search commit for them all.
    /// [`merge`](Self::merge) belongs behind it.
    pub(crate) fn index(&self, batch: &[Acquired]) -> Result<(), LibraryError> {
        let mut bundles: BTreeMap<ContributionId, Arc<Bundle>> = BTreeMap::new();
        let mut records = Vec::new();
        for Acquired { record, searchable } in batch {
            let bundle = self.store.bundle(record.root)?;
            check(record, &bundle)?;
            records.push(fonte_corpus::ContributionRecord {
                id: record.id,
                root: record.root,
                membership: record.membership,
                contributor: record.contributor,
                payee: record.payee,
                name: bundle.contributor().to_owned(),
                indexable: *searchable,
            });
            bundles.insert(record.id, bundle);
        }
        self.store.put_records(&records)?;

        // The iterator cannot fail, so a text that cannot be read ends it and is reported afterwards.
        let mut unreadable = None;
        let missing = batch.iter().flat_map(|Acquired { record, .. }| {
            (0..record.documents)
                .filter(|document| !self.trace.contains(record.id, *document))
                .map(move |document| (record, document))
        });
        let documents = missing.map_while(|(record, document)| match bundles[&record.id].text(document) {
            Ok(text) => Some(Document {
                contribution: record.id,
                document,
                datanet: record.membership.datanet,
                text: text.into_bytes(),
            }),
            Err(error) => {
                unreadable = Some(error);
                None
            }
        });
        self.trace.add_unmerged(documents, &mut |_| {})?;
        if let Some(error) = unreadable {
            return Err(error.into());
        }

        let mut changed = false;
        for Acquired { record, .. } in batch.iter().filter(|acquired| acquired.searchable) {
            if !self.search.contains(record.id)? {
                self.search.add_contribution(record.id, &bundles[&record.id])?;
                changed = true;
            }
        }
        if changed {
            self.search.commit()?;
        }
        Ok(())
    }

    /// Merges segments of the trace index, where that is due: up to half a minute, while answers are traced and contributions
    /// indexed.
    pub(crate) fn merge(&self) -> Result<(), LibraryError> {
        Ok(self.trace.merge(&mut |_| {})?)
    }

    /// Whether a contribution is wholly in the indexes.
    pub(crate) fn is_indexed(&self, acquired: &Acquired) -> Result<bool, LibraryError> {
        let Acquired { record, searchable } = acquired;
        // Segments are written in the order of the documents, so the last one tells of all.
        let traced = (0..record.documents).rev().all(|document| self.trace.contains(record.id, document));
        Ok(traced && (!searchable || self.search.contains(record.id)?))
    }

    /// Attributes an answer.
    pub(crate) fn trace(&self, answer: &str, prompt: &str, members: &dyn Members) -> Result<Traced, LibraryError> {
        Ok(trace_answer(&self.trace, answer.as_bytes(), prompt.as_bytes(), members)?)
    }

    /// Opens what the runs' witnesses need: every chunk once, ascending.
    pub(crate) fn cite(
        &self,
        runs: &[Run],
        contributions: &BTreeMap<ContributionId, ContributionRecord>,
        datanets: &BTreeMap<DatanetId, DatanetRecord>,
    ) -> Result<Vec<CitedContribution>, LibraryError> {
        let mut needed: BTreeMap<ContributionId, BTreeMap<u32, BTreeSet<u64>>> = BTreeMap::new();
        for run in runs {
            let Source::Contribution(id) = run.source else { continue };
            let chunks = needed.entry(id).or_default().entry(run.document).or_default();
            let end = run.offset + u64::from(run.match_end - run.match_start);
            chunks.extend(run.offset / CHUNK as u64..=(end - 1) / CHUNK as u64);
        }
        needed
            .into_iter()
            .map(|(id, documents)| {
                let record = contributions.get(&id).ok_or(LibraryError::Unlisted(id))?;
                let bundle = self.store.bundle(record.root)?;
                let tree = Tree::new(bundle.commitments().collect());
                let documents = documents
                    .into_iter()
                    .map(|(document, chunks)| open_document(&bundle, &tree, document, &chunks))
                    .collect::<Result<_, _>>()?;
                let datanet = datanets.get(&record.membership.datanet);
                Ok(CitedContribution {
                    contribution: id,
                    root: record.root,
                    membership: record.membership,
                    contributor: record.contributor,
                    payee: record.payee,
                    curator: datanet.map_or(Address::ZERO, |datanet| datanet.curator),
                    curator_ppm: datanet.map_or(0, |datanet| datanet.policy.curator_ppm),
                    documents,
                })
            })
            .collect()
    }

    /// What a model may read: passages of contributions that `allowed` lets through, knowing which datanet is the commons.
    pub(crate) fn passages<'a>(
        &'a self,
        allowed: &'a (dyn Fn(ContributionId) -> bool + Sync),
        commons: Option<DatanetId>,
    ) -> Shelf<'a> {
        Shelf { library: self, allowed, commons }
    }
}

fn check(record: &ContributionRecord, bundle: &Bundle) -> Result<(), LibraryError> {
    if (bundle.documents(), bundle.text_bytes()) == (record.documents, record.text_bytes) {
        return Ok(());
    }
    Err(LibraryError::Misstated {
        id: record.id,
        documents: bundle.documents(),
        text_bytes: bundle.text_bytes(),
        chain_documents: record.documents,
        chain_bytes: record.text_bytes,
    })
}

fn open_document(
    bundle: &Bundle,
    tree: &Tree,
    document: u32,
    chunks: &BTreeSet<u64>,
) -> Result<CitedDocument, LibraryError> {
    let salted = bundle.document(document)?;
    let metadata = salted.document.metadata;
    let committed = CommittedText::document(salted.document.text.as_bytes(), &metadata, salted.salt)?;
    let chunks = chunks.iter().map(|chunk| committed.open_at(chunk * CHUNK as u64)).collect::<Result<_, _>>()?;
    let opening = DocumentOpening { index: document, documents: bundle.documents(), path: tree.path(document), chunks };
    Ok(CitedDocument { metadata, opening })
}

/// The part of the library that one job may read.
pub(crate) struct Shelf<'a> {
    library: &'a Library,
    allowed: &'a (dyn Fn(ContributionId) -> bool + Sync),
    commons: Option<DatanetId>,
}

impl Passages for Shelf<'_> {
    fn find(&self, question: &str) -> Result<Vec<FoundPassage>, LibraryError> {
        let query = Query { text: question, language: None, limit: CANDIDATES };
        let hits = self.library.search.search(&query, &self.library.store, &|id, _| (self.allowed)(id))?;
        let mut places: BTreeMap<(ContributionId, u32), Vec<Range<usize>>> = BTreeMap::new();
        for hit in without_copies(question, hits) {
            places.entry((hit.contribution, hit.document)).or_default().push(hit.range);
        }
        let mut found = Vec::new();
        for ((contribution, document), ranges) in places {
            let bundle = self.library.store.bundle_of(contribution)?;
            let (_, metadata) = bundle.describe(document)?;
            let text = bundle.text(document)?;
            let windows = windows(&text, ranges);
            found.extend(windows.into_iter().map(|window| FoundPassage {
                contribution,
                document,
                title: metadata.title.clone(),
                about: format!("{} {}", metadata.author, metadata.url),
                language: metadata.language.clone(),
                offset: window.start,
                text: text[window].to_owned(),
            }));
        }
        Ok(found)
    }

    fn best(&self, question: &str, bytes: usize) -> Result<Vec<FoundPassage>, LibraryError> {
        let query = Query { text: question, language: None, limit: PASSAGES };
        let hits = self.library.search.search(&query, &self.library.store, &|id, _| (self.allowed)(id))?;
        let mut left = bytes;
        let mut best = Vec::new();
        for hit in hits {
            // A long passage that does not fit leaves room for a shorter one after it.
            let Some(rest) = left.checked_sub(hit.text.len()) else { continue };
            left = rest;
            let (_, metadata) = self.library.store.bundle_of(hit.contribution)?.describe(hit.document)?;
            best.push(FoundPassage {
                contribution: hit.contribution,
                document: hit.document,
                title: metadata.title,
                about: format!("{} {}", metadata.author, metadata.url),
                language: metadata.language,
                offset: hit.range.start,
                text: hit.text,
            });
        }
        Ok(best)
    }

    fn boilerplate(&self, text: &str) -> Result<bool, LibraryError> {
        let Some(commons) = self.commons else { return Ok(false) };
        let members = |_: ContributionId, datanet: DatanetId| datanet == commons;
        let traced = self.library.trace(text, "", &members)?;
        let held: u32 = traced.evidence.runs().iter().filter(|r| r.source != Source::Nobody).map(Run::bytes).sum();
        Ok(u64::from(held) * 2 >= text.len() as u64)
    }
}

/// The first [`PASSAGES`] of these, best first, that are no copies of one another; of copies, the earliest contribution's
/// takes the place of the best. Passages that hold different words of the question are none: of a hundred entries of one
/// form, the one with the name or number that is asked about must stay.
fn without_copies(question: &str, hits: Vec<fonte_corpus::search::Passage>) -> Vec<fonte_corpus::search::Passage> {
    // Each word is a number here: every passage is compared with every one that is kept.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut different_words = |text: &str| -> Vec<usize> {
        let words = text.split(|c: char| !c.is_alphanumeric()).map(|word| {
            let next = numbers.len();
            *numbers.entry(word.to_lowercase()).or_insert(next)
        });
        let mut words: Vec<usize> = words.collect();
        words.sort_unstable();
        words.dedup();
        words
    };
    // The question's have the lowest numbers, so what a passage holds of them is the beginning of its list.
    let asked = different_words(question).len();
    let same = |a: &[usize], b: &[usize]| {
        let of_question = |words: &[usize]| words.partition_point(|word| *word < asked);
        a[..of_question(a)] == b[..of_question(b)] && same_words(a, b)
    };
    let mut kept: Vec<(fonte_corpus::search::Passage, Vec<usize>)> = Vec::new();
    for hit in hits {
        let words = different_words(&hit.text);
        let place = |passage: &fonte_corpus::search::Passage| (passage.contribution, passage.document);
        match kept.iter().position(|(other, theirs)| place(other) != place(&hit) && same(theirs, &words)) {
            Some(at) if place(&hit) < place(&kept[at].0) => kept[at] = (hit, words),
            // Once the shelf is full a later hit may still be the original of one that stands there.
            Some(_) => {}
            None if kept.len() < PASSAGES => kept.push((hit, words)),
            None => {}
        }
    }
    kept.into_iter().map(|(hit, _)| hit).collect()
}

/// Whether two sorted lists of different words share [`SAME_PASSAGE`] percent of what they have together.
fn same_words(a: &[usize], b: &[usize]) -> bool {
    let (fewer, more) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if fewer.len() * 100 < more.len() * SAME_PASSAGE {
        return false;
    }
    let (mut rest, mut shared) = (more.iter().peekable(), 0);
    for word in fewer {
        while rest.next_if(|other| *other < word).is_some() {}
        shared += usize::from(rest.next_if_eq(&word).is_some());
    }
    shared * 100 >= (fewer.len() + more.len() - shared) * SAME_PASSAGE
}

/// Passages with what stands around them, cut at paragraph ends where those are near, merged where they touch. A short
/// text is one window.
fn windows(text: &str, mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    if text.len() <= WHOLE {
        let whole = 0..text.len();
        return Vec::from([whole]);
    }
    ranges.sort_by_key(|range| range.start);
    let mut windows: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        let from = text.ceil_char_boundary(range.start.saturating_sub(AROUND));
        let to = text.floor_char_boundary((range.end + AROUND).min(text.len()));
        let start =
            if from == 0 { 0 } else { text[from..range.start].find("\n\n").map_or(range.start, |at| from + at + 2) };
        let end = if to == text.len() {
            to
        } else {
            text[range.end..to].rfind("\n\n").map_or(range.end, |at| range.end + at)
        };
        match windows.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => windows.push(start..end),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::{SAME_PASSAGE, same_words, windows};

    #[test]
    fn the_same_words_are_so_many_of_all() {
        let words = |set: u32| -> Vec<usize> { (0..8).filter(|word| set >> word & 1 == 1).collect() };
        for a in 1u32..256 {
            for b in 1u32..256 {
                let (shared, all) = ((a & b).count_ones() as usize, (a | b).count_ones() as usize);
                assert_eq!(same_words(&words(a), &words(b)), shared * 100 >= all * SAME_PASSAGE, "{a:b} {b:b}");
            }
        }
    }

    #[test]
    fn windows_end_at_paragraphs_and_never_overlap() {
        let paragraph = "Words of a paragraph, é assim. ".repeat(20);
        let text = vec![paragraph.trim_end(); 60].join("\n\n");
        let hits: Vec<_> = fonte_corpus::passages(&text).into_iter().step_by(7).collect();
        let found = windows(&text, hits.clone());
        let mut at = 0;
        for window in &found {
            assert!(window.start >= at && window.start < window.end);
            assert!(window.start == 0 || text[..window.start].ends_with("\n\n"));
            assert!(window.end == text.len() || text[window.end..].starts_with("\n\n"));
            at = window.end;
        }
        assert!(hits.iter().all(|hit| found.iter().any(|w| w.start <= hit.start && hit.end <= w.end)));
    }
}

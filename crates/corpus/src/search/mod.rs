//! The search index: BM25 over passages, by tantivy.
//!
//! A passage is a stretch of about 110 to 200 words of one document ([`crate::passages`]); the index keeps where it
//! stands, not its text, which is read from the [`Store`]. Each document is indexed in the fields of its language
//! (English and Portuguese are stemmed and lose their stop words; others are only folded), and a query asks all of
//! them, each in its own way.
//!
//! **What is withdrawn is never returned.** Deleting from an index takes effect at the next commit, and a chain may
//! withdraw at any block, so [`SearchIndex::search`] asks the caller's filter about every candidate, by the live state
//! of the chain, and drops a passage whose text the store no longer holds.

mod terms;

use std::{
    cmp::Ordering,
    collections::{BTreeSet, BinaryHeap},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use fonte_types::ids::ContributionId;
use tantivy::{
    DocId, Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Score, Searcher, SegmentReader,
    TantivyDocument, Term,
    columnar::Column,
    directory::MmapDirectory,
    query::{BooleanQuery, BoostQuery, EnableScoring, Occur, Query as _, TermQuery},
    schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
};

pub use terms::{Language, TermAt, query_terms, terms};

use crate::{
    bundle::{Bundle, BundleError},
    passages,
    store::Store,
};

/// Memory of the index writer, in bytes.
const WRITER_BYTES: usize = 96 << 20;

/// A query is read up to this length and this number of terms.
const MAX_QUERY_BYTES: usize = 8 << 10;
const MAX_QUERY_TERMS: usize = 64;

/// Passages returned at most.
const MAX_RESULTS: usize = 1000;

/// Weight of a term in the title beside one in the passage.
const TITLE_BOOST: Score = 1.5;

/// Weight of the fields that are not in the language of the query.
const OTHER_LANGUAGE: Score = 0.5;

/// Why the index refused.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The folder cannot be used.
    #[error("cannot open the search index at {}: remove the folder to have it rebuilt", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// What tantivy said.
        #[source]
        source: tantivy::TantivyError,
    },
    /// The folder cannot be created.
    #[error("cannot create the search index at {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process is writing.
    #[error("another process is writing to this search index: stop it, or leave indexing to it")]
    Busy,
    /// Indexing or searching failed.
    #[error("the search index failed")]
    Index(#[from] tantivy::TantivyError),
    /// A document could not be read for indexing.
    #[error("cannot read a document for indexing")]
    Bundle(#[from] BundleError),
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// The question, in plain words: it has no operators.
    pub text: &'a str,
    /// Its language where the caller knows; otherwise it is detected.
    pub language: Option<Language>,
    /// Number of passages wanted.
    pub limit: usize,
}

/// A passage that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// The contribution.
    pub contribution: ContributionId,
    /// Index of the document in it.
    pub document: u32,
    /// Where the passage stands in the clean text, in bytes.
    pub range: Range<usize>,
    /// The passage, verbatim.
    pub text: String,
    /// Title of the document.
    pub title: String,
    /// Language of the document.
    pub language: Language,
    /// BM25 over all matching fields. For ranking only: it depends on everything in the index.
    pub score: f32,
    /// Stems of the query found in the passage or in its title.
    pub matched: BTreeSet<String>,
}

/// A search index on disk. One process writes; any number search.
pub struct SearchIndex {
    index: Index,
    reader: IndexReader,
    writer: Mutex<Option<IndexWriter>>,
    fields: Fields,
}

#[derive(Clone, Copy)]
struct Fields {
    contribution: Field,
    document: Field,
    start: Field,
    end: Field,
    language: Field,
    /// On one entry per contribution, so that one without passages is known to be indexed too.
    marker: Field,
    body: [Field; 3],
    title: [Field; 3],
}

impl std::fmt::Debug for SearchIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchIndex").field("passages", &self.reader.searcher().num_docs()).finish_non_exhaustive()
    }
}

impl SearchIndex {
    /// Opens the index in a folder, creating it if need be.
    pub fn open(folder: &Path) -> Result<Self, SearchError> {
        let open = |source| SearchError::Open { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(|source| SearchError::Folder { path: folder.to_owned(), source })?;
        let (schema, fields) = schema();
        let directory = MmapDirectory::open(folder).map_err(|error| open(error.into()))?;
        let index = Index::builder()
            .schema(schema)
            .settings(IndexSettings::default())
            .open_or_create(directory)
            .map_err(open)?;
        for language in Language::ALL {
            index.tokenizers().register(language.analyzer_name(), language.analyzer());
        }
        // Commits of this process reload it at once; other processes call `refresh`.
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(open)?;
        Ok(Self { index, reader, writer: Mutex::new(None), fields })
    }

    /// Adds a contribution, replacing what is indexed of it. It is found after [`Self::commit`].
    ///
    /// # Errors
    /// Where not all of it could be added, everything since the last commit is taken back: a part of a contribution must
    /// not become durable as the whole.
    pub fn add_contribution(&self, id: ContributionId, bundle: &Bundle) -> Result<(), SearchError> {
        let mut guard = self.writer();
        let added = self.ready(&mut guard).and_then(|writer| add(writer, self.fields, id, bundle));
        if added.is_err() {
            *guard = None;
        }
        added
    }

    /// Removes a contribution; gone for good after [`Self::commit`].
    pub fn remove(&self, id: ContributionId) -> Result<(), SearchError> {
        let mut guard = self.writer();
        let writer = self.ready(&mut guard)?;
        writer.delete_term(Term::from_field_u64(self.fields.contribution, id.0));
        writer.delete_term(Term::from_field_u64(self.fields.marker, id.0));
        Ok(())
    }

    /// Makes additions and removals durable and visible. A crash before it leaves the index as of the last commit, and so
    /// does an error: a writer that could not commit takes documents and drops them, so it is not used again.
    pub fn commit(&self) -> Result<(), SearchError> {
        let mut guard = self.writer();
        if let Some(writer) = guard.as_mut()
            && let Err(error) = writer.commit()
        {
            *guard = None;
            return Err(error.into());
        }
        drop(guard);
        self.refresh()
    }

    /// Sees what other processes committed.
    pub fn refresh(&self) -> Result<(), SearchError> {
        Ok(self.reader.reload()?)
    }

    /// Whether a contribution is in the committed index.
    pub fn contains(&self, id: ContributionId) -> Result<bool, SearchError> {
        let term = Term::from_field_u64(self.fields.marker, id.0);
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        Ok(self.reader.searcher().search(&query, &tantivy::collector::Count)? > 0)
    }

    /// The best passages for a query, best first, among those that `allowed` lets through by contribution and document.
    /// Ties are broken by contribution, document and place.
    pub fn search(
        &self,
        query: &Query<'_>,
        store: &Store,
        allowed: &(dyn Fn(ContributionId, u32) -> bool + Sync),
    ) -> Result<Vec<Passage>, SearchError> {
        let text = &query.text[..query.text.floor_char_boundary(MAX_QUERY_BYTES)];
        let language = query.language.unwrap_or_else(|| Language::detect(text));
        let limit = query.limit.min(MAX_RESULTS);
        let Some((tantivy_query, wanted)) = self.build(text, language) else {
            return Ok(Vec::new());
        };
        let searcher = self.reader.searcher();
        let hits = self.best(&searcher, &tantivy_query, limit, allowed)?;
        let mut passages = Vec::with_capacity(hits.len());
        for hit in hits {
            let contribution = ContributionId(hit.contribution);
            let Ok(bundle) = store.bundle_of(contribution) else {
                continue;
            };
            let Ok(text) = bundle.text_range(hit.document, hit.range.clone()) else {
                continue;
            };
            let Ok((_, metadata)) = bundle.describe(hit.document) else {
                continue;
            };
            let mut matched = BTreeSet::new();
            for found in terms(&text, hit.language).into_iter().chain(terms(&metadata.title, hit.language)) {
                if wanted[hit.language as usize].contains(&found.stem) {
                    matched.insert(found.stem);
                }
            }
            passages.push(Passage {
                contribution,
                document: hit.document,
                range: hit.range,
                text,
                title: metadata.title,
                language: hit.language,
                score: hit.score,
                matched,
            });
        }
        Ok(passages)
    }

    /// The query in every language's fields, and the stems asked for in each.
    fn build(&self, text: &str, asked_in: Language) -> Option<(BooleanQuery, [BTreeSet<String>; 3])> {
        let mut clauses: Vec<(Occur, Box<dyn tantivy::query::Query>)> = Vec::new();
        let mut wanted = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
        for language in Language::ALL {
            let own = if language == asked_in || asked_in == Language::Other { 1.0 } else { OTHER_LANGUAGE };
            for term in query_terms(text, language) {
                let stems = &mut wanted[language as usize];
                if stems.len() == MAX_QUERY_TERMS || !stems.insert(term.stem.clone()) {
                    continue;
                }
                for (field, boost) in [(self.fields.body, own), (self.fields.title, own * TITLE_BOOST)] {
                    let term = Term::from_field_text(field[language as usize], &term.stem);
                    let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
                    clauses.push((Occur::Should, Box::new(BoostQuery::new(Box::new(query), boost))));
                }
            }
        }
        (!clauses.is_empty()).then(|| (BooleanQuery::new(clauses), wanted))
    }

    fn best(
        &self,
        searcher: &Searcher,
        query: &BooleanQuery,
        limit: usize,
        allowed: &(dyn Fn(ContributionId, u32) -> bool + Sync),
    ) -> Result<Vec<Hit>, SearchError> {
        let weight = query.weight(EnableScoring::enabled_from_searcher(searcher))?;
        // The worst of the best stands on top and falls out first.
        let mut best: BinaryHeap<Hit> = BinaryHeap::new();
        for segment in searcher.segment_readers() {
            let columns = Columns::open(segment)?;
            // Passages of one document follow one another: ask once per document.
            let mut last: Option<(u64, u32, bool)> = None;
            weight.for_each(segment, &mut |doc, score| {
                if limit == 0 || segment.alive_bitset().is_some_and(|alive| !alive.is_alive(doc)) {
                    return;
                }
                if best.len() == limit && best.peek().is_some_and(|worst| score < worst.score) {
                    return;
                }
                let Some(hit) = columns.hit(doc, score) else {
                    return;
                };
                let fits = match last {
                    Some((contribution, document, fits))
                        if (contribution, document) == (hit.contribution, hit.document) =>
                    {
                        fits
                    }
                    _ => allowed(ContributionId(hit.contribution), hit.document),
                };
                last = Some((hit.contribution, hit.document, fits));
                if fits {
                    best.push(hit);
                    if best.len() > limit {
                        best.pop();
                    }
                }
            })?;
        }
        Ok(best.into_sorted_vec())
    }

    fn writer(&self) -> MutexGuard<'_, Option<IndexWriter>> {
        // Tantivy's writer survives a panic of its caller: what was not committed is rolled back on opening.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer is opened at the first change: it holds the index's lock and its memory.
    fn ready<'a>(&self, guard: &'a mut Option<IndexWriter>) -> Result<&'a mut IndexWriter, SearchError> {
        match guard {
            Some(writer) => Ok(writer),
            None => match self.index.writer_with_num_threads(1, WRITER_BYTES) {
                Ok(writer) => Ok(guard.insert(writer)),
                Err(tantivy::TantivyError::LockFailure(..)) => Err(SearchError::Busy),
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// Queues a contribution: what was of it goes, its passages come, and last the mark that all of them are there.
fn add(writer: &mut IndexWriter, fields: Fields, id: ContributionId, bundle: &Bundle) -> Result<(), SearchError> {
    writer.delete_term(Term::from_field_u64(fields.contribution, id.0));
    writer.delete_term(Term::from_field_u64(fields.marker, id.0));
    for document in 0..bundle.documents() {
        let content = bundle.document(document)?.document;
        let language = Language::of_tag(&content.metadata.language);
        for range in passages(&content.text) {
            let mut passage = TantivyDocument::new();
            passage.add_u64(fields.contribution, id.0);
            passage.add_u64(fields.document, document.into());
            passage.add_u64(fields.start, range.start as u64);
            passage.add_u64(fields.end, range.end as u64);
            passage.add_u64(fields.language, language as u64);
            passage.add_text(fields.body[language as usize], &content.text[range]);
            passage.add_text(fields.title[language as usize], &content.metadata.title);
            writer.add_document(passage)?;
        }
    }
    let mut marker = TantivyDocument::new();
    marker.add_u64(fields.marker, id.0);
    writer.add_document(marker)?;
    Ok(())
}

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let contribution = builder.add_u64_field("contribution", INDEXED | FAST);
    let document = builder.add_u64_field("document", FAST);
    let start = builder.add_u64_field("start", FAST);
    let end = builder.add_u64_field("end", FAST);
    let language = builder.add_u64_field("language", INDEXED | FAST);
    let marker = builder.add_u64_field("marker", INDEXED);
    let mut text = |name: &str, language: Language| {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(language.analyzer_name())
            .set_index_option(IndexRecordOption::WithFreqs);
        builder.add_text_field(
            &format!("{name}_{}", language.code()),
            TextOptions::default().set_indexing_options(indexing),
        )
    };
    let body = Language::ALL.map(|language| text("body", language));
    let title = Language::ALL.map(|language| text("title", language));
    (builder.build(), Fields { contribution, document, start, end, language, marker, body, title })
}

struct Columns {
    contribution: Column<u64>,
    document: Column<u64>,
    start: Column<u64>,
    end: Column<u64>,
    language: Column<u64>,
}

impl Columns {
    fn open(segment: &SegmentReader) -> tantivy::Result<Self> {
        let fast = segment.fast_fields();
        Ok(Self {
            contribution: fast.u64("contribution")?,
            document: fast.u64("document")?,
            start: fast.u64("start")?,
            end: fast.u64("end")?,
            language: fast.u64("language")?,
        })
    }

    fn hit(&self, doc: DocId, score: Score) -> Option<Hit> {
        Some(Hit {
            score,
            contribution: self.contribution.first(doc)?,
            document: u32::try_from(self.document.first(doc)?).ok()?,
            range: usize::try_from(self.start.first(doc)?).ok()?..usize::try_from(self.end.first(doc)?).ok()?,
            language: Language::of_index(self.language.first(doc)?),
        })
    }
}

/// Ordered from the best to the worst.
#[derive(Debug)]
struct Hit {
    score: Score,
    contribution: u64,
    document: u32,
    range: Range<usize>,
    language: Language,
}

impl Hit {
    fn place(&self) -> (u64, u32, usize) {
        (self.contribution, self.document, self.range.start)
    }
}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.place().cmp(&other.place()))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Hit {}

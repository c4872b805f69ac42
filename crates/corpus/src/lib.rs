//! Documents: import, licences, a content-addressed store with Merkle commitments, and the search index.
//!
//! One publication passes through here like this: [`import::Import`] reads a folder file by file into [`Document`]s of
//! clean text; [`Store::begin`] draws a salt per document and streams them into a bundle, and [`Store::seal`] names it
//! by its root, the one thing that goes on chain; [`Journal`] remembers root, blind and each step, so that a killed
//! publication goes on with the same bytes. On the answering side [`Store::receive`] takes a bundle only if every text
//! in it hashes up to the root on chain, [`SearchIndex`] finds passages in it, and [`bundle::Bundle::open_range`] opens
//! the chunks that a proof needs.
//!
//! It never knows of money, keys or the chain's state: what is withdrawn or not indexable is the caller's to say, at
//! query time, and is never returned.
//!
//! ```
//! use fonte_corpus::{Document, Store, search::{Query, SearchIndex}, store::ContributionRecord};
//! use fonte_types::{ContributionId, DatanetId, Version, ids::Membership, metadata::Metadata};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = Store::open(&folder.path().join("store"))?;
//! let text = fonte_corpus::clean("The Tietê flows away from the sea.\nIt crosses the state of São Paulo.");
//! let metadata = Metadata { title: "A river".into(), language: "en".into(), ..Metadata::default() };
//! let mut draft = store.begin("ana")?;
//! draft.add(&Document { path: "river.md".into(), metadata, text })?;
//! let sealed = store.seal(draft)?;
//!
//! let id = ContributionId(7); // as the chain numbered it
//! let membership = Membership { datanet: DatanetId(1), added: Version(1), withdrawn: None };
//! store.put_records(&[ContributionRecord {
//!     id, root: sealed.root, membership, contributor: Default::default(), payee: Default::default(),
//!     name: "ana".into(), indexable: true,
//! }])?;
//!
//! let index = SearchIndex::open(&folder.path().join("index"))?;
//! index.add_contribution(id, &*store.bundle(sealed.root)?)?;
//! index.commit()?;
//! let query = Query { text: "Where does the Tietê flow?", language: None, limit: 5 };
//! let found = index.search(&query, &store, &|contribution, _document| contribution == id)?;
//! assert_eq!(found[0].title, "A river");
//! assert!(index.search(&query, &store, &|_, _| false)?.is_empty());
//! # Ok(())
//! # }
//! ```

pub mod bundle;
pub mod clean;
pub mod commons;
pub mod import;
pub mod journal;
pub mod near_duplicates;
pub mod search;
pub mod sentence;
pub mod store;

pub use bundle::{Bundle, Sealed};
pub use clean::clean;
pub use import::{Document, Import, ImportOptions, check_licence, import_folder};
pub use journal::{Journal, PublishState};
pub use search::SearchIndex;
pub use sentence::{passages, sentences};
pub use store::{ContributionRecord, Store};

//! The crate through its public boundary.

mod bundle;
mod commons;
mod import;
mod journal;
mod near_duplicates;
mod search;
mod store;

use fonte_corpus::{ContributionRecord, Document, Store};
use fonte_types::{ContributionId, DatanetId, Version, ids::Membership, metadata::Metadata};

/// A document of clean text.
fn document(path: &str, language: &str, text: &str) -> Document {
    let metadata = Metadata {
        title: path.to_owned(),
        language: language.to_owned(),
        licence: "CC-BY-4.0".into(),
        ..Metadata::default()
    };
    Document { path: path.to_owned(), metadata, text: fonte_corpus::clean(text) }
}

/// Seals documents into a store and records them under a number.
fn contribute(store: &Store, id: u64, documents: &[Document]) -> ContributionRecord {
    let mut draft = store.begin("ana").expect("a draft");
    for document in documents {
        draft.add(document).expect("a document");
    }
    let sealed = store.seal(draft).expect("sealed");
    let record = record(id, sealed.root);
    store.put_records(std::slice::from_ref(&record)).expect("recorded");
    record
}

fn record(id: u64, root: alloy_primitives::B256) -> ContributionRecord {
    ContributionRecord {
        id: ContributionId(id),
        root,
        membership: Membership { datanet: DatanetId(1), added: Version(1), withdrawn: None },
        contributor: Default::default(),
        payee: Default::default(),
        name: "ana".into(),
        indexable: true,
    }
}

/// Runs one ignored test of this binary as a process of its own, to be killed.
fn child(test: &str, folder: &std::path::Path) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", test, "--ignored"])
        .env("FONTE_TEST_FOLDER", folder)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("a child process")
}

/// The folder that a child works in; nothing when the test is run by hand.
fn child_folder() -> Option<std::path::PathBuf> {
    std::env::var_os("FONTE_TEST_FOLDER").map(Into::into)
}

/// Polls until a condition holds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "gave up waiting until {what}");
        std::thread::yield_now();
    }
}

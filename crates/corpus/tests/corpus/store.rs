use fonte_corpus::{Store, store::StoreError};
use fonte_types::{ContributionId, Version};

use crate::{child, child_folder, contribute, document, record, until};

#[test]
fn records_survive_reopening_and_saying_them_twice_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let first = contribute(&store, 1, &[document("a", "en", "One text.")]);
    let second = contribute(&store, 2, &[document("b", "en", "Another text.")]);
    store.withdraw(ContributionId(2), Version(3)).expect("withdrawn");
    let log = || std::fs::read(folder.path().join("contributions.jsonl")).expect("the log");
    let before = log();
    store.put_records(&[first.clone(), first.clone()]).expect("said again");
    store.withdraw(ContributionId(2), Version(3)).expect("said again");
    assert_eq!(log(), before);
    let reopened = Store::open(folder.path()).expect("a store");
    assert_eq!(reopened.records(), store.records());
    let withdrawn = reopened.record(ContributionId(2)).expect("a record");
    assert_eq!(withdrawn.membership.withdrawn, Some(Version(3)));
    assert!(matches!(
        reopened.put_records(&[record(1, second.root)]),
        Err(StoreError::Conflict { id: ContributionId(1), .. })
    ));
    assert!(matches!(reopened.withdraw(ContributionId(9), Version(1)), Err(StoreError::UnknownContribution(_))));
    reopened.erase(second.root).expect("erased");
    reopened.erase(second.root).expect("erased already");
    assert!(matches!(reopened.text(ContributionId(2), 0), Err(StoreError::NoBundle(_))));
    assert_eq!(reopened.text(ContributionId(1), 0).expect("the other stays"), "One text.");
}

#[test]
fn a_log_cut_anywhere_keeps_its_whole_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("contributions.jsonl");
    let root = alloy_primitives::B256::repeat_byte(7);
    let all: Vec<_> = (1..=3).map(|id| record(id, root)).collect();
    {
        let store = Store::open(folder.path()).expect("a store");
        for record in &all {
            store.put_records(std::slice::from_ref(record)).expect("recorded");
        }
    }
    let bytes = std::fs::read(&path).expect("the log");
    for length in 0..=bytes.len() {
        std::fs::write(&path, &bytes[..length]).expect("cut");
        let whole = bytes[..length].iter().filter(|byte| **byte == b'\n').count();
        let store = Store::open(folder.path()).expect("it opens");
        assert_eq!(store.records(), all[..whole], "cut at {length}");
        store.put_records(&all).expect("it goes on");
        drop(store);
        assert_eq!(Store::open(folder.path()).expect("it opens again").records(), all);
    }
    let mut damaged = bytes.clone();
    damaged[3] = b'?';
    std::fs::write(&path, damaged).expect("damaged");
    assert!(matches!(Store::open(folder.path()), Err(StoreError::Log { line: 1, .. })));
}

#[test]
fn two_holders_of_one_store_see_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b) = (Store::open(folder.path()).expect("a store"), Store::open(folder.path()).expect("a store"));
    contribute(&a, 1, &[document("a", "en", "By a.")]);
    contribute(&b, 2, &[document("b", "en", "By b.")]);
    a.refresh().expect("refreshed");
    assert_eq!(a.records(), b.records());
    assert_eq!(a.records().len(), 2);
    assert_eq!(a.text(ContributionId(2), 0).expect("a text"), "By b.");
}

#[test]
fn a_draft_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let mut draft = store.begin("ana").expect("a draft");
    draft.add(&document("a", "en", "Text.")).expect("added");
    drop(draft);
    assert!(store.seal(store.begin("ana").expect("a draft")).is_err(), "a contribution of nothing");
    for part in ["unfinished", "bundles"] {
        assert_eq!(std::fs::read_dir(folder.path().join(part)).expect("listed").count(), 0, "{part}");
    }
}

#[test]
fn a_killed_writer_leaves_only_whole_things() {
    for round in 0..4 {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("contributions.jsonl");
        let mut writer = child("store::endless_writer", folder.path());
        until("some contributions are there", || {
            std::fs::read(&log).is_ok_and(|bytes| bytes.iter().filter(|byte| **byte == b'\n').count() > 3 + 5 * round)
        });
        writer.kill().expect("killed");
        writer.wait().expect("gone");
        let store = Store::open(folder.path()).expect("it opens");
        let records = store.records();
        assert!(records.len() > 3);
        for record in records {
            let bundle = store.bundle(record.root).expect("what is recorded is there");
            bundle.verify(record.root).expect("and whole");
        }
        for entry in std::fs::read_dir(folder.path().join("bundles")).expect("listed") {
            let name = entry.expect("an entry").file_name();
            let root = name.to_str().expect("hex").parse().expect("a root");
            store.bundle(root).expect("opens").verify(root).expect("every bundle is whole");
        }
    }
}

#[test]
#[ignore = "run as a child process, to be killed"]
fn endless_writer() {
    let Some(folder) = child_folder() else { return };
    let store = Store::open(&folder).expect("a store");
    for id in 1.. {
        let documents: Vec<_> =
            (0..3).map(|n| document(&format!("{n}.md"), "en", &format!("Text {id} {n}. ").repeat(500))).collect();
        contribute(&store, id, &documents);
    }
}

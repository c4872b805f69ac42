use fonte_corpus::{
    Store,
    bundle::{Bundle, BundleError, BundleLimits},
};
use fonte_types::ContributionId;

use crate::{contribute, document};

fn small(store: &Store) -> Bundle {
    let long = "A sentence about rivers. ".repeat(100);
    let documents =
        [document("one.md", "en", "First text."), document("two.md", "pt", &long), document("3", "und", "é")];
    let record = contribute(store, 1, &documents);
    (*store.bundle(record.root).expect("a bundle")).clone()
}

#[test]
fn what_was_written_is_read_and_opens_to_the_root() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let bundle = small(&store);
    bundle.verify(bundle.root()).expect("verified");
    assert_eq!((bundle.contributor(), bundle.documents()), ("ana", 3));
    let text = bundle.text(1).expect("a text");
    assert_eq!(bundle.text_range(1, 1000..1050).expect("a range"), text[1000..1050]);
    assert_eq!(store.describe(ContributionId(1), 2).expect("described").0, "3");
    assert_eq!(store.text(ContributionId(1), 2).expect("a text"), "é");
    for (document, range, chunks) in [(0, 0..5, 1), (1, 1000..1050, 2), (1, 1024..1100, 1), (2, 0..2, 1)] {
        let opening = bundle.open_range(document, range).expect("opened");
        assert_eq!(opening.chunks.len(), chunks);
        opening.verify(bundle.root()).expect("the opening leads to the root");
    }
    assert!(matches!(bundle.text(3), Err(BundleError::NoSuchDocument { document: 3, documents: 3 })));
    assert!(matches!(bundle.text_range(2, 0..1), Err(BundleError::NoSuchRange { .. })), "half a character");
    assert!(matches!(bundle.text_range(2, 0..9), Err(BundleError::NoSuchRange { .. })));
}

#[test]
fn no_changed_byte_passes_unless_it_is_a_label() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("store")).expect("a store");
    let bundle = small(&store);
    let bytes = std::fs::read(bundle.path()).expect("the bundle");
    let path = folder.path().join("changed");
    let mut labels = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).expect("written");
        let result = Bundle::open(&path, BundleLimits::default()).and_then(|changed| {
            changed.verify(bundle.root())?;
            Ok(changed)
        });
        if let Ok(changed) = result {
            labels += 1;
            for document in 0..3 {
                let (a, b) = (bundle.document(document).expect("read"), changed.document(document).expect("read"));
                assert_eq!(
                    (a.salt, a.document.metadata, a.document.text),
                    (b.salt, b.document.metadata, b.document.text)
                );
            }
        }
    }
    assert_eq!(labels, "ana".len() + "one.md".len() + "two.md".len() + "3".len());
}

#[test]
fn no_part_of_a_bundle_passes_for_the_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("store")).expect("a store");
    let bundle = small(&store);
    let bytes = std::fs::read(bundle.path()).expect("the bundle");
    let other = Store::open(&folder.path().join("other")).expect("a store");
    for length in 0..bytes.len() {
        assert!(other.receive(bundle.root(), &bytes[..length]).is_err(), "{length} bytes were taken");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(other.receive(bundle.root(), longer.as_slice()).is_err());
    assert!(matches!(
        other.receive(alloy_primitives::B256::ZERO, bytes.as_slice()),
        Err(fonte_corpus::store::StoreError::Bundle(BundleError::Root { .. }))
    ));
    assert!(!other.holds(bundle.root()));
    assert_eq!(std::fs::read_dir(folder.path().join("other/unfinished")).expect("listed").count(), 0);
    let received = other.receive(bundle.root(), bytes.as_slice()).expect("the whole is taken");
    assert_eq!(received.text(1).expect("a text"), bundle.text(1).expect("a text"));
    let tight = BundleLimits { bytes: bytes.len() as u64 - 1, ..BundleLimits::default() };
    let tight = Store::open_with(&folder.path().join("tight"), tight).expect("a store");
    assert!(tight.receive(bundle.root(), bytes.as_slice()).is_err());
}

#[test]
fn the_first_wrong_document_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("store")).expect("a store");
    let bundle = small(&store);
    let mut bytes = std::fs::read(bundle.path()).expect("the bundle");
    let at = bytes.windows(6).position(|window| window == b"rivers").expect("the text is in the file");
    bytes[at] = b'R';
    match store.receive(bundle.root(), bytes.as_slice()) {
        Err(fonte_corpus::store::StoreError::Bundle(BundleError::Document { document: 1, path, .. })) => {
            assert_eq!(path, "two.md");
        }
        other => panic!("{other:?}"),
    }
}

use fonte_corpus::{Store, clean, commons};

#[test]
fn every_node_computes_the_same_commons() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b] = ["a", "b"].map(|name| {
        let store = Store::open(&folder.path().join(name)).expect("a store");
        commons::licences(&store).expect("the commons")
    });
    assert_eq!(a.root(), b.root());
    // Every network's genesis holds this root: a change of the cleaner or of the licence list is a new network.
    assert_eq!(a.root(), alloy_primitives::b256!("001845bc36eba5de5fcd88a853702c67f580162eb1034d3a68c8d2d7b4ffada4"));
    a.verify(a.root()).expect("verified");
    assert!(a.documents() > 600, "{} licences", a.documents());
    assert!((3_000_000..6_000_000).contains(&a.text_bytes()), "{} bytes", a.text_bytes());
}

#[test]
fn the_licences_of_a_distribution_are_in_it_whole() {
    let texts: Vec<(String, String)> =
        commons::licence_documents().map(|(document, _)| (document.path, document.text)).collect();
    for id in
        ["MIT", "Apache-2.0", "GPL-2.0", "GPL-3.0", "LGPL-2.1", "MPL-2.0", "BSD-3-Clause", "CC-BY-SA-4.0", "GFDL-1.3"]
    {
        let held = texts.iter().any(|(path, text)| path.starts_with(id) && text.len() > 900);
        assert!(held, "{id}");
    }
    assert!(texts.iter().all(|(_, text)| &clean(text) == text), "all are clean texts");
    let distinct: std::collections::BTreeSet<&String> = texts.iter().map(|(_, text)| text).collect();
    assert_eq!(distinct.len(), texts.len(), "each text comes once");
}

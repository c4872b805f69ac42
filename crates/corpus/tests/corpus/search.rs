use std::collections::BTreeSet;

use fonte_corpus::{
    Store,
    search::{Language, Passage, Query, SearchError, SearchIndex, terms},
};
use fonte_types::{ContributionId, DatanetId, DatanetVersion, Version};

use crate::{contribute, document};

struct World {
    folder: tempfile::TempDir,
    store: Store,
    index: SearchIndex,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("store")).expect("a store");
        let index = SearchIndex::open(&folder.path().join("index")).expect("an index");
        let world = Self { folder, store, index };
        world.add(
            1,
            "Rivers of the state",
            "en",
            "The Tietê rises near the coast and flows inland, away from the sea.",
        );
        world.add(2, "Water", "en", "Rain that falls on a city runs off into rivers and floods the valleys below.");
        world.add(3, "Café", "pt", "A torrefação do café muda o sabor. Os grãos verdes são torrados a duzentos graus.");
        world.add(
            4,
            "Saúde",
            "pt",
            "Beber água ajuda a saúde. As informações do rótulo mostram a quantidade de açúcar.",
        );
        world.add(5, "Wasser", "de", "Der Fluss führt kaltes Wasser durch die Stadt bis an das Meer.");
        world.index.commit().expect("committed");
        world
    }

    fn add(&self, id: u64, title: &str, language: &str, text: &str) {
        let record = contribute(&self.store, id, &[document(title, language, text)]);
        let bundle = self.store.bundle(record.root).expect("a bundle");
        self.index.add_contribution(ContributionId(id), &bundle).expect("indexed");
    }

    fn search(&self, text: &str) -> Vec<Passage> {
        let query = Query { text, language: None, limit: 10 };
        self.index.search(&query, &self.store, &|_, _| true).expect("searched")
    }

    fn found(&self, text: &str) -> Vec<u64> {
        self.search(text).into_iter().map(|passage| passage.contribution.0).collect()
    }
}

#[test]
fn questions_find_their_passage_in_both_languages() {
    let world = World::new();
    let cases: &[(&str, u64)] = &[
        ("Where does the Tietê flow?", 1),
        ("river flooding in cities", 2),
        ("Como se torra o grão de café?", 3),
        ("informacao do rotulo", 4),
        ("acucar", 4),
        ("saude", 4),
        ("kaltes Wasser", 5),
        ("WATER?", 2),
    ];
    for (question, expected) in cases {
        assert_eq!(world.found(question).first(), Some(expected), "{question}");
    }
    for nothing in ["", "???", "what is the", "o que é a", "zebra quantum", &"the ".repeat(10_000)] {
        assert_eq!(world.found(nothing), [0; 0], "{nothing:.20}");
    }
}

#[test]
fn a_passage_is_verbatim_and_says_what_matched() {
    let world = World::new();
    let passage = world.search("rivers that flood a valley").remove(0);
    let text = world.store.text(passage.contribution, passage.document).expect("a text");
    assert_eq!(passage.text, text[passage.range.clone()]);
    assert_eq!((passage.title.as_str(), passage.language), ("Water", Language::English));
    let expected: BTreeSet<String> =
        terms("rivers flood valley", Language::English).into_iter().map(|t| t.stem).collect();
    assert_eq!(passage.matched, expected);
    assert!(passage.score > 0.0);
}

#[test]
fn what_is_withdrawn_is_never_returned() {
    let world = World::new();
    let question = "water rivers city sea";
    assert_eq!(world.found(question).into_iter().collect::<BTreeSet<_>>(), [1, 2].into());
    // Withdrawn on chain at version 2; the index has not heard of it.
    world.store.withdraw(ContributionId(2), Version(2)).expect("withdrawn");
    let at = |version| {
        let versions = [DatanetVersion { datanet: DatanetId(1), version: Version(version) }];
        let live = |id: ContributionId, _: u32| {
            world
                .store
                .record(id)
                .is_some_and(|record| record.indexable && record.membership.is_member_of_any(&versions))
        };
        let query = Query { text: question, language: None, limit: 10 };
        let found = world.index.search(&query, &world.store, &live).expect("searched");
        found.into_iter().map(|passage| passage.contribution.0).collect::<Vec<_>>()
    };
    assert!(at(1).contains(&2), "receipts of version 1 may still name it");
    assert!(!at(2).contains(&2));
    // Not indexable by its terms.
    let mut record = world.store.record(ContributionId(1)).expect("a record");
    record.indexable = false;
    world.store.put_records(&[record]).expect("recorded");
    assert!(!at(1).contains(&1));
    // Removed from the index, and gone after reopening.
    world.index.remove(ContributionId(2)).expect("removed");
    world.index.commit().expect("committed");
    assert!(!world.found(question).contains(&2));
    assert!(!world.index.contains(ContributionId(2)).expect("asked"));
    assert!(world.index.contains(ContributionId(1)).expect("asked"));
    // Erased texts are not returned even where index and filter would.
    let erased = world.store.record(ContributionId(1)).expect("a record").root;
    assert!(world.found("Tietê").contains(&1));
    world.store.erase(erased).expect("erased");
    assert!(world.found("Tietê").is_empty());
}

#[test]
fn the_filter_does_not_cost_others_their_place() {
    let world = World::new();
    for id in 100..150 {
        world.add(id, "copy", "en", "The Tietê Tietê Tietê Tietê.");
    }
    world.index.commit().expect("committed");
    let query = Query { text: "Tietê", language: Some(Language::English), limit: 1 };
    let found = world.index.search(&query, &world.store, &|id, _| id.0 < 100).expect("searched");
    assert_eq!(found.iter().map(|p| p.contribution.0).collect::<Vec<_>>(), [1]);
    let all = Query { limit: 3, ..query };
    let found = world.index.search(&all, &world.store, &|_, _| true).expect("searched");
    assert_eq!(found.iter().map(|p| p.contribution.0).collect::<Vec<_>>(), [100, 101, 102], "ties: the earlier first");
}

#[test]
fn adding_again_replaces_and_what_was_not_committed_is_not_there() {
    let world = World::new();
    let bundle = world.store.bundle_of(ContributionId(1)).expect("a bundle");
    world.index.add_contribution(ContributionId(1), &bundle).expect("indexed");
    world.index.commit().expect("committed");
    assert_eq!(world.found("Tietê"), [1]);
    world.add(9, "Late", "en", "A zebra crosses the river.");
    assert!(world.found("zebra").is_empty());
    let World { folder, store, index } = world;
    drop(index); // as a crash: the writer goes without a commit
    let index = SearchIndex::open(&folder.path().join("index")).expect("it opens again");
    let world = World { folder, store, index };
    assert!(world.found("zebra").is_empty());
    assert!(!world.index.contains(ContributionId(9)).expect("asked"));
    assert_eq!(world.found("Tietê"), [1]);
}

#[test]
fn a_contribution_is_indexed_whole_or_not_at_all() {
    let world = World::new();
    world.add(6, "Kept", "en", "Kingfishers nest in the bank below the ferry.");
    let [first, second] = ["Otters sleep under the landing stage.", "Herons stand on the weir all night."];
    let record = contribute(&world.store, 7, &[document("One", "en", first), document("Two", "en", second)]);
    let bundle = world.store.bundle(record.root).expect("a bundle");
    // The second document cannot be read any more, the first can.
    let bytes = std::fs::read(bundle.path()).expect("its file");
    let at = bytes.windows(second.len()).position(|window| window == second.as_bytes()).expect("the text");
    std::fs::write(bundle.path(), &bytes[..at]).expect("cut");
    assert!(bundle.document(0).is_ok());
    assert!(world.index.add_contribution(ContributionId(7), &bundle).is_err());
    world.index.commit().expect("nothing is left to commit");
    for id in [6, 7] {
        assert!(!world.index.contains(ContributionId(id)).expect("asked"), "{id}");
    }
    assert!(world.found("otters").is_empty());
    // What was taken back with it can be added again.
    let kept = world.store.bundle_of(ContributionId(6)).expect("a bundle");
    world.index.add_contribution(ContributionId(6), &kept).expect("indexed");
    world.index.commit().expect("committed");
    assert_eq!(world.found("kingfishers"), [6]);
}

/// A writer that could not commit would take documents, drop them and call it done.
#[test]
fn after_a_commit_that_failed_nothing_is_called_done() {
    let world = World::new();
    world.add(6, "Late", "en", "A zebra crosses the river.");
    let (here, away) = (world.folder.path().join("index"), world.folder.path().join("away"));
    std::fs::rename(&here, &away).expect("moved away");
    assert!(world.index.commit().is_err());
    std::fs::rename(&away, &here).expect("moved back");
    let bundle = world.store.bundle_of(ContributionId(6)).expect("a bundle");
    world.index.add_contribution(ContributionId(6), &bundle).expect("indexed");
    world.index.commit().expect("committed");
    assert!(world.index.contains(ContributionId(6)).expect("asked"));
    assert_eq!(world.found("zebra"), [6]);
}

#[test]
fn words_meet_their_plurals() {
    let same = [
        ("rio", "rios"),
        ("estação", "estações"),
        ("informação", "informações"),
        ("grão", "grãos"),
        ("canal", "canais"),
        ("flor", "flores"),
        ("jovem", "jovens"),
        ("árvore", "árvores"),
        ("cidade", "cidades"),
        ("papel", "papéis"),
        ("luz", "luzes"),
        ("água", "águas"),
        ("mão", "mãos"),
        ("pão", "pães"),
        ("manhã", "manhãs"),
    ];
    let stem = |word: &str, language| terms(word, language).remove(0).stem;
    for (one, many) in same {
        assert_eq!(stem(one, Language::Portuguese), stem(many, Language::Portuguese), "{one}");
    }
    for (one, many) in [("river", "rivers"), ("city", "cities"), ("flood", "flooding"), ("box", "boxes")] {
        assert_eq!(stem(one, Language::English), stem(many, Language::English), "{one}");
    }
    for (a, b) in [("mês", "me"), ("país", "pai"), ("ônibus", "onibu")] {
        assert_ne!(
            stem(a, Language::Portuguese),
            terms(b, Language::Portuguese).first().map_or("", |t| &t.stem),
            "{a}"
        );
    }
}

#[test]
fn one_writes_and_others_search() {
    let world = World::new();
    let other = SearchIndex::open(&world.folder.path().join("index")).expect("opened beside the writer");
    assert!(matches!(other.remove(ContributionId(1)), Err(SearchError::Busy)));
    let query = Query { text: "zebra", language: None, limit: 1 };
    world.add(9, "Late", "en", "A zebra crosses the river.");
    world.index.commit().expect("committed");
    let found = |index: &SearchIndex| index.search(&query, &world.store, &|_, _| true).expect("searched").len();
    assert_eq!(found(&other), 0);
    other.refresh().expect("refreshed");
    assert_eq!(found(&other), 1);
}

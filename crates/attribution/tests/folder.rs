//! An index over files: precedence is the order of adding, paths survive restarts, changed files are noticed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use fonte_attribution::{
    Damage, Everyone, FolderError, FolderIndex, IndexConfig, IndexError, TraceIndex, lies_in, whole_characters,
};
use fonte_types::{ContributionId, evidence::Source};

const SONG: &str = "Quem passa pela ponte ouve a água falar baixinho das pedras do rio.";

fn write(folder: &Path, name: &str, text: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn owner<'a>(index: &'a FolderIndex, text: &[u8]) -> Option<&'a str> {
    let runs = index.index().owners(text, b"", &Everyone).unwrap();
    match runs[0].source {
        Source::Contribution(id) => index.path(id),
        _ => None,
    }
}

#[test]
fn earlier_files_precede_later_ones_and_restarts_keep_their_names() {
    let (texts, later, at) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let second = write(texts.path(), "b/second.txt", SONG.as_bytes());
    let first = write(texts.path(), "a.txt", &[b"Canto: ", SONG.as_bytes()].concat());
    write(texts.path(), "empty", b"");
    write(later.path(), "0.txt", SONG.as_bytes());

    let mut index = FolderIndex::open(at.path(), IndexConfig::default()).unwrap();
    let plan = index.plan(texts.path(), &mut |_, _| {}).unwrap();
    assert_eq!((plan.files.len(), plan.known, plan.bytes()), (3, 0, SONG.len() as u64 * 2 + 7));
    assert_eq!(index.add(&plan, &mut |_| {}).unwrap(), 3);
    let plan = index.plan(later.path(), &mut |_, _| {}).unwrap();
    index.add(&plan, &mut |_| {}).unwrap();
    drop(index);

    let index = FolderIndex::open_read_only(at.path()).unwrap();
    assert_eq!(index.live().len(), 4);
    assert_eq!(owner(&index, SONG.as_bytes()), first.to_str());
    drop(index);

    // The first one gone, the next one owns it; it comes back as the last.
    let mut index = FolderIndex::open(at.path(), IndexConfig::default()).unwrap();
    assert_eq!(index.withdraw(std::slice::from_ref(&first), true, &mut |_| {}).unwrap(), 1);
    assert_eq!(owner(&index, SONG.as_bytes()), second.to_str());
    let unknown = index.withdraw(&[second.clone(), "nowhere".into()], false, &mut |_| {}).unwrap_err();
    assert!(matches!(unknown, FolderError::Unknown { .. }), "{unknown}");
    let plan = index.plan(texts.path(), &mut |_, _| {}).unwrap();
    assert_eq!((plan.files.len(), plan.known), (1, 2));
    index.add(&plan, &mut |_| {}).unwrap();
    assert_eq!(index.live()[first.to_str().unwrap()], ContributionId(5));
    assert_eq!(owner(&index, SONG.as_bytes()), second.to_str());

    fs::write(&second, "something else").unwrap();
    let changed = index.plan(texts.path(), &mut |_, _| {}).unwrap_err();
    assert!(matches!(&changed, FolderError::Changed { path } if *path == second), "{changed}");
    assert_eq!(index.withdraw(&[texts.path().to_owned()], false, &mut |_| {}).unwrap(), 3);
    assert_eq!(index.live().len(), 1);
    drop(index);

    fs::remove_file(at.path().join("paths")).unwrap();
    assert!(matches!(FolderIndex::open_read_only(at.path()), Err(FolderError::Unnamed { .. })));
}

/// A `paths` of another index, and one of this index from before a crash: as many names, but others.
#[test]
fn paths_of_another_index_or_time_are_refused() {
    let (texts, ours, theirs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files: Vec<PathBuf> =
        ["a/1", "a/2", "b/1", "b/2"].map(|name| write(texts.path(), name, SONG.as_bytes())).to_vec();
    for (folder, at) in [("a", &ours), ("b", &theirs)] {
        let mut index = FolderIndex::open(at.path(), IndexConfig::default()).unwrap();
        let plan = index.plan(&texts.path().join(folder), &mut |_, _| {}).unwrap();
        index.add(&plan, &mut |_| {}).unwrap();
    }
    let path = ours.path().join("paths");
    let refused = |foreign: &[u8]| {
        let good = fs::read(&path).unwrap();
        assert!(good != foreign);
        fs::write(&path, foreign).unwrap();
        for opened in [FolderIndex::open(ours.path(), IndexConfig::default()), FolderIndex::open_read_only(ours.path())]
        {
            let error = opened.err().unwrap();
            assert!(
                matches!(&error, FolderError::Index(IndexError::Damaged { damage: Damage::Foreign { .. }, .. })),
                "{error:?}"
            );
            assert!(error.to_string().contains("remove the index folder and rebuild it"), "{error}");
        }
        fs::write(&path, good).unwrap();
    };
    refused(&fs::read(theirs.path().join("paths")).unwrap());

    // A call that fails at its second file leaves names behind that never became documents; others take their place.
    let mut index = FolderIndex::open(ours.path(), IndexConfig::default()).unwrap();
    let mut plan = index.plan(&texts.path().join("b"), &mut |_, _| {}).unwrap();
    plan.files.swap(0, 1);
    fs::remove_file(&files[2]).unwrap();
    index.add(&plan, &mut |_| {}).unwrap_err();
    assert_eq!(index.live().len(), 3);
    let older = fs::read(&path).unwrap();
    let third = write(texts.path(), "b/3", SONG.as_bytes());
    drop(index);
    let mut index = FolderIndex::open(ours.path(), IndexConfig::default()).unwrap();
    let plan = index.plan(&texts.path().join("b"), &mut |_, _| {}).unwrap();
    assert_eq!(plan.files.len(), 1);
    index.add(&plan, &mut |_| {}).unwrap();
    assert_eq!(index.live()[third.to_str().unwrap()], ContributionId(4));
    drop(index);
    assert_eq!(older.len(), fs::read(&path).unwrap().len());
    refused(&older);

    // More names than the manifest counts are what a kill between the two files leaves.
    let manifest = fs::read(ours.path().join("manifest")).unwrap();
    let mut index = FolderIndex::open(ours.path(), IndexConfig::default()).unwrap();
    write(texts.path(), "c/1", SONG.as_bytes());
    let plan = index.plan(&texts.path().join("c"), &mut |_, _| {}).unwrap();
    index.add(&plan, &mut |_| {}).unwrap();
    drop(index);
    fs::write(ours.path().join("manifest"), manifest).unwrap();
    let index = FolderIndex::open(ours.path(), IndexConfig::default()).unwrap();
    assert_eq!(index.live().len(), 4);
}

#[test]
fn an_index_among_its_files_does_not_index_itself() {
    let texts = tempfile::tempdir().unwrap();
    write(texts.path(), "a.txt", SONG.as_bytes());
    let mut index = FolderIndex::open(&texts.path().join("index"), IndexConfig::default()).unwrap();
    let plan = index.plan(texts.path(), &mut |_, _| {}).unwrap();
    index.add(&plan, &mut |_| {}).unwrap();
    let again = index.plan(texts.path(), &mut |_, _| {}).unwrap();
    assert_eq!((plan.files.len(), again.files.len(), again.known), (1, 0, 1));
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_rest_is_kept() {
    let (texts, at) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paths: Vec<PathBuf> = (0..4).map(|n| write(texts.path(), &format!("{n}"), SONG.as_bytes())).collect();
    let mut index = FolderIndex::open(at.path(), IndexConfig::default()).unwrap();
    let plan = index.plan(texts.path(), &mut |_, _| {}).unwrap();
    fs::remove_file(&paths[2]).unwrap();
    let error = index.add(&plan, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains(paths[2].to_str().unwrap()), "{error}");
    assert_eq!(index.live().into_keys().collect::<Vec<_>>(), [paths[0].to_str().unwrap(), paths[1].to_str().unwrap()]);
    let plan = index.plan(texts.path(), &mut |_, _| {}).unwrap();
    assert_eq!((plan.files.len(), plan.known), (1, 2));
    index.add(&plan, &mut |_| {}).unwrap();
    drop(index);
    assert_eq!(FolderIndex::open_read_only(at.path()).unwrap().live()[paths[3].to_str().unwrap()], ContributionId(3));
}

#[test]
fn a_path_is_one_however_it_is_written() {
    for (file, path, expected) in [
        ("texts/a.txt", "texts", true),
        ("texts/a.txt", "./texts/", true),
        ("texts/a.txt", "texts/./a.txt", true),
        ("texts/a.txt", ".", true),
        ("texts/a.txt", "text", false),
        ("texts/a.txt", "other", false),
        ("/texts/a.txt", ".", false),
        ("../a.txt", ".", false),
        ("../a.txt", "..", true),
        ("/texts/a.txt", "/texts", true),
    ] {
        assert_eq!(lies_in(file, Path::new(path)), expected, "{file} in {path}");
    }
}

#[test]
fn shown_stretches_are_whole_characters() {
    let text = "aé😀b".as_bytes();
    let shown = |start: usize, end: usize| str::from_utf8(&text[whole_characters(text, start..end)]).unwrap();
    let expected = [(0, 8, "aé😀b"), (0, 2, "a"), (2, 8, "😀b"), (4, 7, ""), (4, 8, "b"), (1, 6, "é"), (5, 5, "")];
    for (start, end, expected) in expected {
        assert_eq!(shown(start, end), expected, "{start}..{end}");
    }
    assert_eq!(whole_characters(b"\xff\xff\x80", 0..2), 0..1);
    assert_eq!(whole_characters(b"", 0..0), 0..0);
}

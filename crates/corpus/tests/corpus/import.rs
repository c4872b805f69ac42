use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use fonte_corpus::{
    Import, ImportOptions,
    import::{ImportError, Imported, OnBadFile, SkipReason, check_licence},
    import_folder,
};

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).expect("compressed");
    out.finish().expect("compressed")
}

fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, bytes).expect("a file");
}

#[test]
fn every_bad_file_is_named_with_its_remedy_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let limit = 1000;
    // (file, bytes, reason, a word of the remedy)
    let bad: &[(&str, Vec<u8>, &str, &str)] = &[
        ("latin1.txt", b"caf\xe9".to_vec(), "not_utf8", "iconv"),
        ("zeros.txt", b"a\0b".to_vec(), "binary", "export"),
        ("empty.md", b"".to_vec(), "empty", "write"),
        ("rulers.txt", b"\n=====\n---\n".to_vec(), "empty", "write"),
        (
            "hollow.html",
            b"<html><head><title>T</title></head><body><nav>x</nav></body></html>".to_vec(),
            "empty",
            "write",
        ),
        ("long.txt", b"word ".repeat(300), "too_large", "split"),
        ("bomb.txt.gz", gz(&vec![b'a'; 50_000_000]), "too_large", "split"),
        ("cut.txt.gz", gz(b"some words of a text")[..20].to_vec(), "unreadable", "complete"),
        ("notgz.gz", b"plain".to_vec(), "unreadable", "complete"),
        ("licence.md", b"---\nlicense: CC-BY-4\n---\ntext".to_vec(), "unknown_licence", "CC-BY-4.0"),
        ("licence.html", b"<meta name=license content=Apache2><p>text".to_vec(), "unknown_licence", "Apache-2.0"),
        (
            "terms.html",
            b"<p>text <a rel=license href='https://e.org/terms'>t</a>".to_vec(),
            "unknown_licence",
            "spdx.org",
        ),
        ("picture.png", b"\x89PNG".to_vec(), "unsupported", "export"),
    ];
    for (path, bytes, _, _) in bad {
        write(root, path, bytes);
    }
    write(root, "good.txt", "A good text.");
    symlink("/etc/hostname", root.join("escape.txt")).expect("a link");
    symlink("/etc", root.join("escape")).expect("a link");
    let options = ImportOptions { max_text_bytes: limit, ..ImportOptions::default() };
    let report = import_folder(root, options.clone(), OnBadFile::Skip).expect("imported");
    assert_eq!(report.documents.iter().map(|d| d.path.as_str()).collect::<Vec<_>>(), ["good.txt"]);
    for (path, _, reason, remedy) in bad {
        let skipped = report.skipped.iter().find(|s| s.path == *path).unwrap_or_else(|| panic!("{path} was taken"));
        assert_eq!(skipped.reason.code(), *reason, "{skipped}");
        assert!(skipped.remedy().contains(remedy), "{skipped}");
        assert!(skipped.to_string().contains(path), "{skipped}");
    }
    let counts = report.skipped_by_reason();
    assert_eq!((counts["not_a_file"], counts["too_large"], counts["unknown_licence"]), (2, 2, 3));
    assert_eq!(counts.values().sum::<usize>(), bad.len() + 2);
    match import_folder(root, options, OnBadFile::Refuse) {
        Err(ImportError::Refused(skipped)) => assert_eq!(skipped, report.skipped),
        other => panic!("strict took {other:?}"),
    }
}

#[test]
fn a_file_that_the_system_refuses_is_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for name in ["a.txt", "gone.txt", "locked.txt", "z.txt"] {
        write(root, name, format!("The text of {name}."));
    }
    let mut import = Import::open(root, ImportOptions::default()).expect("a folder");
    // Listed and then removed: refused whoever asks. Without permission: refused to everyone but root.
    fs::remove_file(root.join("gone.txt")).expect("a file");
    let locked = root.join("locked.txt");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).expect("a file");
    let refused = if fs::read(&locked).is_err() { vec!["gone.txt", "locked.txt"] } else { vec!["gone.txt"] };
    let (mut taken, mut named) = (0, Vec::new());
    for imported in import.by_ref() {
        match imported {
            Imported::Document(_) => taken += 1,
            Imported::Skipped(skipped) => {
                assert!(matches!(skipped.reason, SkipReason::Unreadable { .. }), "{skipped}");
                assert!(skipped.remedy().contains("permissions"), "{skipped}");
                named.push(skipped.path);
            }
        }
    }
    assert_eq!(named, refused);
    assert_eq!(taken, 4 - refused.len());
    assert_eq!(import.progress().files, 4);
}

#[test]
fn metadata_comes_from_the_file_then_from_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let front = "---\ntitle: \"Café: do pé\"\nauthor: Ana\nurl: https://e.org/cafe\ndate: 2024-05-01T10:00\nlang: pt_BR\n\
                 licence: MIT OR Apache-2.0\ntags: [a, b]\n---\n# Outro título\n\nO café é uma planta.";
    write(root, "a/front.md", front);
    write(root, "a/front.txt", front);
    write(root, "b/heading.md", "Intro.\n\n## The *second* heading\n\nThe rivers of the city and the sea.");
    write(root, "b/plain", "Title line\n==========\n\nA água não é mais limpa do que já foi.");
    write(root, "b/README.Debian", "No heading here");
    write(root, "b/notes.txt.gz", gz("compressed notes".as_bytes()));
    write(root, "b/not-front.md", "---\nnot front matter\n---\ntext");
    write(
        root,
        "c.html",
        "<html lang=en><head><title>Page &amp; more</title><link rel=canonical href='javascript:alert(1)'>\
         <meta name=author content='Bo'><meta name=date content='2023-02-30'></head>\
         <body><p>Text</p><a rel=license href='http://creativecommons.org/licenses/by-sa/4.0/'>l</a></body></html>",
    );
    write(root, ".hidden/secret.txt", "not looked at");
    let options = ImportOptions { default_licence: Some("CC0-1.0".into()), ..ImportOptions::default() };
    let report = import_folder(root, options, OnBadFile::Refuse).expect("imported");
    let paths: Vec<_> = report.documents.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "a/front.md",
            "a/front.txt",
            "b/README.Debian",
            "b/heading.md",
            "b/not-front.md",
            "b/notes.txt.gz",
            "b/plain",
            "c.html"
        ]
    );
    let of = |path: &str| report.documents.iter().find(|d| d.path == path).expect("imported");
    for path in ["a/front.md", "a/front.txt"] {
        let m = &of(path).metadata;
        let got = [&m.title, &m.author, &m.url, &m.date, &m.language, &m.licence].map(String::as_str);
        assert_eq!(got, ["Café: do pé", "Ana", "https://e.org/cafe", "2024-05-01", "pt-BR", "MIT OR Apache-2.0"]);
    }
    assert_eq!(of("a/front.md").text, "Outro título\n\nO café é uma planta.");
    let titles = [
        ("b/heading.md", "The second heading", "en"),
        ("b/plain", "Title line", "pt"),
        ("b/notes.txt.gz", "notes", "und"),
    ];
    for (path, title, language) in titles {
        let metadata = &of(path).metadata;
        assert_eq!((metadata.title.as_str(), metadata.language.as_str()), (title, language), "{path}");
        assert_eq!(metadata.licence, "CC0-1.0");
    }
    assert_eq!(of("b/README.Debian").metadata.title, "README.Debian");
    let page = &of("c.html").metadata;
    assert_eq!(
        (page.title.as_str(), page.author.as_str(), page.licence.as_str()),
        ("Page & more", "Bo", "CC-BY-SA-4.0")
    );
    assert_eq!((page.url.as_str(), page.date.as_str()), ("", ""), "what is no address and no date is dropped");
    assert_eq!(of("b/not-front.md").text, "not front matter\n\ntext");
}

#[test]
fn progress_reaches_its_total() {
    let folder = tempfile::tempdir().expect("a folder");
    for n in 0..5 {
        write(folder.path(), &format!("{n}.txt"), "text ".repeat(n + 1));
    }
    let mut import = Import::open(folder.path(), ImportOptions::default()).expect("opened");
    assert_eq!((import.progress().files, import.progress().files_total), (0, 5));
    let mut seen = 0;
    while let Some(imported) = import.next() {
        seen += 1;
        assert!(matches!(imported, Imported::Document(_)));
        assert_eq!(import.progress().files, seen);
    }
    let end = import.progress();
    assert_eq!((end.files, end.bytes), (end.files_total, end.bytes_total));
    assert_eq!(end.bytes, 75);
}

#[test]
fn limits_on_depth_and_number_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "a/b/c/deep.txt", "deep");
    write(folder.path(), "a/top.txt", "top");
    let options = ImportOptions { max_depth: 1, ..ImportOptions::default() };
    let report = import_folder(folder.path(), options, OnBadFile::Skip).expect("imported");
    assert_eq!(report.documents.len(), 1);
    assert_eq!(report.skipped[0].reason, SkipReason::TooDeep { limit: 1 });
    let options = ImportOptions { max_files: 1, ..ImportOptions::default() };
    assert!(matches!(Import::open(folder.path(), options), Err(ImportError::TooManyFiles { limit: 1, .. })));
    assert!(matches!(
        Import::open(&folder.path().join("absent"), ImportOptions::default()),
        Err(ImportError::Folder { .. })
    ));
    let options = ImportOptions { default_licence: Some("mine".into()), ..ImportOptions::default() };
    assert!(matches!(Import::open(folder.path(), options), Err(ImportError::DefaultLicence(_))));
}

#[test]
fn licences_are_spdx_expressions() {
    for known in
        ["MIT", "CC-BY-4.0", "MIT OR Apache-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0", "LicenseRef-mine"]
    {
        assert_eq!(check_licence(&format!(" {known} ")).as_deref(), Ok(known));
    }
    let unknown = [
        ("CC-BY-4", Some("CC-BY-4.0")),
        ("apache-2.0", Some("Apache-2.0")),
        ("MIT or Apache-2", Some("MIT or Apache-2.0")),
        ("GPLv3", Some("GPL-3.0-only")),
        ("all rights reserved by me and nobody else", None),
    ];
    for (id, suggestion) in unknown {
        let error = check_licence(id).expect_err("unknown");
        assert_eq!(error.suggestion.as_deref(), suggestion, "{error}");
    }
}

//! `fonte index` as its users run it: over files, with paths and byte offsets in what it says.

mod common;

use std::{fs, path::Path, process::Output};

use common::{fonte, json};
use fonte_attribution::{FolderIndex, IndexConfig};
use serde_json::{Value, json};

const TIDE: &str = "A maré sobe duas vezes por dia, e o pescador conhece as duas pelo cheiro do vento.\n";
const BREAD: &str = "Bread that rests overnight in the cold keeps its crumb open and its crust thin.\n";

fn run(home: &Path, arguments: &[&str]) -> Output {
    fonte(home).current_dir(home).arg("index").args(arguments).output().unwrap()
}

fn ask(home: &Path, arguments: &[&str]) -> Value {
    let output = run(home, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    json(&output)
}

#[test]
fn an_index_over_files_says_where_a_text_is_from() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    for (name, text) in [
        ("texts/b.txt", TIDE.to_owned()),
        ("texts/a/tide.txt", format!("Copied: {TIDE}{TIDE}")),
        ("more/0.txt", format!("{BREAD}{TIDE}")),
    ] {
        fs::create_dir_all(home.join(name).parent().unwrap()).unwrap();
        fs::write(home.join(name), text).unwrap();
    }

    let planned = ask(home, &["build", "texts", "--out", "x", "--dry-run"]);
    assert_eq!((&planned["added"], &planned["estimate"]["files"]), (&json!(0), &json!(2)));
    assert!(!home.join("x").exists());
    let built = ask(home, &["build", "texts", "--out", "x"]);
    assert_eq!((&built["added"], &built["documents"], &built["segments"]), (&json!(2), &json!(2), &json!(1)));
    assert_eq!(built["text_bytes"], TIDE.len() * 3 + 8);
    // However the folder is written, its files are the same ones.
    for folder in ["texts", "./texts", "texts/", "."] {
        let again = ask(home, &["build", folder, "--out", "x", "--dry-run"]);
        assert_eq!((&again["known"], &again["documents"]), (&json!(2), &json!(2)), "{folder}");
    }
    let again = ask(home, &["build", "./texts/", "--out", "x"]);
    assert_eq!((&again["added"], &again["known"]), (&json!(0), &json!(2)));
    assert_eq!(ask(home, &["count", "x", "duas"])["count"], 6);
    assert_eq!(ask(home, &["add", "x", "more"])["added"], 1);
    assert_eq!(ask(home, &["count", "x", "duas"])["count"], 8);

    // 10 bytes of its own, a quote that begins inside a character, 5 bytes of its own.
    let quote = &TIDE.as_bytes()[6..60];
    fs::write(home.join("answer"), [b"He said: '".as_slice(), quote, b"' :-)"].concat()).unwrap();
    let traced = ask(home, &["trace", "x", "--text", "answer", "--min-len", "20", "--max-docs", "2"]);
    let places = json!([{"path": "texts/a/tide.txt", "offset": 14}, {"path": "texts/b.txt", "offset": 6}]);
    assert_eq!(traced["spans"], json!([{"start": 10, "end": 64, "count": 4, "documents": places}]));
    let owned = ask(home, &["owners", "x", "--text", "answer"]);
    let quoted = json!({
        "start": 10, "end": 64, "document": "texts/a/tide.txt", "offset": 14, "match_start": 10, "match_end": 64,
    });
    let nobody = |start, end| json!({"start": start, "end": end, "document": null});
    assert_eq!(owned, json!({"bytes": 69, "runs": [nobody(0, 10), quoted, nobody(64, 69)]}));
    // People read whole characters: the second byte of "é" is not shown.
    let shown = String::from_utf8(run(home, &["trace", "x", "--text", "answer"]).stdout).unwrap();
    assert!(shown.starts_with("10..64  4x   sobe duas vezes") && shown.contains("texts/b.txt:6"), "{shown}");

    let dry = ask(home, &["withdraw", "x", "texts/a", "--dry-run"]);
    assert_eq!((&dry["withdrawn"], &dry["files"], &dry["documents"]), (&json!(0), &json!(1), &json!(3)));
    let told = |arguments: &[&str]| {
        let output = run(home, arguments);
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert!(told(&["withdraw", "x", "texts", "--dry-run"]).contains("2 files would be withdrawn"));
    let unknown = run(home, &["withdraw", "x", "nowhere", "--dry-run"]);
    assert!(
        !unknown.status.success() && told(&["withdraw", "x", "nowhere", "--dry-run"]).contains("is not in the index")
    );
    // Proofs of what is to be erased keep hashes of it.
    ask(home, &["prove", "x", "--pattern", "duas", "--out", "proof"]);
    let hashes = || {
        fs::read_dir(home.join("x"))
            .unwrap()
            .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "proofs"))
            .count()
    };
    assert_eq!(hashes(), 2);
    let withdrawn = ask(home, &["withdraw", "x", "./texts/a/", "--erase"]);
    assert_eq!(hashes(), 1);
    assert_eq!((&withdrawn["withdrawn"], &withdrawn["documents"]), (&json!(1), &json!(2)));
    assert_eq!(withdrawn["withdrawn_documents"], 0);
    assert_eq!(ask(home, &["owners", "x", "--text", "answer"])["runs"][1]["document"], "texts/b.txt");
    assert_eq!(ask(home, &["stats", "x"])["text_bytes"], TIDE.len() * 2 + BREAD.len());
}

#[test]
fn nothing_is_made_where_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    fs::create_dir_all(home.join("empty")).unwrap();
    fs::create_dir_all(home.join("texts")).unwrap();
    fs::write(home.join("texts/t.txt"), TIDE).unwrap();
    for (arguments, expected) in [
        (&["prove", "x", "--pattern", "duas"][..], "no index in x"),
        (&["prove", "texts", "--pattern", "duas"], "no index in texts"),
        (&["build", "empty", "--out", "x"], "no files in empty"),
        (&["build", "missing", "--out", "x"], "cannot list missing"),
        (&["withdraw", "x", "texts"], "no index in x"),
    ] {
        let output = run(home, arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(expected), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty());
    }
    assert!(run(home, &["build", "texts", "--out", "x", "--dry-run"]).status.success());
    let mut left: Vec<_> = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["empty", "texts"]);
    assert_eq!(fs::read_dir(home.join("texts")).unwrap().count(), 1);

    // All is withdrawn: no segment is left to prove anything of.
    ask(home, &["build", "texts", "--out", "x"]);
    ask(home, &["withdraw", "x", "texts", "--erase"]);
    let output = run(home, &["prove", "x", "--pattern", "duas", "--absent", "--out", "proof"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("no segment to prove anything of"), "{told}");
    assert!(!home.join("proof").exists());
}

#[test]
fn patterns_may_begin_with_hyphens_or_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    fs::create_dir_all(home.join("texts")).unwrap();
    fs::write(home.join("texts/key.pem"), "-----BEGIN KEY-----\nnone\n-----END KEY-----\n").unwrap();
    ask(home, &["build", "texts", "--out", "x"]);
    assert_eq!(ask(home, &["count", "x", "-----BEGIN"])["count"], 1);
    assert_eq!(ask(home, &["count", "x", "--text", "texts/key.pem"])["count"], 1);
    fs::write(home.join("pattern"), "-----\n").unwrap();
    let counted = ask(home, &["count", "x", "--text", "pattern"]);
    assert_eq!((&counted["count"], &counted["bytes"]), (&json!(2), &json!(6)));
    let proved = ask(home, &["prove", "x", "--pattern", "-----END", "--count", "--out", "proof"]);
    assert_eq!(proved["value"], 1);
    for arguments in [&["count", "x"][..], &["count", "x", "a", "--text", "pattern"]] {
        assert!(!run(home, arguments).status.success());
    }
}

#[test]
fn what_is_written_is_announced_before_and_told_in_lines() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    for file in 0..9 {
        let folder = home.join(format!("texts/{file}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("t.txt"), format!("{file}: {TIDE}{BREAD}")).unwrap();
    }
    let told = |arguments: &[&str]| {
        let output = run(home, arguments);
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(told(&["build", "texts/0", "--out", "x"]).contains("sorting"));
    for file in 1..7 {
        let told = told(&["add", "x", &format!("texts/{file}")]);
        assert!(!told.contains("sorted again"), "{told}");
    }
    // The eighth segment fills the class, and may wait: the next call merges all, and the estimates know.
    let eighth = told(&["add", "x", "texts/7", "--no-merge"]);
    assert!(!eighth.contains("sorted again") && !eighth.contains("merging"), "{eighth}");
    assert_eq!(ask(home, &["stats", "x"])["segments"], 8);
    assert_eq!(ask(home, &["count", "x", "7: A mar"])["count"], 1);
    let again = run(home, &["add", "x", "texts/7"]);
    let (shown, told_first) = (String::from_utf8(again.stdout).unwrap(), String::from_utf8(again.stderr).unwrap());
    let before = told_first.find("of text are sorted again").unwrap();
    assert!(told_first.find("merging 8 segments").unwrap() > before, "{told_first}");
    assert!(told_first.contains("looking into texts/7"), "{told_first}");
    // First what was added, then what came of the merge.
    let (added, merged) = (shown.find("in 8 segments"), shown.find("in 1 segments"));
    assert!(shown.starts_with("0 files added") && added.is_some() && added < merged, "{shown}");
    let output = run(home, &["add", "x", "texts/8", "--json"]);
    let line: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&line["estimate"]["files"], &line["estimate"]["merged_bytes"]), (&json!(1), &json!(0)));
    assert_eq!(line["estimate"], json(&output)["estimate"]);

    // To withdraw writes a line; to erase rebuilds.
    assert!(!told(&["withdraw", "x", "texts/0"]).contains("of memory"));
    let erased = told(&["withdraw", "x", "texts/1", "--erase"]);
    assert!(erased.contains("rebuilt without them: this takes about") && erased.contains("sorting"), "{erased}");
}

/// Once the trees are there, others may write.
#[test]
fn proving_needs_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    fs::create_dir_all(home.join("texts")).unwrap();
    fs::write(home.join("texts/t.txt"), TIDE).unwrap();
    ask(home, &["build", "texts", "--out", "x"]);
    let writer = FolderIndex::open(&home.join("x"), IndexConfig::default()).unwrap();
    let prove = ["prove", "x", "--pattern", "duas", "--count", "--out", "proof", "--json"];
    let locked = run(home, &prove);
    let told = String::from_utf8(locked.stderr).unwrap();
    assert!(!locked.status.success() && told.contains("open in another process"), "{told}");
    drop(writer);
    ask(home, &prove[..prove.len() - 1]);
    let writer = FolderIndex::open(&home.join("x"), IndexConfig::default()).unwrap();
    assert_eq!(ask(home, &prove[..prove.len() - 1])["value"], 2);
    drop(writer);
}

#[test]
fn a_proof_convinces_without_the_index_and_no_changed_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    fs::create_dir_all(home.join("texts/a")).unwrap();
    fs::write(home.join("texts/a/tide.txt"), format!("Copied: {TIDE}{TIDE}")).unwrap();
    fs::write(home.join("texts/b.txt"), TIDE).unwrap();
    fs::write(home.join("asked"), "duas vezes por ano").unwrap();
    ask(home, &["build", "texts", "--out", "x"]);
    let told = |output: &Output| String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap();
    let place = format!("texts/b.txt:{}", TIDE.find("duas").unwrap());

    // Each question: what is proved of which text, the claim's name, and the value.
    let duas = ["--pattern", "duas"];
    let cases = [
        (&["--count"][..], duas, "count", 6, "it stands exactly 6 times in these 1 segments"),
        (&["--absent"], ["--pattern", "nowhere"], "absent", 0, "it stands nowhere in these 1 segments"),
        (&["--here", &place], duas, "here", 1, "\"duas\" (4 bytes) stands in contribution 2, document 0, at byte 13\n"),
        (
            &["--earlier", "./texts//b.txt"],
            duas,
            "earlier",
            1,
            "in contribution 1, document 0, at byte 21, which precedes contribution 2",
        ),
        (&["--longest"], ["--text", "asked"], "longest", 15, "that stands in these 1 segments has 15 bytes"),
        (&[], ["--text", "asked"], "longest", 15, "that stands in these 1 segments has 15 bytes"),
        (&["--count"], ["--pattern", "maré"], "count", 3, "it stands exactly 3 times in these 1 segments"),
    ];
    let mut root = String::new();
    for (question, text, kind, value, sentence) in cases {
        let proved = ask(home, &[&["prove", "x", "--out", "proof"][..], &text, question].concat());
        assert_eq!((&proved["file"], &proved["value"]), (&json!("proof"), &json!(value)), "{question:?}");
        assert_eq!(proved["roots"].as_array().unwrap().len(), 1);
        assert!(proved["proof_bytes"].as_u64().unwrap() > 0);
        root = proved["roots"][0].as_str().unwrap().to_owned();
        let verified = ask(home, &["verify", "proof", "--root", &root]);
        assert_eq!(
            (&verified["ok"], &verified["value"], &verified["segments"], &verified["claim"]["kind"]),
            (&json!(true), &json!(value), &json!(1), &json!(kind)),
            "{question:?}"
        );
        let shown = run(home, &["verify", "proof", "--root", &root]);
        assert!(shown.status.success() && told(&shown).contains(sentence), "{}", told(&shown));
        let place = match kind {
            "here" => json!({"contribution": 2, "document": 0, "offset": 13}),
            "earlier" => json!({"contribution": 1, "document": 0, "offset": 21}),
            _ => Value::Null,
        };
        assert_eq!(verified["place"], place);
        // Without --out the proof itself is what is printed.
        let printed = run(home, &[&["prove", "x"][..], &text, question].concat());
        assert_eq!(fs::read(home.join("proof")).unwrap(), printed.stdout, "{question:?}");
    }

    // The last proof with anything in it changed, and against another index's root: refused, exit code 1.
    let good: Value = serde_json::from_slice(&fs::read(home.join("proof")).unwrap()).unwrap();
    let refused = |file: &Value, root: &str| {
        fs::write(home.join("changed"), file.to_string()).unwrap();
        let output = run(home, &["verify", "changed", "--root", root, "--json"]);
        assert_eq!(output.status.code(), Some(1), "{file}");
        let verdict = json(&output);
        assert_eq!(verdict["ok"], false, "{file}");
        assert!(!verdict["differs"].as_str().unwrap().is_empty());
        let shown = run(home, &["verify", "changed", "--root", root]);
        assert!(shown.status.code() == Some(1) && told(&shown).contains("refused: "), "{}", told(&shown));
    };
    let proof = good["segments"][0]["proof"].as_str().unwrap();
    for at in [2, proof.len() / 2, proof.len() - 1] {
        let digit = if proof.as_bytes()[at] == b'0' { "1" } else { "0" };
        let mut changed = good.clone();
        changed["segments"][0]["proof"] = json!(format!("{}{digit}{}", &proof[..at], &proof[at + 1..]));
        refused(&changed, &root);
    }
    for (pointer, other) in [
        ("/format", json!("fonte-proof-2")),
        ("/claim/kind", json!("absent")),
        ("/claim/pattern", json!("0x6475")),
        ("/segments/0/value", json!(4)),
        ("/segments/0/root", json!(format!("0x{}", "11".repeat(32)))),
        ("/segments", json!([])),
        ("", json!("no proof at all")),
    ] {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = other;
        refused(&changed, &root);
    }
    refused(&good, &format!("0x{}", "22".repeat(32)));

    // What is not so cannot be proved, and what is not understood is named.
    for (arguments, expected) in [
        (&["--pattern", "duas", "--absent"][..], "the pattern is not absent"),
        (&["--pattern", "duas", "--here", "texts/b.txt:0"], "holds no such place"),
        (&["--pattern", "duas", "--earlier", "texts/a/tide.txt"], "holds no such place"),
        (&["--pattern", "duas", "--here", "texts/b.txt"], "write PATH:OFFSET"),
        (&["--pattern", "duas", "--here", "texts/b.txt:x"], "write PATH:OFFSET"),
        (&["--pattern", "duas", "--here", "texts/c.txt:0"], "is not in the index"),
        (&["--pattern", "duas", "--earlier", "b.txt"], "is not in the index"),
        (&["--pattern", "duas", "--count", "--absent"], "cannot be used with"),
        (&["--pattern", "duas", "--text", "asked"], "cannot be used with"),
        (&["--count"], "--pattern"),
        (&["--text", "nowhere"], "nowhere"),
    ] {
        let output = run(home, &[&["prove", "x", "--out", "none"], arguments].concat());
        assert!(!output.status.success() && told(&output).contains(expected), "{arguments:?}: {}", told(&output));
        assert!(!home.join("none").exists());
    }
    for (arguments, expected) in [(&["proof"][..], "--root"), (&["proof", "--root", "0x12"], "--root")] {
        let output = run(home, &[&["verify"], arguments].concat());
        assert!(!output.status.success() && told(&output).contains(expected), "{arguments:?}: {}", told(&output));
    }
}

#[test]
fn refusals_say_the_next_step_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    fs::create_dir_all(home.join("texts")).unwrap();
    fs::create_dir_all(home.join("other")).unwrap();
    fs::write(home.join("other/o.txt"), BREAD).unwrap();
    fs::write(home.join("answer"), BREAD).unwrap();
    let refused = |arguments: &[&str], language: &str| {
        let output = fonte(home).current_dir(home).env("LANG", language).arg("index").args(arguments).output().unwrap();
        assert!(!output.status.success());
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let told = refused(&["build", "texts", "--out", "x"], "C");
    assert!(told.contains("no files in texts"), "{told}");
    let told = refused(&["count", "nowhere", "word"], "C");
    assert!(told.contains("no index in nowhere"), "{told}");
    for (language, expected) in
        [("C", "make one with `fonte index build"), ("pt_BR.UTF-8", "crie com `fonte index build")]
    {
        let told = refused(&["add", "nowhere", "texts"], language);
        assert!(told.contains(expected), "{told}");
        assert!(!home.join("nowhere").exists());
    }
    fs::write(home.join("texts/t.txt"), TIDE).unwrap();
    ask(home, &["build", "texts", "--out", "x"]);
    let told = refused(&["build", "other", "--out", "x"], "C");
    assert!(told.contains("texts/t.txt") && told.contains("fonte index add"), "{told}");
    fs::write(home.join("texts/t.txt"), BREAD).unwrap();
    let told = refused(&["add", "x", "texts"], "C");
    assert!(told.contains("texts/t.txt has changed"), "{told}");
    let told = refused(&["withdraw", "x", "texts/u.txt"], "C");
    assert!(told.contains("texts/u.txt is not in the index"), "{told}");

    // A damaged file is refused by name, and nothing is answered from it.
    let segment = fs::read_dir(home.join("x"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "fonte"))
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(20).position(|window| window == &TIDE.as_bytes()[..20]).unwrap();
    bytes[at] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let told = refused(&["trace", "x", "--text", "answer"], "C");
    assert!(told.contains("is damaged") && told.contains("fail their checksum"), "{told}");
    fs::write(&segment, &bytes[..bytes.len() - 1]).unwrap();
    let told = refused(&["trace", "x", "--text", "answer"], "C");
    assert!(told.contains("damaged or foreign"), "{told}");
}

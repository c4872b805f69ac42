//! A build that is killed goes on. Alone in its program: a process that begins holds the locks of the one that starts it for a
//! moment, and another test would find its index locked.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use fonte_attribution::{Everyone, FolderIndex, IndexConfig, TraceIndex};
use rand::{Rng, SeedableRng, rngs::StdRng};

fn write(folder: &Path, name: &str, text: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Small segments, so that a build has many crash points.
const CONFIG: IndexConfig = IndexConfig { max_segment_bytes: 60_000, merge_at: 4 };

/// Run in a process of its own by the test below.
#[test]
fn builder_to_be_killed() {
    let (Some(texts), Some(at)) = (std::env::var_os("FONTE_TEST_TEXTS"), std::env::var_os("FONTE_TEST_INDEX")) else {
        return;
    };
    let mut index = FolderIndex::open(Path::new(&at), CONFIG).unwrap();
    let plan = index.plan(Path::new(&texts), &mut |_, _| {}).unwrap();
    index.add(&plan, &mut |_| {}).unwrap();
}

#[test]
fn a_killed_build_goes_on_where_it_was() {
    let (texts, at, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut random = StdRng::seed_from_u64(12);
    for file in 0..300 {
        let text: Vec<u8> = (0..random.random_range(0..8_000)).map(|_| random.random_range(b'a'..=b'e')).collect();
        write(texts.path(), &format!("{:03}", file), &text);
    }
    let mut uninterrupted = FolderIndex::open(whole.path(), CONFIG).unwrap();
    let plan = uninterrupted.plan(texts.path(), &mut |_, _| {}).unwrap();
    uninterrupted.add(&plan, &mut |_| {}).unwrap();

    // The number of the next segment: names alone, which are written before, are no progress.
    let next = || fs::read(at.path().join("manifest")).ok().map(|manifest| manifest[24..32].to_vec());
    let (mut killed, mut partial) = (0, 0);
    loop {
        let before = next();
        let mut builder = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "builder_to_be_killed", "--test-threads", "1"])
            .env("FONTE_TEST_TEXTS", texts.path())
            .env("FONTE_TEST_INDEX", at.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // SIGKILL at some moment after it got farther than the one before it, so that it ends in the end.
        while next() == before && builder.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(random.random_range(0..8_000))); // not awaited for: where the kill falls
        builder.kill().unwrap();
        let finished = builder.wait().unwrap().success();
        killed += usize::from(!finished);

        // Whatever the moment: it opens, holds a beginning of the files, each under its name, and no rubbish is left.
        let index = FolderIndex::open(at.path(), CONFIG).unwrap();
        let live = index.live();
        assert!(live.keys().zip(&plan.files).all(|(path, (planned, _))| path == planned));
        assert!(live.values().zip(1..).all(|(id, expected)| id.0 == expected));
        let segments = index.index().stats().segments;
        let left: Vec<String> = fs::read_dir(at.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !["manifest", "lock", "paths"].contains(&name.as_str()))
            .collect();
        assert_eq!(left.len(), segments, "{left:?}");
        assert!(left.iter().all(|name| name.ends_with(".fonte")), "{left:?}");
        partial += usize::from(!live.is_empty() && live.len() < 300);
        if finished {
            assert_eq!(live, uninterrupted.live());
            break;
        }
    }
    // Kills before the first segment or after the last would show nothing.
    assert!(killed > 0 && partial > 0, "{killed} kills, {partial} of them left a part");

    let index = FolderIndex::open_read_only(at.path()).unwrap();
    for (path, _) in plan.files.iter().step_by(7) {
        let text = fs::read(path).unwrap();
        let runs = |index: &FolderIndex| index.index().owners(&text, b"", &Everyone).unwrap();
        assert_eq!(runs(&index), runs(&uninterrupted));
    }
}

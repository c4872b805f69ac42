//! The fast path equals the reference on texts that people wrote: the demo corpus, and the licences and manuals of the
//! machine that runs the tests. One of the machine's corpora will do; without any the test says that it was skipped.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../../../xtask/src/skips.rs"]
mod skips;

use std::{
    fs,
    path::{Path, PathBuf},
};

use fonte_attribution::{
    Document, Everyone, IndexConfig, Members, SpanQuery, SuffixIndex, TraceIndex, reference, trace_answer,
};
use fonte_types::{ContributionId, DatanetId};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

/// Text files under `folder` in order of their paths, up to `limit` bytes; each folder is one contribution.
fn read(folder: &Path, limit: usize) -> Vec<Document> {
    let mut paths = Vec::new();
    walk(folder, &mut paths);
    paths.sort();
    let (mut documents, mut folders, mut bytes) = (Vec::<Document>::new(), Vec::<PathBuf>::new(), 0);
    for path in paths {
        let Ok(text) = fs::read(&path) else { continue };
        if text.len() > 64 << 10 || bytes + text.len() > limit {
            continue;
        }
        bytes += text.len();
        let parent = path.parent().expect("a file stands in a folder").to_owned();
        let at = folders.iter().position(|other| *other == parent).unwrap_or_else(|| {
            folders.push(parent);
            folders.len() - 1
        });
        documents.push(Document {
            contribution: ContributionId(at as u64 + 1),
            document: documents.len() as u32,
            datanet: DatanetId(at as u32 % 2 + 1),
            text,
        });
    }
    documents
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, paths),
            Ok(kind) if kind.is_file() => paths.push(path),
            _ => {}
        }
    }
}

/// An answer as models write them: quotes of various lengths, cut anywhere, among words of its own.
fn answer(documents: &[Document], random: &mut StdRng, bytes: usize) -> Vec<u8> {
    let mut answer = Vec::new();
    while answer.len() < bytes {
        let text = &documents.choose(random).expect("there are documents").text;
        let length = random.random_range(0..200).min(text.len());
        let start = random.random_range(0..=text.len() - length);
        answer.extend_from_slice(&text[start..start + length]);
        if random.random_bool(0.5) {
            answer.extend_from_slice(format!(" (says {}) ", random.random_range(0..1_000)).as_bytes());
        }
    }
    answer.truncate(bytes);
    answer
}

fn check(name: &str, documents: &[Document]) {
    let bytes: usize = documents.iter().map(|document| document.text.len()).sum();
    println!("{name}: {} documents, {bytes} bytes", documents.len());
    let folder = tempfile::tempdir().unwrap();
    // Several segments, merged once.
    let config = IndexConfig { max_segment_bytes: (bytes / 3).max(1), merge_at: 3 };
    let index = SuffixIndex::open(folder.path(), config).unwrap();
    for batch in documents.chunks(documents.len().div_ceil(7)) {
        index.add(batch.to_vec()).unwrap();
    }
    let one_datanet = |contribution: ContributionId, datanet: DatanetId| datanet.0 == 1 && contribution.0 != 1;
    let mut random = StdRng::seed_from_u64(7);
    let mut attributed = 0;
    for round in 0..4 {
        let answer = answer(documents, &mut random, 600);
        let prompt = if round % 2 == 0 { answer[100..180].to_vec() } else { Vec::new() };
        let members: &dyn Members = if round % 3 == 0 { &one_datanet } else { &Everyone };
        let traced = trace_answer(&index, &answer, &prompt, members).unwrap();
        assert_eq!(traced.evidence.runs(), reference::owners(documents, &answer, &prompt, members));
        attributed += 1_000_000 - traced.shares.unattributed_ppm();

        let query = SpanQuery { min_len: [8, 20, 32][round % 3], max_documents: 5 };
        let spans = index.spans(&answer, query, members).unwrap();
        assert_eq!(spans, reference::spans(documents, &answer, query, members));
    }
    assert!(attributed > 800_000, "answers made of quotes are mostly attributed, this was {attributed} of 4,000,000");
}

#[test]
fn demo_corpus() {
    let folder = Path::new("../../fixtures/demo").to_owned();
    let documents = read(&folder, 100 << 10);
    assert!(documents.len() > 20, "the demo corpus is part of the repository");
    check("fixtures/demo", &documents);
}

#[test]
fn texts_of_this_machine() {
    // The first is part of every Debian (base-files); the others are what its packages bring.
    let folders = ["/usr/share/common-licenses", "/usr/share/doc", "/usr/share/perl5"];
    let corpora = folders.map(|folder| (folder, read(Path::new(folder), 100 << 10)));
    let found: Vec<_> = corpora.iter().filter(|(_, documents)| documents.len() >= 5).collect();
    if found.is_empty() {
        skips::skipped(&format!(
            "attribution of texts that people wrote, because none of {folders:?} has five of them"
        ));
    }
    for (folder, documents) in found {
        check(folder, documents);
    }
}

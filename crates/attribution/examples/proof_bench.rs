//! How large proofs are here, and how long they take to make and to verify.
//!
//! `cargo run --release -p fonte-attribution --example proof_bench -- [--mb N] [FOLDER]...`
//!
//! The UTF-8 files of the folders, up to N MB (default 100) in one segment; without folders, words from a seeded
//! generator. Answers quote the corpus in stretches of 60 to 300 bytes with words in other orders between. A maximality
//! proof is made at the start of every span of 20 bytes or more, for the rest of the answer as pattern. CPU times are
//! of this thread, means over all; wall times are medians per proof, which a busy machine disturbs least.

#[path = "trace_bench/process.rs"]
mod process;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use fonte_attribution::{
    Document, Everyone, IndexConfig, SpanQuery, SuffixIndex, TraceIndex,
    proof::{
        Claim, Proof, ProveError, SegmentProver,
        verify::{LEAF_ROWS, ROW, TEXT_LEAF},
    },
};
use fonte_types::{ContributionId, DatanetId};
use process::{cpu_seconds, peak_mib};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

const ANSWERS: usize = 400;
const ANSWER_BYTES: usize = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut megabytes = 100;
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--mb" => megabytes = arguments.next().ok_or("--mb needs a number")?.parse()?,
            folder => folders.push(folder.into()),
        }
    }
    let mut random = StdRng::seed_from_u64(1);
    let limit = megabytes * 1_000_000;
    let mut texts = Vec::new();
    if folders.is_empty() {
        generate(limit, &mut texts, &mut random);
    }
    let mut bytes = 0;
    for folder in &folders {
        walk(folder, limit, &mut bytes, &mut texts);
    }
    let bytes: usize = texts.iter().map(Vec::len).sum();
    println!(
        "corpus: {:.1} MB, {} documents; leaves of {TEXT_LEAF} bytes and {LEAF_ROWS} rows",
        bytes as f64 / 1e6,
        texts.len()
    );
    let answers: Vec<Vec<u8>> = (0..ANSWERS).map(|_| quote(&texts, &mut random)).collect();
    let short: Vec<Vec<u8>> = (0..4_000).map(|_| excerpt(&texts, 20, &mut random).to_vec()).collect();
    let foreign: Vec<Vec<u8>> = short.iter().map(|text| text.iter().rev().copied().collect()).collect();

    let folder = tempfile::tempdir()?;
    let config = IndexConfig { max_segment_bytes: usize::MAX, ..IndexConfig::default() };
    let index = SuffixIndex::open(folder.path(), config)?;
    let documents = texts.into_iter().enumerate().map(|(at, text)| Document {
        contribution: ContributionId(at as u64 / 4 + 1),
        document: at as u32 % 4,
        datanet: DatanetId(1),
        text,
    });
    index.add(documents)?;

    let cpu = cpu_seconds();
    let provers = index.provers(|_, _| {})?;
    let [prover] = provers.as_slice() else { return Err("the corpus does not fit one segment".into()) };
    println!(
        "trees: {:.1} s CPU to build, {:.3} bytes on disk per byte of text, peak {} MiB",
        cpu_seconds() - cpu,
        prover.file_bytes() as f64 / bytes as f64,
        peak_mib()
    );
    println!("root: {}", prover.root());
    let wall = Instant::now();
    drop(index.provers(|_, _| {})?);
    println!("open: {:.1} ms wall", wall.elapsed().as_secs_f64() * 1e3);

    let mut spans: Vec<&[u8]> = Vec::new();
    for answer in &answers {
        let query = SpanQuery { min_len: 20, max_documents: 1 };
        spans.extend(index.spans(answer, query, &Everyone)?.iter().map(|span| &answer[span.start..]));
    }
    let borrow = |patterns: &'static [Vec<u8>]| patterns.iter().map(Vec::as_slice).collect::<Vec<_>>();
    let short = borrow(Vec::leak(short));
    let foreign = borrow(Vec::leak(foreign));
    measure("no longer match (from each span)", prover, &spans, |pattern| {
        let (length, proof) = prover.prove_longest(pattern)?;
        Ok(Some((Claim::Longest { pattern, length }, proof)))
    })?;
    println!("the same for other leaves, by formula, places at random and matches of 20 to 300 bytes:");
    for text_leaf in [32, 64, 128, 256, 1_024] {
        let sizes: Vec<String> = [4, 8, 16, 32, 128]
            .iter()
            .map(|rows| format!("{:.0} ({rows} rows)", modelled(prover.text_bytes(), text_leaf, *rows, &mut random)))
            .collect();
        println!("  leaves of {text_leaf} bytes: {}", sizes.join(", "));
    }
    measure("exactly n times (20 bytes)", prover, &short, |pattern| {
        let (count, proof) = prover.prove_count(pattern)?;
        Ok(Some((Claim::Count { pattern, count }, proof)))
    })?;
    measure("an earlier one (20 bytes)", prover, &short, |pattern| {
        let found = prover.prove_earlier(pattern, ContributionId(u64::MAX))?;
        Ok(found.map(|(place, proof)| (Claim::Earlier { pattern, before: place.contribution.0 + 1 }, proof)))
    })?;
    measure("absent (20 bytes backwards)", prover, &foreign, |pattern| {
        Ok(prover.prove_absent(pattern)?.map(|proof| (Claim::Absent { pattern }, proof)))
    })?;
    Ok(())
}

fn measure<'p>(
    name: &str,
    prover: &SegmentProver,
    patterns: &[&'p [u8]],
    prove: impl Fn(&'p [u8]) -> Result<Option<(Claim<'p>, Proof)>, ProveError>,
) -> Result<(), ProveError> {
    // Once unmeasured: the first touch of a chunk checks its checksum.
    for pattern in patterns {
        prove(pattern)?;
    }
    let (cpu, mut made, mut proofs) = (cpu_seconds(), Vec::new(), Vec::new());
    for pattern in patterns {
        let start = Instant::now();
        let proof = prove(pattern)?;
        made.push(start.elapsed().as_secs_f64() * 1e6);
        proofs.extend(proof);
    }
    let made_cpu = (cpu_seconds() - cpu) * 1e6 / patterns.len() as f64;
    let (cpu, root, mut verified) = (cpu_seconds(), prover.root(), Vec::new());
    for (claim, proof) in &proofs {
        let start = Instant::now();
        proof.verify(root, claim)?;
        verified.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let verified_cpu = (cpu_seconds() - cpu) * 1e6 / proofs.len() as f64;
    let mut sizes: Vec<usize> = proofs.iter().map(|(_, proof)| proof.as_bytes().len()).collect();
    sizes.sort_unstable();
    let mean = sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
    println!(
        "{name}: {} proofs, {mean:.0} bytes (median {}, 99 % {}, most {}); made in {made_cpu:.1} us CPU (median wall {:.1}), \
         verified in {verified_cpu:.1} us CPU (median wall {:.1})",
        sizes.len(),
        sizes[sizes.len() / 2],
        sizes[sizes.len() * 99 / 100],
        sizes[sizes.len() - 1],
        median(&mut made),
        median(&mut verified)
    );
    Ok(())
}

/// Mean bytes of a maximality proof with other leaves: the encoding of `docs/spec/proofs.md` section 4, counted.
fn modelled(text_bytes: u64, text_leaf: u64, leaf_rows: u64, random: &mut StdRng) -> f64 {
    let siblings = |leaves: u64, opened: std::ops::Range<u64>| {
        let (mut from, mut to, mut width, mut count) = (opened.start, opened.end, leaves, 0);
        while width > 1 {
            count += from % 2 + u64::from(to % 2 == 1 && to < width);
            (from, to, width) = (from / 2, to.div_ceil(2), width.div_ceil(2));
        }
        count
    };
    let trials = 4_000;
    let bytes: u64 = (0..trials)
        .map(|_| {
            let (rank, length) = (random.random_range(1..text_bytes), random.random_range(20..300));
            let position = random.random_range(0..text_bytes.saturating_sub(length).max(1));
            let lower = if random.random() { rank } else { rank - 1 };
            let rows = lower / leaf_rows..rank / leaf_rows + 1;
            let text = position / text_leaf..(position + length) / text_leaf + 1;
            let head_and_entries_root = 16 + 32;
            head_and_entries_root
                + (rows.end - rows.start) * leaf_rows * ROW as u64
                + 32 * siblings(text_bytes.div_ceil(leaf_rows), rows)
                + ((text.end - text.start) * text_leaf - length)
                + 32 * siblings(text_bytes.div_ceil(text_leaf), text)
        })
        .sum();
    bytes as f64 / trials as f64
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn walk(folder: &Path, limit: usize, bytes: &mut usize, texts: &mut Vec<Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().collect();
    paths.sort_by_key(fs::DirEntry::path);
    for entry in paths {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), limit, bytes, texts),
            Ok(kind) if kind.is_file() => {
                let Ok(text) = fs::read(entry.path()) else { continue };
                if text.len() > 4 << 20 || *bytes + text.len() > limit || std::str::from_utf8(&text).is_err() {
                    continue;
                }
                *bytes += text.len();
                texts.push(text);
            }
            _ => {}
        }
    }
}

/// Words with frequencies like a language's, and stretches copied now and then.
fn generate(limit: usize, texts: &mut Vec<Vec<u8>>, random: &mut StdRng) {
    let words: Vec<String> = (0..40_000)
        .map(|_| (0..random.random_range(2..10)).map(|_| random.random_range(b'a'..=b'z') as char).collect())
        .collect();
    let mut bytes = 0;
    while bytes < limit {
        let length = random.random_range(500..20_000).min(limit - bytes);
        let mut text = Vec::new();
        while text.len() < length {
            if random.random_bool(0.002) && !texts.is_empty() {
                text.extend_from_slice(excerpt(texts, 300, random));
            }
            let word = (random.random::<f64>().powi(4) * words.len() as f64) as usize;
            text.extend_from_slice(words[word].as_bytes());
            text.push(b' ');
        }
        bytes += text.len();
        texts.push(text);
    }
}

/// `length` bytes of some text that has them.
fn excerpt<'a>(texts: &'a [Vec<u8>], length: usize, random: &mut StdRng) -> &'a [u8] {
    loop {
        let text = texts.choose(random).expect("the corpus is not empty");
        if text.len() >= length {
            let start = random.random_range(0..=text.len() - length);
            return &text[start..start + length];
        }
    }
}

fn quote(texts: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut answer = Vec::new();
    while answer.len() < ANSWER_BYTES {
        let length = random.random_range(60..300);
        answer.extend_from_slice(excerpt(texts, length, random));
        let mut words: Vec<&[u8]> = excerpt(texts, 40, random).split(u8::is_ascii_whitespace).collect();
        words.reverse();
        answer.extend_from_slice(&words.join(&b' '));
    }
    answer.truncate(ANSWER_BYTES);
    answer
}

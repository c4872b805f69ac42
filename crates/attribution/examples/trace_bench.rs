//! How fast the trace index builds and answers here.
//!
//! `cargo run --release -p fonte-attribution --example trace_bench -- [--mb N] [FOLDER]...`
//!
//! With folders: their UTF-8 files, each folder one contribution, up to N MB (default 100). Without: a seeded generator
//! of N MB. Prints one line per figure. CPU times mean something on a busy machine, too, though other programs compete
//! for caches; wall times need an idle one.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use fonte_attribution::{Document, Everyone, IndexConfig, Members, SpanQuery, SuffixIndex, TraceIndex};
use fonte_types::{ContributionId, DatanetId};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

const ANSWERS: usize = 200;
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
    let documents = if folders.is_empty() { generate(limit, &mut random) } else { read(&folders, limit) };
    let bytes: usize = documents.iter().map(|document| document.text.len()).sum();
    let contributions = documents.last().map_or(0, |document| document.contribution.0);
    println!("corpus: {:.1} MB, {} documents, {contributions} contributions", bytes as f64 / 1e6, documents.len());

    let quoting: Vec<Vec<u8>> = (0..ANSWERS).map(|_| quote(&documents, &mut random)).collect();
    let foreign: Vec<Vec<u8>> = quoting.iter().map(|answer| scramble(answer, &mut random)).collect();
    let single: Vec<Vec<u8>> = (0..ANSWERS).map(|_| excerpt(&documents, ANSWER_BYTES, &mut random).to_vec()).collect();
    let patterns: Vec<Vec<u8>> = (0..20_000).map(|_| excerpt(&documents, 20, &mut random).to_vec()).collect();
    let before = peak_mib();

    let folder = tempfile::tempdir()?;
    let index = SuffixIndex::open(folder.path(), IndexConfig::default())?;
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    index.add(documents)?;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let stats = index.stats();
    println!(
        "build: {cpu:.2} s CPU, {wall:.2} s wall, {:.2} CPU s per 100 MB; {} segments, {:.2} bytes on disk per byte; \
         peak {} MiB, of which {before} MiB before",
        cpu / (bytes as f64 / 1e8),
        stats.segments,
        stats.file_bytes as f64 / stats.text_bytes as f64,
        peak_mib(),
    );

    drop(index);
    let opening = Instant::now();
    let index = SuffixIndex::open(folder.path(), IndexConfig::default())?;
    println!("open: {:.2} ms", opening.elapsed().as_secs_f64() * 1e3);

    let half = |contribution: ContributionId, _: DatanetId| contribution.0.is_multiple_of(2);
    let prompt = b"What do the sources say about this, and how sure are they? Answer in two paragraphs, please.";
    for (answers, kind) in [(&quoting, "quotes and words"), (&single, "one long quote"), (&foreign, "scrambled words")]
    {
        for (members, who) in [(&Everyone as &dyn Members, "everyone"), (&half, "every second contribution")] {
            // Once unmeasured: the first touch of a chunk checks its checksum.
            for answer in answers {
                index.owners(answer, prompt, members)?;
            }
            let mut runs = 0;
            let owners =
                measure(answers, |answer| runs += index.owners(answer, prompt, members).map_or(0, |runs| runs.len()));
            let mut found = 0;
            let query = SpanQuery { min_len: 20, max_documents: 10 };
            let spans =
                measure(answers, |answer| found += index.spans(answer, query, members).map_or(0, |spans| spans.len()));
            println!(
                "{ANSWER_BYTES}-byte answer, {kind}, {who}: owners {owners}, {:.1} runs; spans >= 20 {spans}, {:.1} spans",
                runs as f64 / ANSWERS as f64,
                found as f64 / ANSWERS as f64,
            );
        }
    }
    let mut total = 0;
    let counts = measure(&patterns, |pattern| total += index.count(pattern, &Everyone).unwrap_or(0));
    println!("count of a 20-byte pattern: {counts}; {total} occurrences in all");
    println!("peak {} MiB", peak_mib());
    Ok(())
}

/// Mean CPU time and the median and 95th percentile of the wall time, as text.
fn measure(inputs: &[Vec<u8>], mut query: impl FnMut(&[u8])) -> String {
    let cpu = cpu_seconds();
    let mut times: Vec<f64> = inputs
        .iter()
        .map(|input| {
            let start = Instant::now();
            query(input);
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    let cpu = (cpu_seconds() - cpu) * 1e6 / inputs.len() as f64;
    times.sort_by(f64::total_cmp);
    format!("{cpu:.1} us CPU (wall: median {:.1}, 95 % {:.1})", times[times.len() / 2], times[times.len() * 95 / 100])
}

fn read(folders: &[PathBuf], limit: usize) -> Vec<Document> {
    let mut by_folder: BTreeMap<PathBuf, Vec<Vec<u8>>> = BTreeMap::new();
    let mut bytes = 0;
    for folder in folders {
        walk(folder, limit, &mut bytes, &mut by_folder);
    }
    let contribution = |(at, texts): (usize, Vec<Vec<u8>>)| {
        texts.into_iter().enumerate().map(move |(document, text)| Document {
            contribution: ContributionId(at as u64 + 1),
            document: document as u32,
            datanet: DatanetId(1),
            text,
        })
    };
    by_folder.into_values().enumerate().flat_map(contribution).collect()
}

fn walk(folder: &Path, limit: usize, bytes: &mut usize, by_folder: &mut BTreeMap<PathBuf, Vec<Vec<u8>>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().collect();
    paths.sort_by_key(fs::DirEntry::path);
    for entry in paths {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), limit, bytes, by_folder),
            Ok(kind) if kind.is_file() => {
                let Ok(text) = fs::read(entry.path()) else { continue };
                if text.len() > 4 << 20 || *bytes + text.len() > limit || std::str::from_utf8(&text).is_err() {
                    continue;
                }
                *bytes += text.len();
                by_folder.entry(folder.to_owned()).or_default().push(text);
            }
            _ => {}
        }
    }
}

/// Words drawn with frequencies like a language's, paragraphs copied now and then, a notice in every tenth document.
fn generate(limit: usize, random: &mut StdRng) -> Vec<Document> {
    let words: Vec<String> = (0..40_000)
        .map(|_| (0..random.random_range(2..10)).map(|_| random.random_range(b'a'..=b'z') as char).collect())
        .collect();
    let notice: String = (0..200).map(|at| words[at * 7].clone() + " ").collect();
    let mut documents: Vec<Document> = Vec::new();
    let mut bytes = 0;
    while bytes < limit {
        let mut text = Vec::new();
        if random.random_bool(0.1) {
            text.extend_from_slice(notice.as_bytes());
        }
        let length = random.random_range(500..20_000).min(limit - bytes);
        while text.len() < length {
            if random.random_bool(0.002) && !documents.is_empty() {
                text.extend_from_slice(excerpt(&documents, 300, random));
            }
            // A power of a uniform draw: few words are frequent, most are rare.
            let word = (random.random::<f64>().powi(4) * words.len() as f64) as usize;
            text.extend_from_slice(words[word].as_bytes());
            text.push(b' ');
        }
        bytes += text.len();
        let at = documents.len();
        documents.push(Document {
            contribution: ContributionId(at as u64 / 4 + 1),
            document: at as u32 % 4,
            datanet: DatanetId(1),
            text,
        });
    }
    documents
}

/// `length` bytes of some document that has them, uniform over documents.
fn excerpt<'a>(documents: &'a [Document], length: usize, random: &mut StdRng) -> &'a [u8] {
    loop {
        let text = &documents.choose(random).expect("the corpus is not empty").text;
        if text.len() >= length {
            let start = random.random_range(0..=text.len() - length);
            return &text[start..start + length];
        }
        if documents.iter().all(|document| document.text.len() < length) {
            return text;
        }
    }
}

fn quote(documents: &[Document], random: &mut StdRng) -> Vec<u8> {
    let mut answer = Vec::new();
    while answer.len() < ANSWER_BYTES {
        let length = random.random_range(60..300);
        answer.extend_from_slice(excerpt(documents, length, random));
        let own = scramble(excerpt(documents, 40, random), random);
        answer.extend_from_slice(&own);
    }
    answer.truncate(ANSWER_BYTES);
    answer
}

/// The same words in another order.
fn scramble(text: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut words: Vec<&[u8]> = text.split(u8::is_ascii_whitespace).collect();
    for at in (1..words.len()).rev() {
        words.swap(at, random.random_range(0..=at));
    }
    words.join(&b' ')
}

/// CPU time of the main thread, the only one.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

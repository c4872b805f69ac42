//! How fast the trace index builds, grows and answers here.
//!
//! `cargo run --release -p fonte-attribution --example trace_bench -- [--mb N] [--segment-mib M] [--export DIR] [FOLDER]...`
//!
//! With folders: their UTF-8 files, each folder one contribution, up to N MB (default 100). Without: a seeded generator
//! of N MB. Prints one line per figure; the last one, `row`, has them all for a table over sizes. `--export` writes the
//! corpus, the questions and our answers, so that another program can be asked the same. Some counts and spans are compared
//! with a linear scan of the text, at every size; where they differ, nothing else counts: it fails.
//!
//! CPU times mean something on a busy machine, too, though other programs compete for caches; wall times need an idle
//! one. Pin it to one core (`taskset -c 0`) to compare with a program that uses one.

mod process;
mod scan;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use fonte_attribution::{Document, Everyone, IndexConfig, MaximalSpan, Members, SpanQuery, SuffixIndex, TraceIndex};
use fonte_types::{ContributionId, DatanetId};
use process::{cpu_seconds, peak_mib};
use rand::{Rng, SeedableRng, rngs::StdRng};

const ANSWERS: usize = 200;
/// Answers that the slower program is asked, too.
const SHARED_ANSWERS: usize = 20;
const ANSWER_BYTES: usize = 1_000;
const PATTERNS: usize = 20_000;
const SHARED_PATTERNS: usize = 2_000;
/// Calls that add 1 MB each: eight of them fill a size class, and eight times eight the next one.
const ADDED: usize = 64;
/// Answers of each kind, and patterns, that are looked for in the text without the index, too.
const SCANNED_ANSWERS: usize = 5;
const SCANNED_PATTERNS: usize = 20;
const QUERY: SpanQuery = SpanQuery { min_len: 20, max_documents: 10 };
/// Of the generated texts; those that are added later are others.
const SEED: u64 = 1;
const PROMPT: &[u8] = b"What do the sources say about this, and how sure are they? Answer in two paragraphs, please.";
/// Documents kept in memory to make questions of, drawn evenly from all.
const POOL: usize = 2_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

struct Arguments {
    megabytes: usize,
    segment_mib: usize,
    export: Option<PathBuf>,
    folders: Vec<PathBuf>,
}

fn arguments() -> Outcome<Arguments> {
    let mut parsed = Arguments {
        megabytes: 100,
        segment_mib: IndexConfig::default().max_segment_bytes >> 20,
        export: None,
        folders: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--mb" => parsed.megabytes = value()?.parse()?,
            "--segment-mib" => parsed.segment_mib = value()?.parse()?,
            "--export" => parsed.export = Some(value()?.into()),
            folder => parsed.folders.push(folder.into()),
        }
    }
    Ok(parsed)
}

fn main() -> Outcome<()> {
    let Arguments { megabytes, segment_mib, export, folders } = arguments()?;
    let limit = megabytes * 1_000_000;
    let config = IndexConfig { max_segment_bytes: segment_mib << 20, ..IndexConfig::default() };
    let mut corpus = Corpus::new(limit, &folders, SEED);
    let mut exported = export.as_deref().map(Export::new).transpose()?;
    let folder = tempfile::tempdir_in(export.as_deref().unwrap_or(&std::env::temp_dir()))?;
    let index = SuffixIndex::open(folder.path(), config)?;

    // Making the texts is not building: their CPU time is taken off.
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let mut making = 0.0;
    let mut failed = None;
    let documents = std::iter::from_fn(|| {
        let before = cpu_seconds();
        let document = corpus.next();
        if let (Some(document), Some(exported)) = (&document, &mut exported) {
            failed = exported.document(document).err();
        }
        making += cpu_seconds() - before;
        document.filter(|_| failed.is_none())
    });
    index.add(documents)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu - making);
    let stats = index.stats();
    let per_100mb = cpu / (corpus.bytes as f64 / 1e8);
    let per_byte = stats.file_bytes as f64 / stats.text_bytes as f64;
    println!(
        "corpus: {:.1} MB, {} documents, {} contributions, {}",
        corpus.bytes as f64 / 1e6,
        stats.documents,
        corpus.contribution,
        if folders.is_empty() { "generated, seed 1".to_owned() } else { format!("from {folders:?}") }
    );
    let estimate = config.estimate(stats.documents as u64, corpus.bytes as u64);
    println!(
        "build: {cpu:.2} s CPU, {wall:.2} s wall with making the texts, {per_100mb:.2} CPU s per 100 MB; {} segments, \
         {per_byte:.3} bytes on disk per byte; memory estimated {} MiB, peak {} MiB with texts to ask of; disk estimated \
         {} MB, taken {} MB",
        stats.segments,
        estimate.memory_bytes >> 20,
        peak_mib(),
        estimate.disk_bytes / 1_000_000,
        stats.file_bytes / 1_000_000,
    );

    let mut random = StdRng::seed_from_u64(2);
    let pool = std::mem::take(&mut corpus.pool);
    let quoting: Vec<Vec<u8>> = (0..ANSWERS).map(|_| quote(&pool, &mut random)).collect();
    let foreign: Vec<Vec<u8>> = quoting.iter().map(|answer| scramble(answer, &mut random)).collect();
    let single: Vec<Vec<u8>> = (0..ANSWERS).map(|_| excerpt(&pool, ANSWER_BYTES, &mut random).to_vec()).collect();
    let patterns: Vec<Vec<u8>> = (0..PATTERNS).map(|_| excerpt(&pool, 20, &mut random).to_vec()).collect();

    drop(index);
    let cold = || -> Outcome<(SuffixIndex, f64)> {
        forget_pages(folder.path())?;
        let opening = Instant::now();
        let index = SuffixIndex::open(folder.path(), config)?;
        Ok((index, opening.elapsed().as_secs_f64() * 1e3))
    };
    let (index, _) = cold()?;
    let cold_counts =
        measure(&patterns[..SHARED_ANSWERS], |pattern| index.count(pattern, &Everyone).map(|count| count as usize));
    drop(index);
    let (index, _) = cold()?;
    let cold_owners =
        measure(&quoting[..SHARED_ANSWERS], |answer| index.owners(answer, PROMPT, &Everyone).map(|runs| runs.len()));
    drop(index);
    let (index, open_ms) = cold()?;
    drop(index);
    let opening = Instant::now();
    let index = SuffixIndex::open(folder.path(), config)?;
    println!("open, cold: {open_ms:.2} ms; again: {:.2} ms", opening.elapsed().as_secs_f64() * 1e3);
    let cold =
        measure(&quoting[..SHARED_ANSWERS], |answer| index.spans(answer, QUERY, &Everyone).map(|spans| spans.len()));
    println!("spans, cold: the first {SHARED_ANSWERS} answers after opening: {cold}");
    println!("owners, cold: the same answers, opened again: {cold_owners} runs");
    println!("count, cold: the first {SHARED_ANSWERS} patterns, opened again: {cold_counts} occurrences");

    let half = |contribution: ContributionId, _: DatanetId| contribution.0.is_multiple_of(2);
    let mut figures = Vec::new();
    for (answers, kind) in [(&quoting, "quotes and words"), (&single, "one long quote"), (&foreign, "scrambled words")]
    {
        for (members, who) in [(&Everyone as &dyn Members, "everyone"), (&half, "every second contribution")] {
            let owners = |answer: &[u8]| index.owners(answer, PROMPT, members).map(|runs| runs.len());
            let spans = |answer: &[u8]| index.spans(answer, QUERY, members).map(|spans| spans.len());
            // Once unmeasured: the first touch of a chunk checks its checksum.
            for answer in answers {
                owners(answer)?;
                spans(answer)?;
            }
            let (owners, spans) = (measure(answers, owners), measure(answers, spans));
            println!("{ANSWER_BYTES}-byte answer, {kind}, {who}: owners {owners} runs; spans >= 20 {spans} spans");
            figures.push((owners, spans));
        }
    }
    for pattern in &patterns {
        index.count(pattern, &Everyone)?;
    }
    let counts = measure(&patterns, |pattern| index.count(pattern, &Everyone).map(|count| count as usize));
    println!("count of a 20-byte pattern: {counts} occurrences");

    if let Some(exported) = exported {
        exported.questions(&index, &quoting[..SHARED_ANSWERS], &patterns[..SHARED_PATTERNS])?;
        let spans =
            measure(&quoting[..SHARED_ANSWERS], |answer| index.spans(answer, QUERY, &Everyone).map(|s| s.len()));
        let counts = measure(&patterns[..SHARED_PATTERNS], |p| index.count(p, &Everyone).map(|count| count as usize));
        println!("of the exported questions: spans {spans} spans; count {counts} occurrences");
    }

    let asked: Vec<scan::Asked<'_>> =
        [(&quoting, &Everyone as &dyn Members), (&foreign, &Everyone), (&single, &Everyone), (&quoting, &half)]
            .into_iter()
            .flat_map(|(answers, members)| {
                answers[..SCANNED_ANSWERS].iter().map(move |answer| scan::Asked { answer, members })
            })
            .collect();
    let questions = scan::Questions { patterns: &patterns[..SCANNED_PATTERNS], asked: &asked, query: QUERY };
    let indexed = questions.of_index(&index)?;

    let added = add_more(&index, config, corpus.contribution + 1)?;
    let (wall, gone) = (Instant::now(), [ContributionId(corpus.contribution + 1)].into());
    index.withdraw(&gone)?;
    println!("withdrawing a contribution: {:.1} ms wall", wall.elapsed().as_secs_f64() * 1e3);
    println!("peak {} MiB", peak_mib());
    // Behind all measuring: it takes the caches. The texts are made, or read, again: the index has no part in it.
    let started = Instant::now();
    indexed.equals(&questions.of_texts(|| Corpus::new(limit, &folders, SEED)))?;
    println!(
        "{SCANNED_PATTERNS} counts and the {} spans of {} answers, {SCANNED_ANSWERS} of each kind, are equal to a linear \
         scan of the text ({:.1} s)",
        indexed.spans(),
        asked.len(),
        started.elapsed().as_secs_f64()
    );
    let (owners, spans) = &figures[0];
    println!(
        "row {megabytes} {segment_mib} {} {per_100mb:.2} {per_byte:.3} {open_ms:.2} {:.2} {:.1} {:.1} {:.1} {:.1} {:.3} \
         {:.3} {:.1} {:.1}",
        stats.segments,
        counts.cpu,
        spans.cpu,
        owners.cpu,
        cold.median,
        spans.median,
        added.median,
        added.worst,
        cold_owners.median,
        cold_counts.median,
    );
    Ok(())
}

/// CPU seconds until 1 MB that is added answers queries.
struct Added {
    median: f64,
    worst: f64,
}

/// Adds 1 MB again and again, each call until a query finds its last document, and merges what is due after each. While the last
/// and largest merge runs, 1 MB more is added.
fn add_more(index: &SuffixIndex, config: IndexConfig, first: u64) -> Outcome<Added> {
    let mut corpus = Corpus::new((ADDED + 1) * 1_000_000, &[], SEED + 1);
    let mut more = |call: usize| -> Vec<Document> {
        let mut more: Vec<Document> = Vec::new();
        while corpus.bytes < call * 1_000_000 {
            let Some(document) = corpus.next() else { break };
            more.push(Document { contribution: ContributionId(document.contribution.0 + first), ..document });
        }
        more
    };
    // Texts of the generator repeat one another in part, so a document is asked for as a whole.
    let add = |more: Vec<Document>| -> Outcome<(f64, f64)> {
        let last = more.last().ok_or("there is nothing to add")?.text.clone();
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        index.add_unmerged(more, &mut |_| {})?;
        let taken = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
        if index.count(&last, &Everyone)? == 0 {
            return Err("what was added does not answer".into());
        }
        Ok(taken)
    };
    let merge = || -> Result<(f64, f64), fonte_attribution::AddError> {
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        index.merge(&mut |_| {})?;
        Ok((cpu_seconds() - cpu, wall.elapsed().as_secs_f64()))
    };
    let (mut added, mut merged, mut memory) = (Vec::new(), Vec::new(), 0);
    let mut due = 0;
    for call in 1..=ADDED {
        let more = more(call);
        let bytes = more.iter().map(|document| document.text.len() as u64).sum();
        let estimate = config.estimate_add(index, more.len() as u64, bytes);
        memory = memory.max(estimate.memory_bytes);
        due += usize::from(estimate.merged_bytes > 0);
        added.push(add(more)?);
        if call < ADDED {
            merged.push(merge()?);
        }
    }
    let last = more(ADDED + 1);
    let (meanwhile, largest) = std::thread::scope(|scope| -> Outcome<_> {
        let merging = scope.spawn(merge);
        let meanwhile = add(last)?;
        let still = !merging.is_finished();
        Ok(((meanwhile, still), merging.join().map_err(|_| "the merge panicked")??))
    })?;
    merged.push(largest);
    let by_cpu = |times: &mut Vec<(f64, f64)>| times.sort_by(|a, b| a.0.total_cmp(&b.0));
    by_cpu(&mut added);
    by_cpu(&mut merged);
    let wall = |times: &[(f64, f64)]| times.iter().map(|(_, wall)| *wall).fold(0.0, f64::max);
    let mean = |times: &[(f64, f64)]| times.iter().map(|(cpu, _)| cpu).sum::<f64>() / times.len() as f64;
    let (median, worst) = (added[ADDED / 2], added[ADDED - 1]);
    println!(
        "adding 1 MB until it answers, {ADDED} times: {:.3} s CPU, {:.3} s wall in the median; at worst {:.3} s CPU, {:.3} s wall; \
         {:.3} s CPU on average",
        median.0,
        median.1,
        worst.0,
        wall(&added),
        mean(&added),
    );
    println!(
        "merging afterwards: due after {due} of {ADDED} calls; at worst {:.3} s CPU, {:.3} s wall; {:.3} s CPU on average over all \
         calls; memory estimated {} MiB at most",
        merged[ADDED - 1].0,
        wall(&merged),
        mean(&merged),
        memory >> 20,
    );
    let ((cpu, wall), still) = meanwhile;
    println!(
        "adding 1 MB while the last merge runs: {cpu:.3} s CPU, {wall:.3} s wall until it answers; the merge {}",
        if still { "went on" } else { "had ended by then" }
    );
    Ok(Added { median: median.0, worst: worst.0 })
}

/// What one kind of question took, in microseconds, and how much it found on average.
struct Figure {
    cpu: f64,
    median: f64,
    late: f64,
    found: f64,
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cpu, median, late, found } = self;
        write!(f, "{cpu:.1} us CPU (wall: median {median:.1}, 95 % {late:.1}), {found:.1}")
    }
}

fn measure<E: std::fmt::Debug>(inputs: &[Vec<u8>], query: impl Fn(&[u8]) -> Result<usize, E>) -> Figure {
    let cpu = cpu_seconds();
    let mut found = 0;
    let mut times: Vec<f64> = inputs
        .iter()
        .map(|input| {
            let start = Instant::now();
            found += query(input).expect("the index was built just now");
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    let count = inputs.len() as f64;
    let cpu = (cpu_seconds() - cpu) * 1e6 / count;
    times.sort_by(f64::total_cmp);
    Figure { cpu, median: times[times.len() / 2], late: times[times.len() * 95 / 100], found: found as f64 / count }
}

/// Documents as they come, and a sample of them.
struct Corpus {
    limit: usize,
    bytes: usize,
    contribution: u64,
    document: u32,
    random: StdRng,
    seen: usize,
    pool: Vec<Vec<u8>>,
    /// Files still to be read, last first; nothing where texts are generated.
    files: Option<Vec<PathBuf>>,
    folder: PathBuf,
    words: Vec<String>,
    notice: String,
}

impl Corpus {
    fn new(limit: usize, folders: &[PathBuf], seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let word = |random: &mut StdRng| -> String {
            (0..random.random_range(2..10)).map(|_| random.random_range(b'a'..=b'z') as char).collect()
        };
        let words: Vec<String> = (0..40_000).map(|_| word(&mut random)).collect();
        let notice = (0..200).map(|at| words[at * 7].clone() + " ").collect();
        let files = (!folders.is_empty()).then(|| {
            let mut files = Vec::new();
            for folder in folders {
                walk(folder, &mut files);
            }
            files.reverse();
            files
        });
        let (folder, pool) = (PathBuf::new(), Vec::new());
        Self { limit, bytes: 0, contribution: 0, document: 0, random, seen: 0, pool, files, folder, words, notice }
    }

    /// Words drawn with frequencies like a language's, paragraphs copied now and then, a notice in every tenth document.
    fn generate(&mut self) -> Option<Vec<u8>> {
        if self.bytes == self.limit {
            return None;
        }
        let mut text = Vec::new();
        if self.random.random_bool(0.1) {
            text.extend_from_slice(self.notice.as_bytes());
        }
        let length = self.random.random_range(500..20_000);
        while text.len() < length {
            if self.random.random_bool(0.002) && !self.pool.is_empty() {
                text.extend_from_slice(excerpt(&self.pool, 300, &mut self.random));
            }
            // A power of a uniform draw: few words are frequent, most are rare.
            let word = (self.random.random::<f64>().powi(4) * self.words.len() as f64) as usize;
            text.extend_from_slice(self.words[word].as_bytes());
            text.push(b' ');
        }
        text.truncate(self.limit - self.bytes);
        if self.seen.is_multiple_of(4) {
            (self.contribution, self.document) = (self.contribution + 1, 0);
        }
        Some(text)
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        loop {
            let path = self.files.as_mut()?.pop()?;
            let Ok(text) = fs::read(&path) else { continue };
            if text.len() > 4 << 20 || self.bytes + text.len() > self.limit || std::str::from_utf8(&text).is_err() {
                continue;
            }
            let folder = path.parent().expect("a file stands in a folder");
            if folder != self.folder {
                (self.contribution, self.document) = (self.contribution + 1, 0);
                self.folder = folder.to_owned();
            }
            return Some(text);
        }
    }
}

impl Iterator for Corpus {
    type Item = Document;

    fn next(&mut self) -> Option<Document> {
        let text = if self.files.is_some() { self.read() } else { self.generate() }?;
        self.bytes += text.len();
        self.seen += 1;
        // Each document so far is in the pool with equal chance.
        if self.pool.len() < POOL {
            self.pool.push(text.clone());
        } else if let Some(slot) = { self.pool.get_mut(self.random.random_range(0..self.seen)) } {
            slot.clone_from(&text);
        }
        self.document += 1;
        Some(Document {
            contribution: ContributionId(self.contribution),
            document: self.document - 1,
            datanet: DatanetId(1),
            text,
        })
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::path);
    let is = |entry: &fs::DirEntry, test: fn(&fs::FileType) -> bool| entry.file_type().is_ok_and(|kind| test(&kind));
    // A folder's own files first, so that they are neighbours.
    files.extend(entries.iter().filter(|entry| is(entry, fs::FileType::is_file)).map(fs::DirEntry::path));
    for entry in entries.iter().filter(|entry| is(entry, fs::FileType::is_dir)) {
        walk(&entry.path(), files);
    }
}

/// `length` bytes of some document that has them, uniform over documents.
fn excerpt<'a>(pool: &'a [Vec<u8>], length: usize, random: &mut StdRng) -> &'a [u8] {
    loop {
        let text = &pool[random.random_range(0..pool.len())];
        if text.len() >= length {
            let start = random.random_range(0..=text.len() - length);
            return &text[start..start + length];
        }
        if pool.iter().all(|text| text.len() < length) {
            return text;
        }
    }
}

fn quote(pool: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut answer = Vec::new();
    while answer.len() < ANSWER_BYTES {
        let length = random.random_range(60..300);
        answer.extend_from_slice(excerpt(pool, length, random));
        let own = scramble(excerpt(pool, 40, random), random);
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

/// Files for another program: the corpus as JSON lines, questions in hexadecimal, our answers as plain lines.
struct Export {
    folder: PathBuf,
    corpus: BufWriter<File>,
}

impl Export {
    fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join("data"))?;
        let corpus = BufWriter::new(File::create(folder.join("data/corpus.jsonl"))?);
        Ok(Self { folder: folder.to_owned(), corpus })
    }

    fn document(&mut self, document: &Document) -> io::Result<()> {
        write!(self.corpus, "{{\"id\":\"{}.{}\",\"text\":\"", document.contribution, document.document)?;
        for byte in &document.text {
            match byte {
                b'"' | b'\\' => self.corpus.write_all(&[b'\\', *byte])?,
                0..0x20 | 0x7f => write!(self.corpus, "\\u{byte:04x}")?,
                _ => self.corpus.write_all(&[*byte])?,
            }
        }
        self.corpus.write_all(b"\"}\n")
    }

    /// One line per answer: `start end count document:offset ...` per span, spans parted by semicolons.
    fn questions(mut self, index: &SuffixIndex, answers: &[Vec<u8>], patterns: &[Vec<u8>]) -> Outcome<()> {
        self.corpus.flush()?;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
        fs::write(self.folder.join("answers"), answers.iter().map(|answer| hex(answer)).collect::<String>())?;
        fs::write(self.folder.join("patterns"), patterns.iter().map(|pattern| hex(pattern)).collect::<String>())?;
        let mut spans = String::new();
        for answer in answers {
            let found = index.spans(answer, QUERY, &Everyone)?;
            let shown: Vec<String> = found.iter().map(show).collect();
            spans += &(shown.join(";") + "\n");
        }
        fs::write(self.folder.join("spans"), spans)?;
        let counts = patterns.iter().map(|pattern| Ok(format!("{}\n", index.count(pattern, &Everyone)?)));
        fs::write(self.folder.join("counts"), counts.collect::<Outcome<String>>()?)?;
        Ok(())
    }
}

fn show(span: &MaximalSpan) -> String {
    let places: Vec<String> = span
        .documents
        .iter()
        .map(|place| format!("{}.{}:{}", place.contribution, place.document, place.offset))
        .collect();
    format!("{} {} {} {}", span.start, span.end, span.count, places.join(" "))
}

/// Takes the files of a folder out of the page cache, so that they are read from disk again.
fn forget_pages(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        File::open(&path)?.sync_all()?;
        let input = format!("if={}", path.display());
        let done = Command::new("dd").args([input.as_str(), "iflag=nocache", "count=0", "status=none"]).status()?;
        if !done.success() {
            println!("note: {} may still be cached, `dd` failed", path.display());
        }
    }
    Ok(())
}

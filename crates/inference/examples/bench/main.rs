//! How fast the engine is here, on seeded random models: base alone, mixed adapters in one batch, serving, int8's loss.
//!
//! `cargo run --release -p fonte-inference --example bench -- [OPTIONS]`
//!
//! `--model 15m|110m` and `--part base|mixed|sixteen|serve|idle|loss` choose some instead of all; `--threads N` (1),
//! `--repeats N` (5; 3 for 110m) and `--isa portable|avx2|avx512` (the best that there is). Prints one line per figure, the figures of goals again as `row NAME = NUMBER`, and what
//! belongs into the table without a goal as `table TEXT`. Tokens per second are per second of CPU time of the whole process,
//! since the machine may be shared; wall time stands beside it. Adapters come from memory, but from files, as PEFT saves
//! them, in `idle`, and in `serve` where there is a goal and where memory is short.
//!
//! `--export FOLDER` writes the first of the chosen models and its adapters for peers instead, `--table FILE` compares the
//! rows of a raw run with the project's goals. `benches/run.sh inference` runs all parts, the peers and the table.

mod export;
mod table;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fonte_inference::formats::{AdapterFiles, Limits, read_base};
use fonte_inference::model::{Adapter, ContentHash, ModelConfig};
use fonte_inference::{
    AdapterSource, Engine, EngineConfig, Event, Finish, Generation, Isa, NoAdapters, Profile, Request, RequestId,
    Sampling, Task, synthetic,
};

/// Adapters that are written for peers: as many as a batch of 64 has, and for llama.cpp as requests run at once.
const EXPORTED: u64 = 64;
const SIXTEEN: u64 = 16;

const PROMPT: usize = 32;
const ANSWER: usize = 64;
/// Answers where only the pace of a step is measured.
const SHORT: usize = 24;

fn main() -> Result<(), Box<dyn Error>> {
    let mut models = vec!["15m", "110m"];
    let mut parts = vec!["base", "mixed", "sixteen", "serve", "idle", "loss"];
    let (mut machine, mut repeats, mut exported) = (Machine { threads: 1, isa: Isa::best() }, None, None);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--model" => models.retain(|model| model == value),
            [name, value] if name == "--part" => parts.retain(|part| part == value),
            [name, value] if name == "--threads" => machine.threads = value.parse()?,
            [name, value] if name == "--isa" => machine.isa = isa(value)?,
            [name, value] if name == "--repeats" => repeats = Some(value.parse()?),
            [name, folder] if name == "--export" => exported = Some(PathBuf::from(folder)),
            [name, file] if name == "--table" => {
                table::print(&fs::read_to_string(file)?);
                return Ok(());
            }
            _ => {
                let known = "--model, --part, --threads, --repeats, --isa, --export and --table";
                return Err(format!("unknown arguments {pair:?}: there are {known}").into());
            }
        }
    }
    if let Some(folder) = exported {
        return export(&folder, &config(models.first().ok_or("no such model")?));
    }
    println!(
        "{} on {} threads; tokens per CPU second (per wall second, slowest to fastest of CPU)",
        machine.isa.name(),
        machine.threads
    );
    for name in models {
        let (config, few, requests) =
            (config(name), if name == "15m" { 5 } else { 3 }, if name == "15m" { 256 } else { 96 });
        let repeats = repeats.unwrap_or(few);
        for part in &parts {
            println!("\n{name} {part}, medians of {repeats}");
            match *part {
                "base" => base(name, &config, machine, repeats)?,
                "mixed" => mixed(name, &config, machine, repeats)?,
                "sixteen" => sixteen(name, &config, machine, repeats)?,
                "serve" => serve(name, &config, machine, repeats, requests)?,
                "idle" => idle(name, &config, machine)?,
                _ => loss(&config, machine)?,
            }
        }
    }
    Ok(())
}

/// What computes.
#[derive(Clone, Copy)]
struct Machine {
    threads: usize,
    isa: Isa,
}

/// An instruction set by its name.
fn isa(name: &str) -> Result<Isa, Box<dyn Error>> {
    let known: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
    let found = Isa::available().into_iter().find(|isa| isa.name() == name);
    Ok(found.ok_or_else(|| format!("--isa {name}: this machine has {}", known.join(", ")))?)
}

/// The models by their size.
fn config(name: &str) -> ModelConfig {
    match name {
        "15m" => synthetic::config(288, 6, 32_000),
        _ => synthetic::config(768, 12, 32_000),
    }
}

/// Writes the base, [`EXPORTED`] adapters of rank 16, and [`SIXTEEN`] of them for llama.cpp.
fn export(folder: &Path, config: &ModelConfig) -> Result<(), Box<dyn Error>> {
    let weights = synthetic::weights(config, 1);
    export::base(&folder.join("base"), config, &weights)?;
    export::gguf_base(&folder.join("base.gguf"), config, &weights)?;
    // Peers are to compute with the same numbers: both files are read back.
    for file in ["base", "base.gguf"] {
        let read = read_base(&folder.join(file), None, &Limits::default())?.weights;
        let same = read.embedding == weights.embedding
            && read.norm == weights.norm
            && read.layers.iter().zip(&weights.layers).all(|(read, written)| read.linears == written.linears);
        if !same {
            return Err(format!("{file} does not hold what was written").into());
        }
    }
    for seed in 0..EXPORTED {
        let adapter = synthetic::adapter(config, seed, |_, _| 16);
        export::adapter(&folder.join(format!("adapters/{seed}")), config, &adapter)?;
        if seed < SIXTEEN {
            export::gguf_adapter(&folder.join(format!("{seed}.gguf")), config, &adapter)?;
        }
    }
    Ok(())
}

/// Prefill of 256 tokens, decode of 1, 16 and 64 sequences, no adapters.
fn base(name: &str, config: &ModelConfig, machine: Machine, repeats: usize) -> Result<(), Box<dyn Error>> {
    for (profile, short) in [(Profile::F32Exact, "f32"), (Profile::Int8Exact, "int8")] {
        let mut engine = engine(config, profile, machine, 64, NoAdapters)?;
        println!("{profile:?} model {:.1} MB", engine.stats().model_bytes as f64 / 1e6);
        let mut prompts = Prompts(1);
        let times = (0..repeats).map(|_| -> Result<Times, Box<dyn Error>> {
            engine.submit(request(None, prompts.next(256), 1))?;
            let clock = Clock::start();
            while !engine.is_idle() {
                engine.step();
            }
            Ok(clock.stop())
        });
        let rate = report("prefill 256", 256.0, times.collect::<Result<_, _>>()?);
        row(&format!("{name} {short} prefill"), rate);
        for batch in [1, 16, 64] {
            let times = (0..repeats).map(|_| decode(&mut engine, &mut prompts, &vec![None; batch]));
            let rate = report(&format!("decode {batch}"), batch as f64, times.collect::<Result<_, _>>()?);
            row(&format!("{name} {short} decode {batch}"), rate);
        }
    }
    Ok(())
}

/// Decode of 64 sequences with 64 adapters, beside the same without.
fn mixed(model: &str, config: &ModelConfig, machine: Machine, repeats: usize) -> Result<(), Box<dyn Error>> {
    println!("table {model}, decode of 64            base only   64 distinct    16 distinct    one adapter");
    for (profile, short) in [(Profile::F32Exact, "f32"), (Profile::Int8Exact, "int8")] {
        for (name, rank) in RANKS {
            let mut engine = engine(config, profile, machine, 64, Copies::new(config, rank))?;
            let mut prompts = Prompts(2);
            // All are in memory before anything is measured.
            for seed in 0..64 {
                engine.register(synthetic::hash(seed));
                engine.submit(request(Some(synthetic::hash(seed)), prompts.next(1), 1))?;
            }
            tokens(&mut engine);
            let kinds: [(&str, Chosen); 4] = [
                ("base only", |_| None),
                ("64 distinct", Some),
                ("16 distinct", |i| Some(i % 16)),
                ("one adapter", |_| Some(0)),
            ];
            let mut times = vec![Vec::new(); kinds.len()];
            // The kinds take turns, so that a noisy moment hits all.
            for _ in 0..repeats {
                for ((_, adapter), times) in kinds.iter().zip(&mut times) {
                    let adapters: Vec<_> = (0..64).map(|i| adapter(i).map(synthetic::hash)).collect();
                    times.push(decode(&mut engine, &mut prompts, &adapters)?);
                }
            }
            let base = median(times[0].iter().map(|times| times.cpu));
            let mut line = format!("table   {short:<4} {name:<14} tok/s     ");
            for ((kind, _), times) in kinds.iter().zip(times) {
                let share = base / median(times.iter().map(|times| times.cpu)) * 100.0;
                let rate = report(&format!("{short} {name}, decode 64, {kind}, {share:.0} % of base"), 64.0, times);
                line += &if *kind == "base only" { format!("{rate:9.0}") } else { format!("{rate:8.0} {share:3.0} %") };
                match (profile, name, *kind) {
                    (Profile::F32Exact, "rank 16", "base only") => row(&format!("{model} mixed base"), rate),
                    (Profile::F32Exact, "rank 16", "64 distinct") => row(&format!("{model} mixed 64"), rate),
                    _ => {}
                }
            }
            println!("{line}");
        }
    }
    Ok(())
}

/// 16 requests at once, each of its own adapter and of none, from the first token of a prompt to the last of the answer.
fn sixteen(name: &str, config: &ModelConfig, machine: Machine, repeats: usize) -> Result<(), Box<dyn Error>> {
    let mut engine = engine(config, Profile::F32Exact, machine, 16, Copies::new(config, |_| 16))?;
    let mut prompts = Prompts(7);
    for seed in 0..SIXTEEN {
        engine.register(synthetic::hash(seed));
        engine.submit(request(Some(synthetic::hash(seed)), prompts.next(1), 1))?;
    }
    tokens(&mut engine);
    let kinds: [(&str, &str, Chosen); 2] = [("no", "sixteen base", |_| None), ("16", "sixteen", Some)];
    for (adapters, what, adapter) in kinds {
        let mut times = Vec::new();
        for _ in 0..repeats {
            for i in 0..SIXTEEN {
                engine.submit(request(adapter(i).map(synthetic::hash), prompts.next(PROMPT), ANSWER))?;
            }
            let clock = Clock::start();
            tokens(&mut engine);
            times.push(clock.stop());
        }
        let written = (SIXTEEN * ANSWER as u64) as f64;
        let rate = report(&format!("16 requests of {adapters} adapters, tokens written"), written, times);
        row(&format!("{name} {what}"), rate);
    }
    Ok(())
}

/// The adapter of a row, by its number.
type Chosen = fn(u64) -> Option<u64>;

/// The rank of an adapter, by its number.
type Rank = fn(u64) -> usize;

const RANKS: [(&str, Rank); 2] = [("rank 16", |_| 16), ("ranks 8/16/64", |seed| [8, 16, 64][seed as usize % 3])];

/// A closed loop of 64 requests at a time, over adapters of which all are cold at first.
fn serve(
    model: &str,
    config: &ModelConfig,
    machine: Machine,
    repeats: usize,
    requests: usize,
) -> Result<(), Box<dyn Error>> {
    let tokens = (requests * ANSWER) as f64;
    let mut alone = Vec::new();
    println!(
        "table {model}, {requests} requests, 64 at a time (f32)       first token, ms: hot p50    p99, cold p50    p99  (its adapter read p50)"
    );
    // The case that has a goal reads files, and takes turns with the ceiling, so that a noisy moment hits both.
    let ((ranks, rank), adapters, popularity) = (RANKS[0], 1000, "zipf");
    let drawn = draws(requests, adapters, popularity);
    let files = Stored::write(config, rank, adapters, &drawn)?;
    let mut with = Vec::new();
    for _ in 0..repeats {
        let mut without = engine(config, Profile::F32Exact, machine, 64, NoAdapters)?;
        alone.push(load(&mut without, &ReadAt::default(), requests, |_| None)?);
        let source = files.source(config);
        let read = source.read.clone();
        let mut engine = engine(config, Profile::F32Exact, machine, 64, source)?;
        with.push(serve_adapters(&mut engine, &read, &files.known, &drawn)?);
    }
    let ceiling = median(alone.iter().map(|load| load.times.cpu));
    let rate = told(&format!("{model} base only"), tokens, ceiling, &alone);
    row(&format!("{model} serve base"), rate);
    let rate = told(&format!("{model} {ranks}, {adapters} {popularity}, files"), tokens, ceiling, &with);
    row(&format!("{model} serve 1000 zipf"), rate);
    for (ranks, rank) in RANKS {
        for adapters in [1, 16, 128, 1000] {
            for popularity in ["uniform", "zipf"] {
                let source = Copies::new(config, rank);
                let read = source.read.clone();
                let mut engine = engine(config, Profile::F32Exact, machine, 64, source)?;
                let known: Vec<ContentHash> = (0..adapters).map(synthetic::hash).collect();
                let drawn = draws(requests, adapters, popularity);
                let load = serve_adapters(&mut engine, &read, &known, &drawn)?;
                told(&format!("{model} {ranks}, {adapters} {popularity}"), tokens, ceiling, &[load]);
            }
        }
    }
    short_of_memory(model, config, machine, requests, ceiling)
}

/// A loop over 300 adapters in files where some 200 fit into memory beside the pages of what runs: what is evicted is read
/// again. It takes longer than the others, so that this is most of it.
fn short_of_memory(
    model: &str,
    config: &ModelConfig,
    machine: Machine,
    requests: usize,
    ceiling: f64,
) -> Result<(), Box<dyn Error>> {
    const TIMES: usize = 4;
    const ADAPTERS: u64 = 300;
    const FIT: usize = 200;
    let drawn = draws(TIMES * requests, ADAPTERS, "uniform");
    let files = Stored::write(config, RANKS[0].1, ADAPTERS, &drawn)?;
    let token = 2 * size_of::<f32>() * config.layers * config.kv_heads * config.head_dim;
    let pages = 64 * (PROMPT + ANSWER) * token;
    let source = files.source(config);
    let read = source.read.clone();
    let memory = FIT * files.bytes + pages;
    let mut engine = engine_within(memory, config, Profile::F32Exact, machine, 64, source)?;
    let load = serve_adapters(&mut engine, &read, &files.known, &drawn)?;
    let tokens = (TIMES * requests * ANSWER) as f64;
    let title = format!("{model} {}, {ADAPTERS} uniform, {FIT} fit", RANKS[0].0);
    row(&format!("{model} serve evictions"), load.evictions as f64);
    told(&title, tokens, ceiling * TIMES as f64, &[load]);
    Ok(())
}

/// Which adapter each request asks for, by number.
fn draws(requests: usize, adapters: u64, popularity: &str) -> Vec<u64> {
    let zipf = zipf(adapters as usize);
    let mut numbers = Prompts(3);
    let draw = |_| {
        let number = numbers.number();
        let drawn = match popularity {
            "uniform" => number % adapters,
            _ => zipf.partition_point(|sum| *sum < number as f64 / (1u64 << 31) as f64) as u64,
        };
        drawn.min(adapters - 1)
    };
    (0..requests).map(draw).collect()
}

/// One closed loop in an engine that is to know all these adapters.
fn serve_adapters(
    engine: &mut Engine,
    read: &ReadAt,
    known: &[ContentHash],
    drawn: &[u64],
) -> Result<Load, Box<dyn Error>> {
    known.iter().for_each(|hash| engine.register(*hash));
    load(engine, read, drawn.len(), |request| Some(known[drawn[request] as usize]))
}

/// Adapters of which those that will be asked for lie in folders; of the others only a hash is known.
struct Stored {
    /// Deleted with this.
    _folder: tempfile::TempDir,
    folders: HashMap<ContentHash, PathBuf>,
    known: Vec<ContentHash>,
    /// Of the numbers of one of them.
    bytes: usize,
}

impl Stored {
    fn write(config: &ModelConfig, rank: Rank, adapters: u64, drawn: &[u64]) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let (mut folders, mut bytes) = (HashMap::new(), 0);
        let mut known: Vec<ContentHash> = (0..adapters).map(synthetic::hash).collect();
        for seed in drawn.iter().copied().collect::<BTreeSet<u64>>() {
            let at = folder.path().join(seed.to_string());
            export::adapter(&at, config, &synthetic::adapter(config, seed, |_, _| rank(seed)))?;
            let files = AdapterFiles::open(&at, config, BASE, &Limits::default())?;
            bytes = files.bytes() as usize;
            let hash = files.read(None)?.hash;
            known[seed as usize] = hash;
            folders.insert(hash, at);
        }
        Ok(Self { _folder: folder, folders, known, bytes })
    }

    fn source(&self, config: &ModelConfig) -> Folders {
        Folders { config: config.clone(), folders: self.folders.clone(), read: ReadAt::default() }
    }
}

/// Prints what loops of one kind took, for people and for the table; gives the rate.
fn told(title: &str, tokens: f64, ceiling: f64, loads: &[Load]) -> f64 {
    let all = |of: fn(&Load) -> &Vec<f64>| loads.iter().flat_map(of).copied().collect::<Vec<f64>>();
    let (hot, cold, loading) = (all(|load| &load.hot), all(|load| &load.cold), all(|load| &load.loading));
    let share = ceiling / median(loads.iter().map(|load| load.times.cpu)) * 100.0;
    let times = loads.iter().map(|load| load.times).collect();
    let rate = report(&format!("{title}, {share:.0} % of base only, tokens written"), tokens, times);
    println!(
        "    first token under load, hot {}, cold {}, of which until its adapter was read {}; {} loads, {} evictions, \
         {:.2} ms of CPU a load",
        spread(&hot),
        spread(&cold),
        spread(&loading),
        loads[0].loads,
        loads[0].evictions,
        median(loads.iter().map(|load| load.loader * 1e3 / load.loads.max(1) as f64)),
    );
    let of = |seconds: &[f64], share| percentile(seconds, share).map_or("-".into(), |at| format!("{:.0}", at * 1e3));
    println!(
        "table   {title:<32} {rate:6.0} tok/s {share:4.0} %{:>19} {:>6} {:>9} {:>6} {:>11}",
        of(&hot, 0.5),
        of(&hot, 0.99),
        of(&cold, 0.5),
        of(&cold, 0.99),
        of(&loading, 0.5)
    );
    rate
}

/// An engine that has nothing else to do, with adapters in files: registering, first tokens, memory.
fn idle(model: &str, config: &ModelConfig, machine: Machine) -> Result<(), Box<dyn Error>> {
    const ADAPTERS: u64 = 60;
    for (name, rank) in RANKS {
        let folder = tempfile::tempdir()?;
        let at = |seed: u64| folder.path().join(seed.to_string());
        for seed in 0..ADAPTERS {
            export::adapter(&at(seed), config, &synthetic::adapter(config, seed, |_, _| rank(seed)))?;
        }
        // What registering takes: opening, checking and hashing the files. Nothing of it stays in memory.
        let (mut registering, mut folders, mut numbers) = (Vec::new(), HashMap::new(), 0);
        for seed in 0..ADAPTERS {
            let clock = Instant::now();
            let files = AdapterFiles::open(&at(seed), config, BASE, &Limits::default())?;
            numbers += files.bytes();
            let hash = files.read(None)?.hash;
            registering.push(clock.elapsed().as_secs_f64());
            folders.insert(hash, at(seed));
        }
        let hashes: Vec<ContentHash> = folders.keys().copied().collect();
        let source = Folders { config: config.clone(), folders, read: ReadAt::default() };
        let mut engine = engine(config, Profile::F32Exact, machine, 64, source)?;
        let clock = Instant::now();
        hashes.iter().for_each(|hash| engine.register(*hash));
        (ADAPTERS..10_000).for_each(|seed| engine.register(synthetic::hash(seed)));
        let (stats, known) = (engine.stats(), clock.elapsed().as_secs_f64());
        println!(
            "  {name}: checking and hashing an adapter's files {}; making 10,000 known {:.1} ms, {} of {} loaded",
            spread(&registering),
            known * 1e3,
            stats.resident,
            stats.registered
        );
        let (mut hot, mut cold, mut prompts) = (Vec::new(), Vec::new(), Prompts(4));
        let before = resident_bytes();
        for hash in hashes {
            for times in [&mut cold, &mut hot] {
                let clock = Instant::now();
                engine.submit(request(Some(hash), prompts.next(PROMPT), 1))?;
                while !engine.is_idle() {
                    engine.step();
                }
                times.push(clock.elapsed().as_secs_f64());
            }
        }
        let cache = engine.stats().cache_bytes;
        let grown = resident_bytes().saturating_sub(before).saturating_sub(cache) as f64 / ADAPTERS as f64 / 1e6;
        let packed = engine.stats().adapter_bytes as f64 / ADAPTERS as f64 / 1e6;
        let numbers = numbers as f64 / ADAPTERS as f64 / 1e6;
        println!(
            "  {name}, idle engine: first token hot {}, cold {}; an adapter's numbers take {numbers:.3} MB, packed \
             {packed:.3} MB, the process grew by {grown:.3} MB",
            spread(&hot),
            spread(&cold),
        );
        let model = if name == "rank 16" { model.to_owned() } else { format!("{model} mixed ranks") };
        row(&format!("{model} register ms"), median(registering.into_iter()) * 1e3);
        row(&format!("{model} first hot ms"), median(hot.into_iter()) * 1e3);
        row(&format!("{model} first cold ms"), median(cold.into_iter()) * 1e3);
        row(&format!("{model} numbers mb"), numbers);
        row(&format!("{model} adapter mb"), grown.max(packed));
        row(&format!("{model} loaded of 10000"), stats.resident as f64);
    }
    Ok(())
}

/// The base of adapters in files: no hash of any.
const BASE: ContentHash = ContentHash([1; 32]);

/// Adapters in folders, as PEFT saves them.
struct Folders {
    config: ModelConfig,
    folders: HashMap<ContentHash, PathBuf>,
    read: ReadAt,
}

impl AdapterSource for Folders {
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Box<dyn Error + Send + Sync>> {
        let folder = self.folders.get(hash).ok_or("no such adapter")?;
        let files = AdapterFiles::open(folder, &self.config, BASE, &Limits::default())?;
        let adapter = files.read(Some(*hash))?;
        self.read.lock().map_err(|_| "the bench panicked")?.insert(*hash, Instant::now());
        Ok(adapter)
    }
}

/// How much likelier f32 finds what it wrote itself than int8 does.
fn loss(config: &ModelConfig, machine: Machine) -> Result<(), Box<dyn Error>> {
    let mut f32_engine = engine(config, Profile::F32Exact, machine, 16, NoAdapters)?;
    let mut int8_engine = engine(config, Profile::Int8Exact, machine, 16, NoAdapters)?;
    let mut prompts = Prompts(5);
    let (mut exact, mut quantised, mut count) = (0.0, 0.0, 0.0);
    for text in 0..16 {
        let sampling = Sampling { temperature_milli: 1000, ..Sampling::GREEDY };
        let generation = Generation { sampling, seed: [text; 32], ..Generation::greedy(128) };
        let prompt = prompts.next(PROMPT);
        let ask = |task| Request { task, ..request(None, prompt.clone(), 1) };
        f32_engine.submit(ask(Task::Generate(generation)))?;
        let answer: Vec<u32> = tokens(&mut f32_engine).into_iter().map(|(token, _)| token).collect();
        for (engine, sum) in [(&mut f32_engine, &mut exact), (&mut int8_engine, &mut quantised)] {
            engine.submit(ask(Task::Score(answer.clone())))?;
            *sum -= tokens(engine).into_iter().map(|(_, logprob)| logprob).sum::<f64>();
        }
        count += answer.len() as f64;
    }
    println!(
        "  {count} tokens that f32 wrote: perplexity f32 {:.2}, int8 {:.2}, {:+.3} % ({:.6} nats a token)",
        (exact / count).exp(),
        (quantised / count).exp(),
        (((quantised - exact) / count).exp() - 1.0) * 100.0,
        (quantised - exact) / count
    );
    Ok(())
}

/// All tokens that come, each with its log-probability.
fn tokens(engine: &mut Engine) -> Vec<(u32, f64)> {
    let mut tokens = Vec::new();
    while !engine.is_idle() {
        for event in engine.step() {
            if let Event::Token { token, logprobs, .. } = event {
                tokens.push((token, logprobs.map_or(0.0, |logprobs| f64::from(logprobs.chosen) / 1e6)));
            }
        }
    }
    tokens
}

fn engine(
    config: &ModelConfig,
    profile: Profile,
    machine: Machine,
    max_running: usize,
    source: impl AdapterSource,
) -> Result<Engine, Box<dyn Error>> {
    engine_within(4 << 30, config, profile, machine, max_running, source)
}

/// An engine with so much memory for adapters and pages.
fn engine_within(
    memory: usize,
    config: &ModelConfig,
    profile: Profile,
    Machine { threads, isa }: Machine,
    max_running: usize,
    source: impl AdapterSource,
) -> Result<Engine, Box<dyn Error>> {
    let settings = EngineConfig { isa, profile, threads, max_running, memory, max_context: 512, ..Default::default() };
    Ok(Engine::new(config.clone(), synthetic::weights(config, 1), settings, source)?)
}

fn request(adapter: Option<ContentHash>, prompt: Vec<u32>, tokens: usize) -> Request {
    let task = Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(tokens) });
    Request { payer: Default::default(), adapter, prefix_scope: 0, prompt, task }
}

/// The mean step while all of a batch write, none reads: over one stretch of steps, since the system counts a thread's time
/// only when it pauses.
fn decode(
    engine: &mut Engine,
    prompts: &mut Prompts,
    adapters: &[Option<ContentHash>],
) -> Result<Times, Box<dyn Error>> {
    for adapter in adapters {
        engine.submit(request(*adapter, prompts.next(PROMPT), SHORT))?;
    }
    let mut stretch: Option<(Clock, usize)> = None;
    let mut times = None;
    while !engine.is_idle() {
        let events = engine.step();
        let written = events.iter().filter(|event| matches!(event, Event::Token { .. })).count();
        let all = written == adapters.len() && !events.iter().any(Event::is_last);
        match (&mut stretch, all) {
            (None, true) => stretch = Some((Clock::start(), 0)),
            (Some((_, steps)), true) => *steps += 1,
            (Some(_), false) if times.is_none() => {
                times = stretch.take().map(|(clock, steps)| (clock.stop(), steps + 1))
            }
            _ => {}
        }
    }
    // The step that ended the stretch is in it.
    let (times, steps) = times.ok_or("no stretch of full steps")?;
    if steps < SHORT / 4 {
        return Err(format!("only {steps} full steps").into());
    }
    Ok(Times { cpu: times.cpu / steps as f64, wall: times.wall / steps as f64 })
}

/// Times of a closed loop, and delays of its first tokens: with adapters that were in memory when the request came and
/// others; and of those, how long the adapter took to be read.
struct Load {
    times: Times,
    hot: Vec<f64>,
    cold: Vec<f64>,
    loading: Vec<f64>,
    loads: u64,
    evictions: u64,
    /// CPU time of the thread that loads.
    loader: f64,
}

/// A request that has no token yet.
struct Asked {
    id: RequestId,
    /// Its adapter, if that was not in memory.
    absent: Option<ContentHash>,
    since: Instant,
}

/// When adapters were last read, but for their packing.
type ReadAt = Arc<Mutex<HashMap<ContentHash, Instant>>>;

/// Keeps 64 requests in the engine until all have run.
fn load(
    engine: &mut Engine,
    read: &ReadAt,
    requests: usize,
    mut adapter: impl FnMut(usize) -> Option<ContentHash>,
) -> Result<Load, Box<dyn Error>> {
    let mut prompts = Prompts(6);
    let (mut hot, mut cold, mut loading) = (Vec::new(), Vec::new(), Vec::new());
    let mut waiting: Vec<Asked> = Vec::new();
    let (mut submitted, mut open) = (0, 0);
    let (clock, loader) = (Clock::start(), cpu_of(Some(LOADER)));
    while submitted < requests || open > 0 {
        let resident: HashSet<ContentHash> = engine.residency().into_iter().map(|(hash, _)| hash).collect();
        while open < 64 && submitted < requests {
            let adapter = adapter(submitted);
            let id = engine.submit(request(adapter, prompts.next(PROMPT), ANSWER))?;
            let absent = adapter.filter(|adapter| !resident.contains(adapter));
            waiting.push(Asked { id, absent, since: Instant::now() });
            (submitted, open) = (submitted + 1, open + 1);
        }
        for event in engine.step() {
            match event {
                Event::Token { request, index: 0, .. } => {
                    let i = waiting.iter().position(|asked| asked.id == request).ok_or("a token of nobody")?;
                    let asked = waiting.swap_remove(i);
                    let Some(adapter) = asked.absent else {
                        hot.push(asked.since.elapsed().as_secs_f64());
                        continue;
                    };
                    cold.push(asked.since.elapsed().as_secs_f64());
                    let read = *read.lock().map_err(|_| "a load panicked")?.get(&adapter).ok_or("never read")?;
                    loading.push(read.saturating_duration_since(asked.since).as_secs_f64());
                }
                Event::Finished { finish: Finish::Length, .. } => open -= 1,
                Event::Token { .. } => {}
                event => return Err(format!("{event:?}").into()),
            }
        }
    }
    let (times, stats) = (clock.stop(), engine.stats());
    let loader = cpu_of(Some(LOADER)).saturating_sub(loader).as_secs_f64();
    Ok(Load { times, hot, cold, loading, loads: stats.loads, evictions: stats.evictions, loader })
}

/// Random tokens: a linear congruential generator.
struct Prompts(u64);

impl Prompts {
    /// Below 2^31.
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn next(&mut self, len: usize) -> Vec<u32> {
        (0..len).map(|_| (self.number() % 32_000) as u32).collect()
    }
}

/// Cumulative probabilities, proportional to 1 / place.
fn zipf(count: usize) -> Vec<f64> {
    let sum: f64 = (1..=count).map(|place| 1.0 / place as f64).sum();
    let mut cumulative = 0.0;
    let places = (1..=count).map(|place| {
        cumulative += 1.0 / place as f64 / sum;
        cumulative
    });
    places.collect()
}

/// A few adapters, handed out again under every hash.
struct Copies {
    adapters: Vec<Adapter>,
    read: ReadAt,
}

impl Copies {
    fn new(config: &ModelConfig, rank: Rank) -> Self {
        let adapters = (0..6).map(|seed| synthetic::adapter(config, seed, |_, _| rank(seed))).collect();
        Self { adapters, read: ReadAt::default() }
    }
}

impl AdapterSource for Copies {
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Box<dyn Error + Send + Sync>> {
        let seed = u64::from_le_bytes(hash.0[..8].try_into()?);
        let adapter = Adapter { hash: *hash, ..self.adapters[seed as usize % self.adapters.len()].clone() };
        self.read.lock().map_err(|_| "the bench panicked")?.insert(*hash, Instant::now());
        Ok(adapter)
    }
}

#[derive(Clone, Copy)]
struct Times {
    cpu: f64,
    wall: f64,
}

struct Clock(Duration, Instant);

impl Clock {
    fn start() -> Self {
        Self(cpu(), Instant::now())
    }

    fn stop(self) -> Times {
        let cpu = cpu().saturating_sub(self.0).as_secs_f64();
        let wall = self.1.elapsed().as_secs_f64();
        Times { cpu: if cpu > 0.0 { cpu } else { wall }, wall }
    }
}

/// CPU time of all threads, as Linux tells it; nothing elsewhere.
fn cpu() -> Duration {
    cpu_of(None)
}

/// The name of the engine's thread that loads adapters.
const LOADER: &str = "adapter-loader";

/// The same of the threads of one name.
fn cpu_of(name: Option<&str>) -> Duration {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = threads.filter_map(|thread| {
        if let Some(name) = name
            && fs::read_to_string(thread.path().join("comm")).ok()?.trim_end() != name
        {
            return None;
        }
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Resident memory, as Linux tells it.
fn resident_bytes() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints the median rate; gives the one by CPU time.
fn report(name: &str, tokens: f64, times: Vec<Times>) -> f64 {
    let rate = |of: fn(&Times) -> f64| tokens / median(times.iter().map(of));
    let (slowest, fastest) = times.iter().fold((f64::MAX, 0.0f64), |(slowest, fastest), times| {
        (slowest.min(tokens / times.cpu), fastest.max(tokens / times.cpu))
    });
    let spread = if times.len() > 1 { format!(", {slowest:.0} to {fastest:.0}") } else { String::new() };
    println!("  {name}: {:.0} tok/s ({:.0}{spread})", rate(|t| t.cpu), rate(|t| t.wall));
    rate(|t| t.cpu)
}

/// A figure for [`table`].
fn row(name: &str, number: f64) {
    println!("row fonte {name} = {number:.4}");
}

fn spread(seconds: &[f64]) -> String {
    let at = |share| percentile(seconds, share).map(|at| at * 1e3);
    at(0.5)
        .zip(at(0.99))
        .map_or("none".into(), |(p50, p99)| format!("p50 {p50:.1} p99 {p99:.1} ms ({})", seconds.len()))
}

fn percentile(seconds: &[f64], share: f64) -> Option<f64> {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len().saturating_sub(1) as f64 * share).round() as usize).copied()
}

//! How fast the engine is here, on seeded random models: base alone, mixed adapters in one batch, serving, int8's loss.
//!
//! `cargo run --release -p fonte-inference --example bench -- [OPTIONS]`
//!
//! `--model 15m|110m` and `--part base|mixed|sixteen|serve|idle|loss` choose some instead of all; `--threads N` (1) and
//! `--repeats N` (5). Prints one line per figure, and the figures of goals again as `row NAME = NUMBER`. Tokens per second
//! are per second of CPU time of the whole process, since the machine may be shared; wall time stands beside it.
//! Adapters come from memory, but in `idle` from files, as PEFT saves them.
//!
//! `--export FOLDER` writes the first of the chosen models and its adapters for peers instead, `--table FILE` compares the
//! rows of a raw run with the project's goals. `benches/run.sh inference` runs all parts and the table; it runs no peer yet.

mod export;
mod table;

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
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
    let (mut threads, mut repeats, mut exported) = (1, 5, None);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--model" => models.retain(|model| model == value),
            [name, value] if name == "--part" => parts.retain(|part| part == value),
            [name, value] if name == "--threads" => threads = value.parse()?,
            [name, value] if name == "--repeats" => repeats = value.parse()?,
            [name, folder] if name == "--export" => exported = Some(PathBuf::from(folder)),
            [name, file] if name == "--table" => {
                table::print(&fs::read_to_string(file)?);
                return Ok(());
            }
            _ => {
                let known = "--model, --part, --threads, --repeats, --export and --table";
                return Err(format!("unknown arguments {pair:?}: there are {known}").into());
            }
        }
    }
    if let Some(folder) = exported {
        return export(&folder, &config(models.first().ok_or("no such model")?));
    }
    println!(
        "{} on {threads} threads, medians of {repeats}; tokens per CPU second (per wall second, slowest to fastest of CPU)",
        Isa::best().name()
    );
    for name in models {
        let (config, requests) = (config(name), if name == "15m" { 256 } else { 96 });
        for part in &parts {
            println!("\n{name} {part}");
            match *part {
                "base" => base(name, &config, threads, repeats)?,
                "mixed" => mixed(name, &config, threads, repeats)?,
                "sixteen" => sixteen(name, &config, threads, repeats)?,
                "serve" => serve(name, &config, threads, requests)?,
                "idle" => idle(name, &config, threads)?,
                _ => loss(&config, threads)?,
            }
        }
    }
    Ok(())
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
fn base(name: &str, config: &ModelConfig, threads: usize, repeats: usize) -> Result<(), Box<dyn Error>> {
    for (profile, short) in [(Profile::F32Exact, "f32"), (Profile::Int8Exact, "int8")] {
        let mut engine = engine(config, profile, threads, 64, NoAdapters)?;
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
fn mixed(model: &str, config: &ModelConfig, threads: usize, repeats: usize) -> Result<(), Box<dyn Error>> {
    for profile in [Profile::F32Exact, Profile::Int8Exact] {
        for (name, rank) in RANKS {
            let mut engine = engine(config, profile, threads, 64, Copies::new(config, rank))?;
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
            for ((kind, _), times) in kinds.iter().zip(times) {
                let share = base / median(times.iter().map(|times| times.cpu)) * 100.0;
                let rate = report(&format!("{profile:?} {name}, decode 64, {kind}, {share:.0} % of base"), 64.0, times);
                match (profile, name, *kind) {
                    (Profile::F32Exact, "rank 16", "base only") => row(&format!("{model} mixed base"), rate),
                    (Profile::F32Exact, "rank 16", "64 distinct") => row(&format!("{model} mixed 64"), rate),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// 16 requests at once, each of its own adapter, from the first token of a prompt to the last of the answer.
fn sixteen(name: &str, config: &ModelConfig, threads: usize, repeats: usize) -> Result<(), Box<dyn Error>> {
    let mut engine = engine(config, Profile::F32Exact, threads, 16, Copies::new(config, |_| 16))?;
    let mut prompts = Prompts(7);
    for seed in 0..SIXTEEN {
        engine.register(synthetic::hash(seed));
        engine.submit(request(Some(synthetic::hash(seed)), prompts.next(1), 1))?;
    }
    tokens(&mut engine);
    let mut times = Vec::new();
    for _ in 0..repeats {
        for seed in 0..SIXTEEN {
            engine.submit(request(Some(synthetic::hash(seed)), prompts.next(PROMPT), ANSWER))?;
        }
        let clock = Clock::start();
        tokens(&mut engine);
        times.push(clock.stop());
    }
    let rate = report("16 requests of 16 adapters, tokens written", SIXTEEN as f64 * ANSWER as f64, times);
    row(&format!("{name} sixteen"), rate);
    Ok(())
}

/// The adapter of a row, by its number.
type Chosen = fn(u64) -> Option<u64>;

/// The rank of an adapter, by its number.
type Rank = fn(u64) -> usize;

const RANKS: [(&str, Rank); 2] = [("rank 16", |_| 16), ("ranks 8/16/64", |seed| [8, 16, 64][seed as usize % 3])];

/// A closed loop of 64 requests at a time, over adapters of which most are cold at first.
fn serve(model: &str, config: &ModelConfig, threads: usize, requests: usize) -> Result<(), Box<dyn Error>> {
    let mut without = engine(config, Profile::F32Exact, threads, 64, NoAdapters)?;
    let times = load(&mut without, requests, |_| None)?.times;
    let ceiling = times.cpu;
    let tokens = (requests * ANSWER) as f64;
    let rate = report(&format!("base only, {requests} requests, tokens written"), tokens, vec![times]);
    row(&format!("{model} serve base"), rate);
    for (name, rank) in RANKS {
        for adapters in [1, 16, 128, 1000] {
            for popularity in ["uniform", "zipf"] {
                let mut engine = engine(config, Profile::F32Exact, threads, 64, Copies::new(config, rank))?;
                let clock = Instant::now();
                (0..adapters).for_each(|seed| engine.register(synthetic::hash(seed)));
                let registering = clock.elapsed().as_secs_f64() / adapters as f64;
                let zipf = zipf(adapters as usize);
                let mut draws = Prompts(3);
                let draw = |_| {
                    let number = draws.number();
                    let seed = match popularity {
                        "uniform" => number % adapters,
                        _ => zipf.partition_point(|sum| *sum < number as f64 / (1u64 << 31) as f64) as u64,
                    };
                    Some(synthetic::hash(seed.min(adapters - 1)))
                };
                let Load { times, hot, cold } = load(&mut engine, requests, draw)?;
                let (stats, share) = (engine.stats(), ceiling / times.cpu * 100.0);
                let title = format!("{name}, {adapters} adapters {popularity}, {share:.0} % of base");
                let rate = report(&title, tokens, vec![times]);
                if (name, adapters, popularity) == ("rank 16", 1000, "zipf") {
                    row(&format!("{model} serve 1000 zipf"), rate);
                }
                println!(
                    "    first token under load, hot {}, cold {}; registering {:.1} us each; {} loads",
                    spread(&hot),
                    spread(&cold),
                    registering * 1e6,
                    stats.loads
                );
            }
        }
    }
    Ok(())
}

/// An engine that has nothing else to do, with adapters in files: registering, first tokens, memory.
fn idle(model: &str, config: &ModelConfig, threads: usize) -> Result<(), Box<dyn Error>> {
    const ADAPTERS: u64 = 60;
    let base = ContentHash([1; 32]);
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
            let files = AdapterFiles::open(&at(seed), config, base, &Limits::default())?;
            numbers += files.bytes();
            let hash = files.read(None)?.hash;
            registering.push(clock.elapsed().as_secs_f64());
            folders.insert(hash, at(seed));
        }
        let hashes: Vec<ContentHash> = folders.keys().copied().collect();
        let mut engine =
            engine(config, Profile::F32Exact, threads, 64, Folders { config: config.clone(), base, folders })?;
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
        if name == "rank 16" {
            row(&format!("{model} register ms"), median(registering.into_iter()) * 1e3);
            row(&format!("{model} first hot ms"), median(hot.into_iter()) * 1e3);
            row(&format!("{model} first cold ms"), median(cold.into_iter()) * 1e3);
            row(&format!("{model} numbers mb"), numbers);
            row(&format!("{model} adapter mb"), grown.max(packed));
            row(&format!("{model} loaded of 10000"), stats.resident as f64);
        }
    }
    Ok(())
}

/// Adapters in folders, as PEFT saves them.
struct Folders {
    config: ModelConfig,
    base: ContentHash,
    folders: HashMap<ContentHash, PathBuf>,
}

impl AdapterSource for Folders {
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Box<dyn Error + Send + Sync>> {
        let folder = self.folders.get(hash).ok_or("no such adapter")?;
        let files = AdapterFiles::open(folder, &self.config, self.base, &Limits::default())?;
        Ok(files.read(Some(*hash))?)
    }
}

/// How much likelier f32 finds what it wrote itself than int8 does.
fn loss(config: &ModelConfig, threads: usize) -> Result<(), Box<dyn Error>> {
    let mut f32_engine = engine(config, Profile::F32Exact, threads, 16, NoAdapters)?;
    let mut int8_engine = engine(config, Profile::Int8Exact, threads, 16, NoAdapters)?;
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
    threads: usize,
    max_running: usize,
    source: impl AdapterSource,
) -> Result<Engine, Box<dyn Error>> {
    let settings =
        EngineConfig { profile, threads, max_running, memory: 4 << 30, max_context: 512, ..Default::default() };
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

/// Times of a closed loop, and its first tokens' delays, with adapters that were in memory and others.
struct Load {
    times: Times,
    hot: Vec<f64>,
    cold: Vec<f64>,
}

/// Keeps 64 requests in the engine until all have run.
fn load(
    engine: &mut Engine,
    requests: usize,
    mut adapter: impl FnMut(usize) -> Option<ContentHash>,
) -> Result<Load, Box<dyn Error>> {
    let mut prompts = Prompts(6);
    let (mut hot, mut cold) = (Vec::new(), Vec::new());
    let mut waiting: Vec<(RequestId, bool, Instant)> = Vec::new();
    let (mut submitted, mut open) = (0, 0);
    let clock = Clock::start();
    while submitted < requests || open > 0 {
        while open < 64 && submitted < requests {
            let adapter = adapter(submitted);
            let resident = adapter.is_none_or(|adapter| engine.residency().iter().any(|(hash, _)| *hash == adapter));
            let id = engine.submit(request(adapter, prompts.next(PROMPT), ANSWER))?;
            waiting.push((id, resident, Instant::now()));
            (submitted, open) = (submitted + 1, open + 1);
        }
        for event in engine.step() {
            match event {
                Event::Token { request, index: 0, .. } => {
                    let i = waiting.iter().position(|(id, ..)| *id == request).ok_or("a token of nobody")?;
                    let (_, resident, since) = waiting.swap_remove(i);
                    if resident { &mut hot } else { &mut cold }.push(since.elapsed().as_secs_f64());
                }
                Event::Finished { finish: Finish::Length, .. } => open -= 1,
                Event::Token { .. } => {}
                event => return Err(format!("{event:?}").into()),
            }
        }
    }
    Ok(Load { times: clock.stop(), hot, cold })
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
struct Copies(Vec<Adapter>);

impl Copies {
    fn new(config: &ModelConfig, rank: Rank) -> Self {
        Self((0..6).map(|seed| synthetic::adapter(config, seed, |_, _| rank(seed))).collect())
    }

    fn of(&self, seed: u64) -> &Adapter {
        &self.0[seed as usize % self.0.len()]
    }
}

impl AdapterSource for Copies {
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Box<dyn Error + Send + Sync>> {
        let seed = u64::from_le_bytes(hash.0[..8].try_into()?);
        Ok(Adapter { hash: *hash, ..self.of(seed).clone() })
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
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = threads.filter_map(|thread| {
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
    if seconds.is_empty() {
        return "none".into();
    }
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize] * 1e3;
    format!("p50 {:.1} p99 {:.1} ms ({})", at(0.5), at(0.99), sorted.len())
}

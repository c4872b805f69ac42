//! How fast candle is on a device, on the same seeded random models as `bench`: prompts, answers together, mixed adapters.
//!
//! `cargo run --release -p fonte-inference --features cuda --example cuda_bench -- [OPTIONS]`
//!
//! `--device cpu|cuda|cuda:N` (cuda:0), `--model 15m|110m|1b` chooses one instead of all, `--repeats N` (5). Prints the
//! device's name, how many greedy tokens are those of our own engine, and tokens per second of the clock: a device does not
//! spend the time of this machine's cores.

use std::error::Error;
use std::time::Instant;

use fonte_inference::model::{Adapter, Architecture, ContentHash, ModelConfig, Weights};
use fonte_inference::{
    AdapterSource, Device, DeviceConfig, DeviceEngine, Engine, EngineConfig, Event, Generation, Payer, Request,
    RequestId, RunError, Task, device, synthetic,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PROMPT: usize = 32;
const STEPS: usize = 24;
const RANK: usize = 16;
const TOGETHER: usize = 64;

fn main() -> Outcome<()> {
    let mut models = vec!["15m", "110m", "1b"];
    let (mut name, mut repeats) = ("cuda".to_owned(), 5);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for pair in arguments.chunks(2) {
        match pair {
            [option, value] if option == "--device" => name.clone_from(value),
            [option, value] if option == "--model" => models.retain(|model| model == value),
            [option, value] if option == "--repeats" => repeats = value.parse()?,
            _ => return Err(format!("unknown arguments {pair:?}: there are --device, --model and --repeats").into()),
        }
    }
    let device = device(&name)?;
    println!("{}; tokens per second of the clock, medians of {repeats} (slowest to fastest)", described(&device)?);
    for name in models {
        let config = config(name);
        let weights = synthetic::weights(&config, 1);
        println!("\n{name}");
        same_tokens(&config, &weights, &device)?;
        let settings = DeviceConfig { slots: TOGETHER, max_context: 512, adapters: TOGETHER, rank: RANK };
        let mut engine = DeviceEngine::new(config.clone(), &weights, device.clone(), settings, Random(config.clone()))?;
        (0..TOGETHER as u64).for_each(|seed| engine.register(synthetic::hash(seed)));
        let stats = engine.stats();
        println!("  weights {} MB, keys and values {} MB", stats.model_bytes >> 20, stats.cache_bytes >> 20);
        // The first passes compile kernels and fetch memory.
        prefill(&mut engine, 256)?;
        decode(&mut engine, TOGETHER, |index| Some(index as u64))?;
        report(name, "prefill 256", repeats, || prefill(&mut engine, 256))?;
        for count in [1, 16, TOGETHER] {
            report(name, &format!("decode {count}"), repeats, || decode(&mut engine, count, |_| None))?;
        }
        let mixes: [(&str, u64); 3] = [("one adapter", 1), ("16 distinct", 16), ("64 distinct", 64)];
        for (mix, distinct) in mixes {
            let of = |index: usize| Some(index as u64 % distinct);
            report(name, &format!("decode {TOGETHER}, {mix}"), repeats, || decode(&mut engine, TOGETHER, of))?;
        }
    }
    Ok(())
}

/// Those of `bench`, and one in whose steps a GPU has something to do.
fn config(name: &str) -> ModelConfig {
    match name {
        "15m" => synthetic::config(288, 6, 32_000),
        "110m" => synthetic::config(768, 12, 32_000),
        _ => ModelConfig { architecture: Architecture::Qwen3, kv_heads: 8, ..synthetic::config(2048, 20, 32_000) },
    }
}

struct Random(ModelConfig);

impl AdapterSource for Random {
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Box<dyn Error + Send + Sync>> {
        let seed = u64::from_le_bytes(hash.0[..8].try_into()?);
        Ok(synthetic::adapter(&self.0, seed, |_, _| RANK))
    }
}

#[cfg(feature = "cuda")]
fn described(device: &Device) -> Outcome<String> {
    match device {
        Device::Cuda(device) => Ok(format!("{}, candle on CUDA", device.cuda_stream().context().name()?)),
        _ => Ok("candle on the CPU".into()),
    }
}

#[cfg(not(feature = "cuda"))]
fn described(_: &Device) -> Outcome<String> {
    Ok("candle on the CPU".into())
}

fn request(adapter: Option<u64>, length: usize, seed: usize, answer: usize) -> Request {
    let token = |i: usize| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503) >> 7) as u32 % 32_000;
    let task = Task::Generate(Generation { ignore_eos: true, ..Generation::greedy(answer) });
    let (adapter, prompt) = (adapter.map(synthetic::hash), (0..length).map(token).collect());
    Request { payer: Payer::default(), adapter, prefix_scope: 0, prompt, task }
}

/// Greedy answers to prompts of the base and of adapters in one batch, beside those of our own engine.
fn same_tokens(config: &ModelConfig, weights: &Weights, device: &Device) -> Outcome<()> {
    let requests: Vec<Request> = (0..8u64)
        .map(|index| request((index % 2 == 1).then_some(index), 20 + index as usize, index as usize, 16))
        .collect();
    let settings = DeviceConfig { slots: 8, max_context: 64, adapters: 8, rank: RANK };
    let mut engine = DeviceEngine::new(config.clone(), weights, device.clone(), settings, Random(config.clone()))?;
    let mut ours = Engine::new(config.clone(), weights.clone(), EngineConfig::default(), Random(config.clone()))?;
    for seed in 0..8 {
        engine.register(synthetic::hash(seed));
        ours.register(synthetic::hash(seed));
    }
    let mut tokens = [vec![Vec::new(); requests.len()], vec![Vec::new(); requests.len()]];
    let [found, expected] = &mut tokens;
    let ids: Vec<_> = requests.iter().map(|request| engine.submit(request.clone())).collect::<Result<_, _>>()?;
    let own: Vec<_> = requests.iter().map(|request| ours.submit(request.clone())).collect::<Result<_, _>>()?;
    let note = |ids: &[RequestId], events: Vec<Event>, tokens: &mut [Vec<u32>]| -> Result<(), RunError> {
        for event in events {
            let index = ids.iter().position(|id| *id == event.request()).expect("it was submitted");
            match event {
                Event::Token { token, .. } => tokens[index].push(token),
                Event::Failed { error, .. } => return Err(error),
                Event::Embedding { .. } | Event::Finished { .. } => {}
            }
        }
        Ok(())
    };
    while !engine.is_idle() {
        note(&ids, engine.step()?, found)?;
    }
    while !ours.is_idle() {
        note(&own, ours.step(), expected)?;
    }
    // From the first other token on a text is another text.
    let same =
        |(found, expected): (&Vec<u32>, &Vec<u32>)| found.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let same: usize = found.iter().zip(&*expected).map(same).sum();
    println!("  {same} of {} greedy tokens, base and adapters in one batch, are our own engine's", 8 * 16);
    Ok(())
}

/// Seconds for each token of a prompt.
fn prefill(engine: &mut DeviceEngine, length: usize) -> Outcome<f64> {
    engine.submit(request(None, length, 1, 1))?;
    let before = Instant::now();
    while !engine.is_idle() {
        engine.step()?;
    }
    Ok(before.elapsed().as_secs_f64() / length as f64)
}

/// Seconds for each token of answers that are written together. Whose adapter an answer is of, `adapter` says.
fn decode(engine: &mut DeviceEngine, count: usize, adapter: impl Fn(usize) -> Option<u64>) -> Outcome<f64> {
    // Prompts are read one in each step: the first answers must last until the last one has begun.
    let answer = count + STEPS + 2;
    let ids: Vec<_> = (0..count)
        .map(|index| engine.submit(request(adapter(index), PROMPT, index, answer)))
        .collect::<Result<_, _>>()?;
    let mut begun = 0;
    while begun < count {
        begun += engine.step()?.iter().filter(|event| matches!(event, Event::Token { index: 0, .. })).count();
    }
    engine.step()?;
    let before = Instant::now();
    let mut tokens = 0;
    for _ in 0..STEPS {
        tokens += engine.step()?.iter().filter(|event| matches!(event, Event::Token { .. })).count();
    }
    let seconds = before.elapsed().as_secs_f64();
    if tokens != count * STEPS {
        return Err(format!("{tokens} tokens of {count} answers in {STEPS} steps").into());
    }
    ids.into_iter().for_each(|id| engine.cancel(id));
    engine.step()?;
    Ok(seconds / tokens as f64)
}

fn report(model: &str, what: &str, repeats: usize, mut measure: impl FnMut() -> Outcome<f64>) -> Outcome<()> {
    let mut rates = (0..repeats).map(|_| Ok(1.0 / measure()?)).collect::<Outcome<Vec<f64>>>()?;
    rates.sort_by(f64::total_cmp);
    let (slowest, fastest, median) = (rates[0], rates[rates.len() - 1], rates[rates.len() / 2]);
    println!("  {what}: {median:.0} tok/s ({slowest:.0} to {fastest:.0})");
    println!("row candle {model} f32 {what} = {median:.4}");
    Ok(())
}

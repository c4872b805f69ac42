//! `fonte engine bench`: how fast this machine answers with a base and its adapters, in this process.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use eyre::{Result, WrapErr, bail, eyre};
use fonte_inference::{
    Engine, EngineConfig, EngineHandle, Event, Generation, NoAdapters, Payer, Request, Task, formats::read_base,
    model::ContentHash,
};
use fonte_types::generation;
use fonte_worker::local::{AdapterFolder, FolderSource, Found, engine_profile};
use rand_08::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::{
    args::{Common, engine::EngineBench},
    engine_server::no_base,
    own,
    say::say,
};

/// What all threads share.
struct Load {
    engine: EngineHandle,
    adapters: Vec<ContentHash>,
    vocabulary: u32,
    next: AtomicU32,
    /// Delay of each request's first token.
    first: Mutex<Vec<Duration>>,
}

pub(crate) fn run(common: &Common, bench: &EngineBench) -> Result<()> {
    let load = Arc::new(prepare(bench)?);
    let begin = Instant::now();
    let workers: Vec<_> = (0..bench.concurrency)
        .map(|_| {
            let (load, requests, prompt, answer) = (load.clone(), bench.requests, bench.prompt, bench.answer);
            std::thread::spawn(move || -> Result<()> {
                loop {
                    let number = load.next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return Ok(());
                    }
                    load.request(number, prompt, answer)?;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| eyre!("a thread of the bench panicked"))??;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let mut first = std::mem::take(&mut *load.first.lock().expect("no thread panicked"));
    first.sort();
    // The nearest rank.
    let percentile = |percent: usize| first[(first.len() * percent).div_ceil(100).max(1) - 1].as_secs_f64() * 1e3;
    let tokens = f64::from(bench.requests) * f64::from(bench.answer);
    let (rate, p50, p99) = (tokens / seconds, percentile(50), percentile(99));
    let stats = load.engine.stats().unwrap_or_default();
    if common.json {
        println!(
            "{}",
            json!({"profile": generation::Profile::from(bench.base.profile), "requests": bench.requests,
                   "concurrency": bench.concurrency, "prompt_tokens": bench.prompt, "answer_tokens": bench.answer,
                   "adapters": load.adapters.len(), "seconds": seconds, "tokens_per_second": rate,
                   "first_token_p50_ms": p50, "first_token_p99_ms": p99, "loads": stats.loads,
                   "evictions": stats.evictions})
        );
        return Ok(());
    }
    println!(
        "{}",
        say!(
            "{} requests, {} at a time, {} adapters: {rate:.1} tokens/s, first token {p50:.1} ms (half), {p99:.1} ms (99 %)",
            "{} pedidos, {} por vez, {} adaptadores: {rate:.1} tokens/s, primeiro token {p50:.1} ms (metade), {p99:.1} ms (99 %)",
            bench.requests,
            bench.concurrency,
            load.adapters.len()
        )
    );
    Ok(())
}

fn prepare(bench: &EngineBench) -> Result<Load> {
    let folder = bench.base.base.as_ref().ok_or_else(no_base)?;
    let reading = || say!("reading the base model {}", "lendo o modelo base {}", folder.display());
    if bench.base.device != "cpu" {
        bail!(say!(
            "--device: this measures Fonte's own engine; for a device there is the example cuda_bench of fonte-inference",
            "--device: isto mede o motor próprio do Fonte; para um dispositivo há o exemplo cuda_bench de fonte-inference"
        ));
    }
    let config = own::config(&bench.base)?;
    let base = read_base(folder, None, &config.limits).wrap_err_with(reading)?;
    let context = config.max_context.min(base.config.max_positions);
    if (bench.prompt + bench.answer) as usize > context {
        bail!(say!(
            "{} tokens of prompt and {} of answer are more than the model's {context}",
            "{} tokens de pergunta e {} de resposta são mais que os {context} do modelo",
            bench.prompt,
            bench.answer
        ));
    }
    // All that are asked at once run at once, unless that is what is measured.
    let running = bench.base.running.map_or(config.max_running.max(bench.concurrency as usize), usize::from);
    let settings = EngineConfig {
        profile: engine_profile(config.profile),
        threads: config.threads,
        memory: config.memory,
        max_context: context,
        max_running: running,
        max_step_tokens: EngineConfig::default().max_step_tokens.max(running),
        ..EngineConfig::default()
    };
    let vocabulary = u32::try_from(base.config.vocabulary).wrap_err_with(reading)?;
    let (engine, found) = match &bench.base.adapters {
        Some(adapters) => {
            let paths = vec![adapters.clone()];
            let folder = Arc::new(AdapterFolder::new(paths, base.config.clone(), base.hash, config.limits));
            let found = folder.look(Duration::ZERO)?;
            (Engine::new(base.config, base.weights, settings, FolderSource(folder))?, found)
        }
        None => (Engine::new(base.config, base.weights, settings, NoAdapters)?, Found::default()),
    };
    own::tell_refused(&found);
    let engine = EngineHandle::spawn(engine)?;
    let adapters: Vec<ContentHash> = found.added.iter().map(|adapter| adapter.hash).collect();
    adapters.iter().for_each(|hash| engine.register(*hash));
    Ok(Load { engine, adapters, vocabulary, next: AtomicU32::new(0), first: Mutex::default() })
}

impl Load {
    /// One request from its submission to its last token. Every one is another payer's, with a prompt of its own.
    fn request(&self, number: u32, prompt: u32, answer: u32) -> Result<()> {
        let mut random = StdRng::seed_from_u64(number.into());
        let mut payer = [0; 20];
        payer[..4].copy_from_slice(&number.to_be_bytes());
        let generation = Generation { ignore_eos: true, ..Generation::greedy(answer as usize) };
        let request = Request {
            payer: Payer(payer),
            adapter: self.adapters.get(number as usize % self.adapters.len().max(1)).copied(),
            prefix_scope: number.into(),
            prompt: (0..prompt).map(|_| random.gen_range(0..self.vocabulary)).collect(),
            task: Task::Generate(generation),
        };
        let begin = Instant::now();
        for event in self.engine.submit(request)? {
            match event {
                Event::Token { index: 0, .. } => self.first.lock().expect("no thread panicked").push(begin.elapsed()),
                Event::Failed { error, .. } => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

//! Seeded fuzzing of every decoder of `formats`, aware of each one's structure.
//!
//!     cargo run -p fonte-inference --example fuzz_formats -- [--from N] [--cases N] [--seconds S] [--seed N] [--case N] [TARGET ...]
//!
//! A case is a valid file of a random shape with a few of its fields, lengths, offsets or bytes changed. A case fails if
//! the decoder panics, accepts what breaks its own promises, or has more memory at once than its target may; then its
//! number is printed, and `--case` runs it alone. `--seconds` ends a target early, and the report says so; `--from` goes on
//! where a run with the same seed ended.

mod mutate;
mod targets;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use mutate::Random;
use targets::{TARGETS, Target};

/// Counts the bytes in use and their peak.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator unchanged; the counters are beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut settings = BTreeMap::from([
        ("--from", 0),
        ("--cases", 100_000),
        ("--seconds", u64::MAX),
        ("--seed", 1),
        ("--case", u64::MAX),
    ]);
    let mut chosen = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if let Some(value) = settings.get_mut(argument.as_str()) {
            *value = arguments.next().and_then(|text| text.parse().ok()).expect("a number after an option");
        } else {
            let target = TARGETS.iter().find(|target| target.name == argument);
            chosen.push(target.unwrap_or_else(|| panic!("no target {argument}; there are {:?}", names())));
        }
    }
    if chosen.is_empty() {
        chosen.extend(TARGETS);
    }
    let (seed, only) = (settings["--seed"], settings["--case"]);
    // The decoder of tokenizers catches its library's panics; here only those that get out are told. Of a case alone, all.
    if only == u64::MAX {
        std::panic::set_hook(Box::new(|_| ()));
    }
    let mut failed = false;
    for target in chosen {
        let cases = if only == u64::MAX { settings["--from"]..settings["--cases"] } else { only..only + 1 };
        failed |= run(target, cases, settings["--seconds"], seed).is_none();
    }
    // Absent where no target wrote files.
    _ = std::fs::remove_dir_all(&*targets::FOLDER);
    std::process::exit(failed.into());
}

fn names() -> Vec<&'static str> {
    TARGETS.iter().map(|target| target.name).collect()
}

/// What became of the cases, by its name; nothing where one failed.
fn run(target: &Target, cases: std::ops::Range<u64>, seconds: u64, seed: u64) -> Option<BTreeMap<String, u64>> {
    let (started, cpu, asked) = (Instant::now(), cpu_nanoseconds(), cases.end.saturating_sub(cases.start));
    let (mut done, mut highest, mut slowest) = (0u64, 0, (0, 0));
    let mut outcomes = BTreeMap::<String, u64>::new();
    for case in cases {
        if case.is_multiple_of(1024) && started.elapsed().as_secs() >= seconds {
            break;
        }
        let mut random = Random::new(seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let before = USED.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&mut random)));
        let peak = PEAK.load(Ordering::Relaxed) - before;
        highest = highest.max(peak);
        slowest = slowest.max((begun.elapsed().as_micros(), case));
        let fault = match outcome {
            Ok(outcome) => {
                *outcomes.entry(outcome).or_default() += 1;
                (peak > target.memory).then(|| format!("{peak} bytes at once"))
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                Some(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned())
            }
        };
        if let Some(fault) = fault {
            println!("{}: case {case} of seed {seed}: {fault}", target.name);
            return None;
        }
        done += 1;
    }
    let spent = (cpu_nanoseconds() - cpu) as f64 / 1e9;
    let stopped = if done < asked { format!(" of {asked} asked for, stopped by the clock") } else { String::new() };
    let (slow, case) = slowest;
    println!(
        "{}: {done} cases{stopped}, {spent:.1} s CPU, at most {highest} bytes at once, the slowest {slow} us (case {case})",
        target.name
    );
    for (outcome, count) in &outcomes {
        println!("    {count:>10}  {outcome}");
    }
    Some(outcomes)
}

/// Nanoseconds that this thread ran, or of the clock where the system does not tell.
fn cpu_nanoseconds() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    told.unwrap_or_else(|| std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every target takes good files and refuses bad ones: neither shows in a run that refuses, or takes, whatever comes. One
    /// test for all: memory is counted for the whole process.
    #[test]
    fn some_cases_of_every_target_pass() {
        // As in `main`; a backtrace would take more memory than a decoder may.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let ran: Vec<_> = TARGETS.iter().map(|target| (target.name, run(target, 0..200, u64::MAX, 1))).collect();
        std::panic::set_hook(hook);
        _ = std::fs::remove_dir_all(&*targets::FOLDER);
        assert_eq!(ran.len(), 11);
        for (name, outcomes) in ran {
            let outcomes = outcomes.unwrap_or_else(|| panic!("{name}: a case failed"));
            let accepted = outcomes.get("accepted").copied().unwrap_or_default();
            assert!((1..200).contains(&accepted), "{name}: {outcomes:?}");
        }
    }
}

//! A few counters and gauges in the text format that Prometheus reads.

use std::{
    borrow::Borrow,
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use fonte_types::wire::EngineReport;

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds an amount in wei, kept in gwei: a `u64` of wei would wrap within hours.
    pub(crate) fn add(&self, wei: u128) {
        let gwei = u64::try_from(wei / 1_000_000_000).unwrap_or(u64::MAX);
        self.0.fetch_add(gwei, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters of a gateway.
#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) requests: Counter,
    pub(crate) errors: Counter,
    pub(crate) answers: Counter,
    pub(crate) rejected: Counter,
    pub(crate) retries: Counter,
    pub(crate) fees: Counter,
    pub(crate) batches: Counter,
    pub(crate) pushes: Counter,
    pub(crate) settlement_failures: Counter,
    pub(crate) relayed: Counter,
    pub(crate) duties: Counter,
}

impl Metrics {
    /// The text of a gateway, with gauges that the caller measured.
    pub(crate) fn render(&self, gauges: &[(&str, &str, u64)]) -> String {
        let counters = [
            ("fonte_answers_refused_total", "answers that failed a check", self.rejected.get()),
            ("fonte_retries_total", "jobs given to another worker", self.retries.get()),
            ("fonte_fees_gwei_total", "fees of countersigned answers in gwei", self.fees.get()),
            ("fonte_batches_total", "batches settled", self.batches.get()),
            ("fonte_pushes_total", "batches paid out", self.pushes.get()),
            ("fonte_settlement_failures_total", "failed settlement rounds", self.settlement_failures.get()),
            ("fonte_relayed_total", "contributions relayed", self.relayed.get()),
            ("fonte_duties_total", "things done that anybody may do for the protocol", self.duties.get()),
        ];
        self.render_served(gauges) + &lines("counter", &counters)
    }

    /// What every server counts, with gauges that the caller measured.
    pub(crate) fn render_served(&self, gauges: &[(&str, &str, u64)]) -> String {
        let counters = [
            ("fonte_requests_total", "HTTP requests", self.requests.get()),
            ("fonte_errors_total", "HTTP responses with an error status", self.errors.get()),
            ("fonte_answers_total", "answers that were given", self.answers.get()),
        ];
        lines("counter", &counters) + &lines("gauge", gauges)
    }
}

fn lines(kind: &str, numbers: &[(&str, &str, u64)]) -> String {
    let mut text = String::new();
    for (name, help, value) in numbers {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}").expect("a String takes it");
    }
    text
}

/// Lines for engines, each under a label such as `worker="0x..."`.
pub(crate) fn engines<R: Borrow<EngineReport>>(reports: &[(String, R)]) -> String {
    type Read = fn(&EngineReport) -> u64;
    let numbers: [(&str, &str, &str, Read); 13] = [
        ("fonte_engine_waiting", "requests in the queue", "gauge", |engine| engine.waiting),
        ("fonte_engine_running", "requests that run", "gauge", |engine| engine.running),
        ("fonte_engine_adapters_registered", "adapters known", "gauge", |engine| engine.registered),
        ("fonte_engine_adapters_resident", "adapters in memory", "gauge", |engine| engine.resident.len() as u64),
        ("fonte_engine_adapter_bytes", "bytes of adapters in memory", "gauge", |engine| engine.adapter_bytes),
        ("fonte_engine_cache_bytes", "bytes of keys and values", "gauge", |engine| engine.cache_bytes),
        ("fonte_engine_model_bytes", "bytes of the packed base", "gauge", |engine| engine.model_bytes),
        ("fonte_engine_steps_total", "passes through the model", "counter", |engine| engine.steps),
        ("fonte_engine_prompt_tokens_total", "tokens of prompts that ended", "counter", |engine| engine.prompt_tokens),
        ("fonte_engine_cached_tokens_total", "of those, from the prefix cache", "counter", |engine| {
            engine.cached_tokens
        }),
        ("fonte_engine_answer_tokens_total", "tokens of answers that ended", "counter", |engine| engine.answer_tokens),
        ("fonte_engine_adapter_loads_total", "adapters loaded", "counter", |engine| engine.loads),
        ("fonte_engine_adapter_evictions_total", "adapters evicted", "counter", |engine| engine.evictions),
    ];
    let mut text = String::new();
    for (name, help, kind, read) in numbers {
        if reports.is_empty() {
            break;
        }
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a String takes it");
        for (label, report) in reports {
            writeln!(text, "{name}{{{label}}} {}", read(report.borrow())).expect("a String takes it");
        }
    }
    text
}

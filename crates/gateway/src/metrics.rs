//! A few counters and gauges in the text format that Prometheus reads.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

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
    /// The text, with gauges that the caller measured.
    pub(crate) fn render(&self, gauges: &[(&str, &str, u64)]) -> String {
        let counters = [
            ("fonte_requests_total", "HTTP requests", &self.requests),
            ("fonte_errors_total", "HTTP responses with an error status", &self.errors),
            ("fonte_answers_total", "answers that were countersigned", &self.answers),
            ("fonte_answers_refused_total", "answers that failed a check", &self.rejected),
            ("fonte_retries_total", "jobs given to another worker", &self.retries),
            ("fonte_fees_gwei_total", "fees of countersigned answers in gwei", &self.fees),
            ("fonte_batches_total", "batches settled", &self.batches),
            ("fonte_pushes_total", "batches paid out", &self.pushes),
            ("fonte_settlement_failures_total", "failed settlement rounds", &self.settlement_failures),
            ("fonte_relayed_total", "contributions relayed", &self.relayed),
            ("fonte_duties_total", "things done that anybody may do for the protocol", &self.duties),
        ];
        let mut text = String::new();
        let mut line = |name: &str, help: &str, kind: &str, value: u64| {
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}").expect("a String takes it");
        };
        for (name, help, counter) in counters {
            line(name, help, "counter", counter.get());
        }
        for (name, help, value) in gauges {
            line(name, help, "gauge", *value);
        }
        text
    }
}

//! Token buckets per caller, bounded in number.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Buckets that are kept at most; when there are more, the full ones (idle callers) go first.
const MAX_BUCKETS: usize = 65_536;

struct Bucket {
    /// Thousandths of a token: a rate per minute divides without rounding to zero.
    level: u64,
    filled: Instant,
}

/// Allows `per_minute` units per minute and caller, with a burst of as many.
pub(crate) struct RateLimit<K> {
    per_minute: u32,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K: Hash + Eq> RateLimit<K> {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes `units`, or says after how long they will be there.
    pub(crate) fn take(&self, caller: K, units: u32, now: Instant) -> Result<(), Duration> {
        let full = u64::from(self.per_minute) * 1000;
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&caller) {
            buckets.retain(|_, bucket| level_at(bucket, full, now) < full);
            if buckets.len() >= MAX_BUCKETS {
                return Err(Duration::from_secs(60));
            }
        }
        let bucket = buckets.entry(caller).or_insert(Bucket { level: full, filled: now });
        bucket.level = level_at(bucket, full, now);
        bucket.filled = now;
        let wanted = u64::from(units) * 1000;
        if bucket.level >= wanted {
            bucket.level -= wanted;
            return Ok(());
        }
        let missing = wanted - bucket.level;
        Err(Duration::from_millis(missing * 60_000 / full.max(1) + 1))
    }
}

fn level_at(bucket: &Bucket, full: u64, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(bucket.filled).as_millis();
    let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX).min(60_000);
    full.min(bucket.level + full * elapsed / 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limit = RateLimit::new(60);
        let start = Instant::now();
        for _ in 0..60 {
            limit.take("a", 1, start).expect("within the burst");
        }
        let wait = limit.take("a", 1, start).expect_err("the burst is spent");
        assert!(wait <= Duration::from_millis(1001), "{wait:?}");
        limit.take("b", 60, start).expect("callers do not share");
        limit.take("a", 1, start + wait).expect("after the named wait");
        limit.take("a", 1, start + wait).expect_err("and only one more");
    }
}

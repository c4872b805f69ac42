//! Token buckets per caller, bounded in number.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Buckets that are kept at most; when there are more, those go that were not used for longest.
const MAX_BUCKETS: usize = 65_536;

#[derive(Clone, Copy)]
struct Bucket {
    /// Thousandths of a token: a rate per minute divides without rounding to zero.
    level: u64,
    filled: Instant,
}

/// Allows `per_minute` units per minute and caller, with a burst of as many.
pub(crate) struct RateLimit<K> {
    per_minute: u32,
    buckets: Mutex<Buckets<K>>,
}

/// Two generations: when the younger is full it takes the place of the older, which is let go at once. So whoever calls
/// from ever new addresses neither keeps others out nor makes a request cost more than a look-up.
struct Buckets<K> {
    young: HashMap<K, Bucket>,
    old: HashMap<K, Bucket>,
}

impl<K: Hash + Eq + Copy> Buckets<K> {
    fn of(&mut self, caller: K, fresh: Bucket) -> &mut Bucket {
        let known = self.young.get(&caller).copied().or_else(|| self.old.remove(&caller));
        if !self.young.contains_key(&caller) && self.young.len() >= MAX_BUCKETS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.entry(caller).or_insert(known.unwrap_or(fresh))
    }
}

impl<K: Hash + Eq + Copy> RateLimit<K> {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, buckets: Mutex::new(Buckets { young: HashMap::new(), old: HashMap::new() }) }
    }

    /// Takes `units`, or says after how long they will be there.
    pub(crate) fn take(&self, caller: K, units: u32, now: Instant) -> Result<(), Duration> {
        let full = u64::from(self.per_minute) * 1000;
        let mut buckets = self.buckets.lock();
        let bucket = buckets.of(caller, Bucket { level: full, filled: now });
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

    #[test]
    fn many_callers_keep_nobody_out_and_are_bounded() {
        let limit = RateLimit::new(1);
        let now = Instant::now();
        limit.take(u64::MAX, 1, now).expect("the first");
        for caller in 0..3 * MAX_BUCKETS as u64 {
            limit.take(caller, 1, now).expect("everybody has a bucket");
            if caller % 1000 == 0 {
                limit.take(u64::MAX, 1, now).expect_err("who keeps calling is not forgotten");
            }
        }
        let buckets = limit.buckets.lock();
        assert!(buckets.young.len() + buckets.old.len() <= MAX_BUCKETS);
    }
}

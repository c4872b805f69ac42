//! Finding a pattern: sampled keys narrow the suffix array to a block or two, a binary search does the rest.

use super::{
    Interval, Segment,
    format::{FAN, KEY},
};
use crate::error::TraceError;

impl Segment {
    /// The suffixes that begin with `pattern`, which is not empty.
    pub(crate) fn interval(&self, pattern: &[u8]) -> Result<Interval, TraceError> {
        let (from, to) = self.candidates(pattern)?;
        let lo = self.lower_bound(pattern, from, to)?;
        Ok(Interval { lo, hi: self.upper_bound(pattern, lo, to)? })
    }

    /// [`interval`](Self::interval), or how long a prefix of `pattern` stands somewhere in the text at most.
    pub(crate) fn interval_or_longest(&self, pattern: &[u8]) -> Result<Result<Interval, usize>, TraceError> {
        let (from, to) = self.candidates(pattern)?;
        let lo = self.lower_bound(pattern, from, to)?;
        let hi = self.upper_bound(pattern, lo, to)?;
        if lo < hi { Ok(Ok(Interval { lo, hi })) } else { self.longest_around(pattern, lo).map(Err) }
    }

    /// Length of the longest prefix of `pattern` that stands in the text. It may cross a document's end only where
    /// `pattern` itself holds the separator.
    pub(crate) fn longest(&self, pattern: &[u8]) -> Result<usize, TraceError> {
        let (from, to) = self.candidates(pattern)?;
        let lo = self.lower_bound(pattern, from, to)?;
        self.longest_around(pattern, lo)
    }

    /// The two suffixes between which `pattern` would stand share the most with it.
    fn longest_around(&self, pattern: &[u8], rank: usize) -> Result<usize, TraceError> {
        let mut longest = 0;
        for neighbour in [rank.checked_sub(1), Some(rank)].into_iter().flatten() {
            if neighbour < self.text_bytes() {
                let text = self.text(self.suffix(neighbour)?, pattern.len())?;
                longest = longest.max(common_prefix(text, pattern));
            }
        }
        Ok(longest)
    }

    /// Ranks `[from, to)` outside which no suffix begins with `pattern`, and that hold the place where it would stand
    /// (`to` included).
    fn candidates(&self, pattern: &[u8]) -> Result<(usize, usize), TraceError> {
        let known = pattern.len().min(KEY);
        let mut low = [0; KEY];
        low[..known].copy_from_slice(&pattern[..known]);
        let mut high = [0xff; KEY];
        high[..known].copy_from_slice(&pattern[..known]);

        // A key is its suffix cut or padded with zeros. One below `low` has a suffix below the pattern; one above
        // `high` has a suffix above it that does not begin with it. Equal keys say nothing.
        let low = u128::from_be_bytes(low);
        let first = self.first_key(|key| key >= low)?;
        let high = u128::from_be_bytes(high);
        let last = if known == KEY && !self.key_is(first, high)? { first } else { self.first_key(|key| key > high)? };
        let from = if first == 0 { 0 } else { (first - 1) * FAN + 1 };
        Ok((from, (last * FAN).min(self.text_bytes()).max(from)))
    }

    /// The first key of the finest level that is `past` a bound, as all after it are; the number of keys if none is.
    /// Goes down level by level: each step stays within a kilobyte.
    fn first_key(&self, past: impl Fn(u128) -> bool) -> Result<usize, TraceError> {
        let mut range = 0..self.store.layout.keys.last().map_or(0, |level| level.1);
        for (level, &(_, entries)) in self.store.layout.keys.iter().enumerate().rev() {
            let (mut lo, mut hi) = (range.start, range.end.min(entries));
            while lo < hi {
                let middle = lo + (hi - lo) / 2;
                if past(self.key(level, middle)?) {
                    hi = middle;
                } else {
                    lo = middle + 1;
                }
            }
            // Of the finer level, key `64 (lo - 1)` is not past it and key `64 lo` is.
            range = (lo * FAN).saturating_sub(FAN - 1)..lo * FAN;
            if level == 0 {
                return Ok(lo);
            }
        }
        Ok(0)
    }

    fn key_is(&self, at: usize, expected: u128) -> Result<bool, TraceError> {
        Ok(at < self.store.layout.keys[0].1 && self.key(0, at)? == expected)
    }

    #[inline]
    fn key(&self, level: usize, at: usize) -> Result<u128, TraceError> {
        let bytes = self.store.slice(self.store.layout.keys[level].0 + KEY * at, KEY)?;
        Ok(u128::from_be_bytes(bytes.try_into().expect("a key was sliced")))
    }

    /// First rank in `[lo, hi)` whose suffix is not below `pattern`, or `hi`.
    fn lower_bound(&self, pattern: &[u8], lo: usize, hi: usize) -> Result<usize, TraceError> {
        let (mut lo, mut hi) = (lo, hi);
        // What the suffixes just below `lo` and at `hi` share with the pattern; everything between shares the lesser.
        let (mut low_shared, mut high_shared) = (0, 0);
        while lo < hi {
            let middle = lo + (hi - lo) / 2;
            let skip = low_shared.min(high_shared);
            // Texts lie anywhere in memory. Those of the two ranks that may come next are fetched while this one's is
            // waited for, which halves the waiting.
            self.fetch(lo + (middle - lo) / 2, skip)?;
            self.fetch(middle + 1 + (hi - middle - 1) / 2, skip)?;
            let text = self.text(self.suffix(middle)?, pattern.len())?;
            let skip = skip.min(text.len());
            let shared = skip + common_prefix(&text[skip..], &pattern[skip..]);
            let below = shared < pattern.len() && (shared == text.len() || text[shared] < pattern[shared]);
            if below {
                lo = middle + 1;
                low_shared = shared;
            } else {
                hi = middle;
                high_shared = shared;
            }
        }
        Ok(lo)
    }

    /// Begins to load the text `skip` bytes behind the suffix of a rank, if there is one.
    #[inline]
    fn fetch(&self, rank: usize, skip: usize) -> Result<(), TraceError> {
        if rank < self.text_bytes() {
            self.store.touch(self.store.layout.text_at + self.suffix(rank)? as usize + skip);
        }
        Ok(())
    }

    /// First rank in `[lo, hi)` whose suffix does not begin with `pattern`, or `hi`, where those that do begin at
    /// `lo`. Gallops: most intervals are short.
    fn upper_bound(&self, pattern: &[u8], lo: usize, hi: usize) -> Result<usize, TraceError> {
        let (mut lo, mut hi, mut step) = (lo, hi, 1);
        while lo + step <= hi {
            if !self.begins(lo + step - 1, pattern)? {
                hi = lo + step - 1;
                break;
            }
            lo += step;
            step *= 2;
        }
        while lo < hi {
            let middle = lo + (hi - lo) / 2;
            if self.begins(middle, pattern)? {
                lo = middle + 1;
            } else {
                hi = middle;
            }
        }
        Ok(lo)
    }

    fn begins(&self, rank: usize, pattern: &[u8]) -> Result<bool, TraceError> {
        Ok(self.text(self.suffix(rank)?, pattern.len())? == pattern)
    }
}

/// How many bytes two slices share at their beginning.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let words = a.chunks_exact(8).zip(b.chunks_exact(8));
    let mut shared = 0;
    for (x, y) in words {
        let differing = super::u64_at(x, 0) ^ super::u64_at(y, 0);
        if differing != 0 {
            return shared + (differing.trailing_zeros() / 8) as usize;
        }
        shared += 8;
    }
    shared + a[shared..].iter().zip(&b[shared..]).take_while(|(x, y)| x == y).count()
}

/// How many bytes two slices share at their end.
pub(crate) fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count()
}

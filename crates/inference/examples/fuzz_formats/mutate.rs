//! Random numbers, and changes to JSON and to bytes.

use serde_json::{Value, json};

/// splitmix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// Numbers near the edges of types and of limits.
    pub(crate) fn number(&mut self) -> u64 {
        let edge = 1u64.checked_shl(self.below(66) as u32).unwrap_or(0);
        match self.below(4) {
            0 => self.below(20) as u64,
            1 => edge.wrapping_sub(1 + self.below(3) as u64),
            2 => edge.wrapping_add(self.below(3) as u64),
            _ => self.next() >> self.below(64),
        }
    }
}

/// Any JSON, mostly a scalar.
pub(crate) fn any(random: &mut Random, words: &[&str]) -> Value {
    match random.below(14) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2..=4 => json!(random.number()),
        5 => json!(-(random.below(1 << 40) as i64)),
        6 => json!(f64::from_bits(random.next())),
        7 => json!(random.below(1000) as f64 / 100.0),
        8..=10 => json!(*random.pick(words)),
        11 => (0..random.below(4)).map(|_| any(random, words)).collect(),
        12 => {
            let entries = (0..random.below(3)).map(|_| (random.pick(words).to_string(), any(random, words)));
            Value::Object(entries.collect())
        }
        _ => {
            let depth = *random.pick(&[3, 60, 126, 127, 128, 200]);
            (0..depth).fold(json!(1), |inside, _| json!([inside]))
        }
    }
}

/// Changes up to four places of a value: replaces, removes, adds, repeats.
pub(crate) fn json(random: &mut Random, value: &mut Value, words: &[&str]) {
    for _ in 0..random.below(5) {
        change(random, value, words);
    }
}

fn change(random: &mut Random, value: &mut Value, words: &[&str]) {
    match value {
        Value::Object(map) if !map.is_empty() && !random.one_in(20) => match random.below(6) {
            0 => _ = map.insert(random.pick(words).to_string(), any(random, words)),
            1 => {
                let key = map.keys().nth(random.below(map.len())).expect("below the length").clone();
                map.remove(&key);
            }
            _ => {
                let place = random.below(map.len());
                change(random, map.values_mut().nth(place).expect("below the length"), words);
            }
        },
        Value::Array(list) if !list.is_empty() && !random.one_in(8) => match random.below(4) {
            0 => list.push(any(random, words)),
            1 => _ = list.remove(random.below(list.len())),
            _ => {
                let place = random.below(list.len());
                change(random, &mut list[place], words);
            }
        },
        Value::Number(number) if random.one_in(2) => {
            let number = number.as_u64().unwrap_or(1);
            *value = match random.below(4) {
                0 => json!(number.wrapping_add(1)),
                1 => json!(number.wrapping_sub(1)),
                2 => json!(number.wrapping_mul(2)),
                _ => json!(random.number()),
            };
        }
        value => *value = any(random, words),
    }
}

/// In one of eight cases changes a few bytes; in one of sixteen cuts the end off.
pub(crate) fn bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    if random.one_in(8) {
        for _ in 0..=random.below(4) {
            let place = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[place] = random.next() as u8,
                1 => bytes[place] ^= 1 << random.below(8),
                2 => bytes.insert(place, *random.pick(b"{}[]\",:0-9e\\\0\xff")),
                _ => {
                    let end = (place + random.below(20)).min(bytes.len());
                    let copy = bytes[place..end].to_vec();
                    let to = random.below(bytes.len());
                    bytes.splice(to..to, copy);
                }
            }
        }
    }
    if random.one_in(16) {
        bytes.truncate(random.below(bytes.len()));
    }
}

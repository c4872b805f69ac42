//! The seeded cases of `docs/spec/shares.md`, 4: the same as in Solidity and TypeScript, folded into the same digest.

use alloy_primitives::{B256, keccak256};
use fonte_types::{
    ContributionId, PPM,
    evidence::{Evidence, Run, Source},
    fees::{Prices, part},
    shares::Shares,
};
use serde_json::Value;

/// splitmix64.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn ppm(&mut self, n: u32) -> u32 {
        u32::try_from(self.below(u64::from(n))).unwrap()
    }

    fn price(&mut self) -> u128 {
        let (value, right, left) = (self.next(), self.below(64), self.below(24));
        u128::from(value >> right) << left
    }

    fn tokens(&mut self) -> u32 {
        let (value, right) = (self.next(), self.below(32));
        u32::try_from(value >> (32 + right)).unwrap()
    }
}

/// The record of the next case.
fn record(draw: &mut Draw) -> Vec<u8> {
    let (count, kinds, scale) = (1 + draw.below(40), 1 + draw.below(30), 1 << draw.below(12));
    let base = draw.next() >> 16;
    let (mut runs, mut at) = (Vec::new(), 0);
    for _ in 0..count {
        let (pick, bytes) = (draw.below(kinds + 2), u32::try_from(1 + draw.below(scale)).unwrap());
        let source = match pick {
            0 => Source::Nobody,
            1 => Source::Prompt,
            pick => Source::Contribution(ContributionId(base + pick - 1)),
        };
        let end = at + bytes;
        runs.push(match source {
            Source::Nobody => Run::nobody(at, end),
            // A witness of at least a window, wherever it lies: only the bytes count here.
            source => Run::witnessed(at, end, source, 0, at, end, 0),
        });
        at = end;
    }
    let prices = Prices { input: draw.price(), output: draw.price() };
    let (input, output) = (draw.tokens(), draw.tokens());
    let mut left = PPM;
    let mut slice = |draw: &mut Draw| {
        let ppm = draw.ppm(left + 1);
        left -= ppm;
        ppm
    };
    let (worker_ppm, data_ppm) = (slice(draw), slice(draw));
    let developers = draw.below(9);
    let developers: Vec<u32> = (0..developers).map(|_| slice(draw)).collect();
    let curators: Vec<u32> = (0..4).map(|_| draw.ppm(PPM + 1)).collect();

    let shares = shares_of(&runs, at);
    let fee = prices.fee(input, output).unwrap();
    let (worker, pool) = (part(fee, worker_ppm), part(fee, data_ppm));
    let mut treasury = fee - worker;
    let mut bytes = vec![u8::try_from(shares.as_slice().len()).unwrap()];
    for share in shares.as_slice() {
        let credit = part(pool, share.ppm);
        let cut = part(credit, curators[usize::try_from(share.contribution.0 % 4).unwrap()]);
        treasury -= credit;
        bytes.extend(share.contribution.0.to_be_bytes());
        bytes.extend(share.ppm.to_be_bytes());
        bytes.extend((credit - cut).to_be_bytes());
        bytes.extend(cut.to_be_bytes());
    }
    bytes.extend(shares.unattributed_ppm().to_be_bytes());
    bytes.extend(fee.to_be_bytes());
    bytes.extend(worker.to_be_bytes());
    bytes.push(u8::try_from(developers.len()).unwrap());
    for ppm in developers {
        let amount = part(fee, ppm);
        treasury -= amount;
        bytes.extend(amount.to_be_bytes());
    }
    bytes.extend(treasury.to_be_bytes());
    bytes
}

/// The rule under test takes evidence, whose witnesses are at least a window long: runs are drawn shorter here, so each is
/// stretched by the same factor, which changes no share.
fn shares_of(runs: &[Run], answer_bytes: u32) -> Shares {
    const STRETCH: u32 = 32;
    let stretched = runs
        .iter()
        .map(|run| {
            let (start, end) = (run.start * STRETCH, run.end * STRETCH);
            match run.source {
                Source::Nobody => Run::nobody(start, end),
                source => Run::witnessed(start, end, source, 0, start, end, 0),
            }
        })
        .collect();
    Shares::from_evidence(&Evidence::new(stretched, answer_bytes * STRETCH).unwrap())
}

#[test]
fn the_seeded_cases_fold_to_the_pinned_digests() {
    let pinned: Value = serde_json::from_slice(&std::fs::read("../../fixtures/shares.json").unwrap()).unwrap();
    let digests = pinned["digests"].as_array().unwrap();
    assert_eq!(digests.last().unwrap()["cases"], 100_000);
    let seed = pinned["seed"].as_str().unwrap().trim_start_matches("0x");
    let (mut draw, mut digest, mut done) = (Draw(u64::from_str_radix(seed, 16).unwrap()), B256::ZERO, 0);
    for pinned in digests {
        let cases = pinned["cases"].as_u64().unwrap();
        while done < cases {
            digest = keccak256([digest.as_slice(), &record(&mut draw)].concat());
            done += 1;
        }
        let expected: B256 = pinned["digest"].as_str().unwrap().parse().unwrap();
        assert_eq!(digest, expected, "after {cases} cases");
    }
}

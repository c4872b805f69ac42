use proptest::prelude::*;
use rand_chacha::rand_core::RngCore;

use super::*;

const WARM: Sampling = Sampling { temperature_milli: 1000, ..Sampling::GREEDY };

fn quantise(logits: &[f32]) -> Vec<i32> {
    logits.iter().map(|logit| (logit * 65_536.0).round_ties_even() as i32).collect()
}

fn draw(logits: &[f32], sampling: Sampling, index: u64) -> u32 {
    sample(Isa::best(), &quantise(logits), &History::new(&sampling, &[]), &sampling, [7; 32], index)
}

#[test]
fn greedy_takes_the_lowest_id_of_the_likeliest() {
    assert_eq!(draw(&[0.0, 3.0, 1.0, 3.0], Sampling::GREEDY, 0), 1);
    // Closer than a unit of quantisation is equal.
    assert_eq!(draw(&[0.0, 3.0, 3.0 + 1e-6], Sampling::GREEDY, 0), 1);
}

#[test]
fn weights_are_exponentials() {
    for x in (0..2_000_000).step_by(777) {
        let expected = (-f64::from(x) / 65_536.0).exp() * 4_294_967_296.0;
        let got = weight(x as u64) as f64;
        assert!((got - expected).abs() <= expected * 2e-5 + 1.0, "{x}: {got} {expected}");
    }
    assert_eq!(weight(0), 1 << 32);
    assert_eq!(weight(u64::MAX), 0);
}

#[test]
fn frequencies_are_the_softmax() {
    let logits = [0.0, 1.0, 2.0, -1.0, 0.5];
    for (temperature_milli, t) in [(1000, 1.0), (700, 0.7), (1600, 1.6f64)] {
        let sampling = Sampling { temperature_milli, ..WARM };
        let mut counts = [0.0; 5];
        for index in 0..20_000 {
            counts[draw(&logits, sampling, index) as usize] += 1.0 / 20_000.0;
        }
        let sum: f64 = logits.iter().map(|x| (f64::from(*x) / t).exp()).sum();
        for (count, logit) in counts.iter().zip(logits) {
            let expected = (f64::from(logit) / t).exp() / sum;
            assert!((count - expected).abs() < 0.015, "{count} {expected}");
        }
    }
}

#[test]
fn the_numbers_are_those_of_chacha20() {
    // RFC 8439, section 2.3.2, has the block function; the zero key with counter and nonce zero begins 76b8e0ada0f13d90.
    let mut random = ChaCha20Rng::from_seed([0; 32]);
    random.set_stream(0);
    assert_eq!(random.next_u64().to_le_bytes(), [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
    let logits: Vec<f32> = (0..100).map(|i| (i % 10) as f32 / 10.0).collect();
    // Receipts depend on these: what draws another token is another profile.
    let tokens: Vec<u32> = (0..8).map(|index| draw(&logits, WARM, index)).collect();
    assert_eq!(tokens, [26, 94, 79, 99, 54, 15, 56, 9]);
}

#[test]
fn penalties_act_on_what_was_said() {
    let sampling = Sampling { presence_milli: 1500, frequency_milli: 250, ..Sampling::GREEDY };
    let mut history = History::new(&sampling, &[1]);
    let logits = [0.0, 2.0, 1.0];
    let pick =
        |history: &History, sampling: &Sampling| sample(Isa::best(), &quantise(&logits), history, sampling, [0; 32], 0);
    // The prompt does not count.
    assert_eq!(pick(&history, &sampling), 1);
    history.push(1);
    assert_eq!(pick(&history, &sampling), 2);

    let sampling = Sampling { repetition_milli: 2500, ..Sampling::GREEDY };
    assert_eq!(pick(&History::new(&sampling, &[1]), &sampling), 2);
    assert_eq!(pick(&History::new(&sampling, &[1, 2]), &sampling), 1);
}

#[test]
fn settings_out_of_range_are_refused() {
    assert!(check(&WARM).is_ok());
    let refused = [
        Sampling { top_p_milli: 0, ..WARM },
        Sampling { top_p_milli: 1001, ..WARM },
        Sampling { temperature_milli: u32::MAX, ..WARM },
        Sampling { repetition_milli: 0, ..WARM },
        Sampling { presence_milli: i32::MIN, ..WARM },
    ];
    for sampling in refused {
        let error = check(&sampling).unwrap_err();
        assert!(error.to_string().contains("must be"), "{error}");
    }
}

#[test]
fn logprobs_are_integers_to_the_last_digit() {
    // Receipts commit to these: what computes another number is another profile.
    let scores = quantise(&[1.5, -2.25, 4.0, 4.0, 0.0, -30.0]);
    let got = logprobs(&scores, 1, 4);
    let all: Vec<(u32, i32)> = logprobs(&scores, 0, 6).top;
    assert_eq!((got.chosen, &got.top), (all[4].1, &all[..4].to_vec()));
    let pinned = [(2, -743_047), (3, -743_047), (0, -3_243_047), (4, -4_743_047), (1, -6_993_047), (5, -34_743_047)];
    assert_eq!(all, pinned);
    // One certain token; one beyond what a number holds; and 2^20 equal ones.
    assert_eq!(logprobs(&quantise(&[9000.0, -9000.0]), 1, 1), Logprobs { chosen: -1_000_000_000, top: vec![(0, 0)] });
    let equal = logprobs(&vec![-77; 1 << 20], 5, 0).chosen;
    assert!((f64::from(equal) / 1e6 + f64::from(1 << 20).ln()).abs() < 1e-6, "{equal}");
}

#[test]
fn the_logarithm_is_the_logarithm() {
    for shift in 0..32 {
        for x in [1u64 << 32, (1 << 32) + 1, 5_000_000_000, 0xffff_ffff_ffff_ffff >> shift] {
            let x = x.max(1 << 32);
            let expected = (x as f64 / 4_294_967_296.0).ln();
            let got = ln(x) as f64 / 4_294_967_296.0;
            assert!((got - expected).abs() < 2e-9, "{x}: {got} {expected}");
        }
    }
}

proptest! {
    #[test]
    fn logprobs_are_the_log_softmax(logits in prop::collection::vec(-20f32..20.0, 1..200), top in 0usize..8) {
        let sum: f64 = logits.iter().map(|x| f64::from(*x).exp()).sum();
        let token = (logits.len() / 2) as u32;
        let got = logprobs(&quantise(&logits), token, top);
        // Half a unit of each of two logits, the tables' 2^-16, and the last rounding: 25 millionths.
        let close = |id: u32, millionths: i32| {
            let expected = f64::from(logits[id as usize]) - sum.ln();
            (f64::from(millionths) / 1e6 - expected).abs() < 2.5e-5
        };
        prop_assert!(close(token, got.chosen));
        prop_assert_eq!(got.top.len(), top.min(logits.len()));
        prop_assert!(got.top.iter().all(|(id, millionths)| close(*id, *millionths)));
        prop_assert!(got.top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
    }

    #[test]
    fn cuts_keep_the_likeliest(
        logits in prop::collection::vec(-4f32..4.0, 2..300), top_k in 0u32..20, top_p_milli in 1u32..1001, index: u64,
    ) {
        // A reference that sorts everything.
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        let scores = quantise(&logits);
        let score = |id: &u32| scores[*id as usize];
        order.sort_by_key(|id| (Reverse(score(id)), *id));
        if top_k > 0 {
            order.truncate(top_k as usize);
        }
        let most = score(&order[0]);
        let weigh = |id: &u32| weight((most - score(id)) as u64);
        let total: u64 = order.iter().map(weigh).sum();
        let mut sum = 0;
        let mut kept = Vec::new();
        for id in &order {
            kept.push(*id);
            sum += weigh(id);
            if u128::from(sum) * 1000 >= u128::from(total) * u128::from(top_p_milli) {
                break;
            }
        }
        kept.sort_unstable();
        let total: u64 = kept.iter().map(weigh).sum();
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        random.set_stream(index);
        let mut left = ((u128::from(random.next_u64()) * u128::from(total)) >> 64) as u64;
        let expected = kept.iter().find(|id| {
            let found = left < weigh(id);
            left = left.saturating_sub(weigh(id));
            found
        });
        let got = draw(&logits, Sampling { top_k, top_p_milli, ..WARM }, index);
        prop_assert_eq!(Some(&got), expected);
    }
}

//! A bundle with what its answer is a function of: it verifies; with any single field changed it does not, and the check
//! names the field.

mod common;

use common::{Example, example, leaves, mutations, signed_again};
use fonte_types::{
    ContributionId, EngineClass,
    bundle::{ReceiptBundle, verify},
    conversation::Role,
    evidence::{Evidence, OtherChannels},
    generation::{GenerationRecord, LAYOUT, PassageRange, Profile, TurnLength, turn_lengths},
    log_probs::{Alternative, LogProbs, TokenLogProb},
    merkle::CommittedText,
    wire::{Asked, Sampling},
};
use serde_json::{Value, json};

/// The worked example as our own engine would have written it, with log-probabilities.
fn generated() -> Example {
    let mut example = example();
    let bundle = &mut example.bundle;
    let question = std::mem::take(&mut bundle.prompt.text);
    bundle.prompt.text = format!("system: Be brief.\n\nuser: {question}");
    bundle.receipt.prompt_root =
        CommittedText::prompt(bundle.prompt.text.as_bytes(), bundle.prompt.salt).unwrap().commitment();
    let token = |text: &str, micronats| {
        let token = Alternative { bytes: text.as_bytes().to_vec().into(), micronats };
        TokenLogProb { top: vec![token.clone()], token }
    };
    let log_probs = LogProbs { tokens: vec![token("The ", -12), token("gauge", -2_000_000)] };
    bundle.generation = Some(Box::new(GenerationRecord {
        layout: LAYOUT,
        base: bundle.receipt.model_hash,
        adapter: bundle.receipt.adapter_hash,
        profile: Profile::F32Exact,
        context: 4096,
        max_tokens: 100,
        temperature_milli: 700,
        top_k: 40,
        top_p_milli: 950,
        presence_milli: -1500,
        frequency_milli: 250,
        repetition_milli: 1100,
        stop: vec!["END".into(), "é!".into()],
        turns: vec![
            TurnLength { role: Role::System, bytes: 9 },
            TurnLength { role: Role::User, bytes: question.len() as u32 },
        ],
        passages: vec![
            PassageRange { contribution: ContributionId(7), document: 1, offset: 990, bytes: 68 },
            PassageRange { contribution: ContributionId(9), document: 0, offset: 0, bytes: 1 },
        ],
        prompt: vec![1, 70_000, 3],
        answer: vec![5, 6, 257],
        log_probs: log_probs.commitment(),
    }));
    bundle.log_probs = Some(log_probs);
    sealed(&mut example);
    example
}

/// Commits and signs what stands in the bundle.
fn sealed(example: &mut Example) {
    let bundle = &mut example.bundle;
    let (words, context) = match &bundle.generation {
        Some(generation) => (generation.words(), generation.commitment(bundle.answer.salt)),
        None => (vec![], bundle.log_probs.as_ref().map(LogProbs::commitment).unwrap_or_default()),
    };
    bundle.generation_words = words;
    bundle.other_channels = OtherChannels { context, ..OtherChannels::default() };
    let evidence = Evidence::new(bundle.runs.clone(), bundle.receipt.answer_bytes).unwrap();
    bundle.receipt.evidence_hash = evidence.hash(&bundle.other_channels);
    bundle.receipt.input_tokens = fonte_types::fees::tokens(&bundle.prompt.text);
    signed_again(example);
}

#[test]
fn a_generated_bundle_verifies() {
    let bundle = generated().bundle;
    let verification = verify(&bundle);
    assert!(verification.ok, "{verification:#?}");
    let text = serde_json::to_string(&bundle).unwrap();
    assert_eq!(serde_json::from_str::<ReceiptBundle>(&text).unwrap(), bundle);
}

#[test]
fn every_changed_field_of_the_record_is_named() {
    let bundle = serde_json::to_value(generated().bundle).unwrap();
    let record = bundle["generation"].as_object().unwrap();
    let mut fields: Vec<&str> = record.keys().map(String::as_str).collect();
    let mut named = GenerationRecord::FIELDS.to_vec();
    fields.sort_unstable();
    named.sort_unstable();
    assert_eq!(fields, named, "every field is hashed");
    let mut paths = Vec::new();
    leaves(&bundle["generation"], "/generation", &mut paths);
    leaves(&bundle["generation_words"], "/generation_words", &mut paths);
    assert!(paths.len() > 50, "{paths:?}");
    for mutation in mutations(&bundle, paths) {
        let path = mutation["path"].as_str().unwrap();
        let mut steps = path.split('/').skip(1);
        let field = match (steps.next(), steps.next()) {
            (Some("generation"), Some(field)) => field,
            (_, Some(index)) => GenerationRecord::FIELDS[index.parse::<usize>().unwrap()],
            _ => panic!("{path}"),
        };
        let expected = match mutation["check"].as_str().unwrap() {
            "unreadable" => continue,
            check => (check, mutation["differs"].as_str().unwrap()),
        };
        assert_eq!(expected, ("evidence", format!("generation.{field}").as_str()), "{path}");
    }
}

#[test]
fn what_was_committed_to_must_be_there_and_fit() {
    type Change = fn(&mut ReceiptBundle);
    // Changed without being committed anew: named, or known to be missing.
    let lost: [(&str, Change); 5] = [
        ("generation", |b| b.generation = None),
        ("generation_words", |b| b.generation_words.clear()),
        ("generation_words", |b| {
            // Record and words agree with each other, not with the receipt.
            b.generation.as_mut().unwrap().top_k += 1;
            b.generation_words = b.generation.as_ref().unwrap().words();
        }),
        ("log_probs", |b| b.log_probs = None),
        ("log_probs", |b| b.log_probs.as_mut().unwrap().tokens.truncate(1)),
    ];
    for (named, change) in lost {
        let mut bundle = generated().bundle;
        change(&mut bundle);
        assert_eq!(verify(&bundle).differs.as_deref(), Some(named));
    }
    // Committed and signed by a worker, and impossible all the same.
    type Lie = fn(&mut GenerationRecord);
    let lies: [(&str, Lie); 24] = [
        ("layout", |g| g.layout = 2),
        ("base", |g| g.base.0[0] ^= 1),
        ("adapter", |g| g.adapter.0[0] ^= 1),
        ("context", |g| g.context = 1),
        ("context", |g| g.context = (1 << 20) + 1),
        ("max_tokens", |g| g.max_tokens = 0),
        ("temperature_milli", |g| g.temperature_milli = 100_001),
        ("top_p_milli", |g| g.top_p_milli = 0),
        ("top_p_milli", |g| g.top_p_milli = 1001),
        ("presence_milli", |g| g.presence_milli = -100_001),
        ("frequency_milli", |g| g.frequency_milli = i32::MAX),
        ("repetition_milli", |g| g.repetition_milli = 0),
        ("stop", |g| g.stop.push(String::new())),
        ("stop", |g| g.stop = vec!["x".into(); 5]),
        ("stop", |g| g.stop = vec!["x".repeat(257)]),
        ("turns", |g| g.turns.truncate(1)),
        ("turns", |g| g.turns[1].bytes = u32::MAX),
        ("passages", |g| g.passages[0].bytes = 0),
        ("passages", |g| g.passages = vec![g.passages[0]; 257]),
        ("prompt", |g| g.prompt.clear()),
        ("prompt", |g| g.prompt = vec![0; g.context as usize]),
        ("answer", |g| g.answer.clear()),
        ("answer", |g| g.answer = vec![0; g.max_tokens as usize + 1]),
        ("answer", |g| (g.context, g.prompt) = (7, vec![0; 5])),
    ];
    for (named, lie) in lies {
        let mut example = generated();
        lie(example.bundle.generation.as_mut().unwrap());
        sealed(&mut example);
        assert_eq!(verify(&example.bundle).differs, Some(format!("generation.{named}")));
    }
    let mut example = generated();
    example.bundle.receipt.engine_class = EngineClass::Tolerance;
    sealed(&mut example);
    assert_eq!(verify(&example.bundle).differs.as_deref(), Some("generation.profile"));
    // Without log-probabilities, and without turns: a text to be continued.
    let mut example = generated();
    let generation = example.bundle.generation.as_mut().unwrap();
    generation.log_probs = Default::default();
    generation.turns.clear();
    example.bundle.log_probs = None;
    sealed(&mut example);
    assert_eq!(verify(&example.bundle).differs, None);
}

#[test]
fn a_salt_keeps_guesses_out() {
    let example = generated();
    let generation = example.bundle.generation.unwrap();
    assert_ne!(generation.commitment(Default::default()), generation.commitment(example.bundle.answer.salt));
}

#[test]
fn a_record_obeys_what_was_asked_for() {
    let bundle = generated().bundle;
    let record = *bundle.generation.unwrap();
    let sampling = Sampling {
        temperature: Some(700_000),
        top_p: Some(949_500),
        presence_penalty: Some(-1_500_400),
        frequency_penalty: Some(250_499),
    };
    let turns = record.conversation(&bundle.prompt.text).unwrap();
    let asked = Asked { turns, sampling, stop: record.stop.clone(), log_probs: Some(1) };
    assert_eq!(record.turns, turn_lengths(&asked.turns));
    assert_eq!(record.obeys(&asked, 100), Ok(()));
    let open = Asked { sampling: Sampling { temperature: None, top_p: None, ..sampling }, ..asked.clone() };
    assert_eq!(record.obeys(&open, 100), Ok(()));
    type Change = fn(&mut GenerationRecord);
    let changes: [(&str, Change); 7] = [
        ("max_tokens", |g| g.max_tokens = 99),
        ("temperature_milli", |g| g.temperature_milli = 0),
        ("top_p_milli", |g| g.top_p_milli = 949),
        ("presence_milli", |g| g.presence_milli = 0),
        ("frequency_milli", |g| g.frequency_milli = 251),
        ("stop", |g| g.stop.reverse()),
        ("turns", |g| g.turns.reverse()),
    ];
    for (field, change) in changes {
        let mut other = record.clone();
        change(&mut other);
        assert_eq!(other.obeys(&asked, 100).unwrap_err().field, field);
    }
    assert_eq!(Sampling { top_p: Some(1), ..Sampling::default() }.thousandths().top_p, Some(1));
}

/// `fixtures/generation.json`: the bundle, and for each field of its record another value with what is said of it, as in
/// `fixtures/bundle.json`. `FONTE_BLESS=1 cargo test -p fonte-types` writes it anew.
#[test]
fn the_record_and_its_mutations_are_the_pinned_ones() {
    let bundle = serde_json::to_value(generated().bundle).unwrap();
    let mut paths = Vec::new();
    for part in ["generation", "generation_words", "log_probs"] {
        leaves(&bundle[part], &format!("/{part}"), &mut paths);
    }
    let made = json!({ "bundle": bundle, "mutations": mutations(&bundle, paths) });
    let path = std::path::Path::new("../../fixtures/generation.json").to_owned();
    if std::env::var_os("FONTE_BLESS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let pinned: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(made == pinned, "the record or what is said of its mutations is not as pinned in fixtures/generation.json");
}

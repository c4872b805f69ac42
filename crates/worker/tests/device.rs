//! A base whose answers a device computes, here candle's CPU: what our own engine writes, of class `tolerance`.

#[path = "common/base.rs"]
mod base;

use std::{fs, time::Duration};

use alloy_primitives::Address;
use fonte_types::{
    EngineClass,
    log_probs::TokenLogProb,
    wire::{Asked, RefusalCode, Sampling},
};
use fonte_worker::{
    AnswerModel, FoundPassage, LibraryError, ModelError, Passages, Question, Written,
    local::{LocalBase, LocalConfig, LocalModel},
};
use tokio_util::sync::CancellationToken;

struct Nothing;

impl Passages for Nothing {
    fn find(&self, _: &str) -> Result<Vec<FoundPassage>, LibraryError> {
        Ok(Vec::new())
    }

    fn best(&self, _: &str, _: usize) -> Result<Vec<FoundPassage>, LibraryError> {
        Ok(Vec::new())
    }

    fn boilerplate(&self, _: &str) -> Result<bool, LibraryError> {
        Ok(false)
    }
}

/// The likeliest text.
fn answer(model: &LocalModel, text: &str) -> (String, usize, Written) {
    let sampling = Sampling { temperature: Some(0), ..Sampling::default() };
    let asked = Asked { sampling, log_probs: Some(2), ..Asked::default() };
    let question = Question {
        prompt: text,
        text,
        payer: Address::ZERO,
        max_output_tokens: 60,
        seed: 5,
        asked: &asked,
        cancelled: &CancellationToken::new(),
    };
    let (mut said, mut tokens) = (String::new(), 0);
    let mut emit = |piece: &str, log_probs: &[TokenLogProb]| {
        said.push_str(piece);
        tokens += log_probs.len();
        true
    };
    let written = model.answer(question, &Nothing, &mut emit).unwrap();
    (said, tokens, written)
}

#[test]
fn a_device_answers_in_class_tolerance() {
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name);
    fs::create_dir(at("base")).unwrap();
    base::write_base(&at("base"), 1, false);
    base::write_adapter(&at("adapters/first"), &at("base"), 1, 4);
    let open = |device: Option<&str>| {
        let device = device.map(str::to_owned);
        let config = LocalConfig { threads: 1, memory: 64 << 20, device, max_context: 512, ..LocalConfig::default() };
        let base = LocalBase::open(&at("base"), Some(&at("adapters")), config);
        base.inspect(|base| assert_eq!(base.look(Duration::ZERO).unwrap().added.len(), 1))
    };
    let (exact, device) = (open(None).unwrap(), open(Some("cpu")).unwrap());
    assert_eq!((exact.class(), device.class()), (EngineClass::Exact, EngineClass::Tolerance));
    assert_eq!(exact.hash(), device.hash());
    let adapter = device.adapters().borrow()[0].hash;
    let mut texts = Vec::new();
    for hash in [None, Some(adapter)] {
        let of = |base: &LocalBase| hash.map_or_else(|| base.base(), |hash| base.adapter(hash));
        let (exact, device) = (of(&exact), of(&device));
        assert_eq!((exact.engine_class(), device.engine_class()), (EngineClass::Exact, EngineClass::Tolerance));
        let (expected, told, by_engine) = answer(&exact, "Once");
        let (found, told_by_device, by_device) = answer(&device, "Once");
        assert_eq!((&found, told_by_device), (&expected, told));
        assert!(told > 0);
        assert!(by_engine.generation.is_some() && by_device.generation.is_none());
        assert_eq!(by_device.engine_usage, by_engine.engine_usage);
        texts.push(found);
    }
    assert_ne!(texts[0], texts[1]);

    // What a device does not do is said.
    let refusal = |result: Result<(), ModelError>| match result {
        Err(ModelError::Refused { code: RefusalCode::Invalid, message }) => message,
        result => panic!("{result:?}"),
    };
    let model = device.adapter(adapter);
    let cancelled = CancellationToken::new();
    assert!(refusal(model.keep(true, &cancelled)).contains("nothing to load ahead"));
    assert!(refusal(model.embed("Once", Address::ZERO, &cancelled).map(drop)).contains("only continues prompts"));
    model.keep(false, &cancelled).unwrap();
    assert_eq!(device.report().unwrap().resident, []);
    assert!(open(Some("gpu")).is_err());
}

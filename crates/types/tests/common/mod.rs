//! One worked example: three documents, one answer quoting both, its receipt and everything signed around it.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use alloy_primitives::{Address, B256, Bytes, address, keccak256};
use alloy_signer_local::PrivateKeySigner;
use fonte_types::{
    AnswerReceipt, ContributionId, DatanetId, DatanetVersion, EngineClass, ModelId, Network, Version, Visibility,
    bundle::{
        BUNDLE_VERSION, CitedContribution, CitedDocument, Outcome, ReceiptBundle, SaltedText, Terms, run_leaves, verify,
    },
    evidence::{Evidence, OtherChannels, Run, Source},
    fees::{Prices, Splits},
    ids::Membership,
    log_probs::{Alternative, LogProbs, TokenLogProb},
    merkle::{CommittedText, DocumentOpening, Tree, contribution_root},
    metadata::Metadata,
    receipt::{Countersignature, request_id, sign},
    shares::Shares,
};
use serde_json::Value;

pub const CREDITED: ContributionId = ContributionId(7);

pub struct Example {
    pub network: Network,
    pub worker: PrivateKeySigner,
    pub gateway: PrivateKeySigner,
    pub payer: PrivateKeySigner,
    pub documents: Vec<(Metadata, String, B256)>,
    pub bundle: ReceiptBundle,
}

pub fn key(name: &str) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(format!("fonte fixture key {name}"))).expect("a hash is a valid key")
}

fn metadata(title: &str) -> Metadata {
    Metadata {
        title: title.into(),
        url: "https://ana.example/rio".into(),
        author: "Ana".into(),
        date: "2026-03-14".into(),
        language: "en".into(),
        licence: "CC-BY-4.0".into(),
    }
}

/// The fee of the receipt's tokens, and everything that is signed, after something in the receipt changed.
pub fn signed_again(example: &mut Example) {
    let Example { bundle, worker, gateway, .. } = example;
    bundle.receipt.fee = bundle.terms.prices.fee(bundle.receipt.input_tokens, bundle.receipt.output_tokens).unwrap();
    bundle.signed_words = bundle.receipt.words();
    bundle.id = bundle.receipt.id(&bundle.network);
    bundle.worker_signature = sign(worker, bundle.id).unwrap();
    bundle.countersignature.receipt = bundle.id;
    bundle.countersignature.fee = bundle.receipt.fee;
    bundle.gateway_signature = sign(gateway, bundle.countersignature.digest(&bundle.network)).unwrap();
}

/// Builds the example from scratch: nothing in it is random.
pub fn example() -> Example {
    let (worker, gateway, payer) = (key("worker"), key("gateway"), key("payer"));
    let network = Network {
        chain_id: 36683,
        network_id: keccak256("fonte fixture network"),
        settlement: address!("f017e00000000000000000000000000000000004"),
        datanets: address!("f017e00000000000000000000000000000000002"),
    };
    // A document of three chunks, with the quoted sentence across the first chunk boundary.
    let sentence = "The gauge below the old mill has been read every morning since 1931.";
    let filler = "River stories begin upstream. ".repeat(33);
    let long = format!("{filler}{sentence} {}", "And so it goes on, past the weir. ".repeat(40));
    let documents = vec![
        (metadata("A short one"), "Nothing much happens here, but it happens well.".to_owned(), keccak256("salt 0")),
        (metadata("Mills and gauges"), long, keccak256("salt 1")),
        (metadata("Unicode"), "São 5 h da manhã e o rio já acordou a cidade inteira.".to_owned(), keccak256("salt 2")),
    ];
    let committed: Vec<_> = documents
        .iter()
        .map(|(metadata, text, salt)| CommittedText::document(text.as_bytes(), metadata, *salt).unwrap())
        .collect();
    let tree = Tree::new(committed.iter().map(CommittedText::commitment).collect());

    let prompt = "How long has the gauge below the old mill been read?".to_owned();
    let answer = format!("{sentence} [1]");
    let answer_bytes = answer.len() as u32;
    let quoted = sentence.len() as u32;
    let offset = filler.len() as u64;
    // "gauge below the old mill " is shorter than a window, so nothing is an echo here.
    let runs = vec![
        Run::witnessed(0, quoted + 1, Source::Contribution(CREDITED), 1, 0, quoted + 1, offset),
        Run::nobody(quoted + 1, answer_bytes),
    ];
    let evidence = Evidence::new(runs.clone(), answer_bytes).unwrap();
    let terms = Terms {
        splits: Splits { protocol: 50_000, worker: 250_000, developer: 100_000, data: 600_000 },
        prices: Prices { input: 2_000_000_000_000_000, output: 6_000_000_000_000_000 },
    };
    let (prompt_salt, answer_salt) = (keccak256("prompt salt"), keccak256("answer salt"));
    let (input_tokens, output_tokens) = (13, 18);
    let receipt = AnswerReceipt {
        request_id: request_id(payer.address(), gateway.address(), 41),
        payer: payer.address(),
        gateway: gateway.address(),
        nonce: 41,
        worker: worker.address(),
        model: ModelId(1),
        model_hash: keccak256("fonte-quote"),
        adapter_hash: B256::ZERO,
        engine_class: EngineClass::Exact,
        visibility: Visibility::Open,
        versions: vec![DatanetVersion { datanet: DatanetId(3), version: Version(9) }],
        prompt_root: CommittedText::prompt(prompt.as_bytes(), prompt_salt).unwrap().commitment(),
        answer_root: CommittedText::answer(answer.as_bytes(), answer_salt).unwrap().commitment(),
        answer_bytes,
        input_tokens,
        output_tokens,
        seed: 5,
        fee: terms.prices.fee(input_tokens, output_tokens).unwrap(),
        method_version: 1,
        shares: Shares::from_evidence(&evidence),
        evidence_hash: evidence.hash(&OtherChannels::default()),
        issued_at: 1_790_000_000,
    };
    let id = receipt.id(&network);
    let countersignature = Countersignature {
        receipt: id,
        answer_root: receipt.answer_root,
        fee: receipt.fee,
        countersigned_at: 1_790_000_001,
    };
    let bundle = ReceiptBundle {
        format: BUNDLE_VERSION,
        id,
        network,
        model_name: "fonte-quote".into(),
        terms,
        signed_words: receipt.words(),
        worker_signature: sign(&worker, id).unwrap(),
        gateway_signature: sign(&gateway, countersignature.digest(&network)).unwrap(),
        countersignature,
        prompt: SaltedText { text: prompt, salt: prompt_salt },
        answer: SaltedText { text: answer, salt: answer_salt },
        run_leaves: run_leaves(&runs),
        runs,
        other_channels: OtherChannels::default(),
        log_probs: None,
        generation: None,
        generation_words: Vec::new(),
        cited: vec![CitedContribution {
            contribution: CREDITED,
            root: contribution_root(&tree),
            membership: Membership { datanet: DatanetId(3), added: Version(4), withdrawn: None },
            contributor: key("contributor").address(),
            payee: Address::repeat_byte(0x77),
            curator: Address::repeat_byte(0x78),
            curator_ppm: 50_000,
            documents: vec![CitedDocument {
                metadata: documents[1].0.clone(),
                opening: DocumentOpening {
                    index: 1,
                    documents: 3,
                    path: tree.path(1),
                    chunks: committed[1].open_range(offset, offset + u64::from(quoted) + 1).unwrap(),
                },
            }],
        }],
        receipt,
    };
    drop(committed);
    Example { network, worker, gateway, payer, documents, bundle }
}

/// The example as an engine's answer: its receipt is of class `tolerance` and commits to log-probabilities.
pub fn recorded() -> Example {
    let mut example = example();
    let alternative = |text: &str, micronats| Alternative { bytes: Bytes::copy_from_slice(text.as_bytes()), micronats };
    let token = |text: &str, micronats, top| TokenLogProb { token: alternative(text, micronats), top };
    let log_probs = LogProbs {
        tokens: vec![
            token("The", -105_360, vec![alternative("The", -105_360), alternative("A", -2_407_945)]),
            token(" gauge", -1_203_972, vec![alternative(" river", -693_147)]),
            token(" below", 0, Vec::new()),
        ],
    };
    let Example { network, worker, gateway, bundle, .. } = &mut example;
    bundle.other_channels.context = log_probs.commitment();
    bundle.log_probs = Some(log_probs);
    let receipt = &mut bundle.receipt;
    receipt.engine_class = EngineClass::Tolerance;
    receipt.evidence_hash =
        Evidence::new(bundle.runs.clone(), receipt.answer_bytes).unwrap().hash(&bundle.other_channels);
    bundle.id = receipt.id(network);
    bundle.signed_words = receipt.words();
    bundle.worker_signature = sign(worker, bundle.id).unwrap();
    bundle.countersignature.receipt = bundle.id;
    bundle.gateway_signature = sign(gateway, bundle.countersignature.digest(network)).unwrap();
    example
}

/// Paths to every scalar below `value`.
pub fn leaves(value: &Value, path: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, v)| leaves(v, &format!("{path}/{name}"), into)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| leaves(v, &format!("{path}/{i}"), into)),
        Value::Null => {}
        _ => into.push(path.to_owned()),
    }
}

/// Another value of the same type and shape.
pub fn changed(value: &Value) -> Value {
    match value {
        Value::Number(n) => n.as_u64().map_or_else(|| Value::from(n.as_i64().unwrap() + 1), |n| Value::from(n + 1)),
        Value::Bool(b) => Value::from(!b),
        Value::String(s) => Value::from(match s.as_str() {
            "exact" => "tolerance".to_owned(),
            "tolerance" => "exact".to_owned(),
            "open" => "private".to_owned(),
            "nobody" => "prompt".to_owned(),
            "document" => "answer".to_owned(),
            "f32-exact" => "int8-exact".to_owned(),
            "system" => "developer".to_owned(),
            "user" => "tool".to_owned(),
            s if s.starts_with("0x") && s.len() > 2 => {
                let last = if s.ends_with('1') { '2' } else { '1' };
                format!("{}{last}", &s[..s.len() - 1])
            }
            s if s.bytes().all(|b| b.is_ascii_digit()) => (s.parse::<u128>().unwrap() + 1).to_string(),
            s => format!("{s}x"),
        }),
        other => panic!("not a scalar: {other}"),
    }
}

/// Each of these fields with another value, and what is said of it.
pub fn mutations(bundle: &Value, paths: Vec<String>) -> Vec<Value> {
    paths
        .into_iter()
        .map(|path| {
            let value = changed(bundle.pointer(&path).unwrap());
            mutation(bundle, &path, value)
        })
        .collect()
}

/// A place with another value, and the first check that fails of it (`null`: nothing offline binds it; `unreadable`: no
/// bundle any more).
pub fn mutation(bundle: &Value, path: &str, value: Value) -> Value {
    let mut tampered = bundle.clone();
    *tampered.pointer_mut(path).unwrap() = value.clone();
    let Ok(read) = serde_json::from_value::<ReceiptBundle>(tampered) else {
        return serde_json::json!({ "path": path, "value": value, "check": "unreadable" });
    };
    let checks = verify(&read).checks;
    let failed = checks.iter().find_map(|check| match &check.outcome {
        Outcome::Failed { differs, .. } => Some((check.name, differs.clone())),
        _ => None,
    });
    let (check, differs) = failed.unzip();
    serde_json::json!({ "path": path, "value": value, "check": check, "differs": differs })
}

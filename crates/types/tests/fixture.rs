//! The bytes that are hashed, signed and settled, pinned in `fixtures/receipt.json`; the Solidity tests read the same
//! file. `FONTE_BLESS=1 cargo test -p fonte-types` writes it anew: a change there is a change of the protocol.

mod common;

use std::path::Path;

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::{SolStruct, SolValue};
use common::{Example, example, key};
use fonte_types::{
    ContributionId, DatanetId, WINDOW,
    evidence::{Evidence, OtherChannels},
    merkle::{CommittedText, TextOpening, Tree, contribution_root},
    receipt::{ContributionTerms, Voucher, sign, withdrawal_digest},
    settlement::{Row, rows_tree},
};
use serde_json::{Value, json};

fn opening(opening: &TextOpening) -> Value {
    json!({
        "length": opening.length, "extra": opening.extra, "index": opening.index, "leafSalt": opening.leaf_salt,
        "chunk": opening.chunk, "path": opening.path,
    })
}

fn text(kind: u8, text: &str, salt: B256, committed: &CommittedText<'_>) -> Value {
    let chunks = text.len().div_ceil(1024).max(1) as u64;
    let openings: Vec<_> = (0..chunks).map(|i| opening(&committed.open_at(i * 1024).unwrap())).collect();
    json!({
        "kind": kind, "text": Bytes::copy_from_slice(text.as_bytes()), "salt": salt,
        "commitment": committed.commitment(), "openings": openings,
    })
}

fn fixture(example: &Example) -> Value {
    let Example { network, worker, gateway, payer, documents, bundle } = example;
    let contributor = key("contributor");
    let committed: Vec<_> = documents
        .iter()
        .map(|(metadata, text, salt)| CommittedText::document(text.as_bytes(), metadata, *salt).unwrap())
        .collect();
    let tree = Tree::new(committed.iter().map(CommittedText::commitment).collect());
    let mut texts: Vec<_> =
        documents.iter().zip(&committed).map(|((_, body, salt), committed)| text(2, body, *salt, committed)).collect();
    for (kind, salted) in [(4, &bundle.answer), (5, &bundle.prompt)] {
        let make = if kind == 4 { CommittedText::answer } else { CommittedText::prompt };
        texts.push(text(kind, &salted.text, salted.salt, &make(salted.text.as_bytes(), salted.salt).unwrap()));
    }
    let empty = CommittedText::answer(b"", B256::ZERO).unwrap();
    texts.push(text(4, "", B256::ZERO, &empty));

    let receipt = &bundle.receipt;
    let evidence = Evidence::new(bundle.runs.clone(), receipt.answer_bytes).unwrap();
    let others = OtherChannels::default();
    let runs: Vec<_> = (0..bundle.runs.len())
        .map(|index| {
            let opened = evidence.open(index as u32, &others).unwrap();
            let run = opened.run;
            json!({
                "start": run.start, "end": run.end, "contribution": run.source.code().to_string(),
                "document": run.document, "matchStart": run.match_start, "matchEnd": run.match_end,
                "offset": run.offset, "leaf": run.leaf(), "path": opened.path,
            })
        })
        .collect();

    let voucher = Voucher { payer: payer.address(), gateway: gateway.address(), total: 123_456_789, nonce: 3 };
    let terms = ContributionTerms {
        datanet: DatanetId(3),
        root: contribution_root(&tree),
        documents: 3,
        text_bytes: documents.iter().map(|(_, text, _)| text.len() as u64).sum(),
        payee: bundle.cited[0].payee,
        blind: B256::repeat_byte(0xb1),
        deadline: 1_790_000_600,
    };
    let row = Row::of(bundle.id, receipt);
    let other_row = Row { fee: 1, versions: vec![], shares: vec![], ..row.clone() };
    let rows = rows_tree([(payer.address(), &row), (payer.address(), &other_row), (gateway.address(), &row)]);
    let signed = receipt.to_signed();
    json!({
        "window": WINDOW,
        "network": {
            "chainId": network.chain_id, "networkId": network.network_id, "settlement": network.settlement,
            "datanets": network.datanets,
        },
        "keys": {
            "worker": worker.to_bytes(), "gateway": gateway.to_bytes(), "payer": payer.to_bytes(),
            "contributor": contributor.to_bytes(),
        },
        "addresses": {
            "worker": worker.address(), "gateway": gateway.address(), "payer": payer.address(),
            "contributor": contributor.address(),
        },
        "texts": texts,
        "contribution": {
            "root": contribution_root(&tree),
            "documents": committed.iter().map(CommittedText::commitment).collect::<Vec<_>>(),
            "paths": (0..3).map(|i| tree.path(i)).collect::<Vec<_>>(),
            "metadataHashes": documents.iter().map(|(metadata, ..)| metadata.hash()).collect::<Vec<_>>(),
        },
        "evidence": { "runs": runs, "hash": receipt.evidence_hash },
        "receipt": {
            "encodedType": fonte_types::receipt::signed::AnswerReceipt::eip712_encode_type(),
            "abi": Bytes::from(signed.abi_encode()),
            "structHash": signed.eip712_hash_struct(), "id": bundle.id, "workerSignature": bundle.worker_signature,
            "words": bundle.signed_words,
        },
        "countersignature": {
            "receipt": bundle.countersignature.receipt, "answerRoot": bundle.countersignature.answer_root,
            "fee": bundle.countersignature.fee.to_string(),
            "countersignedAt": bundle.countersignature.countersigned_at,
            "digest": bundle.countersignature.digest(network), "signature": bundle.gateway_signature,
        },
        "voucher": {
            "payer": voucher.payer, "gateway": voucher.gateway, "total": voucher.total.to_string(),
            "nonce": voucher.nonce, "digest": voucher.digest(network),
            "signature": sign(payer, voucher.digest(network)).unwrap(),
        },
        "terms": {
            "datanet": 3, "root": terms.root, "documents": 3, "textBytes": terms.text_bytes, "payee": terms.payee,
            "blind": terms.blind, "deadline": terms.deadline, "digest": terms.digest(network),
            "commitment": terms.commitment(contributor.address()),
            "signature": sign(&contributor, terms.digest(network)).unwrap(),
        },
        "withdrawal": {
            "contribution": 7, "deadline": terms.deadline,
            "digest": withdrawal_digest(ContributionId(7), terms.deadline, network),
        },
        "row": {
            "abi": Bytes::from((payer.address(), row.clone()).abi_encode_params()),
            "leaf": row.leaf(payer.address()), "rowsRoot": rows.root(), "path": rows.path(0),
        },
    })
}

#[test]
fn the_bytes_are_the_pinned_ones() {
    let made = fixture(&example());
    let path = Path::new("../../fixtures/receipt.json").to_owned();
    if std::env::var_os("FONTE_BLESS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let pinned: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let made: Value = serde_json::from_str(&made.to_string()).unwrap();
    for (name, value) in made.as_object().unwrap() {
        assert_eq!(Some(value), pinned.get(name), "{name} is not as pinned in fixtures/receipt.json");
    }
    assert_eq!(made.as_object().unwrap().len(), pinned.as_object().unwrap().len());
}

#[test]
fn the_signed_type_is_spelled_as_specified() {
    let spec = include_str!("../../../docs/spec/receipt.md");
    let spelled = fonte_types::receipt::signed::AnswerReceipt::eip712_encode_type();
    assert!(spec.contains(spelled.as_ref()), "docs/spec/receipt.md does not spell {spelled}");
}

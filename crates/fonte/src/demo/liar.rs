//! A gateway that lies, from end to end: a friend republishes a quoted document, the gateway credits the friend, an
//! auditor recomputes the receipt from the texts, and the chain makes the gateway's bond pay the real author.
//!
//! The lie takes the ordinary way (stored, countersigned, settled): only the evidence and the shares are forged.

use std::path::Path;

use alloy_primitives::{Address, Bytes, U256};
use alloy_signer_local::PrivateKeySigner;
use eyre::{Result, WrapErr, bail, eyre};
use fonte_bindings::{Client, ContributionRecord, DatanetRecord};
use fonte_corpus::{Bundle, ImportOptions, Store};
use fonte_gateway::{Gateway, GatewayConfig, GatewayHandle, UncheckedAnswer};
use fonte_types::{
    ContributionId,
    bundle::{CitedContribution, CitedDocument, ReceiptBundle},
    evidence::{Evidence, Run, Source},
    merkle::{CommittedText, DocumentOpening},
    receipt::{AnswerReceipt, request_id, sign},
    shares::Shares,
    wire::{SignedAnswer, Told},
};

use super::{DEPOSIT, accept, report::Caught};
use crate::{
    challenge::{Auditor, Proof},
    embedded::Embedded,
    gateway_api::GatewayApi,
    keys,
    publish::{BadFiles, Publisher},
};

/// The run to lie about: the longest that a contribution is credited for.
fn target(bundle: &ReceiptBundle) -> Option<&Run> {
    let paid = |run: &&Run| matches!(run.source, Source::Contribution(id) if bundle.receipt.shares.of(id) > 0);
    let author = |run: &&Run| {
        let cited = |c: &CitedContribution| run.source == Source::Contribution(c.contribution);
        bundle.cited.iter().find(|c| cited(c)).is_some_and(|c| c.contributor == c.payee)
    };
    // The commons are no one's to be robbed of: their contributor is the treasury, in datanet 1.
    let private = |run: &&Run| {
        let cited = |c: &CitedContribution| run.source == Source::Contribution(c.contribution);
        bundle.cited.iter().find(|c| cited(c)).is_some_and(|c| c.membership.datanet.0 != 1)
    };
    bundle.runs.iter().filter(paid).filter(author).filter(private).max_by_key(|run| run.bytes())
}

pub(super) fn can_lie_about(bundle: &ReceiptBundle) -> bool {
    target(bundle).is_some()
}

pub(super) async fn lie_and_be_caught(
    net: &Embedded,
    honest_gateway: &GatewayApi,
    victim: &ReceiptBundle,
    home: &Path,
) -> Result<Caught> {
    let run = *target(victim).ok_or_else(|| eyre!("nothing to lie about"))?;
    let Source::Contribution(author) = run.source else { bail!("the run is not a contribution's") };
    let friend = republish(net, honest_gateway, victim, author, run.document, home).await?;

    let key = keys::development("liar");
    let mut config = GatewayConfig::new(net.chain.rpc_url(), key.clone(), home.join("liar"));
    config.addresses = net.chain.addresses();
    config.settlement.interval = None;
    config.settlement.keeper_interval = None;
    let liar = Gateway::start(config).await.wrap_err("starting the lying gateway")?;
    let outcome = Box::pin(lie(net, honest_gateway, victim, &run, &friend, &liar, &key, home)).await;
    liar.shutdown().await;
    outcome
}

/// The friend's contribution on chain, and its texts.
struct Friend {
    record: ContributionRecord,
    bundle: std::sync::Arc<Bundle>,
}

/// A friend of the gateway publishes a copy of the quoted document, later than its author.
async fn republish(
    net: &Embedded,
    gateway: &GatewayApi,
    victim: &ReceiptBundle,
    author: ContributionId,
    document: u32,
    home: &Path,
) -> Result<Friend> {
    let cited = victim.cited.iter().find(|c| c.contribution == author).ok_or_else(|| eyre!("author not cited"))?;
    let store = Store::open(&home.join("copied"))?;
    let copied = net.operator.contribution(author).await?.ok_or_else(|| eyre!("the author is not on chain"))?;
    let bytes = gateway.bundle(&copied).await?;
    let original = store.receive(cited.root, bytes.as_slice())?;
    let folder = home.join("friend");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("my-own-words.txt"), original.text(document)?)?;

    let publisher = Publisher::open(&home.join("friend-home"), gateway.clone(), *net.operator.network())?;
    let signer = PrivateKeySigner::random();
    let payee = signer.address();
    let options = ImportOptions { default_licence: Some("CC-BY-4.0".into()), ..ImportOptions::default() };
    let datanet = cited.membership.datanet;
    let (prepared, _) =
        publisher.prepare(&folder, "friend", datanet, signer, payee, options, BadFiles::Refuse, |_| ())?;
    let prepared = prepared.ok_or_else(|| eyre!("the copy holds no text"))?;
    let root = prepared.publication.root;
    let published = publisher.drive(vec![prepared], |_, _| ()).await?;
    accept(&net.operator, &published).await?;
    net.adopted().await?;
    let id = published.first().ok_or_else(|| eyre!("the copy was not published"))?.contribution;
    let record = net.operator.contribution(id).await?.ok_or_else(|| eyre!("the copy is not on chain"))?;
    let bundle = store.receive(root, gateway.bundle(&record).await?.as_slice())?;
    Ok(Friend { record, bundle })
}

#[expect(clippy::too_many_arguments, reason = "the cast of one scene")]
async fn lie(
    net: &Embedded,
    honest_gateway: &GatewayApi,
    victim: &ReceiptBundle,
    run: &Run,
    friend: &Friend,
    liar: &GatewayHandle,
    key: &PrivateKeySigner,
    home: &Path,
) -> Result<Caught> {
    let api = GatewayApi::new(liar.url())?;
    let payer = net.chain.client(Some(keys::development("payer"))).await?;
    let address = payer.sender().ok_or_else(|| eyre!("no payer"))?;
    let made = api.api_key(address).await?;
    let settlement = payer.settlement_contract();
    payer.send("setting the liar's limit", settlement.setLimit(made.gateway, made.session_key, DEPOSIT)).await?;
    let bond_client = net.chain.client(Some(key.clone())).await?;
    let contract = bond_client.settlement_contract();
    let bond = contract.bond().value(U256::from(crate::embedded::FNT));
    bond_client.send("the liar's bond", bond).await?;

    let forged = forge(net, victim, run, friend, liar, key, address).await?;
    let forged = liar.countersign_and_store(forged)?;

    // An auditor who trusts nobody: the texts from the honest gateway, checked against the chain, and indexed before the
    // lie is settled, because the demo's window is short.
    let auditor_client = net.chain.client(Some(keys::development("author"))).await?;
    let published = api.receipt(forged.id, None).await?;
    let auditor = Auditor::prepare(&home.join("audit"), &auditor_client, honest_gateway, &published).await?;
    let findings = auditor.findings(&published)?;
    let finding = findings.first().ok_or_else(|| eyre!("the lie was not found"))?;
    liar.flush_settlement().await?;
    // The chain says how it was settled: the liar is not asked.
    let settled = auditor_client.settled_row(forged.id, None).await?;
    let settled = settled.ok_or_else(|| eyre!("the lie was not settled"))?;
    let harmed = victim
        .cited
        .iter()
        .find(|c| run.source == Source::Contribution(c.contribution))
        .map(|c| c.payee)
        .ok_or_else(|| eyre!("the author is not cited"))?;
    let harmed_before_wei = net.operator.balance(harmed).await?;
    let bond_before_wei = net.operator.settlement_contract().bondOf(liar.gateway()).call().await?;
    let proof = Proof { bundle: &published, settled: &settled, finding, auditor: Some(&auditor) };
    let mut proved = None;
    for step in proof.steps(&auditor_client).await? {
        proved = Some(auditor_client.submit(step.what, step.request).await?);
    }
    let challenged = proof.outcome(&proved.ok_or_else(|| eyre!("no challenge was sent"))?)?;
    let bond_after_wei = net.operator.settlement_contract().bondOf(liar.gateway()).call().await?;
    collect(&net.operator, harmed).await?;
    let harmed_after_wei = net.operator.balance(harmed).await?;
    Ok(Caught { challenged, receipt: forged.id, harmed_before_wei, harmed_after_wei, bond_before_wei, bond_after_wei })
}

/// What could not be pushed to an account waits for it as a claim; anyone may have it paid.
async fn collect(client: &Client, account: Address) -> Result<()> {
    let settlement = client.settlement_contract();
    if !settlement.claimable(account).call().await?.is_zero() {
        client.send("collecting the claim", settlement.claimFor(account)).await?;
    }
    Ok(())
}

/// The honest answer once more, with the friend in the author's place.
async fn forge(
    net: &Embedded,
    victim: &ReceiptBundle,
    run: &Run,
    friend: &Friend,
    liar: &GatewayHandle,
    key: &PrivateKeySigner,
    payer: Address,
) -> Result<UncheckedAnswer> {
    let mut versions = victim.receipt.versions.clone();
    for version in net.operator.versions().await? {
        if let Some(named) = versions.iter_mut().find(|named| named.datanet == version.datanet) {
            named.version = version.version;
        }
    }
    let copy = friend.bundle.text(0)?;
    let mut runs = victim.runs.clone();
    let mut openings = Vec::new();
    for forged in runs.iter_mut().filter(|r| r.source == run.source && r.document == run.document) {
        let matched = victim
            .answer
            .text
            .as_bytes()
            .get(forged.match_start as usize..forged.match_end as usize)
            .ok_or_else(|| eyre!("the honest run lies outside of its answer"))?;
        let offset = copy
            .as_bytes()
            .windows(matched.len())
            .position(|window| window == matched)
            .ok_or_else(|| eyre!("the copy does not hold the quote"))?;
        forged.source = Source::Contribution(friend.record.id);
        forged.document = 0;
        forged.offset = offset as u64;
        openings.push(offset..offset + matched.len());
    }
    let evidence = Evidence::new(runs.clone(), victim.receipt.answer_bytes)?;
    let nonce = liar.next_nonce();
    let receipt = AnswerReceipt {
        request_id: request_id(payer, liar.gateway(), nonce),
        payer,
        gateway: liar.gateway(),
        nonce,
        worker: key.address(),
        versions,
        shares: Shares::from_evidence(&evidence),
        evidence_hash: evidence.hash(&victim.other_channels),
        ..victim.receipt.clone()
    };
    let signature: Bytes = sign(key, receipt.id(liar.network())).wrap_err("signing the lie")?;
    let mut cited = victim.cited.clone();
    let still = |c: &CitedContribution| runs.iter().any(|r| r.source == Source::Contribution(c.contribution));
    cited.retain(still);
    let datanets = net.operator.datanets().await?;
    let datanet = datanets.iter().find(|d| d.id == friend.record.membership.datanet);
    let datanet = datanet.ok_or_else(|| eyre!("the copy is in no datanet"))?;
    cited.push(cite(friend, datanet, openings)?);
    Ok(UncheckedAnswer {
        model_name: victim.model_name.clone(),
        terms: victim.terms,
        prompt: victim.prompt.clone(),
        answer: victim.answer.clone(),
        signed: SignedAnswer {
            receipt,
            signature,
            runs,
            other_channels: victim.other_channels,
            cited,
            told: Told::default(),
        },
    })
}

/// The friend's document, opened where the forged runs point.
fn cite(friend: &Friend, datanet: &DatanetRecord, ranges: Vec<std::ops::Range<usize>>) -> Result<CitedContribution> {
    let salted = friend.bundle.document(0)?;
    let text = salted.document.text.as_bytes();
    let committed = CommittedText::document(text, &salted.document.metadata, salted.salt)?;
    let mut chunks = Vec::new();
    for range in ranges {
        for position in [range.start, range.end - 1] {
            let chunk = committed.open_at(position as u64)?;
            if !chunks.contains(&chunk) {
                chunks.push(chunk);
            }
        }
    }
    chunks.sort_by_key(|chunk| chunk.index);
    let opening = friend.bundle.open_range(0, 0..1)?;
    Ok(CitedContribution {
        contribution: friend.record.id,
        root: friend.record.root,
        membership: friend.record.membership,
        contributor: friend.record.contributor,
        payee: friend.record.payee,
        curator: datanet.curator,
        curator_ppm: datanet.policy.curator_ppm,
        documents: vec![CitedDocument {
            metadata: salted.document.metadata.clone(),
            opening: DocumentOpening { chunks, ..opening },
        }],
    })
}

//! `fonte demo`: the whole line, from documents to money, on an embedded network, then exit.

mod collection;
mod liar;
mod report;

use std::{collections::BTreeMap, path::Path};

use alloy_primitives::{Address, B256, U256};
use alloy_signer_local::PrivateKeySigner;
use eyre::{Result, WrapErr, bail, eyre};
use fonte_bindings::{
    Client,
    client::{ContributionStatus, Policy, ReviewRule},
    contracts::Datanets,
    convert,
};
use fonte_corpus::ImportOptions;
use fonte_types::{
    ContributionId, DatanetId,
    bundle::{ReceiptBundle, Verification, verify},
};
use indicatif::ProgressBar;

use crate::{
    args::{Common, Demo},
    datanet::{jurisdiction, print_skipped, progress_bar, show_progress},
    development::QUOTE_MODEL,
    embedded::{Elsewhere, Embedded, EmbeddedConfig, FNT},
    gateway_api::GatewayApi,
    keys,
    publish::{BadFiles, Prepared, Published, Publisher},
    receipt::chain_checks,
    say::say,
};

pub(crate) use collection::with_shipped;
use collection::{Collection, Contributor};
use report::Report;

/// Contributions that a curator admits in one transaction.
const ACCEPT_BATCH: usize = 100;

/// What the payer deposits, and lets each gateway spend.
const DEPOSIT: u128 = 20 * FNT;

/// Runs the demo; `json` prints one object at the end instead of telling the story as it goes.
pub(crate) async fn run(common: &Common, demo: Demo) -> Result<()> {
    let json = common.json;
    let home = tempfile::Builder::new().prefix("fonte-demo-").tempdir().wrap_err("making a folder for the demo")?;
    let tell = Tell { quiet: json };

    tell.chapter(&say!("1. a network, in this process", "1. uma rede, neste processo"));
    let net = Embedded::start(EmbeddedConfig {
        elsewhere: Elsewhere::of(common)?,
        ..EmbeddedConfig::demo(home.path().join("network"))
    })
    .await?;
    tell.line(&say!(
        "chain {} at {}, gateway at {}, one worker",
        "cadeia {} em {}, gateway em {}, uma máquina",
        net.operator.network().chain_id,
        net.chain.rpc_url(),
        net.gateway.url()
    ));
    let outcome = Box::pin(story(&net, &demo, home.path(), &tell)).await;
    net.shutdown().await?;
    let report = outcome?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    report.check()
}

/// Everything between start and stop.
async fn story(net: &Embedded, demo: &Demo, home: &Path, tell: &Tell) -> Result<Report> {
    let (collection, questions) = match &demo.docs {
        Some(folder) => (Collection::of_folder(folder)?, demo.question.clone()),
        None => {
            let shipped = collection::extract_shipped(&home.join("shipped"))?;
            let showcase = collection::showcase(&shipped)?;
            let asked = if demo.question.is_empty() { showcase } else { demo.question.clone() };
            (Collection::shipped(&shipped)?, asked)
        }
    };
    let gateway = GatewayApi::new(net.gateway.url())?;

    tell.chapter(&say!("2. people publish documents", "2. pessoas publicam documentos"));
    let contributors = publish(net, &gateway, &collection, &home.join("contributors"), tell).await?;
    let questions = if questions.is_empty() { collection.suggest_questions()? } else { questions };

    tell.chapter(&say!("3. questions, answered in quotes", "3. perguntas, respondidas com citações"));
    let api_key = open_account(net, &gateway).await?;
    let mut report = Report::default();
    let mut bundles = Vec::new();
    for question in &questions {
        let answer = gateway.ask(Some(&api_key), QUOTE_MODEL, question, false).await?;
        let id: B256 = answer["fonte"]["receipt"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| eyre!("the answer carries no receipt: {answer}"))?;
        let bundle = gateway.receipt(id, None).await?;
        report.add_answer(question, &bundle, &contributors);
        tell.answer(report.answers.last().ok_or_else(|| eyre!("no answer"))?);
        bundles.push(bundle);
    }

    tell.chapter(&say!(
        "4. the fees are settled by contract, and arrive",
        "4. as taxas são liquidadas por contrato, e chegam"
    ));
    let payees = report.payees();
    let before = balances(&net.operator, &payees).await?;
    for batch in net.gateway.flush_settlement().await? {
        tell.line(&say!(
            "{} receipts in one transaction, block {}: {}",
            "{} recibos em uma transação, bloco {}: {}",
            batch.rows,
            batch.block,
            batch.tx
        ));
        report.add_settlement(batch.tx, batch.block);
    }
    net.gateway.push_all().await?;
    let after = balances(&net.operator, &payees).await?;
    report.set_balances(&payees, &before, &after, &contributors);
    tell.balances(&report);

    tell.chapter(&say!("5. check it yourself", "5. confira você mesmo"));
    let Some(honest) = bundles.iter().find(|b| !b.receipt.shares.as_slice().is_empty()).or(bundles.first()) else {
        bail!(say!("no question was asked: give --question", "nenhuma pergunta foi feita: use --question"));
    };
    let standing = gateway.settlement(honest.id).await?;
    let mut checks = verify(honest).checks;
    checks.extend(chain_checks(&net.operator, honest, Some(&standing)).await?);
    let verification = Verification::of(checks);
    tell.verification(honest.id, &verification);
    report.verify.ok = verification.ok;
    let tampered = verify(&tamper(honest));
    tell.line(&say!(
        "a copy with one share raised by 1 ppm: refused, {} differs",
        "uma cópia com uma fração aumentada em 1 ppm: recusada, {} difere",
        tampered.differs.as_deref().unwrap_or("nothing")
    ));
    report.tampered.ok = tampered.ok;
    report.tampered.differs = tampered.differs;

    tell.chapter(&say!("6. a gateway lies, and pays for it", "6. um gateway mente, e paga por isso"));
    match bundles.iter().find(|bundle| liar::can_lie_about(bundle)) {
        Some(victim) => {
            let caught = Box::pin(liar::lie_and_be_caught(net, &gateway, victim, home)).await?;
            tell.challenge(&caught, &contributors);
            report.challenge = Some(caught);
        }
        None => tell.line(&say!(
            "no answer quotes a paid source, so there is nothing to lie about",
            "nenhuma resposta cita uma fonte paga, então não há sobre o que mentir"
        )),
    }
    Ok(report)
}

/// Creates the collection's datanets and publishes every contributor's folder, in order, each under a key of their own.
pub(crate) async fn publish(
    net: &Embedded,
    gateway: &GatewayApi,
    collection: &Collection,
    data_dir: &Path,
    tell: &Tell,
) -> Result<BTreeMap<ContributionId, Contributor>> {
    let publisher = Publisher::open(data_dir, gateway.clone(), *net.operator.network())?;
    let mut datanets = BTreeMap::new();
    for datanet in &collection.datanets {
        let policy = Policy {
            jurisdictions: datanet.jurisdictions.iter().map(|code| jurisdiction(code)).collect::<Result<_>>()?,
            ..Policy::permissive(&datanet.licence, ReviewRule::Curator)
        };
        let contract = net.operator.datanets_contract();
        let call = contract.create(datanet.name.clone(), convert::policy(&policy));
        let receipt = net.operator.send("creating a datanet", call).await?;
        let id = receipt.decoded_log::<Datanets::Created>().ok_or_else(|| eyre!("no datanet was created"))?.datanet;
        datanets.insert(datanet.name.clone(), DatanetId(id));
    }
    let bar = progress_bar(tell.quiet);
    let (prepared, signers) = prepare_all(&publisher, collection, &datanets, &bar, tell)?;
    bar.finish_and_clear();
    let published = publisher.drive(prepared, |_, _| ()).await?;
    accept(&net.operator, &published).await?;
    net.adopted().await?;
    let documents: u32 = published.iter().map(|p| p.documents).sum();
    let bytes: u64 = published.iter().map(|p| p.text_bytes).sum();
    tell.line(&say!(
        "{documents} documents ({bytes} bytes) of {} contributors in {} datanets: committed, revealed, accepted, indexed",
        "{documents} documentos ({bytes} bytes) de {} autores em {} datanets: registrados, revelados, aceitos, indexados",
        published.len(),
        collection.datanets.len()
    ));
    Ok(published.into_iter().filter_map(|p| signers.get(&p.name).map(|c| (p.contribution, c.clone()))).collect())
}

type Signers = BTreeMap<String, Contributor>;

fn prepare_all(
    publisher: &Publisher,
    collection: &Collection,
    datanets: &BTreeMap<String, DatanetId>,
    bar: &ProgressBar,
    tell: &Tell,
) -> Result<(Vec<Prepared>, Signers)> {
    let (mut prepared, mut signers, mut all_skipped) = (Vec::new(), BTreeMap::new(), Vec::new());
    for source in &collection.sources {
        let datanet = datanets.get(&source.datanet).ok_or_else(|| eyre!("no datanet {}", source.datanet))?;
        let signer = PrivateKeySigner::random();
        let payee = signer.address();
        let licence = collection.licence_of(&source.datanet);
        let options = ImportOptions { default_licence: licence, ..ImportOptions::default() };
        bar.set_message(source.name.clone());
        let (one, skipped) = publisher
            .prepare(&source.folder, &source.name, *datanet, signer, payee, options, BadFiles::Skip, |at| {
                show_progress(bar, at);
            })
            .wrap_err_with(|| format!("importing {}", source.folder.display()))?;
        all_skipped.extend(skipped);
        if let Some(one) = one {
            signers.insert(source.name.clone(), Contributor { name: source.name.clone(), payee });
            prepared.push(one);
        }
    }
    if prepared.is_empty() {
        bail!(say!(
            "there is nothing to publish: the folder needs .md, .txt, .html or plain text files",
            "não há nada a publicar: a pasta precisa de arquivos .md, .txt, .html ou texto puro"
        ));
    }
    if !tell.quiet {
        print_skipped(&all_skipped);
    }
    Ok((prepared, signers))
}

/// The curator admits what waits.
pub(crate) async fn accept(curator: &Client, published: &[Published]) -> Result<()> {
    let mut pending = Vec::new();
    let first = published.iter().map(|p| p.contribution).min().unwrap_or_default();
    for record in curator.contributions(first).await? {
        if record.status == ContributionStatus::Pending && published.iter().any(|p| p.contribution == record.id) {
            pending.push(record.id.0);
        }
    }
    for batch in pending.chunks(ACCEPT_BATCH) {
        let contract = curator.datanets_contract();
        let call = contract.acceptBatch(batch.to_vec());
        curator.send("accepting contributions", call).await?;
    }
    Ok(())
}

/// A payer with a deposit, and an API key that may spend it.
pub(crate) async fn open_account(net: &Embedded, gateway: &GatewayApi) -> Result<String> {
    let payer = net.chain.client(Some(keys::development("payer"))).await?;
    let address = payer.sender().ok_or_else(|| eyre!("no payer"))?;
    let settlement = payer.settlement_contract();
    payer.send("the deposit", settlement.depositFor(address).value(U256::from(DEPOSIT))).await?;
    let made = gateway.api_key(address).await?;
    payer.send("setting the limit", settlement.setLimit(made.gateway, made.session_key, DEPOSIT)).await?;
    Ok(made.api_key)
}

async fn balances(client: &Client, accounts: &[Address]) -> Result<BTreeMap<Address, u128>> {
    let mut balances = BTreeMap::new();
    for account in accounts {
        balances.insert(*account, client.balance(*account).await?);
    }
    Ok(balances)
}

/// A copy in which the first share (or, without shares, the fee) is one unit higher.
fn tamper(honest: &ReceiptBundle) -> ReceiptBundle {
    let mut copy = honest.clone();
    let mut shares = copy.receipt.shares.as_slice().to_vec();
    match shares.first_mut() {
        Some(share) if share.ppm < fonte_types::PPM => share.ppm += 1,
        Some(share) => share.ppm -= 1,
        None => copy.receipt.fee += 1,
    }
    if let Ok(changed) = fonte_types::shares::Shares::checked(shares) {
        copy.receipt.shares = changed;
    }
    copy
}

/// Tells the story, or keeps quiet where JSON was asked for.
pub(crate) struct Tell {
    pub(crate) quiet: bool,
}

impl Tell {
    pub(crate) fn line(&self, text: &str) {
        if !self.quiet {
            println!("  {text}");
        }
    }

    fn chapter(&self, title: &str) {
        if !self.quiet {
            println!("\n{title}");
        }
    }
}

//! `fonte datanet create|publish|list|show|review|withdraw`; `claim` and `payee` have files of their own.

use std::path::Path;

use alloy_primitives::U256;
use eyre::{Result, WrapErr, bail, eyre};
use fonte_bindings::{
    Client,
    abi::plain,
    client::{ContributionStatus, Policy, ReviewRule},
    contracts::Datanets,
    convert,
};
use fonte_corpus::{
    ImportOptions, check_licence,
    import::{Progress, Skipped, count_by_reason},
    journal::Publication,
};
use fonte_types::{
    ContributionId, DatanetId,
    receipt::{sign, withdrawal_digest},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    args::{Common, Datanet, DatanetCreate, DatanetPublish},
    context::{Context, signer},
    errors::word,
    gateway_api::Duplicates,
    money::parse_fnt,
    origins, payee,
    publish::{BadFiles, Prepared, Publisher, now},
    say::say,
    transact::{Step, show as show_effects, step, transact, transact_all},
};

pub(crate) async fn run(common: &Common, command: Datanet) -> Result<()> {
    match command {
        Datanet::Create(create) => self::create(common, create).await,
        Datanet::Publish(publish) => self::publish(common, publish).await,
        Datanet::List => list(common).await,
        Datanet::Show { datanet } => show(common, &datanet).await,
        Datanet::Review { datanet, accept, reject } => review(common, &datanet, accept, reject).await,
        Datanet::Claim { url, author, ask } => origins::claim(common, &url, author, ask).await,
        Datanet::Withdraw { contribution } => withdraw(common, ContributionId(contribution)).await,
        Datanet::Payee { contribution, payee, split } => payee::set(common, contribution, payee, &split).await,
    }
}

async fn create(common: &Common, create: DatanetCreate) -> Result<()> {
    check_licence(&create.licence)?;
    let jurisdictions = create.jurisdiction.iter().map(|code| jurisdiction(code)).collect::<Result<_>>()?;
    let context = Context::signing(common).await?;
    let (review, approvals, reviewers) = review_rule(&create.review)?;
    let policy = Policy {
        train: !create.no_train,
        quote: !create.no_quote,
        private: !create.no_private,
        keep: create.keep,
        approvals,
        reviewers,
        curator_ppm: create.curator_cut,
        price_floor: parse_fnt(&create.price_floor)?,
        jurisdictions,
        ..Policy::permissive(&create.licence, review)
    };
    if context.client.datanets().await?.iter().any(|datanet| datanet.name == create.name) {
        bail!(say!(
            "there is a datanet named {} already: choose another name",
            "já existe um datanet chamado {}: escolha outro nome",
            create.name
        ));
    }
    let contract = context.client.datanets_contract();
    let call = contract.create(create.name.clone(), convert::policy(&policy));
    let Some(receipt) = transact(common, &context.client, "creating the datanet", call).await? else { return Ok(()) };
    let id = receipt
        .decoded_log::<Datanets::Created>()
        .ok_or_else(|| eyre!("the datanet was created and no event says so"))?
        .datanet;
    if common.json {
        println!("{}", json!({"datanet": id, "name": create.name, "tx": receipt.transaction_hash}));
    } else {
        println!(
            "{}",
            say!(
                "datanet {id} ({}) created in {}",
                "datanet {id} ({}) criado em {}",
                create.name,
                receipt.transaction_hash
            )
        );
    }
    Ok(())
}

/// open, curator, or K-of-N: the rule, approvals and seats.
fn review_rule(text: &str) -> Result<(ReviewRule, u8, u8)> {
    match text {
        "open" => return Ok((ReviewRule::Open, 0, 0)),
        "curator" => return Ok((ReviewRule::Curator, 0, 0)),
        _ => (),
    }
    let panel = text.split_once("-of-").and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match panel {
        Some((approvals, reviewers)) if 1 <= approvals && approvals <= reviewers && reviewers <= 15 => {
            Ok((ReviewRule::Reviewers, approvals, reviewers))
        }
        _ => bail!(say!(
            "{text:?} is no review rule: give open, curator, or K-of-N with at most 15 reviewers, such as 2-of-3",
            "{text:?} não é uma regra de revisão: informe open, curator ou K-of-N com até 15 revisores, como 2-of-3"
        )),
    }
}

/// Two upper-case letters.
pub(crate) fn jurisdiction(code: &str) -> Result<[u8; 2]> {
    match code.as_bytes() {
        [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok([*a, *b]),
        _ => bail!(say!(
            "{code:?} is no ISO 3166-1 alpha-2 code: two capital letters",
            "{code:?} não é um código ISO 3166-1 alfa-2: duas letras maiúsculas"
        )),
    }
}

async fn publish(common: &Common, publish: DatanetPublish) -> Result<()> {
    let context = Context::read_only(common).await?;
    let datanet = context.datanet(&publish.datanet).await?;
    let signer = signer(common)?;
    crate::keys::refuse_development(signer.address(), context.client.network())?;
    let payee = match &publish.origin {
        Some(url) => origins::vault(common, &context, url).await?,
        None => publish.payee.unwrap_or(signer.address()),
    };
    let name = publish.name.clone().unwrap_or_else(|| folder_name(&publish.folder));
    let publisher = Publisher::open(&context.data_dir, context.gateway.clone(), *context.client.network())?;
    let options = ImportOptions { default_licence: Some(datanet.policy.licence.clone()), ..ImportOptions::default() };
    let bar = progress_bar(common.json);
    let bad_files = if publish.strict { BadFiles::Refuse } else { BadFiles::Skip };
    let prepare = || {
        let (signer, options) = (signer.clone(), options.clone());
        publisher.prepare(&publish.folder, &name, datanet.id, signer, payee, options, bad_files, |at| {
            show_progress(&bar, at);
        })
    };
    let (mut prepared, mut skipped) = prepare()?;
    let replaces = match &prepared {
        Some(begun) => came_to_nothing(&context.client, &begun.publication).await?,
        None => None,
    };
    if let Some(begun) = prepared.take_if(|_| replaces.is_some()) {
        publisher.forget(begun)?;
        (prepared, skipped) = prepare()?;
    }
    bar.finish_and_clear();
    if let Some((contribution, status)) = &replaces
        && !common.json
    {
        println!(
            "{}",
            say!(
                "contribution {contribution} is {status}: the texts are published again, as a new contribution",
                "a contribuição {contribution} está como {status}: os textos são publicados de novo, como nova contribuição"
            )
        );
    }
    if let Some(named) = prepared.as_ref().and_then(|begun| begun.publication.payee).filter(|named| *named != payee) {
        bail!(say!(
            "the publication of {name} was begun with earnings to {named}, and its commit holds to that: go on with \
             --payee {named}; `fonte datanet payee` names another payee afterwards",
            "a publicação de {name} foi iniciada com ganhos para {named}, e o compromisso vale para essa conta: continue \
             com --payee {named}; `fonte datanet payee` informa outra conta depois"
        ));
    }
    if !common.json {
        print_skipped(&skipped);
    }
    if common.dry_run {
        return show_prepared(common, prepared.as_ref(), payee, &skipped);
    }
    let Some(prepared) = prepared else {
        bail!(say!(
            "{} holds nothing that can be published",
            "{} não tem nada que possa ser publicado",
            publish.folder.display()
        ));
    };
    let published = publisher
        .drive(vec![prepared], |step, count| tracing::info!(step, count, "published"))
        .await
        .wrap_err_with(|| {
            say!(
                "publishing {name}: nothing is half-registered, run the same command to go on",
                "publicando {name}: nada ficou pela metade, repita o comando para continuar"
            )
        })?;
    let done = published.first().ok_or_else(|| eyre!("nothing was published"))?;
    let record = context.client.contribution(done.contribution).await?;
    let status = record.as_ref().map(|record| record.status);
    // What was published before may have another payee by now.
    let payee = record.map_or(payee, |record| record.payee);
    if common.json {
        println!(
            "{}",
            json!({"contribution": done.contribution, "datanet": datanet.id, "documents": done.documents,
                   "bytes": done.text_bytes, "status": status, "payee": payee,
                   "replaces": replaces.map(|(contribution, _)| contribution),
                   "skipped": count_by_reason(&skipped)})
        );
    } else {
        println!(
            "{}",
            say!(
                "contribution {} in {}: {} documents, {} bytes, {}",
                "contribuição {} em {}: {} documentos, {} bytes, {}",
                done.contribution,
                datanet.name,
                done.documents,
                done.text_bytes,
                status.map_or_else(String::new, |status| format!("{status:?}").to_lowercase())
            )
        );
    }
    Ok(())
}

/// The contribution that a publication ended in and how that stands, where it can be submitted again: nobody took it, or
/// somebody took it back.
async fn came_to_nothing(client: &Client, publication: &Publication) -> Result<Option<(ContributionId, String)>> {
    let Some(contribution) = publication.state.contribution() else { return Ok(None) };
    let record = client.contribution(contribution).await?.filter(|record| record.root == publication.root);
    Ok(record
        .filter(|record| matches!(record.status, ContributionStatus::Rejected | ContributionStatus::Withdrawn))
        .map(|record| (contribution, word("contribution", record.status as usize + 1))))
}

/// What would be published, in a dry run: it is cleaned and sealed on this machine, and nothing leaves it.
fn show_prepared(
    common: &Common,
    prepared: Option<&Prepared>,
    payee: alloy_primitives::Address,
    skipped: &[Skipped],
) -> Result<()> {
    let root = prepared.map(|prepared| prepared.publication.root);
    if common.json {
        println!("{}", json!({"dry_run": true, "root": root, "payee": payee, "skipped": count_by_reason(skipped)}));
        return Ok(());
    }
    match root {
        Some(root) => println!(
            "{}",
            say!(
                "dry run: nothing was sent. It would commit and reveal {root}, earnings to {payee}",
                "simulação: nada foi enviado. Registraria e revelaria {root}, ganhos para {payee}"
            )
        ),
        None => println!("{}", say!("nothing can be published", "nada pode ser publicado")),
    }
    Ok(())
}

/// Last part of a path, as a contributor's name.
pub(crate) fn folder_name(folder: &Path) -> String {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    absolute.file_name().map_or_else(|| "documents".into(), |name| name.to_string_lossy().into_owned())
}

/// A bar on the terminal, or none.
pub(crate) fn progress_bar(hidden: bool) -> ProgressBar {
    if hidden {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("  {msg} {wide_bar} {pos}/{len} {elapsed}").expect("a fixed template");
    ProgressBar::new(0).with_style(style)
}

pub(crate) fn show_progress(bar: &ProgressBar, at: Progress) {
    bar.set_length(at.files_total as u64);
    bar.set_position(at.files as u64);
}

/// Names every skipped file with its remedy (the first twenty), and counts all by reason.
pub(crate) fn print_skipped(skipped: &[Skipped]) {
    for file in skipped.iter().take(20) {
        println!("  {}", say!("skipped {file}", "ignorado {file}"));
    }
    if !skipped.is_empty() {
        let counts: Vec<String> =
            count_by_reason(skipped).into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        println!("  {}", say!("{} files skipped: {}", "{} arquivos ignorados: {}", skipped.len(), counts.join(", ")));
    }
}

async fn list(common: &Common) -> Result<()> {
    let context = Context::read_only(common).await?;
    let datanets = context.client.datanets().await?;
    if common.json {
        println!("{}", serde_json::to_string_pretty(&datanets)?);
        return Ok(());
    }
    for datanet in datanets {
        let review = match datanet.policy.review {
            ReviewRule::Open => say!("open", "aberto"),
            ReviewRule::Curator => say!("curated", "curado"),
            ReviewRule::Reviewers => {
                let (approvals, reviewers) = (datanet.policy.approvals, datanet.policy.reviewers);
                say!("{approvals} of {reviewers} reviewers", "{approvals} de {reviewers} revisores")
            }
        };
        println!(
            "{:>4}  {:<24} v{:<6} {:<16} {review}",
            datanet.id, datanet.name, datanet.version, datanet.policy.licence
        );
    }
    Ok(())
}

async fn show(common: &Common, named: &str) -> Result<()> {
    let context = Context::read_only(common).await?;
    let datanet = context.datanet(named).await?;
    let mut contributions = context.client.contributions(ContributionId(1)).await?;
    contributions.retain(|contribution| contribution.membership.datanet == datanet.id);
    if common.json {
        println!("{}", serde_json::to_string_pretty(&json!({"datanet": datanet, "contributions": contributions}))?);
        return Ok(());
    }
    println!("{} ({}) v{} {} {}", datanet.name, datanet.id, datanet.version, datanet.policy.licence, datanet.curator);
    for c in contributions {
        println!(
            "{:>6}  {:<10} {:>5} docs {:>9} B  {}  {}",
            c.id,
            format!("{:?}", c.status).to_lowercase(),
            c.documents,
            c.text_bytes,
            c.payee,
            c.root
        );
    }
    Ok(())
}

/// What waits for the curator or for reviewers; or the curator's decisions.
async fn review(common: &Common, named: &str, accept: Vec<u64>, reject: Vec<u64>) -> Result<()> {
    if accept.is_empty() && reject.is_empty() {
        return queue(common, named).await;
    }
    let context = Context::signing(common).await?;
    let datanet = context.datanet(named).await?;
    for id in accept.iter().chain(&reject) {
        let record = context.client.contribution(ContributionId(*id)).await?;
        let Some(record) = record.filter(|record| record.membership.datanet == datanet.id) else {
            bail!(say!("contribution {id} is not in {}", "a contribuição {id} não está em {}", datanet.name));
        };
        // The contract leaves out what is no longer pending.
        if record.status != ContributionStatus::Pending {
            let status = word("contribution", record.status as usize + 1);
            bail!(say!(
                "contribution {id} is {status}: only what is pending can be decided",
                "a contribuição {id} está como {status}: só o que está pendente pode ser decidido"
            ));
        }
    }
    let contract = context.client.datanets_contract();
    let mut steps = Vec::new();
    if !accept.is_empty() {
        steps.push(step("accepting the contributions", contract.acceptBatch(accept.clone())));
    }
    steps.extend(reject.iter().map(|id| step("refusing a contribution", contract.reject(*id))));
    let Some(receipts) = transact_all(common, &context.client, steps).await? else { return Ok(()) };
    let transactions: Vec<_> = receipts.iter().map(|receipt| receipt.transaction_hash).collect();
    if common.json {
        println!("{}", json!({"accepted": accept, "rejected": reject, "tx": transactions}));
    } else {
        println!("{}", say!("{} admitted, {} refused", "{} aceitas, {} recusadas", accept.len(), reject.len()));
    }
    Ok(())
}

async fn queue(common: &Common, named: &str) -> Result<()> {
    let context = Context::read_only(common).await?;
    let datanet = context.datanet(named).await?;
    let contract = context.client.datanets_contract();
    let all = context.client.contributions(ContributionId(1)).await?;
    let mut waiting = Vec::new();
    for record in &all {
        if record.membership.datanet != datanet.id || record.status != ContributionStatus::Pending {
            continue;
        }
        // The same root under an earlier number is a copy: the earlier one is paid for the text.
        let copy_of = all.iter().find(|other| other.id < record.id && other.root == record.root).map(|other| other.id);
        let case = contract.caseOf(record.id.0).call().await?;
        // The texts of what waits are not open: their host compares them. Without it the queue is still of use.
        let duplicates = context.gateway.duplicates(record.id).await;
        if let Err(error) = &duplicates {
            tracing::warn!("no near-duplicate report of contribution {}: {error:#}", record.id);
        }
        let duplicates = duplicates.ok();
        waiting.push(json!({
            "contribution": record.id, "contributor": record.contributor, "payee": record.payee, "root": record.root,
            "documents": record.documents, "bytes": record.text_bytes, "case": (case != 0).then_some(case),
            "copy_of": copy_of, "duplicates": duplicates,
        }));
    }
    if common.json {
        println!("{}", serde_json::to_string_pretty(&json!({"datanet": datanet.id, "pending": waiting}))?);
        return Ok(());
    }
    if waiting.is_empty() {
        println!("{}", say!("nothing waits in {}", "nada espera em {}", datanet.name));
    }
    for item in &waiting {
        println!(
            "{:>6}  {:>5} docs {:>9} B  {}",
            item["contribution"].to_string(),
            item["documents"].to_string(),
            item["bytes"].to_string(),
            item["contributor"].as_str().unwrap_or_default()
        );
        if !item["copy_of"].is_null() {
            println!(
                "        {}",
                say!("the same texts as contribution {}", "os mesmos textos da contribuição {}", item["copy_of"])
            );
        }
        print_duplicates(&item["duplicates"]);
        match item["case"].as_u64() {
            Some(case) => println!("        fonte review show {case}"),
            None => println!("        fonte datanet review {} --accept {}", datanet.name, item["contribution"]),
        }
    }
    Ok(())
}

/// The near-duplicate report of what waits, one line per earlier text (the first ten).
fn print_duplicates(report: &serde_json::Value) {
    let Ok(report) = serde_json::from_value::<Duplicates>(report.clone()) else { return };
    let percent = |part: u64, whole: u64| part * 100 / whole.max(1);
    for pair in report.near_duplicates.iter().take(10) {
        println!(
            "        {}",
            say!(
                "text {} repeats {}/{} ({}): {} % of it stands there, {} % of that one here, resemblance {} %",
                "o texto {} repete {}/{} ({}): {} % dele está lá, {} % daquele está aqui, semelhança {} %",
                pair.document,
                pair.contribution,
                pair.earlier_document,
                pair.reason,
                percent(pair.overlap_bytes, pair.bytes),
                percent(pair.earlier_overlap_bytes, pair.earlier_bytes),
                pair.resemblance_ppm / 10_000
            )
        );
    }
    println!(
        "        {}",
        say!(
            "{} near-duplicates; compared with {} of {} earlier contributions",
            "{} quase-duplicatas; comparado com {} de {} contribuições anteriores",
            report.near_duplicates.len(),
            report.compared,
            report.earlier
        )
    );
}

async fn withdraw(common: &Common, contribution: ContributionId) -> Result<()> {
    let context = Context::read_only(common).await?;
    let signer = signer(common)?;
    let record = context.client.contribution(contribution).await?;
    let dependents = match &record {
        Some(record) => dependents(&context.client, record.membership.datanet, contribution).await?,
        None => Vec::new(),
    };
    if record.is_some_and(|record| record.contributor != signer.address()) {
        return take_out(common, contribution, &dependents).await;
    }
    // A dry run shows the signature, so that one is good for a moment only.
    let deadline = now() + if common.dry_run { 30 } else { 3600 };
    let signature = sign(&signer, withdrawal_digest(contribution, deadline, context.client.network()))?;
    if common.dry_run {
        let contract = context.client.datanets_contract();
        let call = step("the withdrawal", contract.withdrawFor(contribution.0, deadline, signature));
        return show_withdrawal(common, &context.client, call, &dependents).await;
    }
    let answer = context.gateway.withdraw(contribution, deadline, &signature).await?;
    print_withdrawn(common, contribution, answer, &dependents)
}

/// Models that were trained on a contribution, as JSON.
async fn dependents(client: &Client, datanet: DatanetId, contribution: ContributionId) -> Result<Vec<Value>> {
    let models = client.models_contract();
    let (mut found, mut first) = (Vec::new(), 0_u64);
    loop {
        // The contract gives as many as it lists at once, with zeros for models that were trained on other versions.
        let asked = models.dependents(datanet.0, contribution.0, U256::from(first), U256::MAX).call().await;
        let page = client.reading("the models that were trained on it", asked)?;
        if page.is_empty() {
            return Ok(found);
        }
        first += page.len() as u64;
        for id in page.into_iter().filter(|id| *id != 0) {
            let model = client.reading("a model", models.model(id).call().await)?;
            found.push(json!({"model": id, "name": model.name}));
        }
    }
}

/// Who was trained on what is withdrawn, in words; nothing where nobody was.
fn told_dependents(dependents: &[Value]) -> String {
    if dependents.is_empty() {
        return String::new();
    }
    let named = dependents.iter().map(|one| format!("{} ({})", plain(&one["name"]), one["model"]));
    let named = named.collect::<Vec<_>>().join(", ");
    say!(
        "models trained on it, which stop after the grace unless the licence keeps them: {named}",
        "modelos treinados com ela, que param depois da carência se a licença não os mantém: {named}"
    )
}

async fn show_withdrawal(common: &Common, client: &Client, call: Step, dependents: &[Value]) -> Result<()> {
    show_effects(common, client, &[call], &json!({"dependents": dependents}), &told_dependents(dependents)).await
}

/// The curator of an open datanet takes out what somebody else contributed: nobody looked at it before.
async fn take_out(common: &Common, contribution: ContributionId, dependents: &[Value]) -> Result<()> {
    let context = Context::signing(common).await?;
    let contract = context.client.datanets_contract();
    let call = contract.withdraw(contribution.0);
    if common.dry_run {
        return show_withdrawal(common, &context.client, step("the withdrawal", call), dependents).await;
    }
    let Some(receipt) = transact(common, &context.client, "the withdrawal", call).await? else { return Ok(()) };
    let answer = json!({"contribution": contribution, "tx": receipt.transaction_hash});
    print_withdrawn(common, contribution, answer, dependents)
}

fn print_withdrawn(
    common: &Common,
    contribution: ContributionId,
    mut answer: Value,
    dependents: &[Value],
) -> Result<()> {
    if common.json {
        answer["dependents"] = json!(dependents);
        println!("{answer}");
    } else {
        println!(
            "{}",
            say!(
                "contribution {contribution} is withdrawn: no later version holds it; receipts issued before still settle",
                "contribuição {contribution} retirada: nenhuma versão futura a contém; recibos anteriores ainda são pagos"
            )
        );
        if !dependents.is_empty() {
            println!("  {}", told_dependents(dependents));
        }
    }
    Ok(())
}

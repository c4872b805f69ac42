//! `fonte datanet create|publish|list|show|accept|withdraw`.

use std::path::Path;

use eyre::{Result, WrapErr, bail, eyre};
use fonte_bindings::{
    client::{Policy, ReviewRule},
    contracts::Datanets,
    convert,
};
use fonte_corpus::{
    ImportOptions, check_licence,
    import::{Progress, Skipped, count_by_reason},
};
use fonte_types::{
    ContributionId,
    receipt::{sign, withdrawal_digest},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{
    args::{Common, Datanet, DatanetCreate, DatanetPublish},
    context::{Context, signer},
    publish::{BadFiles, Publisher, now},
    say::say,
};

pub(crate) async fn run(common: &Common, command: Datanet) -> Result<()> {
    match command {
        Datanet::Create(create) => self::create(common, create).await,
        Datanet::Publish(publish) => self::publish(common, publish).await,
        Datanet::List => list(common).await,
        Datanet::Show { datanet } => show(common, &datanet).await,
        Datanet::Accept { contributions } => accept(common, contributions).await,
        Datanet::Withdraw { contribution } => withdraw(common, ContributionId(contribution)).await,
    }
}

async fn create(common: &Common, create: DatanetCreate) -> Result<()> {
    check_licence(&create.licence)?;
    let jurisdictions = create.jurisdiction.iter().map(|code| jurisdiction(code)).collect::<Result<_>>()?;
    let context = Context::signing(common).await?;
    let review = if create.review == "open" { ReviewRule::Open } else { ReviewRule::Curator };
    let policy = Policy {
        train: !create.no_train,
        quote: !create.no_quote,
        private: !create.no_private,
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
    let receipt = context.client.send("creating the datanet", call).await?;
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

/// Two upper-case letters.
pub(crate) fn jurisdiction(code: &str) -> Result<[u8; 2]> {
    match code.as_bytes() {
        [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok([*a, *b]),
        _ => bail!(say!(
            "{code:?} is no ISO 3166-1 alpha-2 code, such as BR",
            "{code:?} não é um código ISO 3166-1 alfa-2, como BR"
        )),
    }
}

async fn publish(common: &Common, publish: DatanetPublish) -> Result<()> {
    let context = Context::read_only(common).await?;
    let datanet = context.datanet(&publish.datanet).await?;
    let signer = signer(common)?;
    crate::keys::refuse_development(signer.address(), context.client.network())?;
    let payee = publish.payee.unwrap_or(signer.address());
    let name = publish.name.clone().unwrap_or_else(|| folder_name(&publish.folder));
    let publisher = Publisher::open(&context.data_dir, context.gateway.clone(), *context.client.network())?;
    let options = ImportOptions { default_licence: Some(datanet.policy.licence.clone()), ..ImportOptions::default() };
    let bar = progress_bar(common.json);
    let bad_files = if publish.strict { BadFiles::Refuse } else { BadFiles::Skip };
    let (prepared, skipped) =
        publisher.prepare(&publish.folder, &name, datanet.id, signer, payee, options, bad_files, |at| {
            show_progress(&bar, at)
        })?;
    bar.finish_and_clear();
    if !common.json {
        print_skipped(&skipped);
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
    let status = record.map(|record| record.status);
    if common.json {
        println!(
            "{}",
            json!({"contribution": done.contribution, "datanet": datanet.id, "documents": done.documents,
                   "bytes": done.text_bytes, "status": status, "payee": payee,
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
        let review =
            if datanet.policy.review == ReviewRule::Open { say!("open", "aberto") } else { say!("curated", "curado") };
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

async fn accept(common: &Common, contributions: Vec<u64>) -> Result<()> {
    let context = Context::signing(common).await?;
    let contract = context.client.datanets_contract();
    let call = contract.acceptBatch(contributions.clone());
    let receipt = context.client.send("accepting the contributions", call).await?;
    if common.json {
        println!("{}", json!({"accepted": contributions, "tx": receipt.transaction_hash}));
    } else {
        println!("{}", say!("accepted {} in {}", "{} aceitas em {}", contributions.len(), receipt.transaction_hash));
    }
    Ok(())
}

async fn withdraw(common: &Common, contribution: ContributionId) -> Result<()> {
    let context = Context::read_only(common).await?;
    let signer = signer(common)?;
    let deadline = now() + 3600;
    let signature = sign(&signer, withdrawal_digest(contribution, deadline, context.client.network()))?;
    let answer = context.gateway.withdraw(contribution, deadline, &signature).await?;
    if common.json {
        println!("{answer}");
    } else {
        println!(
            "{}",
            say!(
                "contribution {contribution} is withdrawn: no later version holds it; receipts issued before still settle",
                "contribuição {contribution} retirada: nenhuma versão futura a contém; recibos anteriores ainda são pagos"
            )
        );
    }
    Ok(())
}

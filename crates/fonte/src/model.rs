//! `fonte model list|show|register|propose|train|submit|terms|retire|expire|report|mark-withdrawn`; `evaluate` has a file
//! of its own.

use std::path::Path;

use alloy_primitives::{Address, B256, U256, keccak256};
use eyre::{Result, WrapErr, bail, eyre};
use fonte_bindings::{
    Client,
    contracts::{
        ModelReviews, Models,
        models::IModels::{self, Criteria, ModelInput, Splits},
    },
};
use fonte_types::{ContributionId, DatanetId, DatanetVersion, Version};
use serde_json::{Value, json};

use crate::{
    args::{
        Common,
        model::{Kind, Model, Origin, Propose, Register, Terms, Weights, parse_hash},
    },
    context::Context,
    errors::{time, word},
    evaluate,
    money::{fnt, parse_fnt, percent},
    say::say,
    transact::transact,
};

pub(crate) async fn run(common: &Common, command: Model) -> Result<()> {
    match command {
        Model::List => list(common).await,
        Model::Show { model } => show(common, &model).await,
        Model::Register(register) => self::register(common, register).await,
        Model::Propose(propose) => self::propose(common, *propose).await,
        Model::Train { model } => {
            let (context, model) = signing(common, &model).await?;
            let call = context.client.models_contract();
            let trained = context.client.reading("the model's life", call.life(model).call().await)?.trained;
            check_not_withdrawn(&context, &trained).await?;
            moved(common, &context, model, "beginning to train", call.train(model)).await
        }
        Model::Submit { model, weights } => submit(common, &model, weights).await,
        Model::Evaluate { model, step } => evaluate::run(common, &model, step).await,
        Model::Terms { model, terms } => self::terms(common, &model, terms).await,
        Model::Retire { model } => {
            let (context, model) = signing(common, &model).await?;
            let call = context.client.models_contract();
            moved(common, &context, model, "retiring the model", call.retire(model)).await
        }
        Model::Expire { model } => {
            let (context, model) = signing(common, &model).await?;
            let call = context.client.models_contract();
            moved(common, &context, model, "ending the state", call.expire(model)).await
        }
        Model::Report { model, reason } => report(common, &model, &reason).await,
        Model::MarkWithdrawn { model, contribution } => {
            let (context, model) = signing(common, &model).await?;
            let call = context.client.models_contract();
            moved(common, &context, model, "marking the withdrawal", call.markWithdrawn(model, contribution)).await
        }
    }
}

/// A model by name or number. Names are not unique on chain: the first that is named so.
pub(crate) async fn find(client: &Client, named: &str) -> Result<u32> {
    let contract = client.models_contract();
    let count = client.reading("the number of models", contract.modelCount().call().await)?;
    if let Ok(id) = named.parse::<u32>()
        && (1..=count).contains(&id)
    {
        return Ok(id);
    }
    for id in 1..=count {
        if client.reading("a model", contract.model(id).call().await)?.name == named {
            return Ok(id);
        }
    }
    bail!(say!(
        "there is no model {named:?}: there are {count}, see `fonte model list`",
        "não existe o modelo {named:?}: existem {count}, veja `fonte model list`"
    ))
}

/// A connection with a key, and the model.
pub(crate) async fn signing(common: &Common, named: &str) -> Result<(Context, u32)> {
    let context = Context::signing(common).await?;
    let model = find(&context.client, named).await?;
    Ok((context, model))
}

/// Sends a call that moves a model on, and says where it stands then.
pub(crate) async fn moved<P: alloy_provider::Provider, D: alloy_contract::CallDecoder + Send + Sync>(
    common: &Common,
    context: &Context,
    model: u32,
    what: &'static str,
    call: alloy_contract::CallBuilder<P, D>,
) -> Result<()> {
    let client = &context.client;
    let Some(receipt) = transact(common, client, what, call).await? else { return Ok(()) };
    let life = client.models_contract().life(model).call().await?;
    if common.json {
        println!(
            "{}",
            json!({"model": model, "state": state_name(life.state), "deadline": life.deadline,
                   "stops_at": life.stopsAt, "tx": receipt.transaction_hash})
        );
    } else {
        println!("{}", say!("model {model}: {}", "modelo {model}: {}", standing(life.state, life.deadline)));
    }
    Ok(())
}

/// A state in words, with its deadline.
fn standing(state: u8, deadline: u64) -> String {
    let state = word("model_state", state.into());
    if deadline == 0 { state } else { say!("{state} until {}", "{state} até {}", time(deadline.into())) }
}

/// A state's name in JSON, which never depends on the language.
pub(crate) fn state_name(state: u8) -> &'static str {
    const NAMES: [&str; 12] = [
        "none",
        "registered",
        "independent",
        "proposed",
        "approved",
        "training",
        "evaluating",
        "evaluated",
        "deployed",
        "suspended",
        "retired",
        "expired",
    ];
    NAMES.get(usize::from(state)).copied().unwrap_or("unknown")
}

const KINDS: [&str; 3] = ["quote", "base", "adapter"];

async fn list(common: &Common) -> Result<()> {
    let context = Context::read_only(common).await?;
    let contract = context.client.models_contract();
    let count = contract.modelCount().call().await?;
    let mut rows = Vec::new();
    for id in 1..=count {
        let model = contract.model(id).call().await?;
        let servable = contract.servable(id).call().await?;
        rows.push((id, model, servable.ok));
    }
    if common.json {
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(id, model, servable)| {
                json!({"model": id, "name": model.name, "kind": kind(model.kind), "state": state_name(model.state),
                       "owner": model.owner, "servable": servable})
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    for (id, model, servable) in rows {
        println!(
            "{id:>4}  {:<28} {:<8} {:<16} {}",
            model.name,
            kind(model.kind),
            word("model_state", model.state.into()),
            if servable { say!("answers", "responde") } else { say!("does not answer", "não responde") }
        );
    }
    Ok(())
}

fn kind(value: u8) -> &'static str {
    KINDS.get(usize::from(value)).copied().unwrap_or("unknown")
}

async fn show(common: &Common, named: &str) -> Result<()> {
    let context = Context::read_only(common).await?;
    let id = find(&context.client, named).await?;
    let contract = context.client.models_contract();
    let (model, life) = (contract.model(id).call().await?, contract.life(id).call().await?);
    let servable = contract.servable(id).call().await?;
    let payouts = contract.payouts(id).call().await?;
    let ancestors = contract.ancestorsOf(id, model.termsVersion).call().await?;
    let at_least = life.criteria.direction == 0;
    let voted = !life.criteria.metric.is_zero();
    let object = json!({
        "model": id, "name": model.name, "kind": kind(model.kind), "state": state_name(model.state),
        "owner": model.owner, "artifact": model.artifact, "adapter": model.adapter,
        "terms_version": model.termsVersion,
        "price_in_wei": model.terms.priceIn.to_string(), "price_out_wei": model.terms.priceOut.to_string(),
        "datanets": model.terms.datanets, "max_staleness": model.terms.maxStaleness,
        "payouts": {
            "worker_ppm": payouts.workerPpm, "data_ppm": payouts.dataPpm,
            "developers": payouts.developers.iter().map(|d| json!({"payee": d.payee, "ppm": d.ppm})).collect::<Vec<_>>(),
        },
        "ancestors": ancestors.iter().map(|packed| json!({"model": packed >> 32, "ppm": packed & 0xffff_ffff})).collect::<Vec<_>>(),
        "acceptable_use": model.terms.acceptableUse, "acceptable_use_url": model.terms.acceptableUseUri,
        "life": {
            "deadline": life.deadline, "base": life.base, "recipe": life.recipe,
            "trained": life.trained.iter().map(|packed| json!({"datanet": packed >> 32, "version": packed & 0xffff_ffff})).collect::<Vec<_>>(),
            "criteria": voted.then(|| json!({
                "metric": life.criteria.metric, "direction": if at_least { "at least" } else { "at most" },
                "threshold": life.criteria.threshold.to_string(), "tolerance": life.criteria.tolerance.to_string(),
                "evaluators": life.criteria.evaluators, "quorum": life.criteria.quorum})),
            "evaluation_commitment": life.evaluationCommitment, "evaluation_set": life.evaluationSet,
            "evaluation": life.evaluation, "score": life.score.to_string(),
            "stops_at": life.stopsAt, "stopped_by": life.stoppedBy,
        },
        "servable": servable.ok, "refused_because": (!servable.ok).then(|| reason_name(servable.reason)),
        "refused_by_datanet": servable.datanet,
    });
    if common.json {
        println!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(());
    }
    println!("{} ({id}) {} — {}", model.name, kind(model.kind), standing(life.state, life.deadline));
    let (price_in, price_out) = (fnt(model.terms.priceIn), fnt(model.terms.priceOut));
    println!("  {}", say!("owner      {}", "dono       {}", model.owner));
    println!(
        "  {}",
        say!(
            "prices     {price_in} FNT in, {price_out} FNT out, per 1,000 tokens",
            "preços     {price_in} FNT de entrada, {price_out} FNT de saída, por 1.000 tokens"
        )
    );
    println!(
        "  {}",
        say!(
            "split      worker {}, data {}",
            "divisão    máquina {}, dados {}",
            percent(payouts.workerPpm),
            percent(payouts.dataPpm)
        )
    );
    for payout in &payouts.developers {
        println!(
            "  {}",
            say!("           developer {} {}", "           quem desenvolveu {} {}", percent(payout.ppm), payout.payee)
        );
    }
    if voted {
        println!(
            "  {}",
            say!(
                "criterion  {} {}, metric {}",
                "critério   {} {}, métrica {}",
                if at_least { say!("at least", "ao menos") } else { say!("at most", "no máximo") },
                life.criteria.threshold,
                life.criteria.metric
            )
        );
    }
    if !life.evaluation.is_zero() {
        println!("  {}", say!("score      {}", "nota       {}", life.score));
    }
    if !servable.ok {
        println!(
            "  {}",
            say!(
                "new requests are refused: {}",
                "novos pedidos são recusados: {}",
                word("model_reason", servable.reason.into())
            )
        );
    }
    Ok(())
}

pub(crate) fn reason_name(reason: u8) -> &'static str {
    const NAMES: [&str; 9] = [
        "none",
        "unknown",
        "not deployed",
        "expired",
        "suspended",
        "retired",
        "withdrawn",
        "base suspended",
        "base withdrawn",
    ];
    NAMES.get(usize::from(reason)).copied().unwrap_or("unknown")
}

async fn register(common: &Common, register: Register) -> Result<()> {
    let context = Context::signing(common).await?;
    let (artifact, adapter) = hashes(&register.weights)?;
    let input = input(&context, register.origin, register.terms, artifact, adapter).await?;
    let contract = context.client.models_contract();
    let receipt = transact(common, &context.client, "registering the model", contract.register(input)).await?;
    print_registered(common, receipt)
}

async fn propose(common: &Common, propose: Propose) -> Result<()> {
    let context = Context::signing(common).await?;
    let (direction, threshold) = match (propose.at_least, propose.at_most) {
        (Some(least), _) => (0, least),
        (None, Some(most)) => (1, most),
        (None, None) => bail!(say!("give --at-least or --at-most", "informe --at-least ou --at-most")),
    };
    let criteria = Criteria {
        metric: keccak256(propose.metric.as_bytes()),
        direction,
        threshold,
        tolerance: propose.tolerance,
        evaluators: propose.evaluators,
        quorum: propose.quorum,
        trainingSeconds: propose.training_time,
    };
    let recipe = hash_of(&propose.recipe)?;
    let input = input(&context, propose.origin, propose.terms, B256::ZERO, B256::ZERO).await?;
    let contract = context.client.models_contract();
    let call = contract.propose(input, recipe, criteria);
    let receipt = transact(common, &context.client, "proposing the model", call).await?;
    print_registered(common, receipt)
}

fn print_registered(common: &Common, receipt: Option<alloy_rpc_types_eth::TransactionReceipt>) -> Result<()> {
    let Some(receipt) = receipt else { return Ok(()) };
    let event = receipt
        .decoded_log::<Models::Registered>()
        .ok_or_else(|| eyre!("the model was registered and no event says so"))?;
    if common.json {
        println!("{}", json!({"model": event.model, "name": event.name, "tx": receipt.transaction_hash}));
    } else {
        println!(
            "{}",
            say!(
                "model {} ({}) is on record, in {}",
                "modelo {} ({}) registrado, em {}",
                event.model,
                event.name,
                receipt.transaction_hash
            )
        );
    }
    Ok(())
}

async fn input(context: &Context, origin: Origin, terms: Terms, artifact: B256, adapter: B256) -> Result<ModelInput> {
    let base = match &origin.base {
        Some(base) => find(&context.client, base).await?,
        None => 0,
    };
    let mut trained = Vec::with_capacity(origin.trained.len());
    for named in &origin.trained {
        let (name, version) = named.split_once('@').unwrap_or((named, ""));
        let datanet = context.datanet(name).await?;
        let version = if version.is_empty() {
            datanet.version.0
        } else {
            version.parse().wrap_err_with(|| format!("{named:?} is no datanet and version, such as coffee@7"))?
        };
        trained.push(u64::from(datanet.id.0) << 32 | u64::from(version));
    }
    trained.sort_unstable(); // the contract takes them in this order
    trained.dedup();
    check_not_withdrawn(context, &trained).await?;
    let kind = match origin.kind {
        Kind::Quote => 0,
        Kind::Base => 1,
        Kind::Adapter => 2,
    };
    let terms = self::terms_of(context, terms).await?;
    Ok(ModelInput { name: origin.name, kind, artifact, adapter, terms, base, trained })
}

/// Refuses datanet versions, packed as datanet << 32 | version, that hold texts which have been withdrawn since, unless the
/// licence keeps what is trained on them: the chain takes such a record, and anybody may stop its model after the grace.
async fn check_not_withdrawn(context: &Context, trained: &[u64]) -> Result<()> {
    if trained.is_empty() {
        return Ok(());
    }
    let datanets = context.client.datanets().await?;
    let contributions = context.client.contributions(ContributionId(1)).await?;
    for packed in trained {
        let of = DatanetVersion { datanet: DatanetId((packed >> 32) as u32), version: Version(*packed as u32) };
        let Some(datanet) = datanets.iter().find(|datanet| datanet.id == of.datanet && !datanet.policy.keep) else {
            continue;
        };
        let mut withdrawn = contributions
            .iter()
            .filter(|record| record.membership.withdrawn.is_some() && record.membership.is_member(of))
            .map(|record| record.id);
        if let Some(first) = withdrawn.next() {
            let (name, version, latest, more) = (&datanet.name, of.version, datanet.version, withdrawn.count());
            bail!(say!(
                "{name}@{version} holds contribution {first} (and {more} more) that has been withdrawn, and the licence of \
                 {name} does not keep trained models (clause \"withdrawal\"): train on {name}@{latest}",
                "{name}@{version} contém a contribuição {first} (e mais {more}), que foi retirada, e a licença de {name} não \
                 mantém modelos treinados (cláusula \"withdrawal\"): treine com {name}@{latest}"
            ));
        }
    }
    Ok(())
}

/// Terms as the contract takes them.
async fn terms_of(context: &Context, terms: Terms) -> Result<IModels::Terms> {
    let parts: Vec<u32> = terms.split.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>()?;
    let [protocol, worker, developer, data] = parts[..] else {
        bail!(say!(
            "--split takes four parts in ppm, such as 50000,200000,100000,650000",
            "--split recebe quatro partes em ppm, como 50000,200000,100000,650000"
        ));
    };
    let mut datanets = Vec::with_capacity(terms.datanet.len());
    for named in &terms.datanet {
        datanets.push(context.datanet(named).await?.id.0);
    }
    let mut parents = Vec::with_capacity(terms.parent.len());
    for named in &terms.parent {
        let (model, ppm) = named.rsplit_once(':').ok_or_else(|| {
            eyre!(say!("{named:?} is no parent, such as 3:20000", "{named:?} não é um antecessor, como 3:20000"))
        })?;
        let ppm: u32 = ppm.parse().wrap_err_with(|| format!("{named:?}: the royalty is in ppm of the fee"))?;
        parents.push(u64::from(find(&context.client, model).await?) << 32 | u64::from(ppm));
    }
    parents.sort_unstable();
    let own = context.client.sender().unwrap_or_default();
    Ok(IModels::Terms {
        priceIn: parse_fnt(&terms.price_in)?,
        priceOut: parse_fnt(&terms.price_out)?,
        splits: Splits {
            protocolPpm: protocol,
            workerPpm: worker,
            developerPpm: developer,
            dataPpm: data,
            developer: terms.developer.unwrap_or(if developer == 0 { Address::ZERO } else { own }),
        },
        datanets,
        maxStaleness: terms.max_staleness,
        spanPpm: 1_000_000,
        contextPpm: 0,
        influencePpm: 0,
        minRoyaltyPpm: terms.min_royalty,
        parents,
        acceptableUse: terms.acceptable_use.as_deref().map(hash_of).transpose()?.unwrap_or_default(),
        acceptableUseUri: terms.acceptable_use_url,
    })
}

fn hashes(weights: &Weights) -> Result<(B256, B256)> {
    let hash = |given: &Option<String>| given.as_deref().map(hash_of).transpose();
    Ok((hash(&weights.artifact)?.unwrap_or_default(), hash(&weights.adapter)?.unwrap_or_default()))
}

/// A hash as given, or that of a file.
pub(crate) fn hash_of(text: &str) -> Result<B256> {
    match parse_hash(text) {
        Some(hash) => Ok(hash),
        None => hash_of_file(Path::new(text)),
    }
}

/// keccak256 of a file, read piece by piece: weights are large.
pub(crate) fn hash_of_file(path: &Path) -> Result<B256> {
    use std::io::Read;
    let mut file = std::fs::File::open(path).wrap_err_with(|| {
        say!(
            "{} is neither a hash (0x and 64 digits) nor a file",
            "{} não é um hash (0x e 64 dígitos) nem um arquivo",
            path.display()
        )
    })?;
    let mut hasher = alloy_primitives::Keccak256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).wrap_err_with(|| format!("reading {}", path.display()))? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&piece[..read]),
        }
    }
}

async fn submit(common: &Common, named: &str, weights: Weights) -> Result<()> {
    let (context, model) = signing(common, named).await?;
    let contract = context.client.models_contract();
    let (mut artifact, adapter) = hashes(&weights)?;
    let life = contract.life(model).call().await?;
    if artifact.is_zero() && life.base != 0 {
        // An adapter stands on the weights of its base.
        artifact = contract.model(life.base).call().await?.artifact;
    }
    let call = contract.submitArtifact(model, artifact, adapter);
    moved(common, &context, model, "submitting the weights", call).await
}

async fn terms(common: &Common, named: &str, terms: Terms) -> Result<()> {
    let (context, model) = signing(common, named).await?;
    let terms = terms_of(&context, terms).await?;
    let contract = context.client.models_contract();
    let call = contract.setTerms(model, terms);
    let Some(receipt) = transact(common, &context.client, "setting the terms", call).await? else { return Ok(()) };
    let event =
        receipt.decoded_log::<Models::TermsSet>().ok_or_else(|| eyre!("the terms were set and no event says so"))?;
    if common.json {
        println!(
            "{}",
            json!({"model": model, "terms_version": event.version, "since": event.since, "tx": receipt.transaction_hash})
        );
    } else {
        println!(
            "{}",
            say!(
                "version {} of the terms of model {model} applies from {} on",
                "a versão {} dos termos do modelo {model} vale a partir de {}",
                event.version,
                time(event.since.into())
            )
        );
    }
    Ok(())
}

async fn report(common: &Common, named: &str, reason: &Path) -> Result<()> {
    let (context, model) = signing(common, named).await?;
    let contract = context.client.model_reviews_contract();
    let deposit = contract.reportDeposit().call().await?;
    let fee = contract.reportFee().call().await?;
    let call = contract.report(model, hash_of_file(reason)?).value(U256::from(deposit) + U256::from(fee));
    let Some(receipt) = transact(common, &context.client, "the report", call).await? else { return Ok(()) };
    let event = receipt
        .decoded_log::<ModelReviews::Reported>()
        .ok_or_else(|| eyre!("the report was made and no event says so"))?;
    let object: Value = json!({"model": model, "case": event.caseId, "reason": event.reason,
                               "deposit_wei": deposit.to_string(), "tx": receipt.transaction_hash});
    if common.json {
        println!("{object}");
    } else {
        println!(
            "{}",
            say!(
                "model {model} is reported: reviewers decide case {}; your deposit of {} FNT comes back if they agree",
                "modelo {model} denunciado: revisores decidem o caso {}; seu depósito de {} FNT volta se concordarem",
                event.caseId,
                fnt(deposit)
            )
        );
    }
    Ok(())
}

//! What an attack on attribution earns: the demo corpus with and without it, asked the same questions, paid by the same
//! rule. Search, quote model, trace index, receipts and share arithmetic are the real ones, reached over the wire as a
//! gateway reaches them.

#![allow(dead_code, unreachable_pub, reason = "the example and the tests each use their part")]

pub mod bait;
pub mod copies;
pub mod money;
pub mod order;
pub mod report;
pub mod texts;

use std::{collections::BTreeMap, fmt};

use fonte_corpus::{Document, ImportOptions, import::OnBadFile};
use fonte_types::{
    ContributionId,
    fees::{Prices, Splits, credits},
};

use crate::common::{Gateway, World, demo_folder};

const FNT: u128 = 1_000_000_000_000_000_000;

/// The terms under which `fonte up` and `fonte demo` register the quote model.
pub const PRICES: Prices = Prices { input: FNT / 500, output: FNT / 50 };
/// Its splits.
pub const SPLITS: Splits = Splits { protocol: 50_000, worker: 200_000, developer: 100_000, data: 650_000 };

/// One contribution to come: whose it is, where, and what.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The account. Accounts of one attacker carry one name with numbers after it.
    pub account: String,
    /// Index of the datanet: coffee, health, rivers.
    pub datanet: usize,
    pub documents: Vec<Document>,
}

/// Contributions in the order of their commits.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub contributions: Vec<Planned>,
    /// Whether the licence commons precede everyone, as they do from genesis.
    pub commons: bool,
}

/// The demo corpus, without the three copiers that it holds on purpose: their like are the attacks.
pub fn honest() -> Plan {
    let order: serde_json::Value =
        serde_json::from_slice(&std::fs::read(demo_folder().join("order.json")).unwrap()).unwrap();
    let mut plan = Plan::default();
    for folder in order["order"].as_array().unwrap() {
        let folder = folder.as_str().unwrap();
        if ["copia-rapida", "repost-daily", "content-mill"].iter().any(|copier| folder.ends_with(copier)) {
            continue;
        }
        let imported =
            fonte_corpus::import_folder(&demo_folder().join(folder), ImportOptions::default(), OnBadFile::Refuse)
                .unwrap();
        let datanet = ["coffee", "health", "rivers"].iter().position(|name| folder.starts_with(name)).unwrap();
        plan.contributions.push(Planned { account: folder.to_owned(), datanet, documents: imported.documents });
    }
    plan
}

impl Plan {
    pub fn of(&self, account: &str) -> &Planned {
        self.contributions.iter().find(|planned| planned.account == account).unwrap()
    }

    /// Adds a contribution after all others.
    pub fn last(mut self, account: impl Into<String>, datanet: usize, documents: Vec<Document>) -> Self {
        self.contributions.push(Planned { account: account.into(), datanet, documents });
        self
    }

    /// Adds a contribution before all others.
    pub fn first(mut self, account: impl Into<String>, datanet: usize, documents: Vec<Document>) -> Self {
        self.contributions.insert(0, Planned { account: account.into(), datanet, documents });
        self
    }
}

/// All questions of the demo, those without an answer too.
pub fn questions() -> Vec<String> {
    let mut all = Vec::new();
    for file in ["questions.json", "held-out.json"] {
        let read: serde_json::Value =
            serde_json::from_slice(&std::fs::read(demo_folder().join(file)).unwrap()).unwrap();
        for part in ["answerable", "unanswerable"] {
            all.extend(read[part].as_array().unwrap().iter().map(|q| q["question"].as_str().unwrap().to_owned()));
        }
    }
    all
}

/// What everybody earned.
#[derive(Clone, Debug, Default)]
pub struct Earned {
    /// Wei by account.
    pub by_account: BTreeMap<String, u128>,
    pub treasury: u128,
    pub fees: u128,
    /// Answers that quote something.
    pub answered: usize,
}

impl Earned {
    /// Of all accounts whose name begins so.
    pub fn of(&self, name: &str) -> u128 {
        self.by_account.iter().filter(|(account, _)| account.starts_with(name)).map(|(_, wei)| wei).sum()
    }

    /// Of everybody else.
    pub fn others(&self, name: &str) -> u128 {
        self.by_account.iter().filter(|(account, _)| !account.starts_with(name)).map(|(_, wei)| wei).sum()
    }
}

/// Publishes the plan, asks every question once, and pays.
pub async fn play(plan: &Plan, questions: &[String]) -> Earned {
    let world = World::new();
    let commons = plan.commons.then(|| {
        let commons = world.datanet(|policy| policy.quote = false);
        let bundle = fonte_corpus::commons::licences(&world.store).unwrap();
        world.register(commons, bundle.root(), bundle.documents(), bundle.text_bytes());
        commons
    });
    let datanets = [(); 3].map(|()| world.datanet(|_| {}));
    let accounts: BTreeMap<ContributionId, &str> = plan
        .contributions
        .iter()
        .map(|planned| (world.contribute(datanets[planned.datanet], &planned.documents), planned.account.as_str()))
        .collect();
    let mut config = world.config();
    config.commons = commons;
    let worker = fonte_worker::Worker::open(config, world.ledger.clone()).unwrap();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;

    let mut earned = Earned::default();
    for planned in &plan.contributions {
        earned.by_account.entry(planned.account.clone()).or_default();
    }
    for question in questions {
        let answered = gateway.ask(&world, question).await;
        if std::env::var_os("FONTE_SHOW_ANSWERS").is_some() {
            println!("Q {question}\n{}\n", answered.text);
        }
        let receipt = &answered.answer.receipt;
        let fee = PRICES.fee(receipt.input_tokens, receipt.output_tokens).unwrap();
        let paid = credits(fee, &SPLITS, &receipt.shares, |_| 0);
        for (contribution, wei) in &paid.contributions {
            match accounts.get(contribution) {
                Some(account) => *earned.by_account.get_mut(*account).unwrap() += wei,
                // Licence texts pay the treasury.
                None => earned.treasury += wei,
            }
        }
        earned.treasury += paid.treasury;
        earned.fees += fee;
        earned.answered += usize::from(!receipt.shares.as_slice().is_empty());
    }
    gateway.close().await.unwrap();
    earned
}

/// One attack, measured.
#[derive(Clone, Debug)]
pub struct Row {
    pub attack: String,
    pub attacker: String,
    /// Attacker's income, in wei, without and with it.
    pub honest: u128,
    pub attacked: u128,
    /// Of the latter, what the accounts made for the attack earn.
    pub by_attack: u128,
    /// What all others earn, without and with it.
    pub others_honest: u128,
    pub others_attacked: u128,
}

impl Row {
    pub fn new(attack: impl Into<String>, attacker: &str, before: &Earned, after: &Earned) -> Self {
        Self {
            attack: attack.into(),
            attacker: attacker.to_owned(),
            honest: before.of(attacker),
            attacked: after.of(attacker),
            by_attack: after.of(attacker) - after.by_account.get(attacker).copied().unwrap_or_default(),
            others_honest: before.others(attacker),
            others_attacked: after.others(attacker),
        }
    }

    /// Attacker's income with the attack over that without it, in thousandths, rounded up.
    pub fn gain(&self) -> u128 {
        (self.attacked * 1000).div_ceil(self.honest.max(1))
    }

    /// What the texts made for the attack earn over the honest income, in thousandths, rounded up. The rest of the gain is
    /// what the attacker's honest texts earn more or less.
    pub fn taken(&self) -> u128 {
        (self.by_attack * 1000).div_ceil(self.honest.max(1))
    }

    /// What the others lose of their income, in thousandths.
    pub fn loss(&self) -> u128 {
        self.others_honest.saturating_sub(self.others_attacked) * 1000 / self.others_honest.max(1)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = |value: u128| format!("{}.{:03}", value / 1000, value % 1000);
        write!(
            f,
            "{:<44} {:<24} {:>7} {:>7}  {:>6} %",
            self.attack,
            self.attacker,
            thousandths(self.gain()),
            thousandths(self.taken()),
            format!("{}.{}", self.loss() / 10, self.loss() % 10),
        )
    }
}

/// Attackers: one of each datanet, none of them the best or the worst paid.
pub const ATTACKERS: [&str; 3] = ["coffee/roda-torra", "health/walking-well", "rivers/lock-keeper"];

/// Whom an attacker robs.
pub fn victim_of(attacker: &str) -> &'static str {
    match attacker {
        "coffee/roda-torra" => "coffee/harbour-roasters",
        "health/walking-well" => "health/nurse-okafor",
        _ => "rivers/flood-diary",
    }
}

/// Index of an account's datanet.
pub fn datanet_of(account: &str) -> usize {
    ["coffee", "health", "rivers"].iter().position(|name| account.starts_with(name)).unwrap()
}

//! Attacks on precedence: being early without having written anything.

use fonte_attribution::{Document, IndexConfig, SuffixIndex, TraceIndex, trace_answer};
use fonte_types::{ContributionId, DatanetId, DatanetVersion, Version, ids::Membership, receipt::ContributionTerms};

use super::{
    Plan, datanet_of,
    texts::{language, shared_phrases},
};
use crate::common::document;

/// Everyday phrases of 32 bytes and more, as a thief of boilerplate would list them.
const PHRASES: &str = "At the beginning of the month, | at the end of the working day, | on the other side of the river, | \
    for the first time in many years | it is a good idea to wait until | as soon as the water has gone down | \
    This is the reason why I prefer to | The most common mistake is to use too much | for at least two hours before | \
    a few minutes before the end of the | from the beginning to the end of the | it depends on the size of the | \
    in the middle of the afternoon, when | Wash your hands with soap and water | in a dry place, out of the sun | \
    No começo de cada mês, a gente | no fim da tarde, quando o sol | pela primeira vez em muitos anos | \
    é melhor esperar até o dia seguinte | por pelo menos duas horas antes de | em lugar seco, longe do sol e da chuva | \
    a cada duas semanas, sempre de manhã | depois de alguns minutos no fogo baixo | na beira do rio, perto da ponte";

/// Everyday phrases, and every stretch of 32 bytes that two honest authors share (which nobody can know beforehand),
/// committed before everyone.
pub fn phrases_first(plan: Plan, attacker: &str) -> Plan {
    let authors: Vec<&[fonte_corpus::Document]> = plan.contributions.iter().map(|p| p.documents.as_slice()).collect();
    let shared = shared_phrases(&authors, fonte_types::WINDOW);
    let lines: Vec<String> = PHRASES.split('|').map(|phrase| phrase.trim().to_owned()).chain(shared).collect();
    let text = lines.join("\n\n");
    plan.first(format!("{attacker} phrases"), datanet_of(attacker), vec![document("Phrases", language(&text), &text)])
}

/// A trace index over texts in the order of their ids, in a folder of its own.
pub fn index_of(texts: &[(ContributionId, DatanetId, &str)]) -> (tempfile::TempDir, SuffixIndex) {
    let folder = tempfile::tempdir().unwrap();
    let index = SuffixIndex::open(folder.path(), IndexConfig::default()).unwrap();
    let documents = texts.iter().enumerate().map(|(number, (contribution, datanet, text))| Document {
        contribution: *contribution,
        document: u32::try_from(number).unwrap(),
        datanet: *datanet,
        text: text.as_bytes().to_vec(),
    });
    index.add(documents).unwrap();
    (folder, index)
}

/// What registering licence texts first takes of an answer that quotes an honest text with its licence, in ppm:
/// without a commons, and with the commons of this release before everyone.
pub fn licences_first() -> (u32, u32) {
    let licence = fonte_corpus::commons::licence_documents().find(|(text, _)| text.path == "MIT").unwrap().0.text;
    let permission = licence.split("\n\n").find(|paragraph| paragraph.starts_with("Permission is")).unwrap().to_owned();
    let honest = format!("The eel counter counts what swims through the lock at night, gate by gate. {permission}");
    let (commons, thief, author) = (ContributionId(1), ContributionId(2), ContributionId(3));
    let net = DatanetId(1);
    let take = |texts: &[(ContributionId, DatanetId, &str)]| {
        let (_folder, index) = index_of(texts);
        let traced = trace_answer(&index, honest.as_bytes(), b"", &fonte_attribution::Everyone).unwrap();
        traced.shares.of(thief)
    };
    let without = take(&[(thief, net, &licence), (author, net, &honest)]);
    let with = take(&[(commons, net, &licence), (thief, net, &licence), (author, net, &honest)]);
    (without, with)
}

/// What a hoarder's commits are good for.
#[derive(Clone, Copy, Debug)]
pub struct Hoard {
    /// Hoarded commits that open to a text which the hoarder saw only later.
    pub opened: usize,
    /// Hoarded commits tried.
    pub commits: usize,
    /// Hoarder's ppm of an answer from the author's text while the hoarder's commit is not revealed.
    pub unrevealed_ppm: u32,
    /// The same once it is revealed, in receipts that name the version before the reveal.
    pub earlier_receipts_ppm: u32,
    /// In receipts that name the version of the reveal: the text was the hoarder's at the commit.
    pub later_receipts_ppm: u32,
}

/// Commits a thousand ids early; then an author publishes; then the hoarder reveals.
pub fn hoarded_commits() -> Hoard {
    use alloy_primitives::{Address, B256, keccak256};
    let text = "Eels leave the upper lakes on moonless nights in October, when the first flood has cooled the water.";
    let (hoarder, author) = (Address::repeat_byte(7), Address::repeat_byte(8));
    let terms = |root: B256, payee: Address, blind: B256| ContributionTerms {
        datanet: DatanetId(1),
        root,
        documents: 1,
        text_bytes: text.len() as u64,
        payee,
        blind,
        deadline: 0,
    };
    let seen_later = keccak256(text);
    let blinds: Vec<B256> = (0..1000u64).map(|n| keccak256(n.to_be_bytes())).collect();
    let stored: Vec<B256> =
        blinds.iter().map(|blind| terms(keccak256(blind), hoarder, *blind).commitment(hoarder)).collect();
    // `Datanets.reveal` looks the opening's hash up: an opening that hashes to no hoarded commitment opens none.
    let opened = blinds
        .iter()
        .filter(|blind| {
            let hoarders = terms(seen_later, hoarder, **blind).commitment(hoarder);
            let authors = terms(seen_later, author, **blind).commitment(author);
            stored.contains(&hoarders) || stored.contains(&authors)
        })
        .count();

    let (early, late) = (ContributionId(1), ContributionId(2));
    let net = DatanetId(1);
    // Both hold the text: the hoarder had it at the commit after all, and is in from version 2 on.
    let (_folder, index) = index_of(&[(early, net, text), (late, net, text)]);
    let membership = |added| Membership { datanet: net, added: Version(added), withdrawn: None };
    let ppm = |version: u32, revealed: bool| {
        let named = [DatanetVersion { datanet: net, version: Version(version) }];
        let members = |id: ContributionId, _: DatanetId| match id {
            id if id == early => revealed && membership(2).is_member_of_any(&named),
            _ => membership(1).is_member_of_any(&named),
        };
        trace_answer(&index as &dyn TraceIndex, text.as_bytes(), b"", &members).unwrap().shares.of(early)
    };
    Hoard {
        opened,
        commits: stored.len(),
        unrevealed_ppm: ppm(1, false),
        earlier_receipts_ppm: ppm(1, true),
        later_receipts_ppm: ppm(2, true),
    }
}

/// What a publisher of prompts takes of an answer that repeats its prompt, in ppm: the answer of a model that echoes
/// the question before it answers, traced with its prompt and (against the rule) without.
pub fn prompt_echo() -> (u32, u32) {
    let question = "At what bean temperature does first crack begin on the ten-kilo drum roaster in the net loft?";
    let answer = format!("You asked: {question} It begins near 196 degrees.");
    let publisher = ContributionId(1);
    let (_folder, index) = index_of(&[(publisher, DatanetId(1), question)]);
    let take = |prompt: &str| {
        let members = fonte_attribution::Everyone;
        trace_answer(&index, answer.as_bytes(), prompt.as_bytes(), &members).unwrap().shares.of(publisher)
    };
    (take(&format!("user: {question}")), take(""))
}

/// The remedy that is none: what every account that copies a text does to its author under a rule that calls commons
/// whatever stands in the texts of `accounts` accounts. Author's ppm of an answer from its text before and after.
pub fn commons_by_frequency(accounts: u64) -> (u32, u32) {
    let text = "The lock keeper of the Orrin counts eels by lantern, and writes the number on the gate in chalk.";
    let author = ContributionId(1);
    let net = DatanetId(1);
    let copies: Vec<_> = (1..=accounts).map(|id| (ContributionId(id), net, text)).collect();
    let pays = |texts: &[(ContributionId, DatanetId, &str)], frequent: u64| {
        let (_folder, index) = index_of(texts);
        let holders = index
            .spans(
                text.as_bytes(),
                fonte_attribution::SpanQuery { min_len: 32, max_documents: 100 },
                &fonte_attribution::Everyone,
            )
            .unwrap()[0]
            .documents
            .len() as u64;
        if holders >= frequent {
            return 0;
        }
        trace_answer(&index, text.as_bytes(), b"", &fonte_attribution::Everyone).unwrap().shares.of(author)
    };
    (pays(&copies[..1], accounts), pays(&copies, accounts))
}

/// The author's ppm of the same answer under the rule that holds, before and after the copies.
pub fn commons_by_vote(accounts: u64) -> (u32, u32) {
    let text = "The lock keeper of the Orrin counts eels by lantern, and writes the number on the gate in chalk.";
    let author = ContributionId(1);
    let copies: Vec<_> = (1..=accounts).map(|id| (ContributionId(id), DatanetId(1), text)).collect();
    let pays = |texts: &[(ContributionId, DatanetId, &str)]| {
        let (_folder, index) = index_of(texts);
        trace_answer(&index, text.as_bytes(), b"", &fonte_attribution::Everyone).unwrap().shares.of(author)
    };
    (pays(&copies[..1]), pays(&copies))
}

//! Attacks with other people's words, or with one's own more than once.

use fonte_corpus::Document;

use super::{
    Plan, Planned, datanet_of,
    texts::{Seeded, edited, glue, language, reworded},
    victim_of,
};
use crate::common::document;

/// The attacker publishes its own texts ten times more, from ten accounts.
pub fn own_copies(plan: Plan, attacker: &str) -> Plan {
    let documents = plan.of(attacker).documents.clone();
    (0..10).fold(plan, |plan, n| plan.last(format!("{attacker} copy {n}"), datanet_of(attacker), documents.clone()))
}

/// The attacker publishes somebody else's texts from ten accounts.
pub fn others_copies(plan: Plan, attacker: &str) -> Plan {
    let documents = plan.of(victim_of(attacker)).documents.clone();
    (0..10).fold(plan, |plan, n| plan.last(format!("{attacker} copy {n}"), datanet_of(attacker), documents.clone()))
}

/// Every text of the datanet in one document, with paragraphs of glue between them.
pub fn superset(plan: Plan, attacker: &str) -> Plan {
    let mut documents = Vec::new();
    for wanted in ["en", "pt-BR"] {
        let mut text = String::new();
        let of_others =
            plan.contributions.iter().filter(|p| p.datanet == datanet_of(attacker) && p.account != attacker);
        for (number, copied) in of_others.flat_map(|planned| &planned.documents).enumerate() {
            if language(&copied.text) == wanted {
                text += &format!("{}\n\n{}\n\n", glue(number), copied.text);
            }
        }
        documents.push(document("The whole guide", wanted, &text));
    }
    plan.last(format!("{attacker} superset"), datanet_of(attacker), documents)
}

/// The attacker's texts are cut into paragraphs, dealt out to ten accounts in place of its own one.
pub fn split(mut plan: Plan, attacker: &str) -> Plan {
    let at = plan.contributions.iter().position(|planned| planned.account == attacker).unwrap();
    let whole = plan.contributions.remove(at);
    let mut parts: Vec<Vec<Document>> = vec![Vec::new(); 10];
    let mut number = 0;
    for text in &whole.documents {
        for paragraph in text.text.split("\n\n") {
            let mut part = document(&text.metadata.title, &text.metadata.language, paragraph);
            part.path = format!("{number}.md");
            parts[number % 10].push(part);
            number += 1;
        }
    }
    for (n, documents) in parts.into_iter().enumerate().filter(|(_, documents)| !documents.is_empty()) {
        let account = format!("{attacker} part {n}");
        plan.contributions.insert(at, Planned { account, datanet: whole.datanet, documents });
    }
    plan
}

/// Somebody else's texts with an edit in every 31 bytes: no window of them is left.
pub fn small_edits(plan: Plan, attacker: &str) -> Plan {
    rewritten(plan, attacker, edited)
}

/// Somebody else's texts with every sixth word replaced.
pub fn rewording(plan: Plan, attacker: &str) -> Plan {
    let mut random = Seeded(6);
    rewritten(plan, attacker, move |text| reworded(text, 6, &mut random))
}

fn rewritten(plan: Plan, attacker: &str, mut rewrite: impl FnMut(&str) -> String) -> Plan {
    let documents = plan
        .of(victim_of(attacker))
        .documents
        .iter()
        .map(|text| document(&text.metadata.title, &text.metadata.language, &rewrite(&text.text)))
        .collect();
    plan.last(format!("{attacker} rewritten"), datanet_of(attacker), documents)
}

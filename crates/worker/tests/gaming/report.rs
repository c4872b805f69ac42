//! All attacks, measured and printed.

use super::{
    ATTACKERS, Earned, Plan, Row, bait, copies, honest,
    money::{self, ROLES},
    order, play, questions,
};

/// An attack on the corpus: a name, and what it makes of an honest plan.
pub struct Attack {
    pub name: &'static str,
    pub make: fn(Plan, &str, &[String]) -> Plan,
}

/// The attacks whose gain is at most 1.05.
pub const HELD: [Attack; 13] = [
    Attack { name: "ten verbatim copies of one's own", make: |plan, who, _| copies::own_copies(plan, who) },
    Attack { name: "ten verbatim copies of another's", make: |plan, who, _| copies::others_copies(plan, who) },
    Attack { name: "superset with glue", make: |plan, who, _| copies::superset(plan, who) },
    Attack { name: "one's texts split over ten accounts", make: |plan, who, _| copies::split(plan, who) },
    Attack { name: "small edit every 31 bytes", make: |plan, who, _| copies::small_edits(plan, who) },
    Attack { name: "every sixth word replaced", make: |plan, who, _| copies::rewording(plan, who) },
    Attack { name: "common phrases registered first", make: |plan, who, _| order::phrases_first(plan, who) },
    Attack { name: "instructions inside one's texts", make: |plan, who, _| bait::instructions(plan, who) },
    Attack { name: "bait: word lists, questions unknown", make: |plan, who, _| bait::blind_keywords(plan, who) },
    Attack { name: "bait: word lists, questions known", make: bait::keywords },
    Attack { name: "bait: word lists with function words", make: bait::salad },
    Attack { name: "bait: the prompt, echoed", make: bait::echo },
    Attack { name: "bait: the prompt, echoed, with figures", make: bait::echo_with_figures },
];

/// The attacks that cost somebody something still: what is left, measured.
pub const LEFT: [Attack; 4] = [
    Attack { name: "bait: fluent sentences, questions unknown", make: |plan, who, _| bait::fluent_blind(plan, who) },
    Attack { name: "bait: plain sentence between word lists", make: bait::neighbours },
    Attack { name: "bait: plain sentence, words in the title", make: bait::titles },
    Attack { name: "bait: fluent sentence that says nothing", make: bait::fluent },
];

/// Measures attacks for one attacker.
pub async fn measure(attack: &Attack, attacker: &str, before: &Earned, questions: &[String]) -> Row {
    let after = play(&(attack.make)(honest(), attacker, questions), questions).await;
    Row::new(attack.name, attacker, before, &after)
}

/// Runs everything and prints it; with a word, only the attacks whose name holds it.
pub async fn print(only: Option<&str>) {
    let questions = questions();
    let before = play(&honest(), &questions).await;
    println!("{} questions, {} answered, fees {} wei", questions.len(), before.answered, before.fees);
    println!("\n{:<44} {:<24} {:>7} {:>7}  {:>8}", "attack", "attacker", "gain", "of this", "others");
    println!("{:<44} {:<24} {:>7} {:>7}  {:>8}", "", "", "", "by it", "lose");
    for attack in HELD.iter().chain(&LEFT).filter(|attack| only.is_none_or(|word| attack.name.contains(word))) {
        for attacker in ATTACKERS {
            println!("{}", measure(attack, attacker, &before, &questions).await);
        }
    }
    if only.is_some() {
        return;
    }
    let (without, with) = order::licences_first();
    println!("\nlicence text registered first: {without} ppm of a licensed answer without a commons, {with} with it");
    let (with, without) = order::prompt_echo();
    println!("prompt published, answer echoes it: {with} ppm; if the prompt were no source, {without}");
    println!("hoarded commits: {:?}", order::hoarded_commits());
    let ((before, after), (kept, still)) = (order::commons_by_frequency(10), order::commons_by_vote(10));
    println!("ten copies under a commons by frequency: author {before} -> {after} ppm; by vote: {kept} -> {still}");
    println!("\nasking about one's own texts, an answer of 60 tokens all of which is the asker's");
    for roles in ROLES {
        let (paid, back) = money::dealt(roles, 20, 60, &money::all_of_it());
        let (lost, once) = (paid - back, roles.once());
        println!("  {:<40} paid {paid} wei, back {back}, lost {lost}, and {once} once", roles.name);
    }
}

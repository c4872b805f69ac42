//! Known attacks on attribution do not pay: each is carried out on the demo corpus, and its gain is held to its goal.
//! `examples/attacks.rs` prints the whole table.

mod common;
mod gaming;

use gaming::{
    ATTACKERS, honest,
    money::{self, ROLES},
    order, play, questions,
    report::{HELD, LEFT, measure},
    texts::edited,
};

/// Thousandths of the honest income that an attack may add to it, all accounts and texts together.
const GOAL: u128 = 50;

/// Thousandths of their income that the others may lose by any attack: search orders passages by counts over all of them,
/// and so chooses which ones the model reads.
const OTHERS: u128 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn copies_splits_bait_and_echo_do_not_pay() {
    let questions = questions();
    let before = play(&honest(), &questions).await;
    assert!(ATTACKERS.iter().all(|attacker| before.of(attacker) > 0), "every attacker earns honestly: {before:?}");
    let mut missed = Vec::new();
    for attack in &HELD {
        for attacker in ATTACKERS {
            let row = measure(attack, attacker, &before, &questions).await;
            println!("{row}");
            if row.gain() > 1000 + GOAL || row.loss() > OTHERS {
                missed.push(row.to_string());
            }
        }
    }
    assert!(missed.is_empty(), "over the goal:\n{}", missed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_what_the_documentation_says() {
    let questions = questions();
    let before = play(&honest(), &questions).await;
    let blind = measure(&LEFT[0], ATTACKERS[0], &before, &questions).await;
    println!("{blind}");
    // Nothing is promised of what needs no questions, but that it earns far less than what knows them.
    assert!(blind.gain() < 3_000 && blind.loss() <= 50, "{blind}");
    for attack in &LEFT[1..] {
        let row = measure(attack, ATTACKERS[0], &before, &questions).await;
        println!("{row}");
        // A whole sentence of the question's words is quoted where nobody answers: if this no longer earns anything, the
        // documentation sells the defence short. It takes little from those who do answer.
        assert!(row.taken() > GOAL, "{row}");
        assert!(row.loss() <= 150, "{row}");
    }
}

#[test]
fn gas_is_what_the_contracts_were_measured_to_take() {
    let measured = |snapshot: &str, name: &str| -> u128 {
        let all: serde_json::Value = serde_json::from_str(snapshot).unwrap();
        all[name].as_str().unwrap().parse().unwrap()
    };
    let batch = measured(include_str!("../../../contracts/snapshots/settle.json"), "rows_1000_payees_20");
    assert_eq!(money::GAS_PER_ROW, batch / 1000);
    let registered = measured(include_str!("../../../contracts/snapshots/models.json"), "register_quote");
    assert_eq!(money::REGISTER_GAS, registered);
}

#[test]
fn an_edit_in_every_31_bytes_leaves_no_window() {
    for planned in honest().contributions {
        for text in planned.documents {
            let copy = edited(&text.text);
            let windows: std::collections::HashSet<&[u8]> = text.text.as_bytes().windows(fonte_types::WINDOW).collect();
            let left = copy.as_bytes().windows(fonte_types::WINDOW).filter(|window| windows.contains(window)).count();
            assert_eq!(left, 0, "{}", text.path);
        }
    }
}

#[test]
fn licence_texts_belong_to_the_commons() {
    let (without, with) = order::licences_first();
    // The attack works where there is no commons, so the zero means something.
    assert!(without > 500_000, "{without}");
    assert_eq!(with, 0);
}

#[test]
fn an_echo_of_the_prompt_pays_nobody() {
    let (with_prompt, without) = order::prompt_echo();
    assert!(without > 500_000, "{without}");
    assert_eq!(with_prompt, 0);
}

#[test]
fn hoarded_commits_open_to_nothing_new() {
    let hoard = order::hoarded_commits();
    assert_eq!((hoard.opened, hoard.commits), (0, 1000));
    assert_eq!((hoard.unrevealed_ppm, hoard.earlier_receipts_ppm), (0, 0));
    // Whoever had the text at the commit is the earlier one: that is the order of commits, and not authorship.
    assert_eq!(hoard.later_receipts_ppm, 1_000_000);
}

#[test]
fn copies_push_nothing_into_the_commons() {
    let (before, after) = order::commons_by_frequency(10);
    assert_eq!((before, after), (1_000_000, 0), "a rule by frequency would let ten copies take an author's income");
    assert_eq!(order::commons_by_vote(10), (1_000_000, 1_000_000));
}

#[test]
fn asking_about_ones_own_texts_never_gains() {
    for roles in ROLES {
        for (input, output) in [(1, 1), (20, 60), (1000, 4000), (1_000_000, 1_000_000)] {
            let (paid, back) = money::dealt(roles, input, output, &money::all_of_it());
            // With a model and a worker of one's own, and somebody else's gateway paying the gas, an answer costs nothing.
            assert_eq!(back == paid, roles.breaks_even(), "{}: {back} of {paid}", roles.name);
            assert!(back <= paid && back < paid + roles.once(), "{}: {back} of {paid}", roles.name);
        }
    }
    assert_eq!(ROLES.iter().filter(|roles| roles.breaks_even()).count(), 1, "the documentation names one");
}

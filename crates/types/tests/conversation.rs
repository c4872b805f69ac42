//! The text of a conversation, and the conversation from its text and lengths.

use fonte_types::conversation::{Role, Turn, render, split};

#[test]
fn lengths_tell_apart_what_renders_alike() {
    let turn = |role, text: &str| Turn { role, text: text.into() };
    let two = vec![turn(Role::System, "Be brief."), turn(Role::User, "Why é?")];
    let one = vec![turn(Role::System, "Be brief.\n\nuser: Why é?")];
    let text = render(&two);
    assert_eq!(text, render(&one));
    for turns in [two, one] {
        let lengths: Vec<_> = turns.iter().map(|turn| (turn.role, turn.text.len())).collect();
        assert_eq!(split(&text, lengths.clone()), Some(turns));
        // Another role, another length, one turn too few.
        let mut other = lengths.clone();
        other[0].0 = Role::Tool;
        assert_eq!(split(&text, other.clone()), None);
        other.clone_from(&lengths);
        other[0].1 -= 1;
        assert_eq!(split(&text, other), None);
        assert_eq!(split(&text, lengths[..lengths.len() - 1].iter().copied()), None);
    }
    assert_eq!(split("user: é", [(Role::User, 1)]), None, "half a character");
    assert_eq!(split("user: é", [(Role::User, usize::MAX)]), None);
    assert!(Role::ALL.into_iter().zip(0..).all(|(role, code)| role.code() == code));
}

proptest::proptest! {
    #[test]
    fn what_was_rendered_splits_into_what_was_said(said in proptest::collection::vec((0..6usize, "(user: |\n|.){0,8}"), 1..6)) {
        let turns: Vec<Turn> = said.into_iter().map(|(role, text)| Turn { role: Role::ALL[role], text }).collect();
        let lengths = turns.iter().map(|turn| (turn.role, turn.text.len()));
        proptest::prop_assert_eq!(split(&render(&turns), lengths), Some(turns.clone()));
    }

    #[test]
    fn no_lengths_split_what_they_do_not_fit(text in ".{0,40}", lengths in proptest::collection::vec((0..6usize, 0..50usize), 0..4)) {
        let lengths = lengths.into_iter().map(|(role, bytes)| (Role::ALL[role], bytes));
        if let Some(turns) = split(&text, lengths) {
            proptest::prop_assert_eq!(render(&turns), text);
        }
    }
}

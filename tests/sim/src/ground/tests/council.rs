//! What may not be of questions that several people must answer.

use pawl_core::event::{Actor, ApprovalClaimed, ApprovalDelegated, ApprovalVoted};
use pawl_core::terms::Terms;

use super::*;

const ID: u128 = 7;

fn person(name: &str) -> Actor {
    Actor { operator: false, ..named(format!("user:{name}")) }
}

/// A run that ann began asks bob, cleo, and those whom they ask: two of them must agree.
fn asking() -> Truth {
    let [step, mut opened] = asked(1);
    if let Event::ApprovalOpened(opened) = &mut opened {
        opened.question.to = vec!["user:bob".into(), "user:cleo".into(), "user:ann".into()];
        opened.question.terms =
            Terms { quorum: Some(2), not_by: vec!["initiator".into()], ..Terms::default() };
    }
    let mut truth = Truth::default();
    assert_eq!(commit(&mut truth, RUN, &[started(None, None), step, opened]), [""; 0]);
    truth
}

fn vote(by: &Actor, instead_of: Option<&str>) -> Event {
    Event::ApprovalVoted(Box::new(ApprovalVoted {
        approval: ApprovalId::from_bits(ID),
        action: "approve".into(),
        data: json!({}).into(),
        by: by.clone(),
        instead_of: instead_of.map(str::to_owned),
        comment: None,
        executes: None,
    }))
}

fn decision(by: &Actor) -> Event {
    let Event::ApprovalDecided(mut decided) = decided() else { unreachable!("it is one") };
    decided.by = by.clone();
    Event::ApprovalDecided(decided)
}

fn claim(by: &Actor) -> Event {
    let (approval, by, until) = (ApprovalId::from_bits(ID), by.clone(), Timestamp(1_000));
    Event::ApprovalClaimed(Box::new(ApprovalClaimed { approval, by, until, from: None }))
}

fn delegation(by: &Actor, to: &str) -> Event {
    Event::ApprovalDelegated(Box::new(ApprovalDelegated {
        approval: ApprovalId::from_bits(ID),
        to: vec![to.to_owned()],
        by: by.clone(),
        instead_of: None,
        comment: None,
    }))
}

#[test]
fn what_is_right_is_taken() {
    let (bob, cleo, dan) = (person("bob"), person("cleo"), person("dan"));
    assert_eq!(commit(&mut asking(), RUN, &[vote(&bob, None), decision(&cleo)]), [""; 0]);
    let given = [delegation(&bob, "user:dan"), vote(&dan, Some("user:bob")), claim(&cleo), decision(&cleo)];
    assert_eq!(commit(&mut asking(), RUN, &given), [""; 0]);
}

#[test]
fn voices_that_are_too_few_counted_twice_or_nobodys_are_found() {
    let (bob, cleo, dan) = (person("bob"), person("cleo"), person("dan"));
    let cases = [
        (vec![decision(&bob)], "is decided (approve) by 1 voices of 2"),
        (vec![vote(&bob, None), vote(&cleo, None)], "is not decided (approve) by 2 voices of 2"),
        (vec![vote(&bob, None), decision(&bob)], "user:bob answers twice"),
        (
            vec![vote(&bob, None), delegation(&bob, "user:dan"), vote(&dan, Some("user:bob"))],
            "the voice of user:bob counts twice",
        ),
        (vec![vote(&dan, None)], "user:dan answers, and was not asked"),
        (vec![vote(&dan, Some("user:bob"))], "who has not asked them"),
        (vec![vote(&person("ann"), None)], "user:ann has a part in it, whom `not_by` shuts out"),
        (vec![delegation(&bob, "user:ann")], "user:ann is asked, whom `not_by` shuts out"),
        (vec![claim(&dan)], "user:dan has a part in it, whom nobody asked"),
        (vec![claim(&bob), vote(&cleo, None)], "user:cleo comes past user:bob, who holds it"),
    ];
    for (events, words) in cases {
        finds(&commit(&mut asking(), RUN, &events), words);
    }
}

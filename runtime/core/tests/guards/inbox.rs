//! What people do with approvals beside answering them.

use pawl_core::event::{Actor, Event};
use pawl_core::terms::{
    CLAIM_TIME, CLAIMS_MAX, COMMENT_MAX_BYTES, COMMENTS_MAX, DELEGATIONS_MAX, PEOPLE_MAX, PERSON_MAX_BYTES,
};
use pawl_core::{ApprovalId, Command, Refusal, Timestamp};
use serde_json::{Value, json};

use crate::bench::{Bench, ann, bob, somebody};

pub(crate) const FINANCE: &str = "
steps: [{ id: ask, human: { title: Pay?, to: group:finance } }]
outputs: { by: \"${{ steps.ask.output.by }}\" }
";

pub(crate) fn cleo() -> Actor {
    Actor { groups: vec!["group:finance".into()], ..somebody("user:cleo") }
}

pub(crate) fn owner() -> Actor {
    Actor { operator: true, ..somebody("user:owner") }
}

/// What somebody does with the one open approval.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Claim,
    Release,
    Delegate(&'static [&'static str]),
    Comment(&'static str),
    Answer(&'static str),
    Reason(&'static str, &'static str),
}

impl Act {
    pub(crate) fn by(self, approval: ApprovalId, by: Actor) -> Command {
        match self {
            Self::Claim => Command::Claim { approval, by },
            Self::Release => Command::Release { approval, by },
            Self::Delegate(to) => {
                let to = to.iter().map(|who| (*who).to_owned()).collect();
                Command::Delegate { approval, to, by, comment: None }
            }
            Self::Comment(text) => Command::Comment { approval, text: text.into(), by },
            Self::Answer(action) => {
                Command::Decide { approval, action: action.into(), data: Value::Null, by, comment: None }
            }
            Self::Reason(action, why) => {
                let (action, comment) = (action.into(), Some(why.into()));
                Command::Decide { approval, action, data: Value::Null, by, comment }
            }
        }
    }
}

/// Goes through what people do one after the other. Each line is taken, or refused for a reason that these words say;
/// what is refused changes nothing, which the bench sees for all that is decided.
pub(crate) fn goes(bench: &mut Bench, lines: &[(Actor, Act, Result<&str, &str>)]) {
    let id = bench.asked().0;
    for (line, (by, act, expected)) in lines.iter().enumerate() {
        let before = bench.state.clone();
        match (bench.tell(act.by(id.clone(), by.clone())), expected) {
            (Ok(events), Ok(name)) => assert_eq!(events[0].name(), *name, "line {line}: {act:?}"),
            (Err(refusal), Err(words)) => {
                let text = refusal.to_string();
                assert!(text.contains(words), "line {line}: {text}");
                assert_eq!(bench.state, before, "line {line} changed something");
            }
            (found, _) => panic!("line {line}: {act:?} by {}: {found:?}, not {expected:?}", by.name),
        }
    }
}

#[test]
fn one_person_holds_an_approval_until_they_let_go_or_answer() {
    let mut bench = Bench::start(FINANCE);
    goes(
        &mut bench,
        &[
            (bob(), Act::Claim, Err("user:bob may not answer")),
            (ann(), Act::Release, Err("user:ann does not hold the approval; nobody does")),
            (ann(), Act::Claim, Ok("approval-claimed")),
            (cleo(), Act::Claim, Err("user:ann holds the approval until")),
            (cleo(), Act::Answer("approve"), Err("user:ann holds the approval until")),
            (cleo(), Act::Release, Err("user:ann does")),
            (cleo(), Act::Delegate(&["user:dan"]), Err("user:ann holds")),
            (cleo(), Act::Comment("I looked at it"), Ok("approval-commented")),
            (ann(), Act::Claim, Ok("approval-claimed")),
            (ann(), Act::Release, Ok("approval-released")),
            (cleo(), Act::Claim, Ok("approval-claimed")),
            // An operator answers what others hold only when they have taken it over.
            (owner(), Act::Answer("approve"), Err("user:cleo holds")),
            (owner(), Act::Claim, Ok("approval-claimed")),
            (cleo(), Act::Answer("approve"), Err("user:owner holds")),
            (owner(), Act::Release, Ok("approval-released")),
            (cleo(), Act::Claim, Ok("approval-claimed")),
            (owner(), Act::Release, Ok("approval-released")),
            (ann(), Act::Claim, Ok("approval-claimed")),
            (ann(), Act::Answer("approve"), Ok("approval-decided")),
            (ann(), Act::Claim, Err("decided before: approve, by user:ann")),
            (ann(), Act::Release, Err("decided before")),
            (ann(), Act::Comment("late"), Err("decided before")),
            (ann(), Act::Delegate(&["user:dan"]), Err("decided before")),
        ],
    );
    let taken = bench.events.iter().filter_map(|event| match event {
        Event::ApprovalClaimed(claimed) => claimed.from.clone(),
        _ => None,
    });
    assert_eq!(taken.collect::<Vec<_>>(), ["user:cleo"]);
}

#[test]
fn a_claim_lapses_and_listings_show_it() {
    for (key, time) in [("", CLAIM_TIME.0), (", claim_for: 30m", 1_800_000)] {
        let text = format!("steps: [{{ id: ask, human: {{ title: Pay?{key} }} }}]");
        let mut bench = Bench::start(&text);
        let (id, _) = bench.asked();
        bench.tell(Act::Claim.by(id.clone(), ann())).unwrap();
        let claim = bench.state.open_approval(&id).unwrap().inbox.claim.unwrap();
        assert_eq!((claim.by.as_str(), claim.until.0 - claim.since.0), ("user:ann", time));
        bench.now = Timestamp(claim.until.0 - 1);
        let held = bench.tell(Act::Answer("approve").by(id.clone(), bob())).unwrap_err();
        assert!(matches!(held, Refusal::Claimed { .. }), "{held}");
        bench.now = claim.until;
        bench.tell(Act::Answer("approve").by(id, bob())).unwrap();
    }
}

#[test]
fn who_delegates_gives_one_voice_and_no_more() {
    let mut bench = Bench::start(
        "steps: [{ id: ask, human: { title: Pay?, to: group:finance, quorum: 3, not_by: initiator } }]",
    );
    let dan = || somebody("user:dan");
    let eve = || Actor { groups: vec!["group:temps".into()], ..somebody("user:eve") };
    goes(
        &mut bench,
        &[
            (dan(), Act::Delegate(&["user:eve"]), Err("user:dan may not answer")),
            (ann(), Act::Delegate(&[]), Err("nobody is named")),
            (ann(), Act::Delegate(&["dan"]), Err("'dan' is neither a user nor a group")),
            (ann(), Act::Delegate(&["user:ann"]), Err("answers themselves already")),
            (
                ann(),
                Act::Delegate(&["user:starter"]),
                Err("user:starter may not answer this one: they started"),
            ),
            (ann(), Act::Delegate(&["user:dan", "group:temps"]), Ok("approval-delegated")),
            // Whom somebody asks may ask others; the voice stays that of the first.
            (dan(), Act::Delegate(&["user:fred"]), Ok("approval-delegated")),
            (eve(), Act::Claim, Ok("approval-claimed")),
            (eve(), Act::Answer("approve"), Ok("approval-voted")),
            (dan(), Act::Answer("approve"), Err("user:eve has answered with the voice of user:ann")),
            (somebody("user:fred"), Act::Answer("approve"), Err("the voice of user:ann")),
            (ann(), Act::Answer("approve"), Err("the voice of user:ann")),
            (eve(), Act::Answer("approve"), Err("user:eve has answered 'approve' before")),
            (cleo(), Act::Answer("approve"), Ok("approval-voted")),
            (owner(), Act::Answer("approve"), Ok("approval-decided")),
        ],
    );
    let voted = bench.events.iter().find_map(|event| match event {
        Event::ApprovalVoted(voted) => Some((voted.by.name.clone(), voted.instead_of.clone())),
        _ => None,
    });
    assert_eq!(voted, Some(("user:eve".into(), Some("user:ann".into()))));
}

#[test]
fn what_is_said_and_done_has_limits() {
    let mut bench = Bench::start(FINANCE);
    let (id, _) = bench.asked();
    let comment = |text: String| Command::Comment { approval: id.clone(), text, by: ann() };
    assert_eq!(bench.tell(comment(" ".into())).unwrap_err(), Refusal::EmptyComment);
    bench.tell(comment("x".repeat(COMMENT_MAX_BYTES))).unwrap();
    let long = "x".repeat(COMMENT_MAX_BYTES + 1);
    let refused = bench.tell(comment(long.clone())).unwrap_err();
    assert_eq!(refused, Refusal::CommentTooLong { bytes: COMMENT_MAX_BYTES + 1, max: COMMENT_MAX_BYTES });
    let (action, data) = ("approve".into(), json!({}));
    let answer = Command::Decide { approval: id.clone(), action, data, by: ann(), comment: Some(long) };
    assert!(matches!(bench.tell(answer).unwrap_err(), Refusal::CommentTooLong { .. }));
    for _ in 1..COMMENTS_MAX {
        bench.tell(comment("well".into())).unwrap();
    }
    let refused = bench.tell(comment("well".into())).unwrap_err();
    assert!(matches!(refused, Refusal::TooMany { limit: "comments_max", .. }), "{refused}");

    let delegate = |to: Vec<String>| Command::Delegate { approval: id.clone(), to, by: ann(), comment: None };
    let name = |count| format!("user:{}", "x".repeat(count));
    let fits = PERSON_MAX_BYTES - "user:".len();
    assert!(matches!(bench.tell(delegate(vec![name(fits + 1)])), Err(Refusal::InvalidDelegate { .. })));
    let many: Vec<_> = (0..=PEOPLE_MAX).map(|number| format!("user:{number}")).collect();
    assert!(matches!(bench.tell(delegate(many.clone())), Err(Refusal::InvalidDelegate { .. })));
    bench.tell(delegate(many[1..].to_vec())).unwrap();
    for _ in 1..DELEGATIONS_MAX {
        bench.tell(delegate(vec![name(fits)])).unwrap();
    }
    let refused = bench.tell(delegate(vec![name(1)])).unwrap_err();
    assert!(matches!(refused, Refusal::TooMany { limit: "delegations_max", .. }), "{refused}");

    for _ in 0..CLAIMS_MAX {
        bench.tell(Act::Claim.by(id.clone(), ann())).unwrap();
    }
    let refused = bench.tell(Act::Claim.by(id.clone(), ann())).unwrap_err();
    assert!(matches!(refused, Refusal::TooMany { limit: "claims_max", .. }), "{refused}");
    // It can be answered all the same.
    bench.tell(Act::Answer("approve").by(id, ann())).unwrap();
}

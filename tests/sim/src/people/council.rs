//! What people do with a question that several of them must answer: those who may, those who may not, and those who may
//! once others have asked them.

use pawl_core::event::Actor;
use pawl_core::view::OpenApproval;
use pawl_core::{Digest, Duration};
use pawl_engine::Answer;
use serde_json::Value;

use super::{Handling, Reply, named};

/// Who comes by. `dan` may answer only in the place of somebody, `late` only after the question was escalated, and
/// `mole` and whoever began the run never.
const PEOPLE: [(&str, &[&str]); 7] = [
    ("user:cleo", &[]),
    ("user:b1", &["group:board"]),
    ("user:b2", &["group:board"]),
    ("user:b3", &["group:board"]),
    ("user:mole", &["group:board"]),
    ("user:dan", &[]),
    ("user:late", &["group:crisis"]),
];

/// What somebody does about it next. `tries` is how often somebody did something before, so that the next one is
/// another one; `began` is who began the run.
pub(super) fn reply(seed: u64, open: &OpenApproval, tries: u32, began: &[String]) -> Reply {
    let (run, title) = (open.run.as_bytes(), open.title.as_bytes());
    let drawn = Digest::of_parts(&[b"council", &seed.to_be_bytes(), run, title, &tries.to_be_bytes()]);
    let drawn = drawn.as_bytes();
    let (by, what) = (who(drawn, began), what(drawn, tries));
    let what = match what {
        "claim" => Handling::Claim,
        "release" => Handling::Release,
        "delegate" => Handling::Delegate(vec![
            ["user:dan", "user:b3", "group:crisis"][usize::from(drawn[3] % 3)].to_owned(),
        ]),
        "comment" => Handling::Comment(format!("said {tries}")),
        action => Handling::Vote(Answer {
            action: action.to_owned(),
            data: Value::Null,
            by: by.clone(),
            comment: None,
        }),
    };
    // Somebody comes by every minute or so.
    let after = Duration(u64::from(tries) * 60_000 + u64::from(drawn[4]) * 500);
    Reply { at: open.created_at.after(after), approval: open.id.clone(), by, what }
}

fn who(drawn: &[u8], began: &[String]) -> Actor {
    let at = usize::from(drawn[1] % 9);
    match (PEOPLE.get(at), began.first()) {
        (Some((name, groups)), _) => Actor {
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            operator: false,
            ..named((*name).to_owned())
        },
        // The operators: one who began it, and one who did not.
        (None, Some(began)) if at == PEOPLE.len() => named(began.clone()),
        (None, _) => super::somebody(),
    }
}

fn what(drawn: &[u8], tries: u32) -> &'static str {
    match drawn[2] % 100 {
        0..42 => "approve",
        // Most of them are not over before anything has happened.
        42..50 if tries > 3 => "reject",
        42..62 => "claim",
        62..72 => "release",
        72..86 => "delegate",
        _ => "comment",
    }
}

//! Ways past an approval that are none: forks, runs that are moved, texts that others bring.

use std::collections::BTreeSet;

use pawl_core::Namespace;
use serde_json::{Value, json};

use crate::bench::{ASKS, Bench, namespace, new_token};
use crate::identity::{NamespaceLimits, NewToken, Role, TokenSecret, Verb};

/// A run that ann has approved, and the seqs of its question, of its answer and of the end of its step.
async fn approved(bench: &Bench) -> (pawl_core::RunId, [u64; 3]) {
    let (run, approval) = bench.asking(&Namespace::default()).await;
    let ann = bench.token(new_token("ann", Role::Approver, None)).await;
    let body = json!({ "action": "approve", "data": { "note": "ok" } }).to_string();
    let answer = bench.ask(&ann, &format!("POST /v1/approvals/{approval}/decide"), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    bench.engine.settled(run).await.unwrap();
    let history = bench.engine.history(run).await.unwrap();
    let seq = |name| history.envelopes.iter().find(|one| one.event.name() == name).unwrap().seq;
    (run, ["approval-opened", "approval-decided", "step-completed"].map(seq))
}

async fn token(bench: &Bench, name: &str, roles: &[Role]) -> TokenSecret {
    bench
        .token(NewToken { roles: roles.iter().copied().collect(), ..new_token(name, Role::Viewer, None) })
        .await
}

#[tokio::test]
async fn nobody_forks_past_an_approval_that_they_could_not_have_given() {
    let bench = Bench::new().await;
    let (run, [asked, _, done]) = approved(&bench).await;
    let line = format!("POST /v1/runs/{run}/fork");
    let forge = json!([{ "step": "ask", "path": ["action"], "value": "approve" }]);
    let (behind, before) = (json!({ "at": done }), json!({ "at": asked }));
    let forged = json!({ "at": done, "changes": forge });
    let dry = json!({ "at": done, "dry": true });
    let both: &[Role] = &[Role::Operator, Role::Approver];
    for (name, roles, [at_end, at_question, forging, dryly]) in [
        ("ann", &[Role::Operator][..], [403, 201, 403, 201]),
        ("bob", both, [403, 201, 403, 201]),
        ("root", &[Role::Admin][..], [403, 201, 403, 201]),
        ("ann", both, [201, 201, 409, 201]),
        ("ann", &[Role::Approver][..], [403, 403, 403, 403]),
        ("ann", &[Role::Viewer][..], [403, 403, 403, 403]),
    ] {
        let token = token(&bench, name, roles).await;
        for (body, status) in [(&behind, at_end), (&before, at_question), (&forged, forging), (&dry, dryly)] {
            let answer = bench.ask(&token, &line, &body.to_string()).await;
            assert_eq!(answer.status, status, "{name} {roles:?} {body}: {}", answer.body);
        }
    }
    // She is asked; the token is not for it.
    let verbs = Some(BTreeSet::from([Verb::Look, Verb::Start]));
    let narrow = bench.token(NewToken { verbs, ..new_token("ann", Role::Admin, None) }).await;
    let refused = bench.ask(&narrow, &line, &behind.to_string()).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("answer-of-others")));
    assert!(
        refused.body.contains("the right to decide") && refused.body.contains("at step 'ask'"),
        "{}",
        refused.body
    );
    // The operator of the machine forks anywhere, and gives no answer by a change either.
    assert_eq!(bench.send(&line, &[], &behind.to_string()).await.status, 201);
    let refused = bench.send(&line, &[], &forged.to_string()).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("cannot-fork")));
}

#[tokio::test]
async fn a_fork_and_a_rerun_that_come_to_a_question_ask_it_and_say_whose_they_are() {
    let bench = Bench::new().await;
    let (run, [asked, ..]) = approved(&bench).await;
    let operator = bench.token(new_token("eve", Role::Operator, None)).await;
    for (line, body) in [
        (format!("POST /v1/runs/{run}/fork"), json!({ "at": asked })),
        (format!("POST /v1/runs/{run}/fork"), json!({ "at": 1 })),
        (format!("POST /v1/runs/{run}/rerun"), json!({})),
    ] {
        let made = bench.ask(&operator, &line, &body.to_string()).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let new = made.json()["id"].as_str().unwrap().parse().unwrap();
        let header = bench.engine.settled(new).await.unwrap();
        assert_eq!(header.status, pawl_core::view::Status::Waiting, "{line} {body}");
        let journal = bench.ask(&operator, &format!("GET /v1/runs/{new}/journal"), "").await.body;
        assert!(journal.contains(&format!("http token {}", operator.id)), "{journal}");
        // Who forked or started it answers no more than before.
        let open = bench.ask(&operator, &format!("GET /v1/approvals?run={new}"), "").await.json();
        let id = open["items"][0]["id"].as_str().unwrap().to_owned();
        let body = json!({ "action": "approve" }).to_string();
        let refused = bench.ask(&operator, &format!("POST /v1/approvals/{id}/decide"), &body).await;
        assert_eq!(refused.status, 403, "{}", refused.body);
    }
}

#[tokio::test]
async fn a_text_that_nobody_registered_moves_runs_only_for_who_may_register() {
    let bench = Bench::new().await;
    bench.set_namespace("own", NamespaceLimits::default()).await;
    let (run, _) = bench.asking(&namespace("own")).await;
    let limited = |verbs: &[Verb]| NewToken {
        verbs: Some(verbs.iter().copied().collect()),
        ..new_token("eve", Role::Operator, Some("own"))
    };
    let steers = bench.token(limited(&[Verb::Look, Verb::Steer])).await;
    let registers = bench.token(limited(&[Verb::Look, Verb::Steer, Verb::Register])).await;
    let source = ASKS.replace("1.0.0", "1.1.0");
    let brought = json!({ "source": source, "runs": [run] }).to_string();
    let apply = "POST /v1/upgrades/apply";
    let refused = bench.ask(&steers, apply, &brought).await;
    assert!(refused.status == 403 && refused.body.contains("the right to register"), "{}", refused.body);
    let made = bench.ask(&registers, "POST /v1/workflows", &json!({ "source": source }).to_string()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let named: Value = json!({ "workflow": "asks", "version": "1.1.0", "runs": [run] });
    let moved = bench.ask(&steers, apply, &named.to_string()).await;
    assert_eq!((moved.status, &moved.json()["items"][0]["moved"]), (200, &json!(true)), "{}", moved.body);
    let brought = brought.replace("1.1.0", "1.2.0");
    let moved = bench.ask(&registers, apply, &brought).await;
    assert_eq!((moved.status, &moved.json()["items"][0]["moved"]), (200, &json!(true)), "{}", moved.body);
}

#[tokio::test]
async fn a_token_that_only_starts_starts_any_text_and_registers_none() {
    let bench = Bench::new().await;
    let verbs = Some(BTreeSet::from([Verb::Start]));
    let only = bench.token(NewToken { verbs, ..new_token("ci", Role::Operator, None) }).await;
    let text = json!({ "source": ASKS }).to_string();
    for (line, status) in [("POST /v1/runs", 201), ("POST /v1/workflows", 403), ("GET /v1/runs", 403)] {
        let body = if line.starts_with("GET") { "" } else { &text };
        assert_eq!(bench.ask(&only, line, body).await.status, status, "{line}");
    }
}

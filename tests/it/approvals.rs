//! Answers that are not accepted: each with its own error, and nothing in the journal.

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::{Actor, Event};
use pawl_core::{ApprovalId, Refusal, RunId};
use pawl_engine::EngineError;
use pawl_tests::{Scene, person};
use serde_json::{Value, json};

const ASK: &str = "
pawl: 1
workflow: ask
version: 1.0.0
steps:
  - id: ask
    human:
      title: Refund?
      to: [group:finance, user:zoe]
      actions: [approve, reject]
      form: { note: string, amount: { type: number, minimum: 0, optional: true } }
outputs:
  by: ${{ steps.ask.output.by }}
";

const PLAIN: &str = "
pawl: 1
workflow: plain
version: 1.0.0
steps:
  - id: ask
    human: { title: Go on?, actions: [go] }
";

struct Case {
    name: &'static str,
    action: &'static str,
    data: Value,
    by: Actor,
    error: &'static str,
}

fn refused() -> Vec<Case> {
    let note = || json!({ "note": "fine" });
    let member = || person("user:bob", &["group:finance"], false);
    vec![
        Case {
            name: "an action that is not offered",
            action: "postpone",
            data: note(),
            by: member(),
            error: "there is no action 'postpone'; choose one of: approve, reject",
        },
        Case {
            name: "somebody who was not asked",
            action: "approve",
            data: note(),
            by: person("user:eve", &["group:sales"], false),
            error: "user:eve may not answer; it was asked of: group:finance, user:zoe",
        },
        Case {
            name: "a group's name as a person's",
            action: "approve",
            data: note(),
            by: person("finance", &[], false),
            error: "finance may not answer; it was asked of: group:finance, user:zoe",
        },
        Case {
            name: "a field that is missing",
            action: "approve",
            data: Value::Null,
            by: member(),
            error: "the form does not accept this: \"note\" is a required property",
        },
        Case {
            name: "a field of another type, another out of its range and a third that is not there",
            action: "approve",
            data: json!({ "note": 1, "amount": -1, "bonus": true }),
            by: member(),
            error: "the form does not accept this: ",
        },
        Case {
            name: "data that is no object",
            action: "approve",
            data: json!("fine"),
            by: member(),
            error: "the form does not accept this: ",
        },
    ]
}

async fn journal(scene: &Scene, run: RunId) -> Result<Vec<Vec<u8>>> {
    Ok(scene.engine.store().journal(run, 1).await?)
}

#[tokio::test]
async fn an_answer_that_does_not_fit_changes_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(ASK, Value::Null).await?;
    let approval = scene.asked(run).await?;
    let before = journal(&scene, run).await?;
    for case in refused() {
        let outcome = scene.answer_as(&approval, case.action, case.data, case.by).await;
        let message = outcome.err().context(case.name)?.to_string();
        ensure!(message.starts_with(case.error), "{}: {message}", case.name);
        assert_eq!(journal(&scene, run).await?, before, "{}", case.name);
    }
    assert_eq!(scene.asked(run).await?, approval);
    scene.holds(0).await
}

#[tokio::test]
async fn whoever_was_asked_may_answer() -> Result<()> {
    let scene = Scene::new().await?;
    let people = [
        person("user:bob", &["group:sales", "group:finance"], false),
        person("user:zoe", &[], false),
        person("user:owner", &[], true),
    ];
    for by in people {
        let run = scene.start(ASK, Value::Null).await?;
        let approval = scene.asked(run).await?;
        let name = by.name.clone();
        scene.answer_as(&approval, "approve", json!({ "note": "fine" }), by.clone()).await?;
        assert_eq!(scene.ended(run).await?.outputs, Some(json!({ "by": name })));
        let decided = scene.named(run, "approval-decided").await?;
        let Event::ApprovalDecided(decided) = decided.event else { unreachable!("asked for by name") };
        assert_eq!((decided.by, decided.action.as_str()), (by, "approve"));
    }
    Ok(())
}

#[tokio::test]
async fn an_approval_is_decided_once() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(ASK, Value::Null).await?;
    let approval = scene.asked(run).await?;
    let data = || json!({ "note": "fine" });
    // Both at once: one of them is the first.
    let answers =
        tokio::join!(scene.answer(&approval, "approve", data()), scene.answer(&approval, "reject", data()),);
    let refusals: Vec<_> = [answers.0, answers.1].into_iter().filter_map(Result::err).collect();
    ensure!(matches!(refusals[..], [EngineError::Refused(Refusal::AlreadyDecided { .. })]), "{refusals:?}");
    let before = journal(&scene, run).await?;
    let again = scene.answer(&approval, "approve", data()).await;
    ensure!(matches!(again, Err(EngineError::Refused(Refusal::AlreadyDecided { .. }))), "{again:?}");
    assert_eq!(journal(&scene, run).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_cancelled_run_takes_no_answer() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(ASK, Value::Null).await?;
    let approval = scene.asked(run).await?;
    scene.engine.cancel(run, person("user:ann", &[], true), None).await?;
    assert_eq!(scene.engine.store().approval(&approval).await?, None);
    let before = journal(&scene, run).await?;
    let late = scene.answer(&approval, "approve", json!({ "note": "fine" })).await;
    let message = late.err().context("a refusal")?.to_string();
    assert_eq!(message, "the approval was decided before: closed, by the end of its step");
    assert_eq!(journal(&scene, run).await?, before);
    Ok(())
}

#[tokio::test]
async fn an_approval_that_never_was_is_not_found() -> Result<()> {
    let scene = Scene::new().await?;
    let approval = ApprovalId::from_bits(7);
    let outcome = scene.answer(&approval, "approve", Value::Null).await;
    ensure!(matches!(outcome, Err(EngineError::UnknownApproval(ref id)) if *id == approval), "{outcome:?}");
    Ok(())
}

#[tokio::test]
async fn a_question_without_a_form_takes_no_data() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(PLAIN, Value::Null).await?;
    let approval = scene.asked(run).await?;
    let outcome = scene.answer(&approval, "go", json!({ "note": "fine" })).await;
    let message = outcome.err().context("a refusal")?.to_string();
    assert_eq!(message, "the form does not accept this: there is no form to fill in; leave the data out");
    scene.answer(&approval, "go", json!({})).await?;
    scene.ended(run).await?;
    Ok(())
}

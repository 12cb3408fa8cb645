//! `at-most-once` tools that were under way when the engine ended: a person says what became of them.

use anyhow::{Context as _, Result, bail, ensure};
use pawl_core::event::{Asker, Event};
use pawl_core::state::Activity;
use pawl_core::view::{RunHeader, Status};
use pawl_core::{ApprovalId, Duration, FailureKind, RunId};
use pawl_engine::ManualClock;
use pawl_tests::{BEGIN, Disk, Scene, TALLY_HOST, TallyServer, patiently};
use serde_json::{Value, json};

const REFUND: &str = "payments.refund";

fn step(more: &str) -> String {
    format!(
        "
pawl: 1
workflow: pay
version: 1.0.0
plugins: {{ payments: ./tests/guests/payments_tally.wasm }}
permissions: {{ http: ['{TALLY_HOST}'] }}
steps:
  - id: pay
    tool: payments.refund
    with: {{ order: A-1002, amount: 40 }}
{more}outputs: {{ receipt: '${{{{ steps.pay.output.receipt }}}}' }}
"
    )
}

fn agent(more: &str) -> String {
    format!(
        "
pawl: 1
workflow: plan
version: 1.0.0
plugins:
  payments: ./tests/guests/payments_tally.wasm
permissions: {{ tools: [orders.*, payments.refund], human: true, memory: true, timers: true, http: ['{TALLY_HOST}'] }}
steps:
  - id: plan
    agent: planner
    with: {{ customer: ben }}
{more}outputs:
  receipts: ${{{{ steps.plan.output.receipts }}}}
"
    )
}

/// What a person says, and what comes of it.
struct Case {
    action: &'static str,
    data: Value,
    /// How often the money moved in the end.
    refunds: usize,
    end: Result<&'static str, &'static str>,
}

fn cases() -> Vec<Case> {
    let receipt = json!({ "receipt": "R-found", "order": "A-1002", "amount": 40, "currency": "EUR" });
    vec![
        Case { action: "retry", data: json!({}), refunds: 2, end: Ok("") },
        Case { action: "succeeded", data: json!({ "output": receipt }), refunds: 1, end: Ok("R-found") },
        Case {
            action: "failed",
            data: json!({ "note": "the bank says no" }),
            refunds: 1,
            end: Err("a person decided that it failed: the bank says no"),
        },
    ]
}

/// A run whose refund reached the server, and whose engine ended before the answer.
struct Lost {
    scene: Scene,
    run: RunId,
    approval: ApprovalId,
}

async fn lose(disk: &Disk, server: &TallyServer, text: &str, is_agent: bool) -> Result<Lost> {
    server.hold(REFUND);
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = scene.start_allowed(text, Value::Null, &[TALLY_HOST]).await?;
    if is_agent {
        let approval = scene.asked(run).await?;
        scene.answer(&approval, "approve", Value::Null).await?;
    }
    patiently("the refund", server.reached(REFUND, 1)).await?;
    let clock = scene.stop().await?;
    let scene = disk.scene(clock).await?;
    assert_eq!(scene.engine.recover().await?, [run]);
    let approval = scene.asked(run).await?;
    Ok(Lost { scene, run, approval })
}

async fn unknown(lost: &Lost, is_agent: bool) -> Result<()> {
    let history = lost.scene.engine.history(lost.run).await?;
    let asker = if is_agent { history_asker(&history.envelopes) } else { Some(Asker::UnknownStep) };
    let open = lost.scene.engine.store().approval(&lost.approval).await?.context("an open approval")?;
    assert_eq!(open.actions, ["retry", "succeeded", "failed"]);
    let title = "Did payments.refund happen? Its outcome is unknown: pawl stopped while it was under way";
    assert_eq!(open.title, title);
    let amount = if is_agent { json!(189.0) } else { json!(40) };
    assert_eq!(open.subject, Some(json!({ "order": "A-1002", "amount": amount })));
    let (_, approval) = history.state.approvals().find(|(id, _)| **id == lost.approval).context("it")?;
    assert_eq!(Some(approval.asker), asker);
    let (_, visit) = history.state.active().next().context("a visit")?;
    let expected = if is_agent { Status::Waiting } else { Status::Unknown };
    assert_eq!(visit.status(), expected);
    ensure!(is_agent || matches!(visit.activity, Activity::Unknown(Some(_))));

    // Saying that it happened needs what it gave.
    let before = history.head;
    let bare = lost.scene.answer(&lost.approval, "succeeded", json!({ "note": "yes" })).await;
    let message = bare.err().context("a refusal")?.to_string();
    let expected = "the form does not accept this: 'succeeded' needs the field 'output': what the tool gave";
    assert_eq!(message, expected);
    assert_eq!(lost.scene.engine.history(lost.run).await?.head, before);
    Ok(())
}

fn history_asker(envelopes: &[pawl_core::journal::Envelope]) -> Option<Asker> {
    envelopes.iter().find_map(|envelope| match envelope.event {
        Event::OutcomeUnknown { call: Some(call), .. } => Some(Asker::UnknownCall(call)),
        _ => None,
    })
}

async fn check(case: &Case, is_agent: bool) -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    let text = if is_agent { agent("") } else { step("") };
    let lost = lose(&disk, &server, &text, is_agent).await?;
    unknown(&lost, is_agent).await?;
    server.release();
    lost.scene.answer(&lost.approval, case.action, case.data.clone()).await?;
    let header = lost.scene.ended(lost.run).await?;
    let calls = server.calls()?;
    assert_eq!(calls.len(), case.refunds);
    ensure!(calls.iter().all(|call| call.key == calls[0].key), "two keys for one payment: {calls:?}");
    ended_as(&header, case, is_agent)?;
    lost.scene.stop().await?;
    Ok(())
}

fn ended_as(header: &RunHeader, case: &Case, is_agent: bool) -> Result<()> {
    match case.end {
        Ok(receipt) => {
            assert_eq!(header.status, Status::Completed, "{:?}", header.error);
            let outputs = header.outputs.as_ref().context("outputs")?;
            let given = if is_agent { &outputs["receipts"][0] } else { &outputs["receipt"] };
            let given = given.as_str().context("a receipt")?;
            ensure!(given.starts_with("R-") && (receipt.is_empty() || given == receipt), "{outputs}");
        }
        Err(message) => {
            let failure = header.error.as_ref().context("a failure")?;
            // An agent hears of it as a permanent failure, and passes it on.
            let kind = if is_agent { FailureKind::Permanent } else { FailureKind::Rejected };
            assert_eq!((failure.kind, failure.message.as_str()), (kind, message));
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_step_that_was_under_way_ends_as_a_person_says() -> Result<()> {
    each_answer(false).await
}

#[tokio::test]
async fn an_agents_call_that_was_under_way_ends_as_a_person_says() -> Result<()> {
    each_answer(true).await
}

async fn each_answer(is_agent: bool) -> Result<()> {
    for case in cases() {
        check(&case, is_agent).await.context(case.action)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_step_whose_time_is_up_may_have_happened() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    server.hold(REFUND);
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let text = step("    timeout: 5s\n    retry: { max_attempts: 3, delay: 1s }\n");
    let run = scene.start_allowed(&text, Value::Null, &[TALLY_HOST]).await?;
    patiently("the refund", server.reached(REFUND, 1)).await?;
    scene.clock.advance(Duration::from_secs(5));
    let approval = scene.asked(run).await?;
    let unknown = scene.named(run, "outcome-unknown").await?;
    let Event::OutcomeUnknown { reason, call, .. } = unknown.event else { unreachable!("asked for by name") };
    assert_eq!(reason, "tool payments.refund took longer than its timeout of 5s");
    assert_eq!(call, None);
    // However long it takes a person: no retry, no second timeout.
    scene.clock.advance(Duration::from_secs(3_600));
    scene.holds(0).await?;
    assert_eq!(scene.asked(run).await?, approval);
    server.release();
    scene.answer(&approval, "retry", Value::Null).await?;
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    assert_eq!(server.calls()?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn an_agent_whose_time_is_up_does_not_repeat_what_may_have_happened() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    server.hold(REFUND);
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let text = agent("    timeout: 1h\n    retry: { max_attempts: 2, delay: 1s }\n");
    let run = scene.start_allowed(&text, Value::Null, &[TALLY_HOST]).await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    patiently("the refund", server.reached(REFUND, 1)).await?;
    scene.clock.advance(Duration::from_secs(3_600));
    let unknown = scene
        .event(run, |event| matches!(event, Event::OutcomeUnknown { .. } | Event::AttemptFailed { .. }))
        .await?;
    let Event::OutcomeUnknown { reason, call: Some(_), .. } = unknown.event else {
        bail!("the call's outcome is not unknown: {unknown:?}");
    };
    assert_eq!(reason, "agent planner took longer than its timeout of 1h");
    // Nor does its time go on while a person thinks.
    scene.clock.advance(Duration::from_secs(7_200));
    scene.holds(0).await?;
    let approval = scene.asked(run).await?;
    server.release();
    let receipt = json!({ "receipt": "R-found", "order": "A-1002", "amount": 189, "currency": "EUR" });
    scene.answer(&approval, "succeeded", json!({ "output": receipt })).await?;
    assert_eq!(scene.ended(run).await?.outputs, Some(json!({ "receipts": ["R-found"] })));
    assert_eq!(server.calls()?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn idempotent_tools_that_were_under_way_run_again_under_the_same_key() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    server.hold("orders.lookup");
    let text = format!(
        "
pawl: 1
workflow: look
version: 1.0.0
plugins: {{ orders: ./tests/guests/orders_tally.wasm }}
permissions: {{ http: ['{TALLY_HOST}'] }}
steps:
  - id: look
    tool: orders.lookup
    with: {{ id: A-1002 }}
"
    );
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = scene.start_allowed(&text, Value::Null, &[TALLY_HOST]).await?;
    patiently("the look-up", server.reached("orders.lookup", 1)).await?;
    let scene = disk.scene(scene.stop().await?).await?;
    server.release();
    assert_eq!(scene.engine.recover().await?, [run]);
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    let calls = server.calls()?;
    assert_eq!((calls.len(), &calls[0].key), (2, &calls[1].key));
    assert_eq!(scene.named(run, "attempt-started").await?.seq, 3);
    assert_eq!(scene.events(run).await?.iter().filter(|e| e.name() == "attempt-started").count(), 1);
    Ok(())
}

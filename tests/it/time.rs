//! Time, on a clock that the test moves: what is due happens, and not before.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use pawl_core::event::Event;
use pawl_core::view::{Status, Waiting};
use pawl_core::{Duration, FailureKind, RunId, Timestamp};
use pawl_engine::{Clock, ManualClock, StartOptions};
use pawl_store::memory::MemoryStore;
use pawl_store::{Batch, RunCommit, Store as _};
use pawl_tests::{BEGIN, Scene, patiently, waits_until, workflow};
use serde_json::{Value, json};

const WAIT: &str = r#"
pawl: 1
workflow: wait
version: 1.0.0
steps:
  - id: pause
    wait: 90s
  - id: appointment
    wait: { until: "2026-01-01T00:00:00Z" }
outputs: { done: "yes" }
"#;
/// 2026-01-01T00:00:00Z
const APPOINTMENT: Timestamp = Timestamp(BEGIN.0 + 3_600_000);

const SPIN: &str = "
pawl: 1
workflow: spin
version: 1.0.0
plugins: { spin: ./tests/guests/spin.wasm }
steps:
  - id: spin
    tool: spin.forever
    timeout: 30s
";

const SAY: &str = "
pawl: 1
workflow: say
version: 1.0.0
steps:
  - id: say
    tool: echo.say
    with: { text: still here }
outputs: { text: '${{ steps.say.output.text }}' }
";

async fn status(scene: &Scene, run: RunId) -> Result<Status> {
    // Whatever the clock set off before is decided once the loop has answered.
    scene.holds(0).await?;
    Ok(scene.engine.store().run(run).await?.context("a header")?.status)
}

#[tokio::test]
async fn a_wait_costs_no_memory_and_ends_when_its_time_has_come() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(WAIT, Value::Null).await?;
    let paused = scene.named(run, "wait-started").await?;
    assert_eq!(waits_until(&paused.event), Some(BEGIN.after(Duration::from_secs(90))));
    scene.holds(0).await?;
    let header = scene.engine.store().run(run).await?.context("a header")?;
    assert_eq!(header.wake_at, Some(BEGIN.after(Duration::from_secs(90))));
    ensure!(matches!(header.waiting, Some(Waiting::Timer { ref reason, .. }) if reason == "wait"));

    scene.clock.advance(Duration(89_999));
    assert_eq!(status(&scene, run).await?, Status::Waiting);
    assert_eq!(scene.events(run).await?.len(), 3);
    scene.clock.advance(Duration(1));
    scene.event(run, |event| waits_until(event) == Some(APPOINTMENT)).await?;
    scene.move_to(Timestamp(APPOINTMENT.0 - 1));
    assert_eq!(status(&scene, run).await?, Status::Waiting);
    scene.clock.advance(Duration(1));
    scene.named(run, "run-completed").await?;
    assert_eq!(status(&scene, run).await?, Status::Completed);
    Ok(())
}

#[tokio::test]
async fn an_instant_that_has_passed_is_not_waited_for() -> Result<()> {
    let scene = Scene::new().await?;
    scene.move_to(APPOINTMENT.after(Duration::from_secs(86_400)));
    let run = scene.start(WAIT, Value::Null).await?;
    let paused = scene.named(run, "wait-started").await?;
    scene.move_to(waits_until(&paused.event).context("an instant")?);
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    Ok(())
}

#[tokio::test]
async fn a_retry_starts_at_the_instant_that_its_failure_was_journaled_with() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = scene.engine.load_workflow(&workflow("retry.yaml")).await?;
    let run = scene.engine.start(&workflow, json!({ "key": "k" }), StartOptions::default()).await?;
    let mut pauses = Vec::new();
    for attempt in 1..=2 {
        let is = |event: &Event| matches!(event, Event::AttemptFailed { attempt: a, .. } if *a == attempt);
        let failed = scene.event(run, is).await?;
        let retry_at = waits_until(&failed.event).context("another attempt")?;
        scene.holds(0).await?;
        let header = scene.engine.store().run(run).await?.context("a header")?;
        ensure!(matches!(header.waiting, Some(Waiting::Timer { ref reason, .. }) if reason == "retry"));
        scene.move_to(Timestamp(retry_at.0 - 1));
        assert_eq!(status(&scene, run).await?, Status::Waiting);
        scene.move_to(retry_at);
        let again =
            |event: &Event| matches!(event, Event::AttemptStarted { attempt: a, .. } if *a == attempt + 1);
        assert_eq!(scene.event(run, again).await?.time, retry_at);
        pauses.push(retry_at.since(failed.time).0);
    }
    ensure!((25..=50).contains(&pauses[0]) && (50..=100).contains(&pauses[1]), "{pauses:?}");
    assert_eq!(scene.ended(run).await?.outputs, Some(json!({ "attempt": 3 })));
    Ok(())
}

#[tokio::test]
async fn a_tool_that_takes_too_long_is_stopped_and_its_step_times_out() -> Result<()> {
    // One tool at a time: another one runs only if the endless one is gone.
    let scene = Scene::with(|config| {
        config.sandbox.tools_max = 1;
        config.limits.guest_time_max_ms = 3_600_000;
    })
    .await?;
    let run = scene.start(SPIN, Value::Null).await?;
    scene.named(run, "attempt-started").await?;
    scene.clock.advance(Duration::from_secs(30));
    let failure = scene.ended(run).await?.error.context("a failure")?;
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.message, "tool spin.forever took longer than its timeout of 30s");
    let next = scene.start(SAY, Value::Null).await?;
    assert_eq!(scene.ended(next).await?.outputs, Some(json!({ "text": "still here" })));
    scene.holds(0).await
}

#[tokio::test]
async fn cancelling_stops_a_guest_that_spins_at_once() -> Result<()> {
    let scene = Scene::with(|config| {
        config.sandbox.tools_max = 1;
        config.limits.guest_time_max_ms = 3_600_000;
    })
    .await?;
    let run = scene.start(SPIN, Value::Null).await?;
    scene.named(run, "attempt-started").await?;
    let by = pawl_tests::person("user:ann", &[], true);
    scene.engine.cancel(run, by.clone(), Some("enough".into())).await?;
    let header = scene.engine.store().run(run).await?.context("a header")?;
    assert_eq!(header.status, Status::Cancelled);
    let next = scene.start(SAY, Value::Null).await?;
    assert_eq!(scene.ended(next).await?.status, Status::Completed);
    let again = scene.engine.cancel(run, by, None).await;
    let message = again.err().context("a refusal")?.to_string();
    assert_eq!(message, "the run has ended (cancelled); start a new one");
    scene.holds(0).await
}

#[tokio::test]
async fn a_question_that_is_due_takes_the_action_it_names() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = scene.engine.load_workflow(&workflow("refund.yaml")).await?;
    let inputs = json!({ "ticket": "A-1002 never came", "amount": 40 });
    let run = scene.engine.start(&workflow, inputs, StartOptions::default()).await?;
    let approval = scene.asked(run).await?;
    scene.holds(0).await?;
    scene.clock.advance(Duration::from_secs(48 * 3_600 - 1));
    assert_eq!(status(&scene, run).await?, Status::Waiting);
    scene.clock.advance(Duration::from_secs(1));
    let decided = scene.named(run, "approval-decided").await?;
    let Event::ApprovalDecided(decided) = decided.event else { unreachable!("asked for by name") };
    assert_eq!((decided.action.as_str(), decided.by.name.as_str()), ("reject", "timer"));
    scene.named(run, "run-completed").await?;
    assert_eq!(scene.ended(run).await?.outputs.context("outputs")?["decision"], "reject");
    let late = scene.answer(&approval, "approve", Value::Null).await;
    let message = late.err().context("a refusal")?.to_string();
    assert_eq!(message, "the approval was decided before: reject, by timer");
    Ok(())
}

#[tokio::test]
async fn an_agent_that_sleeps_costs_no_memory_and_wakes() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = scene.engine.load_workflow(&workflow("planner.yaml")).await?;
    let inputs = json!({ "customer": "ann", "cool_down_ms": 7_200_000 });
    let run = scene.engine.start(&workflow, inputs, StartOptions::default()).await?;
    let approval = scene.asked(run).await?;
    scene.clock.advance(Duration::from_secs(10));
    scene.answer(&approval, "approve", Value::Null).await?;
    let asleep = scene.event(run, |event| waits_until(event).is_some()).await?;
    let until = waits_until(&asleep.event).context("an instant")?;
    assert_eq!(until, BEGIN.after(Duration::from_secs(10 + 7_200)));
    scene.holds(0).await?;
    let header = scene.engine.store().run(run).await?.context("a header")?;
    ensure!(matches!(header.waiting, Some(Waiting::Timer { ref reason, .. }) if reason == "sleep"));
    scene.move_to(until);
    scene.named(run, "run-completed").await?;
    Ok(())
}

#[tokio::test]
async fn recover_serves_the_timers_of_an_earlier_engine() -> Result<()> {
    let store = MemoryStore::new();
    let open = |clock: ManualClock| Scene::on(Arc::new(store.clone()), clock, |_| {});
    let scene = open(ManualClock::new(BEGIN)).await?;
    let run = scene.start(WAIT, Value::Null).await?;
    scene.named(run, "wait-started").await?;
    let clock = scene.stop().await?;

    // Nobody asks for the run: the timer alone wakes it.
    let scene = open(clock).await?;
    assert_eq!(scene.engine.recover().await?, []);
    assert_eq!(scene.engine.in_memory().await?, 0);
    scene.clock.advance(Duration::from_secs(90));
    scene.event(run, |event| waits_until(event) == Some(APPOINTMENT)).await?;
    let clock = scene.stop().await?;

    // What came due while no engine was there happens at once.
    clock.advance(Duration::from_secs(86_400));
    let scene = open(clock).await?;
    scene.engine.recover().await?;
    scene.named(run, "run-completed").await?;
    scene.holds(0).await
}

#[tokio::test]
async fn an_engine_gives_its_store_back_when_the_last_handle_is_dropped() -> Result<()> {
    let disk = pawl_tests::Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = scene.start(WAIT, Value::Null).await?;
    scene.named(run, "wait-started").await?;
    let Scene { engine, clock } = scene;
    let second = engine.clone();
    drop(engine);
    assert_eq!(second.in_memory().await?, 0);
    drop(second);
    let scene = disk.scene(clock).await?;
    assert_eq!(scene.engine.store().run(run).await?.context("a header")?.status, Status::Waiting);
    Ok(())
}

/// A clock that counts how often it is looked at.
#[derive(Debug)]
struct Watched {
    clock: ManualClock,
    looks: Arc<AtomicUsize>,
}

#[async_trait]
impl Clock for Watched {
    fn now(&self) -> Timestamp {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.clock.now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.clock.sleep_until(at).await;
    }
}

#[tokio::test]
async fn a_due_run_that_cannot_be_read_keeps_nobody_busy() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(WAIT, Value::Null).await?;
    scene.named(run, "wait-started").await?;
    let header = scene.engine.store().run(run).await?;
    let store = Arc::new(MemoryStore::new());
    let (events, opened, closed) = (vec![b"damaged".to_vec()], Vec::new(), Vec::new());
    let commit = RunCommit { header, opened, closed, ..RunCommit::new(run, 0, events) };
    store.commit(&Batch { runs: vec![commit], ..Batch::default() }).await?;

    let looks = Arc::new(AtomicUsize::new(0));
    let clock = ManualClock::new(BEGIN);
    let watched = Arc::new(Watched { clock: clock.clone(), looks: Arc::clone(&looks) });
    let scene = Scene::on(store, clock, |config| config.clock = watched).await?;
    scene.engine.recover().await?;
    scene.clock.advance(Duration::from_secs(90));
    // Others are served.
    let other = scene.start(WAIT, Value::Null).await?;
    scene.drive(other, 1, &mut VecDeque::new(), |_| false).await?;
    scene.holds(0).await?;
    let before = looks.load(Ordering::Relaxed);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let looked = looks.load(Ordering::Relaxed) - before;
    ensure!(looked < 10, "the engine looked at its clock {looked} times with nothing to do");
    Ok(())
}

const TURNS: &str = "
pawl: 1
workflow: turns
version: 1.0.0
steps:
  - id: turns
    loop: { while: index < 5, max_visits: 5, steps: [{ id: pause, wait: 100ms }] }
";

/// The second wait is begun while the store is asked what is due, and is not to be put off for that.
#[tokio::test]
async fn waits_one_after_the_other_are_served_in_time_by_who_serves_the_store() -> Result<()> {
    let scene = Scene::new().await?;
    scene.engine.recover().await?;
    let run = scene.start(TURNS, Value::Null).await?;
    let mut follower = scene.engine.follow(run, 1);
    for turn in 0..5 {
        while patiently("a wait", follower.next()).await??.event.name() != "wait-started" {}
        scene.clock.advance(Duration(100));
        let done = loop {
            let envelope = patiently(&format!("the end of wait {turn}"), follower.next()).await??;
            if envelope.event.name() == "step-completed" {
                break envelope;
            }
        };
        assert_eq!(done.time, Timestamp(BEGIN.0 + 100 * (turn + 1)));
    }
    ensure!(scene.ended(run).await?.status == Status::Completed);
    Ok(())
}

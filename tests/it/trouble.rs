//! A store that fails for a while, or was altered: nothing that was done is done again, nobody is told
//! what is not durable, and nothing is taken for what was recorded that is not.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use pawl_core::event::Event;
use pawl_core::expression::VALUE_MAX_DEPTH;
use pawl_core::journal::Head;
use pawl_core::view::Status;
use pawl_core::{Digest, Duration, Refusal};
use pawl_engine::{EngineError, ManualClock, StartOptions};
use pawl_store::{Page, RunFilter, Store, StoreError};
use pawl_tests::{BEGIN, Scene, patiently, person};
use serde_json::json;

use crate::failing::Failing;

/// Lets time pass, a second after the other, until something has come.
pub(crate) async fn passing<T>(scene: &Scene, awaited: impl Future<Output = Result<T>>) -> Result<T> {
    let mut awaited = std::pin::pin!(awaited);
    loop {
        tokio::select! {
            biased;
            outcome = &mut awaited => return outcome,
            () = tokio::task::yield_now() => scene.clock.advance(Duration::from_secs(1)),
        }
    }
}

pub(crate) const PAY: &str = r"
pawl: 1
workflow: pay
version: 1.0.0
steps:
  - id: ask
    human: { title: Go on? }
  - id: pay
    tool: payments.refund
    with: { order: A-1001, amount: 5 }
outputs: { receipt: '${{ steps.pay.output.receipt }}' }
";

const WAIT: &str = "
pawl: 1
workflow: pause
version: 1.0.0
steps: [{ id: pause, wait: TIME }]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_stored_is_kept_until_it_can() -> Result<()> {
    let store = Failing::new();
    let clock = ManualClock::new(BEGIN);
    let scene = Scene::on(Arc::clone(&store) as _, clock, |_| {}).await?;
    let run = scene.start(PAY, json!({})).await?;
    let approval = scene.asked(run).await?;
    // The answer is stored, and the payment's result is not.
    store.takes.send_replace(Some(1));
    scene.answer(&approval, "approve", json!({})).await?;
    store.refused(1).await?;
    // The pause begins when the engine hears of the refusal, which may be later than now.
    passing(&scene, store.refused(2)).await?;
    store.takes.send_replace(None);
    let header = passing(&scene, scene.ended(run)).await?;
    ensure!(header.status == Status::Completed, "{:?}", header.error);
    let names: Vec<_> = scene.engine.history(run).await?.envelopes.iter().map(|e| e.event.name()).collect();
    ensure!(names.iter().filter(|name| **name == "attempt-started").count() == 1, "{names:?}");
    ensure!(!names.contains(&"outcome-unknown"), "{names:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_a_decision_that_is_not_stored() -> Result<()> {
    let store = Failing::new();
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |_| {}).await?;
    let run = scene.start(PAY, json!({})).await?;
    let approval = scene.asked(run).await?;
    store.takes.send_replace(Some(0));
    // Both wait for the run to be loaded and are decided in one round: the second rests on the first.
    let (first, second) = tokio::join!(
        scene.answer(&approval, "approve", json!({})),
        scene.answer(&approval, "reject", json!({}))
    );
    for answered in [first, second] {
        ensure!(matches!(answered, Err(EngineError::Store(StoreError::Full(_)))), "{answered:?}");
    }
    store.takes.send_replace(None);
    scene.answer(&approval, "approve", json!({})).await?;
    ensure!(scene.ended(run).await?.status == Status::Completed);
    Ok(())
}

#[tokio::test]
async fn a_follower_goes_on_from_where_somebody_has_read_to() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(PAY, json!({})).await?;
    let approval = scene.asked(run).await?;
    let read = scene.engine.history(run).await?;
    scene.answer(&approval, "approve", json!({})).await?;
    scene.ended(run).await?;
    let mut follower = scene.engine.follow_after(run, read.head);
    let all = scene.engine.history(run).await?.envelopes;
    for expected in &all[read.envelopes.len()..] {
        ensure!(patiently("the next event", follower.next()).await?? == *expected, "each comes once");
    }
    // A head that is not this journal's is found out.
    let other = Head { hash: Digest::of(b"another journal"), ..read.head };
    let altered = patiently("the next event", scene.engine.follow_after(run, other).next()).await?;
    ensure!(matches!(altered, Err(EngineError::Journal(_))), "{altered:?}");
    Ok(())
}

#[tokio::test]
async fn a_follower_hears_of_the_end_of_the_engine() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(PAY, json!({})).await?;
    let mut follower = scene.engine.follow(run, 1);
    while follower.next().await?.event.name() != "approval-opened" {}
    scene.engine.shut_down().await?;
    let end = patiently("the follower's end", follower.next()).await?;
    ensure!(matches!(end, Err(EngineError::Closed)), "{end:?}");
    Ok(())
}

/// Whoever follows a run that waits for time would wait for ever, and keep the store from the next process.
#[tokio::test]
async fn an_engine_ends_with_a_store_that_has_failed_for_good() -> Result<()> {
    let is_failed = |error: &EngineError| matches!(error, EngineError::Store(StoreError::Failed(_)));
    for by_time in [true, false] {
        let store = Failing::new();
        let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |_| {}).await?;
        let asks = scene.start(PAY, json!({})).await?;
        let approval = scene.asked(asks).await?;
        let waits = scene.start(&WAIT.replace("TIME", "1h"), json!({})).await?;
        let mut follower = scene.engine.follow(waits, 1);
        while follower.next().await?.event.name() != "wait-started" {}
        scene.engine.recover().await?;
        store.die();
        if by_time {
            scene.clock.advance(Duration::from_secs(3_600));
        } else {
            let answered = scene.answer(&approval, "approve", json!({})).await;
            ensure!(answered.as_ref().is_err_and(is_failed), "{answered:?}");
        }
        let end = patiently("the follower's end", follower.next()).await?;
        ensure!(end.as_ref().is_err_and(is_failed), "{end:?}");
        let answered = patiently("an answer", scene.answer(&approval, "approve", json!({}))).await?;
        ensure!(answered.is_err(), "{answered:?}");
        // What opens the store anew goes on.
        let scene = Scene::on(store.of_another_process() as _, scene.clock.clone(), |_| {}).await?;
        scene.answer(&approval, "approve", json!({})).await?;
        ensure!(scene.ended(asks).await?.status == Status::Completed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_commands_are_taken_than_may_be_unanswered() -> Result<()> {
    let store = Failing::new();
    let change = |config: &mut pawl_engine::EngineConfig| config.commands_max = 2;
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), change).await?;
    let workflow = scene.workflow(PAY).await?;
    store.held.send_replace(true);
    let starts: Vec<_> = (0..5)
        .map(|_| {
            let (engine, workflow) = (scene.engine.clone(), workflow.clone());
            tokio::spawn(async move { engine.start(&workflow, json!({}), StartOptions::default()).await })
        })
        .collect();
    let mut entered = store.entered.subscribe();
    patiently("two commits", entered.wait_for(|entered| *entered >= 2)).await??;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    ensure!(*entered.borrow() == 2, "{} commands are taken", *entered.borrow());
    store.held.send_replace(false);
    for start in starts {
        patiently("a start", start).await???;
    }
    Ok(())
}

#[tokio::test]
async fn a_value_that_was_altered_in_the_store_is_not_taken() -> Result<()> {
    let store = Failing::new();
    let change = |config: &mut pawl_engine::EngineConfig| config.payload_inline_max_bytes = 8;
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), change).await?;
    let run = scene.start(PAY, json!({})).await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "approve", json!({})).await?;
    scene.ended(run).await?;
    scene.engine.history(run).await?;
    store.altered.send_replace(true);
    match scene.engine.history(run).await {
        Err(EngineError::Missing { what, .. }) => ensure!(what.ends_with("unaltered"), "{what}"),
        other => bail!("{other:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn inputs_and_answers_that_are_nested_too_deeply_are_refused_at_the_door() -> Result<()> {
    let scene = Scene::new().await?;
    let deep = (0..=VALUE_MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    let text = PAY.replace("version: 1.0.0", "version: 1.0.0\ninputs: { any: any }");
    match scene.start(&text, json!({ "any": deep })).await {
        Err(error) => ensure!(error.to_string().contains("value_max_depth (64)"), "{error}"),
        Ok(run) => bail!("{run} was started"),
    }
    let run = scene.start(PAY, json!({})).await?;
    let approval = scene.asked(run).await?;
    match scene.answer(&approval, "approve", json!({ "any": deep })).await {
        Err(EngineError::Refused(Refusal::InvalidForm { problems })) => {
            ensure!(problems.iter().any(|problem| problem.contains("value_max_depth (64)")), "{problems:?}");
        }
        other => bail!("{other:?}"),
    }
    Ok(())
}

const BESIDE: &str = "
pawl: 1
workflow: beside
version: 1.0.0
plugins: { spin: ./tests/guests/spin.wasm }
steps:
  - id: both
    parallel:
      branches:
        work: [{ id: spin, tool: spin.forever }]
        person: [{ id: ask, human: { title: Go on? } }]
";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_not_cut_off_since_an_answer_cannot_be_stored() -> Result<()> {
    let store = Failing::new();
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |_| {}).await?;
    let run = scene.start(BESIDE, json!({})).await?;
    let Event::ApprovalOpened(opened) = scene.named(run, "approval-opened").await?.event else {
        bail!("another event");
    };
    store.takes.send_replace(Some(0));
    let recover = async {
        store.refused(1).await?;
        store.takes.send_replace(None);
        Ok::<_, anyhow::Error>(())
    };
    let answered = async {
        let (answered, recovered) =
            tokio::join!(scene.answer(&opened.approval, "approve", json!({})), recover);
        recovered?;
        Ok(answered?)
    };
    passing(&scene, answered).await?;
    let names: Vec<_> = scene.engine.history(run).await?.envelopes.iter().map(|e| e.event.name()).collect();
    ensure!(names.iter().filter(|name| **name == "approval-decided").count() == 1, "{names:?}");
    ensure!(scene.engine.in_memory().await? == 1, "the attempt goes on");
    scene.engine.cancel(run, person("user:ann", &[], true), None).await?;
    Ok(())
}

#[tokio::test]
async fn no_more_journals_are_read_at_once_than_the_limit_says() -> Result<()> {
    const LOADS_MAX: usize = 64;
    let store = Failing::new();
    let scene = Scene::on(store.clone(), ManualClock::new(BEGIN), |_| {}).await?;
    let asks = "pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps: [{ id: ask, human: { title: Go on? } }]\n";
    let mut approvals = Vec::new();
    for _ in 0..LOADS_MAX + 10 {
        let run = scene.start(asks, json!({})).await?;
        approvals.push(scene.asked(run).await?);
    }
    scene.holds(0).await?;
    store.unread.send_replace(true);
    let answers: Vec<_> = approvals
        .into_iter()
        .map(|approval| {
            let engine = scene.engine.clone();
            let answer = pawl_engine::Answer {
                action: "approve".to_owned(),
                data: serde_json::Value::Null,
                by: person("ann", &[], true),
                comment: None,
            };
            tokio::spawn(async move { engine.answer(&approval, answer).await })
        })
        .collect();
    let mut reading = store.reading.subscribe();
    patiently("journals that are read", reading.wait_for(|reading| *reading >= LOADS_MAX)).await??;
    // Every answer is in the engine's hands, which reads for some of them only.
    patiently("all answers", async {
        while scene.engine.in_memory().await.is_ok_and(|runs| runs < LOADS_MAX + 10) {
            tokio::task::yield_now().await;
        }
    })
    .await?;
    assert_eq!(*store.reading.borrow(), LOADS_MAX);
    store.unread.send_replace(false);
    for answer in answers {
        answer.await??;
    }
    Ok(())
}

/// Also where what it has to tell others was marked with it.
#[tokio::test]
async fn a_fork_whose_commit_had_no_answer_goes_on_if_it_is_there() -> Result<()> {
    const TELLS: &str = r"
pawl: 1
workflow: tells
version: 1.0.0
workflows: { quick: ./workflows/parts/lookup.yaml }
steps:
  - { id: first, set: 1 }
  - { id: child, workflow: quick, with: { order: A-1001 } }
";
    let store = Failing::new();
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |_| {}).await?;
    let run = scene.start(TELLS, json!({})).await?;
    scene.ended(run).await?;
    let by = || person("user:ann", &[], true);
    for there in [false, true] {
        if there {
            store.answer_not(true);
        } else {
            store.take(Some(0));
        }
        let forked = scene.engine.fork(run, 1, Vec::new(), by()).await;
        ensure!(matches!(forked, Err(EngineError::Store(_))), "{forked:?}");
        store.answer_not(false);
        store.take(None);
        let page = Page { after: None, limit: 10 };
        let found = store.runs(&RunFilter::default(), &page).await?.runs;
        let new = found.iter().find(|header| header.parent.is_none() && header.id != run);
        ensure!(new.is_some() == there, "{found:#?}");
        let Some(new) = new else { continue };
        // Nobody asks for it, nor for its child.
        let ended = scene.named(new.id, "run-completed");
        passing(&scene, ended).await?;
    }
    Ok(())
}

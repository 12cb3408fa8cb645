//! Journals of every format that was ever released are read as they were written.
//!
//! `tests/journals/v1/NAME.msgpack` is a journal: each record behind its length, four bytes, big
//! end first. `NAME.json` is the header of the state that it folds into. Neither is ever written
//! again; `cargo test -p pawl-tests --test it -- --ignored write_the_journals` made them, and
//! makes those of a format that has none yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use pawl_core::fork::Change;
use pawl_core::journal::{EncodedEvent, FORMAT_VERSION, Head, JournalError, decode};
use pawl_core::plugin::Permissions;
use pawl_core::view::RunHeader;
use pawl_core::{RunId, RunState, StepId};
use pawl_engine::{EngineError, ManualClock, StartOptions};
use pawl_store::{Batch, RunCommit};
use pawl_tests::{BEGIN, Disk, Scene, TALLY_HOST, TallyServer, patiently, person};
use serde_json::{Value, json};

/// The kinds of events that each of these journals adds to the ones before.
const KINDS: [(&str, &[&str]); 7] = [
    (
        "completed",
        &[
            "run-started",
            "step-started",
            "step-skipped",
            "attempt-started",
            "attempt-failed",
            "call-started",
            "call-completed",
            "approval-opened",
            "approval-decided",
            "wait-started",
            "step-completed",
            "run-completed",
        ],
    ),
    ("failed", &["tool-logged", "step-failed", "run-failed"]),
    ("cancelled", &["outcome-unknown", "run-cancelled"]),
    (
        "lists",
        &[
            "items-taken",
            "frame-started",
            "turn-started",
            "frame-completed",
            "frame-failed",
            "frame-cancelled",
        ],
    ),
    (
        "forked",
        &[
            "run-suspended",
            "step-held",
            "run-resumed",
            "run-retried",
            "run-forked",
            "inputs-changed",
            "output-changed",
        ],
    ),
    ("saga", &["deadline-set", "vars-set", "undo-kept", "undo-started"]),
    ("agents", &["agent-called", "task-handed-over"]),
];

fn folder(version: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("journals/v{version}"))
}

fn read(name: &str) -> Result<(RunId, Vec<EncodedEvent>, Value)> {
    let header: Value = serde_json::from_slice(&std::fs::read(folder(1).join(format!("{name}.json")))?)?;
    let mut bytes = &std::fs::read(folder(1).join(format!("{name}.msgpack")))?[..];
    let mut records = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length))?;
        let (record, rest) = rest.split_at_checked(length).context("a whole record")?;
        records.push(record.to_vec());
        bytes = rest;
    }
    let run = header["id"].as_str().context("an id")?.parse()?;
    Ok((run, records, header))
}

fn fold(run: RunId, records: &[EncodedEvent]) -> Result<(RunHeader, BTreeSet<&'static str>)> {
    let mut head = Head::empty(run);
    let mut state = RunState::new(run);
    let mut kinds = BTreeSet::new();
    for envelope in decode(run, &mut head, records.iter().map(Vec::as_slice))? {
        state.apply(envelope.time, &envelope.event);
        kinds.insert(envelope.event.name());
    }
    Ok((state.header(head), kinds))
}

#[test]
fn journals_of_format_1_fold_into_what_they_did() -> Result<()> {
    let mut seen = BTreeSet::new();
    for (name, adds) in KINDS {
        let (run, records, expected) = read(name)?;
        let (header, kinds) = fold(run, &records).context(name)?;
        assert_eq!(serde_json::to_value(header)?, expected, "{name}");
        for kind in adds {
            ensure!(kinds.contains(kind), "{name} has no {kind}");
        }
        seen.extend(kinds);
    }
    let listed: BTreeSet<_> = KINDS.iter().flat_map(|(_, kinds)| kinds.iter().copied()).collect();
    assert_eq!(seen, listed);
    Ok(())
}

#[tokio::test]
async fn a_journal_of_a_newer_format_is_refused_and_harms_nobody() -> Result<()> {
    let (run, mut records, header) = read("cancelled")?;
    let header: RunHeader = serde_json::from_value(header)?;
    let status = pawl_core::view::Status::Running;
    let header = RunHeader { status, ..header };
    // The envelope's first field: a map of five, the key `v`, the number 1.
    for record in &mut records {
        ensure!(record.starts_with(&[0x85, 0xa1, b'v', 1]), "the envelope begins with its version");
        record[3] = 2;
    }
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let (opened, closed) = (Vec::new(), Vec::new());
    let commit = RunCommit { header: Some(header), opened, closed, ..RunCommit::new(run, 0, records) };
    scene.engine.store().commit(&Batch { runs: vec![commit], ..Batch::default() }).await?;

    let scene = disk.scene(scene.stop().await?).await?;
    assert_eq!(scene.engine.recover().await?, [run]);
    let newer = JournalError::Newer { run, seq: 1, found: 2 };
    let outcomes = [
        scene.engine.history(run).await.map(|_| ()),
        scene.engine.settled(run).await.map(|_| ()),
        scene.engine.cancel(run, person("user:ann", &[], true), None).await,
    ];
    for outcome in outcomes {
        ensure!(matches!(&outcome, Err(EngineError::Journal(error)) if *error == newer), "{outcome:?}");
    }
    let said = format!(
        "event 1 of run {run} has journal format 2, and this pawl reads up to {FORMAT_VERSION}; \
         use the newer pawl that wrote it"
    );
    assert_eq!(newer.to_string(), said);
    let other = scene.start(FAILED, Value::Null).await?;
    scene.ended(other).await?;
    scene.holds(0).await
}

/// Everything that a run can come past, once.
const COMPLETED: &str = "
pawl: 1
workflow: everything
version: 1.2.3
inputs: { customer: string }
permissions: { tools: [orders.*, payments.refund], human: true, memory: true, timers: true }
steps:
  - id: large
    tool: echo.say
    with: { text: '${{ \"a large value, \" * 40 }}' }
  - id: fetch
    tool: flaky.fetch
    with: { key: k, fail_times: 1 }
    retry: { max_attempts: 2, delay: 1s }
    timeout: 1m
  - id: pause
    wait: 1h
  - id: never
    if: inputs.customer == 'nobody'
    set: { x: 1 }
  - id: way
    switch:
      - when: inputs.customer == 'ann'
        to: ask
      - to: plan
  - id: ask
    human:
      title: Plan for ${{ inputs.customer }}?
      to: [group:finance]
      form: { note: { type: string, optional: true } }
      subject: { customer: '${{ inputs.customer }}' }
      due: 48h
      on_timeout: reject
  - id: plan
    agent: planner
    with: { customer: '${{ inputs.customer }}', cool_down_ms: 1000 }
outputs:
  refunded: ${{ steps.plan.output.refunded }}
";

const LISTS: &str = "
pawl: 1
workflow: lists
version: 1.0.0
steps:
  - id: each
    map:
      items: '[1, 2]'
      as: number
      on_error: collect
      steps:
        - { id: odd, if: number == 1, set: '${{ number * 10 + index }}' }
        - { id: even, if: number == 2, fail: 'no ${{ item }}' }
  - id: turns
    loop: { while: index < 2, max_visits: 5, steps: [{ id: turn, set: '${{ index }}' }] }
  - id: first
    parallel:
      join: any
      branches:
        quick: [{ id: short, wait: 1s }]
        slow: [{ id: long, wait: 1h }]
  - id: fails
    fail: on purpose
    catch: [{ id: caught, set: '${{ error.message }}' }]
    finally: [{ id: clean, set: done }]
outputs:
  each: ${{ steps.each.output }}
  caught: ${{ steps.fails.output }}
";

const TRAVELS: &str = "
pawl: 1
workflow: travels
version: 1.0.0
inputs: { n: integer }
steps:
  - { id: base, set: { amount: 1 } }
  - { id: ask, human: { title: Go on?, actions: [go] } }
  - { id: fetch, tool: flaky.fetch, with: { key: k, fail_times: 1 } }
outputs:
  sum: ${{ steps.base.output.amount + inputs.n }}
";

const SAGA: &str = "
pawl: 1
workflow: saga
version: 1.0.0
timeout: 7d
vars: { spent: 0 }
steps:
  - id: trips
    timeout: { total: 1h }
    map:
      items: '[10, 20]'
      steps:
        - id: book
          set: '${{ item }}'
          vars: { spent: '${{ vars.spent + item }}' }
          undo: [{ id: cancel, set: '${{ steps.book.output ~ error.message }}' }]
  - { id: price, needs: [trips], set: '${{ vars.spent }}', undo: [{ id: give, fail: too late }] }
  - { id: stop, needs: [price], fail: 'no more than ${{ steps.price.output }}' }
";

const AGENTS: &str = "
pawl: 1
workflow: agents
version: 1.0.0
plugins:
  script: ./tests/guests/script.wasm
  helper: ./tests/guests/script.wasm
permissions: { tools: [orders.*], agents: [helper], signals: [go], human: true, memory: true, timers: true }
steps:
  - id: go
    agent: script
    with:
      steps:
        - all: [{ tool: orders.lookup, with: { id: A-1001 } }, { tool: orders.lookup, with: { id: A-1002 } }]
        - signal: [go, 1000]
        - agent: [helper, { steps: [{ sleep: 1000 }, { put: [seen, true] }] }]
        - hand-over: [helper, { steps: [{ get: seen }] }]
outputs: { results: '${{ steps.go.output }}' }
";

const FAILED: &str = "
pawl: 1
workflow: crash
version: 1.0.0
plugins: { crash: ./tests/guests/crash.wasm }
steps:
  - id: crash
    tool: crash.panic
";

fn cancelled() -> String {
    format!(
        "
pawl: 1
workflow: lost
version: 1.0.0
plugins: {{ payments: ./tests/guests/payments_tally.wasm }}
permissions: {{ http: ['{TALLY_HOST}'] }}
steps:
  - id: pay
    tool: payments.refund
    with: {{ order: A-1002, amount: 40 }}
"
    )
}

/// Starts a run whose journal names no folder of this machine.
async fn start(scene: &Scene, text: &str, inputs: Value) -> Result<RunId> {
    let workflow = scene.engine.prepare_workflow("frozen.yaml", text, Path::new("..")).await?;
    let http = TALLY_HOST.parse().map_err(anyhow::Error::msg)?;
    let allowed = Permissions { http, ..Permissions::default() };
    Ok(scene.engine.start(&workflow, inputs, StartOptions { allowed, ..StartOptions::default() }).await?)
}

/// Suspends, resumes and retries a run, then forks it with other values.
async fn travel(scene: &Scene, run: RunId) -> Result<RunId> {
    let ann = || person("user:ann", &[], true);
    let asked = scene.asked(run).await?;
    scene.engine.suspend(run, ann(), Some("a look".into())).await?;
    scene.answer(&asked, "go", Value::Null).await?;
    scene.engine.resume(run, ann()).await?;
    scene.ended(run).await?;
    scene.engine.retry(run, None, ann()).await?;
    scene.ended(run).await?;
    let history = scene.engine.history(run).await?;
    let completed = history.envelopes.iter().rev().find(|envelope| envelope.event.name() == "step-completed");
    let seq = completed.context("a completed step")?.seq;
    let base = Some(StepId::new("base"));
    let changes = vec![
        Change { step: base, path: vec!["amount".into()], value: json!(5) },
        Change { step: None, path: vec!["n".into()], value: json!(2) },
    ];
    let fork = scene.engine.fork(run, seq, changes, ann()).await?;
    let outputs = scene.ended(fork).await?.outputs;
    ensure!(outputs == Some(json!({ "sum": 7 })), "{outputs:?}");
    Ok(fork)
}

#[tokio::test]
#[ignore = "writes what must not change: the journals that are not there yet"]
async fn write_the_journals() -> Result<()> {
    let folder = folder(FORMAT_VERSION);
    let mut journals = BTreeMap::new();

    let scene = Scene::with(|config| config.payload_inline_max_bytes = 256).await?;
    let run = start(&scene, COMPLETED, json!({ "customer": "ann" })).await?;
    let mut answers = VecDeque::from([("approve", json!({ "note": "go on" })), ("approve", Value::Null)]);
    scene.drive(run, 1, &mut answers, |_| false).await?;
    journals.insert("completed", (run, scene.engine.store().journal(run, 1).await?));

    let run = start(&scene, FAILED, Value::Null).await?;
    scene.ended(run).await?;
    journals.insert("failed", (run, scene.engine.store().journal(run, 1).await?));

    let run = start(&scene, LISTS, Value::Null).await?;
    scene.drive(run, 1, &mut VecDeque::new(), |_| false).await?;
    journals.insert("lists", (run, scene.engine.store().journal(run, 1).await?));

    let run = start(&scene, TRAVELS, json!({ "n": 1 })).await?;
    let fork = travel(&scene, run).await?;
    journals.insert("forked", (fork, scene.engine.store().journal(fork, 1).await?));
    let run = start(&scene, AGENTS, Value::Null).await?;
    scene.drive(run, 1, &mut VecDeque::new(), |_| false).await?;
    journals.insert("agents", (run, scene.engine.store().journal(run, 1).await?));

    let run = start(&scene, SAGA, Value::Null).await?;
    scene.ended(run).await?;
    journals.insert("saga", (run, scene.engine.store().journal(run, 1).await?));

    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    server.hold("payments.refund");
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = start(&scene, &cancelled(), Value::Null).await?;
    patiently("the refund", server.reached("payments.refund", 1)).await?;
    let scene = disk.scene(scene.stop().await?).await?;
    scene.asked(run).await?;
    scene.engine.cancel(run, person("user:ann", &["group:finance"], true), Some("enough".into())).await?;
    journals.insert("cancelled", (run, scene.engine.store().journal(run, 1).await?));

    std::fs::create_dir_all(&folder)?;
    for (name, (run, records)) in journals {
        if folder.join(format!("{name}.json")).exists() {
            continue;
        }
        let mut bytes = Vec::new();
        for record in &records {
            bytes.extend(u32::try_from(record.len())?.to_be_bytes());
            bytes.extend(record);
        }
        std::fs::write(folder.join(format!("{name}.msgpack")), bytes)?;
        let header = serde_json::to_string_pretty(&fold(run, &records)?.0)?;
        std::fs::write(folder.join(format!("{name}.json")), format!("{header}\n"))?;
    }
    Ok(())
}

//! Metrics: what is told after a known set of runs, and that the dashboard and the documents ask for what there is.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use pawl_core::{Duration, Timestamp};
use pawl_engine::{Clock as _, METRIC_NAMES_MAX, ManualClock};
use pawl_server::notify::NOTIFY_METRICS;
use pawl_tests::{BEGIN, Disk, Scene, root};
use serde_json::{Value, json};

/// A tool, a question to a person, and a failure where it is wanted.
const WORK: &str = "
pawl: 1
workflow: work
version: 1.0.0
inputs: { fails: boolean }
steps:
  - id: order
    tool: orders.lookup
    with: { id: A-1001 }
  - id: never
    if: 'false'
    set: 1
  - id: bad
    if: inputs.fails
    fail: { message: as it should }
";

const ASKS: &str = "
pawl: 1
workflow: asks
version: 1.0.0
steps:
  - id: ask
    human: { title: Go on?, actions: [yes, no] }
";

/// An agent that asks a model and a tool.
const THINKS: &str = "
pawl: 1
workflow: thinks
version: 1.0.0
permissions: { models: [careful], tools: [orders.lookup] }
steps:
  - id: think
    agent: assistant
    with: { task: Look both orders up., model: careful }
";

/// All numbers, by name and labels as they are written.
async fn numbers(scene: &Scene) -> Result<BTreeMap<String, f64>> {
    let text = scene.engine.metrics_text().await?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').context("a number")?;
            anyhow::Ok((name.to_owned(), value.parse()?))
        })
        .collect()
}

fn of(numbers: &BTreeMap<String, f64>, name: &str) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small and whole")]
    numbers.get(name).map(|number| number.round() as u64)
}

#[tokio::test]
async fn after_a_known_set_of_runs_the_numbers_are_known() -> Result<()> {
    let scene = Scene::new().await?;
    for fails in [false, false, true] {
        let run = scene.start(WORK, json!({ "fails": fails })).await?;
        scene.ended(run).await?;
    }
    let asks = scene.start(ASKS, Value::Null).await?;
    let approval = scene.asked(asks).await?;
    scene.move_to(BEGIN.after(Duration(90_000)));
    let now = numbers(&scene).await?;
    let expected = [
        ("pawl_runs_started_total{workflow=\"work\"}", 3),
        ("pawl_runs_ended_total{workflow=\"work\",status=\"completed\"}", 2),
        ("pawl_runs_ended_total{workflow=\"work\",status=\"failed\"}", 1),
        ("pawl_steps_total{workflow=\"work\",verb=\"tool\",outcome=\"completed\"}", 3),
        ("pawl_steps_total{workflow=\"work\",verb=\"set\",outcome=\"skipped\"}", 3),
        ("pawl_steps_total{workflow=\"work\",verb=\"fail\",outcome=\"failed\"}", 1),
        ("pawl_steps_total{workflow=\"work\",verb=\"fail\",outcome=\"skipped\"}", 2),
        ("pawl_step_duration_seconds_count{verb=\"tool\"}", 3),
        ("pawl_plugin_calls_total{plugin=\"orders\",outcome=\"ok\"}", 3),
        ("pawl_plugin_call_duration_seconds_count{plugin=\"orders\"}", 3),
        ("pawl_runs_started_total{workflow=\"asks\"}", 1),
        ("pawl_runs{status=\"waiting\"}", 1),
        ("pawl_approvals_open", 1),
        ("pawl_approval_oldest_seconds", 90),
        ("pawl_commits_failed_total", 0),
        ("pawl_commands_unanswered", 0),
        ("pawl_slots_waiting", 0),
    ];
    for (name, number) in expected {
        assert_eq!(of(&now, name), Some(number), "{name} of {now:?}");
    }
    assert_eq!(of(&now, "pawl_runs_ended_total{workflow=\"asks\",status=\"completed\"}"), None);
    // A run of one tool has a commit at its start and one at its end; that with a question has one so far.
    assert_eq!(of(&now, "pawl_commit_duration_seconds_count"), Some(7));
    scene.answer(&approval, "yes", Value::Null).await?;
    scene.ended(asks).await?;
    let now = numbers(&scene).await?;
    assert_eq!(of(&now, "pawl_approvals_open"), Some(0));
    assert_eq!(of(&now, "pawl_runs_ended_total{workflow=\"asks\",status=\"completed\"}"), Some(1));
    assert_eq!(of(&now, "pawl_step_duration_seconds_sum{verb=\"human\"}"), Some(90));
    Ok(())
}

#[tokio::test]
async fn questions_to_models_are_counted_with_their_tokens() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(THINKS, Value::Null).await?;
    let header = scene.ended(run).await?;
    ensure!(header.error.is_none(), "{:?}", header.error);
    let now = numbers(&scene).await?;
    for (name, number) in [
        ("pawl_model_calls_total{model=\"careful\",outcome=\"ok\"}", 3),
        ("pawl_model_call_duration_seconds_count{model=\"careful\"}", 3),
        ("pawl_model_tokens_total{model=\"careful\",direction=\"input\"}", 540),
        ("pawl_model_tokens_total{model=\"careful\",direction=\"output\"}", 50),
        ("pawl_plugin_calls_total{plugin=\"assistant\",outcome=\"ok\"}", 1),
        ("pawl_plugin_calls_total{plugin=\"orders\",outcome=\"ok\"}", 2),
    ] {
        assert_eq!(of(&now, name), Some(number), "{name} of {now:?}");
    }
    // By the prices of pawl.yaml: 30, 39 and 42 millionths.
    let cost = now.get("pawl_model_cost_total{model=\"careful\"}").context("a cost")?;
    ensure!((cost - 0.000_111).abs() < 1e-9, "{cost}");
    Ok(())
}

#[tokio::test]
async fn timers_that_are_served_late_are_counted() -> Result<()> {
    let scene = Scene::new().await?;
    let text = "pawl: 1\nworkflow: waits\nversion: 1.0.0\nsteps:\n  - id: a\n    wait: 1m\n";
    let run = scene.start(text, Value::Null).await?;
    scene.named(run, "wait-started").await?;
    scene.move_to(Timestamp(BEGIN.0 + 65_000));
    scene.ended(run).await?;
    let now = numbers(&scene).await?;
    assert_eq!(of(&now, "pawl_timer_lateness_seconds_count"), Some(1));
    assert_eq!(of(&now, "pawl_timer_lateness_seconds_sum"), Some(5));
    assert_eq!(scene.clock.now(), Timestamp(BEGIN.0 + 65_000));
    Ok(())
}

#[tokio::test]
async fn however_many_workflows_there_are_the_series_have_an_end() -> Result<()> {
    let scene = Scene::new().await?;
    for number in 0..METRIC_NAMES_MAX + 3 {
        let text = format!("pawl: 1\nworkflow: w{number}\nversion: 1.0.0\nsteps: [{{ id: a, set: 1 }}]\n");
        let run = scene.start(&text, Value::Null).await?;
        scene.ended(run).await?;
    }
    let now = numbers(&scene).await?;
    let started = now.keys().filter(|name| name.starts_with("pawl_runs_started_total")).count();
    assert_eq!(started, METRIC_NAMES_MAX + 1);
    assert_eq!(of(&now, "pawl_runs_started_total{workflow=\"(others)\"}"), Some(3));
    Ok(())
}

#[tokio::test]
async fn rows_beyond_the_limit_are_not_counted() -> Result<()> {
    const MOST: usize = 3;
    let scene = Scene::with(|config| config.metric_rows_counted_max = MOST).await?;
    for _ in 0..MOST + 2 {
        let run = scene.start(ASKS, Value::Null).await?;
        scene.asked(run).await?;
    }
    let slots = slots();
    let first = scene.start(&slots, Value::Null).await?;
    scene.named(first, "wait-started").await?;
    for _ in 0..MOST + 2 {
        let run = scene.start(&slots, Value::Null).await?;
        scene.named(run, "slot-requested").await?;
    }
    let now = numbers(&scene).await?;
    for name in ["pawl_runs{status=\"waiting\"}", "pawl_approvals_open", "pawl_slots_waiting"] {
        assert_eq!(of(&now, name), Some(MOST as u64), "{name} of {now:?}");
    }
    Ok(())
}

/// Runs that hold the one slot that there is for an hour.
fn slots() -> String {
    "pawl: 1\nworkflow: hour\nversion: 1.0.0\nconcurrency: { limit: 1 }\nsteps: [{ id: a, wait: 1h }]\n"
        .to_owned()
}

#[tokio::test]
async fn who_waits_for_a_slot_is_counted_with_the_time_of_the_first() -> Result<()> {
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let text = slots();
    let first = scene.start(&text, Value::Null).await?;
    scene.named(first, "wait-started").await?;
    for _ in 0..2 {
        let run = scene.start(&text, Value::Null).await?;
        scene.named(run, "slot-requested").await?;
    }
    scene.move_to(BEGIN.after(Duration(40_000)));
    let now = numbers(&scene).await?;
    assert_eq!(of(&now, "pawl_slots_waiting"), Some(2), "{now:?}");
    assert_eq!(of(&now, "pawl_slot_wait_oldest_seconds"), Some(40), "{now:?}");
    // Each commit was in a transaction, and took some time.
    let commits = of(&now, "pawl_commit_duration_seconds_count").context("commits")?;
    ensure!(of(&now, "pawl_transaction_commits_sum").is_some_and(|sum| sum >= commits), "{now:?}");
    ensure!(commits >= 4 && now["pawl_commit_duration_seconds_sum"] > 0.0, "{now:?}");
    ensure!(of(&now, "pawl_transaction_commits_count").is_some_and(|count| count > 0), "{now:?}");
    Ok(())
}

/// The names that are told, as they stand in queries.
async fn told() -> Result<BTreeSet<String>> {
    let text = Scene::new().await?.engine.metrics_text().await?;
    let mut names = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').context("a type")?;
        if kind == "histogram" {
            names.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")));
        }
        names.insert(name.to_owned());
    }
    names.extend(NOTIFY_METRICS.map(str::to_owned));
    Ok(names)
}

fn words(text: &str) -> BTreeSet<String> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    parts.filter(|word| word.starts_with("pawl_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_dashboard_asks_only_for_what_there_is() -> Result<()> {
    let text = std::fs::read_to_string(root().join("docs/grafana/pawl.json"))?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let told = told().await?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<_> = targets.filter_map(|target| target["expr"].as_str()).collect();
    ensure!(queries.len() > 10, "{queries:?}");
    for query in queries {
        let asked = words(query);
        ensure!(!asked.is_empty() && asked.is_subset(&told), "{query} asks for what there is not");
    }
    Ok(())
}

#[tokio::test]
async fn every_metric_is_documented_and_no_other() -> Result<()> {
    let text = std::fs::read_to_string(root().join("docs/telemetry.md"))?;
    let table = text.lines().filter_map(|line| line.strip_prefix("| `pawl_")).map(|line| {
        let name = line.split(['`', '{']).next().unwrap_or_default();
        format!("pawl_{name}")
    });
    let documented: BTreeSet<_> = table.collect();
    let ends = ["_bucket", "_sum", "_count"];
    let told = told().await?;
    let told: BTreeSet<_> =
        told.iter().filter(|name| !ends.iter().any(|end| name.ends_with(end))).cloned().collect();
    assert_eq!(documented, told);
    Ok(())
}

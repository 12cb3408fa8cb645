//! Steps that say what is to be done, and not by whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use pawl_core::event::{Event, RouteChosen};
use pawl_core::plugin::{Ceiling, PluginKind, PluginOrigin};
use pawl_core::route::{Cost, OfferSetting, ROUTE_CANDIDATES_MAX, RouteQuery};
use pawl_core::view::{Status, Waiting};
use pawl_core::{Duration, Failure, FailureKind, RunId};
use pawl_engine::{
    AgentPart, AgentWork, Component, EngineConfig, ManualClock, SHIPPED, StandIn, StartOptions, ToolWork,
};
use pawl_sandbox::{AgentEnd, AgentHost, ToolEnd};
use pawl_store::Store;
use pawl_store::memory::MemoryStore;
use pawl_tests::{BEGIN, Disk, Scene, patiently};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Who fails, and what was asked of whom.
#[derive(Debug, Default)]
struct Cast {
    fails: Mutex<BTreeMap<String, FailureKind>>,
    asked: Mutex<Vec<String>>,
}

impl Cast {
    fn fails(&self, name: &str, kind: Option<FailureKind>) {
        let mut fails = self.fails.lock().unwrap_or_else(PoisonError::into_inner);
        fails.remove(name);
        fails.extend(kind.map(|kind| (name.to_owned(), kind)));
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn plays(&self, name: &str) -> Result<(), Failure> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        let fails = self.fails.lock().unwrap_or_else(PoisonError::into_inner);
        fails.get(name).map_or(Ok(()), |kind| Err(Failure::new(*kind, format!("{name} fails"))))
    }
}

#[async_trait]
impl StandIn for Cast {
    async fn tool(&self, work: ToolWork<'_>, component: Component<'_, ToolEnd>) -> ToolEnd {
        match self.plays(work.plugin) {
            Ok(()) => component.await,
            Err(failure) => ToolEnd { result: Err(failure), log: Vec::new() },
        }
    }

    async fn agent(&self, work: AgentWork<'_>, host: Box<dyn AgentHost>) -> AgentPart {
        match self.plays(work.plugin) {
            Ok(()) => AgentPart::Component(host),
            Err(failure) => AgentPart::Played(AgentEnd::GaveUp(failure)),
        }
    }
}

/// A plugin folder with copies of a shipped agent, each with a `plugin.toml` of its own.
struct Shelf {
    folder: TempDir,
    cast: Arc<Cast>,
}

impl Shelf {
    fn new(plugins: &[(&str, &str)]) -> Result<Self> {
        let shelf = Self { folder: tempfile::tempdir()?, cast: Arc::default() };
        for (name, says) in plugins {
            shelf.put(name, says)?;
        }
        Ok(shelf)
    }

    /// Drops an agent into the folder, as who copies a file would.
    fn put(&self, name: &str, says: &str) -> Result<()> {
        let manifest =
            format!("name = '{name}'\nversion = '1.0.0'\nkind = 'agent'\ncapabilities = ['log']\n{says}\n");
        std::fs::write(self.path(name, "toml"), manifest)?;
        let shipped = SHIPPED.iter().find(|shipped| shipped.name == "triage").context("it ships")?;
        std::fs::write(self.path(name, "wasm"), shipped.bytes)?;
        Ok(())
    }

    fn path(&self, name: &str, ending: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{name}.{ending}"))
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn set(&self, config: &mut EngineConfig) {
        config.plugin_folder = Some(self.folder().to_owned());
        config.stand_in = Some(Arc::clone(&self.cast) as Arc<dyn StandIn>);
    }

    async fn scene(&self) -> Result<Scene> {
        Scene::with(|config| self.set(config)).await
    }
}

/// Classifies a ticket, by whoever is there.
fn classify(route: &str, more: &str) -> String {
    format!(
        "
pawl: 1
workflow: classify
version: 1.0.0
inputs: {{ lang: {{ type: string, default: de }} }}
steps:
  - id: sort
    agent: {{ match: {{ capability: classify, labels: {{ lang: '${{{{ inputs.lang }}}}' }} }}{route} }}
    with: {{ ticket: My lamp (A-1001) is broken. }}
{more}
outputs: {{ topic: '${{{{ steps.sort.output.topic }}}}' }}
"
    )
}

async fn chosen(scene: &Scene, run: RunId) -> Result<Vec<RouteChosen>> {
    let chosen = scene.events(run).await?.into_iter().filter_map(|event| match event {
        Event::RouteChosen(chosen) => Some(*chosen),
        _ => None,
    });
    Ok(chosen.collect())
}

fn names(chosen: &[RouteChosen]) -> Vec<&str> {
    chosen.iter().map(|chosen| chosen.chosen.as_str()).collect()
}

const GERMAN: &[(&str, &str)] = &[
    ("dear", "cost = 0.02\n[labels]\nlang = 'de'"),
    ("cheap", "cost = 0.001\n[labels]\nlang = 'de'"),
    ("other", "[labels]\nlang = 'fr'"),
];

#[tokio::test]
async fn an_agent_is_chosen_among_those_that_match_and_the_decision_is_recorded() -> Result<()> {
    let shelf = Shelf::new(GERMAN)?;
    let scene = shelf.scene().await?;
    let run = scene.start(&classify(", prefer: cost", ""), json!({})).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.outputs, Some(json!({ "topic": "refund" })), "{:?}", header.error);
    let [decision] = &chosen(&scene, run).await?[..] else { anyhow::bail!("one decision") };
    assert_eq!(
        (decision.chosen.as_str(), decision.reason.as_str()),
        ("cheap", "its cost is 0.001, that of dear is 0.02")
    );
    let told: Vec<_> = decision
        .candidates
        .iter()
        .map(|at| (at.name.as_str(), at.cost, at.health_permille, at.left_out.as_deref()))
        .collect();
    let expected = [
        ("cheap", Some(Cost(1_000)), 1_000, None),
        ("dear", Some(Cost(20_000)), 1_000, None),
        ("other", None, 1_000, Some("its label lang is fr, not de")),
        ("triage", None, 1_000, Some("its label lang is en, not de")),
    ];
    assert_eq!(told, expected);
    let pin = decision.pin.as_ref().context("the run had none of it")?;
    ensure!(matches!(&pin.origin, PluginOrigin::Folder(path) if path.ends_with("cheap.wasm")));
    // The bytes are the run's own: what becomes of the file says nothing any more.
    ensure!(scene.engine.store().blob(&pin.component).await?.is_some());
    let english = scene.start(&classify("", ""), json!({ "lang": "en" })).await?;
    scene.ended(english).await?;
    assert_eq!(names(&chosen(&scene, english).await?), ["triage"]);
    Ok(())
}

#[tokio::test]
async fn when_the_chosen_one_fails_the_next_is_tried() -> Result<()> {
    let shelf = Shelf::new(GERMAN)?;
    shelf.cast.fails("cheap", Some(FailureKind::Transient));
    let scene = shelf.scene().await?;
    let run = scene.start(&classify(", prefer: cost, failover: true", ""), json!({})).await?;
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    assert_eq!(shelf.cast.asked(), ["cheap", "dear"]);
    let decisions = chosen(&scene, run).await?;
    assert_eq!(names(&decisions), ["cheap", "dear"]);
    let left_out = decisions[1].candidates.iter().find(|at| at.name == "cheap").context("it is told")?;
    assert_eq!(left_out.left_out.as_deref(), Some("it has failed in this visit"));
    // Without failover it is the end.
    let alone = scene.start(&classify(", prefer: cost", ""), json!({})).await?;
    assert_eq!(scene.ended(alone).await?.error.map(|failure| failure.message), Some("cheap fails".into()));
    Ok(())
}

#[tokio::test]
async fn nobody_there_is_a_failure_that_says_what_was_looked_for_and_what_there_is() -> Result<()> {
    let shelf = Shelf::new(GERMAN)?;
    let scene = shelf.scene().await?;
    let run = scene.start(&classify("", ""), json!({ "lang": "it" })).await?;
    let failure = scene.ended(run).await?.error.context("it fails")?;
    assert_eq!(failure.kind, FailureKind::Permanent);
    for part in [
        "no agent with the capability 'classify' and lang=it",
        "cheap: its label lang is de, not it",
        "plugin list",
    ] {
        ensure!(failure.message.contains(part), "{}", failure.message);
    }
    Ok(())
}

#[tokio::test]
async fn a_list_of_permissions_says_who_may_be_chosen() -> Result<()> {
    let shelf = Shelf::new(GERMAN)?;
    let scene = shelf.scene().await?;
    let text = classify(", prefer: cost", "    permissions: { agents: [dear] }");
    let run = scene.start(&text, json!({})).await?;
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    let [decision] = &chosen(&scene, run).await?[..] else { anyhow::bail!("one decision") };
    assert_eq!(decision.chosen, "dear");
    let cheap = decision.candidates.iter().find(|at| at.name == "cheap").context("it is told")?;
    assert_eq!(cheap.left_out.as_deref(), Some("it is not among the step's `permissions: agents`"));
    Ok(())
}

/// A scene whose operator grants no more than this.
async fn bounded(shelf: &Shelf, grants: Ceiling) -> Result<Scene> {
    Scene::with(|config| {
        shelf.set(config);
        config.policy.grants = grants;
    })
    .await
}

#[expect(clippy::unnecessary_wraps, reason = "as the policy has it")]
fn only(names: &[&str]) -> Option<BTreeSet<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[tokio::test]
async fn who_lies_beyond_what_the_operator_grants_is_not_chosen() -> Result<()> {
    let shelf = Shelf::new(GERMAN)?;
    let scene = bounded(&shelf, Ceiling { agents: only(&["dear"]), ..Ceiling::default() }).await?;
    let withheld = "the operator withholds cheap; it is not under `grants: agents` of pawl.yaml";
    let run = scene.start(&classify(", prefer: cost", ""), json!({})).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.status, Status::Completed, "{:?}", header.error);
    let [decision] = &chosen(&scene, run).await?[..] else { anyhow::bail!("one decision") };
    assert_eq!(decision.chosen, "dear");
    let cheap = decision.candidates.iter().find(|at| at.name == "cheap").context("it is told")?;
    assert_eq!(cheap.left_out.as_deref(), Some(withheld));
    // A step that lists others has nobody then, and not anybody. It is refused where it is prepared, so it is
    // prepared elsewhere.
    let text = classify("", "    permissions: { agents: [cheap] }");
    let workflow = shelf.scene().await?.workflow(&text).await?;
    let run = scene.engine.start(&workflow, json!({}), StartOptions::default()).await?;
    let failure = scene.ended(run).await?.error.context("it fails")?;
    ensure!(failure.message.contains(&format!("cheap: {withheld}")), "{failure}");
    ensure!(failure.message.contains("dear: it is not among the step's `permissions: agents`"), "{failure}");
    Ok(())
}

#[tokio::test]
async fn a_routed_tool_lies_within_what_the_operator_grants() -> Result<()> {
    let text = "
pawl: 1
workflow: find
version: 1.0.0
approvals: [{ tool: payments.*, tainted: true }]
steps:
  - { id: order, tool: { match: { capability: lookup, labels: { domain: shop } } }, with: { id: A-1001 } }
";
    let shelf = Shelf::new(&[])?;
    let scene = bounded(&shelf, Ceiling { tools: only(&["orders.*"]), ..Ceiling::default() }).await?;
    let workflow = scene.workflow(text).await?;
    // Any tool may be found, so no rule is for none.
    assert_eq!(workflow.warnings, [] as [String; 0]);
    let run = scene.engine.start(&workflow, json!({}), StartOptions::default()).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.status, Status::Completed, "{:?}", header.error);
    let scene = bounded(&shelf, Ceiling { tools: only(&["echo.*"]), ..Ceiling::default() }).await?;
    let run = scene.start(text, json!({})).await?;
    let failure = scene.ended(run).await?.error.context("it fails")?;
    let withheld =
        "orders: the operator withholds orders.lookup; it is not under `grants: tools` of pawl.yaml";
    ensure!(failure.message.contains(withheld), "{failure}");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_needs_what_the_operator_withholds_is_not_chosen() -> Result<()> {
    let setting = OfferSetting {
        capabilities: Some([("classify".to_owned(), None)].into()),
        labels: [("lang".to_owned(), "de".to_owned())].into(),
        ..OfferSetting::default()
    };
    let offers = Arc::new(BTreeMap::from([("reviewer".to_owned(), setting)]));
    let within = |grants: Ceiling| {
        Scene::with(|config| {
            config.offers = Arc::clone(&offers);
            config.policy.grants = grants;
        })
    };
    let text = classify("", "    permissions: { models: [default] }");
    let workflow = within(Ceiling::default()).await?.workflow(&text).await?;
    for (models, missing) in [(only(&["default"]), false), (only(&[]), true)] {
        let scene = within(Ceiling { models, ..Ceiling::default() }).await?;
        let run = scene.engine.start(&workflow, json!({}), StartOptions::default()).await?;
        let failure = scene.ended(run).await?.error.context("there is no model")?;
        let told = failure.message.contains("reviewer: it imports what the step does not grant");
        assert_eq!((told, chosen(&scene, run).await?.is_empty()), (missing, missing), "{failure}");
    }
    Ok(())
}

#[tokio::test]
async fn the_operator_has_the_last_word_of_what_plugins_are_taken_for() -> Result<()> {
    let shelf = Shelf::new(GERMAN)?;
    let lang = BTreeMap::from([("lang".to_owned(), "de".to_owned())]);
    let offers = BTreeMap::from([
        ("cheap".to_owned(), OfferSetting { enabled: Some(false), ..OfferSetting::default() }),
        ("other".to_owned(), OfferSetting { labels: lang, priority: Some(7), ..OfferSetting::default() }),
    ]);
    let scene = Scene::with(|config| {
        shelf.set(config);
        config.offers = Arc::new(offers);
    });
    let scene = scene.await?;
    let run = scene.start(&classify(", prefer: cost", ""), json!({})).await?;
    scene.ended(run).await?;
    let [decision] = &chosen(&scene, run).await?[..] else { anyhow::bail!("one decision") };
    assert_eq!(
        (decision.chosen.as_str(), decision.reason.as_str()),
        ("other", "its priority is 7, that of dear 0")
    );
    Ok(())
}

#[tokio::test]
async fn a_tool_is_chosen_by_what_it_can_do() -> Result<()> {
    let scene = Scene::new().await?;
    let text = "
pawl: 1
workflow: find
version: 1.0.0
steps:
  - id: order
    tool: { match: { capability: lookup, labels: { domain: shop } } }
    with: { id: A-1001 }
outputs: { id: '${{ steps.order.output.id }}' }
";
    let run = scene.start(text, json!({})).await?;
    assert_eq!(scene.ended(run).await?.outputs, Some(json!({ "id": "A-1001" })));
    let [decision] = &chosen(&scene, run).await?[..] else { anyhow::bail!("one decision") };
    assert_eq!((decision.chosen.as_str(), decision.tool.as_deref()), ("orders", Some("lookup")));
    Ok(())
}

#[tokio::test]
async fn a_visit_waits_out_of_memory_until_a_file_is_dropped_into_the_folder() -> Result<()> {
    let shelf = Shelf::new(&[])?;
    let scene = shelf.scene().await?;
    let run = scene.start(&classify(", otherwise: wait", ""), json!({})).await?;
    scene.named(run, "route-awaited").await?;
    scene.holds(0).await?;
    let header = scene.engine.store().run(run).await?.context("it is there")?;
    ensure!(header.seeks && matches!(header.waiting, Some(Waiting::Route { .. })), "{:?}", header.waiting);
    shelf.put("late", "[labels]\nlang = 'de'")?;
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    assert_eq!(names(&chosen(&scene, run).await?), ["late"]);
    Ok(())
}

#[tokio::test]
async fn a_process_that_comes_later_takes_up_what_waits_for_a_plugin() -> Result<()> {
    let shelf = Shelf::new(&[])?;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = Scene::on(Arc::clone(&store), ManualClock::new(BEGIN), |config| shelf.set(config)).await?;
    let run = first.start(&classify(", otherwise: wait", ""), json!({})).await?;
    first.named(run, "route-awaited").await?;
    let clock = first.stop().await?;
    shelf.put("late", "[labels]\nlang = 'de'")?;
    let second = Scene::on(store, clock, |config| shelf.set(config)).await?;
    second.engine.recover().await?;
    second.named(run, "run-completed").await?;
    assert_eq!(names(&chosen(&second, run).await?), ["late"]);
    Ok(())
}

#[tokio::test]
async fn what_failed_again_and_again_is_left_out_for_a_while_and_then_tried_once() -> Result<()> {
    let shelf = Shelf::new(&[("only", "[labels]\nlang = 'de'")])?;
    shelf.cast.fails("only", Some(FailureKind::Transient));
    let scene = shelf.scene().await?;
    for _ in 0..3 {
        let run = scene.start(&classify("", ""), json!({})).await?;
        assert_eq!(scene.ended(run).await?.status, Status::Failed);
    }
    assert_eq!(shelf.cast.asked().len(), 3);
    let run = scene.start(&classify("", ""), json!({})).await?;
    let failure = scene.ended(run).await?.error.context("it fails")?;
    assert_eq!((failure.kind, shelf.cast.asked().len()), (FailureKind::Transient, 0));
    ensure!(
        failure.message.contains("only: it has failed again and again, and is left out until"),
        "{failure}"
    );
    // Who can wait, waits until it may be tried again.
    let patient = scene.start(&classify(", otherwise: wait", ""), json!({})).await?;
    scene.named(patient, "route-awaited").await?;
    shelf.cast.fails("only", None);
    scene.clock.advance(Duration::from_secs(31));
    assert_eq!(scene.ended(patient).await?.status, Status::Completed);
    assert_eq!(shelf.cast.asked(), ["only"]);
    Ok(())
}

#[tokio::test]
async fn how_plugins_did_is_known_from_the_journals_of_another_process() -> Result<()> {
    let shelf = Shelf::new(&[("a", "[labels]\nlang = 'de'"), ("b", "[labels]\nlang = 'de'")])?;
    shelf.cast.fails("a", Some(FailureKind::Timeout));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = ManualClock::new(BEGIN);
    let first = Scene::on(Arc::clone(&store), clock, |config| shelf.set(config)).await?;
    let failed = first.start(&classify("", ""), json!({})).await?;
    first.ended(failed).await?;
    let clock = first.stop().await?;
    clock.advance(Duration::from_secs(1));
    let second = Scene::on(store, clock, |config| shelf.set(config)).await?;
    let query = RouteQuery {
        kind: PluginKind::Agent,
        capability: "classify".into(),
        labels: BTreeMap::new(),
        prefer: Vec::new(),
    };
    let all = second.engine.candidates(&query).await?;
    let health = |name: &str| all.iter().find(|(at, _)| at.name == name).map(|(at, _)| at.health_permille);
    assert_eq!((health("a"), health("b")), (Some(500), Some(1_000)));
    let run = second.start(&classify(", prefer: health", ""), json!({})).await?;
    second.ended(run).await?;
    assert_eq!(names(&chosen(&second, run).await?), ["b"]);
    Ok(())
}

#[tokio::test]
async fn what_was_chosen_is_not_chosen_again_after_a_restart() -> Result<()> {
    let shelf = Shelf::new(&[("a", "[labels]\nlang = 'de'")])?;
    let disk = Disk::new()?;
    let open = async |clock: ManualClock| -> Result<Scene> {
        Scene::on(disk.open().await?, clock, |config| config.plugin_folder = Some(shelf.folder().to_owned()))
            .await
    };
    // The attempt is cut off as soon as the choice is on disk, wherever it is then.
    let first = open(ManualClock::new(BEGIN)).await?;
    let run = first.start(&classify("", ""), json!({})).await?;
    first.named(run, "route-chosen").await?;
    first.engine.cut_off().await?;
    let clock = first.clock.clone();
    drop(first);
    // A better one is there by now, and the file of the chosen one is gone.
    shelf.put("better", "priority = 9\n[labels]\nlang = 'de'")?;
    std::fs::remove_file(shelf.path("a", "wasm"))?;
    let second = open(clock).await?;
    second.engine.recover().await?;
    patiently("the end", second.engine.settled(run)).await??;
    assert_eq!(names(&chosen(&second, run).await?), ["a"]);
    let outputs = second.ended(run).await?.outputs;
    assert_eq!(outputs, Some::<Value>(json!({ "topic": "refund" })));
    Ok(())
}

#[tokio::test]
async fn the_workflow_is_checked_against_who_is_there() -> Result<()> {
    let shelf = Shelf::new(GERMAN)?;
    let scene = shelf.scene().await?;
    let good = scene.workflow(&classify("", "")).await?;
    assert_eq!(good.warnings, Vec::<String>::new());
    let text = classify("", "").replace("capability: classify", "capability: clasify");
    let [warning] = &scene.workflow(&text).await?.warnings[..] else { anyhow::bail!("one warning") };
    ensure!(warning.contains("P0506") && warning.contains("did you mean 'classify'"), "{warning}");
    Ok(())
}

#[tokio::test]
async fn a_decision_names_only_so_many() -> Result<()> {
    let shelf = Shelf::new(&[])?;
    for number in 0..ROUTE_CANDIDATES_MAX + 2 {
        shelf.put(&format!("p{number:02}"), "[labels]\nlang = 'de'")?;
    }
    let scene = shelf.scene().await?;
    let run = scene.start(&classify("", ""), json!({})).await?;
    scene.ended(run).await?;
    let [decision] = &chosen(&scene, run).await?[..] else { anyhow::bail!("one decision") };
    // `triage` is the one that almost matches.
    assert_eq!((decision.candidates.len(), decision.more), (ROUTE_CANDIDATES_MAX, 3));
    assert_eq!(decision.chosen, "p00");
    Ok(())
}

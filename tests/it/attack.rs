//! A guest that does its worst in a step of its own, and a run beside it that must not notice.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::Event;
use pawl_core::view::{RunHeader, Status};
use pawl_core::{Failure, FailureKind, RunId};
use pawl_engine::EngineConfig;
use pawl_sandbox::Limits;
use pawl_tests::Scene;
use pawl_wat::Guest;
use serde_json::{Value, json};

/// A run that is under way beside the hostile one, before and after it.
pub(crate) const BYSTANDER: &str = r#"
pawl: 1
workflow: bystander
version: 1.0.0
steps:
  - id: before
    tool: echo.say
    with: { text: one }
  - id: ask
    human: { title: Go on? }
  - id: after
    tool: echo.say
    with: { text: "${{ steps.before.output.text }} two" }
outputs:
  text: ${{ steps.after.output.text }}
"#;

/// Everything that an agent can be granted but tools and agents.
pub(crate) const AGENTS_GRANTS: &str = "permissions: { tools: ['echo.*'], agents: [guest], signals: [go], models: [default], human: true, memory: true, timers: true }\n";

/// What a hostile guest may use, small, so that each comes to its limit soon.
pub(crate) fn narrow(config: &mut EngineConfig) {
    config.limits = Limits {
        guest_time_max_ms: 200,
        wall_time_max_ms: 5_000,
        memory_max_bytes: 8 << 20,
        host_calls_max: 50,
        payload_max_bytes: 1 << 20,
        log_max_bytes: 1_000,
        ..Limits::default()
    };
    config.sandbox.describe = Limits { guest_time_max_ms: 200, wall_time_max_ms: 2_000, ..Limits::default() };
}

/// One step of a guest, how it must end, and what its failure must say.
pub(crate) struct Attack {
    name: &'static str,
    guest: Guest,
    step: &'static str,
    grants: &'static str,
    kind: FailureKind,
    says: &'static [&'static str],
}

impl Attack {
    /// A call of a tool plugin's `go`, without any grant.
    pub(crate) fn tool(
        name: &'static str,
        guest: Guest,
        kind: FailureKind,
        says: &'static [&'static str],
    ) -> Self {
        Self { name, guest, step: "tool: guest.go", grants: "", kind, says }
    }

    /// A run of an agent, with everything that agents can be granted.
    pub(crate) fn agent(
        name: &'static str,
        guest: Guest,
        kind: FailureKind,
        says: &'static [&'static str],
    ) -> Self {
        Self { name, guest, step: "agent: guest", grants: AGENTS_GRANTS, kind, says }
    }

    /// The same, with these grants.
    pub(crate) fn granted(self, grants: &'static str) -> Self {
        Self { grants, ..self }
    }
}

/// An engine, and a place for components that no project would have.
pub(crate) struct Ground {
    pub(crate) scene: Scene,
    folder: tempfile::TempDir,
}

impl Ground {
    /// With narrow limits.
    pub(crate) async fn new() -> Result<Self> {
        Self::with(narrow).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut EngineConfig)) -> Result<Self> {
        Ok(Self { scene: Scene::with(change).await?, folder: tempfile::tempdir()? })
    }

    /// Puts a component where a workflow can name it.
    pub(crate) fn place(&self, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.folder.path().join("guest.wasm");
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    /// A workflow of one step, with this component.
    pub(crate) fn text(&self, bytes: &[u8], step: &str, grants: &str) -> Result<String> {
        let guest = self.place(bytes)?;
        Ok(format!(
            "pawl: 1\nworkflow: hostile\nversion: 1.0.0\nplugins: {{ guest: {} }}\n{grants}\
             steps:\n  - id: act\n    {step}\n    with: {{ n: 1 }}\n\
             outputs: {{ got: '${{{{ steps.act.output }}}}' }}\n",
            guest.display()
        ))
    }

    /// Starts a run of one step, with this guest.
    pub(crate) async fn start(&self, guest: &Guest, step: &str, grants: &str) -> Result<RunId> {
        let text = self.text(&guest.build(), step, grants)?;
        self.scene.accept(&text).await?;
        self.scene.start(&text, Value::Null).await
    }

    /// Runs a guest to its end, for those that must not fail.
    pub(crate) async fn completed(&self, guest: &Guest, step: &str, grants: &str) -> Result<(RunId, Value)> {
        let run = self.start(guest, step, grants).await?;
        let header = self.scene.ended(run).await?;
        ensure!(header.status == Status::Completed, "it failed: {:?}", header.error);
        Ok((run, header.outputs.context("outputs")?["got"].clone()))
    }

    /// What is said of a component that cannot even be loaded. The engine goes on afterwards.
    pub(crate) async fn refused(&self, bytes: &[u8]) -> Result<String> {
        let text = self.text(bytes, "tool: guest.go", "")?;
        let refused = self.scene.workflow(&text).await.err().context("it was taken")?.to_string();
        ensure!(refused.contains("guest"), "the plugin is not named: {refused}");
        self.goes_on().await?;
        Ok(refused)
    }

    /// Another run goes its way, with a question in its midst.
    pub(crate) async fn goes_on(&self) -> Result<()> {
        let run = self.scene.start(BYSTANDER, Value::Null).await?;
        let approval = self.scene.asked(run).await?;
        self.scene.answer(&approval, "approve", Value::Null).await?;
        assert_eq!(self.scene.ended(run).await?.outputs, Some(json!({ "text": "one two" })));
        Ok(())
    }

    /// Every attack fails its own step as it must, says so, and leaves the run beside it alone.
    pub(crate) async fn stands(&self, attacks: Vec<Attack>) -> Result<()> {
        for attack in attacks {
            self.stand(&attack).await.context(attack.name)?;
        }
        self.scene.holds(0).await
    }

    async fn stand(&self, attack: &Attack) -> Result<()> {
        let bystander = self.scene.start(BYSTANDER, Value::Null).await?;
        let approval = self.scene.asked(bystander).await?;
        let run = self.start(&attack.guest, attack.step, attack.grants).await?;
        let header = self.scene.ended(run).await?;
        self.failed(run, header, attack).await?;
        self.scene.answer(&approval, "approve", Value::Null).await?;
        assert_eq!(self.scene.ended(bystander).await?.outputs, Some(json!({ "text": "one two" })));
        Ok(())
    }

    async fn failed(&self, run: RunId, header: RunHeader, attack: &Attack) -> Result<()> {
        let Some(failure) = header.error else { anyhow::bail!("it did not fail: {:?}", header.outputs) };
        ensure!(failure.kind == attack.kind, "{failure}");
        ensure!(failure.message.starts_with("guest"), "the plugin is not named: {failure}");
        for said in attack.says {
            ensure!(failure.message.contains(said), "'{said}' is not in: {failure}");
        }
        let events = self.scene.events(run).await?;
        let of_run = |event: &Event| match event {
            Event::RunFailed { failure: of_run, step } => Some((of_run.clone(), step.clone())),
            _ => None,
        };
        let (of_run, step) = events.iter().find_map(of_run).context("the run's failure")?;
        ensure!(step.is_some_and(|step| step.as_str() == "act"), "the step is not named");
        let is_steps =
            |event: &Event| matches!(event, Event::StepFailed { failure: of_step, .. } if *of_step == of_run);
        ensure!(of_run == failure && events.iter().any(is_steps), "the step has no failure of its own");
        Ok(())
    }
}

/// A failure of an attempt, for what is not in a table.
pub(crate) fn failure_of(header: RunHeader) -> Result<Failure> {
    ensure!(header.status == Status::Failed, "it did not fail: {:?}", header.outputs);
    header.error.context("a failure")
}

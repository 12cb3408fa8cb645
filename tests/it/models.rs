//! `models.chat`: asked once, recorded, granted by name.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use pawl_core::budget::Prices;
use pawl_core::call::{CallRequest, CallResponse};
use pawl_core::chat::{ChatAnswer, ChatRequest, Finish, Message, ToolRequest, Usage};
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_core::{FailureKind, RunId};
use pawl_engine::ManualClock;
use pawl_models::Models;
use pawl_tests::{BEGIN, Disk, Scene, patiently};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// A workflow with the assistant, and what its step is granted.
fn text(grants: &str) -> String {
    format!(
        "
pawl: 1
workflow: thinks
version: 1.0.0
permissions: {{ {grants} }}
steps:
  - id: think
    agent: assistant
    with: {{ task: Where is A-1001? }}
outputs: {{ answer: '${{{{ steps.think.output.answer }}}}' }}
"
    )
}

const GRANTS: &str = "models: [default], tools: [orders.lookup]";

/// What a model says to one question.
#[derive(Debug)]
enum Says {
    /// A text, and calls.
    This(String, Vec<ToolRequest>),
    /// Nothing, for ever.
    Nothing,
}

/// A model outside of pawl, which counts what reaches it.
#[derive(Debug, Default)]
struct Outside {
    says: Mutex<VecDeque<Says>>,
    asked: Mutex<Vec<ChatRequest>>,
    reached: Notify,
}

impl Outside {
    fn new(says: impl IntoIterator<Item = Says>) -> Arc<Self> {
        Arc::new(Self { says: Mutex::new(says.into_iter().collect()), ..Self::default() })
    }

    fn asked(&self) -> Vec<ChatRequest> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when so many questions have come.
    async fn reached(&self, questions: usize) {
        loop {
            let told = self.reached.notified();
            if self.asked().len() >= questions {
                return;
            }
            told.await;
        }
    }
}

#[async_trait]
impl Models for Outside {
    fn names(&self) -> Vec<String> {
        vec!["default".to_owned()]
    }

    fn prices(&self) -> Prices {
        Prices::new()
    }

    async fn chat(&self, _: &str, profile: &str, request: ChatRequest) -> CallResponse {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let says = self.says.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        self.reached.notify_waiters();
        let Some(Says::This(text, tool_calls)) = says else { return pending().await };
        let finish = if tool_calls.is_empty() { Finish::Stop } else { Finish::ToolCalls };
        let usage = Usage { input_tokens: 1, output_tokens: 1 };
        Ok(ChatAnswer { text, tool_calls, finish, usage, model: "outside".to_owned() }.to_json(profile))
    }
}

fn text_says(text: &str) -> Says {
    Says::This(text.to_owned(), Vec::new())
}

fn calls(calls: &[(&str, Value)]) -> Says {
    let call = |(at, (name, arguments)): (usize, &(&str, Value))| ToolRequest {
        id: at.to_string(),
        name: (*name).to_owned(),
        arguments: arguments.clone(),
    };
    Says::This(String::new(), calls.iter().enumerate().map(call).collect())
}

fn look_up(id: &str) -> (&'static str, Value) {
    ("orders.lookup", json!({ "id": id }))
}

/// The requests of all calls that are recorded, in their order.
async fn recorded(scene: &Scene, run: RunId) -> Result<Vec<CallRequest>> {
    let events = scene.events(run).await?.into_iter();
    Ok(events
        .filter_map(|event| match event {
            Event::CallCompleted { request: Some(request), .. } => Some(request),
            _ => None,
        })
        .collect())
}

#[tokio::test]
async fn questions_and_answers_stand_in_the_journal() -> Result<()> {
    let model = Outside::new([calls(&[look_up("A-1001")]), text_says("It is here.")]);
    let asked = Arc::clone(&model);
    let scene = Scene::with(|config| config.models = Some(model)).await?;
    let run = scene.start(&text(GRANTS), json!({})).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.outputs.context("outputs")?["answer"], "It is here.");
    let recorded = recorded(&scene, run).await?;
    let functions: Vec<_> = recorded.iter().map(|request| request.function().to_owned()).collect();
    assert_eq!(functions, ["tools.list", "models.chat", "tools.call", "models.chat"]);
    let CallRequest::Model { profile, request } = &recorded[3] else { anyhow::bail!("{recorded:?}") };
    assert_eq!(profile, "default");
    assert_eq!(request, &serde_json::to_value(&asked.asked()[1])?);
    let last = asked.asked()[1].messages.last().cloned().context("a message")?;
    ensure!(matches!(&last, Message::Tool { text, .. } if text.contains("desk lamp")), "{last:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_recorded_is_not_asked_again_and_what_was_under_way_is() -> Result<()> {
    // The second question is under way when the engine ends; so is the third, in the next engine.
    let model = Outside::new([
        calls(&[look_up("A-1001"), look_up("A-1002")]),
        Says::Nothing,
        calls(&[look_up("A-1003")]),
        Says::Nothing,
        text_says("All are there."),
    ]);
    let disk = Disk::new()?;
    let mut clock = ManualClock::new(BEGIN);
    let mut run = None;
    for (engine, questions) in [2, 4].into_iter().enumerate() {
        let given: Arc<dyn Models> = Arc::clone(&model) as _;
        let scene = Scene::on(disk.open().await?, clock, |config| config.models = Some(given)).await?;
        if engine == 0 {
            run = Some(scene.start(&text(GRANTS), json!({})).await?);
        } else {
            scene.engine.recover().await?;
        }
        patiently("the question", model.reached(questions)).await?;
        clock = scene.stop().await?;
    }
    let run = run.context("a run")?;
    let given: Arc<dyn Models> = Arc::clone(&model) as _;
    let scene = Scene::on(disk.open().await?, clock, |config| config.models = Some(given)).await?;
    scene.engine.recover().await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.status, Status::Completed, "{:?}", header.error);
    let asked = model.asked();
    assert_eq!(asked.len(), 5);
    assert_eq!((&asked[1], &asked[3]), (&asked[2], &asked[4]), "the same question, word for word");
    let recorded = recorded(&scene, run).await?;
    let of = |name: &str| recorded.iter().filter(|request| request.function() == name).count();
    assert_eq!((of("models.chat"), of("tools.call")), (3, 3));
    scene.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_model_that_is_not_granted_is_not_asked() -> Result<()> {
    let model = Outside::new([]);
    let asked = Arc::clone(&model);
    let scene = Scene::with(|config| config.models = Some(model)).await?;
    let other = text(GRANTS).replace("task: Where is A-1001?", "task: Where?, model: other");
    let run = scene.start(&other, json!({})).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    assert_eq!(failure.kind, FailureKind::Denied);
    ensure!(failure.message.contains("may not ask the model 'other'"), "{failure}");
    assert_eq!(asked.asked(), []);
    let run = scene.start(&text("tools: [orders.lookup]"), json!({})).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    ensure!(failure.message.contains("pawl:plugin/models (permissions.models)"), "{failure}");
    Ok(())
}

#[tokio::test]
async fn a_workflow_that_grants_a_model_that_is_not_there_is_refused() -> Result<()> {
    let scene = Scene::with(|config| config.models = Some(Outside::new([]))).await?;
    let error = scene.workflow(&text("models: [defualt]")).await.err().context("an error")?.to_string();
    ensure!(error.contains("P0505: there is no model 'defualt'"), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_agent_that_looks_at_its_grants_starts_without_tools_and_people() -> Result<()> {
    let ask = || calls(&[("ask_person", json!({ "question": "Which one?" }))]);
    let model = Outside::new([text_says("Alone."), ask(), text_says("The red one.")]);
    let asked = Arc::clone(&model);
    let scene = Scene::with(|config| config.models = Some(model)).await?;
    let run = scene.start(&text("models: [default]"), json!({})).await?;
    assert_eq!(scene.ended(run).await?.outputs.context("outputs")?["answer"], "Alone.");
    ensure!(asked.asked()[0].tools.is_empty());

    let run = scene.start(&text("models: [default], human: true"), json!({})).await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "answer", json!({ "answer": "red" })).await?;
    assert_eq!(scene.ended(run).await?.outputs.context("outputs")?["answer"], "The red one.");
    let asked = asked.asked();
    assert_eq!(asked[1].tools.len(), 1);
    let last = asked[2].messages.last().context("a message")?.text().to_owned();
    ensure!(last.contains("\"answer\":\"red\"") && last.contains("user:"), "{last}");
    Ok(())
}

#[tokio::test]
async fn memory_and_other_agents_are_denied_where_the_step_does_not_grant_them() -> Result<()> {
    let says = [calls(&[("ask_writer", json!({ "task": "Write." }))]), text_says("Alone, then.")];
    let model = Outside::new(says);
    let asked = Arc::clone(&model);
    let scene = Scene::with(|config| config.models = Some(model)).await?;
    let agents = "agents: [{ name: writer, summary: Writes. }]";
    for (more, part) in [("remember: chat", "memory: true"), (agents, "permissions: agents")] {
        let text = text("models: [default]").replace("task:", &format!("{more}, task:"));
        let run = scene.start(&text, json!({})).await?;
        let failure = scene.ended(run).await?.error.context("a failure")?;
        assert_eq!(failure.kind, FailureKind::Denied);
        ensure!(failure.message.contains(part), "{failure}");
    }
    assert_eq!(asked.asked(), []);
    // One that the step does not name is the model's to hear of.
    let text = text("models: [default], agents: [planner]").replace("task:", &format!("{agents}, task:"));
    let run = scene.start(&text, json!({})).await?;
    assert_eq!(scene.ended(run).await?.outputs.context("outputs")?["answer"], "Alone, then.");
    let last = asked.asked()[1].messages.last().context("a message")?.text().to_owned();
    ensure!(last.starts_with("error: denied: step 'think' may not call agent writer"), "{last}");
    Ok(())
}

#[tokio::test]
async fn an_answer_beyond_the_payload_limit_fails_the_call() -> Result<()> {
    let model = Outside::new([text_says(&"x".repeat(5_000))]);
    let scene = Scene::with(|config| {
        config.models = Some(model);
        config.limits.payload_max_bytes = 4_000;
    })
    .await?;
    let run = scene.start(&text("models: [default]"), json!({})).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    ensure!(failure.message.contains("payload_max_bytes is 4000"), "{failure}");
    Ok(())
}

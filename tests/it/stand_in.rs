//! The seams at which tests of workflows take hold: what carries attempts out, and chance.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use async_trait::async_trait;
use pawl_core::call::CallResponse;
use pawl_core::view::Status;
use pawl_core::{Digest, Failure, FailureKind, RunId};
use pawl_engine::{AgentPart, AgentWork, Chance, Component, StandIn, StartOptions, ToolWork};
use pawl_sandbox::{AgentEnd, AgentHost, ToolEnd};
use pawl_tests::{Scene, workflow};
use serde_json::{Value, json};

/// Answers every call with the same, and writes down what was asked.
#[derive(Debug)]
struct Answers {
    tool: Result<Value, Failure>,
    agent: Option<CallResponse>,
    asked: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl StandIn for Answers {
    async fn tool(&self, work: ToolWork<'_>, component: Component<'_, ToolEnd>) -> ToolEnd {
        let ToolWork { step, visit, call, plugin, tool, arguments, .. } = work;
        self.asked
            .lock()
            .expect("nobody panics with it")
            .push(format!("{step} {visit} {call:?} {plugin}.{tool} {arguments}"));
        match &self.tool {
            Ok(Value::Null) => component.await,
            result => ToolEnd { result: result.clone(), log: Vec::new() },
        }
    }

    async fn agent(&self, _: AgentWork<'_>, host: Box<dyn AgentHost>) -> AgentPart {
        match self.agent.clone() {
            None => AgentPart::Component(host),
            Some(result) => AgentPart::Played(result.map_or_else(AgentEnd::GaveUp, AgentEnd::Completed)),
        }
    }
}

async fn scene(
    tool: Result<Value, Failure>,
    agent: Option<CallResponse>,
) -> Result<(Scene, Arc<Mutex<Vec<String>>>)> {
    let asked = Arc::default();
    let answers = Answers { tool, agent, asked: Arc::clone(&asked) };
    let scene = Scene::with(|config| config.stand_in = Some(Arc::new(answers))).await?;
    Ok((scene, asked))
}

async fn run(scene: &Scene, file: &str, inputs: Value) -> Result<RunId> {
    let workflow = scene.engine.load_workflow(&workflow(file)).await?;
    Ok(scene.engine.start(&workflow, inputs, StartOptions::default()).await?)
}

#[tokio::test]
async fn a_stand_in_answers_in_the_place_of_a_tool() -> Result<()> {
    let failure = Failure::new(FailureKind::Permanent, "no");
    let cases = [
        (Ok(json!({ "text": "mocked" })), Ok(json!({ "message": "mocked" }))),
        (Ok(Value::Null), Ok(json!({ "message": "Hello, Ada!" }))),
        (Ok(json!({ "txt": 1 })), Err(FailureKind::InvalidOutput)),
        (Err(failure), Err(FailureKind::Permanent)),
    ];
    for (given, expected) in cases {
        let (scene, asked) = scene(given.clone(), None).await?;
        let run = run(&scene, "hello.yaml", json!({ "name": "Ada" })).await?;
        let header = scene.ended(run).await?;
        let found = header.outputs.ok_or_else(|| header.error.expect("a failure").kind);
        assert_eq!(found, expected, "{given:?}");
        assert_eq!(*asked.lock().unwrap(), [r#"greet 1 None echo.say {"text":"Hello, Ada!"}"#]);
    }
    Ok(())
}

#[tokio::test]
async fn a_stand_in_answers_in_the_place_of_an_agent_and_of_what_it_calls() -> Result<()> {
    let report = json!({ "refunded": ["A-1"], "receipts": ["R"], "decision": "approve", "by": null });
    let (scene, asked) = scene(Ok(Value::Null), Some(Ok(report))).await?;
    let header = scene.ended(run(&scene, "planner.yaml", json!({ "customer": "cem" })).await?).await?;
    assert_eq!(header.status, Status::Completed, "{:?}", header.error);
    assert_eq!(header.outputs.expect("outputs")["refunded"], json!(["A-1"]));
    assert!(asked.lock().unwrap().is_empty());

    let (scene, asked) = self::scene(Ok(json!({ "orders": [] })), None).await?;
    let header = scene.ended(run(&scene, "planner.yaml", json!({ "customer": "cem" })).await?).await?;
    assert_eq!(header.status, Status::Completed, "{:?}", header.error);
    assert_eq!(*asked.lock().unwrap(), [r#"plan 1 Some(1) orders.list {"customer":"cem"}"#]);
    Ok(())
}

#[derive(Debug)]
struct Fixed;

impl Chance for Fixed {
    fn run_id(&self) -> RunId {
        RunId::from_bytes([7; 16])
    }

    fn bytes(&self, run: RunId, seq: u64) -> [u8; 32] {
        *Digest::of_parts(&[run.as_bytes(), &seq.to_be_bytes()]).as_bytes()
    }
}

#[tokio::test]
async fn the_same_chance_gives_the_same_journal() -> Result<()> {
    let mut heads = Vec::new();
    for _ in 0..2 {
        let scene = Scene::with(|config| config.chance = Arc::new(Fixed)).await?;
        let run = run(&scene, "planner.yaml", json!({ "customer": "ann" })).await?;
        let approval = scene.asked(run).await?;
        scene.answer(&approval, "approve", Value::Null).await?;
        heads.push(scene.ended(run).await?.head);
    }
    assert_eq!(heads[0], heads[1]);
    Ok(())
}

#[tokio::test]
async fn an_engine_beside_another_shares_its_plugins_and_not_its_runs() -> Result<()> {
    let scene = Scene::new().await?;
    let done = run(&scene, "hello.yaml", json!({})).await?;
    scene.ended(done).await?;
    let store = Arc::new(pawl_store::memory::MemoryStore::new());
    let beside = scene.engine.beside(store, pawl_engine::EngineConfig::default());
    assert!(beside.history(done).await.is_err());
    let workflow = scene.engine.load_workflow(&workflow("hello.yaml")).await?;
    let run = beside.start(&workflow, Value::Null, StartOptions::default()).await?;
    scene.engine.shut_down().await?;
    assert_eq!(beside.settled(run).await?.status, Status::Completed);
    Ok(())
}

//! Tools of MCP servers: pinned as they are described, called and recorded as any others.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use pawl_core::call::Question;
use pawl_core::elicit::{ACTIONS, ToolAsks};
use pawl_core::event::{Event, ToolQuestion};
use pawl_core::plugin::{EffectClass, PluginOrigin, ToolDescription};
use pawl_core::route::OfferSetting;
use pawl_core::source::operator;
use pawl_core::state::Dialogue;
use pawl_core::view::Status;
use pawl_core::{Digest, Failure, FailureKind};
use pawl_engine::{EngineConfig, ManualClock};
use pawl_mcp::{McpCall, McpEnd, Servers};
use pawl_models::Profiles;
use pawl_tests::{BEGIN, Disk, Scene, patiently};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// A workflow that reads and writes.
const TEXT: &str = "
pawl: 1
workflow: files
version: 1.0.0
steps:
  - id: read
    tool: mcp.files.read/file
    with: { path: a.txt }
    retry: { max_attempts: 2, delay: 1s, on: transient }
  - id: write
    tool: mcp.files.write
    with: { path: b.txt, text: '${{ steps.read.output.text }}' }
outputs: { said: '${{ steps.write.output.text }}' }
";

type Gives = Result<McpEnd, Failure>;

/// A server outside of pawl, which counts what reaches it.
#[derive(Debug, Default)]
struct Outside {
    /// What it gives to one call after the other; nothing, for ever, where it has none.
    gives: Mutex<VecDeque<Gives>>,
    calls: Mutex<Vec<(String, Value, String)>>,
    /// What each call was given of what it had asked before.
    dialogues: Mutex<Vec<Option<Dialogue>>>,
    reached: Notify,
    is_broken: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside failures")]
fn text(text: &str) -> Gives {
    Ok(McpEnd::Result(json!({ "text": text })))
}

/// Asks a person for a city.
#[expect(clippy::unnecessary_wraps, reason = "it stands beside failures")]
fn asks(message: &str) -> Gives {
    let question = Question {
        title: message.to_owned(),
        to: Vec::new(),
        actions: ACTIONS.map(str::to_owned).to_vec(),
        form: Some(json!({ "type": "object", "properties": { "city": { "type": "string" } } })),
        subject: None,
        due: None,
        on_timeout: None,
        terms: pawl_core::terms::Terms::default(),
    };
    let digest = Digest::of(message.as_bytes());
    let questions = vec![ToolQuestion { key: "which".to_owned(), digest, question }];
    Ok(McpEnd::Asks(ToolAsks { questions, state: Some("halfway".to_owned()) }))
}

impl Outside {
    fn new(gives: impl IntoIterator<Item = Gives>) -> Arc<Self> {
        Arc::new(Self { gives: Mutex::new(gives.into_iter().collect()), ..Self::default() })
    }

    fn calls(&self) -> Vec<(String, Value, String)> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when so many calls have come.
    async fn reached(&self, calls: usize) {
        loop {
            let told = self.reached.notified();
            if self.calls().len() >= calls {
                return;
            }
            told.await;
        }
    }
}

#[async_trait]
impl Servers for Outside {
    fn names(&self) -> Vec<String> {
        vec!["files".to_owned()]
    }

    async fn describe(&self, server: &str) -> Result<Vec<ToolDescription>, Failure> {
        if self.is_broken {
            let message = format!("the MCP server '{server}' cannot be used: its program ended");
            return Err(Failure::new(FailureKind::Transient, message));
        }
        let tool = |name: &str, fields: &[&str], effect| {
            let fields: serde_json::Map<_, _> =
                fields.iter().map(|field| ((*field).to_owned(), json!({ "type": "string" }))).collect();
            ToolDescription {
                name: name.to_owned(),
                summary: format!("Does {name}."),
                input_schema: json!({ "type": "object", "properties": fields, "additionalProperties": false }),
                output_schema: json!({ "type": "object", "required": ["text"], "properties": {
                    "text": { "type": "string" },
                }, "additionalProperties": false }),
                effect,
            }
        };
        Ok(vec![
            tool("read/file", &["path"], EffectClass::Pure),
            tool("write", &["path", "text"], EffectClass::AtMostOnce),
        ])
    }

    async fn call(&self, call: McpCall<'_>) -> Gives {
        self.dialogues.lock().unwrap_or_else(PoisonError::into_inner).push(call.dialogue.cloned());
        let recorded = (call.tool.name.clone(), call.arguments.clone(), call.key.to_owned());
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
        let gives = self.gives.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        self.reached.notify_waiters();
        match gives {
            Some(gives) => gives,
            None => pending().await,
        }
    }

    async fn close(&self) {}
}

async fn scene(server: &Arc<Outside>, change: impl FnOnce(&mut EngineConfig)) -> Result<Scene> {
    let server: Arc<dyn Servers> = Arc::clone(server) as _;
    Scene::with(|config| {
        config.mcp = Some(server);
        change(config);
    })
    .await
}

#[tokio::test]
async fn steps_call_the_tools_of_a_server_as_the_run_holds_them() -> Result<()> {
    let server = Outside::new([text("read"), text("written")]);
    let scene = scene(&server, |_| {}).await?;
    let run = scene.start(TEXT, json!({})).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.outputs.context("outputs")?["said"], "written", "{:?}", header.error);
    let calls = server.calls();
    assert_eq!((calls[0].0.as_str(), &calls[0].1), ("read/file", &json!({ "path": "a.txt" })));
    assert_eq!((calls[1].0.as_str(), &calls[1].1), ("write", &json!({ "path": "b.txt", "text": "read" })));
    ensure!(calls[0].2.starts_with(&run.to_string()) && calls[0].2 != calls[1].2, "{calls:?}");
    let history = scene.engine.history(run).await?;
    let pin = history.state.plugins().get("mcp.files").context("a pin")?;
    assert_eq!(pin.origin, PluginOrigin::Mcp("files".to_owned()));
    let description = scene.engine.store().blob(&pin.component).await?.context("the description")?;
    let description: Value = serde_json::from_slice(&description)?;
    assert_eq!((&description["mcp"], &description["tools"][1]["name"]), (&json!("files"), &json!("write")));
    Ok(())
}

#[tokio::test]
async fn an_agent_sees_and_calls_what_it_is_granted() -> Result<()> {
    let server = Outside::new([text("nine lines")]);
    let script = "rules:\n  - { when: { turn: 0 }, calls: [{ tool: mcp.files.read/file, arguments: { path: a.txt } }] }\n  \
                  - { when: { last: nine lines }, reply: Nine. }\n";
    let text = "models: { default: { provider: scripted, script: s.yaml } }";
    let models = Profiles::new(&operator::load("pawl.yaml", text)?, Path::new(""), |_| {
        Ok::<_, io::Error>(script.to_owned())
    })?;
    let scene = scene(&server, |config| config.models = Some(Arc::new(models))).await?;
    let workflow = |tools: &str| {
        format!(
            "pawl: 1\nworkflow: reads\nversion: 1.0.0\npermissions: {{ models: [default], tools: [{tools}] }}\nsteps:\n  \
             - {{ id: ask, agent: assistant, with: {{ task: How many lines? }} }}\noutputs: {{ said: '${{{{ steps.ask.output.answer }}}}' }}\n"
        )
    };
    let run = scene.start(&workflow("mcp.files.*"), json!({})).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.outputs.context("outputs")?["said"], "Nine.", "{:?}", header.error);
    assert_eq!(server.calls().len(), 1);
    // What is not granted is not there for it.
    let run = scene.start(&workflow("mcp.files.write"), json!({})).await?;
    scene.ended(run).await?;
    assert_eq!(server.calls().len(), 1, "a call that was not granted reached the server");
    Ok(())
}

#[tokio::test]
async fn a_server_that_breaks_leaves_a_call_open_that_cannot_be_made_again() -> Result<()> {
    let broke = || Err(Failure::new(FailureKind::Trap, "the MCP server 'files' broke before it answered"));
    let passing =
        Err(Failure::new(FailureKind::Transient, "the MCP server 'files' broke before it answered"));
    let server = Outside::new([passing, text("read"), broke(), text("written")]);
    let scene = scene(&server, |_| {}).await?;
    let run = scene.start(TEXT, json!({})).await?;
    let failed =
        scene.event(run, |event| matches!(event, Event::AttemptFailed { retry_at: Some(_), .. })).await?;
    scene.go_on(run, &failed.event, &mut VecDeque::new()).await?;
    let approval = scene.asked(run).await?;
    let calls = server.calls();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[0].2, calls[1].2, "the same key for every try");
    scene.answer(&approval, "retry", json!({})).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.status, Status::Completed, "{:?}", header.error);
    assert_eq!(server.calls().len(), 4);
    Ok(())
}

#[tokio::test]
async fn what_was_under_way_at_a_crash_is_called_again_or_asked_about() -> Result<()> {
    let server = Outside::new([]);
    let disk = Disk::new()?;
    let open = async |clock| {
        let given: Arc<dyn Servers> = Arc::clone(&server) as _;
        Scene::on(disk.open().await?, clock, |config| config.mcp = Some(given)).await
    };
    let scene = open(ManualClock::new(BEGIN)).await?;
    let run = scene.start(TEXT, json!({})).await?;
    patiently("the first call", server.reached(1)).await?;
    let clock = scene.stop().await?;

    // It is pure, so it is called again; the next is not, and ends with the engine.
    server.gives.lock().unwrap_or_else(PoisonError::into_inner).push_back(text("read"));
    let scene = open(clock).await?;
    scene.engine.recover().await?;
    patiently("the second call", server.reached(3)).await?;
    let clock = scene.stop().await?;

    let scene = open(clock).await?;
    scene.engine.recover().await?;
    let approval = scene.asked(run).await?;
    let calls = server.calls();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert_eq!(calls[0], calls[1]);
    scene.answer(&approval, "failed", json!({})).await?;
    assert_eq!(scene.ended(run).await?.status, Status::Failed);
    scene.stop().await?;
    Ok(())
}

#[tokio::test]
async fn what_a_server_asks_outlives_its_process_and_goes_with_the_next_call() -> Result<()> {
    let server = Outside::new([asks("Which file?"), text("read"), asks("Really?")]);
    let disk = Disk::new()?;
    let open = async |clock| {
        let given: Arc<dyn Servers> = Arc::clone(&server) as _;
        Scene::on(disk.open().await?, clock, |config| config.mcp = Some(given)).await
    };
    let scene = open(ManualClock::new(BEGIN)).await?;
    let run = scene.start(TEXT, json!({})).await?;
    let first = scene.asked(run).await?;
    let clock = scene.stop().await?;

    // Nothing is called before somebody has answered; then the answer goes with the call.
    let scene = open(clock).await?;
    scene.engine.recover().await?;
    assert_eq!((scene.asked(run).await?, server.calls().len()), (first.clone(), 1));
    scene.answer(&first, "accept", json!({ "city": "Bonn" })).await?;
    let second = scene.asked(run).await?;
    assert_ne!(first, second);
    // The next asks as well, and must happen at most once: it did not happen yet.
    let clock = scene.stop().await?;
    let scene = open(clock).await?;
    scene.engine.recover().await?;
    assert_eq!(scene.asked(run).await?, second);
    server.gives.lock().unwrap_or_else(PoisonError::into_inner).push_back(text("written"));
    scene.answer(&second, "decline", json!({})).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.outputs.context("outputs")?["said"], "written", "{:?}", header.error);

    let calls = server.calls();
    assert_eq!(calls.len(), 4);
    ensure!(calls[0] == calls[1] && calls[2] == calls[3], "the same call, with the same key: {calls:?}");
    let dialogues = server.dialogues.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ensure!(dialogues[0].is_none() && dialogues[2].is_none(), "{dialogues:?}");
    let (read, write) = (dialogues[1].clone().context("answers")?, dialogues[3].clone().context("answers")?);
    assert_eq!((read.answers[0].key.as_str(), read.state.as_deref()), ("which", Some("halfway")));
    assert_eq!(*read.answers[0].data, json!({ "city": "Bonn" }));
    assert_eq!(write.answers[0].action, "decline");
    scene.stop().await?;
    Ok(())
}

#[tokio::test]
async fn an_agents_call_that_asks_is_made_again_and_its_replay_is_the_same() -> Result<()> {
    let server = Outside::new([asks("Which file?"), text("nine lines")]);
    let script = "rules:\n  - { when: { turn: 0 }, calls: [{ tool: mcp.files.read/file, arguments: { path: a.txt } }] }\n  \
                  - { when: { last: nine lines }, reply: Nine. }\n";
    let models = Profiles::new(
        &operator::load("pawl.yaml", "models: { default: { provider: scripted, script: s.yaml } }")?,
        Path::new(""),
        |_| Ok::<_, io::Error>(script.to_owned()),
    )?;
    let scene = scene(&server, |config| config.models = Some(Arc::new(models))).await?;
    let text = "pawl: 1\nworkflow: reads\nversion: 1.0.0\npermissions: { models: [default], tools: [mcp.files.*] }\nsteps:\n  \
                - { id: ask, agent: assistant, with: { task: How many lines? } }\noutputs: { said: '${{ steps.ask.output.answer }}' }\n";
    let run = scene.start(text, json!({})).await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "accept", json!({ "city": "Bonn" })).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.outputs.context("outputs")?["said"], "Nine.", "{:?}", header.error);
    assert_eq!(server.calls().len(), 2);
    let report = scene.engine.replay(run).await?;
    ensure!(report.first_difference().is_none(), "{report:?}");
    Ok(())
}

#[tokio::test]
async fn a_result_is_checked_and_bounded_as_that_of_any_tool() -> Result<()> {
    for (gives, part) in [
        (Ok(McpEnd::Result(json!({ "txt": "read" }))), "not what the server's own description says"),
        (text(&"x".repeat(5_000)), "payload_max_bytes is 4000"),
        (Err(Failure::new(FailureKind::Permanent, "no such file")), "no such file"),
    ] {
        let server = Outside::new([gives]);
        let scene = scene(&server, |config| config.limits.payload_max_bytes = 4_000).await?;
        let run = scene.start(TEXT, json!({})).await?;
        let failure = scene.ended(run).await?.error.context("a failure")?;
        ensure!(failure.message.contains(part), "{failure}");
    }
    Ok(())
}

#[tokio::test]
async fn a_route_finds_the_tools_of_servers_that_no_workflow_names() -> Result<()> {
    let server = Outside::new([text("written"), text("again")]);
    let store = BTreeMap::from([("store".to_owned(), Some("write".to_owned()))]);
    let setting = OfferSetting { capabilities: Some(store), ..OfferSetting::default() };
    let scene = scene(&server, |config| {
        config.offers = Arc::new(BTreeMap::from([("mcp.files".to_owned(), setting)]));
    })
    .await?;
    let routed = "pawl: 1\nworkflow: routed\nversion: 1.0.0\nsteps:\n  \
                  - { id: any, tool: { match: { capability: store } }, with: { path: b.txt, text: x } }\noutputs: { said: '${{ steps.any.output.text }}' }\n";
    let run = scene.start(routed, json!({})).await?;
    let header = scene.ended(run).await?;
    let outputs =
        header.outputs.with_context(|| format!("outputs, not {:?}, {:?}", header.error, header.waiting))?;
    assert_eq!(outputs["said"], "written");
    let chosen = scene.named(run, "route-chosen").await?;
    let Event::RouteChosen(chosen) = chosen.event else { anyhow::bail!("{chosen:?}") };
    assert_eq!((chosen.chosen.as_str(), chosen.tool.as_deref()), ("mcp.files", Some("write")));
    assert_eq!(server.calls()[0].0, "write");
    // What a step grants bounds whom its route finds.
    let bounded = routed.replace("with: {", "permissions: { tools: [mcp.files.read/file] }, with: {");
    let run = scene.start(&bounded, json!({})).await?;
    let header = scene.ended(run).await?;
    assert_eq!((header.status, server.calls().len()), (Status::Failed, 1), "{:?}", header.error);
    Ok(())
}

#[tokio::test]
async fn a_workflow_is_checked_against_what_the_server_says() -> Result<()> {
    let scene = scene(&Outside::new([]), |_| {}).await?;
    let refused =
        async |text: &str| anyhow::Ok(scene.workflow(text).await.err().context("an error")?.to_string());
    let error = refused(&TEXT.replace("mcp.files.read/file", "mcp.fils.read")).await?;
    ensure!(error.contains("there is no MCP server 'fils'"), "{error}");
    let error = refused(&TEXT.replace("mcp.files.read/file", "mcp.files.raed/file")).await?;
    ensure!(error.contains("has no tool 'raed/file'"), "{error}");
    let error = refused(&TEXT.replace("path: a.txt", "pth: a.txt")).await?;
    ensure!(error.contains("pth"), "{error}");
    let broken = Arc::new(Outside { is_broken: true, ..Outside::default() });
    let scene = self::scene(&broken, |_| {}).await?;
    let error = scene.workflow(TEXT).await.err().context("an error")?.to_string();
    ensure!(error.contains("'files' cannot be used: its program ended"), "{error}");
    Ok(())
}

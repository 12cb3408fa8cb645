//! Traces: what models and MCP servers are told of the one that they are asked in, what is said in spans, and how the
//! traces of runs that have to do with each other are linked.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::RunId;
use pawl_core::operator::Content;
use pawl_core::source::operator;
use pawl_core::trace::TraceContext;
use pawl_engine::StartOptions;
use pawl_mcp::Hub;
use pawl_models::Profiles;
use pawl_telemetry::{Given, Settings, Telemetry};
use pawl_tests::{Collector, Received, Scene, Web, person};
use serde_json::{Value, json};

use crate::telemetry::{OUTSIDE, headers, named, telemetry};

/// Sends spans of a scene's engine to a collector, with all that is said.
fn telling(scene: &Scene, collector: &Collector) -> Result<Telemetry> {
    let file =
        Given { endpoint: Some(collector.endpoint.clone()), content: Content::All, ..Given::default() };
    let settings = Settings::layered(&Given::default(), |_| None, &file)?;
    Ok(Telemetry::start(&scene.engine, settings.context("a collector")?, None)?)
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn link(of: &Received) -> (Option<&str>, Option<&str>) {
    let link = &of.json["links"][0];
    (link["traceId"].as_str(), link["spanId"].as_str())
}

#[tokio::test]
async fn a_model_is_told_of_the_span_that_it_is_asked_in() -> Result<()> {
    let collector = Collector::start().await?;
    let said = json!({
        "model": "m-1",
        "choices": [{
            "message": { "role": "assistant", "content": "hello canary" },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 12, "completion_tokens": 3 },
    });
    let web = Web::start(&[&answer("200 OK", &said.to_string())]).await?;
    let text = format!(
        "models: {{ far: {{ provider: openai, model: m, base_url: 'http://{}/v1', retries: 0 }} }}\n",
        web.authority
    );
    let operator = operator::load("pawl.yaml", &text).map_err(|wrong| anyhow::anyhow!("{wrong}"))?;
    let models = Arc::new(Profiles::new(&operator, Path::new(""), |_| Ok(String::new()))?);
    let scene = Scene::with(|config| {
        config.models = Some(models);
        config.traced = true;
    })
    .await?;
    let telemetry = telling(&scene, &collector)?;
    let thinks = "
pawl: 1
workflow: thinks
version: 1.0.0
permissions: { models: [far] }
steps:
  - id: think
    agent: assistant
    with: { task: Say hello., model: far }
";
    let run = scene.start(thinks, Value::Null).await?;
    let header = scene.ended(run).await?;
    ensure!(header.error.is_none(), "{:?}", header.error);
    let spans = collector.named("invoke_workflow thinks").await?;
    let chat = named(&spans, "chat far")?;
    let sent = headers(&web.requests()[0]);
    assert_eq!(sent.get("traceparent"), Some(&format!("00-{}-{}-01", chat.trace, chat.id)), "{sent:?}");
    assert_eq!(chat.trace, run.to_string().replace('-', ""));
    let agent = named(&spans, "invoke_agent assistant")?;
    assert_eq!((&chat.parent, &agent.parent), (&agent.id, &named(&spans, "step think")?.id));
    let of_run = run.to_string();
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.request.model", "far"),
        ("gen_ai.response.model", "m-1"),
        ("gen_ai.conversation.id", of_run.as_str()),
        ("gen_ai.usage.input_tokens", "12"),
        ("gen_ai.usage.output_tokens", "3"),
    ] {
        assert_eq!(chat.attribute(name), Some(value), "{name} of {chat:?}");
    }
    let message: Value = serde_json::from_str(chat.attribute("gen_ai.output.messages").context("it")?)?;
    assert_eq!(message[0]["parts"][0]["content"], "hello canary");
    ensure!(chat.attribute("gen_ai.input.messages").is_some_and(|asked| asked.contains("Say hello.")));
    scene.engine.shut_down().await?;
    telemetry.close().await;
    Ok(())
}

/// What an MCP server over HTTP answers, which has one tool. The shape is that of what answers or hangs up.
#[expect(clippy::unnecessary_wraps, reason = "the receiver may also hang up")]
fn serves(request: &str) -> Option<String> {
    let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let result = match body["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "far", "version": "1" },
        }),
        Some("tools/list") => json!({ "tools": [{ "name": "read", "inputSchema": { "type": "object" } }] }),
        Some("tools/call") => json!({ "content": [{ "type": "text", "text": "read" }] }),
        Some("notifications/initialized") => return Some(answer("202 Accepted", "")),
        _ => return Some(answer("405 Method Not Allowed", "")),
    };
    Some(answer("200 OK", &json!({ "jsonrpc": "2.0", "id": body["id"], "result": result }).to_string()))
}

#[tokio::test]
async fn an_mcp_server_is_told_of_the_span_that_it_is_asked_in() -> Result<()> {
    let collector = Collector::start().await?;
    let web = Web::answering(serves).await?;
    let text = format!("mcp: {{ far: {{ url: 'http://{}/mcp' }} }}\n", web.authority);
    let operator = operator::load("pawl.yaml", &text).map_err(|wrong| anyhow::anyhow!("{wrong}"))?;
    let hub = Arc::new(Hub::new(&operator, Path::new(""))?);
    let scene = Scene::with(|config| {
        config.mcp = Some(hub);
        config.traced = true;
    })
    .await?;
    let telemetry = telemetry(&scene, &collector)?;
    let reads = "
pawl: 1
workflow: reads
version: 1.0.0
steps:
  - id: read
    tool: mcp.far.read
    with: { path: canary }
";
    let run = scene.start(reads, Value::Null).await?;
    let header = scene.ended(run).await?;
    ensure!(header.error.is_none(), "{:?}", header.error);
    let spans = collector.named("invoke_workflow reads").await?;
    let call = named(&spans, "execute_tool mcp.far.read")?;
    let requests = web.requests();
    let request = requests.iter().find(|request| request.contains("\"tools/call\"")).context("the call")?;
    let parent = format!("00-{}-{}-01", call.trace, call.id);
    assert_eq!(headers(request).get("traceparent"), Some(&parent), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").context("a body")?;
    let body: Value = serde_json::from_str(body)?;
    assert_eq!(body["params"]["_meta"]["traceparent"], parent.as_str());
    assert_eq!(call.attribute("mcp.method.name"), Some("tools/call"));
    assert_eq!(call.attribute("pawl.mcp.server"), Some("far"));
    // Another side is asked.
    assert_eq!(call.json["kind"], 3);
    // Unless the operator says so, nothing that was said is anywhere.
    ensure!(!spans.iter().any(|span| span.json.to_string().contains("canary")), "{spans:?}");
    scene.engine.shut_down().await?;
    telemetry.close().await;
    Ok(())
}

const TWO: &str = "
pawl: 1
workflow: two
version: 1.0.0
steps:
  - id: first
    tool: orders.lookup
    with: { id: A-1001 }
  - id: second
    tool: orders.lookup
    with: { id: A-1001 }
";

#[tokio::test]
async fn reruns_and_forks_are_linked_with_the_trace_that_their_ancestor_is_in() -> Result<()> {
    let collector = Collector::start().await?;
    let scene = Scene::new().await?;
    let telemetry = telemetry(&scene, &collector)?;
    let workflow = scene.workflow(TWO).await?;
    let options = StartOptions { trace: TraceContext::parse(OUTSIDE, None), ..StartOptions::default() };
    let run = scene.engine.start(&workflow, Value::Null, options).await?;
    scene.ended(run).await?;
    let first = scene.named(run, "step-completed").await?.seq;
    let ann = || person("user:ann", &[], true);
    let again = scene.engine.rerun(run, None, None, ann()).await?;
    scene.ended(again).await?;
    let fork = scene.engine.fork(run, first, Vec::new(), ann()).await?;
    scene.ended(fork).await?;
    let all =
        |spans: &[Received]| spans.iter().filter(|span| span.name == "invoke_workflow two").count() >= 3;
    let spans = collector.until("three runs", all).await?;
    let root = |run: RunId| {
        let of = run.to_string();
        let found = spans.iter().find(|span| {
            span.name == "invoke_workflow two" && span.attribute("pawl.run") == Some(of.as_str())
        });
        found.with_context(|| format!("{run} of {spans:?}"))
    };
    let (old, rerun, forked) = (root(run)?, root(again)?, root(fork)?);
    assert_eq!(old.trace, OUTSIDE[3..35]);
    for (of, run) in [(rerun, again), (forked, fork)] {
        // A trace of its own, and where the other is.
        assert_eq!(of.trace, run.to_string().replace('-', ""));
        assert_eq!(link(of), (Some(old.trace.as_str()), Some(old.id.as_str())), "{of:?}");
    }
    scene.engine.shut_down().await?;
    telemetry.close().await;
    Ok(())
}

#[tokio::test]
async fn nothing_below_a_trace_that_is_not_recorded_is() -> Result<()> {
    let collector = Collector::start().await?;
    let scene = Scene::new().await?;
    let telemetry = telemetry(&scene, &collector)?;
    let folder = tempfile::tempdir()?;
    let of = |name: &str, rest: &str| format!("pawl: 1\nworkflow: {name}\nversion: 1.0.0\n{rest}");
    let starts = |inner: &str| {
        format!("workflows: {{ inner: ./{inner}.yaml }}\nsteps: [{{ id: sub, workflow: inner }}]\n")
    };
    std::fs::write(folder.path().join("leaf.yaml"), of("leaf", "steps: [{ id: a, set: 1 }]\n"))?;
    std::fs::write(folder.path().join("middle.yaml"), of("middle", &starts("leaf")))?;
    let text = of("top", &starts("middle"));
    let workflow = scene.engine.prepare_workflow("top.yaml", &text, folder.path()).await?;
    let unrecorded = format!("{}00", &OUTSIDE[..53]);
    let mut last = None;
    for trace in [unrecorded.as_str(), OUTSIDE] {
        let options = StartOptions { trace: TraceContext::parse(trace, None), ..StartOptions::default() };
        let run = scene.engine.start(&workflow, Value::Null, options).await?;
        let header = scene.ended(run).await?;
        ensure!(header.error.is_none(), "{:?}", header.error);
        last = Some(run.to_string());
    }
    let three = |spans: &[Received]| {
        spans.iter().filter(|span| span.name.starts_with("invoke_workflow ")).count() >= 3
    };
    collector.until("three runs", three).await?;
    scene.engine.shut_down().await?;
    telemetry.close().await;
    // Of two runs of each, those that were started later are told.
    let spans = collector.spans();
    for name in ["top", "middle", "leaf"] {
        let name = format!("invoke_workflow {name}");
        assert_eq!(spans.iter().filter(|span| span.name == name).count(), 1, "{name} of {spans:?}");
    }
    assert_eq!(named(&spans, "invoke_workflow top")?.attribute("pawl.run"), last.as_deref());
    Ok(())
}

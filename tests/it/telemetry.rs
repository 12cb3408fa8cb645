//! Traces: what a collector outside of pawl gets, and what those are told whom a run asks.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;

use anyhow::{Context as _, Result, ensure};
use pawl_core::RunId;
use pawl_core::trace::TraceContext;
use pawl_engine::StartOptions;
use pawl_telemetry::{Settings, Telemetry};
use pawl_tests::{Collector, Pawl, Received, Scene, TALLY_HOST, TallyServer, Web, patiently};
use serde_json::{Value, json};

/// Two calls of tools, of which the second is held outside.
const HELD: &str = "
pawl: 1
workflow: held
version: 1.0.0
permissions: { http: ['127.0.0.1:47917'] }
steps:
  - id: first
    tool: orders.lookup
    with: { id: A-1001 }
  - id: second
    tool: orders.list
    with: { customer: ann }
";

/// A run that starts another.
const PARENT: &str = "
pawl: 1
workflow: parent
version: 1.0.0
workflows: { lookup: ./workflows/parts/lookup.yaml }
steps:
  - id: sub
    workflow: lookup
    with: { order: A-1001 }
";

/// Sends spans of a scene's engine to a collector.
pub(crate) fn telemetry(scene: &Scene, collector: &Collector) -> Result<Telemetry> {
    let settings = Settings::read(|name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(collector.endpoint.clone()),
        "OTEL_SERVICE_NAME" => Some("scenario".to_owned()),
        _ => None,
    })?;
    Ok(Telemetry::start(&scene.engine, settings.context("a collector")?, None)?)
}

/// Starts a command that sends spans.
pub(crate) fn spawn(pawl: &Pawl, collector: &Collector, arguments: &[&str]) -> Result<Child> {
    let mut command = pawl.command(arguments)?;
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint).env("OTEL_SERVICE_NAME", "killed");
    Ok(command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?)
}

/// Runs a command that sends spans to its end.
pub(crate) async fn run(
    pawl: &Pawl,
    collector: &Collector,
    arguments: &[&str],
) -> Result<std::process::Output> {
    let child = spawn(pawl, collector, arguments)?;
    Ok(tokio::task::spawn_blocking(move || child.wait_with_output()).await??)
}

/// The names of spans, sorted. No span came twice.
pub(crate) fn names(spans: &[Received]) -> Result<Vec<&str>> {
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.id).collect();
    ensure!(ids.len() == spans.len(), "a span came twice: {spans:?}");
    let mut names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    Ok(names)
}

pub(crate) fn named<'s>(spans: &'s [Received], name: &str) -> Result<&'s Received> {
    spans.iter().find(|span| span.name == name).with_context(|| format!("no span {name}: {spans:?}"))
}

/// Each span is within the one that it should be.
fn check_tree(spans: &[Received], within: &[(&str, &str)]) -> Result<()> {
    for (inner, outer) in within {
        let (inner, outer) = (named(spans, inner)?, named(spans, outer)?);
        ensure!(inner.parent == outer.id, "{inner:?} is not within {outer:?}");
    }
    Ok(())
}

/// All that spans of `HELD` are called.
const OF_HELD: [&str; 5] = [
    "execute_tool orders.list",
    "execute_tool orders.lookup",
    "invoke_workflow held",
    "step first",
    "step second",
];

fn only_run(pawl: &Pawl) -> Result<RunId> {
    let runs = pawl.run(&["runs", "--json"])?.json()?;
    Ok(runs[0]["id"].as_str().with_context(|| format!("{runs}"))?.parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_and_goes_on_has_one_trace_without_a_span_lost_or_doubled() -> Result<()> {
    let collector = Collector::start().await?;
    let pawl = Pawl::new()?;
    pawl.drop_in("orders_tally", "orders")?;
    let server = TallyServer::start(pawl.folder())?;
    server.hold("orders.list");
    let file = pawl.folder().join("held.yaml");
    std::fs::write(&file, HELD)?;
    let file = file.display().to_string();
    let mut child = spawn(&pawl, &collector, &["run", &file, "--allow-http", TALLY_HOST])?;
    patiently("the call", server.reached("orders.list", 1)).await?;
    collector.named("step first").await?;
    // Noted as well, so that what is sent again would be a fault and not bad luck.
    let noted = pawl.data().join("spans.sent");
    let seq = |line: &str| line.split(' ').nth(1).and_then(|seq| seq.parse().ok()).unwrap_or(0_u64);
    // The step's end is the fourth event. Milliseconds since 1970 are no seq.
    let is_end = |line: &str| !line.starts_with("since") && seq(line) >= 4;
    let is_noted = || std::fs::read_to_string(&noted).is_ok_and(|text| text.lines().any(is_end));
    patiently("the note", async {
        while !is_noted() {
            tokio::task::yield_now().await;
        }
    })
    .await?;
    child.kill()?;
    child.wait()?;
    ensure!(named(&collector.spans(), "step second").is_err(), "it has ended before it did");
    server.release();

    let resumed = run(&pawl, &collector, &["resume"]).await?;
    ensure!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let spans = collector.named("invoke_workflow held").await?;
    assert_eq!(names(&spans)?, OF_HELD);
    let trace = only_run(&pawl)?.to_string().replace('-', "");
    assert!(spans.iter().all(|span| span.trace == trace && span.service == "killed"));
    check_tree(
        &spans,
        &[
            ("execute_tool orders.lookup", "step first"),
            ("execute_tool orders.list", "step second"),
            ("step first", "invoke_workflow held"),
            ("step second", "invoke_workflow held"),
        ],
    )?;
    // A process more has nothing to add.
    run(&pawl, &collector, &["runs"]).await?;
    assert_eq!(collector.spans().len(), OF_HELD.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_does_not_take_is_sent_later_and_holds_nobody_up() -> Result<()> {
    let collector = Collector::start().await?;
    let pawl = Pawl::new()?;
    let file = pawl_tests::workflow("hello.yaml").display().to_string();
    let told = [
        (503, "takes no spans, which are sent later: it answers 503"),
        (Collector::HANGS, "not all spans were sent within 2000 ms; the next process sends the rest"),
    ];
    for (runs, (status, words)) in (1..).zip(told) {
        collector.answers(status);
        let before = collector.spans().len();
        let done = run(&pawl, &collector, &["run", &file, "--input", "name=Ada"]).await?;
        let stderr = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success() && stderr.contains(words), "{stderr}");
        assert_eq!(collector.spans().len(), before);
        // An answer that is far too long is one all the same.
        collector.answers(if runs == 1 { Collector::FLOODS } else { 0 });
        for _ in 0..2 {
            run(&pawl, &collector, &["runs"]).await?;
            let spans = collector.spans();
            let whole = names(&spans)?.iter().filter(|name| **name == "invoke_workflow hello").count();
            assert_eq!(whole, runs, "{spans:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn many_spans_are_sent_in_several_requests() -> Result<()> {
    const ITEMS: usize = 600;
    let collector = Collector::start().await?;
    let scene = Scene::new().await?;
    let telemetry = telemetry(&scene, &collector)?;
    let text = "pawl: 1\nworkflow: many\nversion: 1.0.0\ninputs: { items: { type: array } }\nsteps:\n  - id: each\n    \
                map: { items: inputs.items, as: thing, steps: [{ id: one, set: 1 }] }\n";
    let run = scene.start(text, json!({ "items": vec![0; ITEMS] })).await?;
    let header = scene.ended(run).await?;
    ensure!(header.error.is_none(), "{:?}", header.error);
    let spans = collector.named("invoke_workflow many").await?;
    assert_eq!(names(&spans)?.len(), ITEMS + 2);
    assert!(collector.largest() <= pawl_telemetry::SPANS_PER_REQUEST_MAX, "{}", collector.largest());
    let each = named(&spans, "step each")?;
    assert!(spans.iter().filter(|span| span.name == "step one").all(|span| span.parent == each.id));
    scene.engine.shut_down().await?;
    telemetry.close().await;
    Ok(())
}

#[tokio::test]
async fn runs_that_steps_start_have_traces_of_their_own_that_are_linked() -> Result<()> {
    let collector = Collector::start().await?;
    let scene = Scene::new().await?;
    let telemetry = telemetry(&scene, &collector)?;
    let run = scene.start(PARENT, json!({})).await?;
    let header = scene.ended(run).await?;
    ensure!(header.error.is_none(), "{:?}", header.error);
    let both = |spans: &[Received]| {
        spans.iter().filter(|span| span.name.starts_with("invoke_workflow ")).count() == 2
    };
    let spans = collector.until("both runs", both).await?;
    let parent = named(&spans, "invoke_workflow parent")?;
    let step = named(&spans, "step sub")?;
    let is_child = |span: &&Received| span.name.starts_with("invoke_workflow ") && span.id != parent.id;
    let child = spans.iter().find(is_child).context("the child's span")?;
    assert_ne!(child.trace, parent.trace);
    let link = |of: &Received| {
        let link = &of.json["links"][0];
        (link["traceId"].as_str().map(str::to_owned), link["spanId"].as_str().map(str::to_owned))
    };
    assert_eq!(link(child), (Some(step.trace.clone()), Some(step.id.clone())));
    assert_eq!(link(step), (Some(child.trace.clone()), Some(child.id.clone())));
    scene.engine.shut_down().await?;
    telemetry.close().await;
    Ok(())
}

pub(crate) const OUTSIDE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub(crate) const ANSWER: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// One call of the shipped tool `http`.
fn fetches(web: &Web) -> String {
    format!(
        "pawl: 1\nworkflow: fetches\nversion: 1.0.0\npermissions: {{ http: ['{0}'] }}\nsteps:\n  - id: call\n    \
         tool: http.get\n    with: {{ url: 'http://{0}/' }}\n",
        web.authority
    )
}

pub(crate) fn headers(request: &str) -> BTreeMap<String, String> {
    let lines = request.lines().skip(1).take_while(|line| !line.is_empty());
    let pairs = lines.filter_map(|line| line.split_once(": "));
    pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
}

#[tokio::test]
async fn a_trace_from_outside_goes_on_in_the_run_and_out_to_whom_its_tools_ask() -> Result<()> {
    let collector = Collector::start().await?;
    let scene = Scene::new().await?;
    let telemetry = telemetry(&scene, &collector)?;
    let web = Web::start(&[ANSWER]).await?;
    let workflow = scene.workflow(&fetches(&web)).await?;
    let http = web.authority.parse().map_err(anyhow::Error::msg)?;
    let options = StartOptions {
        allowed: pawl_core::plugin::Permissions { http, ..Default::default() },
        trace: TraceContext::parse(OUTSIDE, Some("vendor=1")),
        ..StartOptions::default()
    };
    let run = scene.engine.start(&workflow, Value::Null, options).await?;
    let header = scene.ended(run).await?;
    ensure!(header.error.is_none(), "{:?}", header.error);
    let spans = collector.named("invoke_workflow fetches").await?;
    assert!(spans.iter().all(|span| span.trace == OUTSIDE[3..35]), "{spans:?}");
    assert_eq!(named(&spans, "invoke_workflow fetches")?.parent, OUTSIDE[36..52]);
    let call = named(&spans, "execute_tool http.get")?;
    let sent = headers(&web.requests()[0]);
    assert_eq!(sent.get("traceparent"), Some(&format!("00-{}-{}-01", call.trace, call.id)), "{sent:?}");
    assert_eq!(sent.get("tracestate").map(String::as_str), Some("vendor=1"));
    scene.engine.shut_down().await?;
    telemetry.close().await;
    Ok(())
}

#[tokio::test]
async fn who_has_no_trace_tells_nobody_of_one() -> Result<()> {
    for traced in [false, true] {
        let scene = Scene::with(|config| config.traced = traced).await?;
        let web = Web::start(&[ANSWER]).await?;
        let run = scene.start_allowed(&fetches(&web), Value::Null, &[&web.authority]).await?;
        let header = scene.ended(run).await?;
        ensure!(header.error.is_none(), "{:?}", header.error);
        let told = headers(&web.requests()[0]).remove("traceparent");
        let of_run = told.as_deref().and_then(|told| told.get(3..35)).map(str::to_owned);
        assert_eq!(of_run, traced.then(|| run.to_string().replace('-', "")), "{told:?}");
    }
    Ok(())
}

/// `pawl serve` on a free port, until it is dropped.
pub(crate) struct Served {
    pub(crate) child: Child,
    authority: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(pawl: &Pawl, collector: &Collector) -> Result<Self> {
        Self::of(spawn(pawl, collector, &["serve", "--listen", "127.0.0.1:0", "--json"])?)
    }

    /// One that was started so, with its output piped.
    pub(crate) fn of(mut child: Child) -> Result<Self> {
        let stdout = BufReader::new(child.stdout.take().context("stdout")?);
        let mut text = String::new();
        for line in stdout.lines() {
            text.push_str(&line?);
            if let Ok(said) = serde_json::from_str::<Value>(&text) {
                let url = said["url"].as_str().context("a url")?;
                let authority = url.strip_prefix("http://").context("http")?.to_owned();
                return Ok(Self { child, authority });
            }
        }
        anyhow::bail!("it says no address: {text}")
    }

    /// The body of what it answers.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.authority)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             {headers}content-length: {}\r\n\r\n{body}",
            self.authority,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
        ensure!(head.starts_with("HTTP/1.1 2"), "{answer}");
        Ok(body.to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_takes_the_trace_of_a_request_and_tells_its_metrics() -> Result<()> {
    let collector = Collector::start().await?;
    let pawl = Pawl::new()?;
    let served = Served::start(&pawl, &collector)?;
    let source = "pawl: 1\nworkflow: small\nversion: 1.0.0\nsteps: [{ id: a, set: 1 }]\n";
    let start = json!({ "source": source }).to_string();
    served.ask("POST", "/v1/runs", &format!("traceparent: {OUTSIDE}\r\n"), &start)?;
    let spans = collector.named("invoke_workflow small").await?;
    let run = named(&spans, "invoke_workflow small")?;
    assert_eq!((run.trace.as_str(), run.parent.as_str()), (&OUTSIDE[3..35], &OUTSIDE[36..52]));
    let text = served.ask("GET", "/metrics", "", "")?;
    for line in [
        "pawl_runs_ended_total{workflow=\"small\",status=\"completed\"} 1",
        "pawl_steps_total{workflow=\"small\",verb=\"set\",outcome=\"completed\"} 1",
        "# TYPE pawl_commit_duration_seconds histogram",
    ] {
        ensure!(text.contains(line), "{line} is not in {text}");
    }
    let commits = text.lines().find_map(|line| line.strip_prefix("pawl_transaction_commits_sum "));
    ensure!(commits.context("commits")?.parse::<u64>()? >= 1, "{text}");
    Ok(())
}

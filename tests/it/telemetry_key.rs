//! `telemetry` in `pawl.yaml`, and what the log says of runs.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use pawl_tests::{Collector, Pawl, Received};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::telemetry::{Served, named};

/// A command of a pawl with this operator's file, and none of the variables.
fn command(pawl: &Pawl, arguments: &[&str]) -> Result<Command> {
    let mut command = pawl.command(arguments)?;
    command.env("PAWL_CONFIG", pawl.folder().join("operator.yaml"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

fn write(pawl: &Pawl, name: &str, text: &str) -> Result<()> {
    Ok(std::fs::write(pawl.folder().join(name), text)?)
}

fn says(collector: &Collector, service: &str) -> String {
    format!(
        "telemetry:\n  endpoint: {}\n  service: {service}\n  content: tools\n  \
         headers: {{ X-Key: {{ file: key, prefix: 'Key ' }} }}\n",
        collector.endpoint
    )
}

/// Starts a run of a workflow of this name over the API.
fn start(served: &Served, name: &str) -> Result<()> {
    let source = format!("pawl: 1\nworkflow: {name}\nversion: 1.0.0\nsteps: [{{ id: a, set: 1 }}]\n");
    served.ask("POST", "/v1/runs", "", &json!({ "source": source }).to_string()).map(drop)
}

fn is_there(spans: &[Received], name: &str) -> bool {
    named(spans, &format!("invoke_workflow {name}")).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_file_says_where_spans_go_and_is_read_anew() -> Result<()> {
    let (first, second) = (Collector::start().await?, Collector::start().await?);
    let pawl = Pawl::new()?;
    write(&pawl, "key", "tok-canary\n")?;
    write(&pawl, "operator.yaml", &says(&first, "one"))?;
    let mut served = Served::of(command(&pawl, &["serve", "--listen", "127.0.0.1:0", "--json"])?.spawn()?)?;
    let mut told = BufReader::new(served.child.stderr.take().context("stderr")?).lines();
    let pid = Pid::from_child(&served.child);
    let mut reread = |text: &str, words: &str| -> Result<()> {
        write(&pawl, "operator.yaml", text)?;
        kill_process(pid, Signal::HUP)?;
        for line in told.by_ref() {
            let line = line?;
            ensure!(!line.contains("canary"), "{line}");
            if line.contains(words) {
                return Ok(());
            }
        }
        anyhow::bail!("it does not say '{words}'")
    };
    start(&served, "a")?;
    let spans = first.named("invoke_workflow a").await?;
    assert_eq!(named(&spans, "invoke_workflow a")?.service, "one");
    ensure!(first.heads().iter().all(|head| head.to_ascii_lowercase().contains("x-key: key tok-canary\r\n")));

    reread(&says(&second, "two"), "pawl.yaml was read anew")?;
    start(&served, "b")?;
    let spans = second.named("invoke_workflow b").await?;
    assert_eq!(named(&spans, "invoke_workflow b")?.service, "two");
    // A key that is not there, or that no header can have, changes nothing.
    let missing = says(&first, "three").replace("file: key", "file: none");
    reread(&missing, "what was read before holds")?;
    start(&served, "c")?;
    second.named("invoke_workflow c").await?;
    // Off, and on again: what was done meanwhile is sent then.
    reread("description: nothing\n", "pawl.yaml was read anew")?;
    start(&served, "d")?;
    reread(&says(&first, "four"), "pawl.yaml was read anew")?;
    first.named("invoke_workflow d").await?;
    ensure!(!is_there(&second.spans(), "d") && !is_there(&first.spans(), "b"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_and_the_environment_come_before_the_operators_file() -> Result<()> {
    let (of_file, of_variable, of_flag) =
        (Collector::start().await?, Collector::start().await?, Collector::start().await?);
    let pawl = Pawl::new()?;
    write(&pawl, "key", "tok-canary\n")?;
    write(&pawl, "operator.yaml", &says(&of_file, "file"))?;
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--json"];
    let mut variable = command(&pawl, &arguments)?;
    variable
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &of_variable.endpoint)
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-other=1");
    let served = Served::of(variable.spawn()?)?;
    start(&served, "a")?;
    let spans = of_variable.named("invoke_workflow a").await?;
    assert_eq!(named(&spans, "invoke_workflow a")?.service, "file");
    let heads = of_variable.heads();
    ensure!(
        heads.iter().all(|head| head.contains("x-other: 1\r\n") && !head.contains("canary")),
        "{heads:?}"
    );
    drop(served);
    variable.args(["--otlp-endpoint", &of_flag.endpoint, "--otlp-service", "flag"]);
    let served = Served::of(variable.spawn()?)?;
    start(&served, "b")?;
    let spans = of_flag.named("invoke_workflow b").await?;
    assert_eq!(named(&spans, "invoke_workflow b")?.service, "flag");
    ensure!(of_file.spans().is_empty() && !is_there(&of_variable.spans(), "b"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_the_collectors_key_sends_nothing_and_does_its_work() -> Result<()> {
    let collector = Collector::start().await?;
    let pawl = Pawl::new()?;
    write(&pawl, "operator.yaml", &says(&collector, "none"))?;
    let file = pawl_tests::workflow("hello.yaml").display().to_string();
    let mut run = command(&pawl, &["run", &file, "--input", "name=Ada"])?;
    let done = tokio::task::spawn_blocking(move || run.output()).await??;
    let stderr = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success() && stderr.contains("this process sends no spans"), "{stderr}");
    ensure!(stderr.contains("`telemetry.headers` in pawl.yaml names for 'x-key'"), "{stderr}");
    ensure!(collector.spans().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_of_an_attempt_says_which_run_and_step_it_is() -> Result<()> {
    let pawl = Pawl::new()?;
    // Nobody listens there.
    let unreachable = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let operator = format!(
        "models: {{ far: {{ provider: openai, model: m, base_url: 'http://{unreachable}/v1', retries: 1 }} }}\n"
    );
    write(&pawl, "operator.yaml", &operator)?;
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
    write(&pawl, "thinks.yaml", thinks)?;
    let file = pawl.folder().join("thinks.yaml").display().to_string();
    let mut run = command(&pawl, &["-vv", "run", &file])?;
    run.env("PAWL_LOG_FORMAT", "json");
    let done = tokio::task::spawn_blocking(move || run.output()).await??;
    let stderr = String::from_utf8_lossy(&done.stderr);
    let runs = pawl.run(&["runs", "--json"])?.json()?;
    let id = runs[0]["id"].as_str().with_context(|| format!("{runs}: {stderr}"))?;
    let entries = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_models: Vec<_> = entries
        .filter(|entry| entry["target"].as_str().is_some_and(|target| target.starts_with("pawl_models")))
        .collect();
    ensure!(!of_models.is_empty(), "{stderr}");
    for entry in of_models {
        assert_eq!((&entry["run"], &entry["step"]), (&id.into(), &"think".into()), "{entry}");
        ensure!(entry["visit"].is_string() && entry["attempt"] == 1, "{entry}");
    }
    Ok(())
}

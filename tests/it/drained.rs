//! `pawl serve` is stopped while a tool's call is under way outside.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{ChildStderr, Stdio};

use anyhow::{Context as _, Result, ensure};
use pawl_tests::{EventStream, Pawl, Serving, TALLY_HOST, TallyServer, ask, patiently};
use serde_json::{Value, json};

const LOOKUP: &str = "orders.lookup";
const REFUND: &str = "payments.refund";

/// Two calls, one after the other.
fn workflow(first: &str, with: &str) -> String {
    format!(
        "
pawl: 1
workflow: drained
version: 1.0.0
permissions: {{ http: ['{TALLY_HOST}'] }}
steps:
  - {{ id: first, tool: {first}, with: {with} }}
  - {{ id: second, tool: orders.list, with: {{}} }}
"
    )
}

/// A server with a run whose first call has reached the tally server, which holds its answer.
struct UnderWay {
    pawl: Pawl,
    tally: TallyServer,
    server: Serving,
    said: BufReader<ChildStderr>,
    run: String,
}

impl UnderWay {
    async fn begin(tool: &str, with: &str, drain: &str) -> Result<Self> {
        let pawl = Pawl::new()?;
        pawl.drop_in("orders_tally", "orders")?;
        pawl.drop_in("payments_tally", "payments")?;
        let tally = TallyServer::start(pawl.folder())?;
        tally.hold(tool);
        let (mut server, said) = serve(&pawl, drain)?;
        let file = pawl.folder().join("drained.yaml");
        std::fs::write(&file, workflow(tool, with))?;
        let file = file.to_str().context("a path")?;
        let mut follower = pawl.spawn(&["run", file, "--allow-http", TALLY_HOST, "--no-interactive"])?;
        patiently("the call", tally.reached(tool, 1)).await?;
        // It would take the run up itself when the server is gone.
        follower.kill()?;
        follower.wait()?;
        let runs = ask(&server.address, "GET", "/v1/runs", &[], None)?.1;
        let run = runs["items"][0]["id"].as_str().context("a run")?.to_owned();
        ensure!(server.lives()?, "the server has ended");
        Ok(Self { pawl, tally, server, said, run })
    }

    /// Asks the server to end, and returns when it says that it waits.
    fn stop(&mut self) -> Result<()> {
        self.server.ask_to_end()?;
        let mut heard = String::new();
        while !heard.contains("ends when the steps under way are done") {
            ensure!(self.said.read_line(&mut heard)? > 0, "it ended: {heard}");
        }
        ensure!(self.server.lives()?, "it does not wait: {heard}");
        Ok(())
    }

    /// Waits for the server's end; gives the rest of what it said.
    fn ended(mut self) -> Result<(Pawl, TallyServer, String, String)> {
        let mut said = String::new();
        self.said.read_to_string(&mut said)?;
        assert_eq!(self.server.ended()?, 0, "{said}");
        Ok((self.pawl, self.tally, self.run, said))
    }
}

fn serve(pawl: &Pawl, drain: &str) -> Result<(Serving, BufReader<ChildStderr>)> {
    let mut command = pawl.command(&[])?;
    command.env("PAWL_DRAIN", drain);
    let mut server = Serving::start_with(command, Stdio::piped())?;
    let said = BufReader::new(server.said().context("what it says")?);
    Ok((server, said))
}

/// How often a run's journal has such an event of the step.
fn count(pawl: &Pawl, run: &str, event: &str) -> Result<usize> {
    let events = pawl.run(&["events", run, "--json"])?.json()?;
    Ok(events.as_array().context("events")?.iter().filter(|one| one["event"] == event).count())
}

/// The keys of all calls of a tool, in order.
fn keys(tally: &TallyServer, tool: &str) -> Result<Vec<String>> {
    Ok(tally.calls()?.into_iter().filter(|call| call.tool == tool).map(|call| call.key).collect())
}

fn completes(server: &Serving, run: &str) -> Result<()> {
    let path = format!("/v1/runs/{run}/events");
    let end = EventStream::open(&server.address, &path, None)?.find(|event| event.name == "end");
    assert_eq!(end.context("an end")?.data, r#"{"status":"completed"}"#);
    Ok(())
}

#[tokio::test]
async fn a_call_under_way_when_the_server_is_stopped_ends_and_is_recorded() -> Result<()> {
    let mut under_way = UnderWay::begin(LOOKUP, "{ id: A-1001 }", "1m").await?;
    under_way.stop()?;
    under_way.tally.release();
    let (pawl, tally, run, said) = under_way.ended()?;
    ensure!(!said.contains("cut off"), "{said}");
    assert_eq!(count(&pawl, &run, "step-completed")?, 1);
    assert_eq!(tally.count("orders.list"), 0, "a step was begun after the server was stopped");
    assert_eq!(pawl.run(&["verify"])?.code(), 0);

    let (server, _said) = serve(&pawl, "1m")?;
    completes(&server, &run)?;
    assert_eq!((tally.count(LOOKUP), tally.count("orders.list")), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_call_that_outlasts_the_drain_is_cut_off_and_made_again_with_its_key() -> Result<()> {
    let mut under_way = UnderWay::begin(LOOKUP, "{ id: A-1001 }", "200ms").await?;
    under_way.stop()?;
    patiently("the end of the connection", under_way.tally.drops(1)).await?;
    let (pawl, tally, run, said) = under_way.ended()?;
    ensure!(said.contains("took too long and are cut off"), "{said}");
    assert_eq!((count(&pawl, &run, "step-completed")?, tally.count(LOOKUP)), (0, 1));
    tally.release();

    let (server, _said) = serve(&pawl, "1m")?;
    completes(&server, &run)?;
    let keys = keys(&tally, LOOKUP)?;
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
    drop(server);
    assert_eq!(count(&pawl, &run, "step-completed")?, 2);
    assert_eq!(pawl.run(&["verify"])?.code(), 0);
    Ok(())
}

#[tokio::test]
async fn an_at_most_once_call_that_outlasts_the_drain_is_not_made_again_but_asked_about() -> Result<()> {
    let mut under_way = UnderWay::begin(REFUND, "{ order: A-1002, amount: 40 }", "200ms").await?;
    under_way.stop()?;
    let (pawl, tally, run, said) = under_way.ended()?;
    ensure!(said.contains("took too long and are cut off"), "{said}");
    tally.release();

    let (server, _said) = serve(&pawl, "1m")?;
    let path = format!("/v1/runs/{run}/events");
    let asked = EventStream::open(&server.address, &path, None)?
        .find(|event| event.name == "event" && event.data.contains("\"approval-opened\""));
    ensure!(asked.is_some(), "nobody is asked whether it happened");
    let open = ask(&server.address, "GET", &format!("/v1/approvals?run={run}"), &[], None)?.1;
    assert_eq!(open["items"][0]["actions"], json!(["retry", "succeeded", "failed"]), "{open}");
    let id = open["items"][0]["id"].as_str().context("an id")?;
    let receipt: Value = json!({ "receipt": "R-found", "order": "A-1002", "amount": 40, "currency": "EUR" });
    let answer = json!({ "action": "succeeded", "data": { "output": receipt } });
    let (status, told) =
        ask(&server.address, "POST", &format!("/v1/approvals/{id}/decide"), &[], Some(&answer))?;
    assert_eq!(status, 200, "{told}");
    completes(&server, &run)?;
    assert_eq!(tally.count(REFUND), 1);
    Ok(())
}

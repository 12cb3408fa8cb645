//! `pawl serve`: it tells of runs what the commands tell, and takes the same commands.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use pawl_engine::Engine;
use pawl_engine::EngineConfig;
use pawl_server::{Server, ServerConfig};
use pawl_tests::{EventStream, Pawl, Serving, ask, patiently, workflow};
use serde_json::{Value, json};

use crate::failing::Failing;

/// Waits for a signal, asks a person, ends.
const SOURCE: &str = "
pawl: 1
workflow: load
version: 1.0.0
steps:
  - { id: go, signal: { name: go, due: 7d } }
  - { id: ask, human: { title: Go on?, actions: [approve, reject], due: 48h, on_timeout: reject } }
";

#[test]
fn the_server_tells_of_runs_what_the_commands_tell() -> Result<()> {
    let pawl = Pawl::new()?;
    let server = Serving::start(pawl.command(&[])?)?;
    let source = std::fs::read_to_string(workflow("refund.yaml"))?;
    let inputs: Value = serde_json::from_str(&std::fs::read_to_string(workflow("inputs/refund.json"))?)?;
    let (status, run) =
        ask(&server.address, "POST", "/v1/runs", &[], Some(&json!({ "source": source, "inputs": inputs })))?;
    ensure!(status == 201, "{run}");
    let id = run["id"].as_str().context("an id")?;
    let path = format!("/v1/runs/{id}");
    let events = EventStream::open(&server.address, &format!("{path}/events"), None)?;
    let asked = events.into_iter().find(|event| event.data.contains("\"approval-opened\""));
    ensure!(asked.is_some(), "nobody was asked");
    // What the commands say goes through the server's socket.
    let shown = pawl.run(&["show", id, "--json"])?.json()?;
    let (_, told) = ask(&server.address, "GET", &path, &[], None)?;
    assert_eq!(told, shown);
    let (_, page) = ask(&server.address, "GET", "/v1/approvals", &[], None)?;
    assert_eq!(page["items"], pawl.run(&["approvals", "--json"])?.json()?);
    let (_, page) = ask(&server.address, "GET", &format!("{path}/journal?limit=500"), &[], None)?;
    assert_eq!(page["items"], pawl.run(&["events", id, "--json"])?.json()?);
    let (_, usage) = ask(&server.address, "GET", &format!("{path}/usage"), &[], None)?;
    assert!(usage["tool_calls"].as_u64().is_some_and(|calls| calls > 0), "{usage}");
    Ok(())
}

#[tokio::test]
async fn commands_that_find_no_room_are_refused_and_not_lost() -> Result<()> {
    let store = Failing::new();
    let config = EngineConfig { commands_max: 1, ..EngineConfig::default() };
    let engine = Engine::open(store.clone(), config).await?;
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(engine, &ServerConfig { listen, ..ServerConfig::default() }).await?;
    let address = server.address().to_string();
    let serving = tokio::spawn(server.serve(std::future::pending()));
    let start = |address: String| {
        tokio::task::spawn_blocking(move || {
            ask(&address, "POST", "/v1/runs", &[], Some(&json!({ "source": SOURCE })))
        })
    };
    store.held.send_replace(true);
    let first = start(address.clone());
    store.committing(1).await?;
    let (status, problem) = start(address.clone()).await??;
    assert_eq!((status, &problem["code"]), (429, &json!("busy")), "{problem}");
    store.held.send_replace(false);
    let (status, run) = patiently("the first answer", first).await???;
    assert_eq!(status, 201, "{run}");
    let (status, _) = start(address.clone()).await??;
    assert_eq!(status, 201);
    let page = tokio::task::spawn_blocking(move || ask(&address, "GET", "/v1/runs", &[], None)).await??.1;
    let ids: BTreeSet<_> =
        page["items"].as_array().into_iter().flatten().map(|run| run["id"].to_string()).collect();
    assert_eq!(ids.len(), 2);
    serving.abort();
    Ok(())
}

#[test]
fn commands_work_on_a_server_by_its_address_as_on_a_folder() -> Result<()> {
    let pawl = Pawl::new()?;
    let server = Serving::start(pawl.command(&[])?)?;
    let (far, url) = (Pawl::new()?, format!("http://{}", server.address));
    let at = |arguments: &[&str]| far.run(&[&["--server", &url], arguments].concat());
    let (file, inputs) = (workflow("refund.yaml"), workflow("inputs/refund.json"));
    let (file, inputs) = (file.to_str().context("a path")?, inputs.to_str().context("a path")?);
    let started = at(&["run", file, "--input-file", inputs, "--no-interactive", "--json"])?;
    assert_eq!(started.code(), 3, "{started:?}");
    let run = started.json()?["id"].as_str().context("an id")?.to_owned();
    for command in
        [vec!["runs"], vec!["show", &run], vec!["show", &run[24..]], vec!["events", &run], vec!["approvals"]]
    {
        let command = [command, vec!["--json"]].concat();
        assert_eq!(at(&command)?.json()?, pawl.run(&command)?.json()?, "{command:?}");
    }
    let approval = at(&["approvals", "--json"])?.json()?[0]["id"].as_str().context("an approval")?.to_owned();
    let refused = at(&["answer", &approval, "perhaps"])?;
    assert!(refused.code() != 0 && refused.stderr.contains("approve, reject"), "{refused:?}");
    assert_eq!(at(&["suspend", &run])?.code(), 0);
    assert_eq!(at(&["resume", &run, "--no-interactive"])?.code(), 3);
    let approved = at(&["approve", &approval, "--no-interactive", "--json"])?;
    assert_eq!((approved.code(), &approved.json()?["status"]), (0, &json!("completed")), "{approved:?}");
    let followed = at(&["events", &run, "-f"])?;
    assert!(followed.code() == 0 && followed.stdout.contains("run-completed"), "{followed:?}");
    let ended = at(&["cancel", &run])?;
    assert!(ended.code() == 1 && ended.stderr.contains("has ended"), "{ended:?}");
    let elsewhere = at(&["verify"])?;
    assert!(elsewhere.code() == 2 && elsewhere.stderr.contains("--server"), "{elsewhere:?}");
    // Nothing of it is in the folder here.
    assert!(!far.data().exists());
    let signals = far.folder().join("load.yaml");
    std::fs::write(&signals, SOURCE)?;
    let started = at(&["run", signals.to_str().context("a path")?, "--no-interactive", "--json"])?;
    let run = started.json()?["id"].as_str().context("an id")?.to_owned();
    let signalled = at(&["signal", &run, "go", "--no-interactive", "--json"])?;
    assert_eq!(signalled.json()?["waiting"]["for"], "approval", "{signalled:?}");
    assert_eq!(at(&["cancel", &run])?.code(), 0);
    drop(server);
    let gone = at(&["runs"])?;
    assert!(gone.code() == 4 && gone.stderr.contains("pawl serve"), "{gone:?}");
    Ok(())
}

//! `pawl serve`: how it starts, what it reads anew, how it ends, and backups of what it holds.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pawl_store::maintain::EngineKind;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::home::{Holder, Home, PAUSE, Said, eventually, until, workflow};

/// A server on a free port, and its address.
pub(crate) fn served(home: &Home, args: &[&str]) -> (Holder, String) {
    let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
    let holder = home.holder(&args, "; stop it with");
    let at = holder.heard().split("http://").nth(1).unwrap().split(';').next().unwrap().to_owned();
    (holder, at)
}

/// Asks over a connection of its own; gives the status and the body.
pub(crate) fn ask(at: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer[9..12].parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A tool that takes a while: a component that waits for its deadline would be cut off, so many calls are made instead.
const SLOW: &str = "\
pawl: 1
workflow: slow
version: 1.0.0
steps:
  - { id: first, wait: 300ms }
  - { id: second, tool: echo.say, with: { text: hi } }
";

pub(crate) fn start(at: &str, source: &str) -> String {
    let (status, run) = ask(at, "POST", "/v1/runs", Some(&json!({ "source": source })));
    assert_eq!(status, 201, "{run}");
    run["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_runs_what_it_is_given_and_commands_reach_it() {
    let home = Home::new();
    let (holder, at) = served(&home, &[]);
    assert_eq!(ask(&at, "GET", "/healthz", None).0, 200);
    assert_eq!(ask(&at, "GET", "/readyz", None).0, 200);
    let run = start(&at, SLOW);
    let done =
        || (ask(&at, "GET", &format!("/v1/runs/{run}"), None).1["status"] == "completed").then_some(());
    eventually(done);
    // The same through the socket, in the same shape.
    let shown = home.json(&["runs"]);
    assert_eq!(shown, ask(&at, "GET", "/v1/runs", None).1["items"]);
    let second = home.pawl(&["serve"]);
    assert_eq!(second.code, Some(4), "{}", second.show());
    assert!(second.stderr.contains("another process holds the data folder"), "{}", second.show());
    holder.signal(Signal::TERM);
    let said = holder.said();
    assert_eq!(said.code, Some(0), "{}", said.show());
}

#[test]
fn where_it_listens_is_said_by_the_flag_then_the_environment_then_the_file() {
    let home = Home::new();
    // Somebody listens there already: which one was tried stands in the error.
    let taken: Vec<_> = (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let at: Vec<_> = taken.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
    home.write("pawl.yaml", &format!("server: {{ listen: \"{}\" }}\n", at[0]));
    let refused = |env: Option<&str>, args: &[&str]| {
        let mut command = home.command(&[&["serve"], args].concat());
        if let Some(env) = env {
            command.env("PAWL_LISTEN", env);
        }
        let said = Said::from(command.output().unwrap());
        assert_eq!(said.code, Some(2), "{}", said.show());
        said.stderr
    };
    let tried =
        |stderr: &str, at: &str| assert!(stderr.contains(&format!("cannot listen at {at}")), "{stderr}");
    tried(&refused(None, &[]), &at[0]);
    tried(&refused(Some(&at[1]), &[]), &at[1]);
    tried(&refused(Some(&at[1]), &["--listen", &at[2]]), &at[2]);
    home.write("pawl.yaml", "server: { listen: nowhere }\n");
    assert!(refused(None, &[]).contains("'nowhere' cannot be listened at"));
}

/// What is under way is waited for: `tests/it/drained.rs` has calls that are.
#[test]
fn a_run_that_waits_keeps_no_server_from_its_end() {
    let home = Home::new();
    let (mut holder, at) = served(&home, &["--drain", "1m"]);
    let run = start(&at, PAUSE);
    eventually(|| (home.json(&["runs"])[0]["status"] == "waiting").then_some(()));
    holder.signal(Signal::INT);
    holder.says("ends when the steps under way are done");
    let said = holder.said();
    assert_eq!(said.code, Some(0), "{}", said.show());
    assert!(!said.stderr.contains("cut off"), "{}", said.show());
    assert_eq!(home.json(&["runs"])[0]["id"], run.as_str());
    assert_eq!(home.pawl(&["verify"]).code, Some(0));
}

#[test]
fn the_operators_file_is_read_anew_and_a_wrong_one_changes_nothing() {
    let home = Home::new();
    home.write("pawl.yaml", "");
    home.write("pawl.yaml", "description: nothing yet\n");
    let (mut holder, at) = served(&home, &[]);
    let asks = std::fs::read_to_string(workflow("hello.yaml")).unwrap();
    let guarded = |status: &str| {
        let run = start(&at, &asks);
        eventually(|| {
            let shown = ask(&at, "GET", &format!("/v1/runs/{run}"), None).1;
            (shown["status"] == status).then_some(())
        });
    };
    guarded("completed");
    home.write("pawl.yaml", "policies: [{ tool: \"*.*\", approval: required, nonsense: 1 }]\n");
    holder.signal(Signal::HUP);
    holder.says("what was read before holds");
    guarded("completed");
    home.write("pawl.yaml", "policies: [{ tool: echo.say, approval: required }]\n");
    holder.signal(Signal::HUP);
    holder.says("pawl.yaml was read anew");
    guarded("waiting");
}

/// Waits for a signal; what it is given makes its journal long enough that a copy takes a while.
const LISTENS: &str = "\
pawl: 1
workflow: listens
version: 1.0.0
inputs: { text: string }
steps:
  - { id: go, signal: { name: go } }
  - { id: kept, set: \"${{ inputs.text }}\" }
";
/// Who writes while a backup is made, and how many runs each of them has at least begun before.
const WRITERS: usize = 4;
const BEGUN: usize = 25;

/// Starts runs and lets every second one end, until it is told to stop; notes what was acknowledged.
fn write(at: &str, stop: &AtomicBool, begun: &Mutex<Vec<String>>) {
    let text = "x".repeat(20_000);
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let body = json!({ "source": LISTENS, "inputs": { "text": text } });
        let (status, run) = ask(at, "POST", "/v1/runs", Some(&body));
        assert_eq!(status, 201, "{run}");
        let run = run["id"].as_str().unwrap().to_owned();
        if number % 2 == 0 {
            let (status, told) = ask(at, "POST", &format!("/v1/runs/{run}/signals/go"), Some(&json!({})));
            assert_eq!(status, 200, "{told}");
        }
        begun.lock().unwrap().push(run);
    }
}

/// Restores a backup that was made of runs between two lists: all of the first are there, and they go on.
fn goes_on_where_it_was_copied(home: &Home, store: &str, name: &str, before: &[String]) {
    let data = format!("restored-{name}");
    let pawl = |words: &[&str]| {
        let said = home.pawl(&[&["--store", store], words, &["--data", &data]].concat());
        assert_eq!(said.code, Some(0), "{words:?}: {}", said.show());
    };
    pawl(&["store", "restore", name]);
    pawl(&["verify"]);
    let (holder, at) = served(home, &["--store", store, "--data", &data]);
    for (number, run) in before.iter().enumerate() {
        let (status, found) = ask(&at, "GET", &format!("/v1/runs/{run}"), None);
        assert_eq!(status, 200, "run {run} was acknowledged before the backup began: {found}");
        // Some that were waiting when they were copied go on, as new ones do.
        if number % 10 == 0 && found["status"] == "waiting" {
            let (status, told) = ask(&at, "POST", &format!("/v1/runs/{run}/signals/go"), Some(&json!({})));
            assert_eq!(status, 200, "{told}");
            let done = || ask(&at, "GET", &format!("/v1/runs/{run}"), None).1["status"] == "completed";
            until("it has ended", done);
        }
    }
    let new = start(&at, SLOW);
    until("a new one has ended", || {
        ask(&at, "GET", &format!("/v1/runs/{new}"), None).1["status"] == "completed"
    });
    holder.signal(Signal::TERM);
    assert_eq!(holder.said().code, Some(0));
    pawl(&["verify"]);
}

#[test]
fn backups_under_load_are_restored_to_states_that_verify_accepts_and_go_on() {
    for engine in EngineKind::ALL {
        let store = format!("{}:", engine.name());
        let home = Home::new();
        let (holder, at) = served(&home, &["--store", &store]);
        let (stop, begun) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let count = || begun.lock().unwrap().len();
        let befores = std::thread::scope(|threads| {
            for _ in 0..WRITERS {
                threads.spawn(|| write(&at, &stop, &begun));
            }
            // Told to stop also when something below fails: else nobody waits for anything but the writers.
            let stopping = Stop(&stop);
            let mut befores = Vec::new();
            for name in ["one", "two"] {
                until("many runs are there", || count() >= (befores.len() + 1) * WRITERS * BEGUN);
                let before = begun.lock().unwrap().clone();
                let made = home.json(&["--store", &store, "store", "backup", name]);
                let after = count();
                assert!(after > before.len(), "nothing was written while the backup was made");
                // Each writer may have one that it has not noted yet.
                let copied = usize::try_from(made["journals"].as_u64().unwrap()).unwrap();
                let possible = before.len()..=after + WRITERS;
                assert!(possible.contains(&copied), "{copied} journals, {possible:?} were there");
                befores.push((name, before));
            }
            drop(stopping);
            befores
        });
        // One folder holds one backup.
        let again = home.pawl(&["--store", &store, "store", "backup", "one"]);
        assert_eq!(again.code, Some(2), "{}", again.show());
        holder.signal(Signal::TERM);
        assert_eq!(holder.said().code, Some(0));
        for (name, before) in befores {
            goes_on_where_it_was_copied(&home, &store, name, &before);
        }
        let refused = home.pawl(&["--store", &store, "store", "restore", "one", "--data", "restored-one"]);
        assert_eq!(refused.code, Some(4), "{}", refused.show());
    }
}

/// Tells writers to stop when it is dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn the_doctor_says_which_keys_are_missing_and_shows_none() {
    let home = Home::new();
    home.write("key", "k-canary-1");
    home.write(
        "pawl.yaml",
        "models:
  a: { provider: openai, model: m, key: { env: PAWL_TEST_NO_SUCH_KEY } }
  b: { provider: openai, model: m, key: { file: key } }
mcp: { web: { url: \"http://127.0.0.1:1/\", headers: { authorization: { file: gone } } } }
",
    );
    let said = home.pawl(&["doctor"]);
    assert_eq!(said.code, Some(1), "{}", said.show());
    assert!(
        said.stdout.contains("the key of model 'a': the variable PAWL_TEST_NO_SUCH_KEY is not set"),
        "{}",
        said.show()
    );
    assert!(said.stdout.contains("a value of MCP server 'web': the file gone"), "{}", said.show());
    assert!(!said.show().contains("model 'b'") && !said.show().contains("k-canary-1"), "{}", said.show());
}

#[test]
fn what_is_no_backup_is_not_restored() {
    let home = Home::new();
    home.write("note", "");
    std::fs::create_dir(home.path("half")).unwrap();
    let said = home.pawl(&["store", "restore", "half"]);
    assert_eq!(said.code, Some(2), "{}", said.show());
    assert!(said.stderr.contains("half is no backup"), "{}", said.show());
    assert!(!home.path("data/lmdb").exists());
}

//! Two processes on one data folder.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::home::{Home, PAUSE, Said, in_seconds, same, until, workflow};

#[test]
fn a_second_process_gets_its_work_done_through_the_first() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    let mode = std::fs::metadata(home.path("data/pawl.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Here and there the same is printed: the snapshots are those of a single process.
    same!("hello", home.pawl(&["run", &workflow("hello.yaml"), "--input", "name=Ada"]));
    same!("hello_show", home.pawl(&["show", &home.newest()]));
    same!("hello_events", home.pawl(&["events", &home.newest()]));
    let inputs = workflow("inputs/refund.json");
    same!("refund", home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &inputs]));
    same!("refund_approvals", home.pawl(&["approvals"]));
    let approval = home.approval();
    same!("answer_unknown_action", home.pawl(&["answer", &approval, "postpone"]));
    same!("refund_approve", home.pawl(&["approve", &approval, "--data", "note=ok", "--comment", "fine"]));
    same!("shared_runs", home.pawl(&["runs"]));
    same!("shared_verify", home.pawl(&["verify"]));
    same!("shared_doctor", home.pawl(&["doctor"]));
    same!("input_missing", home.pawl(&["run", &workflow("refund.yaml"), "--input", "amount=5"]));
    holder.signal(Signal::TERM);
    same!("shared_holder", holder.said());
    assert_eq!(home.json(&["runs", "--status", "completed"]).as_array().unwrap().len(), 2);
    assert!(!home.path("data/pawl.sock").exists());
}

#[test]
fn a_run_goes_on_when_the_process_that_drove_it_is_gone() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    let waiting = home.newest();
    let second = home.holder(&["run", &workflow("wait.yaml")], "wait 1.0.0");
    holder.signal(Signal::KILL);
    // The second opens the store that it had no need of before, and serves others in its turn.
    let said = second.said();
    assert_eq!(said.code, Some(0), "{}", said.show());
    same!("handed_over", said);
    assert_eq!(holder.said().code, None);
    assert_eq!(home.json(&["show", &waiting])["status"], "waiting");
}

#[test]
fn a_process_that_ends_hands_over_those_who_wait() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    // What both use is compiled before, so that the second is served well before the first ends.
    home.pawl(&["run", &workflow("hello.yaml")]);
    let input = format!("until={}", in_seconds(5));
    let first = home.holder(&["run", "pause.yaml", "--input", &input], "pause        wait");
    let second = home.holder(&["run", "pause.yaml"], "pause        wait");
    let first = first.said();
    assert_eq!(first.code, Some(0), "{}", first.show());
    // The second holds the folder now.
    until("the second listens", || home.path("data/pawl.sock").exists());
    same!("shared_after", home.pawl(&["runs", "--workflow", "pause"]));
    let waiting = home.json(&["runs", "--status", "waiting"]);
    let cancel = home.pawl(&["cancel", waiting[0]["id"].as_str().unwrap()]);
    assert_eq!(cancel.code, Some(0), "{}", cancel.show());
    assert_eq!(second.said().code, Some(1));
}

#[test]
fn a_holder_that_does_not_answer_is_named() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    holder.stop();
    same!("no_answer", home.pawl(&["runs"]));
    holder.signal(Signal::KILL);
    holder.said();
    assert!(home.path("data/pawl.sock").exists());
    // What the dead left behind is in nobody's way.
    assert_eq!(home.pawl(&["runs"]).code, Some(0));
    let resumed = home.holder(&["resume"], "pause 1.0.0");
    until("the socket is new", || home.pawl(&["runs"]).code == Some(0));
    resumed.signal(Signal::INT);
    assert_eq!(resumed.said().code, Some(130));
}

#[test]
fn a_folder_with_a_long_path_has_its_socket_elsewhere() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let folder = "long".repeat(30);
    let holder = home.holder(&["run", "pause.yaml", "--data", &folder], "pause        wait");
    assert!(home.path(&folder).join("pawl.sock.path").exists());
    let said = home.pawl(&["runs", "--json", "--data", &folder]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    holder.signal(Signal::INT);
    same!("long_path", holder.said());
    assert!(!home.path(&folder).join("pawl.sock.path").exists());
}

/// A connection that speaks the protocol by hand.
struct Line {
    stream: BufReader<UnixStream>,
}

impl Line {
    /// Makes a request, which is accepted.
    fn ask(socket: &Path, request: &Value) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        writeln!(stream, "{}", json!({ "pawl": 11, "request": request })).unwrap();
        let mut line = Self { stream: BufReader::new(stream) };
        assert_eq!(line.hear(), "accepted");
        line
    }

    /// Lets the other side begin.
    fn go(mut self) -> Self {
        self.stream.get_mut().write_all(b"\"go\"\n").unwrap();
        self
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

/// A start of the workflow that waits.
fn start(home: &Home) -> Value {
    let by = json!({ "name": "user:ann", "groups": [], "operator": true, "via": "test" });
    json!({ "start": {
        "file": "pause.yaml", "text": PAUSE, "base": home.path(""), "inputs": {}, "allow_http": [], "by": by,
    } })
}

#[test]
fn those_who_follow_keep_nobody_else_from_being_served() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    let follow = json!({ "follow": { "run": home.newest(), "from_seq": 1 } });
    let socket = home.path("data/pawl.sock");
    let mut followers: Vec<_> = (0..300).map(|_| Line::ask(&socket, &follow).go()).collect();
    for follower in &mut followers {
        assert!(follower.hear()["event"].is_object());
    }
    let said = home.pawl(&["runs"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    holder.signal(Signal::INT);
    holder.said();
}

#[test]
fn who_follows_beyond_the_limit_waits_until_another_ends() {
    const FOLLOWERS_MAX: usize = 512;
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    let follow = json!({ "follow": { "run": home.newest(), "from_seq": 1 } });
    let socket = home.path("data/pawl.sock");
    let mut followers: Vec<_> = (0..FOLLOWERS_MAX).map(|_| Line::ask(&socket, &follow).go()).collect();
    for follower in &mut followers {
        assert!(follower.hear()["event"].is_object());
    }
    let (tell, told) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn({
        let (socket, follow) = (socket.clone(), follow.clone());
        move || tell.send(Line::ask(&socket, &follow).go().hear())
    });
    // Others are served, so the one that waits has been looked at.
    assert_eq!(home.pawl(&["runs"]).code, Some(0));
    assert!(told.try_recv().is_err());
    drop(followers.pop());
    assert!(told.recv().unwrap()["event"].is_object());
    waiting.join().unwrap().unwrap();
    holder.signal(Signal::INT);
    holder.said();
}

#[test]
fn nobody_acts_under_the_name_of_another() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    // What the environment says is somebody else.
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    let by = |run: &str| home.json(&["events", run])[0]["data"]["by"].clone();
    let own = json!({ "name": "user:ann", "operator": true, "via": "cli" });
    assert_eq!(by(&home.newest()), own);
    // Nor does a client of the socket that says so itself.
    let forged = json!({ "name": "user:bob", "groups": ["group:finance"], "operator": true, "via": "http" });
    let mut request = start(&home);
    request["start"]["by"] = forged;
    let started = Line::ask(&home.path("data/pawl.sock"), &request).go().hear();
    assert_eq!(by(started["done"]["started"]["run"].as_str().unwrap()), own);
    // Whom the operator names is named, and who the operator is as well.
    home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &workflow("inputs/refund.json")]);
    let run = home.newest();
    let answer =
        ["approve", &home.approval(), "--data", "note=ok", "--as", "user:fay", "--group", "group:finance"];
    let mut command = home.command(&answer);
    command.env("PAWL_VIA", "desk-7");
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.code, Some(0), "{}", said.show());
    let events = home.json(&["events", &run]);
    let decided =
        events.as_array().unwrap().iter().find(|event| event["event"] == "approval-decided").unwrap();
    let by = &decided["data"]["by"];
    assert_eq!((&by["name"], &by["via"]), (&json!("user:fay"), &json!("cli/desk-7 of user:ann")));
    let mut command = home.command(&["run", "pause.yaml"]);
    command.env("PAWL_VIA", "a b");
    let said = Said::from(command.output().unwrap());
    assert!(said.code == Some(2) && said.stderr.contains("via_max_bytes (64)"), "{}", said.show());
    holder.signal(Signal::INT);
    holder.said();
}

#[test]
fn a_request_has_no_effect_before_its_client_knows_that_it_is_accepted() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    let socket = home.path("data/pawl.sock");
    drop(Line::ask(&socket, &start(&home)));
    let started = Line::ask(&socket, &start(&home)).go().hear();
    assert!(started["done"]["started"].is_object(), "{started}");
    assert_eq!(home.json(&["runs"]).as_array().unwrap().len(), 2);
    holder.signal(Signal::INT);
    holder.said();
}

#[test]
fn a_process_that_ends_begins_nothing_more() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    let socket = home.path("data/pawl.sock");
    let late = Line::ask(&socket, &start(&home));
    assert_eq!(home.pawl(&["cancel", &home.newest()]).code, Some(0));
    // It closes, and still has this connection.
    until("the socket is gone", || !socket.exists());
    assert_eq!(late.go().hear(), "moved");
    assert_eq!(holder.said().code, Some(1));
    assert_eq!(home.json(&["runs"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_folder_in_use_is_waited_for_and_then_named_with_its_holder() {
    let home = Home::new();
    assert_eq!(home.pawl(&["runs"]).code, Some(0));
    // Who holds the folder and does not listen: this process.
    let lock = std::fs::File::options().read(true).write(true).open(home.path("data/lock")).unwrap();
    lock.try_lock().unwrap();
    std::fs::write(home.path("data/lock"), std::process::id().to_string()).unwrap();
    let said = home.pawl(&["runs"]);
    assert_eq!(said.code, Some(4), "{}", said.show());
    assert!(said.stderr.contains(&std::process::id().to_string()), "{}", said.show());
    drop(lock);
    assert_eq!(home.pawl(&["runs"]).code, Some(0));
}

/// Starts more runs than are followed at once, each of which waits for a moment.
const MANY: &str = "
pawl: 1
workflow: many
version: 1.0.0
workflows: { one: ./one.yaml }
steps:
  - id: each
    map:
      items: range(205) | list
      max_parallel: 256
      steps: [{ id: one, workflow: one }]
";

#[test]
fn resume_follows_more_runs_than_at_once_one_after_the_other() {
    let home = Home::new();
    home.write("many.yaml", MANY);
    let one = "pawl: 1\nworkflow: one\nversion: 1.0.0\nsteps: [{ id: pause, wait: 2s }]\n";
    home.write("one.yaml", one);
    let holder = home.holder(&["run", "many.yaml"], "run");
    until("all runs have begun", || {
        home.json(&["runs", "--limit", "500"]).as_array().is_some_and(|runs| runs.len() == 206)
    });
    holder.signal(Signal::KILL);
    holder.said();
    let rested = home.json(&["resume"]);
    let rested = rested.as_array().unwrap();
    assert_eq!(rested.len(), 206);
    assert!(rested.iter().all(|run| run["status"] == "completed"), "{rested:?}");
}

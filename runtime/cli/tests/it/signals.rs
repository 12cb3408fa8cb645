//! Signals, kills, and readers that go away.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::{Home, PAUSE, in_seconds, same, until, workflow};

/// Long enough for a command to be interrupted before, and short enough to be waited for.
const SOON_S: u64 = 5;

#[test]
fn an_interrupted_run_says_how_to_go_on() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let input = format!("until={}", in_seconds(SOON_S));
    let holder = home.holder(&["run", "pause.yaml", "--input", &input], "pause        wait");
    holder.signal(Signal::INT);
    same!("interrupted", holder.said());
    same!("interrupted_resume", home.pawl(&["resume", &home.newest()]));
}

#[test]
fn what_is_interrupted_prints_its_document_all_the_same() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let follows =
        [(&["run", "pause.yaml", "--json"][..], "pause        wait"), (&["resume", "--json"], "pause 1.0.0")];
    for (args, words) in follows {
        let holder = home.holder(args, words);
        holder.signal(Signal::TERM);
        let said = holder.said();
        assert_eq!(said.code, Some(143), "{}", said.show());
        let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        let run = document.get(0).unwrap_or(&document);
        assert_eq!((&run["workflow"], &run["status"]), (&"pause".into(), &"waiting".into()), "{document}");
    }
}

#[test]
fn killed_runs_are_taken_up_together() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let input = format!("until={}", in_seconds(SOON_S));
    for _ in 0..2 {
        let holder = home.holder(&["run", "pause.yaml", "--input", &input], "pause        wait");
        holder.signal(Signal::KILL);
        assert_eq!(holder.said().code, None);
    }
    let said = home.pawl(&["resume"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    assert!(
        said.stderr.contains("2 completed, 0 wait for a person, 0 failed or cancelled"),
        "{}",
        said.stderr
    );
    assert_eq!(said.stderr.matches("✓ done").count(), 2, "{}", said.stderr);
    same!("nothing_to_resume", home.pawl(&["resume"]));
    same!("killed_verify", home.pawl(&["verify"]));
}

/// The other process does not answer, and this one would wait for it much longer.
#[cfg(target_os = "linux")]
#[test]
fn a_command_that_only_waits_is_ended_by_a_signal() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    holder.stop();
    for (args, signal, code) in [
        (&["verify", "--json"][..], Signal::INT, 130),
        (&["resume"], Signal::TERM, 143),
        (&["run", "pause.yaml", "--json"], Signal::INT, 130),
    ] {
        let waits = home.holder(args, "");
        waits.listens();
        waits.signal(signal);
        let said = waits.said();
        assert_eq!(said.code, Some(code), "{}", said.show());
        if args.contains(&"--json") {
            let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
            assert_eq!(document["error"]["kind"], "stopped", "{document}");
        }
    }
    holder.signal(Signal::KILL);
    holder.said();
}

const SPIN: &str = "\
pawl: 1
workflow: spin
version: 1.0.0
plugins: { spin: GUEST }
steps:
  - id: spin
    tool: spin.forever
";

#[test]
fn a_process_that_waits_for_the_steps_of_others_is_ended_by_a_signal() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let guests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests");
    home.write("spin.yaml", &SPIN.replace("GUEST", &format!("{guests}/spin.wasm")));
    let mut first = home.holder(&["run", "pause.yaml"], "pause        wait");
    let waiting = home.newest();
    let second = home.holder(&["run", "spin.yaml"], "spin 1.0.0");
    until("the step is under way", || home.json(&["events", &home.newest()]).as_array().unwrap().len() > 2);
    assert_eq!(home.pawl(&["cancel", &waiting]).code, Some(0));
    first.says("ends when the steps under way are done");
    let since = Instant::now();
    first.signal(Signal::INT);
    let first = first.said();
    assert_eq!(first.code, Some(130), "{}", first.show());
    // The step itself takes longer than that.
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    second.signal(Signal::KILL);
    second.said();
}

const DUE: &str = "\
pawl: 1
workflow: due
version: 1.0.0
steps:
  - id: ask
    human: { title: Go on?, actions: ['yes', 'no'], due: 5s, on_timeout: 'no' }
outputs:
  action: ${{ steps.ask.output.action }}
";

#[test]
fn a_question_whose_time_is_up_is_answered_by_resume() {
    let home = Home::new();
    home.write("due.yaml", DUE);
    assert_eq!(home.pawl(&["run", "due.yaml"]).code, Some(3));
    std::thread::sleep(Duration::from_millis(5_100));
    let said = home.pawl(&["resume"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    assert_eq!(home.json(&["runs"])[0]["outputs"]["action"], "no");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    for args in [&["plugin", "list"][..], &["run", &workflow("hello.yaml")], &["runs", "--json"]] {
        let mut child = home.command(args).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let said = child.wait_with_output().unwrap();
        assert_eq!(said.status.code(), Some(0), "{args:?}");
        assert!(!String::from_utf8_lossy(&said.stderr).contains("panicked"), "{args:?}");
    }
}

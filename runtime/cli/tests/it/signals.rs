//! Signals, kills, and readers that go away.

use std::process::Stdio;

use crate::home::{Home, same, workflow};

#[test]
fn an_interrupted_run_says_how_to_go_on() {
    let home = Home::new();
    let holder = home.holder(&["run", &workflow("wait.yaml")], "pause        wait");
    holder.signal("INT");
    same!("interrupted", holder.said());
    same!("interrupted_resume", home.pawl(&["resume", &home.newest()]));
}

#[test]
fn killed_runs_are_taken_up_together() {
    let home = Home::new();
    for _ in 0..2 {
        let holder = home.holder(&["run", &workflow("wait.yaml")], "pause        wait");
        holder.signal("KILL");
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

const DUE: &str = "\
pawl: 1
workflow: due
version: 1.0.0
steps:
  - id: ask
    human: { title: Go on?, actions: ['yes', 'no'], due: 1s, on_timeout: 'no' }
outputs:
  action: ${{ steps.ask.output.action }}
";

#[test]
fn a_question_whose_time_is_up_is_answered_by_resume() {
    let home = Home::new();
    home.write("due.yaml", DUE);
    assert_eq!(home.pawl(&["run", "due.yaml"]).code, Some(3));
    std::thread::sleep(std::time::Duration::from_millis(1_100));
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

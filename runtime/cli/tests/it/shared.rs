//! Two processes on one data folder.

use std::os::unix::fs::PermissionsExt;

use crate::home::{Home, same, until, workflow};

const PAUSE: &str = "\
pawl: 1
workflow: pause
version: 1.0.0
inputs:
  until: { type: string, default: \"2999-01-01T00:00:00Z\" }
steps:
  - id: pause
    wait: { until: \"${{ inputs.until }}\" }
  - id: done
    tool: echo.say
    with: { text: done }
outputs:
  text: ${{ steps.done.output.text }}
";

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
    holder.signal("TERM");
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
    holder.signal("KILL");
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
    let first = home.holder(&["run", &workflow("wait.yaml")], "pause        wait");
    let second = home.holder(&["run", "pause.yaml"], "pause        wait");
    let first = first.said();
    assert_eq!(first.code, Some(0), "{}", first.show());
    // The second holds the folder now.
    until("the second listens", || home.path("data/pawl.sock").exists());
    same!("shared_after", home.pawl(&["runs"]));
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
    holder.signal("KILL");
    holder.said();
    assert!(home.path("data/pawl.sock").exists());
    // What the dead left behind is in nobody's way.
    assert_eq!(home.pawl(&["runs"]).code, Some(0));
    let resumed = home.holder(&["resume"], "pause 1.0.0");
    until("the socket is new", || home.pawl(&["runs"]).code == Some(0));
    resumed.signal("INT");
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
    holder.signal("INT");
    same!("long_path", holder.said());
    assert!(!home.path(&folder).join("pawl.sock.path").exists());
}

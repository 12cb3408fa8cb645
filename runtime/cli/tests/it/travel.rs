//! Going back in a run from the command line: rerun, fork, retry, suspend, diff, replay.

use crate::home::{Home, same, workflow};

const FAILS: &str = "\
pawl: 1
workflow: fails
version: 1.0.0
inputs:
  times: { type: integer, default: 1 }
steps:
  - id: name
    set: Ada
  - id: fetch
    tool: flaky.fetch
    with: { key: \"${{ steps.name.output }}\", fail_times: \"${{ inputs.times }}\" }
outputs:
  key: ${{ steps.fetch.output.key }}
";

fn failed(home: &Home) -> String {
    home.write("fails.yaml", FAILS);
    assert_eq!(home.pawl(&["run", "fails.yaml"]).code, Some(1));
    home.newest()
}

#[test]
fn a_failed_run_is_retried() {
    let home = Home::new();
    let run = failed(&home);
    same!("travel_retry_step", home.pawl(&["retry", &run, "--step", "name"]));
    same!("travel_retry", home.pawl(&["retry", &run]));
    same!("travel_retry_show", home.pawl(&["show", &run]));
    same!("travel_retry_events", home.pawl(&["events", &run]));
    same!("travel_retry_again", home.pawl(&["retry", &run]));
    assert_eq!(home.pawl(&["verify"]).code, Some(0));
}

#[test]
fn a_run_is_started_anew_with_another_input_or_another_file() {
    let home = Home::new();
    let run = failed(&home);
    same!("travel_rerun", home.pawl(&["rerun", &run, "--set", "inputs.times=0"]));
    same!("travel_rerun_show", home.pawl(&["show", &home.newest()]));
    same!("travel_rerun_misfit", home.pawl(&["rerun", &run, "--set", "inputs.times=often"]));
    same!("travel_rerun_unknown", home.pawl(&["rerun", &run, "--set", "times=0"]));
    same!("travel_rerun_output", home.pawl(&["rerun", &run, "--set", "steps.name.output=Bob"]));
    home.write("fails.yaml", &FAILS.replace("set: Ada", "set: Eve"));
    let latest = home.pawl(&["rerun", &run, "--set", "inputs.times=0", "--latest", "fails.yaml"]);
    assert!(latest.stdout.contains("Eve"), "{}", latest.show());
    same!("travel_rerun_other", home.pawl(&["rerun", &run, "--latest", &workflow("hello.yaml")]));
}

#[test]
fn a_run_is_forked_with_another_output() {
    let home = Home::new();
    let run = failed(&home);
    let args = ["--at", "3", "--set", "steps.name.output=Bob", "--set", "inputs.times=0"];
    same!("travel_fork", home.pawl(&[&["fork", &run], &args[..]].concat()));
    let fork = home.newest();
    same!("travel_fork_show", home.pawl(&["show", &fork]));
    same!("travel_fork_events", home.pawl(&["events", &fork]));
    same!("travel_fork_nowhere", home.pawl(&["fork", &run, "--at", "2"]));
    same!("travel_fork_nowhere_json", home.pawl(&["fork", &run, "--at", "99", "--json"]));
    same!("travel_diff", home.pawl(&["diff", &run, &fork]));
    same!("travel_diff_json", home.pawl(&["diff", &run, &fork, "--json"]));
    same!("travel_diff_same", home.pawl(&["diff", &run, &run]));
    assert_eq!(home.pawl(&["verify"]).code, Some(0));
}

#[test]
fn a_run_is_rehearsed_without_doing_anything_again() {
    let home = Home::new();
    home.pawl(&["run", &workflow("hello.yaml"), "--input", "name=Ada"]);
    let run = home.newest();
    same!("travel_rehearsal", home.pawl(&["fork", &run, "--at", "1", "--dry"]));
    let rehearsal = home.newest();
    same!("travel_rehearsal_events", home.pawl(&["events", &rehearsal]));
    assert_eq!(home.pawl(&["diff", &run, &rehearsal]).code, Some(0));
    same!("travel_rehearsal_other", home.pawl(&["fork", &run, "--at", "1", "--with", "agent=nobody"]));
    same!("travel_rehearsal_nothing", home.pawl(&["fork", &run, "--at", "1", "--with", "tool=echo"]));
    assert_eq!(home.pawl(&["verify"]).code, Some(0));
}

#[test]
fn a_suspended_run_is_resumed_by_its_name_alone() {
    let home = Home::new();
    home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &workflow("inputs/refund.json")]);
    let (run, approval) = (home.newest(), home.approval());
    same!("travel_suspend", home.pawl(&["suspend", &run, "--reason", "a look first"]));
    same!("travel_suspend_again", home.pawl(&["suspend", &run]));
    same!("travel_suspend_show", home.pawl(&["show", &run]));
    same!("travel_suspend_runs_json", home.pawl(&["runs", "--status", "suspended", "--json"]));
    same!("travel_suspend_resume_all", home.pawl(&["resume"]));
    same!("travel_suspend_approve", home.pawl(&["approve", &approval]));
    same!("travel_suspend_resume", home.pawl(&["resume", &run]));
    assert_eq!(home.pawl(&["verify"]).code, Some(0));
}

#[test]
fn the_agents_of_a_run_do_again_what_they_did() {
    let home = Home::new();
    home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &workflow("inputs/refund.json")]);
    home.pawl(&["approve", &home.approval()]);
    let run = home.newest();
    same!("travel_replay", home.pawl(&["replay", &run]));
    same!("travel_replay_json", home.pawl(&["replay", &run, "--json"]));
    let other = home.pawl(&["run", &workflow("hello.yaml")]);
    assert_eq!(other.code, Some(0), "{}", other.show());
    same!("travel_replay_none", home.pawl(&["replay", &home.newest()]));
}

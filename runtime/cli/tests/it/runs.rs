//! Runs from their start to their end, and what shows them.

use crate::home::{Home, same, workflow};

#[test]
fn a_run_shows_its_progress_and_gives_its_outputs() {
    let home = Home::new();
    same!("hello", home.pawl(&["run", &workflow("hello.yaml"), "--input", "name=Ada"]));
    same!("hello_runs", home.pawl(&["runs"]));
    same!("hello_show", home.pawl(&["show", &home.newest()]));
    same!("hello_events", home.pawl(&["events", &home.newest()]));
    same!("hello_verify", home.pawl(&["verify"]));
}

#[test]
fn json_is_one_document() {
    let home = Home::new();
    same!("json_run", home.pawl(&["run", &workflow("hello.yaml"), "--json"]));
    same!("json_runs", home.pawl(&["runs", "--json"]));
    same!("json_show", home.pawl(&["show", "--json", &home.newest()]));
    same!("json_events", home.pawl(&["events", "--json", &home.newest()]));
    same!("json_verify", home.pawl(&["verify", "--json", &home.newest()]));
    same!("json_fault", home.pawl(&["show", "--json", "nosuch"]));
}

#[test]
fn a_failed_attempt_is_tried_again() {
    let home = Home::new();
    same!("retry", home.pawl(&["run", &workflow("retry.yaml"), "--input", "key=a"]));
    same!("retry_show", home.pawl(&["show", &home.newest()]));
}

#[test]
fn steps_within_steps_are_shown_with_their_items_and_turns() {
    let home = Home::new();
    same!("list_map", home.pawl(&["run", &workflow("map.yaml"), "--input", "orders=[\"A-1004\"]"]));
    same!("list_map_show", home.pawl(&["show", &home.newest()]));
    same!("list_loop", home.pawl(&["run", &workflow("loop.yaml"), "--input", "ready_after=2"]));
    same!("list_loop_events", home.pawl(&["events", &home.newest()]));
    same!("list_catch", home.pawl(&["run", &workflow("catch.yaml")]));
    same!("list_catch_events", home.pawl(&["events", &home.newest()]));
    same!("list_graph", home.pawl(&["graph", &workflow("parallel.yaml")]));
}

#[test]
fn a_run_that_fails_says_at_which_step_and_why() {
    let home = Home::new();
    let args = ["--input", "key=a", "--input", "fail_times=9"];
    let said = home.pawl(&[&["run", &workflow("retry.yaml")], &args[..]].concat());
    same!("failed", said);
    same!("failed_show", home.pawl(&["show", &home.newest()]));
    same!("failed_runs", home.pawl(&["runs", "--status", "failed"]));
    same!("failed_runs_none", home.pawl(&["runs", "--status", "completed"]));
}

#[test]
fn inputs_come_from_files_json_and_arguments() {
    let home = Home::new();
    home.write("inputs.yaml", "key: from-yaml\nfail_times: 1\n");
    let file = workflow("retry.yaml");
    let args = ["run", &file, "--json", "--input-file", "inputs.yaml", "--input-json"];
    let said = home.pawl(&[&args[..], &[r#"{"key": "from-json"}"#, "--input", "fail_times=0"]].concat());
    assert_eq!(said.code, Some(0), "{}", said.show());
    let events = home.json(&["events", &home.newest()]);
    let inputs = &events[0]["data"]["inputs"]["inline"];
    assert_eq!(*inputs, serde_json::json!({ "key": "from-json", "fail_times": 0 }), "{events}");
}

#[test]
fn an_ephemeral_run_leaves_nothing() {
    let home = Home::new();
    let said = home
        .command(&["run", &workflow("hello.yaml"), "--ephemeral"])
        .env("PAWL_DATA", "elsewhere")
        .output()
        .unwrap();
    same!("ephemeral", crate::home::Said::from(said));
    assert!(!home.path("elsewhere").exists());
}

#[test]
fn a_cancelled_run_goes_on_no_more() {
    let home = Home::new();
    home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &workflow("inputs/refund.json")]);
    let run = home.newest();
    let approval = home.approval();
    same!("cancel", home.pawl(&["cancel", &run[28..], "--reason", "not needed"]));
    same!("cancel_show", home.pawl(&["show", &run]));
    same!("cancel_again", home.pawl(&["cancel", &run]));
    same!("cancel_approve", home.pawl(&["approve", &approval]));
    same!("cancel_resume", home.pawl(&["resume", &run]));
    same!("cancel_verify", home.pawl(&["verify", &run]));
}

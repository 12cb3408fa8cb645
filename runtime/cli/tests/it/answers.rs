//! People answer, in other processes.

use crate::home::{Home, same, workflow};

fn refund(home: &Home) -> crate::home::Said {
    home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &workflow("inputs/refund.json")])
}

#[test]
fn a_refund_waits_for_a_person_and_goes_on_in_another_process() {
    let home = Home::new();
    same!("refund", refund(&home));
    same!("refund_approvals", home.pawl(&["approvals"]));
    same!("refund_approvals_json", home.pawl(&["approvals", "--json"]));
    same!("refund_waits", home.pawl(&["show", &home.newest()]));
    same!("refund_waits_json", home.pawl(&["runs", "--json"]));
    let approval = home.approval();
    same!("refund_resume", home.pawl(&["resume"]));
    same!("refund_approve", home.pawl(&["approve", &approval, "--data", "note=ok", "--comment", "fine"]));
    same!("refund_approve_again", home.pawl(&["approve", &approval]));
    same!("refund_show", home.pawl(&["show", &home.newest()]));
    same!("refund_events", home.pawl(&["events", &home.newest()]));
    same!("refund_verify", home.pawl(&["verify"]));
    same!("refund_no_approvals", home.pawl(&["approvals"]));
}

#[test]
fn a_rejected_refund_pays_nothing() {
    let home = Home::new();
    refund(&home);
    let approval = home.approval();
    let as_eve = ["reject", &approval, "--as", "user:eve", "--group", "group:finance"];
    same!("reject", home.pawl(&as_eve));
}

#[test]
fn an_answer_that_does_not_fit_changes_nothing() {
    let home = Home::new();
    refund(&home);
    let approval = home.approval();
    let as_bob = ["approve", &approval, "--as", "user:bob", "--group", "group:sales"];
    same!("answer_not_asked", home.pawl(&as_bob));
    same!("answer_unknown_action", home.pawl(&["answer", &approval, "postpone"]));
    same!("answer_unknown_field", home.pawl(&["approve", &approval, "--data", "colour=red"]));
    same!("answer_not_a_pair", home.pawl(&["approve", &approval, "--data", "=red"]));
    same!("answer_not_json", home.pawl(&["approve", &approval, "--data-json", "{"]));
    same!("answer_not_a_person", home.pawl(&["approve", &approval, "--as", "bob"]));
    same!("answer_malformed_id", home.pawl(&["approve", "nosuch"]));
    same!("answer_unknown_id", home.pawl(&["approve", "00000000000000000000000000"]));
    assert_eq!(home.approval(), approval);
}

#[test]
fn what_is_no_field_is_neither_a_field_nor_a_new_folder() {
    let home = Home::new();
    let run = "00000000-0000-7000-8000-000000000000";
    let approval = "00000000000000000000000000";
    let json = r#"{"a":1}"#;
    same!("signal_json", home.pawl(&["signal", run, "go", "--data", json]));
    same!("signal_json_with_sign", home.pawl(&["signal", run, "go", "--data", r#"{"a":"b=c"}"#]));
    same!("signal_no_folder", home.pawl(&["signal", run, "go", "--data", "note"]));
    same!("approve_json", home.pawl(&["approve", approval, "--data", json]));
    same!("approve_no_folder", home.pawl(&["approve", approval, "--data", "note"]));
    for name in [json, "note"] {
        assert!(!home.path(name).exists(), "{name}");
    }
    // One that is there is used.
    std::fs::create_dir(home.path("note")).unwrap();
    same!("signal_other_folder", home.pawl(&["signal", run, "go", "--data", "note"]));
}

#[test]
fn an_agent_asks_in_the_middle_and_goes_on() {
    let home = Home::new();
    same!("planner", home.pawl(&["run", &workflow("planner.yaml"), "--input", "customer=ann"]));
    let approval = home.approval();
    same!("planner_approve", home.pawl(&["answer", &approval, "approve"]));
    same!("planner_show", home.pawl(&["show", &home.newest()]));
    same!("planner_verify", home.pawl(&["verify"]));
}

#[test]
fn a_review_goes_round_until_it_is_published() {
    let home = Home::new();
    let inputs = workflow("inputs/review.json");
    same!("review", home.pawl(&["run", &workflow("review.yaml"), "--input-file", &inputs]));
    let revise = ["answer", &home.approval(), "revise", "--data", "feedback=shorter"];
    same!("review_revise", home.pawl(&revise));
    same!("review_publish", home.pawl(&["answer", &home.approval(), "publish"]));
}

#[test]
fn the_data_folder_can_be_named_before_and_after_an_answer() {
    let home = Home::new();
    refund(&home);
    let approval = home.approval();
    let elsewhere = home.pawl(&["approve", &approval, "--data", "note=ok", "--data", "elsewhere"]);
    assert_eq!(elsewhere.code, Some(2), "{}", elsewhere.show());
    let no_wait = ["--data", "data", "approve", &approval, "--data", "note=ok", "--no-wait", "--json"];
    let said = home.pawl(&no_wait);
    assert_eq!(said.code, Some(0), "{}", said.show());
    // What was under way is not given up.
    assert_eq!(home.json(&["runs"])[0]["status"], "completed");
}

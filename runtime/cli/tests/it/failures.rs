//! What cannot be used: each with its message, hint and exit code.

use crate::home::{Home, same, workflow};

#[test]
fn arguments_that_cannot_be_used_are_named() {
    let home = Home::new();
    same!("no_command", home.pawl(&[]));
    same!("help", home.pawl(&["--help"]));
    same!("unknown_command", home.pawl(&["rum"]));
    same!("unknown_status", home.pawl(&["runs", "--status", "asleep"]));
    same!("unknown_command_json", home.pawl(&["rum", "--json"]));
    same!("unknown_status_json", home.pawl(&["runs", "--json", "--status", "asleep"]));
}

#[test]
fn files_and_inputs_that_cannot_be_used_are_named() {
    let home = Home::new();
    let (hello, refund) = (workflow("hello.yaml"), workflow("refund.yaml"));
    same!("no_file", home.pawl(&["run", "nosuch.yaml"]));
    same!("no_file_graph", home.pawl(&["graph", "nosuch.yaml"]));
    same!("no_file_check", home.pawl(&["check", "nosuch.yaml"]));
    same!("input_unknown", home.pawl(&["run", &hello, "--input", "nam=Ada"]));
    same!("input_far", home.pawl(&["run", &refund, "--input", "value=x"]));
    home.write("none.yaml", "pawl: 1\nworkflow: none\nversion: 1.0.0\nsteps: [{ id: a, set: 1 }]\n");
    same!("input_none", home.pawl(&["run", "none.yaml", "--input", "value=x"]));
    same!("input_missing", home.pawl(&["run", &refund, "--input", "amount=5"]));
    same!("input_type", home.pawl(&["run", &refund, "--input", "amount=much"]));
    same!("input_no_pair", home.pawl(&["run", &refund, "--input", "amount"]));
    same!("input_no_json", home.pawl(&["run", &refund, "--input-json", "{"]));
    same!("input_no_object", home.pawl(&["run", &refund, "--input-json", "[]"]));
    same!("input_no_file", home.pawl(&["run", &refund, "--input-file", "nosuch.json"]));
    home.write("broken.json", "{\"amount\": ");
    home.write("broken.yaml", "amount: [1");
    home.write("list.yaml", "- amount");
    same!("input_file_json", home.pawl(&["run", &refund, "--input-file", "broken.json"]));
    same!("input_file_yaml", home.pawl(&["run", &refund, "--input-file", "broken.yaml"]));
    same!("input_file_list", home.pawl(&["run", &refund, "--input-file", "list.yaml"]));
    assert_eq!(home.json(&["runs"]), serde_json::json!([]));
}

#[test]
fn ids_that_cannot_be_used_are_named() {
    let home = Home::new();
    home.pawl(&["run", &workflow("hello.yaml")]);
    home.pawl(&["run", &workflow("hello.yaml")]);
    let run = home.newest();
    same!("id_malformed", home.pawl(&["show", "nosuch"]));
    same!("id_short", home.pawl(&["show", "0"]));
    same!("id_unknown", home.pawl(&["events", "00000000-0000-7000-8000-000000000000"]));
    same!("id_no_match", home.pawl(&["cancel", "ffffffffff"]));
    let ambiguous = home.pawl(&["verify", &run[..4]]);
    assert_eq!(ambiguous.code, Some(2));
    assert!(ambiguous.stderr.contains("2 runs have an id that starts or ends with"), "{}", ambiguous.stderr);
    assert_eq!(home.pawl(&["show", &run[24..]]).code, Some(0));
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let home = Home::new();
    home.write("file", "in the way");
    same!("folder_is_a_file", home.pawl(&["runs", "--data", "file"]));
    same!("folder_is_a_file_json", home.pawl(&["--data", "file", "runs", "--json"]));
}

/// Not even root can make a file there, so this holds for whoever runs the tests.
#[cfg(target_os = "linux")]
#[test]
fn a_data_folder_that_cannot_be_written_is_named_with_a_hint() {
    let said = Home::new().pawl(&["runs", "--data", "/proc"]);
    assert_eq!(said.code, Some(4), "{}", said.show());
    assert!(said.stderr.contains("cannot use the data folder /proc"), "{}", said.stderr);
    assert!(said.stderr.contains("hint: "), "{}", said.stderr);
}

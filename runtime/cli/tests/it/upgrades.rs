//! Workflows that are kept by name, and runs that are moved to another version of theirs.

use serde_json::json;

use crate::home::Home;

const FIRST: &str = "\
pawl: 1
workflow: order
version: 1.0.0
inputs: { who: string }
steps:
  - { id: name, set: \"${{ inputs.who }}\" }
  - { id: ask, human: { title: Send it?, actions: [yes, no], form: { note: { type: string, default: none } } } }
  - { id: send, set: \"sent to ${{ steps.name.output }}\" }
outputs: { said: \"${{ steps.send.output }}\" }
";

fn second() -> String {
    FIRST
        .replace("1.0.0", "1.1.0")
        .replace(
            "inputs: { who: string }",
            "inputs: { who: string, how: { type: string, default: by post } }",
        )
        .replace("sent to ${{ steps.name.output }}", "sent to ${{ steps.name.output }} ${{ inputs.how }}")
}

fn third() -> String {
    FIRST.replace("1.0.0", "2.0.0").replace("note: { type: string, default: none }", "note: string")
}

/// A folder with two registered versions, of which the first is active, and two runs of it that ask.
fn two_runs() -> (Home, Vec<String>) {
    let home = Home::new();
    home.write("one.yaml", FIRST);
    home.write("two.yaml", &second());
    let registered = home.json(&["workflow", "register", "one.yaml", "--activate"]);
    assert_eq!((&registered["new"], &registered["active"]), (&json!(true), &json!(true)), "{registered}");
    let mut runs = Vec::new();
    for who in ["who=Ada", "who=Bob"] {
        let said = home.pawl(&["run", "order", "--input", who]);
        assert_eq!(said.code, Some(3), "{}", said.show());
        runs.push(home.newest());
    }
    let registered = home.json(&["workflow", "register", "two.yaml"]);
    assert_eq!((&registered["new"], &registered["active"]), (&json!(true), &json!(false)), "{registered}");
    (home, runs)
}

#[test]
fn a_workflow_is_kept_by_name_and_version_and_started_by_its_name() {
    let (home, runs) = two_runs();
    assert_eq!(home.json(&["show", &runs[0]])["version"], "1.0.0");
    let again = home.json(&["workflow", "register", "one.yaml"]);
    assert_eq!(again["new"], false, "the same bytes are no change");
    home.write("one.yaml", &FIRST.replace("Send it?", "Really?"));
    let other = home.pawl(&["workflow", "register", "one.yaml"]);
    assert_eq!(other.code, Some(1), "{}", other.show());
    assert!(other.stderr.contains("version 1.0.0 of 'order'"), "{}", other.show());
    assert!(other.stderr.contains("its source"), "{}", other.show());

    let list = home.json(&["workflow", "list"]);
    assert_eq!(list[0]["active"]["version"], "1.0.0");
    assert_eq!((&list[0]["latest"], &list[0]["versions"]), (&json!("1.1.0"), &json!(2)));
    let activated = home.json(&["workflow", "activate", "order", "1.1.0"]);
    assert_eq!(activated["active"]["before"], "1.0.0");
    assert_eq!(activated["active"]["by"]["name"], "user:ann");
    let shown = home.json(&["workflow", "show", "order"]);
    assert_eq!(shown["versions"][1]["active"], true);
    assert_eq!(home.json(&["show", &runs[0]])["version"], "1.0.0", "runs stay on theirs");
    // The file is gone, and what nothing names is swept away: the version is whole all the same.
    std::fs::remove_file(home.path("two.yaml")).unwrap();
    assert_eq!(home.pawl(&["store", "prune", "--keep", "0"]).code, Some(0));
    home.pawl(&["run", "order", "--input", "who=Eve"]);
    assert_eq!(home.json(&["show", &home.newest()])["version"], "1.1.0");

    let unknown = home.pawl(&["run", "nobody"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.show());
    assert!(
        unknown.stderr.contains("no workflow 'nobody'") && unknown.stderr.contains("order"),
        "{}",
        unknown.show()
    );
    let version = home.pawl(&["workflow", "activate", "order", "9.0.0"]);
    assert_eq!(version.code, Some(2), "{}", version.show());
    assert!(version.stderr.contains("1.0.0, 1.1.0"), "{}", version.show());
    // A file comes first, and that is said.
    home.write("order", &FIRST.replace("1.0.0", "0.1.0"));
    let file = home.pawl(&["run", "order", "--input", "who=Eve"]);
    assert!(file.stderr.contains("'order' is the file here"), "{}", file.show());
    assert_eq!(home.json(&["show", &home.newest()])["version"], "0.1.0");
}

#[test]
fn runs_are_moved_that_can_be_and_say_so() {
    let (home, runs) = two_runs();
    let check = home.json(&["upgrade", "check", "order", "--to", "1.1.0"]);
    assert_eq!((&check["can"], &check["cannot"]), (&json!(2), &json!(0)), "{check}");
    assert_eq!(home.json(&["show", &runs[0]])["version"], "1.0.0", "a check changes nothing");
    let one = home.pawl(&["upgrade", "apply", "two.yaml", "--run", &runs[0], "--reason", "by post now"]);
    assert_eq!(one.code, Some(0), "{}", one.show());
    assert!(one.stdout.contains("goes on with 1.1.0"), "{}", one.show());
    let events = home.json(&["events", &runs[0]]);
    let moved = &events.as_array().unwrap().last().unwrap()["data"];
    assert_eq!((&moved["from_version"], &moved["version"]), (&json!("1.0.0"), &json!("1.1.0")), "{events}");
    assert_eq!((&moved["reason"], &moved["by"]["name"]), (&json!("by post now"), &json!("user:ann")));
    assert_eq!(home.json(&["show", &runs[0]])["version"], "1.1.0");
    let all = home.json(&["upgrade", "apply", "order", "--to", "1.1.0", "--all"]);
    assert_eq!((&all["moved"], &all["not_moved"]), (&json!(1), &json!(0)), "{all}");

    // Both go on with the new version, the question as it was asked.
    for run in &runs {
        let open = home.json(&["approvals"]);
        let open = open.as_array().unwrap().iter().find(|open| open["run"] == **run).unwrap();
        let id = open["id"].as_str().unwrap();
        let said = home.pawl(&["answer", id, "yes"]);
        assert!(said.stdout.contains("by post"), "{}", said.show());
    }
    let verified = home.pawl(&["verify"]);
    assert_eq!(verified.code, Some(0), "{}", verified.show());
    assert_eq!(home.pawl(&["replay", &runs[0]]).code, Some(0));
    assert_eq!(home.pawl(&["store", "rebuild"]).code, Some(0));
    let diff = home.pawl(&["diff", &runs[0], &runs[1]]);
    assert!(!diff.stdout.contains("moved to"), "both were: {}", diff.show());
    // A fork from before the move is one of the version that the run had then.
    home.pawl(&["fork", &runs[0], "--at", "5"]);
    assert_eq!(home.json(&["show", &home.newest()])["version"], "1.0.0");
}

#[test]
fn a_run_that_cannot_be_moved_stays_and_says_why() {
    let (home, runs) = two_runs();
    home.write("three.yaml", &third());
    let check = home.json(&["upgrade", "check", "three.yaml"]);
    assert_eq!((&check["can"], &check["cannot"]), (&json!(0), &json!(2)), "{check}");
    assert_eq!(check["runs"][0]["obstacles"][0]["kind"], "question-changed");
    assert_eq!(check["runs"][0]["obstacles"][0]["step"], "ask");
    let said = home.pawl(&["upgrade", "check", "three.yaml", "--run", &runs[0]]);
    assert_eq!(said.code, Some(1), "{}", said.show());
    assert!(
        said.stdout.contains("step 'ask': a person is asked, and its form is another"),
        "{}",
        said.show()
    );
    let apply = home.pawl(&["upgrade", "apply", "three.yaml", "--all"]);
    assert_eq!(apply.code, Some(1), "{}", apply.show());
    assert!(apply.stdout.contains("0 moved, 2 not"), "{}", apply.show());
    assert_eq!(home.json(&["show", &runs[0]])["version"], "1.0.0");
    // Answered, and so at its end, it is no run that is looked at.
    home.pawl(&["cancel", &runs[0]]);
    home.pawl(&["cancel", &runs[1]]);
    let none = home.pawl(&["upgrade", "check", "three.yaml"]);
    assert_eq!((none.code, none.stdout.trim()), (Some(0), "no run of order goes on"), "{}", none.show());
}

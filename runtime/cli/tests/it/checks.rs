//! Commands that look at files and at the machine.

use crate::home::{Home, same, workflow};

const BROKEN: &str = "\
pawl: 1
workflow: broken
version: 1.0.0
steps:
  - id: one
    tols: echo.say
  - id: one
    tool: echo.say
    with: { text: \"${{ steps.tow.output.text }}\" }
    then: nowhere
";

const GREEDY: &str = "\
pawl: 1
workflow: greedy
version: 1.0.0
steps:
  - id: plan
    agent: planner
    with: { customer: ann }
";

#[test]
fn a_check_shows_every_problem() {
    let home = Home::new();
    home.write("broken.yaml", BROKEN);
    home.write("greedy.yaml", GREEDY);
    let all = ["hello", "planner", "refund", "retry", "review"].map(|name| workflow(&format!("{name}.yaml")));
    let all: Vec<_> = std::iter::once("check").chain(all.iter().map(String::as_str)).collect();
    same!("check", home.pawl(&all));
    same!("check_broken", home.pawl(&["check", "broken.yaml"]));
    same!("check_broken_json", home.pawl(&["check", "broken.yaml", "--json"]));
    same!("check_greedy", home.pawl(&["check", "greedy.yaml"]));
    same!("run_broken", home.pawl(&["run", "broken.yaml"]));
    // What a check refuses does not begin, so that it is not found out after something was done.
    same!("run_greedy", home.pawl(&["run", "greedy.yaml"]));
    assert_eq!(home.pawl(&["run", "greedy.yaml"]).stderr, home.pawl(&["check", "greedy.yaml"]).stderr);
    assert_eq!(home.json(&["runs"]), serde_json::json!([]));
    home.write("misspelt.yaml", &GREEDY.replace("agent: planner", "agent: planer"));
    same!("check_near_plugin", home.pawl(&["check", "misspelt.yaml"]));
}

#[test]
fn a_graph_is_drawn_for_others() {
    let home = Home::new();
    same!("graph_mermaid", home.pawl(&["graph", &workflow("refund.yaml")]));
    same!("graph_dot", home.pawl(&["graph", &workflow("refund.yaml"), "--format", "dot"]));
    same!("graph_json", home.pawl(&["graph", &workflow("hello.yaml"), "--json"]));
}

#[test]
fn plugins_say_what_they_are() {
    let home = Home::new();
    same!("plugin_list", home.pawl(&["plugin", "list"]));
    same!("plugin_inspect", home.pawl(&["plugin", "inspect", "payments"]));
    same!("plugin_inspect_agent", home.pawl(&["plugin", "inspect", "planner", "--json"]));
    same!("plugin_unknown", home.pawl(&["plugin", "inspect", "nosuch"]));
}

#[test]
fn a_plugin_in_the_folder_comes_first_and_a_broken_one_is_shown() {
    let home = Home::new();
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/dist");
    let bytes = std::fs::read(format!("{dist}/orders.wasm")).unwrap();
    std::fs::create_dir(home.path("data/plugins")).unwrap();
    std::fs::write(home.path("data/plugins/echo.wasm"), &bytes[..1_000]).unwrap();
    std::fs::write(home.path("data/plugins/mine.wasm"), &bytes).unwrap();
    std::fs::write(home.path("text.wasm"), "not a component").unwrap();
    same!("plugin_folder", home.pawl(&["plugin", "list"]));
    same!("plugin_truncated", home.pawl(&["plugin", "inspect", "data/plugins/echo.wasm"]));
    same!("plugin_text", home.pawl(&["plugin", "inspect", "text.wasm"]));
    same!("plugin_truncated_run", home.pawl(&["run", &workflow("hello.yaml")]));
    same!("plugin_truncated_doctor", home.pawl(&["doctor"]));
}

#[test]
fn a_doctor_tries_every_part() {
    let home = Home::new();
    same!("doctor", home.pawl(&["doctor"]));
    home.write("file", "in the way");
    same!("doctor_no_folder", home.pawl(&["doctor", "--data", "file"]));
    same!("doctor_new_folder", home.pawl(&["doctor", "--data", "new"]));
    assert!(!home.path("new").exists());
}

//! Plugins by hand: a single call, a check, and the way into the folder.

use std::io::Write as _;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::json;

use crate::home::{Home, PAUSE, Said, same};
use crate::terminal::Terminal;

/// A component that only tests need.
fn guest(name: &str) -> String {
    format!("{}/../../tests/guests/{name}.wasm", env!("CARGO_MANIFEST_DIR"))
}

const PLANNER: [&str; 6] =
    ["plugin", "run", "planner", "--with", r#"{"customer":"ann"}"#, "--allow-tool=orders.*"];
const PAY: &str = "--allow-tool=payments.refund";

#[test]
fn a_tool_is_called_by_hand() {
    let home = Home::new();
    home.write("lookup.json", r#"{"id": "A-1001"}"#);
    same!("call_tool", home.pawl(&["plugin", "run", "orders", "--call", "lookup", "--with", "@lookup.json"]));
    // What is given is data: nothing in it is an expression.
    let text = r#"{"text": "${{ 1 + 1 }} \u001b[2J"}"#;
    assert_eq!(
        home.json(&["plugin", "run", "echo", "--with", text]),
        json!({ "text": "${{ 1 + 1 }} \u{1b}[2J" })
    );
    let mut child =
        home.command(&["plugin", "run", "echo", "--with", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"text": "piped"}"#).unwrap();
    let said = Said::from(child.wait_with_output().unwrap());
    assert!(said.stdout.contains("\"text\": \"piped\""), "{}", said.show());
    // Nothing is kept.
    assert_eq!(home.json(&["runs"]), json!([]));
}

#[test]
fn a_call_that_cannot_be_made_says_what_would_do() {
    let home = Home::new();
    let call = |more: &[&str]| home.pawl(&[&["plugin", "run"], more].concat());
    same!("call_unknown", call(&["nosuch"]));
    same!("call_near", call(&["ordres"]));
    same!("call_which_tool", call(&["orders"]));
    same!("call_no_tool", call(&["orders", "--call", "nosuch"]));
    same!("call_tool_of_agent", call(&["planner", "--call", "plan"]));
    same!("call_misfit", call(&["echo", "--with", r#"{"tekst": 1}"#]));
    same!("call_no_json", call(&["echo", "--with", "hello"]));
    same!("call_no_file", call(&["echo", "--with", "@nosuch.json"]));
    same!("call_no_component", call(&["./nosuch.wasm"]));
}

#[test]
fn a_call_that_fails_shows_the_plugins_own_words() {
    let home = Home::new();
    let crash = guest("crash");
    same!("call_fails", home.pawl(&["plugin", "run", "flaky", "--with", r#"{"key": "k", "fail_times": 1}"#]));
    same!("call_panics", home.pawl(&["plugin", "run", &crash]));
    let fault = home.json(&["plugin", "run", &crash]);
    assert_eq!(fault["error"]["details"]["kind"], "trap", "{fault}");
}

#[test]
fn a_panic_is_shown_with_its_place_wherever_its_run_is_looked_at() {
    let home = Home::new();
    let workflow = format!(
        "pawl: 1\nworkflow: crash\nversion: 1.0.0\nplugins: {{ crash: {} }}\nsteps:\n  - id: act\n    tool: crash.panic\n",
        guest("crash")
    );
    home.write("crash.yaml", &workflow);
    same!("panic_run", home.pawl(&["run", "crash.yaml"]));
    let run = home.newest();
    same!("panic_show", home.pawl(&["show", &run]));
    same!("panic_events", home.pawl(&["events", &run]));
}

#[test]
fn an_agent_runs_by_hand_with_what_is_granted() {
    let home = Home::new();
    same!("call_agent_denied", home.pawl(&PLANNER[..5]));
    same!("call_agent_unanswered", home.pawl(&[&PLANNER[..], &[PAY]].concat()));
    same!("call_agent", home.pawl(&[&PLANNER[..], &[PAY, "--answer", "approve"]].concat()));
    let answered = |answer: &str| home.pawl(&[&PLANNER[..], &[PAY, "--answer", answer]].concat());
    let said = answered(r#"approve {"note": "as agreed"}"#);
    assert!(said.code == Some(0) && said.stderr.contains("as agreed"), "{}", said.show());
    same!("call_answer_misfit", answered(r#"approve {"nota": "ok"}"#));
    same!("call_answer_no_json", answered("approve note=ok"));
    let granted = |tool: &str| home.pawl(&[&PLANNER[..5], &["--allow-tool", tool]].concat());
    same!("call_grant_near", granted("ordrs.*"));
    same!("call_grant_unknown", granted("invoices.pay"));
    same!("call_grant_no_tool", granted("orders.lok"));
    same!("call_grant_agent", granted("writer.write"));
    let mut terminal = Terminal::new(&home, &[&PLANNER[..], &[PAY]].concat());
    terminal.shows("Refund");
    terminal.shows("Answer?");
    terminal.types("\r");
    terminal.shows("note:");
    terminal.types("\r");
    terminal.shows("\"decision\": \"approve\"");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn a_tool_reaches_the_hosts_that_are_allowed() {
    let home = Home::new();
    let (tally, with) = (guest("orders_tally"), r#"{"id": "A-1001"}"#);
    let call = ["plugin", "run", &tally, "--call", "lookup", "--with", with];
    same!("call_http_denied", home.pawl(&call));
    // Another host than the one that it sends to.
    let said = home.pawl(&[&call[..], &["--allow-http", "127.0.0.1:1"]].concat());
    assert!(said.stderr.contains("this host was not granted"), "{}", said.show());
    // Nobody listens there, but the request may be sent.
    let said = home.pawl(&[&call[..], &["--allow-host", "127.0.0.1:47917"]].concat());
    assert_eq!(said.code, Some(1), "{}", said.show());
    assert!(!said.stderr.contains("granted"), "{}", said.show());
}

#[test]
fn manifests_are_checked_against_their_component() {
    let home = Home::new();
    let put = |name: &str, manifest: &str| {
        let component = if name == "few" { "orders_tally" } else { "spin" };
        std::fs::copy(guest(component), home.path(&format!("{name}.wasm"))).unwrap();
        home.write(&format!("{name}.toml"), manifest);
    };
    put("good", "name = 'good'\nversion = '1.0.0'\nkind = 'tool'\ncapabilities = ['log']\n");
    put("key", "name = 'key'\nversion = '1.0.0'\nkind = 'tool'\ncolour = 'red'\n");
    put("kind", "name = 'kind'\nversion = '1.0.0'\nkind = 'agent'\n");
    put("few", "name = 'few'\nversion = '1.0.0'\nkind = 'tool'\ncapabilities = ['log']\n");
    let files = ["plugin", "check", "good.wasm", "key.wasm", "kind.wasm", "few.wasm", "planner"];
    same!("plugin_check", home.pawl(&files));
    home.write("bad.txt", "name = 'spin'\nversion = 'one'\nkind = 'tool'\n");
    same!("plugin_check_named", home.pawl(&["plugin", "check", "good.wasm", "--manifest", "bad.txt"]));
    same!("plugin_add_named", home.pawl(&["plugin", "add", "good.wasm", "--manifest", "bad.txt"]));
    same!("plugin_check_json", home.pawl(&["plugin", "check", "--json", "good.wasm", "key.wasm"]));
}

#[test]
fn a_new_project_says_how_it_is_built_and_run() {
    let home = Home::new();
    let new = |more: &[&str]| home.pawl(&[&["plugin", "new"], more].concat());
    same!("plugin_new", new(&["greeter", "--kind", "tool", "--lang", "rust"]));
    same!("plugin_new_agent", new(&["clerk", "--kind", "agent", "--lang", "js", "--dir", "made/here"]));
    same!("plugin_new_again", new(&["greeter", "--kind", "tool", "--lang", "js"]));
    same!("plugin_new_name", new(&["Greeter", "--kind", "tool", "--lang", "js"]));
    same!("plugin_new_taken", new(&["core", "--kind", "tool", "--lang", "rust"]));
    same!("plugin_new_kind", new(&["greeter", "--kind", "bot", "--lang", "rust"]));
    let said = home.json(&["plugin", "new", "snake", "--kind", "tool", "--lang", "python"]);
    assert!(said["files"].as_array().unwrap().contains(&json!("wit/world.wit")), "{said}");
    // Without a component the workflow says what is missing; the rest of it is right.
    let said = home.pawl(&["check", "greeter/greeter.yaml"]);
    assert!(said.stderr.contains("release/greeter.wasm"), "{}", said.show());
}

const USES_MINE: &str = "\
pawl: 1
workflow: mine
version: 1.0.0
steps:
  - id: say
    tool: mine.say
    with: { text: hello }
outputs:
  text: ${{ steps.say.output.text }}
";

#[test]
fn a_plugin_that_is_added_is_there_at_once_for_the_process_that_holds_the_folder() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    home.write("mine.yaml", USES_MINE);
    home.write("mine.toml", "name = 'mine'\nversion = '1.0.0'\nkind = 'tool'\ncapabilities = ['log']\n");
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/dist/echo.wasm");
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    assert_eq!(home.pawl(&["run", "mine.yaml"]).code, Some(2));
    std::fs::copy(dist, home.path("other.wasm")).unwrap();
    same!("plugin_add", home.pawl(&["plugin", "add", "other.wasm", "--manifest", "mine.toml"]));
    same!("plugin_added", home.pawl(&["run", "mine.yaml"]));
    same!("plugin_add_broken", home.pawl(&["plugin", "add", "mine.toml"]));
    let left: Vec<_> = std::fs::read_dir(home.path("data/plugins")).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    holder.signal(Signal::TERM);
    holder.said();
}

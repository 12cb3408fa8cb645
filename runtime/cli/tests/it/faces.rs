//! What the command line says of itself, of workflows and of runs under way.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::home::{Home, same, workflow};

#[test]
fn the_schema_is_the_one_of_the_documents() {
    let home = Home::new();
    let said = home.pawl(&["schema"]);
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/workflow.schema.json");
    assert_eq!(said.stdout, fs::read_to_string(committed).unwrap(), "{}", said.stderr);
    assert_eq!(home.json(&["schema"]), serde_json::from_str::<serde_json::Value>(&said.stdout).unwrap());
    let said = home.pawl(&["schema", "--tests"]);
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/test.schema.json");
    assert_eq!(said.stdout, fs::read_to_string(committed).unwrap(), "{}", said.stderr);
}

#[test]
fn an_error_code_is_explained() {
    let home = Home::new();
    same!("explain", home.pawl(&["explain", "p0201"]));
    same!("explain_unknown", home.pawl(&["explain", "P9999"]));
    let all = home.json(&["explain"]);
    assert!(all.as_array().unwrap().len() >= 33, "{all}");
    assert_eq!(all[0]["code"], "P0101");
}

#[test]
fn every_shell_gets_its_completions() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = home.pawl(&["completions", shell]);
        assert_eq!(said.code, Some(0), "{}", said.show());
        assert!(said.stdout.contains("approve") && said.stdout.contains("no-interactive"), "{shell}");
    }
    let script = home.pawl(&["completions", "bash"]).stdout;
    let mut bash = Command::new("bash");
    bash.args(["-c", "eval \"$(cat)\" && complete -p pawl"]);
    let mut bash = bash.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success(), "bash does not take the script");
    assert!(String::from_utf8(output.stdout).unwrap().contains("pawl"));
}

#[test]
fn man_pages_are_written_for_every_command() {
    let home = Home::new();
    let written = home.json(&["man", "pages/man1"]);
    let written: Vec<_> = written.as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert!(
        written.contains(&"pages/man1/pawl.1") && written.contains(&"pages/man1/pawl-run.1"),
        "{written:?}"
    );
    let page = fs::read_to_string(home.path("pages/man1/pawl-run.1")).unwrap();
    assert!(page.contains("\\-\\-input\\-file"), "{page}");
    assert!(home.pawl(&["man"]).stdout.contains(".TH pawl 1"));
    same!("man_unwritable", home.pawl(&["man", "/proc/nowhere"]));
}

#[test]
fn a_run_is_drawn_with_where_its_steps_stand() {
    let home = Home::new();
    home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &workflow("inputs/refund.json")]);
    let run = home.newest();
    let drawn = home.pawl(&["graph", &run, "--svg"]).stdout;
    for words in ["✓ completed", "… waiting", "· not reached", "<title>refund 1.0.0, waiting</title>"] {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
    let file = home.pawl(&["graph", &workflow("refund.yaml"), "--svg"]).stdout;
    assert!(!file.contains("not reached") && file.contains("id=\"step-approve\""), "{file}");
    let graph = home.json(&["graph", &run, "--format", "svg"]);
    assert_eq!(graph["graph"].as_str().unwrap().trim_end(), drawn.trim_end());
    let mermaid = home.pawl(&["graph", &run[28..]]).stdout;
    assert_eq!(mermaid, home.pawl(&["graph", &workflow("refund.yaml")]).stdout);
    for (subject, says) in [("abcdef", "there is no run whose id"), ("nowhere.yaml", "nowhere.yaml")] {
        let said = home.pawl(&["graph", subject]);
        assert!(said.code == Some(2) && said.stderr.contains(says), "{}", said.show());
    }
}

#[test]
fn events_are_followed_until_the_run_ends() {
    let home = Home::new();
    home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &workflow("inputs/refund.json")]);
    let run = home.newest();
    same!("events_from", home.pawl(&["events", &run, "--from", "9"]));
    let seen = home.json(&["events", &run]).as_array().unwrap().len();
    let from = (seen + 1).to_string();
    let holder = home.holder(&["events", &run, "--follow", "--from", &from], "follows run");
    home.pawl(&["approve", &home.approval(), "--data", "note=ok"]);
    same!("events_follow", holder.said());
    // A run that has ended is shown to its end at once, a document a line.
    let said = home.pawl(&["events", &run, "-f", "--json"]);
    let lines: Vec<serde_json::Value> =
        said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > seen, "{}", said.show());
    assert!(lines.iter().zip(1..).all(|(line, seq)| line["seq"] == seq), "{}", said.show());
    assert_eq!(lines.last().unwrap()["event"], "run-completed");
}

#[test]
fn a_follower_that_is_stopped_leaves_the_run_as_it_is() {
    let home = Home::new();
    home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &workflow("inputs/refund.json")]);
    let run = home.newest();
    let holder = home.holder(&["events", &run, "--follow"], "follows run");
    holder.listens();
    holder.signal(rustix::process::Signal::INT);
    assert_eq!(holder.said().code, Some(130));
    assert_eq!(home.json(&["show", &run])["status"], "waiting");
}

#[test]
fn runs_come_in_pages() {
    let home = Home::new();
    for name in ["Ada", "Bea", "Cem"] {
        home.pawl(&["run", &workflow("hello.yaml"), "--input", &format!("name={name}")]);
    }
    let all = home.json(&["runs"]);
    let ids: Vec<_> = all.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap()).collect();
    let first = home.pawl(&["runs", "--limit", "2"]);
    assert!(first.stderr.contains(&format!("--after {}", ids[1])), "{}", first.show());
    same!("runs_page", first);
    let second = home.json(&["runs", "--limit", "2", "--after", ids[1]]);
    assert_eq!(second.as_array().unwrap().len(), 1);
    assert_eq!(second[0]["id"], ids[2]);
    assert_eq!(home.pawl(&["runs", "--limit", "3"]).stderr, "");
}

const AGAIN: &str = "\
pawl: 1
workflow: again
version: 1.0.0
steps:
  - id: fetch
    tool: flaky.fetch
    with: { key: a, fail_times: 9 }
    retry: { max_attempts: 3, delay: 24h, max_delay: 24h }
";

#[test]
fn one_line_says_what_a_run_waits_for() {
    let home = Home::new();
    let line = |home: &Home| {
        let shown = home.pawl(&["show", &home.newest()]).stdout;
        shown.lines().nth(1).unwrap().to_owned()
    };
    home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &workflow("inputs/refund.json")]);
    let waits = line(&home);
    let asked =
        "waiting for a person at approve: Refund 40 EUR for order A-1001?; if nobody answers, 'reject' at 20";
    assert!(waits.starts_with(asked), "{waits}");
    home.write("again.yaml", AGAIN);
    let run = home.holder(&["run", "again.yaml"], "again");
    let waits = crate::home::eventually(|| Some(line(&home)).filter(|line| line.starts_with("waiting")));
    assert!(waits.starts_with("waiting for attempt 2 of fetch at 20"), "{waits}");
    assert!(waits.contains("; the last failed: transient: "), "{waits}");
    run.signal(rustix::process::Signal::TERM);
    assert_eq!(run.said().code, Some(143));
}

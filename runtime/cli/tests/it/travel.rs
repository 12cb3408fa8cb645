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
fn a_run_is_rehearsed_with_another_input() {
    let home = Home::new();
    home.pawl(&["run", &workflow("hello.yaml"), "--input", "name=Ada"]);
    let run = home.newest();
    same!("travel_with_input", home.pawl(&["fork", &run, "--at", "1", "--with", "input=name=Bob"]));
    let fork = home.newest();
    same!("travel_with_input_diff", home.pawl(&["diff", &run, &fork]));
    assert_eq!(home.pawl(&["verify"]).code, Some(0));
}

/// Sorts a ticket with an agent that the workflow calls `sorter`.
const SORTS: &str = "\
pawl: 1
workflow: sorts
version: 1.0.0
steps:
  - id: sort
    agent: sorter
    with: { ticket: A-1001 is late }
outputs: { found: \"${{ steps.sort.output }}\" }
";

#[test]
fn a_run_is_rehearsed_with_another_agent() {
    let home = Home::new();
    let guests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/dist");
    home.write("sorts.yaml", SORTS);
    std::fs::create_dir(home.path("data/plugins")).unwrap();
    std::fs::copy(format!("{shipped}/triage.wasm"), home.path("data/plugins/sorter.wasm")).unwrap();
    assert_eq!(home.pawl(&["run", "sorts.yaml"]).code, Some(0));
    let run = home.newest();
    // One that takes something else fails, and the run that it was made of is as it was.
    let other = format!("agent=sorter={guests}/script.wasm");
    let misfit = home.pawl(&["fork", &run, "--at", "1", "--with", &other]);
    assert_ne!(misfit.code, Some(0), "{}", misfit.show());
    // Another component that does the same: a section that nothing reads is behind it.
    let mut changed = std::fs::read(format!("{shipped}/triage.wasm")).unwrap();
    changed.extend([0, 5, 4, b'n', b'o', b't', b'e']);
    std::fs::write(home.path("changed.wasm"), changed).unwrap();
    let with = ["--at", "1", "--with", "agent=sorter=changed.wasm"];
    same!("travel_with_agent", home.pawl(&[&["fork", &run], &with[..]].concat()));
    let fork = home.newest();
    let diff = home.json(&["diff", &run, &fork]);
    assert_eq!(diff["first_difference"]["what"], "plugins", "{diff}");
    assert_eq!(diff["differences"].as_array().map(Vec::len), Some(1), "{diff}");
    assert_eq!(home.pawl(&["verify"]).code, Some(0));
}

const THINKS: &str = "\
pawl: 1
workflow: thinks
version: 1.0.0
permissions: { models: [first, second], tools: [orders.lookup] }
budget: { money: 5 }
steps:
  - id: think
    agent: assistant
    with: { task: Say hello., model: first, max_tokens: 100 }
outputs: { answer: \"${{ steps.think.output.answer }}\" }
";

#[test]
fn a_run_is_rehearsed_with_another_model_and_what_both_cost_is_compared() {
    let home = Home::new();
    home.write("thinks.yaml", THINKS);
    home.write("first.yaml", "rules: [{ reply: Hello., usage: { input: 1000, output: 200 } }]\n");
    home.write("second.yaml", "rules: [{ reply: Hello there., usage: { input: 1000, output: 400 } }]\n");
    let model = |name: &str, input: &str, output: &str| {
        format!(
            "  {name}: {{ provider: scripted, script: {name}.yaml, price: {{ input: {input}, output: {output} }} }}\n"
        )
    };
    home.write(
        "pawl.yaml",
        &format!("models:\n{}{}", model("first", "3", "15"), model("second", "0.15", "0.6")),
    );
    assert_eq!(home.pawl(&["run", "thinks.yaml"]).code, Some(0));
    let run = home.newest();
    same!("travel_with_model", home.pawl(&["fork", &run, "--at", "1", "--with", "model=second"]));
    let fork = home.newest();
    same!("travel_with_model_diff", home.pawl(&["diff", &run, &fork]));
    let usage = home.json(&["diff", &run, &fork])["usage"].clone();
    // 1,000 tokens at 3 a million and 200 at 15; 1,000 at 0.15 and 400 at 0.6.
    assert_eq!(
        (usage["first"]["money"].as_f64(), usage["second"]["money"].as_f64()),
        (Some(0.006), Some(0.00039))
    );
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

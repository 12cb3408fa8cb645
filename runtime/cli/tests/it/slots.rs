//! Runs that wait for a slot, as the command line shows them.

use crate::home::{Home, same};

const TURNS: &str = "\
pawl: 1
workflow: turns
version: 1.0.0
concurrency: { key: desk, limit: 1 }
priority: 70
steps:
  - id: ask
    human: { title: Done? }
";

#[test]
fn a_run_waits_for_the_slot_of_another_and_goes_on_after_it() {
    let home = Home::new();
    home.write("turns.yaml", TURNS);
    assert_eq!(home.pawl(&["run", "turns.yaml"]).code, Some(3));
    let second = home.pawl(&["run", "turns.yaml"]);
    assert_eq!(second.code, Some(3), "{}", second.show());
    same!("slots_run", second);
    let waits = home.newest();
    same!("slots_show", home.pawl(&["show", &waits]));
    same!("slots_show_json", home.pawl(&["show", &waits, "--json"]));
    same!("slots_runs", home.pawl(&["runs"]));
    same!("slots_events", home.pawl(&["events", &waits]));
    same!("slots_resume", home.pawl(&["resume"]));
}

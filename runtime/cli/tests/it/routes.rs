//! Plugins that are chosen when a step is reached, as the command line shows them.

use crate::home::{Home, same, workflow};

#[test]
fn who_was_chosen_and_why_is_explained() {
    let home = Home::new();
    let ran = home.pawl(&["run", &workflow("support.yaml"), "--input", "ticket=A-1002 is late"]);
    assert_eq!(ran.code, Some(0), "{}", ran.show());
    let run = home.newest();
    same!("routes_explain", home.pawl(&["explain", &run, "sort"]));
    let explained = home.json(&["explain", &run, "order"]);
    assert_eq!(explained[0]["chosen"], "orders.lookup");
    assert_eq!(explained[0]["wanted"]["labels"]["domain"], "shop");
    assert_eq!(explained[0]["candidates"][0]["left_out"], serde_json::Value::Null);
    same!("routes_explain_named", home.pawl(&["explain", &run, "answer"]));
    same!("routes_explain_unknown", home.pawl(&["explain", &run, "nowhere"]));
    same!("routes_events", home.pawl(&["events", &run]));
}

#[test]
fn a_listing_shows_who_would_be_chosen() {
    let home = Home::new();
    home.write("pawl.yaml", "plugins: { triage: { labels: { tier: '1' }, priority: 10, cost: 0.002 } }\n");
    same!("routes_list", home.pawl(&["plugin", "list", "--match", "capability=classify,lang=en"]));
    let near = home.json(&["plugin", "list", "--match", "capability=classify,lang=de"]);
    assert_eq!(near[0]["left_out"], "its label lang is en, not de");
    assert_eq!((&near[0]["labels"]["tier"], &near[0]["cost"]), (&"1".into(), &0.002.into()));
    let tools =
        home.json(&["plugin", "list", "--match", "capability=lookup,kind=tool", "--prefer", "cost,health"]);
    assert_eq!((&tools[0]["name"], &tools[0]["tool"]), (&"orders".into(), &"lookup".into()));
    for wrong in ["classify", "lang=de", "capability=a,kind=bot"] {
        assert_eq!(home.pawl(&["plugin", "list", "--match", wrong]).code, Some(2), "{wrong}");
    }
}

#[test]
fn a_workflow_that_finds_nobody_is_warned_of() {
    let home = Home::new();
    let text = "pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps:\n  - id: a\n    agent: { match: { capability: clasify } }\n";
    home.write("w.yaml", text);
    same!("routes_check", home.pawl(&["check", "w.yaml"]));
    same!("routes_nobody", home.pawl(&["run", "w.yaml"]));
}

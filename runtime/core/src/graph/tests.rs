use super::*;
use crate::source::load;

const SOURCE: &str = r#"
pawl: 1
workflow: review
version: 1.0.0
steps:
  - id: write
    tool: drafts.write
    max_visits: 3
  - id: look
    human: { title: Good? }
    then:
      - when: steps.look.output.action == "reject"
        to: write
  - id: pick
    if: steps.write.output.round > 1
    switch:
      - when: steps.write.output.text | length < 5
        to: stop
      - to: rest
  - id: stop
    fail: too short
  - id: rest
    wait: 5m
    then: end
"#;

#[test]
fn a_definition_is_drawn_with_its_conditions() {
    let loaded = load("review.yaml", SOURCE).unwrap();
    insta::assert_snapshot!("mermaid", to_mermaid(&loaded.definition));
    insta::assert_snapshot!("dot", to_dot(&loaded.definition));
}

#[test]
fn a_definition_as_json_has_the_nodes_and_ways_of_its_drawing() {
    let definition = load("review.yaml", SOURCE).unwrap().definition;
    let drawn = to_json(&definition);
    let of = |list: &str, fields: &[&str]| -> Vec<Vec<String>> {
        let row = |one: &serde_json::Value| {
            fields.iter().map(|field| one[*field].as_str().unwrap_or("-").to_owned()).collect()
        };
        drawn[list].as_array().unwrap().iter().map(row).collect()
    };
    assert_eq!(
        of("nodes", &["id", "kind", "step", "detail"]),
        [
            ["run_start", "start", "-", "-"],
            ["step_write", "tool", "write", "tool drafts.write"],
            ["step_look", "human", "look", "human"],
            ["step_pick", "switch", "pick", "switch if steps.write.output.round > 1"],
            ["step_stop", "fail", "stop", "fail"],
            ["step_rest", "wait", "rest", "wait 5m"],
            ["run_end", "end", "-", "-"],
        ]
    );
    let edges = of("edges", &["from", "to", "label"]);
    assert!(edges.contains(&vec![
        "step_look".to_owned(),
        "step_write".to_owned(),
        "steps.look.output.action == \"reject\"".to_owned()
    ]));
    assert_eq!(edges.len(), to_mermaid(&definition).matches("-->").count());
}

const NEEDS: &str = "
pawl: 1
workflow: needs
version: 1.0.0
steps:
  - { id: top, set: 1 }
  - { id: left, needs: [top], if: 1 > 2, set: 1 }
  - id: right
    needs: [top]
    parallel:
      branches:
        one: [{ id: a, needs: [], set: 1 }, { id: b, set: 2 }, { id: c, needs: [a, b], set: 3 }]
    finally: [{ id: d, needs: [], set: 1 }, { id: e, set: 2 }]
  - { id: bottom, needs: [left, right], set: 1 }
  - { id: alone, set: 1 }
";

#[test]
fn what_needs_what_is_drawn() {
    let loaded = load("needs.yaml", NEEDS).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render(false));
    insta::assert_snapshot!("needs", to_mermaid(&loaded.definition));
}

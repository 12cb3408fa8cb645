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

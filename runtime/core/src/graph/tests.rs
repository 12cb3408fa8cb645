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

//! `pawl test`: what its reports look like, and how it ends.

use crate::home::{Home, same, workflow};

const WORKFLOW: &str = "\
pawl: 1
workflow: pay
version: 1.0.0
steps:
  - id: approve
    human: { title: Pay 40 EUR? }
  - id: pay
    if: steps.approve.output.action == 'approve'
    tool: payments.refund
    with: { order: A-1001, amount: 40 }
outputs:
  decision: ${{ steps.approve.output.action }}
  paid: ${{ steps.pay.output.amount | default(0) }}
";

const TESTS: &str = "\
tests:
  - name: what is approved is paid
    people:
      - { step: approve, action: approve, after: 3d }
    expect:
      path: [approve, pay]
      outputs: { decision: approve, paid: 40 }
  - name: what is rejected is not paid
    people:
      - { step: approve, action: reject }
    expect:
      path: [approve, pay]
      outputs: { decision: rejected, paid: 0 }
      calls: { payments.refund: 1 }
  - name: somebody decides
    expect: {}
";

/// Somebody who says of every payment whose outcome is unknown that it failed.
const UNLUCKY: &str = "\
tests:
  - name: what is approved is paid
    people:
      - { step: approve, action: approve }
      - { step: pay, unknown: true, action: failed, form: { note: no receipt } }
    expect: {}
";

fn home() -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path("flows")).unwrap();
    home.write("flows/pay.yaml", WORKFLOW);
    home.write("flows/pay.test.yaml", TESTS);
    home
}

#[test]
fn tests_that_pass_are_listed() {
    let home = home();
    same!("test_passed", home.pawl(&["test", "flows", "--filter", "approved"]));
    let mut document = home.json(&["test", "flows/pay.yaml", "--filter", "approved"]);
    document[0]["tests"][0]["took_ms"] = 0.into();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_json_snapshot!("test_passed_json", document);
    });
    let crashed =
        home.pawl(&["test", "flows", "--filter", "approved", "--crash-at-every-event", "--seed", "7"]);
    same!("test_crashed", crashed);
    same!("test_hello", home.pawl(&["test", &workflow("hello.test.yaml")]));
}

#[test]
fn a_test_that_fails_says_what_was_expected_and_what_was_found() {
    let home = home();
    same!("test_failed", home.pawl(&["test", "--junit", "junit.xml"]));
    let junit = std::fs::read_to_string(home.path("junit.xml")).unwrap();
    assert!(
        junit.contains(
            r#"<testsuite name="./flows/pay.test.yaml" tests="3" skipped="0" errors="0" failures="2">"#
        ),
        "{junit}"
    );
    home.write("flows/pay.test.yaml", UNLUCKY);
    same!("test_crash_differs", home.pawl(&["test", "flows", "--crash-at-every-event"]));
}

#[test]
fn tests_that_cannot_be_run_are_told_apart_from_tests_that_fail() {
    let home = home();
    home.write("flows/other.test.yaml", "tests: [{ name: one, expects: {} }]");
    home.write("flows/lost.test.yaml", "workflow: nowhere.yaml\ntests: [{ name: one, expect: {} }]");
    same!("test_unusable", home.pawl(&["test", "flows"]));
    same!("test_unusable_json", home.pawl(&["test", "flows/other.test.yaml", "--json"]));
    same!("test_none", home.pawl(&["test", "data"]));
    same!("test_none_of_that_name", home.pawl(&["test", "flows/pay.test.yaml", "--filter", "nobody"]));
    same!("test_no_file", home.pawl(&["test", "nowhere.test.yaml"]));
    let junit =
        home.pawl(&["test", "flows/pay.test.yaml", "--filter", "approved", "--junit", "no/such/folder.xml"]);
    same!("test_junit_nowhere", junit);
}

#[test]
fn a_check_reads_tests_as_well() {
    let home = home();
    let mismatched = TESTS.replace("step: approve", "step: aprove");
    home.write("flows/bad.test.yaml", &format!("workflow: pay.yaml\n{mismatched}"));
    let files = ["check", "flows/pay.yaml", "flows/pay.test.yaml", "flows/bad.test.yaml"];
    same!("test_check", home.pawl(&files));
}

//! Calls that stop at a person, and what the operator's file asks and withholds.

use crate::home::{Home, same, workflow};

const PAY: &str = "\
pawl: 1
workflow: pay
version: 1.0.0
inputs: { amount: { type: number, default: 120 } }
approvals:
  - { tool: payments.refund, when: arguments.amount > 100, to: [group:finance], due: 24h, on_timeout: reject }
steps:
  - id: pay
    tool: payments.refund
    with: { order: A-1002, amount: \"${{ inputs.amount }}\" }
";

#[test]
fn a_guarded_call_is_shown_edited_and_made() {
    let home = Home::new();
    home.write("pay.yaml", PAY);
    same!("guard_run", home.pawl(&["run", "pay.yaml"]));
    same!("guard_approvals", home.pawl(&["approvals"]));
    same!("guard_show", home.pawl(&["show", &home.newest()]));
    let approval = home.approval();
    let wrong = ["approve", &approval, "--data", r#"arguments={"order": "A-1002", "amount": "much"}"#];
    same!("guard_edited_wrongly", home.pawl(&wrong));
    same!("guard_rejected_with_arguments", home.pawl(&["reject", &approval, "--data", "arguments={}"]));
    let edited = ["approve", &approval, "--data", r#"arguments={"order": "A-1002", "amount": 40}"#];
    same!("guard_edited", home.pawl(&edited));
    same!("guard_twice", home.pawl(&["approve", &approval]));
    same!("guard_events", home.pawl(&["events", &home.newest()]));
    same!("guard_verify", home.pawl(&["verify"]));
    let small = home.pawl(&["run", "pay.yaml", "--input", "amount=100"]);
    assert_eq!(small.code, Some(0), "{}", small.stderr);
    home.pawl(&["run", "pay.yaml"]);
    same!("guard_rejected", home.pawl(&["reject", &home.approval(), "--data", "note=too much"]));
}

#[test]
fn the_operators_file_asks_for_more_and_withholds() {
    let home = Home::new();
    home.write("pay.yaml", PAY);
    home.write("pawl.yaml", "policies: [{ tool: payments.*, approval: required, to: [group:security] }]\n");
    home.pawl(&["run", "pay.yaml"]);
    same!("guard_operator_approvals", home.pawl(&["approvals"]));
    home.write("pawl.yaml", "grants: { tools: [orders.*] }\n");
    same!("guard_withheld", home.pawl(&["check", "pay.yaml"]));
    assert_eq!(home.pawl(&["run", "pay.yaml"]).code, Some(2));
    home.write("pawl.yaml", "policies: [{ tool: payments.*, aproval: required }]\n");
    same!("guard_operator_wrong", home.pawl(&["check", "pay.yaml"]));
}

#[test]
fn a_plugin_shows_what_a_workflow_grants_it() {
    let home = Home::new();
    let research = workflow("research.yaml");
    let inspect =
        |plugin: &str| home.json(&["plugin", "inspect", plugin, "--for", &research])["grants"].clone();
    let granted = serde_json::json!({
        "tools": ["orders.list", "orders.lookup"], "models": ["default"], "human": false, "memory": false, "timers": false,
    });
    let step = |grants| serde_json::json!([{ "step": "research", "grants": grants, "missing": [] }]);
    assert_eq!(inspect("assistant"), step(granted));
    assert_eq!(
        inspect("orders"),
        step(serde_json::json!({ "human": false, "memory": false, "timers": false }))
    );
    assert_eq!(inspect("payments"), serde_json::json!([]));
    let told = home.pawl(&["plugin", "inspect", "planner", "--for", &research]).stdout;
    assert!(told.trim_end().ends_with("no step uses it"), "{told}");
}

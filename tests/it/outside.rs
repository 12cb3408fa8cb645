//! What test files say of signals, events and cancels, and what is found when it is not so.

use anyhow::Result;

use crate::testing::{Written, crashing};

const WAITS: &str = "
pawl: 1
workflow: waits
version: 1.0.0
steps:
  - id: paid
    signal: { name: paid, data: { amount: number }, due: 1h }
    catch: [{ id: unpaid, set: { amount: 0 } }]
  - id: heard
    wait: { topic: orders/>, due: 1h }
    catch: [{ id: silence, set: none }]
outputs: { amount: '${{ steps.paid.output.amount }}' }
";

const PAID: &str = "{ name: paid, data: { amount: 4 } }";

#[tokio::test]
async fn what_comes_from_outside_and_does_not_fit_the_run_is_found() -> Result<()> {
    let cases = [
        (format!("signals: [{PAID}]"), vec![]),
        (format!("signals: [{PAID}, {PAID}]"), vec!["signal 'paid'"]),
        (
            format!("signals: [{PAID}]\n    events: [{{ topic: orders/eu }}, {{ topic: orders/us }}]"),
            vec!["event orders/us"],
        ),
        ("signals: [{ name: paid, data: { amount: 4 }, refused: true }]".to_owned(), vec!["signal 'paid'"]),
        // Too late for its step: it is kept, and nobody takes it.
        ("signals: [{ name: paid, data: { amount: 4 }, after: 90m }]".to_owned(), vec![]),
        ("cancel: { step: silence }".to_owned(), vec!["cancel"]),
        ("cancel: { after: 3h }".to_owned(), vec!["cancel"]),
    ];
    for (outside, expected) in cases {
        let text = format!("tests:\n  - name: one\n    {outside}\n    expect: {{ status: completed }}\n");
        let report = Written::new(WAITS, &text)?.one(&crashing()).await?;
        let found: Vec<&str> = report.findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(found, expected, "{outside}");
        assert_eq!(report.passed(), expected.is_empty(), "{outside}: {:?}", report.crashes);
    }
    Ok(())
}

#[tokio::test]
async fn a_cancel_comes_where_the_test_says() -> Result<()> {
    for (cancel, path) in [
        ("{ step: paid, after: 5m }", "[paid]"),
        ("{ step: heard }", "[paid, heard]"),
        ("{ after: 90m }", "[paid, heard]"),
        ("{ after: 0s }", "[paid]"),
    ] {
        let text = format!(
            "tests:\n  - name: one\n    cancel: {cancel}\n    expect: {{ status: cancelled, path: {path} }}\n"
        );
        let report = Written::new(WAITS, &text)?.one(&crashing()).await?;
        assert!(report.passed(), "{cancel}: {:?} {:?}", report.findings, report.crashes);
    }
    Ok(())
}

#[tokio::test]
async fn who_waits_for_ever_is_told_what_to_add() -> Result<()> {
    for (step, key) in [("signal: paid", "`signals`"), ("wait: { topic: orders/> }", "`events`")] {
        let workflow = format!("pawl: 1\nworkflow: waits\nversion: 1.0.0\nsteps:\n  - id: one\n    {step}\n");
        let report = Written::new(&workflow, "tests: [{ name: one, expect: {} }]")?.one(&crashing()).await?;
        let told = report.findings.iter().any(|finding| finding.found.contains(key));
        assert!(told, "{:?}", report.findings);
    }
    Ok(())
}

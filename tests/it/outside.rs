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

#[tokio::test]
async fn an_agent_that_waits_gets_the_signals_of_the_test() -> Result<()> {
    let guest = pawl_tests::root().join("tests/guests/script.wasm");
    let workflow = format!(
        "pawl: 1
workflow: waits
version: 1.0.0
plugins: {{ script: {} }}
permissions: {{ tools: [orders.lookup], agents: [script], signals: [go], human: true, memory: true, timers: true }}
steps:
  - id: work
    agent: script
    with: {{ steps: [{{ signal: [go, null] }}, {{ sleep: 60000 }}, {{ signal: [go, 3600000] }}] }}
outputs: {{ got: '${{{{ steps.work.output }}}}' }}
",
        guest.display()
    );
    let of = |signals: &str, third: &str| {
        format!(
            "tests:\n  - name: one\n    signals: [{signals}]\n    expect: {{ outputs: {{ got: [{{ n: 1 }}, null, {third}] }} }}\n"
        )
    };
    let one = "{ name: go, data: { n: 1 }, step: work, after: 10s }";
    let late = "{ failed: \"no signal 'go' came until 2026-01-01T01:01:10.000Z\" }";
    let cases = [
        (of(&format!("{one}, {{ name: go, data: {{ n: 2 }} }}"), "{ n: 2 }"), vec![]),
        (of(one, late), vec![]),
        (of(&format!("{one}, {one}, {one}"), "{ n: 1 }"), vec!["signal 'go'"]),
    ];
    for (tests, expected) in cases {
        let report = Written::new(&workflow, &tests)?.one(&crashing()).await?;
        let found: Vec<&str> = report.findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(found, expected, "{tests}: {:?} {:?}", report.findings, report.crashes);
    }
    Ok(())
}

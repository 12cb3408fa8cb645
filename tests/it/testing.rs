//! `pawl test` as a library: the project's own tests of its workflows, and that the harness finds what is wrong.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_engine::EngineConfig;
use pawl_sandbox::SandboxConfig;
use pawl_testing::{FileReport, Options, Suite, TestReport, find, is_test, to_junit};
use pawl_tests::{cache_dir, workflow};
use tempfile::TempDir;

async fn suite() -> Result<Suite> {
    let cache_dir = Some(cache_dir()?);
    let sandbox = SandboxConfig { cache_dir, agents_max: 16, tools_max: 16, ..SandboxConfig::default() };
    Ok(Suite::open(EngineConfig { sandbox, ..EngineConfig::default() }).await?)
}

pub(crate) fn crashing() -> Options {
    Options { crash_at_every_event: true, ..Options::default() }
}

async fn run(suite: &Suite, file: &Path, options: &Options) -> Result<FileReport> {
    Ok(suite.run(file, options, Arc::new(|_, _, _| {})).await?)
}

fn shown(report: &FileReport) -> String {
    let failed = report.tests.iter().filter(|test| !test.passed());
    let texts = failed.map(|test| format!("{}\n  {}", test.name, test.lines(&report.file).join("\n  ")));
    texts.collect::<Vec<_>>().join("\n")
}

/// A workflow and its tests in a folder of their own.
pub(crate) struct Written {
    folder: TempDir,
}

impl Written {
    pub(crate) fn new(workflow: &str, tests: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("w.yaml"), workflow)?;
        std::fs::write(folder.path().join("w.test.yaml"), tests)?;
        Ok(Self { folder })
    }

    async fn run(&self, options: &Options) -> Result<FileReport> {
        run(&suite().await?, &self.folder.path().join("w.test.yaml"), options).await
    }

    /// The report of the one test.
    pub(crate) async fn one(&self, options: &Options) -> Result<TestReport> {
        let [test] = self.run(options).await?.tests.try_into().map_err(|_| anyhow::anyhow!("one test"))?;
        Ok(test)
    }
}

#[test]
fn every_workflow_of_the_project_has_tests() -> Result<()> {
    let mut missing = BTreeSet::new();
    for entry in std::fs::read_dir(workflow(""))? {
        let path = entry?.path();
        let is_workflow = path.extension().is_some_and(|extension| extension == "yaml") && !is_test(&path);
        if is_workflow && !path.with_extension("test.yaml").exists() {
            missing.insert(path);
        }
    }
    ensure!(missing.is_empty(), "no tests for {missing:?}");
    Ok(())
}

#[tokio::test]
async fn the_workflows_of_the_project_pass_their_tests_with_a_crash_at_every_event() -> Result<()> {
    let suite = suite().await?;
    let mut problems = Vec::new();
    let mut crashes = 0;
    for file in find(&[workflow("")])? {
        let report = run(&suite, &file, &crashing()).await.with_context(|| file.display().to_string())?;
        ensure!(!report.tests.is_empty(), "{} has no test", report.file);
        let tried = |test: &TestReport| test.crashes.as_ref().map_or(0, |crashes| crashes.tried);
        crashes += report.tests.iter().map(tried).sum::<usize>();
        if report.failed() > 0 {
            problems.push(format!("{}\n{}", report.file, shown(&report)));
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n\n"));
    ensure!(crashes > 300, "only {crashes} crashes");
    Ok(())
}

/// The folder of workflows that are here for their crashes alone.
fn crashes(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crashes").join(file)
}

#[tokio::test]
async fn an_agent_in_the_midst_of_calls_that_it_makes_together_survives_every_crash() -> Result<()> {
    let report = run(&suite().await?, &crashes("together.test.yaml"), &crashing()).await?;
    ensure!(report.failed() == 0, "{}", shown(&report));
    ensure!(report.tests[0].crashes.as_ref().is_some_and(|crashes| crashes.tried > 10));
    Ok(())
}

#[tokio::test]
async fn a_map_of_a_thousand_items_passes() -> Result<()> {
    let report = run(&suite().await?, &crashes("many.test.yaml"), &Options::default()).await?;
    ensure!(report.failed() == 0, "{}", shown(&report));
    Ok(())
}

const PAY: &str = "
pawl: 1
workflow: pay
version: 1.0.0
inputs: { amount: { type: number, default: 40 } }
steps:
  - id: order
    tool: orders.lookup
    with: { id: A-1001 }
  - id: approve
    human: { title: 'Pay ${{ inputs.amount }}?', to: [group:finance], due: 2d, on_timeout: reject }
    then:
      - { when: steps.approve.output.action == 'reject', to: end }
  - id: pay
    tool: payments.refund
    with: { order: A-1001, amount: '${{ inputs.amount }}' }
outputs:
  decision: ${{ steps.approve.output.action }}
  paid: ${{ steps.pay.output.amount | default(0) }}
";

const APPROVED: &str = "    people: [{ step: approve, action: approve }]\n";

/// A test that holds, with one thing more in what is expected.
fn wrong(expect: &str) -> String {
    format!("tests:\n  - name: one\n{APPROVED}    expect:\n      {expect}\n")
}

#[tokio::test]
async fn a_wrong_expectation_is_found() -> Result<()> {
    let cases = [
        ("status: failed", "status"),
        ("path: [order, pay]", "path"),
        ("within: { order: [pay] }", "steps within order"),
        ("outputs: { decision: approve, paid: 41 }", "outputs.paid"),
        ("outputs: { paid: 40 }", "outputs.decision"),
        ("outputs_include: { paid: 41 }", "outputs.paid"),
        ("holds: outputs.paid > 40", "holds"),
        ("holds: outputs.paid", "holds"),
        ("events: [step-completed pay, step-completed order]", "events"),
        ("events: [step-complete]", "events"),
        ("calls: { orders.lookup: 2 }", "calls of orders.lookup"),
        ("calls: { payments.refund: { with: [{ amount: 41 }] } }", "calls of payments.refund"),
        ("error: { kind: permanent }", "status"),
    ];
    for (expect, what) in cases {
        let test = Written::new(PAY, &wrong(expect))?.one(&crashing()).await?;
        let found: Vec<&str> = test.findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(found, [what], "{expect}");
        assert!(!test.passed() && test.crashes.is_none(), "{expect}");
    }
    let right = "{ outputs: { decision: approve, paid: 40.0 }, calls: { payments.refund: 1 } }";
    let tests = format!("tests:\n  - name: one\n{APPROVED}    expect: {right}\n");
    assert!(Written::new(PAY, &tests)?.one(&Options::default()).await?.passed());
    Ok(())
}

#[tokio::test]
async fn what_does_not_go_as_a_test_says_is_found() -> Result<()> {
    let refused = "people: [{ step: approve, action: approve, by: user:bob }]";
    let failing = "tools: { orders.lookup: { fail: { kind: permanent, message: gone } } }";
    let cases = [
        // Nobody is asked what the second entry answers.
        (
            "people: [{ step: approve, action: approve }, { step: approve, action: reject }]",
            "{}",
            vec!["people"],
        ),
        ("people: [{ step: approve, action: reject, refused: true }]", "{}", vec!["answer 'reject'"]),
        (refused, "{}", vec!["answer 'approve'"]),
        ("people: [{ step: approve, action: agree }]", "{}", vec!["answer 'agree'"]),
        ("people: []\n    faults: [{ crash_after: 99 }]", "{}", vec!["crash_after"]),
        ("people: []\n    faults: [{ fail: payments.refund }]", "{}", vec!["faults of payments.refund"]),
        (
            "people: []\n    tools: { orders.lookup: { when: { id: B }, fail: permanent } }",
            "{ status: failed }",
            vec!["calls of orders.lookup"],
        ),
        ("tools: { orders.lookup: { hang: true } }", "{ status: running }", vec![]),
        (failing, "{ error: { message: away } }", vec!["error.message"]),
        (failing, "{ error: { kind: denied } }", vec!["error.kind"]),
        (failing, "{ error: { step: pay } }", vec!["error.step"]),
        (failing, "{ outputs: {}, status: failed }", vec!["outputs"]),
    ];
    for (given, expect, expected) in cases {
        let tests = format!("tests:\n  - name: one\n    {given}\n    expect: {expect}\n");
        let Ok(test) = Written::new(PAY, &tests)?.one(&Options::default()).await else {
            ensure!(expected.is_empty(), "{given}");
            continue;
        };
        let found: Vec<&str> = test.findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(found, expected, "{given} {expect}");
    }
    let tests = "tests:\n  - name: one\n    tools: { orders.lookup: { hang: true } }\n    expect: {}\n";
    let test = Written::new(PAY, tests)?.one(&Options::default()).await?;
    let found: Vec<&str> = test.findings.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(found, ["the run's end", "status"]);
    Ok(())
}

#[tokio::test]
async fn a_crash_that_makes_a_difference_is_found_with_its_position() -> Result<()> {
    let tests = |action: &str| {
        format!(
            "tests:\n  - name: one\n    people:\n      - {{ step: approve, action: approve }}\n      \
             - {{ step: pay, unknown: true, action: {action} }}\n    expect: {{}}\n"
        )
    };
    let failed = "the run is failed, rejected: a person decided that it failed: no reason given, and completed \
                  without it";
    let twice = r#"payments.refund of step 'pay' acted 2 times with {"amount":40,"order":"A-1001"}; it must act at most once"#;
    let begun = "after event 10 (attempt-started pay)";
    let done = "before event 11 (step-completed pay) was durable";
    for (action, how, positions) in [("failed", failed, vec![begun, done]), ("retry", twice, vec![done])] {
        let test = Written::new(PAY, &tests(action))?.one(&crashing()).await?;
        let crashes = test.crashes.context("crashes")?;
        assert_eq!(crashes.tried, crashes.positions);
        let found = crashes.differences.iter().map(|at| (at.position.as_str(), at.how.clone()));
        let expected = positions.into_iter().map(|position| (position, vec![how.to_owned()]));
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{action}");
    }
    Ok(())
}

#[tokio::test]
async fn the_same_seed_gives_the_same_runs() -> Result<()> {
    let tests = "tests:\n  - name: one\n    people: [{ step: approve, action: approve }]\n    \
                 expect: { holds: steps.pay.output.receipt == 'R' }\n";
    let written = Written::new(PAY, tests)?;
    let mut receipts = Vec::new();
    for seed in [1, 1, 2] {
        let test = written.one(&Options { seed, ..Options::default() }).await?;
        receipts.push((test.findings, test.events));
    }
    // The receipt follows from the run's id.
    let workflow = PAY.replace("  paid:", "  receipt: ${{ steps.pay.output.receipt }}\n  paid:");
    let written = Written::new(&workflow, tests)?;
    let mut found = Vec::new();
    for seed in [1, 1, 2] {
        found.push(written.one(&Options { seed, ..Options::default() }).await?.findings);
    }
    assert_eq!(receipts[0], receipts[1]);
    assert_eq!(found[0], found[1]);
    assert_ne!(found[0], found[2]);
    Ok(())
}

#[tokio::test]
async fn a_filter_chooses_tests_by_their_names() -> Result<()> {
    let file = workflow("refund.test.yaml");
    let options = Options { filter: Some("rejected refund".to_owned()), ..Options::default() };
    let report = run(&suite().await?, &file, &options).await?;
    let names: Vec<&str> = report.tests.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(names, ["a rejected refund is not paid"]);
    Ok(())
}

#[tokio::test]
async fn a_report_is_also_junit() -> Result<()> {
    let text = wrong("outputs: { decision: 'a <b>', paid: 40 }") + "  - name: two\n    expect: {}\n";
    let mut report = Written::new(PAY, &text)?.run(&Options::default()).await?;
    report.file = "w.test.yaml".to_owned();
    for test in &mut report.tests {
        test.took = std::time::Duration::from_millis(5);
    }
    let document = to_junit(&[report])?;
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("junit", document);
    });
    Ok(())
}

#[tokio::test]
async fn a_test_file_names_another_workflow() -> Result<()> {
    let written = Written::new(PAY, "workflow: other/v.yaml\ntests: [{ name: one, expect: {} }]\n")?;
    let refused = written.run(&Options::default()).await;
    assert!(refused.is_err(), "there is no such file");
    let other = written.folder.path().join("other");
    std::fs::create_dir(&other)?;
    std::fs::copy(workflow("hello.yaml"), other.join("v.yaml"))?;
    let test = written.one(&Options::default()).await?;
    assert_eq!(test.path, ["greet"]);
    Ok(())
}

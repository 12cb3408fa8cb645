//! The short form: every known input and some cases of every target, and that what is wrong is noticed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use pawl_fuzz::{Form, Plan, TARGETS, Target, run};

/// Of each target; the program `fuzz` takes millions.
const CASES: u64 = 300;

fn plan(folder: &tempfile::TempDir, cases: u64, case_max: Duration) -> Plan {
    Plan { seed: 1, from: 0, cases, case_max, found_max: 3, folder: folder.path().to_owned() }
}

#[test]
fn nothing_that_pawl_reads_makes_it_panic_or_hang() {
    let folder = tempfile::tempdir().unwrap();
    for target in TARGETS {
        // Generous: a debug build beside other tests. A hang has no end at all.
        let report = run(target, &plan(&folder, CASES, Duration::from_mins(1))).unwrap();
        assert!(report.found.is_empty(), "{}: {:?}", target.name, report.found);
        assert_eq!(report.cases, CASES, "{}", target.name);
        assert!(report.known > 0, "{} has no known input", target.name);
    }
}

fn faulty(name: &'static str, check: fn(&[u8])) -> &'static Target {
    Box::leak(Box::new(Target {
        name,
        about: "",
        check,
        seeds: &[("workflows", "hello.yaml")],
        form: Form::Text,
    }))
}

#[test]
fn a_panic_is_found_and_its_input_kept() {
    let folder = tempfile::tempdir().unwrap();
    let target = faulty("topic", |input| assert!(input.len() > 1_000_000, "it is short"));
    let report = run(target, &plan(&folder, 10, Duration::from_mins(1))).unwrap();
    assert!(!report.found.is_empty());
    assert!(report.found.iter().all(|found| found.what.contains("it is short")), "{:?}", report.found);
    assert!(report.found.iter().all(|found| found.file.exists()));
}

#[test]
fn a_case_that_does_not_come_to_an_end_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let target = faulty("topic", |_| {
        loop {
            std::thread::park();
        }
    });
    let report = run(target, &plan(&folder, 1, Duration::from_millis(50))).unwrap();
    assert_eq!(report.found.len(), 1);
    assert!(report.found[0].what.contains("does not come to an end"), "{:?}", report.found);
}

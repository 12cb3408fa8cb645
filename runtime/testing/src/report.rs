//! What tests came to.

use std::time::Duration;

use pawl_core::source::test_file::Place;
use pawl_core::view::Status;
use serde_json::{Value, json};

use crate::crash::CrashReport;

/// Something that is not as a test says it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where the test says so.
    pub place: Place,
    /// What is compared: `outputs.decision`.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// One event of a run, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLine {
    /// Its number.
    pub seq: u64,
    /// Its name.
    pub name: &'static str,
    /// The step that it is about, if it is about one.
    pub step: Option<String>,
}

/// What a test came to.
#[derive(Debug, Clone)]
pub struct TestReport {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What is not as it must be.
    pub findings: Vec<Finding>,
    /// How the run ended, or that it waits.
    pub status: Status,
    /// The workflow's own steps in the order of arrival.
    pub path: Vec<String>,
    /// The journal, in short.
    pub events: Vec<EventLine>,
    /// What came of crashes, where they were asked for.
    pub crashes: Option<CrashReport>,
    /// How long it really took.
    pub took: Duration,
}

impl TestReport {
    /// Whether everything is as it must be.
    pub fn passed(&self) -> bool {
        self.findings.is_empty() && self.crashes.as_ref().is_none_or(|crashes| crashes.differences.is_empty())
    }

    /// What is wrong, for people: a few lines a finding, without the test's name.
    pub fn lines(&self, file: &str) -> Vec<String> {
        if self.passed() {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for Finding { place, what, expected, found } in &self.findings {
            lines.push(format!("{file}:{}:{}: {what}", place.line, place.column));
            lines.push(format!("  expected  {expected}"));
            lines.push(format!("  found     {found}"));
        }
        if let Some(crashes) = &self.crashes {
            for difference in &crashes.differences {
                let Place { line, column, .. } = self.place;
                lines.push(format!("{file}:{line}:{column}: with a crash {}", difference.position));
                lines.extend(difference.how.iter().map(|how| format!("  {how}")));
            }
        }
        lines.push(format!("path taken: {} ({})", self.path.join(" → "), self.status.name()));
        lines
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let findings = self.findings.iter().map(|finding| {
            json!({
                "line": finding.place.line, "column": finding.place.column, "what": finding.what,
                "expected": finding.expected, "found": finding.found,
            })
        });
        let events = self
            .events
            .iter()
            .map(|event| json!({ "seq": event.seq, "event": event.name, "step": event.step }));
        json!({
            "name": self.name, "line": self.place.line, "passed": self.passed(),
            "status": self.status.name(), "path": self.path,
            "findings": findings.collect::<Vec<_>>(),
            "crashes": self.crashes.as_ref().map(CrashReport::to_json),
            "events": events.collect::<Vec<_>>(),
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// What the tests of a file came to.
#[derive(Debug, Clone)]
pub struct FileReport {
    /// The file.
    pub file: String,
    /// The tests that were run.
    pub tests: Vec<TestReport>,
}

impl FileReport {
    /// How many tests failed.
    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|test| !test.passed()).count()
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        json!({ "file": self.file, "tests": self.tests.iter().map(TestReport::to_json).collect::<Vec<_>>() })
    }
}

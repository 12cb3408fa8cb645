//! One who does all that can be done over HTTP, one thing after the other.

use std::sync::atomic::Ordering;

use pawl_tests::{ask, exchange};
use serde_json::{Value, json};

use super::ledger::{Deed, Ledger};

/// How many runs come between two versions of the writer's own workflow.
const RUNS_OF_A_VERSION: usize = 4;
/// Ends what it does after so many; it is killed long before.
const RUNS_MAX: usize = 10_000;

/// Waits for a signal, asks anybody, ends.
fn source(name: &str, version: &str) -> String {
    format!(
        "
pawl: 1
workflow: {name}
version: {version}
steps:
  - {{ id: go, signal: {{ name: go, due: 7d }} }}
  - {{ id: ask, human: {{ title: Go on?, actions: [approve, reject], due: 48h, on_timeout: reject }} }}
"
    )
}

/// One writer, until its server is killed.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) address: &'a str,
    pub(super) number: usize,
    pub(super) round: usize,
    pub(super) ledger: &'a Ledger,
}

impl Writer<'_> {
    /// Begins runs and takes them to their ends, until the server is gone.
    pub(super) fn write(&self, lasting: &str) {
        for number in 0..RUNS_MAX {
            if self.ledger.stop.load(Ordering::SeqCst) || self.one(number, lasting).is_none() {
                return;
            }
        }
    }

    /// One run from its start to its end; nothing when the server was killed meanwhile, or an answer was wrong.
    fn one(&self, number: usize, lasting: &str) -> Option<()> {
        let workflow = format!("load-{}", self.number);
        if number.is_multiple_of(RUNS_OF_A_VERSION) {
            self.register(&workflow, number)?;
        }
        let tag = format!("of-{}-{}-{number}-", self.round, self.number);
        let run = self.start(&workflow, &tag, number)?;
        let signal = json!({ "data": { "tag": tag } });
        self.post(200, &format!("/v1/runs/{run}/signals/go"), &signal)?;
        self.recorded(&run, "signal-received", &tag);
        self.post(200, &format!("/v1/runs/{lasting}/signals/go"), &signal)?;
        self.recorded(lasting, "signal-received", &tag);
        let open = self.ask(200, "GET", &format!("/v1/approvals?run={run}"), &[], None)?;
        let Some(approval) = open["items"][0]["id"].as_str() else {
            self.ledger.complain(format!("nobody is asked in run {run}, which has its signal: {open}"));
            return None;
        };
        self.comment_and_claim(&run, approval, &tag)?;
        // One half of the writers begins with this way, and one with that.
        if (self.number + number) % 2 == 1 {
            self.answer_by_link(&run, approval, &tag)?;
        } else {
            self.delegate_and_decide(&run, approval, &tag)?;
        }
        self.ledger.note(Deed::Completed { run });
        Some(())
    }

    fn register(&self, workflow: &str, number: usize) -> Option<()> {
        let version = format!("1.{}.{number}", self.round);
        self.post(201, "/v1/workflows", &json!({ "source": source(workflow, &version) }))?;
        self.ledger.note(Deed::Registered { workflow: workflow.to_owned(), version: version.clone() });
        self.post(200, &format!("/v1/workflows/{workflow}/activate"), &json!({ "version": version }))?;
        self.ledger.activated(workflow, self.round, number);
        Some(())
    }

    fn start(&self, workflow: &str, tag: &str, number: usize) -> Option<String> {
        let body = match number % 2 {
            0 => json!({ "source": source("load", "1.0.0") }),
            _ => json!({ "workflow": workflow }),
        };
        let key = format!("idempotency-key: {tag}");
        let started = self.ask(201, "POST", "/v1/runs", &[&key], Some(&body))?;
        let run = started["id"].as_str()?.to_owned();
        self.ledger.note(Deed::Started { key, body, run: run.clone() });
        Some(run)
    }

    fn comment_and_claim(&self, run: &str, approval: &str, tag: &str) -> Option<()> {
        let at = |what: &str| format!("/v1/approvals/{approval}/{what}");
        self.post(200, &at("comment"), &json!({ "text": format!("{tag}comment") }))?;
        self.recorded(run, "approval-commented", &format!("{tag}comment"));
        let held = self.post(200, &at("claim"), &json!({}))?;
        self.recorded(run, "approval-claimed", "user:operator");
        if held["claimed_by"] != "user:operator" {
            self.ledger.complain(format!("{approval} was claimed: {held}"));
        }
        Some(())
    }

    fn delegate_and_decide(&self, run: &str, approval: &str, tag: &str) -> Option<()> {
        let at = |what: &str| format!("/v1/approvals/{approval}/{what}");
        let comment = format!("{tag}delegation");
        self.post(200, &at("delegate"), &json!({ "to": ["user:dan"], "comment": comment }))?;
        self.recorded(run, "approval-delegated", &comment);
        let comment = format!("{tag}decision");
        self.post(200, &at("decide"), &json!({ "action": "approve", "comment": comment }))?;
        self.recorded(run, "approval-decided", &comment);
        Some(())
    }

    /// The way of somebody who has no token: the page behind a link, and its form.
    fn answer_by_link(&self, run: &str, approval: &str, tag: &str) -> Option<()> {
        self.post(200, &format!("/v1/approvals/{approval}/release"), &json!({}))?;
        self.recorded(run, "approval-released", "user:operator");
        let made =
            self.post(201, &format!("/v1/approvals/{approval}/links"), &json!({ "for": "user:ann" }))?;
        let url = made["url"].as_str()?;
        let path = url.get(url.find("/a/")?..)?.to_owned();
        self.ledger.note(Deed::Linked { path: path.clone() });
        let (status, page) = exchange(self.address, "GET", &path, &[], "").ok()?;
        // What breaks off in the midst of the page has no token of the form.
        let token = page.split("name=\"_form\" value=\"").nth(1).and_then(|rest| rest.split_once('"'))?.0;
        if status != 200 {
            self.ledger.complain(format!("GET {path}: {status} {page}"));
            return None;
        }
        let form = format!("_form={token}&_action=approve&_comment={tag}link");
        let kind = ["content-type: application/x-www-form-urlencoded"];
        let (status, page) = exchange(self.address, "POST", &path, &kind, &form).ok()?;
        if status != 200 {
            self.ledger.complain(format!("POST {path}: {status} {page}"));
            return None;
        }
        self.ledger.note(Deed::Used { path });
        self.recorded(run, "approval-decided", &format!("{tag}link"));
        Some(())
    }

    fn recorded(&self, run: &str, event: &'static str, words: &str) {
        self.ledger.note(Deed::Recorded { run: run.to_owned(), event, words: words.to_owned() });
    }

    fn post(&self, expected: u16, path: &str, body: &Value) -> Option<Value> {
        self.ask(expected, "POST", path, &[], Some(body))
    }

    /// An answer; nothing when none came whole. Any other status than the expected one is wrong.
    fn ask(
        &self,
        expected: u16,
        method: &str,
        path: &str,
        more: &[&str],
        body: Option<&Value>,
    ) -> Option<Value> {
        let (status, answer) = ask(self.address, method, path, more, body).ok()?;
        if status != expected {
            self.ledger.complain(format!("{method} {path}: {status} {answer}"));
            return None;
        }
        Some(answer)
    }
}

//! What was recorded is not done again, what must happen at most once does, and nothing happens outside
//! that no journal knows.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::view::Status;

use super::{Findings, Violation};
use crate::TimedCall;
use crate::torture::PAYMENT;
use crate::torture::evidence::Evidence;
use crate::torture::facts::Facts;
use crate::torture::plan::run_of;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut findings = Findings::of("once");
    let mut by_key: BTreeMap<&str, Vec<&TimedCall>> = BTreeMap::new();
    for call in &evidence.calls {
        by_key.entry(&call.call.key).or_default().push(call);
    }
    let mut facts = BTreeMap::new();
    for book in evidence.books.values() {
        let of_book = Facts::of(book);
        let mut seen = BTreeSet::new();
        for result in &of_book.results {
            if !seen.insert(&result.key) {
                findings.add(
                    book.run,
                    format!("call {} has its second result at event {}", result.key, result.seq),
                );
            }
            let Some(calls) = by_key.get(result.key.as_str()) else {
                let what = format!(
                    "event {} is the result of call {}, which nobody outside saw",
                    result.seq, result.key
                );
                findings.add(book.run, what);
                continue;
            };
            for late in calls.iter().filter(|call| call.at > result.at) {
                findings.add(
                    book.run,
                    format!(
                        "call {} of {} was made again at {}, and its result is recorded since {} (event {})",
                        result.key, late.call.tool, late.at, result.at, result.seq
                    ),
                );
            }
        }
        facts.insert(book.run, of_book);
    }
    for (key, calls) in by_key {
        let run = run_of(key);
        let Some((run, of_book)) = run.and_then(|run| Some((run, facts.get(&run)?))) else {
            if !evidence.unreadable.iter().any(|(unreadable, _)| Some(*unreadable) == run) {
                findings.add(run, format!("call {key} was made for a run that is not there"));
            }
            continue;
        };
        if calls[0].call.tool == PAYMENT && !of_book.begun.contains(key) {
            findings.add(run, format!("payment {key} was made, and no event says that it was to be"));
        }
        let allowed = 1 + of_book.retries.get(key).copied().unwrap_or_default();
        if calls[0].call.tool == PAYMENT && calls.len() > allowed {
            let what = format!("payment {key} was made {} times, and people allowed {allowed}", calls.len());
            findings.add(run, what);
        }
        let completed = evidence.books[&run].header.status == Status::Completed;
        if completed && !of_book.results.iter().any(|result| result.key == *key) {
            findings
                .add(run, format!("call {key} reached outside, and the completed run does not know of it"));
        }
    }
    findings.found
}

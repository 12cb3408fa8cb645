//! What a run hears was told by another, once, and whoever an event was published for has heard it.

use std::collections::BTreeSet;

use pawl_core::event::Event;
use pawl_core::view::Status;

use super::{Findings, Moment, Violation};
use crate::torture::evidence::{Book, Evidence};
use crate::torture::ledger::{Command, Order};
use crate::torture::plan::SHOUT;

pub(super) fn check(evidence: &Evidence, moment: Moment) -> Vec<Violation> {
    let mut findings = Findings::of("topics");
    for book in evidence.books.values() {
        heard(&mut findings, evidence, book);
        let is_over = moment == Moment::End && book.header.status == Status::Completed;
        if is_over && book.header.workflow == "ear" {
            ear(&mut findings, evidence, book);
        }
        let emitted = book.own().filter(|envelope| matches!(envelope.event, Event::Emitted { .. })).count();
        if emitted > 1 || (is_over && book.header.workflow == SHOUT && emitted == 0) {
            findings.add(book.run, format!("it published {emitted} events"));
        }
    }
    findings.found
}

/// Whatever a run hears was emitted so, and it hears it once.
fn heard(findings: &mut Findings, evidence: &Evidence, book: &Book) {
    let mut seen = BTreeSet::new();
    for envelope in book.own() {
        let Event::TopicHeard { visit, topic, data, from, .. } = &envelope.event else { continue };
        if !seen.insert((*visit, *from)) {
            findings.add(book.run, format!("it heard event {} of run {} twice", from.seq, from.run));
        }
        let emits = |event: &Event| matches!(event, Event::Emitted { topic: told, data: brings, .. } if told == topic && brings == data);
        let of_other = evidence.books.get(&from.run).map(|other| &other.envelopes);
        let is_there =
            of_other.is_some_and(|all| all.iter().any(|other| other.seq == from.seq && emits(&other.event)));
        if !is_there && !evidence.unreadable.iter().any(|(run, _)| *run == from.run) {
            let what =
                format!("it heard on {topic} what event {} of run {} did not tell", from.seq, from.run);
            findings.add(book.run, what);
        }
    }
}

/// It heard an event that was published for it.
fn ear(findings: &mut Findings, evidence: &Evidence, book: &Book) {
    let heard =
        book.header.outputs.as_ref().map(|outputs| &outputs["heard"]).and_then(|heard| heard.as_str());
    let published = |command: &&Command| {
        matches!(&command.order, Order::Publish { run, .. } if *run == book.run) && command.tries > 0
    };
    let mut marks = evidence.commands.iter().filter(published).map(Command::mark);
    if !marks.any(|mark| Some(mark.as_str()) == heard) {
        findings.add(book.run, format!("it heard {heard:?}, which nobody published for it"));
    }
}

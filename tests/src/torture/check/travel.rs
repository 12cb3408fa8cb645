//! Runs that were made of others have what those had, and whatever people did to a run was done as often as they
//! were told and no more often than they asked.

use pawl_core::RunId;
use pawl_core::event::Event;
use pawl_core::travel::Ancestor;

use super::{Findings, Moment, Violation};
use crate::torture::evidence::{Book, Evidence};
use crate::torture::ledger::{Command, Order};

pub(super) fn check(evidence: &Evidence, moment: Moment) -> Vec<Violation> {
    let mut findings = Findings::of("travel");
    for book in evidence.books.values() {
        if book.copied() > 0 {
            fork(&mut findings, evidence, book);
        }
        retries(&mut findings, evidence, book);
        if moment == Moment::End {
            stands_still(&mut findings, book);
        }
    }
    findings.found
}

/// A fork begins with the events of the other up to where it was asked for, and nothing else.
fn fork(findings: &mut Findings, evidence: &Evidence, book: &Book) {
    let copied = book.copied();
    let ancestor = book.started().and_then(|started| started.ancestor);
    let Some(Ancestor::Forked { run: from, seq }) = ancestor else {
        return findings.add(book.run, "it was forked, and does not say of which run");
    };
    if u64::try_from(copied).ok() != Some(seq) {
        findings
            .add(book.run, format!("it has {copied} events of run {from}, and was forked at event {seq}"));
    }
    let asked = |command: &&Command| command.order == Order::Fork { run: from, seq };
    if !evidence.commands.iter().any(|command| asked(&command)) {
        findings.add(book.run, format!("nobody forked run {from} at event {seq}"));
    }
    let Some(other) = evidence.books.get(&from) else {
        return findings.add(book.run, format!("it was forked from run {from}, which is not there"));
    };
    let same = other.envelopes.iter().zip(&book.envelopes).take(copied);
    let differs =
        same.clone().find(|(one, two)| (one.time, one.event.name()) != (two.time, two.event.name()));
    if same.count() < copied || differs.is_some() {
        let at = differs.map_or(other.envelopes.len() as u64, |(one, _)| one.seq);
        findings.add(book.run, format!("its events are not those of run {from} from event {at} on"));
    }
}

/// A failed run goes on only when somebody wants it, and each time that they were told so.
fn retries(findings: &mut Findings, evidence: &Evidence, book: &Book) {
    let retried = book.own().filter(|envelope| matches!(envelope.event, Event::RunRetried(_))).count();
    let of_run =
        |run: RunId| evidence.commands.iter().filter(move |command| command.order == Order::Retry { run });
    let accepted = of_run(book.run).filter(|command| command.is_accepted()).count();
    let given: u32 = of_run(book.run).map(|command| command.tries).sum();
    if retried < accepted || retried as u64 > u64::from(given) {
        let what =
            format!("it was retried {retried} times; {given} times that was asked, {accepted} times told");
        findings.add(book.run, what);
    }
}

/// Nothing begins in a run that is suspended.
fn stands_still(findings: &mut Findings, book: &Book) {
    let mut since = None;
    for envelope in &book.envelopes {
        match &envelope.event {
            Event::RunSuspended(_) => since = Some(envelope.seq),
            Event::RunResumed(_) | Event::RunForked(_) => since = None,
            Event::StepStarted { .. } if since.is_some() => {
                let at = since.unwrap_or_default();
                let what =
                    format!("event {} begins a step, and it is suspended since event {at}", envelope.seq);
                findings.add(book.run, what);
            }
            _ => {}
        }
    }
}

//! Journals whole, and what listings show as the journals give it.

use pawl_core::journal::Head;
use pawl_core::{Digest, Ticket};

use super::{Findings, Violation};
use crate::torture::evidence::{Book, Evidence};

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut findings = Findings::of("whole");
    for (run, why) in &evidence.unreadable {
        findings.add(*run, why);
    }
    for (run, problem) in &evidence.verified {
        findings.add(*run, format!("pawl verify: {problem}"));
    }
    for ticket in &evidence.lost_tickets {
        findings.add(ticket.run, format!("a slot of '{}' is listed for a run that is not there", ticket.key));
    }
    for book in evidence.books.values() {
        of_book(&mut findings, book);
    }
    findings.found
}

fn of_book(findings: &mut Findings, book: &Book) {
    let (header, last) = (&book.header, book.envelopes.last());
    if header.head.seq > last.map_or(0, |last| last.seq) {
        findings.add(book.run, "the header was made of events that the journal does not have");
        return;
    }
    if let Some(hash) = hash_at(book, header.head)
        && hash != header.head.hash
    {
        findings
            .add(book.run, format!("event {} is not the one that the header was made of", header.head.seq));
    }
    if book.state(header.head.seq).header(header.head) != *header {
        findings.add(book.run, "the header is not what the journal gives");
    }
    let state = book.state(u64::MAX);
    let now = state.header(header.head);
    if (now.status, &now.waiting, now.wake_at) != (header.status, &header.waiting, header.wake_at) {
        let (shown, is) = (header.status.name(), now.status.name());
        findings.add(book.run, format!("the header shows '{shown}', the journal says '{is}'"));
    }
    for (id, _) in state.approvals().filter(|(_, approval)| approval.open) {
        let listed = book.approvals.iter().find(|listed| listed.id == *id);
        if listed != state.open_approval(id).as_ref() {
            findings.add(book.run, format!("approval {id} is open and not listed as it is"));
        }
    }
    for listed in &book.approvals {
        if state.open_approval(&listed.id).is_none() {
            findings.add(book.run, format!("approval {} is listed and not open", listed.id));
        }
    }
    let mut given: Vec<Ticket> = state.tickets().collect();
    given.sort_by_key(|ticket| ticket.visit);
    let mut listed = book.tickets.clone();
    listed.sort_by_key(|ticket| ticket.visit);
    if given != listed {
        findings.add(book.run, format!("slots are listed as {listed:?}, the journal gives {given:?}"));
    }
}

/// The hash of the event that a header ends with: the next event holds it. Of the last one it is not known
/// here; `pawl verify` compares it.
fn hash_at(book: &Book, head: Head) -> Option<Digest> {
    let next = book.envelopes.get(usize::try_from(head.seq).ok()?)?;
    Some(next.prev)
}

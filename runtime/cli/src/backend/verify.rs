//! Whether journals are whole, and whether what the store shows follows from them.

use std::collections::BTreeSet;

use pawl_core::event::Event;
use pawl_core::journal::{Envelope, Head};
use pawl_core::view::RunHeader;
use pawl_core::{Digest, RunId, RunState};
use pawl_engine::{Engine, EngineError, RunHistory};
use pawl_store::{Page, RunFilter, Store};

use super::protocol::Verified;
use super::service::open_approvals;
use crate::fault::Fault;

/// Headers read at once.
const PAGE_ROWS: usize = 1_000;
/// How often a run that moves on meanwhile is read again.
const READS_MAX: u32 = 20;

/// Checks one run, or all.
pub(super) async fn verify(engine: &Engine, run: Option<RunId>) -> Result<Vec<Verified>, Fault> {
    if let Some(run) = run {
        return Ok(vec![verify_one(engine, run).await?]);
    }
    let mut all = Vec::new();
    let mut page = Page { after: None, limit: PAGE_ROWS };
    loop {
        let found = engine.store().runs(&RunFilter::default(), &page).await?;
        for header in found.runs {
            all.push(verify_one(engine, header.id).await?);
        }
        match found.next {
            Some(after) => page.after = Some(after),
            None => return Ok(all),
        }
    }
}

/// A run that is under way may move on between two reads: then it is read again.
async fn verify_one(engine: &Engine, run: RunId) -> Result<Verified, Fault> {
    let store = engine.store().as_ref();
    let mut reads = 0;
    loop {
        let before = store.run(run).await?.ok_or(EngineError::UnknownRun(run))?;
        let checked = check(engine, &before).await?;
        reads += 1;
        let moved = store.run(run).await?.is_some_and(|after| after.head != before.head);
        if checked.problems.is_empty() || !moved || reads >= READS_MAX {
            return Ok(checked);
        }
    }
}

async fn check(engine: &Engine, header: &RunHeader) -> Result<Verified, Fault> {
    let store = engine.store().as_ref();
    let run = header.id;
    let history = match engine.history(run).await {
        Ok(history) => history,
        Err(error @ (EngineError::Journal(_) | EngineError::Missing { .. } | EngineError::UnknownRun(_))) => {
            let Fault { message, hint, .. } = error.into();
            let problems = vec![hint.map_or_else(|| message.clone(), |hint| format!("{message}; {hint}"))];
            return Ok(Verified { run, events: 0, head: None, problems });
        }
        Err(error) => return Err(error.into()),
    };
    let mut problems = check_header(&history, header);
    problems.extend(check_approvals(store, &history).await?);
    problems.extend(check_blobs(store, &history).await?);
    Ok(Verified { run, events: history.head.seq, head: Some(history.head.hash), problems })
}

/// The header may have been written before the last events of a run that is under way, but it must
/// be what the journal gives up to there.
fn check_header(history: &RunHistory, header: &RunHeader) -> Vec<String> {
    let (stored, head) = (header.head, history.head);
    let Some(hash) = hash_at(&history.envelopes, head, stored.seq) else {
        return vec![format!("the journal ends at event {}, the header says {}", head.seq, stored.seq)];
    };
    if hash != stored.hash {
        return vec![format!("event {} is not the one that the header was made of", stored.seq)];
    }
    let mut problems = Vec::new();
    if fold(header.id, &history.envelopes, stored) != *header {
        problems.push("the header is not what the journal gives".to_owned());
    }
    let now = history.state.header(head);
    if (now.status, &now.waiting, now.wake_at) != (header.status, &header.waiting, header.wake_at) {
        let (shown, is) = (header.status.name(), now.status.name());
        problems.push(format!("the header shows '{shown}', the journal says '{is}'"));
    }
    problems
}

/// The hash of the event with this seq: the next one holds it.
fn hash_at(envelopes: &[Envelope], head: Head, seq: u64) -> Option<Digest> {
    if seq == head.seq {
        return Some(head.hash);
    }
    envelopes.get(usize::try_from(seq).ok()?).map(|next| next.prev)
}

fn fold(run: RunId, envelopes: &[Envelope], head: Head) -> RunHeader {
    let mut state = RunState::new(run);
    for envelope in envelopes.iter().take_while(|envelope| envelope.seq <= head.seq) {
        state.apply(envelope.time, &envelope.event);
    }
    state.header(head)
}

async fn check_approvals(store: &dyn Store, history: &RunHistory) -> Result<Vec<String>, Fault> {
    let stored = open_approvals(store, Some(history.state.id())).await?;
    let mut problems = Vec::new();
    let mut listed = BTreeSet::new();
    for approval in stored {
        if history.state.open_approval(&approval.id).as_ref() != Some(&approval) {
            problems.push(format!("approval {} is not what the journal gives", approval.id));
        }
        listed.insert(approval.id);
    }
    let open = history.state.approvals().filter(|(_, approval)| approval.open);
    let missing = open.filter(|(id, _)| !listed.contains(id));
    problems.extend(missing.map(|(id, _)| format!("approval {id} is open and not listed")));
    Ok(problems)
}

/// The definition and the components that the run is pinned to.
async fn check_blobs(store: &dyn Store, history: &RunHistory) -> Result<Vec<String>, Fault> {
    let plugins = history.state.plugins().iter();
    let mut pinned: Vec<_> = plugins.map(|(name, pin)| (format!("plugin {name}"), pin.component)).collect();
    for envelope in &history.envelopes {
        match &envelope.event {
            Event::RunStarted(started) => pinned.push(("the definition".to_owned(), started.definition)),
            // What it did before was decided by the one before.
            Event::DefinitionChanged(changed) => {
                pinned.push((format!("the definition {}", changed.version), changed.to));
            }
            _ => {}
        }
    }
    let mut problems = Vec::new();
    for (what, digest) in pinned {
        match store.blob(&digest).await? {
            Some(bytes) if Digest::of(&bytes) == digest => {}
            Some(_) => problems.push(format!("{what} was altered in the store")),
            None => problems.push(format!("{what} is not in the store")),
        }
    }
    Ok(problems)
}

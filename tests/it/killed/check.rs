//! What must be true after the kills.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use pawl_tests::{EventStream, StreamEvent, ask, exchange};
use serde_json::Value;

use super::ledger::{Deed, Ledger};
use super::reader::{Kind, Reader};

fn get(address: &str, path: &str) -> Result<Value> {
    let (status, answer) = ask(address, "GET", path, &[], None)?;
    ensure!(status == 200, "GET {path}: {status} {answer}");
    Ok(answer)
}

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().map_or(&[], Vec::as_slice)
}

/// A run's journal, whole.
fn journal(address: &str, run: &str) -> Result<Vec<Value>> {
    let (mut all, mut from) = (Vec::new(), String::from("1"));
    loop {
        let page = get(address, &format!("/v1/runs/{run}/journal?limit=500&from={from}"))?;
        all.extend(items(&page).to_vec());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut from),
            None => return Ok(all),
        }
    }
}

/// Every start, signal, comment, claim, delegation, decision, version and link that was acknowledged is there, once.
pub(super) fn everything_is_there(address: &str, ledger: &Ledger) -> Result<()> {
    let deeds = ledger.deeds();
    let mut recorded: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let mut kinds = BTreeSet::new();
    let used: BTreeSet<_> = deeds
        .iter()
        .filter_map(|deed| if let Deed::Used { path } = deed { Some(path) } else { None })
        .collect();
    for deed in &deeds {
        match deed {
            Deed::Started { key, body, run } => {
                let (status, again) = ask(address, "POST", "/v1/runs", &[key], Some(body))?;
                assert_eq!((status, again["id"].as_str()), (200, Some(run.as_str())), "{key}: {again}");
            }
            Deed::Recorded { run, event, words } => recorded.entry(run).or_default().push((event, words)),
            Deed::Completed { run } => {
                let found = get(address, &format!("/v1/runs/{run}"))?;
                assert_eq!(found["status"], "completed", "{found}");
            }
            Deed::Registered { workflow, version } => {
                get(address, &format!("/v1/workflows/{workflow}/versions/{version}"))?;
            }
            // It may have answered without that anybody heard of it; an answer that was acknowledged uses it up.
            Deed::Linked { path } => {
                let (status, page) = exchange(address, "GET", path, &[], "")?;
                let is_right = if used.contains(path) { status == 410 } else { [200, 410].contains(&status) };
                ensure!(is_right, "{path} is good for {status}: {page}");
            }
            Deed::Used { .. } => {}
        }
    }
    for (run, wanted) in recorded {
        let found: Vec<_> = journal(address, run)?
            .iter()
            .map(|item| (item["event"].as_str().unwrap_or_default().to_owned(), item["data"].to_string()))
            .collect();
        for (event, words) in wanted {
            let count = found.iter().filter(|(name, data)| name == event && data.contains(words)).count();
            ensure!(count == 1, "run {run} has {event} with '{words}' {count} times");
            kinds.insert(event);
        }
    }
    let all =
        ["claimed", "commented", "decided", "delegated", "released"].map(|name| format!("approval-{name}"));
    ensure!(all.iter().all(|name| kinds.contains(name.as_str())), "only {kinds:?} were acknowledged");
    ensure!(!used.is_empty(), "no link was used");
    for (workflow, acknowledged) in ledger.active() {
        let active = get(address, &format!("/v1/workflows/{workflow}"))?["active"]["version"].clone();
        let parts: Vec<usize> =
            active.as_str().unwrap_or_default().split('.').filter_map(|part| part.parse().ok()).collect();
        // A later one may have become active before the kill, and nobody was told.
        ensure!(
            parts.len() == 3 && (parts[1], parts[2]) >= acknowledged,
            "{workflow}: {active} is active, and {acknowledged:?} was acknowledged"
        );
    }
    Ok(())
}

/// Whoever listened through all the kills has heard everything once, in order.
pub(super) fn nothing_is_missed(address: &str, readers: &[Reader]) -> Result<()> {
    let stream = EventStream::open(address, "/v1/events?after=0&follow=false", None)?;
    let changes: Vec<_> = stream.collect();
    let last = u64::try_from(changes.len())?;
    let positions: Vec<_> = (1..=last).map(|position| Some(position.to_string())).collect();
    assert_eq!(changes.iter().map(|change| change.id.clone()).collect::<Vec<_>>(), positions);
    for reader in readers {
        let heard = reader.heard();
        match &reader.kind {
            Kind::Changes => assert!(heard == changes, "{} changes of {}", heard.len(), changes.len()),
            Kind::Inbox => inbox(&heard, &changes)?,
            Kind::Run(run) => {
                let journal: Vec<_> = journal(address, run)?;
                ensure!(journal.len() > 10, "little happened in {run}");
                let told: Vec<Value> =
                    heard.iter().map(|event| serde_json::from_str(&event.data)).collect::<Result<_, _>>()?;
                ensure!(told == journal, "{} events of {} in {run}", told.len(), journal.len());
            }
        }
    }
    Ok(())
}

/// The inbox tells of each approval that the changes name, at its place. One that was closed before it could be told is
/// told of as closed alone.
fn inbox(heard: &[StreamEvent], changes: &[StreamEvent]) -> Result<()> {
    // Place → what is to be told there.
    let mut wanted: BTreeMap<(u64, u64), (&str, String)> = BTreeMap::new();
    let mut closed_at: BTreeMap<String, u64> = BTreeMap::new();
    for change in changes {
        let position: u64 = change.id.as_deref().context("a position")?.parse()?;
        let data: Value = serde_json::from_str(&change.data)?;
        let named = |key: &str| data[key].as_array().cloned().unwrap_or_default();
        let all = named("opened").into_iter().map(|id| ("opened", id));
        for (at, (what, id)) in (1..).zip(all.chain(named("closed").into_iter().map(|id| ("closed", id)))) {
            let id = id.as_str().context("an id")?.to_owned();
            if what == "closed" {
                closed_at.insert(id.clone(), position);
            }
            wanted.insert((position, at), (what, id));
        }
    }
    ensure!(wanted.len() > 10, "little happened in the inbox");
    let counts = wanted.keys().fold(BTreeMap::new(), |mut counts: BTreeMap<u64, u64>, (position, at)| {
        counts.insert(*position, *at);
        counts
    });
    let mut before = (0, 0);
    for event in heard {
        let id = event.id.as_deref().context("an id")?;
        let place = if let Some((position, at)) = id.split_once('.') {
            (position.parse()?, at.parse()?)
        } else {
            let position = id.parse()?;
            (position, *counts.get(&position).with_context(|| format!("nothing is at {id}"))?)
        };
        ensure!(place > before, "{place:?} was told behind {before:?}");
        before = place;
        let data: Value = serde_json::from_str(&event.data)?;
        let told = (event.name.as_str(), data["id"].as_str().unwrap_or_default().to_owned());
        ensure!(wanted.remove(&place) == Some(told), "{event:?} was told at {place:?}");
    }
    for ((position, _), (what, id)) in wanted {
        let is_closed = closed_at.get(&id).is_some_and(|at| *at > position);
        ensure!(what == "opened" && is_closed, "nobody was told at {position} that {id} is {what}");
    }
    Ok(())
}

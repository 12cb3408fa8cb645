//! What is to be told: read from the list of changes, and from the journals of the runs that it names.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pawl_core::event::{Actor, Event};
use pawl_core::journal::Envelope;
use pawl_core::operator::{NotifyOn, NotifyWay};
use pawl_core::{ApprovalId, RunId, RunState, Timestamp};
use pawl_engine::{Clock as _, Engine, EngineError, SystemClock};
use pawl_store::{Batch, Change, RecordChange, StoreError};
use serde_json::{Value, json};

use super::{Target, deliver, links, tool};
use crate::app::App;
use crate::shape;

/// Where somebody who is told has come to: the name is the key.
const KIND: &str = "notify";
/// The last event of a run that somebody was told of: the name, `/`, the run.
const KIND_RUN: &str = "notify-run";
/// Changes that are read at once.
const READ_MAX: usize = 100;
/// Changes of which nothing was told that are looked at again after a restart. A commit for each would be dear.
const AGAIN_MAX: u64 = 1_000;
/// How long to wait when the store cannot be read.
const TROUBLE_PAUSE: Duration = Duration::from_secs(5);

/// Tells somebody of everything, until the engine ends.
pub(super) async fn tell(app: &App, target: &Target) {
    let engine = &app.engine;
    if let NotifyWay::Tool(told) = &target.notify.told
        && let Err(error) = engine.check_by_hand(&tool::call(&target.name, told)).await
    {
        tracing::error!(notify = target.name, %error, "nobody can be told so; it is tried all the same");
    }
    let Some(mut notices) = engine.notices() else { return };
    let mut place = None;
    loop {
        match go_on(app, target, &mut place).await {
            Ok(true) => {}
            Ok(false) => {
                if !notices.next().await {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(notify = target.name, %error, "what is to be told cannot be read");
                tokio::time::sleep(TROUBLE_PAUSE).await;
            }
        }
    }
}

/// Remembers from where on somebody is told, before anything happens that they shall hear of.
pub(super) async fn begin(engine: &Engine, target: &Target) {
    if let Err(error) = Place::of(engine, target).await {
        tracing::error!(notify = target.name, %error, "where somebody who is told has come to cannot be read");
    }
}

/// Tells what is new as far as it is read at once; gives whether there was anything.
async fn go_on(app: &App, target: &Target, kept: &mut Option<Place>) -> Result<bool, StoreError> {
    let engine = &app.engine;
    let place = match kept {
        Some(place) => place,
        None => kept.insert(Place::of(engine, target).await?),
    };
    let looked_at = |position| target.counts.position.store(position, Ordering::Relaxed);
    looked_at(place.position);
    let changes = engine.store().changes(place.position, READ_MAX).await?;
    for change in &changes {
        let told = tell_of(app, target, place, change).await?;
        // What was told is not told again by this process, whatever becomes of the commit.
        place.position = change.position;
        looked_at(place.position);
        let is_behind = place.position.saturating_sub(place.committed) >= AGAIN_MAX;
        if told || is_behind || place.pending.len() >= READ_MAX {
            place.commit(engine, target).await?;
        }
    }
    Ok(!changes.is_empty())
}

/// Where somebody who is told has come to.
struct Place {
    /// The last change that was looked at.
    position: u64,
    /// The same, as it stands in the store.
    committed: u64,
    /// When they were named first: what happened before is not told.
    since: Timestamp,
    /// How far they were told of runs, as far as it is not in the store yet.
    pending: Vec<RecordChange>,
}

impl Place {
    async fn of(engine: &Engine, target: &Target) -> Result<Self, StoreError> {
        let remembers = engine.store().remembers().await?;
        let (first, last) = remembers.map_or((1, 0), |range| (range.first, range.last));
        if let Some(record) = engine.store().record(KIND, &target.name).await? {
            let number = |name: &str| record.get(name).and_then(Value::as_u64);
            let position = number("position").unwrap_or(last);
            let since = Timestamp(number("since").unwrap_or_default());
            if position.saturating_add(1) < first {
                tracing::error!(notify = target.name, "some changes are forgotten that were not told");
            }
            let position = position.max(first.saturating_sub(1)).min(last);
            return Ok(Self { position, committed: position, since, pending: Vec::new() });
        }
        let mut place =
            Self { position: last, committed: last, since: SystemClock.now(), pending: Vec::new() };
        place.commit(engine, target).await?;
        Ok(place)
    }

    async fn commit(&mut self, engine: &Engine, target: &Target) -> Result<(), StoreError> {
        let value = json!({ "position": self.position, "since": self.since.0 });
        let mut records = self.pending.clone();
        records.push(RecordChange::put(KIND, &*target.name, value));
        engine.store().commit(&Batch { records, ..Batch::default() }).await?;
        self.committed = self.position;
        self.pending.clear();
        Ok(())
    }

    /// The last event of a run that was told of.
    async fn told(&self, engine: &Engine, key: &str) -> Result<u64, StoreError> {
        let seq = match self.pending.iter().find(|record| record.key == key) {
            Some(record) => Some(record.value.clone()),
            None => engine.store().record(KIND_RUN, key).await?,
        };
        Ok(seq.and_then(|seq| seq.as_u64()).unwrap_or_default())
    }

    fn note(&mut self, key: String, told: Value) {
        self.pending.retain(|record| record.key != key);
        self.pending.push(RecordChange::put(KIND_RUN, key, told));
    }
}

/// Tells of the events that a change may bring; gives whether there were any.
async fn tell_of(app: &App, target: &Target, place: &mut Place, change: &Change) -> Result<bool, StoreError> {
    let (engine, run) = (&app.engine, change.run);
    let key = format!("{}/{run}", target.name);
    if change.what.removed {
        if place.told(engine, &key).await? > 0 {
            place.note(key, Value::Null);
        }
        return Ok(false);
    }
    if change.what.opened.is_empty() && change.what.closed.is_empty() {
        return Ok(false);
    }
    let told = place.told(engine, &key).await?;
    let history = match engine.history(run).await {
        Ok(history) => history,
        Err(EngineError::Store(error)) => return Err(error),
        // It is gone, or cannot be read, which `pawl verify` tells: others are not held up by it.
        Err(_) => return Ok(false),
    };
    let (mut any, mut last) = (false, told);
    let (mut state, mut open) = (RunState::new(run), BTreeSet::new());
    for envelope in &history.envelopes {
        let is_new = envelope.seq > told && envelope.time >= place.since;
        if is_new && last == told {
            open = open_in(&state);
        }
        state.apply(envelope.time, &envelope.event);
        if !is_new {
            continue;
        }
        let news = news(&state, &mut open, &envelope.event);
        last = envelope.seq;
        for (number, (approval, what)) in news.iter().enumerate() {
            if target.notify.events.contains(what)
                && let Some(body) = body(app, target, &state, envelope, (number, approval, *what)).await?
            {
                let id = body["id"].as_str().unwrap_or_default().to_owned();
                deliver::deliver(engine, target, &id, body).await;
                any = true;
            }
        }
    }
    if last > told {
        place.note(key, last.into());
    }
    Ok(any)
}

fn open_in(state: &RunState) -> BTreeSet<ApprovalId> {
    state.approvals().filter(|(_, approval)| approval.open).map(|(id, _)| id.clone()).collect()
}

/// What an event that was taken in tells of approvals. Those are looked at as they stand: a run that ends leaves some
/// that nobody needs any more, and one that is tried again may ask once more.
fn news(state: &RunState, open: &mut BTreeSet<ApprovalId>, event: &Event) -> Vec<(ApprovalId, NotifyOn)> {
    let mut news = Vec::new();
    for (id, approval) in state.approvals().filter(|(id, approval)| approval.open != open.contains(*id)) {
        let what =
            match event {
                Event::ApprovalDecided(decided) if decided.approval == *id => {
                    if decided.by == Actor::timer() { NotifyOn::Expired } else { NotifyOn::Decided }
                }
                _ if approval.open => NotifyOn::Opened,
                _ => NotifyOn::Withdrawn,
            };
        news.push((id.clone(), what));
    }
    for (id, what) in &news {
        if *what == NotifyOn::Opened {
            open.insert(id.clone());
        } else {
            open.remove(id);
        }
    }
    match event {
        Event::ApprovalEscalated(escalated) => {
            news.push((escalated.approval.clone(), NotifyOn::Escalated));
        }
        Event::ApprovalDelegated(delegated) => {
            news.push((delegated.approval.clone(), NotifyOn::Delegated));
        }
        _ => {}
    }
    news
}

/// `{id, event, at, approval, decision, links}`: the approval as it was then.
async fn body(
    app: &App,
    target: &Target,
    state: &RunState,
    envelope: &Envelope,
    (number, approval, what): (usize, &ApprovalId, NotifyOn),
) -> Result<Option<Value>, StoreError> {
    let Some((shown, _)) = state.approval(approval) else { return Ok(None) };
    let decision = match &envelope.event {
        Event::ApprovalDecided(decided) if decided.approval == *approval => {
            json!({ "action": decided.action, "by": decided.by.name, "comment": decided.comment })
        }
        _ => Value::Null,
    };
    let mut body = json!({
        "id": id(state.id(), envelope.seq, number),
        "event": what.name(),
        "at": envelope.time.to_string(),
        "approval": shape::approval(&shown),
        "decision": decision,
        "links": [],
    });
    // What was answered meanwhile needs no link, and those that are made are for what is asked now.
    if let Some(good_for) = target.notify.links.filter(|_| what.asks())
        && let Some(now) = app.engine.store().approval(approval).await?
    {
        match links::links(app, &now, good_for) {
            Ok(links) => body["links"] = links.into(),
            Err(problem) => {
                tracing::error!(notify = target.name, problem = problem.detail, "no links can be made");
            }
        }
    }
    Ok(Some(body))
}

/// The run, the seq, and the number where an event tells of several approvals.
fn id(run: RunId, seq: u64, number: usize) -> String {
    if number == 0 { format!("{run}/{seq}") } else { format!("{run}/{seq}/{number}") }
}

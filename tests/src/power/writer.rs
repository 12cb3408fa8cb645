//! A process that does nothing but commit, and what must be there after its power was cut.
//!
//! What a run has after so many events follows from its number and theirs, so a store can be compared with
//! nothing but the list of acknowledgements.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{IoSlice, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::journal::{EncodedEvent, Head};
use pawl_core::view::{OpenApproval, RunHeader, Status};
use pawl_core::{ApprovalId, Digest, RunId, StepId, Timestamp};
use pawl_store::{ApprovalFilter, Batch, Blob, Page, RunCommit, RunFilter, Store, StoreError};

use crate::torture::open_once;

/// Runs that are written at once.
pub(super) const RUNS: u64 = 4;
/// How often a commit that was refused is given again.
const TRIES_MAX: u32 = 8;
/// What most events have, and some.
const EVENT_BYTES: usize = 200;
const LARGE_EVENT_BYTES: usize = 9_000;
const BLOB_BYTES: usize = 30_000;

/// What a writer is to do.
#[derive(Debug, Clone)]
pub(super) struct Task {
    /// `lmdb` or `sled`.
    pub(super) store: String,
    /// The data folder.
    pub(super) folder: PathBuf,
    /// Where it says what was acknowledged.
    pub(super) acks: PathBuf,
    /// Commits of each run.
    pub(super) commits: u64,
    /// Whether it says so before it is so: what the checks must find.
    pub(super) early: bool,
}

/// How a writer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With all that was to be done.
    Done = 0,
    /// With a store that takes nothing more.
    Failed = 3,
    /// Without a store.
    Unopened = 4,
}

/// A list of lines. They are written by `writev`, which no store uses, so that no fault hits them.
#[derive(Debug)]
struct List(File);

impl List {
    fn say(&mut self, line: &str) -> Result<()> {
        let line = format!("{}\n", line.replace('\n', " "));
        let written = self.0.write_vectored(&[IoSlice::new(line.as_bytes())])?;
        ensure!(written == line.len(), "half a line was written");
        Ok(())
    }
}

/// Commits; says what was acknowledged, and what was refused and why.
pub(super) fn write(task: &Task) -> Result<End> {
    let mut list = List(OpenOptions::new().create(true).append(true).open(&task.acks)?);
    let store = match open_once(&task.store, &task.folder) {
        Ok(store) => store,
        Err(error) => {
            list.say(&format!("unopened {error}"))?;
            return Ok(End::Unopened);
        }
    };
    list.say("opened")?;
    let list = Arc::new(tokio::sync::Mutex::new(list));
    // Without a driver of its own: what that writes would be hit by faults.
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let runs: Vec<_> = (0..RUNS)
            .map(|number| tokio::spawn(advance(Arc::clone(&store), Arc::clone(&list), task.clone(), number)))
            .collect();
        let mut end = End::Done;
        for run in runs {
            if run.await?? == End::Failed {
                end = End::Failed;
            }
        }
        Ok(end)
    })
}

async fn advance(
    store: Arc<dyn Store>,
    list: Arc<tokio::sync::Mutex<List>>,
    task: Task,
    number: u64,
) -> Result<End> {
    let mut seq = match store.journal(run(number), 1).await {
        // Another's commit was refused already.
        Err(StoreError::Failed(_)) => return Ok(End::Failed),
        journal => journal?.len() as u64,
    };
    for _ in 0..task.commits {
        let (batch, next) = step(number, seq);
        let line = format!("acknowledged {number} {next}");
        if task.early {
            list.lock().await.say(&line)?;
        }
        let mut tries = 0;
        while let Err(error) = store.commit(&batch).await {
            list.lock().await.say(&format!("refused {number} {next} {error}"))?;
            tries += 1;
            match error {
                // As the driver does: it was written, and the answer was lost.
                StoreError::Conflict { found, .. } if found == next => break,
                StoreError::Failed(_) | StoreError::Closed => return Ok(End::Failed),
                _ => ensure!(tries < TRIES_MAX, "it was refused {tries} times: {error}"),
            }
        }
        if !task.early {
            list.lock().await.say(&line)?;
        }
        seq = next;
    }
    Ok(End::Done)
}

/// The run with a number.
fn run(number: u64) -> RunId {
    let mut bytes = [0x02; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    RunId::from_bytes(bytes)
}

/// Where a run stands after the next commit.
const fn after(seq: u64) -> u64 {
    seq + 1 + seq % 3
}

/// The next commit of a run that has so many events, and how many it has then.
fn step(number: u64, seq: u64) -> (Batch, u64) {
    let next = after(seq);
    let events = (seq + 1..=next).map(|seq| event(number, seq)).collect();
    let mut commit = RunCommit::new(run(number), seq, events);
    commit.header = Some(header(number, next));
    commit.opened = vec![approval(number, next)];
    commit.closed = if seq > 0 { vec![approval(number, seq).id] } else { Vec::new() };
    let blobs = blob(number, next).into_iter().collect();
    (Batch { runs: vec![commit], blobs, ..Batch::default() }, next)
}

fn bytes(number: u64, seq: u64, length: usize) -> Vec<u8> {
    let seed = Digest::of_parts(&[&number.to_be_bytes(), &seq.to_be_bytes(), &length.to_be_bytes()]);
    seed.as_bytes().iter().copied().cycle().take(length).collect()
}

fn event(number: u64, seq: u64) -> EncodedEvent {
    bytes(number, seq, if seq.is_multiple_of(7) { LARGE_EVENT_BYTES } else { EVENT_BYTES })
}

fn blob(number: u64, seq: u64) -> Option<Blob> {
    seq.is_multiple_of(5).then(|| Blob::new(bytes(number, seq, BLOB_BYTES)))
}

fn header(number: u64, seq: u64) -> RunHeader {
    let run = run(number);
    RunHeader {
        id: run,
        workflow: "cut".into(),
        version: "1.0.0".into(),
        definition: Digest::of(b"cut"),
        status: if seq.is_multiple_of(2) { Status::Waiting } else { Status::Running },
        waiting: None,
        outputs: None,
        error: None,
        created_at: Timestamp(1),
        updated_at: Timestamp(seq),
        wake_at: seq.is_multiple_of(2).then_some(Timestamp(1_000 + seq)),
        parent: None,
        namespace: pawl_core::Namespace::default(),
        seeks: false,
        head: Head::empty(run),
    }
}

fn approval(number: u64, seq: u64) -> OpenApproval {
    OpenApproval {
        id: ApprovalId::from_bits(u128::from(number) << 64 | u128::from(seq)),
        run: run(number),
        namespace: pawl_core::Namespace::default(),
        workflow: "cut".into(),
        step: StepId::new("approve"),
        title: "Go on?".into(),
        to: vec!["group:finance".into()],
        actions: vec!["approve".into()],
        form: None,
        subject: None,
        due: None,
        on_timeout: None,
        digest: Digest::of(b"question"),
        created_at: Timestamp(seq),
        terms: pawl_core::terms::Terms::default(),
        inbox: pawl_core::inbox::Inbox::default(),
    }
}

/// What a list says: how far each run was acknowledged, what was refused, and what could not be opened.
#[derive(Debug, Default)]
pub(super) struct Acks {
    pub(super) runs: BTreeMap<u64, u64>,
    pub(super) refused: Vec<String>,
    pub(super) opened: bool,
}

impl Acks {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut acks = Self::default();
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "acknowledged" => {
                    let (number, seq) = rest.split_once(' ').context("a run and a seq")?;
                    acks.runs.insert(number.parse()?, seq.parse()?);
                }
                "opened" => acks.opened = true,
                _ => acks.refused.push(rest.to_owned()),
            }
        }
        Ok(acks)
    }

    /// How many events were acknowledged.
    pub(super) fn events(&self) -> u64 {
        self.runs.values().sum()
    }
}

/// Looks at what a power cut has left, and works on with it; gives what is wrong.
pub(super) fn look(task: &Task) -> Result<Vec<String>> {
    let acks = Acks::read(&task.acks)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let mut found = BTreeMap::new();
        for further in [true, false] {
            let store = match open_once(&task.store, &task.folder) {
                Ok(store) => store,
                Err(error) => return Ok(vec![format!("it does not open: {error}")]),
            };
            if further {
                found = acks.runs.clone();
            }
            let problems = compare(&*store, &mut found).await;
            if !problems.is_empty() || !further {
                return Ok(problems);
            }
            for number in 0..RUNS {
                let seq = found.entry(number).or_default();
                let (batch, next) = step(number, *seq);
                if let Err(error) = store.commit(&batch).await {
                    return Ok(vec![format!("run {number} cannot go on after {seq}: {error}")]);
                }
                *seq = next;
            }
        }
        Ok(Vec::new())
    })
}

/// Compares a store with what must be in it; gives where each run ends.
async fn compare(store: &dyn Store, runs: &mut BTreeMap<u64, u64>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut due = 0;
    for number in 0..RUNS {
        let least = runs.get(&number).copied().unwrap_or_default();
        match of_run(store, number, least).await {
            Ok(seq) => {
                due += usize::from(header(number, seq).wake_at.is_some() && seq > 0);
                runs.insert(number, seq);
            }
            Err(error) => problems.push(format!("run {number}: {error:#}")),
        }
    }
    if problems.is_empty()
        && let Err(error) = of_all(store, runs, due).await
    {
        problems.push(format!("{error:#}"));
    }
    problems
}

async fn of_run(store: &dyn Store, number: u64, least: u64) -> Result<u64> {
    let id = run(number);
    let events = store.journal(id, 1).await?;
    let seq = events.len() as u64;
    ensure!(seq >= least, "it ends at {seq}, and {least} was acknowledged");
    for (seq, found) in (1..).zip(&events) {
        ensure!(*found == event(number, seq), "event {seq} is not what was written");
    }
    let mut place = 0;
    while place < seq {
        place = after(place);
        if let Some(Blob { digest, bytes }) = blob(number, place) {
            let found = store.blob(&digest).await?;
            ensure!(found.as_deref() == Some(&*bytes), "the blob of event {place} is not there as it was");
        }
    }
    ensure!(place == seq, "it ends at {seq}, amid a commit that ends at {place}");
    let wanted = (seq > 0).then(|| header(number, seq));
    let found = store.run(id).await?;
    ensure!(found == wanted, "after {seq} events its header is {found:?}");
    let filter = ApprovalFilter::of_run(Some(id));
    let open = store.approvals(&filter, &Page { after: None, limit: 10 }).await?.approvals;
    let wanted: Vec<_> = (seq > 0).then(|| approval(number, seq)).into_iter().collect();
    ensure!(open == wanted, "after {seq} events its open approvals are {open:?}");
    Ok(seq)
}

async fn of_all(store: &dyn Store, runs: &BTreeMap<u64, u64>, due: usize) -> Result<()> {
    let there = runs.values().filter(|seq| **seq > 0).count();
    let listed = store.runs(&RunFilter::default(), &Page { after: None, limit: 100 }).await?.runs.len();
    ensure!(listed == there, "{listed} runs are listed, {there} are there");
    let found = store.due(Timestamp(u64::MAX), 100).await?.len();
    ensure!(found == due, "{found} runs are due, not {due}");
    Ok(())
}

//! `pawl resume`: goes on with what was left.

use std::collections::BTreeMap;

use clap::Args;
use pawl_core::RunId;
use pawl_core::view::{RunHeader, Status, Waiting};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::actor;
use crate::args::DataArgs;
use crate::backend::{Backend, Next, Request};
use crate::drive::drive;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::progress::Progress;
use crate::session::Session;
use crate::shape;
use crate::stop::Stop;

/// Runs followed at once; the rest waits for its turn.
const FOLLOWED_MAX: usize = 200;
/// Events that may wait to be printed.
const NEWS_MAX: usize = 1_024;
/// The characters at the end of an id that tell runs apart in progress lines.
const SHORT_ID_CHARS: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The run's id, or its start or end; all unfinished runs when there is none
    run: Option<String>,
    /// Never ask on the terminal: print the commands that answer, and end
    #[arg(long)]
    no_interactive: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: ResumeArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    let mut session = Session::serving(place, out, stop).await?;
    let ended = match &args.run {
        Some(run) => resume_one(&mut session, run, !args.no_interactive).await,
        None => resume_all(&mut session).await,
    };
    session.end(ended).await
}

async fn resume_one(session: &mut Session, run: &str, interactive: bool) -> Result<Exit, Fault> {
    let header = session.backend.find_run(run).await?;
    if header.status == Status::Suspended {
        session.backend.answer(Request::Lift { run: header.id, by: actor::operator() }).await?;
    }
    session.out.note(&format!("run {}  {} {}", header.id, header.workflow, header.version));
    drive(session, header.id, header.head.seq + 1, interactive).await
}

/// What became of the runs that were taken up.
#[derive(Debug, Default)]
struct Rests {
    /// Those that have ended or wait for a person.
    settled: BTreeMap<RunId, RunHeader>,
    /// Those that cannot go on here, as they were, and why. They keep no other from going on.
    stuck: BTreeMap<RunId, (RunHeader, Fault)>,
}

/// Runs that are followed, by their ids.
type Known = BTreeMap<RunId, Follow>;

/// A run that is followed.
#[derive(Debug)]
struct Follow {
    /// As it was when it was taken up.
    header: RunHeader,
    progress: Progress,
}

async fn resume_all(session: &mut Session) -> Result<Exit, Fault> {
    let (mut known, mut rests) = (Known::new(), Rests::default());
    let mut stop = session.stop.clone();
    let exit = tokio::select! {
        biased;
        exit = stop.wait() => exit,
        rested = resume_on(session, &mut known, &mut rests) => {
            rested?;
            return Ok(conclude(session, &rests));
        }
    };
    let resume = session.place.command("resume");
    session.out.note(&format!("\nstopped; everything recorded is kept, go on with:\n  {resume}"));
    if session.out.is_json() {
        let all = Request::Runs { statuses: Vec::new(), workflow: None, limit: usize::MAX, after: None };
        let mut runs = session.backend.runs(all).await?;
        runs.retain(|run| known.contains_key(&run.id) || rests.settled.contains_key(&run.id));
        runs.sort_by_key(|run| run.id);
        session.out.document(&runs.iter().map(shape::run).collect());
    }
    Ok(exit)
}

/// Returns when every run has ended, waits for a person, or cannot go on here.
async fn resume_on(session: &mut Session, known: &mut Known, rests: &mut Rests) -> Result<(), Fault> {
    loop {
        let mut unfinished = session.backend.recover().await?;
        unfinished.retain(|header| !rests.stuck.contains_key(&header.id));
        let (waiting, open): (Vec<_>, Vec<_>) = unfinished.into_iter().partition(waits_for_someone);
        rests.settled.extend(waiting.into_iter().map(|header| (header.id, header)));
        let runs = open.iter().map(|header| header.id).collect();
        for header in open {
            known.entry(header.id).or_insert_with(|| {
                let progress = progress(session.out, &header);
                Follow { header, progress }
            });
        }
        if !follow(session, runs, known, rests).await {
            return Ok(());
        }
        session.reopen().await?;
    }
}

/// For something from outside, or for an operator who resumes it by its name.
fn waits_for_someone(header: &RunHeader) -> bool {
    header.status == Status::Suspended
        || header.status == Status::Waiting && header.waiting.as_ref().is_some_and(Waiting::is_from_outside)
}

fn progress(out: Output, header: &RunHeader) -> Progress {
    let id = short(header.id);
    out.note(&format!("{id}  {} {}", header.workflow, header.version));
    Progress::new(out, id, header.head.seq + 1)
}

fn short(run: RunId) -> String {
    let id = run.to_string();
    id[id.len() - SHORT_ID_CHARS..].to_owned()
}

/// News of a run, or why there is none.
type News = (RunId, Result<Next, Fault>);

/// Follows runs until each has come to rest. Gives whether the process that drove one of them ended
/// first.
async fn follow(session: &Session, open: Vec<RunId>, known: &mut Known, rests: &mut Rests) -> bool {
    let (news, mut coming) = mpsc::channel(NEWS_MAX);
    let mut followers = JoinSet::new();
    let mut left = open.into_iter();
    let mut moved = false;
    loop {
        while followers.len() < FOLLOWED_MAX {
            let Some(run) = left.next() else { break };
            let from_seq = known.get(&run).map_or(1, |follow| follow.progress.next_seq());
            followers.spawn(follow_one(session.backend.clone(), run, from_seq, news.clone()));
        }
        if followers.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            Some((run, next)) = coming.recv() => moved |= heard(run, next, known, rests),
            Some(_) = followers.join_next() => {}
        }
    }
    drop(news);
    while let Some((run, next)) = coming.recv().await {
        moved |= heard(run, next, known, rests);
    }
    moved
}

/// Gives whether the run goes on elsewhere.
fn heard(run: RunId, next: Result<Next, Fault>, known: &mut Known, rests: &mut Rests) -> bool {
    let Some(Follow { header, progress }) = known.get_mut(&run) else { return false };
    match next {
        Ok(Next::Event(envelope)) => progress.see(&envelope),
        Ok(Next::Progress(note)) => progress.hear(&note),
        Ok(Next::Said(_)) => {}
        Ok(Next::Settled(header)) => {
            progress.end(&header);
            rests.settled.insert(run, *header);
        }
        Ok(Next::Moved) => return true,
        Err(fault) => {
            progress.stuck();
            rests.stuck.insert(run, (header.clone(), fault));
        }
    }
    false
}

async fn follow_one(backend: Backend, run: RunId, from_seq: u64, news: mpsc::Sender<News>) {
    let mut feed = match backend.follow(run, from_seq, false).await {
        Ok(feed) => feed,
        Err(fault) => {
            let _ = news.send((run, Err(fault))).await;
            return;
        }
    };
    loop {
        let next = feed.next().await;
        let is_last = !matches!(next, Ok(Next::Event(_) | Next::Progress(_) | Next::Said(_)));
        // When nobody listens, the command has ended.
        if news.send((run, next)).await.is_err() || is_last {
            return;
        }
    }
}

fn conclude(session: &Session, Rests { settled, stuck }: &Rests) -> Exit {
    let out = session.out;
    let cannot = |(header, fault): &(RunHeader, Fault)| {
        let mut run = shape::run(header);
        run["fault"] = fault.to_json()["error"].take();
        run
    };
    out.document(&settled.values().map(shape::run).chain(stuck.values().map(cannot)).collect());
    let count = |status: Status| settled.values().filter(|header| header.status == status).count();
    // A run that waits for its slot is pending.
    let (completed, waiting) = (count(Status::Completed), count(Status::Waiting) + count(Status::Pending));
    let suspended = count(Status::Suspended);
    let failed = settled.len() - completed - waiting - suspended;
    let asks = |header: &&RunHeader| matches!(header.waiting, Some(Waiting::Approval { .. }));
    let people = settled.values().filter(|header| header.status == Status::Waiting).filter(asks).count();
    for (run, (_, fault)) in stuck {
        out.note(&format!("run {run} cannot go on\n{}", fault.text()));
    }
    if settled.is_empty() && stuck.is_empty() {
        out.note("no unfinished runs");
    } else {
        let suspended = if suspended == 0 { String::new() } else { format!(", {suspended} suspended") };
        let others = match waiting - people {
            0 => String::new(),
            others => format!(", {others} for a signal, an event, a slot or another run"),
        };
        let stuck = if stuck.is_empty() { String::new() } else { format!(", {} cannot go on", stuck.len()) };
        out.note(&format!(
            "{completed} completed, {people} wait for a person{others}, {failed} failed or cancelled{suspended}{stuck}"
        ));
    }
    if people > 0 {
        let approvals = session.place.command("approvals");
        out.note(&format!("hint: `{approvals}` shows what is asked"));
    }
    let from = if stuck.is_empty() { Exit::Ok } else { Exit::Failed };
    settled.values().fold(from, |exit, header| {
        exit.and(match header.status {
            Status::Completed => Exit::Ok,
            Status::Pending | Status::Waiting | Status::Suspended => Exit::Waits,
            _ => Exit::Failed,
        })
    })
}

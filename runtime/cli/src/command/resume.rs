//! `pawl resume`: goes on with what was left.

use std::collections::BTreeMap;

use clap::Args;
use pawl_core::RunId;
use pawl_core::view::{RunHeader, Status, Waiting};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::args::DataArgs;
use crate::backend::{Backend, Next};
use crate::drive::drive;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::progress::Progress;
use crate::session::Session;
use crate::shape;

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

pub(crate) async fn run(args: ResumeArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let mut session = Session::serving(place, out).await?;
    let ended = match &args.run {
        Some(run) => resume_one(&mut session, run, !args.no_interactive).await,
        None => resume_all(&mut session).await,
    };
    session.end(ended).await
}

async fn resume_one(session: &mut Session, run: &str, interactive: bool) -> Result<Exit, Fault> {
    let header = session.backend.find_run(run).await?;
    session.out.note(&format!("run {}  {} {}", header.id, header.workflow, header.version));
    drive(session, header.id, header.head.seq + 1, interactive).await
}

/// What became of each run that was taken up.
type Rests = BTreeMap<RunId, RunHeader>;

async fn resume_all(session: &mut Session) -> Result<Exit, Fault> {
    let mut rests = Rests::new();
    let mut known = BTreeMap::new();
    loop {
        let unfinished = session.backend.recover().await?;
        let (waiting, open): (Vec<_>, Vec<_>) = unfinished.into_iter().partition(waits_for_person);
        rests.extend(waiting.into_iter().map(|header| (header.id, header)));
        for header in &open {
            known.entry(header.id).or_insert_with(|| progress(session.out, header));
        }
        let open = open.into_iter().map(|header| header.id).collect();
        match follow(session, open, &mut known, &mut rests).await? {
            Followed::All => break,
            Followed::Stopped(exit) => {
                let resume = session.place.command("resume");
                session.out.note(&format!("\nstopped; everything recorded is kept, go on with:\n  {resume}"));
                return Ok(exit);
            }
            Followed::Moved => session.reopen().await?,
        }
    }
    Ok(conclude(session, &rests))
}

fn waits_for_person(header: &RunHeader) -> bool {
    header.status == Status::Waiting && matches!(header.waiting, Some(Waiting::Approval { .. }))
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

/// How following several runs ended.
enum Followed {
    /// Each has ended or waits for a person.
    All,
    /// A signal came first.
    Stopped(Exit),
    /// The process that drove them ended first.
    Moved,
}

/// News of a run, or why there is none.
type News = (RunId, Result<Next, Fault>);

async fn follow(
    session: &mut Session,
    open: Vec<RunId>,
    known: &mut BTreeMap<RunId, Progress>,
    rests: &mut Rests,
) -> Result<Followed, Fault> {
    let (news, mut coming) = mpsc::channel(NEWS_MAX);
    let mut followers = JoinSet::new();
    let mut left = open.into_iter();
    let mut moved = false;
    loop {
        while followers.len() < FOLLOWED_MAX {
            let Some(run) = left.next() else { break };
            let from_seq = known.get(&run).map_or(1, Progress::next_seq);
            followers.spawn(follow_one(session.backend.clone(), run, from_seq, news.clone()));
        }
        if followers.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            exit = session.stop.wait() => return Ok(Followed::Stopped(exit)),
            Some((run, next)) = coming.recv() => moved |= heard(run, next, known, rests)?,
            Some(_) = followers.join_next() => {}
        }
    }
    drop(news);
    while let Some((run, next)) = coming.recv().await {
        moved |= heard(run, next, known, rests)?;
    }
    Ok(if moved { Followed::Moved } else { Followed::All })
}

/// Gives whether the run goes on elsewhere.
fn heard(
    run: RunId,
    next: Result<Next, Fault>,
    known: &mut BTreeMap<RunId, Progress>,
    rests: &mut Rests,
) -> Result<bool, Fault> {
    match next? {
        Next::Event(envelope) => {
            if let Some(progress) = known.get_mut(&run) {
                progress.see(&envelope);
            }
            Ok(false)
        }
        Next::Settled(header) => {
            if let Some(progress) = known.get(&run) {
                progress.end(&header);
            }
            rests.insert(run, *header);
            Ok(false)
        }
        Next::Moved => Ok(true),
    }
}

async fn follow_one(backend: Backend, run: RunId, from_seq: u64, news: mpsc::Sender<News>) {
    let mut feed = match backend.follow(run, from_seq).await {
        Ok(feed) => feed,
        Err(fault) => {
            let _ = news.send((run, Err(fault))).await;
            return;
        }
    };
    loop {
        let next = feed.next().await;
        let is_last = !matches!(next, Ok(Next::Event(_)));
        // When nobody listens, the command has ended.
        if news.send((run, next)).await.is_err() || is_last {
            return;
        }
    }
}

fn conclude(session: &Session, rests: &Rests) -> Exit {
    let out = session.out;
    out.document(&rests.values().map(shape::run).collect());
    let count = |status: Status| rests.values().filter(|header| header.status == status).count();
    let (completed, waiting) = (count(Status::Completed), count(Status::Waiting));
    let failed = rests.len() - completed - waiting;
    if rests.is_empty() {
        out.note("no unfinished runs");
    } else {
        out.note(&format!(
            "{completed} completed, {waiting} wait for a person, {failed} failed or cancelled"
        ));
    }
    if waiting > 0 {
        let approvals = session.place.command("approvals");
        out.note(&format!("hint: `{approvals}` shows what is asked"));
    }
    rests.values().fold(Exit::Ok, |exit, header| {
        exit.and(match header.status {
            Status::Completed => Exit::Ok,
            Status::Waiting => Exit::Waits,
            _ => Exit::Failed,
        })
    })
}

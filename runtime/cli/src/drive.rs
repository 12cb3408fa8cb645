//! Follows a run until it has ended or waits for a person, and says what became of it.

use pawl_core::RunId;
use pawl_core::view::{OpenApproval, RunHeader, Status, Waiting};

use crate::ask::{self, Asked};
use crate::backend::Next;
use crate::command::runs::notable;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, pretty};
use crate::progress::Progress;
use crate::question;
use crate::session::Session;
use crate::shape;
use crate::summary::whole;

/// How often the process that drives a run may end before there is a new event.
pub(crate) const MOVES_MAX: u32 = 10;

/// Shows a run's progress from a seq on until it rests, then what it gave, why it failed, or what
/// is asked. Where `interactive`, a person may answer at once. A signal ends it, whatever it waits for.
pub(crate) async fn drive(
    session: &mut Session,
    run: RunId,
    show_from: u64,
    interactive: bool,
) -> Result<Exit, Fault> {
    let mut stop = session.stop.clone();
    let exit = tokio::select! {
        biased;
        exit = stop.wait() => exit,
        ended = drive_on(session, run, show_from, interactive) => ended?,
    };
    if matches!(exit, Exit::Signal(_)) {
        ask::give_back_terminal();
        stopped(session, run).await;
    }
    Ok(exit)
}

async fn drive_on(
    session: &mut Session,
    run: RunId,
    show_from: u64,
    interactive: bool,
) -> Result<Exit, Fault> {
    let mut progress = Progress::new(session.out, String::new(), show_from);
    loop {
        let header = to_rest(session, run, &mut progress).await?;
        if let Some(Waiting::Resume { by, .. }) = &header.waiting {
            session.out.document(&shape::run(&header));
            let resume = session.place.command(&format!("resume {run}"));
            session.out.note(&format!("\nthe run was suspended by {by}, go on with:\n  {resume}"));
            return Ok(Exit::Waits);
        }
        let asking = asking(session, &header).await?;
        let Some(Waiting::Approval { approval, .. }) = &asking.waiting else {
            if header.waiting.is_some() {
                session.out.document(&shape::run(&header));
                session.out.note(&format!("the run waits for {}", notable(&asking)));
                if let Some(Waiting::Signal { name, .. }) = &asking.waiting {
                    let signal = session.place.command(&format!("signal {} {name}", asking.id));
                    session.out.note(&format!("\nsend it with:\n  {signal}"));
                }
                return Ok(Exit::Waits);
            }
            return Ok(ended(session.out, &header, progress.failed_step()));
        };
        let Some(open) = session.backend.approval(approval).await? else {
            // Someone else has just answered.
            continue;
        };
        if interactive && session.out.can_ask() {
            match ask::answer(session, &open).await? {
                Asked::Answered => continue,
                Asked::Later => {}
                Asked::Interrupted => return Ok(Exit::INTERRUPTED),
            }
        }
        session.out.document(&shape::run(&header));
        session.out.note(&waits(session, &open));
        return Ok(Exit::Waits);
    }
}

/// The run that keeps a run waiting: itself, or one that a step of it started.
async fn asking(session: &Session, header: &RunHeader) -> Result<RunHeader, Fault> {
    let mut at = header.clone();
    while let Some(Waiting::Run { run, .. }) = &at.waiting {
        at = session.backend.find_run(&run.to_string()).await?;
    }
    Ok(at)
}

/// Follows a run until it has ended or waits for a person.
pub(crate) async fn to_rest(
    session: &mut Session,
    run: RunId,
    progress: &mut Progress,
) -> Result<Box<RunHeader>, Fault> {
    let mut moves = 0;
    loop {
        let seen = progress.next_seq();
        let mut feed = session.backend.follow(run, progress.next_seq(), session.aloud).await?;
        loop {
            match feed.next().await? {
                Next::Event(envelope) => progress.see(&envelope),
                Next::Progress(note) => progress.hear(&note),
                Next::Said(said) => progress.listen(&said),
                Next::Settled(header) => return Ok(header),
                Next::Moved => break,
            }
        }
        drop(feed);
        moves = if progress.next_seq() > seen { 0 } else { moves + 1 };
        if moves > MOVES_MAX {
            return Err(Fault::unusable("the process that holds the data folder ends again and again")
                .hint(format!("the run is kept, go on with `{}`", session.place.command("resume"))));
        }
        session.reopen().await?;
    }
}

/// Says how to go on; the document is the run as it stands.
async fn stopped(session: &Session, run: RunId) {
    let (out, place) = (session.out, &session.place);
    if place.ephemeral {
        out.note("\nstopped; the run was ephemeral and is gone");
    } else if session.is_remote() {
        let show = place.command(&format!("show {run}"));
        out.note(&format!("\nstopped watching; the run goes on in the other process: {show}"));
    } else {
        let resume = place.command(&format!("resume {run}"));
        out.note(&format!("\nstopped; everything recorded is kept, go on with:\n  {resume}"));
    }
    if out.is_json()
        && let Ok(header) = session.backend.find_run(&run.to_string()).await
    {
        out.document(&shape::run(&header));
    }
}

/// Says what a run gave, or why it gave nothing.
fn ended(out: Output, header: &RunHeader, step: Option<&str>) -> Exit {
    out.document(&shape::run(header));
    if header.status == Status::Completed {
        out.text(&pretty(header.outputs.as_ref().unwrap_or(&serde_json::Value::Null)));
        return Exit::Ok;
    }
    match &header.error {
        Some(failure) => {
            let step = step.map(|step| format!(" at step {step}")).unwrap_or_default();
            out.note(&format!("the run failed{step}: {}", whole(&failure.to_string())));
        }
        None => out.note(&format!("the run ended: {}", header.status.name())),
    }
    Exit::Failed
}

/// What is asked, and how to answer.
pub(crate) fn waits(session: &Session, open: &OpenApproval) -> String {
    let asked = question::describe(open);
    if session.place.ephemeral {
        return format!("\n{asked}\n\nthe run waits for this answer, and is gone now: it was ephemeral");
    }
    let commands = question::commands(open, &session.place).join("\n  ");
    format!("\n{asked}\n\nanswer with one of:\n  {commands}")
}

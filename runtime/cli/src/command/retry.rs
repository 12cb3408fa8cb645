//! `pawl retry`: tries the step again with which a run failed.

use clap::Args;
use pawl_core::StepId;

use crate::actor;
use crate::args::DataArgs;
use crate::backend::Request;
use crate::drive::drive;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The run's id, or its start or end
    run: String,
    /// Try this one of the steps that failed within each other, with all that is in it
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// Never ask on the terminal: print the commands that answer, and end
    #[arg(long)]
    no_interactive: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: RetryArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    let mut session = Session::serving(place, out, stop).await?;
    let ended = retry(&mut session, args).await;
    session.end(ended).await
}

async fn retry(session: &mut Session, args: RetryArgs) -> Result<Exit, Fault> {
    let header = session.backend.find_run(&args.run).await?;
    let step = args.step.map(StepId::new);
    let request = Request::Retry { run: header.id, step, by: actor::operator() };
    let retried = session.backend.answer(request).await?;
    session.out.note(&format!("run {}  {} {}", header.id, header.workflow, header.version));
    drive(session, header.id, retried.from_seq, !args.no_interactive).await
}

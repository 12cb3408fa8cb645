//! The commands, one a file.

pub(crate) mod answer;
pub(crate) mod approvals;
pub(crate) mod cancel;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
mod elsewhere;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod fork;
pub(crate) mod graph;
pub(crate) mod lock;
pub(crate) mod man;
pub(crate) mod memory;
pub(crate) mod namespace;
pub(crate) mod plugin;
pub(crate) mod publish;
pub(crate) mod replay;
pub(crate) mod rerun;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod signal;
pub(crate) mod store;
pub(crate) mod suspend;
pub(crate) mod test;
pub(crate) mod token;
pub(crate) mod upgrade;
pub(crate) mod verify;
pub(crate) mod workflow;

use crate::args::Command;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::stop::Stop;

/// Carries out a command. Those that drive runs are told when to stop.
pub(crate) async fn run(command: Command, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    elsewhere::check(&command, &place)?;
    crate::actor::check()?;
    match command {
        Command::Run(args) => run::run(args, place, out, stop).await,
        Command::Runs(args) => runs::run(args, place, out).await,
        Command::Show(args) => show::run(args, place, out).await,
        Command::Events(args) => events::run(args, place, out, stop).await,
        Command::Approvals(args) => approvals::run(args, place, out).await,
        Command::Approve(args) => answer::run(args.with("approve"), place, out, stop).await,
        Command::Reject(args) => answer::run(args.with("reject"), place, out, stop).await,
        Command::Answer(args) => answer::run(args, place, out, stop).await,
        Command::Signal(args) => signal::run(args, place, out, stop).await,
        Command::Publish(args) => publish::run(args, place, out).await,
        Command::Cancel(args) => cancel::run(args, place, out).await,
        Command::Resume(args) => resume::run(args, place, out, stop).await,
        Command::Rerun(args) => rerun::run(args, place, out, stop).await,
        Command::Fork(args) => fork::run(args, place, out, stop).await,
        Command::Retry(args) => retry::run(args, place, out, stop).await,
        Command::Suspend(args) => suspend::run(args, place, out).await,
        Command::Diff(args) => diff::run(args, place, out).await,
        Command::Replay(args) => replay::run(args, place, out).await,
        Command::Check(args) => check::run(args, place, out).await,
        Command::Lock(args) => lock::run(args, place, out).await,
        Command::Test(args) => test::run(args, place, out).await,
        Command::Graph(args) => graph::run(args, place, out).await,
        Command::Serve(args) => serve::run(args, place, out, stop).await,
        Command::Schema(args) => Ok(schema::run(&args, out)),
        Command::Explain(args) => explain::run(args, place, out).await,
        Command::Plugin(args) => plugin::run(args, place, out, stop).await,
        Command::Workflow(args) => workflow::run(args, place, out).await,
        Command::Upgrade(args) => upgrade::run(args, place, out).await,
        Command::Token(args) => token::run(args, place, out).await,
        Command::Namespace(args) => namespace::run(args, place, out).await,
        Command::Memory(args) => memory::run(args, place, out).await,
        Command::Store(args) => store::run(args, place, out).await,
        Command::Verify(args) => verify::run(args, place, out).await,
        Command::Doctor(_) => doctor::run(place, out).await,
        Command::Completions(args) => completions::run(&args, out),
        Command::Man(args) => man::run(&args, out),
    }
}

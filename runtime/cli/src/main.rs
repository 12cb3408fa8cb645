//! The `pawl` binary: durable agent workflows from YAML, from the command line.
//!
//! Each command is a file under [`command`]; it works on a data folder through
//! a [`backend`], which is this process's own engine or the process that holds
//! the folder. Data goes to stdout, all else to stderr, and how it ended is in
//! the exit code ([`exit`]).

mod actor;
mod args;
mod ask;
mod backend;
mod budgets;
mod command;
mod compare;
mod drive;
mod exit;
mod fault;
mod inbox;
mod inspect;
mod log;
mod notify;
mod output;
mod place;
mod progress;
mod question;
mod rehearsal;
mod serving;
mod session;
mod shape;
mod stop;
mod story;
mod summary;
mod teller;
mod usage;
mod values;
mod waits;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use args::Cli;
use exit::Exit;
use fault::Fault;
use output::Output;
use stop::Stop;

/// A step makes and drops hundreds of small values, on several threads: this allocator takes half of the
/// system's time for them (`docs/speed.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a command that was stopped may take to be taken down, in milliseconds.
const CLEAN_UP_MAX_MS: u64 = 200;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error).into(),
    };
    let out = Output::new(cli.global.json);
    log::begin(cli.global.verbose)
        .and_then(|()| run(cli, out))
        .unwrap_or_else(|fault| {
            out.fault(&fault);
            fault.exit()
        })
        .into()
}

/// Arguments that cannot be used, or help that was asked for.
fn refused(error: &clap::Error) -> Exit {
    // Whoever reads may be gone; there is no one to tell.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Ok;
    }
    // What was understood of the arguments is lost, so they are looked at as they stand.
    let wanted = std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    Output::new(wanted).document(&Fault::from(error).to_json());
    Exit::Usage
}

fn run(cli: Cli, out: Output) -> Result<Exit, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::failed(format!("cannot start: {error}")))?;
    let ended = runtime.block_on(until_stopped(cli, out));
    // What is still under way was given up or handed over.
    runtime.shutdown_background();
    // Nobody closes them after this.
    pawl_mcp::end_all();
    ended
}

/// Carries the command out, until its end or until a signal comes, whatever it waits for then.
async fn until_stopped(cli: Cli, out: Output) -> Result<Exit, Fault> {
    let mut stop = Stop::listen()?;
    let (place, drives, drains) = (cli.place(), cli.command.drives(), cli.command.drains());
    // In a task, so that a signal is heard even while the command keeps its thread busy.
    let mut under_way = tokio::spawn(command::run(cli.command, place, out, stop.clone()));
    let exit = tokio::select! {
        ended = &mut under_way => match ended.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(ended) => return ended,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_)) => return Err(Fault::failed("the command was cut off")),
        },
        // Who drives a run says itself how to go on with it.
        exit = async {
            match (drains, drives) {
                (true, _) => stop.again().await,
                (false, true) => stop.overdue().await,
                (false, false) => stop.wait().await,
            }
        } => exit,
    };
    under_way.abort();
    // The socket's file goes with it.
    let _ = tokio::time::timeout(Duration::from_millis(CLEAN_UP_MAX_MS), under_way).await;
    out.stopped(exit);
    Ok(exit)
}

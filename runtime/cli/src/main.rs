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
mod command;
mod drive;
mod exit;
mod fault;
mod inspect;
mod output;
mod place;
mod progress;
mod question;
mod session;
mod shape;
mod stop;
mod story;
mod summary;
mod values;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::Cli;
use exit::Exit;
use fault::Fault;
use output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error).into(),
    };
    let out = Output::new(cli.global.json);
    trace(cli.global.verbose);
    run(cli, out)
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
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

fn run(cli: Cli, out: Output) -> Result<Exit, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::failed(format!("cannot start: {error}")))?;
    let place = cli.place();
    let exit = runtime.block_on(command::run(cli.command, place, out));
    // What is still under way was given up or handed over.
    runtime.shutdown_background();
    exit
}

fn trace(verbose: u8) {
    let filter = match verbose {
        0 => "warn",
        1 => "warn,pawl=info,pawl_engine=info,pawl_store=info,pawl_sandbox=info",
        _ => "info,pawl=debug,pawl_engine=debug,pawl_store=debug,pawl_sandbox=debug",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(verbose > 0)
        .without_time()
        .init();
}

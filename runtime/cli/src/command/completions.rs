//! `pawl completions`: what makes a shell complete commands.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use crate::args::Cli;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, out: Output) -> Result<Exit, Fault> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pawl", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Fault::failed(format!("the completions are not text: {error}")))?;
    out.document(&json!({ "shell": args.shell.to_string(), "script": script }));
    out.text(script.trim_end());
    Ok(Exit::Ok)
}

//! What can be written on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::command;
use crate::exit;
use crate::place::{Place, StoreAt};

/// Durable agent workflows from YAML, in sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "pawl", version, max_term_width = 100, after_help = exit::HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// Print one JSON document on stdout and nothing else
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Keep everything in memory and nothing afterwards
    #[arg(long, global = true)]
    pub(crate) ephemeral: bool,
    /// The store's engine and folder: lmdb:PATH or sled:PATH (default: `$PAWL_STORE`, else lmdb: in the
    /// data folder)
    #[arg(long, global = true, value_name = "ENGINE:PATH", env = "PAWL_STORE", hide_env = true)]
    pub(crate) store: Option<StoreAt>,
    /// The operator's file, with the models that agents may ask (default: `$PAWL_CONFIG`, else `pawl.yaml` in
    /// the data folder, else in the current folder)
    #[arg(long, global = true, value_name = "FILE", env = "PAWL_CONFIG", hide_env = true)]
    pub(crate) config: Option<PathBuf>,
    /// A server to ask, in place of the data folder: `http://127.0.0.1:8917`, `https://HOST` (default: `$PAWL_SERVER`).
    /// With the token of `$PAWL_TOKEN`, or of a file
    #[arg(long, global = true, value_name = "URL", env = "PAWL_SERVER", hide_env = true)]
    pub(crate) server: Option<String>,
    /// The file with the token that the server is asked with
    #[arg(long, global = true, value_name = "FILE", requires = "server")]
    pub(crate) token_file: Option<PathBuf>,
    /// Say more on stderr; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Where data lives. Not a global argument, because `--data` of the commands that answer an
/// approval also fills in its form.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DataArgs {
    /// Where runs are kept.
    #[arg(
        long = "data",
        value_name = "DIR",
        id = "data_dir",
        help = "The data folder (default: $PAWL_DATA, else .pawl)"
    )]
    pub(crate) folder: Option<PathBuf>,
}

/// Where spans of runs go; each before the environment and pawl.yaml.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SpanArgs {
    /// The OTLP collector that spans of runs are sent to: `http://HOST:4318` (default: `$OTEL_EXPORTER_OTLP_ENDPOINT`,
    /// else `telemetry.endpoint` in pawl.yaml, else none)
    #[arg(long = "otlp-endpoint", value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// What this pawl calls itself there (default: `$OTEL_SERVICE_NAME`, else `telemetry.service` in pawl.yaml, else
    /// pawl)
    #[arg(long = "otlp-service", value_name = "NAME")]
    pub(crate) service: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a run of a workflow and show its progress until it ends or waits for a person
    Run(command::run::RunArgs),
    /// List runs, newest first
    Runs(command::runs::RunsArgs),
    /// Show one run: what it waits for, its steps, what it gave
    Show(command::show::ShowArgs),
    /// Show the journal of a run
    Events(command::events::EventsArgs),
    /// List what waits for a person; show, claim, delegate and comment it
    Approvals(command::approvals::ApprovalsArgs),
    /// Answer an approval with "approve", and go on with its run
    Approve(command::answer::NamedArgs),
    /// Answer an approval with "reject", and go on with its run
    Reject(command::answer::NamedArgs),
    /// Answer an approval with any of its actions, and go on with its run
    Answer(command::answer::AnyArgs),
    /// Send a run a signal, and go on with it
    Signal(command::signal::SignalArgs),
    /// Tell every run that waits for a topic of an event
    Publish(command::publish::PublishArgs),
    /// End a run
    Cancel(command::cancel::CancelArgs),
    /// Go on with every unfinished run, or with one
    Resume(command::resume::ResumeArgs),
    /// Start a run anew, as another was started, and follow it
    Rerun(command::rerun::RerunArgs),
    /// Make a new run that begins with the events of another, and follow it
    Fork(command::fork::ForkArgs),
    /// Try the step again with which a run failed, and go on with it
    Retry(command::retry::RetryArgs),
    /// Stop a run from beginning anything new
    Suspend(command::suspend::SuspendArgs),
    /// Compare two runs
    Diff(command::diff::DiffArgs),
    /// Run the agents of a run again, against its journal
    Replay(command::replay::ReplayArgs),
    /// Check workflows without running them
    Check(command::check::CheckArgs),
    /// Write down which plugins workflows use, for `--locked`
    Lock(command::lock::LockArgs),
    /// Run the tests that stand beside workflows
    Test(command::test::TestArgs),
    /// Draw a workflow, or a run and how far it came
    Graph(command::graph::GraphArgs),
    /// Serve the API and the console, and go on with all runs
    Serve(command::serve::ServeArgs),
    /// Print the JSON Schema of workflows, of test files or of pawl.yaml, for editors
    Schema(command::schema::SchemaArgs),
    /// Explain an error code, or why a run chose the plugin that did a step
    Explain(command::explain::ExplainArgs),
    /// Look at plugins, make, try and add them
    Plugin(command::plugin::PluginArgs),
    /// Keep workflows by name and version, and start them by name
    Workflow(command::workflow::WorkflowArgs),
    /// Let runs go on with another version of their workflow
    Upgrade(command::upgrade::UpgradeArgs),
    /// Make, list and revoke the tokens with which the server is used
    Token(command::token::TokenArgs),
    /// Make namespaces, and set how much each may
    Namespace(command::namespace::NamespaceArgs),
    /// See what agents keep beyond their runs, and have it forgotten
    Memory(command::memory::MemoryArgs),
    /// Look after the store: figures, copies, what to keep, what to repair
    Store(command::store::StoreArgs),
    /// Prove that journals are whole and unaltered
    Verify(command::verify::VerifyArgs),
    /// Try every part that pawl needs here
    Doctor(command::doctor::DoctorArgs),
    /// Print what makes a shell complete commands
    Completions(command::completions::CompletionsArgs),
    /// Write man pages
    Man(command::man::ManArgs),
}

impl Command {
    /// Whether it goes on with runs, and serves others meanwhile.
    pub(crate) const fn drives(&self) -> bool {
        match self {
            Self::Plugin(args) => args.drives(),
            Self::Events(args) => args.follow,
            other => matches!(
                other,
                Self::Run(_)
                    | Self::Resume(_)
                    | Self::Approve(_)
                    | Self::Reject(_)
                    | Self::Answer(_)
                    | Self::Rerun(_)
                    | Self::Fork(_)
                    | Self::Retry(_)
                    | Self::Signal(_)
                    | Self::Serve(_)
            ),
        }
    }
}

impl Command {
    /// Whether it takes its time to end when it is asked to, and a second signal ends it at once.
    pub(crate) const fn drains(&self) -> bool {
        matches!(self, Self::Serve(_))
    }
}

impl Cli {
    /// The data folder: named after the command, else before it, else by default.
    pub(crate) fn place(&self) -> Place {
        let after = match &self.command {
            Command::Run(args) => args.data.folder.clone(),
            Command::Runs(args) => args.data.folder.clone(),
            Command::Show(args) => args.data.folder.clone(),
            Command::Events(args) => args.data.folder.clone(),
            Command::Approvals(args) => args.folder(),
            Command::Approve(args) | Command::Reject(args) => args.answer.folder(),
            Command::Answer(args) => args.answer.folder(),
            Command::Signal(args) => args.folder(),
            Command::Publish(args) => args.folder(),
            Command::Cancel(args) => args.data.folder.clone(),
            Command::Resume(args) => args.data.folder.clone(),
            Command::Rerun(args) => args.data.folder.clone(),
            Command::Fork(args) => args.data.folder.clone(),
            Command::Retry(args) => args.data.folder.clone(),
            Command::Suspend(args) => args.data.folder.clone(),
            Command::Diff(args) => args.data.folder.clone(),
            Command::Replay(args) => args.data.folder.clone(),
            Command::Check(args) => args.data.folder.clone(),
            Command::Serve(args) => args.data.folder.clone(),
            Command::Lock(args) => args.data.folder.clone(),
            Command::Test(args) => args.data.folder.clone(),
            Command::Graph(args) => args.data.folder.clone(),
            Command::Plugin(args) => args.folder(),
            Command::Workflow(args) => args.folder(),
            Command::Upgrade(args) => args.folder(),
            Command::Token(args) => args.folder(),
            Command::Namespace(args) => args.folder(),
            Command::Memory(args) => args.folder(),
            Command::Store(args) => args.folder(),
            Command::Verify(args) => args.data.folder.clone(),
            Command::Doctor(args) => args.data.folder.clone(),
            Command::Explain(args) => args.data.folder.clone(),
            Command::Schema(_) | Command::Completions(_) | Command::Man(_) => None,
        };
        let spans = match &self.command {
            Command::Serve(args) => args.spans.clone(),
            _ => SpanArgs::default(),
        };
        let store = self.global.store.clone().unwrap_or_default();
        let config = self.global.config.clone().filter(|path| !path.as_os_str().is_empty());
        Place::new(after.or_else(|| self.data.folder.clone()), store, self.global.ephemeral)
            .with_config(config)
            .with_server(
                self.global.server.clone().filter(|url| !url.is_empty()),
                self.global.token_file.clone(),
            )
            .with_spans(spans)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    const DOCUMENT: &str =
        concat!(include_str!("../../../docs/cli.md"), include_str!("../../../docs/testing.md"));

    fn check(command: &clap::Command, name: &str, missing: &mut Vec<String>) {
        if command.get_subcommands().next().is_none() && !DOCUMENT.contains(&format!("`{name}")) {
            missing.push(name.to_owned());
        }
        for flag in command.get_arguments().filter_map(|arg| arg.get_long()) {
            let shared = ["help", "version", "json", "ephemeral", "verbose"].contains(&flag);
            if !shared && !DOCUMENT.contains(&format!("--{flag}")) {
                missing.push(format!("{name} --{flag}"));
            }
        }
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            check(inner, &format!("{name} {}", inner.get_name()), missing);
        }
    }

    #[test]
    fn every_command_and_option_is_documented() {
        let mut missing = Vec::new();
        check(&Cli::command(), "pawl", &mut missing);
        assert!(missing.is_empty(), "docs/cli.md does not name {missing:?}");
    }
}

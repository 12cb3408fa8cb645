//! `pawl plugin`: what plugins there are, what one of them is, and the life of one from its first
//! file to its place in the plugin folder.

mod accept;
mod add;
mod check;
mod find;
mod inspect;
mod keygen;
mod list;
mod new;
mod pull;
mod push;
mod remote;
mod run;
mod sign;
mod signature;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) use add::put;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect::Inspector;
use crate::output::Output;
use crate::place::Place;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// List every plugin that can be used by name
    List(list::ListArgs),
    /// Show what a plugin is, what it imports and what it offers
    Inspect(inspect::InspectArgs),
    /// Check components and the manifests beside them
    Check(check::CheckArgs),
    /// Call a tool, or run an agent, once and by hand: as in a run that nothing is kept of
    Run(run::RunArgs),
    /// Make a project for a plugin of one's own: it builds, tests and runs at once
    New(new::NewArgs),
    /// Put a component, with its manifest and its signature, into the plugin folder
    Add(add::AddArgs),
    /// Let a plugin have more than those had that were used by its name before
    Accept(accept::AcceptArgs),
    /// Make a key to sign plugins with
    Keygen(keygen::KeygenArgs),
    /// Sign a component and its manifest
    Sign(sign::SignArgs),
    /// Say who signed a component, and whether that holds
    Verify(verify::VerifyArgs),
    /// Put a component, with its manifest and its signature, into a registry
    Push(push::PushArgs),
    /// Fetch a plugin from a registry into a folder
    Pull(pull::PullArgs),
}

impl PluginArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.command {
            PluginCommand::List(args) => args.data.folder.clone(),
            PluginCommand::Inspect(args) => args.data.folder.clone(),
            PluginCommand::Check(args) => args.data.folder.clone(),
            PluginCommand::Run(args) => args.data.folder.clone(),
            PluginCommand::New(args) => args.data.folder.clone(),
            PluginCommand::Add(args) => args.data.folder.clone(),
            PluginCommand::Accept(args) => args.data.folder.clone(),
            PluginCommand::Keygen(_) => None,
            PluginCommand::Sign(args) => args.data.folder.clone(),
            PluginCommand::Verify(args) => args.data.folder.clone(),
            PluginCommand::Push(args) => args.data.folder.clone(),
            PluginCommand::Pull(args) => args.data.folder.clone(),
        }
    }

    /// Why this is not done by a server, where it is not: what to do instead.
    pub(crate) const fn not_elsewhere(&self) -> Option<&'static str> {
        match self.command {
            PluginCommand::Add(_) => Some(
                "leave out --server, on the machine of the server: its plugin folder is in its data folder",
            ),
            PluginCommand::Run(_) => {
                Some("leave out --server: a plugin is tried here, in a run that nothing is kept of")
            }
            _ => None,
        }
    }

    /// Whether it drives a run, which says itself how it was stopped.
    pub(crate) const fn drives(&self) -> bool {
        matches!(self.command, PluginCommand::Run(_))
    }
}

pub(crate) async fn run(args: PluginArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    match args.command {
        PluginCommand::List(args) => list::run(args, &place, &Inspector::new(&place)?, out).await,
        PluginCommand::Inspect(args) => inspect::run(&args, &place, out).await,
        PluginCommand::Check(args) => check::run(&args, &place, out).await,
        PluginCommand::Run(args) => run::run(args, place, out, stop).await,
        PluginCommand::New(args) => new::run(&args, out),
        PluginCommand::Accept(args) => accept::run(args, place, out).await,
        PluginCommand::Add(args) => add::run(&args, &place, out).await,
        PluginCommand::Keygen(args) => keygen::run(&args, out),
        PluginCommand::Sign(args) => sign::run(&args, &place, out).await,
        PluginCommand::Verify(args) => verify::run(&args, &place, out).await,
        PluginCommand::Push(args) => push::run(&args, &place, out).await,
        PluginCommand::Pull(args) => pull::run(&args, &place, out).await,
    }
}

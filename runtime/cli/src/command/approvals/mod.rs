//! `pawl approvals`: what waits for a person, and what people do with it beside answering.

mod act;
mod list;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pawl_core::ApprovalId;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ApprovalsArgs {
    #[command(subcommand)]
    command: Option<ApprovalsCommand>,
    #[command(flatten)]
    list: list::ListArgs,
}

#[derive(Debug, Subcommand)]
enum ApprovalsCommand {
    /// Show one approval, open or closed, and all that was done with it
    Show(show::ShowArgs),
    /// Hold an approval, so that nobody else answers it meanwhile
    Claim(act::ClaimArgs),
    /// Let go of an approval
    Release(act::ReleaseArgs),
    /// Ask others to answer an approval in your place
    Delegate(act::DelegateArgs),
    /// Say something about an approval
    Comment(act::CommentArgs),
}

impl ApprovalsArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let data = match &self.command {
            None => &self.list.data,
            Some(ApprovalsCommand::Show(args)) => &args.data,
            Some(ApprovalsCommand::Claim(args)) => &args.data,
            Some(ApprovalsCommand::Release(args)) => &args.data,
            Some(ApprovalsCommand::Delegate(args)) => &args.data,
            Some(ApprovalsCommand::Comment(args)) => &args.data,
        };
        data.folder.clone()
    }
}

pub(crate) async fn run(args: ApprovalsArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    match args.command {
        None => list::run(args.list, place, out).await,
        Some(ApprovalsCommand::Show(args)) => show::run(args, place, out).await,
        Some(ApprovalsCommand::Claim(args)) => act::claim(args, place, out).await,
        Some(ApprovalsCommand::Release(args)) => act::release(args, place, out).await,
        Some(ApprovalsCommand::Delegate(args)) => act::delegate(args, place, out).await,
        Some(ApprovalsCommand::Comment(args)) => act::comment(args, place, out).await,
    }
}

/// An approval's id, as it was typed.
pub(crate) fn id(text: &str, place: &Place) -> Result<ApprovalId, Fault> {
    text.parse().map_err(|error| {
        Fault::from(error)
            .hint(format!("it has 26 letters and digits; `{}` lists them", place.command("approvals")))
    })
}

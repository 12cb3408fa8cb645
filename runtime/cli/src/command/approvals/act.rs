//! What is done with an approval beside answering it.

use clap::Args;
use pawl_core::view::OpenApproval;

use super::id;
use crate::actor::ActorArgs;
use crate::args::DataArgs;
use crate::backend::InboxAct;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::shape;
use crate::summary::one_line;

#[derive(Debug, Args)]
pub(super) struct ClaimArgs {
    /// The approval's id
    id: String,
    #[command(flatten)]
    by: ActorArgs,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    /// The approval's id
    id: String,
    #[command(flatten)]
    by: ActorArgs,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

#[derive(Debug, Args)]
pub(super) struct DelegateArgs {
    /// The approval's id
    id: String,
    /// Whom you ask: a user or a group; may be repeated
    #[arg(long, value_name = "user:NAME | group:NAME", required = true)]
    to: Vec<String>,
    /// Why, in your words
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    #[command(flatten)]
    by: ActorArgs,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

#[derive(Debug, Args)]
pub(super) struct CommentArgs {
    /// The approval's id
    id: String,
    /// What you say
    text: String,
    #[command(flatten)]
    by: ActorArgs,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn claim(args: ClaimArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    act(&args.id, &args.by, InboxAct::Claim, place, out).await
}

pub(super) async fn release(args: ReleaseArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    act(&args.id, &args.by, InboxAct::Release, place, out).await
}

pub(super) async fn delegate(args: DelegateArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let DelegateArgs { id, to, comment, by, .. } = args;
    act(&id, &by, InboxAct::Delegate { to, comment }, place, out).await
}

pub(super) async fn comment(args: CommentArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    act(&args.id, &args.by, InboxAct::Comment { text: args.text }, place, out).await
}

async fn act(text: &str, by: &ActorArgs, what: InboxAct, place: Place, out: Output) -> Result<Exit, Fault> {
    let (approval, by) = (id(text, &place)?, by.actor()?);
    let session = Session::open(place, out).await?;
    let done = async {
        let open = session.backend.inbox(approval, what.clone(), by).await?;
        session.out.document(&open.as_ref().map(shape::approval).into());
        session.out.text(&said(&what, open.as_ref()));
        Ok(Exit::Ok)
    };
    let done = done.await;
    session.end(done).await
}

fn said(what: &InboxAct, open: Option<&OpenApproval>) -> String {
    match what {
        InboxAct::Claim => {
            let claim = open.and_then(|open| open.inbox.claim.as_ref());
            let claim = claim.map(|claim| format!(" by {} until {}", one_line(&claim.by), claim.until));
            format!("claimed{}", claim.unwrap_or_default())
        }
        InboxAct::Release => "released".to_owned(),
        InboxAct::Delegate { to, .. } => format!("delegated to {}", one_line(&to.join(", "))),
        InboxAct::Comment { .. } => "commented".to_owned(),
    }
}

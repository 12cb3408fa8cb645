//! `pawl token`: who may use the server, and what for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use pawl_core::{Duration, Namespace};
use pawl_server::identity::{IdentityReply, IdentityRequest, NewToken, Role, Token, Verb};
use serde_json::Value;

use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};
use crate::place::Place;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token, and show its secret this once
    Create(CreateArgs),
    /// List tokens, without their secrets
    List(ListArgs),
    /// Take a token back, at once
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Whose it is: `ann` acts as user:ann
    #[arg(long)]
    name: String,
    /// What it may: viewer, operator, approver or admin; may be repeated
    #[arg(long = "role", required = true, value_parser = |text: &str| text.parse::<Role>())]
    roles: Vec<Role>,
    /// A group that it belongs to; may be repeated
    #[arg(long = "group", value_name = "group:NAME")]
    groups: Vec<String>,
    /// Only this of what its roles may: look, start, steer, decide, publish, register or manage; may be repeated
    #[arg(long = "only", value_name = "VERB", value_parser = |text: &str| text.parse::<Verb>())]
    verbs: Vec<Verb>,
    /// The namespace that it is bound to (default: default; of an admin, none: it is for all of them)
    #[arg(long)]
    namespace: Option<Namespace>,
    /// For how long it is good, as 30d or 8h (default: until it is revoked)
    #[arg(long, value_name = "DURATION")]
    expires: Option<Duration>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// Its id, as `pawl token list` shows it
    id: String,
    /// Keep no trace of it either
    #[arg(long)]
    forget: bool,
    #[command(flatten)]
    data: DataArgs,
}

impl TokenArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.command {
            TokenCommand::Create(args) => args.data.folder.clone(),
            TokenCommand::List(args) => args.data.folder.clone(),
            TokenCommand::Revoke(args) => args.data.folder.clone(),
        }
    }
}

pub(crate) async fn run(args: TokenArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let done = act(args.command, &session).await;
    session.end(done).await
}

async fn act(command: TokenCommand, session: &Session) -> Result<Exit, Fault> {
    let request = match command {
        TokenCommand::Create(args) => IdentityRequest::CreateToken(NewToken {
            name: args.name,
            roles: args.roles.into_iter().collect(),
            verbs: (!args.verbs.is_empty()).then(|| args.verbs.into_iter().collect()),
            groups: args.groups.into_iter().collect(),
            namespace: args.namespace,
            expires_ms: args.expires.map(|expires| expires.0),
        }),
        TokenCommand::List(_) => IdentityRequest::Tokens,
        TokenCommand::Revoke(args) => IdentityRequest::RevokeToken { id: args.id, forget: args.forget },
    };
    match session.backend.identity(request).await? {
        IdentityReply::Created(made) => {
            let mut shape = made.token.shape(&made.id);
            shape["secret"] = made.secret.clone().into();
            session.out.document(&shape);
            session.out.text(&made.secret);
            session.out.note("this is shown once; `Authorization: Bearer TOKEN` is how it is used");
        }
        IdentityReply::Tokens(tokens) => list(session, &tokens),
        IdentityReply::Revoked(token) => {
            session.out.document(&token.shape(""));
            session.out.text(&format!("the token of {} is good no more", token.name));
        }
        IdentityReply::Namespace(_) | IdentityReply::Namespaces(_) => return Err(crate::backend::strange()),
    }
    Ok(Exit::Ok)
}

fn list(session: &Session, tokens: &[(String, Token)]) {
    session.out.document(&tokens.iter().map(|(id, token)| token.shape(id)).collect::<Value>());
    if tokens.is_empty() {
        return session.out.text("there is no token; `pawl token create` makes one");
    }
    let rows = tokens.iter().map(|(id, token)| {
        let roles: Vec<_> = token.roles.iter().map(|role| role.name()).collect();
        let groups: BTreeSet<_> = token.groups.iter().map(String::as_str).collect();
        let state = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => format!("until {at}"),
            (None, None) => String::new(),
        };
        let groups = groups.into_iter().collect::<Vec<_>>().join(" ");
        let namespace = token.namespace.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
        let made_by =
            token.made_by.as_ref().map_or_else(String::new, |by| format!("{} via {}", by.name, by.via));
        [id.clone(), token.name.clone(), roles.join(" "), groups, namespace, made_by, state]
    });
    session.out.text(&table(["id", "name", "roles", "groups", "namespace", "made by", ""], rows));
}

//! `pawl serve`: the API and the console, and all runs go on.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use pawl_core::operator::Operator;
use pawl_engine::Engine;
use pawl_server::notify::Notifier;
use pawl_server::{Server, ServerConfig, ServerError};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{DataArgs, SpanArgs};
use crate::backend::{self, Service};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::notify;
use crate::output::Output;
use crate::place::Place;
use crate::serving::{Layers, ServingArgs, Setup};
use crate::session::Session;
use crate::stop::Stop;
use crate::teller::Told;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) serving: ServingArgs,
    #[command(flatten)]
    pub(crate) spans: SpanArgs,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: ServeArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    let session = Session::serving(place, out, stop).await?;
    match serve(&args, &session).await {
        // What is still under way was waited for as long as it may take.
        Ok(()) => {
            session.cut_off().await;
            Ok(Exit::Ok)
        }
        Err(fault) => session.end(Err(fault)).await,
    }
}

async fn serve(args: &ServeArgs, session: &Session) -> Result<(), Fault> {
    if session.is_remote() {
        return Err(Fault::unusable("another process holds the data folder")
            .hint("stop it, or serve another folder with --data DIR"));
    }
    let (operator, folder) = backend::read_operator(&session.place)?;
    let mut setup = Setup::new(&args.serving, &Layers::of_process(), (&operator.server, &folder))?;
    let service = session.backend.service()?;
    let engine = service.engine();
    setup.config = ServerConfig {
        teller: Arc::new(Told),
        notify: backend::notifying(&session.place)?,
        issuer: backend::issuer(&session.place)?,
        link_key: (!session.place.ephemeral).then(|| session.place.link_key()),
        ..setup.config
    };
    let server = Server::bind(engine.clone(), &setup.config).await.map_err(|error| setup.fault(error))?;
    let reloading = tokio::spawn(reload(session.place.clone(), service.clone(), server.notifier(), operator));
    let url = server.url();
    session.out.document(&json!({ "url": url, "pid": std::process::id() }));
    session.out.note(&format!("serves {url}; stop it with Ctrl-C"));
    if setup.config.tls.is_none() && !server.address().ip().is_loopback() {
        session
            .out
            .note("tokens can be read on the way: use TLS (`server.tls_cert` in pawl.yaml), or a proxy that does TLS");
    }
    notify::notify(notify::READY);
    // Beside it: what many runs take to be looked through, nobody waits for who asks.
    let recovered = async { engine.recover().await.map(drop).map_err(Fault::from) };
    let drained = until_drained(session, server, engine, setup.drain);
    let ended = tokio::try_join!(recovered, drained).map(drop);
    reloading.abort();
    ended
}

/// Serves until it is stopped. Then no more is taken and no step begun, and what is under way is waited for.
async fn until_drained(
    session: &Session,
    server: Server,
    engine: &Engine,
    longest: Duration,
) -> Result<(), Fault> {
    let mut stop = session.stop.clone();
    let ended = async move {
        stop.wait().await;
    };
    let mut stop = session.stop.clone();
    let mut answers = pin!(server.serve(ended));
    tokio::select! {
        // First: whoever is asked to stop may have served its last request at the same moment.
        biased;
        _ = stop.wait() => {}
        result = &mut answers => return Ok(result?),
    }
    notify::notify(notify::STOPPING);
    session.out.note("ends when the steps under way are done; a second signal ends it at once");
    let (drained, result) =
        tokio::join!(tokio::time::timeout(longest, engine.drain()), tokio::time::timeout(longest, answers));
    if drained.is_err() {
        session
            .out
            .note("the steps under way took too long and are cut off; they go on after the next start");
    }
    if let Ok(result) = result {
        result?;
    }
    Ok(())
}

/// Reads the operator's file anew whenever SIGHUP comes. One that does not read changes nothing.
async fn reload(place: Place, service: Service, notifier: Notifier, mut operator: Operator) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return tracing::warn!("SIGHUP cannot be listened to: pawl.yaml is read once");
    };
    while hangup.recv().await.is_some() {
        notify::reloading();
        match read_anew(&place, &service, &notifier, &operator).await {
            Ok(now) => {
                operator = now;
                tracing::warn!(
                    "pawl.yaml was read anew: its models, MCP servers, plugins, policies, telemetry and notify hold from now on"
                );
            }
            Err(fault) => {
                tracing::error!("pawl.yaml does not read, and what was read before holds: {}", fault.text());
            }
        }
        notify::notify(notify::READY);
    }
}

/// What can be refused is looked at before anything is changed.
async fn read_anew(
    place: &Place,
    service: &Service,
    notifier: &Notifier,
    before: &Operator,
) -> Result<Operator, Fault> {
    let notify = backend::notifying(place)?;
    notifier.check(&notify).map_err(ServerError::from)?;
    let now = service.reload(place, before).await?;
    notifier.reload(&notify).await.map_err(ServerError::from)?;
    Ok(now)
}

impl From<ServerError> for Fault {
    fn from(error: ServerError) -> Self {
        let text = error.to_string();
        match text.rsplit_once("; ") {
            Some((message, hint)) => Self::usage(message).hint(hint),
            None => Self::failed(text),
        }
    }
}

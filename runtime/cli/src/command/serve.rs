//! `pawl serve`: the API and the console, and all runs go on.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use pawl_core::operator::Operator;
use pawl_engine::Engine;
use pawl_server::{Server, ServerConfig, ServerError};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{DataArgs, SpanArgs};
use crate::backend::{self, Service};
use crate::doors::DoorArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::notify;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::stop::Stop;
use crate::teller::Told;

/// How long steps that are under way may take to end when the server is stopped, in milliseconds, where nothing else is
/// said.
const DRAIN_MS: u64 = 30_000;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one (default: `$PAWL_LISTEN`, else `server.listen` in pawl.yaml,
    /// else 127.0.0.1:8917)
    #[arg(long, value_name = "ADDRESS:PORT", env = "PAWL_LISTEN", hide_env = true)]
    listen: Option<SocketAddr>,
    /// How long steps that are under way may take to end when it is stopped: 30s, 5m (default: `$PAWL_DRAIN`, else
    /// `server.drain` in pawl.yaml, else 30s)
    #[arg(long, value_name = "TIME", env = "PAWL_DRAIN", hide_env = true)]
    drain: Option<pawl_core::Duration>,
    #[command(flatten)]
    doors: DoorArgs,
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
    let (operator, _) = backend::read_operator(&session.place)?;
    let service = session.backend.service()?;
    let engine = service.engine();
    let usual = ServerConfig::default();
    let listen = args.listen.or(operator.server.listen).unwrap_or(usual.listen);
    let notify = backend::notifying(&session.place)?;
    let config = ServerConfig { listen, teller: Arc::new(Told), notify, ..usual };
    let config = args.doors.apply(config, &session.place)?;
    let server = Server::bind(engine.clone(), &config).await?;
    let drain = args.drain.or(operator.server.drain).map_or(DRAIN_MS, |drain| drain.0);
    let reloading = tokio::spawn(reload(session.place.clone(), service.clone(), operator));
    let url = server.url();
    session.out.document(&json!({ "url": url, "pid": std::process::id() }));
    session.out.note(&format!("serves {url}; stop it with Ctrl-C"));
    if args.doors.is_plain() && !server.address().ip().is_loopback() {
        session
            .out
            .note("tokens can be read on the way: use --tls-cert and --tls-key, or a proxy that does TLS");
    }
    notify::notify(notify::READY);
    // Beside it: what many runs take to be looked through, nobody waits for who asks.
    let recovered = async { engine.recover().await.map(drop).map_err(Fault::from) };
    let drained = until_drained(session, server, engine, Duration::from_millis(drain));
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
async fn reload(place: Place, service: Service, mut operator: Operator) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return tracing::warn!("SIGHUP cannot be listened to: pawl.yaml is read once");
    };
    while hangup.recv().await.is_some() {
        notify::reloading();
        match service.reload(&place, &operator).await {
            Ok(now) => {
                operator = now;
                tracing::warn!(
                    "pawl.yaml was read anew: its models, MCP servers, plugins, policies and telemetry hold from now on"
                );
            }
            Err(fault) => {
                tracing::error!("pawl.yaml does not read, and what was read before holds: {}", fault.text());
            }
        }
        notify::notify(notify::READY);
    }
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

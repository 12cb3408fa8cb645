//! `pawl serve`: the API and the console, and all runs go on.

use std::net::SocketAddr;

use clap::Args;
use pawl_server::{Server, ServerConfig, ServerError};
use serde_json::json;

use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8917")]
    listen: SocketAddr,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: ServeArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    let session = Session::serving(place, out, stop).await?;
    let ended = serve(&args, &session).await;
    session.end(ended).await
}

async fn serve(args: &ServeArgs, session: &Session) -> Result<Exit, Fault> {
    if session.is_remote() {
        return Err(Fault::unusable("another process holds the data folder")
            .hint("stop it, or serve another folder with --data DIR"));
    }
    let engine = session.backend.engine()?;
    let config = ServerConfig { listen: args.listen };
    let server = Server::bind(engine.clone(), &config).await?;
    session.backend.recover().await?;
    let url = format!("http://{}", server.address());
    session.out.document(&json!({ "url": url, "pid": std::process::id() }));
    session.out.note(&format!("serves {url}; stop it with Ctrl-C"));
    let mut stop = session.stop.clone();
    let ended = async move {
        stop.wait().await;
    };
    server.serve(ended).await?;
    Ok(Exit::Ok)
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

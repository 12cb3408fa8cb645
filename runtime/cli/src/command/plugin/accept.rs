//! `pawl plugin accept`: lets a plugin have more than those had that were used by its name before.

use clap::Args;
use pawl_engine::HeldPlugin;
use serde_json::json;

use crate::args::DataArgs;
use crate::backend::Request;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::summary::one_line;

#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    /// The plugins, by their names; without one, those that are held are listed
    names: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(super) async fn run(args: AcceptArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let done = carry_out(&session, args).await;
    session.end(done).await
}

async fn carry_out(session: &Session, args: AcceptArgs) -> Result<Exit, Fault> {
    let out = session.out;
    let held = session.backend.held(Request::HeldPlugins).await?;
    if args.names.is_empty() {
        show(out, &held, "held");
        if held.is_empty() {
            out.text("no plugin is held");
        }
        return Ok(Exit::Ok);
    }
    // All of them, or none.
    for name in &args.names {
        if !held.iter().any(|plugin| plugin.name == *name) {
            return Err(Fault::usage(format!("no plugin '{name}' is held")).hint(
                "`pawl plugin accept` lists those that are; a plugin is held when a run is refused for it",
            ));
        }
    }
    let mut accepted = Vec::new();
    for name in args.names {
        accepted.extend(session.backend.held(Request::AcceptPlugin { name }).await?);
    }
    show(out, &accepted, "accepted");
    Ok(Exit::Ok)
}

fn show(out: Output, plugins: &[HeldPlugin], what: &str) {
    out.document(&json!({ what: plugins }));
    for plugin in plugins {
        let HeldPlugin { name, component, demands, more } = plugin;
        let needs: Vec<_> = demands.needs.iter().map(|need| one_line(need)).collect();
        let all = if needs.is_empty() { "nothing".to_owned() } else { needs.join(", ") };
        out.text(&format!("{what} {} ({}): needs {all}", one_line(name), component.short()));
        for one in more {
            out.text(&format!("  + {}", one_line(one)));
        }
    }
}

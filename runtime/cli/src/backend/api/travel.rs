//! Over the API: making a run of another.

use std::path::Path;

use pawl_core::RunId;
use pawl_core::fork::Change;
use pawl_engine::{Rehearse, Replacement};
use serde_json::{Map, Value, json};

use super::{Api, path_of};
use crate::backend::protocol::{Latest, Reply, Request};
use crate::backend::settings::Settings;
use crate::fault::Fault;

/// What only the process that has the files can do.
pub(super) fn no_locked() -> Fault {
    Fault::usage("--locked compares plugins with a pawl.lock, and the server has none for a text that is sent")
        .hint("leave it out with --server; on the machine of the server, `pawl workflow register --locked` compares")
}

/// The component of an agent, as the API names it.
fn place_of(name: &str, replacement: &Replacement) -> Result<Value, Fault> {
    match replacement {
        Replacement::Current => Ok("current".into()),
        Replacement::Stored(digest) => Ok(format!("sha256:{digest}").into()),
        Replacement::File(path) => {
            let file = Path::new(path).display();
            Err(Fault::usage(format!("--with agent={name}={file}: the server does not take files")).hint(
                "put the component into the plugin folder there and write --with agent=NAME, or name one that its \
                 store has: --with agent=NAME=sha256:…",
            ))
        }
    }
}

fn change(Change { step, path, value }: Change) -> Value {
    json!({ "step": step, "path": path, "value": value })
}

impl Api {
    pub(super) async fn travel(&self, request: Request) -> Result<Reply, Fault> {
        match request {
            Request::Rerun { run, settings, latest, .. } => self.rerun(run, &settings, latest).await,
            Request::Fork { run, seq, settings, rehearse, .. } => {
                self.fork(run, seq, &settings, rehearse).await
            }
            _ => Err(super::not_over_the_api()),
        }
    }

    async fn rerun(&self, run: RunId, settings: &[String], latest: Option<Latest>) -> Result<Reply, Fault> {
        let mut body = Map::new();
        if !settings.is_empty() {
            let workflow = self.get(&format!("{}/workflow", path_of(run))).await?;
            // Settings are read as the schema wants them by which the new run goes.
            let schema = match &latest {
                Some(Latest { file, text, .. }) => {
                    let loaded =
                        pawl_core::source::load(file, text).map_err(pawl_engine::EngineError::from)?;
                    loaded.definition.inputs.json().clone()
                }
                None => workflow["inputs"].clone(),
            };
            let inputs = Settings::parse(settings, &schema)?.inputs(workflow["given"].clone())?;
            body.insert("inputs".to_owned(), inputs);
        }
        if let Some(latest) = latest {
            if latest.locked {
                return Err(no_locked());
            }
            body.insert("source".to_owned(), latest.text.into());
        }
        self.opened(&format!("{}/rerun", path_of(run)), &[], &body.into()).await
    }

    async fn fork(
        &self,
        run: RunId,
        seq: u64,
        settings: &[String],
        rehearse: Option<Rehearse>,
    ) -> Result<Reply, Fault> {
        let changes = if settings.is_empty() {
            Vec::new()
        } else {
            let workflow = self.get(&format!("{}/workflow", path_of(run))).await?;
            Settings::parse(settings, &workflow["inputs"])?.changes()
        };
        let changes: Vec<_> = changes.into_iter().map(change).collect();
        let mut body = json!({ "at": seq, "changes": changes });
        if let Some(Rehearse { agents, model, dry }) = rehearse {
            // Every rehearsal says one of these, or the server would make a plain fork.
            let mut others = Map::new();
            for (name, replacement) in &agents {
                others.insert(name.clone(), place_of(name, replacement)?);
            }
            body["agents"] = others.into();
            body["model"] = model.into();
            body["dry"] = dry.into();
        }
        self.opened(&format!("{}/fork", path_of(run)), &[], &body).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_named_as_the_server_finds_them_and_files_are_refused() {
        assert_eq!(place_of("a", &Replacement::Current).unwrap(), "current");
        let digest = pawl_core::Digest::of(b"x");
        assert_eq!(place_of("a", &Replacement::Stored(digest)).unwrap(), format!("sha256:{digest}"));
        let refused = place_of("a", &Replacement::File("/x/a.wasm".into())).unwrap_err();
        assert!(refused.message.contains("--with agent=a=/x/a.wasm") && refused.hint.is_some());
    }
}

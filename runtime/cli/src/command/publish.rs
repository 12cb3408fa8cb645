//! `pawl publish`: tells every run that waits for a topic of an event.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::backend::Request;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::values;

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The topic: levels with `/` between them
    #[arg(index = 1)]
    topic: String,
    /// A field of what the event says, JSON where it is JSON, else text; may be repeated. A value without `=` names
    /// the data folder, as with every command
    #[arg(long = "data", value_name = "NAME=VALUE | DIR")]
    fields: Vec<String>,
    /// What the event says as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "fields")]
    data_json: Option<String>,
    /// A name of your own for the event: a run that has heard of it takes no notice of it again
    #[arg(long, value_name = "TEXT")]
    id: Option<String>,
}

impl PublishArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        values::folder(&self.fields)
    }

    fn data(&self) -> Result<Value, Fault> {
        if let Some(json) = &self.data_json {
            return serde_json::from_str(json)
                .map_err(|error| Fault::usage(format!("--data-json is not JSON: {error}")));
        }
        let mut texts = Map::new();
        values::read_pairs(None, &values::fields(&self.fields)?, &mut texts)?;
        if texts.is_empty() {
            return Ok(Value::Null);
        }
        // No schema says what a topic brings.
        let read = |text: Value| match text.as_str().map(serde_json::from_str) {
            Some(Ok(value)) => value,
            _ => text,
        };
        Ok(texts.into_iter().map(|(name, text)| (name, read(text))).collect::<Map<_, _>>().into())
    }
}

pub(crate) async fn run(args: PublishArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let data = args.data()?;
    let session = Session::open(place, out).await?;
    let done = async {
        let PublishArgs { topic, id, .. } = args;
        session.backend.publish(Request::Publish { topic: topic.clone(), data, id }).await?;
        session.backend.settle().await;
        session.out.document(&json!({ "topic": topic }));
        session.out.text("every run that waits for it was told");
        Ok(Exit::Ok)
    };
    let done = done.await;
    session.end(done).await
}

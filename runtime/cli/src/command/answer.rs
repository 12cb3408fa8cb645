//! `pawl approve`, `pawl reject`, `pawl answer`: a person decides, and the run goes on.

use std::path::PathBuf;

use clap::Args;
use pawl_core::ApprovalId;
use serde_json::{Map, Value};

use crate::actor::ActorArgs;
use crate::backend::{Answered, Request};
use crate::command::approvals::id;
use crate::drive::drive;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::stop::Stop;
use crate::{shape, values};

#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}

impl NamedArgs {
    /// The answer with this action.
    pub(crate) fn with(self, action: &str) -> AnyArgs {
        AnyArgs { answer: self.answer, action: action.to_owned() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct AnyArgs {
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
    /// What is chosen: one of the approval's actions
    #[arg(index = 2)]
    action: String,
}

#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The approval's id
    #[arg(index = 1)]
    id: String,
    /// A field of the form, read as its schema wants it; may be repeated. A value without `=` names
    /// the data folder, as with every command
    #[arg(long = "data", value_name = "NAME=VALUE | DIR")]
    fields: Vec<String>,
    /// The form as a JSON object
    #[arg(long, value_name = "JSON")]
    data_json: Option<String>,
    /// Why, in your words
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    #[command(flatten)]
    by: ActorArgs,
    /// Show no progress, and do not wait through timers: end when no step is under way
    #[arg(long)]
    no_wait: bool,
    /// Never ask on the terminal if the run waits again
    #[arg(long)]
    no_interactive: bool,
}

impl AnswerArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        values::folder(&self.fields)
    }
}

pub(crate) async fn run(args: AnyArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    let approval = id(&args.answer.id, &place)?;
    let by = args.answer.by.actor()?;
    let fields = values::fields(&args.answer.fields)?;
    let mut session = Session::serving(place, out, stop).await?;
    let ended = answer(&mut session, &args, &fields, approval, by).await;
    session.end(ended).await
}

async fn answer(
    session: &mut Session,
    args: &AnyArgs,
    fields: &[String],
    approval: ApprovalId,
    by: pawl_core::event::Actor,
) -> Result<Exit, Fault> {
    let open = session.backend.approval(&approval).await?;
    let form = open.as_ref().and_then(|open| open.form.as_ref());
    let data = Value::Object(filled(&args.answer, fields, form)?);
    let (action, comment) = (args.action.clone(), args.answer.comment.clone());
    let answer = Request::Answer { approval, action: action.clone(), data, by, comment };
    let Answered { run, from_seq } = session.backend.answer(answer).await?;
    if args.answer.no_wait {
        let header = session.backend.find_run(&run.to_string()).await?;
        session.out.document(&shape::run(&header));
        session.out.note(&format!("answered '{action}' for run {run}"));
        return Ok(Exit::Ok);
    }
    session.out.note(&format!("run {run}"));
    drive(session, run, from_seq, !args.answer.no_interactive).await
}

/// What is filled in: the JSON first, then field by field.
fn filled(args: &AnswerArgs, fields: &[String], form: Option<&Value>) -> Result<Map<String, Value>, Fault> {
    let mut data = match &args.data_json {
        Some(json) => values::read_object("--data-json", json)?,
        None => Map::new(),
    };
    values::read_pairs(form, fields, &mut data)?;
    Ok(data)
}

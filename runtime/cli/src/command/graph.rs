//! `pawl graph`: a workflow drawn, or a run and how far it came.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pawl_core::definition::Definition;
use pawl_core::event::Event;
use pawl_core::graph::{self, Mark, Marks};
use pawl_core::journal::Envelope;
use pawl_core::source;
use pawl_core::view::Status;
use pawl_engine::EngineError;
use serde_json::json;

use crate::args::DataArgs;
use crate::backend::SourceOf;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::story::Story;

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// The workflow's file, or a run: its id, or its start or end
    #[arg(value_name = "FILE|RUN")]
    subject: PathBuf,
    /// The language it is written in
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
    /// Draw it as SVG; of a run, with where each step stands
    #[arg(long, conflicts_with = "format")]
    svg: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For Markdown files and mermaid.live
    Mermaid,
    /// For Graphviz
    Dot,
    /// A picture
    Svg,
}

pub(crate) async fn run(args: GraphArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let format = if args.svg { Format::Svg } else { args.format };
    if !args.subject.exists()
        && let Some(run) = args.subject.to_str().filter(|text| may_be_run(text))
    {
        let session = Session::open(place, out).await?;
        let shown = show(&session, run, format).await;
        return session.end(shown).await;
    }
    let file = args.subject.display().to_string();
    let text = std::fs::read_to_string(&args.subject)
        .map_err(|error| EngineError::Unreadable { path: file.clone(), reason: error.to_string() })?;
    let definition = source::load(&file, &text).map_err(EngineError::from)?.definition;
    print(out, &definition, format, None);
    Ok(Exit::Ok)
}

/// Whether a text that names no file may be a part of a run's id.
fn may_be_run(text: &str) -> bool {
    text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

async fn show(session: &Session, run: &str, format: Format) -> Result<Exit, Fault> {
    let run = session.backend.find_run(run).await?.id;
    let history = session.backend.history(run).await?;
    let text = session.backend.source(history.header.definition, SourceOf::Run(run)).await?;
    let file = format!("the definition of run {run}");
    let definition = source::load(&file, &text).map_err(EngineError::from)?.definition;
    print(session.out, &definition, format, Some(&marks(history.header.status, &history.envelopes)));
    Ok(Exit::Ok)
}

/// Where each step stands.
pub(crate) fn marks(status: Status, envelopes: &[Envelope]) -> Marks {
    let story = Story::of(envelopes);
    let mut marks = Marks { status, steps: BTreeMap::new() };
    for envelope in envelopes {
        let (Event::StepStarted { visit, step, .. } | Event::StepSkipped { visit, step, .. }) =
            &envelope.event
        else {
            continue;
        };
        let Some(status) = story.step(*visit).map(|step| step.status) else { continue };
        let mark = marks.steps.entry(step.clone()).or_insert(Mark { status, visits: 0 });
        mark.visits += 1;
        // What is under way counts more than what came later beside it.
        if is_over(mark.status) || !is_over(status) {
            mark.status = status;
        }
    }
    marks
}

/// Whether a visit with this status goes on no more.
fn is_over(status: Status) -> bool {
    status.is_final() || status == Status::Skipped
}

fn print(out: Output, definition: &Definition, format: Format, marks: Option<&Marks>) {
    let (format, graph) = match format {
        Format::Mermaid => ("mermaid", graph::to_mermaid(definition)),
        Format::Dot => ("dot", graph::to_dot(definition)),
        Format::Svg => ("svg", graph::to_svg(definition, marks)),
    };
    out.document(&json!({ "workflow": definition.name, "format": format, "graph": graph }));
    out.text(graph.trim_end());
}

//! `pawl graph`: the graph of a workflow, for other programs to draw.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pawl_core::{graph, source};
use pawl_engine::EngineError;
use serde_json::json;

use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// The workflow
    file: PathBuf,
    /// The language it is written in
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For Markdown files and mermaid.live
    Mermaid,
    /// For Graphviz
    Dot,
}

pub(crate) fn run(args: &GraphArgs, out: Output) -> Result<Exit, Fault> {
    let file = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| EngineError::Unreadable { path: file.clone(), reason: error.to_string() })?;
    let definition = source::load(&file, &text).map_err(EngineError::from)?.definition;
    let (format, graph) = match args.format {
        Format::Mermaid => ("mermaid", graph::to_mermaid(&definition)),
        Format::Dot => ("dot", graph::to_dot(&definition)),
    };
    out.document(&json!({ "workflow": definition.name, "format": format, "graph": graph }));
    out.text(graph.trim_end());
    Ok(Exit::Ok)
}

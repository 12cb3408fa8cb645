//! Drawings: the same definition always gives the same text.

use std::fmt::Write as _;

use petgraph::visit::EdgeRef;

use serde_json::{Value, json};

use super::{Graph, Place, Way};
use crate::definition::{Definition, Step, Verb};

/// A Mermaid flowchart.
pub fn to_mermaid(definition: &Definition) -> String {
    let mut out = String::from("flowchart TD\n");
    let quoted = |text: &str| {
        let text = text.replace('&', "&amp;").replace('"', "&quot;");
        text.replace('<', "&lt;").replace('>', "&gt;").replace('\n', " ")
    };
    draw(definition, &mut out, |out, line| match line {
        Line::Place { id, title, detail, shape } => {
            let (open, close) = match shape {
                Shape::Terminal => ("([", "])"),
                Shape::Work => ("[", "]"),
                Shape::Person => ("[/", "/]"),
                Shape::Choice => ("{", "}"),
                Shape::Joined => ("((", "))"),
            };
            let detail = detail.map(|detail| format!("<br/>{}", quoted(&detail))).unwrap_or_default();
            writeln!(out, "    {id}{open}\"{}{detail}\"{close}", quoted(&title))
        }
        Line::Way { from, to, label } if label.is_empty() => writeln!(out, "    {from} --> {to}"),
        Line::Way { from, to, label } => writeln!(out, "    {from} -->|\"{}\"| {to}", quoted(&label)),
    });
    out
}

/// A DOT digraph.
pub fn to_dot(definition: &Definition) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ");
    let mut out = format!("digraph \"{}\" {{\n", quoted(&definition.name));
    draw(definition, &mut out, |out, line| match line {
        Line::Place { id, title, detail, shape } => {
            let shape = match shape {
                Shape::Terminal => "oval",
                Shape::Work => "box",
                Shape::Person => "parallelogram",
                Shape::Choice => "diamond",
                Shape::Joined => "circle",
            };
            let detail = detail.map(|detail| format!("\\n{}", quoted(&detail))).unwrap_or_default();
            writeln!(out, "    {id} [shape={shape}, label=\"{}{detail}\"];", quoted(&title))
        }
        Line::Way { from, to, label } if label.is_empty() => writeln!(out, "    {from} -> {to};"),
        Line::Way { from, to, label } => {
            writeln!(out, "    {from} -> {to} [label=\"{}\"];", quoted(&label))
        }
    });
    out.push_str("}\n");
    out
}

/// `{nodes: [{id, kind, step, title, detail}], edges: [{from, to, label}]}`, for whoever draws it otherwise. `kind` is
/// `start`, `end`, `joined`, or the verb of the step.
pub fn to_json(definition: &Definition) -> Value {
    let graph = Graph::of(definition);
    let inner = graph.inner();
    let nodes: Vec<_> = inner.node_indices().map(|node| node_json(definition, inner[node])).collect();
    let (mut text, mut edges) = (String::new(), Vec::new());
    draw(definition, &mut text, |_, line| {
        if let Line::Way { from, to, label } = line {
            edges.push(json!({ "from": from, "to": to, "label": label }));
        }
        Ok(())
    });
    json!({ "nodes": nodes, "edges": edges })
}

fn node_json(definition: &Definition, at: Place) -> Value {
    let (kind, index) = match at {
        Place::Start => ("start", None),
        Place::End => ("end", None),
        Place::Joined(index) => ("joined", Some(index)),
        Place::Step(index) => (definition.step(index).map_or("step", |step| step.verb.name()), Some(index)),
    };
    let step = index.and_then(|index| definition.step(index)).map(|step| &step.id);
    let Line::Place { id, title, detail, .. } = place(definition, at) else { return Value::Null };
    json!({ "id": id, "kind": kind, "step": step, "title": title, "detail": detail })
}

enum Line {
    Place { id: String, title: String, detail: Option<String>, shape: Shape },
    Way { from: String, to: String, label: String },
}

enum Shape {
    Terminal,
    Work,
    Person,
    Choice,
    Joined,
}

fn draw(
    definition: &Definition,
    out: &mut String,
    mut write: impl FnMut(&mut String, Line) -> std::fmt::Result,
) {
    let graph = Graph::of(definition);
    let inner = graph.inner();
    let places = inner.node_indices().map(|node| place(definition, inner[node]));
    let ways = inner.edge_indices().filter_map(|edge| {
        let (from, to) = inner.edge_endpoints(edge)?;
        let label = match &inner[edge] {
            Way::Always => String::new(),
            Way::When(condition) => condition.clone(),
            Way::Otherwise => "otherwise".to_owned(),
            Way::For(what) => what.clone(),
        };
        Some(Line::Way { from: id(definition, inner[from]), to: id(definition, inner[to]), label })
    });
    debug_assert!(
        inner.edge_references().all(|edge| edge.source() != graph.end()),
        "nothing follows the end"
    );
    for line in places.chain(ways) {
        let written = write(out, line);
        debug_assert!(written.is_ok(), "a String takes everything");
    }
}

/// A name that neither language knows for something else: `end` alone would close a Mermaid block.
fn id(definition: &Definition, place: Place) -> String {
    match place {
        Place::Start => "run_start".to_owned(),
        Place::Step(index) => {
            definition.step(index).map_or_else(String::new, |step| format!("step_{}", step.id))
        }
        Place::Joined(index) => {
            definition.step(index).map_or_else(String::new, |step| format!("joined_{}", step.id))
        }
        Place::End => "run_end".to_owned(),
    }
}

fn place(definition: &Definition, place: Place) -> Line {
    let id = id(definition, place);
    let step = match place {
        Place::Start => {
            let title = format!("{} {}", definition.name, definition.version);
            return Line::Place { id, title, detail: None, shape: Shape::Terminal };
        }
        Place::End => {
            return Line::Place { id, title: "end".to_owned(), detail: None, shape: Shape::Terminal };
        }
        Place::Joined(index) => {
            let title = definition.step(index).map(|step| step.id.to_string()).unwrap_or_default();
            return Line::Place { id, title, detail: None, shape: Shape::Joined };
        }
        Place::Step(index) => definition.step(index),
    };
    let title = step.map(|step| step.id.to_string()).unwrap_or_default();
    let shape = match step.map(|step| &step.verb) {
        Some(Verb::Human(_)) => Shape::Person,
        Some(Verb::Switch(_) | Verb::Loop(_)) => Shape::Choice,
        Some(Verb::Fail(_)) => Shape::Terminal,
        Some(
            Verb::Agent(_)
            | Verb::Tool(_)
            | Verb::Set(_)
            | Verb::Wait(_)
            | Verb::Parallel(_)
            | Verb::Map(_)
            | Verb::Signal(_)
            | Verb::Emit(_)
            | Verb::Workflow(_),
        )
        | None => Shape::Work,
    };
    Line::Place { id, title, detail: step.map(detail), shape }
}

fn detail(step: &Step) -> String {
    match &step.condition {
        Some(condition) => format!("{} if {}", work(step), condition.source().trim()),
        None => work(step),
    }
}

/// What a step does, in a few words.
pub(super) fn work(step: &Step) -> String {
    match &step.verb {
        Verb::Agent(agent) => match &agent.route {
            Some(route) => format!("agent for {}", route.capability),
            None => format!("agent {}", agent.agent),
        },
        Verb::Tool(tool) => match &tool.route {
            Some(route) => format!("tool for {}", route.capability),
            None => format!("tool {}.{}", tool.plugin, tool.tool),
        },
        Verb::Wait(crate::definition::WaitStep::For(duration)) => format!("wait {duration}"),
        Verb::Map(map) => format!("map {}", map.items.source().trim()),
        Verb::Signal(signal) => format!("signal {}", signal.name),
        Verb::Emit(emit) => emit
            .topic
            .as_literal()
            .and_then(serde_json::Value::as_str)
            .map_or_else(|| "emit".to_owned(), |topic| format!("emit {topic}")),
        Verb::Workflow(workflow) => format!("workflow {}", workflow.workflow),
        Verb::Human(_)
        | Verb::Set(_)
        | Verb::Switch(_)
        | Verb::Wait(_)
        | Verb::Fail(_)
        | Verb::Parallel(_)
        | Verb::Loop(_) => step.verb.name().to_owned(),
    }
}

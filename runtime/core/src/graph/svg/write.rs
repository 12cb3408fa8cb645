//! A drawing as SVG text.

use std::fmt::Write as _;

use super::mark::Marks;
use super::piece::{Area, Kind, Look, Part, Piece, Point};
use super::text::LINE_PX;
use crate::definition::{Definition, StepIndex};
use crate::view::Status;

/// The room around the drawing, in pixels.
const MARGIN_PX: i32 = 20;

const STYLE: &str = "\
text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1f2430; }
.name { font-weight: bold; }
.label { fill: #5b6270; text-anchor: middle; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
.node { fill: #ffffff; stroke: #1f2430; stroke-width: 1.2; }
.frame { fill: #f6f7f9; stroke: #9aa1ad; stroke-width: 1; }
.way { fill: none; stroke: #5b6270; stroke-width: 1.2; }
.trouble { stroke-dasharray: 5 3; }
.completed { fill: #e3f4e6; stroke: #1d7a34; }
.failed { fill: #fbe3e4; stroke: #b3261e; stroke-width: 2.4; }
.running { fill: #e2eefb; stroke: #1c5fa8; stroke-width: 2.4; }
.waiting, .suspended { fill: #fdf3d6; stroke: #8a6100; stroke-dasharray: 6 3; }
.unknown { fill: #f3e4fa; stroke: #7a2fa0; stroke-dasharray: 2 3; stroke-width: 2.4; }
.cancelled, .skipped { fill: #eceef1; stroke: #8a91a0; stroke-dasharray: 2 3; }
.pending { fill: #ffffff; stroke: #9aa1ad; }
";

/// The whole document.
pub(super) fn svg(definition: &Definition, drawing: &Piece, marks: Option<&Marks>) -> String {
    let (w, h) = (drawing.w + 2 * MARGIN_PX, drawing.h + 2 * MARGIN_PX);
    let title = escaped(&format!("{} {}", definition.name, definition.version));
    let state = marks.map(|marks| format!(", {}", marks.status.name())).unwrap_or_default();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\">\n\
         <title>{title}{state}</title>\n<style>\n{STYLE}</style>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path d=\"M0 0 L8 4 L0 8 z\" fill=\"#5b6270\"/></marker></defs>\n\
         <rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n<g transform=\"translate({MARGIN_PX} {MARGIN_PX})\">\n"
    );
    // Frames below ways below nodes, and labels on top: each kind in the order of the drawing.
    for layer in 0..4 {
        for part in drawing.parts.iter().filter(|part| order(part) == layer) {
            // Writing to memory does not fail.
            let _ = write_part(&mut out, definition, part, marks);
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

const fn order(part: &Part) -> u8 {
    match part {
        Part::Frame { .. } => 0,
        Part::Way { .. } => 1,
        Part::Node { .. } => 2,
        Part::Label { .. } => 3,
    }
}

fn write_part(
    out: &mut String,
    definition: &Definition,
    part: &Part,
    marks: Option<&Marks>,
) -> std::fmt::Result {
    match part {
        Part::Frame { area: Area { x, y, w, h } } => {
            writeln!(out, "<rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"8\"/>")
        }
        Part::Way { points, kind } => {
            let points: Vec<_> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
            let class = if *kind == Kind::Trouble { "way trouble" } else { "way" };
            let arrow = if *kind == Kind::Joint { "" } else { " marker-end=\"url(#arrow)\"" };
            writeln!(out, "<polyline class=\"{class}\" points=\"{}\"{arrow}/>", points.join(" "))
        }
        Part::Label { at: (x, y), text } => {
            writeln!(out, "<text class=\"label\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(text))
        }
        Part::Node { area, look, lines, step } => {
            let class = status(definition, *step, marks).map_or("pending", Status::name);
            let class = if marks.is_some() && (step.is_some() || area.y == 0) { class } else { "" };
            let id = step.and_then(|step| definition.step(step)).map(|step| escaped(step.id.as_str()));
            writeln!(out, "<g{}>", id.map(|id| format!(" id=\"step-{id}\"")).unwrap_or_default())?;
            write_outline(out, *area, *look, class)?;
            let height = i32::try_from(lines.len()).unwrap_or_default() * LINE_PX;
            let top = area.y + (area.h - height) / 2 - LINE_PX / 4;
            for (number, line) in (1_i32..).zip(lines) {
                let y = top + number * LINE_PX;
                let bold = if number == 1 { " class=\"name\"" } else { "" };
                let x = area.x + area.w / 2;
                writeln!(
                    out,
                    "<text{bold} x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
                    escaped(line)
                )?;
            }
            out.write_str("</g>\n")
        }
    }
}

/// Where a step stands; without a step, the run.
fn status(definition: &Definition, step: Option<StepIndex>, marks: Option<&Marks>) -> Option<Status> {
    let marks = marks?;
    match step {
        Some(step) => marks.steps.get(&definition.step(step)?.id).map(|mark| mark.status),
        None => Some(marks.status),
    }
}

fn write_outline(out: &mut String, area: Area, look: Look, class: &str) -> std::fmt::Result {
    const SLANT_PX: i32 = 12;
    let Area { x, y, w, h } = area;
    let corners: Vec<Point> = match look {
        Look::Terminal | Look::Work => {
            let round = if look == Look::Terminal { h / 2 } else { 4 };
            return writeln!(
                out,
                "<rect class=\"node {class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{round}\"/>"
            );
        }
        Look::Person => vec![(x + SLANT_PX, y), (x + w, y), (x + w - SLANT_PX, y + h), (x, y + h)],
        Look::Choice => vec![
            (x + SLANT_PX, y),
            (x + w - SLANT_PX, y),
            (x + w, y + h / 2),
            (x + w - SLANT_PX, y + h),
            (x + SLANT_PX, y + h),
            (x, y + h / 2),
        ],
    };
    let corners: Vec<_> = corners.iter().map(|(x, y)| format!("{x},{y}")).collect();
    writeln!(out, "<polygon class=\"node {class}\" points=\"{}\"/>", corners.join(" "))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

//! The whole drawing: the start, the workflow's own list, the end.

use super::list;
use super::mark::{Marks, sign};
use super::piece::{Kind, Look, Piece};
use super::step::node;
use super::text::line;
use crate::StepId;
use crate::definition::{BlockIndex, Definition};
use crate::graph::Graph;

/// The room between the start, the steps and the end, in pixels.
const GAP_PX: i32 = 36;

/// What is drawn.
pub(super) struct Sheet<'d> {
    pub(super) definition: &'d Definition,
    pub(super) graph: Graph,
    pub(super) marks: Option<&'d Marks>,
}

impl Sheet<'_> {
    /// Where a step stands, in words; nothing where there is no run.
    pub(super) fn words(&self, step: &StepId) -> Option<String> {
        let marks = self.marks?;
        Some(marks.steps.get(step).map_or_else(|| "· not reached".to_owned(), super::Mark::words))
    }
}

/// The drawing of a workflow.
pub(super) fn workflow(definition: &Definition, marks: Option<&Marks>) -> Piece {
    let sheet = Sheet { definition, graph: Graph::of(definition), marks };
    let mut title = vec![line(&format!("{} {}", definition.name, definition.version))];
    title.extend(marks.map(|marks| format!("{} {}", sign(marks.status), marks.status.name())));
    let start = node(title, Look::Terminal, None);
    let steps = list::list(&sheet, BlockIndex::ROOT);
    let end = node(vec!["end".to_owned()], Look::Terminal, None);
    let columns = || steps.entries.iter().map(|entry| entry.0);
    let center = columns().min().zip(columns().max()).map_or(steps.w / 2, |(min, max)| min.midpoint(max));
    // What hangs over on the left moves everything.
    let left = (start.w / 2).max(end.w / 2) - center;
    let left = left.max(0);
    let center = center + left;
    let (start_w, end_w) = (start.w, end.w);
    let start = start.moved(center - start_w / 2, 0);
    let steps = steps.moved(left, start.h + GAP_PX);
    let bottom = start.h + GAP_PX + steps.h;
    let end = end.moved(center - end_w / 2, bottom + GAP_PX);
    let mut piece = Piece {
        w: (left + steps.w).max(center + start_w / 2).max(center + end_w / 2),
        h: bottom + GAP_PX + end.h,
        ..Piece::default()
    };
    for (from, to) in [(&start.exits, &steps.entries), (&steps.exits, &end.entries)] {
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            piece.way(from, to, Kind::Plain);
        }
    }
    piece.parts.extend(start.parts.into_iter().chain(steps.parts).chain(end.parts));
    piece
}

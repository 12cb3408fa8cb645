//! A list of steps: one below the other with jumps at the sides, or row by row as they need each other.

use std::collections::BTreeMap;

use petgraph::Direction;
use petgraph::visit::EdgeRef;

use super::layout::Sheet;
use super::piece::{JUMP_PX, Kind, Part, Piece, Point};
use super::text::{even, line, width};
use super::{rows, step};
use crate::definition::{Block, BlockIndex, StepIndex};
use crate::graph::{Place, Way};

/// The room between two steps, in pixels.
const GAP_PX: i32 = 36;
/// The room between two jumps, and between a jump and a step, in pixels.
const LANE_PX: i32 = 14;

/// Where a step leads within its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    /// A step, by its number in the list.
    Step(usize),
    /// The list's end.
    End,
}

/// Lays a list out.
pub(super) fn list(sheet: &Sheet<'_>, block: BlockIndex) -> Piece {
    let Some(block) = sheet.definition.block(block) else { return Piece::default() };
    let mut pieces = Vec::new();
    for index in &block.steps {
        let Some(step) = sheet.definition.step(*index) else { continue };
        let jumps = if block.is_graph { 0 } else { ways(sheet, block, *index).len() };
        pieces.push(step::step(sheet, *index, step, jumps));
    }
    if block.is_graph { rows::rows(sheet, block, &pieces) } else { Stack::new(sheet, block, pieces).drawn() }
}

/// Where a step leads, and when.
pub(super) fn ways(sheet: &Sheet<'_>, block: &Block, index: StepIndex) -> BTreeMap<To, Vec<String>> {
    let inner = sheet.graph.inner();
    let nodes = [sheet.graph.step(index.0), sheet.graph.out_of(index)];
    let nodes = if nodes[0] == nodes[1] { &nodes[..1] } else { &nodes[..] };
    let mut ways: BTreeMap<To, Vec<String>> = BTreeMap::new();
    for edge in nodes.iter().flat_map(|node| inner.edges_directed(*node, Direction::Outgoing)) {
        let to = match inner[edge.target()] {
            Place::Joined(other) if other == index => continue,
            Place::Step(other) => {
                let within = |step: &crate::definition::Step| {
                    let block = sheet.definition.block(step.block);
                    block.is_some_and(|block| block.parent == Some(index))
                };
                if sheet.definition.step(other).is_some_and(within) {
                    continue;
                }
                block.steps.iter().position(|step| *step == other).map_or(To::End, To::Step)
            }
            Place::Start | Place::Joined(_) | Place::End => To::End,
        };
        ways.entry(to).or_default().push(match edge.weight() {
            Way::Always => String::new(),
            Way::When(condition) => condition.clone(),
            Way::Otherwise => "otherwise".to_owned(),
            Way::For(what) => what.clone(),
        });
    }
    ways
}

/// When one of several ways to the same place is taken.
fn label(whens: &[String]) -> String {
    if whens.iter().any(String::is_empty) {
        return String::new();
    }
    let mut whens = whens.to_vec();
    // The graph gives the latest way first.
    whens.reverse();
    line(&whens.join(" or "))
}

/// A way along the side of a list.
struct Jump {
    from: usize,
    to: To,
    label: String,
}

/// Steps one below the other.
struct Stack {
    pieces: Vec<Piece>,
    /// Whether, and when, each step leads to the one below it, or the last to the end.
    below: Vec<Option<String>>,
    /// Ahead, on the right.
    ahead: Vec<Jump>,
    /// Back, on the left.
    back: Vec<Jump>,
}

impl Stack {
    fn new(sheet: &Sheet<'_>, block: &Block, pieces: Vec<Piece>) -> Self {
        let (mut below, mut ahead, mut back) = (Vec::new(), Vec::new(), Vec::new());
        for (from, index) in block.steps.iter().enumerate() {
            let next = if from + 1 < block.steps.len() { To::Step(from + 1) } else { To::End };
            let mut ways = ways(sheet, block, *index);
            below.push(ways.remove(&next).map(|whens| label(&whens)));
            for (to, whens) in ways {
                let is_back = matches!(to, To::Step(number) if number <= from);
                let jump = Jump { from, to, label: label(&whens) };
                if is_back { back.push(jump) } else { ahead.push(jump) }
            }
        }
        Self { pieces, below, ahead, back }
    }

    fn drawn(self) -> Piece {
        let Self { pieces, below, ahead, back } = self;
        let labels = below.iter().flatten().map(|when| even(width(when)));
        let widest = pieces.iter().map(|piece| piece.w).chain(labels).max().unwrap_or_default();
        let (to_left, to_right) = (reach(&back, &pieces, widest), reach(&ahead, &pieces, widest));
        let center = to_left + lanes(&back);
        let mut out = Piece { w: center + to_right + lanes(&ahead), ..Piece::default() };
        let mut placed = Vec::new();
        for piece in pieces {
            let x = center - piece.w / 2;
            let y = out.h;
            out.h += piece.h + GAP_PX;
            placed.push((x, piece.moved(x, y)));
        }
        let tail = if ahead.iter().any(|jump| jump.to == To::End) { LANE_PX } else { 0 };
        out.h = (out.h - GAP_PX).max(0) + tail;
        let exit = (center, out.h);
        for (number, when) in below.iter().enumerate() {
            let (Some(when), Some(from)) = (when, exit_of(&placed, number)) else { continue };
            match placed.get(number + 1).and_then(|(_, piece)| piece.entries.first()) {
                Some(to) => {
                    out.way(from, *to, Kind::Plain);
                    out.label((from.0, from.1 + GAP_PX / 2), when.clone());
                }
                None => out.way(from, exit, Kind::Joint),
            }
        }
        let has_end = below.last().is_some_and(Option::is_some) || tail > 0;
        jumps(&mut out, &placed, &ahead, exit, (center + to_right, 1));
        jumps(&mut out, &placed, &back, exit, (center - to_left, -1));
        out.entries = placed.first().map(|(_, piece)| piece.entries.clone()).unwrap_or_default();
        out.exits = if has_end { vec![exit] } else { Vec::new() };
        let parts = placed.into_iter().flat_map(|(_, piece)| piece.parts);
        // Ways lie below what they lead to.
        out.parts.extend(parts);
        out
    }
}

fn exit_of(placed: &[(i32, Piece)], number: usize) -> Option<Point> {
    placed.get(number)?.1.exits.first().copied()
}

/// How far from the middle of a list the jumps of one side begin to go down or up: beyond the steps, and
/// beyond what each says at its start.
fn reach(jumps: &[Jump], pieces: &[Piece], widest: i32) -> i32 {
    let starts = jumps
        .iter()
        .filter_map(|jump| Some(pieces.get(jump.from)?.w / 2 + even(width(&jump.label)) + 2 * LANE_PX));
    starts.chain([widest / 2]).max().unwrap_or_default()
}

/// The room that the jumps of one side take.
fn lanes(jumps: &[Jump]) -> i32 {
    i32::try_from(jumps.len()).unwrap_or_default() * LANE_PX
}

/// Draws jumps along one side: beyond an edge, to the right (1) or to the left (-1).
fn jumps(out: &mut Piece, placed: &[(i32, Piece)], jumps: &[Jump], exit: Point, (edge, side): (i32, i32)) {
    // The longest jumps lie outside, so that jumps cross as little as they can.
    let mut order: Vec<_> = jumps.iter().collect();
    let length = |jump: &Jump| match jump.to {
        To::Step(to) => to.abs_diff(jump.from),
        To::End => usize::MAX - jump.from,
    };
    order.sort_by_key(|jump| length(jump));
    for (number, jump) in order.into_iter().enumerate() {
        let Some((x, from)) = placed.get(jump.from) else { continue };
        let lane = edge + side * i32::try_from(number + 1).unwrap_or_default() * LANE_PX;
        let start = if side > 0 { x + from.w } else { *x };
        // Several jumps of one step start one below the other.
        let before = jumps.iter().filter(|other| other.from == jump.from);
        let nth = before.take_while(|other| !std::ptr::eq(*other, jump)).count();
        let y = from.jump_out - i32::try_from(nth).unwrap_or_default() * JUMP_PX;
        let mut points = vec![(start, y), (lane, y)];
        match jump.to {
            To::Step(to) => {
                let Some((to_x, to)) = placed.get(to) else { continue };
                let end = if side > 0 { to_x + to.w } else { *to_x };
                points.extend([(lane, to.jump_in), (end, to.jump_in)]);
            }
            To::End => points.extend([(lane, exit.1), exit]),
        }
        let kind = if jump.to == To::End { Kind::Joint } else { Kind::Plain };
        out.parts.push(Part::Way { points, kind });
        out.label((start + side * (width(&jump.label) / 2 + LANE_PX), y - 4), jump.label.clone());
    }
}

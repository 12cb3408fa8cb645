//! A step: its node, and the frame of what it holds.

use super::layout::Sheet;
use super::list;
use super::piece::{Area, Kind, Look, Part, Piece, Point};
use super::text::{LINE_PX, even, line, width};
use crate::definition::{BlockIndex, Role, Step, StepIndex, Verb};
use crate::graph::{blocks_within, work};

/// The room around what a node or a frame holds, in pixels.
const PAD_PX: i32 = 12;
/// The room for ways and labels between what stands above each other in a frame, in pixels.
const DROP_PX: i32 = 44;
/// How far above a list its name stands, in pixels.
const LABEL_PX: i32 = 22;
/// The narrowest node, in pixels.
const NODE_MIN_PX: i32 = 120;

/// The node of the start, the end or a step.
pub(super) fn node(lines: Vec<String>, look: Look, step: Option<StepIndex>) -> Piece {
    let widest = lines.iter().map(|line| width(line)).max().unwrap_or_default();
    // Slanted and pointed sides take room.
    let sides = if matches!(look, Look::Person | Look::Choice) { 4 * PAD_PX } else { 2 * PAD_PX };
    let w = even(widest + sides).max(NODE_MIN_PX);
    let h = i32::try_from(lines.len()).unwrap_or_default() * LINE_PX + PAD_PX;
    Piece {
        w,
        h,
        parts: vec![Part::Node { area: Area { x: 0, y: 0, w, h }, look, lines, step }],
        entries: vec![(w / 2, 0)],
        exits: vec![(w / 2, h)],
        jump_in: h / 3,
        jump_out: h - h / 3,
    }
}

/// A step with everything that it holds, and room for so many jumps at its side.
pub(super) fn step(sheet: &Sheet<'_>, index: StepIndex, step: &Step, jumps: usize) -> Piece {
    let look = match &step.verb {
        Verb::Human(_) => Look::Person,
        Verb::Switch(_) | Verb::Loop(_) => Look::Choice,
        Verb::Fail(_) => Look::Terminal,
        Verb::Agent(_)
        | Verb::Tool(_)
        | Verb::Set(_)
        | Verb::Wait(_)
        | Verb::Parallel(_)
        | Verb::Map(_)
        | Verb::Signal(_)
        | Verb::Emit(_)
        | Verb::Workflow(_) => Look::Work,
    };
    let mut lines = vec![line(step.id.as_str()), line(&work(step))];
    lines.extend(step.condition.as_ref().map(|condition| line(&format!("if {}", condition.source().trim()))));
    lines.extend(sheet.words(&step.id));
    let head = node(lines, look, Some(index)).with_jumps(jumps);
    let mut lists = blocks_within(step);
    lists.extend(step.undo.as_ref().map(|undo| (undo.block, "to undo it".to_owned())));
    if lists.is_empty() && step.finally.is_none() {
        return head;
    }
    Frame::new(sheet, step, head, &lists).filled(step)
}

/// A list within a step, and its name.
struct Column {
    role: Role,
    label: String,
    piece: Piece,
}

impl Column {
    fn new(sheet: &Sheet<'_>, block: BlockIndex, label: &str) -> Self {
        let label = line(label);
        let role = sheet.definition.block(block).map_or(Role::Workflow, |block| block.role);
        let mut piece = list::list(sheet, block);
        let room = even(width(&label));
        if piece.w < room {
            let (w, dx) = (room, (room - piece.w) / 2);
            piece = Piece { w, ..piece.moved(dx, 0) };
        }
        Self { role, label, piece }
    }

    fn kind(&self) -> Kind {
        if matches!(self.role, Role::Catch | Role::Undo) { Kind::Trouble } else { Kind::Plain }
    }
}

/// The node above, the lists side by side below it, and at the bottom what is done in any case.
struct Frame {
    piece: Piece,
    /// Where the node's own way begins.
    below: Point,
    side: Point,
    columns: Vec<Column>,
    finally: Option<Column>,
}

impl Frame {
    fn new(sheet: &Sheet<'_>, step: &Step, head: Piece, lists: &[(BlockIndex, String)]) -> Self {
        let columns: Vec<_> = lists.iter().map(|(block, label)| Column::new(sheet, *block, label)).collect();
        let finally = step.finally.map(|block| Column::new(sheet, block, "in any case"));
        let row = row_width(&columns);
        let beside = past(&step.verb).map_or(0, |label| even(width(label)) + PAD_PX);
        let inside = row.max(head.w + 2 * beside).max(finally.as_ref().map_or(0, |list| list.piece.w));
        let w = inside + 6 * PAD_PX;
        let (head_w, head_h) = (head.w, head.h);
        let head = head.moved((w - head_w) / 2, PAD_PX);
        let below = (w / 2, PAD_PX + head_h);
        let side = (w - (w - head_w) / 2, PAD_PX + head_h / 2);
        let piece = Piece { w, h: PAD_PX + head_h, jump_in: side.1, ..head };
        Self { piece, below, side, columns, finally }
    }

    fn filled(mut self, step: &Step) -> Piece {
        let mut ends = self.row(&step.verb);
        let joint = (self.piece.w / 2, self.piece.h + DROP_PX / 2);
        if let Some(label) = past(&step.verb) {
            ends.push(self.past(label, joint.1));
        }
        if let Some(list) = self.finally.take() {
            self.finally(list, ends);
        } else {
            for end in ends {
                self.piece.way(end, joint, Kind::Joint);
            }
            self.piece.h = joint.1;
        }
        self.closed()
    }

    /// Puts the lists side by side; gives where they end.
    fn row(&mut self, verb: &Verb) -> Vec<Point> {
        let columns = std::mem::take(&mut self.columns);
        if columns.is_empty() {
            return Vec::new();
        }
        let (mut x, top) = ((self.piece.w - row_width(&columns)) / 2, self.piece.h + DROP_PX);
        let (mut ends, mut lowest) = (Vec::new(), top);
        for column in columns {
            let (kind, w) = (column.kind(), column.piece.w);
            let list = column.piece.moved(x, top);
            for entry in &list.entries {
                self.piece.way(self.below, *entry, kind);
            }
            let middle =
                list.entries.first().filter(|_| list.entries.len() == 1).map_or(x + w / 2, |entry| entry.0);
            self.piece.label((middle, top - LABEL_PX), column.label);
            if matches!(verb, Verb::Loop(_)) && column.role == Role::Turn {
                self.again(&list.exits, x);
            } else if column.role != Role::Undo {
                ends.extend(&list.exits);
            }
            lowest = lowest.max(top + list.h);
            self.piece.parts.extend(list.parts);
            x += w + 2 * PAD_PX;
        }
        self.piece.h = lowest;
        ends
    }

    /// The way of a loop back to its condition.
    fn again(&mut self, exits: &[Point], x: i32) {
        let left = x - PAD_PX;
        let head = self.piece.w - self.side.0;
        for exit in exits {
            let low = exit.1 + PAD_PX;
            let points = vec![*exit, (exit.0, low), (left, low), (left, self.side.1), (head, self.side.1)];
            self.piece.parts.push(Part::Way { points, kind: Kind::Plain });
        }
    }

    /// The way past the lists, along the right side; gives where it ends.
    fn past(&mut self, label: &str, low: i32) -> Point {
        if self.piece.h == self.below.1 {
            return self.below;
        }
        let right = self.piece.w - PAD_PX;
        let points = vec![self.side, (right, self.side.1), (right, low)];
        self.piece.parts.push(Part::Way { points, kind: Kind::Joint });
        self.piece.label((self.side.0 + width(label) / 2 + PAD_PX, self.side.1 - 4), label.to_owned());
        (right, low)
    }

    fn finally(&mut self, list: Column, ends: Vec<Point>) {
        let top = self.piece.h + DROP_PX;
        let x = (self.piece.w - list.piece.w) / 2;
        let (w, h) = (list.piece.w, list.piece.h);
        let piece = list.piece.moved(x, top);
        for end in ends {
            for entry in &piece.entries {
                self.piece.way(end, *entry, Kind::Plain);
            }
        }
        self.piece.label((x + w / 2, top - LABEL_PX), list.label);
        self.piece.h = top + h + PAD_PX;
        let joint = (self.piece.w / 2, self.piece.h);
        for exit in &piece.exits {
            self.piece.way(*exit, joint, Kind::Joint);
        }
        self.piece.parts.extend(piece.parts);
    }

    /// With the frame around it.
    fn closed(self) -> Piece {
        let Piece { w, h, parts, entries, jump_in, .. } = self.piece;
        let frame = Part::Frame { area: Area { x: 0, y: 0, w, h } };
        let parts = std::iter::once(frame).chain(parts).collect();
        Piece { w, h, parts, entries, exits: vec![(w / 2, h)], jump_in, jump_out: h - PAD_PX }
    }
}

/// When a run goes past the lists of a step, in words; nothing where it never does.
const fn past(verb: &Verb) -> Option<&'static str> {
    match verb {
        Verb::Parallel(_) | Verb::Fail(_) => None,
        Verb::Map(_) => Some("no items"),
        Verb::Loop(_) => Some("otherwise"),
        Verb::Agent(_)
        | Verb::Tool(_)
        | Verb::Human(_)
        | Verb::Set(_)
        | Verb::Switch(_)
        | Verb::Wait(_)
        | Verb::Signal(_)
        | Verb::Emit(_)
        | Verb::Workflow(_) => Some(""),
    }
}

fn row_width(columns: &[Column]) -> i32 {
    let gaps = i32::try_from(columns.len().saturating_sub(1)).unwrap_or_default() * 2 * PAD_PX;
    columns.iter().map(|column| column.piece.w).sum::<i32>() + gaps
}

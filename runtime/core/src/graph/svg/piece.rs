//! A part of a drawing, in coordinates of its own.

use crate::definition::StepIndex;

/// A point, in pixels.
pub(super) type Point = (i32, i32);

/// A rectangle, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) w: i32,
    pub(super) h: i32,
}

/// Something that is drawn.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// A step, the start or the end, with its lines of text.
    Node { area: Area, look: Look, lines: Vec<String>, step: Option<StepIndex> },
    /// What a step holds.
    Frame { area: Area },
    /// How a run comes from one place to another.
    Way { points: Vec<Point>, kind: Kind },
    /// What goes with a way; the point is the middle of its base line.
    Label { at: Point, text: String },
}

/// How a node looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Terminal,
    Work,
    Person,
    Choice,
}

/// How a way looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Unless something is wrong.
    Plain,
    /// When something is wrong.
    Trouble,
    /// Leads on without an arrow.
    Joint,
}

/// A part of a drawing, its size, and where ways come in and go out.
#[derive(Debug, Clone, Default)]
pub(super) struct Piece {
    pub(super) w: i32,
    pub(super) h: i32,
    pub(super) parts: Vec<Part>,
    /// Where ways come in from above.
    pub(super) entries: Vec<Point>,
    /// Where ways go out below.
    pub(super) exits: Vec<Point>,
    /// How far down jumps come in at the side.
    pub(super) jump_in: i32,
    /// How far down jumps go out at the side.
    pub(super) jump_out: i32,
}

/// The room between two jumps that start at one side, in pixels: a line of text.
pub(super) const JUMP_PX: i32 = 16;

impl Piece {
    /// A node so high that jumps can start at its side one below the other.
    pub(super) fn with_jumps(mut self, jumps: usize) -> Self {
        let h = (i32::try_from(jumps).unwrap_or_default() + 1) * JUMP_PX;
        if let (Some(Part::Node { area, .. }), true) = (self.parts.first_mut(), h > self.h) {
            area.h = h;
            self.h = h;
            self.exits = vec![(self.w / 2, h)];
        }
        if jumps > 1 {
            self.jump_out = self.h - JUMP_PX / 2;
        }
        self
    }

    /// Moves everything.
    pub(super) fn moved(mut self, dx: i32, dy: i32) -> Self {
        let by = |point: &mut Point| *point = (point.0 + dx, point.1 + dy);
        for part in &mut self.parts {
            match part {
                Part::Node { area, .. } | Part::Frame { area } => {
                    (area.x, area.y) = (area.x + dx, area.y + dy);
                }
                Part::Way { points, .. } => points.iter_mut().for_each(by),
                Part::Label { at, .. } => by(at),
            }
        }
        self.entries.iter_mut().chain(&mut self.exits).for_each(by);
        (self.jump_in, self.jump_out) = (self.jump_in + dy, self.jump_out + dy);
        self
    }

    /// A way down, with a bend above its end where it needs one.
    pub(super) fn way(&mut self, from: Point, to: Point, kind: Kind) {
        const BEND_PX: i32 = 16;
        if from == to {
            return;
        }
        let bend = if kind == Kind::Joint { to.1 } else { to.1 - BEND_PX };
        let points =
            if from.0 == to.0 { vec![from, to] } else { vec![from, (from.0, bend), (to.0, bend), to] };
        self.parts.push(Part::Way { points, kind });
    }

    pub(super) fn label(&mut self, at: Point, text: String) {
        if !text.is_empty() {
            self.parts.push(Part::Label { at, text });
        }
    }
}

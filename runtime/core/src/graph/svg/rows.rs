//! Steps of a graph, row by row: each below all that it needs.

use super::layout::Sheet;
use super::list::{To, ways};
use super::piece::{Kind, Part, Piece, Point};
use crate::definition::{Block, StepIndex};

/// The room between two rows, in pixels.
const ROW_GAP_PX: i32 = 50;
/// The room between what stands beside each other, and for a way that goes past a row, in pixels.
const GAP_PX: i32 = 28;
/// How far above a row a way bends, in pixels.
const BEND_PX: i32 = 16;

/// What stands in a row.
#[derive(Debug, Clone, Copy)]
enum Cell {
    /// A step, by its number in the list.
    Step(usize),
    /// A way that goes past the row, by its number.
    Past(usize),
}

/// A way from what is needed to what needs it, through the rows between them.
struct Need {
    from: usize,
    to: usize,
    /// Where it goes past each row between them: across, from, to.
    past: Vec<(i32, i32, i32)>,
}

/// Lays a graph out.
pub(super) fn rows(sheet: &Sheet<'_>, block: &Block, pieces: &[Piece]) -> Piece {
    let needs: Vec<Vec<usize>> = block.steps.iter().map(|index| needs(sheet, block, *index)).collect();
    let ranks = ranks(&needs);
    let each = needs.iter().enumerate().flat_map(|(to, above)| above.iter().map(move |from| (*from, to)));
    let mut edges: Vec<_> = each.map(|(from, to)| Need { from, to, past: Vec::new() }).collect();
    let rank = |at: usize| ranks.get(at).copied().unwrap_or_default();
    let table: Vec<Vec<Cell>> = (0..=ranks.iter().max().copied().unwrap_or_default())
        .map(|row| {
            let steps = (0..pieces.len()).filter(|at| rank(*at) == row).map(Cell::Step);
            let past = edges.iter().enumerate();
            let past = past.filter(|(_, edge)| rank(edge.from) < row && row < rank(edge.to));
            steps.chain(past.map(|(number, _)| Cell::Past(number))).collect()
        })
        .collect();
    let width = |row: &[Cell]| {
        let cells = row.iter().map(|cell| match cell {
            Cell::Step(at) => pieces.get(*at).map_or(0, |piece| piece.w),
            Cell::Past(_) => 0,
        });
        cells.map(|w| w + GAP_PX).sum::<i32>() - GAP_PX
    };
    let mut out =
        Piece { w: table.iter().map(|row| width(row)).max().unwrap_or_default(), ..Piece::default() };
    let mut placed: Vec<Piece> = pieces.to_vec();
    for mut row in table {
        sort(&mut row, &edges, &placed, &needs);
        let mut x = (out.w - width(&row)) / 2;
        let tallest = row.iter().map(|cell| height(cell, pieces)).max().unwrap_or_default();
        for cell in row {
            match cell {
                Cell::Step(at) => {
                    let (Some(piece), Some(place)) = (pieces.get(at), placed.get_mut(at)) else { continue };
                    *place = piece.clone().moved(x, out.h);
                    x += piece.w;
                }
                Cell::Past(number) => {
                    if let Some(edge) = edges.get_mut(number) {
                        edge.past.push((x, out.h, out.h + tallest));
                    }
                }
            }
            x += GAP_PX;
        }
        out.h += tallest + ROW_GAP_PX;
    }
    out.h = (out.h - ROW_GAP_PX).max(0);
    connect(sheet, block, out, placed, &edges, &needs)
}

fn height(cell: &Cell, pieces: &[Piece]) -> i32 {
    match cell {
        Cell::Step(at) => pieces.get(*at).map_or(0, |piece| piece.h),
        Cell::Past(_) => 0,
    }
}

/// Puts each cell as near to below what it comes from as the row allows.
fn sort(row: &mut [Cell], edges: &[Need], placed: &[Piece], needs: &[Vec<usize>]) {
    let column = |at: usize| placed.get(at).and_then(|piece| piece.exits.first()).map_or(0, |exit| exit.0);
    row.sort_by_key(|cell| match cell {
        Cell::Past(number) => edges
            .get(*number)
            .map_or(0, |edge| edge.past.last().map_or_else(|| column(edge.from), |(x, _, _)| *x)),
        Cell::Step(at) => {
            let above = needs.get(*at).map(Vec::as_slice).unwrap_or_default();
            let sum: i32 = above.iter().map(|need| column(*need)).sum();
            i32::try_from(above.len()).ok().and_then(|count| sum.checked_div(count)).unwrap_or_default()
        }
    });
}

/// The steps of the same list that a step needs, by their numbers.
fn needs(sheet: &Sheet<'_>, block: &Block, index: StepIndex) -> Vec<usize> {
    let needs = sheet.definition.step(index).map(|step| step.needs.as_slice()).unwrap_or_default();
    needs.iter().filter_map(|need| block.steps.iter().position(|step| step == need)).collect()
}

/// How many steps must be done before each, one after the other. There are no circles.
fn ranks(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut ranks = vec![0_usize; needs.len()];
    for _ in 0..needs.len() {
        for (at, above) in needs.iter().enumerate() {
            let rank = above.iter().filter_map(|need| ranks.get(*need)).max().map_or(0, |rank| rank + 1);
            if let Some(own) = ranks.get_mut(at) {
                *own = rank;
            }
        }
    }
    ranks
}

/// The ways between the steps, into the list and out of it.
fn connect(
    sheet: &Sheet<'_>,
    block: &Block,
    mut out: Piece,
    placed: Vec<Piece>,
    edges: &[Need],
    needs: &[Vec<usize>],
) -> Piece {
    let entry = |at: usize| placed.get(at).and_then(|piece| piece.entries.first()).copied();
    let exit = |at: usize| placed.get(at).and_then(|piece| piece.exits.first()).copied();
    for edge in edges {
        let (Some(from), Some(to)) = (exit(edge.from), entry(edge.to)) else { continue };
        let mut points = vec![from];
        for (x, top, bottom) in &edge.past {
            bend(&mut points, (*x, *top));
            points.push((*x, *bottom));
        }
        bend(&mut points, to);
        points.dedup();
        out.parts.push(Part::Way { points, kind: Kind::Plain });
    }
    out.entries =
        (0..needs.len()).filter(|at| needs.get(*at).is_some_and(Vec::is_empty)).filter_map(entry).collect();
    let ends = block
        .steps
        .iter()
        .enumerate()
        .filter(|(_, index)| ways(sheet, block, **index).contains_key(&To::End));
    out.exits = ends.filter_map(|(at, _)| exit(at)).collect();
    out.parts.extend(placed.into_iter().flat_map(|piece| piece.parts));
    out
}

/// Goes on to a point from above, with a bend before it where it stands elsewhere.
fn bend(points: &mut Vec<Point>, to: Point) {
    if let Some(from) = points.last().copied().filter(|from| from.0 != to.0) {
        points.extend([(from.0, to.1 - BEND_PX), (to.0, to.1 - BEND_PX)]);
    }
    points.push(to);
}

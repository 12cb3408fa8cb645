//! The bodies of the verbs that hold lists of steps.

use super::{Key, Place, Shape};
use crate::source::{BRANCHES_MAX, MAP_MAX_PARALLEL, VISITS_MAX};

const JOIN_MAX: u32 = 32;
const _: () = assert!(JOIN_MAX as usize == BRANCHES_MAX, "a join wants no more than all branches");

/// `parallel`.
pub static PARALLEL: Place = Place {
    name: "parallel",
    what: "parallel",
    keys: &[
        Key::required(
            "branches",
            Shape::Named(&Shape::Steps),
            "The lists of steps, 1 to 32 of them; all begin at once.",
            "{ one: [{ id: one, set: 1 }], other: [{ id: other, set: 2 }] }",
        ),
        Key::optional(
            "join",
            Shape::Either(&[Shape::OneOf(&["all", "any"]), Shape::Whole(1, JOIN_MAX)]),
            "How many branches must be done, at most as many as there are; the others are stopped then.",
            "any",
        )
        .default("all"),
    ],
    shared: &[],
};

/// `map`.
pub static MAP: Place = Place {
    name: "map",
    what: "map",
    keys: &[
        Key::required("items", Shape::Expression, "Gives the list, at most 10,000 items.", "inputs.orders"),
        Key::optional(
            "as",
            Shape::Name(""),
            "The item's name in expressions, beside `item`; begins with a small letter.",
            "order",
        ),
        Key::optional("max_parallel", Shape::Whole(1, MAP_MAX_PARALLEL), "Items at once.", "4").default("16"),
        Key::optional(
            "on_error",
            Shape::OneOf(&["fail", "collect"]),
            "`fail`: the first item that fails fails the step and stops the others. `collect`: the step goes on, and its output has `{output}` or `{error}` for each item.",
            "collect",
        )
        .default("fail"),
        Key::required("steps", Shape::Steps, "What is done with each item.", "[{ id: double, set: \"${{ item }}\" }]"),
    ],
    shared: &[],
};

/// `loop`.
pub static LOOP: Place = Place {
    name: "loop",
    what: "loop",
    keys: &[
        Key::required(
            "while",
            Shape::Expression,
            "Looked at before each turn; sees the outputs of the turn before, and `index`, the number of the turn that would begin, from 0.",
            "index < 3",
        ),
        Key::required(
            "max_visits",
            Shape::Whole(1, VISITS_MAX),
            "The most turns; wanting one more fails the step.",
            "10",
        ),
        Key::required(
            "steps",
            Shape::Steps,
            "What is done in each turn.",
            "[{ id: count, set: \"${{ index }}\" }]",
        ),
    ],
    shared: &[],
};

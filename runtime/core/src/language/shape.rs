//! What the value of a key looks like.

use super::Place;

/// What the value of a key looks like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Anything, without expressions in it.
    Constant,
    /// Anything, with expressions in it.
    Template,
    /// A map with expressions in it, or one expression that gives a map.
    Arguments,
    /// A text, without expressions in it.
    Text,
    /// A text with expressions in it.
    TextTemplate,
    /// A bare expression.
    Expression,
    /// A letter first, then letters, digits, `_` and these characters.
    Name(&'static str),
    /// `plugin.tool`.
    Tool,
    /// Three numbers, `1.0.0`.
    Version,
    /// `user:…` or `group:…`.
    Person,
    /// A person, or `initiator`, or `steps.…`.
    Excluded,
    /// A whole number and a unit, `30s`.
    Duration,
    /// `true` or `false`.
    Flag,
    /// `true`, or the key is left out.
    True,
    /// This number and no other.
    Exactly(u32),
    /// A whole number from the first to the second.
    Whole(u32, u32),
    /// A number from the first to the second.
    Number(u32, u32),
    /// A whole number from 1 to 100 and `%`.
    Percent,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A kind of failure.
    FailureKind,
    /// The id of a step of the same list, or `end`.
    Target,
    /// A map with the keys of a place.
    Map(&'static Place),
    /// A map from names that you choose to values of one shape.
    Named(&'static Shape),
    /// A list of steps.
    Steps,
    /// A list with at least one entry.
    List(&'static Shape),
    /// A list, which may be empty.
    Any(&'static Shape),
    /// One, or a list of them.
    OneOrMore(&'static Shape),
    /// Either of these.
    Either(&'static [Shape]),
    /// The name of a type of JSON.
    Type,
    /// Inputs, or fields of a form: names with a type, or with a map of keywords.
    Fields,
    /// Fields, or a whole JSON Schema.
    Form,
    /// Names with a value, or with a map that has the key `value`.
    Outputs,
    /// Whatever JSON Schema has under the keyword of this name.
    Keyword,
}

/// The types of values.
pub(crate) const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "any"];

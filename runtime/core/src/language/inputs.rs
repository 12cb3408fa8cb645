//! Inputs, fields of forms, and outputs: keywords of JSON Schema, and what the language adds.

use super::{Key, Place, Shape};

/// An input or a field of a form, in the long form.
pub static INPUT: Place = Place {
    name: "input",
    what: "an input",
    keys: &[Key::optional("optional", Shape::Flag, "Whether it may be left out.", "true").default("false")],
    shared: &KEYWORDS,
};

/// An output in the long form.
pub static OUTPUT: Place = Place {
    name: "output",
    what: "an output",
    keys: &[Key::required("value", Shape::Template, "The value.", "\"${{ inputs.amount }}\"")],
    shared: &KEYWORDS,
};

/// The keywords of JSON Schema that the language passes on.
pub(crate) static KEYWORDS: [Key; 34] = [
    Key::optional("type", Shape::OneOrMore(&Shape::Type), "The type, or several.", "integer").default("any"),
    keyword("enum", "The values that are allowed.", "[red, green]"),
    keyword("const", "The one value that is allowed.", "red"),
    keyword("title", "A short name, for people.", "Amount"),
    keyword("description", "What it is for.", "In euros."),
    keyword("default", "What holds where nothing is given.", "10"),
    keyword("examples", "Values that would do.", "[10, 20]"),
    keyword("format", "What a text is, such as `date`, `email` or `uuid`.", "date"),
    keyword("minimum", "The smallest number.", "0"),
    keyword("maximum", "The largest number.", "100"),
    keyword("exclusiveMinimum", "All numbers must be larger.", "0"),
    keyword("exclusiveMaximum", "All numbers must be smaller.", "100"),
    keyword("multipleOf", "A number that divides it.", "5"),
    keyword("minLength", "The fewest characters.", "1"),
    keyword("maxLength", "The most characters.", "80"),
    keyword(
        "pattern",
        "A regular expression, without look-around, that is found in the text.",
        "^[A-Z]-[0-9]+$",
    ),
    keyword("items", "The schema of a list's entries.", "{ type: string }"),
    keyword("prefixItems", "The schemas of a list's first entries.", "[{ type: string }]"),
    keyword("contains", "The schema that one entry follows.", "{ type: string }"),
    keyword("minItems", "The fewest entries.", "1"),
    keyword("maxItems", "The most entries.", "10"),
    keyword("uniqueItems", "Whether all entries differ.", "true"),
    keyword("properties", "The schemas of a map's fields.", "{ sku: { type: string } }"),
    keyword("required", "The fields that must be there.", "[sku]"),
    keyword("additionalProperties", "Whether, or how, a map may have other fields.", "false"),
    keyword(
        "patternProperties",
        "The schemas of fields by regular expressions of their names.",
        "{ \"^n_\": { type: number } }",
    ),
    keyword("propertyNames", "The schema of the fields' names.", "{ maxLength: 8 }"),
    keyword("minProperties", "The fewest fields.", "1"),
    keyword("maxProperties", "The most fields.", "10"),
    keyword("anyOf", "At least one of these schemas holds.", "[{ type: string }, { type: number }]"),
    keyword("oneOf", "Exactly one of these schemas holds.", "[{ type: string }, { type: number }]"),
    keyword("allOf", "All of these schemas hold.", "[{ type: number }, { minimum: 0 }]"),
    keyword("not", "This schema does not hold.", "{ const: 0 }"),
    keyword("deprecated", "Whether it should not be used any more.", "true"),
];

const fn keyword(name: &'static str, says: &'static str, example: &'static str) -> Key {
    Key::optional(name, Shape::Keyword, says, example)
}

//! The tool: a template and data in, a text out.

use std::collections::BTreeMap;
use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use pawl_plugin::Place;
use pawl_plugin::prelude::*;

/// Steps of one rendering; what repeats costs each time.
const FUEL: u64 = 5_000_000;
/// The text that comes out.
const TEXT_MAX_BYTES: usize = 1 << 20;
/// The template and its partials together.
const TEMPLATE_MAX_BYTES: usize = 256 << 10;
/// Calls of macros and inclusions within each other.
const DEPTH_MAX: usize = 50;
/// The name of the template itself, as partials would name it.
const MAIN: &str = "template";

/// The language is Jinja: `{{ name }}`, `{% for item in items %} … {% endfor %}`, `{% if … %}`,
/// filters such as `{{ total | round(2) }}`, macros. A name that is not in `data` is an error, never
/// an empty text; write `{{ note | default("") }}` where it may be missing. Values are put in as they
/// are and never read as a template. At most 256 KiB of templates, 1 MiB of text, 50 inclusions
/// within each other and 5,000,000 steps of rendering.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({
    "template": "Dear {{ name }},\n{% for item in items %}- {{ item }}\n{% endfor %}",
    "data": { "name": "Ada", "items": ["desk lamp", "keyboard"] }
}))]
#[schemars(example = json!({
    "template": "<p>{{ said }}</p>", "data": { "said": "1 < 2" }, "escape": "html"
}))]
pub(crate) struct Render {
    /// The template.
    template: String,
    /// What it can refer to, by name.
    #[serde(default)]
    data: BTreeMap<String, Value>,
    /// How values are written into the text. `{{ value | safe }}` leaves one as it is.
    #[serde(default)]
    escape: Escape,
    /// Further templates by name, for `{% include "name" %}`, `{% extends "name" %}` and
    /// `{% import "name" as part %}`.
    #[serde(default)]
    partials: BTreeMap<String, String>,
    /// Whether a line that holds nothing but a tag leaves nothing behind.
    #[serde(default)]
    trim: bool,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Escape {
    /// As they are.
    #[default]
    None,
    /// With `<`, `>`, `&` and quotes as HTML has them.
    Html,
    /// As JSON.
    Json,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rendered {
    text: String,
}

pub(crate) fn render(_: &Context, input: Render) -> Result<Rendered, Failure> {
    let size = input.template.len() + input.partials.values().map(String::len).sum::<usize>();
    if size > TEMPLATE_MAX_BYTES {
        return Err(Failure::invalid_input(format!(
            "the templates have {size} bytes, at most {TEMPLATE_MAX_BYTES} are read; move what does not change \
             out of them"
        )));
    }
    if input.partials.contains_key(MAIN) {
        return Err(Failure::invalid_input(format!(
            "a partial cannot be called `{MAIN}`; give it another name"
        )));
    }
    let mut environment = Environment::new();
    let escape = input.escape;
    environment.set_auto_escape_callback(move |_| match escape {
        Escape::None => AutoEscape::None,
        Escape::Html => AutoEscape::Html,
        Escape::Json => AutoEscape::Json,
    });
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_recursion_limit(DEPTH_MAX);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    let syntax = SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .trim_blocks(input.trim)
        .lstrip_blocks(input.trim)
        .build()
        .map_err(|error| Failure::permanent(error.to_string()))?;
    environment.set_syntax(syntax);
    for (name, source) in &input.partials {
        environment.add_template(name, source).map_err(|error| failure(&error, &input))?;
    }
    environment.add_template(MAIN, &input.template).map_err(|error| failure(&error, &input))?;
    let template = environment.get_template(MAIN).map_err(|error| failure(&error, &input))?;

    let mut text = Text(Vec::new());
    let data = minijinja::Value::from(Serde(&input.data));
    let rendered = template.render_captured_to(data, &mut text).map(|_| ());
    if text.0.len() > TEXT_MAX_BYTES {
        return Err(Failure::invalid_input(format!(
            "the text would have more than {TEXT_MAX_BYTES} bytes; render it in parts"
        )));
    }
    rendered.map_err(|error| failure(&error, &input))?;
    let text = String::from_utf8(text.0).map_err(|error| Failure::permanent(error.to_string()))?;
    Ok(Rendered { text })
}

/// What was rendered; one piece more than there may be makes it fail.
struct Text(Vec<u8>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() > TEXT_MAX_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let room = TEXT_MAX_BYTES + 1 - self.0.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.0.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where in which template, what, and what to do.
fn failure(error: &Error, input: &Render) -> Failure {
    // What includes another template only passes its error on.
    let mut innermost = error;
    while let Some(inner) = std::error::Error::source(innermost).and_then(|source| source.downcast_ref()) {
        innermost = inner;
    }
    let name = innermost.name().unwrap_or(MAIN);
    let source = input.partials.get(name).unwrap_or(&input.template);
    let place = match (innermost.range(), innermost.line()) {
        (Some(range), _) => format!(", {}", Place::of(source, range.start)),
        (None, Some(line)) => format!(", line {line}"),
        (None, None) => String::new(),
    };
    let template = if name == MAIN { "the template".to_owned() } else { format!("the partial `{name}`") };
    let what = match (innermost.kind(), innermost.detail()) {
        // The advice names it.
        (kind @ ErrorKind::UndefinedError, _) | (kind, None) => kind.to_string(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
    };
    Failure::invalid_input(format!("{template}{place}: {what}{}", advice(innermost, source)))
}

fn advice(error: &Error, source: &str) -> String {
    match error.kind() {
        ErrorKind::UndefinedError => {
            let named = error.range().and_then(|range| source.get(range)).unwrap_or("it");
            format!("; `{named}` has no value: add it to `data`, or write `| default(\"\")` after it")
        }
        ErrorKind::OutOfFuel => format!("; at most {FUEL} steps are taken: render it in parts"),
        ErrorKind::TemplateNotFound => "; add it to `partials`".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(input: Value) -> Result<String, String> {
        let rendered = render(&Context::default(), serde_json::from_value(input).unwrap());
        rendered.map(|rendered| rendered.text).map_err(|failure| {
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            failure.message
        })
    }

    #[test]
    fn data_goes_into_the_text_as_it_is_asked_for() {
        let data =
            json!({ "name": "<Ada & Co>", "items": [{ "price": 1.5 }, { "price": 20 }], "more": null });
        let cases = [
            ("Dear {{ name }}\n", "none", "Dear <Ada & Co>\n"),
            ("Dear {{ name }}", "html", "Dear &lt;Ada &amp; Co&gt;"),
            ("{{ name | safe }}", "html", "<Ada & Co>"),
            ("{\"name\": {{ name }}}", "json", "{\"name\": \"<Ada & Co>\"}"),
            (
                "{% for item in items %}{{ loop.index }}: {{ item.price }} {% endfor %}",
                "none",
                "1: 1.5 2: 20 ",
            ),
            ("{{ items | sum(attribute='price') }} {{ missing | default('-') }}", "none", "21.5 -"),
            ("{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}{{ twice('a') }}", "none", "aa"),
            ("{{ '{{ name }}' }}", "none", "{{ name }}"),
        ];
        for (template, escape, expected) in cases {
            let input = json!({ "template": template, "data": data, "escape": escape });
            assert_eq!(rendered(input).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn partials_are_included_and_lines_of_tags_leave_nothing() {
        let input = json!({
            "template": "{% include \"head\" %}\n  {% if true %}\nyes\n  {% endif %}\n",
            "partials": { "head": "Hello {{ name }}\n" }, "data": { "name": "Bo" }, "trim": true
        });
        assert_eq!(rendered(input).as_deref(), Ok("Hello Bo\nyes\n"));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let fails = |template: &str| {
            let input = json!({
                "template": template, "data": { "name": "Bo" }, "partials": { "bad": "x\n{{ gone }}" }
            });
            rendered(input).unwrap_err()
        };
        assert_eq!(
            fails("Dear\n{{ nmae }}"),
            "the template, line 2, column 4: undefined value; `nmae` has no value: add it to `data`, or write \
             `| default(\"\")` after it"
        );
        assert!(
            fails("{% include 'bad' %}").starts_with("the partial `bad`, line 2, column 4: undefined value")
        );
        assert!(
            fails("{% if name %}").starts_with("the template, line 1, column "),
            "{}",
            fails("{% if name %}")
        );
        assert!(
            fails("{{ name | shout }}").contains("line 1, column 11: unknown filter"),
            "{}",
            fails("{{ name | shout }}")
        );
        assert!(
            fails("{% include 'gone' %}").ends_with("; add it to `partials`"),
            "{}",
            fails("{% include 'gone' %}")
        );
    }

    #[test]
    fn each_limit_has_its_failure() {
        let fails = |template: &str| rendered(json!({ "template": template })).unwrap_err();
        assert!(fails(&" ".repeat(TEMPLATE_MAX_BYTES + 1)).contains("at most 262144 are read"));
        let wide = "{% for i in range(10000) %}{{ 'x' * 1000 }}{% endfor %}"
            .replace("'x' * 1000", &format!("'{}'", "x".repeat(1000)));
        assert!(fails(&wide).contains("more than 1048576 bytes"), "{}", fails(&wide));
        let long = "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}";
        assert!(fails(long).contains("at most 5000000 steps"), "{}", fails(long));
        let deep = "{% macro again(n) %}{{ again(n) }}{% endmacro %}{{ again(1) }}";
        assert!(fails(deep).contains("recursion limit exceeded"), "{}", fails(deep));
        let own = rendered(json!({ "template": "", "partials": { "template": "" } }));
        assert!(own.unwrap_err().contains("cannot be called `template`"));
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces = [
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "if",
            " ",
            "x",
            "|",
            "end",
            "for i in x",
            "'",
            "é",
            ".",
            "[",
            "(",
            "1",
        ];
        let mut seed = 3_u64;
        for _ in 0..5_000 {
            let mut template = String::new();
            for _ in 0..10 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                template.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
            }
            let _ = rendered(json!({ "template": template, "data": { "x": [1] } }));
        }
    }
}

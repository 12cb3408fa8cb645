//! What means something to one of the readers, so that a change meets it more often than by chance.

/// Words, signs and numbers that are put in the place of others.
pub(crate) const WORDS: &[&str] = &[
    // YAML for itself.
    "&a", "*a", "<<: *a", "? ", ": ", "- ", "|", ">-", "|2+", "!!binary ", "!!str ", "!!float ", "!local ", "%YAML 1.2",
    "---", "...", "#", "~", "null", "true", "yes", "0x1F", "0o17", "1_000", ".inf", ".nan", "-.inf", "1e999", "\"", "'",
    "\\u0000", "\\x85", "\u{85}", "\u{2028}", "\u{feff}", "\t", "\r\n", "{", "}", "[", "]", ",", "{{", "}}", "[[",
    // Workflows and tests.
    "pawl: 1", "workflow", "version", "steps", "id", "tool", "agent", "human", "wait", "set", "fail", "emit", "signal",
    "map", "items", "max_parallel", "parallel", "branches", "loop", "until", "switch", "default", "when", "then", "next",
    "needs", "retry", "max_attempts", "backoff", "timeout", "catch", "undo", "vars", "inputs", "outputs", "with",
    "permissions", "concurrency", "key", "limit", "priority", "topic", "title", "form", "actions", "route", "run", "as",
    "tests", "expect", "mock", "faults", "crash", "people", "at", "2026-01-01T00:00:00Z", "30s", "1h", "0s", "99999999d",
    // Expressions.
    "${{ ", " }}", "inputs.text", "inputs.list", "steps.order.output", "steps.order.output.lines[0].n", "vars.spent",
    "run.id", "item", "index", "error.message", "each", " and ", " or ", " not ", " in ", " is defined", " is none", " if ",
    " else ", "|length", "|upper", "|join(',')", "|sort", "|map(attribute='n')", "|list", "|first", "|last", "|replace('a','b')",
    "|tojson", "|default(1)", "|round(2)", "|split('a')", "|batch(2)", "|dictsort", "|items", "|unique", "|groupby('n')",
    "|slice(3)", "|indent(9999)", "|sum", "|min", "|max", "|reverse", "|select", "|reject", "|int", "|float", "|string", "|bool",
    "range(100000)", "dict(a=1)", "namespace()", "cycler", "lipsum", "self", "loop", "~", "**", "//", "%", "==", "!=", "<=",
    // Schemas.
    "\"$ref\"", "\"#\"", "\"#/$defs/a\"", "\"$defs\"", "\"allOf\"", "\"anyOf\"", "\"oneOf\"", "\"not\"", "\"type\"", "\"object\"",
    "\"array\"", "\"pattern\"", "\"^(a+)+$\"", "\"(?=a)\"", "\"\\\\p{L}{1000}\"", "\"format\"", "\"date-time\"", "\"properties\"",
    "\"patternProperties\"", "\"items\"", "\"prefixItems\"", "\"uniqueItems\"", "\"multipleOf\"", "\"if\"", "\"$dynamicRef\"",
    "\"unevaluatedProperties\"", "\"minimum\"", "\"maxLength\"", "\"enum\"", "\"const\"", "\"required\"", "\"default\"", "\"$id\"",
    // plugin.toml.
    "name = ", "kind = \"tool\"", "capabilities = []", "[limits]", "[labels]", "memory_max_bytes = 1", "'''", "\"\"\"", "[[a]]",
    // Topics.
    "/", "*", "//", "orders/eu/created", "*/",
    // Numbers at the edges of their types.
    "0", "-0", "-1", "1e308", "-1e-400", "127", "128", "255", "256", "32768", "65536", "2147483647", "-2147483648",
    "4294967296", "9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
    "18446744073709551615", "18446744073709551616", "99999999999999999999999999999999",
];

//! The table is what is read: every row loads, is read, and says the truth of its default and limits.

use serde_json::{Map, Value, json};

use super::*;
use crate::diagnostic::{Code, Diagnostics};
use crate::language::Need;
use crate::source::operator::load;
use crate::source::{read, yaml_value};

fn yaml(text: &str) -> Value {
    yaml_value(text).unwrap_or_else(|| panic!("this is no YAML: {text}"))
}

/// A map of a place with the keys that it must have, and this one beside them.
fn body(place: &Place, key: Option<(&Key, Value)>) -> Value {
    let required = place.keys().filter(|row| row.need == Need::Required);
    let mut body: Map<_, _> = required.map(|row| (row.name.to_owned(), yaml(row.example))).collect();
    let given = key.as_ref().map(|(row, _)| row.name);
    // What a provider needs no row tells.
    match (place.name, given) {
        ("profile", Some("script")) => {
            body.insert("provider".to_owned(), json!("scripted"));
        }
        ("profile", _) => {
            body.insert("model".to_owned(), json!("llama3.2"));
        }
        ("mcp-server", Some("url" | "headers")) => {
            body.insert("url".to_owned(), json!("http://127.0.0.1:8000/mcp"));
        }
        ("mcp-server", _) => {
            body.insert("command".to_owned(), json!("mcp-server-filesystem"));
        }
        ("mcp-value", None | Some("prefix")) => {
            body.insert("env".to_owned(), json!("MCP_TOKEN"));
        }
        ("registry", Some("username")) => {
            body.insert("password".to_owned(), json!({ "env": "PASSWORD" }));
        }
        ("registry", Some("password")) => {
            body.insert("username".to_owned(), json!("ann"));
        }
        ("trusted-key", None) => {
            body.insert("file".to_owned(), json!("release.key.pub"));
        }
        ("secret", None | Some("hosts")) => {
            body.insert("env".to_owned(), json!("STRIPE_KEY"));
        }
        ("notify", Some("tool" | "with" | "http" | "secrets")) => {
            body.insert("tool".to_owned(), json!("http.post_keyed"));
        }
        ("notify", _) => {
            body.insert("url".to_owned(), json!("https://desk.example.com/pawl"));
            body.insert("secret".to_owned(), json!({ "env": "PAWL_HOOK_SECRET" }));
        }
        ("key", None) => {
            body.insert("env".to_owned(), json!("MODEL_KEY"));
        }
        _ => {}
    }
    for other in key.iter().flat_map(|(row, _)| row.beside) {
        body.insert((*other).to_owned(), yaml(place.key(other).unwrap().example));
    }
    body.extend(key.map(|(row, value)| (row.name.to_owned(), value)));
    Value::Object(body)
}

/// The file around a body that stands in a place; it has a model `extra` beside.
fn around(place: &Place, inner: &Value) -> Value {
    let extra = json!({ "provider": "ollama", "model": "llama3.2" });
    match place.name {
        "operator" => inner.clone(),
        "profile" => json!({ "models": { "extra": extra, "mine": inner } }),
        "plugin" => json!({ "plugins": { "triage": inner } }),
        "policy" => json!({ "policies": [inner] }),
        "escalation" => {
            let rule = json!({ "approval": "required", "tool": "bank.pay", "escalate": [inner] });
            json!({ "policies": [rule] })
        }
        "notify" => json!({ "notify": { "desk": inner } }),
        "grants" => json!({ "grants": inner }),
        "host" => json!({ "grants": { "http": [inner] } }),
        "secret" => json!({ "secrets": { "mine": inner } }),
        "folder" => json!({ "files": [inner] }),
        "namespace" => json!({ "namespaces": { "mine": inner } }),
        "price" => {
            json!({ "models": { "mine": { "provider": "ollama", "model": "m", "price": inner } } })
        }
        "key" => json!({ "models": { "mine": { "provider": "openai", "model": "m", "key": inner } } }),
        "mcp-server" => json!({ "mcp": { "mine": inner } }),
        "mcp-value" => {
            json!({ "mcp": { "mine": { "url": "http://h/mcp", "headers": { "X-Mine": inner } } } })
        }
        "mcp-elicitation" => {
            json!({ "mcp": { "mine": { "url": "http://h/mcp", "elicitation": inner } } })
        }
        "trusted-key" => json!({ "trusted_keys": { "mine": inner } }),
        "identity" => {
            // It needs one of two, which are told as verbs.
            let mut inner = inner.clone();
            let keys = inner.as_object_mut().expect("a map");
            if !keys.contains_key("jwks_url") && !keys.contains_key("jwks_file") {
                keys.insert("jwks_file".to_owned(), json!("keys.json"));
            }
            json!({ "identity": inner })
        }
        "identity-claims" => json!({ "identity": {
            "issuer": "https://login.example.com", "audience": "pawl",
            "jwks_url": "https://login.example.com/jwks.json", "claims": inner,
        } }),
        "server" => json!({ "server": inner }),
        "server-limits" => json!({ "server": { "limits": inner } }),
        "retention" => json!({ "retention": inner }),
        "telemetry" => json!({ "telemetry": inner }),
        "registry" => json!({ "registries": { "localhost:5000": inner } }),
        other => panic!("nothing leads to {other}"),
    }
}

fn loaded(place: &Place, body: &Value) -> Result<crate::operator::Operator, Diagnostics> {
    load("pawl.yaml", &around(place, body).to_string())
}

fn rows() -> impl Iterator<Item = (&'static Place, &'static Key)> {
    OPERATOR_PLACES.iter().flat_map(|place| place.keys().map(|key| (*place, key)))
}

#[test]
fn every_example_loads_and_every_row_is_read() {
    let schema = jsonschema::validator_for(&operator_schema()).unwrap();
    for (place, key) in rows() {
        let body = body(place, Some((key, yaml(key.example))));
        if let Err(problems) = loaded(place, &body) {
            panic!("{}.{} does not load\n{}", place.name, key.name, problems.render(false));
        }
        let document = around(place, &body);
        let problem = schema.validate(&document).err().map(|error| error.to_string());
        assert_eq!(problem, None, "{}.{}: {document}", place.name, key.name);
    }
    let read = read::all();
    for (place, key) in rows() {
        assert!(
            read.contains(&(place.name, key.name.to_owned())),
            "nothing reads {}.{}",
            place.name,
            key.name
        );
        assert!(key.says.ends_with('.') && key.says.len() > 6, "{}.{}: {}", place.name, key.name, key.says);
    }
}

#[test]
fn a_default_is_what_holds_where_the_key_is_left_out() {
    for (place, key) in rows() {
        let Need::Default(default) = key.need else { continue };
        let with = body(place, Some((key, yaml(default))));
        let mut without = with.clone();
        without.as_object_mut().unwrap().remove(key.name);
        assert_eq!(loaded(place, &with), loaded(place, &without), "{}.{}", place.name, key.name);
        assert!(loaded(place, &with).is_ok(), "{}.{}", place.name, key.name);
    }
}

#[test]
fn numbers_have_the_limits_that_the_table_names() {
    for (place, key) in rows() {
        let Shape::Whole(from, to) = key.shape else { continue };
        for (number, good) in [(i64::from(from), true), (i64::from(to), true), (i64::from(to) + 1, false)] {
            let found = loaded(place, &body(place, Some((key, json!(number)))));
            let code = found.err().and_then(|problems| problems.list.first().map(|problem| problem.code));
            assert_eq!(code, (!good).then_some(Code::OutOfRange), "{}.{}: {number}", place.name, key.name);
        }
    }
}

#[test]
fn every_unknown_key_of_every_place_is_refused_by_the_schema_too() {
    let schema = jsonschema::validator_for(&operator_schema()).unwrap();
    for place in OPERATOR_PLACES {
        let mut inner = body(place, None);
        inner.as_object_mut().unwrap().insert("colour".to_owned(), json!("red"));
        assert!(!schema.is_valid(&around(place, &inner)));
        let problems = loaded(place, &inner).unwrap_err();
        assert!(problems.list.iter().any(|p| p.code == Code::UnknownKey), "{}", place.name);
    }
}

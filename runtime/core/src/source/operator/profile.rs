//! One model of `pawl.yaml`.

use super::super::budget;
use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::{Kind, Node, Span};
use super::{REQUESTS_PER_MINUTE_MAX, RETRIES_MAX};
use crate::Duration;
use crate::chat::{CHAT_TOKENS_MAX, Sampling, TEMPERATURE_MAX, TOP_P_MAX};
use crate::diagnostic::{Code, among};
use crate::language::operator::{KEY, PROFILE};
use crate::operator::{KeyPlace, Profile, Protocol, Provider, Remote};

const TIMEOUT_DEFAULT: Duration = Duration(120_000);
const RETRIES_DEFAULT: u32 = 2;
/// Keys that only a server has.
const OF_SERVERS: [&str; 7] = ["model", "base_url", "key", "temperature", "top_p", "max_tokens", "seed"];

/// Reads a model, and the fallbacks that it names.
pub(super) fn profile<'n>(lower: &mut Lower, node: &'n Node) -> Option<(Profile, Vec<(&'n str, Span)>)> {
    let keys = lower.map(node, &PROFILE)?;
    let fallbacks = get(keys, "fallbacks").map(|node| lower.texts(node, "fallbacks")).unwrap_or_default();
    let timeout = get(keys, "timeout").and_then(|node| {
        let timeout = lower.duration(node, "timeout")?;
        if timeout.0 == 0 {
            let help = Some("leave the key out, or write more".to_owned());
            lower.report(Code::OutOfRange, &node.span, "timeout is nothing", help);
        }
        Some(timeout)
    });
    let retries = get(keys, "retries").and_then(|node| lower.whole(node, "retries", 0..=RETRIES_MAX));
    let requests_per_minute = get(keys, "requests_per_minute")
        .and_then(|node| lower.whole(node, "requests_per_minute", 1..=REQUESTS_PER_MINUTE_MAX));
    let profile = Profile {
        provider: provider(lower, keys, &node.span)?,
        timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
        retries: retries.unwrap_or(RETRIES_DEFAULT),
        requests_per_minute,
        sampling: sampling(lower, keys),
        price: get(keys, "price").and_then(|node| budget::price(lower, node)),
        fallbacks: Vec::new(),
    };
    Some((profile, fallbacks))
}

/// How it is asked where a request does not say.
fn sampling(lower: &mut Lower, keys: Keys<'_>) -> Sampling {
    Sampling {
        temperature: get(keys, "temperature")
            .and_then(|node| number(lower, node, "temperature", TEMPERATURE_MAX)),
        top_p: get(keys, "top_p").and_then(|node| number(lower, node, "top_p", TOP_P_MAX)),
        max_tokens: get(keys, "max_tokens")
            .and_then(|node| lower.whole(node, "max_tokens", 1..=CHAT_TOKENS_MAX)),
        seed: get(keys, "seed").and_then(|node| lower.whole(node, "seed", 0..=u32::MAX)),
    }
}

/// A number from 0 on.
fn number(lower: &mut Lower, node: &Node, what: &str, max: u32) -> Option<f64> {
    let Kind::Number(number) = &node.kind else {
        let message = format!("{what} must be a number, not {}", node.describe());
        lower.report(Code::WrongType, &node.span, message, None);
        return None;
    };
    let found = number.as_f64().filter(|number| (0.0..=f64::from(max)).contains(number));
    if found.is_none() {
        let help = Some(format!("a number from 0 to {max}"));
        lower.report(Code::OutOfRange, &node.span, format!("{what} is {number}"), help);
    }
    found
}

fn provider(lower: &mut Lower, keys: Keys<'_>, span: &Span) -> Option<Provider> {
    const NAMES: [&str; 4] = ["scripted", "openai", "anthropic", "ollama"];
    let node = lower.required(keys, "provider", span)?;
    let name = lower.text(node, "provider")?;
    let protocol = match name {
        "scripted" => None,
        "openai" => Some(Protocol::OpenAi),
        "anthropic" => Some(Protocol::Anthropic),
        "ollama" => Some(Protocol::Ollama),
        _ => {
            let help = among(name, "providers are", NAMES);
            lower.report(Code::InvalidValue, &node.span, format!("there is no provider '{name}'"), help);
            return None;
        }
    };
    let Some(protocol) = protocol else {
        for key in OF_SERVERS {
            misplaced(lower, keys, key, name);
        }
        let script = filled_key(lower, keys, "script", span)?;
        return Some(Provider::Scripted { script });
    };
    misplaced(lower, keys, "script", name);
    if protocol == Protocol::Anthropic {
        misplaced(lower, keys, "seed", name);
    }
    let model = filled_key(lower, keys, "model", span);
    let base_url = match get(keys, "base_url") {
        Some(node) => base_url(lower, node),
        None => Some(protocol.base_url().to_owned()),
    };
    let key = match get(keys, "key") {
        Some(node) => Some(key(lower, node)?),
        None => None,
    };
    Some(Provider::Remote(Remote { protocol, model: model?, base_url: base_url?, key }))
}

fn misplaced(lower: &mut Lower, keys: Keys<'_>, key: &str, provider: &str) {
    if let Some(node) = get(keys, key) {
        let message = format!("a model of the provider '{provider}' has no '{key}'");
        lower.report(Code::KeyMismatch, &node.span, message, Some(format!("take '{key}' out")));
    }
}

/// A text that must be there and hold something.
pub(super) fn filled_key(lower: &mut Lower, keys: Keys<'_>, key: &str, span: &Span) -> Option<String> {
    let node = lower.required(keys, key, span)?;
    filled(lower, node, key)
}

pub(super) fn filled(lower: &mut Lower, node: &Node, key: &str) -> Option<String> {
    let text = lower.text(node, key)?;
    if text.trim().is_empty() || text.contains(char::is_control) {
        let message = format!("{key} is empty, or has signs in it that cannot be seen");
        lower.report(Code::InvalidValue, &node.span, message, None);
        return None;
    }
    Some(text.to_owned())
}

fn base_url(lower: &mut Lower, node: &Node) -> Option<String> {
    address(lower, node, "base_url", ("http://127.0.0.1:8000/v1", "the key under `key`"))
}

/// What addresses begin with: without user, query and fragment.
pub(super) fn address(
    lower: &mut Lower,
    node: &Node,
    key: &str,
    (example, secret_at): (&str, &str),
) -> Option<String> {
    let url = filled(lower, node, key)?;
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let good = rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty() && !rest.contains(['?', '#', '@', ' ', '\\']) && url.is_ascii()
    });
    if !good {
        // A key in an address would stand in every message about it.
        if url.contains('@') {
            lower.problems.hide(&node.span);
        }
        let message = format!("{key} is no address without user, query and fragment");
        let help = format!("write it as in {example}, and {secret_at}");
        lower.report(Code::InvalidValue, &node.span, message, Some(help));
        return None;
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn key(lower: &mut Lower, node: &Node) -> Option<KeyPlace> {
    key_place(lower, node, "key")
}

/// Where a key, or a password, is.
pub(super) fn key_place(lower: &mut Lower, node: &Node, what: &str) -> Option<KeyPlace> {
    if node.as_text().is_some() {
        let message = format!("a {what} never stands in pawl.yaml");
        let help = format!("write `{{ env: NAME }}` or `{{ file: PATH }}`, and put the {what} there");
        lower.report(Code::WrongType, &node.span, message, Some(help));
        return None;
    }
    let keys = lower.map_called(node, what, &KEY)?;
    match (get(keys, "env"), get(keys, "file")) {
        (Some(node), None) => filled(lower, node, "env").map(KeyPlace::Env),
        (None, Some(node)) => filled(lower, node, "file").map(KeyPlace::File),
        (Some(_), Some(_)) | (None, None) => {
            let help = Some("write `{ env: NAME }` or `{ file: PATH }`".to_owned());
            lower.report(Code::KeyMismatch, &node.span, format!("{what} needs one of env and file"), help);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::chat::Sampling;
    use crate::source::operator::load;

    #[test]
    fn how_a_model_is_asked_is_read() {
        let of = |text: &str| load("pawl.yaml", &format!("models: {{ a: {{ model: m, {text} }} }}"));
        let sampling =
            of("provider: openai, temperature: 0.2, top_p: 1, max_tokens: 100, seed: 0").unwrap().models["a"]
                .sampling;
        let all = Sampling { temperature: Some(0.2), top_p: Some(1.0), max_tokens: Some(100), seed: Some(0) };
        assert_eq!(sampling, all);
        for (text, part) in [
            ("provider: openai, temperature: 2.1", "temperature is 2.1"),
            ("provider: openai, top_p: -0.1", "top_p is -0.1"),
            ("provider: openai, top_p: much", "top_p must be a number"),
            ("provider: openai, max_tokens: 0", "max_tokens is 0"),
            ("provider: openai, seed: 4294967296", "seed is 4294967296"),
            ("provider: anthropic, seed: 1", "a model of the provider 'anthropic' has no 'seed'"),
            (
                "provider: scripted, script: s.yaml, top_p: 1",
                "a model of the provider 'scripted' has no 'top_p'",
            ),
        ] {
            let told = of(text).unwrap_err().to_string();
            assert!(told.contains(part), "{part}\n{told}");
        }
    }
}

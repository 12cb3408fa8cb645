//! Where spans go, from the environment as OpenTelemetry has it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::http::Address;

/// The name under which pawl shows itself, where no other is said.
const SERVICE: &str = "pawl";
/// How long the collector may take to answer, in milliseconds, where nothing else is said.
const TIMEOUT_MS: u64 = 10_000;
/// The longest that may be said, in milliseconds.
const TIMEOUT_MAX_MS: u64 = 600_000;
/// What is added to an endpoint that is for all signals.
const TRACES_PATH: &str = "/v1/traces";

/// Where spans go.
#[derive(Clone)]
pub struct Settings {
    pub(crate) address: Address,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) timeout: Duration,
    /// What is said of this process, its name first.
    pub(crate) resource: Vec<(String, String)>,
    /// Who provides each model, by the operator's name for it.
    pub providers: BTreeMap<String, String>,
}

impl fmt::Debug for Settings {
    /// Headers may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What cannot be used of what the environment says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not an address.
    #[error("{variable} is not an address of a collector: write http://HOST:PORT or https://HOST:PORT")]
    Endpoint {
        /// The variable.
        variable: &'static str,
    },
    /// Not headers. The value may be a key, and is not shown.
    #[error("{variable} has no list of headers: write NAME=VALUE,NAME=VALUE, with %20 for a space")]
    Headers {
        /// The variable.
        variable: &'static str,
    },
    /// Not a list of names and values.
    #[error("OTEL_RESOURCE_ATTRIBUTES has no list of attributes: write NAME=VALUE,NAME=VALUE")]
    Resource,
    /// Not a time.
    #[error(
        "OTEL_EXPORTER_OTLP_TIMEOUT is '{0}', which is no number of milliseconds from 1 to {TIMEOUT_MAX_MS}"
    )]
    Timeout(String),
    /// Another way to speak.
    #[error(
        "{variable} is '{protocol}': pawl speaks OTLP over HTTP with JSON; unset it or write http/json, and name the \
         collector's HTTP port (4318)"
    )]
    Protocol {
        /// The variable.
        variable: &'static str,
        /// What it asks for.
        protocol: String,
    },
}

impl Settings {
    /// What the environment says; nothing where it names no collector, or says that nothing is to be sent.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, SettingsError> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if set("OTEL_SDK_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value.trim() == "none")
        {
            return Ok(None);
        }
        let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, set(name)?)));
        let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        let Some((name, endpoint)) = first(names) else { return Ok(None) };
        let path = if name == names[1] { TRACES_PATH } else { "" };
        let address =
            Address::parse(endpoint.trim(), path).ok_or(SettingsError::Endpoint { variable: name })?;
        let protocol = first(["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]);
        if let Some((variable, protocol)) = protocol.filter(|(_, protocol)| protocol.trim() != "http/json") {
            return Err(SettingsError::Protocol { variable, protocol });
        }
        let headers = first(["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"]);
        let headers =
            headers.map(|(variable, text)| headers_of(&text).ok_or(SettingsError::Headers { variable }));
        let timeout =
            first(["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]).map(|(_, text)| {
                let ms = text.trim().parse().ok().filter(|ms| (1..=TIMEOUT_MAX_MS).contains(ms));
                ms.ok_or(SettingsError::Timeout(text))
            });
        let mut resource = match set("OTEL_RESOURCE_ATTRIBUTES") {
            Some(text) => pairs(&text).ok_or(SettingsError::Resource)?,
            None => Vec::new(),
        };
        let listed = resource.iter().position(|(name, _)| name == "service.name");
        let listed = listed.map(|place| resource.remove(place).1);
        let service = set("OTEL_SERVICE_NAME").or(listed).unwrap_or_else(|| SERVICE.to_owned());
        resource.insert(0, ("service.name".to_owned(), service));
        resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        Ok(Some(Self {
            address,
            headers: headers.transpose()?.unwrap_or_default(),
            timeout: Duration::from_millis(timeout.transpose()?.unwrap_or(TIMEOUT_MS)),
            resource,
            providers: BTreeMap::new(),
        }))
    }
}

/// `NAME=VALUE,NAME=VALUE`, with bytes as `%20`.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let name = name.trim();
        (!name.is_empty()).then_some(())?;
        Some((name.to_owned(), decoded(value.trim())?))
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn headers_of(text: &str) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let header = |(name, value): (String, String)| {
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::try_from(name).ok()?, value))
    };
    pairs(text)?.into_iter().map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
        Settings::read(|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_is_sent_unless_a_collector_is_named() {
        let there = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let off: [&[(&str, &str)]; 4] = [
            &[],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[there, ("OTEL_SDK_DISABLED", "TRUE")],
            &[there, ("OTEL_TRACES_EXPORTER", "none")],
        ];
        for set in off {
            assert!(read(set).unwrap().is_none(), "{set:?}");
        }
        let settings = read(&[
            there,
            ("OTEL_SERVICE_NAME", "refunds"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=a%20b"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20canary,x-scope=1"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.address.path, "/v1/traces");
        let shown = |(name, value): &(String, String)| format!("{name}={value}");
        let resource: Vec<_> = settings.resource.iter().map(shown).collect();
        assert_eq!(resource[..2], ["service.name=refunds", "deployment.environment.name=a b"]);
        assert_eq!(settings.headers[0].1, "Bearer canary");
        assert!(!format!("{settings:?}").contains("canary"));
    }

    #[test]
    fn what_cannot_be_used_is_told_and_keys_are_not() {
        let there = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let wrong: [(&[(&str, &str)], &str); 6] = [
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")], "write http://HOST:PORT"),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://x")], "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is"),
            (&[there, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "4318"),
            (&[there, ("OTEL_EXPORTER_OTLP_HEADERS", "canary")], "NAME=VALUE"),
            (&[there, ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")], "milliseconds"),
            (&[there, ("OTEL_RESOURCE_ATTRIBUTES", "=x")], "OTEL_RESOURCE_ATTRIBUTES"),
        ];
        for (set, told) in wrong {
            let error = read(set).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("canary"), "{error}");
        }
    }
}

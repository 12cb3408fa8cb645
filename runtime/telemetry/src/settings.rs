//! Where spans go: what the command line says, then the environment as OpenTelemetry has it, then the operator's file.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use pawl_core::operator::Content;
use pawl_core::source::operator::COLLECTOR_TIMEOUT_MAX_MS;

use crate::http::Address;

/// The name under which pawl shows itself, where no other is said.
const SERVICE: &str = "pawl";
/// How long the collector may take to answer, in milliseconds, where nothing else is said.
const TIMEOUT_MS: u64 = 10_000;
/// What is added to an endpoint that is for all signals.
const TRACES_PATH: &str = "/v1/traces";

/// What the environment says of content: the convention's own name for it.
const CONTENT: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";

/// What is said of where spans go, beside the environment: on the command line, or in the operator's file.
#[derive(Clone, Default)]
pub struct Given {
    /// The collector's address, without the path of traces.
    pub endpoint: Option<String>,
    /// What each request has with it. The values may be keys.
    pub headers: Vec<(String, String)>,
    /// What the process calls itself.
    pub service: Option<String>,
    /// How long the collector may take to answer, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// What of that which is said is in spans.
    pub content: Content,
}

impl fmt::Debug for Given {
    /// Headers may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Where spans go.
#[derive(Clone)]
pub struct Settings {
    pub(crate) address: Address,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) timeout: Duration,
    /// What is said of this process, its name first.
    pub(crate) resource: Vec<(String, String)>,
    /// What of that which is said is in them.
    pub(crate) content: Content,
    /// Who provides each model, by the operator's name for it.
    pub providers: BTreeMap<String, String>,
}

impl fmt::Debug for Settings {
    /// Headers may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What cannot be used of what is said.
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
    /// Not a header. The value may be a key, and is not shown.
    #[error("`telemetry.headers` of pawl.yaml: what '{0}' names can be no value of a header")]
    Header(String),
    /// Neither yes nor no.
    #[error("{CONTENT} is '{0}': write true or SPAN_ONLY, false or NO_CONTENT")]
    Content(String),
    /// Not a list of names and values.
    #[error("OTEL_RESOURCE_ATTRIBUTES has no list of attributes: write NAME=VALUE,NAME=VALUE")]
    Resource,
    /// Not a time.
    #[error(
        "OTEL_EXPORTER_OTLP_TIMEOUT is '{0}', which is no number of milliseconds from 1 to {COLLECTOR_TIMEOUT_MAX_MS}"
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
        Self::layered(&Given::default(), variable, &Given::default())
    }

    /// What the command line says, then the environment, then the operator's file, each thing for itself; nothing where
    /// none of them names a collector, or the environment says that nothing is to be sent and the command line names
    /// none.
    pub fn layered(
        flags: &Given,
        variable: impl Fn(&str) -> Option<String>,
        file: &Given,
    ) -> Result<Option<Self>, SettingsError> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value.trim() == "none");
        if is_off && flags.endpoint.is_none() {
            return Ok(None);
        }
        let Some(address) = address(flags, &set, file)? else { return Ok(None) };
        let protocol = first(&set, ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]);
        if let Some((variable, protocol)) = protocol.filter(|(_, protocol)| protocol.trim() != "http/json") {
            return Err(SettingsError::Protocol { variable, protocol });
        }
        let named = first(&set, ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"]);
        let headers = if let Some((variable, text)) = named {
            headers_of(&text).ok_or(SettingsError::Headers { variable })?
        } else {
            let all = file.headers.iter();
            let all = all.map(|pair| header(pair).ok_or_else(|| SettingsError::Header(pair.0.clone())));
            all.collect::<Result<_, _>>()?
        };
        let timeout_ms =
            match first(&set, ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]) {
                Some((_, text)) => {
                    let ms =
                        text.trim().parse().ok().filter(|ms| (1..=COLLECTOR_TIMEOUT_MAX_MS).contains(ms));
                    ms.ok_or(SettingsError::Timeout(text))?
                }
                None => file.timeout_ms.unwrap_or(TIMEOUT_MS),
            };
        let content = match set(CONTENT) {
            Some(text) => content(&text).ok_or(SettingsError::Content(text))?,
            None => file.content,
        };
        Ok(Some(Self {
            address,
            headers,
            timeout: Duration::from_millis(timeout_ms),
            resource: resource(flags, &set, file)?,
            content,
            providers: BTreeMap::new(),
        }))
    }
}

/// The first of two variables that is set.
fn first(set: &impl Fn(&str) -> Option<String>, names: [&'static str; 2]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, set(name)?)))
}

/// Where spans are sent to; nothing where no collector is named.
fn address(
    flags: &Given,
    set: &impl Fn(&str) -> Option<String>,
    file: &Given,
) -> Result<Option<Address>, SettingsError> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let flag = flags.endpoint.clone().map(|endpoint| ("--otlp-endpoint", endpoint));
    let written = || file.endpoint.clone().map(|endpoint| ("`telemetry.endpoint` of pawl.yaml", endpoint));
    let Some((name, endpoint)) = flag.or_else(|| first(set, names)).or_else(written) else {
        return Ok(None);
    };
    let path = if name == names[0] { "" } else { TRACES_PATH };
    let address = Address::parse(endpoint.trim(), path);
    address.map(Some).ok_or(SettingsError::Endpoint { variable: name })
}

/// What is said of this process, its name first.
fn resource(
    flags: &Given,
    set: &impl Fn(&str) -> Option<String>,
    file: &Given,
) -> Result<Vec<(String, String)>, SettingsError> {
    let mut resource = match set("OTEL_RESOURCE_ATTRIBUTES") {
        Some(text) => pairs(&text).ok_or(SettingsError::Resource)?,
        None => Vec::new(),
    };
    let listed = resource.iter().position(|(name, _)| name == "service.name");
    let listed = listed.map(|place| resource.remove(place).1);
    let service = flags.service.clone().or_else(|| set("OTEL_SERVICE_NAME")).or(listed);
    let service = service.or_else(|| file.service.clone()).unwrap_or_else(|| SERVICE.to_owned());
    resource.insert(0, ("service.name".to_owned(), service));
    resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
    Ok(resource)
}

/// What the environment wants to be in spans. Events of their own, which some programs write it into, pawl has none.
fn content(text: &str) -> Option<Content> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "span_only" | "span_and_event" => Some(Content::All),
        "false" | "no_content" | "event_only" => Some(Content::None),
        _ => None,
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
    pairs(text)?.iter().map(header).collect()
}

fn header((name, value): &(String, String)) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::try_from(name).ok()?, value))
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
    fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
        let flags = Given {
            endpoint: Some("http://flag:1".to_owned()),
            service: Some("flag".to_owned()),
            ..Given::default()
        };
        let file = Given {
            endpoint: Some("https://file:3/below".to_owned()),
            headers: vec![("x-key".to_owned(), "canary".to_owned())],
            service: Some("file".to_owned()),
            timeout_ms: Some(3),
            content: Content::Tools,
        };
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:2"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-other=1"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2"),
            ("OTEL_SERVICE_NAME", "env"),
            (CONTENT, "NO_CONTENT"),
        ];
        let none = Given::default();
        let read = |flags: &Given, set: &[(&str, &str)], file: &Given| {
            let variable = |name: &str| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            Settings::layered(flags, variable, file).unwrap()
        };
        let shown = |settings: &Settings| {
            let (address, resource) = (&settings.address, &settings.resource[0].1);
            (format!("{}{}", address.authority, address.path), resource.clone(), settings.timeout.as_millis())
        };
        let all = read(&flags, &environment, &file).unwrap();
        assert_eq!(shown(&all), ("flag:1/v1/traces".to_owned(), "flag".to_owned(), 2));
        assert_eq!((all.headers[0].0.as_str(), all.headers.len()), ("x-other", 1));
        assert_eq!(all.content, Content::None);
        let two = read(&none, &environment, &file).unwrap();
        assert_eq!(shown(&two), ("env:2/v1/traces".to_owned(), "env".to_owned(), 2));
        let one = read(&none, &[], &file).unwrap();
        assert_eq!(shown(&one), ("file:3/below/v1/traces".to_owned(), "file".to_owned(), 3));
        assert_eq!((one.headers[0].0.as_str(), one.content), ("x-key", Content::Tools));
        assert!(!format!("{one:?}{file:?}").contains("canary"));
        // The environment turns off what the file turns on, and not what the command line asks for.
        let off = [("OTEL_SDK_DISABLED", "true")];
        assert!(read(&none, &off, &file).is_none() && read(&flags, &off, &file).is_some());
        assert!(read(&none, &[], &none).is_none());
        let broken = Given { headers: vec![("x-key".to_owned(), "canary\n".to_owned())], ..file };
        let error = Settings::layered(&none, |_| None, &broken).unwrap_err().to_string();
        assert!(error.contains("'x-key'") && !error.contains("canary"), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_told_and_keys_are_not() {
        let there = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let wrong: [(&[(&str, &str)], &str); 8] = [
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")], "write http://HOST:PORT"),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://x")], "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is"),
            (&[there, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "4318"),
            (&[there, ("OTEL_EXPORTER_OTLP_HEADERS", "canary")], "NAME=VALUE"),
            (&[there, ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")], "milliseconds"),
            (&[there, ("OTEL_EXPORTER_OTLP_TIMEOUT", "600001")], "from 1 to 600000"),
            (&[there, (CONTENT, "some")], "NO_CONTENT"),
            (&[there, ("OTEL_RESOURCE_ATTRIBUTES", "=x")], "OTEL_RESOURCE_ATTRIBUTES"),
        ];
        for (set, told) in wrong {
            let error = read(set).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("canary"), "{error}");
        }
    }
}

//! Where a request comes from: which host it was sent to, and from which page.
//!
//! Without identity, whoever reaches the server on loopback is the operator. A page in a browser of this machine
//! reaches it too: under its own address, or under a name of its own that it lets lead here (DNS rebinding). Neither is
//! let through.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use crate::Problem;

/// What preflights are told that may be sent.
const ALLOWED_HEADERS: &str =
    "authorization, content-type, if-match, idempotency-key, last-event-id, pawl-namespace, traceparent";
const ALLOWED_METHODS: &str = "GET, POST, PUT, DELETE";

/// Which hosts and pages are let through.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    /// Hosts that are ours, beside those of loopback, in lower case, without a port.
    hosts: Vec<String>,
    /// Whether a host must be one of those.
    is_loopback: bool,
    /// Pages elsewhere that may ask: `https://console.example.com`.
    origins: Vec<String>,
}

impl Doors {
    pub(crate) fn new(listen: SocketAddr, hosts: &[String], origins: &[String]) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        let origins =
            origins.iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect::<Vec<_>>();
        Self { hosts: lower(hosts), is_loopback: listen.ip().is_loopback(), origins: lower(&origins) }
    }

    /// Refuses what was sent to a name that is not ours.
    pub(super) fn check_host(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Box<Problem>> {
        if !self.is_loopback && self.hosts.is_empty() {
            return Ok(());
        }
        let authority = authority(headers, uri).unwrap_or_default();
        let host = without_port(&authority);
        let is_local = self.is_loopback
            && (host == "localhost"
                || host
                    .trim_matches(['[', ']'])
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback()));
        if is_local || self.hosts.iter().any(|ours| ours == host) {
            return Ok(());
        }
        let shown: String = host.chars().take(100).collect();
        Err(Problem::wrong_host(format!(
            "'{}' is not a name of this server; use its address, or start it with --host for this name",
            shown.escape_debug()
        ))
        .into())
    }

    /// Refuses a change that a page elsewhere asks for. What is no browser says neither of both headers.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Box<Problem>> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned());
        let origin = text(header::ORIGIN);
        if let Some(origin) = &origin {
            let own = authority(headers, &Uri::default());
            let is_own = own.is_some_and(|own| {
                [format!("http://{own}"), format!("https://{own}")].contains(&origin.to_ascii_lowercase())
            });
            if !is_own && !self.is_allowed(origin) {
                let shown: String = origin.chars().take(100).collect();
                let text = format!(
                    "the page {} may not ask for changes; start the server with --allow-origin for it",
                    shown.escape_debug()
                );
                return Err(Problem::cross_site(text).into());
            }
            return Ok(());
        }
        match text(HeaderName::from_static("sec-fetch-site")).as_deref() {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) => Err(Problem::cross_site("a page elsewhere may not ask for changes").into()),
        }
    }

    fn is_allowed(&self, origin: &str) -> bool {
        self.origins.contains(&origin.to_ascii_lowercase())
    }

    /// Whether a browser asks what a page elsewhere may ask. Only who is allowed is told.
    pub(super) fn is_preflight(&self, request: &Request) -> bool {
        let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && origin.is_some_and(|origin| self.is_allowed(origin))
    }

    /// Tells a browser that the page that asked may read the answer.
    pub(super) fn allow_origin(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        let Some(origin) = origin.filter(|origin| origin.to_str().is_ok_and(|text| self.is_allowed(text)))
        else {
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("etag, location, retry-after"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        headers.insert(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("cross-origin"),
        );
    }
}

/// Refuses a body that a page could send without asking first.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Box<Problem>> {
    let is_empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0")
        && !headers.contains_key(header::TRANSFER_ENCODING);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if is_empty || kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    {
        return Ok(());
    }
    Err(Problem::unsupported_media("send the body as JSON, with `Content-Type: application/json`").into())
}

/// Host and port that the request was sent to, in lower case.
fn authority(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str)).map(str::to_ascii_lowercase)
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn doors(listen: &str, hosts: &[&str], origins: &[&str]) -> Doors {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Doors::new(listen.parse().unwrap(), &owned(hosts), &owned(origins))
    }

    #[test]
    fn on_loopback_only_names_of_loopback_lead_here() {
        let local = doors("127.0.0.1:8917", &["pawl.test"], &[]);
        let cases = [
            ("127.0.0.1:8917", true),
            ("localhost:1", true),
            ("LOCALHOST", true),
            ("[::1]:8917", true),
            ("pawl.test:80", true),
            ("evil.example:8917", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("10.0.0.1:8917", false),
            ("", false),
        ];
        for (host, passes) in cases {
            let checked = local.check_host(&headers(&[("host", host)]), &Uri::default());
            assert_eq!(checked.is_ok(), passes, "{host}");
        }
        assert!(local.check_host(&HeaderMap::new(), &Uri::default()).is_err());
        let public = doors("0.0.0.0:80", &[], &[]);
        assert!(public.check_host(&headers(&[("host", "anything.example")]), &Uri::default()).is_ok());
        let named = doors("0.0.0.0:80", &["pawl.example"], &[]);
        assert!(named.check_host(&headers(&[("host", "pawl.example:443")]), &Uri::default()).is_ok());
        assert!(named.check_host(&headers(&[("host", "localhost")]), &Uri::default()).is_err());
    }

    #[test]
    fn changes_come_from_own_pages_from_allowed_ones_or_from_no_page() {
        let some = doors("127.0.0.1:8917", &[], &["https://ops.example/"]);
        let host = ("host", "localhost:8917");
        let cases: [(&[(&'static str, &str)], bool); 10] = [
            (&[host], true),
            (&[host, ("origin", "http://localhost:8917"), ("sec-fetch-site", "same-origin")], true),
            (&[host, ("origin", "https://ops.example"), ("sec-fetch-site", "cross-site")], true),
            (&[host, ("sec-fetch-site", "none")], true),
            (&[host, ("origin", "http://localhost:9000")], false),
            (&[host, ("origin", "http://evil.example")], false),
            (&[host, ("origin", "null")], false),
            (&[host, ("origin", "https://ops.example.evil.example")], false),
            (&[host, ("sec-fetch-site", "cross-site")], false),
            (&[host, ("sec-fetch-site", "same-site")], false),
        ];
        for (pairs, passes) in cases {
            assert_eq!(some.check_origin(&headers(pairs)).is_ok(), passes, "{pairs:?}");
        }
    }

    #[test]
    fn bodies_are_json_or_empty() {
        let kinds =
            [("application/json", true), ("application/json; charset=utf-8", true), ("text/plain", false)];
        for (kind, passes) in
            kinds.into_iter().chain([("application/x-www-form-urlencoded", false), ("", false)])
        {
            let map = headers(&[("content-length", "5"), ("content-type", kind)]);
            assert_eq!(check_content_type(&map).is_ok(), passes, "{kind}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_ok());
        assert!(check_content_type(&headers(&[("transfer-encoding", "chunked")])).is_err());
    }
}

//! Secrets: what a guest is shown of them, and where they may go.
//!
//! A guest has a placeholder. The host puts the value in its place in header fields of requests to the hosts of the
//! secret, and lets no request go that has a placeholder anywhere else. What comes back is searched for the value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use pawl_core::plugin::{Hosts, Permissions};
use pawl_core::{Digest, Failure, FailureKind};
use secrecy::{ExposeSecret as _, SecretString};

use crate::host::http::Allowed;

/// Shorter secrets are refused, in bytes: what they are stands in too many answers by chance.
pub const SECRET_MIN_BYTES: usize = 8;
/// The longest secret, in bytes.
pub const SECRET_MAX_BYTES: usize = 16 << 10;
/// What a placeholder begins with. It has letters and digits alone, so that no encoding of a text changes it.
const PLACEHOLDER: &str = "pawlsecret";
/// What of a digest stands in a placeholder, in hexadecimal signs.
const PLACEHOLDER_SIGNS: usize = 32;
/// How credentials with a name and a password begin.
const BASIC: &str = "Basic ";

/// Where a guest's secrets come from.
pub trait SecretSource: fmt::Debug + Send + Sync {
    /// The secret as it is now; why there is none, otherwise, without its value.
    fn secret(&self, name: &str) -> Result<Secret, String>;
}

/// A secret and where it may go. `Debug` shows nothing of its value.
#[derive(Debug, Clone)]
pub struct Secret {
    value: SecretString,
    hosts: Vec<Allowed>,
}

impl Secret {
    /// One that may go to these hosts; why it can be none, otherwise.
    pub fn new(value: &str, hosts: &Hosts) -> Result<Self, String> {
        let value = value.trim();
        if !(SECRET_MIN_BYTES..=SECRET_MAX_BYTES).contains(&value.len()) {
            return Err(format!(
                "it has {} bytes; secret_min_bytes is {SECRET_MIN_BYTES} and secret_max_bytes {SECRET_MAX_BYTES}",
                value.len()
            ));
        }
        if value.contains(|c: char| c.is_control() || !c.is_ascii()) {
            return Err("it holds more than a secret: write the secret and nothing else".to_owned());
        }
        Ok(Self { value: SecretString::from(value), hosts: Allowed::all(hosts) })
    }

    fn goes_to(&self, uri: &Uri) -> bool {
        let Some(authority) = uri.authority() else { return false };
        let plain = uri.scheme() != Some(&Scheme::HTTPS);
        let port = authority.port_u16().unwrap_or(if plain { 80 } else { 443 });
        (!plain || is_loopback(authority.host()))
            && self.hosts.iter().any(|allowed| allowed.covers(authority.host(), port))
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The secrets of one attempt.
#[derive(Debug, Default)]
pub(crate) struct Vault {
    granted: BTreeSet<String>,
    source: Option<Arc<dyn SecretSource>>,
    seed: [u8; 32],
    /// Those that the guest has asked for, by their placeholders.
    known: BTreeMap<String, (String, Secret)>,
    /// What has gone out and may come back, in every form in which it has.
    sent: BTreeSet<Vec<u8>>,
}

impl Vault {
    pub(crate) fn new(grants: &Permissions, source: Option<Arc<dyn SecretSource>>, seed: [u8; 32]) -> Self {
        Self { granted: grants.secrets.clone(), source, seed, ..Self::default() }
    }

    /// The placeholder of a secret: the same again in the same attempt, and in no other.
    pub(crate) fn placeholder(&mut self, name: &str) -> Result<String, Failure> {
        if !self.granted.contains(name) {
            let message = format!("the secret '{name}' was not granted; add it to `permissions: secrets`");
            return Err(Failure::new(FailureKind::Denied, message));
        }
        let seed = [b"pawl:plugin/secrets".as_slice(), &self.seed, name.as_bytes()];
        let digest = hex(&Digest::of_parts(&seed));
        let placeholder = format!("{PLACEHOLDER}{}", &digest[..PLACEHOLDER_SIGNS]);
        if !self.known.contains_key(&placeholder) {
            let missing = |why: &str| {
                let message = format!("the secret '{name}' cannot be used: {why}");
                Failure::new(FailureKind::Denied, message)
            };
            let source = self.source.as_ref();
            let source =
                source.ok_or_else(|| missing("this pawl was given no secrets; name it in pawl.yaml"))?;
            let secret = source.secret(name).map_err(|why| missing(&why))?;
            self.known.insert(placeholder.clone(), (name.to_owned(), secret));
        }
        Ok(placeholder)
    }

    /// Whether the guest has asked for none, so that nothing needs to be looked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What must not stand in the body of a request.
    pub(crate) fn placeholders(&self) -> Vec<Vec<u8>> {
        self.known.keys().map(|placeholder| placeholder.clone().into_bytes()).collect()
    }

    /// What must not stand in an answer: the values, as they are and as JSON and addresses write them.
    pub(crate) fn values(&self) -> Vec<Vec<u8>> {
        let mut all = self.sent.clone();
        for (_, secret) in self.known.values() {
            let value = secret.value.expose_secret();
            all.insert(value.as_bytes().to_vec());
            all.insert(BASE64_STANDARD.encode(value).into_bytes());
            let quoted = serde_json::Value::from(value).to_string();
            all.insert(quoted.as_bytes()[1..quoted.len() - 1].to_vec());
            all.insert(percent_encoded(value));
        }
        all.into_iter().collect()
    }

    /// Puts values in the place of placeholders, or says why the request may not go.
    pub(crate) fn fill<B>(&mut self, request: &mut Request<B>) -> Result<(), String> {
        if self.is_empty() {
            return Ok(());
        }
        let uri = request.uri().clone();
        let address = uri.to_string().to_ascii_lowercase();
        let names = request.headers().keys().map(HeaderName::as_str);
        let elsewhere: Vec<_> = names.chain([address.as_str(), request.method().as_str()]).collect();
        for (placeholder, (name, _)) in &self.known {
            if elsewhere.iter().any(|text| text.to_ascii_lowercase().contains(placeholder)) {
                return Err(format!(
                    "the secret '{name}' stands outside the values of its header fields, where none may be"
                ));
            }
        }
        let mut filled = HeaderMap::with_capacity(request.headers().len());
        for (field, value) in request.headers() {
            filled.append(field, self.filled(value, &uri)?);
        }
        // What is packed could not be searched.
        filled.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        *request.headers_mut() = filled;
        Ok(())
    }

    fn filled(&mut self, value: &HeaderValue, uri: &Uri) -> Result<HeaderValue, String> {
        let Ok(text) = value.to_str() else { return Ok(value.clone()) };
        if let Some(text) = self.put_in(text, uri)? {
            return sensitive(&text);
        }
        let is_basic = text.get(..BASIC.len()).is_some_and(|start| start.eq_ignore_ascii_case(BASIC));
        let credentials = text.get(BASIC.len()..).filter(|_| is_basic);
        let decoded = credentials.and_then(|text| BASE64_STANDARD.decode(text.trim()).ok());
        let Some(decoded) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) else {
            return Ok(value.clone());
        };
        let Some(credentials) = self.put_in(&decoded, uri)? else { return Ok(value.clone()) };
        let encoded = BASE64_STANDARD.encode(credentials);
        self.sent.insert(encoded.clone().into_bytes());
        sensitive(&format!("{BASIC}{encoded}"))
    }

    /// The text with values in it; nothing where it has no placeholder.
    fn put_in(&self, text: &str, uri: &Uri) -> Result<Option<String>, String> {
        let mut whole = None;
        for (placeholder, (name, secret)) in &self.known {
            let so_far = whole.as_deref().unwrap_or(text);
            if !so_far.contains(placeholder) {
                continue;
            }
            if !secret.goes_to(uri) {
                let host = uri.authority().map_or("nowhere", http::uri::Authority::as_str);
                return Err(format!(
                    "the secret '{name}' may not go to {host}: pawl.yaml does not list it under the secret's \
                     `hosts`, or it is neither reached over TLS nor this machine"
                ));
            }
            whole = Some(so_far.replace(placeholder, secret.value.expose_secret()));
        }
        Ok(whole)
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::try_from(text).map_err(|_| "a header field cannot hold its secret".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn hex(digest: &Digest) -> String {
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn percent_encoded(text: &str) -> Vec<u8> {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => vec![byte],
        _ => format!("%{byte:02X}").into_bytes(),
    };
    text.bytes().flat_map(encode).collect()
}

/// Covers what must not be seen in a field of an answer, sign for sign.
pub(crate) fn covered(headers: &mut HeaderMap, needles: &[Vec<u8>]) {
    for value in headers.values_mut() {
        let mut bytes = value.as_bytes().to_vec();
        if cover(&mut bytes, needles)
            && let Ok(hidden) = HeaderValue::from_bytes(&bytes)
        {
            *value = hidden;
        }
    }
}

/// Writes stars over what must not be seen. Gives whether there was any.
pub(crate) fn cover(bytes: &mut [u8], needles: &[Vec<u8>]) -> bool {
    let mut found = false;
    for needle in needles {
        let mut from = 0;
        while let Some(at) = find(&bytes[from..], needle) {
            bytes[from + at..from + at + needle.len()].fill(b'*');
            from += at + needle.len();
            found = true;
        }
    }
    found
}

/// Where one text stands in another.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    (!needle.is_empty()).then(|| bytes.windows(needle.len()).position(|window| window == needle))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "sk-canary/one\"two";

    #[derive(Debug)]
    struct Fixed(Hosts);

    impl SecretSource for Fixed {
        fn secret(&self, name: &str) -> Result<Secret, String> {
            if name == "absent" { Err("it is not there".to_owned()) } else { Secret::new(VALUE, &self.0) }
        }
    }

    fn vault(hosts: &[&str], seed: u8) -> Vault {
        let hosts: Hosts = hosts.iter().map(|host| host.parse::<Hosts>().unwrap()).collect();
        let secrets = ["stripe".to_owned(), "absent".to_owned()].into();
        let grants = Permissions { secrets, ..Permissions::default() };
        Vault::new(&grants, Some(Arc::new(Fixed(hosts))), [seed; 32])
    }

    fn request(uri: &str, field: &str, value: &str) -> Request<()> {
        Request::builder().uri(uri).header(field, value).body(()).unwrap()
    }

    #[test]
    fn a_placeholder_is_one_attempts_and_says_nothing_of_the_value() {
        let placeholder = vault(&["a.test"], 1).placeholder("stripe").unwrap();
        assert_eq!(vault(&["a.test"], 1).placeholder("stripe").unwrap(), placeholder);
        assert_ne!(vault(&["a.test"], 2).placeholder("stripe").unwrap(), placeholder);
        let ungranted = vault(&["a.test"], 1).placeholder("other").unwrap_err();
        assert_eq!(ungranted.kind, FailureKind::Denied);
        assert!(ungranted.message.contains("`permissions: secrets`"), "{ungranted}");
        let absent = vault(&["a.test"], 1).placeholder("absent").unwrap_err();
        assert!(absent.message.contains("it is not there"), "{absent}");
        let mut vault = vault(&["a.test"], 1);
        vault.placeholder("stripe").unwrap();
        assert!(!format!("{vault:?}").contains("canary"), "{vault:?}");
    }

    #[test]
    fn a_value_goes_into_fields_to_its_hosts_and_nowhere_else() {
        let hosts = ["a.test", "127.0.0.1:80", "b.test"];
        let cases = [
            ("https://a.test/x", true),
            ("https://A.TEST:443/x", true),
            ("http://a.test/x", false),
            ("https://a.test:8443/x", false),
            ("https://c.test/x", false),
            ("https://a.test.evil.test/x", false),
            ("https://evil.test@a.test.c.test/x", false),
            ("http://127.0.0.1/x", true),
            ("http://127.0.0.2/x", false),
            ("http://b.test/x", false),
        ];
        for (uri, goes) in cases {
            let mut vault = vault(&hosts, 1);
            let placeholder = vault.placeholder("stripe").unwrap();
            let mut request = request(uri, "authorization", &format!("Bearer {placeholder}"));
            let filled = vault.fill(&mut request);
            assert_eq!(filled.is_ok(), goes, "{uri}: {filled:?}");
            let value = &request.headers()["authorization"];
            assert!(!format!("{request:?}{filled:?}").contains("canary"));
            if goes {
                assert_eq!(value.to_str().unwrap(), format!("Bearer {VALUE}"), "{uri}");
                assert!(value.is_sensitive());
                assert_eq!(request.headers()["accept-encoding"], "identity");
            }
        }
    }

    #[test]
    fn a_placeholder_is_found_in_basic_credentials_and_refused_outside_fields() {
        let mut vault = vault(&["a.test"], 1);
        let placeholder = vault.placeholder("stripe").unwrap();
        let basic = |text: &str| format!("basic {}", BASE64_STANDARD.encode(text));
        let mut sent = request("https://a.test/", "authorization", &basic(&format!("{placeholder}:")));
        vault.fill(&mut sent).unwrap();
        let expected = BASE64_STANDARD.encode(format!("{VALUE}:"));
        assert_eq!(sent.headers()["authorization"].to_str().unwrap(), format!("Basic {expected}"));
        assert!(vault.values().contains(&expected.into_bytes()), "it could come back");
        let upper = placeholder.to_uppercase();
        for uri in [
            format!("https://a.test/?key={placeholder}"),
            format!("https://a.test/{placeholder}"),
            format!("https://{placeholder}.a.test/"),
            format!("https://a.test/?key={upper}"),
        ] {
            let refused = vault.fill(&mut request(&uri, "x", "y")).unwrap_err();
            assert!(refused.contains("outside the values of its header fields"), "{refused}");
        }
        let mut named = request("https://a.test/", &placeholder, "y");
        assert!(vault.fill(&mut named).is_err(), "the name of a field");
        let mut other = request("https://b.test/", "authorization", &basic(&format!("u:{placeholder}")));
        assert!(vault.fill(&mut other).is_err(), "another host");
    }

    #[test]
    fn what_comes_back_is_covered_in_every_form() {
        let mut vault = vault(&["a.test"], 1);
        vault.placeholder("stripe").unwrap();
        let needles = vault.values();
        for echoed in [VALUE, "sk-canary/one\\\"two", "sk-canary%2Fone%22two", &BASE64_STANDARD.encode(VALUE)]
        {
            let mut bytes = format!("<{echoed}|{echoed}>").into_bytes();
            assert!(cover(&mut bytes, &needles), "{echoed}");
            assert_eq!(bytes.len(), 3 + 2 * echoed.len());
            assert!(bytes[1..=echoed.len()].iter().all(|byte| *byte == b'*'), "{echoed}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", HeaderValue::from_static("got sk-canary/one\"two"));
        covered(&mut headers, &needles);
        assert_eq!(headers["x-echo"], "got *****************");
    }

    #[test]
    fn what_is_no_secret_is_told() {
        for (value, part) in [
            ("short", "secret_min_bytes is 8"),
            (&"x".repeat(20_000), "secret_max_bytes 16384"),
            ("two\nlines-of-it", "nothing else"),
        ] {
            let told = Secret::new(value, &Hosts::default()).unwrap_err();
            assert!(told.contains(part) && !told.contains(value), "{told}");
        }
    }
}

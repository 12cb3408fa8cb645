//! What is asked: the arguments of each tool, and the one request that they all become.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pawl_plugin::prelude::*;

use crate::answer::Expect;
use crate::status::{OnStatus, Outcome};
use crate::url::{self, Query};

/// The most that `redirects` can say.
const REDIRECTS_MAX: u32 = 20;
/// The most that `response_max_bytes` can say: written as JSON it must still cross to the host.
const RESPONSE_MAX_BYTES: usize = 3 << 20;
/// The most that `timeout_ms` can say; the host waits no longer.
const TIMEOUT_MAX_MS: u64 = 30_000;

/// A request, whatever the tool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Header fields that are made with a secret.
    pub(crate) secrets: Vec<(String, Kept)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) expect: Expect,
    pub(crate) on_status: OnStatus,
    pub(crate) redirects: u32,
    pub(crate) response_max_bytes: usize,
    pub(crate) timeout: Option<Duration>,
}

/// The value of a header field with a secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// Its name in `permissions.secrets` and in `pawl.yaml`.
    pub(crate) secret: String,
    /// What is put before it, such as `Bearer `.
    #[serde(default)]
    pub(crate) prefix: String,
}

impl Request {
    /// HTTP's own rule: a method that is safe changes nothing, whatever comes of it.
    pub(crate) fn changes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE")
    }

    pub(crate) fn failure(&self, kind: FailureKind, what: &str) -> Failure {
        Failure::new(kind, format!("{} {}: {what}", self.method, self.url))
    }
}

/// What the tools share, after the fields of their own. Flattened structs would let misspelt names pass.
macro_rules! arguments {
    ($(#[$meta:meta])* struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$meta])*
        pub(crate) struct $name {
            $($(#[$field_meta])* $field: $type,)*
            /// Begins with `https://` or `http://`.
            url: String,
            /// What is added to the URL's query, encoded as it must be. A list gives its name several
            /// times.
            #[serde(default)]
            query: BTreeMap<String, Query>,
            /// Header fields by name.
            #[serde(default)]
            headers: BTreeMap<String, String>,
            /// Header fields whose values end in a secret of the operator's, which nobody sees here. Each secret must
            /// be in the step's `permissions.secrets`, and goes only to the hosts that `pawl.yaml` has for it.
            #[serde(default)]
            secrets: BTreeMap<String, Kept>,
            /// How the body of the answer is read.
            #[serde(default)]
            expect: Expect,
            /// What a status means, by number (`404`) or class (`4xx`); the number goes before the class.
            #[serde(default)]
            on_status: BTreeMap<String, Outcome>,
            /// How many redirects are followed, at most 20. Where one leads to another host, the header
            /// fields stay behind, but for `accept`, `accept-language`, `content-type` and `user-agent`.
            #[serde(default = "redirects")]
            #[schemars(range(max = 20))]
            redirects: u32,
            /// A longer body is a failure; at most 3 MiB.
            #[serde(default = "response_max_bytes")]
            #[schemars(range(min = 1, max = 3_145_728))]
            response_max_bytes: usize,
            /// How long the connection, the head of the answer and each further piece of it are waited
            /// for; at most 30,000.
            #[schemars(range(min = 1, max = 30_000))]
            timeout_ms: Option<u64>,
        }

        impl $name {
            fn common(&self, method: &str) -> Result<Request, Failure> {
                within("redirects", u64::from(self.redirects), 0, u64::from(REDIRECTS_MAX))?;
                within("response_max_bytes", self.response_max_bytes as u64, 1, RESPONSE_MAX_BYTES as u64)?;
                if let Some(timeout) = self.timeout_ms {
                    within("timeout_ms", timeout, 1, TIMEOUT_MAX_MS)?;
                }
                Ok(Request {
                    method: method.to_owned(),
                    url: url::build(&self.url, &self.query)?,
                    headers: self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
                    secrets: secrets_of(&self.secrets, &self.headers)?,
                    body: None,
                    expect: self.expect,
                    on_status: OnStatus::new(&self.on_status)?,
                    redirects: self.redirects,
                    response_max_bytes: self.response_max_bytes,
                    timeout: self.timeout_ms.map(Duration::from_millis),
                })
            }
        }
    };
}

/// The same, with a body.
macro_rules! sending {
    ($(#[$meta:meta])* struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        arguments! {
            $(#[$meta])*
            struct $name {
                $($(#[$field_meta])* $field: $type,)*
                /// The body as JSON. At most one of `json`, `text`, `form` and `base64` is given.
                json: Option<Value>,
                /// The body as text.
                text: Option<String>,
                /// The body as a form, `application/x-www-form-urlencoded`.
                form: Option<BTreeMap<String, Query>>,
                /// The body as bytes, in base64.
                base64: Option<String>,
            }
        }

        impl $name {
            fn with_body(self, method: &str) -> Result<Request, Failure> {
                let mut request = self.common(method)?;
                let bodies: [Option<Result<(&str, Vec<u8>), Failure>>; 4] = [
                    self.json.map(|json| Ok(("application/json", json.to_string().into_bytes()))),
                    self.text.map(|text| Ok(("text/plain; charset=utf-8", text.into_bytes()))),
                    self.form.map(|form| {
                        Ok(("application/x-www-form-urlencoded", url::encode(&form).into_bytes()))
                    }),
                    self.base64.map(|text| {
                        let bytes = STANDARD.decode(text.trim());
                        let wrong = |error| Failure::invalid_input(format!("`base64` is no base64: {error}"));
                        Ok(("application/octet-stream", bytes.map_err(wrong)?))
                    }),
                ];
                let mut bodies = bodies.into_iter().flatten();
                if let Some(body) = bodies.next() {
                    let (kind, bytes) = body?;
                    if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                        request.headers.push(("content-type".to_owned(), kind.to_owned()));
                    }
                    request.body = Some(bytes);
                }
                if bodies.next().is_some() {
                    return Err(Failure::invalid_input(
                        "a request has one body: give only one of `json`, `text`, `form` and `base64`",
                    ));
                }
                Ok(request)
            }
        }
    };
}

arguments! {
    /// Asks for what is at a URL and reads all of it. The host must be in the step's `permissions.http`
    /// and allowed with `pawl run --allow-http HOST`; so must each host that a redirect leads to. A status
    /// that is no success is a failure: 408, 429 and 500 to 599 are `transient`, so that the step's
    /// `retry` tries again, not before the time in the answer's `Retry-After`; 401 and 403 are `denied`;
    /// the rest is `permanent`. `on_status` says otherwise.
    #[schemars(example = json!({
        "url": "https://api.example.com/orders", "query": { "customer": "ann", "state": ["open", "paid"] },
        "on_status": { "404": "accept" }
    }))]
    struct Get {}
}

sending! {
    /// Sends something to a URL; hosts, statuses and redirects are as with `http.get`. May be sent again
    /// after a crash, since HTTP says that once more changes nothing.
    #[schemars(example = json!({ "url": "https://api.example.com/orders/A-1001", "json": { "paid": true } }))]
    struct Repeatable {}
}

sending! {
    /// Sends something to a URL; hosts, statuses and redirects are as with `http.get`. Once it was sent and
    /// no certain answer came (a broken connection, 408, 500 to 599), nobody knows whether it was done: a
    /// person is asked, and `retry` sends nothing. A status that `on_status` names is certain.
    #[schemars(example = json!({
        "url": "https://api.example.com/messages", "json": { "to": "ann", "text": "Your lamp is on its way." }
    }))]
    struct Post {}
}

sending! {
    /// Sends something with a key that is the same for every attempt of the step, also after a crash; hosts,
    /// statuses and redirects are as with `http.get`. The service must honour the key: do what it is asked
    /// once, and give the same answer again. If it does not, use `http.post`.
    #[schemars(example = json!({
        "url": "https://api.example.com/refunds", "json": { "order": "A-1001", "amount": "49.90" }
    }))]
    struct Keyed {
        /// The header field that carries the key.
        #[serde(default = "key_header")]
        key_header: String,
    }
}

sending! {
    /// Sends a request with any method; everything else is as with `http.post`. Where the method allows it,
    /// `http.get`, `http.put` and `http.delete` do better: they may be sent again.
    #[schemars(example = json!({
        "method": "PATCH", "url": "https://api.example.com/orders/A-1001", "json": { "note": "a gift" }
    }))]
    struct Any {
        /// Such as `PATCH`, in capitals.
        method: String,
    }
}

fn secrets_of(
    secrets: &BTreeMap<String, Kept>,
    headers: &BTreeMap<String, String>,
) -> Result<Vec<(String, Kept)>, Failure> {
    let twice = secrets.keys().find(|name| headers.keys().any(|other| other.eq_ignore_ascii_case(name)));
    if let Some(name) = twice {
        let message = format!("`headers` and `secrets` both have `{name}`; take one of them out");
        return Err(Failure::invalid_input(message));
    }
    Ok(secrets.iter().map(|(name, kept)| (name.clone(), kept.clone())).collect())
}

fn redirects() -> u32 {
    5
}

fn response_max_bytes() -> usize {
    1 << 20
}

fn key_header() -> String {
    "Idempotency-Key".to_owned()
}

fn within(name: &str, value: u64, least: u64, most: u64) -> Result<(), Failure> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Failure::invalid_input(format!("`{name}` is {value}; it goes from {least} to {most}")))
}

impl Get {
    pub(crate) fn into_request(self) -> Result<Request, Failure> {
        self.common("GET")
    }
}

impl Repeatable {
    pub(crate) fn into_request(self, method: &str) -> Result<Request, Failure> {
        self.with_body(method)
    }
}

impl Post {
    pub(crate) fn into_request(self) -> Result<Request, Failure> {
        self.with_body("POST")
    }
}

impl Keyed {
    pub(crate) fn into_request(self, key: &str) -> Result<Request, Failure> {
        let header = self.key_header.clone();
        if self.headers.keys().any(|name| name.eq_ignore_ascii_case(&header)) {
            return Err(Failure::invalid_input(format!(
                "`headers` has `{header}`, which carries the step's own key; take it out, or use http.post"
            )));
        }
        let mut request = self.with_body("POST")?;
        request.headers.push((header, key.to_owned()));
        Ok(request)
    }
}

impl Any {
    pub(crate) fn into_request(self) -> Result<Request, Failure> {
        let method = self.method.clone();
        if method.is_empty() || method.len() > 20 || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Failure::invalid_input(format!(
                "`method` is {method:?}; it is a word in capitals such as PATCH"
            )));
        }
        self.with_body(&method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(more: Value) -> Result<Request, String> {
        let mut input = json!({ "url": "https://a.test/x" });
        input.as_object_mut().unwrap().append(more.clone().as_object_mut().unwrap());
        let input: Post = serde_json::from_value(input).unwrap();
        input.into_request().map_err(|failure| {
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            failure.message
        })
    }

    #[test]
    fn a_body_comes_with_its_kind_unless_one_is_given() {
        let cases = [
            (json!({ "json": { "a": 1 } }), "application/json", "{\"a\":1}"),
            (json!({ "text": "é" }), "text/plain; charset=utf-8", "é"),
            (json!({ "form": { "a b": ["1", "&"] } }), "application/x-www-form-urlencoded", "a+b=1&a+b=%26"),
            (json!({ "base64": "YWJj" }), "application/octet-stream", "abc"),
            (json!({ "text": "<a/>", "headers": { "Content-Type": "text/xml" } }), "text/xml", "<a/>"),
        ];
        for (more, kind, body) in cases {
            let request = post(more.clone()).unwrap();
            assert_eq!(request.body.as_deref(), Some(body.as_bytes()), "{more}");
            let kinds: Vec<_> = request
                .headers
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"))
                .collect();
            assert_eq!(kinds.len(), 1, "{more}");
            assert_eq!(kinds[0].1, kind);
        }
        assert_eq!(post(json!({})).unwrap().body, None);
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused() {
        let cases = [
            (json!({ "json": 1, "text": "x" }), "a request has one body"),
            (json!({ "base64": "?" }), "`base64` is no base64"),
            (
                json!({ "headers": { "X-Key": "1" }, "secrets": { "x-key": { "secret": "k" } } }),
                "`headers` and `secrets` both have `x-key`",
            ),
            (json!({ "redirects": 21 }), "`redirects` is 21; it goes from 0 to 20"),
            (
                json!({ "response_max_bytes": 3_145_729 }),
                "`response_max_bytes` is 3145729; it goes from 1 to",
            ),
            (json!({ "timeout_ms": 30_001 }), "`timeout_ms` is 30001; it goes from 1 to 30000"),
            (json!({ "on_status": { "40x": "accept" } }), "`on_status` has `40x`"),
        ];
        for (more, expected) in cases {
            let message = post(more.clone()).unwrap_err();
            assert!(message.contains(expected), "{more}: {message}");
        }
        let any: Any = serde_json::from_value(json!({ "method": "patch", "url": "https://a.test" })).unwrap();
        assert!(any.into_request().unwrap_err().message.contains("a word in capitals"));
    }

    #[test]
    fn a_keyed_request_carries_the_steps_key() {
        let keyed = |more: Value| {
            let mut input = json!({ "url": "https://a.test" });
            input.as_object_mut().unwrap().append(more.clone().as_object_mut().unwrap());
            serde_json::from_value::<Keyed>(input).unwrap().into_request("K-1")
        };
        let header = |name: &str| (name.to_owned(), "K-1".to_owned());
        assert!(keyed(json!({})).unwrap().headers.contains(&header("Idempotency-Key")));
        assert!(keyed(json!({ "key_header": "X-Key" })).unwrap().headers.contains(&header("X-Key")));
        let own = keyed(json!({ "headers": { "idempotency-key": "mine" } })).unwrap_err();
        assert!(own.message.contains("which carries the step's own key"), "{own}");
    }
}

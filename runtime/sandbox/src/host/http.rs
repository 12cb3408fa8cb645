//! `wasi:http`: requests of tools to the hosts that were granted, and to no other.
//!
//! The authority of each request is checked, redirects included, since the guest itself has to
//! follow them. TLS verifies against Mozilla's roots. Requests end with the attempt. What the host
//! holds for a guest (names, fields, pieces of bodies, connections) is bounded here: it is not in
//! the guest's memory.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use pawl_core::call::LogLevel;
use pawl_core::plugin::{Hosts, Methods};
use pawl_core::trace::TraceContext;
use tokio::sync::Semaphore;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::HostOutgoingRequest as _;
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttp, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
    default_send_request,
};

use crate::host::log::SharedLog;
use crate::limits::{Exceeded, Limits};
use crate::secret::{Vault, covered};
use crate::sieve::{Found, sieved};
use crate::state::{HostState, Role};

/// Ports that an entry without a port stands for.
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// The interface whose setters are replaced.
const TYPES: &str = "wasi:http/types@0.2.12";
/// Requests of one attempt that are under way at once; more wait. Each has a socket, and those are
/// the process's.
const REQUESTS_AT_ONCE_MAX: usize = 16;
/// The header fields of one request, as the host holds them.
pub(crate) const FIELDS_MAX_BYTES: usize = 16 << 10;
/// The head of a response.
const RESPONSE_HEAD_MAX_BYTES: usize = 64 << 10;
/// What a header field costs beside its name and value.
const FIELD_COST_BYTES: usize = 32;
/// A method or scheme that has no number of its own.
const METHOD_MAX_BYTES: usize = 64;
/// A host and its port.
const AUTHORITY_MAX_BYTES: usize = 1 << 10;
/// A path with its query.
const PATH_MAX_BYTES: usize = 16 << 10;
/// What a request's body may be ahead of the network, in pieces of this size.
const CHUNK_BYTES: usize = 64 << 10;

/// What a request says of the trace that it belongs to.
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(Response<WasiBody>, Rest), Error>> + Send>;

/// Links `wasi:http/types` and `wasi:http/outgoing-handler`.
pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let options = types::LinkOptions::default();
    types::add_to_linker::<_, WasiHttp>(linker, &options, HostState::http)?;
    outgoing_handler::add_to_linker::<_, WasiHttp>(linker, HostState::http)?;
    linker.allow_shadowing(true);
    bound_texts(&mut linker.instance(TYPES)?)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Replaces the setters whose texts wasmtime keeps however long they are.
fn bound_texts(types: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    type Request = Resource<HostOutgoingRequest>;
    type Set = wasmtime::Result<(Result<(), ()>,)>;
    type Store<'s> = StoreContextMut<'s, HostState>;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: Store<'_>, (request, method): (Request, types::Method)| -> Set {
            let is_long = matches!(&method, types::Method::Other(name) if name.len() > METHOD_MAX_BYTES);
            Ok((if is_long { Err(()) } else { store.data_mut().http().set_method(request, method)? },))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store: Store<'_>, (request, scheme): (Request, Option<types::Scheme>)| -> Set {
            let is_long =
                matches!(&scheme, Some(types::Scheme::Other(name)) if name.len() > METHOD_MAX_BYTES);
            Ok((if is_long { Err(()) } else { store.data_mut().http().set_scheme(request, scheme)? },))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Store<'_>, (request, authority): (Request, Option<String>)| -> Set {
            let is_long = authority.as_ref().is_some_and(|text| text.len() > AUTHORITY_MAX_BYTES);
            Ok((if is_long { Err(()) } else { store.data_mut().http().set_authority(request, authority)? },))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Store<'_>, (request, path): (Request, Option<String>)| -> Set {
            let is_long = path.as_ref().is_some_and(|text| text.len() > PATH_MAX_BYTES);
            Ok((if is_long {
                Err(())
            } else {
                store.data_mut().http().set_path_with_query(request, path)?
            },))
        },
    )
}

/// wasmtime's sender takes the process's provider and panics when there are several and none is
/// chosen. The program may have chosen one before; otherwise it is ring.
pub(crate) fn choose_tls_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Failing means that another thread was quicker: then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

impl WasiHttpView for HostState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let is_granted = matches!(self.role, Role::Tool) && !self.hooks.allowed.is_empty();
        self.is_http_refused |= !is_granted;
        let table = if is_granted { &mut self.table } else { &mut self.closed };
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.http }
    }
}

/// The rules for one attempt's requests.
pub(crate) struct HttpHooks {
    allowed: Vec<Allowed>,
    log: SharedLog,
    wait: Duration,
    body_max_bytes: usize,
    requests: u32,
    requests_max: u32,
    /// The secrets that may be put into them.
    pub(crate) vault: Vault,
    /// Why the last request was refused that was.
    pub(crate) refused: Option<String>,
    at_once: Arc<Semaphore>,
    /// The trace that requests belong to.
    pub(crate) trace: Option<TraceContext>,
}

/// One entry of `permissions.http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allowed {
    host: String,
    port: Option<u16>,
    methods: Methods,
}

impl Allowed {
    /// An entry that is not `host` or `host:port` allows nothing.
    fn parse(entry: &str, methods: &Methods) -> Option<Self> {
        let authority: Authority = entry.parse().ok()?;
        let port = authority.port_u16();
        // A colon without a usable port, or user information, would not mean what it seems to.
        let is_plain = port.is_some() || authority.as_str() == authority.host();
        let host = authority.host().to_ascii_lowercase();
        (is_plain && !entry.contains('@')).then(|| Self { host, port, methods: methods.clone() })
    }

    pub(crate) fn all(hosts: &Hosts) -> Vec<Self> {
        hosts.iter().filter_map(|(entry, methods)| Self::parse(entry, methods)).collect()
    }

    pub(crate) fn covers(&self, host: &str, port: u16) -> bool {
        self.host.eq_ignore_ascii_case(host)
            && self.port.map_or_else(|| DEFAULT_PORTS.contains(&port), |allowed| allowed == port)
    }
}

impl HttpHooks {
    pub(crate) fn new(hosts: &Hosts, limits: &Limits, log: &SharedLog) -> Self {
        Self {
            allowed: Allowed::all(hosts),
            log: Arc::clone(log),
            wait: Duration::from_millis(limits.http_wait_max_ms),
            body_max_bytes: usize::try_from(limits.http_body_max_bytes).unwrap_or(usize::MAX),
            requests: 0,
            requests_max: limits.host_calls_max,
            vault: Vault::default(),
            refused: None,
            at_once: Arc::new(Semaphore::new(REQUESTS_AT_ONCE_MAX)),
            trace: None,
        }
    }

    /// Whether the guest sent a request.
    pub(crate) fn has_sent(&self) -> bool {
        self.requests > 0
    }

    /// Whether the guest asked for too much. It has got an error then; the attempt ends at the
    /// next tick, or when the guest returns.
    pub(crate) fn exceeded(&self) -> Option<Exceeded> {
        let value = self.requests_max;
        (self.requests > value).then(|| Exceeded { limit: "host_calls_max", value: value.into() })
    }

    /// Why a request may not go; nothing where it may.
    fn refusal(&self, method: &str, uri: &Uri) -> Option<String> {
        let Some(authority) = uri.authority() else {
            return Some("it names no host".to_owned());
        };
        let default = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
        let port = authority.port_u16().unwrap_or(default);
        let is_named = !authority.as_str().contains('@');
        let mut granted =
            self.allowed.iter().filter(|allowed| is_named && allowed.covers(authority.host(), port));
        let Some(first) = granted.next() else {
            return Some("permissions.http does not list it".to_owned());
        };
        let mut all = std::iter::once(first).chain(granted);
        let is_allowed = all.any(|allowed| allowed.methods.allow(method));
        (!is_allowed).then(|| format!("permissions.http lists it without the method {method}"))
    }

    fn refuse(&mut self, uri: &Uri, why: &str) -> Sent {
        let authority = uri.authority().map_or("nowhere", Authority::as_str);
        let message = format!("a request to {authority} was denied: {why}");
        self.note(message.clone());
        self.refused = Some(message);
        Box::new(async { Err(Error::HttpRequestDenied) })
    }

    fn note(&self, message: String) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).add(LogLevel::Warn, message);
    }

    fn options(&self, asked: Option<RequestOptions>) -> RequestOptions {
        let asked = asked.unwrap_or_default();
        let within = |asked: Option<Duration>| Some(asked.map_or(self.wait, |asked| asked.min(self.wait)));
        // A little less than the whole, so that the guest can tell that nothing was sent.
        let connect = self.wait / 8 * 7;
        RequestOptions {
            connect_timeout: within(asked.connect_timeout).map(|asked| asked.min(connect)),
            first_byte_timeout: within(asked.first_byte_timeout),
            between_bytes_timeout: within(asked.between_bytes_timeout),
        }
    }
}

impl WasiHttpHooks for HttpHooks {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Sent {
        self.requests = self.requests.saturating_add(1);
        if self.exceeded().is_some() {
            return Box::new(async { Err(Error::ConnectionLimitReached) });
        }
        if let Some(why) = self.refusal(request.method().as_str(), request.uri()) {
            return self.refuse(&request.uri().clone(), &why);
        }
        if let Some(trace) = &self.trace {
            tell_trace(trace, request.headers_mut());
        }
        if let Err(why) = self.vault.fill(&mut request) {
            return self.refuse(&request.uri().clone(), &why);
        }
        let (placeholders, secrets) = (self.vault.placeholders(), self.vault.values());
        let (options, wait, max) = (self.options(options), self.wait, self.body_max_bytes);
        let at_once = Arc::clone(&self.at_once);
        Box::new(async move {
            let began = Instant::now();
            let turn = tokio::time::timeout(wait, at_once.acquire_owned()).await;
            let Ok(Ok(turn)) = turn else { return Err(Error::ConnectionLimitReached) };
            let request = request.map(|body| sieved(body, placeholders, Found::Refuse));
            let request = request.map(|body| limited(body, max, Error::HttpRequestBodySize));
            let sending = default_send_request(request, Some(options));
            let left = wait.saturating_sub(began.elapsed());
            let (response, rest) =
                tokio::time::timeout(left, sending).await.map_err(|_| Error::HttpResponseTimeout)??;
            check_head(&response)?;
            let response = without(response.map(http_body_util::BodyExt::boxed_unsync), secrets)?;
            let response = response.map(|body| limited(body, max, Error::HttpResponseBodySize));
            // The connection lives in `rest`, which ends with the body, however that ends.
            let rest = async move {
                let _turn = turn;
                rest.await
            };
            Ok((response, Box::new(rest) as Rest))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }
}

/// Says which trace a request belongs to, where the guest does not say it itself.
fn tell_trace(trace: &TraceContext, headers: &mut HeaderMap) {
    if headers.contains_key(TRACEPARENT) {
        return;
    }
    let state = trace.state.clone().map(|state| (TRACESTATE, state));
    for (name, value) in [(TRACEPARENT, trace.traceparent())].into_iter().chain(state) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// An answer in which no secret can be read. One that is packed cannot be searched.
fn without(mut response: Response<WasiBody>, secrets: Vec<Vec<u8>>) -> Result<Response<WasiBody>, Error> {
    if secrets.is_empty() {
        return Ok(response);
    }
    let coding = response.headers().get(http::header::CONTENT_ENCODING);
    let coding = coding.map(|coding| String::from_utf8_lossy(coding.as_bytes()).into_owned());
    if coding.as_ref().is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Error::HttpResponseContentCoding(coding));
    }
    covered(response.headers_mut(), &secrets);
    Ok(response.map(|body| sieved(body, secrets, Found::Cover)))
}

fn check_head<B>(response: &Response<B>) -> Result<(), Error> {
    let fields = response.headers().iter();
    let bytes: usize = fields.map(|(name, value)| FIELD_COST_BYTES + name.as_str().len() + value.len()).sum();
    if bytes <= RESPONSE_HEAD_MAX_BYTES {
        return Ok(());
    }
    Err(Error::HttpResponseHeaderSectionSize(u32::try_from(bytes).ok()))
}

/// A body that fails beyond the limit instead of going on.
fn limited(body: WasiBody, max: usize, too_large: fn(Option<u64>) -> Error) -> WasiBody {
    Limited::new(body, max)
        .map_err(move |error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) if error.is::<LengthLimitError>() => too_large(Some(max as u64)),
            Err(error) => Error::InternalError(Some(error.to_string())),
        })
        .boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::log::LogBook;

    #[test]
    fn only_granted_authorities_are_reached() {
        let cases = [
            ("api.example.com", "https://api.example.com/x", true),
            ("api.example.com", "http://API.example.com/x", true),
            ("api.example.com", "https://api.example.com:443/", true),
            ("api.example.com", "https://api.example.com:8443/", false),
            ("api.example.com", "https://example.com/", false),
            ("api.example.com", "https://api.example.com.evil.test/", false),
            ("api.example.com", "https://api.example.com@evil.test/", false),
            ("api.example.com", "https://evil.test@api.example.com/", false),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/", true),
            ("127.0.0.1:8080", "http://127.0.0.1/", false),
            ("[::1]:8080", "http://[::1]:8080/", true),
            ("api.example.com:", "https://api.example.com/", false),
            ("user@api.example.com", "https://api.example.com/", false),
            ("*", "https://api.example.com/", false),
            ("", "https://api.example.com/", false),
        ];
        let log = LogBook::shared(1_000);
        for (entry, uri, allowed) in cases {
            let mut hosts = Hosts::default();
            hosts.add(entry, Methods::All);
            let hooks = HttpHooks::new(&hosts, &Limits::default(), &log);
            let refusal = hooks.refusal("PATCH", &uri.parse().unwrap());
            assert_eq!(refusal.is_none(), allowed, "{entry} {uri}: {refusal:?}");
        }
    }

    #[test]
    fn only_granted_methods_are_used() {
        let log = LogBook::shared(1_000);
        let hosts: Hosts = ["a.test=GET,HEAD", "a.test:443=POST"]
            .iter()
            .map(|host| host.parse::<Hosts>().unwrap())
            .collect();
        let hooks = HttpHooks::new(&hosts, &Limits::default(), &log);
        for (method, uri, allowed) in [
            ("GET", "http://a.test/", true),
            ("HEAD", "https://a.test/", true),
            ("POST", "https://a.test/", true),
            ("POST", "http://a.test/", false),
            ("get", "http://a.test/", false),
            ("DELETE", "https://a.test/", false),
            ("PURGE", "https://a.test/", false),
        ] {
            let refusal = hooks.refusal(method, &uri.parse().unwrap());
            assert_eq!(refusal.is_none(), allowed, "{method} {uri}: {refusal:?}");
            if let Some(why) = refusal {
                assert!(why.contains("without the method") && why.contains(method), "{why}");
            }
        }
    }
}

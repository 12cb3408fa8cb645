//! A connection to a server that runs.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderName;
use pawl_core::call::CallResponse;
use pawl_core::operator::{McpReached, McpServer, McpValue};
use pawl_core::plugin::ToolDescription;
use pawl_core::{Failure, FailureKind};
use rmcp::model::{PaginatedRequestParams, ProtocolVersion, SubscriptionFilter};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, Peer, RoleClient, RunningService,
    ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::common::client_side_sse::SseRetryPolicy;
use rmcp::transport::streamable_http_client::{StreamableHttpClientTransportConfig, StreamableHttpError};
use serde_json::Value;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio::time::Instant;

use crate::asking::Callers;
use crate::connect::Address;
use crate::describe;
use crate::handler::{Handler, Notes};
use crate::http::{Client, HttpError};
use crate::program::{Bounded, Program};
use crate::server::MCP_CALLS_AT_ONCE_MAX;
use crate::value::{Kept, Secrets};

/// The longest message of a server, in bytes.
pub const MCP_MESSAGE_MAX_BYTES: usize = 8 << 20;
/// The most pages that a list of tools is read of.
const PAGES_MAX: usize = 100;
/// How long a list of tools is believed without another look, in milliseconds: not every server tells that it
/// has changed.
const LIST_FRESH_MS: u64 = 60_000;
/// How often a broken stream of events is taken up again, and the first pause before it, in milliseconds.
const RESUMES_MAX: usize = 3;
const RESUME_PAUSE_MS: u64 = 500;
/// How long a connection may take to be closed, in milliseconds.
const CLOSE_MAX_MS: u64 = 2_000;
/// Under which name of `_meta` a call has its key.
pub(crate) const KEY: &str = "dev.pawl/idempotency-key";

/// A connection to a server that runs.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) peer: Peer<RoleClient>,
    /// The calls under way, for which the server may ask.
    pub(crate) callers: Arc<Callers>,
    /// What ends with the connection; taken by whoever closes it.
    held: Mutex<Option<Held>>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) secrets: Secrets,
    list: Mutex<List>,
    /// Held for reading by each call, and for writing by whoever closes it: no call is cut off by that.
    calls: Arc<RwLock<()>>,
    users: AtomicUsize,
    used: Mutex<Instant>,
}

/// A use of a connection: it is not closed before this is dropped.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) live: Arc<Live>,
    _calls: OwnedRwLockReadGuard<()>,
}

impl Drop for Use {
    fn drop(&mut self) {
        *self.live.used() = Instant::now();
        self.live.users.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Debug)]
struct Held {
    service: RunningService<RoleClient, Handler>,
    program: Option<Program>,
}

#[derive(Debug)]
struct List {
    at: Instant,
    tools: BTreeMap<String, ToolDescription>,
}

/// Why a call has no answer from its tool.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The server said so; the connection stands.
    Answered(Failure),
    /// The connection does not stand any more.
    Broken {
        /// What happened.
        reason: String,
        /// Whether the tool may have done something.
        was_done: bool,
    },
}

/// How a server is reached, ready to be.
#[derive(Debug)]
pub(crate) enum Reach {
    Program { command: String, args: Vec<String>, env: Vec<(String, Env)>, folder: std::path::PathBuf },
    Http { url: String, address: Address, headers: Arc<Vec<(HeaderName, Kept)>> },
}

#[derive(Debug)]
pub(crate) enum Env {
    Plain(String),
    Kept(Kept),
}

impl Reach {
    /// What a specification names; paths are relative to `folder`. Nothing, if its address is none.
    pub(crate) fn new(spec: &McpServer, folder: &Path) -> Option<Self> {
        match &spec.reached {
            McpReached::Program { command, args, env, cwd } => {
                let env = env.iter().map(|(name, value)| {
                    let value = match value {
                        McpValue::Plain(text) => Env::Plain(text.clone()),
                        McpValue::Kept(kept) => Env::Kept(Kept::new(kept, folder)),
                    };
                    (name.clone(), value)
                });
                // That of a file in the current folder is empty.
                let absolute =
                    std::path::absolute(Path::new(".").join(folder)).unwrap_or_else(|_| folder.to_owned());
                // A name is looked for in `PATH`, a path is one from the operator's file.
                let command = if command.contains('/') {
                    absolute.join(command).display().to_string()
                } else {
                    command.clone()
                };
                let folder = cwd.as_ref().map_or_else(|| absolute.clone(), |cwd| absolute.join(cwd));
                Some(Self::Program { command, args: args.clone(), env: env.collect(), folder })
            }
            McpReached::Http { url, headers } => {
                let headers = headers.iter().filter_map(|(name, kept)| {
                    Some((HeaderName::try_from(name.as_str()).ok()?, Kept::new(kept, folder)))
                });
                let headers = Arc::new(headers.collect());
                Some(Self::Http { url: url.clone(), address: Address::parse(url)?, headers })
            }
        }
    }
}

/// How streams of events that broke are taken up again.
#[derive(Debug)]
struct Resume;

impl SseRetryPolicy for Resume {
    fn retry(&self, times: usize) -> Option<Duration> {
        (times < RESUMES_MAX).then(|| Duration::from_millis(RESUME_PAUSE_MS << times))
    }
}

/// The newest protocol where the server has it, else what it has.
fn lifecycle() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: Some(ProtocolVersion::V_2025_11_25),
    }
}

impl Live {
    /// Starts or reaches a server, and asks what tools it has.
    pub(crate) async fn start(name: &str, spec: &McpServer, reach: &Reach) -> Result<Arc<Self>, Failure> {
        let (notes, secrets) = (Arc::<Notes>::default(), Secrets::default());
        let callers = Arc::<Callers>::default();
        let asks = spec.elicitation.is_some();
        let handler = Handler { notes: Arc::clone(&notes), callers: Arc::clone(&callers), asks };
        let (service, program) = match reach {
            Reach::Program { command, args, env, folder } => {
                let env = env.iter().map(|(name, value)| match value {
                    Env::Plain(text) => Ok((name.clone(), text.clone())),
                    Env::Kept(kept) => Ok((name.clone(), kept.read("env", &secrets)?)),
                });
                let env = env.collect::<Result<_, Failure>>()?;
                let started = Program::start(name, command, args, env, folder, &secrets);
                let (mut program, (stdout, stdin)) = started.map_err(|error| {
                    let message =
                        format!("the program {command} cannot be started in {}: {error}", folder.display());
                    Failure::new(FailureKind::Permanent, message)
                })?;
                let stdout = Bounded::new(stdout, MCP_MESSAGE_MAX_BYTES, Arc::clone(&notes));
                let transport = AsyncRwTransport::new_client(stdout, stdin).with_max_line_length(usize::MAX);
                match handler.serve_with_lifecycle(transport, lifecycle()).await {
                    Ok(service) => (service, Some(program)),
                    Err(error) => return Err(not_begun(&error, Some(&mut program), &secrets).await),
                }
            }
            Reach::Http { url, address, headers } => {
                let client = Client {
                    address: address.clone(),
                    headers: Arc::clone(headers),
                    secrets: secrets.clone(),
                    notes: Arc::clone(&notes),
                    max: MCP_MESSAGE_MAX_BYTES,
                };
                // Beside the calls there are lists and notices.
                let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                    .max_concurrent_requests(2 * MCP_CALLS_AT_ONCE_MAX);
                config.retry_config = Arc::new(Resume);
                config.custom_headers = HashMap::new();
                let transport = StreamableHttpClientTransport::with_client(client, config);
                match handler.serve_with_lifecycle(transport, lifecycle()).await {
                    Ok(service) => (service, None),
                    Err(error) => return Err(not_begun(&error, None, &secrets).await),
                }
            }
        };
        let peer = service.peer().clone();
        let list = List { at: Instant::now(), tools: BTreeMap::new() };
        let live = Self {
            peer,
            callers,
            held: Mutex::new(Some(Held { service, program })),
            notes,
            secrets,
            list: Mutex::new(list),
            calls: Arc::default(),
            users: AtomicUsize::new(0),
            used: Mutex::new(Instant::now()),
        };
        live.list(name, spec).await.map_err(|lost| live.failed(lost))?;
        let live = Arc::new(live);
        live.hear_of_changes();
        Ok(live)
    }

    /// Servers of the newest protocol tell of changes where they are asked to.
    fn hear_of_changes(self: &Arc<Self>) {
        let Some(info) = self.peer.peer_info() else { return };
        let tells = info.capabilities.tools.as_ref().and_then(|tools| tools.list_changed) == Some(true);
        if !tells || info.protocol_version < ProtocolVersion::V_2026_07_28 {
            return;
        }
        let (peer, notes) = (self.peer.clone(), Arc::clone(&self.notes));
        tokio::spawn(async move {
            let filter = SubscriptionFilter::builder().tools_list_changed().build();
            let Ok(mut heard) = peer.listen(filter).await else { return };
            while let Ok(Some(_)) = heard.next().await {
                notes.changed.store(true, Ordering::Release);
            }
        });
    }

    /// Whether a call that asks is over, and is made again with the answers.
    pub(crate) fn is_stateless(&self) -> bool {
        self.peer.peer_info().is_some_and(|info| info.protocol_version >= ProtocolVersion::V_2026_07_28)
    }

    /// Uses it, from now on until what this gives is dropped; nothing where it is about to be closed.
    pub(crate) fn hold(self: &Arc<Self>) -> Option<Use> {
        let calls = Arc::clone(&self.calls).try_read_owned().ok()?;
        self.users.fetch_add(1, Ordering::AcqRel);
        Some(Use { live: Arc::clone(self), _calls: calls })
    }

    fn used(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when nobody uses it; now, if somebody does.
    pub(crate) fn unused_since(&self) -> Instant {
        if self.users.load(Ordering::Acquire) > 0 { Instant::now() } else { *self.used() }
    }

    /// Whether calls can be made over it.
    pub(crate) fn stands(&self) -> bool {
        !self.peer.is_transport_closed() && !self.notes.flooded.load(Ordering::Acquire)
    }

    /// The tools as they are now: asked for again where they are said to have changed, or after a while.
    pub(crate) async fn tools(&self, name: &str, spec: &McpServer) -> Result<Vec<ToolDescription>, Lost> {
        self.look(name, spec).await?;
        Ok(self.list_now().tools.values().cloned().collect())
    }

    /// Whether a tool is still what a run was started with.
    pub(crate) async fn unchanged(
        &self,
        name: &str,
        spec: &McpServer,
        pinned: &ToolDescription,
    ) -> Result<(), Lost> {
        self.look(name, spec).await?;
        let list = self.list_now();
        describe::unchanged(name, pinned, list.tools.get(&pinned.name)).map_err(Lost::Answered)
    }

    async fn look(&self, name: &str, spec: &McpServer) -> Result<(), Lost> {
        let is_old = || self.list_now().at.elapsed() >= Duration::from_millis(LIST_FRESH_MS);
        if self.notes.changed.swap(false, Ordering::AcqRel) || is_old() {
            self.list(name, spec).await?;
        }
        Ok(())
    }

    fn list_now(&self) -> std::sync::MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn list(&self, name: &str, spec: &McpServer) -> Result<(), Lost> {
        let (mut all, mut cursor, at) = (Vec::new(), None, Instant::now());
        for _ in 0..PAGES_MAX {
            let page = PaginatedRequestParams::default().with_cursor(cursor);
            let page = self.peer.list_tools(Some(page)).await.map_err(|error| lost(&error, false))?;
            all.extend(page.tools);
            cursor = page.next_cursor;
            if cursor.is_none() || all.len() > describe::MCP_TOOLS_MAX {
                break;
            }
        }
        if cursor.is_some() || all.len() > describe::MCP_TOOLS_MAX {
            let message = format!(
                "the MCP server '{name}' has more tools than mcp_tools_max ({}) allows",
                describe::MCP_TOOLS_MAX
            );
            return Err(Lost::Answered(Failure::new(FailureKind::Limit, message)));
        }
        let tools = describe::tools(name, spec, all).map_err(Lost::Answered)?;
        *self.list_now() = List { at, tools };
        Ok(())
    }

    /// What a tool gave, without anything that is secret.
    pub(crate) fn shown(&self, result: CallResponse) -> Result<Value, Lost> {
        result.map(|value| self.secrets.out_of_value(value)).map_err(|mut failure| {
            if let Some(question) = self.notes.take_asked() {
                failure.message = format!(
                    "{}; before that the server wanted to ask a person \"{question}\", and was refused",
                    failure.message
                );
            }
            Lost::Answered(failure)
        })
    }

    /// A failure without anything that is secret.
    pub(crate) fn failed(&self, lost: Lost) -> Failure {
        let failure = match lost {
            Lost::Answered(failure) => failure,
            Lost::Broken { reason, .. } => Failure::new(FailureKind::Transient, reason),
        };
        self.secrets.out_of_failure(failure)
    }

    /// What its program last said, and how it ended.
    pub(crate) async fn last_words(&self) -> String {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut held) = held else { return String::new() };
        let Some(program) = &mut held.program else { return String::new() };
        let ended = program.ended().await.map(|status| format!("it ended with {status}")).unwrap_or_default();
        format!("{ended}{}", program.last_words())
    }

    /// Closes it when the last call has ended.
    pub(crate) async fn close(&self) {
        let _calls = self.calls.write().await;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Held { mut service, program }) = held else { return };
        let _ = service.close_with_timeout(Duration::from_millis(CLOSE_MAX_MS)).await;
        if let Some(program) = program {
            program.close().await;
        }
    }
}

/// What came of a request that has no answer of its own.
pub(crate) fn lost(error: &ServiceError, may_act: bool) -> Lost {
    match error {
        ServiceError::McpError(error) => {
            let kind = match error.code.0 {
                // Invalid params, and no such method.
                -32602 | -32601 => FailureKind::InvalidInput,
                _ => FailureKind::Permanent,
            };
            let said: String = error.message.chars().filter(|c| !c.is_control() || *c == '\n').collect();
            Lost::Answered(Failure::new(kind, format!("the server says: {said}")))
        }
        ServiceError::UnexpectedResponse => Lost::Answered(Failure::new(
            FailureKind::InvalidOutput,
            "the server's answer is none that the protocol knows",
        )),
        ServiceError::TransportSend(error) => {
            let own = error.error.downcast_ref::<StreamableHttpError<HttpError>>();
            match own {
                Some(StreamableHttpError::Client(own)) => sent(own, may_act),
                _ => Lost::Broken { reason: error.to_string(), was_done: may_act },
            }
        }
        error => Lost::Broken { reason: error.to_string(), was_done: may_act },
    }
}

fn sent(error: &HttpError, may_act: bool) -> Lost {
    match error {
        HttpError::Value(failure) => Lost::Answered(failure.clone()),
        HttpError::Status { status, .. } if matches!(status.as_u16(), 401 | 403) => {
            Lost::Answered(Failure::new(FailureKind::Denied, error.to_string()))
        }
        error => Lost::Broken { reason: error.to_string(), was_done: may_act && !error.was_not_done() },
    }
}

/// Why a server does not begin, with what its program said last.
async fn not_begun(
    error: &ClientInitializeError,
    program: Option<&mut Program>,
    secrets: &Secrets,
) -> Failure {
    let failure = refusal(error);
    let mut message = failure.message;
    if let Some(program) = program {
        if let Some(status) = program.ended().await {
            message = format!("its program ended with {status}");
        }
        message.push_str(&program.last_words());
    }
    secrets.out_of_failure(Failure { message, ..failure })
}

fn refusal(error: &ClientInitializeError) -> Failure {
    let own = match error {
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => return refusal(fallback),
        ClientInitializeError::TransportError { error, .. } => {
            error.error.downcast_ref::<StreamableHttpError<HttpError>>()
        }
        _ => None,
    };
    match own {
        Some(StreamableHttpError::Client(own)) => match sent(own, false) {
            Lost::Answered(failure) => failure,
            Lost::Broken { reason, .. } => Failure::new(FailureKind::Transient, reason),
        },
        _ => Failure::new(FailureKind::Transient, format!("it does not speak MCP: {error}")),
    }
}

//! One call of a tool, with what its server asks meanwhile.
//!
//! What a person has answered before is given again where the server asks the same: in a call that is made anew
//! because its process or its connection is gone, it asks from the beginning.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use pawl_core::call::Question;
use pawl_core::definition::Schema;
use pawl_core::elicit::{ACTIONS, SERVER, ToolAsks};
use pawl_core::event::ToolQuestion;
use pawl_core::operator::Elicitation;
use pawl_core::state::ToolAnswer;
use pawl_core::terms::Terms;
use pawl_core::{Digest, Failure, FailureKind, json_bytes};
use pawl_wire::trace::{TRACEPARENT, TRACESTATE};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ElicitRequestParams, ElicitResult, InputRequest,
    InputRequiredResult, InputResponses,
};
use rmcp::service::ServiceError;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::McpCall;
use crate::asking::{Asked, Caller, result};
use crate::live::{KEY, Live, Lost, Use, lost};

/// The most questions that are asked in one call.
pub const MCP_QUESTIONS_MAX: usize = 20;
/// The longest that one question may be with its form, or what a server wants back with the answers, in bytes.
pub const MCP_QUESTION_MAX_BYTES: usize = 64 << 10;
/// How often a call is sent again in one go: with answers that are there, or because the server wants it so.
const ROUNDS_MAX: usize = 10;
/// The pause before a call is sent again that its server wants again without asking anything, in milliseconds.
const AGAIN_PAUSE_MS: u64 = 500;

type Answer = Pin<Box<dyn Future<Output = Result<CallToolResponse, ServiceError>> + Send>>;

/// What came of a call.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The tool's own result.
    Result(pawl_core::call::CallResponse),
    /// A person is asked first. The server may wait meanwhile.
    Asks(ToolAsks, Option<Talk>),
}

/// A call under way. Dropping it gives it up, and tells its server so.
pub(crate) struct Talk {
    using: Use,
    answer: Answer,
    caller: Caller,
    asked: mpsc::UnboundedReceiver<Asked>,
    /// The question that its server waits for.
    open: Option<(Digest, oneshot::Sender<ElicitResult>)>,
    /// Which of the answers were given in it.
    given: Vec<bool>,
    rounds: usize,
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk").field("open", &self.open.is_some()).finish_non_exhaustive()
    }
}

impl Talk {
    /// Makes a call. Where its server gave its state back, that goes with it, and the newest answers.
    pub(crate) fn begin(using: Use, call: &McpCall<'_>) -> Self {
        let (caller, asked) = using.live.callers.begin();
        let (mut responses, mut state) = (None, None);
        let mut given = vec![false; call.answers().len()];
        if let Some(dialogue) = call.dialogue.filter(|_| using.live.is_stateless()) {
            let newest = |answer: &ToolAnswer| answer.round == dialogue.round && !answer.key.is_empty();
            let mut newly = InputResponses::new();
            for (answer, given) in
                dialogue.answers.iter().zip(&mut given).filter(|(answer, _)| newest(answer))
            {
                *given = true;
                newly.insert(answer.key.clone(), as_json(&answer.action, &answer.data));
            }
            responses = (!newly.is_empty()).then_some(newly);
            state = dialogue.state.clone().filter(|_| responses.is_some());
        }
        let answer = send(&using.live, call, responses, state);
        Self { using, answer, caller, asked, open: None, given, rounds: 0 }
    }

    /// Goes on with a call whose server waits for an answer that is there now; nothing, where it has gone or does
    /// not wait any more.
    pub(crate) fn go_on(mut self, call: &McpCall<'_>) -> Option<Self> {
        self.given.resize(call.answers().len(), false);
        let (digest, reply) = self.open.take()?;
        let answer = self.known(call, digest)?;
        if !self.using.live.stands() || reply.is_closed() {
            return None;
        }
        self.caller.goes_on();
        reply.send(result(&answer.action, &answer.data)).ok()?;
        Some(self)
    }

    pub(crate) fn live(&self) -> &std::sync::Arc<Live> {
        &self.using.live
    }

    /// An answer that was not given in this call, to the same question.
    fn known<'a>(&mut self, call: &McpCall<'a>, digest: Digest) -> Option<&'a ToolAnswer> {
        let answers = call.answers();
        let at = (0..answers.len()).find(|at| answers[*at].digest == digest && !self.given[*at])?;
        self.given[at] = true;
        Some(&answers[at])
    }

    /// What the server says next that somebody else must act on.
    pub(crate) async fn hear(
        mut self,
        call: &McpCall<'_>,
        asks: Option<&Elicitation>,
    ) -> Result<Heard, Lost> {
        loop {
            tokio::select! {
                biased;
                Some(Asked { message, schema, reply }) = self.asked.recv() => {
                    let digest = digest_of(&message, &schema);
                    if let Some(answer) = self.known(call, digest) {
                        // One that does not wait any more will say so in the call.
                        let _ = reply.send(result(&answer.action, &answer.data));
                        continue;
                    }
                    let question = self.question(call, asks, (String::new(), digest), message, schema)?;
                    let asks = ToolAsks { questions: vec![question], state: None };
                    self.open = Some((digest, reply));
                    self.caller.rests();
                    return Ok(Heard::Asks(asks, Some(self)));
                }
                answer = &mut self.answer => {
                    match answer.map_err(|error| lost(&error, true))? {
                        CallToolResponse::Complete(result) => {
                            return Ok(Heard::Result(crate::result::response(result)));
                        }
                        CallToolResponse::InputRequired(required) => {
                            if let Some(asks) = self.again(call, asks, required).await? {
                                return Ok(Heard::Asks(asks, None));
                            }
                        }
                        _ => return Err(refused("the server wants to do it later, which pawl does not wait for")),
                    }
                }
            }
        }
    }

    /// The server ended the call to be called again, with answers: those that are there go with it at once.
    async fn again(
        &mut self,
        call: &McpCall<'_>,
        asks: Option<&Elicitation>,
        required: InputRequiredResult,
    ) -> Result<Option<ToolAsks>, Lost> {
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            return Err(refused(&format!(
                "the server wanted to be called again {ROUNDS_MAX} times in one go"
            )));
        }
        let state = required.request_state;
        if state.as_ref().is_some_and(|state| state.len() > MCP_QUESTION_MAX_BYTES) {
            return Err(too_long("what the server wants back with the answers"));
        }
        let requests = required.input_requests.unwrap_or_default();
        if requests.is_empty() {
            tokio::time::sleep(Duration::from_millis(AGAIN_PAUSE_MS)).await;
            self.answer = send(&self.using.live, call, None, state);
            return Ok(None);
        }
        let (before, mut questions, mut responses) = (self.given.clone(), Vec::new(), BTreeMap::new());
        for (key, request) in requests {
            let (message, schema) = form(request)?;
            let digest = digest_of(&message, &schema);
            if let Some(answer) = self.known(call, digest) {
                responses.insert(key.clone(), as_json(&answer.action, &answer.data));
            }
            questions.push(self.question(call, asks, (key, digest), message, schema)?);
        }
        if responses.len() < questions.len() {
            self.given = before;
            return Ok(Some(ToolAsks { questions, state }));
        }
        self.answer = send(&self.using.live, call, Some(responses), state);
        Ok(None)
    }

    /// A question as a person is asked it: by whom, in which call, in the server's words.
    fn question(
        &self,
        call: &McpCall<'_>,
        asks: Option<&Elicitation>,
        (key, digest): (String, Digest),
        message: String,
        schema: Value,
    ) -> Result<ToolQuestion, Lost> {
        let Some(asks) = asks else {
            return Err(refused(&format!(
                "the server wants to ask a person \"{}\", and `elicitation` in pawl.yaml \
                does not let it",
                crate::result::cut(message, crate::handler::LINE_MAX_BYTES)
            )));
        };
        if call.answers().len() >= MCP_QUESTIONS_MAX {
            let message = format!(
                "the server asks more than mcp_questions_max ({MCP_QUESTIONS_MAX}) questions in a call"
            );
            return Err(Lost::Answered(Failure::new(FailureKind::Limit, message)));
        }
        if key.len() + message.len() + json_bytes(&schema) > MCP_QUESTION_MAX_BYTES {
            return Err(too_long("a question of the server with its form"));
        }
        let secrets = &self.using.live.secrets;
        let (message, schema) = (secrets.out_of(message), secrets.out_of_value(schema));
        Schema::new(schema.clone()).map_err(|error| {
            refused(&format!("the server asks \"{message}\" with a form that cannot be used: {error}"))
        })?;
        let (due, on_timeout) = asks.due.clone().unzip();
        let question = Question {
            title: format!("mcp.{} asks: {message}", call.server),
            to: asks.to.clone(),
            actions: ACTIONS.map(str::to_owned).to_vec(),
            form: Some(schema),
            subject: Some(json!({
                SERVER: call.server,
                "tool": format!("mcp.{}.{}", call.server, call.tool.name),
                "arguments": call.arguments,
            })),
            due,
            on_timeout,
            terms: Terms::default(),
        };
        Ok(ToolQuestion { key, digest, question })
    }
}

/// Sends the call; what is given does nothing before it is awaited.
fn send(live: &Live, call: &McpCall<'_>, responses: Option<InputResponses>, state: Option<String>) -> Answer {
    let mut params = CallToolRequestParams::new(call.tool.name.clone());
    params.arguments = Some(call.arguments.as_object().cloned().unwrap_or_default());
    params.meta = Some(meta(call.key).into());
    params.input_responses = responses;
    params.request_state = state;
    let peer = live.peer.clone();
    Box::pin(async move { peer.call_tool_once(params).await })
}

/// The message and the form of what a server wants; only forms are asked of people.
fn form(request: InputRequest) -> Result<(String, Value), Lost> {
    match request {
        InputRequest::Elicitation(request) => match request.params {
            ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } => {
                Ok((message, serde_json::to_value(requested_schema).unwrap_or_default()))
            }
            _ => Err(refused("the server wants a person to open an address, and pawl shows people none")),
        },
        InputRequest::CreateMessage(_) => {
            Err(refused("the server wants to ask a model, which pawl does not let it"))
        }
        InputRequest::ListRoots(_) => {
            Err(refused("the server wants to know of folders, and pawl has none for it"))
        }
        _ => Err(refused("the server wants what pawl does not know")),
    }
}

fn as_json(action: &str, data: &Value) -> Value {
    serde_json::to_value(result(action, data)).unwrap_or_default()
}

fn digest_of(message: &str, schema: &Value) -> Digest {
    Digest::of_json(&json!({ "message": message, "schema": schema }))
}

fn refused(why: &str) -> Lost {
    Lost::Answered(Failure::new(FailureKind::Permanent, why))
}

fn too_long(what: &str) -> Lost {
    let message = format!("{what} is longer than mcp_question_max_bytes ({MCP_QUESTION_MAX_BYTES})");
    Lost::Answered(Failure::new(FailureKind::Limit, message))
}

/// What a call has with it: its key, and the trace that it belongs to.
fn meta(key: &str) -> Map<String, Value> {
    let mut meta = Map::from_iter([(KEY.to_owned(), json!(key))]);
    if let Some(trace) = pawl_wire::trace::current() {
        meta.insert(TRACEPARENT.to_owned(), json!(trace.parent));
        meta.extend(trace.state.map(|state| (TRACESTATE.to_owned(), json!(state))));
    }
    meta
}

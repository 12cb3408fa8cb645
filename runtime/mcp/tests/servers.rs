//! A hub against a server that says what was prepared; real ones are asked by `tests/mcp.sh`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use std::sync::{Arc, Mutex};

use pawl_core::call::CallResponse;
use pawl_core::plugin::ToolDescription;
use pawl_core::source::operator;
use pawl_core::state::{Dialogue, ToolAnswer};
use pawl_core::{Digest, Failure, FailureKind};
use pawl_mcp::{
    Hub, MCP_CALLS_AT_ONCE_MAX, MCP_FAULTS_MAX, MCP_MESSAGE_MAX_BYTES, MCP_QUESTION_MAX_BYTES,
    MCP_QUESTIONS_MAX, MCP_TOOLS_MAX, McpCall, McpEnd, Servers as _,
};
use pawl_wire::trace::{TraceHeaders, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

const SECRET: &str = "tok-canary-0123456789";

/// What a server does with a call.
#[derive(Clone)]
enum Does {
    /// Answers with this result.
    Gives(Value),
    /// Answers with this status and text.
    Refuses(&'static str, &'static str),
    /// Closes the connection.
    Breaks,
    /// Answers nothing.
    Hangs,
}

/// A server over streamable HTTP, without sessions and streams.
struct Server {
    url: String,
    tools: Arc<Mutex<Vec<Value>>>,
    does: Arc<Mutex<Does>>,
    /// The requests that are calls of tools.
    calls: Arc<Mutex<Vec<String>>>,
    /// One more is answered for each permit.
    held: Arc<Semaphore>,
}

fn tool(name: &str) -> Value {
    json!({ "name": name, "inputSchema": { "type": "object" } })
}

fn says(text: &str) -> Does {
    Does::Gives(json!({ "content": [{ "type": "text", "text": text }] }))
}

impl Server {
    async fn start(tools: Vec<Value>, does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}/mcp", listener.local_addr().unwrap()),
            tools: Arc::new(Mutex::new(tools)),
            does: Arc::new(Mutex::new(does)),
            calls: Arc::default(),
            held: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        };
        let (tools, does) = (Arc::clone(&server.tools), Arc::clone(&server.does));
        let (calls, held) = (Arc::clone(&server.calls), Arc::clone(&server.held));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tools, does) = (Arc::clone(&tools), Arc::clone(&does));
                let (calls, held) = (Arc::clone(&calls), Arc::clone(&held));
                tokio::spawn(serve(stream, tools, does, calls, held));
            }
        });
        server
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// A hub with this server as `far`.
    fn hub(&self, more: &str) -> (Hub, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), SECRET).unwrap();
        let text = format!(
            "mcp:\n  far: {{ url: '{}', headers: {{ Authorization: {{ file: token, prefix: 'Bearer ' }} }}, {more} }}\n",
            self.url
        );
        let operator = operator::load("pawl.yaml", &text).unwrap_or_else(|e| panic!("{}", e.render(false)));
        (Hub::new(&operator, folder.path()).unwrap(), folder)
    }
}

async fn serve(
    mut stream: TcpStream,
    tools: Arc<Mutex<Vec<Value>>>,
    does: Arc<Mutex<Does>>,
    calls: Arc<Mutex<Vec<String>>>,
    held: Arc<Semaphore>,
) {
    let request = read(&mut stream).await;
    let body: Value =
        serde_json::from_str(request.split_once("\r\n\r\n").map_or("", |(_, body)| body)).unwrap_or_default();
    let id = &body["id"];
    let result = match body["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-11-25", "capabilities": { "tools": {} }, "serverInfo": { "name": "s", "version": "1" },
        }),
        Some("tools/list") => json!({ "tools": *tools.lock().unwrap() }),
        Some("tools/call") => {
            calls.lock().unwrap().push(request.clone());
            held.acquire().await.unwrap().forget();
            let does = does.lock().unwrap().clone();
            match does {
                Does::Gives(result) => result,
                Does::Refuses(status, text) => return answer(&mut stream, status, "text/plain", text).await,
                Does::Breaks => return,
                Does::Hangs => return std::future::pending().await,
            }
        }
        Some("notifications/initialized" | "notifications/cancelled") => {
            return answer(&mut stream, "202 Accepted", "text/plain", "").await;
        }
        _ => return answer(&mut stream, "405 Method Not Allowed", "text/plain", "").await,
    };
    let text = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
    answer(&mut stream, "200 OK", "application/json", &text).await;
}

async fn answer(stream: &mut TcpStream, status: &str, kind: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> String {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut piece).await.unwrap_or(0) {
            0 => return text,
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

async fn described(hub: &Hub) -> Vec<ToolDescription> {
    hub.describe("far").await.unwrap_or_else(|failure| panic!("{failure}"))
}

async fn call(hub: &Hub, tool: &ToolDescription) -> CallResponse {
    let arguments = &json!({ "a": 1 });
    let call = McpCall { server: "far", tool, arguments, key: "key-1", dialogue: None };
    match hub.call(call).await? {
        McpEnd::Result(value) => Ok(value),
        McpEnd::Asks(asks) => panic!("{asks:?}"),
    }
}

fn failure(response: CallResponse) -> Failure {
    let failure = response.expect_err("it failed");
    assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
    failure
}

#[tokio::test]
async fn a_call_has_its_key_and_the_operators_headers_and_no_secret_comes_back() {
    let server = Server::start(vec![tool("read")], says(&format!("hello {SECRET}"))).await;
    let (hub, folder) = server.hub("");
    let tools = described(&hub).await;
    assert_eq!(call(&hub, &tools[0]).await, Ok(json!({ "text": "hello [key]" })));
    let request = server.calls().remove(0);
    assert!(request.to_lowercase().contains(&format!("authorization: bearer {SECRET}")), "{request}");
    assert!(
        request.contains("\"dev.pawl/idempotency-key\":\"key-1\"") && request.contains("{\"a\":1}"),
        "{request}"
    );
    server.does(Does::Refuses("401 Unauthorized", "wrong: tok-canary-0123456789"));
    let denied = failure(call(&hub, &tools[0]).await);
    assert_eq!(denied.kind, FailureKind::Denied, "{denied}");
    std::fs::remove_file(folder.path().join("token")).unwrap();
    let missing = failure(call(&hub, &tools[0]).await);
    assert_eq!(missing.kind, FailureKind::Denied);
    assert!(missing.message.contains("`headers` in pawl.yaml names, cannot be read"), "{missing}");
}

#[tokio::test]
async fn a_call_says_which_trace_it_belongs_to_and_nothing_where_it_has_none() {
    let server = Server::start(vec![tool("read")], says("hello")).await;
    let (hub, _folder) = server.hub("");
    let tools = described(&hub).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    call(&hub, &tools[0]).await.unwrap();
    let trace = TraceHeaders { parent: parent.to_owned(), state: Some("a=1".to_owned()) };
    within(Some(trace), call(&hub, &tools[0])).await.unwrap();
    let calls = server.calls();
    assert!(!calls[0].contains("traceparent") && !calls[0].contains("tracestate"), "{}", calls[0]);
    let (head, body) = calls[1].split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.contains(&format!("traceparent: {parent}")) && head.contains("tracestate: a=1"), "{head}");
    assert!(body.contains(&format!("\"traceparent\":\"{parent}\"")), "{body}");
}

#[tokio::test]
async fn what_may_be_called_again_is_and_all_else_stays_open() {
    let server = Server::start(vec![tool("once"), tool("twice")], Does::Breaks).await;
    let (hub, _folder) = server.hub("effects: { twice: pure }");
    let tools = described(&hub).await;
    let open = failure(call(&hub, &tools[0]).await);
    assert_eq!((open.kind, server.calls().len()), (FailureKind::Trap, 1), "{open}");
    assert!(open.kind.leaves_outcome_open() && open.message.contains("broke before it answered"), "{open}");
    let passing = failure(call(&hub, &tools[1]).await);
    assert_eq!((passing.kind, server.calls().len()), (FailureKind::Transient, 3), "{passing}");
    // A server that has no time has done nothing.
    server.does(Does::Refuses("503 Service Unavailable", "later"));
    let later = failure(call(&hub, &tools[0]).await);
    assert_eq!(later.kind, FailureKind::Transient, "{later}");
}

#[tokio::test]
async fn a_server_that_breaks_all_the_time_is_left_alone_for_a_while() {
    let server = Server::start(vec![tool("once")], Does::Breaks).await;
    let (hub, _folder) = server.hub("");
    let tools = described(&hub).await;
    for _ in 0..MCP_FAULTS_MAX {
        assert_eq!(failure(call(&hub, &tools[0]).await).kind, FailureKind::Trap);
    }
    let left_alone = failure(call(&hub, &tools[0]).await);
    assert_eq!(
        (left_alone.kind, server.calls().len()),
        (FailureKind::Transient, MCP_FAULTS_MAX),
        "{left_alone}"
    );
    assert!(
        left_alone.message.contains("mcp_faults_max") && left_alone.retry_after_ms.is_some(),
        "{left_alone}"
    );
}

#[tokio::test]
async fn a_call_ends_with_its_timeout_and_with_a_flood() {
    let server = Server::start(vec![tool("once")], Does::Hangs).await;
    let (hub, _folder) = server.hub("timeout: 300ms");
    let tools = described(&hub).await;
    let slow = failure(call(&hub, &tools[0]).await);
    assert_eq!(slow.kind, FailureKind::Timeout);
    assert!(slow.message.contains("within its `timeout` (300 ms)"), "{slow}");
    let (hub, _folder) = server.hub("");
    server.does(says(&"x".repeat(MCP_MESSAGE_MAX_BYTES)));
    let flood = failure(call(&hub, &tools[0]).await);
    assert_eq!(flood.kind, FailureKind::Limit);
    assert!(flood.message.contains("mcp_message_max_bytes (8388608)"), "{flood}");
}

#[tokio::test]
async fn a_list_of_tools_has_an_end() {
    let many = (0..=MCP_TOOLS_MAX).map(|n| tool(&format!("t{n}"))).collect();
    let server = Server::start(many, Does::Hangs).await;
    let (hub, _folder) = server.hub("");
    let failure = hub.describe("far").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Limit);
    assert!(failure.message.contains("mcp_tools_max (500)"), "{failure}");
}

#[tokio::test]
async fn a_tool_that_has_changed_is_not_called() {
    let server = Server::start(vec![tool("read")], says("hello")).await;
    let (hub, _folder) = server.hub("");
    let tools = described(&hub).await;
    *server.tools.lock().unwrap() = vec![json!({ "name": "read", "inputSchema": { "required": ["b"] } })];
    hub.close().await;
    let changed = failure(call(&hub, &tools[0]).await);
    assert_eq!((changed.kind, server.calls().len()), (FailureKind::Permanent, 0));
    assert!(changed.message.starts_with("mcp.far.read takes other arguments now"), "{changed}");
}

#[tokio::test]
async fn no_more_calls_reach_a_server_at_once_than_the_limit_says() {
    let server = Server::start(vec![tool("read")], says("hello")).await;
    server.held.forget_permits(Semaphore::MAX_PERMITS);
    let (hub, _folder) = server.hub("");
    let tools = described(&hub).await;
    let hub = Arc::new(hub);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..=MCP_CALLS_AT_ONCE_MAX {
        let (hub, tool) = (Arc::clone(&hub), tools[0].clone());
        calls.spawn(async move { call(&hub, &tool).await });
    }
    while server.calls().len() < MCP_CALLS_AT_ONCE_MAX {
        tokio::task::yield_now().await;
    }
    // One that has its answer makes room for the last.
    server.held.add_permits(1);
    assert!(calls.join_next().await.unwrap().unwrap().is_ok());
    while server.calls().len() <= MCP_CALLS_AT_ONCE_MAX {
        tokio::task::yield_now().await;
    }
    server.held.add_permits(MCP_CALLS_AT_ONCE_MAX);
    assert!(calls.join_all().await.into_iter().all(|response| response.is_ok()));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_says_so() {
    let server = Server::start(Vec::new(), Does::Hangs).await;
    let (hub, folder) = server.hub("");
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let text = format!("mcp: {{ far: {{ url: 'http://{gone}/mcp' }} }}");
    let other = Hub::new(&operator::load("pawl.yaml", &text).unwrap(), folder.path()).unwrap();
    let failure = other.describe("far").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient);
    assert!(
        failure.message.contains("MCP server 'far' cannot be used") && failure.message.contains("refused"),
        "{failure}"
    );
    let unknown = hub.describe("fra").await.unwrap_err();
    assert!(unknown.message.contains("no MCP server 'fra'"), "{unknown}");
}

fn asked(message: &str) -> Does {
    let params = json!({ "mode": "form", "message": message, "requestedSchema": { "type": "object", "properties": {
        "city": { "type": "string" },
    } } });
    Does::Gives(json!({ "resultType": "input_required", "requestState": "halfway", "inputRequests": {
        "which": { "method": "elicitation/create", "params": params },
    } }))
}

/// A call with so many answers to what it asked before.
async fn answered(hub: &Hub, tool: &ToolDescription, answers: usize) -> Result<McpEnd, Failure> {
    let answer = |n: usize| ToolAnswer {
        key: "which".to_owned(),
        digest: Digest::of(&n.to_be_bytes()),
        round: u32::try_from(n).unwrap() + 1,
        action: "accept".to_owned(),
        data: Arc::new(json!({ "city": "Bonn" })),
    };
    let mut dialogue = Dialogue::default();
    dialogue.answers = (0..answers).map(answer).collect();
    dialogue.round = u32::try_from(answers).unwrap();
    dialogue.state = Some("halfway".to_owned());
    let dialogue = Some(&dialogue).filter(|_| answers > 0);
    hub.call(McpCall { server: "far", tool, arguments: &json!({}), key: "key-1", dialogue }).await
}

#[tokio::test]
async fn a_question_is_asked_as_the_operator_says_and_questions_have_an_end() {
    let server = Server::start(vec![tool("ask")], asked(&format!("Which {SECRET}?"))).await;
    let (hub, _folder) = server.hub("elicitation: { to: group:office, due: 2d, on_timeout: decline }");
    let tools = described(&hub).await;
    let McpEnd::Asks(asks) = answered(&hub, &tools[0], 0).await.unwrap() else { panic!("it does not ask") };
    let question = &asks.questions[0].question;
    assert_eq!(
        (question.title.as_str(), &question.to[..]),
        ("mcp.far asks: Which [key]?", &["group:office".to_owned()][..])
    );
    assert_eq!(
        (question.due.map(|due| due.0), question.on_timeout.as_deref()),
        (Some(172_800_000), Some("decline"))
    );
    assert_eq!((asks.state.as_deref(), asks.questions[0].key.as_str()), (Some("halfway"), "which"));
    let limit = answered(&hub, &tools[0], MCP_QUESTIONS_MAX).await.unwrap_err();
    assert!(limit.message.contains("mcp_questions_max (20)") && limit.kind == FailureKind::Limit, "{limit}");
    server.does(asked(&"x".repeat(MCP_QUESTION_MAX_BYTES)));
    let limit = answered(&hub, &tools[0], 0).await.unwrap_err();
    assert!(limit.message.contains("mcp_question_max_bytes (65536)"), "{limit}");

    let (hub, _folder) = server.hub("elicitation: false");
    server.does(asked("Which one?"));
    let refused = answered(&hub, &tools[0], 0).await.unwrap_err();
    assert!(refused.message.contains("`elicitation` in pawl.yaml does not let it"), "{refused}");
}

#[tokio::test]
async fn what_is_no_form_is_not_asked() {
    let address =
        json!({ "mode": "url", "message": "Open it", "url": "https://example.com", "elicitationId": "1" });
    let server = Server::start(vec![tool("ask")], says("unused")).await;
    let (hub, _folder) = server.hub("");
    let tools = described(&hub).await;
    for (request, part) in [
        (json!({ "method": "elicitation/create", "params": address }), "pawl shows people none"),
        (json!({ "method": "roots/list" }), "pawl has none for it"),
    ] {
        server.does(Does::Gives(
            json!({ "resultType": "input_required", "inputRequests": { "one": request } }),
        ));
        let refused = answered(&hub, &tools[0], 0).await.unwrap_err();
        assert!(refused.message.contains(part) && refused.kind == FailureKind::Permanent, "{refused}");
    }
}

//! Profiles against servers that answer what was prepared.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pawl_core::call::CallResponse;
use pawl_core::chat::ChatRequest;
use pawl_core::source::operator;
use pawl_core::{Failure, FailureKind};
use pawl_models::{Listener, MODEL_RESPONSE_MAX_BYTES, Models as _, Profiles};
use pawl_wire::trace::{TraceHeaders, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "sk-canary-0123456789";

fn read_script(path: &std::path::Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

/// A server that gives each request the next of its answers, and then none.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            let mut silent = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                seen.lock().unwrap().push(request);
                match answers.next() {
                    Some(answer) => {
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                    // It stays open and says nothing.
                    None => silent.push(stream),
                }
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
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
        match stream.read(&mut piece).await.unwrap() {
            0 => return text,
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n{body}", body.len())
}

fn says(text: &str) -> String {
    let choice = json!({ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" });
    answer("200 OK", "", &json!({ "model": "m-1", "choices": [choice] }).to_string())
}

/// The model `a` of this server, with more keys, and more models.
async fn ask(server: &Server, more: &str, models: &str) -> CallResponse {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), KEY).unwrap();
    std::fs::write(folder.path().join("script.yaml"), "rules: [{ reply: by script }]").unwrap();
    let text = format!(
        "models:\n  a: {{ provider: openai, model: m, base_url: '{}/v1', key: {{ file: key }}, {more} }}\n{models}",
        server.url
    );
    let operator = operator::load("pawl.yaml", &text).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let profiles = Profiles::new(&operator, folder.path(), read_script).unwrap();
    profiles.chat("key", "a", hello()).await
}

/// The same, and what was told meanwhile.
async fn ask_aloud(server: &Server, provider: &str) -> (CallResponse, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), KEY).unwrap();
    let of = format!("provider: {provider}, model: m, base_url: '{}', key: {{ file: key }}", server.url);
    let operator = operator::load("pawl.yaml", &format!("models: {{ a: {{ {of}, retries: 0 }} }}"));
    let operator = operator.unwrap_or_else(|e| panic!("{}", e.render(false)));
    let profiles = Profiles::new(&operator, folder.path(), read_script).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let listener = Listener::new(move |said| ears.lock().unwrap().push(said.to_owned()));
    let response = profiles.chat_aloud("key", "a", hello(), &listener).await;
    let heard = heard.lock().unwrap().clone();
    (response, heard)
}

fn streams(pieces: &[Value], end: &str) -> String {
    let body = pieces.iter().fold(String::new(), |body, piece| body + &format!("data: {piece}\n\n"));
    streamed("text/event-stream", &body, end)
}

/// An answer that comes piece by piece, and ends so: whole, or in the midst of it.
fn streamed(content_type: &str, body: &str, end: &str) -> String {
    let chunks = body.as_bytes().chunks(9).fold(String::new(), |chunks, part| {
        chunks + &format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part))
    });
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}{end}"
    )
}

fn delta(content: &str) -> Value {
    json!({ "model": "m-1", "choices": [{ "delta": { "content": content } }] })
}

#[tokio::test]
async fn what_a_server_says_is_told_while_it_comes_and_read_as_a_whole() {
    let finish = json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] });
    let spent = json!({ "choices": [], "usage": { "prompt_tokens": 5, "completion_tokens": 2 } });
    let echoed = format!("it is {} I think", &KEY[..9]);
    let pieces = [delta("good morning,\n"), delta(&echoed), delta(&format!("and {KEY}")), finish, spent];
    let server = Server::start(vec![streams(&pieces, "0\r\n\r\n"), says("at once")]).await;
    let (response, heard) = ask_aloud(&server, "openai").await;
    assert_eq!(text(&response), format!("good morning,\n{echoed}and [key]"));
    assert_eq!(response.as_ref().unwrap()["usage"], json!({ "input_tokens": 5, "output_tokens": 2 }));
    assert_eq!(heard.first().map(String::as_str), Some("good morning,"));
    assert!(!heard.concat().contains(KEY), "{heard:?}");
    assert!(server.requests()[0].contains("\"stream\":true"), "{:?}", server.requests());
    // A server that cannot do it answers at once.
    let (response, heard) = ask_aloud(&server, "openai").await;
    assert_eq!((text(&response), heard), ("at once", Vec::new()));
}

/// Half an answer of each protocol, and what its server says when it cannot go on.
fn halves() -> [(&'static str, &'static str, String, String); 3] {
    let events = |pieces: &[Value]| {
        pieces.iter().fold(String::new(), |body, piece| body + &format!("data: {piece}\n\n"))
    };
    let trouble = format!("no such key: {KEY}");
    let begun = json!({ "type": "message_start", "message": { "model": "m-1", "content": [] } });
    let block =
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
    let said = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "half" } });
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": trouble } });
    let line =
        json!({ "model": "m-1", "message": { "role": "assistant", "content": "half" }, "done": false });
    [
        (
            "openai",
            "text/event-stream",
            events(&[delta("half of it")]),
            events(&[json!({ "error": { "message": trouble } })]),
        ),
        ("anthropic", "text/event-stream", events(&[begun, block, said]), events(&[error])),
        ("ollama", "application/x-ndjson", format!("{line}\n"), format!("{}\n", json!({ "error": trouble }))),
    ]
}

#[tokio::test]
async fn a_stream_that_breaks_is_passing_trouble_and_one_that_cannot_be_read_is_not() {
    for (provider, content_type, half, error) in halves() {
        let nonsense = if provider == "ollama" { "{no\n" } else { "data: {no\n\n" };
        let answers = vec![
            streamed(content_type, &half, ""),
            streamed(content_type, &half, "0\r\n\r\n"),
            streamed(content_type, &(half + &error), "0\r\n\r\n"),
            streamed(content_type, nonsense, "0\r\n\r\n"),
        ];
        let server = Server::start(answers).await;
        for (kind, words) in [
            (FailureKind::Transient, "cannot be asked"),
            (FailureKind::Transient, "ended before its answer did"),
            (FailureKind::Transient, "no such key: [key]"),
            (FailureKind::InvalidOutput, "the server's stream cannot be read"),
        ] {
            let failure = failure(ask_aloud(&server, provider).await.0);
            assert_eq!(failure.kind, kind, "{provider}: {}", failure.message);
            assert!(failure.message.contains(words), "{provider}: {}", failure.message);
        }
    }
}

#[tokio::test]
async fn a_model_is_asked_as_its_profile_says_where_the_request_does_not() {
    let server = Server::start(vec![says("hi")]).await;
    ask(&server, "temperature: 0.2, top_p: 0.9, max_tokens: 100, seed: 7", "").await.unwrap();
    let requests = server.requests();
    let (_, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        json!({
            "model": "m", "messages": [{ "role": "user", "content": "hi" }],
            "temperature": 0.2, "top_p": 0.9, "max_tokens": 100, "seed": 7,
        })
    );
}

fn hello() -> ChatRequest {
    ChatRequest::read(&json!({ "messages": [{ "role": "user", "text": "hi" }] })).unwrap()
}

fn text(response: &CallResponse) -> &str {
    response.as_ref().unwrap_or_else(|failure| panic!("{failure:?}"))["message"]["text"].as_str().unwrap()
}

fn failure(response: CallResponse) -> Failure {
    let failure = response.expect_err("it failed");
    assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
    failure
}

#[tokio::test]
async fn a_server_is_asked_and_its_answer_is_read() {
    let server = Server::start(vec![says("good morning")]).await;
    let response = ask(&server, "", "").await;
    assert_eq!(text(&response), "good morning");
    let response = response.unwrap();
    assert_eq!((&response["model"], &response["profile"]), (&json!("m-1"), &json!("a")));
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: Bearer {KEY}")), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] }));
}

#[tokio::test]
async fn passing_trouble_is_tried_again_after_the_time_that_the_server_asks_for() {
    let busy = answer("429 Too Many Requests", "retry-after-ms: 30\r\n", "busy");
    let fault = answer("500 Internal Server Error", "retry-after: 0\r\n", "");
    let server = Server::start(vec![busy.clone(), fault, says("at last")]).await;
    let since = std::time::Instant::now();
    assert_eq!(text(&ask(&server, "", "").await), "at last");
    assert!(since.elapsed() >= Duration::from_millis(30));
    assert_eq!(server.requests().len(), 3);

    let server = Server::start(vec![busy.clone(), busy, says("too late")]).await;
    let failure = failure(ask(&server, "retries: 1", "").await);
    assert_eq!((failure.kind, failure.retry_after_ms), (FailureKind::Transient, Some(30)));
    assert!(
        failure.message.contains("model 'a': the server answers 429 Too Many Requests: busy"),
        "{failure:?}"
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_long_wait_is_left_to_the_step() {
    let server = Server::start(vec![answer("429 Too Many Requests", "retry-after: 3600\r\n", "")]).await;
    let failure = failure(ask(&server, "", "").await);
    assert_eq!((failure.kind, failure.retry_after_ms), (FailureKind::Transient, Some(3_600_000)));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_and_a_server_that_is_not_there_are_passing_trouble() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"choices\"".to_owned();
    let server = Server::start(vec![cut]).await;
    assert_eq!(failure(ask(&server, "retries: 0", "").await).kind, FailureKind::Transient);
    let gone = Server { url: "http://127.0.0.1:1".to_owned(), requests: Arc::default() };
    let failure = failure(ask(&gone, "retries: 0", "").await);
    assert_eq!(failure.kind, FailureKind::Transient);
    assert!(failure.message.contains("127.0.0.1:1 cannot be asked"), "{failure:?}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_at_its_timeout() {
    let server = Server::start(Vec::new()).await;
    let failure = failure(ask(&server, "retries: 0, timeout: 50ms", "").await);
    assert_eq!(failure.kind, FailureKind::Transient);
    assert!(failure.message.contains("`timeout` (50 ms)"), "{failure:?}");
}

#[tokio::test]
async fn tries_that_may_have_been_answered_are_counted_and_refusals_are_not() {
    let cut = || "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"choices\"".to_owned();
    let busy = || answer("429 Too Many Requests", "retry-after-ms: 1\r\n", "");
    let server = Server::start(vec![cut(), busy(), says("at last")]).await;
    let given = ask(&server, "retries: 2", "").await.unwrap();
    assert_eq!(given["unheard"], 1, "{given}");
    let server = Server::start(vec![busy(), says("at last")]).await;
    assert_eq!(ask(&server, "retries: 2", "").await.unwrap().get("unheard"), None);
    // It breaks off, refuses, and then says nothing in time.
    let server = Server::start(vec![cut(), busy()]).await;
    let silent = failure(ask(&server, "retries: 2, timeout: 50ms", "").await);
    assert_eq!(silent.details, Some(json!({ "unheard": 2 })), "{silent:?}");
    let gone = Server { url: "http://127.0.0.1:1".to_owned(), requests: Arc::default() };
    assert_eq!(failure(ask(&gone, "retries: 1", "").await).details, None);
}

#[tokio::test]
async fn what_is_no_answer_is_not_tried_again() {
    for (wrong, kind, part) in [
        (answer("200 OK", "", "<html>"), FailureKind::InvalidOutput, "cannot be read"),
        (answer("200 OK", "", "{}"), FailureKind::InvalidOutput, "missing field `choices`"),
        (
            answer("400 Bad Request", "", r#"{"error":{"message":"no such thing"}}"#),
            FailureKind::InvalidInput,
            "no such thing",
        ),
        (answer("401 Unauthorized", "", "key"), FailureKind::Denied, "check the model's `key`"),
        (answer("302 Found", "location: http://elsewhere\r\n", ""), FailureKind::Permanent, "not followed"),
    ] {
        let server = Server::start(vec![wrong]).await;
        let failure = failure(ask(&server, "", "").await);
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(failure.message.contains(part), "{failure:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_cut_off() {
    let server = Server::start(vec![says(&"x".repeat(MODEL_RESPONSE_MAX_BYTES))]).await;
    let failure = failure(ask(&server, "", "").await);
    assert_eq!(failure.kind, FailureKind::Permanent);
    assert!(failure.message.contains("model_response_max_bytes"), "{failure:?}");
}

#[tokio::test]
async fn a_key_that_a_server_repeats_goes_nowhere() {
    let server = Server::start(vec![says(&format!("your key is {KEY}"))]).await;
    let response = ask(&server, "", "").await;
    assert_eq!(text(&response), "your key is [key]");
    for status in ["400 Bad Request", "401 Unauthorized", "500 Internal Server Error"] {
        let server = Server::start(vec![answer(status, "", &format!("wrong: {KEY}"))]).await;
        failure(ask(&server, "retries: 0", "").await);
    }
}

#[tokio::test]
async fn the_fallbacks_are_asked_in_turn() {
    let down = || answer("503 Service Unavailable", "", "");
    let (first, second) = (Server::start(vec![down()]).await, Server::start(vec![down()]).await);
    let models = format!(
        "  b: {{ provider: ollama, model: m, base_url: '{}', retries: 0 }}\n  c: {{ provider: scripted, script: script.yaml }}\n",
        second.url
    );
    let response = ask(&first, "retries: 0, fallbacks: [b, c]", &models).await;
    assert_eq!(text(&response), "by script");
    assert_eq!(response.unwrap()["profile"], "c");
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));

    // What the first refuses as wrong, the others would too.
    let (first, second) =
        (Server::start(vec![answer("400 Bad Request", "", "")]).await, Server::start(vec![]).await);
    let models = models.replace("retries: 0 }", &format!("retries: 0, x-was: '{}' }}", second.url));
    let failure = failure(ask(&first, "fallbacks: [b, c]", &models).await);
    assert_eq!(failure.kind, FailureKind::InvalidInput);

    let (first, second) = (Server::start(vec![down()]).await, Server::start(vec![down()]).await);
    let models = format!("  b: {{ provider: ollama, model: m, base_url: '{}', retries: 0 }}\n", second.url);
    let failure = failure_of(ask(&first, "retries: 0, fallbacks: b", &models).await);
    assert_eq!(failure.kind, FailureKind::Transient);
    assert!(
        failure.message.contains("model 'a': ") && failure.message.contains("; model 'b': "),
        "{failure:?}"
    );
}

fn failure_of(response: CallResponse) -> Failure {
    failure(response)
}

#[tokio::test]
async fn a_model_that_is_not_there_is_named() {
    let failure = Profiles::default().chat("key", "nobody", hello()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidInput);
    assert!(failure.message.contains("no model 'nobody'"), "{failure:?}");
}

#[test]
fn a_script_that_cannot_be_used_is_told_when_the_models_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let operator =
        operator::load("pawl.yaml", "models: { a: { provider: scripted, script: s.yaml } }").unwrap();
    let missing = Profiles::new(&operator, folder.path(), read_script).unwrap_err().to_string();
    assert!(missing.contains("the script of model 'a'"), "{missing}");
    std::fs::write(folder.path().join("s.yaml"), "ruls: []").unwrap();
    let wrong = Profiles::new(&operator, folder.path(), read_script).unwrap_err().to_string();
    assert!(wrong.contains("no key 'ruls'"), "{wrong}");
}

#[tokio::test]
async fn a_question_says_which_trace_it_belongs_to_and_nothing_where_it_has_none() {
    let server = Server::start(vec![says("one"), says("two")]).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    ask(&server, "retries: 0", "").await.unwrap();
    let trace = TraceHeaders { parent: parent.to_owned(), state: None };
    within(Some(trace), ask(&server, "retries: 0", "")).await.unwrap();
    let requests = server.requests();
    assert!(!requests[0].to_lowercase().contains("traceparent"), "{}", requests[0]);
    assert!(requests[1].to_lowercase().contains(&format!("traceparent: {parent}\r\n")), "{}", requests[1]);
}

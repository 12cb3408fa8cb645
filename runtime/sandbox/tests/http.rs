//! HTTP of tools: the hosts that were granted, within limits, and no other.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use pawl_core::plugin::Permissions;
use pawl_core::{Failure, FailureKind};
use pawl_sandbox::{Limits, ToolEnd};
use serde_json::{Value, json};
use support::{Guest, NUMBER, call, sandbox, text_at, tool};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const TYPES: &str = "wasi:http/types@0.2.12";
const DENIED: u32 = 15;
const TLS_FAILED: u32 = 12;
const BODY_SIZE: u32 = 28;
const TIMEOUTS: [u32; 2] = [9, 33];
/// What the guest says when the stream of the body fails.
const BODY_FAILED: u32 = 999;

/// Sends one plain request to the authority in its arguments and reads all of the response. Its
/// result is 1000 and the status, the number of the error code, or `BODY_FAILED`.
fn fetcher() -> Guest {
    let body = "(local $request i32) (local $answer i32) (local $code i32)
      (local.set $request (call $-constructor-outgoing-request (call $-constructor-fields)))
      (drop (call $-method-outgoing-request-set-scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
      (drop (call $-method-outgoing-request-set-authority (local.get $request) (i32.const 1)
        (i32.add (local.get $args_ptr) (i32.const 1)) (i32.sub (local.get $args_len) (i32.const 2))))
      (drop (call $-method-outgoing-request-set-path-with-query (local.get $request) (i32.const 1) (i32.const 2900) (i32.const 1)))
      (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 2000))
      (if (i32.load8_u (i32.const 2000)) (then (return (call $number (i32.load8_u (i32.const 2008))))))
      (local.set $answer (i32.load (i32.const 2008)))
      (call $-method-pollable-block (call $-method-future-incoming-response-subscribe (local.get $answer)))
      (call $-method-future-incoming-response-get (local.get $answer) (i32.const 2000))
      (if (i32.load8_u (i32.const 2016)) (then (return (call $number (i32.load8_u (i32.const 2024))))))
      (local.set $answer (i32.load (i32.const 2024)))
      (local.set $code (call $-method-incoming-response-status (local.get $answer)))
      (call $-method-incoming-response-consume (local.get $answer) (i32.const 2000))
      (call $-method-incoming-body-stream (i32.load (i32.const 2004)) (i32.const 2000))
      (local.set $answer (i32.load (i32.const 2004)))
      (loop $again
        (call $-method-input-stream-blocking-read (local.get $answer) (i64.const 4096) (i32.const 2000))
        (br_if $again (i32.eqz (i32.load8_u (i32.const 2000)))))
      (if (i32.eqz (i32.load8_u (i32.const 2004))) (then (local.set $code (i32.const 999))))
      (call $number (local.get $code))";
    tool(body)
        .items(NUMBER)
        .items(&text_at(2900, "/"))
        .import(TYPES, "[method]outgoing-request.set-path-with-query", "(param i32 i32 i32 i32) (result i32)")
        .import(TYPES, "[constructor]fields", "(result i32)")
        .import(TYPES, "[constructor]outgoing-request", "(param i32) (result i32)")
        .import(TYPES, "[method]outgoing-request.set-scheme", "(param i32 i32 i32 i32 i32) (result i32)")
        .import(TYPES, "[method]outgoing-request.set-authority", "(param i32 i32 i32 i32) (result i32)")
        .import(TYPES, "[method]future-incoming-response.subscribe", "(param i32) (result i32)")
        .import(TYPES, "[method]future-incoming-response.get", "(param i32 i32)")
        .import(TYPES, "[method]incoming-response.status", "(param i32) (result i32)")
        .import(TYPES, "[method]incoming-response.consume", "(param i32 i32)")
        .import(TYPES, "[method]incoming-body.stream", "(param i32 i32)")
        .import("wasi:io/poll@0.2.12", "[method]pollable.block", "(param i32)")
        .import("wasi:io/streams@0.2.12", "[method]input-stream.blocking-read", "(param i32 i64 i32)")
        .import("wasi:http/outgoing-handler@0.2.12", "handle", "(param i32 i32 i32 i32)")
}

/// Fetches from a server that answers every request with a text, or never.
async fn fetch(granted: Option<&str>, limits: Limits, response: Option<&'static str>) -> ToolEnd {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        if let Some(response) = response {
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        let _ = stream.read(&mut request).await;
    });
    let sandbox = sandbox();
    let plugin = sandbox.load(&fetcher().build()).await.unwrap();
    let mut call = call(limits);
    let host = granted.unwrap_or(&authority).to_owned();
    call.grants = Permissions { http: host.parse().unwrap(), ..Permissions::default() };
    call.arguments = json!(authority);
    let end = sandbox.call_tool(&plugin, call).await;
    server.abort();
    end
}

fn said(end: &ToolEnd) -> Result<u32, Failure> {
    let code = end.result.clone()?.as_u64().unwrap() - 1_000;
    Ok(u32::try_from(code).unwrap())
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_granted_host_answers() {
    let end = fetch(None, Limits::default(), Some(HELLO)).await;
    assert_eq!(said(&end), Ok(200), "{end:?}");
}

#[tokio::test]
async fn another_host_is_denied_and_noted() {
    let end = fetch(Some("127.0.0.1:1"), Limits::default(), Some(HELLO)).await;
    assert_eq!(said(&end), Ok(DENIED));
    assert!(end.log[0].1.contains("was denied: permissions.http"), "{:?}", end.log);
}

#[tokio::test]
async fn a_response_that_is_too_large_is_cut_off() {
    let limits = Limits { http_body_max_bytes: 4, ..Limits::default() };
    let code = said(&fetch(None, limits, Some(HELLO)).await).unwrap();
    assert!([BODY_FAILED, BODY_SIZE].contains(&code), "{code}");
}

#[tokio::test]
async fn a_response_whose_head_is_too_large_fails() {
    const LONG: usize = 64 * 1024;
    let head = |bytes: usize| -> &'static str {
        let head = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(bytes));
        Box::leak(head.into_boxed_str())
    };
    assert_eq!(said(&fetch(None, Limits::default(), Some(head(LONG - 4_096))).await), Ok(200));
    let code = said(&fetch(None, Limits::default(), Some(head(LONG + 4_096))).await).unwrap();
    assert!((1..100).contains(&code), "{code}");
}

#[tokio::test]
async fn a_silent_host_is_given_up() {
    let limits = Limits { http_wait_max_ms: 50, ..Limits::default() };
    let code = said(&fetch(None, limits, None).await).unwrap();
    assert!(TIMEOUTS.contains(&code), "{code}");
}

#[tokio::test]
async fn requests_are_counted() {
    let limits = Limits { host_calls_max: 0, ..Limits::default() };
    let failure = fetch(None, limits, Some(HELLO)).await.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Limit);
    assert!(failure.message.contains("host_calls_max (0)"), "{failure}");
}

#[tokio::test]
async fn https_finds_its_provider() {
    let sandbox = sandbox();
    // Nothing listens: what matters is that nobody panics on the way to the certificate.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move { drop(listener.accept().await) });
    let mut guest = fetcher();
    guest.secure();
    let plugin = sandbox.load(&guest.build()).await.unwrap();
    let mut call = call(Limits::default());
    call.grants = Permissions { http: authority.parse().unwrap(), ..Permissions::default() };
    call.arguments = Value::from(authority);
    let end = sandbox.call_tool(&plugin, call).await;
    assert_eq!(said(&end), Ok(TLS_FAILED), "{end:?}");
    server.abort();
}

/// Sends 20 requests, waits for none of them, and then for a while.
fn flood() -> Guest {
    let body = "(local $n i32) (local $request i32)
      (loop $again
        (local.set $request (call $-constructor-outgoing-request (call $-constructor-fields)))
        (drop (call $-method-outgoing-request-set-scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
        (drop (call $-method-outgoing-request-set-authority (local.get $request) (i32.const 1)
          (i32.add (local.get $args_ptr) (i32.const 1)) (i32.sub (local.get $args_len) (i32.const 2))))
        (drop (call $-method-outgoing-request-set-path-with-query (local.get $request) (i32.const 1) (i32.const 2900) (i32.const 1)))
        (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 2000))
        (if (i32.load8_u (i32.const 2000)) (then unreachable))
        (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20))))
      (call $-method-pollable-block (call $subscribe-duration (i64.const 300000000)))
      (call $ok (local.get $args_ptr) (local.get $args_len))";
    tool(body)
        .items(&text_at(2900, "/"))
        .import(TYPES, "[method]outgoing-request.set-path-with-query", "(param i32 i32 i32 i32) (result i32)")
        .import(TYPES, "[constructor]fields", "(result i32)")
        .import(TYPES, "[constructor]outgoing-request", "(param i32) (result i32)")
        .import(TYPES, "[method]outgoing-request.set-scheme", "(param i32 i32 i32 i32 i32) (result i32)")
        .import(TYPES, "[method]outgoing-request.set-authority", "(param i32 i32 i32 i32) (result i32)")
        .import("wasi:io/poll@0.2.12", "[method]pollable.block", "(param i32)")
        .import("wasi:clocks/monotonic-clock@0.2.12", "subscribe-duration", "(param i64) (result i32)")
        .import("wasi:http/outgoing-handler@0.2.12", "handle", "(param i32 i32 i32 i32)")
}

#[tokio::test]
async fn sixteen_requests_are_under_way_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(Ok((stream, _))) =
            tokio::time::timeout(std::time::Duration::from_millis(1_500), listener.accept()).await
        {
            held.push(stream);
        }
        held.len()
    });
    let sandbox = sandbox();
    let plugin = sandbox.load(&flood().build()).await.unwrap();
    let mut call = call(Limits::default());
    call.grants = Permissions { http: authority.parse().unwrap(), ..Permissions::default() };
    call.arguments = Value::from(authority);
    let end = sandbox.call_tool(&plugin, call).await;
    assert!(end.result.is_ok(), "{end:?}");
    assert_eq!(server.await.unwrap(), 16);
}

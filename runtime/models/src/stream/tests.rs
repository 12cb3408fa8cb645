use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;

/// Puts an answer together that comes in pieces of so many bytes, and gives it with what was heard.
fn put_together(protocol: Protocol, body: &str, bytes: usize) -> (Result<Value, Failure>, String) {
    let heard = Arc::new(Mutex::new(String::new()));
    let ears = Arc::clone(&heard);
    let listener = Listener::new(move |said| ears.lock().unwrap().extend([said, "|"]));
    let mut stream = Stream::new(protocol, listener, None);
    let taken = body.as_bytes().chunks(bytes).try_for_each(|piece| stream.hear(piece));
    let whole = taken.and_then(|()| stream.end());
    let heard = heard.lock().unwrap().clone();
    (whole, heard)
}

fn events(pieces: &[Value]) -> String {
    pieces
        .iter()
        .fold(": hello\n\n".to_owned(), |lines, piece| lines + &format!("event: x\r\ndata: {piece}\r\n\r\n"))
}

fn delta(delta: &Value) -> Value {
    json!({ "model": "m-1", "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
}

#[test]
fn chunks_of_openai_become_one_answer() {
    let call = |at: u64, call: Value| {
        let mut call = call;
        call["index"] = at.into();
        delta(&json!({ "tool_calls": [call] }))
    };
    let body = events(&[
        delta(&json!({ "role": "assistant", "content": "" })),
        delta(&json!({ "content": "I look it up.\nThen " })),
        delta(&json!({ "content": "ü." })),
        call(0, json!({ "id": "1", "type": "function", "function": { "name": "a", "arguments": "" } })),
        call(0, json!({ "function": { "arguments": "{\"x\":" } })),
        call(1, json!({ "id": "2", "function": { "name": "b", "arguments": "{}" } })),
        call(0, json!({ "function": { "arguments": "1}" } })),
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "tool_calls" }] }),
        json!({ "choices": [], "usage": { "prompt_tokens": 3, "completion_tokens": 4 } }),
    ]) + "data: [DONE]\n\n";
    for bytes in [1, 7, 10_000] {
        let (whole, heard) = put_together(Protocol::OpenAi, &body, bytes);
        assert_eq!(
            whole.unwrap(),
            json!({
                "model": "m-1",
                "choices": [{ "finish_reason": "tool_calls", "message": {
                    "content": "I look it up.\nThen ü.",
                    "tool_calls": [
                        { "id": "1", "function": { "name": "a", "arguments": "{\"x\":1}" } },
                        { "id": "2", "function": { "name": "b", "arguments": "{}" } },
                    ],
                } }],
                "usage": { "prompt_tokens": 3, "completion_tokens": 4 },
            })
        );
        assert_eq!(heard, "I look it up.|Then ü.|");
    }
}

#[test]
fn events_of_anthropic_become_one_answer() {
    let body = events(&[
        json!({ "type": "message_start", "message": {
            "model": "m-1", "content": [], "usage": { "input_tokens": 3, "output_tokens": 1 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "ping" }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Hi " } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "you" } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "content_block_start", "index": 1, "content_block": {
            "type": "tool_use", "id": "1", "name": "a", "input": {} } }),
        json!({ "type": "content_block_delta", "index": 1, "delta": {
            "type": "input_json_delta", "partial_json": "{\"x\"" } }),
        json!({ "type": "content_block_delta", "index": 1, "delta": {
            "type": "input_json_delta", "partial_json": ":1}" } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 9 } }),
        json!({ "type": "message_stop" }),
    ]);
    let (whole, heard) = put_together(Protocol::Anthropic, &body, 5);
    assert_eq!(
        whole.unwrap(),
        json!({
            "model": "m-1", "stop_reason": "tool_use", "usage": { "input_tokens": 3, "output_tokens": 9 },
            "content": [
                { "type": "text", "text": "Hi you" },
                { "type": "tool_use", "id": "1", "name": "a", "input": { "x": 1 } },
            ],
        })
    );
    assert_eq!(heard, "Hi you|");
}

#[test]
fn lines_of_ollama_become_one_answer() {
    let call = json!({ "function": { "name": "a", "arguments": { "x": 1 } } });
    let lines = [
        json!({ "model": "m-1", "message": { "role": "assistant", "content": "Hi " }, "done": false }),
        json!({ "model": "m-1", "message": { "content": "you", "tool_calls": [call] }, "done": false }),
        json!({ "model": "m-1", "message": { "content": "" }, "done": true, "done_reason": "stop", "eval_count": 4 }),
    ];
    let body: Vec<_> = lines.iter().map(Value::to_string).collect();
    // The last line may come without its end.
    let (whole, heard) = put_together(Protocol::Ollama, &body.join("\n"), 3);
    let whole = whole.unwrap();
    assert_eq!(whole["message"], json!({ "role": "assistant", "content": "Hi you", "tool_calls": [call] }));
    assert_eq!((&whole["eval_count"], heard.as_str()), (&json!(4), "Hi you|"));
}

#[test]
fn a_stream_that_does_not_come_to_its_end_is_a_passing_failure_and_one_that_cannot_be_read_is_none() {
    let cut = events(&[delta(&json!({ "content": "half" }))]);
    let error = |kind: &str| events(&[json!({ "error": { "type": kind, "message": "busy\nnow" } })]);
    let overloaded =
        events(&[json!({ "type": "error", "error": { "type": "overloaded_error", "message": "no" } })]);
    for (protocol, body, kind, words) in [
        (Protocol::OpenAi, cut.as_str(), FailureKind::Transient, "ended before its answer did"),
        (Protocol::OpenAi, "", FailureKind::Transient, "ended before its answer did"),
        (Protocol::OpenAi, "data: {no\n", FailureKind::InvalidOutput, "cannot be read"),
        (Protocol::OpenAi, &error("server_error"), FailureKind::Transient, "broke its answer off: busy now"),
        (
            Protocol::OpenAi,
            &error("invalid_request_error"),
            FailureKind::InvalidInput,
            "broke its answer off",
        ),
        (Protocol::Anthropic, &overloaded, FailureKind::Transient, "broke its answer off: no"),
        (Protocol::Anthropic, "data: {\"type\":\"message_stop\"}\n", FailureKind::Transient, "ended before"),
        (Protocol::Ollama, "{\"message\":{}}\n", FailureKind::Transient, "ended before its answer did"),
        (Protocol::Ollama, "{\"error\":\"gone\"}\n", FailureKind::Transient, "broke its answer off: gone"),
    ] {
        let failure = put_together(protocol, body, 4).0.unwrap_err();
        assert_eq!(failure.kind, kind, "{body}");
        assert!(failure.message.contains(words), "{body}: {}", failure.message);
    }
    // Whatever a server counts, nothing is made for it.
    let far = events(&[delta(&json!({ "tool_calls": [{ "index": u64::MAX }] }))]);
    assert!(put_together(Protocol::OpenAi, &far, 99).0.is_err());
}

#[test]
fn what_is_of_another_shape_than_the_protocol_says_harms_nobody() {
    let body = events(&[
        json!({ "type": "message_start", "message": { "usage": 5 } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": "x" }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Hi" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "partial_json": "[" } }),
        json!({ "type": "message_delta", "delta": 7, "usage": { "output_tokens": 9 } }),
        json!({ "type": "message_stop" }),
    ]);
    let (whole, heard) = put_together(Protocol::Anthropic, &body, 5);
    assert_eq!(whole.unwrap()["usage"], json!({ "output_tokens": 9 }));
    assert_eq!(heard, "Hi|");
    let odd = [
        json!(5),
        json!([]),
        json!({ "choices": 1 }),
        json!({ "choices": [{ "delta": { "tool_calls": [3] } }] }),
    ];
    for protocol in [Protocol::OpenAi, Protocol::Ollama] {
        assert!(put_together(protocol, &events(&odd), 7).0.is_err());
        let lines: Vec<_> = odd.iter().map(Value::to_string).collect();
        assert!(put_together(protocol, &lines.join("\n"), 7).0.is_err());
    }
}

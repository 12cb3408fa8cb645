use pawl_core::chat::{Finish, Usage};
use serde_json::json;

use super::*;

/// A conversation with everything in it.
fn request() -> ChatRequest {
    ChatRequest::read(&json!({
        "messages": [
            { "role": "system", "text": "Be brief." },
            { "role": "user", "text": "Where are they?" },
            { "role": "assistant", "tool_calls": [
                { "id": "1", "name": "orders.lookup", "arguments": { "id": "A-1" } },
                { "id": "2", "name": "orders.lookup", "arguments": "{broken" },
            ] },
            { "role": "tool", "call": "1", "text": "here" },
            { "role": "tool", "call": "2", "text": "the arguments are no JSON" },
        ],
        "tools": [{ "name": "orders.lookup", "summary": "Finds.", "input_schema": { "type": "object" } }],
        "response_schema": { "type": "object" },
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["END"],
        "top_p": 0.9,
        "seed": 7,
    }))
    .unwrap()
}

fn bare() -> ChatRequest {
    ChatRequest::read(&json!({ "messages": [{ "role": "user", "text": "hi" }] })).unwrap()
}

#[test]
fn openai_is_asked_in_its_words() {
    let (request, names) = (request(), Names::of(&request()));
    let body = openai::body("m", &request, &names, false);
    assert_eq!(
        body,
        json!({
            "model": "m",
            "messages": [
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": "Where are they?" },
                { "role": "assistant", "content": null, "tool_calls": [
                    { "id": "1", "type": "function",
                      "function": { "name": "orders_lookup", "arguments": "{\"id\":\"A-1\"}" } },
                    { "id": "2", "type": "function", "function": { "name": "orders_lookup", "arguments": "{broken" } },
                ] },
                { "role": "tool", "tool_call_id": "1", "content": "here" },
                { "role": "tool", "tool_call_id": "2", "content": "the arguments are no JSON" },
            ],
            "tools": [{ "type": "function", "function": {
                "name": "orders_lookup", "description": "Finds.", "parameters": { "type": "object" },
            } }],
            "response_format": {
                "type": "json_schema", "json_schema": { "name": "answer", "schema": { "type": "object" } },
            },
            "temperature": 0.5,
            "max_tokens": 9,
            "stop": ["END"],
            "top_p": 0.9,
            "seed": 7,
        })
    );
    assert_eq!(openai::body("m", &request, &names, true)["max_completion_tokens"], 9);
    assert_eq!(
        openai::body("m", &bare(), &names, false),
        json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] })
    );
}

#[test]
fn openai_answers_are_read() {
    let names = Names::of(&request());
    let answer = openai::read(
        &json!({
            "id": "x", "model": "m-1",
            "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": null, "tool_calls": [
                    { "id": "1", "type": "function", "function": { "name": "orders_lookup", "arguments": "{\"id\":1}" } },
                    { "id": "2", "type": "function", "function": { "name": "other", "arguments": "{no" } },
                    { "id": "3", "type": "function", "function": { "name": "other", "arguments": "" } },
                ],
            } }],
            "usage": { "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7 },
        }),
        &names,
        &bare(),
    )
    .unwrap();
    assert_eq!((answer.finish, answer.model.as_str(), answer.text.as_str()), (Finish::ToolCalls, "m-1", ""));
    assert_eq!(answer.usage, Usage { input_tokens: 3, output_tokens: 4 });
    let calls: Vec<_> =
        answer.tool_calls.iter().map(|call| (call.name.as_str(), call.arguments.clone())).collect();
    assert_eq!(calls, [("orders.lookup", json!({ "id": 1 })), ("other", json!("{no")), ("other", json!({}))]);
    let said = |message: Value, finish: &str| {
        let choices = json!([{ "message": message, "finish_reason": finish }]);
        let answer = openai::read(&json!({ "choices": choices }), &names, &bare()).unwrap();
        (answer.text, answer.finish)
    };
    assert_eq!(said(json!({ "content": "hi" }), "stop"), ("hi".to_owned(), Finish::Stop));
    assert_eq!(said(json!({ "content": "h" }), "length"), ("h".to_owned(), Finish::Length));
    assert_eq!(said(json!({ "refusal": "no" }), "stop"), ("no".to_owned(), Finish::Filter));
    for wrong in [json!({}), json!({ "choices": [] }), json!({ "choices": [{ "message": 1 }] })] {
        assert!(openai::read(&wrong, &names, &bare()).is_err(), "{wrong}");
    }
}

#[test]
fn anthropic_is_asked_in_its_words() {
    let (request, names) = (request(), Names::of(&request()));
    assert_eq!(
        anthropic::body("m", &request, &names),
        json!({
            "model": "m",
            "max_tokens": 9,
            "system": "Be brief.\n\nAnswer with JSON that fits this schema, and with nothing else: {\"type\":\"object\"}",
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "Where are they?" }] },
                { "role": "assistant", "content": [
                    { "type": "tool_use", "id": "1", "name": "orders_lookup", "input": { "id": "A-1" } },
                    { "type": "tool_use", "id": "2", "name": "orders_lookup", "input": { "input": "{broken" } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "1", "content": "here" },
                    { "type": "tool_result", "tool_use_id": "2", "content": "the arguments are no JSON" },
                ] },
            ],
            "tools": [{ "name": "orders_lookup", "description": "Finds.", "input_schema": { "type": "object" } }],
            "temperature": 0.5,
            "stop_sequences": ["END"],
            "top_p": 0.9,
        })
    );
    let bare = anthropic::body("m", &bare(), &names);
    assert!(bare["max_tokens"] == 4096 && bare.get("top_p").is_none(), "{bare}");
}

#[test]
fn anthropic_answers_are_read() {
    let names = Names::of(&request());
    let read = |content: Value, reason: &str| {
        let usage = json!({ "input_tokens": 3, "output_tokens": 4 });
        let reply = json!({ "model": "m-1", "content": content, "stop_reason": reason, "usage": usage });
        anthropic::read(&reply, &names, &bare()).unwrap()
    };
    let answer = read(
        json!([
            { "type": "thinking", "thinking": "…" },
            { "type": "text", "text": "I look." },
            { "type": "tool_use", "id": "1", "name": "orders_lookup", "input": { "id": 1 } },
        ]),
        "tool_use",
    );
    assert_eq!((answer.text.as_str(), answer.finish), ("I look.", Finish::ToolCalls));
    assert_eq!(answer.tool_calls[0].name, "orders.lookup");
    assert_eq!(answer.usage, Usage { input_tokens: 3, output_tokens: 4 });
    assert_eq!(read(json!([]), "max_tokens").finish, Finish::Length);
    assert_eq!(read(json!([]), "refusal").finish, Finish::Filter);
    assert_eq!(read(json!([]), "end_turn").finish, Finish::Stop);
    assert!(anthropic::read(&json!({ "content": 1 }), &names, &bare()).is_err());
}

#[test]
fn ollama_is_asked_in_its_words() {
    let (request, names) = (request(), Names::of(&request()));
    let body = ollama::body("m", &request, &names);
    assert_eq!(body["stream"], false);
    assert_eq!(body["format"], json!({ "type": "object" }));
    assert_eq!(
        body["options"],
        json!({ "temperature": 0.5, "top_p": 0.9, "seed": 7, "num_predict": 9, "stop": ["END"] })
    );
    assert_eq!(body["tools"][0]["function"]["name"], "orders_lookup");
    assert_eq!(
        body["messages"][2]["tool_calls"],
        json!([
            { "function": { "name": "orders_lookup", "arguments": { "id": "A-1" } } },
            { "function": { "name": "orders_lookup", "arguments": { "input": "{broken" } } },
        ])
    );
    assert_eq!(
        body["messages"][3],
        json!({ "role": "tool", "tool_name": "orders_lookup", "content": "here" })
    );
    assert!(ollama::body("m", &bare(), &names).get("options").is_none());
}

#[test]
fn ollama_answers_are_read() {
    let names = Names::of(&request());
    let answer = ollama::read(
        &json!({
            "model": "m-1", "done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4,
            "message": { "role": "assistant", "content": "", "tool_calls": [
                { "function": { "name": "orders_lookup", "arguments": { "id": 1 } } },
                { "function": { "name": "orders_lookup" } },
            ] },
        }),
        &names,
        &bare(),
    )
    .unwrap();
    assert_eq!(answer.finish, Finish::ToolCalls);
    let ids: Vec<_> = answer.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call-1-0", "call-1-1"]);
    assert_eq!(answer.tool_calls[1].arguments, json!({}));
    assert_eq!(answer.usage, Usage { input_tokens: 3, output_tokens: 4 });
    assert!(ollama::read(&json!({}), &names, &bare()).is_err());
}

#[test]
fn a_refusal_says_who_can_act() {
    let refused = |status: u16, body: &str| {
        refusal(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: body.to_owned(),
        })
    };
    for (status, kind) in [
        (400, FailureKind::InvalidInput),
        (401, FailureKind::Denied),
        (404, FailureKind::Permanent),
        (429, FailureKind::Transient),
        (503, FailureKind::Transient),
        (301, FailureKind::Permanent),
    ] {
        assert_eq!(refused(status, "").kind, kind, "{status}");
    }
    assert!(!refused(401, "wrong key sk-…abc").message.contains("sk-"));
    assert!(refused(500, r#"{"error":{"message":"over\nloaded"}}"#).message.ends_with(": over loaded"));
    assert!(refused(500, r#"{"error":"no such model"}"#).message.ends_with(": no such model"));
    assert!(refused(500, &"x".repeat(9_000)).message.len() < 600);
}

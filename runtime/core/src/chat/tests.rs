use serde_json::{Value, json};

use super::*;
use crate::{Duration, FailureKind};

fn wrong(request: &Value, part: &str) {
    let error = ChatRequest::read(request).unwrap_err();
    assert!(error.contains(part), "{request}: {error}");
}

fn user(text: &str) -> Value {
    json!({ "role": "user", "text": text })
}

fn calling(ids: &[&str]) -> Value {
    let calls: Vec<_> = ids.iter().map(|id| json!({ "id": id, "name": "a.b", "arguments": {} })).collect();
    json!({ "role": "assistant", "tool_calls": calls })
}

fn answer_of(id: &str) -> Value {
    json!({ "role": "tool", "call": id, "text": "done" })
}

#[test]
fn a_request_is_read_as_it_is_written() {
    let request = json!({
        "messages": [
            { "role": "system", "text": "Be brief." },
            user("Where is A-1?"),
            { "role": "assistant", "text": "", "tool_calls": [
                { "id": "1", "name": "orders.lookup", "arguments": { "id": "A-1" } },
            ] },
            answer_of("1"),
        ],
        "tools": [{ "name": "orders.lookup", "summary": "Finds an order.", "input_schema": { "type": "object" } }],
        "response_schema": { "type": "object" },
        "temperature": 0.5,
        "max_tokens": 100,
        "stop": ["END"],
        "top_p": 0.9,
        "seed": 7,
    });
    let read = ChatRequest::read(&request).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), request);
}

#[test]
fn what_is_wrong_with_a_request_is_said_with_its_place() {
    let asks = |more: Value| {
        let mut request = json!({ "messages": [user("hi")] });
        for (key, value) in more.as_object().unwrap() {
            request[key] = value.clone();
        }
        request
    };
    wrong(&json!({}), "missing field `messages`");
    wrong(&json!({ "messages": [] }), "must end with one of the user");
    wrong(
        &json!({ "messages": [user("hi"), { "role": "robot", "text": "x" }] }),
        "messages[1]: unknown variant `robot`",
    );
    wrong(&json!({ "messages": [{ "role": "user" }] }), "messages[0]: missing field `text`");
    wrong(
        &json!({ "messages": [{ "role": "user", "text": "x", "mood": 1 }] }),
        "messages[0]: unknown field `mood`",
    );
    wrong(
        &json!({ "messages": [user("hi"), { "role": "system", "text": "late" }] }),
        "messages[1] is of the system",
    );
    wrong(
        &json!({ "messages": [user("hi"), calling(&["1", "2"]), answer_of("1"), user("?")] }),
        "messages[3] comes before the answer of the call \"2\"",
    );
    wrong(&json!({ "messages": [user("hi"), calling(&["1"])] }), "the call \"1\" has no answer");
    wrong(&json!({ "messages": [user("hi"), answer_of("1")] }), "messages[1] answers \"1\"");
    wrong(
        &json!({ "messages": [user("hi"), calling(&["1", "1"]), answer_of("1")] }),
        "two calls with the id \"1\"",
    );
    wrong(&asks(json!({ "temprature": 1 })), "unknown field `temprature`");
    wrong(&asks(json!({ "temperature": 2.5 })), "temperature is not from 0 to 2");
    wrong(&asks(json!({ "top_p": 1.5 })), "top_p is not from 0 to 1");
    wrong(&asks(json!({ "seed": -1 })), "invalid value: integer `-1`");
    wrong(&asks(json!({ "max_tokens": 0 })), "CHAT_TOKENS_MAX");
    wrong(&asks(json!({ "response_schema": 1 })), "response_schema is no object");
    wrong(&asks(json!({ "stop": [""] })), "stop[0] has 0 bytes");
    wrong(
        &asks(json!({ "tools": [{ "name": "a", "input_schema": 1 }] })),
        "tools[0].input_schema is no object",
    );
    let tool = json!({ "name": "a", "input_schema": {} });
    wrong(&asks(json!({ "tools": [tool, tool] })), "tools[1]: there are two tools named \"a\"");
}

#[test]
fn what_a_request_says_goes_before_what_its_model_is_asked_with() {
    let asks = |more: Value| {
        let mut request = json!({ "messages": [user("hi")], "stop": ["END"] });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ChatRequest::read(&request).unwrap()
    };
    let all = Sampling { temperature: Some(0.5), top_p: Some(0.9), max_tokens: Some(10), seed: Some(7) };
    let some = Sampling { seed: Some(7), ..Sampling::default() };
    let own = json!({ "temperature": 0.0, "top_p": 0.1, "max_tokens": 1, "seed": 0 });
    let filled = json!({ "temperature": 0.5, "top_p": 0.9, "max_tokens": 10, "seed": 7 });
    for (sampling, says, becomes) in [
        (&all, json!({}), Some(filled)),
        (&all, own.clone(), None),
        (
            &all,
            json!({ "temperature": 0.0, "seed": 0 }),
            Some(json!({
                "temperature": 0.0, "top_p": 0.9, "max_tokens": 10, "seed": 0,
            })),
        ),
        (&some, json!({ "top_p": 0.1 }), Some(json!({ "top_p": 0.1, "seed": 7 }))),
        (&Sampling::default(), json!({}), None),
    ] {
        assert_eq!(sampling.fill(&asks(says.clone())), becomes.map(asks), "{says}");
    }
}

#[test]
fn a_request_stops_at_its_limits() {
    let many = |count: usize, of: Value| vec![of; count];
    wrong(&json!({ "messages": many(CHAT_MESSAGES_MAX + 1, user("x")) }), "messages has 1001 entries");
    let tools: Vec<_> =
        (0..=CHAT_TOOLS_MAX).map(|n| json!({ "name": n.to_string(), "input_schema": {} })).collect();
    wrong(&json!({ "messages": [user("x")], "tools": tools }), "tools has 129 entries");
    wrong(
        &json!({ "messages": [user("x")], "stop": many(CHAT_STOP_MAX + 1, json!("x")) }),
        "stop has 5 entries",
    );
    wrong(&json!({ "messages": [user("x")], "max_tokens": CHAT_TOKENS_MAX + 1 }), "max_tokens");
    let long = "x".repeat(CHAT_NAME_MAX_BYTES + 1);
    wrong(&json!({ "messages": [user("x")], "stop": [long] }), "stop[0] has 257 bytes");
    let ids: Vec<String> = (0..=CHAT_CALLS_MAX).map(|n| n.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    wrong(&json!({ "messages": [user("x"), calling(&ids)] }), "tool_calls has 65 entries");
    let most: Vec<_> = many(CHAT_MESSAGES_MAX, user("x"));
    assert!(ChatRequest::read(&json!({ "messages": most })).is_ok());
}

fn rule(when: ModelWhen, reply: Reply) -> ModelRule {
    ModelRule { when, times: None, delay: Duration(0), reply, usage: None }
}

#[test]
fn the_first_rule_that_applies_answers() {
    let says = |text: &str| Reply::Text(text.to_owned());
    let tool = |tool: &str| ModelWhen { tool: Some(tool.to_owned()), ..ModelWhen::default() };
    let last = |text: &str| ModelWhen { last: Some(text.to_owned()), ..ModelWhen::default() };
    let script = ModelScript {
        rules: vec![
            ModelRule { times: Some(1), ..rule(last("once"), says("first")) },
            rule(last("once"), says("later")),
            rule(tool("a.b"), says("it came")),
            rule(
                ModelWhen { turn: Some(0), said: Some("call".to_owned()), ..ModelWhen::default() },
                Reply::Calls(vec![("a.b".to_owned(), json!({ "x": 1 }))]),
            ),
        ],
    };
    let mut used = Vec::new();
    let mut ask = |messages: Value| {
        let request = ChatRequest::read(&json!({ "messages": messages })).unwrap();
        script.answer(&mut used, &request).answer
    };
    assert_eq!(ask(json!([user("once")])).unwrap().text, "first");
    assert_eq!(ask(json!([user("once")])).unwrap().text, "later");
    assert_eq!(ask(json!([user("hi"), calling(&["1"]), answer_of("1")])).unwrap().text, "it came");
    let called = ask(json!([user("please call")])).unwrap();
    assert_eq!(called.finish, Finish::ToolCalls);
    assert_eq!(called.usage, Usage { input_tokens: 2, output_tokens: 0 });
    assert_eq!(
        called.to_json("default")["message"],
        json!({ "role": "assistant", "text": "", "tool_calls": [
            { "id": "call-0-0", "name": "a.b", "arguments": { "x": 1 } },
        ] })
    );
    let failure = ask(json!([user("other")])).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Permanent);
    assert!(failure.message.contains("turn 0") && failure.message.contains("other"), "{}", failure.message);
}

//! What the host holds for a guest is bounded like what the guest holds itself.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use pawl_core::FailureKind;
use pawl_core::plugin::Permissions;
use pawl_sandbox::{AgentEnd, Limits, Sandbox, SandboxConfig, SandboxError, ToolEnd};
use serde_json::Value;
use support::{Guest, Script, agent, all_grants, answer, call, sandbox, task, text_at, tool};

const TYPES: &str = "wasi:http/types@0.2.12";
const ECHO: &str = "(call $ok (local.get $args_ptr) (local.get $args_len))";

async fn granted(guest: &Guest) -> ToolEnd {
    let sandbox = sandbox();
    let plugin = sandbox.load(&guest.build()).await.unwrap();
    let mut call = call(Limits::default());
    call.grants = Permissions { http: "127.0.0.1:9".parse().unwrap(), ..Permissions::default() };
    sandbox.call_tool(&plugin, call).await
}

fn with_fields(guest: Guest) -> Guest {
    guest.import(TYPES, "[constructor]fields", "(result i32)")
}

fn with_request(guest: Guest) -> Guest {
    with_fields(guest)
        .import(TYPES, "[constructor]outgoing-request", "(param i32) (result i32)")
        .import(TYPES, "[method]outgoing-request.set-method", "(param i32 i32 i32 i32) (result i32)")
        .import(TYPES, "[method]outgoing-request.set-scheme", "(param i32 i32 i32 i32 i32) (result i32)")
        .import(TYPES, "[method]outgoing-request.set-authority", "(param i32 i32 i32 i32) (result i32)")
        .import(TYPES, "[method]outgoing-request.set-path-with-query", "(param i32 i32 i32 i32) (result i32)")
}

#[tokio::test]
async fn resources_of_the_host_stop_at_their_limit() {
    let guest = with_fields(tool("(loop $again (drop (call $-constructor-fields)) (br $again)) unreachable"));
    let failure = granted(&guest).await.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Limit, "{failure}");
    assert!(failure.message.contains("handles_max (1000)"), "{failure}");
}

#[tokio::test]
async fn texts_of_a_request_stop_at_their_limit() {
    let request = "(local $r i32)
        (local.set $r (call $-constructor-outgoing-request (call $-constructor-fields)))";
    // The method 9 is `other`, the scheme 2; a text of letters is none too long but for its length.
    let set = |name: &str, tags: &str, length: u32| {
        format!(
            "(call $-method-outgoing-request-set-{name} (local.get $r) {tags} (i32.const 8192) (i32.const {length}))"
        )
    };
    let some = "(i32.const 1)";
    for (name, tags, max) in [
        ("method", "(i32.const 9)", 64),
        ("scheme", "(i32.const 1) (i32.const 2)", 64),
        ("authority", some, 1_024),
        ("path-with-query", some, 16_384),
    ] {
        let (fits, long) = (set(name, tags, max), set(name, tags, max + 1));
        let body = format!(
            "{request} (if {fits} (then unreachable)) (if (i32.eqz {long}) (then unreachable)) {ECHO}"
        );
        let guest = with_request(tool(&body)).items(&text_at(8_192, &"a".repeat(20_000)));
        // A path begins with a slash for wasmtime too.
        let guest = if name == "path-with-query" { guest.items(&text_at(8_192, "/")) } else { guest };
        let end = granted(&guest).await;
        assert!(end.result.is_ok(), "{name}: {end:?}");
    }
}

#[tokio::test]
async fn a_header_field_is_one_field_and_the_hosts_own_stay_its_own() {
    const INVALID_SYNTAX: u32 = 0;
    const FORBIDDEN: u32 = 1;
    let cases = [
        ("x-order", "A-1", None),
        ("x-order", "A-1\r\nx-forged: 1", Some(INVALID_SYNTAX)),
        ("x-order\r\nx-forged", "1", Some(INVALID_SYNTAX)),
        ("Host", "elsewhere", Some(FORBIDDEN)),
        ("transfer-encoding", "chunked", Some(FORBIDDEN)),
        ("connection", "upgrade", Some(FORBIDDEN)),
        ("proxy-authorization", "x", Some(FORBIDDEN)),
    ];
    for (name, value, refused) in cases {
        let (name_bytes, value_bytes) = (name.len(), value.len());
        let expected = match refused {
            None => "(if (i32.load8_u (i32.const 3000)) (then unreachable))".to_owned(),
            Some(error) => format!(
                "(if (i32.eqz (i32.load8_u (i32.const 3000))) (then unreachable))
                 (if (i32.ne (i32.load8_u (i32.const 3001)) (i32.const {error})) (then unreachable))"
            ),
        };
        let guest = with_fields(tool(&format!(
            "(call $-method-fields-append (call $-constructor-fields) (i32.const 8192) (i32.const {name_bytes})
               (i32.const 9000) (i32.const {value_bytes}) (i32.const 3000))
             {expected} {ECHO}"
        )))
        .import(TYPES, "[method]fields.append", "(param i32 i32 i32 i32 i32 i32)")
        .items(&text_at(8_192, name))
        .items(&text_at(9_000, value));
        let end = granted(&guest).await;
        assert!(end.result.is_ok(), "{name}: {value}: {end:?}");
    }
}

#[tokio::test]
async fn http_without_its_grant_is_a_trap_for_everyone() {
    let says = "used wasi:http, which is for tools that were granted `http`";
    let sandbox = sandbox();
    // A tool that was granted nothing.
    let guest = with_fields(tool(&format!("(drop (call $-constructor-fields)) {ECHO}")));
    let plugin = sandbox.load(&guest.build()).await.unwrap();
    let end = sandbox.call_tool(&plugin, call(Limits::default())).await;
    let failure = end.result.unwrap_err();
    assert!(failure.kind == FailureKind::Trap && failure.message.contains(says), "{failure}");
    // An agent, whatever it was granted.
    let guest = with_fields(agent(
        "(drop (call $-constructor-fields)) (call $ok (local.get $input_ptr) (local.get $input_len))",
    ));
    let plugin = sandbox.load(&guest.build()).await.unwrap();
    let script = Script::new(|_| answer(Value::Null, 2_000));
    let end = sandbox.run_agent(&plugin, task(all_grants(), Limits::default()), Box::new(script)).await;
    assert!(matches!(&end, AgentEnd::Failed(failure) if failure.message.contains(says)), "{end:?}");
    // A component that describes itself; its start runs then.
    let begin = "(func $begin (drop (call $-constructor-fields))) (start $begin)";
    let error = sandbox.load(&with_fields(tool(ECHO)).items(begin).build()).await.unwrap_err();
    assert!(matches!(&error, SandboxError::Describe(failure) if failure.message.contains(says)), "{error}");
}

/// A component with more core instances, as those of other languages have them: sections at its end.
fn with_instances(mut component: Vec<u8>, module: &str, count: u8) -> Vec<u8> {
    let module = wat::parse_str(module).unwrap();
    let mut modules = 0;
    let mut at = 8;
    while at < component.len() {
        modules += u8::from(component[at] == 1);
        let (mut length, mut shift) = (0, 0);
        loop {
            at += 1;
            length |= usize::from(component[at] & 0x7f) << shift;
            shift += 7;
            if component[at] & 0x80 == 0 {
                break;
            }
        }
        at += 1 + length;
    }
    component.extend([1, u8::try_from(module.len()).unwrap()]);
    component.extend(module);
    component.extend([2, 1 + 3 * count, count]);
    component.extend([0, modules, 0].repeat(count.into()));
    component
}

#[tokio::test]
async fn those_for_whom_the_pool_has_no_room_wait_for_it() {
    // Room for 18 memories, of which each of these wants four, and turns for eight.
    let config = SandboxConfig { agents_max: 1, tools_max: 8, ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config).unwrap();
    // It works long enough for others to come in between.
    let body = format!(
        "(local $n i32) (loop $again (br_if $again (i32.lt_u
           (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 30000000)))) {ECHO}"
    );
    let component = with_instances(tool(&body).build(), "(module (memory 1))", 3);
    let plugin = sandbox.load(&component).await.unwrap();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (sandbox, plugin) = (sandbox.clone(), plugin.clone());
            tokio::spawn(async move { sandbox.call_tool(&plugin, call(Limits::default())).await })
        })
        .collect();
    for call in calls {
        let end = call.await.unwrap();
        assert!(end.result.is_ok(), "{end:?}");
    }
}

#[tokio::test]
async fn what_never_fits_the_pool_is_told_at_once() {
    let config = SandboxConfig { agents_max: 1, tools_max: 1, ..SandboxConfig::default() };
    let component = with_instances(tool(ECHO).build(), "(module)", 20);
    let error = Sandbox::new(config).unwrap().load(&component).await.unwrap_err().to_string();
    assert!(error.contains("more than the whole instance pool holds"), "{error}");
}

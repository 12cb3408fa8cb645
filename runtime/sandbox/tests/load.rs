//! Loading: what is refused, and how it is told.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use pawl_core::FailureKind;
use pawl_core::plugin::Permissions;
use pawl_sandbox::{ComponentLimits, Limits, Sandbox, SandboxConfig, SandboxError, ToolEnd};
use support::{call, encode, sandbox, tool};

const ECHO: &str = "(call $ok (local.get $args_ptr) (local.get $args_len))";

#[track_caller]
fn check_failure(end: &ToolEnd, kind: FailureKind, parts: &[&str]) {
    let failure = end.result.as_ref().unwrap_err();
    assert_eq!(failure.kind, kind, "{failure}");
    for part in parts {
        assert!(failure.message.contains(part), "{part:?} is not in: {}", failure.message);
    }
}

#[tokio::test]
async fn the_same_bytes_are_loaded_once() {
    let sandbox = sandbox();
    let bytes = tool(ECHO).build();
    let (first, second) = tokio::join!(sandbox.load(&bytes), sandbox.load(&bytes));
    assert!(std::sync::Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
}

#[tokio::test]
async fn compiled_code_is_kept_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let config = SandboxConfig {
        cache_dir: Some(folder.path().join("code")),
        agents_max: 1,
        tools_max: 1,
        ..SandboxConfig::default()
    };
    let bytes = tool(ECHO).build();
    for _ in 0..2 {
        let sandbox = Sandbox::new(config.clone()).unwrap();
        let plugin = sandbox.load(&bytes).await.unwrap();
        assert!(sandbox.call_tool(&plugin, call(Limits::default())).await.result.is_ok());
    }
    assert!(folder.path().join("code").read_dir().unwrap().next().is_some());
}

#[tokio::test]
async fn what_a_killed_process_left_in_the_cache_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let config = SandboxConfig {
        cache_dir: Some(folder.path().to_owned()),
        agents_max: 1,
        tools_max: 1,
        ..SandboxConfig::default()
    };
    let inner = folder.path().join("modules").join("wasmtime-48");
    std::fs::create_dir_all(&inner).unwrap();
    let left = inner.join("abc.wip-atomic-write-mod");
    std::fs::write(&left, "half").unwrap();
    std::fs::write(inner.join("abc"), "whole").unwrap();
    Sandbox::new(config).unwrap();
    assert!(!left.exists());
    assert!(inner.join("abc").exists());
}

#[tokio::test]
async fn a_describe_that_waits_is_given_up() {
    let config = SandboxConfig {
        agents_max: 1,
        tools_max: 1,
        describe: Limits { wall_time_max_ms: 0, ..Limits::default() },
        ..SandboxConfig::default()
    };
    let guest = tool(ECHO).items("(func $begin (loop $again (br $again))) (start $begin)");
    let error = Sandbox::new(config).unwrap().load(&guest.build()).await.unwrap_err().to_string();
    assert!(error.contains("wall_time_max_ms (0)"), "{error}");
}

#[tokio::test]
async fn a_memory_that_begins_too_large_is_refused() {
    let sandbox = sandbox();
    let error = sandbox.load(&tool(ECHO).pages(2_000).build()).await.unwrap_err().to_string();
    assert!(error.contains("memory_max_bytes (67108864)"), "{error}");
}

#[tokio::test]
async fn a_trap_in_start_is_told_when_it_is_loaded() {
    let guest = tool(ECHO).items("(func $begin unreachable) (start $begin)");
    let error = sandbox().load(&guest.build()).await.unwrap_err();
    assert!(
        matches!(&error, SandboxError::Describe(failure) if failure.kind == FailureKind::Trap),
        "{error}"
    );
}

#[tokio::test]
async fn an_endless_describe_is_told_when_it_is_loaded() {
    let config = SandboxConfig {
        agents_max: 1,
        tools_max: 1,
        describe: Limits { guest_time_max_ms: 50, ..Limits::default() },
        ..SandboxConfig::default()
    };
    let guest = tool(ECHO).items("(func $begin (loop $again (br $again))) (start $begin)");
    let error = Sandbox::new(config).unwrap().load(&guest.build()).await.unwrap_err().to_string();
    assert!(error.contains("guest_time_max_ms (50)"), "{error}");
}

#[tokio::test]
async fn what_was_not_granted_is_listed() {
    let sandbox = sandbox();
    let guest = tool(ECHO)
        .import("wasi:http/outgoing-handler@0.2.12", "handle", "(param i32 i32 i32 i32)")
        .import("acme:x/y@1.0.0", "f", "")
        .import("pawl:plugin/tools@0.1.0", "list", "(param i32)");
    let plugin = sandbox.load(&guest.build()).await.unwrap();
    let end = sandbox.call_tool(&plugin, call(Limits::default())).await;
    let parts = [
        "wasi:http/outgoing-handler (permissions.http)",
        "acme:x/y@1.0.0 (pawl has no such interface)",
        "pawl:plugin/tools@0.1.0 (for agents only: a tool is a leaf)",
    ];
    check_failure(&end, FailureKind::Denied, &parts);
    let grants = Permissions { http: "api.example.com".parse().unwrap(), ..Permissions::default() };
    assert_eq!(plugin.missing(&grants).len(), 2);
}

#[tokio::test]
async fn a_component_that_imports_too_much_that_is_not_there_is_refused() {
    let sandbox = sandbox();
    let plugin = sandbox.load(&tool(ECHO).strange(100).build()).await.unwrap();
    assert_eq!(plugin.missing(&Permissions::default()), ["acme:x/many@1.0.0 (pawl has no such interface)"]);
    let error = sandbox.load(&tool(ECHO).strange(2_001).build()).await.unwrap_err().to_string();
    assert!(error.contains("STUBS_MAX (2000)"), "{error}");
}

#[tokio::test]
async fn an_error_does_not_repeat_all_that_a_component_exports() {
    let exports = (0..900)
        .fold(String::new(), |text, number| text + &format!("(export \"f{number}\" (core module $m))"));
    let component = wat::parse_str(format!("(component (core module $m) {exports})")).unwrap();
    let error = sandbox().load(&component).await.unwrap_err().to_string();
    assert!(error.contains("exports neither") && error.contains("and 890 more"), "{error}");
    assert!(error.len() < 1_000, "{error}");
}

#[tokio::test]
async fn what_is_no_component_is_told_apart() {
    let sandbox = sandbox();
    let whole = tool(ECHO).build();
    let cases: [(&[u8], &str); 8] = [
        (b"", "an empty file"),
        (b"#!/bin/sh", "another kind of file"),
        (b"(component)", "the text format"),
        (b"\x7fELF....", "precompiled code"),
        (&tool(ECHO).core(), "a core module"),
        (&whole[..whole.len() / 2], "truncated"),
        (&whole[..6], "truncated"),
        (&[&whole[..8], &[250, 1, 0]].concat(), "not valid"),
    ];
    for (bytes, part) in cases {
        let error = sandbox.load(bytes).await.unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    let module = wat::parse_str(r#"(module (func (export "run")))"#).unwrap();
    let error = sandbox.load(&encode(module, "neither")).await.unwrap_err().to_string();
    assert!(error.contains("exports neither") && error.contains("it exports: run"), "{error}");
    // The custom sections at the end may be cut off whole; anything else is noticed.
    let mut loaded = 0;
    for length in 0..whole.len() {
        loaded += usize::from(sandbox.load(&whole[..length]).await.is_ok());
    }
    assert!(loaded <= 2, "{loaded}");
}

#[tokio::test]
async fn threads_are_refused() {
    let component = wat::parse_str("(component (core module (memory 1 1 shared)))").unwrap();
    let error = sandbox().load(&component).await.unwrap_err().to_string();
    assert!(error.contains("threads must be enabled"), "{error}");
}

#[tokio::test]
async fn wrong_descriptions_are_refused() {
    let sandbox = sandbox();
    let many: Vec<_> = (0..4_000).map(|number| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let cases = [
        (tool(ECHO).schema("{,}"), "the input schema of the tool `go` is not JSON"),
        (tool(ECHO).schema("[]"), "neither an object nor a boolean"),
        (tool(ECHO).names(&["a", "a"]), "two tools are named `a`"),
        (tool(ECHO).names(&["a.b"]), "the tool name \"a.b\""),
        (tool(ECHO).names(&[]), "it lists no tool"),
        // Not much text, but a great many tools.
        (tool(ECHO).names(&many).pages(8), "DESCRIPTION_MAX_BYTES (262144)"),
        (
            tool(ECHO).schema(&format!("{{\"x\":\"{}\"}}", "x".repeat(270_000))).pages(8),
            "DESCRIPTION_MAX_BYTES (262144)",
        ),
    ];
    for (guest, part) in cases {
        let error = sandbox.load(&guest.build()).await.unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    let small = SandboxConfig {
        component: ComponentLimits { component_max_bytes: 100, ..ComponentLimits::default() },
        agents_max: 1,
        tools_max: 1,
        ..SandboxConfig::default()
    };
    let error = Sandbox::new(small).unwrap().load(&tool(ECHO).build()).await.unwrap_err().to_string();
    assert!(error.contains("component_max_bytes (100)"), "{error}");
}

#[tokio::test]
async fn beyond_loaded_max_the_least_recently_used_component_goes() {
    let config = SandboxConfig { agents_max: 1, tools_max: 1, loaded_max: 2, ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config).unwrap();
    let [one, two, three] =
        ["a", "b", "c"].map(|text| tool(ECHO).items(&support::text_at(2000, text)).build());
    let (first, second) = (sandbox.load(&one).await.unwrap(), sandbox.load(&two).await.unwrap());
    assert!(std::sync::Arc::ptr_eq(&first, &sandbox.load(&one).await.unwrap()));
    sandbox.load(&three).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &sandbox.load(&one).await.unwrap()));
    assert!(!std::sync::Arc::ptr_eq(&second, &sandbox.load(&two).await.unwrap()));
    // Who still has the one that went uses it as before.
    assert!(sandbox.call_tool(&second, call(Limits::default())).await.result.is_ok());
}

#[tokio::test]
async fn a_component_with_too_many_core_instances_is_refused_when_it_is_loaded() {
    let told = async |instances: usize| {
        let each = "(core instance (instantiate $m))".repeat(instances);
        let bytes = wat::parse_str(format!("(component (core module $m) {each})")).unwrap();
        sandbox().load(&bytes).await.unwrap_err().to_string()
    };
    // Neither is a plugin, but only one is too large.
    assert!(!told(64).await.contains("pooling allocator"));
    let error = told(65).await;
    assert!(error.contains("65 core module instances") && error.contains("maximum of 64"), "{error}");
}

#[tokio::test]
async fn what_would_take_too_much_to_compile_is_refused_by_its_limit() {
    let whole = ComponentLimits::default();
    for (component, limit) in [
        (ComponentLimits { function_max_weight: 10, ..whole.clone() }, "function_max_weight (10)"),
        (ComponentLimits { component_max_weight: 10, ..whole.clone() }, "component_max_weight (10)"),
    ] {
        let config = SandboxConfig { component, agents_max: 1, tools_max: 1, ..SandboxConfig::default() };
        let error = Sandbox::new(config).unwrap().load(&tool(ECHO).build()).await.unwrap_err().to_string();
        assert!(error.contains(limit), "{error}");
    }
    // A few kilobytes whose compiler would hold a value for each local at the end of each block.
    let (open, close) = ("(block ".repeat(2_000), ")".repeat(2_000));
    let locals = "i32 ".repeat(2_000);
    let bomb = format!(
        "(component (core module (func (local {locals}) {open} (local.set 0 (i32.const 1)) {close})))"
    );
    let error = sandbox().load(&wat::parse_str(bomb).unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("function_max_weight"), "{error}");
}

#[tokio::test]
async fn a_component_that_takes_too_long_to_compile_is_given_up() {
    let config =
        SandboxConfig { compile_time_max_ms: 0, agents_max: 1, tools_max: 1, ..SandboxConfig::default() };
    let error = Sandbox::new(config).unwrap().load(&tool(ECHO).build()).await.unwrap_err().to_string();
    assert!(error.contains("compile_time_max_ms (0)"), "{error}");
}

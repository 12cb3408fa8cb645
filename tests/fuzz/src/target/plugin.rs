//! What lies in a plugin folder: `plugin.toml`, the component before it is compiled, and the component
//! as it is used.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use pawl_core::call::CallRequest;
use pawl_core::plugin::{Description, Permissions};
use pawl_core::{Rank, Timestamp};
use pawl_sandbox::{
    AgentEnd, AgentHost, AgentTask, CallReply, ComponentLimits, Limits, LoadedPlugin, Manifest, Sandbox,
    SandboxConfig, ToolCall, check_component,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How many tools of one component are called.
const TOOLS_MAX: usize = 3;

pub(super) fn manifest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Manifest::parse(&text) {
        Err(error) => assert!(error.to_string().starts_with("plugin.toml, line "), "{error}"),
        Ok(manifest) => {
            let _ = manifest.limits_within(&Limits::default());
            assert!(!manifest.name.is_empty() && manifest.name.len() <= 64, "{manifest:?}");
        }
    }
}

pub(super) fn component(bytes: &[u8]) {
    let limits = ComponentLimits::default();
    if let Err(error) = check_component(bytes, &limits) {
        assert!(!error.to_string().is_empty());
    }
}

/// What a case may use. A component that is whole is called, so this is what a case can take.
fn limits() -> Limits {
    Limits { guest_time_max_ms: 50, wall_time_max_ms: 500, memory_max_bytes: 16 << 20, ..Limits::default() }
}

static SANDBOX: LazyLock<(Runtime, Sandbox)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let config = SandboxConfig {
        agents_max: 2,
        tools_max: 2,
        loaded_max: 2,
        describe: limits(),
        ..SandboxConfig::default()
    };
    (runtime.expect("a runtime"), Sandbox::new(config).expect("a sandbox"))
});

pub(super) fn whole(bytes: &[u8]) {
    let (runtime, sandbox) = &*SANDBOX;
    runtime.block_on(async {
        match sandbox.load(bytes).await {
            Err(error) => assert!(error.to_string().len() < 300_000, "the error repeats it all"),
            Ok(plugin) => used(sandbox, &plugin).await,
        }
    });
}

/// An agent gets nothing but `null`.
struct Null;

#[async_trait]
impl AgentHost for Null {
    async fn call(&mut self, _: CallRequest) -> CallReply {
        CallReply::Answer { response: Ok(Arc::new(Value::Null)), now: Timestamp(1) }
    }
}

async fn used(sandbox: &Sandbox, plugin: &LoadedPlugin) {
    let (run, step) = ("run".to_owned(), "step".to_owned());
    let (now, seed, rank) = (Timestamp(0), [7; 32], Rank::FIRST);
    match plugin.description() {
        Description::Tools(tools) => {
            for tool in tools.iter().take(TOOLS_MAX) {
                let call = ToolCall {
                    tool: tool.name.clone(),
                    arguments: json!({"text": "a", "id": "b", "n": 1}),
                    idempotency_key: "key".to_owned(),
                    run: run.clone(),
                    step: step.clone(),
                    attempt: 1,
                    rank,
                    deadline: None,
                    now,
                    seed,
                    grants: Permissions::default(),
                    secrets: None,
                    mounts: Vec::new(),
                    limits: limits(),
                    progress: None,
                    trace: None,
                };
                if let Err(failure) = sandbox.call_tool(plugin, call).await.result {
                    assert!(!failure.message.is_empty() || failure.kind.name() != "trap", "{failure:?}");
                }
            }
        }
        Description::Agent(_) => {
            let grants = Permissions {
                tools: ["*".to_owned()].into(),
                http: pawl_core::plugin::Hosts::default(),
                secrets: std::collections::BTreeSet::new(),
                files: std::collections::BTreeMap::new(),
                agents: ["a".to_owned()].into(),
                signals: ["a".to_owned()].into(),
                models: ["a".to_owned()].into(),
                human: true,
                memory: true,
                timers: true,
            };
            let task = AgentTask {
                input: json!({"text": "a", "n": 1}),
                run,
                step,
                attempt: 1,
                rank,
                now,
                seed,
                grants,
                limits: limits(),
                progress: None,
            };
            let end = sandbox.run_agent(plugin, task, Box::new(Null)).await;
            assert!(end != AgentEnd::Suspended, "nobody suspended it");
        }
    }
}

//! What the tests of the sandbox share: calls and tasks for guests in WAT, and a host that answers.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::unwrap_used,
    reason = "test code of which each file uses another part"
)]

use pawl_core::plugin::Permissions;
use pawl_core::{Rank, Timestamp, call::CallRequest};
use pawl_sandbox::{AgentHost, AgentTask, CallReply, Limits, Sandbox, SandboxConfig, ToolCall};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

pub use pawl_wat::{Guest, agent, encode, text_at, tool};

pub fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig { agents_max: 8, tools_max: 8, ..SandboxConfig::default() }).unwrap()
}

pub fn call(limits: Limits) -> ToolCall {
    ToolCall {
        tool: "go".into(),
        arguments: json!({"n": 1}),
        idempotency_key: "key".into(),
        run: "run".into(),
        step: "step".into(),
        attempt: 1,
        rank: Rank::FIRST,
        deadline: None,
        now: Timestamp(1_000),
        seed: [1; 32],
        grants: Permissions::default(),
        secrets: None,
        mounts: Vec::new(),
        limits,
        progress: None,
        trace: None,
    }
}

pub fn task(grants: Permissions, limits: Limits) -> AgentTask {
    AgentTask {
        input: json!({"n": 1}),
        run: "run".into(),
        step: "step".into(),
        attempt: 1,
        rank: Rank::FIRST,
        now: Timestamp(1_000),
        seed: [1; 32],
        grants,
        limits,
        progress: None,
    }
}

/// Everything an agent can be granted.
pub fn all_grants() -> Permissions {
    Permissions {
        tools: ["orders.*".to_owned()].into(),
        http: pawl_core::plugin::Hosts::default(),
        secrets: std::collections::BTreeSet::new(),
        files: std::collections::BTreeMap::new(),
        agents: ["writer".to_owned()].into(),
        signals: ["go".to_owned()].into(),
        models: ["default".to_owned()].into(),
        human: true,
        memory: true,
        timers: true,
    }
}

/// A host that answers with what a function says and keeps what it was asked.
#[derive(Clone)]
pub struct Script {
    pub asked: Arc<Mutex<Vec<CallRequest>>>,
    answer: Arc<dyn Fn(&CallRequest) -> CallReply + Send + Sync>,
}

impl Script {
    pub fn new(answer: impl Fn(&CallRequest) -> CallReply + Send + Sync + 'static) -> Self {
        Self { asked: Arc::default(), answer: Arc::new(answer) }
    }

    pub fn asked(&self) -> Vec<CallRequest> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl AgentHost for Script {
    async fn call(&mut self, request: CallRequest) -> CallReply {
        tokio::task::yield_now().await;
        let reply = (self.answer)(&request);
        self.asked.lock().unwrap().push(request);
        reply
    }
}

/// An answer at a time.
pub fn answer(value: Value, now: u64) -> CallReply {
    CallReply::Answer { response: Ok(Arc::new(value)), now: Timestamp(now) }
}

/// `$number` ends a tool with a number of at most three digits.
pub const NUMBER: &str = "(func $number (param $n i32) (result i32) (local $at i32)
      (local.set $n (i32.add (local.get $n) (i32.const 1000)))
      (local.set $at (i32.const 3004))
      (loop $again
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (i32.store8 (local.get $at) (i32.add (i32.rem_u (local.get $n) (i32.const 10)) (i32.const 48)))
        (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
        (br_if $again (local.get $n)))
      (call $ok (i32.const 3000) (i32.const 4)))";

//! Guests for tests: the canonical ABI of both worlds around a body in WAT.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "test code of which each file uses another part"
)]

use pawl_core::plugin::Permissions;
use pawl_core::{Rank, Timestamp, call::CallRequest};
use pawl_sandbox::{AgentHost, AgentTask, CallReply, Limits, Sandbox, SandboxConfig, ToolCall};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Interfaces that pawl does not have.
const STRANGE: &str = "package acme:x@1.0.0; interface y { f: func(); }";
const WORLDS: &str = r"package test:guests;
world tool { include pawl:plugin/tool@0.1.0; import acme:x/y@1.0.0; import pawl:plugin/tools@0.1.0;
  import wasi:cli/stderr@0.2.12; import wasi:cli/environment@0.2.12; import wasi:cli/exit@0.2.12;
  import wasi:random/random@0.2.12; import wasi:clocks/wall-clock@0.2.12;
  import wasi:clocks/monotonic-clock@0.2.12; import wasi:filesystem/preopens@0.2.12;
  import wasi:sockets/instance-network@0.2.12; import wasi:sockets/ip-name-lookup@0.2.12;
  import wasi:sockets/tcp-create-socket@0.2.12; }
world agent { include pawl:plugin/agent@0.1.0; import wasi:http/outgoing-handler@0.2.12;
  import wasi:cli/stderr@0.2.12; }
world neither { import pawl:plugin/log@0.1.0; export run: func(); }";

/// Static texts of a guest live from here.
const TEXTS: usize = 4096;

/// A guest whose body varies.
#[derive(Clone)]
pub struct Guest {
    world: &'static str,
    imports: String,
    items: String,
    body: String,
    pages: u32,
    schema: String,
    names: Vec<String>,
}

fn guest(world: &'static str, body: &str) -> Guest {
    Guest {
        world,
        imports: String::new(),
        items: String::new(),
        body: body.to_owned(),
        pages: 2,
        schema: r#"{"type":"object"}"#.to_owned(),
        names: vec!["go".to_owned()],
    }
}

/// A tool plugin with one tool, `go`. The body can use `$name_ptr`, `$name_len`, `$args_ptr`, `$args_len`
/// and ends with the address of a result: `(call $ok (ptr) (len))`.
pub fn tool(body: &str) -> Guest {
    guest("tool", body)
}

/// An agent plugin. The body can use `$input_ptr` and `$input_len`.
pub fn agent(body: &str) -> Guest {
    guest("agent", body)
}

impl Guest {
    pub fn import(mut self, interface: &str, name: &str, signature: &str) -> Self {
        let id = name.replace(['[', ']', '.'], "-");
        writeln!(self.imports, "(import \"{interface}\" \"{name}\" (func ${id} {signature}))").unwrap();
        self
    }

    pub fn items(mut self, items: &str) -> Self {
        self.items.push_str(items);
        self
    }

    pub fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    pub fn schema(mut self, schema: &str) -> Self {
        schema.clone_into(&mut self.schema);
        self
    }

    pub fn names(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(ToString::to_string).collect();
        self
    }

    /// Turns the scheme of the one request into https.
    pub fn secure(&mut self) {
        let plain = "(i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))";
        let secure = "(i32.const 1) (i32.const 1) (i32.const 0) (i32.const 0)))";
        assert!(self.body.contains(plain));
        self.body = self.body.replace(plain, secure);
    }

    pub fn core(&self) -> Vec<u8> {
        let text = if self.world == "agent" { self.agent_text() } else { self.tool_text() };
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    pub fn build(&self) -> Vec<u8> {
        encode(self.core(), self.world)
    }

    fn shell(&self, data: &Data, exports: &str) -> String {
        format!(
            r#"(module $guest {imports}
  (memory (export "memory") {pages})
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32) (local $short i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.set $short (i32.sub (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
    (if (i32.gt_s (local.get $short) (i32.const 0))
      (then (if (i32.eq (memory.grow (i32.add (i32.shr_u (local.get $short) (i32.const 16)) (i32.const 1))) (i32.const -1))
              (then unreachable))))
    (local.get $at))
  {data}
  {items}
  {exports})"#,
            imports = self.imports,
            pages = self.pages,
            data = data.text,
            items = self.items
        )
    }

    fn tool_text(&self) -> String {
        let mut data = Data::default();
        let mut list = Vec::new();
        for name in &self.names {
            for text in [name.as_str(), "A tool.", &self.schema, "{}"] {
                list.extend(data.text(text));
            }
            list.extend([1, 0, 0, 0]);
        }
        let list = data.bytes(&list);
        let described = data.bytes(&pair(list, self.names.len()));
        let exports = format!(
            r#"(func $ok (param $ptr i32) (param $len i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0))
    (i32.store (i32.const 1032) (local.get $ptr)) (i32.store (i32.const 1036) (local.get $len))
    (i32.const 1024))
  (func (export "pawl:plugin/tool-guest@0.1.0#describe") (result i32) (i32.const {described}))
  (func $go (export "pawl:plugin/tool-guest@0.1.0#call")
    (param $key_ptr i32) (param $key_len i32) (param i32 i32 i32 i32 i32 i32 i64)
    (param $name_ptr i32) (param $name_len i32) (param $args_ptr i32) (param $args_len i32) (result i32)
    {body})"#,
            body = self.body
        );
        self.shell(&data, &exports)
    }

    fn agent_text(&self) -> String {
        let mut data = Data::default();
        let mut record = Vec::new();
        record.extend(data.text("An agent."));
        record.extend(pair(0, 0));
        record.extend(data.text(&self.schema));
        record.extend(data.text("{}"));
        let described = data.bytes(&record);
        let exports = format!(
            r#"(func $ok (param $ptr i32) (param $len i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0)) (i32.store8 (i32.const 1032) (i32.const 0))
    (i32.store (i32.const 1036) (local.get $ptr)) (i32.store (i32.const 1040) (local.get $len))
    (i32.const 1024))
  (func (export "pawl:plugin/agent-guest@0.1.0#describe") (result i32) (i32.const {described}))
  (func $run (export "pawl:plugin/agent-guest@0.1.0#run")
    (param i32 i32 i32 i32 i32) (param $input_ptr i32) (param $input_len i32) (result i32)
    {body})"#,
            body = self.body
        );
        self.shell(&data, &exports)
    }
}

/// A component from a core module, as wasm-component-ld makes it.
pub fn encode(mut module: Vec<u8>, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    resolve.push_dir(wit).unwrap();
    resolve.push_str("strange.wit", STRANGE).unwrap();
    let package = resolve.push_str("worlds.wit", WORLDS).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

#[derive(Default)]
struct Data {
    next: usize,
    text: String,
}

impl Data {
    fn bytes(&mut self, bytes: &[u8]) -> usize {
        let at = TEXTS + self.next;
        self.next += bytes.len().next_multiple_of(4);
        let escaped = bytes.iter().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
        writeln!(self.text, "(data (i32.const {at}) \"{escaped}\")").unwrap();
        at
    }

    fn text(&mut self, text: &str) -> Vec<u8> {
        let at = self.bytes(text.as_bytes());
        pair(at, text.len())
    }
}

fn pair(at: usize, len: usize) -> Vec<u8> {
    [u32::try_from(at).unwrap().to_le_bytes(), u32::try_from(len).unwrap().to_le_bytes()].concat()
}

/// A data segment that holds a text.
pub fn text_at(at: usize, text: &str) -> String {
    let escaped = text.bytes().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
    format!("(data (i32.const {at}) \"{escaped}\")")
}

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
        limits,
        progress: None,
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
        http: std::collections::BTreeSet::new(),
        agents: ["writer".to_owned()].into(),
        signals: ["go".to_owned()].into(),
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

//! Guests for tests: the canonical ABI of both worlds around a body in WAT.
//!
//! A guest that is written like this does what no SDK would let it do, and is a component of a few
//! kilobytes. Nothing here is shipped: what does not hold panics.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "it is for tests, and what is wrong in a guest is the test's"
)]

pub mod raw;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Interfaces that pawl does not have; the second one has as many functions as a guest wants.
fn strange(functions: usize) -> String {
    let many = (0..functions).fold(String::new(), |text, number| text + &format!(" call{number}: func();"));
    format!("package acme:x@1.0.0; interface y {{ f: func(); }} interface many {{ g: func();{many} }}")
}

const WORLDS: &str = r"package test:guests;
world tool { include pawl:plugin/tool@0.1.0; import acme:x/y@1.0.0; import acme:x/many@1.0.0; import pawl:plugin/tools@0.1.0;
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
#[derive(Debug, Clone)]
pub struct Guest {
    world: &'static str,
    imports: String,
    items: String,
    body: String,
    allocating: String,
    after_call: Option<String>,
    pages: u32,
    schema: String,
    output_schema: String,
    names: Vec<String>,
    strange: usize,
}

fn guest(world: &'static str, body: &str) -> Guest {
    Guest {
        world,
        imports: String::new(),
        items: String::new(),
        body: body.to_owned(),
        allocating: String::new(),
        after_call: None,
        pages: 2,
        schema: r#"{"type":"object"}"#.to_owned(),
        output_schema: "{}".to_owned(),
        names: vec!["go".to_owned()],
        strange: 0,
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
    /// Imports a function of an interface; the body calls it by its name, where `[`, `]` and `.` are `-`.
    #[must_use]
    pub fn import(mut self, interface: &str, name: &str, signature: &str) -> Self {
        let id = name.replace(['[', ']', '.'], "-");
        writeln!(self.imports, "(import \"{interface}\" \"{name}\" (func ${id} {signature}))").unwrap();
        self
    }

    /// Imports so many functions of an interface that pawl does not have.
    #[must_use]
    pub fn strange(mut self, functions: usize) -> Self {
        for number in 0..functions {
            writeln!(self.imports, "(import \"acme:x/many@1.0.0\" \"call{number}\" (func))").unwrap();
        }
        self.strange = functions;
        self
    }

    /// More items of the core module: functions, data, tables.
    #[must_use]
    pub fn items(mut self, items: &str) -> Self {
        self.items.push_str(items);
        self
    }

    /// Another body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// What it does first whenever the host asks it for memory, to hand something over.
    #[must_use]
    pub fn allocating(mut self, body: &str) -> Self {
        body.clone_into(&mut self.allocating);
        self
    }

    /// What it does when the host has taken its result.
    #[must_use]
    pub fn after_call(mut self, body: &str) -> Self {
        self.after_call = Some(body.to_owned());
        self
    }

    /// How many pages its memory begins with.
    #[must_use]
    pub fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// The schema of what its tools, or the agent, take.
    #[must_use]
    pub fn schema(mut self, schema: &str) -> Self {
        schema.clone_into(&mut self.schema);
        self
    }

    /// The schema of what its tools, or the agent, give.
    #[must_use]
    pub fn output_schema(mut self, schema: &str) -> Self {
        schema.clone_into(&mut self.output_schema);
        self
    }

    /// The names of its tools.
    #[must_use]
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

    /// The core module alone.
    pub fn core(&self) -> Vec<u8> {
        let text = if self.world == "agent" { self.agent_text() } else { self.tool_text() };
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The component.
    pub fn build(&self) -> Vec<u8> {
        encoded(self.core(), self.world, self.strange)
    }

    fn shell(&self, data: &Data, exports: &str) -> String {
        format!(
            r#"(module $guest {imports}
  (memory (export "memory") {pages})
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32) (local $short i32)
    {allocating}
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
  {exports}
  {after})"#,
            imports = self.imports,
            allocating = self.allocating,
            after = self.after(),
            pages = self.pages,
            data = data.text,
            items = self.items
        )
    }

    fn after(&self) -> String {
        let Some(body) = &self.after_call else { return String::new() };
        let entry = if self.world == "agent" { "agent-guest@0.1.0#run" } else { "tool-guest@0.1.0#call" };
        format!("(func (export \"cabi_post_pawl:plugin/{entry}\") (param i32) {body})")
    }

    fn tool_text(&self) -> String {
        let mut data = Data::default();
        let mut list = Vec::new();
        for name in &self.names {
            for text in [name.as_str(), "A tool.", &self.schema, &self.output_schema] {
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
        record.extend(data.text(&self.output_schema));
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

/// The WIT files. As cargo says now: a compiled-in path is that of whichever checkout filled the target folder.
fn wit() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let up = Path::new(&here).ancestors().map(|folder| folder.join("wit"));
    up.into_iter().find(|wit| wit.join("plugin.wit").exists()).unwrap()
}

/// A component from a core module, as wasm-component-ld makes it.
pub fn encode(module: Vec<u8>, world: &str) -> Vec<u8> {
    encoded(module, world, 0)
}

fn encoded(mut module: Vec<u8>, world: &str, functions: usize) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(wit()).unwrap();
    resolve.push_str("strange.wit", &strange(functions)).unwrap();
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

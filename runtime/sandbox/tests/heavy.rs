//! Components that would take much to compile: each is refused by a limit, before it has taken anything.
//!
//! One test alone in its process, so that the memory that it looks at is its own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use pawl_sandbox::Limits;
use pawl_wat::raw::{COMPONENT, COMPONENTS, MODULE, MODULES, component, data, functions, section};
use support::{call, sandbox, tool};

const ECHO: &str = "(call $ok (local.get $args_ptr) (local.get $args_len))";

/// What none of them takes longer than, in a debug build beside other tests.
const PATIENCE: Duration = Duration::from_mins(1);
/// What all of them together may add to the most memory that the process ever had, in MiB: the files
/// themselves, which are held twice while one is looked at, and what a component of that size takes.
const MEMORY_MAX_MIB: u64 = 600;

fn parsed(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Twice the component before, at each of so many levels.
fn doubled(levels: usize) -> Vec<u8> {
    let mut text = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..=levels {
        let below = level - 1;
        write!(
            text,
            "(component $c{level} (alias outer 1 $c{below} (component $below))
               (instance (instantiate $below)) (instance (instantiate $below)))"
        )
        .unwrap();
    }
    parsed(&format!("(component {text} (instance (instantiate $c{levels})))"))
}

/// Two components, of which one calls so many functions of the other, each of another type than core's.
fn adapted(functions: usize) -> Vec<u8> {
    let each = |text: &dyn Fn(usize) -> String| (0..functions).map(text).collect::<String>();
    let of = "(param \"a\" string) (result string)";
    parsed(&format!(
        r#"(component
  (component $called
    (core module $m (memory (export "m") 1) (func (export "r") (param i32 i32 i32 i32) (result i32) unreachable) {code})
    (core instance $i (instantiate $m))
    (alias core export $i "m" (core memory $mem)) (alias core export $i "r" (core func $r))
    {lifts})
  (component $caller
    {imports}
    (core module $m (memory (export "m") 1) (func (export "r") (param i32 i32 i32 i32) (result i32) unreachable))
    (core instance $i (instantiate $m))
    (alias core export $i "m" (core memory $mem)) (alias core export $i "r" (core func $r))
    {lowers}
    (core module $use {uses})
    (core instance (instantiate $use (with "x" (instance {given})))))
  (instance $called (instantiate $called))
  (instance (instantiate $caller {with})))"#,
        code = each(&|k| format!(r#"(func (export "f{k}") (param i32 i32) (result i32) unreachable)"#)),
        lifts = each(&|k| format!(
            r#"(alias core export $i "f{k}" (core func $f{k}))
               (func (export "f{k}") {of} (canon lift (core func $f{k}) (memory $mem) (realloc $r)))"#
        )),
        imports = each(&|k| format!(r#"(import "f{k}" (func $f{k} {of}))"#)),
        lowers =
            each(&|k| format!("(core func $l{k} (canon lower (func $f{k}) (memory $mem) (realloc $r)))")),
        uses = each(&|k| format!(r#"(import "x" "f{k}" (func (param i32 i32 i32)))"#)),
        given = each(&|k| format!(r#"(export "f{k}" (func $l{k}))"#)),
        with = each(&|k| format!(r#"(with "f{k}" (func $called "f{k}"))"#)),
    ))
}

/// One of the figures that the system keeps of this process, in MiB.
#[cfg(target_os = "linux")]
fn memory_peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

#[tokio::test]
async fn what_would_take_too_much_is_refused_before_it_does() {
    let sandbox = sandbox();
    // As much as anything that is right takes, first.
    let plugin = sandbox.load(&tool(ECHO).build()).await.unwrap();
    #[cfg(target_os = "linux")]
    let before = memory_peak_mib();
    let nested = (0..300).fold(COMPONENT.to_vec(), |within, _| component(COMPONENTS, &[within]));
    let given = "(component (component (import \"c\" (component $c)) (instance (instantiate $c))))";
    let cases: [(&str, Vec<u8>, &str); 9] = [
        (
            "fifty megabytes of functions",
            component(MODULES, &[functions(1_000_000, 48)]),
            "component_max_weight (67108864)",
        ),
        (
            "fifty megabytes of empty functions",
            component(MODULES, &vec![functions(900_000, 0); 12]),
            "component_max_weight (67108864)",
        ),
        (
            "more than sixty-four megabytes",
            component(MODULES, &[data(65 << 20)]),
            "component_max_bytes (67108864)",
        ),
        ("thousands of modules", component(MODULES, &vec![MODULE.to_vec(); 900]), "PARTS_MAX (256)"),
        ("thousands of components", component(COMPONENTS, &vec![COMPONENT.to_vec(); 900]), "PARTS_MAX (256)"),
        ("components within each other", nested, "PARTS_MAX (256)"),
        ("a thousand million instances", doubled(30), "component_max_weight (67108864)"),
        ("ten thousand calls of each other", adapted(9_000), "component_max_weight (67108864)"),
        ("who knows what", parsed(given), "instantiates one that it is given"),
    ];
    for (name, bytes, said) in cases {
        let begun = Instant::now();
        let error = sandbox.load(&bytes).await.unwrap_err().to_string();
        assert!(error.contains(said), "{name}: '{said}' is not in: {error}");
        assert!(begun.elapsed() < PATIENCE, "{name}: {:?}", begun.elapsed());
    }
    // What is large and simple is taken, and can be called.
    for (name, more) in [("data", component(MODULES, &[data(50 << 20)])), ("adapters", adapted(20))] {
        let whole = [tool(ECHO).build(), section(COMPONENTS, &more)].concat();
        let large = sandbox.load(&whole).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(sandbox.call_tool(&large, call(Limits::default())).await.result.is_ok(), "{name}");
    }
    #[cfg(target_os = "linux")]
    {
        let more = memory_peak_mib() - before;
        assert!(more < MEMORY_MAX_MIB, "{more} MiB more");
    }
    assert!(sandbox.call_tool(&plugin, call(Limits::default())).await.result.is_ok());
}

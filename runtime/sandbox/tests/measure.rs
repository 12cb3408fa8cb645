#![allow(clippy::all, clippy::pedantic, unused)]
#[path = "support/binary.rs"]
mod binary;
use binary::*;
use pawl_sandbox::*;
use std::time::Instant;

fn peak() -> u64 {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    s.lines()
        .find(|l| l.starts_with("VmHWM"))
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}
fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig { agents_max: 8, tools_max: 8, ..SandboxConfig::default() }).unwrap()
}

fn tiny(n: usize) -> Vec<u8> {
    component(&[module(&[signature(0, 0)], &vec![(0, 0, vec![]); n])])
}
fn straight(n: usize, funcs: usize) -> Vec<u8> {
    // i32.const 1; i32.const 2; i32.add; drop -- with loads
    let code = [0x41, 1, 0x41, 2, 0x6c, 0x1a].repeat(n);
    component(&[module(&[signature(0, 0)], &vec![(0, 0, code); funcs])])
}
fn loops(depth: usize, locals: usize) -> Vec<u8> {
    let mut code = [0x03, 0x40].repeat(depth);
    for l in 0..locals {
        code.push(0x20);
        code.extend(leb(l));
        code.extend([0x41, 1, 0x6a]);
        code.push(0x21);
        code.extend(leb(l));
    }
    // br_if to each loop
    for _ in 0..depth {
        code.extend([0x20, 0, 0x0d, 0, 0x0b]);
    }
    component(&[module(&[signature(0, 0)], &[(0, locals, code)])])
}
fn calls(n: usize, arity: usize) -> Vec<u8> {
    let mut code = [0x41, 0].repeat(arity);
    code.extend([0x10, 0].repeat(n));
    code.extend([0x1a].repeat(arity));
    component(&[module(
        &[signature(arity, arity), signature(0, 0)],
        &[(0, 0, [0x20, 0].repeat(arity)), (1, 0, code)],
    )])
}
fn branches(n: usize, arity: usize) -> Vec<u8> {
    // block type 1 (arity->arity): push arity; n x (i32.const 0; br_if 0)
    let mut code = vec![0x02, 1];
    code.extend([0x41, 0].repeat(arity));
    code.extend([0x41, 0, 0x0d, 0].repeat(n));
    code.push(0x0b);
    code.extend([0x1a].repeat(arity));
    component(&[module(&[signature(0, 0), signature(0, arity)], &[(0, 0, code)])])
}
fn tables(n: usize) -> Vec<u8> {
    let mut code = vec![0x02, 0x40, 0x41, 0, 0x0e];
    code.extend(leb(n));
    code.extend(vec![0u8; n + 1]);
    code.push(0x0b);
    component(&[module(&[signature(0, 0)], &[(0, 0, code)])])
}
fn floats(n: usize, funcs: usize) -> Vec<u8> {
    // local f64? use f32.const then f32.sqrt repeated: 1-byte ops with nan canon
    let mut code = vec![0x43, 0, 0, 0x80, 0x3f];
    code.extend(vec![0x91; n]);
    code.push(0x1a);
    component(&[module(&[signature(0, 0)], &vec![(0, 0, code); funcs])])
}

#[test]
fn measure() {
    let which = std::env::var("W").unwrap_or_default();
    let p: Vec<usize> =
        std::env::var("P").unwrap_or_default().split(',').filter_map(|x| x.parse().ok()).collect();
    let bytes = match which.as_str() {
        "tiny" => tiny(p[0]),
        "straight" => straight(p[0], p[1]),
        "loops" => loops(p[0], p[1]),
        "calls" => calls(p[0], p[1]),
        "branches" => branches(p[0], p[1]),
        "tables" => tables(p[0]),
        "blocks" => blocks(p[0], p[1]),
        "adds" => adds(p[0], p[1]),
        "floats" => floats(p[0], p[1]),
        "file" => std::fs::read(std::env::var("F").unwrap()).unwrap(),
        _ => return,
    };
    let s = sandbox();
    let before = peak();
    let t = Instant::now();
    let rt = tokio::runtime::Runtime::new().unwrap();
    let r = rt.block_on(s.load(&bytes));
    println!(
        "{which} {p:?}: {} bytes {:.2} s, {} -> {} MiB {}",
        bytes.len(),
        t.elapsed().as_secs_f64(),
        before,
        peak(),
        r.err().map(|e| e.to_string()).unwrap_or_default().chars().take(150).collect::<String>()
    );
}
pub fn blocks(depth: usize, locals: usize) -> Vec<u8> {
    let mut code = [0x02, 0x40].repeat(depth);
    for d in 0..depth {
        code.push(0x20);
        code.push(0);
        code.push(0x0d);
        code.extend(leb(d));
    }
    for l in 0..locals {
        code.push(0x20);
        code.extend(leb(l));
        code.extend([0x41, 1, 0x6a]);
        code.push(0x21);
        code.extend(leb(l));
    }
    code.extend(vec![0x0b; depth]);
    for l in 0..locals {
        code.push(0x20);
        code.extend(leb(l));
        code.extend([0x41, 1, 0x6a]);
        code.push(0x21);
        code.extend(leb(l));
    }
    component(&[module(&[signature(0, 0)], &[(0, locals, code)])])
}
pub fn adds(n: usize, funcs: usize) -> Vec<u8> {
    let code = [0x20, 0, 0x20, 1, 0x6a, 0x21, 0, 0x20, 0, 0x20, 1, 0x6c, 0x21, 1].repeat(n);
    component(&[module(&[signature(0, 1)], &vec![(0, 2, [code, vec![0x20, 0]].concat()); funcs])])
}

//! Folders of tools: those that were granted, in the way they were, and nothing around them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::os::unix::fs::symlink;
use std::path::Path;

use pawl_core::FailureKind;
use pawl_core::plugin::{FolderMode, Mount};
use pawl_sandbox::{Limits, ToolEnd};
use serde_json::json;
use support::{Guest, NUMBER, call, sandbox, tool};

const TYPES: &str = "wasi:filesystem/types@0.2.12";
const OPENED: u64 = 1_200;
/// The guest has no folder at all.
const NONE: u64 = 1_999;
/// `error-code`: what WASI says where something leads out, or is not to be changed.
const NOT_PERMITTED: u64 = 1_000 + 31;
const NO_ENTRY: u64 = 1_000 + 20;

/// Opens the path in its arguments in its first folder. Its result is 1200, or 1000 and the number of the error.
fn opener(open_flags: u32, flags: u32) -> Guest {
    let body = format!(
        "(call $get-directories (i32.const 2000))
      (if (i32.eqz (i32.load (i32.const 2004))) (then (return (call $number (i32.const 999)))))
      (call $-method-descriptor-open-at (i32.load (i32.load (i32.const 2000))) (i32.const 1)
        (i32.add (local.get $args_ptr) (i32.const 1)) (i32.sub (local.get $args_len) (i32.const 2))
        (i32.const {open_flags}) (i32.const {flags}) (i32.const 2100))
      (if (i32.load8_u (i32.const 2100)) (then (return (call $number (i32.load8_u (i32.const 2104))))))
      (call $number (i32.const 200))"
    );
    tool(&body)
        .items(NUMBER)
        .import("wasi:filesystem/preopens@0.2.12", "get-directories", "(param i32)")
        .import(TYPES, "[method]descriptor.open-at", "(param i32 i32 i32 i32 i32 i32 i32)")
}

fn mount(root: &Path, below: &str, mode: FolderMode) -> Mount {
    Mount { name: "./data".into(), root: root.display().to_string(), below: below.into(), mode }
}

async fn opens(guest: &Guest, mounts: Vec<Mount>, path: &str) -> ToolEnd {
    let sandbox = sandbox();
    let plugin = sandbox.load(&guest.build()).await.unwrap();
    let mut call = call(Limits::default());
    call.mounts = mounts;
    call.arguments = json!(path);
    sandbox.call_tool(&plugin, call).await
}

#[tokio::test]
async fn a_tool_reads_within_its_folder_and_nowhere_else() {
    let around = tempfile::tempdir().unwrap();
    let root = around.path().join("root");
    std::fs::create_dir_all(root.join("data/deep")).unwrap();
    for file in ["secret", "root/secret", "root/data/in", "root/data/deep/in"] {
        std::fs::write(around.path().join(file), "text").unwrap();
    }
    symlink("../secret", root.join("data/out")).unwrap();
    symlink(around.path().join("secret"), root.join("data/far")).unwrap();
    symlink("deep/in", root.join("data/near")).unwrap();
    let guest = opener(0, 1);
    let cases = [
        ("in", OPENED),
        ("deep/../in", OPENED),
        ("near", OPENED),
        ("none", NO_ENTRY),
        ("../secret", NOT_PERMITTED),
        ("deep/../../secret", NOT_PERMITTED),
        ("/etc/passwd", NOT_PERMITTED),
        ("out", NOT_PERMITTED),
        ("far", NOT_PERMITTED),
    ];
    for (path, code) in cases {
        let end = opens(&guest, vec![mount(&root, "data", FolderMode::Read)], path).await;
        assert_eq!(end.result, Ok(json!(code)), "{path}: {:?}", end.log);
    }
    let end = opens(&guest, Vec::new(), "in").await;
    assert_eq!(end.result, Ok(json!(NONE)));
}

#[tokio::test]
async fn a_folder_to_read_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in"), "text").unwrap();
    let changing = opener(1 | 8, 2);
    for path in ["in", "new"] {
        let end = opens(&changing, vec![mount(folder.path(), "", FolderMode::Read)], path).await;
        let code = end.result.unwrap().as_u64().unwrap();
        assert!(code != OPENED && code != NONE, "{path}: {code}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("in")).unwrap(), "text");
    assert!(!folder.path().join("new").exists());
    let end = opens(&changing, vec![mount(folder.path(), "", FolderMode::Write)], "new").await;
    assert_eq!(end.result, Ok(json!(OPENED)));
    assert!(folder.path().join("new").exists());
}

#[tokio::test]
async fn a_link_in_place_of_the_folder_is_denied_before_the_guest_runs() {
    let around = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(around.path().join("root")).unwrap();
    std::fs::create_dir(around.path().join("elsewhere")).unwrap();
    let root = around.path().join("root");
    symlink("../elsewhere", root.join("data")).unwrap();
    let end = opens(&opener(0, 1), vec![mount(&root, "data", FolderMode::Read)], "in").await;
    let failure = end.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.message.contains("a link leads out of"), "{failure}");
}

//! `pawl store`: looking after the store.

use std::fs;
use std::path::Path;

use pawl_store::lmdb::LmdbStore;
use pawl_store::maintain::{EngineKind, Maintain, RowChange, Table, Walk, open};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::home::{Home, PAUSE, Said, same, workflow};

/// Runs that are over, and one that asks.
fn filled(store: &str) -> Home {
    let home = Home::new();
    for _ in 0..3 {
        let said = home.pawl(&["--store", store, "run", &workflow("hello.yaml")]);
        assert_eq!(said.code, Some(0), "{}", said.show());
    }
    let inputs = workflow("inputs/refund.json");
    let said = home.pawl(&["--store", store, "run", &workflow("refund.yaml"), "--input-file", &inputs]);
    assert_eq!(said.code, Some(3), "{}", said.show());
    home
}

fn change(home: &Home, act: impl AsyncFnOnce(&dyn Maintain)) {
    let store = open(EngineKind::Lmdb, &home.path("data")).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(act(&*store));
}

#[test]
fn figures_are_shown_directly_and_through_the_process_that_holds_the_folder() {
    let home = filled("lmdb:");
    let said = home.pawl(&["store", "stats"]);
    let lines: Vec<_> = said.stdout.lines().collect();
    assert_eq!(lines[0], "store    lmdb format 5 in data", "{}", said.show());
    assert!(lines[1].starts_with("on disk  "), "{}", said.show());
    assert_eq!(lines[2], "runs     4: 1 waiting, 3 completed");
    assert!(said.stdout.contains("\nTABLE          ROWS  KEYS AND VALUES\n"), "{}", said.show());
    let figures = home.json(&["store", "stats"]);
    assert_eq!((&figures["holder"], &figures["runs"]["completed"]), (&Value::Null, &3.into()));
    let rows = |figures: &Value, name: &str| {
        let tables = figures["tables"].as_array().unwrap();
        tables.iter().find(|table| table["table"] == name).unwrap()["rows"].as_u64().unwrap()
    };
    assert_eq!((rows(&figures, "runs"), rows(&figures, "approvals")), (4, 1));
    assert!(figures["events"].as_u64().unwrap() > rows(&figures, "journal"));
    assert!(figures["bytes"].as_u64().unwrap() > 4_096);
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    let held = home.json(&["store", "stats"]);
    assert_eq!((&held["holder"], rows(&held, "runs")), (&holder.child.id().into(), 5));
}

#[test]
fn where_there_is_no_store_none_is_made() {
    let home = Home::new();
    for command in ["stats", "rebuild", "compact"] {
        let said = home.pawl(&["store", command]);
        assert_eq!(said.code, Some(4), "{}", said.show());
        assert!(said.stderr.contains("there is no store in data of the engine lmdb"), "{}", said.show());
    }
    assert!(!home.path("data/lmdb").exists());
    same!("store_copy_of_none", home.pawl(&["store", "copy", "lmdb:nowhere", "sled:there"]));
    assert!(!home.path("there/sled").exists() && !home.path("nowhere").exists());
    same!("store_copy_without_path", home.pawl(&["store", "copy", "lmdb:", "sled:there"]));
}

#[test]
fn what_needs_the_store_for_itself_is_refused_while_another_process_holds_it() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let _holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    for command in [
        &["store", "rebuild"][..],
        &["store", "compact"],
        &["store", "copy", "lmdb:data", "sled:there"],
        &["store", "salvage", "lmdb:data", "lmdb:there"],
    ] {
        same!("store_held", home.pawl(command));
    }
    assert!(!home.path("there/sled").exists() && !home.path("there/lmdb").exists());
}

#[test]
fn a_rebuild_says_what_was_not_as_the_journals_have_it() {
    let home = filled("lmdb:");
    same!("store_rebuild_same", home.pawl(&["store", "rebuild"]));
    change(&home, async |store| {
        let mut changes = Vec::new();
        for (table, value) in
            [(Table::Runs, Some(b"no header".to_vec())), (Table::Statuses, None), (Table::Approvals, None)]
        {
            let row = Walk::new(store, table).next().await.unwrap().unwrap();
            changes.push(RowChange { table, key: row.key, value });
        }
        changes.push(RowChange { table: Table::Due, key: vec![0; 24], value: Some(Vec::new()) });
        store.change(changes).await.unwrap();
    });
    assert_eq!(home.pawl(&["runs"]).code, Some(4));
    same!("store_rebuild", home.pawl(&["store", "rebuild"]));
    let again = home.json(&["store", "rebuild"]);
    assert_eq!((&again["ok"], &again["different"]), (&true.into(), &0.into()));
    assert_eq!(home.pawl(&["verify"]).code, Some(0));
    assert_eq!(home.pawl(&["approve", &home.approval(), "--data", "note=ok"]).code, Some(0));
}

#[test]
fn a_copy_holds_the_same_runs_and_takes_the_place_of_nothing() {
    let home = filled("lmdb:");
    let said = home.pawl(&["store", "copy", "lmdb:data", "sled:there"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    assert!(said.stdout.starts_with("lmdb:data is in sled:there as well: "), "{}", said.show());
    let shown = |store: &str| home.json(&["--store", store, "runs"]);
    assert_eq!(shown("sled:there"), shown("lmdb:data"));
    assert_eq!(home.pawl(&["--store", "sled:there", "verify"]).code, Some(0));
    same!("store_copy_onto_one", home.pawl(&["store", "copy", "lmdb:data", "lmdb:there"]));
    // And back, to a third.
    assert_eq!(home.pawl(&["store", "copy", "sled:there", "lmdb:third"]).code, Some(0));
    assert_eq!(shown("lmdb:third"), shown("lmdb:data"));
}

/// At whatever moment it is killed, a store stands there with all that was in it.
#[test]
fn a_compaction_that_is_killed_leaves_a_store_that_opens() {
    for store in ["lmdb:", "sled:"] {
        let home = filled(store);
        let before = home.json(&["--store", store, "runs"]);
        let started = std::time::Instant::now();
        assert_eq!(home.pawl(&["--store", store, "store", "compact"]).code, Some(0));
        let mut whole = started.elapsed();
        let mut killed = 0;
        for part in 0..24 {
            let mut child = home.command(&["--store", store, "store", "compact"]).spawn().unwrap();
            // At a moment of its own, which is what is tested.
            std::thread::sleep(whole.mul_f64(f64::from(part % 12) / 12.0));
            let _ = kill_process(Pid::from_child(&child), Signal::KILL);
            let in_time = child.wait().unwrap().code().is_none();
            killed += usize::from(in_time);
            // It goes quicker than it did at first, so the moments come sooner.
            whole = if in_time { whole } else { whole.mul_f64(0.8) };
            assert_eq!(home.json(&["--store", store, "runs"]), before);
        }
        assert!(killed > 6, "{killed} of 24 were killed in time, of {whole:?}");
        assert_eq!(home.pawl(&["--store", store, "verify"]).code, Some(0));
        assert_eq!(home.pawl(&["--store", store, "store", "compact"]).code, Some(0));
        let folder = home.path("data");
        assert!(!folder.join("lmdb.new").exists() && !folder.join("sled.new").exists());
    }
}

#[test]
fn a_store_is_smaller_after_runs_were_removed_and_it_was_compacted() {
    let home = filled("lmdb:");
    let large = "x".repeat(100_000);
    for number in 0..5 {
        let said = home.pawl(&["run", &workflow("hello.yaml"), "--input", &format!("name={number}{large}")]);
        assert_eq!(said.code, Some(0), "{}", said.show());
    }
    let bytes = || fs::metadata(home.path("data/lmdb/data.mdb")).unwrap().len();
    let before = bytes();
    same!("store_prune", home.pawl(&["store", "prune", "--keep", "1"]));
    assert_eq!(home.json(&["runs"]).as_array().unwrap().len(), 2);
    let compacted = home.json(&["store", "compact"]);
    assert_eq!((compacted["before"].as_u64(), compacted["after"].as_u64()), (Some(before), Some(bytes())));
    assert!(bytes() < before, "{} of {before}", bytes());
    assert_eq!(home.pawl(&["verify"]).code, Some(0));
    // What asks is still there, and goes on.
    assert_eq!(home.pawl(&["approve", &home.approval(), "--data", "note=ok"]).code, Some(0));
}

#[test]
fn runs_are_removed_through_the_process_that_holds_the_folder() {
    let home = filled("lmdb:");
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    let pruned = home.json(&["store", "prune", "--older-than", "1d"]);
    assert_eq!(pruned["runs"], 0, "{pruned}");
    let pruned = home.json(&["store", "prune", "--older-than", "0s", "--keep", "1"]);
    assert_eq!((&pruned["runs"], &pruned["needed"]), (&2.into(), &0.into()), "{pruned}");
    assert_eq!(home.json(&["runs"]).as_array().unwrap().len(), 3);
    holder.signal(Signal::INT);
    assert_eq!(holder.said().code, Some(130));
    same!("store_prune_misread", home.pawl(&["store", "prune", "--older-than", "a month"]));
    let said =
        home.command(&["run", &workflow("hello.yaml")]).env("PAWL_KEEP_RUNS", "many").output().unwrap();
    same!("store_keep_misread", Said::from(said));
}

#[test]
fn journals_are_exported_an_event_a_line() {
    let home = filled("lmdb:");
    let all = home.pawl(&["store", "export"]);
    assert_eq!(all.code, Some(0), "{}", all.show());
    let lines: Vec<Value> = all.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events = home.json(&["store", "stats"])["events"].as_u64().unwrap();
    assert_eq!(lines.len() as u64, events);
    // The newest run first, and of each what `events` shows, with its run.
    let run = home.newest();
    let shown = home.json(&["events", &run]);
    let exported: Vec<Value> = lines.iter().filter(|line| line["run"] == *run).cloned().collect();
    assert_eq!(lines[..exported.len()], exported);
    for (line, event) in exported.iter().zip(shown.as_array().unwrap()) {
        let mut line = line.clone();
        line.as_object_mut().unwrap().remove("run");
        assert_eq!(line, *event);
    }
    let one = home.pawl(&["store", "export", "--run", &run, "--json"]);
    assert_eq!(one.stdout.lines().count(), exported.len());
    assert_eq!(home.pawl(&["store", "export", "--run", "ffffffff"]).code, Some(2));
}

#[test]
fn a_damaged_store_is_named_and_what_is_whole_of_it_is_saved() {
    let home = filled("lmdb:");
    same!("store_salvage_whole", home.pawl(&["store", "salvage", "lmdb:data", "sled:whole"]));
    // The first page of both that say where everything is.
    let data = home.path("data/lmdb/data.mdb");
    let whole = fs::read(&data).unwrap();
    let mut bytes = whole.clone();
    bytes[..200].fill(0xff);
    bytes[4_096..4_296].fill(0xff);
    fs::write(&data, &bytes).unwrap();
    same!("store_damaged", home.pawl(&["runs"]));
    same!("store_salvage_nothing", home.pawl(&["store", "salvage", "lmdb:data", "lmdb:there"]));
    // A record in the middle of a run.
    fs::write(&data, &whole).unwrap();
    let run = home.newest();
    spoil(&home.path("data"), &run);
    let said = home.pawl(&["store", "salvage", "lmdb:data", "lmdb:saved"]);
    assert_eq!(said.code, Some(1), "{}", said.show());
    assert!(said.stdout.contains(&format!("lost  run {run}: ")), "{}", said.show());
    let runs = home.json(&["--store", "lmdb:saved", "runs"]);
    assert!(runs.as_array().unwrap().len() >= 3, "{runs}");
    assert_eq!(home.pawl(&["--store", "lmdb:saved", "verify"]).code, Some(0));
}

/// Breaks the last record of a run.
fn spoil(data: &Path, run: &str) {
    let run: pawl_core::RunId = run.parse().unwrap();
    let store = LmdbStore::open(data, pawl_store::lmdb::LmdbOptions::default()).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut walk = Walk::new(&store, Table::Journal);
        let mut last = None;
        while let Some(row) = walk.next().await.unwrap() {
            if row.key.starts_with(run.as_bytes()) {
                last = Some(row);
            }
        }
        let row = last.unwrap();
        let mut value = row.value;
        let prev = value.windows(4).position(|at| at == b"prev").unwrap();
        value[prev + 10] ^= 1;
        store
            .change(vec![RowChange { table: Table::Journal, key: row.key, value: Some(value) }])
            .await
            .unwrap();
    });
}

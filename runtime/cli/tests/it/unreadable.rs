//! A run that cannot be read here: its journal has a newer format.

use pawl_core::view::{RunHeader, Status};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::{Batch, RunCommit, Store};
use rustix::process::Signal;

use crate::home::{Home, PAUSE, Said, in_seconds, same};

/// Puts a run into the data folder that a newer pawl has under way; gives its id.
fn newer(home: &Home) -> String {
    let journals = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/journals/v1");
    let header = std::fs::read(format!("{journals}/cancelled.json")).unwrap();
    let header: RunHeader = serde_json::from_slice(&header).unwrap();
    let mut bytes = &std::fs::read(format!("{journals}/cancelled.msgpack")).unwrap()[..];
    let mut events = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (record, rest) = rest.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
        let mut record = record.to_vec();
        // The envelope's first field: a map of five, the key `v`, the number 1.
        assert!(record.starts_with(&[0x85, 0xa1, b'v', 1]));
        record[3] = 2;
        events.push(record);
        bytes = rest;
    }
    let run = header.id;
    let header = Some(RunHeader { status: Status::Running, ..header });
    let commit = RunCommit { header, ..RunCommit::new(run, 0, events) };
    let store = LmdbStore::open(&home.path("data"), LmdbOptions::default()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(store.commit(&Batch { runs: vec![commit], ..Batch::default() })).unwrap();
    run.to_string()
}

/// Without what the engine logs by itself, sooner or later than what the command says.
fn unlogged(said: Said) -> Said {
    let lines = said.stderr.split_inclusive('\n').filter(|line| !line.starts_with("ERROR "));
    Said { stderr: lines.collect(), ..said }
}

#[test]
fn a_run_of_a_newer_pawl_is_refused_by_name_and_the_command_ends() {
    let home = Home::new();
    let run = newer(&home);
    same!("unreadable_show", unlogged(home.pawl(&["show", &run])));
    same!("unreadable_resume", unlogged(home.pawl(&["resume", &run])));
    same!("unreadable_resume_all", unlogged(home.pawl(&["resume"])));
    same!("unreadable_verify", unlogged(home.pawl(&["verify"])));
}

#[test]
fn a_run_that_cannot_be_read_keeps_no_other_from_going_on() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    for json in [false, true] {
        let input = format!("until={}", in_seconds(4));
        let holder = home.holder(&["run", "pause.yaml", "--input", &input], "pause        wait");
        holder.signal(Signal::KILL);
        holder.said();
        if !json {
            newer(&home);
        }
        let said = home.pawl(&["resume", "--json"][..=usize::from(json)]);
        assert_eq!(said.code, Some(1), "{}", said.show());
        let all = "1 completed, 0 wait for a person, 0 failed or cancelled, 1 cannot go on";
        assert!(said.stderr.contains(all), "{}", said.show());
        assert!(said.stderr.contains("hint: use the newer pawl that wrote it"), "{}", said.show());
        if json {
            let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
            let faults: Vec<_> =
                document.as_array().unwrap().iter().map(|run| &run["fault"]["kind"]).collect();
            assert_eq!(faults, [&serde_json::Value::Null, &"failed".into()], "{document}");
        }
    }
}

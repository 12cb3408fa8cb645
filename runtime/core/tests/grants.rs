//! What a step has of what its workflow grants: bounded by the operator, by what was allowed, and by the steps around.

use std::collections::BTreeMap;
use std::sync::Arc;

use pawl_core::budget::Amounts;
use pawl_core::event::{Actor, Event, RunStarted};
use pawl_core::guard::Policy;
use pawl_core::plugin::{Ceiling, FolderMode, Hosts, Permissions};
use pawl_core::{Digest, Namespace, RunId, RunState, Timestamp};
use serde_json::json;

use FolderMode::{Read, Write};

fn hosts(all: &[&str]) -> Hosts {
    all.iter().map(|host| host.parse::<Hosts>().expect("a host")).collect()
}

fn started(folder: Option<&str>, allowed: Permissions, policy: Policy) -> RunState {
    let started = RunStarted {
        workflow: "w".into(),
        version: "1.0.0".into(),
        definition: Digest::of(b""),
        inputs: json!({}).into(),
        plugins: Arc::default(),
        allowed,
        by: Actor { name: "user:ann".into(), groups: vec![], operator: true, via: "test".into() },
        seed: Digest::of(b"seed"),
        folder: folder.map(str::to_owned),
        namespace: Namespace::default(),
        ancestor: None,
        policy,
        workflows: BTreeMap::default(),
        priority: None,
        allowance: Amounts::default(),
        prices: BTreeMap::default(),
        parent: None,
        trace: None,
    };
    // As a journal holds it.
    let event = Event::RunStarted(Box::new(started));
    let event: Event = serde_json::from_value(serde_json::to_value(&event).expect("JSON")).expect("an event");
    let mut state = RunState::new(RunId::from_bytes([1; 16]));
    state.apply(Timestamp(1), &event);
    state
}

fn files(all: &[(&str, FolderMode)]) -> std::collections::BTreeMap<String, FolderMode> {
    all.iter().map(|(path, mode)| ((*path).to_owned(), *mode)).collect()
}

#[test]
fn methods_and_secrets_are_what_everybody_grants() {
    let policy = Policy {
        grants: Ceiling {
            http: Some(hosts(&["a.test=GET,POST,PUT", "b.test"])),
            secrets: Some(["one".to_owned(), "two".to_owned()].into()),
            ..Ceiling::default()
        },
        around: Ceiling {
            http: Some(hosts(&["a.test=GET,PUT", "b.test=HEAD"])),
            secrets: Some(["two".to_owned()].into()),
            ..Ceiling::default()
        },
        ..Policy::default()
    };
    let allowed = Permissions { http: hosts(&["a.test:443", "b.test"]), ..Permissions::default() };
    let state = started(None, allowed, policy);
    let secrets = ["one".to_owned(), "two".to_owned(), "three".to_owned()].into();
    let declared = Permissions {
        http: hosts(&["a.test", "b.test=GET,HEAD", "c.test"]),
        secrets,
        ..Permissions::default()
    };
    let granted = state.granted(&declared);
    assert_eq!(granted.http, hosts(&["a.test:443=GET,PUT", "b.test=HEAD"]));
    assert_eq!(granted.secrets, ["two".to_owned()].into());
}

#[test]
fn folders_lie_within_the_operators_and_within_what_the_steps_around_grant() {
    let operators = Policy { files: files(&[("/srv", Read), ("/srv/out", Write)]), ..Policy::default() };
    let declared = Permissions {
        files: files(&[
            ("./data", Write),
            ("../out/x", Write),
            ("../out/../../etc", Read),
            ("/srvx", Read),
            ("/srv", Read),
        ]),
        ..Permissions::default()
    };
    let told = |state: &RunState| {
        let mounts = state.mounts(&declared);
        mounts
            .iter()
            .map(|mount| format!("{} {} + {} {}", mount.name, mount.root, mount.below, mount.mode.name()))
            .collect::<Vec<_>>()
    };
    let state = started(Some("/srv/w"), Permissions::default(), operators.clone());
    assert_eq!(
        told(&state),
        ["../out/x /srv/out + x write", "./data /srv + w/data read", "/srv /srv +  read"]
    );
    // A run that a step of another workflow started has no more than that step.
    let around = Ceiling {
        files: Some(files(&[("/srv/out", Read), ("/srv/w/data/deep", Write)])),
        ..Ceiling::default()
    };
    let state = started(Some("/srv/w"), Permissions::default(), Policy { around, ..operators.clone() });
    assert_eq!(told(&state), ["../out/x /srv/out + x read"]);
    // Nothing of the operator's, or no known folder: nothing at all.
    assert_eq!(told(&started(Some("/srv/w"), Permissions::default(), Policy::default())), [""; 0]);
    assert_eq!(told(&started(None, Permissions::default(), operators)), [""; 0]);
}

#[test]
fn what_a_step_lets_another_workflow_have_is_where_its_own_files_are() {
    let step = Permissions { files: files(&[("./data", Read)]), ..Permissions::default() };
    let ceiling = Ceiling::of(&step);
    let around = ceiling.based(Some("/one"));
    let other = Permissions {
        files: files(&[("./data", Read), ("/one/data/x", Read), ("/one/data", Write)]),
        ..Permissions::default()
    };
    let withheld = around.withholds(&other.based(Some("/two")));
    assert_eq!(withheld, ["files: /one/data (write)", "files: /two/data (read)"]);
    assert_eq!(
        ceiling.based(None).withholds(&other.based(Some("/one"))).len(),
        2,
        "no folder is known: nothing"
    );
}

/// All that stays inside a run.
fn inside() -> Permissions {
    Permissions {
        signals: ["go".to_owned(), "stop".to_owned()].into(),
        human: true,
        memory: true,
        timers: true,
        ..Permissions::default()
    }
}

#[test]
fn what_stays_inside_a_run_is_narrowed_by_the_operator_and_by_the_steps_around() {
    let only = |granted: Permissions| Ceiling::of(&granted);
    let some = Permissions { signals: ["go".to_owned()].into(), human: true, ..Permissions::default() };
    let other = Permissions { signals: ["go".to_owned()].into(), timers: true, ..Permissions::default() };
    let go = Permissions { signals: ["go".to_owned()].into(), ..Permissions::default() };
    let open = Ceiling::default;
    for (grants, around, left) in [
        (open(), open(), inside()),
        (only(inside()), only(inside()), inside()),
        (only(some.clone()), open(), some.clone()),
        (open(), only(some.clone()), some.clone()),
        (only(some.clone()), only(other.clone()), go.clone()),
        (open(), only(some.clone()).within(&only(other.clone())), go),
        (open(), only(Permissions::default()), Permissions::default()),
    ] {
        let policy = Policy { grants, around, ..Policy::default() };
        let state = started(None, Permissions::default(), policy.clone());
        assert_eq!(state.granted(&inside()), left, "{policy:?}");
        assert_eq!(policy.withheld(&inside()).is_none(), left == inside(), "{policy:?}");
    }
}

#[test]
fn who_withholds_is_told() {
    let grants = Ceiling { human: Some(false), memory: Some([].into()), ..Ceiling::default() };
    let around =
        Ceiling { signals: Some(["go".to_owned()].into()), timers: Some(false), ..Ceiling::default() };
    let policy = Policy { grants, around, ..Policy::default() };
    assert_eq!(
        policy.withheld(&inside()).expect("some of it"),
        "human, memory: pawl.yaml does not have it under `grants`; signals: stop, timers: a step of another \
         workflow that led to the run does not have it"
    );
    assert_eq!(policy.withheld(&Permissions::default()), None);
}

#[test]
fn a_bound_that_an_older_pawl_wrote_bounds_what_it_knew() {
    let old = r#"{"tools":["a.b"],"http":[],"secrets":[],"files":{},"agents":[],"models":[]}"#;
    let ceiling: Ceiling = serde_json::from_str(old).expect("a ceiling");
    assert_eq!(ceiling.narrow(&inside()), inside());
    assert!(ceiling.lets_memory("any"));
    // One that bounds none of it is written as it was.
    assert_eq!(serde_json::to_string(&Ceiling::default()).expect("JSON"), "{}");
}

#[test]
fn of_two_lists_of_memories_the_narrower_names_hold() {
    let of = |names: &[&str]| Ceiling {
        memory: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Ceiling::default()
    };
    let cases: [(&[&str], &[&str], &[&str]); 3] = [
        (&["*"], &["crm/*"], &["crm/*"]),
        (&["crm/*", "support"], &["crm/7", "sales"], &["crm/7"]),
        (&["crm/*"], &["sales/*"], &[]),
    ];
    for (one, other, common) in cases {
        assert_eq!(of(one).within(&of(other)), of(common));
        assert_eq!(of(other).within(&of(one)), of(common));
    }
    assert_eq!(of(&["crm/*"]).within(&Ceiling::default()), of(&["crm/*"]));
}

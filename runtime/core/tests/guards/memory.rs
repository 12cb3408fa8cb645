//! The memories that runs share, as far as the operator lets agents have them.

use pawl_core::event::Work;
use pawl_core::guard::Policy;
use pawl_core::plugin::Ceiling;
use pawl_core::{FailureKind, MemoryScope, Namespace};

use crate::bench::Bench;

fn think(namespace: Namespace, names: Option<&[&str]>, memory: &str) -> Bench {
    let memory_of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let grants = Ceiling { memory: names.map(memory_of), ..Ceiling::default() };
    let step = format!("{{ id: think, agent: clerk, permissions: {{ memory: true }}, memory: {memory} }}");
    Bench::of(namespace, Policy { grants, ..Policy::default() }, &format!("steps: [{step}]\n"))
}

/// What the operator names, the memory that a step asks for, and what is told where it is withheld.
type Case = (Option<&'static [&'static str]>, &'static str, Option<&'static str>);

#[test]
fn an_agent_has_those_shared_memories_that_the_operator_names() {
    let key = "{ key: \"crm/${{ inputs.amount }}\" }";
    let cases: [Case; 10] = [
        (None, key, None),
        (Some(&["*"]), key, None),
        (Some(&["crm/*"]), key, None),
        (Some(&["crm/50"]), key, None),
        (Some(&["crm/5"]), key, Some("the memory 'crm/50'")),
        (Some(&["w"]), key, Some("the memory 'crm/50'")),
        (Some(&[]), key, Some("the memory 'crm/50'")),
        (Some(&["w"]), "workflow", None),
        (Some(&["crm/*"]), "workflow", Some("the memory 'w'")),
        // That of the run is the run's alone.
        (Some(&["crm/*"]), "run", None),
    ];
    for (names, memory, withheld) in cases {
        let bench = think(Namespace::default(), names, memory);
        match withheld {
            None => assert_eq!(bench.under_way().len(), 1, "{names:?} {memory}"),
            Some(name) => {
                let failure = bench.failure();
                assert_eq!(failure.kind, FailureKind::Denied);
                let said =
                    format!("the operator withholds {name}; it is not under `grants: memory` of pawl.yaml");
                assert!(failure.message.contains(&said), "{failure}");
            }
        }
    }
}

#[test]
fn a_namespace_is_given_names_of_its_own_and_reaches_no_others_with_them() {
    let acme = || "acme".parse::<Namespace>().expect("a namespace");
    let bench = think(acme(), Some(&["crm/*"]), "{ key: crm/7 }");
    let (_, visit) = bench.state.active().next().expect("a visit");
    let Some(Work::Agent { memory: Some(scope), .. }) = visit.work.as_deref() else { panic!("{visit:?}") };
    assert_eq!(scope, &MemoryScope::Workflow(acme().qualify("key/crm/7".to_owned())));
    let bench = think(acme(), Some(&["crm/*"]), "{ key: key/crm/7 }");
    assert_eq!(bench.failure().kind, FailureKind::Denied);
}

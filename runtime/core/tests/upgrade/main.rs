//! Runs that are moved to another definition, and those that cannot be.

mod bench;

use bench::{Bench, ann, children, pins, target};
use pawl_core::event::Event;
use pawl_core::upgrade::{ObstacleKind, Target, UPGRADE_OBSTACLES_MAX};
use pawl_core::view::Status;
use pawl_core::{Command, Digest, Refusal, StepId};
use serde_json::json;

const TOOL: &str = "  - { id: a, tool: t.do, with: { it: 1 } }\n";
const ASK: &str = "  - { id: ask, human: { title: Go on?, actions: [yes, no] } }\n";

type History = fn(&mut Bench);
/// What it is about, the old steps, what was done, the new steps, and what is in the way.
type Case = (&'static str, String, History, String, Vec<(ObstacleKind, Option<&'static str>)>);

/// What a run has come to, what it is to be moved to, and what is in the way.
#[test]
#[expect(clippy::too_many_lines, reason = "one table, a case for each obstacle")]
fn each_obstacle_is_found_where_it_is() {
    use ObstacleKind as K;
    let nothing: History = |_| {};
    let a_done: History = |bench| bench.done("a", json!({ "x": 1 }));
    let a_busy: History = |bench| bench.busy("a");
    let asks: History = |bench| bench.ask("a");
    let agent = "  - { id: a, agent: thinker, permissions: { human: true } }\n";
    let retried = "  - { id: a, tool: t.do, with: { it: 1 }, retry: { max_attempts: 3, delay: 1h } }\n";
    let both = format!("{TOOL}{ASK}");
    let p = |one: &str| {
        format!(
            "  - id: p\n    parallel:\n      branches:\n        {one}: [{{ id: x, signal: go }}]\n        two: [{{ id: y, signal: go }}]\n"
        )
    };
    let graph = |needs: &str| {
        format!(
            "{TOOL}  - {{ id: c, tool: t.do, with: {{ it: 1 }} }}\n  - {{ id: ask, needs: [{needs}], signal: go }}\n"
        )
    };
    let taken: History = |bench| {
        bench.done("a", json!({}));
    };
    let kept: History = |bench| {
        let signal =
            Command::Signal { name: "go".into(), data: json!({ "n": 1 }), by: ann(), key: None, trace: None };
        bench.tell(signal).expect("kept");
    };
    let undone =
        "  - { id: a, tool: t.do, with: { it: 1 }, undo: [{ id: back, tool: t.do, with: { it: 2 } }] }\n";
    let with_signal =
        |form: &str| format!("{ASK}  - {{ id: s, signal: {{ name: go, data: {{ n: {form} }} }} }}\n");
    let cases: Vec<Case> = vec![
        ("under way", both.clone(), nothing, both.clone(), vec![(K::UnderWay, Some("a"))]),
        ("gone", both.clone(), a_done, TOOL.into(), vec![(K::StepMissing, Some("ask"))]),
        (
            "another verb",
            both.clone(),
            a_done,
            format!("{TOOL}  - {{ id: ask, signal: go }}\n"),
            vec![(K::VerbChanged, Some("ask"))],
        ),
        (
            "into a list",
            both.clone(),
            a_done,
            format!(
                "{TOOL}  - id: p\n    parallel: {{ branches: {{ one: [{{ id: ask, human: {{ title: Go on?, actions: [yes, no] }} }}] }} }}\n"
            ),
            vec![(K::StepMoved, Some("ask"))],
        ),
        (
            "form",
            both.clone(),
            a_done,
            format!(
                "{TOOL}  - {{ id: ask, human: {{ title: Go on?, actions: [yes, no], form: {{ why: string }} }} }}\n"
            ),
            vec![(K::QuestionChanged, Some("ask"))],
        ),
        (
            "actions",
            both.clone(),
            a_done,
            format!("{TOOL}  - {{ id: ask, human: {{ title: Go on?, actions: [yes] }} }}\n"),
            vec![(K::QuestionChanged, Some("ask"))],
        ),
        (
            "arguments of a retry",
            retried.into(),
            a_busy,
            retried.replace("it: 1", "it: 2"),
            vec![(K::WorkChanged, Some("a"))],
        ),
        (
            "tool of a retry",
            retried.into(),
            a_busy,
            retried.replace("t.do", "t.other"),
            vec![(K::WorkChanged, Some("a"))],
        ),
        (
            "grants of an agent",
            agent.into(),
            asks,
            agent.replace("human: true", "human: true, timers: true"),
            vec![(K::AgentChanged, Some("a"))],
        ),
        (
            "signal",
            "  - { id: s, signal: go }\n".into(),
            nothing,
            "  - { id: s, signal: stop }\n".into(),
            vec![(K::WaitChanged, Some("s"))],
        ),
        (
            "wait",
            "  - { id: s, wait: 1h }\n".into(),
            nothing,
            "  - { id: s, wait: { until: '2030-01-01T00:00:00Z' } }\n".into(),
            vec![(K::WaitChanged, Some("s"))],
        ),
        ("branches", p("one"), nothing, p("first"), vec![(K::ListChanged, Some("p"))]),
        (
            "graph",
            format!("{TOOL}{ASK}"),
            a_done,
            format!("{TOOL}  - {{ id: ask, needs: [a], human: {{ title: Go on?, actions: [yes, no] }} }}\n"),
            vec![(K::ListChanged, None)],
        ),
        (
            "needs",
            graph("a"),
            taken,
            graph("a, c"),
            vec![(K::UnderWay, Some("c")), (K::NeedsUnmet, Some("ask"))],
        ),
        (
            "inputs",
            both.clone(),
            a_done,
            format!("inputs: {{ n: integer, m: integer }}\nsteps:\n{both}"),
            vec![(K::InputsRefused, None)],
        ),
        (
            "variable",
            both.clone(),
            a_done,
            format!("vars: {{ v: \"${{{{ 1 / 0 }}}}\" }}\nsteps:\n{both}"),
            vec![(K::Variable, None)],
        ),
        (
            "output that never was",
            both.clone(),
            a_done,
            format!(
                "  - {{ id: new, set: 1 }}\n{both}  - {{ id: z, set: \"${{{{ steps.new.output }}}}\" }}\n"
            ),
            vec![(K::OutputMissing, Some("z"))],
        ),
        (
            "output that never was, of the run",
            both.clone(),
            a_done,
            format!(
                "steps:\n  - {{ id: new, set: 1 }}\n{both}outputs: {{ o: \"${{{{ steps.new.output }}}}\" }}\n"
            ),
            vec![(K::OutputMissing, None)],
        ),
        (
            "field",
            both.clone(),
            a_done,
            format!("{both}  - {{ id: z, set: \"${{{{ steps.a.output.y }}}}\" }}\n"),
            vec![(K::OutputUnfit, Some("z"))],
        ),
        (
            "kept signal",
            with_signal("integer"),
            kept,
            with_signal("string"),
            vec![(K::SignalUnfit, Some("s"))],
        ),
        ("undo", format!("{undone}{ASK}"), a_done, both.clone(), vec![(K::UndoChanged, Some("a"))]),
        (
            "undo that uses more",
            format!("{undone}{ASK}"),
            a_done,
            format!("{}{ASK}", undone.replace("it: 2", "it: \"${{ steps.a.output }}\"")),
            vec![(K::UndoChanged, Some("a"))],
        ),
        (
            "taint",
            both.clone(),
            a_done,
            format!("approvals: [{{ tool: t.do, tainted: true }}]\nsteps:\n{both}"),
            vec![(K::TaintUnknown, None)],
        ),
    ];
    for (what, old, history, new, expected) in cases {
        let mut bench = Bench::start(&old);
        history(&mut bench);
        let verdict = bench.check(&target(&new));
        let found: Vec<_> =
            verdict.obstacles.iter().map(|o| (o.kind, o.step.as_ref().map(StepId::as_str))).collect();
        let mut expected = expected;
        expected.sort_by_key(|(kind, _)| format!("{kind:?}"));
        let mut found = found;
        found.sort_by_key(|(kind, _)| format!("{kind:?}"));
        assert_eq!(found, expected, "{what}: {verdict}");
        let refused = bench.upgrade(target(&new)).expect_err("refused");
        assert_eq!(refused, Refusal::CannotMove(Box::new(verdict)), "{what}");
    }
}

#[test]
fn what_is_not_in_the_way_is_not_taken_for_it() {
    let both = format!("{TOOL}{ASK}");
    let news = [
        ("a step behind", format!("{both}  - {{ id: z, set: \"${{{{ steps.a.output.x }}}}\" }}\n")),
        ("a step before that nobody uses", format!("  - {{ id: new, set: 1 }}\n{both}")),
        (
            "a step before that is asked for",
            format!("  - {{ id: new, set: 1 }}\n{both}  - {{ id: z, set: \"${{{{ steps.new.output | default(0) }}}}\" }}\n"),
        ),
        ("a step that is gone", ASK.to_owned()),
        ("another title and time", format!("{TOOL}  - {{ id: ask, human: {{ title: Really?, actions: [yes, no], due: 1h, on_timeout: no }} }}\n")),
        ("an input with a default", format!("inputs: {{ n: integer, m: {{ type: integer, default: 7 }} }}\nsteps:\n{both}")),
        ("a variable", format!("vars: {{ v: \"${{{{ inputs.n + 1 }}}}\" }}\nsteps:\n{both}")),
        (
            "a jump back over what it uses",
            format!("  - {{ id: new, max_visits: 2, set: 1 }}\n{TOOL}  - {{ id: ask, max_visits: 2, human: {{ title: Go on?, actions: [yes, no] }}, then: new }}\n")
                .replace("id: a,", "id: a, max_visits: 2,"),
        ),
    ];
    for (what, new) in news {
        let mut bench = Bench::start(&both);
        bench.done("a", json!({ "x": 1 }));
        let verdict = bench.check(&target(&new));
        assert!(verdict.can_move(), "{what}: {verdict}");
        bench.upgrade(target(&new)).expect(what);
        assert_eq!((bench.state.version(), bench.state.status()), ("1.1.0", Status::Waiting), "{what}");
    }
}

#[test]
fn a_moved_run_goes_on_with_the_new_steps_defaults_and_variables() {
    let mut bench = Bench::start(&format!("{TOOL}{ASK}"));
    bench.done("a", json!({ "x": 1 }));
    let new = format!(
        "inputs: {{ n: integer, m: {{ type: integer, default: 7 }} }}\nvars: {{ v: \"${{{{ inputs.m + 1 }}}}\" }}\nsteps:\n{ASK}  - {{ id: z, set: \"${{{{ vars.v + inputs.m + inputs.n }}}}\" }}\noutputs: {{ z: \"${{{{ steps.z.output }}}}\", v: \"${{{{ run.version }}}}\" }}\n"
    );
    let events = bench.upgrade(target(&new)).expect("moved");
    let names: Vec<_> = events.iter().map(Event::name).collect();
    assert_eq!(names, ["definition-changed", "vars-set"]);
    let Event::DefinitionChanged(changed) = &events[0] else { panic!("{events:?}") };
    assert_eq!((changed.from_version.as_str(), changed.version.as_str()), ("1.0.0", "1.1.0"));
    assert_eq!(changed.reason.as_deref(), Some("a better one"));
    bench.answer("yes");
    assert_eq!(bench.state.status(), Status::Completed);
    let outputs = bench.state.header(pawl_core::journal::Head::empty(bench.state.id())).outputs;
    assert_eq!(outputs, Some(json!({ "z": 16, "v": "1.1.0" })));
    let ended = bench.check(&target(&new));
    assert_eq!(ended.obstacles[0].kind, ObstacleKind::Ended);
}

#[test]
fn a_step_that_a_graph_gets_begins_with_the_move_when_what_it_needs_is_done() {
    let old = format!("{TOOL}  - {{ id: ask, needs: [a], signal: go }}\n");
    let mut bench = Bench::start(&old);
    bench.done("a", json!({}));
    let new = format!(
        "{old}  - {{ id: new, needs: [a], set: 1 }}\n  - {{ id: late, needs: [new, ask], set: 2 }}\n"
    );
    let events = bench.upgrade(target(&new)).expect("moved");
    let names: Vec<_> = events.iter().map(Event::name).collect();
    assert_eq!(names, ["definition-changed", "step-started", "step-completed"]);
    bench
        .tell(Command::Signal { name: "go".into(), data: json!(1), by: ann(), key: None, trace: None })
        .expect("taken");
    assert_eq!(bench.state.status(), Status::Completed);
    assert_eq!(bench.state.output("late"), Some(&json!(2)));
}

#[test]
fn other_bytes_of_a_plugin_are_taken_up_where_nothing_is_in_the_middle_of_its_work() {
    let steps = format!("{TOOL}{ASK}  - {{ id: b, tool: t.do, with: {{ it: 2 }} }}\n");
    let newer = |steps: &str| Target { plugins: pins("new").into(), ..target(steps) };
    let mut bench = Bench::start(&steps);
    bench.done("a", json!({}));
    bench.upgrade(newer(&steps)).expect("moved");
    bench.answer("yes");
    let visit = bench.state.active().next().expect("b").1;
    let work = serde_json::to_value(visit.work.as_deref()).expect("json");
    assert_eq!(work["tool"]["component"], json!(Digest::of(b"new")));

    let agent = "  - { id: a, agent: thinker, permissions: { human: true } }\n";
    let mut bench = Bench::start(agent);
    bench.ask("a");
    assert_eq!(bench.check(&newer(agent)).obstacles[0].kind, ObstacleKind::AgentChanged);
    assert!(bench.check(&target(agent)).can_move());
    bench.upgrade(target(agent)).expect("the same bytes");
    assert!(bench.check(&target(agent)).already);
    // The same source with other bytes is another target.
    assert!(!bench.check(&newer(agent)).already);
}

#[test]
fn a_run_that_waits_for_another_is_moved_when_that_one_has_the_workflow_that_it_had() {
    let steps = "workflows: { child: ./child.yaml }\nsteps:\n  - { id: c, workflow: child }\n";
    let bench = Bench::start(steps);
    assert!(bench.check(&target(steps)).can_move());
    let other = Target { workflows: children("other"), ..target(steps) };
    assert_eq!(bench.check(&other).obstacles[0].kind, ObstacleKind::ChildChanged);
}

#[test]
fn a_suspended_run_is_moved_before_the_step_that_it_holds() {
    let mut bench = Bench::start(&format!("{TOOL}  - {{ id: b, tool: t.do, with: {{ it: 2 }} }}\n"));
    bench.tell(Command::Suspend { by: ann(), reason: None }).expect("suspended");
    bench.done("a", json!({}));
    let gone = bench.check(&target(TOOL));
    assert_eq!(gone.obstacles[0].kind, ObstacleKind::StepMissing);
    bench.upgrade(target(&format!("{TOOL}  - {{ id: b, set: 3 }}\n"))).expect("moved");
    bench.tell(Command::Resume { by: ann() }).expect("resumed");
    assert_eq!(bench.state.output("b"), Some(&json!(3)));
}

#[test]
fn another_workflow_is_none_of_its_versions() {
    let bench = Bench::start(ASK);
    let text = format!("pawl: 1\nworkflow: other\nversion: 1.0.0\nsteps:\n{ASK}");
    let definition = pawl_core::source::load("o.yaml", &text).expect("a workflow").definition.into();
    let verdict = bench.check(&Target { definition, ..target(ASK) });
    assert_eq!(verdict.obstacles[0].kind, ObstacleKind::OtherWorkflow);
}

#[test]
fn no_more_obstacles_are_told_than_the_limit_allows() {
    let branches = |signal: &str| {
        let branch = |n: usize| format!("        b{n}: [{{ id: s{n}, signal: {signal} }}]\n");
        let branches: String = (0..=UPGRADE_OBSTACLES_MAX).map(branch).collect();
        format!("  - id: p\n    parallel:\n      branches:\n{branches}")
    };
    let bench = Bench::start(&branches("go"));
    let verdict = bench.check(&target(&branches("stop")));
    assert_eq!(verdict.obstacles.len(), UPGRADE_OBSTACLES_MAX);
}

#[test]
fn files_that_the_run_did_not_start_with_are_said_to_be_missing() {
    let both = format!("{TOOL}{ASK}");
    let mut bench = Bench::start(&both);
    bench.done("a", json!({ "x": 1 }));
    let verdict = bench.check(&target(&format!("{both}  - {{ id: z, set: 1 }}\n")));
    assert!(verdict.notes.is_empty(), "{:?}", verdict.notes);
    let tool =
        TOOL.replace("id: a,", "id: z,").replace(" }\n", ", permissions: { files: [{ path: data }] } }\n");
    let verdict = bench.check(&target(&format!("{both}{tool}")));
    assert!(verdict.can_move() && verdict.notes[0].contains("`files`"), "{verdict} {:?}", verdict.notes);
}

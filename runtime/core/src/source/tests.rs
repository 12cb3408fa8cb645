use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::definition::{Step, Verb};
use crate::plugin::{
    AgentDescription, Description, EffectClass, PluginOrigin, PluginPin, PluginPins, ToolDescription,
};
use crate::route::Offer;
use crate::{Digest, Duration};

#[expect(clippy::disallowed_methods, reason = "tests read the cases beside them")]
fn files(folder: &str) -> Vec<(String, String)> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<(String, String)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn tool(name: &str, input: Value, output: Value) -> ToolDescription {
    ToolDescription {
        name: name.to_owned(),
        summary: String::new(),
        input_schema: input,
        output_schema: output,
        effect: EffectClass::Pure,
    }
}

fn pin(description: Description) -> PluginPin {
    PluginPin {
        component: Digest::of(b"component"),
        origin: PluginOrigin::Shipped,
        description,
        limits: BTreeMap::new(),
        named: None,
    }
}

fn pins() -> PluginPins {
    let order = json!({ "type": "object", "properties": {
        "id": { "type": "string" }, "customer": { "type": "string" }, "amount": { "type": "number" },
    } });
    let lookup = json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "lines": { "type": "array", "items": { "type": "object", "properties": { "n": { "type": "integer" } } } },
        },
        "required": ["id"],
        "additionalProperties": false,
    });
    let triage = AgentDescription {
        summary: String::new(),
        capabilities: Vec::new(),
        input_schema: json!({ "type": "object" }),
        output_schema: json!({ "type": "object", "properties": { "order": { "type": "string" } } }),
    };
    BTreeMap::from([
        ("orders".to_owned(), pin(Description::Tools(vec![tool("lookup", lookup, order)]))),
        ("triage".to_owned(), pin(Description::Agent(triage))),
    ])
}

/// An MCP server with one tool.
fn server() -> PluginPin {
    let path = json!({ "type": "object", "properties": { "path": { "type": "string" } }, "additionalProperties": false });
    let text = json!({ "type": "object", "properties": { "text": { "type": "string" } }, "additionalProperties": false });
    let description = Description::Tools(vec![tool("read_file", path, text)]);
    PluginPin { origin: PluginOrigin::Mcp("files".to_owned()), ..pin(description) }
}

/// One model without a price, and one with one.
fn models() -> KnownModels {
    let names = ["default", "priced"].map(str::to_owned).to_vec();
    let price = crate::budget::Price { input: 1, output: 1 };
    KnownModels { names, prices: [("priced".to_owned(), price)].into() }
}

fn shapes() -> BTreeMap<String, WorkflowShape> {
    let inner = "pawl: 1\nworkflow: inner\nversion: 1.0.0\ninputs: { order: string, amount: { type: number, default: 1 } }\n\
                 steps: [{ id: a, set: 1 }]\noutputs: { sum: { value: 1, type: number } }\n";
    let shape = WorkflowShape::of(&load("inner.yaml", inner).unwrap().definition);
    BTreeMap::from([("inner".to_owned(), shape)])
}

fn offers() -> BTreeMap<String, Offer> {
    let lang = BTreeMap::from([("lang".to_owned(), "de".to_owned())]);
    let offer = |(name, pin): (String, PluginPin)| {
        let mut offer = Offer { labels: lang.clone(), ..Offer::of(&pin.description) };
        if name == "triage" {
            offer.capabilities.insert("classify".to_owned(), None);
        }
        (name, offer)
    };
    pins().into_iter().map(offer).collect()
}

/// Every problem of a case, with plugins too where the definition itself is good.
fn problems(name: &str, text: &str) -> Diagnostics {
    match load(name, text) {
        Err(problems) => problems,
        Ok(loaded) if name.starts_with("plugins-routes") => check_routes(&loaded, name, text, &offers()),
        Ok(loaded) if name.starts_with("plugins") => {
            let mut pins = pins();
            if name == "plugins-mcp.yaml" {
                pins.insert("mcp.files".to_owned(), server());
            }
            check_plugins(&loaded, name, text, &pins, &[], &shapes(), Some(&models()))
        }
        Ok(loaded) => loaded.warnings,
    }
}

fn cases() -> Vec<(String, String)> {
    let mut cases = files("src/source/cases");
    cases.push(("too-large.yaml".to_owned(), "#".repeat(SOURCE_MAX_BYTES + 1)));
    let text = "x".repeat(100_000);
    cases
        .push(("too-many-bytes.yaml".to_owned(), format!("x-a: &a {text}\nx-b: [{}]", "*a, ".repeat(1_000))));
    cases
        .push(("too-deep.yaml".to_owned(), "[".repeat(YAML_MAX_DEPTH + 1) + &"]".repeat(YAML_MAX_DEPTH + 1)));
    cases
}

#[test]
fn every_problem_is_shown_at_its_place() {
    for (name, text) in cases() {
        insta::assert_snapshot!(name.trim_end_matches(".yaml"), problems(&name, &text).render(false));
    }
}

#[test]
fn problems_are_also_data() {
    let (name, text) = cases().into_iter().find(|(name, _)| name == "duplicate-keys.yaml").unwrap();
    insta::assert_json_snapshot!("json", problems(&name, &text).to_json());
    let rendered = problems(&name, &text).render(true);
    assert!(rendered.contains('\u{1b}'), "{rendered}");
}

#[test]
fn every_code_is_produced_by_a_case_and_has_a_page() {
    let mut found: BTreeSet<Code> =
        cases().iter().flat_map(|(name, text)| problems(name, text).list).map(|d| d.code).collect();
    found.extend(test_file::tests::codes());
    let missing: Vec<&str> =
        Code::ALL.iter().filter(|code| !found.contains(code)).map(|code| code.id()).collect();
    assert!(missing.is_empty(), "no case produces {missing:?}");

    let pages: BTreeMap<String, String> = files("../../docs/errors").into_iter().collect();
    for code in Code::ALL {
        let page = pages.get(&format!("{}.md", code.id())).unwrap_or_else(|| panic!("no page for {code:?}"));
        assert!(page.starts_with(&format!("# {}: {}\n", code.id(), code.title())), "{}", code.id());
    }
    let index = pages.get("README.md").unwrap();
    for code in Code::ALL {
        assert!(index.contains(&format!("[{0}]({0}.md): {1}\n", code.id(), code.title())), "{}", code.id());
    }
}

#[test]
fn the_example_workflows_load_with_nothing_to_report() {
    let mut workflows: Vec<_> = files("../../workflows");
    workflows.retain(|(name, _)| !name.ends_with(test_file::TEST_FILE_SUFFIX));
    assert!(workflows.len() >= 7);
    for (name, text) in workflows {
        let loaded = load(&name, &text).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render(false));
        assert_eq!(loaded.definition.name, name.trim_end_matches(".yaml"));
        let inputs = files("../../workflows/inputs");
        let (_, json) = inputs.iter().find(|(file, _)| *file == name.replace(".yaml", ".json")).unwrap();
        let given = serde_json::from_str(json).unwrap();
        loaded.definition.inputs.accept(given).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    }
}

fn step(text: &str) -> Step {
    let text = format!("pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps:\n  - id: a\n{text}");
    let loaded = load("w.yaml", &text).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    loaded.definition.steps.into_iter().next().unwrap()
}

#[test]
fn what_a_step_leaves_out_has_a_default() {
    let plain = step("    tool: orders.lookup");
    assert_eq!(plain.max_visits, VISITS_MAX);
    assert_eq!(plain.retry, crate::definition::RetryPolicy::default());
    let Verb::Tool(tool) = plain.verb else { panic!("{:?}", plain.verb) };
    assert_eq!((tool.plugin.as_str(), tool.tool.as_str()), ("orders", "lookup"));
    assert_eq!(tool.with.as_literal(), Some(&json!({})));

    let human = step("    human: { title: Well?, due: 2h, on_timeout: reject }");
    let Verb::Human(human) = human.verb else { panic!() };
    assert_eq!(human.actions, ["approve", "reject"]);
    assert_eq!(human.due, Some((Duration(7_200_000), "reject".to_owned())));

    let retry = step("    tool: a.b\n    retry: { max_attempts: 3, delay: 2m, except: timeout }").retry;
    assert_eq!(retry.max_delay, Duration(120_000));
    assert_eq!(retry.on, BTreeSet::from([crate::FailureKind::Transient]));
}

#[test]
fn inputs_are_all_required_unless_they_say_otherwise() {
    let text = "pawl: 1\nworkflow: w\nversion: 1.0.0\ninputs: { a: string, b: { type: integer, default: 3 }, \
                c: { optional: true }, d: any }\nsteps: [{ id: a, set: 1 }]";
    let inputs = load("w.yaml", text).unwrap().definition.inputs;
    assert_eq!(inputs.accept(json!({"a": "x", "d": null})), Ok(json!({"a": "x", "b": 3, "d": null})));
    assert!(inputs.accept(json!({"a": "x"})).is_err());
    assert!(inputs.accept(json!({"a": "x", "d": 1, "e": 1})).is_err());
}

#[test]
fn places_lead_back_to_the_source() {
    let (_, text) = files("../../workflows").into_iter().find(|(name, _)| name == "refund.yaml").unwrap();
    let places = load("refund.yaml", &text).unwrap().places;
    assert_eq!(&text[places.value("/steps/1/tool")], "orders.lookup");
    assert_eq!(&text[places.key("/steps/1/retry/delay")], "delay");
    assert_eq!(&text[places.value("/steps/1/tool/nothing/below")], "orders.lookup");
}

#[test]
fn a_workflow_has_a_largest_number_of_steps() {
    let head = "pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps:\n";
    let steps = |count: usize| {
        let steps: Vec<String> = (0..count).map(|n| format!("  - {{ id: s{n}, set: 1 }}")).collect();
        let steps = steps.join("\n");
        load("w.yaml", &format!("{head}{steps}"))
    };
    assert!(steps(STEPS_MAX).is_ok());
    let problems = steps(STEPS_MAX + 1).unwrap_err();
    assert_eq!(problems.list.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::OutOfRange]);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(problems) = load("any.yaml", &text) {
            let _ = problems.render(false);
        }
    }

    #[test]
    fn no_yaml_like_text_makes_it_panic(text in "[-:{}\\[\\]&*!|>'\" a-c0-2\n#~.${}]{0,120}") {
        if let Err(problems) = load("any.yaml", &text) {
            let _ = problems.render(false);
        }
    }

    #[test]
    fn no_changed_workflow_makes_it_panic(
        file in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), "[-:{}\\[\\]&*!|>'\" a-z0-9\n#.$é]{0,4}", 0_usize..6), 1..4),
    ) {
        let files: Vec<_> = files("../../workflows").into_iter().chain(files("src/source/cases")).collect();
        let mut chars: Vec<char> = file.get(&files).1.chars().collect();
        for (at, insert, remove) in changes {
            let at = at.index(chars.len() + 1);
            let end = (at + remove).min(chars.len());
            chars.splice(at..end, insert.chars());
        }
        let text: String = chars.into_iter().collect();
        match load("changed.yaml", &text) {
            Err(problems) => prop_assert!(problems.has_errors() && !problems.render(false).is_empty()),
            Ok(loaded) => {
                let _ = check_plugins(&loaded, "changed.yaml", &text, &pins(), &[], &shapes(), Some(&models())).render(false);
                let _ = crate::graph::to_mermaid(&loaded.definition);
            }
        }
    }
}

/// Found by fuzzing: the lists of the second verb were counted and not read, and the way outwards was a circle.
#[test]
fn a_second_verb_with_lists_of_its_own_is_reported_and_does_not_hang() {
    let text = |second: &str| {
        format!(
            "pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps:\n  - id: p\n    \
             parallel: {{ branches: {{ x: [{{ id: p1, set: 1 }}], y: {second} }} }}\n    \
             loop: {{ while: 'false', max_visits: 3, steps: [{{ id: l1, set: 1 }}, {{ id: l2, set: 2 }}] }}\n  - id: m\n    \
             loop: {{ while: 'false', max_visits: 3, steps: [{{ id: m1, set: 1, undo: [{{ id: u, set: 1 }}] }}] }}\n"
        )
    };
    for second in ["[{ id: p2, set: 2 }]", "text"] {
        let problems = load("w.yaml", &text(second)).unwrap_err();
        assert!(problems.list.iter().any(|problem| problem.code == Code::VerbCount), "{problems}");
        assert!(!problems.to_string().contains("nested too deeply"), "{problems}");
    }
}

#[test]
fn lists_of_steps_have_a_depth_and_branches_a_number() {
    let codes = |steps: &str| -> Vec<Code> {
        let text = format!("pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps: {steps}\n");
        load("lists.yaml", &text)
            .err()
            .map(|problems| problems.list.iter().map(|p| p.code).collect())
            .unwrap_or_default()
    };
    let nested = |levels: usize| {
        (0..levels).fold("[{ id: s, set: 1 }]".to_owned(), |inner, level| {
            format!("[{{ id: l{level}, loop: {{ while: index < 1, max_visits: 1, steps: {inner} }} }}]")
        })
    };
    assert_eq!(codes(&nested(BLOCKS_MAX_DEPTH)), []);
    assert_eq!(codes(&nested(BLOCKS_MAX_DEPTH + 1)), [Code::OutOfRange]);
    let branches = |count: usize| {
        let branches: Vec<_> = (0..count).map(|n| format!("b{n}: [{{ id: s{n}, set: 1 }}]")).collect();
        format!("[{{ id: p, parallel: {{ branches: {{ {} }} }} }}]", branches.join(", "))
    };
    assert_eq!(codes(&branches(BRANCHES_MAX)), []);
    assert_eq!(codes(&branches(BRANCHES_MAX + 1)), [Code::OutOfRange]);
    let at_once = |most: u32| {
        format!("[{{ id: m, map: {{ items: '[1]', max_parallel: {most}, steps: [{{ id: s, set: 1 }}] }} }}]")
    };
    assert_eq!(codes(&at_once(MAP_MAX_PARALLEL)), []);
    assert_eq!(codes(&at_once(MAP_MAX_PARALLEL + 1)), [Code::OutOfRange]);
}

#[test]
fn labels_people_and_rungs_have_limits() {
    use crate::terms::{ACTION_LABEL_MAX_BYTES, ESCALATIONS_MAX, PEOPLE_MAX, PERSON_MAX_BYTES, QUORUM_MAX};
    let codes = |keys: &str| -> Vec<Code> {
        let step = format!("  - id: a\n    human: {{ title: Sure?, {keys} }}\n");
        let text = format!("pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps:\n{step}");
        let problems = load("w.yaml", &text).map_or_else(|problems| problems, |loaded| loaded.warnings);
        problems.list.iter().map(|problem| problem.code).collect()
    };
    let label = |bytes| format!("labels: {{ approve: {} }}", "x".repeat(bytes));
    let people = |count: usize, bytes: usize| {
        let name = |number| format!("user:{number:0>width$}", width = bytes - "user:".len());
        format!("not_by: [{}]", (0..count).map(name).collect::<Vec<_>>().join(", "))
    };
    let rungs = |count: usize| {
        let rungs: Vec<_> = (1..=count).map(|hour| format!("{{ after: {hour}h, to: user:b }}")).collect();
        format!("escalate: [{}]", rungs.join(", "))
    };
    for (fits, beyond, code) in [
        (label(ACTION_LABEL_MAX_BYTES), label(ACTION_LABEL_MAX_BYTES + 1), Code::OutOfRange),
        (people(PEOPLE_MAX, 10), people(PEOPLE_MAX + 1, 10), Code::OutOfRange),
        (people(1, PERSON_MAX_BYTES), people(1, PERSON_MAX_BYTES + 1), Code::InvalidValue),
        (rungs(ESCALATIONS_MAX), rungs(ESCALATIONS_MAX + 1), Code::OutOfRange),
        (format!("quorum: {QUORUM_MAX}"), format!("quorum: {}", QUORUM_MAX + 1), Code::OutOfRange),
    ] {
        assert!(codes(&fits).is_empty(), "{fits}: {:?}", codes(&fits));
        assert_eq!(codes(&beyond), [code], "{beyond}");
    }
}

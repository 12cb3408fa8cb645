use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Failure, FailureKind, StepId};

struct World {
    inputs: Arc<Value>,
    outputs: BTreeMap<StepId, Arc<Value>>,
    vars: Arc<Value>,
    run: Arc<Value>,
    failure: Option<Failure>,
}

impl World {
    fn new() -> Self {
        let order = json!({
            "id": "A-1001", "amount": 12.5, "lines": [{"sku": "x", "n": 1}, {"sku": "y", "n": 2}],
            "big": u64::MAX, "small": i64::MIN, "whole": 1.0, "a-b": 1, "in": 2, "none": null,
        });
        Self {
            inputs: Arc::new(json!({"ticket": "broken", "limit": 10, "vip": true, "lang": "de"})),
            outputs: BTreeMap::from([(StepId::new("order"), Arc::new(order))]),
            vars: Arc::new(json!({"spent": 4})),
            run: Arc::new(json!({"id": "r1", "workflow": "refund"})),
            failure: None,
        }
    }

    fn scope(&self) -> Scope<'_> {
        let error = self.failure.as_ref();
        let layer = Layer { outputs: &self.outputs, item: None, name: None, index: None, error };
        Scope { inputs: &self.inputs, vars: &self.vars, run: &self.run, layers: vec![layer] }
    }

    fn evaluate(&self, text: &str) -> Result<Value, String> {
        let expression = Expression::compile(text).map_err(|error| error.message)?;
        expression.evaluate(&self.scope()).map_err(|error| error.reason)
    }
}

#[test]
fn expressions_give_values() {
    let world = World::new();
    let cases = [
        ("inputs.ticket", json!("broken")),
        ("vars.spent + 1", json!(5)),
        ("vars.nope | default(0)", json!(0)),
        (" inputs.limit + 1 ", json!(11)),
        ("inputs['ticket'] ~ '!'", json!("broken!")),
        ("steps.order.output.amount > inputs.limit", json!(true)),
        ("steps.order.output.lines[1].sku", json!("y")),
        ("steps.order.output.lines[-1].n", json!(2)),
        ("steps.order.output.lines", json!([{"sku": "x", "n": 1}, {"sku": "y", "n": 2}])),
        ("steps.order.output.lines | map(attribute='n') | sum", json!(3)),
        ("steps.order.output.lines | selectattr('n', 'gt', 1) | list", json!([{"sku": "y", "n": 2}])),
        ("steps.order.output.lines | length", json!(2)),
        ("steps.order.output['a-b']", json!(1)),
        ("steps.order.output['in']", json!(2)),
        ("steps.order.output.big", json!(u64::MAX)),
        ("steps.order.output.small", json!(i64::MIN)),
        ("steps.order.output.whole", json!(1.0)),
        ("steps.order.output.none", json!(null)),
        ("steps.order.output.none is none", json!(true)),
        ("'id' in steps.order.output", json!(true)),
        ("'idd' in steps.order.output", json!(false)),
        ("inputs[inputs.missing | default('ticket')]", json!("broken")),
        ("{'a': [1, 2.5, none], 'b': inputs.vip}", json!({"a": [1, 2.5, null], "b": true})),
        ("steps.order.output.lines == [{'sku': 'x', 'n': 1}, {'sku': 'y', 'n': 2}]", json!(true)),
        ("range(3) | list", json!([0, 1, 2])),
        ("{'<': 1} | tojson", json!(r#"{"<":1}"#)),
        ("'yes' if inputs.vip else 'no'", json!("yes")),
        ("run.workflow", json!("refund")),
        ("'a,b' | split(',')", json!(["a", "b"])),
    ];
    for (text, expected) in cases {
        assert_eq!(world.evaluate(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_does_not_exist_can_be_asked_for() {
    let world = World::new();
    let cases = [
        ("steps.pay.output is defined", json!(false)),
        ("steps.pay is defined", json!(false)),
        ("steps.pay.output.receipt.id is not defined", json!(true)),
        ("steps.pay.output['receipt'].id is undefined", json!(true)),
        ("steps.pay.output.receipt | default('none')", json!("none")),
        ("steps.pay.output.list[0].x | d(0) + 1", json!(1)),
        ("steps.order.output.id | default('none')", json!("A-1001")),
        ("steps.order.output.id is defined", json!(true)),
        ("steps.order.output.lines[7].sku | default('-')", json!("-")),
        ("inputs.note | default(none)", json!(null)),
        ("error is defined", json!(false)),
        ("steps.pay.output is defined and steps.pay.output.receipt == 'x'", json!(false)),
    ];
    for (text, expected) in cases {
        assert_eq!(world.evaluate(text), Ok(expected), "{text}");
    }
}

#[test]
fn an_error_at_hand_can_be_read() {
    let mut world = World::new();
    world.failure = Some(Failure::new(FailureKind::Transient, "busy"));
    assert_eq!(world.evaluate("error.kind ~ ': ' ~ error.message"), Ok(json!("transient: busy")));
}

#[test]
fn mistakes_say_what_to_do() {
    let world = World::new();
    let cases = [
        "steps.order.output.idd",
        "steps.order.output['idd'] == 1",
        "steps.order.output.lines[5].sku",
        "steps.order.output.lines.sku",
        "steps.pay.output.receipt",
        "steps.pay.output == 1",
        "steps.order.input",
        "inputs.nope == 1",
        "not inputs.nope",
        "error.kind",
        "inputs.ticket.length",
        "inputs[inputs.lang]",
        "1 / 0",
        "range(100000) | list | length + (range(100000) | list | length) + (range(100000) | list | length)",
        "'x' * 100000000",
        "inputs +",
        "inputz.ticket",
        "ticket",
        "inputs.ticket | uper",
        "inputs.ticket is strin",
        "inputs.ticket.upper()",
        "debug()",
        "",
        "inputs.vip && inputs.vip",
        "{1: 2}",
        "inputs",
        "steps.order",
        "steps",
        "steps.order == steps.pay",
        "steps.order >= 0.8",
    ];
    let mut rendered = String::new();
    for text in cases {
        let result = match Expression::compile(text) {
            Err(error) => format!(
                "does not compile at {}..{}: {}{}",
                error.range.start,
                error.range.end,
                error.message,
                error.help.map(|help| format!("\n    help: {help}")).unwrap_or_default()
            ),
            Ok(expression) => match expression.evaluate(&world.scope()) {
                Err(error) => error.reason,
                Ok(value) => format!("= {value}"),
            },
        };
        rendered.extend([text, "\n    ", &result, "\n"]);
    }
    insta::assert_snapshot!(rendered);
}

#[test]
fn a_value_has_a_depth_limit() {
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    for (levels, good) in [(VALUE_MAX_DEPTH, true), (VALUE_MAX_DEPTH + 1, false)] {
        let mut world = World::new();
        world.inputs = Arc::new(json!({ "deep": deep(levels) }));
        assert_eq!(world.evaluate("inputs.deep").is_ok(), good, "{levels}");
        world.inputs = Arc::new(json!({ "deep": deep(levels - 1) }));
        assert_eq!(world.evaluate("[inputs.deep]").is_ok(), good, "{levels}");
        let template = Template::compile(&json!({ "wrapped": "${{ inputs.deep }}" })).unwrap();
        let made = template.evaluate(&world.scope()).map_err(|error| error.reason);
        assert_eq!(made.is_ok(), good, "{levels}: {made:?}");
    }
}

#[test]
fn text_that_is_read_again_and_again_has_a_limit() {
    let mut world = World::new();
    world.inputs = Arc::new(json!({ "text": "x".repeat(EXPRESSION_READ_MAX_BYTES / 4) }));
    assert_eq!(world.evaluate("[inputs.text, inputs.text] | length"), Ok(json!(2)));
    let reads = ["inputs.text"; 5].join(", ");
    let error = world.evaluate(&format!("[{reads}] | map('length') | sum")).unwrap_err();
    assert!(error.contains("expression_read_max_bytes"), "{error}");
}

#[test]
fn sizes_of_expressions_and_templates_have_limits() {
    let error = Expression::compile(&format!("'{}'", "x".repeat(EXPRESSION_MAX_BYTES))).unwrap_err();
    assert!(error.problem == Problem::Size && error.help.unwrap().contains("expression_max_bytes"));
    let deep = (0..=TEMPLATE_MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    let error = Template::compile(&deep).unwrap_err().remove(0).error;
    assert!(error.message.contains("template_max_depth"), "{}", error.message);
}

#[test]
fn a_condition_gives_true_or_false() {
    let world = World::new();
    let cases =
        [("inputs.vip", Some(true)), ("inputs.limit > 10", Some(false)), ("inputs.limit", None), ("1", None)];
    for (text, expected) in cases {
        let given = Expression::compile(text).unwrap().holds(&world.scope()).ok();
        assert_eq!(given, expected, "{text}");
    }
}

#[test]
fn a_template_keeps_the_type_of_one_expression_and_makes_text_of_more() {
    let world = World::new();
    let template = Template::compile(&json!({
        "one": "${{ steps.order.output.amount }}",
        "text": "Refund ${{ steps.order.output.amount }} of ${{ steps.order.output.id }}: ${{ steps.order.output.lines[0] }}",
        "plain": ["x", 1, {"y": null}],
        "list": ["${{ inputs.limit }}", " ${{ inputs.limit }}"],
    }))
    .unwrap();
    let expected = json!({
        "one": 12.5,
        "text": r#"Refund 12.5 of A-1001: {"n":1,"sku":"x"}"#,
        "plain": ["x", 1, {"y": null}],
        "list": [10, " 10"],
    });
    assert_eq!(template.evaluate(&world.scope()), Ok(expected));
    let pointers: Vec<String> = template.uses().into_iter().map(|u| u.pointer).collect();
    assert_eq!(pointers, ["/list/0", "/list/1", "/one", "/text", "/text", "/text"]);
    assert!(template.as_literal().is_none());
}

#[test]
fn what_an_expression_gives_is_never_evaluated_again() {
    let mut world = World::new();
    world.inputs = Arc::new(json!({"ticket": "${{ run.id }}"}));
    let template = Template::compile(&json!("x ${{ inputs.ticket }}")).unwrap();
    assert_eq!(template.evaluate_text(&world.scope()).unwrap(), "x ${{ run.id }}");
}

#[test]
fn references_are_found_before_anything_is_evaluated() {
    let expression =
        Expression::compile("steps.a.output.x[0]['y'] + inputs[run.id] + (steps.b.output | default(1))")
            .unwrap();
    let found: Vec<_> = expression
        .references()
        .iter()
        .map(|r| (r.root.clone(), r.path.len(), r.asks, &expression.source()[r.range.clone()]))
        .collect();
    assert_eq!(
        found,
        [
            (Root::Steps, 5, false, "steps.a.output.x[0]['y']"),
            (Root::Inputs, 1, false, "inputs[run.id]"),
            (Root::Run, 1, false, "run.id"),
            (Root::Steps, 2, true, "steps.b.output"),
        ]
    );
}

#[test]
fn the_work_of_an_expression_has_a_limit() {
    let mut world = World::new();
    world.inputs = Arc::new(json!({ "text": "x".repeat(VALUE_MAX_BYTES / 2) }));
    let again = |times: usize| format!("inputs.text{} | length", " | upper | lower".repeat(times));
    assert_eq!(world.evaluate(&again(1)), Ok(json!(VALUE_MAX_BYTES / 2)));
    let error = world.evaluate(&again(5)).unwrap_err();
    assert!(error.contains(&format!("expression_fuel ({EXPRESSION_FUEL})")), "{error}");
}

#[test]
fn a_value_has_a_size_limit() {
    let mut world = World::new();
    world.inputs = Arc::new(json!({"text": "x".repeat(VALUE_MAX_BYTES / 2 + 10)}));
    assert!(world.evaluate("inputs.text").is_ok());
    let error = world.evaluate("[inputs.text, inputs.text]").unwrap_err();
    assert!(error.contains("value_max_bytes"), "{error}");
    let template = Template::compile(&json!(["${{ inputs.text }}", "${{ inputs.text }}"])).unwrap();
    assert!(template.evaluate(&world.scope()).is_err());
}

#[test]
fn a_compiled_expression_crosses_threads() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    check::<Expression>();
    check::<Template>();
}

#[test]
fn every_listed_name_is_there() {
    for name in FILTERS {
        let error = World::new().evaluate(&format!("1 | {name}")).err().unwrap_or_default();
        assert!(!error.contains("unknown filter"), "{name}: {error}");
    }
    for name in TESTS {
        let error = World::new().evaluate(&format!("1 is {name}")).err().unwrap_or_default();
        assert!(!error.contains("unknown test"), "{name}: {error}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_compiler_panic(text in "[ a-z0-9.()\\[\\]{}'\"|,:~+*/=!<>é-]{0,60}") {
        let world = World::new();
        let _ = world.evaluate(&text).is_ok();
        if let Ok(template) = Template::compile(&json!(format!("a${{{{{text}}}}}"))) {
            let _ = template.evaluate(&world.scope()).is_ok();
        }
    }

    #[test]
    fn json_survives_an_expression(number in any::<i64>(), big in any::<u64>(), float in any::<f64>(), text in ".*") {
        let mut world = World::new();
        let value = json!({"number": number, "big": big, "float": float, "text": text});
        world.inputs = Arc::new(value.clone());
        prop_assert_eq!(world.evaluate("inputs"), Ok(value.clone()));
        let fields = "{'number': inputs.number, 'big': inputs.big, 'float': inputs.float, 'text': inputs.text}";
        prop_assert_eq!(world.evaluate(fields), Ok(value));
    }
}

#[test]
fn long_chains_do_not_exhaust_the_stack() {
    let world = World::new();
    for piece in
        ["1 if 1 else ", "1 ** ", "1 + ", "1 ~ ", "not ", "1 and ", "1 < ", "[", "(", "{'a': ", "1 | abs | "]
    {
        let text = piece.repeat(EXPRESSION_MAX_BYTES / piece.len() - 1) + "1";
        let _ = world.evaluate(&text).is_ok();
    }
    for piece in [".a", "[0]", " | abs", " is defined"] {
        let text = "inputs".to_owned() + &piece.repeat((EXPRESSION_MAX_BYTES - 6) / piece.len());
        let _ = world.evaluate(&text).is_ok();
    }
}

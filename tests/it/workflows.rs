//! Every workflow of the project, run to its end.

use std::collections::{BTreeSet, VecDeque};

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_engine::StartOptions;
use pawl_tests::{Scene, workflow};
use serde_json::{Value, json};

/// A run of a workflow: what goes in, who says what, which way it takes, what comes out.
struct Case {
    file: &'static str,
    inputs: Value,
    answers: Vec<(&'static str, Value)>,
    /// The steps of the workflow's own list in order of arrival; a skipped one stands in brackets.
    path: &'static [&'static str],
    /// The outputs; for a run that fails, the kind and the message.
    end: Result<Value, (&'static str, &'static str)>,
}

fn letter(verdict: &str, more: &str) -> String {
    format!("Dear ben,\n\n{verdict}{more}\n\nKind regards,\nCustomer service")
}

fn refund_cases() -> Vec<Case> {
    let inputs = json!({ "ticket": "A-1002 never came, I want my money back", "amount": 40 });
    let approved =
        "Good news: your refund of 40.00 EUR for order A-1002 has been approved and is on its way.";
    let rejected = "We have looked at your request carefully. We are sorry that we cannot give a refund of 40.00 EUR for \
         order A-1002.";
    let note = "\nA note from our team: it was late";
    vec![
        Case {
            file: "refund.yaml",
            inputs: inputs.clone(),
            answers: vec![("approve", Value::Null)],
            path: &["triage", "order", "approve", "pay", "tell"],
            end: Ok(json!({ "decision": "approve", "message": letter(approved, "\nYour receipt: R-0") })),
        },
        Case {
            file: "refund.yaml",
            inputs,
            answers: vec![("reject", json!({ "note": "it was late" }))],
            path: &["triage", "order", "approve", "tell"],
            end: Ok(json!({ "decision": "reject", "message": letter(rejected, note) })),
        },
        Case {
            file: "guarded.yaml",
            inputs: json!({}),
            answers: vec![("approve", json!({ "arguments": { "order": "A-1002", "amount": 40 } }))],
            path: &["fee", "handle"],
            end: Ok(json!({ "fee": "R-0", "answer": "The refund is on its way." })),
        },
        Case {
            file: "refund.yaml",
            inputs: json!({ "ticket": "Hello?", "amount": 1 }),
            answers: vec![],
            path: &["triage"],
            end: Err(("permanent", "the ticket names no order; ask the customer for an id such as A-1001")),
        },
    ]
}

fn planner_cases() -> Vec<Case> {
    let outputs = |refunded: Value, receipts: Value, decision: &str| {
        Ok(json!({ "refunded": refunded, "receipts": receipts, "decision": decision }))
    };
    let case = |customer: &str, answers: &[&'static str], end| Case {
        file: "planner.yaml",
        inputs: json!({ "customer": customer, "cool_down_ms": 3_600_000 }),
        answers: answers.iter().map(|action| (*action, Value::Null)).collect(),
        path: &["plan"],
        end,
    };
    vec![
        case("ann", &["approve"], outputs(json!(["A-1003", "A-1005"]), json!(["R-0", "R-0"]), "approve")),
        case("ann", &["reject"], outputs(json!([]), json!([]), "reject")),
        case("cem", &[], outputs(json!([]), json!([]), "none")),
    ]
}

fn switch_cases() -> Vec<Case> {
    let case = |inputs, path, end| Case { file: "switch.yaml", inputs, answers: vec![], path, end };
    let outputs = |desk: &str, said: Option<&str>| Ok(json!({ "desk": desk, "said": said }));
    vec![
        case(
            json!({ "amount": 50 }),
            &["size", "small", "say"][..],
            outputs("front", Some("50 is paid at once")),
        ),
        case(
            json!({ "amount": 250 }),
            &["size", "large", "say"],
            outputs("back", Some("250 needs a second look")),
        ),
        case(
            json!({ "amount": 250, "vip": true }),
            &["size", "small", "say"],
            outputs("front", Some("250 is paid at once")),
        ),
        // A skipped step's `then` is not taken: the run goes on below it.
        case(
            json!({ "amount": 1 }),
            &["size", "small", "(say)", "nothing"],
            Err(("invalid-input", "there is nothing to pay")),
        ),
        case(json!({ "amount": 0 }), &["size", "nothing"], Err(("invalid-input", "there is nothing to pay"))),
    ]
}

/// Workflows with lists of steps within steps.
fn list_cases() -> Vec<Case> {
    let case = |file, inputs, path, outputs| Case { file, inputs, answers: vec![], path, end: Ok(outputs) };
    let missing = "there is no order `A-9999`; there are A-1001, A-1002, A-1003, A-1004, A-1005, A-1006";
    let lines = json!([
        { "output": "1. desk lamp, 49.9 EUR" },
        { "output": "2. office chair, 189.0 EUR" },
        { "error": { "kind": "permanent", "message": missing } },
    ]);
    let letters = json!({ "letters": ["Order A-1 is on its way.", "Order A-2 is on its way."] });
    let booked = json!({ "booked": ["F-100", "H-Bergen", "C-300"] });
    let guess = "unknown, since attempt 2 fails, as the first 5 do";
    vec![
        case("map.yaml", json!({}), &["each"][..], json!({ "lines": lines })),
        case("map.yaml", json!({ "orders": [] }), &["each"], json!({ "lines": [] })),
        Case {
            file: "parallel.yaml",
            inputs: json!({}),
            answers: vec![("urgent", Value::Null)],
            path: &["both"],
            end: Ok(json!({ "item": "desk lamp", "urgent": true })),
        },
        case("loop.yaml", json!({}), &["poll"], json!({ "tries": 3 })),
        Case {
            file: "vote.yaml",
            inputs: json!({}),
            answers: vec![("approve", Value::Null), ("reject", Value::Null), ("approve", Value::Null)],
            path: &["vote"],
            end: Ok(json!({ "for": ["ann", "cem"] })),
        },
        Case {
            file: "escalate.yaml",
            inputs: json!({}),
            answers: vec![("escalate", Value::Null), ("publish", Value::Null)],
            path: &["team", "lead"],
            end: Ok(json!({ "action": "publish", "by": "user:ann" })),
        },
        case("loop.yaml", json!({ "ready_after": 1 }), &["poll"], json!({ "tries": 1 })),
        case("timeout.yaml", json!({}), &["rate"], json!({ "rate": "1.08" })),
        case("timeout.yaml", json!({ "fail_times": 2 }), &["rate"], json!({ "rate": "1.09" })),
        case("memory.yaml", json!({}), &["notes"], json!({ "count": 1, "earlier": [] })),
        case("concurrency.yaml", json!({ "orders": ["A-1", "A-2"] }), &["each"], letters),
        case("saga.yaml", json!({ "car_fails": 1 }), &["flight", "nights", "car"], booked),
        Case {
            file: "saga.yaml",
            inputs: json!({}),
            answers: vec![],
            path: &["flight", "nights", "car"],
            end: Err(("transient", "attempt 2 fails, as the first 9 do")),
        },
        case(
            "graph.yaml",
            json!({}),
            &["order", "terms", "customer", "(express)", "offer"],
            json!({ "offer": "Dear ann, your desk lamp comes next week, payable within 30 days." }),
        ),
        Case {
            file: "budget.yaml",
            inputs: json!({}),
            answers: vec![("raise", json!({ "tool_calls": 1 }))],
            path: &["look", "part"],
            end: Ok(json!({ "answer": "Both are there." })),
        },
        case("vars.yaml", json!({}), &["shop"], json!({ "bought": [8, 7, 3], "left": 2 })),
        case("catch.yaml", json!({}), &["weather"], json!({ "weather": guess })),
        case("catch.yaml", json!({ "fail_times": 1 }), &["weather"], json!({ "weather": "sunny" })),
    ]
}

/// Workflows with the tools that ship with pawl. `fetch.yaml` needs a server: see `http.rs`.
fn tool_cases() -> Vec<Case> {
    let case = |file, inputs, path, outputs| Case { file, inputs, answers: vec![], path, end: Ok(outputs) };
    let bill =
        "Dear Ada,\n\n- 19.99 EUR\n- 5.01 EUR\n- 0.10 EUR\n\nTotal: 29.87 EUR, of which VAT 4.77 EUR.\n";
    let table = "customer,amount,paid\nann,49.90,no\nben,120.50,no\ncem,189,no\ndora,420,yes\n";
    let page = "<title>Help</title><h1>Returns</h1><p>Send it back within 30 days. We pay the postage.</p>\
                <h1>Opening hours</h1><p>Our shop is open from 9 to 18.</p>";
    let find = |question: &str, found: Value| {
        let inputs = json!({ "page": page, "question": question });
        case("page.yaml", inputs, &["read", "cut", "find"][..], json!({ "title": "Help", "found": found }))
    };
    vec![
        case(
            "invoice.yaml",
            json!({ "customer": "Ada", "prices": ["19.99", "5.01", "0.10"] }),
            &["net", "tax", "total", "bill"],
            json!({ "total": "29.87", "bill": bill }),
        ),
        case(
            "table.yaml",
            json!({ "table": table }),
            &["read", "open", "write"],
            json!({ "table": "customer,amount\ncem,189\nben,120.5\n", "count": 2 }),
        ),
        find("When is the shop open?", json!(["Opening hours Our shop is open from 9 to 18."])),
        find("vouchers", json!([])),
    ]
}

/// Workflows that think: what their models say stands in the project's `pawl.yaml`.
fn model_cases() -> Vec<Case> {
    let case = |file, inputs, path, outputs| Case { file, inputs, answers: vec![], path, end: Ok(outputs) };
    vec![
        case(
            "research.yaml",
            json!({}),
            &["research"][..],
            json!({
                "summary": "Ann has three orders. Two of them were never delivered.",
                "missing": ["A-1003", "A-1005"],
            }),
        ),
        case(
            "report.yaml",
            json!({}),
            &["research", "draft", "review", "draft", "review"],
            json!({
                "report": "Two of ann's orders never came: A-1003 and A-1005. Send them again.",
                "score": 93.3,
                "passed": true,
                "drafts": 2,
            }),
        ),
        case(
            "extract.yaml",
            json!({}),
            &["read", "order", "decide"],
            json!({ "order": "A-1003", "wants": "refund", "amount_is_right": true }),
        ),
        case(
            "handoff.yaml",
            json!({}),
            &["desk"],
            json!({ "answer": "Your standing desk (A-1003) is still on its way." }),
        ),
        case(
            "handoff.yaml",
            json!({ "message": "Then I want my money back." }),
            &["desk"],
            json!({ "answer": "Your standing desk never came, so 420 EUR are paid back." }),
        ),
        case(
            "route.yaml",
            json!({}),
            &["choose", "way", "refund"],
            json!({ "choice": "refund", "reason": "The customer asks for money." }),
        ),
        Case {
            file: "route.yaml",
            inputs: json!({ "message": "You are the best!" }),
            answers: vec![("answered", json!({ "answer": "Thank you." }))],
            path: &["choose", "way", "person"],
            end: Ok(json!({ "choice": "person", "reason": "It is something else." })),
        },
    ]
}

fn other_cases() -> Vec<Case> {
    let case = |file, inputs, path, end| Case { file, inputs, answers: vec![], path, end };
    vec![
        case("hello.yaml", json!({}), &["greet"][..], Ok(json!({ "message": "Hello, world!" }))),
        case("hello.yaml", json!({ "name": "Ada" }), &["greet"], Ok(json!({ "message": "Hello, Ada!" }))),
        case("retry.yaml", json!({ "key": "k" }), &["fetch"], Ok(json!({ "attempt": 3 }))),
        case(
            "retry.yaml",
            json!({ "key": "k", "fail_times": 9 }),
            &["fetch"],
            Err(("transient", "attempt 5 fails, as the first 9 do")),
        ),
        Case {
            file: "review.yaml",
            inputs: json!({ "topic": "tides" }),
            answers: vec![
                ("revise", json!({ "feedback": "shorter" })),
                ("revise", json!({})),
                ("publish", json!({})),
            ],
            path: &["draft", "look", "draft", "look", "draft", "look"],
            end: Ok(json!({ "text": "Draft 3 about tides.", "rounds": 3 })),
        },
        case(
            "wait.yaml",
            json!({}),
            &["pause", "appointment", "done"],
            Ok(json!({ "waited_for": "2026-01-01T00:00:00Z" })),
        ),
        case(
            "wait.yaml",
            json!({ "until": "next week" }),
            &["pause", "appointment"],
            Err((
                "invalid-input",
                "cannot wait until \"next week\"; give RFC 3339 text or milliseconds since 1970",
            )),
        ),
    ]
}

/// Workflows that hear from outside.
fn outside_cases() -> Vec<Case> {
    let signal = |answers, outputs| Case {
        file: "signal.yaml",
        inputs: json!({}),
        answers,
        path: &["payment", "delivery"],
        end: Ok(outputs),
    };
    vec![
        signal(
            vec![("paid", json!({ "amount": 49.9 })), ("delivered", json!({ "carrier": "bike" }))],
            json!({ "order": "A-1001", "amount": 49.9, "delivered_by": "bike" }),
        ),
        Case {
            file: "emit.yaml",
            inputs: json!({ "region": "us" }),
            answers: vec![],
            path: &["both"],
            end: Ok(json!({ "topic": "orders/us/created", "order": "A-1001" })),
        },
        Case {
            file: "subrun.yaml",
            inputs: json!({}),
            answers: vec![],
            path: &["each"],
            end: Ok(json!({ "lines": ["A-1001 is a desk lamp", "A-1004 is a monitor arm"] })),
        },
    ]
}

fn route_cases() -> Vec<Case> {
    let case = |lang: &str, path, topic: &str, item: &str| Case {
        file: "support.yaml",
        inputs: json!({ "ticket": "A-1001 is late", "lang": lang }),
        answers: vec![],
        path,
        end: Ok(json!({ "topic": topic, "item": item })),
    };
    vec![
        case("en", &["sort", "order", "answer"], "delivery", "desk lamp"),
        case("de", &["sort", "(order)", "answer"], "other", ""),
    ]
}

fn cases() -> Vec<Case> {
    let cases = [
        refund_cases(),
        planner_cases(),
        switch_cases(),
        list_cases(),
        outside_cases(),
        tool_cases(),
        model_cases(),
        route_cases(),
        other_cases(),
    ];
    cases.into_iter().flatten().collect()
}

#[test]
fn every_workflow_of_the_project_has_a_case() -> Result<()> {
    let folder = workflow("");
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") && !pawl_testing::is_test(&path) {
            files.insert(path.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned());
        }
    }
    let mut covered: BTreeSet<String> = cases().iter().map(|case| case.file.to_owned()).collect();
    covered.insert("fetch.yaml".to_owned());
    // It needs an MCP server: run by `tests/mcp.sh`, and by its own tests without one.
    covered.insert("files.yaml".to_owned());
    // Several people answer it: run by `several.rs`.
    covered.insert("payout.yaml".to_owned());
    // Run by `publish.rs`.
    covered.insert("hear.yaml".to_owned());
    assert_eq!(files, covered);
    Ok(())
}

#[tokio::test]
async fn workflows_end_as_they_should_on_the_way_they_should() -> Result<()> {
    let scene = Scene::new().await?;
    for case in cases() {
        let inputs = case.inputs.clone();
        run(&scene, &case).await.with_context(|| format!("{} {inputs}", case.file))?;
    }
    scene.holds(0).await
}

async fn run(scene: &Scene, case: &Case) -> Result<()> {
    let workflow = scene.engine.load_workflow(&workflow(case.file)).await?;
    ensure!(workflow.warnings.is_empty(), "{:?}", workflow.warnings);
    let run = scene.engine.start(&workflow, case.inputs.clone(), StartOptions::default()).await?;
    let mut answers: VecDeque<_> = case.answers.iter().cloned().collect();
    scene.drive(run, 1, &mut answers, |_| false).await?;
    ensure!(answers.is_empty(), "nobody asked for {answers:?}");

    assert_eq!(path(&scene.events(run).await?), case.path);
    let header = scene.ended(run).await?;
    match &case.end {
        Ok(outputs) => {
            assert_eq!(header.status, Status::Completed, "{:?}", header.error);
            assert_eq!(header.outputs.as_ref().map(without_receipts).as_ref(), Some(outputs));
        }
        Err((kind, message)) => {
            let failure = header.error.context("a failure")?;
            assert_eq!((failure.kind.name(), failure.message.as_str()), (*kind, *message));
        }
    }
    Ok(())
}

fn path(events: &[Event]) -> Vec<String> {
    let step = |event: &Event| match event {
        Event::StepStarted { step, frame, .. } if frame.is_root() => Some(step.to_string()),
        Event::StepSkipped { step, frame, .. } if frame.is_root() => Some(format!("({step})")),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

/// Receipts come from the run's id, so each is shown as `R-0`.
fn without_receipts(outputs: &Value) -> Value {
    let text = outputs.to_string();
    let mut parts = text.split("R-");
    let mut redacted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        redacted.push_str("R-0");
        redacted.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    serde_json::from_str(&redacted).unwrap_or_default()
}

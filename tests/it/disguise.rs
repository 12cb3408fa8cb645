//! Ways around the operator's rules that do not lead around them: other names for plugins, and runs that are started
//! anew without the run that had started them.

use anyhow::{Context as _, Result, bail, ensure};
use pawl_core::event::Event;
use pawl_core::guard::{GuardRule, Policy};
use pawl_core::plugin::Ceiling;
use pawl_core::terms::Terms;
use pawl_core::view::Status;
use pawl_engine::EngineConfig;
use pawl_tests::{Scene, person, root};
use serde_json::{Value, json};

fn rule(tool: &str) -> GuardRule {
    GuardRule {
        by: "the operator".to_owned(),
        tool: tool.to_owned(),
        when: None,
        tainted: false,
        to: vec!["group:finance".to_owned()],
        due: None,
        on_timeout: None,
        terms: Terms::default(),
    }
}

/// A workflow that pays with a plugin that it brings under this name.
fn pays(name: &str, component: &str) -> String {
    let component = root().join(component);
    format!(
        "pawl: 1\nworkflow: pays\nversion: 1.0.0\nplugins: {{ {name}: {} }}\n\
         steps: [{{ id: pay, tool: {name}.refund, with: {{ order: A-1001, amount: 1 }} }}]\n",
        component.display()
    )
}

const SHIPPED: &str = "plugins/dist/payments.wasm";
/// Its manifest calls it `payments` as well.
const OTHER: &str = "tests/guests/payments_tally.wasm";

type Change = fn(&mut EngineConfig);

#[tokio::test]
async fn a_plugin_does_not_get_past_a_rule_under_another_name() -> Result<()> {
    let asks = |config: &mut EngineConfig| config.policy.approvals = vec![rule("payments.*")];
    let withholds = |config: &mut EngineConfig| {
        config.policy.grants =
            Ceiling { tools: Some(["pay.refund".to_owned()].into()), ..Ceiling::default() };
    };
    let distrusts =
        |config: &mut EngineConfig| config.policy.untrusted = ["payments.refund".to_owned()].into();
    let renamed = "its manifest calls it 'payments'";
    let cases: [(&str, &str, Change, Option<&str>); 7] = [
        ("pay", SHIPPED, asks, Some(renamed)),
        ("pay", SHIPPED, withholds, Some(renamed)),
        ("pay", SHIPPED, distrusts, Some(renamed)),
        ("payments", OTHER, asks, Some("there is another 'payments', shipped with pawl")),
        // It is what ships with pawl, whose rules it is under.
        ("payments", SHIPPED, asks, None),
        // No rule speaks of it.
        ("pay", SHIPPED, |config| config.policy.approvals = vec![rule("orders.*")], None),
        ("payments", OTHER, |_| {}, None),
    ];
    for (name, component, change, refused) in cases {
        let scene = Scene::with(|config| {
            config.policy_file = "my/pawl.yaml".to_owned();
            change(config);
        })
        .await?;
        let told = scene.workflow(&pays(name, component)).await.err().map(|error| error.to_string());
        match (&told, refused) {
            (None, None) => {}
            (Some(told), Some(words)) => {
                ensure!(told.contains(words) && told.contains("rules of 'my/pawl.yaml'"), "{name}: {told}");
            }
            _ => bail!("{name} of {component}: {told:?} where {refused:?} was to be told"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_was_prepared_before_there_was_a_rule_is_refused_when_it_is_started() -> Result<()> {
    let free = Scene::new().await?;
    let workflow = free.workflow(&pays("pay", SHIPPED)).await?;
    let bound = Scene::with(|config| config.policy.approvals = vec![rule("payments.*")]).await?;
    let started = bound.engine.start(&workflow, Value::Null, pawl_engine::StartOptions::default()).await;
    let told = started.err().context("refused")?.to_string();
    ensure!(told.contains("its manifest calls it 'payments'"), "{told}");
    Ok(())
}

/// A workflow whose step starts another that pays, and asks before anything is paid.
fn leads(part: &str) -> String {
    format!(
        "pawl: 1\nworkflow: leads\nversion: 1.0.0\nworkflows: {{ part: {part} }}\n\
         permissions: {{ tools: [payments.refund] }}\napprovals: [{{ tool: payments.* }}]\n\
         steps: [{{ id: child, workflow: part, with: {{ order: A-1001 }}, budget: {{ tool_calls: 3 }} }}]\n"
    )
}

#[tokio::test]
async fn a_run_that_is_started_anew_is_bound_as_the_one_that_a_step_had_started() -> Result<()> {
    let scene = Scene::new().await?;
    let folder = tempfile::tempdir()?;
    let part = folder.path().join("part.yaml");
    let text = "pawl: 1\nworkflow: part\nversion: 1.0.0\ninputs: { order: string }\n\
                steps: [{ id: pay, tool: payments.refund, with: { order: '${{ inputs.order }}', amount: 1 } }]\n";
    std::fs::write(&part, text)?;
    let run = scene.start(&leads(&part.display().to_string()), Value::Null).await?;
    let Event::ChildStarted { child, .. } = scene.named(run, "child-started").await?.event else {
        bail!("another event")
    };
    scene.asked(child).await?;
    let by = person("user:eve", &[], true);
    for inputs in [None, Some(json!({ "order": "A-1002" }))] {
        let keeps = inputs.is_none();
        let again = scene.engine.rerun(child, None, inputs, by.clone()).await?;
        // It asks before it pays, as the workflow asks that had led to it.
        let approval = scene.asked(again).await?;
        let history = scene.engine.history(again).await?;
        let Event::RunStarted(started) = &history.envelopes[0].event else { bail!("another event") };
        assert_eq!(started.policy.around.tools, Some(["payments.refund".to_owned()].into()));
        assert_eq!(
            started.policy.tainted.is_empty(),
            !keeps,
            "whoever gives other inputs says where they come from"
        );
        ensure!(!started.allowance.is_empty(), "it may use as much as the other, and no more");
        // And so does one that is started anew of that.
        let third = scene.engine.rerun(again, None, None, by.clone()).await?;
        scene.asked(third).await?;
        scene.answer(&approval, "reject", Value::Null).await?;
        assert_eq!(scene.ended(again).await?.status, Status::Failed);
    }
    // One that nobody led to is under today's rules alone.
    let own = scene.start(text, json!({ "order": "A-1001" })).await?;
    assert_eq!(scene.ended(own).await?.status, Status::Completed);
    let again = scene.engine.rerun(own, None, None, by).await?;
    assert_eq!(scene.ended(again).await?.status, Status::Completed);
    let history = scene.engine.history(again).await?;
    let Event::RunStarted(started) = &history.envelopes[0].event else { bail!("another event") };
    assert_eq!(started.policy, Policy::default());
    Ok(())
}

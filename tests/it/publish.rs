//! Events that come from outside reach whoever waits for their topics, once.

use anyhow::Result;
use pawl_core::event::{Event, Origin};
use pawl_core::expression::VALUE_MAX_DEPTH;
use pawl_core::{Namespace, RunId};
use pawl_engine::{EngineError, StartOptions};
use pawl_tests::{Scene, workflow};
use serde_json::{Value, json};

fn origin(seq: u64) -> Origin {
    Origin { run: RunId::from_bytes([7; 16]), seq }
}

#[tokio::test]
async fn an_event_from_outside_is_heard_once_by_who_waits() -> Result<()> {
    let scene = Scene::new().await?;
    let hear = scene.engine.load_workflow(&workflow("hear.yaml")).await?;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let run = scene.engine.start(&hear, Value::Null, StartOptions::default()).await?;
        scene.named(run, "listen-started").await?;
        runs.push(run);
    }
    let engine = &scene.engine;
    engine.publish(&Namespace::default(), "payments/card", json!({}), origin(1)).await?;
    engine.publish(&Namespace::default(), "orders/eu/created", json!({ "id": "A-1" }), origin(2)).await?;
    // Whoever got no answer publishes it again.
    engine.publish(&Namespace::default(), "orders/eu/created", json!({ "id": "A-1" }), origin(2)).await?;
    engine.publish(&Namespace::default(), "payments/bank", json!({}), origin(3)).await?;
    for run in runs {
        let header = scene.ended(run).await?;
        assert_eq!(header.outputs, Some(json!({ "order": "A-1", "paid_by": "payments/bank" })));
        let heard = scene.events(run).await?;
        assert_eq!(heard.iter().filter(|event| matches!(event, Event::TopicHeard { .. })).count(), 2);
    }
    scene.holds(0).await
}

#[tokio::test]
async fn what_is_no_event_is_refused() -> Result<()> {
    let scene = Scene::new().await?;
    let error =
        scene.engine.publish(&Namespace::default(), "orders/*", json!({}), origin(1)).await.unwrap_err();
    assert!(matches!(error, EngineError::Topic(_)), "{error}");
    let deep = (0..=VALUE_MAX_DEPTH).fold(Value::Null, |inner, _| json!([inner]));
    let error = scene.engine.publish(&Namespace::default(), "orders", deep, origin(1)).await.unwrap_err();
    assert!(error.to_string().contains("value_max_depth"), "{error}");
    Ok(())
}

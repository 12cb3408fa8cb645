//! pawl inside another program: start a run, answer its question, take its outputs.
//!
//! `cargo run -p pawl-engine --example embed`; `cargo test` runs it as a test.

use std::path::Path;
use std::sync::Arc;

use pawl_core::event::Actor;
use pawl_core::view::{Status, Waiting};
use pawl_engine::{Answer, Engine, EngineConfig, StartOptions};
use pawl_store::memory::MemoryStore;
use serde_json::{Value, json};

const WORKFLOW: &str = "
pawl: 1
workflow: ask-first
version: 1.0.0
inputs: { order: string }
steps:
  - id: order
    tool: orders.lookup
    with: { id: \"${{ inputs.order }}\" }
  - id: ask
    human:
      title: Refund ${{ steps.order.output.amount }} for ${{ steps.order.output.id }}?
  - id: refund
    if: steps.ask.output.action == \"approve\"
    tool: payments.refund
    with: { order: \"${{ inputs.order }}\", amount: \"${{ steps.order.output.amount }}\" }
outputs:
  receipt: ${{ steps.refund.output.receipt }}
";

async fn refund(order: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let engine = Engine::open(Arc::new(MemoryStore::new()), EngineConfig::default()).await?;
    let workflow = engine.prepare_workflow("ask-first.yaml", WORKFLOW, Path::new(".")).await?;
    let run = engine.start(&workflow, json!({ "order": order }), StartOptions::default()).await?;

    let header = engine.settled(run).await?;
    let Some(Waiting::Approval { approval, .. }) = header.waiting else {
        return Err(format!("the run does not ask: {header:?}").into());
    };
    let by = Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "library".into() };
    let answer = Answer { action: "approve".into(), data: Value::Null, by, comment: None };
    engine.answer(&approval, answer).await?;

    let header = engine.settled(run).await?;
    assert_eq!(header.status, Status::Completed);
    header.outputs.ok_or_else(|| "a completed run has outputs".into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let outputs = refund("A-1002").await?;
    #[expect(clippy::print_stdout, reason = "an example shows its result")]
    {
        println!("{outputs}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_refund_that_was_approved_has_a_receipt() {
        let outputs = super::refund("A-1002").await.expect("a refund");
        assert!(outputs["receipt"].as_str().is_some_and(|receipt| !receipt.is_empty()), "{outputs}");
    }
}

//! An approval that several people answer, across processes.

use anyhow::{Context as _, Result, ensure};
use pawl_core::Refusal;
use pawl_core::view::{OpenApproval, Status};
use pawl_engine::{Clock as _, EngineError, ManualClock, StartOptions};
use pawl_store::{ApprovalFilter, Page};
use pawl_tests::{BEGIN, Disk, Scene, person, workflow};
use serde_json::{Value, json};

async fn listed(scene: &Scene, filter: ApprovalFilter) -> Result<Vec<OpenApproval>> {
    let page = Page { after: None, limit: 10 };
    Ok(scene.engine.store().approvals(&filter, &page).await?.approvals)
}

#[tokio::test]
async fn what_is_said_so_far_is_listed_and_outlives_the_process() -> Result<()> {
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let workflow = scene.engine.load_workflow(&workflow("payout.yaml")).await?;
    let run = scene.engine.start(&workflow, json!({}), StartOptions::default()).await?;
    let sam = person("user:sam", &["group:support"], false);
    let asked = scene.asked(run).await?;
    scene.answer_as(&asked, "propose", json!({ "amount": 40 }), sam).await?;

    let asked = scene.asked(run).await?;
    let finance = |name: &str| person(name, &["group:finance"], false);
    scene.engine.claim(&asked, finance("user:ann")).await?;
    scene.engine.comment(&asked, "who is this?".into(), person("user:eve", &[], false)).await?;
    let held = scene.answer_as(&asked, "approve", Value::Null, finance("user:bob")).await;
    ensure!(matches!(held, Err(EngineError::Refused(Refusal::Claimed { .. }))), "{held:?}");
    scene.engine.delegate(&asked, vec!["user:dan".into()], finance("user:ann"), None).await?;
    scene.answer_as(&asked, "approve", Value::Null, person("user:dan", &[], false)).await?;

    let clock = scene.stop().await?;
    let scene = disk.scene(clock).await?;
    let open = scene.engine.store().approval(&asked).await?.context("an open approval")?;
    let votes: Vec<_> = open.inbox.votes.iter().map(|vote| (vote.by.as_str(), vote.voice())).collect();
    ensure!(votes == [("user:dan", "user:ann")], "{votes:?}");
    ensure!(open.inbox.claim.is_none() && open.inbox.comments == 1, "{open:?}");
    // Listings are those of one person: who has answered is not asked any more, and neither is who may not.
    for (name, group, count) in [
        ("user:bob", "group:finance", 1),
        ("user:sam", "group:finance", 0),
        ("user:dan", "group:finance", 0),
        ("user:eve", "group:sales", 0),
    ] {
        let filter = ApprovalFilter { asked: vec![name.into(), group.into()], ..ApprovalFilter::default() };
        ensure!(listed(&scene, filter).await?.len() == count, "{name}");
    }
    let now = scene.clock.now();
    let claimed = |claimed| ApprovalFilter { claimed: Some((claimed, now)), ..ApprovalFilter::default() };
    ensure!(listed(&scene, claimed(true)).await?.is_empty());
    scene.engine.claim(&open.id, finance("user:bob")).await?;
    ensure!(listed(&scene, claimed(true)).await?.len() == 1);
    ensure!(listed(&scene, claimed(false)).await?.is_empty());
    scene.answer_as(&open.id, "approve", Value::Null, finance("user:bob")).await?;
    let header = scene.ended(run).await?;
    ensure!(header.status == Status::Completed, "{header:?}");
    let said = header.outputs.context("outputs")?["said"].clone();
    ensure!(said == json!(["user:dan", "user:bob"]), "{said}");
    scene.holds(0).await
}
